"""The SQL of the videoconferences' registry, put together from fixed pieces: what is asked decides which of them."""

from application.views import TakingPartFilter, VideoconferenceFilter, VideoconferenceOrder, VideoconferenceOrderField
from domain.participant import Capacity
from domain.videoconference import VideoconferenceStatus, VideoconferenceType
from infrastructure.db.people_statements import GROUPS_OF_CLASS, THEIR_GROUPS, THEIR_LESSON
from infrastructure.db.statements import CONFERENCE_COLUMNS, TEACHES, THEIRS_AT_MOST

# What decides who sees a conference and its link: see domain.access.
_TAKES_PART = "exists (select from taking_part t where t.videoconference_id = v.id and t.participant_id = :me)"
_LEADS_LESSON = """
  exists (select from lessons l join employees e on e.participant_id = :me
          where l.id = v.lesson_id
            and (l.substitute_id = :me or exists (select from study_group_teachers t
                                                  where t.group_id = l.group_id and t.participant_id = :me)))
"""
_RIGHTS = f"""
  c.type as chat_type, c.archived as chat_archived, m.role as viewer_role, {TEACHES} as viewer_teaches,
  {_TAKES_PART} as viewer_takes_part, {_LEADS_LESSON} as viewer_leads_lesson
"""

# The same for who is nobody of the school.
_NO_PLACE = """
  c.type as chat_type, c.archived as chat_archived, null as viewer_role, false as viewer_teaches,
  false as viewer_takes_part, false as viewer_leads_lesson
"""

_BESIDE_THE_CONFERENCE = """
  join chats c on c.id = v.chat_id
  join organizations o on o.id = v.organization_id
  left join memberships m on m.chat_id = v.chat_id and m.participant_id = :me
"""


def _place_in(names: type[VideoconferenceStatus | VideoconferenceType], column: str) -> str:
    listed = ", ".join(f"'{name}'" for name in names)
    return f"array_position(array[{listed}], {column})"


# By what a page is sorted, and the tables that it takes beside the conferences: of those only the organization's rows.
_KEYS: dict[VideoconferenceOrderField, tuple[tuple[str, ...], str]] = {
    VideoconferenceOrderField.STARTS_AT: (("v.starts_at",), ""),
    VideoconferenceOrderField.ENDS_AT: (("v.ends_at",), ""),
    VideoconferenceOrderField.NAME: (("v.sort_key",), ""),
    VideoconferenceOrderField.TYPE: ((_place_in(VideoconferenceType, "v.type"),), ""),
    VideoconferenceOrderField.CHAT: (
        ("sc.sort_key",),
        "join chats sc on sc.id = v.chat_id and sc.organization_id = :organization",
    ),
    VideoconferenceOrderField.LESSON: (
        ("sg.sort_key", "sl.starts_at"),
        "left join (lessons sl join study_groups sg on sg.id = sl.group_id)"
        " on sl.id = v.lesson_id and sl.organization_id = :organization",
    ),
    VideoconferenceOrderField.STATUS: ((_place_in(VideoconferenceStatus, "v.status"),), ""),
}

CONFERENCES_BY_ID = f"""
select {CONFERENCE_COLUMNS}, {_RIGHTS}
from videoconferences v {_BESIDE_THE_CONFERENCE}
where v.id = any(:ids) and v.deleted_at is null and (:everywhere or v.organization_id = :own)
"""

ONLINE_LESSONS = f"""
select v.status in ('SCHEDULED', 'STARTING', 'ACTIVE') as unfinished, {CONFERENCE_COLUMNS}, {_RIGHTS}
from unnest(cast(:lessons as uuid[])) wanted(id)
cross join lateral (
  select v.* from videoconferences v
  where v.lesson_id = wanted.id and v.type = 'ONLINE_LESSON' and v.deleted_at is null
    and (:everywhere or v.organization_id = :own)
  order by v.status in ('SCHEDULED', 'STARTING', 'ACTIVE') desc, v.starts_at desc, v.id
  limit 1
) v {_BESIDE_THE_CONFERENCE}
"""

