"""In Postgres too, editors, the journal, the roster and the clock meet at one conference and none undoes another."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from cryptography.fernet import Fernet
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from application.calls import CallToStart
from application.chats import DeleteChat, UpdateChat
from application.clock import KeepTime, Swept
from application.online_lessons import CreateOnlineLesson
from application.organizations import SetChatAdministrator
from application.ports import Begin
from application.roster import ApplyRosterEvents, LessonCancelled, LessonSaved
from application.videoconferences import (
    CreateVideoconference,
    DeleteVideoconference,
    FinishVideoconference,
    StaleVideoconference,
    UpdateVideoconference,
)
from domain.audit import SCHEDULE
from domain.call import Asked, Call, Open
from domain.chat import Chat, ChatKind, OtherChat
from domain.chat_form import ChatEdit
from domain.errors import ProblemCode, Refused
from domain.ids import PersonId, VideoconferenceId
from domain.participant import PositionKind
from domain.roster import Roster
from domain.roster_events import GroupSaved, RosterEvent
from domain.videoconference import Active, Scheduled, Starting, TimeSlot, Videoconference, VideoconferenceType
from domain.videoconference_form import VideoconferenceEdit, VideoconferenceForm
from infrastructure.db.cipher import Cipher
from infrastructure.db.engine import create_engine
from infrastructure.db.unit_of_work import units_of_work
from infrastructure.settings import load_settings
from tests.application.school import SCHOOL_SYSTEM, SUPERADMINISTRATOR, fresh_keys
from tests.builders import (
    LINK,
    MONDAY_0800,
    MONDAY_0829,
    MONDAY_0830,
    MONDAY_0900,
    MONDAY_0915,
    MONDAY_1000,
    SCHOOL,
    a_call,
    a_chat,
    a_lesson,
    a_roster,
    a_videoconference,
    an_account_link,
    an_organization,
    class_chat,
    participant,
    put,
    subject_chat,
)

ROUNDS = 30
ALGEBRA = "8 К алгебра"
MINUTE = timedelta(minutes=1)
ONLINE_LESSON = VideoconferenceType.ONLINE_LESSON
RENAMED = VideoconferenceEdit(name="Иначе")


@dataclass
class Now:
    """The instant at the database."""

    at: datetime = MONDAY_0800

    async def read(self, connection: AsyncConnection) -> datetime:
        return self.at


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(load_settings(environment="development", database_url=database_url, database_connections=30))
    yield engine
    await engine.dispose()


@pytest.fixture
async def begin(engine: AsyncEngine, now: Now) -> Begin:
    """Units of work of a school whose director's account is linked."""
    begin = units_of_work(engine, Cipher(Fernet.generate_key().decode()), read_clock=now.read)
    organization = an_organization(chat_administrator="director")
    await put(begin, organization=organization, roster=the_roster(), links=[an_account_link("director")])
    return begin


def the_roster() -> Roster:
    """Two administrators, and a group of two pupils with its teacher."""
    return a_roster(
        employees={
            "director": [PositionKind.ADMINISTRATION],
            "head": [PositionKind.ADMINISTRATION],
            "klimova": [PositionKind.PEDAGOGICAL],
        },
        pupils={"petrov": "8 К", "belov": "8 К"},
        groups={ALGEBRA: ["petrov", "belov"]},
        group_teachers={ALGEBRA: ["klimova"]},
    )


@pytest.fixture
async def chats(begin: Begin) -> list[Chat]:
    """The group's chat and two others."""
    kinds: list[ChatKind] = [subject_chat(ALGEBRA), OtherChat(), OtherChat()]
    chats = [a_chat(kind, roster=the_roster(), chat_administrator="director") for kind in kinds]
    await put(begin, chats=chats)
    return chats


async def at_once(*requests: Awaitable[object]) -> list[object]:
    """Their answers, in order; a refusal is an answer, and anything else that is raised fails the test."""
    answers = await asyncio.gather(*requests, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException) and not isinstance(answer, Refused):
            raise answer
    return answers


def code_of(answer: object) -> ProblemCode | None:
    """For what a request was refused."""
    return answer.problems[0].code if isinstance(answer, Refused) else None


async def kept(begin: Begin, id: VideoconferenceId) -> Videoconference | None:
    """The conference, if it is there."""
    async with begin(SCHEDULE) as uow:
        return await uow.videoconferences.find(id)


