"""The windows in which chats are made, edited and deleted."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import strawberry

from application.chats import StaleChat, UnlinkedMembers
from application.views import ParticipantView
from domain.access import Permission
from domain.chat import ChatType
from domain.chat_form import ChatEdit, NewChat
from domain.errors import ProblemCode, refuse
from domain.ids import ChatId, GroupId, OrganizationId, ParticipantId
from domain.participant import Capacity
from graphql_api.chats import Chat
from graphql_api.context import Info
from graphql_api.global_ids import NO_ONE, global_id, id_of
from graphql_api.messages import unlinked_message
from graphql_api.nodes import Node
from graphql_api.participants import Participant
from graphql_api.problems import Refusal, RefusalsAsData


@strawberry.input(description="A new chat. A list of people left out means the group's; one given is whole.")
class CreateChatInput:
    """The window «Добавление чата»."""

    name: str = strawberry.field(description="Its name, 1 to 100 characters.")
    type: ChatType = strawberry.field(description="SUBJECT or OTHER.")
    study_group_id: strawberry.ID | None = strawberry.field(
        default=None, description="The study group; required for SUBJECT, refused for OTHER."
    )
    employee_ids: list[strawberry.ID] | None = strawberry.field(default=None, description="Its employees.")
    pupil_ids: list[strawberry.ID] | None = strawberry.field(default=None, description="Its pupils.")
    parent_ids: list[strawberry.ID] | None = strawberry.field(default=None, description="Its parents; only in OTHER.")
    organization_id: strawberry.ID | None = strawberry.field(
        default=None, description="The organization; a Superadministrator names it, others leave it out."
    )
    confirmation: str | None = strawberry.field(
        default=None, description="From the warning, to save although those people have not linked a profile."
    )
    idempotency_key: str | None = strawberry.field(
        default=None, description="The client's key, at most 64 characters; repeating it answers with the first result."
    )

    def form(self) -> NewChat:
        """The form, its ids read; an id that is none of ours is nobody's."""
        given = {
            Capacity.EMPLOYEE: self.employee_ids,
            Capacity.PUPIL: self.pupil_ids,
            Capacity.PARENT: self.parent_ids,
        }
        group = None if self.study_group_id is None else GroupId(id_of("StudyGroup", self.study_group_id) or NO_ONE)
        lists = {capacity: people_of(ids) for capacity, ids in given.items() if ids is not None}
        return NewChat(self.name, self.type, group, lists)


@strawberry.input(description="Somebody to add, and as what.")
class MemberInput:
    """A person in a capacity."""

    participant_id: strawberry.ID = strawberry.field(description="Who.")
    capacity: Capacity = strawberry.field(description="As what they come.")


@strawberry.input(description="An edit of a chat: differences, so that two editors do not undo each other.")
class UpdateChatInput:
    """The window in which a chat is edited."""

    id: strawberry.ID = strawberry.field(description="The chat.")
    expected_version: int = strawberry.field(description="The version that was edited; else StaleVersion.")
    name: str | None = strawberry.field(default=None, description="Its new name.")
    add_members: list[MemberInput] | None = strawberry.field(default=None, description="Whom to add.")
    remove_members: list[strawberry.ID] | None = strawberry.field(default=None, description="Whom to take out.")
    confirmation: str | None = strawberry.field(
        default=None, description="From the warning, to save although those people have not linked a profile."
    )

    def edit(self) -> ChatEdit:
        """The edit, its ids read."""
        added = self.add_members or []
        people = people_of([member.participant_id for member in added])
        capacities = (member.capacity for member in added)
        return ChatEdit(self.name, tuple(zip(people, capacities, strict=True)), people_of(self.remove_members or []))


@strawberry.type(description="The chat is saved.")
class ChatSaved:
    """Success."""

    chat: Chat = strawberry.field(description="As it is now.")


@strawberry.type(description="Nothing is saved yet: these people have not linked an education profile.")
class UnlinkedMembersWarning:
    """The window of figure 29."""

    participants: list[Participant] = strawberry.field(description="Those whom this save adds, the first 100 by name.")
    total_count: int = strawberry.field(description="How many they are.")
    message: str = strawberry.field(description="The question to the user.")
    confirmation: str = strawberry.field(description="Sent along, it saves; it holds for exactly these people.")


@strawberry.type(description="Somebody else edited it meanwhile; nothing is saved.")
class StaleVersion:
    """A conflict of two editors."""

    node: Node = strawberry.field(description="As it is now.")
    changed_fields: list[str] = strawberry.field(description="What was edited since the expected version.")


