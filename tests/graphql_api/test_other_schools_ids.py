"""No id of another school, of another kind, of what is gone or of nothing answers with more than one that never was."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    build_client_schema,
    get_introspection_query,
    get_named_type,
    is_required_argument,
    is_required_input_field,
)
from websockets.exceptions import ConnectionClosedError

from domain.access import Permission
from graphql_api.global_ids import global_id
from tests.graphql_api import two_schools
from tests.graphql_api.selections import selection
from tests.graphql_api.two_schools import MARK, A, B, Schools, Socket, id_of, socket, tomorrow

schools = two_schools.schools

KINDS = ("Organization", "Participant", "SchoolClass", "StudyGroup", "Subject", "Lesson")
TAKE_SEVERAL_KINDS = {"Query.node id", "Query.audit filter.subjectId"}
TELLS_OF_WHAT_IS_GONE = {"Query.audit filter.subjectId"}
GARBAGE = (
    "",
    "0",
    "\N{COLLISION SYMBOL}",
    "Q2hhdDo",
    "Chat:00000000-0000-0000-0000-000000000000",
    "' or true --",
    "%%%%",
    "A" * 10_000,
    "Q2hhdDpub3QtYW4taWQ",
)
DEPTH = 3
OF_A_NODE = 2
"""So deep may be asked of everything that a node can be: the document stays within its limit."""


@dataclass(frozen=True)
class Place:
    """Where the schema takes an id: an argument of a field, or a field of an input within it."""

    type: str
    field: str
    path: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.type}.{self.field} {'.'.join(self.path)}"


def base_arguments(schools: Schools) -> dict[str, dict[str, Any]]:
    """Arguments in which nothing is wrong, for each field, or for one place where the field's do not do.

    A field that is not named here is given the least that it requires.
    """
    made = schools.ids[A]
    call = {"type": "VIDEO_CALL", "name": "Звонок", "chatId": made["parents-1"]} | tomorrow()
    lesson = {"type": "ONLINE_LESSON", "name": "Урок", "chatId": made["subject"]} | tomorrow()
    return {
        "Mutation.createChat": {"input": {"type": "OTHER", "name": "Кружок"}},
        "Mutation.createChat input.studyGroupId": {"input": {"type": "SUBJECT", "name": "Кружок"}},
        "Mutation.createVideoconference": {"input": call},
        "Mutation.createVideoconference input.lessonId": {"input": lesson},
        # None of these changes anything: the version would not be the expected one afterwards.
        "Mutation.updateVideoconference": {"input": {"id": made["call-lesson"], "expectedVersion": 1}},
        "Mutation.updateVideoconference input.chatId": {
            "input": {"id": made["call-class-1"], "expectedVersion": 1, "name": " "}
        },
        "Query.videoconferenceDefaults lessonId": {"type": "ONLINE_LESSON", "chatId": made["subject"]},
        "Mutation.updateChat": {"input": {"id": made["picked"], "expectedVersion": 0}},
        "Mutation.setRolePermissions": {"permissions": [permission.value for permission in Permission]},
        "Mutation.setChatAdministrator": {
            "organizationId": id_of(A, "Organization"),
            "employeeId": id_of(A, "Participant", "outside"),
        },
    }


def viewer_at(place: Place) -> str:
    """Who has every right in school A; only a Superadministrator edits roles, which are no school's."""
    return "superadministrator" if place.field == "setRolePermissions" else "director"


def places(schema: GraphQLSchema) -> list[Place]:
    """Every place in the schema that takes an id."""
    return [
        Place(type.name, field_name, path)
        for type in schema.type_map.values()
        if isinstance(type, GraphQLObjectType) and not type.name.startswith("__")
        for field_name, field in type.fields.items()
        for path in _paths(field.args)
    ]


def _paths(taken: Mapping[str, GraphQLArgument | GraphQLInputField]) -> Iterator[tuple[str, ...]]:
    for name, one in taken.items():
        type = get_named_type(one.type)
        if isinstance(type, GraphQLInputObjectType):
            yield from ((name, *rest) for rest in _paths(type.fields))
        elif type.name == "ID":
            yield (name,)


def least(type: Any) -> Any:
    """The least value that an argument or a field of that type takes."""
    if isinstance(type, GraphQLNonNull):
        return least(type.of_type)
    if isinstance(type, GraphQLList):
        return []
    if isinstance(type, GraphQLInputObjectType):
        return {name: least(one.type) for name, one in type.fields.items() if is_required_input_field(one)}
    if isinstance(type, GraphQLEnumType):
        return next(iter(type.values))
    return {"Int": 1, "Boolean": True, "Float": 1.0}.get(type.name, "x")


