"""Rows in memory: units of work see their own changes and what is committed, lock rows, and notice stale ones."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Mapping
from copy import copy
from dataclasses import fields
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar, cast

from application.ports import ConcurrentChange
from domain.events import EventRecorder
from domain.lesson import Lesson


class Timed(Protocol):
    """What the clock looks at."""

    @property
    def due_at(self) -> datetime | None: ...


K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
R = TypeVar("R", bound=EventRecorder)
D = TypeVar("D", bound=Timed)

LONGEST_WAIT_SECONDS = 5.0
"""Units of work that wait for one another would wait for ever; a test had better fail."""


class Table(Generic[K, V]):
    """What is committed of one kind, with the number of each row's last change."""

    def __init__(self) -> None:
        self.rows: dict[K, V] = {}
        self.revisions: defaultdict[K, int] = defaultdict(int)
        self.locks: defaultdict[K, asyncio.Lock] = defaultdict(asyncio.Lock)


class Rows(Generic[K, V]):
    """A table as one unit of work sees it: under its own changes, with the rows that it has locked."""

    def __init__(self, table: Table[K, V]) -> None:
        self._table = table
        self._changed: dict[K, V] = {}
        self._loaded: dict[K, int] = {}
        self._gone: set[K] = set()
        self._held: set[K] = set()

    def find(self, key: K) -> V | None:
        """A copy of the row, which remembers how old it is."""
        row = self.present().get(key)
        if row is None:
            return None
        self._loaded[key] = self._table.revisions[key]
        return _copied(row)

    def present(self) -> Mapping[K, V]:
        """The rows themselves, to be looked at only."""
        rows = self._table.rows | self._changed
        return {key: row for key, row in rows.items() if key not in self._gone} if self._gone else rows

    def matching(self, matches: Callable[[V], bool]) -> list[K]:
        """The keys of all rows that match."""
        return [key for key, row in self.present().items() if matches(row)]

    async def lock(self, key: K) -> None:
        """Waits until nobody else has locked the row."""
        if key not in self._held:
            lock = self._table.locks[key]
            # A free lock is taken without giving way, so that it is still free when it is taken.
            await (asyncio.wait_for(lock.acquire(), LONGEST_WAIT_SECONDS) if lock.locked() else lock.acquire())
            self._held.add(key)

    async def find_locked(self, key: K, *, lock: bool = True) -> V | None:
        """A copy of the row as it is once it is locked."""
        if lock:
            await self.lock(key)
        return self.find(key)

    async def all_locked(self, matches: Callable[[V], bool]) -> list[V]:
        """The rows that match, in the order of their keys, each locked and then looked at again."""
        found = [await self.find_locked(key) for key in sorted(self.matching(matches), key=str)]
        return [row for row in found if row is not None and matches(row)]

    def is_free(self, key: K) -> bool:
        """Whether nobody else has locked the row."""
        return key in self._held or not self._table.locks[key].locked()

    async def save(self, key: K, row: V) -> None:
        """Adds or replaces the row, whatever became of it meanwhile."""
        await self.lock(key)
        # Other units of work go on meanwhile, as they do while a database is asked.
        await asyncio.sleep(0)
        self._changed[key] = _copied(row)
        self._gone.discard(key)

    async def save_if_fresh(self, key: K, row: V) -> None:
        """Adds a row that was not loaded and is not there, or replaces one that is as it was when it was loaded."""
        await self.lock(key)
        if self._table.revisions[key] != self._loaded.get(key, 0):
            raise ConcurrentChange
        await self.save(key, row)
        self._loaded[key] = self._table.revisions[key]

    async def delete(self, key: K) -> None:
        """Takes the row away."""
        await self.lock(key)
        self._changed.pop(key, None)
        self._gone.add(key)

    def commit(self) -> None:
        """Makes the changes everybody's."""
        for key, row in self._changed.items():
            self._table.rows[key] = row
            self._table.revisions[key] += 1
        for key in self._gone:
            self._table.rows.pop(key, None)

    def release(self) -> None:
        """Lets others have the rows."""
        for key in self._held:
            self._table.locks[key].release()


def _copied(row: V) -> V:
    """A copy that shares nothing which can change: what is in the collections of an aggregate is frozen."""
    if isinstance(row, Lesson | tuple):
        return row
    twin: Any = copy(row)
    for field in fields(twin):
        value = getattr(twin, field.name)
        if isinstance(value, list | dict | set):
            setattr(twin, field.name, copy(value))
    return cast(V, twin)


async def save_with_events(rows: Rows[K, R], key: K, row: R, told: list[object]) -> None:
    """Saves an aggregate that nobody else changed meanwhile; its events are told with it."""
    events = row.take_events()
    await rows.save_if_fresh(key, row)
    told += events


async def due_rows(rows: Rows[K, D], at: datetime, limit: int) -> list[D]:
    """The longest due first, locked; what others have locked is left out."""
    keys = await due_keys(rows, at, limit)
    return [row for key in keys if (row := rows.find(key)) is not None]


async def due_keys(
    rows: Rows[K, D],
    at: datetime,
    limit: int,
    *,
    leaving_out: Collection[K] = (),
    wanted: Callable[[D], bool] = lambda _: True,
    together: Callable[[D], Any] = lambda _: "",
) -> list[K]:
    """The same, the keys alone; of those due at one instant the ones that have the same `together` after each other."""

    def is_due(key: K, row: D) -> bool:
        return row.due_at is not None and row.due_at <= at and key not in leaving_out and wanted(row)

    present = rows.present()
    keys = [key for key, row in present.items() if is_due(key, row) and rows.is_free(key)]
    keys.sort(key=lambda key: (present[key].due_at or at, str(together(present[key])), str(key)))
    for key in keys[:limit]:
        await rows.lock(key)
    return keys[:limit]


def next_due(rows: Rows[K, D], *, leaving_out: Collection[K] = ()) -> datetime | None:
    """The earliest of all."""
    return min(
        (row.due_at for key, row in rows.present().items() if row.due_at is not None and key not in leaving_out),
        default=None,
    )
