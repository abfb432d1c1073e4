r"""Quarantine: between a file's deposit and its use, somebody has looked at it.

    waiting ----> passed      nothing was found
       |   \----> flagged     something was, of which whoever looks at it is told
       |
       +-------> refused      the blob's key is destroyed with the row's change

Order of writes (what holds after a crash between two steps):

1. admit, in the transaction that records the blob: the inspection waits, leased to whoever goes
   on at once. Crash: the lease runs out and claim finds it.
2. examine, outside any transaction: scanned, inspected and developed; the derived copies are put
   to the store, each encrypted under a key of its own. Crash: as 1, and objects that nobody can
   read, which the vault's lost_objects finds.
3. settle, in a transaction: the result, the copies' rows, or the refusal. Of two that worked on
   the same file the first settles; the other discards its copies. Crash after it: refused blobs
   are found by the vault's unfinished_blobs.
4. keep, in the transaction of the act that uses the file: the blob and its copies are accepted.

The original is kept byte for byte. It knows no disputes and no settings: vault, workshop and
scanner are handed in, and instants are arguments.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import SQLModel

from evidence import flags as flagging
from evidence.blob import Blob
from evidence.deposit import Declared
from evidence.errors import (
    FileTooLarge,
    HarmfulFile,
    Quarantined,
    Undecodable,
)
from evidence.flags import Code, Flag
from evidence.models import (
    BlobState,
    InspectionState,
    VaultBlob,
    VaultDerivative,
    VaultInspection,
)
from evidence.scanner import Scanner
from evidence.vault import Vault
from evidence.wire import COPY_TYPE, Asked, Copy
from evidence.workshop import Workshop

LEASE = timedelta(minutes=5)
"""How long somebody may work on a file before another takes it up: longer than the limits."""

TRIES_MAX = 4
"""How many darkrooms a file may cost by the clock on the wall, or services by a crash."""

_inspections = SQLModel.metadata.tables[VaultInspection.__tablename__]
_derivatives = SQLModel.metadata.tables[VaultDerivative.__tablename__]
_blobs = SQLModel.metadata.tables[VaultBlob.__tablename__]


@dataclass(frozen=True, slots=True)
class Derived:
    """A copy in the store, not in the tables yet."""

    kind: str
    blob: Blob
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What examining a blob led to."""

    blob: UUID
    flags: Sequence[Flag]
    facts: dict[str, Any] = field(default_factory=dict)
    derived: Sequence[Derived] = ()

    @property
    def state(self) -> InspectionState:
        """The state into which it is settled."""
        if flagging.refuses(self.flags):
            return InspectionState.REFUSED
        return InspectionState.FLAGGED if self.flags else InspectionState.PASSED


@dataclass(frozen=True, slots=True)
class Inspection:
    """What stands in the tables of a blob's inspection."""

    blob: UUID
    state: InspectionState
    flags: Sequence[Flag]
    facts: dict[str, Any]
    tries: int


