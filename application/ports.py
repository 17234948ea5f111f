"""What the use cases need of the world outside: storage, VK ID, and a messenger with chats and calls."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from domain.account_link import AccountLink, EducationProfile, LinkAttempt, Revocation, Tokens
from domain.audit import Because
from domain.call import Call
from domain.chat import Chat, ChatKind
from domain.chat_request import ChatRequest, ChatRequestId
from domain.ids import (
    CallId,
    ChatId,
    GroupId,
    LessonId,
    OrganizationId,
    ParticipantId,
    PersonId,
    RoleId,
    VideoconferenceId,
)
from domain.lesson import Lesson
from domain.mirror import ChatNow, Held, Mirror, Step
from domain.organization import Organization
from domain.participant import Capacity
from domain.register import Register
from domain.role import Role
from domain.roster import Roster, StudyGroup
from domain.videoconference import Videoconference


class ConcurrentChange(Exception):
    """Somebody saved the same aggregate meanwhile; nothing of this unit of work is kept, and it may be tried again."""


class Organizations(Protocol):
    """The organizations."""

    async def find(self, id: OrganizationId, *, lock: bool = False) -> Organization | None:
        """The organization; with `lock`, whoever changes its roster or settings waits for this unit of work."""

    async def save(self, organization: Organization) -> None:
        """Adds it, or writes its changes."""

    async def register_due(self, at: datetime) -> list[OrganizationId]:
        """Those whose `register_due_at` has come, the longest due first."""

    async def next_register_due(self) -> datetime | None:
        """The earliest `register_due_at` of all."""


class Rosters(Protocol):
    """The facts of each organization."""

    async def get(self, id: OrganizationId) -> Roster:
        """All facts of the organization (none yet: an empty roster). Changes want the organization locked."""

    async def save(self, roster: Roster) -> None:
        """Writes what differs from what `get` gave."""

    async def group(self, id: GroupId) -> StudyGroup | None:
        """One study group."""

    async def idle_since_before(self, at: datetime, *, limit: int) -> list[tuple[OrganizationId, ParticipantId]]:
        """People who have had no capacity in an organization since before that instant."""

    async def known_anywhere(self, person: PersonId) -> bool:
        """Whether any organization knows the person by name."""

    async def held(
        self, additions: frozenset[tuple[ParticipantId, Capacity]]
    ) -> frozenset[tuple[ParticipantId, Capacity]]:
        """Those of the people who have that capacity now (CHAT-32)."""


class Registers(Protocol):
    """What the bundles of each organization state."""

    async def get(self, id: OrganizationId) -> Register:
        """All rows of the organization (none yet: an empty register). Changes want the organization locked."""

    async def save(self, id: OrganizationId, register: Register) -> None:
        """Writes what differs from what `get` gave."""


class Lessons(Protocol):
    """The timetable."""

    async def find(self, id: LessonId) -> Lesson | None:
        """The lesson."""

    async def find_all(self, ids: Collection[LessonId]) -> list[Lesson]:
        """Those of the lessons that are known, in no order."""

    async def of_groups(self, groups: Collection[GroupId], start: datetime, end: datetime) -> list[Lesson]:
        """The groups' lessons, cancelled ones too, that start from `start` up to, and not at, `end`, in no order."""

    async def save_all(self, lessons: Sequence[Lesson]) -> None:
        """Adds or replaces each."""


