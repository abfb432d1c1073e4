"""Go's code finds its way through our tiles: the same names, the same hashes, the same proofs."""

import shutil
from itertools import pairwise
from pathlib import Path

import pytest

from evidence import merkle, tile, tree
from evidence.tile import Tile
from tests.evidence.judges import record
from tests.evidence.judges.judge import Go
from tests.evidence.judges.record import Record

STEPS = (0, 1, 255, 256, 257, 1000, 65_536, 66_000)


def asked(log: Record, index: int, old: int, size: int, folder: Path) -> dict:
    return {
        "ask": "tiles",
        "folder": str(folder),
        "index": index,
        "old": old,
        "size": size,
        "root": log.root(size).hex(),
    }


@pytest.mark.parametrize("size", record.SIZES)
def test_go_proves_from_our_tiles_what_we_prove(log: Record, go: Go, size: int):
    for index in {0, size // 2, size - 1}:
        old = index + 1
        answer = go.ask(asked(log, index, old, size, log.folder))
        assert answer["accepted"], answer
        assert [bytes.fromhex(one) for one in answer["said"]] == [
            merkle.leaf_hash(record.entry(index)),
            *tree.inclusion_proof(index, size, log.hashes),
            *tree.consistency_proof(old, size, log.hashes),
        ]


def test_go_refuses_tiles_that_were_tampered_with(log: Record, go: Go, tmp_path: Path):
    size, index = 66_000, 300
    assert Tile(2, 0, 1) in tree.tiles_of_root(size)
    for one in tree.tiles_of_inclusion(index, size):
        folder = tmp_path / one.path.replace("/", "-")
        for path in (*tree.tiles_of_inclusion(index, size), *tree.tiles_of_root(size)):
            (folder / path.path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(log.folder / path.path, folder / path.path)
        answer = go.ask(asked(log, index, size, size, folder))
        assert answer["accepted"], answer
        data = (folder / one.path).read_bytes()
        changes = (bytes([data[0] ^ 1]) + data[1:], data[:-32], data[32:] + data[:32], b"")
        for changed in (one for one in changes if one != data):
            (folder / one.path).write_bytes(changed)
            assert not go.ask(asked(log, index, size, size, folder))["accepted"], one
        (folder / one.path).write_bytes(data)


@pytest.mark.parametrize(("old", "new"), [*pairwise(STEPS)])
def test_go_names_the_same_new_tiles(go: Go, old: int, new: int):
    names = go.ask({"ask": "names", "old": old, "size": new})["said"]
    before = go.ask({"ask": "names", "old": 0, "size": old}).get("said", [])
    # Go lists a tile at each of its widths on the way, of which the last stays; and partial
    # tiles again that are there already.
    last = {name.partition(".p/")[0]: name for name in names}
    found = [name for name in last.values() if name not in before]
    assert [one.path for one in tile.new_tiles(old, new)] == found
    assert all(tile.read_path(name).path == name for name in names)


def test_go_hashes_the_entries_in_our_bundles_to_the_leaves_in_our_tiles(log: Record, go: Go):
    for bundle in tile.bundles(65_000, 66_000, 66_000):
        entries = tile.decode_bundle((log.folder / bundle.path).read_bytes(), bundle.width)
        for place in (0, bundle.width // 2, bundle.width - 1):
            index = bundle.first + place
            answer = go.ask(asked(log, index, 66_000, 66_000, log.folder))
            assert answer["said"][0] == merkle.leaf_hash(entries[place]).hex()
