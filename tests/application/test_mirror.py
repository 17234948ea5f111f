"""Chats are mirrored to Sferum, and the mirror comes in step again whatever fails, is lost or dies."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest

from application.chats import StaleChat, UnlinkedMembers
from application.mirror import CLAIMED_FOR, BringMirrorInStep, EmptyBeforeUnlinking
from application.ports import ConcurrentChange, Trouble
from application.unlinking import UnlinkAccount
from domain.audit import SCHEDULE
from domain.chat import TeachersChat
from domain.chat_form import ChatEdit
from domain.chat_request import WATCH_FOR_STRAYS
from domain.errors import ProblemCode
from domain.ids import ChatId, PersonId
from domain.mirror import NEEDS_A_PERSON, REFUSED_FOR, Admit, MirrorError, MirrorState, Remove, Rename
from domain.roster_events import (
    ClassClosed,
    ClassSaved,
    ClassTeacherSet,
    PersonBlocked,
    PersonUnblocked,
    PupilEnrolled,
    PupilExpelled,
)
from tests.application.mirrors import (
    A_WHILE,
    ANNA,
    BORIS,
    DEPUTY,
    DIRECTOR,
    TEACHER,
    FatefulMessenger,
    bad_luck,
    break_link,
    end_link,
    live,
    make_chat,
    mirror_of,
    open_school,
    shown,
    strays,
    the_chat,
    wanted,
    work,
)
from tests.application.school import SUPERADMINISTRATOR, known, link_account, only, problems_of, tell, viewer_of
from tests.builders import MONDAY_0800, SCHOOL, an_account_link, class_chat, participant, put
from tests.fakes.messenger import HeldChat, death, lost_answer, refusal
from tests.fakes.world import World

A_DAY = timedelta(days=1)
ALL_IS_OVER = WATCH_FOR_STRAYS + timedelta(minutes=5)
EVERYBODY = ("director", "teacher", "anna", "boris")


async def is_in_step(world: World) -> bool:
    """Whether Sferum shows exactly what it should, of all chats, and we know it."""
    known = {mirror.state for mirror in world.storage.mirrors.rows.values()} <= {
        MirrorState.IN_STEP,
        MirrorState.ARCHIVED,
        MirrorState.NOT_NEEDED,
    }
    return known and shown(world.messenger) == await wanted(world)


def states(world: World) -> set[MirrorState]:
    """The states of all mirrors."""
    return {mirror.state for mirror in world.storage.mirrors.rows.values()}


# SYNC-01: the mirror


@pytest.mark.rule("SYNC-01")
async def test_a_chat_with_somebody_linked_has_one_chat_in_sferum_with_its_title_members_and_roles(
    world: World,
) -> None:
    await open_school(world, *EVERYBODY)

    await work(world)
    mirror = await mirror_of(world)

    assert shown(world.messenger) == [
        ("5А", {DIRECTOR: True, TEACHER: True, ANNA: False, BORIS: False}),
        ("5А Родители", {DIRECTOR: True, TEACHER: True}),
        ("Учительская", {DIRECTOR: True, TEACHER: False}),
    ]
    assert (mirror.state, mirror.error, mirror.behind_since) == (MirrorState.IN_STEP, None, None)
    assert the_chat(world).owner == DIRECTOR
    assert await is_in_step(world)


@pytest.mark.rule("SYNC-03")
async def test_a_chat_is_made_with_its_owner_alone_and_retitled_before_anybody_else_comes_in(world: World) -> None:
    await open_school(world, "director", "teacher", "anna")
    titles = []

    async def look() -> None:
        titles.extend([(chat.title, dict(chat.members)) for chat in world.messenger.held])

    world.messenger.meanwhile = look
    await work(world)

    assert [members for _, members in titles] == [{DIRECTOR: True}]
    assert all(title.startswith("#") and len(title) == 33 for title, _ in titles)
    assert isinstance(world.messenger.taken[0], Rename)


@pytest.mark.rule("SYNC-01")
async def test_until_the_chat_administrator_has_linked_the_mirror_waits_for_them(world: World) -> None:
    await open_school(world, "anna")

    await live(world, A_DAY)
    waiting = await mirror_of(world)
    asked = list(world.messenger.asked)
    await link_account(world, "director")
    await work(world)

    assert waiting.state is MirrorState.WAITING_FOR_CHAT_ADMINISTRATOR
    assert (waiting.behind_since, asked) == (MONDAY_0800, [])
    assert the_chat(world).members == {DIRECTOR: True, ANNA: False}


@pytest.mark.rule("SYNC-01")
async def test_of_a_chat_in_which_nobody_is_linked_sferum_knows_nothing(world: World) -> None:
    await open_school(world)

    await live(world)

    assert world.messenger.held == []
    assert states(world) == {MirrorState.NOT_NEEDED}


@pytest.mark.rule("CHAT-12")
async def test_a_member_comes_into_sferum_as_soon_as_they_link(world: World) -> None:
    await open_school(world, "director")
    await work(world)
    before = dict(the_chat(world).members)

    await link_account(world, "anna")
    await work(world)

    assert (before, the_chat(world).members) == ({DIRECTOR: True}, {DIRECTOR: True, ANNA: False})
    # They are added, which shows nothing of the past, and not invited or put in when the chat is made.
    assert world.messenger.taken[-1] == Admit(ANNA)


@pytest.mark.rule("LINK-08")
async def test_whoever_unlinks_leaves_the_mirror_and_stays_in_the_chat(world: World) -> None:
    await open_school(world, *EVERYBODY)
    await work(world)

    await world.use_cases.unlink_account(viewer_of("anna"), confirmed=True)
    await work(world)

    assert the_chat(world).members == {DIRECTOR: True, TEACHER: True, BORIS: False}
    assert participant("anna") in (await world.chat(class_chat("5А"))).memberships


@pytest.mark.rule("CHAT-25")
async def test_blocking_somebody_removes_them_from_sferum_and_unblocking_brings_them_back(world: World) -> None:
    await open_school(world, *EVERYBODY)
    await work(world)
    there = []

    for event in (PersonBlocked(PersonId("anna")), PersonUnblocked(PersonId("anna"))):
        await tell(world, event)
        await work(world)
        there.append(ANNA in the_chat(world).members)

    assert there == [False, True]
    assert await is_in_step(world)


@pytest.mark.rule("CHAT-15")
async def test_deleting_a_chat_ends_it_in_sferum_too(world: World) -> None:
    await open_school(world, *EVERYBODY)
    chat = await make_chat(world, "Кружок", "anna", "boris")
    await live(world)
    held = the_chat(world, "Кружок")

    await world.use_cases.delete_chat(SUPERADMINISTRATOR, chat)
    await live(world, A_DAY)

    assert (held.title, held.members) == ("Кружок (архив)", {})
    assert world.messenger.taken[-1] == Remove(DIRECTOR)
    assert world.storage.mirrors.rows[chat].state is MirrorState.ARCHIVED
    assert world.storage.mirrors.rows[chat].due_at is None


@pytest.mark.rule("CHAT-24")
async def test_a_closed_class_s_chat_is_emptied_and_titled_archived_and_comes_back_when_it_opens_again(
    world: World,
) -> None:
    await open_school(world, *EVERYBODY)
    await work(world)
    held = the_chat(world)

    await tell(world, ClassClosed("5А"))
    await work(world)
    archived = held.title, dict(held.members), (await mirror_of(world)).state
    await tell(world, ClassSaved("5А", "5А"), PupilEnrolled(PersonId("anna"), "5А"))
    await work(world)

    assert archived == ("5А (архив)", {DIRECTOR: True}, MirrorState.ARCHIVED)
    assert held.title == "5А"
    assert ANNA in held.members
    assert await is_in_step(world)


@pytest.mark.rule("SYNC-01")
async def test_a_renamed_chat_is_renamed_in_sferum(world: World) -> None:
    await open_school(world, *EVERYBODY)
    chat = await make_chat(world, "Кружок", "anna")
    await work(world)
    held = the_chat(world, "Кружок")

    await rename(world, chat, "Клуб")
    await work(world)

    assert held.title == "Клуб"
    assert await is_in_step(world)


async def rename(world: World, chat: ChatId, name: str) -> None:
    """Somebody edits the chat's name."""
    async with world.storage.begin(SCHEDULE) as uow:
        known_chat = await uow.chats.find(chat)
        assert known_chat is not None
    edit, version = ChatEdit(name=name), known_chat.version
    update = world.use_cases.update_chat
    answer = await update(SUPERADMINISTRATOR, chat, edit, expected_version=version)
    if isinstance(answer, UnlinkedMembers):
        confirmation = answer.confirmation
        answer = await update(SUPERADMINISTRATOR, chat, edit, expected_version=version, confirmation=confirmation)
    assert not isinstance(answer, StaleChat | UnlinkedMembers)


