"""What every storage promises of account links and of attempts to make one."""

import asyncio
from datetime import timedelta

import pytest

from application.ports import Begin, ConcurrentChange
from domain.account_link import AccountLink
from domain.audit import SCHEDULE
from domain.ids import PersonId, account_id
from tests.builders import (
    MONDAY_0900,
    MONDAY_1000,
    OTHER_SCHOOL,
    a_roster,
    an_account_link,
    an_attempt,
    an_organization,
    participant,
    participants,
    put,
    some_tokens,
    state_of,
)
from tests.contracts.conftest import Storage


async def found(begin: Begin, person: str) -> AccountLink:
    """The person's link as it is kept."""
    async with begin(SCHEDULE) as uow:
        link = await uow.account_links.find(PersonId(person))
    assert link is not None
    return link


@pytest.mark.parametrize("broken", [False, True], ids=["works", "broken"])
async def test_a_link_is_read_back_with_its_tokens(begin: Begin, broken: bool) -> None:
    link = an_account_link("klimova", broken=broken)
    link.refresh_claimed_until = None if broken else MONDAY_0900

    await put(begin, links=[link])

    assert state_of(await found(begin, "klimova")) == state_of(link)


async def test_a_changed_link_is_read_back_as_it_was_saved_last(begin: Begin) -> None:
    await put(begin, links=[an_account_link("klimova")])
    anew = an_account_link("klimova", profile="another profile", tokens=some_tokens("second"), at=MONDAY_1000)

    await put(begin, links=[anew])

    assert state_of(await found(begin, "klimova")) == state_of(anew)


async def test_a_profile_that_another_account_has_linked_is_not_linked_again(begin: Begin) -> None:
    await put(begin, links=[an_account_link("klimova", profile="profile")])

    with pytest.raises(ConcurrentChange):
        await put(begin, links=[an_account_link("petrov", profile="profile")])
    async with begin(SCHEDULE) as uow:
        assert await uow.account_links.find(PersonId("petrov")) is None
        assert await uow.account_links.holder("profile") == "klimova"


async def test_of_accounts_that_link_one_profile_at_once_one_has_it(begin: Begin) -> None:
    links = [an_account_link(person, profile="profile") for person in ("klimova", "petrov", "belov")]

    results = await asyncio.gather(*(put(begin, links=[link]) for link in links), return_exceptions=True)

    assert sorted(type(result).__name__ for result in results) == ["ConcurrentChange", "ConcurrentChange", "NoneType"]


async def test_a_profile_has_the_holder_who_linked_it(begin: Begin) -> None:
    links = [an_account_link("klimova", profile="hers"), an_account_link("petrov", profile="his", broken=True)]
    await put(begin, links=links)

    async with begin(SCHEDULE) as uow:
        holders = [await uow.account_links.holder(profile) for profile in ("hers", "his", "nobody's")]

    assert holders == ["klimova", "petrov", None]


async def test_the_first_of_the_wanted_who_is_not_blocked_and_whose_link_works_is_chosen(begin: Begin) -> None:
    roster = a_roster(people=["unlinked", "broken", "first", "second"], blocked=["blocked"])
    links = [an_account_link(person) for person in ("second", "first", "blocked", "stranger")]
    await put(begin, organization=an_organization(), roster=roster)
    await put(begin, links=[*links, an_account_link("broken", broken=True)])
    wanted = [participant(person) for person in ("stranger", "blocked", "unlinked", "broken", "first", "second")]

    async with begin(SCHEDULE) as uow:
        assert await uow.account_links.working(wanted) == "first"
        assert await uow.account_links.working(wanted[:4]) is None
        assert await uow.account_links.working([]) is None


@pytest.mark.rule("LINK-11")
async def test_of_participants_those_who_have_a_link_are_linked_even_a_broken_one(begin: Begin) -> None:
    people = ["klimova", "petrov", "belov"]
    await put(begin, organization=an_organization(), roster=a_roster(people=people, blocked=["orlova"]))
    elsewhere = a_roster(organization=OTHER_SCHOOL, people=["klimova", "belov"])
    await put(begin, organization=an_organization(school_id="other school"), roster=elsewhere)
    links = [an_account_link("klimova"), an_account_link("petrov", broken=True), an_account_link("orlova")]
    await put(begin, links=[*links, an_account_link("stranger")])
    there = participant("klimova", OTHER_SCHOOL)

    async with begin(SCHEDULE) as uow:
        linked = await uow.account_links.linked([*participants(*people, "orlova", "stranger"), there])
        only_asked_for = await uow.account_links.linked([participant("petrov"), participant("belov")])
        none = await uow.account_links.linked([])

    assert linked == participants("klimova", "petrov", "orlova") | {there}
    assert (only_asked_for, none) == (participants("petrov"), frozenset())


async def test_whoever_locks_a_link_waits_for_who_has_locked_it(begin: Begin) -> None:
    await put(begin, links=[an_account_link("klimova")])

    async def claim() -> bool:
        async with begin(SCHEDULE) as uow:
            link = await uow.account_links.find(PersonId("klimova"), lock=True)
            assert link is not None
            await asyncio.sleep(0)
            mine = link.claim_refresh(at=MONDAY_0900, until=MONDAY_0900 + timedelta(seconds=15))
            await uow.account_links.save(link)
            return mine

    claimed = await asyncio.gather(*(claim() for _ in range(4)))

    assert sorted(claimed) == [False, False, False, True]


async def test_what_happened_to_a_link_is_told_when_it_is_saved_and_only_once(storage: Storage) -> None:
    quiet, telling = an_account_link("klimova"), an_account_link("petrov")

    telling.break_()
    await put(storage.begin, links=[quiet, telling])

    assert await storage.told_of() == [account_id(PersonId("petrov"))]
    assert telling.events == []


async def test_an_attempt_is_found_by_its_id_and_by_its_state(begin: Begin) -> None:
    attempt, another = an_attempt(), an_attempt("petrov", id="another attempt", state="another state")
    attempt.return_to = "https://school.example/sferum"
    await put(begin, attempts=[attempt, another])

    async with begin(SCHEDULE) as uow:
        by_id = await uow.account_links.find_attempt(id="attempt")
        by_state = await uow.account_links.find_attempt(state="state")
        by_neither = await uow.account_links.find_attempt(state="no such state")

    assert by_id is not None
    assert by_state is not None
    assert state_of(by_id) == state_of(by_state) == state_of(attempt)
    assert by_neither is None


async def test_a_changed_attempt_is_read_back_as_it_was_saved_last(begin: Begin) -> None:
    await put(begin, attempts=[an_attempt()])
    await put(begin, attempts=[an_attempt(browser="browser", used=True)])

    async with begin(SCHEDULE) as uow:
        attempt = await uow.account_links.find_attempt(id="attempt")

    assert attempt is not None
    assert (attempt.browser, attempt.used) == ("browser", True)


async def test_of_those_who_find_an_attempt_at_once_one_finds_it_unused(begin: Begin) -> None:
    await put(begin, attempts=[an_attempt()])

    async def use_up() -> bool:
        async with begin(SCHEDULE) as uow:
            attempt = await uow.account_links.find_attempt(state="state")
            assert attempt is not None
            await asyncio.sleep(0)
            was_used, attempt.used = attempt.used, True
            await uow.account_links.save_attempt(attempt)
            return was_used

    was_used = await asyncio.gather(*(use_up() for _ in range(4)))

    assert sorted(was_used) == [False, True, True, True]
