"""Bringing files' keys under another key-encryption key, and letting go of the old one.

Order in rotation: the new key is there and wraps → every process opens what is under it → `batch`,
again and again, until nothing is under another → `retire` → the old key is destroyed. What is left
to do stands in the rows themselves, so that a crash between two steps costs at most a batch, and
running it again does no harm:

- A row is changed only if its key is still wrapped as it was read: two that run at once, a deposit
  and an erasure meanwhile lose nothing, and an erased key stays erased.
- `retire` waits for whoever is writing rows with keys, looks whether any is under the key, and from
  then on the database refuses every row under it: a process that has not heard of the new key
  cannot deposit a file that nobody could open.

Which tables keep keys the database says: those with the trigger by which it refuses (models.sql).
So none is refused a key without being brought along, or the other way round, and the caller's own
tables are among them. It knows neither how keys are kept nor settings.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Uuid, column, func, insert, select, table, text, union_all, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.sql.expression import TableClause
from sqlmodel import SQLModel

from evidence.errors import VaultError
from evidence.keys import KeyRing, Wrapped
from evidence.models import VaultBlob, VaultRetiredKey

BATCH: Final = 100

BLOBS: Final[str] = VaultBlob.__tablename__

_retired = SQLModel.metadata.tables[VaultRetiredKey.__tablename__]
_KEEPING: Final = text(
    "SELECT c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
    " WHERE t.tgfoid = 'vault_under_living_keys'::regproc AND t.tgenabled <> 'D' ORDER BY 1"
)


@dataclass(slots=True)
class Progress:
    """How far a run has come: `last` is the last row that was looked at, None at the end."""

    last: UUID | None
    changed: int = 0
    failed: list[tuple[UUID, VaultError]] = field(default_factory=list)


async def tables(conn: AsyncConnection) -> list[str]:
    """List the tables that keep wrapped keys, in the order of their names."""
    return list((await conn.execute(_KEEPING)).scalars())


async def batch(
    engine: AsyncEngine,
    ring: KeyRing,
    after: UUID | None = None,
    *,
    limit: int = BATCH,
    of: str = BLOBS,
) -> Progress:
    """Wrap some keys of a table anew, those of the rows after `after` in the order of their ids.

    What the ring says is waited for outside any transaction. A key that does not open stays as it
    is and is told; whatever else goes wrong is raised, and what was done before stays done.
    """
    keys = _keys(of)
    wanted = select(keys).where(keys.c.wrapped_key.is_not(None), keys.c.key_id != ring.current)
    if after is not None:
        wanted = wanted.where(keys.c.id > after)
    async with engine.connect() as conn:
        rows = (await conn.execute(wanted.order_by(keys.c.id).limit(limit))).all()
    done = Progress(rows[-1].id if len(rows) == limit else None)
    made: list[tuple[UUID, bytes, Wrapped]] = []
    for row in rows:
        try:
            key = await ring.unwrap(Wrapped(row.wrapped_key, row.key_id), str(row.id))
            made.append((row.id, row.wrapped_key, await ring.wrap(key, str(row.id))))
        except VaultError as error:
            done.failed.append((row.id, error))
    async with engine.begin() as conn:
        for row_id, old, new in made:
            changed = await conn.execute(
                update(keys)
                .where(keys.c.id == row_id, keys.c.wrapped_key == old)
                .values(wrapped_key=new.data, key_id=new.key_id)
            )
            done.changed += changed.rowcount
    return done


async def left(conn: AsyncConnection) -> dict[str, int]:
    """Count the keys, of all tables, by the key-encryption key under which they are."""
    kept = union_all(
        *(
            select(keys.c.key_id).where(keys.c.wrapped_key.is_not(None))
            for keys in map(_keys, await tables(conn))
        )
    ).subquery()
    counted = select(kept.c.key_id, func.count()).group_by(kept.c.key_id)
    return {row[0]: row[1] for row in await conn.execute(counted)}


async def retire(conn: AsyncConnection, key_id: str, at: datetime) -> int:
    """Refuse this key-encryption key for ever, unless keys are under it; how many are.

    After the commit of 0 it may be destroyed. Waits for whoever writes rows with keys, and they
    wait. A key that is retired already stays so.
    """
    names = ", ".join(await tables(conn))
    await conn.execute(text(f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE"))
    count = (await left(conn)).get(key_id, 0)
    if count == 0 and key_id not in await retired(conn):
        await conn.execute(insert(_retired).values(id=key_id, retired=at))
    return count


async def retired(conn: AsyncConnection) -> Sequence[str]:
    """List the keys that were retired."""
    return (await conn.execute(select(_retired.c.id).order_by(_retired.c.id))).scalars().all()


def _keys(of: str) -> TableClause:
    return table(of, column("id", Uuid()), column("wrapped_key"), column("key_id"))
