"""A worker turns the schools' days when their midnight comes, whatever went wrong before."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
import structlog

from application.ports import UnitOfWork
from application.roster_import import TurnDays
from domain.audit import SCHEDULE, Because
from domain.register import Days
from infrastructure.jobs import worker
from tests.builders import SCHOOL, participant
from tests.bundles import a_school, bulk
from tests.fakes.world import World

MIDNIGHT = datetime(2026, 9, 7, 21, tzinfo=UTC)
"""Of Tuesday in Moscow."""


async def a_world_shortly_before_midnight() -> World:
    """Anna is a pupil from Tuesday on, and it is a moment before."""
    world = World(MIDNIGHT - timedelta(milliseconds=20))
    await world.use_cases.found_organization(school_id="school", name="Школа", time_zone="Europe/Moscow")
    register = a_school()
    register.places["anna in 8"] = replace(register.places["anna in 8"], days=Days(date(2026, 9, 8)))
    register.roles["anna"] = replace(register.roles["anna"], days=Days(date(2026, 9, 8)))
    plan = await world.use_cases.plan_roster_import(SCHOOL, bulk(register))
    await world.use_cases.apply_roster_import(SCHOOL, bulk(register), plan, allow_removals=False)
    return world


async def until_anna_is_a_pupil(world: World) -> None:
    while True:
        async with world.storage.begin(SCHEDULE) as uow:
            if participant("anna") in (await uow.rosters.get(SCHOOL)).enrolments:
                return
        await asyncio.sleep(0.005)


@pytest.mark.rule("ROSTER-05")
async def test_a_day_is_turned_at_its_midnight_and_not_at_the_next_look() -> None:
    world = await a_world_shortly_before_midnight()
    turning = asyncio.create_task(worker.turn_days(world.use_cases.turn_days))
    await asyncio.sleep(0.005)

    world.now = MIDNIGHT
    await asyncio.wait_for(until_anna_is_a_pupil(world), 5)

    turning.cancel()


@pytest.mark.parametrize("begun_before", [0, 1])
@pytest.mark.parametrize(("trouble", "event"), [(OSError(), "postgres_away"), (ZeroDivisionError(), "work_broke")])
async def test_a_day_that_could_not_be_turned_is_turned_at_the_next_look(
    trouble: Exception, event: str, begun_before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "TURN_AT_LEAST_EVERY", timedelta(milliseconds=10))
    world = await a_world_shortly_before_midnight()
    world.now = MIDNIGHT
    troubles = [*[None] * begun_before, trouble]

    @asynccontextmanager
    async def begin(because: Because) -> AsyncIterator[UnitOfWork]:
        async with world.storage.begin(because) as uow:
            yield uow
            if troubles and (now := troubles.pop(0)) is not None:
                raise now

    with structlog.testing.capture_logs() as logs:
        turning = asyncio.create_task(worker.turn_days(TurnDays(begin)))
        await asyncio.wait_for(until_anna_is_a_pupil(world), 5)
        await asyncio.sleep(0.02)

    turning.cancel()
    assert [line["event"] for line in logs] == [event, "days_turned"]
