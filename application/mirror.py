"""Chats are mirrored to Sferum: one reconciler, which asks for the difference only and records each answer (SYNC).

Whatever changed, or failed, or died: the newest state of the chat is compared with what Sferum held when somebody last
looked, and what is missing is done, removals first. No remote call is made inside a transaction.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from uuid import uuid4

from application.ports import Begin, ConcurrentChange, Messenger, MessengerFailed, Trouble, UnitOfWork
from domain import access
from domain.access import ChatAction, Viewer, by
from domain.audit import SFERUM
from domain.chat_request import ChatRequest, ChatRequestId, marked
from domain.errors import ProblemCode, refuse
from domain.ids import ChatId, OrganizationId, PersonId
from domain.mirror import (
    NEEDS_A_PERSON,
    Admit,
    AskForLink,
    ChatNow,
    FindMade,
    FindNumber,
    Look,
    Make,
    Mirror,
    MirrorError,
    MirrorState,
    Move,
    Remove,
    Rename,
    Rest,
    SetRole,
    Step,
    Take,
    archived_title,
    next_move,
)

CLAIMED_FOR = timedelta(seconds=25)
"""Longer than any one request to Sferum with its turn; a worker that is silent for so long counts as dead.

Should it live after all, whoever takes over looks first, and again later.
"""
AT_ONCE = 25
"""How many steps one request takes (vk.md, 2.3)."""
SOME_AT_ONCE = 3
"""Chats of one organization that are worked on at a time: their account may ask thrice a second (vk.md, 2.2)."""
ACCOUNTS_AT_ONCE = 10
MOST_ROUNDS = 200
"""Against steps that are never done, although Sferum says so."""

_ERRORS = {
    Trouble.UNAVAILABLE: MirrorError.UNAVAILABLE,
    Trouble.RATE_LIMITED: MirrorError.RATE_LIMITED,
    Trouble.RELINK_NEEDED: MirrorError.RELINK_NEEDED,
    Trouble.HUMAN_CHECK_NEEDED: MirrorError.HUMAN_CHECK_NEEDED,
    Trouble.NO_PERMISSION: MirrorError.NO_PERMISSION,
    Trouble.CHAT_LOST: MirrorError.CHAT_LOST,
    Trouble.CHAT_FULL: MirrorError.CHAT_FULL,
    Trouble.MEMBER_REFUSED: MirrorError.NO_PERMISSION,
    Trouble.REFUSED: MirrorError.NO_PERMISSION,
}
_TRY_ANOTHER_ACCOUNT = {Trouble.RELINK_NEEDED, Trouble.HUMAN_CHECK_NEEDED, Trouble.NO_PERMISSION}
_SELDOM = timedelta(minutes=5)
NOTHING: Mapping[OrganizationId, int] = MappingProxyType({})


@dataclass(slots=True)
class Outcome:
    """What one worker's turn at a mirror came to: steps taken, whether somebody had changed Sferum, what stopped it."""

    steps: int = 0
    drifted: bool = False
    error: MirrorError | None = None


@dataclass(frozen=True, slots=True)
class BringMirrorInStep:
    """Does what is missing in one mirror that the caller has claimed, until nothing more can be done for the present.

    Each round begins with the newest state. Two workers at one mirror are kept apart by the claim.

    Raises:
        ConcurrentChange: somebody else has claimed it meanwhile.
    """

    begin: Begin
    messenger: Messenger

    async def __call__(self, mirror: Mirror) -> Outcome:
        turn = _Turn(self.begin, self.messenger, mirror.chat_id, mirror.claimed_until)
        for _ in range(MOST_ROUNDS):
            if not await turn.round():
                break
        else:
            await turn.give_up()
        return turn.outcome


