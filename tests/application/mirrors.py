"""What the tests of the mirror do again and again: a school with chats, workers that live on, what Sferum shows."""

from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from datetime import datetime, timedelta
from random import Random

from application.chats import UnlinkedMembers
from application.mirror import Outcome
from application.ports import ConcurrentChange, Trouble
from domain.account_link import AccountLink
from domain.audit import SCHEDULE, SFERUM
from domain.chat import ChatKind, ChatType
from domain.chat_form import NewChat
from domain.chat_request import marked
from domain.ids import ChatId, ParticipantId, PersonId
from domain.mirror import Mirror
from domain.participant import Capacity, PositionKind
from domain.roster_events import ClassSaved, ClassTeacherSet, EmployeeHired, PupilEnrolled
from tests.application.school import SUPERADMINISTRATOR, hire_director, known, link_account, tell
from tests.builders import SCHOOL, class_chat, participant
from tests.fakes.messenger import FakeMessenger, HeldChat, Mishap, WorkerDied, death, lost_answer, refusal
from tests.fakes.world import World

PEOPLE = ("director", "teacher", "anna", "boris", "deputy")
DIRECTOR, TEACHER, ANNA, BORIS, DEPUTY = (f"profile of {person}" for person in PEOPLE)
A_WHILE = timedelta(minutes=1)
MOST_TURNS_AT_ONE_INSTANT = 50

Shown = list[tuple[str, dict[str, bool]]]


class FatefulMessenger(FakeMessenger):
    """One to which the n-th request of all, or each with some probability, meets with a mishap."""

    def __init__(self, fates: dict[int, Mishap] | None = None) -> None:
        super().__init__()
        self.fates = fates or {}
        self.chance: Callable[[], Mishap | None] = lambda: None

    def do_what_was_late(self) -> None:
        chance, self.chance = self.chance, lambda: None
        super().do_what_was_late()
        self.chance = chance

    def _begin(self, method: str) -> Mishap | None:
        mishap = super()._begin(method)
        return self.fates.get(len(self.asked)) or self.chance() or mishap


def bad_luck(random: Random, share: float = 0.3) -> Callable[[], Mishap | None]:
    """A share of the requests is refused for now, loses its answer, or is the last of who asked."""

    def mishap() -> Mishap | None:
        if random.random() > share:
            return None
        return random.choice(
            [
                refusal(Trouble.RATE_LIMITED, pause=timedelta(seconds=1)),
                refusal(Trouble.UNAVAILABLE),
                lost_answer(done=True),
                lost_answer(done=False),
                death(done=True),
                death(done=False),
            ]
        )

    return mishap


async def make_chat(world: World, name: str, *pupils: str) -> ChatId:
    """A chat that somebody makes by hand, with these pupils and whoever teaches or administers."""
    members: dict[Capacity, tuple[ParticipantId, ...]] = {Capacity.PUPIL: tuple(map(participant, pupils))}
    form = NewChat(name, ChatType.OTHER, lists=members)
    make = world.use_cases.create_chat
    made = await make(SUPERADMINISTRATOR, SCHOOL, form)
    if isinstance(made, UnlinkedMembers):
        made = await make(SUPERADMINISTRATOR, SCHOOL, form, confirmation=made.confirmation)
    assert not isinstance(made, UnlinkedMembers)
    return made


async def open_school(world: World, *linked: str) -> None:
    """A class with its teacher and two pupils, a director who administers the chats, a deputy; some have linked."""
    world.messenger.profile_of = lambda person: profile_of(world, person)
    await hire_director(world)
    await tell(
        world,
        *known("teacher", "anna", "boris", "deputy"),
        EmployeeHired(PersonId("deputy"), (PositionKind.ADMINISTRATION,)),
        EmployeeHired(PersonId("teacher"), (PositionKind.PEDAGOGICAL,)),
        ClassSaved("5А", "5А"),
        ClassTeacherSet("5А", PersonId("teacher")),
        PupilEnrolled(PersonId("anna"), "5А"),
        PupilEnrolled(PersonId("boris"), "5А"),
    )
    for person in linked:
        await link_account(world, person)


