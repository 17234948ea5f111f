"""The window in which a videoconference is made: what each field allows, and every fault of a form at once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from domain.chat import Chat, ChatType, ClassChat, Ground, GroundKind, SubjectChat
from domain.errors import Problem, ProblemCode, Refused, refuse
from domain.ids import LessonId, ParticipantId
from domain.lesson import Lesson
from domain.names import clean, name_problems
from domain.participant import Capacity
from domain.participation import default_participants, parents_allowed
from domain.roster import Roster, StudyGroup
from domain.videoconference import Detail, Revision, TimeSlot, Videoconference, VideoconferenceType

LONGEST = timedelta(hours=24)
FARTHEST_AHEAD = timedelta(days=365)
LONGEST_NAME = 200

MOST_PEOPLE = 1000

_CHAT_ADMINISTRATOR = Ground(GroundKind.CHAT_ADMINISTRATOR, Capacity.EMPLOYEE)

Additions = frozenset[tuple[ParticipantId, Capacity]]
Lists = Mapping[Capacity, frozenset[ParticipantId]]
"""The lists that the user gave; one that is left out means the chat's people of that capacity."""

LIST_FIELDS = {
    Capacity.PUPIL: "pupilIds",
    Capacity.EMPLOYEE: "employeeIds",
    Capacity.PARENT: "parentIds",
}


@dataclass(frozen=True, slots=True)
class VideoconferenceForm:
    """The fields as the user left them; times as instants."""

    type: VideoconferenceType
    name: str | None = None
    lesson_id: LessonId | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    lists: Lists | None = None


@dataclass(frozen=True, slots=True)
class VideoconferenceEdit:
    """The window in which a conference is edited; what is None stays, people are differences.

    `drop_lesson` takes the lesson away; `lesson_id` names another one.
    """

    name: str | None = None
    lesson_id: LessonId | None = None
    drop_lesson: bool = False
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    add: tuple[tuple[ParticipantId, Capacity], ...] = ()
    remove: tuple[ParticipantId, ...] = ()


@dataclass(frozen=True, slots=True)
class Filled:
    """A form without faults, its defaults filled in."""

    name: str
    slot: TimeSlot
    additions: Additions
    removals: frozenset[ParticipantId]
    set_by_hand: frozenset[Detail]


@dataclass(frozen=True, slots=True)
class Defaults:
    """What the window shows before anything is typed; a name that the user must think of is None."""

    name: str | None
    starts_at: datetime | None
    ends_at: datetime | None
    lesson_required: bool
    lesson_allowed: bool
    parents_allowed: bool


def defaults(
    type: VideoconferenceType, chat: Chat, lesson: Lesson | None, group: StudyGroup | None, zone: ZoneInfo
) -> Defaults:
    """The defaults of a type, a chat and maybe a lesson (CONF-03, CONF-05, CONF-06, CONF-09)."""
    online = type is VideoconferenceType.ONLINE_LESSON
    return Defaults(
        name=default_name(chat, lesson, group, zone) if online else None,
        starts_at=lesson.starts_at if online and lesson else None,
        ends_at=lesson.ends_at if online and lesson else None,
        lesson_required=lesson_required(type, chat.type),
        lesson_allowed=online,
        parents_allowed=parents_allowed(type, chat.type),
    )


def fill(
    form: VideoconferenceForm, *, chat: Chat, lesson: Lesson | None, roster: Roster, zone: ZoneInfo, at: datetime
) -> Filled:
    """Checks the whole form against its chat and lesson and fills in the defaults (CONF-03 … CONF-09).

    Raises:
        Refused: with every problem of the form.
    """
    group = roster.groups.get(lesson.group_id) if lesson else None
    starts_at = form.starts_at or (lesson.starts_at if lesson else None)
    ends_at = form.ends_at or (lesson.ends_at if lesson else None)
    problems = [
        *_name_problems(form.type, form.name),
        *_chat_problems(chat),
        *_lesson_problems(form.type, form.lesson_id, chat, lesson, group, roster, at),
        *_time_problems(starts_at, ends_at, at),
        *_list_problems(form, chat, roster),
    ]
    if problems or starts_at is None or ends_at is None:
        raise Refused(*problems)
    substitute = lesson.substitute if lesson else None
    additions, removals = _changes(form, chat, substitute, roster)
    given = default_name(chat, lesson, group, zone)
    name = clean(form.name) or given
    slot = TimeSlot(starts_at, ends_at)
    return Filled(name, slot, additions, removals, _set_by_hand(name, slot, given, lesson))