class _Turn:
    """One worker's turn at one mirror."""

    def __init__(self, begin: Begin, messenger: Messenger, chat: ChatId, claim: datetime | None) -> None:
        self._begin = begin
        self._messenger = messenger
        self._chat = chat
        self._claim = claim
        self._unfit = dict[str, MirrorError]()
        self._looked_again = False
        self._look_at: tuple[datetime, ...] = ()
        self.outcome = Outcome()

    async def round(self) -> bool:
        """One thing; False when the mirror rests."""
        async with self._begin(SFERUM) as uow:
            mirror, now, at = await self._open(uow)
            move = next_move(mirror, now, self._unfit, at=at)
            if isinstance(move, Rest):
                self._rest(mirror, now, move, at)
                await uow.mirrors.save(mirror)
                return False
            request = None
            if isinstance(move, Make):
                request = ChatRequest(
                    id=ChatRequestId(uuid4()),
                    chat_id=self._chat,
                    account=now.working[move.profile],
                    profile=move.profile,
                    asked_at=at,
                )
                mirror.request = request.id
                mirror.work_on(at=at)
                await uow.chat_requests.save(request)
            elif isinstance(move, FindMade):
                request = await uow.chat_requests.find(move.request)
            elif isinstance(move, Take):
                # Should we die before the answer is recorded, the next one looks first, and again later.
                self._look_at = mirror.look_at
                mirror.uncertain(at=at)
                mirror.work_on(at=at)
            self._renew(mirror, at)
            await uow.mirrors.save(mirror)
        return await self._do(move, now, mirror, request)

    async def give_up(self) -> None:
        """Sferum says again and again that it did what it does not show."""
        async with self._recording() as (_, mirror, now, at):
            mirror.fall_behind(now, MirrorState.BEHIND, MirrorError.UNAVAILABLE, at=at, pause=_SELDOM)

    async def _do(self, move: Move, now: ChatNow, mirror: Mirror, request: ChatRequest | None) -> bool:
        match move:
            case Make():
                assert request is not None
                return await self._make(request)
            case FindMade():
                return await self._find_made(request, now)
            case FindNumber(actor):
                return await self._find_number(actor, now, mirror)
            case Look(actor, number):
                return await self._look(actor, now.working[actor], number)
            case Take(actor, number, todo):
                return await self._take(actor, now.working[actor], number, todo[:AT_ONCE])
            case AskForLink(actor, number, then):
                return await self._ask_for_link(now.working[actor], number, then)
            case Rest():
                return False

    async def _make(self, request: ChatRequest) -> bool:
        try:
            number = await self._messenger.create_chat(request.account, request.title)
        except MessengerFailed as failure:
            async with self._recording() as (uow, mirror, now, at):
                known = await uow.chat_requests.find(request.id)
                if failure.certain and known is not None:
                    known.refused()
                    mirror.request = None
                    await uow.chat_requests.save(known)
                return self._failed(failure, request.profile, mirror, now, at)
        await self._made(request.id, number)
        return True

    async def _made(self, id: ChatRequestId, number: str) -> None:
        async with self._recording() as (uow, mirror, _, at):
            request = await uow.chat_requests.find(id)
            assert request is not None, "it is kept for as long as its mirror waits for it"
            request.made(number, at=at)
            await uow.chat_requests.save(request)
            mirror.made(request.profile, number, request.title, at=at)
            self.outcome.steps += 1

    async def _find_made(self, request: ChatRequest | None, now: ChatNow) -> bool:
        if request is None or request.profile not in now.working:
            # Nobody can say what came of it: it may be there, with nobody but its owner in it.
            async with self._recording() as (uow, mirror, now, at):
                if request is not None and request.may_be_given_up(at) and now.maker not in (None, request.profile):
                    # The account is gone for good, and another one makes the chats now.
                    request.give_up(at=at)
                    await uow.chat_requests.save(request)
                    mirror.request = None
                    return True
                mirror.wait(now, at=at)
                return False
        try:
            seen = await self._messenger.chats(now.working[request.profile])
        except MessengerFailed as failure:
            return await self._fail(failure, request.profile)
        found = [chat for chat in seen if marked(chat.title) == request.id and chat.is_member]
        if found:
            await self._made(request.id, min(found, key=lambda chat: int(chat.number)).number)
            return True
        async with self._recording() as (uow, mirror, now, at):
            known = await uow.chat_requests.find(request.id)
            if known is not None and not known.may_be_given_up(at):
                mirror.fall_behind(now, MirrorState.BEHIND, MirrorError.UNAVAILABLE, at=at)
                return False
            if known is not None:
                known.give_up(at=at)
                await uow.chat_requests.save(known)
            mirror.request = None
            return True

    async def _find_number(self, actor: str, now: ChatNow, mirror: Mirror) -> bool:
        """Accounts number their chats each in its own way: the same chat has the same title, owner and members."""
        assert mirror.held is not None
        account = now.working[actor]
        # A new title may be there although nobody recorded it.
        titles = {mirror.held.title, now.title}
        try:
            seen = await self._messenger.chats(account)
            alike = [chat for chat in seen if chat.is_member and chat.owner == mirror.owner and chat.title in titles]
            if len(alike) > 1:
                alike = [
                    chat
                    for chat in alike
                    if (await self._messenger.chat(account, chat.number)).members == mirror.held.members
                ]
        except MessengerFailed as failure:
            return await self._fail(failure, actor)
        if len(alike) != 1:
            self._unfit[actor] = MirrorError.NO_PERMISSION
            return True
        async with self._recording() as (_, mirror, _now, _at):
            mirror.numbers[actor] = alike[0].number
            return True

    async def _look(self, actor: str, account: PersonId, number: str) -> bool:
        try:
            held = await self._messenger.chat(account, number)
        except MessengerFailed as failure:
            return await self._fail(failure, actor)
        async with self._recording() as (_, mirror, _now, at):
            self.outcome.drifted |= mirror.saw(held, at=at)
            return True

    async def _take(self, actor: str, account: PersonId, number: str, todo: Sequence[Step]) -> bool:
        answers: Sequence[MessengerFailed | None]
        try:
            answers = await self._messenger.change_chat(account, number, todo)
        except MessengerFailed as failure:
            answers = [failure] * len(todo)
        async with self._recording() as (_, mirror, now, at):
            mirror.certain(self._look_at)
            failures = list[MessengerFailed]()
            kept_out = set[str]()
            for step, answer in zip(todo, answers, strict=True):
                if answer is None:
                    mirror.done(step)
                    self.outcome.steps += 1
                elif isinstance(step, SetRole) and step.profile in kept_out:
                    continue
                elif isinstance(step, Admit) and answer.trouble is Trouble.MEMBER_REFUSED:
                    kept_out.add(step.profile)
                    mirror.refuse(step.profile, at=at)
                else:
                    if isinstance(step, Admit):
                        kept_out.add(step.profile)
                    failures.append(answer)
            if any(not failure.certain for failure in failures):
                mirror.uncertain(at=at)
            elif any(failure.trouble is Trouble.MEMBER_REFUSED for failure in failures):
                # Sferum does not hold what we think that it does.
                mirror.compare()
                if not self._looked_again:
                    self._looked_again = True
                    failures = [failure for failure in failures if failure.trouble is not Trouble.MEMBER_REFUSED]
            if not failures:
                return True
            return self._failed(_gravest(failures), actor, mirror, now, at)

    async def _ask_for_link(self, account: PersonId, number: str, then: Rest) -> bool:
        try:
            link = await self._messenger.invite_link(account, number)
        except MessengerFailed:
            # It is only a help; it is asked for again when they are let in again.
            link = None
        async with self._recording() as (_, mirror, now, at):
            mirror.invite_link = link
            self._rest(mirror, now, then, at)
        return False

    async def _fail(self, failure: MessengerFailed, profile: str) -> bool:
        async with self._recording() as (_, mirror, now, at):
            return self._failed(failure, profile, mirror, now, at)

    def _failed(self, failure: MessengerFailed, profile: str, mirror: Mirror, now: ChatNow, at: datetime) -> bool:
        """Whether to go on: with another account, or with another chat."""
        error = self.outcome.error = _ERRORS[failure.trouble]
        if failure.trouble in _TRY_ANOTHER_ACCOUNT and profile not in self._unfit:
            self._unfit[profile] = error
            return True
        if failure.trouble is Trouble.CHAT_LOST and profile == mirror.owner and mirror.may_be_lost(at):
            mirror.lost()
            return True
        if failure.trouble is Trouble.CHAT_LOST and profile not in (mirror.owner, *self._unfit):
            # The number is not this account's: it is looked for anew.
            self._unfit[profile] = error
            mirror.numbers.pop(profile, None)
            return True
        state = MirrorState.BROKEN if error in NEEDS_A_PERSON else MirrorState.BEHIND
        mirror.fall_behind(now, state, error, at=at, pause=failure.pause)
        return False

    def _rest(self, mirror: Mirror, now: ChatNow, move: Rest, at: datetime) -> None:
        if not move.waits:
            if now.deleted and mirror.is_made:
                mirror.lost()
            mirror.settle(now, move.state, at=at)
        elif self._unfit:
            # Some account is there, and Sferum does not take it: it is tried again.
            self.outcome.error = error = next(reversed(self._unfit.values()))
            state = MirrorState.BROKEN if error in NEEDS_A_PERSON else move.state
            mirror.fall_behind(now, state, error, at=at, pause=_SELDOM)
        elif move.state is MirrorState.BROKEN:
            mirror.fall_behind(now, move.state, MirrorError.NO_PERMISSION, at=at, pause=_SELDOM)
        else:
            mirror.wait(now, at=at)

    async def _open(self, uow: UnitOfWork) -> tuple[Mirror, ChatNow, datetime]:
        mirror = await uow.mirrors.find(self._chat)
        if mirror is None or mirror.claimed_until != self._claim:
            raise ConcurrentChange
        return mirror, await uow.mirrors.now_is(self._chat), await uow.now()

    def _renew(self, mirror: Mirror, at: datetime) -> None:
        self._claim = at + CLAIMED_FOR
        mirror.claim(until=self._claim)

    @asynccontextmanager
    async def _recording(self) -> AsyncIterator[tuple[UnitOfWork, Mirror, ChatNow, datetime]]:
        """Where what Sferum said is recorded; the mirror is saved at the end."""
        async with self._begin(SFERUM) as uow:
            mirror, now, at = await self._open(uow)
            yield uow, mirror, now, at
            await uow.mirrors.save(mirror)


