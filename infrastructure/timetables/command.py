"""`sferum import-timetable`: reads a file, shows what it changes, asks, and applies it (ROSTER-04)."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from application.ports import ConcurrentChange
from application.timetable_import import (
    ApplyTimetableImport,
    Days,
    LookUpTime,
    PlanChanged,
    PlanTimetableImport,
    TimeThere,
    TooManyCancelled,
)
from domain.ids import OrganizationId
from domain.timetable import BadTimetable, Changes, Fault, Timetable, TimetablePlan
from infrastructure.console import DONE, NOT_DONE, REFUSED, Console, Ends, Opened
from infrastructure.timetables.limits import MOST_FAULTS
from infrastructure.timetables.reading import read_timetable

LABELS = {
    "added": "New lessons",
    "moved": "Lessons moved",
    "substituted": "Lessons with another substitute",
    "resumed": "Cancelled lessons on again",
    "cancelled": "Lessons cancelled",
}
"""What a plan calls each of the changes, in the order in which it shows them."""
LEFT_ASIDE = {
    "outside": "lessons outside the period",
    "begun": "lessons that have begun here, but are stated otherwise",
    "unknown_past": "lessons that are past, or have begun, and are not known",
    "unknown_cancelled": "cancelled lessons that are not known",
}
LONGEST_LINE = 300


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for; `max_removal` is percent."""

    path: Path
    organization: OrganizationId
    days: Days
    max_removal: int
    dry_run: bool = False
    yes: bool = False
    allow_removals: bool = False


def import_timetable(wish: Wish, opened: Opened, console: Console) -> int:
    """Does it, and answers with the exit code: 0 done, 1 not done, 2 refused for what it cancels, 130 interrupted.

    Storage is opened for each step, so that nothing is held while the file is read or the question waits; what it
    raises is not caught. No event loop may be running here.
    """
    applying = False
    try:
        if wish.days.first and wish.days.last and wish.days.last < wish.days.first:
            raise Ends(NOT_DONE, "The period ends before it begins.")
        there = asyncio.run(_look_up(wish, opened))
        timetable = _read(wish, there, console)
        plan = asyncio.run(_plan(wish, opened, timetable))
        console.say(*_described(plan, timetable, there))
        if plan.cancels_too_many(wish.max_removal) and not wish.allow_removals:
            raise Ends(REFUSED, *_refusal(plan, wish.max_removal))
        if wish.dry_run:
            return DONE
        if not wish.yes:
            console.agree()
        applying = True
        begun = time.monotonic()
        asyncio.run(_apply(wish, opened, timetable, plan))
    except Ends as end:
        console.tell(*end.lines)
        return end.code
    except BadTimetable as bad:
        console.tell(*_faults(wish.path, bad), "Nothing was changed.")
        return NOT_DONE
    except KeyboardInterrupt:
        return console.interrupted(applying=applying)
    done = ", ".join(f"{label.lower()}: {count:,}" for label, count in _counts(plan.changes))
    console.say(f"Applied in {time.monotonic() - begun:.1f} s: {done or 'nothing had to be changed'}.")
    return DONE


async def _look_up(wish: Wish, opened: Opened) -> TimeThere:
    async with opened() as begin:
        there = await LookUpTime(begin)(wish.organization)
    if there is None:
        raise Ends(NOT_DONE, "There is no such organization.")
    return there


def _read(wish: Wish, there: TimeThere, console: Console) -> Timetable:
    console.tell(f"Reading {wish.path} …")
    begun = time.monotonic()
    try:
        timetable = read_timetable(wish.path, there.zone, there.now)
    except OSError as error:
        raise Ends(NOT_DONE, f"{wish.path} cannot be read: {error.strerror or error}.") from None
    console.tell(f"Read {len(timetable.stated):,} lessons in {time.monotonic() - begun:.1f} s.")
    return timetable


async def _plan(wish: Wish, opened: Opened, timetable: Timetable) -> TimetablePlan:
    async with opened() as begin:
        return await PlanTimetableImport(begin)(wish.organization, timetable, wish.days)


async def _apply(wish: Wish, opened: Opened, timetable: Timetable, plan: TimetablePlan) -> None:
    async with opened() as begin:
        apply = ApplyTimetableImport(begin, wish.max_removal)
        try:
            await apply(wish.organization, timetable, wish.days, plan, allow_removals=wish.allow_removals)
        except (PlanChanged, ConcurrentChange, TooManyCancelled):
            raise Ends(NOT_DONE, "Something else changed meanwhile. Nothing was applied: run it again.") from None


def _counts(changes: Changes) -> list[tuple[str, int]]:
    counts = [(label, len(getattr(changes, name))) for name, label in LABELS.items()]
    return [(label, count) for label, count in counts if count]


def _described(plan: TimetablePlan, timetable: Timetable, there: TimeThere) -> Iterator[str]:
    if plan.period is None:
        yield "The file states no lesson."
    else:
        first = plan.period.begins.astimezone(there.zone).date()
        last = (plan.period.ends - timedelta(microseconds=1)).astimezone(there.zone).date()
        yield f"{there.name}, study groups: {plan.groups:,}, from {first} to {last}:"
    counts = _counts(plan.changes)
    width = max((len(label) for label, _ in counts), default=0)
    digits = max((len(f"{count:,}") for _, count in counts), default=0)
    yield from (f"{label:{width}}  {count:>{digits},}" for label, count in counts)
    if not counts:
        yield "Nothing is to be changed."
    if plan.into_past:
        yield f"Beware: {plan.into_past:,} lessons are moved to where they are over already."
    left = {**{sentence: getattr(plan, name) for name, sentence in LEFT_ASIDE.items()}, **timetable.unused}
    yield from (f"Left aside: {count:,} {what}." for what, count in left.items() if count)


def _refusal(plan: TimetablePlan, max_removal: int) -> Iterator[str]:
    ended = len(plan.changes.cancelled) + plan.into_past
    yield f"Refused: it would end {ended:,} of {plan.open_before:,} lessons, more than {max_removal} %."
    yield "With --allow-removals it is applied all the same. Nothing was changed."


def _faults(path: Path, bad: BadTimetable) -> Iterator[str]:
    yield from (_fault(path, fault) for fault in bad.faults[:MOST_FAULTS])
    if len(bad.faults) > MOST_FAULTS:
        yield f"and {len(bad.faults) - MOST_FAULTS:,} more faults"


def _fault(path: Path, fault: Fault) -> str:
    where = ", ".join(filter(None, [path.name, f"line {fault.line}" if fault.line else "", fault.place]))
    line = f"{where}: {fault.sentence}"
    # What a file says goes to a terminal: it may not steer it.
    shown = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in line[:LONGEST_LINE])
    return shown if len(line) <= LONGEST_LINE else f"{shown}…"
