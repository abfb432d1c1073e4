"""The log beside its limits: entries taken into it, and proofs made out of it.

Entries are sequenced as they are in service (numbered, put in bundles and tiles, read back, signed,
released), beside the bare work: the same entries read by one statement, hashed into the same tiles,
written and synced. Proofs over a million leaves are made beside pymerkle's over the same leaves,
from disk (both with nothing in memory) and in memory.
"""

import asyncio
import os
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import asyncpg
import pymerkle  # type: ignore[import-untyped]  # it has no types

from evidence import keys, log, merkle, shard, tile, tree
from evidence.checkpoint import Checkpoint
from evidence.log import State
from evidence.store import DirectoryStore
from evidence.tile import Tile
from infra.bench.figures import Do
from infra.parts import Parts
from odr import ids

ENTRIES: Final = 16_384
"""Entries that are taken into the log at once: a round of the sequencer."""
_LOG: Final = "pymerkle.example/2026"
_AT_ONCE: Final = 65_536
_TILES_AT_ONCE: Final = 64
_WAITING: Final = """
WITH stream AS (
    INSERT INTO vault_streams (id, size, head) VALUES ($1, $2, sha256('')) RETURNING id
), entered AS (
    INSERT INTO vault_entries (stream, seq, prev, leaf, entry, time, recorded, salt, body)
    SELECT $1, seq, sha256(''), sha256(''), convert_to(repeat(md5(seq::text || $1::text), 12),
        'UTF8'), $4, $4, sha256(''), '{}' FROM generate_series(0, $2::bigint - 1) seq, stream
)
INSERT INTO vault_unlogged (stream, seq, origin, recorded)
SELECT $1, seq, $3, $4 FROM generate_series(0, $2::bigint - 1) seq
"""
_READ: Final = "SELECT entry FROM vault_entries WHERE stream = $1 ORDER BY seq"


class Sequenced:
    """The sequencer over so many entries that wait; ``wait`` lays the next ones ready."""

    def __init__(self, parts: Parts, admin: asyncpg.Connection, folder: Path, count: int) -> None:
        """``folder`` is where the bare work writes its files."""
        self._parts = parts
        self._admin = admin
        self._folder = folder
        self._count = count
        self._rounds = 0
        self._stream = UUID(int=0)

    async def wait(self) -> None:
        """Take in what waits already, and let ``count`` entries wait."""
        await self.ours(0)
        now = await self._admin.fetchval("SELECT service_now()")
        self._stream = ids.new(now)
        origin = shard.name(self._parts.vault.origin, now)
        await self._admin.execute(_WAITING, self._stream, self._count, origin, now)

    async def ours(self, _: int) -> None:
        """Take all that waits into the log."""
        now = await self._admin.fetchval("SELECT service_now()")
        while await log.sequence(self._parts.engine, self._parts.vault, now):
            pass

    async def bare(self, _: int) -> None:
        """Read the same entries, and write the bundles and tiles of a log that holds only them."""
        data = [bytes(row[0]) for row in await self._admin.fetch(_READ, self._stream)]
        self._rounds += 1
        folder = self._folder / str(self._rounds)
        await asyncio.to_thread(_written, folder, data)


def _written(folder: Path, data: list[bytes]) -> None:
    leaves = [merkle.leaf_hash(one) for one in data]
    files: dict[str, bytes] = {
        one.path: content for one, content in tree.grow(0, leaves, {}).items()
    }
    for one in tile.new_bundles(0, len(data)):
        files[one.path] = tile.encode_bundle(data[one.first : one.first + one.width])
    for path, content in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())


@dataclass(frozen=True, slots=True)
class Forest:
    """The same leaves as tiles and in pymerkle's trees, on disk and in memory."""

    size: int
    folder: Path
    known: State
    nodes: tree.Nodes
    theirs: Any
    chance: random.Random


def _leaf(number: int) -> bytes:
    return b"entry %d" % number


async def grown(folder: Path, size: int) -> Forest:
    """Grow all of them, in ``folder``; they have the same root, or it is an AssertionError."""
    leaves = await asyncio.to_thread(
        lambda: [merkle.leaf_hash(_leaf(number)) for number in range(size)]
    )
    tiles = await asyncio.to_thread(tree.grow, 0, leaves, {})
    await _stored(DirectoryStore(folder / "store"), tiles)
    theirs = await asyncio.to_thread(_theirs, folder / "pymerkle.db", size)
    root = tree.root(size, tiles)
    if root != theirs.get_state(size):
        raise AssertionError("pymerkle has another root")
    signer = keys.local_signer(_LOG, bytes(32))
    now = datetime.now(UTC)
    signed = await log.sign([signer], Checkpoint(_LOG, size, root), now)
    known = State(_LOG, None, size, size, root, signed, now, None)
    nodes = tree.Nodes(tiles, tiles_max=len(tiles) + 1)
    for one in tiles:
        nodes.inner(one)  # pymerkle's tree has all its hashes in memory, too
    for one in tiles:
        nodes.inner(one)  # pymerkle's tree has all its hashes in memory, too
    return Forest(size, folder, known, nodes, theirs, random.Random(7))  # noqa: S311 - no secret


async def _stored(store: DirectoryStore, tiles: Mapping[Tile, bytes]) -> None:
    gate = asyncio.Semaphore(_TILES_AT_ONCE)

    async def put(one: Tile, content: bytes) -> None:
        async with gate:
            key, digest = log.object_key(_LOG, one.path), sha256(content).digest()
            await store.put(key, BytesIO(content), size=len(content), digest=digest, fresh=True)

    async with asyncio.TaskGroup() as group:
        for one, content in tiles.items():
            group.create_task(put(one, content))


def _theirs(path: Path, size: int) -> Any:
    path.unlink(missing_ok=True)
    on_disk = pymerkle.SqliteTree(str(path))
    on_disk.append_entries([_leaf(number) for number in range(size)], _AT_ONCE)
    on_disk.close()
    in_memory = pymerkle.InmemoryTree()
    for number in range(size):
        in_memory.append_entry(_leaf(number))
    return in_memory


def from_disk(forest: Forest) -> Do:
    """Prove leaves by chance as the service does, from files that nobody has read yet."""

    async def do(count: int) -> None:
        for _ in range(count):
            store = DirectoryStore(forest.folder / "store")
            await log.proofs(store, forest.known, [forest.chance.randrange(forest.size)])

    return do


def from_sqlite(forest: Forest) -> Do:
    """Prove leaves by chance by pymerkle, from a database that nobody has read yet."""
    path = forest.folder / "pymerkle.db"

    async def do(count: int) -> None:
        for _ in range(count):
            theirs = pymerkle.SqliteTree(str(path))
            theirs.prove_inclusion(1 + forest.chance.randrange(forest.size), forest.size)
            theirs.close()

    return do


def in_memory(forest: Forest) -> Do:
    """Prove leaves by chance from tiles in memory."""

    async def do(count: int) -> None:
        for _ in range(count):
            tree.inclusion_proof(forest.chance.randrange(forest.size), forest.size, forest.nodes)

    return do


def in_their_memory(forest: Forest) -> Do:
    """Prove leaves by chance from pymerkle's tree in memory."""

    async def do(count: int) -> None:
        for _ in range(count):
            forest.theirs.prove_inclusion(1 + forest.chance.randrange(forest.size), forest.size)

    return do


def forget(forest: Forest) -> None:
    """Take the files of both sides out of the kernel's cache."""
    for file in forest.folder.rglob("*"):
        if file.is_file():
            opened = os.open(file, os.O_RDONLY)
            try:
                os.posix_fadvise(opened, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(opened)
