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
from domain.ids import ParticipantId
from domain.participant import Capacity, PositionKind
from domain.roster import Roster

_STAFF = {PositionKind.ADMINISTRATION, PositionKind.PEDAGOGICAL}


def grounds(
    kind: ChatKind, roster: Roster, chat_administrator: ParticipantId | None, by_hand: ByHand = NOTHING_BY_HAND
) -> Grounds:
    """Everybody who belongs in the organization's chat of that kind, with their grounds.

    A ground counts only while the person has the capacity that it rests on (CHAT-32). Who was taken out by hand stays
    out, except for a ground that makes them administrator (CHAT-31). The chat of a closed class or group keeps the
    chat administrator alone (CHAT-24).
    """
    having = {capacity: roster.all_as(capacity) for capacity in Capacity}
    found: defaultdict[ParticipantId, set[Ground]] = defaultdict(set)
    for participant, ground in _claims(kind, roster, chat_administrator, by_hand):
        excluded = participant in by_hand.exclusions and ground.kind not in ADMINISTERING
        if not excluded and participant in having[ground.capacity]:
            found[participant].add(ground)
    return {participant: frozenset(reasons) for participant, reasons in found.items()}


def is_closed(kind: ChatKind, roster: Roster) -> bool:
    """Whether what the chat follows is closed, or unknown to the roster."""
    match kind:
        case ClassChat(class_id) | ParentsChat(class_id):
            return class_id not in roster.classes or roster.classes[class_id].closed
        case SubjectChat(group_id):
            return group_id not in roster.groups or roster.groups[group_id].closed
        case TeachersChat() | OtherChat():
            return False


def _claims(
    kind: ChatKind, roster: Roster, chat_administrator: ParticipantId | None, by_hand: ByHand
) -> Iterator[tuple[ParticipantId, Ground]]:
    if chat_administrator is not None:
        yield chat_administrator, Ground(GroundKind.CHAT_ADMINISTRATOR, Capacity.EMPLOYEE)
    if is_closed(kind, roster):
        return
    for participant, capacity in by_hand.additions:
        yield participant, Ground(GroundKind.ADDED_BY_HAND, capacity)
    match kind:
        case TeachersChat():
            for employee, positions in roster.positions.items():
                if _STAFF & set(positions):
                    yield employee, Ground(GroundKind.STAFF, Capacity.EMPLOYEE)
        case ClassChat(class_id):
            if teacher := roster.classes[class_id].teacher:
                yield teacher, Ground(GroundKind.CLASS_TEACHER, Capacity.EMPLOYEE)
            for pupil in roster.pupils_of(class_id):
                yield pupil, Ground(GroundKind.CLASS_PUPIL, Capacity.PUPIL)
        case ParentsChat(class_id):
            if teacher := roster.classes[class_id].teacher:
                yield teacher, Ground(GroundKind.CLASS_TEACHER, Capacity.EMPLOYEE)
            pupils = roster.pupils_of(class_id)
            for parent, pupil in roster.ties:
                if pupil in pupils:
                    yield parent, Ground(GroundKind.PARENT_OF, Capacity.PARENT, pupil)
        case SubjectChat(group_id):
            group = roster.groups[group_id]
            for teacher in group.teachers:
                yield teacher, Ground(GroundKind.GROUP_TEACHER, Capacity.EMPLOYEE)
            for pupil in group.pupils:
                yield pupil, Ground(GroundKind.GROUP_PUPIL, Capacity.PUPIL)
        case OtherChat():
            pass
