"""Random use over GraphQL alone: after each step the school is what the rules, written down once more, say."""

import os
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from application.calls import CallToStart, record
from application.ports import OpenCall
from domain.account_link import EducationProfile, link
from domain.audit import SCHEDULE
from domain.ids import organization_id
from graphql_api.global_ids import global_id
from tests.builders import some_tokens
from tests.graphql_api import two_schools
from tests.graphql_api.school_model import BY_HAND, EMPLOYEE, PARENT, PUPIL, Chat, Group, School, SchoolClass
from tests.graphql_api.two_schools import A, B, Schools, person

schools = two_schools.schools

STEPS = 50
SEQUENCES = int(os.environ.get("RANDOM_USE_SEQUENCES", "3"))
SEED = int(os.environ.get("RANDOM_USE_SEED", "0")) or random.SystemRandom().randrange(1, 2**32)

BOSS = "boss"
ADULTS = [BOSS, "u1", "u2", "u3", "u4", "u5"]
KIDS = ["k1", "k2", "k3", "k4", "k5"]
CLASSES, GROUPS = ["c1", "c2", "c3"], ["g1", "g2"]
MOST_CHATS_BY_HAND = 8

SEEN = """{
  chats(filter: { archived: null }, first: 20) { totalCount edges { node {
    id name type isDefault archived memberCount version schoolClass { name }
    members(first: 20) { totalCount edges { node { role participant { id } } } }
  } } }
  videoconferences(first: 100) { edges { node { id status link chat { id } } } }
}"""
THEIRS = """{
  chats(filter: { archived: null }, first: 100) { totalCount edges { node { id } } }
  videoconferences(first: 100) { edges { node { status link chat { id } } } }
}"""
STRANGERS = """query ($school: ID, $chat: ID!) {
  organization(id: $school) { id } chat(id: $chat) { id } node(id: $chat) { id }
  chats(organizationId: $school, filter: { archived: null }) { totalCount }
  videoconferences(organizationId: $school) { totalCount }
  participants(organizationId: $school, filter: {}) { totalCount }
}"""
PROBLEMS = "... on Refusal { problems { code } }"
CREATE = f"""mutation ($input: CreateChatInput!) {{ createChat(input: $input) {{
  __typename ... on ChatSaved {{ chat {{ id }} }} ... on UnlinkedMembersWarning {{ confirmation }} {PROBLEMS}
}} }}"""
UPDATE = f"""mutation ($input: UpdateChatInput!) {{ updateChat(input: $input) {{
  __typename ... on UnlinkedMembersWarning {{ confirmation }} {PROBLEMS}
}} }}"""
DELETE = f"mutation ($id: ID!) {{ deleteChat(id: $id) {{ __typename {PROBLEMS} }} }}"
CALL = f"""mutation ($input: CreateVideoconferenceInput!) {{ createVideoconference(input: $input) {{
  __typename {PROBLEMS}
}} }}"""
FINISH = f"mutation ($id: ID!) {{ finishVideoconference(id: $id) {{ __typename {PROBLEMS} }} }}"
CHOOSE = f"""mutation ($organization: ID!, $employee: ID!) {{
  setChatAdministrator(organizationId: $organization, employeeId: $employee) {{ __typename {PROBLEMS} }}
}}"""


