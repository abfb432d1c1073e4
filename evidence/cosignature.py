"""Cosignatures: what others, or the log with another algorithm, say of a checkpoint and when.

C2SP tlog-cosignature. A witness says with it that the checkpoint follows all that it has seen of
this log; the log itself adds ML-DSA-44 beside its Ed25519. The bytes that are signed are put
together in evidence/signature.py. It does not know whether the checkpoint deserves a cosignature.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from evidence import note, signature
from evidence.errors import Malformed
from evidence.keys import Signer

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Cosignature:
    """Who cosigned, and when by its own clock, in POSIX seconds; 0 says nothing of the time."""

    key: note.VerifierKey
    time: int


async def sign(signer: Signer, text: str, at: datetime) -> note.Signature:
    """Sign a checkpoint's text as the signer's kind of key does; `at` is cut to whole seconds.

    A plain Ed25519 key, which signs no time, is served too, so that one loop signs with all.
    """
    key = signer.key
    time = _to_seconds(at)
    raw = await signer.sign(signature.message(key.kind, key.name, text.encode(), time))
    signed = signature.join(time, raw) if key.kind in signature.COSIGNATURES else raw
    return note.Signature(key.name, key.id, signed)


def verify(data: bytes, keys: Iterable[note.VerifierKey]) -> tuple[str, list[Cosignature]]:
    """Read a note, give its text and each cosignature by one of the keys; see note.verify.

    A key that cosigned twice is listed twice. Plain Ed25519 signatures are not listed.
    """
    text, signed = note.verify_lines(data, keys)
    return text, [
        Cosignature(key, time(line)) for key, line in signed if key.kind in signature.COSIGNATURES
    ]


def time(line: note.Signature) -> int:
    """Read the POSIX seconds in a line known to be a cosignature; they may be beyond any date."""
    return signature.split(line.signature)[0]


def _to_seconds(at: datetime) -> int:
    if at.utcoffset() is None:
        raise Malformed("a time needs its zone")
    seconds = int((at - _EPOCH).total_seconds())
    if seconds <= 0:
        raise Malformed("a cosignature's time is after 1970")
    return seconds
