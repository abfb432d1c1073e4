"""Files that come in instalments: each a partial upload until it is whole, its sender's alone.

Order of writes (what holds after a crash between two steps):

1. ``begin``: the row, with the key by which its pieces are sealed, in one transaction.
2. ``add``: a piece is put to the store, durably; then one statement writes its row and the bytes
   received, if whoever sent it is still the one who writes. Crash between: an object that no row
   names; it goes with the others in 4. What is told as received is always in both.
3. ``finish``, once all bytes are there: the pieces are read back and go the way of every file
   (``odr.uploads.deposit``). In the transaction that makes the upload, the partial one becomes it
   and loses its key, so it becomes one upload and never two. Crash before: finish again.
4. The pieces are taken out of the store. Crash before or during: ``sweep``, which also ends what
   was not whole in time: first its key, then its pieces, a week later its row.

Of several who send at once the last who began writes; the others are ``Stale`` at their next piece,
and nothing of theirs is kept after that. So who lost a connection goes on at once, and needs not
wait until the service has noticed. It knows no protocol: ``web.tus`` speaks one.
"""

import asyncio
import json
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha1, sha256
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, Text, Uuid, bindparam, delete, insert, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from evidence import deposit, instalment
from evidence.deposit import Declared
from evidence.errors import DepositRefused, KeyMissing, PartFailed
from evidence.instalment import PIECE_SIZE, Instalments, Piece
from evidence.keys import Wrapped
from odr import ids, policy, uploads
from odr.errors import Invalid, Late, NotFound, Refused, Stale, TooMuch, Unavailable
from odr.models.dialogue import PartialUpload, UploadPiece
from odr.policy import SERVICE, Viewer
from odr.work import Office

PIECES_MAX: Final = 20_000
"""Pieces of one file; more only if somebody sends a few bytes at a time."""

ACT: Final = "upload"
FINISHING: Final = timedelta(minutes=1)
"""How long one finisher keeps others away; two at once would do the work twice, and one of them
in vain."""

TOLD_FOR: Final = timedelta(days=7)
"""For so long after its time it is told what became of it."""

_SWEPT_AT_ONCE: Final = 100
DIGESTS: Final = {"sha1": sha1, "sha256": sha256}
"""By what a part of a file may be checked; tus 1.0.0 wants ``sha1``."""


@dataclass(frozen=True, slots=True)
class Checksum:
    """The digest of what is sent in one go, by one of ``DIGESTS``."""

    algorithm: str
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far a file has come; ``told`` is what its sender said of it, in their own spelling."""

    id: UUID
    received: int
    size: int
    told: str
    expires_at: datetime
    upload: UUID | None = None
    refused: Refused | None = None

    @property
    def is_whole(self) -> bool:
        """Whether all bytes are there."""
        return self.received == self.size


async def begin(
    office: Office, viewer: Viewer, declared: Declared, filename: str, told: str
) -> Standing:
    """Let a file come in instalments.

    Refused as ``uploads.deposit`` would by what is declared alone, and ``TooMuch`` beyond
    ``uploads.PARTIAL_MAX``.
    """
    policy.require(viewer, "act")
    try:
        deposit.check(declared, office.vault.size_max)
    except DepositRefused as refused:
        raise uploads.refusal(refused) from refused
    async with office.work(viewer, policy.NOBODY) as work:
        partial = ids.new(work.at)
    try:
        wrapped = await instalment.begin(office.vault.keyring, partial)
    except PartFailed as failed:
        raise Unavailable(failed.part) from failed
    async with office.work(viewer, partial) as work:
        await uploads.lock(work.conn, viewer.account_id)
        await uploads.room(work.conn, viewer.account_id, partial=True)
        expires = work.at + uploads.PARTIAL_KEPT
        await work.conn.execute(
            insert(PartialUpload).values(
                id=partial,
                account_id=viewer.account_id,
                filename=uploads.cleaned(filename),
                media_type=declared.media_type,
                size=declared.size,
                sha256=declared.sha256,
                told=told,
                received=0,
                pieces=0,
                wrapped_key=wrapped.data,
                key_id=wrapped.key_id,
                at=work.at,
                expires_at=expires,
                cleared=False,
            )
        )
    return Standing(id=partial, received=0, size=declared.size, told=told, expires_at=expires)


async def find(office: Office, viewer: Viewer, partial: UUID) -> Standing:
    """How far a file has come: ``NotFound`` if it is another's, ``Late`` if its time is over."""
    policy.require(viewer, "act")
    row = await office.read(lambda conn: _row(conn, viewer, partial))
    if row is None:
        raise NotFound
    if row.upload_id is None and (row.gone or (row.wrapped_key is None and row.refusal is None)):
        raise Late(act=ACT, due=row.expires_at)
    return Standing(
        id=row.id,
        received=row.received,
        size=row.size,
        told=row.told,
        expires_at=row.expires_at,
        upload=row.upload_id,
        refused=None if row.refusal is None else _read(row.refusal),
    )


