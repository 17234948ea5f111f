"""The videoconferences' registry, and the subscription that tells of each change."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import datetime
from enum import Enum
from typing import Annotated, Self
from zoneinfo import ZoneInfo

import strawberry

from application.views import Page, TakingPartView, VideoconferenceView
from domain.access import Permission
from domain.errors import ProblemCode, refuse
from domain.ids import ChatId, LessonId, ParticipantId, VideoconferenceId
from domain.participant import Capacity
from domain.videoconference import FailureReason, FinishedBy, VideoconferenceStatus, VideoconferenceType
from domain.videoconference_form import LIST_FIELDS, VideoconferenceForm
from graphql_api.chats import Chat, chat_by_id
from graphql_api.context import Info
from graphql_api.errors import PublicError
from graphql_api.global_ids import NO_ONE, global_id, id_of
from graphql_api.nodes import Node
from graphql_api.organizations import OrganizationArgument, chosen_organization
from graphql_api.pagination import After, Connection, First, Offset, PageInfo, cursor, page_info, window
from graphql_api.participants import Participant, ParticipantFilter
from graphql_api.problems import Refusal, RefusalsAsData

MOST_PEOPLE = 1000


@strawberry.enum(description="What the viewer may do with a videoconference.")
class VideoconferenceAction(Enum):
    """Actions on a videoconference."""

    FINISH = strawberry.enum_value("FINISH", description="End it before its time.")


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
    link: str | None = strawberry.field(description="Where to connect; only while ACTIVE, to whom it belongs.")
    version: int = strawberry.field(description="Grows with each change.")
    viewer_can: list[VideoconferenceAction] = strawberry.field(description="What the viewer may do with it.")
    view: strawberry.Private[VideoconferenceView]

    @strawberry.field(description="Its chat, if the viewer may see it.")
    async def chat(self, info: Info) -> Chat | None:
        """Read in one statement for all conferences of the operation."""
        return await chat_by_id(info, self.view.chat_id)

    @strawberry.field(description="Who takes part, by name.")
    async def participants(
        self,
        info: Info,
        filter: Annotated[ParticipantFilter | None, strawberry.argument(description="Which people.")] = None,
        first: First = None,
        after: After = None,
        offset: Offset = None,
    ) -> VideoconferenceParticipantConnection:
        """Read in one statement for all conferences of the operation."""
        part, capacity = window(first, after, offset), filter.capacity if filter else None
        if filter is not None and filter != ParticipantFilter(capacity=capacity):
            raise PublicError(
                "The participants of a videoconference are narrowed by «capacity» alone.", code="BAD_REQUEST"
            )
        views = info.context.parts.views

        async def load(ids: list[VideoconferenceId]) -> list[Page[TakingPartView]]:
            pages = await views.taking_part(ids, capacity, part)
            return [pages[id] for id in ids]

        page = await info.context.loader(("participants", part, capacity), load).load(self.view.id)
        edges = [
            VideoconferenceParticipantEdge(
                cursor=cursor(part.offset + place),
                node=Participant.of(person.participant),
                capacities=list(person.capacities),
            )
            for place, person in enumerate(page.items)
        ]
        return VideoconferenceParticipantConnection(
            total_count=page.total, edges=edges, page_info=page_info(page, part)
        )

    @classmethod
    def of(cls, view: VideoconferenceView) -> Self:
        """The conference of a view, its instants in the organization's offset (CONF-07)."""
        zone = ZoneInfo(view.time_zone)
        can_finish = view.may_finish and view.status is VideoconferenceStatus.ACTIVE
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
            link=view.link,
            version=view.version,
            viewer_can=[VideoconferenceAction.FINISH] if can_finish else [],
            view=view,
        )


@strawberry.input(
    description="A new videoconference. A list of people left out means the chat's; a list given is whole."
)
class CreateVideoconferenceInput:
    """The window «Добавление видеоконференции»."""

    type: VideoconferenceType = strawberry.field(description="Its type.")
    chat_id: strawberry.ID = strawberry.field(description="Its chat.")
    name: str | None = strawberry.field(
        default=None, description="Its name; required for a video call, filled in for an online lesson."
    )
    lesson_id: strawberry.ID | None = strawberry.field(
        default=None, description="The lesson; required for an online lesson of a subject's chat."
    )
    starts_at: datetime | None = strawberry.field(default=None, description="Its start; the lesson's by default.")
    ends_at: datetime | None = strawberry.field(default=None, description="Its end; the lesson's by default.")
    pupil_ids: list[strawberry.ID] | None = strawberry.field(default=None, description="The pupils who take part.")
    employee_ids: list[strawberry.ID] | None = strawberry.field(
        default=None, description="The employees who take part."
    )
    parent_ids: list[strawberry.ID] | None = strawberry.field(
        default=None, description="The parents who take part; only in a video call of a parents' chat."
    )
    idempotency_key: str | None = strawberry.field(
        default=None, description="The client's key, at most 64 characters; repeating it answers with the first result."
    )

    def form(self) -> VideoconferenceForm:
        """The form, its ids read; an id that is none of ours is nobody's."""
        given = {Capacity.PUPIL: self.pupil_ids, Capacity.EMPLOYEE: self.employee_ids, Capacity.PARENT: self.parent_ids}
        lists = {
            capacity: frozenset(ParticipantId(id_of("Participant", id) or NO_ONE) for id in ids)
            for capacity, ids in given.items()
            if ids is not None
        }
        for capacity, people in lists.items():
            if len(people) > MOST_PEOPLE:
                raise refuse(ProblemCode.TOO_MANY, LIST_FIELDS[capacity], most=str(MOST_PEOPLE))
        lesson = None if self.lesson_id is None else LessonId(id_of("Lesson", self.lesson_id) or NO_ONE)
        return VideoconferenceForm(self.type, self.name, lesson, self.starts_at, self.ends_at, lists or None)


