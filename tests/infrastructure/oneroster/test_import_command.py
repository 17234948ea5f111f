"""`sferum import-roster`, on Postgres, as an operator meets it."""

import asyncio
import io
import os
import re
import signal
import subprocess
import sys
from dataclasses import fields, replace
from datetime import date
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import make_url

from domain.ids import organization_id
from domain.participant import Name
from domain.register import Bundle, Days, Register, RoleKind, StatedPerson, StatedRole
from domain.roster_changes import RosterChanges
from graphql_api.global_ids import global_id
from infrastructure.console import Console
from infrastructure.container import storage
from infrastructure.embedded.run import DATABASE
from infrastructure.embedded.running import running_database_url
from infrastructure.oneroster.command import LABELS, Wish, import_roster
from infrastructure.settings import load_settings
from tests.bundles import a_school, bulk, without
from tests.infrastructure.oneroster.writer import files_of, write_bundle, write_files
from tests.servers import database_of, on_server

SCHOOL_ID = "school-1"
WAITING_FOR_A_LOCK = """
    select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()
"""


class Terminal:
    """Runs the command in this process, and keeps what it said; `answer` is what is typed when it asks."""

    def __init__(self, database_url: str, directory: Path) -> None:
        self.url = database_url
        self.directory = directory
        self.settings = load_settings(environment="development", database_url=database_url, data_dir=directory / "data")
        self.out = self.err = ""

    async def import_roster(
        self, bundle: Bundle | Path, *, answer: str | type[BaseException] | None = None, **wish: Any
    ) -> int:
        path = bundle if isinstance(bundle, Path) else write_bundle(self.directory / "bundle.zip", bundle)
        out, err = io.StringIO(), io.StringIO()

        def ask(question: str) -> str:
            out.write(question)
            if isinstance(answer, str):
                return answer
            assert answer is not None
            raise answer

        asked: dict[str, Any] = {"school_id": SCHOOL_ID, "max_removal": 20} | wish
        wanted = Wish(path, organization_id(SCHOOL_ID), **asked)
        console = Console(out, err, None if answer is None else ask)
        code = await asyncio.to_thread(import_roster, wanted, lambda: storage(self.settings), console)
        self.out, self.err = out.getvalue(), err.getvalue()
        return code

    async def rows(self) -> dict[str, int]:
        """How many there are of whatever an import writes."""
        tables = ("participants", "chats", "memberships", "register_rows", "outbox", "audit_entries")
        connection = await self.connect()
        try:
            return {table: await connection.fetchval(f"select count(*) from {table}") for table in tables}
        finally:
            await connection.close()

    async def connect(self) -> asyncpg.Connection:
        url = make_url(self.url)
        return await asyncpg.connect(user=url.username, host=str(url.query["host"]), database=url.database)

    def as_process(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """`sferum import-roster` with these arguments, where nobody is there to type."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith("SFERUM_")}
        ours |= {"SFERUM_ENVIRONMENT": "development", "SFERUM_DATA_DIR": str(self.directory / "data")}
        return subprocess.Popen(
            [sys.executable, "-m", "graphql_api.cli", "import-roster", *arguments],
            env=ours | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # Whoever runs the tests in the background ignores interruptions, and so would this.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )


@pytest.fixture
def terminal(database_url: str, tmp_path: Path) -> Terminal:
    return Terminal(database_url, tmp_path)


def named(register: Register) -> Bundle:
    return replace(bulk(register), organization_name="Школа № 1")


def with_pupils(count: int) -> Register:
    register = a_school()
    for number in range(count):
        person = f"pupil-{number}"
        register.people[person] = StatedPerson(Name(f"Ученик {number}", "Анна"))
        register.roles[person] = StatedRole(person, RoleKind.PUPIL)
    return register


async def value(terminal: Terminal, query: str) -> object:
    connection = await terminal.connect()
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


@pytest.mark.rule("ROSTER-02")
async def test_a_school_is_made_shown_and_applied(terminal: Terminal) -> None:
    code = await terminal.import_roster(named(a_school()), create="Asia/Kamchatka", answer="y")

    *plan, applied = terminal.out.splitlines()
    assert (code, plan) == (
        0,
        [
            "New people                4",
            "Employees hired           2",
            "Pupils enrolled           1",
            "Parents tied to children  1",
            "Classes opened            2",
            "Study groups opened       1",
            "Roles granted             1",
        ],
    )
    assert re.fullmatch(r"Apply\? \[y/N\] Applied in [\d.]+ s: new people: 4, .*, roles granted: 1\.", applied)
    assert await value(terminal, "select name || ', ' || time_zone from organizations") == "Школа № 1, Asia/Kamchatka"
    assert await value(terminal, "select count(*) from memberships") == 6


@pytest.mark.rule("ROSTER-02")
async def test_the_same_bundle_writes_nothing_again(terminal: Terminal) -> None:
    await terminal.import_roster(named(a_school()), create="Europe/Moscow", yes=True)
    before = await terminal.rows()

    code = await terminal.import_roster(named(a_school()), yes=True)

    assert (code, terminal.out.splitlines()[0]) == (0, "Nothing is to be changed.")
    assert await terminal.rows() == before
    assert before["outbox"] > 0 < before["audit_entries"]


@pytest.mark.rule("ROSTER-02")
async def test_a_dry_run_shows_the_plan_and_changes_nothing(terminal: Terminal) -> None:
    code = await terminal.import_roster(named(a_school()), create="Europe/Moscow", dry_run=True)

    assert (code, terminal.out.splitlines()[0]) == (0, "New people                4")
    assert sum((await terminal.rows()).values()) == 0
    assert await value(terminal, "select count(*) from organizations") == 0


@pytest.mark.rule("ROSTER-02")
async def test_a_plan_that_ends_too_much_is_refused_also_dry_and_applied_when_that_is_allowed(
    terminal: Terminal,
) -> None:
    await terminal.import_roster(named(with_pupils(19)), create="Europe/Moscow", yes=True)
    before = await terminal.rows()
    fewer = named(with_pupils(8))

    codes = [await terminal.import_roster(fewer, dry_run=dry, yes=True) for dry in (True, False)]
    refusal = terminal.err.splitlines()[-2]
    after = await terminal.rows()
    allowed = await terminal.import_roster(fewer, yes=True, allow_removals=True)

    assert (codes, allowed, after) == ([2, 2], 0, before)
    assert refusal == "Refused: it would end 11 of 20 pupils, more than 20 %."
    assert await value(terminal, "select count(*) from enrolments") == 9


@pytest.mark.rule("ROSTER-03")
async def test_every_fault_of_a_bad_bundle_is_told_and_nothing_is_changed(terminal: Terminal) -> None:
    bad = terminal.directory / "bad"
    files = files_of(named(a_school()), school=SCHOOL_ID)
    files["users.csv"] += "sidorov,maybe,true,Иван,Сидоров,,\n"
    files["enrollments.csv"] += "place,active,8 К,school-1,nobody,student,false,,\n"

    code = await terminal.import_roster(write_files(bad, files), create="Europe/Moscow", yes=True)

    told = terminal.err.splitlines()
    assert (code, terminal.out, told[-1]) == (1, "", "Nothing was changed.")
    assert [line.partition(":")[0] for line in told[1:-1]] == [
        "users.csv, line 6, column status",
        "enrollments.csv, line 6, column userSourcedId",
    ]
    assert sum((await terminal.rows()).values()) == 0


async def test_a_path_at_which_there_is_nothing_is_a_fault(terminal: Terminal) -> None:
    code = await terminal.import_roster(terminal.directory / "missing.zip", create="Europe/Moscow", yes=True)

    assert (code, terminal.err.splitlines()[-1]) == (1, "Nothing was changed.")
    assert "missing.zip" in terminal.err


@pytest.mark.parametrize("answer", ["", "n", "nein", EOFError])
async def test_without_a_yes_nothing_is_changed(terminal: Terminal, answer: str | type[BaseException]) -> None:
    code = await terminal.import_roster(named(a_school()), create="Europe/Moscow", answer=answer)

    assert (code, terminal.err.splitlines()[-1]) == (1, "Nothing was changed.")
    assert sum((await terminal.rows()).values()) == 0


async def test_where_nobody_can_be_asked_it_takes_a_yes_beforehand(terminal: Terminal) -> None:
    code = await terminal.import_roster(named(a_school()), create="Europe/Moscow")

    assert (code, "--yes" in terminal.err) == (1, True)
    assert sum((await terminal.rows()).values()) == 0


async def test_an_interruption_at_the_question_changes_nothing(terminal: Terminal) -> None:
    code = await terminal.import_roster(named(a_school()), create="Europe/Moscow", answer=KeyboardInterrupt)

    assert (code, terminal.err.splitlines()[-1]) == (130, "Stopped. Nothing was changed.")
    assert sum((await terminal.rows()).values()) == 0


async def test_people_classes_and_groups_are_named_when_that_is_asked(terminal: Terminal) -> None:
    await terminal.import_roster(named(a_school()), create="Europe/Moscow", yes=True, names=True)

    said = terminal.out.splitlines()

    assert said[said.index("Pupils enrolled           1") + 1] == "    Anna Анна (anna)"
    assert said[said.index("Parents tied to children  1") + 1] == "    Mother Анна (mother) — Anna Анна (anna)"
    assert said[said.index("Classes opened            2") + 1 :][:2] == ["    8 К (8 К)", "    9 К (9 К)"]
    assert (
        said[said.index("Roles granted             1") + 1] == "    Ivanova Анна (ivanova) — ORGANIZATION_ADMINISTRATOR"
    )


async def test_names_are_not_shown_unless_that_is_asked(terminal: Terminal) -> None:
    await terminal.import_roster(named(a_school()), create="Europe/Moscow", yes=True)

    assert "Anna" not in terminal.out + terminal.err


@pytest.mark.rule("ROSTER-03")
async def test_what_is_left_aside_is_counted(terminal: Terminal) -> None:
    files = files_of(named(a_school()), school=SCHOOL_ID)
    files["users.csv"] += "stranger,active,true,Иван,Иванов,,\n"

    await terminal.import_roster(write_files(terminal.directory / "more", files), create="Europe/Moscow", yes=True)

    [aside] = [line for line in terminal.out.splitlines() if line.startswith("Left aside")]
    assert aside.startswith("Left aside: 1 users")


@pytest.mark.rule("ROSTER-05")
async def test_it_is_told_when_more_begins_by_itself(terminal: Terminal) -> None:
    register = a_school()
    register.roles["anna"] = replace(register.roles["anna"], days=Days(date(2099, 9, 1)))

    await terminal.import_roster(named(register), create="Europe/Moscow", yes=True)

    assert "More begins or ends by itself, next on 2099-09-01." in terminal.out.splitlines()


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({}, "There is no such organization. With --create ZONE it is made."),
        ({"create": "Europe/Kitezh"}, "There is no such time zone: name one as «Europe/Moscow»."),
        ({"create": "../Europe"}, "There is no such time zone: name one as «Europe/Moscow»."),
        (
            {"create": "Europe/Moscow", "school_id": None},
            "There is no such organization; it can be made by the school system's id only.",
        ),
    ],
)
async def test_an_organization_that_is_not_known_and_cannot_be_made_is_told(
    terminal: Terminal, wish: dict[str, Any], told: str
) -> None:
    code = await terminal.import_roster(named(a_school()), yes=True, **wish)

    assert (code, terminal.out, terminal.err) == (1, "", told + "\n")


def test_every_change_of_a_roster_has_a_label() -> None:
    assert set(LABELS) == {field.name for field in fields(RosterChanges)}


@pytest.mark.rule("ROSTER-05")
async def test_the_organization_is_named_by_either_id_to_the_command(terminal: Terminal) -> None:
    path = str(write_bundle(terminal.directory / "bundle", named(a_school()), version="1.1"))
    ids = (SCHOOL_ID, str(global_id("Organization", organization_id(SCHOOL_ID))))
    first = terminal.as_process(
        path, "--organization", ids[0], "--create", "Europe/Moscow", "--yes", SFERUM_DATABASE_URL=terminal.url,
        SFERUM_REDIS_URL="",
    )  # fmt: skip
    first_out, first_err = await asyncio.to_thread(first.communicate)
    second = terminal.as_process(path, "--organization", ids[1], "--yes", SFERUM_DATABASE_URL=terminal.url)
    second_out, second_err = await asyncio.to_thread(second.communicate)

    assert (first.returncode, second.returncode) == (0, 0), first_err + second_err
    assert first_out.splitlines()[0] == "New people                4"
    assert second_out.splitlines()[0] == "Nothing is to be changed."


async def test_a_database_that_is_away_is_one_line(terminal: Terminal) -> None:
    path = str(write_bundle(terminal.directory / "bundle", named(a_school())))
    away = "postgresql://sferum@127.0.0.1:1/sferum"
    process = terminal.as_process(path, "--organization", SCHOOL_ID, "--yes", SFERUM_DATABASE_URL=away)

    out, err = await asyncio.to_thread(process.communicate)

    assert (process.returncode, out, len(err.splitlines())) == (1, "", 1), err


async def test_a_database_that_does_not_exist_is_one_line(terminal: Terminal) -> None:
    path = str(write_bundle(terminal.directory / "bundle", named(a_school())))
    missing = make_url(terminal.url).set(database="missing").render_as_string(hide_password=False)
    process = terminal.as_process(path, "--organization", SCHOOL_ID, "--yes", SFERUM_DATABASE_URL=missing)

    out, err = await asyncio.to_thread(process.communicate)

    assert (process.returncode, out, len(err.splitlines())) == (1, "", 1), err


async def test_an_interruption_while_it_is_applied_leaves_nothing_half_done(terminal: Terminal) -> None:
    await terminal.import_roster(named(a_school()), create="Europe/Moscow", yes=True)
    before = await terminal.rows()
    path = str(
        write_bundle(terminal.directory / "less", named(without(a_school(), "anna", "mother", *a_school().places)))
    )
    holder = await terminal.connect()
    try:
        async with holder.transaction():
            await holder.execute("select from organizations for update")
            process = terminal.as_process(path, "--organization", SCHOOL_ID, "--yes", SFERUM_DATABASE_URL=terminal.url)
            while not await value(terminal, WAITING_FOR_A_LOCK):
                await asyncio.sleep(0.01)
            process.send_signal(signal.SIGINT)
            _, err = await asyncio.to_thread(process.communicate)
    finally:
        await holder.close()

    assert (process.returncode, err.splitlines()[-1]) == (130, "Stopped. Run it again to see what is left."), err
    assert "Traceback" not in err
    assert await terminal.rows() == before


async def test_without_an_address_the_server_of_a_running_service_is_used(
    postgres: str, server_directory: Path, terminal: Terminal
) -> None:
    path = str(write_bundle(terminal.directory / "bundle", named(a_school())))
    arguments = (path, "--organization", SCHOOL_ID, "--create", "Europe/Moscow", "--yes")
    await database_of(postgres, DATABASE, template="postgres")
    try:
        process = terminal.as_process(*arguments, SFERUM_DATA_DIR=str(server_directory))
        out, err = await asyncio.to_thread(process.communicate)
        found = running_database_url(load_settings(environment="development", data_dir=server_directory))
    finally:
        await on_server(postgres, f'drop database "{DATABASE}" with (force)')

    assert (process.returncode, out.splitlines()[0]) == (0, "New people                4"), err
    assert found is not None
    assert make_url(found) == make_url(postgres).set(database=DATABASE)


async def test_without_an_address_and_without_a_server_it_is_told_what_to_do(terminal: Terminal) -> None:
    process = terminal.as_process("bundle", "--organization", SCHOOL_ID, "--yes")

    out, err = await asyncio.to_thread(process.communicate)

    assert (process.returncode, out) == (1, "")
    assert err == f"Start `sferum run` on {terminal.directory / 'data'}, or set SFERUM_DATABASE_URL.\n"


@pytest.mark.parametrize("written", ["", "1\n/data\n1\n5432\n/sockets\n\n  1 1\nstarting\n"])
def test_a_server_that_is_not_ready_is_no_running_one(tmp_path: Path, written: str) -> None:
    cluster = tmp_path / "postgres" / "data"
    cluster.mkdir(parents=True)
    (cluster / "postmaster.pid").write_text(written)

    assert running_database_url(load_settings(environment="development", data_dir=tmp_path)) is None
