"""What people do with videoconferences: make one, end one before its time."""

from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from application.calls import save_with_calls
from application.ports import KEYS_ARE_KEPT_FOR, Answered, Begin, ConcurrentChange, UnitOfWork
from domain import access
from domain.access import Viewer
from domain.chat import Chat
from domain.errors import ProblemCode, refuse
from domain.ids import ChatId, VideoconferenceId
from domain.lesson import Lesson
from domain.organization import Organization
from domain.videoconference import FinishedBy, Videoconference, VideoconferenceType, schedule
from domain.videoconference_form import VideoconferenceForm, fill

LONGEST_KEY = 64


@dataclass(frozen=True, slots=True)
class CreateVideoconference:
    """Makes a conference that will start and end by itself; a key makes a repetition answer with the first one."""

    begin: Begin
    prepare_ahead: timedelta

    async def __call__(
        self, viewer: Viewer, chat_id: ChatId, form: VideoconferenceForm, *, idempotency_key: str | None = None
    ) -> VideoconferenceId:
        digest = sha256(repr((chat_id, form)).encode()).hexdigest()
        scope = f"videoconferences of {viewer.person_id}"
        async with self.begin() as uow:
            at = await uow.now()
            if idempotency_key is not None:
                if len(idempotency_key) > LONGEST_KEY:
                    raise refuse(ProblemCode.TOO_LONG, "idempotencyKey", most=str(LONGEST_KEY))
                known = await uow.answers.find(scope, [idempotency_key], since=at - KEYS_ARE_KEPT_FOR)
                if answered := known.get(idempotency_key):
                    if answered.digest != digest:
                        raise refuse(ProblemCode.IDEMPOTENCY_KEY_REUSED, "idempotencyKey")
                    return VideoconferenceId(UUID(answered.result))
            chat = await _open_chat(uow, viewer, chat_id)
            if not access.may_create_conference(viewer, chat):
                raise refuse(ProblemCode.FORBIDDEN)
            conference = await self._fill(uow, viewer, chat, form)
            try:
                await uow.videoconferences.save(conference)
            except ConcurrentChange:
                raise refuse(ProblemCode.LESSON_HAS_ONLINE_LESSON, "lessonId") from None
            if idempotency_key is not None:
                kept = {idempotency_key: Answered(digest, str(conference.id))}
                await uow.answers.keep(scope, kept, at=at)
            return conference.id

    async def _fill(self, uow: UnitOfWork, viewer: Viewer, chat: Chat, form: VideoconferenceForm) -> Videoconference:
        organization = await uow.organizations.find(chat.organization_id)
        assert organization is not None, "a chat's organization exists"
        lesson = await _visible_lesson(uow, organization, form)
        roster = await uow.rosters.get(chat.organization_id)
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
        async with self.begin() as uow:
            conference = await uow.videoconferences.find(id, lock=True)
            chat = None if conference is None else await uow.chats.find(conference.chat_id)
            if conference is None or chat is None or not access.may_see_conference(viewer, conference, chat):
                raise refuse(ProblemCode.NOT_FOUND, "id")
            if not access.may_finish_conference(viewer, chat):
                raise refuse(ProblemCode.FORBIDDEN)
            at = await uow.now()
            conference.finish(at=at, by=FinishedBy.USER)
            await save_with_calls(uow, conference, at=at)


async def _open_chat(uow: UnitOfWork, viewer: Viewer, id: ChatId) -> Chat:
    chat = await uow.chats.find(id)
    if chat is None or not access.may_see_chat(viewer, chat):
        raise refuse(ProblemCode.NOT_FOUND, "chatId")
    return chat


async def _visible_lesson(uow: UnitOfWork, organization: Organization, form: VideoconferenceForm) -> Lesson | None:
    lesson = await uow.lessons.find(form.lesson_id) if form.lesson_id else None
    return lesson if lesson is not None and lesson.organization_id == organization.id else None
