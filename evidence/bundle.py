"""A bundle: streams with all that a stranger needs to check them, as a BagIt ZIP.

    bundle.json                                what is in it, see below
    verify.sh                                  checks the bundle with sh and openssl alone
    streams/<stream>/entries/<seq>.json        the entry's exact bytes
    streams/<stream>/bodies/<seq>.json         its private body, canonical JSON   } left out where
    streams/<stream>/salts/<seq>.hex           the salt that binds it             } withheld
    streams/<stream>/receipts/<seq>.note       its receipt, if one was given
    streams/<stream>/proofs/<seq>.tlog-proof   its proof, once it is in the log
    history/<log>/<seq>.entry.json, ...        what a log told of its keys (evidence/lineage.py)
    timestamps/<log>/<n>/checkpoint.note       a checkpoint that an authority stamped (RFC 3161)
    timestamps/<log>/<n>/consistency.txt       from it to the checkpoint of the proofs
    timestamps/<log>/<n>/000.tsr               what it answered, DER; 001.tsr renews that, ...
    blobs/<blob>.<ext>                         a file as it was deposited
    blobs/<blob>.json                          what binds it, and the key that encrypts it
    extra/...                                  whatever the caller adds; bound by nothing

all below data/, <seq> in six digits or more. Entries are always there, all of them: they hold
no personal data. The key of a blob opens that blob only, which is in the bundle in plaintext;
with it anybody derives the stored ciphertext's digest, which the entry holds.

It knows no dispute: who may see which body is asked of the caller.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from evidence import (
    bag,
    canonical,
    dating,
    erasure,
    layout,
    lineage,
    log,
    stamping,
    succession,
    tree,
)
from evidence import blob as blobs
from evidence import body as bodies
from evidence import entry as entries
from evidence.blob import Blob
from evidence.body import Body
from evidence.errors import StreamMissing
from evidence.keys import Wrapped
from evidence.layout import BUNDLE, FORMAT, SCRIPT, Frozen, blob_path, entry_path, extension
from evidence.log import State
from evidence.models import BlobState
from evidence.stamping import Chain
from evidence.succession import Own
from evidence.vault import Vault

_SCRIPT = Path(__file__).with_name(SCRIPT).read_bytes()


@dataclass(frozen=True, slots=True)
class Kept:
    """An entry with what is shown beside it."""

    seq: int
    data: bytes
    salt: bytes | None
    body: bytes | None
    receipt: str | None
    origin: str | None
    index: int | None


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream as it goes into a bundle."""

    id: UUID
    entries: tuple[Kept, ...]
    records: tuple[Frozen, ...]


@dataclass(frozen=True, slots=True)
class Contents:
    """What goes into a bundle, but for the files, which are read while it is written."""

    streams: tuple[Stream, ...]
    blobs: tuple[Blob, ...]
    logs: tuple[State, ...]
    stamps: tuple[tuple[Chain, ...], ...] = ()
    histories: tuple[tuple[Own, ...], ...] = ()

    def files(self) -> list[Blob]:
        """Give those of `blobs` whose content goes in: accepted, and the key not destroyed."""
        return [one for one in self.blobs if one.wrapped_key and one.state is BlobState.ACCEPTED]


_ENTRIES = text(
    "SELECT e.seq, e.entry, e.salt, e.body, e.blob, r.note, l.origin, l.index AS place"
    " FROM vault_entries e LEFT JOIN vault_receipts r USING (stream, seq)"
    " LEFT JOIN vault_leaves l USING (stream, seq) WHERE e.stream = :stream ORDER BY e.seq"
)


def everything(_stream: UUID, _seq: int, _body: Body) -> bool:
    """Withhold nothing."""
    return True


