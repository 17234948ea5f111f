"""In Postgres too, whoever comes at the same time comes before or after: nobody is left out, nothing is done twice."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from datetime import timedelta

import pytest
from cryptography.fernet import Fernet

from application.chats import CreateChat, DeleteChat, StaleChat, UpdateChat
from application.organizations import SetChatAdministrator
from application.ports import Begin
from application.roster import ApplyRosterEvents
from application.videoconferences import CreateVideoconference
from domain.audit import SCHEDULE
from domain.chat import Chat, ChatKind, ChatType, OtherChat
from domain.chat_form import ChatEdit, NewChat
from domain.errors import ProblemCode, Refused
from domain.ids import ChatId, PersonId
from domain.participant import Capacity, PositionKind
from domain.roster import Roster
from domain.roster_events import ClassClosed, GroupSaved, PupilEnrolled, PupilExpelled, RosterEvent
from domain.videoconference import VideoconferenceType
from domain.videoconference_form import VideoconferenceForm
from infrastructure.db.cipher import Cipher
from infrastructure.db.engine import create_engine
from infrastructure.db.unit_of_work import units_of_work
from infrastructure.settings import load_settings
from tests.application.school import SCHOOL_SYSTEM, SUPERADMINISTRATOR, fresh_keys
from tests.builders import (
    SCHOOL,
    a_chat,
    a_roster,
    an_account_link,
    an_organization,
    class_chat,
    group_of,
    parents_chat,
    participant,
    participants,
    put,
    subject_chat,
)

PEOPLE = ("director", "head", "klimova", "petrov", "belov", "petrova")
LESSONS = NewChat("Алгебра 8 К", ChatType.SUBJECT, group_of("8 К алгебра"))
CLUB = NewChat("Кружок", ChatType.OTHER)


@pytest.fixture
async def begin(database_url: str) -> AsyncIterator[Begin]:
    """Units of work of a school where everybody has linked their accounts."""
    engine = create_engine(load_settings(environment="development", database_url=database_url, database_connections=20))
    begin = units_of_work(engine, Cipher(Fernet.generate_key().decode()))
    organization = an_organization(chat_administrator="director")
    await put(begin, organization=organization, roster=the_roster(), links=[an_account_link(one) for one in PEOPLE])
    yield begin
    await engine.dispose()


def the_roster() -> Roster:
    """Two administrators, and a class with its teacher, two pupils and a mother; the group has one of the pupils."""
    return a_roster(
        employees={
            "director": [PositionKind.ADMINISTRATION],
            "head": [PositionKind.ADMINISTRATION],
            "klimova": [PositionKind.PEDAGOGICAL],
        },
        class_teachers={"8 К": "klimova"},
        pupils={"petrov": "8 К", "belov": "8 К"},
        parents={"petrova": ["petrov"]},
        groups={"8 К алгебра": ["petrov"]},
        group_teachers={"8 К алгебра": ["klimova"]},
    )


async def open_chats(begin: Begin, *kinds: ChatKind) -> list[Chat]:
    """Chats of those kinds."""
    chats = [a_chat(kind, roster=the_roster(), chat_administrator="director") for kind in kinds]
    await put(begin, chats=chats)
    return chats


async def present(begin: Begin, id: ChatId) -> Chat | None:
    """The chat as it is kept."""
    async with begin(SCHEDULE) as uow:
        return await uow.chats.find(id)


async def all_chats(begin: Begin) -> list[Chat]:
    """All chats of the school."""
    async with begin(SCHEDULE) as uow:
        return await uow.chats.following(SCHOOL, None)


async def unfinished(begin: Begin, chats: Sequence[ChatId]) -> int:
    """The number of conferences of the chats that have not ended."""
    async with begin(SCHEDULE) as uow:
        return len(await uow.videoconferences.unfinished_of(chats))


async def a_call_soon(begin: Begin) -> VideoconferenceForm:
    """A video call of an hour from now."""
    async with begin(SCHEDULE) as uow:
        start = await uow.now() + timedelta(hours=1)
    return VideoconferenceForm(
        VideoconferenceType.VIDEO_CALL, "Совещание", starts_at=start, ends_at=start + timedelta(hours=1)
    )


async def tell(begin: Begin, *events: RosterEvent) -> None:
    """The school system tells of the events."""
    await ApplyRosterEvents(begin)(SCHOOL_SYSTEM, fresh_keys(*events))


def the_group_is(*pupils: str) -> GroupSaved:
    """The group's list."""
    people = frozenset(PersonId(pupil) for pupil in pupils)
    return GroupSaved("8 К алгебра", "8 К алгебра", "Алгебра", people, (PersonId("klimova"),))


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


