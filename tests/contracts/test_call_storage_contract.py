"""What every storage promises of the records of calls."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest

from application.ports import Begin, ConcurrentChange
from domain.audit import SCHEDULE
from domain.call import Asked, Call, CallState, Ended, Ending, GivenUp, Open
from domain.ids import CallId
from domain.videoconference import Videoconference
from tests.builders import (
    MONDAY_0800,
    MONDAY_0829,
    MONDAY_0830,
    MONDAY_0900,
    MONDAY_1000,
    a_call,
    a_chat,
    a_videoconference,
    an_organization,
    put,
    state_of,
)

STATES: dict[str, CallState] = {
    "asked": Asked(),
    "sent": Asked(sent=True),
    "open": Open("sferum 1"),
    "open, looked at": Open("sferum 1", MONDAY_0900),
    "ending": Ending("sferum 1", MONDAY_0900, 3),
    "given up": GivenUp(MONDAY_0830, MONDAY_0900),
    "ended": Ended(MONDAY_0900),
}
WORKING: list[CallState] = [Asked(), Open("sferum 1")]
PAST: list[CallState] = [Ending("sferum 2", MONDAY_0900), GivenUp(MONDAY_0830, MONDAY_0900), Ended(MONDAY_0900)]


@pytest.fixture
async def conference(begin: Begin) -> Videoconference:
    """A conference without calls."""
    chat = a_chat()
    conference = a_videoconference(chat=chat)
    await put(begin, organization=an_organization(), chats=[chat], conferences=[conference])
    return conference


async def found(begin: Begin, call: Call) -> Call:
    """The call as it is kept."""
    async with begin(SCHEDULE) as uow:
        return await uow.calls.get(call.id)


@pytest.mark.parametrize("state", STATES.values(), ids=STATES.keys())
async def test_a_call_is_read_back_in_every_state(begin: Begin, conference: Videoconference, state: CallState) -> None:
    call = a_call(conference, state=state)

    await put(begin, calls=[call])

    assert state_of(await found(begin, call)) == state_of(call)


async def test_a_changed_call_is_read_back_with_nothing_of_its_old_state(
    begin: Begin, conference: Videoconference
) -> None:
    call = a_call(conference, state=Ending("sferum 1", MONDAY_0830, 3))
    await put(begin, calls=[call])

    async with begin(SCHEDULE) as uow:
        changed = await uow.calls.get(call.id)
        changed.ended(at=MONDAY_0900)
        await uow.calls.save(changed)

    assert (await found(begin, call)).state == Ended(MONDAY_0900)


@pytest.mark.parametrize("first", WORKING, ids=lambda state: type(state).__name__)
@pytest.mark.parametrize("second", WORKING, ids=lambda state: type(state).__name__)
async def test_a_conference_never_has_two_calls_that_are_asked_for_or_open(
    begin: Begin, conference: Videoconference, first: CallState, second: CallState
) -> None:
    kept, refused = a_call(conference, state=first), a_call(conference, state=second)
    await put(begin, calls=[kept])

    with pytest.raises(ConcurrentChange):
        await put(begin, calls=[refused])

    assert (await found(begin, kept)).state == first


async def test_a_conference_may_have_a_call_beside_those_that_it_let_go(
    begin: Begin, conference: Videoconference
) -> None:
    past, present = [a_call(conference, state=state) for state in PAST], a_call(conference)

    await put(begin, calls=[*past, present])

    assert (await found(begin, present)).state == Asked()


async def test_each_conference_has_a_call_of_its_own(begin: Begin, conference: Videoconference) -> None:
    chat = a_chat()
    another = a_videoconference(chat=chat)
    calls = [a_call(conference), a_call(another)]

    await put(begin, chats=[chat], conferences=[another], calls=calls)

    assert [(await found(begin, call)).state for call in calls] == [Asked(), Asked()]


async def test_calls_that_are_due_come_with_the_longest_due_first(begin: Begin, conference: Videoconference) -> None:
    late, early = a_call(conference, state=PAST[0]), a_call(conference, state=PAST[1])
    later = a_call(conference, state=Ending("sferum 3", MONDAY_0900 + timedelta(microseconds=1)))
    never = [a_call(conference), a_call(conference, state=Ended(MONDAY_0800))]
    await put(begin, calls=[late, later, early, *never])

    async with begin(SCHEDULE) as uow:
        everything = await uow.calls.due(MONDAY_0900, limit=10)
        one = await uow.calls.due(MONDAY_0900, limit=1)

        others = await uow.calls.due(MONDAY_0900, limit=10, leaving_out=[early.id])

    assert everything == [early.id, late.id]
    assert (one, others) == ([early.id], [late.id])


async def test_calls_that_somebody_else_has_locked_are_left_out_of_what_is_due(
    begin: Begin, conference: Videoconference
) -> None:
    late, early = a_call(conference, state=PAST[0]), a_call(conference, state=PAST[1])
    await put(begin, calls=[late, early])

    async with begin(SCHEDULE) as uow, begin(SCHEDULE) as another:
        await uow.calls.get(early.id)
        theirs = await another.calls.due(MONDAY_1000, limit=10)

    assert theirs == [late.id]


async def test_the_next_due_instant_of_calls_is_the_earliest_of_all(begin: Begin, conference: Videoconference) -> None:
    await put(begin, calls=[a_call(conference)])

    async with begin(SCHEDULE) as uow:
        assert await uow.calls.next_due() is None
    await put(begin, calls=[a_call(conference, state=state) for state in PAST])
    async with begin(SCHEDULE) as uow:
        assert await uow.calls.next_due() == MONDAY_0830
        every = await uow.calls.due(MONDAY_1000, limit=10)
        assert await uow.calls.next_due(leaving_out=every[:1]) == MONDAY_0900
        assert await uow.calls.next_due(leaving_out=every) is None


async def test_calls_are_found_and_saved_together(begin: Begin, conference: Videoconference) -> None:
    first, second = a_call(conference), a_call(conference, state=PAST[0])
    await put(begin, calls=[first, second])

    async with begin(SCHEDULE) as uow:
        found_calls = {call.id: call for call in await uow.calls.find_all([first.id, second.id, CallId(uuid4())])}
        replaced, another = found_calls[first.id], a_call(conference)
        replaced.release(at=MONDAY_0830)
        # The one that makes room comes last, and is written first.
        await uow.calls.save_all([another, found_calls[second.id], replaced])

    assert found_calls.keys() == {first.id, second.id}
    assert isinstance((await found(begin, first)).state, GivenUp)
    assert (await found(begin, another)).state == Asked()
    async with begin(SCHEDULE) as uow:
        assert await uow.calls.find_all([]) == []


async def test_whoever_gets_a_call_waits_for_who_has_it(begin: Begin, conference: Videoconference) -> None:
    call = a_call(conference, state=Ending("sferum 1", MONDAY_0829))
    await put(begin, calls=[call])

    async def fail_to_end() -> None:
        async with begin(SCHEDULE) as uow:
            locked = await uow.calls.get(call.id)
            await asyncio.sleep(0)
            locked.not_ended(at=MONDAY_0830)
            await uow.calls.save(locked)

    await asyncio.gather(*(fail_to_end() for _ in range(4)))
    state = (await found(begin, call)).state

    assert isinstance(state, Ending)
    assert state.tries == 4
