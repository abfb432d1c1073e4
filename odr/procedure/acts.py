"""Who acts, where a case stands, what can be done: the nouns and verbs of the procedure.

Every role, state, stage and act carries its sentence for people. The module knows no table: which
role may do what in which state stands in ``odr.procedure.table``.
"""

from enum import StrEnum
from typing import Self

from odr.words import Outcome, Word

__all__ = ["Act", "Outcome", "Role", "Stage", "State"]


class Role(Word):
    """In which capacity somebody acts in a case; one person may hold several at once."""

    CLAIMANT = "claimant", "The side that filed the claim."
    RESPONDENT = "respondent", "The side that answers the claim."
    BUYER = "buyer", "The side that bought."
    SELLER = "seller", "The side that sold."
    MEDIATOR = "mediator", "A neutral who helps both sides to agree."
    ARBITRATOR = "arbitrator", "A neutral who decides."
    ADMINISTRATOR = "administrator", "The operator of the service."
    INSURER = "insurer", "An organisation that covers a loss in this case."
    THIRD_PARTY = "third_party", "A carrier, maker or payment provider asked for a statement."
    CLOCK = "clock", "A window has run out."
    SERVICE = "service", "A consequence, in the same instant as the act that brought it about."


class Stage(Word):
    """The part of the procedure that people see."""

    NEGOTIATION = "negotiation", "Both sides look for an agreement."
    MEDIATION = "mediation", "A mediator helps them to agree."
    ARBITRATION = "arbitration", "An arbitrator decides."
    PERFORMANCE = "performance", "What was agreed or decided is carried out."
    CLOSED = "closed", "The case is over."


class State(StrEnum):
    """Where exactly a case stands; each state belongs to one stage."""

    stage: Stage
    meaning: str

    FILED = "filed", Stage.NEGOTIATION, "The claim is filed; the other side is asked to answer."
    NEGOTIATING = "negotiating", Stage.NEGOTIATION, "Both sides look for an agreement."
    INADMISSIBLE = (
        "inadmissible",
        Stage.NEGOTIATION,
        "The claim was dismissed on grounds; either side may have that reviewed.",
    )
    MEDIATING = "mediating", Stage.MEDIATION, "A mediator helps both sides to agree."
    HEARING = "hearing", Stage.ARBITRATION, "The arbitrator hears both sides; the record is open."
    DELIBERATING = "deliberating", Stage.ARBITRATION, "The record is closed; a ruling is due."
    DELIBERATING_AGAIN = (
        "deliberating_again",
        Stage.ARBITRATION,
        "A second arbitrator decides on the same record.",
    )
    RULED = "ruled", Stage.ARBITRATION, "The ruling is known and may still be appealed."
    APPEALED = "appealed", Stage.ARBITRATION, "Another arbitrator decides for good."
    DEFAULTED = (
        "defaulted",
        Stage.PERFORMANCE,
        "The request was granted because no answer came; it can be set aside for cause.",
    )
    PERFORMING = "performing", Stage.PERFORMANCE, "What was agreed or decided is carried out."
    RETURN_CONTESTED = (
        "return_contested",
        Stage.PERFORMANCE,
        "The condition of the return is disputed; an arbitrator decides about that only.",
    )
    COMPLETING = "completing", Stage.PERFORMANCE, "Only payments are left."
    CLOSED = "closed", Stage.CLOSED, "The case is over."

    def __new__(cls, value: str, stage: Stage = Stage.CLOSED, meaning: str = "") -> Self:
        """Make the member ``value`` with its stage and its sentence."""
        state = str.__new__(cls, value)
        state._value_ = value
        state.stage = stage
        state.meaning = meaning
        return state


