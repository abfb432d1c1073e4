"""JPEG, PNG and WEBP by their structure: where they end, how large they say they are.

No picture is decoded. Segments and chunks are walked; whatever stands behind the end, or hides
in what programs skip, is looked at for other formats.
"""

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from evidence.flags import Code, Flag
from evidence.inspection import marks
from evidence.inspection.content import Content

PARTS_MAX = 65_536
SCANS_MAX = 100  # of a progressive JPEG; usual are ten
TEXT_MAX = 8 * 1024 * 1024  # inflated, of all texts and profiles of a PNG
SIDE_MAX = 65_535
_PADDING = b"\0 \t\r\n"

# The most pixels. A JPEG is decoded at a fraction of its size, so phones' 200 megapixels pass.
PIXELS_MAX = {
    "image/jpeg": 210_000_000,
    "image/png": 64_000_000,
    "image/webp": 64_000_000,
    "image/heic": 64_000_000,
    "video/mp4": 40_000_000,
}
PROGRESSIVE_PIXELS_MAX = 64_000_000  # its coefficients are kept in memory
FRAMES_MAX = 10_000

# A marker, after fill bytes; not the stuffed zero, nor a restart marker (ITU T.81, B.1.1.2).
_JPEG_MARKER = re.compile(rb"\xff+([^\x00\xd0-\xd7\xff])", re.DOTALL)
_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SOI, _EOI, _SOS, _SOF2, _COM = 0xD8, 0xD9, 0xDA, 0xC2, 0xFE
_JS_COMMENT = b"/*"


@dataclass(slots=True)
class Walk:
    """What a walk found: flags, where the picture ends (None: it does not), texts on the way."""

    flags: list[Flag] = field(default_factory=list)
    end: int | None = None
    sides: tuple[int, int] | None = None

    def flag(self, code: Code, **facts: int | str | list[str]) -> None:
        """Note a flag."""
        self.flags.append(Flag.of(code, **facts))

    def measure(self, width: int, height: int, pixels_max: int) -> None:
        """Note the size that the picture says it has, and whether it is too large."""
        self.sides = (width, height)
        if not (0 < width <= SIDE_MAX and 0 < height <= SIDE_MAX) or width * height > pixels_max:
            self.flag(Code.TOO_MANY_PIXELS, width=width, height=height, maximum=pixels_max)

    def look_at_text(self, text: bytes) -> None:
        """Look at what stands in metadata, which a browser would not run but might be fooled by."""
        if marks.has_markup(text):
            self.flag(Code.MARKUP, where="metadata")


def inspect_jpeg(content: Content) -> list[Flag]:
    """Walk a JPEG (ITU T.81, Annex B) and whatever follows it."""
    data = content.whole()
    walk = walk_jpeg(data, 0)
    if walk.sides is None and not walk.flags:
        walk.flag(Code.BROKEN_STRUCTURE, what="no frame")
    return [*walk.flags, *_ending(data, walk)]


def walk_jpeg(data: bytes, start: int) -> Walk:  # noqa: C901 - one loop over markers, a branch each
    """Walk the JPEG that begins at a place."""
    walk, place, scans, comments = Walk(), start + 2, 0, False
    for _ in range(PARTS_MAX):
        found = _JPEG_MARKER.search(data, place)
        if found is None:
            return walk
        marker, place = found[1][0], found.end()
        if marker == _EOI:
            walk.end = place
            return walk
        if marker in {_SOI, 0x01}:
            continue
        size = int.from_bytes(data[place : place + 2], "big")
        segment = data[place + 2 : place + size]
        if size < 2 or place + size > len(data):  # noqa: PLR2004 - the length counts itself
            return walk
        if marker in _SOF:
            _measure_jpeg(walk, marker, segment)
        elif marker == _SOS:
            scans += 1
            if scans > SCANS_MAX:
                walk.flag(Code.BOMB, what="scans")
                return walk
        elif 0xE0 <= marker <= 0xEF or marker == _COM:  # noqa: PLR2004 - APP0 to APP15
            if comments and b"*/" in segment[:16]:
                walk.flag(Code.SCRIPT_INSIDE)
            comments |= data[place : place + 2] == _JS_COMMENT
            walk.look_at_text(segment)
        place += size
    walk.flag(Code.BOMB, what="segments")
    return walk


