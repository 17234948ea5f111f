"""Each word of the school system changes just the facts it speaks of, and names every chat that may look different."""

from collections.abc import Sequence

import pytest

from domain.chat import TeachersChat
from domain.ids import PersonId
from domain.participant import Capacity, Name, PositionKind
from domain.roster import ORGANIZATION_ADMINISTRATOR
from domain.roster_events import (
    ClassClosed,
    ClassSaved,
    ClassTeacherSet,
    EmployeeDismissed,
    EmployeeHired,
    EmployeePositionsChanged,
    EventImpossible,
    GroupClosed,
    GroupSaved,
    ParentTied,
    ParentUntied,
    PersonBlocked,
    PersonSaved,
    PersonUnblocked,
    PupilEnrolled,
    PupilExpelled,
    PupilTransferred,
    RoleGranted,
    RoleWithdrawn,
    RosterEvent,
    apply,
)
from tests.builders import (
    a_roster,
    class_chat,
    class_of,
    group_of,
    parents_chat,
    participant,
    participants,
    subject_chat,
)
from tests.domain.histories import (
    facts_of,
)

PETROV, KLIMOVA = PersonId("petrov"), PersonId("klimova")
TEACHER, OTHER = PositionKind.PEDAGOGICAL, PositionKind.OTHER


# People


def test_a_person_becomes_known_and_may_get_another_name_without_losing_anything_else() -> None:
    roster = a_roster(blocked=["petrov"], pupils={"petrov": "8 К"})

    touched = apply(roster, PersonSaved(PETROV, Name("Петров", "Пётр", "Ильич")))

    assert touched == frozenset()
    assert roster.people[participant("petrov")].name.full == "Петров Пётр Ильич"
    assert roster.people[participant("petrov")].blocked
    assert roster.enrolments == {participant("petrov"): class_of("8 К")}


def test_a_person_is_blocked_and_unblocked() -> None:
    roster = a_roster(people=["petrov"])

    apply(roster, PersonBlocked(PETROV))
    blocked = roster.people[participant("petrov")].blocked
    apply(roster, PersonUnblocked(PETROV))

    assert blocked
    assert not roster.people[participant("petrov")].blocked


def test_a_role_is_granted_and_withdrawn() -> None:
    roster = a_roster(people=["petrov"])

    apply(roster, RoleGranted(PETROV, ORGANIZATION_ADMINISTRATOR))
    granted = set(roster.roles)
    apply(roster, RoleWithdrawn(PETROV, ORGANIZATION_ADMINISTRATOR))

    assert granted == {(participant("petrov"), ORGANIZATION_ADMINISTRATOR)}
    assert roster.roles == set()


# Classes


def test_a_class_that_is_saved_touches_its_two_chats() -> None:
    roster = a_roster()

    touched = apply(roster, ClassSaved("8 К", "8 К"))

    assert touched == {class_chat("8 К"), parents_chat("8 К")}
    assert roster.classes[class_of("8 К")].name == "8 К"


def test_a_class_promoted_under_its_id_keeps_its_teacher_and_pupils() -> None:
    roster = a_roster(pupils={"petrov": "8 К"}, class_teachers={"8 К": "klimova"})

    apply(roster, ClassSaved("8 К", "9 К"))

    promoted = roster.classes[class_of("8 К")]
    assert (promoted.name, promoted.teacher) == ("9 К", participant("klimova"))
    assert roster.pupils_of(promoted.id) == participants("petrov")


def test_the_pupils_of_a_closed_class_are_no_pupils_until_it_opens_again() -> None:
    roster = a_roster(pupils={"petrov": "8 К"}, groups={"алгебра": ["petrov"]})

    touched_by_closing = apply(roster, ClassClosed("8 К"))
    pupil_meanwhile = roster.is_(Capacity.PUPIL, participant("petrov"))
    touched_by_opening = apply(roster, ClassSaved("8 К", "8 К"))

    assert not pupil_meanwhile
    assert roster.is_(Capacity.PUPIL, participant("petrov"))
    assert touched_by_closing == {class_chat("8 К"), parents_chat("8 К"), subject_chat("алгебра")}
    assert touched_by_opening == touched_by_closing


def test_a_class_gets_a_class_teacher_another_and_none() -> None:
    roster = a_roster(people=["petrov", "klimova"], classes=["8 К"])
    teachers = []

    for person in (PETROV, KLIMOVA, None):
        touched = apply(roster, ClassTeacherSet("8 К", person))
        teachers.append(roster.classes[class_of("8 К")].teacher)
        assert touched == {class_chat("8 К"), parents_chat("8 К")}

    assert teachers == [participant("petrov"), participant("klimova"), None]


