"""One attempt to make a chat in Sferum, from before it is asked for until nothing of it can turn up any more (SYNC-03).

Sferum has no idempotency key: the chat's first title carries the attempt's mark, by which it is found there again.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NewType
from uuid import UUID

from domain.ids import ChatId, PersonId

ChatRequestId = NewType("ChatRequestId", UUID)

WATCH_FOR_STRAYS = timedelta(minutes=10)
"""How long after it was asked for a chat may still turn up in Sferum, a first time or once more."""
LOOK_EVERY = timedelta(seconds=20)
"""So that a stray is emptied within a minute of turning up (SYNC-03)."""
GIVE_UP_AFTER = timedelta(seconds=5)
"""A chat whose answer was lost and that is not seen in Sferum by then is asked for anew."""
_MARK = re.compile(r"^#([0-9a-f]{32})\b")


@dataclass(slots=True, kw_only=True, eq=False)
class ChatRequest:
    """`number` is Sferum's number, for `account`, of the chat that came of it; `given_up`: none is waited for."""

    id: ChatRequestId
    chat_id: ChatId
    account: PersonId
    profile: str
    asked_at: datetime
    number: str | None = None
    given_up: bool = False
    due_at: datetime | None = None

    @property
    def title(self) -> str:
        """What Sferum is asked to call the chat until we know its number: nothing of the school's."""
        return f"#{self.id.hex}"

    def made(self, number: str, *, at: datetime) -> None:
        """Sferum made it. Whether it made a second one is watched."""
        self.number = number
        self.due_at = at + LOOK_EVERY

    def may_be_given_up(self, at: datetime) -> bool:
        """Whether who looked and did not find it may ask anew."""
        return at - self.asked_at >= GIVE_UP_AFTER

    def give_up(self, *, at: datetime) -> None:
        """It is not waited for any more; if it turns up, it is a stray."""
        self.given_up = True
        self.due_at = at

    def refused(self) -> None:
        """Sferum said for certain that it made nothing."""
        self.given_up = True
        self.due_at = None

    def is_stray(self, number: str) -> bool:
        """Whether a chat that carries the mark is not the one that was waited for."""
        return self.number != number if self.number is not None else self.given_up

    def look(self, *, at: datetime) -> None:
        """Somebody is about to look for strays of it; should nothing be heard of that, it is due again."""
        # Ever more seldom while the account does not work.
        self.due_at = at + max(LOOK_EVERY, (at - self.asked_at) / 20)

    def looked(self, *, at: datetime) -> None:
        """Sferum answered that there are none, or they were emptied; `at` is when it was asked."""
        if self.due_at is not None and at - self.asked_at >= WATCH_FOR_STRAYS:
            self.due_at = None


def marked(title: str) -> ChatRequestId | None:
    """Whose mark a title carries."""
    found = _MARK.search(title)
    return ChatRequestId(UUID(found.group(1))) if found else None
