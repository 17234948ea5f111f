"""What each field of a row may say, and what it then means (ROSTER-05)."""

from datetime import date
from pathlib import Path

import pytest

from domain.participant import Name, PositionKind
from domain.register import ALWAYS, Days, Mode, RoleKind, StatedClass, StatedCourse, StatedPlace, StatedRole
from tests.infrastructure.oneroster.small import (
    A_CLASS,
    A_PUPIL,
    A_TEACHER,
    CLASSES,
    COURSES,
    ENROLLMENTS,
    ORGS,
    ROLES,
    USERS_1_1,
    USERS_1_2,
    faults,
    known,
    read,
    sheet,
    users_with,
)

ONE_CLASS = {"users": sheet(USERS_1_1, A_PUPIL, A_TEACHER), "classes": sheet(CLASSES, A_CLASS)}


def users_1_2(column: str, value: str) -> dict[str, str]:
    users = f"sourcedId,familyName,givenName,{column}\nu,Ким,Анна,{value}\n"
    return {"users": users, "roles": sheet(ROLES, "r,active,u,student,school-1")}


# Ids and states


@pytest.mark.rule("ROSTER-03")
@pytest.mark.parametrize(
    ("id", "fault"),
    [
        ("", "is blank"),
        ("  ", "is blank"),
        ("x" * 256, "is longer than 255 characters"),
        ("a\x1bb", "has a control character or a line break"),
        ("a\u0085b", "has a control character or a line break"),
        ('"a\nb"', "has a control character or a line break"),
    ],
)
def test_a_bad_id_is_a_fault(tmp_path: Path, id: str, fault: str) -> None:
    found = faults(tmp_path, {"users": users_with("sourcedId", id)})

    assert f"users.csv, line 2, column sourcedId: {fault}" in found


def test_an_id_may_have_255_characters_and_spaces_around_it_are_not_of_it(tmp_path: Path) -> None:
    assert list(read(tmp_path, {"users": users_with("sourcedId", f" {'x' * 255} ")}).people.rows) == ["x" * 255]


@pytest.mark.rule("ROSTER-03")
@pytest.mark.parametrize("kind", ["users", "classes", "enrollments"])
@pytest.mark.parametrize("first", ["the row that stands", "the row to be deleted"])
def test_an_id_may_be_once_in_a_file_even_of_a_row_to_be_deleted(tmp_path: Path, kind: str, first: str) -> None:
    files = {**ONE_CLASS, "enrollments": sheet(ENROLLMENTS, "e,active,class,pupil,student")}
    id = {"users": "pupil", "classes": "class", "enrollments": "e"}[kind]
    header, *rows = files[kind].splitlines()
    gone = f"{id},tobedeleted"
    twice = sheet(header, *([*rows, gone] if first == "the row that stands" else [gone, *rows]))

    assert f"column sourcedId: is {id}, as in a row before" in faults(tmp_path, {**files, kind: twice})[0]


@pytest.mark.rule("ROSTER-02")
@pytest.mark.parametrize("mode", [Mode.BULK, Mode.DELTA])
@pytest.mark.parametrize("status", ["tobedeleted", "ToBeDeleted", " inactive "])
def test_a_row_to_be_deleted_needs_no_more_than_its_id(tmp_path: Path, mode: Mode, status: str) -> None:
    users = sheet(USERS_1_1, f"gone,{status}")

    bundle = read(tmp_path, {"users": users}, modes={"users": mode})

    assert bundle.people.ended == bundle.roles.ended == {"gone"}
    assert not bundle.people.rows


@pytest.mark.rule("ROSTER-02")
@pytest.mark.parametrize("status", ["", " ", "active", "ACTIVE"])
def test_a_row_of_a_bulk_file_stands_if_its_status_is_blank_or_active(tmp_path: Path, status: str) -> None:
    assert "pupil" in read(tmp_path, {"users": users_with("status", status)}).people.rows


