"""What an operation may ask for, told before it runs; and how much an actor may ask for at once.

Four looks, from cheap to dear, each refusing before the next spends anything:

1. the text: characters
2. the parsed document: tokens, depth, aliases, directives, root fields (fragments counted as
   often as they are spread, without being expanded), and how often fields have the same name,
   since validation compares each two of them
3. the variables: page sizes, the number of nodes, the cost
4. the actor: a bucket that fills with time and pays the cost; for a document that was not read
   before, first a fee by its length, whether it turns out to be valid or not

The cost is static: one for each root field, relation, embedded object and computed field, one
for each item of a page, times the sizes of the pages around it; a mutation costs ten more. It is
told as `extensions.cost` of every answer. This module knows no HTTP.
"""

import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, NoReturn, Protocol

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    get_named_type,
)
from graphql.execution.values import VariableValues, get_argument_values
from graphql.language import DocumentNode, SelectionSetNode

from schema.reader import page
from schema.reader.catalogue import Catalogue
from schema.reader.declaration import (
    ByTag,
    Computed,
    Connected,
    Embedded,
    Json,
    Key,
    Many,
    Relation,
)
from schema.reader.document import Document, Recent, Refused

LIMIT: Final = "LIMIT"
MUTATION_COST: Final = 10
_CHARACTERS_FOR_ONE: Final = 4
_INTROSPECTED_FOR_ONE: Final = 50
_LISTS: Final = {
    "fields": 8,
    "inputFields": 2,
    "enumValues": 2,
    "interfaces": 1,
    "possibleTypes": 2,
    "args": 2,
    "directives": 6,
}
"""How long the lists of introspection are on average, rounded up."""

_COSTS_KEPT: Final = 32
_COSTLY: Final = (Relation, ByTag, Embedded, Json, Computed, Key)
_TOLD_MAX: Final = 2**53 - 1  # fragments that double reach numbers that JSON cannot carry


@dataclass(frozen=True)
class Limits:
    """All limits in one place; the defaults are what the API's documentation tells."""

    body_bytes_max: int = 256 * 1024
    """A request's body, or its query string."""
    characters_max: int = 32_000
    """The document's text."""
    tokens_max: int = 6_000
    """The document's lexical tokens."""
    depth_max: int = 16
    """Fields within fields; graphql-core's own introspection query has 15."""
    aliases_max: int = 60
    """Fields under another name."""
    directives_max: int = 60
    """`@include` and `@skip`."""
    root_fields_max: int = 20
    """Fields of the operation itself."""
    pairs_max: int = 6_000
    """Pairs of fields with the same name in the answer, and of fragments: validation compares."""
    introspection_max: int = 400_000
    """Values that `__schema` and `__type` may tell, by the usual length of each list."""
    page_max: int = page.PAGE_MAX
    """`first` or `last` of a connection."""
    nodes_max: int = 10_000
    """Objects that the pages of an answer may hold."""
    cost_max: int = 20_000
    """The static cost."""
    execution_seconds_max: float = 10.0
    """From the first statement to the answer."""

    def told(self) -> Mapping[str, float]:
        """Give all limits by name, for the documentation."""
        return {limit.name: getattr(self, limit.name) for limit in fields(self)}


@dataclass(frozen=True)
class Cost:
    """What an operation may cost at most, and how many nodes it may hold."""

    requested: int
    nodes: int
    introspected: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        """Both together."""
        return Cost(
            self.requested + other.requested,
            self.nodes + other.nodes,
            self.introspected + other.introspected,
        )


def check_text(limits: Limits, text: str) -> None:
    """Look at the text; raises ``Refused``."""
    _at_most("characters", len(text), limits.characters_max)


def check_document(limits: Limits, document: DocumentNode) -> None:
    """Look at the parsed document, which need not be valid; raises ``Refused``."""
    counts = _Counts(document)
    for operation in counts.operations:
        found = counts.of(operation.selection_set)
        _at_most("depth", found.depth, limits.depth_max)
        _at_most("aliases", found.aliases, limits.aliases_max)
        directives = found.directives + len(operation.directives or ())
        _at_most("directives", directives, limits.directives_max)
        _at_most("rootFields", found.roots, limits.root_fields_max)
    _at_most("pairs", _pairs(document), limits.pairs_max)


def fee(text: str) -> int:
    """Give what it costs to read a document that was not read before, in the unit of costs."""
    return len(text) // _CHARACTERS_FOR_ONE


