"""A chat's mirror in Sferum: what it should hold, what it held when last looked at, the steps from one to the other.

Nothing follows from events. They say only «look at this chat»; what is done follows from the newest state (SYNC-02).
Accounts are known by the ids of their education profiles, because those are the members that Sferum has.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from zlib import crc32

from domain.chat_request import ChatRequestId
from domain.ids import ChatId, OrganizationId, PersonId
from domain.pauses import doubled

LONGEST_TITLE = 100
"""Sferum's limit is not public; this much is safe (vk.md, 2.6)."""
ARCHIVED = " (архив)"
COMPARE_EVERY = timedelta(hours=20)
"""With up to three hours more, so that each chat is compared at least once a day (SYNC-05) and not all at once."""
LATE_EFFECTS = (timedelta(seconds=10), timedelta(minutes=1), timedelta(minutes=10))
"""After an uncertain answer somebody looks again after each of these: a request may still have its effect."""
LONGEST_PAUSE = timedelta(minutes=1)
HELD_A_MOMENT_AGO = timedelta(minutes=1)
"""What Sferum held so lately is not believed to be lost."""
REFUSED_FOR = timedelta(hours=6)
"""Whom Sferum does not let in is tried again after this; they may have changed their mind."""


class MirrorState(StrEnum):
    """How a chat's mirror is."""

    NOT_NEEDED = "NOT_NEEDED"
    WAITING_FOR_CHAT_ADMINISTRATOR = "WAITING_FOR_CHAT_ADMINISTRATOR"
    IN_STEP = "IN_STEP"
    BEHIND = "BEHIND"
    BROKEN = "BROKEN"
    ARCHIVED = "ARCHIVED"


class MirrorError(StrEnum):
    """What the last try met."""

    UNAVAILABLE = "UNAVAILABLE"
    RATE_LIMITED = "RATE_LIMITED"
    RELINK_NEEDED = "RELINK_NEEDED"
    HUMAN_CHECK_NEEDED = "HUMAN_CHECK_NEEDED"
    NO_PERMISSION = "NO_PERMISSION"
    CHAT_LOST = "CHAT_LOST"
    CHAT_FULL = "CHAT_FULL"


NEEDS_A_PERSON = {MirrorError.HUMAN_CHECK_NEEDED, MirrorError.NO_PERMISSION, MirrorError.CHAT_FULL}
"""Trying again does not help by itself; it is done all the same, seldom."""


class SferumState(StrEnum):
    """Where a member of a chat stands in its mirror (SYNC-04)."""

    NOT_LINKED = "NOT_LINKED"
    PENDING = "PENDING"
    IN_CHAT = "IN_CHAT"
    REFUSED = "REFUSED"
    BLOCKED = "BLOCKED"


@dataclass(frozen=True, slots=True)
class LinkedMember:
    """A member of the chat who is linked and not blocked."""

    person: PersonId
    profile: str
    administrator: bool


@dataclass(frozen=True, slots=True)
class ChatNow:
    """A chat as the mirror is to show it.

    `working` are the people for whom we can act now, by profile: of the members, of the chat administrator, and of
    whoever is in the mirror as far as we know. `chat_administrator` is the organization's, linked or not.
    """

    name: str
    ended: bool
    deleted: bool
    members: Sequence[LinkedMember]
    chat_administrator: PersonId | None
    working: Mapping[str, PersonId]
    touched: int = 0

    @property
    def title(self) -> str:
        """The title in Sferum."""
        if not (self.ended or self.deleted):
            return self.name[:LONGEST_TITLE]
        return archived_title(self.name)

    @property
    def roles(self) -> dict[str, bool]:
        """Who should be in the mirror, by profile, and whether as an administrator (SYNC-01)."""
        return {} if self.deleted else {member.profile: member.administrator for member in self.members}

    @property
    def maker(self) -> str | None:
        """The profile of the chat administrator, whose account makes the mirror, if we can act for them."""
        return next((profile for profile, person in self.working.items() if person == self.chat_administrator), None)


def archived_title(name: str) -> str:
    """The title of what is left of a chat (CHAT-24)."""
    return name[: LONGEST_TITLE - len(ARCHIVED)] + ARCHIVED


@dataclass(frozen=True, slots=True)
class Held:
    """What Sferum held when last looked at or changed: the title; who is in it, and whether as an administrator."""

    title: str
    members: Mapping[str, bool]


