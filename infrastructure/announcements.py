"""Whoever waits for a conference hears of each change: a hint over Redis says that there is one, Postgres says which.

A hint may be lost, doubled or late, and Redis may be away altogether: once a second the process asks Postgres itself.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from application.views import FellBehind, Standing, VideoconferenceView
from domain.access import MetaRole, Viewer
from domain.ids import PersonId, VideoconferenceId
from infrastructure.db import statements
from infrastructure.db.views import conference_view, read_image

CHANNEL = "sferum:changed"
LOOK_EVERY_SECONDS = 1.0
MOST_UNREAD = 100
"""A reader that has so many changes to read is dropped; it comes back and reads the present state."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ConferenceChange:
    """Implements `application.views.Change`."""

    version: int
    row: Mapping[str, Any]
    standings: Mapping[PersonId, Standing]

    def seen_by(self, viewer: Viewer) -> VideoconferenceView | None:
        if viewer.meta_role is MetaRole.SUPERADMINISTRATOR:
            return conference_view(self.row, sees_link=True, may_finish=True)
        standing = self.standings.get(viewer.person_id)
        if standing is None or standing.blocked or not viewer.works_in(self.row["organization_id"]):
            return None
        if not (standing.takes_part or standing.administers or standing.permitted):
            return None
        return conference_view(self.row, sees_link=True, may_finish=standing.administers or standing.permitted)


@dataclass(slots=True)
class _Topic:
    """One conference that somebody in this process waits for."""

    last_entry: int
    readers: set[asyncio.Queue[ConferenceChange | None]] = field(default_factory=set)


class Announcements:
    """Implements `application.views.Changes`; `run` must be running."""

    def __init__(self, engine: AsyncEngine, redis: Redis) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._redis = redis
        self._topics: dict[VideoconferenceId, _Topic] = {}
        self._hinted: set[VideoconferenceId] = set()
        self._hint = asyncio.Event()

    @property
    def watched(self) -> frozenset[VideoconferenceId]:
        """The conferences that somebody in this process waits for."""
        return frozenset(self._topics)

    @asynccontextmanager
    async def watch(self, id: VideoconferenceId) -> AsyncIterator[AsyncIterator[ConferenceChange]]:
        queue: asyncio.Queue[ConferenceChange | None] = asyncio.Queue(MOST_UNREAD)
        if id not in self._topics:
            rows = await self._rows(statements.LAST_CHANGE, id=id)
            # Somebody else may have come first while we asked.
            self._topics.setdefault(id, _Topic(rows[0].entry))
        topic = self._topics[id]
        topic.readers.add(queue)
        try:
            yield _read(queue)
        finally:
            topic.readers.discard(queue)
            if not topic.readers and self._topics.get(id) is topic:
                del self._topics[id]

    async def run(self) -> None:
        """Listens for hints and tells the readers, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            tasks.create_task(self._tell())

    async def _listen(self) -> None:
        while True:
            try:
                async with self._redis.pubsub() as pubsub:
                    await pubsub.subscribe(CHANNEL)
                    # What was said while nobody listened is not lost: look at everything once.
                    self._hinted |= self._topics.keys()
                    self._hint.set()
                    async for message in pubsub.listen():
                        if message["type"] == "message":
                            self._take_hint(message["data"])
            except (RedisError, OSError) as error:
                log.warning("redis_away", error=type(error).__name__)
                await asyncio.sleep(1)

    def _take_hint(self, data: str) -> None:
        with suppress(ValueError, KeyError, TypeError):
            for id in json.loads(data)["videoconferences"]:
                if (conference := VideoconferenceId(UUID(id))) in self._topics:
                    self._hinted.add(conference)
                    self._hint.set()

    async def _tell(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._hint.wait(), LOOK_EVERY_SECONDS)
            wanted = self._hinted & self._topics.keys() if self._hint.is_set() else set(self._topics)
            self._hint.clear()
            self._hinted.clear()
            try:
                if wanted:
                    await self._tell_of(sorted(wanted))
            except (SQLAlchemyError, OSError) as error:
                log.warning("postgres_away", error=type(error).__name__)
                await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def _tell_of(self, ids: Sequence[VideoconferenceId]) -> None:
        after = [self._topics[id].last_entry for id in ids]
        rows = await self._rows(statements.CHANGES, videoconferences=list(ids), after=after)
        if not rows:
            return
        standings = await self._standings(sorted({row.subject_id for row in rows}))
        for row in rows:
            topic = self._topics.get(row.subject_id)
            if topic is None or row.entry <= topic.last_entry:
                continue
            topic.last_entry = row.entry
            image = read_image(row.payload) | {"chat_name": row.chat_name, "time_zone": row.time_zone}
            change = ConferenceChange(image["version"], image, standings[row.subject_id])
            for queue in topic.readers:
                if queue.full():
                    queue.get_nowait()
                    queue.put_nowait(None)
                else:
                    queue.put_nowait(change)

    async def _standings(self, ids: Sequence[UUID]) -> Mapping[UUID, Mapping[PersonId, Standing]]:
        found: defaultdict[UUID, dict[PersonId, Standing]] = defaultdict(dict)
        for row in await self._rows(statements.AUDIENCE, videoconferences=list(ids)):
            found[row.videoconference_id][PersonId(row.person_id)] = Standing(
                bool(row.takes_part), bool(row.administers), bool(row.permitted), row.blocked
            )
        return found

    async def _rows(self, statement: str, **parameters: object) -> Sequence[Any]:
        async with self._engine.connect() as connection:
            return (await connection.execute(text(statement), parameters)).all()


async def _read(queue: asyncio.Queue[ConferenceChange | None]) -> AsyncIterator[ConferenceChange]:
    while (change := await queue.get()) is not None:
        yield change
    raise FellBehind
