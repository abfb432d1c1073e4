"""The closed lists of states that tables hold, besides those of the procedure."""

from odr.words import Word


class OrganisationKind(Word):
    """What an organisation is to the service."""

    MARKETPLACE = "marketplace", "Registers orders and sends its buyers and sellers here."
    SELLER = "seller", "Sells on a marketplace."
    INSURER = "insurer", "Covers losses."
    OPERATOR = "operator", "Runs this service."


class NeutralKind(Word):
    """What a neutral on the roster may be appointed as."""

    MEDIATOR = "mediator", "Helps both sides to agree."
    ARBITRATOR = "arbitrator", "Decides."


class Direction(Word):
    """Where a shipment goes."""

    OUTBOUND = "outbound", "From the seller to the buyer."
    RETURN = "return", "Back to the seller."
    REPLACEMENT = "replacement", "A replacement on its way to the buyer."


class Channel(Word):
    """Who can read an act, and in which stream of the vault its entry lies."""

    RECORD = "record", "Everybody in the case."
    MEDIATION = "mediation", "Both sides and the mediator."
    CLAIMANT_CAUCUS = "claimant_caucus", "The claimant and the mediator."
    RESPONDENT_CAUCUS = "respondent_caucus", "The respondent and the mediator."


class OfferState(Word):
    """What became of an offer."""

    OPEN = "open", "Waits for an answer."
    ACCEPTED = "accepted", "Was accepted; the case is settled on it."
    REJECTED = "rejected", "Was rejected."
    REVOKED = "revoked", "Was taken back."
    LAPSED = "lapsed", "Was not answered in time."
    SUPERSEDED = "superseded", "The case went on another way."


class BidState(Word):
    """What became of a sealed bid."""

    SEALED = "sealed", "Waits for the other side's bid, or for the end of the round."
    MET = "met", "Met the other side's bid; the case is settled."
    DESTROYED = "destroyed", "Was destroyed unseen."


class ProposalState(Word):
    """What became of a mediator's proposal."""

    OPEN = "open", "Waits for both sides."
    ACCEPTED = "accepted", "Both sides accepted."
    FAILED = "failed", "Not both sides accepted."


class RulingKind(Word):
    """What a ruling says of the claim."""

    GRANTED = "granted", "The claim is granted."
    GRANTED_IN_PART = "granted_in_part", "The claim is granted in part."
    DISMISSED = "dismissed", "The claim is dismissed."


class AppealGround(Word):
    """On what a ruling may be appealed."""

    NEW_EVIDENCE = "new_evidence", "There is evidence that the ruling could not be made on."
    PROCEDURAL_DEFECT = "procedural_defect", "The procedure was not kept to."


class AppealDecision(Word):
    """What became of a ruling on appeal."""

    AFFIRMED = "affirmed", "The ruling is affirmed."
    VARIED = "varied", "The ruling is varied."
    SET_ASIDE = "set_aside", "The ruling is set aside and the claim decided anew."


class ClockState(Word):
    """What became of a clock."""

    RUNNING = "running", "Runs."
    STAYED = "stayed", "Is paused."
    STOPPED = "stopped", "Was stopped by the act that it awaited."
    FIRED = "fired", "Ran out."


class ObligationState(Word):
    """What became of an obligation."""

    DUE = "due", "Is to be done."
    DONE = "done", "Is done."
    LAPSED = "lapsed", "Is not owed any more."


class OutboxState(Word):
    """What became of a row in the outbox."""

    DUE = "due", "Is to be done."
    DONE = "done", "Is done."
    DEAD = "dead", "Was given up after many tries; the administrator is told."


class PayoutState(Word):
    """Where a payout stands; each is committed before the step that follows it."""

    PLANNED = "planned", "Granted; nothing was sent yet."
    HELD = "held", "The money is set apart."
    AWAITING_APPROVAL = "awaiting_approval", "A second person has to approve it."
    SUBMITTING = "submitting", "Being sent; whether the rail has it is unknown."
    SUBMITTED = "submitted", "The rail has it."
    PAID = "paid", "The rail says that it is paid; it may still be returned."
    REJECTED = "rejected", "The rail refused it; the money is back and stays due."
    RETURNED = "returned", "The bank sent it back; the money is back and stays due."


class InsuranceState(Word):
    """Where an insurance claim stands."""

    NOTIFIED = "notified", "The insurer was told of the loss."
    UNDER_REVIEW = "under_review", "The insurer looks at it."
    INFORMATION_REQUESTED = "information_requested", "The insurer asked for more."
    APPROVED = "approved", "The insurer pays what was claimed."
    APPROVED_IN_PART = "approved_in_part", "The insurer pays a part."
    DENIED = "denied", "The insurer does not pay."
    PAID = "paid", "The insurer has paid."
    CLOSED = "closed", "Nothing more is to be done."


SETTLED = (InsuranceState.PAID, InsuranceState.DENIED, InsuranceState.CLOSED)
"""The insurance claims that an insurer finds among its settled ones."""

COUNTED = frozenset({Channel.RECORD, Channel.MEDIATION})
"""The channels whose acts count in a case's version: everybody reads it; it betrays no caucus."""


class ErasureState(Word):
    """How far an erasure has come."""

    ASKED = "asked", "Waits for a second person."
    GRANTED = "granted", "It is in the record, and being done."
    DONE = "done", "It is gone for good."
    DECLINED = "declined", "It was not granted."


class RetentionClass(Word):
    """How long a closed case is kept, by how it ended; the rulebook says how many years."""

    INSURED = "insured", "An insurer was asked to pay."
    PAID = "paid", "Money moved."
    UNPAID = "unpaid", "It ended, and nothing was paid."


class Keeping(Word):
    """What is entered in a case's record beside the procedure: it moves no case."""

    ERASE_EXHIBIT = "erase_exhibit", "An exhibit was erased."
    PLACE_LEGAL_HOLD = "place_legal_hold", "A legal hold was placed: nothing may be erased."
    LIFT_LEGAL_HOLD = "lift_legal_hold", "A legal hold was lifted."
