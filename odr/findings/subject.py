"""What the rules for findings look at: an exhibit, and all that it is compared with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from evidence.credentials import Credentials
from odr.vouchers import Voucher
from odr.words import ExhibitKind, Party


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A shipment of the order as its carrier reports it; ``spot`` in degrees, where it is known."""

    carrier: str
    tracking_number: str
    back: bool = False
    shipped_at: datetime | None = None
    delivered_at: datetime | None = None
    place: str = ""
    spot: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """What was bought; ``totals`` are all amounts that a document may rightly tell."""

    reference: str
    currency: str
    total_minor: int
    totals: frozenset[int]
    buyer: str
    seller: str


@dataclass(frozen=True, slots=True)
class Reuse:
    """What other cases have of the file: the very bytes, or a hash so many bits away.

    ``often``: so many have the very bytes that it is everybody's.
    """

    same: bool = False
    often: bool = False
    distance: int | None = None


@dataclass(frozen=True, slots=True)
class Challenge:
    """A code that a neutral asked to be shown, and when it was made."""

    code: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """An exhibit and all that it is compared with. ``party`` is None for a neutral's."""

    kind: ExhibitKind
    party: Party | None
    media_type: str
    given_at: datetime
    purchase: Purchase
    facts: Mapping[str, Any] = field(default_factory=dict)
    credentials: Credentials | None = None
    voucher: Voucher | None = None
    parcels: tuple[Parcel, ...] = ()
    reuse: Reuse = Reuse()
    challenge: Challenge | None = None

    @property
    def exif(self) -> Mapping[str, Any]:
        """What the camera wrote."""
        found: Mapping[str, Any] = self.facts.get("exif", {})
        return found


PHOTOS: Final = frozenset(
    {
        ExhibitKind.DELIVERY_PHOTO,
        ExhibitKind.PRODUCT_PHOTO,
        ExhibitKind.PACKAGING_PHOTO,
        ExhibitKind.UNBOXING_VIDEO,
        ExhibitKind.RETURN_INSPECTION,
    }
)
"""What is a picture of something, and not of a document: only these are compared by looks."""
