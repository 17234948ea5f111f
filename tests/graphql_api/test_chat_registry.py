"""The registry of chats over GraphQL: its filters, orders and pages, what may be done, and the organization's list."""

from typing import Any

import pytest
from sqlalchemy import text

from graphql_api.global_ids import read_global_id
from tests.graphql_api.conftest import Api

CHATS = """query ($filter: ChatFilter, $orderBy: ChatOrder, $first: Int, $offset: Int, $after: String) {
  chats(filter: $filter, orderBy: $orderBy, first: $first, offset: $offset, after: $after) {
    totalCount
    pageInfo { hasNextPage hasPreviousPage }
    edges { cursor node {
      id name type memberCount isDefault archived viewerCan
      administrator { fullName } schoolClass { id name } subject { name }
    } }
  }
}"""
MEMBERS = """query ($id: ID!, $filter: MembershipFilter, $first: Int) {
  chat(id: $id) { memberCount viewerCan members(filter: $filter, first: $first) { totalCount edges { node {
    participant { id fullName } role capacities grounds { kind capacity since pupil { fullName } }
  } } } }
}"""
FIGURE_27 = [
    "Учительская",
    "8 К",
    "8 К Родители",
    "1 Б",
    "1 Б Родители",
    "9",
    "9 Родители",
    "4 А",
    "4 А Родители",
    "3 А",
    "3 А Родители",
    "1 Ь",
    "1 Ь Родители",
    "2 Я",
    "2 Я Родители",
    "6 М",
    "6 М Родители",
    "5 П",
    "5 П Родители",
    "4 Л",
    "4 Л Родители",
    "3 Д",
    "3 Д Родители",
    "2 Г",
    "2 Г Родители",
]
CLASSES_IN_ORDER = ["1 Б", "1 Ь", "2 Г", "2 Я", "3 А", "3 Д", "4 А", "4 Л", "5 П", "6 М", "8 К", "9"]


async def chats(api: Api, login: str = "director", **variables: Any) -> list[dict[str, Any]]:
    page = (await api.data(login, CHATS, **({"first": 100} | variables)))["chats"]
    return [edge["node"] for edge in page["edges"]]


async def chat_named(api: Api, name: str) -> dict[str, Any]:
    return next(chat for chat in await chats(api) if chat["name"] == name)


async def told(api: Api, *events: dict[str, Any]) -> None:
    document = "mutation ($events: [RosterEventInput!]!) { applyRosterEvents(events: $events) { __typename } }"
    answer = await api.data("roster", document, events=list(events))
    assert answer["applyRosterEvents"]["__typename"] == "RosterEventsApplied"


async def sql(api: Api, statement: str, **values: Any) -> None:
    async with api.container.engine().begin() as connection:
        await connection.execute(text(statement), values)


@pytest.mark.rule("CHAT-33")
async def test_without_an_order_chats_stand_as_they_were_made_as_in_figure_27(api: Api) -> None:
    default = await chats(api)
    created = await chats(api, orderBy={"field": "CREATED"})
    latest_first = await chats(api, orderBy={"field": "CREATED", "direction": "DESC"})

    assert [chat["name"] for chat in default] == FIGURE_27
    assert created == default
    assert latest_first == default[::-1]


@pytest.mark.rule("CHAT-01", "CHAT-33")
async def test_the_registry_is_sorted_by_class_by_number_then_letter(api: Api) -> None:
    up = await chats(api, orderBy={"field": "SCHOOL_CLASS", "direction": "ASC"})
    down = await chats(api, orderBy={"field": "SCHOOL_CLASS", "direction": "DESC"})

    both = [name for school_class in CLASSES_IN_ORDER for name in (school_class, f"{school_class} Родители")]
    assert [chat["name"] for chat in up] == [*both, "Учительская"]
    assert [chat["schoolClass"]["name"] for chat in down[:-1:2]] == CLASSES_IN_ORDER[::-1]
    assert down[-1]["name"] == "Учительская"


