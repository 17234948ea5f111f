"""A chat of the school: a name, a kind, and members who are there for as long as they have a ground to be."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from domain.errors import ProblemCode, refuse
from domain.events import EventRecorder
from domain.ids import ChatId, ClassId, GroupId, OrganizationId, ParticipantId, default_chat_id
from domain.participant import Capacity


class ChatType(StrEnum):
    """Types of chat; the first three are the default chats, made by the system itself."""

    TEACHERS = "TEACHERS"
    CLASS = "CLASS"
    PARENTS = "PARENTS"
    SUBJECT = "SUBJECT"
    OTHER = "OTHER"


@dataclass(frozen=True, slots=True)
class TeachersChat:
    """The organization's one chat of its staff (CHAT-02)."""


@dataclass(frozen=True, slots=True)
class ClassChat:
    """The one chat of a class's pupils (CHAT-03)."""

    class_id: ClassId


@dataclass(frozen=True, slots=True)
class ParentsChat:
    """The one chat of the parents of a class's pupils (CHAT-04)."""

    class_id: ClassId


@dataclass(frozen=True, slots=True)
class SubjectChat:
    """A chat of a study group (CHAT-08)."""

    group_id: GroupId


@dataclass(frozen=True, slots=True)
class OtherChat:
    """A chat that follows nothing of the roster but the chat administrator."""


ChatKind = TeachersChat | ClassChat | ParentsChat | SubjectChat | OtherChat


def type_of(kind: ChatKind) -> ChatType:
    """The type that the registry shows for a kind."""
    match kind:
        case TeachersChat():
            return ChatType.TEACHERS
        case ClassChat():
            return ChatType.CLASS
        case ParentsChat():
            return ChatType.PARENTS
        case SubjectChat():
            return ChatType.SUBJECT
        case OtherChat():
            return ChatType.OTHER


class GroundKind(StrEnum):
    """Why somebody is in a chat (CHAT-30)."""

    CHAT_ADMINISTRATOR = "CHAT_ADMINISTRATOR"
    STAFF = "STAFF"
    CLASS_TEACHER = "CLASS_TEACHER"
    CLASS_PUPIL = "CLASS_PUPIL"
    PARENT_OF = "PARENT_OF"
    GROUP_TEACHER = "GROUP_TEACHER"
    GROUP_PUPIL = "GROUP_PUPIL"
    ADDED_BY_HAND = "ADDED_BY_HAND"


TEACHING = frozenset({GroundKind.CLASS_TEACHER, GroundKind.GROUP_TEACHER})
ADMINISTERING = TEACHING | {GroundKind.CHAT_ADMINISTRATOR}
"""Grounds that make an administrator; nobody is taken out by hand against them (CHAT-31)."""


@dataclass(frozen=True, slots=True)
class Ground:
    """One reason to be in a chat, resting on a capacity; a parent is there for a named pupil."""

    kind: GroundKind
    capacity: Capacity
    pupil: ParticipantId | None = None


class MembershipRole(StrEnum):
    """What a member may do in the chat itself."""

    MEMBER = "MEMBER"
    ADMINISTRATOR = "ADMINISTRATOR"


@dataclass(frozen=True, slots=True)
class Membership:
    """A member's grounds and since when each holds; never empty."""

    grounds: Mapping[Ground, datetime]

    @property
    def role(self) -> MembershipRole:
        """Administrator as long as one ground makes it so (CHAT-30)."""
        administers = any(ground.kind in ADMINISTERING for ground in self.grounds)
        return MembershipRole.ADMINISTRATOR if administers else MembershipRole.MEMBER

    @property
    def teaches(self) -> bool:
        """Whether the member is the chat's class teacher or a teacher of its group (RIGHT-07)."""
        return any(ground.kind in TEACHING for ground in self.grounds)

    @property
    def capacities(self) -> frozenset[Capacity]:
        """The capacities in which the member is in this chat (CHAT-16)."""
        return frozenset(ground.capacity for ground in self.grounds)


@dataclass(frozen=True, slots=True)
class ByHand:
    """What people did to a chat's members: whom they added and as what, and whom they took out (CHAT-31, CHAT-32)."""

    additions: frozenset[tuple[ParticipantId, Capacity]] = frozenset()
    exclusions: frozenset[ParticipantId] = frozenset()

    def adding(self, participant: ParticipantId, capacity: Capacity) -> "ByHand":
        """With the addition, which ends an exclusion."""
        return ByHand(self.additions | {(participant, capacity)}, self.exclusions - {participant})

    def excluding(self, participant: ParticipantId) -> "ByHand":
        """Without any addition of theirs, and out whatever the roster says."""
        return ByHand(
            frozenset(addition for addition in self.additions if addition[0] != participant),
            self.exclusions | {participant},
        )

    def readmitting(self, participant: ParticipantId) -> "ByHand":
        """Without the exclusion, if there is one."""
        return ByHand(self.additions, self.exclusions - {participant})


NOTHING_BY_HAND = ByHand()


Grounds = Mapping[ParticipantId, frozenset[Ground]]
"""Who belongs in a chat, and why."""


@dataclass(frozen=True, slots=True)
class ChatCreated:
    """A chat came into being."""

    chat_id: ChatId


