"""What people see: plain pictures of the stored state, each page filled by one statement, without the aggregates."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from domain.access import PlaceInChat, Viewer
from domain.account_link import AccountLinkStatus
from domain.chat import ChatType, GroundKind, MembershipRole
from domain.ids import (
    ChatId,
    ClassId,
    GroupId,
    OrganizationId,
    ParticipantId,
    PersonId,
    SubjectId,
    VideoconferenceId,
)
from domain.participant import Capacity
from domain.videoconference import FailureReason, FinishedBy, VideoconferenceStatus, VideoconferenceType

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Window:
    """Which part of a list is wanted: at most `first` items, after the first `offset`."""

    first: int
    offset: int


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list, and how long the whole list is."""

    items: Sequence[T]
    total: int


@dataclass(frozen=True, slots=True)
class Claims:
    """What a valid bearer token says; nothing else in it is believed."""

    person_id: PersonId
    organization_school_id: str | None
    superadministrator: bool
    roster_service: bool


@dataclass(frozen=True, slots=True)
class ParticipantView:
    """A person, as everybody who shares a chat with them may see them (RIGHT-10)."""

    id: ParticipantId
    full_name: str
    blocked: bool


@dataclass(frozen=True, slots=True)
class OrganizationView:
    """An organization and its chat administrator."""

    id: OrganizationId
    name: str
    time_zone: str
    chat_administrator: ParticipantView | None


@dataclass(frozen=True, slots=True)
class ViewerView:
    """Who asks, with what the first screen needs."""

    viewer: Viewer
    participant: ParticipantView | None
    organization: OrganizationView | None
    link_status: AccountLinkStatus
    profile_name: str | None
    linked_at: datetime | None


@dataclass(frozen=True, slots=True)
class SchoolClassView:
    """A class and its class teacher."""

    id: ClassId
    name: str
    class_teacher: ParticipantView | None


@dataclass(frozen=True, slots=True)
class SubjectView:
    """A subject."""

    id: SubjectId
    name: str


@dataclass(frozen=True, slots=True)
class ChatView:
    """A row of the chats' registry (CHAT-01)."""

    id: ChatId
    organization_id: OrganizationId
    name: str
    type: ChatType
    school_class: SchoolClassView | None
    subject: SubjectView | None
    study_group: GroupId | None
    member_count: int
    administrator: ParticipantView | None
    archived: bool
    version: int
    place: PlaceInChat


@dataclass(frozen=True, slots=True)
class ChatFilter:
    """Which chats of the registry: None is no condition, `archived=None` both kinds (CHAT-01, CHAT-24)."""

    name_contains: str | None = None
    types: tuple[ChatType, ...] | None = None
    school_class: ClassId | None = None
    subject: SubjectId | None = None
    archived: bool | None = False


class ChatOrderField(StrEnum):
    """The columns that the registry of chats is sorted by (CHAT-01)."""

    CREATED = "CREATED"
    NAME = "NAME"
    TYPE = "TYPE"
    SCHOOL_CLASS = "SCHOOL_CLASS"
    SUBJECT = "SUBJECT"
    MEMBER_COUNT = "MEMBER_COUNT"
    ADMINISTRATOR = "ADMINISTRATOR"


@dataclass(frozen=True, slots=True)
class ChatOrder:
    """By which column, which way; what is equal by it comes in the order of creation."""

    field: ChatOrderField = ChatOrderField.CREATED
    descending: bool = False


ALL_OPEN_CHATS, AS_CREATED = ChatFilter(), ChatOrder()


@dataclass(frozen=True, slots=True)
class MemberFilter:
    """Which members of a chat: a tab, and a search in it (CHAT-16)."""

    name_contains: str | None = None
    capacity: Capacity | None = None


@dataclass(frozen=True, slots=True)
class GroundView:
    """One reason to be in a chat."""

    kind: GroundKind
    capacity: Capacity
    pupil: ParticipantView | None
    since: datetime


@dataclass(frozen=True, slots=True)
class MembershipView:
    """A row of a chat's members table (CHAT-16)."""

    participant: ParticipantView
    role: MembershipRole
    capacities: tuple[Capacity, ...]
    grounds: tuple[GroundView, ...]