@pytest.mark.rule("ROSTER-03")
def test_a_status_is_needed_in_a_delta_and_is_one_of_few_words(tmp_path: Path) -> None:
    blank = faults(tmp_path, {"users": users_with("status", "")}, modes={"users": Mode.DELTA})
    odd = faults(tmp_path, {"users": users_with("status", "retired")})

    assert blank == ["users.csv, line 2, column status: is blank, which only a bulk file allows"]
    assert odd == ["users.csv, line 2, column status: is neither active nor tobedeleted"]


def test_a_bulk_file_may_have_no_column_of_states(tmp_path: Path) -> None:
    users = "sourcedId,orgSourcedId,role,familyName,givenName\nu,school-1,student,Ким,Анна\n"

    assert list(read(tmp_path, {"users": users}).people.rows) == ["u"]


# People


@pytest.mark.parametrize(
    "name", ["Ёлкин", "O'Brien", "<script>", "=cmd()", "🧑‍🏫", "Мамин-Сибиряк", "de la Cruz", '"x""y"', "%s{0}"]
)
def test_a_name_is_only_text(tmp_path: Path, name: str) -> None:
    stated = read(tmp_path, {"users": users_with("familyName", name)}).people.rows["pupil"]

    assert stated.name == Name(last='x"y' if name.startswith('"') else name, first="Анна")


def test_a_name_is_trimmed_and_has_single_spaces(tmp_path: Path) -> None:
    files = {"users": users_with("middleName", " Мария \u00a0  Луиза ")}

    assert read(tmp_path, files).people.rows["pupil"].name == Name("Ким", "Анна", "Мария Луиза")


def test_a_blank_middle_name_is_none_and_preferred_names_are_ignored(tmp_path: Path) -> None:
    users = f"{USERS_1_1},middleName,preferredGivenName,preferredFamilyName\n{A_PUPIL}, ,Аня,Кимова\n"

    assert read(tmp_path, {"users": users}).people.rows["pupil"].name == Name("Ким", "Анна", None)


@pytest.mark.rule("ROSTER-03")
@pytest.mark.parametrize("column", ["familyName", "givenName", "middleName"])
@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("x" * 101, "is longer than 100 characters"),
        ("a\tb", "has a control character or a line break"),
        ('"a\nb"', "has a control character or a line break"),
        ("a\u2028b", "has a control character or a line break"),
    ],
)
def test_a_bad_name_is_a_fault(tmp_path: Path, column: str, name: str, fault: str) -> None:
    found = faults(tmp_path, {"users": users_with(column, name)})

    assert found == [f"users.csv, line 2, column {column}: {fault}"]


@pytest.mark.rule("ROSTER-03")
@pytest.mark.parametrize("column", ["familyName", "givenName"])
def test_a_last_and_a_first_name_are_needed(tmp_path: Path, column: str) -> None:
    assert faults(tmp_path, {"users": users_with(column, " ")}) == [
        f"users.csv, line 2, column {column}: is blank",
    ]


@pytest.mark.rule("ROSTER-05")
@pytest.mark.parametrize("version", ["1.1", "1.2"])
@pytest.mark.parametrize(
    ("enabled", "blocked"),
    [("true", False), ("TRUE", False), ("1", False), ("", False), ("false", True), ("False", True), ("0", True)],
)
def test_a_user_who_is_not_enabled_is_blocked(tmp_path: Path, version: str, enabled: str, blocked: bool) -> None:
    old = {"users": users_with("enabledUser", enabled).replace("pupil", "u")}

    bundle = read(tmp_path, old if version == "1.1" else users_1_2("enabledUser", enabled), version=version)

    assert bundle.people.rows["u"].blocked is blocked


@pytest.mark.rule("ROSTER-03")
def test_enabled_is_true_or_false(tmp_path: Path) -> None:
    assert faults(tmp_path, {"users": users_with("enabledUser", "yes")}) == [
        "users.csv, line 2, column enabledUser: is neither true nor false",
    ]


