"""A small school on the running system: its roster, a linked class teacher, her conferences and who listens to them."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.access import MetaRole, Viewer
from domain.ids import PersonId, participant_id
from tests.e2e.system import System, subscription

ROSTER = [
    {"personSaved": {"key": "1", "personId": "manual-vorontsova", "lastName": "Воронцова", "firstName": "Елена"}},
    {"employeeHired": {"key": "2", "personId": "manual-vorontsova", "positions": ["ADMINISTRATION"]}},
    {"personSaved": {"key": "3", "personId": "manual-teacher", "lastName": "Орлова", "firstName": "Мария"}},
    {"employeeHired": {"key": "4", "personId": "manual-teacher", "positions": ["PEDAGOGICAL"]}},
    {"classSaved": {"key": "5", "classId": "1b", "name": "1 Б"}},
    {"classTeacherSet": {"key": "6", "classId": "1b", "personId": "manual-teacher"}},
    {"personSaved": {"key": "7", "personId": "manual-pupil", "lastName": "Белов", "firstName": "Илья"}},
    {"pupilEnrolled": {"key": "8", "personId": "manual-pupil", "classId": "1b"}},
    {"personSaved": {"key": "9", "personId": "manual-parent", "lastName": "Белова", "firstName": "Анна"}},
    {"parentTied": {"key": "10", "parentId": "manual-parent", "pupilId": "manual-pupil"}},
]

CHATS = "{ chats { edges { node { id name type memberCount administrator { fullName } } } } }"
CREATE = """
mutation ($input: CreateVideoconferenceInput!) {
  createVideoconference(input: $input) {
    ... on VideoconferenceSaved { videoconference { id status link } }
    ... on Refusal { problems { code path message } }
  }
}
"""
WATCH = "subscription ($id: ID!) { videoconference(id: $id) { status link version activeSince } }"


@dataclass(frozen=True)
class School:
    """Tokens of the class teacher of 1 Б and of a pupil in it, and the chats by name."""

    teacher: str
    pupil: str
    chats: dict[str, Any]


async def open_school(system: System) -> School:
    """The roster arrives, and the chats appear by themselves."""
    organization = await system.container.use_cases().found_organization(
        school_id="school-manual", name="Школа", time_zone="Europe/Moscow"
    )
    told = await system.ask(
        system.token("manual-roster", scope="roster"),
        "mutation ($events: [RosterEventInput!]!) { applyRosterEvents(events: $events) {"
        " ... on RosterEventsApplied { applied } ... on Refusal { problems { code path message } } } }",
        events=ROSTER,
    )
    assert told["applyRosterEvents"] == {"applied": 10}
    await system.container.use_cases().set_chat_administrator(
        Viewer(PersonId("superadmin"), meta_role=MetaRole.SUPERADMINISTRATOR),
        organization,
        participant_id(organization, PersonId("manual-vorontsova")),
    )
    teacher = system.token("manual-teacher")
    chats = {edge["node"]["name"]: edge["node"] for edge in (await system.ask(teacher, CHATS))["chats"]["edges"]}
    return School(teacher, system.token("manual-pupil"), chats)


async def make_conference(system: System, school: School, starts_at: datetime, lasting: timedelta) -> Any:
    """A conference for 1 Б, made by its class teacher."""
    times = {"startsAt": starts_at.isoformat(), "endsAt": (starts_at + lasting).isoformat()}
    form = {"type": "VIDEO_CALL", "name": "Классный час", "chatId": school.chats["1 Б"]["id"]} | times
    made = await system.ask(school.teacher, CREATE, input=form)
    return made["createVideoconference"]["videoconference"]


async def listen(system: System, token: str, id: str) -> list[tuple[datetime, dict[str, Any]]]:
    """What the phone hears until the conference is over, and when."""
    heard: list[tuple[datetime, dict[str, Any]]] = []
    async with asyncio.timeout(20), system.phone(token) as phone:
        async for message in phone.subscribe(subscription(WATCH, id=id)):
            heard.append((datetime.now(UTC), message["videoconference"]))
            if heard[-1][1]["status"] in {"FINISHED", "FAILED"}:
                break
    return heard
