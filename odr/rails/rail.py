"""A payment rail: what pays out money for us, behind one interface; and what it may answer.

The contract of every rail:

- **send** asks for a payment under our key and reference. The same key again is the same
  payment, for as long as the rail remembers keys (a day is usual, no rail promises for ever).
- **find** looks a payment up by our reference, which the rail keeps as long as the payment. It
  may be asked at any time, and is asked before anything is sent again.
- An answer that does not come, is cut, or makes no sense is ``Unanswered``: whether the payment
  was made is *unknown*, and never a failure. Only REJECTED means that it was not made.
- What happens later is told by events (webhooks): perhaps twice, never, or out of order; so
  they can be asked for by ``find`` as well. PAID is not final: a bank may return the money.

Trust: a rail is trusted with what it says of its own payments and with nothing else. An answer
about another reference or amount is no answer. A rail never sees a case, a party or an order.
"""

from dataclasses import dataclass
from typing import Protocol

from odr.money import Money
from odr.words import Word

REFERENCE_MAX = 35
"""Characters of a reference: an end-to-end id of ISO 20022 (Max35Text)."""


class Standing(Word):
    """What a rail says of a payment."""

    ACCEPTED = "accepted", "The rail has it and will pay."
    PAID = "paid", "It is paid; the bank may still return it."
    REJECTED = "rejected", "It was not paid and will not be."
    RETURNED = "returned", "It was paid, and the bank sent it back."


class Unanswered(Exception):  # noqa: N818 - said as one would say it
    """The rail gave no answer that can be used: whether it has done anything is unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """What a rail is asked to pay. Key and reference are the same however often it is asked."""

    key: str
    reference: str
    payee: str
    purpose: str
    amount: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a rail says of one payment; ``rail_id`` is its own name for it."""

    rail_id: str
    reference: str
    amount: Money
    standing: Standing
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """What a rail tells without being asked; ``id`` is the rail's, and makes it count once."""

    rail: str
    id: str
    report: Report


class Rail(Protocol):
    """What every rail can do."""

    @property
    def name(self) -> str:
        """The rail's name, which is kept with each payout."""
        ...

    async def find(self, reference: str) -> Report | None:
        """Look up the payment with our reference; None if the rail has none (``Unanswered``)."""
        ...

    async def send(self, instruction: Instruction) -> Report:
        """Ask for a payment (``Unanswered``)."""
        ...
