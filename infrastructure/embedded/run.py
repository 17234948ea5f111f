"""`sferum run`: the whole service on one machine, its servers included, as one tree of processes."""

import asyncio
import fcntl
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import asyncpg
import httpx
from sqlalchemy import make_url

from infrastructure.embedded.postgres import prepare_postgres
from infrastructure.embedded.server import CannotStart, Server, check_room
from infrastructure.embedded.tree import Part, Tree, cut, ending, last_lines, spawn
from infrastructure.embedded.valkey import prepare_valkey
from infrastructure.sandbox.logins import LOGINS
from infrastructure.settings import PREFIX, Settings

DATABASE = "sferum"
READY_SECONDS = 60.0
STOP_ORDER = (("api", "worker-1", "worker-2"), ("sandbox",), ("valkey",), ("postgres",))

_LOOK_SECONDS = 0.05

Command = Callable[[str], Sequence[str]]
"""The argument vector of `sferum NAME`."""


class _Stopped(Exception):
    """We were asked to stop."""


@dataclass(slots=True)
class _Wish:
    to_stop: bool = False


def run(settings: Settings, part: Command) -> int:
    """Runs everything on `settings.data_dir` until SIGINT, SIGTERM or SIGHUP, and answers with the exit code.

    It is 1 if something cannot start: the reason is on stderr then, and nothing is left running.
    """
    with _listening() as wish:
        try:
            _run(settings, part, wish)
        except _Stopped:
            pass
        except CannotStart as reason:
            # The terminal's Ctrl-C also ends the programs that prepare a server.
            if not wish.to_stop:
                _say(str(reason), sys.stderr)
                return 1
    return 0


def _run(settings: Settings, command: Command, wish: _Wish) -> None:
    data = settings.data_dir.absolute()
    with ExitStack() as stack:
        stack.enter_context(_alone_on(data))
        _check_ports(settings)
        tree = Tree(_say)
        stack.callback(_stop, tree)
        logs = data / "logs"
        environment = {
            "PYTHONUNBUFFERED": "1",
            f"{PREFIX}ENVIRONMENT": settings.environment,
            f"{PREFIX}HOST": settings.host,
            f"{PREFIX}PORT": str(settings.port),
            f"{PREFIX}SANDBOX_PORT": str(settings.sandbox_port),
            f"{PREFIX}DATA_DIR": str(data),
            f"{PREFIX}DEMO": str(int(settings.demo)),
            f"{PREFIX}REDIS_URL": _redis_url(settings, data, tree, wish),
            f"{PREFIX}DATABASE_URL": _database_url(settings, data, tree, wish),
        }

        def part(name: str, *, argv: Sequence[str] | None = None, speaks: bool = False) -> Part:
            log = logs / f"{name}.log"
            return Part(name, argv or command(name), log, environment=environment, speaks=speaks)

        _say("Bringing the database to its newest schema.")
        _finish(part("migrate"), tree, wish)
        sandbox, api = addresses(settings)
        _start(part("sandbox"), tree, wish, lambda: _answers(f"{sandbox}/control/settings"))
        if settings.demo:
            _finish(part("demo", speaks=True), tree, wish)
        for worker in ("worker-1", "worker-2"):
            tree.start(part(worker, argv=command("worker")))
        _start(part("api"), tree, wish, lambda: _answers(f"{api}/health/ready"))
        _say(announcement(settings, logs))
        with suppress(_Stopped):
            while True:
                _look_after(tree, wish)
        _say("Stopping.")


