"""The SQL of people, classes, groups and lessons; each statement fills a whole page, whatever its size.

`{…}` is filled with pieces of this file and with nothing that a client sends: a condition that is not asked for costs
nothing, where plans are made without the values of the parameters.
"""

from infrastructure.db.statements import THEIRS_AT_MOST

# Who has each capacity now in the organization (domain.roster.Roster.is_).
CAPABLE = {
    "EMPLOYEE": "select e.participant_id as id from employees e where e.organization_id = :organization",
    "PUPIL": """
      select n.participant_id as id
      from enrolments n left join classes k on k.id = n.class_id and k.organization_id = :organization
      where n.organization_id = :organization and k.closed is not true
    """,
    "PARENT": """
      select t.parent_id as id
      from ties t
      join enrolments n on n.participant_id = t.pupil_id and n.organization_id = :organization
      left join classes k on k.id = n.class_id and k.organization_id = :organization
      where t.organization_id = :organization and k.closed is not true
    """,
}
EVERYBODY = " union ".join(CAPABLE.values())

# The same of one open class: who leads it, learns in it, or has a child in it.
CAPABLE_IN_CLASS = {
    "EMPLOYEE": """
      select k.teacher_id as id from classes k join employees e on e.participant_id = k.teacher_id
      where k.id = :school_class and k.organization_id = :organization and not k.closed
    """,
    "PUPIL": CAPABLE["PUPIL"] + " and k.id = :school_class",
    "PARENT": CAPABLE["PARENT"] + " and k.id = :school_class",
}

NAME_CONTAINS = "and p.search_key like all(cast(:patterns as text[]))"
BLOCKED = "and p.blocked = :blocked"
# A chat of which the viewer may not know is as one without members.
NOT_IN_CHAT = """
  and p.id not in (
    select i.participant_id from memberships i join chats ic on ic.id = i.chat_id
    where i.chat_id = :not_in_chat
      and ic.organization_id = :organization and ic.deleted_at is null
      and (:registry or exists (select from memberships u where u.chat_id = ic.id and u.participant_id = :me)))
"""

_PAGE_OF_PEOPLE = """
  select total.count as total, page.*
  from (select count(*) from found) total
  left join (select * from found order by sort_key, id limit :first offset :offset) page on true
  order by page.sort_key, page.id
"""

PEOPLE = f"""
with found as (
  select p.id, p.full_name, p.blocked, p.sort_key from participants p
  where p.organization_id = :organization and p.id in ({{capable}}) {{conditions}}
)
{_PAGE_OF_PEOPLE}
"""

# Whoever shares a chat or a conference with the viewer, as far as these are of one class, and they there in one
# capacity.
_ACQUAINTED = f"""
their_conferences as materialized (
  select v.id, v.chat_id from {THEIRS_AT_MOST}
  where v.deleted_at is null
    and exists (select from taking_part t where t.videoconference_id = v.id and t.participant_id = :me)
), acquainted as (
  select m.participant_id as id
  from memberships mine
  join chats c on c.id = mine.chat_id
  join memberships m on m.chat_id = c.id
  where mine.participant_id = :me and c.deleted_at is null {{as_member}} {{of_class}}
  union
  select t.participant_id
  from their_conferences v
  join chats c on c.id = v.chat_id
  join taking_part t on t.videoconference_id = v.id
  where true {{as_participant}} {{of_class}}
)
"""
AS_MEMBER = "and :capacity = any(m.capacities)"
AS_PARTICIPANT = "and t.capacity = :capacity"
OF_CLASS = "and c.class_id = :school_class"

ACQUAINTANCES = f"""
with {_ACQUAINTED}, found as (
  select p.id, p.full_name, p.blocked, p.sort_key from participants p
  where p.organization_id = :organization
    and ((p.id in (select id from acquainted) and p.id in ({EVERYBODY})) or p.id in ({{themselves}})) {{conditions}}
)
{_PAGE_OF_PEOPLE}
"""
THEMSELVES = "select cast(:me as uuid)"
THEMSELVES_AMONG = "select own.id from ({capable}) own where own.id = :me"

