"""Whoever waits for a chat's mirror hears how it is, and how it becomes.

Between two looks a mirror may pass through states of which nobody hears: what counts is how it is. A hint over Redis
makes the process look at once; without any it looks every few seconds, also at everybody's rights.
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass

import structlog
from redis.asyncio import Redis
from sqlalchemy.exc import SQLAlchemyError

from application.mirror_views import ChatMirrorView, MirrorViews
from application.views import Claims, Leave, Listener, Views
from domain.access import may_edit_chat
from domain.ids import ChatId
from infrastructure.announcements import hints

LOOK_EVERY_SECONDS = 2.0
AFTER_A_HINT_SECONDS = 0.1
"""What changes much is looked at together: a large chat is filled in many steps, each with a hint."""

log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class _Watcher:
    """Somebody who waits for one mirror, and what they were told of it last."""

    chat: ChatId
    claims: Claims
    listener: Listener[ChatMirrorView]
    told: ChatMirrorView | None = None


class MirrorNews:
    """Implements `application.mirror_views.MirrorChanges`; `run` must be running."""

    def __init__(self, views: Views, mirrors: MirrorViews, redis: Redis) -> None:
        self._views = views
        self._mirrors = mirrors
        self._redis = redis
        self._watchers: set[_Watcher] = set()
        self._hint = asyncio.Event()

    def watch(self, id: ChatId, claims: Claims, listener: Listener[ChatMirrorView]) -> Leave:
        watcher = _Watcher(id, claims, listener)
        self._watchers.add(watcher)
        self._hint.set()
        return lambda: self._watchers.discard(watcher)

    async def run(self) -> None:
        """Listens for hints and tells the listeners, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            tasks.create_task(self._tell())

    async def _listen(self) -> None:
        async for _ in hints(self._redis):
            if self._watchers:
                self._hint.set()

    async def _tell(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._hint.wait(), LOOK_EVERY_SECONDS)
                if all(watcher.told is not None for watcher in self._watchers):
                    await asyncio.sleep(AFTER_A_HINT_SECONDS)
            self._hint.clear()
            try:
                await self._look(set(self._watchers))
            except (SQLAlchemyError, OSError) as error:
                log.warning("postgres_away", error=type(error).__name__)
                # Who has just come is told that it does not work now; the others wait until it does.
                self._end((watcher for watcher in set(self._watchers) if watcher.told is None), error)
                await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def _look(self, watchers: Collection[_Watcher]) -> None:
        """Tells each what is new to them, and ends it for who may not know any more (RIGHT-09)."""
        if not watchers:
            return
        of_claims = defaultdict[Claims, list[_Watcher]](list)
        for watcher in watchers:
            of_claims[watcher.claims].append(watcher)
        entitled = set[_Watcher]()
        for claims, theirs in of_claims.items():
            entitled |= await self._entitled(claims, theirs)
        found = await self._mirrors.chat_mirrors(list({watcher.chat for watcher in entitled}))
        for watcher in watchers:
            view = found.get(watcher.chat) if watcher in entitled else None
            if watcher not in self._watchers:
                # They left meanwhile.
                continue
            if view is None:
                self._end([watcher])
            elif view != watcher.told:
                watcher.told = view
                watcher.listener.hear(view)

    async def _entitled(self, claims: Claims, watchers: Collection[_Watcher]) -> set[_Watcher]:
        """Those of one person's that are open to them now: of chats that they may edit."""
        viewer = (await self._views.viewer(claims)).viewer
        chats = await self._views.chats_by_id(viewer, list({watcher.chat for watcher in watchers}))
        open_to_them = {id for id, chat in chats.items() if may_edit_chat(viewer, chat.place)}
        return {watcher for watcher in watchers if watcher.chat in open_to_them}

    def _end(self, watchers: Iterable[_Watcher], error: Exception | None = None) -> None:
        for watcher in watchers:
            self._watchers.discard(watcher)
            watcher.listener.end(error)
