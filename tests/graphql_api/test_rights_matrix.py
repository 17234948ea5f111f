"""Every role, every action, whose chat: what the rules give is one table, and each of its cells is asked for."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedError

from domain.access import Permission
from tests.graphql_api import two_schools
from tests.graphql_api.two_schools import (
    CREATE_CHAT,
    CREATE_CONFERENCE,
    A,
    B,
    Schools,
    id_of,
    named,
    socket,
    tomorrow,
)

schools = two_schools.schools

DONE, REFUSED, NOT_THERE, NOBODY = "+", "no", ".", "401"

# What each may do in school A as a whole. `list` and `calls` count the chats and conferences of their registry;
# `people`: whom the pickers show, and whether with captions; the others: done or shown, refused, nothing there.
IN_SCHOOL = """
                            list calls create people admins attention mirrors choose audit roles role roster
a superadministrator           9     8      +    all      +         +       +      +     +     +    +     no
a director                     9     8      +    all      +         +       +      +     +     .   no     no
a chat-administrator           9     8      +    all      +         +       +     no     +     .   no     no
a everything                   9     8      +    all      +         +       +     no     .     .   no     no
a only-REGISTRY_VIEW           9     8     no   some      +         +       +     no     .     .   no     no
a only-CHAT_CREATE             1     1      +    all      .         .       .     no     .     .   no     no
a only-CHAT_EDIT               1     1     no    all      .         .       .     no     .     .   no     no
a only-CHAT_DELETE             1     1     no   some      .         .       .     no     .     .   no     no
a only-CONFERENCE_CREATE       1     1     no    all      .         .       .     no     .     .   no     no
a only-CONFERENCE_EDIT         1     1     no    all      .         .       .     no     .     .   no     no
a only-CONFERENCE_FINISH       1     1     no   some      .         .       .     no     .     .   no     no
a only-CONFERENCE_DELETE       1     1     no   some      .         .       .     no     .     .   no     no
a class-teacher                3     3     no    all      .         .       .     no     .     .   no     no
a group-teacher                2     2     no    all      .         .       .     no     .     .   no     no
a employee                     1     1     no   some      .         .       .     no     .     .   no     no
a outside                      0     0     no   self      .         .       .     no     .     .   no     no
a pupil                        2     2     no   some      .         .       .     no     .     .   no     no
a parent                       1     1     no   some      .         .       .     no     .     .   no     no
a blocked-director             1     1     no      .      .         .       .     no     .     .   no     no
a blocked-everything           1     1     no      .      .         .       .     no     .     .   no     no
a blocked-class-teacher        3     2     no      .      .         .       .     no     .     .   no     no
a blocked-pupil                1     1     no      .      .         .       .     no     .     .   no     no
a blocked-parent               1     1     no      .      .         .       .     no     .     .   no     no
a roster                       0     0      .      .      .         .       .      .     .     .   no      +
b director                     0     0      .      .      .         .       .      .     .     .   no     no
b chat-administrator           0     0      .      .      .         .       .      .     .     .   no     no
b everything                   0     0      .      .      .         .       .      .     .     .   no     no
b pupil                        0     0      .      .      .         .       .      .     .     .   no     no
a no-token                   401   401    401    401    401       401     401    401   401   401  401    401
"""

# What each may do with one chat and the conference in it; whose chat it is follows from who is in it.
WITH_CHAT = """
                                   see grounds mirror edit resync delete hold call finish watch follow
