"""The lines of the audit as rows, written in the transaction of the change (AUDIT-01)."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from application.audit import Line
from domain.audit import Because
from infrastructure.db.tables import audit_entries


async def write(connection: AsyncConnection, lines: Iterable[Line], because: Because, *, at: datetime) -> None:
    """Adds the lines, in order."""
    rows = [
        {
            "organization_id": line.subject.organization,
            "at": at,
            "cause": str(because.cause),
            "actor_id": line.actor(because),
            "actor_person": because.person,
            "action": line.action,
            "subject": line.subject.kind,
            "subject_id": line.subject.id,
            "before": line.difference.before,
            "after": line.difference.after,
            "version": line.version,
        }
        for line in lines
    ]
    if rows:
        await connection.execute(insert(audit_entries), rows)
