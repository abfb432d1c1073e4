"""A place in a document where arguments stand, and what they are at each reading."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import FieldNode, GraphQLError, VariableNode
from graphql.execution.values import VariableValues, get_argument_values
from graphql.language import ListValueNode, ObjectValueNode, ValueNode

from schema.reader.catalogue import Field


@dataclass
class Site:
    """A field's arguments in one place of the document.

    What is constant, or only the name of a variable, is known when planned; the rest is coerced
    by graphql-core at each reading. ``decoders`` change arguments once, whoever binds them.
    """

    declared: Field
    node: FieldNode
    planned: Mapping[str, Any]
    decoders: dict[str, Callable[[Any], Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, field_: Field, node: FieldNode, values: VariableValues) -> "Site":
        """Read the arguments as they are for the variables of the planning."""
        return cls(field_, node, get_argument_values(field_.graphql, node, values))

    def __post_init__(self) -> None:
        given = {argument.name.value: argument.value for argument in self.node.arguments or ()}
        self._variables = {
            name: value.name.value
            for name, value in given.items()
            if isinstance(value, VariableNode)
        }
        self._mixed = any(
            not isinstance(value, VariableNode) and _holds_variable(value)
            for value in given.values()
        )

    def arguments(self, values: VariableValues) -> dict[str, Any]:
        """Give the arguments by GraphQL name; ``GraphQLError`` if a decoder refuses one."""
        if self._mixed:
            found = get_argument_values(self.declared.graphql, self.node, values)
        else:
            found = dict(self.planned)
            coerced = values.coerced
            for name, variable in self._variables.items():
                if variable in coerced:
                    found[name] = coerced[variable]
        for name, decode in self.decoders.items():
            if found.get(name) is not None:
                found[name] = decode(found[name])
        return found

    @property
    def constant(self) -> bool:
        """Whether the arguments are the same at each reading."""
        return not self._variables and not self._mixed


def dig(arguments: Mapping[str, Any], path: tuple[str | int, ...]) -> Any:
    """Give the value below a path of names and positions, None where one is missing."""
    found: Any = arguments
    for step in path:
        if found is None:
            return None
        found = found.get(step) if isinstance(step, str) else found[step]
    return found


def _holds_variable(value: ValueNode) -> bool:
    if isinstance(value, VariableNode):
        return True
    if isinstance(value, ListValueNode):
        return any(_holds_variable(item) for item in value.values)
    if isinstance(value, ObjectValueNode):
        return any(_holds_variable(item.value) for item in value.fields)
    return False


def refuse_zero(value: Any) -> Any:
    """Refuse a string with U+0000, which PostgreSQL's text cannot hold."""
    if isinstance(value, str) and "\0" in value:
        raise GraphQLError("A string cannot hold U+0000.", extensions={"code": "BAD_USER_INPUT"})
    return value
