"""What each error code of the VK API means to us: one table (reference vk.md, 2.5)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto

from application.ports import Trouble


class Remedy(Enum):
    """What the adapter does about an error before it reports it."""

    REPORT = auto()
    SLOW_DOWN = auto()
    """Too many calls a second: wait and repeat; nothing was done."""
    RENEW_TOKEN = auto()
    """Repeat once with another token of the account."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """`certain`: the method has surely done nothing. `pause`: how long the token is to rest."""

    trouble: Trouble
    certain: bool = True
    pause: timedelta | None = None
    remedy: Remedy = Remedy.REPORT


_OUTAGE = Meaning(Trouble.UNAVAILABLE, certain=False)
_OUR_FAULT = Meaning(Trouble.REFUSED, pause=timedelta(minutes=5))
"""The application, its settings or this program are at fault: an operator is needed, and haste does not help."""
_FLOOD = Meaning(Trouble.RATE_LIMITED, pause=timedelta(minutes=10))
_HUMAN = Meaning(Trouble.HUMAN_CHECK_NEEDED, pause=timedelta(minutes=5))
_REFUSED = Meaning(Trouble.REFUSED)
_RENEW = Meaning(Trouble.RELINK_NEEDED, remedy=Remedy.RENEW_TOKEN)

MEANINGS: Mapping[int, Meaning] = (
    dict.fromkeys([1, 10, 36], _OUTAGE)
    | dict.fromkeys([2, 20, 21, 23, 28, 33, 38, 101, 27, 34, 35, 37, 42, 43, 3, 4, 8, 100, 113], _OUR_FAULT)
    | dict.fromkeys([5, 1117], _RENEW)
    | {6: Meaning(Trouble.RATE_LIMITED, remedy=Remedy.SLOW_DOWN)}
    | dict.fromkeys([9, 29, 983, 984, 1012], _FLOOD)
    | dict.fromkeys([14, 17, 24, 25, *range(3300, 3306), 11500], _HUMAN)
    | dict.fromkeys([7, 15, 18, 30, 3610, 103, 104, 900, 901, 902, 917, 919, 922, 925, 927, 931, 932], _REFUSED)
    | dict.fromkeys([935, 936, 939, 945, 946, 947, 951, 967, 981, 987, 988, 1017, 1019, 9000], _REFUSED)
    | {982: Meaning(Trouble.REFUSED, pause=timedelta(minutes=10))}
)

UNKNOWN = _OUTAGE
"""A code that nobody told us of: never a success, and it may have done what was asked."""

DONE_ALREADY: Mapping[str, frozenset[int]] = {
    "calls.forceFinish": frozenset({104, 951, 9000}),
    "messages.addChatUser": frozenset({939}),
}
"""Refusals that say that what was asked for is so."""
