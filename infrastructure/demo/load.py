"""Fills an installation with the two demonstration schools, by the same use cases as real data."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from urllib.parse import parse_qsl, urljoin, urlsplit

import httpx
import structlog
from sqlalchemy.exc import SQLAlchemyError

from application.account_links import read_callback
from application.ports import Answered, Begin
from application.roster import Told
from application.use_cases import UseCases
from application.views import Claims
from domain.access import MetaRole, Viewer
from domain.audit import ROSTER
from domain.errors import ProblemCode, Refused
from domain.ids import OrganizationId, PersonId, lesson_id, organization_id, participant_id
from infrastructure.container import Container
from infrastructure.demo import full_school, manual_school, timetable
from infrastructure.sandbox.visitor import sms_reader, walk_through
from infrastructure.settings import Settings

LOOK_AT_CLOCK_EVERY = timedelta(minutes=5)
SUPERADMINISTRATOR = Viewer(PersonId("superadmin"), meta_role=MetaRole.SUPERADMINISTRATOR)
_SCOPE, _COMPLETE = "demonstration", "complete"
_TAKEN = {ProblemCode.ALREADY_LINKED, ProblemCode.PROFILE_ALREADY_LINKED}
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class School:
    """A demonstration school: what is told of it, and who administers its chats."""

    school_id: str
    name: str
    told: Callable[[], list[Told]]
    chat_administrator: PersonId

    @property
    def id(self) -> OrganizationId:
        """Follows from the school system's id."""
        return organization_id(self.school_id)


SCHOOLS = (
    School(manual_school.SCHOOL_ID, manual_school.NAME, manual_school.told, manual_school.CHAT_ADMINISTRATOR),
    School(full_school.SCHOOL_ID, full_school.NAME, full_school.told, full_school.CHAT_ADMINISTRATOR),
)


async def load(container: Container, http: httpx.AsyncClient, settings: Settings, say: Callable[[str], None]) -> None:
    """Makes what is missing of the demonstration, and tells `say` each thing that it made. Idempotent.

    Whatever users change once it was complete stays as they left it. Needs the sandbox to be running.

    Raises:
        httpx.HTTPError, WayBlocked, Refused: it is not complete; the next call goes on where this one ended.
    """
    begin = container.begin()
    async with begin(ROSTER) as uow:
        complete = await uow.answers.find(_SCOPE, [_COMPLETE], since=_LONG_AGO)
        now = await uow.now()
    if not complete:
        for school in SCHOOLS:
            await load_school(container, school, say)
    if told := await top_up(container.use_cases(), begin, now):
        say(f"Расписание: уроков добавлено {told}.")
    if not complete:
        await _link_accounts(container, http, settings, say)
        async with begin(ROSTER) as uow:
            await uow.answers.keep(_SCOPE, {_COMPLETE: Answered("", "")}, at=await uow.now())


async def keep_timetable(container: Container) -> None:
    """Tops the lessons up now and at each midnight of the schools, until cancelled; an outage is waited out.

    Any number of processes may do so.
    """
    use_cases, begin = container.use_cases(), container.begin()
    topped_up: date | None = None
    while True:
        pause = LOOK_AT_CLOCK_EVERY
        try:
            async with begin(ROSTER) as uow:
                now = await uow.now()
            if topped_up != timetable.local_date(now):
                await top_up(use_cases, begin, now)
                topped_up = timetable.local_date(now)
            # Never in one sleep till midnight: a suspended machine would sleep on into the day.
            pause = min(pause, timetable.next_midnight(now) - now)
        except (Refused, SQLAlchemyError, OSError) as error:
            log.warning("demonstration_timetable_not_topped_up", error=type(error).__name__)
        await asyncio.sleep(pause.total_seconds())


async def top_up(use_cases: UseCases, begin: Begin, now: datetime) -> int:
    """Tells the lessons that are missing at `now`, and answers how many. Idempotent.

    A day of which a lesson is known was told whole, and stays as it was changed since.

    Raises:
        Refused: a school is not loaded yet.
    """
    days = timetable.lessons(timetable.local_date(now), now)
    missing = [day for day in days if day.lessons and not await _is_told(begin, day)]
    applied = 0
    for school in SCHOOLS:
        told = [lesson for day in missing if day.school_id == school.school_id for lesson in day.lessons]
        if told:
            applied += (await use_cases.apply_roster_events(_roster_service(school), told)).applied
    return applied


async def _is_told(begin: Begin, day: timetable.Day) -> bool:
    async with begin(ROSTER) as uow:
        first = lesson_id(organization_id(day.school_id), day.lessons[0].key)
        return await uow.lessons.find(first) is not None


async def load_school(container: Container, school: School, say: Callable[[str], None]) -> None:
    """Makes what is missing of one school, without its timetable and its links. Idempotent."""
    use_cases, begin = container.use_cases(), container.begin()
    async with begin(ROSTER) as uow:
        organization = await uow.organizations.find(school.id)
    if organization is None:
        await use_cases.found_organization(school_id=school.school_id, name=school.name, time_zone=timetable.TIME_ZONE)
        say(f"{school.name}: организация создана.")
    someone = Claims(school.chat_administrator, school.school_id, superadministrator=False, roster_service=False)
    # The roster is told in one transaction: where somebody is known, all are.
    if (await container.views().viewer(someone)).participant is None:
        told = await use_cases.apply_roster_events(_roster_service(school), school.told())
        say(f"{school.name}: событий контингента применено {told.applied}.")
    if organization is None or organization.chat_administrator is None:
        employee = participant_id(school.id, school.chat_administrator)
        await use_cases.set_chat_administrator(SUPERADMINISTRATOR, school.id, employee)
        say(f"{school.name}: администратор чатов выбран.")


def _roster_service(school: School) -> Viewer:
    account = PersonId(f"{school.school_id.removeprefix('school-')}-roster")
    return Viewer(account, school.id, roster_service=True)


async def _link_accounts(
    container: Container, http: httpx.AsyncClient, settings: Settings, say: Callable[[str], None]
) -> None:
    assert settings.vk_id_url is not None
    people = (await http.get(urljoin(settings.vk_id_url, "/control/people"))).raise_for_status().json()
    phones = {person["person"]: person["phone"] for person in people}
    for person in manual_school.LINKED:
        async with container.begin()(ROSTER) as uow:
            known = await uow.account_links.find(person)
        if known is None and await _link(container.use_cases(), http, settings.vk_id_url, person, phones[person]):
            say(f"Учебный профиль VK ID привязан: {person}.")


async def _link(use_cases: UseCases, http: httpx.AsyncClient, vk_id_url: str, person: PersonId, phone: str) -> bool:
    """As the person would do it; False when the profile was taken by another account meanwhile."""
    begun = await use_cases.begin_account_link(Viewer(person), None)
    departure = await use_cases.depart_for_vk_id(begun.id)
    back = await walk_through(http, departure.url, phone=phone, sms=sms_reader(http, vk_id_url))
    callback = read_callback(dict(parse_qsl(urlsplit(back).query)))
    try:
        await use_cases.complete_account_link(callback, browser=departure.browser)
    except Refused as refused:
        if {problem.code for problem in refused.problems} <= _TAKEN:
            return False
        raise
    return True
