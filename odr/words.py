"""The words of a dispute: who stands where, what happened, what is asked for, how it ended.

Every value is what the database, the API, the record and the rulebook spell; every
``meaning`` is the English sentence for people, and the key of its translation. The module
knows no order, no rulebook and no procedure: which remedy a reason allows, or what evidence
it asks for, is the rulebook's.
"""

from enum import StrEnum
from typing import Final, Self


class Word(StrEnum):
    """A value of a closed list, with its sentence for people."""

    meaning: str

    def __new__(cls, value: str, meaning: str = "") -> Self:
        """Make the member ``value`` and hang its sentence on it.

        The default is for type checkers, which take ``Word("value")``, a look-up, for this.
        """
        word = str.__new__(cls, value)
        word._value_ = value
        word.meaning = meaning
        return word

    @property
    def title(self) -> str:  # type: ignore[override]  # a word's title, not str.title()
        """The short label: ``not_received`` reads "Not received"."""
        return self.value.replace("_", " ").capitalize()


class Side(Word):
    """Where one stands in a case."""

    CLAIMANT = "claimant", "The side that filed the claim."
    RESPONDENT = "respondent", "The side that answers the claim."
    NEUTRAL = "neutral", "A mediator or an arbitrator, on neither side."

    @property
    def letter(self) -> str:
        """The letter before the number of an exhibit: A-1, B-1, N-1."""
        return {"claimant": "A", "respondent": "B", "neutral": "N"}[self.value]

    @property
    def other(self) -> "Side":
        """The opposite side; a neutral has none (``ValueError``)."""
        if self is Side.NEUTRAL:
            raise ValueError("a neutral has no opposite side")
        return Side.RESPONDENT if self is Side.CLAIMANT else Side.CLAIMANT


class Party(Word):
    """Who one is in the trade."""

    BUYER = "buyer", "The person who bought."
    SELLER = "seller", "The shop or person who sold."

    @property
    def other(self) -> "Party":
        """The other end of the trade."""
        return Party.SELLER if self is Party.BUYER else Party.BUYER


class Reason(Word):
    """What the claimant says happened."""

    CHANGE_OF_MIND = "change_of_mind", "I changed my mind within the return window."
    PRODUCT_RECALL = "product_recall", "The product was recalled."
    NOT_RECEIVED = "not_received", "It never arrived."
    LATE = "late", "It arrived late."
    NOT_AS_DESCRIBED = "not_as_described", "It is not what the listing described."
    DEFECTIVE = "defective", "It does not work, or stopped working."
    DAMAGED_IN_TRANSIT = "damaged_in_transit", "It was damaged on the way."
    WRONG_ITEM = "wrong_item", "I got a different item from the one I ordered."
    MISSING_PARTS = "missing_parts", "Something was missing from the parcel."
    COUNTERFEIT = "counterfeit", "It is a counterfeit."
    CHARGED_WRONGLY = "charged_wrongly", "I was charged a wrong amount, or twice."
    REFUND_NOT_PAID = "refund_not_paid", "I was promised a refund that never came."
    RETURN_REFUSED = "return_refused", "The seller refused a return that I am entitled to."
    WARRANTY_REFUSED = "warranty_refused", "The seller refused a repair under warranty."
    CUSTOMS_CHARGE = "customs_charge", "I had to pay customs that were not in the price."
    VIRTUAL_NOT_DELIVERED = (
        "virtual_not_delivered",
        "The code, download or account was never delivered.",
    )
    VIRTUAL_NOT_WORKING = (
        "virtual_not_working",
        "The code, download or account does not work or is not valid.",
    )
    SERVICE_NOT_PROVIDED = "service_not_provided", "The service was not provided."
    RETURN_NOT_SENT = "return_not_sent", "The buyer was refunded but never sent the item back."
    RETURN_ALTERED = "return_altered", "The item came back used, altered or exchanged."

    @property
    def filer(self) -> Party:
        """Who may file for this reason."""
        return Party.SELLER if self in SELLER_REASONS else Party.BUYER


SELLER_REASONS: Final = frozenset({Reason.RETURN_NOT_SENT, Reason.RETURN_ALTERED})
BUYER_REASONS: Final = frozenset(Reason) - SELLER_REASONS


