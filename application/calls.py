"""Calls in Sferum follow their conferences: asked for, looked for, ended; never two that work (CONF-18, SYNC-03)."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from application.ports import Begin, Messenger, MessengerFailed, OpenCall, Trouble, UnitOfWork
from domain.audit import SFERUM
from domain.call import Call, Ending, GivenUp
from domain.ids import CallId, PersonId, VideoconferenceId
from domain.videoconference import CallReleased, FailureReason, Videoconference

ANSWER_WITHIN = timedelta(seconds=8)
"""After this, an answer that did not come will not come: longer than the adapter waits for one."""
HELD_FOR = timedelta(seconds=3)
"""Who asks for a call says each second that they still do (`HoldStarts`); after this silence they count as dead."""
LOOK_AFTER_LOSS = timedelta(seconds=1)
GIVE_UP_AFTER = timedelta(seconds=3)
"""A request whose answer was lost and that is not seen to have worked by then is given up, and watched for."""

_REASONS = {
    Trouble.UNAVAILABLE: FailureReason.SFERUM_UNAVAILABLE,
    Trouble.RATE_LIMITED: FailureReason.SFERUM_UNAVAILABLE,
    Trouble.RELINK_NEEDED: FailureReason.NO_LINKED_STARTER,
    Trouble.HUMAN_CHECK_NEEDED: FailureReason.HUMAN_CHECK_NEEDED,
    Trouble.REFUSED: FailureReason.SFERUM_REFUSED,
}


@dataclass(frozen=True, slots=True)
class CallToStart:
    """A call that is recorded as asked for; whoever holds this asks Sferum, once."""

    call: CallId
    videoconference: VideoconferenceId
    account: PersonId
    name: str


@dataclass(frozen=True, slots=True)
class CallToFind:
    """A call about which no answer came."""

    call: CallId
    videoconference: VideoconferenceId


@dataclass(frozen=True, slots=True)
class CallToEnd:
    """A call that must not stay open."""

    call: CallId


Work = CallToStart | CallToFind | CallToEnd
"""What is to be done at Sferum, outside any transaction. Doing it twice is harmless."""


async def save_with_calls(uow: UnitOfWork, conference: Videoconference, *, at: datetime) -> None:
    """Saves a conference, and lets go of the calls that it needs no more in the same transaction."""
    for event in conference.events:
        if isinstance(event, CallReleased):
            call = await uow.calls.get(event.call)
            call.release(at=at)
            await uow.calls.save(call)
    await uow.videoconferences.save(conference)


async def ask_for_call(uow: UnitOfWork, conference: Videoconference, account: PersonId, *, at: datetime) -> CallToStart:
    """Records the intent before Sferum is asked, so that it can be found there whatever happens to us."""
    call = Call(id=CallId(uuid4()), videoconference_id=conference.id, account=account, asked_at=at)
    await uow.calls.save(call)
    return CallToStart(call.id, conference.id, account, f"{conference.name} {call.mark}")


@dataclass(frozen=True, slots=True)
class StartCall:
    """Asks Sferum for the call, once, and records what came of it."""

    begin: Begin
    messenger: Messenger

    async def __call__(self, work: CallToStart) -> None:
        try:
            found = await self.messenger.start_call(work.account, work.name)
        except MessengerFailed as failure:
            await self._failed(work, failure)
        else:
            await record_open(self.begin, work.call, work.videoconference, found)

    async def _failed(self, work: CallToStart, failure: MessengerFailed) -> None:
        async with self.begin(SFERUM) as uow:
            at = await uow.now()
            conference = await uow.videoconferences.find(work.videoconference, lock=True)
            if conference is None or not conference.waits_for(work.call):
                return
            if failure.certain:
                call = await uow.calls.get(work.call)
                call.refused(at=at)
                await uow.calls.save(call)
                retry_at = at + max(pause(conference, at), failure.pause or timedelta())
                conference.put_off(_REASONS[failure.trouble], at=at, retry_at=retry_at)
            else:
                conference.look_for_call_again(work.call, check_at=at + LOOK_AFTER_LOSS)
            await save_with_calls(uow, conference, at=at)


@dataclass(frozen=True, slots=True)
class HoldStarts:
    """Says that these calls are still being asked for, so that nobody looks for them yet. Idempotent."""

    begin: Begin

    async def __call__(self, starts: Collection[CallToStart]) -> None:
        for work in starts:
            async with self.begin(SFERUM) as uow:
                conference = await uow.videoconferences.find(work.videoconference, lock=True)
                if conference is not None and conference.waits_for(work.call):
                    conference.look_for_call_again(work.call, check_at=await uow.now() + HELD_FOR)
                    await uow.videoconferences.save(conference)


@dataclass(frozen=True, slots=True)
class FindCall:
    """Looks in Sferum for a call whose answer was lost: adopts it, or asks for another (SYNC-03)."""

    begin: Begin
    messenger: Messenger
    start_call: StartCall

    async def __call__(self, work: CallToFind) -> None:
        async with self.begin(SFERUM) as uow:
            call = await uow.calls.get(work.call)
        try:
            found = await find_in_messenger(self.messenger, call)
        except MessengerFailed:
            return
        if found is not None:
            await record_open(self.begin, call.id, work.videoconference, found)
        elif another := await self._ask_for_another(call):
            await self.start_call(another)

    async def _ask_for_another(self, call: Call) -> CallToStart | None:
        async with self.begin(SFERUM) as uow:
            at = await uow.now()
            conference = await uow.videoconferences.find(call.videoconference_id, lock=True)
            if conference is None or not conference.waits_for(call.id):
                return None
            if at - call.asked_at < GIVE_UP_AFTER:
                conference.look_for_call_again(call.id, check_at=call.asked_at + GIVE_UP_AFTER)
                await save_with_calls(uow, conference, at=at)
                return None
            given_up = await uow.calls.get(call.id)
            given_up.release(at=at)
            await uow.calls.save(given_up)
            another = await ask_for_call(uow, conference, call.account, at=at)
            conference.ask_for_another_call(another.call, instead_of=call.id, check_at=at + ANSWER_WITHIN)
            await save_with_calls(uow, conference, at=at)
            return another


@dataclass(frozen=True, slots=True)
class EndCall:
    """Ends a call in Sferum that is not needed any more, also one that turned up after it was given up."""

    begin: Begin
    messenger: Messenger

    async def __call__(self, work: CallToEnd) -> None:
        async with self.begin(SFERUM) as uow:
            call = await uow.calls.get(work.call)
        if isinstance(call.state, GivenUp):
            found = await find_in_messenger(self.messenger, call)
            call = await self._record(call.id, lambda call, at: _seen(call, found, at))
        if isinstance(call.state, Ending):
            await self.messenger.end_call(call.account, call.state.sferum_id)
            await self._record(call.id, lambda call, at: call.ended(at=at))

    async def _record(self, id: CallId, change: Callable[[Call, datetime], None]) -> Call:
        async with self.begin(SFERUM) as uow:
            call = await uow.calls.get(id)
            change(call, await uow.now())
            await uow.calls.save(call)
            return call


async def record_open(begin: Begin, id: CallId, videoconference: VideoconferenceId, found: OpenCall) -> None:
    """The call is there: its conference gets its link, or, if it waits for it no more, the call is ended."""
    async with begin(SFERUM) as uow:
        at = await uow.now()
        conference = await uow.videoconferences.find(videoconference, lock=True)
        call = await uow.calls.get(id)
        call.opened(found.id, at=at)
        await uow.calls.save(call)
        if conference is None:
            call.release(at=at)
            await uow.calls.save(call)
            return
        conference.call_is_there(id, found.link, at=at)
        await save_with_calls(uow, conference, at=at)


async def find_in_messenger(messenger: Messenger, call: Call) -> OpenCall | None:
    """The account's open call that carries our mark."""
    opened = await messenger.open_calls(call.account)
    return next((found for found in opened if call.mark in found.name), None)


def pause(conference: Videoconference, at: datetime) -> timedelta:
    """How long until the next try: two seconds until the start has come, then growing up to a minute."""
    return min(max((at - conference.slot.start) / 4, timedelta(seconds=2)), timedelta(minutes=1))


def _seen(call: Call, found: OpenCall | None, at: datetime) -> None:
    if found is None:
        call.not_found(at=at)
    else:
        call.opened(found.id, at=at)
