"""The same messenger twice: in memory and as Sferum's VK API, so that whatever holds for one is asked of the other."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest

from application.ports import Messenger, MessengerFailed, OpenCall, SeenChat, Trouble
from domain.ids import PersonId
from domain.mirror import Admit, Held, Remove, Rename, SetRole, Step
from infrastructure.sferum.messenger import Sferum
from infrastructure.sferum.pace import LocalPace
from tests.fakes.messenger import FakeMessenger, lost_answer, refusal

TEACHER, HEAD = PersonId("manual-teacher"), PersonId("manual-vorontsova")
LOGINS = {TEACHER: "teacher", HEAD: "vorontsova"}


@dataclass(frozen=True)
class Stage:
    """A messenger, the profiles of its two accounts and of people without one, and what can befall it.

    `refuses` and `loses_answer` concern the next request for a thing: `create`, `admit`, or `change`, which is several
    steps at once; what is lost was done.
    """

    messenger: Messenger
    teacher: str
    head: str
    others: list[str]
    declines: Callable[[str], None]
    holds: Callable[[int], None]
    refuses: Callable[[str, Trouble], None]
    loses_answer: Callable[[str], None]


@pytest.fixture(params=["in_memory", "over_vk"])
def stage(request: pytest.FixtureRequest) -> Stage:
    found: Stage = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def in_memory() -> Stage:
    messenger = FakeMessenger()
    methods = {"create": "create_chat", "admit": "admit", "change": "change_chat"}
    return Stage(
        messenger,
        teacher=f"profile of {TEACHER}",
        head=f"profile of {HEAD}",
        others=[f"{number}" for number in range(30)],
        declines=messenger.declining.add,
        holds=lambda capacity: setattr(messenger, "capacity", capacity),
        refuses=lambda what, trouble: messenger.meet(methods[what], refusal(trouble)),
        loses_answer=lambda what: messenger.meet(methods[what], lost_answer(done=True)),
    )


@pytest.fixture
def tokens(sandbox: Any) -> dict[PersonId, str]:
    """An access token of each account."""
    return {person: sandbox.sign_in(sandbox.login(login)["phone"])["access_token"] for person, login in LOGINS.items()}


@pytest.fixture
async def over_vk(sandbox: Any, tokens: dict[PersonId, str]) -> AsyncIterator[Stage]:
    own = {person: str(sandbox.login(login)["profiles"][0]["id"]) for person, login in LOGINS.items()}
    everybody = [str(each["profiles"][0]["id"]) for each in sandbox.people() if each["profiles"]]
    methods = {"create": "messages.createChat", "admit": "messages.addChatUser", "change": "execute"}
    codes = {Trouble.NO_PERMISSION: 15, Trouble.HUMAN_CHECK_NEEDED: 14, Trouble.CHAT_LOST: 927}

    async def token(person: PersonId) -> str:
        return tokens[person]

    async def renewed(person: PersonId, refused: str) -> str:
        raise MessengerFailed(Trouble.RELINK_NEEDED, certain=True)

    async with httpx.AsyncClient(trust_env=False) as http:
        messenger = Sferum(
            http,
            base_url=sandbox.settings.vk_api_url,
            access_token=token,
            renewed=renewed,
            pace=LocalPace(3),
            timeout_seconds=5,
        )
        yield Stage(
            messenger,
            teacher=own[TEACHER],
            head=own[HEAD],
            others=[profile for profile in everybody if profile not in own.values()],
            declines=lambda profile: sandbox.change(declines_invitations=[int(profile)]),
            holds=lambda capacity: sandbox.change(chat_capacity=capacity),
            refuses=lambda what, trouble: sandbox.order(method=methods[what], kind="error", code=codes[trouble]),
            loses_answer=lambda what: sandbox.order(method=methods[what], kind="lost"),
        )


def a_title() -> str:
    return f"#{uuid4().hex}"


def troubles(answers: list[MessengerFailed | None]) -> list[tuple[Trouble, bool] | None]:
    """How each failed, and whether for certain."""
    return [None if each is None else (each.trouble, each.certain) for each in answers]


async def seen(stage: Stage, account: PersonId, title: str) -> list[SeenChat]:
    """The account's chats of that title."""
    return [chat for chat in await stage.messenger.chats(account) if chat.title == title]


