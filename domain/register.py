"""What a school's bundles state, row by row and with its days, and the facts that follow for a day (ROSTER-02)."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from enum import StrEnum
from typing import Generic, TypeVar
from zoneinfo import ZoneInfo

from domain.ids import ClassId, OrganizationId, ParticipantId, PersonId, class_id, participant_id
from domain.participant import Name, Participant, PositionKind
from domain.roster import ORGANIZATION_ADMINISTRATOR, Roster, SchoolClass, StudyGroup


@dataclass(frozen=True, slots=True)
class Days:
    """From `begins` up to, and not on, `ends`; without one of them, for ever on that side."""

    begins: date | None = None
    ends: date | None = None

    def hold(self, day: date) -> bool:
        """Whether the statement counts on that day."""
        return (self.begins is None or self.begins <= day) and (self.ends is None or day < self.ends)


ALWAYS = Days()


class RoleKind(StrEnum):
    """As what a person is at the school."""

    STAFF = "STAFF"
    PUPIL = "PUPIL"
    PARENT = "PARENT"


@dataclass(frozen=True, slots=True)
class StatedPerson:
    """A person; `agents` are those whom the bundle names as their agents, in either direction of a tie."""

    name: Name
    blocked: bool = False
    agents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StatedRole:
    """A person is staff (in this kind of position, maybe administering the organization), a pupil or a parent."""

    person: str
    kind: RoleKind
    position: PositionKind | None = None
    administers: bool = False
    days: Days = ALWAYS


@dataclass(frozen=True, slots=True)
class StatedCourse:
    """A course, whose title is the subject of its study groups."""

    title: str


@dataclass(frozen=True, slots=True)
class StatedClass:
    """A homeroom is a class, any other one a study group; `subject` is what its own row calls it, if anything."""

    name: str
    homeroom: bool
    course: str | None = None
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class StatedPlace:
    """A person learns or teaches in a class or study group; of several teachers the primary one leads."""

    of: str
    person: str
    teaches: bool
    primary: bool = False
    days: Days = ALWAYS


class Mode(StrEnum):
    """What a file of a bundle means for rows that it has not."""

    BULK = "BULK"
    DELTA = "DELTA"
    ABSENT = "ABSENT"


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Part(Generic[T]):
    """One kind of rows of a bundle by their ids; `ended` are those that it says are no more."""

    mode: Mode = Mode.ABSENT
    rows: Mapping[str, T] = field(default_factory=dict)
    ended: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Bundle:
    """All that one bundle states of one organization. `unused` counts what was left aside, by a sentence for people.

    In version 1.1 a user's row states the person and the one role, whose id is then the user's; both parts have the
    mode of the users' file.
    """

    people: Part[StatedPerson] = field(default_factory=Part)
    roles: Part[StatedRole] = field(default_factory=Part)
    courses: Part[StatedCourse] = field(default_factory=Part)
    classes: Part[StatedClass] = field(default_factory=Part)
    places: Part[StatedPlace] = field(default_factory=Part)
    unused: Counter[str] = field(default_factory=Counter)
    organization_name: str | None = None
    """As the bundle calls the organization, where it does."""


@dataclass(slots=True, eq=False)
class Register:
    """Every row that the bundles so far leave standing, by kind and id. A row may name one that is no more."""

    people: dict[str, StatedPerson] = field(default_factory=dict)
    roles: dict[str, StatedRole] = field(default_factory=dict)
    courses: dict[str, StatedCourse] = field(default_factory=dict)
    classes: dict[str, StatedClass] = field(default_factory=dict)
    places: dict[str, StatedPlace] = field(default_factory=dict)

    def forget(self, person: str) -> None:
        """Drops every row of a person (AUDIT-03)."""
        self.people.pop(person, None)
        self.roles = {id: role for id, role in self.roles.items() if role.person != person}
        self.places = {id: place for id, place in self.places.items() if place.person != person}

    def take(self, bundle: Bundle) -> None:
        """A bulk part replaces its kind, a delta part changes and ends the rows that it has."""
        _take(self.people, bundle.people)
        _take(self.roles, bundle.roles)
        _take(self.courses, bundle.courses)
        _take(self.classes, bundle.classes)
        _take(self.places, bundle.places)

    def adopt(self, roster: Roster, bundle: Bundle) -> None:
        """Whom and what the bundle names that only single events told of so far gets a row of its own."""
        organization = roster.organization_id
        named = {role.person for role in bundle.roles.rows.values()} | {
            place.person for place in bundle.places.rows.values()
        }
        for person in named - self.people.keys():
            if known := roster.people.get(participant_id(organization, PersonId(person))):
                self.people[person] = StatedPerson(known.name, known.blocked)
        wanted = {place.of for place in bundle.places.rows.values()} - self.classes.keys()
        for school_class in roster.classes.values():
            if school_class.school_id in wanted and not school_class.closed:
                self.classes[school_class.school_id] = StatedClass(school_class.name, homeroom=True)
        for group in roster.groups.values():
            if group.school_id in wanted - self.classes.keys() and not group.closed:
                self.classes[group.school_id] = StatedClass(group.name, homeroom=False, subject=group.subject)


def _take(rows: dict[str, T], part: Part[T]) -> None:
    match part.mode:
        case Mode.BULK:
            rows.clear()
            rows.update(part.rows)
        case Mode.DELTA:
            rows.update(part.rows)
            for id in part.ended:
                rows.pop(id, None)
        case Mode.ABSENT:
            pass


def next_change(register: Register, after: date) -> date | None:
    """The first later day on which something that is stated begins or ends."""
    stated = {role.days for role in register.roles.values()} | {place.days for place in register.places.values()}
    turns = (day for days in stated for day in (days.begins, days.ends) if day is not None and day > after)
    return min(turns, default=None)


def day_at(at: datetime, time_zone: str) -> date:
    """Which day it is there."""
    return at.astimezone(ZoneInfo(time_zone)).date()


def midnight(day: date, time_zone: str) -> datetime:
    """When the day begins there; the first time, where clocks are put back over midnight."""
    return datetime.combine(day, time(), tzinfo=ZoneInfo(time_zone)).astimezone(UTC)


def facts_on(register: Register, organization: OrganizationId, day: date) -> Roster:
    """What the rows say of that day, and nothing that other sources said.

    Of the people those who ever have a role or a place; their other capacities only while they last.
    """
    return _Facts(register, organization, day).roster()


class _Facts:
    """The rows that hold on one day, sorted by what they are about."""

    def __init__(self, register: Register, organization: OrganizationId, day: date) -> None:
        self._register = register
        self._organization = organization
        self._ids = {person: participant_id(organization, PersonId(person)) for person in register.people}
        self._roles = [role for role in register.roles.values() if role.person in self._ids]
        self._roles_now = [role for role in self._roles if role.days.hold(day)]
        places = [
            place for place in register.places.values() if place.person in self._ids and place.of in register.classes
        ]
        self._placed = {place.person for place in places}
        self._learning: defaultdict[str, list[StatedPlace]] = defaultdict(list)
        self._teaching: defaultdict[str, list[StatedPlace]] = defaultdict(list)
        for place in places:
            if place.days.hold(day):
                (self._teaching if place.teaches else self._learning)[place.of].append(place)

    def roster(self) -> Roster:
        roster = Roster(self._organization)
        used = self._placed | {role.person for role in self._roles}
        for person, stated in self._register.people.items():
            if person in used:
                known = Participant(self._organization, PersonId(person), stated.name, stated.blocked)
                roster.people[self._ids[person]] = known
        self._add_staff(roster)
        self._add_pupils(roster)
        roster.ties = set(self._ties())
        for id, stated_class in self._register.classes.items():
            if stated_class.homeroom:
                teacher = self._class_teacher(id)
                school_class = SchoolClass(self._organization, id, stated_class.name, teacher)
                roster.classes[school_class.id] = school_class
            else:
                group = self._group(id, stated_class)
                roster.groups[group.id] = group
        return roster

    def _add_staff(self, roster: Roster) -> None:
        positions: defaultdict[ParticipantId, set[PositionKind]] = defaultdict(set)
        for role in self._roles_now:
            if role.kind is RoleKind.STAFF:
                positions[self._ids[role.person]].add(role.position or PositionKind.OTHER)
            if role.administers:
                roster.roles.add((self._ids[role.person], ORGANIZATION_ADMINISTRATOR))
        roster.positions = {
            id: tuple(kind for kind in PositionKind if kind in kinds) for id, kinds in positions.items()
        }

    def _add_pupils(self, roster: Roster) -> None:
        for role in self._roles_now:
            if role.kind is RoleKind.PUPIL:
                roster.enrolments[self._ids[role.person]] = None
        homerooms: defaultdict[str, list[StatedPlace]] = defaultdict(list)
        for id, places in self._learning.items():
            if self._register.classes[id].homeroom:
                for place in places:
                    homerooms[place.person].append(place)
        for person, places in homerooms.items():
            # Of several the primary one, of several the one begun last.
            first = min(places, key=lambda place: (not place.primary, -_ordinal(place.days.begins), place.of))
            roster.enrolments[self._ids[person]] = self._class(first.of)

    def _ties(self) -> Iterator[tuple[ParticipantId, ParticipantId]]:
        """(parent, pupil), whatever the day: a tie to somebody who is no pupil now gives no capacity."""
        pupils = {role.person for role in self._roles if role.kind is RoleKind.PUPIL}
        parents = {role.person for role in self._roles if role.kind is RoleKind.PARENT}
        for person, stated in self._register.people.items():
            for agent in stated.agents:
                for parent, pupil in ((agent, person), (person, agent)):
                    if parent in parents and pupil in pupils and parent != pupil:
                        yield self._ids[parent], self._ids[pupil]

    def _class_teacher(self, id: str) -> ParticipantId | None:
        primary = {place.person for place in self._teaching[id] if place.primary}
        teachers = primary or {place.person for place in self._teaching[id]}
        return self._ids[min(teachers)] if len(teachers) == 1 or primary else None

    def _group(self, id: str, stated: StatedClass) -> StudyGroup:
        course = self._register.courses.get(stated.course) if stated.course is not None else None
        leading = {place.person for place in self._teaching[id] if place.primary}
        teachers = sorted({place.person for place in self._teaching[id]}, key=lambda who: (who not in leading, who))
        return StudyGroup(
            self._organization,
            id,
            stated.name,
            (course.title if course else None) or stated.subject or stated.name,
            frozenset(self._ids[place.person] for place in self._learning[id]),
            tuple(self._ids[teacher] for teacher in teachers),
        )

    def _class(self, id: str) -> ClassId:
        return class_id(self._organization, id)


def _ordinal(day: date | None) -> int:
    return 0 if day is None else day.toordinal()
