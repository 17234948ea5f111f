"""The Postgres of a `sferum run` that is up, for a command in another terminal."""

from urllib.parse import quote

from infrastructure.embedded.run import DATABASE
from infrastructure.settings import Settings

_SOCKETS_LINE, _STATUS_LINE = 4, 7


def running_database_url(settings: Settings) -> str | None:
    """The address of the database in `settings.data_dir`; None if no server runs on it, or may be asked from here."""
    try:
        # What a server writes of itself: process, data, start, port, sockets, address, memory, status.
        lines = (settings.data_dir / "postgres" / "data" / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    if len(lines) <= _STATUS_LINE or lines[_STATUS_LINE].strip() != "ready":
        return None
    return f"postgresql+asyncpg://sferum@/{DATABASE}?host={quote(lines[_SOCKETS_LINE])}"