async def _row(conn: AsyncConnection, viewer: Viewer, partial: UUID) -> Any:
    return (await conn.execute(_FIND, {"id": partial, "account": viewer.account_id})).one_or_none()


_FIND: Final = text(
    "SELECT *, expires_at <= service_now() AS gone FROM partial_uploads"
    " WHERE id = :id AND account_id = :account"
)


async def add(
    office: Office,
    viewer: Viewer,
    partial: UUID,
    start: int,
    coming: AsyncIterable[bytes],
    checksum: Checksum | None = None,
) -> int:
    """Take in what comes from ``start`` on; how many bytes of the file are there then.

    ``coming`` just ends where a connection is cut: what came until then is kept, unless a
    ``checksum`` covers all of it; what does not agree with that is ``Invalid`` and not kept.
    ``Stale`` if ``start`` is not where the file goes on, or somebody else sends it meanwhile;
    ``TooMuch`` beyond its size; ``Late`` and ``NotFound`` as in ``find``.
    """
    writer = uuid4()
    file, size = await _entered(office, viewer, partial, start, writer)
    taking = _Taking(office, partial, writer, file, start, checksum)
    working: asyncio.Future[None] | None = None
    try:
        async for data in _gathered(coming, size - start, size):
            if working is not None:
                await working
            working = asyncio.ensure_future(taking.keep(data))
        if working is not None:
            await working
        return await taking.end()
    except PartFailed as failed:
        raise Unavailable(failed.part) from failed
    finally:
        if working is not None:
            await asyncio.wait({working})
            working.cancelled() or working.exception()
        await taking.close()


async def _entered(
    office: Office, viewer: Viewer, partial: UUID, start: int, writer: UUID
) -> tuple[Instalments, int]:
    """Become the one who writes, and open what was begun."""
    policy.require(viewer, "act")
    asked = {"id": partial, "account": viewer.account_id, "start": start, "writer": writer}

    async def enter(conn: AsyncConnection) -> Any:
        return (await conn.execute(_ENTER, asked)).one_or_none()

    row = await office.read(enter)
    if row is None:
        standing = await find(office, viewer, partial)
        raise Stale(expected=start, version=standing.received)
    if row.pieces >= PIECES_MAX:
        raise TooMuch(limit="upload_pieces", maximum=PIECES_MAX)
    return await _opened(office, partial, Wrapped(row.wrapped_key, row.key_id)), row.size


_ENTER: Final = text(
    "UPDATE partial_uploads SET writer = :writer WHERE id = :id AND account_id = :account"
    " AND received = :start AND wrapped_key IS NOT NULL AND expires_at > service_now()"
    " RETURNING wrapped_key, key_id, size, pieces"
).bindparams(bindparam("start", type_=BigInteger()), bindparam("writer", type_=Uuid()))


async def _opened(office: Office, partial: UUID, wrapped: Wrapped) -> Instalments:
    try:
        return await instalment.go_on(office.vault.store, office.vault.keyring, partial, wrapped)
    except PartFailed as failed:
        raise Unavailable(failed.part) from failed
    except KeyMissing as missing:  # wrapped anew since it was read; the next time it opens
        raise Unavailable("keys") from missing


