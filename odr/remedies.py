"""The shapes of the remedies: what each one has, where its money goes, what bounds it.

A table, read by ``odr.terms``. The module knows no amounts, no order and no ledger; which remedy
a reason allows is the rulebook's.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from odr.words import Remedy


class Use(StrEnum):
    """Whether a remedy has a field."""

    NEEDED = "needed"
    OPTIONAL = "optional"
    NONE = "none"


class Flow(StrEnum):
    """Where the money of a remedy goes."""

    TO_BUYER = "to_buyer"
    TO_SELLER = "to_seller"
    NOWHERE = "nowhere"


class Bound(StrEnum):
    """What bounds an amount: what is left of the order, or a cap of its own."""

    ORDER = "order"
    COMPENSATION = "compensation"
    COUPON = "coupon"


class Shape(NamedTuple):
    """The fields of a remedy, where its money goes, and by which template of ``odr.journal``.

    ``returns``: the goods go back first. ``carried_out``: the service performs it today.
    """

    amount: Use
    flow: Flow
    template: str
    bound: Bound = Bound.ORDER
    freight: Use = Use.NONE
    difference: Use = Use.NONE
    until: Use = Use.NONE
    note: Use = Use.OPTIONAL
    returns: bool = False
    carried_out: bool = False


_N, _O, _X = Use.NEEDED, Use.OPTIONAL, Use.NONE

SHAPES: Final[Mapping[Remedy, Shape]] = {
    Remedy.FULL_REFUND: Shape(_N, Flow.TO_BUYER, "refund", carried_out=True),
    Remedy.PARTIAL_REFUND: Shape(_N, Flow.TO_BUYER, "refund", carried_out=True),
    Remedy.REFUND_ON_RETURN: Shape(_N, Flow.TO_BUYER, "refund_on_return", freight=_O, returns=True),
    Remedy.REFUND_WITHOUT_RETURN: Shape(_N, Flow.TO_BUYER, "refund", carried_out=True),
    Remedy.REPLACEMENT: Shape(_X, Flow.NOWHERE, "replacement_promised", freight=_O),
    Remedy.REPAIR: Shape(_X, Flow.NOWHERE, "replacement_promised", freight=_O, returns=True),
    Remedy.MISSING_PARTS: Shape(_X, Flow.NOWHERE, "replacement_promised", freight=_O, note=_N),
    Remedy.COUPON: Shape(_N, Flow.NOWHERE, "coupon", Bound.COUPON, until=_O),
    Remedy.EXCHANGE: Shape(
        _O, Flow.TO_BUYER, "replacement_promised", freight=_O, difference=_O, note=_N, returns=True
    ),
    Remedy.EXTENSION: Shape(_X, Flow.NOWHERE, "replacement_promised", until=_N),
    Remedy.COMPENSATION: Shape(
        _N, Flow.TO_BUYER, "compensation", Bound.COMPENSATION, carried_out=True
    ),
    Remedy.RELEASE_TO_SELLER: Shape(_O, Flow.TO_SELLER, "release_to_seller", carried_out=True),
}
CARRIED_OUT: Final = frozenset(remedy for remedy, shape in SHAPES.items() if shape.carried_out)