@dataclass
class Use:
    """One sequence: the school that is used, and what it must be."""

    schools: Schools
    name: str
    chance: random.Random
    school: School = field(default_factory=School)
    done: list[str] = field(default_factory=list)
    looked_at: Counter[str] = field(default_factory=Counter)
    """How many chats of each type and conferences in each status were compared."""

    @property
    def id(self) -> str:
        return str(global_id("Organization", organization_id(f"school-{self.name}")))

    def participant(self, of: str) -> str:
        return two_schools.id_of(self.name, "Participant", of)

    def person(self, of: str) -> str:
        return person(self.name, of)

    async def ask(self, document: str, role: str = BOSS, /, **variables: Any) -> Any:
        (answer,) = (await self.schools.data(self.name, role, document, **variables)).values()
        return answer

    async def told(self, **event: Any) -> None:
        await self.schools.told(self.name, event)
        self.school.settle()

    async def saved(self, document: str, form: dict[str, Any]) -> Any:
        """Once the warning, if there is one, is confirmed."""
        answer = await self.ask(document, input=form)
        if answer["__typename"] == "UnlinkedMembersWarning":
            answer = await self.ask(document, input=form | {"confirmation": answer["confirmation"]})
        return answer

    async def begin(self) -> None:
        """A school with people who are nothing yet, but for the one who runs it."""
        container = self.schools.container
        await container.use_cases().found_organization(
            school_id=f"school-{self.name}", name=self.name, time_zone="Europe/Moscow"
        )
        for one in ADULTS + KIDS:
            await self.told(personSaved={"personId": self.person(one), "lastName": one, "firstName": "Имя"})
        await self.told(employeeHired={"personId": self.person(BOSS), "positions": ["OTHER"]})
        await self.told(roleGranted={"personId": self.person(BOSS), "role": "ORGANIZATION_ADMINISTRATOR"})
        self.school.positions[BOSS] = ["OTHER"]
        self.school.leaders.add(BOSS)
        self.school.chats[two_schools.default_chat(self.name, "teachers")] = Chat("TEACHERS", name="Учительская")
        async with container.begin()(SCHEDULE) as uow:
            tokens = some_tokens(expire_at=await uow.now() + timedelta(hours=12))
            profile = EducationProfile(f"profile of {self.name}", "Имя")
            await uow.account_links.save(link(person(self.name, BOSS), profile, tokens, at=await uow.now()))

    # What happens

    async def hire(self) -> None:
        one = self.chance.choice(ADULTS[1:])
        kinds = self.chance.sample(["ADMINISTRATION", "PEDAGOGICAL", "OTHER"], self.chance.randint(1, 2))
        self.school.positions[one] = kinds
        await self.told(employeeHired={"personId": self.person(one), "positions": kinds})

    async def dismiss(self) -> None:
        one = self.chance.choice(ADULTS[1:])
        self.school.positions.pop(one, None)
        await self.told(employeeDismissed={"personId": self.person(one)})

    async def enrol(self) -> None:
        kid, into = self.chance.choice(KIDS), self.chance.choice(CLASSES)
        if into not in self.school.classes or self.school.classes[into].closed:
            return await self.save_class()
        event = "pupilTransferred" if kid in self.school.enrolled else "pupilEnrolled"
        self.school.enrolled[kid] = into
        return await self.told(**{event: {"personId": self.person(kid), "classId": into}})

    async def expel(self) -> None:
        kid = self.chance.choice(KIDS)
        self.school.enrolled.pop(kid, None)
        await self.told(pupilExpelled={"personId": self.person(kid)})

    async def tie(self) -> None:
        parent, kid = self.chance.choice(ADULTS[1:]), self.chance.choice(KIDS)
        tied = self.chance.random() < 0.7
        (self.school.ties.add if tied else self.school.ties.discard)((parent, kid))
        event = "parentTied" if tied else "parentUntied"
        await self.told(**{event: {"parentId": self.person(parent), "pupilId": self.person(kid)}})

    async def save_class(self) -> None:
        of, name = self.chance.choice(CLASSES), f"{self.chance.randint(1, 11)} {self.chance.choice('АБВ')}"
        if of in self.school.classes:
            self.school.classes[of].name, self.school.classes[of].closed = name, False
        else:
            self.school.classes[of] = SchoolClass(name)
            for what in ("class", "parents"):
                id = two_schools.default_chat(self.name, what, of)
                self.school.chats[id] = Chat("CLASS" if what == "class" else "PARENTS", of)
        await self.told(classSaved={"classId": of, "name": name})

    async def close_class(self) -> None:
        if self.school.classes:
            of = self.chance.choice(sorted(self.school.classes))
            self.school.classes[of].closed = True
            await self.told(classClosed={"classId": of})

    async def set_class_teacher(self) -> None:
        if self.school.classes:
            of, teacher = self.chance.choice(sorted(self.school.classes)), self.chance.choice([None, *ADULTS])
            self.school.classes[of].teacher = teacher
            given = teacher and self.person(teacher)
            await self.told(classTeacherSet={"classId": of, "personId": given})

    async def save_group(self) -> None:
        of = self.chance.choice(GROUPS)
        pupils, teachers = self.chance.sample(KIDS, 3), self.chance.sample(ADULTS, self.chance.randint(0, 2))
        self.school.groups[of] = Group(set(pupils), teachers)
        people = {"pupilIds": list(map(self.person, pupils)), "teacherIds": list(map(self.person, teachers))}
        await self.told(groupSaved={"groupId": of, "name": of, "subject": "Химия"} | people)

    async def close_group(self) -> None:
        if self.school.groups:
            of = self.chance.choice(sorted(self.school.groups))
            self.school.groups[of].closed = True
            await self.told(groupClosed={"groupId": of})

    async def block(self) -> None:
        one = self.chance.choice(ADULTS[1:] + KIDS)
        blocks = one not in self.school.blocked
        (self.school.blocked.add if blocks else self.school.blocked.discard)(one)
        await self.told(**{"personBlocked" if blocks else "personUnblocked": {"personId": self.person(one)}})

    async def choose(self) -> None:
        one = self.chance.choice(ADULTS)
        answer = await self.ask(CHOOSE, organization=self.id, employee=self.participant(one))
        if one in self.school.registry():
            assert answer["__typename"] == "ChatAdministratorSet", answer
            self.school.chat_administrator = one
            for chat in self.school.chats.values():
                chat.taken_out.discard(one)
        else:
            assert codes(answer) == {"NOT_IN_ADMINISTRATORS_REGISTRY"}

    async def create_chat(self) -> None:
        if sum(not chat.is_default for chat in self.school.chats.values()) >= MOST_CHATS_BY_HAND:
            return await self.delete_chat()
        groups = [of for of, group in self.school.groups.items() if not group.closed]
        type = "SUBJECT" if groups and self.chance.random() < 0.6 else "OTHER"
        chat = Chat(type, self.chance.choice(groups) if type == "SUBJECT" else None, f"чат {len(self.done)}", True)
        form: dict[str, Any] = {"type": type, "name": chat.name}
        if chat.of is not None:
            form["studyGroupId"] = two_schools.id_of(self.name, "StudyGroup", chat.of)
        lists, allowed = {}, True
        for capacity, argument in ((EMPLOYEE, "employeeIds"), (PUPIL, "pupilIds"), (PARENT, "parentIds")):
            if self.chance.random() < 0.4:
                wanted = self.chance.sample(KIDS if capacity == PUPIL else ADULTS, self.chance.randint(0, 2))
                form[argument] = list(map(self.participant, wanted))
                lists[capacity] = wanted
                allowed &= not wanted or capacity in BY_HAND[type]
                allowed &= all(self.school.is_(capacity, one) for one in wanted)
        answer = await self.saved(CREATE, form)
        if not allowed:
            assert codes(answer) == {"CAPACITY_NOT_ALLOWED"}
            return None
        self.school.fill(chat, lists)
        self.school.chats[answer["chat"]["id"]] = chat
        return None

    async def edit_chat(self) -> None:
        id = self.chance.choice(sorted(self.school.chats))
        chat, version = self.school.chats[id], await self._version(id)
        one = self.chance.choice(ADULTS + KIDS)
        match self.chance.choice(["add", "take out", "rename"]):
            case "add":
                capacity = self.chance.choice([EMPLOYEE, PUPIL, PARENT])
                added = [{"participantId": self.participant(one), "capacity": capacity}]
                answer = await self.saved(UPDATE, {"id": id, "expectedVersion": version, "addMembers": added})
                allowed = capacity in BY_HAND[chat.type] and self.school.is_(capacity, one)
                expected = set() if allowed else {"CAPACITY_NOT_ALLOWED"}
                if not self._refused(answer, chat, expected):
                    chat.added.add((one, capacity))
                    chat.taken_out.discard(one)
            case "take out":
                removed = [self.participant(one)]
                answer = await self.saved(UPDATE, {"id": id, "expectedVersion": version, "removeMembers": removed})
                leads = self.school.members(chat).get(one) == "ADMINISTRATOR"
                if not self._refused(answer, chat, {"CHAT_ADMINISTRATOR_STAYS"} if leads else set()):
                    self.school.take_out(chat, one)
            case _:
                name = f"имя {len(self.done)}"
                answer = await self.saved(UPDATE, {"id": id, "expectedVersion": version, "name": name})
                if not self._refused(answer, chat, set()):
                    chat.name, chat.named_by_user = name, True

    async def edit_by_an_old_version(self) -> None:
        id = self.chance.choice(sorted(self.school.chats))
        answer = await self.saved(UPDATE, {"id": id, "expectedVersion": await self._version(id) + 1, "name": "не то"})
        assert answer["__typename"] == "StaleVersion"

    async def delete_chat(self) -> None:
        id = self.chance.choice(sorted(self.school.chats))
        planned = {"SCHEDULED", "STARTING", "ACTIVE"}
        busy = any(call["chat"]["id"] == id and call["status"] in planned for call in await self._calls())
        answer = await self.ask(DELETE, id=id)
        if self.school.chats[id].is_default:
            assert codes(answer) == {"DEFAULT_CHAT"}
        elif busy:
            assert codes(answer) == {"CHAT_HAS_VIDEOCONFERENCES"}
        else:
            assert answer["__typename"] == "ChatDeleted"
            del self.school.chats[id]

    async def hold_call(self) -> None:
        """Now, which a worker begins, or tomorrow."""
        id = self.chance.choice(sorted(self.school.chats))
        at_once = self.chance.random() < 0.6
        starts_at = datetime.now(UTC) + (timedelta(minutes=-1) if at_once else timedelta(days=1))
        form = {"type": "VIDEO_CALL", "name": "Звонок", "chatId": id, "startsAt": starts_at.isoformat()}
        answer = await self.ask(CALL, input=form | {"endsAt": (starts_at + timedelta(hours=1)).isoformat()})
        self._refused(answer, self.school.chats[id], set())
        if at_once:
            await self.work()

    async def finish_call(self) -> None:
        for call in await self._calls():
            if self.chance.random() < 0.5:
                answer = await self.ask(FINISH, id=call["id"])
                if call["status"] in {"ACTIVE", "FINISHED"}:
                    assert answer["__typename"] == "VideoconferenceSaved"
                else:
                    assert codes(answer) == {"WRONG_STATUS"}

    async def work(self) -> None:
        """What a worker does, with a Sferum that gives each call."""
        for work in (await self.schools.container.use_cases().keep_time()).work:
            if isinstance(work, CallToStart):
                call = OpenCall(str(work.call), f"https://vk.ru/call/join/{work.call}", "Звонок")
                await record(self.schools.container.begin(), [(work, call)])

    # What must be so

    async def look(self) -> None:
        """Compares everything that the one who runs the school sees with what it must be."""
        seen = await self.schools.data(self.name, BOSS, SEEN)
        chats = {edge["node"]["id"]: edge["node"] for edge in seen["chats"]["edges"]}
        assert chats.keys() == self.school.chats.keys()
        assert seen["chats"]["totalCount"] == len(chats)
        for id, expected in self.school.chats.items():
            shown = chats[id]
            self.looked_at[expected.type] += 1
            members = {edge["node"]["participant"]["id"]: edge["node"]["role"] for edge in shown["members"]["edges"]}
            by_rules = {self.participant(one): role for one, role in self.school.members(expected).items()}
            assert members == by_rules, (expected, self.school.members(expected))
            assert shown["memberCount"] == shown["members"]["totalCount"] == len(members)
            assert (shown["type"], shown["isDefault"]) == (expected.type, expected.is_default)
            assert (shown["name"], shown["archived"]) == (
                self.school.name_of(expected),
                self.school.is_archived(expected),
            )
        self._default_chats_are_there(list(chats.values()))
        for call in (edge["node"] for edge in seen["videoconferences"]["edges"]):
            assert (call["link"] is not None) == (call["status"] == "ACTIVE")
            self.looked_at[call["status"]] += 1

    def _default_chats_are_there(self, chats: list[Any]) -> None:
        assert [chat["type"] for chat in chats].count("TEACHERS") == 1
        for type in ("CLASS", "PARENTS"):
            followed = sorted(chat["schoolClass"]["name"] for chat in chats if chat["type"] == type)
            assert followed == sorted(known.name for known in self.school.classes.values())

    async def look_as_others(self) -> None:
        """One person of the school sees their own chats alone; strangers see nothing at all."""
        one = self.chance.choice(ADULTS[1:] + KIDS)
        theirs = await self.schools.data(self.name, one, THEIRS)
        mine = {id for id, chat in self.school.chats.items() if one in self.school.members(chat)}
        if one != self.school.chat_administrator:
            assert {edge["node"]["id"] for edge in theirs["chats"]["edges"]} == mine
            assert theirs["chats"]["totalCount"] == len(mine)
        for call in (edge["node"] for edge in theirs["videoconferences"]["edges"]):
            assert call["status"] == "ACTIVE" or call["link"] is None
            assert one not in self.school.blocked or call["link"] is None
        school, role = self.chance.choice([(A, "director"), (B, "everything"), (B, "pupil")])
        chat = self.chance.choice(sorted(self.school.chats))
        found = await self.schools.data(school, role, STRANGERS, school=self.id, chat=chat)
        nothing = {"totalCount": 0}
        assert [found[name] for name in ("organization", "chat", "node")] == [None, None, None]
        assert [found[name] for name in ("chats", "videoconferences", "participants")] == [nothing] * 3

    async def _version(self, id: str) -> int:
        chat = await self.ask("query ($id: ID!) { chat(id: $id) { version } }", id=id)
        version: int = chat["version"]
        return version

    async def _calls(self) -> list[Any]:
        document = "{ videoconferences(first: 100) { edges { node { id status chat { id } } } } }"
        return [edge["node"] for edge in (await self.ask(document))["edges"] if edge["node"]["chat"]]

    def _refused(self, answer: Any, chat: Chat, expected: set[str]) -> bool:
        """Checks that it is, for everything that is wrong and nothing else."""
        wrong = expected | ({"CHAT_ARCHIVED"} if self.school.is_archived(chat) else set())
        assert codes(answer) == wrong, (answer, chat)
        return bool(wrong)


