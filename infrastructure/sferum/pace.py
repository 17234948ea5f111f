"""How often one account's token may be used: so many calls in any second, by all processes together (vk.md, 2.2)."""

import asyncio
import random
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from domain.ids import PersonId

SECOND = 1.2
"""A little more than VK's, because the way there is not always equally long."""
LATE_SECONDS = 0.1
"""Who comes later than that for a turn takes another, so as not to come together with those of the next second."""
ALONE = 1
"""Calls a second that a process makes while it cannot know of the others': safe for three of them."""
PATIENCE_SECONDS = 0.5
ASK_AGAIN_AFTER_SECONDS = 1.0
"""While Redis is away it is not asked at each call."""
PREFIX = "sferum:pace:"
FORGOTTEN = "sferum:forgotten-turns"
IN_A_ROW = 5
"""So many failures in a row, and what failed is left alone for a while."""
SHORTEST_PAUSE_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 120.0
PROBE_SECONDS = 25.0
"""How long others wait for what comes of the one that was let through; longer than it can take."""
FAILURES_ARE_KEPT_SECONDS = 600

# Takes the next turn of a token, by the clock of Redis alone; answers with the milliseconds until then, or with what is
# missing, negative, when that is over the limit. KEYS: the last turns, the newest first; until when the token rests;
# until when others may use turns that Redis has forgotten. ARGV: turns a second, that second in ms, the longest wait
# in ms, whether the caller knows that Redis did remember turns.
_TURN = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local turns = redis.call('LRANGE', KEYS[1], 0, -1)
local most = tonumber(ARGV[1])
local at = now
if #turns >= most then at = math.max(at, tonumber(turns[most]) + tonumber(ARGV[2])) end
if #turns >= 1 then at = math.max(at, tonumber(turns[1])) end
at = math.max(at, tonumber(redis.call('GET', KEYS[2]) or '0'))
local forgotten = redis.call('GET', KEYS[3])
if not forgotten then
  forgotten = string.format('%.0f', now + tonumber(ARGV[4]) * tonumber(ARGV[2]))
  redis.call('SET', KEYS[3], forgotten)
end
at = math.max(at, tonumber(forgotten))
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
# Lets through whoever may try; of those who ask after a pause one, and the others wait for what comes of it. KEYS: the
# failures in a row, and until when nobody tries. ARGV: how many are too many, how long the others wait in ms. Answers
# with the milliseconds until somebody may try, and with the failures.
_ADMIT = """
local failures = tonumber(redis.call('HGET', KEYS[1], 'failures') or '0')
if failures < tonumber(ARGV[1]) then return {0, failures} end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local wait = tonumber(redis.call('HGET', KEYS[1], 'until') or '0') - now
if wait > 0 then return {wait, failures} end
redis.call('HSET', KEYS[1], 'until', string.format('%.0f', now + tonumber(ARGV[2])))
return {0, failures}
"""
# Counts one more failure. ARGV: how many are too many; the first pause and the longest in ms; a factor of each pause;
# how long failures are remembered in ms.
_FAILED = """
local failures = redis.call('HINCRBY', KEYS[1], 'failures', 1)
local over = failures - tonumber(ARGV[1])
if over >= 0 then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local pause = math.min(tonumber(ARGV[2]) * 2 ^ math.min(over, 30), tonumber(ARGV[3])) * tonumber(ARGV[4])
  redis.call('HSET', KEYS[1], 'until', string.format('%.0f', now + pause))
end
redis.call('PEXPIRE', KEYS[1], ARGV[5])
"""

log = structlog.get_logger()


class Pace(Protocol):
    """When a token may be used. `what` is the account, or a part of what is done with it that has its own limit."""

    async def turn(self, what: str, *, within: float, leaving: int = 0) -> float:
        """Takes the next turn and answers with the seconds until then.

        If those are more than `within`, it is not taken, and they are answered as a negative number. So many turns of
        each second are left to others, but never all.
        """

    async def rest(self, what: str, pause: float) -> None:
        """The other side wants to be left alone for so many seconds."""

    async def resting(self, what: str) -> float:
        """For how many seconds it rests yet."""

    async def may_try(self, what: str) -> float:
        """For how many seconds it is left alone yet after failures in a row; 0 if the caller may try.

        After each pause one caller may, and then tells how it went; the others wait for that.
        """

    async def failed(self, what: str) -> None:
        """What was tried has failed; after several in a row it is left alone for a pause that grows."""

    async def worked(self, what: str) -> None:
        """What was tried was answered."""


@dataclass
class Failures:
    """How many there were in a row, and until when nobody tries."""

    count: int = 0
    until: float = 0


@dataclass
class LocalPace:
    """Implements `Pace` for one process."""

    calls_per_second: int
    clock: Callable[[], float] = time.monotonic
    _turns: dict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque))
    _rests: dict[str, float] = field(default_factory=dict)
    _failures: dict[str, Failures] = field(default_factory=dict)

    async def turn(self, what: str, *, within: float, leaving: int = 0) -> float:
        now = self.clock()
        turns = self._turns[what]
        most = max(self.calls_per_second - leaving, 1)
        at = max(now, self._rests.get(what, now), turns[-1] if turns else now)
        if len(turns) >= most:
            at = max(at, turns[-most] + SECOND)
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

    async def may_try(self, what: str) -> float:
        failures, now = self._failures.get(what), self.clock()
        if failures is None or failures.count < IN_A_ROW:
            return 0
        if failures.until > now:
            return failures.until - now
        failures.until = now + PROBE_SECONDS
        return 0

    async def failed(self, what: str) -> None:
        failures = self._failures.setdefault(what, Failures())
        failures.count += 1
        if (over := failures.count - IN_A_ROW) >= 0:
            pause = min(SHORTEST_PAUSE_SECONDS * 2 ** min(over, 30), LONGEST_PAUSE_SECONDS)
            failures.until = self.clock() + pause * _jitter()

    async def worked(self, what: str) -> None:
        self._failures.pop(what, None)

    def _forget_the_idle(self) -> None:
        now = self.clock()
        self._turns = defaultdict(deque, {key: turns for key, turns in self._turns.items() if turns[-1] > now - SECOND})
        self._rests = {key: until for key, until in self._rests.items() if until > now}
        self._failures = {key: each for key, each in self._failures.items() if each.until > now - LONGEST_PAUSE_SECONDS}


