"""What every storage promises: all or nothing, one change after another, and each thing read back as it was saved."""

import asyncio
from datetime import timedelta

import pytest

from application.ports import Answered, Begin
from domain.access import MetaRole, Permission
from domain.audit import SCHEDULE
from domain.chat import TeachersChat, create_default_chat
from domain.ids import PersonId, role_id
from domain.participant import Capacity, PositionKind
from domain.roster_events import (
    ClassSaved,
    GroupSaved,
    ParentTied,
    ParentUntied,
    PupilExpelled,
    RoleGranted,
    RoleWithdrawn,
    apply,
)
from tests.builders import (
    MONDAY_0800,
    MONDAY_1000,
    OTHER_SCHOOL,
    SCHOOL,
    a_call,
    a_chat,
    a_lesson,
    a_roster,
    a_videoconference,
    an_account_link,
    an_attempt,
    an_organization,
    participant,
    put,
    state_of,
)
from tests.contracts.conftest import Storage
from tests.domain.histories import facts_of

DAY = timedelta(hours=24)


async def test_an_organization_is_read_back_as_it_was_saved_last(begin: Begin) -> None:
    await put(begin, organization=an_organization())
    renamed = an_organization(chat_administrator="director")
    renamed.name, renamed.time_zone = "Гимназия", "Asia/Omsk"
    await put(begin, organization=renamed)

    async with begin(SCHEDULE) as uow:
        found = await uow.organizations.find(SCHOOL)
        assert found is not None
        assert state_of(found) == state_of(renamed)
        assert await uow.organizations.find(OTHER_SCHOOL) is None


async def test_nothing_of_a_unit_of_work_is_kept_when_its_block_raises(storage: Storage) -> None:
    roster, chat, conference = a_roster(groups={"8 К алгебра": ["petrov"]}), a_chat(), a_videoconference()
    default_chat = create_default_chat(SCHOOL, TeachersChat(), "Учительская")
    conference.chat_id = chat.id
    call, lesson, attempt, link = a_call(conference), a_lesson(), an_attempt(), an_account_link()

    async def fail_at_the_end() -> None:
        async with storage.begin(SCHEDULE) as uow:
            await uow.organizations.save(an_organization())
            await uow.rosters.save(roster)
            await uow.lessons.save_all([lesson])
            await uow.chats.save_all([chat, default_chat])
            await uow.videoconferences.save(conference)
            await uow.calls.save(call)
            await uow.account_links.save(link)
            await uow.account_links.save_attempt(attempt)
            await uow.answers.keep("scope", {"key": Answered("digest", "result")}, at=MONDAY_0800)
            raise RuntimeError("the caller's")

    with pytest.raises(RuntimeError, match="the caller's"):
        await fail_at_the_end()
    async with storage.begin(SCHEDULE) as uow:
        assert await uow.organizations.find(SCHOOL) is None
        assert not (await uow.rosters.get(SCHOOL)).people
        assert await uow.lessons.find(lesson.id) is None
        assert await uow.chats.find(chat.id) is None
        assert await uow.videoconferences.find(conference.id) is None
        assert await uow.calls.due(MONDAY_1000, limit=10) == []
        assert await uow.account_links.find(link.person_id) is None
        assert await uow.account_links.find_attempt(id=attempt.id) is None
        assert await uow.answers.find("scope", ["key"], since=MONDAY_0800) == {}

    assert await storage.told_of() == []


async def test_a_unit_of_work_sees_what_it_has_saved_itself(begin: Begin) -> None:
    async with begin(SCHEDULE) as uow:
        await uow.organizations.save(an_organization())
        found = await uow.organizations.find(SCHOOL)

    assert found is not None


async def test_what_is_not_saved_is_not_changed(begin: Begin) -> None:
    await put(begin, organization=an_organization())

    async with begin(SCHEDULE) as uow:
        found = await uow.organizations.find(SCHOOL)
        assert found is not None
        found.name = "Гимназия"
    async with begin(SCHEDULE) as uow:
        unchanged = await uow.organizations.find(SCHOOL)
        assert unchanged is not None
        assert unchanged.name == "Школа"


async def test_whoever_locks_an_organization_waits_for_who_has_locked_it(begin: Begin) -> None:
    await put(begin, organization=an_organization())

    async def add_a_letter() -> None:
        async with begin(SCHEDULE) as uow:
            organization = await uow.organizations.find(SCHOOL, lock=True)
            assert organization is not None
            await asyncio.sleep(0)
            organization.name += "!"
            await uow.organizations.save(organization)

    await asyncio.gather(*(add_a_letter() for _ in range(4)))
    async with begin(SCHEDULE) as uow:
        organization = await uow.organizations.find(SCHOOL)

    assert organization is not None
    assert organization.name == "Школа!!!!"


