"""Organizations as rows."""

from datetime import datetime

from sqlalchemy import Row, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from application.audit import Trail, organization_facts, organization_subject
from domain.ids import OrganizationId, ParticipantId
from domain.ordering import natural_key, search_key
from domain.organization import Organization
from infrastructure.db.mirrors import Touched
from infrastructure.db.tables import organizations


def to_row(organization: Organization) -> dict[str, object]:
    """Column values."""
    return {
        "id": organization.id,
        "school_id": organization.school_id,
        "name": organization.name,
        "sort_key": natural_key(organization.name),
        "search_key": search_key(organization.name),
        "time_zone": organization.time_zone,
        "chat_administrator_id": organization.chat_administrator,
        "without_chat_administrator_since": organization.without_chat_administrator_since,
        "register_day": organization.register_day,
        "register_due_at": organization.register_due_at,
    }


def from_row(row: Row[tuple[object, ...]]) -> Organization:
    """The organization of a row."""
    return Organization(
        school_id=row.school_id,
        name=row.name,
        time_zone=row.time_zone,
        chat_administrator=row.chat_administrator_id,
        without_chat_administrator_since=row.without_chat_administrator_since,
        register_day=row.register_day,
        register_due_at=row.register_due_at,
    )


class PostgresOrganizations:
    """Implements `application.ports.Organizations`."""

    def __init__(self, connection: AsyncConnection, trail: Trail, touched: Touched) -> None:
        self._connection = connection
        self._trail = trail
        self._touched = touched
        self._administrators: dict[OrganizationId, ParticipantId | None] = {}

    async def find(self, id: OrganizationId, *, lock: bool = False) -> Organization | None:
        query = select(organizations).where(organizations.c.id == id)
        if lock:
            # Rows that refer to it may be added meanwhile: who holds a chat and adds a conference would wait for the
            # one who holds the organization and waits for the chat.
            query = query.with_for_update(key_share=True)
        row = (await self._connection.execute(query)).one_or_none()
        if row is None:
            return None
        found = from_row(row)
        self._administrators[id] = found.chat_administrator
        self._trail.loaded(organization_subject(found), organization_facts(found), locked=lock)
        return found

    async def save(self, organization: Organization) -> None:
        statement = insert(organizations).values(to_row(organization))
        await self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=["id"],
                set_={
                    name: statement.excluded[name] for name in to_row(organization) if name not in {"id", "school_id"}
                },
            )
        )
        if (
            self._administrators.get(organization.id, organization.chat_administrator)
            != organization.chat_administrator
        ):
            self._touched.organizations.add(organization.id)
        self._administrators[organization.id] = organization.chat_administrator
        self._trail.saved(organization_subject(organization), organization_facts(organization))

    async def register_due(self, at: datetime) -> list[OrganizationId]:
        due_at = organizations.c.register_due_at
        query = select(organizations.c.id).where(due_at <= at).order_by(due_at, organizations.c.id)
        return [OrganizationId(id) for id in (await self._connection.execute(query)).scalars()]

    async def next_register_due(self) -> datetime | None:
        query = select(func.min(organizations.c.register_due_at))
        soonest: datetime | None = (await self._connection.execute(query)).scalar_one()
        return soonest
