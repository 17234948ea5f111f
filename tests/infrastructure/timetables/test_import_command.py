"""`sferum import-timetable`: what it prints, what it asks, and what is there afterwards."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from io import StringIO
from pathlib import Path

import pytest
from anyio import to_thread
from cryptography.fernet import Fernet

from application.ports import Begin
from application.timetable_import import Days
from domain.audit import SCHEDULE
from domain.ids import OrganizationId
from domain.lesson import Lesson
from graphql_api.cli import main
from graphql_api.global_ids import global_id
from infrastructure.console import DONE, NOT_DONE, REFUSED, STOPPED, Console
from infrastructure.db.cipher import Cipher
from infrastructure.db.engine import create_engine
from infrastructure.db.unit_of_work import units_of_work
from infrastructure.settings import load_settings
from infrastructure.timetables.command import Wish, import_timetable
from tests.builders import MONDAY_0800, OTHER_SCHOOL, SCHOOL, a_lesson, a_roster, an_organization, group_of, put
from tests.fakes.storage import InMemoryStorage

ALGEBRA = "8 К алгебра"
HEADER = "lesson_id,group_id,date,start,end,substitute_id,cancelled"
ROW = f"new,{ALGEBRA},2026-09-08,08:30,09:15,klimova,"

rule = pytest.mark.rule("ROSTER-04")


@dataclass
class Terminal:
    """A console in front of a storage: what is typed there (an exception: what befalls it), and what it shows."""

    begin: Begin
    typed: str | type[BaseException] | None = "y"
    before_the_answer: Callable[[], None] = lambda: None
    out: StringIO = field(default_factory=StringIO)
    err: StringIO = field(default_factory=StringIO)

    def run(self, wish: Wish) -> int:
        """The exit code."""
        ask = None if self.typed is None else self._ask
        return import_timetable(wish, self._opened, Console(self.out, self.err, ask))

    @property
    def shown(self) -> list[str]:
        """The lines on stdout."""
        return self.out.getvalue().splitlines()

    @property
    def faults(self) -> list[str]:
        """The lines on stderr but for those that tell how far it is."""
        return [line for line in self.err.getvalue().splitlines() if not line.startswith(("Reading", "Read "))]

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[Begin]:
        yield self.begin

    def _ask(self, question: str) -> str:
        self.out.write(f"{question}\n")
        self.before_the_answer()
        if isinstance(self.typed, str):
            return self.typed
        assert self.typed is not None
        raise self.typed


@pytest.fixture
def terminal() -> Terminal:
    """A school whose group has a lesson on Tuesday, and somebody who may stand in."""
    storage = InMemoryStorage()
    roster = a_roster(people=["klimova"], groups={ALGEBRA: []})
    tuesday = replace(a_lesson("known"), starts_at=MONDAY_0800 + timedelta(days=1))
    tuesday = replace(tuesday, ends_at=tuesday.starts_at + timedelta(minutes=45))
    asyncio.run(put(storage.begin, organization=an_organization(), roster=roster, lessons=[tuesday]))
    return Terminal(storage.begin)


def a_wish(folder: Path, *rows: str, organization: OrganizationId = SCHOOL, days: Days | None = None) -> Wish:
    """A file of these rows, to be imported."""
    file = folder / "timetable.csv"
    file.write_text("\n".join([HEADER, *rows, ""]), encoding="utf-8")
    return Wish(file, organization, days or Days(), 20)


async def kept(begin: Begin) -> dict[str, Lesson]:
    """The group's lessons by their ids."""
    async with begin(SCHEDULE) as uow:
        found = await uow.lessons.of_groups(
            [group_of(ALGEBRA)], MONDAY_0800 - timedelta(days=999), MONDAY_0800 + timedelta(days=999)
        )
    return {lesson.school_id: lesson for lesson in found}


@rule
def test_the_plan_is_shown_and_when_it_is_agreed_to_applied(tmp_path: Path, terminal: Terminal) -> None:
    unknown_past = f"past,{ALGEBRA},2026-09-08,00:00,00:45,,"
    outside = f"outside,{ALGEBRA},2026-09-01,08:30,09:15,,"

    code = terminal.run(a_wish(tmp_path, ROW, outside, unknown_past.replace("09-08,", "09-07,")))

    *plan, applied = terminal.shown
    assert code == DONE
    assert plan == [
        "Школа, study groups: 1, from 2026-09-01 to 2026-09-08:",
        "New lessons        1",
        "Lessons cancelled  1",
        "Left aside: 2 lessons that are past, or have begun, and are not known.",
        "Apply? [y/N] ",
    ]
    assert applied.startswith("Applied in ")
    assert applied.endswith(": new lessons: 1, lessons cancelled: 1.")
    assert {key: lesson.cancelled for key, lesson in asyncio.run(kept(terminal.begin)).items()} == {
        "known": True,
        "new": False,
    }


