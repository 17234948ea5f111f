"""The committed schema is the product's, and keeps the names that other programs are written against."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    build_schema,
    is_introspection_type,
    is_specified_scalar_type,
)

import graphql_api
from graphql_api.schema import schema

COMMITTED = Path(graphql_api.__file__).with_name("schema.graphql")
CONTRACT = Path(__file__).with_name("contract.graphql")

OURS = build_schema(schema.as_str())
THEIRS = build_schema("directive @oneOf on INPUT_OBJECT\n" + CONTRACT.read_text(encoding="utf-8"))


def test_the_committed_schema_is_what_the_product_serves() -> None:
    assert COMMITTED.read_text(encoding="utf-8") == schema.as_str() + "\n", "write it anew: ./dev sferum schema"


@pytest.mark.parametrize("name", sorted(set(OURS.type_map) & set(THEIRS.type_map)))
def test_every_name_of_ours_means_what_the_contract_says(name: str) -> None:
    ours, theirs = OURS.type_map[name], THEIRS.type_map[name]
    assert type(ours) is type(theirs)
    assert list(_differences(ours, theirs)) == []


def test_no_type_stands_beside_the_contract() -> None:
    assert _named(OURS) <= _named(THEIRS)


def test_everything_is_described() -> None:
    assert list(_undescribed(OURS)) == []


def _named(of: GraphQLSchema) -> set[str]:
    return {
        name
        for name, named in of.type_map.items()
        if not is_introspection_type(named) and not is_specified_scalar_type(named)
    }


def _differences(ours: GraphQLNamedType, theirs: GraphQLNamedType) -> Iterator[str]:
    match ours, theirs:
        case (GraphQLEnumType(), GraphQLEnumType()):
            yield from (f"value {value}" for value in ours.values if value not in theirs.values)
        case (GraphQLUnionType(), GraphQLUnionType()):
            members = {member.name for member in theirs.types}
            yield from (f"member {member.name}" for member in ours.types if member.name not in members)
        case (GraphQLInputObjectType(), GraphQLInputObjectType()):
            for name, field in ours.fields.items():
                if name not in theirs.fields or str(field.type) != str(theirs.fields[name].type):
                    yield f"field {name}: {field.type}"
        case (GraphQLObjectType() | GraphQLInterfaceType(), GraphQLObjectType() | GraphQLInterfaceType()):
            for name, output in ours.fields.items():
                if name not in theirs.fields or str(output.type) != str(theirs.fields[name].type):
                    yield f"field {name}: {output.type}"
                    continue
                for argument, given in output.args.items():
                    wanted = theirs.fields[name].args.get(argument)
                    if wanted is None or str(given.type) != str(wanted.type):
                        yield f"argument {name}({argument}: {given.type})"
        case _:
            # A scalar has nothing inside.
            pass


def _undescribed(of: GraphQLSchema) -> Iterator[str]:
    for name in _named(of) - {"Query", "Mutation", "Subscription"}:
        if not of.type_map[name].description:
            yield name
    for name in _named(of):
        named = of.type_map[name]
        match named:
            case GraphQLEnumType():
                yield from (f"{name}.{value}" for value, it in named.values.items() if not it.description)
            case GraphQLInputObjectType():
                yield from (f"{name}.{field}" for field, it in named.fields.items() if not it.description)
            case GraphQLObjectType() | GraphQLInterfaceType():
                for field, it in named.fields.items():
                    if not it.description:
                        yield f"{name}.{field}"
                    arguments = (
                        f"{name}.{field}({argument})" for argument, it in it.args.items() if not it.description
                    )
                    yield from arguments
            case _:
                pass
