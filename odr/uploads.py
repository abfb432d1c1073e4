"""Uploads: files that were deposited and are not exhibits yet; each belongs to its depositor.

Order of writes (what holds after a crash between two steps):

1. the vault takes the file in, outside any transaction. Crash: an object that nobody can read,
   which the vault's ``lost_objects`` finds.
2. the blob's row and the upload's, in one transaction, in which the account's unused uploads are
   counted once more. Crash after it: an upload, whose depositor was not told; see 3 and 5.
3. the file is looked at (``evidence.quarantine``), at once and for as long as the office lets a
   depositor wait; what is not through by then, or was left by a crash, ``inspect`` takes up. A
   file that is refused at once goes with its upload; of one that is refused later the upload
   stays, without its key, to tell its depositor why.
4. an exhibit is made of it (``odr.exhibits``), or nothing.
5. ``sweep``: what was not used in time is refused (its key destroyed with its row), then removed
   from the store, then forgotten. Crash between: the next sweep goes on.

What the vault refuses is told by name and with its bounds, which ``limits`` tells beforehand.
"""

import asyncio
import re
import unicodedata
from collections.abc import AsyncIterable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from evidence.blob import Blob
from evidence.deposit import Declared
from evidence.errors import (
    DepositRefused,
    DigestMismatch,
    EmptyFile,
    FileTooLarge,
    HarmfulFile,
    NotAnswered,
    PartFailed,
    SizeMismatch,
    TypeMismatch,
    TypeNotAllowed,
)
from evidence.models import BlobState, InspectionState
from evidence.quarantine import TRIES_MAX, Inspection, Outcome
from evidence.vault import Vault
from odr import ids, policy
from odr.errors import Invalid, Refused, Stale, TooMuch, Unavailable
from odr.models.dialogue import PartialUpload, Upload
from odr.policy import SERVICE, Viewer
from odr.sql import typed
from odr.work import Office, Work

UNUSED_MAX: Final = 50
"""Uploads of an account that are no exhibits yet."""

UNUSED_KEPT: Final = timedelta(days=7)

PARTIAL_MAX: Final = 10
"""Uploads of an account that come in instalments at the same time; they count among the unused."""

PARTIAL_KEPT: Final = timedelta(hours=24)
FILENAME_MAX: Final = 255
_EXTENSION_MAX: Final = 10
_SWEPT_AT_ONCE: Final = 100
_INSPECTED_AT_ONCE: Final = 2

_AGAIN: Final = timedelta(seconds=5)
_AGAIN_MAX: Final = timedelta(minutes=5)

