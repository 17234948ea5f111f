"""What every storage promises of mirrors and of attempts to make a chat in Sferum."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from application.ports import Begin
from domain.audit import SCHEDULE
from domain.chat import Chat
from domain.chat_request import ChatRequest, ChatRequestId
from domain.ids import ChatId, OrganizationId, PersonId
from domain.mirror import ChatNow, Held, LinkedMember, Mirror, MirrorError, MirrorState
from domain.participant import PositionKind
from domain.roster import Roster
from tests.builders import (
    MONDAY_0800,
    MONDAY_0830,
    MONDAY_0900,
    MONDAY_1000,
    OTHER_SCHOOL,
    SCHOOL,
    a_chat,
    a_roster,
    an_account_link,
    an_organization,
    class_chat,
    participant,
    put,
    state_of,
)
from tests.contracts.conftest import Storage

AT_ONCE = datetime(1970, 1, 1, tzinfo=UTC)
A_WHILE = timedelta(minutes=1)


def the_roster(*, blocked: tuple[str, ...] = (), organization: OrganizationId = SCHOOL) -> Roster:
    """A class with its teacher and two pupils, and a director who administers the chats."""
    return a_roster(
        organization=organization,
        employees={"director": [PositionKind.ADMINISTRATION], "teacher": [PositionKind.PEDAGOGICAL]},
        class_teachers={"5А": "teacher"},
        pupils={"anna": "5А", "boris": "5А"},
        blocked=blocked,
    )


def the_chat(organization: OrganizationId = SCHOOL) -> Chat:
    """The class's chat."""
    roster = the_roster(organization=organization)
    return a_chat(
        class_chat("5А"), roster=roster, chat_administrator="director", name="5А", organization=organization
    )  # fmt: skip


@pytest.fixture
async def chat(begin: Begin) -> Chat:
    """The class's chat, saved with its school; its mirror rests."""
    chat = the_chat()
    await put(
        begin, organization=an_organization(chat_administrator="director"), roster=the_roster(), chats=[chat]
    )  # fmt: skip
    await rest(begin, chat.id)
    return chat


async def mirror_of(begin: Begin, chat: ChatId) -> Mirror:
    """The chat's mirror as it is kept."""
    async with begin(SCHEDULE) as uow:
        mirror = await uow.mirrors.find(chat)
    assert mirror is not None
    return mirror


async def keep(begin: Begin, chat: ChatId, **changes: object) -> None:
    """Saves the mirror with these attributes."""
    async with begin(SCHEDULE) as uow:
        mirror = await uow.mirrors.find(chat)
        assert mirror is not None
        for name, value in changes.items():
            setattr(mirror, name, value)
        await uow.mirrors.save(mirror)


async def rest(begin: Begin, chat: ChatId) -> None:
    """As after somebody has looked at it."""
    await keep(begin, chat, due_at=None, settled=(await mirror_of(begin, chat)).touched)


async def is_touched(begin: Begin, chat: ChatId) -> bool:
    """Whether it is due at once for what somebody did since it rests; rests again."""
    mirror = await mirror_of(begin, chat)
    await rest(begin, chat)
    assert (mirror.due_at == AT_ONCE) is (mirror.touched > mirror.settled)
    return mirror.due_at == AT_ONCE


async def now_is(begin: Begin, chat: ChatId) -> ChatNow:
    """The chat as its mirror is to show it."""
    async with begin(SCHEDULE) as uow:
        return await uow.mirrors.now_is(chat)


async def claimed(begin: Begin, at: datetime = MONDAY_0800, *, limit: int = 10, of_each: int = 10) -> list[ChatId]:
    """The chats whose mirrors are claimed for a minute."""
    async with begin(SCHEDULE) as uow:
        found = await uow.mirrors.claim_due(at, until=at + A_WHILE, limit=limit, of_each=of_each, under_way={})
    assert all(mirror.claimed_until == at + A_WHILE for mirror in found)
    return [mirror.chat_id for mirror in found]


async def test_the_mirror_of_a_new_chat_is_due_at_once(begin: Begin) -> None:
    chat = a_chat()

    await put(begin, organization=an_organization(), chats=[chat])
    mirror = await mirror_of(begin, chat.id)

    assert (mirror.due_at, mirror.touched, mirror.settled) == (AT_ONCE, 1, 0)
    assert (mirror.state, mirror.held, mirror.request) == (MirrorState.NOT_NEEDED, None, None)


async def test_a_chat_that_was_never_saved_has_no_mirror(begin: Begin) -> None:
    async with begin(SCHEDULE) as uow:
        assert await uow.mirrors.find(a_chat().id) is None


