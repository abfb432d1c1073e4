"""Orders: what was bought, what was shown at purchase, what was paid and shipped."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import strawberry
from sqlalchemy import and_, exists, func, or_, select

from odr import orders
from odr.models import cases, money, trade
from odr.procedure.acts import State
from odr.words import Party as _Party
from schema import sight
from schema.context import Context
from schema.reader import declaration as read
from schema.scalars import Digest, Money
from schema.types.bounds import (
    ChecklistLine,
    Goods,
    RemedyBounds,
    checklist,
    order_facts,
    order_left,
)
from schema.types.cover import COVERS, Cover
from schema.types.node import Node
from schema.types.organisation import ORGANISATIONS, Organisation
from schema.types.seat import account_name
from schema.types.shipment import SHIPMENTS, Shipment
from schema.types.words import Party, Reason

if TYPE_CHECKING:
    from schema.types.case import Case

ORDERS = read.columns(trade.Order)
LINES = read.columns(trade.OrderLine)
PAYMENTS = read.columns(trade.Payment)
ORDER_COVERS = read.columns(trade.OrderCover)
CASES = read.columns(cases.Case)
INSURANCE = read.columns(money.InsuranceClaim)

IS_BUYER = ORDERS.c.buyer_id == sight.ACCOUNT
IS_SELLER = sight.of_organisation(ORDERS.c.seller_id)
IS_MARKETPLACE = sight.of_organisation(ORDERS.c.marketplace_id)
_IN_A_CASE = exists(select(CASES.c.id).where(CASES.c.order_id == ORDERS.c.id, sight.sees_case()))
_INSURED = exists(
    select(INSURANCE.c.id).where(
        INSURANCE.c.order_id == ORDERS.c.id, sight.of_organisation(INSURANCE.c.insurer_id)
    )
)


def open_case_of(party: _Party) -> Any:
    """The party has a case on the order that is not closed."""
    return exists(
        select(CASES.c.id).where(
            CASES.c.order_id == ORDERS.c.id,
            CASES.c.claimant_party == party,
            CASES.c.state != State.CLOSED,
        )
    )


CLAIMABLE = and_(
    ORDERS.c.paid_at.is_not(None),
    or_(
        and_(IS_BUYER, ~open_case_of(_Party.BUYER)),
        and_(IS_SELLER, ~open_case_of(_Party.SELLER)),
    ),
)


@read.embedded
@strawberry.type(description="What was shown at purchase; pinned by its digest.")
class OrderPolicy:
    """The policy and listing shown at purchase."""

    return_days: int | None = read.part(description="0: returns were excluded.")
    warranty_days: int | None = read.part()
    listing: str | None = read.part()
    digest: Digest = read.part(description="SHA-256 of all that was shown, by RFC 8785.")


@read.table(trade.OrderLine, row=read.as_parent(LINES.c.order_id == ORDERS.c.id, lambda: Order))
@strawberry.type(description="One line of an order.")
class OrderLine:
    """A line, numbered from 1."""

    number: int = read.column(LINES.c.number)
    title: str = read.column(LINES.c.title)
    sku: str = read.column(LINES.c.sku)
    quantity: int = read.column(LINES.c.quantity)
    unit: Money = read.embed(
        {
            "amount_minor": LINES.c.unit_minor,
            "currency": select(ORDERS.c.currency)
            .where(ORDERS.c.id == LINES.c.order_id)
            .scalar_subquery(),
        }
    )
    total: Money = read.embed(
        {
            "amount_minor": LINES.c.total_minor,
            "currency": select(ORDERS.c.currency)
            .where(ORDERS.c.id == LINES.c.order_id)
            .scalar_subquery(),
        }
    )


@read.table(
    trade.Payment,
    tag="pm",
    row=read.as_parent(PAYMENTS.c.order_id == ORDERS.c.id, lambda: Order),
)
@strawberry.type(description="The buyer's payment, held in escrow.")
class Payment(Node):
    """A payment."""

    reference: str = read.column(PAYMENTS.c.reference)
    method: str = read.column(PAYMENTS.c.method)
    amount: Money = read.embed(
        {"amount_minor": PAYMENTS.c.amount_minor, "currency": PAYMENTS.c.currency}
    )
    paid_at: datetime = read.column(PAYMENTS.c.paid_at)


@strawberry.type(description="A reason for which a claim on the order may be filed.")
class ClaimableReason:
    """A reason with its window, its remedies and the evidence asked for."""

    reason: Reason
    sentence: str
    filer: Party
    opens: datetime
    closes: datetime
    open: bool = strawberry.field(description="It can be filed now.")
    remedies: list[RemedyBounds]
    checklist: list[ChecklistLine]


def reasons(context: Context, row: Mapping[str, Any]) -> list[ClaimableReason]:
    """List the reasons of the viewer's party, bounded by the order."""
    book = context.rulebooks.in_force(row["now"])
    purchase = orders.purchase(row, row["shipped_at"], row["delivered_at"])
    goods = Goods(row["currency"], row["lines"], row["freight_minor"], row["left"])
    party = _Party.BUYER if row["is_buyer"] else _Party.SELLER
    listed = []
    for reason in book.reasons:
        if reason.filer is not party:
            continue
        window = book.filing(reason, purchase)
        listed.append(
            ClaimableReason(
                reason=reason,
                sentence=reason.meaning,
                filer=reason.filer,
                opens=window.opens,
                closes=window.closes,
                open=window.opens <= row["now"] < window.closes,
                remedies=goods.bounds(book, reason, claim=True),
                checklist=checklist(book, reason, {}),
            )
        )
    return listed


