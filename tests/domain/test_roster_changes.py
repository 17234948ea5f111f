"""What a bundle makes of the facts that are there, and what that changes."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.ids import PersonId
from domain.participant import Name, PositionKind
from domain.register import (
    Bundle,
    Days,
    Mode,
    Part,
    Register,
    RoleKind,
    StatedClass,
    StatedCourse,
    StatedPerson,
    StatedPlace,
    StatedRole,
    facts_on,
)
from domain.roster import ORGANIZATION_ADMINISTRATOR, Roster
from domain.roster_changes import (
    NOTHING_STATED,
    Kind,
    Removal,
    RosterChanges,
    Stated,
    changes,
    desired,
    stated_by,
    too_many_removals,
)
from domain.roster_events import (
    ClassClosed,
    ClassSaved,
    ClassTeacherSet,
    EmployeeDismissed,
    EmployeeHired,
    GroupSaved,
    ParentTied,
    PersonBlocked,
    PersonSaved,
    PupilEnrolled,
    PupilExpelled,
    PupilTransferred,
    RoleGranted,
    RosterEvent,
    apply,
)
from tests.builders import SCHOOL, a_roster, class_of, group_of, participant, participants, state_of
from tests.bundles import KINDS, a_school, bulk, delta, without

MONDAY = date(2026, 9, 7)
TUESDAY = date(2026, 9, 8)
TEACHER = (PositionKind.PEDAGOGICAL,)

ANNA, MOTHER, BORIS = PersonId("anna"), PersonId("mother"), PersonId("boris")
IVANOVA, PETROV, GUEST = PersonId("ivanova"), PersonId("petrov"), PersonId("guest")
PUPIL, PARENT, STAFF = RoleKind.PUPIL, RoleKind.PARENT, RoleKind.STAFF


class School:
    """A register and the roster that follows it, as bundles, events and days come."""

    def __init__(self, *bundles: Bundle) -> None:
        self.register = Register()
        self.roster = Roster(SCHOOL)
        self.day = MONDAY
        for bundle in bundles:
            self.take(bundle)

    def take(self, bundle: Bundle) -> RosterChanges:
        self.register.adopt(self.roster, bundle)
        before = facts_on(self.register, SCHOOL, self.day)
        self.register.take(bundle)
        return self._become(desired(self.roster, before, facts_on(self.register, SCHOOL, self.day), stated_by(bundle)))

    def turn_to(self, day: date) -> RosterChanges:
        before = facts_on(self.register, SCHOOL, self.day)
        self.day = day
        return self._become(desired(self.roster, before, facts_on(self.register, SCHOOL, day), NOTHING_STATED))

    def hear(self, *events: RosterEvent) -> None:
        for event in events:
            apply(self.roster, event)

    def _become(self, wanted: Roster) -> RosterChanges:
        changed = changes(self.roster, wanted)
        self.roster = wanted
        return changed


@pytest.mark.rule("ROSTER-02")
def test_the_first_bundle_makes_a_school_of_nothing() -> None:
    changed = School().take(bulk(a_school()))

    assert changed == RosterChanges(
        people_new=tuple(sorted(participants("ivanova", "petrov", "anna", "mother"))),
        hired=tuple(sorted(participants("ivanova", "petrov"))),
        enrolled=(participant("anna"),),
        ties_made=((participant("mother"), participant("anna")),),
        classes_opened=tuple(sorted([class_of("8 К"), class_of("9 К")])),
        groups_opened=(group_of("Алгебра 8"),),
        roles_granted=((participant("ivanova"), ORGANIZATION_ADMINISTRATOR),),
    )


@pytest.mark.rule("ROSTER-02")
def test_the_same_bundle_changes_nothing_again() -> None:
    school = School(bulk(a_school()))

    changed = school.take(bulk(a_school()))

    assert changed.nothing


@pytest.mark.rule("ROSTER-02")
def test_whoever_is_missing_in_bulk_is_expelled_dismissed_and_untied_and_stays_known() -> None:
    school = School(bulk(a_school()))

    changed = school.take(bulk(without(a_school(), "ivanova", "ivanova in 8", "anna", "anna in 8", "anna in algebra")))

    assert changed == RosterChanges(
        dismissed=(participant("ivanova"),),
        expelled=(participant("anna"),),
        ties_ended=((participant("mother"), participant("anna")),),
        class_teachers_changed=(class_of("8 К"),),
        groups_changed=(group_of("Алгебра 8"),),
        roles_withdrawn=((participant("ivanova"), ORGANIZATION_ADMINISTRATOR),),
    )
    assert participants("ivanova", "anna") <= school.roster.people.keys()


@pytest.mark.rule("ROSTER-02")
def test_a_class_and_a_group_that_are_missing_in_bulk_are_closed_and_open_again_when_they_are_stated_again() -> None:
    school = School(bulk(a_school()))

    closed = school.take(bulk(without(a_school(), "8 К", "Алгебра 8", *a_school().places)))
    opened = school.take(bulk(a_school()))

    assert (closed.classes_closed, closed.groups_closed) == ((class_of("8 К"),), (group_of("Алгебра 8"),))
    assert (opened.classes_opened, opened.groups_opened) == ((class_of("8 К"),), (group_of("Алгебра 8"),))


@pytest.mark.rule("ROSTER-02")
def test_what_events_told_ends_when_a_bulk_bundle_does_not_state_it() -> None:
    school = School(bulk(a_school()))
    school.hear(
        PersonSaved(GUEST, Name("Гость", "Анна")),
        EmployeeHired(GUEST, TEACHER),
        ParentTied(GUEST, ANNA),
        ClassSaved("10 К", "10 К"),
        PupilTransferred(ANNA, "9 К"),
        PersonBlocked(ANNA),
        RoleGranted(PETROV, ORGANIZATION_ADMINISTRATOR),
        RoleGranted(PETROV, "Завуч"),
    )

    school.take(bulk(a_school()))

    alone = School(bulk(a_school())).roster
    assert (school.roster.positions, school.roster.enrolments) == (alone.positions, alone.enrolments)
    assert school.roster.ties == alone.ties
    assert school.roster.roles == alone.roles | {(participant("petrov"), "Завуч")}
    assert school.roster.classes[class_of("10 К")].closed
    assert not school.roster.people[participant("anna")].blocked


@pytest.mark.rule("ROSTER-02")
def test_a_delta_leaves_what_events_told_of_other_rows() -> None:
    school = School(bulk(a_school()))
    school.hear(
        EmployeeDismissed(PETROV),
        PupilTransferred(ANNA, "9 К"),
        ClassTeacherSet("9 К", PETROV),
        ClassClosed("8 К"),
        PersonBlocked(MOTHER),
    )

    changed = school.take(
        delta(
            people={"boris": StatedPerson(Name("Борисов", "Борис"))},
            roles={"boris": StatedRole("boris", PUPIL)},
            places={"boris in 9": StatedPlace("9 К", "boris", teaches=False)},
        )
    )

    assert changed == RosterChanges(people_new=(participant("boris"),), enrolled=(participant("boris"),))
    assert school.roster.enrolments == dict.fromkeys(participants("anna", "boris"), class_of("9 К"))


@pytest.mark.rule("ROSTER-02")
def test_a_delta_ends_the_rows_that_it_says_are_no_more() -> None:
    school = School(bulk(a_school()))

    changed = school.take(delta(ended={"people": {"petrov"}, "roles": {"petrov"}, "classes": {"9 К", "Алгебра 8"}}))

    assert changed == RosterChanges(
        dismissed=(participant("petrov"),), classes_closed=(class_of("9 К"),), groups_closed=(group_of("Алгебра 8"),)
    )


@pytest.mark.rule("ROSTER-02")
def test_a_class_that_a_delta_states_again_is_open_again_with_the_name_that_it_has_now() -> None:
    school = School(bulk(a_school()))
    school.hear(ClassClosed("8 К"), ClassClosed("9 К"))

    changed = school.take(delta(classes={"8 К": a_school().classes["8 К"], "9 К": StatedClass("10 К", homeroom=True)}))

    assert changed == RosterChanges(
        classes_opened=tuple(sorted([class_of("8 К"), class_of("9 К")])), classes_renamed=(class_of("9 К"),)
    )


@pytest.mark.rule("ROSTER-02")
def test_users_in_bulk_without_enrolments_take_everything_from_whoever_is_missing() -> None:
    school = School(bulk(a_school()))

    changed = school.take(bulk(without(a_school(), "ivanova", "anna"), "people", "roles"))

    assert (changed.dismissed, changed.expelled) == ((participant("ivanova"),), (participant("anna"),))
    assert changed.ties_ended == ((participant("mother"), participant("anna")),)
    assert changed.roles_withdrawn == ((participant("ivanova"), ORGANIZATION_ADMINISTRATOR),)


@pytest.mark.rule("ROSTER-02")
def test_users_in_bulk_without_enrolments_leave_the_classes_of_those_who_stay() -> None:
    school = School(bulk(a_school()))
    school.hear(PupilTransferred(ANNA, "9 К"))

    changed = school.take(bulk(a_school(), "people", "roles"))

    assert changed.nothing
    assert school.roster.enrolments == {participant("anna"): class_of("9 К")}


@pytest.mark.rule("ROSTER-02")
def test_somebody_missing_for_one_bundle_of_users_is_in_their_class_again_when_they_are_back() -> None:
    school = School(bulk(a_school()))
    school.take(bulk(without(a_school(), "anna"), "people", "roles"))

    school.take(bulk(a_school(), "people", "roles"))

    assert school.roster.enrolments == {participant("anna"): class_of("8 К")}


@pytest.mark.rule("ROSTER-02")
def test_enrolments_in_bulk_alone_expel_nobody_whose_role_is_a_pupil_and_do_not_enrol_who_was_expelled() -> None:
    register = a_school()
    register.people["boris"] = StatedPerson(Name("Борисов", "Борис"))
    register.roles["boris"] = StatedRole("boris", PUPIL)
    school = School(bulk(register))
    school.hear(PupilExpelled(BORIS), ClassTeacherSet("9 К", PETROV))

    changed = school.take(bulk(without(register, "anna in 8"), "places"))

    assert changed == RosterChanges(transferred=(participant("anna"),), class_teachers_changed=(class_of("9 К"),))
    assert school.roster.enrolments == {participant("anna"): None}


@pytest.mark.rule("ROSTER-02")
def test_enrolments_in_bulk_alone_enrol_whoever_has_a_place_and_take_from_groups_whom_events_added() -> None:
    school = School(bulk(a_school()))
    everybody = frozenset({ANNA, MOTHER})
    school.hear(PupilExpelled(ANNA), GroupSaved("Алгебра 8", "Алгебра 8", "Алгебра", everybody, (PETROV, IVANOVA)))

    changed = school.take(bulk(a_school(), "places"))

    assert changed == RosterChanges(enrolled=(participant("anna"),), groups_changed=(group_of("Алгебра 8"),))
    group = school.roster.groups[group_of("Алгебра 8")]
    assert (group.pupils, group.teachers) == (participants("anna"), (participant("petrov"),))


@pytest.mark.rule("ROSTER-02")
def test_users_in_bulk_without_their_roles_take_from_whoever_is_missing_also_what_events_told() -> None:
    school = School(bulk(a_school()))
    school.hear(
        PersonSaved(GUEST, Name("Гость", "Анна")),
        EmployeeHired(GUEST, TEACHER),
        PupilEnrolled(GUEST, "9 К"),
        ParentTied(GUEST, ANNA),
        RoleGranted(GUEST, ORGANIZATION_ADMINISTRATOR),
    )

    changed = school.take(bulk(a_school(), "people"))

    guest = participant("guest")
    assert changed == RosterChanges(
        dismissed=(guest,),
        expelled=(guest,),
        ties_ended=((guest, participant("anna")),),
        roles_withdrawn=((guest, ORGANIZATION_ADMINISTRATOR),),
    )


def test_new_classes_and_groups_come_in_their_own_order_whatever_that_of_the_rows() -> None:
    names = ("10 А", "9 Б", "2 Г", "9 А")
    classes = {f"class {name}": StatedClass(name, homeroom=True) for name in names}
    groups = {f"group {name}": StatedClass(name, homeroom=False) for name in names}

    roster = School(bulk(Register(classes=classes | groups))).roster

    assert [each.name for each in roster.classes.values()] == ["2 Г", "9 А", "9 Б", "10 А"]
    assert [each.name for each in roster.groups.values()] == ["2 Г", "9 А", "9 Б", "10 А"]


@pytest.mark.rule("ROSTER-02")
def test_enrolments_may_name_people_and_classes_that_only_events_told_of() -> None:
    school = School()
    school.hear(
        PersonSaved(ANNA, Name("Анина", "Анна")),
        ClassSaved("8 К", "8 К"),
        ClassSaved("9 К", "9 К"),
        GroupSaved("Алгебра 8", "Алгебра 8", "Алгебра", frozenset(), ()),
        PupilEnrolled(ANNA, "9 К"),
    )

    school.take(bulk(without(a_school(), "ivanova in 8", "petrov in algebra"), "places"))

    assert school.roster.enrolments == {participant("anna"): class_of("8 К")}
    assert school.roster.groups[group_of("Алгебра 8")].pupils == participants("anna")
    assert not school.roster.classes[class_of("9 К")].closed


@pytest.mark.rule("ROSTER-02")
def test_a_delta_adds_to_and_takes_from_a_group_what_differs_and_keeps_what_events_added() -> None:
    school = School(bulk(a_school()))
    school.hear(
        PersonSaved(GUEST, Name("Гость", "Анна")),
        GroupSaved("Алгебра 8", "Алгебра восьмых", "Алгебра", frozenset({ANNA, GUEST}), (GUEST, PETROV)),
    )

    school.take(
        delta(
            places={"ivanova in algebra": StatedPlace("Алгебра 8", "ivanova", teaches=True)},
            ended={"places": {"anna in algebra"}},
        )
    )

    group = school.roster.groups[group_of("Алгебра 8")]
    assert (group.name, group.pupils) == ("Алгебра восьмых", participants("guest"))
    assert group.teachers == (participant("ivanova"), participant("petrov"), participant("guest"))


def test_a_renamed_course_is_another_subject_of_its_groups() -> None:
    school = School(bulk(a_school()))

    changed = school.take(delta(courses={"algebra": StatedCourse("Алгебра и начала анализа")}))

    assert changed == RosterChanges(groups_changed=(group_of("Алгебра 8"),))
    assert school.roster.groups[group_of("Алгебра 8")].subject == "Алгебра и начала анализа"


def test_people_are_renamed_blocked_and_unblocked() -> None:
    register = a_school()
    register.people["mother"] = replace(register.people["mother"], blocked=True)
    school = School(bulk(register))

    changed = school.take(
        delta(
            people={
                "mother": a_school().people["mother"],
                "anna": replace(register.people["anna"], blocked=True),
                "petrov": StatedPerson(Name("Петров", "Пётр")),
            }
        )
    )

    assert changed == RosterChanges(
        people_renamed=(participant("petrov"),),
        people_blocked=(participant("anna"),),
        people_unblocked=(participant("mother"),),
    )


def test_positions_in_another_order_are_the_same_positions() -> None:
    register = a_school()
    register.roles["director"] = StatedRole("petrov", STAFF, PositionKind.ADMINISTRATION)
    school = School(bulk(register))
    school.hear(EmployeeHired(PETROV, (PositionKind.PEDAGOGICAL, PositionKind.ADMINISTRATION)))

    changed = school.take(bulk(register))

    assert changed.nothing


@pytest.mark.rule("ROSTER-05")
def test_a_day_brings_in_what_begins_and_takes_out_what_ends_and_leaves_what_events_told() -> None:
    register = a_school()
    register.roles["petrov"] = replace(register.roles["petrov"], days=Days(ends=TUESDAY))
    register.places["anna in 8"] = replace(register.places["anna in 8"], days=Days(ends=TUESDAY))
    register.places["anna in 9"] = StatedPlace("9 К", "anna", teaches=False, days=Days(TUESDAY))
    school = School(bulk(register))
    school.hear(ClassTeacherSet("9 К", PETROV), EmployeeDismissed(IVANOVA))

    changed = school.turn_to(TUESDAY)

    assert changed == RosterChanges(dismissed=(participant("petrov"),), transferred=(participant("anna"),))


@pytest.mark.rule("ROSTER-02")
@pytest.mark.parametrize(
    ("ended", "present", "refused"),
    [(10, 20, False), (11, 55, False), (11, 54, True), (55, 55, True)],
)
def test_more_than_ten_and_more_than_the_share_of_one_kind_are_too_many(
    ended: int, present: int, refused: bool
) -> None:
    names = [f"{number}" for number in range(present)]
    rosters: dict[Kind, Callable[[Sequence[str]], Roster]] = {
        Kind.PUPILS: lambda kept: a_roster(pupils=dict.fromkeys(kept, "8 К"), classes=["8 К"]),
        Kind.EMPLOYEES: lambda kept: a_roster(employees=dict.fromkeys(kept, TEACHER)),
        Kind.CLASSES: lambda kept: a_roster(classes=names, closed=set(names) - set(kept)),
        Kind.GROUPS: lambda kept: a_roster(groups=dict.fromkeys(names, ()), closed=set(names) - set(kept)),
    }

    found = {
        kind: too_many_removals(roster(names), roster(names[ended:]), percent=20) for kind, roster in rosters.items()
    }

    assert found == {kind: (Removal(kind, ended, present),) if refused else () for kind in Kind}


def test_closing_the_class_of_a_pupil_ends_the_pupil_too() -> None:
    pupils = dict.fromkeys((f"{number}" for number in range(11)), "8 К")
    before, after = a_roster(pupils=pupils), a_roster(pupils=pupils, closed=["8 К"])

    removals = too_many_removals(before, after, percent=20)

    assert removals == (Removal(Kind.PUPILS, 11, 11),)


IDS = st.sampled_from(["a", "b", "c", "d"])
DAYS = st.builds(Days, st.sampled_from([None, MONDAY, TUESDAY]), st.sampled_from([None, date(2026, 9, 9)]))
CLASSES = st.builds(StatedClass, IDS, homeroom=st.booleans(), course=st.none() | IDS)
REGISTERS = st.builds(
    Register,
    people=st.dictionaries(
        IDS, st.builds(StatedPerson, st.builds(Name, IDS, IDS), st.booleans(), st.lists(IDS, max_size=2).map(tuple))
    ),
    roles=st.dictionaries(
        IDS, st.builds(StatedRole, IDS, st.sampled_from(RoleKind), st.sampled_from(PositionKind), st.booleans(), DAYS)
    ),
    courses=st.dictionaries(IDS, st.builds(StatedCourse, IDS)),
    classes=st.dictionaries(IDS, CLASSES),
    places=st.dictionaries(IDS, st.builds(StatedPlace, IDS, IDS, st.booleans(), st.booleans(), DAYS)),
)


@pytest.mark.rule("ROSTER-02")
@given(REGISTERS, REGISTERS)
def test_after_a_bulk_bundle_nothing_is_left_of_what_was_stated_before(first: Register, second: Register) -> None:
    both, alone = School(bulk(first), bulk(second)).roster, School(bulk(second)).roster

    for facts in ("positions", "enrolments", "ties", "roles"):
        assert getattr(both, facts) == getattr(alone, facts)
    assert {id: both.people[id] for id in alone.people} == alone.people
    assert {id: each for id, each in both.classes.items() if not each.closed} == alone.classes
    assert {id: each for id, each in both.groups.items() if not each.closed} == alone.groups


@pytest.mark.rule("ROSTER-02")
@given(REGISTERS, REGISTERS, st.sets(st.sampled_from(KINDS)), st.sets(st.sampled_from(KINDS)))
def test_whatever_a_bundle_states_it_changes_nothing_when_it_comes_again(
    first: Register, second: Register, in_full: set[str], in_part: set[str]
) -> None:
    deltas: dict[str, Any] = {kind: Part(Mode.DELTA, getattr(second, kind)) for kind in in_part - in_full}
    bundle = replace(bulk(second, *in_full) if in_full else Bundle(), **deltas)
    school = School(bulk(first), bundle)

    changed = school.take(bundle)

    assert changed.nothing


@given(REGISTERS, REGISTERS)
def test_a_delta_of_all_rows_and_of_the_end_of_all_others_does_what_bulk_does(
    first: Register, second: Register
) -> None:
    ended = {kind: set(getattr(first, kind)) - set(getattr(second, kind)) for kind in KINDS}
    rows = {kind: getattr(second, kind) for kind in KINDS}

    by_delta, by_bulk = School(bulk(first), delta(ended=ended, **rows)), School(bulk(first), bulk(second))

    assert state_of(by_delta.register) == state_of(by_bulk.register)
    assert changes(by_delta.roster, by_bulk.roster).nothing


def test_days_that_pass_unseen_are_one_step() -> None:
    register = a_school()
    register.places["anna in 8"] = replace(register.places["anna in 8"], days=Days(ends=TUESDAY))
    register.places["anna in 9"] = StatedPlace("9 К", "anna", teaches=False, days=Days(TUESDAY, date(2026, 9, 9)))
    by_day, at_once = School(bulk(register)), School(bulk(register))

    by_day.turn_to(TUESDAY)
    by_day.turn_to(date(2026, 9, 10))
    at_once.turn_to(date(2026, 9, 10))

    assert at_once.roster.enrolments == {participant("anna"): None}
    assert changes(by_day.roster, at_once.roster).nothing


def test_a_bundle_without_a_full_file_states_nothing_in_full() -> None:
    stated = stated_by(delta(classes={"8 К": a_school().classes["8 К"]}))

    assert stated == Stated(open=frozenset({"8 К"}))
