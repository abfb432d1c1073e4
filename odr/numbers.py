"""Numbers that people read out and type: of cases, and of insurance claims.

``2611-4839-2017-71`` is a case of November 2026: year and month (UTC), eight random digits, two
check digits by ISO/IEC 7064, MOD 97-10, which finds every wrong digit and every two neighbours
exchanged. An insurance claim has ``IC-`` before it, which counts in the check, so that one is
never taken for the other. A number grants nothing and may be guessed: two in a hundred million
of a month are the same, so the table has a unique constraint and the caller draws again. The
module knows no table and no clock.
"""

import re
import secrets
import unicodedata
from datetime import UTC, datetime
from typing import Final

from stdnum.exceptions import ValidationError
from stdnum.iso7064 import mod_97_10

from odr.errors import Invalid

_CLAIM: Final = "IC"
_RANDOM: Final = 10**8
_MONTHS: Final = range(1, 13)
_TYPED: Final = re.compile(r"(IC)?([0-9]{14})")
# People copy numbers with whatever dash or space their screen showed.
_BETWEEN: Final = frozenset({"Pd", "Zs", "Cf"})


def case(opened: datetime) -> str:
    """Draw a number for a case ``opened`` at this instant (``ValueError`` without a zone)."""
    return _draw("", opened)


def insurance_claim(notified: datetime) -> str:
    """Draw a number for an insurance claim ``notified`` at this instant, the same way."""
    return _draw(_CLAIM, notified)


def parse_case(typed: str) -> str:
    """Read a case's number as a person types it and give it as it is written.

    Dashes and spaces may be anywhere or missing; digits of any script and width are read.
    ``Invalid`` at ``number`` with ``malformed`` where it is no number, ``wrong_check_digits``
    where one is mistyped, ``other_kind`` where it is an insurance claim's.
    """
    return _parse(typed, "")


def parse_insurance_claim(typed: str) -> str:
    """Read an insurance claim's number, the same way."""
    return _parse(typed, _CLAIM)


def _draw(prefix: str, instant: datetime) -> str:
    if instant.tzinfo is None:
        raise ValueError("a number's month needs an instant with a time zone")
    digits = f"{instant.astimezone(UTC):%y%m}{secrets.randbelow(_RANDOM):08d}"
    return _written(prefix, digits + mod_97_10.calc_check_digits(prefix + digits))


def _written(prefix: str, digits: str) -> str:
    groups = [digits[:4], digits[4:8], digits[8:12], digits[12:]]
    return "-".join([prefix, *groups] if prefix else groups)


def _parse(typed: str, prefix: str) -> str:
    kept = [c for c in unicodedata.normalize("NFKC", typed) if not _between(c)]
    digits = "".join(str(unicodedata.decimal(c, c)) for c in kept).upper()
    match = _TYPED.fullmatch(digits)
    if match is None or int(match[2][2:4]) not in _MONTHS:
        raise Invalid(("number",), "malformed")
    try:
        mod_97_10.validate((match[1] or "") + match[2])
    except ValidationError:
        raise Invalid(("number",), "wrong_check_digits") from None
    if (match[1] or "") != prefix:
        raise Invalid(("number",), "other_kind")
    return _written(prefix, match[2])


def _between(character: str) -> bool:
    return unicodedata.category(character) in _BETWEEN or character in {"\t", "\N{MINUS SIGN}"}
