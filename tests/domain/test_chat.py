"""A chat has the members who have a ground to be in it, and tells what changed of them."""

from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from domain.chat import (
    Chat,
    ChatArchived,
    ChatCreated,
    ChatMembersChanged,
    ChatRenamed,
    ChatReopened,
    ChatType,
    ClassChat,
    Ground,
    GroundKind,
    Grounds,
    MembershipRole,
    OtherChat,
    ParentsChat,
    SubjectChat,
    TeachersChat,
    create_default_chat,
    type_of,
)
from domain.ids import ParticipantId
from domain.participant import Capacity
from tests.builders import (
    MONDAY_0800,
    MONDAY_0830,
    MONDAY_0900,
    OTHER_SCHOOL,
    SCHOOL,
    a_chat,
    class_of,
    group_of,
    participant,
    participants,
)

HEAD = Ground(GroundKind.CHAT_ADMINISTRATOR, Capacity.EMPLOYEE)
STAFF = Ground(GroundKind.STAFF, Capacity.EMPLOYEE)
CLASS_TEACHER = Ground(GroundKind.CLASS_TEACHER, Capacity.EMPLOYEE)
PUPIL = Ground(GroundKind.CLASS_PUPIL, Capacity.PUPIL)
PARENT = Ground(GroundKind.PARENT_OF, Capacity.PARENT, participant("petrov"))
GROUNDS = (HEAD, STAFF, CLASS_TEACHER, PUPIL, PARENT)


def reasons(**people: Ground | tuple[Ground, ...]) -> Grounds:
    """The grounds of each of the people."""
    return {participant(person): frozenset(why if isinstance(why, tuple) else (why,)) for person, why in people.items()}


def who(chat: Chat) -> Mapping[ParticipantId, frozenset[Ground]]:
    """The members and their present grounds."""
    return {member: frozenset(membership.grounds) for member, membership in chat.memberships.items()}


def test_whoever_has_a_ground_comes_in_and_whoever_has_none_any_more_leaves() -> None:
    chat = a_chat()

    chat.follow(reasons(klimova=STAFF, petrov=PUPIL), at=MONDAY_0800)
    chat.follow(reasons(petrov=PUPIL, ivanova=STAFF), at=MONDAY_0830)

    assert who(chat) == reasons(petrov=PUPIL, ivanova=STAFF)
    assert chat.events == [
        ChatMembersChanged(chat.id, tuple(sorted(participants("klimova", "petrov"))), (), ()),
        ChatMembersChanged(chat.id, (participant("ivanova"),), (participant("klimova"),), ()),
    ]


def test_somebody_named_without_any_ground_is_not_in_the_chat() -> None:
    chat = a_chat()

    chat.follow({participant("petrov"): frozenset()}, at=MONDAY_0800)

    assert chat.memberships == {}
    assert chat.events == []


def test_a_ground_that_was_there_keeps_its_beginning_and_a_new_one_has_its_own() -> None:
    chat = a_chat()
    chat.follow(reasons(klimova=STAFF), at=MONDAY_0800)

    chat.follow(reasons(klimova=(STAFF, HEAD)), at=MONDAY_0830)

    assert chat.memberships[participant("klimova")].grounds == {STAFF: MONDAY_0800, HEAD: MONDAY_0830}


def test_a_ground_that_ended_and_came_back_begins_anew() -> None:
    chat = a_chat()
    chat.follow(reasons(klimova=(STAFF, HEAD)), at=MONDAY_0800)
    chat.follow(reasons(klimova=HEAD), at=MONDAY_0830)

    chat.follow(reasons(klimova=(STAFF, HEAD)), at=MONDAY_0900)

    assert chat.memberships[participant("klimova")].grounds == {STAFF: MONDAY_0900, HEAD: MONDAY_0800}


def test_a_changed_role_is_a_change_and_not_a_removal_and_an_addition() -> None:
    chat = a_chat()
    chat.follow(reasons(klimova=STAFF), at=MONDAY_0800)
    chat.take_events()

    chat.follow(reasons(klimova=(STAFF, HEAD)), at=MONDAY_0830)

    assert chat.memberships[participant("klimova")].role is MembershipRole.ADMINISTRATOR
    assert chat.events == [ChatMembersChanged(chat.id, (), (), (participant("klimova"),))]


def test_another_ground_of_the_same_role_is_told_without_naming_anybody() -> None:
    chat = a_chat()
    chat.follow(reasons(klimova=CLASS_TEACHER), at=MONDAY_0800)
    chat.take_events()

    chat.follow(reasons(klimova=(CLASS_TEACHER, HEAD)), at=MONDAY_0830)

    assert chat.events == [ChatMembersChanged(chat.id, (), (), ())]


def test_the_chat_administrator_class_teacher_and_group_teacher_administer_and_nobody_else() -> None:
    chat = a_chat()
    everyone = {kind.value: Ground(kind, Capacity.EMPLOYEE) for kind in GroundKind}

    chat.follow(reasons(**everyone), at=MONDAY_0800)

    assert chat.administrators == participants("CHAT_ADMINISTRATOR", "CLASS_TEACHER", "GROUP_TEACHER")


