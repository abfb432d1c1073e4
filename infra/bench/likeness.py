"""Near-duplicate look-ups among a million perceptual hashes, beside brute force.

Brute force is asked twice: PostgreSQL that compares every row of the same table, which is what one
has without an index, and numpy over all hashes in this process's memory, which is the fastest way
to compare them all. The hashes are made as a picture's are, so that their bits hang together;
what is looked for differs from one of them in at most eight bits. All sides must find the same.
"""

import itertools
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
import numpy as np
from numpy.typing import NDArray
from sqlalchemy.ext.asyncio import AsyncEngine

from evidence import likeness
from infra.bench.figures import Do

HASHES: Final = 1_000_000
_AT_ONCE: Final = 50_000
_WAVES: Final = 6
_QUERIES: Final = 500
_COMPARED: Final = 20
_FILL: Final = """
INSERT INTO vault_likenesses (blob, part, hash)
SELECT ('01430000-0000-8000-8000-' || lpad(to_hex($1 + number), 12, '0'))::uuid, 0, hash
FROM unnest($2::bigint[]) WITH ORDINALITY AS given (hash, number)
ON CONFLICT DO NOTHING
"""
_ALL: Final = """
SELECT blob, part, bit_count((hash # $1)::bit(64)) AS distance FROM vault_likenesses
WHERE bit_count((hash # $1)::bit(64)) <= $2
"""


@dataclass(frozen=True, slots=True)
class Pictures:
    """What was filled in, as the table holds it, and what is looked for."""

    spread: NDArray[np.uint64]
    queries: tuple[int, ...]


def made(count: int, seed: int = 1) -> Pictures:
    """Hashes of random smooth pictures, eight by nine points compared from left to right."""
    chance = np.random.default_rng(seed)
    hashes = np.concatenate(
        [_hashes(chance, min(_AT_ONCE, count - start)) for start in range(0, count, _AT_ONCE)]
    )
    queries = []
    for number in range(_QUERIES):
        query = int(hashes[number * count // _QUERIES])
        for bit in chance.choice(64, size=number % 9, replace=False):
            query ^= 1 << int(bit)
        queries.append(query)
    return Pictures(_spread(hashes), tuple(queries))


def _hashes(chance: np.random.Generator, count: int) -> NDArray[np.uint64]:
    down, across = np.mgrid[0:8, 0:9] / 6
    fields = chance.normal(scale=0.25, size=(count, 8, 9))
    for wave in range(_WAVES):
        height, right, below, phase = (
            spread * chance.uniform(-1, 1, size=(count, 1, 1))
            for spread in (2 / (2 + wave), 3, 3, np.pi)
        )
        fields += height * np.cos(2 * np.pi * (right * across + below * down) + phase)
    bits = (fields[:, :, 1:] > fields[:, :, :-1]).reshape(count, 64)
    return np.packbits(bits, axis=1).view(">u8").ravel().astype(np.uint64)


def _spread(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """As the index orders bits, many at once."""
    spread = np.zeros_like(hashes)
    for bit in range(64):
        place = likeness.spread(1 << bit).bit_length() - 1
        spread |= (hashes >> np.uint64(bit) & np.uint64(1)) << np.uint64(place)
    return spread


async def fill(admin: asyncpg.Connection, pictures: Pictures) -> None:
    """Fill the index, of files that are not there; ``admin`` is a superuser."""
    hashes = pictures.spread.view(np.int64)
    async with admin.transaction():
        await admin.execute("SET LOCAL session_replication_role = replica")
        for start in range(0, len(hashes), _AT_ONCE):
            await admin.execute(_FILL, start, hashes[start : start + _AT_ONCE].tolist())
    await admin.execute("VACUUM ANALYZE vault_likenesses")


async def compare(engine: AsyncEngine, plain: asyncpg.Connection, pictures: Pictures) -> None:
    """Raise unless all sides find the same pictures: the recall is 1, by some queries."""
    for query in pictures.queries[:: _QUERIES // _COMPARED]:
        async with engine.connect() as conn:
            found = await likeness.near(conn, query, most=len(pictures.spread))
        ours = {(each.blob, each.distance) for each in found}
        by_rows = {(row["blob"], row["distance"]) for row in await _by_rows(plain, query)}
        in_memory = len(_in_memory(pictures.spread, query))
        if ours != by_rows or len(ours) != in_memory:
            raise AssertionError((query, ours ^ by_rows, in_memory))


def looked_up(engine: AsyncEngine, pictures: Pictures) -> Do:
    """The service's own way, over one connection."""
    queries = itertools.cycle(pictures.queries)

    async def do(count: int) -> None:
        async with engine.connect() as conn:
            for query in itertools.islice(queries, count):
                await likeness.near(conn, query)

    return do


def by_rows(plain: asyncpg.Connection, pictures: Pictures) -> Do:
    """PostgreSQL compares every row."""
    queries = itertools.cycle(pictures.queries)

    async def do(count: int) -> None:
        for query in itertools.islice(queries, count):
            await _by_rows(plain, query)

    return do


async def _by_rows(plain: asyncpg.Connection, query: int) -> list[Any]:
    rows: list[Any] = await plain.fetch(
        _ALL, likeness.signed(likeness.spread(query)), likeness.DISTANCE_MAX
    )
    return rows


def in_memory(pictures: Pictures) -> Do:
    """Numpy compares every hash, without a database or a wire."""
    queries = itertools.cycle(pictures.queries)

    async def do(count: int) -> None:
        for query in itertools.islice(queries, count):
            _in_memory(pictures.spread, query)

    return do


def _in_memory(spread: NDArray[np.uint64], query: int) -> NDArray[np.intp]:
    differing = np.bitwise_count(spread ^ np.uint64(likeness.spread(query)))
    return np.flatnonzero(differing <= likeness.DISTANCE_MAX)
