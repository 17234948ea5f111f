"""Several calls in one request of `execute`, over HTTP against the sandbox (vk.md 2.3)."""

from collections.abc import Sequence
from typing import Any

import httpx
import orjson
import pytest

from application.ports import MessengerFailed, OpenCall, Trouble
from infrastructure.sferum.messenger import Sferum
from tests.infrastructure.sferum.test_messenger import TEACHER, Keys, http, keys, requests, sent, sferum, sferum_at

__all__ = ["http", "keys", "sent", "sferum"]

ID = "6f1f9f0e-4d7b-4c5e-9a55-0d8f3c1b2a77"
NAMES = ["Урок #1", 'Урок «"\\\u2028» #2', "Урок #3"]
STARTED = {"call_id": ID, "join_link": "https://vk.ru/call/join/x"}


def troubles(answers: Sequence[object]) -> list[tuple[Trouble, bool] | None]:
    """How each failed, and whether for certain."""
    return [(each.trouble, each.certain) if isinstance(each, MessengerFailed) else None for each in answers]


def answering(*bodies: object) -> httpx.MockTransport:
    """A host that answers so, one after the other."""
    left = list(bodies)
    return httpx.MockTransport(lambda request: httpx.Response(200, content=orjson.dumps(left.pop(0))))


async def test_several_calls_are_started_and_ended_in_one_request_each(sferum: Sferum, sandbox: Any) -> None:
    before = len(requests(sandbox, "execute"))

    started = [call for call in await sferum.start_calls(TEACHER, NAMES) if isinstance(call, OpenCall)]
    seen = await sferum.open_calls(TEACHER)
    ended = await sferum.end_calls(TEACHER, [call.id for call in started])

    assert [call.name for call in started] == NAMES
    assert set(started) <= set(seen)
    assert ended == [None] * 3
    assert not set(started) & set(await sferum.open_calls(TEACHER))
    assert len(requests(sandbox, "execute")) - before == 2


async def test_twenty_five_calls_are_one_request(sferum: Sferum, sandbox: Any) -> None:
    before = len(requests(sandbox, "execute"))

    started = await sferum.start_calls(TEACHER, [f"Урок {number}" for number in range(25)])

    assert len({call.id for call in started if isinstance(call, OpenCall)}) == 25
    assert len(requests(sandbox, "execute")) - before == 1


async def test_one_call_needs_no_execute(sferum: Sferum, sandbox: Any) -> None:
    before = len(requests(sandbox, "execute"))

    [started] = await sferum.start_calls(TEACHER, ["Урок"])
    assert isinstance(started, OpenCall)
    [ended] = await sferum.end_calls(TEACHER, [started.id])

    assert ended is None
    assert await sferum.end_calls(TEACHER, []) == []
    assert len(requests(sandbox, "execute")) == before


async def test_of_several_calls_those_that_are_refused_tell_why_and_the_others_begin(
    sferum: Sferum, sandbox: Any
) -> None:
    sandbox.order(method="calls.start", kind="error", code=14, times=1)
    sandbox.order(method="calls.start", kind="error", code=10, times=1)

    answers = await sferum.start_calls(TEACHER, NAMES)

    assert troubles(answers) == [(Trouble.HUMAN_CHECK_NEEDED, True), (Trouble.UNAVAILABLE, False), None]
    assert answers[2] in await sferum.open_calls(TEACHER)


async def test_of_several_calls_those_that_are_over_or_unknown_count_as_ended(sferum: Sferum, sandbox: Any) -> None:
    [first, second] = [call for call in await sferum.start_calls(TEACHER, NAMES[:2]) if isinstance(call, OpenCall)]
    await sferum.end_call(TEACHER, first.id)
    sandbox.order(method="calls.forceFinish", kind="error", code=15, times=1)

    answers = await sferum.end_calls(TEACHER, [second.id, first.id, "0" * 36])

    assert troubles(answers) == [(Trouble.NO_PERMISSION, True), None, None]


@pytest.mark.parametrize("kind", ["lost", "refused", "html", "truncated"])
async def test_when_the_answer_for_all_is_lost_nothing_is_known_of_any(sferum: Sferum, sandbox: Any, kind: str) -> None:
    sandbox.order(method="execute", kind=kind, times=1)

    with pytest.raises(MessengerFailed) as raised:
        await sferum.start_calls(TEACHER, NAMES)

    assert (raised.value.trouble, raised.value.certain) == (Trouble.UNAVAILABLE, False)


@pytest.mark.parametrize("kind", ["lost", "refused"])
async def test_a_connection_that_is_cut_in_the_middle_leaves_what_was_begun_to_be_found(
    sferum: Sferum, sandbox: Any, kind: str
) -> None:
    already = {call.id for call in await sferum.open_calls(TEACHER)}
    sandbox.order(method="calls.start", kind="delay", ms=0, times=1)
    sandbox.order(method="calls.start", kind=kind, times=1)

    with pytest.raises(MessengerFailed) as raised:
        await sferum.start_calls(TEACHER, NAMES)

    begun = [call.name for call in await sferum.open_calls(TEACHER) if call.id not in already]
    assert not raised.value.certain
    assert begun == NAMES[: 2 if kind == "lost" else 1]


@pytest.mark.parametrize("code", [3, 15, 20])
async def test_where_execute_is_refused_each_call_is_started_by_itself(sferum: Sferum, sandbox: Any, code: int) -> None:
    sandbox.order(method="execute", kind="error", code=code, times=1)

    answers = await sferum.start_calls(TEACHER, NAMES)

    assert troubles(answers) == [None] * 3
    assert set(answers) <= set(await sferum.open_calls(TEACHER))


@pytest.mark.parametrize(
    "body",
    [
        {"response": 1},
        {"response": []},
        {"response": [STARTED]},
        {"response": [STARTED, STARTED, STARTED]},
        {"response": [STARTED, False], "execute_errors": 5},
    ],
)
async def test_an_answer_that_is_not_one_for_each_is_none(body: object) -> None:
    async with httpx.AsyncClient(transport=answering(body)) as http:
        sferum = sferum_at("http://sferum", http, Keys("any"))

        with pytest.raises(MessengerFailed) as raised:
            await sferum.start_calls(TEACHER, NAMES[:2])

    assert (raised.value.trouble, raised.value.certain) == (Trouble.UNAVAILABLE, False)


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ({"response": [False, STARTED]}, [(Trouble.UNAVAILABLE, False), None]),
        ({"response": [STARTED, None]}, [None, (Trouble.UNAVAILABLE, False)]),
        ({"response": [STARTED, {"call_id": 5}]}, [None, (Trouble.UNAVAILABLE, False)]),
        (
            {"response": [False, False], "execute_errors": [{"method": "calls.start", "error_code": 15}]},
            [(Trouble.UNAVAILABLE, False)] * 2,
        ),
        (
            {"response": [False, STARTED], "execute_errors": [{"method": "calls.start", "error_code": "15"}]},
            [(Trouble.UNAVAILABLE, False), None],
        ),
        (
            {"response": [False, STARTED], "execute_errors": [{"method": "calls.start", "error_code": 15}]},
            [(Trouble.NO_PERMISSION, True), None],
        ),
    ],
)
async def test_a_call_about_which_no_reason_is_told_may_have_begun(body: object, outcome: list[object]) -> None:
    async with httpx.AsyncClient(transport=answering(body)) as http:
        sferum = sferum_at("http://sferum", http, Keys("any"))

        answers = await sferum.start_calls(TEACHER, NAMES[:2])

    assert troubles(answers) == outcome
