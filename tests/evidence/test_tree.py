"""The tree in tiles is that of evidence/merkle.py, whichever way it grew."""

from hashlib import sha256

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from evidence import merkle, tile, tree
from evidence.errors import Malformed
from evidence.tile import Tile

LEAVES = [sha256(number.to_bytes(4, "big")).digest() for number in range(70_000)]

sizes = st.integers(0, 1_200) | st.sampled_from([255, 256, 257, 511, 512, 513, 1024])


def grown(*steps: int) -> dict[Tile, bytes]:
    """Grow a tree by so many leaves at a time and keep all its tiles."""
    kept: dict[Tile, bytes] = {}
    size = 0
    for step in steps:
        needed = {one: kept[one] for one in tree.tiles_of_growth(size)}
        made = tree.grow(size, LEAVES[size : size + step], needed)
        assert list(made) == tile.new_tiles(size, size + step)
        kept |= made
        size += step
    return kept


WHOLE = grown(len(LEAVES))
FULL = grown(65_536)


@given(st.lists(st.integers(0, 700), max_size=6))
@example([256, 256])
@example([1, 255, 1])
@example([65_535, 1, 1])
def test_a_tree_grows_the_same_in_many_steps_as_in_one(steps: list[int]):
    size = sum(steps)
    kept, at_once = grown(*steps), grown(size)
    assert all(kept[one] == data for one, data in at_once.items())
    assert tree.root(size, kept) == merkle.root(LEAVES[:size])
    for one, data in kept.items():
        span = 256**one.level
        for place in range(one.width):
            start = (one.number * 256 + place) * span
            assert data[place * 32 : place * 32 + 32] == merkle.root(LEAVES[start : start + span])


@given(sizes)
def test_the_root_is_read_from_the_edge_alone(size: int):
    kept = grown(size)
    edge = {one: kept[one] for one in tree.tiles_of_root(size)}
    assert all(one.width < 256 for one in edge)
    assert tree.root(size, edge) == merkle.root(LEAVES[:size])


def test_the_root_of_a_tree_of_three_levels():
    assert tree.root(70_000, WHOLE) == merkle.root(LEAVES)
    assert tree.root(0, {}) == merkle.EMPTY_ROOT


@given(sizes.filter(bool), st.data())
def test_an_inclusion_proof_is_that_of_the_plain_tree(size: int, data: st.DataObject):
    index = data.draw(st.integers(0, size - 1) | st.just(size - 1))
    kept = grown(size)
    needed = {one: kept[one] for one in tree.tiles_of_inclusion(index, size)}
    expected = merkle.inclusion_proof(index, LEAVES[:size])
    assert tree.inclusion_proof(index, size, needed) == expected
    assert tree.inclusion_proof(index, size, tree.Nodes(needed)) == expected


@given(sizes.filter(bool), st.data())
def test_a_consistency_proof_is_that_of_the_plain_tree(second: int, data: st.DataObject):
    first = data.draw(st.integers(1, second))
    kept = grown(second)
    needed = {one: kept[one] for one in tree.tiles_of_consistency(first, second)}
    expected = merkle.consistency_proof(first, LEAVES[:second])
    assert tree.consistency_proof(first, second, needed) == expected
    assert tree.consistency_proof(first, second, tree.Nodes(needed)) == expected


def test_every_small_tree_is_proved_through():
    for size in range(1, 34):
        kept = grown(size)
        for index in range(size):
            leaves = LEAVES[:size]
            assert tree.inclusion_proof(index, size, kept) == merkle.inclusion_proof(index, leaves)
            assert tree.consistency_proof(index + 1, size, kept) == merkle.consistency_proof(
                index + 1, leaves
            )


