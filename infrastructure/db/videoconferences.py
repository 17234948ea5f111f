"""Videoconferences as rows: the phase as the columns that it has, all others null."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import ARRAY, ColumnElement, Row, Uuid, all_, and_, any_, delete, literal, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from application.audit import Trail, conference_facts, conference_subject
from application.ports import ConcurrentChange
from domain.ids import ChatId, GroupId, LessonId, ParticipantId, PersonId, VideoconferenceId
from domain.ordering import natural_key, search_key
from domain.participant import Capacity
from domain.videoconference import (
    Active,
    Detail,
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
from infrastructure.db.tables import (
    audit_entries,
    lessons,
    participants,
    videoconference_additions,
    videoconference_joins,
    videoconferences,
)

Columns = dict[str, object]

_PHASE_COLUMNS = (
    "begin_at", "check_at", "call_id", "link", "active_since", "finished_at", "finished_by", "failure", "start_problem",
)  # fmt: skip


_UNFINISHED = videoconferences.c.status.in_(["SCHEDULED", "STARTING", "ACTIVE"])
# Fields of the audit that clients know by another name.
_CLIENTS_NAMES = {"added": "participants", "removed": "participants"}
_NOT_TOLD = {"sort_key", "search_key", "deleted_at"}


def phase_to_columns(phase: Phase) -> Columns:
    """All columns of the phase; those that it has not are null."""
    match phase:
        case Scheduled(begin_at, problem):
            has: Columns = {"begin_at": begin_at, "start_problem": problem and str(problem)}
        case Starting(call, check_at, link):
            has = {"call_id": call, "check_at": check_at, "link": link}
        case Active(since, call, link, check_at):
            has = {"active_since": since, "call_id": call, "link": link, "check_at": check_at}
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
            return Active(row.active_since, row.call_id, row.link, row.check_at)
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
        "of_group": conference.of_group,
        "frozen": conference.frozen,
        "set_by_hand": sorted(map(str, conference.set_by_hand)),
        "minutes_left_notice": conference.minutes_left_notice,
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
        self._added: dict[VideoconferenceId, frozenset[tuple[ParticipantId, Capacity]]] = {}

    async def find(self, id: VideoconferenceId, *, lock: bool = False) -> Videoconference | None:
        found = await self._load(videoconferences.c.id == id, lock=lock)
        return found[0] if found else None

    async def find_all(self, ids: Collection[VideoconferenceId], *, lock: bool = False) -> list[Videoconference]:
        return await self._load(videoconferences.c.id == any_(_array(ids)), lock=lock) if ids else []

    async def due(
        self,
        at: datetime,
        *,
        limit: int,
        scheduled: bool | None = None,
        leaving_out: Collection[VideoconferenceId] = (),
    ) -> list[VideoconferenceId]:
        columns = videoconferences.c
        query = select(columns.id).where(columns.due_at <= at, columns.id != all_(_array(leaving_out))).limit(limit)
        if scheduled is not None:
            query = query.where(columns.status == "SCHEDULED" if scheduled else columns.status != "SCHEDULED")
        query = query.order_by(columns.due_at, columns.organization_id, columns.id).with_for_update(skip_locked=True)
        return [VideoconferenceId(id) for id in (await self._connection.execute(query)).scalars()]

    async def next_due(self, *, leaving_out: Collection[VideoconferenceId] = ()) -> datetime | None:
        query = select(videoconferences.c.due_at).where(
            videoconferences.c.due_at.is_not(None), videoconferences.c.id != all_(_array(leaving_out))
        )
        earliest: datetime | None = (
            await self._connection.execute(query.order_by(videoconferences.c.due_at).limit(1))
        ).scalar_one_or_none()
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
        return await self._load(and_(videoconferences.c.chat_id.in_(chats), _UNFINISHED), lock=True)

    async def unfinished_of_lessons(self, wanted: Collection[LessonId]) -> list[Videoconference]:
        if not wanted:
            return []
        return await self._load(and_(videoconferences.c.lesson_id.in_(wanted), _UNFINISHED), lock=True)

    async def unfinished_of_groups(self, groups: Collection[GroupId]) -> list[Videoconference]:
        if not groups:
            return []
        of_groups = select(lessons.c.id).where(lessons.c.group_id.in_(groups))
        return await self._load(and_(videoconferences.c.lesson_id.in_(of_groups), _UNFINISHED), lock=True)

    async def changed_fields(self, id: VideoconferenceId, *, since: int) -> tuple[str, ...]:
        query = select(audit_entries.c.after).where(audit_entries.c.subject_id == id, audit_entries.c.version > since)
        changed = {name for row in await self._connection.execute(query) for name in row.after}
        return tuple(sorted({_CLIENTS_NAMES.get(name, name) for name in changed}))

    async def record_join(self, id: VideoconferenceId, participant: ParticipantId, *, at: datetime) -> None:
        row = {"videoconference_id": id, "participant_id": participant, "at": at}
        await self._connection.execute(insert(videoconference_joins).values(row))

    async def was_joined(self, id: VideoconferenceId) -> bool:
        query = (
            select(videoconference_joins.c.number)
            .join(videoconferences, videoconferences.c.id == videoconference_joins.c.videoconference_id)
            .where(
                videoconference_joins.c.videoconference_id == id,
                videoconference_joins.c.at >= videoconferences.c.active_since,
            )
            .limit(1)
        )
        return (await self._connection.execute(query)).first() is not None

    async def of_lesson(self, lesson: LessonId) -> Videoconference | None:
        where = and_(
            videoconferences.c.lesson_id == lesson,
            videoconferences.c.type == "ONLINE_LESSON",
            videoconferences.c.status.in_(["SCHEDULED", "STARTING", "ACTIVE"]),
        )
        found = await self._load(where)
        return found[0] if found else None

    async def save(self, conference: Videoconference) -> None:
        await self.save_all([conference])

    async def save_all(self, conferences: Sequence[Videoconference]) -> None:
        rows = {conference.id: to_row(conference) for conference in conferences}
        known = {id: row for id, row in rows.items() if id in self._revisions}
        await self._update([row | {"revision": self._revisions[id] + 1} for id, row in known.items()])
        for id, row in rows.items():
            if id not in known:
                await self._insert(row)
            self._revisions[id] = self._revisions.get(id, 0) + 1
        await self._save_additions(
            [each for each in conferences if each.additions != self._added.get(each.id, frozenset())]
        )
        for conference in conferences:
            self._trail.saved(conference_subject(conference), conference_facts(conference), conference.version)
        entries = [entry for conference in conferences for entry in _entries(conference, rows[conference.id])]
        await outbox.write(self._connection, entries)

    async def _update(self, rows: Sequence[Columns]) -> None:
        if not rows:
            return
        names = ", ".join(name for name in rows[0] if name != "id")
        statement = text(
            f"update videoconferences v set ({names}) = "
            f"(select {names} from jsonb_populate_record(null::videoconferences, x.row)) "
            "from jsonb_array_elements(cast(:rows as jsonb)) as x(row) "
            "where v.id = cast(x.row ->> 'id' as uuid) and v.revision = cast(x.row ->> 'revision' as integer) - 1"
        )
        try:
            result = await self._connection.execute(statement, {"rows": orjson.dumps(rows, default=str).decode()})
        except IntegrityError as error:
            # The lesson that one of them took has another online lesson by now.
            raise ConcurrentChange from error
        if result.rowcount != len(rows):
            raise ConcurrentChange

    async def _insert(self, row: Columns) -> None:
        try:
            async with self._connection.begin_nested():
                await self._connection.execute(insert(videoconferences).values(row | {"revision": 1}))
        except IntegrityError as error:
            raise ConcurrentChange from error

    async def _save_additions(self, conferences: Sequence[Videoconference]) -> None:
        if not conferences:
            return
        of_these = videoconference_additions.c.videoconference_id == any_(_array([each.id for each in conferences]))
        await self._connection.execute(delete(videoconference_additions).where(of_these))
        rows = [
            {"videoconference_id": conference.id, "participant_id": person, "capacity": str(capacity)}
            for conference in conferences
            for person, capacity in conference.additions
        ]
        if rows:
            await self._connection.execute(insert(videoconference_additions), rows)
        self._added |= {conference.id: conference.additions for conference in conferences}

    async def _load(self, where: ColumnElement[bool], *, lock: bool = False) -> list[Videoconference]:
        query = select(videoconferences).where(where, videoconferences.c.deleted_at.is_(None))
        query = query.order_by(videoconferences.c.id)
        if lock:
            query = query.with_for_update()
        rows = (await self._connection.execute(query)).all()
        if not rows:
            return []
        additions = await self._additions([row.id for row in rows])
        self._added |= additions
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
                additions=additions[row.id],
                removals=frozenset(row.removals),
                of_group=row.of_group,
                frozen=row.frozen,
                set_by_hand=frozenset(Detail(detail) for detail in row.set_by_hand),
                minutes_left_notice=row.minutes_left_notice,
                version=row.version,
            )
            for row in rows
        ]
        for conference in found:
            self._trail.loaded(conference_subject(conference), conference_facts(conference) or {}, locked=lock)
        return found

    async def _additions(
        self, ids: Sequence[VideoconferenceId]
    ) -> dict[VideoconferenceId, frozenset[tuple[ParticipantId, Capacity]]]:
        added: dict[VideoconferenceId, set[tuple[ParticipantId, Capacity]]] = {id: set() for id in ids}
        of_these = videoconference_additions.c.videoconference_id == any_(_array(ids))
        for row in await self._connection.execute(select(videoconference_additions).where(of_these)):
            added[row.videoconference_id].add((row.participant_id, Capacity(row.capacity)))
        return {id: frozenset(people) for id, people in added.items()}


def _array(ids: Collection[UUID]) -> ColumnElement[Sequence[UUID]]:
    """One parameter, however many ids."""
    return literal(list(ids), ARRAY(Uuid))


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
