"""The journal's online lesson, and what a change of the timetable makes of it (CONF-16, CONF-22)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

from application.calls import save_with_calls
from application.ports import Begin, ConcurrentChange, UnitOfWork
from domain import access
from domain.access import Viewer, by
from domain.chat import Chat, ClassChat, SubjectChat
from domain.errors import ProblemCode, refuse
from domain.ids import LessonId, VideoconferenceId
from domain.lesson import Lesson
from domain.organization import Organization
from domain.participant import Capacity
from domain.roster import Roster, StudyGroup
from domain.videoconference import TimeSlot, Videoconference, VideoconferenceType, schedule
from domain.videoconference_form import default_name, follow_lesson

LONGEST_PREPARATION = timedelta(seconds=60)
"""STARTING begins at most so long before the start (CONF-17)."""


@dataclass(frozen=True, slots=True)
class CreateOnlineLesson:
    """Makes a lesson's online lesson from the journal; asked twice, it answers with the same one (CONF-16)."""

    begin: Begin
    prepare_ahead: timedelta

    async def __call__(self, viewer: Viewer, id: LessonId) -> VideoconferenceId:
        try:
            return await self._create(viewer, id)
        except ConcurrentChange:
            # Somebody else made it at the same time: theirs is found now.
            return await self._create(viewer, id)

    async def _create(self, viewer: Viewer, id: LessonId) -> VideoconferenceId:
        async with self.begin(by(viewer)) as uow:
            lesson = await present_lesson(uow, viewer, id)
            if lesson is None:
                raise refuse(ProblemCode.NOT_FOUND, "lessonId")
            organization = await uow.organizations.find(lesson.organization_id)
            assert organization is not None, "a lesson's organization exists"
            roster = await uow.rosters.get(organization.id)
            group = roster.groups[lesson.group_id]
            if not may_see_lesson(viewer, lesson, group, roster):
                raise refuse(ProblemCode.NOT_FOUND, "lessonId")
            if not access.may_hold_lesson(viewer, organization.id, leads_lesson=leads(viewer, lesson, group, roster)):
                raise refuse(ProblemCode.FORBIDDEN)
            if known := await uow.videoconferences.of_lesson(id):
                return known.id
            at = await uow.now()
            if lesson.cancelled or group.closed or lesson.ends_at <= at:
                raise refuse(ProblemCode.LESSON_OVER, "lessonId")
            chat = await _chat_of(uow, organization, group, roster)
            conference = schedule(
                id=VideoconferenceId(uuid4()),
                organization_id=organization.id,
                type=VideoconferenceType.ONLINE_LESSON,
                name=default_name(chat, lesson, group, ZoneInfo(organization.time_zone)),
                chat_id=chat.id,
                lesson_id=id,
                made_by=viewer.participant_id,
                slot=TimeSlot(lesson.starts_at, lesson.ends_at),
                prepare_ahead=self.prepare_ahead,
                of_group=not isinstance(chat.kind, SubjectChat),
            )
            await uow.videoconferences.save(conference)
            return conference.id


async def present_lesson(uow: UnitOfWork, viewer: Viewer, id: LessonId) -> Lesson | None:
    """The lesson, if it is of an organization in which the viewer works; the timetable does not change meanwhile.

    Whoever gives a lesson to a conference asks for it so, before any chat: a lesson that moves then moves its online
    lesson too, and two never make one for the same lesson.
    """
    seen = await uow.lessons.find(id)
    if seen is None or not viewer.works_in(seen.organization_id):
        return None
    await uow.organizations.find(seen.organization_id, lock=True)
    return await uow.lessons.find(id)


def leads(viewer: Viewer, lesson: Lesson, group: StudyGroup, roster: Roster) -> bool:
    """Whether the viewer teaches the lesson's group or substitutes in it."""
    me = viewer.present_participant
    return me is not None and me in {*group.teachers, lesson.substitute} and roster.is_(Capacity.EMPLOYEE, me)


def may_see_lesson(viewer: Viewer, lesson: Lesson, group: StudyGroup, roster: Roster) -> bool:
    """Who views the registry; its teachers, substitute, pupils, and the parents of these (RIGHT-10)."""
    if access.sees_registry(viewer, lesson.organization_id):
        return True
    me = viewer.present_participant
    if me is None or not viewer.works_in(lesson.organization_id):
        return viewer.may(access.Permission.CONFERENCE_CREATE, lesson.organization_id)
    if leads(viewer, lesson, group, roster):
        return True
    learning = {pupil for pupil in group.pupils if roster.is_(Capacity.PUPIL, pupil)}
    return me in learning or any((me, pupil) in roster.ties for pupil in learning)


async def save_lessons(
    uow: UnitOfWork,
    organization: Organization,
    roster: Roster,
    before: Mapping[LessonId, Lesson],
    after: Collection[Lesson],
    *,
    prepare_ahead: timedelta,
    at: datetime,
) -> None:
    """Saves lessons that are new or not what they were; the online lessons of changed ones follow them (CONF-22)."""
    await uow.lessons.save_all([lesson for lesson in after if before.get(lesson.id) != lesson])
    changed = [lesson for lesson in after if lesson.id in before and before[lesson.id] != lesson]
    for conference in await uow.videoconferences.unfinished_of_lessons([lesson.id for lesson in changed]):
        lesson = next(lesson for lesson in changed if lesson.id == conference.lesson_id)
        await _follow_one(uow, organization, roster, conference, lesson, prepare_ahead, at)


async def drop_lessons_of(uow: UnitOfWork, groups: Sequence[StudyGroup], *, at: datetime) -> None:
    """The lessons of a closed group count as cancelled (CONF-22)."""
    for conference in await uow.videoconferences.unfinished_of_groups([group.id for group in groups]):
        if not conference.is_active:
            conference.delete(at=at)
            await save_with_calls(uow, conference, at=at)


async def _follow_one(
    uow: UnitOfWork,
    organization: Organization,
    roster: Roster,
    conference: Videoconference,
    lesson: Lesson,
    prepare_ahead: timedelta,
    at: datetime,
) -> None:
    group = roster.groups.get(lesson.group_id)
    if conference.is_active:
        return
    if lesson.cancelled or lesson.ends_at <= at or group is None or group.closed:
        conference.delete(at=at)
    else:
        chat = await uow.chats.find(conference.chat_id)
        assert chat is not None, "a chat with a scheduled conference is not deleted"
        revision = follow_lesson(conference, lesson, chat, group, ZoneInfo(organization.time_zone))
        conference.revise(revision, at=at, prepare_ahead=prepare_ahead)
    await save_with_calls(uow, conference, at=at)


async def _chat_of(uow: UnitOfWork, organization: Organization, group: StudyGroup, roster: Roster) -> Chat:
    """The group's oldest SUBJECT chat, else the CLASS chat of its only class."""
    if (chat := await uow.chats.oldest_of_group(group.id)) is not None:
        return chat
    classes = [id for id in roster.classes_of(group.pupils) if not roster.classes[id].closed]
    if len(classes) != 1:
        raise refuse(ProblemCode.SUBJECT_CHAT_NEEDED, "lessonId")
    [of_class] = await uow.chats.following(organization.id, [ClassChat(classes[0])])
    return of_class
