"""A sandbox on a free loopback port, and a client before it."""

import asyncio
import base64
import hashlib
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import uvicorn

from infrastructure.sandbox.app import create_app
from infrastructure.sandbox.visitor import sms_reader, walk_through
from infrastructure.settings import Settings, load_settings


@dataclass(frozen=True)
class Client:
    """Speaks to the sandbox as the product does, over HTTP alone."""

    http: httpx.Client
    settings: Settings

    @property
    def url(self) -> str:
        return str(self.http.base_url).rstrip("/")

    @property
    def callback(self) -> str:
        return f"{self.settings.public_url}/vk-id/callback"

    def authorize(self, **changes: str) -> "Authorization":
        verifier = secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code",
            "client_id": self.settings.vk_client_id or "",
            "redirect_uri": self.callback,
            "state": secrets.token_urlsafe(36),
            "code_challenge": challenge,
            "code_challenge_method": "s256",
            "scope": "vkid.personal_info phone",
        } | changes
        return Authorization(f"{self.url}/id/authorize?{urlencode(query)}", verifier, query["state"])

    def walk(self, url: str, phone: str, **more: Any) -> dict[str, str]:
        async def walk() -> str:
            async with httpx.AsyncClient(timeout=10) as client:
                sms = sms_reader(client, self.url)
                return await walk_through(client, url, phone=phone, sms=sms, **more)

        address = asyncio.run(walk())
        assert address.startswith(self.callback + "?")
        return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}

    def oauth(self, endpoint: str, **given: str) -> Any:
        form = {"client_id": self.settings.vk_client_id, **given}
        return self.http.post(f"/id/oauth2/{endpoint}", data=form).raise_for_status().json()

    def exchange(self, authorization: "Authorization", came: dict[str, str], **changes: str) -> Any:
        form = {
            "grant_type": "authorization_code",
            "code": came["code"],
            "device_id": came.get("device_id", ""),
            "code_verifier": authorization.verifier,
            "redirect_uri": self.callback,
            "state": authorization.state,
        }
        return self.oauth("auth", **(form | changes))

    def sign_in(self, phone: str, **more: Any) -> dict[str, Any]:
        authorization = self.authorize()
        came = self.walk(authorization.url, phone, **more)
        answer: dict[str, Any] = self.exchange(authorization, came)
        return answer | {"device_id": came["device_id"]}

    def people(self) -> list[dict[str, Any]]:
        answer: list[dict[str, Any]] = self.http.get("/control/people").raise_for_status().json()
        return answer

    def person(self, fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        return next(person for person in self.people() if fits(person))

    def login(self, login: str) -> dict[str, Any]:
        return self.person(lambda person: bool(person["login"] == login))

    def employee(self, number: int) -> dict[str, Any]:
        return self.person(lambda person: bool(person["person"] == f"manual-employee-{number:02}"))

    def raw(self, method: str, token: str, **given: object) -> httpx.Response:
        form = {"v": "5.199", "access_token": token} | {name: str(value) for name, value in given.items()}
        return self.http.post(f"/api/method/{method}", data=form)

    def vk(self, method: str, token: str, **given: object) -> Any:
        """Calls a method, again while the limit of three a second is in the way."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            answer = self.raw(method, token, **given).raise_for_status().json()
            if answer.get("error", {}).get("error_code") != 6:
                return answer
            time.sleep(0.05)
        raise AssertionError("the limit never let the call through")

    def control(self, what: str) -> Any:
        return self.http.get(f"/control/{what}").raise_for_status().json()

    def order(self, **fault: object) -> None:
        self.http.post("/control/faults", json=fault).raise_for_status()

    def change(self, **settings: object) -> None:
        self.http.post("/control/settings", json=settings).raise_for_status()


@dataclass(frozen=True)
class Authorization:
    url: str
    verifier: str
    state: str


@contextmanager
def running_sandbox(data_dir: Path) -> Iterator[Client]:
    """A sandbox under uvicorn in a thread of its own."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        settings = load_settings(environment="development", sandbox_port=port, data_dir=data_dir)
        server = uvicorn.Server(uvicorn.Config(create_app(settings), log_level="warning", access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        deadline = time.monotonic() + 10
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.01)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as http:
            yield Client(http, settings)
        server.should_exit = True
        thread.join(10)