@pytest.mark.rule("CHAT-14")
async def test_of_editors_with_the_same_version_one_saves_and_the_others_are_told_that_theirs_is_stale(
    begin: Begin,
) -> None:
    [club] = await open_chats(begin, OtherChat())
    edit = UpdateChat(begin)

    answers = await at_once(
        *(edit(SUPERADMINISTRATOR, club.id, ChatEdit(name=f"Имя {n}"), expected_version=0) for n in range(8))
    )

    [winner] = [place for place, answer in enumerate(answers) if answer == club.id]
    chat = await present(begin, club.id)
    assert answers == [club.id if place == winner else StaleChat(club.id, ("name",)) for place in range(8)]
    assert chat is not None
    assert (chat.name, chat.version) == (f"Имя {winner}", 1)


@pytest.mark.rule("CHAT-20")
@pytest.mark.rule("CHAT-30")
async def test_a_pupil_who_comes_into_the_group_while_its_chat_is_made_is_in_the_chat(begin: Begin) -> None:
    make, delete = CreateChat(begin), DeleteChat(begin)

    for round in range(30):
        await tell(begin, the_group_is("petrov"))
        making = make(SUPERADMINISTRATOR, SCHOOL, LESSONS)
        telling = tell(begin, the_group_is("petrov", "belov"))
        await at_once(*([making, telling] if round % 2 else [telling, making]))

        [chat] = await all_chats(begin)
        assert chat.memberships.keys() == participants("director", "klimova", "petrov", "belov")
        await delete(SUPERADMINISTRATOR, chat.id)


@pytest.mark.rule("CHAT-15")
async def test_a_conference_that_is_made_while_its_chat_is_deleted_is_never_left_in_a_deleted_chat(
    begin: Begin,
) -> None:
    chats = await open_chats(begin, *[OtherChat()] * 20)
    form = await a_call_soon(begin)

    for round, chat in enumerate(chats):
        making = CreateVideoconference(begin, timedelta(minutes=1))(SUPERADMINISTRATOR, chat.id, form)
        deleting = DeleteChat(begin)(SUPERADMINISTRATOR, chat.id)
        both = [making, deleting] if round % 2 else [deleting, making]
        answers = await at_once(*both)

        refusals = [code_of(answer) for answer in answers if isinstance(answer, Refused)]
        held = await unfinished(begin, [chat.id])
        if await present(begin, chat.id) is None:
            assert (held, refusals) == (0, [ProblemCode.NOT_FOUND])
        else:
            assert (held, refusals) == (1, [ProblemCode.CHAT_HAS_VIDEOCONFERENCES])


async def test_the_same_creation_twenty_times_at_once_under_one_key_makes_one_chat(begin: Begin) -> None:
    make = CreateChat(begin)

    answers = await at_once(*(make(SUPERADMINISTRATOR, SCHOOL, CLUB, idempotency_key="key") for _ in range(20)))

    assert [chat.id for chat in await all_chats(begin)] == list(set(answers))


