"""A person links their account to a profile of VK ID, once and only they; its tokens are refreshed by one at a time."""

import asyncio
from datetime import timedelta

import pytest

from application.account_links import LONGEST_REFRESH, Callback, CompletedLink, read_callback
from application.ports import Trouble
from domain.access import Viewer
from domain.account_link import (
    REFRESH_AHEAD,
    AccountLinkBroke,
    AccountLinked,
    AccountLinkStatus,
)
from domain.audit import SCHEDULE
from domain.errors import ProblemCode
from domain.ids import PersonId
from tests.application.linking import (
    HERS,
    HIS,
    KLIMOVA,
    PETROV,
    begin,
    depart,
    link_anew,
    link_of,
    tokens_of,
    trouble_of,
)
from tests.application.school import SCHOOL_SYSTEM, link_account, only, problems_of
from tests.builders import an_account_link, put, some_tokens
from tests.fakes.identity_provider import ACCESS_LIFE
from tests.fakes.world import ATTEMPT_LIFE, RETURN_TO, World

INSTANT = timedelta(microseconds=1)


# The way there and back


@pytest.mark.rule("LINK-05")
async def test_the_backend_opens_the_authorization_with_pkce_and_completes_it_from_the_callback(world: World) -> None:
    attempt = await world.use_cases.begin_account_link(KLIMOVA, RETURN_TO)
    departure = await world.use_cases.depart_for_vk_id(attempt.id)
    callback = world.identity_provider.allow(departure.url, HERS)
    completed = await world.use_cases.complete_account_link(callback, browser=departure.browser)

    link = await link_of(world)
    assert completed == CompletedLink(KLIMOVA.person_id, RETURN_TO)
    assert link is not None
    assert (link.profile, link.linked_at, link.status) == (HERS, world.now, AccountLinkStatus.LINKED)
    assert world.storage.outbox == [AccountLinked(KLIMOVA.person_id)]


async def test_an_attempt_tells_until_when_it_serves_and_each_has_secrets_of_its_own(world: World) -> None:
    first, second = await begin(world), await begin(world)

    departures = [await world.use_cases.depart_for_vk_id(attempt.id) for attempt in (first, second)]

    assert first.expires_at == world.now + ATTEMPT_LIFE
    assert first.id != second.id
    assert departures[0].url != departures[1].url
    assert departures[0].browser != departures[1].browser


async def test_the_verifier_and_the_attempt_s_id_never_go_to_vk_id(world: World) -> None:
    attempt = await begin(world)
    departure = await world.use_cases.depart_for_vk_id(attempt.id)

    async with world.storage.begin(SCHEDULE) as uow:
        kept = await uow.account_links.find_attempt(id=attempt.id)

    assert kept is not None
    assert kept.state in departure.url
    assert not any(secret in departure.url for secret in (kept.verifier, kept.id, departure.browser))


@pytest.mark.parametrize("address", [f"{RETURN_TO}/", f"{RETURN_TO}?a=b", "https://evil.example/", ""])
async def test_linking_returns_only_to_an_address_that_is_allowed_exactly(world: World, address: str) -> None:
    problems = await problems_of(world.use_cases.begin_account_link(KLIMOVA, address))

    assert problems == only(ProblemCode.RETURN_ADDRESS_NOT_ALLOWED, "returnTo")


async def test_the_school_system_links_no_account(world: World) -> None:
    problems = await problems_of(begin(world, SCHOOL_SYSTEM))

    assert problems == only(ProblemCode.FORBIDDEN)


@pytest.mark.rule("LINK-01")
async def test_a_user_links_once_and_who_has_linked_does_not_begin_again(world: World) -> None:
    await link_anew(world)

    problems = await problems_of(begin(world))

    assert problems == only(ProblemCode.ALREADY_LINKED)


@pytest.mark.rule("LINK-11")
async def test_when_vk_id_withdraws_the_token_the_link_is_broken_and_the_user_may_link_anew(world: World) -> None:
    await link_anew(world)
    world.identity_provider.withdraw(HERS)
    world.now += ACCESS_LIFE

    trouble = await trouble_of(world)
    broken = await link_of(world)
    await link_anew(world)
    anew = await link_of(world)

    assert trouble is Trouble.RELINK_NEEDED
    assert broken is not None
    assert anew is not None
    assert (broken.status, broken.profile) == (AccountLinkStatus.BROKEN, HERS)
    assert anew.status is AccountLinkStatus.LINKED
    person = KLIMOVA.person_id
    assert world.storage.outbox == [AccountLinked(person), AccountLinkBroke(person), AccountLinked(person)]


