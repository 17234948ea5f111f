"""A person's own conferences: those of now first, then each change once, as they come, change and go (CONF-19)."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection

from domain.audit import SCHEDULE
from domain.ids import VideoconferenceId
from graphql_api.global_ids import id_of as inside_of
from infrastructure.announcements import CHANNEL
from tests.graphql_api import two_schools
from tests.graphql_api.test_withdrawn_rights import an_active_call, hear, taken_out, told
from tests.graphql_api.two_schools import A, B, Schools, id_of, named, socket

schools = two_schools.schools

MINE = """subscription { myVideoconferences {
  __typename
  ... on VideoconferencesNow { videoconferences { id name status link } truncated }
  ... on VideoconferenceChanged { videoconference { id name status link version } }
  ... on VideoconferenceGone { id reason }
} }"""
EDIT_MEMBERS = """mutation ($input: UpdateChatInput!) { updateChat(input: $input) {
  __typename ... on UnlinkedMembersWarning { confirmation } ... on Refusal { problems { code path } }
} }"""
FINISH = "mutation ($id: ID!) { finishVideoconference(id: $id) { __typename } }"
QUIET_SECONDS = 1.5
"""Longer than the process's own look at Postgres takes to come round."""


@asynccontextmanager
async def mine(schools: Schools, role: str, school: str = A) -> AsyncIterator[ClientConnection]:
    async with socket(schools, school, role) as logged_in:
        await logged_in.opened.send(json.dumps({"id": "mine", "type": "subscribe", "payload": {"query": MINE}}))
        yield logged_in.opened


async def news(opened: ClientConnection, seconds: float = 5) -> Any:
    message = await hear(opened, seconds)
    assert message["type"] == "next", message
    assert "errors" not in message["payload"], message
    return message["payload"]["data"]["myVideoconferences"]


async def is_quiet(opened: ClientConnection) -> bool:
    try:
        await hear(opened, QUIET_SECONDS)
    except TimeoutError:
        return True
    return False


async def now_of(schools: Schools) -> datetime:
    async with schools.container.begin()(SCHEDULE) as uow:
        return await uow.now()


async def made(schools: Schools, name: str, chat: str, *, starts_at: datetime, school: str = A) -> str:
    """An hour in a chat."""
    times = {"startsAt": starts_at.isoformat(), "endsAt": (starts_at + timedelta(hours=1)).isoformat()}
    return await schools.make_conference(school, named(school, name), chat, **times)


async def deleted(schools: Schools, id: str) -> None:
    inside = inside_of("Videoconference", id)
    assert inside is not None
    async with schools.container.begin()(SCHEDULE) as uow:
        conference = await uow.videoconferences.find(VideoconferenceId(inside), lock=True)
        assert conference is not None
        conference.delete(at=await uow.now())
        await uow.videoconferences.save(conference)


@pytest.mark.rule("CONF-19", "RIGHT-06")
async def test_the_first_message_names_what_is_active_or_due_today_and_theirs_and_nothing_else(
    schools: Schools,
) -> None:
    now = await now_of(schools)
    active = await an_active_call(schools, "class-1")
    of_today = await made(schools, "today", schools.ids[A]["class-1"], starts_at=now - timedelta(minutes=2))
    await made(schools, "in two days", schools.ids[A]["class-1"], starts_at=now + timedelta(days=2))
    await made(schools, "of another class", schools.ids[A]["class-2"], starts_at=now - timedelta(minutes=1))
    await made(schools, "of another school", schools.ids[B]["class-1"], starts_at=now, school=B)

    async with mine(schools, "pupil") as opened:
        first = await news(opened)

    assert first["__typename"] == "VideoconferencesNow"
    assert not first["truncated"]
    assert [shown["id"] for shown in first["videoconferences"]] == [of_today, active]
    links = {shown["status"]: shown["link"] for shown in first["videoconferences"]}
    assert links["SCHEDULED"] is None
    assert links["ACTIVE"] is not None


@pytest.mark.rule("CONF-19")
async def test_no_more_than_a_hundred_are_named_at_first(schools: Schools) -> None:
    now = await now_of(schools)
    for number in range(101):
        await made(schools, f"call {number}", schools.ids[A]["class-1"], starts_at=now - timedelta(seconds=number + 1))

    async with mine(schools, "pupil") as opened:
        first = await news(opened)

    assert (len(first["videoconferences"]), first["truncated"]) == (100, True)


