"""A file with a timetable: iCalendar or CSV, in UTF-8, of bounded size."""

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from domain.timetable import BadTimetable, Fault, Timetable
from infrastructure.timetables.calendars import read_calendar
from infrastructure.timetables.limits import MOST_BYTES
from infrastructure.timetables.tables import read_table


def read_timetable(path: Path, zone: ZoneInfo, now: datetime) -> Timetable:
    """All lessons of the file; times without a zone are those of `zone`, and rules are followed from `now`.

    Raises:
        BadTimetable: with everything that is wrong in it.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise BadTimetable([Fault(0, "", f"the file is larger than {MOST_BYTES // 2**20} MiB")])
    text = _text(content)
    if text.lstrip()[:15].upper() == "BEGIN:VCALENDAR" or path.suffix.lower() == ".ics":
        return read_calendar(text, zone, now)
    return read_table(text, zone)


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadTimetable([Fault(line, "", "the file is not in UTF-8")]) from None