# SYNC-02: trouble


@pytest.mark.rule("SYNC-02")
@pytest.mark.parametrize("method", ["create_chat", "change_chat", "rename", "admit", "set_role", "remove", "chat"])
@pytest.mark.parametrize("trouble", [each for each in Trouble if each is not Trouble.CHAT_LOST])
async def test_what_was_refused_is_tried_again_until_the_mirror_is_in_step(
    world: World, trouble: Trouble, method: str
) -> None:
    await open_school(world, *EVERYBODY)
    if method in {"remove", "chat"}:
        await work(world)
        await tell(world, PersonBlocked(PersonId("boris")))
        the_chat(world).members |= {"stranger": False}
        (await mirror_of(world)).looked_at = None
    world.messenger.meet(method, *[refusal(trouble)] * 12)

    await work(world)
    behind = not await is_in_step(world)
    await live(world, timedelta(hours=20))

    assert behind or (trouble is Trouble.MEMBER_REFUSED and method in {"admit", "set_role"})
    assert await is_in_step(world)
    assert world.messenger.mishaps[method] == type(world.messenger.mishaps[method])()


@pytest.mark.rule("SYNC-02", "SYNC-04")
@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        (Trouble.UNAVAILABLE, MirrorError.UNAVAILABLE),
        (Trouble.RATE_LIMITED, MirrorError.RATE_LIMITED),
        (Trouble.HUMAN_CHECK_NEEDED, MirrorError.HUMAN_CHECK_NEEDED),
        (Trouble.NO_PERMISSION, MirrorError.NO_PERMISSION),
        (Trouble.CHAT_FULL, MirrorError.CHAT_FULL),
        (Trouble.REFUSED, MirrorError.NO_PERMISSION),
    ],
)
async def test_the_mirror_says_what_stopped_it_and_since_when(
    world: World, trouble: Trouble, error: MirrorError
) -> None:
    await open_school(world, "director", "anna")
    await work(world)
    world.now += A_WHILE
    await tell(world, PersonBlocked(PersonId("anna")))
    world.messenger.meet("remove", refusal(trouble))

    [outcome] = [each for each in await work(world) if each.error]
    mirror = await mirror_of(world)

    assert (mirror.error, outcome.error) == (error, error)
    assert mirror.state is (MirrorState.BROKEN if error in NEEDS_A_PERSON else MirrorState.BEHIND)
    assert mirror.behind_since == MONDAY_0800 + A_WHILE