async def collect(
    conn: AsyncConnection,
    streams: Sequence[UUID],
    may_see: Callable[[UUID, int, Body], bool] = everything,
) -> Contents:
    """Read streams for a bundle, with the private bodies that `may_see` lets through.

    What tombstones name, bodies and files, is left out, also while it is not destroyed yet.
    Best in a transaction that is REPEATABLE READ, so that all streams are of one moment.
    StreamMissing if one has no entries.
    """
    found: list[Stream] = []
    wanted: dict[UUID, None] = {}
    erased = (await erasure.named(conn, streams)).entries
    for stream in streams:
        rows = (await conn.execute(_ENTRIES, {"stream": stream})).all()
        if not rows:
            raise StreamMissing(stream)
        kept: list[Kept] = []
        records: list[Frozen] = []
        for row in rows:
            body = None if row.body is None else bodies.read(row.body)
            shown = (
                body is not None
                and (stream, row.seq) not in erased
                and may_see(stream, row.seq, body)
            )
            if body is not None and body.record is not None:
                # The root is made of public hashes: it may be told of a withheld body too.
                records.append(Frozen(row.seq, body.record))
            if shown and row.blob is not None:
                wanted[row.blob] = None
            kept.append(
                Kept(
                    row.seq,
                    row.entry,
                    row.salt if shown else None,
                    canonical.encode(row.body) if shown else None,
                    row.note,
                    row.origin,
                    row.place,
                )
            )
        found.append(Stream(stream, tuple(kept), tuple(records)))
    gone = (await erasure.named(conn, (), wanted)).blobs
    files = [await blobs.find(conn, one) for one in wanted if one not in gone]
    named = {one.origin for stream in found for one in stream.entries}
    known = [one for one in await log.states(conn) if one.origin in named and one.size]
    logs = [await log.cosigned(conn, one) for one in known]
    stamps = [_stamps(one, found, await stamping.chains(conn, one.origin)) for one in logs]
    own = [tuple(await succession.history(conn, one.origin)) for one in logs]
    return Contents(tuple(found), tuple(files), tuple(logs), tuple(stamps), tuple(own))


def _stamps(state: State, streams: Sequence[Stream], known: Sequence[Chain]) -> tuple[Chain, ...]:
    """Choose of a log's timestamps the first over each entry."""
    indexes = [
        one.index
        for stream in streams
        for one in stream.entries
        if one.origin == state.origin and one.index is not None and one.index < state.size
    ]
    return tuple(stamping.first_over(known, indexes, state.size))


async def write(
    vault: Vault,
    contents: Contents,
    path: Path,
    *,
    name: str,
    made: datetime,
    extra: Mapping[str, bytes] | None = None,
) -> None:
    """Write the bundle to `path`, which appears when it is whole; outside any transaction.

    `name` becomes the folder in the ZIP; `extra` goes below extra/ as it is. Files are decrypted
    one piece at a time; one whose key was destroyed is left out. Tampered if one was changed.
    """
    files = contents.files()
    with bag.Writer(path, name) as writer:
        about = _about(vault, contents, files, made)
        writer.add(BUNDLE, canonical.encode(about))
        writer.add(SCRIPT, _SCRIPT)
        for state in contents.logs:
            await _add_proofs(vault, writer, contents, state)
        for number, (state, own) in enumerate(zip(contents.logs, contents.histories, strict=True)):
            await _add_history(vault, writer, state, own, number)
        for number, (state, chains) in enumerate(zip(contents.logs, contents.stamps, strict=True)):
            for each, chain in enumerate(chains):
                await _add_stamp(vault, writer, state, chain, (number, each))
        for stream in contents.streams:
            await asyncio.to_thread(_add_stream, writer, stream)
        for one in files:
            await _add_blob(vault, writer, one)
        for place, data in (extra or {}).items():
            writer.add(f"extra/{place}", data)
        await asyncio.to_thread(writer.finish, made.date())


