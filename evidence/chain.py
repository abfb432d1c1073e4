"""Chains in the database: streams, their entries in order, and the receipts beside them.

Every function works on the caller's connection, inside the caller's transaction, and never
commits: an entry stands or falls with the act that it records. It knows no store and no keys.

Two appends to one stream are serialised by the stream's row, which stays locked until the
transaction ends; different streams never wait for each other. Under REPEATABLE READ or
SERIALIZABLE the second gets PostgreSQL's serialization failure instead.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    DateTime,
    LargeBinary,
    Text,
    TextClause,
    Uuid,
    bindparam,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from evidence import entry, merkle
from evidence.body import Root
from evidence.entry import Entry
from evidence.errors import StreamExists, StreamMissing, Tampered

NO_ENTRIES = entry.FIRST_PREV  # a new stream's head: the prev of its first entry


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be appended, and when; the body is canonical JSON, bound by the salt.

    The entry's seq and prev are not looked at: the real ones are found under the stream's lock.
    """

    entry: Entry
    recorded: datetime
    salt: bytes
    body: bytes
    blob: UUID | None


@dataclass(frozen=True, slots=True)
class Appended:
    """An entry that stands in its stream once the transaction commits."""

    entry: Entry
    leaf: bytes
    recorded: datetime


@dataclass(frozen=True, slots=True)
class SignedReceipt:
    """A receipt's signed note, and the entry that it is for."""

    stream: UUID
    seq: int
    note: str


def _statement(sql: str) -> TextClause:
    types: dict[str, TypeEngine[Any]] = {
        "stream": Uuid(),
        "blob": Uuid(),
        "head": LargeBinary(),
        "prev": LargeBinary(),
        "leaf": LargeBinary(),
        "before": LargeBinary(),
        "after": LargeBinary(),
        "salt": LargeBinary(),
        "entry": LargeBinary(),
        "body": Text(),
        "origin": Text(),
        "time": DateTime(timezone=True),
        "recorded": DateTime(timezone=True),
        "since": DateTime(timezone=True),
        "size": BigInteger(),
        "count": BigInteger(),
        "streams": ARRAY(Uuid()),
        "seqs": ARRAY(BigInteger()),
        "notes": ARRAY(Text()),
    }
    statement = text(sql)
    return statement.bindparams(
        *(bindparam(name, type_=types[name]) for name in statement._bindparams)  # noqa: SLF001 -- names only; SQLAlchemy has no public list
    )


_CREATE = _statement(
    "INSERT INTO vault_streams (id, size, head) VALUES (:stream, 0, :head)"
    " ON CONFLICT (id) DO NOTHING RETURNING id"
)

_BEGIN = _statement(
    "WITH stream AS ("
    " INSERT INTO vault_streams (id, size, head) VALUES (:stream, 1, :leaf)"
    " ON CONFLICT (id) DO NOTHING RETURNING id),"
    " unlogged AS ("
    " INSERT INTO vault_unlogged (stream, seq, origin, recorded)"
    " SELECT id, 0, :origin, :recorded FROM stream)"
    " INSERT INTO vault_entries (stream, seq, prev, leaf, entry, time, recorded, salt, body, blob)"
    " SELECT id, 0, :prev, :leaf, :entry, :time, :recorded, :salt, CAST(:body AS jsonb), :blob"
    " FROM stream RETURNING seq"
)

# One round trip: lock the stream's row, put the entry together around its number and its link,
# hash it, move the head, insert. entry.frame gives the pieces and `","seq":` is entry.BETWEEN;
# append() below compares the leaf hash with that of entry.encode, so the format has one owner.
_APPEND = _statement(
    "WITH head AS ("
    " SELECT size, head FROM vault_streams WHERE id = :stream FOR NO KEY UPDATE),"
    " next AS MATERIALIZED ("
    " SELECT size AS seq, head AS prev, :before"
    " || convert_to(encode(head, 'hex') || '\",\"seq\":' || size, 'UTF8')"
    " || :after AS entry FROM head),"
    " linked AS MATERIALIZED ("
    " SELECT seq, prev, entry, sha256('\\x00'::bytea || entry) AS leaf FROM next),"
    " grown AS ("
    " UPDATE vault_streams SET size = linked.seq + 1, head = linked.leaf FROM linked"
    " WHERE id = :stream),"
    " unlogged AS ("
    " INSERT INTO vault_unlogged (stream, seq, origin, recorded)"
    " SELECT :stream, seq, :origin, :recorded FROM linked)"
    " INSERT INTO vault_entries (stream, seq, prev, leaf, entry, time, recorded, salt, body, blob)"
    " SELECT :stream, seq, prev, leaf, entry, :time, :recorded, :salt, CAST(:body AS jsonb), :blob"
    " FROM linked RETURNING seq, prev, leaf"
)