@pytest.mark.rule("SYNC-02")
async def test_one_chat_s_trouble_holds_up_no_other(world: World) -> None:
    await open_school(world, *EVERYBODY)
    world.messenger.meet("create_chat", lost_answer(done=False))

    await work(world)

    assert len(world.messenger.seen) == len(world.storage.chats.rows) - 1
    assert sorted(states(world)) == [MirrorState.BEHIND, MirrorState.IN_STEP]


@pytest.mark.rule("SYNC-02")
async def test_sferum_is_left_alone_for_as_long_as_it_wants(world: World) -> None:
    await open_school(world, "director")
    world.messenger.meet("create_chat", *[refusal(Trouble.RATE_LIMITED, pause=timedelta(minutes=20))] * 3)
    await work(world)
    asked = len(world.messenger.asked)

    await live(world, timedelta(minutes=19))
    in_between = len(world.messenger.asked) - asked
    await live(world, timedelta(minutes=2))

    assert in_between == 0
    assert await is_in_step(world)


@pytest.mark.rule("SYNC-02")
async def test_while_sferum_is_away_it_is_asked_ever_more_seldom(world: World) -> None:
    await open_school(world, *EVERYBODY)
    await work(world)
    await tell(world, PersonBlocked(PersonId("anna")))
    world.messenger.meet("change_chat", *[refusal(Trouble.UNAVAILABLE)] * 1000)
    asked = len(world.messenger.asked)

    await live(world, timedelta(hours=1))

    # Two chats, each every minute at last.
    assert 80 < len(world.messenger.asked) - asked < 140


@pytest.mark.rule("SYNC-02")
async def test_many_members_come_in_twenty_five_steps_at_a_time(world: World) -> None:
    await open_school(world, "director")
    pupils = [f"pupil {number}" for number in range(60)]
    await tell(world, *known(*pupils), *(PupilEnrolled(PersonId(pupil), "5А") for pupil in pupils))
    for pupil in pupils:
        await link_account(world, pupil)

    await work(world)

    assert len(the_chat(world).members) == 61
    # A title and sixty people.
    assert world.messenger.asked.count("change_chat") == 3 + 2


@pytest.mark.rule("SYNC-02")
async def test_whoever_is_removed_while_others_come_in_does_not_wait_for_them(world: World) -> None:
    await open_school(world, "director", "anna")
    await work(world)
    pupils = [f"pupil {number}" for number in range(60)]
    await tell(world, *known(*pupils), *(PupilEnrolled(PersonId(pupil), "5А") for pupil in pupils))
    for pupil in pupils:
        await link_account(world, pupil)
    seen = []

    async def expel() -> None:
        seen.append(ANNA in the_chat(world).members)
        await tell(world, PupilExpelled(PersonId("anna")))

    world.messenger.meanwhile = expel
    await work(world)
    taken = [step for step in world.messenger.taken if step != Remove(ANNA)]
    place = world.messenger.taken.index(Remove(ANNA))

    assert seen == [True]
    # After the 25 that had been asked for when she was expelled, before the other 35.
    assert place == len(taken) - 35
    assert ANNA not in the_chat(world).members


async def test_whom_sferum_does_not_let_in_holds_up_nobody_and_may_come_by_a_link(world: World) -> None:
    await open_school(world, *EVERYBODY)
    world.messenger.declining = {ANNA}

    await work(world)
    mirror = await mirror_of(world)
    world.messenger.declining = set()
    await live(world, REFUSED_FOR - A_WHILE)
    soon = ANNA in the_chat(world).members
    await live(world, 2 * A_WHILE)

    assert (mirror.state, set(mirror.refused)) == (MirrorState.IN_STEP, {ANNA})
    assert mirror.invite_link is not None
    assert mirror.invite_link.startswith("https://")
    assert world.messenger.asked.count("invite_link") == 1
    assert (soon, ANNA in the_chat(world).members) == (False, True)


async def test_a_link_that_cannot_be_had_leaves_the_mirror_in_step(world: World) -> None:
    await open_school(world, *EVERYBODY)
    world.messenger.declining = {ANNA}
    world.messenger.meet("invite_link", refusal(Trouble.NO_PERMISSION))

    await work(world)
    mirror = await mirror_of(world)

    assert (mirror.state, mirror.invite_link) == (MirrorState.IN_STEP, None)


