"""Mirrors as people see them, on Postgres: one statement a page, each on a connection of its own, no transaction."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

from application.mirror_views import ChatMirrorView, OrganizationMirrorView
from domain.ids import ChatId, OrganizationId
from domain.mirror import MirrorError, MirrorState
from infrastructure.db import mirror_statements as statements


class PostgresMirrorViews:
    """Implements `application.mirror_views.MirrorViews`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")

    async def chat_mirrors(self, chats: Sequence[ChatId]) -> Mapping[ChatId, ChatMirrorView]:
        return {row.id: _chat_mirror(row) for row in await self._rows(statements.CHAT_MIRRORS, chats=list(chats))}

    async def organization_mirrors(
        self, organizations: Sequence[OrganizationId]
    ) -> Mapping[OrganizationId, OrganizationMirrorView]:
        rows = await self._rows(statements.ORGANIZATION_MIRRORS, organizations=list(organizations))
        return {
            row.id: OrganizationMirrorView(row.in_step, row.behind, row.waiting, row.broken, row.oldest_behind_since)
            for row in rows
        }

    async def _rows(self, statement: str, **parameters: object) -> Sequence[Row[Any]]:
        async with self._engine.connect() as connection:
            return (await connection.execute(text(statement), parameters)).all()


def _chat_mirror(row: Row[Any]) -> ChatMirrorView:
    return ChatMirrorView(
        state=MirrorState(row.state),
        in_sferum=row.in_sferum,
        pending=row.pending,
        leaving=row.leaving,
        behind_since=row.behind_since,
        error=MirrorError(row.error) if row.error else None,
        time_zone=row.time_zone,
    )
