"""Whatever the school tells and whatever people do by hand, the members of every chat are those that the rules name.

The rules stand here a second time, in the words of the catalogue, and know nothing of how the chats are kept.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from application.membership import bring_in_step
from domain.chat import (
    Chat,
    ChatKind,
    ChatMembersChanged,
    ClassChat,
    GroundKind,
    MembershipRole,
    OtherChat,
    ParentsChat,
    SubjectChat,
    TeachersChat,
    create_default_chat,
)
from domain.chat_form import ChatEdit, edit_chat
from domain.errors import Refused
from domain.grounds import Belonging
from domain.ids import ChatId, ParticipantId, PersonId
from domain.participant import Capacity, PositionKind
from domain.roster import Roster
from domain.roster_events import (
    ClassClosed,
    ClassSaved,
    ClassTeacherSet,
    EmployeeHired,
    EventImpossible,
    GroupClosed,
    GroupSaved,
    ParentTied,
    PupilEnrolled,
    PupilExpelled,
    PupilTransferred,
    RosterEvent,
    apply,
)
from tests.builders import MONDAY_0800, SCHOOL, class_of, group_of, participant
from tests.domain.histories import (
    CLASSES,
    HEAD,
    KINDS,
    PEOPLE,
    a_school_at_its_beginning,
    apply_if_possible,
    events,
    histories,
    told_anew,
)

EMPLOYEE, PUPIL, PARENT = Capacity.EMPLOYEE, Capacity.PUPIL, Capacity.PARENT


@dataclass(frozen=True)
class Added:
    """A user adds a person to a chat, as that."""

    kind: ChatKind
    person: PersonId
    capacity: Capacity


@dataclass(frozen=True)
class Removed:
    """A user removes a person from a chat."""

    kind: ChatKind
    person: PersonId


@dataclass(frozen=True)
class Renamed:
    """A user gives a chat a name."""

    kind: ChatKind
    name: str


Step = RosterEvent | Added | Removed | Renamed

AKIMOV, BELOVA, VLASOV, GUSEV, DYMOVA = PEOPLE
EVERYBODY_IS_SOMETHING: Sequence[RosterEvent] = (
    PupilEnrolled(AKIMOV, "8 К"),
    PupilEnrolled(BELOVA, "9 А"),
    EmployeeHired(VLASOV, (PositionKind.PEDAGOGICAL,)),
    EmployeeHired(DYMOVA, (PositionKind.OTHER,)),
    ClassTeacherSet("8 К", VLASOV),
    ClassTeacherSet("9 А", VLASOV),
    ParentTied(GUSEV, AKIMOV),
    ParentTied(GUSEV, BELOVA),
    ParentTied(DYMOVA, BELOVA),
    GroupSaved("алгебра", "алгебра", "Алгебра", frozenset({AKIMOV, BELOVA}), (VLASOV,)),
    GroupSaved("физика", "физика", "Физика", frozenset({AKIMOV}), (DYMOVA, VLASOV)),
)
"""Pupils, parents and teachers, so that what people do by hand is seldom refused."""
MEMBERS_BY_ROSTER: Sequence[tuple[ChatKind, PersonId]] = (
    (TeachersChat(), VLASOV),
    (ClassChat(class_of("8 К")), AKIMOV),
    (ClassChat(class_of("9 А")), BELOVA),
    (ParentsChat(class_of("8 К")), GUSEV),
    (ParentsChat(class_of("9 А")), DYMOVA),
    (SubjectChat(group_of("алгебра")), AKIMOV),
)
"""Some who are in a chat then and do not administer it."""

_kinds, _people = st.sampled_from(KINDS), st.sampled_from((HEAD, *PEOPLE))
by_hand = st.one_of(
    st.builds(Added, _kinds, _people, st.sampled_from(Capacity)),
    st.builds(Removed, _kinds, _people),
    st.sampled_from(MEMBERS_BY_ROSTER).map(lambda member: Removed(*member)),
    st.builds(Renamed, _kinds, st.sampled_from(["Наш класс", "9 А"])),
)
steps: st.SearchStrategy[list[Step]] = st.lists(st.one_of(events, by_hand), max_size=40)


@dataclass
class Rules:
    """What the catalogue says of the facts and of what people did by hand."""

    facts: Roster
    added: dict[ChatKind, set[tuple[ParticipantId, Capacity]]] = field(default_factory=dict)
    removed: dict[ChatKind, set[ParticipantId]] = field(default_factory=dict)
    named: dict[ChatKind, str] = field(default_factory=dict)

    def has(self, capacity: Capacity, person: ParticipantId) -> bool:
        """CHAT-32: an employee works here, a pupil learns in an open class, a parent has a child who does."""
        if capacity is EMPLOYEE:
            return person in self.facts.positions
        if capacity is PUPIL:
            return any(
                person == pupil and (of is None or not self.facts.classes[of].closed)
                for pupil, of in self.facts.enrolments.items()
            )
        return any(parent == person and self.has(PUPIL, child) for parent, child in self.facts.ties)

    def closed(self, kind: ChatKind) -> bool:
        """CHAT-24: the chat's class or group is closed, or not there yet."""
        match kind:
            case ClassChat(id) | ParentsChat(id):
                return self.facts.classes[id].closed
            case SubjectChat(id):
                return id not in self.facts.groups or self.facts.groups[id].closed
            case _:
                return False

    def teachers(self, kind: ChatKind) -> set[ParticipantId]:
        """CHAT-05, CHAT-09: who is in the chat as the class's or the group's teacher, and administers it."""
        named: set[ParticipantId | None] = set()
        if not self.closed(kind):
            match kind:
                case ClassChat(id) | ParentsChat(id):
                    named = {self.facts.classes[id].teacher}
                case SubjectChat(id):
                    named = {*self.facts.groups[id].teachers}
                case _:
                    pass
        return {teacher for teacher in named if teacher is not None and self.has(EMPLOYEE, teacher)}

    def by_roster(self, kind: ChatKind) -> set[ParticipantId]:
        """CHAT-02, CHAT-03, CHAT-04, CHAT-09: who else is there by the roster's facts."""
        if self.closed(kind):
            return set()
        match kind:
            case TeachersChat():
                wanted = {PositionKind.ADMINISTRATION, PositionKind.PEDAGOGICAL}
                return {one for one, positions in self.facts.positions.items() if wanted.intersection(positions)}
            case ClassChat(id):
                return {pupil for pupil, of in self.facts.enrolments.items() if of == id}
            case ParentsChat(id):
                return {parent for parent, child in self.facts.ties if self.facts.enrolments.get(child) == id}
            case SubjectChat(id):
                return {pupil for pupil in self.facts.groups[id].pupils if self.has(PUPIL, pupil)}
            case OtherChat():
                return set()

    def by_hand(self, kind: ChatKind) -> set[ParticipantId]:
        """CHAT-32: who is there because a user added them, while they are what they were added as."""
        if self.closed(kind):
            return set()
        return {person for person, capacity in self.added.get(kind, ()) if self.has(capacity, person)}

    def administrators(self, kind: ChatKind) -> set[ParticipantId]:
        """CHAT-30: the chat administrator and the teachers, whom no removal keeps out (CHAT-31)."""
        return {participant(HEAD)} | self.teachers(kind)

    def members(self, kind: ChatKind) -> Mapping[ParticipantId, MembershipRole]:
        """CHAT-30, CHAT-31: everybody with a ground, without whom a user removed."""
        others = (self.by_roster(kind) | self.by_hand(kind)) - self.removed.get(kind, set())
        roles = dict.fromkeys(others, MembershipRole.MEMBER)
        return roles | dict.fromkeys(self.administrators(kind), MembershipRole.ADMINISTRATOR)

    def may_be_added(self, addition: Added) -> bool:
        """CHAT-10, CHAT-24."""
        allowed = {
            TeachersChat: {EMPLOYEE},
            ClassChat: {EMPLOYEE, PUPIL},
            ParentsChat: {EMPLOYEE, PARENT},
            SubjectChat: {EMPLOYEE, PUPIL},
            OtherChat: {EMPLOYEE, PUPIL, PARENT},
        }[type(addition.kind)]
        is_that = self.has(addition.capacity, participant(addition.person))
        return not self.closed(addition.kind) and addition.capacity in allowed and is_that

    def note(self, step: Added | Removed | Renamed) -> bool:
        """Notes what a user does; whether it is allowed."""
        kind = step.kind
        match step:
            case Added(_, person, capacity):
                if not self.may_be_added(step):
                    return False
                self.added.setdefault(kind, set()).add((participant(person), capacity))
                self.removed.setdefault(kind, set()).discard(participant(person))
            case Removed(_, person):
                one = participant(person)
                if self.closed(kind) or one in self.administrators(kind):
                    return False
                added = {addition for addition in self.added.get(kind, set()) if addition[0] == one}
                if added or one in self.members(kind):
                    self.added.setdefault(kind, set()).difference_update(added)
                    self.removed.setdefault(kind, set()).add(one)
            case Renamed(_, name):
                if self.closed(kind):
                    return False
                if name != self.name(kind):
                    self.named[kind] = name
        return True

    def name(self, kind: ChatKind) -> str | None:
        """CHAT-03, CHAT-04, CHAT-24: what the chat is called, where a rule says so."""
        match kind:
            case ClassChat(id):
                return self.named.get(kind, self.facts.classes[id].name)
            case ParentsChat(id):
                return self.named.get(kind, f"{self.facts.classes[id].name} Родители")
            case _:
                return self.named.get(kind)


