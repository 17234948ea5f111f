"""Chats that are mirrored while their schools change and everything around fails, and what came of it.

The judge computes by itself what Sferum should hold, from the registry's rows, and compares it with what the sandbox
holds; of the mirrors' own rows it reads nothing.
"""

import asyncio
import time
from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import Any

import httpx
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from application.ports import ConcurrentChange
from domain.access import MetaRole, Viewer
from domain.account_link import EducationProfile, Tokens, link
from domain.audit import SCHEDULE
from domain.chat_request import marked
from domain.ids import PersonId, organization_id, participant_id
from infrastructure.sandbox.vk_id import sessions
from infrastructure.sandbox.world import World, open_world
from tests.e2e import fire
from tests.e2e.fire import Fire, put_out, servers
from tests.e2e.system import System, running_system
from tests.servers import database_of

PATIENCE_SECONDS = 60.0
"""How long one change is told again and again while nobody answers."""
FIRST_PROFILE = 800_100
LEDGER_LINES = 10_000
"""The sandbox keeps no more."""
TROUBLES: tuple[dict[str, object], ...] = (
    {"kind": "error", "code": 6},
    {"kind": "error", "code": 10},
    {"kind": "error", "code": 1},
    {"kind": "status", "code": 503},
    {"kind": "html"},
    {"kind": "truncated"},
    {"kind": "refused"},
    {"kind": "lost"},
    {"kind": "delay", "ms": 2500},
    {"kind": "delay", "ms": 8500},
)
FLOOD: dict[str, object] = {"kind": "error", "code": 9}
"""Sferum is then to be left alone for ten minutes."""
INSIDE: tuple[dict[str, object], ...] = ({"kind": "error", "code": 10}, {"kind": "error", "code": 1})
"""For one step of several."""
NO_TROUBLE: dict[str, object] = {"kind": "delay", "ms": 0}
AHEAD = 8
"""So many faults wait for the next requests."""
STEPS = ("messages.addChatUser", "messages.removeChatUser", "messages.setMemberRole", "messages.editChat")

# What Sferum should hold: of each chat that anybody is in who is linked and not blocked.
_WANTED = """
select owner.profile_id as owner, c.name || case when c.archived then ' (архив)' else '' end as title,
       jsonb_object_agg(l.profile_id, m.role = 'ADMINISTRATOR') as members
from chats c
join organizations o on o.id = c.organization_id
join participants a on a.id = o.chat_administrator_id
join account_links owner on owner.person_id = a.person_id
join memberships m on m.chat_id = c.id
join participants p on p.id = m.participant_id and not p.blocked
join account_links l on l.person_id = p.person_id
where c.deleted_at is null
group by c.id, owner.profile_id
"""
_STATES = "select state, error, tries, unsure, due_at, claimed_until, now() as now from mirrors where title = :title"

Chat = tuple[str, str, frozenset[tuple[str, bool]]]
"""Owner, title, members and whether each is an administrator."""


@dataclass(frozen=True)
class Plan:
    """What is to happen. `share` of the requests meet with trouble; `surroundings` are faults of `tests.e2e.fire`.

    With `lose_answers` no chat is made whose answer arrives, the first time; `quiet`: how long it is watched after the
    end whether everything stays as it should be.
    """

    changes: int
    classes: int
    schools: int
    seed: int
    over: timedelta = timedelta()
    pupils: int = 4
    share: float = 0.3
    lose_answers: bool = False
    floods: bool = False
    kill_every: timedelta = timedelta(seconds=5)
    surroundings: tuple[str, ...] = ()
    surroundings_every: timedelta = timedelta(seconds=15)
    quiet: timedelta = timedelta(seconds=2)
    settled_within: timedelta = timedelta(minutes=5)


