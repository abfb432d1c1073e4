"""What the service and the darkroom say to each other: frames over a socket, read strictly.

A frame is two big-endian 32-bit sizes, a header (canonical JSON) and a body (bytes). The darkroom
says `ready` once. Then for each file: the service says `examine`; the darkroom says `read` as
often as it needs bytes, the service answers with `bytes`; the darkroom says `done` with its
findings, or `failed`. The other end is not trusted: a process that decodes hostile files may be
another program by now.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from evidence import canonical, facts, flags
from evidence.errors import Malformed
from evidence.flags import Flag

SIZES = struct.Struct(">II")
HEADER_MAX = 256 * 1024
BODY_MAX = 32 * 1024 * 1024
READ_MAX = 4 * 1024 * 1024
COPY_MAX = 4 * 1024 * 1024
COPIES_MAX = 32
SIDE_MAX = 4096

REASONS = frozenset(
    {"cpu_time", "crashed", "memory", "nonsense", "password", "unreadable", "wall_time"}
)
"""Why no picture was made of a file."""

COPY_TYPE = "image/jpeg"


@dataclass(frozen=True, slots=True)
class Frame:
    """What one side says."""

    header: dict[str, Any]
    body: bytes = b""

    @property
    def says(self) -> object:
        """The word by which it is told what it is."""
        return self.header.get("say")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for: a file's type and size, and which copies (sides in pixels)."""

    media_type: str
    size: int
    screen: int = 1600
    thumbnail: int = 320
    pages_max: int = 8


@dataclass(frozen=True, slots=True)
class Copy:
    """A derived picture without metadata: thumbnail, screen, poster or page-1 …, upright."""

    kind: str
    width: int
    height: int
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a file cost: its own CPU time, and the process's highest memory so far."""

    cpu_ms: int
    peak_kib: int


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found in a file, and what was made of it; `failed` is why no picture was."""

    flags: Sequence[Flag]
    facts: dict[str, Any]
    copies: Sequence[Copy]
    cost: Cost
    failed: str | None = None


def pack(frame: Frame) -> bytes:
    """Write a frame."""
    header = canonical.encode(frame.header)
    if len(header) > HEADER_MAX or len(frame.body) > BODY_MAX:
        raise Malformed("a frame beyond its bounds")
    return SIZES.pack(len(header), len(frame.body)) + header + frame.body


def sizes(head: bytes) -> tuple[int, int]:
    """Read a frame's two sizes; Malformed if they are beyond their bounds."""
    header, body = SIZES.unpack(head)
    if not 0 < header <= HEADER_MAX or body > BODY_MAX:
        raise Malformed("a frame beyond its bounds")
    return header, body


def unpack(header: bytes, body: bytes) -> Frame:
    """Read a frame's two parts."""
    value = canonical.decode(header)
    if not isinstance(value, dict):
        raise Malformed("a header is an object")
    return Frame(value, body)


def write_asked(asked: Asked) -> Frame:
    """Say `examine`."""
    return Frame({"say": "examine"} | {name: getattr(asked, name) for name in _ASKED})


_ASKED = ("media_type", "size", "screen", "thumbnail", "pages_max")


def read_asked(frame: Frame) -> Asked:
    """Read `examine`."""
    _expect(frame, "examine", {*_ASKED})
    given = {name: frame.header[name] for name in _ASKED}
    if not isinstance(given["media_type"], str):
        raise Malformed("a media type is a text")
    for name in _ASKED[1:]:
        _natural(given[name], 2**40)
    return Asked(**given)


def write_read(start: int, size: int) -> Frame:
    """Say `read`."""
    return Frame({"say": "read", "size": size, "start": start})


def read_read(frame: Frame, total: int) -> tuple[int, int]:
    """Read `read`: a place and a size, within the file and READ_MAX."""
    _expect(frame, "read", {"size", "start"})
    start, size = _natural(frame.header["start"], total), _natural(frame.header["size"], READ_MAX)
    if size == 0 or start + size > total or frame.body:
        raise Malformed("a read beyond the file")
    return start, size


def write_done(examined: Examined) -> Frame:
    """Say `done`, or `failed` as a part of it; the copies' bytes one after the other."""
    header = {
        "say": "done",
        "flags": flags.write(examined.flags),
        "facts": facts.write(examined.facts),
        "copies": [
            {"height": copy.height, "kind": copy.kind, "size": len(copy.data), "width": copy.width}
            for copy in examined.copies
        ],
        "cost": {"cpu_ms": examined.cost.cpu_ms, "peak_kib": examined.cost.peak_kib},
        "failed": examined.failed,
    }
    return Frame(header, b"".join(copy.data for copy in examined.copies))


def read_done(frame: Frame) -> Examined:
    """Read `done`; Malformed if anything in it is not as it must be."""
    _expect(frame, "done", {"copies", "cost", "facts", "failed", "flags"})
    failed = frame.header["failed"]
    if failed is not None and failed not in REASONS:
        raise Malformed("no such reason")
    cost = frame.header["cost"]
    if not isinstance(cost, dict) or cost.keys() != {"cpu_ms", "peak_kib"}:
        raise Malformed("a cost is time and memory")
    return Examined(
        flags.read(frame.header["flags"]),
        facts.read(frame.header["facts"]),
        _copies(frame.header["copies"], frame.body),
        Cost(_natural(cost["cpu_ms"], 2**40), _natural(cost["peak_kib"], 2**40)),
        failed,
    )


def _copies(value: Any, body: bytes) -> list[Copy]:
    if not isinstance(value, list) or len(value) > COPIES_MAX:
        raise Malformed("copies are a short list")
    copies, place = [], 0
    for one in value:
        if not isinstance(one, dict) or one.keys() != {"height", "kind", "size", "width"}:
            raise Malformed("a copy has a kind and sizes")
        if not isinstance(one["kind"], str) or not is_kind(one["kind"]):
            raise Malformed("no such copy")
        size = _natural(one["size"], COPY_MAX)
        data = body[place : place + size]
        place += size
        if len(data) < size or not data.startswith(b"\xff\xd8\xff"):
            raise Malformed("a copy is a JPEG of its size")
        width, height = _natural(one["width"], SIDE_MAX), _natural(one["height"], SIDE_MAX)
        copies.append(Copy(one["kind"], width, height, data))
    if place != len(body) or len({copy.kind for copy in copies}) < len(copies):
        raise Malformed("copies that are not all, or twice")
    return copies


def is_kind(kind: str) -> bool:
    """Whether a derived copy can be called so."""
    page = kind.removeprefix("page-")
    if page != kind:
        return page.isascii() and page.isdecimal() and 0 < int(page) <= COPIES_MAX and page[0] > "0"
    return kind in {"thumbnail", "screen", "poster"}


def _expect(frame: Frame, says: str, names: set[str]) -> None:
    if frame.says != says or frame.header.keys() != names | {"say"}:
        raise Malformed(f"{says} was expected")


def _natural(value: Any, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise Malformed("a whole number within its bounds was expected")
    return value