class Remedy(Word):
    """What can be asked for, offered, proposed, agreed or ruled."""

    FULL_REFUND = "full_refund", "The buyer gets all of the money back."
    PARTIAL_REFUND = "partial_refund", "The buyer keeps the goods and gets part of the money back."
    REFUND_ON_RETURN = (
        "refund_on_return",
        "The buyer sends the goods back and then gets the money back.",
    )
    REFUND_WITHOUT_RETURN = (
        "refund_without_return",
        "The buyer gets the money back and need not send the goods back.",
    )
    REPLACEMENT = "replacement", "The seller sends the same item again."
    REPAIR = "repair", "The item is repaired."
    MISSING_PARTS = "missing_parts", "The seller sends what was missing."
    COUPON = "coupon", "The buyer gets a coupon for a later purchase."
    EXCHANGE = "exchange", "The item is exchanged for another one; the difference is settled."
    EXTENSION = "extension", "The validity is extended, or the dates are changed."
    COMPENSATION = "compensation", "The buyer is compensated for a loss."
    RELEASE_TO_SELLER = "release_to_seller", "The money that was held goes to the seller."


class ExhibitKind(Word):
    """What an item of evidence is."""

    WAYBILL = "waybill", "The carrier's waybill or consignment note."
    TRACKING_RECORD = "tracking_record", "The carrier's record of where the parcel was and when."
    PROOF_OF_DELIVERY = "proof_of_delivery", "The carrier's proof that the parcel was handed over."
    DELIVERY_PHOTO = "delivery_photo", "A photo taken at the delivery."
    CUSTOMS_DECLARATION = "customs_declaration", "The declaration made to customs."
    COMMERCIAL_INVOICE = "commercial_invoice", "The invoice that went with the goods."
    PACKING_LIST = "packing_list", "The list of what was packed."
    CERTIFICATE_OF_ORIGIN = "certificate_of_origin", "A certificate of where the goods were made."
    PRODUCT_CERTIFICATE = "product_certificate", "A certificate of conformity or authenticity."
    INSPECTION_REPORT = "inspection_report", "The report of an inspection before shipment."
    PROOF_OF_PURCHASE = "proof_of_purchase", "A receipt or a proof of payment."
    LISTING_SNAPSHOT = "listing_snapshot", "The listing as it was shown at purchase."
    PRODUCT_PHOTO = "product_photo", "A photo of the product."
    PACKAGING_PHOTO = "packaging_photo", "A photo of the parcel and its label."
    UNBOXING_VIDEO = "unboxing_video", "A video of the parcel being opened."
    CHAT_LOG = "chat_log", "What buyer and seller wrote to each other."
    WARRANTY = "warranty", "The warranty and its terms."
    REPAIR_REPORT = "repair_report", "A repairer's report."
    ACTIVATION_LOG = "activation_log", "The record of a code or account being sent or used."
    RETURN_LABEL = "return_label", "The label or receipt of a return."
    RETURN_INSPECTION = "return_inspection", "What was found when a return was inspected."
    STATEMENT = "statement", "What somebody says happened, in writing."
    OTHER = "other", "Something else."


class Outcome(Word):
    """How a closed case ended."""

    SETTLED = "settled", "The parties agreed."
    RULED = "ruled", "An arbitrator decided."
    DEFAULTED = "defaulted", "One side was silent, and the rulebook's default took effect."
    WITHDRAWN = "withdrawn", "The claimant took the claim back."
    DISMISSED = "dismissed", "The claim was dismissed."
    LAPSED = "lapsed", "No decision came in time, and the rulebook decided."


class Peril(Word):
    """What an insurance cover covers."""

    LOSS = "loss", "The goods were lost on the way."
    DAMAGE = "damage", "The goods were damaged on the way."
    DELAY = "delay", "The goods came too late."
    NON_DELIVERY = "non_delivery", "The goods were never delivered."
    RETURN_FREIGHT = "return_freight", "The freight of a return had to be paid."
    SELLER_INSOLVENCY = "seller_insolvency", "The seller cannot pay."
