"""A GraphQL request as it comes over the wire, read strictly before anything looks at it (promise P5)."""

from dataclasses import dataclass
from typing import Any

import orjson

MOST_BYTES = 256 * 1024
MOST_NESTING = 60


class BadRequest(Exception):
    """The request cannot be understood; `status` is HTTP's, the message says what to do."""

    def __init__(self, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """The parameters of the GraphQL over HTTP specification."""

    query: str
    operation_name: str | None
    variables: dict[str, Any] | None


def read_json(body: bytes | str) -> Any:
    """The value of a JSON text in UTF-8. Raises BadRequest."""
    try:
        return orjson.loads(body)
    except ValueError:
        raise BadRequest("The body is not JSON in UTF-8.") from None


def read_request(given: Any) -> GraphQLRequest:
    """The request in a JSON value. Raises BadRequest."""
    if isinstance(given, list):
        raise BadRequest("Batches are not taken: send each operation on its own.")
    if not isinstance(given, dict):
        raise BadRequest("The request must be a JSON object with «query».")
    query, name, variables = given.get("query"), given.get("operationName"), given.get("variables")
    if not isinstance(query, str) or not query.strip():
        raise BadRequest("«query» must be a text.")
    if name is not None and not isinstance(name, str):
        raise BadRequest("«operationName» must be a text.")
    if variables is not None and not isinstance(variables, dict):
        raise BadRequest("«variables» must be an object.")
    if not isinstance(given.get("extensions"), dict | None):
        raise BadRequest("«extensions» must be an object.")
    if not is_ordinary(query):
        raise BadRequest("«query» must not hold NUL.")
    if variables is not None:
        _check_values(variables)
    return GraphQLRequest(query, name or None, variables)


def is_ordinary(text: str) -> bool:
    """Whether storage can take a text: without NUL and without halves of surrogate pairs."""
    return "\0" not in text and (text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text))


def _check_values(variables: dict[str, Any]) -> None:
    waiting: list[tuple[Any, int]] = [(variables, 0)]
    while waiting:
        value, nesting = waiting.pop()
        if nesting > MOST_NESTING:
            raise BadRequest("«variables» are nested too deeply.")
        match value:
            case str() if not is_ordinary(value):
                raise BadRequest("A text must not hold NUL.")
            case dict():
                waiting += [(inner, nesting + 1) for pair in value.items() for inner in pair]
            case list():
                waiting += [(inner, nesting + 1) for inner in value]
            case _:
                pass
