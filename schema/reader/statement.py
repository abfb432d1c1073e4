"""One SQL statement for a whole selection, which yields the finished JSON text.

Each object of the document becomes a concatenation of its fields' texts; each relation a
correlated scalar subquery with the join, the target's row predicate, the filters and the order.
Nothing is fetched row by row, so the number of statements does not depend on the data.

A statement is built for one *shape* of variables (`schema.reader.document`): which booleans are
true, which arguments are given. Values are bound at each reading. This module sends nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

from graphql import (
    GraphQLInt,
    GraphQLLeafType,
    GraphQLObjectType,
    GraphQLOutputType,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)
from graphql.execution.collect_fields import FieldDetails, FragmentDetails, collect_subfields
from graphql.execution.values import VariableValues
from graphql.language import OperationDefinitionNode
from sqlalchemy import Column as SqlColumn
from sqlalchemy import bindparam, case, func, literal_column, select, union_all
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect
from sqlalchemy.sql import ColumnElement, FromClause, Select

from schema import ids
from schema.reader import page, text
from schema.reader.catalogue import Catalogue, Field, NotReadable
from schema.reader.completion import Call, Completer
from schema.reader.condition import Conditions, Getter
from schema.reader.declaration import (
    VIEWER,
    ByTag,
    Column,
    Computed,
    Connected,
    Embedded,
    EmbeddedReading,
    Identity,
    Json,
    One,
    Part,
    Relation,
)
from schema.reader.site import Site
from schema.reader.source import Given, InJson, Rows, Source, given

DIALECT: Final = asyncpg_dialect()  # type: ignore[no-untyped-call]  # untyped in SQLAlchemy
DIALECT._backslash_escapes = False  # noqa: SLF001 - standard_conforming_strings is on (PostgreSQL's default)
KEYS: Final = "keys of a payload"

Details: TypeAlias = Sequence[FieldDetails]
Text: TypeAlias = ColumnElement[Any]


@dataclass(frozen=True)
class Statement:
    """The SQL of a selection, and how its parameters and computed fields are had."""

    sql: str
    getters: tuple[Getter, ...]
    sites: tuple[Site, ...]
    calls: tuple[Call, ...]

    def parameters(self, viewer: Mapping[str, Any], values: VariableValues) -> list[Any]:
        """Give the values to bind; ``GraphQLError`` if an argument is refused."""
        arguments = [site.arguments(values) for site in self.sites]
        return [getter(viewer, arguments) for getter in self.getters]


@dataclass(frozen=True)
class Scope:
    """What the fields of an operation are collected with."""

    catalogue: Catalogue
    fragments: dict[str, FragmentDetails]
    operation: OperationDefinitionNode
    values: VariableValues

    def collect(self, type_: GraphQLObjectType, details: Details) -> Mapping[str, Details]:
        """Give the fields of an object by response key, in the order of the answer."""
        return collect_subfields(
            self.catalogue.core,
            self.fragments,
            self.values,
            self.operation,
            type_,
            list(details),
        ).grouped_field_set


class Builder:
    """Builds one statement; made anew for each."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._catalogue = scope.catalogue
        self._completer = Completer(scope.catalogue, scope.collect, scope.values)
        self._conditions = Conditions(scope.catalogue, scope.values)
        self._calls: list[Call] = []

    def roots(self, type_: GraphQLObjectType, grouped: Mapping[str, Details]) -> Statement:
        """Build the statement for root fields, all of which must have a reading."""
        return self._finish(self._fields(type_, grouped, None))

    def root(self, type_: GraphQLObjectType, details: Details) -> Statement:
        """Build the statement for the value of one root field."""
        return self._finish(_sql(self._field(type_, details, None)))

    def keyed(self, type_: GraphQLOutputType, details: Details) -> Statement:
        """Build the statement for rows known by key, which the viewer mapping holds as KEYS."""
        target = cast("GraphQLObjectType", get_named_type(type_))
        rows = self._conditions.rows(self._catalogue.table(target.name), ())
        key = rows.read(rows.reading.key)
        written = self._object(target, details, rows)
        seen = self._conditions.seen(rows)
        if not is_list_type(get_nullable_type(type_)):
            asked = bindparam(VIEWER + KEYS, None, type_=key.type)
            row = select(written).select_from(rows.rows).where(key == asked, *seen)
            return self._finish(_or_missing(type_, row.scalar_subquery()))
        asked = bindparam(VIEWER + KEYS, None, type_=ARRAY(key.type))
        wanted = text.items(asked)
        listed = _listed(written, [wanted.c.n])
        return self._finish(
            select(listed)
            .select_from(wanted, rows.rows)
            .where(key == wanted.c.value, *seen)
            .scalar_subquery()
        )

    def _finish(self, written: Text) -> Statement:
        compiled = select(written).compile(
            dialect=DIALECT, compile_kwargs={"render_postcompile": True}
        )
        constants = compiled.construct_params()
        processors = compiled._bind_processors  # noqa: SLF001 - how SQLAlchemy itself binds
        getters = [
            self._conditions.getter(name, constants, processors.get(name))
            for name in compiled.positiontup or ()
        ]
        return Statement(
            str(compiled), tuple(getters), tuple(self._conditions.sites), tuple(self._calls)
        )

    # Objects and fields

    def _object(self, type_: GraphQLObjectType, details: Details, source: Source) -> Text:
        return self._fields(type_, self._scope.collect(type_, details), source)

    def _fields(
        self, type_: GraphQLObjectType, grouped: Mapping[str, Details], source: Source | None
    ) -> Text:
        pieces: list[text.Piece] = []
        for key, details in grouped.items():
            pieces.append(f"{',' if pieces else '{'}{text.name(key)}:")
            pieces.append(self._field(type_, details, source))
        return text.concat(*(pieces or ["{"]), "}")

    def _field(
        self, type_: GraphQLObjectType, details: Details, source: Source | None
    ) -> text.Piece:
        name = details[0].node.name.value
        if name == "__typename":
            return f'"{type_.name}"'
        field = self._catalogue.fields[type_.name][name]
        written = self._read(field, details, source)
        when = field.reading.when if field.reading is not None else None
        if when is not None and isinstance(source, Rows):
            return case((source.read(when), _sql(written)), else_=text.constant("null"))
        return written

    def _read(self, field: Field, details: Details, source: Source | None) -> Text:
        reading, type_ = field.reading, field.graphql.type
        if isinstance(reading, ByTag):
            return self._by_tag(field, details)
        if isinstance(reading, Relation):
            if not isinstance(source, Rows | None):
                raise NotReadable(f"{field} is a relation of a type without rows")
            return self._relation(field, reading, details, source)
        if isinstance(reading, Computed):
            return self._call(field, reading, details, source)
        if isinstance(reading, Part):
            if not isinstance(source, Given | InJson):
                raise NotReadable(f"{field} is a part, but {field.parent} has a table")
            named = get_nullable_type(type_)
            leaf = named if is_leaf_type(named) else None
            part = source.part(reading.name or field.python_name, leaf)
            if isinstance(part, Mapping):
                target = cast("GraphQLObjectType", field.target)
                return self._object(target, details, Given(part, source.around))
            return self._value(type_, part, details, source.around)
        if not isinstance(source, Rows):
            raise NotReadable(f"{field} cannot be read here")
        return self._of_row(field, details, source)

    def _of_row(self, field: Field, details: Details, source: Rows) -> Text:
        reading, type_ = field.reading, field.graphql.type
        if isinstance(reading, Identity):
            key = source.read(source.reading.key)
            return text.concat(f'"{source.reading.tag}', text.hex_key(key), '"')
        if isinstance(reading, Column | Json):
            return self._value(type_, source.read(reading.expression), details, source.around)
        if isinstance(reading, Embedded):
            parts = Given(given(reading.parts, source), source.around)
            written = self._object(cast("GraphQLObjectType", field.target), details, parts)
            if reading.present is None:
                return written
            return _or_missing(type_, case((source.read(reading.present), written)))
        raise NotReadable(f"{field} cannot be read in SQL")

    def _value(
        self,
        type_: GraphQLOutputType,
        value: ColumnElement[Any],
        details: Details,
        around: tuple[FromClause, ...],
    ) -> Text:
        """Write a leaf, a list of leaves, or an embedded object or list of a jsonb value."""
        inner = get_nullable_type(type_)
        if not text.is_asked_once(inner, value):
            return self._asked_once(type_, value, details, around)
        if is_leaf_type(inner):
            written = text.leaf(inner, value)
            sure = isinstance(value, SqlColumn) and not value.nullable
            return written if sure else _or_missing(type_, written)
        if is_list_type(inner):
            item = text.items(value)
            below: GraphQLOutputType = inner.of_type
            each = item.c.value
            if is_leaf_type(get_nullable_type(below)) and not isinstance(value.type, ARRAY):
                each = text.extract(each, cast("GraphQLLeafType", get_nullable_type(below)))
            listed = _listed(self._value(below, each, details, (*around, item)), [item.c.n])
            rows = select(listed).select_from(item).correlate(*around).scalar_subquery()
            return _or_missing(type_, case((text.is_there(value), rows)))
        target = cast("GraphQLObjectType", inner)
        if not isinstance(self._catalogue.readings.get(target.name), EmbeddedReading):
            raise NotReadable(f"{target} is read from JSON, but is not embedded")
        written = self._object(target, details, InJson(value, around))
        return _or_missing(type_, case((text.is_there(value), written)))

    def _asked_once(
        self,
        type_: GraphQLOutputType,
        value: ColumnElement[Any],
        details: Details,
        around: tuple[FromClause, ...],
    ) -> Text:
        """Write a value that holds a subquery, and would be asked for each of its parts."""
        # OFFSET keeps the server from putting the subquery back into each place.
        asked = select(value.label("value")).offset(literal_column("0")).correlate(*around)
        once = asked.subquery(self._conditions.name())
        written = self._value(type_, once.c.value, details, (*around, once))
        return select(written).select_from(once).correlate(*around).scalar_subquery()

    def _call(
        self, field: Field, reading: Computed, details: Details, source: Source | None
    ) -> Text:
        """Write the needs of a computed field, for `schema.reader.completion` to find."""
        needs = [self._need(field, name, need, source) for name, need in reading.needs.items()]
        call = Call(
            field,
            reading,
            Site.of(field, details[0].node, self._scope.values),
            details,
            tuple(reading.needs),
            tuple(page.decoder(need.type) for need in needs),
            self._completer.position(field.graphql.type, details, str(field)),
        )
        self._calls.append(call)
        pieces: list[text.Piece] = [f"{text.CALL}{len(self._calls) - 1}:["]
        for position, need in enumerate(needs):
            pieces += ["," if position else "", text.or_null(text.any_json(need))]
        return text.concat(*pieces, f"]{text.CALL}")

    def _need(
        self, field: Field, name: str, need: Any, source: Source | None
    ) -> ColumnElement[Any]:
        if isinstance(source, Rows):
            return cast("ColumnElement[Any]", source.read(need))
        if source is None:
            raise NotReadable(f"{field} stands at the root and can need nothing")
        for other in self._catalogue.fields[field.parent].values():
            if other.python_name == name and isinstance(other.reading, Part):
                leaf = cast("GraphQLLeafType", other.target)
                part = source.part(other.reading.name or name, leaf)
                if not isinstance(part, Mapping):
                    return part
        raise NotReadable(f"{field} needs {name}, which is no leaf of {field.parent}")

    # Relations

    def _relation(
        self, field: Field, reading: Relation, details: Details, source: Rows | None
    ) -> Text:
        site = self._conditions.site(field, details[0].node)
        if isinstance(reading, Connected):
            return self._connection(field, reading, details, source, site)
        if reading.members is not None:
            return self._members(field, reading, details, source, site)
        target = cast("GraphQLObjectType", field.target)
        rows = self._conditions.rows(self._catalogue.table(target.name), _around(source))
        conditions = self._conditions.of(field, reading.condition, source, rows, site)
        order = [rows.read(term) for term in reading.order]
        written = self._object(target, details, rows)
        if isinstance(reading, One):
            row = self._conditions.select(written, rows, conditions)
            first = row.order_by(*order).limit(page.literal(1)) if order else row
            return _or_missing(field.graphql.type, first.scalar_subquery())
        return self._conditions.select(_listed(written, order), rows, conditions).scalar_subquery()

    def _members(
        self, field: Field, reading: Relation, details: Details, source: Rows | None, site: int
    ) -> Text:
        """Read a relation to an abstract type: the members' rows, one type after the other."""
        selects: list[Select[Any]] = []
        downs: list[list[bool]] = []
        for target, member in self._catalogue.targets(field).items():
            rows = self._conditions.rows(self._catalogue.table(target.name), _around(source))
            conditions = self._conditions.of(field, member.condition, source, rows, site)
            written = self._object(target, details, rows)
            if isinstance(reading, One):
                selects.append(self._conditions.select(written, rows, conditions))
                continue
            terms = [page.split(term) for term in member.order]
            order = [rows.read(key).label(f"k{n}") for n, (key, _down) in enumerate(terms)]
            downs.append([down for _key, down in terms])
            selects.append(
                self._conditions.select(written, rows, conditions, written.label("written"), *order)
            )
        if isinstance(reading, One):
            found = func.coalesce(*(one.scalar_subquery() for one in selects))
            return _or_missing(field.graphql.type, found)
        together = union_all(*selects).subquery(self._conditions.name())
        if any(down != downs[0] for down in downs):
            raise NotReadable(f"{field}: its members are not ordered alike")
        keys = [
            together.c[f"k{n}"].desc() if down else together.c[f"k{n}"]
            for n, down in enumerate(downs[0])
        ]
        listed = _listed(together.c.written, keys)
        return select(listed).select_from(together).scalar_subquery()

    def _by_tag(self, field: Field, details: Details) -> Text:
        """Read a row of the type that the id names; which that is belongs to the shape."""
        site = self._conditions.site(field, details[0].node)
        tag = ids.tag_of(self._conditions.sites[site].planned.get("id"))
        name = self._catalogue.tags.get(tag or "")
        possible = {type_.name for type_ in self._catalogue.core.get_possible_types(field.target)}  # type: ignore[arg-type]  # abstract
        if name not in possible or name is None:
            return text.constant("null")
        target = cast("GraphQLObjectType", self._catalogue.core.type_map[name])
        rows = self._conditions.rows(self._catalogue.table(name), ())
        wanted = self._conditions.identified(site, ("id",), rows)
        conditions = [wanted, *self._conditions.seen(rows)]
        written = self._object(target, details, rows)
        return text.or_null(self._conditions.select(written, rows, conditions).scalar_subquery())

    def _connection(
        self, field: Field, reading: Connected, details: Details, source: Rows | None, site: int
    ) -> Text:
        keys = cast("page.Keys", field.keys)
        target = self._catalogue.item_of(field.target)
        base = self._conditions.rows(self._catalogue.table(target.name), _around(source))
        conditions = self._conditions.of(field, reading.condition, source, base, site)
        arguments = self._conditions.sites[site].planned
        asked = page.asked(arguments)
        size = page.literal(asked.size)
        bounded = list(conditions)
        for end, after in (("after", True), ("before", False)):
            if arguments.get(end) is not None:
                bounded.append(self._conditions.beyond(site, end, keys, base, after=after))
        order = keys.terms(base.read, backward=asked.backward)
        number = func.row_number().over(order_by=order).label("page_row")
        name = self._conditions.name()
        chosen = (
            self._conditions.select(number, base, bounded, *base.rows.c, number)
            .order_by(*order)
            .limit(page.literal(asked.size + 1))
            .subquery(name)
        )
        rows = Rows(base.reading, chosen, _around(source))
        here = page.Page(keys, rows, chosen.c.page_row, size, asked, arguments)
        count = self._conditions.select(func.count(), base, conditions).scalar_subquery()
        written = self._connection_fields(field, target, details, here, count)
        if not here.used:
            return written
        return self._conditions.select(written, rows, []).scalar_subquery()

    def _connection_fields(
        self,
        field: Field,
        target: GraphQLObjectType,
        details: Details,
        here: page.Page,
        count: Text,
    ) -> Text:
        type_ = cast("GraphQLObjectType", field.target)
        pieces: list[text.Piece] = []
        for key, found in self._scope.collect(type_, details).items():
            pieces.append(f"{',' if pieces else '{'}{text.name(key)}:")
            name = found[0].node.name.value
            if name == "__typename":
                pieces.append(f'"{type_.name}"')
            elif name == "totalCount":
                pieces.append(text.leaf(GraphQLInt, count))
            elif name == "pageInfo":
                pieces.append(self._page_info(type_, found, here))
            elif name == "nodes":
                pieces.append(here.listed(self._object(target, found, here.rows)))
            else:
                pieces.append(here.listed(self._edge(type_, target, found, here)))
        return text.concat(*(pieces or ["{"]), "}")

    def _edge(
        self,
        connection: GraphQLObjectType,
        target: GraphQLObjectType,
        details: Details,
        here: page.Page,
    ) -> Text:
        type_ = cast("GraphQLObjectType", get_named_type(connection.fields["edges"].type))
        pieces: list[text.Piece] = []
        for key, found in self._scope.collect(type_, details).items():
            pieces.append(f"{',' if pieces else '{'}{text.name(key)}:")
            name = found[0].node.name.value
            if name == "__typename":
                pieces.append(f'"{type_.name}"')
            else:
                node = name == "node"
                pieces.append(self._object(target, found, here.rows) if node else here.cursor())
        return text.concat(*(pieces or ["{"]), "}")

    def _page_info(self, connection: GraphQLObjectType, details: Details, here: page.Page) -> Text:
        type_ = cast("GraphQLObjectType", get_named_type(connection.fields["pageInfo"].type))
        pieces: list[text.Piece] = []
        for key, found in self._scope.collect(type_, details).items():
            pieces.append(f"{',' if pieces else '{'}{text.name(key)}:")
            name = found[0].node.name.value
            pieces.append(f'"{type_.name}"' if name == "__typename" else here.info(name))
        return text.concat(*(pieces or ["{"]), "}")


def _sql(piece: text.Piece) -> Text:
    return text.constant(piece) if isinstance(piece, str) else piece


def _around(source: Rows | None) -> tuple[FromClause, ...]:
    return source.around if source is not None else ()


def _or_missing(type_: GraphQLOutputType, written: Text) -> Text:
    return text.or_void(written) if is_non_null_type(type_) else text.or_null(written)


def _listed(written: Text, order: Sequence[Any]) -> Text:
    separator: Any = text.constant(",")
    if order:
        separator = aggregate_order_by(separator, *order)
    joined = func.string_agg(written, separator)
    return text.concat("[", func.coalesce(joined, text.constant("")), "]")
