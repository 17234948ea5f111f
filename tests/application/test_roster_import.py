"""Bundles come in, are planned and applied, and days turn."""

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from application.roster_import import Plan, PlanChanged, TooManyRemovals
from domain.audit import AuditCause, Because
from domain.errors import ProblemCode, Refused
from domain.ids import OrganizationId, PersonId
from domain.organization import Organization
from domain.participant import Name, PositionKind
from domain.register import Bundle, Days, Register, RoleKind, StatedPerson, StatedPlace, StatedRole
from domain.roster import Roster
from domain.roster_changes import Kind, Removal, changes
from domain.roster_events import ClassSaved, EmployeeDismissed, EmployeeHired, PupilTransferred
from tests.application.school import SUPERADMINISTRATOR, found_school, known, tell
from tests.builders import (
    OTHER_SCHOOL,
    SCHOOL,
    class_chat,
    class_of,
    parents_chat,
    participant,
    participants,
    state_of,
)
from tests.bundles import a_school, bulk, delta, without
from tests.fakes.world import World

TUESDAY = date(2026, 9, 8)
WEDNESDAY = date(2026, 9, 9)
TEACHER = (PositionKind.PEDAGOGICAL,)


async def bring_in(world: World, bundle: Bundle, *, allow_removals: bool = False) -> Plan:
    """Plans and applies it."""
    plan = await world.use_cases.plan_roster_import(SCHOOL, bundle)
    return await world.use_cases.apply_roster_import(SCHOOL, bundle, plan, allow_removals=allow_removals)


async def roster_of(world: World) -> Roster:
    async with world.storage.begin(Because(AuditCause.ROSTER)) as uow:
        return await uow.rosters.get(SCHOOL)


async def organization_of(world: World, id: OrganizationId = SCHOOL) -> Organization:
    async with world.storage.begin(Because(AuditCause.ROSTER)) as uow:
        found = await uow.organizations.find(id)
    assert found is not None
    return found


def with_pupils(count: int) -> Register:
    """The school with so many pupils more, all in 9 К."""
    register = a_school()
    for number in range(count):
        person = f"pupil {number}"
        register.people[person] = StatedPerson(Name(f"Ученик {number}", "Анна"))
        register.roles[person] = StatedRole(person, RoleKind.PUPIL)
        register.places[person] = StatedPlace("9 К", person, teaches=False)
    return register


@pytest.mark.rule("ROSTER-02")
async def test_a_bundle_brings_people_into_the_chats_of_their_classes(world: World) -> None:
    await found_school(world)

    await bring_in(world, bulk(a_school()))

    in_class, of_parents = await world.chat(class_chat("8 К")), await world.chat(parents_chat("8 К"))
    assert set(in_class.memberships) == participants("ivanova", "anna")
    assert set(of_parents.memberships) == participants("ivanova", "mother")


@pytest.mark.rule("ROSTER-02")
async def test_a_plan_changes_nothing_and_is_what_is_applied(world: World) -> None:
    await found_school(world)

    plan = await world.use_cases.plan_roster_import(SCHOOL, bulk(a_school()))
    before = await roster_of(world)
    applied = await world.use_cases.apply_roster_import(SCHOOL, bulk(a_school()), plan, allow_removals=False)

    assert state_of(before) == state_of(Roster(SCHOOL))
    assert plan.changes == applied.changes == changes(before, await roster_of(world))


@pytest.mark.rule("ROSTER-02")
async def test_the_same_bundle_changes_nothing_again_and_tells_nobody(world: World) -> None:
    await found_school(world)
    await bring_in(world, bulk(a_school()))
    told, written = list(world.storage.outbox), list(world.storage.audit)

    again = await bring_in(world, bulk(a_school()))

    assert again.changes.nothing
    assert (world.storage.outbox, world.storage.audit) == (told, written)


