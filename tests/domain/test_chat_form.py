"""The windows in which a chat is made and edited tell every fault at once, and record what people did by hand."""

from collections.abc import Callable, Mapping, Sequence
from uuid import uuid4

import pytest

from domain.chat import (
    ByHand,
    Chat,
    ChatCreated,
    ChatKind,
    ChatMembersChanged,
    ChatRenamed,
    ChatType,
    GroundKind,
    MembershipRole,
    OtherChat,
    TeachersChat,
)
from domain.chat_form import ChatEdit, NewChat, edit_chat, make_chat
from domain.errors import Problem, ProblemCode, Refused
from domain.grounds import grounds
from domain.ids import ChatId, GroupId, ParticipantId, PersonId
from domain.participant import Capacity, PositionKind
from domain.roster import Roster
from domain.roster_events import ClassTeacherSet, ParentUntied, PupilEnrolled, PupilExpelled, apply
from tests.builders import (
    MONDAY_0800,
    MONDAY_0830,
    OTHER_SCHOOL,
    SCHOOL,
    a_chat,
    a_roster,
    class_chat,
    group_of,
    parents_chat,
    participant,
    participants,
    subject_chat,
)

EMPLOYEE, PUPIL, PARENT = Capacity.EMPLOYEE, Capacity.PUPIL, Capacity.PARENT
ALGEBRA = group_of("8 К алгебра")
CLOSED = group_of("физика")
KINDS: Mapping[ChatType, ChatKind] = {
    ChatType.TEACHERS: TeachersChat(),
    ChatType.CLASS: class_chat("8 К"),
    ChatType.PARENTS: parents_chat("8 К"),
    ChatType.SUBJECT: subject_chat("8 К алгебра"),
    ChatType.OTHER: OtherChat(),
}
STRANGER = participant("stranger", OTHER_SCHOOL)

Lists = Mapping[Capacity, tuple[ParticipantId, ...]]


def a_small_school() -> Roster:
    """The head administers the chats; a class with its teacher and two pupils, one of them with a mother; two groups.

    The guest and the pupil and father of another class belong to neither.
    """
    return a_roster(
        people=["nobody"],
        employees={name: [PositionKind.OTHER] for name in ("head", "teacher", "guest")},
        class_teachers={"8 К": "teacher"},
        pupils={"petrov": "8 К", "belov": "8 К", "gusev": "9 А"},
        parents={"petrova": ["petrov"], "father": ["gusev"]},
        groups={"8 К алгебра": ["petrov", "belov"], "физика": ["petrov"]},
        group_teachers={"8 К алгебра": ["teacher"], "физика": ["teacher"]},
        closed=["физика"],
    )


ROSTER = a_small_school()


def these(*people: str) -> tuple[ParticipantId, ...]:
    """Their ids, in that order."""
    return tuple(participant(person) for person in people)


def make(form: NewChat, roster: Roster = ROSTER) -> Chat:
    """The new chat, with its members."""
    chat = make_chat(form, id=ChatId(uuid4()), organization=SCHOOL, roster=roster)
    follow(chat, roster)
    return chat


def edit(chat: Chat, change: ChatEdit, roster: Roster = ROSTER) -> None:
    """The change is made, and the members are who belongs there then."""
    edit_chat(chat, change, roster)
    follow(chat, roster)


def follow(chat: Chat, roster: Roster) -> None:
    """The members are who belongs there."""
    chat.follow(grounds(chat.kind, roster, participant("head"), chat.by_hand), at=MONDAY_0830)


def loaded(kind: ChatKind, roster: Roster = ROSTER) -> Chat:
    """A chat of that kind as it was, in step with the roster."""
    return a_chat(kind, roster=roster, chat_administrator="head", at=MONDAY_0800)


def refusal(act: Callable[[], object]) -> tuple[Problem, ...]:
    """For what it is refused."""
    with pytest.raises(Refused) as refused:
        act()
    return refused.value.problems


def at_name(code: ProblemCode, **facts: str) -> tuple[Problem]:
    """The one problem of a name."""
    return (Problem(code, ("name",), facts),)


@pytest.mark.rule("CHAT-07")
@pytest.mark.parametrize("type", [ChatType.TEACHERS, ChatType.CLASS, ChatType.PARENTS])
def test_a_user_adds_only_subject_and_other_chats(type: ChatType) -> None:
    form = NewChat("Кружок", type)

    problems = refusal(lambda: make(form))

    assert problems == (Problem(ProblemCode.NOT_ALLOWED, ("type",)),)


