"""Chats follow what the school system tells: who comes in, who goes out, and in which role."""

import pytest

from domain.chat import Chat, ChatArchived, ChatKind, ChatMembersChanged, ChatRenamed, ChatReopened, TeachersChat
from domain.ids import ParticipantId, PersonId
from domain.participant import Capacity, Name, PositionKind
from domain.roster_events import (
    ClassClosed,
    ClassSaved,
    ClassTeacherSet,
    EmployeeDismissed,
    EmployeeHired,
    EmployeePositionsChanged,
    GroupClosed,
    GroupSaved,
    ParentTied,
    ParentUntied,
    PersonSaved,
    PupilEnrolled,
    PupilExpelled,
    PupilTransferred,
)
from tests.application.school import hire_director, known, tell
from tests.builders import (
    MONDAY_0800,
    MONDAY_0830,
    a_chat,
    class_chat,
    parents_chat,
    participant,
    participants,
    put,
    subject_chat,
)
from tests.fakes.world import World

PETROV, BELOV, PETROVA = PersonId("petrov"), PersonId("belov"), PersonId("petrova")
KLIMOVA, ORLOVA = PersonId("klimova"), PersonId("orlova")
TEACHES, OTHER = (PositionKind.PEDAGOGICAL,), (PositionKind.OTHER,)
TEACHERS = TeachersChat()
CLASS_8K, PARENTS_8K = class_chat("8 К"), parents_chat("8 К")
CLASS_9A, PARENTS_9A = class_chat("9 А"), parents_chat("9 А")
ALGEBRA = subject_chat("алгебра")


@pytest.fixture
async def world() -> World:
    """A school whose director administers the chats; two classes, two pupils, two teachers, and a mother of both."""
    world = World()
    await hire_director(world)
    await tell(
        world,
        *known("petrov", "belov", "petrova", "klimova", "orlova"),
        ClassSaved("8 К", "8 К"),
        ClassSaved("9 А", "9 А"),
        EmployeeHired(KLIMOVA, TEACHES),
        EmployeeHired(ORLOVA, TEACHES),
        ClassTeacherSet("8 К", KLIMOVA),
        PupilEnrolled(PETROV, "8 К"),
        PupilEnrolled(BELOV, "8 К"),
        ParentTied(PETROVA, PETROV),
        ParentTied(PETROVA, BELOV),
        GroupSaved("алгебра", "8 К алгебра", "Алгебра", frozenset({PETROV, BELOV}), (KLIMOVA,)),
    )
    chat = a_chat(ALGEBRA, name="Алгебра", at=MONDAY_0800)
    await put(world.storage.begin, chats=[chat])
    await tell(world, GroupSaved("алгебра", "8 К алгебра", "Алгебра", frozenset({PETROV, BELOV}), (KLIMOVA,)))
    world.storage.outbox.clear()
    return world


async def members(world: World, *kinds: ChatKind) -> list[frozenset[ParticipantId]]:
    """The members of the chats of those kinds."""
    return [frozenset((await world.chat(kind)).memberships) for kind in kinds]


@pytest.mark.rule("CHAT-02")
async def test_the_teachers_chat_has_those_who_administer_or_teach_and_the_chat_administrator(world: World) -> None:
    await tell(world, *known("guard"), EmployeeHired(PersonId("guard"), OTHER))

    chat = await world.chat(TEACHERS)

    assert chat.memberships.keys() == participants("director", "klimova", "orlova")
    assert chat.administrators == participants("director")


@pytest.mark.rule("CHAT-03")
async def test_each_class_has_one_chat_named_as_the_class_with_its_teacher_its_pupils_and_the_chat_administrator(
    world: World,
) -> None:
    chat = await world.chat(CLASS_8K)

    assert chat.name == "8 К"
    assert chat.memberships.keys() == participants("director", "klimova", "petrov", "belov")
    assert chat.members_as(Capacity.PUPIL) == participants("petrov", "belov")


@pytest.mark.rule("CHAT-04")
async def test_each_class_has_one_chat_of_its_parents_with_its_teacher_and_the_chat_administrator(
    world: World,
) -> None:
    chat = await world.chat(PARENTS_8K)

    assert chat.name == "8 К Родители"
    assert chat.memberships.keys() == participants("director", "klimova", "petrova")
    assert chat.members_as(Capacity.PARENT) == participants("petrova")


