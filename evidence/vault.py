"""The vault's front: what the rest of the house calls.

Order of writes for an entry (what holds after a crash between two steps):

1. append, in the act's transaction. Crash: neither act nor entry.
2. commit, by the caller. Crash: act and entry stand, no receipt was given; see 5.
3. sign the receipt, outside any transaction. Crash: as 2; the signature was never shown.
4. store_receipts, in a transaction of its own; then the receipt is released. Crash before the
   release: the receipt is read from the table.
5. The sweep: pending_receipts, then 3 and 4 again. Ed25519 signs the same text with the same
   bytes, so a receipt that was signed twice is one receipt.

It knows nothing of disputes, HTTP or settings: store, keys and origin are handed in, and
instants are arguments.
"""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from evidence import body as bodies
from evidence import chain, note, receipt
from evidence import entry as entries
from evidence.body import Body, Root
from evidence.chain import Appended, SignedReceipt
from evidence.entry import Entry
from evidence.keys import Signer
from evidence.receipt import Receipt


class Vault:
    """Streams, entries, receipts and blobs of one log origin.

    `origin` names the log for which entries are meant (for example "vault.example/2026").
    `merge_delay` is how long an entry may take into that log, promised by every receipt; None
    promises no log.
    """

    def __init__(
        self,
        *,
        origin: str,
        receipt_signer: Signer,
        merge_delay: timedelta | None = None,
    ) -> None:
        self.origin = origin
        self._receipt_signer = receipt_signer
        self._merge_delay = merge_delay

    async def create_stream(self, conn: AsyncConnection, stream: UUID) -> None:
        """Make an empty stream; its id must tell nothing (random but for its month)."""
        await chain.create(conn, stream)

    async def begin(
        self, conn: AsyncConnection, stream: UUID, *, act: str, body: dict[str, Any], at: datetime
    ) -> Appended:
        """Make a stream and its first entry in one round trip; StreamExists if it is there."""
        return await chain.begin(conn, *self._draft(stream, Body(act, body), at))

    async def append(
        self, conn: AsyncConnection, stream: UUID, *, act: str, body: dict[str, Any], at: datetime
    ) -> Appended:
        """Add an entry to a stream, in the transaction of the act that it records.

        One round trip. The stream's row stays locked until the transaction ends, so entries in
        a row chain and concurrent appends wait. Malformed if `body` has no canonical JSON.
        """
        return await chain.append(conn, *self._draft(stream, Body(act, body), at))

    async def close(
        self, conn: AsyncConnection, stream: UUID, *, act: str, body: dict[str, Any], at: datetime
    ) -> tuple[Root, Appended]:
        """Freeze the record as it stands: its root goes into an entry that follows it.

        The stream can grow on; the root says what the record was when it was closed.
        """
        size = await chain.lock(conn, stream)
        root = await chain.root(conn, stream, size)
        draft = self._draft(stream, Body(act, body, record=root), at)
        return root, await chain.append(conn, *draft)

    async def root(self, conn: AsyncConnection, stream: UUID, size: int | None = None) -> Root:
        """Compute the Merkle root over the stream's first `size` entries, all if not given."""
        return await chain.root(conn, stream, size)

    async def sign(self, appended: Appended) -> SignedReceipt:
        """Sign the receipt of a committed entry; never call this inside its transaction."""
        entry = appended.entry
        time = entries.to_microseconds(entry.time)
        latest = receipt.NO_LOG
        if self._merge_delay is not None:
            latest = entries.to_microseconds(entry.time + self._merge_delay)
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

        `since` keeps the search short; it must lie before the last sweep that found nothing.
        """
        return await chain.pending(conn, since, limit)

    def _draft(
        self, stream: UUID, body: Body, at: datetime
    ) -> tuple[Entry, bytes, bytes, UUID | None]:
        private = bodies.encode(body)
        salt = secrets.token_bytes(entries.SALT_SIZE)
        draft = Entry(
            origin=self.origin,
            stream=stream,
            seq=0,
            prev=entries.FIRST_PREV,
            time=at,
            body=entries.commit(salt, private),
            blob=None,
        )
        return draft, salt, private, body.blob.id if body.blob else None
