"""What a worker does for account links: VK ID is told of tokens that were given up, old ones are renewed."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from sqlalchemy.exc import SQLAlchemyError

from application.ports import ConcurrentChange
from application.unlinking import AT_ONCE

DELIVER_EVERY_SECONDS = 1.0
RENEW_EVERY_SECONDS = 60.0

log = structlog.get_logger()


async def deliver_revocations(deliver: Callable[[], Awaitable[int]]) -> None:
    """Tells VK ID within about a second, until cancelled; an outage is waited out."""
    while True:
        if await _some("deliver_revocations", deliver) < AT_ONCE:
            await asyncio.sleep(DELIVER_EVERY_SECONDS)


async def keep_links_alive(renew: Callable[[], Awaitable[int]]) -> None:
    """Renews a few links a minute, until cancelled; an outage is waited out."""
    while True:
        if renewed := await _some("keep_links_alive", renew):
            log.info("links_renewed", links=renewed)
        await asyncio.sleep(RENEW_EVERY_SECONDS)


async def _some(work: str, do: Callable[[], Awaitable[int]]) -> int:
    try:
        return await do()
    except* (SQLAlchemyError, OSError, ConcurrentChange) as troubles:
        log.warning("postgres_away", error=type(troubles.exceptions[0]).__name__)
    except* Exception:
        log.exception("work_broke", work=work)
    return 0
