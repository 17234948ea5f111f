"""Tokens of which VK ID has still to be told that nobody may use them, as rows; the tokens are sealed."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.account_link import Revocation
from infrastructure.db.account_links import open_tokens, seal_tokens
from infrastructure.db.cipher import Cipher
from infrastructure.db.tables import revocations

LOOK_FOR_THE_KEY_EVERY = timedelta(hours=1)


class PostgresRevocations:
    """Implements `application.ports.Revocations`; those whose key is gone wait until it is back."""

    def __init__(self, connection: AsyncConnection, cipher: Cipher) -> None:
        self._connection = connection
        self._cipher = cipher

    async def find(self, id: UUID) -> Revocation | None:
        query = select(revocations).where(revocations.c.id == id).with_for_update()
        found, _ = self._read(await self._connection.execute(query))
        return found[0] if found else None

    async def due(self, at: datetime, *, limit: int) -> list[Revocation]:
        query = select(revocations).where(revocations.c.due_at <= at).order_by(revocations.c.due_at).limit(limit)
        found, shut = self._read(await self._connection.execute(query.with_for_update(skip_locked=True)))
        if shut:
            later = update(revocations).where(revocations.c.id.in_(shut)).values(due_at=at + LOOK_FOR_THE_KEY_EVERY)
            await self._connection.execute(later)
        return found

    async def of_profile(self, profile_id: str) -> list[Revocation]:
        query = select(revocations).where(revocations.c.profile_id == profile_id).order_by(revocations.c.id)
        found, _ = self._read(await self._connection.execute(query.with_for_update()))
        return found

    async def save(self, revocation: Revocation) -> None:
        row = {
            "id": revocation.id,
            "profile_id": revocation.profile_id,
            "tokens": seal_tokens(revocation.tokens, self._cipher),
            "due_at": revocation.due_at,
            "tries": revocation.tries,
            "claimed_until": revocation.claimed_until,
        }
        statement = insert(revocations).values(row)
        changing = {name: statement.excluded[name] for name in row if name != "id"}
        await self._connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=changing))

    async def delete(self, revocation: Revocation) -> None:
        await self._connection.execute(delete(revocations).where(revocations.c.id == revocation.id))

    def _read(self, rows: Iterable[Row[Any]]) -> tuple[list[Revocation], list[UUID]]:
        """Those that can be opened, and the ids of the others."""
        found, shut = list[Revocation](), list[UUID]()
        for row in rows:
            tokens = open_tokens(row.tokens, self._cipher)
            if tokens is None:
                shut.append(row.id)
                continue
            found.append(
                Revocation(
                    id=row.id,
                    profile_id=row.profile_id,
                    tokens=tokens,
                    due_at=row.due_at,
                    tries=row.tries,
                    claimed_until=row.claimed_until,
                )
            )
        return found, shut
