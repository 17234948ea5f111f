"""The windows in which a chat is made and edited: what each field allows, and every fault of a form at once."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from domain.chat import (
    ADMINISTERING,
    NOTHING_BY_HAND,
    ByHand,
    Chat,
    ChatCreated,
    ChatKind,
    ChatType,
    OtherChat,
    SubjectChat,
)
from domain.errors import Problem, ProblemCode, Refused
from domain.grounds import grounds
from domain.ids import ChatId, GroupId, OrganizationId, ParticipantId
from domain.names import clean, name_problems
from domain.participant import Capacity
from domain.roster import Roster

LONGEST_NAME = 100
MOST_PEOPLE = 1000

LIST_FIELDS = {Capacity.EMPLOYEE: "employeeIds", Capacity.PUPIL: "pupilIds", Capacity.PARENT: "parentIds"}


def capacities_by_hand(type: ChatType) -> frozenset[Capacity]:
    """As what people may be added to a chat by hand (CHAT-10)."""
    match type:
        case ChatType.TEACHERS:
            return frozenset({Capacity.EMPLOYEE})
        case ChatType.CLASS | ChatType.SUBJECT:
            return frozenset({Capacity.EMPLOYEE, Capacity.PUPIL})
        case ChatType.PARENTS:
            return frozenset({Capacity.EMPLOYEE, Capacity.PARENT})
        case ChatType.OTHER:
            return frozenset(Capacity)


@dataclass(frozen=True, slots=True)
class NewChat:
    """The window «Добавление чата»; a list of people left out means the group's, a list given is the whole list."""

    name: str
    type: ChatType
    group_id: GroupId | None = None
    lists: Mapping[Capacity, tuple[ParticipantId, ...]] | None = None


@dataclass(frozen=True, slots=True)
class ChatEdit:
    """The window in which a chat is edited: differences, so that two editors do not undo each other."""

    name: str | None = None
    add: tuple[tuple[ParticipantId, Capacity], ...] = ()
    remove: tuple[ParticipantId, ...] = ()


def make_chat(form: NewChat, *, id: ChatId, organization: OrganizationId, roster: Roster) -> Chat:
    """A chat that a user adds, without members yet (CHAT-07 … CHAT-10).

    Raises:
        Refused: with every problem of the form.
    """
    problems = [
        *name_problems(form.name, most=LONGEST_NAME, required=True),
        *_type_problems(form),
        *_group_problems(form, roster),
    ]
    for capacity, people in (form.lists or {}).items():
        problems += _people_problems([(one, capacity) for one in people], form.type, roster, _in_list(capacity))
    if problems:
        raise Refused(*problems)
    kind: ChatKind = OtherChat() if form.group_id is None else SubjectChat(form.group_id)
    chat = Chat(
        id=id,
        organization_id=organization,
        kind=kind,
        name=clean(form.name),
        by_hand=_by_lists(form.lists or {}, kind, roster),
        named_by_user=True,
    )
    chat.events.append(ChatCreated(id))
    return chat


def edit_chat(chat: Chat, edit: ChatEdit, roster: Roster) -> None:
    """Gives the chat its new name and records who is added and taken out by hand (CHAT-10, CHAT-14, CHAT-31).

    Raises:
        Refused: with every problem of the form.
    """
    problems = [
        *_archive_problems(chat),
        *(name_problems(edit.name, most=LONGEST_NAME, required=True) if edit.name is not None else ()),
        *_people_problems(edit.add, chat.type, roster, lambda place: ("addMembers", str(place))),
        *_removal_problems(chat, edit, roster),
    ]
    if problems:
        raise Refused(*problems)
    name, by_hand = chat.name, chat.by_hand
    if edit.name is not None:
        chat.rename(clean(edit.name))
    known = {participant for participant, _ in by_hand.additions} | chat.memberships.keys()
    for participant in edit.remove:
        # Whom another editor took out meanwhile is out already.
        if participant in known:
            chat.by_hand = chat.by_hand.excluding(participant)
    for participant, capacity in edit.add:
        chat.by_hand = chat.by_hand.adding(participant, capacity)
    if (chat.name, chat.by_hand) != (name, by_hand):
        chat.version += 1


def _by_lists(lists: Mapping[Capacity, Collection[ParticipantId]], kind: ChatKind, roster: Roster) -> ByHand:
    """Whom the given lists add to the group's people, and whom they leave out of them (CHAT-09)."""
    by_hand = NOTHING_BY_HAND
    filled = grounds(kind, roster, None)
    wanted = {participant for people in lists.values() for participant in people}
    for participant, reasons in filled.items():
        listed = {ground.capacity for ground in reasons} <= lists.keys()
        # The roster alone replaces a teacher of the group (CHAT-31).
        teaches = any(ground.kind in ADMINISTERING for ground in reasons)
        if listed and participant not in wanted and not teaches:
            by_hand = by_hand.excluding(participant)
    for capacity, people in lists.items():
        for participant in people:
            if capacity not in {ground.capacity for ground in filled.get(participant, ())}:
                by_hand = by_hand.adding(participant, capacity)
    return by_hand


def _type_problems(form: NewChat) -> Iterator[Problem]:
    if form.type not in {ChatType.SUBJECT, ChatType.OTHER}:
        yield Problem(ProblemCode.NOT_ALLOWED, ("type",))


def _group_problems(form: NewChat, roster: Roster) -> Iterator[Problem]:
    if form.type is not ChatType.SUBJECT:
        if form.group_id is not None:
            yield Problem(ProblemCode.NOT_ALLOWED, ("studyGroupId",))
    elif form.group_id is None:
        yield Problem(ProblemCode.REQUIRED, ("studyGroupId",))
    elif form.group_id not in roster.groups or roster.groups[form.group_id].closed:
        yield Problem(ProblemCode.NOT_FOUND, ("studyGroupId",))


def _archive_problems(chat: Chat) -> Iterator[Problem]:
    if chat.archived:
        yield Problem(ProblemCode.CHAT_ARCHIVED, ("id",))


def _people_problems(
    people: Sequence[tuple[ParticipantId, Capacity]],
    type: ChatType,
    roster: Roster,
    where: Callable[[int], tuple[str, ...]],
) -> Iterator[Problem]:
    if len(people) > MOST_PEOPLE:
        yield Problem(ProblemCode.TOO_MANY, where(0)[:1], {"most": str(MOST_PEOPLE)})
        return
    allowed = capacities_by_hand(type)
    for place, (participant, capacity) in enumerate(people):
        if participant not in roster.people:
            yield Problem(ProblemCode.NOT_FOUND, where(place))
        elif capacity not in allowed or not roster.is_(capacity, participant):
            yield Problem(ProblemCode.CAPACITY_NOT_ALLOWED, where(place))


def _removal_problems(chat: Chat, edit: ChatEdit, roster: Roster) -> Iterator[Problem]:
    if len(edit.remove) > MOST_PEOPLE:
        yield Problem(ProblemCode.TOO_MANY, ("removeMembers",), {"most": str(MOST_PEOPLE)})
        return
    added = {participant for participant, _ in edit.add}
    for place, participant in enumerate(edit.remove):
        where = ("removeMembers", str(place))
        if participant not in roster.people:
            yield Problem(ProblemCode.NOT_FOUND, where)
        elif participant in chat.administrators:
            yield Problem(ProblemCode.CHAT_ADMINISTRATOR_STAYS, where)
        elif participant in added:
            yield Problem(ProblemCode.INVALID, where)


def _in_list(capacity: Capacity) -> Callable[[int], tuple[str, ...]]:
    return lambda place: (LIST_FIELDS[capacity], str(place))