@dataclass(frozen=True, slots=True)
class Remove:
    """Takes a profile out."""

    profile: str


@dataclass(frozen=True, slots=True)
class Rename:
    """Gives the chat another title."""

    title: str


@dataclass(frozen=True, slots=True)
class Admit:
    """Lets a profile in, which does not see what was written before (CHAT-34)."""

    profile: str


@dataclass(frozen=True, slots=True)
class SetRole:
    """Makes a member an administrator, or one no more."""

    profile: str
    administrator: bool


Step = Remove | Rename | Admit | SetRole


def steps(now: ChatNow, held: Held, actor: str, left_alone: Collection[str] = ()) -> list[Step]:
    """The fewest steps, taken with the account of `actor`, after which Sferum holds what it should.

    Removals come first, whoever makes room for the chat's administrator next, the actor's own leaving last. Profiles
    in `left_alone` are not let in for the present.
    """
    roles = now.roles
    done: list[Step] = [Remove(profile) for profile in sorted(held.members.keys() - roles.keys() - {actor})]
    if held.title != now.title:
        done.append(Rename(now.title))
    for profile, administrator in sorted(roles.items(), key=lambda role: (not role[1], role[0])):
        if profile not in held.members:
            if profile not in left_alone:
                done += [Admit(profile), SetRole(profile, True)] if administrator else [Admit(profile)]
        elif held.members[profile] != administrator and profile != actor:
            done.append(SetRole(profile, administrator))
    if now.deleted and actor in held.members:
        # Nobody who could mend anything stays behind, so this is done when nothing else is left to do.
        done += [] if done else [Remove(actor)]
    return done


def after(held: Held, step: Step) -> Held:
    """What Sferum holds once the step is done."""
    match step:
        case Remove(profile):
            return replace(held, members={each: role for each, role in held.members.items() if each != profile})
        case Rename(title):
            return replace(held, title=title)
        case Admit(profile):
            return replace(held, members={profile: False, **held.members})
        case SetRole(profile, administrator):
            return replace(held, members={**held.members, profile: administrator})


@dataclass(frozen=True, slots=True)
class MirrorChanged:
    """What people see of a mirror is otherwise."""

    chat_id: ChatId


