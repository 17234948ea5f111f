"""A timetable as iCalendar: series and their exceptions, zones, and files that were not made by a school."""

import time
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from domain.timetable import BadTimetable, Stated, Timetable, Where
from infrastructure.timetables.reading import read_timetable

NOW = datetime(2026, 9, 1, 9, 0, tzinfo=UTC)
MOSCOW = "Europe/Moscow"
SOON_SECONDS = 20

rule = pytest.mark.rule("ROSTER-04")

GROUP = "X-SFERUM-GROUP:8К"
AT_0830 = ("DTSTART;TZID=Europe/Moscow:20260907T083000", "DTEND;TZID=Europe/Moscow:20260907T091500")
SCHOOL_ZONE = (
    "BEGIN:VTIMEZONE",
    "TZID:School",
    "BEGIN:STANDARD",
    "DTSTART:19701025T030000",
    "TZOFFSETFROM:+0200",
    "TZOFFSETTO:+0100",
    "RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU",
    "END:STANDARD",
    "BEGIN:DAYLIGHT",
    "DTSTART:19700329T020000",
    "TZOFFSETFROM:+0100",
    "TZOFFSETTO:+0200",
    "RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU",
    "END:DAYLIGHT",
    "END:VTIMEZONE",
)


def event(*lines: str, uid: str | None = "uid") -> tuple[str, ...]:
    """An event of these lines."""
    named = () if uid is None else (f"UID:{uid}",)
    return ("BEGIN:VEVENT", *named, *lines, "END:VEVENT")


def write(path: Path, *parts: tuple[str, ...]) -> Path:
    """A calendar of these parts, each part's first line known by its number."""
    file = path / "timetable.ics"
    lines = ("BEGIN:VCALENDAR", "VERSION:2.0", *(line for part in parts for line in part), "END:VCALENDAR")
    file.write_bytes("".join(f"{line}\r\n" for line in lines).encode())
    return file


def read_all(file: Path, zone: str = MOSCOW) -> Timetable:
    return read_timetable(file, ZoneInfo(zone), NOW)


def read(path: Path, *parts: tuple[str, ...], zone: str = MOSCOW) -> dict[str, Stated]:
    """The lessons of a calendar of these parts, by their keys."""
    return {lesson.key: lesson for lesson in read_all(write(path, *parts), zone).stated}


def starts(found: dict[str, Stated]) -> list[str]:
    """When the lessons start, in UTC."""
    return [f"{lesson.starts_at:%m-%d %H:%M}" for lesson in found.values()]


def faults_of(path: Path, *parts: tuple[str, ...]) -> list[tuple[int, str]]:
    """The lines that are wrong in a calendar of these parts, each with the name of its event."""
    with pytest.raises(BadTimetable) as raised:
        read_all(write(path, *parts))
    return [(fault.line, fault.place) for fault in raised.value.faults]


@rule
def test_an_event_is_a_lesson_whose_key_is_its_uid(tmp_path: Path) -> None:
    found = read(tmp_path, event(*AT_0830, GROUP, "X-SFERUM-SUBSTITUTE:klimova", "SUMMARY:Алгебра", "X-ROOM:5"))

    start, end = datetime(2026, 9, 7, 5, 30, tzinfo=UTC), datetime(2026, 9, 7, 6, 15, tzinfo=UTC)
    [lesson] = found.values()
    assert lesson == Stated("uid", ("8К",), start, end, Where(3, "uid"), lesson.substitute)
    assert lesson.substitute == "klimova"


