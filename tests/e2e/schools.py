"""Schools on the running system, each with a linked chat administrator and one class, and their conferences."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from domain.access import MetaRole, Viewer
from domain.audit import SCHEDULE
from domain.chat import ChatType
from domain.ids import ChatId, OrganizationId, PersonId, VideoconferenceId, organization_id, participant_id
from domain.videoconference import TimeSlot, VideoconferenceType, schedule
from tests.e2e.system import System

MOST = 25
"""The sandbox's people have telephones for so many."""


@dataclass(frozen=True)
class Place:
    """A school and the chat of its class."""

    organization: OrganizationId
    chat: ChatId


async def found_schools(system: System, count: int, *, pupils: int) -> list[Place]:
    """So many schools, whose calls are each started with an account of their own."""
    assert count <= MOST
    superadministrator = Viewer(PersonId("superadmin"), meta_role=MetaRole.SUPERADMINISTRATOR)
    use_cases = system.container.use_cases()
    places = []
    for number in range(1, count + 1):
        person, school = f"manual-employee-{number:02}", f"school-{number}"
        await use_cases.found_organization(school_id=school, name=school, time_zone="Europe/Moscow")
        roster = system.token("roster", org=school, scope="roster")
        apply = (
            "mutation ($events: [RosterEventInput!]!) { applyRosterEvents(events: $events) {"
            " ... on RosterEventsApplied { applied } ... on Refusal { problems { code path } } } }"
        )
        told = await system.ask(roster, apply, events=_roster(school, person, pupils))
        assert "applied" in told["applyRosterEvents"], told
        id = organization_id(school)
        administrator = participant_id(id, PersonId(person))
        await use_cases.set_chat_administrator(superadministrator, id, administrator)
        await system.link_person(person, system.token(person, org=school))
        async with system.container.begin()(SCHEDULE) as uow:
            [chat] = [each for each in await uow.chats.following(id, None) if each.type is ChatType.CLASS]
        places.append(Place(id, chat.id))
    return places


async def plan_conferences(
    system: System, places: Sequence[Place], starts: Sequence[datetime], lasting: timedelta
) -> list[VideoconferenceId]:
    """One for each start, among the schools in turn; saved as their use case saves them, without its questions."""
    conferences = []
    for number, start in enumerate(starts):
        place = places[number % len(places)]
        conferences.append(
            schedule(
                id=VideoconferenceId(uuid4()),
                organization_id=place.organization,
                type=VideoconferenceType.VIDEO_CALL,
                name=f"Урок {number}",
                chat_id=place.chat,
                lesson_id=None,
                made_by=None,
                slot=TimeSlot(start, start + lasting),
                prepare_ahead=timedelta(seconds=system.settings.prepare_seconds),
            )
        )
    ids = [conference.id for conference in conferences]
    for first in range(0, len(conferences), 100):
        async with system.container.begin()(SCHEDULE) as uow:
            await uow.videoconferences.save_all(conferences[first : first + 100])
    return ids


def _roster(school: str, person: str, pupils: int) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = [
        {"personSaved": {"key": "1", "personId": person, "lastName": "Я", "firstName": "Я"}},
        {"employeeHired": {"key": "2", "personId": person, "positions": ["ADMINISTRATION", "PEDAGOGICAL"]}},
        {"classSaved": {"key": "3", "classId": "1", "name": "1 А"}},
        {"classTeacherSet": {"key": "4", "classId": "1", "personId": person}},
    ]
    for number in range(pupils):
        pupil = f"{school}-pupil-{number}"
        events += [
            {"personSaved": {"key": f"{pupil} 1", "personId": pupil, "lastName": "П", "firstName": str(number)}},
            {"pupilEnrolled": {"key": f"{pupil} 2", "personId": pupil, "classId": "1"}},
        ]
    return events
