"""The chats' registry."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Self
from zoneinfo import ZoneInfo

import strawberry

from application.mirror_views import ChatMirrorView
from application.views import (
    ALL_OPEN_CHATS,
    ChatFilter,
    ChatOrder,
    ChatOrderField,
    ChatView,
    MemberFilter,
    MembershipView,
    Page,
)
from domain.access import ChatAction, Viewer, chat_actions, may_edit_chat
from domain.chat import ChatType, GroundKind, MembershipRole
from domain.ids import ChatId, ClassId, ParticipantId, SubjectId
from domain.mirror import MirrorError, MirrorState, SferumState
from domain.participant import Capacity
from graphql_api.context import Info
from graphql_api.enums import OrderDirection
from graphql_api.global_ids import NO_ONE, global_id, id_of
from graphql_api.messages import Language, refusal_message
from graphql_api.nodes import Node
from graphql_api.organizations import OrganizationArgument, chosen_organization
from graphql_api.pagination import After, Connection, First, Offset, window
from graphql_api.participants import Participant
from graphql_api.people import SchoolClass, StudyGroup, Subject, study_group_by_id


@strawberry.type(description="One reason why somebody is in a chat.")
class Ground:
    """A ground."""

    kind: GroundKind = strawberry.field(description="What reason.")
    capacity: Capacity = strawberry.field(description="The capacity on which it rests.")
    pupil: Participant | None = strawberry.field(description="For PARENT_OF: whose parent.")
    since: datetime = strawberry.field(description="Since when it holds.")


@strawberry.type(description="A chat's mirror in Sferum.")
class ChatMirror:
    """How far Sferum's chat is as the school's."""

    state: MirrorState = strawberry.field(description="How it is.")
    in_sferum_count: int = strawberry.field(description="How many members are in it: those who are IN_CHAT.")
    pending_count: int = strawberry.field(description="How many members are still to be let in: those PENDING.")
    leaving_count: int = strawberry.field(description="How many are in it who should be out.")
    behind_since: datetime | None = strawberry.field(
        description="Since when it is not in step, in the organization's offset."
    )
    last_error: MirrorError | None = strawberry.field(description="What the last try met; null once it has worked.")

    @classmethod
    def of(cls, view: ChatMirrorView) -> Self:
        """The mirror of a view."""
        return cls(
            state=view.state,
            in_sferum_count=view.in_sferum,
            pending_count=view.pending,
            leaving_count=view.leaving,
            behind_since=None if view.behind_since is None else view.behind_since.astimezone(ZoneInfo(view.time_zone)),
            last_error=view.error,
        )


@strawberry.type(description="Somebody's place in a chat.")
class Membership:
    """A membership."""

    participant: Participant = strawberry.field(description="Who.")
    role: MembershipRole = strawberry.field(description="What they may do in the chat.")
    capacities: list[Capacity] = strawberry.field(description="The capacities in which they are in this chat.")
    grounds: list[Ground] | None = strawberry.field(
        description="Why they are in it; shown to who may edit the chat, and to oneself."
    )
    sferum_state: SferumState | None = strawberry.field(
        description="Where they stand in the chat's mirror; shown to who may edit the chat, and to oneself."
    )
    refusal: str | None = strawberry.field(
        description="If Sferum does not let them in: why, and what to do, for people to read; "
        "shown to who may edit the chat, and to oneself."
    )


@strawberry.input(description="Which members.")
class MembershipFilter:
    """A tab of the members table, and a search in it."""

    name_contains: str | None = strawberry.field(
        default=None, description="Those whose full name has each of these words, in any order."
    )
    capacity: Capacity | None = strawberry.field(default=None, description="Those who are in the chat in it.")
    sferum_state: SferumState | None = strawberry.field(
        default=None, description="Those who stand so in the mirror; of those alone whose state the viewer is shown."
    )


@strawberry.input(name="ChatFilter", description="Which chats; all that is given must hold.")
class ChatFilterInput:
    """The filters of the registry of chats."""

    name_contains: str | None = strawberry.field(
        default=None, description="Those whose name has each of these words, in any order."
    )
    types: list[ChatType] | None = strawberry.field(default=None, description="Those of one of these types.")
    school_class_id: strawberry.ID | None = strawberry.field(default=None, description="Those that follow the class.")
    subject_id: strawberry.ID | None = strawberry.field(
        default=None, description="Those whose study group learns the subject."
    )
    archived: bool | None = strawberry.field(
        default=False, description="Only archived ones, or only the others; null for both."
    )

    def read(self) -> ChatFilter | None:
        """The filter that is meant; None where an id in it is of nothing that chats are found by."""
        school_class = None if self.school_class_id is None else id_of("SchoolClass", self.school_class_id)
        subject = None if self.subject_id is None else id_of("Subject", self.subject_id)
        if (self.school_class_id is not None and school_class is None) or (
            self.subject_id is not None and subject is None
        ):
            return None
        return ChatFilter(
            name_contains=self.name_contains,
            types=None if self.types is None else tuple(self.types),
            school_class=None if school_class is None else ClassId(school_class),
            subject=None if subject is None else SubjectId(subject),
            archived=self.archived,
        )


@strawberry.input(name="ChatOrder", description="In which order; what is equal stands in the order of creation.")
class ChatOrderInput:
    """A column of the registry of chats, and which way."""

    field: ChatOrderField = strawberry.field(description="By what.")
    direction: OrderDirection = strawberry.field(default=OrderDirection.ASC, description="Which way.")


@strawberry.type(description="A chat of the school.")
class Chat(Node):
    """A chat."""

    name: str = strawberry.field(description="Its name.")
    type: ChatType = strawberry.field(description="Its type.")
    school_class: SchoolClass | None = strawberry.field(description="The class that it follows.")
    subject: Subject | None = strawberry.field(description="The subject of its study group.")
    member_count: int = strawberry.field(description="How many people are in it.")
    administrator: Participant | None = strawberry.field(description="The organization's chat administrator.")
    is_default: bool = strawberry.field(description="Whether the system made it; it is never deleted then.")
    archived: bool = strawberry.field(description="Whether its class or group is closed.")
    version: int = strawberry.field(description="Counts the edits by users.")
    viewer_can: list[ChatAction] = strawberry.field(description="What the viewer may do with it.")
    view: strawberry.Private[ChatView]

    @strawberry.field(description="The study group that it follows, if the viewer may see it.")
    async def study_group(self, info: Info) -> StudyGroup | None:
        """Read in one statement for all chats of the operation."""
        id = self.view.study_group
        return None if id is None else await study_group_by_id(info, id)

    @strawberry.field(description="Its members, by name.")
    async def members(
        self,
        info: Info,
        filter: Annotated[MembershipFilter | None, strawberry.argument(description="Which members.")] = None,
        first: First = None,
        after: After = None,
        offset: Offset = None,
    ) -> Connection[Membership]:
        """Read in one statement for all chats of the operation."""
        part = window(first, after, offset)
        views, viewer = info.context.parts.views, await info.context.viewer()
        which = _members(filter, viewer, self.view)

        async def load(chats: list[ChatId]) -> list[Page[MembershipView]]:
            pages = await views.members(chats, which, part)
            return [pages[chat] for chat in chats]

        page = await info.context.loader(("members", part, which), load).load(self.view.id)
        language = info.context.language
        return Connection[Membership].of(page, part, lambda member: _membership(member, viewer, self.view, language))

    @strawberry.field(description="How its mirror in Sferum is; shown to who may edit the chat.")
    async def mirror(self, info: Info) -> ChatMirror | None:
        """Read in one statement for all chats of the operation."""
        if not may_edit_chat(await info.context.viewer(), self.view.place):
            return None
        views = info.context.parts.mirrors

        async def load(ids: list[ChatId]) -> list[ChatMirrorView | None]:
            found = await views.chat_mirrors(ids)
            return [found.get(id) for id in ids]

        view = await info.context.loader("mirrors", load).load(self.view.id)
        return None if view is None else ChatMirror.of(view)

    @classmethod
    def of(cls, view: ChatView, viewer: Viewer) -> Self:
        """The chat of a view, with what the viewer may do."""
        allowed = chat_actions(viewer, view.place)
        return cls(
            id=global_id("Chat", view.id),
            name=view.name,
            type=view.type,
            school_class=None if view.school_class is None else SchoolClass.of(view.school_class),
            subject=None if view.subject is None else Subject.of(view.subject),
            member_count=view.member_count,
            administrator=Participant.maybe(view.administrator),
            is_default=view.type in {ChatType.TEACHERS, ChatType.CLASS, ChatType.PARENTS},
            archived=view.archived,
            version=view.version,
            viewer_can=[action for action in ChatAction if action in allowed],
            view=view,
        )


def _members(filter: MembershipFilter | None, viewer: Viewer, chat: ChatView) -> MemberFilter:
    if filter is None:
        return MemberFilter()
    which = MemberFilter(filter.name_contains, filter.capacity, filter.sferum_state)
    if filter.sferum_state is None or may_edit_chat(viewer, chat.place):
        return which
    # Else the filter would tell what the field does not (RIGHT-10).
    return replace(which, asked_of=viewer.participant_id or ParticipantId(NO_ONE))


def _membership(member: MembershipView, viewer: Viewer, chat: ChatView, language: Language) -> Membership:
    may_edit = may_edit_chat(viewer, chat.place)
    themselves = member.participant.id == viewer.participant_id
    shown = may_edit or themselves
    refusal = None
    if shown and member.sferum_state is SferumState.REFUSED:
        # Whoever holds the link comes in, so only those get it who let people in.
        link = member.invite_link if may_edit else None
        refusal = refusal_message(link, language, of_themselves=themselves)
    return Membership(
        participant=Participant.of(member.participant, detailed=may_edit),
        role=member.role,
        capacities=list(member.capacities),
        grounds=[
            Ground(
                kind=ground.kind,
                capacity=ground.capacity,
                pupil=Participant.maybe(ground.pupil, detailed=may_edit),
                since=ground.since,
            )
            for ground in member.grounds
        ]
        if shown
        else None,
        sferum_state=member.sferum_state if shown else None,
        refusal=refusal,
    )


async def chat_by_id(info: Info, id: ChatId) -> Chat | None:
    """The chat, if the viewer may see it; read in one statement for all chats that an operation names."""
    viewer = await info.context.viewer()

    async def load(ids: list[ChatId]) -> list[ChatView | None]:
        found = await info.context.parts.views.chats_by_id(viewer, ids)
        return [found.get(id) for id in ids]

    view = await info.context.loader("chats", load).load(id)
    return None if view is None else Chat.of(view, viewer)


@strawberry.type
class ChatQueries:
    """Queries of this module."""

    @strawberry.field(description="The registry of chats, in the order of their creation unless asked otherwise.")
    async def chats(
        self,
        info: Info,
        organization_id: OrganizationArgument = None,
        filter: Annotated[ChatFilterInput | None, strawberry.argument(description="Which chats.")] = None,
        order_by: Annotated[ChatOrderInput | None, strawberry.argument(description="In which order.")] = None,
        first: First = None,
        after: After = None,
        offset: Offset = None,
    ) -> Connection[Chat]:
        """What the viewer may see of it, which may be nothing."""
        part, viewer = window(first, after, offset), await info.context.viewer()
        organization = await chosen_organization(info, organization_id)
        which = ALL_OPEN_CHATS if filter is None else filter.read()
        order = ChatOrder()
        if order_by is not None:
            order = ChatOrder(order_by.field, descending=order_by.direction is OrderDirection.DESC)
        page: Page[ChatView] = Page((), 0)
        if organization is not None and which is not None:
            page = await info.context.parts.views.chats(viewer, organization, part, which=which, order=order)
        return Connection[Chat].of(page, part, lambda view: Chat.of(view, viewer))

    @strawberry.field(description="A chat; null if there is none that the viewer may know of.")
    async def chat(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The chat.")]
    ) -> Chat | None:
        """One chat."""
        inside = id_of("Chat", id)
        return None if inside is None else await chat_by_id(info, ChatId(inside))
