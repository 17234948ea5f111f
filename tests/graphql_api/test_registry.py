"""The registries as their windows read them: one statement a page, and to each viewer what is theirs to see."""

from typing import Any

import pytest

from tests.graphql_api.conftest import Api

CHATS = """query ($first: Int, $offset: Int, $after: String) {
  chats(first: $first, offset: $offset, after: $after) {
    totalCount
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    edges { cursor node {
      id name type memberCount isDefault archived version viewerCan
      administrator { fullName } schoolClass { name classTeacher { fullName } } subject { name }
    } }
  }
}"""
WITH_MEMBERS = """{
  chats(first: 10) { edges { node { name members(first: 3) { totalCount edges { node {
    role capacities participant { fullName } grounds { kind pupil { fullName } }
  } } } } } }
}"""
CONFERENCES = """{
  videoconferences(first: 100) { totalCount edges { node {
    id name status link chat { name } participants(first: 3) { totalCount edges { node { fullName } } }
  } } }
}"""
CREATE = """mutation ($input: CreateVideoconferenceInput!) {
  createVideoconference(input: $input) {
    ... on VideoconferenceSaved { videoconference { id status viewerCan startsAt } }
    ... on Refusal { problems { code path } }
  }
}"""


async def chat_named(api: Api, name: str) -> str:
    chats = (await api.data("director", CHATS, first=100))["chats"]["edges"]
    id: str = next(edge["node"]["id"] for edge in chats if edge["node"]["name"] == name)
    return id


def an_hour(chat: str, **more: Any) -> dict[str, Any]:
    times = {"startsAt": "2027-05-01T10:00:00+03:00", "endsAt": "2027-05-01T11:00:00+03:00"}
    return {"type": "VIDEO_CALL", "name": "Классный час", "chatId": chat} | times | more


@pytest.mark.parametrize("first", [1, 24, 100])
async def test_a_page_of_chats_is_one_statement_whatever_its_size(api: Api, first: int) -> None:
    with api.counted() as statements:
        page = (await api.data("director", CHATS, first=first))["chats"]

    assert page["totalCount"] == 25
    assert len(page["edges"]) == min(first, 25)
    # The viewer's rights, and the page.
    assert len(statements) == 2


async def test_the_members_of_all_chats_of_a_page_are_one_statement_more(api: Api) -> None:
    with api.counted() as statements:
        page = (await api.data("director", WITH_MEMBERS))["chats"]

    assert len(page["edges"]) == 10
    assert len(statements) == 3


async def test_conferences_with_their_chats_and_participants_are_one_statement_each(api: Api) -> None:
    chat = await chat_named(api, "1 Б")
    for _ in range(3):
        await api.data("director", CREATE, input=an_hour(chat))

    with api.counted() as statements:
        page = (await api.data("director", CONFERENCES))["videoconferences"]

    assert page["totalCount"] == 3
    # The viewer's rights, the page, its chats, its participants.
    assert len(statements) == 4


async def test_pages_by_number_and_by_cursor_meet(api: Api) -> None:
    whole = (await api.data("director", CHATS, first=100))["chats"]["edges"]

    by_number = (await api.data("director", CHATS, first=10, offset=10))["chats"]
    by_cursor = (await api.data("director", CHATS, first=10, after=whole[9]["cursor"]))["chats"]
    last = (await api.data("director", CHATS, first=10, offset=20))["chats"]
    beyond = (await api.data("director", CHATS, first=10, offset=1000))["chats"]

    assert by_number == by_cursor
    assert by_number["edges"] == whole[10:20]
    assert by_number["pageInfo"] | {"startCursor": "", "endCursor": ""} == {
        "hasNextPage": True,
        "hasPreviousPage": True,
        "startCursor": "",
        "endCursor": "",
    }
    assert (len(last["edges"]), last["pageInfo"]["hasNextPage"]) == (5, False)
    assert (beyond["edges"], beyond["totalCount"]) == ([], 25)


@pytest.mark.parametrize(
    "page",
    [
        {"first": -1},
        {"first": 101},
        {"offset": -1},
        {"after": "nonsense"},
        {"after": "YXQ6LTE="},
        {"after": "YXQ6MQ==", "offset": 1},
    ],
)
async def test_an_impossible_page_is_refused_by_its_code(api: Api, page: dict[str, Any]) -> None:
    body = await api.ask("director", CHATS, **page)

    assert body["errors"][0]["extensions"] == {"code": "BAD_PAGE"}