def _measure_jpeg(walk: Walk, marker: int, segment: bytes) -> None:
    if len(segment) < 6:  # noqa: PLR2004 - precision, height, width, components
        walk.flag(Code.BROKEN_STRUCTURE, what="frame")
        return
    height, width = struct.unpack_from(">HH", segment, 1)
    if walk.sides is not None and walk.sides != (width, height):
        walk.flag(Code.BROKEN_STRUCTURE, what="two sizes")
    most = PROGRESSIVE_PIXELS_MAX if marker == _SOF2 else PIXELS_MAX["image/jpeg"]
    walk.measure(width, height, most)


def _ending(data: bytes, walk: Walk) -> Iterator[Flag]:
    """Look at what stands behind the end."""
    if walk.end is None:
        if not any(flag.code is Code.BOMB for flag in walk.flags):
            yield Flag.of(Code.CUT_SHORT)
        return
    rest = data[walk.end :]
    if rest.strip(_PADDING):
        yield from behind(rest)


def behind(rest: bytes) -> Iterator[Flag]:
    """Look at bytes behind a picture's end: phones put further pictures and films there."""
    kinds: list[str] = []
    place = 0
    while place < len(rest) and len(kinds) < marks.HEAD:
        place += len(rest[place:]) - len(rest[place:].lstrip(_PADDING)) if not kinds else 0
        kind, after = _known(rest, place)
        if kind is None:
            break
        kinds.append(kind)
        place = after
    remainder = rest[place:]
    if remainder.strip(_PADDING):
        found = marks.anywhere(remainder)
        if found is not None:
            yield Flag.of(found, where="behind")
        kinds.append("unknown")
    if kinds:
        yield Flag.of(Code.TRAILING_BYTES, size=len(rest), kinds=sorted(set(kinds)))


def _known(rest: bytes, place: int) -> tuple[str | None, int]:
    """Tell what a camera puts behind a picture: its kind, and where it ends."""
    if rest.startswith(b"\xff\xd8\xff", place):
        walk = walk_jpeg(rest, place)
        return "jpeg", len(rest) if walk.end is None else walk.end
    if rest[place + 4 : place + 8] == b"ftyp":
        return "mp4", len(rest)
    if rest.endswith(b"SEFT") and marks.anywhere(rest[place:]) is None:
        return "samsung", len(rest)
    return None, place


_PNG_START = 8
_PNG_TEXTS = {b"tEXt", b"zTXt", b"iTXt", b"eXIf"}


def inspect_png(content: Content) -> list[Flag]:
    """Walk a PNG's chunks (W3C PNG, 5.3) and whatever follows them."""
    data = content.whole()
    walk, place, room = Walk(), _PNG_START, TEXT_MAX
    for _ in range(PARTS_MAX):
        size = int.from_bytes(data[place : place + 4], "big")
        kind, chunk = data[place + 4 : place + 8], data[place + 8 : place + 8 + size]
        if len(kind) < 4 or place + 12 + size > len(data):  # noqa: PLR2004 - a name, and a CRC
            break
        if not kind.isalpha():
            walk.flag(Code.BROKEN_STRUCTURE, what="chunk")
            break
        told = data[place + 8 + size : place + 12 + size]
        if kind[:1].isupper() and zlib.crc32(chunk, zlib.crc32(kind)).to_bytes(4, "big") != told:
            walk.flag(Code.BROKEN_STRUCTURE, what="checksum")
            break
        place += 12 + size
        if kind == b"IHDR" and size >= 8:  # noqa: PLR2004 - width and height
            width, height = struct.unpack_from(">II", chunk)
            walk.measure(width, height, PIXELS_MAX["image/png"])
        elif kind == b"acTL" and size >= 4:  # noqa: PLR2004 - the number of frames
            _animate(walk, int.from_bytes(chunk[:4], "big"))
        elif kind in _PNG_TEXTS or kind == b"iCCP":
            text = _png_text(kind, chunk, room)
            room -= len(text)
            if room <= 0:
                walk.flag(Code.BOMB, what="text")
                break
            walk.look_at_text(text)
        elif kind == b"IEND":
            walk.end = place
            break
    else:
        walk.flag(Code.BOMB, what="chunks")
    return [*walk.flags, *_ending(data, walk)]


