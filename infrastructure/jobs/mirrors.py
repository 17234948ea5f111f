"""What a worker does for the mirrors of chats: those that are due are brought in step, strays are emptied."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog
from sqlalchemy.exc import SQLAlchemyError

from application.mirror import KeepMirrors, Outcome
from application.ports import ConcurrentChange
from domain.mirror import Mirror
from infrastructure.jobs.outages import tried

LOOK_EVERY_SECONDS = 1.0
GATHER_SECONDS = 0.1
"""Mirrors that come in step at about the same time make room together."""
AT_SFERUM_AT_ONCE = 60
LONGEST_FAREWELL_SECONDS = 7.0

log = structlog.get_logger()


class MirrorKeeper:
    """Claims mirrors that are due and brings each in step by itself, a few of each organization at a time."""

    def __init__(self, keep_mirrors: KeepMirrors, bring_in_step: Callable[[Mirror], Awaitable[Outcome]]) -> None:
        self._keep_mirrors = keep_mirrors
        self._bring_in_step = bring_in_step
        self._running: dict[asyncio.Task[None], Mirror] = {}
        self._room = asyncio.Event()

    async def run(self) -> None:
        """Looks each second, and when there is room again, until cancelled; an outage of Postgres is waited out."""
        while True:
            self._room.clear()
            try:
                await self.begin()
            except (SQLAlchemyError, OSError, ConcurrentChange) as error:
                log.warning("postgres_away", error=type(error).__name__)
                await asyncio.sleep(LOOK_EVERY_SECONDS)
            except Exception:
                log.exception("work_broke", work="keep_mirrors")
                await asyncio.sleep(LOOK_EVERY_SECONDS)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._room.wait(), LOOK_EVERY_SECONDS)
                await asyncio.sleep(GATHER_SECONDS)

    async def begin(self) -> int:
        """Begins with some that are due, for which there is room, and says with how many."""
        room = AT_SFERUM_AT_ONCE - len(self._running)
        if room <= 0:
            return 0
        under_way = Counter(mirror.organization_id for mirror in self._running.values())
        claimed = await self._keep_mirrors(limit=room, under_way=under_way)
        for mirror in claimed:
            task = asyncio.create_task(self._bring(mirror))
            self._running[task] = mirror
            task.add_done_callback(self._ended)
        return len(claimed)

    async def finish(self) -> None:
        """Waits for what is under way; what does not end in time is cut short, and taken over by another worker."""
        if self._running:
            await asyncio.wait(self._running, timeout=LONGEST_FAREWELL_SECONDS)
        for task in self._running:
            task.cancel()

    async def _bring(self, mirror: Mirror) -> None:
        chat = str(mirror.chat_id)
        try:
            outcome = await self._bring_in_step(mirror)
        except ConcurrentChange:
            # Another worker holds it.
            return
        except (SQLAlchemyError, OSError) as error:
            # It is claimed for a while yet, and then due again.
            log.warning("postgres_away", error=type(error).__name__)
            return
        except Exception:
            log.exception("work_broke", work="bring_mirror_in_step", chat=chat)
            return
        if outcome.drifted:
            log.info("mirror_drifted", chat=chat)
        if outcome.steps:
            log.info("mirror_stepped", chat=chat, steps=outcome.steps)
        if outcome.error is not None:
            log.warning("mirror_waits", chat=chat, error=str(outcome.error))

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        self._room.set()


async def empty_strays(empty: Callable[[], Awaitable[int]]) -> None:
    """Empties what turns up unclaimed within a minute, until cancelled; an outage is waited out."""
    while True:
        if strays := await tried("empty_strays", empty):
            log.warning("strays_emptied", chats=strays)
        await asyncio.sleep(LOOK_EVERY_SECONDS)
