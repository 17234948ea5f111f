"""Work that a worker does again and again, and that an outage only delays."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError

from application.ports import ConcurrentChange

T = TypeVar("T")

log = structlog.get_logger()


async def tried(work: str, do: Callable[[], Awaitable[T]]) -> T | None:
    """What came of it; None when Postgres was away or the work broke, which is logged."""
    try:
        return await do()
    except* (SQLAlchemyError, OSError, ConcurrentChange) as troubles:
        log.warning("postgres_away", error=type(troubles.exceptions[0]).__name__)
    except* Exception:
        log.exception("work_broke", work=work)
    return None
