"""Our records of calls as rows."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Row, Uuid, all_, any_, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from application.ports import ConcurrentChange
from domain.call import Asked, Call, CallState, Ended, Ending, GivenUp, Open
from domain.ids import CallId, PersonId
from infrastructure.db.tables import calls

_STATE_COLUMNS = ("sferum_id", "due_at", "until", "ended_at")


def state_to_columns(state: CallState) -> dict[str, object]:
    """All columns of the state; those that it has not are null."""
    match state:
        case Asked(sent):
            # How often Sferum was asked to end it, or to start it: at most once.
            name, has = "ASKED", dict[str, object](tries=int(sent))
        case Open(sferum_id, look_at):
            name, has = "OPEN", {"sferum_id": sferum_id, "due_at": look_at}
        case Ending(sferum_id, due_at, tries):
            name, has = "ENDING", {"sferum_id": sferum_id, "due_at": due_at, "tries": tries}
        case GivenUp(due_at, until):
            name, has = "GIVEN_UP", {"due_at": due_at, "until": until}
        case Ended(at):
            name, has = "ENDED", {"ended_at": at}
    return dict.fromkeys(_STATE_COLUMNS) | {"state": name, "tries": 0} | has


def state_from_row(row: Row[Any]) -> CallState:
    """The state of a row."""
    match row.state:
        case "ASKED":
            return Asked(sent=row.tries > 0)
        case "OPEN":
            return Open(row.sferum_id, row.due_at)
        case "ENDING":
            return Ending(row.sferum_id, row.due_at, row.tries)
        case "GIVEN_UP":
            return GivenUp(row.due_at, row.until)
        case "ENDED":
            return Ended(row.ended_at)
        case unknown:
            raise ValueError(f"no state of a call is called {unknown}")


class PostgresCalls:
    """Implements `application.ports.Calls`."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def get(self, id: CallId) -> Call:
        [found] = await self.find_all([id])
        return found

    async def find_all(self, ids: Collection[CallId]) -> list[Call]:
        if not ids:
            return []
        query = select(calls).where(calls.c.id == any_(_array(ids))).order_by(calls.c.id).with_for_update()
        return [_from_row(row) for row in await self._connection.execute(query)]

    async def due(self, at: datetime, *, limit: int, leaving_out: Collection[CallId] = ()) -> list[CallId]:
        query = select(calls.c.id).where(calls.c.due_at <= at, calls.c.id != all_(_array(leaving_out))).limit(limit)
        query = query.order_by(calls.c.due_at, calls.c.account, calls.c.id).with_for_update(skip_locked=True)
        return [CallId(id) for id in (await self._connection.execute(query)).scalars()]

    async def next_due(self, *, leaving_out: Collection[CallId] = ()) -> datetime | None:
        query = select(calls.c.due_at).where(calls.c.due_at.is_not(None), calls.c.id != all_(_array(leaving_out)))
        query = query.order_by(calls.c.due_at).limit(1)
        earliest: datetime | None = (await self._connection.execute(query)).scalar_one_or_none()
        return earliest

    async def save(self, call: Call) -> None:
        await self.save_all([call])

    async def save_all(self, saved: Sequence[Call]) -> None:
        if not saved:
            return
        # Whatever makes room for another call of its conference comes first.
        rows = [
            {
                "id": call.id,
                "videoconference_id": call.videoconference_id,
                "account": call.account,
                "asked_at": call.asked_at,
                **state_to_columns(call.state),
            }
            for call in sorted(saved, key=lambda call: isinstance(call.state, Asked | Open))
        ]
        statement = insert(calls)
        changing = {name: statement.excluded[name] for name in ("state", "tries", *_STATE_COLUMNS)}
        try:
            await self._connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=changing), rows)
        except IntegrityError as error:
            raise ConcurrentChange from error


def _array(ids: Collection[UUID]) -> ColumnElement[Sequence[UUID]]:
    """One parameter, however many ids."""
    return literal(list(ids), ARRAY(Uuid))


def _from_row(row: Row[Any]) -> Call:
    return Call(
        id=row.id,
        videoconference_id=row.videoconference_id,
        account=PersonId(row.account),
        asked_at=row.asked_at,
        state=state_from_row(row),
    )