def revise(
    conference: Videoconference,
    edit: VideoconferenceEdit,
    *,
    chat: Chat,
    lesson: Lesson | None,
    substitute: ParticipantId | None,
    roster: Roster,
    zone: ZoneInfo,
    at: datetime,
) -> Revision:
    """What an edit makes of a conference (CONF-14). `chat` is its chat or another one; `lesson` the one it has or gets.

    `substitute` is the present lesson's. A change of chat takes the new chat's people, and drops a lesson that does
    not fit there.

    Raises:
        Refused: with every problem of the form.
    """
    if conference.is_over:
        raise refuse(ProblemCode.WRONG_STATUS, "id", status=conference.status)
    moves_chat = chat.id != conference.chat_id
    wanted = None if edit.drop_lesson else edit.lesson_id or conference.lesson_id
    group = roster.groups.get(lesson.group_id) if lesson else None
    chosen = edit.lesson_id is not None and edit.lesson_id != conference.lesson_id
    if moves_chat and not chosen and (lesson is None or any(_misfits(chat, lesson, group, roster))):
        wanted = lesson = group = None
    changes_lesson = wanted != conference.lesson_id
    by_hand = conference.set_by_hand
    starts_at = edit.starts_at or _of_lesson(lesson, "starts_at", changes_lesson and Detail.START not in by_hand)
    ends_at = edit.ends_at or _of_lesson(lesson, "ends_at", changes_lesson and Detail.END not in by_hand)
    slot = (starts_at or conference.slot.start, ends_at or conference.slot.end)
    judged_anew = changes_lesson or (moves_chat and wanted is None)
    problems = [
        *(_name_problems(conference.type, edit.name) if edit.name is not None else ()),
        *(_chat_problems(chat) if moves_chat else ()),
        *(_lesson_problems(conference.type, wanted, chat, lesson, group, roster, at) if judged_anew else ()),
        *_time_problems(*slot, at),
        *(_problems_while_active(conference, slot[0], changes_lesson, moves_chat) if conference.is_active else ()),
        *_difference_problems(conference.type, edit, chat, roster),
    ]
    if problems:
        raise Refused(*problems)
    given = default_name(chat, lesson, group, zone)
    named_by_hand = Detail.NAME in by_hand or conference.type is VideoconferenceType.VIDEO_CALL
    stays = edit.name is None and (named_by_hand or not (changes_lesson or moves_chat))
    name = conference.name if stays else clean(edit.name) or given
    additions: Additions = frozenset() if moves_chat else conference.additions
    removals = frozenset[ParticipantId]() if moves_chat else conference.removals
    of_group = conference.of_group and not moves_chat and wanted is not None
    for participant in edit.remove:
        additions = frozenset(addition for addition in additions if addition[0] != participant)
        removals |= {participant}
    for participant, capacity in edit.add:
        removals -= {participant}
        if not _is_there(participant, capacity, conference, chat, substitute, group if of_group else None):
            additions |= {(participant, capacity)}
    return Revision(
        name=name,
        chat_id=chat.id,
        lesson_id=wanted,
        slot=TimeSlot(*slot),
        additions=additions,
        removals=removals,
        of_group=of_group,
        set_by_hand=_set_by_hand(name, TimeSlot(*slot), given, lesson),
    )


def follow_lesson(
    conference: Videoconference, lesson: Lesson, chat: Chat, group: StudyGroup | None, zone: ZoneInfo
) -> Revision:
    """What a moved lesson makes of its online lesson: whatever a user set by hand stays (CONF-22)."""
    by_hand = conference.set_by_hand
    start = conference.slot.start if Detail.START in by_hand else lesson.starts_at
    end = conference.slot.end if Detail.END in by_hand else lesson.ends_at
    present = Revision.of(conference)
    return replace(
        present,
        name=conference.name if Detail.NAME in by_hand else default_name(chat, lesson, group, zone),
        # A time set by hand that the lesson's other one would contradict keeps both where they are.
        slot=TimeSlot(start, end) if start < end <= start + LONGEST else present.slot,
    )


