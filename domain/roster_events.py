"""What the school system tells, one by one, and how each changes the roster's facts (ROSTER-01)."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from domain.chat import ChatKind, ClassChat, ParentsChat, SubjectChat, TeachersChat
from domain.ids import ClassId, GroupId, ParticipantId, PersonId, class_id, group_id
from domain.participant import Name, Participant, PositionKind
from domain.roster import Roster, SchoolClass, StudyGroup


class EventImpossible(Exception):
    """The event names something that the roster does not know, or contradicts it; the message says which."""


@dataclass(frozen=True, slots=True)
class PersonSaved:
    """A person is known under this name."""

    person: PersonId
    name: Name


@dataclass(frozen=True, slots=True)
class PersonBlocked:
    """The person's account in the school system is blocked."""

    person: PersonId


@dataclass(frozen=True, slots=True)
class PersonUnblocked:
    """The person's account in the school system works again."""

    person: PersonId


@dataclass(frozen=True, slots=True)
class ClassSaved:
    """A class is known under this name; a closed one is open again."""

    school_id: str
    name: str


@dataclass(frozen=True, slots=True)
class ClassClosed:
    """A class is no more; whoever is still enrolled in it is a pupil again only in another, or when it opens again."""

    school_id: str


@dataclass(frozen=True, slots=True)
class ClassTeacherSet:
    """The class has this class teacher, or none."""

    school_id: str
    teacher: PersonId | None


@dataclass(frozen=True, slots=True)
class PupilEnrolled:
    """A person becomes a pupil of a class."""

    person: PersonId
    class_school_id: str


@dataclass(frozen=True, slots=True)
class PupilTransferred:
    """A pupil goes to another class."""

    person: PersonId
    class_school_id: str


@dataclass(frozen=True, slots=True)
class PupilExpelled:
    """A person is no pupil any more."""

    person: PersonId


@dataclass(frozen=True, slots=True)
class EmployeeHired:
    """A person works here, in these positions."""

    person: PersonId
    positions: tuple[PositionKind, ...]


@dataclass(frozen=True, slots=True)
class EmployeePositionsChanged:
    """An employee's positions are now these."""

    person: PersonId
    positions: tuple[PositionKind, ...]


@dataclass(frozen=True, slots=True)
class EmployeeDismissed:
    """A person works here no more."""

    person: PersonId


@dataclass(frozen=True, slots=True)
class ParentTied:
    """A person is a parent of a pupil."""

    parent: PersonId
    pupil: PersonId


@dataclass(frozen=True, slots=True)
class ParentUntied:
    """A person is not a parent of that pupil any more."""

    parent: PersonId
    pupil: PersonId


@dataclass(frozen=True, slots=True)
class GroupSaved:
    """A study group has this name, subject, pupils and teachers; a closed one is open again."""

    school_id: str
    name: str
    subject: str
    pupils: frozenset[PersonId]
    teachers: tuple[PersonId, ...]


@dataclass(frozen=True, slots=True)
class GroupClosed:
    """A study group is no more."""

    school_id: str


@dataclass(frozen=True, slots=True)
class RoleGranted:
    """A person holds a role in the organization."""

    person: PersonId
    role: str


@dataclass(frozen=True, slots=True)
class RoleWithdrawn:
    """A person holds a role no more."""

    person: PersonId
    role: str


RosterEvent = (
    PersonSaved | PersonBlocked | PersonUnblocked | ClassSaved | ClassClosed | ClassTeacherSet
    | PupilEnrolled | PupilTransferred | PupilExpelled | EmployeeHired | EmployeePositionsChanged | EmployeeDismissed
    | ParentTied | ParentUntied | GroupSaved | GroupClosed | RoleGranted | RoleWithdrawn
)  # fmt: skip

_NOT_OF_THE_ROSTER = {"SUPERADMINISTRATOR", "CHAT_ADMINISTRATOR"}
"""The first is a claim of the token, the second a choice of the organization's settings (RIGHT-02)."""

Touched = frozenset[ChatKind]
"""The chats whose members may be others after an event, named by what they follow."""