a superadministrator a class-2       +       +      +    +      +      +    +    +      +     +      +
a superadministrator b class-2       +       +      +    +      +      +    +    +      +     +      +
a director           a teachers      +       +      +    +      +      +    +    +      +     +      +
a director           a class-2       +       +      +    +      +      +    +    +      +     +      +
a director           b class-2       .       .      .    .      .      .    .    .      .     .      .
a chat-administrator a class-2       +       +      +    +      +      +    +    +      +     +      +
a chat-administrator b class-2       .       .      .    .      .      .    .    .      .     .      .
a everything         a picked        +       +      +    +      +      +    +    +      +     +      +
a everything         a class-2       +       +      +    +      +      +    +    +      +     +      +
a everything         b picked        .       .      .    .      .      .    .    .      .     .      .
a only-REGISTRY_VIEW a picked        +      no     no   no     no     no   no    +     no     +      .
a only-REGISTRY_VIEW a class-2       +      no     no   no     no     no   no    +     no     +      .
a only-REGISTRY_VIEW b class-2       .       .      .    .      .      .    .    .      .     .      .
a only-CHAT_CREATE   a picked        +      no     no   no     no     no   no    +     no     +      .
a only-CHAT_CREATE   a class-2       .       .      .    .      .      .    .    .      .     .      .
a only-CHAT_EDIT     a picked        +       +      +    +      +     no   no    +     no     +      +
a only-CHAT_EDIT     a class-2       .       .      .    .      .      .    .    .      .     .      .
a only-CHAT_DELETE   a picked        +      no     no   no     no      +   no    +     no     +      .
a only-CHAT_DELETE   a class-2       .       .      .    .      .      .    .    .      .     .      .
a only-CONFERENCE_CREATE a picked       +      no     no   no     no     no    +    +     no     +      .
a only-CONFERENCE_CREATE a class-2      .       .      .    .      .      .    .    .      .     .      .
a only-CONFERENCE_EDIT a picked       +      no     no   no     no     no   no    +     no     +      .
a only-CONFERENCE_EDIT a class-2      .       .      .    .      .      .    .    .      .     .      .
a only-CONFERENCE_FINISH a picked       +      no     no   no     no     no   no    +      +     +      .
a only-CONFERENCE_FINISH a class-2      .       .      .    .      .      .    .    .      .     .      .
a only-CONFERENCE_DELETE a picked       +      no     no   no     no     no   no    +     no     +      .
a only-CONFERENCE_DELETE a class-2      .       .      .    .      .      .    .    .      .     .      .
a class-teacher      a class-1       +       +      +    +      +     no    +    +      +     +      +
a class-teacher      a parents-1     +       +      +    +      +     no    +    +      +     +      +
a class-teacher      a teachers      +      no     no   no     no     no   no    +     no     +      .
a class-teacher      a class-2       .       .      .    .      .      .    .    .      .     .      .
a class-teacher      b class-1       .       .      .    .      .      .    .    .      .     .      .
a group-teacher      a subject       +       +      +    +      +     no    +    +      +     +      +
a group-teacher      a teachers      +      no     no   no     no     no   no    +     no     +      .
a group-teacher      a class-1       .       .      .    .      .      .    .    .      .     .      .
a group-teacher      b subject       .       .      .    .      .      .    .    .      .     .      .
a employee           a teachers      +      no     no   no     no     no   no    +     no     +      .
a employee           a class-1       .       .      .    .      .      .    .    .      .     .      .
a outside            a teachers      .       .      .    .      .      .    .    .      .     .      .
a pupil              a class-1       +      no     no   no     no     no   no    +     no     +      .
a pupil              a subject       +      no     no   no     no     no   no    +     no     +      .
a pupil              a class-2       .       .      .    .      .      .    .    .      .     .      .
a pupil              b class-1       .       .      .    .      .      .    .    .      .     .      .
a parent             a parents-1     +      no     no   no     no     no   no    +     no     +      .
a parent             a class-1       .       .      .    .      .      .    .    .      .     .      .
a blocked-director   a teachers      +      no     no   no     no     no   no    +     no     .      .
a blocked-director   a class-2       .       .      .    .      .      .    .    .      .     .      .
a blocked-everything a picked        +      no     no   no     no     no   no    +     no     .      .
a blocked-everything a class-2       .       .      .    .      .      .    .    .      .     .      .
a blocked-class-teacher a class-3      +      no     no   no     no     no   no    +     no     .      .
a blocked-pupil      a class-1       +      no     no   no     no     no   no    +     no     .      .
a blocked-parent     a parents-1     +      no     no   no     no     no   no    +     no     .      .
a roster             a teachers      .       .      .    .      .      .    .    .      .     .      .
b director           a teachers      .       .      .    .      .      .    .    .      .     .      .
b everything         a picked        .       .      .    .      .      .    .    .      .     .      .
b class-teacher      a class-1       .       .      .    .      .      .    .    .      .     .      .
b pupil              a class-1       .       .      .    .      .      .    .    .      .     .      .
a no-token           a class-1     401     401    401  401    401    401  401  401    401   401    401
"""

LISTS = """query ($school: ID) {
  chats(organizationId: $school, first: 1) { totalCount }
  videoconferences(organizationId: $school, first: 1) { totalCount }
  participants(organizationId: $school, filter: {}, first: 100) { totalCount edges { node { id caption } } }
  organization(id: $school) { administrators { totalCount } attention { totalCount } mirror { inStep } }
  audit(organizationId: $school) { totalCount }
  roles { id }
}"""
CHOOSE = """mutation ($school: ID!, $employee: ID!) {
  setChatAdministrator(organizationId: $school, employeeId: $employee) {
    __typename ... on Refusal { problems { code } }
  }
}"""
PERMIT = """mutation ($role: ID!, $permissions: [Permission!]!) {
  setRolePermissions(roleId: $role, permissions: $permissions) {
    __typename ... on RolePermissionsSet { role { permissions } } ... on Refusal { problems { code path } }
  }
}"""
TELL = """mutation ($events: [RosterEventInput!]!) { applyRosterEvents(events: $events) {
  __typename ... on Refusal { problems { code } }
} }"""
CHAT = """query ($id: ID!) {
  chat(id: $id) {
    id version mirror { state }
    members(first: 100) { edges { node { participant { id } grounds { kind } sferumState } } }
  }
  node(id: $id) { id ... on Chat { version } }
}"""
EDIT = """mutation ($input: UpdateChatInput!) { updateChat(input: $input) {
  __typename ... on Refusal { problems { code } }
} }"""
DELETE = "mutation ($id: ID!) { deleteChat(id: $id) { __typename ... on Refusal { problems { code } } } }"
CALL = "query ($id: ID!) { videoconference(id: $id) { id } node(id: $id) { id } }"
FINISH = """mutation ($id: ID!) { finishVideoconference(id: $id) {
  __typename ... on Refusal { problems { code } }
} }"""
RESYNC = "mutation ($id: ID!) { resyncChat(id: $id) { __typename ... on Refusal { problems { code } } } }"
WATCH = "subscription ($id: ID!) { videoconference(id: $id) { id } }"
FOLLOW = "subscription ($id: ID!) { chatMirror(chatId: $id) { __typename } }"
ME = "{ viewer { metaRole permissions participant { id } } roles { id name editable } }"


def rows_of(table: str) -> dict[tuple[str, ...], dict[str, str]]:
    """The cells of a table, by the words with which a row begins and by column."""
    head, *lines = table.strip("\n").splitlines()
    columns = head.split()
    cells = [line.split() for line in lines]
    return {tuple(row[: -len(columns)]): dict(zip(columns, row[-len(columns) :], strict=True)) for row in cells}


def outcome(answer: Any, allowed_too: str = "") -> str:
    """Of a mutation: `allowed_too` is a fault of the form, which only who has the right is told."""
    if answer["__typename"] != "Refusal":
        return DONE
    (code,) = {problem["code"] for problem in answer["problems"]}
    if code == allowed_too:
        return DONE
    return {"FORBIDDEN": REFUSED, "NOT_FOUND": NOT_THERE}[code]


def shown(found: object) -> str:
    return DONE if found else NOT_THERE


async def role_named(schools: Schools, name: str) -> str:
    roles = (await schools.data(A, "superadministrator", ME))["roles"]
    id: str = next(role["id"] for role in roles if role["name"] == name)
    return id


async def in_school(schools: Schools, school: str, role: str) -> dict[str, str]:
    """What the role is answered for each column of the first table."""
    if role == "no-token":
        return await unauthenticated(schools, rows_of(IN_SCHOOL)[school, role])

    async def ask(document: str, **variables: Any) -> Any:
        return await schools.data(school, role, document, **variables)

    here = id_of(A, "Organization")
    lists = await ask(LISTS, school=here)
    nothing: dict[str, Any] = {"administrators": {"totalCount": 0}, "attention": {"totalCount": 0}, "mirror": None}
    organization = lists["organization"] or nothing
    permissions = [permission.value for permission in Permission]
    chat = {"type": "OTHER", "name": "Кружок", "organizationId": here}
    saved = {"key": f"{school} {role}", "personId": "a-pupil", "lastName": named(A, "pupil"), "firstName": "Имя"}
    return {
        "list": str(lists["chats"]["totalCount"]),
        "calls": str(lists["videoconferences"]["totalCount"]),
        "create": outcome((await ask(CREATE_CHAT, input=chat))["createChat"]),
        "people": whom(lists["participants"], school, role),
        "admins": shown(organization["administrators"]["totalCount"]),
        "attention": shown(organization["attention"]["totalCount"]),
        "mirrors": shown(organization["mirror"]),
        "choose": outcome(
            (await ask(CHOOSE, school=here, employee=id_of(A, "Participant", "employee")))["setChatAdministrator"],
            "NOT_IN_ADMINISTRATORS_REGISTRY",
        ),
        "audit": shown(lists["audit"]["totalCount"]),
        "roles": shown(lists["roles"]),
        "role": outcome(
            (await ask(PERMIT, role=await role_named(schools, "may everything"), permissions=permissions))[
                "setRolePermissions"
            ]
        ),
        "roster": outcome((await ask(TELL, events=[{"personSaved": saved}]))["applyRosterEvents"]),
    }


def whom(people: Any, school: str, role: str) -> str:
    """Everybody is shown with captions, others as they are met, oneself always with one's own."""
    if not people["edges"]:
        return NOT_THERE
    captions = {edge["node"]["id"]: edge["node"]["caption"] for edge in people["edges"]}
    others = {id: caption for id, caption in captions.items() if id != id_of(school, "Participant", role)}
    if not others:
        return "self"
    if None not in others.values():
        return "all" if id_of(A, "Participant", "outside") in captions and len(captions) > 20 else "captions leak"
    return "some" if set(others.values()) == {None} else "captions leak"


