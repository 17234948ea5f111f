"""How much one document may ask for, decided before any of it runs; each check walks the document once (promise P4)."""

from collections.abc import Iterator, Mapping
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
)
from graphql.language.ast import Node

from graphql_api.errors import PublicError
from graphql_api.pagination import DEFAULT_PAGE, LARGEST_PAGE

MOST_CHARACTERS = 64 * 1024
MOST_TOKENS = 1_000
MOST_DEPTH = 12
MOST_ALIASES = 30
MOST_DIRECTIVES = 50
MOST_SPREADS = 50
MOST_COST = 5_000


def only_operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    """The document's one operation. Raises PublicError if there are others, or it has another name."""
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    if len(operations) != 1:
        raise PublicError("A document must hold exactly one operation.", code="ONE_OPERATION")
    if name and (operations[0].name is None or operations[0].name.value != name):
        raise PublicError("The document has no operation of that name.", code="UNKNOWN_OPERATION")
    return operations[0]


def check_shape(document: DocumentNode) -> None:
    """Refuses what repeats or nests too much. Raises PublicError with code LIMIT_EXCEEDED."""
    aliases = directives = spreads = 0
    for selection_set in _selection_sets(document):
        names: set[str] = set()
        for selection in selection_set.selections:
            directives += len(selection.directives or ())
            match selection:
                case FragmentSpreadNode():
                    spreads += 1
                case FieldNode(name=name, alias=alias):
                    # A field that is asked for again costs the validator as much as an alias.
                    key = alias.value if alias else name.value
                    aliases += alias is not None or key in names
                    names.add(key)
                case _:
                    pass
    for definition in document.definitions:
        directives += len(getattr(definition, "directives", None) or ())
    for what, count, most in (
        ("aliases and repeated fields", aliases, MOST_ALIASES),
        ("directives", directives, MOST_DIRECTIVES),
        ("fragment spreads", spreads, MOST_SPREADS),
        ("levels of nesting", _depth(document), MOST_DEPTH),
    ):
        if count > most:
            raise PublicError(f"The document has more than {most} {what}.", code="LIMIT_EXCEEDED")


def cost(schema: GraphQLSchema, document: DocumentNode, variables: Mapping[str, Any] | None) -> int:
    """How many fields the answer may have, a list counting its page; without `variables` the largest page."""
    operation = only_operation(document, None)
    defaults = {
        definition.variable.name.value: definition.default_value
        for definition in operation.variable_definitions or ()
        if definition.default_value is not None
    }
    fragments = _fragments(document)
    known: dict[str, int] = {}

    def page(field: FieldNode) -> int:
        value = next((argument.value for argument in field.arguments or () if argument.name.value == "first"), None)
        if isinstance(value, VariableNode):
            if variables is None:
                return LARGEST_PAGE
            given = variables.get(value.name.value)
            if given is not None:
                return given if isinstance(given, int) and 0 <= given <= LARGEST_PAGE else LARGEST_PAGE
            value = defaults.get(value.name.value)
        if isinstance(value, IntValueNode):
            return min(int(value.value), LARGEST_PAGE) if len(value.value) < 10 else LARGEST_PAGE
        return DEFAULT_PAGE

    def of(selection_set: SelectionSetNode | None, parent: Any) -> int:
        total = 0
        for selection in selection_set.selections if selection_set else ():
            match selection:
                case FieldNode(name=name):
                    fields = parent.fields if isinstance(parent, GraphQLObjectType | GraphQLInterfaceType) else {}
                    field = fields.get(name.value)
                    inside = of(selection.selection_set, get_named_type(field.type) if field else None)
                    total += 1 + inside * (page(selection) if field and "first" in field.args else 1)
                case FragmentSpreadNode(name=name):
                    total += of_fragment(name.value)
                case InlineFragmentNode(type_condition=condition):
                    inner = schema.type_map.get(condition.name.value) if condition else parent
                    total += of(selection.selection_set, inner)
                case _:
                    pass
        return total

    def of_fragment(name: str) -> int:
        if name not in known:
            # A fragment within itself is no cost: validation refuses it.
            known[name] = 0
            if fragment := fragments.get(name):
                condition = fragment.type_condition.name.value
                known[name] = of(fragment.selection_set, schema.type_map.get(condition))
        return known[name]

    return of(operation.selection_set, schema.get_root_type(operation.operation))


def check_cost(cost: int) -> None:
    """Raises PublicError with code LIMIT_EXCEEDED."""
    if cost > MOST_COST:
        raise PublicError(
            f"The document asks for up to {min(cost, 10**9)} fields, more than {MOST_COST}: ask for smaller pages.",
            code="LIMIT_EXCEEDED",
        )


def _depth(document: DocumentNode) -> int:
    """The deepest field; introspection is not counted."""
    fragments = _fragments(document)
    known: dict[str, int] = {}

    def of(selection_set: SelectionSetNode | None) -> int:
        deepest = 0
        for selection in selection_set.selections if selection_set else ():
            match selection:
                case FieldNode(name=name):
                    if not name.value.startswith("__"):
                        deepest = max(deepest, 1 + of(selection.selection_set))
                case FragmentSpreadNode(name=name):
                    deepest = max(deepest, of_fragment(name.value))
                case InlineFragmentNode():
                    deepest = max(deepest, of(selection.selection_set))
                case _:
                    pass
        return deepest

    def of_fragment(name: str) -> int:
        if name not in known:
            known[name] = 0
            if fragment := fragments.get(name):
                known[name] = of(fragment.selection_set)
        return known[name]

    return of(only_operation(document, None).selection_set)


def _fragments(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    return {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}


def _selection_sets(document: DocumentNode) -> Iterator[SelectionSetNode]:
    waiting: list[Node] = list(document.definitions)
    while waiting:
        selection_set = getattr(waiting.pop(), "selection_set", None)
        if selection_set is not None:
            yield selection_set
            waiting.extend(selection_set.selections)
