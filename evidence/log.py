"""The log: every entry of every stream, in one Merkle tree for each year, published as files.

Order of writes (what holds after a crash between two steps; doing all of it again is the
recovery):

1. number, in a transaction: entries without a place get one, in order, for ever. Crash before the
   commit: nothing. After it: entries with a place that no checkpoint tells of yet.
2. The entry bundles and tiles that are new, to the store, each written once. Crash: files that no
   checkpoint tells of. They hold nothing that could come out otherwise, since places never
   change; the next round may be longer and writes wider ones beside them.
3. The root is computed from what was read back, and compared with what was meant to be written.
4. The checkpoint is signed, and kept by compare-and-swap on the log's row: only if the tree still
   has the size from which this round began. Whoever comes second drops theirs. Crash before:
   nobody has seen the signature, and a signature over the same size is the same statement.
5. The checkpoint is released: read from the row and written over the one object that is ever
   replaced, one writer at a time. Crash before: the next round releases it.

So the database fences: two sequencers cannot give a place twice, nor keep two trees of one size.
A log is sealed when its year is over, and the next one's first entry says by which checkpoint.
Witnesses are asked afterwards (evidence/testimony.py); what they say is kept in rows and released
in the same way. It knows no HTTP.
"""

import asyncio
import hashlib
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from io import BytesIO
from typing import Any, Final, TypeVar
from uuid import UUID, uuid4

