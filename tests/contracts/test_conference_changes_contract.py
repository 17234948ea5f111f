"""What every storage promises of lessons' conferences, of their edits and joins, and of what their people follow."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from application.ports import Begin, ConcurrentChange
from domain.audit import ROSTER, SCHEDULE
from domain.chat import Chat, OtherChat
from domain.ids import VideoconferenceId
from domain.lesson import Lesson
from domain.participant import Capacity
from domain.videoconference import (
    Detail,
    Phase,
    Starting,
    TimeSlot,
    Videoconference,
    VideoconferenceType,
)
from tests.builders import (
    MONDAY_0800,
    MONDAY_0829,
    MONDAY_0830,
    MONDAY_0900,
    MONDAY_1000,
    OTHER_SCHOOL,
    a_call,
    a_chat,
    a_lesson,
    a_roster,
    a_videoconference,
    an_organization,
    group_of,
    participant,
    participants,
    put,
    state_of,
    subject_chat,
)
from tests.domain.phases import ACTIVE, PHASES

ONLINE_LESSON = VideoconferenceType.ONLINE_LESSON
EMPLOYEE, PUPIL = Capacity.EMPLOYEE, Capacity.PUPIL
ALGEBRA, CHESS = "8 К алгебра", "Шахматы"
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
FIRST, SECOND_LESSON, OF_CHESS = a_lesson("first"), a_lesson("second"), a_lesson("chess", group=CHESS)
OVER = {"finished", "failed"}


@pytest.fixture
async def chat(begin: Begin) -> Chat:
    """A chat of a school with two groups and three lessons."""
    chat = a_chat()
    roster = a_roster(
        people=["klimova"],
        employees={"gusev": []},
        pupils={"petrov": "8 К", "belov": "8 К"},
        groups={ALGEBRA: ["petrov", "belov"], CHESS: []},
        group_teachers={ALGEBRA: ["klimova", "gusev"]},
    )
    lessons = [FIRST, SECOND_LESSON, OF_CHESS]
    await put(begin, organization=an_organization(), roster=roster, lessons=lessons, chats=[chat])
    return chat


def of_lesson(chat: Chat, lesson: Lesson, phase: Phase | None = None) -> Videoconference:
    """An online lesson."""
    return a_videoconference(chat=chat, type=ONLINE_LESSON, lesson=lesson, phase=phase)


async def found_again(begin: Begin, id: VideoconferenceId) -> Videoconference:
    """The conference as it is kept."""
    async with begin(SCHEDULE) as uow:
        conference = await uow.videoconferences.find(id)
    assert conference is not None
    return conference


async def take_lesson(begin: Begin, id: VideoconferenceId, lesson: Lesson) -> None:
    """The conference becomes the lesson's."""
    async with begin(SCHEDULE) as uow:
        changed = await uow.videoconferences.find(id, lock=True)
        assert changed is not None
        changed.lesson_id = lesson.id
        await uow.videoconferences.save(changed)


# Round trip


@pytest.mark.parametrize("of_group", [True, False])
@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize("notice", [None, 5, 1])
@pytest.mark.parametrize("by_hand", [frozenset(), frozenset({Detail.START}), frozenset(Detail)], ids=len)
async def test_what_a_conference_follows_and_has_told_is_read_back_at_first_and_after_a_change(
    begin: Begin, chat: Chat, of_group: bool, frozen: bool, notice: int | None, by_hand: frozenset[Detail]
) -> None:
    conference, later = [a_videoconference(chat=chat, phase=ACTIVE) for _ in range(2)]
    for one in (conference, later):
        one.of_group, one.frozen, one.minutes_left_notice, one.set_by_hand = of_group, frozen, notice, by_hand
    await put(begin, conferences=[conference, a_videoconference(chat=chat)])
    first = await found_again(begin, conference.id)

    async with begin(SCHEDULE) as uow:
        changed = await uow.videoconferences.find(conference.id, lock=True)
        assert changed is not None
        changed.of_group, changed.frozen = not of_group, not frozen
        changed.minutes_left_notice, changed.set_by_hand = 1 if notice is None else None, frozenset({Detail.NAME})
        await uow.videoconferences.save(changed)

    assert state_of(first) == state_of(conference)
    assert state_of(await found_again(begin, conference.id)) == state_of(changed)


