"""The clock: whatever a conference or a call is due to do is found in its row and done, by whoever looks first."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar
from uuid import UUID

from application.calls import (
    HELD_FOR,
    CallToEnd,
    CallToFind,
    CallToLookAt,
    Work,
    in_parts,
    new_call,
    save_all_with_calls,
    to_start,
)
from application.ports import Begin, UnitOfWork
from application.surroundings import surroundings
from domain.audit import SCHEDULE
from domain.call import Asked, Call, Open
from domain.ids import CallId, OrganizationId, ParticipantId, PersonId, VideoconferenceId
from domain.participation import starters
from domain.pauses import doubled
from domain.videoconference import Active, FailureReason, Scheduled, Starting, Videoconference

STEPS_AT_ONCE = 250
"""How many conferences one transaction brings to their start or end."""
BEGUN_AT_ONCE = 50
"""How many begin to be prepared in one: few, because that takes longer, and a bell may ring meanwhile."""
LOOK_FOR_STARTER_EVERY = timedelta(seconds=10)
"""Linking makes a conference due at once; this finds what a change of the roster or the chat brings."""
LONGEST_PAUSE = timedelta(minutes=1)

Id = TypeVar("Id", bound=UUID)


@dataclass(frozen=True, slots=True)
class Fault:
    """What the clock could not do with one row; it is tried again, alone, after `pause`."""

    id: UUID
    error: Exception
    pause: timedelta


@dataclass(frozen=True, slots=True)
class Swept:
    """What is left to do at Sferum, whether more rows may be due, and when the next one is (None: none is)."""

    work: Sequence[Work]
    more: bool
    now: datetime
    next_due: datetime | None
    faults: Sequence[Fault] = ()


class KeepTime:
    """One sweep: takes every step that is due, at the database's time. Any number of workers may sweep at once.

    A row at fault holds up no other: what fails together is done apart, and what fails alone is put aside.
    """

    def __init__(self, begin: Begin) -> None:
        self._begin = begin
        self._conferences = _Rows(begin, _step)
        self._calls = _Rows(begin, _step_calls)

    async def __call__(self) -> Swept:
        conferences, calls = self._conferences, self._calls
        # Starts and ends come before what only begins to be prepared.
        full = await conferences.take(_due_steps, STEPS_AT_ONCE)
        if not full:
            full = await conferences.take(_due_beginnings, BEGUN_AT_ONCE)
        full |= await calls.take(_due_calls, STEPS_AT_ONCE)
        async with self._begin(SCHEDULE) as uow:
            now = await uow.now()
            soonest = [
                await uow.videoconferences.next_due(leaving_out=conferences.aside),
                await uow.calls.next_due(leaving_out=calls.aside),
            ]
        soonest += [await conferences.try_again(now), await calls.try_again(now)]
        next_due = min((due for due in soonest if due is not None), default=None)
        return Swept(
            [*conferences.work(), *calls.work()], full, now, next_due, [*conferences.faults(), *calls.faults()]
        )


Due = Callable[[UnitOfWork, datetime, Collection[Id], int], Awaitable[list[Id]]]
"""The ids of so many that are due, locked, without some."""
Step = Callable[[UnitOfWork, Sequence[Id], datetime], Awaitable[list[Work]]]
"""Takes the steps that are due and saves them; answers with what is to be done at Sferum."""


class _Rows(Generic[Id]):
    """Rows of one kind, with those that are at fault: how often they were tried, and when they are tried again.

    Each worker has its own; one that comes new tries them all once.
    """

    def __init__(self, begin: Begin, step: Step[Id]) -> None:
        self._begin = begin
        self._step = step
        self._tries: dict[Id, int] = {}
        self._retry_at: dict[Id, datetime] = {}
        self._work: list[Work] = []
        self._faults: list[Fault] = []

    @property
    def aside(self) -> Collection[Id]:
        """Those at fault."""
        return self._retry_at.keys()

    def work(self) -> list[Work]:
        """What was left to do since the last time."""
        work, self._work = self._work, []
        return work

    def faults(self) -> list[Fault]:
        """What went wrong since the last time."""
        faults, self._faults = self._faults, []
        return faults

    async def take(self, due: Due[Id], limit: int) -> bool:
        """Does what is due; answers with whether there may be more."""
        ids: list[Id] = []
        try:
            async with self._begin(SCHEDULE) as uow:
                at = await uow.now()
                ids = await due(uow, at, self.aside, limit)
                found = await self._step(uow, ids, at) if ids else []
        except Exception:
            if not ids:
                raise
            await self._do_apart(ids)
        else:
            self._work += found
        return len(ids) == limit

    async def try_again(self, at: datetime) -> datetime | None:
        """Does what was put aside long enough, each by itself; answers with when there is more of it."""
        for id in [id for id, retry_at in self._retry_at.items() if retry_at <= at]:
            await self._do_apart([id])
        return min(self._retry_at.values(), default=None)

    async def _do_apart(self, ids: Sequence[Id]) -> None:
        async def some(part: Sequence[Id]) -> None:
            async with self._begin(SCHEDULE) as uow:
                found = await self._step(uow, part, await uow.now())
            self._work += found
            for id in part:
                self._tries.pop(id, None)
                self._retry_at.pop(id, None)

        failed = await in_parts(self._begin, ids, some)
        async with self._begin(SCHEDULE) as uow:
            at = await uow.now()
        for id, error in failed:
            self._tries[id] = self._tries.get(id, 0) + 1
            pause = doubled(self._tries[id] - 1, most=LONGEST_PAUSE)
            self._retry_at[id] = at + pause
            self._faults.append(Fault(id, error, pause))


async def _due_steps(
    uow: UnitOfWork, at: datetime, aside: Collection[VideoconferenceId], limit: int
) -> list[VideoconferenceId]:
    return await uow.videoconferences.due(at, limit=limit, scheduled=False, leaving_out=aside)


async def _due_beginnings(
    uow: UnitOfWork, at: datetime, aside: Collection[VideoconferenceId], limit: int
) -> list[VideoconferenceId]:
    return await uow.videoconferences.due(at, limit=limit, scheduled=True, leaving_out=aside)


async def _due_calls(uow: UnitOfWork, at: datetime, aside: Collection[CallId], limit: int) -> list[CallId]:
    return await uow.calls.due(at, limit=limit, leaving_out=aside)


async def _step_calls(uow: UnitOfWork, ids: Sequence[CallId], at: datetime) -> list[Work]:
    due = [call for call in await uow.calls.find_all(ids) if call.due_at is not None and call.due_at <= at]
    for call in due:
        # First: should we die over it, it is due again.
        call.postpone(at=at)
    await uow.calls.save_all(due)
    return [
        CallToLookAt(call.id, call.videoconference_id, call.account)
        if isinstance(call.state, Open)
        else CallToEnd(call.id, call.account)
        for call in due
    ]


async def _step(uow: UnitOfWork, ids: Sequence[VideoconferenceId], at: datetime) -> list[Work]:
    found = await uow.videoconferences.find_all(ids, lock=True)
    due = [conference for conference in found if conference.due_at is not None and conference.due_at <= at]
    for conference in due:
        conference.keep_time(at=at)
    waited_for = [id for conference in due if (id := _overdue(conference, at)) is not None]
    calls = {call.id: call for call in await uow.calls.find_all(waited_for)}
    accounts = _Starters(uow)
    asked: list[Call] = []
    work: list[Work] = []
    for conference in due:
        lost = _overdue(conference, at)
        call = calls[lost] if lost is not None else None
        if call is not None and isinstance(call.state, Asked):
            conference.look_for_call_again(call.id, check_at=at + HELD_FOR)
            # If nobody was sent to ask for it yet, nobody has: one of all who are told to will.
            find = CallToFind(call.id, conference.id, call.account)
            work.append(find if call.state.sent else to_start(conference, call))
            continue
        if call is None and not _begins(conference, at):
            continue
        account = await accounts.of(conference)
        if account is not None:
            new = new_call(conference, account, at=at)
            _ask_for(conference, new.id, lost, at)
            asked.append(new)
            work.append(to_start(conference, new))
        elif lost is not None:
            conference.look_for_call_again(lost, check_at=at + LOOK_FOR_STARTER_EVERY)
        else:
            retry_at = at + LOOK_FOR_STARTER_EVERY
            conference.put_off(FailureReason.NO_LINKED_STARTER, at=at, retry_at=retry_at)
    await save_all_with_calls(uow, due, asked, at=at)
    return work


def _begins(conference: Videoconference, at: datetime) -> bool:
    return isinstance(conference.phase, Scheduled) and conference.phase.begin_at <= at


def _overdue(conference: Videoconference, at: datetime) -> CallId | None:
    """The call about which something should be known by now."""
    match conference.phase:
        case Starting(call, check_at, link=None) if check_at <= at:
            return call
        case Active(_, call, link=None, check_at=datetime() as check_at) if check_at <= at:
            return call
        case _:
            return None


def _ask_for(conference: Videoconference, call: CallId, instead_of: CallId | None, at: datetime) -> None:
    if instead_of is None:
        conference.begin_start(call, at=at, check_at=at + HELD_FOR)
    else:
        conference.ask_for_another_call(call, instead_of=instead_of, check_at=at + HELD_FOR)


class _Starters:
    """Whose accounts start calls, within one unit of work."""

    def __init__(self, uow: UnitOfWork) -> None:
        self._uow = uow
        self._administrators: dict[OrganizationId, PersonId | None] = {}

    async def of(self, conference: Videoconference) -> PersonId | None:
        """The account of the first who may and has a working link."""
        # Nobody comes before the chat administrator, who is the same for a whole school.
        if conference.organization_id not in self._administrators:
            organization = await self._uow.organizations.find(conference.organization_id)
            first: ParticipantId | None = organization.chat_administrator if organization else None
            account = await self._uow.account_links.working([first]) if first else None
            self._administrators[conference.organization_id] = account
        if (account := self._administrators[conference.organization_id]) is not None:
            return account
        chat = await self._uow.chats.find(conference.chat_id)
        if chat is None:
            return None
        return await self._uow.account_links.working(
            starters(conference, await surroundings(self._uow, conference, chat))
        )
