"""What the two demonstration schools consist of, as the roster understands it."""

from collections import Counter

import pytest

from domain.ids import PersonId
from domain.participant import Name, Participant, PositionKind
from domain.roster import Roster
from domain.roster_events import RosterEvent, apply
from infrastructure.demo import full_school, manual_school
from infrastructure.demo.load import SCHOOLS, School
from infrastructure.sandbox.logins import LOGINS
from infrastructure.sandbox.people import NAMED

MANUAL, FULL = SCHOOLS
FIGURE_28 = {
    "Алехина Татьяна Сергеевна",
    "Беляева Елена Сергеевна",
    "Богданов Александр Александрович",
    "Букина Елена",
    "Варшавская Елена Владимировна",
    "Егорова Елена Владимировна",
    "Иванова Елена Владимировна",
    "Викторова Елена Владимировна",
    "Глебова Елена Владимировна",
    "Гурьева Елена Владимировна",
}


def roster_of(school: School) -> Roster:
    roster = Roster(school.id)
    for told in school.told():
        assert isinstance(told.event, RosterEvent)
        apply(roster, told.event)
    return roster


@pytest.fixture(scope="module")
def manual() -> Roster:
    return roster_of(MANUAL)


@pytest.fixture(scope="module")
def full() -> Roster:
    return roster_of(FULL)


def person(roster: Roster, id: str) -> Participant:
    return roster.people[roster.participant_id(id)]


def test_the_manuals_school_has_26_employees_of_whom_two_are_in_no_teachers_chat(manual: Roster) -> None:
    kinds = Counter(manual.positions.values())

    assert kinds == {(PositionKind.ADMINISTRATION,): 2, (PositionKind.PEDAGOGICAL,): 22, (PositionKind.OTHER,): 2}
    heads = {
        manual.people[id].name.full for id, held in manual.positions.items() if PositionKind.ADMINISTRATION in held
    }
    assert heads == {"Воронцова Елена Владимировна", "Лаптев Игорь Степанович"}


def test_the_ten_of_figure_28_work_in_the_manuals_school_one_of_them_without_a_patronymic(manual: Roster) -> None:
    ten = {manual.people[id] for id in manual.positions if manual.people[id].name.full in FIGURE_28}

    assert {one.name.full for one in ten} == FIGURE_28
    assert [one.name for one in ten if one.name.patronymic is None] == [Name("Букина", "Елена")]
    assert not any(one.blocked for one in ten)


def test_two_employees_of_the_manuals_school_are_namesakes_and_one_is_blocked(manual: Roster) -> None:
    employees = [manual.people[id] for id in manual.positions]

    shared = Counter(one.name.full for one in employees)
    assert [count for count in shared.values() if count > 1] == [2]
    assert [one.name.full in FIGURE_28 for one in manual.people.values() if one.blocked] == [False]
    assert sum(one.blocked for one in employees) == 1


def test_the_groups_of_the_manuals_school_are_of_one_class_and_of_two(manual: Roster) -> None:
    classes_of = {
        group.school_id: {manual.classes[school_class].name for school_class in manual.classes_of(group.pupils)}
        for group in manual.groups.values()
    }
    teachers = {group.school_id: group.teachers for group in manual.groups.values()}

    assert classes_of == {
        manual_school.GROUP_OF_ONE_CLASS: {"1 Б"},
        manual_school.GROUP_OF_TWO_CLASSES: {"3 А", "3 Д"},
    }
    assert teachers[manual_school.GROUP_OF_ONE_CLASS] == (manual.participant_id("manual-teacher"),)


def test_the_full_size_school_is_of_full_size(full: Roster) -> None:
    parents = {parent for parent, _ in full.ties}
    in_class = Counter(full.enrolments.values())
    subjects = {group.subject for group in full.groups.values()}
    spanning = [group for group in full.groups.values() if len({full.enrolments[pupil] for pupil in group.pupils}) > 1]

    assert (len(full.classes), len(full.enrolments), len(full.positions)) == (30, 900, 70)
    assert set(in_class.values()) == {30}
    assert len(parents) == 1310
    assert {pupil for _, pupil in full.ties} == set(full.enrolments)
    assert len(full.groups) == 379
    assert len(subjects) > 15
    assert len(spanning) == 4


def test_every_class_of_the_full_size_school_has_a_class_teacher_of_its_own_who_teaches_it(full: Roster) -> None:
    led = [known.teacher for known in full.classes.values()]

    assert None not in led
    assert len(set(led)) == 30
    for known in full.classes.values():
        taught = [group for group in full.groups.values() if known.teacher in group.teachers]
        assert any(full.enrolments[pupil] == known.id for group in taught for pupil in group.pupils)


def test_brothers_and_sisters_of_the_full_size_school_are_in_different_classes(full: Roster) -> None:
    children = Counter(parent for parent, _ in full.ties)
    of_parent = {
        parent: [full.enrolments[pupil] for one, pupil in full.ties if one == parent]
        for parent, count in children.items()
        if count > 1
    }

    assert len(of_parent) > 100
    assert all(len(set(classes)) == len(classes) for classes in of_parent.values())


def test_every_log_in_is_somebody_of_the_school_under_the_name_that_vk_id_has(manual: Roster, full: Roster) -> None:
    rosters = {manual_school.SCHOOL_ID: manual, full_school.SCHOOL_ID: full}
    names = {seed.person: seed.name for seed in NAMED if seed.person is not None}

    known = {
        login.sub: person(rosters[login.org], login.sub).name.full
        for login in LOGINS.values()
        if login.org is not None and login.scope is None
    }

    assert known == names


def test_the_directors_are_organization_administrators(manual: Roster, full: Roster) -> None:
    for roster, director in ((manual, manual_school.DIRECTOR), (full, full_school.DIRECTOR)):
        assert roster.roles == {(roster.participant_id(director), "ORGANIZATION_ADMINISTRATOR")}


@pytest.mark.parametrize("school", SCHOOLS, ids=lambda school: school.school_id)
def test_every_event_of_a_school_has_a_key_of_its_own(school: School) -> None:
    keys = [told.key for told in school.told()]

    assert len(set(keys)) == len(keys)
    assert [told.digest for told in school.told()] == [told.digest for told in school.told()]


def test_nobody_is_linked_who_starts_unlinked() -> None:
    assert {PersonId("manual-teacher"), PersonId("manual-parent")} <= set(manual_school.LINKED)
    assert not {"manual-vorontsova", "manual-pupil"} & set(manual_school.LINKED)
