"""An entry: what the chain, the log and every proof are about, as exact bytes.

Canonical JSON with these members, in this order, and no others:

    blob     only if a file belongs to the act: {"sha256": hex, "size": bytes} of its ciphertext
    body     hex; the commitment to the private body
    format   "vault-entry/v1"
    origin   the name of the log for which the entry is meant
    prev     hex; leaf hash of the stream's entry before; 32 zero bytes for the first
    seq      its number in the stream, from 0
    stream   the stream's id, a UUID in lower case with hyphens
    time     microseconds since 1970-01-01T00:00:00Z
    type     "act", the same for all acts: the real one is in the private body

Hex is lower case. An entry has at most 65,535 bytes and holds no personal data. It knows
neither tables nor keys.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import Any
from uuid import UUID

from evidence import canonical, merkle
from evidence.errors import Malformed

FORMAT = "vault-entry/v1"
TYPE = "act"
SIZE_MAX = 65_535  # C2SP tlog-tiles: the length of an entry is a u16
SALT_SIZE = 32
FIRST_PREV = bytes(32)

_BODY_PREFIX = b"vault-body/v1\n"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MEMBERS = frozenset({"body", "format", "origin", "prev", "seq", "stream", "time", "type"})
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_HASH = re.compile(r"[0-9a-f]{64}")
_ORIGIN = re.compile(r"[!-*,-~]{1,255}")  # printable ASCII, no space, no "+" (C2SP signed-note)


@dataclass(frozen=True, slots=True)
class Ciphertext:
    """The stored object that belongs to an entry: digest and size of its encrypted bytes."""

    sha256: bytes
    size: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a stream; `time` is aware, UTC."""

    origin: str
    stream: UUID
    seq: int
    prev: bytes
    time: datetime
    body: bytes
    blob: Ciphertext | None = None


def encode(entry: Entry) -> bytes:
    """Write the entry's bytes; a value that has no place in the format is Malformed."""
    before, after = frame(entry)
    _check_seq(entry.seq)
    _check_hash(entry.prev)
    return b"%b%b%b%d%b" % (before, entry.prev.hex().encode(), BETWEEN, entry.seq, after)


# An entry's bytes are: before || hex(prev) || BETWEEN || decimal(seq) || after. `encode` and the
# one SQL statement that appends (evidence/chain.py) both put them together from these pieces.
BETWEEN = b'","seq":'


def frame(entry: Entry) -> tuple[bytes, bytes]:
    """Give the bytes before `prev` and those after `seq`; the values of both are not looked at.

    The caller that does not know yet where in the chain the entry will stand uses this. The
    pieces are spelled out here instead of by canonical.encode because this is the hot path; a
    test holds both against each other.
    """
    _check_hash(entry.body)
    blob = b""
    if entry.blob is not None:
        _check_hash(entry.blob.sha256)
        if not 0 < entry.blob.size <= canonical.INTEGER_MAX:
            raise Malformed("a stored blob has at least one byte")
        blob = b'"blob":{"sha256":"%b","size":%d},' % (
            entry.blob.sha256.hex().encode(),
            entry.blob.size,
        )
    before = b'{%b"body":"%b","format":"%b","origin":%b,"prev":"' % (
        blob,
        entry.body.hex().encode(),
        FORMAT.encode(),
        _origin(entry.origin),
    )
    after = b',"stream":"%b","time":%d,"type":"%b"}' % (
        str(entry.stream).encode(),
        to_microseconds(entry.time),
        TYPE.encode(),
    )
    return before, after


@lru_cache(maxsize=64)
def _origin(origin: str) -> bytes:
    if not _ORIGIN.fullmatch(origin):
        raise Malformed("an origin is 1 to 255 printable ASCII characters, no space, no plus")
    return canonical.encode(origin)


def decode(data: bytes) -> Entry:
    """Read an entry's bytes; anything that `encode` would not have written is Malformed."""
    if len(data) > SIZE_MAX:
        raise Malformed("an entry has at most 65,535 bytes")
    value = canonical.parse(data)
    if not isinstance(value, dict) or value.keys() - {"blob"} != _MEMBERS:
        raise Malformed("an entry has other members")
    if value["format"] != FORMAT or value["type"] != TYPE:
        raise Malformed("an entry of another format or type")
    origin = value["origin"]
    if not isinstance(origin, str):
        raise Malformed("an origin is a string")
    entry = Entry(
        origin=origin,
        stream=read_uuid(value["stream"]),
        seq=read_integer(value["seq"]),
        prev=read_hash(value["prev"]),
        time=from_microseconds(value["time"]),
        body=read_hash(value["body"]),
        blob=_read_blob(value["blob"]) if "blob" in value else None,
    )
    if encode(entry) != data:
        raise Malformed("an entry that is not written as entries are")
    return entry


def commit(salt: bytes, private_body: bytes) -> bytes:
    """Bind a private body: SHA-256("vault-body/v1" || 0x0A || salt || private body).

    The body is given in canonical JSON; the salt (32 random bytes) keeps a
    stranger from guessing what a short body says.
    """
    if len(salt) != SALT_SIZE:
        raise Malformed("a salt has 32 bytes")
    return sha256(_BODY_PREFIX + salt + private_body).digest()


def leaf_hash(data: bytes) -> bytes:
    """Hash an entry's bytes into the tree's leaf, which is also the chain's link."""
    return merkle.leaf_hash(data)


def to_microseconds(time: datetime) -> int:
    """Count microseconds since 1970-01-01T00:00:00Z; a time without zone is Malformed."""
    if time.utcoffset() is None:
        raise Malformed("a time needs its zone")
    count = (time - _EPOCH) // _MICROSECOND
    if not 0 <= count <= canonical.INTEGER_MAX:
        raise Malformed("a time before 1970 or beyond 2255")
    return count


def from_microseconds(count: Any) -> datetime:
    """Read microseconds since 1970-01-01T00:00:00Z into an aware UTC datetime."""
    return _EPOCH + read_integer(count) * _MICROSECOND


def read_integer(value: Any) -> int:
    """Take a JSON integer from 0 to 2**53 - 1; True is none."""
    if type(value) is not int or not 0 <= value <= canonical.INTEGER_MAX:
        raise Malformed("not an integer from 0 to 2**53 - 1")
    return value


def read_hash(value: Any) -> bytes:
    """Take 64 lower-case hex digits."""
    if not isinstance(value, str) or not _HASH.fullmatch(value):
        raise Malformed("not 64 lower-case hex digits")
    return bytes.fromhex(value)


def read_uuid(value: Any) -> UUID:
    """Take a UUID in lower case with hyphens."""
    if not isinstance(value, str):
        raise Malformed("not a UUID in lower case with hyphens")
    return _uuid(value)


# Every entry and receipt of a record names the same stream.
@lru_cache(maxsize=1024)
def _uuid(text: str) -> UUID:
    if not _UUID.fullmatch(text):
        raise Malformed("not a UUID in lower case with hyphens")
    return UUID(text)


def _read_blob(value: Any) -> Ciphertext:
    if not isinstance(value, dict) or value.keys() != {"sha256", "size"}:
        raise Malformed("an entry's blob has sha256 and size")
    return Ciphertext(read_hash(value["sha256"]), read_integer(value["size"]))


def _check_hash(value: bytes) -> None:
    if len(value) != merkle.HASH_SIZE:
        raise Malformed("a hash has 32 bytes")


def _check_seq(seq: int) -> None:
    if not 0 <= seq <= canonical.INTEGER_MAX:
        raise Malformed("a number in a stream is from 0 to 2**53 - 1")
