"""Row D: one change of a conference for which thousands of sockets wait, five of each pupil.

Ours is measured from the commit in another process to the last socket, with all that lies between; the floor, which
reads nothing and looks at nobody's rights, from the request that makes it send.
"""

import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from sqlalchemy import text

from application.roster import Told
from domain.access import Viewer
from domain.audit import SCHEDULE
from domain.ids import OrganizationId, PersonId, VideoconferenceId, class_id, default_chat_id
from domain.roster_events import ClassSaved
from domain.videoconference import Revision, TimeSlot, VideoconferenceType, schedule
from graphql_api.global_ids import global_id
from infrastructure.container import Container, assembled
from infrastructure.sandbox.school import issue_token
from infrastructure.settings import Settings, load_settings
from tests.bench.chats_page import process
from tests.bench.table import Row
from tests.e2e.system import free_port

SIZES = (1000, 5000)
ROUNDS = 9
SOCKETS_OF_ONE = 5
DOCUMENT = "subscription ($id: ID!) { videoconference(id: $id) { id name status startsAt endsAt link version } }"

PUPILS = """
with made as (
  insert into participants (id, organization_id, person_id, last_name, first_name, blocked, full_name, sort_key,
                            search_key)
  select gen_random_uuid(), :organization, 'pupil-' || number, 'Я', 'Я', false, 'Я Я', 'я', 'я'
  from generate_series(1, :count) number
  returning id
), enrolled as (
  insert into enrolments (participant_id, organization_id, class_id) select id, :organization, :class from made
)
insert into memberships (chat_id, participant_id, role, capacities, grounds)
select :chat, id, 'MEMBER', '{PUPIL}', '[]' from made
"""


async def measure(database_url: str, redis_url: str, data_dir: Path) -> list[Row]:
    """Ours, Strawberry's own way and the floor, one after the other, for each size."""
    _raise_file_limit()
    settings = load_settings(
        environment="development",
        database_url=database_url,
        redis_url=redis_url,
        data_dir=data_dir,
        port=free_port(),
        sandbox_port=free_port(),
    )
    rows: list[Row] = []
    async with assembled(settings) as container, httpx.AsyncClient(trust_env=False, timeout=60) as http:

        async def tell(port: int) -> int:
            began = time.monotonic_ns()
            await http.post(f"http://127.0.0.1:{port}/tell")
            return began

        ways: dict[str, tuple[str, ...]] = {
            "ours": ("graphql_api.cli", "api"),
            "stock": ("tests.bench.fan_out_servers", "stock"),
            "floor": ("tests.bench.fan_out_servers", "floor"),
        }
        with process(settings, "graphql_api.cli", "sandbox"):
            for size in SIZES:
                school = f"school-{size}"
                pupils = size // SOCKETS_OF_ONE
                conference = await _a_conference(container, school, pupils)
                tokens = [issue_token(settings, sub=f"pupil-{number}", org=school) for number in range(1, pupils + 1)]
                payload = {"query": DOCUMENT, "variables": {"id": global_id("Videoconference", conference)}}
                triggers = {"floor": tell}
                found = {}
                for name, arguments in ways.items():
                    own = settings.model_copy(update={"port": free_port()})
                    crowd = data_dir / "crowd.json"
                    crowd.write_text(
                        json.dumps({"port": own.port, "tokens": tokens * SOCKETS_OF_ONE, "payload": payload})
                    )
                    trigger = triggers.get(name, partial(_change, container, conference))
                    more = () if name == "ours" else (str(own.port),)
                    found[name] = await _measured(own, http, (*arguments, *more), crowd, size, trigger)
                rows += _rows(size, found)
    return rows


@dataclass(frozen=True)
class _Figures:
    first: float
    last: float
    cpu: float
    memory: float
    connected: float


def _rows(size: int, found: dict[str, _Figures]) -> list[Row]:
    floor = found["floor"]
    rows = []
    for name in ("ours", "stock"):
        it = found[name]
        for what, ours, baseline in (
            ("last of them, median, ms", it.last, floor.last),
            ("last of them, the first time, ms", it.first, floor.first),
            ("CPU of the server for each, µs", it.cpu, floor.cpu),
            ("memory of the server for each, KiB", it.memory, floor.memory),
            ("all connected and told the present state, s", it.connected, floor.connected),
        ):
            whose = "" if name == "ours" else " (Strawberry's own handler)"
            rows.append(
                Row(f"D: {size} sockets{whose}: {what}", f"{ours:.1f}", f"{baseline:.1f}", f"{ours / baseline:.2f}")
            )
    return rows


