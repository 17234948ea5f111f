"""Whoever has had no capacity for a year is forgotten (AUDIT-03)."""

from datetime import timedelta

import pytest

from domain.account_link import AccountLinkStatus
from domain.audit import ROSTER
from domain.chat import ChatType
from domain.chat_form import NewChat
from domain.ids import PersonId
from domain.participant import Capacity, Name
from domain.roster_events import ClassSaved, ParentTied, PersonSaved, PupilEnrolled, PupilExpelled, RoleGranted
from tests.application.school import SUPERADMINISTRATOR, hire_director, known, link_account, tell
from tests.builders import SCHOOL, participant
from tests.fakes.world import World

A_YEAR = timedelta(days=365)
PETROV = PersonId("petrov")


async def names(world: World) -> dict[str, str]:
    async with world.storage.begin(ROSTER) as uow:
        roster = await uow.rosters.get(SCHOOL)
    return {person.person_id: person.name.full for person in roster.people.values()}


async def a_pupil(world: World) -> None:
    await hire_director(world)
    await link_account(world, "director")
    await tell(world, *known("petrov"), *known("petrova"))
    await tell(world, ClassSaved("8 К", "8 К"), PupilEnrolled(PETROV, "8 К"), ParentTied(PersonId("petrova"), PETROV))


@pytest.mark.rule("AUDIT-03")
async def test_a_person_without_any_capacity_for_a_year_is_erased_with_name_link_and_ties(world: World) -> None:
    await a_pupil(world)
    await link_account(world, "petrov")
    await tell(world, RoleGranted(PETROV, "Староста"), PupilExpelled(PETROV))

    world.now += A_YEAR
    too_early = await world.use_cases.erase_forgotten()
    world.now += timedelta(seconds=1)
    erased = await world.use_cases.erase_forgotten()

    assert (too_early, erased) == (0, 2), "the parent, too, has had no child here for a year"
    assert (await names(world))["petrov"] == "Данные удалены"
    assert not await world.linked("petrov")
    assert await world.linked("director")
    async with world.storage.begin(ROSTER) as uow:
        roster = await uow.rosters.get(SCHOOL)
    assert (roster.ties, roster.roles) == (set(), set())
    assert await world.use_cases.erase_forgotten() == 0


@pytest.mark.rule("AUDIT-03")
async def test_whoever_comes_back_within_the_year_is_not_erased_and_the_year_begins_anew(world: World) -> None:
    await a_pupil(world)
    await tell(world, PupilExpelled(PETROV))
    world.now += A_YEAR - timedelta(days=1)
    await tell(world, PupilEnrolled(PETROV, "8 К"))
    world.now += timedelta(days=30)
    await tell(world, PupilExpelled(PETROV))

    world.now += A_YEAR - timedelta(days=1)

    assert await world.use_cases.erase_forgotten() == 0


@pytest.mark.rule("AUDIT-03")
async def test_chats_and_audit_lines_keep_the_id_without_the_name(world: World) -> None:
    await a_pupil(world)
    form = NewChat("Клуб", ChatType.OTHER, lists={Capacity.PUPIL: (participant("petrov"),)})
    warning = await world.use_cases.create_chat(SUPERADMINISTRATOR, SCHOOL, form)
    confirmation = getattr(warning, "confirmation", None)
    chat_id = await world.use_cases.create_chat(SUPERADMINISTRATOR, SCHOOL, form, confirmation=confirmation)
    await tell(world, PupilExpelled(PETROV))
    world.now += A_YEAR + timedelta(seconds=1)

    await world.use_cases.erase_forgotten()

    chat = next(chat for chat in await world.chats() if chat.id == chat_id)
    assert chat.by_hand.additions == {(participant("petrov"), Capacity.PUPIL)}
    told = repr([(line.line.difference, line.because) for line in world.storage.audit])
    assert str(participant("petrov")) in told
    assert "Петров" not in told


@pytest.mark.rule("AUDIT-03")
async def test_somebody_erased_who_is_known_again_has_a_name_again(world: World) -> None:
    await a_pupil(world)
    await tell(world, PupilExpelled(PETROV))
    world.now += A_YEAR + timedelta(seconds=1)
    await world.use_cases.erase_forgotten()

    await tell(world, PersonSaved(PETROV, Name("Петров", "Пётр")), PupilEnrolled(PETROV, "8 К"))

    assert (await names(world))["petrov"] == "Петров Пётр"


@pytest.mark.rule("AUDIT-03")
async def test_of_a_profile_only_the_user_id_and_the_name_to_show_are_kept(world: World) -> None:
    await a_pupil(world)
    await link_account(world, "petrov")

    async with world.storage.begin(ROSTER) as uow:
        link = await uow.account_links.find(PETROV)

    assert link is not None
    assert link.status is AccountLinkStatus.LINKED
    assert set(link.profile.__slots__) == {"id", "display_name"}