@dataclass(frozen=True)
class Outcome:
    """What came of it; seconds and counts."""

    differences: Sequence[str]
    seen_twice: Sequence[str]
    strays_left: Sequence[str]
    strays: int
    chats: int
    chats_wanted: int
    made_in: float
    healed_in: float
    requests: int
    requests_by_method: Mapping[str, int]
    steps: int
    troubled_share: float
    most_in_a_second: int
    answers_lost: int
    changes: Counter[str]
    log: Sequence[str]

    @property
    def broken(self) -> list[str]:
        """Every promise that was not kept."""
        kinds = {"difference": self.differences, "seen twice": self.seen_twice, "stray": self.strays_left}
        return [f"{kind}: {each}" for kind, found in kinds.items() for each in found]


@dataclass
class School:
    """What its own system knows; people and classes by their ids there."""

    id: str
    director: str
    classes: dict[str, str]
    pupils: dict[str, str | None]
    parents: dict[str, str]
    teachers: dict[str, bool]
    teacher_of: dict[str, str | None] = field(default_factory=dict)
    blocked: set[str] = field(default_factory=set)
    linked: set[str] = field(default_factory=set)

    @property
    def people(self) -> list[str]:
        """All but the director, whose account makes the chats."""
        return [*self.pupils, *self.parents, *self.teachers]

    def founding(self) -> Iterator[dict[str, Any]]:
        """How it begins: everybody is known, pupils sit in classes in turn, half of the teachers are hired."""
        for number, person in enumerate([self.director, *self.people]):
            yield {"personSaved": {"personId": person, "lastName": "Я", "firstName": str(number)}}
        yield _hired(self.director, "ADMINISTRATION", "PEDAGOGICAL")
        for teacher, is_hired in self.teachers.items():
            if is_hired:
                yield _hired(teacher)
        for id, name in self.classes.items():
            yield {"classSaved": {"classId": id, "name": name}}
        for id, person_or_none in self.teacher_of.items():
            yield {"classTeacherSet": {"classId": id, "personId": person_or_none}}
        for pupil, class_id in self.pupils.items():
            if class_id is not None:
                yield {"pupilEnrolled": {"personId": pupil, "classId": class_id}}
        for parent, pupil in self.parents.items():
            yield {"parentTied": {"parentId": parent, "pupilId": pupil}}


def _hired(person: str, *positions: str) -> dict[str, Any]:
    return {"employeeHired": {"personId": person, "positions": list(positions or ["PEDAGOGICAL"])}}


