"""A line of the audit stays as it was written, whatever the code does."""

from collections.abc import AsyncIterator

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import Delete, TextClause, Update, delete, func, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from infrastructure.db.cipher import Cipher
from infrastructure.db.engine import create_engine
from infrastructure.db.tables import audit_entries
from infrastructure.db.unit_of_work import units_of_work
from infrastructure.settings import load_settings
from tests.builders import an_organization, put

EDITS = {
    "update": update(audit_entries).values(action="NOTHING"),
    "update of none": update(audit_entries).values(action="NOTHING").where(audit_entries.c.number < 0),
    "delete": delete(audit_entries),
    "delete of none": delete(audit_entries).where(audit_entries.c.number < 0),
    "truncate": text("truncate audit_entries"),
}


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """The database of a school, whose founding is the only line of the audit."""
    engine = create_engine(load_settings(environment="development", database_url=database_url))
    begin = units_of_work(engine, Cipher(Fernet.generate_key().decode()))
    await put(begin, organization=an_organization())
    yield engine
    await engine.dispose()


@pytest.mark.rule("AUDIT-01")
@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
async def test_no_line_of_the_audit_is_ever_edited_or_taken_away(
    engine: AsyncEngine, edit: Update | Delete | TextClause
) -> None:
    async with engine.connect() as connection:
        with pytest.raises(DBAPIError, match="never edited"):
            await connection.execute(edit)

    async with engine.connect() as connection:
        query = select(audit_entries.c.action, func.count()).group_by(audit_entries.c.action)
        lines = (await connection.execute(query)).all()
    assert [tuple(line) for line in lines] == [("ORGANIZATION_CREATED", 1)]
