"""A client that does not read costs little and is dropped (P37), whichever way its messages go out."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from domain.audit import SCHEDULE
from domain.videoconference import Revision
from graphql_api import wires
from tests.graphql_api.conftest import Api
from tests.graphql_api.test_subscription import a_conference, inside
from tests.graphql_api.test_websocket import closed, hear, say

ALIASES = " ".join(f"a{number}: name" for number in range(30))
LONG = f"subscription ($id: ID!) {{ videoconference(id: $id) {{ version {ALIASES} }} }}"
SUBSCRIPTIONS = 50

UVICORN, ASGI = "to the transport", "through ASGI"


@pytest.fixture
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How messages go out."""
    way: str = request.param
    if way == ASGI:
        monkeypatch.setattr(wires, "WebSocketsSansIOProtocol", None)
    return way


both_ways = pytest.mark.parametrize("way", [UVICORN, ASGI], indirect=True)


@asynccontextmanager
async def admitted(api: Api, login: str = "vorontsova") -> AsyncIterator[ClientConnection]:
    """Logged in; what it does not read stays in the kernel and in the server."""
    url = api.url.replace("http", "ws", 1) + "/graphql"
    async with connect(
        url,
        subprotocols=[Subprotocol("graphql-transport-ws")],
        proxy=None,
        compression=None,
        max_queue=1,
        ping_interval=None,
        close_timeout=0.1,
    ) as opened:
        await say(opened, type="connection_init", payload={"authorization": f"Bearer {api.token(login)}"})
        assert await hear(opened) == {"type": "connection_ack"}
        yield opened


async def renamed(api: Api, id: str) -> None:
    """One more change of the conference."""
    async with api.container.begin()(SCHEDULE) as uow:
        conference = await uow.videoconferences.find(inside(id), lock=True)
        assert conference is not None
        revision = replace(Revision.of(conference), name=uuid4().hex + "я" * 100)
        conference.revise(revision, at=await uow.now(), prepare_ahead=timedelta())
        await uow.videoconferences.save(conference)


async def open_sockets(api: Api) -> float:
    lines = (await api.http.get(f"{api.url}/metrics")).text.splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith("sferum_websockets ")))


async def until_closed(api: Api, sockets: float, *, seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while await open_sockets(api) > sockets:
            await asyncio.sleep(0.05)


async def not_reading(api: Api, opened: ClientConnection, id: str) -> int:
    """Subscribes often, reads the first messages, then nothing; answers with how many changes there were until dropped.

    A change is some 350 KB for all of the subscriptions together.
    """
    for number in range(SUBSCRIPTIONS):
        await say(opened, id=str(number), type="subscribe", payload={"query": LONG, "variables": {"id": id}})
    for _ in range(SUBSCRIPTIONS):
        assert (await hear(opened))["type"] == "next"
    for changes in range(200):
        if not api.container.announcements().watched:
            return changes
        await renamed(api, id)
        await asyncio.sleep(0.02)
    raise AssertionError("not dropped")


@both_ways
async def test_messages_come_in_order_and_each_once(api: Api, way: str) -> None:
    id = await a_conference(api)
    async with admitted(api, "pupil") as opened:
        payload = {"query": "subscription ($id: ID!) { videoconference(id: $id) { version } }", "variables": {"id": id}}
        await say(opened, id="1", type="subscribe", payload=payload)
        heard = [await hear(opened)]
        for _ in range(20):
            await renamed(api, id)
        heard += [await hear(opened) for _ in range(20)]
        await say(opened, type="ping")
        last = await hear(opened)

    versions = [message["payload"]["data"]["videoconference"]["version"] for message in heard]
    assert versions == list(range(versions[0], versions[0] + 21))
    assert last == {"type": "pong"}


@both_ways
async def test_a_subscriber_that_does_not_read_is_dropped_with_1013_and_others_hear_everything(
    api: Api, way: str
) -> None:
    id = await a_conference(api)
    async with admitted(api) as opened:
        changes = await not_reading(api, opened, id)

        code, reason = await closed(opened, within=20)

    # The kernel's buffers are some megabytes; what waits in the server is counted in kilobytes.
    assert changes < 60
    assert (code, reason) == (1013, "Too slow: connect again")


async def test_what_waits_for_a_client_in_the_server_is_bounded(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    most = 0
    write = wires.UvicornWire.push

    def push(self: wires.UvicornWire, *given: Any) -> None:
        nonlocal most
        write(self, *given)
        most = max(most, self._server.transport.get_write_buffer_size())

    monkeypatch.setattr(wires.UvicornWire, "push", push)
    id = await a_conference(api)
    async with admitted(api) as opened:
        await not_reading(api, opened, id)

    assert 0 < most < 2 * wires.MOST_UNREAD_BYTES


async def test_a_client_that_reads_nothing_any_more_is_cut_off_in_bounded_time(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wires, "FAREWELL_SECONDS", 0.5)
    id = await a_conference(api)
    before = await open_sockets(api)
    async with admitted(api) as opened:
        await not_reading(api, opened, id)

        await until_closed(api, before, seconds=5)


async def test_who_asks_and_does_not_take_the_answers_is_cut_off(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wires, "SEND_WITHIN_SECONDS", 0.5)
    monkeypatch.setattr(wires, "FAREWELL_SECONDS", 0.5)
    before = await open_sockets(api)
    async with admitted(api) as opened:
        ping = json.dumps({"type": "ping", "payload": {"x": "x" * 200_000}})

        async def ask() -> None:
            while True:
                await opened.send(ping)

        asking = asyncio.create_task(ask())
        await until_closed(api, before, seconds=10)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)


async def test_this_server_is_one_whose_transport_is_written_to(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[wires.Wire] = []
    wire_of = wires.wire_of

    def noted(*given: Any) -> wires.Wire:
        made.append(wire_of(*given))
        return made[-1]

    monkeypatch.setattr("graphql_api.websocket.wire_of", noted)
    async with admitted(api):
        pass

    assert [type(wire) for wire in made] == [wires.UvicornWire]
