"""A reference names a row of its file, or one known before; one to a row that is to be deleted is left aside."""

from pathlib import Path

import pytest

from domain.register import Mode
from infrastructure.oneroster.bundle import Known
from tests.infrastructure.oneroster.small import (
    A_CLASS,
    A_PUPIL,
    A_TEACHER,
    CLASSES,
    COURSES,
    ENROLLMENTS,
    NOTHING_KNOWN,
    ORGS,
    ROLES,
    USERS_1_1,
    USERS_1_2,
    faults,
    known,
    read,
    sheet,
)

AN_ORG = "school-1,active,Школа,school,"
A_USER = "pupil,active,school-1,Ким,Анна,"

# What a file's row names: the file, its row, the column, the file that is named, and what must be known.
REFERENCES = [
    ("1.1", "enrollments", "e,active,gone,pupil,student", "classSourcedId", "classes", known("pupil", "gone")),
    ("1.1", "enrollments", "e,active,class,gone,student", "userSourcedId", "users", known("pupil gone", "class")),
    ("1.1", "classes", "c,active,5А,homeroom,gone", "schoolSourcedId", "orgs", known(organization="gone")),
    ("1.1", "classes", "c,active,5А,homeroom,school-1,gone", "courseSourcedId", "courses", known(courses="gone")),
    ("1.1", "users", "u,active,school-1,student,Ким,Анна,gone", "agentSourcedIds", "users", known("gone")),
    ("1.1", "users", 'u,active,"school-1,gone",student,Ким,Я', "orgSourcedIds", "orgs", known(organization="gone")),
    ("1.2", "users", "u,active,gone,Ким,Анна", "primaryOrgSourcedId", "orgs", known(organization="gone")),
    ("1.2", "roles", "r,active,gone,student,school-1", "userSourcedId", "users", known("gone")),
    ("1.2", "roles", "r,active,pupil,student,gone", "orgSourcedId", "orgs", known("pupil", organization="gone")),
]  # fmt: skip


def files_around(version: str, referring: str, row: str) -> dict[str, str]:
    headers = {
        "orgs": ORGS,
        "courses": COURSES,
        "classes": CLASSES,
        "users": USERS_1_1 if version == "1.1" else USERS_1_2,
        "roles": ROLES,
        "enrollments": ENROLLMENTS,
    }
    rows = {
        "orgs": [AN_ORG],
        "courses": [],
        "classes": [A_CLASS],
        "users": [A_PUPIL if version == "1.1" else A_USER],
        "roles": [],
        "enrollments": [],
    }
    rows[referring] = [*rows[referring], row]
    return {kind: sheet(headers[kind], *rows[kind]) for kind in rows if version == "1.2" or kind != "roles"}


@pytest.mark.rule("ROSTER-03")
@pytest.mark.parametrize(("version", "referring", "row", "column", "to", "was_known"), REFERENCES)
def test_a_reference_from_a_bulk_file_to_nothing_is_a_fault_whatever_was_known(
    tmp_path: Path, version: str, referring: str, row: str, column: str, to: str, was_known: Known
) -> None:
    found = faults(tmp_path, files_around(version, referring, row), version=version, known=was_known)

    line = 2 if referring in ("enrollments", "roles") else 3
    assert found == [f"{referring}.csv, line {line}, column {column}: names gone, which is not in {to}.csv"]


@pytest.mark.rule("ROSTER-03")
@pytest.mark.parametrize(("version", "referring", "row", "column", "to", "was_known"), REFERENCES)
def test_a_reference_to_a_delta_file_may_name_what_was_known_and_nothing_else(
    tmp_path: Path, version: str, referring: str, row: str, column: str, to: str, was_known: Known
) -> None:
    files = files_around(version, referring, row)

    read(tmp_path, files, version=version, modes={to: Mode.DELTA}, known=was_known)
    found = faults(tmp_path, files, version=version, modes={to: Mode.DELTA})

    where = f"names gone, which is not in {to}.csv nor among those known so far"
    assert [fault.split(": ")[1] for fault in found] == [where]


@pytest.mark.rule("ROSTER-03")
@pytest.mark.parametrize(
    ("version", "referring", "row", "column", "to", "was_known"),
    [each for each in REFERENCES if each[4] in ("classes", "users") and each[1] != each[4]],
)
def test_a_reference_to_an_absent_file_may_name_what_was_known_and_nothing_else(
    tmp_path: Path, version: str, referring: str, row: str, column: str, to: str, was_known: Known
) -> None:
    files = files_around(version, referring, row)

    read(tmp_path, files, version=version, modes={to: Mode.ABSENT}, known=was_known)
    found = faults(tmp_path, files, version=version, modes={to: Mode.ABSENT}, known=known("pupil", "class"))

    assert found == [
        f"{referring}.csv, line 2, column {column}: names gone, which is not among those known so far",
    ]


def test_a_course_is_not_asked_for_when_the_bundle_has_no_courses(tmp_path: Path) -> None:
    bundle = read(tmp_path, {"classes": sheet(CLASSES, "c,,Физика,scheduled,school-1,physics")})

    assert bundle.classes.rows["c"].course == "physics"