@pytest.mark.rule("ROSTER-02")
async def test_a_delta_leaves_what_single_events_told_meanwhile(world: World) -> None:
    await found_school(world)
    await bring_in(world, bulk(a_school()))
    await tell(world, PupilTransferred(PersonId("anna"), "9 К"), EmployeeDismissed(PersonId("petrov")))

    await bring_in(
        world,
        delta(
            people={"boris": StatedPerson(Name("Борисов", "Борис"))},
            roles={"boris": StatedRole("boris", RoleKind.PUPIL)},
            places={"boris": StatedPlace("8 К", "boris", teaches=False)},
        ),
    )

    roster = await roster_of(world)
    assert roster.enrolments == {participant("anna"): class_of("9 К"), participant("boris"): class_of("8 К")}
    assert set(roster.positions) == participants("ivanova")


@pytest.mark.rule("ROSTER-02")
async def test_whoever_is_missing_in_bulk_is_out_of_the_chats(world: World) -> None:
    await found_school(world)
    await bring_in(world, bulk(a_school()))

    await bring_in(world, bulk(without(a_school(), "anna", "anna in 8", "anna in algebra")))

    in_class, of_parents = await world.chat(class_chat("8 К")), await world.chat(parents_chat("8 К"))
    assert set(in_class.memberships) | set(of_parents.memberships) == participants("ivanova")


@pytest.mark.rule("CHAT-24")
async def test_a_class_that_is_missing_in_bulk_archives_its_chats_and_takes_them_up_again_when_it_is_back(
    world: World,
) -> None:
    await found_school(world)
    await bring_in(world, bulk(a_school()))

    await bring_in(world, bulk(without(a_school(), "8 К")))
    archived = await world.chat(class_chat("8 К"))
    await bring_in(world, bulk(a_school()))
    back = await world.chat(class_chat("8 К"))

    assert (archived.archived, back.archived, archived.id) == (True, False, back.id)
    assert set(back.memberships) == participants("ivanova", "anna")


@pytest.mark.rule("CHAT-24")
async def test_a_class_promoted_under_its_id_keeps_its_chats_renamed(world: World) -> None:
    await found_school(world)
    await bring_in(world, bulk(a_school()))
    before = await world.chat(parents_chat("8 К"))
    promoted = a_school()
    promoted.classes["8 К"] = replace(promoted.classes["8 К"], name="9 «К»")

    await bring_in(world, bulk(promoted))

    after = await world.chat(parents_chat("8 К"))
    assert (after.id, after.name) == (before.id, "9 «К» Родители")


@pytest.mark.rule("CHAT-32")
async def test_a_source_that_hiccuped_heals_without_loss(world: World) -> None:
    await found_school(world)
    await bring_in(world, bulk(a_school()))
    before = {chat.id: set(chat.memberships) for chat in await world.chats()}

    await bring_in(world, bulk(Register()))
    empty = {chat.id: set(chat.memberships) for chat in await world.chats()}
    await bring_in(world, bulk(a_school()))

    assert {chat.id: set(chat.memberships) for chat in await world.chats()} == before
    assert set().union(*empty.values()) == set()


@pytest.mark.rule("ROSTER-02")
async def test_a_bundle_that_would_end_too_many_is_refused_unless_that_is_allowed(world: World) -> None:
    await found_school(world)
    await bring_in(world, bulk(with_pupils(19)))

    plan = await world.use_cases.plan_roster_import(SCHOOL, bulk(with_pupils(8)))
    with pytest.raises(TooManyRemovals) as refused:
        await world.use_cases.apply_roster_import(SCHOOL, bulk(with_pupils(8)), plan, allow_removals=False)
    kept = len((await roster_of(world)).enrolments)
    await world.use_cases.apply_roster_import(SCHOOL, bulk(with_pupils(8)), plan, allow_removals=True)

    assert plan.removals == refused.value.removals == (Removal(Kind.PUPILS, 11, 20),)
    assert (kept, len((await roster_of(world)).enrolments)) == (20, 9)


@pytest.mark.rule("ROSTER-02")
async def test_what_was_not_shown_is_not_applied(world: World) -> None:
    await found_school(world)
    plan = await world.use_cases.plan_roster_import(SCHOOL, bulk(a_school()))
    await tell(world, *known("ivanova"), EmployeeHired(PersonId("ivanova"), TEACHER))

    with pytest.raises(PlanChanged):
        await world.use_cases.apply_roster_import(SCHOOL, bulk(a_school()), plan, allow_removals=False)

    assert set((await roster_of(world)).people) == participants("ivanova")


