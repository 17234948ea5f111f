"""Our records of calls as rows."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select
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
        case Asked():
            name, has = "ASKED", dict[str, object]()
        case Open(sferum_id):
            name, has = "OPEN", {"sferum_id": sferum_id}
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
            return Asked()
        case "OPEN":
            return Open(row.sferum_id)
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
        query = select(calls).where(calls.c.id == id).with_for_update()
        return _from_row((await self._connection.execute(query)).one())

    async def due(self, at: datetime, *, limit: int) -> list[Call]:
        query = select(calls).where(calls.c.due_at <= at).order_by(calls.c.due_at).limit(limit)
        rows = await self._connection.execute(query.with_for_update(skip_locked=True))
        return [_from_row(row) for row in rows]

    async def next_due(self) -> datetime | None:
        earliest: datetime | None = (await self._connection.execute(select(func.min(calls.c.due_at)))).scalar_one()
        return earliest

    async def save(self, call: Call) -> None:
        row = {
            "id": call.id,
            "videoconference_id": call.videoconference_id,
            "account": call.account,
            "asked_at": call.asked_at,
            **state_to_columns(call.state),
        }
        statement = insert(calls).values(row)
        changing = {name: statement.excluded[name] for name in ("state", "tries", *_STATE_COLUMNS)}
        try:
            await self._connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=changing))
        except IntegrityError as error:
            raise ConcurrentChange from error


def _from_row(row: Row[Any]) -> Call:
    return Call(
        id=row.id,
        videoconference_id=row.videoconference_id,
        account=PersonId(row.account),
        asked_at=row.asked_at,
        state=state_from_row(row),
    )
