"""Roles: what each permits in the module «Сферум»."""

from typing import Self

import strawberry

from domain.access import MetaRole, Permission
from domain.ids import RoleId
from domain.role import Role as DomainRole
from graphql_api.context import Info
from graphql_api.global_ids import global_id
from graphql_api.nodes import Node


@strawberry.type(description="A role of the installation, the same for every organization.")
class Role(Node):
    """A role."""

    name: str = strawberry.field(description="Its name in the school system.")
    meta_role: MetaRole | None = strawberry.field(description="What holds all rights by default, if this is one.")
    permissions: list[Permission] = strawberry.field(description="What it permits.")
    editable: bool = strawberry.field(description="Whether its permissions may be switched.")

    @classmethod
    def of(cls, role: DomainRole) -> Self:
        """The role as clients see it."""
        return cls(
            id=global_id("Role", role.id),
            name=role.name,
            meta_role=role.meta_role,
            permissions=[permission for permission in Permission if permission in role.permissions],
            editable=role.editable,
        )


async def role_by_id(info: Info, id: RoleId) -> Role | None:
    """The role, if the viewer may see roles; read in one statement for all roles that an operation names."""
    viewer = await info.context.viewer()

    async def load(ids: list[RoleId]) -> list[DomainRole | None]:
        found = {role.id: role for role in await info.context.parts.audit.roles(viewer)}
        return [found.get(id) for id in ids]

    role = await info.context.loader("roles", load).load(id)
    return None if role is None else Role.of(role)


@strawberry.type
class RoleQueries:
    """Queries of this module."""

    @strawberry.field(description="All roles, for Superadministrators; the others see none.")
    async def roles(self, info: Info) -> list[Role]:
        """The meta-roles first, then the others by name."""
        viewer = await info.context.viewer()
        return [Role.of(role) for role in await info.context.parts.audit.roles(viewer)]
