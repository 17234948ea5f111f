"""Other people's keys: what a killed worker does to them, and that they stand nowhere in plain (promises P10, P17)."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis.asyncio
from sqlalchemy import text

from domain.ids import PersonId
from infrastructure.sandbox.visitor import sms_reader, walk_through
from tests.e2e.school import listen, make_conference, open_school
from tests.e2e.system import PATIENCE_SECONDS, System, running_system

LINK = "{ viewer { accountLink { status profile { displayName } } sferumUrl } }"
BEGIN = "mutation { beginAccountLink { ... on AuthorizationRequest { url } } }"
COMPLETE = """mutation ($input: CompleteAccountLinkInput!) { completeAccountLink(input: $input) {
  ... on AccountLinked { accountLink { status } } ... on Refusal { problems { code message } } } }"""
UNLINK = """mutation { unlinkAccount(confirmed: true) {
  ... on AccountUnlinked { accountLink { status } } ... on Refusal { problems { code message } } } }"""
TEACHER = PersonId("manual-teacher")


async def sql(system: System, statement: str) -> list[Any]:
    async with system.container.engine().begin() as connection:
        answer = await connection.execute(text(statement))
        return [tuple(row) for row in answer] if answer.returns_rows else []


async def until(is_so: Callable[[], Awaitable[Any]]) -> Any:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not (found := await is_so()):
            await asyncio.sleep(0.02)
        return found


async def order(system: System, **fault: Any) -> None:
    (await system.http.post(f"{system.sandbox}/control/faults", json=fault)).raise_for_status()


async def refreshes(system: System) -> list[Any]:
    lines = await system.control("requests")
    return [line for line in lines if line["parameters"].get("grant_type") == "refresh_token"]


@pytest.mark.rule("LINK-11")
async def test_a_worker_killed_between_vk_id_s_answer_and_its_storing_leaves_a_broken_link_and_no_loop(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    async with running_system(database_url=database_url, redis_url=redis_url, data_dir=tmp_path, workers=0) as system:
        school = await open_school(system)
        await system.link("teacher", school.teacher)
        await sql(system, "update account_links set renewed_at = renewed_at - interval '130 days'")
        await order(system, method="/id/oauth2/auth", kind="delay", ms=1500)

        system.start("worker-0", "worker")
        await until(lambda: sql(system, "select 1 from account_links where refresh_claimed_until is not null"))
        async with system.container.engine().begin() as storing:
            await storing.execute(text("select 1 from account_links for update"))
            # VK ID has answered, and the worker waits to store the new pair.
            await until(lambda: refreshes(system))
            waits = "select 1 from pg_stat_activity where wait_event_type = 'Lock'"
            await until(lambda: sql(system, waits))
            system.kill("worker-0")
        kept = await sql(system, "select tokens is not null, refresh_claimed_until is not null from account_links")

        # Time passes until another one may refresh.
        await sql(system, "update account_links set refresh_claimed_until = clock_timestamp()")
        system.start("worker-1", "worker")
        await until(lambda: sql(system, "select 1 from account_links where tokens is null"))
        again = [await system.container.use_cases().keep_links_alive() for _ in range(5)]
        asked = await refreshes(system)
        events = await sql(system, "select what from outbox where subject = 'account' order by id")
        viewer = (await system.ask(school.teacher, LINK))["viewer"]
        await system.link("teacher", school.teacher)
        anew = (await system.ask(school.teacher, LINK))["viewer"]

    assert kept == [(True, True)]
    assert [line["status"] for line in asked] == [200, 200], "the dead token was tried once, and never again"
    assert again == [0] * 5
    assert events == [("AccountLinked",), ("AccountLinkBroke",)]
    assert viewer["accountLink"]["status"] == "BROKEN"
    assert anew["accountLink"]["status"] == "LINKED"


@pytest.mark.rule("LINK-08")
async def test_what_was_unlinked_while_vk_id_was_down_is_revoked_soon_after_it_is_back(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    async with running_system(database_url=database_url, redis_url=redis_url, data_dir=tmp_path) as system:
        school = await open_school(system)
        await system.link("teacher", school.teacher)
        system.kill("sandbox")

        await system.ask(school.teacher, UNLINK)
        at_once = await sql(system, "select count(*) from account_links")
        await until(lambda: sql(system, "select 1 from revocations where tries >= 2"))
        system.start("sandbox", "sandbox")
        await system.until_ready()
        healed = datetime.now(UTC)
        await until(lambda: _none(system, "select 1 from revocations"))
        took = datetime.now(UTC) - healed
        told = [line for line in await system.control("requests") if line["path"] == "/id/oauth2/revoke"]

    print(f"tokens gone locally at once; revoke delivered within {took.total_seconds():.1f} s of healing")
    assert at_once == [(0,)]
    assert [line["status"] for line in told] == [200]
    assert took < timedelta(seconds=20)


async def _none(system: System, statement: str) -> bool:
    return not await sql(system, statement)


# Nowhere in plain


@asynccontextmanager
async def monitored(url: str) -> AsyncIterator[list[str]]:
    """Every command that Redis is given meanwhile."""
    heard: list[str] = []
    client = redis.asyncio.Redis.from_url(url)

    async def listen_in() -> None:
        async with client.monitor() as monitor:
            async for command in monitor.listen():
                heard.append(str(command))

    task = asyncio.create_task(listen_in())
    await asyncio.sleep(0.2)
    yield heard
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await client.aclose()


async def dump_of_postgres(system: System) -> bytes:
    """All tables as text, what they keep as bytes in plain too."""
    tables = await sql(system, "select tablename from pg_tables where schemaname = 'public'")
    dumped = b""
    for (table,) in tables:
        for row in await sql(system, f'select * from "{table}"'):
            dumped += b"\n".join(each if isinstance(each, bytes) else str(each).encode() for each in row) + b"\n"
    return dumped


async def dump_of_redis(url: str) -> bytes:
    """Every key with its value as Redis would write it down."""
    client = redis.asyncio.Redis.from_url(url)
    dumped = b""
    async for key in client.scan_iter():
        dumped += key + b"\n" + (await client.dump(key) or b"") + b"\n"
    await client.aclose()
    return dumped


def issued(path: Path) -> dict[str, set[str]]:
    """All tokens, codes and devices that the sandbox ever issued, by kind."""
    secrets: dict[str, set[str]] = {}
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        for kind, token in connection.execute("select kind, token from tokens"):
            secrets.setdefault(kind, set()).add(token)
        for kind, found in connection.execute(
            "select 'code', code from codes union all select 'device', device_id from codes"
        ):
            secrets.setdefault(kind, set()).add(found)
    return secrets


def logs_in(data_dir: Path) -> dict[str, bytes]:
    """Those of our own processes."""
    return {path.name: path.read_bytes() for path in data_dir.glob("*.log") if path.name != "sandbox.log"}


async def come_back(system: System, token: str) -> str:
    """A callback that nobody has opened yet."""
    begun = await system.ask(token, BEGIN)
    phone = next(each["phone"] for each in await system.control("people") if each["login"] == "vorontsova")
    async with httpx.AsyncClient(trust_env=False) as browser:
        departed = await browser.get(begun["beginAccountLink"]["url"])
        sms = sms_reader(browser, system.sandbox)
        return await walk_through(browser, departed.headers["location"], phone=phone, sms=sms)


@pytest.mark.rule("AUDIT-02")
async def test_tokens_are_encrypted_at_rest_and_stand_in_no_dump_log_job_or_answer(
    database_url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SFERUM_LOG_LEVEL", "DEBUG")
    answers = list[bytes]()
    verifiers = set[str]()

    async def keep(answer: httpx.Response) -> None:
        if str(answer.url).startswith(system.api):
            answers.append(str(answer.headers).encode() + await answer.aread())

    async with (
        running_system(database_url=database_url, redis_url=redis_url, data_dir=tmp_path, prepare_seconds=1) as system,
        monitored(redis_url) as commands,
    ):
        system.http.event_hooks["response"].append(keep)
        school = await open_school(system)
        vorontsova = system.token("manual-vorontsova")
        page = await system.link("teacher", school.teacher)
        answers.append(str(page.headers).encode() + page.content)

        # A call, many refreshes, and each way of failing.
        starts_at = datetime.now(UTC) + timedelta(seconds=2)
        conference = await make_conference(system, school, starts_at, timedelta(seconds=2))
        heard = await listen(system, school.pupil, conference["id"])
        answers.append(repr(heard).encode())
        for kind in ("lost", "html", "truncated", "refused"):
            await order(system, method="/id/oauth2/user_info", kind=kind)
            back = await come_back(system, vorontsova)
            answers.append((await system.http.get(back)).content)
            given = dict(httpx.URL(back).params)
            form = {"state": given["state"], "code": given["code"], "deviceId": given["device_id"]}
            await system.ask(vorontsova, COMPLETE, input=form)
        await sql(system, "alter table account_links add constraint never check (tokens is null) not valid")
        back = await come_back(system, vorontsova)
        given = dict(httpx.URL(back).params)
        form = {"state": given["state"], "code": given["code"], "deviceId": given["device_id"]}
        broke = await system.http.post(
            f"{system.api}/graphql",
            json={"query": COMPLETE, "variables": {"input": form}},
            headers={"Authorization": f"Bearer {vorontsova}"},
        )
        await sql(system, "alter table account_links drop constraint never")
        tokens = system.container.access_tokens()
        access = await tokens(TEACHER)
        for _ in range(250):
            access = await tokens.renewed(TEACHER, access)
        # What is still to be revoked lies there as well.
        await order(system, method="/id/oauth2/revoke", kind="status", times=100, code=503)
        await system.ask(school.teacher, UNLINK)
        await until(lambda: sql(system, "select 1 from revocations where tries > 0"))
        await system.link("teacher", school.teacher)

        cipher = system.container.cipher()
        verifiers = {cipher.open(sealed) or "" for (sealed,) in await sql(system, "select verifier from link_attempts")}
        secrets = issued(tmp_path / "sandbox" / "sandbox.sqlite") | {"verifier": verifiers}
        places = {
            "Postgres": await dump_of_postgres(system),
            "Redis": await dump_of_redis(redis_url) + "\n".join(commands).encode(),
            "answers": b"\n".join(answers) + json.dumps(await system.ask(vorontsova, LINK)).encode(),
        }
        states = {state for (state,) in await sql(system, "select state from link_attempts")}
        people = await system.control("people")
    logs = logs_in(tmp_path)
    places |= logs

    all_secrets = {each for kind in secrets.values() for each in kind}
    hits = [(place, kind) for place, dump in places.items() for kind, of in secrets.items() if _hit(dump, of)]
    tokens_issued = len(secrets["access"] | secrets["refresh"])
    print(f"{len(hits)} hits of {tokens_issued} tokens, {len(all_secrets)} secrets in dump, Redis, logs, answers")
    assert hits == []
    assert _hit(places["Postgres"], states), "what is not sealed is found"
    assert tokens_issued >= 500
    assert len(secrets["code"]) >= 6
    assert len(verifiers) >= 6
    assert "errors" in broke.json()
    assert len(commands) > 10
    assert {"api.log", "worker-0.log", "worker-1.log"} == set(logs)
    assert b"operation_broke" in logs["api.log"]
    # Neither phones nor names of people: of the two who linked, nor of the school's.
    linked = [person for person in people if person["login"] in {"teacher", "vorontsova"}]
    personal = {"Орлова", "Воронцова", "Белов", *(person["phone"] for person in linked)}
    personal |= {profile["name"] for person in linked for profile in person["profiles"]}
    assert [(name, word) for name, log in logs.items() for word in personal if word.encode() in log] == []


def _hit(dump: bytes, secrets: set[str]) -> bool:
    return any(secret.encode() in dump for secret in secrets)