# Departure


async def test_nobody_departs_with_an_attempt_that_is_unknown(world: World) -> None:
    problems = await problems_of(world.use_cases.depart_for_vk_id("unknown"))

    assert problems == only(ProblemCode.STATE_UNKNOWN)


@pytest.mark.rule("LINK-10")
async def test_an_attempt_departs_once(world: World) -> None:
    attempt = await begin(world)
    departure = await world.use_cases.depart_for_vk_id(attempt.id)

    problems = await problems_of(world.use_cases.depart_for_vk_id(attempt.id))

    callback = world.identity_provider.allow(departure.url, HERS)
    assert problems == only(ProblemCode.STATE_USED)
    assert await world.use_cases.complete_account_link(callback, browser=departure.browser)


@pytest.mark.rule("LINK-10")
async def test_of_two_browsers_that_open_an_attempt_at_once_one_departs(world: World) -> None:
    attempt = await begin(world)
    go = world.use_cases.depart_for_vk_id

    departed = await asyncio.gather(go(attempt.id), go(attempt.id), return_exceptions=True)

    assert sorted(type(one).__name__ for one in departed) == ["Departure", "Refused"]


@pytest.mark.rule("LINK-10")
async def test_an_attempt_does_not_depart_late(world: World) -> None:
    attempt = await begin(world)
    world.now = attempt.expires_at

    problems = await problems_of(world.use_cases.depart_for_vk_id(attempt.id))

    assert problems == only(ProblemCode.STATE_EXPIRED)


# The callback


@pytest.mark.rule("LINK-10")
async def test_a_state_serves_once(world: World) -> None:
    departure = await depart(world)
    callback = world.identity_provider.allow(departure.url, HERS)
    await world.use_cases.complete_account_link(callback, browser=departure.browser)
    first = await tokens_of(world)

    replayed = await problems_of(world.use_cases.complete_account_link(callback, browser=departure.browser))

    assert replayed == only(ProblemCode.STATE_USED)
    assert await tokens_of(world) == first
    assert world.identity_provider.exchanges == 1


@pytest.mark.rule("LINK-10")
async def test_of_parallel_callbacks_one_exchanges_the_code(world: World) -> None:
    departure = await depart(world)
    callback = world.identity_provider.allow(departure.url, HERS)
    complete = world.use_cases.complete_account_link

    results = await asyncio.gather(
        *(complete(callback, browser=departure.browser) for _ in range(3)), return_exceptions=True
    )

    assert sorted(type(result).__name__ for result in results) == ["CompletedLink", "Refused", "Refused"]
    assert world.identity_provider.exchanges == 1


@pytest.mark.rule("LINK-10")
@pytest.mark.parametrize("browser", [None, "another browser"])
@pytest.mark.parametrize("viewer", [None, PETROV], ids=["nobody", "another user"])
async def test_a_state_serves_only_the_user_who_began(world: World, browser: str | None, viewer: Viewer | None) -> None:
    departure = await depart(world)
    callback = world.identity_provider.allow(departure.url, HERS)

    foreign = await problems_of(world.use_cases.complete_account_link(callback, browser=browser, viewer=viewer))
    nothing_yet = [await link_of(world), await link_of(world, PETROV)]
    own = await world.use_cases.complete_account_link(callback, browser=departure.browser)

    assert foreign == only(ProblemCode.STATE_OF_ANOTHER_USER)
    assert nothing_yet == [None, None]
    assert own.person_id == KLIMOVA.person_id


async def test_the_user_who_began_may_bring_the_callback_from_another_browser(world: World) -> None:
    departure = await depart(world)
    callback = world.identity_provider.allow(departure.url, HERS)

    completed = await world.use_cases.complete_account_link(callback, viewer=KLIMOVA)

    assert completed.person_id == KLIMOVA.person_id
    assert await world.linked("klimova")