async def test_an_unknown_organization_is_refused_unless_it_is_told_what_it_is_to_be(world: World) -> None:
    new = Organization(school_id="school", name="Школа", time_zone="Europe/Moscow")

    with pytest.raises(Refused) as refused:
        await world.use_cases.plan_roster_import(SCHOOL, bulk(a_school()))
    plan = await world.use_cases.plan_roster_import(SCHOOL, bulk(a_school()), new=new)
    with pytest.raises(Refused):
        await world.use_cases.apply_roster_import(SCHOOL, bulk(a_school()), plan, allow_removals=False)

    assert [problem.code for problem in refused.value.problems] == [ProblemCode.NOT_FOUND]
    assert len(plan.changes.people_new) == 4
    assert await world.chats() == []


async def test_two_imports_at_once_apply_one_and_show_the_other_again(world: World) -> None:
    await found_school(world)
    bundle = bulk(a_school())
    plan = await world.use_cases.plan_roster_import(SCHOOL, bundle)

    outcomes = await asyncio.gather(
        *(world.use_cases.apply_roster_import(SCHOOL, bundle, plan, allow_removals=False) for _ in range(2)),
        return_exceptions=True,
    )

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Plan", "PlanChanged"]


@pytest.mark.rule("RIGHT-03")
async def test_a_chat_administrator_who_is_missing_in_bulk_is_none_any_more(world: World) -> None:
    await found_school(world)
    await bring_in(world, bulk(a_school()))
    await world.use_cases.set_chat_administrator(SUPERADMINISTRATOR, SCHOOL, participant("ivanova"))

    await bring_in(world, bulk(without(a_school(), "ivanova", "ivanova in 8")))

    assert (await organization_of(world)).chat_administrator is None


@pytest.mark.rule("ROSTER-02")
async def test_a_delta_may_place_people_of_whom_only_single_events_told(world: World) -> None:
    await found_school(world)
    await tell(world, *known("anna"), ClassSaved("8 К", "8 К"))

    await bring_in(world, delta(places={"anna": StatedPlace("8 К", "anna", teaches=False)}))

    assert (await roster_of(world)).enrolments == {participant("anna"): class_of("8 К")}


async def test_what_is_known_may_be_referred_to(world: World) -> None:
    await found_school(world)
    await tell(world, *known("guest"))
    await bring_in(world, delta(classes=a_school().classes, courses=a_school().courses, people=a_school().people))

    here = await world.use_cases.look_up_known(SCHOOL)

    assert here is not None
    assert here.school_id == "school"
    assert set(here.people) == {"guest", "ivanova", "petrov", "anna", "mother"}
    assert (set(here.classes), set(here.courses)) == ({"8 К", "9 К", "Алгебра 8"}, {"algebra"})
    assert await world.use_cases.look_up_known(OTHER_SCHOOL) is None


def turning() -> Register:
    """Anna goes from 8 К to 9 К on Tuesday, and Petrov is employed until Wednesday."""
    register = a_school()
    register.places["anna in 8"] = replace(register.places["anna in 8"], days=Days(ends=TUESDAY))
    register.places["anna in 9"] = StatedPlace("9 К", "anna", teaches=False, days=Days(TUESDAY))
    register.roles["petrov"] = replace(register.roles["petrov"], days=Days(ends=WEDNESDAY))
    return register


@pytest.mark.rule("ROSTER-05")
@pytest.mark.parametrize(
    ("zone", "midnight"),
    [
        ("Asia/Kamchatka", datetime(2026, 9, 7, 12, tzinfo=UTC)),
        ("Europe/Moscow", datetime(2026, 9, 7, 21, tzinfo=UTC)),
    ],
)
async def test_what_is_stated_comes_in_and_goes_out_at_the_organizations_midnight(
    world: World, zone: str, midnight: datetime
) -> None:
    await world.use_cases.found_organization(school_id="school", name="Школа", time_zone=zone)
    await bring_in(world, bulk(turning()))

    world.now = midnight - timedelta(microseconds=1)
    early = await world.use_cases.turn_days()
    before = (await roster_of(world)).enrolments
    world.now = midnight
    turned = await world.use_cases.turn_days()

    assert (early.organizations, early.next_due, before) == (0, midnight, {participant("anna"): class_of("8 К")})
    assert (turned.organizations, turned.next_due) == (1, midnight + timedelta(days=1))
    assert (await roster_of(world)).enrolments == {participant("anna"): class_of("9 К")}
    assert participant("anna") in (await world.chat(class_chat("9 К"))).memberships
    assert {line.because.cause for line in world.storage.audit if line.at == midnight} == {AuditCause.SCHEDULE}


