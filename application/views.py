"""What people see: plain pictures of the stored state, each page filled by one statement, without the aggregates."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from domain.access import PlaceInChat, VideoconferenceAction, Viewer
from domain.account_link import AccountLinkStatus
from domain.chat import ChatType, GroundKind, MembershipRole
from domain.ids import (
    ChatId,
    ClassId,
    GroupId,
    LessonId,
    OrganizationId,
    ParticipantId,
    PersonId,
    SubjectId,
    VideoconferenceId,
)
from domain.mirror import SferumState
from domain.participant import Capacity
from domain.videoconference import FailureReason, FinishedBy, VideoconferenceStatus, VideoconferenceType
from domain.videoconference_form import Defaults

T = TypeVar("T")
News = TypeVar("News", contravariant=True)


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
    """Which members of a chat: a tab, and a search in it (CHAT-16).

    `asked_of`: the state in Sferum is asked of that member alone, whom everybody else's is not told; None: of all.
    """

    name_contains: str | None = None
    capacity: Capacity | None = None
    sferum_state: SferumState | None = None
    asked_of: ParticipantId | None = None


@dataclass(frozen=True, slots=True)
class GroundView:
    """One reason to be in a chat."""

    kind: GroundKind
    capacity: Capacity
    pupil: ParticipantView | None
    since: datetime


@dataclass(frozen=True, slots=True)
class MembershipView:
    """A row of a chat's members table (CHAT-16). `invite_link` lets whom Sferum refuses come in by themselves."""

    participant: ParticipantView
    role: MembershipRole
    capacities: tuple[Capacity, ...]
    grounds: tuple[GroundView, ...]
    sferum_state: SferumState
    invite_link: str | None


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
    lesson_id: LessonId | None
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
    minutes_left_notice: int | None
    actions: frozenset[VideoconferenceAction]


@dataclass(frozen=True, slots=True)
class VideoconferenceFilter:
    """Which conferences of the registry: None is no condition (CONF-01). A period's bounds are aware instants.

    A conference is of a period when it overlaps it: it ends after `start` and starts before `end`.
    """

    name_contains: str | None = None
    statuses: tuple[VideoconferenceStatus, ...] | None = None
    types: tuple[VideoconferenceType, ...] | None = None
    chat: ChatId | None = None
    lesson: LessonId | None = None
    start: datetime | None = None
    end: datetime | None = None


class VideoconferenceOrderField(StrEnum):
    """The columns that the registry of conferences is sorted by (CONF-01)."""

    STARTS_AT = "STARTS_AT"
    ENDS_AT = "ENDS_AT"
    NAME = "NAME"
    TYPE = "TYPE"
    CHAT = "CHAT"
    LESSON = "LESSON"
    STATUS = "STATUS"


@dataclass(frozen=True, slots=True)
class VideoconferenceOrder:
    """By which column, which way; what is equal by it comes in the order of ids."""

    field: VideoconferenceOrderField = VideoconferenceOrderField.STARTS_AT
    descending: bool = False


ALL_CONFERENCES, LATEST_FIRST = VideoconferenceFilter(), VideoconferenceOrder(descending=True)


@dataclass(frozen=True, slots=True)
class TakingPartFilter:
    """Which participants of a conference. `school_class` means its pupils, their parents and its class teacher.

    For who picks nobody it means those of a conference for the class's chats (RIGHT-10).
    """

    capacity: Capacity | None = None
    name_contains: str | None = None
    school_class: ClassId | None = None
    blocked: bool | None = None
    not_in_chat: ChatId | None = None


@dataclass(frozen=True, slots=True)
class TakingPartView:
    """Somebody who takes part in a conference, and as what."""

    participant: ParticipantView
    capacities: tuple[Capacity, ...]


@dataclass(frozen=True, slots=True)
class JoinView:
    """Somebody asked for the link then (CONF-24)."""

    participant: ParticipantView
    at: datetime


@dataclass(frozen=True, slots=True)
class VideoconferenceDefaultsView:
    """What the window of a new conference begins with; the lesson only where the chat may have it (CONF-05)."""

    type: VideoconferenceType
    chat: ChatId
    chat_type: ChatType
    lesson: LessonId | None
    time_zone: str
    defaults: Defaults


