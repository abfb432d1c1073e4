"""Appeals: on what ground a ruling is appealed, and what became of it."""

from datetime import datetime

import strawberry

from odr.models import arbitration
from schema import sight
from schema.reader import declaration as read
from schema.types.node import Node
from schema.types.ruling import RULINGS, Ruling
from schema.types.seat import account_name
from schema.types.words import AppealDecision, AppealGround, Side

APPEALS = read.columns(arbitration.Appeal)


@read.table(arbitration.Appeal, tag="al", row=sight.in_record(APPEALS.c.case_id))
@strawberry.type(description="The one appeal against a ruling, decided by another arbitrator.")
class Appeal(Node):
    """An appeal; without a decision in time the ruling stands."""

    side: Side = read.column(APPEALS.c.side, description="Who appeals.")
    ground: AppealGround = read.column(APPEALS.c.ground)
    statement: str = read.column(APPEALS.c.statement)
    at: datetime = read.column(APPEALS.c.at)
    decision: AppealDecision | None = read.column(APPEALS.c.decision)
    reasons: str | None = read.column(
        APPEALS.c.reasons, description="Why the ruling is affirmed; another ruling has its own."
    )
    decided_by: str | None = read.column(
        account_name(APPEALS.c.decided_by), description="The arbitrator's name."
    )
    decided_at: datetime | None = read.column(APPEALS.c.decided_at)
    appealed: Ruling = read.one(RULINGS.c.id == APPEALS.c.ruling_id)
    ruling: Ruling | None = read.one(
        RULINGS.c.id == APPEALS.c.decided_ruling_id,
        description="The ruling in the place of the one that was varied or set aside.",
    )
