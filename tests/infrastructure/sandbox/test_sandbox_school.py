"""The tokens of the demonstration schools hold what the product believes, and outlive the sandbox."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from infrastructure.sandbox.keys import signing_key
from infrastructure.sandbox.logins import LOGINS
from infrastructure.sandbox.school import issue_token


def claims(sandbox: Any, token: str) -> dict[str, Any]:
    keys = KeySet.import_key_set(sandbox.http.get("/school/.well-known/jwks.json").json())
    return dict(jwt.decode(token, keys, algorithms=["RS256"]).claims)


def token(sandbox: Any, **given: object) -> httpx.Response:
    answer: httpx.Response = sandbox.http.post("/school/token", data=given, headers={"Accept": "application/json"})
    return answer


@pytest.mark.parametrize("login", list(LOGINS))
def test_each_login_has_a_token_with_its_claims(sandbox: Any, login: str) -> None:
    expected = LOGINS[login]

    found = claims(sandbox, token(sandbox, login=login).json()["token"])

    assert found["iss"] == sandbox.settings.token_issuer
    assert found["aud"] == sandbox.settings.token_audience
    assert found["exp"] - found["iat"] == 12 * 3600
    assert found["sub"] == expected.sub
    assert found.get("org") == expected.org
    assert found.get("scope") == expected.scope
    assert found.get("superadministrator", False) == expected.superadministrator


def test_any_person_of_a_demonstration_school_has_a_token_of_a_chosen_length(sandbox: Any) -> None:
    answer = token(sandbox, person="full-pupil-7", organization="school-full", lifetime=5)

    found = claims(sandbox, answer.json()["token"])

    assert (found["sub"], found["org"], found["exp"] - found["iat"]) == ("full-pupil-7", "school-full", 5)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"login": "nobody"},
        {"person": "stranger"},
        {"person": "manual-"},
        {"person": "manual-x", "organization": "other"},
        {"login": "pupil", "lifetime": "long"},
    ],
)
def test_nobody_else_gets_a_token(sandbox: Any, given: dict[str, str]) -> None:
    answer = token(sandbox, **given)

    assert answer.status_code == 400
    assert "token" not in answer.json()


def test_the_page_offers_every_login_and_shows_the_token(sandbox: Any) -> None:
    choice = sandbox.http.get("/school/token").text
    shown = sandbox.http.post("/school/token", data={"login": "pupil"}).text

    assert all(f'value="{login}"' in choice for login in LOGINS)
    assert "<textarea" in shown


def test_the_key_set_shows_no_private_part(sandbox: Any) -> None:
    (key,) = sandbox.http.get("/school/.well-known/jwks.json").json()["keys"]

    assert set(key) == {"kty", "n", "e", "kid", "use", "alg"}


def test_a_token_issued_without_http_is_signed_with_the_same_key(sandbox: Any) -> None:
    issued = issue_token(sandbox.settings, sub="manual-pupil", org="school-manual", lifetime_s=60)

    assert claims(sandbox, issued)["sub"] == "manual-pupil"


def test_many_who_make_the_key_at_once_get_one(tmp_path: Path) -> None:
    path = tmp_path / "new" / "key.json"

    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda _: signing_key(path).kid, range(8)))

    assert len(set(keys)) == 1
    assert path.stat().st_mode & 0o077 == 0
    assert [file.name for file in path.parent.iterdir()] == ["key.json"]


SERVE = """
import sys, uvicorn
from pathlib import Path
from infrastructure.sandbox.app import create_app
from infrastructure.settings import load_settings
port, directory = int(sys.argv[1]), Path(sys.argv[2])
settings = load_settings(environment="development", sandbox_port=port, data_dir=directory)
uvicorn.run(create_app(settings), port=port, log_level="warning", access_log=False)
"""


@contextmanager
def process(port: int, directory: Path) -> Iterator[tuple[subprocess.Popen[bytes], httpx.Client]]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", SERVE, str(port), str(directory)]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as child:
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as http:
                deadline = time.monotonic() + 20
                while time.monotonic() < deadline:
                    try:
                        http.get("/")
                        break
                    except httpx.ConnectError:
                        time.sleep(0.05)
                yield child, http
        finally:
            child.kill()


def test_a_kill_and_a_restart_forget_nothing(sandbox: Any, tmp_path: Path, free_port: int) -> None:
    client = type(sandbox)
    settings = sandbox.settings
    with process(free_port, tmp_path) as (child, http):
        one = client(http, settings)
        pair = one.sign_in(one.employee(1)["phone"])
        one.vk("messages.createChat", pair["access_token"], title="8 К")
        one.vk("calls.start", pair["access_token"], name="Урок")
        one.change(chat_capacity=7)
        kept = {what: one.control(what) for what in ("chats", "calls", "settings", "people", "requests")}
        keys = http.get("/school/.well-known/jwks.json").json()
        child.send_signal(signal.SIGKILL)
        child.wait(10)

    with process(free_port, tmp_path) as (child, http):
        two = client(http, settings)
        found = {what: two.control(what) for what in kept}
        keys_found = http.get("/school/.well-known/jwks.json").json()
        calls = two.vk("messages.getCurrentCalls", pair["access_token"])["response"]
        child.send_signal(signal.SIGTERM)
        child.wait(10)
        errors = child.stderr.read().decode() if child.stderr else ""

    assert found == kept
    assert keys_found == keys
    assert calls["count"] == 1
    assert errors == ""


def test_a_cut_connection_leaves_no_trace_in_the_process_log(sandbox: Any, tmp_path: Path, free_port: int) -> None:
    with process(free_port, tmp_path) as (child, http):
        client = type(sandbox)(http, sandbox.settings)
        client.order(method="*", kind="lost", times=1)
        with pytest.raises(httpx.TransportError):
            client.oauth("user_info", access_token="x")
        assert "error" in client.oauth("user_info", access_token="x")
        child.send_signal(signal.SIGTERM)
        child.wait(10)
        errors = child.stderr.read().decode() if child.stderr else ""

    assert errors == ""
