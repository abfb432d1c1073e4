"""A log for the judges: its files in a folder, a signed checkpoint for many sizes, and proofs."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from evidence import checkpoint, cosignature, keys, merkle, note, tile, tree
from evidence.checkpoint import Checkpoint
from evidence.signature import ED25519_COSIGNATURE, MLDSA44_COSIGNATURE
from evidence.tile import Tile
from tests.evidence.cases import NOW

ORIGIN = "vault.example/2026"
# The last tree has three levels of tiles.
SIZES = (1, 2, 3, 7, 8, 255, 256, 257, 1000, 65_536, 65_537, 66_000)

OWN = keys.local_signer(ORIGIN, bytes(range(32)))
OWN_LATER = keys.local_signer(ORIGIN, bytes(range(1, 33)), MLDSA44_COSIGNATURE)
WITNESS = keys.local_signer("witness.example/w1", bytes(range(2, 34)), ED25519_COSIGNATURE)
SIGNERS = (OWN, OWN_LATER, WITNESS)


@dataclass(frozen=True)
class Inclusion:
    """An entry, where it is said to stand, and the proof."""

    entry: bytes
    index: int
    size: int
    root: bytes
    proof: list[bytes]


@dataclass(frozen=True)
class Consistency:
    """Two trees, and the proof that the first is a beginning of the second."""

    first: int
    second: int
    before: bytes
    root: bytes
    proof: list[bytes]


@dataclass(frozen=True)
class Record:
    """The log; `notes` are its checkpoints by size."""

    folder: Path
    hashes: dict[Tile, bytes]
    notes: dict[int, str] = field(default_factory=dict)

    def inclusion(self, index: int, size: int) -> Inclusion:
        proof = tree.inclusion_proof(index, size, self.hashes)
        return Inclusion(entry(index), index, size, self.root(size), proof)

    def consistency(self, first: int, second: int) -> Consistency:
        proof = tree.consistency_proof(first, second, self.hashes)
        return Consistency(first, second, self.root(first), self.root(second), proof)

    def root(self, size: int) -> bytes:
        return tree.root(size, self.hashes)


def entry(index: int) -> bytes:
    return f"entry {index}".encode() * (1 + index % 3)


async def make(folder: Path) -> Record:
    """Grow the log from one size to the next and write all its files."""
    made = Record(folder, {})
    size = 0
    for new in SIZES:
        entries = [entry(index) for index in range(size, new)]
        needed = {one: made.hashes[one] for one in tree.tiles_of_growth(size)}
        grown = tree.grow(size, [merkle.leaf_hash(one) for one in entries], needed)
        made.hashes.update(grown)
        for one, data in grown.items():
            _write(folder / one.path, data)
        for bundle in tile.new_bundles(size, new):
            held = range(bundle.first, bundle.first + bundle.width)
            _write(folder / bundle.path, tile.encode_bundle(entry(index) for index in held))
        text = checkpoint.write(Checkpoint(ORIGIN, new, made.root(new)))
        lines = [await cosignature.sign(signer, text, NOW) for signer in SIGNERS]
        made.notes[new] = note.join(text, lines)
        size = new
    return made


def inclusions(record: Record) -> Iterator[Inclusion]:
    for size in SIZES:
        for index in sorted({0, size // 3, size // 2, size - 2, size - 1} & set(range(size))):
            yield record.inclusion(index, size)


def consistencies(record: Record) -> Iterator[Consistency]:
    for number, first in enumerate(SIZES):
        for second in SIZES[number:]:
            yield record.consistency(first, second)


def wrong_inclusions(one: Inclusion) -> dict[str, Inclusion]:
    """Spoil an inclusion in one way each; its proof has to have some hashes."""
    found = {
        "another entry": replace(one, entry=one.entry + b"\0"),
        "a leaf hash for the entry": replace(one, entry=merkle.leaf_hash(one.entry)),
        "the entry beside it": replace(one, entry=entry(one.index ^ 1)),
        "the index beside it": replace(one, index=one.index ^ 1),
        "a larger tree": replace(one, size=one.size * 4),
        "another root": replace(one, root=_flip(one.root)),
        "another hash": replace(one, proof=[_flip(one.proof[0]), *one.proof[1:]]),
        "a hash missing": replace(one, proof=one.proof[:-1]),
        "a hash more": replace(one, proof=[*one.proof, bytes(32)]),
    }
    if len(one.proof) > 1:
        swapped = [one.proof[1], one.proof[0], *one.proof[2:]]
        found["two hashes swapped"] = replace(one, proof=swapped)
    return found


def wrong_consistencies(one: Consistency) -> dict[str, Consistency]:
    """Do the same to two trees."""
    return {
        "another old root": replace(one, before=_flip(one.before)),
        "another new root": replace(one, root=_flip(one.root)),
        "the roots exchanged": replace(one, before=one.root, root=one.before),
        "another old size": replace(one, first=one.first + 1),
        "a larger tree": replace(one, second=one.second * 4),
        "another hash": replace(one, proof=[*one.proof[:-1], _flip(one.proof[-1])]),
        "a hash missing": replace(one, proof=one.proof[:-1]),
        "a hash more": replace(one, proof=[*one.proof, hashlib.sha256().digest()]),
    }


def wrong_notes(text: str) -> dict[str, str]:
    """Spoil a checkpoint signed by the log in one way each."""
    size = text.split("\n")[1]
    line = next(line for line in text.split("\n") if line.startswith(f"\u2014 {ORIGIN} "))
    return {
        "another size": text.replace(f"\n{size}\n", f"\n{size}0\n", 1),
        "another origin": text.replace(ORIGIN, "vault.example/2027", 1),
        "an added line": text.replace("\n\n", "\nmore\n\n", 1),
        "another signature": text.replace(line[-12:], "AAAAAAAAAAA=", 1),
        "no signature of the log": text.replace(line + "\n", "", 1),
        "no signature": text.partition("\n\n")[0] + "\n\n",
        "no empty line": text.replace("\n\n", "\n"),
    }


def _flip(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