async def test_the_clock_of_a_unit_of_work_tells_an_instant_with_its_offset(begin: Begin) -> None:
    async with begin(SCHEDULE) as uow:
        now = await uow.now()

    assert now.utcoffset() == timedelta()


async def test_an_organization_of_which_nothing_is_told_has_an_empty_roster(begin: Begin) -> None:
    async with begin(SCHEDULE) as uow:
        roster = await uow.rosters.get(SCHOOL)

    assert roster.organization_id == SCHOOL
    assert not any(facts_of(roster))


async def test_all_facts_of_a_roster_are_read_back(begin: Begin) -> None:
    roster = a_roster(
        blocked=["petrov"],
        employees={
            "klimova": [PositionKind.PEDAGOGICAL, PositionKind.OTHER],
            "director": [PositionKind.ADMINISTRATION],
        },
        pupils={"petrov": "8 К"},
        parents={"petrova": ["petrov"]},
        classes=["9 А"],
        class_teachers={"8 К": "klimova"},
        groups={"8 К алгебра": ["petrov"]},
        group_teachers={"8 К алгебра": ["klimova", "director"]},
        closed=["9 А"],
        roles={"director": "ORGANIZATION_ADMINISTRATOR"},
    )
    await put(begin, organization=an_organization(), roster=roster)

    async with begin(SCHEDULE) as uow:
        found = await uow.rosters.get(SCHOOL)

    assert facts_of(found) == facts_of(roster)


async def test_a_changed_roster_loses_what_is_gone_and_keeps_the_rest(begin: Begin) -> None:
    roster = a_roster(
        pupils={"petrov": "8 К", "belov": "8 К"},
        parents={"petrova": ["petrov", "belov"]},
        groups={"8 К алгебра": ["petrov", "belov"]},
        group_teachers={"8 К алгебра": ["klimova", "director"]},
        roles={"director": "ORGANIZATION_ADMINISTRATOR"},
    )
    await put(begin, organization=an_organization(), roster=roster)
    belov, director = PersonId("belov"), PersonId("director")
    teachers = (PersonId("director"), PersonId("klimova"))

    async with begin(SCHEDULE) as uow:
        changed = await uow.rosters.get(SCHOOL)
        apply(changed, PupilExpelled(belov))
        apply(changed, ParentUntied(PersonId("petrova"), belov))
        apply(changed, RoleWithdrawn(director, "ORGANIZATION_ADMINISTRATOR"))
        apply(changed, ClassSaved("8 К", "9 К"))
        apply(changed, GroupSaved("8 К алгебра", "9 К алгебра", "Алгебра", frozenset({belov}), teachers))
        await uow.rosters.save(changed)
    async with begin(SCHEDULE) as uow:
        found = await uow.rosters.get(SCHOOL)

    assert facts_of(found) == facts_of(changed)
    assert found.enrolments.keys() == {participant("petrov")}
    assert found.ties == {(participant("petrova"), participant("petrov"))}


async def test_the_only_group_of_a_subject_may_go_over_to_another_subject(begin: Begin) -> None:
    await put(begin, organization=an_organization(), roster=a_roster(groups={"8 К алгебра": []}))

    async with begin(SCHEDULE) as uow:
        changed = await uow.rosters.get(SCHOOL)
        apply(changed, GroupSaved("8 К алгебра", "8 К геометрия", "Геометрия", frozenset(), ()))
        await uow.rosters.save(changed)
    async with begin(SCHEDULE) as uow:
        found = await uow.rosters.get(SCHOOL)

    assert [group.subject for group in found.groups.values()] == ["Геометрия"]


async def test_a_roster_that_is_saved_twice_in_one_unit_of_work_keeps_the_later_facts(begin: Begin) -> None:
    roster = a_roster(pupils={"petrov": "8 К"}, people=["petrova", "director"])
    await put(begin, organization=an_organization(), roster=roster)

    async with begin(SCHEDULE) as uow:
        changed = await uow.rosters.get(SCHOOL)
        apply(changed, ParentTied(PersonId("petrova"), PersonId("petrov")))
        apply(changed, RoleGranted(PersonId("director"), "TEACHER"))
        await uow.rosters.save(changed)
        apply(changed, ParentUntied(PersonId("petrova"), PersonId("petrov")))
        await uow.rosters.save(changed)
    async with begin(SCHEDULE) as uow:
        found = await uow.rosters.get(SCHOOL)

    assert (found.ties, found.roles) == (set(), {(participant("director"), "TEACHER")})


