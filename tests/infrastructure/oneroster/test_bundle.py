"""Whole bundles: real ones, whatever a school may state, and whatever bytes somebody may send."""

import string
import zipfile
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from domain.participant import Name, PositionKind
from domain.register import (
    ALWAYS,
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
from infrastructure.oneroster.bundle import BadBundle, Fault, Known, read_bundle
from tests.infrastructure.oneroster.small import (
    A_CLASS,
    A_PUPIL,
    A_TEACHER,
    CLASSES,
    ENROLLMENTS,
    NOTHING_KNOWN,
    ORGS,
    ROLES,
    USERS_1_1,
    known,
    sheet,
)
from tests.infrastructure.oneroster.writer import manifest, write_bundle, write_files

# A bundle that a district may send


def test_a_bundle_as_products_write_them_is_read(tmp_path: Path) -> None:
    files = {
        "manifest.csv": manifest("1.1", {"users": "bulk", "classes": "bulk", "enrollments": "bulk", "orgs": "bulk"})
        + "file.resources,absent\r\nsource.systemName,Manual",
        "orgs.csv": "sourcedId,status,dateLastModified,name,type,identifier\r\n"
        's1,active,"2017-05-06 08:01:05",Б,school,7',
        "users.csv": "sourcedId,enabledUser,status,dateLastModified,orgSourcedIds,role,username,userId,givenName,"
        "familyName,identifier,agents,ext_motherName\r\n"
        "u1,TRUE,,,s1,student,x,{LDAP:12},Анна,Ким,,,metadata.value1\r\n"
        'u2,TRUE,inactive,,s1,teacher,x,"{LDAP:12},{LTI:15}",Вера,Орлова,,,',
        "classes.csv": "sourcedId,status,title,grade,courseSourcedId,classType,schoolSourcedId,subjects\n"
        'c1,,Class 1,"09,10",no-such,Scheduled,s1,"Science, Physics"\n',
        "enrollments.csv": "sourcedId,classSourcedId,schoolSourcedId,userSourcedId,role,status,primary\n"
        "e1,c1,s1,u1,student,active,\ne2,c1,s1,u2,teacher,,true",
    }

    bundle = read_bundle(write_files(tmp_path / "bundle.zip", files), known(organization="7"))

    assert bundle == Bundle(
        people=Part(Mode.BULK, {"u1": StatedPerson(Name("Ким", "Анна"))}, frozenset({"u2"})),
        roles=Part(Mode.BULK, {"u1": StatedRole("u1", RoleKind.PUPIL)}, frozenset({"u2"})),
        classes=Part(Mode.BULK, {"c1": StatedClass("Class 1", False, "no-such", "Science")}),
        places=Part(Mode.BULK, {"e1": StatedPlace("c1", "u1", teaches=False)}),
        unused=bundle.unused,
        organization_name="Б",
    )
    assert bundle.unused == {"enrollments of users or in classes that are to be deleted": 1}


# Whatever a school may state

IDS = st.text(string.ascii_letters + string.digits + "-_.:/@ё№", min_size=1, max_size=12)
WORDS = st.text(st.characters(exclude_categories=("Cc", "Cs", "Z")), min_size=1, max_size=12)
TEXTS = st.lists(WORDS, min_size=1, max_size=3).map(" ".join)
DAYS = st.tuples(st.none() | st.dates(), st.none() | st.dates()).map(
    lambda pair: Days(*(pair if None in pair else sorted(pair, key=lambda day: day or date.min)))
)
NAMES = st.builds(Name, TEXTS, TEXTS, st.none() | TEXTS)
T = TypeVar("T")
GIVEN = st.sampled_from([Mode.BULK, Mode.DELTA])


@dataclass(frozen=True)
class Statement:
    """A bundle, its version, and what is known when it comes."""

    version: str
    bundle: Bundle
    known: Known


@st.composite
def statements(draw: st.DrawFn) -> Statement:
    """Every person has a role, and every parent a tie with a pupil."""
    version = draw(st.sampled_from(["1.1", "1.2"]))
    ids = draw(st.lists(IDS, min_size=1, max_size=8, unique=True))
    kinds = {id: draw(st.sampled_from(RoleKind)) for id in ids}
    pupils = [id for id in ids if kinds[id] is RoleKind.PUPIL]
    if not pupils:
        kinds[ids[0]] = RoleKind.PUPIL
        pupils = [ids[0]]
    agents = {id: draw(st.lists(st.sampled_from(ids), unique=True, max_size=3)) for id in ids}
    for parent in (id for id in ids if kinds[id] is RoleKind.PARENT):
        one, other = draw(st.permutations([parent, draw(st.sampled_from(pupils))]))
        agents[one] = list(dict.fromkeys([*agents[one], other]))
    people = {id: StatedPerson(draw(NAMES), draw(st.booleans()), tuple(agents[id])) for id in ids}
    with_days = version == "1.2"
    roles = {id: _role(draw, id, kinds[id], with_days) for id in ids}
    if with_days:
        more = draw(st.dictionaries(IDS.map("2{}".format), st.sampled_from(ids), max_size=3))
        others = {id: _role(draw, person, kinds[person], with_days) for id, person in more.items()}
        roles = {f"r{id}": role for id, role in {**roles, **others}.items()}
    courses = draw(st.dictionaries(IDS, st.builds(StatedCourse, TEXTS), max_size=3))
    subjects = st.none() | TEXTS.map(lambda text: text.replace(",", ";"))
    course = st.sampled_from([None, *courses])
    classes = draw(st.dictionaries(IDS, st.builds(StatedClass, TEXTS, st.booleans(), course, subjects), max_size=3))
    a_place = st.builds(
        StatedPlace, st.sampled_from([*classes] or [""]), st.sampled_from(ids), st.booleans(), st.booleans(), DAYS
    )
    places = draw(st.dictionaries(IDS, a_place, max_size=5)) if classes else {}
    mode = draw(GIVEN)
    people_part = Part(mode, people, _ended(draw))
    bundle = Bundle(
        people=people_part,
        roles=Part(draw(GIVEN), roles, _ended(draw)) if with_days else Part(mode, roles, people_part.ended),
        courses=_part(draw, courses),
        classes=_part(draw, classes),
        places=_part(draw, places),
        organization_name=draw(TEXTS),
    )
    everything = Known(frozenset(people), frozenset(classes), frozenset(courses), "school-1")
    absent = Known(
        frozenset(),
        frozenset(classes) if bundle.classes.mode is Mode.ABSENT else frozenset(),
        frozenset(),
        draw(st.sampled_from(["school-1", "elsewhere"])),
    )
    return Statement(version, bundle, draw(st.sampled_from([everything, absent])))


def _role(draw: st.DrawFn, person: str, kind: RoleKind, with_days: bool) -> StatedRole:
    days = draw(DAYS) if with_days else ALWAYS
    if kind is not RoleKind.STAFF:
        return StatedRole(person, kind, days=days)
    return StatedRole(person, kind, draw(st.sampled_from(PositionKind)), draw(st.booleans()), days)


def _ended(draw: st.DrawFn) -> frozenset[str]:
    return frozenset(f"ended-{id}" for id in draw(st.lists(IDS, max_size=2)))


def _part(draw: st.DrawFn, rows: dict[str, T]) -> Part[T]:
    mode = draw(st.sampled_from(Mode))
    return Part() if mode is Mode.ABSENT else Part(mode, rows, _ended(draw))


@pytest.mark.rule("ROSTER-02", "ROSTER-05")
@given(statements(), st.sampled_from(["bundle", "bundle.zip"]))
def test_whatever_a_school_states_is_read_as_it_was_written(statement: Statement, name: str) -> None:
    with TemporaryDirectory() as folder:
        path = write_bundle(Path(folder, name), statement.bundle, version=statement.version)

        assert read_bundle(path, statement.known) == statement.bundle


# Whatever bytes somebody may send

SMALL = {
    "manifest.csv": manifest("1.1", dict.fromkeys(["orgs", "users", "classes", "enrollments"], "bulk")),
    "orgs.csv": sheet(ORGS, "school-1,active,Школа,school,1"),
    "users.csv": sheet(USERS_1_1, A_PUPIL, A_TEACHER),
    "classes.csv": sheet(CLASSES, A_CLASS),
    "enrollments.csv": sheet(ENROLLMENTS, "e1,active,class,pupil,student", "e2,active,class,teacher,teacher,true"),
}
SMALL_1_2 = {
    **SMALL,
    "manifest.csv": manifest("1.2", dict.fromkeys(["users", "roles", "classes", "enrollments"], "delta")),
    "roles.csv": sheet(ROLES, "r1,active,pupil,student,school-1", "r2,active,teacher,teacher,school-1"),
}
CELLS = st.sampled_from(
    [
        "",
        "active",
        "tobedeleted",
        "pupil",
        "class",
        "school-1",
        "student",
        "2024-09-01",
        "x",
        "a,b",
        '"',
        "\n",
        "\0",
        "\r",
    ]
)
ODD_ROWS = st.lists(st.lists(CELLS, max_size=9).map(",".join), max_size=5).map("\n".join)


def faults_of(path: Path) -> tuple[Fault, ...]:
    """None of a good bundle; any error but a refusal passes through."""
    try:
        read_bundle(path, NOTHING_KNOWN)
    except BadBundle as refused:
        return refused.faults
    return ()


def assert_told_plainly(faults: tuple[Fault, ...]) -> None:
    """At most a hundred, of one short line each."""
    assert len(faults) <= 100
    assert all(str(fault).isprintable() and len(str(fault)) < 500 for fault in faults)


@given(st.sampled_from([SMALL, SMALL_1_2]), st.data())
def test_random_bytes_as_any_file_are_refused_or_read(files: dict[str, str], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(list(files)))
    header = files[name].splitlines()[0]
    content = data.draw(st.binary(max_size=300) | ODD_ROWS.map(lambda rows: f"{header}\n{rows}".encode()))

    with TemporaryDirectory() as folder:
        assert_told_plainly(faults_of(write_files(Path(folder), {**files, name: content})))


@given(st.sampled_from([SMALL, SMALL_1_2]), st.data())
def test_a_file_with_a_few_bytes_changed_is_refused_or_read(files: dict[str, str], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(list(files)))
    content = bytearray(files[name].encode())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        content[place] = data.draw(st.sampled_from(b'\0\n\r",a\xff\x80 \x1b{'))

    with TemporaryDirectory() as folder:
        assert_told_plainly(faults_of(write_files(Path(folder), {**files, name: bytes(content)})))


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 255)), max_size=6), st.integers(0, 2_000), st.binary())
@example([], 0, b"")
def test_a_broken_archive_is_refused_or_read(changes: list[tuple[int, int]], cut: int, tail: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = write_files(Path(folder, "bundle.zip"), SMALL)
        content = bytearray(path.read_bytes())
        for place, value in changes:
            content[place % len(content)] = value
        path.write_bytes(content[: len(content) - cut % 40] + tail if tail else content)

        assert_told_plainly(faults_of(path))


@given(st.binary(max_size=500))
def test_random_bytes_as_an_archive_are_refused(content: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "bundle.zip")
        path.write_bytes(content)

        with pytest.raises(BadBundle):
            read_bundle(path, NOTHING_KNOWN)


def test_an_archive_whose_file_names_are_odd_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "bundle.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"../a\nb{'x' * 300}", "")

    (fault,) = faults_of(path)

    assert_told_plainly((fault,))