@pytest.mark.rule("CHAT-05")
async def test_the_class_teacher_administers_the_chats_of_the_class(world: World) -> None:
    for kind in (CLASS_8K, PARENTS_8K):
        assert (await world.chat(kind)).administrators == participants("director", "klimova")


@pytest.mark.rule("CHAT-20")
async def test_enrolment_transfer_and_expulsion_move_a_pupil_in_and_out_of_the_chats_of_classes(world: World) -> None:
    await tell(world, *known("gusev"), PupilEnrolled(PersonId("gusev"), "9 А"))
    enrolled = await members(world, CLASS_8K, CLASS_9A)
    await tell(world, PupilTransferred(PETROV, "9 А"))
    transferred = await members(world, CLASS_8K, CLASS_9A)
    await tell(world, PupilExpelled(PETROV))
    expelled = await members(world, CLASS_8K, CLASS_9A)

    here = participants("director", "klimova", "belov")
    there = participants("director", "gusev")
    assert enrolled == [here | participants("petrov"), there]
    assert transferred == [here, there | participants("petrov")]
    assert expelled == [here, there]


@pytest.mark.rule("CHAT-20")
async def test_expulsion_and_a_change_of_the_group_s_list_move_a_pupil_in_and_out_of_the_chat_of_the_group(
    world: World,
) -> None:
    at_first = await members(world, ALGEBRA)
    await tell(world, PupilExpelled(BELOV))
    expelled = await members(world, ALGEBRA)
    await tell(world, GroupSaved("алгебра", "8 К алгебра", "Алгебра", frozenset(), (KLIMOVA,)))
    emptied = await members(world, ALGEBRA)

    assert at_first == [participants("director", "klimova", "petrov", "belov")]
    assert expelled == [participants("director", "klimova", "petrov")]
    assert emptied == [participants("director", "klimova")]


@pytest.mark.rule("CHAT-21")
async def test_enrolment_transfer_and_expulsion_of_a_pupil_move_the_parents(world: World) -> None:
    await tell(world, *known("gusev", "guseva"), ParentTied(PersonId("guseva"), PersonId("gusev")))
    await tell(world, PupilEnrolled(PersonId("gusev"), "8 К"))
    enrolled = await members(world, PARENTS_8K, PARENTS_9A)
    await tell(world, PupilTransferred(PersonId("gusev"), "9 А"))
    transferred = await members(world, PARENTS_8K, PARENTS_9A)
    await tell(world, PupilExpelled(PersonId("gusev")))
    expelled = await members(world, PARENTS_8K, PARENTS_9A)

    here, there = participants("director", "klimova", "petrova"), participants("director")
    assert enrolled == [here | participants("guseva"), there]
    assert transferred == [here, there | participants("guseva")]
    assert expelled == [here, there]


@pytest.mark.rule("CHAT-21")
async def test_a_tie_made_or_ended_moves_a_parent_and_one_with_another_child_in_the_class_stays(
    world: World,
) -> None:
    await tell(world, ParentUntied(PETROVA, PETROV))
    with_another_child = await members(world, PARENTS_8K)
    await tell(world, ParentUntied(PETROVA, BELOV))
    without = await members(world, PARENTS_8K)
    await tell(world, ParentTied(PETROVA, PETROV))
    tied = await members(world, PARENTS_8K)

    others = participants("director", "klimova")
    assert (with_another_child, without, tied) == (
        [others | participants("petrova")],
        [others],
        [others | participants("petrova")],
    )


@pytest.mark.rule("CHAT-22")
async def test_hiring_dismissal_and_a_change_of_position_move_an_employee_in_and_out_of_the_teachers_chat(
    world: World,
) -> None:
    await tell(world, *known("gusev"), EmployeeHired(PersonId("gusev"), (*OTHER, *TEACHES)))
    hired = await members(world, TEACHERS)
    await tell(world, EmployeePositionsChanged(PersonId("gusev"), OTHER))
    in_another_position = await members(world, TEACHERS)
    await tell(world, EmployeeDismissed(ORLOVA))
    dismissed = await members(world, TEACHERS)

    assert hired == [participants("director", "klimova", "orlova", "gusev")]
    assert in_another_position == [participants("director", "klimova", "orlova")]
    assert dismissed == [participants("director", "klimova")]


