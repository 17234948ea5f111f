"""What a worker does for account links: VK ID is told of tokens that were given up, old ones are renewed."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from application.unlinking import AT_ONCE
from infrastructure.jobs.outages import tried

DELIVER_EVERY_SECONDS = 1.0
RENEW_EVERY_SECONDS = 60.0

log = structlog.get_logger()


async def deliver_revocations(deliver: Callable[[], Awaitable[int]]) -> None:
    """Tells VK ID within about a second, until cancelled; an outage is waited out."""
    while True:
        if (await tried("deliver_revocations", deliver) or 0) < AT_ONCE:
            await asyncio.sleep(DELIVER_EVERY_SECONDS)


async def keep_links_alive(renew: Callable[[], Awaitable[int]]) -> None:
    """Renews a few links a minute, until cancelled; an outage is waited out."""
    while True:
        if renewed := await tried("keep_links_alive", renew):
            log.info("links_renewed", links=renewed)
        await asyncio.sleep(RENEW_EVERY_SECONDS)
