"""A user token makes at most three calls in any second; one more is refused and not counted (vk.md 2.2)."""

import time
from collections import deque

CALLS, WINDOW_S = 3, 1.0


class Limits:
    """Kept in memory: a second after a restart nothing of it would matter."""

    def __init__(self) -> None:
        self._recent: dict[str, deque[float]] = {}

    def admits(self, token: str) -> bool:
        """Counts one call of the token unless it is one too many."""
        now = time.monotonic()
        if len(self._recent) > 1000:
            self._recent = {key: calls for key, calls in self._recent.items() if calls[-1] > now - WINDOW_S}
        calls = self._recent.setdefault(token, deque(maxlen=CALLS))
        if len(calls) == CALLS and calls[0] > now - WINDOW_S:
            return False
        calls.append(now)
        return True