@pytest.mark.rule("CHAT-23")
async def test_a_new_class_teacher_or_group_teacher_replaces_the_old_one_with_the_role(world: World) -> None:
    await tell(
        world,
        ClassTeacherSet("8 К", ORLOVA),
        GroupSaved("алгебра", "8 К алгебра", "Алгебра", frozenset({PETROV}), (ORLOVA,)),
    )

    for kind in (CLASS_8K, PARENTS_8K, ALGEBRA):
        chat = await world.chat(kind)
        assert chat.administrators == participants("director", "orlova")
        assert participant("klimova") not in chat.memberships


async def test_a_class_promoted_under_its_id_keeps_its_two_chats_renamed(world: World) -> None:
    before = await members(world, CLASS_8K, PARENTS_8K)

    await tell(world, ClassSaved("8 К", "9 К"))

    chats = [await world.chat(kind) for kind in (CLASS_8K, PARENTS_8K)]
    assert [chat.name for chat in chats] == ["9 К", "9 К Родители"]
    assert [frozenset(chat.memberships) for chat in chats] == before
    assert {(event.chat_id, event.name) for event in world.storage.outbox if isinstance(event, ChatRenamed)} == {
        (chat.id, chat.name) for chat in chats
    }
    assert len(world.storage.outbox) == 2


async def test_a_closed_class_archives_its_chats_which_keep_nobody_but_the_chat_administrator(world: World) -> None:
    await tell(world, ClassClosed("8 К"))

    for kind in (CLASS_8K, PARENTS_8K):
        chat = await world.chat(kind)
        assert chat.archived
        assert chat.memberships.keys() == participants("director")
        assert ChatArchived(chat.id) in world.storage.outbox
    assert await members(world, ALGEBRA) == [participants("director", "klimova")]


async def test_a_closed_group_archives_its_chat_and_no_other(world: World) -> None:
    await tell(world, GroupClosed("алгебра"))

    assert [chat.kind for chat in await world.chats() if chat.archived] == [ALGEBRA]
    assert await members(world, ALGEBRA) == [participants("director")]


async def test_a_class_opened_again_under_its_id_takes_its_archived_chats_up_again(world: World) -> None:
    kinds = (CLASS_8K, PARENTS_8K, ALGEBRA)
    before = await members(world, *kinds)
    await tell(world, ClassClosed("8 К"))

    await tell(world, ClassSaved("8 К", "8 К"))

    assert await members(world, *kinds) == before
    chats: list[Chat] = [await world.chat(kind) for kind in (CLASS_8K, PARENTS_8K)]
    assert not any(chat.archived for chat in chats)
    assert all(ChatReopened(chat.id) in world.storage.outbox for chat in chats)


async def test_whoever_loses_a_capacity_is_out_of_every_chat_that_they_were_in_by_it(world: World) -> None:
    await tell(world, ParentTied(KLIMOVA, PETROV), EmployeeDismissed(KLIMOVA))
    as_a_parent_only = await members(world, TEACHERS, CLASS_8K, PARENTS_8K, ALGEBRA)
    await tell(world, PupilExpelled(PETROV))
    without_a_child_here = await members(world, PARENTS_8K)

    assert as_a_parent_only == [
        participants("director", "orlova"),
        participants("director", "petrov", "belov"),
        participants("director", "petrova", "klimova"),
        participants("director", "petrov", "belov"),
    ]
    assert without_a_child_here == [participants("director", "petrova")]


async def test_a_ground_that_stays_keeps_its_beginning(world: World) -> None:
    world.now = MONDAY_0830
    await tell(world, *known("gusev"), PupilEnrolled(PersonId("gusev"), "8 К"))

    chat = await world.chat(CLASS_8K)

    assert set(chat.memberships[participant("petrov")].grounds.values()) == {MONDAY_0800}
    assert set(chat.memberships[participant("gusev")].grounds.values()) == {MONDAY_0830}


async def test_a_chat_tells_in_one_piece_who_came_and_who_left(world: World) -> None:
    await tell(
        world, *known("gusev"), PupilEnrolled(PersonId("gusev"), "8 К"), PupilExpelled(PETROV), PupilExpelled(BELOV)
    )

    id = (await world.chat(CLASS_8K)).id
    told = [event for event in world.storage.outbox if isinstance(event, ChatMembersChanged) and event.chat_id == id]
    left = tuple(sorted(participants("petrov", "belov")))
    assert told == [ChatMembersChanged(id, (participant("gusev"),), left, ())]


async def test_a_new_name_of_a_person_changes_no_chat(world: World) -> None:
    await tell(world, PersonSaved(PETROV, Name("Петрушин", "Пётр")))

    assert world.storage.outbox == []
