"""A worker: sweeps what the clock makes due, does what is to be done at Sferum, and is woken by arq.

The rows are the truth. Without Redis the sweep still comes at each due instant that it knows of, and every second.
"""

import asyncio
import signal
from contextlib import suppress
from datetime import timedelta
from typing import Any

import structlog
from arq import func
from arq.connections import ArqRedis, RedisSettings
from arq.worker import Worker
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from application.calls import Batch, CallToFind, CallToStart, CarryOut, HoldCalls, Work, batches
from application.clock import KeepTime
from application.erasure import EraseForgotten
from application.ports import ConcurrentChange, MessengerFailed
from application.roster_import import TurnDays
from infrastructure.container import assembled
from infrastructure.db.pruning import prune
from infrastructure.jobs.links import deliver_revocations, keep_links_alive
from infrastructure.jobs.mirrors import MirrorKeeper, empty_strays
from infrastructure.jobs.outages import tried
from infrastructure.jobs.relay import WAKE
from infrastructure.settings import Settings

SWEEP_AT_LEAST_EVERY = timedelta(seconds=1)
SWEEP_AGAIN_AFTER = timedelta(milliseconds=250)
"""When Postgres did not answer."""
LET_OTHERS = timedelta(milliseconds=20)
AT_SFERUM_AT_ONCE = 100
LONGEST_FAREWELL_SECONDS = 7.0
TIDY_EVERY_SECONDS = 3600
TURN_AT_LEAST_EVERY = timedelta(seconds=30)
HOLD_EVERY_SECONDS = 0.5

log = structlog.get_logger()


class ClockKeeper:
    """Sweeps when something is due, and carries out the work that a sweep leaves, batch by batch."""

    def __init__(self, keep_time: KeepTime, carry_out: CarryOut, hold: HoldCalls) -> None:
        self._keep_time = keep_time
        self._carry_out = carry_out
        self._hold = hold
        self._held: set[CallToStart | CallToFind] = set()
        self._woken = asyncio.Event()
        self._at_sferum = asyncio.Semaphore(AT_SFERUM_AT_ONCE)
        self._running: set[asyncio.Task[None]] = set()

    def wake(self) -> None:
        """Something may be due."""
        self._woken.set()

    async def run(self) -> None:
        """Keeps time until cancelled; an outage of Postgres is waited out."""
        while True:
            self._woken.clear()
            try:
                pause = await self.sweep()
            except (SQLAlchemyError, OSError) as error:
                log.warning("postgres_away", error=type(error).__name__)
                pause = SWEEP_AGAIN_AFTER
            except Exception:
                # The next sweep may meet other rows; a worker that ended would help nobody.
                log.exception("work_broke", work="sweep")
                pause = SWEEP_AT_LEAST_EVERY
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), pause.total_seconds())

    async def sweep(self) -> timedelta:
        """One sweep; answers with how long nothing is due, as far as is known."""
        swept = await self._keep_time()
        for batch in batches(swept.work):
            self._held |= {work for work in batch.works if isinstance(work, CallToStart | CallToFind)}
            task = asyncio.create_task(self._do(batch))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        for fault in swept.faults:
            log.error("row_at_fault", id=str(fault.id), pause_s=fault.pause.total_seconds(), exc_info=fault.error)
        if swept.more:
            return timedelta()
        if swept.next_due is None:
            return SWEEP_AT_LEAST_EVERY
        # What is due and was not ours to take is another worker's at this moment.
        return max(LET_OTHERS, min(swept.next_due - swept.now, SWEEP_AT_LEAST_EVERY))

    async def hold(self) -> None:
        """Says again and again what is still being asked for or looked for, until cancelled."""
        while True:
            before = set(self._held)
            await asyncio.sleep(HOLD_EVERY_SECONDS)
            try:
                await self._hold(before & self._held)
            except (SQLAlchemyError, OSError, ConcurrentChange) as error:
                log.warning("postgres_away", error=type(error).__name__)
            except Exception:
                log.exception("work_broke", work="hold")

    async def finish(self) -> None:
        """Waits for work under way at Sferum; what does not end in time is found and finished by another worker."""
        if self._running:
            await asyncio.wait(self._running, timeout=LONGEST_FAREWELL_SECONDS)

    async def _do(self, batch: Batch[Work]) -> None:
        kind = type(batch.works[0]).__name__
        async with self._at_sferum:
            try:
                await self._carry_out(batch)
            except (MessengerFailed, ConcurrentChange, SQLAlchemyError, OSError) as error:
                # Its rows say when it is due again.
                log.warning("work_failed", work=kind, calls=len(batch.works), error=type(error).__name__)
            except Exception:
                log.exception("work_broke", work=kind, calls=len(batch.works))
            finally:
                self._held.difference_update(batch.works)
        # Whatever came of it may have made something due.
        self.wake()