JOINS = """
select wanted.id as videoconference_id, total.count as total, page.*
from unnest(cast(:videoconferences as uuid[])) wanted(id)
join lateral (select count(*) from videoconference_joins j where j.videoconference_id = wanted.id) total on true
left join lateral (
  select j.number, j.at, p.id, p.full_name, p.blocked
  from videoconference_joins j join participants p on p.id = j.participant_id
  where j.videoconference_id = wanted.id
  order by j.number desc
  limit :first offset :offset
) page on true
order by page.number desc
"""

# A chat, the viewer's place in it, and the lesson if an online lesson of the chat may be made of it (CONF-05).
DEFAULTS = f"""
with {THEIR_GROUPS}
select c.id, c.organization_id, c.name, c.type, c.class_id, c.group_id, c.archived, o.time_zone,
       m.role as viewer_role, {TEACHES} as viewer_teaches,
       lesson.id as lesson_id, lesson.school_id as lesson_school_id, lesson.starts_at, lesson.ends_at,
       lesson.group_id as lesson_group_id, lesson.school_group_id, lesson.group_name, lesson.subject_name
from chats c
join organizations o on o.id = c.organization_id
left join memberships m on m.chat_id = c.id and m.participant_id = :me
left join lateral (
  select l.*, g.school_id as school_group_id, g.name as group_name, s.name as subject_name
  from lessons l join study_groups g on g.id = l.group_id join subjects s on s.id = g.subject_id
  where l.id = :lesson and l.organization_id = c.organization_id
    and case c.type
          when 'SUBJECT' then l.group_id = c.group_id
          when 'CLASS' then l.group_id in ({GROUPS_OF_CLASS.format(school_class="c.class_id")})
          else :registry or {THEIR_LESSON}
        end
) lesson on true
where c.id = :chat and c.deleted_at is null and (:everywhere or c.organization_id = :own)
"""

_TAKING_PART = """
  select t.videoconference_id as owner, t.participant_id, t.capacity
  from taking_part t where t.videoconference_id = any(:owners)
"""

# The chat's members of the kinds that take part, and the lesson's substitute (CONF-08, CONF-09).
_BY_DEFAULT = """
  select m.chat_id as owner, m.participant_id, kind.capacity
  from memberships m cross join unnest(m.capacities) kind(capacity)
  where m.chat_id = any(:owners) and kind.capacity = any(:kinds)
  union
  select owner, l.substitute_id, 'EMPLOYEE'
  from unnest(cast(:owners as uuid[])) owner
  join lessons l on l.id = :lesson
  join employees e on e.participant_id = l.substitute_id
"""

_OF_CLASS = {
    Capacity.EMPLOYEE: """
      select k.teacher_id from classes k join employees e on e.participant_id = k.teacher_id
      where k.id = :school_class and not k.closed
    """,
    Capacity.PUPIL: """
      select n.participant_id from classes k join enrolments n on n.class_id = k.id
      where k.id = :school_class and not k.closed
    """,
    Capacity.PARENT: """
      select u.parent_id
      from classes k join enrolments n on n.class_id = k.id join ties u on u.pupil_id = n.participant_id
      where k.id = :school_class and not k.closed
    """,
}
_IN_CHAT_OF_CLASS = """
  exists (select from videoconferences v join chats c on c.id = v.chat_id
          where v.id = present.owner and c.class_id = :school_class)
"""
# A chat of which the viewer may not know is as one without members.
_NOT_IN_CHAT = """
  present.participant_id not in (
    select i.participant_id from memberships i join chats ic on ic.id = i.chat_id
    where i.chat_id = :not_in_chat and ic.deleted_at is null and (:everywhere or ic.organization_id = :own)
      and (:registry or exists (select from memberships u where u.chat_id = ic.id and u.participant_id = :me)))
"""