def apply(roster: Roster, event: RosterEvent) -> Touched:
    """Changes the facts by one event and says which chats to look at again. One that holds already changes nothing.

    Raises:
        EventImpossible: the event names what the roster does not know, or contradicts it.
    """
    match event:
        case PersonSaved(person, name):
            known = roster.people.get(roster.participant_id(person))
            blocked = known.blocked if known else False
            participant = Participant(roster.organization_id, person, name, blocked)
            roster.people[participant.id] = participant
            return frozenset()
        case PersonBlocked(person) | PersonUnblocked(person):
            known_person = roster.people[_person(roster, person)]
            roster.people[known_person.id] = replace(known_person, blocked=isinstance(event, PersonBlocked))
            return frozenset()
        case ClassSaved() | ClassClosed() | ClassTeacherSet():
            return _apply_to_class(roster, event)
        case PupilEnrolled() | PupilTransferred() | PupilExpelled():
            return _apply_to_pupil(roster, event)
        case EmployeeHired(person, positions) | EmployeePositionsChanged(person, positions):
            employee = _person(roster, person)
            if isinstance(event, EmployeePositionsChanged) and employee not in roster.positions:
                raise EventImpossible(f"the person {person} is not an employee: hire them first")
            roster.positions[employee] = positions
            return _chats_of_employee(roster, employee)
        case EmployeeDismissed(person):
            employee = _person(roster, person)
            roster.positions.pop(employee, None)
            return _chats_of_employee(roster, employee)
        case ParentTied(parent, pupil):
            tie = _person(roster, parent), _person(roster, pupil)
            if tie[0] == tie[1]:
                raise EventImpossible(f"the person {parent} is not their own parent")
            roster.ties.add(tie)
            return _parents_chats(roster, [tie[1]])
        case ParentUntied(parent, pupil):
            tie = _person(roster, parent), _person(roster, pupil)
            roster.ties.discard(tie)
            return _parents_chats(roster, [tie[1]])
        case GroupSaved(school_id, name, subject, pupils, teachers):
            members = frozenset(_person(roster, pupil) for pupil in pupils)
            leaders = tuple(dict.fromkeys(_person(roster, teacher) for teacher in teachers))
            group = StudyGroup(roster.organization_id, school_id, name, subject, members, leaders)
            roster.groups[group.id] = group
            return frozenset({SubjectChat(group.id)})
        case GroupClosed(school_id):
            id = _group(roster, school_id)
            roster.groups[id] = replace(roster.groups[id], closed=True)
            return frozenset({SubjectChat(id)})
        case RoleGranted(person, role):
            if role in _NOT_OF_THE_ROSTER:
                raise EventImpossible(f"the role {role} is not granted by the school system")
            roster.roles.add((_person(roster, person), role))
            return frozenset()
        case RoleWithdrawn(person, role):
            roster.roles.discard((_person(roster, person), role))
            return frozenset()


def _apply_to_class(roster: Roster, event: ClassSaved | ClassClosed | ClassTeacherSet) -> Touched:
    match event:
        case ClassSaved(school_id, name):
            saved = SchoolClass(roster.organization_id, school_id, name)
            known = roster.classes.get(saved.id)
            roster.classes[saved.id] = replace(saved, teacher=known.teacher if known else None)
            opened_again = roster.pupils_of(saved.id) if known and known.closed else frozenset()
            return _chats_of_class(saved.id).union(*(_chats_of_pupil(roster, pupil) for pupil in opened_again))
        case ClassClosed(school_id):
            id = _class(roster, school_id)
            pupils = roster.pupils_of(id)
            roster.classes[id] = replace(roster.classes[id], closed=True)
            return _chats_of_class(id).union(*(_chats_of_pupil(roster, pupil) for pupil in pupils))
        case ClassTeacherSet(school_id, person):
            id = _class(roster, school_id)
            teacher = None if person is None else _person(roster, person)
            roster.classes[id] = replace(roster.classes[id], teacher=teacher)
            return _chats_of_class(id)


def _apply_to_pupil(roster: Roster, event: PupilEnrolled | PupilTransferred | PupilExpelled) -> Touched:
    pupil = _person(roster, event.person)
    left = _chats_of_pupil(roster, pupil)
    enrolled = roster.enrolments.get(pupil)
    match event:
        case PupilExpelled():
            roster.enrolments.pop(pupil, None)
            return left
        case PupilEnrolled(person, school_id):
            wanted = _open_class(roster, school_id)
            if enrolled not in (None, wanted):
                raise EventImpossible(f"the person {person} is a pupil of another class: transfer them")
        case PupilTransferred(person, school_id):
            wanted = _open_class(roster, school_id)
            if pupil not in roster.enrolments:
                raise EventImpossible(f"the person {person} is not a pupil: enrol them first")
    roster.enrolments[pupil] = wanted
    return left | _chats_of_pupil(roster, pupil)


def _chats_of_class(id: ClassId) -> Touched:
    return frozenset({ClassChat(id), ParentsChat(id)})


def _chats_of_pupil(roster: Roster, pupil: ParticipantId) -> Touched:
    groups = frozenset[ChatKind](SubjectChat(group.id) for group in roster.groups.values() if pupil in group.pupils)
    enrolled = roster.enrolments.get(pupil)
    return groups if enrolled is None else groups | _chats_of_class(enrolled)


def _chats_of_employee(roster: Roster, employee: ParticipantId) -> Touched:
    taught = (SubjectChat(group.id) for group in roster.groups.values() if employee in group.teachers)
    led = (_chats_of_class(led.id) for led in roster.classes.values() if led.teacher == employee)
    return frozenset[ChatKind]({TeachersChat(), *taught}).union(*led)


def _parents_chats(roster: Roster, pupils: Iterable[ParticipantId]) -> Touched:
    return frozenset(ParentsChat(school_class) for school_class in roster.classes_of(list(pupils)))


def _person(roster: Roster, person: PersonId) -> ParticipantId:
    id = roster.participant_id(person)
    if id not in roster.people:
        raise EventImpossible(f"the person {person} is unknown: save them first")
    return id


def _class(roster: Roster, school_id: str) -> ClassId:
    id = class_id(roster.organization_id, school_id)
    if id not in roster.classes:
        raise EventImpossible(f"the class {school_id} is unknown: save it first")
    return id


def _open_class(roster: Roster, school_id: str) -> ClassId:
    id = _class(roster, school_id)
    if roster.classes[id].closed:
        raise EventImpossible(f"the class {school_id} is closed: save it to open it again")
    return id


def _group(roster: Roster, school_id: str) -> GroupId:
    id = group_id(roster.organization_id, school_id)
    if id not in roster.groups:
        raise EventImpossible(f"the group {school_id} is unknown: save it first")
    return id
