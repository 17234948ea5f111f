"""The whole system as its operator runs it: the API, two workers and the sandbox, each a process of its own."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from gql import Client, gql
from gql.transport.websockets import WebsocketsTransport

from infrastructure.container import Container, assembled
from infrastructure.sandbox.school import issue_token
from infrastructure.sandbox.visitor import sms_reader, walk_through
from infrastructure.settings import PREFIX, Settings, load_settings

PATIENCE_SECONDS = 30.0


@dataclass
class System:
    """Handles on the running processes, and what a person or a program does to them from outside."""

    settings: Settings
    container: Container
    http: httpx.AsyncClient
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    logged: dict[str, int] = field(default_factory=dict)
    """How long each log was when its process was started."""

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.settings.port}"

    @property
    def sandbox(self) -> str:
        return f"http://127.0.0.1:{self.settings.sandbox_port}"

    def start(self, name: str, command: str, **others: str) -> None:
        """Starts `sferum COMMAND`, its log beside the data; `others` are set in its environment too."""
        environment = {
            f"{PREFIX}{key.upper()}": value
            for key, value in {
                "environment": "development",
                "port": str(self.settings.port),
                "sandbox_port": str(self.settings.sandbox_port),
                "data_dir": str(self.settings.data_dir),
                "database_url": self.settings.database_url.get_secret_value() if self.settings.database_url else "",
                "redis_url": self.settings.redis_url.get_secret_value() if self.settings.redis_url else "",
                "prepare_seconds": str(self.settings.prepare_seconds),
            }.items()
        }
        with (self.settings.data_dir / f"{name}.log").open("ab") as log:
            self.logged[name] = log.tell()
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", "graphql_api.cli", command],
                env=os.environ | environment | others,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def works(self, name: str) -> bool:
        """Whether the worker runs and has told so in its log since it was started."""
        if name not in self.processes:
            return False
        log = (self.settings.data_dir / f"{name}.log").read_bytes()
        return b"worker_works" in log[self.logged[name] :]

    def kill(self, name: str) -> None:
        """kill -9."""
        self.processes[name].kill()
        self.processes.pop(name).wait()

    async def until_ready(self) -> None:
        """Waits until the API and the sandbox answer."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            for url in (f"{self.sandbox}/control/settings", f"{self.api}/health/ready"):
                while True:
                    try:
                        if (await self.http.get(url)).status_code == 200:
                            break
                    except httpx.TransportError:
                        pass
                    for name, process in self.processes.items():
                        assert process.poll() is None, (self.settings.data_dir / f"{name}.log").read_text()
                    await asyncio.sleep(0.05)

    def token(self, sub: str, org: str | None = "school-manual", **claims: Any) -> str:
        """A bearer token of the school system."""
        return issue_token(self.settings, sub=sub, org=org, **claims)

    async def ask(self, token: str, document: str, **variables: Any) -> Any:
        """The data of an operation that must not have errors."""
        answer = await self.http.post(
            f"{self.api}/graphql",
            json={"query": document, "variables": variables},
            headers={"Authorization": f"Bearer {token}"},
        )
        body = answer.json()
        assert "errors" not in body, body
        return body["data"]

    async def control(self, path: str) -> Any:
        """What the sandbox says of itself."""
        return (await self.http.get(f"{self.sandbox}/control/{path}")).raise_for_status().json()

    async def until(self, is_so: Callable[[Any], bool], path: str) -> Any:
        """Waits until what the sandbox says at the path is so, and answers with it."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not is_so(found := await self.control(path)):
                await asyncio.sleep(0.05)
            return found

    async def link(self, login: str, token: str) -> httpx.Response:
        """Links the demonstration user's account as its owner does; answers with our last page."""
        return await self._link(await self._phone_of("login", login), token)

    async def link_person(self, person: str, token: str) -> httpx.Response:
        """The same for anybody, by the id in the school system."""
        return await self._link(await self._phone_of("person", person), token)

    async def _phone_of(self, field: str, value: str) -> str:
        phone: str = next(each["phone"] for each in await self.control("people") if each[field] == value)
        return phone

    async def _link(self, phone: str, token: str) -> httpx.Response:
        """Our address, VK ID's windows, and back."""
        begun = await self.ask(token, "mutation { beginAccountLink { ... on AuthorizationRequest { url } } }")
        async with httpx.AsyncClient(trust_env=False) as browser:
            departed = await browser.get(begun["beginAccountLink"]["url"])
            back = await walk_through(
                browser, departed.headers["location"], phone=phone, sms=sms_reader(browser, self.sandbox)
            )
            return await browser.get(back)

    @asynccontextmanager
    async def phone(self, token: str) -> AsyncIterator[Any]:
        """A GraphQL client of another make on a WebSocket."""
        transport = WebsocketsTransport(
            url=f"ws://127.0.0.1:{self.settings.port}/graphql",
            init_payload={"authorization": f"Bearer {token}"},
            subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL],
        )
        async with Client(transport=transport) as session:
            yield session


def subscription(document: str, **variables: Any) -> Any:
    """A document with its variables for the phone's client."""
    request = gql(document)
    request.variable_values = variables
    return request


@asynccontextmanager
async def running_system(
    *, database_url: str, redis_url: str, data_dir: Path, prepare_seconds: int = 60, workers: int = 2
) -> AsyncIterator[System]:
    """The system on a migrated database, with nobody in it."""
    settings = load_settings(
        environment="development",
        port=free_port(),
        sandbox_port=free_port(),
        data_dir=data_dir,
        database_url=database_url,
        redis_url=redis_url,
        prepare_seconds=prepare_seconds,
    )
    async with assembled(settings) as container, httpx.AsyncClient(trust_env=False, timeout=10) as http:
        system = System(settings, container, http)
        try:
            system.start("sandbox", "sandbox")
            system.start("api", "api")
            for number in range(workers):
                system.start(f"worker-{number}", "worker")
            await system.until_ready()
            yield system
        finally:
            for process in system.processes.values():
                process.send_signal(signal.SIGTERM)
            for process in system.processes.values():
                try:
                    process.wait(timeout=10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
