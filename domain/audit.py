"""Who changes something and for what cause, and what a change is: every save leaves one line of it (AUDIT-01)."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from domain.ids import ParticipantId, PersonId


class AuditCause(StrEnum):
    """What makes a change happen."""

    USER = "USER"
    SCHEDULE = "SCHEDULE"
    ROSTER = "ROSTER"
    SFERUM = "SFERUM"


@dataclass(frozen=True, slots=True)
class Because:
    """The cause of a unit of work, and for a user who it is; a Superadministrator is nobody's participant."""

    cause: AuditCause
    actor: ParticipantId | None = None
    person: PersonId | None = None


SCHEDULE = Because(AuditCause.SCHEDULE)
ROSTER = Because(AuditCause.ROSTER)
SFERUM = Because(AuditCause.SFERUM)

Facts = Mapping[str, object]
"""What is told of a thing: plain values, people as ids. A value may itself be a mapping, as the members by id."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What was otherwise before, and what is otherwise now; None where the thing was not yet, or is no more."""

    before: Facts | None
    after: Facts | None

    @property
    def verb(self) -> str:
        """CREATED, CHANGED or DELETED."""
        if self.before is None:
            return "CREATED"
        return "DELETED" if self.after is None else "CHANGED"


def difference(before: Facts | None, after: Facts | None) -> Difference | None:
    """Only what differs; of values that are mappings only the entries that differ. None if nothing does."""
    if before is None or after is None:
        return None if before == after else Difference(before, after)
    was: dict[str, object] = {}
    now: dict[str, object] = {}
    for name in before.keys() | after.keys():
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            was[name] = {key: value for key, value in old.items() if new.get(key) != value}
            now[name] = {key: value for key, value in new.items() if old.get(key) != value}
        else:
            was[name], now[name] = old, new
    return Difference(was, now) if now else None
