"""All processes together use a token as often as it may be used, and less while they know nothing of each other."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from application.ports import MessengerFailed, OpenCall, Trouble
from domain.ids import PersonId
from infrastructure.sferum.messenger import Sferum
from infrastructure.sferum.pace import ALONE, SECOND, LocalPace, Pace, SharedPace, let_rest, take_turn
from tests.infrastructure.sferum.test_messenger import TEACHER, Keys, http, keys, requests, sent

__all__ = ["http", "keys", "sent"]

AT_ONCE = 0.05
"""Seconds that nobody calls a wait."""


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
async def nowhere(free_port: int) -> AsyncIterator[Redis]:
    async with Redis.from_url(f"redis://127.0.0.1:{free_port}") as client:
        yield client


@pytest.fixture(params=["local", "shared"])
def pace(request: pytest.FixtureRequest) -> Pace:
    if request.param == "local":
        return LocalPace(3)
    return SharedPace(request.getfixturevalue("redis"), 3)


async def waits(pace: Pace, count: int, within: float = 60) -> list[float]:
    """Seconds until each of so many turns that are taken now."""
    return [await pace.turn("teacher", within=within) for _ in range(count)]


async def test_no_second_has_more_turns_than_it_may_have(pace: Pace) -> None:
    seconds = await waits(pace, 7)

    assert all(later - sooner >= SECOND - AT_ONCE for sooner, later in zip(seconds, seconds[3:], strict=False))
    assert all(later - sooner > -AT_ONCE for sooner, later in itertools.pairwise(seconds))
    assert max(seconds[:3]) < AT_ONCE
    assert seconds[6] < 2 * SECOND + AT_ONCE


async def test_a_turn_that_is_too_far_away_is_not_taken(pace: Pace) -> None:
    await waits(pace, 3)

    refused = await waits(pace, 2, within=0.5)
    taken = await pace.turn("teacher", within=2)

    assert all(-SECOND <= wait < -0.5 for wait in refused)
    assert 0.5 < taken <= SECOND


async def test_accounts_do_not_wait_for_one_another(pace: Pace) -> None:
    await waits(pace, 5)

    assert await pace.turn("another", within=0) == 0


async def test_an_account_that_rests_has_its_next_turn_afterwards(pace: Pace) -> None:
    await pace.rest("teacher", 0.5)
    await pace.rest("teacher", 0.1)

    rests = await pace.resting("teacher")
    wait = await pace.turn("teacher", within=5)

    assert 0.4 < rests <= 0.5
    assert 0.4 < wait <= 0.5
    assert await pace.resting("another") == 0


async def test_a_method_that_rests_holds_up_no_other(pace: Pace) -> None:
    await let_rest(pace, TEACHER, timedelta(minutes=10), method="calls.start")

    resting = await take_turn(pace, TEACHER, "calls.start", within=5)
    free = await take_turn(pace, TEACHER, "calls.forceFinish", within=5)

    assert resting is not None
    assert timedelta(minutes=9) < resting <= timedelta(minutes=10)
    assert free is None


async def test_processes_that_share_a_redis_share_the_turns_and_the_rests(redis_url: str) -> None:
    async with Redis.from_url(redis_url) as first, Redis.from_url(redis_url) as second:
        ours, theirs = SharedPace(first, 3), SharedPace(second, 3)

        seconds = [await pace.turn("teacher", within=60) for pace in (ours, theirs) * 3]
        await ours.rest("teacher", 30)

        assert seconds[3] >= SECOND - AT_ONCE
        assert await theirs.resting("teacher") > 29


async def test_without_redis_three_processes_together_keep_the_limit(nowhere: Redis) -> None:
    paces = [SharedPace(nowhere, 3) for _ in range(3)]

    seconds = sorted([await pace.turn("teacher", within=60) for pace in paces for _ in range(3)])
    await paces[0].rest("teacher", 30)

    assert ALONE == 1
    assert all(later - sooner >= SECOND - AT_ONCE for sooner, later in zip(seconds, seconds[3:], strict=False))
    assert await paces[0].resting("teacher") > 29


async def test_turns_that_were_shared_count_when_redis_goes_away(redis: Redis, nowhere: Redis) -> None:
    pace = SharedPace(redis, 3)
    await pace.turn("teacher", within=0)

    pace._turn = nowhere.register_script("return 0")
    wait = await pace.turn("teacher", within=5)

    assert SECOND - AT_ONCE < wait <= SECOND


async def test_turns_that_redis_has_forgotten_are_waited_out_by_all(redis: Redis, redis_url: str) -> None:
    ours, fresh = SharedPace(redis, 3), SharedPace(redis, 3)
    await waits(ours, 3)
    await redis.flushall()

    [our_turn, other_turn] = [*await waits(ours, 1), *await waits(fresh, 1)]

    assert SECOND - AT_ONCE < our_turn <= SECOND
    assert SECOND - AT_ONCE < other_turn <= SECOND


async def test_who_comes_too_late_for_a_turn_takes_another() -> None:
    pace = LocalPace(3)
    await waits(pace, 3)
    # The machine does something else from before the turn until well after it.
    asyncio.get_running_loop().call_later(SECOND / 2, time.sleep, SECOND)

    refused = await take_turn(pace, PersonId("teacher"), "execute", within=60)
    next_turn, the_one_after = await waits(pace, 2)

    assert refused is None
    assert next_turn < AT_ONCE
    # Three in a second: the late one counts as of now.
    assert the_one_after > SECOND / 4


async def test_a_redis_that_does_not_answer_is_not_waited_for() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server, Redis(port=server.sockets[0].getsockname()[1]) as client:
        pace = SharedPace(client, 3)
        began = time.monotonic()

        await waits(pace, 3)

        assert time.monotonic() - began < 1


# Over HTTP


def sferum_with(http: httpx.AsyncClient, sandbox: Any, keys: Keys, pace: Pace) -> Sferum:
    return Sferum(
        http,
        base_url=sandbox.settings.vk_api_url,
        access_token=keys.token,
        renewed=keys.renewed,
        pace=pace,
        timeout_seconds=5,
    )


async def test_two_workers_never_use_a_token_more_often_than_sferum_allows(
    http: httpx.AsyncClient, sent: list[float], sandbox: Any, keys: Keys, redis_url: str
) -> None:
    async with Redis.from_url(redis_url) as first, Redis.from_url(redis_url) as second:
        workers = [sferum_with(http, sandbox, keys, SharedPace(redis, 3)) for redis in (first, second)]

        calls = await asyncio.gather(
            *(workers[number % 2].start_call(TEACHER, f"Урок {number}") for number in range(12))
        )

    assert len({call.id for call in calls}) == 12
    assert len(sent) >= 12
    assert all(later - sooner >= 1 for sooner, later in zip(sent, sent[3:], strict=False))


async def test_what_a_host_asks_to_be_left_alone_for_holds_for_every_worker(
    http: httpx.AsyncClient, sandbox: Any, keys: Keys, redis_url: str
) -> None:
    async with Redis.from_url(redis_url) as first, Redis.from_url(redis_url) as second:
        workers = [sferum_with(http, sandbox, keys, SharedPace(redis, 3)) for redis in (first, second)]
        sandbox.order(method="calls.start", kind="error", code=9, times=1)
        with pytest.raises(MessengerFailed):
            await workers[0].start_call(TEACHER, "Урок")
        before = len(requests(sandbox, "calls.start")) + len(requests(sandbox, "execute"))

        with pytest.raises(MessengerFailed) as single:
            await workers[1].start_call(TEACHER, "Урок")
        with pytest.raises(MessengerFailed) as several:
            await workers[1].start_calls(TEACHER, ["Урок", "Урок"])
        others = await workers[1].open_calls(TEACHER)

    for raised in (single, several):
        assert (raised.value.trouble, raised.value.certain) == (Trouble.RATE_LIMITED, True)
        assert (raised.value.pause or timedelta()) > timedelta(minutes=9)
    assert len(requests(sandbox, "calls.start")) + len(requests(sandbox, "execute")) == before
    assert all(isinstance(call, OpenCall) for call in others)


async def test_after_status_429_the_account_rests_for_as_long_as_the_host_says() -> None:
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(429, headers={"retry-after": "17"})

    keys = Keys("any")
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        sferum = Sferum(
            http,
            base_url="http://sferum",
            access_token=keys.token,
            renewed=keys.renewed,
            pace=LocalPace(3),
            timeout_seconds=1,
        )
        pauses = []
        for ask in (sferum.start_call(TEACHER, "Урок"), sferum.end_call(TEACHER, "0" * 36)):
            with pytest.raises(MessengerFailed) as raised:
                await ask
            pauses.append(raised.value.pause or timedelta())

    assert len(asked) == 1
    assert all(timedelta(seconds=16) < pause <= timedelta(seconds=17) for pause in pauses)