def default_name(chat: Chat, lesson: Lesson | None, group: StudyGroup | None, zone: ZoneInfo) -> str:
    """The name of an online lesson that nobody named (CONF-03)."""
    if lesson is None or group is None:
        return f"Онлайн-урок, {chat.name}"[:LONGEST_NAME]
    return f"{group.subject}, {group.name}, {lesson.starts_at.astimezone(zone):%d.%m.%Y %H:%M}"[:LONGEST_NAME]


def lesson_required(type: VideoconferenceType, chat: ChatType) -> bool:
    """An online lesson of a subject's chat is a lesson of the timetable (CONF-05)."""
    return type is VideoconferenceType.ONLINE_LESSON and chat is ChatType.SUBJECT


def _name_problems(type: VideoconferenceType, name: str | None) -> Iterator[Problem]:
    yield from name_problems(name, most=LONGEST_NAME, required=type is VideoconferenceType.VIDEO_CALL)


def _chat_problems(chat: Chat) -> Iterator[Problem]:
    if chat.archived:
        yield Problem(ProblemCode.CHAT_ARCHIVED, ("chatId",))


def _lesson_problems(
    type: VideoconferenceType,
    lesson_id: LessonId | None,
    chat: Chat,
    lesson: Lesson | None,
    group: StudyGroup | None,
    roster: Roster,
    at: datetime,
) -> Iterator[Problem]:
    where = ("lessonId",)
    if type is VideoconferenceType.VIDEO_CALL:
        if lesson_id is not None:
            yield Problem(ProblemCode.LESSON_NOT_ALLOWED, where)
        return
    if lesson_id is None:
        if lesson_required(type, chat.type):
            yield Problem(ProblemCode.LESSON_REQUIRED, where)
        return
    if lesson is None or group is None:
        yield Problem(ProblemCode.NOT_FOUND, where)
        return
    yield from _misfits(chat, lesson, group, roster)
    if lesson.cancelled or lesson.ends_at <= at:
        yield Problem(ProblemCode.LESSON_OVER, where)


def _time_problems(starts_at: datetime | None, ends_at: datetime | None, at: datetime) -> Iterator[Problem]:
    if starts_at is None:
        yield Problem(ProblemCode.REQUIRED, ("startsAt",))
    elif starts_at > at + FARTHEST_AHEAD:
        yield Problem(ProblemCode.TOO_FAR_AHEAD, ("startsAt",))
    if ends_at is None:
        yield Problem(ProblemCode.REQUIRED, ("endsAt",))
    elif ends_at <= at:
        yield Problem(ProblemCode.END_IN_PAST, ("endsAt",))
    if starts_at is not None and ends_at is not None:
        if ends_at <= starts_at:
            yield Problem(ProblemCode.END_NOT_AFTER_START, ("endsAt",))
        elif ends_at - starts_at > LONGEST:
            yield Problem(ProblemCode.TOO_LONG_A_VIDEOCONFERENCE, ("endsAt",))


def _misfits(chat: Chat, lesson: Lesson, group: StudyGroup | None, roster: Roster) -> Iterator[Problem]:
    match chat.kind:
        case SubjectChat(group_id) if group_id != lesson.group_id:
            yield Problem(ProblemCode.LESSON_OF_ANOTHER_GROUP, ("lessonId",))
        case ClassChat(class_id) if group is None or class_id not in roster.classes_of(group.pupils):
            yield Problem(ProblemCode.LESSON_OF_ANOTHER_GROUP, ("lessonId",))
        case _:
            pass


def _problems_while_active(
    conference: Videoconference, start: datetime, changes_lesson: bool, moves_chat: bool
) -> Iterator[Problem]:
    """While it is active only the name, the end and the people change (CONF-14)."""
    facts = {"status": str(conference.status)}
    if moves_chat:
        yield Problem(ProblemCode.WRONG_STATUS, ("chatId",), facts)
    if changes_lesson:
        yield Problem(ProblemCode.WRONG_STATUS, ("lessonId",), facts)
    if start != conference.slot.start:
        yield Problem(ProblemCode.WRONG_STATUS, ("startsAt",), facts)


