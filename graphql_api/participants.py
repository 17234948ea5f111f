"""People, as those who share a chat or a conference with them see them."""

from typing import Self

import strawberry

from application.views import ParticipantView
from graphql_api.global_ids import global_id
from graphql_api.nodes import Node


@strawberry.type(description="A person of the school as Sferum sees them.")
class Participant(Node):
    """A participant."""

    full_name: str = strawberry.field(description="Last name, first name, patronymic.")
    blocked: bool = strawberry.field(description="Whether their account in the school system is blocked.")

    @classmethod
    def of(cls, view: ParticipantView) -> Self:
        """The participant of a view."""
        return cls(id=global_id("Participant", view.id), full_name=view.full_name, blocked=view.blocked)

    @classmethod
    def maybe(cls, view: ParticipantView | None) -> Self | None:
        """The participant of a view, if there is one."""
        return None if view is None else cls.of(view)