async def _measured(
    settings: Settings,
    http: httpx.AsyncClient,
    arguments: tuple[str, ...],
    crowd: Path,
    size: int,
    trigger: Callable[[int], Awaitable[int]],
) -> _Figures:
    with process(settings, *arguments) as server:
        await _until_answers(http, settings.port)
        before = _memory(server.pid)
        async with _clients(crowd) as clients:
            connected = (await _line(clients))["ready"]
            # Whatever is still being written about the log-ins is over by then.
            await asyncio.sleep(2)
            memory = (_memory(server.pid) - before) / size
            took = []
            used = 0.0
            assert clients.stdin is not None
            for _ in range(ROUNDS + 1):
                cpu = _cpu(server.pid)
                clients.stdin.write(b"round\n")
                began = await trigger(settings.port)
                times = await _line(clients)
                took.append((times["last"] - began) / 1e6)
                await asyncio.sleep(0.3)
                used += _cpu(server.pid) - cpu
            clients.stdin.write(b"end\n")
    return _Figures(took[0], statistics.median(took[1:]), used / (ROUNDS + 1) / size * 1e6, memory, connected)


async def _a_conference(container: Container, school: str, pupils: int) -> VideoconferenceId:
    """A call, an hour from now, of a school's one class with so many pupils."""
    organization = await container.use_cases().found_organization(school_id=school, name="Школа", time_zone="UTC")
    service = Viewer(PersonId("service"), organization, roster_service=True)
    await container.use_cases().apply_roster_events(service, [Told("1", ClassSaved("1", "1 А"))])
    chat = default_chat_id(organization, "class", class_id(organization, "1"))
    values = {"organization": organization, "class": class_id(organization, "1"), "chat": chat, "count": pupils}
    async with container.engine().begin() as connection:
        await connection.execute(text(PUPILS), values)
    async with container.engine().execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        await connection.execute(text("vacuum analyze"))
    async with container.begin()(SCHEDULE) as uow:
        now = await uow.now()
        conference = schedule(
            id=VideoconferenceId(uuid4()),
            organization_id=OrganizationId(organization),
            type=VideoconferenceType.VIDEO_CALL,
            name="Час",
            chat_id=chat,
            lesson_id=None,
            made_by=None,
            slot=TimeSlot(now + timedelta(hours=1), now + timedelta(hours=2)),
            prepare_ahead=timedelta(minutes=1),
        )
        await uow.videoconferences.save(conference)
    return conference.id


async def _change(container: Container, id: VideoconferenceId, port: int) -> int:
    """Another name, handed on as by the process that saved it; the monotonic nanoseconds of the commit."""
    async with container.begin()(SCHEDULE) as uow:
        conference = await uow.videoconferences.find(id, lock=True)
        assert conference is not None
        name = f"Час {uuid4().hex[:8]}"
        conference.revise(
            replace(Revision.of(conference), name=name), at=await uow.now(), prepare_ahead=timedelta(minutes=1)
        )
        await uow.videoconferences.save(conference)
    committed = time.monotonic_ns()
    await container.relay().hand_on()
    return committed


@asynccontextmanager
async def _clients(crowd: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.bench.fan_out_clients",
        str(crowd),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        yield process
        await asyncio.wait_for(process.wait(), 15)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _line(process: asyncio.subprocess.Process) -> Any:
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), 120)
    assert line, "the clients ended"
    return json.loads(line)


async def _until_answers(http: httpx.AsyncClient, port: int) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                if (await http.get(f"http://127.0.0.1:{port}/health/ready")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)


def _memory(pid: int) -> float:
    """KiB that the process holds in memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize() / 1024


def _cpu(pid: int) -> float:
    """Seconds of a processor that the process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _raise_file_limit() -> None:
    """For as many sockets as there are, in the processes that we start too."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    enough = max(SIZES) + 500
    assert most == resource.RLIM_INFINITY or most >= enough, f"{enough} open files are needed, {most} are allowed"
