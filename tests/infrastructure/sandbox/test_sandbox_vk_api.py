"""The sandbox's VK API answers as the reference says that VK does."""

import json
import time
from typing import Any

import httpx
import pytest

CHAT_PEER = 2_000_000_000


@pytest.fixture
def tokens(sandbox: Any) -> list[tuple[int, str]]:
    """User ids and access tokens of four accounts; fresh tokens, so that no test waits for another's limit."""
    pairs = [sandbox.sign_in(sandbox.employee(number)["phone"]) for number in (1, 2, 3, 4)]
    return [(pair["user_id"], pair["access_token"]) for pair in pairs]


def done(answer: Any) -> Any:
    assert "error" not in answer, answer
    return answer["response"]


def code_of(answer: Any) -> int:
    return int(answer["error"]["error_code"])


def a_chat(sandbox: Any, token: str, *members: int) -> int:
    users = ",".join(map(str, members))
    return int(done(sandbox.vk("messages.createChat", token, title="8 К", user_ids=users))["chat_id"])


def held(sandbox: Any, owner: int, chat_id: int) -> Any:
    return next(chat for chat in sandbox.control("chats") if (chat["owner_id"], chat["chat_id"]) == (owner, chat_id))


def test_a_chat_is_created_with_its_owner_alone(sandbox: Any, tokens: Any) -> None:
    owner, token = tokens[0]

    answer = done(sandbox.vk("messages.createChat", token, title="Учительская"))

    assert answer["peer_ids"] == []
    assert held(sandbox, owner, answer["chat_id"]) == {
        "owner_id": owner,
        "chat_id": answer["chat_id"],
        "title": "Учительская",
        "members": [{"member_id": owner, "is_admin": True}],
    }


def test_a_chat_is_created_with_those_who_can_be_added(sandbox: Any, tokens: Any) -> None:
    (_, token), (second, _), (third, _) = tokens[:3]
    sandbox.change(declines_invitations=[third])

    answer = done(sandbox.vk("messages.createChat", token, title="9", user_ids=f"{second},{third},1"))

    assert answer["peer_ids"] == [second]


def test_each_account_has_its_own_number_for_a_chat(sandbox: Any, tokens: Any) -> None:
    (first, token), (second, other) = tokens[:2]
    a_chat(sandbox, other)
    a_chat(sandbox, other)
    chat_id = a_chat(sandbox, token, second)

    items = done(sandbox.vk("messages.getConversations", other))["items"]

    newest = items[0]["conversation"]
    members = done(sandbox.vk("messages.getConversationMembers", other, peer_id=newest["peer"]["id"]))
    assert newest["peer"]["id"] == CHAT_PEER + newest["peer"]["local_id"]
    assert newest["peer"]["local_id"] != chat_id
    assert newest["chat_settings"]["owner_id"] == first
    assert {item["member_id"] for item in members["items"]} == {first, second}


def test_members_come_in_pages_with_flags_only_where_they_are_true(sandbox: Any, tokens: Any) -> None:
    (first, token), (second, _), (third, _) = tokens[:3]
    peer_id = CHAT_PEER + a_chat(sandbox, token, second, third)

    page = done(sandbox.vk("messages.getConversationMembers", token, peer_id=peer_id, offset=0, count=2, extended=1))

    owner, member = page["items"]
    assert page["count"] == 3
    assert (owner["member_id"], owner["is_owner"], owner["is_admin"]) == (first, True, True)
    assert (member["invited_by"], member["can_kick"], "is_admin" in member) == (first, True, False)
    assert [profile["id"] for profile in page["profiles"]] == [first, second]


def test_somebody_is_added_made_administrator_and_removed(sandbox: Any, tokens: Any) -> None:
    (first, token), (second, other) = tokens[:2]
    chat_id = a_chat(sandbox, token)

    done(sandbox.vk("messages.addChatUser", token, chat_id=chat_id, user_id=second))
    done(sandbox.vk("messages.addChatUser", token, chat_id=chat_id, user_id=second))
    done(sandbox.vk("messages.setMemberRole", token, peer_id=CHAT_PEER + chat_id, member_id=second, role="admin"))

    members = held(sandbox, first, chat_id)["members"]
    assert members == [{"member_id": first, "is_admin": True}, {"member_id": second, "is_admin": True}]
    own_id = done(sandbox.vk("messages.getConversations", other))["items"][0]["conversation"]["peer"]["local_id"]
    done(sandbox.vk("messages.removeChatUser", other, chat_id=own_id, member_id=first))
    assert held(sandbox, first, chat_id)["members"] == [{"member_id": second, "is_admin": True}]


