"""What people do with videoconferences: make one, end one before its time."""

from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from application.calls import save_with_calls
from application.ports import Begin, ConcurrentChange, UnitOfWork
from application.repeats import remember, remembered
from domain import access
from domain.access import Viewer, by
from domain.chat import Chat, ChatType
from domain.errors import ProblemCode, refuse
from domain.ids import ChatId, VideoconferenceId
from domain.lesson import Lesson
from domain.participant import Capacity
from domain.roster import Roster
from domain.videoconference import FinishedBy, Videoconference, VideoconferenceType, schedule
from domain.videoconference_form import VideoconferenceForm, fill


@dataclass(frozen=True, slots=True)
class CreateVideoconference:
    """Makes a conference that will start and end by itself; a key makes a repetition answer with the first one."""

    begin: Begin
    prepare_ahead: timedelta

    async def __call__(
        self, viewer: Viewer, chat_id: ChatId, form: VideoconferenceForm, *, idempotency_key: str | None = None
    ) -> VideoconferenceId:
        scope, digest = f"videoconferences of {viewer.person_id}", sha256(repr((chat_id, form)).encode()).hexdigest()
        async with self.begin(by(viewer)) as uow:
            at = await uow.now()
            known = await remembered(uow, scope, idempotency_key, digest, at=at)
            chat = await _open_chat(uow, viewer, chat_id)
            if not access.may_create_conference(viewer, access.place_in(viewer, chat)):
                raise refuse(ProblemCode.FORBIDDEN)
            # Not before the rights: a key shows nothing to whom they were taken from (RIGHT-09).
            if known:
                return VideoconferenceId(UUID(known))
            conference = await self._fill(uow, viewer, chat, form)
            try:
                await uow.videoconferences.save(conference)
            except ConcurrentChange:
                raise refuse(ProblemCode.LESSON_HAS_ONLINE_LESSON, "lessonId") from None
            await remember(uow, scope, idempotency_key, digest, str(conference.id), at=at)
            return conference.id

    async def _fill(self, uow: UnitOfWork, viewer: Viewer, chat: Chat, form: VideoconferenceForm) -> Videoconference:
        organization = await uow.organizations.find(chat.organization_id)
        assert organization is not None, "a chat's organization exists"
        roster = await uow.rosters.get(chat.organization_id)
        lesson = await uow.lessons.find(form.lesson_id) if form.lesson_id else None
        if lesson is not None and not _may_be_chosen(lesson, viewer, chat, roster):
            lesson = None
        at = await uow.now()
        filled = fill(form, chat=chat, lesson=lesson, roster=roster, zone=ZoneInfo(organization.time_zone), at=at)
        online_lesson = lesson is not None and form.type is VideoconferenceType.ONLINE_LESSON
        if lesson is not None and online_lesson and await uow.videoconferences.of_lesson(lesson.id) is not None:
            raise refuse(ProblemCode.LESSON_HAS_ONLINE_LESSON, "lessonId")
        return schedule(
            id=VideoconferenceId(uuid4()),
            organization_id=chat.organization_id,
            type=form.type,
            name=filled.name,
            chat_id=chat.id,
            lesson_id=lesson.id if lesson else None,
            made_by=viewer.participant_id,
            slot=filled.slot,
            prepare_ahead=self.prepare_ahead,
            additions=filled.additions,
            removals=filled.removals,
        )


@dataclass(frozen=True, slots=True)
class FinishVideoconference:
    """Ends an active conference before its time; the call is closed afterwards (CONF-13)."""

    begin: Begin

    async def __call__(self, viewer: Viewer, id: VideoconferenceId) -> None:
        async with self.begin(by(viewer)) as uow:
            conference = await uow.videoconferences.find(id, lock=True)
            chat = None if conference is None else await uow.chats.find(conference.chat_id)
            if conference is None or chat is None:
                raise refuse(ProblemCode.NOT_FOUND, "id")
            held = await uow.rosters.held(conference.additions)
            place = access.place_in_conference(viewer, conference, chat, held)
            if not access.may_see_conference(viewer, place):
                raise refuse(ProblemCode.NOT_FOUND, "id")
            if not access.may_finish_conference(viewer, place.chat):
                raise refuse(ProblemCode.FORBIDDEN)
            at = await uow.now()
            conference.finish(at=at, by=FinishedBy.USER)
            await save_with_calls(uow, conference, at=at)


async def _open_chat(uow: UnitOfWork, viewer: Viewer, id: ChatId) -> Chat:
    # Locked, so that it is not deleted or archived meanwhile.
    chat = await uow.chats.find(id, lock=True)
    if chat is None or not access.may_see_chat(viewer, access.place_in(viewer, chat)):
        raise refuse(ProblemCode.NOT_FOUND, "chatId")
    return chat


def _may_be_chosen(lesson: Lesson, viewer: Viewer, chat: Chat, roster: Roster) -> bool:
    """For a chat of a subject or a class its lessons, which the form checks; for others those that the viewer sees."""
    if lesson.organization_id != chat.organization_id:
        return False
    if chat.type in {ChatType.SUBJECT, ChatType.CLASS} or access.sees_registry(viewer, chat.organization_id):
        return True
    me, group = viewer.present_participant, roster.groups.get(lesson.group_id)
    if me is None or group is None:
        return False
    if roster.is_(Capacity.EMPLOYEE, me) and me in {*group.teachers, lesson.substitute}:
        return True
    learning = {pupil for pupil in group.pupils if roster.is_(Capacity.PUPIL, pupil)}
    return me in learning or any((me, pupil) in roster.ties for pupil in learning)
