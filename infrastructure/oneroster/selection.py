"""Which rows of a bundle are one organization's, and which are left aside."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, TypeVar

from domain.register import Mode, Part, RoleKind, StatedClass, StatedCourse, StatedPerson, StatedRole
from infrastructure.oneroster.faults import Faults, shown
from infrastructure.oneroster.rows import ClassRow, CourseRow, Org, Read, RoleRow, UserRow

MOST_LISTED = 20
T = TypeVar("T")


def organization(orgs: Read[Org], named: Collection[str], stated: str, faults: Faults) -> str:
    """The `sourcedId` of the organization that the school system calls `stated`; `named` are the schools of rows.

    The only school of the bundle is the organization whatever its id; an orgs file that is not bulk need not have it.
    """
    schools = {id: org for id, org in orgs.rows.items() if org.is_school}
    by_code = [id for id, org in schools.items() if org.identifier == stated]
    if stated in schools:
        return stated
    if len(by_code) == 1:
        return by_code[0]
    if orgs.mode is not Mode.BULK and stated in named:
        return stated
    candidates = schools if schools or orgs.mode is Mode.BULK else named
    if len(candidates) == 1:
        return next(iter(candidates))
    if orgs.mode is Mode.BULK or candidates:
        _fault_organization(orgs, schools, candidates, stated, faults)
    return stated


def _fault_organization(
    orgs: Read[Org], schools: dict[str, Org], candidates: Collection[str], stated: str, faults: Faults
) -> None:
    if not orgs.complete:
        return
    listed = [f"{id} ({shown(schools[id].name)})" if id in schools else id for id in sorted(candidates)[:MOST_LISTED]]
    more = f" and {len(candidates) - MOST_LISTED} more" if len(candidates) > MOST_LISTED else ""
    which = f"; the schools are {', '.join(listed)}{more}" if listed else ", and no other school"
    faults.add(orgs.file, None, None, f"has no single school whose sourcedId or identifier is {shown(stated)}{which}")


def here_and_aside(
    classes: Read[ClassRow], courses: Read[CourseRow], orgs: Read[Org], here: str, unused: Counter[str]
) -> tuple[dict[str, StatedClass], dict[str, StatedCourse]]:
    """The organization's classes, and the courses but for those that only another school has."""
    kept = {}
    for id, row in classes.rows.items():
        if row.org == here:
            kept[id] = row.stated
        else:
            unused["classes of schools that are to be deleted" if row.school_ends else "classes of other schools"] += 1
    elsewhere = {id for id, org in orgs.rows.items() if org.is_school and id != here}
    used = {stated.course for stated in kept.values()} | courses.known
    kept_courses = {id: row.stated for id, row in courses.rows.items() if row.org not in elsewhere or id in used}
    _count(unused, "courses of other schools", len(courses.rows) - len(kept_courses))
    return kept, kept_courses


@dataclass(frozen=True, slots=True)
class People:
    """Users of the file who are of the organization; those of use by a role, and those who are as parents."""

    belonging: frozenset[str]
    useful: frozenset[str]
    tied: frozenset[str]


def people_of(users: Read[UserRow], roles: Read[RoleRow], here: str, *, roles_may_be_elsewhere: bool) -> People:
    """Whom the users' and roles' files call the organization's.

    `roles_may_be_elsewhere` says that somebody known may have a role of which this bundle does not tell.
    """
    staff_or_pupils: set[str] = set()
    pupils: set[str] = set()
    parents: set[str] = set()
    for role in roles.rows.values():
        if role.meaning.kind is RoleKind.PARENT:
            parents.add(role.person)
        elif here in role.orgs:
            staff_or_pupils.add(role.person)
            if role.meaning.kind is RoleKind.PUPIL:
                pupils.add(role.person)
    # Of somebody known of whom this bundle is silent nothing speaks against being a pupil.
    was_known = frozenset() if users.mode is Mode.BULK else users.known
    if roles_may_be_elsewhere:
        known_pupils = pupils | users.known
    else:
        known_pupils = pupils if roles.mode is Mode.BULK else pupils | (users.known - users.ids)
    named_by_pupils = {each for id in known_pupils & users.rows.keys() for each in users.rows[id].stated.agents}
    tied = {
        id
        for id in parents
        if id in was_known
        or id in named_by_pupils
        or (id in users.rows and any(agent in known_pupils for agent in users.rows[id].stated.agents))
    }
    useful = staff_or_pupils | tied | (users.known if roles_may_be_elsewhere else set())
    belonging = {id for id, row in users.rows.items() if id in useful or here in row.orgs}
    return People(frozenset(belonging), frozenset(useful), frozenset(tied))


def may_have_place(person: str, people: People, users: Read[UserRow]) -> bool:
    """Whether the person is of the organization, by this bundle or, if it is silent of them, by an earlier one."""
    return person in people.belonging or (person not in users.ids and person in users.known)


def people_of_use(
    users: Read[UserRow], people: People, placed: Collection[str], here: str, unused: Counter[str]
) -> dict[str, StatedPerson]:
    """The organization's people who have a role that counts or a place."""
    kept: dict[str, StatedPerson] = {}
    for id, row in users.rows.items():
        if id in people.belonging and (id in people.useful or id in placed):
            kept[id] = row.stated
        elif row.orgs and here not in row.orgs:
            unused["users of other schools"] += 1
        else:
            unused["users that are neither staff, pupils nor a pupil's parents"] += 1
    return kept


def roles_of_use(
    users: Read[UserRow],
    roles: Read[RoleRow],
    people: People,
    kept: Collection[str],
    here: str,
    unused: Counter[str],
) -> dict[str, StatedRole]:
    """The roles at the organization of those who are kept, and wherever it was stated that they are parents."""
    stated: dict[str, StatedRole] = {}
    for id, role in roles.rows.items():
        person = role.person
        if role.ends_with_another:
            unused["roles of users or at schools that are to be deleted"] += 1
        elif here not in role.orgs and not (role.meaning.kind is RoleKind.PARENT and person in people.tied):
            unused["roles at other schools"] += 1
        elif person in kept or (person not in users.ids and person in users.known):
            stated[id] = _stated(role, users.rows.get(person))
        else:
            unused["roles of users that are left aside"] += 1
    return stated


def _stated(role: RoleRow, user: UserRow | None) -> StatedRole:
    position = role.meaning.position
    if position is not None:
        position = role.position or (user.position if user else None) or position
    return StatedRole(role.person, role.meaning.kind, position, role.meaning.administers, role.days)


def as_part(read: Read[Any], kept: dict[str, T]) -> Part[T]:
    """In a delta, a row that is left aside now no longer says of this organization what it may have said before."""
    ended = read.ended | (read.ids - kept.keys()) if read.mode is Mode.DELTA else read.ended
    return Part(read.mode, kept, frozenset(ended))


def _count(unused: Counter[str], sentence: str, count: int) -> None:
    if count:
        unused[sentence] += count
