"""The figures: what is measured, each beside its limit, in rounds that take turns.

A side of a figure is a function that does the thing ``count`` times over so many connections; a
round measures one side and then the other, and what is told is the median of the rounds.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Final

from infra.bench.client import Client

CONNECTIONS: Final = (1, 8)
Do = Callable[[int], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Figure:
    """Two sides that do the same, ``count`` times a round.

    ``at_most`` says that less is better, so that a target is the greatest ratio.
    """

    name: str
    ours: Do
    limit: Do
    count: int
    connections: int = 1
    unit: str = "1/s"
    at_most: bool = False
    warm: int = 12
    between: Callable[[], Awaitable[None]] | None = None


@dataclass(frozen=True, slots=True)
class Side:
    """What one side came to: medians over its rounds, times a second and CPU seconds each."""

    rate: float
    effort: float | None


@dataclass(frozen=True, slots=True)
class Measured:
    """What a figure came to on both sides."""

    figure: Figure
    sides: Mapping[str, Side]
    rounds: int

    @property
    def ours(self) -> float:
        """Ours, times a second."""
        return self.sides["ours"].rate

    @property
    def limit(self) -> float:
        """The limit, times a second."""
        return self.sides["limit"].rate

    @property
    def ratio(self) -> float:
        """Ours as a part of the limit."""
        return self.ours / self.limit

    @property
    def by_effort(self) -> float | None:
        """The limit's CPU time as a part of ours: what the ratio is where nobody waits."""
        ours, limit = self.sides["ours"].effort, self.sides["limit"].effort
        return limit / ours if limit and ours else None

    def told(self) -> dict[str, Any]:
        """The figure as a member of build/bench.json."""
        return {
            "name": self.figure.name,
            "unit": self.figure.unit,
            "ours": round(self.ours, 3),
            "limit": round(self.limit, 3),
            "ratio": round(self.ratio, 3),
            "rounds": self.rounds,
        }


async def measure(figure: Figure, rounds: int, spent: Callable[[], float | None]) -> Measured:
    """Warm both sides, then let them take turns; ``spent`` tells the CPU seconds so far."""
    sides = {"ours": figure.ours, "limit": figure.limit}
    rates: dict[str, list[float]] = {side: [] for side in sides}
    efforts: dict[str, list[float]] = {side: [] for side in sides}
    for do in sides.values():
        if figure.warm:
            await do(figure.warm * figure.connections)
            await _pause(figure)
    for number in range(rounds):
        # Whoever is second finds the caches warmer: they change places.
        for side in sorted(sides, reverse=number % 2 == 0):
            before, started = spent(), time.perf_counter()
            await sides[side](figure.count)
            seconds, after = time.perf_counter() - started, spent()
            rates[side].append(figure.count / seconds)
            if before is not None and after is not None:
                efforts[side].append((after - before) / figure.count)
            await _pause(figure)
    medians = {side: Side(median(rates[side]), _middle(efforts[side])) for side in sides}
    return Measured(figure, medians, rounds)


def _middle(values: Sequence[float]) -> float | None:
    return median(values) if values else None


async def _pause(figure: Figure) -> None:
    if figure.between is not None:
        await figure.between()


async def spread(count: int, workers: Iterable[Callable[[], Awaitable[None]]]) -> None:
    """Let workers do something ``count`` times together, each one after the other."""
    left = iter(range(count))

    async def work(do: Callable[[], Awaitable[None]]) -> None:
        for _ in left:
            await do()

    async with asyncio.TaskGroup() as group:
        for do in workers:
            group.create_task(work(do))


class AnswerError(RuntimeError):
    """A server of the bench answered something else than it should."""


@dataclass
class Callers:
    """Connections to a server; ``make`` gives the next request, ``check`` looks at the answer."""

    port: int
    make: Callable[[], bytes]
    check: Callable[[int, bytes], None]
    clients: list[Client] = field(default_factory=list)

    async def open(self, connections: int) -> "Callers":
        """Connect."""
        self.clients = [await Client.to(self.port) for _ in range(connections)]
        return self

    async def do(self, count: int) -> None:
        """Ask ``count`` times."""

        def one(client: Client) -> Callable[[], Awaitable[None]]:
            async def ask() -> None:
                self.check(*await client.ask(self.make()))

            return ask

        await spread(count, [one(client) for client in self.clients])

    async def close(self) -> None:
        """Disconnect."""
        for client in self.clients:
            await client.close()


def table(measured: Iterable[Measured], targets: Mapping[str, float]) -> str:
    """The figures in words, with the least ratios that are asked for."""
    lines = [
        f"{'':36}{'ours':>10}{'limit':>10}{'ratio':>8}{'asked':>8}{'by CPU':>8}{'ours, each':>12}"
    ]
    for each in measured:
        figure, effort = each.figure, each.by_effort
        asked = targets.get(figure.name.removesuffix("_c8"))
        met = asked is None or (each.ratio <= asked if figure.at_most else each.ratio >= asked)
        mark = "" if asked is None else f"{asked:.2f}" + (" " if met else "*")
        told = "" if effort is None else f"{effort:.2f}"
        latency = 1000 * figure.connections / each.ours
        each_one = f"{latency:9.1f} ms" if figure.unit == "1/s" else f"{figure.unit:>12}"
        lines.append(
            f"{figure.name:36}{each.ours:10.1f}{each.limit:10.1f}{each.ratio:8.2f}{mark:>9}"
            f"{told:>7}{each_one}"
        )
    return "\n".join(lines)
