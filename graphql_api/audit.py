"""The audit: who changed what, when and why; lines are only ever added."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID
from zoneinfo import ZoneInfo

import strawberry

from application.audit_views import AuditEntryView, AuditFilter
from application.views import OrganizationView, VideoconferenceView
from domain.audit import AuditCause
from domain.ids import ChatId, OrganizationId, ParticipantId, RoleId, VideoconferenceId
from graphql_api.chats import chat_by_id
from graphql_api.context import Info
from graphql_api.errors import PublicError
from graphql_api.global_ids import global_id, id_of, read_global_id
from graphql_api.nodes import Node
from graphql_api.organizations import Organization, OrganizationArgument, chosen_organization
from graphql_api.pagination import After, Connection, Edge, First, PageInfo, window
from graphql_api.participants import Participant
from graphql_api.roles import role_by_id
from graphql_api.videoconferences import Videoconference

# What lines are about, by the name of its type.
KINDS = {
    "Chat": "chat",
    "Videoconference": "videoconference",
    "Organization": "organization",
    "Participant": "participant",
    "Role": "role",
}


@strawberry.type(description="One change; a line is never edited.")
class AuditEntry(Node):
    """A line of the audit."""

    at: datetime = strawberry.field(description="When, in the organization's offset.")
    actor: Participant | None = strawberry.field(description="Who did it, if it was a person of a school.")
    cause: AuditCause = strawberry.field(description="For what cause.")
    action: str = strawberry.field(description="What was done, as CHAT_CREATED.")
    before: str | None = strawberry.field(
        description="What was otherwise before, a JSON object with people as ids; null where nothing was."
    )
    after: str | None = strawberry.field(
        description="What is otherwise since, a JSON object with people as ids; null where nothing is left."
    )
    view: strawberry.Private[AuditEntryView]

    @strawberry.field(description="What was changed; null if it is gone or not the viewer's to see.")
    async def subject(self, info: Info) -> Node | None:
        """Read in one statement for all lines of the operation whose subjects are of one kind."""
        id = self.view.subject_id
        match self.view.subject_kind:
            case "chat":
                return await chat_by_id(info, ChatId(id))
            case "videoconference":
                return await _videoconference(info, VideoconferenceId(id))
            case "organization":
                return await _organization(info, OrganizationId(id))
            case "participant":
                return Participant.maybe(self.view.subject_person)
            case "role":
                return await role_by_id(info, RoleId(id))
            case _:
                return None

    @classmethod
    def of(cls, view: AuditEntryView) -> Self:
        """The line of a view."""
        return cls(
            id=global_id("AuditEntry", view.id),
            at=view.at.astimezone(ZoneInfo(view.time_zone)),
            actor=Participant.maybe(view.actor),
            cause=view.cause,
            action=view.action,
            before=_compact(view.before),
            after=_compact(view.after),
            view=view,
        )


@strawberry.input(name="AuditFilter", description="Which lines; all that is given must hold.")
class AuditFilterInput:
    """The filters of the audit."""

    subject_id: strawberry.ID | None = strawberry.field(default=None, description="Those about this, by its global id.")
    actor_id: strawberry.ID | None = strawberry.field(default=None, description="Those of changes by this participant.")
    actions: list[str] | None = strawberry.field(default=None, description="Those of one of these actions.")
    from_: datetime | None = strawberry.field(name="from", default=None, description="Those from then on.")
    to: datetime | None = strawberry.field(default=None, description="Those before then.")

    def read(self) -> AuditFilter | None:
        """The filter that is meant; None where an id in it is of nothing that lines are found by."""
        subject: tuple[str, UUID] | None = None
        if self.subject_id is not None:
            match read_global_id(self.subject_id):
                case (kind, id) if kind in KINDS:
                    subject = KINDS[kind], id
                case _:
                    return None
        actor = None if self.actor_id is None else id_of("Participant", self.actor_id)
        if self.actor_id is not None and actor is None:
            return None
        return AuditFilter(
            subject=subject,
            actor=None if actor is None else ParticipantId(actor),
            actions=None if self.actions is None else tuple(self.actions),
            since=self.from_,
            until=self.to,
        )


async def audit_entry_by_id(info: Info, id: UUID) -> AuditEntry | None:
    """The line, if the viewer may read it."""
    view = await info.context.parts.audit.audit_entry(await info.context.viewer(), id)
    return None if view is None else AuditEntry.of(view)


@strawberry.type
class AuditQueries:
    """Queries of this module."""

    @strawberry.field(description="Who changed what in the organization, the newest first.")
    async def audit(
        self,
        info: Info,
        organization_id: OrganizationArgument = None,
        filter: Annotated[AuditFilterInput | None, strawberry.argument(description="Which lines.")] = None,
        first: First = None,
        after: After = None,
    ) -> Connection[AuditEntry]:
        """A cursor names a line, so that a page is the same however many lines were added meanwhile."""
        most, before = window(first, None, None).first, None if after is None else _number(after)
        viewer = await info.context.viewer()
        organization = await chosen_organization(info, organization_id)
        which = AuditFilter() if filter is None else filter.read()
        if organization is None or which is None:
            return _connection([], 0, 0)
        page = await info.context.parts.audit.audit(viewer, organization, which, most, before)
        return _connection([AuditEntry.of(view) for view in page.items], page.total, page.older)


def _connection(entries: list[AuditEntry], total: int, older: int) -> Connection[AuditEntry]:
    edges = [Edge(cursor=_cursor(entry.view.number), node=entry) for entry in entries]
    info = PageInfo(
        has_next_page=older > len(edges),
        has_previous_page=total > older,
        start_cursor=edges[0].cursor if edges else None,
        end_cursor=edges[-1].cursor if edges else None,
    )
    return Connection(total_count=total, edges=edges, page_info=info)


def _cursor(number: int) -> str:
    return urlsafe_b64encode(f"line:{number}".encode()).decode()


def _number(after: str) -> int:
    try:
        kind, _, number = urlsafe_b64decode(after.encode("ascii")).decode("ascii").partition(":")
        if kind == "line" and number.isdecimal() and len(number) < 19:
            return int(number)
    except ValueError:
        pass
    raise PublicError("«after» is not a cursor of this list.", code="BAD_PAGE")


async def _videoconference(info: Info, id: VideoconferenceId) -> Videoconference | None:
    viewer = await info.context.viewer()

    async def load(ids: list[VideoconferenceId]) -> list[VideoconferenceView | None]:
        found = await info.context.parts.views.videoconferences_by_id(viewer, ids)
        return [found.get(id) for id in ids]

    view = await info.context.loader("audited videoconferences", load).load(id)
    return None if view is None else Videoconference.of(view)


async def _organization(info: Info, id: OrganizationId) -> Organization | None:
    viewer = await info.context.viewer()

    async def load(ids: list[OrganizationId]) -> list[OrganizationView | None]:
        # The lines of a page are of one organization.
        return [await info.context.parts.views.organization(viewer, id) for id in ids]

    view = await info.context.loader("audited organizations", load).load(id)
    return None if view is None else Organization.of(view)


def _compact(facts: Mapping[str, Any] | None) -> str | None:
    if facts is None:
        return None
    return json.dumps(facts, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
