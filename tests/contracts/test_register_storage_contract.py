"""Registers, and the days on which they turn, in memory and in Postgres alike."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date, timedelta

import pytest

from application.ports import Begin, Chats, UnitOfWork
from application.roster_import import ApplyRosterImport, PlanRosterImport
from domain.audit import SCHEDULE, Because
from domain.chat import Chat
from domain.ids import OrganizationId
from domain.participant import Name, PositionKind
from domain.register import (
    Bundle,
    Days,
    Register,
    RoleKind,
    StatedClass,
    StatedCourse,
    StatedPerson,
    StatedPlace,
    StatedRole,
)
from tests.builders import MONDAY_0800, OTHER_SCHOOL, SCHOOL, an_organization, put, state_of
from tests.bundles import a_school, bulk, without

A_DAY = Days(date(2026, 9, 1), date(2027, 6, 1))


def a_register() -> Register:
    """Every field of every row, with a value and without one."""
    return Register(
        people={
            "anna": StatedPerson(Name("О'Брайен-Ёлкина", "Анна 😀", '\\u0000 "Петровна"'), True, ("mother", "father")),
            "mother": StatedPerson(Name("Мамина", "Мария")),
        },
        roles={
            "1": StatedRole("anna", RoleKind.PUPIL),
            "2": StatedRole("mother", RoleKind.STAFF, PositionKind.ADMINISTRATION, True, A_DAY),
        },
        courses={"algebra": StatedCourse("Алгебра")},
        classes={"8": StatedClass("8 К", True), "a": StatedClass("Алгебра", False, "algebra", "Математика")},
        places={"p": StatedPlace("8", "anna", False), "t": StatedPlace("8", "mother", True, True, A_DAY)},
    )


async def load(begin: Begin, id: OrganizationId = SCHOOL) -> Register:
    async with begin(SCHEDULE) as uow:
        return await uow.registers.get(id)


async def save(begin: Begin, register: Register, id: OrganizationId = SCHOOL) -> None:
    async with begin(SCHEDULE) as uow:
        await uow.registers.get(id)
        await uow.registers.save(id, register)


async def test_a_register_is_read_as_it_was_saved(begin: Begin) -> None:
    await put(begin, organization=an_organization())

    await save(begin, a_register())

    assert state_of(await load(begin)) == state_of(a_register())


async def test_nothing_is_known_of_a_school_without_a_register(begin: Begin) -> None:
    await put(begin, organization=an_organization())
    await put(begin, organization=an_organization(school_id="other school"))
    await save(begin, a_register())

    found = await load(begin, OTHER_SCHOOL)

    assert state_of(found) == state_of(Register())


async def test_rows_are_added_changed_and_taken_away(begin: Begin) -> None:
    await put(begin, organization=an_organization())
    await save(begin, a_register())
    changed = a_register()
    changed.people["mother"] = replace(changed.people["mother"], blocked=True)
    changed.courses["geometry"] = StatedCourse("Геометрия")
    del changed.places["p"]

    await save(begin, changed)

    assert state_of(await load(begin)) == state_of(changed)


async def test_more_rows_than_go_at_once_are_kept_and_taken_away(begin: Begin) -> None:
    await put(begin, organization=an_organization())
    many = Register(courses={f"{number}": StatedCourse("Алгебра") for number in range(4_500)})

    await save(begin, many)
    kept = len((await load(begin)).courses)
    await save(begin, Register(courses={"1": StatedCourse("Алгебра")}))

    assert (kept, list((await load(begin)).courses)) == (4_500, ["1"])


async def test_what_a_unit_of_work_that_failed_saved_is_not_kept(begin: Begin) -> None:
    await put(begin, organization=an_organization())

    try:
        async with begin(SCHEDULE) as uow:
            await uow.registers.save(SCHOOL, a_register())
            raise RuntimeError
    except RuntimeError:
        pass

    assert state_of(await load(begin)) == state_of(Register())


@pytest.mark.rule("ROSTER-02")
async def test_nothing_of_a_bundle_is_kept_if_saving_fails_in_the_middle(begin: Begin) -> None:
    await put(begin, organization=an_organization())
    await bring_in(begin, begin, bulk(a_school()))
    before = await all_of(begin)

    @asynccontextmanager
    async def failing(because: Because) -> AsyncIterator[UnitOfWork]:
        async with begin(because) as uow:
            uow.chats = Failing(uow.chats)  # type: ignore[assignment, misc]
            yield uow

    with pytest.raises(OSError, match="full"):
        await bring_in(begin, failing, bulk(without(a_school(), "anna", "anna in 8", "petrov")))

    assert await all_of(begin) == before


class Failing:
    """Chats that cannot be saved."""

    def __init__(self, chats: Chats) -> None:
        self.following = chats.following

    async def save_all(self, chats: Sequence[Chat]) -> None:
        raise OSError("the disk is full")


async def bring_in(begin: Begin, begin_to_apply: Begin, bundle: Bundle) -> None:
    plan = await PlanRosterImport(begin, 20)(SCHOOL, bundle)
    await ApplyRosterImport(begin_to_apply, 20)(SCHOOL, bundle, plan, allow_removals=False)


async def all_of(begin: Begin) -> list[dict[str, object]]:
    async with begin(SCHEDULE) as uow:
        organization = await uow.organizations.find(SCHOOL)
        chats = await uow.chats.following(SCHOOL, None)
        return [
            state_of(each)
            for each in (organization, await uow.registers.get(SCHOOL), await uow.rosters.get(SCHOOL), *chats)
        ]


async def test_the_organizations_whose_register_is_due_are_found_the_longest_due_first(begin: Begin) -> None:
    due = {"first": MONDAY_0800 - timedelta(days=1), "second": MONDAY_0800, "later": MONDAY_0800 + timedelta(days=1)}
    made = {name: an_organization(school_id=name) for name in ("never", "second", "later", "first")}
    for name, organization in made.items():
        organization.register_day, organization.register_due_at = date(2026, 9, 6), due.get(name)
        await put(begin, organization=organization)

    async with begin(SCHEDULE) as uow:
        found = await uow.organizations.register_due(MONDAY_0800)
        soonest = await uow.organizations.next_register_due()

    assert found == [made["first"].id, made["second"].id]
    assert soonest == due["first"]


async def test_without_any_register_none_is_ever_due(begin: Begin) -> None:
    await put(begin, organization=an_organization())

    async with begin(SCHEDULE) as uow:
        assert await uow.organizations.next_register_due() is None
