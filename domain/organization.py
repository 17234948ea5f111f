"""One school as an organization: its zone, and which of its administrators administers its chats in Sferum."""

from dataclasses import dataclass
from datetime import date, datetime

from domain.errors import ProblemCode, refuse
from domain.ids import OrganizationId, ParticipantId, organization_id
from domain.roster import Roster


@dataclass(slots=True, kw_only=True, eq=False)
class Organization:
    """`school_id` is its id in the school system; `time_zone` an IANA name.

    `register_day` is the day of its calendar whose facts of the register hold, `register_due_at` when the next ones
    begin to (ROSTER-05).
    """

    school_id: str
    name: str
    time_zone: str
    chat_administrator: ParticipantId | None = None
    without_chat_administrator_since: datetime | None = None
    register_day: date | None = None
    register_due_at: datetime | None = None

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
        self.without_chat_administrator_since = None

    def let_go_chat_administrator(self, roster: Roster, *, at: datetime) -> bool:
        """Who is in the registry no more is the chat administrator no more (RIGHT-03); says whether that was so."""
        if self.chat_administrator is None or self.chat_administrator in roster.administrators():
            return False
        self.chat_administrator = None
        self.without_chat_administrator_since = at
        return True
