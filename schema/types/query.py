"""What can be read: one's own, one's cases, orders, claims on covers, the rules."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import strawberry
from sqlalchemy import Text, and_, any_, exists, or_, select
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects.postgresql import ARRAY

from odr.models.states import SETTLED
from schema import sight
from schema.reader import declaration as read
from schema.reader.page import Connection
from schema.types import rulebook as rules
from schema.types.account import ACCOUNTS, Account
from schema.types.case import CASES, STAGE, Case
from schema.types.cover import BONDS, COVERS, Bond, Cover
from schema.types.insurance import FILTER, INSURANCE, SETTLED_AT, InsuranceClaim
from schema.types.keeping import ERASURES, HOLDS, Erasure, LegalHold
from schema.types.neutral import NEUTRALS, Neutral
from schema.types.node import Node
from schema.types.notice import NOTICES, Notice
from schema.types.order import CLAIMABLE, IS_BUYER, IS_SELLER, ORDERS, Order
from schema.types.organisation import ORGANISATIONS, Organisation
from schema.types.payout import PAYOUTS, Payout
from schema.types.rulebook import Rulebook
from schema.types.seat import SEATS
from schema.types.token import TOKENS, Token
from schema.types.turn import TURN, ViewerState
from schema.types.uploads import UploadLimits, limits
from schema.types.viewer import ViewerInfo, shown
from schema.types.words import CaseState, ErasureState, Outcome, Party, PayoutState, Role, Stage


def _one_of(expression: Any) -> Callable[[Any], Any]:
    return lambda p: sql_cast(expression, Text) == any_(sql_cast(p, ARRAY(Text)))


def _seated_as(role: Any) -> Any:
    return exists(
        select(SEATS.c.id).where(
            SEATS.c.case_id == CASES.c.id,
            sight.holds(SEATS),
            sql_cast(SEATS.c.role, Text) == role,
        )
    )


@strawberry.input(description="Which cases. What is left out does not narrow.")
class CaseFilter:
    """A filter of cases."""

    stages: list[Stage] | None = None
    states: list[CaseState] | None = None
    outcomes: list[Outcome] | None = None
    viewer_states: list[ViewerState] | None = None
    role: Role | None = strawberry.field(default=None, description="The viewer's own seat.")
    filed_from: datetime | None = strawberry.field(default=None, description="Included.")
    filed_until: datetime | None = strawberry.field(default=None, description="Excluded.")
    number: str | None = strawberry.field(default=None, description="As it is written.")


_CASES = read.matches(
    CaseFilter | None,
    fields={
        "stages": read.matches(list[Stage], _one_of(STAGE)),
        "states": read.matches(list[CaseState], _one_of(CASES.c.state)),
        "outcomes": read.matches(list[Outcome], _one_of(CASES.c.outcome)),
        "viewer_states": read.matches(list[ViewerState], _one_of(TURN)),
        "role": read.matches(Role, _seated_as),
        "filed_from": read.matches(datetime, lambda p: CASES.c.filed_at >= p),
        "filed_until": read.matches(datetime, lambda p: CASES.c.filed_at < p),
        "number": read.matches(str, lambda p: CASES.c.number == p),
    },
)


@strawberry.input(description="Which orders. What is left out does not narrow.")
class OrderFilter:
    """A filter of orders."""

    claimable: bool | None = strawberry.field(
        default=None, description="On which the viewer may file, or may not."
    )
    party: Party | None = strawberry.field(
        default=None, description="That the viewer bought, or sold."
    )
    reference: str | None = None


def _party(party: Any) -> Any:
    return or_(and_(party == "buyer", IS_BUYER), and_(party == "seller", IS_SELLER))


_ORDERS = read.matches(
    OrderFilter | None,
    fields={
        "claimable": read.matches(bool, lambda p: p == CLAIMABLE),
        "party": read.matches(Party, _party),
        "reference": read.matches(str, lambda p: ORDERS.c.reference == p),
    },
)


@strawberry.type(description="What can be read.")
class Query:
    """The roots; every row is authorised by its type."""

    node: Node | None = read.node(description="Whatever has this id, if the viewer sees it.")
    me: Account | None = read.one(
        ACCOUNTS.c.id == sight.ACCOUNT, description="The viewer; null for an organisation's token."
    )
    viewer: ViewerInfo = read.computed(shown, description="What the viewer may do at all.")
    organisations: list[Organisation] = read.many(
        ORGANISATIONS.c.id == any_(sight.ORGANISATIONS),
        order=(ORGANISATIONS.c.name, ORGANISATIONS.c.id),
        typical=2,
        description="For which the viewer acts.",
    )
    case: Case | None = read.one(
        filters={
            "id": read.identified(CASES.c.id, tag="ca", optional=True),
            "number": read.matches(str | None, lambda p: CASES.c.number == p),
        },
        order=(CASES.c.filed_at.desc(), CASES.c.id),
        description="By its id, or its number as it is written; give one.",
    )
    cases: Connection[Case] = read.connection(
        order=(CASES.c.filed_at.desc(), CASES.c.id.desc()),
        filters={"filter": _CASES},
        description="All that the viewer sees, the newest first.",
    )
    order: Order | None = read.one(filters={"id": read.identified()})
    orders: Connection[Order] = read.connection(
        order=(ORDERS.c.placed_at.desc(), ORDERS.c.id.desc()),
        filters={"filter": _ORDERS},
        description="All that the viewer sees, the newest first.",
    )
    settled_claims: Connection[InsuranceClaim] = read.connection(
        and_(
            INSURANCE.c.settled_at.is_not(None),
            INSURANCE.c.state.in_(SETTLED),
            sight.of_organisation(INSURANCE.c.insurer_id),
        ),
        order=(SETTLED_AT.desc(), INSURANCE.c.id.desc()),
        filters={"filter": FILTER},
        description="An insurer's own that are paid, denied or closed; the latest first.",
    )
    insurance_claims: Connection[InsuranceClaim] = read.connection(
        order=(INSURANCE.c.notified_at.desc(), INSURANCE.c.id.desc()),
        filters={"filter": FILTER},
        description="All that the viewer sees; what is to be decided by `states`.",
    )
    insurance_claim: InsuranceClaim | None = read.one(filters={"id": read.identified()})
    covers: Connection[Cover] = read.connection(order=(COVERS.c.starts.desc(), COVERS.c.id.desc()))
    bonds: Connection[Bond] = read.connection(
        order=(BONDS.c.registered_at.desc(), BONDS.c.id.desc())
    )
    notices: Connection[Notice] = read.connection(
        order=(NOTICES.c.created.desc(), NOTICES.c.id.desc()),
        filters={
            "unread": read.matches(bool | None, lambda p: NOTICES.c.read.is_(None) == p),
        },
        description="What the viewer was told, the newest first.",
    )
    payouts: Connection[Payout] = read.connection(
        order=(PAYOUTS.c.created.desc(), PAYOUTS.c.id.desc()),
        filters={
            "states": read.matches(list[PayoutState] | None, _one_of(PAYOUTS.c.state)),
        },
        description="All that the viewer sees, the newest first.",
    )
    erasures: Connection[Erasure] = read.connection(
        order=(ERASURES.c.asked_at.desc(), ERASURES.c.id.desc()),
        filters={
            "states": read.matches(list[ErasureState] | None, _one_of(ERASURES.c.state)),
        },
        description="All that the viewer sees, the newest first; the operator sees what is asked.",
    )
    legal_holds: Connection[LegalHold] = read.connection(
        order=(HOLDS.c.placed_at.desc(), HOLDS.c.id.desc()),
        filters={
            "in_force": read.matches(bool | None, lambda p: HOLDS.c.lifted_at.is_(None) == p),
        },
        description="All that the viewer sees, the newest first.",
    )
    tokens: list[Token] = read.many(
        order=(TOKENS.c.created, TOKENS.c.id), description="Of the viewer's organisations."
    )
    roster: Connection[Neutral] = read.connection(
        order=(NEUTRALS.c.account_id,), description="For the operator."
    )
    rulebook: Rulebook | None = read.computed(
        rules.in_force,
        arguments={"version": read.Argument(str | None, None, "By default the newest.")},
        description="The numbers and switches of the procedure.",
    )
    upload_limits: UploadLimits = read.computed(
        limits, description="Which files are taken in, and how large they may be."
    )