async def a_chat(stage: Stage, *steps: Step, title: str = "1 Б") -> str:
    """A chat of the teacher's in which these steps were taken; its number for the teacher."""
    number = await stage.messenger.create_chat(TEACHER, title)
    if steps:
        assert await stage.messenger.change_chat(TEACHER, number, steps) == [None] * len(steps)
    return number


async def test_a_new_chat_has_its_owner_alone_as_an_administrator(stage: Stage) -> None:
    title = a_title()

    number = await stage.messenger.create_chat(TEACHER, title)

    assert await stage.messenger.chat(TEACHER, number) == Held(title, {stage.teacher: True})
    assert await seen(stage, TEACHER, title) == [SeenChat(number, title, stage.teacher, True)]
    assert await seen(stage, HEAD, title) == []


async def test_two_requests_for_a_chat_make_two_and_the_newest_comes_first(stage: Stage) -> None:
    title = a_title()

    numbers = [await stage.messenger.create_chat(TEACHER, title) for _ in range(2)]

    assert [chat.number for chat in await seen(stage, TEACHER, title)] == numbers[::-1]


async def test_steps_are_taken_in_order_and_each_is_told_of(stage: Stage) -> None:
    first, second, third = stage.others[:3]
    number = await a_chat(stage, Admit(first), Admit(second), SetRole(second, True))

    answers = await stage.messenger.change_chat(
        TEACHER, number, [Remove(first), Rename("2 Б"), Admit(third), SetRole(second, False), SetRole(third, True)]
    )

    assert answers == [None] * 5
    assert await stage.messenger.chat(TEACHER, number) == Held("2 Б", {stage.teacher: True, second: False, third: True})


async def test_a_single_step_is_taken_like_several(stage: Stage) -> None:
    member = stage.others[0]
    number = await a_chat(stage)

    admitted = await stage.messenger.change_chat(TEACHER, number, [Admit(member)])
    promoted = await stage.messenger.change_chat(TEACHER, number, [SetRole(member, True)])
    renamed = await stage.messenger.change_chat(TEACHER, number, [Rename("2 Б")])
    held = await stage.messenger.chat(TEACHER, number)
    removed = await stage.messenger.change_chat(TEACHER, number, [Remove(member)])

    assert admitted == promoted == renamed == removed == [None]
    assert held == Held("2 Б", {stage.teacher: True, member: True})
    assert await stage.messenger.chat(TEACHER, number) == Held("2 Б", {stage.teacher: True})


async def test_twenty_five_steps_can_be_taken_at_once(stage: Stage) -> None:
    members = stage.others[:25]

    number = await a_chat(stage, *map(Admit, members))

    assert (await stage.messenger.chat(TEACHER, number)).members == {stage.teacher: True} | dict.fromkeys(
        members, False
    )


async def test_no_steps_are_no_trouble(stage: Stage) -> None:
    number = await a_chat(stage)

    assert await stage.messenger.change_chat(TEACHER, number, []) == []


async def test_what_is_so_already_counts_as_done(stage: Stage) -> None:
    member, stranger = stage.others[:2]
    number = await a_chat(stage, Admit(member))

    together = await stage.messenger.change_chat(TEACHER, number, [Remove(stranger), Rename("1 Б"), Admit(member)])
    alone = [await stage.messenger.change_chat(TEACHER, number, [step]) for step in (Remove(stranger), Admit(member))]

    assert together == [None] * 3
    assert alone == [[None]] * 2
    assert await stage.messenger.chat(TEACHER, number) == Held("1 Б", {stage.teacher: True, member: False})