@pytest.mark.rule("CHAT-24")
async def test_no_scheduled_conference_remains_in_a_chat_whose_class_is_closed_meanwhile(begin: Begin) -> None:
    [of_class, of_parents] = await open_chats(begin, class_chat("8 К"), parents_chat("8 К"))
    form = await a_call_soon(begin)
    make = CreateVideoconference(begin, timedelta(minutes=1))

    answers = await at_once(
        *(make(SUPERADMINISTRATOR, of_class.id, form) for _ in range(4)),
        tell(begin, ClassClosed("8 К")),
        *(make(SUPERADMINISTRATOR, of_parents.id, form) for _ in range(4)),
    )

    archived = [chat.id for chat in await all_chats(begin) if chat.archived]
    assert set(archived) == {of_class.id, of_parents.id}
    assert await unfinished(begin, archived) == 0
    assert {code_of(answer) for answer in answers} <= {None, ProblemCode.CHAT_ARCHIVED}


@pytest.mark.rule("CHAT-14")
async def test_edits_of_a_chat_while_conferences_are_made_in_it_and_the_roster_changes_never_stop_one_another(
    begin: Begin,
) -> None:
    [of_group] = await open_chats(begin, subject_chat("8 К алгебра"))
    form = await a_call_soon(begin)
    make, edit = CreateVideoconference(begin, timedelta(minutes=1)), UpdateChat(begin)

    for round in range(10):
        name = ChatEdit(name=f"Алгебра {round}")
        await at_once(
            make(SUPERADMINISTRATOR, of_group.id, form),
            edit(SUPERADMINISTRATOR, of_group.id, name, expected_version=round),
            tell(begin, the_group_is("petrov", "belov") if round % 2 else the_group_is("petrov")),
            make(SUPERADMINISTRATOR, of_group.id, form),
        )

    chat = await present(begin, of_group.id)
    assert chat is not None
    assert (chat.name, chat.version) == ("Алгебра 9", 10)
    assert chat.memberships.keys() == participants("director", "klimova", "petrov", "belov")
    assert await unfinished(begin, [of_group.id]) == 20


@pytest.mark.rule("CHAT-31")
async def test_a_removal_by_hand_that_meets_a_change_of_the_roster_is_kept(begin: Begin) -> None:
    [of_class] = await open_chats(begin, class_chat("8 К"))
    edit = UpdateChat(begin)(
        SUPERADMINISTRATOR, of_class.id, ChatEdit(remove=(participant("petrov"),)), expected_version=0
    )

    await at_once(edit, tell(begin, PupilExpelled(PersonId("belov"))))

    chat = await present(begin, of_class.id)
    assert chat is not None
    assert chat.memberships.keys() == participants("director", "klimova")
    assert chat.by_hand.exclusions == participants("petrov")


@pytest.mark.rule("CHAT-32")
async def test_a_pupil_who_is_expelled_while_somebody_adds_them_by_hand_is_not_left_in_the_chat(begin: Begin) -> None:
    chats = await open_chats(begin, *[OtherChat()] * 10)
    add = ChatEdit(add=((participant("petrov"), Capacity.PUPIL),))

    for round, chat in enumerate(chats):
        await tell(begin, PupilEnrolled(PersonId("petrov"), "8 К"))
        adding = UpdateChat(begin)(SUPERADMINISTRATOR, chat.id, add, expected_version=0)
        expelling = tell(begin, PupilExpelled(PersonId("petrov")))
        answers = await at_once(*([adding, expelling] if round % 2 else [expelling, adding]))

        kept = await present(begin, chat.id)
        assert kept is not None
        assert kept.memberships.keys() == participants("director")
        assert {code_of(answer) for answer in answers} <= {None, ProblemCode.CAPACITY_NOT_ALLOWED}


@pytest.mark.rule("RIGHT-03")
async def test_a_chat_that_is_made_while_the_chat_administrator_changes_has_the_new_one(begin: Begin) -> None:
    choose, make = SetChatAdministrator(begin), CreateChat(begin)

    for round in range(10):
        chosen = "head" if round % 2 else "director"
        choosing = choose(SUPERADMINISTRATOR, SCHOOL, participant(chosen))
        making = make(SUPERADMINISTRATOR, SCHOOL, CLUB)
        await at_once(*([choosing, making] if round % 3 else [making, choosing]))

        assert {chat.administrators for chat in await all_chats(begin)} == {participants(chosen)}
