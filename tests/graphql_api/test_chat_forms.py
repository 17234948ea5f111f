"""The windows of chats as a front end uses them: the form, the warning, the conflict, the end."""

from typing import Any

import pytest

from tests.graphql_api.conftest import Api
from tests.graphql_api.test_registry import CREATE as CREATE_CONFERENCE
from tests.graphql_api.test_registry import an_hour, chat_named

SAVED = """
  __typename
  ... on ChatSaved { chat { id name type version memberCount subject { name } viewerCan } }
  ... on UnlinkedMembersWarning { totalCount message confirmation participants { fullName linked } }
  ... on StaleVersion { changedFields node { id ... on Chat { name version } } }
  ... on Refusal { problems { code path message } }
"""
CREATE = "mutation ($input: CreateChatInput!) { createChat(input: $input) {" + SAVED + "} }"
UPDATE = "mutation ($input: UpdateChatInput!) { updateChat(input: $input) {" + SAVED + "} }"
DELETE = """mutation ($id: ID!) { deleteChat(id: $id) {
  __typename ... on ChatDeleted { id } ... on Refusal { problems { code path } }
} }"""
PICK = """query ($filter: ParticipantFilter!) { participants(filter: $filter, first: 100) {
  totalCount edges { node { id fullName linked } }
} }"""
GROUPS = "{ studyGroups { edges { node { id name } } } }"
DEFAULTS = """query ($group: ID!) { chatDefaults(studyGroupId: $group) {
  name employees { fullName } pupils { fullName }
} }"""
MEMBERS = """query ($id: ID!) { chat(id: $id) { version members(first: 100) { totalCount edges { node {
  role participant { fullName } grounds { kind }
} } } } }"""


async def person(api: Api, name: str) -> str:
    found = (await api.data("director", PICK, filter={"nameContains": name}))["participants"]["edges"]
    assert len(found) == 1, found
    id: str = found[0]["node"]["id"]
    return id


async def group(api: Api, name: str) -> str:
    groups = (await api.data("director", GROUPS))["studyGroups"]["edges"]
    id: str = next(edge["node"]["id"] for edge in groups if edge["node"]["name"] == name)
    return id


async def create(api: Api, login: str = "director", **form: Any) -> Any:
    """Creates a chat, confirming the warning if there is one."""
    result = (await api.data(login, CREATE, input=form))["createChat"]
    if result["__typename"] == "UnlinkedMembersWarning":
        form["confirmation"] = result["confirmation"]
        result = (await api.data(login, CREATE, input=form))["createChat"]
    return result


async def members(api: Api, id: str) -> dict[str, tuple[str, list[str]]]:
    edges = (await api.data("director", MEMBERS, id=id))["chat"]["members"]["edges"]
    return {
        edge["node"]["participant"]["fullName"]: (
            edge["node"]["role"],
            [ground["kind"] for ground in edge["node"]["grounds"]],
        )
        for edge in edges
    }


@pytest.mark.rule("CHAT-09", "CHAT-11")
async def test_choosing_the_group_fills_the_members_with_its_pupils_and_teachers(api: Api) -> None:
    reading = await group(api, "1 Б")

    defaults = (await api.data("director", DEFAULTS, group=reading))["chatDefaults"]
    saved = await create(api, name="Чтение", type="SUBJECT", studyGroupId=reading)

    assert defaults == {
        "name": "Литературное чтение, 1 Б",
        "employees": [{"fullName": "Зимина Ольга Павловна"}],
        "pupils": [{"fullName": "Кравцов Тимофей Андреевич"}],
    }
    assert (saved["__typename"], saved["chat"]["subject"]) == ("ChatSaved", {"name": "Литературное чтение"})
    assert await members(api, saved["chat"]["id"]) == {
        "Воронцова Елена Владимировна": ("ADMINISTRATOR", ["CHAT_ADMINISTRATOR"]),
        "Зимина Ольга Павловна": ("ADMINISTRATOR", ["GROUP_TEACHER"]),
        "Кравцов Тимофей Андреевич": ("MEMBER", ["GROUP_PUPIL"]),
    }


@pytest.mark.rule("CHAT-13")
async def test_saving_answers_first_with_a_warning_that_names_the_unlinked_people_whom_it_adds(api: Api) -> None:
    form = {"name": "Клуб", "type": "OTHER", "pupilIds": [await person(api, "Кравцов")]}

    first = (await api.data("director", CREATE, input=form))["createChat"]
    form["confirmation"] = first["confirmation"]
    form["pupilIds"] = [*form["pupilIds"], await person(api, "Тарасов")]
    other_set = (await api.data("director", CREATE, input=form))["createChat"]
    form["confirmation"] = other_set["confirmation"]
    confirmed = (await api.data("director", CREATE, input=form))["createChat"]

    assert first["__typename"] == "UnlinkedMembersWarning"
    assert first["totalCount"] == 2, "the pupil, and the chat administrator, who is unlinked too"
    assert [named["fullName"] for named in first["participants"]] == [
        "Воронцова Елена Владимировна",
        "Кравцов Тимофей Андреевич",
    ]
    assert (other_set["__typename"], other_set["totalCount"]) == ("UnlinkedMembersWarning", 3)
    assert (confirmed["__typename"], confirmed["chat"]["memberCount"]) == ("ChatSaved", 3)


