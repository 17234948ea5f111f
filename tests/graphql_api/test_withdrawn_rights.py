"""A right that is withdrawn takes with it what was open by it, also while the conference itself stays as it is."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection

from application.calls import CallToStart, record
from application.ports import OpenCall
from domain.account_link import EducationProfile, link
from domain.audit import SCHEDULE
from graphql_api.global_ids import id_of as inside_of
from tests.builders import some_tokens
from tests.graphql_api import two_schools
from tests.graphql_api.two_schools import A, Schools, id_of, named, person, socket

schools = two_schools.schools

WITHIN_SECONDS = 5
WATCH = "subscription ($id: ID!) { videoconference(id: $id) { status link version } }"
NOW = "query ($id: ID!) { videoconference(id: $id) { status link version } }"
EDIT = "mutation ($input: UpdateChatInput!) { updateChat(input: $input) { __typename } }"
PERMIT = """mutation ($role: ID!, $permissions: [Permission!]!) {
  setRolePermissions(roleId: $role, permissions: $permissions) { __typename }
}"""
CALL = OpenCall("6f1f9f0e-4d7b-4c5e-9a55-0d8f3c1b2a77", "https://vk.ru/call/join/x", "Звонок")

Withdraw = Callable[[Schools], Awaitable[None]]


def told(**event: Any) -> Withdraw:
    async def withdraw(schools: Schools) -> None:
        await schools.told(A, event)

    return withdraw


def taken_out(role: str, chat: str) -> Withdraw:
    async def withdraw(schools: Schools) -> None:
        edit = {"id": schools.ids[A][chat], "expectedVersion": 0, "removeMembers": [id_of(A, "Participant", role)]}
        answer = await schools.data(A, "director", EDIT, input=edit)
        assert answer["updateChat"]["__typename"] == "ChatSaved"

    return withdraw


async def switched_off(schools: Schools) -> None:
    roles = (await schools.data(A, "superadministrator", "{ roles { id name } }"))["roles"]
    role = next(role["id"] for role in roles if role["name"] == "may REGISTRY_VIEW")
    answer = await schools.data(A, "superadministrator", PERMIT, role=role, permissions=[])
    assert answer["setRolePermissions"]["__typename"] == "RolePermissionsSet"


WITHDRAWN: dict[str, tuple[str, str, Withdraw]] = {
    "who is blocked": ("pupil", "class-1", told(personBlocked={"personId": "a-pupil"})),
    "who is taken out of the chat": ("pupil", "class-1", taken_out("pupil", "class-1")),
    "who is expelled": ("pupil", "class-1", told(pupilExpelled={"personId": "a-pupil"})),
    "who goes to another class": ("pupil", "class-1", told(pupilTransferred={"personId": "a-pupil", "classId": "2"})),
    "who is dismissed": ("employee", "teachers", told(employeeDismissed={"personId": "a-employee"})),
    "the class teacher who is replaced": ("class-teacher", "class-1", told(classTeacherSet={"classId": "1"})),
    "whose tie to their child ends": (
        "parent",
        "parents-1",
        told(parentUntied={"parentId": "a-parent", "pupilId": "a-pupil"}),
    ),
    "whose child is expelled": ("parent", "parents-1", told(pupilExpelled={"personId": "a-pupil"})),
    "whose role is withdrawn": (
        "only-REGISTRY_VIEW",
        "class-2",
        told(roleWithdrawn={"personId": "a-only-REGISTRY_VIEW", "role": "may REGISTRY_VIEW"}),
    ),
    "whose role's permission is switched off": ("only-REGISTRY_VIEW", "class-2", switched_off),
    "the administrator who is blocked": ("director", "class-2", told(personBlocked={"personId": "a-director"})),
}


WITH_REDIS, WITHOUT = "with hints over Redis", "without"


@pytest.fixture
def hints(request: pytest.FixtureRequest, schools: Schools, monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis says that there is something to look at, or is away."""

    async def away(*_: object, **__: object) -> None:
        raise ConnectionError

    if request.param == WITHOUT:
        monkeypatch.setattr(type(schools.container.redis()), "publish", away)