@dataclass(slots=True, kw_only=True, eq=False)
class Mirror:
    """One chat's mirror (SYNC-01).

    `request` is the attempt to make the chat in Sferum whose outcome is not known yet. `numbers` are Sferum's numbers
    of the chat, by profile: every account numbers its chats in its own way (vk.md, 2.6). `unsure`: something was asked
    of Sferum and nobody recorded what came of it, so whoever works on it next looks first. `touched` grows whenever
    the chat, or whoever is in it, may have changed; `claimed_until` keeps it to one worker. By `invite_link` whoever is
    `refused`, until when, may come in by themselves.
    """

    chat_id: ChatId
    organization_id: OrganizationId
    request: ChatRequestId | None = None
    numbers: dict[str, str] = field(default_factory=dict)
    owner: str | None = None
    held: Held | None = None
    refused: dict[str, datetime] = field(default_factory=dict)
    invite_link: str | None = None
    unsure: bool = False
    looked_at: datetime | None = None
    look_at: tuple[datetime, ...] = ()
    state: MirrorState = MirrorState.NOT_NEEDED
    error: MirrorError | None = None
    behind_since: datetime | None = None
    tries: int = 0
    touched: int = 0
    settled: int = 0
    due_at: datetime | None = None
    claimed_until: datetime | None = None

    @property
    def shown(self) -> object:
        """What people see of it, to be compared."""
        held = None if self.held is None else (self.held.title, dict(self.held.members))
        behind = self.behind_since, self.settled == self.touched
        return self.state, self.error, behind, held, set(self.refused), self.invite_link

    @property
    def is_made(self) -> bool:
        """Whether Sferum has the chat, as far as we know."""
        return self.held is not None

    def made(self, profile: str, number: str, title: str, *, at: datetime) -> None:
        """Sferum has the chat, with its owner alone."""
        self.request = None
        self.unsure, self.looked_at = False, at
        self.owner = profile
        self.numbers = {profile: number}
        self.held = Held(title, {profile: True})

    def may_be_lost(self, at: datetime) -> bool:
        """Whether to believe Sferum that it has no such chat, and make another one."""
        return self.looked_at is None or at - self.looked_at >= HELD_A_MOMENT_AGO

    def lost(self) -> None:
        """Sferum has no such chat any more; another one is to be made."""
        self.numbers, self.owner, self.held, self.invite_link = {}, None, None, None
        self.refused = {}
        self.unsure, self.looked_at, self.look_at = False, None, ()

    def actor(self, now: ChatNow, unfit: Collection[str] = ()) -> str | None:
        """With whose account the next step is taken (SYNC-06): the chat administrator's, the owner's, or of any other
        administrator in the mirror; None while nobody's works. `unfit` are those that were tried in vain."""
        if self.held is None:
            return None
        there = [
            profile
            for profile, administrator in self.held.members.items()
            if (administrator or profile == self.owner) and profile in now.working and profile not in unfit
        ]
        roles = now.roles
        there.sort(key=lambda each: (each != now.maker, each != self.owner, each not in roles, each))
        return there[0] if there else None

    def wants_look(self, at: datetime) -> bool:
        """Whether Sferum is to be asked what it holds, before or although we think that we know."""
        if self.unsure or self.looked_at is None or at - self.looked_at >= COMPARE_EVERY:
            return True
        return any(instant <= at for instant in self.look_at)

    def saw(self, held: Held, *, at: datetime) -> bool:
        """What Sferum really holds; whether that is not what we thought."""
        drifted = self.held is not None and not self.unsure and not self.look_at and self.held != held
        self.held = held
        self.unsure = False
        self.looked_at = at
        self.look_at = tuple(instant for instant in self.look_at if instant > at)
        self.refused = {profile: until for profile, until in self.refused.items() if profile not in held.members}
        self.numbers = {profile: number for profile, number in self.numbers.items() if profile in held.members}
        return drifted

    def done(self, step: Step) -> None:
        """Sferum did it."""
        if self.held is not None:
            self.held = after(self.held, step)
        if isinstance(step, Admit):
            self.refused.pop(step.profile, None)
        if isinstance(step, Remove):
            self.numbers.pop(step.profile, None)

    def refuse(self, profile: str, *, at: datetime) -> None:
        """Sferum does not let the profile in, for reasons of that member's."""
        self.refused[profile] = at + REFUSED_FOR

    def left_alone(self, at: datetime) -> set[str]:
        """Whom it is of no use to let in now."""
        return {profile for profile, until in self.refused.items() if until > at}

    def uncertain(self, *, at: datetime) -> None:
        """What was asked for may have been done, or be done later: an old addition must not undo a newer removal."""
        self.unsure = True
        self.look_at = tuple(at + pause for pause in LATE_EFFECTS)

    def certain(self, look_at: tuple[datetime, ...]) -> None:
        """All answers came; what was to be looked at before they were asked for still is."""
        self.unsure = False
        self.look_at = look_at

    def work_on(self, *, at: datetime) -> None:
        """Somebody makes or changes the chat in Sferum."""
        if self.state is not MirrorState.BROKEN:
            self.state = MirrorState.BEHIND
        self.behind_since = self.behind_since or at

    def claim(self, *, until: datetime) -> None:
        """One worker begins, or goes on; if nothing is heard of it until then, another one takes over."""
        self.claimed_until = until

    def compare(self) -> None:
        """Sferum is to be looked at whatever we think that it holds (SYNC-05)."""
        self.looked_at = None

    def try_all_again(self) -> None:
        """Somebody asks for it: also whoever was refused is let in again."""
        self.compare()
        self.refused = {}

    def wait(self, now: ChatNow, *, at: datetime) -> None:
        """Nothing can be done until somebody links; then it is touched."""
        self.state = MirrorState.WAITING_FOR_CHAT_ADMINISTRATOR
        self.error = None
        self.behind_since = self.behind_since or at
        self.tries = 0
        # Whoever stays for want of a successor goes on comparing.
        self._rest(now, at, *self._due_again(at))

    def settle(self, now: ChatNow, state: MirrorState, *, at: datetime) -> None:
        """There is nothing more to do, as far as is known."""
        self.state = state
        self.error = None
        self.behind_since = None
        self.tries = 0
        self._rest(now, at, *self._due_again(at))

    def fall_behind(
        self,
        now: ChatNow,
        state: MirrorState,
        error: MirrorError | None,
        *,
        at: datetime,
        pause: timedelta | None = None,
    ) -> None:
        """There is more to do, and not now: after a pause that grows, at least after `pause`."""
        self.state = state
        self.error = error
        self.behind_since = self.behind_since or at
        self.tries += 1
        grown = doubled(self.tries, most=LONGEST_PAUSE)
        # Not all at the same instant: a share of the pause that differs from chat to chat.
        jittered = grown * (0.75 + crc32(self.chat_id.bytes + bytes([self.tries % 256])) % 1000 / 2000)
        # Sferum is left alone for so long, whatever else would be due before.
        self._rest(now, at, at + max(jittered, pause or timedelta()))

    def _rest(self, now: ChatNow, at: datetime, *due_at: datetime) -> None:
        self.claimed_until = None
        self.settled = now.touched
        self.refused = {profile: until for profile, until in self.refused.items() if profile in now.roles}
        self.due_at = min((instant for instant in due_at if instant > at), default=None)

    def _due_again(self, at: datetime) -> tuple[datetime, ...]:
        if not self.is_made:
            return ()
        share = crc32(self.chat_id.bytes) % 1000 / 1000
        comparison = (self.looked_at or at) + COMPARE_EVERY + share * timedelta(hours=3)
        # Without an account nobody can look: it is not tried again and again.
        return (comparison if comparison > at else at + COMPARE_EVERY, *self.look_at, *self.refused.values())