async def test_each_organization_has_a_roster_of_its_own(begin: Begin) -> None:
    here, there = a_roster(pupils={"petrov": "8 К"}), a_roster(organization=OTHER_SCHOOL, pupils={"petrov": "8 К"})
    await put(begin, organization=an_organization(), roster=here)
    await put(begin, organization=an_organization(school_id="other school"), roster=there)

    async with begin(SCHEDULE) as uow:
        emptied = await uow.rosters.get(OTHER_SCHOOL)
        apply(emptied, PupilExpelled(PersonId("petrov")))
        await uow.rosters.save(emptied)
    async with begin(SCHEDULE) as uow:
        found = await uow.rosters.get(SCHOOL)

    assert facts_of(found) == facts_of(here)


async def test_a_lesson_is_read_back_as_it_was_stated_last(begin: Begin) -> None:
    roster = a_roster(groups={"8 К алгебра": []}, people=["klimova"])
    first, moved = a_lesson(), a_lesson(starts_at=MONDAY_0800, substitute="klimova", cancelled=True)
    another = a_lesson("another lesson")
    await put(begin, organization=an_organization(), roster=roster, lessons=[first, another])
    await put(begin, lessons=[moved])

    async with begin(SCHEDULE) as uow:
        assert await uow.lessons.find(first.id) == moved
        assert await uow.lessons.find(another.id) == another
        assert await uow.lessons.find(a_lesson("a third").id) is None


async def test_answers_are_found_under_their_own_scope_and_keys(begin: Begin) -> None:
    answered = {"first": Answered("a", "1"), "second": Answered("b", "2")}

    async with begin(SCHEDULE) as uow:
        await uow.answers.keep("here", answered, at=MONDAY_0800)
        await uow.answers.keep("there", {"first": Answered("c", "3")}, at=MONDAY_0800)
        await uow.answers.keep("here", {}, at=MONDAY_0800)
    async with begin(SCHEDULE) as uow:
        assert await uow.answers.find("here", ["first", "second", "third"], since=MONDAY_0800) == answered
        assert await uow.answers.find("there", ["first", "second"], since=MONDAY_0800) == {"first": Answered("c", "3")}


async def test_an_answer_is_found_for_as_long_as_is_asked_and_no_longer(begin: Begin) -> None:
    kept = {"key": Answered("digest", "result")}

    async with begin(SCHEDULE) as uow:
        await uow.answers.keep("scope", kept, at=MONDAY_0800)
        a_day_later = MONDAY_0800 + DAY
        assert await uow.answers.find("scope", ["key"], since=a_day_later - DAY) == kept
        later_still = a_day_later + timedelta(microseconds=1)
        assert await uow.answers.find("scope", ["key"], since=later_still - DAY) == {}


async def test_an_answer_that_is_kept_anew_replaces_the_old_one(begin: Begin) -> None:
    anew = {"key": Answered("new digest", "new result")}

    async with begin(SCHEDULE) as uow:
        await uow.answers.keep("scope", {"key": Answered("digest", "result")}, at=MONDAY_0800)
        await uow.answers.keep("scope", anew, at=MONDAY_1000)
        assert await uow.answers.find("scope", ["key"], since=MONDAY_1000) == anew


async def test_of_requests_at_once_with_one_key_all_answer_as_the_first_did(begin: Begin) -> None:
    async def answer(result: str) -> str:
        async with begin(SCHEDULE) as uow:
            known = await uow.answers.find("scope", ["key"], since=MONDAY_0800)
            await asyncio.sleep(0)
            if "key" in known:
                return known["key"].result
            await uow.answers.keep("scope", {"key": Answered("digest", result)}, at=MONDAY_0800)
            return result

    answers = await asyncio.gather(*(answer(str(number)) for number in range(4)))

    assert len(set(answers)) == 1


async def test_the_three_meta_roles_are_there_from_the_beginning_with_every_permission(begin: Begin) -> None:
    async with begin(SCHEDULE) as uow:
        found = [await uow.roles.find(role_id(meta_role)) for meta_role in MetaRole]

    assert [role and (role.name, role.meta_role, role.permissions) for role in found] == [
        (str(meta_role), meta_role, frozenset(Permission)) for meta_role in MetaRole
    ]


@pytest.mark.rule("RIGHT-04")
async def test_a_role_is_known_once_and_keeps_its_permissions_whoever_names_it_again(begin: Begin) -> None:
    async with begin(SCHEDULE) as uow:
        assert await uow.roles.find(role_id("Завуч")) is None
        await uow.roles.make_known(["Завуч", "Методист", "ORGANIZATION_ADMINISTRATOR"])
        await uow.roles.make_known([])
    async with begin(SCHEDULE) as uow:
        role = await uow.roles.find(role_id("Завуч"))
        assert role is not None
        assert (role.name, role.meta_role, role.permissions) == ("Завуч", None, frozenset())
        role.permit(frozenset({Permission.CHAT_EDIT, Permission.REGISTRY_VIEW}))
        await uow.roles.save(role)
    async with begin(SCHEDULE) as uow:
        await uow.roles.make_known(["Завуч"])

    async with begin(SCHEDULE) as uow:
        roles = [await uow.roles.find(role_id(name)) for name in ("Завуч", "Методист", "ORGANIZATION_ADMINISTRATOR")]
    assert [role and role.permissions for role in roles] == [
        {Permission.CHAT_EDIT, Permission.REGISTRY_VIEW},
        frozenset(),
        frozenset(Permission),
    ]


