"""What every storage promises of the audit: each save that changes something leaves one line, and nothing else does."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from application.ports import Begin, UnitOfWork
from domain.access import MetaRole, Permission
from domain.audit import ROSTER, SCHEDULE, AuditCause, Because
from domain.chat import ByHand, Chat, OtherChat
from domain.grounds import grounds
from domain.ids import ChatId, PersonId, role_id
from domain.participant import Capacity, Name, PositionKind
from domain.roster import Roster
from domain.roster_events import (
    ClassSaved,
    PersonBlocked,
    PersonSaved,
    PersonUnblocked,
    PupilExpelled,
    RoleGranted,
    RoleWithdrawn,
    RosterEvent,
    apply,
)
from domain.videoconference import Finished, FinishedBy, TimeSlot
from tests.builders import (
    LINK,
    MONDAY_0830,
    MONDAY_0900,
    MONDAY_0915,
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
    class_chat,
    participant,
    put,
)
from tests.contracts.conftest import Entry, Storage
from tests.domain.phases import ACTIVE

DIRECTOR, PETROV = participant("director"), participant("petrov")
A_USER = Because(AuditCause.USER, DIRECTOR, PersonId("director"))
A_SUPERADMINISTRATOR = Because(AuditCause.USER, None, PersonId("superadministrator"))


def the_roster() -> Roster:
    """A director, a class of a teacher and two pupils."""
    return a_roster(
        employees={"director": [PositionKind.ADMINISTRATION], "klimova": [PositionKind.PEDAGOGICAL]},
        class_teachers={"8 К": "klimova"},
        pupils={"petrov": "8 К", "belov": "8 К"},
    )


@pytest.fixture
async def chat(storage: Storage) -> Chat:
    """The chat of the class."""
    chat = a_chat(class_chat("8 К"), roster=the_roster(), chat_administrator="director", name="8 К")
    await put(storage.begin, organization=an_organization(), roster=the_roster(), chats=[chat])
    return chat


async def since(storage: Storage, before: Sequence[Entry]) -> list[Entry]:
    """The lines that came after those."""
    lines = await storage.audit()
    assert lines[: len(before)] == list(before)
    return lines[len(before) :]


async def get(uow: UnitOfWork, id: ChatId) -> Chat:
    """The chat, locked."""
    chat = await uow.chats.find(id, lock=True)
    assert chat is not None
    return chat


# Chats


@pytest.mark.rule("AUDIT-01")
async def test_a_new_chat_leaves_one_line_of_all_that_is_told_of_it(storage: Storage, chat: Chat) -> None:
    before = await storage.audit()
    club = a_chat(OtherChat(), roster=the_roster(), chat_administrator="director", name="Кружок")
    club.by_hand = ByHand(frozenset({(PETROV, Capacity.PUPIL)}), frozenset({participant("belov")}))
    club.follow(grounds(club.kind, the_roster(), DIRECTOR, club.by_hand), at=MONDAY_0830)

    async with storage.begin(A_USER) as uow:
        await uow.chats.save_all([club])

    assert await since(storage, before) == [
        Entry(
            action="CHAT_CREATED",
            subject=("chat", club.id),
            organization=SCHOOL,
            cause="USER",
            actor=DIRECTOR,
            person="director",
            before=None,
            after={
                "name": "Кружок",
                "type": "OTHER",
                "archived": False,
                "members": {str(DIRECTOR): "ADMINISTRATOR", str(PETROV): "MEMBER"},
                "addedByHand": [f"{PETROV} PUPIL"],
                "removedByHand": [str(participant("belov"))],
            },
            version=0,
        )
    ]


@pytest.mark.rule("AUDIT-01")
async def test_a_changed_chat_leaves_one_line_of_what_differs_and_of_the_members_only_who_differ(
    storage: Storage, chat: Chat
) -> None:
    before = await storage.audit()
    changed_roster = the_roster()
    apply(changed_roster, PupilExpelled(PersonId("petrov")))

    async with storage.begin(ROSTER) as uow:
        found = await get(uow, chat.id)
        found.take_name_of_class("9 К")
        found.follow(grounds(found.kind, changed_roster, participant("klimova")), at=MONDAY_0830)
        await uow.chats.save_all([found])

    [line] = await since(storage, before)
    assert (line.action, line.cause, line.actor, line.person) == ("CHAT_CHANGED", "ROSTER", None, None)
    assert line.before == {"name": "8 К", "members": {str(PETROV): "MEMBER", str(DIRECTOR): "ADMINISTRATOR"}}
    assert line.after == {"name": "9 К", "members": {}}


@pytest.mark.rule("AUDIT-01")
async def test_a_changed_role_stands_on_both_sides_of_the_line(storage: Storage, chat: Chat) -> None:
    before = await storage.audit()

    async with storage.begin(ROSTER) as uow:
        found = await get(uow, chat.id)
        found.by_hand = ByHand(frozenset({(DIRECTOR, Capacity.EMPLOYEE)}))
        found.follow(grounds(found.kind, the_roster(), None, found.by_hand), at=MONDAY_0830)
        await uow.chats.save_all([found])

    [line] = await since(storage, before)
    assert line.before == {"members": {str(DIRECTOR): "ADMINISTRATOR"}, "addedByHand": []}
    assert line.after == {"members": {str(DIRECTOR): "MEMBER"}, "addedByHand": [f"{DIRECTOR} EMPLOYEE"]}


@pytest.mark.rule("AUDIT-01")
async def test_a_deleted_chat_leaves_a_line_of_what_it_was(storage: Storage, chat: Chat) -> None:
    club = a_chat(OtherChat(), roster=the_roster(), chat_administrator="director", name="Кружок")
    await put(storage.begin, chats=[club])
    before = await storage.audit()

    async with storage.begin(A_SUPERADMINISTRATOR) as uow:
        found = await get(uow, club.id)
        found.delete(at=MONDAY_0830)
        await uow.chats.save_all([found])

    [line] = await since(storage, before)
    assert (line.action, line.subject, line.after) == ("CHAT_DELETED", ("chat", club.id), None)
    assert (line.actor, line.person) == (None, "superadministrator")
    assert line.before is not None
    assert (line.before["name"], line.before["members"]) == ("Кружок", {str(DIRECTOR): "ADMINISTRATOR"})


@pytest.mark.rule("AUDIT-01")
async def test_what_is_saved_twice_in_one_unit_of_work_leaves_one_line_and_what_is_changed_back_none(
    storage: Storage, chat: Chat
) -> None:
    before = await storage.audit()

    async with storage.begin(A_USER) as uow:
        found = await get(uow, chat.id)
        for name in ("Первое", "Второе"):
            found.rename(name)
            await uow.chats.save_all([found])
    async with storage.begin(A_USER) as uow:
        found = await get(uow, chat.id)
        for name in ("Третье", "Второе"):
            found.rename(name)
            await uow.chats.save_all([found])

    lines = await since(storage, before)
    assert [(line.before, line.after) for line in lines] == [({"name": "8 К"}, {"name": "Второе"})]


@pytest.mark.rule("AUDIT-01")
async def test_what_somebody_changed_before_the_chat_was_locked_is_not_told_as_the_one_s_who_waited(
    storage: Storage, chat: Chat
) -> None:
    before = await storage.audit()

    async def expel_petrov() -> None:
        roster = the_roster()
        apply(roster, PupilExpelled(PersonId("petrov")))
        async with storage.begin(ROSTER) as uow:
            found = await get(uow, chat.id)
            found.follow(grounds(found.kind, roster, DIRECTOR), at=MONDAY_0830)
            await uow.chats.save_all([found])

    async with storage.begin(A_USER) as uow:
        await uow.chats.find(chat.id)
        await expel_petrov()
        found = await get(uow, chat.id)
        found.rename("Наш класс")
        await uow.chats.save_all([found])

    lines = await since(storage, before)
    assert [(line.cause, line.after) for line in lines] == [
        ("ROSTER", {"members": {}}),
        ("USER", {"name": "Наш класс"}),
    ]


@pytest.mark.rule("AUDIT-01")
async def test_what_is_found_again_after_it_was_saved_leaves_one_line_from_its_beginning(
    storage: Storage, chat: Chat
) -> None:
    before = await storage.audit()

    async with storage.begin(A_USER) as uow:
        for name in ("Первое", "Второе"):
            found = await get(uow, chat.id)
            found.rename(name)
            await uow.chats.save_all([found])

    lines = await since(storage, before)
    assert [(line.before, line.after) for line in lines] == [({"name": "8 К"}, {"name": "Второе"})]


@pytest.mark.rule("AUDIT-01")
async def test_several_chats_leave_a_line_each_and_those_that_are_as_they_were_none(storage: Storage) -> None:
    chats = [a_chat(name=f"Чат {number}") for number in range(3)]
    await put(storage.begin, organization=an_organization(), chats=chats)
    before = await storage.audit()

    async with storage.begin(SCHEDULE) as uow:
        found = await uow.chats.following(SCHOOL, None)
        renamed = {chat.id for chat in found[:2]}
        for chat in found[:2]:
            chat.rename("Кружок")
        await uow.chats.save_all(found)

    lines = await since(storage, before)
    assert {line.subject[1] for line in lines} == renamed
    assert len(lines) == 2


# Conferences


@pytest.mark.rule("AUDIT-01")
async def test_a_conference_leaves_a_line_for_each_step_and_never_its_link(storage: Storage, chat: Chat) -> None:
    lesson = a_lesson(group="8 К алгебра")
    roster = the_roster()
    roster.groups.update(a_roster(groups={"8 К алгебра": []}).groups)
    await put(storage.begin, roster=roster, lessons=[lesson])
    before = await storage.audit()
    conference = a_videoconference(
        chat=chat, lesson=lesson, added={"petrov": Capacity.PUPIL}, removed=["belov"], made_by="director"
    )

    async with storage.begin(A_USER) as uow:
        await uow.videoconferences.save(conference)
    for phase in (ACTIVE, Finished(MONDAY_0830, MONDAY_0900, FinishedBy.SCHEDULE)):
        async with storage.begin(SCHEDULE) as uow:
            found = await uow.videoconferences.find(conference.id, lock=True)
            assert found is not None
            found.phase = phase
            found.version += 1
            await uow.videoconferences.save(found)
    async with storage.begin(A_USER) as uow:
        found = await uow.videoconferences.find(conference.id, lock=True)
        assert found is not None
        found.delete(at=MONDAY_1000)
        await uow.videoconferences.save(found)

    created, active, finished, deleted = await since(storage, before)
    assert (created.action, created.cause, created.actor, created.version) == (
        "VIDEOCONFERENCE_CREATED",
        "USER",
        DIRECTOR,
        1,
    )
    assert created.after == {
        "name": "Совещание",
        "type": "VIDEO_CALL",
        "chat": str(chat.id),
        "lesson": str(lesson.id),
        "startsAt": MONDAY_0830.isoformat(),
        "endsAt": MONDAY_0915.isoformat(),
        "status": "SCHEDULED",
        "added": [f"{PETROV} PUPIL"],
        "removed": [str(participant("belov"))],
    }
    assert (active.action, active.cause, active.before, active.after, active.version) == (
        "VIDEOCONFERENCE_CHANGED",
        "SCHEDULE",
        {"status": "SCHEDULED"},
        {"status": "ACTIVE"},
        2,
    )
    assert finished.after == {"status": "FINISHED", "finishedBy": "SCHEDULE"}
    assert (deleted.action, deleted.after) == ("VIDEOCONFERENCE_DELETED", None)
    assert LINK not in repr([created, active, finished, deleted])


@pytest.mark.rule("AUDIT-01")
async def test_an_instant_entered_with_another_offset_is_no_change(storage: Storage, chat: Chat) -> None:
    conference = a_videoconference(chat=chat)
    await put(storage.begin, conferences=[conference])
    before = await storage.audit()
    moscow = timezone(timedelta(hours=3))

    def entered(at: datetime) -> datetime:
        return at.astimezone(moscow)

    async with storage.begin(A_USER) as uow:
        found = await uow.videoconferences.find(conference.id, lock=True)
        assert found is not None
        found.slot = TimeSlot(entered(found.slot.start), entered(found.slot.end))
        await uow.videoconferences.save(found)

    assert await since(storage, before) == []


# Rights, settings, links, roles


@pytest.mark.rule("AUDIT-01")
async def test_a_right_given_or_taken_and_a_block_leave_a_line_of_the_person(storage: Storage, chat: Chat) -> None:
    before = await storage.audit()
    steps: list[list[RosterEvent]] = [
        [RoleGranted(PersonId("klimova"), "Завуч"), RoleGranted(PersonId("klimova"), "Методист")],
        [RoleWithdrawn(PersonId("klimova"), "Завуч")],
        [PersonBlocked(PersonId("petrov"))],
        [PersonUnblocked(PersonId("petrov"))],
        # None of these is about rights.
        [PersonSaved(PersonId("petrov"), Name("Петрушин", "Пётр")), ClassSaved("8 К", "9 К")],
    ]

    for step in steps:
        async with storage.begin(ROSTER) as uow:
            await uow.roles.make_known(["Завуч", "Методист"])
            roster = await uow.rosters.get(SCHOOL)
            for event in step:
                apply(roster, event)
            await uow.rosters.save(roster)

    lines = await since(storage, before)
    assert {(line.action, line.cause, line.actor, line.organization) for line in lines} == {
        ("RIGHTS_CHANGED", "ROSTER", None, SCHOOL)
    }
    klimova = ("participant", participant("klimova"))
    assert [(line.subject, line.before, line.after) for line in lines] == [
        (klimova, {"roles": []}, {"roles": ["Завуч", "Методист"]}),
        (klimova, {"roles": ["Завуч", "Методист"]}, {"roles": ["Методист"]}),
        (("participant", PETROV), {"blocked": False}, {"blocked": True}),
        (("participant", PETROV), {"blocked": True}, {"blocked": False}),
    ]


@pytest.mark.rule("AUDIT-01")
async def test_somebody_new_leaves_a_line_only_if_they_come_with_rights(storage: Storage) -> None:
    await put(storage.begin, organization=an_organization())
    before = await storage.audit()

    await put(storage.begin, roster=a_roster(people=["petrov"], blocked=["belov"], roles={"klimova": "Завуч"}))

    lines = await since(storage, before)
    assert {line.subject[1]: line.after for line in lines} == {
        participant("belov"): {"blocked": True},
        participant("klimova"): {"roles": ["Завуч"]},
    }


@pytest.mark.rule("AUDIT-01")
async def test_an_organization_s_settings_leave_a_line(storage: Storage, chat: Chat) -> None:
    before = await storage.audit()

    async with storage.begin(A_USER) as uow:
        organization = await uow.organizations.find(SCHOOL, lock=True)
        assert organization is not None
        organization.name, organization.chat_administrator = "Гимназия", DIRECTOR
        await uow.organizations.save(organization)

    [line] = await since(storage, before)
    assert (line.action, line.subject, line.organization) == ("ORGANIZATION_CHANGED", ("organization", SCHOOL), SCHOOL)
    assert line.before == {"name": "Школа", "chatAdministrator": None}
    assert line.after == {"name": "Гимназия", "chatAdministrator": str(DIRECTOR)}


@pytest.mark.rule("AUDIT-01")
async def test_a_link_leaves_a_line_in_each_organization_where_the_person_is_known(storage: Storage) -> None:
    for school_id, organization in (("school", SCHOOL), ("other school", OTHER_SCHOOL)):
        people = a_roster(organization=organization, people=["klimova"])
        await put(storage.begin, organization=an_organization(school_id=school_id), roster=people)
    before = await storage.audit()
    herself = Because(AuditCause.USER, participant("klimova"), PersonId("klimova"))

    async with storage.begin(herself) as uow:
        await uow.account_links.save(an_account_link("klimova"))
    async with storage.begin(SCHEDULE) as uow:
        await uow.account_links.save(an_account_link("klimova", broken=True))
    async with storage.begin(herself) as uow:
        await uow.account_links.save(an_account_link("stranger"))

    lines = await since(storage, before)
    assert sorted((line.action, line.cause, str(line.organization), str(line.actor)) for line in lines) == sorted(
        (action, cause, str(organization), str(participant("klimova", organization) if cause == "USER" else None))
        for action, cause in (("ACCOUNT_LINK_CREATED", "USER"), ("ACCOUNT_LINK_CHANGED", "SCHEDULE"))
        for organization in (SCHOOL, OTHER_SCHOOL)
    )
    assert [line.after for line in lines] == [{"status": "LINKED"}] * 2 + [{"status": "BROKEN"}] * 2
    assert "profile" not in repr(lines)


@pytest.mark.rule("AUDIT-01")
async def test_a_role_s_permissions_leave_a_line_of_the_installation(storage: Storage) -> None:
    async with storage.begin(ROSTER) as uow:
        await uow.roles.make_known(["Завуч"])
    before = await storage.audit()

    async with storage.begin(A_SUPERADMINISTRATOR) as uow:
        role = await uow.roles.find(role_id("Завуч"))
        assert role is not None
        role.permit(frozenset({Permission.CHAT_EDIT, Permission.CHAT_CREATE}))
        await uow.roles.save(role)

    [line] = await since(storage, before)
    assert (line.action, line.subject, line.organization) == ("ROLE_CHANGED", ("role", role.id), None)
    assert (line.before, line.after) == ({"permissions": []}, {"permissions": ["CHAT_CREATE", "CHAT_EDIT"]})
    assert (line.actor, line.person) == (None, "superadministrator")


# No line


@pytest.mark.rule("AUDIT-01")
async def test_a_save_that_changes_nothing_leaves_no_line(storage: Storage, chat: Chat) -> None:
    conference = a_videoconference(chat=chat)
    await put(storage.begin, conferences=[conference], links=[an_account_link("director")])
    before = await storage.audit()

    async with storage.begin(A_USER) as uow:
        organization = await uow.organizations.find(SCHOOL, lock=True)
        roster = await uow.rosters.get(SCHOOL)
        chats = await uow.chats.following(SCHOOL, None)
        found = await uow.videoconferences.find(conference.id, lock=True)
        link = await uow.account_links.find(PersonId("director"))
        role = await uow.roles.find(role_id(MetaRole.CHAT_ADMINISTRATOR))
        assert organization is not None
        assert found is not None
        assert link is not None
        assert role is not None
        await uow.organizations.save(organization)
        await uow.rosters.save(roster)
        await uow.chats.save_all(chats)
        await uow.videoconferences.save(found)
        await uow.account_links.save(link)
        await uow.roles.save(role)

    assert await since(storage, before) == []


@pytest.mark.rule("AUDIT-01")
async def test_what_nobody_reads_in_the_audit_leaves_no_line(storage: Storage, chat: Chat) -> None:
    conference = a_videoconference(chat=chat)
    await put(storage.begin, conferences=[conference], links=[an_account_link("director")])
    before = await storage.audit()

    async with storage.begin(A_USER) as uow:
        await uow.calls.save(a_call(conference))
        await uow.account_links.save_attempt(an_attempt())
        link = await uow.account_links.find(PersonId("director"))
        assert link is not None
        link.refresh_claimed_until = MONDAY_1000
        await uow.account_links.save(link)
        found = await get(uow, chat.id)
        found.memberships = {
            member: replace(membership, grounds=dict.fromkeys(membership.grounds, MONDAY_1000))
            for member, membership in found.memberships.items()
        }
        await uow.chats.save_all([found])

    assert await since(storage, before) == []


@pytest.mark.rule("AUDIT-01")
async def test_a_unit_of_work_that_fails_leaves_no_line(storage: Storage, chat: Chat) -> None:
    before = await storage.audit()

    async def fail_at_the_end() -> None:
        async with storage.begin(A_USER) as uow:
            found = await get(uow, chat.id)
            found.rename("Наш класс")
            await uow.chats.save_all([found, a_chat()])
            await uow.videoconferences.save(a_videoconference(chat=chat))
            raise RuntimeError("the caller's")

    with pytest.raises(RuntimeError, match="the caller's"):
        await fail_at_the_end()

    assert await since(storage, before) == []


@pytest.mark.rule("AUDIT-01")
async def test_every_one_of_many_at_once_leaves_its_line(storage: Storage, chat: Chat) -> None:
    before = await storage.audit()

    async def rename(number: int) -> None:
        async with storage.begin(Because(AuditCause.USER, None, PersonId(f"person {number}"))) as uow:
            found = await get(uow, chat.id)
            found.rename(f"Имя {number}")
            await uow.chats.save_all([found])

    await asyncio.gather(*(rename(number) for number in range(5)))

    lines = await since(storage, before)
    names = ["8 К", *(line.after["name"] for line in lines)]
    assert sorted(names[1:]) == [f"Имя {number}" for number in range(5)]
    assert [line.before["name"] for line in lines] == names[:-1]
    assert all(line.person == f"person {line.after['name'][-1]}" for line in lines)


async def edited_since(begin: Begin, id: ChatId, version: int) -> tuple[str, ...]:
    """The fields that users edited since."""
    async with begin(SCHEDULE) as uow:
        return await uow.chats.edited_fields(id, since=version)


@pytest.mark.rule("CHAT-14")
async def test_the_fields_that_users_edited_after_a_version_are_named_as_clients_know_them(
    storage: Storage, chat: Chat
) -> None:
    async with storage.begin(A_USER) as uow:
        found = await get(uow, chat.id)
        found.rename("Наш класс")
        found.version = 1
        await uow.chats.save_all([found])
    async with storage.begin(A_USER) as uow:
        found = await get(uow, chat.id)
        found.by_hand = found.by_hand.excluding(PETROV)
        found.follow(grounds(found.kind, the_roster(), DIRECTOR, found.by_hand), at=MONDAY_0830)
        found.version = 2
        await uow.chats.save_all([found])

    assert [await edited_since(storage.begin, chat.id, version) for version in range(4)] == [
        ("members", "name"),
        ("members",),
        (),
        (),
    ]


@pytest.mark.rule("CHAT-14")
async def test_neither_what_the_roster_changed_nor_the_choice_of_a_chat_administrator_is_an_edited_field(
    storage: Storage, chat: Chat
) -> None:
    async with storage.begin(ROSTER) as uow:
        found = await get(uow, chat.id)
        found.version = 1
        found.take_name_of_class("9 К")
        await uow.chats.save_all([found])
    async with storage.begin(A_USER) as uow:
        found = await get(uow, chat.id)
        found.follow(grounds(found.kind, the_roster(), participant("klimova")), at=MONDAY_0830)
        await uow.chats.save_all([found])

    assert await edited_since(storage.begin, chat.id, 0) == ()
