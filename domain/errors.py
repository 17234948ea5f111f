"""What a user is told when the answer is no: every fault at once, each with a code that never changes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class ProblemCode(StrEnum):
    """Codes of refusals; front ends are written against them."""

    NOT_FOUND = "NOT_FOUND"
    FORBIDDEN = "FORBIDDEN"
    REQUIRED = "REQUIRED"
    NOT_ALLOWED = "NOT_ALLOWED"
    INVALID = "INVALID"
    TOO_LONG = "TOO_LONG"
    TOO_MANY = "TOO_MANY"
    NOT_CONFIRMED = "NOT_CONFIRMED"
    DEFAULT_CHAT = "DEFAULT_CHAT"
    CHAT_HAS_VIDEOCONFERENCES = "CHAT_HAS_VIDEOCONFERENCES"
    CHAT_ADMINISTRATOR_STAYS = "CHAT_ADMINISTRATOR_STAYS"
    ORGANIZATION_REQUIRED = "ORGANIZATION_REQUIRED"
    NOT_IN_ADMINISTRATORS_REGISTRY = "NOT_IN_ADMINISTRATORS_REGISTRY"
    CAPACITY_NOT_ALLOWED = "CAPACITY_NOT_ALLOWED"
    CHAT_ARCHIVED = "CHAT_ARCHIVED"
    END_NOT_AFTER_START = "END_NOT_AFTER_START"
    END_IN_PAST = "END_IN_PAST"
    TOO_LONG_A_VIDEOCONFERENCE = "TOO_LONG_A_VIDEOCONFERENCE"
    TOO_FAR_AHEAD = "TOO_FAR_AHEAD"
    LESSON_REQUIRED = "LESSON_REQUIRED"
    LESSON_NOT_ALLOWED = "LESSON_NOT_ALLOWED"
    LESSON_OF_ANOTHER_GROUP = "LESSON_OF_ANOTHER_GROUP"
    LESSON_OVER = "LESSON_OVER"
    LESSON_HAS_ONLINE_LESSON = "LESSON_HAS_ONLINE_LESSON"
    SUBJECT_CHAT_NEEDED = "SUBJECT_CHAT_NEEDED"
    PARENTS_NOT_ALLOWED = "PARENTS_NOT_ALLOWED"
    WRONG_STATUS = "WRONG_STATUS"
    PROFILE_ALREADY_LINKED = "PROFILE_ALREADY_LINKED"
    ALREADY_LINKED = "ALREADY_LINKED"
    NOT_LINKED = "NOT_LINKED"
    STATE_UNKNOWN = "STATE_UNKNOWN"
    STATE_EXPIRED = "STATE_EXPIRED"
    STATE_USED = "STATE_USED"
    STATE_OF_ANOTHER_USER = "STATE_OF_ANOTHER_USER"
    AUTHORIZATION_DENIED = "AUTHORIZATION_DENIED"
    RETURN_ADDRESS_NOT_ALLOWED = "RETURN_ADDRESS_NOT_ALLOWED"
    IDEMPOTENCY_KEY_REUSED = "IDEMPOTENCY_KEY_REUSED"
    EVENT_IMPOSSIBLE = "EVENT_IMPOSSIBLE"
    TRY_AGAIN = "TRY_AGAIN"


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of a request: its code, the argument at fault as a path, and facts for the message."""

    code: ProblemCode
    path: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)


class Refused(Exception):
    """The request is understood and not carried out; nothing has changed."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__(", ".join(f"{problem.code} at {'.'.join(problem.path)}" for problem in problems))
        self.problems = problems


def refuse(code: ProblemCode, *path: str, **facts: str) -> Refused:
    """A refusal with a single problem."""
    return Refused(Problem(code, path, facts))


class ImpossibleStep(Exception):
    """A step that the state machine does not have; a defect in the caller, never shown to users."""
