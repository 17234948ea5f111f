"""Connections to Postgres: a bounded pool, in UTC, and never a statement that runs without end."""

from typing import Any

from sqlalchemy import event, make_url
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoFreeConnection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from infrastructure.settings import Settings

STATEMENT_TIMEOUT_MS = 10_000


def create_engine(settings: Settings) -> AsyncEngine:
    """The process's one engine, for `settings.database_url` in any spelling of `postgresql://`."""
    assert settings.database_url is not None, "embedded servers hand their address over as a setting"
    url = make_url(settings.database_url.get_secret_value()).set(drivername="postgresql+asyncpg")
    engine = create_async_engine(
        url,
        pool_size=settings.database_connections,
        max_overflow=0,
        pool_timeout=10,
        # Errors would otherwise print the values of a statement: people's names, tokens (AUDIT-02).
        hide_parameters=True,
        connect_args={
            "timeout": 5,
            "command_timeout": STATEMENT_TIMEOUT_MS / 1000 + 5,
            "server_settings": {
                "timezone": "UTC",
                "statement_timeout": str(STATEMENT_TIMEOUT_MS),
                "idle_in_transaction_session_timeout": "30000",
                "application_name": "sferum",
                # Plans of these short statements never win from native code, and planning them anew for each set of
                # values costs several times what they run.
                "jit": "off",
                "plan_cache_mode": "force_generic_plan",
            },
        },
    )
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    return engine


def _refuse_closed(connection: Any, record: object, proxy: object) -> None:
    # The driver knows at once that a connection was cut; asking Postgres at each use would cost a round trip.
    if connection.driver_connection.is_closed():
        raise DisconnectionError


def is_outage(error: Exception) -> bool:
    """Whether Postgres is away or overloaded for the moment, so that trying again will help."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return isinstance(error, OperationalError | InterfaceError | NoFreeConnection | OSError)
