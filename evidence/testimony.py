"""The testimony of witnesses: asks them for cosignatures of checkpoints, and keeps what they say.

C2SP tlog-witness, the client's side. A witness is asked about a checkpoint that was released, with
a proof, made from the tiles, that it follows the last one which that witness cosigned. Its answer
is verified by its keys before it is kept. The sequencer never waits for any of this: a log without
a witness grows on, and whoever asks for witnesses finds its checkpoints wanting.

It knows no HTTP: how a request is posted is handed in.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Text, bindparam, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlmodel import col

from evidence import checkpoint as checkpoints
from evidence import cosignature, log, notation, note, signature, tree, witness
from evidence.checkpoint import Checkpoint
from evidence.errors import Malformed, NotCosigned
from evidence.log import State
from evidence.models import VaultCosignature
from evidence.store import Store
from evidence.witness import Request

ADD_CHECKPOINT: Final = "/add-checkpoint"
AHEAD_MAX: Final = timedelta(minutes=5)
"""How far a witness's clock may be before ours; one that is further says nothing of the time."""

_OK, _CONFLICT = 200, 409
_TRIES: Final = 2  # the second from where the witness says it stands


@dataclass(frozen=True, slots=True)
class Reply:
    """What a witness answered over HTTP."""

    status: int
    media_type: str
    body: bytes


Post = Callable[[str, bytes], Awaitable[Reply]]
"""Posts a body to a URL; raises NotAnswered if nothing, or too much, comes back."""


@dataclass(frozen=True, slots=True)
class Known:
    """A witness: the URL before /add-checkpoint, and its verifier keys, all of one name."""

    url: str
    keys: tuple[note.VerifierKey, ...]

    def __post_init__(self) -> None:
        if len({key.name for key in self.keys}) != 1:
            raise Malformed("a witness has one name and at least one key")
        if any(key.kind not in signature.COSIGNATURES for key in self.keys):
            raise Malformed("a witness's key is one for cosignatures")

    @property
    def name(self) -> str:
        """The name by which its signature lines are known."""
        return self.keys[0].name


@dataclass(frozen=True, slots=True)
class Word:
    """The last that a witness said of a log."""

    name: str
    size: int
    time: datetime


_LAST: Final = text(
    "SELECT DISTINCT ON (name) name, size, cosigned FROM vault_cosignatures"
    " WHERE origin = :origin ORDER BY name, size DESC, cosigned DESC"
).bindparams(bindparam("origin", type_=Text()))


async def words(conn: AsyncConnection, origin: str) -> list[Word]:
    """Read the last word of each witness on a log, by their names."""
    rows = await conn.execute(_LAST, {"origin": origin})
    return [Word(row.name, row.size, row.cosigned) for row in rows]


async def last_size(conn: AsyncConnection, origin: str, name: str) -> int:
    """Say how large the tree was that a witness cosigned last; 0 if none."""
    asked = select(func.max(col(VaultCosignature.size))).where(
        col(VaultCosignature.origin) == origin, col(VaultCosignature.name) == name
    )
    return (await conn.execute(asked)).scalar_one() or 0


async def waiting(engine: AsyncEngine, known: Known) -> list[State]:
    """List the logs whose last checkpoint this witness has not cosigned yet."""
    async with engine.connect() as conn:
        return [
            state
            for state in await log.states(conn)
            if state.checkpoint is not None
            and await last_size(conn, state.origin, known.name) < state.size
        ]


async def ask(
    engine: AsyncEngine, store: Store, post: Post, known: Known, state: State, now: datetime
) -> int:
    """Have a witness cosign a log's checkpoint, and keep and release what it says.

    1. From the size of the last checkpoint that it cosigned, as our rows have it.
    2. If it stands elsewhere (409 with its size), once again from there.
    3. Its lines are verified by its keys, and dated: by none of them, or by a clock that is far
       ahead, it is as if it had not answered.
    4. They are kept, and the checkpoint is released again with them.

    Tells how many lines there are. NotCosigned, with what it said, if it refuses: it may have been
    shown another history of this log, or a longer one. NotAnswered as `post` raises it.
    """
    assert state.checkpoint is not None
    async with engine.connect() as conn:
        old = await last_size(conn, state.origin, known.name)
    for _ in range(_TRIES):
        reply = await post(known.url + ADD_CHECKPOINT, await request(store, state, old))
        stands = _stands(reply)
        if stands is None or not 0 <= stands <= state.size or stands == old:
            break
        old = stands
    if reply.status != _OK:
        raise NotCosigned(known.name, state.origin, state.size, reply.status, _said(reply))
    lines = _verified(known, state, reply, now)
    async with engine.begin() as conn:
        await conn.execute(
            insert(VaultCosignature).on_conflict_do_nothing(),
            [
                {
                    "origin": state.origin,
                    "size": state.size,
                    "name": line.name,
                    "key_id": line.key_id,
                    "line": str(line),
                    "cosigned": datetime.fromtimestamp(cosignature.time(line), UTC),
                }
                for line in lines
            ],
        )
    await log.release(engine, store, state.origin)
    return len(lines)


async def request(store: Store, state: State, old: int) -> bytes:
    """Write the request: the log's own signed checkpoint, and a proof from the tiles."""
    assert state.checkpoint is not None
    proof: list[bytes] = []
    if 0 < old < state.size:
        wanted = tree.tiles_of_consistency(old, state.size)
        tiles = await log.read_tiles(store, state.origin, wanted)
        proof = tree.consistency_proof(old, state.size, tiles)
    return witness.write(Request(old, tuple(proof), state.checkpoint.encode()))


def _stands(reply: Reply) -> int | None:
    """Where the witness says that it stands; None if it does not say."""
    if reply.status != _CONFLICT or reply.media_type.partition(";")[0].strip() != witness.SIZE:
        return None
    try:
        return notation.read_decimal(reply.body.decode("ascii").strip("\n"), signature.SIZE_MAX)
    except (Malformed, UnicodeDecodeError):
        return None


def _verified(known: Known, state: State, reply: Reply, now: datetime) -> list[note.Signature]:
    """Give those lines of an answer that are this witness's, checked; NotCosigned if none."""
    words_ = checkpoints.write(Checkpoint(state.origin, state.size, state.root)).encode()
    keys = {key.id: key for key in known.keys}
    latest = int((now + AHEAD_MAX).timestamp())
    try:
        lines = note.parse_signatures(reply.body.decode())
    except (Malformed, UnicodeDecodeError):
        lines = ()
    good = {
        line.key_id: line
        for line in lines
        if line.name == known.name
        and line.key_id in keys
        and 0 < cosignature.time(line) <= latest
        and keys[line.key_id].verifies(words_, line.signature)
    }
    if not good:
        raise NotCosigned(known.name, state.origin, state.size, reply.status, "no line of its keys")
    return list(good.values())


def _said(reply: Reply) -> str:
    return reply.body[:200].decode("ascii", "replace").strip()