async def test_whoever_finds_a_role_waits_for_who_has_found_it(begin: Begin) -> None:
    async with begin(SCHEDULE) as uow:
        await uow.roles.make_known(["Завуч"])

    async def add(permission: Permission) -> None:
        async with begin(SCHEDULE) as uow:
            role = await uow.roles.find(role_id("Завуч"))
            assert role is not None
            await asyncio.sleep(0)
            role.permit(role.permissions | {permission})
            await uow.roles.save(role)

    await asyncio.gather(*(add(permission) for permission in Permission))
    async with begin(SCHEDULE) as uow:
        role = await uow.roles.find(role_id("Завуч"))

    assert role is not None
    assert role.permissions == frozenset(Permission)


@pytest.mark.rule("CHAT-32")
async def test_of_additions_those_count_whose_people_have_that_capacity_now(begin: Begin) -> None:
    roster = a_roster(
        employees={"klimova": [PositionKind.PEDAGOGICAL]},
        pupils={"petrov": "8 К", "belov": "7 А"},
        parents={"petrova": ["petrov"], "belova": ["belov"], "klimova": ["petrov", "belov"], "orlova": ["gusev"]},
        closed=["7 А"],
    )
    apply(roster, ClassSaved("9 А", "9 А"))
    roster.enrolments[participant("orlova")] = None
    elsewhere = a_roster(organization=OTHER_SCHOOL, employees={"petrova": []})
    await put(begin, organization=an_organization(), roster=roster)
    await put(begin, organization=an_organization(school_id="other school"), roster=elsewhere)
    people = ("klimova", "petrov", "belov", "petrova", "belova", "orlova", "stranger")
    everything = frozenset((participant(person), capacity) for person in people for capacity in Capacity)
    there = participant("petrova", OTHER_SCHOOL), Capacity.EMPLOYEE

    async with begin(SCHEDULE) as uow:
        held = await uow.rosters.held(everything | {there})
        none = await uow.rosters.held(frozenset())

    assert held == {
        (participant("klimova"), Capacity.EMPLOYEE),
        (participant("klimova"), Capacity.PARENT),
        (participant("petrov"), Capacity.PUPIL),
        (participant("petrova"), Capacity.PARENT),
        (participant("orlova"), Capacity.PUPIL),
        there,
    }
    assert held == {one for one in everything if roster.is_(one[1], one[0])} | {there}
    assert none == frozenset()


@pytest.mark.rule("RIGHT-03")
async def test_an_organization_is_read_back_with_its_settings_and_its_day(begin: Begin) -> None:
    organization = an_organization()
    organization.without_chat_administrator_since = MONDAY_0800
    organization.register_day, organization.register_due_at = MONDAY_0800.date(), MONDAY_1000
    await put(begin, organization=organization)

    async with begin(SCHEDULE) as uow:
        first = await uow.organizations.find(SCHOOL)
        assert first is not None
        first_state = state_of(first)
        first.chat_administrator, first.without_chat_administrator_since = participant("director"), None
        first.register_day = first.register_due_at = None
        await uow.organizations.save(first)
    async with begin(SCHEDULE) as uow:
        second = await uow.organizations.find(SCHOOL)

    assert second is not None
    assert first_state == state_of(organization)
    assert state_of(second) == state_of(first)


@pytest.mark.rule("AUDIT-03")
async def test_a_roster_is_read_back_with_since_when_each_of_its_people_is_nothing(begin: Begin) -> None:
    roster = a_roster(people=["stranger", "guest"], pupils={"petrov": "8 К"})
    roster.note_idle(at=MONDAY_0800)
    await put(begin, organization=an_organization(), roster=roster)

    async with begin(SCHEDULE) as uow:
        changed = await uow.rosters.get(SCHOOL)
        at_first = dict(changed.idle_since)
        apply(changed, PupilExpelled(PersonId("petrov")))
        changed.positions[participant("guest")] = (PositionKind.OTHER,)
        changed.note_idle(at=MONDAY_1000)
        await uow.rosters.save(changed)
    async with begin(SCHEDULE) as uow:
        found = await uow.rosters.get(SCHOOL)

    assert at_first == {participant("stranger"): MONDAY_0800, participant("guest"): MONDAY_0800}
    assert found.idle_since == {participant("stranger"): MONDAY_0800, participant("petrov"): MONDAY_1000}
