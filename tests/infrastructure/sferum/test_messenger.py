"""The adapter of Sferum, over HTTP against the sandbox."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import pytest

from application.ports import MessengerFailed, Trouble
from domain.ids import PersonId
from infrastructure.sferum.messenger import Sferum
from infrastructure.sferum.pace import LocalPace

TEACHER = PersonId("manual-teacher")
NEW_TOKEN = "renewed"


@pytest.fixture
def sent() -> list[float]:
    """When each request was sent, by the clock of who sends: on a busy machine the sandbox may read them later."""
    return []


@pytest.fixture
async def http(sent: list[float]) -> AsyncIterator[httpx.AsyncClient]:
    async def note(_: httpx.Request) -> None:
        sent.append(time.monotonic())

    async with httpx.AsyncClient(timeout=1, trust_env=False, event_hooks={"request": [note]}) as client:
        yield client


@dataclass
class Keys:
    """The account's tokens: the present one, and what is handed out when it was refused."""

    present: str
    renewals: list[str] = field(default_factory=list)
    next: str = NEW_TOKEN

    async def token(self, person: PersonId) -> str:
        return self.present

    async def renewed(self, person: PersonId, refused: str) -> str:
        self.renewals.append(refused)
        return self.next


def sferum_at(base_url: str, http: httpx.AsyncClient, keys: Keys) -> Sferum:
    return Sferum(
        http,
        base_url=base_url,
        access_token=keys.token,
        renewed=keys.renewed,
        pace=LocalPace(3),
        timeout_seconds=1,
    )


@pytest.fixture
def keys(sandbox: Any) -> Keys:
    return Keys(sandbox.sign_in(sandbox.login("teacher")["phone"])["access_token"])


@pytest.fixture
def sferum(http: httpx.AsyncClient, sandbox: Any, keys: Keys) -> Sferum:
    return sferum_at(sandbox.settings.vk_api_url, http, keys)


def requests(sandbox: Any, method: str) -> list[Any]:
    return [request for request in sandbox.control("requests") if request["path"].endswith(method)]


async def test_a_call_is_started_seen_and_ended(sferum: Sferum, sandbox: Any) -> None:
    call = await sferum.start_call(TEACHER, "Классный час #1")
    seen = await sferum.open_calls(TEACHER)
    await sferum.end_call(TEACHER, call.id)

    assert call in seen
    assert call.name == "Классный час #1"
    assert call not in await sferum.open_calls(TEACHER)
    assert next(each for each in sandbox.control("calls") if each["call_id"] == call.id)["finished_at"] is not None


async def test_a_call_that_is_over_or_unknown_counts_as_ended(sferum: Sferum, sandbox: Any) -> None:
    call = await sferum.start_call(TEACHER, "Классный час")
    await sferum.end_call(TEACHER, call.id)

    await sferum.end_call(TEACHER, call.id)
    await sferum.end_call(TEACHER, "0" * 36)

    assert next(each for each in sandbox.control("calls") if each["call_id"] == call.id)["finished_at"] is not None


async def test_a_code_that_nobody_knows_is_no_success_and_may_have_worked(sferum: Sferum, sandbox: Any) -> None:
    sandbox.order(method="calls.start", kind="error", code=77777, times=1)

    with pytest.raises(MessengerFailed) as raised:
        await sferum.start_call(TEACHER, "Классный час")

    assert (raised.value.trouble, raised.value.certain) == (Trouble.UNAVAILABLE, False)


@pytest.mark.parametrize("code", [5, 1117])
async def test_a_refused_token_is_renewed_once_and_the_call_repeated(
    sferum: Sferum, sandbox: Any, keys: Keys, code: int
) -> None:
    keys.next = keys.present
    sandbox.order(method="calls.start", kind="error", code=code, subcode=1130, times=1)

    call = await sferum.start_call(TEACHER, "Классный час")

    assert keys.renewals == [keys.present]
    assert call in await sferum.open_calls(TEACHER)


async def test_a_token_refused_again_after_its_renewal_asks_for_a_new_link(sferum: Sferum, keys: Keys) -> None:
    keys.present = "withdrawn"

    with pytest.raises(MessengerFailed) as raised:
        await sferum.start_call(TEACHER, "Классный час")

    assert (raised.value.trouble, raised.value.certain) == (Trouble.RELINK_NEEDED, True)
    assert keys.renewals == ["withdrawn"]


async def test_too_many_calls_a_second_are_waited_out(sferum: Sferum, sandbox: Any) -> None:
    sandbox.order(method="calls.start", kind="error", code=6, times=1)
    began = time.monotonic()

    call = await sferum.start_call(TEACHER, "Классный час")

    assert call in await sferum.open_calls(TEACHER)
    assert time.monotonic() - began >= 1


