"""Whoever unlinks is out at once, whatever is under way, and VK ID is told until it knows."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from application.ports import ChatsOfAccount, MessengerFailed, Trouble
from application.unlinking import LONGEST_REVOCATION
from domain.account_link import (
    LONGEST_PAUSE,
    RENEW_AFTER,
    AccountLinkBroke,
    AccountLinked,
    AccountLinkStatus,
    AccountUnlinked,
    Revocation,
    Tokens,
)
from domain.audit import SCHEDULE
from domain.errors import ProblemCode
from domain.ids import PersonId
from tests.application.linking import HERS, HIS, KLIMOVA, PETROV, depart, link_anew, link_of, tokens_of, trouble_of
from tests.application.school import SCHOOL_SYSTEM, hire_director, known, link_account, only, problems_of, tell
from tests.builders import a_viewer, an_account_link, put
from tests.fakes.identity_provider import ACCESS_LIFE
from tests.fakes.world import World


async def unlink(world: World) -> None:
    """Klimova unlinks and says yes."""
    assert await world.use_cases.unlink_account(KLIMOVA, confirmed=True) is None


async def kept_tokens(world: World) -> Tokens:
    tokens = await tokens_of(world)
    assert tokens is not None
    return tokens


def revocations(world: World) -> list[Revocation]:
    return list(world.storage.revocations.rows.values())


@pytest.mark.rule("LINK-08")
async def test_unlinking_ends_the_link_here_at_once_and_its_tokens_at_vk_id_soon(world: World) -> None:
    await link_anew(world)
    tokens = await kept_tokens(world)

    await unlink(world)
    works_still = world.identity_provider.works(tokens)
    told = [await world.use_cases.deliver_revocations() for _ in range(2)]

    assert await link_of(world) is None
    assert world.storage.outbox[-1] == AccountUnlinked(KLIMOVA.person_id)
    assert (works_still, world.identity_provider.works(tokens)) == (True, False)
    assert told == [1, 0]
    assert revocations(world) == []


@pytest.mark.rule("LINK-08")
async def test_without_the_confirmation_it_is_refused_and_nothing_happens(world: World) -> None:
    await link_anew(world)
    before = await kept_tokens(world)

    problems = await problems_of(world.use_cases.unlink_account(KLIMOVA, confirmed=False))

    assert problems == only(ProblemCode.NOT_CONFIRMED, "confirmed")
    assert await tokens_of(world) == before
    assert world.storage.outbox == [AccountLinked(KLIMOVA.person_id)]
    assert revocations(world) == []


@pytest.mark.parametrize("confirmed", [False, True])
async def test_who_has_not_linked_cannot_unlink(world: World, confirmed: bool) -> None:
    problems = await problems_of(world.use_cases.unlink_account(KLIMOVA, confirmed=confirmed))

    assert problems == only(ProblemCode.NOT_LINKED)


async def test_the_school_system_unlinks_nobody(world: World) -> None:
    problems = await problems_of(world.use_cases.unlink_account(SCHOOL_SYSTEM, confirmed=True))

    assert problems == only(ProblemCode.FORBIDDEN)


@pytest.mark.rule("SYNC-06")
async def test_the_chat_administrator_s_unlinking_answers_first_how_many_chats_will_have_no_owner(world: World) -> None:
    await hire_director(world)
    await link_account(world, "director")
    chats = await world.chats()
    director = a_viewer("director")

    warning = await world.use_cases.unlink_account(director, confirmed=False)
    linked_still = await world.linked("director")
    done = await world.use_cases.unlink_account(director, confirmed=True)

    assert warning == ChatsOfAccount(all=len(chats), owned=len(chats))
    assert len(chats) > 0
    assert linked_still
    assert done is None
    assert not await world.linked("director")


@pytest.mark.rule("LINK-08")
async def test_the_person_stays_in_their_chats_in_the_school_system(world: World) -> None:
    await hire_director(world)
    await link_account(world, "director")
    before = [chat.memberships for chat in await world.chats()]

    await world.use_cases.unlink_account(a_viewer("director"), confirmed=True)

    assert [chat.memberships for chat in await world.chats()] == before


@pytest.mark.rule("AUDIT-01")
async def test_unlinking_leaves_a_line_in_the_audit_that_tells_who_did_it(world: World) -> None:
    await hire_director(world)
    await link_account(world, "director")

    await world.use_cases.unlink_account(a_viewer("director"), confirmed=True)

    kept = world.storage.audit[-1]
    assert kept.line.action == "ACCOUNT_LINK_DELETED"
    assert kept.line.actor(kept.because) == kept.line.subject.id
    assert kept.line.difference.before == {"status": "LINKED"}


@pytest.mark.rule("LINK-08")
@pytest.mark.parametrize("profile", [HERS, HIS], ids=["the same profile", "another profile"])
async def test_whoever_unlinked_may_link_again(world: World, profile: object) -> None:
    await link_anew(world)
    await unlink(world)

    chosen = HERS if profile is HERS else HIS
    await link_anew(world, profile=chosen)
    tokens = await kept_tokens(world)
    await world.use_cases.deliver_revocations()

    link = await link_of(world)
    assert link is not None
    assert (link.profile, link.status) == (chosen, AccountLinkStatus.LINKED)
    assert world.identity_provider.works(tokens), "telling of the old pair must not end the new one"
    assert revocations(world) == []


@pytest.mark.rule("LINK-09")
async def test_a_profile_that_was_unlinked_is_free_for_another_account(world: World) -> None:
    await link_anew(world)
    await unlink(world)

    await link_anew(world, PETROV, HERS)
    await world.use_cases.deliver_revocations()

    his = await tokens_of(world, PETROV)
    assert his is not None
    assert world.identity_provider.works(his)


async def test_a_broken_link_is_unlinked_and_there_is_nothing_to_tell_vk_id(world: World) -> None:
    await put(world.storage.begin, links=[an_account_link("klimova", broken=True)])

    await unlink(world)

    assert await link_of(world) is None
    assert revocations(world) == []


# What is under way


async def test_a_refresh_that_is_under_way_does_not_bring_the_link_back_and_its_pair_is_revoked(world: World) -> None:
    await link_account(world, "klimova")
    world.now += ACCESS_LIFE
    world.identity_provider.meanwhile = lambda: unlink(world)

    trouble = await trouble_of(world)
    left = [revocation.tokens for revocation in revocations(world)]
    await world.use_cases.deliver_revocations()

    assert trouble is Trouble.RELINK_NEEDED
    assert await link_of(world) is None
    assert len(left) == 2
    assert [world.identity_provider.works(tokens) for tokens in left] == [False, False]
    assert revocations(world) == []


async def test_a_callback_that_is_under_way_does_not_link_whoever_unlinked_meanwhile(world: World) -> None:
    first, second = await depart(world), await depart(world)
    callbacks = [world.identity_provider.allow(departure.url, HERS) for departure in (first, second)]
    await world.use_cases.complete_account_link(callbacks[0], browser=first.browser)
    world.identity_provider.meanwhile = lambda: unlink(world)

    problems = await problems_of(world.use_cases.complete_account_link(callbacks[1], browser=second.browser))
    left = [revocation.tokens for revocation in revocations(world)]
    await world.use_cases.deliver_revocations()

    assert problems == only(ProblemCode.STATE_UNKNOWN)
    assert await link_of(world) is None
    assert len(left) == 2
    assert not any(world.identity_provider.works(tokens) for tokens in left)


async def test_an_attempt_begun_before_the_unlinking_serves_no_more(world: World) -> None:
    first, second = await depart(world), await depart(world)
    await world.use_cases.complete_account_link(world.identity_provider.allow(first.url, HERS), browser=first.browser)
    await unlink(world)

    late = world.identity_provider.allow(second.url, HERS)
    problems = await problems_of(world.use_cases.complete_account_link(late, browser=second.browser))

    assert problems == only(ProblemCode.STATE_UNKNOWN)
    assert world.identity_provider.exchanges == 1


async def test_whoever_links_while_vk_id_is_being_told_waits_and_keeps_a_pair_that_works(world: World) -> None:
    await link_anew(world)
    await unlink(world)
    departure = await depart(world)
    callback = world.identity_provider.allow(departure.url, HERS)
    linking: list[asyncio.Task[object]] = []

    async def link_meanwhile() -> None:
        linking.append(asyncio.create_task(world.use_cases.complete_account_link(callback, browser=departure.browser)))
        await asyncio.sleep(0.3)

    world.identity_provider.meanwhile = link_meanwhile
    await world.use_cases.deliver_revocations()
    (result,) = await asyncio.gather(*linking, return_exceptions=True)

    # The revocation ended the pair that was given meanwhile, which is noticed before anything is kept of it.
    assert getattr(result, "problems", None) == only(ProblemCode.AUTHORIZATION_DENIED)
    assert await link_of(world) is None
    await world.use_cases.deliver_revocations()
    await link_anew(world)
    assert world.identity_provider.works(await kept_tokens(world))


async def test_tokens_of_a_link_that_is_refused_are_given_up_without_harm_to_the_first(world: World) -> None:
    await link_anew(world, KLIMOVA, HERS)
    first = await kept_tokens(world)

    await problems_of(link_anew(world, PETROV, HERS))
    (given_up,) = revocations(world)
    await world.use_cases.deliver_revocations()

    assert not world.identity_provider.works(given_up.tokens)
    assert world.identity_provider.works(first)


async def test_of_those_who_unlink_at_once_one_does(world: World) -> None:
    await link_anew(world)

    results = await asyncio.gather(
        *(world.use_cases.unlink_account(KLIMOVA, confirmed=True) for _ in range(4)), return_exceptions=True
    )

    assert sorted(type(result).__name__ for result in results) == ["NoneType", "Refused", "Refused", "Refused"]
    assert len(revocations(world)) == 1
    assert world.storage.outbox.count(AccountUnlinked(KLIMOVA.person_id)) == 1


# Telling VK ID


@pytest.mark.rule("LINK-08")
async def test_while_vk_id_is_away_it_is_told_again_after_pauses_that_grow_until_it_knows(world: World) -> None:
    await link_anew(world)
    tokens = await kept_tokens(world)
    world.identity_provider.unavailable = True
    await unlink(world)

    gone_at_once = await link_of(world)
    pauses = []
    for _ in range(9):
        assert await world.use_cases.deliver_revocations() == 1
        (left,) = revocations(world)
        pauses.append(left.due_at - world.now)
        assert await world.use_cases.deliver_revocations() == 0
        world.now = left.due_at
    world.identity_provider.unavailable = False
    assert await world.use_cases.deliver_revocations() == 1

    assert gone_at_once is None
    assert pauses == [min(timedelta(seconds=2**n), LONGEST_PAUSE) for n in range(1, 10)]
    assert not world.identity_provider.works(tokens)
    assert revocations(world) == []


async def test_an_access_token_that_has_expired_is_refreshed_before_it_is_revoked(world: World) -> None:
    await link_anew(world)
    await unlink(world)
    world.now += ACCESS_LIFE

    await world.use_cases.deliver_revocations()

    assert (world.identity_provider.refreshes, world.identity_provider.revocations) == (1, 1)
    assert revocations(world) == []


async def test_a_refreshed_pair_is_kept_before_it_is_revoked(world: World) -> None:
    await link_anew(world)
    await unlink(world)
    world.now += ACCESS_LIFE
    old = revocations(world)[0].tokens
    away = world.identity_provider

    async def go_away_after_the_refresh() -> None:
        async def go_away() -> None:
            away.unavailable = True

        away.meanwhile = go_away

    away.meanwhile = go_away_after_the_refresh
    await world.use_cases.deliver_revocations()
    (left,) = revocations(world)
    away.unavailable = False
    world.now = left.due_at
    await world.use_cases.deliver_revocations()

    assert left.tokens != old
    assert (away.refreshes, away.revocations) == (1, 1)
    assert not away.works(left.tokens)
    assert revocations(world) == []


async def test_tokens_that_are_dead_already_count_as_revoked(world: World) -> None:
    await link_anew(world)
    await unlink(world)
    world.identity_provider.withdraw(HERS)

    await world.use_cases.deliver_revocations()

    assert revocations(world) == []


async def test_an_access_token_that_ended_before_its_time_does_not_leave_the_grant_behind(world: World) -> None:
    await link_anew(world)
    tokens = await kept_tokens(world)
    await unlink(world)
    # The clock of VK ID is ahead of ours.
    world.storage.revocations.rows = {
        id: replace(each, tokens=replace(tokens, access="expired"))
        for id, each in world.storage.revocations.rows.items()
    }

    await world.use_cases.deliver_revocations()

    assert (world.identity_provider.refreshes, world.identity_provider.revocations) == (1, 2)
    assert not world.identity_provider.works(tokens)
    assert revocations(world) == []


async def test_of_many_workers_one_tells_vk_id(world: World) -> None:
    await link_anew(world)
    await unlink(world)

    told = await asyncio.gather(*(world.use_cases.deliver_revocations() for _ in range(5)))

    assert sorted(told) == [0, 0, 0, 0, 1]
    assert world.identity_provider.revocations == 1


async def test_what_a_worker_that_died_was_telling_is_told_by_another(world: World) -> None:
    await link_anew(world)
    await unlink(world)
    async with world.storage.begin(SCHEDULE) as uow:
        (claimed,) = await uow.revocations.due(world.now, limit=10)
        claimed.claim(until=world.now + LONGEST_REVOCATION)
        await uow.revocations.save(claimed)

    too_early = await world.use_cases.deliver_revocations()
    world.now += LONGEST_REVOCATION
    then = await world.use_cases.deliver_revocations()

    assert (too_early, then) == (0, 1)
    assert revocations(world) == []


@pytest.mark.rule("AUDIT-03")
async def test_the_tokens_of_somebody_erased_are_revoked_at_vk_id(world: World) -> None:
    await hire_director(world)
    await tell(world, *known("klimova"))
    await link_account(world, "klimova")
    tokens = await kept_tokens(world)
    world.now += timedelta(days=366)

    await world.use_cases.erase_forgotten()
    await world.use_cases.deliver_revocations()

    assert await link_of(world) is None
    assert not world.identity_provider.works(tokens)
    assert AccountUnlinked(PersonId("klimova")) in world.storage.outbox


# Keeping links alive


async def test_a_pair_that_nobody_used_for_four_months_is_renewed_and_no_younger_one(world: World) -> None:
    await link_account(world, "klimova")
    world.now += timedelta(days=1)
    await link_account(world, "petrov")
    world.now += RENEW_AFTER - timedelta(days=1) + timedelta(seconds=1)

    renewed = [await world.use_cases.keep_links_alive() for _ in range(2)]

    hers, his = await link_of(world), await link_of(world, PETROV)
    assert renewed == [1, 0]
    assert hers is not None
    assert his is not None
    assert (hers.renewed_at, hers.status) == (world.now, AccountLinkStatus.LINKED)
    assert his.renewed_at < world.now
    assert world.identity_provider.refreshes == 1


async def test_few_links_are_renewed_at_once_and_in_the_end_all_of_them(world: World) -> None:
    for number in range(12):
        await link_account(world, f"person {number}")
    world.now += RENEW_AFTER + timedelta(days=1)

    renewed = [await world.use_cases.keep_links_alive() for _ in range(4)]

    assert renewed == [5, 5, 2, 0]


async def test_a_link_that_vk_id_has_withdrawn_is_found_broken_when_it_is_renewed(world: World) -> None:
    profile = await link_account(world, "klimova")
    world.identity_provider.withdraw(profile)
    world.now += RENEW_AFTER + timedelta(days=1)

    renewed = [await world.use_cases.keep_links_alive() for _ in range(3)]

    link = await link_of(world)
    assert renewed == [0, 0, 0]
    assert link is not None
    assert link.status is AccountLinkStatus.BROKEN
    assert world.storage.outbox[-1] == AccountLinkBroke(KLIMOVA.person_id)
    assert world.identity_provider.refreshes == 1


async def test_while_vk_id_is_away_nothing_is_renewed_and_nothing_breaks(world: World) -> None:
    await link_account(world, "klimova")
    await link_account(world, "petrov")
    world.now += RENEW_AFTER + timedelta(days=1)
    world.identity_provider.unavailable = True

    renewed = await world.use_cases.keep_links_alive()

    assert renewed == 0
    assert [await world.linked(person) for person in ("klimova", "petrov")] == [True, True]


# Tokens in use


async def test_a_token_that_still_works_is_handed_out_while_vk_id_cannot_refresh_it(world: World) -> None:
    await link_account(world, "klimova")
    before = await kept_tokens(world)
    world.now += ACCESS_LIFE - timedelta(minutes=1)
    world.identity_provider.unavailable = True

    token = await world.access_tokens(KLIMOVA.person_id)
    with pytest.raises(MessengerFailed) as failed:
        await world.access_tokens.renewed(KLIMOVA.person_id, token)

    assert token == before.access
    assert failed.value.trouble is Trouble.UNAVAILABLE