async def with_chat(schools: Schools, school: str, role: str, whose: str, chat: str) -> dict[str, str]:
    """What the role is answered for each column of the second table."""
    if role == "no-token":
        return await unauthenticated(schools, rows_of(WITH_CHAT)[school, role, whose, chat])

    async def ask(document: str, **variables: Any) -> Any:
        return await schools.data(school, role, document, **variables)

    id, call = schools.ids[whose][chat], schools.ids[whose][f"call-{chat}"]
    seen = await ask(CHAT, id=id)
    assert (seen["chat"] is None) == (seen["node"] is None)
    version = (await schools.data(whose, "superadministrator", CHAT, id=id))["chat"]["version"]
    edit = {"id": id, "expectedVersion": version, "name": f"Переименован: {school} {role}"}
    conference = {"type": "VIDEO_CALL", "name": "Звонок", "chatId": id} | tomorrow()
    looked = await ask(CALL, id=call)
    assert (looked["videoconference"] is None) == (looked["node"] is None)
    # A default chat, and one in which something is planned, are not deleted; who lacks the right is not told so.
    hindrance = "CHAT_HAS_VIDEOCONFERENCES" if chat in {"picked", "subject"} else "DEFAULT_CHAT"
    return {
        "see": shown(seen["chat"]),
        "grounds": grounds_of_others(seen["chat"], school, role),
        "mirror": mirror_of(seen["chat"]),
        "edit": outcome((await ask(EDIT, input=edit))["updateChat"]),
        "resync": outcome((await ask(RESYNC, id=id))["resyncChat"]),
        "delete": outcome((await ask(DELETE, id=id))["deleteChat"], hindrance),
        "hold": outcome((await ask(CREATE_CONFERENCE, input=conference))["createVideoconference"]),
        "call": shown(looked["videoconference"]),
        # It has not begun; who lacks the right is not told so.
        "finish": outcome((await ask(FINISH, id=call))["finishVideoconference"], "WRONG_STATUS"),
        "watch": await listen(schools, school, role, WATCH, call),
        "follow": await listen(schools, school, role, FOLLOW, id),
    }


