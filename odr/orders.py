"""Orders as a case sees them: what was bought, what bounds its terms, when things happened.

Reads only; what a marketplace registers is written by ``odr.registration``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from operator import itemgetter
from typing import Any, Final
from uuid import UUID

from sqlalchemy import BigInteger, Select, Uuid, bindparam, func, literal_column, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from odr import terms
from odr.errors import Invalid, NotFound
from odr.journal import Trade
from odr.ledger import Kind
from odr.models.trade import Order, OrderLine, Shipment
from odr.remedies import CARRIED_OUT
from odr.rulebook import Purchase, Rulebook
from odr.sql import typed
from odr.terms import Line, OrderFacts, Terms
from odr.words import Reason

_BALANCES: Final = typed(
    """
SELECT b.account, b.credits_posted - b.debits_posted - b.debits_pending AS available
FROM ledger.balances b WHERE b.account = ANY(:accounts) AND b.stripe = 0
"""
)


@dataclass(frozen=True, slots=True)
class Bought:
    """An order with what its terms and windows depend on.

    ``escrow`` is what is free there, in minor units, unlocked.
    """

    order: Order
    facts: OrderFacts
    purchase: Purchase
    escrow: int

    @property
    def trade(self) -> Trade:
        """The order as the ledger sees it."""
        return Trade(self.order.id, self.order.seller_id, self.order.currency)


def _bought() -> Select[Any]:
    """An order's columns, its lines, when it was shipped and delivered, and its escrow."""
    lines = (
        select(
            func.json_agg(
                func.json_build_array(
                    col(OrderLine.number), col(OrderLine.total_minor), col(OrderLine.quantity)
                )
            )
        )
        .where(col(OrderLine.order_id) == col(Order.id))
        .scalar_subquery()
    )
    outbound = [col(Shipment.order_id) == col(Order.id), col(Shipment.direction) == "outbound"]
    shipped = select(func.min(col(Shipment.shipped_at))).where(*outbound).scalar_subquery()
    delivered = select(func.max(col(Shipment.delivered_at))).where(*outbound).scalar_subquery()
    escrow = literal_column(_ESCROW, BigInteger())
    left = literal_column("public.order_left(orders.id)", ARRAY(BigInteger()))
    return select(*_COLUMNS, lines, shipped, delivered, escrow, left).where(
        _COLUMNS.id == bindparam("order", type_=Uuid())
    )


_COLUMNS: Final = Order.__table__.c  # type: ignore[attr-defined]  # SQLModel gives every table class its Table
_ESCROW: Final = """(
    SELECT b.credits_posted - b.debits_posted - b.debits_pending
    FROM ledger.accounts a JOIN ledger.balances b ON b.account = a.id AND b.stripe = 0
    WHERE a.owner = orders.id AND a.kind = 'escrow' AND a.currency = orders.currency
)"""
_BOUGHT: Final = _bought()


async def bought(conn: AsyncConnection, order_id: UUID) -> Bought:
    """An order with its lines, dates and escrow, in one statement; ``NotFound``."""
    row = (await conn.execute(_BOUGHT, {"order": order_id})).one_or_none()
    if row is None:
        raise NotFound
    given = dict(zip(_COLUMNS.keys(), row, strict=False))
    lines, shipped_at, delivered_at, escrow, left = row[-5:]
    order = Order(**given)
    dates = purchase(given, shipped_at, delivered_at)
    return Bought(
        order, facts(order.currency, lines or [], order.freight_minor, left), dates, escrow or 0
    )


def facts(
    currency: str, lines: Sequence[Sequence[Any]], freight_minor: int, left: Sequence[int]
) -> OrderFacts:
    """What bounds terms: the lines (number, total, quantity), and what the ledger says is left.

    ``left`` is of ``order_left`` (policy.sql): of the entitlement, which every channel uses up, and
    of the cap on compensation. Of an order that is not paid nothing is left.
    """
    numbered = sorted(lines, key=itemgetter(0))
    bought_lines = tuple(Line(*line[:3]) for line in numbered)
    refundable, compensable = left
    whole = OrderFacts(currency, bought_lines, freight_minor)
    refunded = max(0, whole.value_minor - refundable)
    return replace(whole, refunded_minor=refunded, compensable_minor=compensable)


def check(bought_: Bought, given: Terms, book: Rulebook, *, reason: Reason, claim: bool) -> None:
    """Refuse terms that cannot be (``odr.terms.check``), or that nobody would carry out yet.

    ``Invalid`` below ``terms``; with ``not_carried_out`` at the first remedy of that kind.
    """
    terms.check(given, bought_.facts, book, reason, claim=claim, path=("terms",))
    for number, item in enumerate(given.items):
        if item.remedy not in CARRIED_OUT:
            raise Invalid(("terms", "items", number, "remedy"), "not_carried_out")


def purchase(
    order: Mapping[str, Any], shipped_at: datetime | None, delivered_at: datetime | None
) -> Purchase:
    """When things happened to a row of ``orders``, for the windows in which claims can be filed."""
    return Purchase(
        paid_at=order["paid_at"] or order["placed_at"],
        promised_at=order["promised_at"],
        dispatched_at=shipped_at,
        delivered_at=delivered_at,
        return_days=order["policy"].get("returnDays"),
    )


@dataclass(frozen=True, slots=True)
class Funds:
    """What can still be taken, in minor units: escrow, the seller's bond, the entitlement."""

    escrow: int
    bond: int
    entitlement: int


async def funds(conn: AsyncConnection, trade: Trade) -> Funds:
    """What is free in an order's accounts and the seller's bond, unlocked."""
    wanted = (
        trade.of_order(Kind.ESCROW),
        trade.of_seller(Kind.BOND),
        trade.of_order(Kind.ENTITLEMENT),
    )
    rows = await conn.execute(_BALANCES, {"accounts": [account.id for account in wanted]})
    free = {row.account: row.available for row in rows}
    return Funds(*(free.get(account.id, 0) for account in wanted))