def _list_problems(form: VideoconferenceForm, chat: Chat, roster: Roster) -> Iterator[Problem]:
    for capacity, people in (form.lists or {}).items():
        where = LIST_FIELDS[capacity]
        if capacity is Capacity.PARENT and not parents_allowed(form.type, chat.type):
            yield Problem(ProblemCode.PARENTS_NOT_ALLOWED, (where,))
            continue
        for person in sorted(people):
            if person not in roster.people:
                yield Problem(ProblemCode.NOT_FOUND, (where,))
            elif not roster.is_(capacity, person):
                facts = {"name": roster.people[person].name.full}
                yield Problem(ProblemCode.CAPACITY_NOT_ALLOWED, (where,), facts)


def _difference_problems(
    type: VideoconferenceType, edit: VideoconferenceEdit, chat: Chat, roster: Roster
) -> Iterator[Problem]:
    for field, given in (("addParticipants", edit.add), ("removeParticipants", edit.remove)):
        if len(given) > MOST_PEOPLE:
            yield Problem(ProblemCode.TOO_MANY, (field,), {"most": str(MOST_PEOPLE)})
            return
    for place, (person, capacity) in enumerate(edit.add):
        where = ("addParticipants", str(place))
        if person not in roster.people:
            yield Problem(ProblemCode.NOT_FOUND, where)
        elif capacity is Capacity.PARENT and not parents_allowed(type, chat.type):
            yield Problem(ProblemCode.PARENTS_NOT_ALLOWED, where)
        elif not roster.is_(capacity, person):
            yield Problem(ProblemCode.CAPACITY_NOT_ALLOWED, where)
    added = {person for person, _ in edit.add}
    for place, person in enumerate(edit.remove):
        if person not in roster.people:
            yield Problem(ProblemCode.NOT_FOUND, ("removeParticipants", str(place)))
        elif person in added:
            yield Problem(ProblemCode.INVALID, ("removeParticipants", str(place)))


def _changes(
    form: VideoconferenceForm, chat: Chat, substitute: ParticipantId | None, roster: Roster
) -> tuple[Additions, frozenset[ParticipantId]]:
    default = {
        (person, capacity)
        for person, capacities in default_participants(form.type, chat).items()
        for capacity in capacities
    }
    if substitute is not None and roster.is_(Capacity.EMPLOYEE, substitute):
        default.add((substitute, Capacity.EMPLOYEE))
    lists = form.lists or {}
    wanted = {(person, capacity) for person, capacity in default if capacity not in lists}
    wanted |= {(person, capacity) for capacity, people in lists.items() for person in people}
    stay = {person for person, _ in wanted}
    return frozenset(wanted - default), frozenset(person for person, _ in default if person not in stay)


def _is_there(
    person: ParticipantId,
    capacity: Capacity,
    conference: Videoconference,
    chat: Chat,
    substitute: ParticipantId | None,
    group: StudyGroup | None,
) -> bool:
    """Whether the person is brought in already, in that capacity: by the chat, or by the `group` in its stead."""
    if (person, capacity) == (substitute, Capacity.EMPLOYEE):
        return True
    if group is None:
        return capacity in default_participants(conference.type, chat).get(person, frozenset())
    if capacity is Capacity.PUPIL:
        return person in group.pupils
    membership = chat.memberships.get(person)
    administers = membership is not None and _CHAT_ADMINISTRATOR in membership.grounds
    return administers or person in group.teachers


def _of_lesson(lesson: Lesson | None, field: str, wanted: bool) -> datetime | None:
    instant: datetime | None = getattr(lesson, field) if wanted and lesson is not None else None
    return instant


def _set_by_hand(name: str, slot: TimeSlot, given: str, lesson: Lesson | None) -> frozenset[Detail]:
    """What differs from what the lesson gives."""
    differing = {
        Detail.NAME: name != given,
        Detail.START: lesson is None or slot.start != lesson.starts_at,
        Detail.END: lesson is None or slot.end != lesson.ends_at,
    }
    return frozenset(detail for detail, differs in differing.items() if differs)