def grounds_of_others(chat: Any, school: str, role: str) -> str:
    if chat is None:
        return NOT_THERE
    own = id_of(school, "Participant", role)
    members = [edge["node"] for edge in chat["members"]["edges"]]
    told = ("grounds", "sferumState")
    assert all(member[fact] for member in members if member["participant"]["id"] == own for fact in told)
    found = {member[fact] is not None for member in members if member["participant"]["id"] != own for fact in told}
    (are_shown,) = found
    return DONE if are_shown else REFUSED


def mirror_of(chat: Any) -> str:
    if chat is None:
        return NOT_THERE
    return REFUSED if chat["mirror"] is None else DONE


async def listen(schools: Schools, school: str, role: str, document: str, id: str) -> str:
    """Of a subscription to whatever has that id."""
    try:
        async with socket(schools, school, role) as opened:
            first = await opened.first(document, id=id)
    except ConnectionClosedError as closed:
        return {4403: NOBODY}[closed.rcvd.code if closed.rcvd else 0]
    if "errors" in first:
        return {"NOT_FOUND": NOT_THERE}[first["errors"][0]["extensions"]["code"]]
    return (
        DONE
        if first["data"] in ({"videoconference": {"id": id}}, {"chatMirror": {"__typename": "ChatMirror"}})
        else "?"
    )


