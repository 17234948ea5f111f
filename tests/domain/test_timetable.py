"""A plan makes the timetable what the file says, in its period and its groups, and touches nothing that has begun."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.ids import LessonId, PersonId
from domain.lesson import Lesson
from domain.timetable import (
    BadTimetable,
    Period,
    Stated,
    Timetable,
    TimetablePlan,
    Where,
    changed_lessons,
    lessons_of,
    period_of,
    plan,
)
from tests.builders import MONDAY_0800, MONDAY_0829, MONDAY_0830, MONDAY_0900, MONDAY_0915, a_lesson, a_roster

DAY = timedelta(days=1)
THIS_WEEK = Period(MONDAY_0800 - DAY, MONDAY_0800 + 6 * DAY)
ALGEBRA, CHESS = "8 К алгебра", "Шахматы"

rule = pytest.mark.rule("ROSTER-04")


def planned(
    stated: Sequence[Lesson], known: Sequence[Lesson], now: datetime = MONDAY_0829, period: Period = THIS_WEEK
) -> TimetablePlan:
    """The plan of a file that states those lessons."""
    return plan(stated, known, period, now)


def numbered(count: int) -> list[Lesson]:
    """So many lessons of Monday, each with a number for its id."""
    return [a_lesson(str(number)) for number in range(count)]


def done(found: TimetablePlan, known: Sequence[Lesson]) -> dict[LessonId, Lesson]:
    """The timetable when the plan is carried out."""
    _, after = changed_lessons(found.changes)
    return {lesson.id: lesson for lesson in [*known, *after]}


@rule
def test_a_lesson_that_is_not_known_is_added() -> None:
    stated = a_lesson()

    found = planned([stated], [])

    assert found.changes.added == (stated,)
    assert not found.changes.of_known


@rule
@pytest.mark.parametrize(
    "stated",
    [
        a_lesson(starts_at=MONDAY_0900, ends_at=MONDAY_0915),
        a_lesson(ends_at=MONDAY_0900),
        a_lesson(group=CHESS),
        a_lesson(starts_at=MONDAY_0830 + DAY, ends_at=MONDAY_0915 + DAY),
    ],
    ids=["start", "end", "group", "day"],
)
def test_a_lesson_with_another_time_or_group_is_moved(stated: Lesson) -> None:
    found = planned([stated], [a_lesson()])

    assert [change.after for change in found.changes.moved] == [stated]
    assert found.changes.of_known == found.changes.moved


@rule
def test_a_lesson_with_another_substitute_alone_is_no_moved_one() -> None:
    stated = a_lesson(substitute="klimova")

    found = planned([stated], [a_lesson()])

    assert [change.after for change in found.changes.substituted] == [stated]
    assert found.changes.of_known == found.changes.substituted


@rule
def test_a_lesson_that_the_file_has_not_is_cancelled() -> None:
    missing, stated = a_lesson("missing"), a_lesson("stated")

    found = planned([stated], [missing, stated])

    assert [change.after for change in found.changes.cancelled] == [replace(missing, cancelled=True)]
    assert found.unchanged == 1


@rule
def test_a_lesson_that_the_file_cancels_is_cancelled_where_it_was() -> None:
    known, stated = a_lesson(), a_lesson(starts_at=MONDAY_0900, cancelled=True)

    found = planned([stated], [known])

    assert [change.after for change in found.changes.cancelled] == [replace(known, cancelled=True)]


@rule
def test_a_cancelled_lesson_that_is_stated_again_is_on_again() -> None:
    stated = a_lesson(starts_at=MONDAY_0900)

    found = planned([stated], [a_lesson(cancelled=True)])

    assert [change.after for change in found.changes.resumed] == [stated]


@rule
@pytest.mark.parametrize("now", [MONDAY_0830, MONDAY_0900, MONDAY_0915, MONDAY_0915 + DAY])
def test_a_lesson_begun_or_past_is_never_touched(now: datetime) -> None:
    known = [a_lesson("moved"), a_lesson("missing"), a_lesson("cancelled"), a_lesson("off", cancelled=True)]
    start, end = MONDAY_0830 + 2 * DAY, MONDAY_0915 + 2 * DAY
    stated = [a_lesson(key, starts_at=start, ends_at=end) for key in ("moved", "off")]
    stated.append(a_lesson("cancelled", cancelled=True))

    found = planned(stated, known, now)

    assert not found.changes
    assert found.begun == 3


@rule
def test_other_groups_and_other_days_are_never_touched() -> None:
    chess = a_lesson("chess", group=CHESS)
    next_week = a_lesson("next week", starts_at=MONDAY_0830 + 7 * DAY, ends_at=MONDAY_0915 + 7 * DAY)
    stated = a_lesson("stated")

    found = planned([stated], [chess, next_week])

    assert found.changes.added == (stated,)
    assert not found.changes.of_known


@rule
def test_a_past_or_cancelled_lesson_that_is_not_known_is_counted_and_not_added() -> None:
    past, cancelled = a_lesson("past", starts_at=MONDAY_0800), a_lesson("cancelled", cancelled=True)

    found = planned([past, cancelled], [])

    assert not found.changes
    assert (found.unknown_past, found.unknown_cancelled) == (1, 1)


@rule
def test_a_lesson_outside_the_period_is_counted_and_left_aside() -> None:
    next_week = a_lesson(starts_at=MONDAY_0830 + 7 * DAY, ends_at=MONDAY_0915 + 7 * DAY)
    known_there = replace(next_week, ends_at=next_week.ends_at + DAY / 24)

    found = [planned([next_week], []), planned([next_week], [known_there])]

    assert [(bool(each.changes), each.outside) for each in found] == [(False, 1), (False, 1)]


@rule
def test_a_lesson_of_the_period_that_the_file_has_on_another_day_is_moved_and_not_cancelled() -> None:
    next_week = a_lesson(starts_at=MONDAY_0830 + 7 * DAY, ends_at=MONDAY_0915 + 7 * DAY)

    out, back = planned([next_week], [a_lesson()]), planned([a_lesson()], [next_week])

    assert [change.after for change in out.changes.of_known] == [next_week]
    assert [change.after for change in back.changes.of_known] == [a_lesson()]
    assert out.changes.moved
    assert back.changes.moved


@rule
@pytest.mark.parametrize(
    ("before", "after", "too_many"),
    [(55, 44, False), (54, 43, True), (40, 30, False), (11, 0, True), (10, 0, False), (1000, 800, False)],
)
def test_more_than_ten_and_more_than_the_limit_in_percent_are_too_many(before: int, after: int, too_many: bool) -> None:
    known = numbered(before)

    found = planned([*known[:after], a_lesson("new")], known)

    assert len(found.changes.cancelled) == before - after
    assert found.cancels_too_many(20) is too_many


@rule
def test_lessons_begun_or_cancelled_do_not_make_the_limit_wider() -> None:
    begun = [replace(lesson, starts_at=MONDAY_0800, school_id=f"begun {lesson.school_id}") for lesson in numbered(500)]
    off = [replace(lesson, cancelled=True, school_id=f"off {lesson.school_id}") for lesson in numbered(500)]

    found = planned([a_lesson("new")], [*numbered(11), *begun, *off])

    assert found.open_before == 11
    assert found.cancels_too_many(20)


@rule
def test_lessons_moved_to_where_they_are_over_count_as_cancelled() -> None:
    a_year_ago = [
        replace(lesson, starts_at=lesson.starts_at - 365 * DAY, ends_at=lesson.ends_at - 365 * DAY)
        for lesson in numbered(11)
    ]
    last_year = Period(THIS_WEEK.begins - 365 * DAY, THIS_WEEK.ends - 365 * DAY)

    found = planned(a_year_ago, numbered(11), period=last_year)

    assert found.into_past == 11
    assert found.cancels_too_many(20)


@rule
def test_the_period_is_from_the_first_to_the_last_day_of_the_file_in_the_zone_of_the_organization() -> None:
    late = datetime(2026, 9, 7, 21, 30, tzinfo=UTC)
    lessons = [a_lesson(starts_at=late), a_lesson(starts_at=MONDAY_0830 + 3 * DAY)]

    moscow, kamchatka = (period_of(lessons, zone, None, None) for zone in ("Europe/Moscow", "Asia/Kamchatka"))

    assert moscow == Period(datetime(2026, 9, 7, 21, tzinfo=UTC), datetime(2026, 9, 10, 21, tzinfo=UTC))
    assert kamchatka == Period(datetime(2026, 9, 7, 12, tzinfo=UTC), datetime(2026, 9, 10, 12, tzinfo=UTC))


@rule
def test_the_days_that_are_given_are_the_period_the_last_one_too() -> None:
    first, last = date(2026, 3, 29), date(2026, 3, 29)

    found = period_of([a_lesson()], "Europe/Berlin", first, last)

    assert found == Period(datetime(2026, 3, 28, 23, tzinfo=UTC), datetime(2026, 3, 29, 22, tzinfo=UTC))


def a_stated(
    key: str = "lesson", *groups: str, line: int = 2, uid: str | None = None, substitute: str | None = None
) -> Stated:
    """A lesson of a file."""
    person = None if substitute is None else PersonId(substitute)
    return Stated(key, groups or (ALGEBRA,), MONDAY_0830, MONDAY_0915, Where(line, uid), person)


def faults(*stated: Stated, groups: Mapping[str, Sequence[str]] | None = None) -> list[tuple[int, str]]:
    """The lines and columns that are wrong in a school of two groups and Klimova."""
    roster = a_roster(people=["klimova"], groups=groups or {ALGEBRA: [], CHESS: []}, closed=["closed"])
    with pytest.raises(BadTimetable) as raised:
        lessons_of(Timetable(stated), roster)
    return [(fault.line, fault.place.removeprefix("column ")) for fault in raised.value.faults]


@rule
def test_a_group_is_known_by_its_id_or_by_its_exact_name_and_the_id_wins() -> None:
    roster = a_roster(groups={"a": [], "b": []})
    of_name, of_id = roster.groups.values()
    roster.groups[of_name.id] = replace(of_name, name="b")

    found = lessons_of(Timetable((a_stated("by name", "b"),)), roster)

    assert [lesson.group_id for lesson in found] == [of_id.id]


@rule
def test_the_first_name_of_several_that_is_a_group_counts() -> None:
    roster = a_roster(groups={ALGEBRA: [], CHESS: []})

    [found] = lessons_of(Timetable((a_stated("lesson", "Расписание", CHESS, ALGEBRA),)), roster)

    assert roster.groups[found.group_id].name == CHESS


@rule
def test_every_name_of_nothing_is_a_fault_at_its_line() -> None:
    unknown = a_stated("unknown", "Физика", line=3)
    nobody = a_stated("nobody", substitute="nobody", line=4)
    in_calendar = a_stated("in a calendar", "Физика", line=5, uid="uid")
    closed = a_stated("closed", "closed", line=6)
    twice = [a_stated("twice", line=7), a_stated("twice", line=8)]

    found = faults(unknown, nobody, in_calendar, closed, *twice, groups={ALGEBRA: [], "closed": []})

    assert found == [
        (3, "group_id"),
        (4, "substitute_id"),
        (5, "UID uid"),
        (6, "group_id"),
        (8, "lesson_id"),
    ]


@rule
def test_a_name_of_several_open_groups_is_a_fault_and_a_closed_one_does_not_count() -> None:
    roster = a_roster(groups={"first": [], "second": [], "closed": []}, closed=["closed"])
    for group in list(roster.groups.values()):
        roster.groups[group.id] = replace(group, name="Хор")

    with pytest.raises(BadTimetable) as raised:
        lessons_of(Timetable((a_stated("lesson", "Хор"),)), roster)
    del roster.groups[next(iter(roster.groups))]
    [found] = lessons_of(Timetable((a_stated("lesson", "Хор"),)), roster)

    assert [fault.line for fault in raised.value.faults] == [2]
    assert roster.groups[found.group_id].school_id == "second"


TIMES = st.integers(0, 6 * 24).map(lambda hours: MONDAY_0800 - DAY / 2 + timedelta(hours=hours))
LESSONS = st.builds(
    lambda key, group, start, substitute, cancelled: a_lesson(
        str(key), group=group, starts_at=start, ends_at=start + DAY / 24, substitute=substitute, cancelled=cancelled
    ),
    st.integers(0, 20),
    st.sampled_from([ALGEBRA, CHESS, "Хор"]),
    TIMES,
    st.sampled_from([None, "klimova"]),
    st.booleans(),
)
TIMETABLES = st.lists(LESSONS, unique_by=lambda lesson: lesson.id, max_size=20)
PERIODS = st.tuples(TIMES, TIMES).map(lambda ends: Period(min(ends), max(ends)))


@rule
@given(TIMETABLES, TIMETABLES, PERIODS, TIMES)
def test_the_same_file_twice_changes_nothing(
    stated: list[Lesson], known: list[Lesson], period: Period, now: datetime
) -> None:
    once = done(planned(stated, known, now, period), known)

    again = planned(stated, list(once.values()), now, period)

    assert not again.changes


@rule
@given(TIMETABLES, TIMETABLES, PERIODS, TIMES)
def test_whatever_is_begun_or_of_another_group_or_day_and_not_stated_stays_as_it_was(
    stated: list[Lesson], known: list[Lesson], period: Period, now: datetime
) -> None:
    named = {lesson.id for lesson in stated}
    groups = {lesson.group_id for lesson in stated}

    after = done(planned(stated, known, now, period), known)

    for lesson in known:
        elsewhere = lesson.group_id not in groups or not period.has(lesson)
        if lesson.starts_at <= now or (elsewhere and lesson.id not in named):
            assert after[lesson.id] == lesson


@rule
@given(TIMETABLES, TIMETABLES, PERIODS, TIMES)
def test_what_is_still_to_come_in_the_period_is_what_the_file_states(
    stated: list[Lesson], known: list[Lesson], period: Period, now: datetime
) -> None:
    begun = {lesson.id for lesson in known if lesson.starts_at <= now}
    groups = {lesson.group_id for lesson in stated}

    after = done(planned(stated, known, now, period), known)

    on = {
        lesson
        for lesson in after.values()
        if period.has(lesson) and lesson.starts_at > now and lesson.group_id in groups and not lesson.cancelled
    }
    assert on == {
        lesson
        for lesson in stated
        if period.has(lesson) and lesson.starts_at > now and not lesson.cancelled and lesson.id not in begun
    }
