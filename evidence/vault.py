"""The vault's front: what the rest of the house calls.

Order of writes for an entry (what holds after a crash between two steps):

1. append, in the act's transaction. Crash: neither act nor entry.
2. commit, by the caller. Crash: act and entry stand, no receipt was given; see 5.
3. sign the receipt, outside any transaction. Crash: as 2; the signature was never shown.
4. store_receipts, in a transaction of its own; then the receipt is released. Crash before the
   release: the receipt is read from the table.
5. The sweep: pending_receipts, then 3 and 4 again. Ed25519 signs the same text with the same
   bytes, so a receipt that was signed twice is one receipt.

Order of writes for a file:

1. deposit, outside any transaction: spool, wrap the key, put to the store. Crash: nothing, or
   an object that nobody can read, since its key is gone; lost_objects finds it.
2. record, in a transaction. Crash after it: a blob in quarantine; unfinished_blobs finds it.
3. To keep it: accept, in the transaction of the act whose entry names the blob; this promises
   retention. After the commit: retain, outside any transaction, then retained, in one. Crash
   between: unretained_blobs finds it, the same again.
4. To refuse it: refuse, in a transaction (this destroys the key); then remove, outside; then
   forget, in a transaction. Crash between: unfinished_blobs finds it, the same again.

To erase what was said or deposited: erase, in the act's transaction, then destroy, in one of its
own; what holds between stands at the top of erasure.py.

It knows nothing of disputes, HTTP or settings: store, keys and origin are handed in, and
instants are arguments.
"""

import secrets
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from evidence import blob as blobs
from evidence import body as bodies
from evidence import chain, deposit, erasure, media, note, receipt, shard
from evidence import entry as entries
from evidence.blob import Blob
from evidence.body import Body, Root
from evidence.chain import Appended, SignedReceipt
from evidence.deposit import Declared
from evidence.entry import Entry
from evidence.errors import BlobMissing
from evidence.keys import KeyRing, Signer, Signers, nobody
from evidence.models import BlobState
from evidence.receipt import Receipt
from evidence.store import Store, Stored
from evidence.tombstone import Erased


