"""The rows of the view `taking_part` are the people whom the domain names, whatever the school and the chat."""

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest
from cryptography.fernet import Fernet
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.chat import ByHand, Chat, ChatKind, ClassChat, OtherChat, ParentsChat, SubjectChat, TeachersChat
from domain.grounds import grounds, is_closed
from domain.ids import ChatId, ParticipantId
from domain.lesson import Lesson
from domain.organization import Organization
from domain.participant import Capacity, Name, PositionKind
from domain.participation import Surroundings, named, participants
from domain.roster import Roster
from domain.roster_events import ClassSaved, EmployeeHired, GroupSaved, PersonSaved, RosterEvent
from domain.videoconference import Videoconference, VideoconferenceType
from infrastructure.db.cipher import Cipher
from infrastructure.db.engine import create_engine
from infrastructure.db.unit_of_work import units_of_work
from infrastructure.settings import load_settings
from tests.builders import MONDAY_0800, MONDAY_0830, MONDAY_0915, a_videoconference, an_organization, put
from tests.domain.histories import CLASSES, GROUPS, HEAD, PEOPLE, apply_if_possible, histories
from tests.domain.phases import FINISHED

KNOWN: Sequence[RosterEvent] = [
    *(PersonSaved(person, Name(person.capitalize(), "Саша")) for person in (HEAD, *PEOPLE)),
    *(ClassSaved(name, name) for name in CLASSES),
    *(GroupSaved(name, name, "Алгебра", frozenset(PEOPLE[:2]), PEOPLE[2:4]) for name in GROUPS),
    EmployeeHired(HEAD, (PositionKind.ADMINISTRATION,)),
    EmployeeHired(PEOPLE[2], (PositionKind.PEDAGOGICAL,)),
]


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(load_settings(environment="development", database_url=database_url))
    yield engine
    await engine.dispose()


def kinds_of(roster: Roster) -> list[ChatKind]:
    """Every kind of chat that the school may have."""
    classes = [kind(id) for id in roster.classes for kind in (ClassChat, ParentsChat)]
    return [TeachersChat(), OtherChat(), *classes, *(SubjectChat(id) for id in roster.groups)]


def a_chat_of(roster: Roster, administrator: ParticipantId | None, draw: st.DrawFn) -> Chat:
    """A chat in step with the roster and with what people did by hand."""
    people = st.sampled_from(list(roster.people))
    by_hand = ByHand(
        draw(st.frozensets(st.tuples(people, st.sampled_from(Capacity)), max_size=3)),
        draw(st.frozensets(people, max_size=2)),
    )
    kind = draw(st.sampled_from(kinds_of(roster)))
    chat = Chat(id=ChatId(uuid4()), organization_id=roster.organization_id, kind=kind, name="Чат", by_hand=by_hand)
    chat.archived = is_closed(kind, roster)
    chat.follow(grounds(kind, roster, administrator, by_hand), at=MONDAY_0800)
    return chat


def a_conference_of(chat: Chat, lesson: Lesson, roster: Roster, draw: st.DrawFn) -> Videoconference:
    """Any conference of the chat, with people as no form takes them."""
    people = st.sampled_from(list(roster.people))
    of_lesson = lesson if draw(st.booleans()) else None
    # A lesson has one online lesson that is not over.
    over = draw(st.booleans()) or of_lesson is not None
    conference = a_videoconference(chat=chat, lesson=of_lesson, phase=FINISHED if over else None)
    conference.type = draw(st.sampled_from(VideoconferenceType))
    conference.of_group = of_lesson is not None and draw(st.booleans())
    conference.frozen = draw(st.booleans())
    conference.additions = draw(st.frozensets(st.tuples(people, st.sampled_from(Capacity)), max_size=4))
    conference.removals = draw(st.frozensets(people, max_size=3))
    return conference


@dataclass
class School:
    """A school with a lesson, a chat, and conferences of both."""

    organization: Organization
    roster: Roster
    lesson: Lesson
    chat: Chat
    conferences: list[Videoconference]


@st.composite
def schools(draw: st.DrawFn) -> School:
    """A school of its own for each example, since one database serves them all."""
    organization = an_organization(school_id=str(uuid4()))
    roster = Roster(organization.id)
    for event in [*KNOWN, *draw(histories)]:
        apply_if_possible(roster, event)
    people = st.sampled_from(list(roster.people))
    organization.chat_administrator = draw(st.none() | people)
    group, substitute = draw(st.sampled_from(list(roster.groups))), draw(st.none() | people)
    lesson = Lesson(organization.id, "lesson", group, MONDAY_0830, MONDAY_0915, substitute)
    chat = a_chat_of(roster, organization.chat_administrator, draw)
    conferences = [a_conference_of(chat, lesson, roster, draw) for _ in range(4)]
    return School(organization, roster, lesson, chat, conferences)


def who_takes_part(conference: Videoconference, school: School) -> set[tuple[ParticipantId, Capacity]]:
    """By the domain's rule."""
    lesson = school.lesson if conference.lesson_id else None
    group = school.roster.groups[lesson.group_id] if lesson else None
    substitute = lesson.substitute if lesson else None
    administrator = school.organization.chat_administrator
    held = frozenset(
        (person, capacity)
        for person, capacity in named(conference, administrator, group, substitute)
        if school.roster.is_(capacity, person)
    )
    people = participants(conference, Surroundings(school.chat, administrator, group, substitute, held))
    return {(person, capacity) for person, kinds in people.items() for capacity in kinds}


@pytest.mark.rule("CONF-25")
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(school=schools())
async def test_the_view_names_whom_the_domain_names_and_as_what(engine: AsyncEngine, school: School) -> None:
    conferences = school.conferences
    await put(
        units_of_work(engine, Cipher(Fernet.generate_key().decode())),
        organization=school.organization,
        roster=school.roster,
        lessons=[school.lesson],
        chats=[school.chat],
        conferences=conferences,
    )

    found: defaultdict[UUID, list[tuple[ParticipantId, Capacity]]] = defaultdict(list)
    async with engine.connect() as connection:
        of_these = text("select * from taking_part where videoconference_id = any(:ids)")
        for row in await connection.execute(of_these, {"ids": [conference.id for conference in conferences]}):
            found[row.videoconference_id].append((row.participant_id, Capacity(row.capacity)))

    for conference in conferences:
        assert sorted(found[conference.id]) == sorted(who_takes_part(conference, school))
