"""What a notice tells, in a sentence each: the acts as they were done, and a few other things.

``Act.meaning`` says what one can do, these say that it was done, to somebody who was not there.
Each is the key of its translation. None names a person, an amount or what anybody said.
"""

from typing import Final

from odr.procedure.acts import Act
from odr.words import Word

_A = Act

DONE: Final[dict[Act, str]] = {
    _A.FILE: "A claim was filed.",
    _A.ACKNOWLEDGE: "The other side has seen the claim.",
    _A.ACCEPT_CLAIM: "The claim was accepted; the case is settled.",
    _A.CONTEST: "The claim was contested.",
    _A.MODIFY_CLAIM: "The claim was changed.",
    _A.FILE_COUNTERCLAIM: "A counterclaim was filed.",
    _A.WITHDRAW: "The claim was taken back; the case is closed.",
    _A.NOTE_SILENCE: "The claim was not acknowledged in time; that was noted.",
    _A.GRANT_BY_DEFAULT: "The request took effect because no answer came.",
    _A.DECIDE_ON_PAPERS: "No answer came; an arbitrator decides on the papers.",
    _A.REQUEST_SET_ASIDE: "Setting the default aside was asked for.",
    _A.GRANT_SET_ASIDE: "The default was set aside; the case goes on.",
    _A.REFUSE_SET_ASIDE: "The default was not set aside; it is carried out.",
    _A.LET_DEFAULT_STAND: "The default stands and is carried out.",
    _A.SEND_MESSAGE: "There is a new message.",
    _A.REPORT_MESSAGE: "A message was reported.",
    _A.HIDE_MESSAGE: "A message was hidden; the record keeps it.",
    _A.SUBMIT_EXHIBIT: "There is a new exhibit.",
    _A.ANSWER_EXHIBIT: "An exhibit was answered.",
    _A.RELEASE_EXHIBIT: "An exhibit from mediation was released to the arbitrator.",
    _A.REQUEST_STATEMENT: "A third party was asked for a statement.",
    _A.GIVE_STATEMENT: "A third party has given a statement.",
    _A.REMIND: "The other side reminds you.",
    _A.MAKE_OFFER: "There is a new offer.",
    _A.MAKE_COUNTER_OFFER: "There is a counter-offer to the claim.",
    _A.ACCEPT_OFFER: "An offer was accepted; the case is settled.",
    _A.REJECT_OFFER: "An offer was rejected.",
    _A.REJECT_COUNTER_OFFER: "The counter-offer was rejected; the case goes to mediation.",
    _A.REVOKE_OFFER: "An offer was taken back.",
    _A.LAPSE_OFFER: "An offer was not answered in time and has lapsed.",
    _A.PLACE_BID: "A sealed bid was placed.",
    _A.CLOSE_BID_ROUND: "The round of sealed bids is over.",
    _A.SETTLE_BY_BIDS: "The sealed bids met; the case is settled.",
    _A.REQUEST_INTERVENTION: "A mediator was asked for; the case goes to mediation.",
    _A.END_NEGOTIATION: "Negotiation ran out of time; the case goes to mediation.",
    _A.COMMIT_DRAW: "The list for the draw of a neutral was fixed.",
    _A.APPOINT_MEDIATOR: "A mediator was appointed.",
    _A.APPOINT_ARBITRATOR: "An arbitrator was appointed.",
    _A.DISCLOSE: "The neutral has declared their interests and taken the seat.",
    _A.STEP_DOWN: "The neutral has stepped down; another one is appointed.",
    _A.OBJECT_TO_NEUTRAL: "The neutral was objected to.",
    _A.SUSTAIN_OBJECTION: "The objection was sustained; another neutral is appointed.",
    _A.OVERRULE_OBJECTION: "The objection was overruled.",
    _A.REPLACE_NEUTRAL: "The neutral was silent and is replaced.",
    _A.SEND_CAUCUS_MESSAGE: "There is a new message in confidence.",
    _A.PROPOSE_TERMS: "The mediator has proposed terms.",
    _A.ACCEPT_PROPOSAL: "The proposal was accepted.",
    _A.REJECT_PROPOSAL: "The proposal was rejected.",
    _A.SETTLE_BY_PROPOSAL: "Both sides accepted the proposal; the case is settled.",
    _A.FAIL_PROPOSAL: "The proposal was not accepted by both sides.",
    _A.CLOSE_EVIDENCE: "The window for evidence is over; the one for answers is open.",
    _A.CLOSE_ANSWERS: "The window for answers to evidence is over.",
    _A.DECLARE_IMPASSE: "Mediation has failed; the case goes to arbitration.",
    _A.REQUEST_ARBITRATION: "A decision was asked for; the case goes to arbitration.",
    _A.END_MEDIATION: "Mediation ran out of time; the case goes to arbitration.",
    _A.CONSENT: "A side has agreed to be bound by the ruling.",
    _A.DECLINE_CONSENT: "A side has not agreed to be bound by the ruling.",
    _A.REQUEST_INFORMATION: "The arbitrator asks for information.",
    _A.ANSWER_REQUEST: "The arbitrator's request was answered.",
    _A.EXPIRE_REQUEST: "The arbitrator's request was not answered in time.",
    _A.REST: "A side has nothing to add.",
    _A.CLOSE_RECORD: "The record is closed; the ruling is made on it.",
    _A.RULE: "The ruling is issued.",
    _A.REPLACE_ARBITRATOR: "No ruling came in time; another arbitrator decides.",
    _A.GRANT_WITHOUT_RECOURSE: "No ruling came in time again; the operator pays the buyer.",
    _A.REQUEST_CORRECTION: "A correction of the ruling was asked for.",
    _A.CORRECT_RULING: "A slip in the ruling was corrected.",
    _A.WAIVE_APPEAL: "A side will not appeal.",
    _A.MAKE_FINAL: "The ruling is final and is carried out.",
    _A.APPEAL: "The ruling was appealed; another arbitrator decides for good.",
    _A.AFFIRM_RULING: "The ruling was affirmed, for good.",
    _A.VARY_RULING: "The ruling was varied, for good.",
    _A.SET_ASIDE_RULING: "The ruling was set aside and decided anew, for good.",
    _A.LET_RULING_STAND: "The ruling is final and is carried out.",
    _A.GIVE_RETURN_ADDRESS: "The address and label for the return are there.",
    _A.USE_PLATFORM_ADDRESS: "The return goes to the platform's address.",
    _A.SHIP_RETURN: "The return is on its way.",
    _A.LAPSE_RETURN: "The return was not sent in time; the money goes to the seller.",
    _A.RECORD_DELIVERY: "The carrier reports a delivery.",
    _A.RECORD_LOSS: "A shipment did not arrive in time and counts as lost.",
    _A.CONFIRM_RETURN: "The return has arrived.",
    _A.PASS_INSPECTION: "The condition of the return was accepted.",
    _A.PASS_BY_SILENCE: "No inspection came in time; the return is accepted.",
    _A.CONTEST_RETURN: "The condition of the return is disputed.",
    _A.RULE_ON_RETURN: "The return was decided about.",
    _A.SETTLE_RETURN: "No decision came in time; the return is accepted.",
    _A.SHIP_REPLACEMENT: "The replacement is on its way.",
    _A.CONFIRM_REPLACEMENT: "The replacement has arrived and is right.",
    _A.ACCEPT_REPLACEMENT: "No word came; the replacement counts as accepted.",
    _A.SEND_FOR_REPAIR: "The goods are on their way to the repairer.",
    _A.REPORT_REPAIR: "The goods are repaired.",
    _A.RETURN_REPAIRED: "The repaired goods are on their way back.",
    _A.ISSUE_COUPON: "The coupon was issued.",
    _A.CHANGE_VALIDITY: "The validity or the dates were changed.",
    _A.TURN_INTO_REFUND: "It was not done in time and turns into a refund.",
    _A.RECORD_PAYMENT: "A payment was executed.",
    _A.RAISE_PAYOUT_ALARM: "A payment is overdue; the administrator was told.",
    _A.OBJECT_TO_SETTLEMENT: "The insurer objects to being bound by the settlement.",
    _A.END_PERFORMANCE: "What was not done in time turns into its default.",
    _A.COMPLETE: "Everything is carried out; the case is closed.",
    _A.CLOSE_OVERDUE: "The case is closed; a payment that is due stays due.",
    _A.REQUEST_EXTENSION: "The other side asks for more time.",
    _A.AGREE_TO_EXTENSION: "More time was agreed to.",
    _A.EXTEND: "A window was extended.",
    _A.STAY: "The case is paused.",
    _A.RESUME: "The case goes on; the clocks run again.",
    _A.END_STAY: "The longest pause is over; the clocks run again.",
    _A.REPORT_PROCEEDINGS: "A chargeback or a court action was reported.",
    _A.CLOSE_FOR_PROCEEDINGS: "The case is closed: another body decides.",
    _A.DISMISS: "The claim was dismissed as inadmissible.",
    _A.OVERTURN_DISMISSAL: "The dismissal was overturned; an arbitrator decides.",
    _A.UPHOLD_DISMISSAL: "The dismissal was upheld; the case is closed.",
    _A.LET_DISMISSAL_STAND: "Nobody asked for a review; the case is closed.",
    _A.REQUEST_REVIEW: "A review of the dismissal was asked for.",
    _A.RATE: "A side has said how satisfied it is.",
}
"""Every act as it is told once it is done."""