@rule
@pytest.mark.parametrize(
    ("lines", "groups"),
    [
        (["X-SFERUM-GROUP:8К", "CATEGORIES:Химия"], ("8К",)),
        (["CATEGORIES:Урок,8К", "CATEGORIES;LANGUAGE=ru:9А"], ("Урок", "8К", "9А")),
        (["CATEGORIES:8 К\\, алгеб", " ра,a:b\\;c"], ("8 К, алгебра", "a:b;c")),
        (["x-sferum-group: 8 К\\, алгебра "], ("8 К, алгебра",)),
        (["X-SFERUM-GROUP:", "CATEGORIES:8К"], ("8К",)),
    ],
)
def test_the_group_is_the_one_of_its_own_property_or_else_a_category(
    tmp_path: Path, lines: list[str], groups: tuple[str, ...]
) -> None:
    found = read(tmp_path, event(*AT_0830, *lines))

    assert found["uid"].groups == groups


@rule
@pytest.mark.parametrize(
    ("start", "hour"),
    [
        ("DTSTART:20261024T083000Z", "10-24 08:30"),
        ("DTSTART:20261024T083000", "10-23 20:30"),
        ("DTSTART:20261025T083000", "10-24 20:30"),
        ("DTSTART;TZID=Europe/Moscow:20261024T083000", "10-24 05:30"),
        ('DTSTART;TZID="Russian Standard Time":20261024T083000', "10-24 05:30"),
        ("DTSTART;TZID=Europe/Berlin:20261024T083000", "10-24 06:30"),
        ("DTSTART;TZID=Europe/Berlin:20261025T083000", "10-25 07:30"),
        ("DTSTART;TZID=Europe/Berlin:20261025T023000", "10-25 00:30"),
        ("DTSTART;TZID=Europe/Berlin:20260329T023000", "03-29 01:30"),
        ("DTSTART;TZID=School:20261024T083000", "10-24 06:30"),
        ("DTSTART;TZID=School:20261025T083000", "10-25 07:30"),
        ("DTSTART;TZID=School:20261025T023000", "10-25 00:30"),
        ("DTSTART;TZID=School:20260329T023000", "03-29 01:30"),
    ],
)
def test_a_time_is_that_of_its_zone_and_without_one_of_the_organization(tmp_path: Path, start: str, hour: str) -> None:
    found = read(tmp_path, event(start, "DURATION:PT45M", GROUP), SCHOOL_ZONE, zone="Asia/Kamchatka")

    assert starts(found) == [hour]
    assert (found["uid"].ends_at - found["uid"].starts_at).seconds == 45 * 60


@rule
def test_a_weekly_lesson_keeps_its_hour_when_the_clock_changes(tmp_path: Path) -> None:
    lesson = event("DTSTART;TZID=Europe/Berlin:20261019T083000", "DURATION:PT45M", "RRULE:FREQ=WEEKLY;COUNT=3", GROUP)

    found = read(tmp_path, lesson)

    assert list(found) == ["uid/20261019T063000Z", "uid/20261026T073000Z", "uid/20261102T073000Z"]
    assert starts(found) == ["10-19 06:30", "10-26 07:30", "11-02 07:30"]


