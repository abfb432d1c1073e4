"""Pieces of SQL that build JSON as text: constants, concatenation, leaves, marks.

JSON is put together with `||`, which measured faster than PostgreSQL's JSON functions. What
comes from rows goes through `to_json` unless its type cannot hold a character that JSON would
escape; what comes from documents is only names, which GraphQL limits to letters, digits and
the underscore. Raw control characters are therefore never part of the text, and three of them
serve as marks that `schema.reader.completion` resolves in Python:

* VOID: null stands where the type says that it cannot
* UNFIT: the value cannot be represented in the leaf's type
* CALL: a computed field's site and needs, between two of them
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

from graphql import GraphQLEnumType, GraphQLLeafType, is_leaf_type
from sqlalchemy import (
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    Enum,
    Integer,
    Text,
    case,
    column,
    func,
    literal_column,
)
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ColumnElement, visitors
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.selectable import SelectBase
from sqlalchemy.types import BigInteger, LargeBinary

VOID: Final = "\x01"
CALL: Final = "\x02"
UNFIT: Final = "\x03"
INT64_MAX: Final = 2**53 - 1
INT32_MAX: Final = 2**31 - 1
_NAME: Final = re.compile(r"[_A-Za-z][_0-9A-Za-z]*")

Piece = ColumnElement[Any] | str


class Concat(ColumnElement[str]):
    """Pieces joined by `||`, flat however many there are."""

    inherit_cache = False
    type = Text()
    _traverse_internals = [  # noqa: RUF012 - the name and form are SQLAlchemy's
        ("pieces", visitors.InternalTraversal.dp_clauseelement_tuple)
    ]

    def __init__(self, pieces: Sequence[ColumnElement[Any]]) -> None:
        self.pieces = tuple(pieces)

    @property
    def _from_objects(self) -> list[Any]:
        return [found for piece in self.pieces for found in piece._from_objects]  # noqa: SLF001 - SQLAlchemy's hook for its own elements

    def self_group(self, against: Any = None) -> Any:  # noqa: ARG002 - always in brackets
        """Say that it needs no more brackets: it is always written within its own."""
        return self


@compiles(Concat)
def _concat(element: Concat, compiler: SQLCompiler, **words: Any) -> str:
    return "(" + " || ".join(compiler.process(piece, **words) for piece in element.pieces) + ")"


def concat(*pieces: Piece) -> ColumnElement[str]:
    """Join SQL expressions and constant strings; neighbouring constants become one."""
    merged: list[ColumnElement[Any] | str] = []
    for piece in _flat(pieces):
        if isinstance(piece, str) and merged and isinstance(merged[-1], str):
            merged[-1] += piece
        elif piece != "" if isinstance(piece, str) else True:
            merged.append(piece)
    made = [constant(piece) if isinstance(piece, str) else piece for piece in merged]
    return made[0] if len(made) == 1 else Concat(made)


def _flat(pieces: Sequence[Piece]) -> list[Piece]:
    flat: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, Concat):
            flat.extend(_flat(piece.pieces))
        elif isinstance(piece, Constant):
            flat.append(piece.value)
        else:
            flat.append(piece)
    return flat


class Constant(ColumnElement[str]):
    """A constant string, written into the statement."""

    inherit_cache = False
    type = Text()
    _traverse_internals = [  # noqa: RUF012 - the name and form are SQLAlchemy's
        ("value", visitors.InternalTraversal.dp_string)
    ]

    def __init__(self, value: str) -> None:
        self.value = value


@compiles(Constant)
def _constant(element: Constant, compiler: SQLCompiler, **_words: Any) -> str:  # noqa: ARG001 - SQLAlchemy's signature
    written = element.value.replace("'", "''")
    if written.isprintable() and "\\" not in written:
        return f"'{written}'"
    escaped = "".join(
        c if c.isprintable() else f"\\x{ord(c):02x}" for c in written.replace("\\", "\\\\")
    )
    return f"E'{escaped}'"


def constant(value: str) -> ColumnElement[str]:
    """Write ``value`` into the statement as a string constant."""
    return Constant(value)


def name(value: str) -> str:
    """Give a GraphQL name as a JSON string; ``ValueError`` if it is none."""
    if not _NAME.fullmatch(value):
        raise ValueError(f"{value!r} is no GraphQL name")
    return f'"{value}"'


def or_null(text: ColumnElement[Any]) -> ColumnElement[str]:
    """Write JSON's null where the text is NULL."""
    return func.coalesce(text, constant("null"))


def or_void(text: ColumnElement[Any]) -> ColumnElement[str]:
    """Mark that null stands where the type says that it cannot."""
    return func.coalesce(text, constant(VOID))


def leaf(type_: GraphQLLeafType, value: ColumnElement[Any]) -> ColumnElement[Any]:
    """Give a leaf's JSON as SQL text; NULL exactly where ``value`` is."""
    if isinstance(type_, GraphQLEnumType):
        return _enum(type_, value)
    try:
        write = LEAVES[type_.name]
    except KeyError:
        raise TypeError(f"no SQL is known for the scalar {type_.name}") from None
    return write(value)


def any_json(value: ColumnElement[Any]) -> ColumnElement[Any]:
    """Give any SQL value as JSON text, the way PostgreSQL writes it."""
    return sql_cast(func.to_json(value), Text)


