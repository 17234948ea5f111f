"""Conferences start and end by themselves; their calls are in Sferum once, and no longer than they are."""

import asyncio
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from application.calls import HELD_FOR, CallToEnd, CallToFind, CallToStart, Work
from application.clock import LOOK_FOR_STARTER_EVERY
from application.ports import Trouble
from domain.account_link import EducationProfile
from domain.audit import SCHEDULE
from domain.call import WATCH_FOR_STRAYS
from domain.participant import PositionKind
from domain.videoconference import (
    Active,
    Failed,
    FailureReason,
    Finished,
    FinishedBy,
    Scheduled,
    Starting,
    Videoconference,
    VideoconferenceStatus,
    VideoconferenceType,
)
from tests.application.school import link_account
from tests.builders import (
    MONDAY_0800,
    MONDAY_0829,
    MONDAY_0830,
    MONDAY_0900,
    MONDAY_0915,
    MONDAY_1000,
    a_chat,
    a_lesson,
    a_roster,
    a_videoconference,
    a_viewer,
    an_account_link,
    an_organization,
    put,
    subject_chat,
)
from tests.fakes.messenger import Mishap, WorkerDied, death, lost_answer, refusal
from tests.fakes.world import World

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
ONLINE_LESSON = VideoconferenceType.ONLINE_LESSON


async def a_planned_conference(world: World, *, linked: tuple[str, ...] = ("director",)) -> Videoconference:
    """From half past eight to a quarter past nine, in a school whose director administers the chats."""
    roster = a_roster(
        employees={"director": [PositionKind.ADMINISTRATION], "klimova": [PositionKind.PEDAGOGICAL], "orlova": []},
        groups={"8 К алгебра": []},
        group_teachers={"8 К алгебра": ["klimova"]},
    )
    chat = a_chat(subject_chat("8 К алгебра"), roster=roster, chat_administrator="director")
    conference = a_videoconference(chat=chat, type=ONLINE_LESSON, lesson=a_lesson(substitute="orlova"))
    await put(
        world.storage.begin,
        organization=an_organization(chat_administrator="director"),
        roster=roster,
        lessons=[a_lesson(substitute="orlova")],
        chats=[chat],
        conferences=[conference],
    )
    for person in linked:
        await link_account(world, person)
    return conference


@pytest.fixture
async def planned(world: World) -> Videoconference:
    """A conference that the director's account can start."""
    return await a_planned_conference(world)


async def link_klimova(world: World) -> None:
    """Klimova links her account, as anybody does."""
    viewer, profile = a_viewer("klimova"), EducationProfile("101", "Анна К.")
    attempt = await world.use_cases.begin_account_link(viewer, None)
    departure = await world.use_cases.depart_for_vk_id(attempt.id)
    callback = world.identity_provider.allow(departure.url, profile)
    await world.use_cases.complete_account_link(callback, browser=departure.browser)


# By the clock


@pytest.mark.rule("CONF-10")
async def test_a_conference_starts_by_itself_when_its_start_comes(world: World, planned: Videoconference) -> None:
    await world.come_to(MONDAY_0830 - SECOND)
    before = await world.conference(planned.id)
    await world.come_to(MONDAY_0830)
    at_the_start = await world.conference(planned.id)

    [call] = world.messenger.open
    assert before.status is VideoconferenceStatus.STARTING
    assert isinstance(at_the_start.phase, Active)
    assert (at_the_start.phase.since, at_the_start.phase.link) == (MONDAY_0830, call.link)
    assert call.name.startswith("Совещание #")


@pytest.mark.rule("CONF-11")
async def test_a_conference_ends_by_itself_when_its_end_comes(world: World, planned: Videoconference) -> None:
    await world.come_to(MONDAY_0915 - SECOND)
    before = (await world.conference(planned.id)).status, len(world.messenger.open)
    await world.come_to(MONDAY_0915)
    after = await world.conference(planned.id)

    assert before == (VideoconferenceStatus.ACTIVE, 1)
    assert after.phase == Finished(MONDAY_0830, MONDAY_0915, FinishedBy.SCHEDULE)
    assert world.messenger.open == []