class Chats(Protocol):
    """Chats with all their members."""

    async def find(self, id: ChatId, *, lock: bool = False, deleted: bool = False) -> Chat | None:
        """The chat; with `lock`, nobody else changes it meanwhile. With `deleted` also one that is no more."""

    async def find_all(self, ids: Collection[ChatId], *, deleted: bool = False) -> list[Chat]:
        """Those of them that are there, in no order, in a few statements."""

    async def oldest_of_group(self, group: GroupId) -> Chat | None:
        """The SUBJECT chat of the study group that was made first, if it has one that is not archived."""

    async def following(
        self,
        organization: OrganizationId,
        kinds: Collection[ChatKind] | None,
        *,
        having_added: Collection[ParticipantId] = (),
    ) -> list[Chat]:
        """The organization's chats of those kinds (`None`: all its chats), locked, in the order of their ids.

        Also those to which somebody added one of `having_added` by hand.
        """

    async def edited_fields(self, id: ChatId, *, since: int) -> tuple[str, ...]:
        """The fields that users edited after that version, as clients name them."""

    async def save_all(self, chats: Sequence[Chat]) -> None:
        """Adds or writes each, with its events.

        Raises:
            ConcurrentChange: one was saved by somebody else since it was loaded.
        """


class Videoconferences(Protocol):
    """Videoconferences."""

    async def find(self, id: VideoconferenceId, *, lock: bool = False) -> Videoconference | None:
        """The conference; with `lock`, nobody else changes it meanwhile."""

    async def find_all(self, ids: Collection[VideoconferenceId], *, lock: bool = False) -> list[Videoconference]:
        """Those of them that are there, in no order; they are locked in the order of their ids."""

    async def due(
        self,
        at: datetime,
        *,
        limit: int,
        scheduled: bool | None = None,
        leaving_out: Collection[VideoconferenceId] = (),
    ) -> list[VideoconferenceId]:
        """Those whose `due_at` has come, the longest due first, of those an organization's together.

        They are locked; those locked by somebody else are left out. `scheduled`: only those that are, or are not,
        SCHEDULED.
        """

    async def next_due(self, *, leaving_out: Collection[VideoconferenceId] = ()) -> datetime | None:
        """The earliest `due_at` of all."""

    async def waiting_for_starter(self, person: PersonId) -> list[Videoconference]:
        """Those put off for want of a linked starter in the organizations where the person takes part, locked."""

    async def unfinished_of(self, chats: Collection[ChatId]) -> list[Videoconference]:
        """Those of the chats that have not ended, locked."""

    async def unfinished_of_lessons(self, lessons: Collection[LessonId]) -> list[Videoconference]:
        """The online lessons of these lessons that have not ended, locked."""

    async def unfinished_of_groups(self, groups: Collection[GroupId]) -> list[Videoconference]:
        """The online lessons of these groups' lessons that have not ended, locked."""

    async def changed_fields(self, id: VideoconferenceId, *, since: int) -> tuple[str, ...]:
        """The fields that changed after that version, as clients name them."""

    async def record_join(self, id: VideoconferenceId, participant: ParticipantId, *, at: datetime) -> None:
        """Somebody asked for the link and got it (CONF-24)."""

    async def was_joined(self, id: VideoconferenceId) -> bool:
        """Whether anybody did since its present call began."""

    async def of_lesson(self, lesson: LessonId) -> Videoconference | None:
        """The lesson's online lesson that is neither finished nor failed."""

    async def save(self, conference: Videoconference) -> None:
        """Adds it or writes its changes, with its events.

        Raises:
            ConcurrentChange: it was saved by somebody else since it was loaded.
        """

    async def save_all(self, conferences: Sequence[Videoconference]) -> None:
        """The same for several, in a few statements."""


class Calls(Protocol):
    """Our records of calls. No conference ever has two that are asked for or open."""

    async def get(self, id: CallId) -> Call:
        """The call, locked."""

    async def find_all(self, ids: Collection[CallId]) -> list[Call]:
        """Those of them that are there, locked, in the order of their ids."""

    async def due(self, at: datetime, *, limit: int, leaving_out: Collection[CallId] = ()) -> list[CallId]:
        """Those whose `due_at` has come, the longest due first, locked.

        Those that somebody else has locked are left out.
        """

    async def next_due(self, *, leaving_out: Collection[CallId] = ()) -> datetime | None:
        """The earliest `due_at` of all."""

    async def save(self, call: Call) -> None:
        """Adds it or writes its changes.

        Raises:
            ConcurrentChange: its conference has another one that is asked for or open.
        """

    async def save_all(self, calls: Sequence[Call]) -> None:
        """The same for several; a call that one of them replaces may be among them."""