@dataclass(slots=True)
class _Taking:
    """What one request sends: its pieces count one by one, or with a checksum all together."""

    office: Office
    partial: UUID
    writer: UUID
    file: Instalments
    start: int
    checksum: Checksum | None
    _digest: Any = None
    _put: list[Piece] = field(default_factory=list)
    _end: int = 0

    def __post_init__(self) -> None:
        self._end = self.start
        if self.checksum is not None:
            self._digest = DIGESTS[self.checksum.algorithm]()

    async def keep(self, data: bytes) -> None:
        """Put the next piece."""
        if self._digest is not None:
            await asyncio.to_thread(self._digest.update, data)
        piece = await self.file.put(self._end, data)
        self._put.append(piece)
        self._end = piece.end
        if self.checksum is None:
            await self._count()

    async def end(self) -> int:
        """How many bytes of the file are there, now that all have come."""
        if self.checksum is not None:
            if self._digest.digest() != self.checksum.digest:
                raise Invalid(("checksum",), "disagrees", declared=self.checksum.digest.hex())
            if self._put:
                await self._count()
        return self._end

    async def _count(self) -> None:
        """Have the pieces that were put count; ``Stale`` if somebody else writes by now."""
        given = {
            "id": self.partial,
            "writer": self.writer,
            "start": self._put[0].start,
            "end": self._end,
            "starts": [piece.start for piece in self._put],
            "sizes": [piece.size for piece in self._put],
            "keys": [piece.key for piece in self._put],
            "versions": [piece.version for piece in self._put],
        }
        async with self.office.connected(singly=True) as conn:
            counted = (await conn.execute(_COUNT, given)).rowcount
        if not counted:
            raise Stale(expected=self.start, version=self._end)
        self._put.clear()

    async def close(self) -> None:
        """Take pieces away that do not count; what cannot be reached now goes with the rest."""
        for piece in self._put:
            try:
                now = await self.office.read(_now)
                await self.file.store.delete(piece.key, piece.version, now=now)
            except (PartFailed, Unavailable):
                return


_COUNT: Final = text(
    "WITH counted AS (UPDATE partial_uploads SET received = :end,"
    " pieces = pieces + cardinality(:starts) WHERE id = :id AND writer = :writer"
    " AND received = :start AND wrapped_key IS NOT NULL RETURNING id)"
    " INSERT INTO upload_pieces (partial_id, start, size, store_key, store_version)"
    " SELECT counted.id, piece.* FROM counted,"
    " unnest(:starts, :sizes, :keys, :versions) AS piece"
).bindparams(
    bindparam("start", type_=BigInteger()),
    bindparam("end", type_=BigInteger()),
    bindparam("starts", type_=ARRAY(BigInteger())),
    bindparam("sizes", type_=ARRAY(BigInteger())),
    bindparam("keys", type_=ARRAY(Text())),
    bindparam("versions", type_=ARRAY(Text())),
)
_NOW: Final = text("SELECT service_now()")


async def _now(conn: AsyncConnection) -> datetime:
    at: datetime = (await conn.execute(_NOW)).scalar_one()
    return at


async def _gathered(coming: AsyncIterable[bytes], left: int, size: int) -> AsyncIterator[bytes]:
    """What comes, in pieces of ``PIECE_SIZE``; the last may be shorter. ``TooMuch`` beyond."""
    buffer = bytearray()
    async for some in coming:
        left -= len(some)
        if left < 0:
            raise TooMuch(limit="upload_length", maximum=size)
        buffer += some
        while len(buffer) >= PIECE_SIZE:
            yield bytes(buffer[:PIECE_SIZE])
            del buffer[:PIECE_SIZE]
    if buffer:
        yield bytes(buffer)


async def finish(office: Office, viewer: Viewer, partial: UUID) -> UUID | None:
    """Deposit a file that is whole; the upload's id, the same whenever it is asked.

    None if it is not whole yet, or somebody else is at it. What ``uploads.deposit`` refuses of
    the file itself stays refused (``Invalid``), and its pieces go.
    """
    standing = await find(office, viewer, partial)
    if standing.refused is not None:
        raise standing.refused
    if standing.upload is not None or not standing.is_whole:
        return standing.upload
    async with office.work(viewer, partial) as work:
        row = (await work.conn.execute(_claim(partial, work.at))).one_or_none()
        pieces = await _pieces(work.conn, partial)
    if row is None:
        return None
    try:
        upload = await _deposited(office, viewer, row, pieces)
    except Invalid as refused:
        await _end(office, partial, refusal=_write(refused))
        await _clear(office, partial)
        raise
    except Stale:  # another finisher was faster
        return (await find(office, viewer, partial)).upload
    except Refused:
        await _end(office, partial, finishing_until=None)
        raise
    await _clear(office, partial)
    return upload


