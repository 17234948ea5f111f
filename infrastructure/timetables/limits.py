"""What a file with a timetable may have at most, and how a reader keeps to it."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NoReturn

from domain.ids import PersonId
from domain.timetable import BadTimetable, Fault, Stated, Timetable, Where

MOST_BYTES = 50 * 2**20
MOST_LESSONS = 100_000
MOST_FAULTS = 100
LONGEST_LESSON = timedelta(hours=24)
LONGEST_KEY = 255
FIRST_YEAR, LAST_YEAR = 2000, 2099
"""Within them every calculation with times is possible; a lesson beyond them is a slip of the pen."""


class Wrong(Exception):
    """One thing is wrong in a lesson, in that column (iCalendar: none)."""

    def __init__(self, sentence: str, column: str = "") -> None:
        super().__init__(sentence)
        self.column = column


@dataclass(slots=True)
class Reading:
    """What was read so far."""

    stated: list[Stated] = field(default_factory=list)
    unused: Counter[str] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)

    def add(self, lesson: Stated) -> None:
        """Keeps a lesson. Raises BadTimetable when there are more than may be."""
        if len(self.stated) == MOST_LESSONS:
            self.faults.append(lesson.where.fault("", f"the file has more than {MOST_LESSONS:,} lessons"))
            self.stop()
        self.stated.append(lesson)

    def blame(self, where: Where, wrong: Wrong) -> None:
        """Keeps a fault. Raises BadTimetable when there are as many as are shown."""
        self.faults.append(where.fault(wrong.column, str(wrong)))
        if len(self.faults) == MOST_FAULTS:
            self.stop()

    def stop(self) -> NoReturn:
        """Raises BadTimetable with all faults so far."""
        raise BadTimetable(self.faults)

    def timetable(self) -> Timetable:
        """All of it. Raises BadTimetable if anything was wrong."""
        if self.faults:
            self.stop()
        return Timetable(tuple(self.stated), self.unused)


def a_lesson(
    key: str,
    groups: tuple[str, ...],
    starts_at: datetime,
    ends_at: datetime,
    where: Where,
    *,
    substitute: str | None,
    cancelled: bool,
) -> Stated:
    """The lesson, if its key and its times, which have zones, are possible. Raises Wrong."""
    if not key or len(key) > LONGEST_KEY or not key.isprintable():
        raise Wrong(f"the lesson needs an id of at most {LONGEST_KEY} printable characters", "lesson_id")
    if not (FIRST_YEAR <= starts_at.year <= LAST_YEAR):
        raise Wrong(f"the year {starts_at.year} is not between {FIRST_YEAR} and {LAST_YEAR}", "date")
    starts_at, ends_at = starts_at.astimezone(UTC), ends_at.astimezone(UTC)
    if ends_at <= starts_at:
        raise Wrong("the lesson ends before it starts", "end")
    if ends_at - starts_at > LONGEST_LESSON:
        raise Wrong("the lesson takes longer than a day", "end")
    return Stated(key, groups, starts_at, ends_at, where, PersonId(substitute) if substitute else None, cancelled)
