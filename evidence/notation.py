"""Decimal numbers and base64 as signed texts spell them: one spelling for one value.

It knows nothing of what a number or some bytes mean.
"""

import base64
import binascii
import re

from evidence.errors import Malformed

# isdigit() and int() take "٤٢", "+42" and "4_2"; this takes only what str() of an integer writes.
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,19}")


def encode_base64(data: bytes) -> str:
    """Write base64 of RFC 4648 section 4, padded."""
    return base64.b64encode(data).decode()


def decode_base64(text: str) -> bytes:
    """Read base64 strictly: padding, alphabet and unused bits must be as they are written."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("not base64") from None
    if encode_base64(data) != text:
        raise Malformed("base64 in another spelling")
    return data


def read_decimal(text: str, largest: int) -> int:
    """Read a number from 0 to `largest` (below 10**20): ASCII digits, no sign, no zeros before."""
    if not _DECIMAL.fullmatch(text):
        raise Malformed("not a decimal number")
    number = int(text)
    if number > largest:
        raise Malformed(f"a number beyond {largest}")
    return number
