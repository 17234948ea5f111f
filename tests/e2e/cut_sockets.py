"""Subscribers whose sockets are cut, and API processes that are killed, while conferences change without a pause.

`python -m tests.e2e.cut_sockets --changes 1000 --cuts 100 --kills 20` says what came of it (P36, P39).
"""

import argparse
import asyncio
import json
import random
import signal
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from sqlalchemy import select
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

from application.roster import Told
from domain.access import Viewer
from domain.audit import SCHEDULE
from domain.ids import OrganizationId, PersonId, VideoconferenceId, class_id, default_chat_id
from domain.participant import Name
from domain.roster_events import ClassSaved, PersonSaved, PupilEnrolled
from domain.videoconference import Revision, TimeSlot, VideoconferenceType, schedule
from graphql_api.global_ids import global_id
from infrastructure.container import Container
from infrastructure.db.tables import outbox
from infrastructure.embedded.postgres import prepare_postgres
from infrastructure.embedded.valkey import prepare_valkey
from tests.bench.table import percentile
from tests.e2e.system import PATIENCE_SECONDS, System, free_port, running_system
from tests.servers import database_of, running

SCHOOL = "school-cut"
PUPILS = ("pupil-1", "pupil-2", "pupil-3", "pupil-4")
STEADY = "pupil-1"
"""Whose socket is never cut; they are the process's that is never killed."""
MINE = """subscription { myVideoconferences {
  __typename
  ... on VideoconferencesNow { videoconferences { id name version } truncated }
  ... on VideoconferenceChanged { videoconference { id name version } }
  ... on VideoconferenceGone { id }
} }"""

State = dict[str, tuple[int, str]]
"""Version and name of each conference that somebody holds, by its id."""


@dataclass(frozen=True)
class Plan:
    """How much is done: changes of conferences, cuts of sockets, kills of the first API process."""

    changes: int
    cuts: int
    kills: int
    seed: int


@dataclass
class Outcome:
    """What came of it. `unseen` are committed changes of which the steady subscriber never heard."""

    changes: int
    cuts: int
    kills: int
    differing: dict[str, str]
    unseen: list[tuple[str, int]]
    disorder: list[tuple[str, int]]
    delays: list[float]

    def __str__(self) -> str:
        delays = f"p50 {percentile(self.delays, 0.5) * 1000:.0f} ms, p99 {percentile(self.delays, 0.99) * 1000:.0f} ms"
        return (
            f"{self.changes} changes, {self.cuts} cuts, {self.kills} kills: {len(self.differing)} final states differ, "
            f"{len(self.unseen)} committed changes unseen, {len(self.disorder)} out of order or twice; {delays}"
        )


@dataclass
class _Phone:
    """A pupil's phone: what it holds, and all that it was told. It comes back whenever it is cut off."""

    login: str
    token: str
    ports: list[int]
    state: State = field(default_factory=dict)
    heard: dict[tuple[str, int], float] = field(default_factory=dict)
    disorder: list[tuple[str, int]] = field(default_factory=list)
    socket: ClientConnection | None = None
    visits: int = 0

    async def run(self) -> None:
        while True:
            port = self.ports[self.visits % len(self.ports)]
            self.visits += 1
            with suppress(ConnectionClosed, InvalidHandshake, OSError, TimeoutError):
                async with connect(
                    f"ws://127.0.0.1:{port}/graphql", subprotocols=[Subprotocol("graphql-transport-ws")], proxy=None
                ) as socket:
                    self.socket = socket
                    authorization = {"authorization": f"Bearer {self.token}"}
                    await socket.send(json.dumps({"type": "connection_init", "payload": authorization}))
                    await socket.recv()
                    await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": MINE}}))
                    while True:
                        self._take(json.loads(await socket.recv()))
            self.socket = None
            await asyncio.sleep(0.05)

    def _take(self, message: Any) -> None:
        if message["type"] != "next":
            raise AssertionError(message)
        news = message["payload"]["data"]["myVideoconferences"]
        match news["__typename"]:
            case "VideoconferencesNow":
                self.state = {}
                for shown in news["videoconferences"]:
                    self._keep(shown)
            case "VideoconferenceChanged":
                shown = news["videoconference"]
                if shown["id"] in self.state and shown["version"] <= self.state[shown["id"]][0]:
                    self.disorder.append((shown["id"], shown["version"]))
                self._keep(shown)
            case _:
                self.state.pop(news["id"], None)
                self.heard[news["id"], -1] = time.monotonic()

    def _keep(self, shown: Any) -> None:
        self.state[shown["id"]] = (shown["version"], shown["name"])
        self.heard.setdefault((shown["id"], shown["version"]), time.monotonic())


