"""Terms: what one side gives the other, item by item, in one currency.

The same type in a claim, an offer, a proposal, a settlement and a ruling. ``odr.remedies`` says
which fields a remedy has, where its money goes and what bounds it; ``check`` holds terms against
the order, the rulebook and the reason, and refuses with the path of the field and a code. The
module knows no case, no ledger and no wording.

Codes of ``Invalid``: ``unknown_currency``, ``other_currency``, ``empty``, ``too_many``,
``remedy_not_allowed``, ``missing``, ``not_applicable``, ``unknown_line``, ``negative``, ``zero``,
``not_full``, ``above_line``, ``above_order``, ``above_cap``, ``above_quantity``, ``too_long``,
``malformed``, ``duplicate``, ``contradictory``; from JSON also ``type``, ``unknown_field``,
``unknown_value`` and ``not_canonical``.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from itertools import combinations
from typing import ClassVar, Final, NamedTuple

import orjson
from pydantic import ConfigDict, TypeAdapter, ValidationError

from odr import money
from odr.errors import Invalid
from odr.money import Money
from odr.remedies import CARRIED_OUT, SHAPES, Bound, Flow, Use
from odr.rulebook import Rulebook
from odr.words import Party, Reason, Remedy

Path = tuple[str | int, ...]

_REFUNDS: Final = frozenset(
    {Remedy.FULL_REFUND, Remedy.REFUND_ON_RETURN, Remedy.REFUND_WITHOUT_RETURN}
)
_DEEDS: Final = frozenset(
    {Remedy.REPLACEMENT, Remedy.EXCHANGE, Remedy.REPAIR, Remedy.MISSING_PARTS, Remedy.EXTENSION}
)
_SWAPS: Final = frozenset({Remedy.REPLACEMENT, Remedy.EXCHANGE})
_ADDED: Final = frozenset({Remedy.PARTIAL_REFUND, Remedy.COMPENSATION, Remedy.COUPON})
"""What can be given for the whole order and for a line of it as well."""
_STRICT: Final = ConfigDict(strict=True, extra="forbid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One remedy, for the whole order, one of its lines, or some pieces of a line.

    ``order_line`` is the line's number on the order, from 1. ``amount_minor`` may be left out for
    a release to the seller: then it is the rest. ``difference_payer`` says who pays the amount of
    an exchange; ``until`` ends an extension or a coupon; ``note`` tells parts, item or dates.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    remedy: Remedy
    amount_minor: int | None = None
    order_line: int | None = None
    quantity: int | None = None
    freight_payer: Party | None = None
    difference_payer: Party | None = None
    until: date | None = None
    note: str | None = None

    @property
    def flow(self) -> Flow:
        """Where its money goes; the buyer's share of an exchange is no money to the buyer."""
        if self.remedy is Remedy.EXCHANGE and self.difference_payer is not Party.SELLER:
            return Flow.NOWHERE
        return SHAPES[self.remedy].flow


@dataclass(frozen=True, slots=True)
class Terms:
    """Items in one currency; as good as what ``check`` has seen."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    currency: str
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of an order: its number from 1, what was paid for all its pieces, and how many."""

    number: int
    amount_minor: int
    quantity: int


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """What was bought, and what of it was given back before.

    All amounts are in minor units of ``currency``, with taxes, after discounts.
    ``compensable_minor`` is what may still be paid for losses (None: as much as the rulebook says).
    """

    currency: str
    lines: tuple[Line, ...]
    freight_minor: int = 0
    refunded_minor: int = 0
    compensable_minor: int | None = None

    @property
    def value_minor(self) -> int:
        """The order's value with its freight."""
        return sum(line.amount_minor for line in self.lines) + self.freight_minor

    @property
    def refundable_minor(self) -> int:
        """What is left of the value to be given back."""
        return self.value_minor - self.refunded_minor

    def line(self, number: int) -> Line | None:
        """Find a line by its number."""
        return next((line for line in self.lines if line.number == number), None)


class Difference(NamedTuple):
    """An item of one set of terms beside its like in another; either may be missing."""

    left: Item | None
    right: Item | None

    @property
    def more_minor(self) -> int:
        """How much larger the amount on the right is."""
        left, right = ((i.amount_minor or 0) if i else 0 for i in (self.left, self.right))
        return right - left


# the JSON of columns and record entries

_JSON: Final = TypeAdapter(Terms)
_CODES: Final = {
    "missing": "missing",
    "unexpected_keyword_argument": "unknown_field",
    "enum": "unknown_value",
}


