"""The same declarations, read the slow and plain way: object by object, through graphql-core.

Nothing of the compiled reading is used: no aliases, no nested SQL, no JSON made by PostgreSQL.
Candidates of a relation are joined by one query, each is authorised and filtered by queries of
its own, pages are cut in Python, and graphql-core completes the values. It is what the compiled
reading is compared with, and is far too slow for anything else.
"""

import asyncio
import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import strawberry
from graphql import (
    ExecutionResult,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLUnionType,
    execute,
    get_named_type,
    get_nullable_type,
    is_list_type,
    parse,
)
from sqlalchemy import Select, func, select, true
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import ColumnElement
from strawberry.execution import optimized_is_awaitable
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.utils.await_maybe import await_maybe

from schema import ids
from schema.reader import page
from schema.reader.catalogue import Catalogue, Field
from schema.reader.declaration import (
    VIEWER,
    AsParent,
    ByTag,
    Column,
    Computed,
    Connected,
    Embedded,
    Everyone,
    Filter,
    Identity,
    Json,
    Many,
    Member,
    One,
    Part,
    Relation,
    Row,
    TableReading,
)
from schema.reader.viewer import Viewer


@dataclass(frozen=True)
class _Object:
    """A row, by its key."""

    type_name: str
    key: Any


@dataclass(frozen=True)
class _Descending:
    """A value that stands before smaller ones."""

    value: Any

    def __lt__(self, other: "_Descending") -> bool:
        return bool(other.value < self.value)


@dataclass(frozen=True)
class _Parts:
    values: Mapping[str, Any]


@dataclass(frozen=True)
class _InJson:
    value: Mapping[str, Any]


