"""Whoever waits for a conference hears of each change: a hint over Redis says that there is one, Postgres says which.

A hint may be lost, doubled or late, and Redis may be away altogether: once a second the process asks Postgres itself.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from application.views import FellBehind, VideoconferenceView
from domain.access import MetaRole, Permission, PlaceInChat, PlaceInConference, Viewer, may_see_conference
from domain.chat import ChatType, MembershipRole
from domain.ids import PersonId, VideoconferenceId
from infrastructure.db import statements
from infrastructure.db.views import conference_view, read_image

CHANNEL = "sferum:changed"
LOOK_EVERY_SECONDS = 1.0
LOOK_AT_RIGHTS_EVERY_SECONDS = 3.0
"""While no hints come, rights are looked at so often."""
MOST_UNREAD = 100
"""A reader that has so many changes to read is dropped; it comes back and reads the present state."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Standing:
    """How one person stands to a conference now."""

    place: PlaceInConference
    permissions: frozenset[Permission]
    blocked: bool


@dataclass(frozen=True, slots=True)
class Audience:
    """Everybody to whom a conference may be open, and where somebody stands who is not among them."""

    people: Mapping[PersonId, Standing]
    nobodys_place: PlaceInChat


@dataclass(frozen=True, slots=True)
class ConferenceChange:
    """Implements `application.views.Change`."""

    version: int
    row: Mapping[str, Any]
    audience: Audience

    def seen_by(self, viewer: Viewer) -> VideoconferenceView | None:
        if self.row.get("deleted"):
            return None
        standing = self.audience.people.get(viewer.person_id)
        place = PlaceInConference(False, self.audience.nobodys_place) if standing is None else standing.place
        if viewer.meta_role is not MetaRole.SUPERADMINISTRATOR:
            if standing is None or standing.blocked:
                return None
            # Not what the viewer held when they came: what they hold now (RIGHT-09).
            viewer = replace(viewer, granted=standing.permissions)
        return conference_view(self.row, viewer, place) if may_see_conference(viewer, place) else None


@dataclass(slots=True)
class _Topic:
    """One conference that somebody in this process waits for: its last entry that was told of, and how it was then."""

    last_entry: int
    row: Mapping[str, Any]
    readers: set[asyncio.Queue[ConferenceChange | None]] = field(default_factory=set)

    def tell(self, audience: Audience) -> None:
        """Hands all readers the conference as it is now; who does not read is dropped."""
        change = ConferenceChange(self.row["version"], self.row, audience)
        for queue in self.readers:
            if queue.full():
                queue.get_nowait()
                queue.put_nowait(None)
            else:
                queue.put_nowait(change)


