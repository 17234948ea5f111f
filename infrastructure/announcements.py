"""Whoever waits for conferences hears of each change: a hint over Redis says that there is one, Postgres says which.

A hint may be lost, doubled or late, and Redis may be away altogether: once a second the process asks Postgres itself.
One task reads for all who wait and tells them in turn, so nobody hears things in another order than they happened.
"""

import asyncio
import json
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar
from uuid import UUID

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from application.views import Claims, Leave, Listener, MyConferencesNow, MyNews, VideoconferenceView
from domain.ids import PersonId, VideoconferenceId
from domain.videoconference import OVER, VideoconferenceStatus
from infrastructure.db import audience_statements as statements
from infrastructure.db.audiences import Audience, Sight, audiences, sight
from infrastructure.db.views import read_image

CHANNEL = "sferum:changed"
LOOK_EVERY_SECONDS = 1.0
LONGEST_TRANSACTION_SECONDS = 60.0
"""For so long what was written is looked at again: a transaction may commit after one that began later."""
MOST_CHANGES = 1000
MOST_LOOKED_AT = 200
"""So many conferences are looked at anew in one go, before changes that have come meanwhile are told."""
MOST_NOW = 100
MOST_PASSED = 10_000
"""Of so many conferences that nobody waits for it is remembered how far they were read."""


T = TypeVar("T")
Who = tuple[str, PersonId]
"""A person of a school, by the school's id in the school system."""

log = structlog.get_logger()


async def hints(redis: Redis) -> AsyncIterator[str]:
    """Each hint as it comes, until cancelled; while Redis is away there are none."""
    while True:
        try:
            async with redis.pubsub() as pubsub:
                await pubsub.subscribe(CHANNEL)
                async for message in pubsub.listen():
                    if message["type"] == "message":
                        yield message["data"]
        except (RedisError, OSError) as error:
            log.warning("redis_away", error=type(error).__name__)
            await asyncio.sleep(1)


@dataclass(slots=True, eq=False)
class _Watcher:
    """Somebody who waits for one conference, and what they were told of it last."""

    claims: Claims
    listener: Listener[VideoconferenceView]
    told: VideoconferenceView | None = None


@dataclass(slots=True, eq=False)
class _Mine:
    """Somebody who waits for all conferences of theirs, and what they know of each."""

    claims: Claims
    listener: Listener[MyNews]
    known: dict[VideoconferenceId, VideoconferenceView] = field(default_factory=dict)

    @property
    def who(self) -> Who:
        return self.claims.organization_school_id or "", self.claims.person_id


@dataclass(slots=True)
class _Topic:
    """A conference that somebody in this process waits for: its last entry that was told of, and to whom."""

    entry: int
    chat: str
    organization: str
    watchers: set[_Watcher] = field(default_factory=set)
    knowers: set[_Mine] = field(default_factory=set)


@dataclass(slots=True)
class _Written:
    """How far this process has read what is written. Reading goes back to `behind[0]`, a transaction's length ago."""

    behind: deque[tuple[float, int]] = field(default_factory=deque)
    seen: set[int] = field(default_factory=set)