async def test_a_conference_begins_to_be_prepared_a_minute_before_its_start_and_not_earlier(
    world: World, planned: Videoconference
) -> None:
    await world.come_to(MONDAY_0829 - SECOND)
    earlier = await world.conference(planned.id)
    asked_earlier = list(world.messenger.asked)
    await world.come_to(MONDAY_0829)
    prepared = await world.conference(planned.id)

    assert (earlier.status, asked_earlier) == (VideoconferenceStatus.SCHEDULED, [])
    assert prepared.status is VideoconferenceStatus.STARTING
    assert len(world.messenger.open) == 1


@pytest.mark.rule("CONF-20")
async def test_if_the_service_was_down_over_a_start_the_conference_starts_at_once_when_it_is_back(
    world: World, planned: Videoconference
) -> None:
    world.now = MONDAY_0900

    await world.come_to(MONDAY_0900)

    [call] = world.messenger.open
    phase = (await world.conference(planned.id)).phase
    assert isinstance(phase, Active)
    assert (phase.since, phase.link) == (MONDAY_0900, call.link)


@pytest.mark.rule("CONF-20")
async def test_if_the_service_was_down_over_an_end_the_conference_ends_at_once_when_it_is_back(
    world: World, planned: Videoconference
) -> None:
    await world.come_to(MONDAY_0900)
    world.now = MONDAY_1000

    await world.come_to(MONDAY_1000)

    phase = (await world.conference(planned.id)).phase
    assert phase == Finished(MONDAY_0830, MONDAY_1000, FinishedBy.SCHEDULE)
    assert world.messenger.open == []


@pytest.mark.rule("CONF-20")
async def test_a_conference_whose_end_passed_while_the_service_was_down_is_never_started(
    world: World, planned: Videoconference
) -> None:
    world.now = MONDAY_0915

    await world.come_to(MONDAY_0915)

    assert (await world.conference(planned.id)).phase == Failed(MONDAY_0915, FailureReason.SERVICE_DOWN)
    assert world.messenger.asked == []


async def test_a_sweep_says_when_the_next_one_is_due(world: World, planned: Videoconference) -> None:
    waits = await world.sweep(MONDAY_0800)
    prepares = await world.sweep(MONDAY_0829)
    await world.do(prepares.work)
    prepared = await world.sweep(MONDAY_0829 + SECOND)
    await world.come_to(MONDAY_1000)
    over = await world.sweep()

    assert (waits.now, waits.next_due, waits.work) == (MONDAY_0800, MONDAY_0829, [])
    assert prepares.next_due == MONDAY_0829 + HELD_FOR
    assert MONDAY_0829 + SECOND < (prepared.next_due or MONDAY_1000) <= MONDAY_0830
    assert (over.next_due, over.more) == (None, False)


async def test_of_two_workers_that_sweep_at_once_one_asks_for_the_call(world: World, planned: Videoconference) -> None:
    first, second = await asyncio.gather(world.sweep(MONDAY_0829), world.sweep(MONDAY_0829))

    [work] = [*first.work, *second.work]
    assert isinstance(work, CallToStart)
    assert work.videoconference == planned.id


# Whose account


@pytest.mark.rule("CONF-26")
@pytest.mark.parametrize(
    ("linked", "starter"),
    [
        (("orlova", "klimova", "director"), "director"),
        (("orlova", "klimova"), "orlova"),
        (("klimova",), "klimova"),
    ],
    ids=["the chat administrator", "the lesson's substitute", "an administrator of the chat"],
)
async def test_the_call_is_started_with_the_account_of_the_first_who_has_a_working_link_and_ended_with_the_same(
    world: World, linked: tuple[str, ...], starter: str
) -> None:
    await a_planned_conference(world, linked=linked)

    await world.come_to(MONDAY_0900)
    accounts = [call.account for call in world.messenger.open]
    await put(world.storage.begin, links=[an_account_link("director")])
    await world.come_to(MONDAY_0915)

    assert accounts == [starter]
    assert world.messenger.open == []


@pytest.mark.rule("LINK-11")
async def test_a_broken_link_starts_no_call(world: World) -> None:
    await a_planned_conference(world, linked=("klimova",))
    await put(world.storage.begin, links=[an_account_link("director", broken=True)])

    await world.come_to(MONDAY_0830)

    assert [call.account for call in world.messenger.open] == ["klimova"]


