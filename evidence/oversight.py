"""The audit of the logs: their rows, their files, and that no entry was left out.

Everything is computed from the entries' bytes as the database has them and compared with what the
log's row, its checkpoint and its files on the store say. What was published meanwhile is not yet
looked at: the rows are those of the transaction's moment.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import DateTime, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from evidence import checkpoint as checkpoints
from evidence import entry as entries
from evidence import log, merkle, succession, tile, tree
from evidence import note as notes
from evidence.errors import Malformed, NotStored, StoreFailed, VaultError
from evidence.log import State
from evidence.succession import Own
from evidence.vault import Vault

_LEAVES = text(
    "SELECT l.index AS place, l.stream, l.seq, e.entry FROM vault_leaves l"
    " LEFT JOIN vault_entries e USING (stream, seq) WHERE l.origin = :origin ORDER BY l.index"
)

# One without a place, and without the row that says so; or with both.
_LEFT_OUT = text(
    "SELECT e.stream, e.seq, (l.index IS NOT NULL) AS placed FROM vault_entries e"
    " LEFT JOIN vault_leaves l USING (stream, seq) LEFT JOIN vault_unlogged u USING (stream, seq)"
    " WHERE (l.index IS NULL) = (u.origin IS NULL) ORDER BY e.stream, e.seq"
)

_WAITING = text(
    "SELECT u.stream, u.seq, u.origin, u.recorded, e.recorded AS entered FROM vault_unlogged u"
    " LEFT JOIN vault_entries e USING (stream, seq)"
    " WHERE e.recorded IS DISTINCT FROM u.recorded OR u.recorded < :latest"
    " ORDER BY u.stream, u.seq"
).bindparams(bindparam("latest", type_=DateTime(timezone=True)))

Note = Callable[[str, str], None]


async def check(
    conn: AsyncConnection, vault: Vault, note: Note, unchecked: Callable[[str], None]
) -> int:
    """Check all logs; tells how many places there are. `note` gets where, and what is wrong."""
    known = await log.states(conn)
    count = 0
    before: State | None = None
    for state in known:
        if state.previous != (before.origin if before else None):
            note(f"vault_logs {state.origin}", f"previous: {state.previous}, not the log before")
        if before is not None and before.sealed is None:
            note(f"vault_logs {before.origin}", "sealed: a later log has begun, and it is open")
        count += await _check_log(conn, vault, state, note, unchecked)
        before = state
    await _check_left_out(conn, note)
    return count


async def check_deadline(
    conn: AsyncConnection, note: Note, *, now: datetime, delay: timedelta
) -> None:
    """Name the entries that should have a place by now."""
    for row in await conn.execute(_WAITING, {"latest": now - delay}):
        where = f"vault_unlogged {row.stream} {row.seq}"
        if row.entered != row.recorded:
            note(where, "recorded: not that of the entry")
        else:
            note(where, f"was promised to be in {row.origin} by {row.recorded + delay}")


async def _check_log(
    conn: AsyncConnection,
    vault: Vault,
    state: State,
    note: Note,
    unchecked: Callable[[str], None],
) -> int:
    where = f"vault_logs {state.origin}"
    data = [one async for one in _entries(conn, state, note)]
    if len(data) != state.assigned:
        note(where, f"assigned: {state.assigned}, but {len(data)} entries have a place")
    leaves = [merkle.leaf_hash(one) for one in data[: state.size]]
    root = merkle.root(leaves)
    if len(leaves) != state.size or root != state.root:
        note(where, "root: not that of the entries")
    _check_checkpoint(vault, state, await succession.history(conn, state.origin), note)
    await _check_parts(vault, state, data, note, unchecked)
    await _check_files(vault, state, data[: state.size], leaves, note, unchecked)
    await _check_released(conn, vault, state, note, unchecked)
    return len(data)


async def _entries(conn: AsyncConnection, state: State, note: Note) -> AsyncIterator[bytes]:
    """Yield the bytes of a log's entries in their places; what is missing is empty."""
    expected = 0
    rows = await conn.stream(_LEAVES, {"origin": state.origin})
    async for row in rows:
        where = f"vault_leaves {state.origin} {row.place}"
        if row.place != expected:
            note(where, f"index: {expected} was expected, a place is missing")
            expected = row.place
        expected += 1
        if row.entry is None:
            note(where, "stream, or seq: there is no such entry")
        elif _origin(row.entry) != state.origin:
            note(where, "origin: the entry is for another log")
        yield row.entry or b""


def _origin(data: bytes) -> str | None:
    try:
        return entries.decode(data).origin
    except Malformed:
        return None  # the audit of streams tells


