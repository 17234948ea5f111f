"""Whatever has a global id."""

import strawberry


@strawberry.interface(description="Whatever has a global id.")
class Node:
    """Relay's Node."""

    id: strawberry.ID = strawberry.field(description="The global id.")
