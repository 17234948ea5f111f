"""Lessons as rows."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Row, Uuid, any_, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.ids import GroupId, LessonId
from domain.lesson import Lesson
from infrastructure.db.tables import lessons


class PostgresLessons:
    """Implements `application.ports.Lessons`."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def find(self, id: LessonId) -> Lesson | None:
        row = (await self._connection.execute(select(lessons).where(lessons.c.id == id))).one_or_none()
        return None if row is None else _from_row(row)

    async def find_all(self, ids: Collection[LessonId]) -> list[Lesson]:
        return await self._matching(lessons.c.id == any_(_array(ids)))

    async def of_groups(self, groups: Collection[GroupId], start: datetime, end: datetime) -> list[Lesson]:
        return await self._matching(
            lessons.c.group_id == any_(_array(groups)), lessons.c.starts_at >= start, lessons.c.starts_at < end
        )

    async def save_all(self, stated: Sequence[Lesson]) -> None:
        if not stated:
            return
        rows = [
            {
                "id": lesson.id,
                "organization_id": lesson.organization_id,
                "school_id": lesson.school_id,
                "group_id": lesson.group_id,
                "starts_at": lesson.starts_at,
                "ends_at": lesson.ends_at,
                "substitute_id": lesson.substitute,
                "cancelled": lesson.cancelled,
            }
            for lesson in stated
        ]
        statement = insert(lessons)
        changing = {name: statement.excluded[name] for name in rows[0] if name != "id"}
        await self._connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=changing), rows)

    async def _matching(self, *conditions: ColumnElement[bool]) -> list[Lesson]:
        return [_from_row(row) for row in await self._connection.execute(select(lessons).where(*conditions))]


def _array(ids: Collection[UUID]) -> ColumnElement[Sequence[UUID]]:
    """One parameter, however many ids: a statement may have 32,767."""
    return literal(list(ids), ARRAY(Uuid))


def _from_row(row: Row[Any]) -> Lesson:
    return Lesson(
        row.organization_id,
        row.school_id,
        row.group_id,
        row.starts_at,
        row.ends_at,
        row.substitute_id,
        row.cancelled,
    )