async def unauthenticated(schools: Schools, columns: dict[str, str]) -> dict[str, str]:
    """Without a token every column's document is answered alike."""
    here, id, call = id_of(A, "Organization"), schools.ids[A]["class-1"], schools.ids[A]["call-class-1"]
    asked: dict[str, tuple[str, dict[str, Any]]] = {
        **dict.fromkeys(
            ("list", "calls", "people", "admins", "attention", "mirrors", "audit", "roles"), (LISTS, {"school": here})
        ),
        **dict.fromkeys(("see", "grounds", "mirror"), (CHAT, {"id": id})),
        "create": (CREATE_CHAT, {"input": {"type": "OTHER", "name": "Кружок"}}),
        "choose": (CHOOSE, {"school": here, "employee": id_of(A, "Participant", "director")}),
        "role": (PERMIT, {"role": await role_named(schools, "may everything"), "permissions": []}),
        "roster": (TELL, {"events": []}),
        "edit": (EDIT, {"input": {"id": id, "expectedVersion": 0, "name": "Другое"}}),
        "resync": (RESYNC, {"id": id}),
        "delete": (DELETE, {"id": id}),
        "hold": (CREATE_CONFERENCE, {"input": {"type": "VIDEO_CALL", "name": "Звонок", "chatId": id} | tomorrow()}),
        "call": (CALL, {"id": call}),
        "finish": (FINISH, {"id": call}),
    }
    answers = {}
    for column in columns:
        if column in {"watch", "follow"}:
            told = (WATCH, call) if column == "watch" else (FOLLOW, id)
            answers[column] = await listen(schools, A, "no token", *told)
            continue
        document, variables = asked[column]
        answer = await schools.post(A, "no token", document, **variables)
        assert "data" not in answer.json()
        answers[column] = str(answer.status_code)
    return answers


async def differences(
    table: str, answers: Callable[..., Awaitable[dict[str, str]]], schools: Schools
) -> tuple[list[str], int, int]:
    """The cells that are not as the table says, and how many rows and cells there are."""
    rows, found = rows_of(table), []
    for words, expected in rows.items():
        given = await answers(schools, *words)
        found += [
            f"{' '.join(words)}: {column} is {given[column]}, should be {expected[column]}"
            for column in expected
            if given[column] != expected[column]
        ]
    return found, len(rows), sum(map(len, rows.values()))


@pytest.mark.rule("RIGHT-01", "RIGHT-02", "RIGHT-04", "RIGHT-05", "RIGHT-06")
async def test_in_the_school_as_a_whole_each_role_does_what_its_rights_say_and_no_more(schools: Schools) -> None:
    found, rows, cells = await differences(IN_SCHOOL, in_school, schools)

    print(f"matrix {rows} rows, {cells} cells, {len(found)} differences")
    assert found == []


@pytest.mark.rule("RIGHT-01", "RIGHT-05", "RIGHT-06", "RIGHT-07", "RIGHT-08")
async def test_with_each_chat_and_its_conference_each_role_does_what_its_rights_say_and_no_more(
    schools: Schools,
) -> None:
    found, rows, cells = await differences(WITH_CHAT, with_chat, schools)

    print(f"matrix {rows} rows, {cells} cells, {len(found)} differences")
    assert found == []


