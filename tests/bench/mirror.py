"""`python -m tests.bench.mirror [CHANGES]`: chats are mirrored while schools change and everything around fails.

First that many changes under fire; then chats are made while the answer to each is lost. Prints what broke, how soon
all was in step again, what it cost in requests, the log of faults, and the seed that repeats them.
"""

import argparse
import asyncio
import secrets
import sys
from collections.abc import Mapping
from datetime import timedelta

from tests.bench.table import Row, printed
from tests.e2e.mirror_fire import Outcome, Plan, mirror_under_fire

AROUND = ("flush", "postgres", "no redis", "no workers")


def main() -> int:
    """Runs both parts; answers with 1 if a promise was not kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.mirror", description=__doc__)
    parser.add_argument("changes", nargs="?", type=int, default=1000)
    parser.add_argument("--classes", type=int, default=50, help="each has two chats")
    parser.add_argument("--schools", type=int, default=5, help="each has an account of its own to act with")
    parser.add_argument("--seconds", type=float, default=150, help="over how long the changes are spread")
    parser.add_argument("--share", type=float, default=0.3, help="of the requests that meet with a fault")
    parser.add_argument("--floods", action="store_true", help="also error 9, after which Sferum is left alone")
    parser.add_argument("--faults", nargs="*", choices=AROUND, default=AROUND, help="beside the kills")
    parser.add_argument("--quiet", type=float, default=90, help="seconds of watching after the end")
    parser.add_argument("--part", choices=["changes", "lost answers", "both"], default="both")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    given = parser.parse_args()
    plans = {
        "changes": Plan(
            changes=given.changes,
            classes=given.classes,
            schools=given.schools,
            seed=given.seed,
            over=timedelta(seconds=given.seconds),
            share=given.share,
            floods=given.floods,
            surroundings=tuple(given.faults),
            quiet=timedelta(seconds=given.quiet),
            settled_within=timedelta(minutes=20),
        ),
        "lost answers": Plan(
            changes=0,
            classes=given.classes,
            schools=given.schools,
            seed=given.seed,
            lose_answers=True,
            quiet=timedelta(seconds=given.quiet),
            settled_within=timedelta(minutes=20),
        ),
    }
    broken = False
    for part, plan in plans.items():
        if given.part in {part, "both"}:
            outcome = asyncio.run(mirror_under_fire(plan))
            print(*outcome.log, "", printed(_rows(plan, outcome)), "", *outcome.broken, sep="\n")
            print(_counted("changes", outcome.changes), _counted("requests", outcome.requests_by_method), sep="\n")
            print(f"seed {plan.seed}", flush=True)
            broken |= bool(outcome.broken)
    return 1 if broken else 0


def _rows(plan: Plan, outcome: Outcome) -> list[Row]:
    rows = [
        Row("differences at the end", str(len(outcome.differences))),
        Row("chats seen twice by anybody", str(len(outcome.seen_twice))),
        Row("chats in Sferum, of those wanted", f"{outcome.chats} of {outcome.chats_wanted}"),
        Row("strays left", str(len(outcome.strays_left))),
        Row("strays emptied, or chats left by everybody", str(outcome.strays)),
        Row("answers lost when chats were made", str(outcome.answers_lost)),
        Row("s until all chats were made and in step", f"{outcome.made_in:.1f}"),
        Row("s from healing to no difference", f"{outcome.healed_in:.1f}"),
        Row("most requests of one account in a second", str(outcome.most_in_a_second)),
    ]
    if not plan.changes:
        return rows
    return [
        *rows,
        Row("requests for each change", f"{outcome.requests / plan.changes:.2f}"),
        Row("steps in them for each change", f"{outcome.steps / plan.changes:.2f}"),
        Row("requests that met with a fault, late answers not counted", f"{outcome.troubled_share:.0%}"),
    ]


def _counted(what: str, counts: Mapping[str, int]) -> str:
    return f"{what}: " + ", ".join(f"{name} {times}" for name, times in sorted(counts.items()))


if __name__ == "__main__":
    sys.exit(main())
