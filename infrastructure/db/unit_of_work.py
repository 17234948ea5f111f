"""A unit of work is a transaction of Postgres."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from application.audit import Trail
from application.ports import Begin
from domain.audit import Because
from infrastructure.db import audit
from infrastructure.db.account_links import PostgresAccountLinks
from infrastructure.db.answers import PostgresAnswers
from infrastructure.db.calls import PostgresCalls
from infrastructure.db.chat_requests import PostgresChatRequests
from infrastructure.db.chats import PostgresChats
from infrastructure.db.cipher import Cipher
from infrastructure.db.lessons import PostgresLessons
from infrastructure.db.mirrors import PostgresMirrors, Touched
from infrastructure.db.organizations import PostgresOrganizations
from infrastructure.db.registers import PostgresRegisters
from infrastructure.db.revocations import PostgresRevocations
from infrastructure.db.roles import PostgresRoles
from infrastructure.db.rosters import PostgresRosters
from infrastructure.db.videoconferences import PostgresVideoconferences

ReadClock = Callable[[AsyncConnection], Awaitable[datetime]]


async def database_clock(connection: AsyncConnection) -> datetime:
    """The instant at the database, now and not at the transaction's beginning."""
    now: datetime = (await connection.execute(text("select clock_timestamp()"))).scalar_one()
    return now


class PostgresUnitOfWork:
    """Implements `application.ports.UnitOfWork` on one connection in a transaction."""

    def __init__(self, connection: AsyncConnection, cipher: Cipher, read_clock: ReadClock) -> None:
        self._connection = connection
        self._read_clock = read_clock
        self._trail = Trail()
        self._touched = Touched()
        self.organizations = PostgresOrganizations(connection, self._trail, self._touched)
        self.rosters = PostgresRosters(connection, self._trail, self._touched)
        self.registers = PostgresRegisters(connection)
        self.lessons = PostgresLessons(connection)
        self.chats = PostgresChats(connection, self._trail, self._touched)
        self.videoconferences = PostgresVideoconferences(connection, self._trail)
        self.calls = PostgresCalls(connection)
        self.account_links = PostgresAccountLinks(connection, cipher, self._trail, self._touched)
        self.revocations = PostgresRevocations(connection, cipher)
        self.mirrors = PostgresMirrors(connection, self._touched)
        self.chat_requests = PostgresChatRequests(connection)
        self.roles = PostgresRoles(connection, self._trail)
        self.answers = PostgresAnswers(connection)

    async def now(self) -> datetime:
        return await self._read_clock(self._connection)

    async def touch_mirrors(self) -> None:
        """Touches the mirrors that it concerns."""
        await self._touched.write(self._connection)

    async def write_audit(self, because: Because) -> None:
        """Writes a line for each thing that is not what it was."""
        if lines := list(self._trail.lines()):
            await audit.write(self._connection, lines, because, at=await self.now())


def units_of_work(
    engine: AsyncEngine,
    cipher: Cipher,
    *,
    told: Callable[[], None] = lambda: None,
    read_clock: ReadClock = database_clock,
) -> Begin:
    """Begins units of work on `engine`; `told` is called after a commit that wrote to the outbox."""

    @asynccontextmanager
    async def begin(because: Because) -> AsyncIterator[PostgresUnitOfWork]:
        async with engine.connect() as connection:
            connection.info.pop("outbox_written", None)
            async with connection.begin():
                unit = PostgresUnitOfWork(connection, cipher, read_clock)
                yield unit
                await unit.write_audit(because)
                await unit.touch_mirrors()
            if connection.info.pop("outbox_written", False):
                told()

    return begin
