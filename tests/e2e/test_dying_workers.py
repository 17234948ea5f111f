"""Workers are killed while a conference starts, and still it has one call and one link, and both end."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.e2e.school import listen, make_conference, open_school
from tests.e2e.system import running_system

KILLED_AFTER = timedelta(milliseconds=40)
"""While they wait for Sferum."""


async def test_workers_killed_before_and_at_the_start_leave_one_call_and_one_link(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    async with running_system(
        database_url=database_url, redis_url=redis_url, data_dir=tmp_path, prepare_seconds=2
    ) as system:
        school = await open_school(system)
        await system.link("teacher", school.teacher)
        starts_at, lasting = datetime.now(UTC) + timedelta(seconds=4), timedelta(seconds=8)
        prepared_at = starts_at - timedelta(seconds=2)
        conference = await make_conference(system, school, starts_at, lasting)
        # Slow enough that a worker dies while it waits for the answer.
        await system.http.post(f"{system.sandbox}/control/settings", json={"latency_ms": 80})

        async def kill_and_replace() -> None:
            for name, moment in (("worker-0", prepared_at), ("worker-1", starts_at)):
                await asyncio.sleep((moment + KILLED_AFTER - datetime.now(UTC)).total_seconds())
                system.kill(name)
                system.start(f"{name}-again", "worker")

        _, heard = await asyncio.gather(kill_and_replace(), listen(system, school.pupil, conference["id"]))
        calls = await system.until(lambda calls: all(call["finished_at"] is not None for call in calls), "calls")

    (began, active), (ended, finished) = heard[-2:]
    assert [active["status"], finished["status"]] == ["ACTIVE", "FINISHED"]
    assert timedelta() <= began - starts_at < timedelta(seconds=5)
    assert timedelta() <= ended - starts_at - lasting < timedelta(seconds=1)
    links = {message["link"] for _, message in heard} - {None}
    assert links == {active["link"]}
    # The one that was asked for by a worker that died is adopted; there is no second one.
    assert [call["join_link"] for call in calls] == [active["link"]]


async def test_an_answer_that_never_came_leaves_one_call_and_one_link(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    async with running_system(database_url=database_url, redis_url=redis_url, data_dir=tmp_path) as system:
        school = await open_school(system)
        await system.link("teacher", school.teacher)
        fault = {"method": "calls.start", "kind": "lost", "times": 1}
        (await system.http.post(f"{system.sandbox}/control/faults", json=fault)).raise_for_status()
        starts_at, lasting = datetime.now(UTC) + timedelta(seconds=6), timedelta(seconds=2)
        conference = await make_conference(system, school, starts_at, lasting)

        heard = await listen(system, school.pupil, conference["id"])
        calls = await system.until(lambda calls: all(call["finished_at"] is not None for call in calls), "calls")

    (began, active), _ = heard[-2:]
    assert active["status"] == "ACTIVE"
    assert timedelta() <= began - starts_at < timedelta(seconds=1)
    assert [call["join_link"] for call in calls] == [active["link"]]