@pytest.mark.rule("CHAT-01")
async def test_a_filtered_and_sorted_page_is_one_statement_with_its_total(api: Api) -> None:
    school_class = (await chat_named(api, "4 Л"))["schoolClass"]["id"]
    given = {"nameContains": "род", "types": ["PARENTS", "CLASS"], "schoolClassId": school_class, "archived": None}

    with api.counted() as statements:
        answer = await api.data("director", CHATS, filter=given, orderBy={"field": "SUBJECT", "direction": "DESC"})

    assert [edge["node"]["name"] for edge in answer["chats"]["edges"]] == ["4 Л Родители"]
    assert answer["chats"]["totalCount"] == 1
    # The viewer's rights, and the page.
    assert len(statements) == 2


@pytest.mark.rule("CHAT-01")
async def test_the_cursor_of_a_sorted_page_leads_to_the_next_one(api: Api) -> None:
    order = {"field": "MEMBER_COUNT", "direction": "DESC"}
    whole = (await api.data("director", CHATS, orderBy=order, first=100))["chats"]["edges"]

    page = (await api.data("director", CHATS, orderBy=order, first=24))["chats"]
    rest = (await api.data("director", CHATS, orderBy=order, first=24, after=page["edges"][-1]["cursor"]))["chats"]

    assert (page["totalCount"], page["pageInfo"]["hasNextPage"]) == (25, True)
    assert page["edges"] + rest["edges"] == whole
    assert whole[0]["node"]["memberCount"] == 24


@pytest.mark.rule("CHAT-24")
async def test_the_chats_of_a_closed_class_are_listed_only_where_archived_ones_are_asked_for(api: Api) -> None:
    await told(api, {"classClosed": {"key": "c", "classId": "manual-class-9"}})

    open_ones = await chats(api)
    by_name = await chats(api, filter={"nameContains": "9"})
    archived = await chats(api, filter={"archived": True})
    both = await chats(api, filter={"archived": None})

    assert [chat["name"] for chat in archived] == ["9", "9 Родители"]
    assert [chat["name"] for chat in open_ones] == [name for name in FIGURE_27 if name not in {"9", "9 Родители"}]
    assert [chat["name"] for chat in both] == FIGURE_27
    assert by_name == []
    assert [chat["viewerCan"] for chat in archived] == [["RESYNC"], ["RESYNC"]]
    assert await chats(api, "pupil", filter={"archived": True}) == []


@pytest.mark.rule("RIGHT-06")
async def test_filters_show_nobody_more_than_is_theirs(api: Api) -> None:
    by_class = await chats(
        api, "teacher", filter={"schoolClassId": (await chat_named(api, "4 А"))["schoolClass"]["id"]}
    )
    by_name = await chats(api, "pupil", filter={"nameContains": "1"}, orderBy={"field": "NAME"})

    assert by_class == []
    assert [chat["name"] for chat in by_name] == ["1 Б"]


@pytest.mark.rule("RIGHT-08")
async def test_ids_of_the_other_school_and_of_other_things_find_no_chat(api: Api) -> None:
    school_class = (await chat_named(api, "4 А"))["schoolClass"]["id"]
    someone = (await chat_named(api, "4 А"))["id"]

    found = [
        await chats(api, "outsider", filter={"schoolClassId": school_class, "archived": None}),
        await chats(api, filter={"schoolClassId": someone}),
        await chats(api, filter={"subjectId": school_class}),
        await chats(api, filter={"subjectId": "nonsense"}),
    ]

    assert found == [[], [], [], []]


@pytest.mark.parametrize("hostile", ["%", "_", "\\", "'", "<script>", "💥", "а" * 10_000, "а " * 5_000, "' or 1=1 --"])
async def test_any_text_is_searched_for_as_it_stands(api: Api, hostile: str) -> None:
    chat = (await chat_named(api, "1 Б"))["id"]

    answers = [
        await api.ask("director", CHATS, filter={"nameContains": hostile, "subjectId": hostile}),
        await api.ask("director", CHATS, filter={"nameContains": hostile, "schoolClassId": hostile}),
        await api.ask("director", CHATS, filter={"nameContains": hostile}),
        await api.ask("director", MEMBERS, id=chat, filter={"nameContains": hostile}),
        await api.ask("superadmin", "query ($x: String) { organizations(nameContains: $x) { totalCount } }", x=hostile),
    ]

    assert [answer.get("errors") for answer in answers] == [None] * len(answers)
    assert answers[0]["data"]["chats"]["totalCount"] == 0
    assert answers[1]["data"]["chats"]["totalCount"] == 0