async def test_a_mirror_is_read_back_as_it_was_saved(begin: Begin, chat: Chat) -> None:
    await keep(
        begin,
        chat.id,
        request=ChatRequestId(UUID(int=7)),
        numbers={"7001": "12"},
        owner="7001",
        held=Held("5А", {"7001": True, "7002": False}),
        refused={"7003": MONDAY_1000},
        invite_link="https://vk.me/join/1",
        unsure=True,
        looked_at=MONDAY_0830,
        look_at=(MONDAY_0900, MONDAY_1000),
        state=MirrorState.BROKEN,
        error=MirrorError.CHAT_FULL,
        behind_since=MONDAY_0800,
        tries=3,
        settled=1,
        due_at=MONDAY_0900,
        claimed_until=MONDAY_0830,
    )

    found = await mirror_of(begin, chat.id)

    assert state_of(found) == state_of(
        Mirror(
            chat_id=chat.id,
            organization_id=SCHOOL,
            request=ChatRequestId(UUID(int=7)),
            numbers={"7001": "12"},
            owner="7001",
            held=Held("5А", {"7001": True, "7002": False}),
            refused={"7003": MONDAY_1000},
            invite_link="https://vk.me/join/1",
            unsure=True,
            looked_at=MONDAY_0830,
            look_at=(MONDAY_0900, MONDAY_1000),
            state=MirrorState.BROKEN,
            error=MirrorError.CHAT_FULL,
            behind_since=MONDAY_0800,
            tries=3,
            touched=1,
            settled=1,
            due_at=MONDAY_0900,
            claimed_until=MONDAY_0830,
        )
    )


async def test_a_mirror_that_was_lost_is_read_back_as_one_that_was_never_made(begin: Begin, chat: Chat) -> None:
    await keep(begin, chat.id, held=Held("5А", {}), owner="7001", looked_at=MONDAY_0800)

    await keep(begin, chat.id, held=None, owner=None, looked_at=None)
    found = await mirror_of(begin, chat.id)

    assert (found.held, found.owner, found.looked_at) == (None, None, None)


# What touches a mirror


@pytest.mark.rule("SYNC-02")
async def test_whatever_is_saved_of_a_chat_touches_its_mirror(begin: Begin, chat: Chat) -> None:
    async with begin(SCHEDULE) as uow:
        renamed = await uow.chats.find(chat.id)
        assert renamed is not None
        renamed.name = "6А"
        await uow.chats.save_all([renamed])

    assert await is_touched(begin, chat.id)
    assert (await now_is(begin, chat.id)).title == "6А"


@pytest.mark.rule("SYNC-02")
async def test_a_deleted_chat_is_touched_and_is_to_hold_nobody(begin: Begin, chat: Chat) -> None:
    await put(begin, links=[an_account_link("anna")])
    await rest(begin, chat.id)

    async with begin(SCHEDULE) as uow:
        deleted = await uow.chats.find(chat.id)
        assert deleted is not None
        deleted.deleted_at, deleted.memberships = MONDAY_0900, {}
        await uow.chats.save_all([deleted])

    assert await is_touched(begin, chat.id)
    now = await now_is(begin, chat.id)
    assert (now.deleted, now.roles, now.title) == (True, {}, "5А (архив)")


@pytest.mark.rule("CHAT-12")
async def test_whoever_links_or_unlinks_touches_the_chats_they_are_in_and_no_others(begin: Begin, chat: Chat) -> None:
    another = a_chat()
    await put(begin, chats=[another])
    await rest(begin, another.id)
    link = an_account_link("anna")
    seen = []

    await put(begin, links=[link])
    seen.append(await is_touched(begin, chat.id))
    await put(begin, links=[replace(link, refresh_claimed_until=MONDAY_0900, events=[])])
    seen.append(await is_touched(begin, chat.id))
    await put(begin, links=[an_account_link("anna", broken=True)])
    seen.append(await is_touched(begin, chat.id))
    async with begin(SCHEDULE) as uow:
        await uow.account_links.delete(link)
    seen.append(await is_touched(begin, chat.id))

    # A claim of the tokens is nothing to the mirror.
    assert seen == [True, False, True, True]
    assert not await is_touched(begin, another.id)


