"""The SQL of the views. Each statement fills a whole page, whatever its size."""

# Who takes part in a conference, as a condition on the membership `m` of its chat (domain.participation).
KIND_TAKES_PART = """
  (m.capacities && array['PUPIL', 'EMPLOYEE']
   or (v.type = 'VIDEO_CALL' and c.type = 'PARENTS' and 'PARENT' = any(m.capacities)))
"""

# Whether the membership `m` is that of the chat's class or group teacher (RIGHT-07).
TEACHES = """
  coalesce(m.grounds @> '[{"kind": "CLASS_TEACHER"}]' or m.grounds @> '[{"kind": "GROUP_TEACHER"}]', false)
"""

# Only an employee administers the organization, whatever the grant `g` says.
GRANT_COUNTS = """
  (g.role <> 'ORGANIZATION_ADMINISTRATOR'
   or exists (select from employees e where e.participant_id = g.participant_id))
"""

VIEWER = f"""
select o.id as organization_id, o.name as organization_name, o.time_zone, o.chat_administrator_id,
       p.id as participant_id, p.full_name, p.blocked,
       a.full_name as administrator_name, a.blocked as administrator_blocked,
       exists (select from role_grants r where r.participant_id = p.id and r.role = 'ORGANIZATION_ADMINISTRATOR')
         as organization_administrator,
       exists (select from employees e where e.participant_id = p.id) as employee,
       array(select distinct permission from roles r cross join unnest(r.permissions) permission
             where r.name in (select g.role from role_grants g
                              where g.participant_id = p.id and p.idle_since is null and {GRANT_COUNTS})
                or (r.meta_role = 'CHAT_ADMINISTRATOR' and p.id = o.chat_administrator_id)) as permissions,
       exists (select from memberships m
               where m.participant_id = p.id and m.role = 'ADMINISTRATOR'
                 and ({TEACHES}))
         as teaches_somewhere,
       l.person_id is not null as linked, l.tokens is not null as link_works, l.display_name, l.linked_at
from (select 1) one
left join organizations o on o.school_id = :organization
left join participants p on p.organization_id = o.id and p.person_id = :person
left join participants a on a.id = o.chat_administrator_id
left join account_links l on l.person_id = :person
"""

NAME_OF_ACCOUNT = """
select concat_ws(' ', p.first_name, p.patronymic, left(p.last_name, 1) || '.') as name
from participants p where p.person_id = :person order by p.id limit 1
"""

ORGANIZATIONS = """
select total.count as total, page.*
from (
  select count(*) from organizations o
  where (:everything or o.id = :own) and (cast(:id as uuid) is null or o.id = :id) and o.search_key like all(:patterns)
) total
left join lateral (
  select o.id, o.name, o.time_zone, o.chat_administrator_id, o.sort_key,
         a.full_name as administrator_name, a.blocked as administrator_blocked
  from organizations o
  left join participants a on a.id = o.chat_administrator_id
  where (:everything or o.id = :own) and (cast(:id as uuid) is null or o.id = :id) and o.search_key like all(:patterns)
  order by o.sort_key, o.id
  limit :first offset :offset
) page on true
order by page.sort_key, page.id
"""

# What decides who sees a conference and its link: see domain.access.
_CONFERENCE_RIGHTS = f"""
  c.type as chat_type, c.archived as chat_archived, m.role as viewer_role, {TEACHES} as viewer_teaches,
  not (cast(:me as uuid) = any(v.removals)) and (
    (m.participant_id is not null and {KIND_TAKES_PART})
    or exists (select from videoconference_additions x natural join capacities
               where x.videoconference_id = v.id and x.participant_id = :me)) as viewer_takes_part
"""

_CONFERENCE_COLUMNS = """
  v.id, v.organization_id, v.name, v.type, v.chat_id, v.starts_at, v.ends_at, v.status, v.active_since,
  v.finished_at, v.finished_by, v.failure, v.start_problem, v.link, v.version,
  c.name as chat_name, o.time_zone
"""

_CONFERENCE_TABLES = """
  videoconferences v
  join chats c on c.id = v.chat_id
  join organizations o on o.id = v.organization_id
  left join memberships m on m.chat_id = v.chat_id and m.participant_id = :me
"""

VIDEOCONFERENCES = f"""
with open_to_viewer as (
  select * from (
    select v.starts_at, v.id, {_CONFERENCE_RIGHTS}
    from {_CONFERENCE_TABLES}
    where v.organization_id = :organization and v.deleted_at is null
  ) rights
  where :registry or viewer_role = 'ADMINISTRATOR' or viewer_takes_part
)
select total.count as total, page.*
from (select count(*) from open_to_viewer) total
left join lateral (
  select {_CONFERENCE_COLUMNS}, r.chat_type, r.chat_archived, r.viewer_role, r.viewer_teaches, r.viewer_takes_part
  from (select * from open_to_viewer order by starts_at desc, id limit :first offset :offset) r
  join videoconferences v on v.id = r.id
  join chats c on c.id = v.chat_id
  join organizations o on o.id = v.organization_id
) page on true
order by page.starts_at desc, page.id
"""

