"""A timetable as CSV: one row a lesson."""

import csv
import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from io import StringIO
from zoneinfo import ZoneInfo

from domain.timetable import BadTimetable, Fault, Stated, Timetable, Where
from infrastructure.timetables.limits import Reading, Wrong, a_lesson

NEEDED = ("lesson_id", "group_id", "date", "start", "end")
OPTIONAL = ("substitute_id", "cancelled")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_TIME = re.compile(r"\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2})?", re.ASCII)
_YES, _NO = frozenset({"true", "yes", "1"}), frozenset({"", "false", "no", "0"})


def read_table(text: str, zone: ZoneInfo) -> Timetable:
    """The lessons of the rows; times without an offset are those of `zone`.

    Raises:
        BadTimetable: with everything that is wrong.
    """
    rows = _rows(text)
    line, header = next(rows, (1, []))
    header_line = Where(line)
    names = [name.strip().lower() for name in header]
    missing = [name for name in NEEDED if name not in names]
    if missing:
        raise BadTimetable([header_line.fault(name, "the header has no such column") for name in missing])
    twice = [name for name in NEEDED + OPTIONAL if names.count(name) > 1]
    if twice:
        raise BadTimetable([header_line.fault(name, "the header has this column twice") for name in twice])
    places = {name: names.index(name) for name in NEEDED + OPTIONAL if name in names}
    reading = Reading()
    first_lines: dict[str, int] = {}
    for line, row in rows:
        where = Where(line)
        try:
            if len(row) != len(names):
                raise Wrong(f"the row has {len(row)} fields, and the header {len(names)}")
            lesson = _lesson({name: row[place].strip() for name, place in places.items()}, zone, where)
            first = first_lines.setdefault(lesson.key, line)
            if first != line:
                raise Wrong(f"line {first} states the lesson {lesson.key} already", "lesson_id")
            reading.add(lesson)
        except Wrong as wrong:
            reading.blame(where, wrong)
    return reading.timetable()


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Every row that is not empty, with the line at which it begins."""
    first = text[: text.find("\n") + 1] or text
    delimiter = ";" if first.count(";") > first.count(",") else ","
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise BadTimetable([Fault(line, "", f"this is no CSV: {error}")]) from None
        if any(field.strip() for field in row):
            yield line, row


def _lesson(row: Mapping[str, str], zone: ZoneInfo, where: Where) -> Stated:
    if not row["group_id"]:
        raise Wrong("the lesson needs a study group", "group_id")
    day = _day(row["date"])
    cancelled = row.get("cancelled", "").lower()
    if cancelled not in _YES | _NO:
        raise Wrong(f"«{row['cancelled']}» is neither true nor false", "cancelled")
    return a_lesson(
        row["lesson_id"],
        (row["group_id"],),
        datetime.combine(day, _time(row["start"], "start", zone)),
        datetime.combine(day, _time(row["end"], "end", zone)),
        where,
        substitute=row.get("substitute_id"),
        cancelled=cancelled in _YES,
    )


def _day(text: str) -> date:
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise Wrong(f"«{text}» is no date, as 2026-09-01", "date")


def _time(text: str, column: str, zone: ZoneInfo) -> time:
    try:
        if _TIME.fullmatch(text):
            stated = time.fromisoformat(text)
            return stated if stated.tzinfo else stated.replace(tzinfo=zone)
    except ValueError:
        pass
    raise Wrong(f"«{text}» is no time, as 08:30", column)