async def test_every_field_that_an_edit_may_change_is_kept(begin: Begin, chat: Chat) -> None:
    other = a_chat(OtherChat())
    conference = of_lesson(chat, FIRST)
    await put(begin, chats=[other], conferences=[conference])

    async with begin(SCHEDULE) as uow:
        changed = await uow.videoconferences.find(conference.id, lock=True)
        assert changed is not None
        changed.name, changed.chat_id, changed.lesson_id = "Итоги", other.id, SECOND_LESSON.id
        changed.slot = TimeSlot(MONDAY_0900, MONDAY_1000)
        changed.additions = frozenset({(participant("petrov"), PUPIL), (participant("gusev"), EMPLOYEE)})
        changed.removals = participants("belov", "klimova")
        await uow.videoconferences.save(changed)

    assert state_of(await found_again(begin, conference.id)) == state_of(changed)


@pytest.mark.rule("CONF-16")
async def test_a_lesson_that_has_an_online_lesson_is_not_given_to_another_by_an_edit(begin: Begin, chat: Chat) -> None:
    first, second = of_lesson(chat, FIRST), of_lesson(chat, SECOND_LESSON)
    await put(begin, conferences=[first, second])

    with pytest.raises(ConcurrentChange):
        await take_lesson(begin, second.id, FIRST)

    assert (await found_again(begin, second.id)).lesson_id == SECOND_LESSON.id


@pytest.mark.rule("CONF-16")
async def test_of_two_edits_that_take_one_lesson_at_once_one_is_kept(begin: Begin, chat: Chat) -> None:
    conferences = [of_lesson(chat, SECOND_LESSON), of_lesson(chat, OF_CHESS)]
    await put(begin, conferences=conferences)

    results = await asyncio.gather(
        *(take_lesson(begin, each.id, FIRST) for each in conferences), return_exceptions=True
    )

    assert sorted(type(result).__name__ for result in results) == ["ConcurrentChange", "NoneType"]


# Of lessons and groups


@pytest.mark.rule("CONF-22")
async def test_the_online_lessons_of_lessons_and_groups_that_have_not_ended_are_found(begin: Begin, chat: Chat) -> None:
    over = [of_lesson(chat, FIRST, PHASES[name]) for name in sorted(OVER)]
    deleted = of_lesson(chat, SECOND_LESSON)
    deleted.delete(at=MONDAY_0830)
    of_first, of_chess, of_none = of_lesson(chat, FIRST), of_lesson(chat, OF_CHESS), a_videoconference(chat=chat)
    await put(begin, conferences=[*over, deleted, of_first, of_chess, of_none])

    async with begin(SCHEDULE) as uow:
        lessons = await uow.videoconferences.unfinished_of_lessons([FIRST.id, SECOND_LESSON.id])
        all_lessons = await uow.videoconferences.unfinished_of_lessons([FIRST.id, SECOND_LESSON.id, OF_CHESS.id])
        no_lessons = await uow.videoconferences.unfinished_of_lessons([])
        algebra = await uow.videoconferences.unfinished_of_groups([group_of(ALGEBRA)])
        groups = await uow.videoconferences.unfinished_of_groups([group_of(ALGEBRA), group_of(CHESS)])
        no_groups = await uow.videoconferences.unfinished_of_groups([])

    assert [state_of(each) for each in lessons] == [state_of(of_first)]
    assert [state_of(each) for each in algebra] == [state_of(of_first)]
    assert {each.id for each in all_lessons} == {each.id for each in groups} == {of_first.id, of_chess.id}
    assert no_lessons == no_groups == []


