"""The window in which a videoconference is made: what each field allows, and every fault of a form at once."""

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from domain.chat import Chat, ChatType, ClassChat, SubjectChat
from domain.errors import Problem, ProblemCode, Refused
from domain.ids import LessonId, ParticipantId
from domain.lesson import Lesson
from domain.participant import Capacity
from domain.participation import default_participants, parents_allowed
from domain.roster import Roster, StudyGroup
from domain.videoconference import TimeSlot, VideoconferenceType

LONGEST = timedelta(hours=24)
FARTHEST_AHEAD = timedelta(days=365)
LONGEST_NAME = 200

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
class Filled:
    """A form without faults, its defaults filled in."""

    name: str
    slot: TimeSlot
    additions: frozenset[tuple[ParticipantId, Capacity]]
    removals: frozenset[ParticipantId]


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
        *_name_problems(form),
        *_chat_problems(chat),
        *_lesson_problems(form, chat, lesson, group, roster, at),
        *_time_problems(starts_at, ends_at, at),
        *_people_problems(form, chat, roster),
    ]
    if problems or starts_at is None or ends_at is None:
        raise Refused(*problems)
    additions, removals = _changes(form, chat)
    name = " ".join((form.name or "").split()) or _default_name(chat, lesson, group, zone)
    return Filled(name, TimeSlot(starts_at, ends_at), additions, removals)


def lesson_required(type: VideoconferenceType, chat: ChatType) -> bool:
    """An online lesson of a subject's chat is a lesson of the timetable (CONF-05)."""
    return type is VideoconferenceType.ONLINE_LESSON and chat is ChatType.SUBJECT


def _name_problems(form: VideoconferenceForm) -> Iterator[Problem]:
    name = (form.name or "").strip()
    if not name and form.type is VideoconferenceType.VIDEO_CALL:
        yield Problem(ProblemCode.REQUIRED, ("name",))
    if len(name) > LONGEST_NAME:
        yield Problem(ProblemCode.TOO_LONG, ("name",), {"most": str(LONGEST_NAME)})
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in name):
        yield Problem(ProblemCode.INVALID, ("name",))


def _chat_problems(chat: Chat) -> Iterator[Problem]:
    if chat.archived:
        yield Problem(ProblemCode.CHAT_ARCHIVED, ("chatId",))


def _lesson_problems(
    form: VideoconferenceForm,
    chat: Chat,
    lesson: Lesson | None,
    group: StudyGroup | None,
    roster: Roster,
    at: datetime,
) -> Iterator[Problem]:
    where = ("lessonId",)
    if form.type is VideoconferenceType.VIDEO_CALL:
        if form.lesson_id is not None:
            yield Problem(ProblemCode.LESSON_NOT_ALLOWED, where)
        return
    if form.lesson_id is None:
        if lesson_required(form.type, chat.type):
            yield Problem(ProblemCode.LESSON_REQUIRED, where)
        return
    if lesson is None or group is None:
        yield Problem(ProblemCode.NOT_FOUND, where)
        return
    match chat.kind:
        case SubjectChat(group_id) if group_id != lesson.group_id:
            yield Problem(ProblemCode.LESSON_OF_ANOTHER_GROUP, where)
        case ClassChat(class_id) if class_id not in roster.classes_of(group.pupils):
            yield Problem(ProblemCode.LESSON_OF_ANOTHER_GROUP, where)
        case _:
            pass
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


def _people_problems(form: VideoconferenceForm, chat: Chat, roster: Roster) -> Iterator[Problem]:
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


def _changes(
    form: VideoconferenceForm, chat: Chat
) -> tuple[frozenset[tuple[ParticipantId, Capacity]], frozenset[ParticipantId]]:
    default = {
        (person, capacity)
        for person, capacities in default_participants(form.type, chat).items()
        for capacity in capacities
    }
    lists = form.lists or {}
    wanted = {(person, capacity) for person, capacity in default if capacity not in lists}
    wanted |= {(person, capacity) for capacity, people in lists.items() for person in people}
    stay = {person for person, _ in wanted}
    return frozenset(wanted - default), frozenset(person for person, _ in default if person not in stay)


def _default_name(chat: Chat, lesson: Lesson | None, group: StudyGroup | None, zone: ZoneInfo) -> str:
    if lesson is None or group is None:
        return f"Онлайн-урок, {chat.name}"
    return f"{group.subject}, {group.name}, {lesson.starts_at.astimezone(zone):%d.%m.%Y %H:%M}"