@strawberry.type(description="The videoconference is saved.")
class VideoconferenceSaved:
    """Success."""

    videoconference: Videoconference = strawberry.field(description="As it is now.")


SaveVideoconferenceResult = Annotated[
    VideoconferenceSaved | Refusal,
    strawberry.union("SaveVideoconferenceResult", description="What came of saving a videoconference."),
]


@strawberry.type
class VideoconferenceQueries:
    """Queries of this module."""

    @strawberry.field(description="The registry of videoconferences, the latest start first.")
    async def videoconferences(
        self,
        info: Info,
        organization_id: OrganizationArgument = None,
        first: First = None,
        after: After = None,
        offset: Offset = None,
    ) -> Connection[Videoconference]:
        """What the viewer may see of it, which may be nothing."""
        part = window(first, after, offset)
        organization = await chosen_organization(info, organization_id)
        page: Page[VideoconferenceView] = Page((), 0)
        if organization is not None:
            viewer = await info.context.viewer()
            page = await info.context.parts.views.videoconferences(viewer, organization, part)
        return Connection[Videoconference].of(page, part, Videoconference.of)

    @strawberry.field(description="A videoconference; null if there is none that the viewer may know of.")
    async def videoconference(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The videoconference.")]
    ) -> Videoconference | None:
        """One conference."""
        inside = id_of("Videoconference", id)
        return None if inside is None else await videoconference_by_id(info, VideoconferenceId(inside))


@strawberry.type
class VideoconferenceMutations:
    """Mutations of this module."""

    @strawberry.mutation(
        description="Makes a videoconference, which will start and end by itself.", extensions=[RefusalsAsData()]
    )
    async def create_videoconference(
        self,
        info: Info,
        input: Annotated[CreateVideoconferenceInput, strawberry.argument(description="What it is to be.")],
    ) -> SaveVideoconferenceResult:
        """All problems of the form at once."""
        chat = ChatId(id_of("Chat", input.chat_id) or NO_ONE)
        id = await info.context.parts.use_cases.create_videoconference(
            await info.context.viewer(), chat, input.form(), idempotency_key=input.idempotency_key
        )
        return await _saved(info, id)

    @strawberry.mutation(description="Ends an active videoconference before its time.", extensions=[RefusalsAsData()])
    async def finish_videoconference(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The videoconference.")]
    ) -> SaveVideoconferenceResult:
        """One that is finished already answers as it is."""
        inside = VideoconferenceId(id_of("Videoconference", id) or NO_ONE)
        await info.context.parts.use_cases.finish_videoconference(await info.context.viewer(), inside)
        return await _saved(info, inside)


@strawberry.type
class VideoconferenceSubscriptions:
    """Subscriptions of this module."""

    @strawberry.subscription(
        description="The videoconference: its present state first, then every change in order, once each."
    )
    async def videoconference(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The videoconference.")]
    ) -> AsyncGenerator[Videoconference, None]:
        """Completes when the conference is no longer open to the viewer (CONF-19)."""
        inside = id_of("Videoconference", id)
        if inside is None:
            raise PublicError("Not found.", code="NOT_FOUND")
        viewer = await info.context.viewer()
        async with info.context.parts.changes.watch(VideoconferenceId(inside)) as changes:
            present = await info.context.parts.views.videoconference(viewer, VideoconferenceId(inside))
            if present is None:
                raise PublicError("Not found.", code="NOT_FOUND")
            yield Videoconference.of(present)
            async for change in changes:
                if change.version < present.version:
                    continue
                view = change.seen_by(viewer)
                if view is None:
                    return
                if view != present:
                    present = view
                    yield Videoconference.of(view)


async def videoconference_by_id(info: Info, id: VideoconferenceId) -> Videoconference | None:
    """The conference, if the viewer may see it."""
    view = await info.context.parts.views.videoconference(await info.context.viewer(), id)
    return None if view is None else Videoconference.of(view)


async def _saved(info: Info, id: VideoconferenceId) -> VideoconferenceSaved:
    """The conference that the viewer has just worked on, even if they take no part in it."""
    viewer = await info.context.viewer()
    reader = replace(viewer, granted=viewer.granted | {Permission.REGISTRY_VIEW})
    view = await info.context.parts.views.videoconference(reader, id)
    if view is None:
        raise refuse(ProblemCode.NOT_FOUND, "id")
    return VideoconferenceSaved(videoconference=Videoconference.of(view))