def variables(place: Place, field: GraphQLField, base: Mapping[str, Any], id: str) -> dict[str, Any]:
    """The base arguments with the id in its place."""
    given: dict[str, Any] = {name: least(one.type) for name, one in field.args.items() if is_required_argument(one)}
    given |= deepcopy(dict(base))
    _put(given, field.args, place.path, id)
    return given


def _put(inside: dict[str, Any], taken: Any, path: tuple[str, ...], id: str) -> None:
    name, *rest = path
    type = taken[name].type
    is_list = isinstance(type.of_type if isinstance(type, GraphQLNonNull) else type, GraphQLList)
    value: Any = id
    if rest:
        value = (None if is_list else inside.get(name)) or least(get_named_type(type))
        named = get_named_type(type)
        assert isinstance(named, GraphQLInputObjectType)
        _put(value, named.fields, tuple(rest), id)
    inside[name] = [value] if is_list else value


@dataclass
class Asking:
    """Asks at one place with whichever id, as a viewer of school A."""

    schools: Schools
    schema: GraphQLSchema
    place: Place
    base: Mapping[str, Any]
    own: Mapping[str, str]
    socket: Socket
    calls: int = 0

    @property
    def field(self) -> GraphQLField:
        type = self.schema.type_map[self.place.type]
        assert isinstance(type, GraphQLObjectType)
        field: GraphQLField = type.fields[self.place.field]
        return field

    def document(self) -> str:
        declared = ", ".join(f"${name}: {one.type}" for name, one in self.field.args.items())
        given = ", ".join(f"{name}: ${name}" for name in self.field.args)
        depth = OF_A_NODE if str(self.place) == "Query.node id" else DEPTH
        asked = f"{self.place.field}({given}) {selection(self.schema, self.field.type, depth)}"
        if self.place.type in {"Query", "Mutation", "Subscription"}:
            return f"{self.place.type.lower()} ({declared}) {{ {asked} }}"
        if self.place.type == "VideoconferenceDefaults":
            reached = f'videoconferenceDefaults(type: VIDEO_CALL, chatId: "{self.schools.ids[A]["class-1"]}")'
        else:
            assert self.place.type in self.own, f"say how a field of {self.place.type} is reached"
            reached = f'node(id: "{self.own[self.place.type]}")'
        return f"query ({declared}) {{ {reached} {{ ... on {self.place.type} {{ {asked} }} }} }}"

    async def answer(self, id: str) -> Any:
        self.calls += 1
        given = variables(self.place, self.field, self.base, id)
        if self.place.type == "Subscription":
            return await self.socket.first(self.document(), **given)
        answer = await self.schools.post(A, viewer_at(self.place), self.document(), **given)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def is_shut_to_nobody(self, id: str) -> bool:
        """Whether who does not log in is told nothing but that."""
        self.calls += 1
        if self.place.type == "Subscription":
            try:
                async with socket(self.schools, A, "no token"):
                    return False
            except ConnectionClosedError as closed:
                return closed.rcvd is not None and closed.rcvd.code == 4403
        given = variables(self.place, self.field, self.base, id)
        answer = await self.schools.post(A, "no token", self.document(), **given)
        return answer.status_code == 401 and "data" not in answer.json()


def says_not_found(place: Place, required: bool, answer: Any) -> bool:
    """Whether that is how the place says that there is no such thing."""
    codes = [error["extensions"]["code"] for error in answer.get("errors", ())]
    match place.type:
        case "Subscription":
            return codes == ["NOT_FOUND"]
        case "Mutation":
            result = answer["data"][place.field]
            found = {problem["code"] for problem in result.get("problems", ())}
            return (result["__typename"], found) == ("Refusal", {"NOT_FOUND"})
        case "Query" if required:
            return bool(answer == {"data": {place.field: None}})
        case _:
            return codes in ([], ["BAD_REQUEST"])


async def ids_of(schools: Schools, school: str) -> dict[str, str]:
    """One of each kind in the school."""
    line = await schools.data(school, "director", "{ audit(first: 1) { edges { node { id } } } }")
    names = {"Participant": "outside", "Organization": ""}
    return {
        **{kind: id_of(school, kind, names.get(kind, "1")) for kind in KINDS},
        "Chat": schools.ids[school]["class-2"],
        "Videoconference": schools.ids[school]["call-class-2"],
        "AuditEntry": line["audit"]["edges"][0]["node"]["id"],
    }


