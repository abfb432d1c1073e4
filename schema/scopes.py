"""What a token may ask whose scopes lack ``read``: to act, and to hear the ids of what came of it.

An act's payload tells what was refused and the ids (``id``) of its rows, by which the program goes
on; everything else, and every query, is reading. Asked of the valid document, before it runs: an
act whose payload asks for more is not done.
"""

from collections.abc import Iterator
from typing import Any, Final

from graphql import FieldNode, FragmentSpreadNode, GraphQLError
from graphql.language import SelectionSetNode

from schema.reader.document import Document, Refused

CODE: Final = "SCOPE"
_TOLD: Final = frozenset({"userErrors", "__typename"})
_NAMES: Final = frozenset({"id", "__typename"})


def check(document: Document) -> None:
    """Refuse what only a token with the scope ``read`` may ask (``Refused``)."""
    if not document.is_mutation:
        raise _refused("This token cannot read: its scopes lack `read`.")
    for act in _fields(document, document.operation.selection_set):
        for told in _fields(document, act.selection_set):
            if told.selection_set is None or told.name.value in _TOLD:
                continue
            if any(f.name.value not in _NAMES for f in _fields(document, told.selection_set)):
                message = f"Without the scope `read`, of `{told.name.value}` only its id is told."
                raise _refused(message)


def _fields(document: Document, selection_set: SelectionSetNode | None) -> Iterator[FieldNode]:
    """The fields that are asked for there, through fragments."""
    waiting: list[Any] = list(selection_set.selections) if selection_set else []
    spread: set[str] = set()
    while waiting:
        node = waiting.pop()
        if isinstance(node, FieldNode):
            yield node
        elif not isinstance(node, FragmentSpreadNode):
            waiting += node.selection_set.selections
        elif (name := node.name.value) not in spread:
            spread.add(name)
            waiting += document.fragments[name].definition.selection_set.selections


def _refused(message: str) -> Refused:
    return Refused([GraphQLError(message, extensions={"code": CODE})])
