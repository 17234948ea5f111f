"""Who may come in at all: bearer tokens and origins, the same for HTTP and for WebSocket."""

from collections.abc import Awaitable, Callable, Collection
from urllib.parse import urlsplit

from graphql_api.context import Identity

Authenticate = Callable[[str | None], Awaitable[Identity]]
"""The identity of an `Authorization` value. Raises Unauthenticated, or IssuerUnavailable."""


class Unauthenticated(Exception):
    """No token, or none that is valid."""


class IssuerUnavailable(Exception):
    """No token can be judged for the moment."""


class Origins:
    """The web pages that may speak with us: our own, and the front ends' that the settings name."""

    def __init__(self, public_url: str, allowed: Collection[str]) -> None:
        parts = urlsplit(public_url)
        self._allowed = {f"{parts.scheme}://{parts.netloc}", *(origin.rstrip("/") for origin in allowed)}

    def allow(self, origin: str | None, host: str | None) -> bool:
        """Whether a page of that origin may; a client that is no browser names none."""
        if origin is None or origin in self._allowed:
            return True
        # The page that we served ourselves, under whichever name this machine was reached.
        return host is not None and origin in {f"http://{host}", f"https://{host}"}
