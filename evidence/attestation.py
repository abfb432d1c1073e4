"""What stands behind one entry, for whoever checks that entry alone and not a whole bundle.

The entry's exact bytes with those of its neighbours in the stream, the private body and salt that
it binds, the receipt, and, once its log has a checkpoint over it, the proof, which replaces the
receipt. Body and salt are not there once a tombstone names the entry, also while they are not
destroyed yet. It decides nothing else about who may see a body: that is the caller's matter.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import BigInteger, Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from evidence import canonical, erasure, log, succession
from evidence.errors import StoreError
from evidence.log import State
from evidence.vault import Vault

_ROWS = text(
    "SELECT w.stream, w.seq, e.entry, e.salt, e.body, b.entry AS before, a.entry AS after,"
    " r.note, l.origin, l.index AS place"
    " FROM unnest(:streams, :seqs) WITH ORDINALITY AS w(stream, seq, number)"
    " JOIN vault_entries e ON e.stream = w.stream AND e.seq = w.seq"
    " LEFT JOIN vault_entries b ON b.stream = w.stream AND b.seq = w.seq - 1"
    " LEFT JOIN vault_entries a ON a.stream = w.stream AND a.seq = w.seq + 1"
    " LEFT JOIN vault_receipts r ON r.stream = w.stream AND r.seq = w.seq"
    " LEFT JOIN vault_leaves l ON l.stream = w.stream AND l.seq = w.seq ORDER BY w.number"
).bindparams(
    bindparam("streams", type_=ARRAY(Uuid())), bindparam("seqs", type_=ARRAY(BigInteger()))
)


@dataclass(frozen=True, slots=True)
class Attestation:
    """One entry and what stands behind it.

    ``index`` is its place under the log's last checkpoint, None before that; ``proof`` is None
    then, and also if the store does not give the tiles. ``keys`` are the verifier keys of receipts
    and of the log, as the service and the log tell them: they prove nothing by themselves.
    """

    stream: UUID
    seq: int
    entry: bytes
    before: bytes | None
    after: bytes | None
    body: bytes | None
    salt: bytes | None
    receipt: str | None
    origin: str | None
    index: int | None
    proof: str | None
    keys: tuple[str, ...]


async def read(
    conn: AsyncConnection, vault: Vault, places: Sequence[tuple[UUID, int]]
) -> list[Attestation | None]:
    """Read what stands behind entries, each by its stream and number; None where there is none.

    Two statements for the rows and three for each log, however many entries; best in a transaction
    that is REPEATABLE READ. A store that fails costs the proofs, not the rest.
    """
    given = {"streams": [one for one, _ in places], "seqs": [seq for _, seq in places]}
    rows = (await conn.execute(_ROWS, given)).all()
    erased = (await erasure.named(conn, {row.stream for row in rows})).entries
    logs = {row.origin for row in rows if row.origin is not None}
    states = {one: await log.cosigned(conn, await log.state(conn, one)) for one in sorted(logs)}
    keys = {one: await succession.signing(conn, vault, one) for one in states}
    proofs: dict[tuple[UUID, int], str] = {}
    for origin, state in states.items():
        own = [row for row in rows if row.origin == origin and _is_covered(row.place, state)]
        try:
            written = await log.proofs(vault.store, state, [row.place for row in own])
        except StoreError:
            continue
        proofs |= {(row.stream, row.seq): one for row, one in zip(own, written, strict=True)}
    found: dict[tuple[UUID, int], Attestation] = {}
    for row in rows:
        covered = row.origin is not None and _is_covered(row.place, states[row.origin])
        is_told = row.body is not None and (row.stream, row.seq) not in erased
        found[row.stream, row.seq] = Attestation(
            stream=row.stream,
            seq=row.seq,
            entry=row.entry,
            before=row.before,
            after=row.after,
            body=canonical.encode(row.body) if is_told else None,
            salt=row.salt if is_told else None,
            receipt=row.note,
            origin=row.origin,
            index=row.place if covered else None,
            proof=proofs.get((row.stream, row.seq)),
            keys=(str(vault.receipt_key), *keys.get(row.origin, ())),
        )
    return [found.get(place) for place in places]


def _is_covered(place: int, state: State) -> bool:
    return state.checkpoint is not None and place < state.size
