"""How a GraphQL type is had in SQL, said once beside its fields.

A type stands over a table and says which rows a viewer may see; each field says which column,
expression, relation or Python function gives it. The declarations are SQLAlchemy expressions
over the tables themselves, so that a renamed column breaks the import. They are only data:
`schema.reader.statement` makes SQL of them, `schema.reader.reference` reads the same objects the
slow and plain way. This module knows no connection, no request and none of Concord's types.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, TypedDict, TypeVar, Unpack, cast

import strawberry
from sqlalchemy import BindParameter, Table, bindparam
from sqlalchemy.sql import ColumnElement, FromClause
from sqlalchemy.sql.elements import UnaryExpression
from sqlalchemy.types import TypeEngine
from strawberry.annotation import StrawberryAnnotation
from strawberry.types.arguments import StrawberryArgument
from strawberry.types.field import StrawberryField

from schema import ids

READING: Final = "reading"
VIEWER: Final = "viewer__"

T = TypeVar("T", bound=type)
Expression: TypeAlias = ColumnElement[Any]
Condition: TypeAlias = ColumnElement[bool] | Callable[[FromClause, FromClause], ColumnElement[bool]]
Order: TypeAlias = Sequence[Expression | UnaryExpression[Any]]
Parts: TypeAlias = Mapping[str, "Expression | Parts"]
Function: TypeAlias = Callable[..., Any | Awaitable[Any]]


class Words(TypedDict, total=False):
    """What every field may say for people; handed to strawberry as it is."""

    name: str
    description: str
    deprecation_reason: str
    directives: Sequence[object]


@dataclass(frozen=True)
class Everyone:
    """A row predicate that lets everybody in. ``reason`` says why that is right."""

    reason: str


@dataclass(frozen=True)
class AsParent:
    """A row is seen by whoever sees its parent's row, found by ``condition``."""

    parent: Callable[[], type]
    condition: ColumnElement[bool]


Row: TypeAlias = ColumnElement[bool] | AsParent | Everyone


@dataclass(frozen=True)
class TableReading:
    """A type over a table: its rows, and who sees which."""

    table: Table
    row: Row
    tag: str | None
    key: Expression


@dataclass(frozen=True)
class EmbeddedReading:
    """A type without rows of its own: it is made of parts that its owner's row gives."""


@dataclass(frozen=True)
class Argument:
    """An argument of a computed field."""

    annotation: Any
    default: Any = strawberry.UNSET
    description: str | None = None


@dataclass(frozen=True)
class Filter(Argument):
    """An argument that narrows a relation.

    ``condition`` makes, of a bind parameter, the condition on the target's table; it is added
    only when the argument is given and not null. ``fields`` does the same for each field of an
    input object. ``decode`` changes the value before it is bound; None then matches no row.
    """

    condition: Callable[[BindParameter[Any]], ColumnElement[bool]] | None = None
    fields: Mapping[str, "Filter"] = field(default_factory=dict)
    decode: Callable[[Any], Any] | None = None
    identifies: bool = False


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How one field is had. ``when`` hides it (null) from viewers for whom it is not true."""

    when: ColumnElement[bool] | None = None


@dataclass(frozen=True, kw_only=True)
class Identity(Reading):
    """The row's global id."""


@dataclass(frozen=True, kw_only=True)
class Column(Reading):
    """A column or an expression over the table; an array or jsonb list for a list of leaves."""

    expression: Expression


@dataclass(frozen=True, kw_only=True)
class Relation(Reading):
    """Rows of another type's table; ``members`` by type where the field's type is abstract."""

    condition: Condition | None
    filters: Mapping[str, Filter]
    order: Order
    members: Callable[[], Mapping[type, "Member"]] | None = None


@dataclass(frozen=True, kw_only=True)
class One(Relation):
    """At most one row. With an order, the first."""


@dataclass(frozen=True, kw_only=True)
class Many(Relation):
    """All rows, in order. ``typical`` is how many there are as a rule, for the static cost."""

    typical: int = 10


@dataclass(frozen=True, kw_only=True)
class Connected(Relation):
    """A Relay connection: pages of the rows, by keyset."""


@dataclass(frozen=True, kw_only=True)
class ByTag(Reading):
    """Any row by its global id: Relay's ``node``."""


@dataclass(frozen=True)
class Member:
    """One type's share of an abstract relation."""

    condition: Condition
    order: Order = ()


@dataclass(frozen=True, kw_only=True)
class Embedded(Reading):
    """An embedded type made of expressions over the row; null where ``present`` is not true."""

    parts: Parts
    present: ColumnElement[bool] | None