PEOPLE_BY_ID = """
select p.id, p.full_name, p.blocked, p.organization_id from participants p
where p.id = any(:ids) and (:everywhere or p.organization_id = :organization)
"""

ACQUAINTANCES_BY_ID = f"""
with {_ACQUAINTED.format(as_member="", as_participant="", of_class="")}
select p.id, p.full_name, p.blocked, p.organization_id from participants p
where p.id = any(:ids) and p.organization_id = :organization
  and (p.id = :me or (p.id in (select id from acquainted) and p.id in ({EVERYBODY})))
"""

PERSONS = """
select p.id, e.positions, n.participant_id is not null as pupil, k.name as class_name, children.named as children,
       exists (select from account_links l where l.person_id = p.person_id) as linked
from participants p
left join employees e on e.participant_id = p.id
left join (enrolments n left join classes k on k.id = n.class_id)
  on n.participant_id = p.id and k.closed is not true
left join lateral (
  select jsonb_agg(jsonb_build_array(c.last_name, c.first_name, ck.name) order by c.sort_key, c.id) as named
  from ties t
  join participants c on c.id = t.pupil_id
  join enrolments cn on cn.participant_id = c.id
  left join classes ck on ck.id = cn.class_id
  where t.parent_id = p.id and ck.closed is not true
) children on true
where p.id = any(:ids)
"""

ADMINISTRATORS = """
with registry as (
  select p.id, p.full_name, p.blocked, p.sort_key, e.organization_id
  from employees e
  join participants p on p.id = e.participant_id
  where e.organization_id = any(:organizations) and not p.blocked
    and ('ADMINISTRATION' = any(e.positions) or exists (
      select from role_grants r where r.participant_id = p.id and r.role = 'ORGANIZATION_ADMINISTRATOR'))
    {conditions}
)
select wanted.organization_id, total.count as total, page.id, page.full_name, page.blocked
from unnest(cast(:organizations as uuid[])) wanted(organization_id)
join lateral (select count(*) from registry r where r.organization_id = wanted.organization_id) total on true
left join lateral (
  select r.id, r.full_name, r.blocked, r.sort_key from registry r
  where r.organization_id = wanted.organization_id
  order by r.sort_key, r.id
  limit :first offset :offset
) page on true
order by page.sort_key, page.id
"""

_WORKS = "exists (select from employees e where e.participant_id = :me)"
_LEARNS = """
  exists (select from enrolments n left join classes k on k.id = n.class_id
          where n.participant_id = {pupil} and k.closed is not true)
"""

# The groups that the viewer teaches, in which they learn, or a child of theirs.
THEIR_GROUPS = f"""
their_groups as (
  select t.group_id from study_group_teachers t where t.participant_id = :me and {_WORKS}
  union
  select u.group_id from study_group_pupils u
  where u.participant_id = :me and {_LEARNS.format(pupil="u.participant_id")}
  union
  select u.group_id from ties t join study_group_pupils u on u.participant_id = t.pupil_id
  where t.parent_id = :me and {_LEARNS.format(pupil="t.pupil_id")}
)
"""

_CLASS_COLUMNS = """
  k.id, k.name, k.organization_id, k.sort_key,
  t.id as teacher_id, t.full_name as teacher_name, t.blocked as teacher_blocked
"""

# The class that the viewer leads, in which they learn, or a child of theirs.
_THEIR_CLASS = f"""
  ((k.teacher_id = :me and {_WORKS})
   or k.id in (select n.class_id from enrolments n where n.participant_id = :me)
   or k.id in (select n.class_id from ties c join enrolments n on n.participant_id = c.pupil_id
               where c.parent_id = :me))
"""
CLASS_OF_THEIRS = f"and {_THEIR_CLASS}"

