"""Covers and bonds: what stands behind an order besides its escrow."""

from datetime import date, datetime

import strawberry
from sqlalchemy import or_

from odr.models import trade
from schema import sight
from schema.reader import declaration as read
from schema.scalars import Money
from schema.types.node import Node
from schema.types.organisation import ORGANISATIONS, Organisation
from schema.types.words import Peril

COVERS = read.columns(trade.Cover)
BONDS = read.columns(trade.Bond)


@read.table(
    trade.Cover,
    tag="co",
    row=or_(
        sight.OPERATOR,
        sight.of_organisation(COVERS.c.insurer_id),
        sight.of_organisation(COVERS.c.insured_id),
    ),
)
@strawberry.type(description="An insurer covers an insured's losses by some perils.")
class Cover(Node):
    """A cover: seen by its insurer and its insured."""

    reference: str = read.column(COVERS.c.reference, description="The insurer's own.")
    insurer: Organisation = read.one(ORGANISATIONS.c.id == COVERS.c.insurer_id)
    insured: Organisation = read.one(ORGANISATIONS.c.id == COVERS.c.insured_id)
    perils: list[Peril] = read.column(COVERS.c.perils)
    currency: str = read.column(COVERS.c.currency)
    claim_limit: Money = read.embed(
        {"amount_minor": COVERS.c.claim_limit_minor, "currency": COVERS.c.currency}
    )
    aggregate_limit: Money = read.embed(
        {"amount_minor": COVERS.c.aggregate_limit_minor, "currency": COVERS.c.currency}
    )
    deductible: Money = read.embed(
        {"amount_minor": COVERS.c.deductible_minor, "currency": COVERS.c.currency}
    )
    starts: date = read.column(COVERS.c.starts)
    ends: date = read.column(COVERS.c.ends, description="The last day.")
    registered_at: datetime = read.column(COVERS.c.registered_at)
    confirmed_at: datetime | None = read.column(
        COVERS.c.confirmed_at, description="By the insured; until then no order falls under it."
    )


@read.table(
    trade.Bond,
    tag="bo",
    row=or_(
        sight.OPERATOR,
        sight.of_organisation(BONDS.c.marketplace_id),
        sight.of_organisation(BONDS.c.seller_id),
    ),
)
@strawberry.type(description="A seller's security towards a marketplace.")
class Bond(Node):
    """A bond: seen by its seller and its marketplace."""

    marketplace: Organisation = read.one(ORGANISATIONS.c.id == BONDS.c.marketplace_id)
    seller: Organisation = read.one(ORGANISATIONS.c.id == BONDS.c.seller_id)
    currency: str = read.column(BONDS.c.currency)
    floor: Money = read.embed(
        {"amount_minor": BONDS.c.floor_minor, "currency": BONDS.c.currency},
        description="Below this a top-up is asked for.",
    )
    registered_at: datetime = read.column(BONDS.c.registered_at)
