"""Expected refusals are data: in one place a refusal becomes a member of the mutation's result."""

from typing import Any

import strawberry
from strawberry.extensions.field_extension import AsyncExtensionResolver, FieldExtension

import graphql_api.enums  # noqa: F401 (describes ProblemCode before it is used)
from application.ports import ConcurrentChange
from domain.errors import ProblemCode, Refused, refuse
from graphql_api.context import Info
from graphql_api.messages import Language, message_of


@strawberry.type(name="Problem", description="One thing that is wrong with a request.")
class ProblemType:
    """A problem as clients see it."""

    code: ProblemCode = strawberry.field(description="What is wrong.")
    message: str = strawberry.field(description="What is wrong and what to do, for the user.")
    path: list[str] = strawberry.field(description="The argument at fault, from the outside in; empty: the whole.")


@strawberry.type(description="The request is understood and not carried out; nothing has changed.")
class Refusal:
    """Everything that is wrong, at once."""

    problems: list[ProblemType] = strawberry.field(description="Each thing that is wrong.")

    @classmethod
    def of(cls, refused: Refused, language: Language) -> "Refusal":
        """The refusal in the client's language."""
        return cls(
            problems=[
                ProblemType(code=problem.code, message=message_of(problem, language), path=list(problem.path))
                for problem in refused.problems
            ]
        )


class RefusalsAsData(FieldExtension):
    """Put on every mutation: what a use case refuses becomes its result."""

    async def resolve_async(self, next_: AsyncExtensionResolver, source: Any, info: Info, **arguments: Any) -> Any:
        try:
            return await next_(source, info, **arguments)
        except Refused as refused:
            return Refusal.of(refused, info.context.language)
        except ConcurrentChange:
            return Refusal.of(refuse(ProblemCode.TRY_AGAIN), info.context.language)