@pytest.mark.rule("RIGHT-08")
async def test_an_id_that_is_not_the_viewers_answers_as_one_that_never_was_wherever_the_schema_takes_ids(
    schools: Schools,
) -> None:
    introspected = await schools.data(A, "director", get_introspection_query(input_value_deprecation=True))
    schema = build_client_schema(introspected)
    role = (await schools.data(A, "superadministrator", "{ roles { id name } }"))["roles"][-1]["id"]
    own, foreign = await ids_of(schools, A) | {"Role": role}, await ids_of(schools, B)
    foreign |= {"Chat of hand-picked people": schools.ids[B]["picked"]}
    own_at = {
        "Query.audit filter.actorId": {"Participant": id_of(A, "Participant", "director")},
        "Query.videoconferences filter.lessonId": {"Lesson": id_of(A, "Lesson", "2")},
        "Videoconference.participants filter.schoolClassId": {"SchoolClass": id_of(A, "SchoolClass", "2")},
        # An employee's capacity is asked for; and whoever is taken out already.
        "Mutation.updateVideoconference input.addParticipants.participantId": {
            "Participant": id_of(A, "Participant", "pupil")
        },
        "Mutation.updateVideoconference input.removeParticipants": {
            "Participant": id_of(A, "Participant", "chat-administrator")
        },
        "Mutation.deleteVideoconference id": {"Videoconference": schools.ids[A]["call-class-3"]},
    }
    lesson = {"type": "ONLINE_LESSON", "lessonId": id_of(A, "Lesson", "2"), "employeeIds": []}
    held = await schools.make_conference(A, "Урок", schools.ids[A]["class-2"], **lesson)
    schools.ids[A]["call-lesson"] = held
    base, holes, calls = base_arguments(schools), [], 0

    async with socket(schools, A, "director") as opened:
        for place in places(schema):
            arguments = base.get(str(place), base.get(f"{place.type}.{place.field}", {}))
            asking = Asking(schools, schema, place, arguments, own, opened)
            never_was = await asking.answer(global_id("Chat", uuid4()))
            argument = asking.field.args[place.path[0]]
            required = len(place.path) == 1 and is_required_argument(argument)
            if not says_not_found(place, required, never_was):
                holes.append(f"{place}: an id that never was answers {never_was}")
            strange = {f"{kind} of the other school": id for kind, id in foreign.items()}
            strange |= {f"{kind} that never was": global_id(kind, uuid4()) for kind in own}
            strange |= {f"garbage {id[:12]!r}": id for id in GARBAGE}
            if str(place) not in TELLS_OF_WHAT_IS_GONE:
                strange |= {"a deleted chat": schools.ids[A]["deleted"]}
            holes += await unlike(never_was, asking, strange)
            if not await asking.is_shut_to_nobody(foreign["Chat"]):
                holes.append(f"{place}: answers without log-in")
            # Last, because it may change something: only with the right kind is there anything to be found.
            known = own | own_at.get(str(place), {})
            right = [kind for kind, id in known.items() if await asking.answer(id) != never_was]
            takes_ids = [error["extensions"]["code"] for error in never_was.get("errors", ())] != ["BAD_REQUEST"]
            if takes_ids and not right:
                holes.append(f"{place}: nothing is found by it, so that nothing is proved")
            if len(right) > 1 and str(place) not in TAKE_SEVERAL_KINDS:
                holes.append(f"{place}: ids of {right} are taken alike")
            calls += asking.calls

    print(f"{calls} calls, {len(holes)} holes")
    assert holes == []


async def unlike(never_was: Any, asking: Asking, strange: Mapping[str, str]) -> list[str]:
    """Each id that is answered with something else, and each answer that names the other school."""
    names = list(strange)
    if asking.place.type == "Subscription":
        answers = [await asking.answer(strange[name]) for name in names]
    else:
        answers = await asyncio.gather(*(asking.answer(strange[name]) for name in names))
    return [
        f"{asking.place}: {name} answers {json.dumps(answer, ensure_ascii=False)[:300]}"
        for name, answer in zip(names, answers, strict=True)
        if answer != never_was or f"{MARK}{B}-" in json.dumps(answer, ensure_ascii=False)
    ]
