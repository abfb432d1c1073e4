"""Tracking numbers: how the carriers write them, and whether their check digit holds.

A check digit catches a slip of the hand or an invented number; a number whose digit holds need not
exist. Twelve digits may be FedEx's or DHL's, so the carrier's name decides which formats are
asked; where it is not known, only those that cannot be mistaken are.

Sources: UPU S10-12 (S10). For the carriers, who publish parts of it only: the community's
tracking_number_data (numbers known to be good and bad, with each carrier's rule), and for DHL's
parcels the description of the Identcode and of GS1's SSCC. GS1's digit (weights 3 and 1 from the
right, modulo 10) and ISO 7064 are python-stdnum's. The module knows no shipment.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from stdnum import ean
from stdnum.iso7064 import mod_37_36

from odr.words import Word

NUMBER_MAX: Final = 60


class Check(Word):
    """What is to be said of a tracking number."""

    HOLDS = "holds", "Its check digit holds."
    FAILS = "fails", "Its check digit does not fit its other digits."
    NONE = "none", "Numbers of this form have no check digit."
    UNKNOWN = "unknown", "It has no form that is known of this carrier."


class Carrier(Word):
    """The carriers whose numbers are known here."""

    POST = "post", "A postal service of the Universal Postal Union."
    UPS = "ups", "UPS."
    FEDEX = "fedex", "FedEx."
    DHL = "dhl", "DHL."
    USPS = "usps", "The United States Postal Service."
    DPD = "dpd", "DPD."


@dataclass(frozen=True, slots=True)
class Form:
    """How a carrier writes numbers; ``holds`` takes the whole number, None without check digit."""

    name: str
    carrier: Carrier
    pattern: re.Pattern[str]
    holds: Callable[[str], bool] | None
    alone: bool = False
    """Whether nobody else writes numbers like this, so that the carrier need not be known."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A tracking number in its plain spelling, the form that it has, and its check digit."""

    number: str
    form: str
    check: Check


_S10_WEIGHTS: Final = (8, 6, 4, 2, 3, 5, 9, 7)
_FEDEX_WEIGHTS: Final = (3, 1, 7) * 4
_DIGIT: Final = 10


def _s10(number: str) -> bool:
    """UPU S10, 4.2: eleven less the weighted sum modulo 11; ten is 0, eleven is 5."""
    total = sum(int(n) * w for n, w in zip(number[2:10], _S10_WEIGHTS, strict=True))
    return int(number[10]) == {10: 0, 11: 5}.get(found := 11 - total % 11, found)


def _ups(number: str) -> bool:
    """The digits after ``1Z``, every second one twice; a letter counts as (its ASCII - 63)."""
    values = [int(c) if c.isdigit() else (ord(c) - 63) % _DIGIT for c in number[2:17]]
    total = sum(value * (1 + place % 2) for place, value in enumerate(values))
    return int(number[17]) == -total % _DIGIT


def _fedex(number: str) -> bool:
    """The sum weighted by 3, 1, 7 modulo 11, and of a ten the zero."""
    total = sum(int(n) * w for n, w in zip(number[:11], _FEDEX_WEIGHTS, strict=False))
    return int(number[11]) == total % 11 % _DIGIT


def _gs1(number: str) -> bool:
    """GS1's check digit, over as many digits as there are."""
    return ean.calc_check_digit(number[:-1]) == number[-1]


def _gs1_without_service(number: str) -> bool:
    """FedEx Ground's label: the digit covers what follows 96, container and service."""
    return _gs1(number[7:])


def _seven(number: str) -> bool:
    """DHL Express: all digits but the last, modulo 7."""
    return int(number[:-1]) % 7 == int(number[-1])


def _ident(number: str) -> bool:
    """DHL's Identcode: weights 4 and 9 from the left, modulo 10."""
    total = sum(int(n) * (9 if place % 2 else 4) for place, n in enumerate(number[:-1]))
    return int(number[-1]) == -total % _DIGIT


def _form(
    name: str,
    carrier: Carrier,
    pattern: str,
    holds: Callable[[str], bool] | None,
    *,
    alone: bool = False,
) -> Form:
    return Form(name, carrier, re.compile(pattern), holds, alone)


FORMS: Final = (
    _form("S10", Carrier.POST, r"[A-Z]{2}\d{9}[A-Z]{2}", _s10, alone=True),
    _form("1Z", Carrier.UPS, r"1Z[0-9A-Z]{15}\d", _ups, alone=True),
    _form("Express", Carrier.FEDEX, r"\d{12}", _fedex),
    _form("Ground", Carrier.FEDEX, r"\d{15}", _gs1),
    _form("Ground 96", Carrier.FEDEX, r"96\d{20}", _gs1_without_service),
    _form("Express waybill", Carrier.DHL, r"\d{10,11}", _seven),
    _form("Identcode", Carrier.DHL, r"\d{12}", _ident),
    _form("SSCC", Carrier.DHL, r"00\d{18}", _gs1),
    _form("Piece", Carrier.DHL, r"J[A-Z]{2,3}\d{9,18}", None),
    _form("eCommerce", Carrier.DHL, r"GM[0-9A-Z]{10,38}", None),
    _form("IMpb", Carrier.USPS, r"9[1-5]\d{18}(?:\d{2})?", _gs1),
    _form("Parcel", Carrier.DPD, r"\d{14}[0-9A-Z]", mod_37_36.is_valid),
)
"""Every form that is known, most telling first."""

_NAMES: Final = {
    "ups": Carrier.UPS,
    "united parcel": Carrier.UPS,
    "fedex": Carrier.FEDEX,
    "federal express": Carrier.FEDEX,
    "dhl": Carrier.DHL,
    "usps": Carrier.USPS,
    "united states postal": Carrier.USPS,
    "dpd": Carrier.DPD,
}
_POSTAL: Final = frozenset({Carrier.POST, Carrier.USPS, Carrier.DHL})
"""Who carries international post items: a DHL number may be Deutsche Post's."""

_WORD: Final = re.compile(r"[a-z]+")
_SPACING: Final = re.compile(r"[\s.\-]")


def carrier(name: str) -> Carrier | None:
    """The carrier that a name means, as in ``DHL Express`` or ``Federal Express``; or None."""
    words = " ".join(_WORD.findall(name.lower()))
    for known, found in _NAMES.items():
        if re.search(rf"\b{known}\b", words):
            return found
    return Carrier.POST if re.search(r"\bposta?l?\b|\bposte?n?\b", words) else None


def plain(number: str) -> str:
    """A number without the spaces, dots and hyphens that people write, in upper case."""
    return _SPACING.sub("", number).upper()


def check(carrier_name: str, number: str) -> Verdict:
    """Say whether the check digit of a number holds, as this carrier writes numbers.

    A number that fits several of the carrier's forms holds if it does in one of them.
    """
    spelled = plain(number)
    by = carrier(carrier_name)
    if not spelled.isascii():
        return Verdict(spelled, "", Check.UNKNOWN)
    fitting = [form for form in FORMS if _asked(form, by) and form.pattern.fullmatch(spelled)]
    for form in fitting:
        if form.holds is not None and form.holds(spelled):
            return Verdict(spelled, form.name, Check.HOLDS)
    for form in fitting:
        if form.holds is None:
            return Verdict(spelled, form.name, Check.NONE)
    if fitting:
        return Verdict(spelled, fitting[0].name, Check.FAILS)
    return Verdict(spelled, "", Check.UNKNOWN)


def _asked(form: Form, by: Carrier | None) -> bool:
    if by is None:
        return form.alone
    return form.carrier is by or (form.carrier is Carrier.POST and by in _POSTAL)
