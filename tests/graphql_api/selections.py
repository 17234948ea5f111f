"""Selections of everything that a schema has, made from the schema itself."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from graphql import (
    GraphQLError,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    get_named_type,
    is_leaf_type,
    is_required_argument,
    parse,
)

from graphql_api.limits import MOST_TOKENS, check_cost, check_shape, cost

MOST_ITEMS = 30
"""With which the first list of a document is asked for."""


def selection(schema: GraphQLSchema, type: Any, depth: int, apart: Collection[str] = ()) -> str:
    """All fields of the type that need no arguments, with those of what they lead to, `depth` levels of it.

    Fields named in `apart` get an alias, because others beside them have their name and another type.
    """
    named = get_named_type(type)
    if is_leaf_type(named):
        return ""
    if isinstance(named, GraphQLInterfaceType | GraphQLUnionType):
        possible = schema.get_possible_types(named)
        unlike = _unlike(possible)
        inner = " ".join(f"... on {one.name} {selection(schema, one, depth, unlike)}" for one in possible)
        return f"{{ __typename {inner} }}"
    assert isinstance(named, GraphQLObjectType)
    fields = [
        f"{f'{named.name}_{name}: ' if name in apart else ''}{name} {selection(schema, field.type, depth - 1)}".rstrip()
        for name, field in named.fields.items()
        if is_free(field) and (depth > 1 or is_leaf_type(get_named_type(field.type)))
    ]
    return f"{{ __typename {' '.join(fields)} }}"


def _unlike(types: Sequence[GraphQLObjectType]) -> set[str]:
    """The names that stand for different things in the types."""
    found: dict[str, set[str]] = {}
    for type in types:
        for name, field in type.fields.items():
            found.setdefault(name, set()).add(str(field.type))
    return {name for name, kinds in found.items() if len(kinds) > 1}


def documents(schema: GraphQLSchema, field: str, depth: int, first: int) -> Iterator[str]:
    """Queries that ask together for everything within `depth` levels of a field of Query, none beyond the limits.

    A connection is no level of its own; each takes `first` items, fewer where that is beyond the limits, the field's
    own as many as it has arguments for.
    Every argument of the field is a variable of its name.
    """
    assert schema.query_type is not None
    asked = schema.query_type.fields[field]
    declared = ", ".join(f"${name}: {one.type}" for name, one in asked.args.items())
    given = ", ".join(f"{name}: ${name}" for name in asked.args)
    head = f"query {f'({declared})' if declared else ''} {{ {field}{f'({given})' if given else ''} {{ "
    packed: list[str] = []
    for piece in pieces(schema, asked.type, depth, first):
        if not _is_allowed(schema, f"{head}{piece} }} }}"):
            # Alone, of as many items as it can be asked for; what is too deep nobody can ask for at all.
            for fewer in range(first - 1, 0, -1):
                alone = f"{head}{piece.replace(f'(first: {first})', f'(first: {fewer})')} }} }}"
                if _is_allowed(schema, alone):
                    yield alone
                    break
            continue
        if packed and not _is_allowed(schema, f"{head}{' '.join([*packed, piece])} }} }}"):
            yield f"{head}{' '.join(packed)} }} }}"
            packed = []
        packed.append(piece)
    yield f"{head}{' '.join(packed)} }} }}"


def pieces(schema: GraphQLSchema, type: Any, depth: int, first: int, apart: Collection[str] = ()) -> Iterator[str]:
    """What to ask of the type, one way through it after the other; together they are everything."""
    named = get_named_type(type)
    if isinstance(named, GraphQLInterfaceType | GraphQLUnionType):
        possible = schema.get_possible_types(named)
        for one in possible:
            for piece in pieces(schema, one, depth, first, _unlike(possible)):
                yield f"... on {one.name} {{ {piece} }}"
        return
    assert isinstance(named, GraphQLObjectType)
    free = {name: field for name, field in named.fields.items() if is_free(field)}
    heads = {name: f"{f'{named.name}_{name}: ' if name in apart else ''}{name}" for name in free}
    leaves = [heads[name] for name, field in free.items() if is_leaf_type(get_named_type(field.type))]
    yield " ".join(["__typename", *leaves])
    for name, field in free.items():
        inner = get_named_type(field.type)
        if is_leaf_type(inner):
            continue
        left = depth if inner.name.endswith(("Connection", "Edge")) or named.name.endswith("Edge") else depth - 1
        if left > 0:
            head = heads[name] + (f"(first: {first})" if "first" in field.args else "")
            for piece in pieces(schema, inner, left, first):
                yield f"{head} {{ {piece} }}"


def _is_allowed(schema: GraphQLSchema, document: str) -> bool:
    try:
        parsed = parse(document, max_lexical_tokens=MOST_TOKENS)
        check_shape(parsed)
        check_cost(cost(schema, parsed, {"first": MOST_ITEMS}))
    except GraphQLError:
        return False
    return True


def is_free(field: GraphQLField) -> bool:
    """Whether it may be asked for without arguments."""
    return not any(is_required_argument(argument) for argument in field.args.values())
