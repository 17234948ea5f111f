"""Row R: a page of a school's 150 chats where it is alone, beside the same page among 200 schools."""

import asyncio
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from application.views import ChatOrder, ChatOrderField, Window
from domain.access import Permission, Viewer
from domain.ids import OrganizationId, PersonId
from infrastructure.db.engine import create_engine
from infrastructure.db.views import PostgresViews
from infrastructure.settings import Settings, load_settings
from tests.bench.table import Row
from tests.servers import database_of

SCHOOLS = 200
PAGE = Window(24, 0)
ROUNDS = 15
PAGES_A_ROUND = 40
ORDERS = {
    "as created": ChatOrder(),
    "by name": ChatOrder(ChatOrderField.NAME),
    "by subject, descending": ChatOrder(ChatOrderField.SUBJECT, descending=True),
}

# Each school: 30 classes with two chats each, 89 study groups with one, the teachers' chat; five members to a chat.
SCHOOL_ROWS = (
    """insert into organizations (id, school_id, name, sort_key, search_key, time_zone)
    select md5('o' || o)::uuid, 'school-' || o, 'Школа', '', '', 'UTC' from generate_series(1, :schools) o""",
    """insert into participants
      (id, organization_id, person_id, last_name, first_name, blocked, full_name, sort_key, search_key)
    select md5('p' || o || '/' || p)::uuid, md5('o' || o)::uuid, p, 'Я', 'Я', false, 'Я Я', p, 'я я'
    from generate_series(1, :schools) o, generate_series(1, 100) p""",
    "update organizations set chat_administrator_id = md5('p' || substr(school_id, 8) || '/1')::uuid",
    """insert into classes (id, organization_id, school_id, name, sort_key, teacher_id, closed)
    select md5('k' || o || '/' || k)::uuid, md5('o' || o)::uuid, k, k || ' А', lpad(k::text, 6, '0'),
           md5('p' || o || '/' || k)::uuid, false
    from generate_series(1, :schools) o, generate_series(1, 30) k""",
    """insert into subjects (id, organization_id, name, sort_key)
    select md5('s' || o || '/' || s)::uuid, md5('o' || o)::uuid, s, s
    from generate_series(1, :schools) o, generate_series(0, 14) s""",
    """insert into study_groups (id, organization_id, school_id, name, sort_key, search_key, subject_id, closed)
    select md5('g' || o || '/' || g)::uuid, md5('o' || o)::uuid, g, g, g, g, md5('s' || o || '/' || g % 15)::uuid, false
    from generate_series(1, :schools) o, generate_series(1, 89) g""",
    # Chats of all schools come into being in turns, so that a school's are never neighbours.
    """insert into chats (id, organization_id, type, class_id, group_id, name, archived, member_count, sort_key,
      search_key, named_by_user, version, revision)
    select md5('c' || o || '/' || c)::uuid, md5('o' || o)::uuid,
           case when c = 0 then 'TEACHERS' when c <= 30 then 'CLASS' when c <= 60 then 'PARENTS' else 'SUBJECT' end,
           case when c between 1 and 60 then md5('k' || o || '/' || (c - 1) % 30 + 1)::uuid end,
           case when c > 60 then md5('g' || o || '/' || c - 60)::uuid end,
           'Чат ' || c, false, 5, md5(c::text), 'чат ' || c, false, 0, 0
    from generate_series(0, 149) c, generate_series(1, :schools) o""",
    """insert into memberships (chat_id, participant_id, role, capacities, grounds)
    select md5('c' || o || '/' || c)::uuid, md5('p' || o || '/' || (c + m) % 100 + 1)::uuid,
           'MEMBER', '{EMPLOYEE}', '[]'
    from generate_series(0, 149) c, generate_series(1, :schools) o, generate_series(0, 4) m""",
)


async def measure(database_url: str, redis_url: str, data_dir: Path) -> list[Row]:
    """Both databases in turns, the order changing from round to round; the median of the rounds' ratios."""
    alone = create_engine(_settings(await database_of(database_url, "bench_registry_alone")))
    among = create_engine(_settings(database_url))
    await asyncio.gather(fill(alone, 1), fill(among, SCHOOLS))
    rows = [await _row(name, order, alone, among) for name, order in ORDERS.items()]
    await alone.dispose()
    await among.dispose()
    return rows


async def fill(engine: AsyncEngine, schools: int) -> None:
    """So many schools with 150 chats each."""
    async with engine.begin() as connection:
        await connection.execute(text("set local statement_timeout = 0"))
        for statement in SCHOOL_ROWS:
            await connection.execute(text(statement), {"schools": schools} if ":schools" in statement else {})
    async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        await connection.execute(text("vacuum analyze"))


async def viewer_of(engine: AsyncEngine) -> Viewer:
    """Who sees the registry of the school that was founded first."""
    async with engine.connect() as connection:
        id = (await connection.execute(text("select id from organizations where school_id = 'school-1'"))).scalar_one()
    return Viewer(PersonId("1"), OrganizationId(id), granted=frozenset({Permission.REGISTRY_VIEW}))


async def _row(name: str, order: ChatOrder, alone: AsyncEngine, among: AsyncEngine) -> Row:
    seconds: dict[str, list[float]] = {"alone": [], "among": []}
    ways = [("alone", alone, await viewer_of(alone)), ("among", among, await viewer_of(among))]
    for number in range(ROUNDS):
        for way, engine, viewer in ways if number % 2 else reversed(ways):
            seconds[way].append(await _round(PostgresViews(engine), viewer, order))
    # The first round of each prepares the statement.
    ratios = [slow / quick for slow, quick in zip(seconds["among"][1:], seconds["alone"][1:], strict=True)]
    return Row(
        f"R: 24 of 150 chats {name}, among {SCHOOLS} schools / alone, ms",
        _milliseconds(seconds["among"]),
        _milliseconds(seconds["alone"]),
        f"{statistics.median(ratios):.2f} ({min(ratios):.2f}…{max(ratios):.2f})",
    )


async def _round(views: PostgresViews, viewer: Viewer, order: ChatOrder) -> float:
    assert viewer.organization_id is not None
    began = time.perf_counter()
    for _ in range(PAGES_A_ROUND):
        page = await views.chats(viewer, viewer.organization_id, PAGE, order=order)
        assert (len(page.items), page.total) == (24, 150)
    return (time.perf_counter() - began) / PAGES_A_ROUND


def _milliseconds(seconds: Sequence[float]) -> str:
    return f"{statistics.median(seconds[1:]) * 1000:.2f}"


def _settings(url: str) -> Settings:
    return load_settings(environment="development", database_url=url)