@dataclass(frozen=True, kw_only=True)
class Part(Reading):
    """A part of an embedded type, by its name in the owner's ``parts`` or in the JSON object."""

    name: str | None


@dataclass(frozen=True, kw_only=True)
class Json(Reading):
    """A jsonb object, or list of objects, read as an embedded type."""

    expression: Expression


@dataclass(frozen=True, kw_only=True)
class Computed(Reading):
    """A value that Python makes of ``needs`` after the statement."""

    function: Function
    needs: Mapping[str, Expression | None]
    arguments: Mapping[str, Argument]
    batch: bool


@dataclass(frozen=True, kw_only=True)
class Key(Reading):
    """A field of a payload made in Python, which holds the key (or keys) of rows to be read."""


def table(
    source: Table | type, *, row: Row, tag: str | None = None, key: Expression | None = None
) -> Callable[[T], T]:
    """Put the type over a table: ``source`` is that table or its SQLModel class.

    ``row`` says which rows the viewer sees: an expression over the table that binds ``viewer``
    parameters, ``as_parent`` or ``everyone``. ``tag`` is the two letters of its global ids.
    A subquery inside ``row`` that reads the same table must read an alias of it.
    """
    rows = columns(source)
    if tag is not None and not ids.TAG.fullmatch(tag):
        raise ValueError(f"a type's tag is two small letters, not {tag!r}")

    def declare(cls: T) -> T:
        reading = TableReading(rows, row, tag, rows.c.id if key is None else key)
        cls.__reading__ = reading  # type: ignore[attr-defined]  # read back by reading_of
        return cls

    return declare


def embedded(cls: T) -> T:
    """Say that the type has no table: its owner gives its parts."""
    cls.__reading__ = EmbeddedReading()  # type: ignore[attr-defined]  # read back by reading_of
    return cls


def columns(source: Table | type) -> Table:
    """Give the table of an SQLModel class, whose attributes a type checker takes for values."""
    return source if isinstance(source, Table) else cast("Table", source.__table__)  # type: ignore[attr-defined]  # SQLModel's


def viewer(name: str, type_: TypeEngine[Any] | type[TypeEngine[Any]]) -> BindParameter[Any]:
    """Stand for a parameter of whoever reads, such as the account's id; bound at each reading."""
    return bindparam(VIEWER + name, None, type_=type_)


def everyone(reason: str) -> Everyone:
    """Let everybody see every row, and say why that is right."""
    if not reason.strip():
        raise ValueError("rows that everybody sees need a reason")
    return Everyone(reason)


def as_parent(condition: ColumnElement[bool], parent: Callable[[], type]) -> AsParent:
    """Let a row be seen by whoever sees the parent row that ``condition`` joins.

    A relation from the parent with the same condition does not ask again; any other way to the
    row does. ``parent`` is a function, since types refer to each other.
    """
    return AsParent(parent, condition)


def identity(**words: Unpack[Words]) -> Any:
    """Declare the global id of the row."""
    return _field(Identity(), {}, words)


def column(
    expression: Expression, *, when: ColumnElement[bool] | None = None, **words: Unpack[Words]
) -> Any:
    """Declare a leaf, or a list of leaves, as a column or expression over the type's table."""
    return _field(Column(expression=expression, when=when), {}, words)


def one(
    condition: Condition | None = None,
    *,
    filters: Mapping[str, Filter] | None = None,
    order: Order = (),
    members: Callable[[], Mapping[type, Member]] | None = None,
    when: ColumnElement[bool] | None = None,
    **words: Unpack[Words],
) -> Any:
    """Declare a relation to at most one row; null when there is none that the viewer sees.

    ``condition`` joins the type's table with the target's; where both are the same table, or
    the target is an alias, it is a function of (source, target). On the query type there is no
    source. With ``order`` the first of several rows is taken.
    """
    reading = One(
        condition=condition, filters=filters or {}, order=order, members=members, when=when
    )
    return _field(reading, reading.filters, words)


def many(
    condition: Condition | None = None,
    *,
    order: Order = (),
    filters: Mapping[str, Filter] | None = None,
    members: Callable[[], Mapping[type, Member]] | None = None,
    when: ColumnElement[bool] | None = None,
    typical: int = 10,
    **words: Unpack[Words],
) -> Any:
    """Declare a plain list of rows. ``order`` must be total: end it with the key."""
    reading = Many(
        condition=condition,
        filters=filters or {},
        order=order,
        members=members,
        when=when,
        typical=typical,
    )
    return _field(reading, reading.filters, words)