def _check_checkpoint(vault: Vault, state: State, told: Sequence[Own], note: Note) -> None:
    where = f"vault_logs {state.origin}"
    if state.checkpoint is None:
        return
    # Rotated keys sign on in the logs that they signed: whatever the log itself told.
    sets = [{str(signer.key) for signer in vault.log_signers(state.origin)}]
    sets += [set(one) for one in succession.keys_told(told)]
    try:
        keys = [notes.read_verifier_key(one) for one in sorted(set().union(*sets))]
        said, signed = checkpoints.verify(state.checkpoint.encode(), keys)
    except VaultError as error:
        note(where, f"checkpoint: {error}")
        return
    by = {str(key) for key in signed}
    if not any(one and one <= by for one in sets):
        note(where, "checkpoint: is not signed by the log's keys")
    if (said.origin, said.size, said.root) != (state.origin, state.size, state.root):
        note(where, "checkpoint: says another size or root than the row")


async def _check_files(
    vault: Vault,
    state: State,
    data: list[bytes],
    leaves: list[bytes],
    note: Note,
    unchecked: Callable[[str], None],
) -> None:
    """Compare each file of the log with what the entries make of it."""
    files: dict[str, bytes] = {}
    if len(leaves) == state.size:
        for one, content in tree.grow(0, leaves, {}).items():
            files[one.path] = content
        for bundle in tile.new_bundles(0, state.size):
            end = bundle.first + bundle.width
            files[bundle.path] = tile.encode_bundle(data[bundle.first : end])
    for path, content in files.items():
        where = f"the store's {log.object_key(state.origin, path)}"
        try:
            if await log.read(vault.store, state.origin, path) != content:
                note(where, "is not what the entries make of it")
        except NotStored:
            note(where, "is missing")
        except StoreFailed as error:
            unchecked(f"{where}: {error}")


async def _check_released(
    conn: AsyncConnection,
    vault: Vault,
    state: State,
    note: Note,
    unchecked: Callable[[str], None],
) -> None:
    """Compare the checkpoint on the store: the row's, with none but known cosignatures."""
    where = f"the store's {log.object_key(state.origin, log.CHECKPOINT)}"
    if state.checkpoint is None:
        return
    try:
        whole = (await log.cosigned(conn, state)).checkpoint
    except Malformed as error:
        note(f"vault_cosignatures {state.origin} {state.size}", f"line: {error}")
        return
    try:
        found = (await log.read(vault.store, state.origin, log.CHECKPOINT)).decode(errors="replace")
    except NotStored:
        note(where, "is missing")
        return
    except StoreFailed as error:
        unchecked(f"{where}: {error}")
        return
    # Cosignatures come while this looks, so there may be fewer of them than rows.
    added = set(found.removeprefix(state.checkpoint).splitlines())
    if not found.startswith(state.checkpoint) or added - set((whole or "").splitlines()):
        note(where, "is not the one that the row has")


async def _check_left_out(conn: AsyncConnection, note: Note) -> None:
    for row in await conn.execute(_LEFT_OUT):
        where = f"vault_entries {row.stream} {row.seq}"
        note(where, "has a place in a log and waits for one" if row.placed else "is in no log")


async def _check_parts(
    vault: Vault,
    state: State,
    data: list[bytes],
    note: Note,
    unchecked: Callable[[str], None],
) -> None:
    """Compare the files from when the log was shorter, and those that a crash left: all are public.

    One that was tidied away is not missed (C2SP tlog-tiles), one of a longer log is of later.
    """
    prefix = log.object_key(state.origin, "")
    size = state.size
    whole = {one.path for one in tile.new_tiles(0, size)}
    whole |= {one.path for one in tile.new_bundles(0, size)}
    content = _Content(data)
    try:
        there = [one.key.removeprefix(prefix) async for one in vault.store.keys(prefix)]
        for path in sorted({*there} - whole - {log.CHECKPOINT}):
            where = f"the store's {prefix}{path}"
            found = await log.read(vault.store, state.origin, path)
            try:
                expected = content.of(tile.read_path(path))
            except Malformed:
                note(where, "is no file of a log")
                continue
            if expected is None:
                unchecked(f"{where}: it is of more entries than have a place")
            elif found != expected:
                note(where, "is not what the entries make of it")
    except (NotStored, StoreFailed) as error:
        unchecked(f"the store's {prefix}: {error}")


class _Content:
    """What the entries of a log make of its files, of those as well that it had when shorter."""

    def __init__(self, data: list[bytes]) -> None:
        self._data = data
        leaves = [merkle.leaf_hash(one) for one in data]
        grown = tree.grow(0, leaves, {}) if leaves else {}
        self._tiles = {(one.level, one.number): content for one, content in grown.items()}

    def of(self, one: tile.Tile | tile.Bundle) -> bytes | None:
        """Give a file's bytes; None if it needs more entries than there are."""
        if isinstance(one, tile.Bundle):
            entries_there = self._data[one.first : one.first + one.width]
            return tile.encode_bundle(entries_there) if len(entries_there) == one.width else None
        content = self._tiles.get((one.level, one.number), b"")
        size = one.width * merkle.HASH_SIZE
        return content[:size] if len(content) >= size else None