async def test_who_may_not_be_added_is_refused_and_the_others_come_in(stage: Stage) -> None:
    shy, willing = stage.others[:2]
    stage.declines(shy)
    number = await a_chat(stage)

    together = await stage.messenger.change_chat(
        TEACHER, number, [Admit(shy), SetRole(shy, True), Admit(willing), SetRole(willing, True)]
    )
    alone = await stage.messenger.change_chat(TEACHER, number, [Admit(shy)])

    refused = (Trouble.MEMBER_REFUSED, True)
    assert troubles(together) == [refused, refused, None, None]
    assert troubles(alone) == [refused]
    assert (await stage.messenger.chat(TEACHER, number)).members == {stage.teacher: True, willing: True}


async def test_a_full_chat_takes_nobody_in_until_somebody_has_left(stage: Stage) -> None:
    first, second = stage.others[:2]
    number = await a_chat(stage, Admit(first))
    stage.holds(2)

    refused = await stage.messenger.change_chat(TEACHER, number, [Admit(second), Rename("2 Б")])
    done = await stage.messenger.change_chat(TEACHER, number, [Remove(first), Admit(second)])

    assert troubles(refused) == [(Trouble.CHAT_FULL, True), None]
    assert done == [None, None]


async def test_each_account_has_its_own_number_of_a_chat_and_any_administrator_acts_by_theirs(stage: Stage) -> None:
    title = a_title()
    await a_chat(stage, title="another, so that the numbers differ")
    number = await a_chat(stage, Admit(stage.head), SetRole(stage.head, True), title=title)

    [theirs] = await seen(stage, HEAD, title)
    answers = await stage.messenger.change_chat(HEAD, theirs.number, [Admit(stage.others[0]), Rename("2 Б")])

    assert theirs == SeenChat(theirs.number, title, stage.teacher, True)
    assert answers == [None, None]
    assert await stage.messenger.chat(TEACHER, number) == await stage.messenger.chat(HEAD, theirs.number)


async def test_an_account_that_is_no_administrator_may_look_and_change_nothing(stage: Stage) -> None:
    title = a_title()
    await a_chat(stage, Admit(stage.head), Admit(stage.others[0]), title=title)
    [theirs] = await seen(stage, HEAD, title)

    together = await stage.messenger.change_chat(HEAD, theirs.number, [Remove(stage.others[0]), Rename("2 Б")])
    alone = await stage.messenger.change_chat(HEAD, theirs.number, [Admit(stage.others[1])])
    with pytest.raises(MessengerFailed) as raised:
        await stage.messenger.invite_link(HEAD, theirs.number)

    forbidden = (Trouble.NO_PERMISSION, True)
    assert troubles(together) == [forbidden] * 2
    assert troubles([*alone, raised.value]) == [forbidden] * 2
    assert await stage.messenger.chat(HEAD, theirs.number) == Held(
        title, {stage.teacher: True, stage.head: False, stage.others[0]: False}
    )


async def test_who_was_removed_still_sees_the_chat_in_their_list_and_nothing_of_it(stage: Stage) -> None:
    title = a_title()
    number = await a_chat(stage, Admit(stage.head), SetRole(stage.head, True), title=title)
    [before] = await seen(stage, HEAD, title)

    await stage.messenger.change_chat(TEACHER, number, [Remove(stage.head)])
    [afterwards] = await seen(stage, HEAD, title)
    with pytest.raises(MessengerFailed) as raised:
        await stage.messenger.chat(HEAD, before.number)
    answers = await stage.messenger.change_chat(HEAD, before.number, [Rename("2 Б"), Admit(stage.others[0])])

    assert afterwards == SeenChat(before.number, title, stage.teacher, False)
    assert troubles([raised.value, *answers]) == [(Trouble.NO_PERMISSION, True)] * 3


async def test_who_comes_back_finds_the_chat_under_the_same_number(stage: Stage) -> None:
    title = a_title()
    number = await a_chat(stage, Admit(stage.head), title=title)
    [before] = await seen(stage, HEAD, title)

    await stage.messenger.change_chat(TEACHER, number, [Remove(stage.head), Admit(stage.head)])

    assert await seen(stage, HEAD, title) == [before]


