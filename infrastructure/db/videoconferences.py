"""Videoconferences as rows: the phase as the columns that it has, all others null."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from application.audit import Trail, conference_facts, conference_subject
from application.ports import ConcurrentChange
from domain.ids import ChatId, LessonId, PersonId, VideoconferenceId
from domain.ordering import natural_key, search_key
from domain.participant import Capacity
from domain.videoconference import (
    Active,
    Failed,
    FailureReason,
    Finished,
    FinishedBy,
    Phase,
    Scheduled,
    Starting,
    TimeSlot,
    Videoconference,
    VideoconferenceChanged,
    VideoconferenceStatus,
    VideoconferenceType,
)
from infrastructure.db import outbox
from infrastructure.db.tables import participants, videoconference_additions, videoconferences

Columns = dict[str, object]

_PHASE_COLUMNS = (
    "begin_at", "check_at", "call_id", "link", "active_since", "finished_at", "finished_by", "failure", "start_problem",
)  # fmt: skip


_NOT_TOLD = {"sort_key", "search_key", "deleted_at"}


def phase_to_columns(phase: Phase) -> Columns:
    """All columns of the phase; those that it has not are null."""
    match phase:
        case Scheduled(begin_at, problem):
            has: Columns = {"begin_at": begin_at, "start_problem": problem and str(problem)}
        case Starting(call, check_at, link):
            has = {"call_id": call, "check_at": check_at, "link": link}
        case Active(since, call, link):
            has = {"active_since": since, "call_id": call, "link": link}
        case Finished(since, at, by):
            has = {"active_since": since, "finished_at": at, "finished_by": str(by)}
        case Failed(at, reason):
            has = {"finished_at": at, "failure": str(reason)}
    return dict.fromkeys(_PHASE_COLUMNS) | has


def phase_from_row(row: Row[Any]) -> Phase:
    """The phase of a row."""
    match VideoconferenceStatus(row.status):
        case VideoconferenceStatus.SCHEDULED:
            return Scheduled(row.begin_at, FailureReason(row.start_problem) if row.start_problem else None)
        case VideoconferenceStatus.STARTING:
            return Starting(row.call_id, row.check_at, row.link)
        case VideoconferenceStatus.ACTIVE:
            return Active(row.active_since, row.call_id, row.link)
        case VideoconferenceStatus.FINISHED:
            return Finished(row.active_since, row.finished_at, FinishedBy(row.finished_by))
        case VideoconferenceStatus.FAILED:
            return Failed(row.finished_at, FailureReason(row.failure))


def to_row(conference: Videoconference) -> Columns:
    """Column values, without the revision."""
    return {
        "id": conference.id,
        "organization_id": conference.organization_id,
        "type": str(conference.type),
        "name": conference.name,
        "sort_key": natural_key(conference.name),
        "search_key": search_key(conference.name),
        "chat_id": conference.chat_id,
        "lesson_id": conference.lesson_id,
        "made_by": conference.made_by,
        "starts_at": conference.slot.start,
        "ends_at": conference.slot.end,
        "removals": sorted(conference.removals),
        "status": str(conference.status),
        **phase_to_columns(conference.phase),
        "due_at": conference.due_at,
        "deleted_at": conference.deleted_at,
        "version": conference.version,
    }


class PostgresVideoconferences:
    """Implements `application.ports.Videoconferences`."""

    def __init__(self, connection: AsyncConnection, trail: Trail) -> None:
        self._connection = connection
        self._trail = trail
        self._revisions: dict[VideoconferenceId, int] = {}

    async def find(self, id: VideoconferenceId, *, lock: bool = False) -> Videoconference | None:
        found = await self._load(videoconferences.c.id == id, lock=lock)
        return found[0] if found else None

    async def due(self, at: datetime, *, limit: int) -> list[Videoconference]:
        return await self._load(videoconferences.c.due_at <= at, lock=True, skip_locked=True, limit=limit)

    async def next_due(self) -> datetime | None:
        earliest: datetime | None = (
            await self._connection.execute(select(func.min(videoconferences.c.due_at)))
        ).scalar_one()
        return earliest

    async def waiting_for_starter(self, person: PersonId) -> list[Videoconference]:
        where = and_(
            videoconferences.c.status == "SCHEDULED",
            videoconferences.c.start_problem == "NO_LINKED_STARTER",
            videoconferences.c.organization_id.in_(
                select(participants.c.organization_id).where(participants.c.person_id == person)
            ),
        )
        return await self._load(where, lock=True)

    async def unfinished_of(self, chats: Collection[ChatId]) -> list[Videoconference]:
        if not chats:
            return []
        unfinished = videoconferences.c.status.in_(["SCHEDULED", "STARTING", "ACTIVE"])
        return await self._load(and_(videoconferences.c.chat_id.in_(chats), unfinished), lock=True)

    async def of_lesson(self, lesson: LessonId) -> Videoconference | None:
        where = and_(
            videoconferences.c.lesson_id == lesson,
            videoconferences.c.type == "ONLINE_LESSON",
            videoconferences.c.status.in_(["SCHEDULED", "STARTING", "ACTIVE"]),
        )
        found = await self._load(where)
        return found[0] if found else None

    async def save(self, conference: Videoconference) -> None:
        row, known = to_row(conference), self._revisions.get(conference.id)
        if known is None:
            await self._insert(row)
        else:
            where = and_(videoconferences.c.id == conference.id, videoconferences.c.revision == known)
            result = await self._connection.execute(
                update(videoconferences).where(where).values(row | {"revision": known + 1})
            )
            if result.rowcount != 1:
                raise ConcurrentChange
        self._revisions[conference.id] = (known or 0) + 1
        self._trail.saved(conference_subject(conference), conference_facts(conference), conference.version)
        await self._save_additions(conference)
        await outbox.write(self._connection, _entries(conference, row))

    async def _insert(self, row: Columns) -> None:
        try:
            async with self._connection.begin_nested():
                await self._connection.execute(insert(videoconferences).values(row | {"revision": 1}))
        except IntegrityError as error:
            raise ConcurrentChange from error

    async def _save_additions(self, conference: Videoconference) -> None:
        mine = videoconference_additions.c.videoconference_id == conference.id
        await self._connection.execute(delete(videoconference_additions).where(mine))
        if conference.additions:
            rows = [
                {"videoconference_id": conference.id, "participant_id": person, "capacity": str(capacity)}
                for person, capacity in conference.additions
            ]
            await self._connection.execute(insert(videoconference_additions), rows)

    async def _load(
        self, where: ColumnElement[bool], *, lock: bool = False, skip_locked: bool = False, limit: int | None = None
    ) -> list[Videoconference]:
        query = select(videoconferences).where(where, videoconferences.c.deleted_at.is_(None)).limit(limit)
        query = query.order_by(videoconferences.c.due_at, videoconferences.c.id)
        if lock:
            query = query.with_for_update(skip_locked=skip_locked)
        rows = (await self._connection.execute(query)).all()
        if not rows:
            return []
        additions = await self._additions([row.id for row in rows])
        self._revisions |= {row.id: row.revision for row in rows}
        found = [
            Videoconference(
                id=row.id,
                organization_id=row.organization_id,
                type=VideoconferenceType(row.type),
                name=row.name,
                chat_id=row.chat_id,
                lesson_id=row.lesson_id,
                made_by=row.made_by,
                slot=TimeSlot(row.starts_at, row.ends_at),
                phase=phase_from_row(row),
                additions=frozenset(
                    (added.participant_id, Capacity(added.capacity))
                    for added in additions
                    if added.videoconference_id == row.id
                ),
                removals=frozenset(row.removals),
                version=row.version,
            )
            for row in rows
        ]
        for conference in found:
            self._trail.loaded(conference_subject(conference), conference_facts(conference) or {}, locked=lock)
        return found

    async def _additions(self, ids: Sequence[VideoconferenceId]) -> Sequence[Row[Any]]:
        if not ids:
            return []
        of_these = videoconference_additions.c.videoconference_id.in_(ids)
        return (await self._connection.execute(select(videoconference_additions).where(of_these))).all()


def _entries(conference: Videoconference, row: Columns) -> list[outbox.Entry]:
    """One entry a saved change that people see, with the row as it then was: subscribers are told of each (CONF-19)."""
    steps = [event.what for event in conference.take_events() if isinstance(event, VideoconferenceChanged)]
    if not steps:
        return []
    image = {
        name: value if value is None or isinstance(value, str | int) else _plain(value)
        for name, value in row.items()
        if name not in _NOT_TOLD
    } | {"deleted": conference.deleted}
    return [outbox.Entry("videoconference", conference.id, "+".join(steps), image, conference.version)]


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return [str(item) for item in value] if isinstance(value, list) else str(value)
