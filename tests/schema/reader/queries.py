"""Queries made from a schema, for the comparison of two ways to answer them.

Everything that a document can say about a selection is drawn: aliases, fields asked twice,
fragments with and without names and with other types' conditions, `@skip` and `@include`,
literals and variables with and without defaults, nulls and what is left out.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    get_nullable_type,
    is_abstract_type,
    is_composite_type,
    is_input_object_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)
from hypothesis import strategies as st

ABSENT = object()


@dataclass
class Query:
    """A document, its variables, and who asks."""

    text: str
    variables: dict[str, Any]


@dataclass(repr=False)
class Hints:
    """Values that fit: ids by field, cursors by field, leaves by argument's name."""

    ids: Sequence[str]
    cursors: Mapping[str, Sequence[str]]
    leaves: Mapping[str, Sequence[Any]]
    left_out: frozenset[str] = frozenset()
    rare: frozenset[str] = frozenset()


@dataclass
class _Writing:
    draw: Any
    schema: GraphQLSchema
    hints: Hints
    variables: dict[str, tuple[str, str | None, Any]] = field(default_factory=dict)
    fragments: list[str] = field(default_factory=list)
    names: int = 0
    budget: int = 25

    def chance(self, percent: int) -> bool:
        return self.draw(st.integers(0, 99)) < percent

    def name(self, letter: str) -> str:
        self.names += 1
        return f"{letter}{self.names}"

    def selection(self, type_: Any, depth: int) -> str:
        parts = [self.one(type_, depth) for _ in range(self.draw(st.integers(1, 4)))]
        return "{ " + " ".join(parts) + " }"

    def one(self, type_: Any, depth: int) -> str:
        kind = self.draw(st.integers(0, 9))
        if kind == 0:
            return self.aliased("__typename") + self.directive()
        if kind <= 2 and depth > 0:
            return self.inline(type_, depth)
        if kind == 3 and depth > 0:
            return self.spread(type_, depth)
        fields = self.fields(type_, depth)
        if self.hints.rare & set(fields) and self.chance(90):
            fields = [name for name in fields if name not in self.hints.rare]
        if not fields:
            return self.inline(type_, depth) if is_abstract_type(type_) else "__typename"
        return self.field(type_, self.draw(st.sampled_from(fields)), depth)

    def fields(self, type_: Any, depth: int) -> list[str]:
        known = getattr(type_, "fields", {})
        open_ = depth > 0 and self.budget > 0
        return [
            name
            for name, found in known.items()
            if f"{type_.name}.{name}" not in self.hints.left_out
            and (open_ or is_leaf_type(get_named_type(found.type)))
        ]

    def field(self, type_: Any, name: str, depth: int) -> str:
        self.budget -= 1
        found = type_.fields[name]
        target = get_named_type(found.type)
        arguments = self.arguments(f"{type_.name}.{name}", found.args)
        # The same key must mean the same in all fragments: own names wherever it might not.
        own = bool(arguments) or self.chance(40)
        written = (self.aliased(name) if own else name) + arguments + self.directive()
        if is_composite_type(target):
            below = self.selection(target, depth - 1)
            if self.chance(10):
                return f"{written} {below} {written} {self.selection(target, depth - 1)}"
            return f"{written} {below}"
        return f"{written} {written}" if self.chance(5) else written

    def aliased(self, name: str) -> str:
        return f"{self.name('a')}: {name}" if self.chance(60) or name != "__typename" else name

    def inline(self, type_: Any, depth: int) -> str:
        target, condition = self.condition(type_)
        if target is type_ and self.chance(50):
            condition = ""
        return f"...{condition}{self.directive()} {self.selection(target, depth - 1)}"

    def spread(self, type_: Any, depth: int) -> str:
        target, condition = self.condition(type_)
        name = self.name("F")
        body = self.selection(target, depth - 1)
        self.fragments.append(f"fragment {name}{condition} {body}")
        twice = f" ...{name}" if self.chance(20) else ""
        return f"...{name}{self.directive()}{twice}"

    def condition(self, type_: Any) -> tuple[Any, str]:
        possible = [type_]
        if is_abstract_type(type_):
            possible += self.schema.get_possible_types(type_)
        elif isinstance(type_, GraphQLObjectType):
            possible += type_.interfaces
        target = self.draw(st.sampled_from(possible))
        return target, f" on {target.name}"

    def directive(self) -> str:
        if not self.chance(12):
            return ""
        name = self.draw(st.sampled_from(["skip", "include"]))
        value = self.draw(st.booleans())
        if self.chance(50):
            return f" @{name}(if: {json.dumps(value)})"
        default = json.dumps(not value) if self.chance(30) else None
        return f" @{name}(if: ${self.variable('Boolean!', default, value)})"

    # Arguments

    def arguments(self, where: str, known: Mapping[str, GraphQLArgument]) -> str:
        chosen: dict[str, Any] = {}
        if "first" in known and "last" in known:
            chosen[self.draw(st.sampled_from(["first", "last"]))] = self.draw(st.integers(1, 6))
            for end in ("after", "before"):
                if self.hints.cursors.get(where) and self.chance(20):
                    chosen[end] = self.draw(st.sampled_from(self.hints.cursors[where]))
        for name, argument in known.items():
            required = is_non_null_type(argument.type) and argument.default is None
            if name in {"first", "last", "after", "before"} or not (required or self.chance(40)):
                continue
            chosen[name] = self.value(name, argument.type)
        if not chosen:
            return ""
        written = (f"{n}: {self.given(known[n].type, v)}" for n, v in chosen.items())
        return "(" + ", ".join(written) + ")"

    def value(self, name: str, type_: Any) -> Any:
        if not is_non_null_type(type_) and self.chance(15):
            return None
        inner = get_nullable_type(type_)
        if is_list_type(inner):
            count = self.draw(st.integers(0, 3))
            return [self.value(name, inner.of_type) for _ in range(count)]
        if isinstance(inner, GraphQLInputObjectType):
            return {
                below: self.value(below, found.type)
                for below, found in inner.fields.items()
                if self.chance(50)
            }
        if isinstance(inner, GraphQLEnumType):
            return self.draw(st.sampled_from(list(inner.values)))
        known = {"ID": self.hints.ids, "Boolean": (False, True)}
        return self.draw(st.sampled_from(known.get(inner.name) or self.hints.leaves[name]))

    def given(self, type_: Any, value: Any) -> str:
        """Write a value as a literal, or as a variable of the argument's type."""
        kind = self.draw(st.integers(0, 5))
        if kind <= 2:
            return self.literal(type_, value)
        nullable = not is_non_null_type(type_)
        if kind == 3 and nullable:
            return "$" + self.variable(str(type_), self.literal(type_, value, const=True), ABSENT)
        if kind == 4 and nullable and value is not None:
            spelled = f"{type_}!"
            return "$" + self.variable(spelled, None, value)
        return "$" + self.variable(str(type_), None, value)

    def literal(self, type_: Any, value: Any, *, const: bool = False) -> str:
        inner = get_nullable_type(type_)
        if value is None:
            return "null"
        if is_list_type(inner):
            return "[" + ", ".join(self.literal(inner.of_type, v, const=const) for v in value) + "]"
        if is_input_object_type(inner):
            written = []
            for name, below in value.items():
                found = inner.fields[name].type
                if not const and self.chance(30):
                    variable = self.variable(str(found), None, below)
                    written.append(f"{name}: ${variable}")
                else:
                    written.append(f"{name}: {self.literal(found, below, const=const)}")
            return "{" + ", ".join(written) + "}"
        return value if isinstance(inner, GraphQLEnumType) else json.dumps(value)

    def variable(self, type_: str, default: str | None, value: Any) -> str:
        name = self.name("v")
        self.variables[name] = (type_, default, value)
        return name


@st.composite
def queries(draw: Any, schema: GraphQLSchema, hints: Hints, *, depth: int = 5) -> Query:
    """Draw a document with its variables."""
    writing = _Writing(draw, schema, hints)
    body = writing.selection(schema.query_type, depth)
    declared = ", ".join(
        f"${name}: {type_}" + (f" = {default}" if default is not None else "")
        for name, (type_, default, _value) in writing.variables.items()
    )
    head = f"query Q({declared}) " if declared else ""
    given = {n: v for n, (_type, _default, v) in writing.variables.items() if v is not ABSENT}
    return Query("\n".join([head + body, *writing.fragments]), given)
