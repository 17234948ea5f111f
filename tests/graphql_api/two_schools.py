"""Two small schools of one shape, in which every name is unmistakable and is found in no other text."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from application.roster import LessonSaved, Told
from domain.access import MetaRole, Permission, Viewer
from domain.ids import (
    OrganizationId,
    PersonId,
    class_id,
    default_chat_id,
    group_id,
    lesson_id,
    organization_id,
    participant_id,
    subject_id,
)
from domain.participant import Name, PositionKind
from domain.roster import ORGANIZATION_ADMINISTRATOR
from domain.roster_events import (
    ClassSaved,
    ClassTeacherSet,
    EmployeeHired,
    GroupSaved,
    ParentTied,
    PersonBlocked,
    PersonSaved,
    PupilEnrolled,
    RoleGranted,
    RosterEvent,
)
from graphql_api.global_ids import global_id
from infrastructure.container import Container, assembled
from infrastructure.sandbox.school import issue_token
from infrastructure.settings import load_settings
from tests.e2e.system import free_port
from tests.graphql_api.conftest import serving
from tests.sandbox import Client
from tests.servers import database_of, on_server

A, B = "a", "b"
MARK = "zq"
"""With which every name of these schools begins; in no id, code or message of ours."""

STAFF = {
    "director": PositionKind.ADMINISTRATION,
    "chat-administrator": PositionKind.ADMINISTRATION,
    "class-teacher": PositionKind.PEDAGOGICAL,
    "group-teacher": PositionKind.PEDAGOGICAL,
    "employee": PositionKind.PEDAGOGICAL,
    "outside": PositionKind.OTHER,
    "everything": PositionKind.OTHER,
    **{f"only-{permission}": PositionKind.OTHER for permission in Permission},
    "blocked-director": PositionKind.ADMINISTRATION,
    "blocked-class-teacher": PositionKind.PEDAGOGICAL,
    "blocked-everything": PositionKind.OTHER,
}
PUPILS = {"pupil": "1", "pupil-2": "2", "pupil-3": "3", "blocked-pupil": "1"}
PARENTS = {"parent": "pupil", "parent-2": "pupil-2", "blocked-parent": "pupil"}
CLASS_TEACHERS = {"1": "class-teacher", "3": "blocked-class-teacher"}

SUPERADMINISTRATOR = Viewer(PersonId("superadministrator"), meta_role=MetaRole.SUPERADMINISTRATOR)

CREATE_CHAT = """mutation ($input: CreateChatInput!) { createChat(input: $input) {
  __typename ... on ChatSaved { chat { id } } ... on UnlinkedMembersWarning { confirmation }
  ... on Refusal { problems { code path } }
} }"""
CREATE_CONFERENCE = """mutation ($input: CreateVideoconferenceInput!) { createVideoconference(input: $input) {
  __typename ... on VideoconferenceSaved { videoconference { id } } ... on Refusal { problems { code path } }
} }"""
APPLY = """mutation ($events: [RosterEventInput!]!) { applyRosterEvents(events: $events) {
  __typename ... on Refusal { problems { code message } }
} }"""


def named(school: str, what: str) -> str:
    """The name of whatever it is; a person's last name."""
    return f"{MARK}{school}-{what}"


def person(school: str, role: str) -> PersonId:
    return PersonId(f"{school}-{role}")


def organization(school: str) -> OrganizationId:
    return organization_id(f"school-{school}")


def roster(school: str) -> list[Told]:
    """The whole roster: three classes, a study group of class 1 and one of class 2 with a lesson a day from now on."""
    return [Told(f"told-{number}", event) for number, event in enumerate(_events(school))]


