"""Whether what the service stands on is there, and what waits to be done."""

import asyncio
from dataclasses import dataclass

from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

WITHIN_SECONDS = 3.0

_BACKLOG = text(
    "select (select count(*) from videoconferences where due_at <= clock_timestamp()) as overdue, "
    "(select count(*) from outbox where delivered_at is null) as undelivered"
)


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits: conferences whose next step is due, and events that are not handed on."""

    overdue: int
    undelivered: int


class Health:
    """Asks Postgres and Redis, each for a limited time."""

    def __init__(self, engine: AsyncEngine, redis: Redis) -> None:
        self._engine = engine
        self._redis = redis

    async def backlog(self) -> Backlog | None:
        """What waits; None while Postgres is away, or its schema is not there."""
        try:
            async with asyncio.timeout(WITHIN_SECONDS), self._engine.connect() as connection:
                row = (await connection.execute(_BACKLOG)).one()
        except (SQLAlchemyError, OSError):
            return None
        return Backlog(row.overdue, row.undelivered)

    async def redis_answers(self) -> bool:
        """Without Redis everything goes on, a little later."""
        try:
            async with asyncio.timeout(WITHIN_SECONDS):
                return bool(await self._redis.ping())
        except (RedisError, OSError):
            return False
