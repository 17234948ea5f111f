"""The manifest says the version, and which file is a full statement, which a change, and which none."""

from pathlib import Path

import pytest

from domain.register import Mode
from infrastructure.oneroster.bundle import BadBundle, read_bundle
from tests.infrastructure.oneroster.small import (
    A_CLASS,
    A_PUPIL,
    CLASSES,
    NOTHING_KNOWN,
    USERS_1_1,
    faults,
    read,
    sheet,
)
from tests.infrastructure.oneroster.writer import write_files

USERS = sheet(USERS_1_1, A_PUPIL)
HEADER = "propertyName,value\n"
VERSION = f"{HEADER}oneroster.version,1.1\n"


def refusal(at: Path, text: str) -> str:
    with pytest.raises(BadBundle) as refused:
        read_bundle(write_files(at / "bundle", {"manifest.csv": text, "users.csv": USERS}), NOTHING_KNOWN)
    return str(refused.value)


def test_a_bundle_without_a_manifest_is_refused(tmp_path: Path) -> None:
    write_files(tmp_path, {"users.csv": USERS})

    with pytest.raises(BadBundle, match=r"^manifest\.csv: is missing$"):
        read_bundle(tmp_path, NOTHING_KNOWN)


@pytest.mark.parametrize("version", ["", "oneroster.version,1.0\n", "oneroster.version,2\n", "oneroster.version,\n"])
def test_only_versions_1_1_and_1_2_are_read(tmp_path: Path, version: str) -> None:
    assert refusal(tmp_path, HEADER + version) == ("manifest.csv: has no oneroster.version, or another than 1.1 or 1.2")


@pytest.mark.rule("ROSTER-03")
@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "manifest.csv: is empty; even a file without rows has a header"),
        ("a,b\n", "manifest.csv, line 1, column propertyName: is missing from the header"),
        (f"{VERSION}file.users,full\n", "manifest.csv, line 3, column value: is none of bulk, delta, absent"),
        (f"{VERSION}file.users,bulk\nfile.Users,bulk\n", "manifest.csv, line 4, column propertyName: is file.users,"),
        (f"{VERSION}file.classes,bulk\n", "classes.csv: is missing, though the manifest calls it bulk"),
        (f"{VERSION}file.foo,delta\n", "foo.csv: is missing, though the manifest calls it delta"),
    ],
)
def test_a_bad_manifest_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    assert refusal(tmp_path, text).startswith(fault)


@pytest.mark.rule("ROSTER-02")
@pytest.mark.parametrize("mode", Mode)
def test_the_manifest_says_what_a_file_means_in_any_case_of_letters(tmp_path: Path, mode: Mode) -> None:
    manifest = f"PropertyName,Value\n OneRoster.Version ,1.1\nFILE.Users, {mode.title()} \n"
    write_files(tmp_path, {"manifest.csv": manifest, "users.csv": USERS})

    bundle = read_bundle(tmp_path, NOTHING_KNOWN)

    assert bundle.people.mode is bundle.roles.mode is mode
    assert bundle.classes.mode is Mode.ABSENT


@pytest.mark.rule("ROSTER-02")
def test_a_file_that_is_called_absent_or_not_named_is_not_read_but_counted(tmp_path: Path) -> None:
    files = {"users": USERS, "classes": "\0"}
    write_files(tmp_path, {"courses.csv": "\0", "readme.txt": "\0"})

    bundle = read(tmp_path, files, modes={"classes": Mode.ABSENT})

    assert bundle.unused == {"files that the manifest does not name or calls absent": 3}
    assert bundle.classes.mode is bundle.courses.mode is Mode.ABSENT


def test_files_of_which_nothing_is_used_are_not_read_but_counted(tmp_path: Path) -> None:
    bundle = read(tmp_path, {"users": USERS, "demographics": "\0", "roles": "\0"})

    assert bundle.unused == {"files of kinds that are of no use": 2}


def test_a_missing_file_is_no_cause_for_faults_of_references_to_it(tmp_path: Path) -> None:
    enrollments = "sourcedId,classSourcedId,userSourcedId,role\ne1,class,pupil,student\n"

    found = faults(tmp_path, {"users": USERS, "enrollments": enrollments}, modes={"classes": Mode.BULK})

    assert found == ["classes.csv: is missing, though the manifest calls it bulk"]


@pytest.mark.rule("ROSTER-02")
def test_a_delta_of_one_kind_says_nothing_of_the_others(tmp_path: Path) -> None:
    bundle = read(tmp_path, {"classes": sheet(CLASSES, A_CLASS)}, modes={"classes": Mode.DELTA})

    assert (bundle.classes.mode, list(bundle.classes.rows)) == (Mode.DELTA, ["class"])
    assert {bundle.people.mode, bundle.roles.mode, bundle.courses.mode, bundle.places.mode} == {Mode.ABSENT}
