"""Money: a whole number of minor units in a currency, and never a float.

How many decimals a currency has is ISO 4217's, listed here: Unicode's CLDR, which Babel
brings, differs from it for a score of currencies (no decimals for the dinar of Iraq or the
lek, where banks and rails count three and two) and would format 12.34 as 12. Babel gives the
symbols, separators and places of the signs. The module knows no ledger and no order; splitting
an amount without losing a cent is the ledger's.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache, total_ordering
from typing import Final

from babel import Locale
from babel.numbers import NumberPattern, get_decimal_symbol, parse_pattern

from odr.errors import Invalid

AMOUNT_MINOR_MAX: Final = 2**53 - 1
"""The largest integer that RFC 8785's canonical JSON can carry (its section 3.2.2.3)."""

_DECIMALS: Final = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF",
    2: """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD
    CAD CDF CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP
    GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD
    LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB
    PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SYP
    SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VES WST XCD XCG YER ZAR ZMW ZWG
    """,
    3: "BHD IQD JOD KWD LYD OMR TND",
}
EXPONENTS: Final = {
    currency: decimals for decimals, listed in _DECIMALS.items() for currency in listed.split()
}
"""Decimals by currency: all that circulate by ISO 4217, and the lev, still owed on old orders."""

_TYPED: Final = re.compile(r"([0-9]{1,18})(?:([.,])([0-9]{1,18}))?")
_GROUP: Final = 3
# CLDR's currency spacing, which Babel leaves out: a code of letters does not touch the digits.
_TOUCHING: Final = re.compile(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")


def exponent(currency: str) -> int:
    """Count the decimals of ``currency``; ``Invalid`` (``unknown_currency``) if there is none."""
    try:
        return EXPONENTS[currency]
    except KeyError:
        raise Invalid(("currency",), "unknown_currency", currency=currency) from None


@total_ordering
@dataclass(frozen=True, slots=True)
class Money:
    """An amount, which may be negative, as the difference of two; compared in one currency only.

    Made from anything but an ``int`` it raises ``TypeError``; of an unknown currency, or beyond
    ``AMOUNT_MINOR_MAX`` either way, ``Invalid``.
    """

    amount_minor: int
    currency: str

    def __post_init__(self) -> None:
        if type(self.amount_minor) is not int:
            raise TypeError(f"an amount is an int, not {type(self.amount_minor).__name__}")
        if abs(self.amount_minor) > AMOUNT_MINOR_MAX:
            raise Invalid(("amount_minor",), "too_large", maximum=AMOUNT_MINOR_MAX)
        exponent(self.currency)

    def __add__(self, other: "Money") -> "Money":
        return Money(self.amount_minor + self._comparable(other), self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return Money(self.amount_minor - self._comparable(other), self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.amount_minor, self.currency)

    def __lt__(self, other: "Money") -> bool:
        return self.amount_minor < self._comparable(other)

    def __bool__(self) -> bool:
        return self.amount_minor != 0

    def __str__(self) -> str:
        return f"{self.decimal} {self.currency}"

    @property
    def decimal(self) -> Decimal:
        """The amount in whole units, exact, with all decimals of the currency."""
        return Decimal(self.amount_minor).scaleb(-exponent(self.currency))

    def format(self, locale: str) -> str:
        """Write it for people: ``locale`` as in ``en``, ``zh-CN`` or ``de_AT``.

        Always with all decimals of the currency. ``babel.UnknownLocaleError`` or ``ValueError``
        if there is no such locale.
        """
        parsed = _locale(locale)
        pattern = _pattern(parsed, exponent(self.currency))
        text: str = pattern.apply(
            self.decimal, parsed, currency=self.currency, currency_digits=False
        )
        return _TOUCHING.sub("\N{NO-BREAK SPACE}", text)

    def _comparable(self, other: "Money") -> int:
        if not isinstance(other, Money):
            raise TypeError(f"money and {type(other).__name__} do not mix")
        if other.currency != self.currency:
            raise ValueError(f"{self.currency} and {other.currency} do not mix")
        return other.amount_minor


def zero(currency: str) -> Money:
    """Nothing, in ``currency``."""
    return Money(0, currency)


def total(amounts: Iterable[Money], currency: str) -> Money:
    """Add up ``amounts``, all in ``currency`` (``ValueError`` if one is not)."""
    return sum(amounts, zero(currency))


def parse(
    text: str, currency: str, locale: str = "en", path: tuple[str | int, ...] = ("amount",)
) -> Money:
    """Read what a person typed, such as ``12.50`` or ``12,5``, and refuse to guess.

    There is at most one separator, and it begins the decimals, of which there are at most as
    many as the currency has. Three digits after a separator that is not the locale's decimal
    sign could be thousands: refused. So are signs, groups, exponents and symbols. Full-width
    digits and signs are read as their narrow ones. ``Invalid`` at ``path`` with the code
    ``malformed``, ``ambiguous``, ``too_many_decimals``, ``too_large`` or ``negative``.
    """
    decimals = exponent(currency)
    typed = unicodedata.normalize("NFKC", text).strip()
    match = _TYPED.fullmatch(typed)
    if match is None:
        negative = typed[:1] in {"-", "\N{MINUS SIGN}"} and _TYPED.fullmatch(typed[1:])
        raise Invalid(path, "negative" if negative else "malformed", decimals=decimals)
    whole, separator, fraction = match[1], match[2], match[3] or ""
    if len(fraction) == _GROUP and separator != get_decimal_symbol(_locale(locale)):
        raise Invalid(path, "ambiguous", decimals=decimals)
    if len(fraction) > decimals:
        raise Invalid(path, "too_many_decimals", decimals=decimals)
    amount_minor = int(whole + fraction.ljust(decimals, "0"))
    if amount_minor > AMOUNT_MINOR_MAX:
        raise Invalid(path, "too_large", maximum=AMOUNT_MINOR_MAX)
    return Money(amount_minor, currency)


@lru_cache(maxsize=256)
def _locale(name: str) -> Locale:
    return Locale.parse(name.replace("-", "_"))


@lru_cache(maxsize=1024)
def _pattern(locale: Locale, decimals: int) -> NumberPattern:
    pattern = parse_pattern(locale.currency_formats["standard"].pattern)
    pattern.frac_prec = (decimals, decimals)
    return pattern
