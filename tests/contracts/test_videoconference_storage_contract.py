"""What every storage promises of videoconferences."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from itertools import groupby

import pytest

from application.ports import Begin, ConcurrentChange
from domain.audit import SCHEDULE
from domain.chat import Chat
from domain.ids import PersonId, VideoconferenceId
from domain.participant import Capacity
from domain.videoconference import FinishedBy, Phase, Scheduled, Videoconference, VideoconferenceType
from tests.builders import (
    MONDAY_0800,
    MONDAY_0830,
    MONDAY_0900,
    MONDAY_1000,
    OTHER_SCHOOL,
    SCHOOL,
    a_chat,
    a_lesson,
    a_roster,
    a_videoconference,
    an_organization,
    put,
    state_of,
)
from tests.contracts.conftest import Storage
from tests.domain.phases import ACTIVE, FAILED, FINISHED, NO_STARTER, PHASES, UNAVAILABLE

ONLINE_LESSON = VideoconferenceType.ONLINE_LESSON
MINUTE = timedelta(minutes=1)


@pytest.fixture
async def chat(begin: Begin) -> Chat:
    """A chat of a school where people, a group and a lesson are known."""
    chat = a_chat()
    roster = a_roster(people=["klimova", "petrov", "belov"], groups={"8 К алгебра": []})
    await put(begin, organization=an_organization(), roster=roster, lessons=[a_lesson()], chats=[chat])
    return chat


async def nothing() -> None:
    """Nothing happens."""


async def found(begin: Begin, id: VideoconferenceId) -> Videoconference:
    """The conference as it is kept."""
    async with begin(SCHEDULE) as uow:
        conference = await uow.videoconferences.find(id)
    assert conference is not None
    return conference


@pytest.mark.parametrize("phase", PHASES.values(), ids=PHASES.keys())
async def test_a_conference_is_read_back_in_every_phase(begin: Begin, chat: Chat, phase: Phase) -> None:
    conference = a_videoconference(
        chat=chat,
        type=ONLINE_LESSON,
        phase=phase,
        lesson=a_lesson(),
        made_by="klimova",
        added={"klimova": Capacity.EMPLOYEE, "petrov": Capacity.PUPIL},
        removed=["belov"],
    )

    await put(begin, conferences=[conference])

    assert state_of(await found(begin, conference.id)) == state_of(conference)


async def test_a_changed_conference_is_read_back_with_nothing_of_its_old_phase(begin: Begin, chat: Chat) -> None:
    conference = a_videoconference(chat=chat, phase=ACTIVE, added={"petrov": Capacity.PUPIL}, removed=["belov"])
    await put(begin, conferences=[conference])

    async with begin(SCHEDULE) as uow:
        changed = await uow.videoconferences.find(conference.id, lock=True)
        assert changed is not None
        changed.finish(at=MONDAY_0900, by=FinishedBy.USER)
        changed.name, changed.additions, changed.removals = "Итоги", frozenset(), frozenset()
        await uow.videoconferences.save(changed)

    assert state_of(await found(begin, conference.id)) == state_of(changed)


async def test_a_conference_may_be_saved_twice_in_one_unit_of_work(begin: Begin, chat: Chat) -> None:
    conference = a_videoconference(chat=chat)

    async with begin(SCHEDULE) as uow:
        await uow.videoconferences.save(conference)
        conference.name = "Итоги"
        await uow.videoconferences.save(conference)

    assert (await found(begin, conference.id)).name == "Итоги"


async def test_a_conference_that_somebody_saved_meanwhile_is_not_saved_over(begin: Begin, chat: Chat) -> None:
    conference = a_videoconference(chat=chat)
    await put(begin, conferences=[conference])

    async def rename(name: str, *, meanwhile: Callable[[], Awaitable[None]] = nothing) -> None:
        async with begin(SCHEDULE) as uow:
            loaded = await uow.videoconferences.find(conference.id)
            assert loaded is not None
            await meanwhile()
            loaded.name = name
            await uow.videoconferences.save(loaded)

    with pytest.raises(ConcurrentChange):
        await rename("Позже", meanwhile=lambda: rename("Раньше"))

    assert (await found(begin, conference.id)).name == "Раньше"


async def test_whoever_locks_a_conference_waits_for_who_has_locked_it(begin: Begin, chat: Chat) -> None:
    conference = a_videoconference(chat=chat)
    await put(begin, conferences=[conference])

    async def add_a_letter() -> None:
        async with begin(SCHEDULE) as uow:
            locked = await uow.videoconferences.find(conference.id, lock=True)
            assert locked is not None
            await asyncio.sleep(0)
            locked.name += "!"
            await uow.videoconferences.save(locked)

    await asyncio.gather(*(add_a_letter() for _ in range(4)))

    assert (await found(begin, conference.id)).name == "Совещание!!!!"


async def test_what_is_due_comes_with_the_longest_due_first(begin: Begin, chat: Chat) -> None:
    due_at = [MONDAY_0900, MONDAY_0800, MONDAY_0900 + MINUTE, MONDAY_0830]
    conferences = [due(chat, at) for at in due_at]
    over = [a_videoconference(chat=chat, phase=phase) for phase in (FINISHED, FAILED)]
    await put(begin, conferences=[*conferences, *over])

    async with begin(SCHEDULE) as uow:
        everything = await uow.videoconferences.due(MONDAY_0900, limit=10)
        two = await uow.videoconferences.due(MONDAY_0900, limit=2)
        others = await uow.videoconferences.due(MONDAY_0900, limit=2, leaving_out=two)

    assert everything == [conferences[place].id for place in (1, 3, 0)]
    assert (two, others) == (everything[:2], everything[2:])


async def test_what_is_due_is_told_apart_by_whether_it_is_still_scheduled(begin: Begin, chat: Chat) -> None:
    scheduled, active = due(chat, MONDAY_0800), a_videoconference(chat=chat, phase=ACTIVE)
    await put(begin, conferences=[scheduled, active])

    async with begin(SCHEDULE) as uow:
        found_due = [await uow.videoconferences.due(MONDAY_1000, limit=10, scheduled=is_so) for is_so in (True, False)]

    assert found_due == [[scheduled.id], [active.id]]


async def test_of_what_is_due_at_one_instant_the_conferences_of_an_organization_come_together(
    begin: Begin, chat: Chat
) -> None:
    other_chat = a_chat(organization=OTHER_SCHOOL)
    await put(begin, organization=an_organization(school_id="other school"), chats=[other_chat])
    conferences = [due(each, MONDAY_0800) for each in (chat, other_chat) * 6]
    await put(begin, conferences=conferences)

    async with begin(SCHEDULE) as uow:
        found_due = await uow.videoconferences.due(MONDAY_0900, limit=100)

    organizations = {conference.id: conference.organization_id for conference in conferences}
    assert len(list(groupby(organizations[id] for id in found_due))) == 2


async def test_what_somebody_else_has_locked_is_left_out_of_what_is_due(begin: Begin, chat: Chat) -> None:
    first, second, third = [due(chat, MONDAY_0800 + minutes * MINUTE) for minutes in range(3)]
    await put(begin, conferences=[first, second, third])

    async with begin(SCHEDULE) as uow, begin(SCHEDULE) as another:
        mine = await uow.videoconferences.due(MONDAY_1000, limit=1)
        theirs = await another.videoconferences.due(MONDAY_1000, limit=10)
    async with begin(SCHEDULE) as uow:
        afterwards = await uow.videoconferences.due(MONDAY_1000, limit=10)

    assert mine == [first.id]
    assert theirs == [second.id, third.id]
    assert afterwards == [first.id, second.id, third.id]


async def test_the_next_due_instant_is_the_earliest_of_all(begin: Begin, chat: Chat) -> None:
    async with begin(SCHEDULE) as uow:
        assert await uow.videoconferences.next_due() is None
    await put(begin, conferences=[a_videoconference(chat=chat, phase=FINISHED)])
    async with begin(SCHEDULE) as uow:
        assert await uow.videoconferences.next_due() is None
    await put(begin, conferences=[due(chat, MONDAY_0900), due(chat, MONDAY_0830)])
    async with begin(SCHEDULE) as uow:
        assert await uow.videoconferences.next_due() == MONDAY_0830
        [first] = await uow.videoconferences.due(MONDAY_0830, limit=10)
        assert await uow.videoconferences.next_due(leaving_out=[first]) == MONDAY_0900


async def test_conferences_are_found_and_saved_together_each_as_by_itself(
    begin: Begin, storage: Storage, chat: Chat
) -> None:
    known = [a_videoconference(chat=chat, added={"petrov": Capacity.PUPIL}) for _ in range(3)]
    await put(begin, conferences=known)
    new = a_videoconference(chat=chat, removed=["belov"])
    before = len(await storage.audit())

    async with begin(SCHEDULE) as uow:
        kept = await uow.videoconferences.find_all([*(each.id for each in known), new.id], lock=True)
        for conference in kept:
            conference.delete(at=MONDAY_0830) if conference.id == known[0].id else conference.keep_time(at=MONDAY_1000)
        await uow.videoconferences.save_all([*kept, new])

    async with begin(SCHEDULE) as uow:
        found_ones = {
            each.id: each for each in await uow.videoconferences.find_all([each.id for each in (*known, new)])
        }
        assert await uow.videoconferences.find_all([]) == []
    assert found_ones.keys() == {known[1].id, known[2].id, new.id}
    assert [state_of(found_ones[each.id]) for each in (*kept, new) if each.id != known[0].id] == [
        state_of(each) for each in (*kept, new) if each.id != known[0].id
    ]
    assert len(await storage.audit()) - before == 4


async def test_of_several_none_is_saved_if_somebody_saved_one_meanwhile(begin: Begin, chat: Chat) -> None:
    first, second = a_videoconference(chat=chat), a_videoconference(chat=chat)
    await put(begin, conferences=[first, second])

    async def rename_both_too_late() -> None:
        async with begin(SCHEDULE) as uow:
            stale = await uow.videoconferences.find_all([first.id, second.id])
            async with begin(SCHEDULE) as another:
                [quicker] = await another.videoconferences.find_all([second.id], lock=True)
                quicker.name = "Педсовет"
                await another.videoconferences.save(quicker)
            for conference in stale:
                conference.name = "Линейка"
            await uow.videoconferences.save_all(stale)

    with pytest.raises(ConcurrentChange):
        await rename_both_too_late()

    assert [(await found(begin, each.id)).name for each in (first, second)] == ["Совещание", "Педсовет"]


async def test_only_those_put_off_for_want_of_a_starter_wait_for_one_who_is_known_there(
    begin: Begin, chat: Chat
) -> None:
    waiting = a_videoconference(chat=chat, phase=Scheduled(MONDAY_0900, NO_STARTER))
    troubled = a_videoconference(chat=chat, phase=Scheduled(MONDAY_0900, UNAVAILABLE))
    scheduled = a_videoconference(chat=chat)
    await put(begin, conferences=[waiting, troubled, scheduled])
    elsewhere = a_chat(organization=OTHER_SCHOOL)
    other_roster = a_roster(organization=OTHER_SCHOOL, people=["gusev"])
    there = a_videoconference(chat=elsewhere, phase=Scheduled(MONDAY_0900, NO_STARTER))
    other_school = an_organization(school_id="other school")
    await put(begin, organization=other_school, roster=other_roster, chats=[elsewhere], conferences=[there])

    async with begin(SCHEDULE) as uow:
        for_one_here = await uow.videoconferences.waiting_for_starter(PersonId("klimova"))
        for_one_there = await uow.videoconferences.waiting_for_starter(PersonId("gusev"))
        for_a_stranger = await uow.videoconferences.waiting_for_starter(PersonId("nobody"))

    assert [conference.id for conference in for_one_here] == [waiting.id]
    assert [conference.id for conference in for_one_there] == [there.id]
    assert for_a_stranger == []


@pytest.mark.parametrize("phase", PHASES.values(), ids=PHASES.keys())
async def test_a_lesson_has_its_online_lesson_until_that_is_over(begin: Begin, chat: Chat, phase: Phase) -> None:
    conference = a_videoconference(chat=chat, type=ONLINE_LESSON, lesson=a_lesson(), phase=phase)
    await put(begin, conferences=[conference])

    async with begin(SCHEDULE) as uow:
        of_lesson = await uow.videoconferences.of_lesson(a_lesson().id)
    over = phase in (FINISHED, FAILED)

    assert (None if of_lesson is None else of_lesson.id) == (None if over else conference.id)


async def test_a_lesson_never_has_two_online_lessons_that_are_not_over(begin: Begin, chat: Chat) -> None:
    first, second = [a_videoconference(chat=chat, type=ONLINE_LESSON, lesson=a_lesson()) for _ in range(2)]
    await put(begin, conferences=[first])

    with pytest.raises(ConcurrentChange):
        await put(begin, conferences=[second])
    async with begin(SCHEDULE) as uow:
        assert await uow.videoconferences.find(second.id) is None


async def test_of_two_online_lessons_made_for_a_lesson_at_once_one_is_kept(begin: Begin, chat: Chat) -> None:
    conferences = [a_videoconference(chat=chat, type=ONLINE_LESSON, lesson=a_lesson()) for _ in range(3)]

    results = await asyncio.gather(
        *(put(begin, conferences=[conference]) for conference in conferences), return_exceptions=True
    )

    assert sorted(type(result).__name__ for result in results) == ["ConcurrentChange", "ConcurrentChange", "NoneType"]


async def test_a_lesson_may_have_an_online_lesson_after_one_that_is_over(begin: Begin, chat: Chat) -> None:
    over = a_videoconference(chat=chat, type=ONLINE_LESSON, lesson=a_lesson(), phase=FINISHED)
    present = a_videoconference(chat=chat, type=ONLINE_LESSON, lesson=a_lesson())
    await put(begin, conferences=[over, present])

    async with begin(SCHEDULE) as uow:
        of_lesson = await uow.videoconferences.of_lesson(a_lesson().id)

    assert of_lesson is not None
    assert of_lesson.id == present.id


async def test_what_happened_to_a_conference_is_told_when_it_is_saved_and_only_once(
    storage: Storage, chat: Chat
) -> None:
    quiet, telling = a_videoconference(chat=chat), a_videoconference(chat=chat, phase=ACTIVE)

    telling.finish(at=MONDAY_0900, by=FinishedBy.USER)
    await put(storage.begin, conferences=[quiet, telling])

    assert await storage.told_of() == [telling.id]
    assert telling.events == []


async def test_a_conference_that_is_not_there_is_not_found(begin: Begin) -> None:
    async with begin(SCHEDULE) as uow:
        assert await uow.videoconferences.find(VideoconferenceId(SCHOOL)) is None


def due(chat: Chat, at: datetime) -> Videoconference:
    """A conference that begins to be prepared at that instant."""
    return a_videoconference(chat=chat, start=at + MINUTE, end=at + 45 * MINUTE)


@pytest.mark.rule("CHAT-15")
async def test_the_conferences_of_chats_that_have_not_ended_are_found(begin: Begin, chat: Chat) -> None:
    other, third = a_chat(), a_chat()
    of_each_phase = {name: a_videoconference(chat=chat, phase=phase) for name, phase in PHASES.items()}
    of_other, of_third, deleted = (a_videoconference(chat=of) for of in (other, third, chat))
    deleted.delete(at=MONDAY_0830)
    await put(begin, chats=[other, third])
    await put(begin, conferences=[*of_each_phase.values(), of_other, of_third, deleted])

    async with begin(SCHEDULE) as uow:
        of_both = await uow.videoconferences.unfinished_of([chat.id, other.id])
        of_one = await uow.videoconferences.unfinished_of([third.id])
        of_none = await uow.videoconferences.unfinished_of([])

    unfinished = {one.id for name, one in of_each_phase.items() if name not in {"finished", "failed"}}
    assert {conference.id for conference in of_both} == unfinished | {of_other.id}
    assert [state_of(conference) for conference in of_one] == [state_of(of_third)]
    assert of_none == []


async def test_the_unfinished_conferences_of_a_chat_are_locked(begin: Begin, chat: Chat) -> None:
    conference = a_videoconference(chat=chat)
    await put(begin, conferences=[conference])

    async def add_a_letter() -> None:
        async with begin(SCHEDULE) as uow:
            [kept] = await uow.videoconferences.unfinished_of([chat.id])
            await asyncio.sleep(0)
            kept.name += "!"
            await uow.videoconferences.save(kept)

    await asyncio.gather(*(add_a_letter() for _ in range(4)))

    assert (await found(begin, conference.id)).name == "Совещание!!!!"


@pytest.mark.rule("CONF-15")
async def test_a_deleted_conference_is_not_found_and_never_due(begin: Begin, chat: Chat) -> None:
    conference = a_videoconference(chat=chat, type=ONLINE_LESSON, lesson=a_lesson())
    put_off = a_videoconference(chat=chat, phase=Scheduled(MONDAY_0830, NO_STARTER))
    await put(begin, conferences=[conference, put_off])

    async with begin(SCHEDULE) as uow:
        for id in (conference.id, put_off.id):
            kept = await uow.videoconferences.find(id, lock=True)
            assert kept is not None
            kept.delete(at=MONDAY_0830)
            await uow.videoconferences.save(kept)

    async with begin(SCHEDULE) as uow:
        assert await uow.videoconferences.find(conference.id) is None
        assert await uow.videoconferences.find(conference.id, lock=True) is None
        assert await uow.videoconferences.due(MONDAY_1000, limit=10) == []
        assert await uow.videoconferences.next_due() is None
        assert await uow.videoconferences.of_lesson(a_lesson().id) is None
        assert await uow.videoconferences.unfinished_of([chat.id]) == []
        assert await uow.videoconferences.waiting_for_starter(PersonId("klimova")) == []
