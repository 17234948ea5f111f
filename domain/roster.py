"""The roster: what the school system says of one organization's people, classes and groups, as plain facts."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime

from domain.ids import ClassId, GroupId, OrganizationId, ParticipantId, PersonId, class_id, group_id, participant_id
from domain.participant import ERASED, Capacity, Participant, PositionKind

ORGANIZATION_ADMINISTRATOR = "ORGANIZATION_ADMINISTRATOR"
"""The role, held by a fact of the roster, whose meta-role is Organization administrator (RIGHT-04)."""


@dataclass(frozen=True, slots=True)
class SchoolClass:
    """A class is its id in the school system, not its name (CHAT-24)."""

    organization_id: OrganizationId
    school_id: str
    name: str
    teacher: ParticipantId | None = None
    closed: bool = False

    @property
    def id(self) -> ClassId:
        """Follows from the organization and the school system's id."""
        return class_id(self.organization_id, self.school_id)


@dataclass(frozen=True, slots=True)
class StudyGroup:
    """A group studies one subject; its pupils come from one class, whole or part, or from several."""

    organization_id: OrganizationId
    school_id: str
    name: str
    subject: str
    pupils: frozenset[ParticipantId] = frozenset()
    teachers: tuple[ParticipantId, ...] = ()
    closed: bool = False

    @property
    def id(self) -> GroupId:
        """Follows from the organization and the school system's id."""
        return group_id(self.organization_id, self.school_id)


@dataclass(slots=True, eq=False)
class Roster:
    """All facts of one organization. A person may be named by a fact and have lost the capacity that it needs."""

    organization_id: OrganizationId
    people: dict[ParticipantId, Participant] = field(default_factory=dict)
    positions: dict[ParticipantId, tuple[PositionKind, ...]] = field(default_factory=dict)
    classes: dict[ClassId, SchoolClass] = field(default_factory=dict)
    groups: dict[GroupId, StudyGroup] = field(default_factory=dict)
    enrolments: dict[ParticipantId, ClassId | None] = field(default_factory=dict)
    """A pupil of the school may be in no class."""
    ties: set[tuple[ParticipantId, ParticipantId]] = field(default_factory=set)
    """(parent, pupil)"""
    roles: set[tuple[ParticipantId, str]] = field(default_factory=set)
    """(holder, name of the role)"""
    idle_since: dict[ParticipantId, datetime] = field(default_factory=dict)
    """Since when a person has no capacity (AUDIT-03)."""

    def participant_id(self, person: str) -> ParticipantId:
        """The id here of the school system's person."""
        return participant_id(self.organization_id, PersonId(person))

    def is_(self, capacity: Capacity, participant: ParticipantId) -> bool:
        """Whether the person has that capacity now; a parent is one while a child of theirs is a pupil (CHAT-32)."""
        match capacity:
            case Capacity.EMPLOYEE:
                return participant in self.positions
            case Capacity.PUPIL:
                return participant in self.enrolments and self._learns_in(self.enrolments[participant])
            case Capacity.PARENT:
                return any(parent == participant and self.is_(Capacity.PUPIL, pupil) for parent, pupil in self.ties)

    def all_as(self, capacity: Capacity) -> Collection[ParticipantId]:
        """Everybody who has that capacity now."""
        match capacity:
            case Capacity.EMPLOYEE:
                return self.positions.keys()
            case Capacity.PUPIL:
                return frozenset(pupil for pupil, of in self.enrolments.items() if self._learns_in(of))
            case Capacity.PARENT:
                pupils = self.all_as(Capacity.PUPIL)
                return frozenset(parent for parent, pupil in self.ties if pupil in pupils)

    def note_idle(self, *, at: datetime) -> None:
        """Keeps since when each person has no capacity. Idempotent."""
        busy = set[ParticipantId]().union(*(self.all_as(capacity) for capacity in Capacity))
        self.idle_since = {
            id: self.idle_since.get(id, at)
            for id, person in self.people.items()
            if id not in busy and person.name != ERASED
        }

    def erase(self, participant: ParticipantId) -> None:
        """Somebody without a capacity is forgotten: the id stays, with neither name nor ties nor roles (AUDIT-03)."""
        self.people[participant] = replace(self.people[participant], name=ERASED, blocked=False)
        self.idle_since.pop(participant, None)
        self.ties = {tie for tie in self.ties if participant not in tie}
        self.roles = {(holder, role) for holder, role in self.roles if holder != participant}
        self.enrolments.pop(participant, None)
        for school_class in list(self.classes.values()):
            if school_class.teacher == participant:
                self.classes[school_class.id] = replace(school_class, teacher=None)
        for group in list(self.groups.values()):
            if participant in group.pupils or participant in group.teachers:
                teachers = tuple(teacher for teacher in group.teachers if teacher != participant)
                self.groups[group.id] = replace(group, pupils=group.pupils - {participant}, teachers=teachers)

    def classes_of(self, pupils: Collection[ParticipantId]) -> frozenset[ClassId]:
        """The classes in which the pupils are enrolled."""
        found = (self.enrolments.get(pupil) for pupil in pupils)
        return frozenset(school_class for school_class in found if school_class is not None)

    def pupils_of(self, school_class: ClassId) -> frozenset[ParticipantId]:
        """The pupils enrolled in the class."""
        return frozenset(pupil for pupil, of in self.enrolments.items() if of == school_class)

    def administrators(self) -> frozenset[ParticipantId]:
        """The «Администраторы» registry (RIGHT-02).

        Employees, not blocked, with a position of kind ADMINISTRATION or the meta-role Organization administrator.
        """
        return frozenset(
            employee
            for employee, positions in self.positions.items()
            if not self.people[employee].blocked
            and (PositionKind.ADMINISTRATION in positions or (employee, ORGANIZATION_ADMINISTRATOR) in self.roles)
        )

    def _learns_in(self, school_class: ClassId | None) -> bool:
        return school_class is None or not self.classes[school_class].closed
