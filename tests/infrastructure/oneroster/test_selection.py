"""Of a bundle of many schools only one organization's rows are taken, and the rest is counted."""

from pathlib import Path

import pytest

from domain.register import Mode, RoleKind
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
)

TWO_SCHOOLS = sheet(
    ORGS, "district,,Район,district,", "school-1,,Школа № 1,school,101", "school-2,,Школа № 2,Department,102"
)
TWO_CLASSES = sheet(CLASSES, A_CLASS, "other,active,6Б,homeroom,school-2,,")
NO_USE = "users that are neither staff, pupils nor a pupil's parents"


# Which organization


@pytest.mark.rule("ROSTER-05")
@pytest.mark.parametrize("kind", ["school", "School", "department"])
def test_the_only_school_of_a_bundle_is_the_organization_whatever_its_id(tmp_path: Path, kind: str) -> None:
    orgs = sheet(ORGS, f"school-1,,Школа,{kind}", "d,,Район,district", "gone,tobedeleted")
    files = {"orgs": orgs, "classes": sheet(CLASSES, A_CLASS)}

    assert list(read(tmp_path, files, known=known(organization="elsewhere")).classes.rows) == ["class"]


@pytest.mark.rule("ROSTER-05")
@pytest.mark.parametrize(
    ("organization", "its_class"), [("school-1", "class"), ("101", "class"), ("school-2", "other"), ("102", "other")]
)
def test_of_several_schools_the_organization_is_that_of_the_id_or_identifier(
    tmp_path: Path, organization: str, its_class: str
) -> None:
    files = {"orgs": TWO_SCHOOLS, "classes": TWO_CLASSES}

    bundle = read(tmp_path, files, known=known(organization=organization))

    assert list(bundle.classes.rows) == [its_class]
    assert bundle.unused == {"classes of other schools": 1}


@pytest.mark.rule("ROSTER-05")
def test_a_bundle_of_other_schools_only_is_refused_with_their_list(tmp_path: Path) -> None:
    found = faults(tmp_path, {"orgs": TWO_SCHOOLS}, known=known(organization="103"))

    assert found == [
        "orgs.csv: has no single school whose sourcedId or identifier is 103; "
        "the schools are school-1 (Школа № 1), school-2 (Школа № 2)"
    ]


def test_two_schools_of_the_wanted_identifier_are_refused(tmp_path: Path) -> None:
    orgs = sheet(ORGS, "a,,Школа,school,7", "b,,Школа,school,7")

    assert faults(tmp_path, {"orgs": orgs}, known=known(organization="7"))[0].endswith("are a (Школа), b (Школа)")


def test_a_bundle_of_many_other_schools_lists_twenty(tmp_path: Path) -> None:
    orgs = sheet(ORGS, *(f"s{number:02},,Школа,school" for number in range(30)))

    (fault,) = faults(tmp_path, {"orgs": orgs})

    assert fault.count("(Школа)") == 20
    assert fault.endswith("s19 (Школа) and 10 more")


def test_an_orgs_file_without_a_school_is_refused(tmp_path: Path) -> None:
    orgs = sheet(ORGS, "school-1,,Район,district", "school-2,tobedeleted")

    assert faults(tmp_path, {"orgs": orgs}) == [
        "orgs.csv: has no single school whose sourcedId or identifier is school-1, and no other school",
    ]


@pytest.mark.rule("ROSTER-05")
def test_without_an_orgs_file_the_only_school_that_rows_name_is_the_organization(tmp_path: Path) -> None:
    files = {"users": sheet(USERS_1_1, A_PUPIL), "classes": sheet(CLASSES, A_CLASS)}

    bundle = read(tmp_path, files, known=known(organization="elsewhere"))

    assert (list(bundle.people.rows), list(bundle.classes.rows)) == (["pupil"], ["class"])


