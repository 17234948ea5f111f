"""A school day: the roster arrives, a teacher links, the bell rings, the phone hears it, the end comes."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.e2e.school import listen, make_conference, open_school
from tests.e2e.system import running_system

LOOK = "query ($id: ID!) { videoconference(id: $id) { status link finishedBy viewerCan } }"


@pytest.mark.rule("CONF-10", "CONF-11")
async def test_a_school_day(database_url: str, redis_url: str, tmp_path: Path) -> None:
    async with running_system(database_url=database_url, redis_url=redis_url, data_dir=tmp_path) as system:
        # The roster arrives, and the chats appear by themselves.
        school = await open_school(system)
        assert {name: chat["memberCount"] for name, chat in school.chats.items()} == {
            "Учительская": 2,
            "1 Б": 3,
            "1 Б Родители": 3,
        }

        # The teacher links her account.
        page = await system.link("teacher", school.teacher)
        assert page.status_code == 200
        assert "Мария О." in page.text
        linked = (await system.ask(school.teacher, "{ viewer { accountLink { status } } }"))["viewer"]
        assert linked == {"accountLink": {"status": "LINKED"}}

        # She makes a conference for her class.
        starts_at, lasting = datetime.now(UTC) + timedelta(seconds=3), timedelta(seconds=3)
        conference = await make_conference(system, school, starts_at, lasting)
        assert conference["link"] is None

        # The bell rings, and the phone hears it; the end comes, and the phone hears that too.
        heard = await listen(system, school.pupil, conference["id"])
        statuses = [message["status"] for _, message in heard]
        assert statuses[-2:] == ["ACTIVE", "FINISHED"]
        assert [message["version"] for _, message in heard] == sorted({message["version"] for _, message in heard})
        (began, active), (ended, finished) = heard[-2:]
        assert timedelta() <= began - starts_at < timedelta(seconds=1)
        assert timedelta() <= ended - starts_at - lasting < timedelta(seconds=1)
        assert all(message["link"] is None for _, message in heard[:-2])

        # The link worked: it is the one call that Sferum has had, and nobody can be in it any more.
        (call,) = await system.until(lambda calls: calls[0]["finished_at"] is not None, "calls")
        assert call["join_link"] == active["link"]
        assert finished["link"] is None
        gone = (await system.ask(school.pupil, LOOK, id=conference["id"]))["videoconference"]
        assert gone == {"status": "FINISHED", "link": None, "finishedBy": "SCHEDULE", "viewerCan": []}
