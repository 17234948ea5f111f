"""The videoconferences' registry, and what the window of a new one begins with."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Self
from zoneinfo import ZoneInfo

import strawberry

from application.views import (
    ALL_CONFERENCES,
    LATEST_FIRST,
    JoinView,
    Page,
    TakingPartFilter,
    TakingPartView,
    VideoconferenceDefaultsView,
    VideoconferenceFilter,
    VideoconferenceOrder,
    VideoconferenceOrderField,
    VideoconferenceView,
    Window,
)
from domain.access import VideoconferenceAction, may_pick_people
from domain.ids import ChatId, LessonId, VideoconferenceId
from domain.participant import Capacity
from domain.videoconference import FailureReason, FinishedBy, VideoconferenceStatus, VideoconferenceType
from graphql_api.chats import Chat, chat_by_id
from graphql_api.context import Info
from graphql_api.enums import OrderDirection
from graphql_api.global_ids import global_id, id_of
from graphql_api.nodes import Node
from graphql_api.organizations import OrganizationArgument, chosen_organization
from graphql_api.pagination import After, Connection, First, Offset, PageInfo, cursor, page_info, window
from graphql_api.participants import Participant, ParticipantFilter
from graphql_api.people import chat_id, class_id

if TYPE_CHECKING:
    from graphql_api.lessons import Lesson

WhichPeople = Annotated[ParticipantFilter | None, strawberry.argument(description="Which people.")]


@strawberry.type(description="Somebody who takes part in a videoconference.")
class VideoconferenceParticipantEdge:
    """A participant and as what they take part."""

    cursor: str = strawberry.field(description="The item's place, to go on from.")
    node: Participant = strawberry.field(description="Who.")
    capacities: list[Capacity] = strawberry.field(description="As what they take part.")


@strawberry.type(description="A page of a videoconference's participants.")
class VideoconferenceParticipantConnection:
    """Participants with their capacities."""

    total_count: int = strawberry.field(description="How many participants there are.")
    edges: list[VideoconferenceParticipantEdge] = strawberry.field(description="The participants of this page.")
    page_info: PageInfo = strawberry.field(description="Where this page stands in the list.")

    @classmethod
    def of(cls, page: Page[TakingPartView], part: Window, *, detailed: bool) -> Self:
        """The page as clients see it."""
        edges = [
            VideoconferenceParticipantEdge(
                cursor=cursor(part.offset + place),
                node=Participant.of(person.participant, detailed=detailed),
                capacities=list(person.capacities),
            )
            for place, person in enumerate(page.items)
        ]
        return cls(total_count=page.total, edges=edges, page_info=page_info(page, part))


@strawberry.type(description="Somebody asked for the link and was given it.")
class JoinRecord:
    """A record of «connect»."""

    participant: Participant = strawberry.field(description="Who.")
    at: datetime = strawberry.field(description="When, in the organization's offset.")


@strawberry.type(description="A videoconference: it starts and ends by itself.")
class Videoconference(Node):
    """A videoconference."""

    name: str = strawberry.field(description="Its name.")
    type: VideoconferenceType = strawberry.field(description="Its type.")
    chat_name: str = strawberry.field(description="The name of its chat, also for who may not see the chat.")
    starts_at: datetime = strawberry.field(description="When it starts by itself, in the organization's offset.")
    ends_at: datetime = strawberry.field(description="When it ends by itself, in the organization's offset.")
    status: VideoconferenceStatus = strawberry.field(description="Where it stands.")
    active_since: datetime | None = strawberry.field(description="When it became active; never before its start.")
    finished_at: datetime | None = strawberry.field(description="When it ended or failed.")
    finished_by: FinishedBy | None = strawberry.field(description="What ended it.")
    failure: FailureReason | None = strawberry.field(description="Why it never started.")
    start_problem: FailureReason | None = strawberry.field(description="Why it has not started yet; it is tried again.")
    minutes_left_notice: int | None = strawberry.field(
        description="5, then 1, once no more minutes are left while it is active; null otherwise."
    )
    link: str | None = strawberry.field(description="Where to connect; only while ACTIVE, to whom it belongs.")
    version: int = strawberry.field(description="Grows with each change.")
    viewer_can: list[VideoconferenceAction] = strawberry.field(description="What the viewer may do with it.")
    view: strawberry.Private[VideoconferenceView]

    @strawberry.field(description="Its chat, if the viewer may see it.")
    async def chat(self, info: Info) -> Chat | None:
        """Read in one statement for all conferences of the operation."""
        return await chat_by_id(info, self.view.chat_id)

    @strawberry.field(description="Its lesson of the timetable, if it has one and the viewer may see it.")
    async def lesson(self, info: Info) -> Annotated["Lesson", strawberry.lazy("graphql_api.lessons")] | None:
        """Read in one statement for all conferences of the operation."""
        # A lesson shows its online lesson, so each of the two modules needs the other.
        from graphql_api.lessons import lesson_by_id

        return None if self.view.lesson_id is None else await lesson_by_id(info, self.view.lesson_id)

    @strawberry.field(description="Who takes part, by name.")
    async def participants(
        self, info: Info, filter: WhichPeople = None, first: First = None, after: After = None, offset: Offset = None
    ) -> VideoconferenceParticipantConnection:
        """Read in one statement for all conferences of the operation."""
        part, which, viewer = window(first, after, offset), _people(filter), await info.context.viewer()
        views = info.context.parts.views

        async def load(ids: list[VideoconferenceId]) -> list[Page[TakingPartView]]:
            pages = await views.taking_part(viewer, ids, which, part)
            return [pages[id] for id in ids]

        page = await info.context.loader(("participants", part, which), load).load(self.view.id)
        detailed = may_pick_people(viewer, self.view.organization_id)
        return VideoconferenceParticipantConnection.of(page, part, detailed=detailed)

    @strawberry.field(description="Who asked for the link and got it, the newest first; null for who may not read it.")
    async def joins(self, info: Info, first: First = None, after: After = None) -> Connection[JoinRecord] | None:
        """Read in one statement for all conferences of the operation."""
        part, views = window(first, after, None), info.context.parts.views
        if VideoconferenceAction.READ_JOINS not in self.view.actions:
            return None

        async def load(ids: list[VideoconferenceId]) -> list[Page[JoinView]]:
            pages = await views.joins(ids, part)
            return [pages[id] for id in ids]

        page = await info.context.loader(("joins", part), load).load(self.view.id)
        viewer, zone = await info.context.viewer(), ZoneInfo(self.view.time_zone)
        detailed = may_pick_people(viewer, self.view.organization_id)
        return Connection[JoinRecord].of(
            page,
            part,
            lambda join: JoinRecord(
                participant=Participant.of(join.participant, detailed=detailed), at=join.at.astimezone(zone)
            ),
        )

    @classmethod
    def of(cls, view: VideoconferenceView) -> Self:
        """The conference of a view, its instants in the organization's offset (CONF-07)."""
        zone = ZoneInfo(view.time_zone)
        return cls(
            id=global_id("Videoconference", view.id),
            name=view.name,
            type=view.type,
            chat_name=view.chat_name,
            starts_at=view.starts_at.astimezone(zone),
            ends_at=view.ends_at.astimezone(zone),
            status=view.status,
            active_since=view.active_since and view.active_since.astimezone(zone),
            finished_at=view.finished_at and view.finished_at.astimezone(zone),
            finished_by=view.finished_by,
            failure=view.failure,
            start_problem=view.start_problem,
            minutes_left_notice=view.minutes_left_notice,
            link=view.link,
            version=view.version,
            viewer_can=[action for action in VideoconferenceAction if action in view.actions],
            view=view,
        )


