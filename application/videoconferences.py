"""What people do with videoconferences: make one, edit it, connect to it, end it, delete it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from application.calls import save_with_calls
from application.online_lessons import may_see_lesson, present_lesson
from application.ports import Begin, ConcurrentChange, UnitOfWork
from application.repeats import remember, remembered
from application.surroundings import surroundings
from domain import access
from domain.access import PlaceInConference, Viewer, by
from domain.chat import Chat, ChatType
from domain.errors import ProblemCode, refuse
from domain.ids import ChatId, VideoconferenceId
from domain.lesson import Lesson
from domain.roster import Roster
from domain.videoconference import (
    Active,
    Failed,
    Finished,
    FinishedBy,
    Revision,
    Scheduled,
    Starting,
    Videoconference,
    VideoconferenceType,
    schedule,
)
from domain.videoconference_form import VideoconferenceEdit, VideoconferenceForm, fill, revise


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
            lesson = await present_lesson(uow, viewer, form.lesson_id) if form.lesson_id else None
            chat = await _open_chat(uow, viewer, chat_id)
            if not access.may_create_conference(viewer, access.place_in(viewer, chat)):
                raise refuse(ProblemCode.FORBIDDEN)
            # Not before the rights: a key shows nothing to whom they were taken from (RIGHT-09).
            if known:
                return VideoconferenceId(UUID(known))
            conference = await self._fill(uow, viewer, chat, form, lesson)
            try:
                await uow.videoconferences.save(conference)
            except ConcurrentChange:
                raise refuse(ProblemCode.LESSON_HAS_ONLINE_LESSON, "lessonId") from None
            await remember(uow, scope, idempotency_key, digest, str(conference.id), at=at)
            return conference.id

    async def _fill(
        self, uow: UnitOfWork, viewer: Viewer, chat: Chat, form: VideoconferenceForm, lesson: Lesson | None
    ) -> Videoconference:
        organization = await uow.organizations.find(chat.organization_id)
        assert organization is not None, "a chat's organization exists"
        roster = await uow.rosters.get(chat.organization_id)
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
            set_by_hand=filled.set_by_hand,
        )


@dataclass(frozen=True, slots=True)
class StaleVideoconference:
    """Something changed meanwhile, in these fields; nothing is saved."""

    videoconference: VideoconferenceId
    changed_fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UpdateVideoconference:
    """Edits a conference by the rules of its status (CONF-14)."""

    begin: Begin
    prepare_ahead: timedelta

    async def __call__(
        self,
        viewer: Viewer,
        id: VideoconferenceId,
        edit: VideoconferenceEdit,
        *,
        expected_version: int,
        chat_id: ChatId | None = None,
    ) -> VideoconferenceId | StaleVideoconference:
        async with self.begin(by(viewer)) as uow:
            # The organization is locked before chats, and these before conferences, here as everywhere.
            chosen = await present_lesson(uow, viewer, edit.lesson_id) if edit.lesson_id else None
            target = None if chat_id is None else await uow.chats.find(chat_id, lock=True)
            conference, chat, place = await _found(uow, viewer, id)
            if not access.may_edit_conference(viewer, place):
                raise refuse(ProblemCode.FORBIDDEN)
            if conference.version != expected_version:
                return StaleVideoconference(id, await uow.videoconferences.changed_fields(id, since=expected_version))
            if chat_id is not None and chat_id != chat.id:
                chat = _may_take(viewer, target, conference)
            at = await uow.now()
            revision = await self._revision(uow, viewer, conference, edit, chat, chosen, at)
            conference.revise(revision, at=at, prepare_ahead=self.prepare_ahead)
            try:
                await save_with_calls(uow, conference, at=at)
            except ConcurrentChange:
                raise refuse(ProblemCode.LESSON_HAS_ONLINE_LESSON, "lessonId") from None
            return id

    async def _revision(
        self,
        uow: UnitOfWork,
        viewer: Viewer,
        conference: Videoconference,
        edit: VideoconferenceEdit,
        chat: Chat,
        chosen: Lesson | None,
        at: datetime,
    ) -> Revision:
        organization = await uow.organizations.find(conference.organization_id)
        assert organization is not None, "a conference's organization exists"
        roster = await uow.rosters.get(organization.id)
        lesson = chosen
        if edit.lesson_id is None and conference.lesson_id is not None and not edit.drop_lesson:
            lesson = await uow.lessons.find(conference.lesson_id)
        new = lesson is not None and lesson.id != conference.lesson_id
        if lesson is not None and new and not _may_be_chosen(lesson, viewer, chat, roster):
            lesson = None
        revision = revise(
            conference,
            edit,
            chat=chat,
            lesson=lesson,
            substitute=lesson.substitute if lesson else None,
            roster=roster,
            zone=ZoneInfo(organization.time_zone),
            at=at,
        )
        if lesson is not None and new and await uow.videoconferences.of_lesson(lesson.id) is not None:
            raise refuse(ProblemCode.LESSON_HAS_ONLINE_LESSON, "lessonId")
        return revision


@dataclass(frozen=True, slots=True)
class FinishVideoconference:
    """Ends an active conference before its time; the call is closed afterwards (CONF-13)."""

    begin: Begin

    async def __call__(self, viewer: Viewer, id: VideoconferenceId) -> None:
        async with self.begin(by(viewer)) as uow:
            conference, _, place = await _found(uow, viewer, id)
            if not access.may_finish_conference(viewer, place):
                raise refuse(ProblemCode.FORBIDDEN)
            at = await uow.now()
            conference.finish(at=at, by=FinishedBy.USER)
            await save_with_calls(uow, conference, at=at)


@dataclass(frozen=True, slots=True)
class DeleteVideoconference:
    """Deletes a conference, whatever its status; an active one is ended first (CONF-15)."""

    begin: Begin

    async def __call__(self, viewer: Viewer, id: VideoconferenceId) -> None:
        async with self.begin(by(viewer)) as uow:
            conference, _, place = await _found(uow, viewer, id)
            if not access.may_delete_conference(viewer, place):
                raise refuse(ProblemCode.FORBIDDEN)
            at = await uow.now()
            if conference.is_active:
                conference.finish(at=at, by=FinishedBy.USER)
            conference.delete(at=at)
            await save_with_calls(uow, conference, at=at)


class JoinRefusalReason(StrEnum):
    """Why somebody does not get the link (CONF-12)."""

    NOT_STARTED = "NOT_STARTED"
    STARTING = "STARTING"
    OVER = "OVER"
    FAILED = "FAILED"
    NOT_A_PARTICIPANT = "NOT_A_PARTICIPANT"
    BLOCKED = "BLOCKED"


@dataclass(frozen=True, slots=True)
class JoinRefused:
    """No link, and when it will start if that is what is waited for."""

    reason: JoinRefusalReason
    starts_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class JoinVideoconference:
    """Gives the link to whom it belongs and records who asked (CONF-12, CONF-24)."""

    begin: Begin

    async def __call__(self, viewer: Viewer, id: VideoconferenceId) -> str | JoinRefused:
        async with self.begin(by(viewer)) as uow:
            conference, _, place = await _found(uow, viewer, id, lock=False)
            if viewer.blocked:
                return JoinRefused(JoinRefusalReason.BLOCKED)
            if not access.may_see_link(viewer, place):
                return JoinRefused(JoinRefusalReason.NOT_A_PARTICIPANT)
            match conference.phase:
                case Active(link=str(link)):
                    if viewer.participant_id is not None:
                        await uow.videoconferences.record_join(id, viewer.participant_id, at=await uow.now())
                    return link
                case Scheduled():
                    return JoinRefused(JoinRefusalReason.NOT_STARTED, conference.slot.start)
                # Active without a link: another call is asked for, because the first one lapsed (CONF-18).
                case Starting() | Active():
                    return JoinRefused(JoinRefusalReason.STARTING, conference.slot.start)
                case Finished():
                    return JoinRefused(JoinRefusalReason.OVER)
                case Failed():
                    return JoinRefused(JoinRefusalReason.FAILED)


async def _found(
    uow: UnitOfWork, viewer: Viewer, id: VideoconferenceId, *, lock: bool = True
) -> tuple[Videoconference, Chat, PlaceInConference]:
    """The conference, its chat, and the viewer's place in both; with `lock` nobody changes the conference meanwhile."""
    conference = await uow.videoconferences.find(id, lock=lock)
    if conference is None:
        raise refuse(ProblemCode.NOT_FOUND, "id")
    chat = await uow.chats.find(conference.chat_id, deleted=True)
    assert chat is not None, "a chat that is no more leaves its row"
    place = access.place_in_conference(viewer, conference, await surroundings(uow, conference, chat))
    if not access.may_see_conference(viewer, place):
        raise refuse(ProblemCode.NOT_FOUND, "id")
    return conference, chat, place


def _may_take(viewer: Viewer, chat: Chat | None, conference: Videoconference) -> Chat:
    """The chat, if the viewer may take the conference there."""
    place = None if chat is None else access.place_in(viewer, chat)
    if chat is None or place is None or not access.may_see_chat(viewer, place):
        raise refuse(ProblemCode.NOT_FOUND, "chatId")
    if chat.organization_id != conference.organization_id:
        raise refuse(ProblemCode.NOT_FOUND, "chatId")
    if not access.may_create_conference(viewer, place):
        raise refuse(ProblemCode.FORBIDDEN, "chatId")
    return chat


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
    if chat.type in {ChatType.SUBJECT, ChatType.CLASS}:
        return True
    return may_see_lesson(viewer, lesson, roster.groups[lesson.group_id], roster)
