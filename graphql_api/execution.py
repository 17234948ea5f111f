"""One GraphQL operation from its text to its answer, whichever way it came."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    OperationType,
    StringValueNode,
    Visitor,
    execute,
    parse,
    specified_rules,
    validate,
    visit,
)
from graphql.execution import create_source_event_stream
from strawberry import Schema
from strawberry.execution import optimized_is_awaitable

from graphql_api.context import Context
from graphql_api.errors import IsOutage, PublicError, formatted
from graphql_api.limits import MOST_CHARACTERS, MOST_COST, MOST_TOKENS, check_cost, check_shape, cost, only_operation
from graphql_api.metrics import OPERATION_SECONDS
from graphql_api.requests import is_ordinary

KEPT_DOCUMENTS = 500
LONGEST_SECONDS = 15.0
MOST_FAULTS = 10

_IS_AWAITABLE: Any = optimized_is_awaitable
"""Quicker than graphql-core's own, and typed differently."""

Answer = dict[str, Any]
"""A GraphQL response: `data`, `errors`; without `data` when the request itself is at fault."""


class RequestRefused(Exception):
    """The request is at fault; nothing of it ran."""

    def __init__(self, *errors: GraphQLError) -> None:
        super().__init__("; ".join(error.message for error in errors))
        self.errors = errors


@dataclass(frozen=True, slots=True)
class Document:
    """A document that may run: its operation, and what it can cost at most."""

    ast: DocumentNode
    operation: OperationDefinitionNode
    most_cost: int

    @property
    def type(self) -> OperationType:
        return self.operation.operation


class Engine:
    """Runs operations of the schema; documents that were checked once are kept and not checked again."""

    def __init__(self, schema: Schema, *, introspection: bool, is_outage: IsOutage) -> None:
        # Strawberry has no public name for the schema that it made.
        self._schema = schema._schema
        self._executor = schema.execution_context_class
        self._introspection = introspection
        self._rules = list(specified_rules) if introspection else [*specified_rules, NoSchemaIntrospectionCustomRule]
        self._documents: OrderedDict[str, Document] = OrderedDict()
        self._is_outage = is_outage

    def errors(self, *errors: GraphQLError) -> Answer:
        """The `errors` of an answer."""
        return {"errors": [formatted(error, self._is_outage) for error in errors]}

    def document(self, text: str, operation_name: str | None, variables: Mapping[str, Any] | None) -> Document:
        """The document, checked. Raises RequestRefused."""
        try:
            document = self._documents.get(text)
            if document is None:
                document = self._checked(text)
                self._documents[text] = document
                if len(self._documents) > KEPT_DOCUMENTS:
                    self._documents.popitem(last=False)
            else:
                self._documents.move_to_end(text)
            if operation_name:
                only_operation(document.ast, operation_name)
            if document.most_cost > MOST_COST:
                check_cost(cost(self._schema, document.ast, variables or {}))
        except GraphQLError as error:
            raise RequestRefused(error) from None
        return document

    async def execute(self, document: Document, variables: Mapping[str, Any] | None, context: Context) -> Answer:
        """The answer of a query or a mutation."""
        return await self._answer(document, variables, context, None)

    async def subscribe(
        self, document: Document, variables: Mapping[str, Any] | None, new_context: Callable[[], Context]
    ) -> AsyncGenerator[Answer]:
        """Each answer of a subscription, in a context of its own, so that no message shows what an earlier one read.

        Raises:
            RequestRefused: the subscription did not begin.
        """
        executor = self._executor.build(
            self._schema,
            document.ast,
            context_value=new_context(),
            raw_variable_values=dict(variables or {}),
            is_awaitable=_IS_AWAITABLE,
            hide_suggestions=not self._introspection,
        )
        if isinstance(executor, list):
            raise RequestRefused(*executor)
        events: Any = create_source_event_stream(executor)
        if asyncio.iscoroutine(events):
            events = await events
        if isinstance(events, ExecutionResult):
            raise RequestRefused(*events.errors or ())
        try:
            async for event in events:
                yield await self._answer(document, variables, new_context(), event)
        except GraphQLError as error:
            raise RequestRefused(error) from None
        finally:
            await events.aclose()

    async def _answer(
        self, document: Document, variables: Mapping[str, Any] | None, context: Context, root: Any
    ) -> Answer:
        began = time.perf_counter()
        answer = await self._run(document, variables, context, root)
        outcome = "errors" if "errors" in answer else "data"
        OPERATION_SECONDS.labels(document.type.value, outcome).observe(time.perf_counter() - began)
        return answer

    async def _run(
        self, document: Document, variables: Mapping[str, Any] | None, context: Context, root: Any
    ) -> Answer:
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                result = execute(
                    self._schema,
                    document.ast,
                    root_value=root,
                    context_value=context,
                    variable_values=dict(variables or {}),
                    executor_class=self._executor,
                    is_awaitable=_IS_AWAITABLE,
                    hide_suggestions=not self._introspection,
                    max_coercion_errors=MOST_FAULTS,
                )
                if not isinstance(result, ExecutionResult):
                    result = await result
        except TimeoutError as error:
            return {"data": None, **self.errors(GraphQLError("", original_error=error))}
        if not result.errors:
            return {"data": result.data}
        # Only an error of the request itself belongs to no field.
        if result.data is None and all(error.path is None for error in result.errors):
            return self.errors(*result.errors)
        return {"data": result.data, **self.errors(*result.errors)}

    def _checked(self, text: str) -> Document:
        if len(text) > MOST_CHARACTERS:
            raise PublicError(f"The document is longer than {MOST_CHARACTERS} characters.", code="LIMIT_EXCEEDED")
        ast = parse(text, max_lexical_tokens=MOST_TOKENS, max_comments=MOST_TOKENS)
        operation = only_operation(ast, None)
        check_shape(ast)
        visit(ast, _OrdinaryText())
        faults = validate(
            self._schema, ast, self._rules, max_errors=MOST_FAULTS, hide_suggestions=not self._introspection
        )
        if faults:
            raise RequestRefused(*faults)
        return Document(ast, operation, cost(self._schema, ast, None))


class _OrdinaryText(Visitor):
    """Refuses texts in a document that storage cannot take."""

    def enter_string_value(self, node: StringValueNode, *_: Any) -> None:
        if not is_ordinary(node.value):
            raise PublicError("A text must not hold NUL or half a surrogate pair.", code="BAD_REQUEST")