# Roles

STAFF = RoleKind.STAFF
WORDS = [
    ("teacher", STAFF, PositionKind.PEDAGOGICAL, False),
    ("administrator", STAFF, PositionKind.ADMINISTRATION, True),
    ("siteAdministrator", STAFF, PositionKind.ADMINISTRATION, True),
    ("principal", STAFF, PositionKind.ADMINISTRATION, True),
    ("aide", STAFF, PositionKind.OTHER, False),
    ("counselor", STAFF, PositionKind.OTHER, False),
    ("proctor", STAFF, PositionKind.OTHER, False),
    ("sysadmin", STAFF, PositionKind.OTHER, False),
    ("systemAdministrator", STAFF, PositionKind.OTHER, False),
    ("districtAdministrator", STAFF, PositionKind.OTHER, False),
    ("student", RoleKind.PUPIL, None, False),
    ("parent", RoleKind.PARENT, None, False),
    ("guardian", RoleKind.PARENT, None, False),
    ("RELATIVE", RoleKind.PARENT, None, False),
]


@pytest.mark.rule("ROSTER-05")
@pytest.mark.parametrize(("word", "kind", "position", "administers"), WORDS)
@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_a_role_word_says_as_what_a_person_is_at_the_school(
    tmp_path: Path, version: str, word: str, kind: RoleKind, position: PositionKind | None, administers: bool
) -> None:
    child = "child,active,school-1,student,Ким,Яна,u"
    old = {"users": sheet(USERS_1_1, f"u,active,school-1,{word},Ким,Анна", child)}
    new = {
        "users": sheet(USERS_1_2, "u,active,school-1,Ким,Анна", "child,active,school-1,Ким,Яна,u"),
        "roles": sheet(ROLES, f"u,active,u,{word},school-1", "c,active,child,student,school-1"),
    }

    bundle = read(tmp_path, old if version == "1.1" else new, version=version)

    assert bundle.roles.rows["u"] == StatedRole("u", kind, position, administers, ALWAYS)


@pytest.mark.rule("ROSTER-03")
@pytest.mark.parametrize(("word", "fault"), [("", "is blank"), ("wizard", "is not a role of OneRoster")])
def test_an_unknown_role_is_a_fault(tmp_path: Path, word: str, fault: str) -> None:
    roles = sheet(ROLES, f"r,active,u,{word},school-1")

    assert faults(tmp_path, {"users": users_with("role", word)}) == [f"users.csv, line 2, column role: {fault}"]
    assert faults(tmp_path, {**users_1_2("sms", ""), "roles": roles}, version="1.2") == [
        f"roles.csv, line 2, column role: {fault}",
    ]


@pytest.mark.rule("ROSTER-05")
@pytest.mark.parametrize("stated", [*PositionKind, "pedagogical", " Other "])
def test_a_column_of_the_position_overrides_what_the_role_says(tmp_path: Path, stated: str) -> None:
    users = sheet(f"{USERS_1_1},metadata.positionKind", f"u,active,school-1,principal,Ким,Анна,,{stated}")

    role = read(tmp_path, {"users": users}).roles.rows["u"]

    assert (role.position, role.administers) == (PositionKind(stated.strip().upper()), True)


@pytest.mark.rule("ROSTER-05")
def test_the_position_of_a_role_goes_before_that_of_the_user_and_blank_says_nothing(tmp_path: Path) -> None:
    users = "sourcedId,familyName,givenName,metadata.positionKind\nu,Ким,Анна,OTHER\n"
    roles = sheet(
        f"{ROLES},metadata.positionKind",
        "a,active,u,teacher,school-1,,,ADMINISTRATION",
        "b,active,u,teacher,school-1,,,",
        "c,active,u,student,school-1,,,OTHER",
    )

    rows = read(tmp_path, {"users": users, "roles": roles}, version="1.2").roles.rows

    assert [rows[id].position for id in "abc"] == [PositionKind.ADMINISTRATION, PositionKind.OTHER, None]


