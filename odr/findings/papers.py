"""What a document says, as its giver typed it, against the carrier's scans and the order."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from odr import money, tracking
from odr.findings.kinds import Finding, FindingKind, Ground, GroundName, Strength
from odr.findings.subject import Parcel, Subject
from odr.money import Money
from odr.words import ExhibitKind

_K: Final = FindingKind
_LONG: Final = timedelta(days=1)


def _number(subject: Subject) -> Iterator[Finding]:
    voucher = subject.voucher
    if voucher is None or voucher.tracking_number is None:
        return
    parcel = _parcel(subject)
    carrier = voucher.carrier or (parcel.carrier if parcel else "") or _only_carrier(subject)
    verdict = tracking.check(carrier, voucher.tracking_number)
    said = Ground(GroundName.SAID, voucher.tracking_number)
    if verdict.check is tracking.Check.FAILS:
        by = (Ground(GroundName.CARRIER, carrier),) if carrier else ()
        yield Finding(_K.NUMBER_FAILS, Strength.FAIR, (said, *by))
    if parcel is None and subject.parcels:
        known = tuple(Ground(GroundName.ORDERED, p.tracking_number) for p in subject.parcels)
        yield Finding(_K.NUMBER_UNKNOWN, Strength.FAIR, (said, *known))


def _only_carrier(subject: Subject) -> str:
    carriers = {parcel.carrier for parcel in subject.parcels}
    return carriers.pop() if len(carriers) == 1 else ""


def _parcel(subject: Subject) -> Parcel | None:
    """The shipment that a document is about: by its number, or the only one if it has none."""
    voucher = subject.voucher
    if voucher is not None and voucher.tracking_number is not None:
        number = tracking.plain(voucher.tracking_number)
        same = [p for p in subject.parcels if tracking.plain(p.tracking_number) == number]
        return same[0] if same else None
    back = subject.kind is ExhibitKind.RETURN_LABEL
    there = [parcel for parcel in subject.parcels if parcel.back is back]
    return there[0] if len(there) == 1 else None


def _delivery(subject: Subject) -> Iterator[Finding]:
    voucher, parcel = subject.voucher, _parcel(subject)
    if voucher is None or parcel is None:
        return
    if voucher.delivered_at is not None:
        said = Ground(GroundName.SAID, at=voucher.delivered_at)
        if parcel.delivered_at is None:
            yield Finding(_K.NOT_DELIVERED, Strength.FAIR, (said,))
        elif abs(parcel.delivered_at - voucher.delivered_at) > _LONG:
            reported = Ground(GroundName.REPORTED, at=parcel.delivered_at)
            yield Finding(_K.DELIVERY_DIFFERS, Strength.FAIR, (said, reported))
    if voucher.shipped_at is not None and parcel.shipped_at is not None:
        differing = abs(parcel.shipped_at - voucher.shipped_at)
        if differing > 2 * _LONG:
            grounds = (
                Ground(GroundName.SAID, at=voucher.shipped_at),
                Ground(GroundName.REPORTED, at=parcel.shipped_at),
            )
            yield Finding(_K.SHIPMENT_DIFFERS, Strength.SLIGHT, grounds)
    told = voucher.place if subject.kind in _DELIVERY_PLACES else None
    if told and parcel.place and not alike(told, parcel.place):
        grounds = (Ground(GroundName.SAID, told), Ground(GroundName.REPORTED, parcel.place))
        yield Finding(_K.PLACE_DIFFERS, Strength.SLIGHT, grounds)


_DELIVERY_PLACES: Final = frozenset({ExhibitKind.PROOF_OF_DELIVERY, ExhibitKind.TRACKING_RECORD})
_NAMED: Final = frozenset(
    {
        ExhibitKind.PROOF_OF_DELIVERY,
        ExhibitKind.WAYBILL,
        ExhibitKind.TRACKING_RECORD,
        ExhibitKind.COMMERCIAL_INVOICE,
        ExhibitKind.PROOF_OF_PURCHASE,
        ExhibitKind.RETURN_LABEL,
    }
)


def _recipient(subject: Subject) -> Iterator[Finding]:
    voucher = subject.voucher
    if voucher is None or voucher.recipient is None or subject.kind not in _NAMED:
        return
    parcel = _parcel(subject)
    back = subject.kind is ExhibitKind.RETURN_LABEL or (parcel is not None and parcel.back)
    name = subject.purchase.seller if back else subject.purchase.buyer
    if name and not alike(voucher.recipient, name):
        # The order's own name is known to both sides; it is not repeated here.
        yield Finding(
            _K.RECIPIENT_DIFFERS, Strength.SLIGHT, (Ground(GroundName.SAID, voucher.recipient),)
        )


_WORD: Final = re.compile(r"\w+")
_WORD_MIN: Final = 3


def alike(one: str, other: str) -> bool:
    """Whether two spellings of a name or a place share a word, or cannot be compared.

    Scripts that write no spaces between words share a word if one stands in the other.
    """
    words = [
        {word.casefold() for word in _WORD.findall(text) if len(word) >= _WORD_MIN}
        for text in (one, other)
    ]
    if not words[0] or not words[1]:
        return True
    inside = any(a in b or b in a for a in words[0] for b in words[1])
    return inside or one.isascii() != other.isascii()


_TOTALLED: Final = frozenset(
    {
        ExhibitKind.COMMERCIAL_INVOICE,
        ExhibitKind.PROOF_OF_PURCHASE,
        ExhibitKind.CUSTOMS_DECLARATION,
    }
)


def _totals(subject: Subject) -> Iterator[Finding]:
    voucher, purchase = subject.voucher, subject.purchase
    if voucher is None or subject.kind not in _TOTALLED:
        return
    amount, currency = voucher.amount_minor, voucher.currency
    if amount is not None and currency in money.EXPONENTS:
        grounds = (
            Ground(GroundName.SAID, _money(amount, currency)),
            Ground(GroundName.ORDERED, _money(purchase.total_minor, purchase.currency)),
        )
        if currency != purchase.currency:
            yield Finding(_K.CURRENCY_DIFFERS, Strength.SLIGHT, grounds)
        elif amount not in purchase.totals:
            yield Finding(_K.TOTAL_DIFFERS, Strength.FAIR, grounds)


def _money(amount_minor: int, currency: str) -> str:
    return f"{Money(amount_minor, currency).decimal} {currency}"


def _order(subject: Subject) -> Iterator[Finding]:
    voucher = subject.voucher
    if voucher is None or voucher.order_reference is None:
        return
    said, known = (_bare(text) for text in (voucher.order_reference, subject.purchase.reference))
    if said != known:
        grounds = (
            Ground(GroundName.SAID, voucher.order_reference),
            Ground(GroundName.ORDERED, subject.purchase.reference),
        )
        yield Finding(_K.ORDER_DIFFERS, Strength.SLIGHT, grounds)


def _bare(reference: str) -> str:
    return "".join(_WORD.findall(reference)).casefold()


RULES: Final = (_number, _delivery, _recipient, _totals, _order)