@pytest.mark.rule("CONF-19", "CONF-12")
async def test_one_that_is_made_is_told_then_each_change_in_order_once_and_then_that_it_is_deleted(
    schools: Schools,
) -> None:
    async with mine(schools, "pupil") as opened:
        first = await news(opened)
        id = await an_active_call(schools, "class-1")
        changes = [await news(opened) for _ in range(3)]
        await schools.data(A, "director", FINISH, id=id)
        changes.append(await news(opened))
        await deleted(schools, id)
        gone = await news(opened)
        quiet = await is_quiet(opened)

    assert first["videoconferences"] == []
    shown = [change["videoconference"] for change in changes]
    assert [change["status"] for change in shown] == ["SCHEDULED", "STARTING", "ACTIVE", "FINISHED"]
    assert [change["version"] for change in shown] == [shown[0]["version"] + step for step in range(4)]
    assert [change["link"] is not None for change in shown] == [False, False, True, False]
    assert gone == {"__typename": "VideoconferenceGone", "id": id, "reason": "DELETED"}
    assert quiet


@pytest.mark.rule("CONF-19")
async def test_a_hint_that_comes_again_tells_nothing_again_of_what_is_there_or_gone(schools: Schools) -> None:
    async with mine(schools, "pupil") as opened:
        await news(opened)
        there = await made(schools, "there", schools.ids[A]["class-1"], starts_at=await now_of(schools))
        gone = await made(schools, "gone", schools.ids[A]["class-1"], starts_at=await now_of(schools))
        await deleted(schools, gone)
        heard = [await news(opened) for _ in range(3)]
        hint = {
            "videoconferences": [str(inside_of("Videoconference", id)) for id in (there, gone)],
            "chats": [],
            "organizations": [],
            "everywhere": False,
        }
        await schools.container.redis().publish(CHANNEL, json.dumps(hint))
        quiet = await is_quiet(opened)

    assert [each["__typename"] for each in heard] == [*["VideoconferenceChanged"] * 2, "VideoconferenceGone"]
    assert quiet


@pytest.mark.rule("CONF-19", "RIGHT-06")
async def test_who_views_the_registry_alone_hears_of_their_own_only(schools: Schools) -> None:
    async with mine(schools, "only-REGISTRY_VIEW") as opened:
        first = await news(opened)
        await an_active_call(schools, "class-2")
        quiet = await is_quiet(opened)

    assert first["videoconferences"] == []
    assert quiet


@pytest.mark.rule("CONF-19", "RIGHT-09")
async def test_who_is_taken_out_of_the_chat_hears_that_it_is_gone_and_who_comes_in_that_it_is_there(
    schools: Schools,
) -> None:
    chat = schools.ids[A]["picked"]
    id = await an_active_call(schools, "picked")
    async with mine(schools, "only-REGISTRY_VIEW") as opened:
        first = await news(opened)
        await taken_out("only-REGISTRY_VIEW", "picked")(schools)
        gone = [await news(opened) for _ in range(2)]
        back = {
            "id": chat,
            "expectedVersion": 1,
            "addMembers": [{"participantId": id_of(A, "Participant", "only-REGISTRY_VIEW"), "capacity": "EMPLOYEE"}],
        }
        answer = await schools.data(A, "director", EDIT_MEMBERS, input=back)
        if answer["updateChat"]["__typename"] == "UnlinkedMembersWarning":
            back["confirmation"] = answer["updateChat"]["confirmation"]
            answer = await schools.data(A, "director", EDIT_MEMBERS, input=back)
        there = [(await news(opened))["videoconference"] for _ in range(2)]

    # The chat has a conference of tomorrow too.
    both = {id, schools.ids[A]["call-picked"]}
    assert [shown["id"] for shown in first["videoconferences"]] == [id]
    assert {each["id"] for each in gone} == both
    assert {each["reason"] for each in gone} == {"NO_LONGER_OPEN_TO_YOU"}
    assert answer["updateChat"]["__typename"] == "ChatSaved"
    assert {each["id"]: each["status"] for each in there} == {id: "ACTIVE", schools.ids[A]["call-picked"]: "SCHEDULED"}
    assert [each["link"] is not None for each in there if each["id"] == id] == [True]


