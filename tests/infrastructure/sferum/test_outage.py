"""While Sferum does not answer, chats are left alone for longer and longer, and calls are not (P31)."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from application.ports import MessengerFailed, Trouble
from domain.mirror import Rename
from infrastructure.sferum import pace as pace_module
from infrastructure.sferum.messenger import Sferum
from infrastructure.sferum.pace import IN_A_ROW, LONGEST_PAUSE_SECONDS, SECOND, LocalPace, Pace, SharedPace
from tests.infrastructure.sferum.test_messenger import TEACHER, Keys, http, keys, requests, sent

__all__ = ["http", "keys", "sent"]

CHATS = "teacher:chats"
ID = "6f1f9f0e-4d7b-4c5e-9a55-0d8f3c1b2a77"
OUTAGE_SECONDS = 60


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture(params=["local", "shared"])
def pace(request: pytest.FixtureRequest) -> Pace:
    if request.param == "local":
        return LocalPace(3)
    return SharedPace(request.getfixturevalue("redis"), 3)


async def fail(pace: Pace, times: int) -> None:
    for _ in range(times):
        await pace.failed(CHATS)


async def test_a_few_failures_are_no_reason_to_wait(pace: Pace) -> None:
    await fail(pace, IN_A_ROW - 1)
    before = await pace.may_try(CHATS)
    await pace.worked(CHATS)
    await fail(pace, IN_A_ROW - 1)

    assert (before, await pace.may_try(CHATS)) == (0, 0)


async def test_failures_in_a_row_make_everybody_wait_for_longer_and_longer(pace: Pace) -> None:
    await fail(pace, IN_A_ROW)

    pauses = []
    for _ in range(8):
        pauses.append(await pace.may_try(CHATS))
        await pace.failed(CHATS)

    assert all(
        least - 0.5 < pause <= 1.25 * least
        for pause, least in zip(pauses, [2, 4, 8, 16, 32, 64, 120, 120], strict=True)
    )
    assert await pace.may_try("another:chats") == 0


async def test_after_the_pause_one_alone_tries_and_its_success_lets_everybody_in(
    pace: Pace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace_module, "SHORTEST_PAUSE_SECONDS", 0.05)
    await fail(pace, IN_A_ROW)
    await asyncio.sleep(0.1)

    admitted = [await pace.may_try(CHATS) for _ in range(3)]
    await pace.worked(CHATS)

    assert admitted[0] == 0
    assert all(wait > 20 for wait in admitted[1:])
    assert [await pace.may_try(CHATS) for _ in range(3)] == [0, 0, 0]


async def test_all_processes_wait_once_they_have_failed_together(redis_url: str) -> None:
    async with Redis.from_url(redis_url) as first, Redis.from_url(redis_url) as second:
        ours, theirs = SharedPace(first, 3), SharedPace(second, 3)
        await fail(ours, IN_A_ROW - 1)
        await fail(theirs, 1)

        waits = [await pace.may_try(CHATS) for pace in (ours, theirs)]
        await ours.worked(CHATS)

        assert all(1 < wait <= 2.5 for wait in waits)
        assert [await pace.may_try(CHATS) for pace in (ours, theirs)] == [0, 0]


async def test_a_process_without_redis_waits_by_itself(free_port: int) -> None:
    async with Redis.from_url(f"redis://127.0.0.1:{free_port}") as nowhere:
        pace = SharedPace(nowhere, 3)
        await fail(pace, IN_A_ROW)

        wait = await pace.may_try(CHATS)
        await pace.worked(CHATS)

        assert 1 < wait <= 2.5
        assert await pace.may_try(CHATS) == 0


async def test_who_yields_leaves_a_turn_to_others(pace: Pace) -> None:
    yielding = [await pace.turn(CHATS, within=60, leaving=1) for _ in range(3)]
    alone = [await pace.turn("teacher", within=60, leaving=5) for _ in range(2)]

    assert max(yielding[:2]) < 0.1
    assert SECOND - 0.1 < yielding[2] <= SECOND
    assert SECOND - 0.1 < alone[1] <= SECOND


# The whole adapter


class Moving:
    """A clock that others move."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def sferum_over(transport: httpx.AsyncBaseTransport, pace: Pace) -> Sferum:
    keys = Keys("any")
    return Sferum(
        httpx.AsyncClient(transport=transport),
        base_url="http://sferum",
        access_token=keys.token,
        renewed=keys.renewed,
        pace=pace,
        timeout_seconds=5,
    )


