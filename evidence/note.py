"""Signed notes and verifier keys (C2SP signed-note), read strictly.

A note is text, an empty line, and one line for each signature: the log's, its cosignature with
another algorithm, those of witnesses. It knows nothing of what the text means; what each kind of
key signs is told in evidence/signature.py.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

from evidence import notation, signature
from evidence.errors import Malformed, Tampered
from evidence.signature import ED25519

SIZE_MAX = 128 * 1024
SIGNATURES_MAX = 16  # C2SP signed-note: a verifier must accept at least this many

_KEY_ID_SIZE = 4
_NAME = re.compile(r"[^\s+\x00-\x1f\x7f]{1,255}")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
_DASH = "\u2014 "


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with the name of its holder and the kind of its signatures."""

    name: str
    public: bytes
    kind: int = ED25519

    @property
    def id(self) -> bytes:
        """The four bytes by which a signature line points to this key."""
        return _key_id(self.name, self._typed())

    def __str__(self) -> str:
        """Write it as verifier keys are handed out: name+hex(id)+base64(type || public key)."""
        return f"{self.name}+{self.id.hex()}+{notation.encode_base64(self._typed())}"

    def verifies(self, text: bytes, signed: bytes) -> bool:
        """Say whether this key made the signature; see signature.verifies."""
        return signature.verifies(self.kind, self.name, self.public, text, signed)

    def _typed(self) -> bytes:
        return bytes([self.kind]) + self.public


@lru_cache  # one key has signed most of what is verified
def _key_id(name: str, typed: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + typed).digest()[:_KEY_ID_SIZE]


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: whose it claims to be, and the bytes after the key id."""

    name: str
    key_id: bytes
    signature: bytes

    def __str__(self) -> str:
        """Write the line, with the newline at its end."""
        return f"{_DASH}{self.name} {notation.encode_base64(self.key_id + self.signature)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A note that was read, with signatures that nobody has checked yet."""

    text: str
    signatures: tuple[Signature, ...]


def verifier_key(name: str, public: bytes, kind: int = ED25519) -> VerifierKey:
    """Make a verifier key; a name with spaces or "+" and a key of other length are Malformed."""
    check_name(name)
    signature.check_key(kind, public)
    return VerifierKey(name, public, kind)


def read_verifier_key(text: str) -> VerifierKey:
    """Read `name+hex(id)+base64(type || public key)`.

    A key id that does not fit and a kind that is not known here are Malformed.
    """
    name, _, rest = text.partition("+")
    _, _, encoded = rest.partition("+")
    data = notation.decode_base64(encoded)
    if not data:
        raise Malformed("a verifier key of no kind")
    key = verifier_key(name, data[1:], data[0])
    if str(key) != text:
        raise Malformed("a verifier key whose id is not its own")
    return key


# One signer signs many notes; what is refused is not remembered.
@lru_cache(maxsize=64)
def check_name(name: str) -> None:
    """Refuse a key name that a signature line could not carry."""
    if not _NAME.fullmatch(name):
        raise Malformed("a key's name has no spaces, no plus and no control characters")


def check_text(text: str) -> None:
    """Refuse text that could not be signed: it must end its last line and hold no controls."""
    if not text.endswith("\n") or _CONTROL.search(text):
        raise Malformed("a note's text ends with a newline and has no control characters")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Malformed("a note's text is Unicode") from None


def assemble(text: str, key: VerifierKey, signed: bytes) -> str:
    """Join text and one signature over its bytes (the last newline included) into a note."""
    return join(text, [Signature(key.name, key.id, signed)])


def join(text: str, signatures: Iterable[Signature]) -> str:
    """Join text and signatures into a note; a line that is there twice is written once.

    More of them than a reader must accept are Malformed.
    """
    check_text(text)
    lines = dict.fromkeys(str(one) for one in signatures)
    if not 0 < len(lines) <= SIGNATURES_MAX:
        raise Malformed(f"a note has from 1 to {SIGNATURES_MAX} signatures")
    return f"{text}\n{''.join(lines)}"


def add(data: bytes, signatures: Iterable[Signature]) -> bytes:
    """Write a note again with more signatures behind those that it has; none is checked."""
    found = parse(data)
    return join(found.text, [*found.signatures, *signatures]).encode()


def parse(data: bytes) -> Note:
    """Read a note without checking signatures; what is not exactly a note is Malformed."""
    if len(data) > SIZE_MAX:
        raise Malformed("a note this long is none")
    try:
        whole = data.decode()
    except UnicodeDecodeError:
        raise Malformed("a note is UTF-8") from None
    # The last empty line divides: the text itself may hold empty lines.
    text, divider, lines = whole.rpartition("\n\n")
    if not divider or not lines.endswith("\n"):
        raise Malformed("a note has an empty line before its signatures and ends with a newline")
    text += "\n"
    check_text(text)
    return Note(text, parse_signatures(lines))


def parse_signatures(lines: str) -> tuple[Signature, ...]:
    """Read signature lines alone, as witnesses answer with them (C2SP tlog-witness)."""
    if not lines.endswith("\n"):
        raise Malformed("a signature line ends with a newline")
    signatures = tuple(_parse_signature(line) for line in lines[:-1].split("\n"))
    if len(signatures) > SIGNATURES_MAX:
        raise Malformed("a note with too many signatures")
    return signatures


def verify(data: bytes, keys: Iterable[VerifierKey]) -> tuple[str, tuple[VerifierKey, ...]]:
    """Read a note and give its text and those of the keys that signed it.

    Signatures of unknown keys and of unknown kinds are ignored (C2SP signed-note), so an empty
    tuple means that nobody whom the caller knows signed. A signature that claims a known key and
    is not its own is Tampered.
    """
    text, signed = verify_lines(data, keys)
    return text, tuple(dict.fromkeys(key for key, _ in signed))


def verify_lines(
    data: bytes, keys: Iterable[VerifierKey]
) -> tuple[str, list[tuple[VerifierKey, Signature]]]:
    """Do the same and give each signature beside its key."""
    note = parse(data)
    message = note.text.encode()
    known = {(key.name, key.id): key for key in keys}
    signed = []
    for line in note.signatures:
        key = known.get((line.name, line.key_id))
        if key is None:
            continue
        if not key.verifies(message, line.signature):
            raise Tampered(f"the signature of {key.name} does not fit the text")
        signed.append((key, line))
    return note.text, signed


def _parse_signature(line: str) -> Signature:
    if not line.startswith(_DASH):
        raise Malformed("a signature line begins with an em dash and a space")
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    if not space:
        raise Malformed("a signature line has a name and a signature")
    check_name(name)
    data = notation.decode_base64(encoded)
    if len(data) <= _KEY_ID_SIZE:
        raise Malformed("a signature of no bytes")
    return Signature(name, data[:_KEY_ID_SIZE], data[_KEY_ID_SIZE:])
