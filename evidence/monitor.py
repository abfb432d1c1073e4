"""A monitor: follows logs as strangers are shown them, and shouts at what must not be.

It reads every entry, rebuilds the tree from its own copy of what it read before, and compares with
what the log signs. So a changed, removed or inserted entry, a fork, a tree that shrinks, a broken
receipt and a year that does not bind the last one are found by whoever runs it, without a word from
the service. What it has read of each log is kept in a folder: its leaf hashes, the right edge of
its tree, the last checkpoint. Signed notes that contradict each other are kept beside it.

It needs the standard library and `cryptography`; how files are fetched is handed in.
"""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from evidence import (
    canonical,
    checkpoint,
    cosignature,
    entry,
    merkle,
    note,
    receipt,
    shard,
    signature,
    tile,
    tree,
)
from evidence.checkpoint import Checkpoint
from evidence.errors import Absent, Malformed, VaultError
from evidence.proof import Witnesses
from evidence.receipt import Receipt
from evidence.tile import Tile

SETTLED = timedelta(hours=1)  # after its year a log may still take what began within it
OPEN_LOG = "open_log"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file as it came, and when its server says that was."""

    data: bytes
    date: datetime | None = None


Fetch = Callable[[str], Fetched]
"""Fetches a path below the listing's address ("" is the listing, as JSON); Absent if it fails."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that must not be: which log, and what."""

    origin: str
    what: str

    def __str__(self) -> str:
        return f"{self.origin}: {self.what}"


@dataclass(frozen=True, slots=True)
class Trust:
    """What is known from elsewhere: verifier keys of logs and receipts, witnesses, patience.

    `stalled` is how old the last signed time may be, and how long the quorum of witnesses may be
    missing.
    """

    keys: tuple[note.VerifierKey, ...]
    witnesses: Witnesses
    stalled: timedelta = timedelta(hours=6)

    def of(self, origin: str) -> list[note.VerifierKey]:
        """The keys of a log: those of its name, or for a later year those of the year before."""
        own = [key for key in self.keys if key.name == origin]
        base = shard.base(origin)
        others = {
            (key.kind, key.public) for key in self.keys if base and shard.base(key.name) == base
        }
        return own or [note.verifier_key(origin, public, kind) for kind, public in sorted(others)]


@dataclass(slots=True)
class Seen:
    """What was read of a log: the tree's edge by tile, the last note, when witnesses were there."""

    origin: str
    size: int = 0
    root: bytes = merkle.EMPTY_ROOT
    note: str = ""
    edge: dict[Tile, bytes] = field(default_factory=dict)
    witnessed: datetime = _EPOCH


