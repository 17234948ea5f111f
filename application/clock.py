"""The clock: whatever a conference or a call is due to do is found in its row and done, by whoever looks first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from application.calls import ANSWER_WITHIN, HELD_FOR, CallToEnd, CallToFind, Work, ask_for_call, save_with_calls
from application.ports import Begin, UnitOfWork
from domain.audit import SCHEDULE
from domain.ids import PersonId
from domain.participation import starters
from domain.videoconference import FailureReason, Scheduled, Starting, Videoconference

AT_ONCE = 200
"""How many due rows one transaction takes."""
LOOK_FOR_STARTER_EVERY = timedelta(seconds=10)
"""Linking makes a conference due at once; this finds what a change of the roster or the chat brings."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What is left to do at Sferum, whether more rows may be due, and when the next one is (None: none is)."""

    work: Sequence[Work]
    more: bool
    now: datetime
    next_due: datetime | None


@dataclass(frozen=True, slots=True)
class KeepTime:
    """One sweep: takes every step that is due, at the database's time. Any number of workers may sweep at once."""

    begin: Begin

    async def __call__(self) -> Swept:
        work: list[Work] = []
        async with self.begin(SCHEDULE) as uow:
            at = await uow.now()
            conferences = await uow.videoconferences.due(at, limit=AT_ONCE)
            for conference in conferences:
                conference.keep_time(at=at)
                work += await _next_step(uow, conference, at)
                await save_with_calls(uow, conference, at=at)
            calls = await uow.calls.due(at, limit=AT_ONCE)
            for call in calls:
                # Postponed first: should we die over it, it is due again.
                call.not_ended(at=at)
                await uow.calls.save(call)
                work.append(CallToEnd(call.id))
        async with self.begin(SCHEDULE) as uow:
            soonest = [await uow.videoconferences.next_due(), await uow.calls.next_due()]
        more = len(conferences) == AT_ONCE or len(calls) == AT_ONCE
        return Swept(work, more, at, min((due for due in soonest if due is not None), default=None))


async def _next_step(uow: UnitOfWork, conference: Videoconference, at: datetime) -> list[Work]:
    """What the clock alone cannot do: find somebody to start the call, or the call itself."""
    match conference.phase:
        case Scheduled(begin_at) if begin_at <= at:
            account = await _starter(uow, conference)
            if account is None:
                retry_at = at + LOOK_FOR_STARTER_EVERY
                conference.put_off(FailureReason.NO_LINKED_STARTER, at=at, retry_at=retry_at)
                return []
            asked = await ask_for_call(uow, conference, account, at=at)
            conference.begin_start(asked.call, at=at, check_at=at + HELD_FOR)
            return [asked]
        case Starting(call, check_at, link=None) if check_at <= at:
            conference.look_for_call_again(call, check_at=at + ANSWER_WITHIN)
            return [CallToFind(call, conference.id)]
        case _:
            return []


async def _starter(uow: UnitOfWork, conference: Videoconference) -> PersonId | None:
    organization = await uow.organizations.find(conference.organization_id)
    chat = await uow.chats.find(conference.chat_id)
    lesson = await uow.lessons.find(conference.lesson_id) if conference.lesson_id else None
    if organization is None or chat is None:
        return None
    held = await uow.rosters.held(conference.additions)
    wanted = starters(conference, chat, organization.chat_administrator, lesson.substitute if lesson else None, held)
    return await uow.account_links.working(wanted)