@pytest.mark.rule("ROSTER-05")
def test_without_an_orgs_file_and_with_several_schools_the_organization_must_be_one_of_them(tmp_path: Path) -> None:
    files = {"classes": TWO_CLASSES}

    bundle = read(tmp_path, files, known=known(organization="school-2"))
    found = faults(tmp_path, files, known=known(organization="103"))

    assert list(bundle.classes.rows) == ["other"]
    assert found[0].endswith("sourcedId or identifier is 103; the schools are school-1, school-2")


def test_a_delta_of_orgs_that_tells_of_another_school_does_not_change_which_the_organization_is(tmp_path: Path) -> None:
    files = {"orgs": sheet(ORGS, "school-2,active,Школа № 2,school"), "classes": TWO_CLASSES}

    bundle = read(tmp_path, files, modes=dict.fromkeys(files, Mode.DELTA))

    assert list(bundle.classes.rows) == ["class"]


# Who belongs


@pytest.mark.rule("ROSTER-05")
@pytest.mark.parametrize("orgs", ["school-1", '"school-2,school-1"', '"{school-2},{school-1}"', '"district,school-1"'])
def test_a_user_belongs_to_each_school_that_the_row_names(tmp_path: Path, orgs: str) -> None:
    users = sheet(USERS_1_1, f"u,,{orgs},teacher,Ким,Анна", "o,,school-2,teacher,Ким,Яна", "n,,,teacher,Ким,Юна")

    bundle = read(tmp_path, {"orgs": TWO_SCHOOLS, "users": users})

    assert list(bundle.people.rows) == list(bundle.roles.rows) == ["u"]
    assert bundle.unused == {"users of other schools": 1, NO_USE: 1}


@pytest.mark.rule("ROSTER-05")
def test_in_version_1_2_a_user_belongs_by_a_role(tmp_path: Path) -> None:
    files = {
        "orgs": TWO_SCHOOLS,
        "users": sheet(USERS_1_2, "a,,school-2,Ким,Анна", "b,,school-2,Ким,Яна", "c,,,Ким,Юна"),
        "roles": sheet(ROLES, "r1,,a,teacher,school-1", "r2,,a,teacher,school-2", "r3,,b,teacher,school-2"),
    }

    bundle = read(tmp_path, files, version="1.2")

    assert (list(bundle.people.rows), list(bundle.roles.rows)) == (["a"], ["r1"])
    assert bundle.unused == {"users of other schools": 1, NO_USE: 1, "roles at other schools": 2}


def test_in_version_1_2_a_user_of_the_school_without_a_role_is_of_use_by_a_place(tmp_path: Path) -> None:
    files = {
        "users": sheet(USERS_1_2, "a,,school-1,Ким,Анна", "b,,school-1,Ким,Яна"),
        "roles": sheet(ROLES),
        "classes": sheet(CLASSES, A_CLASS),
        "enrollments": sheet(ENROLLMENTS, "e,,class,a,student"),
    }

    bundle = read(tmp_path, files, version="1.2")

    assert (list(bundle.people.rows), list(bundle.places.rows)) == (["a"], ["e"])
    assert bundle.unused == {NO_USE: 1}


@pytest.mark.rule("ROSTER-05")
@pytest.mark.parametrize("version", ["1.1", "1.2"])
@pytest.mark.parametrize("direction", ["parent names pupil", "pupil names parent"])
@pytest.mark.parametrize("word", ["parent", "guardian", "relative"])
@pytest.mark.parametrize("school", ["school-1", "school-2", "district"])
def test_a_parent_belongs_by_a_tie_in_either_direction_wherever_their_row_places_them(
    tmp_path: Path, version: str, direction: str, word: str, school: str
) -> None:
    up, down = ("p", "") if direction == "pupil names parent" else ("", "c")
    old = {"users": sheet(USERS_1_1, f"p,,{school},{word},Ким,Анна,{down}", f"c,,school-1,student,Ким,Яна,{up}")}
    new = {
        "users": sheet(USERS_1_2, f"p,,{school},Ким,Анна,{down}", f"c,,,Ким,Яна,{up}"),
        "roles": sheet(ROLES, f"p,,p,{word},{school}", "c,,c,student,school-1"),
    }

    bundle = read(tmp_path, {"orgs": TWO_SCHOOLS, **(old if version == "1.1" else new)}, version=version)

    assert bundle.people.rows.keys() == {"p", "c"}
    assert bundle.roles.rows["p"].kind is RoleKind.PARENT
    assert not bundle.unused