def test_references_that_nothing_follows_are_not_checked(tmp_path: Path) -> None:
    classes = sheet(f"{CLASSES},termSourcedIds", f"{A_CLASS},no-such-term")
    enrollments = sheet(f"{ENROLLMENTS},schoolSourcedId", "e,,class,pupil,student,,,,no-such-school")
    files = {"users": sheet(USERS_1_1, A_PUPIL), "classes": classes, "enrollments": enrollments}

    assert list(read(tmp_path, files).places.rows) == ["e"]


@pytest.mark.parametrize("mode", [Mode.BULK, Mode.DELTA])
@pytest.mark.parametrize("ending", ["pupil", "class"])
def test_an_enrollment_that_names_a_row_to_be_deleted_is_left_aside(tmp_path: Path, mode: Mode, ending: str) -> None:
    files = {
        "users": sheet(USERS_1_1, A_PUPIL if ending == "class" else "pupil,tobedeleted"),
        "classes": sheet(CLASSES, A_CLASS if ending == "pupil" else "class,tobedeleted"),
        "enrollments": sheet(ENROLLMENTS, "e,active,class,pupil,student"),
    }

    bundle = read(tmp_path, files, modes=dict.fromkeys(files, mode), known=known("pupil", "class"))

    assert not bundle.places.rows
    assert bundle.unused == {"enrollments of users or in classes that are to be deleted": 1}


def test_a_class_of_a_school_to_be_deleted_is_left_aside(tmp_path: Path) -> None:
    files = {
        "orgs": sheet(ORGS, AN_ORG, "old,tobedeleted"),
        "classes": sheet(CLASSES, A_CLASS, "c,active,6А,homeroom,old"),
    }

    bundle = read(tmp_path, files)

    assert list(bundle.classes.rows) == ["class"]
    assert bundle.unused == {"classes of schools that are to be deleted": 1}


@pytest.mark.parametrize("role", ["r,active,gone,student,school-1", "r,active,pupil,teacher,old"])
def test_a_role_that_names_a_row_to_be_deleted_is_left_aside(tmp_path: Path, role: str) -> None:
    files = {
        "orgs": sheet(ORGS, AN_ORG, "old,tobedeleted"),
        "users": sheet(USERS_1_2, A_USER, "gone,tobedeleted"),
        "roles": sheet(ROLES, "p,active,pupil,student,school-1", role),
    }

    bundle = read(tmp_path, files, version="1.2")

    assert list(bundle.roles.rows) == ["p"]
    assert bundle.unused == {"roles of users or at schools that are to be deleted": 1}


def test_a_user_stands_without_the_agents_and_schools_that_are_to_be_deleted(tmp_path: Path) -> None:
    files = {
        "orgs": sheet(ORGS, AN_ORG, "old,tobedeleted"),
        "users": sheet(
            USERS_1_1,
            'u,,"old,school-1",student,Ким,Анна,"gone,teacher"',
            A_TEACHER,
            "gone,tobedeleted",
            "o,,old,student,Ким,Яна",
        ),
    }

    bundle = read(tmp_path, files)

    assert bundle.people.rows["u"].agents == ("teacher",)
    assert bundle.people.rows.keys() == {"u", "teacher"}
    assert bundle.unused == {
        "agents that are to be deleted": 1,
        "users that are neither staff, pupils nor a pupil's parents": 1,
    }


def test_a_class_stands_without_a_course_that_is_to_be_deleted(tmp_path: Path) -> None:
    files = {
        "courses": sheet(COURSES, "physics,tobedeleted"),
        "classes": sheet(CLASSES, "c,,Физика,scheduled,school-1,physics"),
    }

    assert read(tmp_path, files).classes.rows["c"].course is None


def test_a_row_to_be_deleted_may_name_what_is_not_there(tmp_path: Path) -> None:
    files = {
        "orgs": sheet(ORGS, AN_ORG),
        "users": sheet(USERS_1_1, "u,tobedeleted,nowhere,wizard,,,nobody"),
        "classes": sheet(CLASSES, "c,tobedeleted,,club,nowhere,nothing"),
        "enrollments": sheet(ENROLLMENTS, "e,tobedeleted,none,nobody,wizard,maybe,x,y"),
    }

    bundle = read(tmp_path, files)

    assert bundle.people.ended | bundle.classes.ended | bundle.places.ended == {"u", "c", "e"}


def test_a_row_that_is_bad_itself_is_not_told_of_again_by_those_that_name_it(tmp_path: Path) -> None:
    files = {
        "users": sheet(USERS_1_1, A_PUPIL.replace("Анна", "")),
        "classes": f"{CLASSES}\nclass\n",
        "enrollments": sheet(ENROLLMENTS, "e,active,class,pupil,student"),
    }

    assert faults(tmp_path, files, known=NOTHING_KNOWN) == [
        "classes.csv, line 2: has 1 fields where the header has 7",
        "users.csv, line 2, column givenName: is blank",
    ]
