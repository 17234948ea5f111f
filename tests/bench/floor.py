"""The floor of rows A and C: a bare Starlette handler, the bytes of one statement, neither rights nor GraphQL."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg
import uvicorn
from sqlalchemy import make_url
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from infrastructure.settings import load_settings

CHATS = """
select json_build_object('data', json_build_object('chats', json_build_object(
  'totalCount', (select count(*) from chats where organization_id = $1 and not archived and deleted_at is null),
  'edges', coalesce(json_agg(json_build_object('node', json_build_object(
    'id', id, 'name', name, 'type', type, 'memberCount', member_count, 'archived', archived,
    'schoolClass', case when class_name is not null then json_build_object('name', class_name) end,
    'subject', case when subject_name is not null then json_build_object('name', subject_name) end,
    'administrator', case when administrator is not null then json_build_object('fullName', administrator) end
  )) order by number), '[]'::json))))::text
from (
  select c.id, c.name, c.type, c.member_count, c.archived, c.number,
         k.name as class_name, s.name as subject_name, a.full_name as administrator
  from chats c
  join organizations o on o.id = c.organization_id
  left join participants a on a.id = o.chat_administrator_id
  left join classes k on k.id = c.class_id
  left join study_groups g on g.id = c.group_id
  left join subjects s on s.id = g.subject_id
  where c.organization_id = $1 and not c.archived and c.deleted_at is null
  order by c.number limit 24
) page
"""
CONFERENCES = """
select json_build_object('data', json_build_object('videoconferences', json_build_object(
  'totalCount', (select count(*) from videoconferences where organization_id = $1 and deleted_at is null),
  'edges', coalesce(json_agg(json_build_object('node', json_build_object(
    'id', id, 'name', name, 'type', type, 'status', status, 'startsAt', starts_at, 'endsAt', ends_at,
    'link', case when status = 'ACTIVE' then link end, 'chat', json_build_object('id', chat_id, 'name', chat_name)
  )) order by starts_at desc, id), '[]'::json))))::text
from (
  select v.id, v.name, v.type, v.status, v.starts_at, v.ends_at, v.link, v.chat_id, c.name as chat_name
  from videoconferences v
  join chats c on c.id = v.chat_id
  where v.organization_id = $1 and v.deleted_at is null
  order by v.starts_at desc, v.id limit 24
) page
"""
PAGES = {"chats": CHATS, "videoconferences": CONFERENCES}


def create_app(database_url: str, organization: UUID, statement: str) -> Starlette:
    """The page at `/graphql`, whatever is asked."""
    url = make_url(database_url)
    pool: asyncpg.Pool

    async def page(request: Request) -> Response:
        await request.body()
        # A fresh JSON text each time, compact as ours is.
        text: str = await pool.fetchval(statement, organization)
        return Response(text.replace('" : ', '":').replace(', "', ',"').encode(), media_type="application/json")

    async def ready(request: Request) -> Response:
        return Response()

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        nonlocal pool
        pool = await asyncpg.create_pool(
            user=url.username, host=str(url.query["host"]), database=url.database, min_size=10, max_size=10
        )
        yield
        await pool.close()

    return Starlette(
        routes=[Route("/graphql", page, methods=["POST"]), Route("/health/ready", ready)], lifespan=lifespan
    )


if __name__ == "__main__":
    address = load_settings().database_url
    assert address is not None
    uvicorn.run(
        create_app(address.get_secret_value(), UUID(sys.argv[2]), PAGES[sys.argv[3]]),
        port=int(sys.argv[1]),
        log_level="warning",
        access_log=False,
    )