FINE_NAMES = {
    "Я": "Я",
    "  Кружок робототехники\t": "Кружок робототехники",
    "\u00a0Кружок\u2003\u00a0": "Кружок",
    "Ё" * 100: "Ё" * 100,
    "🤖" * 100: "🤖" * 100,
    " " * 50 + "Ы" * 100 + " " * 50: "Ы" * 100,
    "8\u00a0К": "8\u00a0К",
    "<b>«Кружок»</b> %s {0}": "<b>«Кружок»</b> %s {0}",
    "👩\u200d🏫": "👩\u200d🏫",
}

BAD_NAMES = {
    "empty": ("", at_name(ProblemCode.REQUIRED)),
    "blanks": (" \t\n\u00a0\u2003\u3000", at_name(ProblemCode.REQUIRED)),
    "zero width": ("\u200b\u200c\u200d\u2060\ufeff", at_name(ProblemCode.REQUIRED)),
    "blanks between zero width": ("\u200b \u00a0 \u200b", at_name(ProblemCode.REQUIRED)),
    "letters drawn as nothing": ("\u3164\u2800 \u115f\uffa0", at_name(ProblemCode.REQUIRED)),
    "marks on nothing": ("\u0301\ufe0f", at_name(ProblemCode.REQUIRED)),
    "101 letters": ("Ё" * 101, at_name(ProblemCode.TOO_LONG, most="100")),
    "101 emoji": ("🤖" * 101, at_name(ProblemCode.TOO_LONG, most="100")),
    "a new line": ("8 К\nалгебра", at_name(ProblemCode.INVALID)),
    "a tab": ("8 К\tалгебра", at_name(ProblemCode.INVALID)),
    "NUL": ("8 К\x00", at_name(ProblemCode.INVALID)),
    "NUL alone": ("\x00", at_name(ProblemCode.INVALID)),
    "escape": ("\x1b[31mКружок", at_name(ProblemCode.INVALID)),
    "delete": ("Кружок\x7f!", at_name(ProblemCode.INVALID)),
    "C1": ("Кружок\x9b!", at_name(ProblemCode.INVALID)),
    "line separator": ("8 К\u2028алгебра", at_name(ProblemCode.INVALID)),
    "paragraph separator": ("8 К\u2029алгебра", at_name(ProblemCode.INVALID)),
    "lone high surrogate": ("Кружок\ud83e", at_name(ProblemCode.INVALID)),
    "lone low surrogate": ("\udd16Кружок", at_name(ProblemCode.INVALID)),
    "override": ("Кружок\u202eкодакнепа", at_name(ProblemCode.INVALID)),
    "embedding": ("\u202aКружок", at_name(ProblemCode.INVALID)),
    "isolate": ("Кру\u2066жок", at_name(ProblemCode.INVALID)),
    "too long and a control": (
        "Ё" * 100 + "\x00",
        (*at_name(ProblemCode.TOO_LONG, most="100"), *at_name(ProblemCode.INVALID)),
    ),
}


@pytest.mark.rule("CHAT-07")
@pytest.mark.parametrize(("name", "kept"), FINE_NAMES.items(), ids=ascii)
def test_a_name_has_one_to_a_hundred_characters_after_trimming(name: str, kept: str) -> None:
    made = make(NewChat(name, ChatType.OTHER))
    edited = loaded(OtherChat())
    edit(edited, ChatEdit(name=name))

    assert made.name == edited.name == kept


@pytest.mark.rule("CHAT-07")
@pytest.mark.parametrize(("name", "problems"), BAD_NAMES.values(), ids=BAD_NAMES.keys())
def test_a_name_that_is_empty_or_too_long_or_has_control_characters_is_refused(
    name: str, problems: Sequence[Problem]
) -> None:
    chat = loaded(OtherChat())

    assert refusal(lambda: make(NewChat(name, ChatType.OTHER))) == problems
    assert refusal(lambda: edit(chat, ChatEdit(name=name))) == problems
    assert (chat.name, chat.version, chat.named_by_user, chat.events) == ("Чат", 0, False, [])


@pytest.mark.rule("CHAT-08")
def test_the_group_is_required_for_a_subject_chat() -> None:
    problems = refusal(lambda: make(NewChat("Алгебра", ChatType.SUBJECT)))

    assert problems == (Problem(ProblemCode.REQUIRED, ("studyGroupId",)),)


