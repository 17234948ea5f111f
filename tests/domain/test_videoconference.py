"""A videoconference is made, ended by people, and shows no more of itself than its phase has."""

from datetime import datetime, timedelta
from uuid import uuid4

import pytest

from domain.errors import ImpossibleStep, Problem, ProblemCode, Refused
from domain.ids import VideoconferenceId
from domain.participant import Capacity
from domain.videoconference import (
    Finished,
    FinishedBy,
    Scheduled,
    TimeSlot,
    VideoconferenceStatus,
    VideoconferenceType,
    schedule,
)
from tests.builders import (
    LINK,
    MONDAY_0829,
    MONDAY_0830,
    MONDAY_0900,
    MONDAY_0915,
    MONDAY_1000,
    SCHOOL,
    a_chat,
    a_lesson,
    a_videoconference,
    participant,
)
from tests.domain.phases import ACTIVE, ASKED, CALL, FINISHED, PHASES, REFUSED, changes, released


def test_a_new_conference_waits_until_its_call_is_to_be_prepared_and_tells_so() -> None:
    chat, lesson = a_chat(), a_lesson()

    made = schedule(
        id=VideoconferenceId(uuid4()),
        organization_id=SCHOOL,
        type=VideoconferenceType.ONLINE_LESSON,
        name="Алгебра",
        chat_id=chat.id,
        lesson_id=lesson.id,
        made_by=participant("teacher"),
        slot=TimeSlot(MONDAY_0830, MONDAY_0915),
        prepare_ahead=timedelta(seconds=60),
        additions=frozenset({(participant("pupil"), Capacity.PUPIL)}),
        removals=frozenset({participant("other")}),
    )

    assert made.phase == Scheduled(MONDAY_0829)
    assert (made.status, made.version, made.due_at) == (VideoconferenceStatus.SCHEDULED, 1, MONDAY_0829)
    assert changes(made) == ["created"]
    assert (made.chat_id, made.lesson_id, made.made_by) == (chat.id, lesson.id, participant("teacher"))
    assert (made.additions, made.removals) == (
        frozenset({(participant("pupil"), Capacity.PUPIL)}),
        frozenset({participant("other")}),
    )


@pytest.mark.parametrize("end", [MONDAY_0830, MONDAY_0829])
def test_a_slot_ends_after_it_starts(end: datetime) -> None:
    with pytest.raises(ImpossibleStep):
        TimeSlot(MONDAY_0830, end)


@pytest.mark.parametrize("by", FinishedBy)
def test_an_active_conference_is_finished_before_its_time_and_says_by_what(by: FinishedBy) -> None:
    conference = a_videoconference(phase=ACTIVE)

    conference.finish(at=MONDAY_0900, by=by)

    assert conference.phase == Finished(MONDAY_0830, MONDAY_0900, by)
    assert changes(conference) == ["finished"]
    assert released(conference) == [CALL]


def test_a_conference_that_is_finished_stays_as_it_is() -> None:
    conference = a_videoconference(phase=FINISHED)

    conference.finish(at=MONDAY_1000, by=FinishedBy.SFERUM)

    assert conference.phase == FINISHED
    assert (conference.version, conference.events) == (1, [])


@pytest.mark.parametrize("name", ["scheduled", "put off", "asked", "prepared", "failed"])
def test_finishing_any_other_is_refused_with_its_status(name: str) -> None:
    conference = a_videoconference(phase=PHASES[name])

    with pytest.raises(Refused) as refused:
        conference.finish(at=MONDAY_0900, by=FinishedBy.USER)

    assert refused.value.problems == (Problem(ProblemCode.WRONG_STATUS, ("id",), {"status": conference.status}),)
    assert conference.phase == PHASES[name]
    assert conference.events == []


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("scheduled", "SCHEDULED"),
        ("put off", "SCHEDULED"),
        ("asked", "STARTING"),
        ("prepared", "STARTING"),
        ("active", "ACTIVE"),
        ("finished", "FINISHED"),
        ("failed", "FAILED"),
    ],
)
def test_each_phase_has_its_status(name: str, status: str) -> None:
    assert a_videoconference(phase=PHASES[name]).status == status


def test_only_a_prepared_and_an_active_conference_know_a_link_at_all() -> None:
    with_link = {name for name, phase in PHASES.items() if getattr(phase, "link", None) is not None}

    assert with_link == {"prepared", "active"}


def test_the_version_grows_by_one_with_a_saved_change_whatever_steps_it_took() -> None:
    conference = a_videoconference(phase=ASKED)

    conference.put_off(REFUSED, at=MONDAY_0915, retry_at=MONDAY_1000)

    assert changes(conference) == ["put_off", "failed"]
    assert conference.version == 2


def test_the_version_grows_again_with_the_next_saved_change() -> None:
    conference = a_videoconference(phase=ASKED)

    conference.call_is_there(CALL, LINK, at=MONDAY_0900)
    conference.take_events()
    conference.keep_time(at=MONDAY_0915)

    assert conference.version == 3
