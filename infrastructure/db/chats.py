"""Chats as rows: one for the chat, one for each member, written as the difference."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, and_, bindparam, delete, or_, select, true, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from application.ports import ConcurrentChange
from domain.chat import (
    Chat,
    ChatKind,
    ChatType,
    ClassChat,
    Ground,
    GroundKind,
    Membership,
    OtherChat,
    ParentsChat,
    SubjectChat,
    TeachersChat,
    type_of,
)
from domain.ids import ChatId, OrganizationId, ParticipantId
from domain.participant import Capacity
from infrastructure.db import outbox
from infrastructure.db.tables import chats, memberships

Memberships = dict[ParticipantId, Membership]


def kind_to_columns(kind: ChatKind) -> dict[str, object]:
    """The columns that tell a chat's kind."""
    match kind:
        case ClassChat(class_id) | ParentsChat(class_id):
            follows: dict[str, object] = {"class_id": class_id, "group_id": None}
        case SubjectChat(group_id):
            follows = {"class_id": None, "group_id": group_id}
        case TeachersChat() | OtherChat():
            follows = {"class_id": None, "group_id": None}
    return {"type": str(type_of(kind)), **follows}


def kind_from_row(row: Row[Any]) -> ChatKind:
    """The kind of a row."""
    match ChatType(row.type):
        case ChatType.TEACHERS:
            return TeachersChat()
        case ChatType.CLASS:
            return ClassChat(row.class_id)
        case ChatType.PARENTS:
            return ParentsChat(row.class_id)
        case ChatType.SUBJECT:
            return SubjectChat(row.group_id)
        case ChatType.OTHER:
            return OtherChat()


def membership_to_row(chat: ChatId, member: ParticipantId, membership: Membership) -> dict[str, object]:
    """Column values of one membership."""
    grounds = [
        {
            "kind": str(ground.kind),
            "capacity": str(ground.capacity),
            "pupil": None if ground.pupil is None else str(ground.pupil),
            "since": since.isoformat(),
        }
        for ground, since in membership.grounds.items()
    ]
    return {
        "chat_id": chat,
        "participant_id": member,
        "role": str(membership.role),
        "capacities": sorted(membership.capacities),
        "grounds": grounds,
    }


def membership_from_row(row: Row[Any]) -> Membership:
    """The membership of a row."""
    return Membership(
        {
            Ground(
                GroundKind(ground["kind"]),
                Capacity(ground["capacity"]),
                None if ground["pupil"] is None else ParticipantId(UUID(ground["pupil"])),
            ): datetime.fromisoformat(ground["since"])
            for ground in row.grounds
        }
    )


class PostgresChats:
    """Implements `application.ports.Chats`."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._loaded: dict[ChatId, tuple[int, Memberships]] = {}

    async def find(self, id: ChatId, *, lock: bool = False) -> Chat | None:
        found = await self._load(chats.c.id == id, lock=lock)
        return found[0] if found else None

    async def following(self, organization: OrganizationId, kinds: Collection[ChatKind] | None) -> list[Chat]:
        wanted: ColumnElement[bool] = true()
        if kinds is not None:
            if not kinds:
                return []
            wanted = or_(
                *(and_(*(chats.c[name] == value for name, value in kind_to_columns(kind).items())) for kind in kinds)
            )
        return await self._load(and_(chats.c.organization_id == organization, wanted), lock=True)

    async def save_all(self, saved: Sequence[Chat]) -> None:
        new = [chat for chat in saved if chat.id not in self._loaded]
        known = [chat for chat in saved if chat.id in self._loaded]
        if new:
            rows = [_chat_to_row(chat) | {"revision": 1} for chat in new]
            result = await self._connection.execute(insert(chats).on_conflict_do_nothing().values(rows))
            if result.rowcount != len(new):
                raise ConcurrentChange
        await self._update(known)
        await self._save_members(saved)
        for chat in saved:
            revision = self._loaded[chat.id][0] if chat.id in self._loaded else 0
            self._loaded[chat.id] = (revision + 1, dict(chat.memberships))
        await outbox.write(self._connection, [_entry(chat, event) for chat in saved for event in chat.take_events()])

    async def _load(self, where: ColumnElement[bool], *, lock: bool) -> list[Chat]:
        query = select(chats).where(where).order_by(chats.c.id)
        rows = (await self._connection.execute(query.with_for_update() if lock else query)).all()
        members: defaultdict[ChatId, Memberships] = defaultdict(dict)
        ids = [row.id for row in rows]
        for row in await self._connection.execute(select(memberships).where(memberships.c.chat_id.in_(ids))):
            members[row.chat_id][row.participant_id] = membership_from_row(row)
        found = []
        for row in rows:
            self._loaded[row.id] = (row.revision, dict(members[row.id]))
            found.append(
                Chat(
                    id=row.id,
                    organization_id=row.organization_id,
                    kind=kind_from_row(row),
                    name=row.name,
                    memberships=members[row.id],
                    archived=row.archived,
                    version=row.version,
                )
            )
        return found

    async def _update(self, known: Sequence[Chat]) -> None:
        if not known:
            return
        rows = [
            {f"new_{name}": value for name, value in _chat_to_row(chat).items()}
            | {"loaded": self._loaded[chat.id][0], "new_revision": self._loaded[chat.id][0] + 1}
            for chat in known
        ]
        columns = ("name", "archived", "member_count", "version", "revision")
        statement = (
            update(chats)
            .where(chats.c.id == bindparam("new_id"), chats.c.revision == bindparam("loaded"))
            .values({name: bindparam(f"new_{name}") for name in columns})
        )
        for row in rows:
            if (await self._connection.execute(statement, row)).rowcount != 1:
                raise ConcurrentChange

    async def _save_members(self, saved: Sequence[Chat]) -> None:
        gone, changed = [], []
        for chat in saved:
            before = self._loaded[chat.id][1] if chat.id in self._loaded else {}
            gone += [{"of": chat.id, "who": member} for member in before.keys() - chat.memberships.keys()]
            changed += [
                membership_to_row(chat.id, member, membership)
                for member, membership in chat.memberships.items()
                if before.get(member) != membership
            ]
        if gone:
            matches = and_(memberships.c.chat_id == bindparam("of"), memberships.c.participant_id == bindparam("who"))
            await self._connection.execute(delete(memberships).where(matches), gone)
        if changed:
            statement = insert(memberships)
            rest = {name: statement.excluded[name] for name in ("role", "capacities", "grounds")}
            await self._connection.execute(
                statement.on_conflict_do_update(index_elements=["chat_id", "participant_id"], set_=rest), changed
            )


def _chat_to_row(chat: Chat) -> dict[str, object]:
    return {
        "id": chat.id,
        "organization_id": chat.organization_id,
        **kind_to_columns(chat.kind),
        "name": chat.name,
        "archived": chat.archived,
        "member_count": len(chat.memberships),
        "version": chat.version,
    }


def _entry(chat: Chat, event: object) -> outbox.Entry:
    payload = {
        name: [str(id) for id in value] if isinstance(value, tuple) else str(value)
        for name, value in asdict(event).items()  # type: ignore[call-overload]
    }
    return outbox.Entry("chat", chat.id, type(event).__name__, payload, chat.version)