@pytest.mark.rule("LINK-10")
async def test_a_state_serves_for_a_limited_time(world: World) -> None:
    departure = await depart(world)
    callback = world.identity_provider.allow(departure.url, HERS)
    world.now += ATTEMPT_LIFE

    late = await problems_of(world.use_cases.complete_account_link(callback, browser=departure.browser))

    assert late == only(ProblemCode.STATE_EXPIRED)
    assert await link_of(world) is None
    assert world.identity_provider.exchanges == 0


@pytest.mark.parametrize("callback", [Callback(), Callback(state="unknown", code="code", device_id="device")])
async def test_a_callback_without_a_known_state_is_refused(world: World, callback: Callback) -> None:
    problems = await problems_of(world.use_cases.complete_account_link(callback, viewer=KLIMOVA))

    assert problems == only(ProblemCode.STATE_UNKNOWN)


@pytest.mark.parametrize(
    ("code", "device_id", "error"),
    [
        (None, None, "access_denied"),
        ("code 1", "device 1", "access_denied"),
        (None, "device 1", None),
        ("code 1", None, None),
        ("forged", "device 1", None),
        ("code 1", "another device", None),
    ],
    ids=["denied", "denied with a code", "no code", "no device", "forged code", "another device"],
)
async def test_what_vk_id_denies_or_does_not_accept_uses_the_attempt_up_and_links_nothing(
    world: World, code: str | None, device_id: str | None, error: str | None
) -> None:
    departure = await depart(world)
    allowed = world.identity_provider.allow(departure.url, HERS)
    callback = Callback(allowed.state, code, device_id, error)

    denied = await problems_of(world.use_cases.complete_account_link(callback, browser=departure.browser))
    again = await problems_of(world.use_cases.complete_account_link(allowed, browser=departure.browser))

    assert (denied, again) == (only(ProblemCode.AUTHORIZATION_DENIED), only(ProblemCode.STATE_USED))
    assert await link_of(world) is None


async def test_a_code_of_another_attempt_is_not_accepted(world: World) -> None:
    mine, theirs = await depart(world), await depart(world, PETROV)
    stolen = world.identity_provider.allow(theirs.url, HIS)
    own = world.identity_provider.allow(mine.url, HERS)
    mixed = Callback(own.state, stolen.code, stolen.device_id)

    problems = await problems_of(world.use_cases.complete_account_link(mixed, browser=mine.browser))

    assert problems == only(ProblemCode.AUTHORIZATION_DENIED)
    assert await link_of(world) is None


async def test_while_vk_id_gives_no_answer_the_user_is_asked_to_try_again(world: World) -> None:
    departure = await depart(world)
    callback = world.identity_provider.allow(departure.url, HERS)
    world.identity_provider.unavailable = True

    problems = await problems_of(world.use_cases.complete_account_link(callback, browser=departure.browser))

    world.identity_provider.unavailable = False
    assert problems == only(ProblemCode.TRY_AGAIN)
    assert await link_of(world) is None
    assert await link_anew(world)


@pytest.mark.rule("LINK-09")
async def test_a_profile_is_linked_to_one_account_and_the_first_stays_as_it_was(world: World) -> None:
    await link_anew(world, KLIMOVA, HERS)
    first = await tokens_of(world)

    problems = await problems_of(link_anew(world, PETROV, HERS))

    assert problems == only(ProblemCode.PROFILE_ALREADY_LINKED)
    assert await link_of(world, PETROV) is None
    assert await tokens_of(world) == first


@pytest.mark.rule("LINK-09")
async def test_of_two_accounts_that_bring_one_profile_at_once_one_has_it(world: World) -> None:
    results = await asyncio.gather(
        link_anew(world, KLIMOVA, HERS), link_anew(world, PETROV, HERS), return_exceptions=True
    )

    linked = [await link_of(world, viewer) for viewer in (KLIMOVA, PETROV)]
    assert sorted(type(result).__name__ for result in results) == ["CompletedLink", "LinkRefused"]
    assert [link is None for link in linked].count(True) == 1


