"""Likenesses: which deposited pictures look alike, by their 64-bit perceptual hashes.

The question is: among all hashes, which differ from this one in at most eight bits? PostgreSQL
answers it exactly, without reading all rows. A hash is cut into four quarters of 16 bits. If two
hashes differ in at most eight bits, then the first quarter differs in at most two of its bits, or
one of the other three in at most one: otherwise they would differ in at least 3 + 2 + 2 + 2 = 9.
So the hashes in question are found by 137 + 3 x 17 values of quarters, each by an index, and what
is found is compared as a whole (multi-index hashing: Norouzi, Punjani and Fleet, 2012).

Neighbouring bits of a perceptual hash tend to be equal, which would crowd some quarters; so each
quarter takes bits from all over the picture.

A white page looks like every other one: `plain` says which hashes say too little, and pictures of
which there are crowds say little too. Who gave which picture is not known here.
"""

from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Integer,
    Select,
    SmallInteger,
    bindparam,
    cast,
    delete,
    func,
    select,
    union,
)
from sqlalchemy.dialects.postgresql import BIT, insert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import SQLModel

from evidence.models import VaultLikeness

BITS: Final = 64
DISTANCE_MAX: Final = 8
"""Up to how many differing bits the search is exact."""

CROWD: Final = 64
"""How many likenesses are looked for at most."""

SET_MIN: Final = 12
"""A hash with fewer bits set, or fewer not set, is of an even ground or a simple pattern."""

CONTRAST_MIN: Final = 12
"""A picture whose grey deviates less (0 to 128) is nearly blank."""

_QUARTER: Final = 0xFFFF
_SIDE: Final = 8

_table = SQLModel.metadata.tables[VaultLikeness.__tablename__]


@dataclass(frozen=True, slots=True)
class Likeness:
    """A deposited picture, or a part of one, and in how many bits its hash differs."""

    blob: UUID
    part: int
    distance: int


def plain(perceptual: int, contrast: int | None = None) -> bool:
    """Whether a picture shows too little to be known again.

    `perceptual` is its hash as an unsigned number, `contrast` as in evidence.facts, if known.
    A logo or a carrier's form passes: it is known again, everywhere, and met in crowds.
    """
    _check(perceptual)
    ones = perceptual.bit_count()
    blank = contrast is not None and contrast < CONTRAST_MIN
    return blank or min(ones, BITS - ones) < SET_MIN


async def add(conn: AsyncConnection, blob: UUID, perceptual: int, *, part: int = 0) -> None:
    """Keep a picture's hash; once more changes nothing.

    `part` is 0 for the picture itself, else the number of a page or frame. A hash that is
    `plain` is better left out.
    """
    given = {"blob": blob, "part": part, "hash": signed(spread(perceptual))}
    await conn.execute(insert(_table).on_conflict_do_nothing(), given)


async def near(
    conn: AsyncConnection, perceptual: int, *, distance: int = DISTANCE_MAX, most: int = CROWD
) -> list[Likeness]:
    """Find all pictures whose hashes differ in at most `distance` bits, the nearest first.

    No more than `most` are given; whoever gets as many has met a crowd.
    """
    if not 0 <= distance <= DISTANCE_MAX:
        raise ValueError(f"the search is exact up to {DISTANCE_MAX} bits")
    bits = spread(perceptual)
    given: dict[str, Any] = {"hash": signed(bits), "distance": distance, "most": most}
    for number, masks in enumerate(_MASKS):
        own = bits >> 16 * number & _QUARTER
        given[f"values_{number}"] = [(own ^ mask) - 0x8000 for mask in masks]
    return [Likeness(*row) for row in await conn.execute(_NEAR, given)]


async def forget(conn: AsyncConnection, blob: UUID) -> None:
    """Drop the hashes of a blob; the database refuses it while the blob's key is there."""
    await conn.execute(delete(_table).where(_table.c.blob == blob))


def _masks(differing: int) -> tuple[int, ...]:
    """All numbers of 16 bits with at most so many bits set."""
    return tuple(
        sum(1 << bit for bit in bits)
        for count in range(differing + 1)
        for bits in combinations(range(16), count)
    )


_MASKS: Final = (_masks(2), _masks(1), _masks(1), _masks(1))


def _candidates(number: int) -> Select[tuple[UUID, int, int]]:
    """Rows one of whose quarters is among the values, and which are near as a whole."""
    values = bindparam(f"values_{number}", type_=ARRAY(SmallInteger))
    differing = _table.c.hash.op("#")(bindparam("hash", type_=BigInteger))
    distance = cast(func.bit_count(cast(differing, BIT(BITS))), Integer)
    return select(_table.c.blob, _table.c.part, distance.label("distance")).where(
        _table.c[f"quarter_{number}"] == func.any(values),
        distance <= bindparam("distance", type_=Integer),
    )


_FOUND: Final = union(*map(_candidates, range(4))).subquery()
_NEAR: Final = (
    select(_FOUND)
    .order_by(_FOUND.c.distance, _FOUND.c.blob, _FOUND.c.part)
    .limit(bindparam("most", type_=Integer))
)

# The quarter of a bit: along knights' moves, so that no two neighbours of a picture share one.
_ORDER: Final = tuple(
    row * _SIDE + column
    for quarter in range(4)
    for row in range(_SIDE)
    for column in range(_SIDE)
    if (column + 2 * row) % 4 == quarter
)


def spread(perceptual: int) -> int:
    """The hash with its bits in the order of the quarters, which changes no distance."""
    _check(perceptual)
    return sum((perceptual >> bit & 1) << place for place, bit in enumerate(_ORDER))


def _check(perceptual: int) -> None:
    if not 0 <= perceptual < 1 << BITS:
        raise ValueError(f"a perceptual hash has {BITS} bits")


def signed(number: int) -> int:
    """The same 64 bits as PostgreSQL's bigint."""
    return number - (1 << BITS) if number >> (BITS - 1) else number
