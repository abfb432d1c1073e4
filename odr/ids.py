"""Ids: UUIDv8 whose first bits are the month in which the order was registered.

RFC 9562, section 5.8 leaves all bits of a version 8 UUID but version and variant to the
application. Here:

====================  =====================================================
bits 0 to 15          months since January 2000 (UTC), big-endian
bits 48 to 51         the version, 8
bits 64 and 65        the variant, binary 10
the other 106 bits    random, or a truncated SHA-256 (``derive``)
====================  =====================================================

Everything that belongs to an order carries its month, so that every table can be partitioned
by ranges of its key, and an order's rows stand together. An id tells the month and nothing
else; it grants nothing. The module knows no table and no clock.
"""

import os
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final
from uuid import UUID

RANDOM_BITS: Final = 106
_EPOCH_YEAR: Final = 2000
_MONTHS: Final = 1 << 16
_MONTH_SHIFT: Final = 112
_FIXED: Final = (8 << 76) | (2 << 62)
_FREE: Final = ((1 << _MONTH_SHIFT) - 1) ^ (0xF << 76) ^ (3 << 62)
_PREFIX: Final = (_MONTHS - 1) << _MONTH_SHIFT
_DERIVE: Final = b"concord/id/derive/1\x00"


def new(month_of: datetime) -> UUID:
    """Make a fresh random id with the UTC month of ``month_of``.

    ``month_of`` is when the order was registered, aware of its zone (``ValueError`` if naive
    or before 2000).
    """
    if month_of.tzinfo is None:
        raise ValueError("an id's month needs an instant with a time zone")
    month_of = month_of.astimezone(UTC)
    return _make(_months(month_of.year, month_of.month) << _MONTH_SHIFT, os.urandom(16))


def child(parent: UUID) -> UUID:
    """Make a random id with the month of ``parent`` (``ValueError`` if that is none of ours)."""
    return _make(_checked(parent) & _PREFIX, os.urandom(16))


def derive(parent: UUID, name: str) -> UUID:
    """Give the one id that ``name`` has under ``parent``, the same whenever it is asked.

    For what follows from a business fact and must exist once, such as the payout of a ruling.
    The name must not be empty (``ValueError``); it is hashed as UTF-8 and not normalised.
    """
    if not name:
        raise ValueError("a derived id needs a name")
    digest = sha256(_DERIVE + parent.bytes + name.encode()).digest()
    return _make(_checked(parent) & _PREFIX, digest[:16])


def month(id_: UUID) -> tuple[int, int]:
    """Read the year and month (1 to 12) in ``id_`` (``ValueError`` if that is none of ours)."""
    years, months = divmod(_checked(id_) >> _MONTH_SHIFT, 12)
    return _EPOCH_YEAR + years, months + 1


def month_range(year: int, month_: int) -> tuple[UUID, UUID]:
    """Give the range of a month's partition: from the first, included, to the second, excluded.

    Both are bounds in the order of bytes, which is PostgreSQL's, and no ids themselves.
    """
    months = _months(year, month_)
    return UUID(int=months << _MONTH_SHIFT), UUID(int=(months + 1) << _MONTH_SHIFT)


def _months(year: int, month_: int) -> int:
    months = (year - _EPOCH_YEAR) * 12 + month_ - 1
    # The last month of all is left out, so that every month has an upper bound.
    if not 1 <= month_ <= 12 or not 0 <= months < _MONTHS - 1:  # noqa: PLR2004  # a year's months
        raise ValueError(f"{year:04d}-{month_:02d} is no month from 2000-01 on")
    return months


def _make(prefix: int, bits: bytes) -> UUID:
    return UUID(int=prefix | _FIXED | (int.from_bytes(bits) & _FREE))


def _checked(id_: UUID) -> int:
    value = id_.int
    if value & ~(_PREFIX | _FREE) != _FIXED:
        raise ValueError(f"{id_} is no version 8 UUID")
    return value
