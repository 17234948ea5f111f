"""A document that asks for too much is refused before it runs, quickly, over HTTP and over WebSocket (P4)."""

import time

import pytest
from graphql import get_introspection_query

from graphql_api.errors import PublicError
from graphql_api.execution import Engine, RequestRefused
from graphql_api.schema import schema
from tests.graphql_api.conftest import Api

ENGINE = Engine(schema, introspection=True, is_outage=lambda _: False)
IN_PRODUCTION = Engine(schema, introspection=False, is_outage=lambda _: False)


def nested_fragments(levels: int, spreads: int) -> str:
    """Each fragment spreads the next one several times: what it asks for doubles at each level."""
    fragments = [
        f"fragment F{level} on Chat {{ {f'...F{level + 1} ' * spreads if level < levels else 'name'} }}"
        for level in range(levels + 1)
    ]
    return "{ chats { edges { node { ...F0 } } } } " + " ".join(fragments)


DEEP = "{ organization { chatAdministrator { " + "a { " * 12 + "b" + " }" * 12 + " } } }"
CHATS_OF_CHATS = "{ videoconferences(first: 100) { edges { node { chat { members(first: 100) { totalCount } } } } } }"

ABUSIVE = {
    "tokens": "{ " + "viewer { metaRole } " * 300 + "}",
    "characters": "{ viewer { metaRole } } #" + "x" * 70_000,
    "comments": "#\n" * 20_000 + "{ viewer { metaRole } }",
    "depth": DEEP,
    "brackets": "{" * 900,
    "input brackets": "{ chat(id: " + "[" * 900 + ") { id } }",
    "aliases": "{ " + " ".join(f"a{number}: viewer {{ metaRole }}" for number in range(31)) + " }",
    "repeats": "{ viewer { " + "metaRole " * 32 + "} }",
    "directives": "{ viewer { metaRole " + "@skip(if: false) " * 51 + "} }",
    "spreads": nested_fragments(1, 60),
    "doubling fragments": nested_fragments(16, 3),
    "fragments in a circle": "{ chat(id: 1) { ...A } } fragment A on Chat { ...B } fragment B on Chat { ...A }",
    "operations": "query A { viewer { metaRole } } query B { viewer { metaRole } }",
    "cost": CHATS_OF_CHATS,
    "cost by inline fragments": CHATS_OF_CHATS.replace("chat {", "chat { ... on Chat {").replace(
        "} } } } }", "} } } } } }"
    ),
    "no operation": "fragment A on Chat { name }",
    "a long name": "{ " + "x" * 60_000 + " }",
    "a long text": '{ chat(id: "' + "x" * 66_000 + '") { id } }',
    "NUL": '{ chat(id: "\\u0000") { id } }',
    "half a pair": '{ chat(id: "\\uD800") { id } }',
}


@pytest.mark.parametrize("shape", ABUSIVE)
def test_an_abusive_document_is_refused_before_it_runs_and_quickly(shape: str) -> None:
    # Nothing is kept of a refused document, so each try is a whole one; the best is free of the collector's pauses.
    took = []
    for _ in range(3):
        began = time.perf_counter()
        with pytest.raises(RequestRefused) as refused:
            ENGINE.document(ABUSIVE[shape], None, None)
        took.append(time.perf_counter() - began)
        assert refused.value.errors

    assert min(took) < 0.25


@pytest.mark.parametrize("shape", ["aliases", "repeats", "directives", "spreads", "depth", "cost"])
async def test_a_refusal_names_the_limit_over_http(api: Api, shape: str) -> None:
    body = await api.ask("vorontsova", ABUSIVE[shape])

    assert body["errors"][0]["extensions"] == {"code": "LIMIT_EXCEEDED"}
    assert "data" not in body


@pytest.mark.parametrize(
    ("first", "refused"), [(100, True), (10, False), (None, False)], ids=["large page", "small page", "default page"]
)
def test_a_list_counts_the_page_that_its_variable_asks_for(first: int | None, refused: bool) -> None:
    document = (
        "query ($first: Int) { chats(first: $first) { edges { node { members(first: 30) { edges { cursor } } } } } }"
    )
    variables = {} if first is None else {"first": first}

    if refused:
        with pytest.raises(RequestRefused):
            ENGINE.document(document, None, variables)
    else:
        assert ENGINE.document(document, None, variables).most_cost > 0


def test_a_variable_left_out_counts_its_default() -> None:
    document = (
        "query ($first: Int = 100) { chats(first: $first) { edges { node { members(first: 100) { totalCount } } } } }"
    )

    with pytest.raises(RequestRefused):
        ENGINE.document(document, None, {})


def test_what_graphiql_asks_of_the_schema_is_allowed_in_development_and_refused_in_production() -> None:
    assert ENGINE.document(get_introspection_query(), None, None)
    with pytest.raises(RequestRefused):
        IN_PRODUCTION.document(get_introspection_query(), None, None)
    assert IN_PRODUCTION.document("{ __typename }", None, None)


def test_production_suggests_no_names() -> None:
    with pytest.raises(RequestRefused) as in_development:
        ENGINE.document("{ viewr { metaRole } }", None, None)
    with pytest.raises(RequestRefused) as in_production:
        IN_PRODUCTION.document("{ viewr { metaRole } }", None, None)

    assert "Did you mean" in str(in_development.value)
    assert "Did you mean" not in str(in_production.value)


def test_an_operation_of_another_name_is_refused() -> None:
    with pytest.raises(RequestRefused) as refused:
        ENGINE.document("query A { viewer { metaRole } }", "B", None)

    assert isinstance(refused.value.errors[0], PublicError)


def test_a_document_that_was_checked_is_not_checked_again() -> None:
    document = "query Kept { viewer { metaRole } }"

    assert ENGINE.document(document, None, None) is ENGINE.document(document, "Kept", None)
