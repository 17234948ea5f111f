"""Small bundles written by hand, and what is read from them."""

import csv
from collections.abc import Mapping
from pathlib import Path

import pytest

from domain.register import Bundle, Mode
from infrastructure.oneroster.bundle import BadBundle, Known, read_bundle
from tests.infrastructure.oneroster.writer import SCHOOL, as_csv, manifest, write_files

NOTHING_KNOWN = Known(frozenset(), frozenset(), frozenset(), SCHOOL)

ORGS = "sourcedId,status,name,type,identifier"
COURSES = "sourcedId,status,title,orgSourcedId"
CLASSES = "sourcedId,status,title,classType,schoolSourcedId,courseSourcedId,subjects"
USERS_1_1 = "sourcedId,status,orgSourcedIds,role,familyName,givenName,agentSourcedIds"
USERS_1_2 = "sourcedId,status,primaryOrgSourcedId,familyName,givenName,agentSourcedIds"
ROLES = "sourcedId,status,userSourcedId,role,orgSourcedId,beginDate,endDate"
ENROLLMENTS = "sourcedId,status,classSourcedId,userSourcedId,role,primary,beginDate,endDate"

A_PUPIL = "pupil,active,school-1,student,Ким,Анна,"
A_TEACHER = "teacher,active,school-1,teacher,Орлова,Вера,"
A_CLASS = "class,active,5А,homeroom,school-1,,"


def sheet(header: str, *rows: str) -> str:
    """A file's text: its header, and rows that may leave out blanks at their end."""
    return as_csv([next(csv.reader([row])) for row in (header, *rows)])


def known(people: str = "", classes: str = "", courses: str = "", organization: str = SCHOOL) -> Known:
    """Ids apart by blanks."""
    return Known(frozenset(people.split()), frozenset(classes.split()), frozenset(courses.split()), organization)


def read(
    at: Path,
    files: Mapping[str, str | bytes],
    *,
    version: str = "1.1",
    modes: Mapping[str, Mode | str] | None = None,
    known: Known = NOTHING_KNOWN,
) -> Bundle:
    """The folder of the files, named without ".csv", which the manifest calls bulk unless `modes` says otherwise."""
    all_modes = {**dict.fromkeys(files, Mode.BULK), **(modes or {})}
    named = {f"{kind}.csv": content for kind, content in files.items()}
    at.mkdir(exist_ok=True)
    return read_bundle(write_files(at, {"manifest.csv": manifest(version, all_modes), **named}), known)


def faults(
    at: Path,
    files: Mapping[str, str | bytes],
    *,
    version: str = "1.1",
    modes: Mapping[str, Mode | str] | None = None,
    known: Known = NOTHING_KNOWN,
) -> list[str]:
    """The faults of the same, as people read them."""
    with pytest.raises(BadBundle) as refused:
        read(at, files, version=version, modes=modes, known=known)
    return str(refused.value).splitlines()


def users_with(column: str, value: str) -> str:
    """A users file of version 1.1 with one pupil, one of whose columns says that."""
    fields = dict(zip(USERS_1_1.split(","), A_PUPIL.split(","), strict=True)) | {column: value}
    return f"{','.join(fields)}\n{','.join(fields.values())}\n"
