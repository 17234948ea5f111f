"""Every query, everything that it can be asked for: nobody reads a name that is not theirs to know."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from graphql import (
    GraphQLObjectType,
    GraphQLSchema,
    build_client_schema,
    get_introspection_query,
    get_named_type,
    is_required_argument,
)

from tests.graphql_api import two_schools
from tests.graphql_api.selections import MOST_ITEMS, documents
from tests.graphql_api.test_other_schools_ids import least
from tests.graphql_api.two_schools import MARK, A, B, Schools, id_of

schools = two_schools.schools

DEPTH, ITEMS = 4, 8
NAME = re.compile(rf"{MARK}([ab])-([\w-]+)")

# Whom and what each may know by name. Of the people of their own chats everybody knows the full name.
MAY_KNOW = {
    (A, "pupil"): """
        school chat-administrator pupil blocked-pupil class-teacher group-teacher class-1 group-1 subject-1
        subject-chat call-class-1 call-subject
    """,
    # Of the child: that it is theirs, and what it learns with whom.
    (A, "parent"): """
        school chat-administrator parent blocked-parent class-teacher group-teacher class-1 group-1 subject-1 pupil
        call-parents-1
    """,
    (A, "outside"): "school chat-administrator outside",
    (A, "roster"): "",
    (A, "blocked-pupil"): "school chat-administrator pupil blocked-pupil class-teacher class-1 call-class-1",
}
OTHER_SCHOOL = {(B, "director"), (B, "everything"), (B, "pupil"), (B, "roster")}


NOT_FOR_ALL = {"caption", "capacities", "linked"}


async def the_schema(schools: Schools) -> GraphQLSchema:
    return build_client_schema(await schools.data(A, "director", get_introspection_query()))


async def ids_of(schools: Schools, school: str) -> list[str]:
    """Those of everything in the school that has a name."""
    line = await schools.data(school, "director", "{ audit(first: 1) { edges { node { id } } } }")
    made = ("teachers", "class-1", "class-2", "parents-2", "picked", "call-teachers", "call-class-1", "call-class-2")
    return [
        id_of(school, "Organization"),
        line["audit"]["edges"][0]["node"]["id"],
        *(schools.ids[school][name] for name in made),
        *(id_of(school, "Participant", role) for role in ("director", "class-teacher", "pupil-2")),
        *(id_of(school, kind, name) for kind in ("SchoolClass", "StudyGroup", "Subject", "Lesson") for name in "12"),
    ]


def questions(schema: GraphQLSchema, ids: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every query of the schema, with each id in each argument that takes one."""
    assert schema.query_type is not None
    for name, field in schema.query_type.fields.items():
        base: dict[str, Any] = {each: least(one.type) for each, one in field.args.items() if is_required_argument(one)}
        if "first" in field.args:
            base["first"] = MOST_ITEMS
        takes_ids = [each for each, one in field.args.items() if get_named_type(one.type).name == "ID"]
        given = [base] if not {*takes_ids} & {*base} else []
        # The first id is the organization's; another in its place is no more than an unknown one.
        given += [base | {each: id} for each in takes_ids for id in (ids[:1] if each == "organizationId" else ids)]
        for document in documents(schema, name, DEPTH, ITEMS):
            yield from ((document, variables) for variables in given)


def known(bodies: list[str]) -> dict[str, set[str]]:
    """The names of each school that stand in the answers."""
    found: dict[str, set[str]] = {A: set(), B: set()}
    for body in bodies:
        for school, name in NAME.findall(body):
            found[school].add(name)
    return found


async def answers(schools: Schools, school: str, role: str, ids: list[str], schema: GraphQLSchema) -> list[str]:
    """The bodies of everything that the role asks; each must be an answer, though it may have nothing in it."""
    bodies = []
    for document, variables in questions(schema, ids):
        answer = await schools.post(school, role, document, **variables)
        body = answer.json()
        assert "data" in body, (document, body)
        bodies.append(answer.text)
    return bodies


