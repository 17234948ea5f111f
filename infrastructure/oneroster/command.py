"""`sferum import-roster`: reads a bundle, shows what it changes, asks, and applies it (ROSTER-02, ROSTER-03)."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from application.organizations import FoundOrganization
from application.ports import ConcurrentChange
from application.roster_import import (
    ApplyRosterImport,
    KnownHere,
    LookUpKnown,
    Plan,
    PlanChanged,
    PlanRosterImport,
    TooManyRemovals,
)
from domain.ids import OrganizationId
from domain.ordering import natural_key
from domain.organization import Organization
from domain.register import Bundle, Mode, next_change
from domain.roster_changes import Kind, Removal
from infrastructure.console import DONE, NOT_DONE, REFUSED, Console, Ends, Opened
from infrastructure.oneroster.bundle import BadBundle, Known, read_bundle

LABELS = {
    "people_new": "New people",
    "people_renamed": "People with another name",
    "people_blocked": "People blocked",
    "people_unblocked": "People unblocked",
    "hired": "Employees hired",
    "dismissed": "Employees dismissed",
    "positions_changed": "Employees with other positions",
    "enrolled": "Pupils enrolled",
    "transferred": "Pupils moved to another class",
    "expelled": "Pupils expelled",
    "ties_made": "Parents tied to children",
    "ties_ended": "Parents untied from children",
    "classes_opened": "Classes opened",
    "classes_renamed": "Classes renamed",
    "classes_closed": "Classes closed",
    "class_teachers_changed": "Classes with another class teacher",
    "groups_opened": "Study groups opened",
    "groups_changed": "Study groups changed",
    "groups_closed": "Study groups closed",
    "roles_granted": "Roles granted",
    "roles_withdrawn": "Roles withdrawn",
}
"""What a plan calls each of the changes of a roster, in the order in which it shows them."""
_KINDS = {Kind.PUPILS: "pupils", Kind.EMPLOYEES: "employees", Kind.CLASSES: "classes", Kind.GROUPS: "study groups"}
_ROWS = {"people": "people", "roles": "roles", "courses": "courses", "classes": "classes", "places": "enrolments"}


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for. `school_id` is the organization's id in the school system, if it was named by that.

    `create` is the time zone of an organization that is to be made if it is not known; `max_removal` is percent.
    """

    path: Path
    organization: OrganizationId
    school_id: str | None
    max_removal: int
    dry_run: bool = False
    yes: bool = False
    names: bool = False
    allow_removals: bool = False
    create: str | None = None


def import_roster(wish: Wish, opened: Opened, console: Console) -> int:
    """Does it, and answers with the exit code: 0 done, 1 not done, 2 refused for its removals, 130 interrupted.

    Storage is opened for each step, so that nothing is held while the bundle is read or the question waits; what it
    raises is not caught. No event loop may be running here.
    """
    applying = False
    try:
        known = asyncio.run(_look_up(wish, opened))
        new = _to_be_made(wish) if known is None else None
        bundle = _read(wish, known, console)
        if new is not None:
            new.name = bundle.organization_name or new.school_id
        plan = asyncio.run(_plan(wish, opened, bundle, new))
        console.say(*_described(plan, bundle, names=wish.names))
        refused = [] if wish.allow_removals else list(_refusal(plan.removals, wish.max_removal))
        if refused:
            raise Ends(REFUSED, *refused)
        if wish.dry_run:
            return DONE
        if not wish.yes:
            console.agree()
        applying = True
        begun = time.monotonic()
        asyncio.run(_apply(wish, opened, bundle, plan, new))
    except Ends as end:
        console.tell(*end.lines)
        return end.code
    except BadBundle as bad:
        more = [f"and {bad.more} more faults"] if bad.more else []
        console.tell(*map(str, bad.faults), *more, "Nothing was changed.")
        return NOT_DONE
    except KeyboardInterrupt:
        return console.interrupted(applying=applying)
    done = ", ".join(f"{label.lower()}: {len(ids):,}" for label, ids in _changed(plan)) or "nothing had to be changed"
    console.say(f"Applied in {time.monotonic() - begun:.1f} s: {done}.")
    return DONE


async def _look_up(wish: Wish, opened: Opened) -> KnownHere | None:
    async with opened() as begin:
        return await LookUpKnown(begin)(wish.organization)


