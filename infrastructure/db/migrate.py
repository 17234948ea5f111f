"""Brings a database to the newest schema; two processes may try at once: the second waits and finds nothing to do."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from infrastructure.db.engine import create_engine
from infrastructure.settings import Settings

_LOCK = 7_264_913_850


async def upgrade(settings: Settings) -> None:
    """Runs what is missing of the migrations, all in one transaction, under an advisory lock."""
    engine = create_engine(settings)
    try:
        async with engine.begin() as connection:
            await connection.execute(text("set local statement_timeout = 0"))
            await connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            await connection.run_sync(_upgrade)
    finally:
        await engine.dispose()


def alembic_config(connection: Connection) -> Config:
    """Alembic's configuration, without an ini file."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes["connection"] = connection
    return config


def _upgrade(connection: Connection) -> None:
    command.upgrade(alembic_config(connection), "head")
