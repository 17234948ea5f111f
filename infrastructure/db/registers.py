"""The rows of a register as JSON: read whole, written as the difference."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Text, cast, delete, func, select
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.ids import OrganizationId
from domain.register import Register, StatedClass, StatedCourse, StatedPerson, StatedPlace, StatedRole
from infrastructure.db.tables import register_rows

ROWS: Mapping[str, TypeAdapter[Any]] = {
    "people": TypeAdapter(StatedPerson),
    "roles": TypeAdapter(StatedRole),
    "courses": TypeAdapter(StatedCourse),
    "classes": TypeAdapter(StatedClass),
    "places": TypeAdapter(StatedPlace),
}
"""How each field of a register is written; what has its default value is left out."""
AT_ONCE = 2_000

Kinds = dict[str, dict[str, Any]]


class PostgresRegisters:
    """Implements `application.ports.Registers`."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._stored: dict[OrganizationId, Kinds] = {}

    async def get(self, id: OrganizationId) -> Register:
        table = register_rows
        query = select(table.c.kind, table.c.source_id, cast(table.c.row, Text)).where(table.c.organization_id == id)
        kinds: Kinds = {kind: {} for kind in ROWS}
        for kind, source_id, row in await self._connection.execute(query.order_by(table.c.kind, table.c.source_id)):
            kinds[kind][source_id] = ROWS[kind].validate_json(row)
        self._stored[id] = {kind: dict(rows) for kind, rows in kinds.items()}
        return Register(**kinds)

    async def save(self, id: OrganizationId, register: Register) -> None:
        stored = self._stored.get(id, {})
        kinds: Kinds = {kind: dict(getattr(register, kind)) for kind in ROWS}
        for kind, rows in kinds.items():
            before = stored.get(kind, {})
            await self._delete(id, kind, [key for key in before if key not in rows])
            await self._write(id, kind, {key: row for key, row in rows.items() if before.get(key) != row})
        self._stored[id] = kinds

    async def _delete(self, id: OrganizationId, kind: str, keys: Sequence[str]) -> None:
        table = register_rows
        for start in range(0, len(keys), AT_ONCE):
            gone = table.c.source_id.in_(keys[start : start + AT_ONCE])
            await self._connection.execute(
                delete(table).where(table.c.organization_id == id, table.c.kind == kind, gone)
            )

    async def _write(self, id: OrganizationId, kind: str, rows: Mapping[str, Any]) -> None:
        """Sends the rows as one JSON object at a time: a statement for each would cost many times as much."""
        keys = list(rows)
        for start in range(0, len(keys), AT_ONCE):
            dump = ROWS[kind].dump_python
            batch = {key: dump(rows[key], mode="json", exclude_defaults=True) for key in keys[start : start + AT_ONCE]}
            each = func.jsonb_each(cast(batch, JSONB)).table_valued("key", "value")
            statement = insert(register_rows).from_select(
                ["organization_id", "kind", "source_id", "row"],
                select(cast(id, register_rows.c.organization_id.type), cast(kind, Text), each.c.key, each.c.value),
            )
            await self._connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["organization_id", "kind", "source_id"], set_={"row": statement.excluded.row}
                )
            )
