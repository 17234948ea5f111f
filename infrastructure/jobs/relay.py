"""Hands what the outbox holds on to Redis, at least once: a hint to whoever waits, a wake-up for whoever is due.

Nothing depends on it: subscribers and workers look at Postgres by themselves when Redis is away, only a little later.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import structlog
from arq.connections import ArqRedis
from redis.exceptions import RedisError
from sqlalchemy import func, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from infrastructure.announcements import CHANNEL
from infrastructure.db.tables import outbox

WAKE = "wake"
"""The name of the job that makes a worker look at the clock."""
LOOK_EVERY_SECONDS = 1.0
AT_ONCE = 500

log = structlog.get_logger()


class Relay:
    """`wake` it after a commit; `run` must be running. Any number of processes may relay: a hint twice is harmless."""

    def __init__(self, engine: AsyncEngine, redis: ArqRedis) -> None:
        self._engine = engine
        self._redis = redis
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Something was written to the outbox."""
        self._woken.set()

    async def run(self) -> None:
        """Relays until cancelled; an outage of either side is waited out."""
        while True:
            self._woken.clear()
            try:
                more = await self.hand_on() == AT_ONCE
            except (RedisError, SQLAlchemyError, OSError) as error:
                log.warning("relay_waits", error=type(error).__name__)
                await asyncio.sleep(LOOK_EVERY_SECONDS)
                continue
            if not more:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), LOOK_EVERY_SECONDS)

    async def hand_on(self) -> int:
        """Hands on what is undelivered, the oldest first, and answers with how many entries that were."""
        async with self._engine.connect() as connection:
            query = select(outbox).where(outbox.c.delivered_at.is_(None)).order_by(outbox.c.id).limit(AT_ONCE)
            entries = (await connection.execute(query)).all()
        if not entries:
            return 0
        changed: defaultdict[str, set[str]] = defaultdict(set)
        for entry in entries:
            changed[entry.subject].add(str(entry.subject_id))
        hint = {
            "videoconferences": sorted(changed["videoconference"]),
            "chats": sorted(changed["chat"]),
            "chat_mirrors": sorted(changed["chat_mirror"]),
            "organizations": sorted(changed["organization"]),
            # What a role permits counts in every organization.
            "everywhere": bool(changed["role"]),
        }
        if any(hint.values()):
            await self._redis.publish(CHANNEL, json.dumps(hint))
        conferences = [entry for entry in entries if entry.subject == "videoconference"]
        await self._wake_at(instant for entry in conferences for instant in _instants(entry.payload))
        async with self._engine.begin() as connection:
            delivered = outbox.c.id.in_([entry.id for entry in entries])
            await connection.execute(update(outbox).where(delivered).values(delivered_at=func.clock_timestamp()))
        return len(entries)

    async def _wake_at(self, instants: Iterable[datetime]) -> None:
        now = datetime.now(UTC)
        for instant in sorted(set(instants)):
            # arq refuses what lies more than a day back, and a past wake-up means: now.
            at = max(instant, now)
            await self._redis.enqueue_job(WAKE, _job_id=f"{WAKE}:{at.isoformat()}", _defer_until=at)


def _instants(payload: Any) -> Sequence[datetime]:
    if payload["due_at"] is None:
        return []
    return [datetime.fromisoformat(payload[name]) for name in ("due_at", "starts_at", "ends_at")]
