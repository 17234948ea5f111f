"""What each change is in the audit: storage notes what it loads and what it saves, so that no use case can forget."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from domain.account_link import AccountLinkStatus
from domain.audit import AuditCause, Because, Difference, Facts, difference
from domain.chat import Chat
from domain.ids import OrganizationId, ParticipantId
from domain.organization import Organization
from domain.role import Role
from domain.roster import Roster
from domain.videoconference import Failed, Finished, Scheduled, Videoconference


@dataclass(frozen=True, slots=True)
class Subject:
    """What a line is about; `stem` begins the name of its action, as in CHAT_CHANGED."""

    kind: str
    id: UUID
    stem: str
    organization: OrganizationId | None


@dataclass(frozen=True, slots=True)
class Line:
    """One change, still without who, when and why."""

    subject: Subject
    difference: Difference
    version: int | None

    @property
    def action(self) -> str:
        """Its name."""
        return f"{self.subject.stem}_{self.difference.verb}"

    def actor(self, because: Because) -> ParticipantId | None:
        """Which participant did it; who links an account acts in each organization where they are known."""
        of_oneself = because.cause is AuditCause.USER and self.subject.stem == "ACCOUNT_LINK"
        return ParticipantId(self.subject.id) if of_oneself else because.actor


class Trail:
    """Within one unit of work: what things were when they were loaded, and what they are when they are saved."""

    def __init__(self) -> None:
        self._was: dict[Subject, Facts | None] = {}
        self._is: dict[Subject, tuple[Facts | None, int | None]] = {}

    def loaded(self, subject: Subject, facts: Facts, *, locked: bool = False) -> None:
        """The thing is like this now; once it is locked, what was seen of it before does not count."""
        if locked and subject not in self._is:
            self._was[subject] = facts
        self._was.setdefault(subject, facts)

    def saved(self, subject: Subject, facts: Facts | None, version: int | None = None) -> None:
        """The thing is like this from now on; None: it is no more. One that was not loaded is new."""
        self._is[subject] = facts, version

    def lines(self) -> Iterator[Line]:
        """One for each thing that is not what it was."""
        for subject, (facts, version) in self._is.items():
            if changed := difference(self._was.get(subject), facts):
                yield Line(subject, changed, version)


def chat_subject(chat: Chat) -> Subject:
    """A chat."""
    return Subject("chat", chat.id, "CHAT", chat.organization_id)


def chat_facts(chat: Chat) -> Facts | None:
    """What is told of a chat."""
    if chat.deleted:
        return None
    return {
        "name": chat.name,
        "type": chat.type,
        "archived": chat.archived,
        "members": {str(member): str(membership.role) for member, membership in chat.memberships.items()},
        "addedByHand": sorted(f"{participant} {capacity}" for participant, capacity in chat.by_hand.additions),
        "removedByHand": sorted(map(str, chat.by_hand.exclusions)),
    }


def conference_subject(conference: Videoconference) -> Subject:
    """A videoconference."""
    return Subject("videoconference", conference.id, "VIDEOCONFERENCE", conference.organization_id)


def conference_facts(conference: Videoconference) -> Facts | None:
    """What is told of a videoconference; never its link."""
    if conference.deleted:
        return None
    facts: dict[str, object] = {
        "name": conference.name,
        "type": conference.type,
        "chat": str(conference.chat_id),
        "lesson": conference.lesson_id and str(conference.lesson_id),
        "startsAt": _instant(conference.slot.start),
        "endsAt": _instant(conference.slot.end),
        "status": conference.status,
    }
    added = sorted(f"{participant} {capacity}" for participant, capacity in conference.additions)
    if conference.frozen:
        # Not what somebody did by hand any more, but who took part (CONF-25).
        facts["participants"] = added
    else:
        facts |= {"added": added, "removed": sorted(map(str, conference.removals))}
    if conference.minutes_left_notice is not None:
        facts["minutesLeftNotice"] = conference.minutes_left_notice
    match conference.phase:
        case Scheduled(problem=problem) if problem is not None:
            facts["startProblem"] = str(problem)
        case Finished(by=by):
            facts["finishedBy"] = str(by)
        case Failed(reason=reason):
            facts["failure"] = str(reason)
        case _:
            pass
    return facts


def _instant(at: datetime) -> str:
    # The same instant is the same, with whatever offset it was entered.
    return at.astimezone(UTC).isoformat()


def organization_subject(organization: Organization) -> Subject:
    """An organization's settings."""
    return Subject("organization", organization.id, "ORGANIZATION", organization.id)


def organization_facts(organization: Organization) -> Facts:
    """What is told of an organization."""
    administrator = organization.chat_administrator
    return {
        "name": organization.name,
        "timeZone": organization.time_zone,
        "chatAdministrator": administrator and str(administrator),
    }


def rights_of_people(roster: Roster) -> Mapping[Subject, Facts]:
    """Each person's roles and whether they are blocked: what the roster says of rights."""
    roles: dict[ParticipantId, list[str]] = {}
    for holder, role in sorted(roster.roles):
        roles.setdefault(holder, []).append(role)
    return {
        Subject("participant", id, "RIGHTS", roster.organization_id): {
            "roles": roles.get(id, []),
            "blocked": person.blocked,
        }
        for id, person in roster.people.items()
    }


NO_RIGHTS: Facts = {"roles": [], "blocked": False}
"""What is told of somebody who was not known before."""


def link_subject(participant: ParticipantId, organization: OrganizationId) -> Subject:
    """A person's link, told in each organization where they are known."""
    return Subject("participant", participant, "ACCOUNT_LINK", organization)


def link_facts(status: AccountLinkStatus) -> Facts | None:
    """What is told of a link: nothing of the profile, which is erased with the person (AUDIT-03)."""
    return None if status is AccountLinkStatus.NOT_LINKED else {"status": str(status)}


def role_subject(role: Role) -> Subject:
    """A role of the installation."""
    return Subject("role", role.id, "ROLE", None)


def role_facts(role: Role) -> Facts:
    """What is told of a role."""
    return {"name": role.name, "permissions": sorted(map(str, role.permissions))}
