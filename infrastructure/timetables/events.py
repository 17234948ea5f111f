"""What iCalendar says of one event, as far as a lesson needs it."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from io import StringIO

from icalendar.parser import Contentline, split_on_unescaped_comma
from icalendar.prop import vDuration

from domain.timetable import BadTimetable, Fault, Where
from infrastructure.timetables.limits import Wrong
from infrastructure.timetables.zones import Zones, instant

EVENT, ZONE = "VEVENT", "VTIMEZONE"
DEEPEST = 10
GROUP, SUBSTITUTE = "X-SFERUM-GROUP", "X-SFERUM-SUBSTITUTE"
_MANY = frozenset({"RRULE", "RDATE", "EXDATE", "CATEGORIES"})
_ONCE = frozenset(
    {"UID", "DTSTART", "DTEND", "DURATION", "RECURRENCE-ID", "STATUS", "EXRULE", "SEQUENCE", GROUP, SUBSTITUTE}
)
_OF_ZONE = frozenset({"BEGIN", "END", "TZID", "DTSTART", "RRULE", "RDATE", "EXDATE", "TZOFFSETFROM", "TZOFFSETTO"})
_NAME = re.compile(r"[A-Za-z0-9-]+")

Properties = Mapping[str, Sequence[Contentline]]


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a calendar: its unfolded lines of any use, and the line of the file at which it begins."""

    kind: str
    line: int
    lines: Sequence[str]


@dataclass(frozen=True, slots=True)
class Event:
    """A lesson, or a series of them, or (with `replaces`) one lesson of a series.

    Times without a zone are those of `start`'s; a bare date among `skipped` means every lesson of that day.
    `lasts`: None where only the series knows it.
    """

    uid: str
    where: Where
    start: datetime
    lasts: timedelta | None
    groups: tuple[str, ...]
    substitute: str | None
    cancelled: bool
    replaces: datetime | date | None
    rules: tuple[str, ...]
    more: tuple[datetime, ...]
    skipped: tuple[datetime | date, ...]

    @property
    def is_series(self) -> bool:
        """Whether it can be several lessons."""
        return bool(self.rules or self.more)


def blocks(text: str) -> Iterator[Block]:
    """The events, zones and other parts of all calendars of a file.

    Raises:
        BadTimetable: the file is no calendar, or something in it does not end.
    """
    opened: list[tuple[str, int]] = []
    lines: list[str] = []
    for number, line in _unfolded(text):
        name, _, value = line.partition(":")
        name, value = name.strip().upper(), value.strip().upper()
        if not opened and (name, value) != ("BEGIN", "VCALENDAR"):
            raise BadTimetable([Fault(number, "", "only a calendar, from BEGIN:VCALENDAR, may stand here")])
        if name == "BEGIN":
            if len(opened) == 1:
                lines = []
            opened.append((value, number))
            if len(opened) > DEEPEST:
                raise BadTimetable([Fault(number, "", "the parts of the calendar are nested too deep")])
        _keep(line, lines, [kind for kind, _ in opened])
        if name == "END":
            kind, begun = opened.pop()
            if kind != value:
                raise BadTimetable([Fault(number, "", f"END:{value} stands where END:{kind} must")])
            if len(opened) == 1:
                yield Block(kind, begun, lines)
    if opened:
        raise BadTimetable([Fault(opened[-1][1], "", f"{opened[-1][0]} does not end")])


def read_event(block: Block, zones: Zones) -> Event | None:
    """The event; None if it takes whole days. Raises Wrong."""
    found = _properties(block)
    uid = _text(found, "UID")
    if not uid:
        raise Wrong("the event has no UID")
    if "EXRULE" in found:
        raise Wrong("EXRULE is not read: name the days in EXDATE")
    start = _when(found, "DTSTART", zones)
    replaces = _when(found, "RECURRENCE-ID", zones)
    if start is None:
        raise Wrong("the event has no DTSTART")
    if not isinstance(start, datetime):
        if replaces is not None:
            raise Wrong("one lesson of a series cannot become a whole day: cancel it")
        return None
    if replaces is not None and "RANGE" in _parts(found["RECURRENCE-ID"][0])[0]:
        raise Wrong("RECURRENCE-ID with RANGE is not read: end the series, and begin another")
    status = _text(found, "STATUS")
    start = zones.localised(start)
    return Event(
        uid,
        Where(block.line, uid),
        start,
        _lasts(found, zones, start),
        _groups(found),
        _text(found, SUBSTITUTE) or None,
        status is not None and status.upper() == "CANCELLED",
        replaces,
        tuple(_value(line) for line in found.get("RRULE", ())),
        tuple(_more(found, zones)),
        tuple(when for line in found.get("EXDATE", ()) for when in _list(line, zones)),
    )