def test_a_chat_is_renamed_and_invites_by_a_link_that_can_be_changed(sandbox: Any, tokens: Any) -> None:
    first, token = tokens[0]
    chat_id = a_chat(sandbox, token)
    peer_id = CHAT_PEER + chat_id

    done(sandbox.vk("messages.editChat", token, chat_id=chat_id, title="8 К (архив)"))
    links = [
        done(sandbox.vk("messages.getInviteLink", token, peer_id=peer_id, reset=reset))["link"] for reset in (0, 0, 1)
    ]

    assert held(sandbox, first, chat_id)["title"] == "8 К (архив)"
    assert links[0] == links[1] != links[2]


@pytest.mark.parametrize(
    ("method", "given", "code"),
    [
        ("messages.addChatUser", {"user_id": 1}, 936),
        ("messages.addChatUser", {"user_id": "x"}, 100),
        ("messages.addChatUser", {"chat_id": 99_999_999, "user_id": 700100}, 927),
        ("messages.removeChatUser", {"user_id": 700100}, 935),
        ("messages.editChat", {"title": " "}, 100),
        ("messages.setMemberRole", {"member_id": 700100, "role": "admin"}, 935),
        ("messages.setMemberRole", {"member_id": 700100, "role": "king"}, 100),
        ("messages.getConversationMembers", {"peer_id": CHAT_PEER + 99_999_999}, 927),
        ("messages.getConversationMembers", {"peer_id": 700100}, 936),
        ("messages.getConversationMembers", {"count": 1001}, 100),
        ("messages.deleteEverything", {}, 3),
    ],
)
def test_a_faulty_call_is_refused(sandbox: Any, tokens: Any, method: str, given: dict[str, object], code: int) -> None:
    token = tokens[0][1]
    chat_id = a_chat(sandbox, token)

    answer = sandbox.vk(method, token, **({"chat_id": chat_id, "peer_id": CHAT_PEER + chat_id} | given))

    assert code_of(answer) == code


def test_a_member_who_is_no_administrator_is_refused_and_may_leave(sandbox: Any, tokens: Any) -> None:
    (first, token), (second, other), (third, _) = tokens[:3]
    chat_id = a_chat(sandbox, token, second)
    own_id = done(sandbox.vk("messages.getConversations", other))["items"][0]["conversation"]["peer"]["local_id"]

    codes = [
        code_of(sandbox.vk("messages.addChatUser", other, chat_id=own_id, user_id=third)),
        code_of(sandbox.vk("messages.removeChatUser", other, chat_id=own_id, user_id=first)),
        code_of(sandbox.vk("messages.editChat", other, chat_id=own_id, title="Моё")),
        code_of(sandbox.vk("messages.getInviteLink", other, peer_id=CHAT_PEER + own_id)),
    ]

    assert codes == [925, 925, 925, 919]
    done(sandbox.vk("messages.removeChatUser", other, chat_id=own_id, user_id=second))
    assert code_of(sandbox.vk("messages.getConversationMembers", other, peer_id=CHAT_PEER + own_id)) == 917
    seen = done(sandbox.vk("messages.getConversationsById", other, peer_ids=CHAT_PEER + own_id))["items"][0]
    assert seen["chat_settings"]["state"] == "left"
    assert held(sandbox, first, chat_id)["members"] == [{"member_id": first, "is_admin": True}]


def test_a_full_chat_and_closed_people_refuse(sandbox: Any, tokens: Any) -> None:
    (_, token), (second, _), (third, _), (fourth, _) = tokens
    chat_id = a_chat(sandbox, token, second)
    sandbox.change(chat_capacity=2, declines_invitations=[fourth])

    full = sandbox.vk("messages.addChatUser", token, chat_id=chat_id, user_id=third)
    closed = sandbox.vk("messages.addChatUser", token, chat_id=chat_id, user_id=fourth)

    assert (code_of(full), code_of(closed)) == (103, 981)


