"""The API under uvicorn on the manual's school, before real Postgres, Redis and sandbox."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import pytest
import uvicorn
from gql import Client as GqlClient
from gql.transport.websockets import WebsocketsTransport
from sqlalchemy import event

from graphql_api.app import create_app
from graphql_api.requests import MOST_BYTES
from infrastructure.container import Container, assembled
from infrastructure.demo import load, manual_school
from infrastructure.sandbox.school import token_of
from infrastructure.settings import load_settings
from tests.e2e.system import free_port
from tests.sandbox import Client
from tests.servers import database_of, on_server


@dataclass
class Api:
    """The running API, and what a front end does with it."""

    url: str
    container: Container
    http: httpx.AsyncClient
    statements: list[str] = field(default_factory=list)

    def token(self, login: str, **more: Any) -> str:
        return token_of(self.container.settings(), login=login, **more)

    def authorization(self, login: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(login)}"}

    async def post(self, body: Any, *, login: str | None = "vorontsova", **headers: str) -> httpx.Response:
        given = (self.authorization(login) if login else {}) | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        return await self.http.post(f"{self.url}/graphql", json=body, headers=given)

    async def get(self, document: str, *, login: str = "vorontsova") -> httpx.Response:
        return await self.http.get(f"{self.url}/graphql", params={"query": document}, headers=self.authorization(login))

    async def ask(self, login: str, document: str, **variables: Any) -> Any:
        """The whole body of the answer: data, errors."""
        return (await self.post({"query": document, "variables": variables}, login=login)).json()

    async def data(self, login: str, document: str, **variables: Any) -> Any:
        """The data of an operation that must not have errors."""
        body = await self.ask(login, document, **variables)
        assert "errors" not in body, body
        return body["data"]

    @asynccontextmanager
    async def phone(self, login: str) -> AsyncIterator[Any]:
        """A GraphQL client of another make on a WebSocket."""
        transport = WebsocketsTransport(
            url=self.url.replace("http", "ws", 1) + "/graphql",
            init_payload={"authorization": f"Bearer {self.token(login)}"},
            subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL],
        )
        async with GqlClient(transport=transport) as session:
            yield session

    @contextmanager
    def counted(self) -> Iterator[list[str]]:
        """The statements that are sent to Postgres meanwhile, but for the background's look at the outbox."""
        self.statements.clear()
        yield self.statements


@pytest.fixture(scope="session")
def manual_school_database(postgres: str, sandbox_server: Client) -> str:
    """The name of a database with the manual's school, and another school of which nothing is told, to be copied."""
    name = "manual_school"

    async def make() -> None:
        settings = load_settings(
            environment="development",
            database_url=await database_of(postgres, name, template="postgres"),
            redis_url="redis://127.0.0.1:1",
            data_dir=sandbox_server.settings.data_dir,
        )
        async with assembled(settings) as container:
            school = next(school for school in load.SCHOOLS if school.school_id == manual_school.SCHOOL_ID)
            await load.load_school(container, school, lambda _: None)
            await container.use_cases().found_organization(
                school_id="school-full", name="Гимназия", time_zone="Asia/Kamchatka"
            )

    asyncio.run(make())
    return name


@pytest.fixture
async def api(postgres: str, manual_school_database: str, redis_url: str, sandbox: Client) -> AsyncIterator[Api]:
    """The API on the manual's school, in this process."""
    name = f"test_{uuid4().hex}"
    settings = load_settings(
        environment="development",
        database_url=await database_of(postgres, name, template=manual_school_database),
        redis_url=redis_url,
        port=free_port(),
        sandbox_port=sandbox.settings.sandbox_port,
        data_dir=sandbox.settings.data_dir,
    )
    async with (
        assembled(settings) as container,
        serving(container),
        httpx.AsyncClient(trust_env=False, timeout=20) as http,
    ):
        api = Api(f"http://127.0.0.1:{settings.port}", container, http)
        event.listen(container.engine().sync_engine, "before_cursor_execute", _note(api.statements))
        yield api
    await on_server(postgres, f'drop database "{name}" with (force)')


@asynccontextmanager
async def serving(container: Container) -> AsyncIterator[None]:
    """The API answers on its port inside the block."""
    config = uvicorn.Config(
        create_app(container),
        port=container.settings().port,
        ws="websockets-sansio",
        ws_max_size=MOST_BYTES,
        log_config=None,
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        assert not task.done(), task.result()
        await asyncio.sleep(0.01)
    yield
    server.should_exit = True
    await task


def _note(statements: list[str]) -> Any:
    def note(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if "outbox" not in statement:
            statements.append(statement)

    return note
