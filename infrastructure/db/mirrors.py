"""Mirrors as rows, and which of them a unit of work concerns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, Integer, Row, Text, Uuid, bindparam, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.ids import ChatId, OrganizationId, ParticipantId, PersonId
from domain.mirror import ChatNow, Held, LinkedMember, Mirror, MirrorError, MirrorState
from infrastructure.db import outbox
from infrastructure.db.tables import mirrors

# Locked in the order of their ids, so that nobody who does the same waits for another in a circle.
_TOUCH = text("""
with people as (
  select p.id, p.person_id from participants p where p.id = any(:participants) or p.person_id = any(:persons)
),
profiles as (
  select l.profile_id from account_links l where l.person_id in (select person_id from people)
  union select unnest(:profiles)
),
concerned as (
  select unnest(:chats) as id
  union select m.chat_id from people join memberships m on m.participant_id = people.id
  union select c.id
        from people
        join organizations o on o.chat_administrator_id = people.id
        join chats c on c.organization_id = o.id and c.deleted_at is null
  union select r.chat_id from profiles join mirrors r on r.members ? profiles.profile_id
  union select c.id from chats c where c.organization_id = any(:organizations) and c.deleted_at is null
)
insert into mirrors (chat_id, organization_id)
select c.id, c.organization_id from concerned join chats c on c.id = concerned.id order by c.id
on conflict (chat_id) do update
set touched = mirrors.touched + 1, touched_at = excluded.touched_at, due_at = excluded.due_at
""").bindparams(
    bindparam("participants", type_=ARRAY(Uuid)),
    bindparam("persons", type_=ARRAY(Text)),
    bindparam("profiles", type_=ARRAY(Text)),
    bindparam("chats", type_=ARRAY(Uuid)),
    bindparam("organizations", type_=ARRAY(Uuid)),
)

# Whoever has few under way comes before whoever has many, so that a large school does not hold up others.
_CLAIM = text("""
with due as (
  select r.chat_id, r.members is null as unmade, r.due_at, r.touched_at,
         row_number() over (
           partition by r.organization_id order by r.members is null, r.due_at, r.touched_at, r.chat_id
         ) + coalesce(busy.under_way, 0) as place
  from mirrors r
  left join unnest(:organizations, :under_way) busy(organization_id, under_way)
    on busy.organization_id = r.organization_id
  where r.due_at <= :at and (r.claimed_until is null or r.claimed_until <= :at)
),
chosen as (
  select r.chat_id
  from due
  join mirrors r on r.chat_id = due.chat_id
  where due.place <= :of_each and r.due_at <= :at and (r.claimed_until is null or r.claimed_until <= :at)
  order by due.place, due.unmade, due.due_at, due.touched_at, due.chat_id
  limit :limit
  for update of r skip locked
)
update mirrors set claimed_until = :until from chosen where mirrors.chat_id = chosen.chat_id
returning mirrors.*
""").bindparams(bindparam("organizations", type_=ARRAY(Uuid)), bindparam("under_way", type_=ARRAY(Integer)))

_NOW = text("""
with chat as (
  select c.id, c.organization_id, c.name, c.archived, c.deleted_at is not null as deleted,
         r.touched, r.members, a.person_id as chat_administrator
  from chats c
  join mirrors r on r.chat_id = c.id
  join organizations o on o.id = c.organization_id
  left join participants a on a.id = o.chat_administrator_id
  where c.id = :chat
),
linked as (
  select p.person_id, l.profile_id, m.role
  from memberships m
  join participants p on p.id = m.participant_id and not p.blocked
  join account_links l on l.person_id = p.person_id
  where m.chat_id = :chat
),
candidates as (
  select person_id from linked
  union select chat_administrator from chat where chat_administrator is not null
  union select l.person_id
        from chat
        cross join lateral jsonb_object_keys(chat.members) inside(profile_id)
        join account_links l on l.profile_id = inside.profile_id
)
select chat.*,
       array(select person_id from linked order by profile_id) as people,
       array(select profile_id from linked order by profile_id) as profiles,
       array(select role = 'ADMINISTRATOR' from linked order by profile_id) as administrators,
       (select jsonb_object_agg(l.profile_id, l.person_id)
        from candidates
        join account_links l on l.person_id = candidates.person_id and l.tokens is not null
        join participants p
          on p.person_id = l.person_id and p.organization_id = chat.organization_id and not p.blocked) as working
from chat
""")

# Whoever the account's own profile is, it goes last or stays.
_TO_EMPTY = text("""
select r.chat_id
from account_links own
join mirrors r on r.owner = own.profile_id and r.members ? own.profile_id
where own.person_id = :person
  and exists (
    select from jsonb_object_keys(r.members) inside(profile_id)
    where inside.profile_id <> r.owner
      and not exists (
        select
        from account_links l
        join participants p
          on p.person_id = l.person_id and p.organization_id = r.organization_id and not p.blocked
        join memberships m on m.participant_id = p.id and m.chat_id = r.chat_id
        where l.profile_id = inside.profile_id
      )
  )