@pytest.mark.rule("CHAT-08")
def test_the_group_is_refused_for_any_other_type() -> None:
    problems = refusal(lambda: make(NewChat("Кружок", ChatType.OTHER, ALGEBRA)))

    assert problems == (Problem(ProblemCode.NOT_ALLOWED, ("studyGroupId",)),)


@pytest.mark.rule("CHAT-08")
@pytest.mark.parametrize("group", [CLOSED, group_of("8 К алгебра", OTHER_SCHOOL), group_of("no such group")])
def test_a_group_that_is_closed_or_foreign_or_unknown_is_not_found(group: GroupId) -> None:
    form = NewChat("Алгебра", ChatType.SUBJECT, group)

    problems = refusal(lambda: make(form))

    assert problems == (Problem(ProblemCode.NOT_FOUND, ("studyGroupId",)),)


@pytest.mark.rule("CHAT-09")
def test_choosing_the_group_fills_the_members_with_its_pupils_and_teachers_who_are_administrators() -> None:
    chat = make(NewChat("Алгебра", ChatType.SUBJECT, ALGEBRA))

    assert chat.kind == subject_chat("8 К алгебра")
    assert chat.members_as(PUPIL) == participants("petrov", "belov")
    assert chat.members_as(EMPLOYEE) == chat.administrators == participants("teacher", "head")
    assert chat.by_hand == ByHand()


@pytest.mark.rule("CHAT-09")
def test_a_list_given_is_the_whole_list_and_one_left_out_means_the_groups() -> None:
    lists = {PUPIL: these("petrov", "gusev")}

    chat = make(NewChat("Алгебра", ChatType.SUBJECT, ALGEBRA, lists))

    assert chat.memberships.keys() == participants("head", "teacher", "petrov", "gusev")
    assert chat.by_hand == ByHand(frozenset({(participant("gusev"), PUPIL)}), participants("belov"))


@pytest.mark.rule("CHAT-09")
def test_whom_a_given_list_leaves_out_stays_out_as_if_removed_by_hand_until_somebody_adds_them() -> None:
    roster = a_small_school()
    chat = make(NewChat("Алгебра", ChatType.SUBJECT, ALGEBRA, {PUPIL: these("petrov")}), roster)
    apply(roster, PupilExpelled(PersonId("belov")))
    apply(roster, PupilEnrolled(PersonId("belov"), "8 К"))
    follow(chat, roster)
    after_enrolment = frozenset(chat.memberships)

    edit(chat, ChatEdit(add=((participant("belov"), PUPIL),)), roster)

    assert after_enrolment == participants("head", "teacher", "petrov")
    assert chat.memberships.keys() == participants("head", "teacher", "petrov", "belov")


@pytest.mark.rule("CHAT-09")
def test_an_empty_list_leaves_everybody_of_the_group_out() -> None:
    chat = make(NewChat("Алгебра", ChatType.SUBJECT, ALGEBRA, {PUPIL: (), EMPLOYEE: (), PARENT: ()}))

    assert chat.memberships.keys() == participants("head", "teacher")
    assert chat.by_hand.exclusions == participants("petrov", "belov")


@pytest.mark.rule("CHAT-31")
def test_a_teacher_of_the_group_whom_a_list_leaves_out_stays_an_administrator() -> None:
    chat = make(NewChat("Алгебра", ChatType.SUBJECT, ALGEBRA, {EMPLOYEE: these("guest")}))

    assert chat.members_as(EMPLOYEE) == participants("head", "teacher", "guest")
    assert chat.memberships[participant("teacher")].role is MembershipRole.ADMINISTRATOR
    assert chat.memberships[participant("guest")].role is MembershipRole.MEMBER


@pytest.mark.rule("CHAT-09")
def test_a_list_that_equals_the_groups_adds_and_excludes_nobody() -> None:
    lists = {EMPLOYEE: these("teacher"), PUPIL: these("belov", "petrov", "belov")}

    chat = make(NewChat("Алгебра", ChatType.SUBJECT, ALGEBRA, lists))

    assert chat.by_hand == ByHand()


