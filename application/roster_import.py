"""A whole roster comes in as a bundle, is planned, shown and applied; what it states begins and ends by itself."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date, datetime

from application.membership import follow
from application.ports import Begin, UnitOfWork
from domain.audit import ROSTER, SCHEDULE
from domain.errors import ProblemCode, refuse
from domain.ids import OrganizationId
from domain.organization import Organization
from domain.register import Bundle, Register, day_at, facts_on, midnight, next_change
from domain.roster import Roster
from domain.roster_changes import (
    NOTHING_STATED,
    Removal,
    RosterChanges,
    changes,
    desired,
    stated_by,
    too_many_removals,
)


class PlanChanged(Exception):
    """What was planned is not what the bundle would change now; nothing is changed."""


class TooManyRemovals(Exception):
    """So much would end that the bundle is more likely to be broken; nothing is changed."""

    def __init__(self, removals: Collection[Removal]) -> None:
        super().__init__(", ".join(f"{each.kind}: {each.ended} of {each.present}" for each in removals))
        self.removals = tuple(removals)


@dataclass(frozen=True, slots=True)
class KnownHere:
    """The organization, and the school system's ids that a bundle may refer to without stating them again."""

    organization_id: OrganizationId
    school_id: str
    people: frozenset[str]
    classes: frozenset[str]
    courses: frozenset[str]


@dataclass(frozen=True, slots=True)
class LookUpKnown:
    """What is known of an organization; None if there is no such one."""

    begin: Begin

    async def __call__(self, id: OrganizationId) -> KnownHere | None:
        async with self.begin(ROSTER) as uow:
            organization = await uow.organizations.find(id)
            if organization is None:
                return None
            register, roster = await uow.registers.get(id), await uow.rosters.get(id)
            classes = {each.school_id for each in roster.classes.values() if not each.closed}
            groups = {each.school_id for each in roster.groups.values() if not each.closed}
            return KnownHere(
                organization_id=id,
                school_id=organization.school_id,
                people=frozenset(person.person_id for person in roster.people.values()) | register.people.keys(),
                classes=frozenset(classes | groups) | register.classes.keys(),
                courses=frozenset(register.courses),
            )


@dataclass(frozen=True, slots=True)
class Plan:
    """What a bundle changes, and what of it is refused unless removals are allowed.

    Two plans are the same if they change the same things.
    """

    changes: RosterChanges
    removals: tuple[Removal, ...]
    current: Roster = field(compare=False)
    wanted: Roster = field(compare=False)
    register: Register = field(compare=False)
    day: date = field(compare=False)


@dataclass(frozen=True, slots=True)
class PlanRosterImport:
    """What a bundle would change now; it only looks. `new` is the organization if it may not be known yet.

    Raises:
        Refused: with NOT_FOUND for an unknown organization.
    """

    begin: Begin
    max_removal: int
    """Percent (ROSTER-02)."""

    async def __call__(self, id: OrganizationId, bundle: Bundle, *, new: Organization | None = None) -> Plan:
        async with self.begin(ROSTER) as uow:
            organization = await uow.organizations.find(id) or new
            if organization is None:
                raise refuse(ProblemCode.NOT_FOUND)
            return await _planned(uow, organization, bundle, await uow.now(), self.max_removal)


@dataclass(frozen=True, slots=True)
class ApplyRosterImport:
    """Does what was planned, all or nothing, and answers with it; a bundle that was applied changes nothing again.

    Raises:
        Refused: with NOT_FOUND for an unknown organization.
        PlanChanged: something else changed meanwhile.
        TooManyRemovals: and they are not allowed.
    """

    begin: Begin
    max_removal: int

    async def __call__(self, id: OrganizationId, bundle: Bundle, plan: Plan, *, allow_removals: bool) -> Plan:
        async with self.begin(ROSTER) as uow:
            organization = await uow.organizations.find(id, lock=True)
            if organization is None:
                raise refuse(ProblemCode.NOT_FOUND)
            at = await uow.now()
            now_planned = await _planned(uow, organization, bundle, at, self.max_removal)
            if now_planned != plan:
                raise PlanChanged
            if now_planned.removals and not allow_removals:
                raise TooManyRemovals(now_planned.removals)
            await uow.registers.save(id, now_planned.register)
            await _take_day(uow, organization, now_planned, at)
            return now_planned


@dataclass(frozen=True, slots=True)
class Turned:
    """For how many organizations a day has begun, the time, and when the next one does (None: none is known of)."""

    organizations: int
    now: datetime
    next_due: datetime | None


@dataclass(frozen=True, slots=True)
class TurnDays:
    """What the registers state begins and ends at its organization's midnight (ROSTER-05).

    Several days that have passed are taken as one. Any number of workers may do so at once.

    Raises:
        ExceptionGroup: what went wrong with some organizations, after all others had their turn.
    """

    begin: Begin

    async def __call__(self) -> Turned:
        async with self.begin(SCHEDULE) as uow:
            due = await uow.organizations.register_due(await uow.now())
        turned, troubles = 0, list[Exception]()
        for id in due:
            try:
                turned += await self._turn(id)
            except Exception as trouble:
                troubles.append(trouble)
        if troubles:
            raise ExceptionGroup("Some organizations' day did not begin.", troubles)
        async with self.begin(SCHEDULE) as uow:
            return Turned(turned, await uow.now(), await uow.organizations.next_register_due())

    async def _turn(self, id: OrganizationId) -> bool:
        async with self.begin(SCHEDULE) as uow:
            organization = await uow.organizations.find(id, lock=True)
            at = await uow.now()
            # Another worker may have been here meanwhile.
            if organization is None or organization.register_due_at is None or organization.register_due_at > at:
                return False
            register, current = await uow.registers.get(id), await uow.rosters.get(id)
            before = facts_on(register, id, organization.register_day or date.min)
            day = day_at(at, organization.time_zone)
            wanted = desired(current, before, facts_on(register, id, day), NOTHING_STATED)
            plan = Plan(changes(current, wanted), (), current, wanted, register, day)
            await _take_day(uow, organization, plan, at)
            return True


async def _planned(uow: UnitOfWork, organization: Organization, bundle: Bundle, at: datetime, percent: int) -> Plan:
    id, day = organization.id, day_at(at, organization.time_zone)
    register, current = await uow.registers.get(id), await uow.rosters.get(id)
    register.adopt(current, bundle)
    before = facts_on(register, id, organization.register_day or day)
    register.take(bundle)
    wanted = desired(current, before, facts_on(register, id, day), stated_by(bundle))
    removals = too_many_removals(current, wanted, percent=percent)
    return Plan(changes(current, wanted), removals, current, wanted, register, day)


async def _take_day(uow: UnitOfWork, organization: Organization, plan: Plan, at: datetime) -> None:
    following = next_change(plan.register, plan.day)
    due_at = None if following is None else midnight(following, organization.time_zone)
    turned = (organization.register_day, organization.register_due_at) != (plan.day, due_at)
    organization.register_day, organization.register_due_at = plan.day, due_at
    if not plan.changes.nothing:
        await follow(uow, organization, plan.wanted, None, at)
    elif turned:
        await uow.organizations.save(organization)