async def test_a_token_is_never_used_more_often_than_it_may_be(sferum: Sferum, sent: list[float]) -> None:
    for number in range(7):
        await sferum.start_call(TEACHER, f"Классный час {number}")

    assert len(sent) >= 7
    assert all(later - earlier >= 1 for earlier, later in zip(sent, sent[3:], strict=False))


async def test_who_would_wait_too_long_for_a_turn_is_told_so_at_once(http: httpx.AsyncClient, sandbox: Any) -> None:
    keys = Keys("any")
    sferum = sferum_at(sandbox.settings.vk_api_url, http, keys)
    sandbox.order(method="calls.start", kind="error", code=6, times=50)

    with pytest.raises(MessengerFailed) as raised:
        await sferum.start_call(TEACHER, "Классный час")

    assert (raised.value.trouble, raised.value.certain) == (Trouble.RATE_LIMITED, True)


@pytest.mark.parametrize(
    ("fault", "certain"),
    [
        ({"kind": "html"}, False),
        ({"kind": "truncated"}, False),
        ({"kind": "status", "code": 503}, False),
        ({"kind": "status", "code": 429}, True),
        ({"kind": "refused"}, False),
        ({"kind": "lost"}, False),
        ({"kind": "delay", "ms": 2000}, False),
    ],
    ids=lambda value: str(value.get("code", value["kind"])) if isinstance(value, dict) else "",
)
async def test_an_answer_that_is_none_is_never_a_success(
    sferum: Sferum, sandbox: Any, fault: dict[str, object], certain: bool
) -> None:
    sandbox.order(method="calls.start", times=1, **fault)

    with pytest.raises(MessengerFailed) as raised:
        await sferum.start_call(TEACHER, "Классный час")

    assert raised.value.certain is certain


async def test_what_could_not_be_sent_was_surely_not_done(http: httpx.AsyncClient, free_port: int) -> None:
    keys = Keys("any")
    sferum = sferum_at(f"http://127.0.0.1:{free_port}", http, keys)

    with pytest.raises(MessengerFailed) as raised:
        await sferum.start_call(TEACHER, "Классный час")

    assert (raised.value.trouble, raised.value.certain) == (Trouble.UNAVAILABLE, True)


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"null",
        b'"response"',
        b"{}",
        b'{"response": 1}',
        b'{"response": {}}',
        b'{"response": {"call_id": 5, "join_link": "https://vk.ru/call/join/x"}}',
        b'{"response": {"call_id": "short", "join_link": "https://vk.ru/call/join/x"}}',
        b'{"response": {"call_id": "6f1f9f0e-4d7b-4c5e-9a55-0d8f3c1b2a77", "join_link": null}}',
        b'{"response": {"join_link": "x"}, "error": {"error_code": "5"}}',
        b'{"error": null}',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
async def test_an_answer_of_a_wrong_shape_is_never_a_success(body: bytes) -> None:
    keys = Keys("any")
    transport = httpx.MockTransport(lambda request: httpx.Response(200, content=body))
    async with httpx.AsyncClient(transport=transport) as http:
        sferum = sferum_at("http://sferum", http, keys)

        with pytest.raises(MessengerFailed) as raised:
            await sferum.start_call(TEACHER, "Классный час")

    assert (raised.value.trouble, raised.value.certain) == (Trouble.UNAVAILABLE, False)


async def test_a_call_without_an_id_is_found_among_the_open_ones() -> None:
    keys = Keys("any")
    link, id = "https://vk.ru/call/join/x", "6f1f9f0e-4d7b-4c5e-9a55-0d8f3c1b2a77"
    answers = {
        "/calls.start": {"join_link": link},
        "/messages.getCurrentCalls": {"count": 1, "items": [{"call_id": id, "join_link": link, "name": "Урок"}]},
    }
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json={"response": answers[request.url.path]}))
    async with httpx.AsyncClient(transport=transport) as http:
        sferum = sferum_at("http://sferum", http, keys)

        call = await sferum.start_call(TEACHER, "Урок")

    assert (call.id, call.link) == (id, link)


async def test_a_pause_that_the_host_asks_for_is_passed_on() -> None:
    keys = Keys("any")
    transport = httpx.MockTransport(lambda request: httpx.Response(429, headers={"retry-after": "17"}))
    async with httpx.AsyncClient(transport=transport) as http:
        sferum = sferum_at("http://sferum", http, keys)

        with pytest.raises(MessengerFailed) as raised:
            await sferum.start_call(TEACHER, "Урок")

    assert raised.value.pause == timedelta(seconds=17)
