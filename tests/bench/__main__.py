"""`./dev bench`: each row beside its baseline, measured in turns in one run; machines are noisy, ratios less so."""

import argparse
import asyncio
import os
import platform
import sys
import tempfile
from pathlib import Path

from infrastructure.embedded.postgres import prepare_postgres
from infrastructure.embedded.valkey import prepare_valkey
from tests.bench import bell, chats_page, conferences_page, fan_out, lateness, registry_growth
from tests.bench.table import Row, printed
from tests.servers import database_of, running

ROWS = {
    "chats": chats_page.measure,
    "conferences": conferences_page.measure,
    "registry": registry_growth.measure,
    "lateness": lateness.measure,
    "bell": bell.measure,
    "fan_out": fan_out.measure,
}


async def measured(names: list[str], directory: Path, postgres: str, redis: str) -> list[Row]:
    """The rows of those names, each on a database of its own."""
    rows: list[Row] = []
    for name in names:
        data_dir = directory / name
        data_dir.mkdir()
        rows += await ROWS[name](await database_of(postgres, f"bench_{name}"), redis, data_dir)
    return rows


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"{', '.join(ROWS)}; all without any")
    names = parser.parse_args().rows or list(ROWS)
    if unknown := set(names) - set(ROWS):
        parser.error(f"there is no row {', '.join(sorted(unknown))}: there are {', '.join(ROWS)}")
    with tempfile.TemporaryDirectory(prefix="sferum-bench-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        with (
            running(prepare_postgres(directory / "postgres", durable=False)) as postgres,
            running(prepare_valkey(directory / "valkey", durable=False)) as redis,
        ):
            rows = asyncio.run(measured(names, directory, postgres, redis))
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}")
    print(printed(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
