"""An organization comes to be with its teachers' chat, and chooses who administers its chats."""

import asyncio

import pytest

from domain.access import MetaRole, Viewer
from domain.audit import SCHEDULE
from domain.chat import ChatCreated, MembershipRole, TeachersChat
from domain.errors import ProblemCode
from domain.ids import PersonId
from domain.participant import PositionKind
from domain.roster import ORGANIZATION_ADMINISTRATOR
from domain.roster_events import ClassSaved, ClassTeacherSet, EmployeeHired, PersonBlocked, RoleGranted
from tests.application.school import (
    SCHOOL_SYSTEM,
    SUPERADMINISTRATOR,
    found_school,
    hire_director,
    known,
    only,
    problems_of,
    tell,
)
from tests.builders import OTHER_SCHOOL, SCHOOL, a_viewer, class_chat, parents_chat, participant, participants
from tests.fakes.world import World

ADMINISTRATOR = a_viewer("head", meta_role=MetaRole.ORGANIZATION_ADMINISTRATOR)


@pytest.mark.rule("CHAT-02")
async def test_an_organization_has_exactly_one_teachers_chat_made_by_itself(world: World) -> None:
    school = await found_school(world)
    await world.use_cases.found_organization(school_id="school", name="Гимназия", time_zone="Asia/Omsk")

    [chat] = await world.chats(school)

    assert (chat.kind, chat.name, chat.organization_id) == (TeachersChat(), "Учительская", SCHOOL)
    assert world.storage.outbox == [ChatCreated(chat.id)]


async def test_an_organization_that_is_founded_again_takes_its_new_name_and_zone_and_keeps_its_choice(
    world: World,
) -> None:
    await hire_director(world)

    await world.use_cases.found_organization(school_id="school", name="Гимназия", time_zone="Asia/Omsk")

    async with world.storage.begin(SCHEDULE) as uow:
        organization = await uow.organizations.find(SCHOOL)
    assert organization is not None
    assert (organization.name, organization.time_zone) == ("Гимназия", "Asia/Omsk")
    assert organization.chat_administrator == participant("director")


@pytest.mark.rule("RIGHT-02")
@pytest.mark.parametrize("viewer", [SUPERADMINISTRATOR, ADMINISTRATOR], ids=["superadministrator", "administrator"])
async def test_the_chat_administrator_is_chosen_among_the_administrators_and_saved(
    world: World, viewer: Viewer
) -> None:
    school = await found_school(world)
    await tell(world, *known("director"), EmployeeHired(PersonId("director"), (PositionKind.ADMINISTRATION,)))

    await world.use_cases.set_chat_administrator(viewer, school, participant("director"))

    async with world.storage.begin(SCHEDULE) as uow:
        organization = await uow.organizations.find(school)
    assert organization is not None
    assert organization.chat_administrator == participant("director")


@pytest.mark.rule("RIGHT-02")
async def test_whoever_is_not_in_the_administrators_registry_is_not_chosen(world: World) -> None:
    await hire_director(world)
    teaches = (PositionKind.PEDAGOGICAL,)
    await tell(world, *known("teacher", "parent"), EmployeeHired(PersonId("teacher"), teaches))
    choose = world.use_cases.set_chat_administrator

    teacher = await problems_of(choose(SUPERADMINISTRATOR, SCHOOL, participant("teacher")))
    parent = await problems_of(choose(SUPERADMINISTRATOR, SCHOOL, participant("parent")))

    assert teacher == parent == only(ProblemCode.NOT_IN_ADMINISTRATORS_REGISTRY, "employeeId")
    assert (await world.chat(TeachersChat())).administrators == participants("director")


@pytest.mark.rule("RIGHT-02")
async def test_a_blocked_administrator_is_not_in_the_registry_and_one_by_role_is(world: World) -> None:
    school = await found_school(world)
    works = EmployeeHired(PersonId("clerk"), (PositionKind.OTHER,))
    role = RoleGranted(PersonId("clerk"), ORGANIZATION_ADMINISTRATOR)
    administers = EmployeeHired(PersonId("blocked"), (PositionKind.ADMINISTRATION,))
    await tell(world, *known("clerk", "blocked"), works, role, administers, PersonBlocked(PersonId("blocked")))
    choose = world.use_cases.set_chat_administrator

    await choose(SUPERADMINISTRATOR, school, participant("clerk"))
    blocked = await problems_of(choose(SUPERADMINISTRATOR, school, participant("blocked")))

    assert blocked == only(ProblemCode.NOT_IN_ADMINISTRATORS_REGISTRY, "employeeId")
    assert (await world.chat(TeachersChat())).administrators == participants("clerk")


