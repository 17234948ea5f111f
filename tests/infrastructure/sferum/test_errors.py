"""Each error code of the VK API in each method that we use, alone and inside `execute` (vk.md 2.5)."""

from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta

import httpx
import orjson
import pytest

from application.ports import MessengerFailed, Trouble
from infrastructure.sferum.client import CHATS, Already, Call, Client
from infrastructure.sferum.errors import IN_METHOD, MEANINGS
from infrastructure.sferum.pace import LocalPace
from tests.infrastructure.sferum.test_messenger import TEACHER, Keys

UNKNOWN = 77777
IN_GENERAL = {
    "retry": [1, 10, 13, 36, UNKNOWN],
    "operator": [2, 3, 4, 8, 12, 20, 21, 23, 27, 28, 33, 34, 35, 37, 38, 42, 43, 100, 101, 113],
    "renew token": [5, 1117],
    "slow down": [6],
    "long pause": [9, 29, 983, 984, 1012],
    "person": [14, 17, 24, 25, 3300, 3301, 3302, 3303, 3304, 3305, 11500],
    "another account": [7, 15, 917, 919, 922, 925, 931, 932],
    "final": [
        *(18, 30, 103, 104, 900, 901, 902, 927, 935, 936, 939, 945, 946, 947, 951, 967, 981, 982, 987, 988, 1017, 1019),
        *(3610, 9000),
    ],
}
IN_PARTICULAR: dict[str, dict[str, list[int]]] = {
    "messages.createChat": {},
    "messages.getConversations": {},
    "messages.getConversationsById": {"chat lost": [927, 1017]},
    "messages.getConversationMembers": {"chat lost": [927, 1017]},
    "messages.getInviteLink": {"chat lost": [927, 1017]},
    "messages.editChat": {"chat lost": [927, 1017]},
    "messages.addChatUser": {
        "chat lost": [927, 1017],
        "chat full": [103],
        "done": [939],
        "member": [18, 30, 113, 900, 901, 902, 936, 947, 967, 981, 982, 987, 988, 1019, 3610],
    },
    "messages.removeChatUser": {"chat lost": [927, 1017], "done": [935], "member": [18, 30, 113, 936, 3610]},
    "messages.setMemberRole": {"chat lost": [927, 1017], "member": [18, 30, 113, 935, 936, 3610]},
    "calls.start": {},
    "calls.forceFinish": {"done": [104, 951, 9000]},
    "messages.getCurrentCalls": {},
}
CLASSES = {
    (Trouble.UNAVAILABLE, False): "retry",
    (Trouble.RATE_LIMITED, True): "long pause",
    (Trouble.RELINK_NEEDED, True): "relink",
    (Trouble.HUMAN_CHECK_NEEDED, True): "person",
    (Trouble.NO_PERMISSION, True): "another account",
    (Trouble.CHAT_LOST, True): "chat lost",
    (Trouble.CHAT_FULL, True): "chat full",
    (Trouble.MEMBER_REFUSED, True): "member",
}
CODES = sorted(code for codes in IN_GENERAL.values() for code in codes)


def expected(method: str, code: int) -> str:
    """The class of a code in a method."""
    particular = [name for name, codes in IN_PARTICULAR[method].items() if code in codes]
    return (particular or [name for name, codes in IN_GENERAL.items() if code in codes])[0]


class Unhurried(LocalPace):
    """Nobody waits for a turn; what is to be left alone is remembered."""

    async def turn(self, what: str, *, within: float, leaving: int = 0) -> float:
        return 0


@dataclass
class Host:
    """Gives these answers and then only successes; a client before it, and the tokens of its account."""

    client: Client
    keys: Keys
    answers: deque[object] = field(default_factory=deque)
    asked: int = 0

    async def outcome(self, method: str, code: int, *, inside: bool) -> str:
        """What the client makes of that error."""
        error = {"error_code": code, "error_msg": "Access denied", "method": method}
        wrong = {"response": [1, False], "execute_errors": [error]} if inside else {"error": error}
        self.answers, self.asked, self.keys.renewals = deque([wrong]), 0, []
        client = replace(self.client, pace=Unhurried(3))
        try:
            if inside:
                answers = await client.execute(TEACHER, [Call(method, {}), Call(method, {})]) or []
                assert answers[0] == 1
                answer = answers[1]
            else:
                answer = await client.call(TEACHER, method)
        except MessengerFailed as failure:
            answer = failure
        rests = await client.pace.resting(f"{TEACHER}:{method}")
        match answer:
            case Already.SO:
                return "done"
            case MessengerFailed(trouble=Trouble.REFUSED, certain=True, pause=pause):
                return "operator" if pause == timedelta(minutes=5) else "final"
            case MessengerFailed(trouble=Trouble.RATE_LIMITED) if rests < 599:
                return "slow down"
            case MessengerFailed(trouble=trouble, certain=certain):
                return CLASSES.get((trouble, certain), "surprise")
            case _ if self.keys.renewals and self.asked == 2:
                return "renew token"
            case 1 if self.asked == 2:
                return "slow down"
            case _:
                return "surprise"


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    def respond(request: httpx.Request) -> httpx.Response:
        before.asked += 1
        answer = before.answers.popleft() if before.answers else {"response": 1}
        return httpx.Response(200, content=orjson.dumps(answer))

    keys = Keys("any")
    async with httpx.AsyncClient(transport=httpx.MockTransport(respond)) as http:
        client = Client(
            http=http,
            base_url="http://sferum",
            access_token=keys.token,
            renewed=keys.renewed,
            pace=Unhurried(3),
            timeout_seconds=1,
            lane=CHATS,
        )
        before = Host(client, keys)
        yield before


async def test_each_code_in_each_method_has_its_class(host: Host) -> None:
    surprises = [
        (method, code, found)
        for method in IN_PARTICULAR
        for code in CODES
        if (found := await host.outcome(method, code, inside=False)) != expected(method, code)
    ]

    print(f"{len(CODES)} codes x {len(IN_PARTICULAR)} methods: expected class, {len(surprises)} surprises")
    assert surprises == []


async def test_each_code_has_the_same_class_inside_execute(host: Host) -> None:
    # One call of several has no token of its own that could be renewed.
    without_renewal = {"renew token": "relink"}

    surprises = [
        (method, code, found)
        for method in IN_PARTICULAR
        for code in CODES
        if (found := await host.outcome(method, code, inside=True))
        != without_renewal.get(expected(method, code), expected(method, code))
    ]

    print(f"inside execute {len(CODES)} codes x {len(IN_PARTICULAR)} methods: {len(surprises)} surprises")
    assert surprises == []


def test_every_code_and_every_method_of_the_table_is_tried() -> None:
    assert set(MEANINGS) | {UNKNOWN} == set(CODES)
    assert len(CODES) == len(set(CODES))
    assert set(IN_METHOD) <= set(IN_PARTICULAR)
