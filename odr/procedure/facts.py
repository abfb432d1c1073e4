"""What must hold in a case before an act: named facts, and which act requires which.

A fact may refuse an act but never bend where it leads. Each fact's sentence is what a person is
told when it does not hold. How a fact is read from the tables stands in ``odr.facts``.
"""

from typing import Final

from odr.procedure.acts import Act
from odr.words import Word


class Fact(Word):
    """Something that holds, or does not, for one case and one viewer's side."""

    NOT_ACKNOWLEDGED = "not_acknowledged", "The claim was acknowledged already."
    MODIFICATIONS_LEFT = "modifications_left", "The claim was changed as often as is allowed."
    NO_COUNTERCLAIM_YET = "no_counterclaim_yet", "There is a counterclaim already."
    DEFAULT_GRANTABLE = (
        "default_grantable",
        "A default needs a silent seller and the minimum evidence of the claim's reason.",
    )
    DEFAULT_NOT_GRANTABLE = "default_not_grantable", "The request can be granted by default."
    SET_ASIDE_LEFT = "set_aside_left", "Setting aside was asked for already."
    SET_ASIDE_REQUESTED = "set_aside_requested", "Nobody asked for the default to be set aside."

    EXHIBITS_LEFT = "exhibits_left", "Your side has given as many exhibits as is allowed."
    EVIDENCE_WINDOW_OPEN = "evidence_window_open", "The window for evidence is over."
    EXHIBIT_TO_ANSWER = "exhibit_to_answer", "There is no exhibit of the other side to answer."
    WALLED_EXHIBIT = "walled_exhibit", "You gave no exhibit in mediation that is not released."
    MESSAGE_TO_REPORT = "message_to_report", "There is no message of somebody else to report."
    MESSAGE_REPORTED = "message_reported", "No message was reported."
    STATEMENT_OPEN = "statement_open", "No statement is asked for."
    REMINDER_LEFT = "reminder_left", "There is nobody to remind, or you did so already."

    OFFERS_LEFT = "offers_left", "You have as many open offers as is allowed."
    NO_COUNTER_OFFER_YET = "no_counter_offer_yet", "You answered the claim with an offer already."
    OPEN_OFFER_FROM_OTHER_SIDE = (
        "open_offer_from_other_side",
        "There is no open offer from the other side.",
    )
    OTHER_OPEN_OFFER = (
        "other_open_offer",
        "There is no open offer that can be rejected in this way.",
    )
    OPEN_COUNTER_OFFER = "open_counter_offer", "There is no open counter-offer to the claim."
    OWN_OPEN_OFFER = "own_open_offer", "You have no open offer."
    BID_ROUND_OPEN = "bid_round_open", "No round of sealed bids is open to you."
    BIDS_MEET = "bids_meet", "The sealed bids do not meet."

    NEUTRAL_WANTED = "neutral_wanted", "A neutral is seated already."
    NEUTRAL_SEATED = "neutral_seated", "No neutral is seated yet."
    DISCLOSURE_DUE = "disclosure_due", "You made your declaration already."
    DISCLOSED = "disclosed", "Declare your interests first."
    OBJECTION_OPEN = "objection_open", "The time to object is over, or you did so already."
    OBJECTION_PENDING = "objection_pending", "There is no objection to decide."

    NO_OPEN_PROPOSAL = "no_open_proposal", "A proposal is open already."
    PROPOSAL_TO_ANSWER = "proposal_to_answer", "There is no proposal for you to answer."
    PROPOSAL_ACCEPTED = "proposal_accepted", "The proposal was not accepted by both sides."
    PROPOSAL_REFUSED = "proposal_refused", "The proposal is not answered by both sides yet."
    PROPOSAL_FAILED = "proposal_failed", "The mediator's proposal comes first."

    CONSENT_OPEN = "consent_open", "You said already whether you agree to be bound."
    REQUESTS_LEFT = "requests_left", "As many requests for information were made as is allowed."
    REQUEST_TO_ANSWER = "request_to_answer", "Nothing is asked of you."
    NOT_RESTED = "not_rested", "You said already that you have nothing to add."
    CORRECTION_OPEN = "correction_open", "The time to ask for a correction is over."
    CORRECTION_NOT_ASKED = "correction_not_asked", "You asked for a correction already."
    APPEAL_NOT_WAIVED = "appeal_not_waived", "You waived the appeal already."
    BOTH_WAIVED = "both_waived", "Not both sides waived the appeal."

    RETURN_DUE = "return_due", "No return is due."
    RETURN_ADDRESS_DUE = "return_address_due", "No return address is due."
    SHIPMENT_UNDER_WAY = "shipment_under_way", "No shipment is under way."
    RETURN_DELIVERED = "return_delivered", "The return has not arrived."
    REPLACEMENT_DUE = "replacement_due", "No replacement is due."
    REPLACEMENT_DELIVERED = "replacement_delivered", "The replacement has not arrived."
    REPAIR_DUE = "repair_due", "No repair is due."
    REPAIR_UNDER_WAY = "repair_under_way", "No repair is under way."
    REPAIR_DONE = "repair_done", "The repair is not reported as done."
    COUPON_DUE = "coupon_due", "No coupon is due."
    CHANGE_DUE = "change_due", "No change of validity or dates is due."
    OBLIGATION_OVERDUE = "obligation_overdue", "Nothing is overdue."
    PAYMENT_DUE = "payment_due", "No payment is due."
    ALL_PERFORMED = "all_performed", "Not everything is carried out yet."
    SETTLEMENT_OPEN_TO_INSURER = "settlement_open_to_insurer", "The time to object is over."

    EXTENSIONS_LEFT = "extensions_left", "Windows were extended as often as is allowed."
    EXTENSION_REQUESTED = "extension_requested", "The other side did not ask for more time."
    NOT_STAYED = "not_stayed", "The case is paused."
    STAYED = "stayed", "The case is not paused."
    REVIEW_LEFT = "review_left", "A review was asked for already."
    REVIEW_REQUESTED = "review_requested", "Nobody asked for a review."
    NOT_RATED = "not_rated", "You told us already how satisfied you are."