@strawberry.type(description="What the window of a new videoconference begins with, once type and chat are chosen.")
class VideoconferenceDefaults:
    """The defaults, and which fields the type and the chat allow."""

    name: str | None = strawberry.field(description="Its name; null where the user must think of one.")
    starts_at: datetime | None = strawberry.field(description="The lesson's start, in the organization's offset.")
    ends_at: datetime | None = strawberry.field(description="The lesson's end, in the organization's offset.")
    lesson_required: bool = strawberry.field(description="Whether a lesson must be chosen.")
    lesson_allowed: bool = strawberry.field(description="Whether a lesson may be chosen.")
    parents_allowed: bool = strawberry.field(description="Whether parents take part.")
    view: strawberry.Private[VideoconferenceDefaultsView]

    @strawberry.field(description="Who takes part unless others are chosen, by name.")
    async def participants(
        self, info: Info, filter: WhichPeople = None, first: First = None, after: After = None, offset: Offset = None
    ) -> VideoconferenceParticipantConnection:
        """The chat's people of the kinds that take part, and the lesson's substitute."""
        part, viewer = window(first, after, offset), await info.context.viewer()
        page = await info.context.parts.views.default_participants(viewer, self.view, _people(filter), part)
        return VideoconferenceParticipantConnection.of(page, part, detailed=True)

    @classmethod
    def of(cls, view: VideoconferenceDefaultsView) -> Self:
        """The defaults of a view, the lesson's instants in the organization's offset (CONF-07)."""
        zone, defaults = ZoneInfo(view.time_zone), view.defaults
        return cls(
            name=defaults.name,
            starts_at=defaults.starts_at and defaults.starts_at.astimezone(zone),
            ends_at=defaults.ends_at and defaults.ends_at.astimezone(zone),
            lesson_required=defaults.lesson_required,
            lesson_allowed=defaults.lesson_allowed,
            parents_allowed=defaults.parents_allowed,
            view=view,
        )


