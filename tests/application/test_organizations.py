"""An organization comes to be with its teachers' chat, and chooses who administers its chats."""

import asyncio

import pytest

from domain.access import MetaRole, Viewer
from domain.audit import SCHEDULE, AuditCause, Difference
from domain.chat import ChatCreated, MembershipRole, OtherChat, TeachersChat
from domain.chat_form import ChatEdit
from domain.errors import ProblemCode
from domain.ids import ParticipantId, PersonId
from domain.organization import Organization
from domain.participant import Capacity, PositionKind
from domain.roster import ORGANIZATION_ADMINISTRATOR
from domain.roster_events import (
    ClassSaved,
    ClassTeacherSet,
    EmployeeDismissed,
    EmployeeHired,
    EmployeePositionsChanged,
    PersonBlocked,
    PersonUnblocked,
    PupilEnrolled,
    RoleGranted,
    RoleWithdrawn,
    RosterEvent,
)
from domain.videoconference import Active
from tests.application.school import (
    SCHOOL_SYSTEM,
    SUPERADMINISTRATOR,
    found_school,
    hire_director,
    known,
    only,
    problems_of,
    taking_part,
    tell,
)
from tests.builders import (
    LINK,
    MONDAY_0830,
    OTHER_SCHOOL,
    SCHOOL,
    a_call,
    a_chat,
    a_videoconference,
    a_viewer,
    class_chat,
    parents_chat,
    participant,
    participants,
    put,
)
from tests.domain.phases import FINISHED
from tests.fakes.world import World

DIRECTOR, HEAD = PersonId("director"), PersonId("head")
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
    ],
    ids=["the chat administrator", "a teacher", "a blocked administrator"],
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
    to_the_school_system = await problems_of(choose(SCHOOL_SYSTEM, SCHOOL, participant("director")))

    assert foreign == unknown == to_the_school_system == only(ProblemCode.NOT_FOUND, "organizationId")


@pytest.mark.rule("RIGHT-03")
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


async def school_of_two_administrators(world: World) -> None:
    """The director administers the chats of two classes, and is the class teacher of one; the head might as well."""
    await hire_director(world)
    await tell(
        world,
        *known("head", "petrov"),
        EmployeeHired(HEAD, (PositionKind.OTHER,)),
        RoleGranted(HEAD, ORGANIZATION_ADMINISTRATOR),
        ClassSaved("8 К", "8 К"),
        ClassSaved("9 А", "9 А"),
        ClassTeacherSet("8 К", DIRECTOR),
        PupilEnrolled(PersonId("petrov"), "9 А"),
    )
    await put(world.storage.begin, chats=[a_chat(OtherChat(), name="Кружок")])
    await world.use_cases.set_chat_administrator(SUPERADMINISTRATOR, SCHOOL, participant("director"))


async def organization(world: World) -> Organization:
    """The school as it is kept."""
    async with world.storage.begin(SCHEDULE) as uow:
        found = await uow.organizations.find(SCHOOL)
    assert found is not None
    return found


async def by_name(world: World) -> dict[str, frozenset[ParticipantId]]:
    """The members of each chat."""
    return {chat.name: frozenset(chat.memberships) for chat in await world.chats()}


@pytest.mark.rule("RIGHT-03")
@pytest.mark.parametrize(
    ("event", "teaches_still"),
    [
        (EmployeeDismissed(DIRECTOR), False),
        (PersonBlocked(DIRECTOR), True),
        (EmployeePositionsChanged(DIRECTOR, (PositionKind.OTHER,)), True),
    ],
    ids=["dismissed", "blocked", "taken out of the registry"],
)
async def test_a_chat_administrator_who_is_in_the_registry_no_more_is_it_no_more_in_all_chats_which_go_on(
    world: World, event: RosterEvent, teaches_still: bool
) -> None:
    await school_of_two_administrators(world)
    world.now = MONDAY_0830

    await tell(world, event)

    school = await organization(world)
    assert (school.chat_administrator, school.without_chat_administrator_since) == (None, MONDAY_0830)
    teacher = participants("director") if teaches_still else frozenset()
    chats = {chat.name: chat for chat in await world.chats()}
    # Somebody blocked keeps the position by which they are in the teachers' chat.
    in_position = teacher if isinstance(event, PersonBlocked) else frozenset()
    assert {name: frozenset(chat.memberships) for name, chat in chats.items()} == {
        "Учительская": in_position,
        "8 К": teacher,
        "8 К Родители": teacher,
        "9 А": participants("petrov"),
        "9 А Родители": frozenset(),
        "Кружок": frozenset(),
    }
    assert not any(chat.archived for chat in chats.values())


