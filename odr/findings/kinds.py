"""Findings: what can be computed about an exhibit, with its grounds and with its limits.

A finding is shown to both sides beside the exhibit, and either may answer it. It decides nothing:
nobody's claim is refused and no clock moves because of one. Each says on which facts it stands
(``grounds``), what it does not show (``limits``), and how much it weighs at most (``strength``).
Metadata are easily changed and clocks go wrong, so nothing that stands on them alone is strong.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from odr.words import Word


class FindingKind(Word):
    """What is found; the sentence says it to people."""

    SAME_FILE_ELSEWHERE = "same_file_elsewhere", "This very file was given in another case too."
    ALIKE_ELSEWHERE = (
        "alike_elsewhere",
        "A picture that looks almost the same was given in another case too.",
    )
    TAKEN_BEFORE_DELIVERY = (
        "taken_before_delivery",
        "By its own data it was taken before the parcel was delivered.",
    )
    TAKEN_AFTER_SHIPMENT = (
        "taken_after_shipment",
        "By its own data it was taken after the carrier had the parcel.",
    )
    TAKEN_AT_ANOTHER_TIME = (
        "taken_at_another_time",
        "By its own data it was not taken when the parcel was delivered.",
    )
    TAKEN_AFTER_GIVEN = "taken_after_given", "By its own data it was taken after it was given here."
    TIME_FITS = "time_fits", "The time in its data fits the carrier's scans."
    TAKEN_ELSEWHERE = (
        "taken_elsewhere",
        "By its own data it was taken far from the place of delivery.",
    )
    PLACE_FITS = "place_fits", "The place in its data is the place of delivery."
    EDITED = "edited", "Its data name a program that edits pictures."
    SCREENSHOT = "screenshot", "It looks like a screenshot and not like a camera's picture."
    NO_CAMERA_DATA = "no_camera_data", "It carries no data of the camera that took it."
    CREDENTIALS_HOLD = "credentials_hold", "Its content credentials hold."
    CREDENTIALS_BROKEN = "credentials_broken", "Its content credentials do not hold."
    CREDENTIALS_ABSENT = "credentials_absent", "It carries no content credentials."
    GENERATED = "generated", "Its content credentials say that a trained model made it or a part."
    NUMBER_FAILS = "number_fails", "The check digit of the tracking number does not fit."
    NUMBER_UNKNOWN = "number_unknown", "No shipment of this order has this tracking number."
    NOT_DELIVERED = (
        "not_delivered",
        "The document tells of a delivery that the carrier has not reported.",
    )
    DELIVERY_DIFFERS = "delivery_differs", "Document and carrier tell different days of delivery."
    SHIPMENT_DIFFERS = "shipment_differs", "Document and carrier tell different days of shipment."
    PLACE_DIFFERS = "place_differs", "Document and carrier tell different places of delivery."
    RECIPIENT_DIFFERS = "recipient_differs", "The document names another recipient than the order."
    TOTAL_DIFFERS = "total_differs", "The document's total is not the order's."
    CURRENCY_DIFFERS = "currency_differs", "The document's currency is not the order's."
    ORDER_DIFFERS = "order_differs", "The document names another order."
    NOT_STANDARD = (
        "not_standard",
        "It says that it is a document of EPCIS events, and does not follow that standard.",
    )
    ANSWERS_CHALLENGE = (
        "answers_challenge",
        "It was given in answer to a neutral's request for a picture that shows a code.",
    )
    OLDER_THAN_CHALLENGE = (
        "older_than_challenge",
        "By its own data it was taken before the code that it should show was made.",
    )


_K: Final = FindingKind
_METADATA: Final = (
    "A file's own data can be changed without a trace, and a camera's clock may be wrong."
)
_TYPED: Final = "The giver typed what the document says; the file itself is what counts."

LIMITS: Final[Mapping[FindingKind, str]] = {
    _K.SAME_FILE_ELSEWHERE: (
        "It does not show who gave it there, or why: a seller may rightly show one product's"
        " picture in many cases. What is given elsewhere later is not looked at."
    ),
    _K.ALIKE_ELSEWHERE: (
        "Two pictures of one kind of thing, or of a carrier's form, can look alike. It does not"
        " show who gave the other one. Cropped, turned or mirrored copies are not found."
    ),
    _K.TAKEN_BEFORE_DELIVERY: _METADATA,
    _K.TAKEN_AFTER_SHIPMENT: _METADATA,
    _K.TAKEN_AT_ANOTHER_TIME: _METADATA,
    _K.TAKEN_AFTER_GIVEN: "A clock that is set wrong explains it.",
    _K.TIME_FITS: _METADATA,
    _K.TAKEN_ELSEWHERE: (
        "A file's own data can be changed without a trace. Goods may be opened or photographed"
        " elsewhere than where they were delivered, which is the last place that a tracking"
        " document names."
    ),
    _K.PLACE_FITS: "A file's own data can be changed without a trace.",
    _K.EDITED: (
        "It does not show what was changed: turning, cropping and brightening are edits too. An"
        " edited picture need not name a program."
    ),
    _K.SCREENSHOT: (
        "Its size and its missing data suggest it. A chat or a tracking page is rightly shown by"
        " a screenshot."
    ),
    _K.NO_CAMERA_DATA: "Messengers and many websites remove these data from every picture.",
    _K.CREDENTIALS_HOLD: (
        "They show that the file was not changed since it was signed, not that what it shows is"
        " true. Unless the signer is trusted, anybody may have signed it."
    ),
    _K.CREDENTIALS_BROKEN: (
        "It does not show who changed the file or what was changed: a program that only shrinks"
        " pictures breaks them too."
    ),
    _K.CREDENTIALS_ABSENT: "Few cameras write any, and many websites remove them.",
    _K.GENERATED: (
        "It stands on what the credentials say. A picture without credentials may be made by a"
        " model as well."
    ),
    _K.NUMBER_FAILS: f"A slip in typing explains it. {_TYPED}",
    _K.NUMBER_UNKNOWN: f"The marketplace may not have registered every shipment. {_TYPED}",
    _K.NOT_DELIVERED: f"A carrier's scan may be missing. {_TYPED}",
    _K.DELIVERY_DIFFERS: f"A carrier may scan late. {_TYPED}",
    _K.SHIPMENT_DIFFERS: f"A label may be printed days before the carrier's first scan. {_TYPED}",
    _K.PLACE_DIFFERS: f"One place can be written in many ways. {_TYPED}",
    _K.RECIPIENT_DIFFERS: (
        "Family, neighbours and companies take parcels in; names are written in many ways."
        f" {_TYPED}"
    ),
    _K.TOTAL_DIFFERS: f"Part deliveries, taxes and discounts explain differences. {_TYPED}",
    _K.CURRENCY_DIFFERS: f"Customs and banks write in their own currency. {_TYPED}",
    _K.ORDER_DIFFERS: f"Shops number orders in their own way. {_TYPED}",
    _K.NOT_STANDARD: "A program that writes such documents carelessly explains it.",
    _K.ANSWERS_CHALLENGE: "Whether the picture shows the code, and how, is for people to see.",
    _K.OLDER_THAN_CHALLENGE: _METADATA,
}
"""What each kind of finding does not show."""


class Strength(Word):
    """How much a finding weighs at most."""

    SLIGHT = "slight", "Says little by itself."
    FAIR = "fair", "Worth an explanation."
    STRONG = "strong", "Hard to explain otherwise."


class GroundName(Word):
    """What a ground is."""

    TAKEN = "taken", "Taken, by its own data"
    TAKEN_LATEST = "taken_latest", "Taken at the latest, its zone being unknown"
    TAKEN_EARLIEST = "taken_earliest", "Taken at the earliest, its zone being unknown"
    GIVEN = "given", "Given here"
    SHIPPED = "shipped", "The carrier's first scan"
    DELIVERED = "delivered", "The carrier's scan of the delivery"
    CODE_MADE = "code_made", "The code was made"
    CODE = "code", "The code"
    DISTANCE = "distance", "Distance"
    PROGRAM = "program", "Program"
    SIZE = "size", "Size in pixels"
    SIGNER = "signer", "Signed by"
    FAILS = "fails", "What does not hold"
    SAID = "said", "The document says"
    REPORTED = "reported", "The carrier says"
    ORDERED = "ordered", "The order says"
    CARRIER = "carrier", "Carrier"
    DIFFERING = "differing", "Bits of the picture's hash that differ, of 64"


@dataclass(frozen=True, slots=True)
class Ground:
    """A fact on which a finding stands: a text, or an instant."""

    name: GroundName
    text: str | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that was computed about an exhibit."""

    kind: FindingKind
    strength: Strength
    grounds: tuple[Ground, ...] = ()

    @property
    def sentence(self) -> str:
        """The English sentence for people; the key of its translation."""
        return self.kind.meaning

    @property
    def limits(self) -> str:
        """What it does not show, in English; the key of its translation."""
        return LIMITS[self.kind]
