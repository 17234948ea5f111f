"""Whoever is cut off, or waits while another process dies, ends up with what is so (P36, P39)."""

import asyncio
import json
import signal
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.e2e.cut_sockets import Plan, cut_and_kill
from tests.e2e.system import running_system


@pytest.mark.rule("CONF-19")
async def test_who_is_cut_off_again_and_again_misses_nothing_and_who_is_not_hears_each_change_once() -> None:
    plan = Plan(changes=150, cuts=15, kills=2, seed=20260901)

    outcome = await cut_and_kill(plan)

    assert outcome.differing == {}
    assert outcome.unseen == []
    assert outcome.disorder == []
    assert (outcome.cuts, outcome.kills) == (plan.cuts, plan.kills)


async def test_a_server_that_stops_says_so_with_1012(database_url: str, redis_url: str, tmp_path: Path) -> None:
    async with running_system(database_url=database_url, redis_url=redis_url, data_dir=tmp_path, workers=0) as system:
        token = system.token("superadmin", org=None, superadministrator=True)
        url = f"ws://127.0.0.1:{system.settings.port}/graphql"
        async with connect(url, subprotocols=[Subprotocol("graphql-transport-ws")], proxy=None) as socket:
            await socket.send(json.dumps({"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}))
            await socket.recv()
            query = "subscription { myVideoconferences { __typename } }"
            await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": query}}))
            first = json.loads(await socket.recv())
            system.processes["api"].send_signal(signal.SIGTERM)

            async with asyncio.timeout(10):
                with pytest.raises(ConnectionClosed):
                    await socket.recv()

        assert first["type"] == "next"
        assert socket.close_code == 1012
        assert system.processes.pop("api").wait(timeout=10) == 0