@dataclass(frozen=True, slots=True)
class ChatsOfAccount:
    """In how many chats a person is, and how many of those have nobody else to own them in Sferum (SYNC-06).

    `owned` counts the chats, not archived, of the organizations whose chat administrator the person is; None when
    there is no such organization.
    """

    all: int
    owned: int | None


class AccountLinks(Protocol):
    """Links of school accounts to education profiles, and attempts to make one."""

    async def find(self, person: PersonId, *, lock: bool = False) -> AccountLink | None:
        """The person's link."""

    async def working(self, participants: Sequence[ParticipantId]) -> PersonId | None:
        """The first of the participants, not blocked, who has a link that works."""

    async def linked(self, participants: Collection[ParticipantId]) -> frozenset[ParticipantId]:
        """Those of the participants who have a link; one that is broken counts (LINK-11)."""

    async def holder(self, profile_id: str) -> PersonId | None:
        """Who has linked that education profile."""

    async def save(self, link: AccountLink) -> None:
        """Adds it or writes its changes, with its events; tokens are encrypted.

        Raises:
            ConcurrentChange: the profile was linked by another account meanwhile.
        """

    async def delete(self, link: AccountLink) -> None:
        """Deletes a link that has ended, and tells its events."""

    async def renewed_before(self, at: datetime, *, limit: int) -> list[PersonId]:
        """Some of those whose link works with a pair of tokens that is older, in no order."""

    async def chats_of(self, person: PersonId) -> ChatsOfAccount:
        """What the person would leave behind in Sferum."""

    async def find_attempt(self, *, id: str | None = None, state: str | None = None) -> LinkAttempt | None:
        """The attempt of that id or of that state, locked."""

    async def save_attempt(self, attempt: LinkAttempt) -> None:
        """Adds it or writes its changes."""

    async def forget_attempts(self, person: PersonId) -> None:
        """Deletes all attempts of the person: a callback that is still under way makes no link any more."""


class Revocations(Protocol):
    """Tokens of which VK ID has still to be told that nobody may use them."""

    async def find(self, id: UUID) -> Revocation | None:
        """The revocation, locked."""

    async def due(self, at: datetime, *, limit: int) -> list[Revocation]:
        """Those whose `due_at` has come, locked; those that somebody else has locked are left out."""

    async def of_profile(self, profile_id: str) -> list[Revocation]:
        """Those of the profile's tokens, locked."""

    async def save(self, revocation: Revocation) -> None:
        """Adds it or writes its changes; tokens are encrypted."""

    async def delete(self, revocation: Revocation) -> None:
        """VK ID knows; nothing of the tokens is kept."""


class Mirrors(Protocol):
    """The mirrors of chats in Sferum.

    Whatever saves a chat, a link, a block or a chat administrator touches the mirrors that it may concern, in the same
    unit of work: their `touched` grows and they are due at once.
    """

    async def find(self, chat: ChatId) -> Mirror | None:
        """The chat's mirror, locked; None for a chat that was never saved."""

    async def claim_due(
        self, at: datetime, *, until: datetime, limit: int, of_each: int, under_way: Mapping[OrganizationId, int]
    ) -> list[Mirror]:
        """Some whose `due_at` has come and that nobody works on, claimed until then.

        Of each organization come at most `of_each`, less those that are `under_way`: first those that Sferum has, then
        those that are to be made, the longest due before others. Those that somebody else has locked are left out.
        """

    async def now_is(self, chat: ChatId) -> ChatNow:
        """The chat as its mirror is to show it, as of this moment."""

    async def to_empty(self, person: PersonId) -> list[ChatId]:
        """Chats whose mirror the person's account owns and that somebody else should leave (SYNC-06)."""

    async def save(self, mirror: Mirror) -> None:
        """Writes its changes; whoever looks at it is told of what they see."""

    async def touch(self, chat: ChatId) -> None:
        """Something about the chat may be other than in its mirror, from the end of this unit of work."""


