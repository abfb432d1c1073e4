"""Payouts: money on its way out, from granted to settled."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import strawberry
from sqlalchemy import and_, exists, or_, select

from odr.models import money
from odr.models.states import PayoutState as _State
from schema import sight
from schema.reader import declaration as read
from schema.scalars import Money
from schema.types.node import Node
from schema.types.obligation import OBLIGATIONS, Obligation
from schema.types.words import PayoutState

PAYOUTS = read.columns(money.Payout)
INSURANCE = read.columns(money.InsuranceClaim)

_INSURED = exists(
    select(INSURANCE.c.id).where(
        INSURANCE.c.id == PAYOUTS.c.insurance_claim_id,
        or_(
            sight.of_organisation(INSURANCE.c.insurer_id),
            sight.of_organisation(INSURANCE.c.insured_id),
        ),
    )
)


def sentence(_context: Any, row: Mapping[str, Any]) -> str:
    """Say where a payout stands."""
    return _State(row["state"]).meaning


@read.table(
    money.Payout,
    tag="po",
    row=or_(
        sight.OPERATOR,
        and_(PAYOUTS.c.insurance_claim_id.is_(None), sight.in_case(PAYOUTS.c.case_id)),
        _INSURED,
    ),
)
@strawberry.type(description="Money on its way out.")
class Payout(Node):
    """A payout; granted is separate from executed."""

    obligation: Obligation | None = read.one(OBLIGATIONS.c.id == PAYOUTS.c.obligation_id)
    purpose: str = read.column(PAYOUTS.c.purpose)
    amount: Money = read.embed(
        {"amount_minor": PAYOUTS.c.amount_minor, "currency": PAYOUTS.c.currency}
    )
    state: PayoutState = read.column(PAYOUTS.c.state)
    sentence: str = read.computed(
        sentence, needs={"state": PAYOUTS.c.state}, description="The state in words."
    )
    rail: str = read.column(PAYOUTS.c.rail, description="By which way it is paid.")
    reference: str = read.column(
        PAYOUTS.c.reference, description="The end-to-end reference on the payee's statement."
    )
    granted_at: datetime = read.column(PAYOUTS.c.created)
    expected_at: datetime = read.column(
        PAYOUTS.c.expected_at, description="When it is there at the latest, by the rulebook."
    )
    paid_at: datetime | None = read.column(
        PAYOUTS.c.paid_at, description="When the rail said that it is paid."
    )
    tries: int | None = read.column(PAYOUTS.c.tries, when=sight.OPERATOR)
    payee: str | None = read.column(PAYOUTS.c.payee, when=sight.OPERATOR)