def test_a_call_is_started_listed_and_finished_by_its_starter_alone(sandbox: Any, tokens: Any) -> None:
    (first, token), (_, other) = tokens[:2]

    call = done(sandbox.vk("calls.start", token, name="Алгебра"))

    assert len(call["call_id"]) == 36
    assert call["join_link"] == f"https://vk.ru/call/join/{call['ok_join_link']}"
    listed = done(sandbox.vk("messages.getCurrentCalls", token))
    item = next(item for item in listed["items"] if item["call_id"] == call["call_id"])
    assert listed["count"] == len(listed["items"])
    assert (item["join_link"], item["name"]) == (call["join_link"], "Алгебра")
    assert abs(item["started_at"] - time.time()) < 10
    assert code_of(sandbox.vk("calls.forceFinish", other, call_id=call["call_id"])) == 15
    assert done(sandbox.vk("calls.forceFinish", token, call_id=call["call_id"])) == 1
    assert code_of(sandbox.vk("calls.forceFinish", token, call_id=call["call_id"])) == 951
    kept = next(known for known in sandbox.control("calls") if known["call_id"] == call["call_id"])
    assert kept["owner_id"] == first
    assert kept["finished_at"] >= kept["started_at"]


def test_an_unknown_call_and_a_call_id_of_another_length_are_refused(sandbox: Any, tokens: Any) -> None:
    token = tokens[0][1]

    assert code_of(sandbox.vk("calls.forceFinish", token, call_id="0" * 36)) == 104
    assert code_of(sandbox.vk("calls.forceFinish", token, call_id="17")) == 100


def test_a_call_lapses_when_the_settings_say_so(sandbox: Any, tokens: Any) -> None:
    token = tokens[0][1]
    call = done(sandbox.vk("calls.start", token))
    sandbox.change(call_lapse_s=0)
    sandbox.change(call_lapse_s=None)

    listed = done(sandbox.vk("messages.getCurrentCalls", token))["items"]

    assert call["call_id"] not in {item["call_id"] for item in listed}
    assert code_of(sandbox.vk("calls.forceFinish", token, call_id=call["call_id"])) == 951


def test_the_fourth_call_within_a_second_is_refused_and_does_nothing(sandbox: Any, tokens: Any) -> None:
    _, token = tokens[3]
    before = len(sandbox.control("chats"))

    codes = [
        sandbox.raw("messages.createChat", token, title="x").json().get("error", {}).get("error_code") for _ in range(8)
    ]

    made = codes.count(None)
    assert set(codes) == {None, 6}
    assert made == len(sandbox.control("chats")) - before
    assert made <= 4


def test_tokens_are_taken_from_the_header_and_bad_ones_refused(sandbox: Any, tokens: Any) -> None:
    first, token = tokens[0]
    deadline = time.monotonic() + 5
    answer: Any = {}
    while "response" not in answer and time.monotonic() < deadline:
        headers = {"Authorization": f"Bearer {token}"}
        answer = sandbox.http.get("/api/method/users.get", params={"v": "5.199"}, headers=headers).json()

    refused = sandbox.raw("users.get", "nonsense", title="t")

    assert answer["response"][0]["id"] == first
    assert refused.status_code == 200
    assert code_of(refused.json()) == 5
    echoed = {pair["key"]: pair["value"] for pair in refused.json()["error"]["request_params"]}
    assert echoed == {"method": "users.get", "oauth": "1", "v": "5.199", "title": "t"}


def test_an_expired_or_withdrawn_token_is_refused(sandbox: Any) -> None:
    phone = sandbox.employee(5)["phone"]
    revoked = sandbox.sign_in(phone)["access_token"]
    sandbox.oauth("revoke", access_token=revoked)
    sandbox.change(access_token_s=0)
    expired = sandbox.sign_in(phone)["access_token"]

    assert code_of(sandbox.vk("users.get", revoked)) == 5
    assert code_of(sandbox.vk("users.get", expired)) == 5


def test_a_call_without_a_version_or_with_a_json_body_is_refused(sandbox: Any, tokens: Any) -> None:
    form = {"access_token": tokens[0][1]}

    unversioned = sandbox.http.post("/api/method/users.get", data=form).json()
    as_json = sandbox.http.post("/api/method/users.get", json=form | {"v": "5.199"}).json()

    assert (code_of(unversioned), code_of(as_json)) == (100, 100)


