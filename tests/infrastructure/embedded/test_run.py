"""`sferum run` with real servers, and programs of a few lines in place of the API, the worker and the sandbox."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import redis
from sqlalchemy import make_url

from infrastructure.embedded.run import run
from infrastructure.embedded.server import CannotStart, check_room
from infrastructure.settings import load_settings
from tests.e2e.system import free_port

RUN = """
import sys
from infrastructure.embedded.run import run
from infrastructure.settings import load_settings

settings = load_settings(environment="development", demo=True)
sys.exit(run(settings, lambda name: [sys.executable, "-c", sys.argv[1], name]))
"""

PART = """
import http.server, os, socketserver, sys, time
from pathlib import Path

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == page else 404)
        self.end_headers()

def serve(port):
    socketserver.TCPServer.allow_reuse_address = True
    with socketserver.TCPServer((os.environ["SFERUM_HOST"], int(port)), Answer) as server:
        server.serve_forever()

name = sys.argv[1]
print("I am", name, file=sys.stderr, flush=True)
if name in os.environ.get("BROKEN", "").split():
    sys.exit("the reason of " + name)
match name:
    case "migrate":
        urls = os.environ["SFERUM_DATABASE_URL"] + chr(10) + os.environ["SFERUM_REDIS_URL"]
        Path(os.environ["SFERUM_DATA_DIR"], "urls").write_text(urls)
    case "demo":
        print("demo: two schools")
    case "sandbox":
        page = "/control/settings"
        serve(os.environ["SFERUM_SANDBOX_PORT"])
    case "api":
        page = "/health/ready"
        serve(os.environ["SFERUM_PORT"])
    case "worker":
        time.sleep(600)
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@dataclass
class Place:
    """A data directory and two free ports."""

    data: Path
    port: int = field(default_factory=free_port)
    sandbox_port: int = field(default_factory=free_port)

    @contextmanager
    def running(self, **environment: str) -> Iterator[subprocess.Popen[str]]:
        """`sferum run` in a process of its own."""
        ours = {
            "SFERUM_DATA_DIR": str(self.data),
            "SFERUM_PORT": str(self.port),
            "SFERUM_SANDBOX_PORT": str(self.sandbox_port),
            # Found in the environment of whatever is left running.
            "PLACE": str(self.data),
        }
        with subprocess.Popen(
            [sys.executable, "-c", RUN, PART],
            env=os.environ | ours | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def pids(self, *words: str) -> list[int]:
        """The processes of this place whose command line has these words."""
        return [
            int(process.name)
            for process in Path("/proc").iterdir()
            if process.name.isdigit() and self._is_here(process, words)
        ]

    def _is_here(self, process: Path, words: tuple[str, ...]) -> bool:
        try:
            line = (process / "cmdline").read_text().split("\0")
            here = f"PLACE={self.data}\0" in (process / "environ").read_text() or f"{self.data}/postgres/data" in line
        except OSError:
            return False
        return here and all(word in line for word in words)

    async def sql(self, statement: str) -> Any:
        """The one value of a statement on the service's database."""
        url = make_url((self.data / "urls").read_text().splitlines()[0])
        connection = await asyncpg.connect(user=url.username, host=str(url.query["host"]), database=url.database)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    def redis(self) -> "redis.Redis":
        return redis.Redis.from_url((self.data / "urls").read_text().splitlines()[1])


@pytest.fixture(scope="module")
def cluster() -> Iterator[Path]:
    """A data directory that somebody has run on."""
    # Not below pytest's own directory: each start of pytest shuts that one to the user that Postgres runs as.
    with tempfile.TemporaryDirectory(prefix="sferum-run-") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory).resolve() / "data"


@pytest.fixture
def place(cluster: Path) -> Iterator[Place]:
    place = Place(cluster)
    yield place
    try:
        wait_until(lambda: not place.pids())
    finally:
        for pid in place.pids():
            os.kill(pid, signal.SIGKILL)


def until_it_runs(process: subprocess.Popen[str]) -> list[str]:
    """What it says until everything runs."""
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line.rstrip("\n"))
        if line.startswith("Ctrl-C"):
            return said
    raise AssertionError("\n".join(said))


def wait_until(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT])
def test_it_runs_every_part_until_it_is_asked_to_stop(place: Place, asked: signal.Signals) -> None:
    with place.running() as process:
        said = until_it_runs(process)
        parts = {name: len(place.pids(PART, name)) for name in ("api", "worker", "sandbox", "migrate", "demo")}
        process.send_signal(asked)
        last, _ = process.communicate(timeout=30)

    assert parts == {"api": 1, "worker": 2, "sandbox": 1, "migrate": 0, "demo": 0}
    assert "demo: two schools" in said
    assert f"  GraphQL    http://127.0.0.1:{place.port}/graphql" in said
    assert "  vorontsova      Воронцова Е. В., администратор чатов" in said
    assert said.index("demo: two schools") < said.index("Everything runs.")
    assert last == "Stopping.\n"
    assert process.returncode == 0
    assert place.pids() == []


def test_what_parts_log_goes_to_files_and_not_to_the_terminal(place: Place) -> None:
    with place.running(BROKEN="sandbox") as process:
        said, _ = process.communicate(timeout=30)

    assert "I am migrate" not in said
    assert (place.data / "logs" / "migrate.log").read_text().endswith("I am migrate\n")


