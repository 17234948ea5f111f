"""A call is asked for, looked for and put off until a conference is active or its end has come."""

from datetime import datetime, timedelta

import pytest

from domain.errors import ImpossibleStep
from domain.videoconference import Active, CallReleased, Failed, Phase, Scheduled, Starting, VideoconferenceStatus
from tests.builders import LINK, MONDAY_0829, MONDAY_0830, MONDAY_0900, MONDAY_0915, MONDAY_1000, a_videoconference
from tests.domain.phases import (
    ACTIVE,
    ANOTHER_CALL,
    ASKED,
    CALL,
    FAILED,
    FINISHED,
    NO_STARTER,
    PHASES,
    PUT_OFF,
    REFUSED,
    SCHEDULED,
    changes,
    released,
)

INSTANT = timedelta(microseconds=1)


@pytest.mark.parametrize("at", [MONDAY_0829, MONDAY_0900, MONDAY_0915 - INSTANT])
def test_its_call_is_asked_for_when_its_time_has_come(at: datetime) -> None:
    conference = a_videoconference(phase=SCHEDULED)

    conference.begin_start(CALL, at=at, check_at=MONDAY_0915)

    assert conference.phase == Starting(CALL, MONDAY_0915)
    assert conference.waits_for(CALL)
    assert not conference.waits_for(ANOTHER_CALL)
    assert changes(conference) == ["starting"]


@pytest.mark.parametrize("at", [MONDAY_0829 - INSTANT, MONDAY_0915])
def test_its_call_is_asked_for_neither_before_its_time_nor_from_its_end_on(at: datetime) -> None:
    conference = a_videoconference(phase=SCHEDULED)

    with pytest.raises(ImpossibleStep):
        conference.begin_start(CALL, at=at, check_at=MONDAY_0915)

    assert conference.phase == SCHEDULED
    assert conference.events == []


@pytest.mark.parametrize("name", ["asked", "prepared", "active", "finished", "failed"])
def test_only_a_scheduled_conference_begins_to_start(name: str) -> None:
    conference = a_videoconference(phase=PHASES[name])

    with pytest.raises(ImpossibleStep):
        conference.begin_start(ANOTHER_CALL, at=MONDAY_0900, check_at=MONDAY_0900)

    assert conference.phase == PHASES[name]


def test_a_link_that_comes_before_the_start_is_kept_to_itself() -> None:
    conference = a_videoconference(phase=ASKED)

    conference.call_is_there(CALL, LINK, at=MONDAY_0829)

    assert conference.phase == Starting(CALL, MONDAY_0829, LINK)
    assert not conference.waits_for(CALL)
    assert (conference.version, conference.events) == (1, [])


def test_a_link_that_comes_after_the_start_makes_the_conference_active_at_once() -> None:
    conference = a_videoconference(phase=ASKED)

    conference.call_is_there(CALL, LINK, at=MONDAY_0900)

    assert conference.phase == Active(MONDAY_0900, CALL, LINK)
    assert changes(conference) == ["activated"]


def test_a_link_that_comes_after_the_end_is_never_shown_and_its_call_is_let_go() -> None:
    conference = a_videoconference(phase=ASKED)

    conference.call_is_there(CALL, LINK, at=MONDAY_0915)

    assert conference.status is VideoconferenceStatus.FAILED
    assert released(conference) == [CALL]


@pytest.mark.parametrize("name", PHASES)
def test_a_call_that_is_not_waited_for_is_let_go(name: str) -> None:
    conference = a_videoconference(phase=PHASES[name])

    conference.call_is_there(ANOTHER_CALL, LINK, at=MONDAY_0900)

    assert conference.phase == PHASES[name]
    assert conference.events == [CallReleased(ANOTHER_CALL)]
    assert conference.version == 1


@pytest.mark.parametrize("name", ["prepared", "active"])
def test_an_answer_that_comes_twice_changes_nothing_and_the_call_stays(name: str) -> None:
    conference = a_videoconference(phase=PHASES[name])

    conference.call_is_there(CALL, LINK, at=MONDAY_0829)

    assert conference.phase == PHASES[name]
    assert (conference.version, conference.events) == (1, [])


def test_a_call_about_which_no_answer_came_is_looked_for_later_without_anybody_seeing_it() -> None:
    conference = a_videoconference(phase=ASKED)

    conference.look_for_call_again(CALL, check_at=MONDAY_0900)

    assert conference.phase == Starting(CALL, MONDAY_0900)
    assert (conference.version, conference.events) == (1, [])


