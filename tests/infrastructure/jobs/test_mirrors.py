"""A worker brings mirrors in step side by side, and an outage or a defect of one stops none of the others."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager

import pytest
from cryptography.fernet import Fernet
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from application.mirror import SOME_AT_ONCE, BringMirrorInStep, KeepMirrors, Outcome
from application.ports import Begin, UnitOfWork
from domain.audit import SCHEDULE, Because
from domain.ids import ChatId, OrganizationId
from domain.mirror import Mirror, MirrorError, MirrorState
from infrastructure.db.cipher import Cipher
from infrastructure.db.engine import create_engine
from infrastructure.db.unit_of_work import units_of_work
from infrastructure.jobs import mirrors as jobs
from infrastructure.jobs.mirrors import MirrorKeeper, empty_strays
from infrastructure.settings import load_settings
from tests.builders import OTHER_SCHOOL, SCHOOL, a_chat, a_roster, an_account_link, an_organization, class_chat, put
from tests.fakes.messenger import FakeMessenger
from tests.fakes.storage import InMemoryStorage

OUTAGE = OperationalError("select 1", {}, OSError("no server"))


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "LOOK_EVERY_SECONDS", 0.01)
    monkeypatch.setattr(jobs, "GATHER_SECONDS", 0.0)
    monkeypatch.setattr(jobs, "LONGEST_FAREWELL_SECONDS", 0.1)


class Bringer:
    """In place of `BringMirrorInStep`: each mirror waits until it is let go."""

    def __init__(self, answer: Callable[[Mirror], Outcome] = lambda _: Outcome()) -> None:
        self.under_way: list[Mirror] = []
        self.done: list[ChatId] = []
        self.go = asyncio.Event()
        self._answer = answer

    async def __call__(self, mirror: Mirror) -> Outcome:
        self.under_way.append(mirror)
        try:
            await self.go.wait()
            return self._answer(mirror)
        finally:
            self.under_way.remove(mirror)
            self.done.append(mirror.chat_id)


@asynccontextmanager
async def running(keep: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """It runs meanwhile."""
    task = asyncio.create_task(keep)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(holds: Callable[[], bool]) -> None:
    """Waits until it holds, not for ever."""
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.005)


async def two_schools(begin: Begin) -> None:
    """One with ten chats, one with one."""
    await put(begin, organization=an_organization(), chats=[a_chat(name=str(number)) for number in range(10)])
    await put(begin, organization=an_organization(school_id="other school"), chats=[a_chat(organization=OTHER_SCHOOL)])


@pytest.mark.rule("SYNC-02")
async def test_a_few_mirrors_of_each_organization_are_under_way_at_a_time_until_all_are_done() -> None:
    storage = InMemoryStorage()
    await two_schools(storage.begin)
    bringer, most = Bringer(), Counter[OrganizationId]()
    keeper = MirrorKeeper(KeepMirrors(storage.begin), bringer)

    async with running(keeper.run()):
        await until(lambda: len(bringer.under_way) == SOME_AT_ONCE + 1)
        await asyncio.sleep(0.05)
        most.update(mirror.organization_id for mirror in bringer.under_way)
        bringer.go.set()
        await until(lambda: len(bringer.done) == 11)

    assert most == {SCHOOL: SOME_AT_ONCE, OTHER_SCHOOL: 1}
    assert len(set(bringer.done)) == 11


async def test_a_defect_in_one_mirror_stops_no_other_and_each_turn_is_told_of_by_ids_alone() -> None:
    storage = InMemoryStorage()
    await two_schools(storage.begin)
    answers: Iterator[Outcome | Exception] = iter(
        [
            ZeroDivisionError(),
            OUTAGE,
            Outcome(steps=3, drifted=True),
            Outcome(steps=1, error=MirrorError.CHAT_FULL),
            *[Outcome()] * 10,
        ]
    )

    def answer(_: Mirror) -> Outcome:
        match next(answers):
            case Exception() as error:
                raise error
            case outcome:
                return outcome

    bringer = Bringer(answer)
    bringer.go.set()
    keeper = MirrorKeeper(KeepMirrors(storage.begin), bringer)

    with capture_logs() as lines:
        async with running(keeper.run()):
            await until(lambda: len(bringer.done) == 11)

    told = [{name: value for name, value in line.items() if name not in {"log_level", "exc_info"}} for line in lines]
    chats = [str(id) for id in bringer.done]
    assert told == [
        {"event": "work_broke", "work": "bring_mirror_in_step", "chat": chats[0]},
        {"event": "postgres_away", "error": "OperationalError"},
        {"event": "mirror_drifted", "chat": chats[2]},
        {"event": "mirror_stepped", "chat": chats[2], "steps": 3},
        {"event": "mirror_stepped", "chat": chats[3], "steps": 1},
        {"event": "mirror_waits", "chat": chats[3], "error": "CHAT_FULL"},
    ]


@pytest.mark.parametrize("error", [OUTAGE, ZeroDivisionError()], ids=["outage", "defect"])
async def test_when_nothing_can_be_claimed_it_is_tried_again(error: Exception) -> None:
    storage = InMemoryStorage()
    await two_schools(storage.begin)
    bringer, troubles = Bringer(), [error] * 3
    bringer.go.set()

    @asynccontextmanager
    async def begin(because: Because) -> AsyncIterator[UnitOfWork]:
        async with storage.begin(because) as uow:
            if troubles:
                raise troubles.pop()
            yield uow

    with capture_logs() as lines:
        async with running(MirrorKeeper(KeepMirrors(begin), bringer).run()):
            await until(lambda: len(bringer.done) == 11)

    expected = "postgres_away" if error is OUTAGE else "work_broke"
    assert [line["event"] for line in lines] == [expected] * 3


async def test_a_worker_that_ends_waits_a_while_for_what_is_under_way_and_leaves_the_rest_to_others() -> None:
    storage = InMemoryStorage()
    await two_schools(storage.begin)
    bringer = Bringer()
    keeper = MirrorKeeper(KeepMirrors(storage.begin), bringer)

    began = await keeper.begin()
    await until(lambda: len(bringer.under_way) == began)
    await keeper.finish()
    await until(lambda: not bringer.under_way)

    assert began == SOME_AT_ONCE + 1
    assert len(bringer.done) == began


async def test_strays_are_looked_for_again_and_again_whatever_fails() -> None:
    answers: Iterator[int | Exception] = iter([2, OUTAGE, ZeroDivisionError(), 0, 1])
    looked = 0

    async def empty() -> int:
        nonlocal looked
        looked += 1
        match next(answers, 0):
            case Exception() as error:
                raise error
            case strays:
                return strays

    with capture_logs() as lines:
        async with running(empty_strays(empty)):
            await until(lambda: looked >= 6)

    events = [line["event"] for line in lines]
    assert events == ["strays_emptied", "postgres_away", "work_broke", "strays_emptied"]


@pytest.mark.rule("SYNC-01", "SYNC-02")
async def test_workers_over_postgres_bring_all_chats_in_step_each_made_once(database_url: str) -> None:
    engine = create_engine(load_settings(environment="development", database_url=database_url))
    begin = units_of_work(engine, Cipher(Fernet.generate_key().decode()))
    people = ["director", "anna", "boris"]
    roster = a_roster(pupils={"anna": "5А", "boris": "5А"}, people=["director"])
    follows = class_chat("5А")
    chats = [
        a_chat(follows, roster=roster, chat_administrator="director", name=f"Чат {number}") for number in range(12)
    ]
    organization = an_organization(chat_administrator="director")
    await put(begin, organization=organization, roster=roster, chats=chats)
    messenger = FakeMessenger()
    workers = [MirrorKeeper(KeepMirrors(begin), BringMirrorInStep(begin, messenger)) for _ in range(3)]

    async with running(workers[0].run()), running(workers[1].run()), running(workers[2].run()):
        await put(begin, links=[an_account_link(person) for person in people])
        await until(lambda: all(len(chat.members) == 3 for chat in messenger.seen) and len(messenger.seen) == 12)
    for worker in workers:
        await worker.finish()
    async with begin(SCHEDULE) as uow:
        found = [await uow.mirrors.find(chat.id) for chat in chats]
    await engine.dispose()

    assert {mirror.state for mirror in found if mirror is not None} == {MirrorState.IN_STEP}
    assert sorted(chat.title for chat in messenger.seen) == sorted(chat.name for chat in chats)
    assert len(messenger.held) == len(chats)