@dataclass
class Life:
    """What happens to the schools, told to the API as their systems and people tell it."""

    system: System
    world: World
    random: Random
    schools: list[School]
    profiles: dict[str, str] = field(default_factory=dict)
    told: Counter[str] = field(default_factory=Counter)
    _keys: Iterator[int] = field(default_factory=count)

    async def begin(self) -> None:
        """The schools are founded, and most people linked; Sferum knows nobody's chats before."""
        superadministrator = Viewer(PersonId("superadmin"), meta_role=MetaRole.SUPERADMINISTRATOR)
        use_cases = self.system.container.use_cases()
        for school in self.schools:
            await use_cases.found_organization(school_id=school.id, name=school.id, time_zone="Europe/Moscow")
            await self.tell(school, *school.founding())
            for person in school.people:
                if self.random.random() < 0.8:
                    await self.link(school, person)
        for school in self.schools:
            await self.link(school, school.director)
            id = organization_id(school.id)
            await use_cases.set_chat_administrator(
                superadministrator, id, participant_id(id, PersonId(school.director))
            )
        self.told.clear()

    async def change(self) -> None:
        """One change of any kind that is possible at the moment."""
        school = self.random.choice(self.schools)
        kinds = [
            self._enrol,
            self._expel,
            self._transfer,
            self._hire,
            self._dismiss,
            self._block,
            self._unblock,
            self._set_class_teacher,
            self._rename,
            self._link_somebody,
            self._unlink_somebody,
        ]
        for change in self.random.sample(kinds, len(kinds)):
            if await change(school):
                self.told[change.__name__.strip("_").replace("_", " ")] += 1
                return
        raise AssertionError("nothing can happen any more")

    async def tell(self, school: School, *events: dict[str, Any]) -> None:
        """The school's system tells it, and once more as long as it hears nothing."""
        keyed = [
            {kind: {"key": str(next(self._keys)), **told} for kind, told in event.items()} for event in events
        ]  # fmt: skip
        for first in range(0, len(keyed), 100):
            await self._ask(
                lambda: self.system.token("roster", org=school.id, scope="roster"),
                "mutation ($events: [RosterEventInput!]!) { it: applyRosterEvents(events: $events) {"
                " __typename ... on Refusal { problems { code path message } } } }",
                "RosterEventsApplied",
                events=keyed[first : first + 100],
            )

    async def link(self, school: School, person: str) -> None:
        """As if they had been at VK ID: the sandbox knows the profile and honours the tokens."""
        profile = self.profiles.get(person)
        store = self.world.store
        if profile is None:
            profile = self.profiles[person] = str(FIRST_PROFILE + len(self.profiles))
            store.write(
                "insert into profiles values (?, 1, 'Я', 'Я', '', '01.01.1990', 1, 'teacher', ?)",
                *(int(profile), school.id),
            )
        session = sessions.begin(
            self.world,
            client_id=self.system.settings.vk_client_id,
            user_id=int(profile),
            device_id=f"device of {profile}",
            scope="vkid.personal_info",
        )
        pair = sessions.issue_pair(self.world, session)
        now = datetime.now(UTC)
        made = link(
            PersonId(person),
            EducationProfile(profile, "Я"),
            Tokens(
                access=str(pair["access_token"]),
                refresh=str(pair["refresh_token"]),
                device_id=session.device_id,
                access_expires_at=now + timedelta(hours=1),
            ),
            at=now,
        )

        async def save() -> None:
            async with self.system.container.begin()(SCHEDULE) as uow:
                await uow.account_links.save(made)

        await _insist(save)
        school.linked.add(person)

    async def _enrol(self, school: School) -> bool:
        if not (outside := [pupil for pupil, place in school.pupils.items() if place is None]):
            return False
        pupil = self.random.choice(outside)
        school.pupils[pupil] = self.random.choice(list(school.classes))
        await self.tell(school, {"pupilEnrolled": {"personId": pupil, "classId": school.pupils[pupil]}})
        return True

    async def _expel(self, school: School) -> bool:
        if not (inside := [pupil for pupil, place in school.pupils.items() if place is not None]):
            return False
        pupil = self.random.choice(inside)
        school.pupils[pupil] = None
        await self.tell(school, {"pupilExpelled": {"personId": pupil}})
        return True

    async def _transfer(self, school: School) -> bool:
        inside = [pupil for pupil, place in school.pupils.items() if place is not None]
        if not inside or len(school.classes) < 2:
            return False
        pupil = self.random.choice(inside)
        others = [each for each in school.classes if each != school.pupils[pupil]]
        school.pupils[pupil] = self.random.choice(others)
        await self.tell(school, {"pupilTransferred": {"personId": pupil, "classId": school.pupils[pupil]}})
        return True

    async def _hire(self, school: School) -> bool:
        if not (free := [teacher for teacher, is_hired in school.teachers.items() if not is_hired]):
            return False
        teacher = self.random.choice(free)
        school.teachers[teacher] = True
        await self.tell(school, _hired(teacher))
        return True

    async def _dismiss(self, school: School) -> bool:
        if not (hired := [teacher for teacher, is_hired in school.teachers.items() if is_hired]):
            return False
        teacher = self.random.choice(hired)
        school.teachers[teacher] = False
        await self.tell(school, {"employeeDismissed": {"personId": teacher}})
        return True

    async def _block(self, school: School) -> bool:
        person = self.random.choice([each for each in school.people if each not in school.blocked])
        school.blocked.add(person)
        await self.tell(school, {"personBlocked": {"personId": person}})
        return True

    async def _unblock(self, school: School) -> bool:
        if not school.blocked:
            return False
        person = self.random.choice(sorted(school.blocked))
        school.blocked.remove(person)
        await self.tell(school, {"personUnblocked": {"personId": person}})
        return True

    async def _set_class_teacher(self, school: School) -> bool:
        hired = [teacher for teacher, is_hired in school.teachers.items() if is_hired]
        class_id = self.random.choice(list(school.classes))
        teacher = self.random.choice([None, *hired])
        await self.tell(school, {"classTeacherSet": {"classId": class_id, "personId": teacher}})
        return True

    async def _rename(self, school: School) -> bool:
        class_id = self.random.choice(list(school.classes))
        # The first word stays, and tells the judge which chat it is.
        school.classes[class_id] = f"{class_id} {self.told.total()}"
        await self.tell(school, {"classSaved": {"classId": class_id, "name": school.classes[class_id]}})
        return True

    async def _link_somebody(self, school: School) -> bool:
        if not (others := [each for each in school.people if each not in school.linked]):
            return False
        await self.link(school, self.random.choice(others))
        return True

    async def _unlink_somebody(self, school: School) -> bool:
        # Whoever is blocked has no say.
        linked = sorted(school.linked - school.blocked - {school.director})
        linked = [
            each for each in linked if school.teachers.get(each, True) and school.pupils.get(each, "") is not None
        ]
        if not linked:
            return False
        person = self.random.choice(linked)
        school.linked.discard(person)
        await self._ask(
            lambda: self.system.token(person, org=school.id),
            "mutation { it: unlinkAccount(confirmed: true) {"
            " __typename ... on Refusal { problems { code path message } } } }",
            # Told again, it may have been done already.
            *("AccountUnlinked", "NOT_LINKED"),
        )
        return True

    async def _ask(self, token: Callable[[], str], document: str, *expected: str, **variables: Any) -> None:
        async def ask() -> None:
            answer = await self.system.http.post(
                f"{self.system.api}/graphql",
                json={"query": document, "variables": variables},
                headers={"Authorization": f"Bearer {token()}"},
                timeout=60,
            )
            body = answer.json()
            if "errors" in body:
                raise _NotAnswered(body)
            it = body["data"]["it"]
            refusals = {problem["code"] for problem in it.get("problems", ())}
            assert it["__typename"] in expected or refusals & set(expected), body

        await _insist(ask)