class Reference:
    """Executes documents over ``connection``, whose role and settings are the caller's.

    ``schema`` must be one made for this purpose alone: its resolvers are replaced.
    """

    def __init__(self, schema: strawberry.Schema, connection: AsyncConnection) -> None:
        self._catalogue = Catalogue(schema)
        self._connection = connection
        self._one_by_one = asyncio.Lock()
        self._running = 0
        self._idle = asyncio.Event()
        for fields in self._catalogue.fields.values():
            for field in fields.values():
                if field.reading is not None:
                    field.graphql.resolve = self._resolver(field)
        for type_ in self._catalogue.core.type_map.values():
            if isinstance(type_, GraphQLInterfaceType | GraphQLUnionType):
                type_.resolve_type = self._name_of
            elif isinstance(type_, GraphQLObjectType):
                type_.is_type_of = None

    async def execute(
        self, text: str, variables: Mapping[str, Any], context: Any, name: str | None = None
    ) -> ExecutionResult:
        """Answer a valid document."""
        result = await await_maybe(
            execute(
                self._catalogue.core,
                parse(text),
                context_value=context,
                variable_values=dict(variables),
                operation_name=name,
                executor_class=StrawberryGraphQLCoreExecutionContext,
                is_awaitable=cast("Any", optimized_is_awaitable),
            )
        )
        if self._running:  # where null rose, the resolvers beside it are still at work
            self._idle.clear()
            await self._idle.wait()
        return result

    def _name_of(self, value: Any, *_info: Any) -> str:
        if isinstance(value, _Object):
            return value.type_name
        return self._catalogue.names[type(value)]

    def _resolver(self, field: Field) -> Any:
        async def resolve(source: Any, info: Any, **arguments: Any) -> Any:
            self._running += 1
            try:
                return await self._shown(field, source, info.context, arguments)
            finally:
                self._running -= 1
                if not self._running:
                    self._idle.set()

        return resolve

    async def _shown(
        self, field: Field, source: Any, context: Any, arguments: Mapping[str, Any]
    ) -> Any:
        when = cast("Any", field.reading).when
        if when is not None and await self._of(source, when, context.viewer) is not True:
            return None
        return await self._resolved(field, source, context, arguments)

    async def _resolved(
        self, field: Field, source: Any, context: Any, arguments: Mapping[str, Any]
    ) -> Any:
        reading = field.reading
        if isinstance(reading, Part):
            return _part(field, reading.name or field.python_name, source)
        if isinstance(reading, Computed):
            return await self._computed(field, reading, source, context, arguments)
        if isinstance(reading, ByTag):
            return await self._by_tag(field, context.viewer, arguments)
        if isinstance(reading, Relation):
            return await self._related(field, reading, source, context.viewer, arguments)
        return await self._of_row(field, source, context.viewer)

    async def _of_row(self, field: Field, source: _Object, viewer: Viewer) -> Any:
        reading = field.reading
        if isinstance(reading, Identity):
            return ids.write(str(self._reading(source).tag), source.key)
        if isinstance(reading, Embedded):
            present = reading.present
            if present is not None and await self._of(source, present, viewer) is not True:
                return None
            return await self._parts(source, reading.parts, viewer)
        value = await self._of(source, cast("Column | Json", reading).expression, viewer)
        return _wrapped(field, value) if isinstance(reading, Json) else value

    # Relations

    async def _related(
        self,
        field: Field,
        reading: Relation,
        source: Any,
        viewer: Viewer,
        arguments: Mapping[str, Any],
    ) -> Any:
        found: list[tuple[Any, _Object]] = []
        for target, member in self._catalogue.targets(field).items():
            condition = reading.condition if member is None else member.condition
            order = reading.order if member is None else cast("Member", member).order
            keys = await self._candidates(source, target.name, condition, viewer)
            table = self._catalogue.table(target.name)
            seen = [
                key
                for key in keys
                if await self._sees(table, key, viewer)
                and await self._passes(field, table, key, arguments, viewer)
            ]
            for position, key in enumerate(await self._ordered(table, seen, order, viewer)):
                place = position if member is None else await self._place(table, key, order, viewer)
                found.append((place, _Object(target.name, key)))
        if reading.members is None or isinstance(reading, Many):
            found.sort(key=lambda pair: pair[0])
        objects = [each for _place, each in found]
        if isinstance(reading, Connected):
            return await self._page(field, objects, arguments, viewer)
        if isinstance(reading, One):
            return objects[0] if objects else None
        return objects

    async def _candidates(
        self, source: Any, target: str, condition: Any, viewer: Viewer
    ) -> Sequence[Any]:
        table = self._catalogue.table(target)
        if source is None:
            joined = select(table.key).where(true() if condition is None else condition)
            return await self._column(joined, viewer)
        own = self._reading(source)
        if callable(condition):
            left, right = own.table.alias("source"), table.table.alias("target")
            matched = condition(left, right)
            where = left.c[cast("Any", own.key).key] == source.key
            chosen = select(right.c[cast("Any", table.key).key])
            return await self._column(
                chosen.select_from(left.join(right, matched)).where(where), viewer
            )
        rows = own.table.join(table.table, true())
        chosen = select(table.key).select_from(rows).where(own.key == source.key, condition)
        return await self._column(chosen, viewer)

    async def _sees(self, table: TableReading, key: Any, viewer: Viewer) -> bool:
        row: Row = table.row
        if isinstance(row, Everyone):
            return True
        if isinstance(row, AsParent):
            name = self._catalogue.names[row.parent()]
            parent = self._catalogue.table(name)
            joined = table.table.join(parent.table, row.condition)
            above = select(parent.key).select_from(joined).where(table.key == key)
            return any(
                [await self._sees(parent, one, viewer) for one in await self._column(above, viewer)]
            )
        return bool(await self._column(select(table.key).where(table.key == key, row), viewer))

    async def _passes(
        self,
        field: Field,
        table: TableReading,
        key: Any,
        arguments: Mapping[str, Any],
        viewer: Viewer,
    ) -> bool:
        for name, (_python_name, argument) in field.arguments.items():
            if isinstance(argument, Filter) and arguments.get(name) is not None:
                for condition in self._narrowed(argument, arguments[name], table):
                    asked = select(table.key).where(table.key == key, condition)
                    if not await self._column(asked, viewer):
                        return False
        return True

    def _narrowed(
        self, filter_: Filter, value: Any, table: TableReading
    ) -> Iterable[ColumnElement[bool]]:
        if filter_.fields:
            names = self._catalogue.schema.config.name_converter
            for python_name, below in filter_.fields.items():
                given = value.get(names.apply_naming_config(python_name))
                if given is not None:
                    yield from self._narrowed(below, given, table)
        elif filter_.identifies:
            yield table.key == ids.find(value, table.tag)
        elif filter_.condition is not None:
            decoded = value if filter_.decode is None else filter_.decode(value)
            yield filter_.condition(cast("Any", decoded))

    async def _ordered(
        self, table: TableReading, keys: Sequence[Any], order: Any, viewer: Viewer
    ) -> Sequence[Any]:
        chosen = select(table.key).where(table.key.in_(keys)).order_by(*order)
        return await self._column(chosen, viewer)

    async def _place(self, table: TableReading, key: Any, order: Any, viewer: Viewer) -> Any:
        terms = [page.split(term) for term in order]
        chosen = select(table.key, *(term for term, _down in terms))
        row = (await self._rows(chosen.where(table.key == key), viewer))[0]
        pairs = zip(row[1:], terms, strict=True)
        return tuple(_Descending(value) if down else value for value, (_term, down) in pairs)

    async def _by_tag(self, field: Field, viewer: Viewer, arguments: Mapping[str, Any]) -> Any:
        tag, key = ids.tag_of(arguments["id"]), ids.find(arguments["id"])
        name = self._catalogue.tags.get(tag or "")
        possible = self._catalogue.core.get_possible_types(cast("Any", field.target))
        if name is None or name not in {type_.name for type_ in possible}:
            return None
        found = await self._sees(self._catalogue.table(name), key, viewer)
        table = self._catalogue.table(name)
        there = await self._column(select(table.key).where(table.key == key), viewer)
        return _Object(name, key) if found and there else None

    # Pages

    async def _page(
        self, field: Field, objects: list[_Object], arguments: Mapping[str, Any], viewer: Viewer
    ) -> Any:
        keys = cast("page.Keys", field.keys)
        asked = page.asked(arguments)
        table = self._catalogue.table(self._catalogue.item_of(field.target).name)
        cursors = [await self._cursor(table, keys, each.key, viewer) for each in objects]
        chosen = list(zip(objects, cursors, strict=True))
        for end in ("after", "before"):
            if arguments.get(end) is not None:
                chosen = await self._cut(table, keys, chosen, arguments[end], end, viewer)
        size = asked.size
        more = len(chosen) > size
        part = chosen[-size:] if asked.backward else chosen[:size]
        ends = (arguments.get("before"), arguments.get("after"))
        edges = [page.Edge(cursor=cursor, node=each) for each, cursor in part]
        return page.Connection(
            edges=edges,
            nodes=[edge.node for edge in edges],
            page_info=page.PageInfo(
                has_next_page=ends[0] is not None if asked.backward else more,
                has_previous_page=more if asked.backward else ends[1] is not None,
                start_cursor=edges[0].cursor if edges else None,
                end_cursor=edges[-1].cursor if edges else None,
            ),
            total_count=len(objects),
        )

    async def _cut(
        self,
        table: TableReading,
        keys: page.Keys,
        chosen: list[tuple[_Object, str]],
        cursor: str,
        end: str,
        viewer: Viewer,
    ) -> list[tuple[_Object, str]]:
        bounds = keys.parse(cursor)
        kept = []
        for each, own in chosen:
            values = (
                await self._rows(select(*keys.expressions).where(table.key == each.key), viewer)
            )[0]
            for value, bound, down in zip(values, bounds, keys.descending, strict=True):
                if value != bound:
                    later = (value < bound) if down else (value > bound)
                    if later is (end == "after"):
                        kept.append((each, own))
                    break
        return kept

    async def _cursor(self, table: TableReading, keys: page.Keys, key: Any, viewer: Viewer) -> str:
        told = [func.to_json(expression) for expression in keys.expressions]
        return keys.write((await self._rows(select(*told).where(table.key == key), viewer))[0])

    # Values

    async def _computed(
        self,
        field: Field,
        reading: Computed,
        source: Any,
        context: Any,
        arguments: Mapping[str, Any],
    ) -> Any:
        row = {}
        for name, need in reading.needs.items():
            if isinstance(source, _Object):
                row[name] = await self._of(source, need, context.viewer)
            else:
                row[name] = _need(self._catalogue.fields[field.parent], name, source)
        words = {field.arguments[name][0]: value for name, value in arguments.items()}
        given: Any = [row] if reading.batch else row
        found = reading.function(context, given, **words)
        found = await found if inspect.isawaitable(found) else found
        return found[0] if reading.batch else found

    async def _parts(self, source: Any, parts: Mapping[str, Any], viewer: Viewer) -> _Parts:
        return _Parts(
            {
                name: await self._parts(source, part, viewer)
                if isinstance(part, Mapping)
                else await self._of(source, part, viewer)
                for name, part in parts.items()
            }
        )

    async def _of(self, source: _Object, expression: Any, viewer: Viewer) -> Any:
        own = self._reading(source)
        chosen = select(expression).select_from(own.table).where(own.key == source.key)
        return (await self._column(chosen, viewer))[0]

    def _reading(self, source: _Object) -> TableReading:
        return self._catalogue.table(source.type_name)

    async def _column(self, chosen: Select[Any], viewer: Viewer) -> Sequence[Any]:
        return [row[0] for row in await self._rows(chosen, viewer)]

    async def _rows(self, chosen: Select[Any], viewer: Viewer) -> Sequence[Any]:
        bound = {VIEWER + name: value for name, value in viewer.parameters.items()}
        async with self._one_by_one:
            found: Sequence[Any] = (await self._connection.execute(chosen, bound)).all()
        return found


def _wrapped(field: Field, value: Any) -> Any:
    """Give a JSON value of an embedded type, or a leaf, as the field's type has it."""
    if value is None:
        return None
    if is_list_type(get_nullable_type(field.graphql.type)):
        return [_single(field, each) for each in value] if isinstance(value, list) else []
    return _single(field, value)


def _single(field: Field, value: Any) -> Any:
    named = get_named_type(field.graphql.type)
    if value is None:
        return None
    if isinstance(named, GraphQLObjectType):
        return _InJson(value)
    if named.name == "DateTime":
        return datetime.fromisoformat(value).astimezone(UTC)
    return value


def _part(field: Field, name: str, source: Any) -> Any:
    if isinstance(source, _InJson):
        return _wrapped(field, source.value.get(name))
    if isinstance(source, _Parts):
        return source.values[name]
    return getattr(source, field.python_name)


def _need(fields: Mapping[str, Field], name: str, source: Any) -> Any:
    for field in fields.values():
        if field.python_name == name and isinstance(field.reading, Part):
            return _part(field, field.reading.name or name, source)
    raise LookupError(name)
