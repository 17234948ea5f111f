"""What a bundle, or the turn of a day, makes of an organization's roster, and what that changes (ROSTER-02)."""

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import TypeVar
from uuid import UUID

from domain.ids import ClassId, GroupId, ParticipantId
from domain.ordering import class_sort_key, natural_key
from domain.participant import Capacity, Participant, PositionKind
from domain.register import Bundle, Mode
from domain.roster import ORGANIZATION_ADMINISTRATOR, Roster, SchoolClass, StudyGroup

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
Id = TypeVar("Id", bound=UUID)

LEAST_REMOVALS_REFUSED = 11
"""Fewer are let pass, whatever their share."""


@dataclass(frozen=True, slots=True)
class Stated:
    """Which kinds of rows were stated in full, and the school system's ids of classes and groups named as open."""

    people: bool = False
    roles: bool = False
    courses: bool = False
    classes: bool = False
    places: bool = False
    open: frozenset[str] = frozenset()


NOTHING_STATED = Stated()
"""As when only the day has turned."""


def stated_by(bundle: Bundle) -> Stated:
    """What the bundle states in full."""
    return Stated(
        people=bundle.people.mode is Mode.BULK,
        roles=bundle.roles.mode is Mode.BULK,
        courses=bundle.courses.mode is Mode.BULK,
        classes=bundle.classes.mode is Mode.BULK,
        places=bundle.places.mode is Mode.BULK,
        open=frozenset(bundle.classes.rows),
    )


def desired(current: Roster, before: Roster, after: Roster, stated: Stated) -> Roster:
    """The roster as it is to be, `current` stays as it is.

    `before` and `after` are the facts that followed, and now follow, from the register. What is stated in full is
    exactly as it is after; of the rest only what differs between the two changes, so that what single events told
    meanwhile stays. Nobody is forgotten, and other roles than Organization administrator are let alone.
    """
    wanted = Roster(current.organization_id, idle_since=dict(current.idle_since))
    wanted.people = _people(current, before, after, stated)
    missing = current.people.keys() - after.people.keys() if stated.people else frozenset[ParticipantId]()
    wanted.positions = _without(missing, _positions(current, before, after, stated))
    wanted.classes = _classes(current, before, after, stated)
    wanted.enrolments = _without(missing, _enrolments(current, before, after, stated))
    wanted.ties = set(after.ties) if stated.people else _moved(current.ties, before.ties, after.ties)
    wanted.roles = _roles(current, before, after, stated, missing)
    wanted.groups = _groups(current, before, after, stated)
    return wanted


def _people(current: Roster, before: Roster, after: Roster, stated: Stated) -> dict[ParticipantId, Participant]:
    people = dict(current.people)
    for id, person in after.people.items():
        known, was = people.get(id), before.people.get(id)
        if known is None or stated.people or was is None:
            people[id] = person
        else:
            people[id] = replace(
                known,
                name=_moved_value(known.name, was.name, person.name),
                blocked=_moved_value(known.blocked, was.blocked, person.blocked),
            )
    return people


def _positions(
    current: Roster, before: Roster, after: Roster, stated: Stated
) -> dict[ParticipantId, tuple[PositionKind, ...]]:
    positions = {} if stated.roles else dict(current.positions)
    for id in before.positions.keys() | after.positions.keys():
        was, now = before.positions.get(id, ()), after.positions.get(id, ())
        known = current.positions.get(id, ())
        kinds = now if stated.roles else _moved_order(known, was, now)
        if kinds:
            # The same kinds in another order are the same positions.
            positions[id] = known if set(known) == set(kinds) else kinds
        elif was != now:
            positions.pop(id, None)
    return positions


def _enrolments(current: Roster, before: Roster, after: Roster, stated: Stated) -> dict[ParticipantId, ClassId | None]:
    known, was, now = current.enrolments, before.enrolments, after.enrolments

    def is_pupil(id: ParticipantId) -> bool:
        if stated.roles or (stated.places and now.get(id) is not None):
            return id in now
        if stated.places:
            # The roles alone say so, or only single events did, and then they are in no class any more.
            return id in now and (id in known or id not in was)
        return id in now if (id in now) != (id in was) else id in known

    def school_class(id: ParticipantId) -> ClassId | None:
        keeps = not stated.places and id in known and was.get(id) == now.get(id)
        return known[id] if keeps else now.get(id)

    return {id: school_class(id) for id in dict.fromkeys((*known, *now)) if is_pupil(id)}