@pytest.mark.rule("LINK-08")
async def test_whoever_unlinks_touches_mirrors_that_hold_their_profile_although_they_are_no_member(
    begin: Begin,
) -> None:
    chat, link = a_chat(), an_account_link("anna")
    await put(begin, organization=an_organization(), roster=the_roster(), chats=[chat], links=[link])
    await keep(begin, chat.id, held=Held("Чат", {link.profile.id: False}), due_at=None)
    await rest(begin, chat.id)

    async with begin(SCHEDULE) as uow:
        await uow.account_links.delete(link)

    assert await is_touched(begin, chat.id)


@pytest.mark.rule("CHAT-25")
async def test_blocking_and_unblocking_somebody_touches_their_chats(begin: Begin, chat: Chat) -> None:
    async with begin(SCHEDULE) as uow:
        await uow.rosters.get(SCHOOL)
        await uow.rosters.save(the_roster())
    unchanged = await is_touched(begin, chat.id)
    seen = []

    for roster in (the_roster(blocked=("anna",)), the_roster()):
        async with begin(SCHEDULE) as uow:
            await uow.rosters.get(SCHOOL)
            await uow.rosters.save(roster)
        seen.append(await is_touched(begin, chat.id))

    assert not unchanged
    assert seen == [True, True]


@pytest.mark.rule("SYNC-06")
async def test_another_chat_administrator_touches_all_chats_of_the_organization(begin: Begin, chat: Chat) -> None:
    elsewhere = a_chat(organization=OTHER_SCHOOL)
    await put(begin, organization=an_organization(school_id="other school"), chats=[elsewhere])
    await rest(begin, elsewhere.id)
    seen = []

    for administrator in ("director", "teacher"):
        async with begin(SCHEDULE) as uow:
            organization = await uow.organizations.find(SCHOOL, lock=True)
            assert organization is not None
            organization.chat_administrator = participant(administrator)
            await uow.organizations.save(organization)
        seen.append(await is_touched(begin, chat.id))

    assert seen == [False, True]
    assert not await is_touched(begin, elsewhere.id)
    assert (await now_is(begin, chat.id)).chat_administrator == "teacher"


async def test_what_was_undone_touches_nothing(begin: Begin, chat: Chat) -> None:
    async def touch_in_vain() -> None:
        async with begin(SCHEDULE) as uow:
            await uow.mirrors.touch(chat.id)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await touch_in_vain()

    assert not await is_touched(begin, chat.id)


async def test_a_mirror_touched_while_somebody_works_on_it_is_due_again_afterwards(begin: Begin, chat: Chat) -> None:
    async with begin(SCHEDULE) as uow:
        await uow.mirrors.touch(chat.id)
    assert await claimed(begin) == [chat.id]
    async with begin(SCHEDULE) as uow:
        await uow.mirrors.touch(chat.id)

    meanwhile = await claimed(begin)
    await keep(begin, chat.id, claimed_until=None)
    after = await claimed(begin)

    assert (meanwhile, after) == ([], [chat.id])


async def test_people_who_touch_the_same_mirrors_at_once_all_do(begin: Begin) -> None:
    chats = [a_chat(name=str(number)) for number in range(20)]
    await put(begin, organization=an_organization(), chats=chats)

    async def touch(some: list[Chat]) -> None:
        async with begin(SCHEDULE) as uow:
            for chat in some:
                await uow.mirrors.touch(chat.id)
                await asyncio.sleep(0)

    await asyncio.gather(*(touch(chats[::step]) for step in (1, -1) for _ in range(5)))
    touched = [(await mirror_of(begin, chat.id)).touched for chat in chats]

    assert touched == [11] * 20


# The newest state


@pytest.mark.rule("SYNC-01")
async def test_those_who_are_linked_and_not_blocked_are_to_be_in_the_mirror_with_their_roles(begin: Begin) -> None:
    chat = the_chat()
    links = [an_account_link("director"), an_account_link("teacher", broken=True), an_account_link("anna")]
    await put(
        begin,
        organization=an_organization(chat_administrator="director"),
        roster=the_roster(blocked=("boris",)),
        chats=[chat],
        links=[*links, an_account_link("boris"), an_account_link("stranger")],
    )

    now = await now_is(begin, chat.id)

    assert now == ChatNow(
        name="5А",
        ended=False,
        deleted=False,
        members=[
            LinkedMember(PersonId("anna"), "profile of anna", False),
            LinkedMember(PersonId("director"), "profile of director", True),
            LinkedMember(PersonId("teacher"), "profile of teacher", True),
        ],
        chat_administrator=PersonId("director"),
        # The teacher's link is broken: they are a member for whom nobody can act.
        working={"profile of anna": PersonId("anna"), "profile of director": PersonId("director")},
        touched=1,
    )