@rule
@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["RRULE:FREQ=WEEKLY;COUNT=3"], ["09-07 05:30", "09-14 05:30", "09-21 05:30"]),
        (["RRULE:FREQ=WEEKLY;UNTIL=20260914T053000Z"], ["09-07 05:30", "09-14 05:30"]),
        (["RRULE:FREQ=WEEKLY;UNTIL=20260914T052959Z"], ["09-07 05:30"]),
        (["RRULE:FREQ=WEEKLY;UNTIL=20260914"], ["09-07 05:30", "09-14 05:30"]),
        (["RRULE:FREQ=WEEKLY;UNTIL=20260914T083000"], ["09-07 05:30", "09-14 05:30"]),
        (["RRULE:FREQ=WEEKLY;INTERVAL=2;COUNT=2;BYDAY=MO;WKST=MO;"], ["09-07 05:30", "09-21 05:30"]),
        (["RRULE:FREQ=MONTHLY;BYMONTHDAY=-1;UNTIL=20261031"], ["09-07 05:30", "09-30 05:30", "10-31 05:30"]),
        (["RRULE:FREQ=MONTHLY;BYDAY=2MO;COUNT=2"], ["09-07 05:30", "09-14 05:30", "10-12 05:30"]),
        (["RRULE:FREQ=WEEKLY;COUNT=2", "RRULE:FREQ=DAILY;COUNT=2"], ["09-07 05:30", "09-08 05:30", "09-14 05:30"]),
        (
            ["RRULE:FREQ=WEEKLY;COUNT=4", "EXDATE:20260914T053000Z,20260921T083000"],
            ["09-07 05:30", "09-28 05:30"],
        ),
        (["RRULE:FREQ=WEEKLY;COUNT=2", "EXDATE;VALUE=DATE:20260907"], ["09-14 05:30"]),
        (["RDATE;TZID=Asia/Kamchatka:20260908T083000,20260908T093000"], ["09-07 05:30", "09-07 20:30", "09-07 21:30"]),
        (["RRULE:FREQ=WEEKLY;COUNT=2", "RDATE:20260914T083000"], ["09-07 05:30", "09-14 05:30"]),
        (["RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;COUNT=1"], ["09-07 05:30", "02-29 05:30"]),
    ],
)
def test_a_series_has_the_lessons_of_its_rules_and_dates_and_not_those_that_it_leaves_out(
    tmp_path: Path, lines: list[str], expected: list[str]
) -> None:
    found = read(tmp_path, event(*AT_0830, GROUP, *lines))

    assert starts(found) == expected
    assert list(found) == [f"uid/{lesson.starts_at:%Y%m%dT%H%M%SZ}" for lesson in found.values()]


@rule
@pytest.mark.parametrize("rule_of", ["FREQ=DAILY", "FREQ=DAILY;UNTIL=99991231T235959Z", "FREQ=DAILY;UNTIL=99991231"])
def test_a_rule_without_end_is_followed_for_one_year_from_today(tmp_path: Path, rule_of: str) -> None:
    found = read(tmp_path, event(*AT_0830, GROUP, f"RRULE:{rule_of}"))

    last = list(found.values())[-1]
    assert last.starts_at == datetime(2027, 9, 1, 5, 30, tzinfo=UTC)
    assert len(found) == 360