def profile_of(world: World, person: PersonId) -> str | None:
    """The profile for which the person's link works."""
    link = world.storage.account_links.rows.get(person)
    return None if link is None or link.tokens is None else link.profile.id


async def break_link(world: World, person: str) -> None:
    """VK ID takes the person's tokens no more."""
    async with world.storage.begin(SFERUM) as uow:
        link = await uow.account_links.find(PersonId(person), lock=True)
        assert link is not None
        link.tokens = None
        await uow.account_links.save(link)


async def end_link(world: World, person: str) -> AccountLink:
    """The person's link is gone, whatever was to be done before."""
    async with world.storage.begin(SFERUM) as uow:
        link = await uow.account_links.find(PersonId(person), lock=True)
        assert link is not None
        await uow.account_links.delete(link)
    return link


async def work(world: World) -> list[Outcome]:
    """One worker's look: each mirror that is due is brought in step, strays are emptied. It may die over each."""
    outcomes = []
    while claimed := await world.use_cases.keep_mirrors(limit=100):
        for mirror in claimed:
            with suppress(WorkerDied, ConcurrentChange):
                outcomes.append(await world.use_cases.bring_mirror_in_step(mirror))
    with suppress(WorkerDied):
        await world.use_cases.empty_strays()
    return outcomes


async def live(world: World, time: timedelta = A_WHILE, *, do: Callable[[], Awaitable[object]] | None = None) -> None:
    """Workers live through the time: one looks whenever something is due; `do` what else happens each time."""
    until, turns = world.now + time, 0
    while True:
        await work(world)
        if do is not None:
            await do()
        due = next_due(world)
        if due is None or due > until:
            world.now = until
            return
        turns = turns + 1 if due <= world.now else 0
        assert turns < MOST_TURNS_AT_ONE_INSTANT, "something is due again and again"
        world.now = max(due, world.now)


def next_due(world: World) -> datetime | None:
    """When a worker next finds something to do."""
    mirrors = world.storage.mirrors.rows.values()
    instants = [max(each.due_at, each.claimed_until or each.due_at) for each in mirrors if each.due_at is not None]
    instants += [each.due_at for each in world.storage.chat_requests.rows.values() if each.due_at is not None]
    return min(instants, default=None)


async def mirror_of(world: World, kind: ChatKind | None = None) -> Mirror:
    """The mirror of the chat of that kind, of the class's if none is given."""
    chat = await world.chat(kind or class_chat("5А"))
    return world.storage.mirrors.rows[chat.id]


async def wanted(world: World, chats: Collection[ChatId] | None = None) -> Shown:
    """What Sferum should show of all chats."""
    found = []
    async with world.storage.begin(SCHEDULE) as uow:
        for id, mirror in world.storage.mirrors.rows.items():
            now = await uow.mirrors.now_is(id)
            if (chats is None or id in chats) and now.roles and (mirror.is_made or not now.ended):
                found.append((now.title, now.roles))
    return _sorted(found)


def shown(messenger: FakeMessenger) -> Shown:
    """What Sferum shows of the chats that anybody is in."""
    return _sorted([(chat.title, dict(chat.members)) for chat in messenger.seen])


def the_chat(world: World, title: str = "5А") -> HeldChat:
    """The one chat of that title that anybody is in."""
    [chat] = [chat for chat in world.messenger.seen if chat.title == title]
    return chat


def strays(world: World) -> list[HeldChat]:
    """Chats that somebody is in and that carry no name of the school's."""
    return [chat for chat in world.messenger.seen if marked(chat.title)]


def _sorted(chats: Shown) -> Shown:
    return sorted(chats, key=lambda chat: (chat[0], sorted(chat[1].items())))
