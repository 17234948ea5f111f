"""The windows in which videoconferences are made and edited, and what is done with one."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import strawberry

from application.videoconferences import JoinRefusalReason, StaleVideoconference
from application.videoconferences import JoinRefused as NotJoined
from domain.access import Permission
from domain.errors import ProblemCode, refuse
from domain.ids import ChatId, LessonId, VideoconferenceId
from domain.participant import Capacity
from domain.videoconference import VideoconferenceType
from domain.videoconference_form import LIST_FIELDS, MOST_PEOPLE, VideoconferenceEdit, VideoconferenceForm
from graphql_api.chat_forms import MemberInput, StaleVersion, people_of
from graphql_api.context import Info
from graphql_api.global_ids import NO_ONE, global_id, id_of
from graphql_api.messages import join_refusal_message
from graphql_api.problems import Refusal, RefusalsAsData
from graphql_api.videoconferences import Videoconference

WhichVideoconference = Annotated[strawberry.ID, strawberry.argument(description="The videoconference.")]


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
        lists = {capacity: frozenset(people_of(ids)) for capacity, ids in given.items() if ids is not None}
        for capacity, people in lists.items():
            if len(people) > MOST_PEOPLE:
                raise refuse(ProblemCode.TOO_MANY, LIST_FIELDS[capacity], most=str(MOST_PEOPLE))
        lesson = None if self.lesson_id is None else _lesson_id(self.lesson_id)
        return VideoconferenceForm(self.type, self.name, lesson, self.starts_at, self.ends_at, lists or None)


@strawberry.input(
    description="An edit of a videoconference: what is left out stays; people are differences, "
    "so that two editors do not undo each other."
)
class UpdateVideoconferenceInput:
    """The window in which a videoconference is edited."""

    id: strawberry.ID = strawberry.field(description="The videoconference.")
    expected_version: int = strawberry.field(description="The version that was edited; else StaleVersion.")
    name: str | None = strawberry.field(default=None, description="Its new name.")
    chat_id: strawberry.ID | None = strawberry.field(
        default=None, description="Its new chat, whose people then take part, whoever was added or taken out before."
    )
    lesson_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="Its new lesson; null takes the lesson away."
    )
    starts_at: datetime | None = strawberry.field(default=None, description="Its new start.")
    ends_at: datetime | None = strawberry.field(default=None, description="Its new end.")
    add_participants: list[MemberInput] | None = strawberry.field(default=None, description="Whom to add.")
    remove_participants: list[strawberry.ID] | None = strawberry.field(default=None, description="Whom to take out.")

    def edit(self) -> VideoconferenceEdit:
        """The edit, its ids read; an id that is none of ours is nobody's."""
        added = self.add_participants or []
        people = people_of([member.participant_id for member in added])
        given = self.lesson_id is not strawberry.UNSET
        return VideoconferenceEdit(
            name=self.name,
            lesson_id=_lesson_id(self.lesson_id) if given and self.lesson_id is not None else None,
            drop_lesson=given and self.lesson_id is None,
            starts_at=self.starts_at,
            ends_at=self.ends_at,
            add=tuple(zip(people, (member.capacity for member in added), strict=True)),
            remove=people_of(self.remove_participants or []),
        )


@strawberry.type(description="The videoconference is saved.")
class VideoconferenceSaved:
    """Success."""

    videoconference: Videoconference = strawberry.field(description="As it is now.")


SaveVideoconferenceResult = Annotated[
    VideoconferenceSaved | StaleVersion | Refusal,
    strawberry.union("SaveVideoconferenceResult", description="What came of saving a videoconference."),
]


@strawberry.type(description="The videoconference is no more.")
class VideoconferenceDeleted:
    """Success."""

    id: strawberry.ID = strawberry.field(description="The videoconference that was.")


DeleteVideoconferenceResult = Annotated[
    VideoconferenceDeleted | Refusal,
    strawberry.union("DeleteVideoconferenceResult", description="What came of deleting a videoconference."),
]


@strawberry.type(description="Connect here; it is recorded that the viewer asked.")
class JoinGranted:
    """Success."""

    link: str = strawberry.field(description="Where to connect, until the videoconference ends.")


@strawberry.type(description="There is no link for the viewer now.")
class JoinRefused:
    """An expected answer, with words for the user."""

    reason: JoinRefusalReason = strawberry.field(description="Why.")
    message: str = strawberry.field(description="Why and what to do, for the user.")
    starts_at: datetime | None = strawberry.field(
        description="When it starts by itself, in the organization's offset, if that is waited for."
    )


