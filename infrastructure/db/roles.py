"""The installation's roles as rows."""

from collections.abc import Collection

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from application.audit import Trail, role_facts, role_subject
from domain.access import MetaRole, Permission
from domain.ids import RoleId, role_id
from domain.role import Role
from infrastructure.db import outbox
from infrastructure.db.tables import roles


class PostgresRoles:
    """Implements `application.ports.Roles`."""

    def __init__(self, connection: AsyncConnection, trail: Trail) -> None:
        self._connection = connection
        self._trail = trail

    async def find(self, id: RoleId) -> Role | None:
        query = select(roles).where(roles.c.id == id).with_for_update()
        row = (await self._connection.execute(query)).one_or_none()
        if row is None:
            return None
        role = Role(
            name=row.name,
            meta_role=MetaRole(row.meta_role) if row.meta_role else None,
            permissions=frozenset(Permission(permission) for permission in row.permissions),
        )
        self._trail.loaded(role_subject(role), role_facts(role))
        return role

    async def make_known(self, names: Collection[str]) -> None:
        if names:
            rows = [{"id": role_id(name), "name": name, "permissions": []} for name in sorted(names)]
            await self._connection.execute(insert(roles).values(rows).on_conflict_do_nothing())

    async def save(self, role: Role) -> None:
        permissions = sorted(map(str, role.permissions))
        await self._connection.execute(update(roles).where(roles.c.id == role.id).values(permissions=permissions))
        await outbox.write(self._connection, [outbox.Entry("role", role.id, "RoleChanged", {})])
        self._trail.saved(role_subject(role), role_facts(role))
