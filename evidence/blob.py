"""Blobs in the database, and reading them back: what a deposited file is and where it lies.

    stored ----> accepted     the row promises retention; the store is told after the commit
       |
       +-------> refused      the key is destroyed with the row's change; then the object goes

Rows are written on the caller's connection, inside its transaction; nothing here commits. It
knows neither who may see a file nor what it shows.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from sqlalchemy import Row, Text, any_, case, delete, func, insert, literal, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.base import Executable
from sqlmodel import SQLModel

from evidence import cipher
from evidence.body import Plaintext
from evidence.entry import Ciphertext
from evidence.errors import BlobMissing, Erased, Tampered
from evidence.keys import KeyRing, Wrapped
from evidence.models import BlobState, VaultBlob
from evidence.store import Store, Stored

_table = SQLModel.metadata.tables[VaultBlob.__tablename__]


@dataclass(frozen=True, slots=True)
class Blob:
    """A deposited file; `wrapped_key` is None once its key was destroyed."""

    plaintext: Plaintext
    ciphertext: Ciphertext
    wrapped_key: bytes | None
    key_id: str
    store_key: str
    store_version: str
    state: BlobState
    retained_until: datetime | None
    retained_at: datetime | None
    created: datetime

    @property
    def id(self) -> UUID:
        """The id that the depositor's side chose; it is also bound into the ciphertext."""
        return self.plaintext.id


def store_key(blob: UUID) -> str:
    """Name the object: by id alone, in folders that stay small (the id begins with its month)."""
    text = blob.hex
    return f"blobs/{text[:4]}/{text[4:6]}/{blob}"


async def record(conn: AsyncConnection, blob: Blob) -> None:
    """Write the row of a blob that is in the store; its id must be new."""
    await conn.execute(insert(_table), _values(blob))


async def find(conn: AsyncConnection, blob: UUID) -> Blob:
    """Read a blob's row; BlobMissing if there is none."""
    row = (await conn.execute(select(_table).where(_table.c.id == blob))).first()
    if row is None:
        raise BlobMissing(blob, "known")
    return read_row(row)


async def is_readable(conn: AsyncConnection, blob: UUID) -> bool:
    """Whether a blob's key is there; whoever would destroy it waits until the transaction ends."""
    found = select(_table.c.id).where(_table.c.id == blob, _table.c.wrapped_key.is_not(None))
    return (await conn.execute(found.with_for_update(read=True))).first() is not None


async def accept(conn: AsyncConnection, blob: UUID, until: datetime) -> Blob:
    """Keep a stored blob, and promise its retention until then; again for a later time.

    The row is what is to be done: `unretained` finds it until `retained` says that the store
    has set the retention. BlobMissing if it is refused or not there.
    """
    return await _move(
        conn,
        update(_table)
        .where(_table.c.id == blob, _table.c.state != BlobState.REFUSED)
        .values(
            state=BlobState.ACCEPTED,
            retained_until=func.greatest(_table.c.retained_until, until),
            retained_at=case((_table.c.retained_until >= until, _table.c.retained_at)),
        )
        .returning(_table),
        blob,
        "stored",
    )


async def unretained(conn: AsyncConnection, limit: int) -> list[Blob]:
    """Find accepted blobs whose retention the store has not confirmed, oldest first."""
    rows = await conn.execute(
        select(_table)
        .where(_table.c.state == BlobState.ACCEPTED, _table.c.retained_at.is_(None))
        .order_by(_table.c.created)
        .limit(limit)
    )
    return [read_row(row) for row in rows]


async def retained(conn: AsyncConnection, blob: UUID, until: datetime, at: datetime) -> None:
    """Say that the store has set this retention; nothing if a later one was promised since."""
    await conn.execute(
        update(_table)
        .where(_table.c.id == blob, _table.c.retained_until == until)
        .values(retained_at=at)
    )


async def refuse(conn: AsyncConnection, blob: UUID) -> Blob:
    """Destroy the key of a stored blob: nobody reads it any more. Once more changes nothing.

    The object is to be removed from the store after the commit. BlobMissing if it was accepted.
    """
    return await _move(
        conn,
        update(_table)
        .where(_table.c.id == blob, _table.c.state != BlobState.ACCEPTED)
        .values(state=BlobState.REFUSED, wrapped_key=None)
        .returning(_table),
        blob,
        "stored",
    )


async def forget(conn: AsyncConnection, blob: UUID) -> None:
    """Take away the row of a refused blob whose object is gone; none is no error."""
    await conn.execute(
        delete(_table).where(_table.c.id == blob, _table.c.state == BlobState.REFUSED)
    )


async def unfinished(conn: AsyncConnection, before: datetime, limit: int) -> list[Blob]:
    """Find blobs created before then that are not accepted, oldest first; for the sweep.

    Refused ones are to be removed from the store and forgotten; stored ones wait for whoever
    scans them, or were never used.
    """
    rows = await conn.execute(
        select(_table)
        .where(_table.c.state != BlobState.ACCEPTED, _table.c.created < before)
        .order_by(_table.c.created)
        .limit(limit)
    )
    return [read_row(row) for row in rows]