JoinResult = Annotated[
    JoinGranted | JoinRefused | Refusal, strawberry.union("JoinResult", description="What came of connecting.")
]


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
        return VideoconferenceSaved(videoconference=await _worked_on(info, id))

    @strawberry.mutation(
        description="Edits a videoconference: anything but its type until it starts; "
        "while it is active its name, end and participants.",
        extensions=[RefusalsAsData()],
    )
    async def update_videoconference(
        self,
        info: Info,
        input: Annotated[UpdateVideoconferenceInput, strawberry.argument(description="What is to change.")],
    ) -> SaveVideoconferenceResult:
        """All problems of the form at once."""
        result = await info.context.parts.use_cases.update_videoconference(
            await info.context.viewer(),
            _inside(input.id),
            input.edit(),
            expected_version=input.expected_version,
            chat_id=None if input.chat_id is None else ChatId(id_of("Chat", input.chat_id) or NO_ONE),
        )
        match result:
            case StaleVideoconference(id, changed_fields):
                return StaleVersion(node=await _worked_on(info, id), changed_fields=list(changed_fields))
            case id:
                return VideoconferenceSaved(videoconference=await _worked_on(info, id))

    @strawberry.mutation(description="Ends an active videoconference before its time.", extensions=[RefusalsAsData()])
    async def finish_videoconference(self, info: Info, id: WhichVideoconference) -> SaveVideoconferenceResult:
        """One that is finished already answers as it is."""
        inside = _inside(id)
        await info.context.parts.use_cases.finish_videoconference(await info.context.viewer(), inside)
        return VideoconferenceSaved(videoconference=await _worked_on(info, inside))

    @strawberry.mutation(
        description="Deletes a videoconference; an active one is ended first.", extensions=[RefusalsAsData()]
    )
    async def delete_videoconference(self, info: Info, id: WhichVideoconference) -> DeleteVideoconferenceResult:
        """Whatever its status."""
        inside = _inside(id)
        await info.context.parts.use_cases.delete_videoconference(await info.context.viewer(), inside)
        return VideoconferenceDeleted(id=global_id("Videoconference", inside))

    @strawberry.mutation(
        description="Makes a lesson's online lesson from the journal; if there is one that is not over, "
        "it answers with that.",
        extensions=[RefusalsAsData()],
    )
    async def create_online_lesson(
        self, info: Info, lesson_id: Annotated[strawberry.ID, strawberry.argument(description="The lesson.")]
    ) -> SaveVideoconferenceResult:
        """In the group's SUBJECT chat, else for the group's people in the chat of their class."""
        id = await info.context.parts.use_cases.create_online_lesson(await info.context.viewer(), _lesson_id(lesson_id))
        return VideoconferenceSaved(videoconference=await _worked_on(info, id))

    @strawberry.mutation(
        description="Asks for the link of an active videoconference; that the viewer asked is recorded.",
        extensions=[RefusalsAsData()],
    )
    async def join_videoconference(self, info: Info, id: WhichVideoconference) -> JoinResult:
        """A videoconference that the viewer may not know of is not found."""
        inside = _inside(id)
        result = await info.context.parts.use_cases.join_videoconference(await info.context.viewer(), inside)
        match result:
            case NotJoined(reason, starts_at):
                if starts_at is not None:
                    starts_at = starts_at.astimezone(ZoneInfo((await _worked_on(info, inside)).view.time_zone))
                message = join_refusal_message(reason, info.context.language)
                return JoinRefused(reason=reason, message=message, starts_at=starts_at)
            case link:
                return JoinGranted(link=link)


def _inside(id: strawberry.ID) -> VideoconferenceId:
    return VideoconferenceId(id_of("Videoconference", id) or NO_ONE)


def _lesson_id(id: strawberry.ID) -> LessonId:
    return LessonId(id_of("Lesson", id) or NO_ONE)


async def _worked_on(info: Info, id: VideoconferenceId) -> Videoconference:
    """The conference that the viewer has just worked on, even if they take no part in it."""
    viewer = await info.context.viewer()
    reader = replace(viewer, granted=viewer.granted | {Permission.REGISTRY_VIEW})
    view = await info.context.parts.views.videoconference(reader, id)
    if view is None:
        raise refuse(ProblemCode.NOT_FOUND, "id")
    return Videoconference.of(view)