class SharedPace:
    """Implements `Pace` for all processes that share one Redis. Without it each keeps a share that is safe."""

    def __init__(self, redis: Redis, calls_per_second: int) -> None:
        self._redis = redis
        self._turn = redis.register_script(_TURN)
        self._rest = redis.register_script(_REST)
        self._admit = redis.register_script(_ADMIT)
        self._failed = redis.register_script(_FAILED)
        self._calls_per_second = calls_per_second
        self._alone = LocalPace(ALONE)
        self._away_until = 0.0
        self._has_asked = False
        self._troubled = set[str]()

    async def turn(self, what: str, *, within: float, leaving: int = 0) -> float:
        keys = [f"{PREFIX}{what}", f"{PREFIX}{what}:rests", FORGOTTEN]
        most = max(self._calls_per_second - leaving, 1)
        limits = [most, SECOND * 1000, max(within * 1000, 0), int(self._has_asked)]
        waits = await self._ask(lambda: self._turn(keys, limits))
        if waits is None:
            return await self._alone.turn(what, within=within, leaving=leaving)
        self._has_asked = True
        if waits >= 0:
            # Should Redis go away now, this turn counts.
            self._alone.note(what, self._alone.clock() + waits / 1000)
        return float(waits) / 1000

    async def rest(self, what: str, pause: float) -> None:
        await self._alone.rest(what, pause)
        await self._ask(lambda: self._rest([f"{PREFIX}{what}:rests"], [int(pause * 1000)]))

    async def resting(self, what: str) -> float:
        left = await self._ask(lambda: self._redis.pttl(f"{PREFIX}{what}:rests"))
        return max(await self._alone.resting(what), (left or 0) / 1000)

    async def may_try(self, what: str) -> float:
        answer = await self._ask(lambda: self._admit([_failures_of(what)], [IN_A_ROW, int(PROBE_SECONDS * 1000)]))
        if answer is None:
            return await self._alone.may_try(what)
        waits, failures = answer
        if failures:
            self._troubled.add(what)
        return float(waits) / 1000

    async def failed(self, what: str) -> None:
        await self._alone.failed(what)
        self._troubled.add(what)
        pauses = [int(SHORTEST_PAUSE_SECONDS * 1000), int(LONGEST_PAUSE_SECONDS * 1000), _jitter()]
        await self._ask(
            lambda: self._failed([_failures_of(what)], [IN_A_ROW, *pauses, FAILURES_ARE_KEPT_SECONDS * 1000])
        )

    async def worked(self, what: str) -> None:
        await self._alone.worked(what)
        # Redis is not told of each success: as a rule there is nothing to forget.
        if what in self._troubled and await self._ask(lambda: self._redis.delete(_failures_of(what))) is not None:
            self._troubled.discard(what)

    async def _ask(self, question: Callable[[], Awaitable[Any]]) -> Any:
        """What Redis answers; None while it is away."""
        if time.monotonic() < self._away_until:
            return None
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await question()
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("redis_away", error=type(error).__name__)
            self._away_until = time.monotonic() + ASK_AGAIN_AFTER_SECONDS
            return None


async def take_turn(
    pace: Pace, account: PersonId, method: str, *, within: float, behind: str | None = None
) -> timedelta | None:
    """Waits for the account's turn, unless that takes longer than `within` seconds: then answers at once how long.

    What is in no hurry queues `behind` a name of its own first, where one turn of each second is left to the rest.
    """
    rests = await pace.resting(part_of(account, method))
    if rests > 0:
        return timedelta(seconds=rests)
    if behind is not None:
        waits = await pace.turn(part_of(account, behind), within=within, leaving=1)
        if waits < 0:
            return timedelta(seconds=-waits)
        await asyncio.sleep(waits)
        within -= waits
    latest = time.monotonic() + within
    while True:
        waits = await pace.turn(account, within=max(latest - time.monotonic(), 0))
        if waits < 0:
            return timedelta(seconds=-waits)
        at = time.monotonic() + waits
        await asyncio.sleep(waits)
        if time.monotonic() - at < LATE_SECONDS:
            return None
        # On a machine that is too busy the turn went by: those who come after may have theirs now.


async def let_rest(pace: Pace, account: PersonId, pause: timedelta, *, method: str | None = None) -> None:
    """The account, or one method of it, is left alone for so long."""
    await pace.rest(account if method is None else part_of(account, method), pause.total_seconds())


def part_of(account: PersonId, part: str) -> str:
    """What `Pace` calls a part of what is done with an account: a method, or all of a kind."""
    return f"{account}:{part}"


def _failures_of(what: str) -> str:
    return f"{PREFIX}{what}:failures"


def _jitter() -> float:
    """So that those who wait for different accounts do not all come back at once."""
    return random.uniform(1, 1.25)
