"""What the rows of a register say of a day."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import TypeVar
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    day_at,
    facts_on,
    midnight,
    next_change,
)
from domain.roster import ORGANIZATION_ADMINISTRATOR, Roster
from tests.builders import SCHOOL, a_roster, class_of, group_of, participant, participants, state_of

MONDAY = date(2026, 9, 7)
TUESDAY = date(2026, 9, 8)
SUNDAY = date(2026, 9, 6)

V = TypeVar("V")

PUPIL, PARENT, STAFF = RoleKind.PUPIL, RoleKind.PARENT, RoleKind.STAFF


def named(person: str, *, agents: tuple[str, ...] = ()) -> StatedPerson:
    return StatedPerson(Name(person.capitalize(), "Анна"), agents=agents)


def a_register(
    *roles: StatedRole,
    places: tuple[StatedPlace, ...] = (),
    classes: dict[str, StatedClass] | None = None,
    agents: dict[str, tuple[str, ...]] | None = None,
) -> Register:
    """Whoever has a role or a place is known; a class that is not described is a homeroom of that name."""
    people = {row.person for row in roles} | {row.person for row in places}
    register = Register(
        people={person: named(person, agents=(agents or {}).get(person, ())) for person in people},
        roles={f"role {number}": role for number, role in enumerate(roles)},
        places={f"place {number}": place for number, place in enumerate(places)},
        classes={place.of: StatedClass(place.of, homeroom=True) for place in places},
    )
    register.classes |= classes or {}
    return register


def facts(register: Register, day: date = MONDAY) -> Roster:
    return facts_on(register, SCHOOL, day)


def a_group(name: str = "Алгебра 8", **more: str) -> dict[str, StatedClass]:
    return {name: StatedClass(name, homeroom=False, **more)}


@pytest.mark.rule("ROSTER-05")
def test_a_statement_counts_from_its_first_day_up_to_and_not_on_its_last() -> None:
    register = a_register(StatedRole("anna", PUPIL, days=Days(MONDAY, TUESDAY)))

    days = [day for day in (SUNDAY, MONDAY, TUESDAY) if facts(register, day).enrolments]

    assert days == [MONDAY]


@pytest.mark.rule("ROSTER-05")
def test_each_role_of_staff_gives_a_position() -> None:
    register = a_register(
        StatedRole("ivanova", STAFF, PositionKind.PEDAGOGICAL),
        StatedRole("ivanova", STAFF, PositionKind.ADMINISTRATION, administers=True),
        StatedRole("ivanova", STAFF, PositionKind.OTHER, days=Days(ends=MONDAY)),
        StatedRole("petrov", STAFF),
    )

    found = facts(register)

    assert found.positions == {
        participant("ivanova"): (PositionKind.ADMINISTRATION, PositionKind.PEDAGOGICAL),
        participant("petrov"): (PositionKind.OTHER,),
    }
    assert found.roles == {(participant("ivanova"), ORGANIZATION_ADMINISTRATOR)}


@pytest.mark.rule("ROSTER-05")
def test_somebody_whose_role_is_over_is_known_and_nothing_more() -> None:
    register = a_register(StatedRole("ivanova", STAFF, PositionKind.ADMINISTRATION, True, Days(ends=MONDAY)))

    found = facts(register)

    assert set(found.people) == {participant("ivanova")}
    assert (found.positions, found.roles) == ({}, set())


def test_a_person_without_any_role_or_place_is_no_fact() -> None:
    register = Register(people={"nobody": named("nobody")})

    found = facts(register)

    assert found.people == {}


def test_a_row_that_names_a_person_or_a_class_that_is_no_more_says_nothing() -> None:
    register = a_register(StatedRole("anna", PUPIL), places=(StatedPlace("8 К", "anna", teaches=False),))
    register.classes.clear()
    register.roles["of nobody"] = StatedRole("nobody", STAFF)

    found = facts(register)

    assert state_of(found) == state_of(facts(a_register(StatedRole("anna", PUPIL))))


@pytest.mark.rule("ROSTER-05")
def test_a_pupil_is_in_the_homeroom_where_they_have_a_place_or_in_no_class() -> None:
    register = a_register(
        StatedRole("anna", PUPIL),
        StatedRole("boris", PUPIL),
        places=(
            StatedPlace("8 К", "anna", teaches=False),
            StatedPlace("9 К", "boris", teaches=False, days=Days(TUESDAY)),
            StatedPlace("8 К", "clara", teaches=False),
        ),
    )

    found = facts(register)

    in_8 = class_of("8 К")
    assert found.enrolments == {participant("anna"): in_8, participant("clara"): in_8, participant("boris"): None}


def test_of_several_homerooms_the_primary_one_counts_then_the_one_begun_last_then_the_first_id() -> None:
    def place(of: str, *, primary: bool = False, begins: date | None = None) -> StatedPlace:
        return StatedPlace(of, "anna", teaches=False, primary=primary, days=Days(begins))

    chosen = [
        facts(a_register(places=places)).enrolments[participant("anna")]
        for places in (
            (place("8 К", begins=MONDAY), place("9 К", primary=True)),
            (place("8 К"), place("9 К", begins=SUNDAY), place("10 К", begins=MONDAY)),
            (place("9 К"), place("8 К")),
        )
    ]

    assert chosen == [class_of("9 К"), class_of("10 К"), class_of("8 К")]


@pytest.mark.rule("ROSTER-05")
@pytest.mark.parametrize(
    ("teachers", "leads"),
    [
        ((), None),
        ((("ivanova", False),), "ivanova"),
        ((("ivanova", False), ("petrov", True)), "petrov"),
        ((("ivanova", False), ("petrov", False)), None),
    ],
)
def test_the_primary_or_the_only_teacher_of_a_homeroom_is_its_class_teacher(
    teachers: tuple[tuple[str, bool], ...], leads: str | None
) -> None:
    places = tuple(StatedPlace("8 К", person, teaches=True, primary=primary) for person, primary in teachers)
    register = a_register(places=places, classes={"8 К": StatedClass("8 К", homeroom=True)})

    found = facts(register)

    assert found.classes[class_of("8 К")].teacher == (participant(leads) if leads else None)


@pytest.mark.rule("ROSTER-05")
def test_every_teacher_of_a_study_group_teaches_it_the_primary_one_first() -> None:
    places = (
        StatedPlace("Алгебра 8", "ivanova", teaches=True),
        StatedPlace("Алгебра 8", "petrov", teaches=True, primary=True),
        StatedPlace("Алгебра 8", "sidorov", teaches=True, days=Days(TUESDAY)),
        StatedPlace("Алгебра 8", "anna", teaches=False),
        StatedPlace("Алгебра 8", "boris", teaches=False, days=Days(ends=MONDAY)),
    )

    found = facts(a_register(places=places, classes=a_group()))

    group = found.groups[group_of("Алгебра 8")]
    assert group.teachers == (participant("petrov"), participant("ivanova"))
    assert group.pupils == participants("anna")
    assert (found.classes, found.enrolments) == ({}, {})


@pytest.mark.parametrize(
    ("described", "subject"),
    [
        ({"course": "course", "subject": "Математика"}, "Алгебра и начала анализа"),
        ({"course": "unknown", "subject": "Математика"}, "Математика"),
        ({}, "Алгебра 8"),
    ],
)
def test_the_subject_is_the_course_else_what_the_row_says_else_the_name(
    described: dict[str, str], subject: str
) -> None:
    register = a_register(classes=a_group(**described))
    register.courses["course"] = StatedCourse("Алгебра и начала анализа")

    found = facts(register)

    assert found.groups[group_of("Алгебра 8")].subject == subject


@pytest.mark.rule("ROSTER-05")
@pytest.mark.parametrize("agents", [{"anna": ("mother",)}, {"mother": ("anna",)}])
def test_a_tie_is_an_agent_reference_in_either_direction(agents: dict[str, tuple[str, ...]]) -> None:
    register = a_register(StatedRole("anna", PUPIL), StatedRole("mother", PARENT), agents=agents)

    found = facts(register)

    assert found.ties == {(participant("mother"), participant("anna"))}


@pytest.mark.rule("ROSTER-05")
def test_only_a_parent_and_a_pupil_are_tied_whatever_else_they_are() -> None:
    register = a_register(
        StatedRole("anna", PUPIL),
        StatedRole("boris", PUPIL),
        StatedRole("ivanova", STAFF),
        StatedRole("petrov", STAFF),
        StatedRole("petrov", PARENT),
        agents={"anna": ("boris", "ivanova", "petrov", "nobody", "anna")},
    )

    found = facts(register)

    assert found.ties == {(participant("petrov"), participant("anna"))}


@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_no_fact(random: Random) -> None:
    register = a_register(
        StatedRole("ivanova", STAFF, PositionKind.PEDAGOGICAL),
        StatedRole("ivanova", STAFF, PositionKind.OTHER),
        StatedRole("anna", PUPIL),
        StatedRole("mother", PARENT),
        places=(
            StatedPlace("8 К", "anna", teaches=False),
            StatedPlace("9 К", "anna", teaches=False),
            StatedPlace("8 К", "ivanova", teaches=True),
            StatedPlace("Алгебра 8", "ivanova", teaches=True),
            StatedPlace("Алгебра 8", "petrov", teaches=True),
        ),
        classes=a_group(),
        agents={"anna": ("mother",)},
    )
    shuffled = Register(
        people=shuffle(random, register.people),
        roles=shuffle(random, register.roles),
        classes=shuffle(random, register.classes),
        places=shuffle(random, register.places),
    )

    found = facts(shuffled)

    assert state_of(found) == state_of(facts(register))


def shuffle(random: Random, rows: dict[str, V]) -> dict[str, V]:
    return dict(random.sample(list(rows.items()), len(rows)))


@pytest.mark.rule("ROSTER-02")
def test_a_bulk_part_replaces_its_kind_a_delta_changes_its_rows_and_an_absent_one_changes_nothing() -> None:
    anna, boris, clara = (StatedRole(person, PUPIL) for person in ("anna", "boris", "clara"))
    rows = {"anna": anna, "boris": boris}
    parts: tuple[Part[StatedRole], ...] = (
        Part(Mode.BULK, {"clara": clara}),
        Part(Mode.DELTA, {"clara": clara, "boris": replace(boris, kind=PARENT)}, frozenset({"anna", "unknown"})),
        Part(),
    )
    registers = [Register(roles=dict(rows)) for _ in parts]

    for register, part in zip(registers, parts, strict=True):
        register.take(Bundle(roles=part))

    assert [register.roles for register in registers] == [
        {"clara": clara},
        {"boris": replace(boris, kind=PARENT), "clara": clara},
        rows,
    ]


def test_whom_and_what_only_events_told_of_is_adopted_when_a_bundle_names_it() -> None:
    roster = a_roster(
        people=["anna", "boris", "director"], classes=["8 К", "9 К", "10 К"], groups={"Алгебра 8": []}, closed=["10 К"]
    )
    named_here = [StatedPlace(of, "anna", teaches=False) for of in ("8 К", "10 К", "Алгебра 8")]
    places = Part(Mode.DELTA, {place.of: place for place in named_here})
    roles = Part(Mode.DELTA, {"director": StatedRole("director", STAFF), "unknown": StatedRole("unknown", STAFF)})
    register = Register(classes={"8 К": StatedClass("8 «К»", homeroom=True)})

    register.adopt(roster, Bundle(places=places, roles=roles))

    assert register.people == {"anna": named("anna"), "director": named("director")}
    assert register.classes == {
        "8 К": StatedClass("8 «К»", homeroom=True),
        "Алгебра 8": StatedClass("Алгебра 8", homeroom=False, subject="Алгебра"),
    }


@pytest.mark.rule("ROSTER-05")
def test_the_next_change_is_the_first_later_day_on_which_something_begins_or_ends() -> None:
    register = a_register(
        StatedRole("anna", PUPIL, days=Days(SUNDAY, date(2027, 6, 1))),
        places=(StatedPlace("8 К", "anna", teaches=False, days=Days(TUESDAY)),),
    )

    days = [next_change(register, after) for after in (SUNDAY, MONDAY, TUESDAY, date(2027, 6, 1))]

    assert days == [TUESDAY, TUESDAY, date(2027, 6, 1), None]


@pytest.mark.rule("ROSTER-05")
def test_midnight_is_that_of_the_organization() -> None:
    at = [midnight(MONDAY, zone) for zone in ("Asia/Kamchatka", "Europe/Moscow", "UTC")]

    assert [str(instant) for instant in at] == [
        "2026-09-06 12:00:00+00:00",
        "2026-09-06 21:00:00+00:00",
        "2026-09-07 00:00:00+00:00",
    ]


@pytest.mark.rule("ROSTER-05")
@pytest.mark.parametrize(
    ("zone", "day"),
    [
        # The clock is put forward over midnight here, and back over it there.
        ("Asia/Beirut", date(2026, 3, 29)),
        ("Africa/Cairo", date(2026, 4, 24)),
        ("America/Havana", date(2026, 11, 1)),
        ("America/Sao_Paulo", date(2018, 11, 4)),
        ("America/Sao_Paulo", date(2018, 2, 18)),
    ],
)
def test_a_day_begins_once_where_the_clock_is_moved_at_midnight(zone: str, day: date) -> None:
    begins = midnight(day, zone)

    assert (day_at(begins, zone), day_at(begins - timedelta(seconds=1), zone)) == (day, day - timedelta(days=1))


@given(
    st.integers(0, 16 * 366 * 86_400).map(
        lambda seconds: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    ),
    st.sampled_from(["Asia/Kamchatka", "Europe/Moscow", "Europe/Kaliningrad", "America/New_York"]),
)
def test_it_is_a_day_from_its_midnight_on(at: datetime, zone: str) -> None:
    day = day_at(at, zone)

    assert midnight(day, zone) <= at < midnight(day + timedelta(days=1), zone)
    assert at.astimezone(ZoneInfo(zone)).date() == day
