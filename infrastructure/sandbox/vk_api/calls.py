"""A VK call is open from its start until its starter ends it, or until it lapses because nobody came (vk.md 2.8)."""

import secrets
import uuid
from collections.abc import Callable

from infrastructure.sandbox.vk_api import arguments
from infrastructure.sandbox.vk_api.arguments import Given
from infrastructure.sandbox.vk_api.errors import VkError
from infrastructure.sandbox.world import World


def start(world: World, caller: int, given: Given) -> dict[str, object]:
    """calls.start: every call of this method opens another call; `name` is its title."""
    call_id, link = str(uuid.uuid4()), secrets.token_urlsafe(32)
    world.store.write(
        "insert into calls (call_id, owner_id, hash, name, started_at) values (?, ?, ?, ?, ?)",
        *(call_id, caller, link, given.get("name", ""), world.now()),
    )
    number, password = f"{secrets.randbelow(10**9):09}", f"{secrets.randbelow(10**4):04}"
    return {
        "call_id": call_id,
        "join_link": join_link(link),
        "ok_join_link": link,
        "short_credentials": {
            "id": number,
            "password": password,
            "link_without_password": f"https://vk.ru/call/{number}",
            "link_with_password": f"https://vk.ru/call/{number}?p={password}",
        },
    }


def force_finish(world: World, caller: int, given: Given) -> int:
    """calls.forceFinish: 104 for an unknown call, 951 for one that is over, 15 for another account's."""
    call_id = arguments.text(given, "call_id")
    if len(call_id) != 36:
        raise VkError(100, "call_id should have 36 characters")
    lapse(world)
    row = world.store.row("select * from calls where call_id = ?", call_id)
    if row is None:
        raise VkError(104)
    if row["owner_id"] != caller:
        raise VkError(15)
    if row["finished_at"] is not None:
        raise VkError(951)
    world.store.write("update calls set finished_at = ? where call_id = ?", world.now(), call_id)
    return 1


def get_current_calls(world: World, caller: int, given: Given) -> dict[str, object]:
    """messages.getCurrentCalls, CONTRACT: the name is seen in the field, the shape is ours (api.md, Sandbox).

    The account's open calls, oldest first; `started_at` in whole Unix seconds, as VK writes every moment.
    """
    lapse(world)
    rows = world.store.rows(
        "select * from calls where owner_id = ? and finished_at is null order by started_at", caller
    )
    items = [
        {
            "call_id": row["call_id"],
            "join_link": join_link(row["hash"]),
            "name": row["name"],
            "started_at": int(row["started_at"]),
        }
        for row in rows
    ]
    return {"count": len(items), "items": items}


def join_link(link: str) -> str:
    """Where people join a call."""
    return f"https://vk.ru/call/join/{link}"


def lapse(world: World) -> None:
    """Ends the calls into which nobody came for `call_lapse_s`; to be done before calls are looked at."""
    life = world.rules.call_lapse_s
    if life is not None:
        world.store.write(
            "update calls set finished_at = started_at + ? where finished_at is null and started_at + ? <= ?",
            *(life, life, world.now()),
        )


METHODS: dict[str, Callable[[World, int, Given], object]] = {
    "calls.start": start,
    "calls.forceFinish": force_finish,
    "messages.getCurrentCalls": get_current_calls,
}
