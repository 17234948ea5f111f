"""A phone waits for a conference: the present state first, then each change once, with the rights of that moment."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from gql import gql
from sqlalchemy.pool import QueuePool

from application.calls import CallToStart, record
from application.ports import OpenCall
from domain.account_link import EducationProfile, link
from domain.audit import SCHEDULE
from domain.ids import PersonId, VideoconferenceId
from graphql_api.global_ids import id_of
from tests.builders import some_tokens
from tests.graphql_api.conftest import Api
from tests.graphql_api.test_registry import CREATE, an_hour, chat_named

WATCH = "subscription ($id: ID!) { videoconference(id: $id) { status link version viewerCan finishedBy } }"
FINISH = "mutation ($id: ID!) { finishVideoconference(id: $id) { __typename } }"
BLOCK = "mutation ($events: [RosterEventInput!]!) { applyRosterEvents(events: $events) { __typename } }"
CALL = OpenCall("6f1f9f0e-4d7b-4c5e-9a55-0d8f3c1b2a77", "https://vk.ru/call/join/x", "Классный час")


async def a_conference(api: Api) -> str:
    """In the chat of 1 Б, begun a minute ago by the database's clock and not yet started, lasting an hour."""
    async with api.container.begin()(SCHEDULE) as uow:
        starts_at = await uow.now() - timedelta(minutes=1)
    times = {"startsAt": starts_at.isoformat(), "endsAt": (starts_at + timedelta(hours=1)).isoformat()}
    form = an_hour(await chat_named(api, "1 Б"), **times)
    id: str = (await api.data("teacher", CREATE, input=form))["createVideoconference"]["videoconference"]["id"]
    return id


def inside(id: str) -> VideoconferenceId:
    found = id_of("Videoconference", id)
    assert found is not None
    return VideoconferenceId(found)


async def start(api: Api, id: str) -> None:
    """It becomes active, as a worker makes it so, with a call that Sferum gives at once."""
    begin = api.container.begin()
    async with begin(SCHEDULE) as uow:
        tokens = some_tokens(expire_at=await uow.now() + timedelta(hours=1))
        profile = EducationProfile("700102", "Ольга Зимина")
        await uow.account_links.save(link(PersonId("manual-teacher"), profile, tokens, at=await uow.now()))
    (work,) = (await api.container.use_cases().keep_time()).work
    assert isinstance(work, CallToStart)
    await record(begin, [(work, CALL)])


async def as_of_the_end(api: Api, id: str, *, minutes_before: int) -> None:
    """The step that the clock takes so long before the end."""
    async with api.container.begin()(SCHEDULE) as uow:
        conference = await uow.videoconferences.find(inside(id), lock=True)
        assert conference is not None
        conference.keep_time(at=conference.slot.end - timedelta(minutes=minutes_before))
        await uow.videoconferences.save(conference)


@asynccontextmanager
async def listening(api: Api, login: str, id: str, document: str = WATCH) -> AsyncIterator[asyncio.Queue[Any]]:
    """What the login's phone hears; None when the subscription is complete."""
    heard: asyncio.Queue[Any] = asyncio.Queue()

    async def listen() -> None:
        request = gql(document)
        request.variable_values = {"id": id}
        async with api.phone(login) as phone:
            async for message in phone.subscribe(request):
                await heard.put(message["videoconference"])
        await heard.put(None)

    task = asyncio.create_task(listen())
    try:
        yield heard
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def next_of(heard: asyncio.Queue[Any]) -> Any:
    return await asyncio.wait_for(heard.get(), 5)


@pytest.mark.rule("CONF-19")
async def test_the_present_state_comes_first_then_every_change_in_order_once_each(api: Api) -> None:
    id = await a_conference(api)

    async with listening(api, "pupil", id) as heard:
        present = await next_of(heard)
        await start(api, id)
        changes = [await next_of(heard)]
        while changes[-1]["status"] != "ACTIVE":
            changes.append(await next_of(heard))
        await api.data("teacher", FINISH, id=id)
        changes.append(await next_of(heard))
        await asyncio.sleep(1.2)

    assert (present["status"], present["link"]) == ("SCHEDULED", None)
    assert [change["status"] for change in changes] == ["STARTING", "ACTIVE", "FINISHED"]
    assert [change["version"] for change in changes] == [present["version"] + step for step in (1, 2, 3)]
    assert [change["link"] for change in changes] == [None, CALL.link, None]
    assert changes[-1]["finishedBy"] == "USER"
    assert heard.empty()


@pytest.mark.rule("CONF-21", "CONF-19")
async def test_five_minutes_and_one_minute_before_the_end_are_told_as_changes(api: Api) -> None:
    id = await a_conference(api)
    await start(api, id)
    document = "subscription ($id: ID!) { videoconference(id: $id) { status minutesLeftNotice version } }"

    async with listening(api, "pupil", id, document) as heard:
        present = await next_of(heard)
        for minutes in (5, 1, 0):
            await as_of_the_end(api, id, minutes_before=minutes)
        changes = [await next_of(heard) for _ in range(3)]

    assert (present["status"], present["minutesLeftNotice"]) == ("ACTIVE", None)
    assert [change["minutesLeftNotice"] for change in changes[:2]] == [5, 1]
    assert [change["status"] for change in changes] == ["ACTIVE", "ACTIVE", "FINISHED"]
    assert [change["version"] for change in changes] == [present["version"] + step for step in (1, 2, 3)]


