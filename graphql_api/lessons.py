"""The timetable, and what is done with a lesson from the journal."""

from collections.abc import Iterator
from datetime import date as Day
from datetime import datetime
from typing import Annotated, Self
from zoneinfo import ZoneInfo

import strawberry

from application.people_views import LessonsWanted, LessonView
from application.views import OnlineLessonView, Page
from domain.access import LessonAction, VideoconferenceAction, Viewer, may_hold_lesson
from domain.ids import GroupId, LessonId
from graphql_api.context import Info
from graphql_api.global_ids import NO_ONE, global_id, id_of
from graphql_api.nodes import Node
from graphql_api.organizations import OrganizationArgument, chosen_organization
from graphql_api.pagination import After, Connection, First, Offset, window
from graphql_api.participants import Participant
from graphql_api.people import StudyGroup, chat_id, class_id, seen
from graphql_api.videoconferences import Videoconference


@strawberry.type(description="A lesson of the timetable.")
class Lesson(Node):
    """A lesson."""

    study_group: StudyGroup = strawberry.field(description="Whose lesson it is.")
    starts_at: datetime = strawberry.field(description="When it starts, in the organization's offset.")
    ends_at: datetime = strawberry.field(description="When it ends, in the organization's offset.")
    cancelled: bool = strawberry.field(description="Whether it does not take place.")
    substitute: Participant | None = strawberry.field(description="Who teaches it in the teacher's stead.")
    view: strawberry.Private[LessonView]

    @strawberry.field(
        description="Its online lesson: the one that is not over, else the last one; if the viewer may see it."
    )
    async def online_lesson(self, info: Info) -> Videoconference | None:
        """Read in one statement for all lessons of the operation."""
        found = await _online_lesson(info, self.view.id)
        return None if found is None or found.videoconference is None else Videoconference.of(found.videoconference)

    @strawberry.field(description="What the viewer may do from the journal now.")
    async def viewer_can(self, info: Info) -> list[LessonAction]:
        """By the online lesson that it has, which is read in one statement for all lessons of the operation."""
        online_lesson = await _online_lesson(info, self.view.id)
        return list(_actions(await info.context.viewer(), self.view, online_lesson))

    @classmethod
    def of(cls, view: LessonView) -> Self:
        """The lesson of a view, its instants in the organization's offset."""
        zone = ZoneInfo(view.time_zone)
        return cls(
            id=global_id("Lesson", view.id),
            study_group=StudyGroup.of(view.group),
            starts_at=view.starts_at.astimezone(zone),
            ends_at=view.ends_at.astimezone(zone),
            cancelled=view.cancelled,
            substitute=Participant.maybe(view.substitute),
            view=view,
        )


@strawberry.input(description="Which lessons; days are those of the organization's calendar.")
class LessonFilter:
    """What a list of lessons is narrowed to; an id that is none of ours is nobody's."""

    date: Day | None = strawberry.field(default=None, description="Those that start on this day.")
    from_: Day | None = strawberry.field(default=None, name="from", description="Those from this day on.")
    to: Day | None = strawberry.field(default=None, description="Those up to this day, which is included.")
    study_group_id: strawberry.ID | None = strawberry.field(default=None, description="Those of the study group.")
    school_class_id: strawberry.ID | None = strawberry.field(
        default=None, description="Those of study groups with pupils of the class."
    )
    chat_id: strawberry.ID | None = strawberry.field(
        default=None, description="Those of which an online lesson of the chat may be made."
    )

    def wanted(self) -> LessonsWanted:
        """The same, its ids read; `date` narrows the period further."""
        return LessonsWanted(
            first_day=max((day for day in (self.date, self.from_) if day is not None), default=None),
            last_day=min((day for day in (self.date, self.to) if day is not None), default=None),
            study_group=None
            if self.study_group_id is None
            else GroupId(id_of("StudyGroup", self.study_group_id) or NO_ONE),
            school_class=class_id(self.school_class_id),
            chat=chat_id(self.chat_id),
        )


async def lesson_by_id(info: Info, id: LessonId) -> Lesson | None:
    """The lesson, if the viewer may see it."""
    found = await seen(info, "lessons", info.context.parts.people.lessons_by_id, id)
    return None if found is None else Lesson.of(found)


@strawberry.type
class LessonQueries:
    """Queries of this module."""

    @strawberry.field(description="The lessons of the timetable, in order of time.")
    async def lessons(
        self,
        info: Info,
        filter: Annotated[LessonFilter, strawberry.argument(description="Which lessons.")],
        organization_id: OrganizationArgument = None,
        first: First = None,
        after: After = None,
        offset: Offset = None,
    ) -> Connection[Lesson]:
        """Those that the viewer may see."""
        part, viewer = window(first, after, offset), await info.context.viewer()
        organization = await chosen_organization(info, organization_id)
        page: Page[LessonView] = Page((), 0)
        if organization is not None:
            page = await info.context.parts.people.lessons(viewer, organization, filter.wanted(), part)
        return Connection[Lesson].of(page, part, Lesson.of)

    @strawberry.field(description="A lesson; null if there is none that the viewer may know of.")
    async def lesson(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The lesson.")]
    ) -> Lesson | None:
        """One lesson."""
        inside = id_of("Lesson", id)
        return None if inside is None else await lesson_by_id(info, LessonId(inside))


def _actions(viewer: Viewer, lesson: LessonView, online_lesson: OnlineLessonView | None) -> Iterator[LessonAction]:
    held = online_lesson is not None and online_lesson.unfinished
    may_hold = may_hold_lesson(viewer, lesson.organization_id, leads_lesson=lesson.viewer_leads)
    if may_hold and lesson.to_come and not held:
        yield LessonAction.CREATE_ONLINE_LESSON
    if online_lesson is not None and online_lesson.videoconference is not None:
        actions = online_lesson.videoconference.actions
        if VideoconferenceAction.JOIN in actions:
            yield LessonAction.CONNECT
        if VideoconferenceAction.FINISH in actions:
            yield LessonAction.FINISH


async def _online_lesson(info: Info, id: LessonId) -> OnlineLessonView | None:
    return await seen(info, "online lessons", info.context.parts.views.online_lessons, id)
