"""People, as those who share a chat or a conference with them see them, and as pickers tell them apart (RIGHT-10)."""

from collections.abc import Iterator
from typing import Self

import strawberry

from application.people_views import ChildView, PersonView
from application.views import ParticipantView
from domain.ids import ParticipantId
from domain.participant import Capacity, PositionKind
from graphql_api.context import Info
from graphql_api.global_ids import global_id
from graphql_api.nodes import Node

_ONLY_IN_PICKERS = "told only in pickers, to who may edit the chat, and about oneself"
_POSITIONS = {PositionKind.PEDAGOGICAL: "учитель", PositionKind.ADMINISTRATION: "администрация"}


@strawberry.input(description="Which people.")
class ParticipantFilter:
    """What a picker, or a tab of a table, is narrowed to."""

    capacity: Capacity | None = strawberry.field(default=None, description="Those who come in it.")
    name_contains: str | None = strawberry.field(
        default=None, description="Each of its words anywhere in the full name; case, ё/е and spaces aside."
    )
    school_class_id: strawberry.ID | None = strawberry.field(
        default=None, description="The class's pupils, their parents, and its class teacher."
    )
    blocked: bool | None = strawberry.field(default=None, description="Only those blocked, or only those who are not.")
    not_in_chat_id: strawberry.ID | None = strawberry.field(
        default=None, description="Those who are no members of the chat."
    )


@strawberry.type(description="A person of the school as Sferum sees them.")
class Participant(Node):
    """A participant; `detailed`: what they are at the school is the viewer's to know."""

    full_name: str = strawberry.field(description="Last name, first name, patronymic.")
    blocked: bool = strawberry.field(description="Whether their account in the school system is blocked.")
    inside: strawberry.Private[ParticipantId]
    detailed: strawberry.Private[bool]

    @strawberry.field(description=f"What tells namesakes apart, as «8 К» or «учитель»; {_ONLY_IN_PICKERS}.")
    async def caption(self, info: Info) -> str | None:
        """Null also for who is nothing at the school any more."""
        person = await self._person(info)
        return None if person is None else caption(person) or None

    @strawberry.field(description=f"As what they are at the school now; {_ONLY_IN_PICKERS}.")
    async def capacities(self, info: Info) -> list[Capacity] | None:
        """In the order employee, pupil, parent."""
        person = await self._person(info)
        return None if person is None else list(person.capacities)

    @strawberry.field(description=f"Whether their account is linked to VK ID; {_ONLY_IN_PICKERS}.")
    async def linked(self, info: Info) -> bool | None:
        """A link that VK ID withdrew counts as one (LINK-11)."""
        person = await self._person(info)
        return None if person is None else person.linked

    async def _person(self, info: Info) -> PersonView | None:
        """Read in one statement for all people of the operation."""
        if not self.detailed and self.inside != (await info.context.viewer()).participant_id:
            return None
        views = info.context.parts.people

        async def load(ids: list[ParticipantId]) -> list[PersonView | None]:
            found = await views.persons(ids)
            return [found.get(id) for id in ids]

        person: PersonView | None = await info.context.loader("persons", load).load(self.inside)
        return person

    @classmethod
    def of(cls, view: ParticipantView, *, detailed: bool = False) -> Self:
        """The participant of a view."""
        return cls(
            id=global_id("Participant", view.id),
            full_name=view.full_name,
            blocked=view.blocked,
            inside=view.id,
            detailed=detailed,
        )

    @classmethod
    def maybe(cls, view: ParticipantView | None, *, detailed: bool = False) -> Self | None:
        """The participant of a view, if there is one."""
        return None if view is None else cls.of(view, detailed=detailed)


def caption(person: PersonView) -> str:
    """What a person is at the school, one capacity after the other; nothing without any."""
    return "; ".join(_words(person))


def _words(person: PersonView) -> Iterator[str]:
    if Capacity.EMPLOYEE in person.capacities:
        yield ", ".join(word for kind, word in _POSITIONS.items() if kind in person.positions) or "сотрудник"
    if Capacity.PUPIL in person.capacities:
        yield person.class_name or "ученик"
    for child in person.children:
        yield f"родитель: {_named(child)}"


def _named(child: ChildView) -> str:
    name = f"{child.last_name} {child.first_name[:1]}."
    return name if child.class_name is None else f"{name}, {child.class_name}"