async def test_who_may_finish_it_is_told_so_while_it_is_active(api: Api) -> None:
    id = await a_conference(api)
    await start(api, id)

    async with listening(api, "teacher", id) as teacher, listening(api, "pupil", id) as pupil:
        assert "FINISH" in (await next_of(teacher))["viewerCan"]
        assert "FINISH" not in (await next_of(pupil))["viewerCan"]


@pytest.mark.parametrize("login", ["outsider", "parent", "roster"])
async def test_who_may_not_know_of_it_is_told_that_it_is_not_found(api: Api, login: str) -> None:
    id = await a_conference(api)

    async with api.phone(login) as phone:
        request = gql(WATCH)
        request.variable_values = {"id": id}
        with pytest.raises(Exception, match="Not found") as refused:
            await anext(phone.subscribe(request))

    assert "NOT_FOUND" in str(refused.value)


async def test_the_subscription_to_one_that_is_deleted_is_complete(api: Api) -> None:
    id = await a_conference(api)

    async with listening(api, "pupil", id) as heard:
        await next_of(heard)
        async with api.container.begin()(SCHEDULE) as uow:
            conference = await uow.videoconferences.find(inside(id), lock=True)
            assert conference is not None
            conference.delete(at=await uow.now())
            await uow.videoconferences.save(conference)

        assert await next_of(heard) is None


async def test_who_is_blocked_meanwhile_hears_nothing_more_of_it_and_never_the_link(api: Api) -> None:
    id = await a_conference(api)

    async with listening(api, "pupil", id) as heard:
        await next_of(heard)
        await api.data("roster", BLOCK, events=[{"personBlocked": {"key": "b", "personId": "manual-pupil"}}])
        await start(api, id)

        assert await next_of(heard) is None


async def test_a_subscription_holds_no_database_connection_while_it_waits(api: Api) -> None:
    id = await a_conference(api)
    pool = api.container.engine().pool
    assert isinstance(pool, QueuePool)

    async with api.phone("teacher") as phone:
        subscriptions = []
        for _ in range(20):
            request = gql(WATCH)
            request.variable_values = {"id": id}
            subscriptions.append(phone.subscribe(request))
            await anext(subscriptions[-1])
        used = []
        for _ in range(10):
            await asyncio.sleep(0.03)
            used.append(pool.checkedout())
        for subscription in subscriptions:
            await subscription.aclose()

    # Only the look at the outbox, once a second for all of them, may be under way.
    assert min(used) == 0
    assert max(used) <= 1


async def test_one_change_is_read_once_whatever_the_number_of_subscribers(api: Api) -> None:
    id = await a_conference(api)

    async with listening(api, "pupil", id) as pupil, listening(api, "teacher", id) as teacher:
        several = [pupil, teacher]
        async with listening(api, "director", id) as director, listening(api, "vorontsova", id) as vorontsova:
            several += [director, vorontsova]
            for heard in several:
                await next_of(heard)
            api.statements.clear()
            await start(api, id)
            for heard in several:
                while (await next_of(heard))["status"] != "ACTIVE":
                    pass
            audiences = [statement for statement in api.statements if "as takes_part" in statement]

    # At most one for each of the two changes: STARTING and ACTIVE.
    assert 1 <= len(audiences) <= 2


async def test_each_message_shows_its_chat_as_it_is_at_that_moment(api: Api) -> None:
    id = await a_conference(api)
    document = "subscription ($id: ID!) { videoconference(id: $id) { status chat { memberCount } } }"
    told = [
        {"personSaved": {"key": "n1", "personId": "new", "lastName": "Новиков", "firstName": "Олег"}},
        {"pupilEnrolled": {"key": "n2", "personId": "new", "classId": "manual-class-1-b"}},
    ]

    async with listening(api, "teacher", id, document) as heard:
        before = await next_of(heard)
        await api.data("roster", BLOCK, events=told)
        await start(api, id)
        after = await next_of(heard)

    assert (before["chat"]["memberCount"], after["chat"]["memberCount"]) == (3, 4)


@pytest.mark.rule("RIGHT-06", "CONF-12")
async def test_who_asks_the_same_in_the_same_words_is_answered_by_rights_of_their_own(api: Api) -> None:
    id = await a_conference(api)
    document = "subscription ($id: ID!) { videoconference(id: $id) { status viewerCan chat { viewerCan } } }"

    async with listening(api, "teacher", id, document) as teacher, listening(api, "pupil", id, document) as pupil:
        before = [await next_of(teacher), await next_of(pupil)]
        await start(api, id)
        after = [await next_of(teacher), await next_of(pupil)]
        while after[0]["status"] != "ACTIVE":
            after = [await next_of(teacher), await next_of(pupil)]

    for of_teacher, of_pupil in (before, after):
        assert "EDIT" in of_teacher["viewerCan"]
        assert "EDIT" in of_teacher["chat"]["viewerCan"]
        assert "EDIT" not in of_pupil["viewerCan"]
        assert of_pupil["chat"]["viewerCan"] == []


async def test_a_change_reaches_the_phone_also_while_redis_is_away(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    id = await a_conference(api)
    async with listening(api, "pupil", id) as heard:
        await next_of(heard)

        async def away(*_: object, **__: object) -> None:
            raise ConnectionError

        monkeypatch.setattr(type(api.container.redis()), "publish", away)
        await start(api, id)
        changes = [await next_of(heard), await next_of(heard)]

    assert [change["status"] for change in changes] == ["STARTING", "ACTIVE"]
