"""A OneRoster bundle as what it states of one organization (ROSTER-02, ROSTER-03, ROSTER-05)."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from domain.register import Bundle, Mode, StatedClass, StatedPlace
from infrastructure.oneroster import rows
from infrastructure.oneroster.faults import BadBundle, Fault, Faults
from infrastructure.oneroster.files import MANIFEST, Bounds, Files, opened
from infrastructure.oneroster.manifest import Manifest, open_table, read_manifest
from infrastructure.oneroster.rows import ClassRow, CourseRow, Org, Read, RoleRow, UserRow, active_rows, may_stand
from infrastructure.oneroster.selection import (
    People,
    as_part,
    here_and_aside,
    may_have_place,
    organization,
    people_of,
    people_of_use,
    roles_of_use,
)
from infrastructure.oneroster.table import Table
from infrastructure.oneroster.values import days, identifier, role, truth

__all__ = ["BadBundle", "Bounds", "Fault", "Known", "read_bundle"]

BOUNDS = Bounds()
KINDS = frozenset({"orgs", "courses", "classes", "users", "roles", "enrollments"})


@dataclass(frozen=True, slots=True)
class Known:
    """The ids of what was stated before, and the school system's id of the organization."""

    people: frozenset[str]
    classes: frozenset[str]
    courses: frozenset[str]
    organization: str


@dataclass(frozen=True, slots=True)
class Reading:
    """A bundle while it is read: its files, their faults so far, and what is left aside."""

    files: Files
    manifest: Manifest
    faults: Faults
    unused: Counter[str] = field(default_factory=Counter)

    def there(self, kind: str) -> bool:
        """Whether the manifest calls for the file and it is there."""
        return self.manifest.mode(kind) is not Mode.ABSENT and f"{kind}.csv" in self.files.entries

    def rows(self, kind: str, known: Iterable[str] = ()) -> Read[Any]:
        """The rows of a file, none of them read yet; of one that is missing nothing can be judged."""
        mode = self.manifest.mode(kind)
        complete = mode is Mode.ABSENT or self.there(kind)
        return Read(f"{kind}.csv", mode, frozenset(known), complete=complete)

    def fill(
        self, read: Read[Any], columns: tuple[tuple[str, ...], tuple[str, ...]], by: Callable[[Table], None]
    ) -> None:
        """Reads the file, if there is one to be read."""
        if self.there(read.file.removesuffix(".csv")):
            table = open_table(self.files, read.file, self.faults, columns)
            if table is None:
                read.complete = False
            else:
                by(table)


def read_bundle(path: Path, known: Known, bounds: Bounds = BOUNDS) -> Bundle:
    """All that the folder or zip archive states of the organization. Raises BadBundle."""
    faults = Faults()
    with opened(path, bounds) as files:
        bundle = _bundle(Reading(files, read_manifest(files, faults), faults), known)
    faults.refuse()
    return bundle


def _bundle(reading: Reading, known: Known) -> Bundle:
    old = reading.manifest.version == "1.1"
    unused = reading.unused
    orgs: Read[Org] = reading.rows("orgs", [known.organization])
    courses: Read[CourseRow] = reading.rows("courses", known.courses)
    classes: Read[ClassRow] = reading.rows("classes", known.classes)
    users: Read[UserRow] = reading.rows("users", known.people)
    roles: Read[RoleRow] = reading.rows("roles")
    reading.fill(orgs, rows.ORGS, lambda table: rows.read_orgs(table, orgs))
    reading.fill(courses, rows.COURSES, lambda table: rows.read_courses(table, courses))
    reading.fill(classes, rows.CLASSES, lambda table: rows.read_classes(table, classes, orgs, courses))
    user_columns = rows.USERS_1_1 if old else rows.USERS_1_2
    reading.fill(users, user_columns, lambda table: rows.read_users(table, users, orgs, unused, with_roles=old))
    if old:
        roles = rows.roles_of_users(users)
    else:
        reading.fill(roles, rows.ROLES, lambda table: rows.read_roles(table, roles, orgs, users))

    named = {org for row in users.rows.values() for org in row.orgs} | {row.org for row in classes.rows.values()}
    named.update(org for row in roles.rows.values() for org in row.orgs)
    here = organization(orgs, named, known.organization, reading.faults)
    stated_classes, stated_courses = here_and_aside(classes, courses, orgs, here, unused)
    people = people_of(users, roles, here, roles_may_be_elsewhere=not old and roles.mode is not Mode.BULK)
    places: Read[StatedPlace] = reading.rows("enrollments")
    reading.fill(
        places,
        rows.ENROLLMENTS,
        lambda table: _read_places(table, places, stated_classes, classes, people, users, unused),
    )
    placed = {place.person for place in places.rows.values()}
    stated_people = people_of_use(users, people, placed, here, unused)
    # In version 1.1 a user's row is the role, and counted once.
    stated_roles = roles_of_use(users, roles, people, stated_people.keys(), here, Counter() if old else unused)
    _count_files(reading)
    return Bundle(
        people=as_part(users, stated_people),
        roles=as_part(roles, stated_roles),
        courses=as_part(courses, stated_courses),
        classes=as_part(classes, stated_classes),
        places=as_part(places, places.rows),
        unused=unused,
        organization_name=orgs.rows[here].name if here in orgs.rows else None,
    )


def _read_places(
    table: Table,
    places: Read[StatedPlace],
    here: dict[str, StatedClass],
    classes: Read[ClassRow],
    people: People,
    users: Read[UserRow],
    unused: Counter[str],
) -> None:
    """Keeps only what is of the organization, since no file is as long as that of enrollments."""
    for id, (_, _, of_raw, person_raw, role_raw, primary, begins, ends) in active_rows(table, places):
        of = identifier(table, "classSourcedId", of_raw)
        person = identifier(table, "userSourcedId", person_raw)
        class_stands = may_stand(table, "classSourcedId", of, classes)
        user_stands = may_stand(table, "userSourcedId", person, users)
        word = role_raw.strip().lower()
        role(table, "role", role_raw)
        teaches = word == "teacher"
        place = StatedPlace(
            of, person, teaches, truth(table, "primary", primary, blank=False), days(table, begins, ends)
        )
        if word not in ("teacher", "student"):
            unused["enrollments that are neither a pupil's nor a teacher's"] += 1
        elif not class_stands or not user_stands:
            unused["enrollments of users or in classes that are to be deleted"] += 1
        elif of not in here and of in classes.ids:
            unused["enrollments in classes of other schools"] += 1
        elif not may_have_place(person, people, users):
            unused["enrollments of users who are not of the organization"] += 1
        else:
            places.rows[id] = place


def _count_files(reading: Reading) -> None:
    for name in reading.files.entries:
        kind = name.removesuffix(".csv")
        if name == MANIFEST:
            continue
        if kind == name or reading.manifest.mode(kind) is Mode.ABSENT:
            reading.unused["files that the manifest does not name or calls absent"] += 1
        elif kind not in KINDS or (kind == "roles" and reading.manifest.version == "1.1"):
            reading.unused["files of kinds that are of no use"] += 1
    if reading.files.elsewhere:
        reading.unused["files in other folders than the manifest"] += reading.files.elsewhere