def _events(school: str) -> Iterator[RosterEvent | LessonSaved]:
    for role in (*STAFF, *PUPILS, *PARENTS):
        yield PersonSaved(person(school, role), Name(named(school, role), "Имя"))
    for role, position in STAFF.items():
        yield EmployeeHired(person(school, role), (position,))
    for permission in Permission:
        yield RoleGranted(person(school, f"only-{permission}"), f"may {permission}")
    for role in ("everything", "blocked-everything"):
        yield RoleGranted(person(school, role), "may everything")
    for role in ("director", "blocked-director"):
        yield RoleGranted(person(school, role), ORGANIZATION_ADMINISTRATOR)
    for name in "123":
        yield ClassSaved(name, named(school, f"class-{name}"))
    for name, teacher in CLASS_TEACHERS.items():
        yield ClassTeacherSet(name, person(school, teacher))
    for pupil, name in PUPILS.items():
        yield PupilEnrolled(person(school, pupil), name)
    for parent, child in PARENTS.items():
        yield ParentTied(person(school, parent), person(school, child))
    for group, pupils, teachers in (("1", ["pupil"], ["group-teacher"]), ("2", ["pupil-2"], [])):
        yield GroupSaved(
            group,
            named(school, f"group-{group}"),
            named(school, f"subject-{group}"),
            frozenset(person(school, pupil) for pupil in pupils),
            tuple(person(school, teacher) for teacher in teachers),
        )
        starts_at = datetime.now(UTC) + timedelta(days=1)
        yield LessonSaved(f"lesson-{group}", group, starts_at, starts_at + timedelta(minutes=45))
    for role in (*STAFF, *PUPILS, *PARENTS):
        if role.startswith("blocked-"):
            yield PersonBlocked(person(school, role))


@dataclass
class Schools:
    """The running API, and what a front end of either school does with it."""

    url: str
    container: Container
    http: httpx.AsyncClient
    ids: dict[str, dict[str, str]] = field(default_factory=dict)
    """For each school: the global ids of what people made, by name."""
    _tokens: dict[tuple[str, str], str] = field(default_factory=dict)

    def token(self, school: str, role: str) -> str | None:
        """Roles that are nobody in the roster: superadministrator, roster, and `no token`."""
        if role == "no token":
            return None
        if (school, role) not in self._tokens:
            # Signing takes longer than most requests.
            self._tokens[school, role] = self._issue(school, role)
        return self._tokens[school, role]

    def _issue(self, school: str, role: str) -> str:
        if role == "superadministrator":
            return issue_token(self.container.settings(), sub=role, superadministrator=True)
        scope = "roster" if role == "roster" else None
        return issue_token(self.container.settings(), sub=person(school, role), org=f"school-{school}", scope=scope)

    async def post(self, school: str, role: str, document: str, /, **variables: Any) -> httpx.Response:
        token = self.token(school, role)
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        body = {"query": document, "variables": variables}
        return await self.http.post(f"{self.url}/graphql", json=body, headers=headers)

    async def ask(self, school: str, role: str, document: str, /, **variables: Any) -> Any:
        """The whole body of the answer: data, errors."""
        return (await self.post(school, role, document, **variables)).json()

    async def data(self, school: str, role: str, document: str, /, **variables: Any) -> Any:
        """The data of an operation that must not have errors."""
        body = await self.ask(school, role, document, **variables)
        assert "errors" not in body, body
        return body["data"]

    async def told(self, school: str, *events: dict[str, Any]) -> None:
        """The school system tells these events, each under a new key."""
        keyed = [{name: inside | {"key": uuid4().hex} for name, inside in event.items()} for event in events]
        answer = (await self.data(school, "roster", APPLY, events=keyed))["applyRosterEvents"]
        assert answer["__typename"] == "RosterEventsApplied", answer

    async def make_chat(self, school: str, name: str, **more: Any) -> str:
        """A chat that the organization administrator makes; without more of type OTHER with nobody added."""
        form = {"type": "OTHER", "name": name} | more
        made = (await self.data(school, "director", CREATE_CHAT, input=form))["createChat"]
        if made["__typename"] == "UnlinkedMembersWarning":
            form["confirmation"] = made["confirmation"]
            made = (await self.data(school, "director", CREATE_CHAT, input=form))["createChat"]
        id: str = made["chat"]["id"]
        return id

    async def make_conference(self, school: str, name: str, chat: str, **more: Any) -> str:
        """A conference of the day after tomorrow that the organization administrator makes."""
        form = {"type": "VIDEO_CALL", "name": name, "chatId": chat} | tomorrow() | more
        made = (await self.data(school, "director", CREATE_CONFERENCE, input=form))["createVideoconference"]
        id: str = made["videoconference"]["id"]
        return id