_SEPARATORS: Final = re.compile(r"[/\\]")
_BEFORE: Final = re.compile(r"\A[\s.]+")
# What cannot be seen or turns the direction of writing, by which "gpj.exe" reads as "exe.jpg".
# Joiners are kept: scripts and emoji need them.
_UNWANTED: Final = re.compile(
    "[\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is taken: the most bytes of each media type, and the most uploads that wait.

    ``partial_max`` may come in instalments at once, each within ``partial_hours``.
    """

    bytes_max: Mapping[str, int]
    unused_max: int
    unused_days: int
    partial_max: int
    partial_hours: int
    filename_max: int


def limits(vault: Vault) -> Limits:
    """What can be known before anything is sent."""
    return Limits(
        bytes_max=vault.size_max,
        unused_max=UNUSED_MAX,
        unused_days=UNUSED_KEPT.days,
        partial_max=PARTIAL_MAX,
        partial_hours=PARTIAL_KEPT // timedelta(hours=1),
        filename_max=FILENAME_MAX,
    )


async def deposit(
    office: Office,
    viewer: Viewer,
    pieces: AsyncIterable[bytes],
    declared: Declared,
    filename: str,
    *,
    partial: UUID | None = None,
) -> UUID:
    """Take a file in for the viewer; the upload's id. No transaction is open while it comes.

    ``partial`` is the file in instalments (``odr.instalments``) that this is the whole of: it
    becomes this upload in the same transaction, or ``Stale`` if it became another before.

    ``Invalid`` or ``TooMuch`` if the file is not as declared, not taken or harmful, and nothing is
    kept of it; ``Unavailable`` if the store fails. What ``pieces`` raises goes through. The upload
    may still be in quarantine: a busy machine, or a scanner that is away.
    """
    policy.require(viewer, "act")
    named = cleaned(filename)
    async with office.work(viewer, policy.NOBODY) as work:
        await room(work.conn, viewer.account_id, but=partial)
        blob_id, at = ids.new(work.at), work.at
    try:
        blob = await office.vault.deposit(pieces, declared, blob=blob_id, at=at)
    except DepositRefused as refused:
        raise refusal(refused) from refused
    except PartFailed as failed:
        raise Unavailable(failed.part) from failed
    upload_id = ids.child(blob_id)
    async with office.work(viewer, upload_id) as work:
        too_late = await _recorded(work, blob, named, partial)
    if too_late is not None:
        await _removed(office, blob_id, at)
        raise too_late
    if office.inspected_within:
        await _look(office, upload_id, blob)
    else:
        office.wake()
    return upload_id


async def _look(office: Office, upload_id: UUID, blob: Blob) -> None:
    """Look at a new file, for so long; a harmful one goes with its upload and is ``Invalid``."""
    try:
        async with asyncio.timeout(office.inspected_within.total_seconds()):
            outcome = await office.quarantine.examine(blob, at=blob.created)
    except (TimeoutError, NotAnswered, PartFailed):
        async with office.work(SERVICE, policy.NOBODY) as work:
            await office.quarantine.postpone(work.conn, blob.id, work.at, counts=False)
        office.wake()
        return
    harmful = outcome.state is InspectionState.REFUSED
    async with office.work(SERVICE, policy.NOBODY) as work:
        settled = await office.quarantine.settle(work.conn, outcome, at=work.at)
        if settled and harmful:
            await work.conn.execute(delete(Upload).where(col(Upload.id) == upload_id))
        at = work.at
    if not settled:
        await office.quarantine.discard(outcome, now=at)
    elif harmful:
        await _removed(office, blob.id, at)
        raise refusal(HarmfulFile(outcome.flags))


async def inspect(office: Office) -> bool:
    """Look at some of the files that wait for it; whether there may be more.

    A file that fails stops no other: it is left for later, longer each time.
    """
    async with office.work(SERVICE, policy.NOBODY) as work:
        claimed = await office.quarantine.claim(work.conn, at=work.at, limit=_INSPECTED_AT_ONCE)
        at = work.at
    await asyncio.gather(*(_inspected(office, each, at) for each in claimed))
    return len(claimed) == _INSPECTED_AT_ONCE


async def _inspected(office: Office, inspection: Inspection, at: datetime) -> None:
    quarantine = office.quarantine
    try:
        outcome = await _outcome(office, inspection, at)
    except (NotAnswered, PartFailed) as error:
        # Only what the file itself may be to blame for counts against it.
        counts = isinstance(error, NotAnswered) and error.part == "the darkroom"
        wait = min(_AGAIN * 2**inspection.tries, _AGAIN_MAX)
        async with office.work(SERVICE, policy.NOBODY) as work:
            await quarantine.postpone(work.conn, inspection.blob, work.at + wait, counts=counts)
        return
    async with office.work(SERVICE, policy.NOBODY) as work:
        settled = await quarantine.settle(work.conn, outcome, at=work.at)
    if not settled:
        await quarantine.discard(outcome, now=at)


async def _outcome(office: Office, inspection: Inspection, at: datetime) -> Outcome:
    if inspection.tries > TRIES_MAX:
        return office.quarantine.given_up(inspection.blob)
    async with office.work(SERVICE, policy.NOBODY) as work:
        blob = await work.vault.find_blob(work.conn, inspection.blob)
    return await office.quarantine.examine(blob, at=at)


async def _recorded(work: Work, blob: Blob, filename: str, partial: UUID | None) -> Refused | None:
    """Write the rows, unless others of the account's came first; then the blob is refused."""
    await lock(work.conn, work.actor.account_id)
    await work.vault.record(work.conn, blob)
    try:
        await room(work.conn, work.actor.account_id, but=partial)
        await _not_taken_before(work.conn, partial)
    except (TooMuch, Stale) as refused:
        await work.vault.refuse(work.conn, blob.id)
        return refused
    await work.conn.execute(
        insert(Upload).values(
            id=work.result,
            account_id=work.actor.account_id,
            blob_id=blob.id,
            filename=filename,
            at=work.at,
        )
    )
    if partial is not None:
        became = update(PartialUpload).where(col(PartialUpload.id) == partial)
        await work.conn.execute(became.values(upload_id=work.result, wrapped_key=None))
    at_once = bool(work.office.inspected_within)
    await work.office.quarantine.admit(work.conn, blob.id, at=work.at, leased=at_once)
    return None


async def _not_taken_before(conn: AsyncConnection, partial: UUID | None) -> None:
    """``Stale`` if a file in instalments became an upload before, or came to another end."""
    if partial is None:
        return
    asked = select(col(PartialUpload.wrapped_key)).where(col(PartialUpload.id) == partial)
    if (await conn.execute(asked.with_for_update())).scalar_one_or_none() is None:
        raise Stale(expected=0, version=1)


async def lock(conn: AsyncConnection, account_id: UUID) -> None:
    """Let others of the account's wait, so that what is counted next stays true."""
    await conn.execute(_LOCK, {"account": account_id})


_LOCK: Final = typed("SELECT FROM accounts WHERE id = :account FOR NO KEY UPDATE")


async def room(
    conn: AsyncConnection, account_id: UUID, *, but: UUID | None = None, partial: bool = False
) -> None:
    """``TooMuch`` if an account has as many uploads that wait as it may, or begins one too many.

    Those that come in instalments count; ``but`` is left out. ``partial`` asks for one more.
    """
    counted = select(func.count()).where(
        col(Upload.account_id) == account_id, col(Upload.used_at).is_(None)
    )
    coming = select(func.count()).where(
        col(PartialUpload.account_id) == account_id,
        col(PartialUpload.wrapped_key).is_not(None),
        col(PartialUpload.expires_at) > func.service_now(),
        col(PartialUpload.id).is_distinct_from(but),
    )
    waiting = (await conn.execute(counted)).scalar_one()
    under_way = (await conn.execute(coming)).scalar_one()
    if partial and under_way >= PARTIAL_MAX:
        raise TooMuch(limit="partial_uploads", maximum=PARTIAL_MAX)
    if waiting + under_way >= UNUSED_MAX:
        raise TooMuch(limit="unused_uploads", maximum=UNUSED_MAX)


def cleaned(filename: str) -> str:
    """A file's own name: no folder, nothing that cannot be seen, at most ``FILENAME_MAX`` long.

    What is left of the name is kept, with its extension; of a name with nothing left, ``file``.
    """
    name = _UNWANTED.sub("", _SEPARATORS.split(filename)[-1])
    seen = "".join(each for each in name if unicodedata.category(each) not in _HIDDEN)
    name = _BEFORE.sub("", unicodedata.normalize("NFC", seen))
    if len(name) > FILENAME_MAX:
        stem, dot, extension = name.rpartition(".")
        short = 0 < len(extension) <= _EXTENSION_MAX
        ending = dot + extension if stem and short else ""
        name = name[: FILENAME_MAX - len(ending)] + ending
    return name.rstrip() or "file"


_HIDDEN: Final = {"Cc", "Cs", "Co", "Cn"}
"""Controls, halves of surrogate pairs, private and unassigned characters."""


def _too_large(refused: Any) -> Refused:
    return TooMuch(limit="file_bytes", maximum=refused.size_max)


def _other_size(refused: Any) -> Refused:
    return Invalid(("file", "size"), "disagrees", declared=refused.declared, found=refused.found)


def _other_digest(refused: Any) -> Refused:
    return Invalid(("file", "sha256"), "disagrees", declared=refused.declared, found=refused.found)


def _not_taken(refused: Any) -> Refused:
    return Invalid(("file", "media_type"), "not_allowed", allowed=list(refused.allowed))


def _other_type(refused: Any) -> Refused:
    return Invalid(("file", "media_type"), "disagrees", reason=refused.reason)


def _empty(_: Any) -> Refused:
    return Invalid(("file",), "empty", minimum=1)


def _harmful(refused: Any) -> Refused:
    """The gravest flag; its code is the rule that is broken."""
    flag = refused.flags[0]
    return Invalid(("file",), flag.code.value, **flag.facts)


REFUSALS: Final[Mapping[type[DepositRefused], Callable[[Any], Refused]]] = {
    EmptyFile: _empty,
    FileTooLarge: _too_large,
    SizeMismatch: _other_size,
    DigestMismatch: _other_digest,
    TypeNotAllowed: _not_taken,
    TypeMismatch: _other_type,
    HarmfulFile: _harmful,
}
"""What each reason of the vault's is among our refusals."""


def refusal(refused: DepositRefused) -> Refused:
    """Our refusal for the vault's."""
    return REFUSALS[type(refused)](refused)


async def withdraw(office: Office, viewer: Viewer, upload_id: UUID) -> None:
    """Take an upload back that was not used; one that was, or that is another's, stays."""
    async with office.work(viewer, upload_id) as work:
        gone = delete(Upload).where(
            col(Upload.id) == upload_id,
            col(Upload.account_id) == viewer.account_id,
            col(Upload.used_at).is_(None),
        )
        deleted = await work.conn.execute(gone.returning(col(Upload.blob_id)))
        blob_id = deleted.scalar_one_or_none()
        if blob_id is None:
            return
        await office.quarantine.refuse(work.conn, blob_id)
        at = work.at
    await _finished(office, at)


async def sweep(office: Office, *, kept: timedelta = UNUSED_KEPT) -> int:
    """Take away what was not used for so long, and what an earlier sweep left; how many files.

    ``Unavailable`` if the store fails; the next sweep goes on from there.
    """
    swept = 0
    while True:
        async with office.work(SERVICE, policy.NOBODY) as work:
            at = work.at
            old = (
                select(col(Upload.id))
                .where(col(Upload.used_at).is_(None), col(Upload.at) < at - kept)
                .limit(_SWEPT_AT_ONCE)
                .with_for_update(skip_locked=True)
            )
            gone = delete(Upload).where(col(Upload.id).in_(old)).returning(col(Upload.blob_id))
            blobs = list((await work.conn.execute(gone)).scalars())
            for blob_id in blobs:
                await office.quarantine.refuse(work.conn, blob_id)
        swept += await _finished(office, at)
        if len(blobs) < _SWEPT_AT_ONCE:
            return swept


async def _finished(office: Office, at: datetime) -> int:
    """Remove and forget the refused blobs, this sweep's and those that a crash left."""
    async with office.work(SERVICE, policy.NOBODY) as work:
        unfinished = await work.vault.unfinished_blobs(work.conn, before=at, limit=10_000)
        refused = {blob.id for blob in unfinished if blob.state is BlobState.REFUSED}
        # An upload whose file was refused later tells its depositor why, until its time is over.
        telling = select(col(Upload.blob_id)).where(col(Upload.blob_id).in_(refused))
        refused -= set((await work.conn.execute(telling)).scalars())
    for blob_id in refused:
        await _removed(office, blob_id, at)
    return len(refused)


async def _removed(office: Office, blob_id: UUID, at: datetime) -> None:
    async with office.work(SERVICE, policy.NOBODY) as work:
        blob = await work.vault.find_blob(work.conn, blob_id)
    try:
        await office.vault.remove(blob, now=at)
    except PartFailed as failed:
        raise Unavailable(failed.part) from failed
    async with office.work(SERVICE, policy.NOBODY) as work:
        await work.vault.forget(work.conn, blob_id)
