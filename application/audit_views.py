"""What those who answer for a school look at: what was changed in it, the roles, and what waits for somebody."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from application.views import Page, ParticipantView, Window
from domain.access import Viewer
from domain.audit import AuditCause
from domain.ids import ChatId, OrganizationId, ParticipantId, VideoconferenceId
from domain.mirror import MirrorError
from domain.role import Role


@dataclass(frozen=True, slots=True)
class AuditEntryView:
    """A line of the audit: `number` grows from line to line, `subject_kind` and `action` are as stored (AUDIT-01).

    The time zone is the organization's, UTC for what belongs to none. `subject_person` is the subject where it is a
    participant.
    """

    id: UUID
    number: int
    organization_id: OrganizationId | None
    time_zone: str
    at: datetime
    actor: ParticipantView | None
    cause: AuditCause
    action: str
    subject_kind: str
    subject_id: UUID
    subject_person: ParticipantView | None
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which lines: None is no condition; `since` belongs to the span, `until` no more."""

    subject: tuple[str, UUID] | None = None
    actor: ParticipantId | None = None
    actions: tuple[str, ...] | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Lines, the newest first: `total` of all that match, `older` of those how many follow the page's beginning."""

    items: Sequence[AuditEntryView]
    total: int
    older: int


class AttentionKind(StrEnum):
    """What waits for somebody of the organization."""

    NO_CHAT_ADMINISTRATOR = "NO_CHAT_ADMINISTRATOR"
    CHAT_ADMINISTRATOR_NOT_LINKED = "CHAT_ADMINISTRATOR_NOT_LINKED"
    HUMAN_CHECK_NEEDED = "HUMAN_CHECK_NEEDED"
    CHAT_BROKEN = "CHAT_BROKEN"
    MEMBER_REFUSED = "MEMBER_REFUSED"
    ORPHAN_QUARANTINED = "ORPHAN_QUARANTINED"


@dataclass(frozen=True, slots=True)
class AttentionView:
    """One thing that waits for somebody, since when, and what it is about.

    `stays`: that participant should not be in the chat's mirror any more, and nobody can take them out (SYNC-06); who
    they are is not known once their link is gone. `error` is what the mirror met.
    """

    kind: AttentionKind
    since: datetime
    participant: ParticipantView | None = None
    chat: ChatId | None = None
    chat_name: str | None = None
    videoconference: VideoconferenceId | None = None
    error: MirrorError | None = None
    stays: bool = False


class AuditViews(Protocol):
    """Reads for administrators; whoever may not read gets nothing, and no fault."""

    async def audit(
        self, viewer: Viewer, organization: OrganizationId, which: AuditFilter, first: int, before: int | None
    ) -> AuditPage:
        """Lines of the organization whose number is less than `before`; for a Superadministrator also of none."""

    async def audit_entry(self, viewer: Viewer, id: UUID) -> AuditEntryView | None:
        """One line."""

    async def roles(self, viewer: Viewer) -> Sequence[Role]:
        """All roles for a Superadministrator: the meta-roles in their order, then the others by name (RIGHT-04)."""

    async def attention(
        self, viewer: Viewer, organizations: Sequence[OrganizationId], window: Window
    ) -> Mapping[OrganizationId, Page[AttentionView]]:
        """What waits in each organization, the longest first (RIGHT-03, SYNC-06)."""
