"""Many use, lose and give up an account's tokens at once, before real servers (promises P17 and P18)."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from application.account_links import CompletedLink, read_callback
from application.ports import MessengerFailed, Trouble
from domain.access import Viewer
from domain.account_link import Tokens
from domain.audit import SCHEDULE
from domain.errors import Refused
from domain.ids import PersonId
from infrastructure.container import assembled
from infrastructure.db.account_links import open_tokens
from infrastructure.sandbox.visitor import sms_reader, walk_through
from tests.graphql_api import linking as links
from tests.graphql_api.linking import UNLINK, Linking, a_browser

linking = links.linking

REFRESHES = "/id/oauth2/auth"


async def come_back(
    linking: Linking, browser: httpx.AsyncClient, person: PersonId, phone: str
) -> Callable[[], Awaitable[CompletedLink]]:
    """Whoever it is, without a log-in, goes to VK ID; what completes the link when it is called."""
    use_cases = linking.api.container.use_cases()
    begun = await use_cases.begin_account_link(Viewer(person), None)
    departure = await use_cases.depart_for_vk_id(begun.id)
    back = await walk_through(browser, departure.url, phone=phone, sms=sms_reader(browser, linking.sandbox.url))
    callback = read_callback(dict(parse_qsl(urlsplit(back).query)))
    return partial(use_cases.complete_account_link, callback, browser=departure.browser)


async def link_person(linking: Linking, browser: httpx.AsyncClient, person: PersonId, phone: str) -> None:
    """All the way."""
    complete = await come_back(linking, browser, person, phone)
    await complete()


def owners(linking: Linking, number: int) -> list[tuple[PersonId, str]]:
    """People with a VK ID and an education profile, and their phones."""
    people = [person for person in linking.sandbox.people() if person["profiles"] and person["password"]]
    assert len(people) >= number
    return [(PersonId(f"person {each}"), person["phone"]) for each, person in enumerate(people[:number])]


async def tokens_of(linking: Linking, person: PersonId) -> Tokens | None:
    rows = await linking.sql("select tokens from account_links where person_id = :person", person=person)
    return open_tokens(rows[0][0], linking.api.container.cipher()) if rows and rows[0][0] else None


async def deliver_all(linking: Linking) -> None:
    async with asyncio.timeout(20):
        while (await linking.sql("select count(*) from revocations"))[0][0]:
            if not await linking.api.container.use_cases().deliver_revocations():
                await asyncio.sleep(0.05)


def works(linking: Linking, access: str) -> bool:
    return "user" in linking.sandbox.oauth("user_info", access_token=access)


def refreshes(linking: Linking) -> int:
    return sum(line["parameters"].get("grant_type") == "refresh_token" for line in linking.requests(REFRESHES))


async def test_of_fifty_parallel_users_of_one_account_at_its_token_s_expiry_one_refreshes(linking: Linking) -> None:
    linking.sandbox.change(access_token_s=1)
    [(person, phone)] = owners(linking, 1)
    async with a_browser() as browser:
        await link_person(linking, browser, person, phone)
    linking.sandbox.change(access_token_s=3600)
    before = refreshes(linking)
    await asyncio.sleep(1)

    async with assembled(linking.api.container.settings()) as another_process:
        both = linking.api.container.access_tokens(), another_process.access_tokens()
        handed_out = await asyncio.gather(*(both[number % 2](person) for number in range(50)))

    made = refreshes(linking) - before
    kept = await tokens_of(linking, person)
    print(f"{len(handed_out)} calls, {made} refresh")
    assert made == 1
    assert kept is not None
    assert set(handed_out) == {kept.access}
    assert works(linking, kept.access)


@pytest.mark.rule("LINK-11")
async def test_after_lost_answers_of_the_token_endpoint_nobody_is_unlinked_in_silence(linking: Linking) -> None:
    linking.sandbox.change(access_token_s=1)
    people = owners(linking, 20)
    async with a_browser() as browser:
        for person, phone in people:
            await link_person(linking, browser, person, phone)
        await asyncio.sleep(1)
        linking.sandbox.change(access_token_s=3600)
        linking.sandbox.order(method=REFRESHES, kind="lost", times=20)

        async def use(person: PersonId) -> Trouble | None:
            try:
                await linking.api.container.access_tokens()(person)
            except MessengerFailed as failed:
                return failed.trouble
            return None

        lost = [await use(person) for person, _ in people]
        then = [await use(person) for person, _ in people]
        asked = refreshes(linking)
        after = [await use(person) for person, _ in people]
        no_loop = refreshes(linking) - asked
        events = await linking.sql("select payload->>'person' from outbox where what = 'AccountLinkBroke'")
        broken = await linking.sql("select person_id from account_links where tokens is null")
        for person, phone in people[:3]:
            await link_person(linking, browser, person, phone)
        anew = [await use(person) for person, _ in people[:3]]

    silent = [person for person, _ in people if (person,) not in broken or (person,) not in events]
    print(f"after {lost.count(Trouble.UNAVAILABLE)} lost answers {len(silent)} users unlinked silently")
    assert lost == [Trouble.UNAVAILABLE] * 20
    assert then == after == [Trouble.RELINK_NEEDED] * 20
    assert no_loop == 0
    assert silent == []
    assert anew == [None] * 3


@pytest.mark.rule("LINK-11")
async def test_a_token_that_vk_id_withdrew_is_noticed_when_it_is_used_and_the_user_is_asked_to_link_anew(
    linking: Linking,
) -> None:
    await linking.link("vorontsova")
    [(person,)] = await linking.sql("select person_id from account_links order by linked_at desc limit 1")
    tokens = await tokens_of(linking, person)
    assert tokens is not None
    linking.sandbox.oauth("revoke", access_token=tokens.access)

    with pytest.raises(MessengerFailed) as failed:
        await linking.api.container.messenger().open_calls(person)
    viewer = (await linking.api.data("vorontsova", links.LINK))["viewer"]
    again = await linking.link("vorontsova")

    assert failed.value.trouble is Trouble.RELINK_NEEDED
    assert viewer["accountLink"]["status"] == "BROKEN"
    assert viewer["accountLink"]["profile"]["displayName"]
    assert again.status_code == 200
    assert await linking.status("vorontsova") == "LINKED"


@pytest.mark.rule("LINK-08")
async def test_whoever_unlinks_amid_refreshes_and_callbacks_stays_unlinked_and_no_pair_survives(
    linking: Linking,
) -> None:
    use_cases, cipher = linking.api.container.use_cases(), linking.api.container.cipher()
    [(person, phone)] = owners(linking, 1)
    outcomes: list[str] = []
    came_back: list[str] = []
    survivors: list[str] = []
    async with a_browser() as browser:
        for number in range(15):
            complete_another = await come_back(linking, browser, person, phone)
            await link_person(linking, browser, person, phone)
            tokens = await tokens_of(linking, person)
            assert tokens is not None

            async def unlink(delay: float) -> None:
                await asyncio.sleep(delay)
                await use_cases.unlink_account(Viewer(person), confirmed=True)

            results = await asyncio.gather(
                linking.api.container.access_tokens().renewed(person, tokens.access),
                complete_another(),
                unlink(number * 0.003),
                return_exceptions=True,
            )
            outcomes += [type(result).__name__ for result in results]
            if await tokens_of(linking, person) is not None:
                came_back.append(f"round {number}")
            sealed = [row[0] for row in await linking.sql("select tokens from revocations")]
            given_up = [json.loads(cipher.open(each) or "") for each in sealed]
            handed_out = [result for result in results if isinstance(result, str)]
            await deliver_all(linking)
            known = {tokens.access, *handed_out, *(each["access"] for each in given_up)}
            survivors += [access for access in known if works(linking, access)]

    assert came_back == []
    assert survivors == []
    assert "NoneType" in outcomes
    assert {"Refused", "LinkRefused"} & set(outcomes)
    assert set(outcomes) <= {"str", "NoneType", "Refused", "LinkRefused", "MessengerFailed"}


@pytest.mark.rule("LINK-08")
async def test_while_vk_id_is_away_the_tokens_are_gone_here_at_once_and_it_is_told_when_it_is_back(
    linking: Linking,
) -> None:
    await linking.link("vorontsova")
    [(person,)] = await linking.sql("select person_id from account_links order by linked_at desc limit 1")
    tokens = await tokens_of(linking, person)
    assert tokens is not None
    for kind in ("refused", "html", "status", "lost"):
        linking.sandbox.order(method="/id/oauth2/revoke", kind=kind, times=1)
    deliver = linking.api.container.use_cases().deliver_revocations

    unlinked = await linking.api.data("vorontsova", UNLINK, confirmed=True)
    gone = await tokens_of(linking, person)
    tried, pauses = 0, list[timedelta]()
    while await linking.sql("select 1 from revocations"):
        tried += await deliver()
        pauses += [row[0] for row in await linking.sql("select due_at - clock_timestamp() from revocations")]
        await linking.sql("update revocations set due_at = clock_timestamp()")

    print(f"tokens gone locally at once; revoked at try {tried}, pauses {[round(p.total_seconds()) for p in pauses]} s")
    assert unlinked["unlinkAccount"]["__typename"] == "AccountUnlinked"
    assert gone is None
    assert not works(linking, tokens.access)
    assert tried >= 5
    assert pauses == sorted(pauses)


async def test_an_expired_pair_is_refreshed_and_then_revoked(linking: Linking) -> None:
    linking.sandbox.change(access_token_s=1)
    await linking.link("vorontsova")
    await asyncio.sleep(1.1)
    await linking.api.data("vorontsova", UNLINK, confirmed=True)
    before = refreshes(linking), len(linking.requests("/id/oauth2/revoke"))
    linking.sandbox.change(access_token_s=3600)

    await deliver_all(linking)

    assert (refreshes(linking) - before[0], len(linking.requests("/id/oauth2/revoke")) - before[1]) == (1, 1)


async def test_two_who_bring_one_profile_at_once_leave_one_link_that_works(linking: Linking) -> None:
    [(_, phone)] = owners(linking, 1)

    people = [PersonId(each) for each in ("one", "two")]
    async with a_browser() as browser:
        complete = [await come_back(linking, browser, person, phone) for person in people]

    results = await asyncio.gather(*(each() for each in complete), return_exceptions=True)
    await deliver_all(linking)

    async with linking.api.container.begin()(SCHEDULE) as uow:
        found = [await uow.account_links.find(person) for person in people]
    (link,) = [each for each in found if each is not None]
    assert [isinstance(result, Refused) for result in results].count(True) == 1
    assert link.tokens is not None
    assert works(linking, link.tokens.access)