CLASSES = f"""
with found as (
  select k.id, k.sort_key from classes k where k.organization_id = :organization and not k.closed {{conditions}}
)
select total.count as total, page.*
from (select count(*) from found) total
left join lateral (
  select {_CLASS_COLUMNS}
  from (select * from found order by sort_key, id limit :first offset :offset) f
  join classes k on k.id = f.id
  left join participants t on t.id = k.teacher_id
) page on true
order by page.sort_key, page.id
"""

_SEES_CHAT = """
  c.deleted_at is null and exists (select from memberships m where m.chat_id = c.id and m.participant_id = :me)
"""

CLASSES_BY_ID = f"""
with {THEIR_GROUPS}
select {_CLASS_COLUMNS}
from classes k
left join participants t on t.id = k.teacher_id
where k.id = any(:ids) and (:everywhere or k.organization_id = :organization) and (:all_of_them
  or (not k.closed and {_THEIR_CLASS})
  or exists (select from chats c where c.class_id = k.id and {_SEES_CHAT})
  or exists (select from their_groups h
             join study_group_pupils u on u.group_id = h.group_id
             join enrolments n on n.participant_id = u.participant_id
             where n.class_id = k.id and not k.closed))
"""

SUBJECTS_BY_ID = f"""
with {THEIR_GROUPS}
select s.id, s.name
from subjects s
where s.id = any(:ids) and (:everywhere or s.organization_id = :organization) and (:all_of_them
  or exists (select from study_groups g where g.subject_id = s.id and (
    g.id in (select group_id from their_groups)
    or exists (select from chats c where c.group_id = g.id and {_SEES_CHAT}))))
"""

GROUP_OF_THEIRS = "and g.id in (select group_id from their_groups)"
GROUP_TAUGHT = f"""
  and g.id in (select t.group_id from study_group_teachers t where t.participant_id = :me and {_WORKS})
"""
GROUP_NAME_CONTAINS = "and g.search_key like all(cast(:patterns as text[]))"
GROUP_OF_SUBJECT = "and g.subject_id = :subject"
GROUPS_OF_CLASS = """
  select u.group_id
  from classes k
  join enrolments n on n.class_id = k.id
  join study_group_pupils u on u.participant_id = n.participant_id
  where k.id = {school_class} and not k.closed
"""
GROUP_OF_CLASS = f"and g.id in ({GROUPS_OF_CLASS.format(school_class=':school_class')})"

_GROUP_COLUMNS = "g.id, g.name, g.sort_key, s.id as subject_id, s.name as subject_name"

GROUPS = f"""
with {THEIR_GROUPS}, found as (
  select g.id, g.sort_key from study_groups g where g.organization_id = :organization and not g.closed {{conditions}}
)
select total.count as total, page.*
from (select count(*) from found) total
left join lateral (
  select {_GROUP_COLUMNS}
  from (select * from found order by sort_key, id limit :first offset :offset) f
  join study_groups g on g.id = f.id
  join subjects s on s.id = g.subject_id
) page on true
order by page.sort_key, page.id
"""

GROUPS_BY_ID = f"""
with {THEIR_GROUPS}
select {_GROUP_COLUMNS}
from study_groups g
join subjects s on s.id = g.subject_id
where g.id = any(:ids) and (:everywhere or g.organization_id = :organization) and (:all_of_them
  or g.id in (select group_id from their_groups)
  or ({_WORKS} and exists (select from lessons l where l.group_id = g.id and l.substitute_id = :me)))
"""

TEACHERS = """
select t.group_id, p.id, p.full_name, p.blocked
from study_group_teachers t
join employees e on e.participant_id = t.participant_id
join participants p on p.id = t.participant_id
where t.group_id = any(:groups)
order by t.place, p.id
"""

# Group by group: in one join for all of them, the enrolments of every organization would be read.
CLASSES_OF_GROUPS = f"""
with of_pupils as materialized (
  select g.id as group_id, learning.class_id
  from unnest(cast(:groups as uuid[])) g(id)
  cross join lateral (
    select distinct n.class_id
    from study_group_pupils u join enrolments n on n.participant_id = u.participant_id
    where u.group_id = g.id
  ) learning
)
select f.group_id, {_CLASS_COLUMNS}
from of_pupils f
join classes k on k.id = f.class_id
left join participants t on t.id = k.teacher_id
where not k.closed
order by k.sort_key, k.id
"""

