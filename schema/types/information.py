"""Requests for information: what an arbitrator asked of a side, and its answer."""

from datetime import datetime

import strawberry
from sqlalchemy import exists, select

from odr.models import arbitration, cases
from odr.models.states import ClockState
from schema import sight
from schema.reader import declaration as read
from schema.types.node import Node
from schema.types.seat import account_name
from schema.types.words import Side

REQUESTS = read.columns(arbitration.InformationRequest)
_CLOCKS = read.columns(cases.RunningClock)

_OPEN = exists(
    select(_CLOCKS.c.id).where(
        _CLOCKS.c.case_id == REQUESTS.c.case_id,
        _CLOCKS.c.subject_id == REQUESTS.c.id,
        _CLOCKS.c.state == ClockState.RUNNING,
    )
)


@read.table(arbitration.InformationRequest, tag="ir", row=sight.in_record(REQUESTS.c.case_id))
@strawberry.type(description="What an arbitrator asks of one side; both sides read it.")
class InformationRequest(Node):
    """A request for information."""

    side: Side = read.column(REQUESTS.c.side, description="Who is asked.")
    name: str = read.column(account_name(REQUESTS.c.account_id), description="The arbitrator.")
    question: str = read.column(REQUESTS.c.question)
    at: datetime = read.column(REQUESTS.c.at)
    due: datetime = read.column(REQUESTS.c.due, description="It can be answered before then.")
    open: bool = read.column(_OPEN, description="It can still be answered.")
    answer: str | None = read.column(REQUESTS.c.answer)
    answered_at: datetime | None = read.column(REQUESTS.c.answered_at)
    expired_at: datetime | None = read.column(REQUESTS.c.expired_at)
