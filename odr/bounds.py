"""Bounds: what an input may be, each with its refusal: ``Invalid`` at the input's path.

For what comes from outside with a name of its own: references, names, addresses, amounts,
instants, places. It knows no order and no case; what bounds a claim or an offer is ``odr.terms``.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from babel import Locale, UnknownLocaleError

from odr import money
from odr.calendar import Place
from odr.errors import Invalid

Path = tuple[str | int, ...]

REFERENCE_MAX: Final = 100
NAME_MAX: Final = 200
EMAIL_MAX: Final = 254
"""RFC 3696 (erratum 1690): the longest address that fits into a path of RFC 5321, 4.5.3.1.3."""

INSTANTS: Final = (datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))
"""From the first on, before the second."""

SKEW: Final = timedelta(minutes=5)
"""How far another's clock may run ahead of ours before an instant lies in the future."""

# Controls, halves of surrogate pairs, and line and paragraph separators.
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")
_CONTROL_BUT_LINES: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_LOCAL_MAX: Final = 64
_EMAIL: Final = re.compile(
    r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]"
)
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(?:-[A-Z]{2}|-[A-Z][a-z]{3})?")


def line(text: str, path: Path, longest: int = NAME_MAX) -> str:
    """One line of text, without the space around it: ``missing``, ``too_long``, ``malformed``."""
    text = text.strip()
    if not text:
        raise Invalid(path, "missing", maximum=longest)
    return optional_line(text, path, longest)


def optional_line(text: str, path: Path, longest: int = NAME_MAX) -> str:
    """One line of text that may be empty."""
    text = text.strip()
    if len(text) > longest:
        raise Invalid(path, "too_long", maximum=longest)
    if _CONTROL.search(text):
        raise Invalid(path, "malformed")
    return text


def lines(text: str, path: Path, longest: int) -> str:
    """Text of several lines, as it is."""
    if len(text) > longest:
        raise Invalid(path, "too_long", maximum=longest)
    if _CONTROL_BUT_LINES.search(text.replace("\r\n", "\n")):
        raise Invalid(path, "malformed")
    return text


def reference(text: str, path: Path, longest: int = REFERENCE_MAX) -> str:
    """What somebody else calls a thing: taken as it is, so space around it is refused."""
    if text != text.strip():
        raise Invalid(path, "malformed")
    return line(text, path, longest)


def email(text: str, path: Path) -> str:
    """An address of ASCII (RFC 5321's dot-string at a domain with a dot), in lower case."""
    lowered = text.strip().lower()
    local, _, _ = lowered.partition("@")
    if not lowered:
        raise Invalid(path, "missing")
    if len(lowered) > EMAIL_MAX or len(local) > _LOCAL_MAX:
        raise Invalid(path, "too_long", maximum=EMAIL_MAX)
    if not lowered.isascii() or _EMAIL.fullmatch(lowered) is None:
        raise Invalid(path, "malformed")
    return lowered


def whole(value: Any, path: Path, *, least: int = 0, most: int = money.AMOUNT_MINOR_MAX) -> int:
    """A whole number, never a float or a boolean: ``fractional``, ``negative``, ``too_large``."""
    if type(value) is not int:
        raise Invalid(path, "fractional" if isinstance(value, float) else "malformed")
    if value < least:
        raise Invalid(path, "negative" if value < 0 else "too_small", minimum=least)
    if value > most:
        raise Invalid(path, "too_large", maximum=most)
    return value


def currency(code: str, path: Path) -> str:
    """A currency that circulates (ISO 4217)."""
    if code not in money.EXPONENTS:
        raise Invalid(path, "unknown_currency", currency=code[:8])
    return code


def language(code: str, path: Path) -> str:
    """A language as in ``en``, ``zh-CN`` or ``zh-Hant`` (BCP 47, two subtags at most)."""
    known = _LANGUAGE.fullmatch(code) is not None
    if known:
        try:
            Locale.parse(code, sep="-")
        except (UnknownLocaleError, ValueError):
            known = False
    if not known:
        raise Invalid(path, "unknown_language", language=code[:8])
    return code


def country(code: str, path: Path) -> str:
    """A country (ISO 3166, two letters) whose working days are known."""
    try:
        return Place(code, "UTC").country
    except Invalid as refused:
        raise Invalid(path, refused.code, country=code[:8]) from None


def zone(name: str, path: Path) -> str:
    """A time zone (IANA)."""
    try:
        return Place("DE", name).zone
    except Invalid as refused:
        raise Invalid(path, refused.code, zone=name[:64]) from None


def instant(value: datetime, path: Path) -> datetime:
    """An instant that is aware of its zone, of an age in which there are orders.

    Beyond it a conversion overflows, and drivers say ``-infinity`` for year 1.
    """
    if value.tzinfo is None:
        raise Invalid(path, "no_zone")
    if not INSTANTS[0] <= value < INSTANTS[1]:
        raise Invalid(path, "out_of_bounds", minimum=INSTANTS[0], maximum=INSTANTS[1])
    return value


def past(value: datetime, path: Path, now: datetime) -> datetime:
    """An instant that has come, but for ``SKEW``: ``in_the_future``."""
    if instant(value, path) > now + SKEW:
        raise Invalid(path, "in_the_future", maximum=now)
    return value