_LESSON_COLUMNS = f"""
  l.id, l.organization_id, l.starts_at, l.ends_at, l.cancelled, o.time_zone,
  l.ends_at > now() and not l.cancelled and not g.closed as to_come,
  {_WORKS} and (l.substitute_id is not distinct from :me or exists (
    select from study_group_teachers lt where lt.group_id = l.group_id and lt.participant_id = :me)) as viewer_leads,
  g.id as group_id, g.name as group_name, s.id as subject_id, s.name as subject_name,
  b.id as substitute_id, b.full_name as substitute_name, b.blocked as substitute_blocked
"""
_LESSON_TABLES = """
  join study_groups g on g.id = l.group_id
  join subjects s on s.id = g.subject_id
  join organizations o on o.id = l.organization_id
  left join participants b on b.id = l.substitute_id
"""
THEIR_LESSON = f"""
  (l.group_id in (select group_id from their_groups) or (l.substitute_id = :me and {_WORKS}))
"""
LESSON_OF_THEIRS = f"and {THEIR_LESSON}"
_MIDNIGHT = """
  cast({day} as timestamp) at time zone (select o.time_zone from organizations o where o.id = :organization)
"""
LESSON_FROM = f"and l.starts_at >= {_MIDNIGHT.format(day='cast(:first_day as date)')}"
LESSON_TO = f"and l.starts_at < {_MIDNIGHT.format(day='cast(:last_day as date) + 1')}"
LESSON_OF_GROUP = "and l.group_id = :study_group"
LESSON_OF_CLASS = f"and l.group_id in ({GROUPS_OF_CLASS.format(school_class=':school_class')})"
# From which lessons an online lesson of the chat is made (CONF-05).
LESSON_FOR_CHAT = f"""
  and l.group_id in (
    with wanted as materialized (
      select c.organization_id, c.type, c.group_id, c.class_id from chats c
      where c.id = :chat and c.organization_id = :organization and c.deleted_at is null
        and (:registry or exists (select from memberships m where m.chat_id = c.id and m.participant_id = :me))
    )
    select w.group_id from wanted w where w.type = 'SUBJECT'
    union all
    {GROUPS_OF_CLASS.format(school_class="(select w.class_id from wanted w where w.type = 'CLASS')")}
    union all
    select g.id from wanted w join study_groups g on g.organization_id = w.organization_id
    where w.type not in ('SUBJECT', 'CLASS'))
"""

LESSONS = f"""
with {THEIR_GROUPS}, found as (
  select l.id, l.starts_at from lessons l where l.organization_id = :organization {{conditions}}
)
select total.count as total, page.*
from (select count(*) from found) total
left join lateral (
  select {_LESSON_COLUMNS}
  from (select * from found order by starts_at, id limit :first offset :offset) f
  join lessons l on l.id = f.id {_LESSON_TABLES}
) page on true
order by page.starts_at, page.id
"""

LESSONS_BY_ID = f"""
with {THEIR_GROUPS}
select {_LESSON_COLUMNS}
from lessons l {_LESSON_TABLES}
where l.id = any(:ids) and (:everywhere or l.organization_id = :organization) and (:all_of_them or {THEIR_LESSON})
"""

CHAT_DEFAULTS = f"""
select g.name as group_name, s.name as subject_name, g.organization_id,
       who.teaches, p.id, p.full_name, p.blocked
from study_groups g
join subjects s on s.id = g.subject_id
left join lateral (
  select t.participant_id, true as teaches, t.place from study_group_teachers t
  where t.group_id = g.id and exists (select from employees e where e.participant_id = t.participant_id)
  union all
  select u.participant_id, false, 0 from study_group_pupils u
  where u.group_id = g.id and {_LEARNS.format(pupil="u.participant_id")}
) who on true
left join participants p on p.id = who.participant_id
where g.id = :group and not g.closed
order by who.place, p.sort_key, p.id
"""