def connection(
    condition: Condition | None = None,
    *,
    order: Order,
    filters: Mapping[str, Filter] | None = None,
    when: ColumnElement[bool] | None = None,
    **words: Unpack[Words],
) -> Any:
    """Declare a Relay connection. ``order`` must be total and never null: end it with the key."""
    reading = Connected(condition=condition, filters=filters or {}, order=order, when=when)
    paging = {
        "first": Argument(int | None, None, "The page's size from the front, 1 to 100."),
        "after": Argument(str | None, None, "Only what follows this cursor."),
        "last": Argument(int | None, None, "The page's size from the end, 1 to 100."),
        "before": Argument(str | None, None, "Only what precedes this cursor."),
    }
    return _field(reading, {**paging, **reading.filters}, words)


def node(**words: Unpack[Words]) -> Any:
    """Declare Relay's ``node(id:)`` over all types with a tag that implement the field's type."""
    return _field(ByTag(), {"id": Argument(strawberry.ID)}, words)


def embed(
    parts: Parts,
    *,
    present: ColumnElement[bool] | None = None,
    when: ColumnElement[bool] | None = None,
    **words: Unpack[Words],
) -> Any:
    """Declare an embedded type, giving each of its parts; null where ``present`` is not true."""
    return _field(Embedded(parts=parts, present=present, when=when), {}, words)


def part(held_as: str | None = None, **words: Unpack[Words]) -> Any:
    """Declare a part of an embedded type, held by default under the field's own Python name."""
    return _field(Part(name=held_as), {}, words)


def json(
    expression: Expression, *, when: ColumnElement[bool] | None = None, **words: Unpack[Words]
) -> Any:
    """Declare a jsonb object, or list of objects, read as an embedded type."""
    return _field(Json(expression=expression, when=when), {}, words)


def computed(
    function: Function,
    *,
    needs: Mapping[str, Expression] | Sequence[str] = (),
    arguments: Mapping[str, Argument] | None = None,
    batch: bool = False,
    **words: Unpack[Words],
) -> Any:
    """Declare a value that ``function(context, row, **arguments)`` makes after the statement.

    ``row`` is a dict of ``needs``: expressions over the table, or names of parts in an embedded
    type. With ``batch``, one call gets the list of all rows of the field in the answer and gives
    the list of values; it may be asynchronous. The value is what strawberry would be given: a
    leaf, an instance of a plain type, a list. An exception nulls the field, masked.
    """
    named = needs if isinstance(needs, Mapping) else dict.fromkeys(needs)
    reading = Computed(function=function, needs=named, arguments=arguments or {}, batch=batch)
    return _field(reading, reading.arguments, words)


def key(**words: Unpack[Words]) -> Any:
    """Declare a payload's field whose Python value is the key (list: keys) of rows to be read."""
    return _field(Key(), {}, words)


def matches(
    annotation: Any,
    condition: Callable[[BindParameter[Any]], ColumnElement[bool]] | None = None,
    *,
    fields: Mapping[str, Filter] | None = None,
    default: Any = strawberry.UNSET,
    decode: Callable[[Any], Any] | None = None,
    description: str | None = None,
) -> Filter:
    """Declare an argument that narrows a relation; see ``Filter``. An input type has ``fields``."""
    return Filter(annotation, default, description, condition, fields or {}, decode)


def identified(
    target: Expression | None = None, *, tag: str | None = None, optional: bool = False
) -> Filter:
    """Declare an argument that is a global id: of the target itself, or of what ``target`` names.

    An id of another type, or no id at all, matches no row.
    """
    annotation = strawberry.ID | None if optional else strawberry.ID
    if target is None:
        return Filter(annotation, identifies=True)
    return Filter(
        annotation, condition=lambda id_: target == id_, decode=lambda text: ids.find(text, tag)
    )


def reading_of(field_: StrawberryField) -> Reading | None:
    """Give a field's declaration, if it has one."""
    return cast("Reading | None", field_.metadata.get(READING))


def type_reading_of(cls: type) -> TableReading | EmbeddedReading | None:
    """Give the type's own declaration, if it has one."""
    return cast("TableReading | EmbeddedReading | None", vars(cls).get("__reading__"))


def _field(reading: Reading, arguments: Mapping[str, Argument], words: Mapping[str, Any]) -> Any:
    made = cast("StrawberryField", strawberry.field(metadata={READING: reading}, **words))
    if isinstance(reading, Computed):
        # An instance made in Python does not hold it, and is made without it.
        made.init = made.repr = made.compare = False
    made.arguments = [
        StrawberryArgument(
            python_name=name,
            graphql_name=None,
            type_annotation=StrawberryAnnotation(argument.annotation),
            default=argument.default,
            description=argument.description,
        )
        for name, argument in arguments.items()
    ]
    return made