_A, _F = Act, Fact

REQUIRES: Final[dict[Act, tuple[Fact, ...]]] = {
    _A.ACKNOWLEDGE: (_F.NOT_ACKNOWLEDGED,),
    _A.NOTE_SILENCE: (_F.NOT_ACKNOWLEDGED,),
    _A.MODIFY_CLAIM: (_F.MODIFICATIONS_LEFT,),
    _A.FILE_COUNTERCLAIM: (_F.NO_COUNTERCLAIM_YET,),
    _A.GRANT_BY_DEFAULT: (_F.DEFAULT_GRANTABLE,),
    _A.DECIDE_ON_PAPERS: (_F.DEFAULT_NOT_GRANTABLE,),
    _A.REQUEST_SET_ASIDE: (_F.SET_ASIDE_LEFT,),
    _A.GRANT_SET_ASIDE: (_F.SET_ASIDE_REQUESTED,),
    _A.REFUSE_SET_ASIDE: (_F.SET_ASIDE_REQUESTED,),
    _A.SUBMIT_EXHIBIT: (_F.EXHIBITS_LEFT, _F.EVIDENCE_WINDOW_OPEN),
    _A.ANSWER_EXHIBIT: (_F.EXHIBIT_TO_ANSWER,),
    _A.RELEASE_EXHIBIT: (_F.WALLED_EXHIBIT,),
    _A.REPORT_MESSAGE: (_F.MESSAGE_TO_REPORT,),
    _A.HIDE_MESSAGE: (_F.MESSAGE_REPORTED,),
    _A.GIVE_STATEMENT: (_F.STATEMENT_OPEN,),
    _A.REMIND: (_F.REMINDER_LEFT,),
    _A.MAKE_OFFER: (_F.OFFERS_LEFT,),
    _A.MAKE_COUNTER_OFFER: (_F.NO_COUNTER_OFFER_YET,),
    _A.ACCEPT_OFFER: (_F.OPEN_OFFER_FROM_OTHER_SIDE,),
    _A.REJECT_OFFER: (_F.OTHER_OPEN_OFFER,),
    _A.REJECT_COUNTER_OFFER: (_F.OPEN_COUNTER_OFFER,),
    _A.REVOKE_OFFER: (_F.OWN_OPEN_OFFER,),
    _A.PLACE_BID: (_F.BID_ROUND_OPEN,),
    _A.SETTLE_BY_BIDS: (_F.BIDS_MEET,),
    _A.APPOINT_MEDIATOR: (_F.NEUTRAL_WANTED,),
    _A.APPOINT_ARBITRATOR: (_F.NEUTRAL_WANTED,),
    _A.COMMIT_DRAW: (_F.NEUTRAL_WANTED,),
    _A.DISCLOSE: (_F.DISCLOSURE_DUE,),
    _A.OBJECT_TO_NEUTRAL: (_F.OBJECTION_OPEN,),
    _A.SUSTAIN_OBJECTION: (_F.OBJECTION_PENDING,),
    _A.OVERRULE_OBJECTION: (_F.OBJECTION_PENDING,),
    _A.REPLACE_NEUTRAL: (_F.NEUTRAL_SEATED,),
    _A.SEND_CAUCUS_MESSAGE: (_F.NEUTRAL_SEATED,),
    _A.PROPOSE_TERMS: (_F.DISCLOSED, _F.NO_OPEN_PROPOSAL),
    _A.ACCEPT_PROPOSAL: (_F.PROPOSAL_TO_ANSWER,),
    _A.REJECT_PROPOSAL: (_F.PROPOSAL_TO_ANSWER,),
    _A.SETTLE_BY_PROPOSAL: (_F.PROPOSAL_ACCEPTED,),
    _A.FAIL_PROPOSAL: (_F.PROPOSAL_REFUSED,),
    _A.DECLARE_IMPASSE: (_F.DISCLOSED,),
    _A.REQUEST_ARBITRATION: (_F.PROPOSAL_FAILED,),
    _A.CONSENT: (_F.CONSENT_OPEN,),
    _A.DECLINE_CONSENT: (_F.CONSENT_OPEN,),
    _A.REQUEST_INFORMATION: (_F.DISCLOSED, _F.REQUESTS_LEFT),
    _A.ANSWER_REQUEST: (_F.REQUEST_TO_ANSWER,),
    _A.REST: (_F.NOT_RESTED,),
    _A.RULE: (_F.DISCLOSED,),
    _A.REQUEST_CORRECTION: (_F.CORRECTION_OPEN, _F.CORRECTION_NOT_ASKED),
    _A.CORRECT_RULING: (_F.CORRECTION_OPEN,),
    _A.WAIVE_APPEAL: (_F.APPEAL_NOT_WAIVED,),
    _A.MAKE_FINAL: (_F.BOTH_WAIVED,),
    _A.APPEAL: (_F.APPEAL_NOT_WAIVED,),
    _A.AFFIRM_RULING: (_F.DISCLOSED,),
    _A.VARY_RULING: (_F.DISCLOSED,),
    _A.SET_ASIDE_RULING: (_F.DISCLOSED,),
    _A.GIVE_RETURN_ADDRESS: (_F.RETURN_ADDRESS_DUE,),
    _A.USE_PLATFORM_ADDRESS: (_F.RETURN_ADDRESS_DUE,),
    _A.SHIP_RETURN: (_F.RETURN_DUE,),
    _A.LAPSE_RETURN: (_F.RETURN_DUE,),
    _A.RECORD_DELIVERY: (_F.SHIPMENT_UNDER_WAY,),
    _A.RECORD_LOSS: (_F.SHIPMENT_UNDER_WAY,),
    _A.CONFIRM_RETURN: (_F.SHIPMENT_UNDER_WAY,),
    _A.PASS_INSPECTION: (_F.RETURN_DELIVERED,),
    _A.PASS_BY_SILENCE: (_F.RETURN_DELIVERED,),
    _A.CONTEST_RETURN: (_F.RETURN_DELIVERED,),
    _A.RULE_ON_RETURN: (_F.DISCLOSED,),
    _A.SHIP_REPLACEMENT: (_F.REPLACEMENT_DUE,),
    _A.CONFIRM_REPLACEMENT: (_F.REPLACEMENT_DELIVERED,),
    _A.ACCEPT_REPLACEMENT: (_F.REPLACEMENT_DELIVERED,),
    _A.SEND_FOR_REPAIR: (_F.REPAIR_DUE,),
    _A.REPORT_REPAIR: (_F.REPAIR_UNDER_WAY,),
    _A.RETURN_REPAIRED: (_F.REPAIR_DONE,),
    _A.ISSUE_COUPON: (_F.COUPON_DUE,),
    _A.CHANGE_VALIDITY: (_F.CHANGE_DUE,),
    _A.TURN_INTO_REFUND: (_F.OBLIGATION_OVERDUE,),
    _A.RECORD_PAYMENT: (_F.PAYMENT_DUE,),
    _A.RAISE_PAYOUT_ALARM: (_F.PAYMENT_DUE,),
    _A.COMPLETE: (_F.ALL_PERFORMED,),
    _A.OBJECT_TO_SETTLEMENT: (_F.SETTLEMENT_OPEN_TO_INSURER,),
    _A.REQUEST_EXTENSION: (_F.EXTENSIONS_LEFT,),
    _A.AGREE_TO_EXTENSION: (_F.EXTENSION_REQUESTED,),
    _A.EXTEND: (_F.EXTENSIONS_LEFT, _F.DISCLOSED),
    _A.STAY: (_F.NOT_STAYED,),
    _A.RESUME: (_F.STAYED,),
    _A.END_STAY: (_F.STAYED,),
    _A.REQUEST_REVIEW: (_F.REVIEW_LEFT,),
    _A.OVERTURN_DISMISSAL: (_F.REVIEW_REQUESTED,),
    _A.UPHOLD_DISMISSAL: (_F.REVIEW_REQUESTED,),
    _A.RATE: (_F.NOT_RATED,),
}
"""What an act requires besides its row, in the order in which a refusal names it."""
