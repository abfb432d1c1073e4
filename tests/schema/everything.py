"""A document that asks for every field once, so that no declaration stays unread."""

from typing import Any

from graphql import (
    GraphQLField,
    GraphQLObjectType,
    get_named_type,
    is_composite_type,
    is_non_null_type,
    is_object_type,
)


def roots(schema: Any) -> list[str]:
    """The root fields that need no id."""
    query = schema._schema.query_type
    return [name for name, field in query.fields.items() if not _required(field)]


def document(schema: Any, root: str, *, depth: int = 3) -> str:
    """One root field, with each type's fields once on each way down."""
    query = schema._schema.query_type
    return "{" + _field(root, query.fields[root], (query.name,), depth) + "}"


def case(schema: Any) -> str:
    """All of one case."""
    type_ = schema._schema.type_map["Case"]
    return f"query($id: ID!) {{ case(id: $id) {selection(type_, 2)} }}"


def selection(type_: GraphQLObjectType, depth: int, above: tuple[str, ...] = ()) -> str:
    """All fields of a type, down to ``depth``."""
    parts = []
    for name, field in type_.fields.items():
        target = get_named_type(field.type)
        if is_composite_type(target) and (depth == 0 or target.name in above):
            continue
        parts.append(_field(name, field, (*above, type_.name), depth))
    return "{__typename " + " ".join(parts) + "}"


def _field(name: str, field: GraphQLField, above: tuple[str, ...], depth: int) -> str:
    target = get_named_type(field.type)
    arguments = "(first: 3)" if "first" in field.args else ""
    if not is_composite_type(target):
        return name + arguments
    if not is_object_type(target):
        return name + arguments + "{__typename}"
    return name + arguments + selection(target, depth - 1, above)


def _required(field: GraphQLField) -> bool:
    return any(
        is_non_null_type(argument.type) or name == "id" for name, argument in field.args.items()
    )
