"""The demonstration as it stands in a real database, with the sandbox's VK ID over HTTP."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from application.roster import LessonCancelled, Told
from application.views import ChatView, Claims, Window
from domain.access import Viewer
from domain.account_link import AccountLinkStatus
from domain.audit import SCHEDULE
from domain.chat import ChatType
from domain.errors import ProblemCode, Refused
from domain.ids import LessonId, PersonId, lesson_id
from domain.lesson import Lesson
from domain.roster_events import EmployeeDismissed
from infrastructure.container import Container, assembled
from infrastructure.db.unit_of_work import units_of_work
from infrastructure.demo import manual_school, timetable
from infrastructure.demo.load import SCHOOLS, SUPERADMINISTRATOR, School, keep_timetable, load, top_up
from infrastructure.settings import load_settings

MANUAL, FULL = SCHOOLS
WHOLE = Window(first=100, offset=0)
FIGURE_27 = """
Учительская      | TEACHERS |      | 24
8 К              | CLASS    | 8 К  | 2
8 К Родители     | PARENTS  | 8 К  | 1
1 Б              | CLASS    | 1 Б  | 3
1 Б Родители     | PARENTS  | 1 Б  | 2
9                | CLASS    | 9    | 2
9 Родители       | PARENTS  | 9    | 1
4 А              | CLASS    | 4 А  | 2
4 А Родители     | PARENTS  | 4 А  | 2
3 А              | CLASS    | 3 А  | 3
3 А Родители     | PARENTS  | 3 А  | 2
1 Ь              | CLASS    | 1 Ь  | 3
1 Ь Родители     | PARENTS  | 1 Ь  | 2
2 Я              | CLASS    | 2 Я  | 3
2 Я Родители     | PARENTS  | 2 Я  | 2
6 М              | CLASS    | 6 М  | 3
6 М Родители     | PARENTS  | 6 М  | 2
5 П              | CLASS    | 5 П  | 3
5 П Родители     | PARENTS  | 5 П  | 2
4 Л              | CLASS    | 4 Л  | 3
4 Л Родители     | PARENTS  | 4 Л  | 2
3 Д              | CLASS    | 3 Д  | 3
3 Д Родители     | PARENTS  | 3 Д  | 2
2 Г              | CLASS    | 2 Г  | 4
2 Г Родители     | PARENTS  | 2 Г  | 2
"""


@dataclass
class Installation:
    """An installation that is being filled."""

    container: Container
    http: httpx.AsyncClient
    said: list[str] = field(default_factory=list)

    async def load(self) -> None:
        self.said.clear()
        await load(self.container, self.http, self.container.settings(), self.said.append)

    async def chats(self, school: School = MANUAL) -> list[ChatView]:
        return list((await self.container.views().chats(SUPERADMINISTRATOR, school.id, WHOLE)).items)

    async def status(self, person: PersonId) -> AccountLinkStatus:
        claims = Claims(person, MANUAL.school_id, superadministrator=False, roster_service=False)
        return (await self.container.views().viewer(claims)).link_status

    async def lesson(self, id: LessonId) -> Lesson | None:
        async with self.container.begin()(SCHEDULE) as uow:
            return await uow.lessons.find(id)

    async def wait_for_lesson(self, id: LessonId) -> None:
        async with asyncio.timeout(10):
            while True:
                if await self.lesson(id) is not None:
                    return
                await asyncio.sleep(0.05)

    async def tell(self, *events: Told) -> None:
        service = Viewer(PersonId("manual-roster"), MANUAL.id, roster_service=True)
        await self.container.use_cases().apply_roster_events(service, events)

    async def rows(self) -> dict[str, Any]:
        """All that is stored, apart from the notes of the migrations."""
        tables = "select table_name from information_schema.tables where table_schema = 'public' order by 1"
        async with self.container.engine().connect() as connection:
            names = [row.table_name for row in await connection.execute(text(tables))]
            return {
                name: sorted(str(row) for row in await connection.execute(text(f'select * from "{name}"')))
                for name in names
            }


@pytest.fixture
async def installation(database_url: str, redis_url: str, sandbox: Any) -> AsyncIterator[Installation]:
    settings = load_settings(
        environment="development",
        sandbox_port=sandbox.settings.sandbox_port,
        data_dir=sandbox.settings.data_dir,
        database_url=database_url,
        redis_url=redis_url,
    )
    async with assembled(settings) as container, httpx.AsyncClient(trust_env=False, timeout=10) as http:
        yield Installation(container, http)


async def test_the_demonstration_is_complete_after_one_call_and_the_same_after_two(installation: Installation) -> None:
    await installation.load()

    # Figure 27, row by row.
    chats = await installation.chats()
    registry = [
        (chat.name, str(chat.type), chat.school_class.name if chat.school_class else "", chat.member_count)
        for chat in chats
    ]
    expected = [[cell.strip() for cell in line.split("|")] for line in FIGURE_27.strip().splitlines()]
    assert registry == [(name, type, school_class, int(count)) for name, type, school_class, count in expected]
    assert {chat.administrator.full_name for chat in chats if chat.administrator} == {"Воронцова Елена Владимировна"}
    assert all(chat.administrator for chat in chats)
    assert all(
        chat.school_class.class_teacher.full_name != "Воронцова Елена Владимировна"
        for chat in chats
        if chat.school_class and chat.school_class.class_teacher
    )

    # The full-size school.
    others = await installation.chats(FULL)
    assert [chat.type for chat in others[:3]] == [ChatType.TEACHERS, ChatType.CLASS, ChatType.PARENTS]
    assert len(others) == 61
    assert {chat.member_count for chat in others if chat.type is ChatType.CLASS} == {32}

    # Some are linked, some are not.
    linked = {PersonId(known) for known in manual_school.LINKED}
    people = {*manual_school.ADMINISTRATION, *manual_school.PEDAGOGUES, *manual_school.OTHERS, *manual_school.PARENTS}
    people.add(PersonId("manual-pupil"))
    statuses = {person: await installation.status(person) for person in people}
    assert {person for person, status in statuses.items() if status is AccountLinkStatus.LINKED} == linked

    # The second call.
    before = await installation.rows()
    await installation.load()
    assert installation.said == []
    assert await installation.rows() == before


async def test_a_load_that_dies_after_every_step_goes_on_with_the_next(installation: Installation) -> None:
    class Died(Exception):
        pass

    def die(line: str) -> None:
        steps.append(line)
        raise Died

    steps: list[str] = []
    while len(steps) < 100:
        try:
            await load(installation.container, installation.http, installation.container.settings(), die)
            break
        except Died:
            continue

    # Founded, told and administered twice, seven days and more of lessons, and the links.
    assert len(steps) == len(set(steps)) == 2 * 3 + 1 + len(manual_school.LINKED)
    assert [chat.member_count for chat in await installation.chats()][:4] == [24, 2, 1, 3]
    assert len(await installation.chats(FULL)) == 61
    assert {await installation.status(known) for known in manual_school.LINKED} == {AccountLinkStatus.LINKED}
    await installation.load()
    assert installation.said == []


async def test_a_load_without_vk_id_fails_and_the_next_one_links_the_accounts(
    installation: Installation, sandbox: Any
) -> None:
    sandbox.order(method="/id/oauth2/auth", kind="lost", times=20)
    with pytest.raises(Refused) as refused:
        await installation.load()
    sandbox.http.delete("/control/faults").raise_for_status()

    await installation.load()

    assert [problem.code for problem in refused.value.problems] == [ProblemCode.TRY_AGAIN]
    assert {await installation.status(known) for known in manual_school.LINKED} == {AccountLinkStatus.LINKED}


async def test_what_users_changed_since_is_not_undone(installation: Installation) -> None:
    await installation.load()
    async with installation.container.begin()(SCHEDULE) as uow:
        now = await uow.now()
    tomorrow = timetable.lessons(timetable.local_date(now), now)[1].lessons[3].key
    await installation.tell(
        Told("1", EmployeeDismissed(manual_school.CHAT_ADMINISTRATOR)), Told("2", LessonCancelled(tomorrow))
    )
    # The parent is not linked any more, and a day has passed, after which the events' keys are forgotten.
    async with installation.container.engine().begin() as connection:
        unlinked = text("delete from account_links where person_id = :person")
        await connection.execute(unlinked, {"person": manual_school.PARENT})
        await connection.execute(text("delete from answers where scope like 'roster/%'"))

    await installation.load()

    assert installation.said == []
    lesson = await installation.lesson(lesson_id(MANUAL.id, tomorrow))
    assert lesson is not None
    assert lesson.cancelled
    assert (await installation.chats())[0].member_count == 23
    assert await installation.status(manual_school.PARENT) is AccountLinkStatus.NOT_LINKED


async def test_the_timetable_goes_on_at_the_schools_midnight(installation: Installation) -> None:
    await installation.load()
    midnight = datetime(2030, 6, 1, tzinfo=ZoneInfo(timetable.TIME_ZONE))
    shown = midnight - timedelta(milliseconds=100)

    async def shown_clock(connection: AsyncConnection) -> datetime:
        return shown

    begin = units_of_work(installation.container.engine(), installation.container.cipher(), read_clock=shown_clock)
    days = (*timetable.lessons(date(2030, 5, 31), midnight)[:2], timetable.lessons(date(2030, 6, 1), midnight)[1])
    today, tomorrow, day_after = (lesson_id(MANUAL.id, day.lessons[0].key) for day in days)

    with installation.container.begin.override(begin):
        keeping = asyncio.create_task(keep_timetable(installation.container))
        await installation.wait_for_lesson(today)
        await installation.wait_for_lesson(tomorrow)
        before_midnight = await installation.lesson(day_after)
        shown = midnight
        await installation.wait_for_lesson(day_after)
        keeping.cancel()
        await asyncio.wait([keeping])

    assert before_midnight is None


async def test_the_timetable_waits_for_schools_that_are_not_loaded_yet(installation: Installation) -> None:
    async with installation.container.begin()(SCHEDULE) as uow:
        now = await uow.now()

    with pytest.raises(Refused) as refused:
        await top_up(installation.container.use_cases(), installation.container.begin(), now)
    keeping = asyncio.create_task(keep_timetable(installation.container))
    ended, _ = await asyncio.wait([keeping], timeout=0.3)
    keeping.cancel()
    await asyncio.wait([keeping])

    assert [problem.code for problem in refused.value.problems] == [ProblemCode.NOT_FOUND]
    assert not ended
