"""The school system tells of its people, classes, groups and lessons, one by one (ROSTER-01)."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

import strawberry

from application.roster import LessonCancelled, LessonSaved, Told
from domain import roster_events as events
from domain.errors import ProblemCode, refuse
from domain.ids import PersonId
from domain.participant import Name, PositionKind
from graphql_api.context import Info
from graphql_api.problems import Refusal, RefusalsAsData

MOST_EVENTS = 1000


def _key() -> Any:
    return strawberry.field(description="The event's key, at most 64 characters: repeated, the event counts once.")


def _person(whom: str = "The person's id in the school system.") -> Any:
    return strawberry.field(description=whom)


def _class() -> Any:
    return strawberry.field(description="The class's id in the school system.")


def _group() -> Any:
    return strawberry.field(description="The group's id in the school system.")


def _lesson() -> Any:
    return strawberry.field(description="The lesson's id in the school system.")


@strawberry.input(description="A person.")
class PersonInput:
    """Names a person."""

    key: str = _key()
    person_id: str = _person()


@strawberry.input(description="A person and their name.")
class PersonSavedInput:
    """A person is known under this name."""

    key: str = _key()
    person_id: str = _person()
    last_name: str = strawberry.field(description="Last name.")
    first_name: str = strawberry.field(description="First name.")
    patronymic: str | None = strawberry.field(default=None, description="Patronymic, if there is one.")


@strawberry.input(description="A class and its name.")
class ClassSavedInput:
    """A class is known under this name."""

    key: str = _key()
    class_id: str = _class()
    name: str = strawberry.field(description="Its name, as «8 К».")


@strawberry.input(description="A class that is no more.")
class ClassClosedInput:
    """Names a class."""

    key: str = _key()
    class_id: str = _class()


@strawberry.input(description="A class and its class teacher.")
class ClassTeacherSetInput:
    """The class teacher, or none."""

    key: str = _key()
    class_id: str = _class()
    person_id: str | None = strawberry.field(default=None, description="The class teacher's id; left out: none.")


@strawberry.input(description="A pupil and their class.")
class PupilClassInput:
    """A pupil comes into a class."""

    key: str = _key()
    person_id: str = _person()
    class_id: str = _class()


@strawberry.input(description="An employee and their positions.")
class EmployeeInput:
    """Somebody works in these positions."""

    key: str = _key()
    person_id: str = _person()
    positions: list[PositionKind] = strawberry.field(description="The kinds of their positions, at least one.")


@strawberry.input(description="A parent and a child.")
class ParentInput:
    """A tie between two people."""

    key: str = _key()
    parent_id: str = _person("The parent's id in the school system.")
    pupil_id: str = _person("The child's id in the school system.")


@strawberry.input(description="A study group with all its people.")
class GroupSavedInput:
    """A study group is this."""

    key: str = _key()
    group_id: str = _group()
    name: str = strawberry.field(description="Its name.")
    subject: str = strawberry.field(description="The name of the subject that it studies.")
    pupil_ids: list[str] = strawberry.field(description="All its pupils' ids.")
    teacher_ids: list[str] = strawberry.field(description="All its teachers' ids, the first teacher first.")


@strawberry.input(description="A study group that is no more.")
class GroupClosedInput:
    """Names a group."""

    key: str = _key()
    group_id: str = _group()


@strawberry.input(description="A lesson of the timetable.")
class LessonSavedInput:
    """A lesson is this."""

    key: str = _key()
    lesson_id: str = _lesson()
    group_id: str = _group()
    starts_at: datetime = strawberry.field(description="When it starts.")
    ends_at: datetime = strawberry.field(description="When it ends.")
    substitute_id: str | None = strawberry.field(default=None, description="The substitute's id, if there is one.")


@strawberry.input(description="A lesson that will not be.")
class LessonCancelledInput:
    """Names a lesson."""

    key: str = _key()
    lesson_id: str = _lesson()


@strawberry.input(description="A person and a role.")
class RoleInput:
    """Somebody holds a role, or not any more."""

    key: str = _key()
    person_id: str = _person()
    role: str = strawberry.field(description="The role's name.")


def _event(description: str) -> Any:
    return strawberry.field(default=strawberry.UNSET, description=description)


@strawberry.input(one_of=True, description="One event: exactly one of these.")
class RosterEventInput:
    """Exactly one event."""

    class_saved: strawberry.Maybe[ClassSavedInput] = _event("A class is known under this name, and open.")
    class_closed: strawberry.Maybe[ClassClosedInput] = _event("A class is no more.")
    class_teacher_set: strawberry.Maybe[ClassTeacherSetInput] = _event("A class has this class teacher, or none.")
    person_saved: strawberry.Maybe[PersonSavedInput] = _event("A person is known under this name.")
    person_blocked: strawberry.Maybe[PersonInput] = _event("A person's account is blocked.")
    person_unblocked: strawberry.Maybe[PersonInput] = _event("A person's account works again.")
    pupil_enrolled: strawberry.Maybe[PupilClassInput] = _event("A person becomes a pupil of a class.")
    pupil_transferred: strawberry.Maybe[PupilClassInput] = _event("A pupil goes to another class.")
    pupil_expelled: strawberry.Maybe[PersonInput] = _event("A person is no pupil any more.")
    employee_hired: strawberry.Maybe[EmployeeInput] = _event("A person works here.")
    employee_positions_changed: strawberry.Maybe[EmployeeInput] = _event("An employee's positions are others.")
    employee_dismissed: strawberry.Maybe[PersonInput] = _event("A person works here no more.")
    parent_tied: strawberry.Maybe[ParentInput] = _event("A person is a parent of a pupil.")
    parent_untied: strawberry.Maybe[ParentInput] = _event("A person is a parent of that pupil no more.")
    group_saved: strawberry.Maybe[GroupSavedInput] = _event("A study group is this, and open.")
    group_closed: strawberry.Maybe[GroupClosedInput] = _event("A study group is no more.")
    lesson_saved: strawberry.Maybe[LessonSavedInput] = _event("A lesson is this.")
    lesson_cancelled: strawberry.Maybe[LessonCancelledInput] = _event("A lesson will not be.")
    role_granted: strawberry.Maybe[RoleInput] = _event("A person holds a role.")
    role_withdrawn: strawberry.Maybe[RoleInput] = _event("A person holds a role no more.")


# How each input becomes the event of its name.
_READ: dict[str, Callable[[Any], Any]] = {
    "class_saved": lambda it: events.ClassSaved(it.class_id, it.name),
    "class_closed": lambda it: events.ClassClosed(it.class_id),
    "class_teacher_set": lambda it: events.ClassTeacherSet(it.class_id, it.person_id and PersonId(it.person_id)),
    "person_saved": lambda it: events.PersonSaved(
        PersonId(it.person_id), Name(it.last_name.strip(), it.first_name.strip(), (it.patronymic or "").strip() or None)
    ),
    "person_blocked": lambda it: events.PersonBlocked(PersonId(it.person_id)),
    "person_unblocked": lambda it: events.PersonUnblocked(PersonId(it.person_id)),
    "pupil_enrolled": lambda it: events.PupilEnrolled(PersonId(it.person_id), it.class_id),
    "pupil_transferred": lambda it: events.PupilTransferred(PersonId(it.person_id), it.class_id),
    "pupil_expelled": lambda it: events.PupilExpelled(PersonId(it.person_id)),
    "employee_hired": lambda it: events.EmployeeHired(PersonId(it.person_id), tuple(it.positions)),
    "employee_positions_changed": lambda it: events.EmployeePositionsChanged(
        PersonId(it.person_id), tuple(it.positions)
    ),
    "employee_dismissed": lambda it: events.EmployeeDismissed(PersonId(it.person_id)),
    "parent_tied": lambda it: events.ParentTied(PersonId(it.parent_id), PersonId(it.pupil_id)),
    "parent_untied": lambda it: events.ParentUntied(PersonId(it.parent_id), PersonId(it.pupil_id)),
    "group_saved": lambda it: events.GroupSaved(
        it.group_id,
        it.name,
        it.subject,
        frozenset(PersonId(pupil) for pupil in it.pupil_ids),
        tuple(dict.fromkeys(PersonId(teacher) for teacher in it.teacher_ids)),
    ),
    "group_closed": lambda it: events.GroupClosed(it.group_id),
    "lesson_saved": lambda it: LessonSaved(
        it.lesson_id, it.group_id, it.starts_at, it.ends_at, it.substitute_id and PersonId(it.substitute_id)
    ),
    "lesson_cancelled": lambda it: LessonCancelled(it.lesson_id),
    "role_granted": lambda it: events.RoleGranted(PersonId(it.person_id), it.role),
    "role_withdrawn": lambda it: events.RoleWithdrawn(PersonId(it.person_id), it.role),
}


def read_event(given: RosterEventInput) -> Told:
    """The one event that was given, under its key."""
    for name, read in _READ.items():
        if some := getattr(given, name):
            return Told(some.value.key, read(some.value))
    raise refuse(ProblemCode.REQUIRED, "events")


@strawberry.type(description="All events hold now.")
class RosterEventsApplied:
    """Success."""

    applied: int = strawberry.field(description="How many were applied.")
    repeated: int = strawberry.field(description="How many had been applied before, by their keys.")


ApplyRosterEventsResult = Annotated[
    RosterEventsApplied | Refusal,
    strawberry.union("ApplyRosterEventsResult", description="What came of the events."),
]


@strawberry.type
class RosterMutations:
    """Mutations of this module."""

    @strawberry.mutation(
        description="Applies events of the school system in order, all or nothing; for its service account.",
        extensions=[RefusalsAsData()],
    )
    async def apply_roster_events(
        self,
        info: Info,
        events: Annotated[
            list[RosterEventInput], strawberry.argument(description=f"At most {MOST_EVENTS} events, in order.")
        ],
    ) -> ApplyRosterEventsResult:
        """Safe to repeat."""
        if len(events) > MOST_EVENTS:
            raise refuse(ProblemCode.TOO_MANY, "events", most=str(MOST_EVENTS))
        told = [read_event(event) for event in events]
        applied = await info.context.parts.use_cases.apply_roster_events(await info.context.viewer(), told)
        return RosterEventsApplied(applied=applied.applied, repeated=applied.repeated)