def _claim(partial: UUID, at: datetime) -> Any:
    columns = PartialUpload
    return (
        update(columns)
        .where(
            col(columns.id) == partial,
            col(columns.wrapped_key).is_not(None),
            col(columns.finishing_until).is_(None) | (col(columns.finishing_until) < at),
        )
        .values(finishing_until=at + FINISHING)
        .returning(PartialUpload.__table__)  # type: ignore[attr-defined]  # SQLModel makes it
    )


async def _pieces(conn: AsyncConnection, partial: UUID) -> list[Piece]:
    columns = UploadPiece
    asked = select(
        col(columns.start), col(columns.size), col(columns.store_key), col(columns.store_version)
    ).where(col(columns.partial_id) == partial)
    return [Piece(*row) for row in await conn.execute(asked.order_by(col(columns.start)))]


async def _deposited(office: Office, viewer: Viewer, row: Any, pieces: list[Piece]) -> UUID:
    file = await _opened(office, row.id, Wrapped(row.wrapped_key, row.key_id))
    digest = None if row.sha256 is None else bytes(row.sha256)
    declared = Declared(size=row.size, media_type=row.media_type, sha256=digest)
    try:
        return await uploads.deposit(
            office, viewer, file.read(pieces), declared, row.filename, partial=row.id
        )
    except PartFailed as failed:
        raise Unavailable(failed.part) from failed


async def _end(office: Office, partial: UUID, **values: Any) -> None:
    """Note how it went; a refusal ends it, with its key."""
    if "refusal" in values:
        values |= {"wrapped_key": None, "upload_id": None}
    async with office.work(SERVICE, policy.NOBODY) as work:
        await work.conn.execute(
            update(PartialUpload).where(col(PartialUpload.id) == partial).values(**values)
        )


async def withdraw(office: Office, viewer: Viewer, partial: UUID) -> None:
    """Take back what one has sent, the upload that it became too, unless that was used."""
    standing = await find(office, viewer, partial)
    async with office.work(viewer, partial) as work:
        gone = update(PartialUpload).where(col(PartialUpload.id) == partial)
        await work.conn.execute(gone.values(wrapped_key=None, expires_at=work.at))
    if standing.upload is not None:
        await uploads.withdraw(office, viewer, standing.upload)
    await _clear(office, partial)
    async with office.work(viewer, partial) as work:
        cleared = delete(PartialUpload).where(
            col(PartialUpload.id) == partial, col(PartialUpload.cleared)
        )
        await work.conn.execute(cleared)


async def _clear(office: Office, partial: UUID) -> bool:
    """Take the pieces out of the store, if it answers; else the sweep does."""
    try:
        await instalment.remove(office.vault.store, partial, now=await office.read(_now))
    except PartFailed:
        return False
    async with office.work(SERVICE, policy.NOBODY) as work:
        await work.conn.execute(delete(UploadPiece).where(col(UploadPiece.partial_id) == partial))
        ended = update(PartialUpload).where(
            col(PartialUpload.id) == partial, col(PartialUpload.wrapped_key).is_(None)
        )
        await work.conn.execute(ended.values(cleared=True))
    return True


async def sweep(office: Office) -> int:
    """End what was not whole in time, and what a crash left; how many files.

    ``Unavailable`` if the store fails; the next sweep goes on from there.
    """
    columns = PartialUpload
    async with office.work(SERVICE, policy.NOBODY) as work:
        at = work.at
        over = col(columns.finishing_until).is_(None) | (col(columns.finishing_until) < at)
        late = update(columns).where(
            col(columns.expires_at) <= at, col(columns.wrapped_key).is_not(None)
        )
        await work.conn.execute(late.where(over).values(wrapped_key=None))
        left = select(col(columns.id)).where(
            col(columns.wrapped_key).is_(None), col(columns.cleared).is_(False)
        )
        found = list((await work.conn.execute(left.limit(_SWEPT_AT_ONCE))).scalars())
        told = delete(columns).where(col(columns.cleared), col(columns.expires_at) < at - TOLD_FOR)
        await work.conn.execute(told)
    for partial in found:
        if not await _clear(office, partial):
            raise Unavailable("store")
    return len(found)


def _write(refused: Invalid) -> Mapping[str, Any]:
    bounds = json.loads(json.dumps(list(refused.bounds.items()), default=str))
    return {"path": list(refused.path), "code": refused.code, "bounds": bounds}


def _read(told: Mapping[str, Any]) -> Invalid:
    return Invalid(tuple(told["path"]), told["code"], **dict(told["bounds"]))