@pytest.mark.rule("CHAT-09")
def test_whoever_a_list_names_as_something_else_than_the_group_does_is_added_by_hand_too() -> None:
    roster = a_roster(
        employees={"teacher": [PositionKind.OTHER]},
        pupils={"teacher": "11 А"},
        groups={"8 К алгебра": []},
        group_teachers={"8 К алгебра": ["teacher"]},
    )

    chat = make(NewChat("Алгебра", ChatType.SUBJECT, ALGEBRA, {PUPIL: these("teacher")}), roster)

    found = {ground.kind for ground in chat.memberships[participant("teacher")].grounds}
    assert found == {GroundKind.GROUP_TEACHER, GroundKind.ADDED_BY_HAND}


def test_a_chat_of_another_type_has_those_whom_its_lists_name_and_tells_that_it_came_into_being() -> None:
    lists = {EMPLOYEE: these("guest"), PUPIL: these("gusev"), PARENT: these("petrova")}

    chat = make(NewChat("Кружок", ChatType.OTHER, lists=lists))

    assert chat.memberships.keys() == participants("head", "guest", "gusev", "petrova")
    assert (chat.kind, chat.organization_id, chat.named_by_user, chat.version) == (OtherChat(), SCHOOL, True, 0)
    assert chat.events[0] == ChatCreated(chat.id)
    assert isinstance(chat.events[1], ChatMembersChanged)


CAPACITIES_BY_HAND = {
    ChatType.TEACHERS: {EMPLOYEE},
    ChatType.CLASS: {EMPLOYEE, PUPIL},
    ChatType.PARENTS: {EMPLOYEE, PARENT},
    ChatType.SUBJECT: {EMPLOYEE, PUPIL},
    ChatType.OTHER: {EMPLOYEE, PUPIL, PARENT},
}
OUTSIDERS = {EMPLOYEE: "guest", PUPIL: "gusev", PARENT: "father"}


@pytest.mark.rule("CHAT-10")
@pytest.mark.parametrize("capacity", Capacity)
@pytest.mark.parametrize("type", ChatType)
def test_by_hand_come_into_each_type_of_chat_people_of_its_capacities_only(type: ChatType, capacity: Capacity) -> None:
    chat, outsider = loaded(KINDS[type]), participant(OUTSIDERS[capacity])
    before = frozenset(chat.memberships)
    addition = ChatEdit(add=((outsider, capacity),))

    if capacity in CAPACITIES_BY_HAND[type]:
        edit(chat, addition)
        assert chat.memberships.keys() == before | {outsider}
        assert chat.memberships[outsider].capacities == {capacity}
        assert chat.memberships[outsider].role is MembershipRole.MEMBER
    else:
        problems = refusal(lambda: edit(chat, addition))
        assert problems == (Problem(ProblemCode.CAPACITY_NOT_ALLOWED, ("addMembers", "0")),)
        assert chat.memberships.keys() == before


@pytest.mark.rule("CHAT-10")
@pytest.mark.parametrize("capacity", Capacity)
@pytest.mark.parametrize("type", [ChatType.SUBJECT, ChatType.OTHER])
def test_the_lists_of_a_new_chat_take_the_same_capacities(type: ChatType, capacity: Capacity) -> None:
    outsider = participant(OUTSIDERS[capacity])
    field = {EMPLOYEE: "employeeIds", PUPIL: "pupilIds", PARENT: "parentIds"}[capacity]
    form = NewChat("Чат", type, ALGEBRA if type is ChatType.SUBJECT else None, {capacity: (outsider,)})

    if capacity in CAPACITIES_BY_HAND[type]:
        assert outsider in make(form).memberships
    else:
        assert refusal(lambda: make(form)) == (Problem(ProblemCode.CAPACITY_NOT_ALLOWED, (field, "0")),)


@pytest.mark.rule("CHAT-10")
def test_an_addition_names_a_capacity_that_the_person_has() -> None:
    chat = loaded(OtherChat())
    wrong = ((participant("guest"), PUPIL), (participant("gusev"), PARENT), (participant("petrova"), EMPLOYEE))

    problems = refusal(lambda: edit(chat, ChatEdit(add=(*wrong, (participant("nobody"), EMPLOYEE)))))

    assert problems == tuple(
        Problem(ProblemCode.CAPACITY_NOT_ALLOWED, ("addMembers", str(place))) for place in range(4)
    )
    assert chat.by_hand == ByHand()


