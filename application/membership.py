"""Chats are brought in step with the roster's facts: the one way in which membership changes."""

from collections.abc import Collection, Iterable
from datetime import datetime

from application.calls import save_with_calls
from application.online_lessons import drop_lessons_of
from application.ports import UnitOfWork
from domain.chat import (
    Chat,
    ChatKind,
    ClassChat,
    OtherChat,
    ParentsChat,
    SubjectChat,
    TeachersChat,
    create_default_chat,
)
from domain.grounds import Belonging, is_closed
from domain.ids import ParticipantId
from domain.organization import Organization
from domain.roster import Roster


async def follow(
    uow: UnitOfWork,
    organization: Organization,
    roster: Roster,
    touched: Collection[ChatKind] | None,
    at: datetime,
    *,
    concerned: Collection[ParticipantId] = (),
) -> None:
    """Saves the organization and its roster, and brings its chats in step with them.

    `touched` are the kinds of chats to look at (None: all). `concerned` are people whose capacities may be others
    now: chats to which somebody added them by hand are looked at too (CHAT-32).
    """
    roster.note_idle(at=at)
    if organization.let_go_chat_administrator(roster, at=at):
        touched = None
    await uow.organizations.save(organization)
    await uow.rosters.save(roster)
    chats = await uow.chats.following(organization.id, touched, having_added=concerned)
    present = {chat.kind for chat in chats}
    chats += [
        create_default_chat(organization.id, kind, _default_name(kind, roster) or "")
        for kind in _default_kinds(roster)
        if (touched is None or kind in touched) and kind not in present
    ]
    await bring_all_in_step(uow, chats, roster, organization.chat_administrator, at)
    closed = [
        group
        for group in roster.groups.values()
        if group.closed and (touched is None or SubjectChat(group.id) in touched)
    ]
    await drop_lessons_of(uow, closed, at=at)


async def bring_all_in_step(
    uow: UnitOfWork,
    chats: Collection[Chat],
    roster: Roster,
    chat_administrator: ParticipantId | None,
    at: datetime,
) -> None:
    """Brings the chats in step and saves them; what is scheduled in an archived one is deleted (CHAT-24)."""
    belonging = Belonging(roster, chat_administrator)
    for chat in chats:
        bring_in_step(chat, belonging, at=at)
    await uow.chats.save_all(list(chats))
    archived = [chat.id for chat in chats if chat.archived]
    for conference in await uow.videoconferences.unfinished_of(archived):
        if not conference.is_active:
            conference.delete(at=at)
            await save_with_calls(uow, conference, at=at)


def bring_in_step(chat: Chat, belonging: Belonging, *, at: datetime) -> None:
    """Makes a chat what the facts say: open or archived, its default name, its members. Idempotent."""
    if is_closed(chat.kind, belonging.roster):
        chat.archive()
    else:
        chat.reopen()
        if name := _default_name(chat.kind, belonging.roster):
            chat.take_name_of_class(name)
    chat.follow(belonging.grounds(chat.kind, chat.by_hand), at=at)


def _default_kinds(roster: Roster) -> Iterable[ClassChat | ParentsChat]:
    """In the order in which the classes became known, which is the registry's order."""
    for id in roster.classes:
        yield ClassChat(id)
        yield ParentsChat(id)


def _default_name(kind: ChatKind, roster: Roster) -> str | None:
    match kind:
        case ClassChat(class_id):
            return roster.classes[class_id].name
        case ParentsChat(class_id):
            return f"{roster.classes[class_id].name} Родители"
        case TeachersChat() | SubjectChat() | OtherChat():
            return None