@pytest.mark.rule("CONF-26")
async def test_while_nobody_can_start_it_a_conference_stays_scheduled_and_says_why(world: World) -> None:
    conference = await a_planned_conference(world, linked=())

    await world.come_to(MONDAY_0900)

    phase = (await world.conference(conference.id)).phase
    assert phase == Scheduled(MONDAY_0900 + LOOK_FOR_STARTER_EVERY, FailureReason.NO_LINKED_STARTER)
    assert world.messenger.asked == []


@pytest.mark.rule("CONF-26")
async def test_a_conference_starts_at_once_when_one_who_may_start_it_links(world: World) -> None:
    conference = await a_planned_conference(world, linked=())
    await world.come_to(MONDAY_0900)
    world.now += SECOND

    await link_klimova(world)
    await world.come_to(world.now)

    phase = (await world.conference(conference.id)).phase
    assert isinstance(phase, Active)
    assert phase.since == MONDAY_0900 + SECOND


@pytest.mark.rule("CONF-26")
async def test_a_conference_that_nobody_could_start_fails_with_that_reason_when_its_end_comes(world: World) -> None:
    conference = await a_planned_conference(world, linked=())

    await world.come_to(MONDAY_0915)

    assert (await world.conference(conference.id)).phase == Failed(MONDAY_0915, FailureReason.NO_LINKED_STARTER)


async def test_a_starter_whom_the_roster_brings_is_found_without_linking_again(world: World) -> None:
    conference = await a_planned_conference(world, linked=("head",))
    await world.come_to(MONDAY_0900)
    roster = a_roster(employees={"head": [PositionKind.ADMINISTRATION]})
    async with world.storage.begin(SCHEDULE) as uow:
        kept = await uow.rosters.get(conference.organization_id)
        kept.people |= roster.people
        await uow.rosters.save(kept)
        await uow.organizations.save(an_organization(chat_administrator="head"))

    await world.come_to(MONDAY_0900 + LOOK_FOR_STARTER_EVERY)

    assert [call.account for call in world.messenger.open] == ["head"]


# Refusals


REASONS = {
    Trouble.UNAVAILABLE: FailureReason.SFERUM_UNAVAILABLE,
    Trouble.RATE_LIMITED: FailureReason.SFERUM_UNAVAILABLE,
    Trouble.RELINK_NEEDED: FailureReason.NO_LINKED_STARTER,
    Trouble.HUMAN_CHECK_NEEDED: FailureReason.HUMAN_CHECK_NEEDED,
    **dict.fromkeys(
        (Trouble.REFUSED, Trouble.NO_PERMISSION, Trouble.CHAT_LOST, Trouble.CHAT_FULL, Trouble.MEMBER_REFUSED),
        FailureReason.SFERUM_REFUSED,
    ),
}


@pytest.mark.parametrize("trouble", Trouble)
async def test_a_conference_that_sferum_refuses_for_certain_is_put_off_with_the_reason_and_tried_again(
    world: World, planned: Videoconference, trouble: Trouble
) -> None:
    world.messenger.meet("start_call", refusal(trouble))

    await world.come_to(MONDAY_0829)
    refused = await world.conference(planned.id)
    await world.come_to(MONDAY_0829 + 2 * SECOND)
    tried_again = await world.conference(planned.id)

    assert refused.phase == Scheduled(MONDAY_0829 + 2 * SECOND, REASONS[trouble])
    assert tried_again.status is VideoconferenceStatus.STARTING
    assert len(world.messenger.calls) == 1


async def test_sferum_is_left_alone_for_as_long_as_it_wants(world: World, planned: Videoconference) -> None:
    world.messenger.meet("start_call", refusal(Trouble.RATE_LIMITED, pause=5 * MINUTE))

    await world.come_to(MONDAY_0829 + 5 * MINUTE - SECOND)
    asked = world.messenger.asked.count("start_call")
    await world.come_to(MONDAY_0829 + 5 * MINUTE)

    assert asked == 1
    assert (await world.conference(planned.id)).status is VideoconferenceStatus.ACTIVE


