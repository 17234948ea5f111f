"""Row A: a page of 24 chats through GraphQL, beside the same page built by Postgres as JSON and sent as bytes."""

import asyncio
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import orjson

from domain.ids import organization_id
from infrastructure.container import Container, assembled
from infrastructure.demo import full_school, load
from infrastructure.sandbox.school import token_of
from infrastructure.settings import PREFIX, Settings, load_settings
from tests.bench.table import Row, percentile
from tests.e2e.system import free_port

DOCUMENT = """{ chats(first: 24) { totalCount edges { node {
  id name type memberCount archived schoolClass { name } subject { name } administrator { fullName }
} } } }"""
CONNECTIONS = 16
ROUNDS = 7
ROUND_SECONDS = 2.0


async def measure(database_url: str, redis_url: str, data_dir: Path) -> list[Row]:
    """The full-size school's chats."""
    settings = settings_of(database_url, redis_url, data_dir)
    async with assembled(settings) as container:
        await load_full_school(container)
    return await compared("A: a page of 24 chats", "chats", DOCUMENT, settings)


def settings_of(database_url: str, redis_url: str, data_dir: Path) -> Settings:
    """On ports of their own."""
    return load_settings(
        environment="development",
        database_url=database_url,
        redis_url=redis_url,
        data_dir=data_dir,
        port=free_port(),
        sandbox_port=free_port(),
    )


async def load_full_school(container: Container) -> None:
    """The larger of the demonstration schools, without its timetable."""
    school = next(school for school in load.SCHOOLS if school.school_id == full_school.SCHOOL_ID)
    await load.load_school(container, school, lambda _: None)


async def compared(what: str, page: str, document: str, settings: Settings) -> list[Row]:
    """Both ways in turns, the order changing from round to round; the median of the rounds' ratios.

    `page`: the field of the query, which is also what the floor calls it.
    """
    baseline_port = free_port()
    with (
        process(settings, "graphql_api.cli", "sandbox"),
        process(settings, "graphql_api.cli", "api"),
        process(settings, "tests.bench.floor", str(baseline_port), str(organization_id(full_school.SCHOOL_ID)), page),
    ):
        ours = _request(settings.port, token_of(settings, login="outsider"), document)
        floor = _request(baseline_port, "", document)
        await _until_ready(settings, baseline_port)
        ways = [("ours", settings.port, ours), ("floor", baseline_port, floor)]
        for _, port, request in ways:
            await _round(port, request, page, 1.0)
        rounds: dict[str, list[_Round]] = {"ours": [], "floor": []}
        for number in range(ROUNDS):
            for name, port, request in ways if number % 2 else reversed(ways):
                rounds[name].append(await _round(port, request, page, ROUND_SECONDS))
    ratios = [ours.per_second / floor.per_second for ours, floor in zip(rounds["ours"], rounds["floor"], strict=True)]
    speeds = {name: statistics.median(each.per_second for each in made) for name, made in rounds.items()}
    waits = {name: [wait for each in made for wait in each.waits] for name, made in rounds.items()}
    return [
        Row(
            f"{what}, requests/s",
            f"{speeds['ours']:.0f}",
            f"{speeds['floor']:.0f}",
            f"{statistics.median(ratios):.2f} ({min(ratios):.2f}…{max(ratios):.2f})",
        ),
        Row(
            "   p50 / p99, ms",
            f"{percentile(waits['ours'], 0.5) * 1000:.1f} / {percentile(waits['ours'], 0.99) * 1000:.1f}",
            f"{percentile(waits['floor'], 0.5) * 1000:.1f} / {percentile(waits['floor'], 0.99) * 1000:.1f}",
        ),
    ]


@dataclass(frozen=True)
class _Round:
    per_second: float
    waits: Sequence[float]


class process:
    """A process of this interpreter for the length of a block."""

    def __init__(self, settings: Settings, *arguments: str) -> None:
        assert settings.database_url is not None
        assert settings.redis_url is not None
        own = {
            "environment": "development",
            "database_url": settings.database_url.get_secret_value(),
            "redis_url": settings.redis_url.get_secret_value(),
            "data_dir": str(settings.data_dir),
            "port": str(settings.port),
            "sandbox_port": str(settings.sandbox_port),
        }
        self._environment = os.environ | {f"{PREFIX}{name.upper()}": value for name, value in own.items()}
        self._arguments = arguments

    def __enter__(self) -> subprocess.Popen[bytes]:
        self._process = subprocess.Popen(
            [sys.executable, "-m", *self._arguments],
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return self._process

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(timeout=15)


def _request(port: int, token: str, document: str) -> bytes:
    body = orjson.dumps({"query": document})
    head = (
        f"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _until_ready(settings: Settings, baseline_port: int) -> None:
    urls = [f"http://127.0.0.1:{settings.port}/health/ready", f"http://127.0.0.1:{baseline_port}/health/ready"]
    async with asyncio.timeout(30), httpx.AsyncClient(trust_env=False) as http:
        for url in [f"http://127.0.0.1:{settings.sandbox_port}/control/settings", *urls]:
            while True:
                try:
                    if (await http.get(url)).status_code == 200:
                        break
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.1)


async def _round(port: int, request: bytes, page: str, seconds: float) -> _Round:
    until = time.perf_counter() + seconds
    waits: list[float] = []
    await asyncio.gather(*(_ask_until(port, request, page, until, waits) for _ in range(CONNECTIONS)))
    return _Round(len(waits) / seconds, waits)


async def _ask_until(port: int, request: bytes, page: str, until: float, waits: list[float]) -> None:
    begins = f'{{"data":{{"{page}":{{"totalCount":'.encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while (began := time.perf_counter()) < until:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        body = await reader.readexactly(length)
        assert body.startswith(begins), body[:200]
        waits.append(time.perf_counter() - began)
    writer.close()
    await writer.wait_closed()
