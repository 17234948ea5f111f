"""The GraphiQL page is whole, asks no other host, and its examples are operations of the schema."""

import json
import re
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from graphql import (
    GraphQLSchema,
    OperationDefinitionNode,
    build_schema,
    get_introspection_query,
    parse,
    validate,
)
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from graphql_api.graphiql import STATIC, graphiql_routes, page
from graphql_api.limits import check_cost, check_shape, cost

# Addresses that other people's code shows in a message, links to or takes for the name of an XML vocabulary; none of
# them is loaded, and the page's policy would forbid it.
NEVER_LOADED = {
    "codemirror.net",
    "commonmark.org",
    "en.wikipedia.org",
    "github.com",
    "reactjs.org",
    "www.w3.org",
}
THEIRS: list[dict[str, Any]] = json.loads((STATIC / "files.json").read_text(encoding="utf-8"))
SERVED = sorted(path.name for path in STATIC.iterdir() if path.suffix in {".html", ".js", ".css"})
OURS = sorted(set(SERVED) - {row["file"] for row in THEIRS})


@pytest.fixture
async def browser() -> AsyncIterator[httpx.AsyncClient]:
    async def graphql(request: Request) -> Response:
        return page()

    app = Starlette(routes=[*graphiql_routes(), Route("/graphql", graphql)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ours") as client:
        yield client


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema((STATIC.parent / "schema.graphql").read_text(encoding="utf-8"))


@pytest.mark.parametrize("row", THEIRS, ids=lambda row: row["file"])
def test_a_file_of_others_is_the_one_that_its_package_published(row: dict[str, Any]) -> None:
    content = (STATIC / row["file"]).read_bytes()

    assert sha256(content).hexdigest() == row["sha256"]
    assert (STATIC / row["licence_file"]).stat().st_size > 500
    assert re.fullmatch(r"sha512-[\w+/]{86}==", row["package_integrity"])


def test_every_file_is_ours_or_has_its_package_version_and_licence_in_both_tables() -> None:
    table = (STATIC / "LICENCES.md").read_text(encoding="utf-8")

    rows = re.findall(r"^\| `(.+?)` \| (\S+) \| (\S+) \| `(.+?)` \| \[(.+?)\]\((.+?)\)", table, re.MULTILINE)

    keys = ("file", "package", "version", "source", "licence", "licence_file")
    assert rows == [tuple(row[key] for key in keys) for row in THEIRS]
    assert OURS == ["graphiql-examples.js", "graphiql-page.css", "graphiql-page.js", "graphiql.html"]


@pytest.mark.parametrize("name", SERVED)
def test_no_file_of_the_page_refers_to_another_host(name: str) -> None:
    text = (STATIC / name).read_text(encoding="utf-8")

    hosts = set(re.findall(r"(?:https?|wss?)://([\w.-]+)", text)) | set(
        re.findall(r"""["'(]//([\w-]+\.[\w.-]+)""", text)
    )
    loaded = re.findall(r"""url\(\s*["']?(?!data:)([^)"']+)|@import\s+([^;]+)""", text) if name.endswith(".css") else []
    maps = re.findall(r"sourceMappingURL=(\S+)", text)

    assert hosts <= (set() if name in OURS else NEVER_LOADED)
    assert loaded == []
    assert all(re.fullmatch(r"[\w.-]+", address) for address in maps)


async def test_every_address_on_the_page_is_answered_with_its_type_and_kept_for_ever(
    browser: httpx.AsyncClient,
) -> None:
    html = (await browser.get("/graphql")).text

    addresses = re.findall(r'(?:src|href)="(/[^"]+)"', html)
    answers = [await browser.get(address) for address in addresses]

    assert len(addresses) == html.count("<script") + html.count('rel="stylesheet"') == 8
    for address, answer in zip(addresses, answers, strict=True):
        name = address.rpartition("/")[2].partition("?")[0]
        kind = "text/css" if name.endswith(".css") else "text/javascript"
        assert answer.content == (STATIC / name).read_bytes()
        assert answer.headers["content-type"] == f"{kind}; charset=utf-8"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


async def test_the_page_may_run_our_scripts_alone_and_is_never_kept(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/graphql")

    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["connect-src"] == "'self' ws: wss:"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert not re.search(r"<script(?![^>]* src=)|<style| style=| on\w+=", answer.text)


async def test_a_file_without_its_version_is_asked_for_anew_each_time(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/graphql/static/graphiql-page.js?v=old")

    assert answer.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("name", ["files.json", "graphiql.html", "..%2Fgraphiql.py", "%2Fetc%2Fpasswd", "none.js"])
async def test_what_is_no_file_of_the_page_is_not_served(browser: httpx.AsyncClient, name: str) -> None:
    answer = await browser.get(f"/graphql/static/{name}")

    assert answer.status_code == 404


def test_every_example_is_a_valid_operation_of_the_schema(schema: GraphQLSchema) -> None:
    documents = [parse(text) for text in re.findall(r"query: `([^`]+)`", _read(STATIC / "graphiql-examples.js"))]

    faults = [fault.message for document in documents for fault in validate(schema, document)]

    assert faults == []
    assert [_operation(document.definitions[0]) for document in documents] == [
        ("query", "Viewer"),
        ("query", "Chats"),
        ("query", "ChatMembers"),
        ("query", "Videoconferences"),
        ("mutation", "CreateVideoconference"),
        ("subscription", "Videoconference"),
        ("mutation", "BeginAccountLink"),
    ]


@pytest.mark.parametrize("descriptions", [True, False])
def test_the_limits_let_graphiql_read_the_schema(schema: GraphQLSchema, descriptions: bool) -> None:
    document = parse(get_introspection_query(descriptions=descriptions))

    check_shape(document)
    check_cost(cost(schema, document, {}))


def _operation(definition: object) -> tuple[str, str]:
    assert isinstance(definition, OperationDefinitionNode)
    assert definition.name is not None
    return definition.operation.value, definition.name.value


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")