@pytest.mark.rule("RIGHT-03")
async def test_a_chat_administrator_by_role_is_it_no_more_when_the_role_is_withdrawn(world: World) -> None:
    await school_of_two_administrators(world)
    await world.use_cases.set_chat_administrator(SUPERADMINISTRATOR, SCHOOL, participant("head"))

    await tell(world, RoleWithdrawn(HEAD, ORGANIZATION_ADMINISTRATOR))

    assert (await organization(world)).chat_administrator is None
    assert all(participant("head") not in members for members in (await by_name(world)).values())


@pytest.mark.rule("RIGHT-03")
async def test_whoever_is_back_in_the_registry_is_not_chosen_again_by_that(world: World) -> None:
    await school_of_two_administrators(world)

    await tell(world, PersonBlocked(DIRECTOR))
    await tell(world, PersonUnblocked(DIRECTOR), ClassSaved("1 Б", "1 Б"))

    assert (await organization(world)).chat_administrator is None
    assert (await world.chat(class_chat("1 Б"))).memberships == {}


@pytest.mark.rule("RIGHT-03")
async def test_after_a_time_without_one_the_chosen_one_comes_into_every_chat(world: World) -> None:
    await school_of_two_administrators(world)
    await tell(world, EmployeeDismissed(DIRECTOR), ClassSaved("1 Б", "1 Б"))

    await world.use_cases.set_chat_administrator(SUPERADMINISTRATOR, SCHOOL, participant("head"))

    assert (await organization(world)).without_chat_administrator_since is None
    assert all(chat.administrators == participants("head") for chat in await world.chats())


@pytest.mark.rule("RIGHT-03")
async def test_an_exclusion_by_hand_of_the_new_chat_administrator_ends_and_that_of_others_does_not(
    world: World,
) -> None:
    await school_of_two_administrators(world)
    await tell(world, EmployeePositionsChanged(HEAD, (PositionKind.PEDAGOGICAL,)))
    edit = world.use_cases.update_chat
    teachers, of_class = await world.chat(TeachersChat()), await world.chat(class_chat("9 А"))
    excluded = ChatEdit(remove=(participant("head"),)), ChatEdit(remove=(participant("petrov"),))
    for chat, change in zip((teachers, of_class), excluded, strict=True):
        await edit(SUPERADMINISTRATOR, chat.id, change, expected_version=0)
    without = await by_name(world)

    await world.use_cases.set_chat_administrator(SUPERADMINISTRATOR, SCHOOL, participant("head"))
    await world.use_cases.set_chat_administrator(SUPERADMINISTRATOR, SCHOOL, participant("director"))

    assert (without["Учительская"], without["9 А"]) == (participants("director"), participants("director"))
    # The head, who administers no more, is in the teachers' chat by position again.
    now = await by_name(world)
    assert (now["Учительская"], now["9 А"]) == (participants("director", "head"), participants("director"))


