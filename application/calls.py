"""Calls in Sferum follow their conferences: asked for, looked for, ended; never two that work (CONF-18, SYNC-03).

Work at Sferum is done for one account and several calls at once, because an account may ask only so often.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Generic, TypeVar
from uuid import uuid4

from application.ports import Begin, Messenger, MessengerFailed, OpenCall, Trouble, UnitOfWork
from domain.audit import SFERUM
from domain.call import Call, Ending, GivenUp, Open, marked
from domain.ids import CallId, ParticipantId, PersonId, VideoconferenceId
from domain.participant import Capacity
from domain.participation import Surroundings, named, participants
from domain.videoconference import Active, CallReleased, FailureReason, Videoconference

HELD_FOR = timedelta(seconds=2)
"""Who asks for a call says twice a second that they still do (`HoldCalls`); after this silence they count as dead."""
LOOK_AFTER_LOSS = timedelta(seconds=1)
GIVE_UP_AFTER = timedelta(seconds=2)
"""A request whose answer was lost and that is not seen to have worked by then is given up, and watched for."""
AT_ONCE = 25
"""How many calls one request to Sferum starts or ends (vk.md 2.3)."""

_REASONS = {
    Trouble.UNAVAILABLE: FailureReason.SFERUM_UNAVAILABLE,
    Trouble.RATE_LIMITED: FailureReason.SFERUM_UNAVAILABLE,
    Trouble.RELINK_NEEDED: FailureReason.NO_LINKED_STARTER,
    Trouble.HUMAN_CHECK_NEEDED: FailureReason.HUMAN_CHECK_NEEDED,
    Trouble.REFUSED: FailureReason.SFERUM_REFUSED,
    Trouble.NO_PERMISSION: FailureReason.SFERUM_REFUSED,
    Trouble.CHAT_LOST: FailureReason.SFERUM_REFUSED,
    Trouble.CHAT_FULL: FailureReason.SFERUM_REFUSED,
    Trouble.MEMBER_REFUSED: FailureReason.SFERUM_REFUSED,
}

P = TypeVar("P")
W = TypeVar("W", covariant=True)


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
    account: PersonId


@dataclass(frozen=True, slots=True)
class CallToLookAt:
    """A call that is open as far as we know."""

    call: CallId
    videoconference: VideoconferenceId
    account: PersonId


@dataclass(frozen=True, slots=True)
class CallToEnd:
    """A call that must not stay open."""

    call: CallId
    account: PersonId


Work = CallToStart | CallToFind | CallToLookAt | CallToEnd
"""What is to be done at Sferum, outside any transaction. Doing it twice is harmless."""
Answer = OpenCall | MessengerFailed


async def save_with_calls(uow: UnitOfWork, conference: Videoconference, *, at: datetime) -> None:
    """Saves a conference; in the same transaction it lets go of calls, and keeps the people that it had at its end."""
    await save_all_with_calls(uow, [conference], at=at)


async def save_all_with_calls(
    uow: UnitOfWork, conferences: Sequence[Videoconference], calls: Iterable[Call] = (), *, at: datetime
) -> None:
    """The same for several, in a few statements, and for calls that changed with them."""
    changed = {call.id: call for call in calls}
    released = [
        event.call for conference in conferences for event in conference.events if isinstance(event, CallReleased)
    ]
    for call in await uow.calls.find_all([id for id in released if id not in changed]):
        changed[call.id] = call
    for id in released:
        changed[id].release(at=at)
    await uow.calls.save_all(list(changed.values()))
    await _freeze(uow, [conference for conference in conferences if conference.is_over and not conference.frozen])
    await uow.videoconferences.save_all(conferences)


async def _freeze(uow: UnitOfWork, conferences: Sequence[Videoconference]) -> None:
    """What `surroundings` reads for one, in a few statements for all that ended at one bell."""
    if not conferences:
        return
    chats = {chat.id: chat for chat in await uow.chats.find_all({each.chat_id for each in conferences}, deleted=True)}
    lessons = {
        lesson.id: lesson
        for lesson in await uow.lessons.find_all({each.lesson_id for each in conferences if each.lesson_id})
    }
    organizations = {id: await uow.organizations.find(id) for id in {each.organization_id for each in conferences}}
    around = {}
    for conference in conferences:
        lesson = lessons.get(conference.lesson_id) if conference.lesson_id else None
        organization = organizations[conference.organization_id]
        around[conference.id] = Surroundings(
            chat=chats[conference.chat_id],
            chat_administrator=organization.chat_administrator if organization else None,
            group=await uow.rosters.group(lesson.group_id) if lesson and conference.of_group else None,
            substitute=lesson.substitute if lesson else None,
        )
    people = {
        conference.id: named(conference, place.chat_administrator, place.group, place.substitute)
        for conference in conferences
        if (place := around[conference.id])
    }
    held = await uow.rosters.held(frozenset[tuple[ParticipantId, Capacity]]().union(*people.values()))
    for conference in conferences:
        place = replace(around[conference.id], held=people[conference.id] & held)
        took_part = participants(conference, place)
        conference.freeze(frozenset((person, kind) for person, kinds in took_part.items() for kind in kinds))


def new_call(conference: Videoconference, account: PersonId, *, at: datetime) -> Call:
    """The intent, to be saved before Sferum is asked, so that it can be found there whatever happens to us."""
    return Call(id=CallId(uuid4()), videoconference_id=conference.id, account=account, asked_at=at)


def to_start(conference: Videoconference, call: Call) -> CallToStart:
    """What is to be done about a call that nobody has asked for yet."""
    return CallToStart(call.id, conference.id, call.account, f"{conference.name} {call.mark}")


@dataclass(frozen=True, slots=True)
class Batch(Generic[W]):
    """Work of one kind for one account, at most as much as one request to Sferum takes."""

    account: PersonId
    works: tuple[W, ...]


def batches(work: Iterable[Work]) -> list[Batch[Work]]:
    """All of it."""
    alike: defaultdict[tuple[type[Work], PersonId], list[Work]] = defaultdict(list)
    for piece in work:
        alike[type(piece), piece.account].append(piece)
    return [
        Batch(account, tuple(pieces[first : first + AT_ONCE]))
        for (_, account), pieces in alike.items()
        for first in range(0, len(pieces), AT_ONCE)
    ]


async def in_parts(
    begin: Begin, pieces: Sequence[P], do: Callable[[Sequence[P]], Awaitable[None]]
) -> list[tuple[P, Exception]]:
    """Does all pieces at once; where that fails, each half by itself. Answers with those that fail alone, and why.

    What storage raises when it is away is raised: then no piece is at fault.
    """
    try:
        if pieces:
            await do(pieces)
    except Exception as error:
        async with begin(SFERUM) as uow:
            await uow.now()
        if len(pieces) == 1:
            return [(pieces[0], error)]
        middle = len(pieces) // 2
        return [
            failed
            for half in (pieces[:middle], pieces[middle:])
            for failed in await in_parts(begin, half, do)
        ]  # fmt: skip
    return []


@dataclass(frozen=True, slots=True)
class StartCalls:
    """Asks Sferum for calls of one account, each once, and records what came of it.

    Raises:
        ExceptionGroup: what came of some could not be recorded; it was for the others.
    """

    begin: Begin
    messenger: Messenger

    async def __call__(self, account: PersonId, works: Sequence[CallToStart]) -> None:
        works = await self._not_asked_yet(works)
        if not works:
            return
        answers: Sequence[Answer]
        try:
            answers = await self.messenger.start_calls(account, [work.name for work in works])
        except MessengerFailed as failure:
            answers = [failure] * len(works)
        await record(self.begin, list(zip(works, answers, strict=True)))

    async def _not_asked_yet(self, works: Sequence[CallToStart]) -> list[CallToStart]:
        async with self.begin(SFERUM) as uow:
            calls = await uow.calls.find_all([work.call for work in works])
            mine = {call.id: call for call in calls if call.send()}
            await uow.calls.save_all(list(mine.values()))
        return [work for work in works if work.call in mine]


@dataclass(frozen=True, slots=True)
class HoldCalls:
    """Says that these calls are still being asked for, or looked for, so that nobody else looks yet. Idempotent."""

    begin: Begin

    async def __call__(self, works: Collection[CallToStart | CallToFind]) -> None:
        if not works:
            return
        call_of = {work.videoconference: work.call for work in works}
        async with self.begin(SFERUM) as uow:
            found = await uow.videoconferences.find_all(list(call_of), lock=True)
            held = [conference for conference in found if conference.waits_for(call_of[conference.id])]
            check_at = await uow.now() + HELD_FOR
            for conference in held:
                conference.look_for_call_again(call_of[conference.id], check_at=check_at)
            await uow.videoconferences.save_all(held)


@dataclass(frozen=True, slots=True)
class FindCalls:
    """Looks in Sferum, once for all, for calls whose answers were lost: adopts them, or gives them up (SYNC-03).

    One that is given up leaves another to be asked for, which the clock finds due.

    Raises:
        MessengerFailed: Sferum does not say which calls are open; they are looked for again.
    """

    begin: Begin
    messenger: Messenger

    async def __call__(self, account: PersonId, works: Sequence[CallToFind]) -> None:
        opened = {marked(each.name): each for each in await self.messenger.open_calls(account)}
        await record(self.begin, [(work, opened[work.call]) for work in works if work.call in opened])
        if lost := [work for work in works if work.call not in opened]:
            await self._give_up(lost)

    async def _give_up(self, lost: Sequence[CallToFind]) -> None:
        async with self.begin(SFERUM) as uow:
            at = await uow.now()
            found = await uow.videoconferences.find_all([work.videoconference for work in lost], lock=True)
            calls = {call.videoconference_id: call for call in await uow.calls.find_all([work.call for work in lost])}
            waiting = [conference for conference in found if conference.waits_for(calls[conference.id].id)]
            changed = []
            for conference in waiting:
                call = calls[conference.id]
                if at - call.asked_at < GIVE_UP_AFTER:
                    conference.look_for_call_again(call.id, check_at=call.asked_at + GIVE_UP_AFTER)
                    continue
                call.release(at=at)
                another = new_call(conference, call.account, at=at)
                conference.ask_for_another_call(another.id, instead_of=call.id, check_at=at)
                changed += [call, another]
            await save_all_with_calls(uow, waiting, changed, at=at)


@dataclass(frozen=True, slots=True)
class LookAtCalls:
    """Looks whether calls that should be open are (CONF-18), and ends those of ours that nobody claims (SYNC-03).

    Raises:
        MessengerFailed: Sferum does not say which calls are open; they are looked at again.
    """

    begin: Begin
    messenger: Messenger

    async def __call__(self, account: PersonId, works: Sequence[CallToLookAt]) -> None:
        opened = await self.messenger.open_calls(account)
        still_open = {each.id for each in opened}
        async with self.begin(SFERUM) as uow:
            at = await uow.now()
            found = await uow.videoconferences.find_all([work.videoconference for work in works], lock=True)
            conferences = {conference.id: conference for conference in found}
            calls = await uow.calls.find_all([work.call for work in works])
            gone = [call for call in calls if isinstance(call.state, Open) and call.state.sferum_id not in still_open]
            for call in gone:
                call.ended(at=at)
                if conference := conferences.get(call.videoconference_id):
                    joined = await uow.videoconferences.was_joined(conference.id)
                    conference.call_is_gone(call.id, joined=joined, at=at)
            changed = [conferences[call.videoconference_id] for call in gone if call.videoconference_id in conferences]
            await save_all_with_calls(uow, changed, gone, at=at)
        strays = await self._strays(account, opened)
        await self.messenger.end_calls(account, strays)

    async def _strays(self, account: PersonId, opened: Sequence[OpenCall]) -> list[str]:
        ours = {each.id: id for each in opened if (id := marked(each.name)) is not None}
        async with self.begin(SFERUM) as uow:
            calls = {call.id: call for call in await uow.calls.find_all(ours.values())}
        return [
            sferum_id for sferum_id, id in ours.items() if id in calls and not calls[id].claims(sferum_id)
        ][:AT_ONCE]  # fmt: skip


@dataclass(frozen=True, slots=True)
class EndCalls:
    """Ends calls in Sferum that are not needed any more, also those that turned up after they were given up.

    Raises:
        MessengerFailed: Sferum did not do it for all; what is left is tried again.
    """

    begin: Begin
    messenger: Messenger

    async def __call__(self, account: PersonId, works: Sequence[CallToEnd]) -> None:
        ids = [work.call for work in works]
        failures: list[MessengerFailed] = []
        async with self.begin(SFERUM) as uow:
            calls = await uow.calls.find_all(ids)
        if any(isinstance(call.state, GivenUp) for call in calls):
            try:
                calls = await self._look(account, ids)
            except MessengerFailed as failure:
                failures.append(failure)
        ending = {call.state.sferum_id: call.id for call in calls if isinstance(call.state, Ending)}
        if ending:
            answers: Sequence[MessengerFailed | None]
            try:
                answers = await self.messenger.end_calls(account, list(ending))
            except MessengerFailed as failure:
                answers = [failure] * len(ending)
            failures += [answer for answer in answers if answer is not None]
            answer_of = dict(zip(ending.values(), answers, strict=True))
            await self._record(
                answer_of, lambda call, at: call.not_ended(at=at) if answer_of[call.id] else call.ended(at=at)
            )
        if failures:
            raise failures[0]

    async def _look(self, account: PersonId, ids: Collection[CallId]) -> list[Call]:
        opened = {marked(each.name): each for each in await self.messenger.open_calls(account)}
        return await self._record(ids, lambda call, at: _seen(call, opened.get(call.id), at))

    async def _record(self, ids: Collection[CallId], change: Callable[[Call, datetime], None]) -> list[Call]:
        async with self.begin(SFERUM) as uow:
            at = await uow.now()
            calls = await uow.calls.find_all(ids)
            for call in calls:
                change(call, at)
            await uow.calls.save_all(calls)
            return calls


@dataclass(frozen=True, slots=True)
class CarryOut:
    """Does a batch of work at Sferum. Raises what its four ways raise."""

    start: StartCalls
    find: FindCalls
    look: LookAtCalls
    end: EndCalls

    async def __call__(self, batch: Batch[Work]) -> None:
        if starts := [work for work in batch.works if isinstance(work, CallToStart)]:
            await self.start(batch.account, starts)
        if finds := [work for work in batch.works if isinstance(work, CallToFind)]:
            await self.find(batch.account, finds)
        if looks := [work for work in batch.works if isinstance(work, CallToLookAt)]:
            await self.look(batch.account, looks)
        if ends := [work for work in batch.works if isinstance(work, CallToEnd)]:
            await self.end(batch.account, ends)


async def record(begin: Begin, answers: Sequence[tuple[CallToStart | CallToFind, Answer]]) -> None:
    """What Sferum said to requests for calls: each conference gets its link, or is put off, or waits on.

    Raises:
        ExceptionGroup: of those that could not be recorded; the others are.
    """

    async def some(part: Sequence[tuple[CallToStart | CallToFind, Answer]]) -> None:
        answer_of = {work.call: answer for work, answer in part}
        async with begin(SFERUM) as uow:
            at = await uow.now()
            # Conferences are locked before their calls, here as everywhere.
            found = await uow.videoconferences.find_all([work.videoconference for work, _ in part], lock=True)
            conferences = {conference.id: conference for conference in found}
            calls = await uow.calls.find_all(answer_of)
            for call in calls:
                _take(answer_of[call.id], call, conferences.get(call.videoconference_id), at)
            await save_all_with_calls(uow, found, calls, at=at)

    if failed := await in_parts(begin, answers, some):
        raise ExceptionGroup("not recorded", [error for _, error in failed])


def _take(answer: Answer, call: Call, conference: Videoconference | None, at: datetime) -> None:
    if isinstance(answer, OpenCall):
        call.opened(answer.id, at=at)
        if conference is None:
            call.release(at=at)
        elif isinstance(call.state, Open):
            conference.call_is_there(call.id, answer.link, at=at)
    elif conference is not None and conference.waits_for(call.id):
        if not answer.certain:
            conference.look_for_call_again(call.id, check_at=at + LOOK_AFTER_LOSS)
            return
        call.refused(at=at)
        retry_at = at + max(pause(conference, at), answer.pause or timedelta())
        if isinstance(conference.phase, Active):
            conference.look_for_call_again(call.id, check_at=retry_at)
        else:
            conference.put_off(_REASONS[answer.trouble], at=at, retry_at=retry_at)


def _seen(call: Call, found: OpenCall | None, at: datetime) -> None:
    if found is None:
        call.not_found(at=at)
    else:
        call.opened(found.id, at=at)


def pause(conference: Videoconference, at: datetime) -> timedelta:
    """How long until the next try: two seconds until the start has come, then growing up to a minute."""
    return min(max((at - conference.slot.start) / 4, timedelta(seconds=2)), timedelta(minutes=1))
