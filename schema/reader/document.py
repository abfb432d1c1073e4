"""Documents: parsed and validated once, and the shape that a request's variables give them.

Two requests with the same document and the same shape read with the same statement. The shape
tells of each variable what changes the SQL: missing, null, which boolean, which fields of an
input object, which type's id, how large a page. Everything else is bound, and this module sends
nothing.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar, cast

from graphql import (
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    VariableNode,
    parse,
    validate,
)
from graphql.execution.collect_fields import FieldDetails, FragmentDetails, collect_fields
from graphql.execution.values import VariableValues, get_variable_values
from graphql.language import DocumentNode, NamedTypeNode
from graphql.validation import ASTValidationRule, specified_rules

from schema import ids

_TOO_MANY_TOKENS: Final = "Document contains more than"
BAD_SYNTAX: Final = "GRAPHQL_PARSE_FAILED"
BAD_DOCUMENT: Final = "GRAPHQL_VALIDATION_FAILED"
BAD_VARIABLES: Final = "BAD_USER_INPUT"
VARIABLE_ERRORS_MAX: Final = 20

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Refused(Exception):  # noqa: N818 - named as the tree of refusals names it
    """The request cannot be executed at all: GraphQL's request errors, without data."""

    def __init__(self, errors: Sequence[GraphQLError]) -> None:
        super().__init__("; ".join(error.message for error in errors))
        self.errors = list(errors)


class Recent(Generic[K, V]):
    """A mapping that forgets what was not asked for the longest time."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[K, V] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: K) -> V | None:
        """Give what is kept, and remember that it was asked for."""
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
        return found

    def put(self, key: K, value: V) -> V | None:
        """Keep a value; give the one that is forgotten for it, if any."""
        self._kept[key] = value
        if len(self._kept) > self._most:
            return self._kept.popitem(last=False)[1]
        return None


@dataclass
class Document:
    """One operation of a valid document."""

    schema: GraphQLSchema
    node: DocumentNode
    operation: OperationDefinitionNode
    fragments: dict[str, FragmentDetails]
    identifiers: frozenset[str]
    sizes: frozenset[str]
    noted: dict[Any, Any] = field(default_factory=dict)
    """What others remember of this document, as long as it is kept."""

    @property
    def is_query(self) -> bool:
        """Whether the operation only reads."""
        return self.operation.operation is OperationType.QUERY

    @property
    def is_mutation(self) -> bool:
        """Whether the operation acts."""
        return self.operation.operation is OperationType.MUTATION

    @property
    def root(self) -> GraphQLObjectType:
        """The type that the operation starts from."""
        return cast("GraphQLObjectType", self.schema.get_root_type(self.operation.operation))

    def values(self, variables: Mapping[str, Any] | None) -> VariableValues:
        """Coerce the variables; ``Refused`` if one is missing or malformed."""
        coerced = get_variable_values(
            self.schema,
            self.operation.variable_definitions or (),
            dict(variables or {}),
            max_errors=VARIABLE_ERRORS_MAX,
            hide_suggestions=True,
        )
        if isinstance(coerced, list):
            raise Refused([_coded(error, BAD_VARIABLES) for error in coerced])
        return coerced

    def shape(self, values: VariableValues) -> Hashable:
        """Give what of the variables changes the statement."""
        coerced = values.coerced
        if not coerced:
            return ()
        return tuple((name, self._shape(name, value)) for name, value in coerced.items())

    def _shape(self, name: str, value: Any) -> Hashable:
        if value is not None and name in self.identifiers:
            return ids.tag_of(value)
        return value if name in self.sizes else _shape(value)

    def root_fields(self, values: VariableValues) -> dict[str, list[FieldDetails]]:
        """Give the root fields by response key."""
        return collect_fields(
            self.schema, self.fragments, values, self.root, self.operation, hide_suggestions=True
        ).grouped_field_set


class Documents:
    """The documents asked for lately, by text and operation name."""

    def __init__(
        self,
        schema: GraphQLSchema,
        *,
        most: int,
        rules: Sequence[type[ASTValidationRule]] = (),
        check_text: Callable[[str], None] = lambda _text: None,
        check_node: Callable[[DocumentNode], None] = lambda _node: None,
        tokens_max: int | None = None,
    ) -> None:
        self._schema = schema
        self._rules = (*specified_rules, *rules)
        self._check_text = check_text
        self._check_node = check_node
        self._tokens_max = tokens_max
        self._kept: Recent[tuple[str, str | None], Document] = Recent(most)

    def knows(self, text: str, operation_name: str | None) -> bool:
        """Whether the operation was read before, so that it costs nothing to ``get`` it."""
        return self._kept.get((text, operation_name)) is not None

    def get(self, text: str, operation_name: str | None) -> Document:
        """Give the operation, parsed and validated; ``Refused`` if it is not valid."""
        key = (text, operation_name)
        found = self._kept.get(key)
        if found is None:
            found = self._read(text, operation_name)
            self._kept.put(key, found)
        return found

    def _read(self, text: str, operation_name: str | None) -> Document:
        self._check_text(text)
        try:
            node = parse(text, max_lexical_tokens=self._tokens_max)
        except GraphQLError as error:
            if _TOO_MANY_TOKENS in error.message:
                told = {"limit": "tokens", "maximum": self._tokens_max}
                error.extensions = {"code": "LIMIT", **told}
            raise Refused([_coded(error, BAD_SYNTAX)]) from error
        self._check_node(node)
        errors = validate(
            self._schema, node, self._rules, max_errors=VARIABLE_ERRORS_MAX, hide_suggestions=True
        )
        if errors:
            raise Refused([_coded(error, BAD_DOCUMENT) for error in errors])
        return read(self._schema, node, operation_name)


def read(schema: GraphQLSchema, node: DocumentNode, operation_name: str | None) -> Document:
    """Take one operation out of a valid document; ``Refused`` if it is not clear which."""
    operations = [d for d in node.definitions if isinstance(d, OperationDefinitionNode)]
    if operation_name is not None:
        operations = [o for o in operations if o.name and o.name.value == operation_name]
    if len(operations) != 1:
        raise Refused([_coded(GraphQLError(_WHICH), "OPERATION_RESOLUTION_FAILURE")])
    fragments = {
        definition.name.value: FragmentDetails(definition)
        for definition in node.definitions
        if isinstance(definition, FragmentDefinitionNode)
    }
    identifiers = frozenset(
        definition.variable.name.value
        for definition in operations[0].variable_definitions or ()
        if _names_id(definition.type)
    )
    sizes = frozenset(_sizes(node))
    return Document(schema, node, operations[0], fragments, identifiers, sizes)


_WHICH: Final = "Name one operation of the document."


def _names_id(type_: Any) -> bool:
    inner = getattr(type_, "type", type_)
    return isinstance(inner, NamedTypeNode) and inner.name.value == "ID"


def _sizes(node: DocumentNode) -> Iterator[str]:
    """Give the variables that say how large a page is."""
    waiting: list[Any] = list(node.definitions)
    while waiting:
        found = waiting.pop()
        for argument in getattr(found, "arguments", None) or ():
            if argument.name.value in _PAGE_SIZES and isinstance(argument.value, VariableNode):
                yield argument.value.name.value
        below = getattr(found, "selection_set", None)
        waiting += below.selections if below is not None else ()


_PAGE_SIZES: Final = {"first", "last"}


def _shape(value: Any) -> Hashable:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, dict):
        return tuple((name, _shape(below)) for name, below in value.items())
    return "given"


def _coded(error: GraphQLError, code: str) -> GraphQLError:
    error.extensions = {"code": code, **(error.extensions or {})}
    return error
