"""Real servers for the tests: one Postgres and one Valkey for each test process, a fresh database for each test."""

import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import redis
from hypothesis import HealthCheck, settings

from infrastructure.embedded.postgres import prepare_postgres
from infrastructure.embedded.valkey import prepare_valkey
from tests.sandbox import Client, running_sandbox
from tests.servers import database_of, migrate, on_server, running

settings.register_profile("project", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("project")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def server_directory() -> Iterator[Path]:
    """Where the servers of this test process keep their data."""
    # Not below pytest's own directory, which the next run of pytest closes to the user that Postgres runs as.
    with tempfile.TemporaryDirectory(prefix="sferum-tests-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        directory.chmod(0o755)
        yield directory


@pytest.fixture(scope="session")
def postgres(server_directory: Path) -> Iterator[str]:
    """A Postgres whose database `postgres` is migrated, to be copied."""
    with running(prepare_postgres(server_directory / "postgres", durable=False)) as url:
        migrate(url)
        yield url


@pytest.fixture
async def database_url(postgres: str) -> AsyncIterator[str]:
    """The address of a migrated database that only this test has."""
    name = f"test_{uuid4().hex}"
    yield await database_of(postgres, name, template="postgres")
    await on_server(postgres, f'drop database "{name}" with (force)')


@pytest.fixture(scope="session")
def valkey(server_directory: Path) -> Iterator[str]:
    """A Valkey."""
    with running(prepare_valkey(server_directory / "valkey", durable=False)) as url:
        yield url


@pytest.fixture
def redis_url(valkey: str) -> str:
    """The address of a Redis with nothing in it."""

    with redis.Redis.from_url(valkey) as client:
        client.flushall()
    return valkey


@pytest.fixture(scope="session")
def sandbox_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A sandbox for the whole test process."""
    with running_sandbox(tmp_path_factory.mktemp("sandbox")) as client:
        yield client


@pytest.fixture
def sandbox(sandbox_server: Client) -> Iterator[Client]:
    """The sandbox without faults, its settings put back afterwards."""
    defaults = sandbox_server.control("settings")
    yield sandbox_server
    sandbox_server.http.delete("/control/faults").raise_for_status()
    sandbox_server.change(**defaults)


@pytest.fixture
def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
