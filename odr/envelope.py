"""The envelope of a sealed bid: what is written, sealed, and committed to in the record.

The key is derived from the caucus key, which lies in no database. Whatever a bid says, what is
sealed has one length. The commitment is salted and the salt lies in the envelope: once the envelope
is destroyed nobody, with all keys, can tell from the commitment what was bid.
"""

import secrets
from hashlib import sha256
from typing import Final
from uuid import UUID

from evidence import canonical
from evidence.errors import Malformed
from odr.caucus import Caucus, Unsealable
from odr.errors import Invalid
from odr.money import Money
from odr.words import Side

LENGTH: Final = 256
"""Bytes of a bid before it is sealed; 285 after (``odr.caucus``)."""

_COMMITTED: Final = b"concord-bid/v1\n"
_SALT: Final = 32


def write(case_id: UUID, side: Side, amount: Money) -> str:
    """A bid's text with a fresh salt: canonical JSON, then spaces up to ``LENGTH``."""
    told = {
        "amount_minor": amount.amount_minor,
        "case": str(case_id),
        "currency": amount.currency,
        "salt": secrets.token_hex(_SALT),
        "side": side.value,
    }
    return canonical.encode(told).decode().ljust(LENGTH)


def read(text: str, case_id: UUID, side: Side) -> Money:
    """The amount that is bid; ``Unsealable`` if it is not a bid of this side of this case."""
    try:
        told = canonical.decode(text.rstrip(" ").encode())
        if (told["case"], told["side"]) != (str(case_id), side.value):
            raise Unsealable("not a bid of this side of this case")
        return Money(told["amount_minor"], told["currency"])
    except (Malformed, Invalid, KeyError, TypeError) as error:
        raise Unsealable("not a bid") from error


def seal(caucus: Caucus, bid: UUID, text: str) -> bytes:
    """Put a bid into its envelope, which opens for this bid alone."""
    return caucus.apart("bids").seal(bid, text)


def unseal(caucus: Caucus, bid: UUID, sealed: bytes) -> str:
    """Take a bid out of its envelope; ``Unsealable`` if it was tampered with."""
    return caucus.apart("bids").open(bid, sealed)


def commitment(text: str) -> bytes:
    """What the record holds of a bid: it binds it, and tells nothing of it."""
    return sha256(_COMMITTED + text.encode()).digest()


def bound(caucus: Caucus, bid: UUID, sealed: bytes | None) -> bytes | None:
    """The commitment to what is in an envelope; nothing of one that does not open."""
    if sealed is None:
        return None
    try:
        return commitment(unseal(caucus, bid, bytes(sealed)))
    except Unsealable:
        return b""
