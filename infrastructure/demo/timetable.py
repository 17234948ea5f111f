"""The demonstration schools' lessons: they follow from the date alone, apart from one of today's (see `lessons`)."""

from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from functools import cache
from zoneinfo import ZoneInfo

from application.roster import LessonSaved, Told
from infrastructure.demo import full_school, manual_school

TIME_ZONE = "Europe/Moscow"
BELLS = (time(8, 30), time(9, 25), time(10, 30), time(11, 35), time(12, 30), time(13, 25), time(14, 20), time(15, 20))
"""When each lesson of a day begins; the last is that of the electives."""
LASTS = timedelta(minutes=45)
SCHOOL_DAYS = 5
"""Monday to Friday."""
PERIODS = 7
"""Lessons a day at most, before the electives."""
SOON = timedelta(minutes=10)
_MANUAL_BELLS = (BELLS[0], BELLS[1], BELLS[3], BELLS[5])
_LATER = tuple(time(hour) for hour in range(15, 24))


@dataclass(frozen=True, slots=True)
class Day:
    """One school's lessons that are told together: of a date, or one lesson more."""

    school_id: str
    lessons: tuple[Told, ...]


def local_date(now: datetime) -> date:
    """The date at the schools."""
    return now.astimezone(ZoneInfo(TIME_ZONE)).date()


def next_midnight(now: datetime) -> datetime:
    """The schools' next midnight."""
    return datetime.combine(local_date(now) + timedelta(days=1), time(), _zone())


def lessons(today: date, now: datetime) -> list[Day]:
    """The manual's school today and tomorrow, on any day of the week; the full-size school for a week from today.

    When the manual's school has no more lesson today that begins later than in 10 minutes, there is one more for the
    group of 1 Б at the next full hour, if it ends today; otherwise tomorrow's are what is next.
    """
    tomorrow = today + timedelta(days=1)
    days = [_day_of_manual_school(today), _day_of_manual_school(tomorrow)]
    if _starts(_MANUAL_BELLS[-1], today) <= now + SOON:
        hours = (hour for hour in _LATER if _starts(hour, today) > now + SOON)
        if hour := next(hours, None):
            one_more = _lesson("manual", manual_school.GROUP_OF_ONE_CLASS, hour, today)
            days.append(Day(manual_school.SCHOOL_ID, (one_more,)))
    return days + [_day_of_full_school(today + timedelta(days=after)) for after in range(7)]


def _day_of_manual_school(day: date) -> Day:
    groups = (manual_school.GROUP_OF_ONE_CLASS, manual_school.GROUP_OF_TWO_CLASSES)
    told = tuple(_lesson("manual", group, bell, day) for bell in _MANUAL_BELLS for group in groups)
    return Day(manual_school.SCHOOL_ID, told)


def _day_of_full_school(day: date) -> Day:
    told = [_lesson("full", group, BELLS[period], day) for period, group in week()[day.weekday()]]
    return Day(full_school.SCHOOL_ID, tuple(told))


def _lesson(school: str, group: str, bell: time, day: date) -> Told:
    starts_at = _starts(bell, day)
    number = group.removeprefix(f"{school}-group-")
    school_id = f"{school}-lesson-{day:%Y-%m-%d}-{bell:%H%M}-{number}"
    return Told(school_id, LessonSaved(school_id, group, starts_at, starts_at + LASTS))


def _starts(bell: time, day: date) -> datetime:
    return datetime.combine(day, bell, _zone())


def _zone() -> tzinfo:
    return ZoneInfo(TIME_ZONE)


@cache
def week() -> Mapping[int, tuple[tuple[int, str], ...]]:
    """By weekday (Monday is 0) the full-size school's lessons: period from 0, and group."""
    found: defaultdict[int, list[tuple[int, str]]] = defaultdict(list)
    for slot, course in _Timetable(full_school.courses()).placed():
        found[slot % SCHOOL_DAYS] += [(slot // SCHOOL_DAYS, group) for group in course.groups]
    for elective in full_school.electives():
        found[elective.day].append((PERIODS, elective.group))
    return {day: tuple(sorted(found[day])) for day in range(7)}


class _Timetable:
    """Places each hour in a slot of the week so that neither the class nor a teacher is needed twice.

    The first slots are everybody's first lessons. It is the colouring of the edges of a bipartite graph (classes and
    teachers; slots are the colours), which needs no more slots than the busiest has hours (D. König, 1916).
    """

    def __init__(self, courses: tuple[full_school.Course, ...]) -> None:
        self._taken: defaultdict[Hashable, dict[int, full_school.Course]] = defaultdict(dict)
        for hour in range(max(course.hours for course in courses)):
            for course in courses:
                if course.hours > hour:
                    self._place(course)
        self._draw_together()

    def placed(self) -> Iterator[tuple[int, full_school.Course]]:
        """Each hour's slot."""
        for who, slots in self._taken.items():
            if isinstance(who, str):
                yield from slots.items()

    def _place(self, course: full_school.Course) -> None:
        school_class, team = course.class_school_id, course.teachers
        slot = self._free(school_class, team)
        if slot is None:
            slot, other = self._free(school_class), self._free(team)
            assert slot is not None
            assert other is not None
            self._swap(team, slot, other)
        self._put(course, slot)

    def _swap(self, who: Hashable, slot: int, other: int) -> None:
        """Frees `slot` of `who`, whose `other` is free, by exchanging the two along everybody who is concerned."""
        chain = []
        while course := self._taken[who].get(slot):
            chain.append((course, slot, other))
            who = course.class_school_id if who == course.teachers else course.teachers
            slot, other = other, slot
        for course, before, _ in chain:
            self._remove(course, before)
        for course, _, after in chain:
            self._put(course, after)

    def _draw_together(self) -> None:
        """Moves hours to earlier slots while some can."""
        moved = True
        while moved:
            moved = False
            for slot, course in sorted(self.placed(), key=lambda placed: -placed[0]):
                earlier = self._free(course.class_school_id, course.teachers)
                if earlier is not None and earlier < slot:
                    self._remove(course, slot)
                    self._put(course, earlier)
                    moved = True

    def _free(self, *who: Hashable) -> int | None:
        slots = range(SCHOOL_DAYS * PERIODS)
        return next((slot for slot in slots if not any(slot in self._taken[one] for one in who)), None)

    def _put(self, course: full_school.Course, slot: int) -> None:
        self._taken[course.class_school_id][slot] = course
        self._taken[course.teachers][slot] = course

    def _remove(self, course: full_school.Course, slot: int) -> None:
        del self._taken[course.class_school_id][slot]
        del self._taken[course.teachers][slot]
