"""Who belongs in which chat, and why, follows from the facts of the roster and the choice of a chat administrator."""

from collections.abc import Mapping

import pytest

from domain.chat import ChatKind, Ground, GroundKind, MembershipRole, OtherChat, TeachersChat
from domain.grounds import grounds, is_closed
from domain.participant import Capacity, PositionKind
from domain.roster import Roster
from tests.builders import a_chat, a_roster, class_chat, parents_chat, participant, participants, subject_chat

ADMINISTRATION, PEDAGOGICAL, OTHER = PositionKind.ADMINISTRATION, PositionKind.PEDAGOGICAL, PositionKind.OTHER
HEAD = Ground(GroundKind.CHAT_ADMINISTRATOR, Capacity.EMPLOYEE)
STAFF = Ground(GroundKind.STAFF, Capacity.EMPLOYEE)
CLASS_TEACHER = Ground(GroundKind.CLASS_TEACHER, Capacity.EMPLOYEE)
CLASS_PUPIL = Ground(GroundKind.CLASS_PUPIL, Capacity.PUPIL)
GROUP_TEACHER = Ground(GroundKind.GROUP_TEACHER, Capacity.EMPLOYEE)
GROUP_PUPIL = Ground(GroundKind.GROUP_PUPIL, Capacity.PUPIL)


def parent_of(pupil: str) -> Ground:
    """The ground of a parent of that pupil."""
    return Ground(GroundKind.PARENT_OF, Capacity.PARENT, participant(pupil))


def belonging(kind: ChatKind, roster: Roster, chat_administrator: str | None = None) -> Mapping[str, set[Ground]]:
    """The grounds by person."""
    head = None if chat_administrator is None else participant(chat_administrator)
    found = grounds(kind, roster, head)
    return {str(roster.people[id].person_id): set(reasons) for id, reasons in found.items()}


def test_the_teachers_chat_has_whoever_has_a_position_of_administration_or_pedagogical_kind() -> None:
    roster = a_roster(
        employees={
            "director": [ADMINISTRATION],
            "teacher": [PEDAGOGICAL],
            "cook": [OTHER],
            "both": [OTHER, PEDAGOGICAL],
            "trainee": [],
        },
        pupils={"pupil": "8 К"},
        parents={"parent": ["pupil"]},
    )

    assert belonging(TeachersChat(), roster) == {"director": {STAFF}, "teacher": {STAFF}, "both": {STAFF}}


def test_the_class_chat_has_the_class_teacher_and_the_pupils_of_that_class() -> None:
    roster = a_roster(
        employees={"teacher": [PEDAGOGICAL], "other": [PEDAGOGICAL]},
        class_teachers={"8 К": "teacher", "9 А": "other"},
        pupils={"pupil": "8 К", "another": "9 А"},
        parents={"parent": ["pupil"]},
    )

    assert belonging(class_chat("8 К"), roster) == {"teacher": {CLASS_TEACHER}, "pupil": {CLASS_PUPIL}}


def test_the_parents_chat_has_the_class_teacher_and_the_parents_of_that_class() -> None:
    roster = a_roster(
        employees={"teacher": [PEDAGOGICAL]},
        class_teachers={"8 К": "teacher"},
        pupils={"pupil": "8 К", "another": "9 А"},
        parents={"parent": ["pupil"], "other": ["another"]},
    )

    assert belonging(parents_chat("8 К"), roster) == {"teacher": {CLASS_TEACHER}, "parent": {parent_of("pupil")}}


def test_the_class_teacher_administers_both_chats_of_the_class() -> None:
    roster = a_roster(employees={"teacher": [OTHER]}, class_teachers={"8 К": "teacher"}, pupils={"pupil": "8 К"})

    chats = [a_chat(class_chat("8 К"), roster=roster), a_chat(parents_chat("8 К"), roster=roster)]

    assert [chat.memberships[participant("teacher")].role for chat in chats] == [MembershipRole.ADMINISTRATOR] * 2
    assert [chat.administrators for chat in chats] == [participants("teacher")] * 2


def test_the_subject_chat_has_the_groups_pupils_and_teachers_and_all_its_teachers_administer_it() -> None:
    roster = a_roster(
        employees={"first": [PEDAGOGICAL], "second": [PEDAGOGICAL], "class teacher": [PEDAGOGICAL]},
        class_teachers={"8 К": "class teacher"},
        pupils={"pupil": "8 К", "not in the group": "8 К"},
        groups={"алгебра": ["pupil"]},
        group_teachers={"алгебра": ["first", "second"]},
    )

    found = belonging(subject_chat("алгебра"), roster)
    chat = a_chat(subject_chat("алгебра"), roster=roster)

    assert found == {"first": {GROUP_TEACHER}, "second": {GROUP_TEACHER}, "pupil": {GROUP_PUPIL}}
    assert chat.administrators == participants("first", "second")


