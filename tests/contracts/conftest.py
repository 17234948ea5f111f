"""The same storage twice: in memory and in Postgres, so that whatever holds for one is asked of the other."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import select

from application.ports import Begin
from domain.account_link import AccountLinkBroke, AccountLinked, AccountUnlinked
from domain.audit import Facts
from domain.ids import account_id
from domain.videoconference import CallReleased, VideoconferenceChanged
from infrastructure.db.cipher import Cipher
from infrastructure.db.engine import create_engine
from infrastructure.db.tables import audit_entries, outbox
from infrastructure.db.unit_of_work import units_of_work
from infrastructure.settings import load_settings
from tests.fakes.storage import InMemoryStorage


@dataclass(frozen=True)
class Entry:
    """A line of the audit, as whoever reads it sees it."""

    action: str
    subject: tuple[str, UUID]
    organization: UUID | None
    cause: str
    actor: UUID | None
    person: str | None
    before: Any
    after: Any
    version: int | None


@dataclass(frozen=True)
class Storage:
    """What begins units of work; the ids of what their events were told of, each once, and the audit, in order."""

    begin: Begin
    told_of: Callable[[], Awaitable[list[UUID]]]
    audit: Callable[[], Awaitable[list[Entry]]]


@pytest.fixture(params=["storage_in_memory", "storage_in_postgres"])
def storage(request: pytest.FixtureRequest) -> Storage:
    found: Storage = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def begin(storage: Storage) -> Begin:
    return storage.begin


@pytest.fixture
def storage_in_memory() -> Storage:
    storage = InMemoryStorage()

    async def told_of() -> list[UUID]:
        told = (_subject(event) for event in storage.outbox if not isinstance(event, CallReleased))
        return list(dict.fromkeys(told))

    async def audit() -> list[Entry]:
        return [
            Entry(
                action=line.action,
                subject=(line.subject.kind, line.subject.id),
                organization=line.subject.organization,
                cause=str(because.cause),
                actor=line.actor(because),
                person=because.person,
                before=_as_stored(line.difference.before),
                after=_as_stored(line.difference.after),
                version=line.version,
            )
            for line, because in ((kept.line, kept.because) for kept in storage.audit)
        ]

    return Storage(storage.begin, told_of, audit)


@pytest.fixture
async def storage_in_postgres(database_url: str) -> AsyncIterator[Storage]:
    engine = create_engine(load_settings(environment="development", database_url=database_url))

    async def told_of() -> list[UUID]:
        async with engine.connect() as connection:
            of_chats = select(outbox.c.subject_id).where(outbox.c.subject != "organization")
            told = await connection.execute(of_chats.order_by(outbox.c.id))
            return list(dict.fromkeys(told.scalars()))

    async def audit() -> list[Entry]:
        async with engine.connect() as connection:
            lines = await connection.execute(select(audit_entries).order_by(audit_entries.c.number))
            return [
                Entry(
                    action=line.action,
                    subject=(line.subject, line.subject_id),
                    organization=line.organization_id,
                    cause=line.cause,
                    actor=line.actor_id,
                    person=line.actor_person,
                    before=line.before,
                    after=line.after,
                    version=line.version,
                )
                for line in lines
            ]

    yield Storage(units_of_work(engine, Cipher(Fernet.generate_key().decode())), told_of, audit)
    await engine.dispose()


def _as_stored(facts: Facts | None) -> Any:
    return json.loads(json.dumps(facts))


def _subject(event: Any) -> UUID:
    match event:
        case AccountLinked(person) | AccountLinkBroke(person) | AccountUnlinked(person):
            return account_id(person)
        case VideoconferenceChanged(id):
            return id
        case _:
            id_of_chat: UUID = event.chat_id
            return id_of_chat