@dataclass
class Socket:
    """A WebSocket that is logged in; subscriptions one after the other."""

    opened: ClientConnection
    asked: int = 0

    async def first(self, document: str, /, **variables: Any) -> Any:
        """The first message of a subscription, which is then ended: its data, or its errors."""
        self.asked += 1
        id, payload = str(self.asked), {"query": document, "variables": variables}
        await self.opened.send(json.dumps({"id": id, "type": "subscribe", "payload": payload}))
        while True:
            message = json.loads(await asyncio.wait_for(self.opened.recv(), 10))
            if message.get("id") == id:
                break
        if message["type"] == "next":
            await self.opened.send(json.dumps({"id": id, "type": "complete"}))
            return message["payload"]
        return {"errors": message["payload"]}


@asynccontextmanager
async def socket(schools: Schools, school: str, role: str) -> AsyncIterator[Socket]:
    """Raises ConnectionClosed when the log-in is refused."""
    url, token = schools.url.replace("http", "ws", 1) + "/graphql", schools.token(school, role)
    async with connect(url, subprotocols=[Subprotocol("graphql-transport-ws")], proxy=None) as opened:
        payload = {"authorization": f"Bearer {token}"} if token else {}
        await opened.send(json.dumps({"type": "connection_init", "payload": payload}))
        acknowledged = json.loads(await asyncio.wait_for(opened.recv(), 10))
        assert acknowledged == {"type": "connection_ack"}
        yield Socket(opened)


def tomorrow() -> dict[str, str]:
    """An hour, as the times of a conference's form."""
    starts_at = datetime.now(UTC) + timedelta(days=1)
    return {"startsAt": starts_at.isoformat(), "endsAt": (starts_at + timedelta(hours=1)).isoformat()}


def id_of(school: str, kind: str, name: str = "") -> str:
    """The global id of what the roster knows: an organization, a person's role, a class, group, subject or lesson."""
    of = organization(school)
    return str(global_id(kind, of if kind == "Organization" else _INSIDE[kind](of, school, name)))


_INSIDE: dict[str, Callable[[OrganizationId, str, str], UUID]] = {
    "Participant": lambda of, school, name: participant_id(of, person(school, name)),
    "SchoolClass": lambda of, school, name: class_id(of, name),
    "StudyGroup": lambda of, school, name: group_id(of, name),
    "Subject": lambda of, school, name: subject_id(of, named(school, f"subject-{name}")),
    "Lesson": lambda of, school, name: lesson_id(of, f"lesson-{name}"),
}


def default_chat(school: str, what: str, name: str | None = None) -> str:
    """The global id of a default chat: `teachers`, or `class` and `parents` of a class."""
    of = organization(school)
    return str(global_id("Chat", default_chat_id(of, what, class_id(of, name) if name else None)))


async def _found(container: Container, school: str) -> None:
    use_cases = container.use_cases()
    id = await use_cases.found_organization(
        school_id=f"school-{school}", name=named(school, "school"), time_zone="Europe/Moscow"
    )
    service = Viewer(person(school, "roster"), id, roster_service=True)
    await use_cases.apply_roster_events(service, roster(school))
    await use_cases.set_chat_administrator(
        SUPERADMINISTRATOR, id, participant_id(id, person(school, "chat-administrator"))
    )