async def test_a_column_that_is_none_of_the_registrys_is_refused(api: Api) -> None:
    body = await api.ask("director", CHATS, orderBy={"field": "c.name; drop table chats", "direction": "ASC"})

    assert body["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


@pytest.mark.rule("CHAT-16")
async def test_the_members_table_has_tabs_and_a_search_with_the_total_of_what_they_find(api: Api) -> None:
    chat = (await chat_named(api, "Учительская"))["id"]

    everybody = (await api.data("director", MEMBERS, id=chat, first=3))["chat"]
    pupils = (await api.data("director", MEMBERS, id=chat, filter={"capacity": "PUPIL"}))["chat"]["members"]
    found = (
        await api.data("director", MEMBERS, id=chat, filter={"capacity": "EMPLOYEE", "nameContains": "ЕЛЕ  ворон"})
    )["chat"]["members"]

    assert (everybody["memberCount"], everybody["members"]["totalCount"]) == (24, 24)
    assert len(everybody["members"]["edges"]) == 3
    assert pupils == {"totalCount": 0, "edges": []}
    assert [edge["node"]["participant"]["fullName"] for edge in found["edges"]] == ["Воронцова Елена Владимировна"]
    assert found["totalCount"] == 1


@pytest.mark.rule("CHAT-16")
async def test_somebody_in_two_capacities_is_in_both_tabs_and_is_one_member(api: Api) -> None:
    await told(api, {"classTeacherSet": {"key": "c", "classId": "manual-class-6-m", "personId": "manual-employee-02"}})
    chat = (await chat_named(api, "6 М Родители"))["id"]

    tabs = {
        capacity: (await api.data("director", MEMBERS, id=chat, filter={"capacity": capacity}))["chat"]["members"]
        for capacity in ("EMPLOYEE", "PARENT", None)
    }

    in_tab = {capacity: {edge["node"]["participant"]["id"] for edge in tab["edges"]} for capacity, tab in tabs.items()}
    (both,) = in_tab["EMPLOYEE"] & in_tab["PARENT"]
    assert both in in_tab[None]
    assert tabs[None]["totalCount"] == len(in_tab[None]) == 2
    assert (await chat_named(api, "6 М Родители"))["memberCount"] == 2


async def test_two_tabs_of_the_same_chats_are_a_statement_each(api: Api) -> None:
    document = """{ chats(first: 5) { edges { node {
      pupils: members(filter: {capacity: PUPIL}) { totalCount } employees: members(filter: {capacity: EMPLOYEE}) {
      totalCount } } } } }"""

    with api.counted() as statements:
        await api.data("director", document)

    # The viewer's rights, the page, and each tab of all its chats.
    assert len(statements) == 4


@pytest.mark.rule("RIGHT-10")
@pytest.mark.parametrize(
    ("login", "knows_of"),
    [("director", "everybody"), ("vorontsova", "everybody"), ("teacher", "everybody"), ("pupil", "themselves")],
)
async def test_grounds_are_shown_to_who_may_edit_the_chat_and_about_oneself(
    api: Api, login: str, knows_of: str
) -> None:
    chat = (await chat_named(api, "1 Б"))["id"]
    own = (await api.data(login, "{ viewer { participant { id } } }"))["viewer"]["participant"]["id"]

    members = (await api.data(login, MEMBERS, id=chat))["chat"]["members"]["edges"]

    shown = {edge["node"]["participant"]["id"] for edge in members if edge["node"]["grounds"] is not None}
    everybody = {edge["node"]["participant"]["id"] for edge in members}
    assert len(everybody) == 3
    assert shown == (everybody if knows_of == "everybody" else {own})


async def test_what_was_added_by_hand_is_a_ground_of_its_own(api: Api) -> None:
    chat = (await chat_named(api, "9"))["id"]
    _, inside = read_global_id(chat) or (None, None)
    await sql(
        api,
        """insert into memberships (chat_id, participant_id, role, capacities, grounds)
        select :chat, p.id, 'MEMBER', '{EMPLOYEE}',
          '[{"kind": "ADDED_BY_HAND", "capacity": "EMPLOYEE", "pupil": null, "since": "2026-09-01T00:00:00+03:00"}]'
        from participants p where p.person_id = 'manual-teacher'""",
        chat=inside,
    )

    member = (await api.data("teacher", MEMBERS, id=chat, filter={"nameContains": "Зимина"}))["chat"]["members"]

    assert [ground["kind"] for ground in member["edges"][0]["node"]["grounds"]] == ["ADDED_BY_HAND"]


@pytest.mark.rule("RIGHT-10")
async def test_members_and_the_children_they_are_there_for_are_told_apart_to_who_may_edit_the_chat(api: Api) -> None:
    chat = (await chat_named(api, "4 А Родители"))["id"]
    document = """query ($id: ID!) { chat(id: $id) { members { edges { node {
      participant { caption } grounds { pupil { caption } } } } } } }"""

    shown = {
        login: [edge["node"] for edge in (await api.data(login, document, id=chat))["chat"]["members"]["edges"]]
        for login in ("director", "parent")
    }

    assert shown["director"] == [
        {"participant": {"caption": "администрация"}, "grounds": [{"pupil": None}]},
        {
            "participant": {"caption": "родитель: Мельников А., 4 А"},
            "grounds": [{"pupil": {"caption": "4 А"}}],
        },
    ]
    assert shown["parent"] == [
        {"participant": {"caption": None}, "grounds": None},
        {
            "participant": {"caption": "родитель: Мельников А., 4 А"},
            "grounds": [{"pupil": {"caption": None}}],
        },
    ]


async def test_the_study_groups_of_a_page_of_chats_are_one_statement_more(api: Api) -> None:
    groups = {"8 К": "1 Б", "9": "3 А и 3 Д"}
    for chat, group in groups.items():
        await sql(
            api,
            """update chats set type = 'SUBJECT', class_id = null, group_id = g.id
            from study_groups g where g.name = :group and chats.name = :chat""",
            chat=chat,
            group=group,
        )
    document = "{ chats(first: 100) { edges { node { name subject { name } studyGroup { name subject { name } } } } } }"

    with api.counted() as statements:
        page = (await api.data("director", document))["chats"]["edges"]
        sent = len(statements)

    following = [edge["node"] for edge in page if edge["node"]["studyGroup"]]
    assert {chat["name"]: chat["studyGroup"]["name"] for chat in following} == groups
    assert [chat["subject"] for chat in following] == [chat["studyGroup"]["subject"] for chat in following]
    # The viewer's rights, the page, its study groups.
    assert sent == 3


@pytest.mark.rule("RIGHT-07")
@pytest.mark.parametrize(
    ("login", "chat", "actions"),
    [
        ("director", "1 Б", ["EDIT", "RESYNC", "CREATE_VIDEOCONFERENCE"]),
        ("vorontsova", "Учительская", ["EDIT", "RESYNC", "CREATE_VIDEOCONFERENCE"]),
        ("teacher", "1 Б", ["EDIT", "RESYNC", "CREATE_VIDEOCONFERENCE"]),
        ("teacher", "1 Б Родители", ["EDIT", "RESYNC", "CREATE_VIDEOCONFERENCE"]),
        ("teacher", "Учительская", []),
        ("pupil", "1 Б", []),
        ("parent", "4 А Родители", []),
    ],
)
async def test_a_chat_says_what_the_viewer_may_do_with_it(api: Api, login: str, chat: str, actions: list[str]) -> None:
    (found,) = [each for each in await chats(api, login) if each["name"] == chat]

    assert found["viewerCan"] == actions


async def test_only_chats_that_users_make_are_deleted_by_who_may(api: Api) -> None:
    await sql(api, "update chats set type = 'OTHER', class_id = null where name = '9 Родители'")

    assert (await chat_named(api, "9 Родители"))["viewerCan"] == ["EDIT", "DELETE", "RESYNC", "CREATE_VIDEOCONFERENCE"]


@pytest.mark.rule("RIGHT-08")
@pytest.mark.parametrize(
    ("login", "actions"),
    [
        ("superadmin", ["CREATE_CHAT", "CREATE_VIDEOCONFERENCE", "SET_CHAT_ADMINISTRATOR", "READ_AUDIT"]),
        ("director", ["CREATE_CHAT", "CREATE_VIDEOCONFERENCE", "SET_CHAT_ADMINISTRATOR", "READ_AUDIT"]),
        ("vorontsova", ["CREATE_CHAT", "CREATE_VIDEOCONFERENCE", "READ_AUDIT"]),
        ("teacher", ["CREATE_VIDEOCONFERENCE"]),
        ("pupil", []),
        ("outsider", None),
    ],
)
async def test_an_organization_says_what_the_viewer_may_do_in_it(
    api: Api, login: str, actions: list[str] | None
) -> None:
    school = (await api.data("director", "{ organization { id } }"))["organization"]["id"]

    seen = await api.data(login, "query ($id: ID) { organization(id: $id) { viewerCan } }", id=school)

    assert (seen["organization"] and seen["organization"]["viewerCan"]) == actions


ATTENTION = (
    "{ organization { attention { totalCount edges { node { kind since message participant { fullName } } } } } }"
)


@pytest.mark.rule("RIGHT-03")
async def test_an_organization_without_a_chat_administrator_says_so_to_who_sees_the_registry(api: Api) -> None:
    await sql(
        api,
        """update organizations set chat_administrator_id = null,
        without_chat_administrator_since = '2026-09-01T06:00:00Z' where school_id = 'school-manual'""",
    )

    seen = (await api.data("director", ATTENTION))["organization"]["attention"]
    by_teacher = (await api.data("teacher", ATTENTION))["organization"]["attention"]

    assert seen == {
        "totalCount": 1,
        "edges": [
            {
                "node": {
                    "kind": "NO_CHAT_ADMINISTRATOR",
                    "since": "2026-09-01T09:00:00+03:00",
                    "message": "У организации нет администратора чатов. Выберите его в настройках организации.",
                    "participant": None,
                }
            }
        ],
    }
    assert by_teacher == {"totalCount": 0, "edges": []}


async def test_a_chat_administrator_without_a_working_link_is_named_since_they_were_chosen(api: Api) -> None:
    seen = (await api.data("director", ATTENTION))["organization"]["attention"]["edges"]
    chosen = (
        await api.data("director", '{ audit(filter: {actions: ["ORGANIZATION_CHANGED"]}) { edges { node { at } } } }')
    )["audit"]["edges"][0]["node"]["at"]
    in_english = (await api.post({"query": ATTENTION}, login="director", accept_language="en")).json()["data"][
        "organization"
    ]["attention"]["edges"]

    assert [(edge["node"]["kind"], edge["node"]["participant"]["fullName"]) for edge in seen] == [
        ("CHAT_ADMINISTRATOR_NOT_LINKED", "Воронцова Елена Владимировна")
    ]
    assert seen[0]["node"]["since"] == chosen
    assert in_english[0]["node"]["message"].startswith("The chat administrator's account is not linked")


async def test_with_a_linked_chat_administrator_nothing_waits(api: Api) -> None:
    await sql(
        api,
        """insert into account_links (person_id, profile_id, display_name, linked_at, tokens)
        values ('manual-vorontsova', 'p', 'Елена В.', now(), 'x')""",
    )

    working = (await api.data("director", ATTENTION))["organization"]["attention"]
    await sql(api, "update account_links set tokens = null where person_id = 'manual-vorontsova'")
    broken = (await api.data("director", ATTENTION))["organization"]["attention"]

    assert working["totalCount"] == 0
    assert [edge["node"]["kind"] for edge in broken["edges"]] == ["CHAT_ADMINISTRATOR_NOT_LINKED"]


async def test_what_waits_in_all_organizations_of_a_page_is_one_statement(api: Api) -> None:
    document = "{ organizations { edges { node { name viewerCan attention { totalCount } } } } }"

    with api.counted() as statements:
        page = (await api.data("superadmin", document))["organizations"]["edges"]

    assert [edge["node"]["attention"]["totalCount"] for edge in page] == [1, 1]
    # The viewer's rights, the page, what waits.
    assert len(statements) == 3


@pytest.mark.rule("CHAT-33")
async def test_organizations_are_found_by_name(api: Api) -> None:
    document = "query ($x: String) { organizations(nameContains: $x) { totalCount edges { node { name } } } }"

    found = (await api.data("superadmin", document, x="ГИМ"))["organizations"]
    hidden = (await api.data("director", document, x="гим"))["organizations"]

    assert found == {"totalCount": 1, "edges": [{"node": {"name": "Гимназия"}}]}
    assert hidden == {"totalCount": 0, "edges": []}