async def working_calls(begin: Begin, conference: VideoconferenceId, swept: object) -> list[Call]:
    """Of the calls that a sweep asked for, those of the conference that are asked for or open."""
    assert isinstance(swept, Swept)
    asked = [work.call for work in swept.work if isinstance(work, CallToStart)]
    async with begin(SCHEDULE) as uow:
        calls = await uow.calls.find_all(asked)
    return [each for each in calls if each.videoconference_id == conference and isinstance(each.state, Asked | Open)]


async def tell(begin: Begin, *events: RosterEvent | LessonSaved | LessonCancelled) -> None:
    """The school system tells of the events."""
    await ApplyRosterEvents(begin, MINUTE)(SCHOOL_SYSTEM, fresh_keys(*events))


def in_turn(round: int, first: Awaitable[object], second: Awaitable[object]) -> list[Awaitable[object]]:
    """Either begins first every other time."""
    return [first, second] if round % 2 else [second, first]


@pytest.mark.rule("CONF-14")
async def test_of_editors_with_the_same_version_one_saves_and_the_others_are_told_that_theirs_is_stale(
    begin: Begin, chats: list[Chat]
) -> None:
    edit = UpdateVideoconference(begin, MINUTE)

    for _ in range(ROUNDS):
        conference = a_videoconference(chat=chats[0])
        await put(begin, conferences=[conference])

        answers = await at_once(
            *(
                edit(SUPERADMINISTRATOR, conference.id, VideoconferenceEdit(name=f"Имя {n}"), expected_version=1)
                for n in range(4)
            )
        )

        after = await kept(begin, conference.id)
        [winner] = [place for place, answer in enumerate(answers) if answer == conference.id]
        stale = StaleVideoconference(conference.id, ("name",))
        assert answers == [conference.id if place == winner else stale for place in range(4)]
        assert after is not None
        assert (after.name, after.version) == (f"Имя {winner}", 2)


@pytest.mark.rule("CONF-14")
async def test_who_edits_what_another_one_moves_to_another_chat_is_told_that_theirs_is_stale(
    begin: Begin, chats: list[Chat]
) -> None:
    edit = UpdateVideoconference(begin, MINUTE)

    for round in range(ROUNDS):
        conference = a_videoconference(chat=chats[0])
        await put(begin, conferences=[conference])
        moving = edit(SUPERADMINISTRATOR, conference.id, VideoconferenceEdit(), expected_version=1, chat_id=chats[1].id)
        renaming = edit(SUPERADMINISTRATOR, conference.id, RENAMED, expected_version=1)

        answers = await at_once(*in_turn(round, moving, renaming))

        assert conference.id in answers
        assert sum(isinstance(answer, StaleVideoconference) for answer in answers) == 1


@pytest.mark.rule("CONF-14")
async def test_conferences_that_change_places_never_stop_one_another_nor_the_roster(
    begin: Begin, chats: list[Chat]
) -> None:
    edit = UpdateVideoconference(begin, MINUTE)
    here, there = a_videoconference(chat=chats[1]), a_videoconference(chat=chats[2])
    await put(begin, conferences=[here, there])

    for round in range(ROUNDS):
        places = chats[1:] if round % 2 else chats[:0:-1]
        choose = SetChatAdministrator(begin)(
            SUPERADMINISTRATOR, SCHOOL, participant("head" if round % 2 else "director")
        )
        await at_once(
            *(
                edit(SUPERADMINISTRATOR, each.id, VideoconferenceEdit(), expected_version=round + 1, chat_id=place.id)
                for each, place in zip((here, there), places, strict=True)
            ),
            choose,
            UpdateChat(begin)(SUPERADMINISTRATOR, chats[1].id, ChatEdit(name=f"{round}"), expected_version=round),
        )

        for each, place in zip((here, there), places, strict=True):
            moved = await kept(begin, each.id)
            assert moved is not None
            assert moved.chat_id == place.id


