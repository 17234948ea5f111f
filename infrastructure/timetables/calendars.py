"""A timetable as iCalendar (RFC 5545): events with a study group, each one lesson or a series of lessons."""

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from domain.timetable import BadTimetable, Fault, Timetable, Where
from infrastructure.timetables.events import EVENT, GROUP, ZONE, Event, blocks, read_event, uid_of
from infrastructure.timetables.limits import LONGEST_LESSON, MOST_LESSONS, Reading, Wrong, a_lesson
from infrastructure.timetables.rules import starts_of
from infrastructure.timetables.zones import Zones, instant

MOST_SECONDS = 120
"""A file whose rules take longer to follow was not made by a school."""
ALL_DAY = "all-day events, which are no lessons"


def read_calendar(text: str, zone: ZoneInfo, now: datetime) -> Timetable:
    """The lessons of all events; floating times are those of `zone`, a rule without end is followed for a year.

    Raises:
        BadTimetable: with everything that is wrong.
    """
    reading = Reading()
    calendar = list(blocks(text))
    zones = Zones(zone, [block.lines for block in calendar if block.kind == ZONE])
    series: defaultdict[str, list[Event]] = defaultdict(list)
    for block in calendar:
        if block.kind != EVENT:
            continue
        try:
            event = read_event(block, zones)
        except Wrong as wrong:
            reading.blame(Where(block.line, uid_of(block)), wrong)
            continue
        if event is None:
            reading.unused[ALL_DAY] += 1
        else:
            series[event.uid].append(event)
    today = now.astimezone(zone).date()
    deadline = time.monotonic() + MOST_SECONDS
    for events in series.values():
        if time.monotonic() > deadline:
            raise BadTimetable([Fault(0, "", f"the rules take longer than {MOST_SECONDS} seconds to follow")])
        _add_series(reading, events, _a_year_after(today))
    return reading.timetable()


def _a_year_after(today: date) -> datetime:
    """The end of the last day, on the wall."""
    return datetime.combine(today + timedelta(days=365), datetime.max.time())


def _add_series(reading: Reading, events: Sequence[Event], horizon: datetime) -> None:
    """Adds the lessons of one UID: those of the series itself, and in place of some of them their exceptions."""
    whole = next((event for event in events if event.replaces is None), None)
    try:
        keys = {} if whole is None else _keys(whole, horizon)
    except Wrong as wrong:
        reading.blame(events[0].where if whole is None else whole.where, wrong)
        return
    lessons = {key: (whole, start) for start, key in keys.items() if whole is not None}
    for event in events:
        if event is whole:
            continue
        try:
            if event.replaces is None:
                raise Wrong("another event has the same UID, and neither a RECURRENCE-ID")
            key = _replaced(event, event.replaces, keys, whole)
            if key in lessons and lessons[key][0] is not whole:
                raise Wrong(f"the event at line {lessons[key][0].where.line} replaces the same lesson")
            lessons[key] = event, instant(event.start)
        except Wrong as wrong:
            reading.blame(event.where, wrong)
    faulty: set[int] = set()
    for key, (event, start) in lessons.items():
        try:
            if event.where.line not in faulty:
                _add(reading, key, event, start, whole or event)
        except Wrong as wrong:
            faulty.add(event.where.line)
            reading.blame(event.where, wrong)


def _add(reading: Reading, key: str, event: Event, start: datetime, whole: Event) -> None:
    groups, lasts = event.groups or whole.groups, whole.lasts if event.lasts is None else event.lasts
    if not groups:
        raise Wrong(f"the event names no study group, in {GROUP} or CATEGORIES")
    if lasts is None:
        raise Wrong("the event has neither a DTEND nor a DURATION")
    if abs(lasts) > LONGEST_LESSON:
        raise Wrong("the lesson takes longer than a day")
    lesson = a_lesson(
        key, groups, start, start + lasts, event.where, substitute=event.substitute, cancelled=event.cancelled
    )
    reading.add(lesson)


def _keys(whole: Event, horizon: datetime) -> dict[datetime, str]:
    """The keys of all lessons of an event by their starts, without those that it leaves out."""
    zone = whole.start.tzinfo
    starts = {instant(whole.start), *(instant(more, zone) for more in whole.more)}
    for rule in whole.rules:
        for wall in starts_of(rule, whole.start, horizon):
            starts.add(instant(wall, zone))
            if len(starts) > MOST_LESSONS:
                raise Wrong(f"the event repeats more than {MOST_LESSONS:,} times")
    times = {instant(when, zone) for when in whole.skipped if isinstance(when, datetime)}
    days = {when for when in whole.skipped if not isinstance(when, datetime)}
    kept = [start for start in sorted(starts - times) if not days or start.astimezone(zone).date() not in days]
    return {start: _key(whole.uid, start) if whole.is_series else whole.uid for start in kept}


def _replaced(event: Event, replaces: datetime | date, keys: Mapping[datetime, str], whole: Event | None) -> str:
    """The key of the lesson in whose place the event stands."""
    zone = (whole or event).start.tzinfo
    if isinstance(replaces, datetime):
        start = instant(replaces, zone)
        return keys.get(start) or _key(event.uid, start)
    of_that_day = [key for start, key in keys.items() if start.astimezone(zone).date() == replaces]
    if len(of_that_day) != 1:
        raise Wrong("RECURRENCE-ID names a day without one lesson of the series")
    return of_that_day[0]


def _key(uid: str, start: datetime) -> str:
    return f"{uid}/{start:%Y%m%dT%H%M%SZ}"
