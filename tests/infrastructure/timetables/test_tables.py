"""A timetable as CSV, as schools' programs write it."""

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from domain.timetable import BadTimetable, Stated, Where
from infrastructure.timetables.limits import MOST_BYTES, MOST_FAULTS
from infrastructure.timetables.reading import read_timetable
from tests.builders import MONDAY_0800

HEADER = "lesson_id,group_id,date,start,end,substitute_id,cancelled"
MOSCOW = "Europe/Moscow"

rule = pytest.mark.rule("ROSTER-04")


def write(path: Path, *rows: str, header: str = HEADER, encoding: str = "utf-8") -> Path:
    """A file of these rows."""
    file = path / "timetable.csv"
    file.write_text("\n".join([header, *rows, ""]), encoding=encoding)
    return file


def read(file: Path, zone: str = MOSCOW) -> tuple[Stated, ...]:
    """All its lessons."""
    return read_timetable(file, ZoneInfo(zone), MONDAY_0800).stated


def faults_of(file: Path) -> list[tuple[int, str]]:
    """The lines and columns that are wrong."""
    with pytest.raises(BadTimetable) as raised:
        read(file)
    return [(fault.line, fault.place.removeprefix("column ")) for fault in raised.value.faults]


def utc(*moment: int) -> datetime:
    return datetime(*moment, tzinfo=UTC)  # type: ignore[arg-type,misc]


@rule
@pytest.mark.parametrize(
    ("zone", "start", "end"),
    [
        (MOSCOW, utc(2026, 10, 25, 5, 30), utc(2026, 10, 25, 6, 15)),
        ("Asia/Kamchatka", utc(2026, 10, 24, 20, 30), utc(2026, 10, 24, 21, 15)),
        ("Europe/Berlin", utc(2026, 10, 25, 7, 30), utc(2026, 10, 25, 8, 15)),
    ],
)
def test_a_row_is_a_lesson_at_the_time_of_the_organization(
    tmp_path: Path, zone: str, start: datetime, end: datetime
) -> None:
    file = write(tmp_path, "l1,8К,2026-10-25,08:30,09:15,klimova,true")

    [found] = read(file, zone)

    assert found == Stated("l1", ("8К",), start, end, Where(2), found.substitute, cancelled=True)
    assert found.substitute == "klimova"


@rule
def test_the_day_before_the_clock_is_put_back_and_that_day_have_different_offsets(tmp_path: Path) -> None:
    file = write(tmp_path, "l1,8К,2026-10-24,08:30,09:15,,", "l2,8К,2026-10-25,08:30,09:15,,")

    found = read(file, "Europe/Berlin")

    assert [lesson.starts_at.hour for lesson in found] == [6, 7]


@rule
def test_a_time_that_the_clock_skips_comes_as_much_later(tmp_path: Path) -> None:
    file = write(tmp_path, "l1,8К,2026-03-29,02:30,03:45,,")

    [found] = read(file, "Europe/Berlin")

    assert (found.starts_at, found.ends_at) == (utc(2026, 3, 29, 1, 30), utc(2026, 3, 29, 1, 45))


@rule
def test_an_offset_overrides_the_zone(tmp_path: Path) -> None:
    file = write(tmp_path, "l1,8К,2026-10-25,08:30:00+12:00,09:15:30+12:00,,0", "l2,8К,2026-10-25,08:30Z,09:15Z,,no")

    found = read(file)

    assert [(lesson.starts_at, lesson.ends_at) for lesson in found] == [
        (utc(2026, 10, 24, 20, 30), utc(2026, 10, 24, 21, 15, 30)),
        (utc(2026, 10, 25, 8, 30), utc(2026, 10, 25, 9, 15)),
    ]


@rule
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_comma_or_semicolon_a_byte_order_mark_and_other_columns_make_no_difference(
    tmp_path: Path, encoding: str, delimiter: str
) -> None:
    header = delimiter.join(["Date", "start", "end", "room", "GROUP_ID", "lesson_id"])
    row = delimiter.join(["2026-10-25", "08:30", "09:15", '"каб. 5,; ""б"""', " 8 К ", "l1"])
    file = write(tmp_path, row, "", delimiter * 5, header=header, encoding=encoding)

    [found] = read(file)

    assert (found.key, found.groups, found.substitute, found.cancelled) == ("l1", ("8 К",), None, False)