class School:
    """The chats of a school that lives through steps, and beside them what the rules say."""

    def __init__(self, beginning: Sequence[RosterEvent] = EVERYBODY_IS_SOMETHING) -> None:
        self.roster = a_school_at_its_beginning()
        for event in beginning:
            apply(self.roster, event)
        self.rules = Rules(self.roster)
        self.chats = {kind: _new_chat(kind) for kind in KINDS}
        self.bring_in_step()

    def live_through(self, step: Step) -> None:
        """The step is taken where it is possible, and the rules and the chats agree whether it is."""
        match step:
            case Added() | Removed() | Renamed():
                done = _edited(self.chats[step.kind], step, self.roster)
                assert done == self.rules.note(step)
            case event:
                apply_if_possible(self.roster, event)
        self.bring_in_step()

    def bring_in_step(self) -> None:
        """The chats are what the facts say."""
        for chat in self.chats.values():
            bring_in_step(chat, Belonging(self.roster, participant(HEAD)), at=MONDAY_0800)

    def members(self) -> Mapping[ChatKind, Mapping[ParticipantId, MembershipRole]]:
        """The members of each chat and their roles."""
        return {kind: roles_in(chat) for kind, chat in self.chats.items()}


def _new_chat(kind: ChatKind) -> Chat:
    match kind:
        case TeachersChat() | ClassChat() | ParentsChat():
            return create_default_chat(SCHOOL, kind, "")
        case SubjectChat() | OtherChat():
            return Chat(id=ChatId(uuid4()), organization_id=SCHOOL, kind=kind, name="Чат", named_by_user=True)


