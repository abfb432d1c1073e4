"""The audit: recomputes everything that the vault keeps and names what does not agree.

It reads the tables and the store as they are, trusting neither. What it cannot see is a history
rewritten as a whole, log included, by somebody who also holds the keys: witnesses, those who
follow the log, the receipts that depositors hold and the bundles that were exported can. Not bound
to anything: a blob's `created` and `retained_at`, an entry's `recorded` once it has its place, and
what is computed from files.
"""

from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from hashlib import sha256, sha512
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import SQLModel

from evidence import blob as blobs
from evidence import body as bodies
from evidence import canonical, chain, merkle, oversight, receipt, shard, tombstone
from evidence import entry as entries
from evidence.blob import Blob
from evidence.body import Body
from evidence.entry import Entry
from evidence.errors import (
    Erased,
    Malformed,
    NotStored,
    PartFailed,
    StoreFailed,
    Tampered,
    VaultError,
)
from evidence.models import BlobState
from evidence.report import Finding, Kind, Report
from evidence.vault import Vault

_RECORD = text(
    "SELECT s.id AS of_stream, s.size AS stream_size, s.head, e.stream, e.seq, e.prev, e.leaf,"
    " e.entry, e.time, e.recorded, e.salt, e.body, e.blob, r.note"
    " FROM vault_streams s LEFT JOIN vault_entries e ON e.stream = s.id"
    " LEFT JOIN vault_receipts r ON r.stream = e.stream AND r.seq = e.seq"
    " ORDER BY s.id, e.seq"
)

_STRAY = text(
    "SELECT 'vault_entries ' || stream || ' ' || seq AS name, 'belongs to nothing' AS what"
    " FROM vault_entries e WHERE NOT EXISTS (SELECT FROM vault_streams s WHERE s.id = e.stream)"
    " UNION ALL SELECT 'vault_receipts ' || stream || ' ' || seq, 'belongs to nothing'"
    " FROM vault_receipts r WHERE NOT EXISTS ("
    "SELECT FROM vault_entries e WHERE e.stream = r.stream AND e.seq = r.seq)"
    " UNION ALL SELECT 'vault_blobs ' || blob,"
    " 'is missing, and entry ' || seq || ' of stream ' || stream || ' names it'"
    " FROM vault_entries e WHERE blob IS NOT NULL"
    " AND NOT EXISTS (SELECT FROM vault_blobs b WHERE b.id = e.blob)"
    " UNION ALL SELECT 'vault_logs ' || origin, 'is missing, and ' || count(*) || ' entries have a"
    " place in it' FROM vault_leaves l"
    " WHERE NOT EXISTS (SELECT FROM vault_logs o WHERE o.origin = l.origin) GROUP BY origin"
)

_MADE_OF = text("SELECT derivative, blob FROM vault_derivatives")

_NAMED = text(
    "SELECT stream, seq, entry, body FROM vault_entries WHERE blob = :blob ORDER BY stream, seq"
)


async def audit(conn: AsyncConnection, vault: Vault) -> Report:
    """Check every row and every stored object, best in a REPEATABLE READ transaction.

    1. Every entry row agrees with its entry's bytes, which have their exact form; its leaf hash
       is theirs; it links to the entry before; its private body and salt are those it binds, or
       gone, as a tombstone behind it says.
    2. Every receipt is signed by the vault's key and is for its entry.
    3. Every stream has as many entries as it says, the last with the leaf hash it says; every
       record that was closed has the root that was frozen.
    4. No entry lacks its stream or its file's row, no receipt its entry, no place its log.
    5. Every blob is in the store as its row says, retained where that is confirmed, opens with
       its key (or has none, as a tombstone says), is the file with the row's digests, and agrees
       with each entry that names it.
    6. Every entry has one place in the log of its year, or waits for one; each log's root and
       checkpoint are those of its entries, and its files on the store as well.
    """
    report = Report()
    run = _Audit(conn, vault, report)
    for number, (told, step) in enumerate(
        (
            ("entries, receipts and streams", run.check_streams),
            ("rows that belong to nothing, or are missing", run.check_strays),
            ("blobs and their objects in the store", run.check_blobs),
            ("places in logs, and the files of these", run.check_logs),
        ),
        1,
    ):
        before = len(report.findings)
        count = await step()
        wrong = len(report.findings) - before
        report.checked.append(f"{number}. {count} {told}: {f'{wrong} wrong' if wrong else 'ok'}")
    run.tell_the_rest()
    return report


