"""Schools change, answers are lost, workers die, and Sferum holds in the end what the registry does, each chat once."""

from datetime import timedelta

import pytest

from tests.e2e.mirror_fire import Plan, mirror_under_fire


@pytest.mark.rule("SYNC-02")
@pytest.mark.rule("SYNC-03")
async def test_under_fire_sferum_holds_in_the_end_what_the_registry_does_and_each_chat_once() -> None:
    plan = Plan(
        changes=60,
        classes=6,
        schools=3,
        seed=20260908,
        over=timedelta(seconds=4),
        lose_answers=True,
        kill_every=timedelta(seconds=2),
        quiet=timedelta(seconds=1),
    )

    outcome = await mirror_under_fire(plan)

    assert outcome.broken == [], "\n".join(outcome.log)
    assert outcome.chats == outcome.chats_wanted == 15
    assert outcome.answers_lost >= 15
    assert outcome.changes.total() == plan.changes
    assert any("kill -9" in line for line in outcome.log)
