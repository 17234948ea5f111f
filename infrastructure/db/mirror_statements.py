"""The SQL of mirrors as people see them: how things are at this moment, whatever the worker has got to yet."""

from domain.mirror import ARCHIVED, LONGEST_TITLE

# Where the member who is the participant `p`, with the link `l`, stands in the mirror `r` (SYNC-04).
SFERUM_STATE = """
  case when p.blocked then 'BLOCKED'
       when l.profile_id is null then 'NOT_LINKED'
       when jsonb_exists(r.members, l.profile_id) then 'IN_CHAT'
       when jsonb_exists(r.refused, l.profile_id) then 'REFUSED'
       else 'PENDING' end
"""

# The linked members of the chat `c`, and how they stand in its mirror `r`.
_LINKED_MEMBERS = f"""
  select {SFERUM_STATE} as state,
         coalesce((r.members ->> l.profile_id)::boolean <> (m.role = 'ADMINISTRATOR'), false) as has_another_role
  from memberships m
  join participants p on p.id = m.participant_id
  join account_links l on l.person_id = p.person_id
  where m.chat_id = c.id
"""

_COUNTED = """
  select count(*) filter (where member.state = 'IN_CHAT') as in_sferum,
         count(*) filter (where member.state = 'PENDING') as pending,
         (select count(*) from jsonb_object_keys(r.members)) - count(*) filter (where member.state = 'IN_CHAT')
           as leaving,
         coalesce(bool_or(member.has_another_role), false) as has_another_role
"""

_TITLE = f"""
  case when c.archived then left(c.name, {LONGEST_TITLE - len(ARCHIVED)}) || '{ARCHIVED}'
       else left(c.name, {LONGEST_TITLE}) end
"""

# Whether it is settled, and then the chat became other than its mirror.
_IS_BEHIND_AGAIN = f"""
  (r.state in ('NOT_NEEDED', 'IN_STEP', 'ARCHIVED') and r.touched <> r.settled
   and (counted.pending > 0 or counted.leaving > 0 or counted.has_another_role or r.title <> ({_TITLE})))
"""

_NOW = f"""
  case when {_IS_BEHIND_AGAIN} then 'BEHIND' else coalesce(r.state, 'NOT_NEEDED') end as state,
  case when {_IS_BEHIND_AGAIN} then r.touched_at else r.behind_since end as behind_since
"""

CHAT_MIRRORS = f"""
select c.id, o.time_zone, counted.in_sferum, counted.pending, counted.leaving, r.error, {_NOW}
from chats c
join organizations o on o.id = c.organization_id
left join mirrors r on r.chat_id = c.id
cross join lateral ({_COUNTED} from ({_LINKED_MEMBERS}) member) counted
where c.id = any(:chats) and c.deleted_at is null
"""

# Only of chats that were touched since is it counted who is in them.
ORGANIZATION_MIRRORS = f"""
select wanted.id,
       count(*) filter (where mirror.state = 'IN_STEP') as in_step,
       count(*) filter (where mirror.state = 'BEHIND') as behind,
       count(*) filter (where mirror.state = 'WAITING_FOR_CHAT_ADMINISTRATOR') as waiting,
       count(*) filter (where mirror.state = 'BROKEN') as broken,
       min(mirror.behind_since) filter (where mirror.state in ('BEHIND', 'WAITING_FOR_CHAT_ADMINISTRATOR', 'BROKEN'))
         as oldest_behind_since
from unnest(cast(:organizations as uuid[])) wanted(id)
left join lateral (
  select {_NOW}
  from chats c
  join mirrors r on r.chat_id = c.id
  left join lateral (
    {_COUNTED} from ({_LINKED_MEMBERS}) member where r.touched <> r.settled
  ) counted on true
  where c.organization_id = wanted.id and c.deleted_at is null
) mirror on true
group by wanted.id
"""
