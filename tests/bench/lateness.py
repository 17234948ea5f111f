"""How late starts and ends are: from the due time to the message on a subscriber's socket, everything between."""

import asyncio
import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from tests.bench.table import Row, percentile
from tests.e2e.system import System, running_system

TEACHERS = 20
LINKED_BY = timedelta(seconds=8)
"""How long before the bell the conferences are made: 200 calls by 20 tokens of three calls a second take 4 s."""
LESSON = timedelta(seconds=6)
PER_SOCKET = 50

CREATE = """mutation ($input: CreateVideoconferenceInput!) { createVideoconference(input: $input) {
  ... on VideoconferenceSaved { videoconference { id } } ... on Refusal { problems { code path } } } }"""
WATCH = "subscription ($id: ID!) { videoconference(id: $id) { status } }"


async def measure(database_url: str, redis_url: str, data_dir: Path) -> list[Row]:
    """One conference, then two hundred at the same second, on the API, two workers and the sandbox."""
    rows = []
    async with running_system(database_url=database_url, redis_url=redis_url, data_dir=data_dir) as system:
        chats = await _school(system)
        for count in (1, 200):
            late = await _ring(system, chats, count)
            for status, what in (("ACTIVE", "start"), ("FINISHED", "end")):
                values = [seconds * 1000 for seconds in late[status]]
                assert len(values) == count, f"{len(values)} of {count} were told of {status}"
                assert min(values) >= 0, "told before its time"
                figures = (
                    f"p50 {percentile(values, 0.5):.0f}, p99 {percentile(values, 0.99):.0f}, max {max(values):.0f}"
                )
                rows.append(Row(f"lateness of {count} {what}{'s' * (count > 1)} at once, ms", figures))
    return rows


async def _school(system: System) -> list[tuple[str, str]]:
    """Twenty classes, each with its linked class teacher; answers with the teacher's token and the chat of each."""
    await system.container.use_cases().found_organization(school_id="school-manual", name="Школа", time_zone="UTC")
    events: list[dict[str, Any]] = []
    people = [f"manual-employee-{number:02}" for number in range(1, TEACHERS + 1)]
    for number, person in enumerate(people):
        events += [
            {"personSaved": {"key": f"{person} 1", "personId": person, "lastName": "Я", "firstName": "Я"}},
            {"employeeHired": {"key": f"{person} 2", "personId": person, "positions": ["PEDAGOGICAL"]}},
            {"classSaved": {"key": f"{person} 3", "classId": str(number), "name": str(number)}},
            {"classTeacherSet": {"key": f"{person} 4", "classId": str(number), "personId": person}},
        ]
    await system.ask(
        system.token("roster", scope="roster"),
        "mutation ($events: [RosterEventInput!]!) { applyRosterEvents(events: $events) { __typename } }",
        events=events,
    )
    found = []
    for number, person in enumerate(people):
        token = system.token(person)
        await system.link_person(person, token)
        answer = await system.ask(token, "{ chats { edges { node { id name } } } }")
        chats = {edge["node"]["name"]: edge["node"]["id"] for edge in answer["chats"]["edges"]}
        found.append((token, chats[str(number)]))
    return found


async def _ring(system: System, chats: list[tuple[str, str]], count: int) -> dict[str, list[float]]:
    """Conferences that start and end at the same instants; seconds after them at which each message came."""
    bell = datetime.now(UTC) + LINKED_BY + timedelta(seconds=count / 25)
    ids = []
    for number in range(count):
        token, chat = chats[number % len(chats)]
        times = {"startsAt": bell.isoformat(), "endsAt": (bell + LESSON).isoformat()}
        form = {"type": "VIDEO_CALL", "name": f"Урок {number}", "chatId": chat} | times
        made = await system.ask(token, CREATE, input=form)
        ids.append(made["createVideoconference"]["videoconference"]["id"])
    late: dict[str, list[float]] = defaultdict(list)
    due = {"ACTIVE": bell, "FINISHED": bell + LESSON}
    parts = [ids[place : place + PER_SOCKET] for place in range(0, count, PER_SOCKET)]
    async with asyncio.timeout(120):
        await asyncio.gather(*(_listen(system, part, due, late) for part in parts))
    return late


async def _listen(system: System, ids: list[str], due: dict[str, datetime], late: dict[str, list[float]]) -> None:
    token = system.token("superadmin", org=None, superadministrator=True)
    url = f"ws://127.0.0.1:{system.settings.port}/graphql"
    async with connect(url, subprotocols=[Subprotocol("graphql-transport-ws")], proxy=None) as socket:
        await socket.send(json.dumps({"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}))
        await socket.recv()
        for id in ids:
            payload = {"query": WATCH, "variables": {"id": id}}
            await socket.send(json.dumps({"id": id, "type": "subscribe", "payload": payload}))
        over: set[str] = set()
        while len(over) < len(ids):
            message = json.loads(await socket.recv())
            came = datetime.now(UTC)
            assert message["type"] == "next", message
            status = message["payload"]["data"]["videoconference"]["status"]
            if status in due:
                late[status].append((came - due[status]).total_seconds())
            if status in {"FINISHED", "FAILED"}:
                over.add(message["id"])