def _roles(
    current: Roster, before: Roster, after: Roster, stated: Stated, missing: Collection[ParticipantId]
) -> set[tuple[ParticipantId, str]]:
    moved = after.roles if stated.roles else _moved(current.roles, before.roles, after.roles)
    return {grant for grant in current.roles if grant[1] != ORGANIZATION_ADMINISTRATOR} | {
        (holder, role) for holder, role in moved if role == ORGANIZATION_ADMINISTRATOR and holder not in missing
    }


def _classes(current: Roster, before: Roster, after: Roster, stated: Stated) -> dict[ClassId, SchoolClass]:
    classes = dict(current.classes)
    for id, known in current.classes.items():
        now, was = after.classes.get(id), before.classes.get(id)
        if now is not None:
            known = _class(known, was, now, stated)
        is_open = _is_open(known.school_id, not known.closed, was is not None, now is not None, stated)
        classes[id] = replace(known, closed=not is_open)
    # In an order of their own, whatever the order of the rows: the chats will be listed in it.
    new = [school_class for id, school_class in after.classes.items() if id not in classes]
    for school_class in sorted(new, key=lambda each: (class_sort_key(each.name), each.school_id)):
        classes[school_class.id] = school_class
    return classes


def _class(known: SchoolClass, was: SchoolClass | None, now: SchoolClass, stated: Stated) -> SchoolClass:
    if was is None:
        was = replace(now, teacher=None)
        known = replace(known, name=now.name)
    return replace(
        known,
        name=now.name if stated.classes else _moved_value(known.name, was.name, now.name),
        teacher=now.teacher if stated.places else _moved_value(known.teacher, was.teacher, now.teacher),
    )


def _groups(current: Roster, before: Roster, after: Roster, stated: Stated) -> dict[GroupId, StudyGroup]:
    groups = dict(current.groups)
    for id, known in current.groups.items():
        now, was = after.groups.get(id), before.groups.get(id)
        if now is not None:
            known = _group(known, was, now, stated)
        is_open = _is_open(known.school_id, not known.closed, was is not None, now is not None, stated)
        groups[id] = replace(known, closed=not is_open)
    new = [group for id, group in after.groups.items() if id not in groups]
    for group in sorted(new, key=lambda each: (natural_key(each.name), each.school_id)):
        groups[group.id] = group
    return groups


def _group(known: StudyGroup, was: StudyGroup | None, now: StudyGroup, stated: Stated) -> StudyGroup:
    if was is None:
        was = replace(now, pupils=frozenset(), teachers=())
        known = replace(known, name=now.name, subject=now.subject)
    in_full = stated.courses or stated.classes
    return replace(
        known,
        name=now.name if stated.classes else _moved_value(known.name, was.name, now.name),
        subject=now.subject if in_full else _moved_value(known.subject, was.subject, now.subject),
        pupils=now.pupils if stated.places else frozenset(_moved(known.pupils, was.pupils, now.pupils)),
        teachers=now.teachers if stated.places else _moved_order(known.teachers, was.teachers, now.teachers),
    )


def _is_open(school_id: str, known: bool, was: bool, now: bool, stated: Stated) -> bool:
    if stated.classes or was != now:
        return now
    return known or (now and school_id in stated.open)


def _moved(known: Collection[K], was: Collection[K], now: Collection[K]) -> set[K]:
    gone = set(was) - set(now)
    return (set(known) - gone) | (set(now) - set(was))


def _moved_order(known: tuple[K, ...], was: tuple[K, ...], now: tuple[K, ...]) -> tuple[K, ...]:
    """In the order of `now`; what only single events added stays behind it."""
    if known == was:
        return now
    kept = _moved(known, was, now)
    return tuple(dict.fromkeys((*(one for one in now if one in kept), *(one for one in known if one in kept))))


def _moved_value(known: V, was: V, now: V) -> V:
    return known if was == now else now


def _without(missing: Collection[K], facts: dict[K, V]) -> dict[K, V]:
    return {key: value for key, value in facts.items() if key not in missing} if missing else facts


