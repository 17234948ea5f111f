"""A conference from half past eight to a quarter past nine, in each phase that it can be in."""

from datetime import timedelta
from uuid import UUID

from domain.ids import CallId
from domain.videoconference import (
    Active,
    CallReleased,
    Failed,
    FailureReason,
    Finished,
    FinishedBy,
    Phase,
    Scheduled,
    Starting,
    Videoconference,
    VideoconferenceChanged,
)
from tests.builders import LINK, MONDAY_0829, MONDAY_0830, MONDAY_0900, MONDAY_0915

CALL, ANOTHER_CALL = CallId(UUID(int=1)), CallId(UUID(int=2))
UNAVAILABLE, REFUSED = FailureReason.SFERUM_UNAVAILABLE, FailureReason.SFERUM_REFUSED
NO_STARTER, SERVICE_DOWN = FailureReason.NO_LINKED_STARTER, FailureReason.SERVICE_DOWN

SCHEDULED = Scheduled(MONDAY_0829)
PUT_OFF = Scheduled(MONDAY_0900, NO_STARTER)
ASKED = Starting(CALL, MONDAY_0829 + timedelta(seconds=8))
PREPARED = Starting(CALL, MONDAY_0829, LINK)
ACTIVE = Active(MONDAY_0830, CALL, LINK)
FINISHED = Finished(MONDAY_0830, MONDAY_0900, FinishedBy.USER)
FAILED = Failed(MONDAY_0915, UNAVAILABLE)
PHASES: dict[str, Phase] = {
    "scheduled": SCHEDULED,
    "put off": PUT_OFF,
    "asked": ASKED,
    "prepared": PREPARED,
    "active": ACTIVE,
    "finished": FINISHED,
    "failed": FAILED,
}


def changes(conference: Videoconference) -> list[str]:
    """The names of the visible steps since the conference was loaded."""
    return [event.what for event in conference.events if isinstance(event, VideoconferenceChanged)]


def released(conference: Videoconference) -> list[CallId]:
    """The calls let go since the conference was loaded."""
    return [event.call for event in conference.events if isinstance(event, CallReleased)]
