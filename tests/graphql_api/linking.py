"""A person with a browser, on the way to VK ID and back."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from sqlalchemy import text

from infrastructure.sandbox.visitor import sms_reader, walk_through
from tests.graphql_api.conftest import Api
from tests.sandbox import Client

BEGIN = """mutation ($returnTo: String) { beginAccountLink(returnTo: $returnTo) {
  ... on AuthorizationRequest { url expiresAt } ... on Refusal { problems { code } } } }"""
COMPLETE = """mutation ($input: CompleteAccountLinkInput!) { completeAccountLink(input: $input) { __typename
  ... on AccountLinked { accountLink { status linkedAt profile { displayName } } }
  ... on Refusal { problems { code message path } } } }"""
UNLINK = """mutation ($confirmed: Boolean!) { unlinkAccount(confirmed: $confirmed) { __typename
  ... on AccountUnlinked { accountLink { status linkedAt profile { displayName } } }
  ... on UnlinkWarning { message chatCount ownedChatCount }
  ... on Refusal { problems { code message path } } } }"""
LINK = "{ viewer { accountLink { status linkedAt profile { displayName } } sferumUrl } }"


@dataclass(frozen=True)
class Linking:
    """The API, the sandbox, and what people do with them."""

    api: Api
    sandbox: Client

    async def begin(self, login: str, return_to: str | None = None) -> str:
        """Our address, which opens the way."""
        begun = await self.api.data(login, BEGIN, returnTo=return_to)
        url: str = begun["beginAccountLink"]["url"]
        return url

    async def depart(self, login: str, browser: httpx.AsyncClient, return_to: str | None = None) -> str:
        """The address at VK ID to which the browser is sent."""
        departed = await browser.get(await self.begin(login, return_to))
        assert departed.status_code == 303, departed.text
        return departed.headers["location"]

    async def allow(self, location: str, browser: httpx.AsyncClient, login: str) -> str:
        """The user whose VK ID this is goes through its windows; where the browser is sent back to."""
        phone = self.sandbox.login(login)["phone"]
        return await walk_through(browser, location, phone=phone, sms=sms_reader(browser, self.sandbox.url))

    async def came_back(self, login: str, browser: httpx.AsyncClient, return_to: str | None = None) -> str:
        """The callback with which VK ID sends the browser back; it is still to be opened."""
        return await self.allow(await self.depart(login, browser, return_to), browser, login)

    async def link(self, login: str) -> httpx.Response:
        """All the way; our last page."""
        async with a_browser() as browser:
            return await browser.get(await self.came_back(login, browser))

    async def complete(self, login: str, **given: Any) -> Any:
        """By a client that caught the callback: what came of it."""
        return (await self.api.data(login, COMPLETE, input=given))["completeAccountLink"]

    async def status(self, login: str) -> str:
        """That of the viewer's link."""
        viewer = (await self.api.data(login, LINK))["viewer"]
        status: str = viewer["accountLink"]["status"]
        return status

    async def sql(self, statement: str, **parameters: Any) -> list[Any]:
        """What Postgres answers."""
        async with self.api.container.engine().begin() as connection:
            answer = await connection.execute(text(statement), parameters)
            return [tuple(row) for row in answer] if answer.returns_rows else []

    def requests(self, path: str) -> list[Any]:
        """What the sandbox was asked at that path."""
        return [line for line in self.sandbox.control("requests") if line["path"] == path]


@pytest.fixture
def linking(api: Api, sandbox: Client) -> Linking:
    """VK ID sends browsers back to this API."""
    sandbox.change(redirect_uris=[f"{api.url}/vk-id/callback"])
    return Linking(api, sandbox)


@asynccontextmanager
async def a_browser() -> AsyncIterator[httpx.AsyncClient]:
    """With cookies of its own; it follows no redirect by itself."""
    async with httpx.AsyncClient(trust_env=False, verify=False, timeout=20) as browser:
        yield browser


def parameters_of(url: str) -> dict[str, str]:
    """The query of an address, in the names of `CompleteAccountLinkInput`."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def caught(url: str) -> dict[str, str]:
    """A callback as a client hands it over."""
    given = parameters_of(url)
    names = {"code": "code", "state": "state", "device_id": "deviceId", "error": "error"}
    return {name: given[each] for each, name in names.items() if each in given}


def changed(url: str, **parameters: str | None) -> str:
    """The address with other parameters; None takes one away."""
    given = parameters_of(url) | parameters
    query = urlencode({name: value for name, value in given.items() if value is not None})
    return urlsplit(url)._replace(query=query).geturl()