async def an_active_call(schools: Schools, chat: str) -> str:
    """In the chat, begun by the database's clock, with a call that Sferum gives at once."""
    begin = schools.container.begin()
    async with begin(SCHEDULE) as uow:
        now = await uow.now()
        tokens = some_tokens(expire_at=now + timedelta(hours=1))
        profile = EducationProfile("700102", "Имя")
        await uow.account_links.save(link(person(A, "chat-administrator"), profile, tokens, at=now))
    times = {"startsAt": (now - timedelta(minutes=1)).isoformat(), "endsAt": (now + timedelta(hours=1)).isoformat()}
    id = await schools.make_conference(A, named(A, "active"), schools.ids[A][chat], **times)
    (work,) = (await schools.container.use_cases().keep_time()).work
    assert isinstance(work, CallToStart)
    inside = inside_of("Videoconference", id)
    assert inside is not None
    await record(begin, [(work, CALL)])
    return id


@asynccontextmanager
async def watching(schools: Schools, role: str, id: str) -> AsyncIterator[ClientConnection]:
    async with socket(schools, A, role) as logged_in:
        payload = {"query": WATCH, "variables": {"id": id}}
        await logged_in.opened.send(json.dumps({"id": "watch", "type": "subscribe", "payload": payload}))
        yield logged_in.opened


async def hear(opened: ClientConnection, seconds: float = 10) -> Any:
    """The next message of the subscription."""
    async with asyncio.timeout(seconds):
        while (message := json.loads(await opened.recv()))["type"] == "ping":
            pass
    return message


@pytest.mark.rule("RIGHT-09", "CONF-19", "CHAT-25")
@pytest.mark.usefixtures("hints")
@pytest.mark.parametrize(
    ("hints", "who"),
    [
        *((WITH_REDIS, who) for who in WITHDRAWN),
        (WITHOUT, "who is blocked"),
        (WITHOUT, "whose tie to their child ends"),
        (WITHOUT, "whose role's permission is switched off"),
    ],
    indirect=["hints"],
)
async def test_a_subscription_ends_within_five_seconds_for(schools: Schools, who: str) -> None:
    role, chat, withdraw = WITHDRAWN[who]
    id = await an_active_call(schools, chat)
    async with watching(schools, role, id) as opened:
        present = (await hear(opened))["payload"]["data"]["videoconference"]

        await withdraw(schools)
        began = time.monotonic()
        message = await hear(opened)
        took = time.monotonic() - began

    assert present["status"] == "ACTIVE"
    assert message == {"id": "watch", "type": "complete"}
    assert took < WITHIN_SECONDS
    unchanged = (await schools.data(A, "superadministrator", NOW, id=id))["videoconference"]
    assert (unchanged["status"], unchanged["version"]) == ("ACTIVE", present["version"])


@pytest.mark.rule("RIGHT-09", "CONF-12")
@pytest.mark.usefixtures("hints")
@pytest.mark.parametrize("hints", [WITH_REDIS, WITHOUT], indirect=True)
async def test_who_keeps_the_registry_alone_goes_on_watching_and_loses_the_link(schools: Schools) -> None:
    id = await an_active_call(schools, "picked")
    async with watching(schools, "only-REGISTRY_VIEW", id) as opened:
        present = (await hear(opened))["payload"]["data"]["videoconference"]

        await taken_out("only-REGISTRY_VIEW", "picked")(schools)
        message = await hear(opened, WITHIN_SECONDS)
        await schools.data(
            A, "director", "mutation ($id: ID!) { finishVideoconference(id: $id) { __typename } }", id=id
        )
        last = await hear(opened)

    assert present["link"] == CALL.link
    assert message["payload"]["data"]["videoconference"] == present | {"link": None}
    assert last["payload"]["data"]["videoconference"]["status"] == "FINISHED"


@pytest.mark.rule("RIGHT-09")
async def test_who_keeps_every_right_hears_nothing_of_what_others_lose(schools: Schools) -> None:
    id = await an_active_call(schools, "class-1")
    async with watching(schools, "class-teacher", id) as opened:
        await hear(opened)

        await told(personBlocked={"personId": "a-pupil"})(schools)

        with pytest.raises(TimeoutError):
            await hear(opened, 2)