class Monitor:
    """Follows the logs of its keys, with its state in a folder of its own."""

    def __init__(self, folder: Path, trust: Trust, receipts: Sequence[bytes] = ()) -> None:
        self._folder = folder
        self._trust = trust
        self._receipts = receipts
        folder.mkdir(parents=True, exist_ok=True)

    def look(self, fetch: Fetch, now: datetime) -> list[Alarm]:
        """Look once at everything; an empty list says that all is as it should be.

        1. Each log's checkpoint is signed by its keys, fresh, and no smaller than the last.
        2. Its entries, from those that were read before on, make its root.
        3. As many witnesses as asked for cosigned, if not at once, then in time.
        4. A year's log that follows another begins with the other's last checkpoint.
        5. Every receipt's entry is there once its deadline is over.
        """
        alarms: list[Alarm] = []
        origins = sorted({key.name for key in self._trust.keys if shard.base(key.name)})
        for origin in self._with_next(origins, fetch):
            try:
                alarms += self._look_at(origin, fetch, now)
            except VaultError as error:
                alarms.append(Alarm(origin, str(error)))
        alarms += self._check_receipts(now)
        return alarms

    def seen(self, origin: str) -> Seen:
        """What was read of a log so far; Malformed if the state was not written by this."""
        try:
            text = self._place(origin, "json").read_text()
        except FileNotFoundError:
            return Seen(origin)
        try:
            value = json.loads(text)
            edge = {
                tile.read_path(path): bytes.fromhex(data) for path, data in value["edge"].items()
            }
            found = Seen(
                value["origin"],
                value["size"],
                bytes.fromhex(value["root"]),
                value["note"],
                {one: data for one, data in edge.items() if isinstance(one, Tile)},
                datetime.fromisoformat(value["witnessed"]),
            )
            root = tree.root(found.size, found.edge)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise Malformed(f"the state of {origin} cannot be read") from None
        if (found.origin, found.root) != (origin, root):
            raise Malformed(f"the state of {origin} is not that of its tree")
        return found

    def _with_next(self, origins: list[str], fetch: Fetch) -> Iterator[str]:
        """The logs that are followed, and those of later years, as far as there are any."""
        yield from origins
        known, last = set(origins), origins[-1] if origins else ""
        while last and (following := shard.following(last)) not in known:
            try:
                fetch(f"{following}/checkpoint")
            except Absent:
                return
            yield following
            last = following

    def _look_at(self, origin: str, fetch: Fetch, now: datetime) -> list[Alarm]:
        seen = self.seen(origin)
        got = fetch(f"{origin}/checkpoint")
        said, signed = checkpoint.verify(got.data, self._trust.of(origin))
        if said.origin != origin or not signed:
            return [Alarm(origin, "FORGED: its checkpoint is not signed by its keys")]
        if (said.size, said.root) != (seen.size, seen.root) and said.size <= seen.size:
            self._keep_both(seen, got.data)
            what = "FORK: two trees" if said.size == seen.size else "SHRUNK: an older tree"
            return [Alarm(origin, f"{what} of {said.size} entries, after one of {seen.size}")]
        alarms: list[Alarm] = []
        try:
            grown = self._grow(seen, said, fetch)
        except _ForkError as error:
            self._keep_both(seen, got.data)
            return [Alarm(origin, f"FORK: {error}")]
        grown.note = got.data.decode()
        alarms += self._check_times(grown, got, now)
        self._save(grown)
        alarms += self._check_opening(grown, fetch)
        return alarms

    def _grow(self, seen: Seen, said: Checkpoint, fetch: Fetch) -> Seen:
        """Read what is new, entry by entry, and rebuild the tree over it."""
        if said.size == seen.size:
            return seen
        start = seen.size - seen.size % tile.WIDTH
        leaves: list[bytes] = []
        for one in tile.bundles(start, said.size, said.size):
            data = fetch(f"{said.origin}/{one.path}").data
            leaves += map(merkle.leaf_hash, tile.decode_bundle(data, one.width))
        known = seen.size - start
        if known and b"".join(leaves[:known]) != seen.edge[Tile(0, start // tile.WIDTH, known)]:
            raise _ForkError("an entry is not the one that was there before")
        new = leaves[known:]
        tiles = seen.edge | tree.grow(seen.size, new, seen.edge)
        edge = {one: tiles[one] for one in tree.tiles_of_root(said.size)}
        if tree.root(said.size, edge) != said.root:
            raise _ForkError("its entries do not make the root that it signed")
        self._append(said.origin, seen.size, new)
        return Seen(said.origin, said.size, said.root, seen.note, edge, seen.witnessed)

    def _check_times(self, seen: Seen, got: Fetched, now: datetime) -> list[Alarm]:
        alarms = []
        keys = [*self._trust.of(seen.origin), *self._trust.witnesses.keys]
        _, cosigned = cosignature.verify(seen.note.encode(), keys)
        times = [_EPOCH + timedelta(seconds=one.time) for one in cosigned if one.time < 2**36]
        newest = max(times, default=got.date or _EPOCH)
        is_over = shard.is_over(seen.origin, now - SETTLED)
        if not is_over and newest < now - self._trust.stalled:
            alarms.append(Alarm(seen.origin, f"STALLED: signed last at {newest}"))
        if got.date is not None and got.date < now - self._trust.stalled:
            alarms.append(Alarm(seen.origin, f"STALLED: served with the date {got.date}"))
        names = {one.key.name for one in cosigned if one.key.name != seen.origin}
        if len(names) >= self._trust.witnesses.quorum:
            seen.witnessed = now
        elif seen.witnessed == _EPOCH:
            seen.witnessed = now  # from when this looks, they have time
        elif seen.witnessed < now - self._trust.stalled:
            alarms.append(Alarm(seen.origin, f"UNWITNESSED: by enough since {seen.witnessed}"))
        return alarms

    def _check_opening(self, seen: Seen, fetch: Fetch) -> list[Alarm]:
        """Compare what a log began with to the last checkpoint of the year before, as read here."""
        previous = shard.before(seen.origin)
        last = self.seen(previous) if previous else None
        if last is None or not last.note:
            return []
        first = fetch(f"{seen.origin}/{tile.bundles(0, 1, seen.size)[0].path}").data
        width = tile.bundles(0, 1, seen.size)[0].width
        opened = entry.decode(tile.decode_bundle(first, width)[0])
        wrong = Alarm(
            seen.origin, f"UNBOUND: does not begin with the last checkpoint of {previous}"
        )
        try:
            told = _opening(json.loads(fetch("").data), seen.origin)
            body = canonical.encode(told["body"])
            bound = told["body"]["body"]["previous"]
            said, signed = checkpoint.verify(bound.encode(), self._trust.of(last.origin))
        except (ValueError, KeyError, TypeError, AttributeError, VaultError):
            return [wrong]
        if (
            entry.commit(bytes.fromhex(told["salt"]), body) != opened.body
            or told["body"]["act"] != OPEN_LOG
            or not signed
            or (said.origin, said.size, said.root) != (last.origin, last.size, last.root)
        ):
            return [wrong]
        return []

    def _check_receipts(self, now: datetime) -> list[Alarm]:
        alarms = []
        for data in self._receipts:
            try:
                said, signed = receipt.verify(data, self._trust.keys)
            except VaultError as error:
                alarms.append(Alarm("a receipt", str(error)))
                continue
            where = f"the receipt of entry {said.seq} of {said.stream}"
            if not signed:
                alarms.append(Alarm(said.origin, f"{where} is not signed by a key given"))
            elif said.latest != receipt.NO_LOG and not self._has(said):
                latest = _EPOCH + timedelta(microseconds=said.latest)
                if latest < now:
                    alarms.append(Alarm(said.origin, f"MISSING: {where} promised it by {latest}"))
        return alarms

    def _has(self, said: Receipt) -> bool:
        """Whether a receipt's entry is among those that were read."""
        try:
            data = self._place(said.origin, "leaves").read_bytes()
        except FileNotFoundError:
            return False
        at = data.find(said.leaf)
        while at % merkle.HASH_SIZE:  # across two hashes; -1 ends it as well, below
            if at < 0:
                return False
            at = data.find(said.leaf, at + 1)
        return at // merkle.HASH_SIZE < self.seen(said.origin).size

    def _append(self, origin: str, size: int, leaves: Sequence[bytes]) -> None:
        """Keep leaf hashes behind the first `size`; what a crash left behind those goes."""
        with self._place(origin, "leaves").open("ab") as file:
            if file.tell() < size * merkle.HASH_SIZE:
                raise Malformed(f"the leaves of {origin} that were read are gone")
            file.truncate(size * merkle.HASH_SIZE)
            file.write(b"".join(leaves))
            file.flush()
            os.fsync(file.fileno())

    def _save(self, seen: Seen) -> None:
        value: dict[str, Any] = {
            "edge": {one.path: data.hex() for one, data in seen.edge.items()},
            "note": seen.note,
            "origin": seen.origin,
            "root": seen.root.hex(),
            "size": seen.size,
            "witnessed": seen.witnessed.isoformat(),
        }
        path = self._place(seen.origin, "json")
        made = path.with_suffix(".new")
        with made.open("w") as file:
            file.write(json.dumps(value, indent=1))
            file.flush()
            os.fsync(file.fileno())
        made.replace(path)

    def _keep_both(self, seen: Seen, other: bytes) -> None:
        """Keep two notes that contradict each other: they prove misbehaviour to anybody."""
        folder = self._folder / "misbehaviour"
        folder.mkdir(exist_ok=True)
        for data in (seen.note.encode(), other):
            (folder / f"{sha256(data).hexdigest()[:16]}.note").write_bytes(data)

    def _place(self, origin: str, suffix: str) -> Path:
        return self._folder / f"{sha256(origin.encode()).hexdigest()[:32]}.{suffix}"


class _ForkError(Exception):
    """What is shown now contradicts what was shown before, or itself."""


def _opening(listing: Any, origin: str) -> Any:
    """Find in the listing what a log's first entry says."""
    (log,) = [one for one in listing["logs"] if one["origin"] == origin]
    (told,) = [one for one in log["history"] if one["index"] == 0]
    return told


def read_trust(
    keys: Sequence[str], witnesses: Sequence[str], quorum: int | None, stalled: timedelta
) -> Trust:
    """Read verifier keys; Malformed or ValueError if one is none, or too many are asked for."""
    known = tuple(note.read_verifier_key(one) for one in witnesses)
    if any(key.kind not in signature.COSIGNATURES for key in known):
        raise Malformed("a witness's key is one for cosignatures")
    wanted = len({key.name for key in known}) if quorum is None else quorum
    found = tuple(note.read_verifier_key(one) for one in keys)
    return Trust(found, Witnesses(known, wanted), stalled)