@pytest.fixture
async def schools(postgres: str, redis_url: str, sandbox: Client) -> AsyncIterator[Schools]:
    """Both schools behind one running API; a module of tests names this fixture as its own."""
    template, ids = await _template(postgres, redis_url, sandbox)
    name = f"test_{uuid4().hex}"
    async with _served(postgres, name, template, redis_url, sandbox) as running:
        running.ids = {school: dict(made) for school, made in ids.items()}
        yield running
    await on_server(postgres, f'drop database "{name}" with (force)')


Template = tuple[str, dict[str, dict[str, str]]]
_templates: dict[str, Template] = {}


async def _template(postgres: str, redis_url: str, sandbox: Client) -> Template:
    """The name of a database with both schools and what people made in them, and its ids; made once a server."""
    if postgres not in _templates:
        name = "two_schools"
        async with _served(postgres, name, "postgres", redis_url, sandbox) as running:
            for school in (A, B):
                await _found(running.container, school)
            await _permit(running)
            _templates[postgres] = name, {school: await _made(running, school) for school in (A, B)}
    return _templates[postgres]


@asynccontextmanager
async def _served(postgres: str, name: str, template: str, redis_url: str, sandbox: Client) -> AsyncIterator[Schools]:
    """The API in this process, on a new database of that name."""
    settings = load_settings(
        environment="development",
        database_url=await database_of(postgres, name, template=template),
        redis_url=redis_url,
        port=free_port(),
        sandbox_port=sandbox.settings.sandbox_port,
        data_dir=sandbox.settings.data_dir,
    )
    async with (
        assembled(settings) as container,
        serving(container),
        httpx.AsyncClient(trust_env=False, timeout=20) as http,
    ):
        yield Schools(f"http://127.0.0.1:{settings.port}", container, http)


async def _permit(schools: Schools) -> None:
    """The Superadministrator switches on what each role is named after (RIGHT-04)."""
    roles = (await schools.data(A, "superadministrator", "{ roles { id name } }"))["roles"]
    document = """mutation ($id: ID!, $permissions: [Permission!]!) {
      setRolePermissions(roleId: $id, permissions: $permissions) { __typename }
    }"""
    for role in roles:
        if not role["name"].startswith("may "):
            continue
        permission = role["name"].removeprefix("may ")
        permissions = list(Permission) if permission == "everything" else [permission]
        await schools.data(A, "superadministrator", document, id=role["id"], permissions=permissions)


async def _made(schools: Schools, school: str) -> dict[str, str]:
    """What people make: a chat of group 1, one of hand-picked people, one that is deleted, and conferences."""
    picked = [
        id_of(school, "Participant", role)
        for role in ("everything", "blocked-everything", *(f"only-{permission}" for permission in Permission))
    ]
    made = {
        "teachers": default_chat(school, "teachers"),
        "class-1": default_chat(school, "class", "1"),
        "class-2": default_chat(school, "class", "2"),
        "class-3": default_chat(school, "class", "3"),
        "parents-1": default_chat(school, "parents", "1"),
        "parents-2": default_chat(school, "parents", "2"),
        "subject": await schools.make_chat(
            school, named(school, "subject-chat"), type="SUBJECT", studyGroupId=id_of(school, "StudyGroup", "1")
        ),
        "picked": await schools.make_chat(school, named(school, "picked-chat"), employeeIds=picked),
        "deleted": await schools.make_chat(school, named(school, "deleted-chat")),
    }
    deleted = await schools.data(
        school, "director", "mutation ($id: ID!) { deleteChat(id: $id) { __typename } }", id=made["deleted"]
    )
    assert deleted["deleteChat"]["__typename"] == "ChatDeleted"
    for chat in ("teachers", "class-1", "class-2", "class-3", "parents-1", "parents-2", "subject", "picked"):
        made[f"call-{chat}"] = await schools.make_conference(school, named(school, f"call-{chat}"), made[chat])
    return made
