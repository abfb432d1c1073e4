"""Cases: a dispute with all that belongs to it, as far as the viewer sees."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import strawberry
from sqlalchemy import Text, case, func, literal_column, select
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from odr import facts
from odr.models import cases
from odr.models.states import ClockState
from odr.procedure.acts import State
from odr.words import ExhibitKind as _ExhibitKind
from odr.words import Reason as _Reason
from odr.words import Side as _Side
from schema import sight
from schema.context import Context
from schema.reader import declaration as read
from schema.reader.page import Connection
from schema.scalars import Digest, Money
from schema.types import available
from schema.types.appeal import APPEALS, Appeal
from schema.types.available import AvailableAct
from schema.types.bounds import ChecklistLine, checklist, order_facts, order_left
from schema.types.claim import ANSWERS, CLAIMS, Answer, Claim
from schema.types.clock import CLOCKS, Clock
from schema.types.exhibit import EXHIBITS, Exhibit
from schema.types.information import REQUESTS, InformationRequest
from schema.types.insurance import INSURANCE, InsuranceClaim
from schema.types.keeping import HOLDS, LegalHold
from schema.types.message import CAUCUS, MESSAGES, CaucusMessage, Message
from schema.types.node import Node
from schema.types.notice import NOTICES, Notice
from schema.types.obligation import OBLIGATIONS, Obligation
from schema.types.offer import OFFERS, Offer
from schema.types.order import ORDERS, Order
from schema.types.organisation import ORGANISATIONS, Organisation
from schema.types.payout import PAYOUTS, Payout
from schema.types.proposal import PROPOSALS, Proposal
from schema.types.record import ACTS, IN_ORDER, RecordEntry
from schema.types.ruling import RULINGS, Ruling
from schema.types.seat import APPOINTMENTS, SEATS, Appointment, Seat
from schema.types.terms import Terms, terms
from schema.types.turn import TURN, VIEWER_SIDE, ViewerState
from schema.types.words import CaseState, Channel, Outcome, Party, Reason, Role, Side, Stage

CASES = read.columns(cases.Case)

STAGE = case(
    *(
        (
            CASES.c.state.in_([state for state in State if state.stage is stage]),
            literal_column(f"'{stage.value}'", Text()),
        )
        for stage in Stage
    )
)
_RUNNING = CLOCKS.c.state == ClockState.RUNNING


def _clocks() -> Any:
    """The running clocks as JSON: kind, due and side."""
    clock = func.jsonb_build_array(CLOCKS.c.clock, CLOCKS.c.due, CLOCKS.c.side)
    return (
        select(func.jsonb_agg(clock, type_=JSONB))
        .where(CLOCKS.c.case_id == CASES.c.id, _RUNNING)
        .scalar_subquery()
    )


def _order() -> Any:
    """What bounds terms, as JSON."""
    freight = select(ORDERS.c.freight_minor).where(ORDERS.c.id == CASES.c.order_id)
    return func.jsonb_build_object(
        literal_column("'currency'"),
        CASES.c.currency,
        literal_column("'freight_minor'"),
        freight.scalar_subquery(),
        literal_column("'lines'"),
        order_facts(CASES.c.order_id),
        literal_column("'left'"),
        order_left(CASES.c.order_id),
        type_=JSONB,
    )


def _kinds(side: _Side) -> Any:
    """The kinds of exhibit that a side gave, of those that the viewer sees."""
    kinds = func.array_agg(sql_cast(EXHIBITS.c.kind, Text).distinct(), type_=ARRAY(Text))
    return (
        select(kinds)
        .where(
            EXHIBITS.c.case_id == CASES.c.id,
            EXHIBITS.c.side == side,
            sight.in_channel(EXHIBITS.c.case_id, EXHIBITS.c.channel),
        )
        .scalar_subquery()
    )


def evidence(context: Context, row: Mapping[str, Any]) -> list[ChecklistLine]:
    """List what both sides are asked for, and what of it the viewer sees given."""
    book = context.rulebooks.version(row["rulebook"])
    given = {
        side: [_ExhibitKind(kind) for kind in row[side.value] or ()]
        for side in (_Side.CLAIMANT, _Side.RESPONDENT)
    }
    return checklist(book, _Reason(row["reason"]), given)


_ROLES = {"roles": sight.roles(CASES.c.id), "claimant_party": CASES.c.claimant_party}


@read.table(cases.Case, tag="ca", row=sight.sees_case())
@strawberry.type(description="A dispute about an order.")
class Case(Node):
    """A case: seen by those with a seat in it, its marketplace and the operator."""

    number: str = read.column(CASES.c.number, description="With check digits; grants nothing.")
    stage: Stage = read.column(STAGE)
    state: CaseState = read.column(CASES.c.state)
    outcome: Outcome | None = read.column(CASES.c.outcome)
    reason: Reason = read.column(CASES.c.reason)
    order: Order = read.one(ORDERS.c.id == CASES.c.order_id)
    marketplace: Organisation = read.one(ORGANISATIONS.c.id == CASES.c.marketplace_id)
    claimant_party: Party = read.column(CASES.c.claimant_party)
    currency: str = read.column(CASES.c.currency)
    claimed: Money = read.embed(
        {"amount_minor": CASES.c.claimed_minor, "currency": CASES.c.currency}
    )
    granted: Money | None = read.embed(
        {"amount_minor": CASES.c.granted_minor, "currency": CASES.c.currency},
        present=CASES.c.granted_minor.is_not(None),
    )
    terms: Terms | None = read.json(
        terms(CASES.c.terms), description="What was settled or decided in the end."
    )
    version: int = read.column(CASES.c.version, description="For `expectedVersion`.")
    rulebook: str = read.column(CASES.c.rulebook, description="The version that holds for it.")
    rulebook_digest: Digest = read.column(CASES.c.rulebook_digest)
    language: str = read.column(CASES.c.language)
    country: str = read.column(CASES.c.country, description="Whose working days count.")
    zone: str = read.column(CASES.c.zone)
    filed_at: datetime = read.column(CASES.c.filed_at)
    entered_at: datetime = read.column(
        CASES.c.entered_at, description="When it came to its present state."
    )
    acted_at: datetime | None = read.column(
        select(func.max(ACTS.c.at))
        .where(ACTS.c.case_id == CASES.c.id, sight.in_channel(ACTS.c.case_id, ACTS.c.channel))
        .scalar_subquery(),
        description="When something was done last, of what the viewer sees.",
    )
    closed_at: datetime | None = read.column(CASES.c.closed_at)

    viewer_side: Side | None = read.column(VIEWER_SIDE)
    viewer_state: ViewerState = read.column(TURN)
    viewer_roles: list[Role] = read.computed(available.viewer_roles, needs=_ROLES)
    available_acts: list[AvailableAct] = read.computed(
        available.available,
        needs={
            **_ROLES,
            "measures": facts.MEASURES,
            "state": CASES.c.state,
            "reason": CASES.c.reason,
            "rulebook": CASES.c.rulebook,
            "clocks": _clocks(),
            "order": _order(),
        },
        description="What the viewer may do now; nothing else can be done.",
    )
    clocks: list[Clock] = read.many(
        (CLOCKS.c.case_id == CASES.c.id) & _RUNNING,
        order=(CLOCKS.c.due, CLOCKS.c.id),
        typical=3,
        description="The running deadlines, the nearest first.",
    )

    seats: list[Seat] = read.many(
        SEATS.c.case_id == CASES.c.id, order=(SEATS.c.since, SEATS.c.id), typical=4
    )
    neutral: Appointment | None = read.one(
        (APPOINTMENTS.c.case_id == CASES.c.id) & APPOINTMENTS.c.ended_at.is_(None),
        order=(APPOINTMENTS.c.appointed_at.desc(), APPOINTMENTS.c.id),
        description="The mediator or arbitrator who is appointed now.",
    )
    appointments: list[Appointment] = read.many(
        APPOINTMENTS.c.case_id == CASES.c.id,
        order=(APPOINTMENTS.c.appointed_at, APPOINTMENTS.c.id),
        typical=2,
    )

    claim: Claim | None = read.one(
        CLAIMS.c.case_id == CASES.c.id,
        order=(CLAIMS.c.version.desc(),),
        description="The claim as it stands.",
    )
    claims: list[Claim] = read.many(
        CLAIMS.c.case_id == CASES.c.id, order=(CLAIMS.c.version,), typical=1
    )
    answer: Answer | None = read.one(ANSWERS.c.case_id == CASES.c.id)
    evidence: list[ChecklistLine] = read.computed(
        evidence,
        needs={
            "rulebook": CASES.c.rulebook,
            "reason": CASES.c.reason,
            "claimant": _kinds(_Side.CLAIMANT),
            "respondent": _kinds(_Side.RESPONDENT),
        },
        description="The evidence that both sides are asked for.",
    )
    legal_holds: list[LegalHold] = read.many(
        HOLDS.c.case_id == CASES.c.id, order=(HOLDS.c.placed_at, HOLDS.c.id), typical=1
    )
    exhibits: list[Exhibit] = read.many(
        EXHIBITS.c.case_id == CASES.c.id,
        order=(EXHIBITS.c.side, EXHIBITS.c.number, EXHIBITS.c.id),
        filters={"side": read.matches(Side | None, lambda p: sql_cast(EXHIBITS.c.side, Text) == p)},
    )
    offers: list[Offer] = read.many(
        OFFERS.c.case_id == CASES.c.id, order=(OFFERS.c.at, OFFERS.c.id), typical=4
    )
    messages: Connection[Message] = read.connection(
        MESSAGES.c.case_id == CASES.c.id,
        order=(MESSAGES.c.at, MESSAGES.c.id),
        filters={
            "channel": read.matches(
                Channel | None, lambda p: sql_cast(MESSAGES.c.channel, Text) == p
            )
        },
    )
    caucus_messages: list[CaucusMessage] = read.many(
        CAUCUS.c.case_id == CASES.c.id,
        order=(CAUCUS.c.at, CAUCUS.c.id),
        filters={
            "with_side": read.matches(
                Side | None, lambda p: sql_cast(CAUCUS.c.with_side, Text) == p
            )
        },
        description="One's own side's, or both for the mediator.",
    )
    proposals: list[Proposal] = read.many(
        PROPOSALS.c.case_id == CASES.c.id, order=(PROPOSALS.c.at, PROPOSALS.c.id), typical=1
    )
    information_requests: list[InformationRequest] = read.many(
        REQUESTS.c.case_id == CASES.c.id,
        order=(REQUESTS.c.at, REQUESTS.c.id),
        typical=1,
        description="What the arbitrator asked of a side, with the answers.",
    )
    rulings: list[Ruling] = read.many(
        RULINGS.c.case_id == CASES.c.id, order=(RULINGS.c.at, RULINGS.c.id), typical=1
    )

    appeal: Appeal | None = read.one(APPEALS.c.case_id == CASES.c.id)

    obligations: list[Obligation] = read.many(
        OBLIGATIONS.c.case_id == CASES.c.id, order=(OBLIGATIONS.c.number,), typical=2
    )
    payouts: list[Payout] = read.many(
        PAYOUTS.c.case_id == CASES.c.id, order=(PAYOUTS.c.created, PAYOUTS.c.id), typical=1
    )
    insurance_claims: list[InsuranceClaim] = read.many(
        INSURANCE.c.case_id == CASES.c.id,
        order=(INSURANCE.c.notified_at, INSURANCE.c.id),
        typical=1,
        description="Seen by insurers and insured.",
    )

    record: Connection[RecordEntry] = read.connection(
        ACTS.c.case_id == CASES.c.id,
        order=IN_ORDER,
        description="What was done, in order, of what the viewer sees.",
    )
    record_root: Digest | None = read.column(
        CASES.c.record_root, description="The root of the record, frozen when it was closed."
    )
    record_size: int | None = read.column(
        CASES.c.record_size, description="How many entries the frozen record has."
    )
    notices: list[Notice] = read.many(
        NOTICES.c.case_id == CASES.c.id,
        order=(NOTICES.c.created.desc(), NOTICES.c.id),
        description="What the viewer was told about it.",
    )
