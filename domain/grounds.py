"""Who belongs in which chat, and why: a function of the roster's facts and of the chat administrator (CHAT-30)."""

from collections import defaultdict
from collections.abc import Iterator

from domain.chat import (
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


def grounds(kind: ChatKind, roster: Roster, chat_administrator: ParticipantId | None) -> Grounds:
    """Everybody who belongs in the organization's chat of that kind, with their grounds.

    A ground counts only while the person has the capacity that it rests on (CHAT-32). The chat of a closed class or
    group keeps the chat administrator alone (CHAT-24).
    """
    found: defaultdict[ParticipantId, set[Ground]] = defaultdict(set)
    for participant, ground in _claims(kind, roster, chat_administrator):
        if roster.is_(ground.capacity, participant):
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
    kind: ChatKind, roster: Roster, chat_administrator: ParticipantId | None
) -> Iterator[tuple[ParticipantId, Ground]]:
    if chat_administrator is not None:
        yield chat_administrator, Ground(GroundKind.CHAT_ADMINISTRATOR, Capacity.EMPLOYEE)
    if is_closed(kind, roster):
        return
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
