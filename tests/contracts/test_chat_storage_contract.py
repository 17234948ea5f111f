"""What every storage promises of chats."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from application.ports import Begin, ConcurrentChange
from domain.audit import SCHEDULE
from domain.chat import ByHand, Chat, ChatKind, OtherChat, TeachersChat, create_default_chat
from domain.grounds import grounds
from domain.ids import ChatId
from domain.participant import Capacity, PositionKind
from domain.roster import Roster
from tests.builders import (
    MONDAY_1000,
    OTHER_SCHOOL,
    SCHOOL,
    a_chat,
    a_roster,
    an_organization,
    class_chat,
    parents_chat,
    participant,
    participants,
    put,
    state_of,
    subject_chat,
)
from tests.contracts.conftest import Storage

KINDS: list[ChatKind] = [
    TeachersChat(),
    class_chat("8 К"),
    parents_chat("8 К"),
    subject_chat("8 К алгебра"),
    OtherChat(),
]


async def nothing() -> None:
    """Nothing happens."""


def a_small_school() -> Roster:
    """One class with its teacher, a pupil and a parent, one group, and somebody who administers the chats."""
    return a_roster(
        employees={"director": [PositionKind.ADMINISTRATION], "klimova": [PositionKind.PEDAGOGICAL]},
        pupils={"petrov": "8 К"},
        parents={"petrova": ["petrov"]},
        class_teachers={"8 К": "klimova"},
        groups={"8 К алгебра": ["petrov"]},
        group_teachers={"8 К алгебра": ["klimova"]},
    )


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: type(kind).__name__)
async def test_a_chat_is_read_back_with_its_members_and_their_grounds(begin: Begin, kind: ChatKind) -> None:
    roster = a_small_school()
    chat = a_chat(kind, roster=roster, chat_administrator="director")
    await put(begin, organization=an_organization(), roster=roster, chats=[chat])

    async with begin(SCHEDULE) as uow:
        found = await uow.chats.find(chat.id)

    assert found is not None
    assert state_of(found) == state_of(chat)


async def test_a_changed_chat_is_read_back_without_those_who_left(begin: Begin) -> None:
    roster = a_small_school()
    chat = a_chat(class_chat("8 К"), roster=roster, chat_administrator="director")
    await put(begin, organization=an_organization(), roster=roster, chats=[chat])

    async with begin(SCHEDULE) as uow:
        changed = await uow.chats.find(chat.id, lock=True)
        assert changed is not None
        changed.name, changed.version = "9 К", 3
        changed.archive()
        without_pupil = a_roster(employees={"director": [], "klimova": []}, class_teachers={"8 К": "director"})
        changed.follow(grounds(chat.kind, without_pupil, participant("klimova")), at=MONDAY_1000)
        await uow.chats.save_all([changed])
    async with begin(SCHEDULE) as uow:
        found = await uow.chats.find(chat.id)

    assert found is not None
    assert found.memberships.keys() == {participant("klimova"), participant("director")}
    assert state_of(found) == state_of(changed)


async def test_a_chat_may_be_saved_twice_in_one_unit_of_work(begin: Begin) -> None:
    chat = a_chat()
    await put(begin, organization=an_organization())

    async with begin(SCHEDULE) as uow:
        await uow.chats.save_all([chat])
        chat.name = "Кружок"
        await uow.chats.save_all([chat])
    async with begin(SCHEDULE) as uow:
        found = await uow.chats.find(chat.id)

    assert found is not None
    assert found.name == "Кружок"


async def test_a_chat_that_somebody_saved_meanwhile_is_not_saved_over(begin: Begin) -> None:
    chat = a_chat()
    await put(begin, organization=an_organization(), chats=[chat])

    async def rename(name: str, *, meanwhile: Callable[[], Awaitable[None]] = nothing) -> None:
        async with begin(SCHEDULE) as uow:
            found = await uow.chats.find(chat.id)
            assert found is not None
            await meanwhile()
            found.name = name
            await uow.chats.save_all([found])

    with pytest.raises(ConcurrentChange):
        await rename("Позже", meanwhile=lambda: rename("Раньше"))
    async with begin(SCHEDULE) as uow:
        found = await uow.chats.find(chat.id)

    assert found is not None
    assert found.name == "Раньше"


async def test_a_default_chat_that_somebody_made_meanwhile_is_not_made_again(begin: Begin) -> None:
    await put(begin, organization=an_organization())
    await put(begin, chats=[create_default_chat(SCHOOL, TeachersChat(), "Учительская")])

    with pytest.raises(ConcurrentChange):
        await put(begin, chats=[create_default_chat(SCHOOL, TeachersChat(), "Вторая учительская")])
    async with begin(SCHEDULE) as uow:
        [found] = await uow.chats.following(SCHOOL, [TeachersChat()])

    assert found.name == "Учительская"


async def test_whoever_locks_a_chat_waits_for_who_has_locked_it(begin: Begin) -> None:
    chat = a_chat(name="Чат")
    await put(begin, organization=an_organization(), chats=[chat])

    async def add_a_letter() -> None:
        async with begin(SCHEDULE) as uow:
            found = await uow.chats.find(chat.id, lock=True)
            assert found is not None
            await asyncio.sleep(0)
            found.name += "!"
            await uow.chats.save_all([found])

    await asyncio.gather(*(add_a_letter() for _ in range(4)))
    async with begin(SCHEDULE) as uow:
        found = await uow.chats.find(chat.id)

    assert found is not None
    assert found.name == "Чат!!!!"


async def test_following_answers_with_the_chats_of_those_kinds_in_the_order_of_their_ids(begin: Begin) -> None:
    roster = a_small_school()
    chats = [a_chat(kind, roster=roster) for kind in KINDS]
    await put(begin, organization=an_organization(), roster=roster, chats=chats)
    wanted: list[ChatKind] = [
        class_chat("8 К"),
        subject_chat("8 К алгебра"),
        OtherChat(),
        parents_chat("no such class"),
    ]

    async with begin(SCHEDULE) as uow:
        found = await uow.chats.following(SCHOOL, wanted)
        none = await uow.chats.following(SCHOOL, [])

    assert [chat.id for chat in found] == sorted(chat.id for chat in chats if chat.kind in wanted)
    assert none == []


async def test_following_without_kinds_answers_with_all_chats_of_the_organization_and_no_others(begin: Begin) -> None:
    here, there = [a_chat(), a_chat()], [a_chat(organization=OTHER_SCHOOL)]
    await put(begin, organization=an_organization(), chats=here)
    await put(begin, organization=an_organization(school_id="other school"), chats=there)

    async with begin(SCHEDULE) as uow:
        found = await uow.chats.following(SCHOOL, None)

    assert [chat.id for chat in found] == sorted(chat.id for chat in here)


async def test_chats_that_are_followed_are_locked(begin: Begin) -> None:
    chats = [a_chat(name="Чат"), a_chat(name="Чат")]
    await put(begin, organization=an_organization(), chats=chats)

    async def add_a_letter_to_all() -> None:
        async with begin(SCHEDULE) as uow:
            followed = await uow.chats.following(SCHOOL, None)
            await asyncio.sleep(0)
            for chat in followed:
                chat.name += "!"
            await uow.chats.save_all(followed)

    await asyncio.gather(*(add_a_letter_to_all() for _ in range(4)))
    async with begin(SCHEDULE) as uow:
        found = await uow.chats.following(SCHOOL, None)

    assert [chat.name for chat in found] == ["Чат!!!!", "Чат!!!!"]


async def test_what_happened_to_a_chat_is_told_when_it_is_saved_and_only_once(storage: Storage) -> None:
    quiet, telling = a_chat(), a_chat()

    telling.archive()
    await put(storage.begin, organization=an_organization(), chats=[quiet, telling])

    assert await storage.told_of() == [telling.id]
    assert telling.events == []


async def test_a_chat_that_is_not_there_is_not_found(begin: Begin) -> None:
    async with begin(SCHEDULE) as uow:
        assert await uow.chats.find(ChatId(SCHOOL)) is None
        assert await uow.chats.following(SCHOOL, None) == []


async def read(begin: Begin, id: ChatId) -> Chat:
    """The chat as it is kept."""
    async with begin(SCHEDULE) as uow:
        found = await uow.chats.find(id)
    assert found is not None
    return found


@pytest.mark.rule("CHAT-31")
@pytest.mark.rule("CHAT-32")
async def test_what_was_done_by_hand_is_read_back_as_it_was_saved_last(begin: Begin) -> None:
    roster = a_small_school()
    chat = a_chat(class_chat("8 К"), roster=roster, chat_administrator="director")
    klimova, petrov = participant("klimova"), participant("petrov")
    steps = [
        ByHand(frozenset({(klimova, Capacity.EMPLOYEE), (klimova, Capacity.PARENT)}), frozenset({petrov})),
        ByHand(frozenset({(klimova, Capacity.PARENT), (petrov, Capacity.PUPIL)})),
        ByHand(frozenset(), participants("klimova", "petrov")),
        ByHand(),
    ]
    await put(begin, organization=an_organization(), roster=roster, chats=[chat])

    for by_hand in steps:
        async with begin(SCHEDULE) as uow:
            changed = await uow.chats.find(chat.id, lock=True)
            assert changed is not None
            changed.by_hand, changed.named_by_user = by_hand, not changed.named_by_user
            changed.version += 1
            await uow.chats.save_all([changed])

        assert state_of(await read(begin, chat.id)) == state_of(changed)


async def test_a_new_chat_is_read_back_with_what_was_done_by_hand(begin: Begin) -> None:
    roster = a_small_school()
    chat = a_chat(subject_chat("8 К алгебра"), roster=roster, chat_administrator="director")
    chat.by_hand = ByHand(frozenset({(participant("petrova"), Capacity.PARENT)}), participants("petrov"))
    chat.named_by_user = True

    await put(begin, organization=an_organization(), roster=roster, chats=[chat])

    assert state_of(await read(begin, chat.id)) == state_of(chat)


@pytest.mark.rule("CHAT-32")
async def test_following_also_answers_with_the_chats_to_which_somebody_added_one_of_those_people(
    begin: Begin,
) -> None:
    roster = a_small_school()
    of_class = a_chat(class_chat("8 К"))
    with_petrov, with_both, excluding_petrov, deleted = a_chat(), a_chat(), a_chat(), a_chat()
    petrov, klimova = (participant("petrov"), Capacity.PUPIL), (participant("klimova"), Capacity.EMPLOYEE)
    with_petrov.by_hand = ByHand(frozenset({petrov}))
    with_both.by_hand = ByHand(frozenset({petrov, klimova, (participant("petrov"), Capacity.PARENT)}))
    excluding_petrov.by_hand = ByHand(frozenset({klimova}), participants("petrov"))
    deleted.by_hand = ByHand(frozenset({petrov}))
    deleted.delete(at=MONDAY_1000)
    chats = [of_class, with_petrov, with_both, excluding_petrov, deleted]
    there = a_chat(organization=OTHER_SCHOOL)
    there.by_hand = ByHand(frozenset({petrov}))
    await put(begin, organization=an_organization(), roster=roster, chats=chats)
    await put(begin, organization=an_organization(school_id="other school"), chats=[there])

    async with begin(SCHEDULE) as uow:
        of_kinds = await uow.chats.following(SCHOOL, [class_chat("8 К")], having_added=participants("petrov"))
        of_nobody = await uow.chats.following(SCHOOL, [class_chat("8 К")], having_added=[])
        of_hands = await uow.chats.following(SCHOOL, [], having_added=participants("petrov", "klimova"))
        everything = await uow.chats.following(SCHOOL, None, having_added=participants("petrov"))

    assert [chat.id for chat in of_kinds] == sorted(chat.id for chat in (of_class, with_petrov, with_both))
    assert [chat.id for chat in of_nobody] == [of_class.id]
    assert [chat.id for chat in of_hands] == sorted(chat.id for chat in (with_petrov, with_both, excluding_petrov))
    assert [chat.id for chat in everything] == sorted(chat.id for chat in chats if chat is not deleted)


@pytest.mark.rule("CHAT-15")
async def test_a_deleted_chat_is_not_found(begin: Begin) -> None:
    roster = a_small_school()
    chat = a_chat(subject_chat("8 К алгебра"), roster=roster, chat_administrator="director")
    await put(begin, organization=an_organization(), roster=roster, chats=[chat])

    async with begin(SCHEDULE) as uow:
        found = await uow.chats.find(chat.id, lock=True)
        assert found is not None
        found.delete(at=MONDAY_1000)
        await uow.chats.save_all([found])

    async with begin(SCHEDULE) as uow:
        assert await uow.chats.find(chat.id) is None
        assert await uow.chats.find(chat.id, lock=True) is None
        assert await uow.chats.following(SCHOOL, None) == []
        assert await uow.chats.following(SCHOOL, [subject_chat("8 К алгебра")]) == []


@pytest.mark.rule("CHAT-15")
async def test_whoever_waited_for_a_chat_that_was_deleted_does_not_find_it(begin: Begin) -> None:
    chat = a_chat()
    await put(begin, organization=an_organization(), chats=[chat])

    async def delete() -> bool:
        async with begin(SCHEDULE) as uow:
            found = await uow.chats.find(chat.id, lock=True)
            if found is None:
                return False
            await asyncio.sleep(0)
            found.delete(at=MONDAY_1000)
            await uow.chats.save_all([found])
            return True

    assert sorted(await asyncio.gather(*(delete() for _ in range(4)))) == [False, False, False, True]
