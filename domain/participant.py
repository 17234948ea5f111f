"""A person of the school as Sferum sees them: a name, whether they are blocked, and the capacities they come in."""

from dataclasses import dataclass
from enum import StrEnum

from domain.ids import OrganizationId, ParticipantId, PersonId, participant_id
from domain.ordering import sort_key


class Capacity(StrEnum):
    """As what a person of the school takes part; one person may have several."""

    EMPLOYEE = "EMPLOYEE"
    PUPIL = "PUPIL"
    PARENT = "PARENT"


class PositionKind(StrEnum):
    """The kind of an employee's position; the first two are in the teachers' chat (CHAT-02)."""

    ADMINISTRATION = "ADMINISTRATION"
    PEDAGOGICAL = "PEDAGOGICAL"
    OTHER = "OTHER"


@dataclass(frozen=True, slots=True)
class Name:
    """A Russian full name; not everybody has a patronymic. Somebody erased has no name at all (AUDIT-03)."""

    last: str
    first: str
    patronymic: str | None = None

    @property
    def full(self) -> str:
        """Last name, first name, patronymic."""
        return " ".join(part for part in (self.last, self.first, self.patronymic) if part) or "Данные удалены"

    @property
    def key(self) -> str:
        """People stand in the order of this string (CHAT-33)."""
        return sort_key(self.last, self.first, self.patronymic)


ERASED = Name("", "")


@dataclass(frozen=True, slots=True)
class Participant:
    """A person in one organization."""

    organization_id: OrganizationId
    person_id: PersonId
    name: Name
    blocked: bool = False

    @property
    def id(self) -> ParticipantId:
        """Follows from the organization and the person."""
        return participant_id(self.organization_id, self.person_id)
