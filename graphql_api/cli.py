"""The command `sferum`."""

import argparse
import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from domain.ids import OrganizationId, organization_id
from graphql_api.requests import MOST_BYTES
from infrastructure.settings import PREFIX, BadSettings, Settings, load_settings

LONGEST_FAREWELL_SECONDS = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Does what the arguments say, and answers with the exit code."""
    parser = argparse.ArgumentParser(
        prog="sferum", description="Chats and videoconferences in Sferum that follow a school."
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, does, description in (
        ("run", _run, "everything on this machine, with the demonstration schools"),
        ("api", _api, "the API"),
        ("worker", _worker, "a worker; any number may run"),
        ("sandbox", _sandbox, "what stands in for VK ID, the VK API and the school system's log-in"),
        ("migrate", _migrate, "brings the database to its newest schema"),
        ("demo", _demo, "loads the demonstration schools; the sandbox must be running"),
        ("rotate-token-keys", _rotate_token_keys, "seals all tokens of VK ID anew with the first of the keys"),
        ("schema", _schema, "prints the GraphQL schema"),
    ):
        commands.add_parser(name, help=description, description=description).set_defaults(does=does)
    token = commands.add_parser("token", help="prints a bearer token of a person of a demonstration school")
    whose = token.add_mutually_exclusive_group(required=True)
    whose.add_argument("login", nargs="?", metavar="LOGIN", help="a demonstration user, as «vorontsova»")
    whose.add_argument("--person", metavar="ID", help="anybody, by the id in the school system")
    token.add_argument("--organization", metavar="ID", help="the school, where the person's id does not tell it")
    token.set_defaults(does=_token)
    roster = commands.add_parser("import-roster", help="a school's people, classes and groups, as a OneRoster bundle")
    roster.add_argument("path", metavar="PATH", help="the bundle: a folder or a zip archive")
    roster.add_argument("--organization", metavar="ID", required=True, help="its id here or in the school system")
    roster.add_argument("--dry-run", action="store_true", help="only show what it would change")
    roster.add_argument("--yes", action="store_true", help="apply it without asking")
    roster.add_argument("--names", action="store_true", help="show the people, classes and groups too")
    roster.add_argument("--allow-removals", action="store_true", help="apply it whatever it ends")
    roster.add_argument("--create", metavar="ZONE", help="make the organization, in this time zone, if it is unknown")
    roster.set_defaults(does=_import_roster)
    timetable = commands.add_parser("import-timetable", help="study groups' lessons, as iCalendar or CSV")
    timetable.add_argument("path", metavar="PATH", help="the file: .ics or .csv, in UTF-8")
    timetable.add_argument("--organization", metavar="ID", required=True, help="its id here or in the school system")
    timetable.add_argument("--from", metavar="DATE", dest="first", type=_day, help="first day; else that of the file")
    timetable.add_argument("--to", metavar="DATE", dest="last", type=_day, help="last day; else that of the file")
    timetable.add_argument("--dry-run", action="store_true", help="only show what it would change")
    timetable.add_argument("--yes", action="store_true", help="apply it without asking")
    timetable.add_argument("--allow-removals", action="store_true", help="apply it whatever it cancels")
    timetable.set_defaults(does=_import_timetable)
    given = parser.parse_args(arguments)
    try:
        code: int = given.does(given)
    except BadSettings as error:
        print(error, file=sys.stderr)
        return 2
    return code


def _run(given: argparse.Namespace) -> int:
    from infrastructure.embedded.run import run

    settings = load_settings(environment=_environment(), demo=os.environ.get(f"{PREFIX}DEMO") or "1")
    return run(settings, lambda name: [sys.executable, "-m", "graphql_api.cli", name])


def _api(given: argparse.Namespace) -> int:
    return _until_stopped("api", _serve_api)


async def _serve_api(settings: Settings) -> None:
    from graphql_api.app import create_app
    from infrastructure.container import assembled

    # Thousands of sockets are objects that stay: looking through them often finds nothing and holds messages up.
    gc.set_threshold(50_000, 50, 1000)
    async with assembled(settings) as container:
        await _serve(settings, create_app(container), settings.port)


def _worker(given: argparse.Namespace) -> int:
    from infrastructure.jobs.worker import run

    return _until_stopped("worker", run)


def _sandbox(given: argparse.Namespace) -> int:
    from infrastructure.logs import configure
    from infrastructure.sandbox.app import create_app

    settings = load_settings(environment="development")
    configure(settings.log_level, "sandbox")
    _asyncio_run(_serve(settings, create_app(settings), settings.sandbox_port))
    return 0


async def _serve(settings: Settings, app: Any, port: int) -> None:
    import uvicorn

    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn takes them over while it serves, and raises them once more when it has stopped.
        signal.signal(number, signal.SIG_IGN)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=port,
        ws="websockets-sansio",
        ws_max_size=MOST_BYTES,
        # Messages are short, and the state of a compressor is longer than all else that a socket holds.
        ws_per_message_deflate=False,
        ws_ping_interval=20,
        ws_ping_timeout=20,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=LONGEST_FAREWELL_SECONDS,
    )
    await uvicorn.Server(config).serve()


def _migrate(given: argparse.Namespace) -> int:
    from sqlalchemy.exc import SQLAlchemyError

    from infrastructure.db.migrate import upgrade
    from infrastructure.logs import configure

    settings = _with_servers()
    configure(settings.log_level, "migrate")
    try:
        _asyncio_run(upgrade(settings))
    except (SQLAlchemyError, OSError) as error:
        print(f"The database could not be brought up to date: {_reason(error)}", file=sys.stderr)
        return 1
    return 0


def _demo(given: argparse.Namespace) -> int:
    return _until_stopped("demo", _load_demo)


async def _load_demo(settings: Settings) -> None:
    import httpx

    from infrastructure.container import assembled
    from infrastructure.demo.load import load

    async with assembled(settings) as container, httpx.AsyncClient(trust_env=False, timeout=30) as http:
        await load(container, http, settings, lambda line: print(line, flush=True))


def _rotate_token_keys(given: argparse.Namespace) -> int:
    from infrastructure.db.cipher import Cipher, token_keys
    from infrastructure.db.engine import create_engine
    from infrastructure.db.rotation import rotate

    async def work(settings: Settings) -> None:
        cipher, engine = Cipher(token_keys(settings)), create_engine(settings)
        try:
            rotated = await rotate(engine, cipher)
        finally:
            await engine.dispose()
        for name, count in rotated.items():
            lost = f", {count.shut} that no key opens" if count.shut else ""
            print(f"{name}: {count.anew} sealed anew{lost}")

    def does(settings: Settings) -> int:
        _asyncio_run(work(settings))
        return 0

    return _on_storage(does)


def _schema(given: argparse.Namespace) -> int:
    from graphql_api.schema import schema

    print(schema.as_str())
    return 0


def _token(given: argparse.Namespace) -> int:
    from infrastructure.sandbox.school import NobodyHere, token_of

    settings = load_settings(environment=_environment())
    if settings.environment != "development":
        print("Only where the sandbox issues the tokens can one be had here.", file=sys.stderr)
        return 1
    try:
        print(token_of(settings, login=given.login, person=given.person, organization=given.organization))
    except NobodyHere as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _import_roster(given: argparse.Namespace) -> int:
    from graphql_api.global_ids import id_of
    from infrastructure.console import Console
    from infrastructure.container import storage
    from infrastructure.oneroster.command import Wish, import_roster

    def does(settings: Settings) -> int:
        id = id_of("Organization", given.organization)
        wish = Wish(
            path=Path(given.path),
            organization=organization_id(given.organization) if id is None else OrganizationId(id),
            school_id=given.organization if id is None else None,
            max_removal=settings.import_max_removal,
            dry_run=given.dry_run,
            yes=given.yes,
            names=given.names,
            allow_removals=given.allow_removals,
            create=given.create,
        )
        ask = input if sys.stdin.isatty() else None
        return import_roster(wish, lambda: storage(settings), Console(sys.stdout, sys.stderr, ask))

    return _on_storage(does)


def _import_timetable(given: argparse.Namespace) -> int:
    from application.timetable_import import Days
    from graphql_api.global_ids import id_of
    from infrastructure.console import Console
    from infrastructure.container import storage
    from infrastructure.timetables.command import Wish, import_timetable

    def does(settings: Settings) -> int:
        id = id_of("Organization", given.organization)
        wish = Wish(
            path=Path(given.path),
            organization=organization_id(given.organization) if id is None else OrganizationId(id),
            days=Days(given.first, given.last),
            max_removal=settings.import_max_removal,
            dry_run=given.dry_run,
            yes=given.yes,
            allow_removals=given.allow_removals,
        )
        ask = input if sys.stdin.isatty() else None
        return import_timetable(wish, lambda: storage(settings), Console(sys.stdout, sys.stderr, ask))

    return _on_storage(does)


def _day(text: str) -> date:
    try:
        day = datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007
    except ValueError:
        day = date.min
    if not 2000 <= day.year < 2100:
        raise argparse.ArgumentTypeError(f"«{text}» is no date, as 2026-09-01")
    return day


def _on_storage(does: Callable[[Settings], int]) -> int:
    """Does something that needs Postgres alone: that of the settings, else that of a `sferum run` that is up."""
    from sqlalchemy.exc import SQLAlchemyError

    from infrastructure.embedded.running import running_database_url

    # Whatever else the settings demand in production is of no use here.
    settings = load_settings(environment=_environment())
    if settings.database_url is None:
        url = running_database_url(settings)
        if url is None:
            data = settings.data_dir.absolute()
            print(f"Start `sferum run` on {data}, or set {PREFIX}DATABASE_URL.", file=sys.stderr)
            return 1
        settings = load_settings(environment=_environment(), database_url=url)
    try:
        return does(settings)
    except (SQLAlchemyError, OSError) as error:
        print(f"The database did not do what it was asked: {_reason(error)}", file=sys.stderr)
        return 1


def _until_stopped(part: str, work: Callable[[Settings], Coroutine[Any, Any, None]]) -> int:
    from infrastructure.logs import configure

    settings = _with_servers()
    configure(settings.log_level, part)
    _asyncio_run(work(settings))
    return 0


def _with_servers() -> Settings:
    """The settings of a part that stands on servers of somebody else. Raises BadSettings."""
    settings = load_settings()
    missing = [name for name in ("database_url", "redis_url") if getattr(settings, name) is None]
    if missing:
        lines = (f"{PREFIX}{name.upper()} must be set: only `sferum run` starts its own." for name in missing)
        raise BadSettings("\n".join(lines))
    return settings


def _environment() -> str:
    return os.environ.get(f"{PREFIX}ENVIRONMENT") or "development"


def _asyncio_run(work: Coroutine[Any, Any, None]) -> None:
    try:
        import uvloop
    except ImportError:
        asyncio.run(work)
    else:
        uvloop.run(work)


def _reason(error: Exception) -> str:
    """What went wrong, without the statement that it was said to."""
    cause = getattr(error, "orig", None) or error
    return str(cause).splitlines()[0] if str(cause) else type(cause).__name__


if __name__ == "__main__":
    sys.exit(main())
