"""What waits for somebody of an organization, in words that say what to do."""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Self
from zoneinfo import ZoneInfo

import strawberry

from application.audit_views import AttentionKind, AttentionView
from domain.mirror import MirrorError
from graphql_api.context import Info
from graphql_api.enums import describe
from graphql_api.messages import Language
from graphql_api.participants import Participant

if TYPE_CHECKING:
    from graphql_api.chats import Chat
    from graphql_api.videoconferences import Videoconference

Words = tuple[str, str]
"""In Russian, in English; with places for the chat's and the person's name."""

MESSAGES: dict[AttentionKind, Words] = {
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
    AttentionKind.HUMAN_CHECK_NEEDED: (
        "Чат «{chat}» не обновляется в Сферуме: VK просит подтвердить, что действует человек. Пусть администратор "
        "чатов войдёт в VK под своей учётной записью и пройдёт проверку.",
        "The chat «{chat}» is not kept up in Sferum: VK wants to see that a person acts. Have the chat administrator "
        "log in to VK with their account and pass the check.",
    ),
    AttentionKind.CHAT_BROKEN: (
        "Чат «{chat}» не обновляется в Сферуме: ни одна действующая учётная запись не может его изменить. Попросите "
        "администратора чатов привязать учётную запись заново или войти в этот чат в Сферуме по приглашению.",
        "The chat «{chat}» is not kept up in Sferum: no account that works may change it. Ask the chat administrator "
        "to link their account anew, or to come into that chat in Sferum by invitation.",
    ),
    AttentionKind.MEMBER_REFUSED: (
        "Сферум не добавляет участника {person} в чат «{chat}»: этого не позволяют настройки приватности в VK. "
        "Попросите его разрешить приглашения в чаты или войти по ссылке; обновление повторяется само.",
        "Sferum does not let {person} into the chat «{chat}»: their privacy settings in VK do not allow it. Ask them "
        "to allow invitations to chats, or to come in by the link; it is tried again by itself.",
    ),
    AttentionKind.ORPHAN_QUARANTINED: (
        "Неизвестно, создан ли чат «{chat}» в Сферуме: ответ не пришёл, а учётная запись, от имени которой он "
        "создавался, больше не действует. Попросите её владельца ({person}) привязать её заново.",
        "It is not known whether Sferum made the chat «{chat}»: no answer came, and the account that asked for it "
        "works no more. Ask its owner ({person}) to link it anew.",
    ),
}
OF_CONFERENCE: Words = (
    "Видеоконференция не начинается: VK просит подтвердить, что действует человек. Пусть тот, от чьего имени она "
    "начинается, войдёт в VK под своей учётной записью и пройдёт проверку.",
    "A videoconference does not start: VK wants to see that a person acts. Have the one with whose account it starts "
    "log in to VK and pass the check.",
)
CHAT_FULL: Words = (
    "В чате «{chat}» в Сферуме нет места: новые участники в него не попадут, пока кто-нибудь не выйдет.",
    "The chat «{chat}» is full in Sferum: no more members get in until somebody leaves.",
)
STAYS: Words = (
    "{person} больше не должен быть в чате «{chat}», но остаётся в нём в Сферуме: ни одна учётная запись, которая "
    "может его исключить, не действует. Попросите администратора чатов привязать учётную запись или исключите "
    "участника в Сферуме вручную.",
    "{person} should not be in the chat «{chat}» any more and still is in it in Sferum: no account that may take "
    "them out works. Ask the chat administrator to link their account, or take the person out in Sferum by hand.",
)
SOMEBODY: Words = ("участник без привязки", "a member without a link")

describe(
    AttentionKind,
    "What waits for somebody.",
    {
        "NO_CHAT_ADMINISTRATOR": "The organization has no chat administrator.",
        "CHAT_ADMINISTRATOR_NOT_LINKED": "The chat administrator has no working link to VK ID.",
        "HUMAN_CHECK_NEEDED": "VK wants to see a person before the chat or the videoconference goes on.",
        "CHAT_BROKEN": "A chat's mirror cannot be changed; with a participant: they are in it and should be out.",
        "MEMBER_REFUSED": "Sferum does not let the participant into the chat.",
        "ORPHAN_QUARANTINED": "Sferum may have made the chat, and the account that could tell works no more.",
    },
)


@strawberry.type(description="Something that waits for somebody.")
class AttentionItem:
    """An item of the organization's list."""

    kind: AttentionKind = strawberry.field(description="What it is.")
    since: datetime = strawberry.field(description="Since when it waits, in the organization's offset.")
    message: str = strawberry.field(description="What it is and what to do, for people to read.")
    participant: Participant | None = strawberry.field(description="Whom it is about.")
    view: strawberry.Private[AttentionView]

    @strawberry.field(description="Which chat it is about; null also for a deleted one.")
    async def chat(self, info: Info) -> Annotated["Chat", strawberry.lazy("graphql_api.chats")] | None:
        """Read in one statement for all chats of the operation."""
        # A chat is asked of its organization, which shows what waits, so each of the two modules needs the other.
        from graphql_api.chats import chat_by_id

        return None if self.view.chat is None else await chat_by_id(info, self.view.chat)

    @strawberry.field(description="Which videoconference it is about.")
    async def videoconference(
        self, info: Info
    ) -> Annotated["Videoconference", strawberry.lazy("graphql_api.videoconferences")] | None:
        """Read in one statement for all conferences of the operation."""
        from graphql_api.videoconferences import videoconference_by_id

        id = self.view.videoconference
        return None if id is None else await videoconference_by_id(info, id)

    @classmethod
    def of(cls, view: AttentionView, time_zone: str, language: Language) -> Self:
        """The item of a view."""
        return cls(
            kind=view.kind,
            since=view.since.astimezone(ZoneInfo(time_zone)),
            message=message_of(view, language),
            participant=Participant.maybe(view.participant),
            view=view,
        )


def message_of(view: AttentionView, language: Language) -> str:
    """What it is and what to do."""
    words, somebody = _in(language, _words(view), SOMEBODY)
    person = somebody if view.participant is None else view.participant.full_name
    return _capitalized(words.format(chat=view.chat_name, person=person))


def _words(view: AttentionView) -> Words:
    if view.stays:
        return STAYS
    if view.error is MirrorError.CHAT_FULL:
        return CHAT_FULL
    return MESSAGES[view.kind] if view.videoconference is None else OF_CONFERENCE


def _in(language: Language, *words: Words) -> Iterator[str]:
    return (russian if language == "ru" else english for russian, english in words)


def _capitalized(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
