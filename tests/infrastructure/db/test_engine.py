"""Connections that Postgres has cut are replaced without anybody noticing."""

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from infrastructure.db.engine import create_engine, is_outage
from infrastructure.settings import load_settings


async def test_after_postgres_cut_every_connection_the_next_statement_succeeds(database_url: str) -> None:
    settings = load_settings(environment="development", database_url=database_url)
    engine, other = create_engine(settings), create_engine(settings)
    async with engine.connect() as connection:
        pid = (await connection.execute(text("select pg_backend_pid()"))).scalar_one()

    async with other.connect() as connection:
        await connection.execute(text("select pg_terminate_backend(:pid, 1000)"), {"pid": pid})
    async with engine.connect() as connection:
        again = (await connection.execute(text("select pg_backend_pid()"))).scalar_one()

    await engine.dispose()
    await other.dispose()
    assert again != pid


async def test_a_connection_cut_in_the_middle_is_an_outage_and_a_mistake_is_none(database_url: str) -> None:
    engine = create_engine(load_settings(environment="development", database_url=database_url))
    errors = []
    for statement in ("select pg_terminate_backend(pg_backend_pid())", "select no_such_column"):
        try:
            async with engine.connect() as connection:
                await connection.execute(text(statement))
        except DBAPIError as error:
            errors.append(is_outage(error))

    await engine.dispose()
    assert errors == [True, False]
