"""Whatever people and programs send, the log stays one JSON object a line and names nobody."""

import asyncio
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import text
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from tests.e2e.school import ROSTER
from tests.e2e.system import System, running_system

PLANTED = "zqplanted"
FORGED = '{"event": "forged", "level": "info"}'
HOSTILE = (
    f"{PLANTED}\n{FORGED}",
    f"{PLANTED}\r\n{FORGED}\r\n",
    f"{PLANTED}\u2028{FORGED}\u2029\x85",
    f'{PLANTED}", "event": "forged"}}\\n',
    f"{PLANTED}\x1b[2J\x1b[31mforged\x1b[0m\x07\x08",
    f"{PLANTED} %s %(message)s {{0}} ${{jndi:ldap://x}}",
    f"Зайцев-{PLANTED}",
)
CHAT = """mutation ($input: CreateChatInput!) { createChat(input: $input) {
  __typename ... on UnlinkedMembersWarning { confirmation }
} }"""
CALL = """mutation ($input: CreateVideoconferenceInput!) { createVideoconference(input: $input) { __typename } }"""
TELL = "mutation ($events: [RosterEventInput!]!) { applyRosterEvents(events: $events) { __typename } }"
LIST = "query ($name: String) { chats(filter: { nameContains: $name }) { edges { node { id name } } } }"
PEOPLE = "query ($name: String) { participants(filter: { nameContains: $name }) { edges { node { fullName } } } }"
TIMES = {"startsAt": "2027-05-01T10:00:00+03:00", "endsAt": "2027-05-01T11:00:00+03:00"}


async def say(system: System, person: str, document: str, *, scope: str | None = None, **variables: Any) -> int:
    """Whatever comes of it."""
    token = system.token(person, scope=scope)
    answer = await system.http.post(
        f"{system.api}/graphql",
        json={"query": document, "variables": variables},
        headers={"Authorization": f"Bearer {token}"},
    )
    return answer.status_code


async def use(system: System, hostile: str) -> None:
    """Everything in which somebody can send a text."""
    short = hostile[:60]
    name = {"lastName": hostile, "firstName": hostile}
    known = {"personSaved": {"key": f"k{short}"[:60], "personId": "manual-pupil", **name}}
    school_class = {"classSaved": {"key": f"c{short}"[:60], "classId": short, "name": hostile}}
    granted = {"roleGranted": {"key": f"r{short}"[:60], "personId": "manual-pupil", "role": hostile}}
    event = {"personSaved": {"key": short, "personId": short, **name}}
    for told in (event, known, school_class, granted):
        await say(system, "manual-roster", TELL, scope="roster", events=[told])
    for key in (None, short):
        form = {"type": "OTHER", "name": hostile, "idempotencyKey": key, "confirmation": hostile}
        await say(system, "manual-vorontsova", CHAT, input=form)
    call = {"type": "VIDEO_CALL", "name": hostile, "chatId": hostile, "idempotencyKey": short} | TIMES
    await say(system, "manual-vorontsova", CALL, input=call)
    await say(system, "manual-vorontsova", LIST, name=hostile)
    await say(system, "manual-vorontsova", PEOPLE, name=hostile)
    await say(system, "manual-vorontsova", f"{{ {hostile}")
    await say(system, hostile, "{ viewer { metaRole } }")
    await system.http.get(f"{system.api}/vk-id/callback?code={quote(hostile)}&state={quote(hostile)}")
    await system.http.get(f"{system.api}/{quote(hostile)}?{quote(hostile)}")
    await raw(system, hostile)
    await over_websocket(system, hostile)


async def raw(system: System, hostile: str) -> None:
    """Request lines and headers that no client library would send."""
    headers = "".join(
        f"{name}: {hostile}\r\n"
        for name in ("User-Agent", "X-Request-Id", "Accept-Language", "Origin", "Authorization", "traceparent")
    )
    for head in (f"GET /graphql?{hostile} HTTP/1.1\r\nHost: x\r\n", "POST /graphql HTTP/1.1\r\nHost: x\r\n"):
        reader, writer = await asyncio.open_connection("127.0.0.1", system.settings.port)
        writer.write(f"{head}{headers}Connection: close\r\n\r\n".encode())
        await writer.drain()
        await asyncio.wait_for(reader.read(100), 5)
        writer.close()


async def over_websocket(system: System, hostile: str) -> None:
    url = f"{system.api.replace('http', 'ws', 1)}/graphql"
    for payload in ({"authorization": hostile}, {"authorization": f"Bearer {system.token('manual-vorontsova')}"}):
        async with connect(url, subprotocols=[Subprotocol("graphql-transport-ws")], proxy=None) as opened:
            subscribe = {"query": LIST, "variables": {"name": hostile}}
            for message in (
                {"type": "connection_init", "payload": payload},
                {"type": "subscribe", "id": hostile, "payload": subscribe},
                {"type": hostile, "id": hostile},
            ):
                await opened.send(json.dumps(message))
            await asyncio.wait_for(opened.wait_closed(), 5)


def lines_of(log: Path) -> list[Any]:
    """Each line, as a person's terminal or a log's reader divides lines; a line that is no JSON object is None."""
    found = []
    for line in log.read_bytes().decode().splitlines():
        try:
            read = json.loads(line)
        except ValueError:
            read = None
        found.append(read if isinstance(read, dict) else None)
    return found


@pytest.mark.rule("AUDIT-02")
async def test_no_text_that_anybody_sends_forges_a_line_of_the_log_or_stands_in_it(
    database_url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SFERUM_LOG_LEVEL", "DEBUG")
    async with running_system(database_url=database_url, redis_url=redis_url, data_dir=tmp_path, workers=1) as system:
        organization = await system.container.use_cases().found_organization(
            school_id="school-manual", name=PLANTED, time_zone="Europe/Moscow"
        )
        assert organization
        assert await say(system, "manual-roster", TELL, scope="roster", events=ROSTER) == 200
        role = {"roleGranted": {"key": "a", "personId": "manual-vorontsova", "role": "ORGANIZATION_ADMINISTRATOR"}}
        assert await say(system, "manual-roster", TELL, scope="roster", events=[role]) == 200
        for hostile in HOSTILE:
            await use(system, hostile)
        # Now each statement fails, and the database's word for it holds what it was given.
        async with system.container.engine().begin() as connection:
            for table in ("chats", "participants", "videoconferences", "answers", "classes"):
                await connection.execute(text(f"alter table {table} add constraint never check (false) not valid"))
            await connection.execute(text("alter table chats rename column search_key to gone"))
            await connection.execute(text("alter table participants rename column search_key to gone"))
        for hostile in HOSTILE:
            await use(system, hostile)
    logs = [tmp_path / "api.log", tmp_path / "worker-0.log"]

    lines = [line for log in logs for line in lines_of(log)]
    texts = "".join(log.read_text() for log in logs)

    print(f"{len(lines)} lines, every line parses" if None not in lines else "a line does not parse")
    assert None not in lines
    assert [line for line in lines if line.get("event") == "forged"] == []
    assert PLANTED not in texts
    assert "Воронцова" not in texts
    # There was something to say it in: each kind of thing broke.
    assert sum(line["event"] == "operation_broke" for line in lines) > 4 * len(HOSTILE)
