"""What a time of iCalendar means: its zone is named, described in the file, UTC, or the organization's."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, tzinfo
from functools import cache
from io import StringIO
from zoneinfo import ZoneInfo, available_timezones

from dateutil.tz import resolve_imaginary, tzical
from icalendar.prop import vDDDTypes
from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

from infrastructure.timetables.limits import FIRST_YEAR, LAST_YEAR, Wrong

_ROUGH = re.compile(r"FREQ=(SECONDLY|MINUTELY|HOURLY|DAILY|WEEKLY)|BYHOUR|BYMINUTE|BYSECOND|INTERVAL=\D*0+(;|$)", re.I)


class Zones:
    """The zones of one file: `floating` is the organization's; `described` the lines of each VTIMEZONE."""

    def __init__(self, floating: ZoneInfo, described: Sequence[Sequence[str]]) -> None:
        self._floating = floating
        self._described = {_tzid(lines): lines for lines in described}
        self._known: dict[str, tzinfo] = {}

    def read(self, name: str, parameters: Mapping[str, str], value: str) -> datetime | date:
        """The value of a property with these parameters; a floating time has no zone. Raises Wrong."""
        try:
            when = vDDDTypes.from_ical(value)
        except (ValueError, OverflowError):
            when = None
        if not isinstance(when, date):
            raise Wrong(f"{name} is no time, as 20260901T083000")
        if not FIRST_YEAR <= when.year <= LAST_YEAR:
            raise Wrong(f"{name}: the year {when.year} is not between {FIRST_YEAR} and {LAST_YEAR}")
        tzid = parameters.get("TZID")
        if tzid is None or not isinstance(when, datetime):
            return when
        if when.tzinfo is not None or not isinstance(tzid, str):
            raise Wrong(f"{name} has more than one zone")
        return when.replace(tzinfo=self._zone(tzid))

    def localised(self, when: datetime) -> datetime:
        """The time in its zone, which for a floating one is the organization's."""
        return when if when.tzinfo else when.replace(tzinfo=self._floating)

    def _zone(self, tzid: str) -> tzinfo:
        if tzid not in self._known:
            self._known[tzid] = self._find(tzid)
        return self._known[tzid]

    def _find(self, tzid: str) -> tzinfo:
        name = WINDOWS_TO_OLSON.get(tzid, tzid)
        if name in _names():
            return ZoneInfo(name)
        if tzid not in self._described:
            raise Wrong(f"the zone {tzid} is neither known nor described in the file")
        return _described(tzid, self._described[tzid])


def instant(when: datetime, zone: tzinfo | None = None) -> datetime:
    """The time in UTC; one without a zone is of `zone`. What the clock skips comes as much later (RFC 5545, 3.3.5).

    Raises:
        Wrong: the zone has no such time.
    """
    here = when if when.tzinfo else when.replace(tzinfo=zone)
    try:
        exists: datetime = resolve_imaginary(here)
        return exists.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Wrong("the zone of this time has no sensible offset") from None


@cache
def _names() -> frozenset[str]:
    return frozenset(available_timezones())


def _tzid(lines: Sequence[str]) -> str:
    return next((line.partition(":")[2].strip() for line in lines if line.upper().startswith("TZID")), "")


def _described(tzid: str, lines: Sequence[str]) -> tzinfo:
    if any(line.upper().startswith("RRULE") and _ROUGH.search(line) for line in lines):
        raise Wrong(f"the zone {tzid} changes its clock more than some days a year")
    try:
        found: tzinfo | None = tzical(StringIO("\n".join(lines))).get()
    except (ValueError, OverflowError, TypeError):
        found = None
    if found is None:
        raise Wrong(f"the description of the zone {tzid} cannot be read")
    return found