async def test_a_full_chat_waits_for_room_and_lets_go_whoever_has_to(world: World) -> None:
    await open_school(world, "director", "teacher", "anna")
    await work(world)
    world.messenger.capacity = 3
    await link_account(world, "boris")
    await work(world)
    full = await mirror_of(world)

    await tell(world, PersonBlocked(PersonId("anna")))
    await work(world)

    assert (full.state, full.error) == (MirrorState.BROKEN, MirrorError.CHAT_FULL)
    assert the_chat(world).members.keys() == {DIRECTOR, TEACHER, BORIS}
    assert await is_in_step(world)


# SYNC-03: lost answers


@pytest.mark.rule("SYNC-03")
async def test_a_hundred_lost_answers_make_a_hundred_chats_and_none_that_a_member_sees_twice(world: World) -> None:
    await open_school(world, *EVERYBODY)
    for number in range(97):
        await make_chat(world, f"Кружок {number}", "anna")
    chats = len(world.storage.chats.rows)
    for number in range(chats):
        # Done, not done, or done after all when another one was asked for.
        world.messenger.meet("create_chat", lost_answer(done=number % 3 == 0))
    twice = set[str]()

    async def look() -> None:
        titles = [chat.title for chat in world.messenger.seen if chat.members.keys() != {DIRECTOR}]
        twice.update(title for title in titles if titles.count(title) > 1 or title.startswith("#"))

    await live(world, timedelta(seconds=30), do=look)
    late = len(world.messenger.late)
    world.messenger.do_what_was_late()
    turned_up = len(strays(world))
    await live(world, A_WHILE, do=look)

    seen, orphans = len(world.messenger.seen), len(strays(world))
    print(f"{chats} lost answers: {seen} upstream chats, {len(twice)} duplicates, {orphans} orphans")
    assert (chats, late, turned_up) == (100, 66, 66)
    assert (seen, twice, orphans) == (100, set(), 0)
    assert await is_in_step(world)


@pytest.mark.rule("SYNC-03")
async def test_a_chat_whose_answer_was_lost_is_found_by_its_title_and_not_made_again(world: World) -> None:
    await open_school(world, "director", "teacher")
    world.messenger.meet("create_chat", *[lost_answer(done=True)] * 3)

    await live(world, timedelta(seconds=4))

    assert len(world.messenger.held) == len(world.storage.chats.rows) == 3
    assert await is_in_step(world)


@pytest.mark.rule("SYNC-03")
async def test_a_chat_is_not_made_again_before_the_owner_s_chats_were_read(world: World) -> None:
    await open_school(world, "director")
    world.messenger.meet("create_chat", lost_answer(done=True))
    world.messenger.meet("chats", *[refusal(Trouble.UNAVAILABLE)] * 6)

    await live(world, timedelta(seconds=40))
    before = world.messenger.asked.count("create_chat")
    await live(world, timedelta(minutes=15))

    assert before == len(world.messenger.held) == 3
    assert await is_in_step(world)


@pytest.mark.rule("SYNC-03")
async def test_a_chat_that_turns_up_beside_the_one_that_was_made_is_emptied_within_a_minute(world: World) -> None:
    await open_school(world, "director")
    await work(world)
    request = next(iter(world.storage.chat_requests.rows.values()))
    twin = HeldChat(DIRECTOR, request.title, {DIRECTOR: True}, {DIRECTOR: "99"})
    strange = HeldChat(DIRECTOR, "#" + "0" * 32, {DIRECTOR: True}, {DIRECTOR: "100"})
    await live(world, WATCH_FOR_STRAYS - 2 * A_WHILE)
    world.messenger.held += [twin, strange]
    # The first try renames it and cannot leave it.
    world.messenger.meet("remove", refusal(Trouble.UNAVAILABLE))

    await live(world, A_WHILE)

    assert (twin.members, twin.title) == ({}, f"{request.title} (архив)")
    assert strange.members == {DIRECTOR: True}
    assert len(world.messenger.seen) == 3 + 1


@pytest.mark.rule("SYNC-03")
async def test_a_stray_that_cannot_be_emptied_is_tried_again_however_long_that_takes(world: World) -> None:
    await open_school(world, "director")
    await work(world)
    request = next(iter(world.storage.chat_requests.rows.values()))
    twin = HeldChat(DIRECTOR, request.title, {DIRECTOR: True}, {DIRECTOR: "99"})
    world.messenger.held.append(twin)
    world.messenger.meet("remove", *[refusal(Trouble.UNAVAILABLE)] * 40)

    await live(world, ALL_IS_OVER)
    still_there = dict(twin.members)
    await live(world, timedelta(hours=2))

    assert (still_there, twin.members) == ({DIRECTOR: True}, {})


@pytest.mark.rule("SYNC-03")
async def test_what_came_of_an_attempt_is_asked_with_the_account_that_has_its_profile_now(world: World) -> None:
    await open_school(world, "director", "anna")
    world.messenger.meet("create_chat", *[lost_answer(done=True)] * 3)
    await work(world)
    profile = (await end_link(world, "director")).profile
    await put(world.storage.begin, links=[an_account_link("deputy", profile=profile.id)])

    await world.use_cases.set_chat_administrator(SUPERADMINISTRATOR, SCHOOL, participant("deputy"))
    await live(world)

    assert len(world.messenger.held) == 3
    assert await is_in_step(world)