async def test_the_last_one_can_leave(stage: Stage) -> None:
    title = a_title()
    number = await a_chat(stage, title=title)

    answers = await stage.messenger.change_chat(TEACHER, number, [Rename(f"{title} (архив)"), Remove(stage.teacher)])
    again = await stage.messenger.change_chat(TEACHER, number, [Remove(stage.teacher)])

    assert answers == [None, None]
    assert again == [None]
    assert [chat.is_member for chat in await seen(stage, TEACHER, f"{title} (архив)")] == [False]


async def test_a_chat_that_never_was_is_lost(stage: Stage) -> None:
    troubled = []
    for asked in (stage.messenger.chat(TEACHER, "90000"), stage.messenger.invite_link(TEACHER, "90000")):
        with pytest.raises(MessengerFailed) as raised:
            await asked
        troubled.append(raised.value)

    together = await stage.messenger.change_chat(TEACHER, "90000", [Remove(stage.others[0]), Rename("1 Б")])
    alone = await stage.messenger.change_chat(TEACHER, "90000", [Admit(stage.others[0])])

    assert troubles([*troubled, *together, *alone]) == [(Trouble.CHAT_LOST, True)] * 5


async def test_an_invite_link_stays_the_same(stage: Stage) -> None:
    number = await a_chat(stage)

    links = {await stage.messenger.invite_link(TEACHER, number) for _ in range(2)}

    [link] = links
    assert link.startswith("https://")


async def test_a_chat_whose_answer_was_lost_is_found_by_its_title(stage: Stage) -> None:
    title = a_title()
    stage.loses_answer("create")

    with pytest.raises(MessengerFailed) as raised:
        await stage.messenger.create_chat(TEACHER, title)

    assert troubles([raised.value]) == [(Trouble.UNAVAILABLE, False)]
    [found] = await seen(stage, TEACHER, title)
    assert await stage.messenger.chat(TEACHER, found.number) == Held(title, {stage.teacher: True})


async def test_a_chat_that_is_refused_is_not_made(stage: Stage) -> None:
    title = a_title()
    stage.refuses("create", Trouble.HUMAN_CHECK_NEEDED)

    with pytest.raises(MessengerFailed) as raised:
        await stage.messenger.create_chat(TEACHER, title)

    assert troubles([raised.value]) == [(Trouble.HUMAN_CHECK_NEEDED, True)]
    assert await seen(stage, TEACHER, title) == []


async def test_steps_whose_answer_was_lost_may_have_been_taken(stage: Stage) -> None:
    number = await a_chat(stage)
    stage.loses_answer("change")

    with pytest.raises(MessengerFailed) as raised:
        await stage.messenger.change_chat(TEACHER, number, [Rename("2 Б"), Admit(stage.others[0])])

    assert troubles([raised.value]) == [(Trouble.UNAVAILABLE, False)]
    assert await stage.messenger.chat(TEACHER, number) == Held("2 Б", {stage.teacher: True, stage.others[0]: False})


async def test_a_step_that_is_refused_stops_no_other(stage: Stage) -> None:
    first, second = stage.others[:2]
    number = await a_chat(stage)
    stage.refuses("admit", Trouble.NO_PERMISSION)

    answers = await stage.messenger.change_chat(TEACHER, number, [Admit(first), Admit(second)])

    assert troubles(answers) == [(Trouble.NO_PERMISSION, True), None]
    assert (await stage.messenger.chat(TEACHER, number)).members == {stage.teacher: True, second: False}


async def test_a_call_is_open_from_its_start_to_its_end(stage: Stage) -> None:
    call = await stage.messenger.start_call(TEACHER, "Классный час")
    several = await stage.messenger.start_calls(TEACHER, ["Урок 1", "Урок 2"])
    open = await stage.messenger.open_calls(TEACHER)
    await stage.messenger.end_call(TEACHER, call.id)
    ended = await stage.messenger.end_calls(TEACHER, [each.id for each in several if isinstance(each, OpenCall)])

    assert {call, *several} <= set(open)
    assert ended == [None, None]
    assert not {call, *several} & set(await stage.messenger.open_calls(TEACHER))