@pytest.mark.parametrize(
    ("login", "names"),
    [
        ("teacher", ["Учительская", "1 Б", "1 Б Родители"]),
        ("pupil", ["1 Б"]),
        ("parent", ["4 А Родители"]),
        ("roster", []),
        ("outsider", []),
    ],
)
async def test_each_viewer_is_shown_the_chats_that_are_theirs(api: Api, login: str, names: list[str]) -> None:
    page = (await api.data(login, "{ chats { totalCount edges { node { name } } } }"))["chats"]

    assert [edge["node"]["name"] for edge in page["edges"]] == names
    assert page["totalCount"] == len(names)


@pytest.mark.parametrize("login", ["director", "vorontsova"])
async def test_the_administrators_are_shown_all_chats(api: Api, login: str) -> None:
    page = (await api.data(login, "{ chats { totalCount edges { node { name } } } }"))["chats"]

    assert (page["totalCount"], len(page["edges"])) == (25, 24)


async def test_a_superadministrator_names_the_organization(api: Api) -> None:
    without = await api.ask("superadmin", "{ chats { totalCount } }")
    organizations = await api.data("superadmin", "{ organizations { edges { node { id name } } } }")
    school = organizations["organizations"]["edges"][-1]["node"]["id"]
    named = await api.data("superadmin", "query ($id: ID) { chats(organizationId: $id) { totalCount } }", id=school)

    assert without["errors"][0]["extensions"]["code"] == "ORGANIZATION_REQUIRED"
    assert len(organizations["organizations"]["edges"]) == 2
    assert named["chats"]["totalCount"] == 25


async def test_what_belongs_to_another_organization_is_not_there(api: Api) -> None:
    chat = await chat_named(api, "1 Б")
    made = await api.data("director", CREATE, input=an_hour(chat))
    conference = made["createVideoconference"]["videoconference"]["id"]
    school = (await api.data("director", "{ viewer { organization { id } } }"))["viewer"]["organization"]["id"]

    seen = await api.data(
        "outsider",
        """query ($chat: ID!, $conference: ID!, $school: ID!) {
          chat(id: $chat) { name }
          videoconference(id: $conference) { name }
          organization(id: $school) { name }
          a: node(id: $chat) { id } b: node(id: $conference) { id } c: node(id: $school) { id }
          chats(organizationId: $school) { totalCount }
          videoconferences(organizationId: $school) { totalCount }
        }""",
        chat=chat,
        conference=conference,
        school=school,
    )
    created = await api.data("outsider", CREATE, input=an_hour(chat))
    finished = await api.data(
        "outsider",
        "mutation ($id: ID!) { finishVideoconference(id: $id) { ... on Refusal { problems { code path } } } }",
        id=conference,
    )

    assert {name: value for name, value in seen.items() if value is not None} == {
        "chats": {"totalCount": 0},
        "videoconferences": {"totalCount": 0},
    }
    assert created["createVideoconference"] == {"problems": [{"code": "NOT_FOUND", "path": ["chatId"]}]}
    assert finished["finishVideoconference"] == {"problems": [{"code": "NOT_FOUND", "path": ["id"]}]}


@pytest.mark.parametrize(
    ("login", "may"),
    [("director", True), ("vorontsova", True), ("teacher", True), ("pupil", False)],
)
async def test_a_conference_is_made_by_the_administrators_and_by_the_class_teacher_alone(
    api: Api, login: str, may: bool
) -> None:
    chat = await chat_named(api, "1 Б")

    made = (await api.data(login, CREATE, input=an_hour(chat)))["createVideoconference"]

    if may:
        assert made["videoconference"]["status"] == "SCHEDULED"
        assert made["videoconference"]["startsAt"] == "2027-05-01T10:00:00+03:00"
    else:
        assert made == {"problems": [{"code": "FORBIDDEN", "path": []}]}