@rule
def test_an_exception_stands_in_the_place_and_under_the_key_of_the_lesson_that_it_replaces(tmp_path: Path) -> None:
    series = event(*AT_0830, GROUP, "RRULE:FREQ=WEEKLY;COUNT=4", "X-SFERUM-SUBSTITUTE:klimova")
    moved = event("RECURRENCE-ID:20260914T053000Z", "DTSTART:20260916T100000", "DURATION:PT1H", "CATEGORIES:9А")
    called_off = event("RECURRENCE-ID:20260921T083000", "DTSTART:20260921T083000", "STATUS:cancelled")
    by_day = event("RECURRENCE-ID;VALUE=DATE:20260928", "DTSTART:20260928T120000")

    found = read(tmp_path, moved, called_off, series, by_day)

    assert [
        (key, f"{lesson.starts_at:%d %H:%M}", (lesson.ends_at - lesson.starts_at).seconds // 60)
        for key, lesson in found.items()
    ] == [
        ("uid/20260907T053000Z", "07 05:30", 45),
        ("uid/20260914T053000Z", "16 07:00", 60),
        ("uid/20260921T053000Z", "21 05:30", 45),
        ("uid/20260928T053000Z", "28 09:00", 45),
    ]
    assert [lesson.cancelled for lesson in found.values()] == [False, False, True, False]
    assert [lesson.groups for lesson in found.values()] == [("8К",), ("9А",), ("8К",), ("8К",)]
    assert [lesson.substitute for lesson in found.values()] == ["klimova", None, None, None]


@rule
def test_an_exception_without_its_series_is_a_lesson_of_its_own(tmp_path: Path) -> None:
    alone = event("RECURRENCE-ID:20260914T053000Z", "DTSTART:20260916T100000", "DURATION:PT1H", GROUP)
    of_a_single = event("RECURRENCE-ID:20260907T053000Z", "DTSTART:20260908T083000", uid="single")

    found = read(tmp_path, alone, event(*AT_0830, GROUP, uid="single"), of_a_single)

    assert starts(found) == ["09-16 07:00", "09-08 05:30"]
    assert list(found) == ["uid/20260914T053000Z", "single"]


@rule
def test_a_cancelled_series_cancels_all_its_lessons(tmp_path: Path) -> None:
    found = read(tmp_path, event(*AT_0830, GROUP, "RRULE:FREQ=WEEKLY;COUNT=2", "STATUS:CANCELLED"))

    assert [lesson.cancelled for lesson in found.values()] == [True, True]


@rule
def test_events_of_whole_days_and_other_parts_of_a_calendar_are_left_aside(tmp_path: Path) -> None:
    holiday = event("DTSTART;VALUE=DATE:20261104", "SUMMARY:Праздник")
    bell = ("BEGIN:VALARM", "UID:alarm", "DTSTART:rubbish", "END:VALARM")
    task = ("BEGIN:VTODO", "UID:task", "DTSTART:20260907T083000", "END:VTODO")

    found = read_all(write(tmp_path, holiday, task, event(*AT_0830, *bell, GROUP, uid="lesson")))

    assert [lesson.key for lesson in found.stated] == ["lesson"]
    assert list(found.unused.values()) == [1]


@rule
def test_a_calendar_is_known_by_its_content_and_an_empty_one_states_nothing(tmp_path: Path) -> None:
    written = write(tmp_path)
    renamed = written.rename(tmp_path / "timetable.txt")

    assert read_all(renamed).stated == ()


@rule
@pytest.mark.parametrize(
    "lines",
    [
        [*AT_0830],
        [GROUP],
        [AT_0830[0], GROUP],
        [*AT_0830, *AT_0830, GROUP],
        ["DTSTART:20260907T083000", "DTEND:20260907T083000", GROUP],
        ["DTSTART:20260907T083000", "DTEND:20260907T073000", GROUP],
        ["DTSTART:20260907T083000", "DTEND:20260909T073000", GROUP],
        ["DTSTART:20260907T083000", "DTEND;VALUE=DATE:20260909", GROUP],
        ["DTSTART:20260907T083000", "DURATION:P9999999999999W", GROUP],
        ["DTSTART:20260907T083000", "DURATION:-PT45M", GROUP],
        ["DTSTART:20260907T083000", "DURATION:45", GROUP],
        ["DTSTART:20260907 083000", "DURATION:PT45M", GROUP],
        ["DTSTART:00010101T000000", "DURATION:PT45M", GROUP],
        ["DTSTART:99991231T235959", "DURATION:PT45M", GROUP],
        ["DTSTART;TZID=Mars/Olympus:20260907T083000", "DURATION:PT45M", GROUP],
        ["DTSTART;TZID=../../etc/passwd:20260907T083000", "DURATION:PT45M", GROUP],
        ["DTSTART;TZID=a,b:20260907T083000", "DURATION:PT45M", GROUP],
        ["DTSTART;TZID=Europe/Moscow:20260907T083000Z", "DURATION:PT45M", GROUP],
        ['DTSTART;TZID="Europe/Moscow:20260907T083000', "DURATION:PT45M", GROUP],
        [*AT_0830, GROUP, "RRULE:FREQ=SOMETIMES"],
        [*AT_0830, GROUP, "RRULE:rubbish"],
        [*AT_0830, GROUP, "RRULE:FREQ=DAILY;BYEASTER=1"],
        [*AT_0830, GROUP, "RRULE:FREQ=DAILY;COUNT=0"],
        [*AT_0830, GROUP, "RRULE:FREQ=DAILY;INTERVAL=0"],
        [*AT_0830, GROUP, "RRULE:FREQ=DAILY;INTERVAL=-1"],
        [*AT_0830, GROUP, "RRULE:FREQ=DAILY;COUNT=2;UNTIL=20260914"],
        [*AT_0830, GROUP, "RRULE:FREQ=DAILY;UNTIL=soon"],
        [*AT_0830, GROUP, "RRULE:FREQ=DAILY;BYHOUR=99"],
        [*AT_0830, GROUP, "RRULE:FREQ=DAILY;BYMONTH=13"],
        [*AT_0830, GROUP, "RRULE:FREQ=DAILY;BYMONTH=-1"],
        [*AT_0830, GROUP, "RRULE:FREQ=DAILY;BYDAY=XX"],
        [*AT_0830, GROUP, "RRULE:FREQ=DAILY;COUNT=2;COUNT=3"],
        [*AT_0830, GROUP, "RRULE:FREQ=YEARLY;COUNT=100"],
        [*AT_0830, GROUP, "EXRULE:FREQ=DAILY"],
        [*AT_0830, GROUP, "RDATE;VALUE=DATE:20260914"],
        [*AT_0830, GROUP, "EXDATE:rubbish"],
        [*AT_0830, GROUP, "RECURRENCE-ID;RANGE=THISANDFUTURE:20260907T083000"],
        [*AT_0830, GROUP, "RECURRENCE-ID;VALUE=DATE:20260907"],
        ["DTSTART;VALUE=DATE:20260907", GROUP, "RECURRENCE-ID;VALUE=DATE:20260907"],
    ],
)
def test_a_bad_event_names_its_line_and_its_uid(tmp_path: Path, lines: list[str]) -> None:
    good = event(*AT_0830, GROUP, uid="good")

    assert faults_of(tmp_path, good, event(*lines)) == [(3 + len(good), "UID uid")]


@rule
def test_all_faults_are_told_at_once_each_once(tmp_path: Path) -> None:
    nameless = event(*AT_0830, GROUP, uid=None)
    no_group = event(*AT_0830, "RRULE:FREQ=WEEKLY;COUNT=4", uid="no group")

    assert faults_of(tmp_path, nameless, no_group) == [(3, "UID "), (3 + len(nameless), "UID no group")]


@rule
def test_a_lesson_that_is_stated_twice_is_a_fault(tmp_path: Path) -> None:
    first = event(*AT_0830, GROUP, "RRULE:FREQ=WEEKLY;COUNT=2")
    again = event(*AT_0830, GROUP)
    exceptions = [event("RECURRENCE-ID:20260907T053000Z", *AT_0830)] * 2

    found = faults_of(tmp_path, first, again, *exceptions)

    line = 3 + len(first)
    assert found == [(line, "UID uid"), (line + len(again) + len(exceptions[0]), "UID uid")]


@rule
@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:a\n", 2),
        ("BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VCALENDAR\n", 3),
        ("BEGIN:VCALENDAR\nEND:VCALENDAR\nEND:VCALENDAR\n", 3),
        ("BEGIN:VCALENDAR\nEND:VCALENDAR\nBEGIN:VEVENT\nEND:VEVENT\n", 3),
        ("lesson_id,group_id\n", 1),
        ("BEGIN:VCALENDAR\n" + "BEGIN:VEVENT\n" * 100_000, 11),
    ],
)
def test_a_file_whose_parts_do_not_fit_together_is_refused(tmp_path: Path, text: str, line: int) -> None:
    file = tmp_path / "timetable.ics"
    file.write_text(text)

    with pytest.raises(BadTimetable) as raised:
        read_all(file)

    assert [fault.line for fault in raised.value.faults] == [line]