class Act(Word):
    """What can be done; the same word names function, mutation, form and record entry."""

    # the claim
    FILE = "file", "File a claim."
    ACKNOWLEDGE = "acknowledge", "Say that you have seen the claim."
    ACCEPT_CLAIM = "accept_claim", "Give the claimant what the claim asks for."
    CONTEST = "contest", "Say why you disagree with the claim."
    MODIFY_CLAIM = "modify_claim", "Change what you claim."
    FILE_COUNTERCLAIM = "file_counterclaim", "File a claim of your own on the same order."
    WITHDRAW = "withdraw", "Take the claim back; the case is closed."
    NOTE_SILENCE = "note_silence", "The claim was not acknowledged in time; that is noted."
    GRANT_BY_DEFAULT = "grant_by_default", "The request takes effect because no answer came."
    DECIDE_ON_PAPERS = "decide_on_papers", "An arbitrator decides on the papers, without an answer."
    REQUEST_SET_ASIDE = "request_set_aside", "Ask for the default to be set aside, for cause."
    GRANT_SET_ASIDE = "grant_set_aside", "Set the default aside; the case goes on."
    REFUSE_SET_ASIDE = "refuse_set_aside", "Refuse to set the default aside."
    LET_DEFAULT_STAND = "let_default_stand", "The default stands; it is carried out."

    # talking and showing
    SEND_MESSAGE = "send_message", "Write to everybody in the case."
    REPORT_MESSAGE = "report_message", "Report an abusive message."
    HIDE_MESSAGE = "hide_message", "Hide an abusive message; the record keeps it."
    SUBMIT_EXHIBIT = "submit_exhibit", "Add an item of evidence."
    ANSWER_EXHIBIT = "answer_exhibit", "Answer an item of evidence."
    RELEASE_EXHIBIT = "release_exhibit", "Let the arbitrator see an exhibit given in mediation."
    REQUEST_STATEMENT = "request_statement", "Ask a third party for a statement."
    GIVE_STATEMENT = "give_statement", "Give the statement you were asked for."
    REMIND = "remind", "Remind the other side, once for each clock."

    # offers
    MAKE_OFFER = "make_offer", "Offer terms to the other side."
    MAKE_COUNTER_OFFER = "make_counter_offer", "Offer other terms in answer to the claim."
    ACCEPT_OFFER = "accept_offer", "Accept the offer; the case is settled on its terms."
    REJECT_OFFER = "reject_offer", "Reject the offer; the case goes on."
    REJECT_COUNTER_OFFER = (
        "reject_counter_offer",
        "Reject the counter-offer to your claim; the case goes to mediation.",
    )
    REVOKE_OFFER = "revoke_offer", "Take your offer back."
    LAPSE_OFFER = "lapse_offer", "The offer was not answered in time and lapses."
    PLACE_BID = "place_bid", "Place a sealed bid that nobody sees unless the bids meet."
    CLOSE_BID_ROUND = "close_bid_round", "The round of sealed bids is over."
    SETTLE_BY_BIDS = "settle_by_bids", "The sealed bids meet; the case is settled."
    REQUEST_INTERVENTION = "request_intervention", "Ask for a mediator."
    END_NEGOTIATION = "end_negotiation", "Negotiation ran out of time; the case goes to mediation."

    # neutrals
    COMMIT_DRAW = "commit_draw", "The list for the draw is fixed before the draw."
    APPOINT_MEDIATOR = "appoint_mediator", "A mediator is appointed."
    APPOINT_ARBITRATOR = "appoint_arbitrator", "An arbitrator is appointed."
    DISCLOSE = "disclose", "Declare your interests, or that you have none, and take the seat."
    STEP_DOWN = "step_down", "Give the seat back; another neutral is appointed."
    OBJECT_TO_NEUTRAL = "object_to_neutral", "Object to the neutral, with the reason."
    SUSTAIN_OBJECTION = "sustain_objection", "Sustain the objection; another neutral is appointed."
    OVERRULE_OBJECTION = "overrule_objection", "Overrule the objection."
    REPLACE_NEUTRAL = "replace_neutral", "The neutral was silent; the next one is appointed."

    # mediation
    SEND_CAUCUS_MESSAGE = (
        "send_caucus_message",
        "Write in confidence, between one side and mediator.",
    )
    PROPOSE_TERMS = "propose_terms", "Propose terms to both sides."
    ACCEPT_PROPOSAL = "accept_proposal", "Accept the mediator's proposal."
    REJECT_PROPOSAL = "reject_proposal", "Reject the mediator's proposal."
    SETTLE_BY_PROPOSAL = "settle_by_proposal", "Both sides accepted; the case is settled."
    FAIL_PROPOSAL = "fail_proposal", "The proposal was not accepted by both sides."
    CLOSE_EVIDENCE = "close_evidence", "The window for evidence is over."
    CLOSE_ANSWERS = "close_answers", "The window for answers to evidence is over."
    DECLARE_IMPASSE = "declare_impasse", "Say that mediation failed; the case goes to arbitration."
    REQUEST_ARBITRATION = "request_arbitration", "Ask for a decision by an arbitrator."
    END_MEDIATION = "end_mediation", "Mediation ran out of time; the case goes to arbitration."

    # arbitration
    CONSENT = "consent", "Agree to be bound by the ruling."
    DECLINE_CONSENT = (
        "decline_consent",
        "Do not agree to be bound; the ruling binds the seller only.",
    )
    REQUEST_INFORMATION = "request_information", "Ask a side for information or evidence."
    ANSWER_REQUEST = "answer_request", "Answer what the arbitrator asked."
    EXPIRE_REQUEST = "expire_request", "The arbitrator's request was not answered in time."
    REST = "rest", "Say that you have nothing to add."
    CLOSE_RECORD = "close_record", "Close the record; the ruling is made on it."
    RULE = "rule", "Issue the ruling."
    REPLACE_ARBITRATOR = "replace_arbitrator", "No ruling came in time; another arbitrator decides."
    GRANT_WITHOUT_RECOURSE = (
        "grant_without_recourse",
        "No ruling came in time again; the operator pays the buyer and bears it.",
    )
    REQUEST_CORRECTION = "request_correction", "Ask for a slip in the ruling to be corrected."
    CORRECT_RULING = "correct_ruling", "Correct a slip in the ruling."
    WAIVE_APPEAL = "waive_appeal", "Say that you will not appeal."
    MAKE_FINAL = "make_final", "Both sides waived the appeal; the ruling is final."
    APPEAL = "appeal", "Have another arbitrator look at the ruling, once."
    AFFIRM_RULING = "affirm_ruling", "Affirm the ruling, for good."
    VARY_RULING = "vary_ruling", "Vary the ruling, for good."
    SET_ASIDE_RULING = "set_aside_ruling", "Set the ruling aside and decide anew, for good."
    LET_RULING_STAND = "let_ruling_stand", "The ruling is final and is carried out."

    # performance
    GIVE_RETURN_ADDRESS = "give_return_address", "Give address and label for the return."
    USE_PLATFORM_ADDRESS = "use_platform_address", "The platform's return address is used."
    SHIP_RETURN = "ship_return", "Send the goods back, with the tracking number."
    LAPSE_RETURN = "lapse_return", "The return was not sent; the money goes to the seller."
    RECORD_DELIVERY = "record_delivery", "The carrier reports a delivery."
    RECORD_LOSS = "record_loss", "The shipment did not arrive within the transit limit."
    CONFIRM_RETURN = "confirm_return", "Confirm that the return arrived."
    PASS_INSPECTION = "pass_inspection", "Accept the condition of the return."
    PASS_BY_SILENCE = "pass_by_silence", "No inspection came in time; the return is accepted."
    CONTEST_RETURN = "contest_return", "Dispute the condition of the return."
    RULE_ON_RETURN = "rule_on_return", "Decide about the return."
    SETTLE_RETURN = "settle_return", "No decision came in time; the return is accepted."
    SHIP_REPLACEMENT = "ship_replacement", "Send the replacement or the missing parts."
    CONFIRM_REPLACEMENT = (
        "confirm_replacement",
        "Confirm that the replacement arrived and is right.",
    )
    ACCEPT_REPLACEMENT = "accept_replacement", "No word came; the replacement counts as accepted."
    SEND_FOR_REPAIR = "send_for_repair", "Send the goods to the repairer."
    REPORT_REPAIR = "report_repair", "Say that the goods are repaired."
    RETURN_REPAIRED = "return_repaired", "Send the repaired goods back."
    ISSUE_COUPON = "issue_coupon", "Issue the coupon."
    CHANGE_VALIDITY = "change_validity", "Extend the validity, or change the dates."
    TURN_INTO_REFUND = "turn_into_refund", "It was not done in time and turns into a refund."
    RECORD_PAYMENT = "record_payment", "A payment was executed."
    RAISE_PAYOUT_ALARM = "raise_payout_alarm", "A payment is overdue; the administrator is told."
    OBJECT_TO_SETTLEMENT = "object_to_settlement", "Object, as insurer, to being bound by it."
    END_PERFORMANCE = "end_performance", "What was not done turns into its default."
    COMPLETE = "complete", "Everything is carried out; the case is closed."
    CLOSE_OVERDUE = "close_overdue", "The case is closed; a payment that is due stays due."

    # windows, stays, other proceedings, closing
    REQUEST_EXTENSION = "request_extension", "Ask the other side for more time."
    AGREE_TO_EXTENSION = "agree_to_extension", "Agree to more time."
    EXTEND = "extend", "Extend a window, with the reason."
    STAY = "stay", "Pause the case and its clocks, with the reason."
    RESUME = "resume", "Go on; the clocks run again."
    END_STAY = "end_stay", "The longest stay is over; the clocks run again."
    REPORT_PROCEEDINGS = "report_proceedings", "Report a chargeback or a court action."
    CLOSE_FOR_PROCEEDINGS = "close_for_proceedings", "Close the case: another body decides."
    DISMISS = "dismiss", "Dismiss the claim as inadmissible, with grounds."
    OVERTURN_DISMISSAL = "overturn_dismissal", "Overturn the dismissal; an arbitrator decides."
    UPHOLD_DISMISSAL = "uphold_dismissal", "Uphold the dismissal."
    LET_DISMISSAL_STAND = "let_dismissal_stand", "Nobody asked for a review; the case is closed."
    REQUEST_REVIEW = "request_review", "Have the dismissal reviewed by a neutral from outside."
    RATE = "rate", "Say how satisfied you are."
