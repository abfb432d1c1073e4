"""All acts in one place: what people may call, what clocks and the service call.

``PEOPLE`` are the acts that people do, each a function that takes its ``Work`` first;
``CONSEQUENCES`` are done by a clock or the service, each by (work, case id, subject id).
``NOT_IMPLEMENTED`` are the acts of the table that nobody can do yet: they are not offered. The
list shrinks to nothing: a new act that is in none of the four fails a test, and is not added here.
"""

from collections.abc import Callable
from typing import Any, Final

from odr import (
    appeals,
    bids,
    claims,
    corrections,
    exhibits,
    hearings,
    information,
    messages,
    neutrals,
    offers,
    performance,
    proposals,
    rulings,
)
from odr.procedure import table
from odr.procedure.acts import Act
from odr.work import Consequence

PEOPLE: Final[dict[Act, Callable[..., Any]]] = {
    Act.FILE: claims.file,
    Act.ACKNOWLEDGE: claims.acknowledge,
    Act.ACCEPT_CLAIM: claims.accept_claim,
    Act.CONTEST: claims.contest,
    Act.MODIFY_CLAIM: claims.modify_claim,
    Act.WITHDRAW: claims.withdraw,
    Act.MAKE_OFFER: offers.make_offer,
    Act.MAKE_COUNTER_OFFER: offers.make_counter_offer,
    Act.ACCEPT_OFFER: offers.accept_offer,
    Act.REJECT_OFFER: offers.reject_offer,
    Act.REJECT_COUNTER_OFFER: offers.reject_counter_offer,
    Act.REVOKE_OFFER: offers.revoke_offer,
    Act.PLACE_BID: bids.place_bid,
    Act.REQUEST_INTERVENTION: hearings.request_intervention,
    Act.SEND_MESSAGE: messages.send_message,
    Act.SUBMIT_EXHIBIT: exhibits.submit_exhibit,
    Act.ANSWER_EXHIBIT: exhibits.answer_exhibit,
    Act.RELEASE_EXHIBIT: exhibits.release_exhibit,
    Act.DISCLOSE: neutrals.disclose,
    Act.SEND_CAUCUS_MESSAGE: messages.send_caucus_message,
    Act.PROPOSE_TERMS: proposals.propose_terms,
    Act.ACCEPT_PROPOSAL: proposals.accept_proposal,
    Act.REJECT_PROPOSAL: proposals.reject_proposal,
    Act.DECLARE_IMPASSE: hearings.declare_impasse,
    Act.REQUEST_ARBITRATION: hearings.request_arbitration,
    Act.CONSENT: hearings.consent,
    Act.DECLINE_CONSENT: hearings.decline_consent,
    Act.REQUEST_INFORMATION: information.request_information,
    Act.ANSWER_REQUEST: information.answer_request,
    Act.REST: hearings.rest,
    Act.CLOSE_RECORD: hearings.close_record,
    Act.RULE: rulings.rule,
    Act.REQUEST_CORRECTION: corrections.request_correction,
    Act.CORRECT_RULING: corrections.correct_ruling,
    Act.WAIVE_APPEAL: rulings.waive_appeal,
    Act.APPEAL: appeals.appeal,
    Act.AFFIRM_RULING: appeals.affirm_ruling,
    Act.VARY_RULING: appeals.vary_ruling,
    Act.SET_ASIDE_RULING: appeals.set_aside_ruling,
}