def _of_outbound(found: Any) -> Any:
    return (
        select(found)
        .where(SHIPMENTS.c.order_id == ORDERS.c.id, SHIPMENTS.c.direction == "outbound")
        .scalar_subquery()
    )


@read.table(
    trade.Order,
    tag="or",
    row=or_(sight.OPERATOR, IS_BUYER, IS_SELLER, IS_MARKETPLACE, _IN_A_CASE, _INSURED),
)
@strawberry.type(description="A transaction, as its marketplace registered it.")
class Order(Node):
    """An order: seen by its buyer, its seller, its marketplace, and those in a case on it."""

    reference: str = read.column(ORDERS.c.reference, description="The marketplace's own.")
    marketplace: Organisation = read.one(ORGANISATIONS.c.id == ORDERS.c.marketplace_id)
    seller: Organisation = read.one(ORGANISATIONS.c.id == ORDERS.c.seller_id)
    buyer_name: str | None = read.column(
        account_name(ORDERS.c.buyer_id),
        when=or_(sight.OPERATOR, IS_BUYER, IS_SELLER, IS_MARKETPLACE, _IN_A_CASE),
    )
    viewer_party: Party | None = read.column(
        sight.party(IS_BUYER, IS_SELLER), description="Who the viewer is in the trade."
    )
    total: Money = read.embed(
        {"amount_minor": ORDERS.c.total_minor, "currency": ORDERS.c.currency},
        description="With freight.",
    )
    freight: Money = read.embed(
        {"amount_minor": ORDERS.c.freight_minor, "currency": ORDERS.c.currency}
    )
    category: str = read.column(ORDERS.c.category)
    language: str = read.column(ORDERS.c.language)
    country: str = read.column(ORDERS.c.country, description="Whose working days count.")
    zone: str = read.column(ORDERS.c.zone)
    placed_at: datetime = read.column(ORDERS.c.placed_at)
    paid_at: datetime | None = read.column(ORDERS.c.paid_at)
    promised_at: datetime | None = read.column(ORDERS.c.promised_at)
    registered_at: datetime = read.column(ORDERS.c.registered_at)
    policy: OrderPolicy = read.embed(
        {
            "return_days": ORDERS.c.policy["returnDays"].as_integer(),
            "warranty_days": ORDERS.c.policy["warrantyDays"].as_integer(),
            "listing": ORDERS.c.policy["listing"].astext,
            "digest": ORDERS.c.policy_digest,
        }
    )
    lines: list[OrderLine] = read.many(
        LINES.c.order_id == ORDERS.c.id, order=(LINES.c.number,), typical=3
    )
    payments: list[Payment] = read.many(
        PAYMENTS.c.order_id == ORDERS.c.id, order=(PAYMENTS.c.paid_at, PAYMENTS.c.id), typical=1
    )
    shipments: list[Shipment] = read.many(
        SHIPMENTS.c.order_id == ORDERS.c.id,
        order=(SHIPMENTS.c.direction, SHIPMENTS.c.shipped_at, SHIPMENTS.c.id),
        typical=2,
    )
    covers: list[Cover] = read.many(
        exists(
            select(ORDER_COVERS.c.order_id).where(
                ORDER_COVERS.c.order_id == ORDERS.c.id, ORDER_COVERS.c.cover_id == COVERS.c.id
            )
        ),
        order=(COVERS.c.starts, COVERS.c.id),
        typical=1,
        description="Seen by insurers and insured.",
    )
    cases: list[Annotated["Case", strawberry.lazy("schema.types.case")]] = read.many(
        CASES.c.order_id == ORDERS.c.id, order=(CASES.c.filed_at, CASES.c.id), typical=1
    )
    claimable: bool = read.column(
        CLAIMABLE, description="The viewer may file: it is paid and they have no open case on it."
    )
    reasons: list[ClaimableReason] = read.computed(
        reasons,
        needs={
            "now": func.service_now(type_=ORDERS.c.placed_at.type),
            "is_buyer": IS_BUYER,
            "currency": ORDERS.c.currency,
            "freight_minor": ORDERS.c.freight_minor,
            "lines": order_facts(ORDERS.c.id),
            "left": order_left(ORDERS.c.id),
            "placed_at": ORDERS.c.placed_at,
            "paid_at": ORDERS.c.paid_at,
            "promised_at": ORDERS.c.promised_at,
            "policy": ORDERS.c.policy,
            "shipped_at": _of_outbound(func.min(SHIPMENTS.c.shipped_at)),
            "delivered_at": _of_outbound(func.max(SHIPMENTS.c.delivered_at)),
        },
        description="For which reasons the viewer may file, and what bounds the claim.",
    )
