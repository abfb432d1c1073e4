"""Signed notes and verifier keys (C2SP signed-note), Ed25519, read strictly.

A note is text, an empty line, and one line for each signature. It knows nothing of what the
text means, and of a signer only its name and what it signs.
"""

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from evidence.errors import Malformed, Tampered

ED25519 = 0x01  # C2SP signed-note, signature types
SIZE_MAX = 64 * 1024
SIGNATURES_MAX = 16  # C2SP signed-note: a verifier should accept at least this many

_KEY_SIZE = 32
_KEY_ID_SIZE = 4
_NAME = re.compile(r"[^\s+\x00-\x1f\x7f]{1,255}")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
_DASH = "\u2014 "


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with the name of its holder."""

    name: str
    public: bytes

    @property
    def id(self) -> bytes:
        """The four bytes by which a signature line points to this key."""
        data = self.name.encode() + b"\n" + bytes([ED25519]) + self.public
        return sha256(data).digest()[:_KEY_ID_SIZE]

    def __str__(self) -> str:
        """Write it as verifier keys are handed out: name+hex(id)+base64(type || public key)."""
        return f"{self.name}+{self.id.hex()}+{encode_base64(bytes([ED25519]) + self.public)}"

    def verifies(self, message: bytes, signature: bytes) -> bool:
        """Say whether this key made the signature over the message."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: whose it claims to be, and the bytes after the key id."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A note that was read, with signatures that nobody has checked yet."""

    text: str
    signatures: tuple[Signature, ...]


def verifier_key(name: str, public: bytes) -> VerifierKey:
    """Make a verifier key; a name with spaces or "+" and a key of other length are Malformed."""
    check_name(name)
    if len(public) != _KEY_SIZE:
        raise Malformed("an Ed25519 public key has 32 bytes")
    return VerifierKey(name, public)


def read_verifier_key(text: str) -> VerifierKey:
    """Read `name+hex(id)+base64(type || public key)`; a key id that does not fit is Malformed."""
    name, _, rest = text.partition("+")
    _, _, encoded = rest.partition("+")
    data = decode_base64(encoded)
    if data[:1] != bytes([ED25519]):
        raise Malformed("a verifier key of another type than Ed25519")
    key = verifier_key(name, data[1:])
    if str(key) != text:
        raise Malformed("a verifier key whose id is not its own")
    return key


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


def assemble(text: str, key: VerifierKey, signature: bytes) -> str:
    """Join text and one signature over its bytes (the last newline included) into a note."""
    check_text(text)
    return f"{text}\n{_DASH}{key.name} {encode_base64(key.id + signature)}\n"


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
    signatures = tuple(_parse_signature(line) for line in lines[:-1].split("\n"))
    if len(signatures) > SIGNATURES_MAX:
        raise Malformed("a note with too many signatures")
    return Note(text, signatures)


def verify(data: bytes, keys: Iterable[VerifierKey]) -> tuple[str, tuple[VerifierKey, ...]]:
    """Read a note and give its text and those of the keys that signed it.

    Signatures of unknown keys are ignored (C2SP signed-note), so an empty tuple means that
    nobody whom the caller knows signed. A signature that claims a known key and is not its own
    is Tampered.
    """
    note = parse(data)
    message = note.text.encode()
    known = {(key.name, key.id): key for key in keys}
    signed: dict[VerifierKey, None] = {}
    for line in note.signatures:
        key = known.get((line.name, line.key_id))
        if key is None:
            continue
        if not key.verifies(message, line.signature):
            raise Tampered(f"the signature of {key.name} does not fit the text")
        signed[key] = None
    return note.text, tuple(signed)


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


def _parse_signature(line: str) -> Signature:
    if not line.startswith(_DASH):
        raise Malformed("a signature line begins with an em dash and a space")
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    if not space:
        raise Malformed("a signature line has a name and a signature")
    check_name(name)
    data = decode_base64(encoded)
    if len(data) <= _KEY_ID_SIZE:
        raise Malformed("a signature of no bytes")
    return Signature(name, data[:_KEY_ID_SIZE], data[_KEY_ID_SIZE:])
