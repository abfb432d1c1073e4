"""The clocks of the procedure: who is awaited, how long, and what happens then.

A *stage* clock belongs to a state and always moves the case. A *slot* clock belongs to one thing
in a case (an offer, a disclosure, a shipment), stays put and fires once; a slot that is used stops
its clock. An expired clock is an act by the role CLOCK in ``odr.procedure.table``. Lengths stand in
the rulebook. The module is pure.
"""

from typing import Final, NamedTuple

from odr.procedure.acts import Act, Role, State
from odr.rulebook import Window
from odr.words import Word


class Clock(Word):
    """A running deadline; the sentence says what happens if nobody acts."""

    ANSWER = (
        "answer",
        "The claimant's request takes effect, or an arbitrator decides on the papers.",
    )
    NEGOTIATION = "negotiation", "The case goes to mediation."
    REVIEW = "review", "The dismissal stands and the case is closed."
    MEDIATION = "mediation", "The case goes to arbitration."
    RECORD = "record", "The record is closed and the ruling is made on it."
    RULING = "ruling", "Another arbitrator decides."
    RULING_AGAIN = "ruling_again", "The operator pays the buyer and bears it."
    APPEAL = "appeal", "The ruling is final and is carried out."
    APPEAL_DECISION = "appeal_decision", "The ruling stands."
    SET_ASIDE = "set_aside", "The default stands and is carried out."
    PERFORMANCE = "performance", "What was not done turns into its default."
    RETURN_RULING = "return_ruling", "The return counts as accepted."
    COMPLETION = "completion", "The case is closed; a payment that is due stays due."

    ACKNOWLEDGE = "acknowledge", "The silence is noted."
    OFFER = "offer", "The offer lapses and the case goes on."
    BID_ROUND = "bid_round", "The round ends; the bids stay sealed."
    DISCLOSURE = "disclosure", "The next neutral on the roster is appointed."
    EVIDENCE = "evidence", "No more evidence is taken in this stage."
    EVIDENCE_ANSWER = "evidence_answer", "No more answers to evidence are taken in this stage."
    INFORMATION = "information", "The arbitrator decides without the answer."
    RETURN_ADDRESS = "return_address", "The platform's return address is used at the seller's cost."
    RETURN_SHIPMENT = "return_shipment", "The money goes to the seller."
    TRANSIT = "transit", "The shipment counts as lost."
    INSPECTION = "inspection", "The return is accepted as it is and the refund goes out."
    REPLACEMENT_SHIPMENT = "replacement_shipment", "It turns into a refund."
    REPLACEMENT_CONFIRMATION = "replacement_confirmation", "The replacement counts as accepted."
    REPAIR_TO = "repair_to", "It turns into a full refund."
    REPAIR = "repair", "It turns into a full refund."
    REPAIR_BACK = "repair_back", "It turns into a full refund."
    COUPON = "coupon", "It turns into a refund of its value."
    PAYOUT = "payout", "The administrator is alarmed; the payment stays due."
    STAY = "stay", "The case goes on."


class Timer(NamedTuple):
    """How a clock works: its length, whom it awaits, what it does.

    ``acts`` are tried in order: the first whose required facts hold is done; exactly one can be.
    """

    window: Window
    awaits: frozenset[Role]
    acts: tuple[Act, ...]
    state: State | None = None


_A, _C, _R, _S, _W = Act, Clock, Role, State, Window
_BOTH: Final = frozenset({_R.CLAIMANT, _R.RESPONDENT})
_RESPONDENT: Final = frozenset({_R.RESPONDENT})
_ARBITRATOR: Final = frozenset({_R.ARBITRATOR})
_NEUTRAL: Final = frozenset({_R.MEDIATOR, _R.ARBITRATOR})
_ADMIN: Final = frozenset({_R.ADMINISTRATOR})
_BUYER, _SELLER = frozenset({_R.BUYER}), frozenset({_R.SELLER})