_LOCK = _statement("SELECT size, head FROM vault_streams WHERE id = :stream FOR NO KEY UPDATE")

_HEAD = _statement("SELECT size, head FROM vault_streams WHERE id = :stream")

_LEAVES = _statement(
    "SELECT seq, leaf FROM vault_entries WHERE stream = :stream AND seq < :size ORDER BY seq"
)

_PENDING = _statement(
    "SELECT e.entry, e.recorded FROM vault_entries e WHERE e.recorded >= :since AND NOT EXISTS ("
    " SELECT FROM vault_receipts r WHERE r.stream = e.stream AND r.seq = e.seq)"
    " ORDER BY e.recorded LIMIT :count"
)

_RECEIPTS = _statement(
    "INSERT INTO vault_receipts (stream, seq, note)"
    " SELECT * FROM unnest(:streams, :seqs, :notes) ON CONFLICT DO NOTHING"
)


async def create(conn: AsyncConnection, stream: UUID) -> None:
    """Make an empty stream; StreamExists if there is one with this id."""
    result = await conn.execute(_CREATE, {"stream": stream, "head": NO_ENTRIES})
    if result.first() is None:
        raise StreamExists(stream)


async def begin(conn: AsyncConnection, draft: Draft) -> Appended:
    """Make a stream with its first entry in one round trip; StreamExists if it is there."""
    first = replace(draft.entry, seq=0, prev=NO_ENTRIES)
    data = entry.encode(first)
    leaf = entry.leaf_hash(data)
    values = _values(draft) | {"prev": first.prev, "leaf": leaf, "entry": data}
    if (await conn.execute(_BEGIN, values)).first() is None:
        raise StreamExists(first.stream)
    return Appended(first, leaf, draft.recorded)


async def append(conn: AsyncConnection, draft: Draft) -> Appended:
    """Add an entry to the end of its stream in one round trip; StreamMissing if there is none."""
    before, after = entry.frame(draft.entry)
    values = _values(draft) | {"before": before, "after": after}
    row = (await conn.execute(_APPEND, values)).first()
    if row is None:
        raise StreamMissing(draft.entry.stream)
    done = replace(draft.entry, seq=row.seq, prev=row.prev)
    if entry.leaf_hash(entry.encode(done)) != row.leaf:
        raise Tampered(f"the database hashed entry {row.seq} of {done.stream} differently")
    return Appended(done, row.leaf, draft.recorded)


async def lock(conn: AsyncConnection, stream: UUID) -> int:
    """Lock a stream against appends until the transaction ends, and give its size."""
    row = (await conn.execute(_LOCK, {"stream": stream})).first()
    if row is None:
        raise StreamMissing(stream)
    return int(row.size)


async def root(conn: AsyncConnection, stream: UUID, size: int | None = None) -> Root:
    """Compute the Merkle root over a stream's first `size` entries (all if not given).

    Reads every leaf hash. ValueError if the stream has fewer entries; Tampered if one is gone.
    """
    row = (await conn.execute(_HEAD, {"stream": stream})).first()
    if row is None:
        raise StreamMissing(stream)
    wanted = row.size if size is None else size
    if not 0 <= wanted <= row.size:
        raise ValueError("the stream has not as many entries")
    rows = (await conn.execute(_LEAVES, {"stream": stream, "size": wanted})).all()
    if [one.seq for one in rows] != list(range(wanted)):
        raise Tampered(f"stream {stream} has gaps")
    return Root(wanted, merkle.root([one.leaf for one in rows]))


async def pending(conn: AsyncConnection, since: datetime, limit: int) -> list[Appended]:
    """Find entries recorded since then that have no receipt yet; oldest first."""
    rows = await conn.execute(_PENDING, {"since": since, "count": limit})
    return [
        Appended(entry.decode(data), entry.leaf_hash(data), recorded) for data, recorded in rows
    ]


async def store_receipts(conn: AsyncConnection, receipts: Sequence[SignedReceipt]) -> None:
    """Keep receipts; one that is there already stays as it is."""
    if receipts:
        await conn.execute(
            _RECEIPTS,
            {
                "streams": [one.stream for one in receipts],
                "seqs": [one.seq for one in receipts],
                "notes": [one.note for one in receipts],
            },
        )


def _values(draft: Draft) -> dict[str, Any]:
    return {
        "stream": draft.entry.stream,
        "time": draft.entry.time,
        "recorded": draft.recorded,
        "origin": draft.entry.origin,
        "salt": draft.salt,
        "body": draft.body.decode(),
        "blob": draft.blob,
    }
