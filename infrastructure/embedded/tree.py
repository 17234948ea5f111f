"""A tree of processes: each part is started again when it dies, and none outlives us."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 10.0
GOOD_LIFE = 30.0
"""Seconds that a part lives before an earlier death of it is forgotten."""

_LARGEST_LOG_BYTES = 20 * 2**20
_KEPT_LOG_BYTES = 2**20
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True)
class Part:
    """A program of the tree; what it writes goes to `log`, and its standard output to ours if `speaks`.

    It is asked to stop by `stop_signal`, by `death_signal` if we die, and killed `stop_seconds` after it was asked.
    """

    name: str
    argv: Sequence[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    uid: int | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL
    stop_seconds: float = 10.0
    speaks: bool = False


@dataclass(slots=True)
class _Life:
    part: Part
    process: subprocess.Popen[bytes]
    began: float
    pause: float | None = None
    again_at: float | None = None


class Tree:
    """The running parts. Call it from the main thread: to the kernel the parent is the thread that started a child."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._lives: dict[str, _Life] = {}

    def start(self, part: Part) -> None:
        """Starts a part that `tend` starts again from now on."""
        cut(part.log)
        self._lives[part.name] = _Life(part, spawn(part), time.monotonic())

    def exit_code(self, name: str) -> int | None:
        """How the part ended, negative for a signal; None while it runs."""
        return self._lives[name].process.poll()

    def tend(self) -> None:
        """Notices who died and starts those again whose pause is over; never waits."""
        now = time.monotonic()
        for life in self._lives.values():
            if life.again_at is None:
                code = life.process.poll()
                if code is not None:
                    self._rest(life, now, ending(code))
            elif life.again_at <= now:
                life.began, life.again_at = now, None
                try:
                    life.process = spawn(life.part)
                except OSError as error:
                    self._rest(life, now, f"cannot be started ({error.strerror})")

    def _rest(self, life: _Life, now: float, what: str) -> None:
        life.pause = next_pause(life.pause, lived=now - life.began)
        life.again_at = now + life.pause
        self._say(f"{life.part.name} {what}; it is started again in {life.pause:.1f} s. Its log: {life.part.log}")

    def stop(self, names: Iterable[str] | None = None) -> None:
        """Asks these parts to stop, all of them without `names`, and returns when they are gone."""
        lives = [self._lives.pop(name) for name in list(self._lives if names is None else names) if name in self._lives]
        for life in lives:
            if life.process.poll() is None:
                life.process.send_signal(life.part.stop_signal)
        asked = time.monotonic()
        for life in lives:
            try:
                life.process.wait(max(0.0, asked + life.part.stop_seconds - time.monotonic()))
            except subprocess.TimeoutExpired:
                self._say(f"{life.part.name} did not stop in {life.part.stop_seconds:g} s and is killed.")
                # It leads its session, and this is for whatever it started as well.
                os.killpg(life.process.pid, signal.SIGKILL)
                life.process.wait()


def next_pause(last: float | None, *, lived: float) -> float:
    """Seconds to wait before a part that lived so long is started again; `last` is the pause before that life."""
    if last is None or lived >= GOOD_LIFE:
        return FIRST_PAUSE
    return min(last * 2, LONGEST_PAUSE)


def spawn(part: Part) -> subprocess.Popen[bytes]:
    """Starts the part's program in a session of its own, so that the terminal's Ctrl-C does not reach it."""
    ours = os.getpid()

    def die_with_us() -> None:
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, int(part.death_signal), 0, 0, 0)
        if os.getppid() != ours:
            os._exit(1)

    with part.log.open("ab") as log:
        return subprocess.Popen(
            part.argv,
            env=os.environ | part.environment,
            stdin=subprocess.DEVNULL,
            stdout=None if part.speaks else log,
            stderr=log,
            user=part.uid,
            group=part.uid,
            extra_groups=[] if part.uid is not None else None,
            start_new_session=True,
            preexec_fn=die_with_us,
        )


def ending(code: int) -> str:
    """An exit code in words."""
    if code >= 0:
        return f"ended with exit code {code}"
    with suppress(ValueError):
        return f"was ended by {signal.Signals(-code).name}"
    return f"was ended by signal {-code}"


def cut(log: Path) -> None:
    """Drops all but the last lines of a log that has grown large."""
    if not log.exists() or log.stat().st_size <= _LARGEST_LOG_BYTES:
        return
    with log.open("rb") as old:
        old.seek(-_KEPT_LOG_BYTES, os.SEEK_END)
        old.readline()
        kept = old.read()
    log.write_bytes(kept)


def last_lines(log: Path, count: int = 10) -> str:
    """The end of a log, to be shown to a person."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 20_000))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-count:])
    except OSError:
        return ""
