"""Who reads: what is bound in row predicates, and what row-level security is told."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Viewer:
    """Whoever reads.

    ``parameters`` are bound where a declaration says ``viewer(name, ...)``; all names that any
    declaration uses must be there. ``settings`` are set for the transaction of each reading, for
    the policies of the second wall, such as ``concord.account``.
    """

    parameters: Mapping[str, Any]
    settings: Mapping[str, str]


class Context(Protocol):
    """What a request carries; computed fields and resolvers get it as it is."""

    @property
    def viewer(self) -> Viewer:
        """Whoever reads."""