async def run(settings: Settings) -> None:
    """Works until SIGTERM or SIGINT, then ends what is under way and returns."""
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    async with assembled(settings) as container:
        use_cases = container.use_cases()
        keeper = ClockKeeper(use_cases.keep_time, use_cases.carry_out, use_cases.hold_calls)
        mirrors = MirrorKeeper(use_cases.keep_mirrors, use_cases.bring_mirror_in_step)
        tasks = [
            asyncio.create_task(keeper.run()),
            asyncio.create_task(keeper.hold()),
            asyncio.create_task(container.relay().run()),
            asyncio.create_task(be_woken(settings, keeper)),
            asyncio.create_task(_tidy(container.engine(), use_cases.erase_forgotten)),
            asyncio.create_task(turn_days(use_cases.turn_days)),
            asyncio.create_task(deliver_revocations(use_cases.deliver_revocations)),
            asyncio.create_task(keep_links_alive(use_cases.keep_links_alive)),
            asyncio.create_task(mirrors.run()),
            asyncio.create_task(empty_strays(use_cases.empty_strays)),
        ]
        log.info("worker_works")
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in [stopping, *tasks]:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(keeper.finish(), mirrors.finish())
        for result in results:
            if isinstance(result, Exception):
                raise result


async def _tidy(engine: AsyncEngine, erase: EraseForgotten) -> None:
    while True:
        try:
            log.info("tidied", rows=await prune(engine), people_erased=await erase())
        except (SQLAlchemyError, OSError, ConcurrentChange) as error:
            log.warning("postgres_away", error=type(error).__name__)
        except Exception:
            log.exception("work_broke", work="tidy")
        await asyncio.sleep(TIDY_EVERY_SECONDS)


async def turn_days(turn: TurnDays) -> None:
    """Turns the schools' days at each midnight that it knows of, until cancelled; an outage is waited out."""
    while True:
        # An import may have made an earlier one; and never in one sleep till midnight, which a machine may sleep over.
        pause = TURN_AT_LEAST_EVERY
        turned = await tried("turn_days", turn)
        if turned is not None and turned.organizations:
            log.info("days_turned", organizations=turned.organizations)
        if turned is not None and turned.next_due is not None:
            pause = max(timedelta(), min(turned.next_due - turned.now, pause))
        await asyncio.sleep(pause.total_seconds())


async def be_woken(settings: Settings, keeper: ClockKeeper) -> None:
    """Runs arq's worker, and another one after each trouble with Redis, until cancelled."""

    async def wake(ctx: dict[Any, Any], *_: Any, **__: Any) -> None:
        keeper.wake()

    assert settings.redis_url is not None, "embedded servers hand their address over as a setting"
    redis_settings = RedisSettings.from_dsn(settings.redis_url.get_secret_value())
    while True:
        redis = ArqRedis.from_url(settings.redis_url.get_secret_value(), socket_connect_timeout=2)
        worker = Worker(
            functions=[func(wake, name=WAKE, keep_result=0, timeout=5, max_tries=1)],
            redis_settings=redis_settings,
            redis_pool=redis,
            handle_signals=False,
            poll_delay=0.05,
            max_jobs=100,
            job_timeout=5,
            health_check_interval=5,
            health_check_key=f"sferum:worker:{id(keeper)}",
        )
        try:
            await worker.async_run()
        except (RedisError, OSError) as error:
            log.warning("redis_away", error=type(error).__name__)
        finally:
            with suppress(RedisError, OSError):
                await asyncio.shield(worker.close())
        await asyncio.sleep(1)
