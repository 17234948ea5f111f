"""A new key takes over while the service runs, and the old one is of no more use afterwards."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from application.account_links import AccessTokens
from application.ports import Begin
from domain.account_link import Revocation
from domain.audit import SCHEDULE
from domain.ids import PersonId
from graphql_api import cli
from infrastructure.db import rotation
from infrastructure.db.cipher import Cipher
from infrastructure.db.engine import create_engine
from infrastructure.db.rotation import Rotated, rotate
from infrastructure.db.unit_of_work import units_of_work
from infrastructure.settings import load_settings
from tests.builders import MONDAY_0800, an_account_link, an_attempt, put, some_tokens
from tests.fakes.identity_provider import FakeIdentityProvider
from tests.fakes.storage import Clock

OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))
COLUMNS = ("account_links.tokens", "link_attempts.verifier", "revocations.tokens")


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(load_settings(environment="development", database_url=database_url))
    yield engine
    await engine.dispose()


async def seal_some(begin: Begin, links: int) -> None:
    """Links, an attempt and a revocation."""
    await put(begin, links=[an_account_link(f"person {number:03}") for number in range(links)])
    await put(begin, links=[an_account_link("broken", broken=True)], attempts=[an_attempt()])
    async with begin(SCHEDULE) as uow:
        await uow.revocations.save(Revocation(profile_id=None, tokens=some_tokens(), due_at=MONDAY_0800))


async def opened(begin: Begin, links: int) -> list[object]:
    """What is read back of them."""
    async with begin(SCHEDULE) as uow:
        found = [await uow.account_links.find(PersonId(f"person {number:03}")) for number in range(links)]
        attempt = await uow.account_links.find_attempt(id="attempt")
        revocations = await uow.revocations.due(MONDAY_0800, limit=10)
    assert attempt is not None
    return [*(link.tokens for link in found if link), attempt.verifier, *(each.tokens for each in revocations)]


@pytest.mark.rule("AUDIT-02")
async def test_old_keys_still_read_and_after_the_rotation_the_new_one_alone_reads_all(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "AT_ONCE", 3)
    await seal_some(units_of_work(engine, Cipher(OLD)), links=7)
    both, new = Cipher(f"{NEW},{OLD}"), Cipher(NEW)

    before = await opened(units_of_work(engine, both), links=7)
    rotated = [await rotate(engine, both) for _ in range(2)]
    after = await opened(units_of_work(engine, new), links=7)

    assert rotated[0] == dict(zip(COLUMNS, (Rotated(7), Rotated(1), Rotated(1)), strict=True))
    assert rotated[1] == dict.fromkeys(COLUMNS, Rotated())
    assert before == after
    assert len(after) == 9


async def test_what_no_key_opens_is_counted_and_left_as_it_is(engine: AsyncEngine) -> None:
    await seal_some(units_of_work(engine, Cipher(OLD)), links=1)

    rotated = await rotate(engine, Cipher(NEW))

    assert rotated == dict.fromkeys(COLUMNS, Rotated(shut=1))
    assert len(await opened(units_of_work(engine, Cipher(OLD)), links=1)) == 3


@pytest.mark.rule("AUDIT-02")
async def test_a_link_that_is_refreshed_during_the_rotation_keeps_its_new_pair(engine: AsyncEngine) -> None:
    clock = Clock(MONDAY_0800)
    vk_id = FakeIdentityProvider(clock)
    both = Cipher(f"{NEW},{OLD}")
    begin = units_of_work(engine, Cipher(OLD), read_clock=lambda _: asyncio.sleep(0, clock.now))
    people = [PersonId(f"person {number:03}") for number in range(20)]
    links = []
    for person in people:
        link = an_account_link(person)
        link.tokens = vk_id.issue(link.profile)
        links.append(link)
    await put(begin, links=links)
    tokens = AccessTokens(units_of_work(engine, both, read_clock=lambda _: asyncio.sleep(0, clock.now)), vk_id)

    async def refuse(person: PersonId, access: str) -> str:
        await asyncio.sleep(0.001)
        return await tokens.renewed(person, access)

    olds = [link.tokens for link in links if link.tokens]
    handed_out, *_ = await asyncio.gather(
        asyncio.gather(*(refuse(person, old.access) for person, old in zip(people, olds, strict=True))),
        *(rotate(engine, both) for _ in range(3)),
    )
    await rotate(engine, both)

    async with units_of_work(engine, Cipher(NEW))(SCHEDULE) as uow:
        kept = [await uow.account_links.find(person) for person in people]
    assert [link.tokens.access for link in kept if link and link.tokens] == handed_out
    assert all(link is not None and link.tokens is not None and vk_id.works(link.tokens) for link in kept)


@pytest.mark.rule("AUDIT-02")
async def test_the_command_says_how_many_it_sealed_anew(
    engine: AsyncEngine, database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    await seal_some(units_of_work(engine, Cipher(OLD)), links=2)
    monkeypatch.setenv("SFERUM_DATABASE_URL", database_url)
    monkeypatch.setenv("SFERUM_TOKEN_KEYS", f"{NEW},{OLD}")

    codes = [await asyncio.to_thread(cli.main, ["rotate-token-keys"]) for _ in range(2)]

    assert codes == [0, 0]
    assert capsys.readouterr().out.splitlines() == [
        "account_links.tokens: 2 sealed anew",
        "link_attempts.verifier: 1 sealed anew",
        "revocations.tokens: 1 sealed anew",
        "account_links.tokens: 0 sealed anew",
        "link_attempts.verifier: 0 sealed anew",
        "revocations.tokens: 0 sealed anew",
    ]


async def test_a_revocation_whose_key_is_gone_waits_for_it_and_holds_up_nobody(engine: AsyncEngine) -> None:
    await seal_some(units_of_work(engine, Cipher(OLD)), links=0)
    begin = units_of_work(engine, Cipher(NEW))
    mine = Revocation(profile_id=None, tokens=some_tokens("mine"), due_at=MONDAY_0800)

    async with begin(SCHEDULE) as uow:
        await uow.revocations.save(mine)
        found = [each.id for each in await uow.revocations.due(MONDAY_0800, limit=10)]
    async with engine.connect() as connection:
        kept = (await connection.execute(text("select count(*) from revocations"))).scalar_one()

    assert found == [mine.id]
    assert kept == 2
