"""What the school system tells becomes facts, all or nothing, each key once."""

import asyncio
from datetime import timedelta

import pytest

from application.roster import Applied, LessonCancelled, LessonSaved, Told
from domain.access import MetaRole, Viewer
from domain.audit import SCHEDULE
from domain.chat import TeachersChat
from domain.errors import Problem, ProblemCode
from domain.ids import PersonId
from domain.lesson import Lesson
from domain.participant import Name, PositionKind
from domain.roster_events import (
    ClassSaved,
    ClassTeacherSet,
    EmployeeHired,
    GroupSaved,
    ParentTied,
    PersonBlocked,
    PersonSaved,
    PupilEnrolled,
    PupilExpelled,
    PupilTransferred,
    RoleGranted,
    RosterEvent,
)
from tests.application.school import (
    SCHOOL_SYSTEM,
    SUPERADMINISTRATOR,
    found_school,
    fresh_keys,
    known,
    only,
    problems_of,
    tell,
)
from tests.builders import (
    MONDAY_0830,
    MONDAY_0915,
    OTHER_SCHOOL,
    SCHOOL,
    a_lesson,
    a_viewer,
    class_chat,
    participants,
)
from tests.domain.histories import facts_of
from tests.fakes.world import World

PETROV, KLIMOVA = PersonId("petrov"), PersonId("klimova")
A_DAY = timedelta(hours=24)
INSTANT = timedelta(microseconds=1)
ALGEBRA = GroupSaved("алгебра", "8 К алгебра", "Алгебра", frozenset({PETROV}), (KLIMOVA,))
LESSON = LessonSaved("lesson", "алгебра", MONDAY_0830, MONDAY_0915, KLIMOVA)


@pytest.fixture
async def world() -> World:
    """A school with a class, a pupil in it, and somebody who teaches there; a group of both."""
    world = World()
    await found_school(world)
    await tell(
        world,
        *known("petrov", "klimova", "petrova"),
        ClassSaved("8 К", "8 К"),
        PupilEnrolled(PETROV, "8 К"),
        EmployeeHired(KLIMOVA, (PositionKind.PEDAGOGICAL,)),
        ALGEBRA,
    )
    return world


async def facts(world: World) -> tuple[object, ...]:
    """All facts that are kept of the school."""
    async with world.storage.begin(SCHEDULE) as uow:
        return facts_of(await uow.rosters.get(SCHOOL))


async def lesson(world: World) -> Lesson | None:
    """The lesson as it is kept."""
    async with world.storage.begin(SCHEDULE) as uow:
        return await uow.lessons.find(a_lesson("lesson").id)


@pytest.mark.rule("ROSTER-01")
async def test_the_school_system_tells_what_happened_one_by_one_and_may_safely_repeat_it(world: World) -> None:
    events = fresh_keys(ClassSaved("9 А", "9 А"), PupilTransferred(PETROV, "9 А"), ClassTeacherSet("9 А", KLIMOVA))

    first = await world.use_cases.apply_roster_events(SCHOOL_SYSTEM, events)
    told, known_facts = list(world.storage.outbox), await facts(world)
    again = await world.use_cases.apply_roster_events(SCHOOL_SYSTEM, events)

    assert (first, again) == (Applied(3, 0), Applied(0, 3))
    assert (await world.chat(class_chat("9 А"))).memberships.keys() == participants("petrov", "klimova")
    assert (world.storage.outbox, await facts(world)) == (told, known_facts)


@pytest.mark.rule("ROSTER-01")
async def test_an_event_that_was_told_before_is_left_out_although_the_facts_have_changed_since(world: World) -> None:
    enrolled = fresh_keys(PupilEnrolled(PETROV, "8 К"))
    await world.use_cases.apply_roster_events(SCHOOL_SYSTEM, enrolled)
    await tell(world, PupilExpelled(PETROV))

    again = await world.use_cases.apply_roster_events(SCHOOL_SYSTEM, enrolled)

    assert again == Applied(0, 1)
    assert (await world.chat(class_chat("8 К"))).memberships == {}