@pytest.mark.rule("ROSTER-03")
def test_an_unknown_position_is_a_fault(tmp_path: Path) -> None:
    assert faults(tmp_path, {"users": users_with("metadata.positionKind", "CHIEF")}) == [
        "users.csv, line 2, column metadata.positionKind: is none of ADMINISTRATION, PEDAGOGICAL, OTHER",
    ]


# Days


@pytest.mark.rule("ROSTER-05")
@pytest.mark.parametrize("day", ["2024-09-01", "2024-09-01T18:25:43.511Z", "2024-09-01 08:01:05+03:00", " 2024-09-01 "])
def test_roles_and_enrollments_have_days_whose_time_part_is_cut(tmp_path: Path, day: str) -> None:
    files = {
        **users_1_2("sms", ""),
        "roles": sheet(ROLES, f"r,active,u,student,school-1,{day},2025-06-01"),
        "classes": sheet(CLASSES, A_CLASS),
        "enrollments": sheet(ENROLLMENTS, f"e,active,class,u,student,,,{day}"),
    }

    bundle = read(tmp_path, files, version="1.2")

    assert bundle.roles.rows["r"].days == Days(date(2024, 9, 1), date(2025, 6, 1))
    assert bundle.places.rows["e"].days == Days(None, date(2024, 9, 1))


@pytest.mark.rule("ROSTER-03")
@pytest.mark.parametrize(
    "day", ["01.09.2024", "2024-9-1", "2024-02-30", "0000-01-01", "2024-09-01x", "20240901", "2024-W01-1", "२०२४-०९-०१"]
)
@pytest.mark.parametrize("column", ["beginDate", "endDate"])
def test_what_is_no_day_is_a_fault(tmp_path: Path, day: str, column: str) -> None:
    days = f"{day}," if column == "beginDate" else f",{day}"
    files = {**ONE_CLASS, "enrollments": sheet(ENROLLMENTS, f"e,active,class,pupil,student,,{days}")}

    assert faults(tmp_path, files) == [f"enrollments.csv, line 2, column {column}: is not a date as YYYY-MM-DD"]


@pytest.mark.rule("ROSTER-03")
def test_days_that_end_before_they_begin_are_a_fault(tmp_path: Path) -> None:
    enrollments = sheet(
        ENROLLMENTS,
        "e1,active,class,pupil,student,,2025-06-01,2025-06-01",
        "e2,active,class,pupil,student,,2025-06-02,2025-06-01",
    )

    assert faults(tmp_path, {**ONE_CLASS, "enrollments": enrollments}) == [
        "enrollments.csv, line 3, column beginDate: is after endDate",
    ]


# Classes, courses, enrollments


@pytest.mark.rule("ROSTER-05")
def test_a_homeroom_is_a_class_and_a_scheduled_one_a_study_group(tmp_path: Path) -> None:
    classes = sheet(
        CLASSES,
        "a,,  5 «А» ,HomeRoom,school-1,,",
        'b,,Физика 5А,Scheduled,school-1,физика," , Физика, Астрономия"',
        "c,,Танцы,scheduled,school-1",
    )

    assert read(tmp_path, {"classes": classes}).classes.rows == {
        "a": StatedClass("5 «А»", homeroom=True),
        "b": StatedClass("Физика 5А", homeroom=False, course="физика", subject="Физика"),
        "c": StatedClass("Танцы", homeroom=False),
    }


@pytest.mark.rule("ROSTER-03")
@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("c,active,,homeroom,school-1", "column title: is blank"),
        (f"c,active,{'x' * 256},homeroom,school-1", "column title: is longer than 255 characters"),
        ("c,active,5\aА,homeroom,school-1", "column title: has a control character or a line break"),
        ("c,active,5А,club,school-1", "column classType: is none of homeroom, scheduled"),
        ("c,active,5А,,school-1", "column classType: is blank"),
        ("c,active,5А,homeroom,", "column schoolSourcedId: is blank"),
    ],
)
def test_a_bad_class_is_a_fault(tmp_path: Path, row: str, fault: str) -> None:
    assert faults(tmp_path, {"classes": sheet(CLASSES, row)}) == [f"classes.csv, line 2, {fault}"]


