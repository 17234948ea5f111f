"""What every storage promises of tokens of which VK ID has still to be told, and of what is left when a link ends."""

import asyncio
from datetime import timedelta

import pytest

from application.ports import Begin, ChatsOfAccount
from domain.account_link import Revocation
from domain.audit import SCHEDULE
from domain.ids import PersonId, account_id
from domain.participant import PositionKind
from tests.builders import (
    MONDAY_0800,
    MONDAY_0830,
    MONDAY_0900,
    MONDAY_1000,
    OTHER_SCHOOL,
    a_chat,
    a_roster,
    an_account_link,
    an_attempt,
    an_organization,
    class_chat,
    put,
    some_tokens,
    state_of,
)
from tests.contracts.conftest import Storage

KLIMOVA = PersonId("klimova")


def a_revocation(tokens: str = "first", *, profile: str | None = "profile") -> Revocation:
    return Revocation(profile_id=profile, tokens=some_tokens(tokens), due_at=MONDAY_0830)


async def keep(begin: Begin, *revocations: Revocation) -> None:
    async with begin(SCHEDULE) as uow:
        for revocation in revocations:
            await uow.revocations.save(revocation)


async def test_a_revocation_is_read_back_with_its_tokens(begin: Begin) -> None:
    kept = a_revocation()
    kept.claim(until=MONDAY_0900)
    unknown = a_revocation("second", profile=None)

    await keep(begin, kept, unknown)

    async with begin(SCHEDULE) as uow:
        found = [await uow.revocations.find(each.id) for each in (kept, unknown)]
        of_profile = await uow.revocations.of_profile("profile")
    assert [state_of(each) for each in found if each] == [state_of(kept), state_of(unknown)]
    assert [state_of(each) for each in of_profile] == [state_of(kept)]


async def test_a_changed_revocation_is_read_back_as_it_was_saved_last_and_is_gone_when_it_is_deleted(
    begin: Begin,
) -> None:
    kept = a_revocation()
    await keep(begin, kept)

    kept.claim(until=MONDAY_0900)
    kept.renew(some_tokens("second"))
    kept.postpone(at=MONDAY_0900)
    await keep(begin, kept)
    async with begin(SCHEDULE) as uow:
        changed = await uow.revocations.find(kept.id)
        await uow.revocations.delete(kept)

    assert changed is not None
    assert state_of(changed) == state_of(kept)
    async with begin(SCHEDULE) as uow:
        assert await uow.revocations.find(kept.id) is None


async def test_those_whose_time_has_come_are_due(begin: Begin) -> None:
    now, later, longest = a_revocation(), a_revocation("later"), a_revocation("longest")
    later.due_at, longest.due_at = MONDAY_0900, MONDAY_0800
    await keep(begin, now, later, longest)

    async with begin(SCHEDULE) as uow:
        found = await uow.revocations.due(MONDAY_0830, limit=10)
        first = await uow.revocations.due(MONDAY_0830, limit=1)
    assert [each.id for each in found] == [longest.id, now.id]
    assert [each.id for each in first] == [longest.id]


async def test_what_one_has_locked_another_leaves_out_without_waiting(begin: Begin) -> None:
    await keep(begin, a_revocation())

    async with begin(SCHEDULE) as uow, asyncio.timeout(3):
        mine = await uow.revocations.due(MONDAY_0830, limit=10)
        async with begin(SCHEDULE) as another:
            theirs = await another.revocations.due(MONDAY_0830, limit=10)

    assert (len(mine), theirs) == (1, [])


async def test_whoever_links_a_profile_waits_for_who_has_locked_its_revocation(begin: Begin) -> None:
    await keep(begin, a_revocation())

    async def claim() -> None:
        async with begin(SCHEDULE) as uow:
            (taken,) = await uow.revocations.due(MONDAY_0830, limit=10)
            await asyncio.sleep(0.1)
            taken.claim(until=MONDAY_0900)
            await uow.revocations.save(taken)

    async def look() -> bool:
        await asyncio.sleep(0.03)
        async with begin(SCHEDULE) as uow:
            (found,) = await uow.revocations.of_profile("profile")
            return found.is_under_way(at=MONDAY_0830)

    _, under_way = await asyncio.gather(claim(), look())

    assert under_way


# What ends a link


async def test_a_deleted_link_is_gone_and_told_of_once_and_its_profile_is_free(storage: Storage) -> None:
    await put(storage.begin, links=[an_account_link("klimova", profile="profile")])

    async with storage.begin(SCHEDULE) as uow:
        link = await uow.account_links.find(KLIMOVA, lock=True)
        assert link is not None
        link.end()
        await uow.account_links.delete(link)

    async with storage.begin(SCHEDULE) as uow:
        assert await uow.account_links.find(KLIMOVA) is None
        assert await uow.account_links.holder("profile") is None
    assert await storage.told_of() == [account_id(KLIMOVA)]


async def test_a_person_s_attempts_are_forgotten_and_nobody_else_s(begin: Begin) -> None:
    hers = [an_attempt("klimova", id=f"{number}", state=f"state {number}") for number in (1, 2)]
    await put(begin, attempts=[*hers, an_attempt("petrov", id="3", state="state 3")])

    async with begin(SCHEDULE) as uow:
        await uow.account_links.forget_attempts(KLIMOVA)

    async with begin(SCHEDULE) as uow:
        found = [await uow.account_links.find_attempt(id=id) is not None for id in "123"]
    assert found == [False, False, True]


async def test_links_whose_pair_is_old_are_found_while_they_work(begin: Begin) -> None:
    old, broken, young = (an_account_link(person, broken=person == "broken") for person in ("old", "broken", "young"))
    young.renewed_at = MONDAY_1000
    await put(begin, links=[old, broken, young])

    async with begin(SCHEDULE) as uow:
        found = [await uow.account_links.renewed_before(at, limit=10) for at in (MONDAY_0800, MONDAY_0900)]
        few = await uow.account_links.renewed_before(MONDAY_1000 + timedelta(hours=1), limit=1)

    assert found == [[], ["old"]]
    assert len(few) == 1


@pytest.mark.rule("SYNC-06")
async def test_the_chats_of_a_chat_administrator_are_counted_with_those_that_would_have_no_owner(begin: Begin) -> None:
    works = {"klimova": [PositionKind.ADMINISTRATION]}
    roster = a_roster(people=["petrov"], employees=works, classes=["8 К", "9 К"], closed=["9 К"])
    here = an_organization(chat_administrator="klimova")
    elsewhere = a_roster(organization=OTHER_SCHOOL, employees=works)
    archived = a_chat(class_chat("9 К"), roster=roster, chat_administrator="klimova")
    hers = a_chat(class_chat("8 К"), roster=roster, chat_administrator="klimova")
    theirs = a_chat(organization=OTHER_SCHOOL, roster=elsewhere, chat_administrator="klimova")
    await put(begin, organization=an_organization(school_id="other school"), roster=elsewhere, chats=[theirs])
    await put(begin, organization=here, roster=roster, chats=[hers, archived, a_chat(name="Без неё")])

    async with begin(SCHEDULE) as uow:
        counted = [await uow.account_links.chats_of(PersonId(person)) for person in ("klimova", "petrov", "nobody")]

    assert counted == [ChatsOfAccount(3, 1), ChatsOfAccount(0, None), ChatsOfAccount(0, None)]
