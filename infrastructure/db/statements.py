"""The SQL of the views. Each statement fills a whole page, whatever its size."""

# Who takes part in a conference, as a condition on the membership `m` of its chat (domain.participation).
KIND_TAKES_PART = """
  (m.capacities && array['PUPIL', 'EMPLOYEE']
   or (v.type = 'VIDEO_CALL' and c.type = 'PARENTS' and 'PARENT' = any(m.capacities)))
"""

VIEWER = """
select o.id as organization_id, o.name as organization_name, o.time_zone, o.chat_administrator_id,
       p.id as participant_id, p.full_name, p.blocked,
       a.full_name as administrator_name, a.blocked as administrator_blocked,
       exists (select from role_grants r where r.participant_id = p.id and r.role = 'ORGANIZATION_ADMINISTRATOR')
         as organization_administrator,
       exists (select from employees e where e.participant_id = p.id) as employee,
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
from (select count(*) from organizations o where :everything or o.id = :own) total
left join lateral (
  select o.id, o.name, o.time_zone, o.chat_administrator_id,
         a.full_name as administrator_name, a.blocked as administrator_blocked
  from organizations o
  left join participants a on a.id = o.chat_administrator_id
  where (:everything or o.id = :own) and (cast(:id as uuid) is null or o.id = :id)
  order by o.name, o.id
  limit :first offset :offset
) page on true
"""

_CHAT_COLUMNS = """
  c.id, c.organization_id, c.name, c.type, c.member_count, c.archived, c.version, c.number,
  c.class_id, k.name as class_name,
  t.id as teacher_id, t.full_name as teacher_name, t.blocked as teacher_blocked,
  s.id as subject_id, s.name as subject_name,
  a.id as administrator_id, a.full_name as administrator_name, a.blocked as administrator_blocked,
  m.role as viewer_role
"""

_CHAT_TABLES = """
  chats c
  join organizations o on o.id = c.organization_id
  left join participants a on a.id = o.chat_administrator_id
  left join classes k on k.id = c.class_id
  left join participants t on t.id = k.teacher_id
  left join study_groups g on g.id = c.group_id
  left join subjects s on s.id = g.subject_id
  left join memberships m on m.chat_id = c.id and m.participant_id = :me
"""

CHATS = f"""
select total.count as total, page.*
from (
  select count(*) from chats c
  where c.organization_id = :organization and not c.archived
    and (:registry or exists (select from memberships m where m.chat_id = c.id and m.participant_id = :me))
) total
left join lateral (
  select {_CHAT_COLUMNS}
  from {_CHAT_TABLES}
  where c.organization_id = :organization and not c.archived and (:registry or m.participant_id is not null)
  order by c.number
  limit :first offset :offset
) page on true
order by page.number
"""

CHATS_BY_ID = f"""
select {_CHAT_COLUMNS}
from {_CHAT_TABLES}
where c.id = any(:ids) and (:everywhere or c.organization_id = :own) and (:registry or m.participant_id is not null)
"""

MEMBERS = """
select wanted.chat_id, total.count as total, page.*
from unnest(cast(:chats as uuid[])) wanted(chat_id)
join lateral (
  select count(*) from memberships m
  where m.chat_id = wanted.chat_id and (cast(:capacity as text) is null or :capacity = any(m.capacities))
) total on true
left join lateral (
  select p.id, p.full_name, p.blocked, p.sort_key, m.role, m.capacities, m.grounds,
         (select jsonb_object_agg(u.id, jsonb_build_object('name', u.full_name, 'blocked', u.blocked))
          from jsonb_array_elements(m.grounds) ground join participants u on u.id = (ground ->> 'pupil')::uuid)
           as pupils
  from memberships m
  join participants p on p.id = m.participant_id
  where m.chat_id = wanted.chat_id and (cast(:capacity as text) is null or :capacity = any(m.capacities))
  order by p.sort_key, p.id
  limit :first offset :offset
) page on true
order by page.sort_key, page.id
"""

# What decides who sees a conference and its link: see domain.access.
_CONFERENCE_RIGHTS = f"""
  coalesce(m.role = 'ADMINISTRATOR', false) as viewer_administers,
  not (cast(:me as uuid) = any(v.removals)) and (
    (m.participant_id is not null and {KIND_TAKES_PART})
    or exists (select from videoconference_additions x
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
    where v.organization_id = :organization
  ) rights
  where :registry or viewer_administers or viewer_takes_part
)
select total.count as total, page.*
from (select count(*) from open_to_viewer) total
left join lateral (
  select {_CONFERENCE_COLUMNS}, r.viewer_administers, r.viewer_takes_part
  from (select * from open_to_viewer order by starts_at desc, id limit :first offset :offset) r
  join videoconferences v on v.id = r.id
  join chats c on c.id = v.chat_id
  join organizations o on o.id = v.organization_id
) page on true
order by page.starts_at desc, page.id
"""

VIDEOCONFERENCE = f"""
select {_CONFERENCE_COLUMNS}, {_CONFERENCE_RIGHTS}
from {_CONFERENCE_TABLES}
where v.id = :id and (:everywhere or v.organization_id = :own)
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
  from videoconference_additions x where x.videoconference_id = any(:videoconferences)
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

LAST_CHANGE = "select coalesce(max(id), 0) as entry from outbox where subject_id = :id"

# The people to whom a conference is open now: by taking part, by administering the chat, or by their role.
AUDIENCE = f"""
select v.id as videoconference_id, p.person_id, p.blocked,
       bool_or(who.takes_part) as takes_part, bool_or(who.administers) as administers,
       bool_or(who.permitted) as permitted
from videoconferences v
join chats c on c.id = v.chat_id
join organizations o on o.id = v.organization_id
cross join lateral (
  select m.participant_id, {KIND_TAKES_PART} and not m.participant_id = any(v.removals) as takes_part,
         m.role = 'ADMINISTRATOR' as administers, false as permitted
  from memberships m where m.chat_id = c.id
  union all
  select x.participant_id, not x.participant_id = any(v.removals), false, false
  from videoconference_additions x where x.videoconference_id = v.id
  union all
  select e.participant_id, false, false, true
  from employees e
  where e.organization_id = o.id and (e.participant_id = o.chat_administrator_id or exists (
    select from role_grants r where r.participant_id = e.participant_id and r.role = 'ORGANIZATION_ADMINISTRATOR'))
) who
join participants p on p.id = who.participant_id
where v.id = any(:videoconferences)
group by v.id, p.person_id, p.blocked
"""