def _edited(chat: Chat, step: Added | Removed | Renamed, roster: Roster) -> bool:
    match step:
        case Added(_, person, capacity):
            change = ChatEdit(add=((participant(person), capacity),))
        case Removed(_, person):
            change = ChatEdit(remove=(participant(person),))
        case Renamed(_, name):
            change = ChatEdit(name=name)
    try:
        edit_chat(chat, change, roster)
    except Refused:
        return False
    return True


def roles_in(chat: Chat) -> Mapping[ParticipantId, MembershipRole]:
    """The members of a chat and their roles."""
    return {member: membership.role for member, membership in chat.memberships.items()}


def after(history: Sequence[Step]) -> School:
    """A school that lived through it."""
    school = School()
    for step in history:
        school.live_through(step)
    return school


@pytest.mark.rule("CHAT-30")
@pytest.mark.rule("CHAT-32")
@settings(max_examples=200)
@given(steps)
def test_membership_is_what_the_facts_the_additions_and_the_exclusions_say_and_nothing_else(
    history: Sequence[Step],
) -> None:
    school = School()

    for step in history:
        school.live_through(step)

        assert school.members() == {kind: school.rules.members(kind) for kind in KINDS}


@pytest.mark.rule("CHAT-31")
@given(steps)
def test_nobody_is_in_a_chat_without_a_ground_and_nobody_with_a_ground_is_out_unless_a_user_removed_them(
    history: Sequence[Step],
) -> None:
    school = after(history)

    for kind, chat in school.chats.items():
        with_ground = school.rules.administrators(kind) | school.rules.by_roster(kind) | school.rules.by_hand(kind)
        assert with_ground - chat.memberships.keys() <= school.rules.removed.get(kind, set())
        assert chat.memberships.keys() <= with_ground
        for member, membership in chat.memberships.items():
            assert membership.grounds
            assert all(school.rules.has(ground.capacity, member) for ground in membership.grounds)


