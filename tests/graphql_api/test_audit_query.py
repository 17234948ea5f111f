"""The audit over GraphQL: to whom it is open, what its lines show, and pages that do not move."""

import json
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from domain.ids import PersonId, organization_id, participant_id, role_id
from graphql_api.global_ids import global_id, read_global_id
from infrastructure.demo.manual_school import SCHOOL_ID
from tests.graphql_api.conftest import Api

SCHOOL, OTHER_SCHOOL = organization_id(SCHOOL_ID), organization_id("school-full")
DIRECTOR = participant_id(SCHOOL, PersonId("manual-director"))
TEACHER = participant_id(SCHOOL, PersonId("manual-teacher"))

AUDIT = """query ($organizationId: ID, $filter: AuditFilter, $first: Int, $after: String) {
  audit(organizationId: $organizationId, filter: $filter, first: $first, after: $after) {
    totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    edges { cursor node {
      id at actor { id fullName } cause action before after
      subject { __typename id ... on Chat { name } ... on Videoconference { name } ... on Organization { name }
                ... on Participant { fullName } ... on Role { name } }
    } }
  }
}"""
OURS = {"actions": ["TESTED"]}


async def audit(api: Api, login: str = "director", **variables: Any) -> dict[str, Any]:
    page: dict[str, Any] = (await api.data(login, AUDIT, **variables))["audit"]
    return page


async def lines(api: Api, login: str = "director", **variables: Any) -> list[dict[str, Any]]:
    return [edge["node"] for edge in (await audit(api, login, **({"first": 100} | variables)))["edges"]]