def test_a_user_shows_the_educational_profile_where_it_is_asked_for(sandbox: Any, tokens: Any) -> None:
    first, token = tokens[0]

    plain, full = (
        done(sandbox.vk("users.get", token, fields=fields))[0] for fields in ("", "educational_profile,profile_type")
    )

    roles = full["educational_profile"]["edu_roles"]
    assert "educational_profile" not in plain
    assert (roles["user_id"], roles["main_role_code"], full["profile_type"]) == (first, "teacher", 2)


def script(*calls: tuple[str, dict[str, object]]) -> str:
    return f"return [{', '.join(f'API.{name}({json.dumps(given)})' for name, given in calls)}];"


def test_execute_does_several_calls_in_order_and_counts_as_one(sandbox: Any, tokens: Any) -> None:
    (first, token), (second, _), (third, _) = tokens[:3]
    chat_id = a_chat(sandbox, token)
    code = script(
        ("messages.addChatUser", {"chat_id": chat_id, "user_id": second}),
        ("messages.addChatUser", {"chat_id": chat_id, "user_id": 1}),
        ("messages.addChatUser", {"chat_id": chat_id, "user_id": third}),
        ("users.get", {"user_ids": [first, second]}),
    )

    answer = sandbox.vk("execute", token, code=code)

    assert answer["response"][:3] == [1, False, 1]
    assert [user["id"] for user in answer["response"][3]] == [first, second]
    assert answer["execute_errors"] == [
        {"method": "messages.addChatUser", "error_code": 936, "error_msg": "Contact not found"}
    ]
    assert len(held(sandbox, first, chat_id)["members"]) == 3


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("", 12),
        ("return 1;", 12),
        ("return [API.users.get({]);", 12),
        ("return [API.users.get({}) API.users.get({})];", 12),
        ('return [API.users.get({"a": {}})];', 12),
        ("return [API.users.get({})]; return 1;", 12),
        (script(*[("users.get", {})] * 26), 13),
    ],
)
def test_execute_refuses_what_it_does_not_understand(sandbox: Any, tokens: Any, code: str, error: int) -> None:
    assert code_of(sandbox.vk("execute", tokens[0][1], code=code)) == error


def test_execute_takes_25_calls_and_none(sandbox: Any, tokens: Any) -> None:
    token = tokens[0][1]

    answers = done(sandbox.vk("execute", token, code=script(*[("users.get", {})] * 25)))

    assert len(answers) == 25
    assert done(sandbox.vk("execute", token, code="return [];")) == []


def test_a_fault_inside_execute_fails_that_call_alone(sandbox: Any, tokens: Any) -> None:
    (first, token), (second, _), (third, _) = tokens[:3]
    chat_id = a_chat(sandbox, token)
    sandbox.order(method="messages.addChatUser", kind="error", code=10, times=1)
    code = script(
        ("messages.addChatUser", {"chat_id": chat_id, "user_id": second}),
        ("messages.addChatUser", {"chat_id": chat_id, "user_id": third}),
    )

    answer = sandbox.vk("execute", token, code=code)

    assert answer["response"] == [False, 1]
    assert answer["execute_errors"][0]["error_code"] == 10
    assert [member["member_id"] for member in held(sandbox, first, chat_id)["members"]] == [first, third]


@pytest.mark.parametrize(("kind", "title"), [("refused", "8 К"), ("lost", "9 К")])
def test_a_cut_inside_execute_keeps_what_was_done_before_it(sandbox: Any, tokens: Any, kind: str, title: str) -> None:
    (first, token), (second, _), (third, _) = tokens[:3]
    chat_id = a_chat(sandbox, token)
    sandbox.order(method="messages.editChat", kind=kind)
    code = script(
        ("messages.addChatUser", {"chat_id": chat_id, "user_id": second}),
        ("messages.editChat", {"chat_id": chat_id, "title": "9 К"}),
        ("messages.addChatUser", {"chat_id": chat_id, "user_id": third}),
    )

    with pytest.raises(httpx.TransportError):
        sandbox.raw("execute", token, code=code)

    chat = held(sandbox, first, chat_id)
    assert [member["member_id"] for member in chat["members"]] == [first, second]
    assert chat["title"] == title
