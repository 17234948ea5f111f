"""Everything sealed is sealed anew with the first key, a few rows at a time, while the service runs (AUDIT-02)."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Column, LargeBinary, Table, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from infrastructure.db.cipher import Cipher
from infrastructure.db.tables import metadata

AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Rotated:
    """How many values of a column were sealed anew, and how many none of the keys opens."""

    anew: int = 0
    shut: int = 0


async def rotate(engine: AsyncEngine, cipher: Cipher) -> Mapping[str, Rotated]:
    """Seals anew what another key than the first has sealed; answers by table and column. Idempotent."""
    return {
        f"{table.name}.{column.name}": await _rotate(engine, cipher, table, column)
        for table in metadata.sorted_tables
        for column in table.columns
        # Nothing but what is sealed is kept as bytes.
        if isinstance(column.type, LargeBinary)
    }


async def _rotate(engine: AsyncEngine, cipher: Cipher, table: Table, column: Column[bytes]) -> Rotated:
    (key,) = table.primary_key.columns
    anew = shut = 0
    last: object = None
    while True:
        # A row that somebody has locked is waited for: what they write may still be sealed with the old key.
        query = select(key, column).where(column.is_not(None)).order_by(key).limit(AT_ONCE).with_for_update()
        async with engine.begin() as connection:
            rows = (await connection.execute(query if last is None else query.where(key > last))).all()
            for id, sealed in rows:
                if cipher.is_sealed_with_first_key(sealed):
                    continue
                resealed = cipher.reseal(sealed)
                if resealed is None:
                    shut += 1
                    continue
                await connection.execute(update(table).where(key == id).values({column.name: resealed}))
                anew += 1
        if len(rows) < AT_ONCE:
            return Rotated(anew, shut)
        last = rows[-1][0]
