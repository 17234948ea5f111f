"""Kept answers as rows."""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from application.ports import Answered
from infrastructure.db.tables import answers


class PostgresAnswers:
    """Implements `application.ports.Answers`."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def find(self, scope: str, keys: Collection[str], *, since: datetime) -> Mapping[str, Answered]:
        await self._connection.execute(
            text("select pg_advisory_xact_lock(hashtextextended(:scope, 1))"), {"scope": scope}
        )
        query = select(answers).where(answers.c.scope == scope, answers.c.key.in_(keys), answers.c.at >= since)
        return {row.key: Answered(row.digest, row.result) for row in await self._connection.execute(query)}

    async def keep(self, scope: str, kept: Mapping[str, Answered], *, at: datetime) -> None:
        if not kept:
            return
        rows = [
            {"scope": scope, "key": key, "digest": answered.digest, "result": answered.result, "at": at}
            for key, answered in kept.items()
        ]
        statement = insert(answers)
        changing = {name: statement.excluded[name] for name in ("digest", "result", "at")}
        await self._connection.execute(
            statement.on_conflict_do_update(index_elements=["scope", "key"], set_=changing), rows
        )
