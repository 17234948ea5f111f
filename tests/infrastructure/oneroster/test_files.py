"""A bundle is a folder or a zip archive of a few plain files within bounds; anything else is refused whole."""

import os
import stat
import zipfile
from pathlib import Path

import pytest

from infrastructure.oneroster.bundle import BadBundle, Bounds, read_bundle
from infrastructure.oneroster.files import LONGEST_READ, Unreadable, opened
from tests.infrastructure.oneroster.small import (
    A_PUPIL,
    NOTHING_KNOWN,
    USERS_1_1,
    sheet,
)
from tests.infrastructure.oneroster.writer import manifest, write_files

USERS = sheet(USERS_1_1, A_PUPIL)
FILES = {"manifest.csv": manifest("1.1", {"users": "bulk"}), "users.csv": USERS}


def refusal(path: Path, bounds: Bounds | None = None) -> str:
    with pytest.raises(BadBundle) as refused:
        read_bundle(path, NOTHING_KNOWN, bounds or Bounds())
    return str(refused.value)


def archive_with(at: Path, *entries: zipfile.ZipInfo | str) -> Path:
    write_files(at, FILES)
    with zipfile.ZipFile(at, "a") as archive:
        for entry in entries:
            archive.writestr(entry, "x")
    return at


@pytest.mark.parametrize("name", ["bundle", "bundle.zip"])
def test_a_folder_and_a_zip_archive_read_the_same(tmp_path: Path, name: str) -> None:
    bundle = read_bundle(write_files(tmp_path / name, FILES), NOTHING_KNOWN)

    assert list(bundle.people.rows) == ["pupil"]
    assert not bundle.unused


@pytest.mark.parametrize("name", ["bundle", "bundle.zip"])
def test_files_may_lie_in_one_top_folder(tmp_path: Path, name: str) -> None:
    path = write_files(tmp_path / name, FILES, top="Выгрузка/")

    assert list(read_bundle(path, NOTHING_KNOWN).people.rows) == ["pupil"]


@pytest.mark.parametrize("name", ["bundle", "bundle.zip"])
def test_the_case_of_files_names_is_of_no_account(tmp_path: Path, name: str) -> None:
    path = write_files(tmp_path / name, {"Manifest.CSV": FILES["manifest.csv"], "USERS.csv": USERS})

    assert list(read_bundle(path, NOTHING_KNOWN).people.rows) == ["pupil"]


@pytest.mark.parametrize("name", ["bundle", "bundle.zip"])
def test_hidden_files_and_those_of_a_mac_are_ignored(tmp_path: Path, name: str) -> None:
    extra = {"__MACOSX/users.csv": b"\x00", ".DS_Store": b"\x00", ".git/manifest.csv": b"\x00"}
    path = write_files(tmp_path / name, {**FILES, **extra})

    assert not read_bundle(path, NOTHING_KNOWN).unused


@pytest.mark.parametrize("name", ["bundle", "bundle.zip"])
def test_files_in_other_folders_are_counted_and_not_read(tmp_path: Path, name: str) -> None:
    path = write_files(tmp_path / name, {**FILES, "old/users.csv": b"\x00", "old/older/orgs.csv": b"\x00"})

    assert read_bundle(path, NOTHING_KNOWN).unused == {"files in other folders than the manifest": 2}


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\x05\x06" + bytes(18), b"not a zip", bytes(100_000)])
def test_what_is_no_zip_archive_or_has_no_manifest_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bundle.zip"
    path.write_bytes(content)

    assert refusal(path) in (
        "bundle.zip: is neither a folder nor a zip archive that can be read",
        "manifest.csv: is missing",
    )


def test_a_path_without_a_file_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.zip") == "none.zip: is neither a folder nor a zip archive that can be read"


def test_an_archive_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    path = write_files(tmp_path / "bundle.zip", FILES)
    path.write_bytes(path.read_bytes()[:-30])

    assert refusal(path) == "bundle.zip: is neither a folder nor a zip archive that can be read"


def test_a_file_whose_bytes_were_changed_in_the_archive_is_refused_by_name(tmp_path: Path) -> None:
    path = write_files(tmp_path / "bundle.zip", FILES)
    content = bytearray(path.read_bytes())
    at = content.index(b"users.csv") + len("users.csv") + 5
    content[at : at + 20] = bytes(20)
    path.write_bytes(content)

    assert refusal(path) == "users.csv: cannot be read: the archive is broken or the file is not accessible"


def test_an_encrypted_archive_is_refused(tmp_path: Path) -> None:
    path = write_files(tmp_path / "bundle.zip", FILES)
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)

    assert refusal(path) == "bundle.zip: has an encrypted file: manifest.csv"


def test_a_file_packed_in_an_odd_way_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bundle.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        for name, text in FILES.items():
            archive.writestr(name, text)

    assert "packed in another way than deflate: users.csv" in refusal(path)


@pytest.mark.parametrize("name", ["../users.csv", "a/../../x.csv", "/etc/x.csv", "C:\\x.csv", "..\\x.csv"])
def test_a_path_that_leads_outside_is_refused(tmp_path: Path, name: str) -> None:
    path = archive_with(tmp_path / "bundle.zip", name)

    assert refusal(path).startswith("bundle.zip: has a path that leads outside: ")