@pytest.mark.rule("CONF-14", "CONF-17")
async def test_a_start_that_is_moved_while_it_begins_leaves_no_call_that_works(
    begin: Begin, chats: list[Chat], now: Now
) -> None:
    edit, keep_time = UpdateVideoconference(begin, MINUTE), KeepTime(begin)
    now.at = MONDAY_0829

    for round in range(ROUNDS):
        conference = a_videoconference(chat=chats[0])
        await put(begin, conferences=[conference])
        away = VideoconferenceEdit(starts_at=MONDAY_0900)
        editing = edit(SUPERADMINISTRATOR, conference.id, away, expected_version=1)

        answers = await at_once(*in_turn(round, editing, keep_time()))

        edited, swept = answers if round % 2 else answers[::-1]
        after = await kept(begin, conference.id)
        assert after is not None
        if edited == conference.id:
            assert after.phase == Scheduled(MONDAY_0900 - MINUTE)
            assert after.slot == TimeSlot(MONDAY_0900, MONDAY_0915)
            assert await working_calls(begin, conference.id, swept) == []
        else:
            assert edited == StaleVideoconference(conference.id, ("status",))
            assert isinstance(after.phase, Starting)
            assert after.slot == conference.slot


@pytest.mark.rule("CONF-15", "CONF-18")
async def test_a_conference_that_is_deleted_while_it_begins_leaves_no_call_that_works(
    begin: Begin, chats: list[Chat], now: Now
) -> None:
    delete, keep_time = DeleteVideoconference(begin), KeepTime(begin)
    now.at = MONDAY_0829

    for round in range(ROUNDS):
        conference = a_videoconference(chat=chats[0])
        await put(begin, conferences=[conference])

        answers = await at_once(*in_turn(round, delete(SUPERADMINISTRATOR, conference.id), keep_time()))

        swept = answers[1] if round % 2 else answers[0]
        assert await kept(begin, conference.id) is None
        assert await working_calls(begin, conference.id, swept) == []


@pytest.mark.rule("CONF-13", "CONF-14", "CONF-15")
async def test_editing_finishing_deleting_and_the_end_itself_meet_and_the_call_is_let_go_once(
    begin: Begin, chats: list[Chat], now: Now
) -> None:
    edit = UpdateVideoconference(begin, MINUTE)
    now.at = MONDAY_0915

    for _ in range(ROUNDS):
        conference = a_videoconference(chat=chats[0])
        call = a_call(conference, state=Open("call 1"))
        conference.phase = Active(MONDAY_0830, call.id, LINK)
        await put(begin, conferences=[conference], calls=[call])

        answers = await at_once(
            edit(SUPERADMINISTRATOR, conference.id, VideoconferenceEdit(ends_at=MONDAY_1000), expected_version=1),
            FinishVideoconference(begin)(SUPERADMINISTRATOR, conference.id),
            KeepTime(begin)(),
            DeleteVideoconference(begin)(SUPERADMINISTRATOR, conference.id),
        )

        async with begin(SCHEDULE) as uow:
            let_go = await uow.calls.get(call.id)
        assert await kept(begin, conference.id) is None
        assert not isinstance(let_go.state, Asked | Open)
        assert {code_of(answer) for answer in answers} <= {None, ProblemCode.NOT_FOUND, ProblemCode.WRONG_STATUS}


@pytest.mark.rule("CONF-16")
async def test_the_journal_asked_by_twenty_at_once_makes_one_conference(begin: Begin, chats: list[Chat]) -> None:
    make = CreateOnlineLesson(begin, MINUTE)

    for round in range(10):
        lesson = a_lesson(f"lesson {round}")
        await put(begin, lessons=[lesson])

        answers = await at_once(*(make(SUPERADMINISTRATOR, lesson.id) for _ in range(20)))

        async with begin(SCHEDULE) as uow:
            [only_one] = await uow.videoconferences.unfinished_of_lessons([lesson.id])
        assert answers == [only_one.id] * 20


