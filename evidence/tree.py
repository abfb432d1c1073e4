"""A Merkle tree (RFC 9162) that lies in tiles: roots, proofs and growth, without any I/O.

Each question comes twice: which tiles answer it (`tiles_of_...`), and the answer from their
contents. So whoever calls may read tiles from wherever they lie, all at once. A tile that was
asked for and is not given is a KeyError; one of another length than its width is Malformed. That
a tile holds the right hashes is not known here: a root or proof made from a wrong one leads to
another root.
"""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256

from evidence import merkle, tile
from evidence.errors import Malformed
from evidence.tile import Tile

Hashes = Mapping[Tile, bytes]

_SIZE = merkle.HASH_SIZE
_HEIGHT = tile.HEIGHT

# A hash of the tree, by the height of its subtree (which is full) and its place among those.
_Node = tuple[int, int]


class Nodes(Mapping[Tile, bytes]):
    """Contents of tiles that keep the hashes between their levels once these were computed.

    A full tile has 254 of them, which cost a tenth of a millisecond. It takes the place of any
    `Hashes`; the tile that was put longest ago is dropped beyond `tiles_max`.
    """

    def __init__(self, hashes: Hashes | None = None, *, tiles_max: int = 4096) -> None:
        self._tiles_max = tiles_max
        self._contents: dict[Tile, bytes] = {}
        self._inner: dict[Tile, tuple[bytes, ...]] = {}
        # By size of the tree and height: the last hash of the height, if its subtree is not full.
        self.edges: dict[tuple[int, int], bytes] = {}
        for one, data in (hashes or {}).items():
            self.put(one, data)

    def put(self, one: Tile, data: bytes) -> None:
        """Keep a tile's content; Malformed if it is not as long as its width says."""
        _check_content(one, data)
        self._inner.pop(one, None)
        self.edges.clear()
        self._contents[one] = data
        if len(self._contents) > self._tiles_max:
            dropped = next(iter(self._contents))
            del self._contents[dropped]
            self._inner.pop(dropped, None)

    def inner(self, one: Tile) -> tuple[bytes, ...]:
        """Give the hashes of each height from the tile's own (0) on, one string for each."""
        found = self._inner.get(one)
        if found is None:
            found = self._inner[one] = _inner(self._contents[one])
        return found

    def __getitem__(self, one: Tile) -> bytes:
        return self._contents[one]

    def __iter__(self) -> Iterator[Tile]:
        return iter(self._contents)

    def __len__(self) -> int:
        return len(self._contents)


def tiles_of_root(size: int) -> list[Tile]:
    """List the tiles on the tree's right edge that are not full, lowest level first."""
    if size < 0:
        raise ValueError("no such tree")
    tiles = []
    level = 0
    while size:
        number, width = divmod(size, tile.WIDTH)
        if width:
            tiles.append(Tile(level, number, width))
        size, level = number, level + 1
    return tiles


def root(size: int, hashes: Hashes) -> bytes:
    """Compute the root of the tree of `size` leaves."""
    found = b""
    for one in tiles_of_root(size):
        nodes = _split(_content(one, hashes))
        # What is right of a level's last full tile stands as its odd last node.
        found = merkle.root([*nodes, found] if found else nodes)
    return found or merkle.EMPTY_ROOT


def tiles_of_inclusion(index: int, size: int) -> list[Tile]:
    """List what inclusion_proof reads."""
    return _tiles(_inclusion_plan(index, size), size)