def _enum(type_: GraphQLEnumType, value: ColumnElement[Any]) -> ColumnElement[Any]:
    """Map stored values to GraphQL's names; constants, so nothing needs escaping."""
    stored = {name_: _stored(member.value, value) for name_, member in type_.values.items()}
    checked = isinstance(value.type, Enum) and value.type.create_constraint
    same = all(name_ == found for name_, found in stored.items())
    if isinstance(value, Column) and checked and same:
        return concat('"', sql_cast(value, Text), '"')
    # Compared with each name, the value is written once: it may hold subqueries, and of an
    # expression written as often as there are names the server makes as many plans.
    once = func.coalesce(sql_cast(value, Text), constant(VOID))
    names: list[tuple[Any, Any]] = [
        (literal_column(_sql_string(found)), constant(f'"{name_}"'))
        for name_, found in stored.items()
    ]
    return case((constant(VOID), None), *names, value=once, else_=constant(UNFIT))


def _stored(member: Any, value: ColumnElement[Any]) -> str:
    """Give what the column holds for a member: an Enum column may hold names or values."""
    plain = getattr(member, "value", member)
    if isinstance(value.type, Enum) and value.type.enum_class is not None:
        return cast("str", value.type._db_value_for_elem(value.type.enum_class(plain)))  # type: ignore[no-untyped-call]  # noqa: SLF001 - the only way to ask an Enum type
    return str(plain)


def _sql_string(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _escaped(value: ColumnElement[Any]) -> ColumnElement[Any]:
    return any_json(sql_cast(value, Text))


def _quoted(value: ColumnElement[Any]) -> ColumnElement[Any]:
    return concat('"', sql_cast(value, Text), '"')


def _int(value: ColumnElement[Any]) -> ColumnElement[Any]:
    if isinstance(value.type, BigInteger):
        raise TypeError(f"{value} has 64 bits: declare it as Int64, since GraphQL's Int has 32")
    return sql_cast(value, Text)


def _int64(value: ColumnElement[Any]) -> ColumnElement[Any]:
    inside = value.between(literal_column(str(-INT64_MAX)), literal_column(str(INT64_MAX)))
    return case((inside, sql_cast(value, Text)), (value.is_not(None), constant(UNFIT)))


def _float(value: ColumnElement[Any]) -> ColumnElement[Any]:
    written = sql_cast(func.to_json(value), Text)
    odd = written.like(literal_column("'\"%'"))
    return case((odd, constant(UNFIT)), else_=written)


def _boolean(value: ColumnElement[Any]) -> ColumnElement[Any]:
    return sql_cast(value, Text)


def _instant(value: ColumnElement[Any]) -> ColumnElement[Any]:
    utc = func.timezone(literal_column("'UTC'"), value)
    return concat(
        '"', func.to_char(utc, literal_column("""'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'""")), '"'
    )


def _digest(value: ColumnElement[Any]) -> ColumnElement[Any]:
    if isinstance(value.type, LargeBinary):
        return concat('"', func.encode(value, literal_column("'hex'")), '"')
    return _escaped(value)


LEAVES: Final[Mapping[str, Callable[[ColumnElement[Any]], ColumnElement[Any]]]] = {
    "ID": _escaped,
    "String": _escaped,
    "Int": _int,
    "Int64": _int64,
    "Float": _float,
    "Boolean": _boolean,
    "DateTime": _instant,
    "Date": any_json,
    "Digest": _digest,
    "URL": _escaped,
    "Decimal": _quoted,
    "JSON": lambda value: sql_cast(value, Text),
}
"""How each scalar is written, by its name; ``schema.scalars`` says the same in Python."""

_EXTRACTED: Final[Mapping[str, Any]] = {
    "Int": Integer,
    "Int64": BigInteger,
    "Float": Double,
    "Boolean": Boolean,
    "DateTime": DateTime(timezone=True),
    "Date": Date,
}


def hex_key(key: ColumnElement[Any]) -> ColumnElement[Any]:
    """Give a uuid as 32 hex digits."""
    return func.encode(func.uuid_send(key), constant("hex"))


def is_there(value: ColumnElement[Any]) -> ColumnElement[bool]:
    """Say that a value is neither NULL nor JSON's null."""
    if isinstance(value.type, JSONB):
        return func.jsonb_typeof(value) != constant("null")
    return value.is_not(None)


def is_asked_once(type_: Any, value: ColumnElement[Any]) -> bool:
    """Say that writing ``value`` runs no subquery of it more than once."""
    if getattr(type_, "name", None) not in _REPEATED and is_leaf_type(type_):
        return True
    return not any(isinstance(part, SelectBase) for part in visitors.iterate(value))


_REPEATED: Final = {"Int64", "Float"}


def extract(value: ColumnElement[Any], type_: GraphQLLeafType) -> ColumnElement[Any]:
    """Take a leaf out of a jsonb value, as SQL's own type; NULL for JSON's null."""
    taken = value.op("#>>")(literal_column("'{}'"))
    if isinstance(type_, GraphQLEnumType):
        return sql_cast(taken, Text)
    if type_.name == "JSON":
        return value
    kind = _EXTRACTED.get(type_.name, Text)
    return sql_cast(taken, kind)


def items(value: ColumnElement[Any]) -> Any:
    """Give an array's or jsonb list's items as a table of (value, n)."""
    if isinstance(value.type, ARRAY):
        item: Any = column("value", value.type.item_type)
        array = func.unnest(value)
        return array.table_valued(item, with_ordinality="n", joins_implicitly=True).render_derived()
    listed = case((func.jsonb_typeof(value) == literal_column("'array'"), value))
    item = column("value", JSONB())
    rows = func.jsonb_array_elements(listed)
    return rows.table_valued(item, with_ordinality="n", joins_implicitly=True).render_derived()
