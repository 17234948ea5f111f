"""Relay global ids: opaque to clients, the kind and the id inside."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from uuid import UUID

import strawberry

NO_ONE = UUID(int=0)
"""What an id that is none of ours stands for."""


def global_id(kind: str, id: UUID) -> strawberry.ID:
    """The id that clients see."""
    return strawberry.ID(urlsafe_b64encode(f"{kind}:{id}".encode()).decode().rstrip("="))


def read_global_id(id: str) -> tuple[str, UUID] | None:
    """The kind and the id inside; None for anything that is not one of ours."""
    try:
        kind, _, inside = urlsafe_b64decode(id + "=" * (-len(id) % 4)).decode("ascii").partition(":")
        return kind, UUID(inside)
    except ValueError:
        return None


def id_of(kind: str, id: str) -> UUID | None:
    """The id inside, if it is one of that kind."""
    match read_global_id(id):
        case (found, inside) if found == kind:
            return inside
        case _:
            return None
