"""Who belongs in which chat, and why.

A function of the roster's facts, of the chat administrator, and of what people did by hand, and of nothing else
(CHAT-30 … CHAT-32).
"""

from collections import defaultdict
from collections.abc import Iterator

from domain.chat import (
    ADMINISTERING,
    NOTHING_BY_HAND,
    ByHand,
    ChatKind,
    ClassChat,
    Ground,
    GroundKind,
    Grounds,
    OtherChat,
    ParentsChat,
    SubjectChat,
    TeachersChat,
)
from domain.ids import ClassId, ParticipantId
from domain.participant import Capacity, PositionKind
from domain.roster import Roster

_STAFF = {PositionKind.ADMINISTRATION, PositionKind.PEDAGOGICAL}


class Belonging:
    """The roster looked at once, to be asked for many chats; it must not change meanwhile."""

    def __init__(self, roster: Roster, chat_administrator: ParticipantId | None) -> None:
        self.roster = roster
        self._chat_administrator = chat_administrator
        self._having = {capacity: roster.all_as(capacity) for capacity in Capacity}
        self._pupils_of: defaultdict[ClassId, list[ParticipantId]] = defaultdict(list)
        for pupil, school_class in roster.enrolments.items():
            if school_class is not None:
                self._pupils_of[school_class].append(pupil)
        self._parents_of: defaultdict[ParticipantId, list[ParticipantId]] = defaultdict(list)
        for parent, pupil in roster.ties:
            self._parents_of[pupil].append(parent)

    def grounds(self, kind: ChatKind, by_hand: ByHand = NOTHING_BY_HAND) -> Grounds:
        """Everybody who belongs in the organization's chat of that kind, with their grounds.

        A ground counts only while the person has the capacity that it rests on (CHAT-32). Who was taken out by hand
        stays out, except for a ground that makes them administrator (CHAT-31). The chat of a closed class or group
        keeps the chat administrator alone (CHAT-24).
        """
        found: defaultdict[ParticipantId, set[Ground]] = defaultdict(set)
        for participant, ground in self._claims(kind, by_hand):
            excluded = participant in by_hand.exclusions and ground.kind not in ADMINISTERING
            if not excluded and participant in self._having[ground.capacity]:
                found[participant].add(ground)
        return {participant: frozenset(reasons) for participant, reasons in found.items()}

    def _claims(self, kind: ChatKind, by_hand: ByHand) -> Iterator[tuple[ParticipantId, Ground]]:
        if self._chat_administrator is not None:
            yield self._chat_administrator, Ground(GroundKind.CHAT_ADMINISTRATOR, Capacity.EMPLOYEE)
        if is_closed(kind, self.roster):
            return
        for participant, capacity in by_hand.additions:
            yield participant, Ground(GroundKind.ADDED_BY_HAND, capacity)
        match kind:
            case TeachersChat():
                for employee, positions in self.roster.positions.items():
                    if _STAFF & set(positions):
                        yield employee, Ground(GroundKind.STAFF, Capacity.EMPLOYEE)
            case ClassChat(class_id):
                yield from self._class_teacher(class_id)
                for pupil in self._pupils_of[class_id]:
                    yield pupil, Ground(GroundKind.CLASS_PUPIL, Capacity.PUPIL)
            case ParentsChat(class_id):
                yield from self._class_teacher(class_id)
                for pupil in self._pupils_of[class_id]:
                    for parent in self._parents_of[pupil]:
                        yield parent, Ground(GroundKind.PARENT_OF, Capacity.PARENT, pupil)
            case SubjectChat(group_id):
                group = self.roster.groups[group_id]
                for teacher in group.teachers:
                    yield teacher, Ground(GroundKind.GROUP_TEACHER, Capacity.EMPLOYEE)
                for pupil in group.pupils:
                    yield pupil, Ground(GroundKind.GROUP_PUPIL, Capacity.PUPIL)
            case OtherChat():
                pass

    def _class_teacher(self, class_id: ClassId) -> Iterator[tuple[ParticipantId, Ground]]:
        if teacher := self.roster.classes[class_id].teacher:
            yield teacher, Ground(GroundKind.CLASS_TEACHER, Capacity.EMPLOYEE)


def grounds(
    kind: ChatKind, roster: Roster, chat_administrator: ParticipantId | None, by_hand: ByHand = NOTHING_BY_HAND
) -> Grounds:
    """The same for a single chat."""
    return Belonging(roster, chat_administrator).grounds(kind, by_hand)


def is_closed(kind: ChatKind, roster: Roster) -> bool:
    """Whether what the chat follows is closed, or unknown to the roster."""
    match kind:
        case ClassChat(class_id) | ParentsChat(class_id):
            return class_id not in roster.classes or roster.classes[class_id].closed
        case SubjectChat(group_id):
            return group_id not in roster.groups or roster.groups[group_id].closed
        case TeachersChat() | OtherChat():
            return False