from sqlalchemy import (
    BigInteger,
    DateTime,
    LargeBinary,
    Text,
    Uuid,
    bindparam,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlmodel import col

from evidence import checkpoint as checkpoints
from evidence import cosignature, merkle, note, proof, shard, succession, tile, tree
from evidence.checkpoint import Checkpoint
from evidence.errors import LogMissing, NotLogged, NotStored, Tampered
from evidence.keys import Signer
from evidence.models import VaultCosignature, VaultLog
from evidence.store import Store
from evidence.tile import Bundle, Tile
from evidence.vault import Vault

T = TypeVar("T")

BATCH_MAX: Final = 16_384
"""Entries that get a place in one round."""

SETTLE: Final = timedelta(minutes=10)
"""How long after its year a log waits for transactions that began within it."""

RESIGNED: Final = timedelta(hours=1)
"""After how long a log that does not grow is signed again, so that it is not taken for stalled."""

OPEN_LOG: Final = "open_log"
CHECKPOINT: Final = "checkpoint"
_AT_ONCE: Final = 8
_FOLDER: Final = "log"


@dataclass(frozen=True, slots=True)
class State:
    """A log as its row has it."""

    origin: str
    previous: str | None
    assigned: int
    size: int
    root: bytes
    checkpoint: str | None
    published: datetime | None
    sealed: datetime | None


_COLUMNS: Final = [col(getattr(VaultLog, name)) for name in State.__dataclass_fields__]

_NUMBER: Final = text(
    "WITH next AS MATERIALIZED ("
    " SELECT stream, seq, row_number() OVER (ORDER BY recorded, stream, seq) AS place"
    " FROM vault_unlogged WHERE origin = :origin ORDER BY recorded, stream, seq LIMIT :count),"
    " placed AS ("
    " INSERT INTO vault_leaves (origin, index, stream, seq)"
    " SELECT :origin, :assigned + place - 1, stream, seq FROM next),"
    " gone AS ("
    " DELETE FROM vault_unlogged u USING next n WHERE u.stream = n.stream AND u.seq = n.seq)"
    " SELECT count(*) FROM next"
).bindparams(
    bindparam("origin", type_=Text()),
    bindparam("count", type_=BigInteger()),
    bindparam("assigned", type_=BigInteger()),
)

_OLDEST: Final = text(
    "SELECT origin, min(recorded) AS recorded FROM vault_unlogged GROUP BY origin"
)

_ENTRIES: Final = text(
    "SELECT l.index AS place, e.entry FROM vault_leaves l JOIN vault_entries e USING (stream, seq)"
    " WHERE l.origin = :origin AND l.index >= :first AND l.index < :last ORDER BY l.index"
).bindparams(
    bindparam("origin", type_=Text()),
    bindparam("first", type_=BigInteger()),
    bindparam("last", type_=BigInteger()),
)

_PLACE: Final = text(
    "SELECT origin, index AS place FROM vault_leaves WHERE stream = :stream AND seq = :seq"
).bindparams(bindparam("stream", type_=Uuid()), bindparam("seq", type_=BigInteger()))

_OPENED: Final = text(
    "WITH placed AS ("
    " INSERT INTO vault_leaves (origin, index, stream, seq) VALUES (:origin, 0, :stream, 0)),"
    " gone AS (DELETE FROM vault_unlogged WHERE stream = :stream AND seq = 0)"
    " INSERT INTO vault_logs (origin, previous, assigned, size, root)"
    " VALUES (:origin, :previous, 1, 0, :root)"
).bindparams(
    bindparam("origin", type_=Text()),
    bindparam("stream", type_=Uuid()),
    bindparam("previous", type_=Text()),
    bindparam("root", type_=LargeBinary()),
)

_KEEP: Final = text(
    "UPDATE vault_logs SET size = :size, root = :root, checkpoint = :checkpoint, published = :at"
    " WHERE origin = :origin AND size = :before AND root = :root_before RETURNING size"
).bindparams(
    bindparam("root", type_=LargeBinary()),
    bindparam("root_before", type_=LargeBinary()),
    bindparam("at", type_=DateTime(timezone=True)),
)

_LINES: Final = (
    select(col(VaultCosignature.line))
    .where(
        col(VaultCosignature.origin) == bindparam("origin"),
        col(VaultCosignature.size) == bindparam("size"),
    )
    .order_by(col(VaultCosignature.name), col(VaultCosignature.key_id))
)

# One sequencer releases at a time; the lock goes with the connection.
_RELEASING: Final = text("SELECT pg_advisory_xact_lock(:number)")
_NUMBERING: Final = text("SELECT pg_advisory_xact_lock(x'76617565'::int)")


# --- reading -------------------------------------------------------------------------------------


async def state(conn: AsyncConnection, origin: str) -> State:
    """Read a log's row; LogMissing if there is no such log."""
    found = (await conn.execute(select(*_COLUMNS).where(col(VaultLog.origin) == origin))).first()
    if found is None:
        raise LogMissing(origin)
    return State(*found)


async def states(conn: AsyncConnection) -> list[State]:
    """Read all logs, oldest first."""
    found = await conn.execute(select(*_COLUMNS).order_by(col(VaultLog.origin)))
    return [State(*row) for row in found]


async def cosigned(conn: AsyncConnection, known: State) -> State:
    """Give a log's row with what witnesses said of its checkpoint behind the log's signatures.

    As many lines as a note may have, by the witnesses' names.
    """
    if known.checkpoint is None:
        return known
    found = (await conn.execute(_LINES, {"origin": known.origin, "size": known.size})).scalars()
    signed = note.parse(known.checkpoint.encode()).signatures
    lines = "".join([*map(str, signed), *found][: note.SIGNATURES_MAX])
    data = note.add(known.checkpoint.encode(), note.parse_signatures(lines))
    return replace(known, checkpoint=data.decode())


async def place(conn: AsyncConnection, stream: UUID, seq: int) -> tuple[str, int]:
    """Find an entry's log and index; NotLogged if it has no place yet."""
    found = (await conn.execute(_PLACE, {"stream": stream, "seq": seq})).first()
    if found is None:
        raise NotLogged(stream, seq)
    return found.origin, found.place


def object_key(origin: str, path: str) -> str:
    """Give the store's key of a log's file."""
    return f"{_FOLDER}/{origin}/{path}"


async def read(store: Store, origin: str, path: str) -> bytes:
    """Read a file of a log as it lies on the store; NotStored if it is not there."""
    key = object_key(origin, path)
    stored = await store.stat(key)
    return b"".join([piece async for piece in store.get(key, stored.version)])


async def read_tiles(store: Store, origin: str, tiles: Iterable[Tile]) -> dict[Tile, bytes]:
    """Read tiles side by side; a partial one that is gone is cut from a wider one."""
    wanted = list(tiles)
    found = await _side_by_side(_read_tile(store, origin, one) for one in wanted)
    return dict(zip(wanted, found, strict=True))


async def prove(conn: AsyncConnection, store: Store, stream: UUID, seq: int) -> str:
    """Give the tlog-proof of an entry under its log's last checkpoint; NotLogged before it."""
    origin, index = await place(conn, stream, seq)
    known = await cosigned(conn, await state(conn, origin))
    if known.checkpoint is None or index >= known.size:
        raise NotLogged(stream, seq)
    (written,) = await proofs(store, known, [index])
    return written


async def proofs(store: Store, known: State, indexes: Sequence[int]) -> list[str]:
    """Give the tlog-proofs of entries that the checkpoint of a log covers, in their order."""
    assert known.checkpoint is not None
    wanted: dict[Tile, None] = {}
    for index in indexes:
        wanted |= dict.fromkeys(tree.tiles_of_inclusion(index, known.size))
    nodes = tree.Nodes(await read_tiles(store, known.origin, wanted), tiles_max=len(wanted) + 1)
    signed = known.checkpoint.encode()
    return [
        proof.write(
            proof.Proof(index, tuple(tree.inclusion_proof(index, known.size, nodes)), signed)
        )
        for index in indexes
    ]


# --- writing -------------------------------------------------------------------------------------


async def sequence(engine: AsyncEngine, vault: Vault, now: datetime) -> bool:
    """Do one round for every log that is not sealed; whether there is more to do at once.

    `now` is when it is done (UTC): by it a new year's log is opened, and it stands in cosignatures.
    """
    async with engine.begin() as conn:
        await conn.execute(_NUMBERING)
        origin = await _open(conn, vault, now)
        if origin is None:
            return False
        await succession.tell(conn, vault, origin, now)
        numbered = await _number(conn, origin)
    grown = await _grow(engine, vault, origin, now)
    async with engine.begin() as conn:
        sealed = shard.is_over(origin, now - SETTLE) and await _seal(conn, origin, now)
    return grown or sealed or numbered == BATCH_MAX


async def _open(conn: AsyncConnection, vault: Vault, now: datetime) -> str | None:
    """Find the log that grows, or begin it; None if nothing is there for any."""
    known = await states(conn)
    growing = [one.origin for one in known if one.sealed is None]
    if growing:
        return growing[0]
    waiting: dict[str, datetime] = {row.origin: row.recorded for row in await conn.execute(_OLDEST)}
    if not waiting:
        return None
    origin = min(waiting)
    last = known[-1] if known else None
    opened = await vault.begin(
        conn,
        stream := uuid4(),
        act=OPEN_LOG,
        body=await succession.statement(vault, origin)
        | {"previous": None if last is None else last.checkpoint},
        at=min(waiting[origin], now),
    )
    assert opened.entry.origin == origin
    given = {"origin": origin, "stream": stream, "root": merkle.EMPTY_ROOT}
    await conn.execute(_OPENED, given | {"previous": last.origin if last else None})
    return origin


async def _number(conn: AsyncConnection, origin: str) -> int:
    """Give a place to the entries that wait for this log, oldest first; tells how many."""
    locked = select(col(VaultLog.assigned)).where(col(VaultLog.origin) == origin).with_for_update()
    assigned = (await conn.execute(locked)).scalar_one()
    given = {"origin": origin, "assigned": assigned, "count": BATCH_MAX}
    numbered: int = (await conn.execute(_NUMBER, given)).scalar_one()
    if numbered:
        await conn.execute(
            update(VaultLog)
            .where(col(VaultLog.origin) == origin)
            .values(assigned=assigned + numbered)
        )
    return numbered


async def _grow(engine: AsyncEngine, vault: Vault, origin: str, now: datetime) -> bool:
    """Publish what has a place and no checkpoint yet; whether the log grew."""
    async with engine.connect() as conn:
        before = await state(conn, origin)
        last = min(before.assigned, before.size + BATCH_MAX)
        if last > before.size:
            data = await _entries(conn, origin, before.size, last)
    if last > before.size:
        root = await _publish(vault.store, before, data)
    elif before.published is not None and before.published <= now - RESIGNED:
        root = before.root
    else:
        await release(engine, vault.store, origin)
        return False
    signed = await sign(vault.log_signers(origin), Checkpoint(origin, last, root), now)
    async with engine.begin() as conn:
        values = {"origin": origin, "before": before.size, "root_before": before.root}
        values |= {"size": last, "root": root, "checkpoint": signed, "at": now}
        kept = (await conn.execute(_KEEP, values)).first() is not None
    await release(engine, vault.store, origin)
    return kept and last > before.size


async def _entries(conn: AsyncConnection, origin: str, size: int, last: int) -> list[bytes]:
    """Read the entries from the first of the bundle that is not full up to before `last`."""
    first = size - size % tile.WIDTH
    rows = (await conn.execute(_ENTRIES, {"origin": origin, "first": first, "last": last})).all()
    if [row.place for row in rows] != list(range(first, last)):
        raise Tampered(f"entries of {origin} between {first} and {last} are gone")
    return [row.entry for row in rows]


async def _publish(store: Store, before: State, data: Sequence[bytes]) -> bytes:
    """Put what is new to the store; the new root, from what was read back."""
    origin, size = before.origin, before.size
    edge = await read_tiles(store, origin, tree.tiles_of_growth(size))
    if tree.root(size, edge) != before.root:
        raise Tampered(f"the tiles of {origin} do not lead to the root of its checkpoint")
    leaves = [merkle.leaf_hash(one) for one in data]
    known = size % tile.WIDTH
    if known and b"".join(leaves[:known]) != edge[Tile(0, size // tile.WIDTH, known)]:
        raise Tampered(f"an entry of {origin} is not the one that was logged")
    last = size - known + len(data)
    files: dict[Tile | Bundle, bytes] = dict(tree.grow(size, leaves[known:], edge).items())
    for one in tile.new_bundles(size, last):
        start = one.first - (size - known)
        files[one] = tile.encode_bundle(data[start : start + one.width])
    await _side_by_side(_put(store, origin, one, content) for one, content in files.items())
    return await _read_back(store, origin, last, files)


async def _read_back(
    store: Store, origin: str, last: int, files: Mapping[Tile | Bundle, bytes]
) -> bytes:
    """Compare what lies on the store with what was meant, and give the root of what lies there."""
    wanted = dict.fromkeys(files) | dict.fromkeys(tree.tiles_of_root(last))
    found = await _side_by_side(read(store, origin, one.path) for one in wanted)
    there = dict(zip(wanted, found, strict=True))
    for one, content in files.items():
        if there[one] != content:
            raise Tampered(f"{one.path} of {origin} is not what was written")
    return tree.root(last, {one: data for one, data in there.items() if isinstance(one, Tile)})


async def sign(signers: Sequence[Signer], said: Checkpoint, at: datetime) -> str:
    """Write a checkpoint and have all signers sign it, each in the way of its kind."""
    words = checkpoints.write(said)
    return note.join(words, [await cosignature.sign(signer, words, at) for signer in signers])


async def release(engine: AsyncEngine, store: Store, origin: str) -> None:
    """Write the checkpoint, with its cosignatures, over the one on the store if that is another."""
    key = object_key(origin, CHECKPOINT)
    number = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big", signed=True)
    async with engine.begin() as conn:
        await conn.execute(_RELEASING, {"number": number})
        known = (await cosigned(conn, await state(conn, origin))).checkpoint
        if known is None:
            return
        data = known.encode()
        try:
            if await read(store, origin, CHECKPOINT) == data:
                return
        except NotStored:
            pass
        await store.replace(key, data)


async def _seal(conn: AsyncConnection, origin: str, now: datetime) -> bool:
    """Seal a log whose year is over, if all its entries are published."""
    sealed = await conn.execute(
        update(VaultLog)
        .where(
            col(VaultLog.origin) == origin,
            col(VaultLog.sealed).is_(None),
            col(VaultLog.size) == col(VaultLog.assigned),
            text("NOT EXISTS (SELECT FROM vault_unlogged u WHERE u.origin = vault_logs.origin)"),
        )
        .values(sealed=now)
    )
    return bool(sealed.rowcount)


async def _put(store: Store, origin: str, one: Tile | Bundle, content: bytes) -> None:
    digest = hashlib.sha256(content).digest()
    key = object_key(origin, one.path)
    await store.put(key, BytesIO(content), size=len(content), digest=digest)


async def _read_tile(store: Store, origin: str, one: Tile) -> bytes:
    try:
        return await read(store, origin, one.path)
    except NotStored:
        if one.width == tile.WIDTH:
            raise
    whole = await read(store, origin, Tile(one.level, one.number).path)
    return whole[: one.width * merkle.HASH_SIZE]


async def _side_by_side(works: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Do some at once; after an error none goes on."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(work: Coroutine[Any, Any, T]) -> T:
        async with gate:
            return await work

    tasks = [asyncio.create_task(one(work)) for work in works]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