@pytest.mark.rule("CHAT-10")
def test_somebody_of_two_capacities_comes_in_both_and_counts_once() -> None:
    roster = a_roster(employees={"teacher": [PositionKind.OTHER]}, pupils={"son": "8 К"}, parents={"teacher": ["son"]})
    chat = loaded(OtherChat(), roster)

    edit(chat, ChatEdit(add=((participant("teacher"), EMPLOYEE), (participant("teacher"), PARENT))), roster)

    assert chat.memberships.keys() == participants("teacher")
    assert chat.memberships[participant("teacher")].capacities == {EMPLOYEE, PARENT}


@pytest.mark.rule("RIGHT-08")
def test_somebody_of_another_organization_is_not_found_wherever_they_are_named() -> None:
    chat = loaded(OtherChat())
    change = ChatEdit(add=((STRANGER, EMPLOYEE),), remove=(STRANGER,))
    form = NewChat("Кружок", ChatType.OTHER, lists={PUPIL: (participant("petrov"), STRANGER)})

    assert refusal(lambda: edit(chat, change)) == (
        Problem(ProblemCode.NOT_FOUND, ("addMembers", "0")),
        Problem(ProblemCode.NOT_FOUND, ("removeMembers", "0")),
    )
    assert refusal(lambda: make(form)) == (Problem(ProblemCode.NOT_FOUND, ("pupilIds", "1")),)


@pytest.mark.rule("CHAT-14")
def test_every_problem_of_a_new_chat_is_told_at_once_with_its_path() -> None:
    lists: Lists = {EMPLOYEE: (STRANGER, *these("guest", "petrov")), PUPIL: these("guest"), PARENT: these("petrova")}

    problems = refusal(lambda: make(NewChat("\x00", ChatType.CLASS, ALGEBRA, lists)))

    assert problems == (
        Problem(ProblemCode.INVALID, ("name",)),
        Problem(ProblemCode.NOT_ALLOWED, ("type",)),
        Problem(ProblemCode.NOT_ALLOWED, ("studyGroupId",)),
        Problem(ProblemCode.NOT_FOUND, ("employeeIds", "0")),
        Problem(ProblemCode.CAPACITY_NOT_ALLOWED, ("employeeIds", "2")),
        Problem(ProblemCode.CAPACITY_NOT_ALLOWED, ("pupilIds", "0")),
        Problem(ProblemCode.CAPACITY_NOT_ALLOWED, ("parentIds", "0")),
    )


@pytest.mark.rule("CHAT-14")
def test_every_problem_of_an_edit_is_told_at_once_and_nothing_is_changed() -> None:
    chat = loaded(class_chat("8 К"))
    change = ChatEdit(
        name=" ",
        add=((participant("guest"), EMPLOYEE), (participant("father"), PARENT), (STRANGER, PUPIL)),
        remove=(participant("head"), participant("petrov"), participant("teacher"), participant("guest")),
    )

    problems = refusal(lambda: edit(chat, change))

    assert problems == (
        Problem(ProblemCode.REQUIRED, ("name",)),
        Problem(ProblemCode.CAPACITY_NOT_ALLOWED, ("addMembers", "1")),
        Problem(ProblemCode.NOT_FOUND, ("addMembers", "2")),
        Problem(ProblemCode.CHAT_ADMINISTRATOR_STAYS, ("removeMembers", "0")),
        Problem(ProblemCode.CHAT_ADMINISTRATOR_STAYS, ("removeMembers", "2")),
        Problem(ProblemCode.INVALID, ("removeMembers", "3")),
    )
    assert (chat.name, chat.by_hand, chat.version, chat.events) == ("Чат", ByHand(), 0, [])


def test_more_than_a_thousand_people_at_once_are_refused() -> None:
    chat, crowd = loaded(OtherChat()), these("guest") * 1001

    added = refusal(lambda: edit(chat, ChatEdit(add=tuple((one, EMPLOYEE) for one in crowd))))
    removed = refusal(lambda: edit(chat, ChatEdit(remove=crowd)))
    listed = refusal(lambda: make(NewChat("Кружок", ChatType.OTHER, lists={EMPLOYEE: crowd})))

    assert added == (Problem(ProblemCode.TOO_MANY, ("addMembers",), {"most": "1000"}),)
    assert removed == (Problem(ProblemCode.TOO_MANY, ("removeMembers",), {"most": "1000"}),)
    assert listed == (Problem(ProblemCode.TOO_MANY, ("employeeIds",), {"most": "1000"}),)
    assert make(NewChat("Кружок", ChatType.OTHER, lists={EMPLOYEE: crowd[:1000]})).name == "Кружок"


