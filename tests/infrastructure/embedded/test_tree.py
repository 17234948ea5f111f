"""The tree of processes, with programs of a few lines for parts and a process of its own for the parent."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from infrastructure.embedded.tree import cut, ending, next_pause

PARENT = """
import json, signal, sys, time
from pathlib import Path
from infrastructure.embedded.tree import Part, Tree

plan = json.loads(sys.argv[1])
stopping = []
signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
tree = Tree(lambda line: print(line, flush=True))
for part in plan["parts"]:
    log = Path(plan["directory"], part["name"] + ".log")
    tree.start(Part(part["name"], [sys.executable, "-c", *part["argv"]], log, stop_seconds=plan["stop_seconds"]))
while not stopping:
    tree.tend()
    time.sleep(0.02)
for names in plan["order"]:
    tree.stop(names)
"""

PART = """
import os, signal, sys, time

def note(word):
    with open(sys.argv[1], "a") as journal:
        journal.write(f"{word} {sys.argv[2]} {os.getpid()}\\n")

def stop(*_):
    time.sleep(float(sys.argv[3]))
    note("stopped")
    sys.exit(0)

signal.signal(signal.SIGTERM, stop)
note("started")
while True:
    time.sleep(60)
"""


@dataclass
class Parent:
    process: subprocess.Popen[str]
    journal: Path

    def noted(self, word: str) -> list[tuple[str, int]]:
        """Who noted the word, and as which process, in order."""
        lines = self.journal.read_text().splitlines() if self.journal.exists() else []
        return [(name, int(pid)) for written, name, pid in map(str.split, lines) if written == word]

    def stop(self) -> str:
        """Ends the parent in peace; what it said."""
        self.process.send_signal(signal.SIGTERM)
        said, _ = self.process.communicate(timeout=20)
        assert self.process.returncode == 0
        return said


@contextmanager
def parent(directory: Path, *, names: str, order: list[list[str]], stop_seconds: float = 10.0) -> Iterator[Parent]:
    """A tree of parts that note when they start and stop; one named `slow…` takes two tenths of a second to stop."""
    journal = directory / "journal"
    parts = [
        {"name": name, "argv": [PART, str(journal), name, "0.2" if name.startswith("slow") else "0"]}
        for name in names.split()
    ]
    plan = {"directory": str(directory), "parts": parts, "order": order, "stop_seconds": stop_seconds}
    with running(plan) as process:
        started = Parent(process, journal)
        wait_until(lambda: len(started.noted("started")) == len(parts))
        yield started


@contextmanager
def running(plan: dict[str, object]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, json.dumps(plan)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_until(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_pause_doubles_up_to_ten_seconds() -> None:
    pauses = [next_pause(None, lived=0.0)]

    for _ in range(8):
        pauses.append(next_pause(pauses[-1], lived=1.0))

    assert pauses == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0])


def test_half_a_minute_of_life_forgets_earlier_deaths() -> None:
    assert next_pause(10.0, lived=30.0) == 0.1
    assert next_pause(6.4, lived=29.9) == 10.0


def test_a_part_that_dies_is_started_again_within_a_second_and_no_other_is(tmp_path: Path) -> None:
    with parent(tmp_path, names="api worker", order=[["api", "worker"]]) as tree:
        pids = dict(tree.noted("started"))

        os.kill(pids["api"], signal.SIGKILL)
        wait_until(lambda: len(tree.noted("started")) == 3, seconds=1.0)

        assert tree.noted("started")[2][0] == "api"
        assert f"api was ended by SIGKILL; it is started again in 0.1 s. Its log: {tmp_path}/api.log" in tree.stop()


def test_a_part_that_keeps_dying_rests_longer_each_time(tmp_path: Path) -> None:
    parts = [{"name": "bad", "argv": ["raise SystemExit(3)"]}]
    plan: dict[str, object] = {"directory": str(tmp_path), "parts": parts, "order": [["bad"]], "stop_seconds": 1}

    with running(plan) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(4)]

    assert [line.split("; it is started again in ")[1].split()[0] for line in said] == ["0.1", "0.2", "0.4", "0.8"]
    assert said[0].startswith("bad ended with exit code 3;")


def test_parts_stop_in_order_and_each_group_together(tmp_path: Path) -> None:
    with parent(tmp_path, names="server slow-a slow-b", order=[["slow-a", "slow-b"], ["server"]]) as tree:
        begun = time.monotonic()
        said = tree.stop()

        stopped = [name for name, _ in tree.noted("stopped")]
        assert stopped[2] == "server"
        assert sorted(stopped[:2]) == ["slow-a", "slow-b"]
        assert time.monotonic() - begun < 2.0
        assert said == ""


def test_a_part_that_does_not_stop_in_time_is_killed(tmp_path: Path) -> None:
    with parent(tmp_path, names="slow-part", order=[["slow-part"]], stop_seconds=0.05) as tree:
        said = tree.stop()

        assert tree.noted("stopped") == []
        assert said == "slow-part did not stop in 0.05 s and is killed.\n"
        assert not is_alive(tree.noted("started")[0][1])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_no_part_outlives_a_parent_that_is_killed(tmp_path: Path) -> None:
    with parent(tmp_path, names="api worker", order=[]) as tree:
        pids = [pid for _, pid in tree.noted("started")]
        assert all(map(is_alive, pids))

        tree.process.kill()

        wait_until(lambda: not any(map(is_alive, pids)))


def test_a_part_is_deaf_to_the_terminal_of_its_parent(tmp_path: Path) -> None:
    with parent(tmp_path, names="api", order=[["api"]]) as tree:
        pid = tree.noted("started")[0][1]

        assert os.getsid(pid) == pid


def test_of_a_log_that_has_grown_large_the_last_lines_are_kept(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    log.write_bytes(b"".join(b"%09d\n" % number for number in range(2_200_000)))

    cut(log)

    lines = log.read_bytes().splitlines()
    assert 2**20 - 20 <= log.stat().st_size <= 2**20
    assert lines[-1] == b"002199999"
    assert {len(line) for line in lines} == {9}


def test_a_log_of_common_size_is_kept_whole(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    log.write_text("a line\n")

    cut(log)

    assert log.read_text() == "a line\n"


def test_an_exit_code_is_told_in_words() -> None:
    assert ending(1) == "ended with exit code 1"
    assert ending(-9) == "was ended by SIGKILL"
    assert ending(-63) == "was ended by signal 63"
