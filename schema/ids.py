"""Global ids: two small letters that name the type, then the key in 32 lower hex digits.

Programs must not look inside (Relay's Global Object Identification asks for opaque ids). The tag
lets `node(id:)` find the table, and lets an id of another type be refused before the database is
asked. An id grants nothing: every reading of the row is authorised again, by its type. The
module knows no table; which tag stands for which type is declared beside the type.
"""

import re
from typing import Final
from uuid import UUID

from odr.errors import NotFound

TAG: Final = re.compile(r"[a-z]{2}")
_ID: Final = re.compile(r"([a-z]{2})([0-9a-f]{32})")


def write(tag: str, key: UUID) -> str:
    """Give the global id of the row with ``key`` in the type with ``tag``."""
    if not TAG.fullmatch(tag):
        raise ValueError(f"a type's tag is two small letters, not {tag!r}")
    return tag + key.hex


def parse(text: str) -> tuple[str, UUID]:
    """Read the tag and the key; ``NotFound`` for any other spelling, as for a missing row."""
    match = _ID.fullmatch(text)
    if match is None:
        raise NotFound
    return match[1], UUID(hex=match[2])


def key(text: str, tag: str) -> UUID:
    """Read the key of an id that must have ``tag``; ``NotFound`` if it has another."""
    found, value = parse(text)
    if found != tag:
        raise NotFound
    return value


def find(text: str, tag: str | None = None) -> UUID | None:
    """Read the key as ``key`` does, of any type if ``tag`` is None; None where that refuses."""
    try:
        found, value = parse(text)
    except NotFound:
        return None
    return value if tag in {None, found} else None


def tag_of(text: object) -> str | None:
    """Read only the tag, or None if this is no id."""
    match = _ID.fullmatch(text) if isinstance(text, str) else None
    return match[1] if match else None