@pytest.mark.rule("SYNC-03")
async def test_strays_are_looked_for_no_longer_than_they_can_turn_up(world: World) -> None:
    await open_school(world, "director")
    await live(world, ALL_IS_OVER)
    asked = world.messenger.asked.count("chats")

    await live(world, timedelta(hours=10))

    # Once for the three of them, every twenty to thirty seconds.
    assert 20 <= asked <= 31
    assert world.messenger.asked.count("chats") == asked


@pytest.mark.rule("SYNC-03")
async def test_an_attempt_whose_account_does_not_work_any_more_waits_until_somebody_can_say_what_came_of_it(
    world: World,
) -> None:
    await open_school(world, "director", "anna")
    world.messenger.meet("create_chat", *[lost_answer(done=True)] * 3)
    await work(world)
    await break_link(world, "director")

    await live(world, A_DAY)
    waiting = await mirror_of(world)
    await link_account(world, "director")
    await work(world)

    assert (waiting.state, waiting.request is not None) == (MirrorState.WAITING_FOR_CHAT_ADMINISTRATOR, True)
    assert len(world.messenger.held) == 3
    assert await is_in_step(world)


@pytest.mark.rule("SYNC-03")
async def test_an_attempt_of_an_account_that_makes_no_chats_any_more_is_given_up_and_emptied_when_it_can_be(
    world: World,
) -> None:
    await open_school(world, "director", "deputy", "anna")
    world.messenger.meet("create_chat", *[lost_answer(done=True)] * 3)
    await work(world)
    await break_link(world, "director")
    await live(world)

    await world.use_cases.set_chat_administrator(SUPERADMINISTRATOR, SCHOOL, participant("deputy"))
    await live(world, timedelta(hours=1))
    owners, unclaimed = {chat.owner for chat in world.messenger.seen if chat not in strays(world)}, len(strays(world))
    await link_account(world, "director")
    await live(world, timedelta(minutes=10))

    assert (owners, unclaimed) == ({DEPUTY}, 3)
    assert strays(world) == []
    assert await is_in_step(world)


@pytest.mark.rule("SYNC-02")
@pytest.mark.parametrize("step", ["admit", "change_chat"])
async def test_an_addition_that_comes_late_does_not_undo_the_removal_that_came_after_it(
    world: World, step: str
) -> None:
    await open_school(world, "director", "teacher")
    await work(world)
    await link_account(world, "anna")
    world.messenger.meet(step, lost_answer(done=False))
    await work(world)

    await tell(world, PupilExpelled(PersonId("anna")))
    await live(world, timedelta(seconds=5))
    gone = ANNA not in the_chat(world).members
    world.messenger.do_what_was_late()
    back = ANNA in the_chat(world).members
    await live(world, timedelta(minutes=11))

    assert (gone, back) == (True, True)
    assert await is_in_step(world)


# Workers that die, and two at once


@pytest.mark.rule("SYNC-02")
async def test_whoever_came_in_by_a_worker_that_died_leaves_although_nobody_recorded_that_they_came(
    world: World,
) -> None:
    await open_school(world, "director", "teacher")
    await work(world)
    await link_account(world, "anna")
    world.messenger.meet("change_chat", death(done=True))
    await work(world)

    came = ANNA in the_chat(world).members
    await tell(world, PupilExpelled(PersonId("anna")))
    await live(world)

    assert came
    assert await is_in_step(world)


async def a_school_s_day(world: World) -> None:
    """Changes of every kind, with a few minutes after each, in which all that is late happens after all."""
    await open_school(world, *EVERYBODY, "deputy")
    await a_few_minutes(world)
    await tell(world, PersonBlocked(PersonId("boris")), ClassSaved("5А", "6А"))
    await a_few_minutes(world)
    await tell(world, PersonUnblocked(PersonId("boris")), ClassTeacherSet("5А", None))
    await a_few_minutes(world)
    await world.use_cases.set_chat_administrator(SUPERADMINISTRATOR, SCHOOL, participant("deputy"))
    await a_few_minutes(world)


async def a_few_minutes(world: World) -> None:
    """They pass; what was late comes before the next change."""
    await live(world, 3 * A_WHILE)
    world.messenger.do_what_was_late()


@pytest.mark.rule("SYNC-02", "SYNC-03")
@pytest.mark.parametrize("kind", ["died before", "died after", "lost before", "lost after", "refused"])
async def test_wherever_a_worker_dies_or_an_answer_is_lost_another_one_brings_it_all_in_step(kind: str) -> None:
    fate = {
        "died before": death(done=False),
        "died after": death(done=True),
        "lost before": lost_answer(done=False),
        "lost after": lost_answer(done=True),
        "refused": refusal(Trouble.UNAVAILABLE),
    }[kind]
    calm = World(messenger=FatefulMessenger())
    await a_school_s_day(calm)
    requests = len(calm.messenger.asked)

    for number in range(1, requests + 1):
        world = World(messenger=FatefulMessenger({number: fate}))
        await a_school_s_day(world)
        await live(world, ALL_IS_OVER)

        assert await is_in_step(world), f"request {number} of {requests}: {world.messenger.asked[number - 1]}"
        assert len(world.messenger.seen) == 3

    assert requests > 30


