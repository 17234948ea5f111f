"""The chats' registry."""

from datetime import datetime
from enum import Enum
from typing import Annotated, Self

import strawberry

from application.views import ChatView, MembershipView, Page, SchoolClassView
from domain.access import Permission, Viewer
from domain.chat import ChatType, GroundKind, MembershipRole
from domain.ids import ChatId
from domain.participant import Capacity
from graphql_api.context import Info
from graphql_api.global_ids import global_id, id_of
from graphql_api.nodes import Node
from graphql_api.organizations import OrganizationArgument, chosen_organization
from graphql_api.pagination import After, Connection, First, Offset, window
from graphql_api.participants import Participant


@strawberry.type(description="A class.")
class SchoolClass(Node):
    """A class."""

    name: str = strawberry.field(description="Its name, as «8 К».")
    class_teacher: Participant | None = strawberry.field(description="Its class teacher.")

    @classmethod
    def of(cls, view: SchoolClassView) -> Self:
        """The class of a view."""
        return cls(
            id=global_id("SchoolClass", view.id),
            name=view.name,
            class_teacher=Participant.maybe(view.class_teacher),
        )


@strawberry.type(description="A subject that is taught.")
class Subject(Node):
    """A subject."""

    name: str = strawberry.field(description="Its name.")


@strawberry.type(description="One reason why somebody is in a chat.")
class Ground:
    """A ground."""

    kind: GroundKind = strawberry.field(description="What reason.")
    capacity: Capacity = strawberry.field(description="The capacity on which it rests.")
    pupil: Participant | None = strawberry.field(description="For PARENT_OF: whose parent.")
    since: datetime = strawberry.field(description="Since when it holds.")


@strawberry.type(description="Somebody's place in a chat.")
class Membership:
    """A membership."""

    participant: Participant = strawberry.field(description="Who.")
    role: MembershipRole = strawberry.field(description="What they may do in the chat.")
    capacities: list[Capacity] = strawberry.field(description="The capacities in which they are in this chat.")
    grounds: list[Ground] | None = strawberry.field(
        description="Why they are in it; shown to who may edit the chat, and to oneself."
    )


@strawberry.enum(description="What the viewer may do with a chat.")
class ChatAction(Enum):
    """Actions on a chat."""

    CREATE_VIDEOCONFERENCE = strawberry.enum_value(
        "CREATE_VIDEOCONFERENCE", description="Make a videoconference for it."
    )


@strawberry.input(description="Which members.")
class MembershipFilter:
    """A tab of the members table."""

    capacity: Capacity | None = strawberry.field(default=None, description="Those who are in the chat in it.")


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
        part, capacity = window(first, after, offset), filter.capacity if filter else None
        views = info.context.parts.views

        async def load(chats: list[ChatId]) -> list[Page[MembershipView]]:
            pages = await views.members(chats, capacity, part)
            return [pages[chat] for chat in chats]

        page = await info.context.loader(("members", part, capacity), load).load(self.view.id)
        viewer = await info.context.viewer()
        return Connection[Membership].of(page, part, lambda member: _membership(member, viewer, self.view))

    @classmethod
    def of(cls, view: ChatView, viewer: Viewer) -> Self:
        """The chat of a view, with what the viewer may do."""
        may_create = viewer.may(Permission.CONFERENCE_CREATE, view.organization_id) or _administers(viewer, view)
        return cls(
            id=global_id("Chat", view.id),
            name=view.name,
            type=view.type,
            school_class=None if view.school_class is None else SchoolClass.of(view.school_class),
            subject=None
            if view.subject is None
            else Subject(id=global_id("Subject", view.subject.id), name=view.subject.name),
            member_count=view.member_count,
            administrator=Participant.maybe(view.administrator),
            is_default=view.type in {ChatType.TEACHERS, ChatType.CLASS, ChatType.PARENTS},
            archived=view.archived,
            version=view.version,
            viewer_can=[ChatAction.CREATE_VIDEOCONFERENCE] if may_create and not view.archived else [],
            view=view,
        )


def _administers(viewer: Viewer, chat: ChatView) -> bool:
    return chat.viewer_role is MembershipRole.ADMINISTRATOR and not viewer.blocked


def _membership(member: MembershipView, viewer: Viewer, chat: ChatView) -> Membership:
    may_edit = viewer.may(Permission.CHAT_EDIT, chat.organization_id) or _administers(viewer, chat)
    shown = may_edit or member.participant.id == viewer.participant_id
    return Membership(
        participant=Participant.of(member.participant),
        role=member.role,
        capacities=list(member.capacities),
        grounds=[
            Ground(
                kind=ground.kind,
                capacity=ground.capacity,
                pupil=Participant.maybe(ground.pupil),
                since=ground.since,
            )
            for ground in member.grounds
        ]
        if shown
        else None,
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

    @strawberry.field(description="The registry of chats, in the order of their creation.")
    async def chats(
        self,
        info: Info,
        organization_id: OrganizationArgument = None,
        first: First = None,
        after: After = None,
        offset: Offset = None,
    ) -> Connection[Chat]:
        """What the viewer may see of it, which may be nothing."""
        part, viewer = window(first, after, offset), await info.context.viewer()
        organization = await chosen_organization(info, organization_id)
        page: Page[ChatView] = Page((), 0)
        if organization is not None:
            page = await info.context.parts.views.chats(viewer, organization, part)
        return Connection[Chat].of(page, part, lambda view: Chat.of(view, viewer))

    @strawberry.field(description="A chat; null if there is none that the viewer may know of.")
    async def chat(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The chat.")]
    ) -> Chat | None:
        """One chat."""
        inside = id_of("Chat", id)
        return None if inside is None else await chat_by_id(info, ChatId(inside))
