"""Roles over GraphQL: a Superadministrator's alone to see."""

from typing import Any

import pytest
from sqlalchemy import text

from domain.access import Permission
from tests.graphql_api.conftest import Api

ROLES = "{ roles { id name metaRole permissions editable } }"
ALL = [str(permission) for permission in Permission]


async def with_roles(api: Api, **roles: str) -> None:
    """Roles of the school system, each with its permissions as an array of Postgres."""
    async with api.container.engine().begin() as connection:
        for name, permissions in roles.items():
            await connection.execute(
                text("insert into roles (id, name, permissions) values (gen_random_uuid(), :name, :permissions)"),
                {"name": name, "permissions": permissions.split()},
            )


@pytest.mark.rule("RIGHT-04")
async def test_a_superadministrator_sees_the_meta_roles_and_then_the_others_by_name(api: Api) -> None:
    await with_roles(api, Ёлочник="", Завуч="CONFERENCE_DELETE REGISTRY_VIEW CHAT_CREATE", Егерь="CHAT_EDIT")

    roles = (await api.data("superadmin", ROLES))["roles"]

    assert [{name: value for name, value in role.items() if name != "id"} for role in roles] == [
        {"name": "SUPERADMINISTRATOR", "metaRole": "SUPERADMINISTRATOR", "permissions": ALL, "editable": False},
        {
            "name": "ORGANIZATION_ADMINISTRATOR",
            "metaRole": "ORGANIZATION_ADMINISTRATOR",
            "permissions": ALL,
            "editable": True,
        },
        {"name": "CHAT_ADMINISTRATOR", "metaRole": "CHAT_ADMINISTRATOR", "permissions": ALL, "editable": True},
        {"name": "Егерь", "metaRole": None, "permissions": ["CHAT_EDIT"], "editable": True},
        {"name": "Ёлочник", "metaRole": None, "permissions": [], "editable": True},
        {
            "name": "Завуч",
            "metaRole": None,
            "permissions": ["REGISTRY_VIEW", "CHAT_CREATE", "CONFERENCE_DELETE"],
            "editable": True,
        },
    ]


@pytest.mark.rule("RIGHT-10")
@pytest.mark.parametrize("login", ["director", "vorontsova", "teacher", "pupil", "roster", "outsider"])
async def test_nobody_else_sees_a_role_in_the_list_or_by_its_id(api: Api, login: str) -> None:
    ids = [role["id"] for role in (await api.data("superadmin", ROLES))["roles"]]

    listed = (await api.data(login, ROLES))["roles"]
    by_id = [(await node(api, login, id)) for id in ids]

    assert listed == []
    assert by_id == [None] * 3


async def test_a_role_is_found_by_its_global_id_as_it_is_listed(api: Api) -> None:
    roles = (await api.data("superadmin", ROLES))["roles"]

    found = [await node(api, "superadmin", role["id"]) for role in roles]

    assert found == roles
    assert await node(api, "superadmin", roles[0]["id"][:-2] + "xx") is None


async def node(api: Api, login: str, id: str) -> dict[str, Any] | None:
    document = "query ($id: ID!) { node(id: $id) { ... on Role { id name metaRole permissions editable } } }"
    found: dict[str, Any] | None = (await api.data(login, document, id=id))["node"]
    return found
