"""What the sandbox knows outlives its process, because the hosts that it stands in for do not forget either."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

Value = str | int | float | None

SCHEMA = """
create table if not exists people (
    number integer primary key, login text, person text, user_id integer unique, phone text not null unique,
    email text unique, password text, last_name text not null, first_name text not null, patronymic text not null,
    birthday text not null, sex integer not null);
create table if not exists profiles (
    id integer primary key, number integer not null references people, last_name text not null,
    first_name text not null, patronymic text not null, birthday text not null, sex integer not null,
    role text not null, organization text not null);
create table if not exists sms (
    phone text primary key, code text not null, expires_at real not null, tries integer not null default 0);
create table if not exists attempts (
    id text primary key, client_id text not null, redirect_uri text not null, state text not null,
    challenge text not null, scope text not null, begun_at real not null, step text not null default 'phone',
    phone text, profile integer, faults integer not null default 0, sms_sent integer not null default 0,
    last_name text, first_name text, patronymic text, birthday text, sex integer);
create table if not exists codes (
    code text primary key, client_id text not null, redirect_uri text not null, challenge text not null,
    scope text not null, user_id integer not null, device_id text not null, expires_at real not null,
    used integer not null default 0);
create table if not exists sessions (
    id integer primary key, client_id text not null, user_id integer not null, device_id text not null,
    scope text not null, ended integer not null default 0);
create table if not exists tokens (
    token text primary key, session integer not null references sessions, kind text not null,
    expires_at real not null, used integer not null default 0);
create index if not exists tokens_of_session on tokens (session);
create table if not exists chats (
    id integer primary key, owner_id integer not null, title text not null, invite text not null,
    created_at real not null);
create table if not exists local_ids (
    user_id integer not null, chat_id integer not null, chat integer not null references chats,
    state text not null, primary key (user_id, chat_id), unique (user_id, chat));
create table if not exists members (
    chat integer not null references chats, member_id integer not null, is_admin integer not null,
    invited_by integer not null, joined_at real not null, primary key (chat, member_id));
create table if not exists calls (
    call_id text primary key, owner_id integer not null, hash text not null, name text not null,
    started_at real not null, finished_at real);
create index if not exists calls_of_owner on calls (owner_id, finished_at);
create table if not exists faults (
    number integer primary key, method text not null, kind text not null, times integer not null, code text,
    subcode integer, ms integer);
create table if not exists requests (
    number integer primary key, at real not null, path text not null, parameters text not null, status integer,
    fault text, user_id integer);
create table if not exists settings (name text primary key, value text not null);
"""


class Store:
    """One SQLite file; each statement outside `change()` is a transaction of its own, and survives `kill -9`."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # The process that serves is not always the thread that opened; there is never more than one at a time.
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = normal")
        self._db.executescript(SCHEMA)
        path.chmod(0o600)

    def rows(self, sql: str, *values: Value) -> list[sqlite3.Row]:
        """Every row that the query finds."""
        return self._db.execute(sql, values).fetchall()

    def row(self, sql: str, *values: Value) -> sqlite3.Row | None:
        """The first row that the query finds, or None."""
        found: sqlite3.Row | None = self._db.execute(sql, values).fetchone()
        return found

    def write(self, sql: str, *values: Value) -> int:
        """Runs a statement that changes something; answers the number of rows that it changed."""
        return self._db.execute(sql, values).rowcount

    def insert(self, sql: str, *values: Value) -> int:
        """Runs an insert; answers the new row's integer key."""
        return self._db.execute(sql, values).lastrowid or 0

    @contextmanager
    def change(self) -> Iterator[None]:
        """All writes within happen, or none of them."""
        self._db.execute("begin immediate")
        try:
            yield
        except BaseException:
            self._db.execute("rollback")
            raise
        self._db.execute("commit")

    def close(self) -> None:
        """Gives the file back; nothing can be asked afterwards."""
        self._db.close()
