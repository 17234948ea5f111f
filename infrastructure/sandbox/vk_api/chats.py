"""VK chats: a chat has one set of members, and every account numbers its chats in its own way (vk.md 2.1, 2.6)."""

import secrets
import sqlite3
from collections.abc import Callable

from infrastructure.sandbox.vk_api import arguments, conversations
from infrastructure.sandbox.vk_api.arguments import Given
from infrastructure.sandbox.vk_api.errors import VkError
from infrastructure.sandbox.world import World


def create_chat(world: World, caller: int, given: Given) -> dict[str, object]:
    """messages.createChat: the caller owns it; `peer_ids` are those who were really added."""
    title = arguments.text(given, "title")
    wanted = [user for user in arguments.integers(given, "user_ids", most=1000) if user != caller]
    rules = world.rules
    chat = world.store.insert(
        "insert into chats (owner_id, title, invite, created_at) values (?, ?, ?, ?)",
        *(caller, title, secrets.token_urlsafe(18), world.now()),
    )
    _put_in(world, chat, caller, by=caller, is_admin=True)
    added = [user for user in wanted if conversations.exists(world, user) and user not in rules.declines_invitations]
    added = added[: rules.chat_capacity - 1]
    for user in added:
        _put_in(world, chat, user, by=caller)
    return {"chat_id": conversations.number_for(world, chat, caller), "peer_ids": added}


def add_chat_user(world: World, caller: int, given: Given) -> int:
    """messages.addChatUser: 1 also for somebody who is in already; 103 where the chat is full."""
    chat = conversations.chat_for(world, caller, arguments.chat_id(given))
    arguments.integer(given, "visible_messages_count", least=0, most=1000, default=0)
    user = arguments.integer(given, "user_id", least=1, most=2**62, default=caller)
    _ensure_admin(world, chat, caller)
    if conversations.member(world, chat, user) is not None:
        return 1
    if not conversations.exists(world, user):
        raise VkError(936)
    if user in world.rules.declines_invitations:
        raise VkError(981)
    if conversations.size(world, chat) >= world.rules.chat_capacity:
        raise VkError(103)
    _put_in(world, chat, user, by=caller)
    return 1


def remove_chat_user(world: World, caller: int, given: Given) -> int:
    """messages.removeChatUser: an administrator removes anybody, anybody leaves; 935 for who is not in."""
    chat = conversations.chat_for(world, caller, arguments.chat_id(given))
    name = "member_id" if given.get("member_id") else "user_id"
    user = arguments.integer(given, name, least=-(2**62), most=2**62)
    if user != caller:
        _ensure_admin(world, chat, caller)
    if conversations.member(world, chat, user) is None:
        raise VkError(935)
    world.store.write("delete from members where chat = ? and member_id = ?", chat, user)
    state = "left" if user == caller else "kicked"
    world.store.write("update local_ids set state = ? where chat = ? and user_id = ?", state, chat, user)
    return 1


def edit_chat(world: World, caller: int, given: Given) -> int:
    """messages.editChat: a new title."""
    chat = conversations.chat_for(world, caller, arguments.chat_id(given))
    _ensure_admin(world, chat, caller)
    world.store.write("update chats set title = ? where id = ?", arguments.text(given, "title"), chat)
    return 1


def set_member_role(world: World, caller: int, given: Given) -> int:
    """messages.setMemberRole, CONTRACT: the name is seen in the field, the shape is ours (vk.md 2.6).

    `peer_id`, `member_id` (or `user_id`), `role` `admin` or `member`; the caller must be an administrator.
    """
    chat = conversations.chat_for(
        world, caller, arguments.chat_of_peer(arguments.integer(given, "peer_id", least=1, most=2**62))
    )
    user = arguments.integer(given, "member_id" if given.get("member_id") else "user_id", least=1, most=2**62)
    role = arguments.text(given, "role")
    if role not in {"admin", "member"}:
        raise VkError(100, "role should be admin or member")
    _ensure_admin(world, chat, caller)
    if conversations.member(world, chat, user) is None:
        raise VkError(935)
    world.store.write(
        "update members set is_admin = ? where chat = ? and member_id = ?", int(role == "admin"), chat, user
    )
    return 1


def get_invite_link(world: World, caller: int, given: Given) -> dict[str, object]:
    """messages.getInviteLink: administrators see it (919); `reset` makes a new one and kills the old."""
    peer_id = arguments.integer(given, "peer_id", least=1, most=2**62)
    chat = conversations.chat_for(world, caller, arguments.chat_of_peer(peer_id))
    if not _is_admin(conversations.member(world, chat, caller)):
        raise VkError(919)
    if arguments.flag(given, "reset"):
        world.store.write("update chats set invite = ? where id = ?", secrets.token_urlsafe(18), chat)
    row = world.store.row("select invite from chats where id = ?", chat)
    return {"link": f"https://vk.me/join/{row['invite'] if row else ''}"}


def _is_admin(member: sqlite3.Row | None) -> bool:
    return member is not None and bool(member["is_admin"])


def _ensure_admin(world: World, chat: int, caller: int) -> None:
    member = conversations.member(world, chat, caller)
    if member is None:
        raise VkError(917)
    if not _is_admin(member):
        raise VkError(925)


def _put_in(world: World, chat: int, user: int, *, by: int, is_admin: bool = False) -> None:
    conversations.give_number(world, chat, user)
    world.store.write("insert into members values (?, ?, ?, ?, ?)", *(chat, user, int(is_admin), by, world.now()))


METHODS: dict[str, Callable[[World, int, Given], object]] = {
    "messages.createChat": create_chat,
    "messages.addChatUser": add_chat_user,
    "messages.removeChatUser": remove_chat_user,
    "messages.editChat": edit_chat,
    "messages.setMemberRole": set_member_role,
    "messages.getInviteLink": get_invite_link,
    "messages.getConversationMembers": conversations.get_conversation_members,
    "messages.getConversationsById": conversations.get_conversations_by_id,
    "messages.getConversations": conversations.get_conversations,
}