def to_json(terms: Terms) -> dict[str, object]:
    """Give the terms as JSON values; a field that an item does not have is left out."""
    given: dict[str, object] = _JSON.dump_python(terms, mode="json", exclude_none=True)
    return given


def from_json(value: object, path: Path = ()) -> Terms:
    """Read what ``to_json`` gave, and nothing else: ``Invalid`` on any other spelling."""
    try:
        terms = _JSON.validate_json(orjson.dumps(value))
    except ValidationError as refused:
        first = refused.errors(include_url=False)[0]
        raise Invalid((*path, *first["loc"]), _CODES.get(first["type"], "type")) from None
    except TypeError:
        raise Invalid(path, "type") from None
    if to_json(terms) != value:
        raise Invalid(path, "not_canonical")
    return terms


# what terms come to


def to_buyer(terms: Terms) -> Money:
    """Add up all money to the buyer, compensation included and coupons not."""
    return _total(terms, (i for i in terms.items if i.flow is Flow.TO_BUYER))


def refund(terms: Terms) -> Money:
    """Add up the money to the buyer that comes off the order: all but compensation."""
    refunds = (i for i in terms.items if i.flow is Flow.TO_BUYER)
    return _total(terms, (i for i in refunds if SHAPES[i.remedy].bound is Bound.ORDER))


def on_return(terms: Terms) -> Money:
    """Add up the money to the buyer that waits for goods to go back."""
    waiting = (i for i in terms.items if i.flow is Flow.TO_BUYER and SHAPES[i.remedy].returns)
    return _total(terms, waiting)


def to_seller(terms: Terms, order: OrderFacts) -> Money:
    """Add up what is released to the seller; a release without an amount is the rest."""
    released = [i for i in terms.items if i.flow is Flow.TO_SELLER]
    if any(item.amount_minor is None for item in released):
        return Money(order.refundable_minor, terms.currency) - refund(terms)
    return _total(terms, released)


def needs_return(terms: Terms) -> bool:
    """Say whether goods have to go back."""
    return any(SHAPES[item.remedy].returns for item in terms.items)


def not_carried_out(terms: Terms) -> tuple[Remedy, ...]:
    """List the remedies that the service cannot perform today."""
    return tuple(item.remedy for item in terms.items if item.remedy not in CARRIED_OUT)


