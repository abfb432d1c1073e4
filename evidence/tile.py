"""How a tree of entries is cut into files (C2SP tlog-tiles): names, entry bundles, what is new.

Level 0 holds leaf hashes, 256 in a full tile; a hash of a level above is the root of a full tile
of the level below. Entries lie in bundles that are cut like level 0. It knows names and cuts,
neither hashes (evidence/tree.py) nor where the files lie.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from evidence import notation
from evidence.errors import Malformed

WIDTH = 256
HEIGHT = 8  # a full tile is a subtree of this height
LEVEL_MAX = 63
NUMBER_MAX = 2**63 - 1
ENTRY_SIZE_MAX = 65_535  # the length of an entry is a u16

_GROUP = 1000
_FOLDER = "tile"
_ENTRIES = "entries"
_LENGTH_SIZE = 2


@dataclass(frozen=True, slots=True)
class Tile:
    """A hash tile: `width` hashes of a level, from `number` * 256 on; narrower ones are partial."""

    level: int
    number: int
    width: int = WIDTH

    def __post_init__(self) -> None:
        if not 0 <= self.level <= LEVEL_MAX:
            raise Malformed("a tile's level is from 0 to 63")
        _check_cut(self.number, self.width)

    @property
    def path(self) -> str:
        """Its name below the log's prefix: tile/<level>/<number>[.p/<width>]."""
        return f"{_FOLDER}/{self.level}/{_write_cut(self.number, self.width)}"


@dataclass(frozen=True, slots=True)
class Bundle:
    """An entry bundle: the `width` entries from `number` * 256 on."""

    number: int
    width: int = WIDTH

    def __post_init__(self) -> None:
        _check_cut(self.number, self.width)

    @property
    def path(self) -> str:
        """Its name below the log's prefix: tile/entries/<number>[.p/<width>]."""
        return f"{_FOLDER}/{_ENTRIES}/{_write_cut(self.number, self.width)}"

    @property
    def first(self) -> int:
        """The index in the log of its first entry."""
        return self.number * WIDTH


def read_path(path: str) -> Tile | Bundle:
    """Read a file's name below the log's prefix; every other spelling is Malformed."""
    folder, _, rest = path.partition("/")
    kind, _, cut = rest.partition("/")
    number, width = _read_cut(cut)
    found = (
        Bundle(number, width)
        if kind == _ENTRIES
        else Tile(notation.read_decimal(kind, LEVEL_MAX), number, width)
    )
    if folder != _FOLDER or found.path != path:
        raise Malformed("a tile's name in another spelling")
    return found


def encode_bundle(entries: Iterable[bytes]) -> bytes:
    """Write entries one after the other, each after its length as a u16, big-endian."""
    parts: list[bytes] = []
    for entry in entries:
        if len(entry) > ENTRY_SIZE_MAX:
            raise Malformed("an entry has at most 65,535 bytes")
        parts += (len(entry).to_bytes(_LENGTH_SIZE, "big"), entry)
    return b"".join(parts)


def decode_bundle(data: bytes, width: int) -> list[bytes]:
    """Read exactly `width` entries; bytes that are missing or left over are Malformed."""
    entries = []
    at = 0
    for _ in range(width):
        start = at + _LENGTH_SIZE
        end = start + int.from_bytes(data[at:start], "big")
        if start > len(data) or end > len(data):
            raise Malformed("an entry bundle that ends before its last entry")
        entries.append(data[start:end])
        at = end
    if at != len(data):
        raise Malformed("an entry bundle with bytes after its last entry")
    return entries


def new_bundles(old: int, new: int) -> list[Bundle]:
    """List the bundles whose content is new when a log grows from `old` to `new` entries."""
    _check_growth(old, new)
    return [Bundle(number, width) for number, width in _new_cuts(old, new)]


def new_tiles(old: int, new: int) -> list[Tile]:
    """List the hash tiles of all levels, full and partial, that are new in the same way.

    Lowest level first, then by number.
    """
    _check_growth(old, new)
    tiles = []
    level = 0
    while new:
        tiles += [Tile(level, number, width) for number, width in _new_cuts(old, new)]
        old, new, level = old >> HEIGHT, new >> HEIGHT, level + 1
    return tiles


def bundles(first: int, last: int, size: int) -> list[Bundle]:
    """List the bundles of a log of `size` entries that hold entries `first` up to before `last`."""
    if not 0 <= first <= last <= size:
        raise ValueError("no such entries")
    if first == last:
        return []
    return [
        Bundle(number, min(WIDTH, size - number * WIDTH))
        for number in range(first // WIDTH, (last - 1) // WIDTH + 1)
    ]


def _new_cuts(old: int, new: int) -> Sequence[tuple[int, int]]:
    """Give number and width of each cut of a level that grows from `old` to `new`."""
    if old == new:
        return ()
    numbers = range(old // WIDTH, (new - 1) // WIDTH + 1)
    return [(number, min(WIDTH, new - number * WIDTH)) for number in numbers]


def _write_cut(number: int, width: int) -> str:
    groups = [f"{number % _GROUP:03d}"]
    while number := number // _GROUP:
        groups.append(f"x{number % _GROUP:03d}")
    partial = "" if width == WIDTH else f".p/{width}"
    return "/".join(reversed(groups)) + partial


def _read_cut(text: str) -> tuple[int, int]:
    """Read loosely; whoever calls compares with what would have been written."""
    groups, partial, width = text.partition(".p/")
    digits = groups.replace("/", "").replace("x", "").lstrip("0") or "0"
    return (
        notation.read_decimal(digits, NUMBER_MAX),
        notation.read_decimal(width, WIDTH - 1) if partial else WIDTH,
    )


def _check_cut(number: int, width: int) -> None:
    if not 0 <= number <= NUMBER_MAX:
        raise Malformed("a tile's number is from 0 to 2**63 - 1")
    if not 0 < width <= WIDTH:
        raise Malformed("a tile's width is from 1 to 256")


def _check_growth(old: int, new: int) -> None:
    if not 0 <= old <= new:
        raise ValueError("a log only grows")
