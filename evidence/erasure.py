"""Destroying what a committed tombstone names, so that nobody reads it any more, anywhere.

Order of writes (what holds after a crash between two steps):

1. the tombstone, in a transaction of its own, with whatever asks for step 2 (an outbox's row).
   Crash before its commit: nothing happened. After it nobody is shown what it names (`named`).
2. destroy, in another transaction: the keys of the files and of the copies that were derived of
   them, their perceptual hashes and what was found in them, and the salts and private bodies of the
   entries. Crash before its commit: the row still asks for it. After it: done once more, it changes
   nothing.

What is destroyed is read from the tombstone that stands in the stream, and that it is what its
entry binds: whoever calls this cannot destroy anything that the record does not say. A file's
ciphertext may lie under retention for years; without its key it is noise, there and in every copy
of the store. Copies of the database from before still hold the key: keep them shorter than what
they may have to forget.

It knows no disputes: why and who decided is whoever appends the tombstone's matter.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import BigInteger, Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from evidence import body as bodies
from evidence import canonical
from evidence import entry as entries
from evidence.body import Body
from evidence.errors import Malformed, Tampered
from evidence.tombstone import Erased

_LISTS: Final[dict[str, TypeEngine[Any]]] = {
    "blobs": ARRAY(Uuid()),
    "seqs": ARRAY(BigInteger()),
    "told_by": ARRAY(Uuid()),
    "stream": Uuid(),
}


def _statement(sql: str) -> Any:
    made = text(sql)
    names = [name for name in _LISTS if f":{name}" in sql]
    return made.bindparams(*(bindparam(name, type_=_LISTS[name]) for name in names))


_TOMBSTONE: Final = text(
    "SELECT entry, salt, body FROM vault_entries WHERE stream = :stream AND seq = :seq"
).bindparams(bindparam("stream", type_=Uuid()), bindparam("seq", type_=BigInteger()))
_NAMED: Final = _statement(
    "SELECT seq, body FROM vault_entries WHERE stream = :stream AND seq = ANY(:seqs) ORDER BY seq"
)
# With a file goes what was made of it: the likenesses after the key, as their guard demands.
_KEYS: Final = _statement(
    "UPDATE vault_blobs SET wrapped_key = NULL WHERE wrapped_key IS NOT NULL AND (id = ANY(:blobs)"
    " OR id IN (SELECT derivative FROM vault_derivatives WHERE blob = ANY(:blobs)))"
)
_LIKENESSES: Final = _statement("DELETE FROM vault_likenesses WHERE blob = ANY(:blobs)")
_INSPECTIONS: Final = _statement(
    "UPDATE vault_inspections SET flags = '[]', facts = '{}'"
    " WHERE blob = ANY(:blobs) AND state <> 'waiting'"
)
_TOMBSTONES: Final = _statement(
    "SELECT stream, seq, body FROM vault_entries WHERE body ? 'erased' AND (stream = ANY(:told_by)"
    " OR stream IN (SELECT stream FROM vault_entries WHERE blob = ANY(:blobs)))"
)
_BODIES: Final = _statement(
    "UPDATE vault_entries SET salt = NULL, body = NULL"
    " WHERE stream = :stream AND seq = ANY(:seqs) AND body IS NOT NULL"
)


async def check(conn: AsyncConnection, stream: UUID, erased: Erased) -> dict[int, Body]:
    """Read the private bodies that a tombstone is going to name; those erased before are not there.

    Malformed if it names an entry that is not there, another tombstone, or an entry that closed a
    record: what these say has to stay, or nothing could be checked.
    """
    given = {"stream": stream, "seqs": list(erased.entries)}
    rows = (await conn.execute(_NAMED, given)).all()
    if [row.seq for row in rows] != list(erased.entries):
        raise Malformed("a tombstone names an entry that is not there")
    found = {row.seq: bodies.read(row.body) for row in rows if row.body is not None}
    if any(one.erased is not None or one.record is not None for one in found.values()):
        raise Malformed("neither a tombstone nor what closed a record can be erased")
    return found


@dataclass(frozen=True, slots=True)
class Named:
    """What tombstones name: entries, by stream and number, and files."""

    entries: frozenset[tuple[UUID, int]]
    blobs: frozenset[UUID]


async def named(
    conn: AsyncConnection, streams: Iterable[UUID], blobs: Iterable[UUID] = ()
) -> Named:
    """Find what is named by the tombstones of these streams, and of those that hold these files.

    Whoever shows a private body, a salt or a file asks first: from a tombstone's commit on nobody
    is shown it, also while it is not destroyed yet.
    """
    given = {"told_by": list(streams), "blobs": list(blobs)}
    entries_named: set[tuple[UUID, int]] = set()
    blobs_named: set[UUID] = set()
    for row in await conn.execute(_TOMBSTONES, given):
        erased = bodies.read(row.body).erased
        if erased is not None:
            # One that names what comes after it, `destroy` refuses; it hides nothing either.
            entries_named |= {(row.stream, seq) for seq in erased.entries if seq < row.seq}
            blobs_named |= set(erased.blobs)
    return Named(frozenset(entries_named), frozenset(blobs_named))


async def destroy(conn: AsyncConnection, stream: UUID, seq: int) -> Erased:
    """Destroy what the tombstone that is entry `seq` of a stream names; what it was.

    Its transaction must be another than that which appended it. Tampered if the entry does not
    bind what is said to be its private body; Malformed if it is no tombstone.
    """
    row = (await conn.execute(_TOMBSTONE, {"stream": stream, "seq": seq})).one_or_none()
    if row is None or row.body is None:
        raise Malformed(f"entry {seq} of stream {stream} is no tombstone")
    if entries.commit(row.salt, canonical.encode(row.body)) != entries.decode(row.entry).body:
        raise Tampered(f"entry {seq} of stream {stream} binds another private body")
    erased = bodies.read(row.body).erased
    if erased is None or any(named >= seq for named in erased.entries):
        raise Malformed(f"entry {seq} of stream {stream} is no tombstone")
    blobs = {"blobs": list(erased.blobs)}
    for statement in (_KEYS, _LIKENESSES, _INSPECTIONS):
        await conn.execute(statement, blobs)
    await conn.execute(_BODIES, {"stream": stream, "seqs": list(erased.entries)})
    return erased
