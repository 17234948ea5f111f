"""Chats over the VK API (reference vk.md, 2.6).

Methods, parameters and answers are VK's published schema, but for what is marked CONTRACT: seen in the field under
that name, in a shape that is agreed with us.
"""

from collections.abc import Sequence
from typing import Any

from application.ports import MessengerFailed, SeenChat, Trouble
from domain.ids import PersonId
from domain.mirror import Admit, Held, Remove, Rename, SetRole, Step
from infrastructure.sferum.client import Call, Client, entries, flag, items, number, text, undone, unusable

CHAT_PEER = 2_000_000_000
CHATS_A_PAGE = 200
MEMBERS_A_PAGE = 1000
MOST_PAGES = 500
"""Against a host that never comes to an end."""
TRIES = 3
"""How often a list that changes while it is read is begun anew."""


class ChatsOverVk:
    """The chats of `application.ports.Messenger`."""

    _chats: Client

    async def create_chat(self, owner: PersonId, title: str) -> str:
        answer = await self._chats.call(owner, "messages.createChat", title=title)
        # FIELD: older versions answered with the bare number.
        return str(number(answer.get("chat_id") if isinstance(answer, dict) else answer, least=1))

    async def chats(self, account: PersonId) -> tuple[SeenChat, ...]:
        found = await self._conversations(account)
        if len(found) > CHATS_A_PAGE:
            # What somebody wrote in meanwhile has moved to the front, past the page that was being read. Whoever does
            # not find a chat makes another one, so nothing may be overlooked.
            found = await self._conversations(account, most=CHATS_A_PAGE) + found
        seen: dict[str, SeenChat] = {}
        for each in found:
            if _peer(each).get("type") == "chat":
                chat = _seen(each)
                seen.setdefault(chat.number, chat)
        return tuple(seen.values())

    async def _conversations(self, account: PersonId, *, most: int | None = None) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for _ in range(MOST_PAGES):
            page = await self._chats.call(
                account, "messages.getConversations", offset=str(len(found)), count=str(CHATS_A_PAGE)
            )
            these = [entries(item.get("conversation")) for item in items(page)]
            found += these
            if len(found) >= number(page.get("count"), least=0) or (most is not None and len(found) >= most):
                return found
            if not these:
                break
        raise unusable("messages.getConversations", "fewer than it counts")

    async def chat(self, account: PersonId, number: str) -> Held:
        for _ in range(TRIES):
            asked = [
                Call("messages.getConversationsById", {"peer_ids": _peer_id(number)}),
                _members_call(number, offset=0),
            ]
            conversation, page = _answers(await self._chats.each(account, asked))
            settings = _settings(conversation)
            members = await self._members(account, number, page)
            if members is not None:
                return Held(text(settings.get("title"), least=0), members)
        raise unusable("messages.getConversationMembers", "other members on each page")

    async def _members(self, account: PersonId, chat: str, page: Any) -> dict[str, bool] | None:
        """All members, of whom `page` has the first; None if some came or went meanwhile."""
        found = items(page)
        all = number(page.get("count"), least=1)
        for _ in range(MOST_PAGES):
            if len(found) >= all:
                break
            call = _members_call(chat, offset=len(found))
            page = await self._chats.call(account, call.method, **call.parameters)
            these = items(page)
            if number(page.get("count")) != all:
                return None
            if not these:
                break
            found += these
        if len(found) != all:
            raise unusable("messages.getConversationMembers", "not as many as it counts")
        return {
            str(number(item.get("member_id"))): flag(item.get("is_admin")) or flag(item.get("is_owner"))
            for item in found
        }

    async def change_chat(self, account: PersonId, number: str, steps: Sequence[Step]) -> list[MessengerFailed | None]:
        calls = [_call(step, number) for step in steps]
        answers = await self._chats.each(account, calls)
        return [undone(answer, call.method) for answer, call in zip(answers, calls, strict=True)]

    async def invite_link(self, account: PersonId, number: str) -> str:
        answer = entries(await self._chats.call(account, "messages.getInviteLink", peer_id=_peer_id(number)))
        link = text(answer.get("link"))
        if not link.startswith("https://"):
            raise unusable("messages.getInviteLink", "not a link")
        return link


def _call(step: Step, chat: str) -> Call:
    match step:
        case Remove(profile):
            return Call("messages.removeChatUser", {"chat_id": chat, **_who(profile)})
        case Rename(title):
            return Call("messages.editChat", {"chat_id": chat, "title": title})
        case Admit(profile):
            # Zero old messages, because the chat's past is not the newcomer's (CHAT-34).
            return Call("messages.addChatUser", {"chat_id": chat, "user_id": profile, "visible_messages_count": "0"})
        case SetRole(profile, administrator):
            # CONTRACT; in the field either of the two names is used for the member.
            role = "admin" if administrator else "member"
            return Call(
                "messages.setMemberRole",
                {"peer_id": _peer_id(chat), "member_id": profile, "user_id": profile, "role": role},
            )


def _who(profile: str) -> dict[str, str]:
    """A person, or a community, whose number is negative."""
    return {"member_id" if profile.startswith("-") else "user_id": profile}


def _peer_id(chat: str) -> str:
    return str(CHAT_PEER + int(chat))


def _members_call(chat: str, *, offset: int) -> Call:
    return Call(
        "messages.getConversationMembers",
        {"peer_id": _peer_id(chat), "offset": str(offset), "count": str(MEMBERS_A_PAGE)},
    )


def _answers(answers: Sequence[Any | MessengerFailed]) -> Sequence[Any]:
    for answer in answers:
        if isinstance(answer, MessengerFailed):
            raise answer
    return answers


def _settings(conversations: Any) -> dict[str, Any]:
    """The `chat_settings` of the only conversation there is; raises if the account is not in it any more."""
    if len(found := items(conversations)) != 1:
        raise unusable("messages.getConversationsById", "not one conversation")
    settings = entries(found[0].get("chat_settings"))
    if text(settings.get("state")) != "in":
        raise MessengerFailed(Trouble.NO_PERMISSION, certain=True)
    return settings


def _peer(conversation: dict[str, Any]) -> dict[str, Any]:
    return entries(conversation.get("peer"))


def _seen(conversation: dict[str, Any]) -> SeenChat:
    settings = entries(conversation.get("chat_settings"))
    return SeenChat(
        number=str(number(_peer(conversation).get("id"), least=CHAT_PEER + 1) - CHAT_PEER),
        title=text(settings.get("title"), least=0),
        owner=str(number(settings.get("owner_id"))),
        is_member=text(settings.get("state")) == "in",
    )
