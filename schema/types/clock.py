"""Clocks: running deadlines, with what happens if nobody acts."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import strawberry
from sqlalchemy import and_, exists, or_, select

from odr.models import cases
from odr.models.dialogue import Offer
from odr.procedure import clocks as timers
from odr.procedure.clocks import Clock as _Kind
from schema import sight
from schema.reader import declaration as read
from schema.scalars import Money
from schema.types.node import Node
from schema.types.words import ClockKind, Role, Side

CASES = read.columns(cases.Case)
CLOCKS = read.columns(cases.RunningClock)
OFFERS = read.columns(Offer)

# An offer made in mediation may be open when an arbitrator sits: its clock would tell of it.
_OFFER_SEEN = exists(
    select(OFFERS.c.id).where(
        OFFERS.c.id == CLOCKS.c.subject_id, sight.in_channel(OFFERS.c.case_id, OFFERS.c.channel)
    )
)


def awaits(_context: Any, row: Mapping[str, Any]) -> list[Role]:
    """List the roles that a clock awaits."""
    awaited = timers.TIMERS[_Kind(row["clock"])].awaits
    return [role for role in Role if role in awaited]


def default_outcome(_context: Any, row: Mapping[str, Any]) -> str:
    """Say what happens when the clock runs out."""
    return _Kind(row["clock"]).meaning


@read.table(
    cases.RunningClock,
    tag="ck",
    row=and_(sight.in_case(CLOCKS.c.case_id), or_(CLOCKS.c.clock != _Kind.OFFER, _OFFER_SEEN)),
)
@strawberry.type(description="A running deadline.")
class Clock(Node):
    """A clock."""

    kind: ClockKind = read.column(CLOCKS.c.clock)
    starts: datetime = read.column(CLOCKS.c.starts)
    due: datetime = read.column(
        CLOCKS.c.due, description="Who acts before this instant is in time."
    )
    side: Side | None = read.column(CLOCKS.c.side, description="Who is awaited, if it is one side.")
    awaits: list[Role] = read.computed(awaits, needs={"clock": CLOCKS.c.clock})
    default_outcome: str = read.computed(
        default_outcome,
        needs={"clock": CLOCKS.c.clock},
        description="What happens if nobody acts in time.",
    )
    amount: Money | None = read.embed(
        {
            "amount_minor": CLOCKS.c.amount_minor,
            "currency": select(CASES.c.currency)
            .where(CASES.c.id == CLOCKS.c.case_id)
            .scalar_subquery(),
        },
        present=CLOCKS.c.amount_minor.is_not(None),
        description="What is at stake.",
    )