def _gravest(failures: Sequence[MessengerFailed]) -> MessengerFailed:
    """What stops the whole chat, not one step, if any of them does."""
    order = [Trouble.CHAT_LOST, *_TRY_ANOTHER_ACCOUNT, Trouble.RATE_LIMITED, Trouble.UNAVAILABLE, Trouble.CHAT_FULL]
    return min(failures, key=lambda failure: order.index(failure.trouble) if failure.trouble in order else len(order))


@dataclass(frozen=True, slots=True)
class KeepMirrors:
    """Claims some mirrors that are due; each is then brought in step by itself. Any number of workers may do so.

    `under_way` says at how many of each organization the caller works already: a large school does not hold up others.
    """

    begin: Begin

    async def __call__(self, *, limit: int, under_way: Mapping[OrganizationId, int] = NOTHING) -> list[Mirror]:
        async with self.begin(SFERUM) as uow:
            at = await uow.now()
            return await uow.mirrors.claim_due(
                at, until=at + CLAIMED_FOR, limit=limit, of_each=SOME_AT_ONCE, under_way=under_way
            )


@dataclass(frozen=True, slots=True)
class ResyncChat:
    """Looks at what Sferum holds of a chat at once, and mends it (SYNC-05). Who may: `domain.access`."""

    begin: Begin

    async def __call__(self, viewer: Viewer, chat_id: ChatId) -> None:
        async with self.begin(by(viewer)) as uow:
            chat = await uow.chats.find(chat_id)
            place = None if chat is None else access.place_in(viewer, chat)
            if place is None or not access.may_see_chat(viewer, place):
                raise refuse(ProblemCode.NOT_FOUND, "id")
            if ChatAction.RESYNC not in access.chat_actions(viewer, place):
                raise refuse(ProblemCode.FORBIDDEN)
            mirror = await uow.mirrors.find(chat_id)
            if mirror is not None:
                mirror.try_all_again()
                await uow.mirrors.save(mirror)
                await uow.mirrors.touch(chat_id)