async def test_a_conference_that_is_refused_until_its_end_fails_with_the_reason_and_is_tried_ever_less_often(
    world: World, planned: Videoconference
) -> None:
    world.messenger.meet("start_call", *[refusal()] * 200)

    await world.come_to(MONDAY_1000)

    tries = world.messenger.asked.count("start_call")
    assert (await world.conference(planned.id)).phase == Failed(MONDAY_0915, FailureReason.SFERUM_REFUSED)
    assert 60 < tries < 110
    assert world.messenger.calls == []


# Lost answers


async def test_a_call_whose_answer_was_lost_is_found_in_sferum_and_adopted(
    world: World, planned: Videoconference
) -> None:
    world.messenger.meet("start_call", lost_answer(done=True))

    await world.come_to(MONDAY_0829)
    lost = await world.conference(planned.id)
    await world.come_to(MONDAY_0830)

    [call] = world.messenger.calls
    phase = (await world.conference(planned.id)).phase
    assert isinstance(lost.phase, Starting)
    assert lost.phase.link is None
    assert isinstance(phase, Active)
    assert (phase.since, phase.link) == (MONDAY_0830, call.link)


async def test_a_call_whose_answer_was_lost_and_that_is_not_there_is_asked_for_again(
    world: World, planned: Videoconference
) -> None:
    world.messenger.meet("start_call", lost_answer(done=False))

    await world.come_to(MONDAY_0830)

    [call] = world.messenger.calls
    phase = (await world.conference(planned.id)).phase
    assert isinstance(phase, Active)
    assert phase.link == call.link
    assert world.messenger.asked.index("open_calls") < len(world.messenger.asked) - 1
    assert world.messenger.asked.count("start_call") == 2


async def test_a_call_that_comes_while_it_is_still_looked_for_is_adopted(
    world: World, planned: Videoconference
) -> None:
    world.messenger.meet("start_call", lost_answer(done=False))

    await world.come_to(MONDAY_0829 + SECOND)
    world.messenger.do_what_was_late()
    await world.come_to(MONDAY_0830)

    [call] = world.messenger.calls
    phase = (await world.conference(planned.id)).phase
    assert isinstance(phase, Active)
    assert phase.link == call.link
    assert world.messenger.asked.count("start_call") == 1


@pytest.mark.parametrize("minutes", [0, 1, 9])
async def test_a_call_that_turns_up_after_it_was_given_up_is_ended_within_a_minute(
    world: World, planned: Videoconference, minutes: int
) -> None:
    world.messenger.meet("start_call", lost_answer(done=False))
    turns_up_at = MONDAY_0829 + 5 * SECOND + minutes * MINUTE

    await world.come_to(turns_up_at)
    world.messenger.do_what_was_late()
    await world.come_to(turns_up_at + MINUTE)

    [call] = world.messenger.open
    phase = (await world.conference(planned.id)).phase
    assert len(world.messenger.calls) == 2
    assert isinstance(phase, Starting | Active)
    assert phase.link == call.link


async def test_while_sferum_does_not_say_which_calls_are_open_no_second_one_is_asked_for(
    world: World, planned: Videoconference
) -> None:
    world.messenger.meet("start_call", lost_answer(done=True))
    world.messenger.meet("open_calls", *[refusal(Trouble.UNAVAILABLE)] * 5)

    await world.come_to(MONDAY_0829 + 4 * HELD_FOR)
    in_the_dark = await world.conference(planned.id)
    await world.come_to(MONDAY_0830 + MINUTE)

    [call] = world.messenger.calls
    phase = (await world.conference(planned.id)).phase
    assert in_the_dark.status is VideoconferenceStatus.STARTING
    assert isinstance(phase, Active)
    assert phase.link == call.link


async def test_a_call_that_is_still_being_asked_for_is_not_looked_for(world: World, planned: Videoconference) -> None:
    starts = [work for work in (await world.sweep(MONDAY_0829)).work if isinstance(work, CallToStart)]

    for second in range(1, 8):
        world.now = MONDAY_0829 + second * SECOND
        await world.use_cases.hold_calls(starts)
        assert (await world.sweep()).work == []
    await world.do(starts)
    await world.use_cases.hold_calls(starts)

    [call] = world.messenger.calls
    phase = (await world.conference(planned.id)).phase
    assert isinstance(phase, Starting)
    assert phase.link == call.link


