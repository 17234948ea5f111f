"""Who takes part in a videoconference, and whose account may start its call."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from domain.chat import Chat, ChatType
from domain.ids import ParticipantId
from domain.participant import Capacity
from domain.videoconference import Videoconference, VideoconferenceType

Additions = frozenset[tuple[ParticipantId, Capacity]]
"""People and as what somebody added them."""
People = Mapping[ParticipantId, frozenset[Capacity]]


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


def participants(conference: Videoconference, chat: Chat, held: Additions) -> People:
    """The chat's people plus whom a user added minus whom a user took out (CONF-25).

    `held` are those of the additions whose capacity the person has now; the others do not count (CHAT-32).
    """
    people: defaultdict[ParticipantId, set[Capacity]] = defaultdict(set)
    for member, capacities in default_participants(conference.type, chat).items():
        people[member] |= capacities
    for added, capacity in conference.additions & held:
        people[added].add(capacity)
    return {person: frozenset(kinds) for person, kinds in people.items() if person not in conference.removals}


def starters(
    conference: Videoconference,
    chat: Chat,
    chat_administrator: ParticipantId | None,
    substitute: ParticipantId | None,
    held: Additions,
) -> tuple[ParticipantId, ...]:
    """Whose account starts the call: the first of these who has a working link (CONF-26). Each once, in order."""

    def in_order() -> Iterator[ParticipantId | None]:
        yield chat_administrator
        yield substitute
        yield from sorted(chat.administrators)
        yield conference.made_by
        people = participants(conference, chat, held)
        yield from sorted(person for person, kinds in people.items() if Capacity.EMPLOYEE in kinds)

    return tuple(dict.fromkeys(person for person in in_order() if person is not None))
