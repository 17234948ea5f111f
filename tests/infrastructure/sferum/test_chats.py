"""Chats over the VK API: what is asked on the wire, page by page, and how answers are read (vk.md 2.6)."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

import httpx
import orjson
import pytest

from application.ports import MessengerFailed, SeenChat, Trouble
from domain.mirror import Admit, Held, Remove, Rename, SetRole
from infrastructure.sferum.chats import CHAT_PEER
from infrastructure.sferum.messenger import Sferum
from infrastructure.sferum.pace import LocalPace
from tests.infrastructure.sferum.test_messenger import TEACHER, Keys, http, keys, requests, sent, sferum

__all__ = ["http", "keys", "sent", "sferum"]

Form = dict[str, str]
OWN = 700100


@pytest.mark.rule("CHAT-34")
@pytest.mark.parametrize("together", [False, True])
async def test_whoever_comes_into_a_mirrored_chat_does_not_see_what_was_written_before_they_came(
    sferum: Sferum, sandbox: Any, together: bool
) -> None:
    parent = sandbox.login("parent")["user_id"]
    chat = await sferum.create_chat(TEACHER, "1 Б")

    await sferum.change_chat(TEACHER, chat, [Admit(str(parent)), *([Rename("2 Б")] if together else [])])

    made = sandbox.control("chats")[-1]
    assert parent in [member["member_id"] for member in made["members"]]
    if together:
        assert '"visible_messages_count": "0"' in requests(sandbox, "execute")[-1]["parameters"]["code"]
    else:
        assert requests(sandbox, "messages.addChatUser")[-1]["parameters"]["visible_messages_count"] == "0"


async def test_several_steps_are_one_request_and_one_step_needs_no_execute(sferum: Sferum, sandbox: Any) -> None:
    parent = str(sandbox.login("parent")["user_id"])
    chat = await sferum.create_chat(TEACHER, "1 Б")
    before = len(sandbox.control("requests"))

    await sferum.change_chat(TEACHER, chat, [Rename("2 Б"), Admit(parent), SetRole(parent, True), Remove(parent)])
    await sferum.change_chat(TEACHER, chat, [Rename("3 Б")])
    await sferum.chat(TEACHER, chat)

    asked = [request["path"].rpartition("/")[2] for request in sandbox.control("requests")[before:]]
    assert asked == ["execute", "messages.editChat", "execute"]


# Against a host that answers as it is told


def sferum_before(answer: Callable[[str, Form], object]) -> Sferum:
    """Sferum before a host that gives this `response`, or this whole answer, to a method with these parameters."""

    def respond(request: httpx.Request) -> httpx.Response:
        told = answer(request.url.path.rpartition("/")[2], dict(parse_qsl(request.content.decode())))
        whole = told if isinstance(told, dict) and told.keys() & {"response", "error"} else {"response": told}
        return httpx.Response(200, content=orjson.dumps(whole))

    keys = Keys("any")
    return Sferum(
        httpx.AsyncClient(transport=httpx.MockTransport(respond)),
        base_url="http://sferum",
        access_token=keys.token,
        renewed=keys.renewed,
        pace=LocalPace(10**6),
        timeout_seconds=1,
    )


def conversation(number: int, **settings: object) -> dict[str, object]:
    given = {"title": f"chat {number}", "owner_id": OWN, "state": "in"} | settings
    return {"peer": {"id": CHAT_PEER + number, "type": "chat", "local_id": number}, "chat_settings": given}


def page(items: list[Any], given: Form) -> dict[str, object]:
    """What VK answers to a request for a part of a list."""
    offset = int(given["offset"])
    return {"count": len(items), "items": items[offset : offset + int(given["count"])]}


async def test_all_chats_of_an_account_are_listed_however_many_pages_they_are() -> None:
    all = [{"conversation": conversation(number)} for number in range(450, 0, -1)]
    asked = []

    def answer(method: str, given: Form) -> object:
        asked.append((given["offset"], given["count"]))
        return page(all, given)

    seen = await sferum_before(answer).chats(TEACHER)

    assert [chat.number for chat in seen] == [str(number) for number in range(450, 0, -1)]
    assert asked == [("0", "200"), ("200", "200"), ("400", "200"), ("0", "200")]


async def test_a_chat_that_moves_to_the_front_while_the_list_is_read_is_not_overlooked() -> None:
    all = [{"conversation": conversation(number)} for number in range(300, 0, -1)]

    def answer(method: str, given: Form) -> object:
        found = page(list(all), given)
        if given["offset"] == "0" and all[0]["conversation"]["peer"]["id"] == CHAT_PEER + 300:  # type: ignore[index]
            all.insert(0, all.pop(250))
        return found

    seen = await sferum_before(answer).chats(TEACHER)

    assert sorted(int(chat.number) for chat in seen) == list(range(1, 301))


async def test_conversations_with_people_and_communities_are_no_chats() -> None:
    others = [
        {"conversation": {"peer": {"id": 5, "type": "user", "local_id": 5}}},
        {"conversation": {"peer": {"id": -7, "type": "group", "local_id": 7}, "can_write": {"allowed": True}}},
    ]
    chats = [{"conversation": conversation(3, state="kicked", title="")}]

    seen = await sferum_before(lambda method, given: page(others + chats, given)).chats(TEACHER)

    assert seen == (SeenChat("3", "", str(OWN), False),)


def members(count: int) -> list[dict[str, object]]:
    """The owner, who is shown with 1 for `true`, and so many more."""
    owner: dict[str, object] = {"member_id": OWN, "is_owner": 1}
    others: list[dict[str, object]] = [
        {"member_id": number, "is_admin": number % 2 == 0} for number in range(1, count + 1)
    ]
    return [owner, *others]


def holding(all: list[dict[str, object]]) -> Callable[[str, Form], object]:
    """A host with one chat of so many members, whose `execute` answers with its first page."""

    def answer(method: str, given: Form) -> object:
        if method == "execute":
            found = {"count": 1, "items": [conversation(17, title="1 Б")]}
            return [found, page(all, {"offset": "0", "count": "1000"})]
        return page(all, given)

    return answer


async def test_all_members_of_a_chat_are_read_however_many_pages_they_are() -> None:
    asked = []
    held = holding(members(2500))

    def answer(method: str, given: Form) -> object:
        asked.append(method)
        return held(method, given)

    found = await sferum_before(answer).chat(TEACHER, "17")

    assert found == Held("1 Б", {str(OWN): True} | {str(each): each % 2 == 0 for each in range(1, 2501)})
    assert asked == ["execute"] + ["messages.getConversationMembers"] * 2


async def test_when_somebody_leaves_while_the_members_are_read_they_are_read_anew() -> None:
    all = members(1500)
    held = holding(all)

    def answer(method: str, given: Form) -> object:
        if method != "execute" and len(all) == 1501:
            # Everybody after them moves forward, one of them from the second page to the first.
            del all[5]
        return held(method, given)

    found = await sferum_before(answer).chat(TEACHER, "17")

    assert len(found.members) == 1500
    assert "5" not in found.members


async def test_a_community_in_a_chat_is_a_member_and_is_removed_by_its_own_number() -> None:
    asked = []
    held = holding([*members(1), {"member_id": -42}])

    def answer(method: str, given: Form) -> object:
        asked.append((method, given))
        return 1 if method == "messages.removeChatUser" else held(method, given)

    sferum = sferum_before(answer)
    found = await sferum.chat(TEACHER, "17")
    removed = await sferum.change_chat(TEACHER, "17", [Remove("-42")])

    assert "-42" in found.members
    assert removed == [None]
    assert asked[-1] == ("messages.removeChatUser", {"chat_id": "17", "member_id": "-42", "v": "5.199"})


async def test_a_role_is_set_under_both_names_of_the_member() -> None:
    asked = []

    def answer(method: str, given: Form) -> object:
        asked.append((method, given))
        return 1

    await sferum_before(answer).change_chat(TEACHER, "17", [SetRole("5", False)])

    given = {"peer_id": str(CHAT_PEER + 17), "member_id": "5", "user_id": "5", "role": "member", "v": "5.199"}
    assert asked == [("messages.setMemberRole", given)]


async def test_an_older_answer_with_the_bare_number_of_a_new_chat_is_understood() -> None:
    assert await sferum_before(lambda method, given: 17).create_chat(TEACHER, "1 Б") == "17"


async def test_an_account_that_is_not_in_the_chat_any_more_may_not_look_at_it() -> None:
    gone = [{"count": 1, "items": [conversation(17, state="left")]}, page(members(3), {"offset": "0", "count": "9"})]

    with pytest.raises(MessengerFailed) as raised:
        await sferum_before(lambda method, given: gone).chat(TEACHER, "17")

    assert (raised.value.trouble, raised.value.certain) == (Trouble.NO_PERMISSION, True)


def error(code: int, text: str = "") -> dict[str, object]:
    return {"error_code": code, "error_msg": text}


async def test_a_refusal_that_concerns_the_member_alone_is_told_from_missing_rights() -> None:
    refused = error(15, "Access denied: can't add this user")
    both = {"response": [False, False], "execute_errors": [refused, error(15, "Access denied")]}

    alone = await sferum_before(lambda method, given: {"error": refused}).change_chat(TEACHER, "17", [Admit("5")])
    together = await sferum_before(lambda method, given: both).change_chat(TEACHER, "17", [Admit("5"), Admit("6")])

    troubles = [each.trouble for each in (*alone, *together) if each is not None]
    assert troubles == [Trouble.MEMBER_REFUSED, Trouble.MEMBER_REFUSED, Trouble.NO_PERMISSION]


@pytest.mark.parametrize("code", [3, 7, 12, 15, 20])
async def test_where_execute_is_refused_each_step_is_taken_by_itself(code: int) -> None:
    asked = []

    def answer(method: str, given: Form) -> object:
        asked.append(method)
        return {"error": error(code)} if method == "execute" else 1

    answers = await sferum_before(answer).change_chat(TEACHER, "17", [Remove("5"), Rename("1 Б"), Admit("6")])

    assert answers == [None] * 3
    assert asked == ["execute", "messages.removeChatUser", "messages.editChat", "messages.addChatUser"]


async def test_where_execute_is_refused_steps_after_an_outage_are_not_asked_for() -> None:
    asked = []

    def answer(method: str, given: Form) -> object:
        asked.append(method)
        return {"error": error({"execute": 3, "messages.editChat": 10}.get(method, 935))}

    answers = await sferum_before(answer).change_chat(TEACHER, "17", [Remove("5"), Rename("1 Б"), Admit("6")])

    assert asked == ["execute", "messages.removeChatUser", "messages.editChat"]
    assert [answer and (answer.trouble, answer.certain) for answer in answers] == [
        None,
        (Trouble.UNAVAILABLE, False),
        (Trouble.UNAVAILABLE, True),
    ]


async def test_a_flood_of_additions_holds_up_no_removal() -> None:
    asked = []

    def answer(method: str, given: Form) -> object:
        asked.append(given["code"].count("API."))
        if "addChatUser" in given["code"]:
            return {"response": [1, False], "execute_errors": [error(9)]}
        return [1, 1]

    sferum = sferum_before(answer)
    first = await sferum.change_chat(TEACHER, "17", [Remove("5"), Admit("6")])
    second = await sferum.change_chat(TEACHER, "17", [Remove("7"), Admit("6"), Rename("2 Б")])
    with pytest.raises(MessengerFailed) as raised:
        await sferum.change_chat(TEACHER, "17", [Admit("6"), Admit("8")])

    assert asked == [2, 2]
    assert [each and each.trouble for each in first] == [None, Trouble.RATE_LIMITED]
    assert [each and each.trouble for each in second] == [None, Trouble.RATE_LIMITED, None]
    assert (raised.value.trouble, raised.value.certain) == (Trouble.RATE_LIMITED, True)
    assert raised.value.pause is not None
    assert raised.value.pause > timedelta(minutes=9)