@pytest.mark.rule("CHAT-30")
@given(steps)
def test_the_chat_administrator_the_class_teacher_and_the_group_teacher_make_administrator_and_nothing_else_does(
    history: Sequence[Step],
) -> None:
    school = after(history)
    administering = {GroundKind.CHAT_ADMINISTRATOR, GroundKind.CLASS_TEACHER, GroundKind.GROUP_TEACHER}

    for chat in school.chats.values():
        for membership in chat.memberships.values():
            administers = not administering.isdisjoint(ground.kind for ground in membership.grounds)
            assert (membership.role is MembershipRole.ADMINISTRATOR) == administers


@pytest.mark.rule("CHAT-23")
@given(steps)
def test_whoever_comes_leaves_or_changes_the_role_is_told_so_once_and_a_changed_role_is_neither(
    history: Sequence[Step],
) -> None:
    school = School()

    for step in history:
        before = {kind: chat.memberships for kind, chat in school.chats.items()}
        for chat in school.chats.values():
            chat.take_events()
        school.live_through(step)

        for kind, chat in school.chats.items():
            was, told = before[kind], list(told_of_members(chat))
            is_now = chat.memberships
            both = was.keys() & is_now.keys()
            other_grounds = {one for one in both if was[one].grounds.keys() != is_now[one].grounds.keys()}
            if was.keys() == is_now.keys() and not other_grounds:
                assert told == []
                continue
            [change] = told
            assert change.came == tuple(sorted(is_now.keys() - was.keys()))
            assert change.left == tuple(sorted(was.keys() - is_now.keys()))
            assert change.role_changed == tuple(sorted(one for one in both if was[one].role is not is_now[one].role))


def told_of_members(chat: Chat) -> Iterator[ChatMembersChanged]:
    """What the chat tells of its members."""
    return (event for event in chat.events if isinstance(event, ChatMembersChanged))


@pytest.mark.rule("CHAT-32")
@given(steps, st.randoms(use_true_random=False))
def test_the_same_facts_and_the_same_hands_in_any_order_and_repeated_make_the_same_members(
    history: Sequence[Step], random: Random
) -> None:
    school = after(history)
    facts = told_anew(school.roster) * 2
    random.shuffle(facts)
    closed: list[RosterEvent] = [ClassClosed(one.school_id) for one in school.roster.classes.values() if one.closed]
    closed += [GroupClosed(one.school_id) for one in school.roster.groups.values() if one.closed]

    again = School(beginning=())
    for kind, chat in again.chats.items():
        chat.by_hand = school.chats[kind].by_hand
    for event in (*facts, *closed):
        apply_if_possible(again.roster, event)
        again.bring_in_step()

    assert again.members() == school.members()
    for kind, chat in again.chats.items():
        for member, membership in chat.memberships.items():
            assert membership.grounds.keys() == school.chats[kind].memberships[member].grounds.keys()