def test_a_link_in_an_archive_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("orgs.csv")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16

    assert refusal(archive_with(tmp_path / "bundle.zip", link)) == (
        "bundle.zip: has a link or a special file: orgs.csv"
    )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs links and pipes in folders")
def test_a_link_or_a_pipe_in_a_folder_is_refused(tmp_path: Path) -> None:
    path = write_files(tmp_path / "bundle", FILES)
    (path / "orgs.csv").symlink_to(path / "users.csv")
    os.mkfifo(path / "roles.csv")

    assert refusal(path).splitlines() == [
        "bundle: has a link or a special file: orgs.csv",
        "bundle: has a link or a special file: roles.csv",
    ]


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", ["users.csv", "Users.CSV", "./users.csv"])
def test_two_files_of_one_name_are_refused(tmp_path: Path, name: str) -> None:
    assert refusal(archive_with(tmp_path / "bundle.zip", name)).startswith("bundle.zip: has a file twice: ")


def test_a_second_manifest_is_refused(tmp_path: Path) -> None:
    path = write_files(tmp_path / "bundle.zip", {**FILES, "old/manifest.csv": FILES["manifest.csv"]})

    assert refusal(path) == "bundle.zip: has more than one manifest.csv"


@pytest.mark.parametrize("name", ["bundle", "bundle.zip"])
def test_a_hundred_files_are_read_and_one_more_is_refused(tmp_path: Path, name: str) -> None:
    many = {f"{number}.csv": "x" for number in range(98)}
    path = write_files(tmp_path / name, {**FILES, **many})
    more = write_files(tmp_path / f"more-{name}", {**FILES, **many, "98.csv": "x"})

    assert sum(read_bundle(path, NOTHING_KNOWN).unused.values()) == 98
    assert refusal(more) == f"more-{name}: has more than 100 files"


def test_a_folder_of_more_than_a_hundred_folders_is_refused(tmp_path: Path) -> None:
    path = write_files(tmp_path / "bundle", FILES)
    for number in range(101):
        (path / str(number)).mkdir()

    assert refusal(path) == "bundle: has more than 100 folders"


@pytest.mark.parametrize("name", ["bundle", "bundle.zip"])
def test_files_that_are_too_large_together_are_refused(tmp_path: Path, name: str) -> None:
    path = write_files(tmp_path / name, FILES)
    size = sum(len(text.encode()) for text in FILES.values())

    assert list(read_bundle(path, NOTHING_KNOWN, Bounds(bytes=size)).people.rows) == ["pupil"]
    assert refusal(path, Bounds(bytes=size - 1)) == f"{name}: the files are larger than {size - 1} bytes unpacked"


def test_a_bundle_may_have_two_gibibytes() -> None:
    assert Bounds() == Bounds(files=100, bytes=2 * 1024**3, ratio=200, ratio_from=10 * 1024**2)


def test_what_is_really_read_is_counted_when_the_headers_lie(tmp_path: Path) -> None:
    path = write_files(tmp_path / "bundle.zip", {**FILES, "users.csv": USERS + ("\n" * 100_000)})
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\x01\x02", content.index(b"PK\x01\x02") + 1)
    content[at + 24 : at + 28] = (10).to_bytes(4, "little")
    path.write_bytes(content)

    assert refusal(path, Bounds(bytes=1_000)).startswith("users.csv: ")


def test_a_file_that_grows_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = write_files(tmp_path / "bundle", FILES)

    with opened(path, Bounds(bytes=10_000)) as files, files.open("users.csv") as users:
        os.truncate(path / "users.csv", 20_000)
        with pytest.raises(Unreadable, match="larger than 10000 bytes"):
            users.read()


def test_a_file_that_unpacks_to_more_than_two_hundred_times_its_size_is_refused(tmp_path: Path) -> None:
    path = write_files(tmp_path / "bundle.zip", {**FILES, "users.csv": USERS + ("\n" * (11 << 20))})

    assert refusal(path) == "users.csv: is more than 200 times larger than its packed size"


def test_a_small_file_may_be_packed_as_well_as_it_can_be(tmp_path: Path) -> None:
    path = write_files(tmp_path / "bundle.zip", {**FILES, "users.csv": USERS + ("\n" * (9 << 20))})

    assert list(read_bundle(path, NOTHING_KNOWN).people.rows) == ["pupil"]


def test_an_archive_with_a_huge_list_of_files_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "bundle.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(LONGEST_READ // 4096 + 20):
            archive.writestr(zipfile.ZipInfo(f"{number:05}" + "x" * 4096), "")

    assert refusal(path) == "bundle.zip: is neither a folder nor a zip archive that can be read"


def test_a_file_that_this_user_may_not_read_is_refused(tmp_path: Path) -> None:
    path = write_files(tmp_path / "bundle", FILES)
    (path / "users.csv").chmod(0)
    if os.access(path / "users.csv", os.R_OK):
        pytest.skip("this user may read everything")

    assert refusal(path) == "users.csv: cannot be read: the archive is broken or the file is not accessible"