def test_a_course_has_a_title(tmp_path: Path) -> None:
    good = read(tmp_path, {"courses": sheet(COURSES, "c,active, Физика ")})
    bad = faults(tmp_path, {"courses": sheet(COURSES, "c,active, ")})

    assert good.courses.rows == {"c": StatedCourse("Физика")}
    assert bad == ["courses.csv, line 2, column title: is blank"]


@pytest.mark.rule("ROSTER-05")
def test_students_learn_and_teachers_teach_in_a_class(tmp_path: Path) -> None:
    enrollments = sheet(
        ENROLLMENTS,
        "a,,class,pupil,Student",
        "b,,class,teacher,TEACHER,TRUE",
        "c,,class,teacher,teacher,false",
    )

    assert read(tmp_path, {**ONE_CLASS, "enrollments": enrollments}).places.rows == {
        "a": StatedPlace("class", "pupil", teaches=False),
        "b": StatedPlace("class", "teacher", teaches=True, primary=True),
        "c": StatedPlace("class", "teacher", teaches=True),
    }


@pytest.mark.parametrize("word", ["aide", "proctor", "administrator", "parent", "guardian"])
def test_an_enrollment_in_another_role_is_left_aside(tmp_path: Path, word: str) -> None:
    enrollments = sheet(ENROLLMENTS, f"a,,class,teacher,{word}")

    bundle = read(tmp_path, {**ONE_CLASS, "enrollments": enrollments})

    assert not bundle.places.rows
    assert bundle.unused == {"enrollments that are neither a pupil's nor a teacher's": 1}


@pytest.mark.rule("ROSTER-03")
@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("e,,class,pupil,wizard", "column role: is not a role of OneRoster"),
        ("e,,class,pupil,", "column role: is blank"),
        ("e,,class,pupil,student,maybe", "column primary: is neither true nor false"),
        ("e,,,pupil,student", "column classSourcedId: is blank"),
        ("e,,class,,student", "column userSourcedId: is blank"),
    ],
)
def test_a_bad_enrollment_is_a_fault(tmp_path: Path, row: str, fault: str) -> None:
    files = {**ONE_CLASS, "enrollments": sheet(ENROLLMENTS, row)}

    assert faults(tmp_path, files) == [f"enrollments.csv, line 2, {fault}"]


@pytest.mark.parametrize("agents", ["a,b", "{a},{b}", "{a,b}", '"a","b"', " a , b ,", "a,b,a"])
def test_a_list_of_ids_may_be_quoted_or_in_braces(tmp_path: Path, agents: str) -> None:
    quoted = agents.replace('"', '""')
    users = sheet(USERS_1_1, f'u,active,school-1,student,Ким,Анна,"{quoted}"')

    bundle = read(tmp_path, {"users": users}, modes={"users": Mode.DELTA}, known=known("a b"))

    assert bundle.people.rows["u"].agents == ("a", "b")


def test_agents_may_be_in_a_column_of_the_short_name(tmp_path: Path) -> None:
    users = sheet(f"{USERS_1_1.replace('agentSourcedIds', 'agents')}", A_TEACHER, f"{A_PUPIL}teacher")

    assert read(tmp_path, {"users": users}).people.rows["pupil"].agents == ("teacher",)


def test_the_organization_is_called_as_the_bundle_calls_it(tmp_path: Path) -> None:
    orgs = sheet(ORGS, "school-1,active,Школа № 1,School")

    assert read(tmp_path, {"orgs": orgs}).organization_name == "Школа № 1"
    assert read(tmp_path, {"users": users_with("sms", "")}, modes={"orgs": "absent"}).organization_name is None
