"""Linking and unlinking over HTTP, as browsers, apps and attackers do it (promises P13 to P16)."""

import asyncio
import json
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import httpx
import pytest

from domain.access import Viewer
from domain.errors import ProblemCode
from domain.ids import PersonId
from graphql_api.messages import MESSAGES
from tests.graphql_api import linking as links
from tests.graphql_api.linking import BEGIN, LINK, UNLINK, Linking, a_browser, caught, changed, parameters_of

linking = links.linking

RETURN_TO = "https://school.example/sferum?from=link"
APP = "sferum-school://linked"


@pytest.fixture(autouse=True)
def return_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that the operator allows."""
    monkeypatch.setenv("SFERUM_RETURN_ADDRESSES", f"{RETURN_TO},{APP}")


def codes(result: Any) -> list[str]:
    return [problem["code"] for problem in result.get("problems", [])]


def says(page: str, code: str) -> bool:
    return MESSAGES[ProblemCode(code)][0] in page


# The way there and back


@pytest.mark.rule("LINK-05", "LINK-06", "LINK-07")
async def test_after_linking_the_viewer_sees_the_link_and_the_way_to_sferum_and_before_it_neither(
    linking: Linking,
) -> None:
    before = (await linking.api.data("vorontsova", LINK))["viewer"]
    page = await linking.link("vorontsova")
    after = (await linking.api.data("vorontsova", LINK))["viewer"]

    assert before == {"accountLink": {"status": "NOT_LINKED", "linkedAt": None, "profile": None}, "sferumUrl": None}
    assert page.status_code == 200
    assert after["accountLink"]["status"] == "LINKED"
    assert after["accountLink"]["profile"]["displayName"]
    assert after["accountLink"]["linkedAt"].endswith("+03:00")
    assert after["sferumUrl"] == "https://web.vk.me/"


async def test_the_page_names_the_school_account_and_how_to_undo_it_and_leads_back(linking: Linking) -> None:
    async with a_browser() as browser:
        page = await browser.get(await linking.came_back("vorontsova", browser, RETURN_TO))

    assert "Елена Владимировна В." in page.text
    assert "«Отвязать учётную запись»" in page.text
    assert f'href="{RETURN_TO}"' in page.text
    assert "Воронцова" not in page.text


@pytest.mark.rule("LINK-10")
@pytest.mark.parametrize("form", ["plain", "payload"])
async def test_a_client_that_caught_the_callback_completes_it_for_the_user_who_began(
    linking: Linking, form: str
) -> None:
    async with a_browser() as browser:
        back = await linking.came_back("vorontsova", browser)
    given = caught(back) if form == "plain" else {"payload": json.dumps(parameters_of(back))}

    foreign = await linking.complete("pupil", **given)
    own = await linking.complete("vorontsova", **given)
    again = await linking.complete("vorontsova", **given)

    assert codes(foreign) == ["STATE_OF_ANOTHER_USER"]
    assert own["__typename"] == "AccountLinked"
    assert own["accountLink"]["status"] == "LINKED"
    assert own["accountLink"]["profile"]["displayName"]
    assert codes(again) == ["STATE_USED"]
    assert await linking.status("pupil") == "NOT_LINKED"


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({}, "STATE_UNKNOWN"),
        ({"state": ""}, "STATE_UNKNOWN"),
        ({"error": "access_denied"}, "STATE_UNKNOWN"),
        ({"payload": "no JSON"}, "STATE_UNKNOWN"),
        ({"payload": "[" * 50_000}, "STATE_UNKNOWN"),
        ({"payload": "[1]"}, "STATE_UNKNOWN"),
        ({"state": "\x01", "code": "\x7f", "deviceId": "\n"}, "STATE_UNKNOWN"),
        ({"state": "s" * 100_000, "code": "c", "deviceId": "d"}, "STATE_UNKNOWN"),
        ({"payload": '{"state": "\\ud800"}'}, "STATE_UNKNOWN"),
        ({"payload": '{"state": {"$ne": null}}'}, "STATE_UNKNOWN"),
    ],
    ids=["nothing", "empty", "error", "no JSON", "deep", "no object", "control", "huge", "surrogate", "object"],
)
async def test_what_no_callback_looks_like_is_refused_by_name(linking: Linking, given: Any, code: str) -> None:
    result = await linking.complete("vorontsova", **given)
    names = {"deviceId": "device_id"}
    query = urlencode({names.get(name, name): value[:20_000] for name, value in given.items()})
    page = await linking.api.http.get(f"{linking.api.url}/vk-id/callback?{query}")

    assert codes(result) == [code]
    assert (page.status_code, says(page.text, code)) == (400, True)


async def test_nobody_departs_or_comes_back_with_what_is_no_attempt(linking: Linking) -> None:
    strange = ["", "unknown", "%00", "%ff", "x" * 20_000, "a%0d%0aSet-Cookie:%20x=y"]

    paths = [f"start?attempt={each}" for each in strange] + ["callback?state=%00&code=%00&device_id=%00"]
    pages = [await linking.api.http.get(f"{linking.api.url}/vk-id/{path}") for path in paths]

    assert [page.status_code for page in pages] == [400] * len(paths)
    assert all(says(page.text, "STATE_UNKNOWN") for page in pages)
    assert all("set-cookie" not in page.headers for page in pages)


# P13: attacks


@pytest.mark.rule("LINK-10")
async def test_no_attack_on_the_callback_links_anybody_and_each_is_told_what_to_do(linking: Linking) -> None:
    attacker, victim = "vorontsova", "pupil"
    told: dict[str, tuple[str, bool]] = {}
    async with a_browser() as browser, a_browser() as another:
        url = linking.api.url

        async def attack(
            name: str, code: str, change: Callable[[str], str] = str, *, foreign: bool = False, spoil: str = ""
        ) -> None:
            async with a_browser() as own:
                back = await linking.came_back(victim, own)
                if spoil:
                    await linking.sql(spoil)
                page = await (another if foreign else own).get(change(back))
            told[name] = (code, page.status_code == 400 and says(page.text, code))

        await attack("a wrong state", "STATE_UNKNOWN", lambda back: changed(back, state="w" * 64))
        await attack("no state", "STATE_UNKNOWN", lambda back: changed(back, state=None))
        await attack("an empty state", "STATE_UNKNOWN", lambda back: changed(back, state=""))
        await attack(
            "an expired state", "STATE_EXPIRED", spoil="update link_attempts set expires_at = clock_timestamp()"
        )
        await attack("a used state", "STATE_USED", spoil="update link_attempts set used = true")
        await attack("a browser that never went", "STATE_OF_ANOTHER_USER", foreign=True)
        await attack("no device", "AUTHORIZATION_DENIED", lambda back: changed(back, device_id=None))
        await attack("another device", "AUTHORIZATION_DENIED", lambda back: changed(back, device_id="another"))
        await attack("a forged code", "AUTHORIZATION_DENIED", lambda back: changed(back, code="forged"))
        await attack("the state twice", "STATE_UNKNOWN", lambda back: back + "&state=" + parameters_of(back)["state"])

        # The attacker's own code and state in the victim's browser, which is on its way as well.
        theirs = await linking.came_back(attacker, browser)
        await linking.depart(victim, another)
        page = await another.get(theirs)
        told["log-in CSRF"] = ("STATE_OF_ANOTHER_USER", says(page.text, "STATE_OF_ANOTHER_USER"))
        # The attacker's code under the victim's state.
        own = await linking.came_back(victim, another)
        page = await another.get(changed(own, **{name: parameters_of(theirs)[name] for name in ("code", "device_id")}))
        told["an injected code"] = ("AUTHORIZATION_DENIED", says(page.text, "AUTHORIZATION_DENIED"))
        # Somebody else's bearer.
        result = await linking.complete(victim, **caught(theirs))
        told["another user's log-in"] = ("STATE_OF_ANOTHER_USER", codes(result) == ["STATE_OF_ANOTHER_USER"])
        # No log-in at all.
        answer = await linking.api.http.post(f"{url}/graphql", json={"query": BEGIN})
        told["no log-in"] = ("UNAUTHENTICATED", answer.status_code == 401)

    linked = [login for login in (attacker, victim) if await linking.status(login) != "NOT_LINKED"]
    print(f"{len(told)} attacks, {len(linked)} linked accounts")
    assert {name: code for name, (code, said) in told.items() if not said} == {}
    assert len(told) >= 12
    assert linked == []


async def test_each_of_a_thousand_attempts_has_a_verifier_of_its_own_whose_s256_challenge_vk_id_sees(
    linking: Linking,
) -> None:
    cipher, use_cases = linking.api.container.cipher(), linking.api.container.use_cases()
    begun = len(linking.requests("/id/authorize"))

    async def depart(browser: httpx.AsyncClient) -> None:
        attempt = await use_cases.begin_account_link(Viewer(PersonId("somebody")), None)
        departure = await use_cases.depart_for_vk_id(attempt.id)
        assert (await browser.get(departure.url)).status_code == 200

    async with a_browser() as browser:
        for _ in range(100):
            await asyncio.gather(*(depart(browser) for _ in range(10)))

    rows = await linking.sql("select state, verifier from link_attempts")
    verifiers = {state: cipher.open(sealed) or "" for state, sealed in rows}
    seen = {
        line["parameters"]["state"]: line["parameters"]
        for line in linking.requests("/id/authorize")[begun:]
        if "code_challenge" in line["parameters"]
    }
    fit = [
        state
        for state, verifier in verifiers.items()
        if seen[state]["code_challenge"] == challenge_of(verifier) and seen[state]["code_challenge_method"] == "s256"
    ]
    print(f"{len(set(verifiers.values()))}/{len(verifiers)} verifiers unique, {len(fit)} S256 challenges seen")
    assert len(set(verifiers.values())) == len(verifiers) == len(fit) == 1000
    assert {43 <= len(verifier) <= 128 for verifier in verifiers.values()} == {True}
    assert min(map(len, verifiers)) >= 48
    assert not any(verifier in json.dumps(seen) for verifier in verifiers.values())


def challenge_of(verifier: str) -> str:
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()


# P14: once


@pytest.mark.rule("LINK-10")
async def test_twenty_parallel_callbacks_make_one_exchange_and_one_link(linking: Linking) -> None:
    asked = len(linking.requests("/id/oauth2/auth"))
    before = await linking.sql("select person_id from account_links")
    async with a_browser() as browser:
        back = await linking.came_back("vorontsova", browser)
        pages = await asyncio.gather(*(browser.get(back) for _ in range(20)))
        late = await browser.get(back)

    exchanges = len(linking.requests("/id/oauth2/auth")) - asked
    links = len(await linking.sql("select person_id from account_links")) - len(before)
    print(f"20 parallel callbacks: {exchanges} token request, {links} link row")
    assert (exchanges, links) == (1, 1)
    assert sorted(page.status_code for page in pages) == [200] + [400] * 19
    # Whoever lost the race has lost the cookie to who won it, or finds the state used.
    lost = [page.text for page in pages if page.status_code == 400]
    assert all(says(text, "STATE_USED") or says(text, "STATE_OF_ANOTHER_USER") for text in lost)
    assert late.status_code == 400
    assert await linking.status("vorontsova") == "LINKED"


# P15: nobody is led away

EVIL = [
    "https://evil.example/",
    "http://evil.example",
    "//evil.example",
    "///evil.example",
    "////evil.example/%2e%2e",
    "\\\\evil.example",
    "/\\evil.example",
    "\\/evil.example",
    "https:evil.example",
    "https:/evil.example",
    "https:///evil.example",
    "https://school.example@evil.example/sferum",
    "https://school.example:pass@evil.example/",
    "https://school.example.evil.example/sferum",
    "https://evil.example/https://school.example/sferum?from=link",
    "https://evil.example#https://school.example/sferum?from=link",
    "%2F%2Fevil.example",
    "%2f%2fevil.example%2f",
    "https://school.example%2F@evil.example",
    "https://school。example/sferum?from=link",
    "https://schооl.example/sferum?from=link",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "\tjavascript:alert(1)",
    "java\nscript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:msgbox(1)",
    f"{RETURN_TO}&next=//evil.example",
    f"{RETURN_TO}\r\nLocation: https://evil.example",
    f" {RETURN_TO}",
    f"{RETURN_TO}/../../evil",
    "https://school.example/" + "a" * 20_000,
    "sferum-school://linked@evil.example",
    f"{APP}/",
]


async def test_no_address_leads_a_browser_away_from_where_the_operator_allows(linking: Linking) -> None:
    led_away = []
    for address in EVIL:
        begun = (await linking.api.data("vorontsova", BEGIN, returnTo=address))["beginAccountLink"]
        if codes(begun) != ["RETURN_ADDRESS_NOT_ALLOWED"]:
            led_away.append(f"returnTo {address}")
    async with a_browser() as browser:
        for address in EVIL:
            names = ("next", "return_to", "returnTo", "redirect_uri", "url", "state_return", "continue")
            query = urlencode(dict.fromkeys(names, address[:5000]))
            departed = await browser.get(f"{await linking.begin('vorontsova')}&{query}")
            target = urlsplit(departed.headers["location"])
            if (target.hostname, target.port) != ("127.0.0.1", linking.api.container.settings().sandbox_port):
                led_away.append(f"start {address}")
            if parameters_of(departed.headers["location"])["redirect_uri"] != f"{linking.api.url}/vk-id/callback":
                led_away.append(f"redirect_uri {address}")
            page = await browser.get(f"{linking.api.url}/vk-id/callback?{query}&state={quote(address[:5000])}")
            if page.is_redirect or "evil" in page.text:
                led_away.append(f"callback {address}")
        names_and_more = {"return_to": EVIL[0], "redirect_uri": EVIL[0], "next": EVIL[2]}
        linked = await browser.get(changed(await linking.came_back("vorontsova", browser, APP), **names_and_more))

    print(f"{len(led_away)} of {len(EVIL)} leave our origin")
    assert len(EVIL) >= 30
    assert led_away == []
    assert linked.status_code == 200
    assert f'href="{APP}"' in linked.text
    assert "evil" not in linked.text


# P16: mix-up, and what VK ID may add


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"device_id": None}, "AUTHORIZATION_DENIED"),
        ({"device_id": "changed"}, "AUTHORIZATION_DENIED"),
        ({"device_id": "d" * 20_000}, "AUTHORIZATION_DENIED"),
        ({"code": None}, "AUTHORIZATION_DENIED"),
        ({"code": "c" * 20_000}, "AUTHORIZATION_DENIED"),
        ({"error": "access_denied", "error_description": "User denied", "code": None}, "AUTHORIZATION_DENIED"),
        ({"error": "server_error"}, "AUTHORIZATION_DENIED"),
        ({"error": "access_denied", "state": None}, "STATE_UNKNOWN"),
    ],
    ids=["no device", "changed device", "huge device", "no code", "huge code", "denied", "error and code", "stateless"],
)
async def test_whatever_is_wrong_with_a_callback_has_a_name_and_nothing_is_linked(
    linking: Linking, change: dict[str, str | None], code: str
) -> None:
    async with a_browser() as browser:
        back = await linking.came_back("vorontsova", browser)
        page = await browser.get(changed(back, **change))

    assert (page.status_code, says(page.text, code)) == (400, True)
    assert await linking.status("vorontsova") == "NOT_LINKED"


async def test_after_a_refusal_the_page_leads_back_to_where_the_person_came_from(linking: Linking) -> None:
    async with a_browser() as browser:
        back = await linking.came_back("vorontsova", browser, RETURN_TO)
        page = await browser.get(changed(back, code=None, error="access_denied"))

    assert page.status_code == 400
    assert f'<a href="{RETURN_TO}">Вернуться</a>' in page.text


async def test_parameters_that_vk_id_adds_change_nothing_and_no_other_issuer_is_asked(linking: Linking) -> None:
    more = {"iss": "https://evil.example", "ext_id": "1", "type": "code_v2", "expires_in": "600", "x": "y" * 5000}
    async with a_browser() as browser:
        page = await browser.get(changed(await linking.came_back("vorontsova", browser), **more))

    assert page.status_code == 200
    assert await linking.status("vorontsova") == "LINKED"


async def test_the_device_of_the_callback_goes_with_the_exchange_and_with_each_refresh(linking: Linking) -> None:
    linking.sandbox.change(access_token_s=1)
    asked = len(linking.requests("/id/oauth2/auth"))
    async with a_browser() as browser:
        back = await linking.came_back("vorontsova", browser)
        await browser.get(back)
    [(person,)] = await linking.sql("select person_id from account_links order by linked_at desc limit 1")

    await linking.api.container.access_tokens()(person)

    devices = [line["parameters"]["device_id"] for line in linking.requests("/id/oauth2/auth")[asked:]]
    assert devices == [parameters_of(back)["device_id"]] * 2


async def test_while_vk_id_gives_no_answer_the_user_is_asked_to_try_again(linking: Linking) -> None:
    linking.sandbox.order(method="/id/oauth2/auth", kind="lost")
    async with a_browser() as browser:
        back = await linking.came_back("vorontsova", browser)
        page = await browser.get(back)
    then = await linking.link("vorontsova")

    assert (page.status_code, says(page.text, "TRY_AGAIN")) == (400, True)
    assert then.status_code == 200


# Unlinking


@pytest.mark.rule("LINK-08")
async def test_unlinking_asks_for_a_confirmation_then_ends_the_link(linking: Linking) -> None:
    async def unlink(*, confirmed: bool) -> Any:
        return (await linking.api.data("teacher", UNLINK, confirmed=confirmed))["unlinkAccount"]

    await linking.link("teacher")
    asked = await unlink(confirmed=False)
    linked_still = await linking.status("teacher")
    done = await unlink(confirmed=True)
    again = await unlink(confirmed=True)

    assert codes(asked) == ["NOT_CONFIRMED"]
    assert linked_still == "LINKED"
    assert done == {
        "__typename": "AccountUnlinked",
        "accountLink": {"status": "NOT_LINKED", "linkedAt": None, "profile": None},
    }
    assert codes(again) == ["NOT_LINKED"]


@pytest.mark.rule("LINK-08")
async def test_at_once_the_tokens_are_gone_here_and_then_nothing_of_them_works_at_vk_id(linking: Linking) -> None:
    await linking.link("vorontsova")
    [(sealed,)] = await linking.sql("select tokens from account_links order by linked_at desc limit 1")
    tokens = json.loads(linking.api.container.cipher().open(sealed) or "")

    await linking.api.data("vorontsova", UNLINK, confirmed=True)
    left = await linking.sql("select count(*) from account_links where tokens = :sealed", sealed=sealed)
    events = await linking.sql("select what from outbox where subject = 'account' order by id desc limit 1")
    await until(linking.api.container.use_cases().deliver_revocations, linking)

    info = linking.sandbox.oauth("user_info", access_token=tokens["access"])
    assert left == [(0,)]
    assert events == [("AccountUnlinked",)]
    assert info["error"] == "invalid_token"
    assert len(linking.requests("/id/oauth2/revoke")) >= 1


async def until(deliver: Callable[[], Awaitable[int]], linking: Linking) -> None:
    """Until VK ID knows of every pair that was given up."""
    async with asyncio.timeout(20):
        while (await linking.sql("select count(*) from revocations"))[0][0]:
            if not await deliver():
                await asyncio.sleep(0.05)


@pytest.mark.rule("SYNC-06")
async def test_the_chat_administrator_is_warned_first_of_the_chats_without_an_owner(linking: Linking) -> None:
    await linking.link("vorontsova")
    shown = "{ chats(first: 0, filter: { archived: null }) { totalCount } }"
    chats = (await linking.api.data("vorontsova", shown))["chats"]["totalCount"]

    warning = (await linking.api.data("vorontsova", UNLINK, confirmed=False))["unlinkAccount"]
    linked_still = await linking.status("vorontsova")
    english = await linking.api.post(
        {"query": UNLINK, "variables": {"confirmed": False}}, login="vorontsova", Accept_Language="en"
    )
    done = (await linking.api.data("vorontsova", UNLINK, confirmed=True))["unlinkAccount"]

    assert (warning["__typename"], warning["chatCount"]) == ("UnlinkWarning", chats)
    assert 0 < warning["ownedChatCount"] <= chats
    assert str(warning["ownedChatCount"]) in warning["message"]
    assert "without an owner" in english.json()["data"]["unlinkAccount"]["message"].lower()
    assert linked_still == "LINKED"
    assert done["__typename"] == "AccountUnlinked"


@pytest.mark.rule("LINK-08")
async def test_whoever_unlinked_links_again_at_once_and_keeps_the_new_link(linking: Linking) -> None:
    await linking.link("vorontsova")
    await linking.api.data("vorontsova", UNLINK, confirmed=True)

    again = await linking.link("vorontsova")
    await until(linking.api.container.use_cases().deliver_revocations, linking)

    [(sealed,)] = await linking.sql("select tokens from account_links order by linked_at desc limit 1")
    tokens = json.loads(linking.api.container.cipher().open(sealed) or "")
    assert again.status_code == 200
    assert "user" in linking.sandbox.oauth("user_info", access_token=tokens["access"])


@pytest.mark.rule("LINK-08")
async def test_whoever_unlinks_stays_in_their_chats_and_counts_as_not_linked_there(linking: Linking) -> None:
    shown = "{ chats(first: 50) { edges { node { name memberCount } } } }"
    me = "{ viewer { participant { fullName linked } } }"
    await linking.link("teacher")
    before, me_before = await linking.api.data("director", shown), await linking.api.data("teacher", me)

    await linking.api.data("teacher", UNLINK, confirmed=True)

    assert me_before["viewer"]["participant"]["linked"]
    assert await linking.api.data("director", shown) == before
    assert not (await linking.api.data("teacher", me))["viewer"]["participant"]["linked"]


@pytest.mark.rule("RIGHT-05")
async def test_linking_one_s_own_account_needs_no_permission(linking: Linking) -> None:
    linked = await linking.link("pupil")
    unlinked = (await linking.api.data("pupil", UNLINK, confirmed=True))["unlinkAccount"]

    assert linked.status_code == 200
    assert unlinked["__typename"] == "AccountUnlinked"
