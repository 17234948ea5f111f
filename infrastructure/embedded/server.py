"""An embedded server: a program of a Python package, run as a child process on a data directory of its own."""

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

LEAST_FREE_BYTES = 200 * 1024 * 1024
LONGEST_SOCKET_PATH = 90
"""The kernel takes 107 bytes, and Postgres appends a name to the directory."""


class CannotStart(Exception):
    """The server cannot be started here; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Server:
    """How to run it: `argv` as user `uid` (None: as we are), until `stop_signal`; `is_ready` asks it."""

    name: str
    argv: Sequence[str]
    url: str
    is_ready: Callable[[], bool]
    uid: int | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    environment: dict[str, str] = field(default_factory=dict)


def check_room(directory: Path) -> None:
    """Refuses to start on a disk that is about to be full."""
    free = shutil.disk_usage(directory).free
    if free < LEAST_FREE_BYTES:
        raise CannotStart(
            f"The disk of {directory} is full: {free // 2**20} MB are free, {LEAST_FREE_BYTES // 2**20} MB are needed. "
            "Free some room, or set SFERUM_DATA_DIR to a directory on another disk."
        )


def socket_directory(data: Path, uid: int | None = None) -> Path:
    """A private directory whose path is short enough for a socket: beside the data, else below the temporary one."""
    directory = data / "socket"
    if len(str(directory)) > LONGEST_SOCKET_PATH:
        directory = Path(tempfile.gettempdir()) / f"sferum-{sha256(str(data).encode()).hexdigest()[:16]}"
    directory.mkdir(mode=0o700, exist_ok=True)
    if uid is not None:
        os.chown(directory, uid, uid)
    owner = directory.stat().st_uid
    if owner not in {os.geteuid(), uid} or directory.is_symlink():
        raise CannotStart(f"{directory} belongs to somebody else; remove it.")
    directory.chmod(0o700)
    return directory
