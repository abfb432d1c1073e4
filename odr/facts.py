"""How the procedure's facts are read from the tables: measured in one statement, judged in Python.

``MEASURES`` are SQL expressions over a row of ``cases``; the acts read them under the case's lock,
the read model beside the case. ``holding`` is pure: from the measures, the rulebook, the state and
the side it says which facts hold. So a button that is shown is not refused a moment later for a
reason that was known.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, cast

from sqlalchemy import ColumnElement, Select, Text, and_, exists, func, select
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import col

from odr.models.arbitration import Correction, CorrectionRequest, InformationRequest
from odr.models.cases import Appointment, Case, Claim, RunningClock, Seat
from odr.models.dialogue import Bid, Exhibit, ExhibitAnswer, Offer, Proposal, Ruling
from odr.models.findings import ExhibitFinding
from odr.models.money import Obligation, Payout
from odr.models.states import (
    BidState,
    Channel,
    ClockState,
    ObligationState,
    OfferState,
    ProposalState,
)
from odr.procedure.acts import Role, State
from odr.procedure.clocks import Clock
from odr.procedure.facts import Fact
from odr.rulebook import Rulebook
from odr.words import ExhibitKind, Party, Reason, Side

_PARTIES: Final = (Side.CLAIMANT, Side.RESPONDENT)


def _by_side() -> dict[str, Any]:
    """What is counted for each side of a case."""
    measured: dict[str, Any] = {}
    answered = exists().where(
        col(ExhibitAnswer.exhibit_id) == col(Exhibit.id),
        col(ExhibitAnswer.side) != col(Exhibit.side),
        col(ExhibitAnswer.finding_id).is_(None),
    )
    for side in _PARTIES:
        offers = select(
            func.json_build_object(
                "open",
                func.count().filter(col(Offer.state) == OfferState.OPEN),
                "open_counter",
                func.count().filter(and_(col(Offer.state) == OfferState.OPEN, col(Offer.counter))),
                "counters",
                func.count().filter(col(Offer.counter)),
            )
        ).where(col(Offer.case_id) == col(Case.id), col(Offer.side) == side)
        exhibits = select(
            func.json_build_object(
                "given",
                func.count(),
                "unanswered",
                func.count().filter(~answered),
                "unanswered_record",
                func.count().filter(and_(~answered, col(Exhibit.channel) == Channel.RECORD)),
                "walled",
                func.count().filter(col(Exhibit.channel) != Channel.RECORD),
                "kinds",
                func.array_agg(sql_cast(col(Exhibit.kind), Text).distinct()),
            )
        ).where(col(Exhibit.case_id) == col(Case.id), col(Exhibit.side) == side)
        seat = select(
            func.json_build_object(
                "acknowledged",
                col(Seat.acknowledged_at).is_not(None),
                "consented",
                col(Seat.consented),
                "rested",
                col(Seat.rested_at).is_not(None),
                "waived",
                col(Seat.appeal_waived_at).is_not(None),
            )
        ).where(
            col(Seat.case_id) == col(Case.id),
            col(Seat.role) == Role(side.value),
            col(Seat.until).is_(None),
        )
        measured[side.value] = {
            "offers": offers,
            "exhibits": exhibits,
            "findings": _findings(side),
            "seat": seat,
            "asked": _asked(side),
            "correction_asked": _correction_asked(side),
        }
    return measured


def _asked(side: Side) -> Select[Any]:
    """How many requests for information a side can answer: their clocks run."""
    return select(func.count()).where(
        col(RunningClock.case_id) == col(Case.id),
        col(RunningClock.clock) == Clock.INFORMATION,
        col(RunningClock.side) == side,
        col(RunningClock.state) == ClockState.RUNNING,
    )


def _correction_asked(*sides: Side) -> Select[Any]:
    """How many requests for a correction wait for one."""
    corrected = exists().where(
        col(Correction.case_id) == col(CorrectionRequest.case_id),
        col(Correction.at) >= col(CorrectionRequest.at),
    )
    return select(func.count()).where(
        col(CorrectionRequest.case_id) == col(Case.id),
        col(CorrectionRequest.side).in_(sides),
        ~corrected,
    )


def _correctable() -> Select[Any]:
    """Until when a correction of the latest ruling can be asked for."""
    return (
        select(col(Ruling.correctable_until))
        .where(col(Ruling.case_id) == col(Case.id))
        .order_by(col(Ruling.at).desc())
        .limit(1)
    )


def _findings(side: Side) -> Select[Any]:
    """The findings on which a side has not said anything yet."""
    explained = exists().where(
        col(ExhibitAnswer.finding_id) == col(ExhibitFinding.id),
        col(ExhibitAnswer.side) == side,
    )
    return (
        select(
            func.json_build_object(
                "unanswered",
                func.count(),
                "unanswered_record",
                func.count().filter(col(Exhibit.channel) == Channel.RECORD),
            )
        )
        .select_from(ExhibitFinding)
        .join(Exhibit, col(Exhibit.id) == col(ExhibitFinding.exhibit_id))
        .where(col(ExhibitFinding.case_id) == col(Case.id), ~explained)
    )


def _clocks() -> Select[Any]:
    running = col(RunningClock.state) == ClockState.RUNNING
    return select(func.array_agg(sql_cast(col(RunningClock.clock), Text))).where(
        col(RunningClock.case_id) == col(Case.id), running
    )


def _neutral() -> Select[Any]:
    """The appointment that is in force: a replaced neutral's has ended."""
    return (
        select(
            func.json_build_object(
                "kind",
                sql_cast(col(Appointment.kind), Text),
                "disclosed",
                col(Appointment.disclosed_at).is_not(None),
            )
        )
        .where(col(Appointment.case_id) == col(Case.id), col(Appointment.ended_at).is_(None))
        .order_by(col(Appointment.appointed_at).desc())
        .limit(1)
    )