# Pupils


def test_enrolment_touches_the_chats_of_the_class_and_of_the_groups_that_name_the_pupil() -> None:
    roster = a_roster(classes=["8 К"], groups={"алгебра": ["petrov"], "физика": ["klimova"]})

    touched = apply(roster, PupilEnrolled(PETROV, "8 К"))

    assert roster.enrolments == {participant("petrov"): class_of("8 К")}
    assert touched == {class_chat("8 К"), parents_chat("8 К"), subject_chat("алгебра")}


def test_transfer_touches_the_chats_of_both_classes() -> None:
    roster = a_roster(pupils={"petrov": "8 К"}, classes=["9 А"])

    touched = apply(roster, PupilTransferred(PETROV, "9 А"))

    assert roster.enrolments == {participant("petrov"): class_of("9 А")}
    assert touched == {class_chat("8 К"), parents_chat("8 К"), class_chat("9 А"), parents_chat("9 А")}


def test_a_pupil_of_a_closed_class_can_be_transferred() -> None:
    roster = a_roster(pupils={"petrov": "8 К"}, classes=["9 А"], closed=["8 К"])

    apply(roster, PupilTransferred(PETROV, "9 А"))

    assert roster.is_(Capacity.PUPIL, participant("petrov"))


def test_expulsion_touches_the_chats_of_the_class_and_of_the_groups() -> None:
    roster = a_roster(pupils={"petrov": "8 К"}, groups={"алгебра": ["petrov"]})

    touched = apply(roster, PupilExpelled(PETROV))

    assert roster.enrolments == {}
    assert touched == {class_chat("8 К"), parents_chat("8 К"), subject_chat("алгебра")}


# Employees


def test_hiring_touches_the_chats_of_teachers_and_of_whatever_the_person_was_named_teacher_of() -> None:
    roster = a_roster(class_teachers={"8 К": "klimova"}, group_teachers={"алгебра": ["klimova"]})

    touched = apply(roster, EmployeeHired(KLIMOVA, (TEACHER,)))

    assert roster.positions == {participant("klimova"): (TEACHER,)}
    assert touched == {TeachersChat(), class_chat("8 К"), parents_chat("8 К"), subject_chat("алгебра")}


def test_positions_of_an_employee_are_replaced() -> None:
    roster = a_roster(employees={"klimova": [TEACHER]})

    touched = apply(roster, EmployeePositionsChanged(KLIMOVA, (OTHER, TEACHER)))

    assert roster.positions == {participant("klimova"): (OTHER, TEACHER)}
    assert TeachersChat() in touched


def test_dismissal_leaves_the_class_and_group_named_so_that_a_return_heals_everything() -> None:
    roster = a_roster(
        employees={"klimova": [TEACHER]}, class_teachers={"8 К": "klimova"}, group_teachers={"алгебра": ["klimova"]}
    )
    before = facts_of(roster)

    touched = apply(roster, EmployeeDismissed(KLIMOVA))
    dismissed = dict(roster.positions)
    apply(roster, EmployeeHired(KLIMOVA, (TEACHER,)))

    assert dismissed == {}
    assert touched == {TeachersChat(), class_chat("8 К"), parents_chat("8 К"), subject_chat("алгебра")}
    assert facts_of(roster) == before


# Parents


def test_a_tie_made_or_ended_touches_the_parents_chat_of_the_childs_class() -> None:
    roster = a_roster(people=["klimova"], pupils={"petrov": "8 К"})

    touched_by_tie = apply(roster, ParentTied(KLIMOVA, PETROV))
    ties = set(roster.ties)
    touched_by_end = apply(roster, ParentUntied(KLIMOVA, PETROV))

    assert ties == {(participant("klimova"), participant("petrov"))}
    assert roster.ties == set()
    assert touched_by_tie == touched_by_end == {parents_chat("8 К")}


def test_a_tie_to_somebody_who_is_no_pupil_yet_counts_from_their_enrolment() -> None:
    roster = a_roster(people=["klimova", "petrov"], classes=["8 К"])

    apply(roster, ParentTied(KLIMOVA, PETROV))
    before = roster.is_(Capacity.PARENT, participant("klimova"))
    apply(roster, PupilEnrolled(PETROV, "8 К"))

    assert not before
    assert roster.is_(Capacity.PARENT, participant("klimova"))


# Groups


