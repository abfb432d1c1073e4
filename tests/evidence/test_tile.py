"""The log's files: their names, the bytes of entry bundles, and which are new when it grows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import tile
from evidence.errors import Malformed
from evidence.tile import Bundle, Tile

numbers = st.integers(0, 2_000_000) | st.integers(0, tile.NUMBER_MAX)
widths = st.integers(1, 256)


@pytest.mark.parametrize(
    ("found", "path"),
    [
        # The first is the example of C2SP tlog-tiles.
        (Tile(0, 1234067), "tile/0/x001/x234/067"),
        (Tile(0, 1234067, 5), "tile/0/x001/x234/067.p/5"),
        (Tile(63, 0, 255), "tile/63/000.p/255"),
        (Tile(1, 999), "tile/1/999"),
        (Tile(1, 1000), "tile/1/x001/000"),
        (Tile(0, 2**63 - 1, 1), "tile/0/x009/x223/x372/x036/x854/x775/807.p/1"),
        (Bundle(0), "tile/entries/000"),
        (Bundle(1067, 5), "tile/entries/x001/067.p/5"),
    ],
)
def test_a_file_is_named_as_the_specification_says(found: Tile | Bundle, path: str):
    assert found.path == path
    assert tile.read_path(path) == found


@given(st.builds(Tile, st.integers(0, 63), numbers, widths) | st.builds(Bundle, numbers, widths))
def test_a_name_round_trips(found: Tile | Bundle):
    assert tile.read_path(found.path) == found


@pytest.mark.parametrize(
    "path",
    [
        "", "tile", "tile/", "tile/0", "tile/0/", "tile/000", "tile/0/0", "tile/0/00",
        "tile/0/0000", "tile/0/1000", "tile/0/x000/001", "tile/0/001/067", "tile/0/x001",
        "tile/0/x001/x067", "tile/0/x001x067", "tile/0/x001/", "tile/0//x001/067", "/tile/0/001",
        "tile/0/001/", "tile/00/001", "tile/64/001", "tile/-1/001", "tile/+1/001", "tile/1_0/001",
        "tile/\u0660/001", "tile/0/\u0660\u0660\u0661", "tile/0/001 ", " tile/0/001",
        "tile/0/001\n", "tile/0/X001/067",
        "tile/0/001.p", "tile/0/001.p/", "tile/0/001.p/0", "tile/0/001.p/256", "tile/0/001.p/05",
        "tile/0/001.p/+5", "tile/0/001.p/5/", "tile/0/001.p/5.p/5", "tile/0/001.P/5",
        "tile/0/x009/x223/x372/x036/x854/x775/808", "tile/0/" + "x001/" * 2000 + "001",
        "tile/Entries/001", "tile/entries", "tile/entries/", "tile/entries/1", "entries/001",
        "tile/0/001/../002", "tile/8/0/001", "checkpoint", "tile/entries/x000/001",
    ],
)  # fmt: skip
def test_a_name_in_another_spelling_is_malformed(path: str):
    with pytest.raises(Malformed):
        tile.read_path(path)


@pytest.mark.parametrize("wrong", [(-1, 0, 1), (64, 0, 1), (0, -1, 1), (0, 2**63, 1), (0, 0, 0),
                                   (0, 0, 257)])  # fmt: skip
def test_a_tile_that_no_tree_has_is_malformed(wrong: tuple[int, int, int]):
    with pytest.raises(Malformed):
        Tile(*wrong)
    if wrong[0] == 0:
        with pytest.raises(Malformed):
            Bundle(*wrong[1:])


def test_a_bundle_is_lengths_and_entries():
    assert tile.encode_bundle([b"ab", b"", b"c" * 258]) == (
        b"\x00\x02ab" + b"\x00\x00" + b"\x01\x02" + b"c" * 258
    )


@given(st.lists(st.binary(max_size=300), max_size=5))
def test_a_bundle_round_trips_and_every_other_length_is_malformed(entries: list[bytes]):
    data = tile.encode_bundle(entries)
    assert tile.decode_bundle(data, len(entries)) == entries
    with pytest.raises(Malformed):
        tile.decode_bundle(data, len(entries) + 1)
    with pytest.raises(Malformed):
        tile.decode_bundle(data + b"\x00", len(entries))
    for end in range(0, len(data), 7):
        with pytest.raises(Malformed):
            tile.decode_bundle(data[:end], len(entries))


def test_an_entry_that_its_length_cannot_tell_is_malformed():
    longest = bytes(65_535)
    assert tile.decode_bundle(tile.encode_bundle([longest]), 1) == [longest]
    with pytest.raises(Malformed):
        tile.encode_bundle([bytes(65_536)])


def tiles_of_log(size: int) -> set[Tile]:
    """The definition: every level is cut into full tiles and one partial."""
    found = set()
    for level in range(9):
        nodes = size // 256**level
        found |= {Tile(level, number) for number in range(nodes // 256)}
        if nodes % 256:
            found.add(Tile(level, nodes // 256, nodes % 256))
    return found


def test_the_log_of_the_specification_has_its_tiles():
    # C2SP tlog-tiles, "Partial Tiles".
    found = tiles_of_log(70_000)
    assert set(tile.new_tiles(0, 70_000)) == found
    assert {Tile(0, 272), Tile(0, 273, 112), Tile(1, 0), Tile(1, 1, 17), Tile(2, 0, 1)} <= found
    assert set(tile.new_tiles(0, 256)) == {Tile(0, 0), Tile(1, 0, 1)}


@given(st.integers(0, 140_000), st.integers(0, 1_000) | st.integers(0, 140_000))
def test_new_is_what_was_not_there_before(old: int, more: int):
    new = old + more
    tiles = tile.new_tiles(old, new)
    assert set(tiles) == tiles_of_log(new) - tiles_of_log(old)
    assert len(tiles) == len(set(tiles))
    bundles = tile.new_bundles(old, new)
    assert bundles == [Bundle(one.number, one.width) for one in tiles if one.level == 0]
    if more:
        assert bundles[0].first <= old < new == bundles[-1].first + bundles[-1].width


@given(st.integers(1, 5_000), st.data())
def test_the_bundles_of_some_entries_hold_them_and_no_more(size: int, data: st.DataObject):
    first = data.draw(st.integers(0, size))
    last = data.draw(st.integers(first, size))
    found = tile.bundles(first, last, size)
    assert {number // 256 for number in range(first, last)} == {one.number for one in found}
    assert set(found) <= set(tile.new_bundles(0, size))


def test_a_log_that_shrinks_is_a_bug():
    for ask in (tile.new_tiles, tile.new_bundles):
        assert ask(7, 7) == []
        with pytest.raises(ValueError, match="only grows"):
            ask(8, 7)
        with pytest.raises(ValueError, match="only grows"):
            ask(-1, 7)
    with pytest.raises(ValueError, match="no such entries"):
        tile.bundles(3, 9, 8)