def _proposals() -> Select[Any]:
    is_open = col(Proposal.state) == ProposalState.OPEN
    return select(
        func.json_build_object(
            "open",
            func.count().filter(is_open),
            "failed",
            func.count().filter(col(Proposal.state) == ProposalState.FAILED),
            "claimant",
            func.bool_or(col(Proposal.claimant_accepts)).filter(is_open),
            "respondent",
            func.bool_or(col(Proposal.respondent_accepts)).filter(is_open),
        )
    ).where(col(Proposal.case_id) == col(Case.id))


def _bids() -> Select[Any]:
    """Rounds of sealed bids, whose bid is in the present one, and whether there is a rest."""
    is_sealed = col(Bid.state) == BidState.SEALED
    return select(
        func.json_build_object(
            "rounds",
            func.coalesce(func.max(col(Bid.round)), 0),
            "sealed",
            func.array_agg(sql_cast(col(Bid.side), Text)).filter(is_sealed),
            "resting",
            func.bool_or(and_(~is_sealed, col(Bid.round_ends) > func.service_now())),
            "met",
            func.bool_or(col(Bid.state) == BidState.MET),
        )
    ).where(col(Bid.case_id) == col(Case.id))


def _owed() -> dict[str, Any]:
    """What is left to be done, and to be paid on the case's own obligations."""
    return {
        "obligations": select(func.count()).where(
            col(Obligation.case_id) == col(Case.id),
            col(Obligation.state) == ObligationState.DUE,
        ),
        # By the obligation: a payout that was returned is followed by another one.
        "payouts": select(func.count())
        .select_from(Payout)
        .join(Obligation, col(Obligation.id) == col(Payout.obligation_id))
        .where(
            col(Payout.case_id) == col(Case.id),
            col(Obligation.state) == ObligationState.DUE,
        ),
    }


def _measured() -> ColumnElement[Any]:
    """All measures of a case as one JSON value."""
    parts: list[Any] = [
        "clocks",
        _clocks().scalar_subquery(),
        "neutral",
        _neutral().scalar_subquery(),
        "proposals",
        _proposals().scalar_subquery(),
        "bids",
        _bids().scalar_subquery(),
        "claims",
        select(func.count())
        .select_from(Claim)
        .where(col(Claim.case_id) == col(Case.id))
        .scalar_subquery(),
        "requests",
        select(func.count())
        .select_from(InformationRequest)
        .where(col(InformationRequest.case_id) == col(Case.id))
        .scalar_subquery(),
        "correctable",
        _correctable().scalar_subquery(),
        "now",
        func.service_now(),
        "seller_answers",
        col(Case.claimant_party) == Party.BUYER,
    ]
    for name, counted in _owed().items():
        parts += [name, counted.scalar_subquery()]
    for side, measures in _by_side().items():
        sub: list[Any] = []
        for name, measure in measures.items():
            sub += [name, measure.scalar_subquery()]
        parts += [side, func.json_build_object(*sub)]
    return func.json_build_object(*parts, type_=JSONB)


MEASURES: Final = _measured()
"""The measures of a row of ``cases``, as one JSON value."""

Measures = Mapping[str, Any]


