"""A receipt: the vault's signed word that an entry stands in a stream.

The signed text has seven lines:

    vault-receipt/v1
    <origin of the log>
    <stream, a UUID>
    <seq, decimal>
    <leaf hash, 64 hex digits>
    <time of the entry, microseconds since 1970, decimal>
    <latest time by which the entry is in the log, likewise; 0 promises no log>

A receipt whose entry is not in the log after the latest time is a signed proof of misbehaviour.
It knows no private keys: the signature is made in evidence/keys.py's signers.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from evidence import canonical, notation, note
from evidence.entry import read_hash, read_uuid
from evidence.errors import Malformed

FORMAT = "vault-receipt/v1"
NO_LOG = 0

_LINES = 7


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a receipt says; `time` and `latest` in microseconds since 1970, UTC."""

    origin: str
    stream: UUID
    seq: int
    leaf: bytes
    time: int
    latest: int


def write(receipt: Receipt) -> str:
    """Give the text that is signed."""
    return (
        f"{FORMAT}\n{receipt.origin}\n{receipt.stream}\n{receipt.seq}\n{receipt.leaf.hex()}\n"
        f"{receipt.time}\n{receipt.latest}\n"
    )


def read(text: str) -> Receipt:
    """Read a signed text; every other spelling of a receipt is Malformed."""
    lines = text.split("\n")
    if len(lines) != _LINES + 1 or lines[0] != FORMAT or lines[-1]:
        raise Malformed("not a receipt")
    _, origin, stream, seq, leaf, time, latest, _ = lines
    receipt = Receipt(
        origin=origin,
        stream=read_uuid(stream),
        seq=notation.read_decimal(seq, canonical.INTEGER_MAX),
        leaf=read_hash(leaf),
        time=notation.read_decimal(time, canonical.INTEGER_MAX),
        latest=notation.read_decimal(latest, canonical.INTEGER_MAX),
    )
    if write(receipt) != text:
        raise Malformed("a receipt that is not written as receipts are")
    return receipt


def verify(
    data: bytes, keys: Iterable[note.VerifierKey]
) -> tuple[Receipt, tuple[note.VerifierKey, ...]]:
    """Read a signed receipt and say which of the keys signed it; see note.verify."""
    text, signed = note.verify(data, keys)
    return read(text), signed