class ChatRequests(Protocol):
    """Attempts to make a chat in Sferum."""

    async def find(self, id: ChatRequestId) -> ChatRequest | None:
        """The attempt, locked."""

    async def find_all(self, ids: Collection[ChatRequestId]) -> list[ChatRequest]:
        """Those of them that are known, locked, in the order of their ids."""

    async def due(self, at: datetime, *, accounts: int) -> list[ChatRequest]:
        """Those that are watched of some accounts of which one's `due_at` has come, locked.

        An account is asked once for them all. Those that somebody else has locked are left out.
        """

    async def save(self, request: ChatRequest) -> None:
        """Adds it or writes its changes."""

    async def save_all(self, requests: Sequence[ChatRequest]) -> None:
        """The same for several, in a few statements."""


class Roles(Protocol):
    """The installation's roles."""

    async def find(self, id: RoleId) -> Role | None:
        """The role, locked."""

    async def make_known(self, names: Collection[str]) -> None:
        """Adds a role that permits nothing for each name that has none."""

    async def save(self, role: Role) -> None:
        """Writes its changes."""


@dataclass(frozen=True, slots=True)
class Answered:
    """An earlier request's key, a digest of its arguments, and what it made."""

    digest: str
    result: str


KEYS_ARE_KEPT_FOR = timedelta(hours=24)
"""How long a repeated key is known (api.md, GraphQL)."""


class Answers(Protocol):
    """What was answered to requests that carry a key, so that a repetition answers the same (for 24 hours)."""

    async def find(self, scope: str, keys: Collection[str], *, since: datetime) -> Mapping[str, Answered]:
        """The answers kept under the keys. Whoever asks in the same scope meanwhile waits for this unit of work."""

    async def keep(self, scope: str, answers: Mapping[str, Answered], *, at: datetime) -> None:
        """Keeps each answer under its key."""


class UnitOfWork(Protocol):
    """One transaction: all of it or nothing. No remote call is made inside one."""

    @property
    def organizations(self) -> Organizations: ...
    @property
    def rosters(self) -> Rosters: ...
    @property
    def registers(self) -> Registers: ...
    @property
    def lessons(self) -> Lessons: ...
    @property
    def chats(self) -> Chats: ...
    @property
    def videoconferences(self) -> Videoconferences: ...
    @property
    def calls(self) -> Calls: ...
    @property
    def account_links(self) -> AccountLinks: ...
    @property
    def revocations(self) -> Revocations: ...
    @property
    def mirrors(self) -> Mirrors: ...
    @property
    def chat_requests(self) -> ChatRequests: ...
    @property
    def roles(self) -> Roles: ...
    @property
    def answers(self) -> Answers: ...

    async def now(self) -> datetime:
        """The database's clock: a process's own decides nothing."""


Begin = Callable[[Because], AbstractAsyncContextManager[UnitOfWork]]
"""Begins a unit of work, which is kept when the block ends and undone when it raises.

Whatever it saves leaves a line of the audit that tells this cause (AUDIT-01)."""


class Trouble(StrEnum):
    """Why the messenger did not do what it was asked."""

    UNAVAILABLE = "UNAVAILABLE"
    RATE_LIMITED = "RATE_LIMITED"
    RELINK_NEEDED = "RELINK_NEEDED"
    HUMAN_CHECK_NEEDED = "HUMAN_CHECK_NEEDED"
    NO_PERMISSION = "NO_PERMISSION"
    """This account may not do it in this chat; another one may."""
    CHAT_LOST = "CHAT_LOST"
    CHAT_FULL = "CHAT_FULL"
    MEMBER_REFUSED = "MEMBER_REFUSED"
    """Not this member, whoever asks."""
    REFUSED = "REFUSED"