def holding(
    measures: Measures,
    rulebook: Rulebook,
    state: State,
    reason: Reason,
    side: Side | None,
    at: datetime | None = None,
) -> frozenset[Fact]:
    """The facts that hold for somebody on ``side`` (None: neither side, nor a neutral).

    ``at`` is the instant of the act that asks; left out it is when the measures were taken.
    """
    held: set[Fact] = set()

    def mark(fact: Fact, holds: object) -> None:
        if holds:
            held.add(fact)

    clocks = set(measures["clocks"] or ())
    neutral = measures["neutral"]
    proposals = measures["proposals"]
    claimant, respondent = measures["claimant"], measures["respondent"]

    mark(Fact.NOT_ACKNOWLEDGED, not respondent["seat"]["acknowledged"])
    mark(Fact.MODIFICATIONS_LEFT, measures["claims"] <= rulebook.caps.modifications)
    kinds = {ExhibitKind(kind) for kind in claimant["exhibits"]["kinds"] or ()}
    grantable = measures["seller_answers"] and rulebook.has_minimum(reason, kinds)
    held.add(Fact.DEFAULT_GRANTABLE if grantable else Fact.DEFAULT_NOT_GRANTABLE)
    walled_state = state is State.MEDIATING
    mark(Fact.EVIDENCE_WINDOW_OPEN, not walled_state or Clock.EVIDENCE in clocks)
    held.add(Fact.NEUTRAL_WANTED if neutral is None else Fact.NEUTRAL_SEATED)
    mark(Fact.DISCLOSURE_DUE, neutral and not neutral["disclosed"])
    mark(Fact.DISCLOSED, neutral and neutral["disclosed"])
    mark(Fact.NO_OPEN_PROPOSAL, not proposals["open"])
    answers = (proposals["claimant"], proposals["respondent"])
    mark(Fact.PROPOSAL_ACCEPTED, proposals["open"] and all(answers))
    mark(Fact.PROPOSAL_REFUSED, proposals["open"] and None not in answers and not all(answers))
    mark(Fact.PROPOSAL_FAILED, proposals["failed"])
    asked_most = rulebook.caps.information_requests_per_case
    mark(Fact.REQUESTS_LEFT, measures["requests"] < asked_most)
    at = at or datetime.fromisoformat(measures["now"])
    until = measures["correctable"]
    pending = claimant["correction_asked"] + respondent["correction_asked"]
    in_time = until is not None and at < datetime.fromisoformat(until)
    mark(Fact.CORRECTION_OPEN, in_time or (side is Side.NEUTRAL and pending))
    mark(Fact.BOTH_WAIVED, claimant["seat"]["waived"] and respondent["seat"]["waived"])
    mark(Fact.PAYMENT_DUE, measures["payouts"])
    mark(Fact.ALL_PERFORMED, not measures["obligations"] and not measures["payouts"])
    held.add(Fact.NOT_STAYED)
    held |= _bidding(measures["bids"], rulebook, side)

    if side in _PARTIES:
        held |= _for_party(measures, rulebook, state, cast("Side", side))
    return frozenset(held)


def _for_party(measures: Measures, rulebook: Rulebook, state: State, side: Side) -> set[Fact]:
    """The facts that are one side's."""
    held: set[Fact] = set()

    def mark(fact: Fact, holds: object) -> None:
        if holds:
            held.add(fact)

    mine, theirs = measures[side.value], measures[side.other.value]
    clocks, proposals = set(measures["clocks"] or ()), measures["proposals"]
    walled_state = state is State.MEDIATING
    mark(Fact.EXHIBITS_LEFT, mine["exhibits"]["given"] < rulebook.limits.exhibits_per_side)
    answering = not walled_state or clocks & {Clock.EVIDENCE, Clock.EVIDENCE_ANSWER}
    visible = (
        "unanswered"
        if walled_state or state.stage.value == "negotiation"
        else ("unanswered_record")
    )
    answerable = theirs["exhibits"][visible] or mine["findings"][visible]
    mark(Fact.EXHIBIT_TO_ANSWER, answering and answerable)
    mark(Fact.WALLED_EXHIBIT, mine["exhibits"]["walled"])
    mark(Fact.OFFERS_LEFT, mine["offers"]["open"] < rulebook.limits.open_offers_per_side)
    mark(Fact.NO_COUNTER_OFFER_YET, not mine["offers"]["counters"])
    mark(Fact.OPEN_OFFER_FROM_OTHER_SIDE, theirs["offers"]["open"])
    mark(Fact.OPEN_COUNTER_OFFER, theirs["offers"]["open_counter"])
    plain = theirs["offers"]["open"]
    if state is State.NEGOTIATING:
        plain -= theirs["offers"]["open_counter"]
    mark(Fact.OTHER_OPEN_OFFER, plain)
    mark(Fact.OWN_OPEN_OFFER, mine["offers"]["open"])
    mark(Fact.PROPOSAL_TO_ANSWER, proposals["open"] and proposals[side.value] is None)
    mark(Fact.CONSENT_OPEN, mine["seat"]["consented"] is None)
    mark(Fact.REQUEST_TO_ANSWER, mine["asked"])
    mark(Fact.CORRECTION_NOT_ASKED, not mine["correction_asked"])
    mark(Fact.NOT_RESTED, not mine["seat"]["rested"])
    mark(Fact.APPEAL_NOT_WAIVED, not mine["seat"]["waived"])
    return held


def _bidding(bids: Measures, rulebook: Rulebook, side: Side | None) -> set[Fact]:
    """A side bids once in a round; the next begins when the day of the last one is over."""
    held = {Fact.BIDS_MEET} if bids["met"] else set()
    may_begin = not bids["resting"] and bids["rounds"] < rulebook.caps.blind_rounds_per_case
    if side in _PARTIES and (side not in bids["sealed"] if bids["sealed"] else may_begin):
        held.add(Fact.BID_ROUND_OPEN)
    return held