@dataclass(frozen=True, slots=True)
class Make:
    """Ask Sferum for the chat, with the account of that profile."""

    profile: str


@dataclass(frozen=True, slots=True)
class FindMade:
    """Look for the chat that was asked for, because no answer came."""

    request: ChatRequestId


@dataclass(frozen=True, slots=True)
class FindNumber:
    """Look for the chat among those of the account with which the next steps are to be taken."""

    actor: str


@dataclass(frozen=True, slots=True)
class Look:
    """Ask what Sferum holds."""

    actor: str
    number: str


@dataclass(frozen=True, slots=True)
class Take:
    """Take steps."""

    actor: str
    number: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing more can be done for the present; `waits` for an account that works."""

    state: MirrorState
    waits: bool = False


@dataclass(frozen=True, slots=True)
class AskForLink:
    """Ask for the link by which whoever was refused may come in by themselves, then rest."""

    actor: str
    number: str
    then: Rest


Move = Make | FindMade | FindNumber | Look | Take | AskForLink | Rest


def next_move(mirror: Mirror, now: ChatNow, unfit: Collection[str], *, at: datetime) -> Move:
    """What is to be done next about the mirror; `unfit` are profiles whose accounts were tried in vain."""
    if mirror.held is None:
        return _move_to_make(mirror, now, unfit)
    if now.deleted and not mirror.held.members:
        return Rest(MirrorState.ARCHIVED)
    if (actor := mirror.actor(now, unfit)) is None:
        # Who is outside and would have to be let in first cannot help.
        outside = now.maker is not None and now.maker not in mirror.held.members
        return Rest(MirrorState.BROKEN if outside else MirrorState.WAITING_FOR_CHAT_ADMINISTRATOR, waits=True)
    if (number := mirror.numbers.get(actor)) is None:
        return FindNumber(actor)
    if mirror.wants_look(at):
        return Look(actor, number)
    if todo := steps(now, mirror.held, actor, mirror.left_alone(at)):
        return Take(actor, number, tuple(todo))
    rest = Rest(MirrorState.ARCHIVED if now.ended or now.deleted else MirrorState.IN_STEP)
    if actor != now.maker and now.roles.get(actor) != mirror.held.members[actor]:
        # Whoever stays, or stays an administrator, only for want of a successor (SYNC-06).
        if now.maker is not None and mirror.held.members.get(now.maker, False):
            return Take(actor, number, (SetRole(actor, False) if actor in now.roles else Remove(actor),))
        rest = Rest(MirrorState.WAITING_FOR_CHAT_ADMINISTRATOR, waits=True)
    if mirror.invite_link is None and mirror.left_alone(at) & now.roles.keys():
        return AskForLink(actor, number, rest)
    return rest


def _move_to_make(mirror: Mirror, now: ChatNow, unfit: Collection[str]) -> Move:
    if mirror.request is not None:
        return FindMade(mirror.request)
    if now.ended or now.deleted:
        return Rest(MirrorState.ARCHIVED)
    if not now.roles:
        return Rest(MirrorState.NOT_NEEDED)
    if now.maker is None or now.maker in unfit:
        return Rest(MirrorState.WAITING_FOR_CHAT_ADMINISTRATOR, waits=True)
    return Make(now.maker)
