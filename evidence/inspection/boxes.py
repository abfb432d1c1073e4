"""HEIC and MP4 by their boxes (ISO/IEC 14496-12): where they end, how large they say they are."""

from collections.abc import Iterator
from dataclasses import dataclass

from evidence.flags import Code, Flag
from evidence.inspection import marks
from evidence.inspection.content import Content
from evidence.inspection.raster import PARTS_MAX, PIXELS_MAX, SIDE_MAX

_TAIL_MAX = 1024 * 1024
_META_MAX = 16 * 1024 * 1024
# What stands outermost in films and pictures; anything else is something behind the end.
_OUTERMOST = frozenset(
    {b"ftyp", b"styp", b"pdin", b"moov", b"moof", b"mfra", b"mdat", b"free", b"skip", b"wide"}
    | {b"meta", b"idat", b"uuid", b"sidx", b"ssix", b"prft", b"emsg", b"udta", b"imda", b"etyp"}
)
_SIZES = {b"meta": 4, b"iprp": 0, b"ipco": 0}  # what is opened on the way, and its own head


@dataclass(frozen=True, slots=True)
class Box:
    """A box: its kind, where its content begins and where it ends."""

    kind: bytes
    start: int
    end: int


def walk(content: Content, start: int, end: int) -> Iterator[Box]:
    """Give the boxes between two places; what is no box ends the walk."""
    place = start
    for _ in range(PARTS_MAX):
        head = content.span(place, 16)
        size, kind, begins = int.from_bytes(head[:4], "big"), head[4:8], place + 8
        if size == 1:
            size, begins = int.from_bytes(head[8:16], "big"), place + 16
        elif size == 0:
            size = end - place
        if len(kind) < 4 or size < begins - place or not _is_kind(kind):  # noqa: PLR2004 - a name
            return
        yield Box(kind, begins, place + size)
        place += size
        if place >= end:
            return


def _is_kind(kind: bytes) -> bool:
    return all(0x20 <= byte < 0x7F or byte == 0xA9 for byte in kind)  # noqa: PLR2004 - and the old ©


def _top(content: Content, needed: bytes) -> list[Flag]:
    """Walk the outermost boxes, which must hold what is needed, and look behind them."""
    found, end, kinds, count = [], 0, set(), 0
    for box in walk(content, 0, content.size):
        if box.kind not in _OUTERMOST:
            break
        kinds.add(box.kind)
        end, count = box.end, count + 1
    if count == PARTS_MAX:
        return [Flag.of(Code.BOMB, what="boxes")]
    if end > content.size:
        found.append(Flag.of(Code.CUT_SHORT))
    if needed not in kinds:
        found.append(Flag.of(Code.BROKEN_STRUCTURE, what=f"no {needed.decode()}"))
    rest = content.span(end, _TAIL_MAX)
    if rest.strip(b"\0"):
        strange = marks.anywhere(rest)
        if strange is not None:
            found.append(Flag.of(strange, where="behind"))
        found.append(Flag.of(Code.TRAILING_BYTES, size=content.size - end, kinds=["unknown"]))
    return found


def inspect_mp4(content: Content) -> list[Flag]:
    """Walk a film's boxes, without reading it whole."""
    return _top(content, b"moov")


def inspect_heic(content: Content) -> list[Flag]:
    """Walk a HEIC's boxes down to the sizes of its pictures (ISO/IEC 23008-12, 6.5.3)."""
    found = _top(content, b"meta")
    most = PIXELS_MAX["image/heic"]
    for box in _inside(content, 0, content.size):
        if box.kind == b"ispe":
            sides = content.span(box.start + 4, 8)
            width, height = int.from_bytes(sides[:4], "big"), int.from_bytes(sides[4:], "big")
            if width * height > most or max(width, height) > SIDE_MAX:
                found.append(
                    Flag.of(Code.TOO_MANY_PIXELS, width=width, height=height, maximum=most)
                )
                break
    return found


def _inside(content: Content, start: int, end: int, depth: int = 0) -> Iterator[Box]:
    for box in walk(content, start, min(end, start + _META_MAX) if depth else end):
        if box.kind in _SIZES and depth < len(_SIZES):
            within = box.start + _SIZES[box.kind]
            yield from _inside(content, within, min(box.end, content.size), depth + 1)
        else:
            yield box
