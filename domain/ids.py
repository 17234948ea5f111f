"""Names of things: what the school system calls them, and what we call them.

Whatever the school system knows by an id of its own gets an id derived from it, so that the same class, whenever and
by whichever way it arrives, is the same class here, and its chats are the same chats.
"""

from typing import NewType
from uuid import UUID, uuid5

OrganizationId = NewType("OrganizationId", UUID)
ParticipantId = NewType("ParticipantId", UUID)
"""A person in one organization."""
ClassId = NewType("ClassId", UUID)
SubjectId = NewType("SubjectId", UUID)
GroupId = NewType("GroupId", UUID)
LessonId = NewType("LessonId", UUID)
ChatId = NewType("ChatId", UUID)
VideoconferenceId = NewType("VideoconferenceId", UUID)
RoleId = NewType("RoleId", UUID)
CallId = NewType("CallId", UUID)
"""Our own id of one attempt to hold a call in Sferum; the call's name there carries it (SYNC-03)."""

PersonId = NewType("PersonId", str)
"""A person in the school system, the `sub` of their tokens, the same in every organization."""

_ROOT = UUID("6d1f0b52-7f0c-5c55-9d0e-2f6c3a1b8e47")


def organization_id(school_id: str) -> OrganizationId:
    """The organization that the school system knows by `school_id`."""
    return OrganizationId(uuid5(_ROOT, school_id))


def participant_id(organization: OrganizationId, person: PersonId) -> ParticipantId:
    """The person as a participant in that organization."""
    return ParticipantId(uuid5(organization, f"person/{person}"))


def class_id(organization: OrganizationId, school_id: str) -> ClassId:
    """The class that the school system knows by `school_id`."""
    return ClassId(uuid5(organization, f"class/{school_id}"))


def subject_id(organization: OrganizationId, name: str) -> SubjectId:
    """The subject of that name."""
    return SubjectId(uuid5(organization, f"subject/{name}"))


def group_id(organization: OrganizationId, school_id: str) -> GroupId:
    """The study group that the school system knows by `school_id`."""
    return GroupId(uuid5(organization, f"group/{school_id}"))


def lesson_id(organization: OrganizationId, school_id: str) -> LessonId:
    """The lesson that the school system knows by `school_id`."""
    return LessonId(uuid5(organization, f"lesson/{school_id}"))


def default_chat_id(organization: OrganizationId, what: str, of: UUID | None = None) -> ChatId:
    """The one default chat of a kind, of the organization or a class: there cannot be a second (CHAT-02 … CHAT-04)."""
    return ChatId(uuid5(organization, f"chat/{what}/{of or ''}"))


def account_id(person: PersonId) -> UUID:
    """The person's school account, whatever the organization."""
    return uuid5(_ROOT, f"account/{person}")


def role_id(name: str) -> RoleId:
    """The installation's role of that name."""
    return RoleId(uuid5(_ROOT, f"role/{name}"))