@pytest.mark.rule("CONF-22")
@pytest.mark.parametrize("phase", PHASES)
async def test_an_online_lesson_is_unfinished_in_every_phase_but_the_last_two(
    begin: Begin, chat: Chat, phase: str
) -> None:
    conference = of_lesson(chat, FIRST, PHASES[phase])
    await put(begin, conferences=[conference])

    async with begin(SCHEDULE) as uow:
        of_lessons = await uow.videoconferences.unfinished_of_lessons([FIRST.id])
        of_groups = await uow.videoconferences.unfinished_of_groups([group_of(ALGEBRA)])

    expected = [] if phase in OVER else [conference.id]
    assert [each.id for each in of_lessons] == [each.id for each in of_groups] == expected


@pytest.mark.parametrize("by", ["lessons", "groups"])
async def test_the_unfinished_online_lessons_are_locked(begin: Begin, chat: Chat, by: str) -> None:
    conference = of_lesson(chat, FIRST)
    await put(begin, conferences=[conference])

    async def add_a_letter() -> None:
        async with begin(SCHEDULE) as uow:
            of_lessons, of_groups = (
                uow.videoconferences.unfinished_of_lessons,
                uow.videoconferences.unfinished_of_groups,
            )
            [found] = await (of_lessons([FIRST.id]) if by == "lessons" else of_groups([group_of(ALGEBRA)]))
            await asyncio.sleep(0)
            found.name += "!"
            await uow.videoconferences.save(found)

    await asyncio.gather(*(add_a_letter() for _ in range(4)))

    assert (await found_again(begin, conference.id)).name == "Совещание!!!!"


# Edits


@pytest.mark.rule("CONF-14")
async def test_the_fields_that_changed_since_a_version_are_told_as_clients_name_them(begin: Begin, chat: Chat) -> None:
    conference = of_lesson(chat, FIRST)
    conference.version = 0
    conference._changed("created")
    await put(begin, conferences=[conference])
    other = a_chat(OtherChat())
    await put(begin, chats=[other])

    async def change(version: int, **fields: object) -> None:
        async with begin(SCHEDULE) as uow:
            changed = await uow.videoconferences.find(conference.id, lock=True)
            assert changed is not None
            for name, value in fields.items():
                setattr(changed, name, value)
            changed.version = version
            await uow.videoconferences.save(changed)

    await change(2, name="Итоги")
    await change(3, slot=TimeSlot(MONDAY_0830, MONDAY_1000))
    await change(4, slot=TimeSlot(MONDAY_0829, MONDAY_1000), lesson_id=SECOND_LESSON.id)
    await change(5, chat_id=other.id, additions=frozenset({(participant("petrov"), PUPIL)}))
    await change(6, removals=participants("belov"))
    await change(7, phase=Starting(a_call().id, MONDAY_0830))

    async with begin(SCHEDULE) as uow:
        told = [await uow.videoconferences.changed_fields(conference.id, since=version) for version in range(1, 8)]
        of_nobody = await uow.videoconferences.changed_fields(VideoconferenceId(UUID(int=0)), since=0)
    assert told == [
        ("chat", "endsAt", "lesson", "name", "participants", "startsAt", "status"),
        ("chat", "endsAt", "lesson", "participants", "startsAt", "status"),
        ("chat", "lesson", "participants", "startsAt", "status"),
        ("chat", "participants", "status"),
        ("participants", "status"),
        ("status",),
        (),
    ]
    assert of_nobody == ()


# Joins


@pytest.mark.rule("CONF-24")
async def test_a_conference_was_joined_once_somebody_did_since_it_is_active(begin: Begin, chat: Chat) -> None:
    active, another = a_videoconference(chat=chat, phase=ACTIVE), a_videoconference(chat=chat, phase=ACTIVE)
    await put(begin, conferences=[active, another])

    async def joined(id: VideoconferenceId) -> bool:
        async with begin(SCHEDULE) as uow:
            return await uow.videoconferences.was_joined(id)

    async def join(*, at_seconds: int) -> None:
        async with begin(SCHEDULE) as uow:
            at = MONDAY_0830 + at_seconds * SECOND
            await uow.videoconferences.record_join(active.id, participant("petrov"), at=at)

    never = await joined(active.id)
    await join(at_seconds=-1)
    before_it_was_active = await joined(active.id)
    await join(at_seconds=0)
    await join(at_seconds=1)

    assert (never, before_it_was_active, await joined(active.id)) == (False, False, True)
    assert await joined(another.id) is False


