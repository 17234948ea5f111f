"""Administrators choose the chat administrator and edit roles; what follows is there at once."""

from typing import Any

import pytest

from tests.graphql_api.conftest import Api
from tests.graphql_api.test_chat_forms import members, person
from tests.graphql_api.test_registry import chat_named

CHOOSE = """mutation ($organization: ID!, $employee: ID!) {
  setChatAdministrator(organizationId: $organization, employeeId: $employee) {
    ... on ChatAdministratorSet { organization { chatAdministrator { fullName } } }
    ... on Refusal { problems { code path } }
  }
}"""
EDIT_ROLE = """mutation ($role: ID!, $permissions: [Permission!]!) {
  setRolePermissions(roleId: $role, permissions: $permissions) {
    ... on RolePermissionsSet { role { name permissions } } ... on Refusal { problems { code path } }
  }
}"""
ROLES = "{ roles { id name metaRole permissions editable } }"
ME = "{ viewer { metaRole permissions organization { id } } }"
TELL = """mutation ($events: [RosterEventInput!]!) { applyRosterEvents(events: $events) {
  ... on RosterEventsApplied { applied } ... on Refusal { problems { code path message } }
} }"""
ATTENTION = "{ organization { id chatAdministrator { fullName } attention { edges { node { kind since message } } } } }"


async def organization(api: Api) -> str:
    id: str = (await api.data("director", ME))["viewer"]["organization"]["id"]
    return id


async def role(api: Api, name: str) -> str:
    found = {each["name"]: each["id"] for each in (await api.data("superadmin", ROLES))["roles"]}
    id: str = found[name]
    return id


def codes(result: Any) -> list[str]:
    return [problem["code"] for problem in result["problems"]]


@pytest.mark.rule("RIGHT-02", "RIGHT-03")
async def test_the_choice_of_the_chat_administrator_moves_the_ground_in_every_chat(api: Api) -> None:
    given = {"organization": await organization(api), "employee": await person(api, "Лаптев")}

    chosen = (await api.data("director", CHOOSE, **given))["setChatAdministrator"]

    assert chosen == {"organization": {"chatAdministrator": {"fullName": "Лаптев Игорь Степанович"}}}
    assert "Лаптев Игорь Степанович" in await members(api, await chat_named(api, "8 К"))
    assert "Воронцова Елена Владимировна" not in await members(api, await chat_named(api, "8 К"))
    assert (await api.data("vorontsova", ME))["viewer"]["permissions"] == []


@pytest.mark.rule("RIGHT-02")
async def test_another_candidate_is_refused_and_nobody_else_chooses(api: Api) -> None:
    organization_id = await organization(api)
    teacher, director = await person(api, "Зимина"), await person(api, "Лаптев")

    refused = await api.data("director", CHOOSE, organization=organization_id, employee=teacher)
    chosen_by_another = await api.data("vorontsova", CHOOSE, organization=organization_id, employee=director)
    nobody = await api.data("director", CHOOSE, organization=organization_id, employee="UGFydGljaXBhbnQ6eA")

    assert codes(refused["setChatAdministrator"]) == ["NOT_IN_ADMINISTRATORS_REGISTRY"]
    assert codes(chosen_by_another["setChatAdministrator"]) == ["FORBIDDEN"]
    assert codes(nobody["setChatAdministrator"]) == ["NOT_FOUND"]


@pytest.mark.rule("RIGHT-03")
async def test_dismissed_a_chat_administrator_is_it_no_longer_and_attention_says_so(api: Api) -> None:
    dismissal = {"employeeDismissed": {"key": "d1", "personId": "manual-vorontsova"}}

    await api.data("roster", TELL, events=[dismissal])
    after = (await api.data("director", ATTENTION))["organization"]

    assert after["chatAdministrator"] is None
    [item] = [edge["node"] for edge in after["attention"]["edges"]]
    assert item["kind"] == "NO_CHAT_ADMINISTRATOR"
    assert item["message"]
    assert "Воронцова Елена Владимировна" not in await members(api, await chat_named(api, "Учительская"))


@pytest.mark.rule("RIGHT-04", "RIGHT-05")
async def test_a_role_of_the_roster_permits_what_a_superadministrator_switches_on(api: Api) -> None:
    grant = {"roleGranted": {"key": "g1", "personId": "manual-parent", "role": "Помощник"}}
    await api.data("roster", TELL, events=[grant])
    before = (await api.data("parent", ME))["viewer"]["permissions"]

    edited = await api.data(
        "superadmin", EDIT_ROLE, role=await role(api, "Помощник"), permissions=["CHAT_EDIT", "REGISTRY_VIEW"]
    )

    assert before == []
    assert edited["setRolePermissions"]["role"] == {"name": "Помощник", "permissions": ["REGISTRY_VIEW", "CHAT_EDIT"]}
    assert (await api.data("parent", ME))["viewer"]["permissions"] == ["REGISTRY_VIEW", "CHAT_EDIT"]


@pytest.mark.rule("RIGHT-01", "RIGHT-04")
async def test_a_meta_roles_rights_are_switched_off_but_never_the_superadministrators(api: Api) -> None:
    off = await api.data("superadmin", EDIT_ROLE, role=await role(api, "ORGANIZATION_ADMINISTRATOR"), permissions=[])
    own = await api.data("superadmin", EDIT_ROLE, role=await role(api, "SUPERADMINISTRATOR"), permissions=[])
    by_another = await api.data("director", EDIT_ROLE, role=await role(api, "CHAT_ADMINISTRATOR"), permissions=[])

    assert off["setRolePermissions"]["role"]["permissions"] == []
    assert (await api.data("director", ME))["viewer"] | {"organization": None} == {
        "metaRole": "ORGANIZATION_ADMINISTRATOR",
        "permissions": [],
        "organization": None,
    }
    assert codes(own["setRolePermissions"]) == ["NOT_ALLOWED"]
    assert codes(by_another["setRolePermissions"]) == ["FORBIDDEN"]


async def test_the_roster_grants_no_role_that_is_chosen_elsewhere(api: Api) -> None:
    grant = {"roleGranted": {"key": "g2", "personId": "manual-parent", "role": "SUPERADMINISTRATOR"}}

    refused = (await api.data("roster", TELL, events=[grant]))["applyRosterEvents"]

    assert codes(refused) == ["EVENT_IMPOSSIBLE"]
