"""Attempts to make a chat in Sferum as rows."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.chat_request import ChatRequest, ChatRequestId
from domain.ids import PersonId
from infrastructure.db.tables import chat_requests


class PostgresChatRequests:
    """Implements `application.ports.ChatRequests`."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def find(self, id: ChatRequestId) -> ChatRequest | None:
        found = await self.find_all([id])
        return found[0] if found else None

    async def find_all(self, ids: Collection[ChatRequestId]) -> list[ChatRequest]:
        if not ids:
            return []
        query = select(chat_requests).where(chat_requests.c.id.in_(ids)).order_by(chat_requests.c.id).with_for_update()
        return [_from_row(row) for row in await self._connection.execute(query)]

    async def due(self, at: datetime, *, accounts: int) -> list[ChatRequest]:
        of_account = chat_requests.c.account
        due_at = chat_requests.c.due_at
        due = select(of_account).where(due_at <= at).distinct().order_by(of_account).limit(accounts)
        query = select(chat_requests).where(of_account.in_(due), due_at.is_not(None))
        query = query.order_by(chat_requests.c.id).with_for_update(skip_locked=True)
        return [_from_row(row) for row in await self._connection.execute(query)]

    async def save(self, request: ChatRequest) -> None:
        await self.save_all([request])

    async def save_all(self, requests: Sequence[ChatRequest]) -> None:
        if not requests:
            return
        rows = [_to_row(request) for request in sorted(requests, key=lambda request: request.id)]
        statement = insert(chat_requests)
        changing = {name: statement.excluded[name] for name in ("number", "given_up", "due_at")}
        await self._connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=changing), rows)


def _to_row(request: ChatRequest) -> dict[str, object]:
    return {
        "id": request.id,
        "chat_id": request.chat_id,
        "account": request.account,
        "profile": request.profile,
        "asked_at": request.asked_at,
        "number": request.number,
        "given_up": request.given_up,
        "due_at": request.due_at,
    }


def _from_row(row: Row[Any]) -> ChatRequest:
    return ChatRequest(
        id=row.id,
        chat_id=row.chat_id,
        account=PersonId(row.account),
        profile=row.profile,
        asked_at=row.asked_at,
        number=row.number,
        given_up=row.given_up,
        due_at=row.due_at,
    )