@pytest.mark.rule("CHAT-24")
def test_an_archived_chat_is_not_edited() -> None:
    chat = loaded(subject_chat("физика"))

    problems = refusal(lambda: edit(chat, ChatEdit(name="Физика")))

    assert chat.archived
    assert problems == (Problem(ProblemCode.CHAT_ARCHIVED, ("id",)),)


@pytest.mark.rule("CHAT-31")
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
def test_the_chat_administrator_and_the_teachers_of_a_chat_cannot_be_removed_by_hand(kind: ChatKind) -> None:
    chat = loaded(kind)
    administrators = sorted(chat.administrators)

    problems = refusal(lambda: edit(chat, ChatEdit(remove=tuple(administrators))))

    assert problems == tuple(
        Problem(ProblemCode.CHAT_ADMINISTRATOR_STAYS, ("removeMembers", str(place)))
        for place in range(len(administrators))
    )
    with_teacher = {*KINDS.values()} - {TeachersChat(), OtherChat()}
    assert set(administrators) == participants("head", "teacher") if kind in with_teacher else participants("head")


@pytest.mark.rule("CHAT-31")
def test_a_member_removed_by_hand_stays_out_although_a_roster_ground_exists_until_somebody_adds_them() -> None:
    roster = a_small_school()
    chat = loaded(class_chat("8 К"), roster)
    edit(chat, ChatEdit(remove=these("petrov")), roster)
    apply(roster, PupilExpelled(PersonId("petrov")))
    apply(roster, PupilEnrolled(PersonId("petrov"), "8 К"))
    follow(chat, roster)
    removed = frozenset(chat.memberships)

    edit(chat, ChatEdit(add=((participant("petrov"), PUPIL),)), roster)

    assert removed == participants("head", "teacher", "belov")
    assert {ground.kind for ground in chat.memberships[participant("petrov")].grounds} == {
        GroundKind.CLASS_PUPIL,
        GroundKind.ADDED_BY_HAND,
    }


@pytest.mark.rule("CHAT-31")
def test_the_same_person_is_not_added_and_removed_at_once() -> None:
    chat = loaded(class_chat("8 К"))
    change = ChatEdit(add=((participant("petrov"), PUPIL),), remove=these("belov", "petrov"))

    problems = refusal(lambda: edit(chat, change))

    assert problems == (Problem(ProblemCode.INVALID, ("removeMembers", "1")),)


@pytest.mark.rule("CHAT-31")
def test_a_removal_ends_every_addition_of_the_person() -> None:
    roster = a_roster(employees={"teacher": [PositionKind.OTHER]}, pupils={"son": "8 К"}, parents={"teacher": ["son"]})
    chat = loaded(OtherChat(), roster)
    edit(chat, ChatEdit(add=((participant("teacher"), EMPLOYEE), (participant("teacher"), PARENT))), roster)

    edit(chat, ChatEdit(remove=these("teacher")), roster)

    assert chat.memberships == {}
    assert chat.by_hand.additions == frozenset()


@pytest.mark.rule("CHAT-31")
def test_of_two_editors_who_remove_the_same_person_the_second_finds_nothing_to_do() -> None:
    chat = loaded(class_chat("8 К"))

    for _ in range(2):
        edit(chat, ChatEdit(remove=these("petrov")))

    assert chat.by_hand.exclusions == participants("petrov")
    assert chat.version == 1


@pytest.mark.rule("CHAT-31")
def test_whoever_is_not_in_the_chat_is_not_kept_out_of_it_by_a_removal() -> None:
    roster = a_small_school()
    chat = loaded(class_chat("8 К"), roster)
    edit(chat, ChatEdit(remove=these("gusev")), roster)
    apply(roster, PupilExpelled(PersonId("gusev")))

    apply(roster, PupilEnrolled(PersonId("gusev"), "8 К"))
    follow(chat, roster)

    assert participant("gusev") in chat.memberships
    assert chat.version == 0


