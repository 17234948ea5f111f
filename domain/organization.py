"""One school as an organization: its zone, and which of its administrators administers its chats in Sferum."""

from dataclasses import dataclass

from domain.errors import ProblemCode, refuse
from domain.ids import OrganizationId, ParticipantId, organization_id
from domain.roster import Roster


@dataclass(slots=True, kw_only=True, eq=False)
class Organization:
    """`school_id` is its id in the school system; `time_zone` an IANA name."""

    school_id: str
    name: str
    time_zone: str
    chat_administrator: ParticipantId | None = None

    @property
    def id(self) -> OrganizationId:
        """Follows from the school system's id."""
        return organization_id(self.school_id)

    def choose_chat_administrator(self, employee: ParticipantId, roster: Roster) -> None:
        """The choice of the organization's settings (RIGHT-02).

        Raises:
            Refused: with NOT_IN_ADMINISTRATORS_REGISTRY for anybody outside the «Администраторы» registry.
        """
        if employee not in roster.administrators():
            raise refuse(ProblemCode.NOT_IN_ADMINISTRATORS_REGISTRY, "employeeId")
        self.chat_administrator = employee
