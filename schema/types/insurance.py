"""Insurance claims: what an insured asks of a cover, and what became of it."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import strawberry
from sqlalchemy import DateTime, Text, any_, exists, select, type_coerce
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects.postgresql import ARRAY

from odr import policy
from odr.models import cases, money
from schema import sight
from schema.reader import declaration as read
from schema.scalars import Int64, Money
from schema.types.cover import COVERS, Cover
from schema.types.node import Node
from schema.types.order import ORDERS, Order
from schema.types.organisation import ORGANISATIONS, Organisation
from schema.types.seat import account_name
from schema.types.words import InsuranceState, Peril

if TYPE_CHECKING:
    from schema.types.case import Case

CASES = read.columns(cases.Case)
INSURANCE = read.columns(money.InsuranceClaim)
_OF = INSURANCE.c


@read.table(money.InsuranceClaim, tag="ic", row=sight.seen(policy.sees_insurance_claim()))
@strawberry.type(description="An insured's claim on a cover.")
class InsuranceClaim(Node):
    """An insurance claim: seen by insurer and insured. Its amounts stand side by side."""

    number: str = read.column(_OF.number)
    cover: Cover = read.one(COVERS.c.id == _OF.cover_id)
    insurer: Organisation = read.one(ORGANISATIONS.c.id == _OF.insurer_id)
    insured: Organisation = read.one(ORGANISATIONS.c.id == _OF.insured_id)
    case: Annotated["Case", strawberry.lazy("schema.types.case")] | None = read.one(
        CASES.c.id == _OF.case_id
    )
    order: Order | None = read.one(ORDERS.c.id == _OF.order_id)
    peril: Peril = read.column(_OF.peril)
    state: InsuranceState = read.column(_OF.state)
    version: int = read.column(_OF.version)
    claimed: Money = read.embed({"amount_minor": _OF.claimed_minor, "currency": _OF.currency})
    reserved: Money = read.embed({"amount_minor": _OF.reserved_minor, "currency": _OF.currency})
    approved: Money = read.embed({"amount_minor": _OF.approved_minor, "currency": _OF.currency})
    paid: Money = read.embed({"amount_minor": _OF.paid_minor, "currency": _OF.currency})
    recovered: Money = read.embed({"amount_minor": _OF.recovered_minor, "currency": _OF.currency})
    decided_by: str | None = read.column(
        account_name(_OF.decided_by), description="Who decided, by name."
    )
    denial_reason: str | None = read.column(_OF.denial_reason)
    grounds: str | None = read.column(_OF.grounds)
    notified_at: datetime = read.column(_OF.notified_at)
    decided_at: datetime | None = read.column(_OF.decided_at)
    settled_at: datetime | None = read.column(_OF.settled_at)


SETTLED_AT = type_coerce(_OF.settled_at, DateTime(timezone=True))
"""When it was settled; never null among the settled ones."""


@strawberry.input(description="Which claims on covers. What is left out does not narrow.")
class InsuranceClaimFilter:
    """A filter of insurance claims."""

    cover: strawberry.ID | None = None
    perils: list[Peril] | None = None
    states: list[InsuranceState] | None = None
    notified_from: datetime | None = None
    notified_until: datetime | None = None
    settled_from: datetime | None = strawberry.field(default=None, description="Included.")
    settled_until: datetime | None = strawberry.field(default=None, description="Excluded.")
    currency: str | None = None
    claimed_min: Int64 | None = strawberry.field(default=None, description="In minor units.")
    claimed_max: Int64 | None = None
    paid_min: Int64 | None = None
    paid_max: Int64 | None = None
    number: str | None = strawberry.field(default=None, description="As it is written.")
    case_number: str | None = None


def _one_of(column: Any) -> Callable[[Any], Any]:
    return lambda p: sql_cast(column, Text) == any_(sql_cast(p, ARRAY(Text)))


FILTER = read.matches(
    InsuranceClaimFilter | None,
    fields={
        "cover": read.identified(_OF.cover_id, tag="co", optional=True),
        "perils": read.matches(list[Peril], _one_of(_OF.peril)),
        "states": read.matches(list[InsuranceState], _one_of(_OF.state)),
        "notified_from": read.matches(datetime, lambda p: _OF.notified_at >= p),
        "notified_until": read.matches(datetime, lambda p: _OF.notified_at < p),
        "settled_from": read.matches(datetime, lambda p: _OF.settled_at >= p),
        "settled_until": read.matches(datetime, lambda p: _OF.settled_at < p),
        "currency": read.matches(str, lambda p: _OF.currency == p),
        "claimed_min": read.matches(Int64, lambda p: _OF.claimed_minor >= p),
        "claimed_max": read.matches(Int64, lambda p: _OF.claimed_minor <= p),
        "paid_min": read.matches(Int64, lambda p: _OF.paid_minor >= p),
        "paid_max": read.matches(Int64, lambda p: _OF.paid_minor <= p),
        "number": read.matches(str, lambda p: _OF.number == p),
        "case_number": read.matches(
            str,
            lambda p: exists(
                select(CASES.c.id).where(CASES.c.id == _OF.case_id, CASES.c.number == p)
            ),
        ),
    },
)