order by r.chat_id
""")


@dataclass(slots=True)
class Touched:
    """What a unit of work changed of which mirrors may be out of step afterwards.

    `participants` and `persons`: of their chats, and of the mirrors that hold their profiles; `profiles`: of the
    mirrors that hold them. Mirrors are touched at the end of the unit of work, all in one statement: nobody who holds
    a mirror then waits for whoever changes its chat.
    """

    chats: set[ChatId] = field(default_factory=set)
    organizations: set[OrganizationId] = field(default_factory=set)
    participants: set[ParticipantId] = field(default_factory=set)
    persons: set[PersonId] = field(default_factory=set)
    profiles: set[str] = field(default_factory=set)

    async def write(self, connection: AsyncConnection) -> None:
        """Touches them; they are due at once."""
        values = {
            "chats": list(self.chats),
            "organizations": list(self.organizations),
            "participants": list(self.participants),
            "persons": list(self.persons),
            "profiles": list(self.profiles),
        }
        if any(values.values()):
            await connection.execute(_TOUCH, values)


def to_row(mirror: Mirror) -> dict[str, object]:
    """Column values; how often it was touched is for those who touch it."""
    held = mirror.held
    return {
        "chat_id": mirror.chat_id,
        "organization_id": mirror.organization_id,
        "request_id": mirror.request,
        "numbers": mirror.numbers,
        "refused": {profile: until.isoformat() for profile, until in mirror.refused.items()},
        "owner": mirror.owner,
        "title": None if held is None else held.title,
        "members": None if held is None else dict(held.members),
        "invite_link": mirror.invite_link,
        "unsure": mirror.unsure,
        "looked_at": mirror.looked_at,
        "look_at": list(mirror.look_at),
        "state": str(mirror.state),
        "error": None if mirror.error is None else str(mirror.error),
        "behind_since": mirror.behind_since,
        "tries": mirror.tries,
        "settled": mirror.settled,
        "due_at": mirror.due_at,
        "claimed_until": mirror.claimed_until,
    }


def from_row(row: Row[Any]) -> Mirror:
    """The mirror of a row."""
    return Mirror(
        chat_id=row.chat_id,
        organization_id=row.organization_id,
        request=row.request_id,
        numbers=row.numbers,
        refused={profile: datetime.fromisoformat(until) for profile, until in row.refused.items()},
        owner=row.owner,
        held=None if row.members is None else Held(row.title, row.members),
        invite_link=row.invite_link,
        unsure=row.unsure,
        looked_at=row.looked_at,
        look_at=tuple(row.look_at),
        state=MirrorState(row.state),
        error=None if row.error is None else MirrorError(row.error),
        behind_since=row.behind_since,
        tries=row.tries,
        touched=row.touched,
        settled=row.settled,
        due_at=row.due_at,
        claimed_until=row.claimed_until,
    )


class PostgresMirrors:
    """Implements `application.ports.Mirrors`."""

    def __init__(self, connection: AsyncConnection, touched: Touched) -> None:
        self._connection = connection
        self._touched = touched
        self._seen: dict[ChatId, object] = {}

    async def find(self, chat: ChatId) -> Mirror | None:
        query = select(mirrors).where(mirrors.c.chat_id == chat).with_for_update()
        row = (await self._connection.execute(query)).one_or_none()
        return None if row is None else self._loaded(row)

    async def claim_due(
        self, at: datetime, *, until: datetime, limit: int, of_each: int, under_way: Mapping[OrganizationId, int]
    ) -> list[Mirror]:
        values = {
            "at": at,
            "until": until,
            "limit": limit,
            "of_each": of_each,
            "organizations": list(under_way.keys()),
            "under_way": list(under_way.values()),
        }
        statement = _CLAIM.columns(*mirrors.c)
        return [self._loaded(row) for row in await self._connection.execute(statement, values)]

    async def now_is(self, chat: ChatId) -> ChatNow:
        row = (await self._connection.execute(_NOW, {"chat": chat})).one()
        linked = zip(row.people, row.profiles, row.administrators, strict=True)
        return ChatNow(
            name=row.name,
            ended=row.archived,
            deleted=row.deleted,
            members=[LinkedMember(PersonId(person), profile, is_admin) for person, profile, is_admin in linked],
            chat_administrator=row.chat_administrator,
            working=row.working or {},
            touched=row.touched,
        )

    async def to_empty(self, person: PersonId) -> list[ChatId]:
        return [ChatId(id) for id in (await self._connection.execute(_TO_EMPTY, {"person": person})).scalars()]

    async def save(self, mirror: Mirror) -> None:
        row = to_row(mirror)
        changing = {name: value for name, value in row.items() if name not in {"chat_id", "organization_id"}}
        await self._connection.execute(update(mirrors).where(mirrors.c.chat_id == mirror.chat_id).values(changing))
        if self._seen.get(mirror.chat_id) != mirror.shown:
            self._seen[mirror.chat_id] = mirror.shown
            await outbox.write(self._connection, [outbox.Entry("chat_mirror", mirror.chat_id, "MirrorChanged", {})])

    async def touch(self, chat: ChatId) -> None:
        self._touched.chats.add(chat)

    def _loaded(self, row: Row[Any]) -> Mirror:
        mirror = from_row(row)
        self._seen[mirror.chat_id] = mirror.shown
        return mirror