@rule
@pytest.mark.parametrize(
    ("typed", "code", "said"),
    [
        ("n", NOT_DONE, "Nothing was changed."),
        ("\n", NOT_DONE, "Nothing was changed."),
        (EOFError, NOT_DONE, "Nothing was changed."),
        (None, NOT_DONE, "Nobody is there to be asked. With --yes it is applied without asking."),
        (KeyboardInterrupt, STOPPED, "Stopped. Nothing was changed."),
    ],
)
def test_what_is_not_agreed_to_is_not_applied(
    tmp_path: Path, terminal: Terminal, typed: str | type[BaseException] | None, code: int, said: str
) -> None:
    before = asyncio.run(kept(terminal.begin))
    terminal.typed = typed

    ended = terminal.run(a_wish(tmp_path, ROW))

    assert (ended, terminal.faults[-1]) == (code, said)
    assert asyncio.run(kept(terminal.begin)) == before


@rule
def test_with_yes_nobody_is_asked(tmp_path: Path, terminal: Terminal) -> None:
    terminal.typed = None

    code = terminal.run(replace(a_wish(tmp_path, ROW), yes=True))

    assert code == DONE
    assert "new" in asyncio.run(kept(terminal.begin))


@rule
def test_a_dry_run_shows_the_plan_and_changes_nothing(tmp_path: Path, terminal: Terminal) -> None:
    before = asyncio.run(kept(terminal.begin))

    code = terminal.run(replace(a_wish(tmp_path, ROW), dry_run=True, yes=True))

    assert (code, terminal.shown[1:]) == (DONE, ["New lessons        1", "Lessons cancelled  1"])
    assert asyncio.run(kept(terminal.begin)) == before


@rule
@pytest.mark.parametrize("dry_run", [True, False])
def test_a_plan_that_cancels_too_much_is_refused_unless_that_is_allowed(
    tmp_path: Path, terminal: Terminal, dry_run: bool
) -> None:
    terminal.run(a_wish(tmp_path, *(ROW.replace("new", str(number)) for number in range(11))))
    before = asyncio.run(kept(terminal.begin))
    wish = replace(a_wish(tmp_path, ROW), yes=True, dry_run=dry_run)

    refused = terminal.run(wish)
    left = asyncio.run(kept(terminal.begin))
    allowed = terminal.run(replace(wish, allow_removals=True))

    assert (refused, allowed, left) == (REFUSED, DONE, before)
    assert terminal.faults[0] == "Refused: it would end 11 of 11 lessons, more than 20 %."
    assert asyncio.run(kept(terminal.begin))["5"].cancelled is not dry_run


@rule
def test_faults_are_told_by_line_and_nothing_is_changed(tmp_path: Path, terminal: Terminal) -> None:
    before = asyncio.run(kept(terminal.begin))
    of_the_file = a_wish(tmp_path, ROW, "\x1b[2J,a,2026-09-08,08:30,08:30,,", "b,c")

    in_the_file = terminal.run(of_the_file)
    in_the_school = terminal.run(a_wish(tmp_path, ROW.replace(ALGEBRA, "Физика"), ROW.replace("new", "n")))

    assert (in_the_file, in_the_school) == (NOT_DONE, NOT_DONE)
    assert terminal.faults == [
        "timetable.csv, line 3, column lesson_id: the lesson needs an id of at most 255 printable characters",
        "timetable.csv, line 4: the row has 2 fields, and the header 7",
        "Nothing was changed.",
        "timetable.csv, line 2, column group_id: there is no open study group «Физика»",
        "Nothing was changed.",
    ]
    assert asyncio.run(kept(terminal.begin)) == before


@rule
def test_no_more_than_a_hundred_faults_are_shown_and_none_of_them_steers_the_terminal(
    tmp_path: Path, terminal: Terminal
) -> None:
    rows = [f"{number},\x1b[2J{'x' * 500},2026-09-08,08:30,09:15,," for number in range(102)]

    terminal.run(a_wish(tmp_path, *rows))

    assert len(terminal.faults) == 102
    assert terminal.faults[-2:] == ["and 2 more faults", "Nothing was changed."]
    assert max(map(len, terminal.faults)) < 310
    assert "\x1b" not in terminal.err.getvalue()


@rule
def test_a_timetable_that_changes_before_the_answer_is_not_touched(tmp_path: Path, terminal: Terminal) -> None:
    one_more = replace(a_lesson("one more"), starts_at=MONDAY_0800 + timedelta(days=1, hours=2))

    def change() -> None:
        asyncio.run(put(terminal.begin, lessons=[replace(one_more, ends_at=one_more.starts_at + timedelta(hours=1))]))

    terminal.before_the_answer = change

    code = terminal.run(a_wish(tmp_path, ROW))

    assert code == NOT_DONE
    assert terminal.faults == ["Something else changed meanwhile. Nothing was applied: run it again."]
    assert not any(lesson.cancelled for lesson in asyncio.run(kept(terminal.begin)).values())