STEP = {
    Use.hire: 4, Use.dismiss: 2, Use.enrol: 6, Use.expel: 2, Use.tie: 4, Use.save_class: 3, Use.close_class: 1,
    Use.set_class_teacher: 3, Use.save_group: 3, Use.close_group: 1, Use.block: 2, Use.choose: 3, Use.create_chat: 5,
    Use.edit_chat: 10, Use.edit_by_an_old_version: 1, Use.delete_chat: 2, Use.hold_call: 3, Use.finish_call: 2,
}  # fmt: skip
"""How often each."""


def codes(answer: Any) -> set[str]:
    return {problem["code"] for problem in answer.get("problems", ())}


@pytest.mark.rule("CHAT-02", "CHAT-03", "CHAT-04", "CHAT-05", "CHAT-06", "CHAT-30", "CHAT-31", "CHAT-32", "RIGHT-06")
@pytest.mark.timeout(120 + 30 * SEQUENCES)
async def test_whatever_is_done_in_whatever_order_the_school_is_what_the_rules_say(schools: Schools) -> None:
    print(f"seed {SEED}")
    looked_at = Counter[str]()

    for number in range(SEQUENCES):
        use = Use(schools, f"random-{number}", random.Random(f"{SEED}/{number}"))
        await use.begin()
        for _ in range(STEPS):
            (step,) = use.chance.choices(list(STEP), list(STEP.values()))
            use.done.append(step.__name__)
            try:
                await step(use)
                await use.look()
                await use.look_as_others()
            except AssertionError as counterexample:
                counterexample.add_note(f"RANDOM_USE_SEED={SEED}, sequence {number}: {', '.join(use.done)}")
                raise
        looked_at += use.looked_at

    print(dict(looked_at))
    print(f"{SEQUENCES} sequences x {STEPS} steps, 0 counterexamples, seed {SEED}")
