"""A school day: the roster arrives, a teacher links, the bell rings, the phone hears it, the end comes."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from domain.access import MetaRole, Viewer
from domain.ids import PersonId, participant_id
from tests.e2e.system import System, running_system, subscription

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
LOOK = "query ($id: ID!) { videoconference(id: $id) { status link finishedBy viewerCan } }"


@pytest.mark.rule("CONF-10", "CONF-11")
async def test_a_school_day(database_url: str, redis_url: str, tmp_path: Path) -> None:
    async with running_system(database_url=database_url, redis_url=redis_url, data_dir=tmp_path) as system:
        # The roster arrives, and the chats appear by themselves.
        organization = await system.container.use_cases().found_organization(
            school_id="school-manual", name="Школа", time_zone="Europe/Moscow"
        )
        roster = system.token("manual-roster", scope="roster")
        told = await system.ask(
            roster,
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
        teacher, pupil = system.token("manual-teacher"), system.token("manual-pupil")
        chats = {edge["node"]["name"]: edge["node"] for edge in (await system.ask(teacher, CHATS))["chats"]["edges"]}
        assert {name: chat["memberCount"] for name, chat in chats.items()} == {
            "Учительская": 2,
            "1 Б": 3,
            "1 Б Родители": 3,
        }

        # The teacher links her account.
        page = await system.link("teacher", teacher)
        assert page.status_code == 200
        assert "Мария О." in page.text
        linked = (await system.ask(teacher, "{ viewer { accountLink { status } } }"))["viewer"]
        assert linked == {"accountLink": {"status": "LINKED"}}

        # She makes a conference for her class.
        starts_at = datetime.now(UTC) + timedelta(seconds=3)
        ends_at = starts_at + timedelta(seconds=3)
        made = await system.ask(
            teacher,
            CREATE,
            input={
                "type": "VIDEO_CALL",
                "name": "Классный час",
                "chatId": chats["1 Б"]["id"],
                "startsAt": starts_at.isoformat(),
                "endsAt": ends_at.isoformat(),
            },
        )
        conference = made["createVideoconference"]["videoconference"]
        assert conference["link"] is None

        # The bell rings, and the phone hears it; the end comes, and the phone hears that too.
        heard = await listen(system, pupil, conference["id"])
        statuses = [message["status"] for _, message in heard]
        assert statuses[-2:] == ["ACTIVE", "FINISHED"]
        assert [message["version"] for _, message in heard] == sorted({message["version"] for _, message in heard})
        (began, active), (ended, finished) = heard[-2:]
        assert timedelta() <= began - starts_at < timedelta(seconds=1)
        assert timedelta() <= ended - ends_at < timedelta(seconds=1)
        assert all(message["link"] is None for _, message in heard[:-2])

        # The link works: it is the one call that Sferum has, and its call is over now.
        calls = await system.control("calls")
        assert [call["join_link"] for call in calls] == [active["link"]]
        assert finished["link"] is None
        gone = (await system.ask(pupil, LOOK, id=conference["id"]))["videoconference"]
        assert gone == {"status": "FINISHED", "link": None, "finishedBy": "SCHEDULE", "viewerCan": []}
        await system.until(lambda calls: calls[0]["finished_at"] is not None, "calls")


async def listen(system: System, token: str, id: str) -> list[tuple[datetime, dict[str, Any]]]:
    """What the phone hears until the conference is over, and when."""
    heard: list[tuple[datetime, dict[str, Any]]] = []
    async with asyncio.timeout(20), system.phone(token) as phone:
        async for message in phone.subscribe(subscription(WATCH, id=id)):
            heard.append((datetime.now(UTC), message["videoconference"]))
            if heard[-1][1]["status"] in {"FINISHED", "FAILED"}:
                break
    return heard