class _Audit:
    """One run; the numbers are those of `audit`."""

    def __init__(self, conn: AsyncConnection, vault: Vault, report: Report) -> None:
        self._conn = conn
        self._vault = vault
        self._report = report
        self._tombstones = tombstone.Tombstones()
        self._without_receipt = 0

    async def check_streams(self) -> int:
        count = 0
        stream: _Stream | None = None
        rows = await self._conn.stream(_RECORD)
        async for row in rows:
            if stream is None or stream.id != row.of_stream:
                self._end(stream)
                stream = _Stream(row.of_stream, row.stream_size, row.head)
            if row.stream is not None:
                count += 1
                self._check_entry(row, stream)
        self._end(stream)
        return count

    # 1
    def _check_entry(self, row: Any, stream: "_Stream") -> None:
        where = f"vault_entries {stream.id} {row.seq}"
        expected, leaf = stream.last, entries.leaf_hash(row.entry)
        if row.seq != len(stream.leaves):
            self._note(where, f"seq: {len(stream.leaves)} was expected, an entry is missing")
        stream.leaves.append(leaf)
        if leaf != row.leaf:
            self._note(where, "leaf, or entry: the leaf hash is not that of the entry")
        if row.prev != expected:
            self._note(where, "prev: does not link to the entry before")
        with self._noting(where, "entry"):
            found = entries.decode(row.entry)
            self._check_columns(row, found, where, expected)
            self._check_body(row, found, where, stream)
        self._check_receipt(row, leaf, stream)

    def _check_columns(self, row: Any, found: Entry, where: str, prev: bytes) -> None:
        for name, value, expected in (
            ("origin", found.origin, shard.name(self._vault.origin, row.recorded)),
            ("stream", found.stream, row.stream),
            ("seq", found.seq, row.seq),
            ("prev", found.prev, prev),
            ("time", found.time, row.time),
        ):
            if value != expected:
                self._note(where, f"{name}: the entry's bytes say {value!s}, not {expected!s}")
        if (found.blob is None) != (row.blob is None):
            self._note(where, "blob: the row and the entry's bytes disagree about a file")

    def _check_body(self, row: Any, found: Entry, where: str, stream: "_Stream") -> None:
        if row.salt is None and row.body is None:
            stream.erased.append(row.seq)
            return
        if row.salt is None or row.body is None:
            self._note(where, "salt, or body: one is there without the other")
            return
        if entries.commit(row.salt, canonical.encode(row.body)) != found.body:
            self._note(where, "body, or salt: not what the entry binds")
            return
        with self._noting(where, "body"):
            body = bodies.read(row.body)
            if (body.blob.id if body.blob else None) != row.blob:
                self._note(where, "blob: not the file that the body names")
            if body.record is not None:
                stream.records.append((row.seq, body))
            if body.erased is not None:
                stream.named.update(body.erased.entries)
                self._tombstones.put(stream.id, row.seq, body.erased, found.time)

    # 2
    def _check_receipt(self, row: Any, leaf: bytes, stream: "_Stream") -> None:
        if row.note is None:
            self._without_receipt += 1
            return
        where = f"vault_receipts {stream.id} {row.seq}"
        with self._noting(where, "note"):
            said, signed = receipt.verify(row.note.encode(), [self._vault.receipt_key])
            if not signed:
                raise Tampered("is not signed by the vault's key")
            if (said.stream, said.seq, said.leaf) != (stream.id, row.seq, leaf):
                raise Tampered("was signed for another entry than the one that is there")
            if (said.origin, said.time) != (
                shard.name(self._vault.origin, row.recorded),
                entries.to_microseconds(row.time),
            ):
                raise Tampered("was signed with another origin or time")

    # 3
    def _end(self, stream: "_Stream | None") -> None:
        if stream is None:
            return
        where = f"vault_streams {stream.id}"
        if stream.size != len(stream.leaves):
            self._note(where, f"size: {stream.size}, but there are {len(stream.leaves)} entries")
        if stream.head != stream.last:
            self._note(where, "head: not the leaf hash of the last entry")
        for seq, body in stream.records:
            assert body.record is not None
            before = stream.leaves[: body.record.size]
            if body.record.size != seq or merkle.root(before) != body.record.hash:
                self._note(where, f"the record closed by entry {seq} has another root now")
        self._check_erased(stream)

    def _check_erased(self, stream: "_Stream") -> None:
        """Nothing is gone without a tombstone; what is named and still there is being erased."""
        for seq in stream.erased:
            said = self._tombstones.of_entry(stream.id, seq)
            if said is None:
                where = f"vault_entries {stream.id} {seq}"
                self._note(where, "salt, and body: gone, and no tombstone says why")
            else:
                told = f"the private body of entry {seq} of stream {stream.id}: {said}"
                self._report.unchecked.append(told)
        for seq in sorted(stream.named - set(stream.erased)):
            told = f"entry {seq} of stream {stream.id} is to be erased, and still there"
            self._report.unchecked.append(told)

    # 4
    async def check_strays(self) -> int:
        rows = (await self._conn.execute(_STRAY)).all()
        for row in rows:
            self._note(row.name, row.what)
        return len(rows)

    # 5
    async def check_blobs(self) -> int:
        count = 0
        table = SQLModel.metadata.tables["vault_blobs"]
        made_of = {row.derivative: row.blob for row in await self._conn.execute(_MADE_OF)}
        for row in (await self._conn.execute(select(table).order_by(table.c.id))).all():
            count += 1
            blob = blobs.read_row(row)
            where = f"vault_blobs {blob.id}"
            await self._check_named(blob, where)
            if blob.store_key != blobs.store_key(blob.id):
                self._note(where, "store_key: not the key of this blob")
            if blob.state is BlobState.REFUSED:
                continue
            await self._check_object(blob, where)
            said = self._tombstones.of_blob(made_of.get(blob.id, blob.id))
            if blob.wrapped_key is None:
                self._check_erased_blob(where, said)
                continue
            if said is not None:
                self._report.unchecked.append(f"{where} is to be erased, and still there")
            await self._check_content(blob, where)
        return count

    def _check_erased_blob(self, where: str, said: str | None) -> None:
        if said is None:
            self._note(where, "wrapped_key: gone, and no tombstone says why")
        else:
            self._report.unchecked.append(f"the content of {where}: {said}")

    async def _check_named(self, blob: Blob, where: str) -> None:
        for row in await self._conn.execute(_NAMED, {"blob": blob.id}):
            by = f"entry {row.seq} of stream {row.stream}"
            if blob.state is not BlobState.ACCEPTED:
                self._note(where, f"state: {blob.state}, though {by} names it")
            with self._noting(where, by):
                if entries.decode(row.entry).blob != blob.ciphertext:
                    self._note(where, f"cipher_sha256, or cipher_size: not those of {by}")
                named = None if row.body is None else bodies.read(row.body).blob
                if named is not None and named != blob.plaintext:
                    self._note(where, f"sha256, sha512, size, or media_type: not those of {by}")

    async def _check_object(self, blob: Blob, where: str) -> None:
        try:
            found = await blobs.stored_digest(self._vault.store, blob)
            if found != blob.ciphertext:
                self._note(where, "the object in the store has another digest or size")
            if blob.retained_at is not None and blob.retained_until is not None:
                there = await self._vault.store.stat(blob.store_key)
                # Stores keep whole seconds.
                until = blob.retained_until.replace(microsecond=0)
                if there.retained_until is None or there.retained_until < until:
                    self._note(where, "retained_until: the store's retention is shorter")
        except NotStored:
            self._note(where, "store_version: the object is not in the store")
        except StoreFailed as error:
            self._report.unchecked.append(f"{where}: {error}")

    async def _check_content(self, blob: Blob, where: str) -> None:
        digests = sha256(), sha512()
        try:
            content = blobs.read(self._vault.store, self._vault.keyring, blob)
            async with aclosing(content) as pieces:
                async for piece in pieces:
                    for one in digests:
                        one.update(piece)
        except (Erased, PartFailed, NotStored) as error:
            self._report.unchecked.append(f"the content of {where}: {error}")
        except VaultError as error:
            self._note(where, f"wrapped_key, key_id, sha256, or size: {error}")
        else:
            if digests[0].digest() != blob.plaintext.sha256:
                self._note(where, "sha256: not that of the file")
            if digests[1].digest() != blob.plaintext.sha512:
                self._note(where, "sha512: not that of the file")

    # 6
    async def check_logs(self) -> int:
        return await oversight.check(
            self._conn, self._vault, self._note, self._report.unchecked.append
        )

    def tell_the_rest(self) -> None:
        if self._without_receipt:
            self._report.unchecked.append(f"{self._without_receipt} entries without a receipt yet")

    def _note(self, where: str, what: str, kind: Kind = Kind.TAMPERED) -> None:
        self._report.findings.append(Finding(kind, where, what))

    @contextmanager
    def _noting(self, where: str, name: str) -> Iterator[None]:
        try:
            yield
        except Malformed as error:
            self._note(where, f"{name}: {error}", Kind.MALFORMED)
        except VaultError as error:
            self._note(where, f"{name}: {error}")


class _Stream:
    """A stream while its rows are read."""

    def __init__(self, of: UUID, size: int, head: bytes) -> None:
        self.id = of
        self.size = size
        self.head = head
        self.leaves: list[bytes] = []
        self.records: list[tuple[int, Body]] = []
        self.erased: list[int] = []
        self.named: set[int] = set()

    @property
    def last(self) -> bytes:
        return self.leaves[-1] if self.leaves else chain.NO_ENTRIES