async def test_a_worker_that_dies_before_it_asks_leaves_the_call_to_another(
    world: World, planned: Videoconference
) -> None:
    await world.sweep(MONDAY_0829)

    await world.come_to(MONDAY_0830)

    [call] = world.messenger.calls
    phase = (await world.conference(planned.id)).phase
    assert isinstance(phase, Active)
    assert phase.link == call.link


async def test_a_worker_that_dies_before_it_records_the_answer_leaves_a_call_that_another_adopts(
    world: World, planned: Videoconference
) -> None:
    world.messenger.meet("start_call", death(done=True))
    with pytest.raises(WorkerDied):
        await world.do((await world.sweep(MONDAY_0829)).work)

    await world.come_to(MONDAY_0830)

    [call] = world.messenger.calls
    phase = (await world.conference(planned.id)).phase
    assert isinstance(phase, Active)
    assert phase.link == call.link
    assert world.messenger.asked.count("start_call") == 1


async def test_a_worker_that_dies_while_it_asks_leaves_the_call_to_another(
    world: World, planned: Videoconference
) -> None:
    world.messenger.meet("start_call", death(done=False))
    with pytest.raises(WorkerDied):
        await world.do((await world.sweep(MONDAY_0829)).work)

    await world.come_to(MONDAY_0829 + 2 * HELD_FOR)

    [call] = world.messenger.calls
    phase = (await world.conference(planned.id)).phase
    assert isinstance(phase, Starting)
    assert phase.link == call.link


async def test_an_answer_that_comes_while_the_call_is_looked_for_makes_no_second_call(
    world: World, planned: Videoconference
) -> None:
    starts = (await world.sweep(MONDAY_0829)).work
    looks: list[Work] = []

    async def look_in_vain() -> None:
        looks.extend((await world.sweep(MONDAY_0829 + HELD_FOR)).work)
        await world.do(looks)

    world.messenger.meanwhile = look_in_vain
    await world.do(starts)
    given_up = await world.conference(planned.id)
    await world.come_to(MONDAY_0830)
    await world.do(looks)

    [call] = world.messenger.open
    assert [type(work) for work in looks] == [CallToFind]
    assert isinstance(given_up.phase, Starting)
    assert given_up.phase.link is None
    assert len(world.messenger.calls) == 2
    phase = (await world.conference(planned.id)).phase
    assert isinstance(phase, Active)
    assert phase.link == call.link


# Ends


async def test_a_conference_whose_end_passes_while_its_call_is_asked_for_fails_and_the_call_is_ended(
    world: World, planned: Videoconference
) -> None:
    asked = await world.sweep(MONDAY_0829)
    world.messenger.meanwhile = lambda: world.sweep(MONDAY_0915)

    await world.do(asked.work)
    begun = len(world.messenger.open)
    await world.come_to(MONDAY_0915 + MINUTE)

    assert begun == 1
    assert (await world.conference(planned.id)).phase == Failed(MONDAY_0915, FailureReason.SFERUM_UNAVAILABLE)
    assert world.messenger.open == []


async def test_a_refusal_that_comes_after_the_end_changes_nothing(world: World, planned: Videoconference) -> None:
    world.messenger.meet("start_call", refusal())
    asked = await world.sweep(MONDAY_0829)
    world.messenger.meanwhile = lambda: world.sweep(MONDAY_0915)

    await world.do(asked.work)

    after = await world.conference(planned.id)
    assert (after.phase, after.version) == (Failed(MONDAY_0915, FailureReason.SFERUM_UNAVAILABLE), 3)
    assert world.messenger.calls == []


@pytest.mark.rule("CONF-18")
async def test_a_worker_that_comes_to_ask_only_after_the_end_asks_for_nothing(
    world: World, planned: Videoconference
) -> None:
    asked = await world.sweep(MONDAY_0829)
    await world.sweep(MONDAY_0915)

    await world.do(asked.work)

    assert "start_call" not in world.messenger.asked


@pytest.mark.rule("CONF-18")
@pytest.mark.parametrize("at_once", [True, False])
async def test_a_call_that_two_workers_are_to_start_is_asked_for_once(
    world: World, planned: Videoconference, at_once: bool
) -> None:
    starts = (await world.sweep(MONDAY_0829)).work

    if at_once:
        await asyncio.gather(world.do(starts), world.do(starts))
    else:
        await world.do(starts)
        await world.do(starts)
    await world.come_to(MONDAY_0830)

    assert world.messenger.asked.count("start_call") == 1
    assert (await world.conference(planned.id)).status is VideoconferenceStatus.ACTIVE