@pytest.mark.rule("CHAT-31")
def test_somebody_removed_by_hand_who_becomes_the_class_teacher_is_in_for_as_long_as_they_are_it() -> None:
    roster = a_small_school()
    chat = loaded(class_chat("8 К"), roster)
    edit(chat, ChatEdit(add=((participant("guest"), EMPLOYEE),)), roster)
    edit(chat, ChatEdit(remove=these("guest")), roster)

    apply(roster, ClassTeacherSet("8 К", PersonId("guest")))
    follow(chat, roster)
    teacher = chat.administrators
    apply(roster, ClassTeacherSet("8 К", PersonId("teacher")))
    follow(chat, roster)

    assert teacher == participants("head", "guest")
    assert chat.memberships.keys() == participants("head", "teacher", "petrov", "belov")


@pytest.mark.rule("CHAT-32")
def test_an_addition_is_kept_when_its_capacity_ends_and_counts_again_when_it_returns() -> None:
    roster = a_small_school()
    chat = loaded(OtherChat(), roster)
    edit(chat, ChatEdit(add=((participant("gusev"), PUPIL), (participant("father"), PARENT))), roster)
    at_first = frozenset(chat.memberships)

    apply(roster, PupilExpelled(PersonId("gusev")))
    follow(chat, roster)
    expelled = frozenset(chat.memberships)
    apply(roster, PupilEnrolled(PersonId("gusev"), "8 К"))
    follow(chat, roster)

    assert at_first == chat.memberships.keys() == participants("head", "gusev", "father")
    assert expelled == participants("head")


@pytest.mark.rule("CHAT-32")
def test_an_addition_rests_on_the_capacity_named_when_it_was_made_and_on_no_other() -> None:
    roster = a_roster(employees={"teacher": [PositionKind.OTHER]}, pupils={"son": "8 К"}, parents={"teacher": ["son"]})
    chat = loaded(OtherChat(), roster)
    edit(chat, ChatEdit(add=((participant("teacher"), PARENT),)), roster)

    apply(roster, ParentUntied(PersonId("teacher"), PersonId("son")))
    follow(chat, roster)

    assert roster.is_(EMPLOYEE, participant("teacher"))
    assert chat.memberships == {}


@pytest.mark.rule("CHAT-31")
def test_somebody_whose_addition_waits_for_their_capacity_is_removed_for_good() -> None:
    roster = a_small_school()
    chat = loaded(OtherChat(), roster)
    edit(chat, ChatEdit(add=((participant("gusev"), PUPIL),)), roster)
    apply(roster, PupilExpelled(PersonId("gusev")))
    follow(chat, roster)

    edit(chat, ChatEdit(remove=these("gusev")), roster)
    apply(roster, PupilEnrolled(PersonId("gusev"), "8 К"))
    follow(chat, roster)

    assert chat.memberships.keys() == participants("head")
    assert chat.version == 2


@pytest.mark.rule("CHAT-14")
def test_a_name_given_by_a_user_is_kept_and_told_and_counts_as_an_edit() -> None:
    chat = loaded(class_chat("8 К"))

    edit(chat, ChatEdit(name=" Наш класс "))

    assert (chat.name, chat.named_by_user, chat.version) == ("Наш класс", True, 1)
    assert chat.events == [ChatRenamed(chat.id, "Наш класс")]


@pytest.mark.rule("CHAT-14")
def test_an_edit_that_changes_nothing_does_not_count() -> None:
    chat = loaded(class_chat("8 К"))
    edit(chat, ChatEdit(add=((participant("guest"), EMPLOYEE),)))
    chat.take_events()
    before = (chat.name, chat.named_by_user, chat.memberships, chat.by_hand, chat.version)

    edit(chat, ChatEdit())
    edit(chat, ChatEdit(name=" Чат\u00a0"))
    edit(chat, ChatEdit(add=((participant("guest"), EMPLOYEE),)))
    edit(chat, ChatEdit(remove=these("gusev")))

    assert (chat.name, chat.named_by_user, chat.memberships, chat.by_hand, chat.version) == before
    assert chat.events == []


@pytest.mark.rule("CHAT-14")
def test_an_edit_of_name_and_members_counts_once_and_leaves_kind_and_type() -> None:
    chat = loaded(subject_chat("8 К алгебра"))

    edit(chat, ChatEdit(name="Алгебра", add=((participant("guest"), EMPLOYEE),), remove=these("belov")))

    assert (chat.version, chat.kind, chat.type) == (1, subject_chat("8 К алгебра"), ChatType.SUBJECT)
    assert chat.memberships.keys() == participants("head", "teacher", "petrov", "guest")