def addresses(settings: Settings) -> tuple[str, str]:
    """Where this machine reaches the sandbox and the API."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    bracketed = f"[{host}]" if ":" in host else host
    return f"http://{bracketed}:{settings.sandbox_port}", f"http://{bracketed}:{settings.port}"


def announcement(settings: Settings, logs: Path) -> str:
    """What the operator sees when everything runs."""
    sandbox, api = addresses(settings)
    lines = [
        "",
        "Everything runs.",
        f"  GraphQL    {api}/graphql",
        f"  Health     {api}/health/ready",
        f"  Sandbox    {sandbox}/ (VK ID, VK API, the school system's log-in)",
        f"  Logs       {logs}",
        "",
    ]
    if settings.demo:
        width = max(map(len, LOGINS))
        lines += [
            "Demonstration users. A token for one, from another terminal: ./dev sferum token LOGIN",
            *(f"  {login.name:{width}}  {login.title}" for login in LOGINS.values()),
            "",
        ]
    return "\n".join([*lines, f"Ctrl-C stops everything; the data stay in {logs.parent}."])


# The servers


def _redis_url(settings: Settings, data: Path, tree: Tree, wish: _Wish) -> str:
    if settings.redis_url is not None:
        return settings.redis_url.get_secret_value()
    with _usable(data):
        valkey = prepare_valkey(data / "valkey")
    _start_server(valkey, data, tree, wish)
    return valkey.url


def _database_url(settings: Settings, data: Path, tree: Tree, wish: _Wish) -> str:
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    if not (data / "postgres" / "data").exists():
        _say(f"Making the data directory {data}.")
    with _usable(data):
        postgres = prepare_postgres(data / "postgres")
    _start_server(postgres, data, tree, wish)
    asyncio.run(_create_database(postgres.url))
    return make_url(postgres.url).set(database=DATABASE).render_as_string(hide_password=False)


def _start_server(server: Server, data: Path, tree: Tree, wish: _Wish) -> None:
    part = Part(
        name=server.name,
        argv=server.argv,
        log=data / "logs" / f"{server.name}.log",
        environment=server.environment,
        uid=server.uid,
        stop_signal=server.stop_signal,
        # Killed, Postgres would leave its own children to the next start; Valkey loses nothing.
        death_signal=signal.SIGINT if server.name == "postgres" else signal.SIGKILL,
        stop_seconds=20,
    )
    _start(part, tree, wish, server.is_ready)


async def _create_database(url: str) -> None:
    parts = make_url(url)
    try:
        connection = await asyncpg.connect(
            user=parts.username, host=str(parts.query["host"]), database=parts.database, timeout=READY_SECONDS
        )
        try:
            if not await connection.fetchval("select true from pg_database where datname = $1", DATABASE):
                await connection.execute(f'create database "{DATABASE}"')
        finally:
            await connection.close()
    except (OSError, asyncpg.PostgresError) as error:
        raise CannotStart(f"The database {DATABASE} cannot be made: {error}") from error


# The parts


def _start(part: Part, tree: Tree, wish: _Wish, is_ready: Callable[[], bool]) -> None:
    """Starts the part and returns when it is ready."""
    with _usable(part.log.parent):
        tree.start(part)
    deadline = time.monotonic() + READY_SECONDS
    while not is_ready():
        code = tree.exit_code(part.name)
        if code is not None:
            raise CannotStart(_with_log(f"{part.name} {ending(code)}", part))
        if time.monotonic() > deadline:
            raise CannotStart(_with_log(f"{part.name} is not ready after {READY_SECONDS:.0f} s", part))
        _look_after(tree, wish)


def _finish(part: Part, tree: Tree, wish: _Wish) -> None:
    """Runs the part to its end."""
    with _usable(part.log.parent):
        cut(part.log)
        process = spawn(part)
    try:
        while (code := process.poll()) is None:
            _look_after(tree, wish)
    finally:
        process.kill()
        process.wait()
    if code != 0:
        raise CannotStart(_with_log(f"`sferum {part.name}` {ending(code)}", part))


def _look_after(tree: Tree, wish: _Wish) -> None:
    """Lets a moment pass in which dead parts are started again.

    Raises:
        _Stopped: we are asked to stop.
    """
    if wish.to_stop:
        raise _Stopped
    tree.tend()
    time.sleep(_LOOK_SECONDS)


def _stop(tree: Tree) -> None:
    for names in STOP_ORDER:
        tree.stop(names)


def _answers(url: str) -> bool:
    try:
        # Through no proxy: it is this machine.
        return httpx.get(url, timeout=5, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def _with_log(what: str, part: Part) -> str:
    return f"{what}. The end of its log, {part.log}:\n{last_lines(part.log)}"


# The place


@contextmanager
def _alone_on(data: Path) -> Iterator[None]:
    """Makes the data directory and keeps every other run away from it; a lock dies with its holder."""
    with _usable(data):
        data.mkdir(parents=True, exist_ok=True)
        (data / "logs").mkdir(mode=0o700, exist_ok=True)
        lock = (data / "run.lock").open("a+")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise CannotStart(
                f"`sferum run` already runs on {data} (process {lock.read().strip() or 'unknown'}). "
                f"Stop it first, or set {PREFIX}DATA_DIR, {PREFIX}PORT and {PREFIX}SANDBOX_PORT to run another one."
            ) from None
        with _usable(data):
            check_room(data)
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
        yield


@contextmanager
def _usable(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CannotStart(
            f"{directory} cannot be used: {error}. Set {PREFIX}DATA_DIR to a directory that you may write in."
        ) from error


def _check_ports(settings: Settings) -> None:
    with ExitStack() as stack:
        for variable, port in ((f"{PREFIX}PORT", settings.port), (f"{PREFIX}SANDBOX_PORT", settings.sandbox_port)):
            try:
                family, kind, protocol, _, address = socket.getaddrinfo(
                    settings.host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
                )[0]
                probe = stack.enter_context(socket.socket(family, kind, protocol))
                # As the servers do it: connections that have just ended do not matter.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
                probe.listen()
            except OSError as error:
                raise CannotStart(
                    f"Port {port} of {settings.host} cannot be used: {error.strerror}. "
                    f"Free it, or set {variable} to another port."
                ) from error


@contextmanager
def _listening() -> Iterator[_Wish]:
    wish = _Wish()

    def stop(*_: object) -> None:
        wish.to_stop = True

    # Started with nohup, we stay when the terminal goes.
    wanted = {signal.SIGINT, signal.SIGTERM}
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        wanted.add(signal.SIGHUP)
    before = {number: signal.signal(number, stop) for number in wanted}
    try:
        yield wish
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(line: str, file: TextIO | None = None) -> None:
    # The terminal may be gone.
    with suppress(OSError):
        print(line, file=file, flush=True)