@dataclass(frozen=True, slots=True)
class OnlineLessonView:
    """A lesson's online lesson: the one that is not over, else the last one, if the viewer may see it.

    `unfinished`: whether there is one that is not over, seen or not.
    """

    unfinished: bool
    videoconference: VideoconferenceView | None


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
        self,
        viewer: Viewer,
        organization: OrganizationId,
        window: Window,
        *,
        which: VideoconferenceFilter = ALL_CONFERENCES,
        order: VideoconferenceOrder = LATEST_FIRST,
    ) -> Page[VideoconferenceView]:
        """The conferences of the registry that the viewer may see; never a deleted one."""

    async def videoconference(self, viewer: Viewer, id: VideoconferenceId) -> VideoconferenceView | None:
        """The conference as it is now."""

    async def videoconferences_by_id(
        self, viewer: Viewer, ids: Sequence[VideoconferenceId]
    ) -> Mapping[VideoconferenceId, VideoconferenceView]:
        """Those of the conferences that the viewer may see."""

    async def taking_part(
        self, viewer: Viewer, videoconferences: Sequence[VideoconferenceId], which: TakingPartFilter, window: Window
    ) -> Mapping[VideoconferenceId, Page[TakingPartView]]:
        """The participants of each conference, by name; the caller has made sure that the viewer may see them."""

    async def joins(
        self, videoconferences: Sequence[VideoconferenceId], window: Window
    ) -> Mapping[VideoconferenceId, Page[JoinView]]:
        """Who asked for each conference's link, the newest first; the caller has made sure that the viewer may read."""

    async def online_lessons(self, viewer: Viewer, lessons: Sequence[LessonId]) -> Mapping[LessonId, OnlineLessonView]:
        """Of those of the lessons that have one; the caller has made sure that the viewer may see the lessons."""

    async def videoconference_defaults(
        self, viewer: Viewer, type: VideoconferenceType, chat: ChatId, lesson: LessonId | None
    ) -> VideoconferenceDefaultsView | None:
        """For who may create conferences for the chat; None for anybody else, and for an archived chat."""

    async def default_participants(
        self, viewer: Viewer, defaults: VideoconferenceDefaultsView, which: TakingPartFilter, window: Window
    ) -> Page[TakingPartView]:
        """Who takes part in a new conference of those defaults unless chosen otherwise, by name (CONF-08, CONF-09)."""


class GoneReason(StrEnum):
    """Why a conference is not among somebody's any more (CONF-19)."""

    DELETED = "DELETED"
    NO_LONGER_OPEN_TO_YOU = "NO_LONGER_OPEN_TO_YOU"


@dataclass(frozen=True, slots=True)
class MyConferencesNow:
    """The conferences of somebody that are active or due on the present day; `truncated` if there are more."""

    videoconferences: tuple[VideoconferenceView, ...]
    truncated: bool


@dataclass(frozen=True, slots=True)
class MyConferenceChanged:
    """One of their conferences as it has become, or one that has become theirs."""

    videoconference: VideoconferenceView


@dataclass(frozen=True, slots=True)
class MyConferenceGone:
    """It is theirs no more."""

    id: VideoconferenceId
    reason: GoneReason


MyNews = MyConferencesNow | MyConferenceChanged | MyConferenceGone


class Listener(Protocol[News]):
    """Somebody who waits. Called from the event loop, in order; neither method may block or raise."""

    def hear(self, news: News) -> None:
        """The next news. All who are to see the same hear one and the same object."""

    def end(self, error: Exception | None = None) -> None:
        """There will be no more news, because of an error or of the viewer's rights."""


class FellBehind(Exception):
    """The reader did not read; its client is to come back and read the present state."""


Leave = Callable[[], None]
"""Ends somebody's listening at once. Idempotent."""


class Changes(Protocol):
    """Changes of conferences as they happen, each read once for all who wait; rights are looked at each time."""

    def watch(self, id: VideoconferenceId, claims: Claims, listener: Listener[VideoconferenceView]) -> Leave:
        """The conference's present state soon, then each change in order, once; the end when it is not open to them."""

    def watch_mine(self, claims: Claims, listener: Listener[MyNews]) -> Leave:
        """The conferences in which they take part or whose chat they administer: those of now, then each change."""
