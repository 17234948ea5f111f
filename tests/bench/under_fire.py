"""`python -m tests.bench.under_fire [CONFERENCES]`: they start and end while workers are killed every two seconds.

Prints what broke, how late starts and ends were, the log of faults, and the seed that repeats them.
"""

import argparse
import asyncio
import secrets
import sys
from collections.abc import Sequence
from datetime import timedelta

from tests.bench.table import Row, percentile, printed
from tests.e2e.fire import FAULTS, Plan, under_fire


def main() -> int:
    """Runs it; answers with 1 if a promise was not kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.under_fire", description=__doc__)
    parser.add_argument("conferences", nargs="?", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=180, help="over how long the starts are spread")
    parser.add_argument("--lasting", type=float, default=45, help="seconds from a start to its end")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--faults", nargs="*", choices=list(FAULTS), default=list(FAULTS), help="beside the kills")
    given = parser.parse_args()
    plan = Plan(
        conferences=given.conferences,
        spread=timedelta(seconds=given.seconds),
        lasting=timedelta(seconds=given.lasting),
        seed=given.seed,
        schools=10,
        pupils=20,
        prepare_seconds=20,
        kinds=tuple(given.faults),
    )
    outcome = asyncio.run(under_fire(plan))
    rows = [
        Row(f"of {plan.conferences}: lost", str(len(outcome.lost))),
        Row("doubled", str(len(outcome.doubled))),
        Row("calls open after their end", str(len(outcome.open_after_end))),
        Row("calls started after their end", str(len(outcome.started_after_end))),
        Row("impossible steps", str(len(outcome.impossible_steps))),
        Row("strays, shown to nobody and ended", str(outcome.strays)),
        Row("lateness of starts, s", _figures(outcome.start_lateness)),
        Row("lateness of ends, s", _figures(outcome.end_lateness)),
        Row("calls outlived their conference by, s", _figures(outcome.call_outlived_by)),
    ]
    print(*outcome.log, "", printed(rows), "", *outcome.broken, f"seed {plan.seed}", sep="\n")
    return 1 if outcome.broken else 0


def _figures(values: Sequence[float]) -> str:
    if not values:
        return "none"
    shares = ", ".join(f"p{share} {percentile(values, share / 100):.2f}" for share in (50, 90, 99))
    return f"{shares}, max {max(values):.2f}"


if __name__ == "__main__":
    sys.exit(main())
