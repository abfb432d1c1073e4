"""Obligations: the steps that carry out a settlement or a ruling."""

from datetime import datetime

import strawberry

from odr.models import cases, money
from schema.reader import declaration as read
from schema.scalars import Money
from schema.types import later
from schema.types.node import Node
from schema.types.words import ObligationState, Party, Remedy

CASES = read.columns(cases.Case)
OBLIGATIONS = read.columns(money.Obligation)


@read.table(
    money.Obligation,
    tag="ob",
    row=read.as_parent(OBLIGATIONS.c.case_id == CASES.c.id, later.case),
)
@strawberry.type(description="One step that carries out a settlement or ruling.")
class Obligation(Node):
    """An obligation."""

    number: int = read.column(OBLIGATIONS.c.number)
    remedy: Remedy = read.column(OBLIGATIONS.c.remedy)
    debtor: Party = read.column(OBLIGATIONS.c.debtor, description="Who owes it.")
    amount: Money = read.embed(
        {"amount_minor": OBLIGATIONS.c.amount_minor, "currency": OBLIGATIONS.c.currency}
    )
    state: ObligationState = read.column(OBLIGATIONS.c.state)
    created: datetime = read.column(OBLIGATIONS.c.created)
    ended_at: datetime | None = read.column(OBLIGATIONS.c.ended_at)
