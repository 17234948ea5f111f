"""Embedded servers for tests and benchmarks, and fresh databases on them."""

import asyncio
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from sqlalchemy import make_url

from infrastructure.db.migrate import upgrade
from infrastructure.embedded.server import Server
from infrastructure.settings import load_settings


@contextmanager
def running(server: Server) -> Iterator[str]:
    """The server runs inside the block; hands out its address."""
    process = subprocess.Popen(
        server.argv,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        user=server.uid,
        group=server.uid,
        extra_groups=[] if server.uid is not None else None,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 30
        while not server.is_ready():
            assert process.poll() is None, f"{server.name} ended with {process.returncode}"
            assert time.monotonic() < deadline, f"{server.name} does not answer"
            time.sleep(0.01)
        yield server.url
    finally:
        process.send_signal(server.stop_signal)
        process.wait(timeout=20)


def migrate(url: str) -> None:
    """Brings the database to the newest schema."""
    asyncio.run(upgrade(load_settings(environment="development", database_url=url)))


async def database_of(postgres: str, name: str, *, template: str | None = None) -> str:
    """A new database beside the one of that address: a copy of `template`, or migrated from nothing."""
    url = make_url(postgres)
    await on_server(postgres, f'create database "{name}"' + (f' template "{template}"' if template else ""))
    address = url.set(database=name).render_as_string(hide_password=False)
    if template is None:
        await upgrade(load_settings(environment="development", database_url=address))
    return address


async def on_server(postgres: str, statement: str) -> None:
    """Says it to the server, outside of the database that the address names."""
    url = make_url(postgres)
    connection = await asyncpg.connect(user=url.username, host=str(url.query["host"]), database="template1")
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