async def test_new_events_are_applied_beside_those_that_were_told_before(world: World) -> None:
    [old] = fresh_keys(ClassSaved("9 А", "9 А"))
    await world.use_cases.apply_roster_events(SCHOOL_SYSTEM, [old])
    [new] = fresh_keys(PupilTransferred(PETROV, "9 А"))

    applied = await world.use_cases.apply_roster_events(SCHOOL_SYSTEM, [old, new])

    assert applied == Applied(1, 1)
    assert (await world.chat(class_chat("9 А"))).memberships.keys() == participants("petrov")


async def test_an_event_that_comes_twice_in_one_request_is_applied_once(world: World) -> None:
    [event] = fresh_keys(ClassSaved("9 А", "9 А"))

    applied = await world.use_cases.apply_roster_events(SCHOOL_SYSTEM, [event, event])

    assert applied == Applied(1, 1)


async def test_of_two_requests_at_once_with_the_same_events_one_applies_them(world: World) -> None:
    events = fresh_keys(ClassSaved("9 А", "9 А"), PupilTransferred(PETROV, "9 А"))
    apply = world.use_cases.apply_roster_events

    applied = await asyncio.gather(apply(SCHOOL_SYSTEM, events), apply(SCHOOL_SYSTEM, events))

    assert sorted(applied, key=lambda one: one.applied) == [Applied(0, 2), Applied(2, 0)]


async def test_keys_that_were_used_for_other_events_are_refused_all_at_once(world: World) -> None:
    events = [ClassSaved("9 А", "9 А"), ClassSaved("9 Б", "9 Б"), ClassSaved("9 В", "9 В")]
    told = fresh_keys(*events)
    await world.use_cases.apply_roster_events(SCHOOL_SYSTEM, told)
    changed = [Told(told[0].key, events[1]), told[1], Told(told[2].key, PupilExpelled(PETROV))]
    before = await facts(world)

    problems = await problems_of(world.use_cases.apply_roster_events(SCHOOL_SYSTEM, changed))

    reused = ProblemCode.IDEMPOTENCY_KEY_REUSED
    assert problems == (Problem(reused, ("events", "0", "key")), Problem(reused, ("events", "2", "key")))
    assert await facts(world) == before


async def test_one_key_for_two_events_of_a_request_is_refused(world: World) -> None:
    events = [Told("one key", ClassSaved("9 А", "9 А")), Told("one key", ClassSaved("9 Б", "9 Б"))]

    problems = await problems_of(world.use_cases.apply_roster_events(SCHOOL_SYSTEM, events))

    assert problems == only(ProblemCode.IDEMPOTENCY_KEY_REUSED, "events", "1", "key")


async def test_keys_are_remembered_for_a_day(world: World) -> None:
    saved, other = Told("key", ClassSaved("9 А", "9 А")), Told("key", ClassSaved("9 Б", "9 Б"))
    await world.use_cases.apply_roster_events(SCHOOL_SYSTEM, [saved])

    world.now += A_DAY
    within = await problems_of(world.use_cases.apply_roster_events(SCHOOL_SYSTEM, [other]))
    world.now += INSTANT
    afterwards = await world.use_cases.apply_roster_events(SCHOOL_SYSTEM, [other])

    assert within == only(ProblemCode.IDEMPOTENCY_KEY_REUSED, "events", "0", "key")
    assert afterwards == Applied(1, 0)


async def test_a_key_of_another_organization_is_another_key(world: World) -> None:
    await world.use_cases.found_organization(school_id="other school", name="Другая", time_zone="Europe/Moscow")
    other_system = a_viewer("other system", organization=OTHER_SCHOOL, roster_service=True)
    event = Told("key", ClassSaved("9 А", "9 А"))

    await world.use_cases.apply_roster_events(SCHOOL_SYSTEM, [event])
    applied = await world.use_cases.apply_roster_events(other_system, [event])

    assert applied == Applied(1, 0)
    assert [chat.name for chat in await world.chats(OTHER_SCHOOL) if chat.kind != TeachersChat()] != []


