"""Pages of lists: Relay connections with a total, a cursor being the place of an item in its list."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import Annotated, Generic, Self, TypeVar

import strawberry

from application.views import Page, Window
from graphql_api.errors import PublicError

DEFAULT_PAGE = 24
LARGEST_PAGE = 100

First = Annotated[
    int | None, strawberry.argument(description=f"How many items at most: 0 to {LARGEST_PAGE}, else {DEFAULT_PAGE}.")
]
After = Annotated[str | None, strawberry.argument(description="The cursor after which the page begins.")]
Offset = Annotated[
    int | None, strawberry.argument(description="How many items to leave out first; not together with `after`.")
]

T = TypeVar("T")
V = TypeVar("V")


@strawberry.type(description="Where a page stands in its list.")
class PageInfo:
    """Relay's PageInfo."""

    has_next_page: bool = strawberry.field(description="Whether items follow this page.")
    has_previous_page: bool = strawberry.field(description="Whether items precede this page.")
    start_cursor: str | None = strawberry.field(description="The cursor of the page's first item.")
    end_cursor: str | None = strawberry.field(description="The cursor of the page's last item.")


@strawberry.type(description="An item of a list and its place in it.")
class Edge(Generic[T]):
    """Relay's edge."""

    cursor: str = strawberry.field(description="The item's place, to go on from.")
    node: T = strawberry.field(description="The item.")


@strawberry.type(description="A page of a list, and how long the list is.")
class Connection(Generic[T]):
    """Relay's connection with the total."""

    total_count: int = strawberry.field(description="How many items the whole list has.")
    edges: list[Edge[T]] = strawberry.field(description="The items of this page.")
    page_info: PageInfo = strawberry.field(description="Where this page stands in the list.")

    @classmethod
    def of(cls, page: Page[V], window: Window, show: Callable[[V], T]) -> Self:
        """The page of a list as clients see it."""
        edges = [Edge(cursor=cursor(window.offset + place), node=show(item)) for place, item in enumerate(page.items)]
        return cls(total_count=page.total, edges=edges, page_info=page_info(page, window))


def window(first: int | None, after: str | None, offset: int | None) -> Window:
    """The part of a list that the arguments name.

    Raises:
        PublicError: with code BAD_PAGE for arguments out of range, a foreign cursor, or both `after` and `offset`.
    """
    if first is not None and not 0 <= first <= LARGEST_PAGE:
        raise PublicError(f"«first» must lie between 0 and {LARGEST_PAGE}.", code="BAD_PAGE")
    if offset is not None and not 0 <= offset < 2**31:
        raise PublicError("«offset» must not be negative.", code="BAD_PAGE")
    if after is not None and offset is not None:
        raise PublicError("«after» and «offset» exclude each other.", code="BAD_PAGE")
    start = _place(after) + 1 if after is not None else offset or 0
    return Window(DEFAULT_PAGE if first is None else first, start)


def page_info(page: Page[V], window: Window) -> PageInfo:
    """Where the page stands."""
    end = window.offset + len(page.items)
    return PageInfo(
        has_next_page=end < page.total,
        has_previous_page=window.offset > 0 and page.total > 0,
        start_cursor=cursor(window.offset) if page.items else None,
        end_cursor=cursor(end - 1) if page.items else None,
    )


def cursor(place: int) -> str:
    """The cursor of the item at that place."""
    return urlsafe_b64encode(f"at:{place}".encode()).decode()


def _place(after: str) -> int:
    try:
        kind, _, place = urlsafe_b64decode(after.encode("ascii")).decode("ascii").partition(":")
        if kind == "at" and place.isdecimal() and len(place) < 10:
            return int(place)
    except ValueError:
        pass
    raise PublicError("«after» is not a cursor of this list.", code="BAD_PAGE")
