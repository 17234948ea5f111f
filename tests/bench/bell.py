"""The bell: many lessons start at one second; how late their rows are ACTIVE, and how late a subscriber is told.

Sferum takes 300 ms a request and allows three a second for each account, all of them prepared ahead in STARTING.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from graphql_api.global_ids import global_id
from tests.bench.table import Row, percentile
from tests.e2e.schools import Place, found_schools, plan_conferences
from tests.e2e.system import System, running_system

SCHOOLS = 25
PUPILS = 20
LESSON = timedelta(seconds=15)
PREPARE_SECONDS = 30
SOCKETS = 20
"""One user has at most ten, with fifty subscriptions each."""
SFERUM_MS = 300
WATCH = "subscription ($id: ID!) { videoconference(id: $id) { status } }"


async def measure(database_url: str, redis_url: str, data_dir: Path) -> list[Row]:
    """Forty of one school, then a thousand of many, on the API, two workers and the sandbox."""
    rows: list[Row] = []
    async with running_system(
        database_url=database_url, redis_url=redis_url, data_dir=data_dir, prepare_seconds=PREPARE_SECONDS
    ) as system:
        places = await found_schools(system, SCHOOLS, pupils=PUPILS)
        settings = {"latency_ms": SFERUM_MS}
        (await system.http.post(f"{system.sandbox}/control/settings", json=settings)).raise_for_status()
        for count, where, of in ((40, places[:1], "one school"), (1000, places, "many schools")):
            rows += await _ring(system, where, count, of)
    return rows


async def _ring(system: System, places: Sequence[Place], count: int, of: str) -> list[Row]:
    # Time enough to be listened for, and to be prepared.
    bell = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=PREPARE_SECONDS + 10)
    ids = await plan_conferences(system, places, [bell] * count, LESSON)
    told: dict[str, list[datetime]] = defaultdict(list)
    parts = [ids[place::SOCKETS] for place in range(SOCKETS)]
    before = len(await system.control("requests"))
    async with asyncio.timeout(180):
        nodes = [[str(global_id("Videoconference", id)) for id in part] for part in parts]
        await asyncio.gather(
            *(_listen(system, f"listener-{number // 10}", part, told) for number, part in enumerate(nodes))
        )
    asked = (await system.control("requests"))[before:]
    starts = [request for request in asked if request["path"].endswith(("execute", "calls.start"))]
    saved = await _saved(system, ids)
    rows = []
    for status, due, what in (("ACTIVE", bell, "starts"), ("FINISHED", bell + LESSON, "ends")):
        assert len(told[status]) == len(saved[status]) == count, f"{len(told[status])} of {count} were told of {status}"
        for values, how in ((saved[status], f"row {status}"), (told[status], "told to a subscriber")):
            late = [(at - due).total_seconds() * 1000 for at in values]
            assert min(late) >= 0, "before its time"
            figures = f"p50 {percentile(late, 0.5):.0f}, p99 {percentile(late, 0.99):.0f}, max {max(late):.0f}"
            rows.append(Row(f"{count} {what} of {of} at one second, {how}, ms", figures))
    rows.append(Row(f"{count} calls of {of}: requests to prepare and end them", str(len(starts))))
    return rows


async def _saved(system: System, ids: Sequence[Any]) -> dict[str, list[datetime]]:
    """When each was saved as started and as ended, by the database's clock."""
    query = text(
        "select payload ->> 'status' as status, min(at) as at from outbox"
        " where subject_id = any(:ids) group by 1, subject_id"
    )
    saved: dict[str, list[datetime]] = defaultdict(list)
    async with system.container.engine().connect() as connection:
        for row in await connection.execute(query, {"ids": list(ids)}):
            saved[row.status].append(row.at)
    return saved


async def _listen(system: System, listener: str, ids: Sequence[str], told: dict[str, list[datetime]]) -> None:
    token = system.token(listener, org=None, superadministrator=True)
    url = f"ws://127.0.0.1:{system.settings.port}/graphql"
    async with connect(url, subprotocols=[Subprotocol("graphql-transport-ws")], proxy=None) as socket:
        await socket.send(json.dumps({"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}))
        await socket.recv()
        for id in ids:
            payload = {"query": WATCH, "variables": {"id": id}}
            await socket.send(json.dumps({"id": id, "type": "subscribe", "payload": payload}))
        over = 0
        while over < len(ids):
            message = await socket.recv()
            came = datetime.now(UTC)
            status = json.loads(message)["payload"]["data"]["videoconference"]["status"]
            told[status].append(came)
            over += status in {"FINISHED", "FAILED"}