async def test_during_an_outage_chats_are_seldom_asked_for_and_calls_whenever_they_are_due() -> None:
    clock = Moving()
    begins, ends = clock.now, clock.now + OUTAGE_SECONDS
    asked: list[tuple[float, str]] = []

    def respond(request: httpx.Request) -> httpx.Response:
        asked.append((clock.now, request.url.path))
        if clock.now >= ends:
            return httpx.Response(200, json={"response": 1})
        clock.now += 0.5
        raise httpx.ReadTimeout("nothing comes")

    sferum = sferum_over(httpx.MockTransport(respond), LocalPace(3, clock))
    waiting, calls = [str(number) for number in range(1, 1001)], 0
    while clock.now < ends:
        for chat in waiting:
            [failure] = await sferum.change_chat(TEACHER, chat, [Rename("2 Б")])
            assert isinstance(failure, MessengerFailed)
            assert failure.trouble is Trouble.UNAVAILABLE
            if failure.certain:
                break
        with pytest.raises(MessengerFailed):
            await sferum.end_call(TEACHER, ID)
        calls += 1
        clock.now += 0.5
    during = [moment for moment, path in asked if path == "/messages.editChat"]
    a_second = max(Counter(int(moment - begins) for moment in during).values())

    while (await sferum.change_chat(TEACHER, "1", [Rename("2 Б")])) != [None]:
        clock.now += 0.1
    healed = clock.now - ends
    clock.now += SECOND
    after = [await sferum.change_chat(TEACHER, chat, [Rename("2 Б")]) for chat in waiting[:2]]

    print(
        f"{len(waiting)} chats wait for {OUTAGE_SECONDS} s: {len(during)} attempts, <= {a_second} a second;"
        f" {calls} of {calls} calls were asked for; the first chat {healed:.0f} s after the end"
    )
    assert len(during) <= IN_A_ROW + 5
    assert a_second <= 3
    assert sum(path == "/calls.forceFinish" for _, path in asked) == calls > OUTAGE_SECONDS / 2
    assert healed < LONGEST_PAUSE_SECONDS / 2
    assert after == [[None], [None]]


async def test_who_is_told_to_wait_is_told_for_how_long() -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("nothing comes")

    sferum = sferum_over(httpx.MockTransport(respond), LocalPace(10**6))
    failures = [(await sferum.change_chat(TEACHER, "1", [Rename("2 Б")]))[0] for _ in range(IN_A_ROW + 1)]

    assert [failure and (failure.trouble, failure.certain) for failure in failures] == [
        *[(Trouble.UNAVAILABLE, False)] * IN_A_ROW,
        (Trouble.UNAVAILABLE, True),
    ]
    assert failures[-1] is not None
    assert timedelta(seconds=1) < (failures[-1].pause or timedelta()) <= timedelta(seconds=2.5)


async def test_what_a_host_asks_chats_to_be_left_alone_for_holds_up_no_call() -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/calls.forceFinish":
            return httpx.Response(200, json={"response": 1})
        return httpx.Response(503, headers={"retry-after": "170"})

    sferum = sferum_over(httpx.MockTransport(respond), LocalPace(10**6))

    [first] = await sferum.change_chat(TEACHER, "1", [Rename("2 Б")])
    [second] = await sferum.change_chat(TEACHER, "2", [Rename("2 Б")])
    await sferum.end_call(TEACHER, ID)

    assert first is not None
    assert second is not None
    assert (first.trouble, first.certain, first.pause) == (Trouble.UNAVAILABLE, False, timedelta(seconds=170))
    assert (second.trouble, second.certain) == (Trouble.RATE_LIMITED, True)
    assert timedelta(seconds=160) < (second.pause or timedelta()) <= timedelta(seconds=170)


async def test_a_call_does_not_queue_behind_chats() -> None:
    asked = []

    def respond(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(200, json={"response": 1})

    sferum = sferum_over(httpx.MockTransport(respond), LocalPace(3))
    async with asyncio.TaskGroup() as group:
        for chat in range(1, 7):
            group.create_task(sferum.change_chat(TEACHER, str(chat), [Rename("2 Б")]))
        await asyncio.sleep(0)
        group.create_task(sferum.end_call(TEACHER, ID))

    assert len(asked) == 7
    assert asked.index("/calls.forceFinish") <= 2


async def test_calls_use_every_turn_that_there_is() -> None:
    sferum = sferum_over(httpx.MockTransport(lambda request: httpx.Response(200, json={"response": 1})), LocalPace(3))
    began = time.monotonic()

    await asyncio.gather(*(sferum.end_call(TEACHER, ID) for _ in range(3)))

    assert time.monotonic() - began < SECOND


async def test_chats_and_calls_together_never_use_a_token_more_often_than_sferum_allows(
    http: httpx.AsyncClient, sent: list[float], sandbox: Any, keys: Keys, redis_url: str
) -> None:
    async with Redis.from_url(redis_url) as first, Redis.from_url(redis_url) as second:
        workers = [
            Sferum(
                http,
                base_url=sandbox.settings.vk_api_url,
                access_token=keys.token,
                renewed=keys.renewed,
                pace=SharedPace(redis, 3),
                timeout_seconds=5,
            )
            for redis in (first, second)
        ]

        await asyncio.gather(
            *(workers[number % 2].create_chat(TEACHER, f"chat {number}") for number in range(6)),
            *(workers[number % 2].start_call(TEACHER, f"call {number}") for number in range(6)),
        )

    assert len(requests(sandbox, "messages.createChat")) >= 6
    assert len(sent) >= 12
    assert all(later - sooner >= 1 for sooner, later in zip(sent, sent[3:], strict=False))
