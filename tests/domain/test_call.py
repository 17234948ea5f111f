"""A call is recorded before it is asked for, and forgotten only when nobody can be in it any more."""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from domain.call import (
    LOOK_EVERY,
    TRIED_FOR,
    WATCH_FOR_STRAYS,
    Asked,
    Call,
    CallState,
    Ended,
    Ending,
    GivenUp,
    Open,
    marked,
)
from domain.errors import ImpossibleStep
from tests.builders import MONDAY_0800, MONDAY_0830, MONDAY_0900, a_call

AT = MONDAY_0830
UNTIL = MONDAY_0900
NEXT_LOOK = MONDAY_0830 + timedelta(seconds=21)
"""When the calls of the account are looked at."""

STATES: tuple[CallState, ...] = (
    Asked(),
    Open("42"),
    Ending("42", MONDAY_0800, 2),
    GivenUp(MONDAY_0800, UNTIL),
    Ended(MONDAY_0800),
)

STEPS: dict[str, tuple[Callable[[Call, datetime], None], tuple[CallState, ...]]] = {
    "opened": (
        lambda call, at: call.opened("43", at=at),
        (Open("43", NEXT_LOOK), Open("42"), Ending("42", MONDAY_0800, 2), Ending("43", AT), Ended(MONDAY_0800)),
    ),
    "released": (
        lambda call, at: call.release(at=at),
        (
            GivenUp(AT, AT + WATCH_FOR_STRAYS),
            Ending("42", AT),
            Ending("42", MONDAY_0800, 2),
            GivenUp(MONDAY_0800, UNTIL),
            Ended(MONDAY_0800),
        ),
    ),
    "not found": (
        lambda call, at: call.not_found(at=at),
        (
            Asked(),
            Open("42"),
            Ending("42", MONDAY_0800, 2),
            GivenUp(AT + LOOK_EVERY, UNTIL),
            Ended(MONDAY_0800),
        ),
    ),
    "ended": (lambda call, at: call.ended(at=at), (Ended(AT), Ended(AT), Ended(AT), Ended(AT), Ended(MONDAY_0800))),
    "postponed": (
        lambda call, at: call.postpone(at=at),
        (
            Asked(),
            Open("42", NEXT_LOOK),
            Ending("42", AT + TRIED_FOR, 2),
            GivenUp(AT + LOOK_EVERY, UNTIL),
            Ended(MONDAY_0800),
        ),
    ),
    "not ended": (
        lambda call, at: call.not_ended(at=at),
        (
            Asked(),
            Open("42"),
            Ending("42", AT + timedelta(seconds=12), 3),
            GivenUp(MONDAY_0800, UNTIL),
            Ended(MONDAY_0800),
        ),
    ),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("place", range(len(STATES)), ids=[type(state).__name__ for state in STATES])
def test_each_step_from_each_state_leads_where_it_should(step: str, place: int) -> None:
    take, afterwards = STEPS[step]
    call = a_call(state=STATES[place])

    take(call, AT)

    assert call.state == afterwards[place]


@pytest.mark.parametrize("step", ["opened", "released", "ended"])
@pytest.mark.parametrize("state", STATES, ids=lambda state: type(state).__name__)
def test_opening_releasing_and_ending_are_safe_to_repeat(step: str, state: CallState) -> None:
    call = a_call(state=state)
    take, _ = STEPS[step]
    take(call, AT)
    once = call.state

    take(call, MONDAY_0900)

    assert call.state == once


def test_a_refusal_that_is_certain_ends_the_call() -> None:
    call = a_call()

    call.refused(at=AT)

    assert call.state == Ended(AT)


@pytest.mark.parametrize("state", STATES[1:], ids=lambda state: type(state).__name__)
def test_only_a_call_that_was_asked_for_is_refused(state: CallState) -> None:
    call = a_call(state=state)

    with pytest.raises(ImpossibleStep):
        call.refused(at=AT)

    assert call.state == state


def test_a_call_wants_something_done_only_while_it_is_to_be_looked_at_ended_or_watched_for() -> None:
    states = [*STATES, Open("42", NEXT_LOOK)]

    assert [a_call(state=state).due_at for state in states] == [None, None, MONDAY_0800, MONDAY_0800, None, NEXT_LOOK]


@pytest.mark.rule("CONF-18")
def test_an_open_call_is_looked_at_every_minute_at_one_instant_for_all_calls_of_an_account() -> None:
    opened_at = [AT + timedelta(seconds=second) for second in range(60)]
    calls = [a_call() for _ in opened_at]
    others = a_call(account="another")

    for call, at in zip(calls, opened_at, strict=True):
        call.opened("42", at=at)
    others.opened("43", at=AT)
    first = [call.due_at for call in calls]
    for call in calls:
        assert call.due_at is not None
        call.postpone(at=call.due_at + timedelta(milliseconds=300))
    then = {call.due_at for call in calls}

    minute = timedelta(minutes=1)
    assert all(
        timedelta(seconds=5) <= due - at <= minute for due, at in zip(first, opened_at, strict=True) if due is not None
    )
    assert then <= {NEXT_LOOK + minute, NEXT_LOOK + 2 * minute}
    assert others.due_at not in {NEXT_LOOK, None}


@pytest.mark.rule("CONF-18")
def test_of_all_who_are_to_ask_for_a_call_only_the_first_one_asks() -> None:
    call = a_call()

    sent = [call.send() for _ in range(3)]

    assert sent == [True, False, False]


@pytest.mark.parametrize("state", STATES[1:], ids=lambda state: type(state).__name__)
def test_nobody_asks_for_a_call_that_is_known_or_given_up(state: CallState) -> None:
    assert not a_call(state=state).send()


@pytest.mark.rule("SYNC-03")
@pytest.mark.parametrize(
    ("state", "its_own", "another"),
    [
        (Asked(), True, True),
        (Open("42"), True, False),
        (Ending("42", AT), True, False),
        (GivenUp(AT, UNTIL), False, False),
        (Ended(AT), False, False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_call_that_carries_our_mark_is_claimed_only_while_it_is_the_one_or_may_be(
    state: CallState, its_own: bool, another: bool
) -> None:
    call = a_call(state=state)

    assert (call.claims("42"), call.claims("43")) == (its_own, another)


def test_what_turns_up_after_it_was_given_up_is_ended_at_once() -> None:
    call = a_call()
    call.release(at=AT)

    call.opened("42", at=MONDAY_0900)

    assert call.state == Ending("42", MONDAY_0900)
    assert call.due_at == MONDAY_0900


def test_ending_is_tried_again_after_pauses_that_double_up_to_a_minute() -> None:
    call = a_call(state=Ending("42", AT))
    pauses = []

    for _ in range(7):
        assert call.due_at is not None
        before = call.due_at
        call.postpone(at=before)
        call.not_ended(at=before)
        pauses.append((call.due_at - before).total_seconds())

    assert pauses == [3, 6, 12, 24, 48, 60, 60]


def test_a_call_that_never_turns_up_is_looked_for_within_each_minute_and_no_longer_than_it_is_watched_for() -> None:
    call = a_call()
    call.release(at=AT)
    answer_takes = timedelta(milliseconds=200)
    looks = [AT]

    for _ in range(1000):
        if call.due_at is None:
            break
        looks.append(call.due_at)
        call.postpone(at=looks[-1])
        call.not_found(at=looks[-1] + answer_takes)

    assert isinstance(call.state, Ended)
    assert call.state.at >= AT + WATCH_FOR_STRAYS
    assert looks[-1] <= AT + WATCH_FOR_STRAYS + timedelta(minutes=1)
    assert all(later - sooner <= timedelta(minutes=1) for sooner, later in pairwise(looks))


def test_a_given_up_call_is_not_forgotten_before_it_was_looked_for_at_the_end_of_its_watch() -> None:
    call = a_call(state=GivenUp(MONDAY_0800, AT))

    call.postpone(at=MONDAY_0900)
    after_failure = call.state
    call.not_found(at=MONDAY_0900 + LOOK_EVERY)

    assert isinstance(after_failure, GivenUp)
    assert call.state == Ended(MONDAY_0900 + LOOK_EVERY)


def test_the_mark_in_a_calls_name_is_its_own_and_stays() -> None:
    first, second = a_call(), a_call()

    assert first.mark == f"#{first.id.hex}"
    assert first.mark != second.mark
    assert marked(f"Урок {first.mark}") == first.id
    assert [marked(name) for name in ("Урок", f"{first.mark}0", first.mark.upper(), "#12")] == [None] * 4