@pytest.mark.parametrize("version", ["1.1", "1.2"])
@pytest.mark.parametrize(
    ("agent", "counted"),
    [("", NO_USE), ("teacher", NO_USE), ("other", NO_USE)],
    ids=["of nobody", "of a teacher", "of a pupil of another school"],
)
def test_a_parent_of_no_pupil_of_the_school_is_left_aside(
    tmp_path: Path, version: str, agent: str, counted: str
) -> None:
    old = sheet(USERS_1_1, f"p,,school-1,parent,Ким,Анна,{agent}", A_TEACHER, "other,,school-2,student,Ким,Яна")
    new = {
        "users": sheet(USERS_1_2, f"p,,school-1,Ким,Анна,{agent}", "teacher,,,Орлова,Вера", "other,,school-2,Ким,Яна"),
        "roles": sheet(
            ROLES, "p,,p,parent,school-1", "t,,teacher,teacher,school-1", "o,,other,student,school-2"
        ),
    }  # fmt: skip

    bundle = read(tmp_path, {"orgs": TWO_SCHOOLS, **({"users": old} if version == "1.1" else new)}, version=version)

    assert list(bundle.people.rows) == ["teacher"]
    assert [role.person for role in bundle.roles.rows.values()] == ["teacher"]
    assert bundle.unused[counted] == 1
    assert bundle.unused["users of other schools"] == 1
    assert bundle.unused["roles of users that are left aside"] == (version == "1.2")


@pytest.mark.rule("ROSTER-05")
def test_a_parent_who_belongs_by_a_tie_is_no_employee_because_of_another_school(tmp_path: Path) -> None:
    files = {
        "orgs": TWO_SCHOOLS,
        "users": sheet(USERS_1_2, "p,,school-2,Ким,Анна", "c,,school-1,Ким,Яна,p"),
        "roles": sheet(ROLES, "a,,p,parent,school-2", "b,,p,teacher,school-2", "c,,c,student,school-1"),
    }

    bundle = read(tmp_path, files, version="1.2")

    assert list(bundle.roles.rows) == ["a", "c"]
    assert bundle.unused == {"roles at other schools": 1}


# What is left aside with them


def test_enrollments_of_other_schools_classes_and_users_are_left_aside(tmp_path: Path) -> None:
    files = {
        "orgs": TWO_SCHOOLS,
        "classes": TWO_CLASSES,
        "users": sheet(USERS_1_1, A_PUPIL, "guest,,school-2,student,Ким,Яна"),
        "enrollments": sheet(
            ENROLLMENTS, "a,,class,pupil,student", "b,,other,pupil,student", "c,,class,guest,student"
        ),
    }  # fmt: skip

    bundle = read(tmp_path, files)

    assert list(bundle.places.rows) == ["a"]
    assert bundle.unused == {
        "classes of other schools": 1,
        "users of other schools": 1,
        "enrollments in classes of other schools": 1,
        "enrollments of users who are not of the organization": 1,
    }


def test_courses_that_only_another_school_has_are_left_aside(tmp_path: Path) -> None:
    files = {
        "orgs": TWO_SCHOOLS,
        "courses": sheet(
            COURSES, "a,,Физика,school-1", "b,,Химия,school-2", "c,,Труд,district", "d,,Этика,", "e,,Танцы,school-2"
        ),
        "classes": sheet(CLASSES, "g,,Танцы,scheduled,school-1,e"),
    }  # fmt: skip

    bundle = read(tmp_path, files)

    assert list(bundle.courses.rows) == ["a", "c", "d", "e"]
    assert bundle.unused == {"courses of other schools": 1}


# Deltas