class Announcements:
    """Implements `application.views.Changes`; `run` must be running."""

    def __init__(self, engine: AsyncEngine, redis: Redis) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._redis = redis
        self._topics: dict[VideoconferenceId, _Topic] = {}
        self._hinted: set[VideoconferenceId] = set()
        self._rights_hinted: set[VideoconferenceId] = set()
        self._hint = asyncio.Event()
        self._listening = False

    @property
    def watched(self) -> frozenset[VideoconferenceId]:
        """The conferences that somebody in this process waits for."""
        return frozenset(self._topics)

    @asynccontextmanager
    async def watch(self, id: VideoconferenceId) -> AsyncIterator[AsyncIterator[ConferenceChange]]:
        queue: asyncio.Queue[ConferenceChange | None] = asyncio.Queue(MOST_UNREAD)
        if id not in self._topics:
            for row in await self._rows(statements.WATCHED, id=id):
                # Somebody else may have come first while we asked.
                self._topics.setdefault(id, _Topic(row.entry, dict(row._mapping)))
        topic = self._topics.get(id)
        if topic is None:
            yield _read(queue)
            return
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
            tasks.create_task(self._look_at_rights())

    async def _listen(self) -> None:
        while True:
            try:
                async with self._redis.pubsub() as pubsub:
                    await pubsub.subscribe(CHANNEL)
                    # What was said while nobody listened is not lost: look at everything once.
                    self._look_at(set(self._topics), rights=set(self._topics))
                    self._listening = True
                    async for message in pubsub.listen():
                        if message["type"] == "message":
                            self._take_hint(message["data"])
            except (RedisError, OSError) as error:
                self._listening = False
                log.warning("redis_away", error=type(error).__name__)
                await asyncio.sleep(1)

    def _take_hint(self, data: str) -> None:
        with suppress(ValueError, KeyError, TypeError):
            hint = json.loads(data)
            changed = {VideoconferenceId(UUID(id)) for id in hint["videoconferences"]}
            places = set(hint["chats"]) | set(hint["organizations"])
            rights = {
                id
                for id, topic in self._topics.items()
                if hint["everywhere"] or {str(topic.row["chat_id"]), str(topic.row["organization_id"])} & places
            }
            self._look_at(changed & self._topics.keys(), rights=rights)

    def _look_at(self, changed: set[VideoconferenceId], *, rights: set[VideoconferenceId]) -> None:
        self._hinted |= changed
        self._rights_hinted |= rights
        if changed or rights:
            self._hint.set()

    async def _look_at_rights(self) -> None:
        while True:
            await asyncio.sleep(LOOK_AT_RIGHTS_EVERY_SECONDS)
            if not self._listening:
                self._look_at(set(), rights=set(self._topics))

    async def _tell(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._hint.wait(), LOOK_EVERY_SECONDS)
            wanted = self._hinted & self._topics.keys() if self._hint.is_set() else set(self._topics)
            rights = self._rights_hinted & self._topics.keys()
            self._hint.clear()
            self._hinted.clear()
            self._rights_hinted.clear()
            try:
                if wanted:
                    await self._tell_of(sorted(wanted))
                if rights:
                    await self._tell_of_rights(sorted(rights))
            except (SQLAlchemyError, OSError) as error:
                log.warning("postgres_away", error=type(error).__name__)
                self._rights_hinted |= rights
                await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def _tell_of(self, ids: Sequence[VideoconferenceId]) -> None:
        after = [self._topics[id].last_entry for id in ids]
        rows = await self._rows(statements.CHANGES, videoconferences=list(ids), after=after)
        if not rows:
            return
        audiences = await self._audiences(sorted({row.subject_id for row in rows}))
        for row in rows:
            topic = self._topics.get(row.subject_id)
            if topic is None or row.entry <= topic.last_entry:
                continue
            topic.last_entry = row.entry
            topic.row = read_image(row.payload) | {"chat_name": row.chat_name, "time_zone": row.time_zone}
            topic.tell(audiences[row.subject_id])

    async def _tell_of_rights(self, ids: Sequence[VideoconferenceId]) -> None:
        """Nobody goes on seeing what they may see no more (RIGHT-09)."""
        for id, audience in (await self._audiences(ids)).items():
            if topic := self._topics.get(VideoconferenceId(id)):
                topic.tell(audience)

    async def _audiences(self, ids: Sequence[UUID]) -> Mapping[UUID, Audience]:
        people: defaultdict[UUID, dict[PersonId, Standing]] = defaultdict(dict)
        chats: dict[UUID, PlaceInChat] = {}
        for row in await self._rows(statements.AUDIENCE, videoconferences=list(ids)):
            nobodys = PlaceInChat(row.organization_id, ChatType(row.chat_type), row.chat_archived, None, False)
            chats[row.videoconference_id] = nobodys
            if row.person_id is not None:
                role = MembershipRole(row.role) if row.role else None
                place = PlaceInConference(row.takes_part, replace(nobodys, role=role, teaches=row.teaches))
                permissions = frozenset(Permission(name) for name in row.permissions or ())
                people[row.videoconference_id][PersonId(row.person_id)] = Standing(place, permissions, row.blocked)
        return {id: Audience(people[id], place) for id, place in chats.items()}

    async def _rows(self, statement: str, **parameters: object) -> Sequence[Any]:
        async with self._engine.connect() as connection:
            return (await connection.execute(text(statement), parameters)).all()


async def _read(queue: asyncio.Queue[ConferenceChange | None]) -> AsyncIterator[ConferenceChange]:
    while (change := await queue.get()) is not None:
        yield change
    raise FellBehind