def measure(
    limits: Limits, catalogue: Catalogue, document: Document, values: VariableValues
) -> Cost:
    """Give the cost of a valid operation with its variables; raises ``Refused``."""
    sizes = tuple((n, v) for n, v in values.coerced.items() if type(v) is int or v is None)
    known: Recent[Any, Cost] = document.noted.setdefault("costs", Recent(_COSTS_KEPT))
    cost = known.get(sizes)
    if cost is None:
        cost = _Meter(limits, catalogue, document, values).measured()
        known.put(sizes, cost)
    _at_most("nodes", cost.nodes, limits.nodes_max)
    _at_most("introspection", cost.introspected, limits.introspection_max)
    _at_most("cost", cost.requested, limits.cost_max)
    return cost


def introspects(document: Document) -> bool:
    """Say whether the operation asks for the schema itself."""
    found = document.noted.get("introspects")
    if found is None:
        names = {"__schema", "__type"}
        found = any(node.name.value in names for node in _all_fields(document))
        document.noted["introspects"] = found
    return bool(found)


@dataclass(frozen=True)
class _Count:
    depth: int = 0
    aliases: int = 0
    directives: int = 0
    roots: int = 0


class _Counts:
    """Counts over a document whose fragments may be missing or spread themselves."""

    def __init__(self, document: DocumentNode) -> None:
        self.operations = [
            node for node in document.definitions if isinstance(node, OperationDefinitionNode)
        ]
        self._fragments = {
            node.name.value: node
            for node in document.definitions
            if isinstance(node, FragmentDefinitionNode)
        }
        self._known: dict[str, _Count] = {}

    def of(self, selection_set: SelectionSetNode | None) -> _Count:
        depth = aliases = directives = roots = 0
        for node in selection_set.selections if selection_set else ():
            directives += len(node.directives or ())
            if isinstance(node, FieldNode):
                below = self.of(node.selection_set)
                depth = max(depth, below.depth + 1)
                aliases += node.alias is not None
                roots += 1
            else:
                below = self._spread(node)
                depth = max(depth, below.depth)
                roots += below.roots
            aliases += below.aliases
            directives += below.directives
        return _Count(depth, aliases, directives, roots)

    def _spread(self, node: Any) -> _Count:
        if isinstance(node, InlineFragmentNode):
            return self.of(node.selection_set)
        name = node.name.value
        if name not in self._known:
            fragment = self._fragments.get(name)
            self._known[name] = _Count()  # of itself a fragment is invalid, which is told later
            self._known[name] = self.of(fragment.selection_set if fragment else None)
        return self._known[name]


class _Meter:
    """Measures a valid operation; each fragment once, whatever the number of its spreads."""

    def __init__(
        self, limits: Limits, catalogue: Catalogue, document: Document, values: VariableValues
    ) -> None:
        self._limits = limits
        self._catalogue = catalogue
        self._document = document
        self._values = values
        self._known: dict[str, Cost] = {}
        self._told: dict[str, int] = {}

    def measured(self) -> Cost:
        document = self._document
        found = self._selections(document.operation.selection_set, document.root.name)
        told = found.introspected // _INTROSPECTED_FOR_ONE
        extra = told + (MUTATION_COST if document.is_mutation else 0)
        return found + Cost(extra, 0)

    def _selections(self, selection_set: SelectionSetNode | None, type_name: str) -> Cost:
        found = Cost(0, 0)
        for node in selection_set.selections if selection_set else ():
            if isinstance(node, FieldNode):
                below = self._field(node, type_name)
            elif isinstance(node, FragmentSpreadNode):
                below = self._fragment(node.name.value)
            elif isinstance(node, InlineFragmentNode):
                condition = node.type_condition
                below = self._selections(
                    node.selection_set, condition.name.value if condition else type_name
                )
            else:
                continue
            found += below
        return found

    def _fragment(self, name: str) -> Cost:
        if name not in self._known:
            fragment = self._document.fragments[name].definition
            self._known[name] = self._selections(
                fragment.selection_set, fragment.type_condition.name.value
            )
        return self._known[name]

    def _field(self, node: FieldNode, type_name: str) -> Cost:
        name = node.name.value
        if name.startswith("__"):
            told = self._introspected(node.selection_set)
            return Cost(0, 0) if node.selection_set is None else Cost(1, 0, told)
        if type_name.startswith("__"):  # a fragment on one of its types, counted where it is spread
            return Cost(0, 0)
        core = self._catalogue.core
        graphql = core.type_map[type_name].fields[name]  # type: ignore[attr-defined]  # validated
        target = get_named_type(graphql.type)
        declared = self._catalogue.fields.get(type_name, {}).get(name)
        reading = declared.reading if declared is not None else None
        below = self._selections(node.selection_set, target.name)
        is_root = type_name in self._catalogue.roots
        own = 1 if is_root or isinstance(reading, _COSTLY) else 0
        if isinstance(reading, Connected):
            arguments = get_argument_values(graphql, node, self._values)
            size = self._page(arguments)
            return Cost(own + size * (1 + below.requested), size * (1 + below.nodes))
        times = reading.typical if isinstance(reading, Many) else 1
        return Cost(times * (own + below.requested), times * below.nodes)

    def _introspected(self, selection_set: SelectionSetNode | None) -> int:
        """How many values of the schema a selection tells; a fragment as often as it is spread."""
        told = 0
        for node in selection_set.selections if selection_set else ():
            if isinstance(node, FragmentSpreadNode):
                name = node.name.value
                if name not in self._told:
                    fragment = self._document.fragments[name].definition
                    self._told[name] = self._introspected(fragment.selection_set)
                told += self._told[name]
            elif isinstance(node, FieldNode):
                times = self._times(node.name.value)
                told += times * (1 + self._introspected(node.selection_set))
            elif isinstance(node, InlineFragmentNode):
                told += self._introspected(node.selection_set)
        return told

    def _times(self, name: str) -> int:
        """How long a list of the schema is, about: that of all types to the letter."""
        return len(self._catalogue.core.type_map) if name == "types" else _LISTS.get(name, 1)

    def _page(self, arguments: Mapping[str, Any]) -> int:
        try:
            return page.asked(arguments, self._limits.page_max).size
        except GraphQLError as error:
            raise Refused([error]) from error


