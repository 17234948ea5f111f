"""The SQL of the chats' registry, put together from fixed pieces: what is asked decides which, and is never in them."""

from application.views import ChatFilter, ChatOrder, ChatOrderField, MemberFilter
from domain.chat import ChatType
from infrastructure.db.mirror_statements import SFERUM_STATE

_COLUMNS = """
  c.id, c.organization_id, c.name, c.type, c.member_count, c.archived, c.version, c.number, c.group_id,
  c.class_id, k.name as class_name,
  t.id as teacher_id, t.full_name as teacher_name, t.blocked as teacher_blocked,
  s.id as subject_id, s.name as subject_name,
  a.id as administrator_id, a.full_name as administrator_name, a.blocked as administrator_blocked,
  m.role as viewer_role,
  m.grounds @> '[{"kind": "CLASS_TEACHER"}]' or m.grounds @> '[{"kind": "GROUP_TEACHER"}]' as viewer_teaches
"""

_BESIDE_THE_CHAT = """
  left join classes k on k.id = c.class_id
  left join participants t on t.id = k.teacher_id
  left join study_groups g on g.id = c.group_id
  left join subjects s on s.id = g.subject_id
  left join memberships m on m.chat_id = c.id and m.participant_id = :me
"""

_TYPES = ", ".join(f"'{type}'" for type in ChatType)

# By what a page is sorted, and the tables that it takes beside the chats: of those only the organization's rows, which
# Postgres then reads once instead of looking for the row of each chat.
_KEYS: dict[ChatOrderField, tuple[str, str]] = {
    ChatOrderField.CREATED: ("c.number", ""),
    ChatOrderField.NAME: ("c.sort_key", ""),
    ChatOrderField.TYPE: (f"array_position(array[{_TYPES}], c.type)", ""),
    ChatOrderField.SCHOOL_CLASS: (
        "k.sort_key",
        "left join classes k on k.id = c.class_id and k.organization_id = :organization",
    ),
    ChatOrderField.SUBJECT: (
        "s.sort_key",
        "left join study_groups g on g.id = c.group_id and g.organization_id = :organization "
        "left join subjects s on s.id = g.subject_id and s.organization_id = :organization",
    ),
    ChatOrderField.MEMBER_COUNT: ("c.member_count", ""),
    # Every chat of an organization has the same one.
    ChatOrderField.ADMINISTRATOR: ("0", ""),
}
_MAY_BE_ABSENT = {ChatOrderField.SCHOOL_CLASS, ChatOrderField.SUBJECT}

CHATS_BY_ID = f"""
select {_COLUMNS}
from chats c
join organizations o on o.id = c.organization_id
left join participants a on a.id = o.chat_administrator_id
{_BESIDE_THE_CHAT}
where c.id = any(:ids) and c.deleted_at is null
  and (:everywhere or c.organization_id = :own) and (:registry or m.participant_id is not null)
"""


def chats(which: ChatFilter, order: ChatOrder, *, registry: bool) -> str:
    """A page of the chats of `:organization`: all of them with the right to view the registry, else those of `:me`.

    What is not asked for is not in the statement, so that each has the plan of its own conditions.
    """
    key, tables = _KEYS[order.field]
    direction = "desc" if order.descending else "asc"
    if order.field in _MAY_BE_ABSENT:
        direction += " nulls last"
    matches = " and ".join(_conditions(which, registry=registry))
    return f"""
select total.count as total, page.*
from (select count(*) from chats c where {matches}) total
left join lateral (
  select {_COLUMNS}, c.key
  from (
    select c.*, {key} as key from chats c {tables} where {matches}
    order by key {direction}, c.number, c.id limit :first offset :offset
  ) c
  left join (
    select p.* from organizations o join participants p on p.id = o.chat_administrator_id where o.id = :organization
  ) a on true
  {_BESIDE_THE_CHAT}
) page on true
order by page.key {direction}, page.number, page.id
"""


def _conditions(which: ChatFilter, *, registry: bool) -> list[str]:
    conditions = {
        "c.organization_id = :organization": True,
        "c.deleted_at is null": True,
        "c.archived": which.archived is True,
        "not c.archived": which.archived is False,
        "c.search_key like all(:patterns)": which.name_contains is not None,
        "c.type = any(:types)": which.types is not None,
        "c.class_id = :school_class": which.school_class is not None,
        "c.group_id in (select g.id from study_groups g where g.subject_id = :subject)": which.subject is not None,
        "exists (select from memberships m where m.chat_id = c.id and m.participant_id = :me)": not registry,
    }
    return [condition for condition, asked in conditions.items() if asked]


def members(which: MemberFilter) -> str:
    """A page of the members of each of `:chats`, by name."""
    matches = "m.chat_id = wanted.chat_id"
    if which.capacity is not None:
        matches += " and :capacity = any(m.capacities)"
    if which.name_contains is not None:
        matches += " and p.search_key like all(:patterns)"
    if which.sferum_state is not None:
        matches += f" and {SFERUM_STATE} = :sferum_state"
        matches += " and m.participant_id = :asked_of" if which.asked_of is not None else ""
    people = "memberships m join participants p on p.id = m.participant_id"
    in_sferum = """
      left join account_links l on l.person_id = p.person_id
      left join mirrors r on r.chat_id = m.chat_id
    """
    counted = "memberships m"
    if which.sferum_state is not None:
        counted = people + in_sferum
    elif which.name_contains is not None:
        counted = people
    return f"""
select wanted.chat_id, total.count as total, page.*
from unnest(cast(:chats as uuid[])) wanted(chat_id)
join lateral (select count(*) from {counted} where {matches}) total on true
left join lateral (
  select p.id, p.full_name, p.blocked, p.sort_key, m.role, m.capacities, m.grounds,
         (select jsonb_object_agg(u.id, jsonb_build_object('name', u.full_name, 'blocked', u.blocked))
          from jsonb_array_elements(m.grounds) ground join participants u on u.id = (ground ->> 'pupil')::uuid)
           as pupils,
         {SFERUM_STATE} as sferum_state, r.invite_link
  from {people} {in_sferum}
  where {matches}
  order by p.sort_key, p.id
  limit :first offset :offset
) page on true
order by page.sort_key, page.id
"""
