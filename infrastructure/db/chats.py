"""Chats as rows: one for the chat, one for each member, written as the difference."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, and_, bindparam, delete, or_, select, true, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from application.audit import Trail, chat_facts, chat_subject
from application.ports import ConcurrentChange
from domain.audit import AuditCause
from domain.chat import (
    NOTHING_BY_HAND,
    ByHand,
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
from domain.ids import ChatId, GroupId, OrganizationId, ParticipantId
from domain.ordering import natural_key, search_key
from domain.participant import Capacity
from infrastructure.db import outbox
from infrastructure.db.mirrors import Touched
from infrastructure.db.tables import audit_entries, chat_additions, chat_exclusions, chats, memberships

Memberships = dict[ParticipantId, Membership]

# Fields of the audit as clients know them; whoever else comes or leaves is no edit of the chat.
_CLIENTS_NAMES = {"addedByHand": "members", "removedByHand": "members", "members": None}


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A chat as its rows are."""

    revision: int
    row: dict[str, object]
    memberships: Memberships
    by_hand: ByHand

    def is_as(self, chat: Chat) -> bool:
        """Whether nothing is to be written."""
        return (self.row, self.memberships, self.by_hand) == (_chat_to_row(chat), chat.memberships, chat.by_hand)


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

    def __init__(self, connection: AsyncConnection, trail: Trail, touched: Touched) -> None:
        self._connection = connection
        self._trail = trail
        self._touched = touched
        self._loaded: dict[ChatId, _Loaded] = {}

    async def find(self, id: ChatId, *, lock: bool = False, deleted: bool = False) -> Chat | None:
        found = await self._load(chats.c.id == id, lock=lock, deleted=deleted)
        return found[0] if found else None

    async def find_all(self, ids: Collection[ChatId], *, deleted: bool = False) -> list[Chat]:
        return await self._load(chats.c.id.in_(ids), lock=False, deleted=deleted) if ids else []

    async def oldest_of_group(self, group: GroupId) -> Chat | None:
        of_group = and_(chats.c.group_id == group, chats.c.archived.is_(False), chats.c.deleted_at.is_(None))
        query = select(chats.c.id).where(of_group).order_by(chats.c.number).limit(1)
        id = (await self._connection.execute(query)).scalar_one_or_none()
        return None if id is None else await self.find(id)

    async def following(
        self,
        organization: OrganizationId,
        kinds: Collection[ChatKind] | None,
        *,
        having_added: Collection[ParticipantId] = (),
    ) -> list[Chat]:
        wanted: ColumnElement[bool] = true()
        if kinds is not None:
            by_hand = select(chat_additions.c.chat_id).where(chat_additions.c.participant_id.in_(having_added))
            wanted = or_(chats.c.id.in_(by_hand), *_of_kinds(kinds))
        return await self._load(and_(chats.c.organization_id == organization, wanted), lock=True)

    async def edited_fields(self, id: ChatId, *, since: int) -> tuple[str, ...]:
        query = select(audit_entries.c.after).where(
            audit_entries.c.subject_id == id,
            audit_entries.c.cause == AuditCause.USER,
            audit_entries.c.version > since,
        )
        edited = {_CLIENTS_NAMES.get(name, name) for row in await self._connection.execute(query) for name in row.after}
        return tuple(sorted(name for name in edited if name is not None))

    async def save_all(self, saved: Sequence[Chat]) -> None:
        new = [chat for chat in saved if chat.id not in self._loaded]
        known = [chat for chat in saved if chat.id in self._loaded and not self._loaded[chat.id].is_as(chat)]
        saved = [*new, *known]
        if new:
            rows = [_chat_to_row(chat) | {"revision": 1} for chat in new]
            result = await self._connection.execute(insert(chats).on_conflict_do_nothing().values(rows))
            if result.rowcount != len(new):
                raise ConcurrentChange
        await self._update(known)
        await self._save_members(saved)
        await self._save_by_hand(saved)
        for chat in saved:
            revision = self._loaded[chat.id].revision if chat.id in self._loaded else 0
            self._remember(chat, revision + 1)
            self._touched.chats.add(chat.id)
            self._trail.saved(chat_subject(chat), chat_facts(chat), chat.version)
        await outbox.write(self._connection, [_entry(chat, event) for chat in saved for event in chat.take_events()])

    async def _load(self, where: ColumnElement[bool], *, lock: bool, deleted: bool = False) -> list[Chat]:
        query = select(chats).where(where).order_by(chats.c.id)
        if not deleted:
            query = query.where(chats.c.deleted_at.is_(None))
        rows = (await self._connection.execute(query.with_for_update() if lock else query)).all()
        members: defaultdict[ChatId, Memberships] = defaultdict(dict)
        ids = [row.id for row in rows]
        for row in await self._connection.execute(select(memberships).where(memberships.c.chat_id.in_(ids))):
            members[row.chat_id][row.participant_id] = membership_from_row(row)
        by_hand = await self._by_hand(ids)
        found = []
        for row in rows:
            chat = Chat(
                id=row.id,
                organization_id=row.organization_id,
                kind=kind_from_row(row),
                name=row.name,
                memberships=members[row.id],
                by_hand=by_hand[row.id],
                named_by_user=row.named_by_user,
                archived=row.archived,
                deleted_at=row.deleted_at,
                version=row.version,
            )
            self._remember(chat, row.revision)
            self._trail.loaded(chat_subject(chat), chat_facts(chat) or {}, locked=lock)
            found.append(chat)
        return found

    def _remember(self, chat: Chat, revision: int) -> None:
        self._loaded[chat.id] = _Loaded(revision, _chat_to_row(chat), dict(chat.memberships), chat.by_hand)

    async def _by_hand(self, ids: Sequence[ChatId]) -> Mapping[ChatId, ByHand]:
        additions: defaultdict[ChatId, set[tuple[ParticipantId, Capacity]]] = defaultdict(set)
        exclusions: defaultdict[ChatId, set[ParticipantId]] = defaultdict(set)
        for row in await self._connection.execute(select(chat_additions).where(chat_additions.c.chat_id.in_(ids))):
            additions[row.chat_id].add((row.participant_id, Capacity(row.capacity)))
        for row in await self._connection.execute(select(chat_exclusions).where(chat_exclusions.c.chat_id.in_(ids))):
            exclusions[row.chat_id].add(row.participant_id)
        return {id: ByHand(frozenset(additions[id]), frozenset(exclusions[id])) for id in ids}

    async def _update(self, known: Sequence[Chat]) -> None:
        if not known:
            return
        rows = [
            {f"new_{name}": value for name, value in _chat_to_row(chat).items()}
            | {"loaded": self._loaded[chat.id].revision, "new_revision": self._loaded[chat.id].revision + 1}
            for chat in known
        ]
        never = {"id", "organization_id", "type", "class_id", "group_id"}
        changing = [name for name in (*_chat_to_row(known[0]), "revision") if name not in never]
        statement = (
            update(chats)
            .where(chats.c.id == bindparam("new_id"), chats.c.revision == bindparam("loaded"))
            .values({name: bindparam(f"new_{name}") for name in changing})
        )
        for row in rows:
            if (await self._connection.execute(statement, row)).rowcount != 1:
                raise ConcurrentChange

    async def _save_members(self, saved: Sequence[Chat]) -> None:
        gone, changed = [], []
        for chat in saved:
            before = self._loaded[chat.id].memberships if chat.id in self._loaded else {}
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

    async def _save_by_hand(self, saved: Sequence[Chat]) -> None:
        for chat in saved:
            before = self._loaded[chat.id].by_hand if chat.id in self._loaded else NOTHING_BY_HAND
            if chat.by_hand == before:
                continue
            await self._connection.execute(delete(chat_additions).where(chat_additions.c.chat_id == chat.id))
            await self._connection.execute(delete(chat_exclusions).where(chat_exclusions.c.chat_id == chat.id))
            if added := chat.by_hand.additions:
                rows = [
                    {"chat_id": chat.id, "participant_id": who, "capacity": str(capacity)} for who, capacity in added
                ]
                await self._connection.execute(insert(chat_additions), rows)
            if excluded := chat.by_hand.exclusions:
                rows = [{"chat_id": chat.id, "participant_id": who} for who in excluded]
                await self._connection.execute(insert(chat_exclusions), rows)


def _of_kinds(kinds: Collection[ChatKind]) -> Iterator[ColumnElement[bool]]:
    for kind in kinds:
        yield and_(*(chats.c[name] == value for name, value in kind_to_columns(kind).items()))


def _chat_to_row(chat: Chat) -> dict[str, object]:
    return {
        "id": chat.id,
        "organization_id": chat.organization_id,
        **kind_to_columns(chat.kind),
        "name": chat.name,
        "sort_key": natural_key(chat.name),
        "search_key": search_key(chat.name),
        "named_by_user": chat.named_by_user,
        "archived": chat.archived,
        "deleted_at": chat.deleted_at,
        "member_count": len(chat.memberships),
        "version": chat.version,
    }


def _entry(chat: Chat, event: object) -> outbox.Entry:
    payload = {
        name: [str(id) for id in value] if isinstance(value, tuple) else str(value)
        for name, value in asdict(event).items()  # type: ignore[call-overload]
    }
    return outbox.Entry("chat", chat.id, type(event).__name__, payload, chat.version)