@rule
@pytest.mark.parametrize(
    "lines",
    [
        ["RRULE:FREQ=SECONDLY"],
        ["RRULE:FREQ=MINUTELY;COUNT=5"],
        ["RRULE:FREQ=DAILY;BYHOUR=" + ",".join(map(str, range(24))) + ";BYMINUTE=" + ",".join(map(str, range(60)))],
        ["RRULE:FREQ=DAILY;COUNT=999999"],
        ["RRULE:FREQ=DAILY;COUNT=9999999999999999999999"],
        ["RRULE:FREQ=DAILY;UNTIL=20991230;BYHOUR=1,2,3,4"],
    ],
)
def test_a_rule_of_very_many_lessons_is_a_fault_and_does_not_hang(tmp_path: Path, lines: list[str]) -> None:
    begun = time.monotonic()

    found = faults_of(tmp_path, event(*AT_0830, GROUP, *lines))

    assert found == [(3, "UID uid")]
    assert time.monotonic() - begun < SOON_SECONDS


@rule
def test_rules_whose_day_never_comes_do_not_hang(tmp_path: Path) -> None:
    rules = [f"FREQ={frequency};BYMONTH=2;BYMONTHDAY=30" for frequency in ["DAILY"] * 8 + ["WEEKLY", "YEARLY"]]
    begun = time.monotonic()

    found = read(tmp_path, event(*AT_0830, GROUP, *(f"RRULE:{never}" for never in rules)))

    assert starts(found) == ["09-07 05:30"]
    assert time.monotonic() - begun < SOON_SECONDS


