"""Conferences that start and end while everything around them fails, and what came of them.

The judge reads the rows, every change that was saved (the outbox), and the sandbox's ledger of calls.
"""

import asyncio
import json
import re
import signal
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import cycle, pairwise
from pathlib import Path
from random import Random
from typing import Any

import redis
from sqlalchemy import text

from domain.call import marked
from domain.ids import VideoconferenceId
from infrastructure.embedded.postgres import prepare_postgres
from infrastructure.embedded.server import Server
from infrastructure.embedded.valkey import prepare_valkey
from tests.e2e.schools import found_schools, plan_conferences
from tests.e2e.system import System, running_system
from tests.servers import database_of

ZONES = ("Asia/Kamchatka", "Pacific/Apia", "Europe/Moscow", "America/New_York", "UTC")
LEGAL = {
    ("SCHEDULED", "STARTING"),
    ("STARTING", "SCHEDULED"),
    ("STARTING", "ACTIVE"),
    ("ACTIVE", "FINISHED"),
    ("SCHEDULED", "FAILED"),
    ("STARTING", "FAILED"),
}
SETTLED_WITHIN = 120.0


class Restartable:
    """A server that can be killed and brought back at the same address."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Runs it, and waits until it answers."""
        uid = self.server.uid
        self.process = subprocess.Popen(
            self.server.argv,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=uid,
            group=uid,
            extra_groups=[] if uid is not None else None,
            start_new_session=True,
        )
        deadline = time.monotonic() + 30
        while not self.server.is_ready():
            assert self.process.poll() is None, f"{self.server.name} ended"
            assert time.monotonic() < deadline, f"{self.server.name} does not answer"
            time.sleep(0.02)

    def stop(self, how: signal.Signals) -> None:
        """Ends it with that signal."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(timeout=20)
            self.process = None


@contextmanager
def _running(server: Server) -> Iterator[Restartable]:
    restartable = Restartable(server)
    restartable.start()
    try:
        yield restartable
    finally:
        restartable.stop(server.stop_signal)


@dataclass(frozen=True)
class Plan:
    """What is to happen; `kinds` are the faults, of `FAULTS`, beside workers that are killed."""

    conferences: int
    spread: timedelta
    lasting: timedelta
    seed: int
    schools: int = 5
    pupils: int = 5
    prepare_seconds: int = 10
    kill_every: timedelta = timedelta(seconds=2)
    fault_every: timedelta = timedelta(seconds=3)
    kinds: tuple[str, ...] = ()


@dataclass
class Fire:
    """Breaks things, and tells what it broke when."""

    system: System
    postgres: Restartable
    valkey: Restartable
    plan: Plan
    random: Random
    began: float = field(default_factory=time.monotonic)
    log: list[str] = field(default_factory=list)
    breaking: asyncio.Lock = field(default_factory=asyncio.Lock)
    workers: list[str] = field(default_factory=lambda: ["worker-0", "worker-1"])

    def note(self, what: str) -> None:
        """A line of the log."""
        self.log.append(f"{time.monotonic() - self.began:7.2f} s  {what}")

    async def kill_workers(self) -> None:
        """One after the other, as often as planned, each replaced at once by one that lives in another zone.

        One that still starts is let live: on a slow machine there would never be any that work.
        """
        zones = cycle(ZONES)
        for name in cycle(self.workers):
            await asyncio.sleep(self.plan.kill_every.total_seconds() * self.random.uniform(0.5, 1.5))
            if not self.system.works(name):
                continue
            self.system.kill(name)
            zone = next(zones)
            self.note(f"kill -9 {name}, back in TZ={zone}")
            self.system.start(name, "worker", TZ=zone)

    async def throw_faults(self) -> None:
        """One of the planned kinds after the other, each once before any comes again."""
        while self.plan.kinds:
            for kind in self.random.sample(self.plan.kinds, len(self.plan.kinds)):
                await asyncio.sleep(self.plan.fault_every.total_seconds() * self.random.uniform(0.5, 1.5))
                async with self.breaking:
                    await FAULTS[kind](self)

    async def flush_redis(self) -> None:
        """Redis forgets everything."""
        self.note("FLUSHALL")
        with redis.Redis.from_url(self.valkey.server.url) as client:
            client.flushall()

    async def stop_redis(self) -> None:
        """Redis is away for some seconds, and comes back empty."""
        seconds = self.random.uniform(1, 4)
        self.note(f"Redis away for {seconds:.1f} s")
        self.valkey.stop(signal.SIGKILL)
        await asyncio.sleep(seconds)
        await asyncio.to_thread(self.valkey.start)

    async def restart_postgres(self) -> None:
        """As `pg_ctl restart -m immediate`."""
        self.note("Postgres restarts, immediate")
        await asyncio.to_thread(self.postgres.stop, signal.SIGQUIT)
        await asyncio.to_thread(self.postgres.start)

    async def stop_workers(self) -> None:
        """Nobody keeps time for some seconds."""
        seconds = self.random.uniform(2, 5)
        self.note(f"no worker for {seconds:.1f} s")
        for name in self.workers:
            self.system.kill(name)
        await asyncio.sleep(seconds)
        for name in self.workers:
            self.system.start(name, "worker")

    async def trouble_sferum(self) -> None:
        """Sferum fails some of the next requests."""
        method = self.random.choice(
            ["calls.start", "execute", "messages.getCurrentCalls", "calls.forceFinish", "calls.start", "execute"]
        )
        fault: dict[str, Any] = self.random.choice(
            [
                {"kind": "lost"},
                {"kind": "lost"},
                {"kind": "refused"},
                {"kind": "delay", "ms": 2500},
                {"kind": "error", "code": 10},
                {"kind": "error", "code": 6},
                {"kind": "html"},
                {"kind": "truncated"},
                {"kind": "status", "code": 503},
            ]
        )
        order = {"method": method, "times": self.random.randint(1, 4)} | fault
        self.note(f"Sferum: {json.dumps(order)}")
        (await self.system.http.post(f"{self.system.sandbox}/control/faults", json=order)).raise_for_status()

    async def answer_late(self) -> None:
        """Sferum does what it is asked and answers only when nobody waits any more."""
        order = {"method": self.random.choice(["calls.start", "execute"]), "times": 1, "kind": "delay", "ms": 8000}
        self.note(f"Sferum: {json.dumps(order)}")
        (await self.system.http.post(f"{self.system.sandbox}/control/faults", json=order)).raise_for_status()

    async def slow_sferum(self) -> None:
        """Every request takes longer from now on."""
        latency = self.random.choice([0, 100, 300, 800])
        self.note(f"Sferum takes {latency} ms")
        settings = {"latency_ms": latency}
        (await self.system.http.post(f"{self.system.sandbox}/control/settings", json=settings)).raise_for_status()


FAULTS = {
    "flush": Fire.flush_redis,
    "no redis": Fire.stop_redis,
    "postgres": Fire.restart_postgres,
    "no workers": Fire.stop_workers,
    "sferum": Fire.trouble_sferum,
    "late answers": Fire.answer_late,
    "slow sferum": Fire.slow_sferum,
}


@dataclass(frozen=True)
class Outcome:
    """What came of it; lateness in seconds, of each conference, of when it was saved."""

    lost: Sequence[str]
    doubled: Sequence[str]
    open_after_end: Sequence[str]
    started_after_end: Sequence[str]
    impossible_steps: Sequence[str]
    start_lateness: Sequence[float]
    end_lateness: Sequence[float]
    call_outlived_by: Sequence[float]
    strays: int
    log: Sequence[str]

    @property
    def broken(self) -> list[str]:
        """Every promise that was not kept."""
        kinds = {
            "lost": self.lost,
            "doubled": self.doubled,
            "open after its end": self.open_after_end,
            "started after its end": self.started_after_end,
            "impossible step": self.impossible_steps,
        }
        return [f"{kind}: {each}" for kind, found in kinds.items() for each in found]


@contextmanager
def servers() -> Iterator[tuple[Path, Restartable, Restartable]]:
    """A directory for everything, and the servers in it."""
    with tempfile.TemporaryDirectory(prefix="sferum-fire-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        directory.chmod(0o755)
        # Durable: what was committed must outlive a crash.
        with (
            _running(prepare_postgres(directory / "postgres")) as postgres,
            _running(prepare_valkey(directory / "valkey")) as valkey,
        ):
            data_dir = directory / "system"
            data_dir.mkdir()
            yield data_dir, postgres, valkey


async def under_fire(plan: Plan) -> Outcome:
    """Lets the conferences of the plan start and end under its faults, and judges."""
    random = Random(plan.seed)
    with servers() as (data_dir, postgres, valkey):
        url = await database_of(postgres.server.url, "fire")
        async with running_system(
            database_url=url, redis_url=valkey.server.url, data_dir=data_dir, prepare_seconds=plan.prepare_seconds
        ) as system:
            places = await found_schools(system, plan.schools, pupils=plan.pupils)
            ahead = timedelta(seconds=plan.prepare_seconds / 2 + 1)
            first = datetime.now(UTC) + ahead
            starts = [first + plan.spread * random.random() for _ in range(plan.conferences)]
            ids = await plan_conferences(system, places, starts, plan.lasting)
            fire = Fire(system, postgres, valkey, plan, random)
            burning = [asyncio.create_task(fire.kill_workers()), asyncio.create_task(fire.throw_faults())]
            over_at = max(starts) + plan.lasting
            await asyncio.sleep((over_at - datetime.now(UTC)).total_seconds())
            async with fire.breaking:
                for task in burning:
                    task.cancel()
            for result in await asyncio.gather(*burning, return_exceptions=True):
                if isinstance(result, Exception):
                    raise result
            await put_out(fire)
            await _settle(system, len(ids))
            return await _judge(system, ids, fire.log)


async def put_out(fire: Fire) -> None:
    """Everything works again."""
    for server in (fire.postgres, fire.valkey):
        if server.process is None:
            await asyncio.to_thread(server.start)
    for name in fire.workers:
        if name not in fire.system.processes:
            fire.system.start(name, "worker")
    control = f"{fire.system.sandbox}/control"
    (await fire.system.http.delete(f"{control}/faults")).raise_for_status()
    (await fire.system.http.post(f"{control}/settings", json={"latency_ms": 0})).raise_for_status()


async def _settle(system: System, count: int) -> None:
    """Waits until every conference and every call is over, or it is clear that they never will be."""
    deadline = time.monotonic() + SETTLED_WITHIN
    while time.monotonic() < deadline:
        over = await _rows(
            system, "select count(*) as over from videoconferences where status in ('FINISHED', 'FAILED')"
        )
        calls = await system.control("calls")
        if over[0]["over"] == count and all(call["finished_at"] is not None for call in calls):
            return
        await asyncio.sleep(0.25)


async def _rows(system: System, statement: str) -> list[Mapping[str, Any]]:
    async with system.container.engine().connect() as connection:
        return [dict(row._mapping) for row in await connection.execute(text(statement))]


async def _judge(system: System, ids: Sequence[VideoconferenceId], log: Sequence[str]) -> Outcome:
    slots = {
        row["id"]: (row["starts_at"], row["ends_at"])
        for row in await _rows(system, "select id, starts_at, ends_at from videoconferences")
    }
    owner = {row["id"]: row["videoconference_id"] for row in await _rows(system, "select * from calls")}
    changes: defaultdict[Any, list[Mapping[str, Any]]] = defaultdict(list)
    for row in await _rows(system, "select * from outbox where subject = 'videoconference' order by id"):
        changes[row["subject_id"]].append(row)
    lost, doubled, impossible = [], [], []
    start_lateness, end_lateness = [], []
    shown = set[str]()
    for id in ids:
        starts_at, ends_at = slots[id]
        states = ["SCHEDULED", *(change["payload"]["status"] for change in changes[id])]
        steps = {(before, after) for before, after in pairwise(states) if before != after}
        versions = [change["version"] for change in changes[id]]
        if not steps <= LEGAL or versions != sorted(set(versions)):
            impossible.append(f"{id}: {states}, versions {versions}")
        told = {change["payload"]["status"]: change for change in reversed(changes[id])}
        if not {"ACTIVE", "FINISHED"} <= told.keys():
            lost.append(f"{id}: {states}")
            continue
        start_lateness.append((told["ACTIVE"]["at"] - starts_at).total_seconds())
        end_lateness.append((told["FINISHED"]["at"] - ends_at).total_seconds())
        if start_lateness[-1] < 0 or end_lateness[-1] < 0:
            impossible.append(f"{id}: before its time")
        links = {change["payload"]["link"] for change in changes[id] if change["payload"]["status"] == "ACTIVE"}
        shown |= links - {None}
        if len(links) != 1:
            doubled.append(f"{id}: {sorted(map(str, links))}")
    calls = await system.control("calls")
    ends = {call["call_id"]: slots[owner[marked(call["name"])]][1].timestamp() for call in calls}
    # When Sferum was asked, not when it did it: it may answer late.
    asked: defaultdict[str, float] = defaultdict(float)
    for request in await system.control("requests"):
        for mark in re.findall(r"#[0-9a-f]{32}", json.dumps(request["parameters"])):
            asked[mark] = max(asked[mark], request["at"])
    finished = [call for call in calls if call["finished_at"] is not None]
    return Outcome(
        lost=lost,
        doubled=doubled,
        open_after_end=[call["name"] for call in calls if call["finished_at"] is None],
        started_after_end=[call["name"] for call in calls if asked[call["name"].split()[-1]] > ends[call["call_id"]]],
        impossible_steps=impossible,
        start_lateness=start_lateness,
        end_lateness=end_lateness,
        call_outlived_by=[
            call["finished_at"] - ends[call["call_id"]] for call in finished if call["join_link"] in shown
        ],
        strays=sum(call["join_link"] not in shown for call in calls),
        log=log,
    )
