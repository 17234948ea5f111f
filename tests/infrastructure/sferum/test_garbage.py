"""Whatever a host answers over HTTP, what is no answer is neither a success nor anything but MessengerFailed (P33)."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import httpx
import pytest

from application.ports import MessengerFailed, Trouble
from domain.mirror import Admit, Remove, Rename, SetRole
from infrastructure.sferum.messenger import Sferum
from infrastructure.sferum.pace import LocalPace
from tests.infrastructure.sferum.test_messenger import TEACHER, Keys

ID = "6f1f9f0e-4d7b-4c5e-9a55-0d8f3c1b2a77"
METHODS: dict[str, Callable[[Sferum], Awaitable[object]]] = {
    "create_chat": lambda sferum: sferum.create_chat(TEACHER, "1 Б"),
    "chats": lambda sferum: sferum.chats(TEACHER),
    "chat": lambda sferum: sferum.chat(TEACHER, "17"),
    "invite_link": lambda sferum: sferum.invite_link(TEACHER, "17"),
    "remove": lambda sferum: sferum.change_chat(TEACHER, "17", [Remove("5")]),
    "rename": lambda sferum: sferum.change_chat(TEACHER, "17", [Rename("2 Б")]),
    "admit": lambda sferum: sferum.change_chat(TEACHER, "17", [Admit("5")]),
    "set_role": lambda sferum: sferum.change_chat(TEACHER, "17", [SetRole("5", True)]),
    "several steps": lambda sferum: sferum.change_chat(TEACHER, "17", [Remove("5"), Rename("2 Б")]),
    "start_call": lambda sferum: sferum.start_call(TEACHER, "Урок"),
    "open_calls": lambda sferum: sferum.open_calls(TEACHER),
    "end_call": lambda sferum: sferum.end_call(TEACHER, ID),
    "end_calls": lambda sferum: sferum.end_calls(TEACHER, [ID, ID]),
}
BODIES: dict[str, list[bytes]] = {
    "HTML": [b"<!doctype html><title>Are you a robot?</title>"],
    "empty": [b"", b" ", b"null"],
    "truncated": [b'{"response": {"count": 1, "items": [{"memb', b'{"response":', b"[" * 100_000],
    "wrong types": [
        *(b"[]", b'"response"', b"{}", b"5", b"\xff\xfe", b'{"response": null}', b'{"response": {}}'),
        *(b'{"response": []}', b'{"response": "1"}', b'{"response": 0}', b'{"response": 1.5}', b'{"response": false}'),
        *(b'{"response": [null, null]}', b'{"response": [0, 0]}', b'{"response": [[], {}]}', b'{"response": [1]}'),
        *(b'{"response": {"count": "1", "items": []}}', b'{"response": {"count": 3, "items": []}}'),
        *(b'{"response": {"count": 1, "items": [null]}}', b'{"response": {"count": 1, "items": {"0": 5}}}'),
        *(b'{"response": {"count": 1, "items": [{}]}}', b'{"response": {"items": [{"conversation": {}}], "count": 1}}'),
        b'{"response": {"count": 1, "items": [{"conversation": {"peer": {"id": 5, "type": "chat"}}}]}}',
        b'{"response": {"count": -1, "items": []}}',
        *(b'{"response": {"chat_id": "17"}}', b'{"response": {"chat_id": true}}', b'{"response": {"chat_id": 0}}'),
        *(b'{"response": {"chat_id": 99999999999999999999999}}', b'{"response": {"link": 5}}'),
        *(b'{"response": {"link": "javascript:alert(1)"}}', b'{"response": {"call_id": 5, "join_link": "x"}}'),
        b'{"response": [{"count": 1, "items": [{"chat_settings": {"state": "in", "title": 5}}]}, {"count": 0}]}',
        b'{"response": [{"count": 1, "items": [{"chat_settings": {"state": "in", "title": "1"}}]}, '
        b'{"count": 1, "items": [{"member_id": "5"}]}]}',
        b'{"response": [{"count": 1, "items": [{"chat_settings": {"state": "in", "title": "1"}}]}, '
        b'{"count": 1, "items": [{"member_id": 5, "is_admin": "yes"}]}]}',
        b'{"response": [{"count": 1, "items": [{"chat_settings": {"state": "in", "title": "1"}}]}, '
        b'{"count": 1, "items": [{"member_id": 5}, {"member_id": 6}]}]}',
        b'{"response": [{"count": 0, "items": []}, {"count": 1, "items": [{"member_id": 5}]}]}',
        *(b'{"response": [1, false], "execute_errors": 5}', b'{"response": [false, false], "execute_errors": [null]}'),
    ],
    "success with an error": [
        b'{"response": 1, "error": {"error_code": 10}}',
        b'{"response": 17, "error": {"error_code": "5"}}',
        b'{"response": [1, 1], "error": {}}',
        b'{"response": {"chat_id": 17}, "error": null}',
    ],
    "unknown code": [
        b'{"error": {"error_code": 77777}}',
        b'{"error": {"error_code": 0}}',
        b'{"error": {"error_code": -5, "error_msg": {}}}',
        b'{"error": []}',
        b'{"error": "no"}',
        b'{"response": [false, false], "execute_errors": [{"error_code": 77777}, {"error_code": null}]}',
    ],
}
GOOD = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 14\r\n\r\n{"response":1}'
CONVERSATIONS: list[bytes] = [
    b"",
    b"\x00\x01\x02",
    b"HTTP/1.1 200 OK\r\ncontent-length: 9000\r\n\r\n{",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 14\r\n\r\n" + GOOD[-14:],
    GOOD.replace(b"200 OK", b"500 Internal Server Error"),
    GOOD.replace(b"200 OK", b"503 Service Unavailable\r\nretry-after: " + b"9" * 5000),
    GOOD.replace(b"200 OK", b"302 Found\r\nlocation: http://127.0.0.1:1/").replace(b'{"response":1}', b" " * 14),
]
"""What comes instead of a whole and good HTTP answer, before the connection is closed."""


@dataclass
class Host:
    """A host on loopback that sends these bytes in answer to each request, and Sferum before it."""

    sferum: Sferum
    says: bytes = b""


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        [length] = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        await reader.readexactly(int(length.split(b":")[1]))
        writer.write(host_before.says)
        await writer.drain()
        writer.close()

    accounts = itertools.count()

    async def token(person: str) -> str:
        return f"token {next(accounts)}"

    server = await asyncio.start_server(respond, "127.0.0.1", 0)
    async with server, httpx.AsyncClient(trust_env=False) as http:
        host_before = Host(
            Sferum(
                http,
                base_url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}",
                access_token=token,
                renewed=Keys("any").renewed,
                pace=Patient(10**6),
                timeout_seconds=5,
            )
        )
        yield host_before


class Patient(LocalPace):
    """Forgets at once what has failed, and who wanted to be left alone."""

    async def failed(self, what: str) -> None: ...

    async def rest(self, what: str, pause: float) -> None: ...


async def is_uncertain(asked: Awaitable[object]) -> bool:
    """Whether it failed, and whether it may have been done for all we know."""
    try:
        answer = await asked
    except MessengerFailed as failure:
        answer = [failure]
    return (
        isinstance(answer, list)
        and bool(answer)
        and all(
            isinstance(each, MessengerFailed) and (each.trouble, each.certain) == (Trouble.UNAVAILABLE, False)
            for each in answer
        )
    )


@pytest.mark.parametrize("shape", BODIES)
async def test_an_answer_that_is_none_is_uncertain_in_every_method(host: Host, shape: str) -> None:
    taken_for_good = []
    for body, (method, ask) in itertools.product(BODIES[shape], METHODS.items()):
        host.says = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body) + body
        if not await is_uncertain(ask(host.sferum)):
            taken_for_good.append((body[:100], method))

    print(f"{shape}: {len(BODIES[shape])} bodies x {len(METHODS)} methods: 0 crashes, {len(taken_for_good)} successes")
    assert taken_for_good == []


async def test_a_conversation_that_breaks_off_is_uncertain_in_every_method(host: Host) -> None:
    taken_for_good = []
    for says, (method, ask) in itertools.product(CONVERSATIONS, METHODS.items()):
        host.says = says
        if not await is_uncertain(ask(host.sferum)):
            taken_for_good.append((says[:100], method))

    assert taken_for_good == []


async def test_the_same_host_can_be_understood(host: Host) -> None:
    host.says = GOOD

    answers = await host.sferum.change_chat(TEACHER, "17", [Rename("2 Б")])

    assert answers == [None]
    assert not await is_uncertain(METHODS["rename"](host.sferum))