@strawberry.input(name="VideoconferenceFilter", description="Which videoconferences; all that is given must hold.")
class VideoconferenceFilterInput:
    """The filters of the registry of videoconferences."""

    name_contains: str | None = strawberry.field(
        default=None, description="Those whose name has each of these words, in any order."
    )
    statuses: list[VideoconferenceStatus] | None = strawberry.field(
        default=None, description="Those in one of these statuses."
    )
    types: list[VideoconferenceType] | None = strawberry.field(default=None, description="Those of one of these types.")
    chat_id: strawberry.ID | None = strawberry.field(default=None, description="Those of the chat.")
    lesson_id: strawberry.ID | None = strawberry.field(default=None, description="Those of the lesson.")
    from_: datetime | None = strawberry.field(
        default=None, name="from", description="Those that end after this instant; with `to` those of a period."
    )
    to: datetime | None = strawberry.field(default=None, description="Those that start before this instant.")

    def read(self) -> VideoconferenceFilter | None:
        """The filter that is meant; None where an id in it is of nothing that conferences are found by."""
        chat = None if self.chat_id is None else id_of("Chat", self.chat_id)
        lesson = None if self.lesson_id is None else id_of("Lesson", self.lesson_id)
        if (self.chat_id is not None and chat is None) or (self.lesson_id is not None and lesson is None):
            return None
        return VideoconferenceFilter(
            name_contains=self.name_contains,
            statuses=None if self.statuses is None else tuple(self.statuses),
            types=None if self.types is None else tuple(self.types),
            chat=None if chat is None else ChatId(chat),
            lesson=None if lesson is None else LessonId(lesson),
            start=self.from_,
            end=self.to,
        )


@strawberry.input(
    name="VideoconferenceOrder", description="In which order; what is equal always stands in the same order."
)
class VideoconferenceOrderInput:
    """A column of the registry of videoconferences, and which way."""

    field: VideoconferenceOrderField = strawberry.field(description="By what.")
    direction: OrderDirection = strawberry.field(default=OrderDirection.ASC, description="Which way.")


@strawberry.type
class VideoconferenceQueries:
    """Queries of this module."""

    @strawberry.field(description="The registry of videoconferences, the latest start first unless asked otherwise.")
    async def videoconferences(
        self,
        info: Info,
        organization_id: OrganizationArgument = None,
        filter: Annotated[
            VideoconferenceFilterInput | None, strawberry.argument(description="Which videoconferences.")
        ] = None,
        order_by: Annotated[
            VideoconferenceOrderInput | None, strawberry.argument(description="In which order.")
        ] = None,
        first: First = None,
        after: After = None,
        offset: Offset = None,
    ) -> Connection[Videoconference]:
        """What the viewer may see of it, which may be nothing."""
        part, viewer = window(first, after, offset), await info.context.viewer()
        organization = await chosen_organization(info, organization_id)
        which = ALL_CONFERENCES if filter is None else filter.read()
        order = LATEST_FIRST
        if order_by is not None:
            order = VideoconferenceOrder(order_by.field, descending=order_by.direction is OrderDirection.DESC)
        page: Page[VideoconferenceView] = Page((), 0)
        if organization is not None and which is not None:
            page = await info.context.parts.views.videoconferences(viewer, organization, part, which=which, order=order)
        return Connection[Videoconference].of(page, part, Videoconference.of)

    @strawberry.field(description="A videoconference; null if there is none that the viewer may know of.")
    async def videoconference(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The videoconference.")]
    ) -> Videoconference | None:
        """One conference."""
        inside = id_of("Videoconference", id)
        return None if inside is None else await videoconference_by_id(info, VideoconferenceId(inside))

    @strawberry.field(
        description="What a new videoconference of a chat begins with; null for who may not create one for it."
    )
    async def videoconference_defaults(
        self,
        info: Info,
        type: Annotated[VideoconferenceType, strawberry.argument(description="Its type.")],
        chat_id: Annotated[strawberry.ID, strawberry.argument(description="Its chat.")],
        lesson_id: Annotated[
            strawberry.ID | None,
            strawberry.argument(description="Its lesson; one that cannot be chosen there counts as none."),
        ] = None,
    ) -> VideoconferenceDefaults | None:
        """Null also for a chat that is archived, or not the viewer's to know."""
        viewer, chat = await info.context.viewer(), id_of("Chat", chat_id)
        lesson = None if lesson_id is None else id_of("Lesson", lesson_id)
        if chat is None:
            return None
        found = await info.context.parts.views.videoconference_defaults(
            viewer, type, ChatId(chat), None if lesson is None else LessonId(lesson)
        )
        return None if found is None else VideoconferenceDefaults.of(found)


async def videoconference_by_id(info: Info, id: VideoconferenceId) -> Videoconference | None:
    """The conference, if the viewer may see it."""
    view = await info.context.parts.views.videoconference(await info.context.viewer(), id)
    return None if view is None else Videoconference.of(view)


def _people(filter: ParticipantFilter | None) -> TakingPartFilter:
    if filter is None:
        return TakingPartFilter()
    return TakingPartFilter(
        capacity=filter.capacity,
        name_contains=filter.name_contains,
        school_class=class_id(filter.school_class_id),
        blocked=filter.blocked,
        not_in_chat=chat_id(filter.not_in_chat_id),
    )
