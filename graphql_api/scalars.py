"""Instants on the wire: always with an offset; one without it is refused, never guessed (CONF-07)."""

from datetime import datetime

import strawberry
from graphql import GraphQLError


def _parse(value: object) -> datetime:
    if isinstance(value, str):
        try:
            instant = datetime.fromisoformat(value)
        except ValueError:
            instant = None
        if instant is not None and instant.tzinfo is not None:
            return instant
    raise GraphQLError("DateTime must be an ISO 8601 instant with its offset, as 2026-09-01T08:30:00+03:00.")


def _serialize(instant: datetime) -> str:
    return instant.isoformat()


DateTime = strawberry.scalar(
    name="DateTime",
    description="An instant, ISO 8601 with its offset, as `2026-09-01T08:30:00+03:00`.",
    serialize=_serialize,
    parse_value=_parse,
)
