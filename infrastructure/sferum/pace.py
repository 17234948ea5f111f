"""How often one account's token may be used: so many calls in any second (reference vk.md, 2.2)."""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Callable

from domain.ids import PersonId

SECOND = 1.05
"""A little more than VK's, because the way there is not always equally long."""


class Pace:
    """This process's share of each account's limit; a call waits for its turn."""

    def __init__(self, calls_per_second: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._calls_per_second = calls_per_second
        self._clock = clock
        self._turns: dict[PersonId, deque[float]] = defaultdict(deque)

    async def turn(self, account: PersonId, *, within: float) -> bool:
        """Waits for the account's next turn; False, at once and without taking it, if that is over `within` seconds."""
        now = self._clock()
        turns = self._turns[account]
        at = now if len(turns) < self._calls_per_second else max(now, turns[-self._calls_per_second] + SECOND)
        if at - now > within:
            return False
        turns.append(at)
        while len(turns) > self._calls_per_second:
            turns.popleft()
        if len(self._turns) > 10_000:
            self._forget_the_idle(now)
        if at > now:
            await asyncio.sleep(at - now)
        return True

    def rest(self, account: PersonId) -> None:
        """VK said that it was too often: the account's turns of this second are used up."""
        latest = max([self._clock(), *self._turns[account]])
        self._turns[account] = deque([latest] * self._calls_per_second)

    def _forget_the_idle(self, now: float) -> None:
        for account in [account for account, turns in self._turns.items() if turns[-1] < now - SECOND]:
            del self._turns[account]
