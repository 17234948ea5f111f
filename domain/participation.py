"""Who takes part in a videoconference, and whose account may start its call."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from domain.chat import Chat, ChatType
from domain.ids import ParticipantId
from domain.participant import Capacity
from domain.roster import StudyGroup
from domain.videoconference import Videoconference, VideoconferenceType

People = Mapping[ParticipantId, frozenset[Capacity]]
Standing = frozenset[tuple[ParticipantId, Capacity]]
"""People and as what they are at the school now."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a conference's people follow from, beside its own additions and removals.

    `group` and `substitute` are its lesson's. `held` are those of `named` who have that capacity now; nobody takes
    part in one that they have no more (CHAT-32).
    """

    chat: Chat
    chat_administrator: ParticipantId | None = None
    group: StudyGroup | None = None
    substitute: ParticipantId | None = None
    held: Standing = frozenset()


def named(
    conference: Videoconference,
    chat_administrator: ParticipantId | None,
    group: StudyGroup | None,
    substitute: ParticipantId | None,
) -> Standing:
    """Whoever takes part by another reason than being a member of the chat, in the capacity in which they come."""
    people = set(conference.additions)
    if substitute is not None:
        people.add((substitute, Capacity.EMPLOYEE))
    if conference.of_group and group is not None:
        people |= {(pupil, Capacity.PUPIL) for pupil in group.pupils}
        people |= {(teacher, Capacity.EMPLOYEE) for teacher in group.teachers}
        if chat_administrator is not None:
            people.add((chat_administrator, Capacity.EMPLOYEE))
    return frozenset(people)


def kinds_that_take_part(type: VideoconferenceType, chat_type: ChatType) -> frozenset[Capacity]:
    """Pupils and employees; parents only in a video call of a parents' chat (CONF-08, CONF-09)."""
    kinds = {Capacity.PUPIL, Capacity.EMPLOYEE}
    if parents_allowed(type, chat_type):
        kinds.add(Capacity.PARENT)
    return frozenset(kinds)


def parents_allowed(type: VideoconferenceType, chat_type: ChatType) -> bool:
    """Whether parents take part at all (CONF-09)."""
    return type is VideoconferenceType.VIDEO_CALL and chat_type is ChatType.PARENTS


def default_participants(type: VideoconferenceType, chat: Chat) -> People:
    """The chat's present members of the kinds that take part; its chat administrator is among its members (CHAT-11)."""
    kinds = kinds_that_take_part(type, chat.type)
    return {
        member: membership.capacities & kinds
        for member, membership in chat.memberships.items()
        if membership.capacities & kinds
    }


def participants(conference: Videoconference, around: Surroundings) -> People:
    """The chat's people, or the group's, and the substitute; plus the added, minus the removed (CONF-25)."""
    people: defaultdict[ParticipantId, set[Capacity]] = defaultdict(set)
    if conference.frozen:
        for person, capacity in conference.additions:
            people[person].add(capacity)
    else:
        if not conference.of_group:
            for member, capacities in default_participants(conference.type, around.chat).items():
                people[member] |= capacities
        others = named(conference, around.chat_administrator, around.group, around.substitute)
        for person, capacity in others & around.held:
            people[person].add(capacity)
    return {person: frozenset(kinds) for person, kinds in people.items() if person not in conference.removals}


def starters(conference: Videoconference, around: Surroundings) -> tuple[ParticipantId, ...]:
    """Whose account starts the call: the first of these who has a working link (CONF-26). Each once, in order."""

    def in_order() -> Iterator[ParticipantId | None]:
        yield around.chat_administrator
        yield around.substitute
        yield from sorted(around.chat.administrators)
        yield conference.made_by
        people = participants(conference, around)
        yield from sorted(person for person, kinds in people.items() if Capacity.EMPLOYEE in kinds)

    return tuple(dict.fromkeys(person for person in in_order() if person is not None))
