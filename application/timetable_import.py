"""A school's timetable comes as a file: what it changes is told before anything is, and then all of it or nothing."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from application.online_lessons import LONGEST_PREPARATION, save_lessons
from application.ports import Begin, UnitOfWork
from domain.audit import ROSTER
from domain.errors import ProblemCode, refuse
from domain.ids import OrganizationId
from domain.organization import Organization
from domain.timetable import Changes, Timetable, TimetablePlan, changed_lessons, lessons_of, period_of, plan


class PlanChanged(Exception):
    """The timetable was changed meanwhile, so that the import would do something else than was told."""


class TooManyCancelled(Exception):
    """The import would cancel so much of the timetable that it looks like the wrong file."""


@dataclass(frozen=True, slots=True)
class Days:
    """From the first to the last, both in it; None: that of the file."""

    first: date | None = None
    last: date | None = None


@dataclass(frozen=True, slots=True)
class TimeThere:
    """An organization's name and zone, and the present instant: what a file's times are read with."""

    name: str
    zone: ZoneInfo
    now: datetime


@dataclass(frozen=True, slots=True)
class LookUpTime:
    """What the times of an organization's file are read with; None if there is no such organization."""

    begin: Begin

    async def __call__(self, organization_id: OrganizationId) -> TimeThere | None:
        async with self.begin(ROSTER) as uow:
            organization = await uow.organizations.find(organization_id)
            if organization is None:
                return None
            return TimeThere(organization.name, ZoneInfo(organization.time_zone), await uow.now())


@dataclass(frozen=True, slots=True)
class PlanTimetableImport:
    """What an import would change; it changes nothing (ROSTER-04)."""

    begin: Begin

    async def __call__(self, organization_id: OrganizationId, timetable: Timetable, days: Days) -> TimetablePlan:
        """Raises BadTimetable, and Refused with NOT_FOUND."""
        async with self.begin(ROSTER) as uow:
            return await _plan(uow, await uow.organizations.find(organization_id), timetable, days)


@dataclass(frozen=True, slots=True)
class ApplyTimetableImport:
    """Does what was planned, all or nothing; the same file twice changes nothing (ROSTER-04)."""

    begin: Begin
    max_removal: int
    """Percent of the groups' lessons in the period."""
    prepare_ahead: timedelta = LONGEST_PREPARATION

    async def __call__(
        self,
        organization_id: OrganizationId,
        timetable: Timetable,
        days: Days,
        planned: TimetablePlan,
        *,
        allow_removals: bool = False,
    ) -> TimetablePlan:
        """The plan as it was carried out.

        Raises:
            PlanChanged: it would change something else than `planned`.
            TooManyCancelled: it would cancel more than `max_removal` percent, and that is not allowed.
            BadTimetable: a group or a person of the file is no more.
        """
        async with self.begin(ROSTER) as uow:
            organization = await uow.organizations.find(organization_id, lock=True)
            found = await _plan(uow, organization, timetable, days)
            if found.changes != planned.changes:
                raise PlanChanged
            if found.cancels_too_many(self.max_removal) and not allow_removals:
                raise TooManyCancelled
            before, after = changed_lessons(found.changes)
            assert organization is not None, "it has a timetable"
            roster, at = await uow.rosters.get(organization.id), await uow.now()
            await save_lessons(uow, organization, roster, before, after, prepare_ahead=self.prepare_ahead, at=at)
            return found


async def _plan(uow: UnitOfWork, organization: Organization | None, timetable: Timetable, days: Days) -> TimetablePlan:
    if organization is None:
        raise refuse(ProblemCode.NOT_FOUND)
    stated = lessons_of(timetable, await uow.rosters.get(organization.id))
    if not stated:
        return TimetablePlan(Changes())
    period = period_of(stated, organization.time_zone, days.first, days.last)
    groups = {lesson.group_id for lesson in stated}
    known = await uow.lessons.of_groups(groups, period.begins, period.ends)
    known += await uow.lessons.find_all({lesson.id for lesson in stated} - {lesson.id for lesson in known})
    return plan(stated, known, period, await uow.now())
