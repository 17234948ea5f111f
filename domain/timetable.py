"""What a file says of a timetable, and which lessons change so that it is true (ROSTER-04)."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from domain.ids import GroupId, LessonId, PersonId, group_id
from domain.lesson import Lesson
from domain.register import midnight
from domain.roster import Roster

ALWAYS_ALLOWED = 10
"""So many lessons may be cancelled whatever part of the timetable they are."""


@dataclass(frozen=True, slots=True)
class Where:
    """The line at which a lesson is stated, from 1; in iCalendar its event's UID, in CSV None."""

    line: int
    uid: str | None = None

    def fault(self, column: str, sentence: str) -> "Fault":
        """What is wrong there; iCalendar has no columns and names the event."""
        named = f"column {column}" if column else ""
        return Fault(self.line, named if self.uid is None else f"UID {self.uid}", sentence)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong in a file, at which line (from 1; 0: the whole file) and in which column or event, if any."""

    line: int
    place: str
    sentence: str


class BadTimetable(Exception):
    """The file cannot be applied; nothing of it is."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(fault.sentence for fault in faults))
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class Stated:
    """A lesson as a file states it; times are instants in UTC.

    `groups` may each name the study group, by the school system's id or by the exact name of an open group: the first
    that does counts.
    """

    key: str
    groups: tuple[str, ...]
    starts_at: datetime
    ends_at: datetime
    where: Where
    substitute: PersonId | None = None
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Timetable:
    """All that one file states. `unused` counts what was left aside, by a sentence for people."""

    stated: tuple[Stated, ...]
    unused: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Period:
    """From `begins` up to, and not on, `ends`: instants."""

    begins: datetime
    ends: datetime

    def has(self, lesson: Lesson) -> bool:
        """Whether the lesson starts in it."""
        return self.begins <= lesson.starts_at < self.ends


@dataclass(frozen=True, slots=True)
class Change:
    """A lesson as it is known and as it will be."""

    before: Lesson
    after: Lesson


@dataclass(frozen=True, slots=True)
class Changes:
    """What an import does, each in the order of the lessons' starts.

    `moved`: another time or group; `substituted`: another substitute alone; `resumed`: cancelled before, on again.
    """

    added: tuple[Lesson, ...] = ()
    moved: tuple[Change, ...] = ()
    substituted: tuple[Change, ...] = ()
    resumed: tuple[Change, ...] = ()
    cancelled: tuple[Change, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.of_known)

    @property
    def of_known(self) -> tuple[Change, ...]:
        """All that are no additions."""
        return self.moved + self.substituted + self.resumed + self.cancelled


@dataclass(frozen=True, slots=True)
class TimetablePlan:
    """The changes, and of how many lessons of the file nothing is made.

    `outside`: not in the period. `begun`: known and begun, but stated otherwise. `unknown_past`: not known, and begun
    or past. `unknown_cancelled`: not known, and cancelled. `open_before`: the groups' lessons in the period that have
    not begun and are not cancelled, before the import. `into_past`: those moved to where they are over already, which
    is as good as cancelled (CONF-22). `groups`: how many the file names. `period`: None if it has no lesson.
    """

    changes: Changes
    groups: int = 0
    period: Period | None = None
    unchanged: int = 0
    outside: int = 0
    begun: int = 0
    unknown_past: int = 0
    unknown_cancelled: int = 0
    open_before: int = 0
    into_past: int = 0

    def cancels_too_many(self, percent: int) -> bool:
        """Whether it ends more than `percent` of the lessons before, and more than ten."""
        ended = len(self.changes.cancelled) + self.into_past
        return ended > ALWAYS_ALLOWED and ended * 100 > percent * self.open_before


def lessons_of(timetable: Timetable, roster: Roster) -> list[Lesson]:
    """The stated lessons with their groups and substitutes found.

    Raises:
        BadTimetable: with every key that is stated twice, and every name of nothing or of several groups.
    """
    named: defaultdict[str, list[GroupId]] = defaultdict(list)
    for id, group in roster.groups.items():
        if not group.closed:
            named[group.name].append(id)
    found: dict[str, Lesson] = {}
    faults: list[Fault] = []
    for stated in timetable.stated:
        if stated.key in found:
            faults.append(stated.where.fault("lesson_id", f"the lesson {stated.key} is stated twice"))
        groups = next(filter(None, (_groups_called(name, roster, named) for name in stated.groups)), [])
        if len(groups) != 1:
            names = ", ".join(f"«{name}»" for name in stated.groups)
            wrong = "several study groups are called" if groups else "there is no open study group"
            faults.append(stated.where.fault("group_id", f"{wrong} {names}"))
            continue
        substitute = None if stated.substitute is None else roster.participant_id(stated.substitute)
        if substitute is not None and substitute not in roster.people:
            faults.append(stated.where.fault("substitute_id", f"the person {stated.substitute} is unknown"))
        found[stated.key] = Lesson(
            organization_id=roster.organization_id,
            school_id=stated.key,
            group_id=groups[0],
            starts_at=stated.starts_at,
            ends_at=stated.ends_at,
            substitute=substitute,
            cancelled=stated.cancelled,
        )
    if faults:
        raise BadTimetable(faults)
    return list(found.values())