@pytest.mark.parametrize(
    ("impossible", "reason"),
    [
        (PupilEnrolled(PersonId("nobody"), "8 К"), "the person nobody is unknown: save them first"),
        (PupilEnrolled(PETROV, "9 А"), "the class 9 А is unknown: save it first"),
        (LessonCancelled("lesson"), "the lesson lesson is unknown: save it first"),
        (
            LessonSaved("lesson", "физика", MONDAY_0830, MONDAY_0915),
            "the group физика is unknown: save it first",
        ),
        (
            LessonSaved("lesson", "алгебра", MONDAY_0830, MONDAY_0830),
            "the lesson lesson ends before it starts",
        ),
        (
            LessonSaved("lesson", "алгебра", MONDAY_0830, MONDAY_0915, PersonId("nobody")),
            "the person nobody is unknown: save them first",
        ),
    ],
    ids=["person", "class", "lesson", "group", "times", "substitute"],
)
async def test_an_event_that_is_impossible_is_named_and_nothing_of_the_request_is_applied(
    world: World, impossible: RosterEvent | LessonSaved | LessonCancelled, reason: str
) -> None:
    events = fresh_keys(PersonBlocked(PETROV), ClassTeacherSet("8 К", KLIMOVA), impossible)
    before, told = await facts(world), list(world.storage.outbox)

    problems = await problems_of(world.use_cases.apply_roster_events(SCHOOL_SYSTEM, events))
    without_it = await world.use_cases.apply_roster_events(SCHOOL_SYSTEM, [])

    assert problems == only(ProblemCode.EVENT_IMPOSSIBLE, "events", "2", reason=reason)
    assert (await facts(world), world.storage.outbox) == (before, told)
    assert without_it == Applied(0, 0)


async def test_the_keys_of_a_refused_request_may_be_used_again(world: World) -> None:
    good, bad = fresh_keys(ClassTeacherSet("8 К", KLIMOVA), PupilEnrolled(PersonId("nobody"), "8 К"))
    await problems_of(world.use_cases.apply_roster_events(SCHOOL_SYSTEM, [good, bad]))

    applied = await world.use_cases.apply_roster_events(SCHOOL_SYSTEM, [good])

    assert applied == Applied(1, 0)
    assert (await world.chat(class_chat("8 К"))).administrators == participants("klimova")


async def test_an_impossible_event_keeps_its_place_although_others_are_left_out_before_it(world: World) -> None:
    [old] = fresh_keys(ClassTeacherSet("8 К", KLIMOVA))
    await world.use_cases.apply_roster_events(SCHOOL_SYSTEM, [old])
    [bad] = fresh_keys(PupilEnrolled(PersonId("nobody"), "8 К"))

    [problem] = await problems_of(world.use_cases.apply_roster_events(SCHOOL_SYSTEM, [old, bad]))

    assert problem.path == ("events", "1")


async def test_later_events_of_a_request_see_what_earlier_ones_changed(world: World) -> None:
    await tell(
        world,
        *known("belov", "belova"),
        ClassSaved("9 А", "9 А"),
        PupilEnrolled(PersonId("belov"), "9 А"),
        ParentTied(PersonId("belova"), PersonId("belov")),
        GroupSaved("физика", "9 А физика", "Физика", frozenset({PersonId("belov")}), (KLIMOVA,)),
        LessonSaved("lesson", "физика", MONDAY_0830, MONDAY_0915),
        LessonCancelled("lesson"),
    )

    found = await lesson(world)

    assert found == a_lesson("lesson", group="физика", cancelled=True)
    assert (await world.chat(class_chat("9 А"))).memberships.keys() == participants("belov")


async def test_a_lesson_is_stated_anew_and_a_cancelled_one_is_on_again(world: World) -> None:
    await tell(world, LESSON)
    first = await lesson(world)
    await tell(world, LessonCancelled("lesson"))
    cancelled = await lesson(world)
    await tell(world, LessonSaved("lesson", "алгебра", MONDAY_0830 + A_DAY, MONDAY_0915 + A_DAY))
    moved = await lesson(world)

    starts_at, ends_at = MONDAY_0830 + A_DAY, MONDAY_0915 + A_DAY
    assert first == a_lesson("lesson", group="алгебра", substitute="klimova")
    assert cancelled == a_lesson("lesson", group="алгебра", substitute="klimova", cancelled=True)
    assert moved == a_lesson("lesson", group="алгебра", starts_at=starts_at, ends_at=ends_at)