async def cut_and_kill(plan: Plan) -> Outcome:
    """Carries the plan out on servers of its own."""
    with tempfile.TemporaryDirectory(prefix="sferum-cut-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        directory.chmod(0o755)  # noqa: ASYNC240
        with (
            running(prepare_postgres(directory / "postgres", durable=False)) as postgres,
            running(prepare_valkey(directory / "valkey", durable=False)) as redis,
        ):
            data_dir = directory / "data"
            data_dir.mkdir()
            database = await database_of(postgres, "cut")
            async with (
                running_system(database_url=database, redis_url=redis, data_dir=data_dir, workers=0) as system,
                _another_api(system) as other,
            ):
                return await _carry_out(plan, system, other)


async def _carry_out(plan: Plan, system: System, other: System) -> Outcome:
    """`system`'s API is killed, `other`'s is not."""
    chance = random.Random(plan.seed)
    school = await _school(system.container)
    steady = _Phone(STEADY, system.token(STEADY, SCHOOL), [other.settings.port])
    ports = [system.settings.port, other.settings.port]
    phones = [steady, *(_Phone(login, system.token(login, SCHOOL), ports) for login in PUPILS[1:])]
    listening = [asyncio.create_task(phone.run()) for phone in phones]
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not all(phone.socket for phone in phones):
                await asyncio.sleep(0.05)
        await asyncio.sleep(1)
        over = asyncio.Event()
        cutting = asyncio.create_task(_cut(plan, phones[1:], chance, over))
        killing = asyncio.create_task(_kill(plan, system, chance, over))
        committed = await _change(plan, system.container, school, chance, cutting, killing)
        over.set()
        cuts, kills = await cutting, await killing
        wanted = await _until_all_agree(phones, other)
        versions = await _versions(system.container)
    finally:
        for task in listening:
            task.cancel()
        ended = await asyncio.gather(*listening, return_exceptions=True)
    for error in ended:
        if isinstance(error, AssertionError):
            raise error
    return Outcome(
        changes=len(committed),
        cuts=cuts,
        kills=kills,
        differing={phone.login: _difference(phone.state, wanted) for phone in phones if phone.state != wanted},
        unseen=[change for change in versions if change not in steady.heard],
        disorder=[change for phone in phones for change in phone.disorder],
        delays=[steady.heard[change] - at for change, at in committed.items() if change in steady.heard],
    )


async def _change(
    plan: Plan, container: Container, school: OrganizationId, chance: random.Random, *until: asyncio.Task[int]
) -> dict[tuple[str, int], float]:
    """Makes, renames and deletes conferences of the day; answers with when each change was committed.

    Goes on until all cuts and kills are done.
    """
    chat = default_chat_id(school, "class", class_id(school, "1"))
    present: list[VideoconferenceId] = []
    committed: dict[tuple[str, int], float] = {}
    while len(committed) < plan.changes or not all(task.done() for task in until):
        async with container.begin()(SCHEDULE) as uow:
            now = await uow.now()
            if len(present) < 5 or (len(present) < 60 and chance.random() < 0.2):
                conference = schedule(
                    id=VideoconferenceId(uuid4()),
                    organization_id=school,
                    type=VideoconferenceType.VIDEO_CALL,
                    name="0",
                    chat_id=chat,
                    lesson_id=None,
                    made_by=None,
                    slot=TimeSlot(now + timedelta(hours=1), now + timedelta(hours=2)),
                    prepare_ahead=timedelta(),
                )
                present.append(conference.id)
            else:
                found = await uow.videoconferences.find(chance.choice(present), lock=True)
                assert found is not None
                conference = found
                if chance.random() < 0.1:
                    conference.delete(at=now)
                    present.remove(conference.id)
                else:
                    revision = replace(Revision.of(conference), name=str(conference.version))
                    conference.revise(revision, at=now, prepare_ahead=timedelta())
            await uow.videoconferences.save(conference)
        id = str(global_id("Videoconference", conference.id))
        committed[id, -1 if conference.deleted else conference.version] = time.monotonic()
        await asyncio.sleep(chance.random() * 0.04)
    return committed


async def _cut(plan: Plan, phones: list[_Phone], chance: random.Random, over: asyncio.Event) -> int:
    """Cuts sockets without a word, and answers with how many."""
    cuts = 0
    while cuts < plan.cuts and not over.is_set():
        await asyncio.sleep(0.1 + chance.random() * 0.3)
        if socket := chance.choice(phones).socket:
            socket.transport.abort()
            cuts += 1
    return cuts


async def _kill(plan: Plan, system: System, chance: random.Random, over: asyncio.Event) -> int:
    """Kills the API with -9 and starts it anew, and answers with how often."""
    kills = 0
    while kills < plan.kills and not over.is_set():
        await asyncio.sleep(0.5 + chance.random())
        system.kill("api")
        kills += 1
        system.start("api", "api")
        await system.until_ready()
    return kills


async def _until_all_agree(phones: list[_Phone], system: System) -> State:
    """What a fresh subscription is told, once all phones hold the same, or after a while."""
    deadline = time.monotonic() + 10
    while True:
        fresh = _Phone(STEADY, system.token(STEADY, SCHOOL), [system.settings.port])
        task = asyncio.create_task(fresh.run())
        try:
            while not fresh.heard:
                await asyncio.sleep(0.02)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if all(phone.state == fresh.state for phone in phones) or time.monotonic() > deadline:
            return fresh.state
        await asyncio.sleep(0.2)


def _difference(held: State, wanted: State) -> str:
    differing = {id: (held.get(id), wanted.get(id)) for id in held.keys() | wanted if held.get(id) != wanted.get(id)}
    return f"{len(differing)}: {dict(list(differing.items())[:3])}"


async def _versions(container: Container) -> list[tuple[str, int]]:
    """Every change that was committed, by what the outbox holds; -1 for a deletion."""
    query = select(outbox.c.subject_id, outbox.c.version, outbox.c.payload).where(outbox.c.subject == "videoconference")
    async with container.engine().connect() as connection:
        rows = (await connection.execute(query)).all()
    return [
        (str(global_id("Videoconference", row.subject_id)), -1 if row.payload["deleted"] else row.version)
        for row in rows
    ]


async def _school(container: Container) -> OrganizationId:
    """A class of four pupils, where it is noon."""
    offset = 12 - datetime.now(UTC).hour
    # Etc/GMT counts westwards.
    zone = f"Etc/GMT{-offset:+d}" if offset else "UTC"
    school = await container.use_cases().found_organization(school_id=SCHOOL, name="Школа", time_zone=zone)
    service = Viewer(PersonId("service"), school, roster_service=True)
    told = [Told("class", ClassSaved("1", "1 А"))]
    for login in PUPILS:
        told.append(Told(f"{login} 1", PersonSaved(PersonId(login), Name("Я", "Я"))))
        told.append(Told(f"{login} 2", PupilEnrolled(PersonId(login), "1")))
    await container.use_cases().apply_roster_events(service, told)
    return school


@asynccontextmanager
async def _another_api(system: System) -> AsyncIterator[System]:
    """One more API process on the same storage."""
    settings = system.settings.model_copy(update={"port": free_port()})
    async with httpx.AsyncClient(trust_env=False, timeout=10) as http:
        other = System(settings, system.container, http)
        other.start("another-api", "api")
        try:
            await other.until_ready()
            yield other
        finally:
            for process in other.processes.values():
                process.send_signal(signal.SIGTERM)
                process.wait(timeout=10)


def main() -> None:
    """Carries out what the arguments say."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.cut_sockets", description=__doc__)
    parser.add_argument("--changes", type=int, default=1000)
    parser.add_argument("--cuts", type=int, default=100)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    given = parser.parse_args()
    plan = Plan(given.changes, given.cuts, given.kills, given.seed)
    outcome = asyncio.run(cut_and_kill(plan))
    print(f"seed {plan.seed}: {outcome}")
    for name in ("differing", "unseen", "disorder"):
        if found := getattr(outcome, name):
            print(name, found)


if __name__ == "__main__":
    main()