@dataclass(frozen=True, slots=True)
class Derivative:
    """A derived picture: its kind, its own blob's id and its sides in pixels."""

    kind: str
    blob: UUID
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Looks at deposited blobs.

    `child` makes an id of the same month as a blob's; without `scanner` nothing is scanned.
    """

    vault: Vault
    workshop: Workshop
    child: Callable[[UUID], UUID]
    scanner: Scanner | None = None

    async def admit(
        self, conn: AsyncConnection, blob: UUID, *, at: datetime, leased: bool = True
    ) -> None:
        """Let a blob wait, leased to the caller until LEASE from `at`, or for anybody to claim."""
        await conn.execute(
            insert(_inspections).values(
                blob=blob,
                state=InspectionState.WAITING,
                flags=[],
                facts={},
                tries=1 if leased else 0,
                leased_until=at + LEASE if leased else at,
                begun=at,
            )
        )

    async def examine(self, blob: Blob, *, at: datetime) -> Outcome:
        """Scan, inspect and develop a blob, and put what is derived to the store.

        Outside any transaction. NotAnswered if the scanner or a darkroom did not answer in time,
        StoreFailed if the store did not: then nothing is known, and it is tried again.
        """
        found = await self._scan(blob)
        if flagging.refuses(found):
            return Outcome(blob.id, flagging.once(found))
        asked = Asked(blob.plaintext.media_type, blob.plaintext.size)

        async def read(start: int, size: int) -> bytes:
            async with aclosing(self.vault.open_blob(blob, start=start, size=size)) as pieces:
                return b"".join([piece async for piece in pieces])

        try:
            examined = await self.workshop.examine(asked, read)
        except Undecodable as error:
            return Outcome(blob.id, flagging.once([*found, _ended(error.reason)]))
        found = flagging.once([*found, *examined.flags])
        if flagging.refuses(found):
            return Outcome(blob.id, found, examined.facts)
        derived = [one for copy in examined.copies if (one := await self._derive(blob, copy, at))]
        return Outcome(blob.id, found, examined.facts, derived)

    async def settle(self, conn: AsyncConnection, outcome: Outcome, *, at: datetime) -> bool:
        """Write what examining led to; False if that is settled already: then discard it.

        Somebody else did, or the blob was refused meanwhile. Locks the blob's row. A refusal
        destroys the blob's key; its object is removed after the commit.
        """
        locked = select(_blobs.c.state).where(_blobs.c.id == outcome.blob).with_for_update()
        state = (await conn.execute(locked)).scalar_one_or_none()
        if state is not BlobState.STORED:
            return False
        settled = await conn.execute(
            update(_inspections)
            .where(
                _inspections.c.blob == outcome.blob,
                _inspections.c.state == InspectionState.WAITING,
            )
            .values(
                state=outcome.state,
                flags=flagging.write(outcome.flags),
                facts=outcome.facts,
                leased_until=None,
                ended=at,
            )
        )
        if settled.rowcount == 0:
            return False
        if outcome.state is InspectionState.REFUSED:
            await self.vault.refuse(conn, outcome.blob)
            return True
        for one in outcome.derived:
            await self.vault.record(conn, one.blob)
            await conn.execute(
                insert(_derivatives).values(
                    blob=outcome.blob,
                    kind=one.kind,
                    derivative=one.blob.id,
                    width=one.width,
                    height=one.height,
                )
            )
        return True

    async def discard(self, outcome: Outcome, *, now: datetime) -> None:
        """Remove the copies of an outcome that was not settled; outside any transaction."""
        for one in outcome.derived:
            await self.vault.store.delete(one.blob.store_key, one.blob.store_version, now=now)

    async def postpone(
        self, conn: AsyncConnection, blob: UUID, until: datetime, *, counts: bool
    ) -> None:
        """Leave a blob to others from `until` on; a try that does not count is taken back."""
        await conn.execute(
            update(_inspections)
            .where(_inspections.c.blob == blob, _inspections.c.state == InspectionState.WAITING)
            .values(leased_until=until, tries=_inspections.c.tries - (0 if counts else 1))
        )

    async def claim(self, conn: AsyncConnection, *, at: datetime, limit: int) -> list[Inspection]:
        """Lease so many blobs that wait and on which nobody works, those that wait longest first.

        One whose `tries` are more than TRIES_MAX is to be settled by `given_up`.
        """
        waiting = (
            select(_inspections.c.blob)
            .where(
                _inspections.c.state == InspectionState.WAITING,
                _inspections.c.leased_until <= at,
            )
            .order_by(_inspections.c.leased_until)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        rows = await conn.execute(
            update(_inspections)
            .where(_inspections.c.blob.in_(waiting))
            .values(leased_until=at + LEASE, tries=_inspections.c.tries + 1)
            .returning(_inspections)
        )
        return [_read(row) for row in rows]

    def given_up(self, blob: UUID) -> Outcome:
        """The outcome for a file that cost too many tries."""
        return Outcome(blob, [_ended("wall_time")])

    async def find(self, conn: AsyncConnection, blob: UUID) -> Inspection | None:
        """Read a blob's inspection; None if there is none."""
        row = (
            await conn.execute(select(_inspections).where(_inspections.c.blob == blob))
        ).one_or_none()
        return None if row is None else _read(row)

    async def keep(self, conn: AsyncConnection, blob: UUID, *, at: datetime) -> Blob:
        """Accept a blob that is through, and its copies with it.

        Quarantined if it is not through yet, HarmfulFile if it was refused.
        """
        inspection = await self.find(conn, blob)
        if inspection is None or inspection.state is InspectionState.WAITING:
            raise Quarantined(blob)
        if inspection.state is InspectionState.REFUSED:
            raise HarmfulFile(inspection.flags)
        for derivative in await self.derivatives(conn, blob):
            await self.vault.accept(conn, derivative.blob, at=at)
        return await self.vault.accept(conn, blob, at=at)

    async def refuse(self, conn: AsyncConnection, blob: UUID) -> None:
        """Destroy the keys of a blob and of its copies; then remove them from the store."""
        # The blob first: whoever settles it meanwhile finds it refused, or is waited for.
        await self.vault.refuse(conn, blob)
        for derivative in await self.derivatives(conn, blob):
            await self.vault.refuse(conn, derivative.blob)

    async def derivatives(self, conn: AsyncConnection, blob: UUID) -> list[Derivative]:
        """Read which copies there are of a blob."""
        rows = await conn.execute(
            select(_derivatives).where(_derivatives.c.blob == blob).order_by(_derivatives.c.kind)
        )
        return [Derivative(row.kind, row.derivative, row.width, row.height) for row in rows]

    async def _scan(self, blob: Blob) -> list[Flag]:
        if self.scanner is None:
            return []
        async with aclosing(self.vault.open_blob(blob)) as pieces:
            verdict = await self.scanner.scan(pieces, blob.plaintext.size)
        if verdict.found is not None:
            return [Flag.of(Code.MALWARE, name=verdict.found)]
        if verdict.too_large:
            return [Flag.of(Code.NOT_SCANNED, size=blob.plaintext.size)]
        return []

    async def _derive(self, blob: Blob, copy: Copy, at: datetime) -> Derived | None:
        """Put a copy to the store like any file; None if it is larger than files may be."""
        try:
            stored = await self.vault.deposit(
                _once(copy.data),
                Declared(len(copy.data), COPY_TYPE),
                blob=self.child(blob.id),
                at=at,
            )
        except FileTooLarge:
            return None
        return Derived(copy.kind, stored, copy.width, copy.height)


def _ended(reason: str) -> Flag:
    """The flag for a file that ended its darkroom."""
    if reason in {"cpu_time", "memory", "wall_time"}:
        return Flag.of(Code.TOO_COSTLY, what=reason)
    return Flag.of(Code.UNREADABLE, error=reason)


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _read(row: Any) -> Inspection:
    return Inspection(row.blob, row.state, flagging.read(row.flags), row.facts, row.tries)
