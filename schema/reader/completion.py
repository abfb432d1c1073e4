"""What Python does to a statement's text: computed fields, and nulls where none may be.

Most answers pass untouched. Where the text holds calls (`schema.reader.text.CALL`), each call's
function gets the needs that SQL wrote there, and its value takes the call's place. Only where
something failed, or null stands against the type, is the whole text parsed and walked, so that
errors and nulled positions are those of graphql-core (GraphQL, section 6.4.4 "Handling Execution
Errors"). This module sends nothing to the database.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, cast

import orjson
from graphql import (
    GraphQLError,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)
from graphql.execution.collect_fields import FieldDetails
from graphql.execution.values import VariableValues

from schema.reader import text
from schema.reader.catalogue import Catalogue, Field, NotReadable
from schema.reader.declaration import Computed, Part
from schema.reader.site import Site

Path: TypeAlias = tuple[str | int, ...]
Details: TypeAlias = Sequence[FieldDetails]
Collect: TypeAlias = Callable[[GraphQLObjectType, Details], Mapping[str, Details]]

_VOID_KEY: Final = "\x01void"
_UNFIT_KEY: Final = "\x03unfit"
_CALL_KEY: Final = "\x02call"


@dataclass
class Failure:
    """An error at a position of the answer."""

    path: Path
    error: Exception
    details: Details

    def located(self) -> GraphQLError:
        """Give it as graphql-core does, with path and place in the document."""
        nodes = [detail.node for detail in self.details]
        if isinstance(self.error, GraphQLError):
            return GraphQLError(
                self.error.message,
                nodes,
                path=list(self.path),
                original_error=self.error.original_error,
                extensions=self.error.extensions,
            )
        return GraphQLError(str(self.error), nodes, path=list(self.path), original_error=self.error)


class Bubble(Exception):  # noqa: N818 - control flow: null rises to the next position that may hold it
    """Null rises from a position that cannot hold it."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(str(failure.error))
        self.failure = failure


@dataclass
class Run:
    """One reading: the request's context, the variables, and what failed so far."""

    context: Any
    values: VariableValues
    failures: list[Failure] = field(default_factory=list)


Complete: TypeAlias = Callable[[Any, Run, Path], Any]


class Completer:
    """Makes functions that complete Python values as a selection asks, like graphql-core."""

    def __init__(self, catalogue: Catalogue, collect: Collect, values: VariableValues) -> None:
        self._catalogue = catalogue
        self._collect = collect
        self._values = values

    def position(self, type_: GraphQLOutputType, details: Details, where: str) -> Complete:
        """Complete the value of a field or list item, holding or passing on what rises."""
        inner = self._value(type_, details, where)
        required = is_non_null_type(type_)

        def complete(value: Any, run: Run, path: Path) -> Any:
            try:
                if isinstance(value, Exception):
                    raise value  # noqa: TRY301 - as graphql-core: a value may be an exception
                return inner(value, run, path)
            except Bubble as bubble:
                if required:
                    raise
                run.failures.append(bubble.failure)
            except Exception as error:
                failure = Failure(path, error, details)
                if required:
                    raise Bubble(failure) from error
                run.failures.append(failure)
            return None

        return complete

    def _value(self, type_: GraphQLOutputType, details: Details, where: str) -> Complete:
        if isinstance(type_, GraphQLNonNull):
            return _required(self._value(type_.of_type, details, where), details, where)
        if isinstance(type_, GraphQLList):
            return _listed(self.position(type_.of_type, details, where))
        if is_leaf_type(type_):
            write = type_.coerce_output_value
            return lambda value, _run, _path: None if value is None else write(value)
        if is_abstract_type(type_):
            return self._abstract(type_, details)
        return self._object(cast("GraphQLObjectType", type_), details)

    def _abstract(self, type_: Any, details: Details) -> Complete:
        core = self._catalogue.core
        made = {
            possible.name: self._object(possible, details)
            for possible in core.get_possible_types(type_)
        }

        def complete(value: Any, run: Run, path: Path) -> Any:
            if value is None:
                return None
            return made[self._catalogue.names[type(value)]](value, run, path)

        return complete

    def _object(self, type_: GraphQLObjectType, details: Details) -> Complete:
        if self._catalogue.is_table(type_.name):
            raise NotReadable(f"a computed value cannot hold {type_}, which stands over a table")
        steps: list[tuple[str, Callable[[Any, Run], Any], Complete]] = []
        for key, found in self._collect(type_, details).items():
            name = found[0].node.name.value
            if name == "__typename":
                steps.append((key, _always(type_.name), _as_is))
                continue
            declared = self._catalogue.fields[type_.name][name]
            complete = self.position(declared.graphql.type, found, str(declared))
            steps.append((key, self._resolve(declared, found), complete))

        def complete_object(value: Any, run: Run, path: Path) -> Any:
            if value is None:
                return None
            done = {}
            for key, resolve, complete in steps:
                try:
                    had = resolve(value, run)
                except Exception as error:  # noqa: BLE001 - the field's failure, told at its position
                    had = error
                done[key] = complete(had, run, (*path, key))
            return done

        return complete_object

    def _resolve(self, declared: Field, details: Details) -> Callable[[Any, Run], Any]:
        reading, python_name = declared.reading, declared.python_name
        if isinstance(reading, Computed):
            site = Site.of(declared, details[0].node, self._values)
            return lambda value, run: _called(reading, declared, site, value, run)
        if reading is not None and not isinstance(reading, Part):
            raise NotReadable(f"{declared} cannot be had of a computed value")
        resolver = declared.strawberry.base_resolver
        if resolver is None:
            return lambda value, _run: getattr(value, python_name)
        if resolver.is_async or resolver.info_parameter is not None:
            raise NotReadable(f"{declared}: a resolver below a computed value is a plain function")
        site = Site.of(declared, details[0].node, self._values)
        bound = resolver.self_parameter is not None

        def resolve(value: Any, run: Run) -> Any:
            words = _words(declared, site, run)
            return resolver(value, **words) if bound else resolver(**words)

        return resolve


