"""The migrations make exactly the tables that the code uses, and two processes may run them at once."""

import asyncio

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

from infrastructure.db.engine import create_engine
from infrastructure.db.migrate import upgrade
from infrastructure.db.tables import metadata
from infrastructure.settings import load_settings


async def test_the_migrated_schema_is_that_of_the_tables(database_url: str) -> None:
    engine = create_engine(load_settings(environment="development", database_url=database_url))

    def differences(connection: Connection) -> list[object]:
        found: list[object] = compare_metadata(MigrationContext.configure(connection), metadata)
        return found

    async with engine.connect() as connection:
        found = await connection.run_sync(differences)
    await engine.dispose()
    assert found == []


async def test_two_processes_may_migrate_an_empty_database_at_once(database_url: str) -> None:
    settings = load_settings(environment="development", database_url=database_url)
    engine = create_engine(settings)
    async with engine.begin() as connection:
        await connection.execute(text("drop schema public cascade"))
        await connection.execute(text("create schema public"))
    await asyncio.gather(upgrade(settings), upgrade(settings))
    async with engine.connect() as connection:
        versions = (await connection.execute(text("select version_num from alembic_version"))).scalars().all()
        assert len(versions) == 1
        assert (await connection.execute(text("select count(*) from chats"))).scalar_one() == 0
    await engine.dispose()