def _pairs(document: DocumentNode) -> int:
    """How many pairs of fields have the same name in the answer, and how many of fragments."""
    names: Counter[str] = Counter()
    waiting: list[Any] = list(document.definitions)
    while waiting:
        node = waiting.pop()
        if isinstance(node, FieldNode):
            names[(node.alias or node.name).value] += 1
        below = getattr(node, "selection_set", None)
        waiting += below.selections if below is not None else ()
    fragments = sum(isinstance(node, FragmentDefinitionNode) for node in document.definitions)
    return sum(many * (many - 1) // 2 for many in (fragments, *names.values()))


def _all_fields(document: Document) -> Iterator[FieldNode]:
    waiting: list[Any] = [document.operation.selection_set]
    waiting += [fragment.definition.selection_set for fragment in document.fragments.values()]
    while waiting:
        selection_set = waiting.pop()
        for node in selection_set.selections:
            if isinstance(node, FieldNode):
                yield node
            below = getattr(node, "selection_set", None)
            if below is not None:
                waiting.append(below)


def _at_most(limit: str, requested: int, maximum: int) -> None:
    if requested > maximum:
        _refuse(limit, requested, maximum)


def _refuse(limit: str, requested: int, maximum: int) -> NoReturn:
    requested = min(requested, _TOLD_MAX)
    extensions = {"code": LIMIT, "limit": limit, "requested": requested, "maximum": maximum}
    raise Refused(
        [GraphQLError(f"{limit}: {requested}, at most {maximum}.", extensions=extensions)]
    )


# Rates


@dataclass(frozen=True)
class Rate:
    """A bucket's size, and what flows in each second; both in units of cost."""

    burst: float = 40_000
    per_second: float = 2_000


@dataclass(frozen=True)
class Taken:
    """What a bucket says: whether it paid, what is left, and when to come again."""

    paid: bool
    left: int
    retry_after_seconds: float = 0.0


class Buckets(Protocol):
    """One bucket for each actor. Behind several processes, a store that they share."""

    async def take(self, actor: str, cost: int) -> Taken:
        """Pay ``cost`` from the actor's bucket, or nothing if it does not hold as much.

        A cost above the burst is paid by a full bucket, which is then empty.
        """


@dataclass
class LocalBuckets:
    """Buckets of this process. The fullest are forgotten first: those not used for longest."""

    rate: Rate = Rate()
    actors_max: int = 10_000
    clock: Callable[[], float] = time.monotonic
    _levels: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)

    async def take(self, actor: str, cost: int) -> Taken:
        """Pay as ``Buckets`` says."""
        now = self.clock()
        level, then = self._levels.pop(actor, (self.rate.burst, now))
        level = min(self.rate.burst, level + (now - then) * self.rate.per_second)
        owed = min(float(cost), self.rate.burst)
        paid = level >= owed
        self._levels[actor] = (level - owed if paid else level, now)
        if len(self._levels) > self.actors_max:
            self._levels.popitem(last=False)
        if paid:
            return Taken(paid=True, left=int(level - owed))
        return Taken(False, int(level), (owed - level) / self.rate.per_second)
