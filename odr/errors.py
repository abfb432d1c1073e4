"""What can be refused, and why.

* Refused
  - NotFound: there is no such thing, or it is not yours to see; the two look alike
  - NotAllowed: the procedure's table has no such row for this act, state and role
  - Unmet: the row exists, but a fact that it requires is missing
  - Late: the clock's instant has passed
  - Early: the window has not opened yet
  - Stale: somebody else acted first
  - Conflict: an idempotency key or a reference was used before, with other content
  - Gone: it was there, and was erased
  - Invalid: an input is malformed or out of bounds
  - TooMuch: a published limit is reached
  - Unfunded: an account cannot cover the transfer
  - Unavailable: a part that we depend on does not answer; nothing was done, try again

A refusal is an expected answer. It carries facts, never an HTTP status and no screen wording: the
edges (``schema.payloads``, ``web.refusals``) decide how it is said, each by one table that a test
compares with this tree. Anything that is not ``Refused`` is a bug: rolled back, reported, masked.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar
from uuid import UUID


class Refused(Exception):  # noqa: N818 - a refusal is named as one would say it
    """Base of every expected refusal; ``facts`` are safe to show to the actor."""

    retryable: ClassVar[bool] = False

    @property
    def facts(self) -> Mapping[str, object]:
        """The refusal's attributes by name, for the edges to put into words."""
        return vars(self)


class NotFound(Refused):
    """There is no such thing, or it is not the actor's to see; never says which."""


class NotAllowed(Refused):
    """The table has no row for this act by this role in this state."""

    def __init__(self, *, act: str, state: str, role: str | None) -> None:
        self.act, self.state, self.role = act, state, role
        super().__init__(f"{role or 'nobody'} may not {act} while the case is {state}")


class Unmet(Refused):
    """The act is in the table, but a fact that it requires does not hold."""

    def __init__(self, *, act: str, fact: str) -> None:
        self.act, self.fact = act, fact
        super().__init__(f"{act} requires {fact}")


class Late(Refused):
    """The time for this act ran out at ``due`` (UTC)."""

    def __init__(self, *, act: str, due: datetime) -> None:
        self.act, self.due = act, due
        super().__init__(f"{act} was due by {due.isoformat()}")


class Early(Refused):
    """This act is possible from ``opens`` (UTC) on."""

    def __init__(self, *, act: str, opens: datetime) -> None:
        self.act, self.opens = act, opens
        super().__init__(f"{act} is possible from {opens.isoformat()}")


class Stale(Refused):
    """Somebody else acted first; read again. ``version`` is the one that holds now."""

    def __init__(self, *, expected: int, version: int) -> None:
        self.expected, self.version = expected, version
        super().__init__(f"expected version {expected}, found {version}")


class Conflict(Refused):
    """A key or reference was used before with other content.

    ``existing`` is what it led to then, where the actor may know it.
    """

    def __init__(self, what: str, *, existing: UUID | None = None) -> None:
        self.what, self.existing = what, existing
        super().__init__(f"{what} was used before with other content")


class Gone(Refused):
    """It was there and was erased ``at`` (UTC) on a ground of ``evidence.tombstone``."""

    def __init__(self, *, ground: str, at: datetime) -> None:
        self.ground, self.at = ground, at
        super().__init__(f"erased on {at.isoformat()}: {ground}")


class Invalid(Refused):
    """An input is malformed or out of bounds.

    ``path`` names the input's field, ``code`` the rule, ``bounds`` what would be accepted.
    """

    def __init__(self, path: tuple[str | int, ...], code: str, **bounds: object) -> None:
        self.path, self.code, self.bounds = path, code, bounds
        super().__init__(f"{'.'.join(map(str, path))}: {code} {bounds or ''}".rstrip())


class TooMuch(Refused):
    """A published limit is reached."""

    def __init__(self, *, limit: str, maximum: int) -> None:
        self.limit, self.maximum = limit, maximum
        super().__init__(f"{limit}: at most {maximum}")


class Unfunded(Refused):
    """An account cannot cover a transfer; ``account`` is its kind, never its balance."""

    def __init__(self, *, account: str) -> None:
        self.account = account
        super().__init__(f"{account} cannot cover the transfer")


class Unavailable(Refused):
    """A part that we depend on does not answer; nothing was done and a repeat is safe."""

    retryable = True

    def __init__(self, part: str) -> None:
        self.part = part
        super().__init__(f"{part} does not answer")
