"""A messenger in memory, which fails when it is told to and remembers every chat and call that it ever held."""

from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from application.ports import MessengerFailed, OpenCall, Trouble
from domain.ids import PersonId
from tests.builders import LINK


class WorkerDied(Exception):
    """Whoever asked is no more."""


@dataclass(frozen=True)
class Mishap:
    """What becomes of one request: how the caller sees it fail, and whether it was done all the same."""

    failure: MessengerFailed | WorkerDied
    done: bool = False


def refusal(trouble: Trouble = Trouble.REFUSED, *, pause: timedelta | None = None) -> Mishap:
    """Surely not done."""
    return Mishap(MessengerFailed(trouble, certain=True, pause=pause))


def death(*, done: bool) -> Mishap:
    """The caller never learns."""
    return Mishap(WorkerDied(), done)


def lost_answer(*, done: bool) -> Mishap:
    """The caller cannot know."""
    return Mishap(MessengerFailed(Trouble.UNAVAILABLE, certain=False), done)


@dataclass
class HeldCall:
    """A call, by whose account, and whether people can still be in it."""

    id: str
    account: PersonId
    name: str
    open: bool = True

    @property
    def link(self) -> str:
        return f"{LINK}/{self.id}"


@dataclass
class HeldChat:
    """A chat that its owner made, and the profiles that were added."""

    owner: PersonId
    title: str
    members: set[str] = field(default_factory=set)


class FakeMessenger:
    """Implements `application.ports.Messenger`.

    `mishaps` holds, by the name of the method, what becomes of the next requests; without any they succeed.
    """

    def __init__(self) -> None:
        self.chats: dict[str, HeldChat] = {}
        self.calls: list[HeldCall] = []
        self.mishaps: defaultdict[str, deque[Mishap]] = defaultdict(deque)
        self.late: list[HeldCall] = []
        self.asked: list[str] = []
        self.meanwhile: Callable[[], Awaitable[object]] | None = None
        """What happens, once, while a call is being asked for."""

    @property
    def open(self) -> list[HeldCall]:
        """The calls that people can be in."""
        return [call for call in self.calls if call.open]

    def meet(self, method: str, *mishaps: Mishap) -> None:
        """The next requests to `method` end so, one after another."""
        self.mishaps[method].extend(mishaps)

    def do_what_was_late(self) -> None:
        """Calls that were asked for without success begin after all."""
        self.calls += self.late
        self.late.clear()

    async def create_chat(self, owner: PersonId, title: str) -> str:
        mishap = self._begin("create_chat")
        id = f"chat {len(self.chats) + 1}"
        if mishap is None or mishap.done:
            self.chats[id] = HeldChat(owner, title)
        _end(mishap)
        return id

    async def add_member(self, owner: PersonId, chat: str, profile_id: str) -> None:
        mishap = self._begin("add_member")
        if mishap is None or mishap.done:
            held = self.chats.get(chat)
            if held is None or held.owner != owner:
                raise MessengerFailed(Trouble.REFUSED, certain=True)
            held.members.add(profile_id)
        _end(mishap)

    async def start_call(self, account: PersonId, name: str) -> OpenCall:
        mishap = self._begin("start_call")
        if (meanwhile := self.meanwhile) is not None:
            self.meanwhile = None
            await meanwhile()
        call = HeldCall(f"call {len(self.calls) + len(self.late) + 1}", account, name)
        if mishap is None or mishap.done:
            self.calls.append(call)
        elif isinstance(mishap.failure, MessengerFailed) and not mishap.failure.certain:
            self.late.append(call)
        _end(mishap)
        return OpenCall(call.id, call.link, call.name)

    async def start_calls(self, account: PersonId, names: Sequence[str]) -> list[OpenCall | MessengerFailed]:
        """What `meet("start_calls", …)` orders becomes of them all, what `meet("start_call", …)` does of each."""
        mishap = self._begin("start_calls") if len(names) > 1 else None
        if mishap is not None and not mishap.done:
            raise mishap.failure
        answers: list[OpenCall | MessengerFailed] = []
        for name in names:
            try:
                answers.append(await self.start_call(account, name))
            except MessengerFailed as failure:
                answers.append(failure)
        _end(mishap)
        return answers

    async def open_calls(self, account: PersonId) -> tuple[OpenCall, ...]:
        _end(self._begin("open_calls"))
        return tuple(OpenCall(call.id, call.link, call.name) for call in self.open if call.account == account)

    async def end_call(self, account: PersonId, id: str) -> None:
        mishap = self._begin("end_call")
        if mishap is None or mishap.done:
            for call in self.calls:
                if call.id == id and call.account == account:
                    call.open = False
        _end(mishap)

    async def end_calls(self, account: PersonId, ids: Sequence[str]) -> list[MessengerFailed | None]:
        """As with `start_calls`."""
        mishap = self._begin("end_calls") if len(ids) > 1 else None
        if mishap is not None and not mishap.done:
            raise mishap.failure
        answers: list[MessengerFailed | None] = []
        for id in ids:
            try:
                await self.end_call(account, id)
                answers.append(None)
            except MessengerFailed as failure:
                answers.append(failure)
        _end(mishap)
        return answers

    def _begin(self, method: str) -> Mishap | None:
        self.asked.append(method)
        return self.mishaps[method].popleft() if self.mishaps[method] else None


def _end(mishap: Mishap | None) -> None:
    if mishap is not None:
        raise mishap.failure
