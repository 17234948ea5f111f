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
    FieldNode,
    GraphQLError,
    GraphQLObjectType,
    GraphQLSchema,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    OperationType,
    StringValueNode,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    execute,
    parse,
    specified_rules,
    validate,
    visit,
)
from graphql.execution import create_source_event_stream
from graphql.execution.values import get_argument_values
from strawberry import Schema
from strawberry.execution import optimized_is_awaitable
from strawberry.schema.schema_converter import GraphQLCoreConverter

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
    subscription: FieldNode | None = None
    """The field of a subscription that asks for it plainly, without a directive or a fragment."""
    shared: bool = False
    """Whether an answer to a piece of news depends on nothing but the news: no field reads for the viewer."""

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

    async def answer(
        self, document: Document, variables: Mapping[str, Any] | None, context: Context, news: object
    ) -> Answer:
        """The answer of a subscription to one piece of news."""
        return await self._answer(document, variables, context, news)

    def arguments(self, document: Document, variables: Mapping[str, Any] | None) -> Mapping[str, Any]:
        """The arguments of the field `document.subscription`. Raises RequestRefused."""
        assert document.subscription is not None
        assert self._schema.subscription_type is not None
        executor = self._executor.build(
            self._schema,
            document.ast,
            raw_variable_values=dict(variables or {}),
            hide_suggestions=not self._introspection,
        )
        if isinstance(executor, list):
            raise RequestRefused(*executor)
        definition = self._schema.subscription_type.fields[document.subscription.name.value]
        try:
            return get_argument_values(definition, document.subscription, executor.variable_values)
        except GraphQLError as error:
            raise RequestRefused(error) from None

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
        subscription = _plain_subscription(operation)
        shared = subscription is not None and _is_plain(self._schema, ast)
        return Document(ast, operation, cost(self._schema, ast, None), subscription, shared)


def _plain_subscription(operation: OperationDefinitionNode) -> FieldNode | None:
    match operation.operation, operation.selection_set.selections:
        case OperationType.SUBSCRIPTION, (FieldNode() as field,) if not field.directives:
            return field
        case _:
            return None


def _is_plain(schema: GraphQLSchema, ast: DocumentNode) -> bool:
    """Whether no field below the root is resolved by a function of ours."""
    types = TypeInfo(schema)
    looking = _OwnResolvers(types, schema.subscription_type)
    visit(ast, TypeInfoVisitor(types, looking))
    return not looking.found


class _OwnResolvers(Visitor):
    """Finds fields that are resolved by a function of ours, which may look at the viewer."""

    def __init__(self, types: TypeInfo, root: GraphQLObjectType | None) -> None:
        super().__init__()
        self._types = types
        self._root = root
        self.found = False

    def enter_field(self, *_: Any) -> None:
        definition = self._types.get_field_def()
        if definition is None or self._types.get_parent_type() is self._root:
            return
        field = definition.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
        if field is not None and (field.base_resolver is not None or field.extensions):
            self.found = True


class _OrdinaryText(Visitor):
    """Refuses texts in a document that storage cannot take."""

    def enter_string_value(self, node: StringValueNode, *_: Any) -> None:
        if not is_ordinary(node.value):
            raise PublicError("A text must not hold NUL or half a surrogate pair.", code="BAD_REQUEST")