Pairs = tuple[tuple[ParticipantId, ParticipantId], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterChanges:
    """What differs between two rosters of one organization, each list in the order of the ids."""

    people_new: tuple[ParticipantId, ...] = ()
    people_renamed: tuple[ParticipantId, ...] = ()
    people_blocked: tuple[ParticipantId, ...] = ()
    people_unblocked: tuple[ParticipantId, ...] = ()
    hired: tuple[ParticipantId, ...] = ()
    dismissed: tuple[ParticipantId, ...] = ()
    positions_changed: tuple[ParticipantId, ...] = ()
    enrolled: tuple[ParticipantId, ...] = ()
    transferred: tuple[ParticipantId, ...] = ()
    expelled: tuple[ParticipantId, ...] = ()
    ties_made: Pairs = ()
    """(parent, pupil)"""
    ties_ended: Pairs = ()
    classes_opened: tuple[ClassId, ...] = ()
    classes_renamed: tuple[ClassId, ...] = ()
    classes_closed: tuple[ClassId, ...] = ()
    class_teachers_changed: tuple[ClassId, ...] = ()
    groups_opened: tuple[GroupId, ...] = ()
    groups_changed: tuple[GroupId, ...] = ()
    groups_closed: tuple[GroupId, ...] = ()
    roles_granted: tuple[tuple[ParticipantId, str], ...] = ()
    """(holder, name of the role)"""
    roles_withdrawn: tuple[tuple[ParticipantId, str], ...] = ()

    @property
    def nothing(self) -> bool:
        """Whether the two are the same."""
        return not any(getattr(self, field.name) for field in fields(self))


def changes(current: Roster, wanted: Roster) -> RosterChanges:
    """What is to be told, and to be done, to make `current` the roster that is wanted."""
    was, now = current, wanted
    known = was.people.keys() & now.people.keys()
    open_classes = {id for id, each in was.classes.items() if not each.closed}
    open_groups = {id for id, each in was.groups.items() if not each.closed}
    wanted_classes = {id for id, each in now.classes.items() if not each.closed}
    wanted_groups = {id for id, each in now.groups.items() if not each.closed}
    blocked = {id for id, each in was.people.items() if each.blocked}
    wanted_blocked = {id for id, each in now.people.items() if each.blocked}
    return RosterChanges(
        people_new=_sorted(now.people.keys() - was.people.keys()),
        people_renamed=_sorted(id for id in known if was.people[id].name != now.people[id].name),
        people_blocked=_sorted(wanted_blocked - blocked),
        people_unblocked=_sorted(blocked - wanted_blocked),
        hired=_sorted(now.positions.keys() - was.positions.keys()),
        dismissed=_sorted(was.positions.keys() - now.positions.keys()),
        positions_changed=_sorted(_differing(was.positions, now.positions)),
        enrolled=_sorted(now.enrolments.keys() - was.enrolments.keys()),
        transferred=_sorted(_differing(was.enrolments, now.enrolments)),
        expelled=_sorted(was.enrolments.keys() - now.enrolments.keys()),
        ties_made=tuple(sorted(now.ties - was.ties)),
        ties_ended=tuple(sorted(was.ties - now.ties)),
        classes_opened=_sorted(wanted_classes - open_classes),
        classes_renamed=_sorted(id for id in was.classes if was.classes[id].name != now.classes[id].name),
        classes_closed=_sorted(open_classes - wanted_classes),
        class_teachers_changed=_sorted(id for id in was.classes if was.classes[id].teacher != now.classes[id].teacher),
        groups_opened=_sorted(wanted_groups - open_groups),
        groups_changed=_sorted(
            id
            for id, each in was.groups.items()
            if replace(each, closed=False) != replace(now.groups[id], closed=False)
        ),
        groups_closed=_sorted(open_groups - wanted_groups),
        roles_granted=tuple(sorted(now.roles - was.roles)),
        roles_withdrawn=tuple(sorted(was.roles - now.roles)),
    )


def _sorted(ids: Iterable[Id]) -> tuple[Id, ...]:
    return tuple(sorted(ids))


def _differing(was: Mapping[K, V], now: Mapping[K, V]) -> Iterator[K]:
    return (id for id in was.keys() & now.keys() if was[id] != now[id])


class Kind(StrEnum):
    """Of what a bundle may not end too many at once."""

    PUPILS = "PUPILS"
    EMPLOYEES = "EMPLOYEES"
    CLASSES = "CLASSES"
    GROUPS = "GROUPS"


@dataclass(frozen=True, slots=True)
class Removal:
    """So many of those that are present would be no more."""

    kind: Kind
    ended: int
    present: int


def too_many_removals(current: Roster, wanted: Roster, *, percent: int) -> tuple[Removal, ...]:
    """Each kind of which more than 10 and more than that share would end (ROSTER-02)."""

    def present(roster: Roster) -> dict[Kind, Collection[UUID]]:
        return {
            Kind.PUPILS: roster.all_as(Capacity.PUPIL),
            Kind.EMPLOYEES: roster.all_as(Capacity.EMPLOYEE),
            Kind.CLASSES: [id for id, each in roster.classes.items() if not each.closed],
            Kind.GROUPS: [id for id, each in roster.groups.items() if not each.closed],
        }

    left = present(wanted)
    removals = (
        Removal(kind, len(set(those) - set(left[kind])), len(those)) for kind, those in present(current).items()
    )
    return tuple(
        each for each in removals if each.ended >= LEAST_REMOVALS_REFUSED and each.ended * 100 > percent * each.present
    )
