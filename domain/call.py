"""One attempt to hold a call in Sferum, from before it is asked for until nobody can be in it (CONF-18, SYNC-03)."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID
from zlib import crc32

from domain.errors import ImpossibleStep
from domain.ids import CallId, PersonId, VideoconferenceId
from domain.pauses import doubled

WATCH_FOR_STRAYS = timedelta(minutes=10)
"""How long an answer that was given up may still have its effect in Sferum."""
LOOK_EVERY = timedelta(seconds=20)
"""So that a stray call is ended within a minute of turning up (SYNC-03)."""
LOOK_AT_OPEN_EVERY = timedelta(minutes=1)
"""How often somebody looks whether Sferum still has a call (CONF-18)."""
NOT_SOONER_THAN = timedelta(seconds=5)
"""Nor is a call looked at right after it was opened: it may not be listed yet."""
TRIED_FOR = timedelta(seconds=4)
"""After this, whoever wanted to end a call counts as dead; ending it twice does no harm."""
_MARK = re.compile(r"#([0-9a-f]{32})(?![0-9a-f])")


@dataclass(frozen=True, slots=True)
class Asked:
    """Recorded before Sferum is asked; `sent`: somebody is about to ask, so the call may be there."""

    sent: bool = False


@dataclass(frozen=True, slots=True)
class Open:
    """Sferum has it, under its own id; at `look_at` somebody looks whether it still does."""

    sferum_id: str
    look_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """Needed no more; is ended in Sferum at `due_at`, and again after each failure."""

    sferum_id: str
    due_at: datetime
    tries: int = 0


@dataclass(frozen=True, slots=True)
class GivenUp:
    """Not found in Sferum and not waited for; if it turns up before `until`, it is ended."""

    due_at: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Ended:
    """Nobody can be in it."""

    at: datetime


CallState = Asked | Open | Ending | GivenUp | Ended


@dataclass(slots=True, kw_only=True, eq=False)
class Call:
    """Our record of a call; `account` is whose token started it and must end it (CONF-26)."""

    id: CallId
    videoconference_id: VideoconferenceId
    account: PersonId
    asked_at: datetime
    state: CallState = Asked()

    @property
    def mark(self) -> str:
        """What the call's name in Sferum carries, so that it can be found there again."""
        return f"#{self.id.hex}"

    @property
    def due_at(self) -> datetime | None:
        """When something is to be done about it; None while its conference sees to it, and when it is over."""
        match self.state:
            case Ending(due_at=due_at) | GivenUp(due_at=due_at):
                return due_at
            case Open(look_at=look_at):
                return look_at
            case Asked() | Ended():
                return None

    def send(self) -> bool:
        """Whether the caller is to ask Sferum for it now: the first one who says so is, nobody else ever."""
        if self.state != Asked():
            return False
        self.state = Asked(sent=True)
        return True

    def claims(self, sferum_id: str) -> bool:
        """Whether a call in Sferum that carries our mark is the one that we know of, or may be it."""
        match self.state:
            case Open(known) | Ending(known):
                return known == sferum_id
            case Asked():
                return True
            case GivenUp() | Ended():
                return False

    def opened(self, sferum_id: str, *, at: datetime) -> None:
        """Sferum has it. One that was given up meanwhile is ended."""
        match self.state:
            case Asked():
                self.state = Open(sferum_id, self._next_look(at))
            case GivenUp():
                self.state = Ending(sferum_id, at)
            case Open() | Ending() | Ended():
                pass

    def refused(self, *, at: datetime) -> None:
        """Sferum said for certain that there is no such call."""
        if not isinstance(self.state, Asked):
            raise ImpossibleStep("only a call that was asked for is refused")
        self.state = Ended(at)

    def release(self, *, at: datetime) -> None:
        """Its conference needs it no more. Idempotent."""
        match self.state:
            case Asked():
                self.state = GivenUp(at, at + WATCH_FOR_STRAYS)
            case Open(sferum_id, _):
                self.state = Ending(sferum_id, at)
            case Ending() | GivenUp() | Ended():
                pass

    def not_found(self, *, at: datetime) -> None:
        """Looked for in Sferum and not there. Idempotent."""
        match self.state:
            case GivenUp(until=until):
                self.state = Ended(at) if at >= until else GivenUp(at + LOOK_EVERY, until)
            case Asked() | Open() | Ending() | Ended():
                pass

    def ended(self, *, at: datetime) -> None:
        """Sferum ended it, or does not have it any more. Idempotent."""
        if not isinstance(self.state, Ended):
            self.state = Ended(at)

    def postpone(self, *, at: datetime) -> None:
        """What is due is about to be tried; should whoever tries it die over it, it is due again."""
        match self.state:
            case Open(sferum_id, _):
                self.state = Open(sferum_id, self._next_look(at))
            case Ending(sferum_id, _, tries):
                self.state = Ending(sferum_id, at + TRIED_FOR, tries)
            case GivenUp(until=until):
                self.state = GivenUp(at + LOOK_EVERY, until)
            case Asked() | Ended():
                pass

    def not_ended(self, *, at: datetime) -> None:
        """Sferum did not end it: it is asked again after a pause that doubles up to a minute."""
        match self.state:
            case Ending(sferum_id, _, tries):
                self.state = Ending(sferum_id, at + _pause(tries), tries + 1)
            case Asked() | Open() | GivenUp() | Ended():
                pass

    def _next_look(self, at: datetime) -> datetime:
        # All calls of an account at the same instants, because one look shows them all; accounts at different ones.
        into_the_minute = timedelta(seconds=(at.timestamp() - crc32(self.account.encode())) % 60)
        return at + max(LOOK_AT_OPEN_EVERY - into_the_minute, NOT_SOONER_THAN)


def marked(name: str) -> CallId | None:
    """Whose mark the name of a call in Sferum carries."""
    found = _MARK.search(name)
    return CallId(UUID(found.group(1))) if found else None


def _pause(tries: int) -> timedelta:
    return doubled(tries, first=timedelta(seconds=3), most=timedelta(minutes=1))