async def test_somebody_who_is_still_in_the_mirror_may_act_unless_they_are_blocked_or_strange(begin: Begin) -> None:
    chat = a_chat()
    people = ["old administrator", "blocked", "stranger", "broken"]
    await put(
        begin,
        organization=an_organization(),
        roster=a_roster(people=["old administrator", "broken"], blocked=["blocked"]),
        chats=[chat],
        links=[an_account_link(person, broken=person == "broken") for person in people],
    )
    await keep(begin, chat.id, held=Held("Чат", {f"profile of {person}": True for person in people}))

    now = await now_is(begin, chat.id)

    assert (now.members, now.chat_administrator) == ([], None)
    assert now.working == {"profile of old administrator": "old administrator"}


async def test_the_chat_administrator_acts_although_they_are_no_member(begin: Begin) -> None:
    chat = a_chat()
    organization = an_organization(chat_administrator="director")
    await put(begin, organization=organization, roster=the_roster(), chats=[chat], links=[an_account_link("director")])

    now = await now_is(begin, chat.id)

    assert (now.roles, now.maker) == ({}, "profile of director")


@pytest.mark.rule("SYNC-06")
async def test_chats_to_be_emptied_are_those_that_the_account_owns_and_somebody_else_should_leave(
    begin: Begin,
) -> None:
    full, in_step, not_owned, left, only_theirs = the_chat(), the_chat(), the_chat(), the_chat(), a_chat()
    links = [an_account_link(person) for person in ("director", "anna", "boris")]
    director, anna, boris = (link.profile.id for link in links)
    await put(
        begin,
        organization=an_organization(chat_administrator="director"),
        roster=the_roster(blocked=("boris",)),
        chats=[full, in_step, not_owned, left, only_theirs],
        links=links,
    )
    await keep(begin, full.id, owner=director, held=Held("5А", {director: True, anna: False, boris: False}))
    await keep(begin, in_step.id, owner=director, held=Held("5А", {director: True, anna: False}))
    await keep(begin, not_owned.id, owner=anna, held=Held("5А", {director: True, anna: False, boris: False}))
    await keep(begin, only_theirs.id, owner=director, held=Held("Чат", {director: True}))
    await keep(begin, left.id, owner=director, held=Held("5А", {anna: False, boris: False}))

    async with begin(SCHEDULE) as uow:
        found = [await uow.mirrors.to_empty(PersonId(person)) for person in ("director", "teacher")]

    assert found == [[full.id], []]


# Claims


async def test_mirrors_that_are_due_and_free_are_claimed_with_those_that_sferum_has_first(begin: Begin) -> None:
    names = ["new", "old", "older", "later", "held", "free again", "resting"]
    chats = {name: a_chat(name=name) for name in names}
    await put(begin, organization=an_organization(), chats=list(chats.values()))
    made = Held("Чат", {})
    await keep(begin, chats["new"].id, due_at=AT_ONCE)
    await keep(begin, chats["old"].id, due_at=MONDAY_0830, held=made)
    await keep(begin, chats["older"].id, due_at=MONDAY_0800, held=made)
    await keep(begin, chats["later"].id, due_at=MONDAY_1000, held=made)
    await keep(begin, chats["held"].id, claimed_until=MONDAY_0900 + A_WHILE)
    await keep(begin, chats["free again"].id, due_at=MONDAY_0900, claimed_until=MONDAY_0900)
    await keep(begin, chats["resting"].id, due_at=None)

    first = await claimed(begin, MONDAY_0900, limit=2)
    others = await claimed(begin, MONDAY_0900)
    nothing = await claimed(begin, MONDAY_0900)

    assert set(first) == {chats["older"].id, chats["old"].id}
    assert set(others) == {chats["new"].id, chats["free again"].id}
    assert nothing == []


@pytest.mark.rule("SYNC-02")
async def test_of_each_organization_only_so_many_are_under_way_so_that_it_holds_up_no_other(begin: Begin) -> None:
    large = [a_chat(name=str(number)) for number in range(6)]
    small = a_chat(organization=OTHER_SCHOOL)
    await put(begin, organization=an_organization(), chats=large)
    await put(begin, organization=an_organization(school_id="other school"), chats=[small])

    async with begin(SCHEDULE) as uow:
        under_way = {SCHOOL: 1}
        some = await uow.mirrors.claim_due(
            MONDAY_0800, until=MONDAY_0900, limit=10, of_each=3, under_way=under_way
        )  # fmt: skip
        none = await uow.mirrors.claim_due(MONDAY_0800, until=MONDAY_0900, limit=10, of_each=3, under_way={SCHOOL: 3})

    assert sorted(mirror.organization_id for mirror in some) == sorted([SCHOOL, SCHOOL, OTHER_SCHOOL])
    assert none == []


