"""The demonstration's timetable, whatever the hour at which it is asked for."""

from collections import Counter
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from application.roster import LessonSaved, Told
from infrastructure.demo import full_school, manual_school, timetable
from infrastructure.demo.timetable import BELLS, Day

MOSCOW = ZoneInfo("Europe/Moscow")
THURSDAY = date(2026, 3, 5)
SUNDAY = date(2026, 3, 8)
GROUPS = {manual_school.GROUP_OF_ONE_CLASS, manual_school.GROUP_OF_TWO_CLASSES}


def at(clock: str, day: date = THURSDAY) -> datetime:
    return datetime.combine(day, time.fromisoformat(clock), MOSCOW)


def saved(days: list[Day], school_id: str) -> list[LessonSaved]:
    told = [told.event for day in days if day.school_id == school_id for told in day.lessons]
    return [event for event in told if isinstance(event, LessonSaved)]


@pytest.mark.parametrize("day", [THURSDAY, SUNDAY])
@pytest.mark.parametrize("clock", ["00:00", "06:00", "12:00", "13:20", "18:00", "22:49", "22:50", "23:30", "23:55"])
def test_both_groups_of_the_manuals_school_have_lessons_today_and_tomorrow(clock: str, day: date) -> None:
    now = at(clock, day)

    lessons = saved(timetable.lessons(day, now), manual_school.SCHOOL_ID)

    dates = {(lesson.group_school_id, lesson.starts_at.astimezone(MOSCOW).date()) for lesson in lessons}
    assert dates == {(group, date) for group in GROUPS for date in (day, day + timedelta(days=1))}
    assert all(lesson.ends_at - lesson.starts_at == timedelta(minutes=45) for lesson in lessons)
    assert all(lesson.ends_at <= at("00:00", day + timedelta(days=2)) for lesson in lessons)


@pytest.mark.parametrize(
    ("clock", "next_lesson"),
    [
        ("06:00", at("08:30")),
        ("12:00", at("13:25")),
        ("13:14", at("13:25")),
        ("13:15", at("15:00")),
        ("18:49", at("19:00")),
        ("18:50", at("20:00")),
        ("22:49", at("23:00")),
        ("22:50", at("08:30") + timedelta(days=1)),
        ("23:55", at("08:30") + timedelta(days=1)),
    ],
)
def test_a_lesson_begins_later_than_in_ten_minutes_today_as_long_as_one_fits(clock: str, next_lesson: datetime) -> None:
    now = at(clock)

    lessons = saved(timetable.lessons(THURSDAY, now), manual_school.SCHOOL_ID)

    later = [lesson for lesson in lessons if lesson.starts_at > now + timedelta(minutes=10)]
    assert min(lesson.starts_at for lesson in later) == next_lesson
    assert manual_school.GROUP_OF_ONE_CLASS in {x.group_school_id for x in later if x.starts_at == next_lesson}


def test_no_group_of_the_manuals_school_has_two_lessons_at_once() -> None:
    evening = [timetable.lessons(THURSDAY, at(f"{hour:02}:55")) for hour in range(24)]
    lessons = {lesson for days in evening for lesson in saved(days, manual_school.SCHOOL_ID)}

    for group in GROUPS:
        own = sorted((lesson.starts_at, lesson.ends_at) for lesson in lessons if lesson.group_school_id == group)
        assert all(end <= start for (_, end), (start, _) in pairwise(own))


def test_a_lesson_is_told_under_one_key_in_one_way_whenever_it_is_told() -> None:
    known: dict[str, Told] = {}

    for hours in range(48):
        now = at("00:30") + timedelta(hours=hours)
        for day in timetable.lessons(now.date(), now):
            for told in day.lessons:
                assert known.setdefault(told.key, told).digest == told.digest

    assert len(known) > 1000


def test_the_full_size_school_has_lessons_on_five_days_of_any_week() -> None:
    days = [day for day in timetable.lessons(SUNDAY, at("12:00", SUNDAY)) if day.school_id == full_school.SCHOOL_ID]

    assert [len(day.lessons) > 150 for day in days] == [False, True, True, True, True, True, False]
    bells = {lesson.starts_at.astimezone(MOSCOW).time() for lesson in saved(days, full_school.SCHOOL_ID)}
    assert bells == set(BELLS)


def test_each_class_of_the_full_size_school_learns_its_hours_without_a_gap_in_its_day() -> None:
    class_of = {group: course.class_school_id for course in full_school.courses() for group in course.groups}
    periods = Counter(
        (class_of[group], weekday, period)
        for weekday, lessons in timetable.week().items()
        for period, group in lessons
        if group in class_of and not group.endswith("-2")
    )
    hours: Counter[str] = Counter()
    for course in full_school.courses():
        hours[course.class_school_id] += course.hours

    # No class learns two things at once.
    assert set(periods.values()) == {1}
    assert Counter(school_class for school_class, _, _ in periods) == hours
    for school_class in hours:
        for weekday in range(5):
            day = {period for known, on, period in periods if (known, on) == (school_class, weekday)}
            assert day == set(range(len(day)))


def test_no_teacher_of_the_full_size_school_is_needed_twice_at_once() -> None:
    teacher_of = {
        **{
            group: teacher
            for course in full_school.courses()
            for group, teacher in zip(course.groups, course.teachers, strict=True)
        },
        **{elective.group: elective.teacher for elective in full_school.electives()},
    }

    busy = Counter(
        (teacher_of[group], weekday, period)
        for weekday, lessons in timetable.week().items()
        for period, group in lessons
    )

    assert set(busy.values()) == {1}


def test_the_next_midnight_is_that_of_the_school() -> None:
    assert timetable.next_midnight(at("23:55")) == at("00:00", THURSDAY + timedelta(days=1))
    assert timetable.next_midnight(at("00:00")) == at("00:00", THURSDAY + timedelta(days=1))
