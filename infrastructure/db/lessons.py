"""Lessons as rows."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.ids import LessonId
from domain.lesson import Lesson
from infrastructure.db.tables import lessons


class PostgresLessons:
    """Implements `application.ports.Lessons`."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def find(self, id: LessonId) -> Lesson | None:
        row = (await self._connection.execute(select(lessons).where(lessons.c.id == id))).one_or_none()
        if row is None:
            return None
        return Lesson(
            row.organization_id,
            row.school_id,
            row.group_id,
            row.starts_at,
            row.ends_at,
            row.substitute_id,
            row.cancelled,
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
