"""The clock makes a conference active at its start and ends it at its end, also after a time in which nobody looked."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from domain.ids import CallId
from domain.videoconference import Active, Failed, Finished, FinishedBy, Phase, Scheduled, Starting
from tests.builders import (
    LINK,
    MONDAY_0800,
    MONDAY_0829,
    MONDAY_0830,
    MONDAY_0900,
    MONDAY_0915,
    MONDAY_1000,
    a_videoconference,
)
from tests.domain.phases import (
    ACTIVE,
    ASKED,
    CALL,
    FAILED,
    FINISHED,
    NO_STARTER,
    PHASES,
    PREPARED,
    PUT_OFF,
    SCHEDULED,
    SERVICE_DOWN,
    UNAVAILABLE,
    changes,
    released,
)

INSTANT, MINUTE = timedelta(microseconds=1), timedelta(minutes=1)
MONDAY_0910, MONDAY_0914 = MONDAY_0915 - 5 * MINUTE, MONDAY_0915 - MINUTE


@dataclass(frozen=True)
class Tick:
    """A phase, an instant, and the phase that the clock makes of it."""

    phase: Phase
    at: datetime
    becomes: Phase


TICKS = {
    "waits before its call is prepared": Tick(SCHEDULED, MONDAY_0800, SCHEDULED),
    "waits for somebody to ask for its call": Tick(SCHEDULED, MONDAY_0900, SCHEDULED),
    "was never started as the service was down": Tick(SCHEDULED, MONDAY_0915, Failed(MONDAY_0915, SERVICE_DOWN)),
    "was never started for a known reason": Tick(PUT_OFF, MONDAY_1000, Failed(MONDAY_1000, NO_STARTER)),
    "waits for its call, even over its start": Tick(ASKED, MONDAY_0900, ASKED),
    "never got an answer": Tick(ASKED, MONDAY_0915, Failed(MONDAY_0915, UNAVAILABLE)),
    "is prepared and waits for its start": Tick(PREPARED, MONDAY_0830 - INSTANT, PREPARED),
    "is active from its start on": Tick(PREPARED, MONDAY_0830, Active(MONDAY_0830, CALL, LINK)),
    "is active as soon as the service is back": Tick(PREPARED, MONDAY_0900, Active(MONDAY_0900, CALL, LINK)),
    "was prepared and slept over": Tick(PREPARED, MONDAY_0915, Failed(MONDAY_0915, SERVICE_DOWN)),
    "is active until its end": Tick(ACTIVE, MONDAY_0910 - INSTANT, ACTIVE),
    "ends at its end": Tick(ACTIVE, MONDAY_0915, Finished(MONDAY_0830, MONDAY_0915, FinishedBy.SCHEDULE)),
    "ends as soon as the service is back": Tick(
        ACTIVE, MONDAY_1000, Finished(MONDAY_0830, MONDAY_1000, FinishedBy.SCHEDULE)
    ),
    "stays finished": Tick(FINISHED, MONDAY_1000, FINISHED),
    "stays failed": Tick(FAILED, MONDAY_1000, FAILED),
}


@pytest.mark.parametrize("case", TICKS)
def test_the_clock_takes_the_step_that_is_due_once(case: str) -> None:
    tick = TICKS[case]
    conference = a_videoconference(phase=tick.phase)

    conference.keep_time(at=tick.at)
    told = list(conference.events)
    conference.keep_time(at=tick.at)

    assert conference.phase == tick.becomes
    assert conference.version == (1 if tick.becomes == tick.phase else 2)
    assert conference.events == told


@pytest.mark.parametrize(
    ("name", "calls"), [("asked", [CALL]), ("prepared", [CALL]), ("active", [CALL]), ("put off", [])]
)
def test_a_conference_lets_go_of_its_call_at_its_end(name: str, calls: list[CallId]) -> None:
    conference = a_videoconference(phase=PHASES[name])

    conference.keep_time(at=MONDAY_0915)

    assert released(conference) == calls


@pytest.mark.parametrize(
    ("name", "due_at"),
    [
        ("scheduled", MONDAY_0829),
        ("put off", MONDAY_0900),
        ("asked", MONDAY_0829 + timedelta(seconds=8)),
        ("prepared", MONDAY_0830),
        ("active", MONDAY_0910),
        ("finished", None),
        ("failed", None),
    ],
)
def test_the_clock_looks_when_the_next_step_may_be_due(name: str, due_at: datetime | None) -> None:
    assert a_videoconference(phase=PHASES[name]).due_at == due_at


@pytest.mark.parametrize("phase", [Scheduled(MONDAY_1000), Starting(CALL, MONDAY_1000)])
def test_the_clock_never_looks_later_than_the_end(phase: Phase) -> None:
    assert a_videoconference(phase=phase, end=MONDAY_0915).due_at == MONDAY_0915


@pytest.mark.rule("CONF-21")
@pytest.mark.parametrize(
    ("at", "notice", "due_at"),
    [
        (MONDAY_0910 - INSTANT, None, MONDAY_0910),
        (MONDAY_0910, 5, MONDAY_0914),
        (MONDAY_0914 - INSTANT, 5, MONDAY_0914),
        (MONDAY_0914, 1, MONDAY_0915),
        (MONDAY_0915 - INSTANT, 1, MONDAY_0915),
        (MONDAY_0915, None, None),
    ],
)
def test_people_are_told_five_minutes_and_one_minute_before_the_end(
    at: datetime, notice: int | None, due_at: datetime | None
) -> None:
    conference = a_videoconference(phase=ACTIVE)

    conference.keep_time(at=at)

    assert (conference.minutes_left_notice, conference.due_at) == (notice, due_at)


@pytest.mark.rule("CONF-21")
def test_each_notice_is_one_change_that_people_see_and_is_told_once() -> None:
    conference = a_videoconference(phase=ACTIVE)
    told = []

    for at in (MONDAY_0910, MONDAY_0910 + MINUTE, MONDAY_0914, MONDAY_0914 + INSTANT):
        conference.keep_time(at=at)
        told.append((changes(conference), conference.version))
        conference.take_events()

    assert told == [(["minutes_left"], 2), ([], 2), (["minutes_left"], 3), ([], 3)]


@pytest.mark.rule("CONF-21")
@pytest.mark.parametrize(("end", "notice"), [(5 * MINUTE + INSTANT, None), (5 * MINUTE, 5), (MINUTE, 1), (INSTANT, 1)])
def test_a_short_conference_tells_how_little_is_left_as_it_begins(end: timedelta, notice: int | None) -> None:
    conference = a_videoconference(phase=PREPARED, end=MONDAY_0830 + end)

    conference.keep_time(at=MONDAY_0830)

    assert (conference.status, conference.minutes_left_notice) == ("ACTIVE", notice)
    assert conference.version == 2
