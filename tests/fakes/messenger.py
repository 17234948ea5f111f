"""A messenger in memory, which fails when it is told to and remembers every chat and call that it ever held."""

from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count

from application.ports import MessengerFailed, OpenCall, SeenChat, Trouble
from domain.ids import PersonId
from domain.mirror import Admit, Held, Remove, Rename, SetRole, Step
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


@dataclass(eq=False)
class HeldChat:
    """A chat: its owner, who is in it and whether as an administrator, and each profile's own number of it.

    Who has left keeps the number. `lost`: nobody can do anything with it any more.
    """

    owner: str
    title: str
    members: dict[str, bool] = field(default_factory=dict)
    numbers: dict[str, str] = field(default_factory=dict)
    lost: bool = False


METHODS: dict[type[Step], str] = {Remove: "remove", Rename: "rename", Admit: "admit", SetRole: "set_role"}
"""By what names steps are asked for."""


def profile_of_builders(person: PersonId) -> str | None:
    """The profile that `tests.builders` link a person to, unless they are told another."""
    return f"profile of {person}"


class FakeMessenger:
    """Implements `application.ports.Messenger`.

    `mishaps` holds, by the name of the method or of the step (`METHODS`), what becomes of the next requests; without
    any they succeed. An account is refused with RELINK_NEEDED when `profile_of` knows no profile of the person.
    """

    def __init__(self, profile_of: Callable[[PersonId], str | None] = profile_of_builders) -> None:
        self.profile_of = profile_of
        self.held: list[HeldChat] = []
        self.declining: set[str] = set()
        """Profiles that nobody may add."""
        self.capacity = 500
        self.taken: list[Step] = []
        """Every step that was done, in order."""
        self.calls: list[HeldCall] = []
        self.mishaps: defaultdict[str, deque[Mishap]] = defaultdict(deque)
        self.late: list[Callable[[], object]] = []
        self.asked: list[str] = []
        self.meanwhile: Callable[[], Awaitable[object]] | None = None
        """What happens, once, while a call is being asked for or a chat changed."""
        self._numbers = count(1)

    @property
    def open(self) -> list[HeldCall]:
        """The calls that people can be in."""
        return [call for call in self.calls if call.open]

    @property
    def seen(self) -> list[HeldChat]:
        """The chats that anybody is in."""
        return [chat for chat in self.held if chat.members and not chat.lost]

    def meet(self, method: str, *mishaps: Mishap) -> None:
        """The next requests to `method` end so, one after another."""
        self.mishaps[method].extend(mishaps)

    def do_what_was_late(self) -> None:
        """What was asked for without success, and without certainty, happens after all."""
        for effect in self.late:
            # Nobody hears of it when that is refused by now.
            with suppress(MessengerFailed):
                effect()
        self.late.clear()

    # Chats

    async def create_chat(self, owner: PersonId, title: str) -> str:
        mishap = self._begin("create_chat")
        profile = self._profile(owner)
        chat = HeldChat(profile, title)

        def make() -> str:
            self.held.append(chat)
            self._put_in(chat, profile, administrator=True)
            return chat.numbers[profile]

        number = make() if self._is_done(mishap, make) else ""
        _end(mishap)
        return number

    async def chats(self, account: PersonId) -> tuple[SeenChat, ...]:
        _end(self._begin("chats"))
        profile = self._profile(account)
        return tuple(
            SeenChat(chat.numbers[profile], chat.title, chat.owner, profile in chat.members)
            for chat in reversed(self.held)
            if profile in chat.numbers and not chat.lost
        )

    async def chat(self, account: PersonId, number: str) -> Held:
        _end(self._begin("chat"))
        profile = self._profile(account)
        chat = self._find(profile, number)
        if profile not in chat.members:
            raise MessengerFailed(Trouble.NO_PERMISSION, certain=True)
        return Held(chat.title, dict(chat.members))

    async def change_chat(self, account: PersonId, number: str, steps: Sequence[Step]) -> list[MessengerFailed | None]:
        """What `meet("change_chat", …)` orders becomes of them all, what `meet("admit", …)` does of each."""
        mishap = self._begin("change_chat")
        profile = self._profile(account)
        if (meanwhile := self.meanwhile) is not None:
            self.meanwhile = None
            await meanwhile()
        answers: list[MessengerFailed | None] = []

        def take_all() -> None:
            for step in steps:
                try:
                    self._ask_step(profile, number, step)
                    answers.append(None)
                except MessengerFailed as failure:
                    answers.append(failure)

        if self._is_done(mishap, take_all):
            take_all()
        _end(mishap)
        return answers

    async def invite_link(self, account: PersonId, number: str) -> str:
        _end(self._begin("invite_link"))
        profile = self._profile(account)
        chat = self._find(profile, number)
        _ensure_administrator(chat, profile)
        return f"https://vk.me/join/{self.held.index(chat)}"

    def _ask_step(self, actor: str, number: str, step: Step) -> None:
        mishap = self._begin(METHODS[type(step)])
        if self._is_done(mishap, lambda: self._take(actor, number, step)):
            self._take(actor, number, step)
        _end(mishap)

    def _take(self, actor: str, number: str, step: Step) -> None:
        chat = self._find(actor, number)
        if not isinstance(step, Remove) or step.profile != actor:
            _ensure_administrator(chat, actor)
        match step:
            case Remove(profile):
                chat.members.pop(profile, None)
            case Rename(title):
                chat.title = title
            case Admit(profile) if profile not in chat.members:
                if profile in self.declining:
                    raise MessengerFailed(Trouble.MEMBER_REFUSED, certain=True)
                if len(chat.members) >= self.capacity:
                    raise MessengerFailed(Trouble.CHAT_FULL, certain=True)
                self._put_in(chat, profile)
            case Admit():
                pass
            case SetRole(profile, administrator):
                if profile not in chat.members:
                    raise MessengerFailed(Trouble.MEMBER_REFUSED, certain=True)
                chat.members[profile] = administrator
        self.taken.append(step)

    def _put_in(self, chat: HeldChat, profile: str, *, administrator: bool = False) -> None:
        # Every account counts the chats that it was ever in.
        chat.numbers.setdefault(profile, str(sum(profile in each.numbers for each in self.held) + 1))
        chat.members[profile] = administrator

    def _find(self, profile: str, number: str) -> HeldChat:
        for chat in self.held:
            if chat.numbers.get(profile) == number and not chat.lost:
                return chat
        raise MessengerFailed(Trouble.CHAT_LOST, certain=True)

    def _profile(self, account: PersonId) -> str:
        profile = self.profile_of(account)
        if profile is None:
            raise MessengerFailed(Trouble.RELINK_NEEDED, certain=True)
        return profile

    # Calls

    async def start_call(self, account: PersonId, name: str) -> OpenCall:
        mishap = self._begin("start_call")
        if (meanwhile := self.meanwhile) is not None:
            self.meanwhile = None
            await meanwhile()
        call = HeldCall(f"call {next(self._numbers)}", account, name)
        if self._is_done(mishap, lambda: self.calls.append(call)):
            self.calls.append(call)
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

    def _is_done(self, mishap: Mishap | None, effect: Callable[[], object]) -> bool:
        """Whether it is done now; what is uncertain and is not may have its effect later."""
        if mishap is None or mishap.done:
            return True
        if isinstance(mishap.failure, MessengerFailed) and not mishap.failure.certain:
            self.late.append(effect)
        return False


def _ensure_administrator(chat: HeldChat, profile: str) -> None:
    if not chat.members.get(profile, False):
        raise MessengerFailed(Trouble.NO_PERMISSION, certain=True)


def _end(mishap: Mishap | None) -> None:
    if mishap is not None:
        raise mishap.failure