class MessengerFailed(Exception):
    """The messenger gave no good answer.

    `certain`: it has surely not done it; otherwise it may have. `pause`: how long it wants to be left alone.
    """

    def __init__(self, trouble: Trouble, *, certain: bool, pause: timedelta | None = None) -> None:
        super().__init__(f"{trouble}{'' if certain else ', it may have been done'}")
        self.trouble = trouble
        self.certain = certain
        self.pause = pause


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A call that people can join by its link."""

    id: str
    link: str
    name: str


@dataclass(frozen=True, slots=True)
class SeenChat:
    """A chat as one account sees it in its list: its number for that account, and the profile of its owner."""

    number: str
    title: str
    owner: str
    is_member: bool


class Messenger(Protocol):
    """A messenger with chats and calls, where we act with the accounts that people linked.

    People are known to it by their profiles. Every account numbers its chats in its own way. Every method raises
    MessengerFailed.
    """

    async def create_chat(self, owner: PersonId, title: str) -> str:
        """A new chat with its owner alone; answers with its number for that owner. Not idempotent."""

    async def chats(self, account: PersonId) -> tuple[SeenChat, ...]:
        """All chats that the account is or was in, the newest first."""

    async def chat(self, account: PersonId, number: str) -> Held:
        """What the chat holds now, all its members."""

    async def change_chat(self, account: PersonId, number: str, steps: Sequence[Step]) -> list[MessengerFailed | None]:
        """Takes at most 25 steps, in order, each by itself, and tells of each; raises if nothing is known of any.

        What is so already counts as done.
        """

    async def invite_link(self, account: PersonId, number: str) -> str:
        """A link by which a profile that nobody may add can come in by itself."""

    async def start_call(self, account: PersonId, name: str) -> OpenCall:
        """Starts a call of that name. Not idempotent: after an uncertain answer look in `open_calls` first."""

    async def start_calls(self, account: PersonId, names: Sequence[str]) -> list[OpenCall | MessengerFailed]:
        """Starts at most 25 calls, each by itself, and tells of each, in order; raises if nothing is known of any."""

    async def open_calls(self, account: PersonId) -> tuple[OpenCall, ...]:
        """The calls that this account started and that are open."""

    async def end_call(self, account: PersonId, id: str) -> None:
        """Ends a call for all. One that is over, or unknown, is fine."""

    async def end_calls(self, account: PersonId, ids: Sequence[str]) -> list[MessengerFailed | None]:
        """The same for at most 25 calls, telling of each, in order; raises if nothing is known of any."""


class AuthorizationFailed(Exception):
    """VK ID did not accept the code or the token; it will not accept it later either."""


class IdentityProviderUnavailable(Exception):
    """VK ID gave no usable answer; whether it did what it was asked is not known."""


class IdentityProvider(Protocol):
    """VK ID (OAuth 2.1 with PKCE)."""

    def authorization_url(self, *, state: str, verifier: str) -> str:
        """Where a browser goes to choose an education profile; carries the verifier's S256 challenge (RFC 7636)."""

    async def exchange(self, *, code: str, verifier: str, device_id: str, state: str) -> Tokens:
        """The tokens for a code. Raises AuthorizationFailed, IdentityProviderUnavailable."""

    async def profile(self, access_token: str) -> EducationProfile:
        """Whose token it is. Raises AuthorizationFailed, IdentityProviderUnavailable."""

    async def refresh(self, tokens: Tokens) -> Tokens:
        """A new pair; the old one is dead afterwards. Raises AuthorizationFailed, IdentityProviderUnavailable."""

    async def revoke(self, tokens: Tokens) -> None:
        """Withdraws all that the profile granted us: no token of it works afterwards, however many pairs there are.

        Raises AuthorizationFailed, when the access token does not work any more, and IdentityProviderUnavailable.
        """

    async def log_out(self, tokens: Tokens) -> None:
        """Ends this one pair; others of the profile go on working. Raises as `revoke`."""


AccessToken = Callable[[PersonId], Awaitable[str]]
"""A working access token of the account. Raises MessengerFailed with RELINK_NEEDED if there is none."""