async def test_a_call_that_sferum_does_not_end_is_ended_as_soon_as_it_does(
    world: World, planned: Videoconference
) -> None:
    world.messenger.meet("end_call", *[refusal(Trouble.UNAVAILABLE)] * 6)

    await world.come_to(MONDAY_0915 + MINUTE)
    still_open = len(world.messenger.open)
    await world.come_to(MONDAY_0915 + 10 * MINUTE)

    assert still_open == 1
    assert world.messenger.open == []
    assert world.messenger.asked.count("end_call") == 7


async def test_a_call_that_was_ended_although_the_answer_was_lost_is_ended_again_without_harm(
    world: World, planned: Videoconference
) -> None:
    world.messenger.meet("end_call", lost_answer(done=True))

    await world.come_to(MONDAY_0915 + 10 * MINUTE)

    swept = await world.sweep()
    assert world.messenger.open == []
    assert world.messenger.asked.count("end_call") == 2
    assert (swept.work, swept.next_due) == ([], None)


async def test_a_call_that_two_workers_end_at_once_is_over(world: World, planned: Videoconference) -> None:
    await world.come_to(MONDAY_0900)
    ends = (await world.sweep(MONDAY_0915)).work
    assert [type(work) for work in ends] == [CallToEnd]

    await asyncio.gather(world.do(ends), world.do(ends))

    swept = await world.sweep(MONDAY_1000)
    assert world.messenger.open == []
    assert (swept.work, swept.next_due) == ([], None)


# Whatever happens

mishaps = st.sampled_from([lost_answer(done=True), lost_answer(done=False), refusal(), refusal(Trouble.RATE_LIMITED)])
troubles = st.lists(mishaps, max_size=5)


@settings(max_examples=40)
@given(start=troubles, look=troubles, end=troubles, late=st.integers(0, 600), dead=st.booleans())
async def test_whatever_troubles_sferum_has_no_two_links_work_and_no_call_outlives_its_conference(
    start: list[Mishap], look: list[Mishap], end: list[Mishap], late: int, dead: bool
) -> None:
    world = World()
    conference = await a_planned_conference(world)
    world.messenger.meet("start_call", *start)
    world.messenger.meet("open_calls", *look)
    world.messenger.meet("end_call", *end)

    await world.come_to(MONDAY_0829 + late * SECOND)
    world.messenger.do_what_was_late()
    if dead:
        await world.sweep()
    await world.come_to(MONDAY_0900)
    phase = (await world.conference(conference.id)).phase
    working = [call.link for call in world.messenger.open]
    await world.come_to(MONDAY_0915 + WATCH_FOR_STRAYS)

    assert isinstance(phase, Active)
    assert working == [phase.link]
    assert (await world.conference(conference.id)).phase == Finished(phase.since, MONDAY_0915, FinishedBy.SCHEDULE)
    assert world.messenger.open == []


fates = st.sampled_from(["done", "done late", "forgotten"])
steps = st.lists(st.tuples(st.integers(0, 30), fates), max_size=8)


@settings(max_examples=40)
@given(start=troubles, look=troubles, steps=steps)
async def test_however_many_workers_die_or_dawdle_no_two_links_work_and_no_call_outlives_its_conference(
    start: list[Mishap], look: list[Mishap], steps: list[tuple[int, str]]
) -> None:
    world = World(MONDAY_0829)
    conference = await a_planned_conference(world)
    world.messenger.meet("start_call", *start)
    world.messenger.meet("open_calls", *look)

    late: list[Work] = []
    for seconds, fate in steps:
        work = (await world.sweep(world.now + seconds * SECOND)).work
        if fate == "done":
            await world.do([*work, *late])
            late = []
        elif fate == "done late":
            late += work
    await world.do(late)
    world.messenger.do_what_was_late()
    await world.come_to(MONDAY_0900)
    phase = (await world.conference(conference.id)).phase
    working = [call.link for call in world.messenger.open]
    await world.come_to(MONDAY_0915 + WATCH_FOR_STRAYS)

    assert isinstance(phase, Active)
    assert working == [phase.link]
    assert world.messenger.open == []