@pytest.mark.rule("CONF-24")
@pytest.mark.parametrize(("phase", "answer"), [("scheduled", False), ("prepared", False), ("finished", True)])
async def test_only_one_that_is_or_was_active_was_joined(begin: Begin, chat: Chat, phase: str, answer: bool) -> None:
    conference = a_videoconference(chat=chat, phase=PHASES[phase])
    await put(begin, conferences=[conference])

    async with begin(SCHEDULE) as uow:
        await uow.videoconferences.record_join(conference.id, participant("petrov"), at=MONDAY_0900)
        joined = await uow.videoconferences.was_joined(conference.id)

    assert joined is answer


async def test_a_join_of_a_unit_of_work_that_is_undone_is_not_kept(begin: Begin, chat: Chat) -> None:
    conference = a_videoconference(chat=chat, phase=ACTIVE)
    await put(begin, conferences=[conference])

    async def join_in_vain() -> None:
        async with begin(SCHEDULE) as uow:
            await uow.videoconferences.record_join(conference.id, participant("petrov"), at=MONDAY_0900)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await join_in_vain()

    async with begin(SCHEDULE) as uow:
        assert not await uow.videoconferences.was_joined(conference.id)


# What people follow from


@pytest.mark.rule("CONF-16")
async def test_of_a_group_s_chats_the_oldest_is_found_that_is_there_and_open(begin: Begin, chat: Chat) -> None:
    chats = [a_chat(subject_chat(ALGEBRA), name=name) for name in ("в", "б", "а", "г")]
    chats[0].archived = True
    of_chess = a_chat(subject_chat(CHESS))
    for one in [*chats, of_chess]:
        await put(begin, chats=[one])
    async with begin(SCHEDULE) as uow:
        deleted = await uow.chats.find(chats[1].id, lock=True)
        assert deleted is not None
        deleted.delete(at=MONDAY_0800)
        await uow.chats.save_all([deleted])

    async with begin(SCHEDULE) as uow:
        of_algebra = await uow.chats.oldest_of_group(group_of(ALGEBRA))
        of_the_other = await uow.chats.oldest_of_group(group_of(CHESS))
        of_none = await uow.chats.oldest_of_group(group_of("ничья"))

    assert of_algebra is not None
    assert of_the_other is not None
    assert (state_of(of_algebra), of_the_other.id, of_none) == (state_of(chats[2]), of_chess.id, None)


async def test_a_deleted_chat_is_found_by_whoever_wants_deleted_ones_too(begin: Begin, chat: Chat) -> None:
    async with begin(SCHEDULE) as uow:
        gone = await uow.chats.find(chat.id, lock=True)
        assert gone is not None
        gone.kind = OtherChat()
        gone.delete(at=MONDAY_0800)
        await uow.chats.save_all([gone])

    async with begin(SCHEDULE) as uow:
        found = await uow.chats.find(chat.id, deleted=True)
        locked = await uow.chats.find(chat.id, lock=True, deleted=True)
        present = await uow.chats.find(chat.id)

    assert found is not None
    assert locked is not None
    assert (found.deleted, state_of(found), present) == (True, state_of(locked), None)


async def test_a_study_group_is_read_as_the_roster_has_it(begin: Begin, chat: Chat) -> None:
    other_roster = a_roster(organization=OTHER_SCHOOL, groups={ALGEBRA: []})
    await put(begin, organization=an_organization(school_id="other school"), roster=other_roster)

    async with begin(ROSTER) as uow:
        roster = await uow.rosters.get(an_organization().id)
        here = await uow.rosters.group(group_of(ALGEBRA))
        there = await uow.rosters.group(group_of(ALGEBRA, OTHER_SCHOOL))
        nowhere = await uow.rosters.group(group_of("ничья"))

    assert here == roster.groups[group_of(ALGEBRA)]
    assert here is not None
    assert here.teachers == (participant("klimova"), participant("gusev"))
    assert there == other_roster.groups[group_of(ALGEBRA, OTHER_SCHOOL)]
    assert nowhere is None
