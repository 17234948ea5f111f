"""The domain's enumerations as clients see them, each value described."""

from enum import Enum
from typing import TypeVar

import strawberry
from strawberry.types.enum import StrawberryEnumDefinition

from application.videoconferences import JoinRefusalReason
from application.views import ChatOrderField, VideoconferenceOrderField
from domain.access import (
    ChatAction,
    LessonAction,
    MetaRole,
    OrganizationAction,
    Permission,
    VideoconferenceAction,
)
from domain.account_link import AccountLinkStatus
from domain.audit import AuditCause
from domain.chat import ChatType, GroundKind, MembershipRole
from domain.errors import ProblemCode
from domain.mirror import MirrorError, MirrorState, SferumState
from domain.participant import Capacity, PositionKind
from domain.videoconference import FailureReason, FinishedBy, VideoconferenceStatus, VideoconferenceType
from graphql_api.messages import MESSAGES

E = TypeVar("E", bound=type[Enum])


@strawberry.enum(description="Which way a list is sorted.")
class OrderDirection(Enum):
    """Directions."""

    ASC = strawberry.enum_value("ASC", description="The least first.")
    DESC = strawberry.enum_value("DESC", description="The greatest first.")


def describe(enumeration: E, description: str, values: dict[str, str]) -> None:
    """Makes a domain enumeration known to the schema, with a description for it and for each of its values."""
    strawberry.enum(enumeration, description=description)
    definition: StrawberryEnumDefinition = enumeration.__strawberry_definition__  # type: ignore[attr-defined]
    for value in definition.values:
        value.description = values[value.name]


