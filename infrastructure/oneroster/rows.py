"""The rows of each file of a bundle as they stand there, before any is left aside."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from domain.participant import Name, PositionKind
from domain.register import ALWAYS, Days, Mode, StatedClass, StatedCourse, StatedPerson
from infrastructure.oneroster.table import Table
from infrastructure.oneroster.values import (
    CLASS_TYPES,
    LONGEST_TITLE,
    Meaning,
    days,
    identifier,
    identifiers,
    name,
    position,
    role,
    text,
    truth,
    word,
)

T = TypeVar("T")
STATES = {"active": True, "tobedeleted": False, "inactive": False}


@dataclass(slots=True, eq=False)
class Read(Generic[T]):
    """One file's rows by their ids, the ids of those to be deleted, and every id that the file has.

    `known` are ids that a reference may name although the file, unless it is bulk, has them not. `complete` is False
    when rows were lost to faults.
    """

    file: str
    mode: Mode = Mode.ABSENT
    known: frozenset[str] = frozenset()
    rows: dict[str, T] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    ids: set[str] = field(default_factory=set)
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Org:
    """A row of orgs.csv."""

    name: str
    is_school: bool
    identifier: str


@dataclass(frozen=True, slots=True)
class CourseRow:
    """A course and the org that it is of."""

    stated: StatedCourse
    org: str


@dataclass(frozen=True, slots=True)
class ClassRow:
    """A class and its school."""

    stated: StatedClass
    org: str
    school_ends: bool


@dataclass(frozen=True, slots=True)
class UserRow:
    """A user; `meaning` is the one role of version 1.1."""

    line: int | None
    stated: StatedPerson
    orgs: tuple[str, ...]
    meaning: Meaning | None
    position: PositionKind | None


@dataclass(frozen=True, slots=True)
class RoleRow:
    """A role at a school in version 1.2; in 1.1 the one role of a user at all their schools."""

    person: str
    orgs: tuple[str, ...]
    meaning: Meaning
    position: PositionKind | None
    days: Days
    ends_with_another: bool = False


ORGS = (("sourcedId", "status", "name", "type", "identifier"), ("sourcedId", "name", "type"))
COURSES = (("sourcedId", "status", "title", "orgSourcedId"), ("sourcedId", "title"))
CLASSES = (
    ("sourcedId", "status", "title", "classType", "schoolSourcedId", "courseSourcedId", "subjects"),
    ("sourcedId", "title", "classType", "schoolSourcedId"),
)
_USER_COLUMNS = (
    "sourcedId", "status", "familyName", "givenName", "middleName", "enabledUser", "role", "metadata.positionKind",
    "agentSourcedIds", "agents", "orgSourcedIds", "orgSourcedId", "primaryOrgSourcedId",
)  # fmt: skip
USERS_1_1 = (_USER_COLUMNS, ("sourcedId", "familyName", "givenName", "role", "orgSourcedIds/orgSourcedId"))
USERS_1_2 = (_USER_COLUMNS, ("sourcedId", "familyName", "givenName"))
ROLES = (
    (
        "sourcedId", "status", "userSourcedId", "role", "orgSourcedId", "beginDate", "endDate", "metadata.positionKind",
    ),
    ("sourcedId", "userSourcedId", "role", "orgSourcedId"),
)  # fmt: skip
ENROLLMENTS = (
    ("sourcedId", "status", "classSourcedId", "userSourcedId", "role", "primary", "beginDate", "endDate"),
    ("sourcedId", "classSourcedId", "userSourcedId", "role"),
)


def active_rows(table: Table, read: Read[T]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each row that stands, with its id; fills in `ids` and `ended`. A row to be deleted needs no more than its id."""
    for values in table:
        id = identifier(table, "sourcedId", values[0])
        if not id:
            table.complete = False
            continue
        if id in read.ids:
            table.fault("sourcedId", f"is {id}, as in a row before")
            continue
        read.ids.add(id)
        status = values[1].strip().lower()
        if STATES.get(status, not status and read.mode is Mode.BULK):
            yield id, values
        elif status in STATES:
            read.ended.add(id)
        elif status:
            table.fault("status", "is neither active nor tobedeleted")
        else:
            table.fault("status", "is blank, which only a bulk file allows")
    read.complete = table.complete


def may_stand(table: Table, column: str, id: str, to: Read[T], line: int | None = None) -> bool:
    """Whether the row that a reference names stands; faults a reference to a row that is not and never was."""
    if id in to.ended:
        return False
    stands = id in to.ids or not to.complete or (to.mode is not Mode.BULK and id in to.known)
    if id and not stands:
        where = "among those known so far" if to.mode is Mode.ABSENT else f"in {to.file}"
        also = " nor among those known so far" if to.mode is Mode.DELTA else ""
        table.fault(column, f"names {id}, which is not {where}{also}", line)
    return True


def read_orgs(table: Table, orgs: Read[Org]) -> None:
    """Fills in the rows of orgs.csv."""
    for id, (_, _, title, kind, code) in active_rows(table, orgs):
        orgs.rows[id] = Org(
            name=text(table, "name", title, LONGEST_TITLE),
            is_school=word(table, "type", kind) in ("school", "department"),
            identifier=identifier(table, "identifier", code, required=False),
        )