async def add_line(
    api: Api,
    subject: str = "organization",
    subject_id: UUID = SCHOOL,
    *,
    organization: UUID | None = SCHOOL,
    at: str = "2026-09-01T06:00:00Z",
    actor: UUID | None = None,
    action: str = "TESTED",
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    statement = text(
        """insert into audit_entries (organization_id, at, cause, actor_id, action, subject, subject_id, before, after)
        values (:organization, cast(:at as text)::timestamptz, 'USER', :actor, :action, :subject, :subject_id,
                cast(:before as text)::jsonb, cast(:after as text)::jsonb)"""
    )
    values = {"before": before and json.dumps(before), "after": after and json.dumps(after)}
    given = {"organization": organization, "at": at, "actor": actor, "action": action, "subject": subject}
    async with api.container.engine().begin() as connection:
        await connection.execute(statement, values | given | {"subject_id": subject_id})


async def chat_id(api: Api, name: str) -> tuple[str, UUID]:
    found = await api.data(
        "director", "query ($x: String) { chats(filter: {nameContains: $x}) { edges { node { id name } } } }", x=name
    )
    id = next(edge["node"]["id"] for edge in found["chats"]["edges"] if edge["node"]["name"] == name)
    _, inside = read_global_id(id) or ("", UUID(int=0))
    return id, inside


@pytest.mark.rule("AUDIT-01")
async def test_a_line_says_who_when_what_for_what_cause_before_and_after(api: Api) -> None:
    await add_line(
        api,
        "participant",
        TEACHER,
        actor=DIRECTOR,
        before={"роль": "Завуч", "b": None},
        after={"б": [1, 2], "abc": {"z": 1, "ye": "«Ё»"}},
    )

    (line,) = await lines(api, filter=OURS)

    assert line | {"id": None} == {
        "id": None,
        "at": "2026-09-01T09:00:00+03:00",
        "actor": {"id": global_id("Participant", DIRECTOR), "fullName": "Лаптев Игорь Степанович"},
        "cause": "USER",
        "action": "TESTED",
        "before": '{"b":null,"роль":"Завуч"}',
        "after": '{"abc":{"ye":"«Ё»","z":1},"б":[1,2]}',
        "subject": {
            "__typename": "Participant",
            "id": global_id("Participant", TEACHER),
            "fullName": "Зимина Ольга Павловна",
        },
    }


@pytest.mark.rule("AUDIT-01")
async def test_what_the_use_cases_change_is_read_back_from_the_audit(api: Api) -> None:
    told = "mutation ($events: [RosterEventInput!]!) { applyRosterEvents(events: $events) { __typename } }"
    await api.data("roster", told, events=[{"personBlocked": {"key": "b", "personId": "manual-teacher"}}])
    await api.data("roster", told, events=[{"personUnblocked": {"key": "u", "personId": "manual-teacher"}}])

    found = await lines(api, filter={"subjectId": global_id("Participant", TEACHER), "actions": ["RIGHTS_CHANGED"]})

    assert [(line["cause"], line["actor"], line["before"], line["after"]) for line in found] == [
        ("ROSTER", None, '{"blocked":true}', '{"blocked":false}'),
        ("ROSTER", None, '{"blocked":false}', '{"blocked":true}'),
    ]


@pytest.mark.rule("AUDIT-01")
async def test_what_was_not_before_or_is_no_more_is_null(api: Api) -> None:
    await add_line(api, after={"name": "9"})
    await add_line(api, before={"name": "9"})

    deleted, created = await lines(api, filter=OURS)

    assert (deleted["before"], deleted["after"]) == ('{"name":"9"}', None)
    assert (created["before"], created["after"]) == (None, '{"name":"9"}')
    assert [line["before"] for line in await lines(api, filter={"actions": ["CHAT_CREATED"]})] == [None] * 25


@pytest.mark.rule("AUDIT-01", "RIGHT-08")
@pytest.mark.parametrize(
    ("login", "reads"),
    [
        ("superadmin", True),
        ("director", True),
        ("vorontsova", True),
        ("teacher", False),
        ("pupil", False),
        ("parent", False),
        ("roster", False),
        ("outsider", False),
    ],
)
async def test_the_audit_is_read_by_administrators_of_the_organization_and_nobody_else(
    api: Api, login: str, reads: bool
) -> None:
    await add_line(api)
    (line,) = await lines(api, filter=OURS)
    node = "query ($id: ID!) { node(id: $id) { ... on AuditEntry { action } } }"

    listed = await audit(api, login, organizationId=global_id("Organization", SCHOOL), filter=OURS)
    by_id = (await api.data(login, node, id=line["id"]))["node"]

    assert (listed["totalCount"], len(listed["edges"])) == ((1, 1) if reads else (0, 0))
    assert by_id == ({"action": "TESTED"} if reads else None)


@pytest.mark.rule("RIGHT-09")
async def test_a_blocked_administrator_reads_no_audit_any_more(api: Api) -> None:
    told = "mutation ($events: [RosterEventInput!]!) { applyRosterEvents(events: $events) { __typename } }"
    await api.data("roster", told, events=[{"personBlocked": {"key": "b", "personId": "manual-director"}}])

    assert (await audit(api, "director"))["totalCount"] == 0
    assert (await audit(api, "vorontsova"))["totalCount"] > 0


async def test_lines_of_no_organization_are_a_superadministrators_and_lines_of_others_are_not_in_the_list(
    api: Api,
) -> None:
    role = role_id("SUPERADMINISTRATOR")
    await add_line(api)
    await add_line(api, organization=OTHER_SCHOOL, subject_id=OTHER_SCHOOL)
    await add_line(api, "role", role, organization=None, before={"permissions": []})
    school = {"organizationId": global_id("Organization", SCHOOL), "filter": OURS}

    by_superadministrator = await lines(api, "superadmin", **school)
    by_director = await lines(api, "director", **school)
    node = "query ($id: ID!) { node(id: $id) { id } }"
    of_nobody, of_school = (line["id"] for line in by_superadministrator)

    assert [line["subject"] for line in by_superadministrator] == [
        {"__typename": "Role", "id": global_id("Role", role), "name": "SUPERADMINISTRATOR"},
        {"__typename": "Organization", "id": global_id("Organization", SCHOOL), "name": "Школа № 27"},
    ]
    assert by_superadministrator[0]["at"] == "2026-09-01T06:00:00+00:00"
    assert [line["id"] for line in by_director] == [of_school]
    assert (await api.data("superadmin", node, id=of_nobody))["node"] == {"id": of_nobody}
    assert (await api.data("director", node, id=of_nobody))["node"] is None


async def test_a_superadministrator_names_the_organization_of_the_audit(api: Api) -> None:
    body = await api.ask("superadmin", "{ audit { totalCount } }")

    assert body["errors"][0]["extensions"]["code"] == "ORGANIZATION_REQUIRED"


async def test_a_subject_that_is_gone_or_not_to_be_seen_is_null(api: Api) -> None:
    chat, inside = await chat_id(api, "9")
    await add_line(api, "chat", inside)
    await add_line(api, "chat", uuid4())
    await add_line(api, "role", role_id("SUPERADMINISTRATOR"))
    await add_line(api, "organization", OTHER_SCHOOL)
    await add_line(api, "something else", SCHOOL)

    before = [line["subject"] for line in await lines(api, filter=OURS)]
    async with api.container.engine().begin() as connection:
        await connection.execute(text("update chats set deleted_at = now() where id = :id"), {"id": inside})
    after = [line["subject"] for line in await lines(api, filter=OURS)]

    assert before == [None, None, None, None, {"__typename": "Chat", "id": chat, "name": "9"}]
    assert after == [None] * 5


async def test_the_chat_of_a_line_is_null_for_an_administrator_who_may_not_view_the_registry(api: Api) -> None:
    _, chat = await chat_id(api, "9")
    await add_line(api, "chat", chat)
    async with api.container.engine().begin() as connection:
        await connection.execute(
            text("update roles set permissions = '{CHAT_EDIT}' where name = 'ORGANIZATION_ADMINISTRATOR'")
        )

    (by_director,) = await lines(api, "director", filter=OURS)
    (by_chat_administrator,) = await lines(api, "vorontsova", filter=OURS)

    assert by_director["subject"] is None
    assert by_chat_administrator["subject"]["name"] == "9"


async def test_conferences_of_lines_are_read_in_one_statement_until_they_are_deleted(api: Api) -> None:
    chat, _ = await chat_id(api, "9")
    create = """mutation ($input: CreateVideoconferenceInput!) { createVideoconference(input: $input) {
      ... on VideoconferenceSaved { videoconference { id } } } }"""
    times = {"startsAt": "2027-05-01T10:00:00+03:00", "endsAt": "2027-05-01T11:00:00+03:00"}
    for name in ("Первая", "Вторая"):
        await api.data("director", create, input={"type": "VIDEO_CALL", "name": name, "chatId": chat} | times)
    made = {"actions": ["VIDEOCONFERENCE_CREATED"]}

    with api.counted() as statements:
        found = await lines(api, filter=made)
        sent = len(statements)
    async with api.container.engine().begin() as connection:
        await connection.execute(text("update videoconferences set deleted_at = now() where name = 'Первая'"))
    later = await lines(api, filter=made)

    assert [line["subject"]["name"] for line in found] == ["Вторая", "Первая"]
    assert [line["actor"]["fullName"] for line in found] == ["Лаптев Игорь Степанович"] * 2
    # The viewer's rights, the page, its conferences.
    assert sent == 3
    assert [line["subject"] and line["subject"]["name"] for line in later] == ["Вторая", None]


async def test_an_actor_of_another_organization_and_one_who_was_erased_are_shown_as_they_are(api: Api) -> None:
    async with api.container.engine().begin() as connection:
        await connection.execute(
            text("update participants set full_name = 'Данные удалены' where id = :id"), {"id": DIRECTOR}
        )
        foreign = (
            await connection.execute(
                text(
                    """insert into participants (id, organization_id, person_id, last_name, first_name, blocked,
                      full_name, sort_key, search_key)
                    values (gen_random_uuid(), :school, 'x', 'Чужой', 'Иван', false, 'Чужой Иван', '', '')
                    returning id"""
                ),
                {"school": OTHER_SCHOOL},
            )
        ).scalar_one()
    for actor in (DIRECTOR, foreign, uuid4()):
        await add_line(api, actor=actor)

    found = await lines(api, filter=OURS)

    assert [line["actor"] and line["actor"]["fullName"] for line in found] == [None, "Чужой Иван", "Данные удалены"]


async def test_filters_find_the_lines_for_which_all_of_them_hold(api: Api) -> None:
    _, chat = await chat_id(api, "9")
    await add_line(api, "chat", chat, at="2020-01-01T00:00:00Z", actor=DIRECTOR, action="FIRST")
    await add_line(api, "chat", chat, at="2020-01-02T00:00:00Z", actor=TEACHER, action="SECOND")
    await add_line(api, at="2020-01-03T00:00:00Z", actor=DIRECTOR, action="THIRD")
    chat_filter = {"subjectId": global_id("Chat", chat), "to": "2021-01-01T00:00:00Z"}
    director = {"actorId": global_id("Participant", DIRECTOR), "to": "2021-01-01T00:00:00Z"}

    async def found(**filter: Any) -> list[str]:
        page = await audit(api, first=100, filter=filter)
        assert page["totalCount"] == len(page["edges"])
        return [edge["node"]["action"] for edge in page["edges"]]

    assert await found(**chat_filter) == ["SECOND", "FIRST"]
    assert await found(**director) == ["THIRD", "FIRST"]
    assert await found(**chat_filter | director) == ["FIRST"]
    assert await found(actions=["THIRD", "FIRST"]) == ["THIRD", "FIRST"]
    assert await found(actions=[]) == []
    assert await found(**{"from": "2020-01-01T00:00:00Z", "to": "2020-01-02T00:00:00Z"}) == ["FIRST"]
    assert await found(**{"from": "2020-01-02T03:00:00+03:00", "to": "2020-01-04T00:00:00Z"}) == ["THIRD", "SECOND"]


@pytest.mark.rule("RIGHT-08")
@pytest.mark.parametrize("hostile", ["", "nonsense", "'; drop table audit_entries; --", "💥", "%", "а" * 5_000])
async def test_ids_that_name_nothing_of_the_audit_find_nothing(api: Api, hostile: str) -> None:
    await add_line(api, actor=DIRECTOR)
    foreign = {"subjectId": global_id("Organization", SCHOOL)}
    someone = {"actorId": global_id("Participant", DIRECTOR)}

    found = [
        await lines(api, filter={"subjectId": hostile}),
        await lines(api, filter={"actorId": hostile}),
        await lines(api, filter={"actorId": global_id("Organization", SCHOOL)}),
        await lines(api, filter={"subjectId": global_id("AuditEntry", SCHOOL)}),
        await lines(api, filter={"subjectId": global_id("Chat", SCHOOL)}),
        await lines(api, filter={"actions": [hostile]}),
        await lines(api, organizationId=hostile),
        await lines(api, "outsider", filter=foreign),
        await lines(api, "outsider", filter=someone),
    ]

    assert found == [[]] * len(found)


async def test_pages_do_not_move_while_lines_are_added(api: Api) -> None:
    for number in range(5):
        await add_line(api, after={"number": number})

    first = await audit(api, filter=OURS, first=2)
    await add_line(api, after={"number": 5})
    second = await audit(api, filter=OURS, first=2, after=first["pageInfo"]["endCursor"])
    third = await audit(api, filter=OURS, first=2, after=second["pageInfo"]["endCursor"])
    nothing = await audit(api, filter=OURS, first=2, after=third["pageInfo"]["endCursor"])

    pages = (first, second, third, nothing)
    shown = [[json.loads(edge["node"]["after"])["number"] for edge in page["edges"]] for page in pages]
    assert shown == [[4, 3], [2, 1], [0], []]
    assert [page["totalCount"] for page in pages] == [5, 6, 6, 6]
    assert [page["pageInfo"]["hasNextPage"] for page in pages] == [True, True, False, False]
    assert [page["pageInfo"]["hasPreviousPage"] for page in pages] == [False, True, True, True]


@pytest.mark.parametrize("after", ["nonsense", "YXQ6MQ==", "", "bGluZTotMQ==", "bGluZTo" + "5" * 40])
async def test_a_cursor_that_is_none_of_the_audits_is_refused(api: Api, after: str) -> None:
    body = await api.ask("director", AUDIT, after=after)

    assert body["errors"][0]["extensions"] == {"code": "BAD_PAGE"}


async def test_a_page_and_the_subjects_of_its_lines_are_a_statement_each(api: Api) -> None:
    with api.counted() as statements:
        page = await audit(api, filter={"actions": ["CHAT_CREATED", "RIGHTS_CREATED"]}, first=100)

    subjects = {edge["node"]["subject"]["__typename"] for edge in page["edges"]}
    assert len(page["edges"]) > 24
    assert {"Chat", "Participant"} >= subjects >= {"Chat"}
    # The viewer's rights, the page, its chats.
    assert len(statements) == 3


@pytest.mark.rule("AUDIT-01")
@pytest.mark.parametrize("edit", ["update audit_entries set action = 'X'", "delete from audit_entries"])
async def test_a_line_is_never_edited(api: Api, edit: str) -> None:
    await add_line(api)

    with pytest.raises(DBAPIError, match="never edited"):
        async with api.container.engine().begin() as connection:
            await connection.execute(text(edit))

    assert len(await lines(api, filter=OURS)) == 1