@dataclass(frozen=True)
class Call:
    """A computed field in one place of a document."""

    field: Field
    reading: Computed
    site: Site
    details: Details
    names: tuple[str, ...]
    decoders: tuple[Callable[[Any], Any], ...]
    complete: Complete

    def row(self, needs: Sequence[Any]) -> dict[str, Any]:
        """Give the needs by name, as Python's values."""
        return {
            name: None if need is None else decode(need)
            for name, decode, need in zip(self.names, self.decoders, needs, strict=True)
        }

    async def values(self, rows: list[dict[str, Any]], run: Run) -> Sequence[Any]:
        """Ask the function for the values of all rows; a value may be the exception it raised."""
        function, context = self.reading.function, run.context
        try:
            words = _words(self.field, self.site, run)
            if self.reading.batch:
                found = function(context, rows, **words)
                found = await found if inspect.isawaitable(found) else found
                return [value for _row, value in zip(rows, found, strict=True)]
        except Exception as error:  # noqa: BLE001 - the failure is the field's, in each place
            return [error] * len(rows)
        return [await _one(function, context, row, words) for row in rows]


@dataclass
class Outcome:
    """What became of one call: its completed value, and what failed in it."""

    value: Any
    failures: list[Failure]
    bubble: Failure | None


async def resolve(
    written: str,
    calls: Sequence[Call],
    run: Run,
    walk: Callable[[Any, Sequence[Outcome]], Any],
) -> str:
    """Give the finished JSON of a statement's text; failures are added to ``run``.

    ``walk`` is asked only when something failed: see ``walker``.
    """
    outcomes: list[Outcome] = []
    if calls and text.CALL in written:
        pieces = written.split(text.CALL)
        outcomes = await _outcomes(pieces[1::2], calls, run)
        if not any(outcome.failures or outcome.bubble for outcome in outcomes):
            pieces[1::2] = [orjson.dumps(outcome.value).decode() for outcome in outcomes]
            written = "".join(pieces)
        else:
            pieces[1::2] = [
                orjson.dumps({_CALL_KEY: position}).decode() for position in range(len(outcomes))
            ]
            written = "".join(pieces)
            return _walked(written, outcomes, walk)
    if text.VOID in written or text.UNFIT in written:
        return _walked(written, outcomes, walk)
    return written


