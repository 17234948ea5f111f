"""How often one account's token may be used: so many calls in any second, by all processes together (vk.md, 2.2)."""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from domain.ids import PersonId

SECOND = 1.2
"""A little more than VK's, because the way there is not always equally long."""
ALONE = 1
"""Calls a second that a process makes while it cannot know of the others': safe for three of them."""
PATIENCE_SECONDS = 0.5
ASK_AGAIN_AFTER_SECONDS = 1.0
"""While Redis is away it is not asked at each call."""
PREFIX = "sferum:pace:"

# Takes the next turn of a token, by the clock of Redis alone; answers with the milliseconds until then, or with what is
# missing, negative, when that is over the limit. KEYS: the last turns, the newest first; until when the token rests.
# ARGV: turns a second, that second in ms, the longest wait in ms.
_TURN = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local turns = redis.call('LRANGE', KEYS[1], 0, -1)
local most = tonumber(ARGV[1])
local at = now
if #turns >= most then at = math.max(at, tonumber(turns[most]) + tonumber(ARGV[2])) end
if #turns >= 1 then at = math.max(at, tonumber(turns[1])) end
at = math.max(at, tonumber(redis.call('GET', KEYS[2]) or '0'))
local wait = at - now
if wait > tonumber(ARGV[3]) then return -wait end
redis.call('LPUSH', KEYS[1], string.format('%.0f', at))
redis.call('LTRIM', KEYS[1], 0, most - 1)
redis.call('PEXPIRE', KEYS[1], wait + 2 * tonumber(ARGV[2]))
return wait
"""
# Lets a token rest for ARGV[1] ms at least.
_REST = """
local time = redis.call('TIME')
local until_ = time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[1])
if until_ > tonumber(redis.call('GET', KEYS[1]) or '0') then
  redis.call('SET', KEYS[1], string.format('%.0f', until_), 'PX', ARGV[1])
end
"""

log = structlog.get_logger()


class Pace(Protocol):
    """When a token may be used. `what` is the account, or one method of it that has a limit of its own."""

    async def turn(self, what: str, *, within: float) -> float:
        """Takes the next turn and answers with the seconds until then.

        If those are more than `within`, it is not taken, and they are answered as a negative number.
        """

    async def rest(self, what: str, pause: float) -> None:
        """The other side wants to be left alone for so many seconds."""

    async def resting(self, what: str) -> float:
        """For how many seconds it rests yet."""


@dataclass
class LocalPace:
    """Implements `Pace` for one process."""

    calls_per_second: int
    clock: Callable[[], float] = time.monotonic
    _turns: dict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque))
    _rests: dict[str, float] = field(default_factory=dict)

    async def turn(self, what: str, *, within: float) -> float:
        now = self.clock()
        turns = self._turns[what]
        at = max(now, self._rests.get(what, now), turns[-1] if turns else now)
        if len(turns) >= self.calls_per_second:
            at = max(at, turns[-self.calls_per_second] + SECOND)
        if at - now > within:
            return now - at
        self.note(what, at)
        return at - now

    def note(self, what: str, at: float) -> None:
        """A turn was taken, here or elsewhere."""
        self._turns[what].append(at)
        while len(self._turns[what]) > self.calls_per_second:
            self._turns[what].popleft()
        if len(self._turns) > 10_000:
            self._forget_the_idle()

    async def rest(self, what: str, pause: float) -> None:
        self._rests[what] = max(self._rests.get(what, 0), self.clock() + pause)

    async def resting(self, what: str) -> float:
        return max(0.0, self._rests.get(what, 0) - self.clock())

    def _forget_the_idle(self) -> None:
        now = self.clock()
        self._turns = defaultdict(deque, {key: turns for key, turns in self._turns.items() if turns[-1] > now - SECOND})
        self._rests = {key: until for key, until in self._rests.items() if until > now}


class SharedPace:
    """Implements `Pace` for all processes that share one Redis. Without it each keeps a share that is safe."""

    def __init__(self, redis: Redis, calls_per_second: int) -> None:
        self._redis = redis
        self._turn = redis.register_script(_TURN)
        self._rest = redis.register_script(_REST)
        self._calls_per_second = calls_per_second
        self._alone = LocalPace(ALONE)
        self._away_until = 0.0

    async def turn(self, what: str, *, within: float) -> float:
        if self._is_there():
            try:
                keys = [f"{PREFIX}{what}", f"{PREFIX}{what}:rests"]
                async with asyncio.timeout(PATIENCE_SECONDS):
                    waits = await self._turn(keys, [self._calls_per_second, SECOND * 1000, max(within * 1000, 0)])
            except (RedisError, OSError, TimeoutError) as error:
                self._note_away(error)
            else:
                if waits >= 0:
                    # Should Redis go away now, this turn counts.
                    self._alone.note(what, self._alone.clock() + waits / 1000)
                return float(waits) / 1000
        return await self._alone.turn(what, within=within)

    async def rest(self, what: str, pause: float) -> None:
        await self._alone.rest(what, pause)
        if self._is_there():
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await self._rest([f"{PREFIX}{what}:rests"], [int(pause * 1000)])
            except (RedisError, OSError, TimeoutError) as error:
                self._note_away(error)

    async def resting(self, what: str) -> float:
        alone = await self._alone.resting(what)
        if self._is_there():
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    left: int = await self._redis.pttl(f"{PREFIX}{what}:rests")
                return max(alone, left / 1000)
            except (RedisError, OSError, TimeoutError) as error:
                self._note_away(error)
        return alone

    def _is_there(self) -> bool:
        return time.monotonic() >= self._away_until

    def _note_away(self, error: Exception) -> None:
        log.warning("redis_away", error=type(error).__name__)
        self._away_until = time.monotonic() + ASK_AGAIN_AFTER_SECONDS


async def take_turn(pace: Pace, account: PersonId, method: str, *, within: float) -> timedelta | None:
    """Waits for the account's turn, unless that takes longer than `within` seconds: then answers at once how long."""
    rests = await pace.resting(_method_of(account, method))
    if rests > 0:
        return timedelta(seconds=rests)
    waits = await pace.turn(account, within=within)
    if waits < 0:
        return timedelta(seconds=-waits)
    await asyncio.sleep(waits)
    return None


async def let_rest(pace: Pace, account: PersonId, pause: timedelta, *, method: str | None = None) -> None:
    """The account, or one method of it, is left alone for so long."""
    await pace.rest(account if method is None else _method_of(account, method), pause.total_seconds())


def _method_of(account: PersonId, method: str) -> str:
    return f"{account}:{method}"