@dataclass(frozen=True, slots=True)
class EmptyStrays:
    """Empties chats that carry our mark and that nobody waits for, and marks them as archived (SYNC-03)."""

    begin: Begin
    messenger: Messenger

    async def __call__(self) -> int:
        """How many there were."""
        async with self.begin(SFERUM) as uow:
            at = await uow.now()
            due = await uow.chat_requests.due(at, accounts=ACCOUNTS_AT_ONCE)
            for request in due:
                # Should we die over it, it is due again soon.
                request.look(at=at)
            await uow.chat_requests.save_all(due)
        of_account = defaultdict[PersonId, list[ChatRequestId]](list)
        for request in due:
            of_account[request.account].append(request.id)
        emptied = await asyncio.gather(*(self._of_account(account, ids, at) for account, ids in of_account.items()))
        return sum(emptied)

    async def _of_account(self, account: PersonId, watched: Sequence[ChatRequestId], at: datetime) -> int:
        try:
            seen = [chat for chat in await self.messenger.chats(account) if chat.is_member]
            marks = {chat.number: id for chat in seen if (id := marked(chat.title)) is not None}
            async with self.begin(SFERUM) as uow:
                known = {request.id: request for request in await uow.chat_requests.find_all(set(marks.values()))}
            strays = [
                chat for chat in seen if (id := marks.get(chat.number)) in known and known[id].is_stray(chat.number)
            ]  # fmt: skip
            for chat in strays:
                # It keeps its mark: whoever could not leave is found in it again.
                todo: list[Step] = [Rename(archived_title(known[marks[chat.number]].title)), Remove(chat.owner)]
                for failure in await self.messenger.change_chat(account, chat.number, todo):
                    if failure is not None:
                        raise failure
        except MessengerFailed:
            # It is due again in a moment.
            return 0
        async with self.begin(SFERUM) as uow:
            looked = await uow.chat_requests.find_all(watched)
            for request in looked:
                request.looked(at=at)
            await uow.chat_requests.save_all(looked)
        return len(strays)


