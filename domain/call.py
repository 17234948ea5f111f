"""One attempt to hold a call in Sferum, from before it is asked for until nobody can be in it (CONF-18, SYNC-03)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.errors import ImpossibleStep
from domain.ids import CallId, PersonId, VideoconferenceId

WATCH_FOR_STRAYS = timedelta(minutes=10)
"""How long an answer that was given up may still have its effect in Sferum."""
LOOK_EVERY = timedelta(seconds=20)
"""So that a stray call is ended within a minute of turning up (SYNC-03)."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Recorded before Sferum is asked: from now on the call may be there."""


@dataclass(frozen=True, slots=True)
class Open:
    """Sferum has it, under its own id."""

    sferum_id: str


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
            case Asked() | Open() | Ended():
                return None

    def opened(self, sferum_id: str, *, at: datetime) -> None:
        """Sferum has it. One that was given up meanwhile is ended."""
        match self.state:
            case Asked():
                self.state = Open(sferum_id)
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
            case Open(sferum_id):
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

    def not_ended(self, *, at: datetime) -> None:
        """It is not known to be over: that is seen to again after a pause that doubles up to a minute."""
        match self.state:
            case Ending(sferum_id, _, tries):
                self.state = Ending(sferum_id, at + _pause(tries), tries + 1)
            case GivenUp(until=until):
                self.state = GivenUp(at + LOOK_EVERY, until)
            case Asked() | Open() | Ended():
                pass


def _pause(tries: int) -> timedelta:
    return timedelta(seconds=min(10 * 2 ** min(tries, 3), 60))