@dataclass(frozen=True, slots=True)
class VideoconferenceView:
    """A row of the videoconferences' registry (CONF-01), for one viewer: the link only where they may have it."""

    id: VideoconferenceId
    organization_id: OrganizationId
    time_zone: str
    name: str
    type: VideoconferenceType
    chat_id: ChatId
    chat_name: str
    starts_at: datetime
    ends_at: datetime
    status: VideoconferenceStatus
    active_since: datetime | None
    finished_at: datetime | None
    finished_by: FinishedBy | None
    failure: FailureReason | None
    start_problem: FailureReason | None
    link: str | None
    version: int
    may_finish: bool


@dataclass(frozen=True, slots=True)
class TakingPartView:
    """Somebody who takes part in a conference, and as what."""

    participant: ParticipantView
    capacities: tuple[Capacity, ...]


class Views(Protocol):
    """Every read of the public face. A list answers with what the viewer may see, which may be nothing (RIGHT-06)."""

    async def viewer(self, claims: Claims) -> ViewerView:
        """The rights that the person of a token has now."""

    async def name_of_account(self, person: PersonId) -> str | None:
        """First name, patronymic and the last name's initial, for the person themselves to know their account by."""

    async def organizations(
        self, viewer: Viewer, window: Window, *, name_contains: str | None = None
    ) -> Page[OrganizationView]:
        """The viewer's organization; all of them for a Superadministrator; by name."""

    async def organization(self, viewer: Viewer, id: OrganizationId) -> OrganizationView | None:
        """One of those."""

    async def chats(
        self,
        viewer: Viewer,
        organization: OrganizationId,
        window: Window,
        *,
        which: ChatFilter = ALL_OPEN_CHATS,
        order: ChatOrder = AS_CREATED,
    ) -> Page[ChatView]:
        """The chats of the registry that the viewer may see; never a deleted one."""

    async def chats_by_id(self, viewer: Viewer, ids: Sequence[ChatId]) -> Mapping[ChatId, ChatView]:
        """Those of the chats that the viewer may see, archived ones among them, deleted ones not."""

    async def members(
        self, chats: Sequence[ChatId], which: MemberFilter, window: Window
    ) -> Mapping[ChatId, Page[MembershipView]]:
        """The members of each chat, by name; the caller has made sure that the viewer may see the chats."""

    async def videoconferences(
        self, viewer: Viewer, organization: OrganizationId, window: Window
    ) -> Page[VideoconferenceView]:
        """The conferences, the latest start first."""

    async def videoconference(self, viewer: Viewer, id: VideoconferenceId) -> VideoconferenceView | None:
        """The conference as it is now."""

    async def videoconferences_by_id(
        self, viewer: Viewer, ids: Sequence[VideoconferenceId]
    ) -> Mapping[VideoconferenceId, VideoconferenceView]:
        """Those of the conferences that the viewer may see."""

    async def taking_part(
        self, videoconferences: Sequence[VideoconferenceId], capacity: Capacity | None, window: Window
    ) -> Mapping[VideoconferenceId, Page[TakingPartView]]:
        """The participants of each conference, by name; the caller has made sure that the viewer may see them."""


class Change(Protocol):
    """One saved change of a conference, or of somebody's rights on it, read once for all who wait for it."""

    @property
    def version(self) -> int:
        """Of the conference; that of the change before when only rights changed."""

    def seen_by(self, viewer: Viewer) -> VideoconferenceView | None:
        """What it shows to the viewer by the rights they have now; None when the conference is not open to them."""


class FellBehind(Exception):
    """The reader did not read; its client is to come back and read the present state."""


class Changes(Protocol):
    """Changes of conferences, as they happen."""

    def watch(self, id: VideoconferenceId) -> AbstractAsyncContextManager[AsyncIterator[Change]]:
        """Each change of the conference from the moment the block is entered, in order, once.

        A reader that falls too far behind gets FellBehind. No database connection is held meanwhile.
        """
