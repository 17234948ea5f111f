"""Many conferences at one bell: few requests to Sferum, no row at fault holds up another, calls are looked at."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from application.calls import AT_ONCE, HELD_FOR, CallToFind, record, save_with_calls
from application.clock import BEGUN_AT_ONCE, LONGEST_PAUSE, STEPS_AT_ONCE, KeepTime
from application.ports import Trouble, UnitOfWork
from domain.audit import SCHEDULE, Because
from domain.call import Call, Ended
from domain.ids import VideoconferenceId
from domain.participant import PositionKind
from domain.videoconference import (
    Active,
    FailureReason,
    Finished,
    FinishedBy,
    Scheduled,
    Starting,
    Videoconference,
    VideoconferenceStatus,
)
from tests.application.school import link_account
from tests.builders import (
    MONDAY_0829,
    MONDAY_0830,
    MONDAY_0900,
    MONDAY_0915,
    MONDAY_1000,
    a_chat,
    a_roster,
    a_videoconference,
    an_organization,
    participant,
    put,
)
from tests.fakes.messenger import WorkerDied, death, lost_answer, refusal
from tests.fakes.world import World

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
ACTIVE = VideoconferenceStatus.ACTIVE


async def a_bell(world: World, count: int, *, linked: bool = True) -> list[Videoconference]:
    """Conferences of one chat, from half past eight to a quarter past nine, in a school whose director is linked."""
    roster = a_roster(employees={"director": [PositionKind.ADMINISTRATION]})
    chat = a_chat(roster=roster, chat_administrator="director")
    conferences = [a_videoconference(chat=chat) for _ in range(count)]
    await put(
        world.storage.begin,
        organization=an_organization(chat_administrator="director"),
        roster=roster,
        chats=[chat],
        conferences=conferences,
    )
    if linked:
        await link_account(world, "director")
    return conferences


async def kept(world: World, conferences: Sequence[Videoconference]) -> list[Videoconference]:
    """The conferences as they are kept, in the same order."""
    return [await world.conference(conference.id) for conference in conferences]


async def calls_of(world: World, conference: Videoconference) -> list[Call]:
    """All records of its calls."""
    return [call for call in world.storage.calls.rows.values() if call.videoconference_id == conference.id]


# Batches


@pytest.mark.rule("CONF-17")
async def test_the_calls_of_many_conferences_of_one_account_are_asked_for_in_few_requests_each_with_its_own_mark(
    world: World,
) -> None:
    conferences = await a_bell(world, 60)

    await world.come_to(MONDAY_0830)

    phases = [conference.phase for conference in await kept(world, conferences)]
    links = [phase.link for phase in phases if isinstance(phase, Active)]
    assert len(set(links)) == 60
    assert {call.link for call in world.messenger.open} == set(links)
    assert len({call.name for call in world.messenger.calls}) == 60
    # 50 begin in one transaction, and one request takes 25.
    assert (BEGUN_AT_ONCE, AT_ONCE) == (50, 25)
    assert world.messenger.asked.count("start_calls") == 3


@pytest.mark.rule("CONF-11")
async def test_the_calls_of_many_conferences_of_one_account_are_ended_in_few_requests(world: World) -> None:
    await a_bell(world, 60)

    await world.come_to(MONDAY_0915)

    assert world.messenger.open == []
    assert world.messenger.asked.count("end_calls") == 3


async def test_of_many_calls_those_that_sferum_refuses_are_put_off_and_the_others_begin(world: World) -> None:
    conferences = await a_bell(world, 10)
    world.messenger.meet("start_call", *[refusal(Trouble.HUMAN_CHECK_NEEDED, pause=5 * MINUTE)] * 3)

    await world.come_to(MONDAY_0830)

    phases = [conference.phase for conference in await kept(world, conferences)]
    put_off = [phase for phase in phases if isinstance(phase, Scheduled)]
    assert put_off == [Scheduled(MONDAY_0829 + 5 * MINUTE, FailureReason.HUMAN_CHECK_NEEDED)] * 3
    assert sum(isinstance(phase, Active) for phase in phases) == len(world.messenger.open) == 7


@pytest.mark.rule("SYNC-03")
@pytest.mark.parametrize("done", [True, False])
async def test_when_the_answer_for_many_calls_is_lost_sferum_is_looked_at_once_for_all_of_them(
    world: World, done: bool
) -> None:
    conferences = await a_bell(world, 20)
    world.messenger.meet("start_calls", lost_answer(done=done))

    await world.come_to(MONDAY_0829 + SECOND)
    looks = world.messenger.asked.count("open_calls")
    await world.come_to(MONDAY_0830)

    phases = [conference.phase for conference in await kept(world, conferences)]
    links = {phase.link for phase in phases if isinstance(phase, Active)}
    assert looks == 1
    assert len(links) == len(world.messenger.calls) == 20
    assert links == {call.link for call in world.messenger.open}
    assert world.messenger.asked.count("start_calls") == (1 if done else 2)


@pytest.mark.rule("SYNC-03")
async def test_of_many_lost_answers_each_call_that_is_there_is_adopted_and_only_the_others_are_asked_for_again(
    world: World,
) -> None:
    conferences = await a_bell(world, 9)
    world.messenger.meet("start_call", *[lost_answer(done=True), lost_answer(done=False), refusal()] * 3)

    await world.come_to(MONDAY_0830)

    phases = [conference.phase for conference in await kept(world, conferences)]
    assert len({phase.link for phase in phases if isinstance(phase, Active)}) == 9
    assert len(world.messenger.calls) == 9
    assert world.messenger.asked.count("start_call") == 9 + 6


async def test_what_begins_to_be_prepared_does_not_hold_up_those_whose_bell_rings(world: World) -> None:
    ringing = await a_bell(world, 1)
    await world.come_to(MONDAY_0830 - SECOND)
    preparing = [a_videoconference(chat=a_chat(), start=MONDAY_0830 + MINUTE) for _ in range(STEPS_AT_ONCE + 5)]
    # Due long before the bell, because they were put off.
    for conference in preparing:
        conference.phase = Scheduled(MONDAY_0829)
    chat_id = ringing[0].chat_id
    for conference in preparing:
        conference.chat_id = chat_id
    await put(world.storage.begin, conferences=preparing)

    swept = await world.sweep(MONDAY_0830)

    assert (await world.conference(ringing[0].id)).status is ACTIVE
    assert len(swept.work) == BEGUN_AT_ONCE
    assert swept.more


# Rows at fault


def failing_for(world: World, ids: Sequence[VideoconferenceId]) -> Any:
    """Begins units of work in which saving one of these raises."""

    @asynccontextmanager
    async def begin(because: Because) -> AsyncIterator[UnitOfWork]:
        async with world.storage.begin(because) as uow:
            save_all = uow.videoconferences.save_all

            async def save(conferences: Sequence[Videoconference]) -> None:
                assert not {conference.id for conference in conferences} & set(ids), "at fault"
                await save_all(conferences)

            uow.videoconferences.save_all = save  # type: ignore[method-assign]
            yield uow

    return begin


async def test_a_conference_at_fault_holds_up_no_other_and_is_tried_again_alone_after_growing_pauses(
    world: World,
) -> None:
    conferences = await a_bell(world, 100)
    await world.come_to(MONDAY_0830 - SECOND)
    at_fault = [conference.id for conference in conferences[::20]]
    keep_time = KeepTime(failing_for(world, at_fault))

    world.now = MONDAY_0830
    first = await keep_time()
    statuses = Counter(conference.status for conference in await kept(world, conferences))
    pauses = {fault.id: [fault.pause] for fault in first.faults}
    while len(pauses[at_fault[0]]) < 9:
        world.now += SECOND
        for fault in (await keep_time()).faults:
            pauses[fault.id].append(fault.pause)

    assert statuses == {ACTIVE: 95, VideoconferenceStatus.STARTING: 5}
    assert pauses.keys() == set(at_fault)
    assert [pause.total_seconds() for pause in pauses[at_fault[0]]] == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert LONGEST_PAUSE == MINUTE


async def test_a_conference_that_is_at_fault_no_more_is_taken_up_again(world: World) -> None:
    conferences = await a_bell(world, 3)
    await world.come_to(MONDAY_0830 - SECOND)
    at_fault = [conferences[1].id]
    keep_time = KeepTime(failing_for(world, at_fault))
    world.now = MONDAY_0830
    swept = await keep_time()

    at_fault.clear()
    world.now += SECOND
    healed = await keep_time()

    assert (len(swept.faults), swept.next_due) == (1, MONDAY_0830 + SECOND)
    assert healed.faults == []
    assert [conference.status for conference in await kept(world, conferences)] == [ACTIVE] * 3


async def test_storage_that_is_away_makes_no_conference_a_faulty_one(world: World) -> None:
    conferences = await a_bell(world, 30)
    await world.come_to(MONDAY_0830 - SECOND)
    away, asked_in_vain = False, 0

    @asynccontextmanager
    async def begin(because: Because) -> AsyncIterator[UnitOfWork]:
        nonlocal away, asked_in_vain
        if away:
            asked_in_vain += 1
            raise OSError("Postgres is away")
        async with world.storage.begin(because) as uow:
            yield uow
            if world.now == MONDAY_0830:
                away = True
                raise OSError("the connection was cut")

    keep_time = KeepTime(begin)
    world.now = MONDAY_0830
    with pytest.raises(OSError, match="Postgres is away"):
        await keep_time()
    away = False
    world.now += SECOND
    swept = await keep_time()

    # Once with all, and once to see whether anybody answers.
    assert asked_in_vain == 2
    assert swept.faults == []
    assert [conference.status for conference in await kept(world, conferences)] == [ACTIVE] * 30


# Calls that Sferum no longer lists


async def join(world: World, conference: Videoconference) -> None:
    """Somebody gets the link."""
    async with world.storage.begin(SCHEDULE) as uow:
        await uow.videoconferences.record_join(conference.id, participant("belov"), at=world.now)


@pytest.mark.rule("CONF-18")
async def test_a_call_that_ended_in_sferum_after_somebody_had_connected_finishes_its_conference_by_sferum(
    world: World,
) -> None:
    [conference] = await a_bell(world, 1)
    await world.come_to(MONDAY_0830 + SECOND)
    await join(world, conference)
    world.messenger.calls[0].open = False

    await world.come_to(MONDAY_0830 + MINUTE)

    phase = (await world.conference(conference.id)).phase
    assert isinstance(phase, Finished)
    assert (phase.since, phase.by) == (MONDAY_0830, FinishedBy.SFERUM)
    assert len(world.messenger.calls) == 1


@pytest.mark.rule("CONF-18")
async def test_a_call_that_lapsed_before_anybody_connected_is_replaced_by_a_new_one(world: World) -> None:
    [conference] = await a_bell(world, 1)
    await world.come_to(MONDAY_0830 + SECOND)
    before = await world.conference(conference.id)
    world.messenger.calls[0].open = False

    await world.come_to(MONDAY_0830 + MINUTE)

    [call] = world.messenger.open
    after = await world.conference(conference.id)
    assert isinstance(after.phase, Active)
    assert (after.phase.since, after.phase.link) == (MONDAY_0830, call.link)
    assert after.version == before.version + 2
    assert [type(call.state) for call in await calls_of(world, conference)].count(Ended) == 1


@pytest.mark.rule("CONF-18")
async def test_a_lapsed_call_is_not_shown_while_sferum_refuses_another_one(world: World) -> None:
    [conference] = await a_bell(world, 1)
    await world.come_to(MONDAY_0830 + SECOND)
    world.messenger.calls[0].open = False
    world.messenger.meet("start_call", *[refusal()] * 3)

    await world.come_to(MONDAY_0830 + MINUTE)
    refused = (await world.conference(conference.id)).phase
    await world.come_to(MONDAY_0830 + 3 * MINUTE)
    replaced = (await world.conference(conference.id)).phase
    await world.come_to(MONDAY_1000)

    assert isinstance(refused, Active)
    assert isinstance(replaced, Active)
    assert (refused.link, replaced.link) == (None, world.messenger.calls[-1].link)
    assert world.messenger.open == []


@pytest.mark.rule("CONF-18")
async def test_a_call_that_lapsed_while_it_was_prepared_is_replaced_before_it_is_shown(world: World) -> None:
    [conference] = await a_bell(world, 1)
    await world.come_to(MONDAY_0829 + SECOND)
    world.messenger.calls[0].open = False

    await world.come_to(MONDAY_0829 + MINUTE + SECOND)

    [call] = world.messenger.open
    phase = (await world.conference(conference.id)).phase
    assert isinstance(phase, Active)
    assert phase.link == call.link


@pytest.mark.rule("CONF-18")
async def test_a_look_that_saw_a_call_before_it_lapsed_and_is_recorded_after_that_does_not_bring_it_back(
    world: World,
) -> None:
    [conference] = await a_bell(world, 1)
    await world.come_to(MONDAY_0830 + SECOND)
    [seen] = await world.messenger.open_calls(world.messenger.calls[0].account)
    [call] = await calls_of(world, conference)
    async with world.storage.begin(SCHEDULE) as uow:
        lapsed = await uow.calls.get(call.id)
        [active] = await uow.videoconferences.find_all([conference.id], lock=True)
        lapsed.ended(at=world.now)
        active.call_is_gone(call.id, joined=False, at=world.now)
        await save_with_calls(uow, active, at=world.now)
        await uow.calls.save(lapsed)

    await record(world.storage.begin, [(CallToFind(call.id, conference.id, call.account), seen)])

    phase = (await world.conference(conference.id)).phase
    assert isinstance(phase, Active)
    assert phase.link is None


@pytest.mark.rule("CONF-18")
async def test_many_calls_of_one_account_are_looked_at_once_a_minute_together(world: World) -> None:
    conferences = await a_bell(world, 20)
    await world.come_to(MONDAY_0830)
    world.messenger.asked.clear()

    await world.come_to(MONDAY_0830 + 10 * MINUTE)

    assert world.messenger.asked == ["open_calls"] * 10
    assert [conference.status for conference in await kept(world, conferences)] == [ACTIVE] * 20


@pytest.mark.rule("CONF-18")
async def test_while_sferum_does_not_say_which_calls_are_open_none_counts_as_gone(world: World) -> None:
    [conference] = await a_bell(world, 1)
    await world.come_to(MONDAY_0830 + SECOND)
    world.messenger.meet("open_calls", *[refusal(Trouble.UNAVAILABLE)] * 5)

    await world.come_to(MONDAY_0830 + 4 * MINUTE)

    assert (await world.conference(conference.id)).status is ACTIVE
    assert len(world.messenger.calls) == 1


@pytest.mark.rule("SYNC-03")
async def test_a_second_call_with_our_mark_that_nobody_claims_is_ended_within_a_minute(world: World) -> None:
    [conference] = await a_bell(world, 1)
    await world.come_to(MONDAY_0830 + SECOND)
    [claimed] = world.messenger.open
    await world.messenger.start_call(claimed.account, claimed.name)
    others = await world.messenger.start_call(claimed.account, "Планёрка")

    await world.come_to(MONDAY_0830 + SECOND + MINUTE)

    assert {call.id for call in world.messenger.open} == {claimed.id, others.id}
    assert (await world.conference(conference.id)).status is ACTIVE


# Two workers


@pytest.mark.rule("CONF-18")
async def test_starts_in_the_middle_of_which_a_worker_died_are_found_by_another_with_one_look(world: World) -> None:
    conferences = await a_bell(world, 5)
    # It asked for two, and did not live to ask for the others.
    world.messenger.meet("start_call", *[lost_answer(done=True)] * 2, death(done=False))
    with pytest.raises(WorkerDied):
        await world.do((await world.sweep(MONDAY_0829)).work)
    started = {call.link for call in world.messenger.open}
    world.messenger.asked.clear()

    await world.come_to(MONDAY_0829 + HELD_FOR)
    looks = world.messenger.asked[: world.messenger.asked.index("start_calls")].count("open_calls")
    await world.come_to(MONDAY_0900)

    phases = [conference.phase for conference in await kept(world, conferences)]
    links = {phase.link for phase in phases if isinstance(phase, Starting | Active)}
    assert looks == 1
    assert len(started) == 2
    assert started < links
    assert links == {call.link for call in world.messenger.open}
    assert len(world.messenger.calls) == 5