class _NotAnswered(Exception):
    """The API could not say."""


async def _insist(do: Callable[[], Awaitable[None]]) -> None:
    """Until it is done, whatever is away meanwhile."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            await do()
            return
        except (_NotAnswered, httpx.TransportError, ValueError, SQLAlchemyError, OSError, ConcurrentChange):
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.3)


def _schools(plan: Plan) -> list[School]:
    schools = []
    for number in range(1, plan.schools + 1):
        of_this = [each for each in range(plan.classes) if each % plan.schools == number - 1]
        classes = [f"К{each}" for each in of_this]
        pupils = {
            f"school-{number}-pupil-{each}": classes[each % len(classes)] for each in range(plan.pupils * len(classes))
        }
        teachers = {f"school-{number}-teacher-{each}": each % 2 == 0 for each in range(len(classes) + 2)}
        hired = [teacher for teacher, is_hired in teachers.items() if is_hired]
        schools.append(
            School(
                id=f"school-{number}",
                director=f"school-{number}-director",
                classes={id: id for id in classes},
                pupils=dict(pupils),
                parents={pupil.replace("pupil", "parent"): pupil for pupil in list(pupils)[::2]},
                teachers=teachers,
                teacher_of={id: hired[each % len(hired)] for each, id in enumerate(classes)},
            )
        )
    return schools


@dataclass
class Watch:
    """Looks at Sferum all the time as anybody in it would: no chat of a school is ever there twice."""

    system: System
    seen_twice: set[str] = field(default_factory=set)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            with suppress(httpx.TransportError):
                self.look(await self.system.control("chats"))
            await asyncio.sleep(0.5)

    def look(self, chats: Sequence[Mapping[str, Any]]) -> None:
        """At one moment: chats that somebody other than the owner is in."""
        seen = Counter(
            (chat["owner_id"], chat["title"].split()[0], chat["title"].endswith("Родители"))
            for chat in chats
            if any(member["member_id"] != chat["owner_id"] for member in chat["members"])
        )
        self.seen_twice |= {f"{key}" for key, times in seen.items() if times > 1}


async def mirror_under_fire(plan: Plan) -> Outcome:
    """Lets the schools of the plan change under its faults, heals everything, waits, and judges."""
    random = Random(plan.seed)
    with servers() as (data_dir, postgres, valkey):
        url = await database_of(postgres.server.url, "mirrors")
        async with running_system(database_url=url, redis_url=valkey.server.url, data_dir=data_dir) as system:
            world = open_world(system.settings)
            surroundings = fire.Plan(
                conferences=0,
                spread=timedelta(),
                lasting=timedelta(),
                seed=plan.seed,
                kill_every=plan.kill_every,
                fault_every=plan.surroundings_every,
                kinds=plan.surroundings,
            )
            life = Life(system, world, random, _schools(plan))
            watch = Watch(system)
            watching = asyncio.create_task(watch.run())
            try:
                return await _live(plan, life, Fire(system, postgres, valkey, surroundings, random), watch)
            finally:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
                world.store.close()


async def _live(plan: Plan, life: Life, blaze: Fire, watch: Watch) -> Outcome:
    system = life.system
    began = time.monotonic()
    await _make(plan, life, blaze)
    made_in = time.monotonic() - began
    blaze.note("all chats made")
    made_at = time.time()
    if plan.changes:
        await _burn(
            blaze,
            _change(plan, life),
            _trouble(plan, system, blaze.random),
            blaze.kill_workers(),
            blaze.throw_faults(),
        )
        blaze.note(f"{plan.changes} changes told")
    burnt_at = time.time()
    await put_out(blaze)
    healed_at = time.monotonic()
    blaze.note("everything works again")
    left, healed_in = await _settle(system, healed_at, plan)
    agreed_at = made_at + (healed_at - began - made_in) + healed_in
    requests = await system.control("requests")
    assert len(requests) < LEDGER_LINES, "the sandbox has forgotten the first ones"
    of_changes = [each for each in requests if made_at <= each["at"] <= agreed_at and "/method/" in each["path"]]
    under_fire = [each for each in of_changes if each["at"] <= burnt_at]
    chats = await system.control("chats")
    wanted = await _rows(system, _WANTED)
    return Outcome(
        differences=left,
        seen_twice=sorted(watch.seen_twice),
        strays_left=[chat["title"] for chat in chats if chat["members"] and marked(chat["title"])],
        strays=sum(not chat["members"] for chat in chats),
        chats=sum(bool(chat["members"]) for chat in chats),
        chats_wanted=len(wanted),
        made_in=made_in,
        healed_in=healed_in,
        requests=len(of_changes),
        requests_by_method=Counter(each["path"].rpartition("/")[2] for each in of_changes),
        steps=sum(_steps(each) for each in of_changes),
        troubled_share=sum(each["fault"] not in {None, "delay"} for each in under_fire) / max(len(under_fire), 1),
        most_in_a_second=_most_in_a_second(requests),
        answers_lost=sum(each["fault"] == "lost" and each["path"].endswith("createChat") for each in requests),
        changes=life.told,
        log=blaze.log,
    )


async def _make(plan: Plan, life: Life, blaze: Fire) -> None:
    """All chats are made, the answers lost if it is so planned, and all is in step."""
    system = life.system

    async def make() -> None:
        await life.begin()
        async with asyncio.timeout(plan.settled_within.total_seconds()):
            while await differences(system):
                await asyncio.sleep(0.25)

    if not plan.lose_answers:
        await make()
        return
    order = {"method": "messages.createChat", "kind": "lost", "times": 2 * plan.classes + plan.schools}
    (await system.http.post(f"{system.sandbox}/control/faults", json=order)).raise_for_status()
    # A worker that dies holds its chats for a while; where more is to come that would only take time.
    await _burn(blaze, make(), *([] if plan.changes else [blaze.kill_workers()]))


async def _burn(blaze: Fire, work: Coroutine[Any, Any, None], *burning: Coroutine[Any, Any, None]) -> None:
    """Breaks things while the work is done."""
    tasks = [asyncio.create_task(each) for each in burning]
    try:
        await work
    finally:
        async with blaze.breaking:
            for task in tasks:
                task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result


async def _change(plan: Plan, life: Life) -> None:
    began = time.monotonic()
    for number in range(plan.changes):
        await life.change()
        late = began + plan.over.total_seconds() * (number + 1) / plan.changes - time.monotonic()
        await asyncio.sleep(max(late, 0))


async def _trouble(plan: Plan, system: System, random: Random) -> None:
    """Keeps so many faults waiting that a share of all requests, and of the steps in them, meets with one."""
    troubles = [*TROUBLES, FLOOD] if plan.floods else TROUBLES
    while True:
        waiting = Counter(fault["method"] for fault in await system.control("faults"))
        orders = [{"method": "*", **_or_none(random, plan.share, troubles)} for _ in range(AHEAD - waiting["*"])]
        for step in STEPS:
            orders += [
                {"method": step, **_or_none(random, plan.share / 3, INSIDE)} for _ in range(AHEAD - waiting[step])
            ]
        for order in orders:
            (await system.http.post(f"{system.sandbox}/control/faults", json=order)).raise_for_status()
        await asyncio.sleep(0.1)


def _or_none(random: Random, share: float, troubles: Sequence[dict[str, object]]) -> dict[str, object]:
    return random.choice(troubles) if random.random() < share else NO_TROUBLE


async def _settle(system: System, healed_at: float, plan: Plan) -> tuple[list[str], float]:
    """The differences that are left, and the seconds after which there were none any more as long as was watched."""
    agreed_at: float | None = None
    deadline = healed_at + plan.settled_within.total_seconds()
    while True:
        found = await differences(system)
        now = time.monotonic()
        if found:
            agreed_at = None
        elif agreed_at is None:
            agreed_at = now
        if agreed_at is not None and now - agreed_at >= plan.quiet.total_seconds():
            return [], agreed_at - healed_at
        if now > deadline and agreed_at is None:
            return [f"{each} {await _state(system, each)}" for each in found], now - healed_at
        await asyncio.sleep(0.25)


async def differences(system: System) -> list[str]:
    """What Sferum holds and should not, and what it should and does not."""
    shown = Counter(_held(chat) for chat in await system.control("chats") if chat["members"])
    wanted = Counter(
        (row["owner"], row["title"], frozenset(row["members"].items())) for row in await _rows(system, _WANTED)
    )
    missing = [f"missing {_told(chat)}" for chat in (wanted - shown).elements()]
    return missing + [f"too much {_told(chat)}" for chat in (shown - wanted).elements()]


def _held(chat: Mapping[str, Any]) -> Chat:
    members = frozenset((str(each["member_id"]), each["is_admin"]) for each in chat["members"])
    return str(chat["owner_id"]), chat["title"], members


def _told(chat: Chat) -> str:
    owner, title, members = chat
    shown = " ".join(member + ("*" if is_admin else "") for member, is_admin in sorted(members))
    return f"«{title}» of {owner}: {shown}"


async def _rows(system: System, statement: str, **values: Any) -> list[Mapping[str, Any]]:
    async with system.container.engine().connect() as connection:
        return [dict(row._mapping) for row in await connection.execute(text(statement), values)]


async def _state(system: System, difference: str) -> str:
    title = difference.partition("«")[2].partition("»")[0]
    return "; ".join(str(row) for row in await _rows(system, _STATES, title=title))


def _steps(request: Mapping[str, Any]) -> int:
    """How many steps were asked for in one request."""
    code = request["parameters"].get("code", "")
    return sum(code.count(f"API.{step}(") + request["path"].endswith(f"/{step}") for step in STEPS)


def _most_in_a_second(requests: Sequence[Mapping[str, Any]]) -> int:
    """The most requests of one account in any second."""
    most = 0
    recent: defaultdict[int, deque[float]] = defaultdict(deque)
    for request in sorted(requests, key=lambda each: float(each["at"])):
        if request["user_id"] is None or "/method/" not in request["path"]:
            continue
        times = recent[request["user_id"]]
        times.append(request["at"])
        while times[0] <= request["at"] - 1:
            times.popleft()
        most = max(most, len(times))
    return most
