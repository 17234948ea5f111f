"""Errors that clients may see; every other one is masked, logged, and found again by its id (promise P6)."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import structlog
from graphql import GraphQLError, GraphQLFormattedError

log = structlog.get_logger()

IsOutage = Callable[[Exception], bool]
"""Tells an outage of what we stand on, which passes, from a fault of ours."""


class PublicError(GraphQLError):
    """An error whose words and code are meant for clients."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message, extensions={"code": code})


def formatted(error: GraphQLError, is_outage: IsOutage) -> GraphQLFormattedError:
    """What a client sees of an error. The allow-list: graphql-core's own errors, and PublicError."""
    shown = error.formatted
    original = error.original_error
    if original is None or isinstance(original, GraphQLError):
        code = (original or error).extensions.get("code", "BAD_REQUEST") if (original or error).extensions else None
        shown["extensions"] = {"code": code or "BAD_REQUEST"}
        return shown
    shown["message"], shown["extensions"] = _masked(original, is_outage)
    return shown


def _masked(error: Exception, is_outage: IsOutage) -> tuple[str, dict[str, Any]]:
    if isinstance(error, TimeoutError):
        return "This took too long: ask for less, or try again.", {"code": "TIMEOUT"}
    if is_outage(error):
        return "The service is not available for the moment: try again.", {"code": "UNAVAILABLE"}
    id = uuid4().hex
    log.error("operation_broke", correlation_id=id, exc_info=error)
    return f"Internal error {id}.", {"code": "INTERNAL", "correlationId": id}
