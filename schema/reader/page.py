"""Relay connections: the types, how large a page is, and where a cursor stands.

A cursor is the row's order keys as JSON, in hex, after a fingerprint of the order: a cursor of
another connection, or of one whose order has changed since, is refused instead of misread. It
holds nothing but what the viewer has read, and grants nothing.

Follows Relay's "GraphQL Cursor Connections Specification", with `first` or `last` required.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

import strawberry
from graphql import GraphQLError
from sqlalchemy import (
    BigInteger,
    Date,
    DateTime,
    Enum,
    Float,
    Integer,
    LargeBinary,
    Numeric,
    Text,
    Uuid,
    and_,
    func,
    literal_column,
    or_,
    tuple_,
)
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by
from sqlalchemy.sql import ColumnElement, operators
from sqlalchemy.sql.elements import UnaryExpression
from sqlalchemy.types import TypeEngine

from schema.reader import text
from schema.reader.source import Rows

PAGE_MAX: Final = 100
BAD_PAGE: Final = "BAD_PAGE"
BAD_CURSOR: Final = "BAD_CURSOR"
_FINGERPRINT_LENGTH: Final = 8
_BIGINT_MAX: Final = 2**63 - 1
_INTEGER_MAX: Final = 2**31 - 1

Item = TypeVar("Item")


@strawberry.type(description="Where a page stands in its list.")
class PageInfo:
    """Relay's PageInfo."""

    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


@strawberry.type(description="An item of a page, and where it stands.")
class Edge(Generic[Item]):
    """Relay's edge."""

    cursor: str
    node: Item


@strawberry.type(description="A page of a list: `first` or `last` says how many, 1 to 100.")
class Connection(Generic[Item]):
    """Relay's connection, with the nodes alone for those who need no cursors."""

    edges: list[Edge[Item]]
    nodes: list[Item]
    page_info: PageInfo
    total_count: int


@dataclass(frozen=True)
class Asked:
    """What a page's arguments ask: how many, and from which end."""

    size: int
    backward: bool


def asked(arguments: Mapping[str, Any], size_max: int = PAGE_MAX) -> Asked:
    """Read `first` or `last`; ``GraphQLError`` (BAD_PAGE) unless one is 1 to ``size_max``."""
    first, last = arguments.get("first"), arguments.get("last")
    size = last if first is None else first
    if size is None or (first is not None and last is not None):
        raise _refused("Give either `first` or `last`.", BAD_PAGE)
    if not 1 <= size <= size_max:
        raise _refused(f"A page has 1 to {size_max} items.", BAD_PAGE)
    return Asked(size, first is None)