@dataclass(frozen=True, slots=True)
class ChatRenamed:
    """A chat got another name."""

    chat_id: ChatId
    name: str


@dataclass(frozen=True, slots=True)
class ChatArchived:
    """A chat's class or group was closed."""

    chat_id: ChatId


@dataclass(frozen=True, slots=True)
class ChatReopened:
    """A chat's class or group was opened again."""

    chat_id: ChatId


@dataclass(frozen=True, slots=True)
class ChatDeleted:
    """A chat is no more (CHAT-15)."""

    chat_id: ChatId


@dataclass(frozen=True, slots=True)
class ChatMembersChanged:
    """Who came, who left and whose role changed; somebody whose grounds alone changed is in none of the three."""

    chat_id: ChatId
    came: tuple[ParticipantId, ...]
    left: tuple[ParticipantId, ...]
    role_changed: tuple[ParticipantId, ...]


@dataclass(slots=True, kw_only=True, eq=False)
class Chat(EventRecorder):
    """A chat and its members. `version` counts edits by users; what the roster changes does not count."""

    id: ChatId
    organization_id: OrganizationId
    kind: ChatKind
    name: str
    memberships: dict[ParticipantId, Membership] = field(default_factory=dict)
    by_hand: ByHand = NOTHING_BY_HAND
    named_by_user: bool = False
    archived: bool = False
    deleted_at: datetime | None = None
    version: int = 0

    @property
    def type(self) -> ChatType:
        """The type that the registry shows."""
        return type_of(self.kind)

    @property
    def deleted(self) -> bool:
        """Whether it is no more."""
        return self.deleted_at is not None

    @property
    def is_default(self) -> bool:
        """Whether the system made it; it is never deleted then (CHAT-06)."""
        return isinstance(self.kind, TeachersChat | ClassChat | ParentsChat)

    @property
    def administrators(self) -> frozenset[ParticipantId]:
        """The members whose role is administrator."""
        return frozenset(
            member for member, membership in self.memberships.items() if membership.role is MembershipRole.ADMINISTRATOR
        )

    def members_as(self, *capacities: Capacity) -> frozenset[ParticipantId]:
        """The members who are in this chat in one of `capacities`."""
        return frozenset(
            member for member, membership in self.memberships.items() if membership.capacities & set(capacities)
        )

    def follow(self, grounds: Grounds, *, at: datetime) -> None:
        """Makes the members those who have a ground, by the smallest change (CHAT-30). Idempotent.

        A ground that was there keeps its beginning; a changed role is a change, never a removal and an addition.
        """
        present = self.memberships
        wanted = {
            participant: Membership(
                {
                    ground: present[participant].grounds.get(ground, at) if participant in present else at
                    for ground in reasons
                }
            )
            for participant, reasons in grounds.items()
            if reasons
        }
        if wanted == present:
            return
        self.memberships = wanted
        came, left = _ordered(wanted.keys() - present.keys()), _ordered(present.keys() - wanted.keys())
        role_changed = _ordered(
            participant
            for participant in wanted.keys() & present.keys()
            if wanted[participant].role is not present[participant].role
        )
        self.events.append(ChatMembersChanged(self.id, came, left, role_changed))

    def rename(self, name: str) -> None:
        """A user gives it a name, which it keeps from then on (CHAT-24)."""
        if name != self.name:
            self.name, self.named_by_user = name, True
            self.events.append(ChatRenamed(self.id, name))

    def take_name_of_class(self, name: str) -> None:
        """A promoted class keeps its chat, renamed unless a user gave it another name (CHAT-24). Idempotent."""
        if name != self.name and not self.named_by_user:
            self.name = name
            self.events.append(ChatRenamed(self.id, name))

    def archive(self) -> None:
        """The class or group is closed (CHAT-24). Idempotent."""
        if not self.archived:
            self.archived = True
            self.events.append(ChatArchived(self.id))

    def reopen(self) -> None:
        """The class or group is open again under its id (CHAT-24). Idempotent."""
        if self.archived:
            self.archived = False
            self.events.append(ChatReopened(self.id))

    def delete(self, *, at: datetime) -> None:
        """Ends it, with all memberships (CHAT-15).

        Raises:
            Refused: with DEFAULT_CHAT for a chat that the system made (CHAT-06).
        """
        if self.is_default:
            raise refuse(ProblemCode.DEFAULT_CHAT, "id")
        self.follow({}, at=at)
        self.deleted_at = at
        self.events.append(ChatDeleted(self.id))


def create_default_chat(organization: OrganizationId, kind: TeachersChat | ClassChat | ParentsChat, name: str) -> Chat:
    """The default chat of that kind, without members yet; its id follows from the kind, so that there is only one."""
    match kind:
        case TeachersChat():
            id = default_chat_id(organization, "teachers")
        case ClassChat(class_id):
            id = default_chat_id(organization, "class", class_id)
        case ParentsChat(class_id):
            id = default_chat_id(organization, "parents", class_id)
    chat = Chat(id=id, organization_id=organization, kind=kind, name=name)
    chat.events.append(ChatCreated(id))
    return chat


def _ordered(participants: Iterable[ParticipantId]) -> tuple[ParticipantId, ...]:
    return tuple(sorted(participants))
