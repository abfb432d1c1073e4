"""The Merkle tree of RFC 9162 (section 2.1): hashes, roots, proofs. Pure arithmetic.

It knows leaf hashes, not entries; where the hashes come from and who signs a root is told
elsewhere. A hash that is not 32 bytes long is Malformed, a proof that does not lead to the
root is False: the first accuses nobody.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256

from evidence.errors import Malformed

HASH_SIZE = 32
EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """RFC 9162 2.1.1: SHA-256(0x00 || entry)."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """RFC 9162 2.1.1: SHA-256(0x01 || left || right)."""
    return sha256(b"\x01" + left + right).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """Fold the leaf hashes into the tree's root, level by level; no leaves: SHA-256("")."""
    _check_hashes(leaves)
    if not leaves:
        return EMPTY_ROOT
    level = list(leaves)
    while len(level) > 1:
        above = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        if len(level) % 2:
            # An odd last node moves up unchanged: the same tree as splitting at the largest
            # power of two (RFC 9162 2.1.1).
            above.append(level[-1])
        level = above
    return level[0]


def inclusion_proof(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """RFC 9162 2.1.3.1: the hashes that lead from leaf `index` to the root, lowest first."""
    if not 0 <= index < len(leaves):
        raise ValueError("no such leaf")
    if len(leaves) == 1:
        return []
    k = _split(len(leaves))
    if index < k:
        return [*inclusion_proof(index, leaves[:k]), root(leaves[k:])]
    return [*inclusion_proof(index - k, leaves[k:]), root(leaves[:k])]


def consistency_proof(first: int, leaves: Sequence[bytes]) -> list[bytes]:
    """RFC 9162 2.1.4.1: the hashes that show the tree of `first` leaves as a beginning of all."""
    if not 0 < first <= len(leaves):
        raise ValueError("no such beginning")
    return _subproof(first, leaves, whole=True)


def includes(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root_hash: bytes) -> bool:
    """RFC 9162 2.1.3.2: say whether the proof leads from this leaf at `index` to the root."""
    _check_hashes((leaf, root_hash, *proof))
    if not 0 <= index < size:
        return False
    fn, sn, found = index, size - 1, leaf
    for sibling in proof:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            found = node_hash(sibling, found)
            fn, sn = _drop_right_edge(fn, sn)
        else:
            found = node_hash(found, sibling)
        fn >>= 1
        sn >>= 1
    return sn == 0 and found == root_hash


def extends(
    first: int, second: int, first_root: bytes, second_root: bytes, proof: Sequence[bytes]
) -> bool:
    """RFC 9162 2.1.4.2: say whether the first tree is a beginning of the second."""
    _check_hashes((first_root, second_root, *proof))
    if not 0 < first <= second:
        return False
    if first == second:
        return first_root == second_root and not proof
    path = list(proof)
    if first & (first - 1) == 0:
        path.insert(0, first_root)
    if not path:
        return False
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn >>= 1
        sn >>= 1
    old = new = path[0]
    for sibling in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            old = node_hash(sibling, old)
            new = node_hash(sibling, new)
            fn, sn = _drop_right_edge(fn, sn)
        else:
            new = node_hash(new, sibling)
        fn >>= 1
        sn >>= 1
    return sn == 0 and old == first_root and new == second_root


def _subproof(first: int, leaves: Sequence[bytes], *, whole: bool) -> list[bytes]:
    if first == len(leaves):
        return [] if whole else [root(leaves)]
    k = _split(len(leaves))
    if first <= k:
        return [*_subproof(first, leaves[:k], whole=whole), root(leaves[k:])]
    return [*_subproof(first - k, leaves[k:], whole=False), root(leaves[:k])]


def _split(size: int) -> int:
    """Give the largest power of two that is smaller than `size`."""
    return 1 << ((size - 1).bit_length() - 1)


def _drop_right_edge(fn: int, sn: int) -> tuple[int, int]:
    while fn and not fn & 1:
        fn >>= 1
        sn >>= 1
    return fn, sn


def _check_hashes(hashes: Iterable[bytes]) -> None:
    if any(len(one) != HASH_SIZE for one in hashes):
        raise Malformed("a tree's hash has 32 bytes")