@pytest.mark.rule("SYNC-02")
async def test_a_worker_that_was_thought_dead_changes_nothing_of_what_another_one_found(world: World) -> None:
    await open_school(world, *EVERYBODY)

    async def another_takes_over() -> None:
        world.now += CLAIMED_FOR + timedelta(seconds=1)
        await tell(world, PersonBlocked(PersonId("anna")))
        await work(world)

    world.messenger.meanwhile = another_takes_over
    [mirror, *_] = await world.use_cases.keep_mirrors(limit=1)
    with pytest.raises(ConcurrentChange):
        await world.use_cases.bring_mirror_in_step(mirror)
    await live(world, ALL_IS_OVER)

    assert await is_in_step(world)
    assert len(world.messenger.held) == 3


@pytest.mark.rule("SYNC-03")
async def test_several_workers_at_once_make_each_chat_once(world: World) -> None:
    await open_school(world, *EVERYBODY)

    await asyncio.gather(*(work(world) for _ in range(8)))

    assert world.messenger.asked.count("create_chat") == 3
    assert await is_in_step(world)


async def test_a_mirror_that_nobody_has_claimed_is_not_worked_on(world: World) -> None:
    await open_school(world, *EVERYBODY)
    mirror = replace(await mirror_of(world), claimed_until=world.now + A_WHILE)

    with pytest.raises(ConcurrentChange):
        await world.use_cases.bring_mirror_in_step(mirror)

    assert world.messenger.asked == []


# SYNC-05: drift


@pytest.mark.rule("SYNC-05")
@pytest.mark.parametrize("drift", ["left", "came", "title", "role", "everything"])
async def test_what_somebody_changed_in_sferum_is_mended_within_a_day(world: World, drift: str) -> None:
    await open_school(world, *EVERYBODY)
    await live(world)
    chat = the_chat(world)
    if drift in {"left", "everything"}:
        del chat.members[ANNA]
    if drift in {"came", "everything"}:
        chat.members["stranger"] = True
    if drift in {"title", "everything"}:
        chat.title = "Кто мы"
    if drift in {"role", "everything"}:
        chat.members |= {TEACHER: False, BORIS: True}
    drifted = 0

    for _ in range(24):
        world.now += timedelta(hours=1)
        drifted += sum(outcome.drifted for outcome in await work(world))

    assert drifted == 1
    assert await is_in_step(world)


@pytest.mark.rule("SYNC-05")
async def test_on_request_a_chat_is_compared_at_once_and_whoever_was_refused_is_let_in_again(world: World) -> None:
    await open_school(world, *EVERYBODY)
    world.messenger.declining = {ANNA}
    await work(world)
    world.messenger.declining = set()
    del the_chat(world).members[BORIS]

    await work(world)
    before = the_chat(world).members.keys()
    there = set(before)
    await world.use_cases.resync_chat(SUPERADMINISTRATOR, (await mirror_of(world)).chat_id)
    await work(world)

    assert there == {DIRECTOR, TEACHER}
    assert await is_in_step(world)


@pytest.mark.rule("SYNC-05")
async def test_only_who_may_edit_a_chat_asks_for_a_comparison(world: World) -> None:
    await open_school(world, *EVERYBODY)
    await work(world)
    asked, chat = len(world.messenger.asked), (await mirror_of(world)).chat_id
    teachers = (await mirror_of(world, TeachersChat())).chat_id
    resync = world.use_cases.resync_chat

    problems = [
        await problems_of(resync(viewer_of("anna"), chat)),
        await problems_of(resync(viewer_of("anna"), teachers)),
        await problems_of(resync(SUPERADMINISTRATOR, ChatId(participant("nobody")))),
    ]
    await work(world)

    assert problems == [only(ProblemCode.FORBIDDEN), *[only(ProblemCode.NOT_FOUND, "id")] * 2]
    assert len(world.messenger.asked) == asked


@pytest.mark.rule("SYNC-05")
async def test_a_chat_that_sferum_has_lost_is_made_anew(world: World) -> None:
    await open_school(world, *EVERYBODY)
    await work(world)
    the_chat(world).lost = True

    await tell(world, PersonBlocked(PersonId("anna")))
    await live(world, timedelta(seconds=20))
    at_first = len(world.messenger.held), (await mirror_of(world)).error
    await live(world, 5 * A_WHILE)

    # What was there a moment ago may only be slow to show itself.
    assert at_first == (3, MirrorError.CHAT_LOST)
    assert len(world.messenger.held) == 4
    assert await is_in_step(world)


async def test_a_deleted_chat_that_sferum_has_lost_is_not_made_anew(world: World) -> None:
    await open_school(world, *EVERYBODY)
    chat = await make_chat(world, "Кружок", "anna")
    await work(world)
    the_chat(world, "Кружок").lost = True
    world.now += A_DAY

    await world.use_cases.delete_chat(SUPERADMINISTRATOR, chat)
    await live(world, A_DAY)

    assert len(world.messenger.held) == 4
    assert world.storage.mirrors.rows[chat].state is MirrorState.ARCHIVED