class Other(Word):
    """What is told beside the acts of a case, to an organisation's people or to the parties."""

    GIVEN_UP = "given_up", "The service has given something up after many tries."
    PAYOUT_AWAITS_APPROVAL = "payout_awaits_approval", "A payment waits for a second person."
    PAYOUT_TO_MAKE = "payout_to_make", "A payment is to be made by hand."
    PAYOUT_REJECTED = "payout_rejected", "A payment was refused; it stays due."
    PAYOUT_RETURNED = "payout_returned", "A payment came back; it stays due."
    PAYOUT_PAID_TWICE = "payout_paid_twice", "A payment may have been made twice."
    PAYOUT_CONTRADICTED = "payout_contradicted", "What a bank says of a payment does not fit."
    INSURANCE_CLAIM_NOTIFIED = "insurance_claim_notified", "A loss that you cover was notified."
    INSURANCE_FUND_SHORT = "insurance_fund_short", "An insurer's fund does not cover a reserve."
    INSURANCE_CLAIM_DECIDED = "insurance_claim_decided", "Your insurer has decided a claim."
    INSURANCE_CLAIM_PAID = "insurance_claim_paid", "Your insurer has paid a claim."
    EXHIBIT_ERASED = "exhibit_erased", "An exhibit was erased; the record says when and why."
    LEGAL_HOLD_PLACED = (
        "legal_hold_placed",
        "A legal hold was placed: nothing of the case is erased while it stands.",
    )
    LEGAL_HOLD_LIFTED = "legal_hold_lifted", "A legal hold was lifted."


UNKNOWN: Final = "There is something new."
"""What is told of a kind that has no sentence."""


def sentence(kind: str) -> str:
    """The English sentence for a notice's ``kind``."""
    return _BY_KIND.get(kind, UNKNOWN)


_BY_KIND: Final = {act.value: said for act, said in DONE.items()} | {
    other.value: other.meaning for other in Other
}