def _about(
    vault: Vault, contents: Contents, files: Sequence[Blob], made: datetime
) -> dict[str, Any]:
    return {
        "blobs": [str(one.id) for one in files],
        "format": FORMAT,
        "logs": [
            {
                "keys": (succession.keys_told(own) or [succession.keys(vault, state.origin)])[-1],
                "origin": state.origin,
            }
            for state, own in zip(contents.logs, contents.histories, strict=True)
        ],
        "made": entries.to_microseconds(made),
        "origin": vault.origin,
        "receipt_key": str(vault.receipt_key),
        "streams": [
            {
                "id": str(stream.id),
                "records": [
                    {"root": one.root.hash.hex(), "seq": one.seq, "size": one.root.size}
                    for one in stream.records
                ],
                "size": len(stream.entries),
            }
            for stream in contents.streams
        ],
    }


async def _add_proofs(vault: Vault, writer: bag.Writer, contents: Contents, state: State) -> None:
    """Add the proof of every entry that the log's checkpoint covers."""
    placed = [
        (stream.id, one.seq, one.index)
        for stream in contents.streams
        for one in stream.entries
        if one.origin == state.origin and one.index is not None and one.index < state.size
    ]
    proofs = await log.proofs(vault.store, state, [index for _, _, index in placed])
    for (stream, seq, _), written in zip(placed, proofs, strict=True):
        writer.add(entry_path(stream, "proofs", seq), written.encode())


async def _add_history(
    vault: Vault, writer: bag.Writer, state: State, history: Sequence[Own], log_number: int
) -> None:
    """Add what the log told of its keys, as far as its checkpoint covers it."""
    own = [one for one in history if one.index < state.size]
    proofs = await log.proofs(vault.store, state, [one.index for one in own])
    for seq, (one, written) in enumerate(zip(own, proofs, strict=True)):
        for name, data in (
            (lineage.ENTRY, one.entry),
            (lineage.BODY, canonical.encode(one.body)),
            (lineage.SALT, one.salt.hex().encode() + b"\n"),
            (lineage.PROOF, written.encode()),
        ):
            writer.add(lineage.path(log_number, seq, name), data)


async def _add_stamp(
    vault: Vault, writer: bag.Writer, state: State, chain: Chain, place: tuple[int, int]
) -> None:
    path: list[bytes] = []
    if chain.size < state.size:
        wanted = tree.tiles_of_consistency(chain.size, state.size)
        tiles = await log.read_tiles(vault.store, state.origin, wanted)
        path = tree.consistency_proof(chain.size, state.size, tiles)
    writer.add(layout.stamp_path(*place, layout.NOTE), chain.checkpoint)
    writer.add(layout.stamp_path(*place, layout.PATH), dating.write_path(path))
    for number, answer in enumerate(chain.answers):
        writer.add(layout.stamp_path(*place, layout.answer(number)), answer)


def _add_stream(writer: bag.Writer, stream: Stream) -> None:
    for one in stream.entries:
        writer.add(entry_path(stream.id, "entries", one.seq), one.data)
        if one.salt is not None and one.body is not None:
            writer.add(entry_path(stream.id, "bodies", one.seq), one.body)
            writer.add(entry_path(stream.id, "salts", one.seq), one.salt.hex().encode() + b"\n")
        if one.receipt is not None:
            writer.add(entry_path(stream.id, "receipts", one.seq), one.receipt.encode())


async def _add_blob(vault: Vault, writer: bag.Writer, blob: Blob) -> None:
    assert blob.wrapped_key is not None
    wrapped = Wrapped(blob.wrapped_key, blob.key_id)
    about = {
        "cipher_sha256": blob.ciphertext.sha256.hex(),
        "cipher_size": blob.ciphertext.size,
        "id": str(blob.id),
        "key": (await vault.keyring.unwrap(wrapped, str(blob.id))).hex(),
        "media_type": blob.plaintext.media_type,
        "sha256": blob.plaintext.sha256.hex(),
        "sha512": blob.plaintext.sha512.hex(),
        "size": blob.plaintext.size,
    }
    writer.add(blob_path(blob.id, "json"), canonical.encode(about))
    name = blob_path(blob.id, extension(blob.plaintext.media_type))
    with writer.open(name, blob.plaintext.size) as file:
        async with aclosing(vault.open_blob(blob)) as pieces:
            async for piece in pieces:
                await asyncio.to_thread(file.write, piece)