async def test_two_workers_who_claim_at_once_never_have_the_same_mirror(begin: Begin) -> None:
    chats = [a_chat(name=str(number)) for number in range(20)]
    await put(begin, organization=an_organization(), chats=chats)

    found = await asyncio.gather(*(claimed(begin, limit=5, of_each=20) for _ in range(6)))
    rest_of_them = await claimed(begin, of_each=20, limit=20)

    every = [id for each in [*found, rest_of_them] for id in each]
    assert sorted(every) == sorted(chat.id for chat in chats)


async def test_a_mirror_that_somebody_has_locked_is_left_out(begin: Begin, chat: Chat) -> None:
    async with begin(SCHEDULE) as uow:
        await uow.mirrors.touch(chat.id)

    async with begin(SCHEDULE) as uow, begin(SCHEDULE) as another:
        await uow.mirrors.find(chat.id)
        found = await another.mirrors.claim_due(
            MONDAY_0800, until=MONDAY_0900, limit=10, of_each=10, under_way={}
        )  # fmt: skip

    assert found == []


# Who is told


async def test_whoever_looks_at_a_mirror_is_told_of_what_they_see_and_of_nothing_else(storage: Storage) -> None:
    chat = a_chat()
    await put(storage.begin, organization=an_organization(), chats=[chat])
    told = [(await storage.told_of()).count(chat.id)]

    await keep(storage.begin, chat.id, claimed_until=MONDAY_0900, tries=2, unsure=True)
    told.append((await storage.told_of()).count(chat.id))
    await keep(storage.begin, chat.id, held=Held("Чат", {"7001": True}))
    told.append((await storage.told_of()).count(chat.id))

    assert told == [0, 0, 1]


# Attempts to make a chat


def a_request(number: int, account: str = "director", *, due_at: datetime | None = None) -> ChatRequest:
    """An attempt, told from others by its number."""
    return ChatRequest(
        id=ChatRequestId(UUID(int=number)),
        chat_id=ChatId(UUID(int=1)),
        account=PersonId(account),
        profile=f"profile of {account}",
        asked_at=MONDAY_0800,
        due_at=due_at,
    )


async def test_an_attempt_is_read_back_as_it_was_saved_last(begin: Begin) -> None:
    request = a_request(1)
    async with begin(SCHEDULE) as uow:
        await uow.chat_requests.save(request)
        fresh = await uow.chat_requests.find(request.id)
    assert fresh is not None
    assert state_of(fresh) == state_of(request)

    fresh.made("12", at=MONDAY_0900)
    fresh.given_up = True
    async with begin(SCHEDULE) as uow:
        await uow.chat_requests.save_all([fresh])
        found = await uow.chat_requests.find_all([request.id, ChatRequestId(UUID(int=2))])
        none = await uow.chat_requests.find(ChatRequestId(UUID(int=2)))

    assert [state_of(each) for each in found] == [state_of(fresh)]
    assert none is None


@pytest.mark.rule("SYNC-03")
async def test_an_account_of_which_one_attempt_is_due_comes_with_all_that_are_watched(begin: Begin) -> None:
    due, watched = a_request(1, due_at=MONDAY_0800), a_request(2, due_at=MONDAY_1000)
    requests = [due, watched, a_request(3), a_request(4, "other", due_at=MONDAY_1000)]
    async with begin(SCHEDULE) as uow:
        await uow.chat_requests.save_all(requests)

    async with begin(SCHEDULE) as uow:
        found = await uow.chat_requests.due(MONDAY_0830, accounts=5)
        later = await uow.chat_requests.due(MONDAY_1000, accounts=1)
        before = await uow.chat_requests.due(MONDAY_0800 - A_WHILE, accounts=5)

    assert [request.id for request in found] == [due.id, watched.id]
    assert {request.account for request in later} == {"director"}
    assert before == []


async def test_attempts_that_somebody_has_locked_are_not_due_for_others(begin: Begin) -> None:
    requests = [a_request(1, due_at=MONDAY_0800), a_request(2, due_at=MONDAY_0800)]
    async with begin(SCHEDULE) as uow:
        await uow.chat_requests.save_all(requests)

    async with begin(SCHEDULE) as uow, begin(SCHEDULE) as another:
        await uow.chat_requests.find(requests[0].id)
        found = await another.chat_requests.due(MONDAY_0830, accounts=5)

    assert [request.id for request in found] == [requests[1].id]