# SYNC-06: with whose account


@pytest.mark.rule("SYNC-06")
async def test_while_the_owner_s_account_does_not_work_another_administrator_s_does_the_work(world: World) -> None:
    await open_school(world, "director", "teacher", "anna")
    # The teacher numbers their chats otherwise, and has one that looks the same.
    twin = HeldChat(DIRECTOR, "5А", {TEACHER: True, DIRECTOR: True}, {TEACHER: "1", DIRECTOR: "70"})
    other = HeldChat(TEACHER, "5А", {DIRECTOR: True, TEACHER: True, ANNA: False}, {TEACHER: "2"})
    world.messenger.held += [twin, other]
    await work(world)
    await break_link(world, "director")

    await link_account(world, "boris")
    await work(world)
    waits = await mirror_of(world, TeachersChat())
    mirror = await mirror_of(world)

    assert mirror.held is not None
    assert mirror.held.members == {DIRECTOR: True, TEACHER: True, ANNA: False, BORIS: False}
    assert (mirror.state, mirror.owner) == (MirrorState.IN_STEP, DIRECTOR)
    assert (set(twin.members), set(other.members)) == ({TEACHER, DIRECTOR}, {TEACHER, DIRECTOR, ANNA})
    # In the teachers' chat nobody else is an administrator; there is nothing to do either.
    assert waits.state is MirrorState.WAITING_FOR_CHAT_ADMINISTRATOR


@pytest.mark.rule("SYNC-06")
async def test_an_account_that_cannot_tell_the_chat_from_others_leaves_it_alone(world: World) -> None:
    await open_school(world, "director", "teacher", "anna")
    await work(world)
    real = the_chat(world)
    twin = HeldChat(DIRECTOR, "5А", dict(real.members), {TEACHER: "50"})
    world.messenger.held.append(twin)
    await break_link(world, "director")

    await link_account(world, "boris")
    await work(world)
    mirror = await mirror_of(world)

    assert (mirror.state, mirror.error) == (MirrorState.BROKEN, MirrorError.NO_PERMISSION)
    assert BORIS not in real.members | twin.members


@pytest.mark.rule("SYNC-06")
async def test_an_account_that_sferum_wants_to_check_is_replaced_by_another_one_for_the_present(world: World) -> None:
    await open_school(world, "director", "teacher", "anna")
    await work(world)
    await link_account(world, "boris")
    world.messenger.meet("change_chat", refusal(Trouble.HUMAN_CHECK_NEEDED))

    await work(world)

    assert BORIS in the_chat(world).members
    assert (await mirror_of(world)).state is MirrorState.IN_STEP


@pytest.mark.rule("SYNC-06")
async def test_a_new_chat_administrator_is_let_in_and_made_administrator_before_the_old_one_leaves(
    world: World,
) -> None:
    await open_school(world, "director", "anna")
    await link_account(world, "deputy")
    await work(world)
    chat = the_chat(world)
    world.messenger.taken.clear()

    await world.use_cases.set_chat_administrator(SUPERADMINISTRATOR, SCHOOL, participant("deputy"))
    await work(world)
    steps = "".join(type(step).__name__[0] for step in world.messenger.taken)

    # In the teachers' chat both are employees, and only their roles change.
    assert steps.replace("SS", "", 1) == "ASRASR"
    assert chat.members == {DEPUTY: True, ANNA: False}
    assert len(world.messenger.held) == 3
    assert await is_in_step(world)


@pytest.mark.rule("SYNC-06")
async def test_until_the_new_chat_administrator_has_linked_the_old_account_stays_and_does_the_work(
    world: World,
) -> None:
    await open_school(world, "director", "anna")
    await work(world)
    await world.use_cases.set_chat_administrator(SUPERADMINISTRATOR, SCHOOL, participant("deputy"))
    await live(world, A_DAY)
    await link_account(world, "boris")
    await work(world)
    chat, mirror = the_chat(world), await mirror_of(world)
    meanwhile = dict(chat.members), mirror.state

    await link_account(world, "deputy")
    await work(world)

    assert meanwhile == (
        {DIRECTOR: True, ANNA: False, BORIS: False},
        MirrorState.WAITING_FOR_CHAT_ADMINISTRATOR,
    )
    assert chat.members == {DEPUTY: True, ANNA: False, BORIS: False}
    assert await is_in_step(world)


@pytest.mark.rule("SYNC-06")
async def test_before_the_owner_s_tokens_go_whoever_is_to_leave_has_left(world: World) -> None:
    await open_school(world, "director", "anna", "boris")
    await work(world)
    await tell(world, PersonBlocked(PersonId("boris")))
    asked = len(world.messenger.asked)

    warning = await world.use_cases.unlink_account(viewer_of("director"), confirmed=False)
    unasked = len(world.messenger.asked) == asked
    await world.use_cases.unlink_account(viewer_of("director"), confirmed=True)

    assert warning is not None
    assert unasked
    # No worker has looked at it since.
    assert the_chat(world).members == {DIRECTOR: True, ANNA: False}
    assert not await world.linked("director")


