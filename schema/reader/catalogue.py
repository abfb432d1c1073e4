"""All types of a schema with their readings, checked once when the schema is built.

A type over a table must say which rows its viewer sees, each of its fields how it is had, and
what can be missing must be nullable: what is wrong here is wrong before the first request.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import strawberry
from graphql import (
    GraphQLField,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_abstract_type,
    is_list_type,
    is_non_null_type,
)
from sqlalchemy import BindParameter
from sqlalchemy.sql import visitors
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.field import StrawberryField

from schema.reader import page
from schema.reader.declaration import (
    VIEWER,
    Argument,
    AsParent,
    ByTag,
    Computed,
    Connected,
    EmbeddedReading,
    Everyone,
    Identity,
    Many,
    Reading,
    Relation,
    Row,
    TableReading,
    reading_of,
    type_reading_of,
)


class NotReadable(TypeError):  # noqa: N818 - named as one would say it
    """A declaration is missing or contradicts itself; the text says where."""


@dataclass(frozen=True)
class Field:
    """One field as the reader knows it."""

    parent: str
    name: str
    python_name: str
    graphql: GraphQLField
    strawberry: StrawberryField
    reading: Reading | None
    keys: page.Keys | None
    arguments: Mapping[str, tuple[str, Argument]]

    def __str__(self) -> str:
        return f"{self.parent}.{self.name}"

    @property
    def target(self) -> GraphQLNamedType:
        """The named type of the field, without lists and non-nulls."""
        return get_named_type(self.graphql.type)


class Catalogue:
    """The readings of a schema's types and fields, by GraphQL name."""

    def __init__(self, schema: strawberry.Schema) -> None:
        self.schema = schema
        self.core: GraphQLSchema = schema._schema  # noqa: SLF001 - strawberry has no other door
        self.readings: dict[str, TableReading | EmbeddedReading] = {}
        self.origins: dict[str, type] = {}
        self.fields: dict[str, dict[str, Field]] = {}
        self.tags: dict[str, str] = {}
        for type_ in self.core.type_map.values():
            if isinstance(type_, GraphQLObjectType) and not type_.name.startswith("__"):
                self._add(type_)
        self.names = {origin: name for name, origin in self.origins.items()}
        self.roots = {
            root.name
            for root in (self.core.query_type, self.core.mutation_type, self.core.subscription_type)
            if root is not None
        }
        for name in self.fields:
            self._check(name)

    def table(self, name: str) -> TableReading:
        """Give the table of a type; ``NotReadable`` if it has none."""
        reading = self.readings.get(name)
        if not isinstance(reading, TableReading):
            raise NotReadable(f"{name} stands over no table")
        return reading

    def is_table(self, name: str) -> bool:
        """Say whether a type stands over a table."""
        return isinstance(self.readings.get(name), TableReading)

    def item_of(self, connection: GraphQLNamedType) -> GraphQLObjectType:
        """Give the type of a connection's nodes."""
        fields = cast("GraphQLObjectType", connection).fields
        return cast("GraphQLObjectType", get_named_type(fields["nodes"].type))

    def targets(self, field: Field) -> Mapping[GraphQLObjectType, Any]:
        """Give the object types that a relation leads to, each with its ``Member`` if declared."""
        reading = field.reading
        if isinstance(reading, Relation) and reading.members is not None:
            return {
                self.core.type_map[self.names[origin]]: member  # type: ignore[misc]  # object types
                for origin, member in reading.members().items()
            }
        target = field.target
        if isinstance(reading, Connected):
            target = self.item_of(target)
        return {target: None}  # type: ignore[dict-item]  # checked by _check_relation

    def _add(self, type_: GraphQLObjectType) -> None:
        definition = type_.extensions.get("strawberry-definition")
        if not isinstance(definition, StrawberryObjectDefinition):
            return
        origin = definition.origin
        reading = type_reading_of(origin)
        self.origins[type_.name] = origin
        if reading is not None:
            self.readings[type_.name] = reading
        if isinstance(reading, TableReading) and reading.tag is not None:
            other = self.tags.setdefault(reading.tag, type_.name)
            if other != type_.name:
                raise NotReadable(f"{type_.name} and {other} have the same tag {reading.tag!r}")
        self.fields[type_.name] = {
            name: self._field(type_.name, name, field) for name, field in type_.fields.items()
        }

    def _field(self, parent: str, name: str, graphql: GraphQLField) -> Field:
        made: StrawberryField = graphql.extensions["strawberry-definition"]
        reading = reading_of(made)
        keys = None
        if isinstance(reading, Connected):
            try:
                keys = page.Keys.of(reading.order)
            except TypeError as error:
                raise NotReadable(f"{parent}.{name}: {error}") from error
        declared: Mapping[str, Argument] = {}
        if isinstance(reading, Relation):
            declared = reading.filters
        elif isinstance(reading, Computed):
            declared = reading.arguments
        converter = self.schema.config.name_converter
        arguments = {
            converter.from_argument(argument): (
                argument.python_name,
                declared.get(argument.python_name, Argument(None)),
            )
            for argument in made.arguments
        }
        return Field(parent, name, made.python_name, graphql, made, reading, keys, arguments)

    def _check(self, type_name: str) -> None:
        reading = self.readings.get(type_name)
        if isinstance(reading, TableReading):
            self._check_row(type_name, reading.row)
        for field in self.fields[type_name].values():
            if reading is not None and field.reading is None:
                raise NotReadable(f"{field} does not say how it is had")
            if field.reading is not None:
                self._check_field(field, field.reading)

    def _check_row(self, type_name: str, row: Row, seen: tuple[str, ...] = ()) -> None:
        if isinstance(row, Everyone):
            return
        if isinstance(row, AsParent):
            parent = self.names.get(row.parent())
            if parent is None or parent in seen:
                raise NotReadable(
                    f"{type_name}'s rows are seen as those of a type that is not here"
                )
            self._check_row(parent, self.table(parent).row, (*seen, type_name))
            return
        if not any(_binds_viewer(row)):
            raise NotReadable(
                f"{type_name}'s row predicate binds no viewer: bind one, or say why all may see"
            )

    def _check_field(self, field: Field, reading: Reading) -> None:
        nullable = not is_non_null_type(field.graphql.type)
        if reading.when is not None and not nullable:
            raise NotReadable(f"{field} is hidden from some viewers and must be nullable")
        over_table = isinstance(reading, Identity) and field.parent in self.readings
        if over_table and self.table(field.parent).tag is None:
            raise NotReadable(f"{field} is an id, but {field.parent} has no tag")
        if isinstance(reading, Relation):
            self._check_relation(field, reading)
        if isinstance(reading, ByTag) and not nullable:
            raise NotReadable(f"{field} may find nothing and must be nullable")

    def _check_relation(self, field: Field, reading: Relation) -> None:
        if is_abstract_type(field.target) and reading.members is None:
            raise NotReadable(f"{field} needs members, since {field.target} is abstract")
        for target, member in self.targets(field).items():
            if not self.is_table(target.name):
                raise NotReadable(f"{field} leads to {target}, which stands over no table")
            listed = reading.members is not None and isinstance(reading, Many)
            if listed and not member.order:
                raise NotReadable(f"{field}: its member {target} needs an order")
        listed = is_list_type(
            field.graphql.type.of_type
            if is_non_null_type(field.graphql.type)
            else field.graphql.type
        )
        if listed is not isinstance(reading, Many):
            raise NotReadable(f"{field} is {'a' if listed else 'no'} list, its reading is not")


def _binds_viewer(row: Any) -> Iterator[bool]:
    for element in visitors.iterate(row):
        if isinstance(element, BindParameter) and element.key.startswith(VIEWER):
            yield True