@pytest.mark.rule("CONF-19")
async def test_a_pupil_who_is_enrolled_meanwhile_hears_of_their_new_class_at_once(schools: Schools) -> None:
    id = await an_active_call(schools, "class-1")
    async with mine(schools, "pupil-3") as opened:
        first = await news(opened)
        await told(pupilTransferred={"personId": "a-pupil-3", "classId": "1"})(schools)
        heard = [await news(opened)]
        while heard[-1].get("videoconference", {}).get("id") != id:
            heard.append(await news(opened))

    assert id not in [shown["id"] for shown in first["videoconferences"]]
    assert heard[-1]["videoconference"]["status"] == "ACTIVE"


@pytest.mark.rule("RIGHT-09", "CONF-19")
@pytest.mark.parametrize("event", ["personBlocked", "pupilExpelled"])
async def test_the_subscription_ends_at_once_for_who_is_no_longer_to_see_anything(schools: Schools, event: str) -> None:
    async with mine(schools, "pupil") as opened:
        await news(opened)
        await told(**{event: {"personId": "a-pupil"}})(schools)

        heard = [await hear(opened)]
        while heard[-1]["type"] == "next":
            heard.append(await hear(opened))

    assert heard[-1] == {"id": "mine", "type": "complete"}


@pytest.mark.rule("RIGHT-09", "CONF-12")
async def test_who_is_blocked_in_the_instant_before_the_start_never_hears_the_link(schools: Schools) -> None:
    async with mine(schools, "pupil") as opened:
        await news(opened)
        await told(personBlocked={"personId": "a-pupil"})(schools)
        await an_active_call(schools, "class-1")

        heard = [await hear(opened)]
        while heard[-1]["type"] == "next":
            heard.append(await hear(opened))

    assert heard[-1]["type"] == "complete"
    assert "vk.ru/call" not in json.dumps(heard)


@pytest.mark.parametrize("role", ["blocked-pupil", "roster"])
async def test_who_may_see_nothing_is_told_so_and_nothing_more(schools: Schools, role: str) -> None:
    await an_active_call(schools, "class-1")

    async with mine(schools, role) as opened:
        first, last = await news(opened), await hear(opened)

    assert first == {"__typename": "VideoconferencesNow", "videoconferences": [], "truncated": False}
    assert last == {"id": "mine", "type": "complete"}


@pytest.mark.rule("CONF-19")
async def test_what_another_process_wrote_is_heard_also_while_redis_is_away(
    schools: Schools, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object, **__: object) -> None:
        raise ConnectionError

    async with mine(schools, "pupil") as opened:
        await news(opened)
        monkeypatch.setattr(type(schools.container.redis()), "publish", away)
        await made(schools, "new", schools.ids[A]["class-1"], starts_at=await now_of(schools))
        there = await news(opened)

    assert there["videoconference"]["name"] == named(A, "new")


async def test_one_change_is_read_once_for_all_who_wait_for_theirs(schools: Schools) -> None:
    statements: list[str] = []
    original = schools.container.announcements()._rows

    async def counted(statement: str, **parameters: object) -> Any:
        statements.append(statement)
        return await original(statement, **parameters)

    schools.container.announcements()._rows = counted  # type: ignore[method-assign]
    async with (
        mine(schools, "pupil") as pupil,
        mine(schools, "class-teacher") as teacher,
        mine(schools, "chat-administrator") as administrator,
    ):
        for opened in (pupil, teacher, administrator):
            await news(opened)
        id = await made(schools, "new", schools.ids[A]["class-1"], starts_at=await now_of(schools))
        heard = [await news(opened) for opened in (pupil, teacher, administrator)]
        statements.clear()
        await deleted(schools, id)
        gone = [await news(opened) for opened in (pupil, teacher, administrator)]
        audiences = [statement for statement in statements if "as takes_part" in statement]

    assert {there["videoconference"]["id"] for there in heard} == {id}
    assert [each["reason"] for each in gone] == ["DELETED"] * 3
    assert len(audiences) == 1


async def test_a_socket_that_leaves_takes_everything_with_it(schools: Schools) -> None:
    id = await an_active_call(schools, "class-1")
    announcements = schools.container.announcements()
    async with mine(schools, "pupil") as opened:
        await news(opened)
        watched = announcements.watched
    for _ in range(100):
        if not announcements.watched:
            break
        await asyncio.sleep(0.02)

    assert inside_of("Videoconference", id) in watched
    assert announcements.watched == frozenset()