def test_a_part_that_dies_is_told_of_and_started_again(place: Place) -> None:
    with place.running() as process:
        until_it_runs(process)
        (api,) = place.pids(PART, "api")
        os.kill(api, signal.SIGKILL)
        wait_until(lambda: place.pids(PART, "api") not in ([], [api]), seconds=1.0)
        process.terminate()
        said, _ = process.communicate(timeout=30)

    log = place.data / "logs" / "api.log"
    assert f"api was ended by SIGKILL; it is started again in 0.1 s. Its log: {log}" in said


def test_committed_rows_and_written_keys_survive_kill_9_of_their_servers(place: Place) -> None:
    with place.running() as process:
        until_it_runs(process)
        asyncio.run(place.sql("drop table if exists kept"))
        asyncio.run(place.sql("create table kept as select 41 as value"))
        with place.redis() as keys:
            keys.set("kept", "42")
            valkey = int(keys.info()["process_id"])
        (postgres,) = place.pids("-D", str(place.data / "postgres" / "data"))

        os.kill(postgres, signal.SIGKILL)
        os.kill(valkey, signal.SIGKILL)

        wait_until(lambda: holds(place))
        assert valkey not in place.pids()
        process.terminate()


def test_after_kill_9_of_everything_the_next_run_has_the_same_data(place: Place) -> None:
    with place.running() as process:
        until_it_runs(process)
        asyncio.run(place.sql("drop table if exists kept"))
        asyncio.run(place.sql("create table kept as select 41 as value"))
        with place.redis() as keys:
            keys.set("kept", "42")
        process.kill()
    wait_until(lambda: not place.pids(PART))

    with place.running() as process:
        until_it_runs(process)
        kept = holds(place)
        process.terminate()

    assert kept


def test_a_second_run_on_the_same_data_is_refused_and_the_first_one_stays(place: Place) -> None:
    with place.running() as first:
        until_it_runs(first)
        with Place(place.data).running() as second:
            said, _ = second.communicate(timeout=30)

        assert second.returncode == 1
        assert f"`sferum run` already runs on {place.data} (process {first.pid})." in said
        assert len(place.pids(PART, "api")) == 1
        first.terminate()


@pytest.mark.parametrize(("attribute", "variable"), [("port", "SFERUM_PORT"), ("sandbox_port", "SFERUM_SANDBOX_PORT")])
def test_a_taken_port_is_named_with_its_variable(place: Place, attribute: str, variable: str) -> None:
    with socket.create_server(("127.0.0.1", getattr(place, attribute))), place.running() as process:
        said, _ = process.communicate(timeout=30)

    taken = f"Port {getattr(place, attribute)} of 127.0.0.1 cannot be used: Address already in use."
    assert said == f"{taken} Free it, or set {variable} to another port.\n"
    assert process.returncode == 1


def test_one_port_for_both_is_refused(place: Place) -> None:
    with place.running(SFERUM_SANDBOX_PORT=str(place.port)) as process:
        said, _ = process.communicate(timeout=30)

    assert f"Port {place.port} of 127.0.0.1 cannot be used" in said
    assert process.returncode == 1


@pytest.mark.parametrize("broken", ["migrate", "sandbox", "demo", "api"])
def test_a_part_that_cannot_start_is_told_with_its_reason_and_nothing_is_left(place: Place, broken: str) -> None:
    with place.running(BROKEN=broken) as process:
        said, _ = process.communicate(timeout=30)

    assert f"{place.data}/logs/{broken}.log:\n" in said
    assert said.endswith(f"the reason of {broken}\n")
    assert process.returncode == 1
    assert place.pids() == []


def test_it_can_be_stopped_before_everything_runs(place: Place) -> None:
    with place.running() as process:
        wait_until(lambda: bool(place.pids("-D", str(place.data / "postgres" / "data"))))
        process.terminate()
        said, _ = process.communicate(timeout=30)

    assert "Everything runs." not in said
    assert process.returncode == 0
    assert place.pids() == []


def test_data_of_another_postgres_are_refused_with_what_to_do(place: Place) -> None:
    data = place.data.with_name("older")
    shutil.copytree(place.data, data, ignore=shutil.ignore_patterns("socket", "*.sock"))
    (data / "postgres" / "data" / "PG_VERSION").write_text("15\n")

    with Place(data).running() as process:
        said, _ = process.communicate(timeout=30)

    assert f"The data in {data}/postgres/data were made by PostgreSQL 15; this is PostgreSQL 18." in said
    assert process.returncode == 1


def test_a_data_directory_that_cannot_be_made_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    settings = load_settings(environment="development", data_dir=tmp_path / "file" / "data")

    code = run(settings, lambda name: [name])

    assert code == 1
    assert "Set SFERUM_DATA_DIR to a directory that you may write in." in capsys.readouterr().err


def test_a_full_disk_is_refused_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=10 * 2**20))

    with pytest.raises(CannotStart, match=r"is full: 10 MB are free, 200 MB are needed. .* SFERUM_DATA_DIR"):
        check_room(tmp_path)


def holds(place: Place) -> bool:
    """Whether both servers answer with what was stored."""
    try:
        with place.redis() as keys:
            return bool(keys.get("kept") == b"42") and bool(asyncio.run(place.sql("select value from kept")) == 41)
    except (OSError, redis.ConnectionError, asyncpg.PostgresError):
        return False
