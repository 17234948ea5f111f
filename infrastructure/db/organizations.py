"""Organizations as rows."""

from sqlalchemy import Row, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.ids import OrganizationId
from domain.organization import Organization
from infrastructure.db.tables import organizations


def to_row(organization: Organization) -> dict[str, object]:
    """Column values."""
    return {
        "id": organization.id,
        "school_id": organization.school_id,
        "name": organization.name,
        "time_zone": organization.time_zone,
        "chat_administrator_id": organization.chat_administrator,
    }


def from_row(row: Row[tuple[object, ...]]) -> Organization:
    """The organization of a row."""
    return Organization(
        school_id=row.school_id,
        name=row.name,
        time_zone=row.time_zone,
        chat_administrator=row.chat_administrator_id,
    )


class PostgresOrganizations:
    """Implements `application.ports.Organizations`."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def find(self, id: OrganizationId, *, lock: bool = False) -> Organization | None:
        query = select(organizations).where(organizations.c.id == id)
        row = (await self._connection.execute(query.with_for_update() if lock else query)).one_or_none()
        return None if row is None else from_row(row)

    async def save(self, organization: Organization) -> None:
        statement = insert(organizations).values(to_row(organization))
        await self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=["id"],
                set_={name: statement.excluded[name] for name in ("name", "time_zone", "chat_administrator_id")},
            )
        )