@settings(max_examples=20)
@given(st.integers(0, 69_999), st.sampled_from([70_000, 65_536]))
@example(65_536, 70_000)
@example(69_999, 70_000)
@example(0, 70_000)
def test_proofs_over_three_levels_lead_to_the_root(index: int, size: int):
    kept = WHOLE if size == 70_000 else FULL
    root = tree.root(size, kept)
    index %= size
    proof = tree.inclusion_proof(index, size, kept)
    assert merkle.includes(index, size, LEAVES[index], proof, root)
    assert len(tree.tiles_of_inclusion(index, size)) <= 5
    first = index + 1
    path = tree.consistency_proof(first, size, kept)
    assert merkle.extends(first, size, merkle.root(LEAVES[:first]), root, path)


@given(st.integers(1, 1_200), st.data())
def test_a_wrong_hash_in_a_tile_leads_to_another_root(size: int, data: st.DataObject):
    kept = grown(size)
    index = data.draw(st.integers(0, size - 1))
    needed = {one: kept[one] for one in tree.tiles_of_inclusion(index, size)}
    root = tree.root(size, kept)
    if not needed:
        return
    one = data.draw(st.sampled_from(sorted(needed, key=lambda one: one.path)))
    wrong = bytearray(needed[one])
    wrong[data.draw(st.integers(0, len(wrong) - 1))] ^= 1
    proof = tree.inclusion_proof(index, size, needed | {one: bytes(wrong)})
    same = proof == tree.inclusion_proof(index, size, needed)
    assert merkle.includes(index, size, LEAVES[index], proof, root) == same


def test_a_tile_of_another_length_is_malformed():
    kept = grown(300)
    for one in tree.tiles_of_growth(300):
        for wrong in (kept[one][:-1], kept[one] + bytes(32), b""):
            changed = kept | {one: wrong}
            with pytest.raises(Malformed):
                tree.grow(300, LEAVES[:1], changed)
            with pytest.raises(Malformed):
                tree.root(300, changed)
            with pytest.raises(Malformed):
                tree.Nodes(changed)
    for one in tree.tiles_of_inclusion(0, 300):
        with pytest.raises(Malformed):
            tree.inclusion_proof(0, 300, kept | {one: bytes(31)})
    with pytest.raises(Malformed):
        tree.grow(300, [bytes(32), bytes(31), bytes(33)], kept)


def test_a_tile_that_is_not_given_is_missed():
    for ask in (
        lambda kept: tree.root(300, kept),
        lambda kept: tree.grow(300, LEAVES[:1], kept),
        lambda kept: tree.inclusion_proof(0, 300, kept),
        lambda kept: tree.consistency_proof(299, 300, kept),
    ):
        for kept in ({}, tree.Nodes()):
            with pytest.raises(KeyError):
                ask(kept)


def test_what_is_not_in_the_tree_has_no_proof():
    for index in (-1, 3):
        with pytest.raises(ValueError, match="no such leaf"):
            tree.inclusion_proof(index, 3, grown(3))
    for first in (0, 4):
        with pytest.raises(ValueError, match="no such beginning"):
            tree.consistency_proof(first, 3, grown(3))
    with pytest.raises(ValueError, match="no such tree"):
        tree.tiles_of_root(-1)


def test_nodes_keep_so_many_tiles_and_the_newest_content():
    kept = grown(1_200)
    nodes = tree.Nodes(kept, tiles_max=3)
    assert len(nodes) == len(list(nodes)) == 3
    assert set(nodes) == set(list(kept)[-3:])
    one = Tile(0, 0, 1)
    nodes.put(one, LEAVES[0])
    assert nodes.inner(one)[0] == LEAVES[0]
    nodes.put(one, LEAVES[1])
    assert nodes.inner(one)[0] == nodes[one] == LEAVES[1]
    assert len(nodes) == 3


def test_nodes_forget_what_they_computed_from_an_older_content():
    kept = grown(300)
    nodes = tree.Nodes(kept)
    before = tree.inclusion_proof(0, 300, nodes)
    edge = Tile(0, 1, 44)
    nodes.put(edge, bytes(len(kept[edge])))
    assert tree.inclusion_proof(0, 300, nodes)[:-1] == before[:-1]
    assert tree.inclusion_proof(0, 300, nodes)[-1] == merkle.root([bytes(32)] * 44)