async def unknown(conn: AsyncConnection, found: Sequence[Stored]) -> list[Stored]:
    """Give those of the stored objects that no row names."""
    keys = [one.key for one in found]
    rows = await conn.execute(
        select(_table.c.store_key).where(_table.c.store_key == any_(literal(keys, ARRAY(Text))))
    )
    known = {key for (key,) in rows}
    return [one for one in found if one.key not in known]


async def read(
    store: Store, keyring: KeyRing, blob: Blob, *, start: int = 0, size: int | None = None
) -> AsyncGenerator[bytes, None]:
    """Stream the plaintext, or `size` bytes of it from `start`, in pieces of at most 1 MiB.

    Every piece was checked by the cipher before it is given out: it is this blob's, in this
    place. A whole read also checks the SHA-256 at its end. Tampered if a check fails, Erased if
    the key was destroyed; in the middle of a stream too, so that a reader must take an
    exception for a broken file. Whoever may stop before the end closes it.
    """
    if blob.wrapped_key is None:
        raise Erased(f"the key of blob {blob.id} was destroyed")
    total = blob.plaintext.size
    end = total if size is None else min(total, start + size)
    if not 0 <= start < end:
        return
    key = await keyring.unwrap(Wrapped(blob.wrapped_key, blob.key_id), str(blob.id))
    first, last = start // cipher.CHUNK_SIZE, (end - 1) // cipher.CHUNK_SIZE
    final = (total - 1) // cipher.CHUNK_SIZE
    opener = cipher.Opener(key, blob.id, first=first)
    stop = min((last + 1) * cipher.SEALED_SIZE, blob.ciphertext.size)
    pieces = store.get(
        blob.store_key,
        blob.store_version,
        start=first * cipher.SEALED_SIZE,
        size=stop - first * cipher.SEALED_SIZE,
    )
    whole = (start, end) == (0, total)
    hasher = sha256()
    number = first
    async with aclosing(pieces), aclosing(_sealed_chunks(pieces)) as chunks:
        async for sealed in chunks:
            chunk = await asyncio.to_thread(opener.open, sealed, last=number == final)
            if whole:
                await asyncio.to_thread(hasher.update, chunk)
            from_ = start - number * cipher.CHUNK_SIZE if number == first else 0
            to = end - number * cipher.CHUNK_SIZE if number == last else len(chunk)
            number += 1
            yield chunk[from_:to]
    if number != last + 1:
        raise Tampered(f"blob {blob.id} ends early")
    if whole and hasher.digest() != blob.plaintext.sha256:
        raise Tampered(f"blob {blob.id} is not the file that was deposited")


async def stored_digest(store: Store, blob: Blob) -> Ciphertext:
    """Read the object as it lies in the store and give its digest and size, without the key."""
    hasher, size = sha256(), 0
    async with aclosing(store.get(blob.store_key, blob.store_version)) as pieces:
        async for piece in pieces:
            await asyncio.to_thread(hasher.update, piece)
            size += len(piece)
    return Ciphertext(hasher.digest(), size)


def read_row(row: Row[tuple[object, ...]]) -> Blob:
    """Make a Blob of a row of vault_blobs."""
    return Blob(
        plaintext=Plaintext(row.id, row.media_type, row.sha256, row.sha512, row.size),
        ciphertext=Ciphertext(row.cipher_sha256, row.cipher_size),
        wrapped_key=row.wrapped_key,
        key_id=row.key_id,
        store_key=row.store_key,
        store_version=row.store_version,
        state=row.state,
        retained_until=row.retained_until,
        retained_at=row.retained_at,
        created=row.created,
    )


def _values(blob: Blob) -> dict[str, object]:
    return {
        "id": blob.id,
        "sha256": blob.plaintext.sha256,
        "sha512": blob.plaintext.sha512,
        "size": blob.plaintext.size,
        "media_type": blob.plaintext.media_type,
        "cipher_sha256": blob.ciphertext.sha256,
        "cipher_size": blob.ciphertext.size,
        "wrapped_key": blob.wrapped_key,
        "key_id": blob.key_id,
        "store_key": blob.store_key,
        "store_version": blob.store_version,
        "state": blob.state,
        "retained_until": blob.retained_until,
        "retained_at": blob.retained_at,
        "created": blob.created,
    }


async def _move(conn: AsyncConnection, statement: Executable, blob: UUID, needed: str) -> Blob:
    row = (await conn.execute(statement)).first()
    if row is None:
        raise BlobMissing(blob, needed)
    return read_row(row)


async def _sealed_chunks(pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    buffer = bytearray()
    async for piece in pieces:
        buffer += piece
        while len(buffer) >= cipher.SEALED_SIZE:
            yield bytes(buffer[: cipher.SEALED_SIZE])
            del buffer[: cipher.SEALED_SIZE]
    if buffer:
        yield bytes(buffer)
