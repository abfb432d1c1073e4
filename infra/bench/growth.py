"""``python -m infra.bench --growth``: what an entry costs while its log grows to a million.

At each size three costs are measured, as medians: an entry's own transaction, its share of a round
of the sequencer, and a proof of any entry. Printed as a table, and drawn into ``build/growth.svg``.
They should not grow with the log, but for the tree's height.
"""

import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from statistics import median
from typing import Any, Final

import asyncpg
from sqlalchemy import text

from evidence import log, shard
from infra.bench.trees import Sequenced
from infra.parts import Parts
from odr import ids

SIZES: Final = (1_000, 10_000, 100_000, 1_000_000)
OUTPUT: Final = Path("build/growth.svg")
_NAMES: Final = ("append", "sequence", "prove")
_COLOURS: Final = ("#2563eb", "#b45309", "#15803d")
_TIMES: Final = 15
_BATCH: Final = 256
_FILL: Final = 131_072
_ANY: Final = text("SELECT stream, seq FROM vault_leaves WHERE origin = :origin AND index = :index")
_WIDTH, _HEIGHT, _LEFT, _TOP, _STEP = 640, 360, 72, 40, 150


@dataclass(frozen=True, slots=True)
class Costs:
    """Milliseconds for one entry, by name, in a log of so many."""

    size: int
    each: Mapping[str, float]


async def measured(
    parts: Parts, admin: asyncpg.Connection, folder: Path, sizes: tuple[int, ...] = SIZES
) -> list[Costs]:
    """Grow the log to each size, and measure there."""
    vault, chance = parts.vault, random.Random(11)  # noqa: S311 - no secret
    now = await admin.fetchval("SELECT service_now()")
    origin = shard.name(vault.origin, now)
    batch = Sequenced(parts, admin, folder, _BATCH)
    await batch.ours(0)

    async def append() -> None:
        async with parts.engine.begin() as conn:
            await vault.begin(conn, ids.new(now), act="note", body={"number": 1}, at=now)

    async def prove() -> None:
        async with parts.engine.connect() as conn:
            size = (await log.state(conn, origin)).size
            given = {"origin": origin, "index": chance.randrange(size)}
            stream, seq = (await conn.execute(_ANY, given)).one()
            await log.prove(conn, vault.store, stream, seq)

    found = []
    for size in sizes:
        await _fill(parts, admin, folder, origin, size)
        each = {"append": await _median(append), "prove": await _median(prove)}
        waits = []
        for _ in range(_TIMES):
            await batch.wait()
            started = time.perf_counter()
            await batch.ours(0)
            waits.append((time.perf_counter() - started) * 1000 / _BATCH)
        found.append(Costs(size, each | {"sequence": median(waits)}))
    return found


async def _fill(
    parts: Parts, admin: asyncpg.Connection, folder: Path, origin: str, size: int
) -> None:
    while True:
        async with parts.engine.connect() as conn:
            there = [one.size for one in await log.states(conn) if one.origin == origin]
        missing = size - sum(there)
        if missing <= 0:
            await admin.execute("ANALYZE vault_entries; ANALYZE vault_leaves")
            return
        more = Sequenced(parts, admin, folder, min(missing, _FILL))
        await more.wait()
        await more.ours(0)


async def _median(do: Callable[[], Awaitable[Any]]) -> float:
    taken = []
    for _ in range(_TIMES):
        started = time.perf_counter()
        await do()
        taken.append((time.perf_counter() - started) * 1000)
    return median(taken)


def table(costs: list[Costs]) -> str:
    """The costs in words."""
    lines = [f"{'entries':>12}" + "".join(f"{name + ', ms':>16}" for name in _NAMES)]
    lines += [
        f"{one.size:12,}" + "".join(f"{one.each[name]:16.3f}" for name in _NAMES) for one in costs
    ]
    first, last = costs[0], costs[-1]
    ratios = "".join(f"{last.each[name] / first.each[name]:16.2f}" for name in _NAMES)
    return "\n".join([*lines, f"{'last / first':>12}{ratios}"])


def drawn(costs: list[Costs]) -> str:
    """The costs as a picture (SVG): sizes from left to right, each tenfold; from zero up."""
    most = max(one.each[name] for one in costs for name in _NAMES) * 1.1
    foot = _TOP + _HEIGHT - 80

    def at(number: int, value: float) -> tuple[float, float]:
        return _LEFT + number * _STEP, foot - (foot - _TOP) * value / most

    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
            ' font-family="sans-serif" font-size="12">'
        ),
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        f'<text x="{_LEFT}" y="20" font-size="14">What one entry costs while its log grows</text>',
        f'<path d="M{_LEFT} {_TOP}V{foot}H{_WIDTH - 40}" fill="none" stroke="#6b7280"/>',
        f'<text x="{_LEFT - 8}" y="{_TOP + 4}" text-anchor="end">{most:.1f} ms</text>',
        f'<text x="{_LEFT - 8}" y="{foot + 4}" text-anchor="end">0</text>',
    ]
    for number, one in enumerate(costs):
        x, _ = at(number, 0)
        parts.append(f'<text x="{x}" y="{foot + 18}" text-anchor="middle">{one.size:,}</text>')
    for place, (name, colour) in enumerate(zip(_NAMES, _COLOURS, strict=True)):
        points = [at(number, one.each[name]) for number, one in enumerate(costs)]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
        x = _LEFT + place * 130
        parts.append(f'<text x="{x}" y="{_HEIGHT - 16}" fill="{colour}">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>", ""])