def _to_be_made(wish: Wish) -> Organization:
    if wish.create is None:
        raise Ends(NOT_DONE, "There is no such organization. With --create ZONE it is made.")
    if wish.school_id is None:
        raise Ends(NOT_DONE, "There is no such organization; it can be made by the school system's id only.")
    try:
        ZoneInfo(wish.create)
    except (ValueError, OSError, LookupError):
        raise Ends(NOT_DONE, "There is no such time zone: name one as «Europe/Moscow».") from None
    return Organization(school_id=wish.school_id, name=wish.school_id, time_zone=wish.create)


def _read(wish: Wish, known: KnownHere | None, console: Console) -> Bundle:
    console.tell(f"Reading {wish.path} …")
    begun = time.monotonic()
    nothing = frozenset[str]()
    stated = Known(
        people=known.people if known else nothing,
        classes=known.classes if known else nothing,
        courses=known.courses if known else nothing,
        organization=known.school_id if known else wish.school_id or "",
    )
    bundle = read_bundle(wish.path, stated)
    parts = [(word, getattr(bundle, kind)) for kind, word in _ROWS.items()]
    counts = [f"{len(part.rows):,} {word}" for word, part in parts if part.mode is not Mode.ABSENT]
    console.tell(f"Read {', '.join(counts) or 'nothing'} in {time.monotonic() - begun:.1f} s.")
    return bundle


async def _plan(wish: Wish, opened: Opened, bundle: Bundle, new: Organization | None) -> Plan:
    async with opened() as begin:
        return await PlanRosterImport(begin, wish.max_removal)(wish.organization, bundle, new=new)


async def _apply(wish: Wish, opened: Opened, bundle: Bundle, plan: Plan, new: Organization | None) -> None:
    async with opened() as begin:
        if new is not None:
            found = FoundOrganization(begin)
            await found(school_id=new.school_id, name=new.name, time_zone=new.time_zone)
        apply = ApplyRosterImport(begin, wish.max_removal)
        try:
            await apply(wish.organization, bundle, plan, allow_removals=wish.allow_removals)
        except (PlanChanged, ConcurrentChange, TooManyRemovals):
            raise Ends(NOT_DONE, "Something else changed meanwhile. Nothing was applied: run it again.") from None


def _changed(plan: Plan) -> list[tuple[str, tuple[object, ...]]]:
    lists = [(label, getattr(plan.changes, name)) for name, label in LABELS.items()]
    return [(label, ids) for label, ids in lists if ids]


def _described(plan: Plan, bundle: Bundle, *, names: bool) -> Iterator[str]:
    changed = _changed(plan)
    if changed:
        width = max(len(label) for label, _ in changed)
        digits = max(len(f"{len(ids):,}") for _, ids in changed)
        for label, ids in changed:
            yield f"{label:{width}}  {len(ids):>{digits},}"
            if names:
                yield from (f"    {name}" for name in sorted(map(_Names(plan), ids), key=natural_key))
    else:
        yield "Nothing is to be changed."
    if day := next_change(plan.register, plan.day):
        yield f"More begins or ends by itself, next on {day}."
    for what, count in sorted(bundle.unused.items()):
        yield f"Left aside: {count:,} {what}."


class _Names:
    """What people call whatever is in a list of a plan's changes."""

    def __init__(self, plan: Plan) -> None:
        wanted = plan.wanted
        self._names: dict[object, str] = {
            id: f"{person.name.full} ({person.person_id})" for id, person in wanted.people.items()
        }
        self._names |= {id: f"{each.name} ({each.school_id})" for id, each in wanted.classes.items()}
        self._names |= {id: f"{each.name} ({each.school_id})" for id, each in wanted.groups.items()}

    def __call__(self, one: object) -> str:
        # A tie is its two people, a role its holder and its name.
        parts = one if isinstance(one, tuple) else (one,)
        return " — ".join(self._names.get(part, str(part)) for part in parts)


def _refusal(removals: tuple[Removal, ...], max_removal: int) -> Iterator[str]:
    for each in removals:
        ended = f"{each.ended:,} of {each.present:,} {_KINDS[each.kind]}"
        yield f"Refused: it would end {ended}, more than {max_removal} %."
    if removals:
        yield "With --allow-removals it is applied all the same. Nothing was changed."
