"""What has happened, written in the transaction in which it happened, and read by whoever must tell of it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from infrastructure.db.tables import outbox


@dataclass(frozen=True, slots=True)
class Entry:
    """One happening: to which kind of thing, which one, what, and what is to be told of it."""

    subject: str
    subject_id: UUID
    what: str
    payload: Mapping[str, object]
    version: int | None = None


async def write(connection: AsyncConnection, entries: Sequence[Entry]) -> None:
    """Adds the entries, in order; the connection is marked, so that the relay is woken after the commit."""
    if entries:
        await connection.execute(insert(outbox), [asdict(entry) for entry in entries])
        connection.info["outbox_written"] = True