SaveChatResult = Annotated[
    ChatSaved | UnlinkedMembersWarning | StaleVersion | Refusal,
    strawberry.union("SaveChatResult", description="What came of saving a chat."),
]


@strawberry.type(description="The chat is no more.")
class ChatDeleted:
    """Success."""

    id: strawberry.ID = strawberry.field(description="The chat that was.")


DeleteChatResult = Annotated[
    ChatDeleted | Refusal, strawberry.union("DeleteChatResult", description="What came of deleting a chat.")
]


@strawberry.type(description="The chat's mirror is compared with Sferum now; what differs is mended.")
class ResyncStarted:
    """Success; how it goes on is told by `chatMirror`."""

    chat: Chat = strawberry.field(description="As it is now.")


ResyncChatResult = Annotated[
    ResyncStarted | Refusal,
    strawberry.union("ResyncChatResult", description="What came of asking to compare a chat's mirror."),
]


@strawberry.type
class ChatMutations:
    """Mutations of this module."""

    @strawberry.mutation(
        description="Adds a chat; it answers first with a warning that names those who have not linked a profile.",
        extensions=[RefusalsAsData()],
    )
    async def create_chat(
        self, info: Info, input: Annotated[CreateChatInput, strawberry.argument(description="What it is to be.")]
    ) -> SaveChatResult:
        """All problems of the form at once."""
        organization = None
        if input.organization_id is not None:
            organization = OrganizationId(id_of("Organization", input.organization_id) or NO_ONE)
        result = await info.context.parts.use_cases.create_chat(
            await info.context.viewer(),
            organization,
            input.form(),
            confirmation=input.confirmation,
            idempotency_key=input.idempotency_key,
        )
        return await _answer(info, result)

    @strawberry.mutation(description="Edits a chat.", extensions=[RefusalsAsData()])
    async def update_chat(
        self, info: Info, input: Annotated[UpdateChatInput, strawberry.argument(description="What is to change.")]
    ) -> SaveChatResult:
        """All problems of the form at once."""
        result = await info.context.parts.use_cases.update_chat(
            await info.context.viewer(),
            ChatId(id_of("Chat", input.id) or NO_ONE),
            input.edit(),
            expected_version=input.expected_version,
            confirmation=input.confirmation,
        )
        return await _answer(info, result)

    @strawberry.mutation(
        description="Deletes a SUBJECT or OTHER chat in which nothing is planned or held.",
        extensions=[RefusalsAsData()],
    )
    async def delete_chat(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The chat.")]
    ) -> DeleteChatResult:
        """A default chat is never deleted."""
        chat = ChatId(id_of("Chat", id) or NO_ONE)
        await info.context.parts.use_cases.delete_chat(await info.context.viewer(), chat)
        return ChatDeleted(id=global_id("Chat", chat))

    @strawberry.mutation(
        description="Has a chat's mirror in Sferum compared at once, whatever it is thought to hold.",
        extensions=[RefusalsAsData()],
    )
    async def resync_chat(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The chat.")]
    ) -> ResyncChatResult:
        """It is done soon after, not before the answer."""
        chat = ChatId(id_of("Chat", id) or NO_ONE)
        await info.context.parts.use_cases.resync_chat(await info.context.viewer(), chat)
        return ResyncStarted(chat=await _chat(info, chat))


def people_of(ids: Sequence[str]) -> tuple[ParticipantId, ...]:
    """The people of global ids, in order; an id that is none of ours is nobody's."""
    return tuple(ParticipantId(id_of("Participant", id) or NO_ONE) for id in ids)


async def _answer(
    info: Info, result: ChatId | UnlinkedMembers | StaleChat
) -> ChatSaved | UnlinkedMembersWarning | StaleVersion:
    match result:
        case UnlinkedMembers(shown, total, confirmation):
            return UnlinkedMembersWarning(
                participants=[
                    Participant.of(ParticipantView(person.id, person.name.full, person.blocked)) for person in shown
                ],
                total_count=total,
                message=unlinked_message(total, info.context.language),
                confirmation=confirmation,
            )
        case StaleChat(id, changed_fields):
            return StaleVersion(node=await _chat(info, id), changed_fields=list(changed_fields))
        case id:
            return ChatSaved(chat=await _chat(info, id))


async def _chat(info: Info, id: ChatId) -> Chat:
    """The chat that the viewer has just worked on, even if they may not look into the registry."""
    viewer = await info.context.viewer()
    reader = replace(viewer, granted=viewer.granted | {Permission.REGISTRY_VIEW})
    found = await info.context.parts.views.chats_by_id(reader, [id])
    if id not in found:
        raise refuse(ProblemCode.NOT_FOUND, "id")
    return Chat.of(found[id], viewer)
