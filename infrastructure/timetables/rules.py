"""When a rule of iCalendar (RRULE) repeats a lesson."""

import re
from collections.abc import Iterator
from datetime import date, datetime, time, tzinfo

from dateutil.rrule import rrulestr
from icalendar.prop import vDDDTypes

from infrastructure.timetables.limits import LAST_YEAR, Wrong

_FREQUENCIES = frozenset({"DAILY", "WEEKLY", "MONTHLY", "YEARLY"})
_NUMBERS = {
    "COUNT": range(1, 1_000_000),
    "INTERVAL": range(1, 1_000_000),
    "BYMONTH": range(1, 13),
    "BYWEEKNO": range(1, 54),
    "BYYEARDAY": range(1, 367),
    "BYMONTHDAY": range(1, 32),
    "BYSETPOS": range(1, 367),
    "BYHOUR": range(24),
    "BYMINUTE": range(60),
    "BYSECOND": range(60),
}
_FROM_THE_END = frozenset({"BYWEEKNO", "BYYEARDAY", "BYMONTHDAY", "BYSETPOS"})
"""Of these -1 is the last, and so on."""
_OTHERS = {
    "FREQ": re.compile(r"[A-Z]+"),
    "UNTIL": re.compile(r"[0-9TZ]+"),
    "WKST": re.compile(r"[A-Z]{2}"),
    "BYDAY": re.compile(r"([+-]?[0-9]{0,2}[A-Z]{2},?)+"),
}
_CYCLE = 400
"""So many years later the calendar is the same, day by day, weekday by weekday."""
_LAST = datetime(LAST_YEAR, 12, 31)  # noqa: DTZ001


def starts_of(rule: str, start: datetime, horizon: datetime) -> Iterator[datetime]:
    """The times on the wall at which the lessons start, in order; a rule without end is followed to `horizon`.

    `start` has a zone, `horizon` and the answers are times of it without one.

    Raises:
        Wrong: it is no rule, or not one of a timetable.
    """
    parts = _parts(rule)
    wall = start.replace(tzinfo=None)
    end = _until(parts.pop("UNTIL"), start.tzinfo) if "UNTIL" in parts else _LAST
    last = horizon if end >= _LAST and "COUNT" not in parts else end
    # dateutil looks for a day that never comes until the year 9999: begun in the last cycle, that is soon.
    later = (9998 - LAST_YEAR) // _CYCLE * _CYCLE
    try:
        text = ";".join(f"{name}={value}" for name, value in parts.items())
        found = rrulestr(text, dtstart=wall.replace(year=wall.year + later))
    except (ValueError, TypeError, OverflowError):
        raise Wrong("RRULE cannot be read") from None
    for moment in found:
        comes = moment.replace(year=moment.year - later)
        if comes > last:
            if "COUNT" in parts:
                raise Wrong(f"RRULE goes on after {LAST_YEAR}")
            return
        yield comes


def _parts(rule: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in rule.upper().rstrip(";").split(";")]
    parts = {name: value for name, _, value in pairs}
    wrong = [name for name, value in parts.items() if not _possible(name, value)]
    if wrong or len(parts) < len(pairs):
        raise Wrong(f"RRULE cannot be read: {wrong[0] if wrong else 'it has a part twice'}")
    if parts.get("FREQ") not in _FREQUENCIES:
        raise Wrong("RRULE must repeat a lesson daily, weekly, monthly or yearly")
    if "UNTIL" in parts and "COUNT" in parts:
        raise Wrong("RRULE has both UNTIL and COUNT")
    return parts


def _possible(name: str, value: str) -> bool:
    if name not in _NUMBERS:
        return name in _OTHERS and _OTHERS[name].fullmatch(value) is not None
    numbers = value.split(",") if name.startswith("BY") else [value]
    return all(_is_one_of(number, _NUMBERS[name], name in _FROM_THE_END) for number in numbers)


def _is_one_of(text: str, numbers: range, from_the_end: bool) -> bool:
    found = re.fullmatch(r"([+-]?)([0-9]{1,6})", text)
    return found is not None and (from_the_end or found[1] != "-") and int(found[2]) in numbers


def _until(value: str, zone: tzinfo | None) -> datetime:
    """The last moment of a rule on the wall of its zone; a date means all of that day."""
    try:
        until = vDDDTypes.from_ical(value)
    except (ValueError, OverflowError):
        until = None
    match until:
        case datetime(tzinfo=None):
            return until
        case datetime(year=year) if year > LAST_YEAR:
            return _LAST
        case datetime():
            return until.astimezone(zone).replace(tzinfo=None)
        case date():
            return datetime.combine(until, time.max)
        case _:
            raise Wrong("UNTIL of RRULE is no time")