@pytest.mark.rule("ROSTER-05")
async def test_several_days_are_taken_as_one_and_then_nothing_is_due(world: World) -> None:
    await found_school(world)
    await bring_in(world, bulk(turning()))
    world.now += timedelta(days=30)

    turned = await world.use_cases.turn_days()
    again = await world.use_cases.turn_days()

    assert (turned.organizations, turned.next_due) == (1, None)
    assert (again.organizations, again.next_due) == (0, None)
    assert set((await roster_of(world)).positions) == participants("ivanova")
    assert (await organization_of(world)).register_day == date(2026, 10, 7)


@pytest.mark.rule("ROSTER-05")
async def test_two_workers_turn_a_day_once(world: World) -> None:
    await found_school(world)
    await bring_in(world, bulk(turning()))
    world.now += timedelta(days=1)

    turned = await asyncio.gather(*(world.use_cases.turn_days() for _ in range(3)))

    assert sorted(each.organizations for each in turned) == [0, 0, 1]


async def test_the_trouble_of_one_organization_does_not_keep_the_others_from_their_day(world: World) -> None:
    for school_id, id in (("other school", OTHER_SCHOOL), ("school", SCHOOL)):
        await world.use_cases.found_organization(school_id=school_id, name="Школа", time_zone="Europe/Moscow")
        plan = await world.use_cases.plan_roster_import(id, bulk(turning()))
        await world.use_cases.apply_roster_import(id, bulk(turning()), plan, allow_removals=False)
    await world.use_cases.found_organization(school_id="other school", name="Школа", time_zone="Europe/Kitezh")
    world.now += timedelta(days=1)

    with pytest.raises(ExceptionGroup) as troubles:
        await world.use_cases.turn_days()

    assert [type(trouble).__name__ for trouble in troubles.value.exceptions] == ["ZoneInfoNotFoundError"]
    assert (await roster_of(world)).enrolments == {participant("anna"): class_of("9 К")}


@pytest.mark.rule("ROSTER-05")
async def test_a_day_leaves_what_single_events_told(world: World) -> None:
    await found_school(world)
    await bring_in(world, bulk(turning()))
    await tell(
        world, EmployeeDismissed(PersonId("ivanova")), *known("guest"), EmployeeHired(PersonId("guest"), TEACHER)
    )
    world.now += timedelta(days=1)

    await world.use_cases.turn_days()

    assert set((await roster_of(world)).positions) == participants("petrov", "guest")


@pytest.mark.rule("ROSTER-05")
async def test_a_bundle_that_comes_before_the_day_was_turned_takes_the_day_with_it(world: World) -> None:
    await found_school(world)
    await bring_in(world, bulk(turning()))
    world.now += timedelta(days=1)

    await bring_in(world, delta(people={"boris": StatedPerson(Name("Борисов", "Борис"))}))
    turned = await world.use_cases.turn_days()

    assert turned.organizations == 0
    assert (await roster_of(world)).enrolments == {participant("anna"): class_of("9 К")}


@pytest.mark.rule("ROSTER-05")
async def test_a_day_on_which_a_statement_turns_that_changes_no_fact_tells_nobody(world: World) -> None:
    await found_school(world)
    register = a_school()
    register.roles["again"] = StatedRole("petrov", RoleKind.STAFF, PositionKind.PEDAGOGICAL, days=Days(TUESDAY))
    await bring_in(world, bulk(register))
    told, written = list(world.storage.outbox), list(world.storage.audit)
    world.now += timedelta(days=1)

    turned = await world.use_cases.turn_days()

    assert (turned.organizations, turned.next_due) == (1, None)
    assert (world.storage.outbox, world.storage.audit) == (told, written)
