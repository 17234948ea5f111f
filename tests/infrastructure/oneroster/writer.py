"""Writes what a school states as a OneRoster bundle, in a folder or a zip archive, version 1.1 or 1.2."""

import csv
import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from domain.participant import PositionKind
from domain.register import (
    Bundle,
    Days,
    Mode,
    Part,
    RoleKind,
    StatedClass,
    StatedCourse,
    StatedPerson,
    StatedPlace,
    StatedRole,
)

SCHOOL = "school-1"
_WORDS = {RoleKind.PUPIL: "student", RoleKind.PARENT: "parent"}
_POSITIONS = {PositionKind.PEDAGOGICAL: "teacher", PositionKind.OTHER: "aide"}


def write_bundle(at: Path, bundle: Bundle, *, version: str = "1.2", school: str = SCHOOL) -> Path:
    """The bundle as a zip archive if the path ends in .zip, else as a folder; version 1.1 has one role for a person."""
    return write_files(at, files_of(bundle, version=version, school=school))


def write_files(at: Path, files: Mapping[str, str | bytes], *, top: str = "") -> Path:
    """Files by their names, below the folder `top`, in a zip archive if the path ends in .zip, else in a folder."""
    contents = {f"{top}{name}": text.encode() if isinstance(text, str) else text for name, text in files.items()}
    if at.suffix == ".zip":
        with zipfile.ZipFile(at, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in contents.items():
                archive.writestr(name, content)
        return at
    for name, content in contents.items():
        file = at / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return at


def files_of(bundle: Bundle, *, version: str = "1.2", school: str = SCHOOL) -> dict[str, str]:
    """The files' texts by their names; a part that is absent has no file."""
    modes = {
        "orgs": Mode.BULK,
        "users": bundle.people.mode,
        "roles": bundle.roles.mode,
        "courses": bundle.courses.mode,
        "classes": bundle.classes.mode,
        "enrollments": bundle.places.mode,
    }
    title = bundle.organization_name or "School"
    sheets: dict[str, Sequence[Sequence[str]]] = {
        "orgs": [("sourcedId", "status", "name", "type", "identifier"), (school, "active", title, "school", "")],
        "users": _users_1_1(bundle, school) if version == "1.1" else _users_1_2(bundle.people),
        "roles": _roles(bundle.roles, school),
        "courses": _courses(bundle.courses, school),
        "classes": _classes(bundle.classes, school),
        "enrollments": _enrollments(bundle.places, school),
    }
    if version == "1.1":
        del modes["roles"]
    texts = {f"{kind}.csv": as_csv(sheets[kind]) for kind, mode in modes.items() if mode is not Mode.ABSENT}
    return {"manifest.csv": manifest(version, modes), **texts}


def manifest(version: str, modes: Mapping[str, Mode | str]) -> str:
    """The manifest's text."""
    named = [(f"file.{kind}", str(mode).lower()) for kind, mode in modes.items()]
    return as_csv([("propertyName", "value"), ("manifest.version", "1.0"), ("oneroster.version", version), *named])


def as_csv(rows: Sequence[Sequence[str]]) -> str:
    """Rows, the header first; short ones are filled up with blanks."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerows([*row, *[""] * (len(rows[0]) - len(row))] for row in rows)
    return text.getvalue()


def _users_1_1(bundle: Bundle, school: str) -> list[Sequence[str]]:
    header = (
        *("sourcedId", "status", "enabledUser", "givenName", "familyName", "middleName", "agentSourcedIds"),
        *("orgSourcedIds", "role", "metadata.positionKind"),
    )
    rows = [
        (*_user(id, person), school, *_role_words(bundle.roles.rows[id])) for id, person in bundle.people.rows.items()
    ]
    return [header, *rows, *_ended(bundle.people.ended)]


def _users_1_2(people: Part[StatedPerson]) -> list[Sequence[str]]:
    header = ("sourcedId", "status", "enabledUser", "givenName", "familyName", "middleName", "agentSourcedIds")
    return [header, *(_user(id, person) for id, person in people.rows.items()), *_ended(people.ended)]


def _user(id: str, person: StatedPerson) -> Sequence[str]:
    name = person.name
    enabled = "false" if person.blocked else "true"
    return (id, "active", enabled, name.first, name.last, name.patronymic or "", ",".join(person.agents))


def _roles(roles: Part[StatedRole], school: str) -> list[Sequence[str]]:
    header = (
        *("sourcedId", "status", "userSourcedId", "orgSourcedId", "roleType", "role", "metadata.positionKind"),
        *("beginDate", "endDate"),
    )
    rows = [
        (id, "active", role.person, school, "primary", *_role_words(role), *_days(role.days))
        for id, role in roles.rows.items()
    ]
    return [header, *rows, *_ended(roles.ended)]


def _role_words(role: StatedRole) -> tuple[str, str]:
    if role.position is None:
        return _WORDS[role.kind], ""
    if role.administers:
        return "administrator", "" if role.position is PositionKind.ADMINISTRATION else role.position
    if role.position is PositionKind.ADMINISTRATION:
        return "aide", role.position
    return _POSITIONS[role.position], ""


def _courses(courses: Part[StatedCourse], school: str) -> list[Sequence[str]]:
    rows = [(id, "active", course.title, school) for id, course in courses.rows.items()]
    return [("sourcedId", "status", "title", "orgSourcedId"), *rows, *_ended(courses.ended)]


def _classes(classes: Part[StatedClass], school: str) -> list[Sequence[str]]:
    header = ("sourcedId", "status", "title", "courseSourcedId", "classType", "schoolSourcedId", "subjects")
    rows = [
        (id, "active", each.name, each.course or "", _class_type(each), school, each.subject or "")
        for id, each in classes.rows.items()
    ]
    return [header, *rows, *_ended(classes.ended)]


def _enrollments(places: Part[StatedPlace], school: str) -> list[Sequence[str]]:
    header = (
        *("sourcedId", "status", "classSourcedId", "schoolSourcedId", "userSourcedId", "role", "primary"),
        *("beginDate", "endDate"),
    )
    rows = [
        (id, "active", place.of, school, place.person, *_part_of(place), *_days(place.days))
        for id, place in places.rows.items()
    ]
    return [header, *rows, *_ended(places.ended)]


def _class_type(stated: StatedClass) -> str:
    return "homeroom" if stated.homeroom else "scheduled"


def _part_of(place: StatedPlace) -> tuple[str, str]:
    return "teacher" if place.teaches else "student", "true" if place.primary else "false"


def _days(days: Days) -> tuple[str, str]:
    begins, ends = ("" if day is None else day.isoformat() for day in (days.begins, days.ends))
    return begins, ends


def _ended(ids: frozenset[str]) -> list[Sequence[str]]:
    return [(id, "tobedeleted") for id in sorted(ids)]