@pytest.mark.rule("SYNC-06", "LINK-08")
async def test_while_no_account_works_the_chat_stays_as_it_is_and_waits(world: World) -> None:
    await open_school(world, "director", "anna", "boris")
    await work(world)
    await world.use_cases.unlink_account(viewer_of("director"), confirmed=True)
    await tell(world, PersonBlocked(PersonId("boris")))

    await live(world, A_DAY)
    stays, waits = dict(the_chat(world).members), states(world)
    await link_account(world, "director")
    await work(world)

    assert stays == {DIRECTOR: True, ANNA: False, BORIS: False}
    assert waits == {MirrorState.WAITING_FOR_CHAT_ADMINISTRATOR}
    assert the_chat(world).members == {DIRECTOR: True, ANNA: False}
    assert await is_in_step(world)


@pytest.mark.rule("SYNC-06")
async def test_unlinking_does_not_wait_for_sferum_longer_than_it_may(world: World) -> None:
    await open_school(world, "director", "anna", "boris")
    await work(world)
    await tell(world, PersonBlocked(PersonId("boris")))
    begin = world.storage.begin
    bring_in_step = BringMirrorInStep(begin, world.messenger)
    empty = EmptyBeforeUnlinking(begin, bring_in_step, within=timedelta(milliseconds=20))
    world.messenger.meanwhile = asyncio.Event().wait

    async with asyncio.timeout(2):
        await UnlinkAccount(begin, empty)(viewer_of("director"), confirmed=True)
    await link_account(world, "director")
    await live(world)

    # What was under way is looked at by whoever comes next.
    assert await is_in_step(world)


@pytest.mark.rule("SYNC-06")
async def test_unlinking_leaves_a_chat_at_which_a_worker_is_to_that_worker(world: World) -> None:
    await open_school(world, "director", "anna", "boris")
    await work(world)
    await tell(world, PersonBlocked(PersonId("boris")))
    claimed = await world.use_cases.keep_mirrors(limit=10)
    asked = len(world.messenger.asked)

    await world.use_cases.unlink_account(viewer_of("director"), confirmed=True)

    assert claimed
    assert len(world.messenger.asked) == asked


# All of it


@pytest.mark.rule("CHAT-12", "SYNC-02")
async def test_two_hundred_who_link_while_sferum_flaps_are_all_let_in() -> None:
    messenger = FatefulMessenger()
    world = World(messenger=messenger)
    await open_school(world, "director")
    pupils = [f"pupil {number}" for number in range(200)]
    await tell(world, *known(*pupils), *(PupilEnrolled(PersonId(pupil), "5А") for pupil in pupils))
    await work(world)
    messenger.chance = bad_luck(Random(34))

    for pupil in pupils:
        await link_account(world, pupil)
        if pupil.endswith("0"):
            await live(world, timedelta(seconds=10))
    await live(world, ALL_IS_OVER)
    messenger.chance = lambda: None
    await live(world, ALL_IS_OVER)

    assert len(the_chat(world).members) == 201
    assert await is_in_step(world)


@pytest.mark.rule("SYNC-02")
@pytest.mark.parametrize("seed", range(10))
async def test_whatever_happens_in_the_school_and_at_sferum_in_the_end_both_are_the_same(seed: int) -> None:
    random = Random(seed)
    messenger = FatefulMessenger()
    world = World(messenger=messenger)
    await open_school(world, *EVERYBODY)
    pupils = [f"pupil {number}" for number in range(8)]
    await tell(world, *known(*pupils), ClassSaved("5Б", "5Б"))
    messenger.chance = bad_luck(random)

    for number in range(60):
        await something_happens(world, random, pupils)
        await live(world, timedelta(seconds=random.randrange(90)))
        if number % 4 == 0:
            messenger.do_what_was_late()
    messenger.chance = lambda: None
    # Somebody who administers each chat can act again.
    for person in ("director", "teacher"):
        await tell(world, PersonUnblocked(PersonId(person)))
        await link_account(world, person)
    await world.use_cases.set_chat_administrator(SUPERADMINISTRATOR, SCHOOL, participant("director"))
    await live(world, ALL_IS_OVER)

    assert strays(world) == []
    assert await is_in_step(world)


async def something_happens(world: World, random: Random, pupils: list[str]) -> None:
    """One change in the school, of any kind."""
    pupil = random.choice(pupils)
    person = random.choice([*pupils, *EVERYBODY])
    roster = world.storage.rosters.rows[SCHOOL]
    blocked, enrolled = roster.people[participant(person)].blocked, participant(pupil) in roster.enrolments
    linked = PersonId(person) in world.storage.account_links.rows
    match random.randrange(6):
        case 0 | 1:
            moved = PupilExpelled(PersonId(pupil)) if enrolled else PupilEnrolled(PersonId(pupil), random.choice("АБ"))
            if isinstance(moved, PupilEnrolled):
                moved = PupilEnrolled(moved.person, f"5{moved.class_school_id}")
            await tell(world, moved)
        case 2:
            await tell(world, PersonUnblocked(PersonId(person)) if blocked else PersonBlocked(PersonId(person)))
        case 3 | 4:
            await (end_link(world, person) if linked else link_account(world, person))
        case _:
            await tell(world, ClassSaved("5А", f"5А {random.randrange(3)}"))