@pytest.mark.rule("ROSTER-02")
def test_a_delta_tells_of_a_known_course_whichever_school_has_it(tmp_path: Path) -> None:
    files = {"orgs": TWO_SCHOOLS, "courses": sheet(COURSES, "a,active,Физика,school-2", "b,active,Химия,school-2")}

    bundle = read(tmp_path, files, modes={"courses": Mode.DELTA}, known=known(courses="a"))

    assert list(bundle.courses.rows) == ["a"]


@pytest.mark.rule("ROSTER-02")
@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_a_delta_tells_of_known_people_and_classes_that_it_has_not(tmp_path: Path, version: str) -> None:
    enrollments = sheet(ENROLLMENTS, "e,active,class,pupil,student")
    roles = sheet(ROLES, "r,active,pupil,student,school-1")
    files = {"enrollments": enrollments, **({"roles": roles} if version == "1.2" else {})}

    bundle = read(
        tmp_path, files, version=version, modes=dict.fromkeys(files, Mode.DELTA), known=known("pupil", "class")
    )

    assert list(bundle.places.rows) == ["e"]
    assert list(bundle.roles.rows) == (["r"] if version == "1.2" else [])


@pytest.mark.rule("ROSTER-02")
def test_a_known_person_who_only_changes_their_name_needs_no_role_in_the_delta(tmp_path: Path) -> None:
    users = {"users": sheet(USERS_1_2, "pupil,active,,Ли,Анна", "stranger,active,,Ли,Яна")}

    bundle = read(tmp_path, users, version="1.2", modes={"users": Mode.DELTA}, known=known("pupil"))

    assert list(bundle.people.rows) == ["pupil"]
    assert bundle.roles.mode is Mode.ABSENT


@pytest.mark.rule("ROSTER-02")
@pytest.mark.parametrize("parent", ["known", "new"])
def test_a_delta_may_tell_of_a_parent_without_their_child(tmp_path: Path, parent: str) -> None:
    agents = "pupil" if parent == "new" else ""
    users = sheet(USERS_1_1, f"{parent},active,school-1,parent,Ким,Анна,{agents}", "x,active,school-1,parent,Ким,Яна")

    bundle = read(tmp_path, {"users": users}, modes={"users": Mode.DELTA}, known=known("pupil known"))

    assert list(bundle.people.rows) == [parent]


@pytest.mark.rule("ROSTER-02")
def test_a_full_statement_of_roles_decides_who_is_a_pupil_and_a_parent(tmp_path: Path) -> None:
    files = {
        "users": sheet(USERS_1_2, "p,active,,Ким,Анна,was-pupil", "q,active,,Ким,Яна,pupil"),
        "roles": sheet(
            ROLES, "a,,p,parent,school-1", "b,,q,parent,school-1", "c,,pupil,student,school-1",
        ),
    }  # fmt: skip

    bundle = read(tmp_path, files, version="1.2", modes={"users": Mode.DELTA}, known=known("pupil was-pupil"))

    assert list(bundle.people.rows) == ["q"]


@pytest.mark.rule("ROSTER-02")
def test_a_row_that_a_delta_moves_away_from_the_organization_ends_here(tmp_path: Path) -> None:
    files = {
        "orgs": TWO_SCHOOLS,
        "users": sheet(USERS_1_1, "pupil,active,school-2,student,Ким,Анна"),
        "classes": sheet(CLASSES, "class,active,5А,homeroom,school-2"),
        "enrollments": sheet(ENROLLMENTS, "e,active,class,pupil,student", "f,active,mine,teacher,aide"),
    }
    modes = {**dict.fromkeys(files, Mode.DELTA), "orgs": Mode.BULK}

    bundle = read(tmp_path, files, modes=modes, known=known("pupil teacher", "class mine"))

    assert bundle.people.ended == bundle.roles.ended == {"pupil"}
    assert bundle.classes.ended == {"class"}
    assert bundle.places.ended == {"e", "f"}


@pytest.mark.rule("ROSTER-02")
def test_a_full_statement_has_no_need_to_end_what_it_leaves_aside(tmp_path: Path) -> None:
    bundle = read(tmp_path, {"orgs": TWO_SCHOOLS, "classes": TWO_CLASSES})

    assert bundle.classes.ended == frozenset()
