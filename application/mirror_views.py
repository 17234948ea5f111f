"""What people see of the chats' mirrors in Sferum (SYNC-04)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from application.views import Claims, Leave, Listener
from domain.ids import ChatId, OrganizationId
from domain.mirror import MirrorError, MirrorState


@dataclass(frozen=True, slots=True)
class ChatMirrorView:
    """One chat's mirror. `in_sferum` and `pending` are members of the chat, `leaving` whoever else is in the mirror."""

    state: MirrorState
    in_sferum: int
    pending: int
    leaving: int
    behind_since: datetime | None
    error: MirrorError | None
    time_zone: str


@dataclass(frozen=True, slots=True)
class OrganizationMirrorView:
    """How many mirrors of an organization's chats are in which state, and since when the oldest is not in step."""

    in_step: int
    behind: int
    waiting: int
    broken: int
    oldest_behind_since: datetime | None


class MirrorViews(Protocol):
    """Reads of mirrors; the caller has made sure that the viewer may see them."""

    async def chat_mirrors(self, chats: Sequence[ChatId]) -> Mapping[ChatId, ChatMirrorView]:
        """The mirror of each chat that is not deleted."""

    async def organization_mirrors(
        self, organizations: Sequence[OrganizationId]
    ) -> Mapping[OrganizationId, OrganizationMirrorView]:
        """Of each organization's chats that are not deleted."""


class MirrorChanges(Protocol):
    """Changes of mirrors as they happen; rights are looked at each time."""

    def watch(self, id: ChatId, claims: Claims, listener: Listener[ChatMirrorView]) -> Leave:
        """The mirror's present state soon, then each other state that it is seen in; the end with the right to it."""
