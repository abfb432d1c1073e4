"""The reader: answers documents over a schema whose types say how they are had in SQL.

Three tiers, the first that fits:

1. all root fields are declared: one statement for the whole operation, graphql-core's executor
   is not asked (introspection, mutations and fields with a resolver are not of this kind)
2. graphql-core's executor, in which every declared root field, and every payload's ``key``
   field, hands over the finished JSON of its selection, by one statement each
3. graphql-core's executor alone, for what no declaration touches

This module knows no HTTP and no limits, and masks nothing: see `schema.http`.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import orjson
import strawberry
from graphql import ExecutionResult, GraphQLError, GraphQLField, GraphQLOutputType, execute
from graphql.execution.collect_fields import FieldDetails
from graphql.execution.values import VariableValues
from strawberry.execution import optimized_is_awaitable
from strawberry.utils.await_maybe import await_maybe

from schema.reader.catalogue import Catalogue, Field, NotReadable
from schema.reader.completion import Bubble, Outcome, Run, Walker, resolve
from schema.reader.connections import Connections
from schema.reader.declaration import Key
from schema.reader.document import Document, Recent
from schema.reader.executor import FragmentExecutor, Read
from schema.reader.statement import KEYS, Builder, Scope, Statement
from schema.reader.viewer import Context, Viewer

STATEMENTS_MAX: Final = 1024
_OPERATION: Final = "operation"


@dataclass(frozen=True)
class Answer:
    """The JSON of `data`, and the errors, unmasked."""

    data: str
    errors: Sequence[GraphQLError] = ()


@dataclass(frozen=True)
class _Operation:
    """What a resolver of the second tier knows of the operation."""

    document: Document
    values: VariableValues


@dataclass(frozen=True)
class _Place:
    """A field that the second tier reads on its own."""

    type: GraphQLOutputType
    details: Sequence[FieldDetails]
    where: str


class Reader:
    """Reads by the declarations of ``schema``, over ``connections``.

    Takes over the schema's resolvers of declared root fields and ``key`` fields. Raises
    ``NotReadable`` if a declaration is missing or wrong.
    """

    def __init__(
        self,
        schema: strawberry.Schema,
        connections: Connections,
        *,
        statements_max: int = STATEMENTS_MAX,
    ) -> None:
        self.schema = schema
        self.catalogue = Catalogue(schema)
        self._connections = connections
        self._statements: Recent[Hashable, tuple[Document, Statement | None]] = Recent(
            statements_max
        )
        for type_name, fields in self.catalogue.fields.items():
            for field in fields.values():
                self._take_over(type_name, field)

    async def execute(
        self,
        document: Document,
        values: VariableValues,
        context: Context,
        variables: Mapping[str, Any] | None = None,
    ) -> Answer:
        """Answer a valid operation.

        ``values`` are the coerced ``variables``. Raises ``GraphQLError`` for an argument that
        cannot be bound, ``odr.errors.Unavailable`` if the database cannot answer.
        """
        statement = self._planned(document, values)
        if statement is None:
            return await self._by_executor(document, values, variables, context)
        run = Run(context, values)
        try:
            written = await self._finished(document, statement, run)
        except Bubble as bubble:
            run.failures.append(bubble.failure)
            written = "null"
        return Answer(written, [failure.located() for failure in run.failures])

    def statement(self, document: Document, values: VariableValues) -> Statement | None:
        """Give the statement that answers an operation, or None if it needs an executor."""
        return self._planned(document, values)

    # The first tier

    def _planned(self, document: Document, values: VariableValues) -> Statement | None:
        if not document.is_query:
            return None
        key = (id(document), document.shape(values))
        known = self._statements.get(key)
        # The document is kept with its statement, so that its id cannot be another's.
        if known is None:
            known = (document, self._plan(document, values))
            self._statements.put(key, known)
        return known[1]

    def _plan(self, document: Document, values: VariableValues) -> Statement | None:
        grouped = document.root_fields(values)
        known = self.catalogue.fields[document.root.name]
        names = {details[0].node.name.value for details in grouped.values()} - {"__typename"}
        if not names or any(name not in known or known[name].reading is None for name in names):
            return None
        return Builder(self._scope(document, values)).roots(document.root, grouped)

    async def _finished(
        self,
        document: Document,
        statement: Statement,
        run: Run,
        place: _Place | None = None,
        keys: Any = None,
    ) -> str:
        viewer: Viewer = run.context.viewer
        bound = viewer.parameters if keys is None else {**viewer.parameters, KEYS: keys}
        written = await self._connections.read(
            statement.sql, statement.parameters(bound, run.values), viewer.settings
        )

        def walk(value: Any, outcomes: Sequence[Outcome]) -> Any:
            collect = self._scope(document, run.values).collect
            walker = Walker(self.catalogue, collect, run, outcomes)
            if place is not None:
                return walker.position(place.type, place.details, place.where, value, ())
            root = document.root
            known = self.catalogue.fields[root.name]
            grouped = {
                key: (known.get(details[0].node.name.value), details)
                for key, details in document.root_fields(run.values).items()
            }
            return walker.fields([root], None, value, (), grouped)

        return await resolve(written, statement.calls, run, walk)

    # The second tier

    async def _by_executor(
        self,
        document: Document,
        values: VariableValues,
        variables: Mapping[str, Any] | None,
        context: Context,
    ) -> Answer:
        name = document.operation.name
        result: ExecutionResult = await await_maybe(
            execute(
                self.catalogue.core,
                document.node,
                context_value=context,
                variable_values=dict(variables or {}),
                operation_name=name.value if name else None,
                is_awaitable=cast("Any", optimized_is_awaitable),
                executor_class=FragmentExecutor,
                hide_suggestions=True,
                operation_extensions={_OPERATION: _Operation(document, values)},
            )
        )
        return Answer(orjson.dumps(result.data).decode(), result.errors or ())

    def _take_over(self, type_name: str, field: Field) -> None:
        graphql: GraphQLField = field.graphql
        if isinstance(field.reading, Key):
            graphql.resolve = self._key_resolver(field)
        elif type_name == self.catalogue.core.query_type.name and field.reading is not None:  # type: ignore[union-attr]  # a schema has a query type
            graphql.resolve = self._root_resolver(field)

    def _root_resolver(self, field: Field) -> Any:
        async def resolve_root(_source: Any, info: Any, **_arguments: Any) -> Read:
            place = _place(info, field)
            return await self._read(
                info, place, lambda builder: builder.root(info.parent_type, place.details)
            )

        return resolve_root

    def _key_resolver(self, field: Field) -> Any:
        async def resolve_key(source: Any, info: Any) -> Read | None:
            keys = getattr(source, field.python_name)
            if keys is None or isinstance(keys, Read):
                return keys
            place = _place(info, field)
            return await self._read(
                info, place, lambda builder: builder.keyed(place.type, place.details), keys
            )

        return resolve_key

    async def _read(self, info: Any, place: _Place, build: Any, keys: Any = None) -> Read:
        operation: _Operation = info.operation_extensions[_OPERATION]
        document, values = operation.document, operation.values
        key = (id(document), document.shape(values), *map(id, info.field_nodes))
        known = self._statements.get(key)
        if known is None:
            known = (document, build(Builder(self._scope(document, values))))
            self._statements.put(key, known)
        statement = known[1]
        if statement is None:
            raise NotReadable(f"{place.where} has no statement")
        run = Run(info.context, values)
        try:
            written = await self._finished(document, statement, run, place, keys)
        except Bubble as bubble:
            return Read("null", run.failures, bubble.failure)
        return Read(written, run.failures)

    def _scope(self, document: Document, values: VariableValues) -> Scope:
        return Scope(self.catalogue, document.fragments, document.operation, values)


def _place(info: Any, field: Field) -> _Place:
    details = [FieldDetails(node, None) for node in info.field_nodes]
    return _Place(field.graphql.type, details, str(field))
