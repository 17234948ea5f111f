"""Ready-made bundles and the register that they leave, of a small school."""

from collections.abc import Mapping
from typing import Any

from domain.participant import Name, PositionKind
from domain.register import (
    Bundle,
    Mode,
    Part,
    Register,
    RoleKind,
    StatedClass,
    StatedCourse,
    StatedPerson,
    StatedPlace,
    StatedRole,
)

KINDS = ("people", "roles", "courses", "classes", "places")
PUPIL, PARENT, STAFF = RoleKind.PUPIL, RoleKind.PARENT, RoleKind.STAFF


def a_school() -> Register:
    """Ivanova leads 8 К, where Anna, whose mother is known, learns; Petrov teaches her algebra."""
    return Register(
        people={
            person: StatedPerson(Name(person.capitalize(), "Анна"), agents=("mother",) if person == "anna" else ())
            for person in ("ivanova", "petrov", "anna", "mother")
        },
        roles={
            "ivanova": StatedRole("ivanova", STAFF, PositionKind.PEDAGOGICAL, administers=True),
            "petrov": StatedRole("petrov", STAFF, PositionKind.PEDAGOGICAL),
            "anna": StatedRole("anna", PUPIL),
            "mother": StatedRole("mother", PARENT),
        },
        courses={"algebra": StatedCourse("Алгебра")},
        classes={
            "8 К": StatedClass("8 К", homeroom=True),
            "9 К": StatedClass("9 К", homeroom=True),
            "Алгебра 8": StatedClass("Алгебра 8", homeroom=False, course="algebra"),
        },
        places={
            "ivanova in 8": StatedPlace("8 К", "ivanova", teaches=True),
            "anna in 8": StatedPlace("8 К", "anna", teaches=False),
            "petrov in algebra": StatedPlace("Алгебра 8", "petrov", teaches=True),
            "anna in algebra": StatedPlace("Алгебра 8", "anna", teaches=False),
        },
    )


def bulk(register: Register, *kinds: str) -> Bundle:
    """All of the register, or only those kinds, stated in full."""
    parts: dict[str, Any] = {kind: Part(Mode.BULK, dict(getattr(register, kind))) for kind in kinds or KINDS}
    return Bundle(**parts)


def delta(*, ended: Mapping[str, set[str]] | None = None, **rows: Mapping[str, Any]) -> Bundle:
    """Only these rows, and the ids of those that are no more."""
    gone = ended or {}
    parts: dict[str, Any] = {
        kind: Part(Mode.DELTA, dict(rows.get(kind, {})), frozenset(gone.get(kind, ())))
        for kind in KINDS
        if kind in rows or kind in gone
    }
    return Bundle(**parts)


def without(register: Register, *ids: str) -> Register:
    """The register without the rows of those ids, whatever their kind."""
    return Register(
        **{kind: {id: row for id, row in getattr(register, kind).items() if id not in ids} for kind in KINDS}
    )
