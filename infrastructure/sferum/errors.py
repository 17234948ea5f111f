"""What each error code of the VK API means to us, in general and where a method gives it a meaning of its own.

Reference vk.md, 2.5, from VK's published schema; FIELD marks what was only seen in use.
"""

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
    NOTHING = auto()
    """What was asked for is so already."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """`certain`: the method has surely done nothing. `pause`: how long the token is to rest."""

    trouble: Trouble
    certain: bool = True
    pause: timedelta | None = None
    remedy: Remedy = Remedy.REPORT


OUTAGE = Meaning(Trouble.UNAVAILABLE, certain=False)
OUR_FAULT = Meaning(Trouble.REFUSED, pause=timedelta(minutes=5))
"""The application, its settings or this program are at fault: an operator is needed, and haste does not help."""
FLOOD = Meaning(Trouble.RATE_LIMITED, pause=timedelta(minutes=10))
HUMAN = Meaning(Trouble.HUMAN_CHECK_NEEDED, pause=timedelta(minutes=5))
REFUSED = Meaning(Trouble.REFUSED)
NO_PERMISSION = Meaning(Trouble.NO_PERMISSION)
CHAT_LOST = Meaning(Trouble.CHAT_LOST)
CHAT_FULL = Meaning(Trouble.CHAT_FULL)
MEMBER_REFUSED = Meaning(Trouble.MEMBER_REFUSED)
RENEW = Meaning(Trouble.RELINK_NEEDED, remedy=Remedy.RENEW_TOKEN)
SLOW_DOWN = Meaning(Trouble.RATE_LIMITED, remedy=Remedy.SLOW_DOWN)
DONE_ALREADY = Meaning(Trouble.REFUSED, remedy=Remedy.NOTHING)

MEANINGS: Mapping[int, Meaning] = (
    dict.fromkeys([1, 10, 13, 36], OUTAGE)
    | dict.fromkeys([2, 20, 21, 23, 28, 33, 38, 101, 27, 34, 35, 37, 42, 43, 3, 4, 8, 12, 100, 113], OUR_FAULT)
    | dict.fromkeys([5, 1117], RENEW)
    | {6: SLOW_DOWN}
    | dict.fromkeys([9, 29, 983, 984, 1012], FLOOD)
    | dict.fromkeys([14, 17, 24, 25, *range(3300, 3306), 11500], HUMAN)
    | dict.fromkeys([7, 15, 917, 919, 922, 925, 931, 932], NO_PERMISSION)
    | dict.fromkeys([18, 30, 3610, 103, 104, 900, 901, 902, 927, 935, 936, 939, 945, 946, 947, 951, 967], REFUSED)
    | dict.fromkeys([981, 987, 988, 1017, 1019, 9000], REFUSED)
    | {982: Meaning(Trouble.REFUSED, pause=timedelta(minutes=10))}
)

UNKNOWN = OUTAGE
"""A code that nobody told us of: never a success, and it may have done what was asked."""

# Only who named a chat can be told that it is no more: a list that is refused so says nothing of any chat.
_CHAT = dict.fromkeys([927, 1017], CHAT_LOST)
# The member was deleted, banned or deactivated, or no such contact is known.
_MEMBER = _CHAT | dict.fromkeys([18, 30, 113, 936, 3610], MEMBER_REFUSED)

IN_METHOD: Mapping[str, Mapping[int, Meaning]] = {
    "calls.forceFinish": dict.fromkeys([104, 951, 9000], DONE_ALREADY),
    "messages.addChatUser": _MEMBER
    | {103: CHAT_FULL, 939: DONE_ALREADY}
    # Their own settings, our being on their blacklist, a school that they are not in, or a request that they must see.
    | dict.fromkeys([900, 901, 902, 947, 967, 981, 982, 987, 988, 1019], MEMBER_REFUSED),
    "messages.removeChatUser": _MEMBER | {935: DONE_ALREADY},
    "messages.setMemberRole": _MEMBER | {935: MEMBER_REFUSED},
    "messages.editChat": _CHAT,
    "messages.getConversationsById": _CHAT,
    "messages.getConversationMembers": _CHAT,
    "messages.getInviteLink": _CHAT,
}


def meaning_of(method: str, code: int, text: str = "") -> Meaning:
    """What an error of a method means; `text` is VK's own about it."""
    if method == "messages.addChatUser" and code == 15 and "add this user" in text:
        # FIELD: a refusal that concerns the member alone also comes under the code of missing rights (vk.md, 2.5).
        return MEMBER_REFUSED
    return IN_METHOD.get(method, {}).get(code) or MEANINGS.get(code, UNKNOWN)
