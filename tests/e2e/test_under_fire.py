"""Workers are killed again and again, everything around them fails, and no conference is lost, doubled or left open."""

from datetime import timedelta

import pytest

from tests.e2e.fire import Plan, under_fire

KINDS = ("flush", "postgres", "sferum", "no redis", "slow sferum", "sferum")


@pytest.mark.rule("CONF-18")
async def test_under_fire_no_conference_is_lost_or_doubled_and_no_call_outlives_its_own() -> None:
    plan = Plan(
        conferences=60,
        spread=timedelta(seconds=3),
        # So long that none may end before it could start, whatever happens meanwhile.
        lasting=timedelta(seconds=24),
        seed=20260907,
        schools=3,
        prepare_seconds=3,
        # Beside other tests a worker may need all of two seconds to begin.
        kill_every=timedelta(seconds=3),
        fault_every=timedelta(seconds=2),
        kinds=KINDS,
    )

    outcome = await under_fire(plan)

    assert outcome.broken == [], "\n".join(outcome.log)
    assert len(outcome.start_lateness) == len(outcome.end_lateness) == plan.conferences
    assert sum("kill -9" in line for line in outcome.log) > 3
