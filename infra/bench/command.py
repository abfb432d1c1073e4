"""``make bench``: each figure beside its limit, in one run.

Three processes share the machine: the service (one uvicorn worker), the limit (raw Starlette under
the same uvicorn), and this one with the clients; the worker that sends notices does not run. The
database is the embedded PostgreSQL, as durable as in production. Files go to a real S3: Ceph's
radosgw, started here if it is installed, or a server that CONCORD_TEST_S3_URL names.
"""

import argparse
import asyncio
import json
import os
import shutil
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import asyncpg

from infra import parts
from infra.bench import (
    data,
    effort,
    figures,
    growth,
    likeness,
    record,
    requests,
    sameness,
    serving,
    storage,
    trees,
)
from infra.bench.data import Ground
from infra.bench.figures import CONNECTIONS, Callers, Do, Figure, Measured, Side
from infra.bench.storage import Bucket
from infra.parts import Parts
from infra.postgres import Cluster
from infra.settings import Settings
from schema import ids
from tests.servers import ceph

TARGETS: Final = {
    "list_settled_claims": 0.7,
    "read_case": 0.6,
    "open_case": 0.35,
    "deposit_3mib": 0.7,
    "ledger_transfers": 0.8,
    "near_duplicate_ms": 20.0,
    "verify_record": 0.5,
    "inclusion_proof_vs_pymerkle": 5.0,
    "inclusion_proof_vs_pymerkle_memory": 3.0,
    "deposit_64mib_peak_mib": 1.0,
}
OUTPUT: Final = Path("build/bench.json")
_LEDGER_ORDERS: Final = 64


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is done: the times of each round on one connection, and the rows beside."""

    rounds: int = 7
    reads: int = 24
    lists: int = 24
    writes: int = 24
    deposits: int = 6
    transfers: int = 150
    verifications: int = 12
    warm: int = 12
    claims: int = 3_000
    lookups: int = 20
    proofs: int = 3
    hashes: int = likeness.HASHES
    entries: int = trees.ENTRIES
    leaves: int = 1_000_000

    def orders(self) -> int:
        """How many cases are opened, on both sides together."""
        each = [self.warm * n + self.rounds * self.writes * min(n, 3) for n in CONNECTIONS]
        return 2 * sum(each) + _LEDGER_ORDERS + 16


QUICK: Final = Plan(
    rounds=1, reads=2, lists=2, writes=2, deposits=1, transfers=3, verifications=1, warm=1,
    claims=120, lookups=1, proofs=1, hashes=2_000, entries=300, leaves=3_000,
)  # fmt: skip


@dataclass
class Bench:
    """Everything that is up while it is measured."""

    plan: Plan
    made: Parts
    ground: Ground
    admin: asyncpg.Connection
    ports: dict[str, int]
    processes: dict[str, int]
    folder: Path
    bucket: Bucket | None
    stack: AsyncExitStack
    cases: dict[str, list[str]] = field(default_factory=lambda: {"ours": [], "limit": []})

    def spent(self) -> float | None:
        """The CPU seconds of all that is up."""
        return effort.spent(self.folder / "ceph" / "run")

    async def callers(self, side: str, connections: int, make: Any, check: Any) -> Callers:
        """Clients of one server, closed in the end."""
        opened = await Callers(self.ports[side], make, check).open(connections)
        self.stack.push_async_callback(opened.close)
        return opened


async def run(arguments: Sequence[str], settings: Settings) -> int:
    """Measure, print the table, write ``build/bench.json``; 0 whatever the ratios are."""
    parser = argparse.ArgumentParser(prog="make bench", description="speed beside its limits")
    parser.add_argument("--rounds", type=int, default=Plan().rounds)
    parser.add_argument("--quick", action="store_true", help="one round of next to nothing")
    parser.add_argument("--only", default="", help="figures whose names begin like one of these")
    parser.add_argument("--keep", action="store_true", help="go on with the data of the last run")
    parser.add_argument("--no-s3", action="store_true", help="leave the S3 out")
    parser.add_argument("--growth", action="store_true", help="an entry's cost as its log grows")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    given = parser.parse_args(arguments)
    plan = QUICK if given.quick else Plan(rounds=given.rounds)
    only = tuple(given.only.split(",")) if given.only else ("",)
    folder = (settings.folder / "bench").absolute()
    if not given.keep:
        await asyncio.to_thread(_forget, folder)
    folder.mkdir(parents=True, exist_ok=True)
    if given.growth:
        return await _growth(settings, folder, (300, 600) if given.quick else growth.SIZES)
    async with AsyncExitStack() as stack:
        bucket = None if given.no_s3 else await _bucket(folder, stack)
        bench = await _up(plan, settings, folder, bucket, stack)
        await _same(bench)
        measured = [each async for each in _measured(bench, only)]
    print(figures.table(measured, TARGETS))  # noqa: T201 - what the command is for
    given.output.parent.mkdir(parents=True, exist_ok=True)
    told = [each.told() for each in measured]
    given.output.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    return 0


async def _growth(settings: Settings, folder: Path, sizes: tuple[int, ...]) -> int:
    own = settings.model_copy(update={"folder": folder})
    async with parts.opened(own) as made:
        admin = await asyncpg.connect(Cluster(own.postgres_folder).url("concord"))
        try:
            costs = await growth.measured(made, admin, folder / "bare", sizes)
        finally:
            await admin.close()
    print(growth.table(costs))  # noqa: T201 - what the command is for
    growth.OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    growth.OUTPUT.write_text(growth.drawn(costs), encoding="utf-8")
    return 0


def _forget(folder: Path) -> None:
    Cluster(folder / "postgres").stop()
    shutil.rmtree(folder, ignore_errors=True)


async def _bucket(folder: Path, stack: AsyncExitStack) -> Bucket:
    address = ceph.given(os.environ)
    if address is None:
        place = folder / "ceph"
        await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)
        running = ceph.Ceph(place)
        await asyncio.to_thread(running.start)
        stack.push_async_callback(asyncio.to_thread, running.stop)
        address = running.address
    bucket = Bucket(address.url, address.access_key, address.secret_key, address.region)
    return await asyncio.to_thread(bucket.made)


async def _up(
    plan: Plan, settings: Settings, folder: Path, bucket: Bucket | None, stack: AsyncExitStack
) -> Bench:
    """The database with its data, and the servers.

    Deposits are measured without their inspection, which costs as much as decoding a picture does:
    it is left to the worker, which does not run.
    """
    own = settings.model_copy(update={"folder": folder})
    made = await stack.enter_async_context(parts.opened(own))
    admin_url = Cluster(own.postgres_folder).url("concord")
    ground = await data.made(made, admin_url, claims=plan.claims, orders=plan.orders())
    given = {
        "folder": str(folder),
        "database_url": made.urls.app,
        "database_reader_url": made.urls.reader,
        "inspect_seconds": 0,
        "upload_bytes_max": storage.LARGE,
    }
    stored = {} if bucket is None else bucket.settings()
    served = {
        name: await stack.enter_async_context(serving.started(side, given | more))
        for name, side, more in (
            ("ours", "ours", stored),
            ("limit", "limit", stored),
            ("folder", "ours", {}),
        )
    }
    admin = await asyncpg.connect(admin_url)
    stack.push_async_callback(admin.close)
    ports = {name: port for name, (port, _) in served.items()}
    processes = {name: process for name, (_, process) in served.items()}
    return Bench(plan, made, ground, admin, ports, processes, folder, bucket, stack)


async def _same(bench: Bench) -> None:
    """Compare what both sides answer and write, before anything is measured."""
    for name, asked in requests.reads(bench.ground).items():
        answers = []
        for side, request in zip(("ours", "limit"), asked, strict=True):
            client = (await bench.callers(side, 1, None, None)).clients[0]
            answers.append(requests.read(*await client.ask(request)))
        sameness.check(answers[0], answers[1], name)
    orders = iter(bench.ground.orders)
    written = []
    for side, file in requests.files(bench.ground, orders).items():
        client = (await bench.callers(side, 1, None, None)).clients[0]
        opened = requests.read(*await client.ask(file()))
        case = opened["file"]["case"]["id"]
        bench.cases[side].append(case)
        offer = requests.offers(bench.ground, bench.cases)[side]
        offered = requests.read(*await client.ask(offer()))
        rows = await sameness.rows(bench.admin, ids.key(case, "ca"))
        written.append([sameness.masked(opened), sameness.masked(offered), rows])
    sameness.check(written[0], written[1], "open_case")
    del bench.ground.orders[:2]


async def _measured(bench: Bench, only: tuple[str, ...]) -> Any:
    """The figures, one after the other."""
    for connections in CONNECTIONS:
        suffix = "" if connections == 1 else f"_c{connections}"
        more = [_lookups, _sequenced, _proofs] if connections == 1 else []
        made = await _figures(bench, connections, suffix)
        for figure in [*made, *[figure for each in more for figure in await each(bench, only)]]:
            if figure.name.startswith(only):
                done = await figures.measure(figure, bench.plan.rounds, bench.spent)
                sys.stderr.write(f"{figure.name}: {done.ratio:.2f}\n")
                yield done

    peak = await _peak(bench, only)
    if peak is not None:
        yield peak


def _asked(name: str, only: tuple[str, ...]) -> bool:
    return name.startswith(only) or any(each.startswith(name) for each in only)


async def _lookups(bench: Bench, only: tuple[str, ...]) -> list[Figure]:
    """Pictures that look alike, beside brute force; not made ready where nobody asks for them."""
    name, count = "near_duplicate_ms", bench.plan.lookups
    if not _asked(name, only):
        return []
    pictures = await asyncio.to_thread(likeness.made, bench.plan.hashes)
    plain = await asyncpg.connect(bench.made.urls.app)
    bench.stack.push_async_callback(plain.close)
    await likeness.fill(bench.admin, pictures)
    await likeness.compare(bench.made.engine, plain, pictures)
    ours = likeness.looked_up(bench.made.engine, pictures)
    return [
        Figure(name, ours, likeness.by_rows(plain, pictures), count, warm=1),
        Figure(f"{name}_numpy", ours, likeness.in_memory(pictures), count, warm=1),
    ]


async def _sequenced(bench: Bench, only: tuple[str, ...]) -> list[Figure]:
    """Entries taken into the log, a second."""
    name, count = "sequence_entries", bench.plan.entries
    if not _asked(name, only):
        return []
    entries = trees.Sequenced(bench.made, bench.admin, bench.folder / "bare", count)
    await entries.wait()
    return [Figure(name, entries.ours, entries.bare, count, warm=0, between=entries.wait)]


async def _proofs(bench: Bench, only: tuple[str, ...]) -> list[Figure]:
    """Proofs over many leaves, on cold files and in memory."""
    name = "inclusion_proof_vs_pymerkle"
    if not _asked(name, only):
        return []
    forest = await trees.grown(bench.folder / "forest", bench.plan.leaves)

    async def forget() -> None:
        await asyncio.to_thread(trees.forget, forest)

    disk = trees.from_disk(forest), trees.from_sqlite(forest)
    memory = trees.in_memory(forest), trees.in_their_memory(forest)
    return [
        Figure(name, *disk, bench.plan.proofs, warm=1, between=forget),
        Figure(f"{name}_memory", *memory, 1000 * bench.plan.proofs),
    ]


async def _peak(bench: Bench, only: tuple[str, ...]) -> Measured | None:
    """The memory that one large deposit takes, beside the most that it may take."""
    name = "deposit_64mib_peak_mib"
    if not _asked(name, only):
        return None
    make = storage.uploads(bench.ground.buyer, storage.film(), "video/mp4")
    caller = await bench.callers("folder", 1, make, storage.taken)
    await caller.do(1)
    found = [
        await storage.peak(bench.processes["folder"], partial(caller.do, 1))
        for _ in range(bench.plan.rounds)
    ]
    limit = Side(storage.LARGE_MIB_MAX, None)
    figure = Figure(name, caller.do, caller.do, 1, unit="MiB", at_most=True)
    return Measured(figure, {"ours": Side(max(found), None), "limit": limit}, len(found))


async def _figures(bench: Bench, connections: int, suffix: str) -> list[Figure]:
    made = [
        *await _writes(bench, connections, suffix),
        *await _reads(bench, connections, suffix),
        *await _deposits(bench, connections, suffix),
        await _ledger(bench, connections, suffix),
    ]
    if connections == 1:
        path = bench.folder / "record.zip"
        await record.bundled(bench.made, path)
        key = bench.made.vault.receipt_key
        count = bench.plan.verifications
        made.append(
            Figure(
                "verify_record", record.verified(path, key), record.bare(path, key), count, warm=1
            )
        )
    return made


async def _reads(bench: Bench, connections: int, suffix: str) -> list[Figure]:
    made = []
    for name, asked in requests.reads(bench.ground).items():
        ours, limit = [
            (await bench.callers(side, connections, lambda r=request: r, requests.answered)).do
            for side, request in zip(("ours", "limit"), asked, strict=True)
        ]
        count = bench.plan.reads if name == "read_case" else bench.plan.lists
        made.append(
            Figure(
                name + suffix,
                ours,
                limit,
                count * min(connections, 3),
                connections,
                warm=bench.plan.warm,
            )
        )
    return made


async def _writes(bench: Bench, connections: int, suffix: str) -> list[Figure]:
    plan, ground, cases = bench.plan, bench.ground, bench.cases
    each = plan.warm * connections + plan.rounds * plan.writes * min(connections, 3)
    orders = iter([ground.orders.pop() for _ in range(2 * each)])

    def opened(side: str) -> Any:
        def check(status: int, body: bytes) -> None:
            cases[side].append(requests.read(status, body)["file"]["case"]["id"])

        return check

    def offered(status: int, body: bytes) -> None:
        requests.read(status, body)

    made = []
    for name, make, check in (
        ("open_case", requests.files(ground, orders), opened),
        ("make_offer", requests.offers(ground, cases), lambda _: offered),
    ):
        ours, limit = [
            (await bench.callers(side, connections, make[side], check(side))).do
            for side in ("ours", "limit")
        ]
        count = plan.writes * min(connections, 3)
        made.append(Figure(name + suffix, ours, limit, count, connections, warm=plan.warm))
    return made


async def _deposits(bench: Bench, connections: int, suffix: str) -> list[Figure]:
    photo = await asyncio.to_thread(storage.photo)
    make = storage.uploads(bench.ground.buyer, photo)
    plain = storage.written(bench.folder / "plain", photo, connections)
    sides: list[tuple[str, str, Do]] = [("_folder", "folder", plain)]
    if bench.bucket is not None:
        received = (await bench.callers("limit", connections, make, storage.taken)).do
        put = storage.puts(bench.bucket, photo, connections)
        sides = [("", "ours", received), ("_memory", "ours", put), *sides]

    async def used() -> None:
        # Nobody may have more than a few files that are no exhibits yet.
        await bench.admin.execute("UPDATE uploads SET used_at = at WHERE used_at IS NULL")

    made = []
    for more, server, limit in sides:
        name = f"deposit_3mib{more}{suffix}"
        ours = (await bench.callers(server, connections, make, storage.taken)).do
        count = bench.plan.deposits * min(connections, 3)
        made.append(Figure(name, ours, limit, count, connections, warm=1, between=used))
    return made


async def _ledger(bench: Bench, connections: int, suffix: str) -> Figure:
    ground = bench.ground
    orders = ground.orders[:_LEDGER_ORDERS]
    await record.opened(bench.made, orders)
    lines = record.refunds(orders, ground.seller_id)
    plain = []
    for _ in range(connections):
        opened = await asyncpg.connect(bench.made.urls.app)
        bench.stack.push_async_callback(opened.close)
        plain.append(opened)
    count = bench.plan.transfers * min(connections, 3)
    return Figure(
        "ledger_transfers" + suffix,
        record.booked(bench.made, lines, connections),
        record.by_hand(plain, lines),
        count,
        connections,
        warm=bench.plan.warm,
    )


__all__ = ["Measured", "run"]