def _animate(walk: Walk, frames: int) -> None:
    if frames > FRAMES_MAX:
        walk.flag(Code.BOMB, what="frames")
    elif frames > 1:
        walk.flag(Code.ANIMATED, frames=frames)


def _png_text(kind: bytes, chunk: bytes, room: int) -> bytes:
    """Give a chunk's text, inflated as far as there is room."""
    if kind in {b"tEXt", b"eXIf"}:
        return chunk
    name, _, rest = chunk.partition(b"\0")
    if kind == b"iTXt":
        packed, rest = rest[:1] == b"\1", rest[2:].split(b"\0", 2)[-1]
        if not packed:
            return name + rest
        packed_text = rest
    else:
        packed_text = rest[1:]
    try:
        return name + zlib.decompressobj().decompress(packed_text, room)
    except zlib.error:
        return name


_WEBP_HEAD = struct.Struct("<4sI4s")


def inspect_webp(content: Content) -> list[Flag]:
    """Walk a WEBP's chunks (RFC 9649) and whatever follows them."""
    data = content.whole()
    walk, place, frames = Walk(), 12, 0
    _, told, _ = _WEBP_HEAD.unpack_from(data)
    end = told + 8
    if data[4:6] == _JS_COMMENT and b"*/" in data:
        walk.flag(Code.SCRIPT_INSIDE)
    for _ in range(PARTS_MAX):
        if place >= min(end, len(data)):
            break
        kind, size = data[place : place + 4], int.from_bytes(data[place + 4 : place + 8], "little")
        chunk = data[place + 8 : place + 8 + size]
        if kind == b"ANMF":
            frames += 1
        elif kind in {b"XMP ", b"EXIF"}:
            walk.look_at_text(chunk)
        else:
            _measure_webp(walk, kind, chunk)
        place += 8 + size + size % 2
    else:
        walk.flag(Code.BOMB, what="chunks")
    if walk.sides is None:
        walk.flag(Code.BROKEN_STRUCTURE, what="no frame")
    _animate(walk, frames)
    walk.end = end if place <= end <= len(data) + 1 else None
    return [*walk.flags, *_ending(data, walk)]


def _measure_webp(walk: Walk, kind: bytes, chunk: bytes) -> None:
    most = PIXELS_MAX["image/webp"]
    if kind == b"VP8X" and len(chunk) >= 10:  # noqa: PLR2004 - RFC 9649, 2.7
        width = int.from_bytes(chunk[4:7], "little") + 1
        walk.measure(width, int.from_bytes(chunk[7:10], "little") + 1, most)
    elif kind == b"VP8 " and chunk[3:6] == b"\x9d\x01\x2a" and len(chunk) >= 10:  # noqa: PLR2004 - RFC 6386, 9.1
        width, height = struct.unpack_from("<HH", chunk, 6)
        walk.measure(width & 0x3FFF, height & 0x3FFF, most)
    elif kind == b"VP8L" and chunk[:1] == b"\x2f" and len(chunk) >= 5:  # noqa: PLR2004 - RFC 9649, 3.4
        bits = int.from_bytes(chunk[1:5], "little")
        walk.measure((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, most)