def uid_of(block: Block) -> str:
    """The event's UID; empty if it has none."""
    for line in block.lines:
        if _name(line) == "UID":
            return line.partition(":")[2].strip()
    return ""


def _unfolded(text: str) -> Iterator[tuple[int, str]]:
    """Every line that is not empty, with those that continue it (RFC 5545, 3.1), and its number."""
    first, parts = 1, list[str]()
    for number, raw in enumerate(StringIO(text, newline="\n"), 1):
        line = raw.rstrip("\r\n")
        if line[:1] in (" ", "\t") and parts:
            parts.append(line[1:])
            continue
        if parts:
            yield first, "".join(parts)
        first, parts = number, [line] if line.strip() else []
    if parts:
        yield first, "".join(parts)


def _keep(line: str, lines: list[str], opened: Sequence[str]) -> None:
    match opened[1:]:
        case ["VEVENT"] if _name(line) in _MANY | _ONCE:
            lines.append(line)
        case ["VTIMEZONE", *_] if _name(line) in _OF_ZONE:
            lines.append(line)
        case _:
            pass


def _name(line: str) -> str:
    found = _NAME.match(line)
    return found.group().upper() if found else ""


def _properties(block: Block) -> Properties:
    found: defaultdict[str, list[Contentline]] = defaultdict(list)
    for line in block.lines:
        name = _name(line)
        if name in _ONCE and name in found:
            raise Wrong(f"the event has {name} twice")
        found[name].append(Contentline(line))
    return found


def _parts(line: Contentline) -> tuple[Mapping[str, str], str]:
    try:
        _, parameters, value = line.parts()
    except ValueError:
        raise Wrong(f"{_name(line)} cannot be read") from None
    return parameters, value


def _value(line: Contentline) -> str:
    return _parts(line)[1].strip()


def _text(found: Properties, name: str) -> str | None:
    return _value(found[name][0]) if name in found else None


def _when(found: Properties, name: str, zones: Zones) -> datetime | date | None:
    if name not in found:
        return None
    parameters, value = _parts(found[name][0])
    return zones.read(name, parameters, value)


def _list(line: Contentline, zones: Zones) -> Iterator[datetime | date]:
    parameters, value = _parts(line)
    for one in filter(None, (one.strip() for one in value.split(","))):
        yield zones.read(_name(line), parameters, one)


def _more(found: Properties, zones: Zones) -> Iterator[datetime]:
    for line in found.get("RDATE", ()):
        for when in _list(line, zones):
            if not isinstance(when, datetime):
                raise Wrong("RDATE needs times, as DTSTART has one")
            yield when


def _lasts(found: Properties, zones: Zones, start: datetime) -> timedelta | None:
    end = _when(found, "DTEND", zones)
    if end is not None:
        if not isinstance(end, datetime):
            raise Wrong("DTEND needs a time, as DTSTART has one")
        return instant(end, start.tzinfo) - instant(start)
    if "DURATION" not in found:
        return None
    try:
        lasts: timedelta = vDuration.from_ical(_value(found["DURATION"][0]))
    except (ValueError, OverflowError):
        raise Wrong("DURATION cannot be read") from None
    return lasts


def _groups(found: Properties) -> tuple[str, ...]:
    named = _text(found, GROUP)
    if named:
        return (named,)
    raw = (str(line)[line.value_separator_index() + 1 :] for line in found.get("CATEGORIES", ()))
    return tuple(filter(None, (name.strip() for value in raw for name in split_on_unescaped_comma(value))))