async def test_a_lesson_may_be_of_any_group_of_its_own_organization_only(world: World) -> None:
    await world.use_cases.found_organization(school_id="other school", name="Другая", time_zone="Europe/Moscow")
    other_system = a_viewer("other system", organization=OTHER_SCHOOL, roster_service=True)

    [problem] = await problems_of(world.use_cases.apply_roster_events(other_system, fresh_keys(LESSON)))

    assert problem.code is ProblemCode.EVENT_IMPOSSIBLE
    assert await lesson(world) is None


@pytest.mark.parametrize(
    "viewer",
    [
        SUPERADMINISTRATOR,
        a_viewer("head", meta_role=MetaRole.ORGANIZATION_ADMINISTRATOR),
        a_viewer("klimova"),
        a_viewer("school system", organization=None, roster_service=True),
    ],
    ids=["superadministrator", "administrator", "teacher", "a school system without a school"],
)
async def test_only_the_school_system_tells_of_its_school(world: World, viewer: Viewer) -> None:
    before = await facts(world)

    problems = await problems_of(world.use_cases.apply_roster_events(viewer, fresh_keys(PupilExpelled(PETROV))))

    assert problems == only(ProblemCode.FORBIDDEN)
    assert await facts(world) == before


async def test_a_school_that_is_not_founded_is_not_found() -> None:
    problems = await problems_of(World().use_cases.apply_roster_events(SCHOOL_SYSTEM, fresh_keys(*known("petrov"))))

    assert problems == only(ProblemCode.NOT_FOUND)


async def test_facts_that_no_chat_follows_change_no_chat(world: World) -> None:
    told = list(world.storage.outbox)

    await tell(world, *known("belov"), PersonBlocked(KLIMOVA), LESSON)

    assert world.storage.outbox == told


@pytest.mark.rule("ROSTER-01")
@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (PersonSaved(PersonId(" "), Name("Петров", "Пётр")), "the id of the person is empty"),
        (PersonSaved(PersonId("p"), Name("", "Пётр")), "the last name is empty"),
        (PersonSaved(PersonId("p"), Name("Петров", "П" * 101)), "the first name is longer than 100 characters"),
        (
            PersonSaved(PersonId("p" * 256), Name("Петров", "Пётр")),
            "the id of the person is longer than 255 characters",
        ),
        (PersonSaved(PersonId("p"), Name("Пет\u202eров", "Пётр")), "the last name holds characters that no text has"),
        (ClassSaved("8 К", "\u200b"), "the name is empty"),
        (RoleGranted(PersonId("petrov"), "\x07"), "the role holds characters that no text has"),
        (
            GroupSaved("алгебра", "8 К", "Алгебра", frozenset({PersonId("")}), ()),
            "the id among the pupils is empty",
        ),
    ],
)
async def test_a_text_that_cannot_be_used_is_named_in_the_refusal(
    world: World, event: RosterEvent, reason: str
) -> None:
    await found_school(world)

    problems = await problems_of(world.use_cases.apply_roster_events(SCHOOL_SYSTEM, [Told("k", event)]))

    assert problems == only(ProblemCode.EVENT_IMPOSSIBLE, "events", "0", reason=reason)


@pytest.mark.parametrize(("key", "code"), [("", ProblemCode.REQUIRED), ("k" * 65, ProblemCode.TOO_LONG)])
async def test_a_key_has_1_to_64_characters(world: World, key: str, code: ProblemCode) -> None:
    await found_school(world)
    event = PersonSaved(PersonId("p"), Name("Петров", "Пётр"))

    [problem] = await problems_of(world.use_cases.apply_roster_events(SCHOOL_SYSTEM, [Told(key, event)]))

    assert (problem.code, problem.path) == (code, ("events", "0", "key"))