class Announcements:
    """Implements `application.views.Changes`; `run` must be running."""

    def __init__(self, engine: AsyncEngine, redis: Redis) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._redis = redis
        self._topics: dict[VideoconferenceId, _Topic] = {}
        self._people: defaultdict[Who, set[_Mine]] = defaultdict(set)
        self._new_watchers: defaultdict[VideoconferenceId, set[_Watcher]] = defaultdict(set)
        self._new_mine: set[_Mine] = set()
        self._written = _Written()
        # The last entry that was written when the first of `_people` came.
        self._since = 0
        # How far those were read that nobody waits for, the latest last.
        self._passed: dict[VideoconferenceId, int] = {}
        # What is to be looked at: changes; rights on all of these chats and organizations; rights on these conferences.
        self._changed: set[VideoconferenceId] = set()
        self._places: set[str] = set()
        self._rights: set[VideoconferenceId] = set()
        self._hint = asyncio.Event()
        self._look_at = 0.0

    @property
    def watched(self) -> frozenset[VideoconferenceId]:
        """The conferences that somebody in this process waits for."""
        return frozenset(self._topics)

    def watch(self, id: VideoconferenceId, claims: Claims, listener: Listener[VideoconferenceView]) -> Leave:
        watcher = _Watcher(claims, listener)
        self._new_watchers[id].add(watcher)
        self._hint.set()

        def leave() -> None:
            if coming := self._new_watchers.get(id):
                coming.discard(watcher)
            if topic := self._topics.get(id):
                topic.watchers.discard(watcher)
                self._forget_unless_waited_for(id)

        return leave

    def watch_mine(self, claims: Claims, listener: Listener[MyNews]) -> Leave:
        mine = _Mine(claims, listener)
        self._new_mine.add(mine)
        self._hint.set()
        return lambda: self._leave(mine)

    def _leave(self, mine: _Mine) -> None:
        self._new_mine.discard(mine)
        self._people[mine.who].discard(mine)
        if not self._people[mine.who]:
            del self._people[mine.who]
        for id in mine.known:
            if topic := self._topics.get(id):
                topic.knowers.discard(mine)
                self._forget_unless_waited_for(id)
        mine.known.clear()

    def _forget_unless_waited_for(self, id: VideoconferenceId) -> None:
        topic = self._topics.get(id)
        if topic is not None and not topic.watchers and not topic.knowers:
            del self._topics[id]
            self._pass_by(id, topic.entry)

    async def run(self) -> None:
        """Listens for hints and tells the listeners, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            tasks.create_task(self._tell())

    async def _listen(self) -> None:
        async for hint in hints(self._redis):
            self._take_hint(hint)

    def _take_hint(self, data: str) -> None:
        with suppress(ValueError, KeyError, TypeError):
            hint = json.loads(data)
            changed = {VideoconferenceId(UUID(id)) for id in hint["videoconferences"]}
            self._note(changed, {*hint["chats"], *hint["organizations"]}, everywhere=hint["everywhere"])

    def _note(self, changed: set[VideoconferenceId], places: set[str], *, everywhere: bool) -> None:
        if not (self._people or self._new_mine):
            changed &= self._topics.keys() | self._new_watchers.keys()
        self._changed |= changed
        self._places |= places
        if everywhere:
            self._rights |= self._topics.keys()
        if self._changed or self._places or self._rights:
            self._hint.set()

    async def _tell(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._hint.wait(), LOOK_EVERY_SECONDS)
            self._hint.clear()
            try:
                await self._turn()
            except (SQLAlchemyError, OSError) as error:
                log.warning("postgres_away", error=type(error).__name__)
                self._turn_away(error)
                await asyncio.sleep(LOOK_EVERY_SECONDS)
                self._hint.set()

    async def _turn(self) -> None:
        """Tells of what has come up since the last turn: changes first, then rights, then whoever is new."""
        if not (self._topics or self._people or self._new_watchers or self._new_mine):
            self._written = _Written()
            self._changed.clear()
            self._places.clear()
            self._rights.clear()
            return
        if time.monotonic() >= self._look_at:
            await self._look_at_what_is_written()
            self._look_at = time.monotonic() + LOOK_EVERY_SECONDS
        with _taken(self._changed, MOST_CHANGES) as changed:
            await self._tell_of_changes(changed)
        with _taken(self._places) as places:
            await self._find_concerned(places)
        coming = set(islice(self._new_watchers, MOST_LOOKED_AT))
        with _taken(self._rights, MOST_LOOKED_AT) as rights:
            await self._look_at_conferences(rights | coming)
        if self._new_mine:
            await self._welcome(set(self._new_mine))
        if self._changed or self._places or self._rights or self._new_watchers or self._new_mine:
            self._hint.set()

    def _turn_away(self, error: Exception) -> None:
        """Who has just come is told that it does not work now; the others wait until it does."""
        for watcher in [watcher for coming in self._new_watchers.values() for watcher in coming]:
            watcher.listener.end(error)
        for mine in self._new_mine:
            mine.listener.end(error)
        self._new_watchers.clear()
        self._new_mine.clear()

    async def _look_at_what_is_written(self) -> None:
        """Notes what no hint has told of."""
        written, now = self._written, time.monotonic()
        if not written.behind:
            (newest,) = await self._rows(statements.NEWEST)
            # Who comes reads the present state after this.
            written.behind.append((now, max(0, newest.id - MOST_CHANGES)))
        while len(written.behind) > 1 and written.behind[1][0] < now - LONGEST_TRANSACTION_SECONDS:
            written.behind.popleft()
        after = written.behind[0][1]
        rows = await self._rows(statements.LATELY, after=after)
        fresh = [row for row in rows if row.id not in written.seen]
        written.seen = {row.id for row in rows}
        if rows:
            written.behind.append((now, rows[-1].id))
        ids = {kind: {row.subject_id for row in fresh if row.subject == kind} for kind in _KINDS}
        places = {str(id) for id in ids["chat"] | ids["organization"]}
        self._note(ids["videoconference"], places, everywhere=bool(ids["role"]))

    async def _tell_of_changes(self, ids: set[VideoconferenceId]) -> None:
        after = {id: self._topics[id].entry for id in ids if id in self._topics}
        entries = await self._changes(after)
        if len(entries) == MOST_CHANGES:
            self._changed |= after.keys()
        await self._tell_each(entries)
        if self._people:
            new = await self._tell_of_new(ids)
            # An older one may have become somebody's.
            others = ids - after.keys() - new
            await self._tell_each(await self._present(others, schools={school for school, _ in self._people}))

    async def _tell_of_new(self, ids: Collection[VideoconferenceId]) -> set[VideoconferenceId]:
        """Tells of each change of those that were made since people came, and that nobody here has heard of.

        It goes before whatever makes them known to somebody: the others would miss what was before that. Answers with
        those of which there is nothing more to tell.
        """
        unknown = [id for id in ids if id not in self._topics]
        if not self._people or not unknown:
            return set()
        after = {id: max(self._since, self._passed.get(id, 0)) for id in unknown}
        entries = await self._changes(after, schools={school for school, _ in self._people})
        if len(entries) == MOST_CHANGES:
            self._changed |= set(unknown)
        written_of = {entry["id"] for entry in entries}
        new = {entry["id"] for entry in entries if entry["version"] == 1}
        await self._tell_each([entry for entry in entries if entry["id"] in new])
        return new | {id for id in unknown if id in self._passed and id not in written_of}

    async def _tell_each(self, entries: Sequence[Mapping[str, Any]]) -> None:
        found = await self._audiences({entry["id"] for entry in entries})
        for entry in entries:
            if entry["id"] in found:
                self._tell_of_change(entry, found[entry["id"]])

    def _tell_of_change(self, entry: Mapping[str, Any], audience: Audience) -> None:
        topic = self._topics.get(entry["id"])
        if topic is not None:
            if entry["entry"] <= topic.entry:
                return
            topic.entry = entry["entry"]
            topic.chat = str(entry["chat_id"])
        seen = sight(entry, audience)
        if topic is not None:
            for watcher in list(topic.watchers):
                view = seen.of(watcher.claims)
                if view is None:
                    topic.watchers.discard(watcher)
                    watcher.listener.end()
                elif watcher.told is None or view.version > watcher.told.version:
                    watcher.told = view
                    watcher.listener.hear(view)
        for mine in self._concerned(topic, seen):
            view = seen.of(mine.claims) if mine.claims.person_id in seen.theirs else None
            known = mine.known.get(seen.id)
            if view is None:
                self._take_away(mine, seen)
            elif known is None:
                # One that was over before anybody here waited is no news.
                if topic is not None or seen.version == 1 or _is_shown(seen):
                    self._give(mine, seen, view)
            elif view.version > known.version:
                self._give(mine, seen, view)
        self._forget_unless_waited_for(seen.id)
        if seen.id not in self._topics:
            self._pass_by(seen.id, entry["entry"])

    def _pass_by(self, id: VideoconferenceId, entry: int) -> None:
        """Nobody here waits for it; what was written of it up to that entry is no news to anybody."""
        if self._people:
            self._passed.pop(id, None)
            self._passed[id] = entry
            if len(self._passed) > MOST_PASSED:
                del self._passed[next(iter(self._passed))]

    async def _find_concerned(self, places: Collection[str]) -> None:
        """Something was changed in these chats and organizations: whoever may see less now, or more, is to be told."""
        if not places:
            return
        self._rights |= {
            id for id, topic in self._topics.items() if topic.chat in places or topic.organization in places
        }
        if not self._people:
            return
        chosen = [UUID(place) for place in places]
        for row in await self._rows(statements.BARRED, **_named(self._people), places=chosen):
            for mine in list(self._people.get((row.school_id, row.person_id), ())):
                if not mine.claims.superadministrator:
                    self._leave(mine)
                    mine.listener.end()
        self._rights |= await self._concerning(self._people, places=chosen)

    async def _look_at_conferences(self, ids: Collection[VideoconferenceId]) -> None:
        """Shows them to those who are new, and takes them from those who may not see them any more (RIGHT-09)."""
        if not ids:
            return
        await self._tell_of_new(ids)
        entries = await self._present(ids)
        found = await self._audiences(ids)
        for entry in entries:
            if entry["id"] in found:
                self._show(sight(entry, found[entry["id"]]))
        # There are no such conferences.
        for id in set(ids) - {entry["id"] for entry in entries}:
            for watcher in self._new_watchers.pop(id, ()):
                watcher.listener.end()

    def _show(self, seen: Sight) -> None:
        topic = self._topics.get(seen.id)
        for watcher in list(topic.watchers) if topic else ():
            view = seen.of(watcher.claims)
            if view is None:
                assert topic is not None
                topic.watchers.discard(watcher)
                watcher.listener.end()
            elif watcher.told is not None and _differs(watcher.told, view):
                watcher.told = view
                watcher.listener.hear(view)
        for watcher in self._new_watchers.pop(seen.id, ()):
            view = seen.of(watcher.claims)
            if view is None:
                watcher.listener.end()
            else:
                self._topic(seen).watchers.add(watcher)
                watcher.told = view
                watcher.listener.hear(view)
        for mine in self._concerned(topic, seen):
            view = seen.of(mine.claims) if mine.claims.person_id in seen.theirs else None
            known = mine.known.get(seen.id)
            if view is None:
                self._take_away(mine, seen)
            elif (known is None and _is_shown(seen)) or (known is not None and _differs(known, view)):
                self._give(mine, seen, view)
        if topic is not None and seen.row["entry"] > topic.entry:
            # A change that is not told of yet.
            self._changed.add(seen.id)
        self._forget_unless_waited_for(seen.id)

    async def _welcome(self, coming: set[_Mine]) -> None:
        """Tells each who has come what is theirs now."""
        if not self._people:
            (newest,) = await self._rows(statements.NEWEST)
            self._since = newest.id
            self._passed.clear()
        rows = await self._rows(statements.PEOPLE, **_named(mine.who for mine in coming))
        present = {(row.school_id, row.person_id) for row in rows}
        ids = await self._concerning(present, places=None)
        await self._tell_of_new(ids)
        entries = await self._present(ids)
        found = await self._audiences(ids)
        # Some may have left meanwhile.
        coming &= self._new_mine
        self._new_mine -= coming
        seen = [sight(entry, found[entry["id"]]) for entry in entries if entry["id"] in found]
        of_person: defaultdict[Who, list[Sight]] = defaultdict(list)
        for each in seen:
            for person in each.theirs:
                of_person[each.school, person].append(each)
        told = dict[tuple[int, ...], MyConferencesNow]()
        for mine in coming:
            theirs = of_person[mine.who] if not mine.claims.roster_service else []
            news, views = _now(theirs, mine.claims)
            self._people[mine.who].add(mine)
            for each, view in views:
                mine.known[each.id] = view
                self._topic(each).knowers.add(mine)
            # Classmates see the same, and are told so by one and the same object.
            same = tuple(id(view) for view in news.videoconferences)
            mine.listener.hear(told.setdefault(same, news))
            if mine.claims.roster_service or (mine.who not in present and not mine.claims.superadministrator):
                self._leave(mine)
                mine.listener.end()

    def _concerned(self, topic: _Topic | None, seen: Sight) -> list[_Mine]:
        """Everybody who waits for all of theirs and knows this one, or is to know it."""
        if not self._people:
            return []
        knowers = topic.knowers if topic else set[_Mine]()
        return list(knowers.union(*(self._people.get((seen.school, person), ()) for person in seen.theirs)))

    def _give(self, mine: _Mine, seen: Sight, view: VideoconferenceView) -> None:
        mine.known[seen.id] = view
        self._topic(seen).knowers.add(mine)
        mine.listener.hear(seen.changed(view))

    def _take_away(self, mine: _Mine, seen: Sight) -> None:
        if mine.known.pop(seen.id, None) is not None:
            if topic := self._topics.get(seen.id):
                topic.knowers.discard(mine)
            mine.listener.hear(seen.gone())

    def _topic(self, seen: Sight) -> _Topic:
        topic = self._topics.get(seen.id)
        if topic is None:
            topic = _Topic(seen.row["entry"], str(seen.row["chat_id"]), str(seen.row["organization_id"]))
            self._topics[seen.id] = topic
        return topic

    async def _concerning(self, people: Collection[Who], *, places: Collection[UUID] | None) -> set[VideoconferenceId]:
        if not people:
            return set()
        chosen = list(places) if places is not None else None
        rows = await self._rows(statements.CONCERNING, **_named(people), places=chosen)
        return {row.id for row in rows}

    async def _changes(
        self, after: Mapping[VideoconferenceId, int], *, schools: Collection[str] | None = None
    ) -> list[Mapping[str, Any]]:
        """Each conference as it was at each of its entries after the given one, in order."""
        if not after:
            return []
        rows = await self._rows(
            statements.CHANGES,
            videoconferences=list(after),
            after=list(after.values()),
            schools=None if schools is None else list(schools),
            most=MOST_CHANGES,
        )
        return [
            read_image(row.payload)
            | {"chat_name": row.chat_name, "time_zone": row.time_zone, "school_id": row.school_id, "entry": row.entry}
            for row in rows
        ]

    async def _present(
        self, ids: Collection[VideoconferenceId], *, schools: Collection[str] | None = None
    ) -> list[Mapping[str, Any]]:
        if not ids:
            return []
        chosen = None if schools is None else list(schools)
        rows = await self._rows(statements.PRESENT, videoconferences=list(ids), schools=chosen)
        return [dict(row._mapping) for row in rows]

    async def _audiences(self, ids: Collection[UUID]) -> Mapping[UUID, Audience]:
        return audiences(await self._rows(statements.AUDIENCE, videoconferences=list(ids))) if ids else {}

    async def _rows(self, statement: str, **parameters: object) -> Sequence[Any]:
        async with self._engine.connect() as connection:
            return (await connection.execute(text(statement), parameters)).all()


_KINDS = ("videoconference", "chat", "organization", "role")


@contextmanager
def _taken(noted: set[T], most: int | None = None) -> Iterator[set[T]]:
    """Takes what is noted, or so many of it; puts it back when the block fails."""
    taken = set(islice(noted, most))
    noted -= taken
    try:
        yield taken
    except BaseException:
        noted |= taken
        raise


def _named(people: Iterable[Who]) -> dict[str, object]:
    pairs = list(people)
    return {"schools": [school for school, _ in pairs], "people": [person for _, person in pairs]}


def _differs(told: VideoconferenceView, now: VideoconferenceView) -> bool:
    """Whether the viewer's rights make another picture of the same state."""
    return now.version == told.version and (now.link, now.actions) != (told.link, told.actions)


def _is_shown(seen: Sight) -> bool:
    """Whether it is of those that `MyConferencesNow` is about, or yet to come."""
    return seen.row["due_today"] or seen.row["status"] not in OVER


def _now(theirs: Sequence[Sight], claims: Claims) -> tuple[MyConferencesNow, list[tuple[Sight, VideoconferenceView]]]:
    """The conferences of now, the earliest first, and all of theirs that are not over."""
    views = [(each, view) for each in theirs if (view := each.of(claims)) is not None]
    of_now = [view for each, view in views if each.row["due_today"] or view.status is VideoconferenceStatus.ACTIVE]
    # What is over gives way first.
    of_now.sort(key=lambda view: (view.status in OVER, view.starts_at, view.id))
    named = sorted(of_now[:MOST_NOW], key=lambda view: (view.starts_at, view.id))
    return MyConferencesNow(tuple(named), truncated=len(of_now) > MOST_NOW), views