@dataclass(frozen=True, slots=True)
class EmptyBeforeUnlinking:
    """Does the removals that are due in the chats that an account owns, before its tokens go (SYNC-06)."""

    begin: Begin
    bring_in_step: BringMirrorInStep
    within: timedelta = timedelta(seconds=30)

    async def __call__(self, person: PersonId) -> None:
        async with self.begin(SFERUM) as uow:
            chats = await uow.mirrors.to_empty(person)
        some = asyncio.Semaphore(SOME_AT_ONCE)
        with suppress(TimeoutError):
            async with asyncio.timeout(self.within.total_seconds()):
                await asyncio.gather(*(self._empty(chat, some) for chat in chats))

    async def _empty(self, chat: ChatId, some: asyncio.Semaphore) -> None:
        async with some:
            mirror = await self._claimed(chat)
            if mirror is not None:
                with suppress(ConcurrentChange):
                    await self.bring_in_step(mirror)

    async def _claimed(self, chat: ChatId) -> Mirror | None:
        async with self.begin(SFERUM) as uow:
            at = await uow.now()
            mirror = await uow.mirrors.find(chat)
            if mirror is None or (mirror.claimed_until is not None and mirror.claimed_until > at):
                # A worker is at it.
                return None
            mirror.claim(until=at + CLAIMED_FOR)
            await uow.mirrors.save(mirror)
            return mirror
