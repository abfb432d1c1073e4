"""graphql-core's executor, which lets through what the reader has already finished.

A resolver that answers ``Read`` hands over the finished JSON of its whole selection; errors and
a null that must rise are passed on as graphql-core would have found them itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from graphql.pyutils import Path
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from schema.reader.completion import Failure


@dataclass(frozen=True)
class Read:
    """A selection's finished JSON; paths of failures begin at the field that was read."""

    written: str
    failures: Sequence[Failure] = ()
    bubble: Failure | None = None


class FragmentExecutor(StrawberryGraphQLCoreExecutionContext):
    """Completes ``Read`` by passing its JSON through."""

    def complete_value(
        self,
        return_type: Any,
        field_details_list: Any,
        info: Any,
        path: Path,
        result: Any,
        position_context: Any,
    ) -> Any:
        """Complete a value, as graphql-core asks for each position."""
        if type(result) is not Read:
            return super().complete_value(
                return_type, field_details_list, info, path, result, position_context
            )
        for failure in result.failures:
            self._note(failure, path)
        if result.bubble is not None:
            raise _at(result.bubble, path).located()
        return None if result.written == "null" else orjson.Fragment(result.written)

    def _note(self, failure: Failure, path: Path) -> None:
        below = path
        for step in failure.path:
            below = below.add_key(step, None)
        self.collected_errors.add(_at(failure, path).located(), below)


def _at(failure: Failure, path: Path) -> Failure:
    return Failure((*path.as_list(), *failure.path), failure.error, failure.details)
