"""What the kinds of keys sign (C2SP signed-note, "Signature types"; C2SP tlog-cosignature).

    0x01  Ed25519 over a note's text
    0x04  Ed25519 over "cosignature/v1", a time and the text of a checkpoint
    0x06  ML-DSA-44 over the cosigner's name, a time and the tree head in the text

The signatures of the last two kinds carry their time before them: POSIX seconds in 8 bytes,
big-endian. It knows no note around the text and no private keys.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from evidence import notation
from evidence.errors import Malformed

ED25519 = 0x01
ED25519_COSIGNATURE = 0x04
MLDSA44_COSIGNATURE = 0x06
TIME_MAX = 2**63 - 1
SIZE_MAX = 2**63 - 1  # of a tree
ORIGIN_SIZE_MAX = 255  # bytes; tlog-cosignature writes the length into one

_TIME_SIZE = 8
_HASH_SIZE = 32
_HEAD_LINES = 3


@dataclass(frozen=True, slots=True)
class _Algorithm:
    public_size: int
    verify: Callable[[bytes, bytes, bytes], None]  # public key, signature, message


# One key has signed most of what is verified.
_read_ed25519 = lru_cache(Ed25519PublicKey.from_public_bytes)
_read_mldsa44 = lru_cache(MLDSA44PublicKey.from_public_bytes)
_ED25519 = _Algorithm(32, lambda public, raw, data: _read_ed25519(public).verify(raw, data))
_MLDSA44 = _Algorithm(1312, lambda public, raw, data: _read_mldsa44(public).verify(raw, data))
_ALGORITHMS = {
    ED25519: _ED25519,
    ED25519_COSIGNATURE: _ED25519,
    MLDSA44_COSIGNATURE: _MLDSA44,
}
COSIGNATURES = frozenset({ED25519_COSIGNATURE, MLDSA44_COSIGNATURE})


def check_key(kind: int, public: bytes) -> None:
    """Refuse a kind of key that is not listed above and a public key of another length."""
    algorithm = _ALGORITHMS.get(kind)
    if algorithm is None:
        raise Malformed("a verifier key of a kind that is not known here")
    if len(public) != algorithm.public_size:
        raise Malformed(f"a public key of this kind has {algorithm.public_size} bytes")


def verifies(kind: int, name: str, public: bytes, text: bytes, signature: bytes) -> bool:
    """Say whether the key of this kind, name and public half signed the text of a note.

    Malformed if it is of a kind that signs tree heads only and the text begins with none.
    """
    time, raw = split(signature) if kind in COSIGNATURES else (0, signature)
    if time > TIME_MAX:
        return False
    try:
        _ALGORITHMS[kind].verify(public, raw, message(kind, name, text, time))
    except InvalidSignature:
        return False
    return True


def message(kind: int, name: str, text: bytes, time: int = 0) -> bytes:
    """Give the bytes that are signed for the text of a note; `time` in POSIX seconds."""
    if not 0 <= time <= TIME_MAX:
        raise Malformed("a cosignature's time is from 0 to 2**63 - 1")
    if kind == ED25519:
        return text
    if kind == ED25519_COSIGNATURE:
        return b"cosignature/v1\ntime %d\n%b" % (time, text)
    if kind == MLDSA44_COSIGNATURE:
        origin, size, root, _ = tree_head(text.decode())
        # The subtree that is signed begins at 0: it is the whole tree.
        numbers = bytes(_TIME_SIZE) + size.to_bytes(_TIME_SIZE, "big")
        return (
            b"subtree/v1\n\0"
            + _counted(name)
            + time.to_bytes(_TIME_SIZE, "big")
            + _counted(origin)
            + numbers
            + root
        )
    raise Malformed("a signature of a kind that is not known here")


def split(signature: bytes) -> tuple[int, bytes]:
    """Take the time from a cosignature; nothing is checked."""
    return int.from_bytes(signature[:_TIME_SIZE], "big"), signature[_TIME_SIZE:]


def join(time: int, raw: bytes) -> bytes:
    """Put the time (POSIX seconds) before a cosignature's bytes."""
    return time.to_bytes(_TIME_SIZE, "big") + raw


def tree_head(text: str) -> tuple[str, int, bytes, list[str]]:
    """Read the text of a checkpoint: origin, size, root, and the extension lines.

    C2SP tlog-checkpoint, "Note text". Every other spelling is Malformed.
    """
    lines = text.split("\n")
    if len(lines) <= _HEAD_LINES or lines[-1] or not all(lines[:-1]):
        raise Malformed("a checkpoint has three lines or more, none of them empty")
    origin, size, root, *extensions = lines[:-1]
    if len(origin.encode()) > ORIGIN_SIZE_MAX:
        raise Malformed("an origin has at most 255 bytes")
    decoded = notation.decode_base64(root)
    if len(decoded) != _HASH_SIZE:
        raise Malformed("a root hash has 32 bytes")
    return origin, notation.read_decimal(size, SIZE_MAX), decoded, extensions


def _counted(text: str) -> bytes:
    data = text.encode()
    if not 0 < len(data) <= ORIGIN_SIZE_MAX:
        raise Malformed("a cosigner's name has from 1 to 255 bytes")
    return bytes([len(data)]) + data