async def test_a_repeated_key_makes_one_conference_and_another_form_under_it_is_refused(api: Api) -> None:
    chat = await chat_named(api, "1 Б")
    form = an_hour(chat, idempotencyKey="once")

    first, second = [(await api.data("teacher", CREATE, input=form))["createVideoconference"] for _ in range(2)]
    other = (await api.data("teacher", CREATE, input=form | {"name": "Другой час"}))["createVideoconference"]

    assert first == second
    assert other == {"problems": [{"code": "IDEMPOTENCY_KEY_REUSED", "path": ["idempotencyKey"]}]}
    assert (await api.data("director", "{ videoconferences { totalCount } }"))["videoconferences"]["totalCount"] == 1


async def test_all_that_is_wrong_with_a_form_is_said_at_once(api: Api) -> None:
    chat = await chat_named(api, "1 Б")
    form = an_hour(chat, name=" ", startsAt="2027-05-01T10:00:00Z", endsAt="2027-05-01T09:00:00Z")

    refused = (await api.data("teacher", CREATE, input=form))["createVideoconference"]["problems"]

    assert {(problem["code"], *problem["path"]) for problem in refused} == {
        ("REQUIRED", "name"),
        ("END_NOT_AFTER_START", "endsAt"),
    }


@pytest.mark.parametrize(
    "instant",
    [
        "2027-05-01T10:00:00",
        "2027-05-01",
        "tomorrow",
        "",
        5,
        None,
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
    ],
)
async def test_an_instant_without_its_offset_or_out_of_this_world_is_refused(api: Api, instant: Any) -> None:
    chat = await chat_named(api, "1 Б")

    body = await api.ask("teacher", CREATE, input=an_hour(chat, startsAt=instant))

    if "errors" in body:
        assert body["errors"][0]["extensions"]["code"] == "BAD_REQUEST"
    else:
        assert body["data"]["createVideoconference"]["problems"]


HOSTILE = ["", " ", "'", '"', "\\", "%00", "../../etc/passwd", "<script>", "💥", "а" * 5000, "-1", "1e999", "null"]


@pytest.mark.parametrize("text", HOSTILE)
async def test_any_text_for_an_id_gets_data_or_a_typed_refusal(api: Api, text: str) -> None:
    answers = [
        await api.ask("director", f"query ($x: ID!) {{ {field}(id: $x) {{ id }} }}", x=text)
        for field in ("chat", "videoconference", "node", "organization")
    ] + [
        await api.ask("director", "query ($x: ID!) { chats(organizationId: $x) { totalCount } }", x=text),
        await api.ask("director", CREATE, input=an_hour(text, lessonId=text, pupilIds=[text], idempotencyKey=text)),
        await api.ask("director", CREATE, input=an_hour(await chat_named(api, "1 Б"), name=text)),
        await api.ask("director", "mutation ($x: String) { beginAccountLink(returnTo: $x) { __typename } }", x=text),
        await api.ask("superadmin", "query ($x: ID) { videoconferences(organizationId: $x) { totalCount } }", x=text),
    ]

    codes = [error["extensions"]["code"] for answer in answers for error in answer.get("errors", ())]
    assert "INTERNAL" not in codes
    assert "UNAVAILABLE" not in codes


async def test_an_unforeseen_error_shows_its_id_and_nothing_of_the_inside(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> object:
        raise RuntimeError("secret of Воронцова in select * from participants")

    monkeypatch.setattr(type(api.container.views()), "chats", broken)

    body = await api.ask("director", "{ chats { totalCount } }")

    (error,) = body["errors"]
    assert error["extensions"]["code"] == "INTERNAL"
    assert len(error["extensions"]["correlationId"]) == 32
    assert "secret" not in str(body)


async def test_who_is_blocked_has_no_rights_but_a_members_from_then_on(api: Api) -> None:
    chat = await chat_named(api, "1 Б")
    told = "mutation ($events: [RosterEventInput!]!) { applyRosterEvents(events: $events) { __typename } }"
    await api.data("roster", told, events=[{"personBlocked": {"key": "b", "personId": "manual-director"}}])

    seen = await api.data("director", "{ viewer { permissions } chats { totalCount } }")
    created = await api.data("director", CREATE, input=an_hour(chat))

    assert seen == {"viewer": {"permissions": []}, "chats": {"totalCount": 1}}
    assert created["createVideoconference"] == {"problems": [{"code": "NOT_FOUND", "path": ["chatId"]}]}
