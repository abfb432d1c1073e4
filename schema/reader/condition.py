"""Which rows a place in a statement reads: the join, the filters, the page, and who may see them.

Also what these bind: each argument's value is found again, at each reading, by the site of its
field and its path in the arguments. This module writes no JSON.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, TypeAlias

from graphql import FieldNode
from graphql.execution.values import VariableValues
from sqlalchemy import BindParameter, bindparam, select
from sqlalchemy.sql import ColumnElement, FromClause, Select

from schema import ids
from schema.reader import page, text
from schema.reader.catalogue import Catalogue, Field
from schema.reader.declaration import (
    VIEWER,
    AsParent,
    Condition,
    Everyone,
    Filter,
    TableReading,
)
from schema.reader.site import Site, dig, refuse_zero
from schema.reader.source import ARGUMENT, Rows, adapt

Path: TypeAlias = tuple[str | int, ...]
Getter: TypeAlias = Callable[[Mapping[str, Any], Sequence[Mapping[str, Any]]], Any]


class Conditions:
    """Makes the conditions of one statement, and keeps what they bind."""

    def __init__(self, catalogue: Catalogue, values: VariableValues) -> None:
        self._catalogue = catalogue
        self._values = values
        self.sites: list[Site] = []
        self._bound: dict[str, tuple[int, Path, Callable[[Any], Any] | None]] = {}
        self._names = 0

    def site(self, field: Field, node: FieldNode) -> int:
        """Note a place with arguments; give its number."""
        self.sites.append(Site.of(field, node, self._values))
        return len(self.sites) - 1

    def name(self) -> str:
        """Give a name that no other rows of the statement have."""
        self._names += 1
        return f"t{self._names}"

    def rows(self, reading: TableReading, around: tuple[FromClause, ...]) -> Rows:
        """Give the rows of a type's table under a name of their own."""
        return Rows(reading, reading.table.alias(self.name()), around)

    def select(
        self, written: Any, rows: Rows, conditions: Sequence[Any], *more: Any
    ) -> Select[Any]:
        """Select from the rows, in a place where all rows around may be spoken of."""
        chosen = select(*(more or (written,))).select_from(rows.rows).where(*conditions)
        return chosen.correlate(*rows.enclosing) if rows.enclosing else chosen

    def of(
        self, field: Field, join: Condition | None, source: Rows | None, rows: Rows, site: int
    ) -> list[Any]:
        """Give the join, what the filters ask, and who may see the row."""
        conditions: list[Any] = []
        if callable(join):
            conditions.append(join(source.rows if source else rows.rows, rows.rows))
        elif join is not None:
            spoken = rows.read(join)
            conditions.append(source.read(spoken) if source is not None else spoken)
        planned = self.sites[site].planned
        for name, (_python_name, argument) in field.arguments.items():
            if isinstance(argument, Filter) and planned.get(name) is not None:
                conditions += self._filter(argument, site, (name,), planned[name], rows)
        if self._is_covered(join, source, rows):
            return conditions
        return [*conditions, *self.seen(rows)]

    def identified(self, site: int, path: Path, rows: Rows) -> ColumnElement[bool]:
        """Ask for the row whose global id an argument gives."""
        key, tag = rows.read(rows.reading.key), rows.reading.tag
        asked = self.bind(site, path, key.type, lambda value: ids.find(value, tag))
        found: ColumnElement[bool] = key == asked
        return found

    def seen(self, rows: Rows) -> list[Any]:
        """Give the condition that lets a viewer see the row, if there is one."""
        row = rows.reading.row
        if isinstance(row, Everyone):
            return []
        if not isinstance(row, AsParent):
            return [rows.read(row)]
        parent = self.rows(self._parent(row), rows.around)
        joined = adapt(rows.read(row.condition), parent.reading.table, parent.rows)
        above = [joined, *self.seen(parent)]
        return [self.select(text.constant(""), parent, above).exists()]

    def beyond(
        self, site: int, end: str, keys: page.Keys, rows: Rows, *, after: bool
    ) -> ColumnElement[bool]:
        """Ask for what stands after, or before, the cursor that an argument gives."""
        self.sites[site].decoders[end] = keys.parse
        expressions = [rows.read(key) for key in keys.expressions]
        bounds = [
            self.bind(site, (end, number), key.type) for number, key in enumerate(expressions)
        ]
        return keys.beyond(expressions, bounds, after=after)

    def bind(
        self,
        site: int,
        path: Path,
        type_: Any,
        decode: Callable[[Any], Any] | None = None,
    ) -> BindParameter[Any]:
        """Stand for the value below a path of a site's arguments."""
        name = f"{ARGUMENT}{len(self._bound)}"
        self._bound[name] = (site, path, decode)
        return bindparam(name, None, type_=type_)

    def getter(self, name: str, constants: Mapping[str, Any], process: Any) -> Getter:
        """Give what finds a parameter's value at each reading; ``process`` is its SQL type's."""
        if name.startswith(VIEWER):
            own = name.removeprefix(VIEWER)
            return lambda viewer, _arguments: viewer[own]
        if name not in self._bound:
            value = _processed(constants[name], process)
            return lambda _viewer, _arguments: value
        site, path, decode = self._bound[name]
        if decode is None:
            return lambda _viewer, arguments: _processed(dig(arguments[site], path), process)
        return lambda _viewer, arguments: _processed(decode(dig(arguments[site], path)), process)

    def _filter(
        self, filter_: Filter, site: int, path: tuple[str, ...], value: Any, rows: Rows
    ) -> list[Any]:
        if filter_.fields:
            names = self._catalogue.schema.config.name_converter
            return [
                condition
                for python_name, below in filter_.fields.items()
                if value.get(name := names.apply_naming_config(python_name)) is not None
                for condition in self._filter(below, site, (*path, name), value[name], rows)
            ]
        if filter_.identifies:
            return [self.identified(site, path, rows)]
        if filter_.condition is None:
            return []
        asked = self.bind(site, path, None, filter_.decode)
        return [rows.read(filter_.condition(asked))]

    def _is_covered(self, join: Condition | None, source: Rows | None, rows: Rows) -> bool:
        """Say that whoever sees the source's row sees these rows, by their own declaration."""
        row = rows.reading.row
        return (
            isinstance(row, AsParent)
            and source is not None
            and isinstance(join, ColumnElement)
            and self._parent(row) is source.reading
            and bool(join.compare(row.condition))
        )

    def _parent(self, row: AsParent) -> TableReading:
        return self._catalogue.table(self._catalogue.names[row.parent()])


def _processed(value: Any, process: Any) -> Any:
    if value is None:
        return None
    if process is not None:
        return refuse_zero(process(value))
    if isinstance(value, list):
        return [_processed(item, None) for item in value]
    return refuse_zero(value.value if isinstance(value, Enum) else value)
