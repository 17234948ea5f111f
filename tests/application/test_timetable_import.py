"""A file's timetable is planned, and then applied as it was planned, all of it or nothing."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from application.timetable_import import Days, PlanChanged, TimeThere, TooManyCancelled
from domain.audit import SCHEDULE
from domain.errors import ProblemCode
from domain.ids import PersonId
from domain.lesson import Lesson
from domain.timetable import BadTimetable, Stated, Timetable, TimetablePlan, Where
from tests.application.school import problems_of
from tests.builders import (
    MONDAY_0800,
    MONDAY_0830,
    MONDAY_0900,
    MONDAY_0915,
    OTHER_SCHOOL,
    SCHOOL,
    a_lesson,
    a_roster,
    an_organization,
    put,
)
from tests.fakes.world import World

ALGEBRA, CHESS = "8 К алгебра", "Шахматы"
DAY = timedelta(days=1)
THE_FILES = Days()

rule = pytest.mark.rule("ROSTER-04")


@pytest.fixture
async def world() -> World:
    """A school with two groups, somebody who may stand in, and a lesson of each group on Monday."""
    world = World()
    roster = a_roster(people=["klimova"], groups={ALGEBRA: [], CHESS: []})
    lessons = [a_lesson("known"), a_lesson("chess", group=CHESS)]
    await put(world.storage.begin, organization=an_organization(), roster=roster, lessons=lessons)
    return world


def a_file(*keys: str, start: datetime = MONDAY_0830, group: str = ALGEBRA, substitute: str | None = None) -> Timetable:
    """Lessons with those ids, at the same time."""
    person = None if substitute is None else PersonId(substitute)
    end = start + (MONDAY_0915 - MONDAY_0830)
    return Timetable(tuple(Stated(key, (group,), start, end, Where(line), person) for line, key in enumerate(keys, 2)))


async def planned(world: World, file: Timetable, days: Days = THE_FILES) -> TimetablePlan:
    """What the file would change."""
    return await world.use_cases.plan_timetable_import(SCHOOL, file, days)


async def imported(world: World, file: Timetable, *, allow_removals: bool = False) -> TimetablePlan:
    """What the file changed."""
    plan = await planned(world, file)
    return await world.use_cases.apply_timetable_import(SCHOOL, file, THE_FILES, plan, allow_removals=allow_removals)


async def timetable(world: World) -> dict[str, Lesson]:
    """All lessons as they are kept, by their ids in the school system."""
    async with world.storage.begin(SCHEDULE) as uow:
        groups = (await uow.rosters.get(SCHOOL)).groups
        lessons = await uow.lessons.of_groups(list(groups), MONDAY_0800 - 1000 * DAY, MONDAY_0800 + 1000 * DAY)
    return {lesson.school_id: lesson for lesson in lessons}


@rule
async def test_a_plan_changes_nothing(world: World) -> None:
    before = await timetable(world)

    plan = await planned(world, a_file("new"))

    assert (len(plan.changes.added), len(plan.changes.cancelled)) == (1, 1)
    assert await timetable(world) == before


@rule
async def test_a_file_makes_the_timetable_of_its_groups_and_leaves_the_others(world: World) -> None:
    before = await timetable(world)

    await imported(world, a_file("new", start=MONDAY_0900, substitute="klimova"))

    assert await timetable(world) == {
        "known": a_lesson("known", cancelled=True),
        "new": a_lesson(
            "new", starts_at=MONDAY_0900, ends_at=MONDAY_0900 + (MONDAY_0915 - MONDAY_0830), substitute="klimova"
        ),
        "chess": before["chess"],
    }


@rule
async def test_a_lesson_that_the_school_system_told_of_is_the_lesson_of_that_id_in_the_file(world: World) -> None:
    plan = await imported(world, a_file("known", start=MONDAY_0900))

    assert [change.before for change in plan.changes.moved] == [a_lesson("known")]
    assert (await timetable(world))["known"].starts_at == MONDAY_0900


@rule
async def test_the_same_file_imported_twice_changes_nothing_the_second_time(world: World) -> None:
    file = a_file("known", "new", start=MONDAY_0900)
    await imported(world, file)
    before = await timetable(world)

    again = await imported(world, file)

    assert not again.changes
    assert again.unchanged == 2
    assert await timetable(world) == before


@rule
async def test_days_that_are_given_are_the_period_of_which_the_file_is_the_whole_timetable(world: World) -> None:
    tuesday = a_file("new", start=MONDAY_0830 + DAY)

    of_the_file = await planned(world, tuesday)
    of_monday_too = await planned(world, tuesday, Days(first=date(2026, 9, 7)))
    of_monday_alone = await planned(world, tuesday, Days(date(2026, 9, 7), date(2026, 9, 7)))

    assert [
        (len(plan.changes.added), len(plan.changes.cancelled), plan.outside)
        for plan in (of_the_file, of_monday_too, of_monday_alone)
    ] == [(1, 0, 0), (1, 1, 0), (0, 1, 1)]


@rule
async def test_a_timetable_that_changed_since_the_plan_is_not_touched(world: World) -> None:
    file = a_file("new")
    plan = await planned(world, file)
    await put(world.storage.begin, lessons=[a_lesson("one more")])
    before = await timetable(world)

    with pytest.raises(PlanChanged):
        await world.use_cases.apply_timetable_import(SCHOOL, file, THE_FILES, plan)

    assert await timetable(world) == before


@rule
async def test_a_lesson_that_began_since_the_plan_is_not_touched(world: World) -> None:
    file = a_file("known", start=MONDAY_0900)
    plan = await planned(world, file)
    world.now = MONDAY_0830

    with pytest.raises(PlanChanged):
        await world.use_cases.apply_timetable_import(SCHOOL, file, THE_FILES, plan)

    assert (await timetable(world))["known"] == a_lesson("known")


@rule
async def test_a_file_that_cancels_too_much_is_refused_unless_that_is_allowed(world: World) -> None:
    keys = [str(number) for number in range(11)]
    await imported(world, a_file("known", *keys))
    before = await timetable(world)

    with pytest.raises(TooManyCancelled):
        await imported(world, a_file("known"))
    refused = await timetable(world)
    await imported(world, a_file("known"), allow_removals=True)

    assert refused == before
    assert all(lesson.cancelled for key, lesson in (await timetable(world)).items() if key in keys)


@rule
async def test_nothing_of_a_bad_file_is_applied(world: World) -> None:
    before = await timetable(world)
    good, bad = a_file("new"), a_file("bad", group="Физика")
    file = Timetable(good.stated + bad.stated)

    with pytest.raises(BadTimetable) as raised:
        await planned(world, file)
    with pytest.raises(BadTimetable):
        await world.use_cases.apply_timetable_import(SCHOOL, file, THE_FILES, await planned(world, good))

    assert [fault.place.removeprefix("column ") for fault in raised.value.faults] == ["group_id"]
    assert await timetable(world) == before


@rule
async def test_a_file_without_lessons_changes_nothing(world: World) -> None:
    before = await timetable(world)

    plan = await imported(world, a_file())

    assert not plan.changes
    assert await timetable(world) == before


async def test_an_organization_that_is_not_known_is_not_found(world: World) -> None:
    plan = world.use_cases.plan_timetable_import(OTHER_SCHOOL, a_file(), THE_FILES)

    there = await world.use_cases.look_up_time(OTHER_SCHOOL)

    assert [problem.code for problem in await problems_of(plan)] == [ProblemCode.NOT_FOUND]
    assert there is None


async def test_times_are_read_in_the_zone_of_the_organization(world: World) -> None:
    there = await world.use_cases.look_up_time(SCHOOL)

    assert there == TimeThere("Школа", ZoneInfo("Europe/Moscow"), MONDAY_0800)
