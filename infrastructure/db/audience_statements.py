"""The SQL of what is announced: what changed, how conferences are now, and to whom they are open."""

from infrastructure.db.statements import CONFERENCE_COLUMNS, GRANT_COUNTS, TEACHES

_DAY_BEGINS = "date_trunc('day', clock_timestamp() at time zone o.time_zone)"

# Whether it is due on the organization's present day (CONF-19).
_DUE_TODAY = f"""
  (v.starts_at < ({_DAY_BEGINS} + interval '1 day') at time zone o.time_zone
   and v.ends_at > {_DAY_BEGINS} at time zone o.time_zone)
"""

_UNFINISHED = "v.status in ('SCHEDULED', 'STARTING', 'ACTIVE')"

# What was written of late, of every kind. A transaction may commit after one with higher ids, so the reader comes back
# to what lies a minute behind.
LATELY = """
select id, subject, subject_id from outbox where id > :after order by id
"""

NEWEST = "select coalesce(max(id), 0) as id from outbox"

# Each saved change of each conference, in order, after the entry of it that was read last (CONF-19). With `schools`, of
# the conferences of these schools alone.
CHANGES = """
select x.id as entry, x.payload, x.subject_id, c.name as chat_name, o.time_zone, o.school_id
from unnest(cast(:videoconferences as uuid[]), cast(:after as bigint[])) as read(videoconference_id, entry)
join outbox x on x.subject_id = read.videoconference_id and x.id > read.entry
join videoconferences v on v.id = x.subject_id
join chats c on c.id = v.chat_id
join organizations o on o.id = v.organization_id
where cast(:schools as text[]) is null or o.school_id = any(:schools)
order by x.id
limit :most
"""

# Conferences, each with the entry of its last change as of one moment. With `schools`, those of these schools alone.
PRESENT = f"""
select {CONFERENCE_COLUMNS}, o.school_id, v.deleted_at is not null as deleted, {_DUE_TODAY} as due_today,
       (select coalesce(max(x.id), 0) from outbox x where x.subject_id = v.id) as entry
from videoconferences v
join chats c on c.id = v.chat_id
join organizations o on o.id = v.organization_id
where v.id = any(:videoconferences) and (cast(:schools as text[]) is null or o.school_id = any(:schools))
"""

_PEOPLE = """
  select p.id, p.person_id, o.school_id
  from unnest(cast(:schools as text[]), cast(:people as text[])) as asked(school_id, person_id)
  join organizations o on o.school_id = asked.school_id
  join participants p on p.organization_id = o.id and p.person_id = asked.person_id
"""
_PRESENT = "not p.blocked and p.idle_since is null"

# Those of the people who may see anything at all.
PEOPLE = f"{_PEOPLE} where {_PRESENT}"

# Those of the people who may not, in these organizations.
BARRED = f"{_PEOPLE} where o.id = any(:places) and not ({_PRESENT})"

# Conferences among which are all that concern these people now: not over, or due today. `places` narrows them to those
# of these chats and organizations.
CONCERNING = f"""
with people as ({PEOPLE})
select v.id
from videoconferences v
join organizations o on o.id = v.organization_id
where v.deleted_at is null and ({_UNFINISHED} or {_DUE_TODAY})
  and (cast(:places as uuid[]) is null or v.chat_id = any(:places) or v.organization_id = any(:places))
  and (v.chat_id in (select m.chat_id from memberships m join people on people.id = m.participant_id)
       or v.id in (select x.videoconference_id from videoconference_additions x
                   join people on people.id = x.participant_id)
       or v.lesson_id in (
         select l.id from lessons l where l.substitute_id in (select people.id from people)
         union
         select l.id from lessons l join study_group_pupils g on g.group_id = l.group_id
         join people on people.id = g.participant_id
         union
         select l.id from lessons l join study_group_teachers g on g.group_id = l.group_id
         join people on people.id = g.participant_id))
"""

# The people to whom a conference is open now, and what decides what they see and do: by taking part, by administering
# the chat, or by the roles that they hold. One row for all who stand alike.
AUDIENCE = f"""
with wanted as (
  select v.id, v.organization_id, v.chat_id, c.type as chat_type, c.archived as chat_archived,
         o.chat_administrator_id, v.lesson_id
  from videoconferences v
  join chats c on c.id = v.chat_id
  join organizations o on o.id = v.organization_id
  where v.id = any(:videoconferences)
), who as (
  select w.id, m.participant_id, false as takes_part, false as leads_lesson, m.role, {TEACHES} as teaches,
         null as permission
  from wanted w join memberships m on m.chat_id = w.chat_id
  union all
  select t.videoconference_id, t.participant_id, true, false, null, false, null
  from taking_part t where t.videoconference_id = any(:videoconferences)
  union all
  select w.id, e.participant_id, false, true, null, false, null
  from wanted w
  join lessons l on l.id = w.lesson_id
  join lateral (
    select l.substitute_id as participant_id
    union
    select t.participant_id from study_group_teachers t where t.group_id = l.group_id
  ) leader on true
  join employees e on e.participant_id = leader.participant_id
  union all
  select w.id, g.participant_id, false, false, null, false, permission
  from wanted w
  join role_grants g on g.organization_id = w.organization_id
  join participants holder on holder.id = g.participant_id and holder.idle_since is null
  join roles r on r.name = g.role cross join unnest(r.permissions) permission
  where {GRANT_COUNTS}
  union all
  select w.id, w.chat_administrator_id, false, false, null, false, permission
  from wanted w join roles r on r.meta_role = 'CHAT_ADMINISTRATOR' cross join unnest(r.permissions) permission
  where w.chat_administrator_id is not null
), standing as (
  select who.id, who.participant_id, bool_or(who.takes_part) as takes_part, bool_or(who.leads_lesson) as leads_lesson,
         -- Nobody has two roles in one chat.
         max(who.role) as role, bool_or(who.teaches) as teaches,
         array_agg(distinct who.permission) filter (where who.permission is not null) as permissions
  from who group by who.id, who.participant_id
)
select w.id as videoconference_id, w.organization_id, w.chat_type, w.chat_archived,
       s.takes_part, s.leads_lesson, s.role, s.teaches, s.permissions, p.blocked, array_agg(p.person_id) as people
from wanted w
left join standing s on s.id = w.id
left join participants p on p.id = s.participant_id
group by w.id, w.organization_id, w.chat_type, w.chat_archived, s.takes_part, s.leads_lesson, s.role, s.teaches,
         s.permissions, p.blocked
"""
