"""The protocol graphql-transport-ws, message by message and close code by close code (P2, P5)."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from tests.graphql_api.conftest import Api

VIEWER = "{ viewer { metaRole } }"
METAROLE = {"data": {"viewer": {"metaRole": "CHAT_ADMINISTRATOR"}}}


@asynccontextmanager
async def socket(
    api: Api, *, protocol: str | None = "graphql-transport-ws", origin: str | None = None
) -> AsyncIterator[ClientConnection]:
    url = api.url.replace("http", "ws", 1) + "/graphql"
    subprotocols = [Subprotocol(protocol)] if protocol else None
    async with connect(url, subprotocols=subprotocols, origin=Origin(origin) if origin else None, proxy=None) as opened:
        yield opened


@asynccontextmanager
async def admitted(api: Api, login: str = "vorontsova", **token: Any) -> AsyncIterator[ClientConnection]:
    async with socket(api) as opened:
        await say(opened, type="connection_init", payload={"authorization": f"Bearer {api.token(login, **token)}"})
        assert await hear(opened) == {"type": "connection_ack"}
        yield opened


async def say(opened: ClientConnection, **message: Any) -> None:
    await opened.send(json.dumps(message))


async def hear(opened: ClientConnection) -> Any:
    return json.loads(await asyncio.wait_for(opened.recv(), 5))


async def closed(opened: ClientConnection, within: float = 5) -> tuple[int, str]:
    """With what the server closes the socket, whatever it says before."""
    async with asyncio.timeout(within):
        with suppress(ConnectionClosed):
            while await opened.recv():
                pass
        await opened.wait_closed()
    assert opened.close_code is not None
    return opened.close_code, opened.close_reason or ""


async def test_a_query_on_a_socket_is_answered_and_completed(api: Api) -> None:
    async with admitted(api) as opened:
        await say(opened, id="1", type="subscribe", payload={"query": VIEWER})

        assert await hear(opened) == {"id": "1", "type": "next", "payload": METAROLE}
        assert await hear(opened) == {"id": "1", "type": "complete"}


async def test_an_id_may_be_used_again_once_it_is_complete(api: Api) -> None:
    async with admitted(api) as opened:
        for _ in range(20):
            await say(opened, id="1", type="subscribe", payload={"query": VIEWER})
            assert (await hear(opened))["type"] == "next"
            assert (await hear(opened))["type"] == "complete"


async def test_a_ping_is_answered_with_its_payload_also_before_the_log_in(api: Api) -> None:
    async with socket(api) as opened:
        await say(opened, type="ping", payload={"n": 1})

        assert await hear(opened) == {"type": "pong", "payload": {"n": 1}}


async def test_a_pong_and_a_foreign_complete_are_taken_silently(api: Api) -> None:
    async with admitted(api) as opened:
        await say(opened, type="pong")
        await say(opened, id="nobody's", type="complete")
        await say(opened, type="ping")

        assert await hear(opened) == {"type": "pong"}


@pytest.mark.parametrize("protocol", [None, "graphql-ws"])
async def test_another_protocol_is_closed_with_4406(api: Api, protocol: str | None) -> None:
    async with socket(api, protocol=None) as opened:
        assert (await closed(opened))[0] == 4406


async def test_a_page_of_another_site_opens_no_socket(api: Api) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with socket(api, origin="https://evil.example"):
            pass

    assert refused.value.response.status_code == 403


async def test_our_own_page_opens_a_socket(api: Api) -> None:
    async with socket(api, origin=api.url) as opened:
        await say(opened, type="ping")

        assert (await hear(opened))["type"] == "pong"


async def test_silence_instead_of_a_log_in_is_closed_with_4408(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graphql_api.websocket.INIT_WITHIN_SECONDS", 0.3)
    async with socket(api) as opened:
        assert (await closed(opened))[0] == 4408


async def test_three_hundred_silent_sockets_go_in_time_and_others_are_served(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graphql_api.websocket.INIT_WITHIN_SECONDS", 1.0)

    async def silent() -> int:
        async with socket(api) as opened:
            return (await closed(opened, within=10))[0]

    sockets = [asyncio.create_task(silent()) for _ in range(300)]
    await asyncio.sleep(0.2)
    served = await api.data("vorontsova", VIEWER)

    assert served == METAROLE["data"]
    assert set(await asyncio.gather(*sockets)) == {4408}


async def test_a_subscription_before_the_log_in_is_closed_with_4401(api: Api) -> None:
    async with socket(api) as opened:
        await say(opened, id="1", type="subscribe", payload={"query": VIEWER})

        assert await closed(opened) == (4401, "Unauthorized")


@pytest.mark.parametrize(
    "payload", [None, {}, {"authorization": "Bearer nonsense"}, {"authorization": 5}, {"authorization": ""}]
)
async def test_a_log_in_without_a_valid_token_is_closed_with_4403(api: Api, payload: Any) -> None:
    async with socket(api) as opened:
        await say(opened, type="connection_init", payload=payload)

        assert await closed(opened) == (4403, "Forbidden")


async def test_a_second_log_in_is_closed_with_4429(api: Api) -> None:
    async with admitted(api) as opened:
        await say(opened, type="connection_init")

        assert await closed(opened) == (4429, "Too many initialisation requests")


async def test_an_id_in_use_is_closed_with_4409(api: Api) -> None:
    waiting = await a_conference(api)
    async with admitted(api) as opened:
        for _ in range(2):
            await say(opened, id="1", type="subscribe", payload=watch(waiting))

        assert await closed(opened) == (4409, "Subscriber for 1 already exists")


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "null",
        "[]",
        "7",
        "{}",
        '{"type": 5}',
        '{"type": "unknown"}',
        '{"type": "subscribe"}',
        '{"type": "subscribe", "id": ""}',
        '{"type": "subscribe", "id": 5, "payload": {"query": "{ __typename }"}}',
        '{"type": "subscribe", "id": "1"}',
        '{"type": "subscribe", "id": "1", "payload": "x"}',
        '{"type": "complete"}',
        '{"type": "ping", "payload": 5}',
        "[" * 100_000,
    ],
)
async def test_what_is_no_message_is_closed_with_4400(api: Api, text: str) -> None:
    async with admitted(api) as opened:
        await opened.send(text)

        code, reason = await closed(opened)
    assert code == 4400
    assert reason


async def test_a_binary_message_is_closed_with_4400(api: Api) -> None:
    async with admitted(api) as opened:
        await opened.send(b'{"type": "ping"}')

        assert (await closed(opened))[0] == 4400


async def test_a_frame_above_256_kib_is_closed(api: Api) -> None:
    async with admitted(api) as opened:
        await opened.send(json.dumps({"type": "ping", "payload": {"x": "x" * 300_000}}))

        assert (await closed(opened))[0] == 1009


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({"query": "{"}, "BAD_REQUEST"),
        ({"query": "{ nothing }"}, "BAD_REQUEST"),
        ({"query": 5}, "BAD_REQUEST"),
        ({"query": VIEWER, "variables": []}, "BAD_REQUEST"),
        ({"query": "query ($id: ID!) { chat(id: $id) { id } }"}, "BAD_REQUEST"),
        ({"query": 'subscription { videoconference(id: "x") { id } }'}, "NOT_FOUND"),
        ({"query": "{ " + "a " * 2000 + "}"}, "BAD_REQUEST"),
    ],
)
async def test_an_operation_at_fault_is_answered_with_an_error_and_the_socket_stays(
    api: Api, payload: dict[str, Any], code: str
) -> None:
    async with admitted(api) as opened:
        await say(opened, id="1", type="subscribe", payload=payload)
        error = await hear(opened)
        await say(opened, id="1", type="subscribe", payload={"query": VIEWER})

        assert (error["id"], error["type"], error["payload"][0]["extensions"]["code"]) == ("1", "error", code)
        assert await hear(opened) == {"id": "1", "type": "next", "payload": METAROLE}


async def test_after_complete_nothing_more_is_said_and_the_id_is_free(api: Api) -> None:
    waiting = await a_conference(api)
    async with admitted(api) as opened:
        await say(opened, id="1", type="subscribe", payload=watch(waiting))
        first = await hear(opened)
        await say(opened, id="1", type="complete")
        await say(opened, id="1", type="subscribe", payload={"query": VIEWER})

        assert first["payload"]["data"]["videoconference"]["status"] == "SCHEDULED"
        assert await hear(opened) == {"id": "1", "type": "next", "payload": METAROLE}


async def test_a_socket_has_at_most_fifty_operations(api: Api) -> None:
    waiting = await a_conference(api)
    async with admitted(api) as opened:
        for number in range(51):
            await say(opened, id=str(number), type="subscribe", payload=watch(waiting))
        heard = [await hear(opened) for _ in range(51)]

    errors = [message for message in heard if message["type"] == "error"]
    assert [(error["id"], error["payload"][0]["extensions"]["code"]) for error in errors] == [("50", "LIMIT_EXCEEDED")]


async def test_a_user_has_at_most_ten_sockets_and_one_that_closes_makes_room(api: Api) -> None:
    opened = [admitted(api) for _ in range(10)]
    for each in opened:
        await each.__aenter__()
    async with socket(api) as eleventh:
        await say(eleventh, type="connection_init", payload={"authorization": f"Bearer {api.token('vorontsova')}"})
        refused = await closed(eleventh)
    async with admitted(api, "director"):
        pass
    await opened.pop().__aexit__(None, None, None)
    await asyncio.sleep(0.1)
    async with admitted(api) as again:
        await say(again, type="ping")
        assert (await hear(again))["type"] == "pong"
    for each in opened:
        await each.__aexit__(None, None, None)

    assert refused == (4403, "Too many sockets of this user")


async def test_a_token_that_expires_closes_its_socket_with_4403(api: Api) -> None:
    async with admitted(api, lifetime_s=1) as opened:
        assert await closed(opened) == (4403, "Token expired")


async def test_a_socket_that_is_cut_leaves_nothing_behind(api: Api) -> None:
    waiting = await a_conference(api)
    announcements = api.container.announcements()
    async with admitted(api) as opened:
        await say(opened, id="1", type="subscribe", payload=watch(waiting))
        await hear(opened)
        watched = len(announcements.watched)
        opened.transport.abort()
    for _ in range(100):
        if not announcements.watched:
            break
        await asyncio.sleep(0.02)

    assert (watched, len(announcements.watched)) == (1, 0)


async def a_conference(api: Api) -> str:
    chats = await api.data("vorontsova", "{ chats { edges { node { id type } } } }")
    chat = next(edge["node"]["id"] for edge in chats["chats"]["edges"] if edge["node"]["type"] == "CLASS")
    made = await api.data(
        "vorontsova",
        """mutation ($chat: ID!) {
          createVideoconference(input: {
            type: VIDEO_CALL, chatId: $chat, name: "Час", startsAt: "2027-05-01T10:00:00+03:00",
            endsAt: "2027-05-01T11:00:00+03:00"
          }) { ... on VideoconferenceSaved { videoconference { id } } ... on Refusal { problems { code path } } }
        }""",
        chat=chat,
    )
    id: str = made["createVideoconference"]["videoconference"]["id"]
    return id


def watch(id: str) -> dict[str, Any]:
    document = "subscription ($id: ID!) { videoconference(id: $id) { status link version } }"
    return {"query": document, "variables": {"id": id}}