@pytest.mark.rule("RIGHT-01", "RIGHT-04")
@pytest.mark.parametrize(
    ("meta_role", "role"),
    [("ORGANIZATION_ADMINISTRATOR", "director"), ("CHAT_ADMINISTRATOR", "chat-administrator")],
)
async def test_what_is_switched_off_for_a_meta_role_is_gone_with_the_next_request(
    schools: Schools, meta_role: str, role: str
) -> None:
    id, before = await role_named(schools, meta_role), await schools.data(A, role, ME)

    left = [permission.value for permission in Permission if permission is not Permission.CHAT_CREATE]
    await schools.data(A, "superadministrator", PERMIT, role=id, permissions=left)
    without = await schools.data(A, role, ME)
    refused = await schools.data(A, role, CREATE_CHAT, input={"type": "OTHER", "name": "Кружок"})
    await schools.data(A, "superadministrator", PERMIT, role=id, permissions=[])
    nothing = await schools.data(A, role, ME)

    assert (before["viewer"]["metaRole"], len(before["viewer"]["permissions"])) == (meta_role, 8)
    assert (without["viewer"]["metaRole"], without["viewer"]["permissions"]) == (meta_role, left)
    assert outcome(refused["createChat"]) == REFUSED
    assert (nothing["viewer"]["metaRole"], nothing["viewer"]["permissions"]) == (meta_role, [])


@pytest.mark.rule("RIGHT-01")
async def test_the_superadministrators_rights_are_never_switched_off(schools: Schools) -> None:
    id = await role_named(schools, "SUPERADMINISTRATOR")

    answer = (await schools.data(A, "superadministrator", PERMIT, role=id, permissions=[]))["setRolePermissions"]
    after = await schools.data(A, "superadministrator", ME)

    assert answer == {"__typename": "Refusal", "problems": [{"code": "NOT_ALLOWED", "path": ["roleId"]}]}
    assert len(after["viewer"]["permissions"]) == 8
    assert [role["name"] for role in after["roles"] if not role["editable"]] == ["SUPERADMINISTRATOR"]


@pytest.mark.rule("RIGHT-04")
async def test_a_permission_of_a_role_comes_and_goes_with_the_grant_and_with_the_edit(schools: Schools) -> None:
    async def permissions() -> Any:
        return (await schools.data(A, "outside", ME))["viewer"]["permissions"]

    grant = {"personId": "a-outside", "role": "may CHAT_EDIT"}
    await schools.told(A, {"roleGranted": grant})
    granted = await permissions()
    role = await role_named(schools, "may CHAT_EDIT")
    await schools.data(A, "superadministrator", PERMIT, role=role, permissions=["CHAT_DELETE", "CHAT_CREATE"])
    edited = await permissions()
    await schools.told(A, {"roleWithdrawn": grant})

    assert granted == ["CHAT_EDIT"]
    assert edited == ["CHAT_CREATE", "CHAT_DELETE"]
    assert await permissions() == []


@pytest.mark.rule("RIGHT-02", "RIGHT-03")
async def test_a_blocked_chat_administrator_holds_no_right_and_who_is_chosen_next_holds_them_all(
    schools: Schools,
) -> None:
    await schools.told(A, {"personBlocked": {"personId": "a-chat-administrator"}})
    blocked = (await schools.data(A, "chat-administrator", ME))["viewer"]

    await schools.told(A, {"employeePositionsChanged": {"personId": "a-employee", "positions": ["ADMINISTRATION"]}})
    chosen = await schools.data(
        A, "director", CHOOSE, school=id_of(A, "Organization"), employee=id_of(A, "Participant", "employee")
    )
    after = (await schools.data(A, "employee", ME))["viewer"]

    assert (blocked["metaRole"], blocked["permissions"]) == (None, [])
    assert outcome(chosen["setChatAdministrator"]) == DONE
    assert (after["metaRole"], len(after["permissions"])) == ("CHAT_ADMINISTRATOR", 8)


@pytest.mark.rule("RIGHT-05")
async def test_who_deletes_a_chat_with_that_one_permission_has_deleted_it(schools: Schools) -> None:
    members = [id_of(A, "Participant", "only-CHAT_DELETE"), id_of(A, "Participant", "only-CHAT_EDIT")]
    chat = await schools.make_chat(A, "Кружок", employeeIds=members)

    refused = await schools.data(A, "only-CHAT_EDIT", DELETE, id=chat)
    deleted = await schools.data(A, "only-CHAT_DELETE", DELETE, id=chat)

    assert outcome(refused["deleteChat"]) == REFUSED
    assert outcome(deleted["deleteChat"]) == DONE
    assert (await schools.data(A, "superadministrator", CHAT, id=chat))["chat"] is None


