"""Whoever has had no capacity anywhere for a year is forgotten: an id is left, without a name (AUDIT-03)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from application.ports import Begin, UnitOfWork
from application.unlinking import end_link
from domain.audit import SCHEDULE
from domain.ids import OrganizationId, ParticipantId

AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class EraseForgotten:
    """Erases people, each in a transaction of their own; says how many. Any number of workers may do so at once."""

    begin: Begin
    after: timedelta

    async def __call__(self) -> int:
        erased = 0
        while True:
            async with self.begin(SCHEDULE) as uow:
                found = await uow.rosters.idle_since_before(await uow.now() - self.after, limit=AT_ONCE)
            for organization, participant in found:
                async with self.begin(SCHEDULE) as uow:
                    erased += await _erase(uow, organization, participant, await uow.now() - self.after)
            if len(found) < AT_ONCE:
                return erased


async def _erase(
    uow: UnitOfWork, organization: OrganizationId, participant: ParticipantId, idle_since: datetime
) -> bool:
    await uow.organizations.find(organization, lock=True)
    roster = await uow.rosters.get(organization)
    since = roster.idle_since.get(participant)
    if since is None or since > idle_since:
        # Somebody came back, or another worker was here.
        return False
    person = roster.people[participant].person_id
    roster.erase(participant)
    await uow.rosters.save(roster)
    register = await uow.registers.get(organization)
    register.forget(person)
    await uow.registers.save(organization, register)
    # One account serves in all organizations: while one of them knows the person, it stays linked.
    if not await uow.rosters.known_anywhere(person):
        await end_link(uow, person)
    return True
