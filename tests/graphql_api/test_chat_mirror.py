"""What people see of a chat's mirror in Sferum: of each member, of the chat, of the school, and of whoever must act."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Table, event, update
from sqlalchemy.dialects.postgresql import insert

from domain.mirror import REFUSED_FOR
from graphql_api.global_ids import id_of as inside_of
from infrastructure.announcements import CHANNEL
from infrastructure.db import tables
from tests.graphql_api import two_schools
from tests.graphql_api.two_schools import A, B, Schools, id_of, named, organization, person, socket

schools = two_schools.schools

SINCE = datetime(2026, 9, 1, 8, 0, tzinfo=UTC)
REFUSED_UNTIL = SINCE + REFUSED_FOR
LINK = "https://vk.me/join/x"

MEMBERS = """query ($id: ID!, $filter: MembershipFilter) { chat(id: $id) { members(filter: $filter, first: 100) {
  totalCount edges { node { participant { id fullName } sferumState refusal } }
} } }"""
MIRROR = """query ($id: ID!) { chat(id: $id) {
  mirror { state inSferumCount pendingCount leavingCount behindSince lastError }
} }"""
COUNTED = "{ organization { mirror { inStep behind waiting broken oldestBehindSince } } }"
ATTENTION = """query ($first: Int, $after: String) { organization { attention(first: $first, after: $after) {
  totalCount pageInfo { endCursor }
  edges { node { kind since message chat { id } participant { id } videoconference { id } } }
} } }"""
RESYNC = """mutation ($id: ID!) { resyncChat(id: $id) {
  __typename ... on ResyncStarted { chat { id viewerCan } } ... on Refusal { problems { code path } }
} }"""
FOLLOW = "subscription ($id: ID!) { chatMirror(chatId: $id) { state inSferumCount pendingCount } }"
ALL_CHATS = """{ chats(first: 20) { edges { node {
  mirror { state inSferumCount } members(first: 3, filter: { sferumState: NOT_LINKED }) { edges { node { refusal } } }
} } } }"""

WHOLE = {"chat-administrator": True, "class-teacher": True, "pupil": False}
"""Who should be in the mirror of class 1, once all have linked."""


def profile(role: str) -> str:
    return f"profile of {role}"


async def link(schools: Schools, *roles: str, works: bool = True, school: str = A) -> None:
    for role in roles:
        row = {"tokens": b"sealed" if works else None, "linked_at": SINCE, "display_name": "Имя"}
        key = {"person_id": person(school, role), "profile_id": profile(role)}
        await put(schools, tables.account_links, "person_id", key | row)


async def put_mirror(schools: Schools, chat: str, **columns: Any) -> None:
    """The mirror as a worker left it: settled and in step unless told otherwise. People are named by their roles."""
    row: dict[str, Any] = {"state": "IN_STEP", "touched": 1, "settled": 1, "due_at": None, "error": None} | columns
    row["members"] = {profile(role): administers for role, administers in columns.get("members", {}).items()}
    row["refused"] = {profile(role): REFUSED_UNTIL.isoformat() for role in columns.get("refused", ())}
    if row["members"]:
        row.setdefault("title", named(A, chat))
        row.setdefault("owner", next(iter(row["members"])))
    key = {"chat_id": inside_of("Chat", schools.ids[A][chat]), "organization_id": organization(A)}
    await put(schools, tables.mirrors, "chat_id", key | row)


async def put(schools: Schools, table: Table, key: str, row: dict[str, Any]) -> None:
    statement = insert(table).values(row)
    async with schools.container.engine().begin() as connection:
        await connection.execute(statement.on_conflict_do_update(index_elements=[key], set_=row))


async def settle_all(schools: Schools) -> None:
    """No chat of either school has anything to do with Sferum yet, and the chat administrator is linked."""
    async with schools.container.engine().begin() as connection:
        await connection.execute(
            update(tables.mirrors).values(state="NOT_NEEDED", settled=tables.mirrors.c.touched, due_at=None)
        )
    await link(schools, "chat-administrator")


async def members(schools: Schools, role: str, chat: str, **filter: Any) -> dict[str, tuple[str | None, str | None]]:
    """The state and the refusal of each member that is shown, by role."""
    found = (await schools.data(A, role, MEMBERS, id=schools.ids[A][chat], filter=filter))["chat"]["members"]
    nodes = [edge["node"] for edge in found["edges"]]
    assert found["totalCount"] == len(nodes)
    return {
        node["participant"]["fullName"].removeprefix(named(A, "")).removesuffix(" Имя"): (
            node["sferumState"],
            node["refusal"],
        )
        for node in nodes
    }


async def mirror(schools: Schools, chat: str, role: str = "director") -> Any:
    return (await schools.data(A, role, MIRROR, id=schools.ids[A][chat]))["chat"]["mirror"]


async def attention(schools: Schools, **page: Any) -> list[Any]:
    found = (await schools.data(A, "director", ATTENTION, **page))["organization"]["attention"]
    return [edge["node"] for edge in found["edges"]]


def moscow(instant: datetime) -> str:
    return instant.astimezone(ZoneInfo("Europe/Moscow")).isoformat()


@pytest.mark.rule("SYNC-04", "CHAT-12", "CHAT-25")
async def test_each_member_shows_their_state_in_sferum(schools: Schools) -> None:
    await link(schools, "class-teacher", "pupil", "blocked-pupil")
    await put_mirror(schools, "class-1", members={"class-teacher": True, "blocked-pupil": False}, refused=["pupil"])
    before = await members(schools, "director", "class-1")

    await link(schools, "chat-administrator")
    after = await members(schools, "director", "class-1")

    assert {role: state for role, (state, _) in before.items()} == {
        "chat-administrator": "NOT_LINKED",
        "class-teacher": "IN_CHAT",
        "pupil": "REFUSED",
        "blocked-pupil": "BLOCKED",
    }
    assert after["chat-administrator"] == ("PENDING", None)


@pytest.mark.rule("SYNC-04")
async def test_a_withdrawn_link_leaves_a_member_in_sferum_where_they_are(schools: Schools) -> None:
    await link(schools, "class-teacher", "pupil", works=False)
    await put_mirror(schools, "class-1", members={"class-teacher": True})

    found = await members(schools, "director", "class-1")

    assert (found["class-teacher"][0], found["pupil"][0]) == ("IN_CHAT", "PENDING")


@pytest.mark.rule("SYNC-04", "RIGHT-10")
async def test_whom_sferum_refuses_is_told_why_and_what_to_do_and_who_edits_the_chat_also_the_link(
    schools: Schools,
) -> None:
    await link(schools, "class-teacher", "pupil")
    await put_mirror(schools, "class-1", members={"class-teacher": True}, refused=["pupil"], invite_link=LINK)

    to_editor = (await members(schools, "class-teacher", "class-1"))["pupil"][1]
    to_themselves = (await members(schools, "pupil", "class-1"))["pupil"][1]
    to_others = (await members(schools, "only-REGISTRY_VIEW", "class-1"))["pupil"]

    assert to_editor is not None
    assert LINK in to_editor
    assert "приватности" in to_editor
    assert to_themselves is not None
    assert LINK not in to_themselves
    assert "приватности" in to_themselves
    assert to_others == (None, None)


@pytest.mark.rule("RIGHT-10")
async def test_where_others_stand_is_not_told_to_who_may_not_edit_the_chat_and_not_by_the_filter_either(
    schools: Schools,
) -> None:
    await link(schools, "class-teacher", "pupil")
    await put_mirror(schools, "class-1", members={"class-teacher": True, "pupil": False})

    shown = await members(schools, "pupil", "class-1")
    filtered = await members(schools, "pupil", "class-1", sferumState="IN_CHAT")
    others = await members(schools, "pupil", "class-1", sferumState="NOT_LINKED")
    nobody = await members(schools, "only-REGISTRY_VIEW", "class-1", sferumState="IN_CHAT")
    editor = await members(schools, "class-teacher", "class-1", sferumState="IN_CHAT")

    assert {role for role, (state, _) in shown.items() if state is not None} == {"pupil"}
    assert (set(filtered), set(others), set(nobody)) == ({"pupil"}, set(), set())
    assert set(editor) == {"class-teacher", "pupil"}
    assert await mirror(schools, "class-1", "pupil") is None


@pytest.mark.rule("SYNC-04")
async def test_a_chat_shows_who_is_in_its_mirror_who_is_to_come_who_is_to_leave_and_since_when(
    schools: Schools,
) -> None:
    await link(schools, "chat-administrator", "class-teacher", "pupil", "blocked-pupil", "pupil-2")
    there = {"chat-administrator": True, "blocked-pupil": False, "pupil-2": False}
    behind = {"state": "BEHIND", "error": "RATE_LIMITED", "behind_since": SINCE}
    await put_mirror(schools, "class-1", members=there, refused=["class-teacher"], **behind)

    found = await mirror(schools, "class-1")
    of_nothing = await mirror(schools, "class-2")

    assert found == {
        "state": "BEHIND",
        "inSferumCount": 1,
        "pendingCount": 1,
        "leavingCount": 2,
        "behindSince": moscow(SINCE),
        "lastError": "RATE_LIMITED",
    }
    assert (of_nothing["inSferumCount"], of_nothing["leavingCount"], of_nothing["lastError"]) == (0, 0, None)


@pytest.mark.rule("SYNC-04")
@pytest.mark.parametrize(
    ("differs", "there", "title"),
    [
        ("nothing", WHOLE, "class-1"),
        ("somebody to come", {"chat-administrator": True, "class-teacher": True}, "class-1"),
        ("somebody to leave", WHOLE | {"pupil-2": False}, "class-1"),
        ("a role", WHOLE | {"class-teacher": False}, "class-1"),
        ("the title", WHOLE, "class-2"),
    ],
)
async def test_a_mirror_in_step_is_behind_from_when_the_chat_became_other_than_it(
    schools: Schools, differs: str, there: dict[str, bool], title: str
) -> None:
    await link(schools, *there, "pupil")
    facts = {"members": there, "title": named(A, title), "touched_at": SINCE}
    await put_mirror(schools, "class-1", **facts)
    settled = await mirror(schools, "class-1")

    await put_mirror(schools, "class-1", **facts, touched=2)
    touched = await mirror(schools, "class-1")

    expected = ("IN_STEP", None) if differs == "nothing" else ("BEHIND", moscow(SINCE))
    assert (settled["state"], settled["behindSince"]) == ("IN_STEP", None)
    assert (touched["state"], touched["behindSince"]) == expected


@pytest.mark.rule("SYNC-04")
async def test_the_school_counts_its_mirrors_by_their_state_for_who_views_the_registry(schools: Schools) -> None:
    await settle_all(schools)
    await link(schools, "class-teacher", "pupil")
    await put_mirror(schools, "class-2", members={"chat-administrator": True})
    await put_mirror(schools, "class-1", members={"chat-administrator": True}, touched=2, touched_at=SINCE)
    await put_mirror(schools, "parents-2", state="WAITING_FOR_CHAT_ADMINISTRATOR", behind_since=SINCE)
    week = timedelta(days=7)
    await put_mirror(schools, "parents-1", state="BEHIND", behind_since=SINCE - week)
    await put_mirror(schools, "picked", state="BROKEN", error="CHAT_FULL", behind_since=SINCE)
    await put_mirror(schools, "deleted", state="BROKEN", error="NO_PERMISSION", behind_since=SINCE - 2 * week)

    counted = (await schools.data(A, "director", COUNTED))["organization"]["mirror"]
    to_teacher = (await schools.data(A, "class-teacher", COUNTED))["organization"]["mirror"]
    elsewhere = (await schools.data(B, "director", COUNTED))["organization"]["mirror"]

    expected = {"inStep": 1, "behind": 2, "waiting": 1, "broken": 1, "oldestBehindSince": moscow(SINCE - week)}
    assert counted == expected
    assert to_teacher is None
    assert elsewhere["broken"] == 0


async def test_mirrors_and_members_of_all_chats_of_a_page_are_two_statements_more(schools: Schools) -> None:
    statements: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if "outbox" not in statement:
            statements.append(statement)

    event.listen(schools.container.engine().sync_engine, "before_cursor_execute", note)
    page = (await schools.data(A, "director", ALL_CHATS))["chats"]["edges"]

    assert len(page) > 5
    # The viewer's rights, the page, its mirrors, its members.
    assert len(statements) == 4


@pytest.mark.rule("SYNC-04", "SYNC-06")
async def test_attention_names_what_stops_a_mirror_and_where(schools: Schools) -> None:
    await settle_all(schools)
    await link(schools, "class-teacher", "pupil")
    hour = timedelta(hours=1)
    inside = {"chat-administrator": True}
    await put_mirror(schools, "class-1", members=inside, refused=["pupil"])
    human = {"state": "BROKEN", "error": "HUMAN_CHECK_NEEDED", "behind_since": SINCE + hour}
    await put_mirror(schools, "teachers", members=inside, **human)
    full = {"state": "BROKEN", "error": "CHAT_FULL", "behind_since": SINCE + 2 * hour}
    await put_mirror(schools, "picked", members=inside, **full)

    found = await attention(schools)

    chats = schools.ids[A]
    assert [(item["kind"], item["chat"]["id"], item["since"]) for item in found] == [
        ("MEMBER_REFUSED", chats["class-1"], moscow(SINCE)),
        ("HUMAN_CHECK_NEEDED", chats["teachers"], moscow(SINCE + hour)),
        ("CHAT_BROKEN", chats["picked"], moscow(SINCE + 2 * hour)),
    ]
    assert [item["participant"] for item in found] == [{"id": id_of(A, "Participant", "pupil")}, None, None]
    assert "проверку" in found[1]["message"]
    assert "нет места" in found[2]["message"]
    assert named(A, "pupil") in found[0]["message"]
    assert named(A, "class-1") in found[0]["message"]


@pytest.mark.rule("SYNC-06")
async def test_while_no_account_works_each_person_who_should_be_out_is_listed_to_administrators(
    schools: Schools,
) -> None:
    await settle_all(schools)
    await link(schools, "class-teacher", "pupil-2", "blocked-pupil")
    await link(schools, "chat-administrator", works=False)
    # Of who has unlinked nobody knows whose profile it is.
    there = dict.fromkeys(("chat-administrator", "class-teacher", "pupil-2", "blocked-pupil", "unlinked"), False)
    waits = {"state": "WAITING_FOR_CHAT_ADMINISTRATOR", "behind_since": SINCE}
    await put_mirror(schools, "class-1", members=there, **waits)
    waiting = [item for item in await attention(schools) if item["chat"]]

    await put_mirror(schools, "class-1", members=there, state="BEHIND", error="UNAVAILABLE", behind_since=SINCE)
    working = [item for item in await attention(schools) if item["chat"]]

    assert {item["kind"] for item in waiting} == {"CHAT_BROKEN"}
    who = [item["participant"] and item["participant"]["id"] for item in waiting]
    assert who == [id_of(A, "Participant", "blocked-pupil"), id_of(A, "Participant", "pupil-2"), None]
    assert all("не должен быть" in item["message"] for item in waiting)
    assert working == []


@pytest.mark.rule("SYNC-06")
async def test_who_is_still_in_the_mirror_of_a_deleted_chat_is_listed_too_and_the_chat_is_named(
    schools: Schools,
) -> None:
    await settle_all(schools)
    await link(schools, "pupil")
    broken = {"state": "BROKEN", "error": "NO_PERMISSION", "behind_since": SINCE}
    await put_mirror(schools, "deleted", members={"pupil": True}, title=named(A, "deleted-chat"), **broken)

    (item,) = await attention(schools)

    assert (item["chat"], item["participant"]) == (None, {"id": id_of(A, "Participant", "pupil")})
    assert named(A, "deleted-chat") in item["message"]


@pytest.mark.rule("SYNC-03")
async def test_a_chat_of_which_only_an_account_that_works_no_more_could_tell_waits_for_its_owner(
    schools: Schools,
) -> None:
    await settle_all(schools)
    request = {"id": uuid4(), "chat_id": inside_of("Chat", schools.ids[A]["class-1"]), "asked_at": SINCE}
    asked = {"account": person(A, "class-teacher"), "profile": profile("class-teacher"), "given_up": False}
    await put(schools, tables.chat_requests, "id", request | asked)
    await put_mirror(schools, "class-1", state="BEHIND", request_id=request["id"], behind_since=SINCE)
    await link(schools, "class-teacher")
    working = await attention(schools)

    await link(schools, "class-teacher", works=False)
    (item,) = await attention(schools)

    assert working == []
    assert (item["kind"], item["chat"]["id"]) == ("ORPHAN_QUARANTINED", schools.ids[A]["class-1"])
    assert item["participant"] == {"id": id_of(A, "Participant", "class-teacher")}


async def test_a_conference_that_waits_for_a_check_by_a_person_is_named(schools: Schools) -> None:
    await settle_all(schools)
    call = schools.ids[A]["call-class-1"]
    conferences = tables.videoconferences
    async with schools.container.engine().begin() as connection:
        await connection.execute(
            update(conferences)
            .where(conferences.c.id == inside_of("Videoconference", call))
            .values(start_problem="HUMAN_CHECK_NEEDED")
        )

    (item,) = await attention(schools)

    assert (item["kind"], item["videoconference"]) == ("HUMAN_CHECK_NEEDED", {"id": call})
    assert "Видеоконференция" in item["message"]


async def test_what_waits_is_paged_the_longest_first_and_a_page_is_one_statement_for_all_its_chats(
    schools: Schools,
) -> None:
    await settle_all(schools)
    chats = ["class-1", "class-2", "parents-1", "parents-2", "picked"]
    for hours, chat in enumerate(chats):
        broken = {"state": "BROKEN", "error": "NO_PERMISSION", "behind_since": SINCE + timedelta(hours=hours)}
        await put_mirror(schools, chat, members={"chat-administrator": True}, **broken)

    first = (await schools.data(A, "director", ATTENTION, first=2))["organization"]["attention"]
    rest = (await schools.data(A, "director", ATTENTION, first=3, after=first["pageInfo"]["endCursor"]))["organization"]

    shown = [edge["node"]["chat"]["id"] for page in (first, rest["attention"]) for edge in page["edges"]]
    assert shown == [schools.ids[A][chat] for chat in chats]
    assert (first["totalCount"], rest["attention"]["totalCount"]) == (5, 5)


@asynccontextmanager
async def following(schools: Schools, role: str, chat: str) -> AsyncIterator[asyncio.Queue[Any]]:
    """What the subscription hears; None when it is complete."""
    heard: asyncio.Queue[Any] = asyncio.Queue()

    async def listen(opened: Any) -> None:
        async for raw in opened:
            message = json.loads(raw)
            if message["type"] == "next":
                await heard.put(message["payload"]["data"]["chatMirror"])
            elif message["type"] == "complete":
                await heard.put(None)

    async with socket(schools, A, role) as logged_in:
        payload = {"query": FOLLOW, "variables": {"id": schools.ids[A][chat]}}
        await logged_in.opened.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
        task = asyncio.create_task(listen(logged_in.opened))
        try:
            yield heard
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def next_of(heard: asyncio.Queue[Any]) -> Any:
    return await asyncio.wait_for(heard.get(), 5)


@pytest.mark.rule("SYNC-04")
async def test_who_follows_a_mirror_hears_how_it_is_and_then_each_other_state_and_no_repetition(
    schools: Schools,
) -> None:
    await link(schools, "chat-administrator", "pupil")
    await put_mirror(schools, "class-1", state="BEHIND", members={"chat-administrator": True})

    async with following(schools, "class-teacher", "class-1") as heard:
        present = await next_of(heard)
        await put_mirror(schools, "class-1", members={"chat-administrator": True, "pupil": False})
        await schools.container.redis().publish(CHANNEL, "{}")
        became = await next_of(heard)
        # Without a hint it is seen at the next look; what is as it was is not told.
        await put_mirror(schools, "class-1", members={"chat-administrator": True, "pupil": False}, tries=3)
        await put_mirror(schools, "class-2", state="BROKEN")
        await asyncio.sleep(2.5)
        await put_mirror(schools, "class-1", members={"chat-administrator": True})
        at_last = await next_of(heard)

    assert present == {"state": "BEHIND", "inSferumCount": 1, "pendingCount": 1}
    assert became == {"state": "IN_STEP", "inSferumCount": 2, "pendingCount": 0}
    assert at_last == {"state": "IN_STEP", "inSferumCount": 1, "pendingCount": 1}


@pytest.mark.rule("RIGHT-09")
@pytest.mark.parametrize("how", ["replaced", "blocked", "the chat is deleted"])
async def test_whoever_may_edit_the_chat_no_more_follows_its_mirror_no_more(schools: Schools, how: str) -> None:
    role, chat = ("class-teacher", "class-1")
    if how == "the chat is deleted":
        role, schools.ids[A]["empty"] = "director", await schools.make_chat(A, "Кружок")
        chat = "empty"

    async with following(schools, role, chat) as heard:
        present = await next_of(heard)
        match how:
            case "replaced":
                await schools.told(A, {"classTeacherSet": {"classId": "1"}})
            case "blocked":
                await schools.told(A, {"personBlocked": {"personId": "a-class-teacher"}})
            case _:
                document = "mutation ($id: ID!) { deleteChat(id: $id) { __typename } }"
                await schools.data(A, "director", document, id=schools.ids[A][chat])
        after = await next_of(heard)
        while after is not None:
            after = await next_of(heard)

    assert present["state"]
    assert heard.empty()


@pytest.mark.rule("SYNC-05")
async def test_who_may_edit_a_chat_has_its_mirror_compared_at_once_and_nobody_else(schools: Schools) -> None:
    await put_mirror(schools, "class-1", members=WHOLE, looked_at=SINCE)
    id = schools.ids[A]["class-1"]

    refused = (await schools.data(A, "pupil", RESYNC, id=id))["resyncChat"]
    not_there = (await schools.data(A, "group-teacher", RESYNC, id=id))["resyncChat"]
    untouched = await stored(schools, "class-1")
    started = (await schools.data(A, "class-teacher", RESYNC, id=id))["resyncChat"]
    touched = await stored(schools, "class-1")

    assert refused["problems"] == [{"code": "FORBIDDEN", "path": []}]
    assert not_there["problems"] == [{"code": "NOT_FOUND", "path": ["id"]}]
    assert (untouched.looked_at, untouched.touched, untouched.due_at) == (SINCE, 1, None)
    assert (started["__typename"], started["chat"]["id"]) == ("ResyncStarted", id)
    assert "RESYNC" in started["chat"]["viewerCan"]
    assert (touched.looked_at, touched.touched) == (None, 2)
    assert touched.due_at is not None
    assert touched.due_at < datetime.now(UTC)


async def stored(schools: Schools, chat: str) -> Any:
    mirrors = tables.mirrors
    async with schools.container.engine().connect() as connection:
        query = mirrors.select().where(mirrors.c.chat_id == inside_of("Chat", schools.ids[A][chat]))
        return (await connection.execute(query)).one()