def test_a_group_is_replaced_by_what_is_told_of_it() -> None:
    roster = a_roster(people=["petrov"], groups={"алгебра": ["klimova"]}, group_teachers={"алгебра": ["klimova"]})

    touched = apply(roster, GroupSaved("алгебра", "Алгебра 1", "Алгебра", frozenset({PETROV}), (KLIMOVA, PETROV)))

    group = roster.groups[group_of("алгебра")]
    assert touched == {subject_chat("алгебра")}
    assert (group.name, group.subject, group.pupils) == ("Алгебра 1", "Алгебра", participants("petrov"))
    assert group.teachers == (participant("klimova"), participant("petrov"))


def test_a_teacher_named_twice_teaches_the_group_once() -> None:
    roster = a_roster(people=["petrov", "klimova"])

    apply(roster, GroupSaved("алгебра", "8 К", "Алгебра", frozenset(), (PETROV, KLIMOVA, PETROV)))

    assert roster.groups[group_of("алгебра")].teachers == (participant("petrov"), participant("klimova"))


def test_a_group_is_closed_and_opened_again_by_saving_it() -> None:
    roster = a_roster(groups={"алгебра": ()})

    touched = apply(roster, GroupClosed("алгебра"))
    closed = roster.groups[group_of("алгебра")].closed
    apply(roster, GroupSaved("алгебра", "8 К", "Алгебра", frozenset(), ()))

    assert touched == {subject_chat("алгебра")}
    assert closed
    assert not roster.groups[group_of("алгебра")].closed


# Refusals

UNKNOWN = PersonId("nobody")

IMPOSSIBLE: Sequence[tuple[RosterEvent, str]] = (
    (PersonBlocked(UNKNOWN), "the person nobody is unknown"),
    (PersonUnblocked(UNKNOWN), "the person nobody is unknown"),
    (RoleGranted(UNKNOWN, "ANY"), "the person nobody is unknown"),
    (RoleWithdrawn(UNKNOWN, "ANY"), "the person nobody is unknown"),
    (ClassClosed("5 П"), "the class 5 П is unknown"),
    (ClassTeacherSet("5 П", PETROV), "the class 5 П is unknown"),
    (ClassTeacherSet("8 К", UNKNOWN), "the person nobody is unknown"),
    (PupilEnrolled(UNKNOWN, "8 К"), "the person nobody is unknown"),
    (PupilEnrolled(KLIMOVA, "5 П"), "the class 5 П is unknown"),
    (PupilEnrolled(KLIMOVA, "1 Ь"), "the class 1 Ь is closed"),
    (PupilEnrolled(PETROV, "9 А"), "the person petrov is a pupil of another class"),
    (PupilTransferred(UNKNOWN, "8 К"), "the person nobody is unknown"),
    (PupilTransferred(PETROV, "5 П"), "the class 5 П is unknown"),
    (PupilTransferred(PETROV, "1 Ь"), "the class 1 Ь is closed"),
    (PupilTransferred(KLIMOVA, "9 А"), "the person klimova is not a pupil"),
    (PupilExpelled(UNKNOWN), "the person nobody is unknown"),
    (EmployeeHired(UNKNOWN, (TEACHER,)), "the person nobody is unknown"),
    (EmployeePositionsChanged(UNKNOWN, (TEACHER,)), "the person nobody is unknown"),
    (EmployeePositionsChanged(PETROV, (TEACHER,)), "the person petrov is not an employee"),
    (EmployeeDismissed(UNKNOWN), "the person nobody is unknown"),
    (ParentTied(UNKNOWN, PETROV), "the person nobody is unknown"),
    (ParentTied(KLIMOVA, UNKNOWN), "the person nobody is unknown"),
    (ParentUntied(UNKNOWN, PETROV), "the person nobody is unknown"),
    (ParentUntied(KLIMOVA, UNKNOWN), "the person nobody is unknown"),
    (GroupSaved("алгебра", "8 К", "Алгебра", frozenset({UNKNOWN}), ()), "the person nobody is unknown"),
    (GroupSaved("алгебра", "8 К", "Алгебра", frozenset(), (UNKNOWN,)), "the person nobody is unknown"),
    (GroupClosed("алгебра"), "the group алгебра is unknown"),
)


@pytest.mark.parametrize(("event", "reason"), IMPOSSIBLE, ids=lambda part: type(part).__name__)
def test_an_event_that_names_the_unknown_or_contradicts_the_facts_is_refused_and_changes_nothing(
    event: RosterEvent, reason: str
) -> None:
    roster = a_roster(people=["klimova"], pupils={"petrov": "8 К"}, classes=["9 А", "1 Ь"], closed=["1 Ь"])
    before = facts_of(roster)

    with pytest.raises(EventImpossible, match=reason):
        apply(roster, event)

    assert facts_of(roster) == before