class Vault:
    """Streams, entries, receipts and blobs of one origin.

    `origin` names the vault (for example "vault.example"); its logs, for which entries are meant,
    add the year in which they are recorded (evidence/shard.py). `merge_delay` is how long an entry
    may take into its log, promised by every receipt; None promises no log. `log_signers` sign the
    checkpoints of each log. `retention` is how
    long accepted blobs are kept at least. `size_max` gives the media types that are taken and the
    most bytes of each; `spool_folder` is where files lie, encrypted and nameless, while they come
    in.
    """

    def __init__(  # noqa: PLR0913 -- keyword-only, one for each thing that is handed in
        self,
        *,
        origin: str,
        store: Store,
        keyring: KeyRing,
        receipt_signer: Signer,
        log_signers: Signers = nobody,
        merge_delay: timedelta | None = None,
        retention: timedelta = timedelta(days=365),
        size_max: Mapping[str, int] = media.SIZE_MAX,
        spool_folder: Path | None = None,
    ) -> None:
        self.origin = origin
        self.size_max = size_max
        self.store = store
        self.keyring = keyring
        self.receipt_key = receipt_signer.key
        self.log_signers = log_signers
        self._receipt_signer = receipt_signer
        self._merge_delay = merge_delay
        self._retention = retention
        self._spool_folder = spool_folder

    async def create_stream(self, conn: AsyncConnection, stream: UUID) -> None:
        """Make an empty stream; its id must tell nothing (random but for its month)."""
        await chain.create(conn, stream)

    async def begin(
        self,
        conn: AsyncConnection,
        stream: UUID,
        *,
        act: str,
        body: dict[str, Any],
        at: datetime,
        recorded: datetime | None = None,
        blob: Blob | None = None,
    ) -> Appended:
        """Make a stream and its first entry in one round trip; StreamExists if it is there."""
        draft = self._draft(stream, at, recorded, Body(act, body), blob)
        return await chain.begin(conn, draft)

    async def append(
        self,
        conn: AsyncConnection,
        stream: UUID,
        *,
        act: str,
        body: dict[str, Any],
        at: datetime,
        recorded: datetime | None = None,
        blob: Blob | None = None,
    ) -> Appended:
        """Add an entry to a stream, in the transaction of the act that it records.

        `at` is when the act was done, `recorded` now, if that is later. One round trip. The
        stream's row stays locked until the transaction ends, so entries in a row chain and
        concurrent appends wait. `blob` must be accepted (BlobMissing) and is bound both by its
        plaintext's digests and by its ciphertext's. Malformed if `body` has no canonical JSON;
        StreamMissing if there is no stream.
        """
        draft = self._draft(stream, at, recorded, Body(act, body), blob)
        return await chain.append(conn, draft)

    async def close(
        self,
        conn: AsyncConnection,
        stream: UUID,
        *,
        act: str,
        body: dict[str, Any],
        at: datetime,
        recorded: datetime | None = None,
    ) -> tuple[Root, Appended]:
        """Freeze the record as it stands: its root goes into an entry that follows it.

        The stream can grow on; the root says what the record was when it was closed.
        """
        size = await chain.lock(conn, stream)
        root = await chain.root(conn, stream, size)
        draft = self._draft(stream, at, recorded, Body(act, body, record=root))
        return root, await chain.append(conn, draft)

    async def erase(
        self,
        conn: AsyncConnection,
        stream: UUID,
        erased: Erased,
        *,
        act: str,
        body: Callable[[Mapping[int, Body]], dict[str, Any]],
        at: datetime,
    ) -> Appended:
        """Add a tombstone to a stream: the word that something is erased, before it is.

        `body` makes the tombstone's own private body from the bodies that it names, as far as they
        are still there. After the commit: destroy. Malformed if it names what cannot be erased.
        """
        await chain.lock(conn, stream)
        named = await erasure.check(conn, stream, erased)
        draft = self._draft(stream, at, None, Body(act, body(named), erased=erased))
        return await chain.append(conn, draft)

    async def destroy(self, conn: AsyncConnection, stream: UUID, seq: int) -> Erased:
        """Destroy what a committed tombstone names, for good; once more changes nothing."""
        return await erasure.destroy(conn, stream, seq)

    async def root(self, conn: AsyncConnection, stream: UUID, size: int | None = None) -> Root:
        """Compute the Merkle root over the stream's first `size` entries, all if not given."""
        return await chain.root(conn, stream, size)

    async def sign(self, appended: Appended) -> SignedReceipt:
        """Sign the receipt of a committed entry; never call this inside its transaction."""
        entry = appended.entry
        time = entries.to_microseconds(entry.time)
        latest = receipt.NO_LOG
        if self._merge_delay is not None:
            latest = entries.to_microseconds(appended.recorded + self._merge_delay)
        text = receipt.write(
            Receipt(entry.origin, entry.stream, entry.seq, appended.leaf, time, latest)
        )
        signature = await self._receipt_signer.sign(text.encode())
        signed = note.assemble(text, self._receipt_signer.key, signature)
        return SignedReceipt(entry.stream, entry.seq, signed)

    async def store_receipts(
        self, conn: AsyncConnection, receipts: Sequence[SignedReceipt]
    ) -> None:
        """Keep signed receipts before they are released; storing one again changes nothing."""
        await chain.store_receipts(conn, receipts)

    async def pending_receipts(
        self, conn: AsyncConnection, *, since: datetime, limit: int = 1000
    ) -> list[Appended]:
        """Find entries that were committed but got no receipt: what the sweep signs and stores.

        `since` keeps the search short: recorded since then. It must lie before the last sweep
        that found nothing.
        """
        return await chain.pending(conn, since, limit)

    async def deposit(
        self, pieces: AsyncIterable[bytes], declared: Declared, *, blob: UUID, at: datetime
    ) -> Blob:
        """Take a file in and put it to the store, in quarantine; outside any transaction.

        `blob` is its new id. DepositRefused, by its reason, leaves nothing behind; so does
        whatever `pieces` raises. PartFailed if the store does not take it, or no key can be had.
        """
        spooled = await deposit.receive(
            pieces, declared, blob=blob, size_max=self.size_max, folder=self._spool_folder
        )
        try:
            wrapped = await self.keyring.wrap(spooled.key, str(blob))
            stored = await self.store.put(
                blobs.store_key(blob),
                spooled.file,
                size=spooled.ciphertext.size,
                digest=spooled.ciphertext.sha256,
                fresh=True,
            )
            plaintext = await spooled.plaintext()
        finally:
            await spooled.close()
        return Blob(
            plaintext=plaintext,
            ciphertext=spooled.ciphertext,
            wrapped_key=wrapped.data,
            key_id=wrapped.key_id,
            store_key=stored.key,
            store_version=stored.version,
            state=BlobState.STORED,
            retained_until=None,
            retained_at=None,
            created=at,
        )

    async def record(self, conn: AsyncConnection, blob: Blob) -> None:
        """Write the row of a deposited blob, in a transaction of the caller's."""
        await blobs.record(conn, blob)

    async def find_blob(self, conn: AsyncConnection, blob: UUID) -> Blob:
        """Read a blob's row; BlobMissing if there is none."""
        return await blobs.find(conn, blob)

    async def is_readable(self, conn: AsyncConnection, blob: UUID) -> bool:
        """Whether a blob's key is there; until the transaction ends it cannot be destroyed."""
        return await blobs.is_readable(conn, blob)

    async def accept(
        self, conn: AsyncConnection, blob: UUID, *, at: datetime, until: datetime | None = None
    ) -> Blob:
        """Keep a blob, so that entries may name it, and promise its retention until then.

        Without `until` for the vault's usual time from `at`. BlobMissing if it was refused.
        """
        return await blobs.accept(conn, blob, until or at + self._retention)

    async def unretained_blobs(self, conn: AsyncConnection, *, limit: int = 1000) -> list[Blob]:
        """Find kept blobs whose promised retention the store has not confirmed."""
        return await blobs.unretained(conn, limit)

    async def retain(self, blob: Blob) -> None:
        """Set the promised COMPLIANCE retention in the store; outside any transaction."""
        if blob.retained_until is None:
            raise BlobMissing(blob.id, "accepted")
        await self.store.retain(blob.store_key, blob.store_version, blob.retained_until)

    async def retained(self, conn: AsyncConnection, blob: Blob, *, at: datetime) -> None:
        """Note that the store has set the promised retention."""
        if blob.retained_until is not None:
            await blobs.retained(conn, blob.id, blob.retained_until, at)

    async def refuse(self, conn: AsyncConnection, blob: UUID) -> Blob:
        """Destroy the key of a blob that is in quarantine; then remove it from the store."""
        return await blobs.refuse(conn, blob)

    async def remove(self, blob: Blob, *, now: datetime) -> None:
        """Take a refused blob's object out of the store; outside any transaction."""
        if blob.state is not BlobState.REFUSED:
            raise BlobMissing(blob.id, "refused")
        await self.store.delete(blob.store_key, blob.store_version, now=now)

    async def forget(self, conn: AsyncConnection, blob: UUID) -> None:
        """Take away the row of a refused blob whose object is removed."""
        await blobs.forget(conn, blob)

    async def unfinished_blobs(
        self, conn: AsyncConnection, *, before: datetime, limit: int = 1000
    ) -> list[Blob]:
        """Find blobs created before then that are still stored, or refused and not forgotten."""
        return await blobs.unfinished(conn, before, limit)

    async def lost_objects(self, conn: AsyncConnection) -> list[Stored]:
        """Find objects that no row names: what a crash left between deposit and record.

        One that is being deposited just now is among them, so only what two calls an hour
        apart both find is lost. Lists the whole store.
        """
        found = [one async for one in self.store.keys("blobs/")]
        return await blobs.unknown(conn, found)

    def open_blob(
        self, blob: Blob, *, start: int = 0, size: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Stream a blob's plaintext, checked as it goes; see evidence.blob.read."""
        return blobs.read(self.store, self.keyring, blob, start=start, size=size)

    def _draft(
        self,
        stream: UUID,
        at: datetime,
        recorded: datetime | None,
        body: Body,
        blob: Blob | None = None,
    ) -> chain.Draft:
        if blob is not None and blob.state is not BlobState.ACCEPTED:
            raise BlobMissing(blob.id, "accepted")
        private = bodies.encode(replace(body, blob=blob.plaintext if blob else None))
        salt = secrets.token_bytes(entries.SALT_SIZE)
        written = recorded or at
        entry = Entry(
            origin=shard.name(self.origin, written),
            stream=stream,
            seq=0,
            prev=entries.FIRST_PREV,
            time=at,
            body=entries.commit(salt, private),
            blob=blob.ciphertext if blob else None,
        )
        return chain.Draft(entry, written, salt, private, blob.id if blob else None)