def test_an_unknown_organization_and_a_file_that_is_not_there_are_told(tmp_path: Path, terminal: Terminal) -> None:
    wish = a_wish(tmp_path, ROW)

    codes = [
        terminal.run(replace(wish, organization=OTHER_SCHOOL)),
        terminal.run(replace(wish, path=tmp_path / "none.csv")),
        terminal.run(replace(wish, path=tmp_path)),
    ]

    assert codes == [NOT_DONE] * 3
    assert [line.partition(":")[0] for line in terminal.faults] == [
        "There is no such organization.",
        f"{tmp_path / 'none.csv'} cannot be read",
        f"{tmp_path} cannot be read",
    ]


@rule
def test_a_period_that_ends_before_it_begins_is_refused(tmp_path: Path, terminal: Terminal) -> None:
    code = terminal.run(a_wish(tmp_path, ROW, days=Days(date(2026, 9, 8), date(2026, 9, 7))))

    assert (code, terminal.faults) == (NOT_DONE, ["The period ends before it begins."])


@rule
def test_a_file_without_lessons_changes_nothing(tmp_path: Path, terminal: Terminal) -> None:
    code = terminal.run(a_wish(tmp_path))

    assert code == DONE
    assert terminal.shown[:2] == ["The file states no lesson.", "Nothing is to be changed."]


@rule
async def test_a_large_timetable_is_imported_into_postgres_twice(tmp_path: Path, database_url: str) -> None:
    settings = load_settings(environment="development", database_url=database_url)
    groups = {str(number): () for number in range(200)}
    rows = [
        f"{group}/{day}/{hour},{group},2030-10-{day:02},{hour:02}:30,{hour + 1:02}:15,,"
        for group in groups
        for day in range(1, 26)
        for hour in (8, 10)
    ]
    wish = replace(a_wish(tmp_path, *rows), yes=True)

    @asynccontextmanager
    async def opened() -> AsyncIterator[Begin]:
        engine = create_engine(settings)
        yield units_of_work(engine, Cipher(Fernet.generate_key().decode()))
        await engine.dispose()

    async with opened() as begin:
        await put(begin, organization=an_organization(), roster=a_roster(groups=groups))
    shown = StringIO()
    codes = [
        await to_thread.run_sync(import_timetable, wish, opened, Console(shown, StringIO())) for _ in ("once", "again")
    ]

    assert codes == [DONE, DONE]
    assert "New lessons  10,000" in shown.getvalue()
    assert shown.getvalue().endswith(": nothing had to be changed.\n")


def as_process(*arguments: str, **environment: str) -> tuple[int, list[str], list[str]]:
    """The exit code of `sferum import-timetable` where nobody is there to type, and the lines of both its outputs."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("SFERUM_")}
    done = subprocess.run(
        [sys.executable, "-m", "graphql_api.cli", "import-timetable", *arguments],
        env=ours | {"SFERUM_ENVIRONMENT": "development"} | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.splitlines(), done.stderr.splitlines()


@rule
async def test_the_command_line_takes_either_id_of_the_organization_and_the_days(
    tmp_path: Path, database_url: str
) -> None:
    surroundings = {"SFERUM_DATABASE_URL": database_url, "SFERUM_DATA_DIR": str(tmp_path)}
    engine = create_engine(load_settings(environment="development", database_url=database_url))
    begin = units_of_work(engine, Cipher(Fernet.generate_key().decode()))
    roster = a_roster(people=["klimova"], groups={ALGEBRA: []})
    await put(begin, organization=an_organization(), roster=roster)
    path = str(a_wish(tmp_path, ROW.replace("2026", "2030")).path)
    days = ("--from", "2030-09-01", "--to", "2030-09-30")

    def run(*arguments: str) -> tuple[int, list[str], list[str]]:
        return as_process(path, *arguments, **surroundings)

    planned = await to_thread.run_sync(run, "--organization", "school", *days, "--dry-run")
    unasked = await to_thread.run_sync(run, "--organization", "school")
    applied = await to_thread.run_sync(run, "--organization", global_id("Organization", SCHOOL), "--yes")
    async with begin(SCHEDULE) as uow:
        found = await uow.lessons.find(a_lesson("new").id)
    await engine.dispose()

    assert (planned[0], planned[1][0]) == (DONE, "Школа, study groups: 1, from 2030-09-01 to 2030-09-30:")
    assert (unasked[0], unasked[2][-1]) == (
        NOT_DONE,
        "Nobody is there to be asked. With --yes it is applied without asking.",
    )
    assert applied[0] == DONE
    assert found is not None


@pytest.mark.parametrize("day", ["2030", "30.09.2030", "1999-12-31", "9999-12-31"])
def test_a_day_that_is_none_is_refused(capsys: pytest.CaptureFixture[str], day: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["import-timetable", "x.csv", "--organization", "school", "--to", day])

    assert ended.value.code == 2
    assert f"«{day}» is no date, as 2026-09-01" in capsys.readouterr().err
