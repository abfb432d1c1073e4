"""Vouchers: what a document says of itself, typed by whoever gives it, shown beside its file.

Each kind of exhibit has its own fields; all are optional, and none is believed: what a document
says is compared with the order and the carrier's scans by ``odr.findings``. So a date that
cannot be, or a tracking number whose check digit fails, is kept as it is written; only what is
no date or no number at all is refused, with its path and a code.

Codes of ``Invalid``: those of ``odr.bounds``, ``not_for_kind``, ``currency_missing``,
``amount_missing`` and ``empty``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any, Final

from odr import bounds
from odr.bounds import Path
from odr.errors import Invalid
from odr.words import ExhibitKind

WEIGHT_GRAMS_MAX: Final = 100_000_000
NOTE_MAX: Final = 500
_LINE_MAX: Final = 200
_NUMBER_MAX: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Voucher:
    """A document's own facts; instants are aware of their zone, the amount is its total."""

    issuer: str | None = None
    number: str | None = None
    issued: date | None = None
    carrier: str | None = None
    service: str | None = None
    tracking_number: str | None = None
    shipped_at: datetime | None = None
    delivered_at: datetime | None = None
    sent_from: str | None = None
    place: str | None = None
    sender: str | None = None
    recipient: str | None = None
    weight_grams: int | None = None
    customs_number: str | None = None
    order_reference: str | None = None
    amount_minor: int | None = None
    currency: str | None = None
    note: str | None = None


PAPER: Final = frozenset({"issuer", "number", "issued", "place", "note"})
"""What any document may say of itself."""

_PARCEL: Final = frozenset({"carrier", "service", "tracking_number", "weight_grams"})
_ROUTE: Final = frozenset({"shipped_at", "sent_from", "sender", "recipient"})
_HANDOVER: Final = frozenset({"delivered_at", "recipient"})
_TRADE: Final = frozenset({"order_reference", "amount_minor", "currency", "recipient", "sender"})
_K: Final = ExhibitKind

FIELDS: Final[Mapping[ExhibitKind, frozenset[str]]] = {
    _K.WAYBILL: PAPER | _PARCEL | _ROUTE | {"customs_number", "order_reference"},
    _K.TRACKING_RECORD: PAPER | _PARCEL | _ROUTE | _HANDOVER,
    _K.PROOF_OF_DELIVERY: PAPER | _PARCEL | _ROUTE | _HANDOVER,
    _K.DELIVERY_PHOTO: PAPER | _PARCEL | _HANDOVER,
    _K.CUSTOMS_DECLARATION: PAPER | _PARCEL | _ROUTE | _TRADE | {"customs_number"},
    _K.COMMERCIAL_INVOICE: PAPER | _PARCEL | _TRADE | {"customs_number"},
    _K.PACKING_LIST: PAPER | _PARCEL | _ROUTE | {"order_reference"},
    _K.CERTIFICATE_OF_ORIGIN: PAPER | {"customs_number"},
    _K.PROOF_OF_PURCHASE: PAPER | _TRADE,
    _K.LISTING_SNAPSHOT: PAPER | {"amount_minor", "currency"},
    _K.REPAIR_REPORT: PAPER | {"amount_minor", "currency"},
    _K.RETURN_LABEL: PAPER | _PARCEL | _ROUTE | _HANDOVER | {"order_reference"},
    _K.RETURN_INSPECTION: PAPER | _PARCEL,
    _K.PACKAGING_PHOTO: PAPER | _PARCEL,
    _K.OTHER: frozenset(each.name for each in fields(Voucher)),
}
"""The fields that the document of a kind may have; kinds that are not listed have ``PAPER``."""


def allowed(kind: ExhibitKind) -> frozenset[str]:
    """The names of the fields that a document of this kind may have."""
    return FIELDS.get(kind, PAPER)


def check(kind: ExhibitKind, given: Voucher, path: Path = ("voucher",)) -> Voucher:
    """Give the voucher in its plain spelling; ``Invalid`` at a field that does not fit."""
    told = {each.name: getattr(given, each.name) for each in fields(given)}
    told = {name: value for name, value in told.items() if value is not None}
    if not told:
        raise Invalid(path, "empty")
    fitting = allowed(kind)
    for name in told:
        if name not in fitting:
            raise Invalid((*path, name), "not_for_kind", kind=kind.value)
    if ("amount_minor" in told) != ("currency" in told):
        lacking = "currency" if "amount_minor" in told else "amount_minor"
        raise Invalid((*path, lacking), f"{lacking.removesuffix('_minor')}_missing")
    return Voucher(**{name: _CHECKS[name](value, (*path, name)) for name, value in told.items()})


def _line(longest: int) -> Callable[[Any, Path], str]:
    def read(value: Any, path: Path) -> str:
        return bounds.line(value, path, longest)

    return read


def _weight(value: Any, path: Path) -> int:
    return bounds.whole(value, path, least=1, most=WEIGHT_GRAMS_MAX)


def _amount(value: Any, path: Path) -> int:
    return bounds.whole(value, path)


def _day(value: date, path: Path) -> date:
    if isinstance(value, datetime):
        raise Invalid(path, "malformed")
    return value


_CHECKS: Final[Mapping[str, Callable[[Any, Path], Any]]] = {
    "issuer": _line(_LINE_MAX),
    "number": _line(_NUMBER_MAX),
    "issued": _day,
    "carrier": _line(60),
    "service": _line(60),
    "tracking_number": _line(60),
    "shipped_at": bounds.instant,
    "delivered_at": bounds.instant,
    "sent_from": _line(_LINE_MAX),
    "place": _line(_LINE_MAX),
    "sender": _line(_LINE_MAX),
    "recipient": _line(_LINE_MAX),
    "weight_grams": _weight,
    "customs_number": _line(_NUMBER_MAX),
    "order_reference": _line(_NUMBER_MAX),
    "amount_minor": _amount,
    "currency": bounds.currency,
    "note": _line(NOTE_MAX),
}


# --- as JSON, in the record and in the exhibit's row ----------------------------------------------

_DAYS: Final = frozenset({"issued"})
_INSTANTS: Final = frozenset({"shipped_at", "delivered_at"})


def to_json(voucher: Voucher) -> dict[str, Any]:
    """Give what is told, with days and instants in ISO 8601."""
    told = {each.name: getattr(voucher, each.name) for each in fields(voucher)}
    return {
        name: value.isoformat() if isinstance(value, date) else value
        for name, value in told.items()
        if value is not None
    }


def from_json(value: Mapping[str, Any]) -> Voucher:
    """Read what ``to_json`` gave; ``Invalid`` for anything else."""
    given: dict[str, Any] = {}
    known = {each.name for each in fields(Voucher)}
    for name, told in value.items():
        if name not in known:
            raise Invalid((name,), "unknown_field")
        try:
            if name in _INSTANTS:
                given[name] = bounds.instant(datetime.fromisoformat(told), (name,))
            else:
                given[name] = date.fromisoformat(told) if name in _DAYS else told
        except (TypeError, ValueError):
            raise Invalid((name,), "malformed") from None
    return Voucher(**given)