@pytest.mark.rule("CHAT-07", "CHAT-08", "CHAT-10")
async def test_all_problems_of_a_form_are_answered_at_once_with_their_paths(api: Api) -> None:
    pupil, parent = await person(api, "Кравцов"), await person(api, "Мельникова")
    form = {
        "name": "  ",
        "type": "SUBJECT",
        "employeeIds": [pupil],
        "pupilIds": ["UGFydGljaXBhbnQ6bm9ib2R5"],
        "parentIds": [parent],
    }

    refused = (await api.data("director", CREATE, input=form))["createChat"]

    assert {(problem["code"], tuple(problem["path"])) for problem in refused["problems"]} == {
        ("REQUIRED", ("name",)),
        ("REQUIRED", ("studyGroupId",)),
        ("CAPACITY_NOT_ALLOWED", ("employeeIds", "0")),
        ("NOT_FOUND", ("pupilIds", "0")),
        ("CAPACITY_NOT_ALLOWED", ("parentIds", "0")),
    }
    assert all(problem["message"] for problem in refused["problems"])


@pytest.mark.rule("CHAT-14", "CHAT-31")
async def test_an_edit_renames_adds_and_takes_out_and_a_second_editor_is_told_what_changed(api: Api) -> None:
    id = await chat_named(api, "1 Б")
    employee, pupil = await person(api, "Зимина"), await person(api, "Кравцов")
    guest = await person(api, "Тарасов")
    edit = {"id": id, "expectedVersion": 0, "name": "1 Б класс", "removeMembers": [pupil]}
    edit["addMembers"] = [{"participantId": guest, "capacity": "PUPIL"}]

    warning = (await api.data("teacher", UPDATE, input=edit))["updateChat"]
    edit["confirmation"] = warning["confirmation"]
    saved = (await api.data("teacher", UPDATE, input=edit))["updateChat"]
    late = (await api.data("director", UPDATE, input={"id": id, "expectedVersion": 0, "name": "Другое"}))["updateChat"]
    removal = {"id": id, "expectedVersion": 1, "removeMembers": [employee]}
    teacher_stays = (await api.data("director", UPDATE, input=removal))["updateChat"]

    assert [named["fullName"] for named in warning["participants"]] == ["Тарасов Матвей Олегович"]
    assert (saved["chat"]["name"], saved["chat"]["version"]) == ("1 Б класс", 1)
    assert late == {
        "__typename": "StaleVersion",
        "changedFields": ["members", "name"],
        "node": {"id": id, "name": "1 Б класс", "version": 1},
    }
    assert [problem["code"] for problem in teacher_stays["problems"]] == ["CHAT_ADMINISTRATOR_STAYS"]
    assert (await members(api, id)).keys() == {
        "Воронцова Елена Владимировна",
        "Зимина Ольга Павловна",
        "Тарасов Матвей Олегович",
    }


@pytest.mark.rule("CHAT-06", "CHAT-15")
async def test_only_chats_that_people_made_are_deleted_and_only_without_conferences_to_come(api: Api) -> None:
    default = (await api.data("director", DELETE, id=await chat_named(api, "8 К")))["deleteChat"]
    id = (await create(api, name="Клуб", type="OTHER"))["chat"]["id"]
    await api.data("director", CREATE_CONFERENCE, input=an_hour(id))

    with_conference = (await api.data("director", DELETE, id=id))["deleteChat"]
    free = (await create(api, name="Другой клуб", type="OTHER"))["chat"]["id"]
    deleted = (await api.data("director", DELETE, id=free))["deleteChat"]
    again = (await api.data("director", DELETE, id=free))["deleteChat"]

    assert [problem["code"] for problem in default["problems"]] == ["DEFAULT_CHAT"]
    assert [problem["code"] for problem in with_conference["problems"]] == ["CHAT_HAS_VIDEOCONFERENCES"]
    assert deleted == {"__typename": "ChatDeleted", "id": free}
    assert [problem["code"] for problem in again["problems"]] == ["NOT_FOUND"]
    assert (await api.data("director", MEMBERS, id=free))["chat"] is None


async def test_a_creation_that_is_repeated_with_its_key_answers_with_the_first_chat(api: Api) -> None:
    first = await create(api, name="Клуб", type="OTHER", idempotencyKey="k1")
    again = await create(api, name="Клуб", type="OTHER", idempotencyKey="k1")
    other = await create(api, name="Кружок", type="OTHER", idempotencyKey="k1")

    assert again["chat"]["id"] == first["chat"]["id"]
    assert [problem["code"] for problem in other["problems"]] == ["IDEMPOTENCY_KEY_REUSED"]


@pytest.mark.rule("RIGHT-07")
async def test_a_class_teacher_edits_the_chats_of_the_class_and_no_others(api: Api) -> None:
    own = {"id": await chat_named(api, "1 Б"), "expectedVersion": 0, "name": "Мой класс"}
    other = {"id": await chat_named(api, "8 К"), "expectedVersion": 0, "name": "Чужой класс"}
    shared = {"id": await chat_named(api, "Учительская"), "expectedVersion": 0, "name": "Общий"}

    assert (await api.data("teacher", UPDATE, input=own))["updateChat"]["__typename"] == "ChatSaved"
    for edit, code in ((other, "NOT_FOUND"), (shared, "FORBIDDEN")):
        refused = (await api.data("teacher", UPDATE, input=edit))["updateChat"]
        assert [problem["code"] for problem in refused["problems"]] == [code]
    created = await create(api, "teacher", name="Клуб", type="OTHER")
    assert [problem["code"] for problem in created["problems"]] == ["FORBIDDEN"]


async def test_a_superadministrator_names_the_organization(api: Api) -> None:
    without = await create(api, "superadmin", name="Клуб", type="OTHER")

    assert [problem["code"] for problem in without["problems"]] == ["ORGANIZATION_REQUIRED"]