@dataclass(frozen=True)
class Keys:
    """The order of a connection: its key expressions over the table, and which descend."""

    expressions: tuple[ColumnElement[Any], ...]
    descending: tuple[bool, ...]
    fingerprint: str

    @classmethod
    def of(cls, order: Sequence[ColumnElement[Any]]) -> "Keys":
        """Take the order apart; ``TypeError`` if a key can be null, where no page could end."""
        expressions, descending = [], []
        for term in order:
            inner, down = split(term)
            if getattr(inner, "nullable", False):
                raise TypeError(f"{inner} can be null and cannot order a connection")
            expressions.append(inner)
            descending.append(down)
        if not expressions:
            raise TypeError("a connection needs an order")
        spelled = ",".join(f"{e} {d}" for e, d in zip(expressions, descending, strict=True))
        fingerprint = hashlib.sha256(spelled.encode()).hexdigest()[:_FINGERPRINT_LENGTH]
        return cls(tuple(expressions), tuple(descending), fingerprint)

    def terms(
        self, adapt: Callable[[ColumnElement[Any]], ColumnElement[Any]], *, backward: bool = False
    ) -> list[ColumnElement[Any]]:
        """Give the terms of ORDER BY."""
        return [
            adapt(key).desc() if down != backward else adapt(key).asc()
            for key, down in zip(self.expressions, self.descending, strict=True)
        ]

    def beyond(
        self,
        keys: Sequence[ColumnElement[Any]],
        bounds: Sequence[ColumnElement[Any]],
        *,
        after: bool,
    ) -> ColumnElement[bool]:
        """Say that a row stands after, or before, the row with the bounds as its keys."""
        ups = [down != after for down in self.descending]
        if len(set(ups)) == 1:
            # One comparison of rows, which an index on the keys answers.
            left, right = tuple_(*keys), tuple_(*bounds)
            return left > right if ups[0] else left < right
        steps = []
        for position, (key, bound, up) in enumerate(zip(keys, bounds, ups, strict=True)):
            equal = [k == b for k, b in zip(keys[:position], bounds[:position], strict=True)]
            steps.append(and_(*equal, key > bound if up else key < bound))
        return or_(*steps)

    def cursor_text(self, keys: Sequence[ColumnElement[Any]]) -> ColumnElement[str]:
        """Give the row's cursor as a JSON string, in SQL."""
        pieces: list[text.Piece] = [f'["{self.fingerprint}"']
        for key in keys:
            pieces += [",", text.any_json(key)]
        written = func.convert_to(text.concat(*pieces, "]"), text.constant("UTF8"))
        return text.concat('"', func.encode(written, text.constant("hex")), '"')

    def write(self, values: Sequence[Any]) -> str:
        """Give the cursor of a row, as ``cursor_text`` does; ``values`` as PostgreSQL's JSON."""
        told = [self.fingerprint, *values]
        return json.dumps(told, separators=(",", ":"), ensure_ascii=False).encode().hex()

    def parse(self, cursor: str) -> tuple[Any, ...]:
        """Read the keys of a cursor; ``GraphQLError`` (BAD_CURSOR) if it is not of this order."""
        try:
            fingerprint, *told = json.loads(bytes.fromhex(_canonical(cursor)))
            keys = tuple(
                decoder(key.type)(value) for key, value in zip(self.expressions, told, strict=True)
            )
        except (ValueError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
            raise _refused("This is no cursor of this list.", BAD_CURSOR) from error
        if fingerprint != self.fingerprint:
            raise _refused("This is no cursor of this list.", BAD_CURSOR)
        return keys


def literal(number: int) -> ColumnElement[int]:
    """Write a number into the statement: the planner counts on the size of a page."""
    return literal_column(str(int(number)), Integer())


def split(term: ColumnElement[Any]) -> tuple[ColumnElement[Any], bool]:
    """Give the key of a term of ORDER BY, and whether it descends."""
    if isinstance(term, UnaryExpression) and term.modifier in _MODIFIERS:
        return term.element, term.modifier is operators.desc_op
    return term, False


class Page:
    """The rows of one page in a statement, numbered from the end where the page begins.

    ``rows`` holds one row more than the page, if there is one. ``used`` says whether anything
    asked for it.
    """

    def __init__(
        self,
        keys: Keys,
        rows: Rows,
        number: ColumnElement[int],
        size: ColumnElement[int],
        asked_: Asked,
        arguments: Mapping[str, Any],
    ) -> None:
        self.rows = rows
        self.used = False
        self._keys = keys
        self._number = number
        self._inside = number <= size
        self._more = func.count() > size
        self._asked = asked_
        self._arguments = arguments

    def listed(self, written: ColumnElement[Any]) -> ColumnElement[Any]:
        """List a text for each row of the page, in the order of the connection."""
        self.used = True
        order = aggregate_order_by(text.constant(","), self._ordered(first=True))
        joined = func.string_agg(written, order).filter(self._inside)
        return text.concat("[", func.coalesce(joined, text.constant("")), "]")

    def cursor(self) -> ColumnElement[str]:
        """Give the row's cursor as JSON."""
        return self._keys.cursor_text([self.rows.read(key) for key in self._keys.expressions])

    def info(self, name: str) -> text.Piece:
        """Give a field of PageInfo as JSON."""
        if name in {"startCursor", "endCursor"}:
            self.used = True
            order = aggregate_order_by(self.cursor(), self._ordered(first=name == "startCursor"))
            ends = func.array_agg(order, type_=ARRAY(Text)).filter(self._inside)
            return text.or_null(ends[literal(1)])
        backward = self._asked.backward
        if (name == "hasPreviousPage") is backward:
            self.used = True
            return sql_cast(self._more, Text)
        # At the page's other end, a cursor stands for a row that the viewer has read.
        given = self._arguments.get("before" if backward else "after")
        return "false" if given is None else "true"

    def _ordered(self, *, first: bool) -> ColumnElement[Any]:
        return self._number.asc() if first is not self._asked.backward else self._number.desc()


def _canonical(cursor: str) -> str:
    if not _CURSOR.fullmatch(cursor):
        raise ValueError("a cursor is lower hex")
    return cursor


_CURSOR: Final = re.compile(r"[0-9a-f]+")
_MODIFIERS: Final = {operators.desc_op, operators.asc_op}


def decoder(type_: TypeEngine[Any]) -> Callable[[Any], Any]:
    """Give the function that makes, of a value in PostgreSQL's JSON, what Python has for it."""
    for kind, function in _DECODERS:
        if isinstance(type_, kind):
            return function
    if isinstance(type_, Enum) and type_.enum_class is not None:
        return type_._object_value_for_elem  # noqa: SLF001 - the only way to ask an Enum type
    return _same_kind(type_)


def _same_kind(type_: TypeEngine[Any]) -> Callable[[Any], Any]:
    try:
        kind = type_.python_type
    except NotImplementedError:
        return lambda value: value
    if kind not in {str, int, bool}:
        return lambda value: value

    widest = _BIGINT_MAX if isinstance(type_, BigInteger) else _INTEGER_MAX

    def check(value: Any) -> Any:
        if type(value) is not kind or (kind is int and abs(value) > widest):
            raise TypeError(f"{value!r} is no {kind.__name__}")
        if kind is str and "\0" in value:
            raise ValueError("PostgreSQL's text holds no zero")
        return value

    return check


def _instant(value: str) -> datetime:
    found = datetime.fromisoformat(value)
    if found.tzinfo is None:
        raise ValueError("an instant has a zone")
    return found


_DECODERS: Final[tuple[tuple[type[TypeEngine[Any]], Callable[[Any], Any]], ...]] = (
    (Uuid, UUID),
    (DateTime, _instant),
    (Date, date.fromisoformat),
    (LargeBinary, lambda value: bytes.fromhex(value.removeprefix("\\x"))),
    (Float, float),
    (Numeric, lambda value: Decimal(str(value))),
)


def _refused(message: str, code: str) -> GraphQLError:
    return GraphQLError(message, extensions={"code": code})
