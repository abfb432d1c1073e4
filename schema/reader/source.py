"""Where the fields of an object are read from: a row, parts given by an owner, or JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from graphql import GraphQLLeafType
from sqlalchemy import BindParameter, Table
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ColumnElement, FromClause, visitors
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.schema import Column

from schema.reader import text
from schema.reader.declaration import VIEWER, Expression, Parts, TableReading

ARGUMENT: Final = "argument__"


def adapt(expression: Any, table: Table, rows: FromClause) -> Any:
    """Let an expression over ``table`` speak of ``rows``, an alias or subquery of that table."""

    def replace(element: Any, **_words: Any) -> Any:
        if isinstance(element, Column) and element.table is table:
            return rows.c[element.key]
        if isinstance(element, BindParameter):
            return _inlined(element)
        return rows if element is table else None

    adapted = visitors.replacement_traverse(expression, {}, replace)
    return visitors.cloned_traverse(adapted, {}, {"select": _correlate})


def _correlate(inner: Any) -> None:
    """Let a declaration's subquery speak of all rows around it.

    Left alone, SQLAlchemy ties a subquery only to the SELECT right around it, and would read a
    table anew that stands further out: a condition that joins nothing.
    """
    if inner._auto_correlate:  # noqa: SLF001 - correlate_except() would make a copy, which is lost here
        inner._auto_correlate = False  # noqa: SLF001 - the same
        inner._correlate_except = ()  # noqa: SLF001 - the same


class Inlined(ColumnElement[Any]):
    """A declaration's constant, written into the statement, where it helps the planner."""

    inherit_cache = False
    _traverse_internals: list[Any] = []  # noqa: RUF012 - the name and form are SQLAlchemy's

    def __init__(self, value: Any, type_: Any) -> None:
        self.values = value if isinstance(value, (list, tuple)) else None
        self.value = value
        self.type = type_


@compiles(Inlined)
def _written(element: Inlined, compiler: SQLCompiler, **_words: Any) -> str:
    if element.values is None:
        return compiler.render_literal_value(element.value, element.type)
    written = (compiler.render_literal_value(value, element.type) for value in element.values)
    return "(" + ", ".join(written) + ")"


def _inlined(bind: BindParameter[Any]) -> Inlined | None:
    """Give a declaration's constant; None for what is bound at each reading."""
    if bind.key.startswith((VIEWER, ARGUMENT)) or bind.value is None or bind.callable is not None:
        return None
    values = list(bind.value) if bind.expanding else [bind.value]
    if not values or not all(isinstance(value, (str, int, Enum)) for value in values):
        return None
    return Inlined(bind.value, bind.type)


@dataclass(frozen=True)
class Rows:
    """The current row of a table, under an alias. ``enclosing`` are the rows around it."""

    reading: TableReading
    rows: FromClause
    enclosing: tuple[FromClause, ...]

    def read(self, expression: Any) -> Any:
        """Let an expression over the type's table speak of this row."""
        return adapt(expression, self.reading.table, self.rows)

    @property
    def around(self) -> tuple[FromClause, ...]:
        """All rows that a subquery in this place may speak of."""
        return (*self.enclosing, self.rows)


@dataclass(frozen=True)
class Given:
    """Parts by name, already speaking of the owner's row."""

    parts: Parts
    around: tuple[FromClause, ...]

    def part(self, name: str, _type: GraphQLLeafType | None) -> "Expression | Parts":
        """Give a part: an expression, or the parts of an embedded part."""
        return self.parts[name]


@dataclass(frozen=True)
class InJson:
    """A jsonb object."""

    value: ColumnElement[Any]
    around: tuple[FromClause, ...]

    def part(self, name: str, type_: GraphQLLeafType | None) -> ColumnElement[Any]:
        """Give a part: a leaf as SQL's own type, or else the jsonb below the name."""
        below = self.value.op("->", return_type=JSONB())(text.constant(name))
        return below if type_ is None else text.extract(below, type_)


Source = Rows | Given | InJson


def given(parts: Parts, rows: Rows) -> Mapping[str, Any]:
    """Let an owner's parts speak of its row."""
    return {
        name: given(part, rows) if isinstance(part, Mapping) else rows.read(part)
        for name, part in parts.items()
    }