@pytest.mark.rule("RIGHT-02")
@pytest.mark.parametrize(
    "viewer",
    [
        a_viewer("director", meta_role=MetaRole.CHAT_ADMINISTRATOR),
        a_viewer("teacher"),
        a_viewer("head", meta_role=MetaRole.ORGANIZATION_ADMINISTRATOR, blocked=True),
        SCHOOL_SYSTEM,
    ],
    ids=["the chat administrator", "a teacher", "a blocked administrator", "the school system"],
)
async def test_nobody_else_chooses_the_chat_administrator(world: World, viewer: Viewer) -> None:
    school = await found_school(world)
    await tell(world, *known("director"), EmployeeHired(PersonId("director"), (PositionKind.ADMINISTRATION,)))

    problems = await problems_of(world.use_cases.set_chat_administrator(viewer, school, participant("director")))

    assert problems == only(ProblemCode.FORBIDDEN)
    assert (await world.chat(TeachersChat())).administrators == frozenset()


async def test_an_organization_that_is_another_s_or_unknown_is_not_found(world: World) -> None:
    await hire_director(world)
    of_another = a_viewer("head", organization=OTHER_SCHOOL, meta_role=MetaRole.ORGANIZATION_ADMINISTRATOR)
    choose = world.use_cases.set_chat_administrator

    foreign = await problems_of(choose(of_another, SCHOOL, participant("director")))
    unknown = await problems_of(choose(SUPERADMINISTRATOR, OTHER_SCHOOL, participant("director")))

    assert foreign == unknown == only(ProblemCode.NOT_FOUND, "organizationId")


async def test_a_new_chat_administrator_comes_into_every_chat_and_the_old_one_leaves_where_nothing_else_holds_them(
    world: World,
) -> None:
    await hire_director(world)
    head = PersonId("head")
    await tell(
        world,
        *known("head"),
        EmployeeHired(head, (PositionKind.ADMINISTRATION,)),
        ClassSaved("8k", "8 К"),
        ClassSaved("9a", "9 А"),
        ClassTeacherSet("8k", PersonId("director")),
    )

    await world.use_cases.set_chat_administrator(SUPERADMINISTRATOR, SCHOOL, participant("head"))

    assert {chat.name: chat.memberships.keys() for chat in await world.chats()} == {
        "Учительская": participants("head", "director"),
        "8 К": participants("head", "director"),
        "8 К Родители": participants("head", "director"),
        "9 А": participants("head"),
        "9 А Родители": participants("head"),
    }
    teachers = await world.chat(TeachersChat())
    assert teachers.memberships[participant("director")].role is MembershipRole.MEMBER


@pytest.mark.rule("CHAT-11")
async def test_the_chat_administrator_is_added_to_every_new_chat(world: World) -> None:
    await hire_director(world)

    await tell(world, ClassSaved("8 К", "8 К"))

    for kind in (class_chat("8 К"), parents_chat("8 К")):
        assert (await world.chat(kind)).administrators == participants("director")


async def test_of_two_choices_at_once_the_later_one_holds_in_every_chat(world: World) -> None:
    await hire_director(world)
    await tell(world, *known("head"), EmployeeHired(PersonId("head"), (PositionKind.ADMINISTRATION,)))
    choose = world.use_cases.set_chat_administrator

    await asyncio.gather(
        choose(SUPERADMINISTRATOR, SCHOOL, participant("head")),
        choose(SUPERADMINISTRATOR, SCHOOL, participant("director")),
    )

    async with world.storage.begin(SCHEDULE) as uow:
        organization = await uow.organizations.find(SCHOOL)
    assert organization is not None
    assert (await world.chat(TeachersChat())).administrators == {organization.chat_administrator}


@pytest.mark.parametrize("choice_first", [True, False])
async def test_a_choice_holds_in_a_chat_that_is_made_at_the_same_time(world: World, choice_first: bool) -> None:
    await hire_director(world)
    await tell(world, *known("head"), EmployeeHired(PersonId("head"), (PositionKind.ADMINISTRATION,)))
    choose = world.use_cases.set_chat_administrator(SUPERADMINISTRATOR, SCHOOL, participant("head"))
    make = tell(world, ClassSaved("8 К", "8 К"))

    await asyncio.gather(*([choose, make] if choice_first else [make, choose]))

    for chat in await world.chats():
        assert chat.administrators == participants("head")