@rule
@pytest.mark.parametrize(
    ("row", "column"),
    [
        (",8К,2026-10-25,08:30,09:15,,", "lesson_id"),
        ("l1,,2026-10-25,08:30,09:15,,", "group_id"),
        ("l1,8К,25.10.2026,08:30,09:15,,", "date"),
        ("l1,8К,2026-02-30,08:30,09:15,,", "date"),
        ("l1,8К,2062 10 25,08:30,09:15,,", "date"),
        ("l1,8К,9999-12-31,08:30,09:15,,", "date"),
        ("l1,8К,0001-01-01,08:30,09:15,,", "date"),
        ("l1,8К,٢٠٢٦-10-25,08:30,09:15,,", "date"),
        ("l1,8К,2026-10-25,8:30,09:15,,", "start"),
        ("l1,8К,2026-10-25,24:00,09:15,,", "start"),
        ("l1,8К,2026-10-25,08:30+25:00,09:15,,", "start"),
        ("l1,8К,2026-10-25,08:30,,,", "end"),
        ("l1,8К,2026-10-25,08:30,08:30,,", "end"),
        ("l1,8К,2026-10-25,23:30,00:15,,", "end"),
        ("l1,8К,2026-10-25,08:30,09:15,,maybe", "cancelled"),
        ("l1,8К,2026-10-25,08:30,09:15", ""),
        ("l1,8К,2026-10-25,08:30,09:15,,,", ""),
        ("l\x00,8К,2026-10-25,08:30,09:15,,", "lesson_id"),
        (f"{'l' * 300},8К,2026-10-25,08:30,09:15,,", "lesson_id"),
    ],
)
def test_a_bad_row_names_its_line_and_its_column(tmp_path: Path, row: str, column: str) -> None:
    file = write(tmp_path, "good,8К,2026-10-25,08:30,09:15,,", row)

    assert faults_of(file) == [(3, column)]


@rule
def test_all_faults_are_told_at_once_and_a_row_of_several_lines_is_known_by_its_first(tmp_path: Path) -> None:
    file = write(tmp_path, 'l1,"8\nК",2026,08:30,09:15,,', "l2,8К,2026-10-25,08:30,9,,", "l2,8К,2026-10-25,08:30,9,,")

    assert faults_of(file) == [(2, "date"), (4, "end"), (5, "end")]


@rule
def test_an_id_that_comes_twice_is_a_fault(tmp_path: Path) -> None:
    file = write(tmp_path, "l1,8К,2026-10-25,08:30,09:15,,", "l1,8К,2026-10-26,08:30,09:15,,")

    assert faults_of(file) == [(3, "lesson_id")]


@rule
@pytest.mark.parametrize(
    ("header", "faults"),
    [
        ("lesson_id,date,start", [(1, "group_id"), (1, "end")]),
        (HEADER + ",start", [(1, "start")]),
        ("расписание", [(1, name) for name in ("lesson_id", "group_id", "date", "start", "end")]),
        ("", [(1, name) for name in ("lesson_id", "group_id", "date", "start", "end")]),
    ],
)
def test_a_header_needs_each_column_once(tmp_path: Path, header: str, faults: list[tuple[int, str]]) -> None:
    assert faults_of(write(tmp_path, header=header)) == faults


@rule
def test_a_table_without_rows_states_nothing(tmp_path: Path) -> None:
    assert read(write(tmp_path)) == ()


@rule
@pytest.mark.parametrize(
    "content",
    [
        f"{HEADER}\nl1,8К,2026-10-25,08:30,09:15,,\n".encode("cp1251"),
        f"{HEADER}\n".encode() + b"\xff\xfe",
        f'{HEADER}\n"l1,8К'.encode(),
        f'{HEADER}\n"l1"x,8К,2026-10-25,08:30,09:15,,\n'.encode(),
        f"{HEADER}\n{'x' * 200_000},8К,2026-10-25,08:30,09:15,,\n".encode(),
    ],
    ids=["another encoding", "broken UTF-8", "an open quote", "a quote and more", "a very long field"],
)
def test_what_is_no_csv_in_utf_8_is_refused_at_its_line(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "timetable.csv"
    file.write_bytes(content)

    assert faults_of(file) == [(2, "")]


@rule
def test_a_file_larger_than_may_be_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "timetable.csv"
    with file.open("wb") as sparse:
        sparse.truncate(MOST_BYTES + 1)

    assert faults_of(file) == [(0, "")]


@rule
def test_no_more_than_a_hundred_faults_are_told(tmp_path: Path) -> None:
    file = write(tmp_path, *["l1"] * 1000)

    assert len(faults_of(file)) == MOST_FAULTS


@rule
def test_more_lessons_than_may_be_are_refused(tmp_path: Path) -> None:
    file = write(tmp_path, *(f"{number},8К,2026-10-25,08:30,09:15,," for number in range(100_001)))

    assert faults_of(file) == [(100_002, "")]