TIMERS: Final[dict[Clock, Timer]] = {
    # stage clocks: one for each state but the last
    _C.ANSWER: Timer(_W.ANSWER, _RESPONDENT, (_A.GRANT_BY_DEFAULT, _A.DECIDE_ON_PAPERS), _S.FILED),
    _C.NEGOTIATION: Timer(_W.NEGOTIATION, _BOTH, (_A.END_NEGOTIATION,), _S.NEGOTIATING),
    _C.REVIEW: Timer(_W.REVIEW, _BOTH, (_A.LET_DISMISSAL_STAND,), _S.INADMISSIBLE),
    _C.MEDIATION: Timer(_W.MEDIATION, _BOTH, (_A.END_MEDIATION,), _S.MEDIATING),
    _C.RECORD: Timer(_W.RECORD, _BOTH, (_A.CLOSE_RECORD,), _S.HEARING),
    _C.RULING: Timer(_W.RULING, _ARBITRATOR, (_A.REPLACE_ARBITRATOR,), _S.DELIBERATING),
    _C.RULING_AGAIN: Timer(
        _W.RULING, _ARBITRATOR, (_A.GRANT_WITHOUT_RECOURSE,), _S.DELIBERATING_AGAIN
    ),
    _C.APPEAL: Timer(_W.APPEAL, _BOTH, (_A.LET_RULING_STAND,), _S.RULED),
    _C.APPEAL_DECISION: Timer(_W.APPEAL_RULING, _ARBITRATOR, (_A.LET_RULING_STAND,), _S.APPEALED),
    _C.SET_ASIDE: Timer(_W.SET_ASIDE, _RESPONDENT, (_A.LET_DEFAULT_STAND,), _S.DEFAULTED),
    _C.PERFORMANCE: Timer(_W.PERFORMANCE, _BOTH, (_A.END_PERFORMANCE,), _S.PERFORMING),
    _C.RETURN_RULING: Timer(
        _W.RETURN_RULING, _ARBITRATOR, (_A.SETTLE_RETURN,), _S.RETURN_CONTESTED
    ),
    _C.COMPLETION: Timer(_W.COMPLETION, _ADMIN, (_A.CLOSE_OVERDUE,), _S.COMPLETING),
    # slot clocks
    _C.ACKNOWLEDGE: Timer(_W.ACKNOWLEDGE, _RESPONDENT, (_A.NOTE_SILENCE,)),
    _C.OFFER: Timer(_W.OFFER, _BOTH, (_A.LAPSE_OFFER,)),
    _C.BID_ROUND: Timer(_W.BLIND_BID, _BOTH, (_A.CLOSE_BID_ROUND,)),
    _C.DISCLOSURE: Timer(_W.DISCLOSURE, _NEUTRAL, (_A.REPLACE_NEUTRAL,)),
    _C.EVIDENCE: Timer(_W.EVIDENCE, _BOTH, (_A.CLOSE_EVIDENCE,)),
    _C.EVIDENCE_ANSWER: Timer(_W.EVIDENCE_ANSWER, _BOTH, (_A.CLOSE_ANSWERS,)),
    _C.INFORMATION: Timer(_W.INFORMATION, _BOTH, (_A.EXPIRE_REQUEST,)),
    _C.RETURN_ADDRESS: Timer(_W.RETURN_ADDRESS, _SELLER, (_A.USE_PLATFORM_ADDRESS,)),
    _C.RETURN_SHIPMENT: Timer(_W.RETURN_SHIPMENT, _BUYER, (_A.LAPSE_RETURN,)),
    _C.TRANSIT: Timer(_W.TRANSIT, _BOTH, (_A.RECORD_LOSS,)),
    _C.INSPECTION: Timer(_W.INSPECTION, _SELLER, (_A.PASS_BY_SILENCE,)),
    _C.REPLACEMENT_SHIPMENT: Timer(_W.REPLACEMENT_SHIPMENT, _SELLER, (_A.TURN_INTO_REFUND,)),
    _C.REPLACEMENT_CONFIRMATION: Timer(
        _W.REPLACEMENT_CONFIRMATION, _BUYER, (_A.ACCEPT_REPLACEMENT,)
    ),
    _C.REPAIR_TO: Timer(_W.REPAIR_TO, _BUYER, (_A.TURN_INTO_REFUND,)),
    _C.REPAIR: Timer(_W.REPAIR, _SELLER, (_A.TURN_INTO_REFUND,)),
    _C.REPAIR_BACK: Timer(_W.REPAIR_BACK, _SELLER, (_A.TURN_INTO_REFUND,)),
    _C.COUPON: Timer(_W.COUPON, _SELLER, (_A.TURN_INTO_REFUND,)),
    _C.PAYOUT: Timer(_W.PAYOUT, _ADMIN, (_A.RAISE_PAYOUT_ALARM,)),
    _C.STAY: Timer(_W.STAY, _ADMIN, (_A.END_STAY,)),
}

STAGE_CLOCKS: Final[dict[State, Clock]] = {
    timer.state: clock for clock, timer in TIMERS.items() if timer.state is not None
}
"""The clock that starts when a case enters a state."""
