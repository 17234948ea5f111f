"""Random histories of a small school, in the words of the school system."""

from collections.abc import Sequence

from hypothesis import strategies as st

from domain.chat import ChatKind, ClassChat, OtherChat, ParentsChat, SubjectChat, TeachersChat
from domain.ids import PersonId
from domain.participant import Name, PositionKind
from domain.roster import ORGANIZATION_ADMINISTRATOR, Roster
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
    Touched,
    apply,
)
from tests.builders import SCHOOL, class_of, group_of

HEAD = PersonId("head")
"""Works here whatever happens: who administers the chats, and loses that by dismissal, is the organization's matter."""
PEOPLE = tuple(PersonId(name) for name in ("akimov", "belova", "vlasov", "gusev", "dymova"))
CLASSES = ("8 К", "9 А", "1 Ь")
GROUPS = ("алгебра", "физика")
KINDS: tuple[ChatKind, ...] = (
    TeachersChat(),
    *(ClassChat(class_of(name)) for name in CLASSES),
    *(ParentsChat(class_of(name)) for name in CLASSES),
    *(SubjectChat(group_of(name)) for name in GROUPS),
    OtherChat(),
)

_people, _classes, _groups = st.sampled_from(PEOPLE), st.sampled_from(CLASSES), st.sampled_from(GROUPS)
_positions = st.lists(st.sampled_from(PositionKind), min_size=1, max_size=2).map(tuple)
_names = st.builds(Name, st.sampled_from(["Акимов", "Белова"]), st.just("Саша"), st.sampled_from([None, "Ильич"]))
_group_lists = {
    "pupils": st.frozensets(_people, max_size=3),
    "teachers": st.lists(_people, max_size=3).map(tuple),
}

events: st.SearchStrategy[RosterEvent] = st.one_of(
    st.builds(PersonSaved, _people, _names),
    st.builds(PersonBlocked, _people),
    st.builds(PersonUnblocked, _people),
    st.builds(ClassSaved, _classes, _classes),
    st.builds(ClassClosed, _classes),
    st.builds(ClassTeacherSet, _classes, st.none() | _people),
    st.builds(PupilEnrolled, _people, _classes),
    st.builds(PupilTransferred, _people, _classes),
    st.builds(PupilExpelled, _people),
    st.builds(EmployeeHired, _people, _positions),
    st.builds(EmployeePositionsChanged, _people, _positions),
    st.builds(EmployeeDismissed, _people),
    st.builds(ParentTied, _people, _people),
    st.builds(ParentUntied, _people, _people),
    st.builds(GroupSaved, _groups, _groups, st.sampled_from(["Алгебра", "Физика"]), **_group_lists),
    st.builds(GroupClosed, _groups),
    st.builds(RoleGranted, _people, st.just(ORGANIZATION_ADMINISTRATOR)),
    st.builds(RoleWithdrawn, _people, st.just(ORGANIZATION_ADMINISTRATOR)),
)

histories = st.lists(events, max_size=30)


def a_school_at_its_beginning() -> Roster:
    """Everybody and every class is known, nobody is anything yet but the head."""
    roster = Roster(SCHOOL)
    for person in (HEAD, *PEOPLE):
        apply(roster, PersonSaved(person, Name(person.capitalize(), "Саша")))
    for name in CLASSES:
        apply(roster, ClassSaved(name, name))
    apply(roster, EmployeeHired(HEAD, (PositionKind.ADMINISTRATION,)))
    return roster


def apply_if_possible(roster: Roster, event: RosterEvent) -> Touched | None:
    """What the event touched; None if it is impossible, in which case nothing has changed."""
    try:
        return apply(roster, event)
    except EventImpossible:
        return None


def a_school_after(history: Sequence[RosterEvent]) -> Roster:
    """The facts after those events of the history that are possible."""
    roster = a_school_at_its_beginning()
    for event in history:
        apply_if_possible(roster, event)
    return roster


def facts_of(roster: Roster) -> tuple[object, ...]:
    """All facts as one comparable value, independent of the roster that goes on changing."""
    return (
        dict(roster.people),
        dict(roster.positions),
        dict(roster.classes),
        dict(roster.groups),
        dict(roster.enrolments),
        frozenset(roster.ties),
        frozenset(roster.roles),
    )


def told_anew(roster: Roster) -> list[RosterEvent]:
    """The same facts as a list of events that can come in any order, once people and classes are known."""

    def person(id: object) -> PersonId:
        return next(known.person_id for known in roster.people.values() if known.id == id)

    told: list[RosterEvent] = []
    for employee, positions in roster.positions.items():
        told.append(EmployeeHired(person(employee), positions))
    for pupil, enrolled in roster.enrolments.items():
        assert enrolled is not None, "events enrol in a class"
        told.append(PupilEnrolled(person(pupil), roster.classes[enrolled].school_id))
    for parent, child in roster.ties:
        told.append(ParentTied(person(parent), person(child)))
    for known in roster.classes.values():
        told.append(ClassTeacherSet(known.school_id, None if known.teacher is None else person(known.teacher)))
    for group in roster.groups.values():
        pupils, teachers = frozenset(map(person, group.pupils)), tuple(map(person, group.teachers))
        told.append(GroupSaved(group.school_id, group.name, group.subject, pupils, teachers))
    return told
