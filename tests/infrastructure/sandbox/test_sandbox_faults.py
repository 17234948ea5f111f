"""A fault happens as often as it was ordered, and what it says was done was done."""

import json
import time
from typing import Any

import httpx
import pytest


@pytest.fixture
def token(sandbox: Any) -> str:
    """Fresh for each test, so that three calls are always free of the limit."""
    return str(sandbox.sign_in(sandbox.employee(6)["phone"])["access_token"])


def chats(sandbox: Any) -> int:
    return len(sandbox.control("chats"))


def create(sandbox: Any, token: str) -> httpx.Response:
    answer: httpx.Response = sandbox.raw("messages.createChat", token, title="x")
    return answer


def test_an_ordered_error_comes_as_often_as_ordered_and_does_nothing(sandbox: Any, token: str) -> None:
    before = chats(sandbox)
    sandbox.order(method="messages.createChat", kind="error", code=5, subcode=1130, times=2)

    answers = [create(sandbox, token).json() for _ in range(3)]

    codes = [answer.get("error", {}).get("error_code") for answer in answers]
    assert codes == [5, 5, None]
    assert answers[0]["error"]["error_subcode"] == 1130
    assert chats(sandbox) == before + 1


@pytest.mark.parametrize(("kind", "made"), [("refused", 0), ("lost", 1)])
def test_a_cut_connection_leaves_the_client_without_an_answer(sandbox: Any, token: str, kind: str, made: int) -> None:
    before = chats(sandbox)
    sandbox.order(method="messages.createChat", kind=kind)

    with pytest.raises(httpx.TransportError):
        create(sandbox, token)

    assert chats(sandbox) == before + made
    last = next(line for line in reversed(sandbox.control("requests")) if line["path"].endswith("createChat"))
    assert (last["status"], last["fault"]) == (None, kind)


def test_a_truncated_answer_is_half_of_the_true_one(sandbox: Any, token: str) -> None:
    before = chats(sandbox)
    sandbox.order(method="messages.createChat", kind="truncated")

    answer = create(sandbox, token)

    with pytest.raises(json.JSONDecodeError):
        answer.json()
    assert answer.text.startswith('{"response"')
    assert chats(sandbox) == before + 1


def test_html_and_a_status_come_instead_of_the_answer(sandbox: Any, token: str) -> None:
    before = chats(sandbox)
    sandbox.order(method="messages.createChat", kind="html")
    sandbox.order(method="*", kind="status", code=502)

    html = create(sandbox, token)
    status = create(sandbox, token)

    assert html.headers["content-type"].startswith("text/html")
    assert status.status_code == 502
    assert chats(sandbox) == before


def test_a_delayed_answer_is_true_and_late(sandbox: Any, token: str) -> None:
    sandbox.order(method="users.get", kind="delay", ms=150)
    began = time.monotonic()

    answer = sandbox.raw("users.get", token)

    assert answer.status_code == 200
    assert time.monotonic() - began >= 0.15


@pytest.mark.parametrize("path", ["/id/oauth2/user_info", "oauth2/user_info", "*"])
def test_a_fault_may_name_a_path_of_vk_id(sandbox: Any, token: str, path: str) -> None:
    sandbox.order(method=path, kind="error", code="slow_down")

    first, second = (sandbox.oauth("user_info", access_token=token) for _ in range(2))

    assert first["error"] == "slow_down"
    assert "user" in second


def test_all_faults_end_at_once(sandbox: Any, token: str) -> None:
    sandbox.order(method="*", kind="refused", times=1000)

    sandbox.http.delete("/control/faults").raise_for_status()

    assert "user" in sandbox.oauth("user_info", access_token=token)


@pytest.mark.parametrize(
    "fault",
    [
        {"method": "*", "kind": "meteor"},
        {"method": "*"},
        {"method": "*", "kind": "lost", "times": 0},
        {"method": "*", "kind": "status", "code": "x"},
    ],
)
def test_an_impossible_fault_is_refused(sandbox: Any, fault: dict[str, object]) -> None:
    assert sandbox.http.post("/control/faults", json=fault).status_code == 400
    assert sandbox.control("faults") == []


@pytest.mark.parametrize("change", [{"latency": 5}, {"chat_capacity": 0}, {"code_s": "soon"}, [1]])
def test_an_impossible_setting_is_refused(sandbox: Any, change: object) -> None:
    before = sandbox.control("settings")

    answer = sandbox.http.post("/control/settings", json=change)

    assert answer.status_code == 400
    assert sandbox.control("settings") == before


def test_each_call_takes_as_long_as_the_settings_say(sandbox: Any, token: str) -> None:
    sandbox.change(latency_ms=200)
    began = time.monotonic()

    sandbox.vk("users.get", token)

    assert time.monotonic() - began >= 0.2
