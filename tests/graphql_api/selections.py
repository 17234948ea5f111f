"""Selections of everything that a schema has, made from the schema itself."""

from typing import Any

from graphql import (
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    is_required_argument,
)


def selection(schema: GraphQLSchema, type: Any, depth: int) -> str:
    """All fields of the type that need no arguments, with those of what they lead to, `depth` levels of it."""
    named = get_named_type(type)
    if is_leaf_type(named):
        return ""
    if is_abstract_type(named):
        assert isinstance(named, GraphQLInterfaceType | GraphQLUnionType)
        # In a union of objects one name may be of two types, which needs an alias.
        inner = " ".join(
            f"... on {possible.name} {selection(schema, possible, depth)}"
            for possible in schema.get_possible_types(named)
        )
        return f"{{ __typename {inner} }}"
    assert isinstance(named, GraphQLObjectType)
    fields = [
        f"{name} {selection(schema, field.type, depth - 1)}".rstrip()
        for name, field in named.fields.items()
        if is_free(field) and (depth > 1 or is_leaf_type(get_named_type(field.type)))
    ]
    return f"{{ __typename {' '.join(fields)} }}"


def is_free(field: GraphQLField) -> bool:
    """Whether it may be asked for without arguments."""
    return not any(is_required_argument(argument) for argument in field.args.values())
