"""What waits for somebody of an organization, in words that say what to do."""

from datetime import datetime
from typing import Self
from zoneinfo import ZoneInfo

import strawberry

from application.audit_views import AttentionKind, AttentionView
from graphql_api.enums import describe
from graphql_api.messages import Language
from graphql_api.participants import Participant

MESSAGES: dict[AttentionKind, tuple[str, str]] = {
    AttentionKind.NO_CHAT_ADMINISTRATOR: (
        "У организации нет администратора чатов. Выберите его в настройках организации.",
        "The organization has no chat administrator. Choose one in the organization's settings.",
    ),
    AttentionKind.CHAT_ADMINISTRATOR_NOT_LINKED: (
        "Учётная запись администратора чатов не привязана к VK ID. Попросите его привязать её "
        "или выберите другого администратора чатов.",
        "The chat administrator's account is not linked to VK ID. Ask them to link it, "
        "or choose another chat administrator.",
    ),
}

describe(
    AttentionKind,
    "What waits for somebody.",
    {
        "NO_CHAT_ADMINISTRATOR": "The organization has no chat administrator.",
        "CHAT_ADMINISTRATOR_NOT_LINKED": "The chat administrator has no working link to VK ID.",
    },
)


@strawberry.type(description="Something that waits for somebody.")
class AttentionItem:
    """An item of the organization's list."""

    kind: AttentionKind = strawberry.field(description="What it is.")
    since: datetime = strawberry.field(description="Since when it waits, in the organization's offset.")
    message: str = strawberry.field(description="What it is and what to do, for people to read.")
    participant: Participant | None = strawberry.field(description="Whom it is about.")

    @classmethod
    def of(cls, view: AttentionView, time_zone: str, language: Language) -> Self:
        """The item of a view."""
        russian, english = MESSAGES[view.kind]
        return cls(
            kind=view.kind,
            since=view.since.astimezone(ZoneInfo(time_zone)),
            message=russian if language == "ru" else english,
            participant=Participant.maybe(view.participant),
        )