class Walker:
    """Walks a parsed answer along its selection, nulls what failed and tells where."""

    def __init__(
        self, catalogue: Catalogue, collect: Collect, run: Run, outcomes: Sequence[Outcome]
    ) -> None:
        self._catalogue = catalogue
        self._collect = collect
        self._run = run
        self._outcomes = outcomes

    def fields(
        self,
        types: Sequence[GraphQLObjectType],
        details: Details | None,
        value: Any,
        path: Path,
        grouped: Mapping[str, tuple[Field | None, Details]] | None = None,
    ) -> Any:
        """Walk an object whose type is one of ``types``."""
        for key, (declared, found) in (grouped or self._grouped(types, details or ())).items():
            if key not in value or declared is None:
                continue
            value[key] = self.position(
                declared.graphql.type, found, str(declared), value[key], (*path, key)
            )
        return value

    def position(
        self, type_: GraphQLOutputType, details: Details, where: str, value: Any, path: Path
    ) -> Any:
        """Walk the value of a field or list item, holding or passing on what rises."""
        try:
            return self._value(type_, details, where, value, path)
        except Bubble as bubble:
            if is_non_null_type(type_):
                raise
            self._run.failures.append(bubble.failure)
            return None

    def _value(self, type_: Any, details: Details, where: str, value: Any, path: Path) -> Any:
        if isinstance(value, dict) and len(value) == 1:
            ((mark, number),) = value.items()
            if mark == _VOID_KEY:
                raise Bubble(Failure(path, _no_null(where), details))
            if mark == _UNFIT_KEY:
                error = ValueError(f"{where} cannot represent its value")
                raise Bubble(Failure(path, error, details))
            if mark == _CALL_KEY:
                return self._outcome(self._outcomes[number], path)
        if is_non_null_type(type_):
            return self._value(type_.of_type, details, where, value, path)
        if value is None or is_leaf_type(type_):
            return value
        if is_list_type(type_):
            return [
                self.position(type_.of_type, details, where, item, (*path, number))
                for number, item in enumerate(value)
            ]
        return self.fields(self._possible(type_), details, value, path)

    def _outcome(self, outcome: Outcome, path: Path) -> Any:
        for failure in outcome.failures:
            self._run.failures.append(
                Failure((*path, *failure.path), failure.error, failure.details)
            )
        if outcome.bubble is not None:
            raised = outcome.bubble
            raise Bubble(Failure((*path, *raised.path), raised.error, raised.details))
        return outcome.value

    def _possible(self, type_: Any) -> Sequence[GraphQLObjectType]:
        if is_abstract_type(type_):
            return self._catalogue.core.get_possible_types(type_)
        return [type_]

    def _grouped(
        self, types: Sequence[GraphQLObjectType], details: Details
    ) -> dict[str, tuple[Field | None, Details]]:
        """Give the fields by key: a key has the same shape in all types (section 5.3.2)."""
        grouped: dict[str, tuple[Field | None, Details]] = {}
        for type_ in types:
            for key, found in self._collect(type_, details).items():
                name = found[0].node.name.value
                declared = self._catalogue.fields.get(type_.name, {}).get(name)
                grouped.setdefault(key, (declared, found))
        return grouped


def _walked(written: str, outcomes: Sequence[Outcome], walk: Any) -> str:
    marked = written.replace(text.VOID, orjson.dumps({_VOID_KEY: 0}).decode())
    marked = marked.replace(text.UNFIT, orjson.dumps({_UNFIT_KEY: 0}).decode())
    return orjson.dumps(walk(orjson.loads(marked), outcomes)).decode()


async def _outcomes(marks: Sequence[str], calls: Sequence[Call], run: Run) -> list[Outcome]:
    """Ask each call's function once (batch) or once a row, and complete the values."""
    numbers, needs = [], []
    for mark in marks:
        number, _, written = mark.partition(":")
        numbers.append(int(number))
        needs.append(written)
    rows = orjson.loads("[" + ",".join(needs) + "]")
    places: dict[int, list[int]] = {}
    for place, called in enumerate(numbers):
        places.setdefault(called, []).append(place)
    outcomes: list[Outcome] = [_PENDING] * len(marks)
    for called, found in places.items():
        call = calls[called]
        values = await call.values([call.row(rows[place]) for place in found], run)
        for place, value in zip(found, values, strict=True):
            outcomes[place] = _completed(call, value, run)
    return outcomes


def _completed(call: Call, value: Any, run: Run) -> Outcome:
    own = Run(run.context, run.values)
    try:
        return Outcome(call.complete(value, own, ()), own.failures, None)
    except Bubble as bubble:
        return Outcome(None, own.failures, bubble.failure)


def _called(reading: Computed, declared: Field, site: Site, value: Any, run: Run) -> Any:
    """Compute a field of an embedded type that was itself made in Python."""
    row = {name: getattr(value, name) for name in reading.needs}
    words = _words(declared, site, run)
    found = reading.function(run.context, [row] if reading.batch else row, **words)
    if inspect.isawaitable(found):
        raise NotReadable(f"{declared}: a value made in Python is computed by a plain function")
    return found[0] if reading.batch else found


def _words(declared: Field, site: Site, run: Run) -> dict[str, Any]:
    found = site.arguments(run.values)
    return {declared.arguments[name][0]: value for name, value in found.items()}


async def _one(function: Any, context: Any, row: dict[str, Any], words: dict[str, Any]) -> Any:
    try:
        found = function(context, row, **words)
        return await found if inspect.isawaitable(found) else found
    except Exception as error:  # noqa: BLE001 - the failure is the field's, told at its position
        return error


def _required(inner: Complete, details: Details, where: str) -> Complete:
    def complete(value: Any, run: Run, path: Path) -> Any:
        done = inner(value, run, path)
        if done is None:
            raise Bubble(Failure(path, _no_null(where), details))
        return done

    return complete


def _listed(item: Complete) -> Complete:
    def complete(value: Any, run: Run, path: Path) -> Any:
        if value is None:
            return None
        return [item(one, run, (*path, number)) for number, one in enumerate(value)]

    return complete


def _no_null(where: str) -> TypeError:
    return TypeError(f"Cannot return null for non-nullable field {where}.")


def _always(value: Any) -> Callable[[Any, Run], Any]:
    return lambda _value, _run: value


def _as_is(value: Any, _run: Run, _path: Path) -> Any:
    return value


_PENDING: Final = Outcome(None, [], None)