_children = st.sampled_from([AKIMOV, BELOVA])
_moves = st.lists(
    st.one_of(
        st.builds(PupilEnrolled, _children, st.sampled_from(CLASSES)),
        st.builds(PupilTransferred, _children, st.sampled_from(CLASSES)),
        st.builds(PupilExpelled, _children),
    ),
    max_size=12,
)


@pytest.mark.rule("CHAT-21")
@given(_moves)
def test_a_parent_of_two_stays_in_a_class_s_chat_while_one_of_them_is_in_the_class(
    moves: Sequence[RosterEvent],
) -> None:
    mother = VLASOV
    school = School([ParentTied(mother, AKIMOV), ParentTied(mother, BELOVA)])
    classes_of: dict[PersonId, str] = {}

    for move in moves:
        try:
            apply(school.roster, move)
        except EventImpossible:
            continue
        school.bring_in_step()
        match move:
            case PupilEnrolled(child, name) | PupilTransferred(child, name):
                classes_of[child] = name
            case PupilExpelled(child):
                classes_of.pop(child, None)
            case _:
                pass

        for name in CLASSES:
            chat = school.chats[ParentsChat(class_of(name))]
            assert (participant(mother) in chat.memberships) == (name in classes_of.values())


@pytest.mark.rule("CHAT-24")
@given(steps, st.sampled_from(CLASSES), st.sampled_from(["9 К", "10 К"]))
def test_a_class_promoted_under_its_id_keeps_its_chats_renamed_unless_a_user_named_them(
    history: Sequence[Step], school_id: str, promoted: str
) -> None:
    school = after([*history, ClassSaved(school_id, school_id)])
    before = school.members()
    kinds = ClassChat(class_of(school_id)), ParentsChat(class_of(school_id))
    default = dict(zip(kinds, (promoted, f"{promoted} Родители"), strict=True))

    school.live_through(ClassSaved(school_id, promoted))

    assert school.members() == before
    for kind in kinds:
        assert school.chats[kind].name == school.rules.named.get(kind, default[kind])


@pytest.mark.rule("CHAT-24")
@given(steps)
def test_a_chat_is_called_as_its_class_or_as_a_user_called_it(history: Sequence[Step]) -> None:
    school = after(history)

    for kind, chat in school.chats.items():
        assert chat.archived == school.rules.closed(kind)
        if not chat.archived and (name := school.rules.name(kind)):
            assert chat.name == name


@pytest.mark.rule("CHAT-24")
@given(steps, st.sampled_from(CLASSES))
def test_a_closed_class_archives_its_chats_and_opened_again_takes_them_up_with_the_same_members(
    history: Sequence[Step], school_id: str
) -> None:
    school = after([*history, ClassSaved(school_id, school_id)])
    before = school.members()
    kinds = ClassChat(class_of(school_id)), ParentsChat(class_of(school_id))

    school.live_through(ClassClosed(school_id))
    closed = [(school.chats[kind].archived, set(school.chats[kind].memberships)) for kind in kinds]
    school.live_through(ClassSaved(school_id, school_id))

    assert closed == [(True, {participant(HEAD)})] * 2
    assert school.members() == before
    assert not any(school.chats[kind].archived for kind in kinds)


@pytest.mark.rule("CHAT-24")
@given(histories, st.sampled_from(CLASSES), st.text(min_size=1, max_size=5))
def test_a_class_with_another_id_has_other_chats_even_under_the_same_name(
    history: Sequence[RosterEvent], school_id: str, other_id: str
) -> None:
    school = after([*history, ClassSaved(f"new {other_id}", school_id)])
    known = {chat.id for chat in school.chats.values()}
    kinds = ClassChat(class_of(f"new {other_id}")), ParentsChat(class_of(f"new {other_id}"))

    chats = [create_default_chat(SCHOOL, kind, "") for kind in kinds]
    for chat in chats:
        bring_in_step(chat, Belonging(school.roster, participant(HEAD)), at=MONDAY_0800)

    assert [chat.name for chat in chats] == [school_id, f"{school_id} Родители"]
    assert [set(chat.memberships) for chat in chats] == [{participant(HEAD)}] * 2
    assert known.isdisjoint(chat.id for chat in chats)
