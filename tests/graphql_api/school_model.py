"""A school by the words of the rules alone: whoever belongs in which chat, computed afresh from plain facts."""

from dataclasses import dataclass, field

EMPLOYEE, PUPIL, PARENT = "EMPLOYEE", "PUPIL", "PARENT"
MEMBER, ADMINISTRATOR = "MEMBER", "ADMINISTRATOR"
BY_HAND = {
    "TEACHERS": {EMPLOYEE},
    "CLASS": {EMPLOYEE, PUPIL},
    "PARENTS": {EMPLOYEE, PARENT},
    "SUBJECT": {EMPLOYEE, PUPIL},
    "OTHER": {EMPLOYEE, PUPIL, PARENT},
}
"""As what people may be added (CHAT-10)."""


@dataclass
class SchoolClass:
    name: str
    teacher: str | None = None
    closed: bool = False


@dataclass
class Group:
    pupils: set[str]
    teachers: list[str]
    closed: bool = False


@dataclass
class Chat:
    """`of` is the class or the group that it follows."""

    type: str
    of: str | None = None
    name: str = ""
    named_by_user: bool = False
    added: set[tuple[str, str]] = field(default_factory=set)
    taken_out: set[str] = field(default_factory=set)

    @property
    def is_default(self) -> bool:
        return self.type in {"TEACHERS", "CLASS", "PARENTS"}


@dataclass
class School:
    """All facts; people and classes by their ids in the school system, chats by global ids."""

    positions: dict[str, list[str]] = field(default_factory=dict)
    classes: dict[str, SchoolClass] = field(default_factory=dict)
    enrolled: dict[str, str] = field(default_factory=dict)
    ties: set[tuple[str, str]] = field(default_factory=set)
    groups: dict[str, Group] = field(default_factory=dict)
    blocked: set[str] = field(default_factory=set)
    leaders: set[str] = field(default_factory=set)
    """Who holds the role of the organization's administrator."""
    chat_administrator: str | None = None
    chats: dict[str, Chat] = field(default_factory=dict)

    def is_(self, capacity: str, person: str) -> bool:
        """Whether the person has the capacity now (CHAT-32)."""
        if capacity == EMPLOYEE:
            return person in self.positions
        if capacity == PUPIL:
            return person in self.enrolled and not self.classes[self.enrolled[person]].closed
        return any(parent == person and self.is_(PUPIL, child) for parent, child in self.ties)

    def registry(self) -> set[str]:
        """Of whom the chat administrator is chosen (RIGHT-02)."""
        return {
            person
            for person, kinds in self.positions.items()
            if person not in self.blocked and ("ADMINISTRATION" in kinds or person in self.leaders)
        }

    def settle(self) -> None:
        """Who is in the registry no more is the chat administrator no more (RIGHT-03)."""
        if self.chat_administrator not in self.registry():
            self.chat_administrator = None

    def is_archived(self, chat: Chat) -> bool:
        if chat.type in {"CLASS", "PARENTS"}:
            return self.classes[str(chat.of)].closed
        return chat.type == "SUBJECT" and self.groups[str(chat.of)].closed

    def name_of(self, chat: Chat) -> str:
        """A default chat is named as its class until a user names it otherwise (CHAT-03, CHAT-04, CHAT-24)."""
        if chat.named_by_user or chat.of is None or chat.type == "SUBJECT":
            return chat.name
        return self.classes[chat.of].name + (" Родители" if chat.type == "PARENTS" else "")

    def members(self, chat: Chat) -> dict[str, str]:
        """Everybody in the chat with their role (CHAT-02 … CHAT-05, CHAT-30 … CHAT-32)."""
        leading, others = self._by_roster(chat)
        if self.chat_administrator is not None:
            leading.add((self.chat_administrator, EMPLOYEE))
        if not self.is_archived(chat):
            others |= chat.added
        members = {
            person: MEMBER for person, capacity in others if person not in chat.taken_out and self.is_(capacity, person)
        }
        return members | {person: ADMINISTRATOR for person, capacity in leading if self.is_(capacity, person)}

    def _by_roster(self, chat: Chat) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
        """Who leads in it and who else is in it by what the school system tells, each in a capacity."""
        if self.is_archived(chat):
            return set(), set()
        match chat.type:
            case "TEACHERS":
                staff = {"ADMINISTRATION", "PEDAGOGICAL"}
                return set(), {(one, EMPLOYEE) for one, kinds in self.positions.items() if staff & set(kinds)}
            case "CLASS" | "PARENTS":
                known = self.classes[str(chat.of)]
                leading = {(known.teacher, EMPLOYEE)} if known.teacher else set()
                pupils = {pupil for pupil, of in self.enrolled.items() if of == chat.of}
                if chat.type == "CLASS":
                    return leading, {(pupil, PUPIL) for pupil in pupils}
                return leading, {(parent, PARENT) for parent, child in self.ties if child in pupils}
            case "SUBJECT":
                group = self.groups[str(chat.of)]
                return {(one, EMPLOYEE) for one in group.teachers}, {(one, PUPIL) for one in group.pupils}
            case _:
                return set(), set()

    def take_out(self, chat: Chat, person: str) -> None:
        """By hand; of somebody who is not there nothing is kept (CHAT-31)."""
        if person in self.members(chat) or any(person == added for added, _ in chat.added):
            chat.added = {one for one in chat.added if one[0] != person}
            chat.taken_out.add(person)

    def fill(self, chat: Chat, lists: dict[str, list[str]]) -> None:
        """A list given is the whole list: whom it leaves out is out, whom it adds is added by hand (CHAT-09)."""
        leading, filled = self._by_roster(chat)
        for capacity, wanted in lists.items():
            chat.taken_out |= {one for one, of in filled if of == capacity and self.is_(of, one) and one not in wanted}
            by_roster = {one for one, of in leading | filled if of == capacity and self.is_(of, one)}
            chat.added |= {(one, capacity) for one in wanted if one not in by_roster}