def conferences(
    which: VideoconferenceFilter, order: VideoconferenceOrder, *, registry: bool, is_participant: bool
) -> str:
    """A page of the conferences of `:organization`: all of them with the right to view the registry, else `:me`'s.

    What is not asked for is not in the statement, so that each has the plan of its own conditions.
    """
    expressions, tables = _KEYS[order.field]
    direction = "desc" if order.descending else "asc"
    if order.field is VideoconferenceOrderField.LESSON:
        direction += " nulls last"
    keys = ", ".join(f"{expression} as key{number}" for number, expression in enumerate(expressions))
    by = ", ".join(f"{{of}}key{number} {direction}" for number in range(len(expressions))) + ", {of}key_id"
    matches = " and ".join(_conditions(which))
    if registry:
        rights = _RIGHTS if is_participant else _NO_PLACE
        return f"""
select total.count as total, page.*
from (select count(*) from videoconferences v where {matches}) total
left join lateral (
  select {CONFERENCE_COLUMNS}, {rights}, f.*
  from (
    select v.id as key_id, {keys} from videoconferences v {tables} where {matches}
    order by {by.format(of="")} limit :first offset :offset
  ) f
  join videoconferences v on v.id = f.key_id {_BESIDE_THE_CONFERENCE}
) page on true
order by {by.format(of="page.")}
"""
    return f"""
with open_to_viewer as (
  select v.id as key_id, {keys}
  from {THEIRS_AT_MOST}
  left join memberships m on m.chat_id = v.chat_id and m.participant_id = :me
  {tables}
  where {matches}
    and (m.role = 'ADMINISTRATOR' or {_TAKES_PART} or {_LEADS_LESSON})
)
select total.count as total, page.*
from (select count(*) from open_to_viewer) total
left join lateral (
  select {CONFERENCE_COLUMNS}, {_RIGHTS}, f.*
  from (select * from open_to_viewer order by {by.format(of="")} limit :first offset :offset) f
  join videoconferences v on v.id = f.key_id {_BESIDE_THE_CONFERENCE}
) page on true
order by {by.format(of="page.")}
"""


def taking_part(which: TakingPartFilter, *, picks: bool, by_default: bool = False) -> str:
    """A page of the participants of each of `:owners`, by name: of conferences, or `by_default` of new ones of chats.

    `picks`: whether the classes of all people are the viewer's to know.
    """
    conditions = " and ".join(_people_conditions(which, picks=picks)) or "true"
    return f"""
with present as (
  select who.owner, who.participant_id, array_agg(who.capacity order by who.capacity) as kinds
  from ({_BY_DEFAULT if by_default else _TAKING_PART}) who
  group by who.owner, who.participant_id
), found as (
  select present.owner, present.kinds, p.id, p.full_name, p.blocked,
         row_number() over (partition by present.owner order by p.sort_key, p.id) as place
  from present join participants p on p.id = present.participant_id
  where {conditions}
), totals as (select owner, count(*) from found group by owner)
select wanted.owner, coalesce(totals.count, 0) as total, found.id, found.full_name, found.blocked, found.kinds
from unnest(cast(:owners as uuid[])) wanted(owner)
left join totals on totals.owner = wanted.owner
left join found on found.owner = wanted.owner and found.place > :offset and found.place <= :offset + :first
order by found.place
"""


def _conditions(which: VideoconferenceFilter) -> list[str]:
    conditions = {
        "v.organization_id = :organization": True,
        "v.deleted_at is null": True,
        "v.search_key like all(:patterns)": which.name_contains is not None,
        "v.status = any(:statuses)": which.statuses is not None,
        "v.type = any(:types)": which.types is not None,
        "v.chat_id = :chat": which.chat is not None,
        "v.lesson_id = :lesson": which.lesson is not None,
        "v.ends_at > :start": which.start is not None,
        "v.starts_at < :end": which.end is not None,
    }
    return [condition for condition, asked in conditions.items() if asked]


def _people_conditions(which: TakingPartFilter, *, picks: bool) -> list[str]:
    in_class = _IN_CHAT_OF_CLASS
    if picks:
        kinds = _OF_CLASS.values() if which.capacity is None else (_OF_CLASS[which.capacity],)
        in_class = f"present.participant_id in ({' union '.join(kinds)})"
    conditions = {
        ":capacity = any(present.kinds)": which.capacity is not None,
        "p.search_key like all(:patterns)": which.name_contains is not None,
        "p.blocked = :blocked": which.blocked is not None,
        in_class: which.school_class is not None,
        _NOT_IN_CHAT: which.not_in_chat is not None,
    }
    return [condition for condition, asked in conditions.items() if asked]
