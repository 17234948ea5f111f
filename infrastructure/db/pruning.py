"""What nobody will ask for again is deleted, so that the tables of events and answers do not grow without end."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

_STATEMENTS = (
    # A subscriber that comes back reads the present state, not old changes.
    "delete from outbox where delivered_at < clock_timestamp() - interval '2 days'",
    # Keys are good for 24 hours (api.md); the demonstration's own mark is no request's.
    "delete from answers where at < clock_timestamp() - interval '2 days' and scope <> 'demonstration'",
    # Of these nothing can turn up any more, and nobody waits for them.
    """
    delete from chat_requests a
    where a.due_at is null and a.asked_at < clock_timestamp() - interval '2 days'
      and not exists (select from mirrors r where r.request_id = a.id)
    """,
    "delete from link_attempts where expires_at < clock_timestamp() - interval '2 days'",
)


async def prune(engine: AsyncEngine) -> int:
    """Deletes it, and answers with how many rows that were. Idempotent; any number of processes may do so."""
    deleted = 0
    for statement in _STATEMENTS:
        async with engine.begin() as connection:
            deleted += (await connection.execute(text(statement))).rowcount
    return deleted