@pytest.mark.rule("LINK-09")
async def test_an_account_is_linked_to_one_profile(world: World) -> None:
    first, second = await depart(world), await depart(world)
    hers = world.identity_provider.allow(first.url, HERS)
    another = world.identity_provider.allow(second.url, HIS)
    await world.use_cases.complete_account_link(hers, browser=first.browser)

    problems = await problems_of(world.use_cases.complete_account_link(another, browser=second.browser))

    link = await link_of(world)
    assert problems == only(ProblemCode.ALREADY_LINKED)
    assert link is not None
    assert link.profile == HERS


async def test_a_profile_whose_link_is_broken_still_belongs_to_its_account(world: World) -> None:
    await put(world.storage.begin, links=[an_account_link("klimova", profile=HERS.id, broken=True)])

    taken = await problems_of(link_anew(world, PETROV, HERS))
    await link_anew(world, KLIMOVA, HERS)

    assert taken == only(ProblemCode.PROFILE_ALREADY_LINKED)
    assert await world.linked("klimova")


@pytest.mark.parametrize(
    ("parameters", "callback"),
    [
        ({"state": "s", "code": "c", "device_id": "d"}, Callback("s", "c", "d")),
        ({"state": "s", "error": "access_denied"}, Callback("s", error="access_denied")),
        ({"payload": '{"state": "s", "code": "c", "device_id": "d"}'}, Callback("s", "c", "d")),
        ({"payload": '{"state": 1, "code": ["c"], "device_id": ""}', "state": "s"}, Callback()),
        ({"payload": "no JSON", "state": "s"}, Callback()),
        ({"payload": '["state"]'}, Callback()),
        ({"payload": "[" * 100_000, "state": "s"}, Callback()),
        ({"payload": '{"state": "s", "code": "' + "c" * 100_000 + '"}'}, Callback()),
        ({"state": "s" * 5000, "code": "c\x00", "device_id": "\ud800"}, Callback()),
        ({"payload": '{"state": "\\ud800", "code": "c\\u0000"}'}, Callback()),
        ({"state": "s", "error": "\x00\n"}, Callback("s", error="\x00\n")),
        ({}, Callback()),
    ],
    ids=[
        "plain",
        "an error",
        "payload",
        "no texts",
        "no JSON",
        "no object",
        "deep",
        "long",
        "huge",
        "no text",
        "odd error",
        "nothing",
    ],
)
def test_a_callback_is_read_in_either_form(parameters: dict[str, str], callback: Callback) -> None:
    assert read_callback(parameters) == callback


# Access tokens


async def test_a_token_that_is_good_for_some_minutes_is_handed_out_as_it_is(world: World) -> None:
    await link_account(world, "klimova")
    world.now += ACCESS_LIFE - REFRESH_AHEAD - INSTANT

    token = await world.access_tokens(KLIMOVA.person_id)

    tokens = await tokens_of(world)
    assert tokens is not None
    assert token == tokens.access
    assert world.identity_provider.refreshes == 0


async def test_a_token_about_to_expire_is_refreshed_and_the_new_pair_is_kept(world: World) -> None:
    profile = await link_account(world, "klimova")
    old = await tokens_of(world)
    world.now += ACCESS_LIFE - REFRESH_AHEAD

    token = await world.access_tokens(KLIMOVA.person_id)
    again = await world.access_tokens(KLIMOVA.person_id)

    tokens = await tokens_of(world)
    assert tokens is not None
    assert old != tokens
    assert token == again == tokens.access
    assert await world.identity_provider.profile(token) == profile
    assert world.identity_provider.refreshes == 1


@pytest.mark.parametrize("elapsed", [ACCESS_LIFE - REFRESH_AHEAD, ACCESS_LIFE], ids=["about to expire", "expired"])
async def test_of_those_who_want_a_token_at_once_one_refreshes_it(world: World, elapsed: timedelta) -> None:
    await link_account(world, "klimova")
    world.now += elapsed

    handed_out = await asyncio.gather(*(world.access_tokens(KLIMOVA.person_id) for _ in range(5)))

    tokens = await tokens_of(world)
    assert tokens is not None
    assert world.identity_provider.refreshes == 1
    assert tokens.access in handed_out
    if elapsed == ACCESS_LIFE:
        assert set(handed_out) == {tokens.access}