@pytest.mark.rule("RIGHT-03")
async def test_the_old_chat_administrator_stays_where_they_were_added_by_hand(world: World) -> None:
    await school_of_two_administrators(world)
    club = await world.chat(OtherChat())
    edit = ChatEdit(add=((participant("director"), Capacity.EMPLOYEE),))
    await world.use_cases.update_chat(SUPERADMINISTRATOR, club.id, edit, expected_version=0)

    await world.use_cases.set_chat_administrator(SUPERADMINISTRATOR, SCHOOL, participant("head"))

    chat = await world.chat(OtherChat())
    assert chat.memberships.keys() == participants("director", "head")
    assert chat.administrators == participants("head")


@pytest.mark.rule("RIGHT-03")
async def test_the_ground_moves_in_every_conference_that_has_not_ended(world: World) -> None:
    await school_of_two_administrators(world)
    chat = await world.chat(OtherChat())
    conference = a_videoconference(chat=chat, phase=Active(MONDAY_0830, a_call().id, LINK))
    await put(world.storage.begin, conferences=[conference])

    before = frozenset(await taking_part(world, conference.id))
    await world.use_cases.set_chat_administrator(SUPERADMINISTRATOR, SCHOOL, participant("head"))
    chosen = frozenset(await taking_part(world, conference.id))
    await tell(world, EmployeeDismissed(HEAD))
    without = frozenset(await taking_part(world, conference.id))

    assert (before, chosen, without) == (participants("director"), participants("head"), frozenset())


@pytest.mark.rule("RIGHT-03")
async def test_a_new_chat_administrator_comes_into_conferences_from_which_they_were_taken_out_by_hand(
    world: World,
) -> None:
    await school_of_two_administrators(world)
    chat = await world.chat(OtherChat())
    [scheduled, running, another_s] = [a_videoconference(chat=chat, removed=["head", "director"]) for _ in range(3)]
    running.phase = Active(MONDAY_0830, a_call().id, LINK)
    another_s.removals = participants("director")
    over = a_videoconference(chat=chat, phase=FINISHED, removed=["head"])
    await put(world.storage.begin, conferences=[scheduled, running, another_s, over])

    await world.use_cases.set_chat_administrator(SUPERADMINISTRATOR, SCHOOL, participant("head"))

    kept = [await world.conference(each.id) for each in (scheduled, running, another_s, over)]
    assert [each.removals for each in kept] == [participants("director")] * 3 + [participants("head")]
    assert [each.version for each in kept] == [2, 2, 1, 1]
    assert (await taking_part(world, running.id)).keys() == participants("head")


@pytest.mark.rule("AUDIT-01")
async def test_a_choice_and_its_end_leave_lines_of_the_setting_with_who_and_for_what_cause(world: World) -> None:
    await school_of_two_administrators(world)
    world.storage.audit.clear()

    await world.use_cases.set_chat_administrator(ADMINISTRATOR, SCHOOL, participant("head"))
    await tell(world, EmployeeDismissed(HEAD))

    lines = [line for line in world.storage.audit if line.line.subject.kind == "organization"]
    director, head = str(participant("director")), str(participant("head"))
    assert [(line.because.cause, line.because.actor, line.line.difference) for line in lines] == [
        (
            AuditCause.USER,
            participant("head"),
            Difference({"chatAdministrator": director}, {"chatAdministrator": head}),
        ),
        (AuditCause.ROSTER, None, Difference({"chatAdministrator": head}, {"chatAdministrator": None})),
    ]
    in_chats = [line for line in world.storage.audit if line.line.subject.kind == "chat"]
    assert all((line.line.difference.after or {}).keys() == {"members"} for line in in_chats)


@pytest.mark.rule("CHAT-32")
async def test_a_chat_administrator_who_is_dismissed_is_out_of_every_chat_whoever_put_them_there(
    world: World,
) -> None:
    await school_of_two_administrators(world)
    club = await world.chat(OtherChat())
    edit = ChatEdit(add=((participant("director"), Capacity.EMPLOYEE),))
    await world.use_cases.update_chat(SUPERADMINISTRATOR, club.id, edit, expected_version=0)

    await tell(world, EmployeeDismissed(DIRECTOR))

    assert all(participant("director") not in members for members in (await by_name(world)).values())