VIDEOCONFERENCES_BY_ID = f"""
select {_CONFERENCE_COLUMNS}, {_CONFERENCE_RIGHTS}
from {_CONFERENCE_TABLES}
where v.id = any(:ids) and v.deleted_at is null and (:everywhere or v.organization_id = :own)
"""

TAKING_PART = f"""
with people as (
  select v.id as videoconference_id, m.participant_id, kind.kind as capacity
  from videoconferences v
  join chats c on c.id = v.chat_id
  join memberships m on m.chat_id = c.id
  cross join lateral unnest(m.capacities) kind(kind)
  where v.id = any(:videoconferences) and {KIND_TAKES_PART}
    and (kind.kind in ('PUPIL', 'EMPLOYEE') or (v.type = 'VIDEO_CALL' and c.type = 'PARENTS'))
  union
  select x.videoconference_id, x.participant_id, x.capacity
  from videoconference_additions x natural join capacities
  where x.videoconference_id = any(:videoconferences)
), present as (
  select people.videoconference_id, people.participant_id, array_agg(people.capacity order by people.capacity) kinds
  from people join videoconferences v on v.id = people.videoconference_id
  where not people.participant_id = any(v.removals)
  group by people.videoconference_id, people.participant_id
)
select wanted.videoconference_id, total.count as total, page.*
from unnest(cast(:videoconferences as uuid[])) wanted(videoconference_id)
join lateral (
  select count(*) from present where present.videoconference_id = wanted.videoconference_id
    and (cast(:capacity as text) is null or :capacity = any(present.kinds))
) total on true
left join lateral (
  select p.id, p.full_name, p.blocked, p.sort_key, present.kinds
  from present join participants p on p.id = present.participant_id
  where present.videoconference_id = wanted.videoconference_id
    and (cast(:capacity as text) is null or :capacity = any(present.kinds))
  order by p.sort_key, p.id
  limit :first offset :offset
) page on true
order by page.sort_key, page.id
"""

# Each saved change of each conference, in order, after the entry of it that was read last (CONF-19).
CHANGES = """
select x.id as entry, x.payload, x.subject_id, c.name as chat_name, o.time_zone
from unnest(cast(:videoconferences as uuid[]), cast(:after as bigint[])) as read(videoconference_id, entry)
join outbox x on x.subject_id = read.videoconference_id and x.id > read.entry
join videoconferences v on v.id = x.subject_id
join chats c on c.id = v.chat_id
join organizations o on o.id = v.organization_id
order by x.id
limit 1000
"""

# A conference and the entry of its last change, as of one moment.
WATCHED = f"""
select {_CONFERENCE_COLUMNS}, v.deleted_at is not null as deleted,
       (select coalesce(max(x.id), 0) from outbox x where x.subject_id = v.id) as entry
from videoconferences v
join chats c on c.id = v.chat_id
join organizations o on o.id = v.organization_id
where v.id = :id
"""

# The people to whom a conference is open now, and what decides what they see and do: by taking part, by administering
# the chat, or by the roles that they hold.
AUDIENCE = f"""
select v.id as videoconference_id, v.organization_id, c.type as chat_type, c.archived as chat_archived,
       p.person_id, p.blocked,
       coalesce(bool_or(who.takes_part), false) as takes_part, max(who.role) as role,
       coalesce(bool_or(who.teaches), false) as teaches,
       array_agg(distinct who.permission) filter (where who.permission is not null) as permissions
from videoconferences v
join chats c on c.id = v.chat_id
join organizations o on o.id = v.organization_id
left join lateral (
  select m.participant_id, {KIND_TAKES_PART} and not m.participant_id = any(v.removals) as takes_part,
         -- Nobody has two roles in one chat.
         m.role, {TEACHES} as teaches, null as permission
  from memberships m where m.chat_id = c.id
  union all
  select x.participant_id, not x.participant_id = any(v.removals), null, false, null
  from videoconference_additions x natural join capacities where x.videoconference_id = v.id
  union all
  select g.participant_id, false, null, false, permission
  from role_grants g
  join participants holder on holder.id = g.participant_id and holder.idle_since is null
  join roles r on r.name = g.role cross join unnest(r.permissions) permission
  where g.organization_id = o.id and {GRANT_COUNTS}
  union all
  select o.chat_administrator_id, false, null, false, permission
  from roles r cross join unnest(r.permissions) permission
  where r.meta_role = 'CHAT_ADMINISTRATOR' and o.chat_administrator_id is not null
) who on true
left join participants p on p.id = who.participant_id
where v.id = any(:videoconferences)
group by v.id, c.type, c.archived, p.person_id, p.blocked
"""
