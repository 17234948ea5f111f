"""A real browser before the API, a fresh sandbox and real servers."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser

from infrastructure.container import assembled
from infrastructure.demo import load, manual_school
from infrastructure.settings import load_settings
from tests.browser.chromium import find_chromium, running_chromium
from tests.browser.person import Person, linking
from tests.graphql_api.conftest import Api, api
from tests.sandbox import Client, running_sandbox
from tests.servers import database_of

__all__ = ["api"]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One loop for a module, in which its browser lives."""
    return "asyncio"


@pytest.fixture(scope="module")
async def chromium(anyio_backend: str) -> AsyncIterator[Browser]:
    """The browser of a whole module."""
    path = find_chromium()
    assert path is not None
    async with running_chromium(path) as browser:
        yield browser


@pytest.fixture(scope="session")
def manual_school_database(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a database with the manual's school, to be copied."""
    name = "manual_school_of_the_browser"

    async def make() -> None:
        settings = load_settings(
            environment="development",
            database_url=await database_of(postgres, name, template="postgres"),
            redis_url="redis://127.0.0.1:1",
            data_dir=tmp_path_factory.mktemp("school"),
        )
        async with assembled(settings) as container:
            school = next(school for school in load.SCHOOLS if school.school_id == manual_school.SCHOOL_ID)
            await load.load_school(container, school, lambda _: None)

    asyncio.run(make())
    return name


@pytest.fixture
def sandbox(chromium: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """A sandbox of which nobody has asked anything yet; its school page is where linking may return to."""
    with running_sandbox(tmp_path) as client:
        monkeypatch.setenv("SFERUM_RETURN_ADDRESSES", f"{client.url}/school/token")
        yield client


@pytest.fixture
async def person(chromium: Browser, api: Api, sandbox: Client) -> AsyncIterator[Person]:
    """The employee `vorontsova`, whose account is not linked, on the first window of VK ID."""
    sandbox.change(redirect_uris=[f"{api.url}/vk-id/callback"])
    async with linking(chromium, api, sandbox) as person:
        yield person
