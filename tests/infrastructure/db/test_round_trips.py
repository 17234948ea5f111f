"""Whatever an aggregate can be is read back from Postgres as it was saved."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from cryptography.fernet import Fernet
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from application.ports import Begin
from domain.account_link import AccountLink, EducationProfile, LinkAttempt, Tokens
from domain.audit import SCHEDULE
from domain.call import Asked, Call, Ended, Ending, GivenUp, Open
from domain.chat import Chat, Ground, GroundKind, Membership
from domain.ids import CallId, ChatId, PersonId, VideoconferenceId
from domain.lesson import Lesson
from domain.organization import Organization
from domain.participant import Capacity, Name
from domain.roster import Roster
from domain.roster_events import ClassSaved, GroupSaved, PersonSaved, RosterEvent
from domain.videoconference import (
    NOTICES,
    Active,
    Detail,
    Failed,
    FailureReason,
    Finished,
    FinishedBy,
    Scheduled,
    Starting,
    TimeSlot,
    Videoconference,
    VideoconferenceType,
)
from infrastructure.db.cipher import Cipher
from infrastructure.db.engine import create_engine
from infrastructure.db.unit_of_work import units_of_work
from infrastructure.settings import load_settings
from tests.builders import SCHOOL, a_chat, a_lesson, a_videoconference, an_organization, group_of, put, state_of
from tests.domain.histories import (
    CLASSES,
    GROUPS,
    KINDS,
    PEOPLE,
    a_school_at_its_beginning,
    apply_if_possible,
    facts_of,
    histories,
)

few_examples = settings(
    max_examples=25,
    # One database serves all examples: each saves under ids of its own, or over what an earlier one left.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

EVERYBODY_IS_KNOWN: list[RosterEvent] = [
    *(PersonSaved(person, Name(person.capitalize(), "Саша")) for person in PEOPLE),
    *(ClassSaved(name, name) for name in CLASSES),
]
CHAT, LESSON = a_chat(), a_lesson(group=GROUPS[0])

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
instants = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
fresh = st.builds(uuid4).map(str)
numbers = st.integers(0, 1_000_000)
people = st.sampled_from(list(a_school_at_its_beginning().people))
slots = st.builds(
    lambda start, length: TimeSlot(start, start + length),
    instants,
    st.timedeltas(timedelta(microseconds=1), timedelta(hours=24)),
)

grounds = st.builds(Ground, st.sampled_from(GroundKind), st.sampled_from(Capacity), st.none() | people)
chats = st.builds(
    Chat,
    id=st.builds(uuid4).map(ChatId),
    organization_id=st.just(SCHOOL),
    kind=st.sampled_from(KINDS),
    name=texts,
    memberships=st.dictionaries(
        people, st.dictionaries(grounds, instants, min_size=1, max_size=3).map(Membership), max_size=4
    ),
    archived=st.booleans(),
    version=numbers,
    events=st.builds(list),
)

call_ids = st.builds(uuid4).map(CallId)
reasons = st.sampled_from(FailureReason)
# A lesson has one online lesson only, and one database serves all examples: those are left to the contract.
conferences = st.builds(
    Videoconference,
    id=st.builds(uuid4).map(VideoconferenceId),
    organization_id=st.just(SCHOOL),
    type=st.sampled_from(VideoconferenceType),
    name=texts,
    chat_id=st.just(CHAT.id),
    lesson_id=st.none() | st.just(LESSON.id),
    made_by=st.none() | people,
    slot=slots,
    phase=st.one_of(
        st.builds(Scheduled, instants, st.none() | reasons),
        st.builds(Starting, call_ids, instants, st.none() | texts),
        st.builds(Active, instants, call_ids, st.none() | texts, st.none() | instants),
        st.builds(Finished, instants, instants, st.sampled_from(FinishedBy)),
        st.builds(Failed, instants, reasons),
    ),
    additions=st.frozensets(st.tuples(people, st.sampled_from(Capacity)), max_size=4),
    removals=st.frozensets(people, max_size=4),
    of_group=st.booleans(),
    frozen=st.booleans(),
    set_by_hand=st.frozensets(st.sampled_from(Detail)),
    minutes_left_notice=st.none() | st.sampled_from(NOTICES),
    version=numbers,
    events=st.builds(list),
).filter(lambda conference: conference.lesson_id is None or conference.type is VideoconferenceType.VIDEO_CALL)

calls = st.builds(
    Call,
    id=call_ids,
    videoconference_id=st.builds(uuid4).map(VideoconferenceId),
    account=texts.map(PersonId),
    asked_at=instants,
    state=st.one_of(
        st.builds(Asked, st.booleans()),
        st.builds(Open, texts, st.none() | instants),
        st.builds(Ending, texts, instants, numbers),
        st.builds(GivenUp, instants, instants),
        st.builds(Ended, instants),
    ),
)

links = st.builds(
    AccountLink,
    person_id=fresh.map(PersonId),
    profile=st.builds(EducationProfile, fresh, texts),
    linked_at=instants,
    renewed_at=instants,
    tokens=st.none() | st.builds(Tokens, texts, texts, texts, instants),
    refresh_claimed_until=st.none() | instants,
    events=st.builds(list),
)

attempts = st.builds(
    LinkAttempt,
    id=fresh,
    state=fresh,
    verifier=texts,
    person_id=texts.map(PersonId),
    return_to=st.none() | texts,
    expires_at=instants,
    browser=st.none() | texts,
    used=st.booleans(),
)

lessons = st.builds(
    Lesson,
    organization_id=st.just(SCHOOL),
    school_id=st.just("lesson") | texts,
    group_id=st.sampled_from([group_of(name) for name in GROUPS]),
    starts_at=instants,
    ends_at=instants,
    substitute=st.none() | people,
    cancelled=st.booleans(),
)

organizations = st.builds(
    Organization,
    school_id=st.just("school") | texts,
    name=texts,
    time_zone=texts,
    chat_administrator=st.none() | people,
)


@pytest.fixture
async def begin(database_url: str) -> AsyncIterator[Begin]:
    """Begins units of work in a database that knows a school, its groups, a lesson and a chat."""
    engine = create_engine(load_settings(environment="development", database_url=database_url))
    begin = units_of_work(engine, Cipher(Fernet.generate_key().decode()))
    roster = a_school_at_its_beginning()
    for name in GROUPS:
        apply_if_possible(roster, GroupSaved(name, name, "Алгебра", frozenset(), ()))
    await put(begin, organization=an_organization(), roster=roster, lessons=[LESSON], chats=[CHAT])
    yield begin
    await engine.dispose()


@few_examples
@given(chat=chats, later=chats)
async def test_any_chat_is_read_back_whatever_it_was_before(begin: Begin, chat: Chat, later: Chat) -> None:
    await put(begin, chats=[chat])

    async with begin(SCHEDULE) as uow:
        first = await uow.chats.find(chat.id)
        assert first is not None
        assert state_of(first) == state_of(chat)
        change(first, later, "name", "memberships", "archived", "version")
        await uow.chats.save_all([first])
    async with begin(SCHEDULE) as uow:
        second = await uow.chats.find(chat.id)

    assert second is not None
    assert state_of(second) == state_of(first)


@few_examples
@given(conference=conferences, later=conferences)
async def test_any_conference_is_read_back_whatever_it_was_before(
    begin: Begin, conference: Videoconference, later: Videoconference
) -> None:
    await put(begin, conferences=[conference])

    async with begin(SCHEDULE) as uow:
        first = await uow.videoconferences.find(conference.id)
        assert first is not None
        assert state_of(first) == state_of(conference)
        change(first, later, *(set(state_of(later)) - {"id"}))
        await uow.videoconferences.save(first)
    async with begin(SCHEDULE) as uow:
        second = await uow.videoconferences.find(conference.id)

    assert second is not None
    assert state_of(second) == state_of(first)


@few_examples
@given(call=calls, later=calls)
async def test_any_call_is_read_back_whatever_it_was_before(begin: Begin, call: Call, later: Call) -> None:
    conference = a_videoconference(chat=CHAT)
    call.videoconference_id = conference.id
    await put(begin, conferences=[conference], calls=[call])

    async with begin(SCHEDULE) as uow:
        first = await uow.calls.get(call.id)
        assert state_of(first) == state_of(call)
        first.state = later.state
        await uow.calls.save(first)
    async with begin(SCHEDULE) as uow:
        second = await uow.calls.get(call.id)

    assert state_of(second) == state_of(first)


@few_examples
@given(link=links, later=links)
async def test_any_account_link_is_read_back_whatever_it_was_before(
    begin: Begin, link: AccountLink, later: AccountLink
) -> None:
    later.person_id = link.person_id
    await put(begin, links=[link])

    async with begin(SCHEDULE) as uow:
        first = await uow.account_links.find(link.person_id)
    await put(begin, links=[later])
    async with begin(SCHEDULE) as uow:
        second = await uow.account_links.find(link.person_id)

    assert first is not None
    assert second is not None
    assert [state_of(first), state_of(second)] == [state_of(link), state_of(later)]


@few_examples
@given(attempt=attempts)
async def test_any_attempt_to_link_is_read_back(begin: Begin, attempt: LinkAttempt) -> None:
    await put(begin, attempts=[attempt])

    async with begin(SCHEDULE) as uow:
        found = await uow.account_links.find_attempt(state=attempt.state)

    assert found is not None
    assert state_of(found) == state_of(attempt)


@few_examples
@given(lesson=lessons)
async def test_any_lesson_is_read_back(begin: Begin, lesson: Lesson) -> None:
    await put(begin, lessons=[lesson])

    async with begin(SCHEDULE) as uow:
        assert await uow.lessons.find(lesson.id) == lesson


@few_examples
@given(organization=organizations)
async def test_any_organization_is_read_back(begin: Begin, organization: Organization) -> None:
    await put(begin, organization=organization)

    async with begin(SCHEDULE) as uow:
        found = await uow.organizations.find(organization.id)

    assert found is not None
    assert state_of(found) == state_of(organization)


@few_examples
@given(history=histories, further=histories, school_id=fresh)
async def test_a_roster_is_read_back_after_any_history_and_any_further_one(
    begin: Begin, history: list[RosterEvent], further: list[RosterEvent], school_id: str
) -> None:
    organization = an_organization(school_id=school_id)
    roster = Roster(organization.id)

    for event in [*EVERYBODY_IS_KNOWN, *history]:
        apply_if_possible(roster, event)
    await put(begin, organization=organization, roster=roster)
    async with begin(SCHEDULE) as uow:
        first = await uow.rosters.get(organization.id)
        assert facts_of(first) == facts_of(roster)
        for event in further:
            apply_if_possible(first, event)
        await uow.rosters.save(first)
    async with begin(SCHEDULE) as uow:
        second = await uow.rosters.get(organization.id)

    assert facts_of(second) == facts_of(first)


def change(aggregate: object, later: object, *names: str) -> None:
    """The aggregate becomes in these fields what the later one is."""
    for name in names:
        setattr(aggregate, name, getattr(later, name))
