"""A file of a bundle is UTF-8 and RFC 4180, and a fault of it names the physical line where its row begins."""

from pathlib import Path

import pytest

from infrastructure.oneroster.table import LONGEST_ROW
from tests.infrastructure.oneroster.small import (
    A_CLASS,
    A_PUPIL,
    A_TEACHER,
    CLASSES,
    USERS_1_1,
    faults,
    read,
    sheet,
    users_with,
)

USERS = sheet(USERS_1_1, A_PUPIL, A_TEACHER)


@pytest.mark.parametrize(
    "content",
    [
        USERS.encode(),
        b"\xef\xbb\xbf" + USERS.encode(),
        USERS.replace("\r\n", "\n").encode(),
        USERS.replace("\r\n", "\r").encode(),
        USERS.rstrip().encode(),
        USERS.replace("\r\n", "\r\n\r\n").encode(),
    ],
    ids=["plain", "with a byte order mark", "LF", "CR", "no last line end", "blank lines"],
)
def test_utf8_reads_with_any_line_ends_and_with_or_without_a_mark(tmp_path: Path, content: bytes) -> None:
    assert list(read(tmp_path, {"users": content}).people.rows) == ["pupil", "teacher"]


@pytest.mark.rule("ROSTER-03")
@pytest.mark.parametrize(
    ("content", "line"),
    [
        (USERS.encode("cp1251"), 2),
        (USERS.encode("utf-16"), 1),
        (USERS.encode().replace("Вера".encode(), b"\xed\xa0\x80"), 3),
        (USERS.encode().replace("Вера".encode(), b"\xd0"), 3),
    ],
    ids=["cp1251", "utf-16", "a lone surrogate", "half a letter"],
)
def test_another_encoding_is_a_fault_of_its_line(tmp_path: Path, content: bytes, line: int) -> None:
    assert faults(tmp_path, {"users": content}) == [f"users.csv, line {line}: is not UTF-8"]


@pytest.mark.rule("ROSTER-03")
def test_a_nul_byte_is_a_fault_of_its_line(tmp_path: Path) -> None:
    assert faults(tmp_path, {"users": USERS.replace("Вера", "Ве\0ра")}) == ["users.csv, line 3: has a NUL byte"]


@pytest.mark.rule("ROSTER-03")
@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        (['u,active,school-1,student,"Ким,Анна,'], "line 2: is not CSV from here on"),
        ([A_PUPIL, 'u,active,school-1,student,"Ким"!,Анна,'], "line 3: is not CSV from here on"),
        (["u,active,school-1,student,Ким,Анна"], "line 2: has 6 fields where the header has 7"),
        (["u,active,school-1,student,Ким,Анна,,"], "line 2: has 8 fields where the header has 7"),
        (['"u\n\n1",,,,,,', "u"], "line 5: has 1 fields where the header has 7"),
    ],
)
def test_broken_csv_is_a_fault_of_the_line_where_its_row_begins(tmp_path: Path, rows: list[str], fault: str) -> None:
    found = faults(tmp_path, {"users": "\n".join([USERS_1_1, *rows, ""])})

    assert found[-1].startswith(f"users.csv, {fault}")


@pytest.mark.rule("ROSTER-03")
def test_a_row_after_quoted_line_breaks_is_named_by_its_physical_line(tmp_path: Path) -> None:
    users = f'{USERS_1_1},address\r\n{A_PUPIL},"Мира, 1\r\n\r\nкв. 2\n"\r\n{A_PUPIL},\r\n'

    assert faults(tmp_path, {"users": users}) == [
        "users.csv, line 6, column sourcedId: is pupil, as in a row before",
    ]


def test_a_row_without_end_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    rows = f"{USERS_1_1}\n" + '"\n",' * LONGEST_ROW
    field = f'{USERS_1_1}\n"{"x" * (200 << 10)}'
    line = f"{USERS_1_1}\n{'x,' * LONGEST_ROW}"

    assert faults(tmp_path, {"users": rows})[0].startswith("users.csv, line 2: is a row of more than")
    assert faults(tmp_path, {"users": field})[0].startswith("users.csv, line 2: is not CSV from here on")
    assert faults(tmp_path, {"users": line})[0].startswith("users.csv, line 2: is a row of more than")


@pytest.mark.rule("ROSTER-03")
def test_required_columns_must_be_in_the_header(tmp_path: Path) -> None:
    users = sheet("sourcedId,status,givenName", "u,active,Анна")

    assert faults(tmp_path, {"users": users}) == [
        "users.csv, line 1, column familyName: is missing from the header",
        "users.csv, line 1, column role: is missing from the header",
        "users.csv, line 1, column orgSourcedIds/orgSourcedId: is missing from the header",
    ]


@pytest.mark.rule("ROSTER-03")
def test_a_column_may_be_in_the_header_once(tmp_path: Path) -> None:
    users = sheet(f"{USERS_1_1}, Role,,", A_PUPIL)

    assert faults(tmp_path, {"users": users}) == ["users.csv, line 1, column role: is twice in the header"]


def test_a_header_may_have_spaces_and_any_case_and_columns_that_nobody_knows(tmp_path: Path) -> None:
    users = sheet(f"{USERS_1_1.upper().replace(',', ' , ')},metadata.x,ext_y,grade,,", f"{A_PUPIL},1,2,3")

    assert read(tmp_path, {"users": users}).people.rows["pupil"].name.full == "Ким Анна"


def test_columns_may_stand_in_any_order(tmp_path: Path) -> None:
    columns = list(zip(USERS_1_1.split(","), A_PUPIL.split(","), strict=True))[::-1]
    users = "\n".join([",".join(name for name, _ in columns), ",".join(value for _, value in columns)])

    assert read(tmp_path, {"users": users}).people.rows["pupil"].name.full == "Ким Анна"


@pytest.mark.rule("ROSTER-03")
@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff"])
def test_a_file_without_a_header_is_a_fault(tmp_path: Path, content: str) -> None:
    assert faults(tmp_path, {"users": content}) == ["users.csv: is empty; even a file without rows has a header"]


def test_a_header_alone_means_no_rows(tmp_path: Path) -> None:
    assert read(tmp_path, {"users": USERS_1_1}).people.rows == {}


@pytest.mark.rule("ROSTER-03")
def test_every_fault_is_told_and_after_a_hundred_only_how_many_more(tmp_path: Path) -> None:
    users = sheet(USERS_1_1, *(f"u{number},active,school-1,nobody,Ким,Анна," for number in range(150)))

    found = faults(tmp_path, {"users": users, "classes": sheet(CLASSES, A_CLASS.replace("homeroom", "club"))})

    assert found[0] == "classes.csv, line 2, column classType: is none of homeroom, scheduled"
    assert found[1] == "users.csv, line 2, column role: is not a role of OneRoster"
    assert len(found) == 101
    assert found[-1] == "and 51 more faults"


@pytest.mark.rule("AUDIT-02")
@pytest.mark.parametrize(
    "column", ["sourcedId", "status", "role", "familyName", "givenName", "enabledUser", "metadata.positionKind"]
)
def test_a_fault_does_not_tell_what_may_be_a_name(tmp_path: Path, column: str) -> None:
    bad = users_with(column, "Кузнецова\a")

    found = faults(tmp_path, {"users": bad})

    assert found[0].startswith(f"users.csv, line 2, column {column}: ")
    assert "Кузнецова" not in "".join(found)