def highest_minor(
    order: OrderFacts,
    book: Rulebook,
    remedy: Remedy,
    order_line: int | None = None,
    quantity: int | None = None,
) -> int | None:
    """Give the highest amount of a remedy, alone, for the order, a line or pieces of it.

    None where the remedy has no amount. Pieces of a line that does not divide evenly are rounded
    up. A line that does not exist is ``Invalid`` (``unknown_line``).
    """
    shape = SHAPES[remedy]
    if shape.amount is Use.NONE:
        return None
    if shape.bound is not Bound.ORDER:
        percents = book.consequences
        compensation = shape.bound is Bound.COMPENSATION
        percent = percents.compensation_percent if compensation else percents.coupon_percent
        cap = order.value_minor * percent // 100
        left = order.compensable_minor if compensation else None
        return cap if left is None else min(cap, left)
    if order_line is None:
        return order.refundable_minor
    line = order.line(order_line)
    if line is None:
        raise Invalid(("order_line",), "unknown_line", order_line=order_line)
    whole = line.amount_minor
    part = whole if quantity is None else -(-whole * quantity // line.quantity)
    return min(part, order.refundable_minor)


def capped(terms: Terms, limit_minor: int) -> Terms:
    """Give the terms with no more than ``limit_minor`` to the buyer, for what a default grants.

    Compensation gives way first, then the last item before the first. What is cut to nothing is
    left out; a full refund that is cut becomes a partial one.
    """
    return _cut(
        terms, to_buyer(terms).amount_minor - limit_minor, (Bound.COMPENSATION, Bound.ORDER)
    )


def within(terms: Terms, order: OrderFacts) -> Terms:
    """Give the terms with no more to the buyer than is left of the order, cut as by ``capped``.

    For what is carried out by itself: what was decided before something else was given back.
    """
    refunded = refund(terms).amount_minor
    cut = _cut(terms, refunded - order.refundable_minor, (Bound.ORDER,))
    if order.compensable_minor is None:
        return cut
    extra = to_buyer(cut).amount_minor - refund(cut).amount_minor
    return _cut(cut, extra - order.compensable_minor, (Bound.COMPENSATION,))


def _cut(terms: Terms, excess: int, bounds: tuple[Bound, ...]) -> Terms:
    """Take ``excess`` off what goes to the buyer under these bounds, in their order, last first."""
    places = range(len(terms.items) - 1, -1, -1)
    of_bounds = [n for n in places if SHAPES[terms.items[n].remedy].bound in bounds]
    items: dict[int, Item] = dict(enumerate(terms.items))
    for n in sorted(of_bounds, key=lambda n: bounds.index(SHAPES[terms.items[n].remedy].bound)):
        item = items[n]
        if excess <= 0 or item.flow is not Flow.TO_BUYER or item.amount_minor is None:
            continue
        cut = min(excess, item.amount_minor)
        excess -= cut
        if cut == item.amount_minor:
            del items[n]
            continue
        full = item.remedy is Remedy.FULL_REFUND
        remedy = Remedy.PARTIAL_REFUND if full else item.remedy
        items[n] = replace(item, remedy=remedy, amount_minor=item.amount_minor - cut)
    return Terms(terms.currency, tuple(items.values()))


def difference(left: Terms, right: Terms) -> tuple[Difference, ...]:
    """Lay two sets of terms side by side: the left one's items in order, then the right's others.

    Items are alike if remedy, line and quantity are. ``ValueError`` if the currencies differ.
    """
    if left.currency != right.currency:
        raise ValueError(f"{left.currency} and {right.currency} do not compare")
    others = list(right.items)
    pairs = []
    for item in left.items:
        like = next((other for other in others if _key(other) == _key(item)), None)
        if like is not None:
            others.remove(like)
        pairs.append(Difference(item, like))
    return (*pairs, *(Difference(None, item) for item in others))


def _total(terms: Terms, items: Iterable[Item]) -> Money:
    return Money(sum(item.amount_minor or 0 for item in items), terms.currency)


def _key(item: Item) -> tuple[Remedy, int | None, int | None]:
    return item.remedy, item.order_line, item.quantity


# bounds


def check(
    terms: Terms,
    order: OrderFacts,
    book: Rulebook,
    reason: Reason,
    *,
    claim: bool = False,
    path: Path = (),
) -> None:
    """Refuse terms that cannot be, with ``Invalid`` at the first field that is wrong.

    ``claim``: they are what a claim asks for, so only the reason's own remedies are allowed; else
    they settle or decide one. ``path`` is put before every path.
    """
    _check_frame(terms, order, book, path)
    allowed = book.remedies(reason, claim=claim)
    for n, item in enumerate(terms.items):
        at = (*path, "items", n)
        if item.remedy not in allowed:
            raise Invalid((*at, "remedy"), "remedy_not_allowed", allowed=allowed)
        _check_fields(item, at)
        _check_scope(item, order, at)
        _check_amount(item, order, book, at)
        _check_note(item, book, at)
    _check_pairs(terms, order, path)
    _check_sums(terms, order, book, path)


def _check_frame(terms: Terms, order: OrderFacts, book: Rulebook, path: Path) -> None:
    if terms.currency not in money.EXPONENTS:
        raise Invalid((*path, "currency"), "unknown_currency", currency=terms.currency)
    if terms.currency != order.currency:
        raise Invalid((*path, "currency"), "other_currency", currency=order.currency)
    if not terms.items:
        raise Invalid((*path, "items"), "empty", minimum=1)
    if len(terms.items) > book.limits.terms_items:
        raise Invalid((*path, "items"), "too_many", maximum=book.limits.terms_items)


def _check_fields(item: Item, at: Path) -> None:
    shape = SHAPES[item.remedy]
    uses = {
        "amount_minor": shape.amount,
        "freight_payer": shape.freight,
        "difference_payer": shape.difference,
        "until": shape.until,
        "note": shape.note,
    }
    for name, use in uses.items():
        given = getattr(item, name) is not None
        if given and use is Use.NONE:
            raise Invalid((*at, name), "not_applicable")
        if not given and use is Use.NEEDED:
            raise Invalid((*at, name), "missing")
    if (item.amount_minor is None) != (item.difference_payer is None) and (
        shape.difference is not Use.NONE
    ):
        absent = "amount_minor" if item.amount_minor is None else "difference_payer"
        raise Invalid((*at, absent), "missing")


def _check_scope(item: Item, order: OrderFacts, at: Path) -> None:
    if item.order_line is None:
        if item.quantity is not None:
            raise Invalid((*at, "order_line"), "missing")
        return
    if item.remedy is Remedy.RELEASE_TO_SELLER and item.amount_minor is None:
        raise Invalid((*at, "amount_minor"), "missing")
    line = order.line(item.order_line)
    if line is None:
        raise Invalid((*at, "order_line"), "unknown_line", order_line=item.order_line)
    if item.quantity is None:
        return
    if item.remedy is Remedy.FULL_REFUND:
        raise Invalid((*at, "quantity"), "not_applicable")
    _check_positive(item.quantity, (*at, "quantity"))
    if item.quantity > line.quantity:
        raise Invalid((*at, "quantity"), "above_quantity", maximum=line.quantity)


def _check_amount(item: Item, order: OrderFacts, book: Rulebook, at: Path) -> None:
    if item.amount_minor is None:
        return
    at = (*at, "amount_minor")
    _check_positive(item.amount_minor, at)
    highest = highest_minor(order, book, item.remedy, item.order_line, item.quantity)
    assert highest is not None, "a remedy with an amount has a highest one"
    if item.amount_minor > highest:
        own = SHAPES[item.remedy].bound is not Bound.ORDER
        code = "above_cap" if own else "above_order" if item.order_line is None else "above_line"
        raise Invalid(at, code, maximum=highest)
    if item.remedy is Remedy.FULL_REFUND and item.amount_minor != highest:
        raise Invalid(at, "not_full", minimum=highest, maximum=highest)


def _check_positive(value: int, at: Path) -> None:
    if value <= 0:
        raise Invalid(at, "negative" if value < 0 else "zero", minimum=1)


def _check_note(item: Item, book: Rulebook, at: Path) -> None:
    if item.note is None:
        return
    at = (*at, "note")
    if len(item.note) > book.limits.note_characters:
        raise Invalid(at, "too_long", maximum=book.limits.note_characters)
    unprintable = any(unicodedata.category(c) in {"Cc", "Cs"} and c != "\n" for c in item.note)
    if unprintable or not item.note or item.note != item.note.strip():
        raise Invalid(at, "malformed")


def _check_pairs(terms: Terms, order: OrderFacts, path: Path) -> None:
    for (_, one), (n, other) in combinations(enumerate(terms.items), 2):
        at = (*path, "items", n)
        overlap = _overlap(one, other, order)
        if _key(one) == _key(other) or (overlap and one.remedy is other.remedy):
            raise Invalid(at, "duplicate")
        if overlap and _contradict(one, other):
            raise Invalid((*at, "remedy"), "contradictory", remedy=one.remedy)


def _overlap(one: Item, other: Item, order: OrderFacts) -> bool:
    if one.order_line is None or other.order_line is None:
        beside = one.remedy is other.remedy and one.remedy in _ADDED
        return not beside or one.order_line is other.order_line
    if one.order_line != other.order_line:
        return False
    if one.quantity is None or other.quantity is None:
        return True
    line = order.line(one.order_line)
    return line is not None and one.quantity + other.quantity > line.quantity


def _contradict(one: Item, other: Item) -> bool:
    pair = {one.remedy, other.remedy}
    if Remedy.RELEASE_TO_SELLER in pair:
        # The rest may go to the seller beside a refund of a part, but the money for what is to be
        # sent or repaired stays held until it is.
        same = one.order_line == other.order_line
        return bool(pair & _DEEDS) or (same and Remedy.FULL_REFUND in pair)
    refund, other = (one, other) if one.remedy in _REFUNDS else (other, one)
    if refund.remedy in _REFUNDS:
        # Beside the refund of a line, part of the rest of the order may be given back.
        rest = refund.order_line is not None and other.order_line is None
        more = other.remedy is Remedy.PARTIAL_REFUND and not rest
        return more or other.remedy in _REFUNDS | _DEEDS
    return bool(pair & _SWAPS) and len(pair & _DEEDS) > 1


def _check_sums(terms: Terms, order: OrderFacts, book: Rulebook, path: Path) -> None:
    by_line: Counter[int] = Counter()
    by_bound: Counter[Bound] = Counter()
    for n, item in enumerate(terms.items):
        bound = SHAPES[item.remedy].bound
        from_buyer = item.difference_payer is Party.BUYER
        if item.amount_minor is None or from_buyer:
            continue
        at = (*path, "items", n, "amount_minor")
        by_bound[bound] += item.amount_minor
        highest = highest_minor(order, book, item.remedy) or 0
        if by_bound[bound] > highest:
            code = "above_order" if bound is Bound.ORDER else "above_cap"
            raise Invalid(at, code, maximum=highest)
        line = None if item.order_line is None else order.line(item.order_line)
        if line is not None and bound is Bound.ORDER:
            by_line[line.number] += item.amount_minor
            if by_line[line.number] > line.amount_minor:
                raise Invalid(at, "above_line", maximum=line.amount_minor)
    releases = [n for n, item in enumerate(terms.items) if item.flow is Flow.TO_SELLER]
    if releases and to_seller(terms, order).amount_minor <= 0:
        raise Invalid((*path, "items", releases[0], "amount_minor"), "zero", minimum=1)
