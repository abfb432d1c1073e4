"""Where things lie in a bundle, and bundle.json; used by who writes one and who verifies it.

Needs nothing but the standard library, since the offline verifier uses it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

from evidence import canonical
from evidence.body import Plaintext, Root, read_media_type, read_sha512
from evidence.entry import Ciphertext, read_hash, read_integer, read_uuid
from evidence.errors import Malformed

FORMAT = "vault-bundle/v1"
BUNDLE = "bundle.json"
SCRIPT = "verify.sh"  # checks the bundle with openssl alone; bundles made earlier have none
PAYLOAD = "data/"
NOTE = "checkpoint.note"
PATH = "consistency.txt"
ANSWER = ".tsr"
KINDS = {
    "entries": "json",
    "bodies": "json",
    "salts": "hex",
    "receipts": "note",
    "proofs": "tlog-proof",
}
EXTENSIONS = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "image/heic": "heic",
    "application/pdf": "pdf",
    "video/mp4": "mp4",
    "text/plain": "txt",
    "message/rfc822": "eml",
    "application/json": "data.json",
    "text/csv": "csv",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
}


@dataclass(frozen=True, slots=True)
class Frozen:
    """A record that was closed: the entry that closed it, and the root it froze."""

    seq: int
    root: Root


@dataclass(frozen=True, slots=True)
class Listed:
    """A stream as bundle.json lists it."""

    id: UUID
    size: int
    records: tuple[Frozen, ...]


@dataclass(frozen=True, slots=True)
class Log:
    """A log as bundle.json lists it; the keys are told for convenience and prove nothing."""

    origin: str
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class About:
    """What bundle.json says: `made` in microseconds since 1970, UTC."""

    origin: str
    made: int
    receipt_key: str
    logs: tuple[Log, ...]
    streams: tuple[Listed, ...]
    blobs: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class File:
    """What a blob's own JSON says: the file, its stored ciphertext, and the key between them."""

    plaintext: Plaintext
    ciphertext: Ciphertext
    key: bytes


def entry_path(stream: UUID, kind: str, seq: int) -> str:
    """Give the path, in the payload, of one of the parts of an entry."""
    return _entry_path(stream, kind) % seq


@lru_cache(maxsize=4096)
def _entry_path(stream: UUID, kind: str) -> str:
    return f"streams/{stream}/{kind}/%06d.{KINDS[kind]}"


_STAMP = re.compile(
    r"timestamps/(0|[1-9]\d{0,3})/(0|[1-9]\d{0,3})/(checkpoint\.note|consistency\.txt|\d{3}\.tsr)",
    re.ASCII,
)


def stamp_path(log: int, number: int, name: str) -> str:
    """Give the path, in the payload, of a file of a log's timestamp; logs as bundle.json counts."""
    return f"timestamps/{log}/{number}/{name}"


def answer(number: int) -> str:
    """Name the file of a timestamp's answer: 0 is the first, the others renew the one before."""
    return f"{number:03d}{ANSWER}"


def read_stamps(paths: Iterable[str], logs: int) -> dict[tuple[int, int], set[str]]:
    """Find the timestamps among the payload's paths: log and number, and the names of files."""
    found: dict[tuple[int, int], set[str]] = {}
    for path in paths:
        parts = _STAMP.fullmatch(path) if path.startswith("timestamps/") else None
        if parts is not None and int(parts[1]) < logs:
            found.setdefault((int(parts[1]), int(parts[2])), set()).add(parts[3])
    return found


def blob_path(blob: UUID, ending: str) -> str:
    """Give the path, in the payload, of a file or of what is told of it."""
    return f"blobs/{blob}.{ending}"


def extension(media_type: str) -> str:
    """Give a file's ending by its type."""
    return EXTENSIONS.get(media_type, "bin")


def read_about(data: bytes) -> About:
    """Read bundle.json strictly."""
    value = canonical.decode(data)
    names = {"blobs", "format", "logs", "made", "origin", "receipt_key", "streams"}
    if not isinstance(value, dict) or value.keys() != names or value["format"] != FORMAT:
        raise Malformed("bundle.json has other members, or is of another format")
    if not isinstance(value["origin"], str) or not isinstance(value["receipt_key"], str):
        raise Malformed("bundle.json's origin and receipt_key are strings")
    about = About(
        value["origin"],
        read_integer(value["made"]),
        value["receipt_key"],
        tuple(_read_log(one) for one in _list(value["logs"])),
        tuple(_read_stream(one) for one in _list(value["streams"])),
        tuple(read_uuid(one) for one in _list(value["blobs"])),
    )
    ids = [one.id for one in about.streams]
    if not ids or len(set(ids)) != len(ids) or len(set(about.blobs)) != len(about.blobs):
        raise Malformed("bundle.json lists no stream, or something twice")
    return about


def read_file(data: bytes) -> File:
    """Read a blob's JSON strictly."""
    value = canonical.decode(data)
    names = {
        "cipher_sha256", "cipher_size", "id", "key", "media_type", "sha256", "sha512", "size",
    }  # fmt: skip
    if not isinstance(value, dict) or value.keys() != names:
        raise Malformed("a blob's JSON has other members")
    return File(
        Plaintext(
            id=read_uuid(value["id"]),
            media_type=read_media_type(value["media_type"]),
            sha256=read_hash(value["sha256"]),
            sha512=read_sha512(value["sha512"]),
            size=read_integer(value["size"]),
        ),
        Ciphertext(read_hash(value["cipher_sha256"]), read_integer(value["cipher_size"])),
        read_hash(value["key"]),
    )


def read_salt(data: bytes) -> bytes:
    """Read a salt's file: 64 hex digits and a newline."""
    try:
        digits = data.decode("ascii")
    except UnicodeDecodeError:
        raise Malformed("a salt is hex") from None
    if not digits.endswith("\n"):
        raise Malformed("a salt ends with a newline")
    return read_hash(digits[:-1])


def _read_log(value: Any) -> Log:
    if not isinstance(value, dict) or value.keys() != {"keys", "origin"}:
        raise Malformed("a log in bundle.json has other members")
    keys = _list(value["keys"])
    if not all(isinstance(one, str) for one in [value["origin"], *keys]):
        raise Malformed("a log's origin and keys in bundle.json are strings")
    return Log(value["origin"], tuple(keys))


def _read_stream(value: Any) -> Listed:
    if not isinstance(value, dict) or value.keys() != {"id", "records", "size"}:
        raise Malformed("bundle.json lists a stream with other members")
    return Listed(
        read_uuid(value["id"]),
        read_integer(value["size"]),
        tuple(_read_record(one) for one in _list(value["records"])),
    )


def _read_record(value: Any) -> Frozen:
    if not isinstance(value, dict) or value.keys() != {"root", "seq", "size"}:
        raise Malformed("bundle.json lists a record with other members")
    root = Root(read_integer(value["size"]), read_hash(value["root"]))
    return Frozen(read_integer(value["seq"]), root)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise Malformed("bundle.json has a list here")
    return value