@rule
@pytest.mark.parametrize(
    "described",
    [
        ["RRULE:FREQ=SECONDLY"],
        ["RRULE:FREQ=YEARLY;BYHOUR=1,2,3"],
        ["RRULE:FREQ=YEARLY;INTERVAL=0"],
        ["RRULE:rubbish"],
        ["TZOFFSETTO:+9900"],
        ["TZOFFSETTO:rubbish"],
        ["DTSTART:rubbish"],
    ],
)
def test_a_zone_that_cannot_be_is_a_fault_of_the_events_in_it(tmp_path: Path, described: list[str]) -> None:
    zone = (
        *("BEGIN:VTIMEZONE", "TZID:Odd", "BEGIN:STANDARD", "DTSTART:19700101T000000"),
        *("TZOFFSETFROM:+0300", "TZOFFSETTO:+0300", *described, "END:STANDARD", "END:VTIMEZONE"),
    )
    lesson = event("DTSTART;TZID=Odd:20260907T083000", "DURATION:PT45M", GROUP)

    assert faults_of(tmp_path, zone, lesson) == [(3 + len(zone), "UID uid")]


@rule
@pytest.mark.parametrize(
    "text",
    [
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:" + "\n x" * 3_000_000 + "\nEND:VEVENT\nEND:VCALENDAR\n",
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:" + "x" * 10_000_000 + "\nEND:VEVENT\nEND:VCALENDAR\n",
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:a\nDTSTART;" + "A=B;" * 100_000 + ":2\nEND:VEVENT\nEND:VCALENDAR\n",
        "\n" * 10_000_000 + "x",
        "BEGIN:VCALENDAR" + "\n\n " * 3_000_000,
    ],
    ids=["folded", "long", "parameters", "blank", "blank and folded"],
)
def test_a_file_made_to_be_slow_is_refused_soon(tmp_path: Path, text: str) -> None:
    file = tmp_path / "timetable.ics"
    file.write_text(text)
    begun = time.monotonic()

    with pytest.raises(BadTimetable):
        read_all(file)

    assert time.monotonic() - begun < SOON_SECONDS


@rule
def test_a_year_of_a_school_is_read_in_seconds(tmp_path: Path) -> None:
    lessons = [
        event(f"DTSTART;TZID=Europe/Moscow:20260907T{8 + number % 8:02}3000", "DURATION:PT45M",
              "RRULE:FREQ=WEEKLY;UNTIL=20270525", f"CATEGORIES:{number // 5}", uid=str(number))
        for number in range(1000)
    ]  # fmt: skip
    begun = time.monotonic()

    found = read(tmp_path, *lessons)

    assert len(found) == 38_000
    assert time.monotonic() - begun < SOON_SECONDS
