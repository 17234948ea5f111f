"""The SQL of what waits for somebody of an organization, as things are at this moment."""

from domain.mirror import REFUSED_FOR
from infrastructure.db.mirror_statements import SFERUM_STATE

# Each thing that waits in one of `:ids` is a row of these columns; `since` is null where nobody knows.
_BROKEN_MIRRORS = """
  select r.organization_id, case when r.error = 'HUMAN_CHECK_NEEDED' then r.error else 'CHAT_BROKEN' end as kind,
         r.behind_since as since, r.error, false as stays,
         null::uuid as participant_id, r.chat_id, null::uuid as videoconference_id
  from mirrors r
  join chats c on c.id = r.chat_id
  where r.organization_id = any(:ids) and (r.state = 'BROKEN' or r.error = 'HUMAN_CHECK_NEEDED')
    and c.deleted_at is null
"""

# While no account works, everybody who should be out is in there: also in a deleted chat, and who has no link any more,
# of whom only Sferum knows who they are (SYNC-06).
_WHO_SHOULD_BE_OUT = """
  select r.organization_id, 'CHAT_BROKEN', r.behind_since, null, true, q.id, r.chat_id, null
  from mirrors r
  cross join lateral jsonb_object_keys(r.members) inside(profile_id)
  left join account_links l on l.profile_id = inside.profile_id
  left join participants q on q.organization_id = r.organization_id and q.person_id = l.person_id
  where r.organization_id = any(:ids) and r.state in ('WAITING_FOR_CHAT_ADMINISTRATOR', 'BROKEN')
    and not exists (
      select from memberships m
      where m.chat_id = r.chat_id and m.participant_id = q.id and not q.blocked
    )
"""

_REFUSED_MEMBERS = f"""
  select r.organization_id, 'MEMBER_REFUSED',
         (r.refused ->> l.profile_id)::timestamptz - interval '{int(REFUSED_FOR.total_seconds())} seconds',
         null, false, p.id, r.chat_id, null
  from mirrors r
  join memberships m on m.chat_id = r.chat_id
  join participants p on p.id = m.participant_id
  join account_links l on l.person_id = p.person_id
  where r.organization_id = any(:ids) and r.refused <> '{{}}' and {SFERUM_STATE} = 'REFUSED'
"""

# Nobody can see whether Sferum made the chat, because the account that asked for it does not work any more (SYNC-03).
_QUARANTINED_ORPHANS = """
  select r.organization_id, 'ORPHAN_QUARANTINED', x.asked_at, null, false, q.id, r.chat_id, null
  from mirrors r
  join chat_requests x on x.id = r.request_id
  left join account_links l on l.person_id = x.account
  left join participants q on q.organization_id = r.organization_id and q.person_id = x.account
  where r.organization_id = any(:ids) and l.tokens is null
"""

_CONFERENCES_THAT_WAIT = """
  select v.organization_id, v.start_problem, least(v.starts_at, clock_timestamp()), null, false, null, null, v.id
  from videoconferences v
  where v.organization_id = any(:ids) and v.status = 'SCHEDULED' and v.start_problem = 'HUMAN_CHECK_NEEDED'
    and v.deleted_at is null and v.ends_at > clock_timestamp()
"""

# A link that is gone or broken says so in a line of its own; who never had one waits since they were chosen.
_CHAT_ADMINISTRATORS_THAT_WAIT = """
  select o.id, 'NO_CHAT_ADMINISTRATOR', o.without_chat_administrator_since, null, false, null, null, null
  from organizations o
  where o.id = any(:ids) and o.chat_administrator_id is null
  union all
  select o.id, 'CHAT_ADMINISTRATOR_NOT_LINKED',
         greatest(
           (select e.at from audit_entries e
            where e.subject_id = o.id and e.subject = 'organization' and jsonb_exists(e.after, 'chatAdministrator')
            order by e.number desc limit 1),
           (select e.at from audit_entries e
            where e.subject_id = p.id and e.action in ('ACCOUNT_LINK_CHANGED', 'ACCOUNT_LINK_DELETED')
            order by e.number desc limit 1)
         ),
         null, false, p.id, null, null
  from organizations o
  join participants p on p.id = o.chat_administrator_id
  left join account_links l on l.person_id = p.person_id
  where o.id = any(:ids) and l.tokens is null
"""

_WAITING = " union all ".join(
    (
        _BROKEN_MIRRORS,
        _WHO_SHOULD_BE_OUT,
        _REFUSED_MEMBERS,
        _QUARANTINED_ORPHANS,
        _CONFERENCES_THAT_WAIT,
        _CHAT_ADMINISTRATORS_THAT_WAIT,
    )
)

# A page of what waits in each of `:ids`, the longest first.
ATTENTION = f"""
with waiting as materialized ({_WAITING})
select wanted.id as organization_id, total.count as total, page.*
from unnest(cast(:ids as uuid[])) wanted(id)
join lateral (select count(*) from waiting w where w.organization_id = wanted.id) total on true
left join lateral (
  select w.kind, coalesce(w.since, clock_timestamp()) as since, w.error, w.stays, w.chat_id, w.videoconference_id,
         c.name as chat_name, p.id as participant_id, p.full_name as participant_name,
         p.blocked as participant_blocked,
         row_number() over (order by w.since nulls last, w.kind, c.number, p.sort_key, p.id, w.videoconference_id)
           as place
  from waiting w
  left join chats c on c.id = w.chat_id
  left join participants p on p.id = w.participant_id
  where w.organization_id = wanted.id
  order by place
  limit :first offset :offset
) page on true
order by page.place
"""