@pytest.mark.parametrize(
    "kind",
    [TeachersChat(), class_chat("8 К"), parents_chat("8 К"), subject_chat("алгебра"), OtherChat()],
    ids=lambda kind: type(kind).__name__,
)
def test_the_chat_administrator_is_in_every_chat_and_administers_it(kind: ChatKind) -> None:
    roster = a_roster(employees={"head": [OTHER]}, classes=["8 К"], groups={"алгебра": ()})

    chat = a_chat(kind, roster=roster, chat_administrator="head")

    assert belonging(kind, roster, "head") == {"head": {HEAD}}
    assert chat.administrators == participants("head")


def test_a_chat_administrator_who_does_not_work_here_is_in_no_chat() -> None:
    roster = a_roster(people=["head"])

    assert belonging(OtherChat(), roster, "head") == {}


def test_a_parent_with_two_children_in_a_class_is_there_for_both_and_stays_while_one_is_left() -> None:
    with_two = a_roster(pupils={"elder": "8 К", "younger": "8 К"}, parents={"parent": ["elder", "younger"]})
    with_one = a_roster(pupils={"elder": "9 А", "younger": "8 К"}, parents={"parent": ["elder", "younger"]})
    with_none = a_roster(pupils={"elder": "9 А"}, classes=["8 К"], parents={"parent": ["elder", "younger"]})

    assert belonging(parents_chat("8 К"), with_two) == {"parent": {parent_of("elder"), parent_of("younger")}}
    assert belonging(parents_chat("8 К"), with_one) == {"parent": {parent_of("younger")}}
    assert belonging(parents_chat("8 К"), with_none) == {}


def test_a_teacher_who_is_a_parent_in_their_own_class_is_there_as_both() -> None:
    roster = a_roster(
        employees={"teacher": [PEDAGOGICAL]},
        class_teachers={"8 К": "teacher"},
        pupils={"pupil": "8 К"},
        parents={"teacher": ["pupil"]},
    )

    assert belonging(parents_chat("8 К"), roster) == {"teacher": {CLASS_TEACHER, parent_of("pupil")}}
    assert belonging(class_chat("8 К"), roster) == {"teacher": {CLASS_TEACHER}, "pupil": {CLASS_PUPIL}}


def test_a_dismissed_teacher_who_is_a_parent_stays_as_a_parent_alone() -> None:
    roster = a_roster(class_teachers={"8 К": "teacher"}, pupils={"pupil": "8 К"}, parents={"teacher": ["pupil"]})

    chat = a_chat(parents_chat("8 К"), roster=roster)

    assert belonging(parents_chat("8 К"), roster) == {"teacher": {parent_of("pupil")}}
    assert chat.administrators == frozenset()


def test_a_class_or_group_teacher_who_does_not_work_here_any_more_is_in_no_chat_by_it() -> None:
    roster = a_roster(class_teachers={"8 К": "teacher"}, group_teachers={"алгебра": ["teacher"]})

    chats = (class_chat("8 К"), parents_chat("8 К"), subject_chat("алгебра"))

    assert [belonging(kind, roster) for kind in chats] == [{}, {}, {}]


def test_somebody_in_a_groups_list_who_is_no_pupil_is_not_in_its_chat() -> None:
    roster = a_roster(
        pupils={"pupil": "8 К", "of a closed class": "1 Ь"},
        groups={"алгебра": ["pupil", "expelled", "of a closed class"]},
        closed=["1 Ь"],
    )

    assert belonging(subject_chat("алгебра"), roster) == {"pupil": {GROUP_PUPIL}}


def test_somebody_blocked_stays_in_their_chats() -> None:
    roster = a_roster(pupils={"pupil": "8 К"}, blocked=["pupil"])

    assert belonging(class_chat("8 К"), roster) == {"pupil": {CLASS_PUPIL}}


def test_the_chats_of_a_closed_class_or_group_keep_the_chat_administrator_alone() -> None:
    roster = a_roster(
        employees={"head": [ADMINISTRATION], "teacher": [PEDAGOGICAL]},
        class_teachers={"8 К": "teacher"},
        pupils={"pupil": "8 К", "elsewhere": "9 А"},
        parents={"parent": ["pupil", "elsewhere"]},
        groups={"алгебра": ["elsewhere"]},
        group_teachers={"алгебра": ["teacher"]},
        closed=["8 К", "алгебра"],
    )

    for kind in (class_chat("8 К"), parents_chat("8 К"), subject_chat("алгебра")):
        assert is_closed(kind, roster)
        assert belonging(kind, roster, "head") == {"head": {HEAD}}
        assert belonging(kind, roster) == {}


def test_a_chat_of_what_the_roster_does_not_know_counts_as_closed() -> None:
    roster = a_roster()

    unknown = (class_chat("8 К"), parents_chat("8 К"), subject_chat("алгебра"))

    assert [is_closed(kind, roster) for kind in unknown] == [True] * 3
    assert [belonging(kind, roster) for kind in unknown] == [{}] * 3


def test_open_classes_and_groups_and_what_follows_neither_are_not_closed() -> None:
    roster = a_roster(classes=["8 К"], groups={"алгебра": ()})

    kinds = (TeachersChat(), OtherChat(), class_chat("8 К"), parents_chat("8 К"), subject_chat("алгебра"))

    assert [is_closed(kind, roster) for kind in kinds] == [False] * 5