def read_courses(table: Table, courses: Read[CourseRow]) -> None:
    """Fills in the rows of courses.csv."""
    for id, (_, _, title, org) in active_rows(table, courses):
        stated = StatedCourse(text(table, "title", title, LONGEST_TITLE))
        courses.rows[id] = CourseRow(stated, identifier(table, "orgSourcedId", org, required=False))


def read_classes(table: Table, classes: Read[ClassRow], orgs: Read[Org], courses: Read[CourseRow]) -> None:
    """Fills in the rows of classes.csv; a class whose course is to be deleted stands without it."""
    for id, (_, _, title, kind, school, course, subjects) in active_rows(table, classes):
        class_type = word(table, "classType", kind)
        if class_type and class_type not in CLASS_TYPES:
            table.fault("classType", f"is none of {', '.join(CLASS_TYPES)}")
        org = identifier(table, "schoolSourcedId", school)
        course_id = identifier(table, "courseSourcedId", course, required=False)
        course_stands = courses.mode is Mode.ABSENT or may_stand(table, "courseSourcedId", course_id, courses)
        stated = StatedClass(
            name=text(table, "title", title, LONGEST_TITLE),
            homeroom=CLASS_TYPES.get(class_type, False),
            course=course_id if course_id and course_stands else None,
            subject=_first(table, "subjects", subjects),
        )
        classes.rows[id] = ClassRow(stated, org, school_ends=not _org_stands(table, "schoolSourcedId", org, orgs))


def read_users(table: Table, users: Read[UserRow], orgs: Read[Org], unused: Counter[str], *, with_roles: bool) -> None:
    """Fills in the rows of users.csv, `with_roles` in version 1.1; counts in `unused` agents that are to be deleted."""
    for id, values in active_rows(table, users):
        _, _, last, first, patronymic, enabled, role_word, kind, agents, agents_too, *schools = values
        columns = ("orgSourcedIds", "orgSourcedId", "primaryOrgSourcedId")
        named = {
            org: column
            for column, raw in zip(columns, schools, strict=True)
            for org in identifiers(table, column, raw)
        }  # fmt: skip
        person = StatedPerson(
            name=Name(
                last=name(table, "familyName", last),
                first=name(table, "givenName", first),
                patronymic=name(table, "middleName", patronymic, required=False) or None,
            ),
            blocked=not truth(table, "enabledUser", enabled, blank=True),
            agents=identifiers(table, "agentSourcedIds", agents) or identifiers(table, "agents", agents_too),
        )
        users.rows[id] = UserRow(
            line=table.line,
            stated=person,
            orgs=tuple(org for org, column in named.items() if _org_stands(table, column, org, orgs)),
            meaning=role(table, "role", role_word) if with_roles else None,
            position=position(table, "metadata.positionKind", kind),
        )
    _leave_aside_ended_agents(table, users, unused)


def _leave_aside_ended_agents(table: Table, users: Read[UserRow], unused: Counter[str]) -> None:
    for id, row in users.rows.items():
        agents = row.stated.agents
        if agents:
            stand = tuple(each for each in agents if may_stand(table, "agentSourcedIds", each, users, row.line))
            if len(stand) < len(agents):
                unused["agents that are to be deleted"] += len(agents) - len(stand)
                person = StatedPerson(row.stated.name, row.stated.blocked, stand)
                users.rows[id] = UserRow(row.line, person, row.orgs, row.meaning, row.position)


def read_roles(table: Table, roles: Read[RoleRow], orgs: Read[Org], users: Read[UserRow]) -> None:
    """Fills in the rows of roles.csv."""
    for id, (_, _, person, role_word, school, begins, ends, kind) in active_rows(table, roles):
        user = identifier(table, "userSourcedId", person)
        org = identifier(table, "orgSourcedId", school)
        user_stands = may_stand(table, "userSourcedId", user, users)
        org_stands = _org_stands(table, "orgSourcedId", org, orgs)
        roles.rows[id] = RoleRow(
            person=user,
            orgs=(org,),
            meaning=role(table, "role", role_word),
            position=position(table, "metadata.positionKind", kind),
            days=days(table, begins, ends),
            ends_with_another=not (user_stands and org_stands),
        )


def roles_of_users(users: Read[UserRow]) -> Read[RoleRow]:
    """Version 1.1 knows no other roles, and none with days."""
    rows = {
        id: RoleRow(id, row.orgs, row.meaning, row.position, ALWAYS)
        for id, row in users.rows.items()
        if row.meaning is not None
    }
    return Read(users.file, users.mode, users.known, rows, users.ended, users.ids, users.complete)


def _org_stands(table: Table, column: str, org: str, orgs: Read[Org]) -> bool:
    # Without an orgs file any id may be a school's.
    return orgs.mode is Mode.ABSENT or may_stand(table, column, org, orgs)


def _first(table: Table, column: str, raw: str) -> str | None:
    parts = (part.strip() for part in raw.split(","))
    return text(table, column, next((part for part in parts if part), ""), LONGEST_TITLE, required=False) or None