def test_one_administering_ground_is_enough_and_ends_with_itself() -> None:
    chat = a_chat()
    chat.follow(reasons(klimova=(PARENT, CLASS_TEACHER)), at=MONDAY_0800)
    before = chat.administrators

    chat.follow(reasons(klimova=PARENT), at=MONDAY_0830)

    assert before == participants("klimova")
    assert chat.administrators == frozenset()
    assert participant("klimova") in chat.memberships


def test_a_member_stands_in_each_capacity_in_which_they_are_in_this_chat() -> None:
    chat = a_chat()

    chat.follow(reasons(klimova=(CLASS_TEACHER, PARENT), petrov=PUPIL), at=MONDAY_0800)

    assert chat.members_as(Capacity.EMPLOYEE) == participants("klimova")
    assert chat.members_as(Capacity.PARENT) == participants("klimova")
    assert chat.members_as(Capacity.PUPIL) == participants("petrov")
    assert chat.members_as(Capacity.PUPIL, Capacity.PARENT) == participants("klimova", "petrov")
    assert chat.members_as() == frozenset()


def test_the_roster_never_counts_as_an_edit_by_a_user() -> None:
    chat = a_chat()

    chat.follow(reasons(klimova=STAFF), at=MONDAY_0800)
    chat.take_name_of_class("9 К")
    chat.archive()
    chat.reopen()

    assert chat.version == 0


def test_a_chat_takes_the_name_of_its_class_and_tells_so_once() -> None:
    chat = a_chat(name="8 К")

    chat.take_name_of_class("9 К")
    chat.take_name_of_class("9 К")

    assert chat.name == "9 К"
    assert chat.events == [ChatRenamed(chat.id, "9 К")]


def test_a_chat_is_archived_and_reopened_and_tells_so_once() -> None:
    chat = a_chat()
    chat.reopen()

    chat.archive()
    chat.archive()
    archived = chat.archived
    chat.reopen()
    chat.reopen()

    assert archived
    assert not chat.archived
    assert chat.events == [ChatArchived(chat.id), ChatReopened(chat.id)]


def test_a_default_chat_is_the_same_chat_whenever_it_is_made() -> None:
    kinds = (
        TeachersChat(),
        ClassChat(class_of("8 К")),
        ParentsChat(class_of("8 К")),
        ClassChat(class_of("9 А")),
    )

    first = [create_default_chat(SCHOOL, kind, "Чат") for kind in kinds]
    second = [create_default_chat(SCHOOL, kind, "Другое имя") for kind in kinds]
    elsewhere = [create_default_chat(OTHER_SCHOOL, kind, "Чат") for kind in kinds]

    assert [chat.id for chat in first] == [chat.id for chat in second]
    assert len({chat.id for chat in first + elsewhere}) == 8


def test_a_new_default_chat_tells_that_it_came_into_being_and_has_nobody_yet() -> None:
    chat = create_default_chat(SCHOOL, TeachersChat(), "Учительская")

    assert (chat.name, chat.memberships, chat.archived, chat.version) == ("Учительская", {}, False, 0)
    assert chat.take_events() == [ChatCreated(chat.id)]
    assert chat.take_events() == []


def test_each_kind_of_chat_has_its_type() -> None:
    of_class, of_group = class_of("8 К"), group_of("алгебра")
    kinds = (TeachersChat(), ClassChat(of_class), ParentsChat(of_class), SubjectChat(of_group), OtherChat())

    assert [type_of(kind) for kind in kinds] == list(ChatType)
    assert [a_chat(kind).type for kind in kinds] == list(ChatType)


wanted = st.dictionaries(
    st.sampled_from(["klimova", "petrov", "ivanova"]).map(participant),
    st.frozensets(st.sampled_from(GROUNDS), max_size=3),
)


@given(st.lists(wanted, min_size=1, max_size=4))
def test_the_members_are_what_was_followed_last_and_every_change_is_told(steps: Sequence[Grounds]) -> None:
    chat = a_chat()
    told: set[ParticipantId] = set()
    roles: dict[ParticipantId, MembershipRole] = {}

    for step in steps:
        chat.follow(step, at=MONDAY_0800)
        changes = [event for event in chat.take_events() if isinstance(event, ChatMembersChanged)]
        told |= {member for change in changes for member in change.came}
        told -= {member for change in changes for member in change.left}
        present = {member: membership.role for member, membership in chat.memberships.items()}
        changed = {member for member in present.keys() & roles.keys() if present[member] is not roles[member]}
        assert {member for change in changes for member in change.role_changed} == changed
        roles = present

    assert told == chat.memberships.keys()
    assert who(chat) == {member: why for member, why in steps[-1].items() if why}


@given(wanted, wanted)
def test_following_the_same_again_changes_and_tells_nothing(before: Grounds, present: Grounds) -> None:
    chat = a_chat()
    chat.follow(before, at=MONDAY_0800)
    chat.follow(present, at=MONDAY_0830)
    memberships = dict(chat.memberships)
    chat.take_events()

    chat.follow(present, at=MONDAY_0900)

    assert chat.memberships == memberships
    assert chat.events == []