describe(
    MetaRole,
    "What holds all rights on the Sferum registry by default.",
    {
        "SUPERADMINISTRATOR": "Works in every organization.",
        "ORGANIZATION_ADMINISTRATOR": "Holds the role in the school system.",
        "CHAT_ADMINISTRATOR": "Is chosen in the organization's settings.",
    },
)
describe(
    Permission,
    "A permission of the module «Сферум».",
    {
        "REGISTRY_VIEW": "Sees every chat and conference of the organization.",
        "CHAT_CREATE": "Creates chats.",
        "CHAT_EDIT": "Edits chats.",
        "CHAT_DELETE": "Deletes chats.",
        "CONFERENCE_CREATE": "Creates videoconferences.",
        "CONFERENCE_EDIT": "Edits videoconferences.",
        "CONFERENCE_FINISH": "Finishes videoconferences.",
        "CONFERENCE_DELETE": "Deletes videoconferences.",
    },
)
describe(
    AccountLinkStatus,
    "Whether the school account is linked to an education profile of VK ID.",
    {
        "NOT_LINKED": "It is not; the front end offers linking.",
        "LINKED": "It is, and the link works.",
        "BROKEN": "It was, and VK ID withdrew it: link anew.",
    },
)
describe(
    ChatType,
    "The type of a chat; the first three are made by the system itself.",
    {
        "TEACHERS": "«Учительский чат», one in an organization.",
        "CLASS": "«Классный чат», one for each class.",
        "PARENTS": "«Родительский чат», one for each class.",
        "SUBJECT": "«Предмет», of a study group.",
        "OTHER": "«Другое».",
    },
)
describe(
    MembershipRole,
    "What a member may do in the chat itself.",
    {"MEMBER": "Takes part.", "ADMINISTRATOR": "Administers the chat."},
)
describe(
    GroundKind,
    "Why somebody is in a chat; who has lost the last ground leaves.",
    {
        "CHAT_ADMINISTRATOR": "Administers the organization's chats.",
        "STAFF": "Works in a position of kind ADMINISTRATION or PEDAGOGICAL.",
        "CLASS_TEACHER": "Is the class teacher.",
        "CLASS_PUPIL": "Is a pupil of the class.",
        "PARENT_OF": "Is a parent of a pupil of the class.",
        "GROUP_TEACHER": "Teaches the study group.",
        "GROUP_PUPIL": "Learns in the study group.",
        "ADDED_BY_HAND": "Was added by somebody who may edit the chat; holds while they have the capacity.",
    },
)
describe(
    ChatAction,
    "What the viewer may do with a chat.",
    {
        "EDIT": "Rename it, add and remove members.",
        "DELETE": "Delete it.",
        "RESYNC": "Have its mirror in Sferum compared at once.",
        "CREATE_VIDEOCONFERENCE": "Make a videoconference for it.",
    },
)
describe(
    ChatOrderField,
    "A column of the registry of chats.",
    {
        "CREATED": "The order of creation, in which they stand unless asked otherwise.",
        "NAME": "The name, numbers in it by their value.",
        "TYPE": "The type, in the order of the enumeration.",
        "SCHOOL_CLASS": "The class, by number and letter; those without one last, either way.",
        "SUBJECT": "The subject; those without one last, either way.",
        "MEMBER_COUNT": "How many people are in it.",
        "ADMINISTRATOR": "The chat administrator, who is the same in all chats of an organization.",
    },
)
describe(
    OrganizationAction,
    "What the viewer may do in an organization.",
    {
        "CREATE_CHAT": "Add chats.",
        "CREATE_VIDEOCONFERENCE": "Add videoconferences, for some chat at least.",
        "SET_CHAT_ADMINISTRATOR": "Choose the chat administrator.",
        "READ_AUDIT": "Read who changed what.",
    },
)
describe(
    AuditCause,
    "For what cause something was changed.",
    {
        "USER": "Somebody did it.",
        "SCHEDULE": "Its time came.",
        "ROSTER": "The school system told of it.",
        "SFERUM": "It happened in Sferum.",
    },
)
describe(
    Capacity,
    "As what a person of the school takes part.",
    {"EMPLOYEE": "Works at the school.", "PUPIL": "Learns at the school.", "PARENT": "Has a child at the school."},
)
describe(
    PositionKind,
    "The kind of an employee's position.",
    {
        "ADMINISTRATION": "«Администрация».",
        "PEDAGOGICAL": "«Педагогический состав».",
        "OTHER": "Any other; not in the teachers' chat.",
    },
)
describe(
    VideoconferenceType,
    "The type of a videoconference.",
    {"ONLINE_LESSON": "«Онлайн-урок».", "VIDEO_CALL": "«Видеозвонок»."},
)
describe(
    VideoconferenceStatus,
    "Where a videoconference stands.",
    {
        "SCHEDULED": "Waits for its start.",
        "STARTING": "Its call is being prepared; nobody is shown the link.",
        "ACTIVE": "«Активная»: people may connect.",
        "FINISHED": "Was active and is over.",
        "FAILED": "Its end came before it could start.",
    },
)
describe(
    FinishedBy,
    "What ended a videoconference.",
    {"SCHEDULE": "Its end came.", "USER": "Somebody finished it.", "SFERUM": "The call ended in Sferum."},
)
describe(
    FailureReason,
    "Why a videoconference does not start, or never did.",
    {
        "NO_LINKED_STARTER": "Nobody who may start it has a working link to VK ID.",
        "SFERUM_UNAVAILABLE": "Sferum did not answer.",
        "SFERUM_REFUSED": "Sferum refused.",
        "HUMAN_CHECK_NEEDED": "VK wants to see a person first.",
        "SERVICE_DOWN": "The service was down over its whole time.",
    },
)
describe(
    VideoconferenceAction,
    "What the viewer may do with a videoconference as it is now.",
    {
        "EDIT": "Change it; while it is active its name, end and participants alone.",
        "FINISH": "End it before its time.",
        "DELETE": "Delete it; an active one is ended first.",
        "JOIN": "Connect to it.",
        "READ_JOINS": "Read who asked for the link.",
    },
)
describe(
    VideoconferenceOrderField,
    "A column of the registry of videoconferences.",
    {
        "STARTS_AT": "When it starts.",
        "ENDS_AT": "When it ends.",
        "NAME": "The name, numbers in it by their value.",
        "TYPE": "The type, in the order of the enumeration.",
        "CHAT": "The chat's name, numbers in it by their value.",
        "LESSON": "The lesson: its study group's name, then its start; those without one last, either way.",
        "STATUS": "The status, in the order of the enumeration.",
    },
)
describe(
    JoinRefusalReason,
    "Why somebody does not get the link.",
    {
        "NOT_STARTED": "Its start has not come, or it could not be started yet.",
        "STARTING": "It is about to begin.",
        "OVER": "It is over.",
        "FAILED": "It never started.",
        "NOT_A_PARTICIPANT": "They do not take part.",
        "BLOCKED": "They are blocked in the school system.",
    },
)
describe(
    LessonAction,
    "What the viewer may do from a lesson of the journal.",
    {
        "CREATE_ONLINE_LESSON": "Make its online lesson.",
        "CONNECT": "Connect to its online lesson, which is active.",
        "FINISH": "End its online lesson before its time.",
    },
)
describe(
    MirrorState,
    "How a chat's mirror in Sferum is.",
    {
        "NOT_NEEDED": "No member is linked; Sferum has no such chat.",
        "WAITING_FOR_CHAT_ADMINISTRATOR": "It goes on when the organization's chat administrator has linked.",
        "IN_STEP": "Sferum's chat has the same title, and in it are those who should be, with their roles.",
        "BEHIND": "Something is still to be done; it goes on by itself.",
        "BROKEN": "Somebody has to do something first; see Organization.attention.",
        "ARCHIVED": "The chat is archived, and its mirror is emptied.",
    },
)
describe(
    MirrorError,
    "What the last try to bring a mirror in step met.",
    {
        "UNAVAILABLE": "Sferum did not answer, or not for certain; it is tried again.",
        "RATE_LIMITED": "Sferum wants slower work; it is tried again.",
        "RELINK_NEEDED": "The link of the account that is used works no more: it is to be linked anew.",
        "HUMAN_CHECK_NEEDED": "VK wants to see a person first: who owns the account logs in to VK.",
        "NO_PERMISSION": "No account that works may change the chat.",
        "CHAT_LOST": "Sferum has the chat no more; another one is made.",
        "CHAT_FULL": "Sferum lets no more people into the chat.",
    },
)
describe(
    SferumState,
    "Where a member of a chat stands in its mirror.",
    {
        "NOT_LINKED": "Has not linked an education profile, so is not in Sferum.",
        "PENDING": "Is linked and will be let in by itself.",
        "IN_CHAT": "Is in the chat in Sferum.",
        "REFUSED": "Sferum does not let them in; see Membership.refusal.",
        "BLOCKED": "Is blocked in the school system, so is not in Sferum.",
    },
)
describe(
    ProblemCode,
    "What is wrong with a request; the codes do not change with the language.",
    {code.value: english for code, (_, english) in MESSAGES.items()},
)
