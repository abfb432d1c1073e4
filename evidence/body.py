"""The private body of an entry: what really happened, kept beside the entry and bound by it.

Canonical JSON with these members and no others; entry.commit binds its bytes to the entry:

    act      the real type of the act, as the caller names it
    body     the caller's own members: who, text, file name ...
    blob     only if a file belongs to the act: {"id": UUID, "media_type": text,
             "sha256": hex, "sha512": hex, "size": bytes}, all of the plaintext
    record   only if the act closes a record: {"root": hex, "size": entries}, the Merkle root
             over the leaf hashes of the stream's entries 0 ... size - 1
    erased   only if the act erases: what, on what ground, by whom (evidence/tombstone.py)

It knows nothing of what the acts mean.
"""

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from evidence import canonical, tombstone
from evidence.entry import read_hash, read_integer, read_uuid
from evidence.errors import Malformed
from evidence.tombstone import Erased

SIZE_MAX = 1024 * 1024

_SHA512 = re.compile(r"[0-9a-f]{128}")
_MEDIA_TYPE = re.compile(r"[a-z0-9]+/[a-z0-9][a-z0-9.+-]*")
_MEDIA_TYPE_MAX = 127
# PostgreSQL's jsonb cannot hold U+0000. An odd number of backslashes before "u0000" is one;
# after an even number the text itself says "\u0000".
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


@dataclass(frozen=True, slots=True)
class Plaintext:
    """A deposited file as its owner knows it."""

    id: UUID
    media_type: str
    sha256: bytes
    sha512: bytes
    size: int


@dataclass(frozen=True, slots=True)
class Root:
    """A record as it stood when it had `size` entries: the Merkle root over their leaf hashes."""

    size: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Body:
    """A private body, read."""

    act: str
    body: dict[str, Any]
    blob: Plaintext | None = None
    record: Root | None = None
    erased: Erased | None = None


def value(body: Body) -> dict[str, Any]:
    """Give the JSON value of a private body, ready for canonical.encode."""
    members: dict[str, Any] = {"act": body.act, "body": body.body}
    if body.blob is not None:
        members["blob"] = {
            "id": str(body.blob.id),
            "media_type": body.blob.media_type,
            "sha256": body.blob.sha256.hex(),
            "sha512": body.blob.sha512.hex(),
            "size": body.blob.size,
        }
    if body.record is not None:
        members["record"] = {"root": body.record.hash.hex(), "size": body.record.size}
    if body.erased is not None:
        members["erased"] = tombstone.value(body.erased)
    return members


def encode(body: Body) -> bytes:
    """Write the bytes that are committed to; Malformed if too long or not storable."""
    data = canonical.encode(value(body))
    if len(data) > SIZE_MAX:
        raise Malformed(f"a private body has at most {SIZE_MAX} bytes")
    if b"u0000" in data and _NUL.search(data):
        raise Malformed("a private body cannot hold U+0000")
    return data


def decode(data: bytes) -> Body:
    """Read bytes that `encode` could have written."""
    if len(data) > SIZE_MAX:
        raise Malformed(f"a private body has at most {SIZE_MAX} bytes")
    return read(canonical.decode(data))


def read(members: Any) -> Body:
    """Read a private body's JSON value, as `value` gives it and the database keeps it."""
    others = {"blob", "record", "erased"}
    if not isinstance(members, dict) or members.keys() - others != {"act", "body"}:
        raise Malformed("a private body has other members")
    if not isinstance(members["act"], str) or not isinstance(members["body"], dict):
        raise Malformed("a private body's act is a string, its body an object")
    return Body(
        members["act"],
        members["body"],
        _read_blob(members["blob"]) if "blob" in members else None,
        _read_record(members["record"]) if "record" in members else None,
        tombstone.read(members["erased"]) if "erased" in members else None,
    )


def read_media_type(text: Any) -> str:
    """Take a media type in lower case and without parameters (RFC 6838 4.2)."""
    if not isinstance(text, str) or len(text) > _MEDIA_TYPE_MAX or not _MEDIA_TYPE.fullmatch(text):
        raise Malformed("not a media type in lower case without parameters")
    return text


def read_sha512(text: Any) -> bytes:
    """Take 128 lower-case hex digits."""
    if not isinstance(text, str) or not _SHA512.fullmatch(text):
        raise Malformed("not 128 lower-case hex digits")
    return bytes.fromhex(text)


def _read_blob(members: Any) -> Plaintext:
    names = {"id", "media_type", "sha256", "sha512", "size"}
    if not isinstance(members, dict) or members.keys() != names:
        raise Malformed("a private body's blob has other members")
    return Plaintext(
        id=read_uuid(members["id"]),
        media_type=read_media_type(members["media_type"]),
        sha256=read_hash(members["sha256"]),
        sha512=read_sha512(members["sha512"]),
        size=read_integer(members["size"]),
    )


def _read_record(members: Any) -> Root:
    if not isinstance(members, dict) or members.keys() != {"root", "size"}:
        raise Malformed("a private body's record has root and size")
    return Root(read_integer(members["size"]), read_hash(members["root"]))
