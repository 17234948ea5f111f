"""The SQL of the views. Each statement fills a whole page, whatever its size."""

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

CONFERENCE_COLUMNS = """
  v.id, v.organization_id, v.name, v.type, v.chat_id, v.starts_at, v.ends_at, v.status, v.active_since,
  v.finished_at, v.finished_by, v.failure, v.start_problem, v.link, v.minutes_left_notice, v.version, v.lesson_id,
  c.name as chat_name, o.time_zone
"""

# Among these are all conferences in which a person takes part, whose chat they administer or whose lesson they lead.
# Each is then looked up by itself: a join would read those of the whole school, whose past grows.
THEIRS_AT_MOST = """ (
  select v.id from memberships m join videoconferences v on v.chat_id = m.chat_id where m.participant_id = :me
  union
  select x.videoconference_id from videoconference_additions x where x.participant_id = :me
  union
  select v.id from lessons l join videoconferences v on v.lesson_id = l.id where l.substitute_id = :me
  union
  select v.id
  from study_group_teachers t
  join lessons l on l.group_id = t.group_id
  join videoconferences v on v.lesson_id = l.id
  where t.participant_id = :me
  union
  select v.id
  from study_group_pupils u
  join lessons l on l.group_id = u.group_id
  join videoconferences v on v.lesson_id = l.id and v.of_group
  where u.participant_id = :me
) theirs
cross join lateral (select * from videoconferences found where found.id = theirs.id limit 1) v
"""
