"""The tree, against the definitions of RFC 9162 written down once more, plainly."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import merkle
from evidence.errors import Malformed

# The leaves and roots of RFC 6962's reference tests (certificate-transparency, merkle_tree_test).
LEAVES = [
    bytes.fromhex(one)
    for one in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
HASHES = [merkle.leaf_hash(leaf) for leaf in LEAVES]


def plain_root(hashes: list[bytes]) -> bytes:
    """RFC 9162 2.1.1, by its recursive definition."""
    if not hashes:
        return sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    return sha256(b"\x01" + plain_root(hashes[:k]) + plain_root(hashes[k:])).digest()


def many(size: int) -> list[bytes]:
    return [sha256(size.to_bytes(4, "big")).digest() for size in range(size)]


@pytest.mark.parametrize("size", range(1, 9))
def test_the_roots_are_those_of_the_reference(size: int):
    assert merkle.root(HASHES[:size]).hex() == ROOTS[size - 1]


@pytest.mark.parametrize("size", range(70))
def test_the_root_is_that_of_the_definition(size: int):
    assert merkle.root(many(size)) == plain_root(many(size))


@given(st.integers(1, 300), st.data())
def test_what_is_in_the_tree_is_proved_and_nothing_else(size: int, data: st.DataObject):
    leaves = many(size)
    root = merkle.root(leaves)
    index = data.draw(st.integers(0, size - 1))
    proof = merkle.inclusion_proof(index, leaves)
    assert merkle.includes(index, size, leaves[index], proof, root)
    assert not merkle.includes(index, size, bytes(32), proof, root)
    assert not merkle.includes(index, size, leaves[index], proof, bytes(32))
    assert not merkle.includes(index, size, leaves[index], [*proof, bytes(32)], root)
    for other in {index - 1, index + 1, size} - {index}:
        assert not merkle.includes(other, size, leaves[index], proof, root)
    if proof:
        assert not merkle.includes(index, size, leaves[index], proof[:-1], root)
        assert not merkle.includes(index, size, leaves[index], [bytes(32), *proof[1:]], root)


@given(st.integers(1, 300), st.data())
def test_a_tree_that_grew_is_proved_and_nothing_else(size: int, data: st.DataObject):
    leaves = many(size)
    first = data.draw(st.integers(1, size))
    old, new = merkle.root(leaves[:first]), merkle.root(leaves)
    proof = merkle.consistency_proof(first, leaves)
    assert merkle.extends(first, size, old, new, proof)
    assert not merkle.extends(first, size, old, bytes(32), proof)
    assert not merkle.extends(first, size, bytes(32), new, proof)
    assert not merkle.extends(first, size, old, new, [*proof, bytes(32)])
    assert not merkle.extends(0, size, old, new, proof)
    assert not merkle.extends(size + 1, size, old, new, proof)
    if proof:
        assert not merkle.extends(first, size, old, new, proof[:-1])
        assert not merkle.extends(first, size, old, new, [bytes(32), *proof[1:]])
        assert not merkle.extends(first, size, old, new, [])


def test_every_small_proof_leads_to_its_own_place_only():
    for size in range(1, 18):
        leaves = many(size)
        root = merkle.root(leaves)
        for index in range(size):
            proof = merkle.inclusion_proof(index, leaves)
            assert [
                other
                for other in range(size)
                if merkle.includes(other, size, leaves[index], proof, root)
            ] == [index]


def test_a_proof_that_goes_on_above_the_root_is_none():
    leaf, more = many(2)
    above = merkle.node_hash(more, leaf)
    assert not merkle.includes(0, 1, leaf, [more], above)
    tree = merkle.node_hash(leaf, more)
    higher = merkle.node_hash(more, tree)
    assert not merkle.includes(0, 2, leaf, [more, more], higher)
    # From 3 to 4 leaves: the honest path is c, d, ab; one step more leads to made-up roots.
    a, b, c, d = many(4)
    ab = merkle.node_hash(a, b)
    old = merkle.node_hash(more, merkle.node_hash(ab, c))
    new = merkle.node_hash(more, merkle.node_hash(ab, merkle.node_hash(c, d)))
    assert not merkle.extends(3, 4, old, new, [c, d, ab, more])


@pytest.mark.parametrize("wrong", [b"", bytes(31), bytes(33), b"0" * 64])
def test_a_hash_of_another_size_is_malformed(wrong: bytes):
    good = bytes(32)
    with pytest.raises(Malformed):
        merkle.root([good, wrong])
    for leaf, proof, root in ((wrong, [], good), (good, [wrong], good), (good, [], wrong)):
        with pytest.raises(Malformed):
            merkle.includes(0, 1, leaf, proof, root)
    for old, new, path in ((wrong, good, []), (good, wrong, []), (good, good, [wrong])):
        with pytest.raises(Malformed):
            merkle.extends(1, 1, old, new, path)


def test_a_leaf_that_is_not_there_has_no_proof():
    for index in (-1, 3):
        with pytest.raises(ValueError, match="no such leaf"):
            merkle.inclusion_proof(index, many(3))
    for first in (0, 4):
        with pytest.raises(ValueError, match="no such beginning"):
            merkle.consistency_proof(first, many(3))
