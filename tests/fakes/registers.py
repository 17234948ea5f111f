"""Registers that are kept in this process."""

from domain.ids import OrganizationId
from domain.register import Register
from tests.fakes.rows import Rows


class InMemoryRegisters:
    """Implements `application.ports.Registers`."""

    def __init__(self, rows: Rows[OrganizationId, Register]) -> None:
        self._rows = rows

    async def get(self, id: OrganizationId) -> Register:
        return self._rows.find(id) or Register()

    async def save(self, id: OrganizationId, register: Register) -> None:
        await self._rows.save(id, register)