def _groups_called(name: str, roster: Roster, named: Mapping[str, list[GroupId]]) -> list[GroupId]:
    by_id = group_id(roster.organization_id, name)
    group = roster.groups.get(by_id)
    return named.get(name, []) if group is None or group.closed else [by_id]


def period_of(lessons: Collection[Lesson], time_zone: str, first: date | None, last: date | None) -> Period:
    """The days of the zone from `first` to `last`, both in it; in place of None that of the lessons, which are some.

    Where `first` comes after `last`, no lesson is in it.
    """
    zone = ZoneInfo(time_zone)
    days = [lesson.starts_at.astimezone(zone).date() for lesson in lessons]
    first, last = first or min(days), last or max(days)
    return Period(midnight(first, time_zone), midnight(last + timedelta(days=1), time_zone))


def plan(stated: Sequence[Lesson], known: Iterable[Lesson], period: Period, now: datetime) -> TimetablePlan:
    """What makes the timetable true.

    `known` has every known lesson of the stated lessons' groups in the period, and every one that is itself stated.
    A statement counts if it, or the lesson as it is known, is in the period. Whatever has begun stays as it is.
    """
    before = {lesson.id: lesson for lesson in known}
    groups = {lesson.group_id for lesson in stated}
    open_before = {
        id: lesson
        for id, lesson in before.items()
        if lesson.group_id in groups and period.has(lesson) and lesson.starts_at > now and not lesson.cancelled
    }
    added: list[Lesson] = []
    changed: list[Change] = []
    counts = Counter[str]()
    for lesson in stated:
        match _step(lesson, before.get(lesson.id), period, now):
            case Lesson() as new:
                added.append(new)
            case Change() as change:
                changed.append(change)
            case left:
                counts[left] += 1
    missing = open_before.keys() - {lesson.id for lesson in stated}
    changed += [Change(before[id], replace(before[id], cancelled=True)) for id in missing]
    changes = _sorted(added, changed)
    into_past = sum(change.after.ends_at <= now for change in changes.moved)
    return TimetablePlan(changes, len(groups), period, open_before=len(open_before), into_past=into_past, **counts)


def changed_lessons(changes: Changes) -> tuple[Mapping[LessonId, Lesson], list[Lesson]]:
    """All lessons that change as they were, without the new ones, and all as they will be."""
    changed = changes.of_known
    return {change.before.id: change.before for change in changed}, [*changes.added, *(to.after for to in changed)]


def _step(stated: Lesson, known: Lesson | None, period: Period, now: datetime) -> Lesson | Change | str:
    """The lesson to add, the change to make, or the name of the count that tells why neither."""
    if not period.has(stated) and (known is None or not period.has(known)):
        return "outside"
    if known is None:
        if stated.starts_at <= now:
            return "unknown_past"
        return "unknown_cancelled" if stated.cancelled else stated
    # A lesson that is cancelled keeps the time and the group that it had.
    wanted = replace(known, cancelled=True) if stated.cancelled else stated
    if wanted == known:
        return "unchanged"
    return "begun" if known.starts_at <= now else Change(known, wanted)


def _sorted(added: Iterable[Lesson], changed: Iterable[Change]) -> Changes:
    kinds: defaultdict[str, list[Change]] = defaultdict(list)
    for change in changed:
        kinds[_kind(change)].append(change)
    return Changes(
        tuple(sorted(added, key=_order)),
        **{kind: tuple(sorted(of_kind, key=lambda change: _order(change.before))) for kind, of_kind in kinds.items()},
    )


def _kind(change: Change) -> str:
    before, after = change.before, change.after
    if after.cancelled:
        return "cancelled"
    if before.cancelled:
        return "resumed"
    same_place = (before.group_id, before.starts_at, before.ends_at) == (after.group_id, after.starts_at, after.ends_at)
    return "substituted" if same_place else "moved"


def _order(lesson: Lesson) -> tuple[datetime, str]:
    return lesson.starts_at, lesson.school_id
