"""Row C: a page of 24 conferences through GraphQL, with a chat, a status and a link each, beside the same page as JSON.

The school has held a hundred, of which every tenth is active.
"""

from pathlib import Path

from sqlalchemy import text

from domain.ids import organization_id
from infrastructure.container import assembled
from infrastructure.demo import full_school
from tests.bench.chats_page import compared, load_full_school, settings_of
from tests.bench.table import Row

DOCUMENT = """{ videoconferences(first: 24) { totalCount edges { node {
  id name type status startsAt endsAt link chat { id name }
} } } }"""
HOLD = """
insert into videoconferences (
  id, organization_id, type, name, sort_key, search_key, chat_id, starts_at, ends_at, removals, of_group, frozen,
  set_by_hand, status, link, active_since, finished_at, finished_by, version, revision)
select gen_random_uuid(), c.organization_id, 'VIDEO_CALL', 'Звонок ' || n, '', 'звонок ' || n, c.id,
       now() - n * interval '1 hour', now() + interval '1 hour' - n * interval '1 hour', '{}', false, n % 10 <> 0, '{}',
       case when n % 10 = 0 then 'ACTIVE' else 'FINISHED' end, 'https://vk.ru/call/join/' || n,
       now() - n * interval '1 hour', case when n % 10 <> 0 then now() end, case when n % 10 <> 0 then 'USER' end, 3, 3
from generate_series(1, 100) n
join (select c.*, row_number() over (order by c.number) as place from chats c where c.organization_id = :school) c
  on c.place = 1 + n % 60
"""


async def measure(database_url: str, redis_url: str, data_dir: Path) -> list[Row]:
    """No two conferences of a page are in the same chat."""
    settings = settings_of(database_url, redis_url, data_dir)
    async with assembled(settings) as container:
        await load_full_school(container)
        async with container.engine().begin() as connection:
            held = await connection.execute(text(HOLD), {"school": organization_id(full_school.SCHOOL_ID)})
            assert held.rowcount == 100, held.rowcount
            await connection.execute(text("analyze"))
    return await compared("C: a page of 24 conferences", "videoconferences", DOCUMENT, settings)
