"""A conversation is a chat as one account sees it: under its own number, also after it has left (vk.md 2.6)."""

import sqlite3

from infrastructure.sandbox.vk_api import arguments
from infrastructure.sandbox.vk_api.arguments import CHAT_PEER, Given
from infrastructure.sandbox.vk_api.errors import VkError
from infrastructure.sandbox.world import World


def exists(world: World, user: int) -> bool:
    """Whether there is an education profile with this id."""
    return world.store.row("select 1 from profiles where id = ?", user) is not None


def chat_for(world: World, caller: int, chat_id: int) -> int:
    """The chat behind the caller's number of it.

    Raises:
        VkError: 927, no chat of the caller ever had this number.
    """
    row = world.store.row("select chat from local_ids where user_id = ? and chat_id = ?", caller, chat_id)
    if row is None:
        raise VkError(927)
    found: int = row["chat"]
    return found


def number_for(world: World, chat: int, user: int) -> int:
    """The user's own number of a chat that they are or were in."""
    row = world.store.row("select chat_id from local_ids where user_id = ? and chat = ?", user, chat)
    found: int = row["chat_id"] if row else 0
    return found


def give_number(world: World, chat: int, user: int) -> None:
    """Numbers the chat among the user's; who comes back finds the old number again."""
    world.store.write(
        "insert into local_ids (user_id, chat_id, chat, state) "
        "values (?, (select coalesce(max(chat_id), 0) + 1 from local_ids where user_id = ?), ?, 'in') "
        "on conflict (user_id, chat) do update set state = 'in'",
        *(user, user, chat),
    )


def member(world: World, chat: int, user: int) -> sqlite3.Row | None:
    """The user's place in the chat, None for who is not in it now."""
    return world.store.row("select * from members where chat = ? and member_id = ?", chat, user)


def size(world: World, chat: int) -> int:
    """How many members the chat has now."""
    row = world.store.row("select count(*) as n from members where chat = ?", chat)
    return int(row["n"]) if row else 0


def get_conversation_members(world: World, caller: int, given: Given) -> dict[str, object]:
    """messages.getConversationMembers: pages of up to 1000, 20 if not said; flags that are absent are false."""
    peer_id = arguments.integer(given, "peer_id", least=1, most=2**62)
    offset = arguments.integer(given, "offset", least=0, most=2**31, default=0)
    count = arguments.integer(given, "count", least=1, most=1000, default=20)
    chat = chat_for(world, caller, arguments.chat_of_peer(peer_id))
    own = member(world, chat, caller)
    if own is None:
        raise VkError(917)
    rows = world.store.rows(
        "select m.*, c.owner_id from members m join chats c on c.id = m.chat where m.chat = ? "
        "order by m.joined_at, m.rowid limit ? offset ?",
        *(chat, count, offset),
    )
    answer: dict[str, object] = {
        "count": size(world, chat),
        "items": [_member(row, caller, bool(own["is_admin"])) for row in rows],
        "chat_restrictions": {
            "admins_promote_users": True,
            "only_admins_edit_info": True,
            "only_admins_edit_pin": True,
            "only_admins_invite": True,
            "only_admins_kick": True,
        },
    }
    if arguments.flag(given, "extended"):
        answer |= {"profiles": [_profile(world, row["member_id"]) for row in rows], "groups": []}
    return answer


def _member(row: sqlite3.Row, caller: int, by_admin: bool) -> dict[str, object]:
    item: dict[str, object] = {"member_id": row["member_id"], "join_date": int(row["joined_at"])}
    if row["member_id"] != row["owner_id"]:
        item["invited_by"] = row["invited_by"]
    else:
        item["is_owner"] = True
    if row["is_admin"]:
        item["is_admin"] = True
    if by_admin and row["member_id"] != caller:
        item["can_kick"] = True
    return item


def _profile(world: World, user: int) -> dict[str, object]:
    row = world.store.row("select first_name, last_name from profiles where id = ?", user)
    names = {"first_name": row["first_name"], "last_name": row["last_name"]} if row else {}
    return {"id": user} | names


def get_conversations_by_id(world: World, caller: int, given: Given) -> dict[str, object]:
    """messages.getConversationsById: up to 100 peers; 927 if one of them never was."""
    peers = arguments.integers(given, "peer_ids", most=100)
    if not peers:
        raise VkError(100, "peer_ids is undefined")
    chats = [chat_for(world, caller, arguments.chat_of_peer(peer)) for peer in peers]
    return {"count": len(chats), "items": [_conversation(world, chat, caller) for chat in chats]}


def get_conversations(world: World, caller: int, given: Given) -> dict[str, object]:
    """messages.getConversations: the caller's chats, the newest first, left ones too; 20 if not said, up to 200."""
    offset = arguments.integer(given, "offset", least=0, most=2**31, default=0)
    count = arguments.integer(given, "count", least=0, most=200, default=20)
    rows = world.store.rows("select chat from local_ids where user_id = ? order by chat desc", caller)
    page = [_conversation(world, row["chat"], caller) for row in rows[offset : offset + count]]
    return {"count": len(rows), "items": [{"conversation": item} for item in page]}


def _conversation(world: World, chat: int, caller: int) -> dict[str, object]:
    row = world.store.row(
        "select c.*, l.chat_id, l.state from chats c join local_ids l on l.chat = c.id "
        "where c.id = ? and l.user_id = ?",
        *(chat, caller),
    )
    if row is None:
        raise VkError(927)
    inside = row["state"] == "in"
    admins = world.store.rows("select member_id from members where chat = ? and is_admin", chat) if inside else []
    settings: dict[str, object] = {
        "title": row["title"],
        "owner_id": row["owner_id"],
        "state": row["state"],
        "members_count": size(world, chat) if inside else 0,
        "admin_ids": [admin["member_id"] for admin in admins],
        "active_ids": [],
        "acl": _acl(caller in {admin["member_id"] for admin in admins}),
    }
    return {
        "peer": {"id": CHAT_PEER + row["chat_id"], "type": "chat", "local_id": row["chat_id"]},
        "last_message_id": 0,
        "can_write": {"allowed": inside},
        "chat_settings": settings,
    }


def _acl(is_admin: bool) -> dict[str, bool]:
    names = ("can_change_info", "can_change_invite_link", "can_change_pin", "can_invite", "can_promote_users")
    rights = dict.fromkeys((*names, "can_see_invite_link", "can_moderate"), is_admin)
    return rights | {"can_copy_chat": False, "can_call": True, "can_use_mass_mentions": True}