async def test_a_token_that_was_refused_is_renewed_once_for_all_who_were_refused(world: World) -> None:
    await link_account(world, "klimova")
    refused = await world.access_tokens(KLIMOVA.person_id)
    renewed = world.access_tokens.renewed

    first = await renewed(KLIMOVA.person_id, refused)
    second = await renewed(KLIMOVA.person_id, refused)

    assert first == second != refused
    assert world.identity_provider.refreshes == 1


async def test_a_refresh_that_vk_id_does_not_accept_breaks_the_link_and_asks_to_link_anew(world: World) -> None:
    profile = await link_account(world, "klimova")
    world.identity_provider.withdraw(profile)
    world.now += ACCESS_LIFE

    troubles = [await trouble_of(world), await trouble_of(world)]

    link = await link_of(world)
    assert troubles == [Trouble.RELINK_NEEDED, Trouble.RELINK_NEEDED]
    assert link is not None
    assert link.status is AccountLinkStatus.BROKEN
    assert world.identity_provider.refreshes == 1
    assert world.storage.outbox[-1] == AccountLinkBroke(KLIMOVA.person_id)


async def test_who_has_not_linked_is_asked_to_link(world: World) -> None:
    assert await trouble_of(world) is Trouble.RELINK_NEEDED


async def test_while_vk_id_gives_no_answer_the_pair_stays_and_the_next_one_tries_at_once(world: World) -> None:
    await link_account(world, "klimova")
    world.now += ACCESS_LIFE
    world.identity_provider.unavailable = True

    trouble = await trouble_of(world)
    world.identity_provider.unavailable = False
    token = await world.access_tokens(KLIMOVA.person_id)

    tokens = await tokens_of(world)
    assert trouble is Trouble.UNAVAILABLE
    assert tokens is not None
    assert token == tokens.access


async def test_who_died_over_a_refresh_does_not_hold_it_up_for_longer_than_an_answer_takes(world: World) -> None:
    await link_account(world, "klimova")
    world.now += ACCESS_LIFE
    async with world.storage.begin(SCHEDULE) as uow:
        link = await uow.account_links.find(KLIMOVA.person_id, lock=True)
        assert link is not None
        assert link.claim_refresh(at=world.now, until=world.now + LONGEST_REFRESH)
        await uow.account_links.save(link)
    world.now += LONGEST_REFRESH

    token = await world.access_tokens(KLIMOVA.person_id)

    tokens = await tokens_of(world)
    assert tokens is not None
    assert token == tokens.access
    assert world.identity_provider.refreshes == 1


async def test_while_another_refreshes_a_token_that_still_works_is_handed_out(world: World) -> None:
    await link_account(world, "klimova")
    old = await tokens_of(world)
    world.now += ACCESS_LIFE - REFRESH_AHEAD
    handed_out: list[str] = []

    async def ask_too() -> None:
        handed_out.append(await world.access_tokens(KLIMOVA.person_id))

    world.identity_provider.meanwhile = ask_too
    token = await world.access_tokens(KLIMOVA.person_id)

    assert old is not None
    assert handed_out == [old.access]
    assert token != old.access


@pytest.mark.parametrize("withdrawn", [False, True], ids=["refreshed", "withdrawn"])
async def test_a_link_made_anew_during_a_refresh_keeps_its_own_tokens(world: World, withdrawn: bool) -> None:
    profile = await link_account(world, "klimova")
    world.now += ACCESS_LIFE
    kept = some_tokens("anew", expire_at=world.now + ACCESS_LIFE)
    anew = an_account_link("klimova", tokens=kept)
    if withdrawn:
        world.identity_provider.withdraw(profile)

    async def link_meanwhile() -> None:
        await put(world.storage.begin, links=[anew])

    world.identity_provider.meanwhile = link_meanwhile
    await asyncio.gather(world.access_tokens(KLIMOVA.person_id), return_exceptions=True)

    assert await tokens_of(world) == kept


async def test_each_person_has_tokens_of_their_own(world: World) -> None:
    await link_account(world, "klimova")
    await link_account(world, "petrov")

    hers, his = [await world.access_tokens(PersonId(person)) for person in ("klimova", "petrov")]

    assert hers != his
    assert [(await world.identity_provider.profile(token)).id for token in (hers, his)] == [
        "profile of klimova",
        "profile of petrov",
    ]