CONSEQUENCES: Final[dict[Act, Consequence]] = {
    Act.NOTE_SILENCE: claims.note_silence,
    Act.GRANT_BY_DEFAULT: claims.grant_by_default,
    Act.DECIDE_ON_PAPERS: claims.decide_on_papers,
    Act.LET_DEFAULT_STAND: claims.let_default_stand,
    Act.LAPSE_OFFER: offers.lapse_offer,
    Act.CLOSE_BID_ROUND: bids.close_bid_round,
    Act.END_NEGOTIATION: hearings.end_negotiation,
    Act.APPOINT_MEDIATOR: neutrals.appoint_mediator,
    Act.APPOINT_ARBITRATOR: neutrals.appoint_arbitrator,
    Act.REPLACE_NEUTRAL: neutrals.replace_neutral,
    Act.CLOSE_EVIDENCE: neutrals.close_evidence,
    Act.CLOSE_ANSWERS: neutrals.close_answers,
    Act.END_MEDIATION: hearings.end_mediation,
    Act.EXPIRE_REQUEST: information.expire_request,
    Act.CLOSE_RECORD: hearings.close_record_in_time,
    Act.REPLACE_ARBITRATOR: rulings.replace_arbitrator,
    Act.GRANT_WITHOUT_RECOURSE: rulings.grant_without_recourse,
    Act.LET_RULING_STAND: rulings.let_ruling_stand,
    Act.RECORD_PAYMENT: performance.record_payment,
    Act.RAISE_PAYOUT_ALARM: performance.raise_payout_alarm,
    Act.END_PERFORMANCE: performance.end_performance,
    Act.CLOSE_OVERDUE: performance.close_overdue,
}

WITHIN: Final = {
    Act.SETTLE_BY_BIDS,
    Act.SETTLE_BY_PROPOSAL,
    Act.FAIL_PROPOSAL,
    Act.MAKE_FINAL,
    Act.COMPLETE,
}
"""Consequences that the act which brings them about does itself, in the same transaction."""

NOT_IMPLEMENTED: Final = frozenset(
    {
        Act.FILE_COUNTERCLAIM,
        Act.REQUEST_SET_ASIDE,
        Act.GRANT_SET_ASIDE,
        Act.REFUSE_SET_ASIDE,
        Act.REPORT_MESSAGE,
        Act.HIDE_MESSAGE,
        Act.REQUEST_STATEMENT,
        Act.GIVE_STATEMENT,
        Act.REMIND,
        Act.COMMIT_DRAW,
        Act.STEP_DOWN,
        Act.OBJECT_TO_NEUTRAL,
        Act.SUSTAIN_OBJECTION,
        Act.OVERRULE_OBJECTION,
        Act.GIVE_RETURN_ADDRESS,
        Act.USE_PLATFORM_ADDRESS,
        Act.SHIP_RETURN,
        Act.LAPSE_RETURN,
        Act.RECORD_DELIVERY,
        Act.RECORD_LOSS,
        Act.CONFIRM_RETURN,
        Act.PASS_INSPECTION,
        Act.PASS_BY_SILENCE,
        Act.CONTEST_RETURN,
        Act.RULE_ON_RETURN,
        Act.SETTLE_RETURN,
        Act.SHIP_REPLACEMENT,
        Act.CONFIRM_REPLACEMENT,
        Act.ACCEPT_REPLACEMENT,
        Act.SEND_FOR_REPAIR,
        Act.REPORT_REPAIR,
        Act.RETURN_REPAIRED,
        Act.ISSUE_COUPON,
        Act.CHANGE_VALIDITY,
        Act.TURN_INTO_REFUND,
        Act.OBJECT_TO_SETTLEMENT,
        Act.REQUEST_EXTENSION,
        Act.AGREE_TO_EXTENSION,
        Act.EXTEND,
        Act.STAY,
        Act.RESUME,
        Act.END_STAY,
        Act.REPORT_PROCEEDINGS,
        Act.CLOSE_FOR_PROCEEDINGS,
        Act.DISMISS,
        Act.OVERTURN_DISMISSAL,
        Act.UPHOLD_DISMISSAL,
        Act.LET_DISMISSAL_STAND,
        Act.REQUEST_REVIEW,
        Act.RATE,
    }
)


def offered(act: Act) -> bool:
    """Whether people can do this act today."""
    return act in PEOPLE and table.people(act)