@pytest.mark.rule("RIGHT-08")
async def test_nobody_of_another_school_is_chosen_as_chat_administrator(schools: Schools) -> None:
    answer = await schools.data(
        A, "director", CHOOSE, school=id_of(A, "Organization"), employee=id_of(B, "Participant", "director")
    )

    assert outcome(answer["setChatAdministrator"]) == NOT_THERE


@pytest.mark.rule("RIGHT-05")
async def test_who_makes_a_conference_without_taking_part_is_answered_with_it_and_made_it_once(
    schools: Schools,
) -> None:
    others = [id_of(A, "Participant", "everything")]
    form = {"type": "VIDEO_CALL", "name": "Звонок", "chatId": schools.ids[A]["picked"], "employeeIds": others}

    made = await schools.data(A, "only-CONFERENCE_CREATE", CREATE_CONFERENCE, input=form | tomorrow())

    assert outcome(made["createVideoconference"]) == DONE


@pytest.mark.rule("RIGHT-09")
async def test_the_key_of_a_chat_made_before_shows_nothing_to_whom_the_right_was_withdrawn_from(
    schools: Schools,
) -> None:
    grant = {"personId": "a-outside", "role": "may CHAT_CREATE"}
    await schools.told(A, {"roleGranted": grant})
    form = {"type": "OTHER", "name": "Кружок", "idempotencyKey": "k"}
    warned = (await schools.data(A, "outside", CREATE_CHAT, input=form))["createChat"]
    form["confirmation"] = warned["confirmation"]
    made = await schools.data(A, "outside", CREATE_CHAT, input=form)

    await schools.told(A, {"roleWithdrawn": grant})
    again = await schools.data(A, "outside", CREATE_CHAT, input=form)

    assert outcome(made["createChat"]) == DONE
    assert outcome(again["createChat"]) == REFUSED


@pytest.mark.rule("RIGHT-09")
async def test_the_key_of_a_conference_made_before_shows_nothing_to_whom_the_right_was_withdrawn_from(
    schools: Schools,
) -> None:
    form = {"type": "VIDEO_CALL", "name": "Звонок", "chatId": schools.ids[A]["picked"], "idempotencyKey": "k"}
    form |= tomorrow()
    made = await schools.data(A, "only-CONFERENCE_CREATE", CREATE_CONFERENCE, input=form)

    withdrawn = {"personId": "a-only-CONFERENCE_CREATE", "role": "may CONFERENCE_CREATE"}
    await schools.told(A, {"roleWithdrawn": withdrawn})
    again = await schools.data(A, "only-CONFERENCE_CREATE", CREATE_CONFERENCE, input=form)

    assert outcome(made["createVideoconference"]) == DONE
    assert outcome(again["createVideoconference"]) == REFUSED


@pytest.mark.rule("CONF-05", "RIGHT-10")
async def test_an_online_lesson_outside_a_subjects_or_classs_chat_is_made_of_a_lesson_that_its_maker_sees(
    schools: Schools,
) -> None:
    def form(lesson: str) -> dict[str, str]:
        chat = schools.ids[A]["parents-1"]
        return {"type": "ONLINE_LESSON", "chatId": chat, "lessonId": id_of(A, "Lesson", lesson)} | tomorrow()

    strange = await schools.data(A, "class-teacher", CREATE_CONFERENCE, input=form("2"))
    any_of_them = await schools.data(A, "director", CREATE_CONFERENCE, input=form("2"))
    group = {"groupId": "1", "name": named(A, "group-1"), "subject": named(A, "subject-1")}
    people = {"pupilIds": ["a-pupil"], "teacherIds": ["a-group-teacher", "a-class-teacher"]}
    await schools.told(A, {"groupSaved": group | people})
    own = await schools.data(A, "class-teacher", CREATE_CONFERENCE, input=form("1"))

    assert strange["createVideoconference"]["problems"] == [{"code": "NOT_FOUND", "path": ["lessonId"]}]
    assert outcome(any_of_them["createVideoconference"]) == DONE
    assert outcome(own["createVideoconference"]) == DONE