def inclusion_proof(index: int, size: int, hashes: Hashes) -> list[bytes]:
    """RFC 9162 2.1.3.1: the hashes that lead from leaf `index` to the root, lowest first."""
    _check_leaf(index, size)
    reader = _Reader(size, hashes)
    last = size - 1
    proof: list[bytes] = []
    # What _inclusion_plan lists, looked up tile by tile and not node by node: the hot path.
    for level in range((last.bit_length() + _HEIGHT - 1) // _HEIGHT):
        place, full, edge = (one >> _HEIGHT * level for one in (index, size, last))
        inner: tuple[bytes, ...] = ()
        for height in range(min(_HEIGHT, edge.bit_length())):
            sibling = (place >> height) ^ 1
            if sibling < full >> height:
                inner = inner or reader.inner(level, place >> _HEIGHT)
                start = (sibling & (tile.WIDTH >> height) - 1) * _SIZE
                proof.append(inner[height][start : start + _SIZE])
            elif sibling == edge >> height:
                proof.append(reader.edge(_HEIGHT * level + height))
    return proof


def tiles_of_consistency(first: int, second: int) -> list[Tile]:
    """List what consistency_proof reads; all are tiles of the second tree."""
    return _tiles(_consistency_plan(first, second), second)


def consistency_proof(first: int, second: int, hashes: Hashes) -> list[bytes]:
    """RFC 9162 2.1.4.1: the hashes that show the first tree as a beginning of the second."""
    reader = _Reader(second, hashes)
    return [reader.fold(nodes) for nodes in _consistency_plan(first, second)]


def tiles_of_growth(old: int) -> list[Tile]:
    """List what `grow` reads: the tiles that a longer tree goes on filling."""
    return tiles_of_root(old)


def grow(old: int, leaves: Sequence[bytes], hashes: Hashes) -> dict[Tile, bytes]:
    """Append leaf hashes to a tree of `old` leaves: give the contents of all tiles that are new.

    They are those of tile.new_tiles, in its order.
    """
    if any(len(leaf) != _SIZE for leaf in leaves):
        raise Malformed("a tree's hash has 32 bytes")
    made: dict[Tile, bytes] = {}
    edge = {one.level: _content(one, hashes) for one in tiles_of_growth(old)}
    added = b"".join(leaves)
    level = 0
    while added:
        number = old // tile.WIDTH
        data = edge.get(level, b"") + added
        roots = []
        for start in range(0, len(data), tile.WIDTH * _SIZE):
            content = data[start : start + tile.WIDTH * _SIZE]
            one = Tile(level, number, len(content) // _SIZE)
            made[one] = content
            number += 1
            if one.width == tile.WIDTH:
                roots.append(_inner(content)[_HEIGHT])
        added = b"".join(roots)
        old, level = old // tile.WIDTH, level + 1
    return made


def _inclusion_plan(index: int, size: int) -> list[list[_Node]]:
    """List the siblings on the way up, each as the full subtrees that it consists of."""
    _check_leaf(index, size)
    plan = []
    last = size - 1
    for height in range(last.bit_length()):
        sibling = (index >> height) ^ 1
        if sibling < last >> height:
            plan.append([(height, sibling)])
        elif sibling == last >> height:
            plan.append(_cut(sibling << height, size))
        # Beyond the last leaf there is no sibling: the node moves up unchanged.
    return plan


def _consistency_plan(first: int, second: int) -> list[list[_Node]]:
    if not 0 < first <= second:
        raise ValueError("no such beginning")
    if first == second:
        return []
    # RFC 9162 2.1.4.1, SUBPROOF from the top down; [start, end) is the tree that is looked at.
    start, end = 0, second
    plan = []
    while first != end:
        middle = start + (1 << ((end - start - 1).bit_length() - 1))
        if first <= middle:
            plan.append(_cut(middle, end))
            end = middle
        else:
            plan.append(_cut(start, middle))
            start = middle
    if start:
        plan.append(_cut(start, end))
    return plan[::-1]


def _check_leaf(index: int, size: int) -> None:
    if not 0 <= index < size:
        raise ValueError("no such leaf")


def _cut(start: int, end: int) -> list[_Node]:
    """Cut leaves [start, end) into full subtrees, left to right.

    `start` must be a multiple of the power of two that is at least end - start.
    """
    nodes = []
    while start < end:
        height = (end - start).bit_length() - 1
        nodes.append((height, start >> height))
        start += 1 << height
    return nodes


def _tiles(plan: list[list[_Node]], size: int) -> list[Tile]:
    places = {_place(*node)[:2]: None for nodes in plan for node in nodes}
    return [_tile(level, number, size) for level, number in places]


def _place(height: int, position: int) -> tuple[int, int, int, int]:
    """Say where a node lies: level and number of its tile, height and offset inside."""
    level, inside = divmod(height, _HEIGHT)
    number = position >> (_HEIGHT - inside)
    return level, number, inside, position - (number << (_HEIGHT - inside))


def _tile(level: int, number: int, size: int) -> Tile:
    nodes = size >> (_HEIGHT * level)
    return Tile(level, number, min(tile.WIDTH, nodes - number * tile.WIDTH))


class _Reader:
    """Looks hashes of the tree of `size` leaves up; opens each tile at most once."""

    def __init__(self, size: int, hashes: Hashes) -> None:
        self._size = size
        self._hashes = hashes
        self._opened: dict[tuple[int, int], tuple[bytes, ...]] = {}

    def inner(self, level: int, number: int) -> tuple[bytes, ...]:
        found = self._opened.get((level, number))
        if found is None:
            one = _tile(level, number, self._size)
            hashes = self._hashes
            found = (
                hashes.inner(one) if isinstance(hashes, Nodes) else _inner(_content(one, hashes))
            )
            self._opened[level, number] = found
        return found

    def fold(self, nodes: Sequence[_Node]) -> bytes:
        """Hash full subtrees that stand side by side into one, from the right."""
        found = b""
        for height, position in reversed(nodes):
            level, number, inside, offset = _place(height, position)
            left = self.inner(level, number)[inside][offset * _SIZE : (offset + 1) * _SIZE]
            found = merkle.node_hash(left, found) if found else left
        return found

    def edge(self, height: int) -> bytes:
        """Give the last hash of a height, whose subtree is not full."""
        edges = self._hashes.edges if isinstance(self._hashes, Nodes) else {}
        found = edges.get((self._size, height))
        if found is None:
            start = self._size >> height << height
            found = edges[self._size, height] = self.fold(_cut(start, self._size))
        return found


def _inner(content: bytes) -> tuple[bytes, ...]:
    """Compute the hashes of each height above a tile's own, as far as their subtrees are full."""
    heights = [content]
    for _ in range(_HEIGHT):
        below = heights[-1]
        heights.append(
            b"".join(
                [
                    sha256(b"\x01" + below[at : at + 2 * _SIZE]).digest()
                    for at in range(0, len(below) - _SIZE, 2 * _SIZE)
                ]
            )
        )
    return tuple(heights)


def _content(one: Tile, hashes: Hashes) -> bytes:
    data = hashes[one]
    _check_content(one, data)
    return data


def _check_content(one: Tile, data: bytes) -> None:
    if len(data) != one.width * _SIZE:
        raise Malformed(f"{one.path} does not have the length of its width")


def _split(data: bytes) -> list[bytes]:
    return [data[at : at + _SIZE] for at in range(0, len(data), _SIZE)]
