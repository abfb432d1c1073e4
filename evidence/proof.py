"""A proof that an entry stands in the log, whole in one file (C2SP tlog-proof).

    c2sp.org/tlog-proof@v1
    extra <base64>             only if there is extra data, which nothing authenticates
    index <decimal>
    <hash, base64>             one line for each, from the leaf's sibling to the root's child
    <empty line>
    <the checkpoint, a signed note with its cosignatures>

Whoever holds the entry, the log's verifier key and those of some witnesses checks it offline. It
knows no private keys and no log.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from evidence import checkpoint, cosignature, merkle, notation, note, signature
from evidence.checkpoint import Checkpoint
from evidence.cosignature import Cosignature
from evidence.errors import Malformed, Tampered, Unsigned

FORMAT = "c2sp.org/tlog-proof@v1"
SUFFIX = ".tlog-proof"
HASHES_MAX = 63
EXTRA_SIZE_MAX = 64 * 1024
SIZE_MAX = note.SIZE_MAX + 2 * EXTRA_SIZE_MAX

_INDEX = "index "
_EXTRA = "extra "


@dataclass(frozen=True, slots=True)
class Proof:
    """What a proof holds; the checkpoint is the whole signed note."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None


@dataclass(frozen=True, slots=True)
class Witnesses:
    """The keys of witnesses, and how many of those must have cosigned.

    A witness is known by its name: with keys of two kinds it still counts once.
    """

    keys: tuple[note.VerifierKey, ...] = ()
    quorum: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.quorum <= len({key.name for key in self.keys}):
            raise ValueError("a quorum is from 0 to the number of witnesses")
        if len({key.public for key in self.keys}) < len(self.keys):
            raise ValueError("one key under two names or kinds would count twice")
        if any(key.kind not in signature.COSIGNATURES for key in self.keys):
            raise ValueError("a witness's key is one for cosignatures")


NO_WITNESSES = Witnesses()


@dataclass(frozen=True, slots=True)
class Proven:
    """What a proof was found to show: the place, and who vouches for the tree around it."""

    index: int
    checkpoint: Checkpoint
    signed: tuple[note.VerifierKey, ...]
    cosigned: tuple[Cosignature, ...]


def write(proof: Proof) -> str:
    """Write the file's text; a value that has no place in it is Malformed."""
    extra = "" if proof.extra is None else f"{_EXTRA}{notation.encode_base64(proof.extra)}\n"
    hashes = "".join(f"{notation.encode_base64(one)}\n" for one in proof.hashes)
    signed = proof.checkpoint.decode(errors="replace")  # which would not read back
    text = f"{FORMAT}\n{extra}{_INDEX}{proof.index}\n{hashes}\n{signed}"
    if _read(text) != proof:
        raise Malformed("a proof that would not read back")
    return text


def read(data: bytes) -> Proof:
    """Read a proof without checking it; every other spelling is Malformed."""
    if len(data) > SIZE_MAX:
        raise Malformed("a proof this long is none")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise Malformed("a proof is UTF-8") from None
    return _read(text)


def verify(
    data: bytes,
    leaf: bytes,
    keys: Iterable[note.VerifierKey],
    witnesses: Witnesses = NO_WITNESSES,
) -> Proven:
    """Check that the leaf hash stands where the proof says, by the steps of C2SP tlog-proof.

    2. The checkpoint is signed by one of the keys whose name is the checkpoint's origin. A caller
       that wants ML-DSA-44 gives the log's key of that kind only, or looks at `signed`.
    3. Of the witnesses, as many as the quorum asks for cosigned it. The log is none of its own
       witnesses; their times are given, not judged.
    4. The hashes lead from the leaf to the checkpoint's root.

    Unsigned if nobody who was asked for signed; Tampered if a signature or the path is wrong.
    """
    proof = read(data)
    said, signed = checkpoint.verify(proof.checkpoint, keys)
    signed = tuple(key for key in signed if key.name == said.origin)
    if not signed:
        raise Unsigned(f"no key given for {said.origin} signed its checkpoint")
    _, cosigned = cosignature.verify(proof.checkpoint, witnesses.keys)
    cosigned = [one for one in cosigned if one.time and one.key.name != said.origin]
    if len({one.key.name for one in cosigned}) < witnesses.quorum:
        raise Unsigned(f"fewer than {witnesses.quorum} of the witnesses cosigned")
    if not merkle.includes(proof.index, said.size, leaf, proof.hashes, said.root):
        raise Tampered("the proof does not lead from the entry to the checkpoint's root")
    return Proven(proof.index, said, signed, tuple(cosigned))


def _read(text: str) -> Proof:
    head, divider, signed = text.partition("\n\n")
    first, *lines = head.split("\n")
    if first != FORMAT or not divider or not lines:
        raise Malformed("not a proof")
    extra = None
    if lines[0].startswith(_EXTRA):
        extra = notation.decode_base64(lines.pop(0).removeprefix(_EXTRA))
        if len(extra) > EXTRA_SIZE_MAX:
            raise Malformed("a proof with too much extra data")
    if not lines or not lines[0].startswith(_INDEX):
        raise Malformed("a proof tells its entry's index")
    index = notation.read_decimal(lines[0].removeprefix(_INDEX), signature.SIZE_MAX)
    hashes = tuple(notation.decode_base64(line) for line in lines[1:])
    if len(hashes) > HASHES_MAX or any(len(one) != merkle.HASH_SIZE for one in hashes):
        raise Malformed("a proof has at most 63 hashes of 32 bytes")
    data = signed.encode()
    checkpoint.read(note.parse(data).text)
    return Proof(index, hashes, data, extra)
