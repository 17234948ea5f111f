"""What administrators read, on Postgres: one statement a page, each on a connection of its own, no transaction."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

from application.audit_views import (
    AttentionKind,
    AttentionView,
    AuditEntryView,
    AuditFilter,
    AuditPage,
)
from application.views import Page, ParticipantView, Window
from domain.access import MetaRole, OrganizationAction, Permission, Viewer, organization_actions, sees_registry
from domain.audit import AuditCause
from domain.ids import OrganizationId
from domain.mirror import MirrorError
from domain.ordering import sort_key
from domain.role import Role, may_edit_roles
from infrastructure.db.attention_statements import ATTENTION

_LINE = """
  e.id, e.number, e.organization_id, coalesce(o.time_zone, 'UTC') as time_zone, e.at, e.cause, e.action,
  e.subject, e.subject_id, nullif(e.before, 'null') as before, nullif(e.after, 'null') as after,
  a.id as actor_id, a.full_name as actor_name, a.blocked as actor_blocked,
  u.id as person_id, u.full_name as person_name, u.blocked as person_blocked
"""

_BESIDE_THE_LINE = """
  left join organizations o on o.id = e.organization_id
  left join participants a on a.id = e.actor_id
  left join participants u on e.subject = 'participant' and u.id = e.subject_id
"""

LINE_BY_ID = f"select {_LINE} from audit_entries e {_BESIDE_THE_LINE} where e.id = :id"

ROLES = "select r.name, r.meta_role, r.permissions from roles r"


def lines(which: AuditFilter, *, of_nobody: bool, from_the_top: bool) -> str:
    """A page of the lines of `:organization`, `of_nobody` also of those that belong to no organization.

    Each scope has its own branch, which reads its index from the newest line on, whatever others have written.
    """
    matches = "".join(
        f" and {condition}"
        for condition, asked in {
            "e.subject = :subject and e.subject_id = :subject_id": which.subject is not None,
            "e.actor_id = :actor": which.actor is not None,
            "e.action = any(:actions)": which.actions is not None,
            "e.at >= :since": which.since is not None,
            "e.at < :until": which.until is not None,
        }.items()
        if asked
    )
    older = "true" if from_the_top else "e.number < :before"
    scopes = ["e.organization_id = :organization", *(["e.organization_id is null"] if of_nobody else [])]
    branches = " union all ".join(
        f"(select e.* from audit_entries e where {scope}{matches} and {older} order by e.number desc limit :first)"
        for scope in scopes
    )
    return f"""
select total.count as total, total.older, page.*
from (
  select count(*), count(*) filter (where {older}) as older
  from audit_entries e where ({" or ".join(scopes)}){matches}
) total
left join lateral (
  select {_LINE}
  from (select * from ({branches}) e order by e.number desc limit :first) e {_BESIDE_THE_LINE}
) page on true
order by page.number desc
"""


class PostgresAuditViews:
    """Implements `application.audit_views.AuditViews`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")

    async def audit(
        self, viewer: Viewer, organization: OrganizationId, which: AuditFilter, first: int, before: int | None
    ) -> AuditPage:
        if OrganizationAction.READ_AUDIT not in organization_actions(viewer, organization):
            return AuditPage((), 0, 0)
        of_nobody = viewer.meta_role is MetaRole.SUPERADMINISTRATOR
        kind, id = which.subject or (None, None)
        rows = await self._rows(
            lines(which, of_nobody=of_nobody, from_the_top=before is None),
            organization=organization,
            subject=kind,
            subject_id=id,
            actor=which.actor,
            actions=list(which.actions or ()),
            since=which.since,
            until=which.until,
            first=first,
            before=before,
        )
        return AuditPage([_entry(row) for row in rows if row.id is not None], rows[0].total, rows[0].older)

    async def audit_entry(self, viewer: Viewer, id: UUID) -> AuditEntryView | None:
        for row in await self._rows(LINE_BY_ID, id=id):
            of_nobody = row.organization_id is None and viewer.meta_role is MetaRole.SUPERADMINISTRATOR
            actions = organization_actions(viewer, row.organization_id) if row.organization_id else ()
            if of_nobody or OrganizationAction.READ_AUDIT in actions:
                return _entry(row)
        return None

    async def roles(self, viewer: Viewer) -> Sequence[Role]:
        if not may_edit_roles(viewer):
            return ()
        order: list[MetaRole | None] = [*MetaRole, None]
        return sorted(
            map(_role, await self._rows(ROLES)),
            key=lambda role: (order.index(role.meta_role), sort_key(role.name), role.name),
        )

    async def attention(
        self, viewer: Viewer, organizations: Sequence[OrganizationId], window: Window
    ) -> Mapping[OrganizationId, Page[AttentionView]]:
        open_to_viewer = [id for id in organizations if sees_registry(viewer, id)]
        pages: dict[OrganizationId, Page[AttentionView]] = {id: Page((), 0) for id in organizations}
        if open_to_viewer:
            items: dict[OrganizationId, list[AttentionView]] = {id: [] for id in open_to_viewer}
            parameters = {"ids": open_to_viewer, "first": window.first, "offset": window.offset}
            for row in await self._rows(ATTENTION, **parameters):
                if row.kind is not None:
                    items[row.organization_id].append(_attention(row))
                pages[row.organization_id] = Page(items[row.organization_id], row.total)
        return pages

    async def _rows(self, statement: str, **parameters: object) -> Sequence[Row[Any]]:
        async with self._engine.connect() as connection:
            return (await connection.execute(text(statement), parameters)).all()


def _entry(row: Row[Any]) -> AuditEntryView:
    return AuditEntryView(
        id=row.id,
        number=row.number,
        organization_id=row.organization_id,
        time_zone=row.time_zone,
        at=row.at,
        actor=_person(row, "actor"),
        cause=AuditCause(row.cause),
        action=row.action,
        subject_kind=row.subject,
        subject_id=row.subject_id,
        subject_person=_person(row, "person"),
        before=row.before,
        after=row.after,
    )


def _role(row: Row[Any]) -> Role:
    return Role(
        name=row.name,
        meta_role=MetaRole(row.meta_role) if row.meta_role else None,
        permissions=frozenset(Permission(permission) for permission in row.permissions),
    )


def _attention(row: Row[Any]) -> AttentionView:
    return AttentionView(
        kind=AttentionKind(row.kind),
        since=row.since,
        participant=_person(row, "participant"),
        chat=row.chat_id,
        chat_name=row.chat_name,
        videoconference=row.videoconference_id,
        error=MirrorError(row.error) if row.error else None,
        stays=row.stays,
    )


def _person(row: Row[Any], prefix: str) -> ParticipantView | None:
    columns = row._mapping
    if columns[f"{prefix}_id"] is None:
        return None
    return ParticipantView(columns[f"{prefix}_id"], columns[f"{prefix}_name"], columns[f"{prefix}_blocked"])
