"""A checkpoint: the log's signed word on its size and root (C2SP tlog-checkpoint).

The signed text has three lines:

    <origin of the log>
    <number of entries, decimal>
    <root hash, base64>

The specification allows more lines and recommends against them. Here they are Malformed: no
monitor can audit them, and an ML-DSA-44 cosignature does not cover them, so that two texts that
differ would carry the same word. It knows no private keys, and does not know whether a root is
that of any entries.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from evidence import notation, note, signature
from evidence.errors import Malformed


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a checkpoint says."""

    origin: str
    size: int
    root: bytes


def write(checkpoint: Checkpoint) -> str:
    """Give the text that is signed; a value that has no place in it is Malformed."""
    root = notation.encode_base64(checkpoint.root)
    text = f"{checkpoint.origin}\n{checkpoint.size}\n{root}\n"
    note.check_text(text)
    if _read(text) != checkpoint:
        raise Malformed("a checkpoint that would not read back")
    return text


def read(text: str) -> Checkpoint:
    """Read a signed text; every other spelling, and any further line, is Malformed."""
    note.check_text(text)
    return _read(text)


def verify(
    data: bytes, keys: Iterable[note.VerifierKey]
) -> tuple[Checkpoint, tuple[note.VerifierKey, ...]]:
    """Read a signed checkpoint and say which of the keys signed it; see note.verify.

    A key of the log and a witness's are not told apart: the log's key has the origin for its
    name.
    """
    text, signed = note.verify(data, keys)
    return read(text), signed


def _read(text: str) -> Checkpoint:
    origin, size, root, extensions = signature.tree_head(text)
    if extensions:
        raise Malformed("a checkpoint with extension lines")
    return Checkpoint(origin, size, root)