@pytest.mark.rule("CONF-16")
async def test_the_journal_and_the_form_and_an_edit_for_one_lesson_at_once_make_one_conference(
    begin: Begin, chats: list[Chat]
) -> None:
    make, fill = CreateOnlineLesson(begin, MINUTE), CreateVideoconference(begin, MINUTE)
    edit = UpdateVideoconference(begin, MINUTE)

    for round in range(ROUNDS):
        lesson = a_lesson(f"lesson {round}")
        without = a_videoconference(chat=chats[1], type=ONLINE_LESSON)
        await put(begin, lessons=[lesson], conferences=[without])
        form = VideoconferenceForm(ONLINE_LESSON, lesson_id=lesson.id)
        takes = VideoconferenceEdit(lesson_id=lesson.id)

        answers = await at_once(
            make(SUPERADMINISTRATOR, lesson.id),
            fill(SUPERADMINISTRATOR, chats[0].id, form),
            edit(SUPERADMINISTRATOR, without.id, takes, expected_version=1, chat_id=chats[0].id),
            fill(SUPERADMINISTRATOR, chats[2].id, form),
            make(SUPERADMINISTRATOR, lesson.id),
        )

        async with begin(SCHEDULE) as uow:
            [only_one] = await uow.videoconferences.unfinished_of_lessons([lesson.id])
        codes = {code_of(answer) for answer in answers if isinstance(answer, Refused)}
        assert (answers[0], answers[4]) == (only_one.id, only_one.id)
        assert codes == {ProblemCode.LESSON_HAS_ONLINE_LESSON}


@pytest.mark.rule("CONF-16", "CHAT-15")
async def test_the_journal_makes_no_conference_in_a_chat_that_is_deleted_meanwhile(begin: Begin) -> None:
    make, delete = CreateOnlineLesson(begin, MINUTE), DeleteChat(begin)

    of_class = a_chat(class_chat("8 К"), roster=the_roster(), chat_administrator="director")
    await put(begin, chats=[of_class])

    for round in range(ROUNDS):
        lesson = a_lesson(f"lesson {round}")
        chat = a_chat(subject_chat(ALGEBRA), roster=the_roster(), chat_administrator="director")
        await put(begin, lessons=[lesson], chats=[chat])

        answers = await at_once(
            *in_turn(round, make(SUPERADMINISTRATOR, lesson.id), delete(SUPERADMINISTRATOR, chat.id))
        )

        async with begin(SCHEDULE) as uow:
            made = await uow.videoconferences.unfinished_of_lessons([lesson.id])
            present = await uow.chats.find(chat.id)
        assert [each.chat_id for each in made] == [of_class.id if present is None else chat.id]
        assert {code_of(answer) for answer in answers} <= {None, ProblemCode.CHAT_HAS_VIDEOCONFERENCES}
        for conference in made:
            await DeleteVideoconference(begin)(SUPERADMINISTRATOR, conference.id)
        if present is not None:
            await delete(SUPERADMINISTRATOR, chat.id)


@pytest.mark.rule("CONF-22")
async def test_a_lesson_that_moves_while_its_online_lesson_is_edited_and_begins_stops_nobody(
    begin: Begin, chats: list[Chat], now: Now
) -> None:
    now.at = MONDAY_0829
    edit, make = UpdateVideoconference(begin, MINUTE), CreateOnlineLesson(begin, MINUTE)

    for round in range(ROUNDS):
        lesson = a_lesson(f"lesson {round}")
        await put(begin, lessons=[lesson])
        id = await make(SUPERADMINISTRATOR, lesson.id)

        await at_once(
            tell(begin, LessonSaved(lesson.school_id, ALGEBRA, MONDAY_0900, MONDAY_1000)),
            edit(SUPERADMINISTRATOR, id, RENAMED, expected_version=1, chat_id=chats[1].id),
            KeepTime(begin)(),
            tell(begin, GroupSaved(ALGEBRA, ALGEBRA, "Алгебра", frozenset({PersonId("petrov")}), ())),
        )

        moved = await kept(begin, id)
        assert moved is not None
        assert (moved.slot, moved.phase) == (TimeSlot(MONDAY_0900, MONDAY_1000), Scheduled(MONDAY_0900 - MINUTE))


@pytest.mark.rule("CONF-22")
async def test_of_a_cancelled_lesson_no_online_lesson_remains_whoever_makes_or_edits_it_meanwhile(
    begin: Begin, chats: list[Chat]
) -> None:
    make = CreateOnlineLesson(begin, MINUTE)

    for round in range(ROUNDS):
        lesson = a_lesson(f"lesson {round}")
        await put(begin, lessons=[lesson])

        answers = await at_once(
            *in_turn(round, make(SUPERADMINISTRATOR, lesson.id), tell(begin, LessonCancelled(lesson.school_id)))
        )

        async with begin(SCHEDULE) as uow:
            assert await uow.videoconferences.unfinished_of_lessons([lesson.id]) == []
        assert {code_of(answer) for answer in answers} <= {None, ProblemCode.LESSON_OVER}
