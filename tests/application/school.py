"""What the tests of use cases say again and again: who asks, what the school system tells, and why it was refused."""

from collections.abc import Awaitable
from itertools import count

import pytest

from application.roster import Applied, LessonCancelled, LessonSaved, Told
from application.surroundings import surroundings
from domain.access import MetaRole, Viewer
from domain.account_link import EducationProfile, link
from domain.audit import SCHEDULE
from domain.errors import Problem, ProblemCode, Refused
from domain.ids import OrganizationId, PersonId, VideoconferenceId
from domain.participant import Name, PositionKind
from domain.participation import People
from domain.participation import participants as participants_of
from domain.roster_events import EmployeeHired, PersonSaved, RosterEvent
from tests.builders import a_viewer, participant, put
from tests.fakes.world import World

SCHOOL_SYSTEM = a_viewer("school system", roster_service=True)
SUPERADMINISTRATOR = a_viewer("superadministrator", organization=None, meta_role=MetaRole.SUPERADMINISTRATOR)

_keys = count()


def fresh_keys(*events: RosterEvent | LessonSaved | LessonCancelled) -> list[Told]:
    """The events, each under a key that no other one has."""
    return [Told(f"key {next(_keys)}", event) for event in events]


async def tell(world: World, *events: RosterEvent | LessonSaved | LessonCancelled) -> Applied:
    """The school system tells of the events in one request."""
    return await world.use_cases.apply_roster_events(SCHOOL_SYSTEM, fresh_keys(*events))


def known(*people: str) -> list[RosterEvent]:
    """Events that make people known."""
    return [PersonSaved(PersonId(person), Name(person.capitalize(), "Саша")) for person in people]


async def found_school(world: World) -> OrganizationId:
    """A school in Moscow's zone, of which nothing is told yet."""
    return await world.use_cases.found_organization(school_id="school", name="Школа", time_zone="Europe/Moscow")


async def hire_director(world: World) -> None:
    """The director works here and administers the school's chats."""
    school = await found_school(world)
    await tell(world, *known("director"), EmployeeHired(PersonId("director"), (PositionKind.ADMINISTRATION,)))
    await world.use_cases.set_chat_administrator(SUPERADMINISTRATOR, school, participant("director"))


async def link_account(world: World, person: str) -> EducationProfile:
    """The person has a link with tokens that VK ID honours."""
    profile = EducationProfile(f"profile of {person}", "Саша")
    tokens = world.identity_provider.issue(profile)
    await put(world.storage.begin, links=[link(PersonId(person), profile, tokens, at=world.now)])
    return profile


async def problems_of(request: Awaitable[object]) -> tuple[Problem, ...]:
    """For what the request is refused."""
    with pytest.raises(Refused) as refused:
        await request
    return refused.value.problems


def only(code: ProblemCode, *path: str, **facts: str) -> tuple[Problem]:
    """The problems of a refusal with that one alone."""
    return (Problem(code, path, facts),)


async def taking_part(world: World, id: VideoconferenceId) -> People:
    """Who takes part in the conference now, and as what."""
    async with world.storage.begin(SCHEDULE) as uow:
        conference = await uow.videoconferences.find(id)
        assert conference is not None
        chat = await uow.chats.find(conference.chat_id, deleted=True)
        assert chat is not None
        return participants_of(conference, await surroundings(uow, conference, chat))


def viewer_of(person: str, *, meta_role: MetaRole | None = None, blocked: bool = False) -> Viewer:
    """A person of the school as who asks."""
    return a_viewer(person, meta_role=meta_role, blocked=blocked)