@pytest.mark.parametrize("name", ["scheduled", "prepared", "active", "finished", "failed"])
def test_a_call_that_is_not_waited_for_is_not_looked_for(name: str) -> None:
    conference = a_videoconference(phase=PHASES[name])

    conference.look_for_call_again(CALL, check_at=MONDAY_0900)

    assert conference.phase == PHASES[name]
    assert conference.events == []


def test_another_call_is_asked_for_in_place_of_one_that_is_not_there_without_anybody_seeing_it() -> None:
    conference = a_videoconference(phase=ASKED)

    conference.ask_for_another_call(ANOTHER_CALL, instead_of=CALL, check_at=MONDAY_0900)

    assert conference.phase == Starting(ANOTHER_CALL, MONDAY_0900)
    assert (conference.version, conference.events) == (1, [])


@pytest.mark.parametrize("name", ["scheduled", "prepared", "active", "finished", "failed"])
def test_another_call_is_asked_for_only_while_the_first_is_waited_for(name: str) -> None:
    conference = a_videoconference(phase=PHASES[name])

    with pytest.raises(ImpossibleStep):
        conference.ask_for_another_call(ANOTHER_CALL, instead_of=CALL, check_at=MONDAY_0900)

    assert conference.phase == PHASES[name]


@pytest.mark.parametrize("name", ["asked", "prepared"])
def test_a_start_that_is_refused_is_put_off_and_its_call_let_go(name: str) -> None:
    conference = a_videoconference(phase=PHASES[name])

    conference.put_off(REFUSED, at=MONDAY_0829, retry_at=MONDAY_0830)

    assert conference.phase == Scheduled(MONDAY_0830, REFUSED)
    assert released(conference) == [CALL]
    assert changes(conference) == ["put_off"]


def test_the_reason_of_a_delay_is_told_when_it_is_new() -> None:
    conference = a_videoconference(phase=SCHEDULED)

    conference.put_off(NO_STARTER, at=MONDAY_0829, retry_at=MONDAY_0830)
    told = changes(conference)
    conference.take_events()
    conference.put_off(NO_STARTER, at=MONDAY_0830, retry_at=MONDAY_0900)
    told_again = changes(conference)
    conference.put_off(REFUSED, at=MONDAY_0900, retry_at=MONDAY_0915)

    assert (told, told_again, changes(conference)) == (["put_off"], [], ["put_off"])
    assert conference.phase == Scheduled(MONDAY_0915, REFUSED)
    assert conference.version == 3


@pytest.mark.parametrize("name", ["scheduled", "asked", "prepared"])
def test_what_is_put_off_when_its_end_has_come_has_failed_for_that_reason(name: str) -> None:
    conference = a_videoconference(phase=PHASES[name])

    conference.put_off(REFUSED, at=MONDAY_0915, retry_at=MONDAY_1000)

    assert conference.phase == Failed(MONDAY_0915, REFUSED)
    assert conference.version == 2


@pytest.mark.parametrize("name", ["active", "finished", "failed"])
def test_only_what_has_not_started_is_put_off(name: str) -> None:
    conference = a_videoconference(phase=PHASES[name])

    with pytest.raises(ImpossibleStep):
        conference.put_off(REFUSED, at=MONDAY_0900, retry_at=MONDAY_0900)

    assert conference.phase == PHASES[name]


def test_a_conference_that_waits_for_a_starter_is_tried_at_once_when_one_appears() -> None:
    conference = a_videoconference(phase=PUT_OFF)

    conference.starter_appeared(at=MONDAY_0830)
    conference.starter_appeared(at=MONDAY_0830 + timedelta(seconds=1))

    assert conference.phase == Scheduled(MONDAY_0830, NO_STARTER)
    assert conference.due_at == MONDAY_0830
    assert conference.events == []


@pytest.mark.parametrize("phase", [Scheduled(MONDAY_0900, REFUSED), SCHEDULED, ASKED, ACTIVE, FINISHED, FAILED])
def test_a_starter_makes_no_difference_to_a_conference_that_waits_for_none(phase: Phase) -> None:
    conference = a_videoconference(phase=phase)

    conference.starter_appeared(at=MONDAY_0830)

    assert conference.phase == phase