def objects(value: Any) -> Iterator[Mapping[str, Any]]:
    """Every object within an answer."""
    if isinstance(value, dict):
        yield value
        for each in value.values():
            yield from objects(each)
    elif isinstance(value, list):
        for each in value:
            yield from objects(each)


@pytest.mark.rule("RIGHT-08")
async def test_no_answer_to_anybody_of_another_school_holds_a_name_of_this_one(schools: Schools) -> None:
    schema, ids = await the_schema(schools), await ids_of(schools, A)

    bodies = {who: await answers(schools, *who, ids, schema) for who in sorted(OTHER_SCHOOL)}

    hits = {who: known(found)[A] for who, found in bodies.items() if known(found)[A]}
    print(f"{len(hits)} sentinel hits in {sum(map(len, bodies.values()))} answers")
    assert hits == {}
    # They do read their own.
    assert {"director", "class-2", "call-class-2", "subject-2", "pupil-2"} <= known(bodies[B, "director"])[B]


@pytest.mark.rule("RIGHT-06", "RIGHT-10")
@pytest.mark.parametrize("role", [role for _, role in MAY_KNOW])
async def test_who_has_no_rights_reads_the_names_of_their_own_chats_and_lessons_and_no_others(
    schools: Schools, role: str
) -> None:
    bodies = await answers(schools, A, role, await ids_of(schools, A), await the_schema(schools))

    found = known(bodies)
    print(f"{len(found[A] - set(MAY_KNOW[A, role].split()))} sentinel hits in {len(bodies)} answers")
    assert found == {A: set(MAY_KNOW[A, role].split()), B: set()}
    others = [
        each
        for body in bodies
        for each in objects(json.loads(body))
        if each.get("__typename") == "Participant" and each["id"] != id_of(A, "Participant", role)
    ]
    assert all(each[name] is None for each in others for name in NOT_FOR_ALL)
    # There is somebody of whom it could be told, except to whom nobody is shown.
    of_whom = {f"{MARK}a-chat-administrator Имя"} if MAY_KNOW[A, role] else set()
    assert {each["fullName"] for each in others} >= of_whom


@pytest.mark.rule("RIGHT-10")
@pytest.mark.parametrize(
    ("role", "chat", "is_told"),
    [
        ("class-teacher", "class-1", True),
        ("class-teacher", "teachers", False),
        ("only-CHAT_EDIT", "picked", True),
        ("only-REGISTRY_VIEW", "class-1", False),
        ("pupil", "class-1", False),
        ("parent", "parents-1", False),
    ],
)
async def test_what_members_are_at_the_school_and_why_they_are_in_a_chat_is_told_to_who_may_edit_it_and_of_oneself(
    schools: Schools, role: str, chat: str, is_told: bool
) -> None:
    schema = await the_schema(schools)
    # Those that the schema has by now.
    of_member = {"grounds": "{ kind }", "sferumState": "", "refusal": ""}
    asked = " ".join(f"{name} {inner}" for name, inner in of_member.items() if has(schema, "Membership", name))
    mirror = "mirror { state }" if has(schema, "Chat", "mirror") else ""
    document = f"""query ($id: ID!) {{ chat(id: $id) {{ {mirror} members(first: 100) {{ edges {{ node {{
      participant {{ id {" ".join(NOT_FOR_ALL)} }} {asked}
    }} }} }} }} }}"""

    found = (await schools.data(A, role, document, id=schools.ids[A][chat]))["chat"]

    members = {edge["node"]["participant"]["id"]: edge["node"] for edge in found["members"]["edges"]}
    own = members.pop(id_of(A, "Participant", role), None)
    assert members
    for member in members.values():
        facts = [member["participant"][name] for name in NOT_FOR_ALL]
        assert [fact is not None for fact in facts] == [is_told] * len(facts)
        assert (member["grounds"] is not None) is is_told
        assert is_told or {member.get(name) for name in of_member} == {None}
    assert own is None or (own["grounds"] and own["participant"]["caption"])
    assert not mirror or is_told or found["mirror"] is None


def has(schema: GraphQLSchema, type: str, field: str) -> bool:
    found = schema.type_map[type]
    assert isinstance(found, GraphQLObjectType)
    return field in found.fields
