"""What a field of a OneRoster row may say; a fault names the column and never shows the value."""

import re
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from domain.participant import PositionKind
from domain.register import Days, RoleKind
from infrastructure.oneroster.table import Table

LONGEST_ID = 255
LONGEST_TITLE = 255
LONGEST_NAME = 100
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
DAY = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[T ][\d:.,+\-Zz ]*)?", re.ASCII)
TRUTH = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a role's word says of a person (ROSTER-05)."""

    kind: RoleKind
    position: PositionKind | None = None
    administers: bool = False


_PARENT = Meaning(RoleKind.PARENT)
_ADMINISTRATOR = Meaning(RoleKind.STAFF, PositionKind.ADMINISTRATION, administers=True)
_OTHER = Meaning(RoleKind.STAFF, PositionKind.OTHER)
# The words of 1.1, of 1.2, and `sysadmin`, as they are in small letters.
ROLES = {
    "student": Meaning(RoleKind.PUPIL),
    "parent": _PARENT,
    "guardian": _PARENT,
    "relative": _PARENT,
    "teacher": Meaning(RoleKind.STAFF, PositionKind.PEDAGOGICAL),
    "administrator": _ADMINISTRATOR,
    "siteadministrator": _ADMINISTRATOR,
    "principal": _ADMINISTRATOR,
    "aide": _OTHER,
    "counselor": _OTHER,
    "proctor": _OTHER,
    "sysadmin": _OTHER,
    "systemadministrator": _OTHER,
    "districtadministrator": _OTHER,
}
POSITIONS = {kind.lower(): kind for kind in PositionKind}
CLASS_TYPES = {"homeroom": True, "scheduled": False}


def text(table: Table, column: str, raw: str, longest: int, *, required: bool = True) -> str:
    """Trimmed, at most `longest` characters of one line; "" when it is blank or at fault."""
    if not raw.isprintable() and CONTROL.search(raw):
        table.fault(column, "has a control character or a line break")
        return ""
    plain = raw.strip()
    if required and not plain:
        table.fault(column, "is blank")
    if len(plain) > longest:
        table.fault(column, f"is longer than {longest} characters")
        return ""
    return plain


def identifier(table: Table, column: str, raw: str, *, required: bool = True) -> str:
    """An id of the school system, whose letters' case counts."""
    return text(table, column, raw, LONGEST_ID, required=required)


def identifiers(table: Table, column: str, raw: str) -> tuple[str, ...]:
    """Ids apart by commas, each once; each one, or all, may stand in quotes or braces."""
    if CONTROL.search(raw):
        table.fault(column, "has a control character or a line break")
        return ()
    parts = (part.strip().strip("\"'{}").strip() for part in raw.split(","))
    return tuple(dict.fromkeys(identifier(table, column, part) for part in parts if part))


def name(table: Table, column: str, raw: str, *, required: bool = True) -> str:
    """A person's name as it stands, but for its outer and doubled spaces."""
    return " ".join(text(table, column, raw, LONGEST_NAME, required=required).split())


def word(table: Table, column: str, raw: str) -> str:
    """A required word of a fixed list, in small letters; "" when it is blank."""
    found = raw.strip().lower()
    if not found:
        table.fault(column, "is blank")
    return found


def truth(table: Table, column: str, raw: str, *, blank: bool) -> bool:
    """true, false, 1, 0, or what blank means."""
    said = raw.strip().lower()
    if not said:
        return blank
    if said not in TRUTH:
        table.fault(column, "is neither true nor false")
    return TRUTH.get(said, blank)


def role(table: Table, column: str, raw: str) -> Meaning:
    """What the role's word says; a fault's meaning is of no account."""
    said = word(table, column, raw)
    if said and said not in ROLES:
        table.fault(column, "is not a role of OneRoster")
    return ROLES.get(said, _OTHER)


def position(table: Table, column: str, raw: str) -> PositionKind | None:
    """The kind of position that the school system itself states; None when it is blank."""
    said = raw.strip().lower()
    if said and said not in POSITIONS:
        table.fault(column, f"is none of {', '.join(PositionKind)}")
    return POSITIONS.get(said)


def days(table: Table, begins: str, ends: str) -> Days:
    """From `beginDate` up to, and not on, `endDate`."""
    stated = Days(_day(table, "beginDate", begins), _day(table, "endDate", ends))
    if stated.begins is not None and stated.ends is not None and stated.begins > stated.ends:
        table.fault("beginDate", "is after endDate")
    return stated


def _day(table: Table, column: str, raw: str) -> date | None:
    try:
        return _parsed_day(raw)
    except ValueError:
        table.fault(column, "is not a date as YYYY-MM-DD")
        return None


@lru_cache(maxsize=4096)
def _parsed_day(raw: str) -> date | None:
    plain = raw.strip()
    if not plain:
        return None
    found = DAY.fullmatch(plain)
    if found is None:
        raise ValueError("not a day")
    return date.fromisoformat(found[1])
