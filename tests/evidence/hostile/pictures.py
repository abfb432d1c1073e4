"""Pictures that lie, are broken or want to do harm; each with what must be said of it."""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator

import pillow_heif
from PIL import Image

from evidence.flags import Code

JPEG, PNG, WEBP, HEIC = "image/jpeg", "image/png", "image/webp", "image/heic"
Hostile = tuple[str, str, bytes, set[Code | None]]

BROKEN = {Code.UNREADABLE, Code.CUT_SHORT, Code.BROKEN_STRUCTURE, Code.TOO_COSTLY}
ELF = b"\x7fELF\x02\x01\x01" + bytes(57)
PE = b"MZ" + bytes(58) + (64).to_bytes(4, "little") + b"PE\0\0" + bytes(60)
MACHO = b"\xcf\xfa\xed\xfe" + bytes(60)
JAVA = b"\xca\xfe\xba\xbe\0\0\0\x34" + bytes(60)
TAR = b"setup.exe".ljust(257, b"\0") + b"ustar\x0000" + bytes(248)
PDF = b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n"

pillow_heif.register_heif_opener()


def zipped(name: str = "setup.exe") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr(name, PE)
    return file.getvalue()


BEHIND = {
    "a ZIP": (zipped(), Code.ARCHIVE_INSIDE),
    "a RAR": (b"Rar!\x1a\x07\x01\0" + bytes(50), Code.ARCHIVE_INSIDE),
    "a 7z": (b"7z\xbc\xaf\x27\x1c\0\x04" + bytes(50), Code.ARCHIVE_INSIDE),
    "a gzip": (b"\x1f\x8b\x08\0" + bytes(50), Code.ARCHIVE_INSIDE),
    "a tar": (TAR, Code.ARCHIVE_INSIDE),
    "a cabinet": (b"MSCF\0\0\0\0" + bytes(50), Code.ARCHIVE_INSIDE),
    "an ELF": (ELF, Code.PROGRAM_INSIDE),
    "a PE": (PE, Code.PROGRAM_INSIDE),
    "a PE after some padding": (b"\0" * 999 + b"padding" + PE, Code.PROGRAM_INSIDE),
    "a Mach-O": (MACHO, Code.PROGRAM_INSIDE),
    "a Java class": (JAVA, Code.PROGRAM_INSIDE),
    "a shell script": (b"#!/bin/sh\nrm -rf /\n", Code.PROGRAM_INSIDE),
    "a PDF": (PDF, Code.DOCUMENT_INSIDE),
    "an OLE document": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(50), Code.DOCUMENT_INSIDE),
    "an RTF": (b"{\\rtf1\\ansi}" + bytes(5), Code.DOCUMENT_INSIDE),
    "a web page": (b"<!DOCTYPE html><html><script>alert(1)</script>", Code.MARKUP_INSIDE),
    "an SVG": (b"<svg xmlns='x' onload='alert(1)'/>", Code.MARKUP_INSIDE),
    "PHP": (b"<?php system($_GET['c']); ?>", Code.MARKUP_INSIDE),
    "words": (b"meet me at noon", Code.TRAILING_BYTES),
    "noise": (bytes(range(1, 256)) * 9, Code.TRAILING_BYTES),
}


def drawn(kind: str, size: tuple[int, int] = (96, 64), **options: object) -> bytes:
    file = io.BytesIO()
    made = Image.effect_mandelbrot(size, (-2, -1, 1, 1), 20).convert("RGB")
    made.save(file, kind, **options)
    return file.getvalue()


GOOD = {JPEG: drawn("JPEG"), PNG: drawn("PNG"), WEBP: drawn("WEBP"), HEIC: drawn("HEIF")}


def everything() -> Iterator[Hostile]:
    for media_type, good in GOOD.items():
        name = media_type.partition("/")[2]
        for percent in (15, 30, 45, 60, 75, 90, 99):
            cut = good[: len(good) * percent // 100]
            yield f"{name} cut at {percent} %", media_type, cut, BROKEN
        for what, (behind, code) in BEHIND.items():
            yield f"{name} with {what} behind", media_type, good + behind, {code}
        yield from _torn(name, media_type, good)
    yield from _jpegs()
    yield from _pngs()
    yield from _webps()
    yield from _heics()


def _torn(name: str, media_type: str, good: bytes) -> Iterator[Hostile]:
    """A good beginning, and then nothing that makes sense; must be survived and said."""
    for number, filler in enumerate((b"\0", b"\xff", b"\x80\x01", b"\xff\xd8\xff\xe0")):
        torn = good[:40] + filler * (2000 // len(filler))
        yield (
            f"{name} filled up {number}",
            media_type,
            torn,
            BROKEN
            | {
                Code.TOO_MANY_PIXELS,
                Code.TRAILING_BYTES,
                Code.BOMB,
                None,
            },
        )


# --- JPEG ----------------------------------------------------------------------------------------


def segment(marker: int, data: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(data) + 2).to_bytes(2, "big") + data


def with_segment(made: bytes, good: bytes = GOOD[JPEG]) -> bytes:
    return good[:2] + made + good[2:]


def resized(width: int, height: int, good: bytes = GOOD[JPEG]) -> bytes:
    place = good.index(b"\xff\xc0") + 5
    return good[:place] + struct.pack(">HH", height, width) + good[place + 4 :]


def _jpegs() -> Iterator[Hostile]:
    good = GOOD[JPEG]
    page = b"<script>alert(document.cookie)</script>"
    yield "JPEG, markup in a comment", JPEG, with_segment(segment(0xFE, page)), {Code.MARKUP}
    yield "JPEG, markup in XMP", JPEG, with_segment(segment(0xE1, b"x" + page)), {Code.MARKUP}
    yield "JPEG, PHP in a comment", JPEG, with_segment(segment(0xFE, b"<?php x ?>")), {Code.MARKUP}
    pdf = with_segment(segment(0xFE, PDF))
    yield "JPEG that is a PDF as well", JPEG, pdf, {Code.DOCUMENT_INSIDE}
    script = b"\xff\xd8\xff\xe0/*" + b"JFIF\0\1\1\0\0\1\0\1\0\0".ljust(0x2F2A - 2, b"\0")
    script += segment(0xFE, b"*/=alert(1);/*") + good[20:]
    yield "JPEG that is JavaScript as well", JPEG, script, {Code.SCRIPT_INSIDE}
    for sides in ((65535, 65535), (65500, 4000), (0, 0), (0, 64), (30000, 30000)):
        yield f"JPEG of {sides}", JPEG, resized(*sides), {Code.TOO_MANY_PIXELS}
    frame = good.index(b"\xff\xc0")
    second = good[frame : frame + 19]
    twice = good[:frame] + second.replace(b"\0\x40\0\x60", b"\0\x41\0\x61") + good[frame:]
    yield "JPEG with two sizes", JPEG, twice, {Code.BROKEN_STRUCTURE}
    waves = drawn("JPEG", progressive=True)
    last = waves.rindex(b"\xff\xda")
    scan = waves[last:-2]
    endless = waves[:-2] + scan * 5000 + waves[-2:]
    yield "JPEG of 5000 scans", JPEG, endless, {Code.BOMB}
    yield "JPEG of 70000 comments", JPEG, with_segment(segment(0xFE, b"") * 70000), {Code.BOMB}
    yield "JPEG without a frame", JPEG, b"\xff\xd8\xff\xfe\0\x04ab\xff\xd9", {Code.BROKEN_STRUCTURE}
    tables = good.replace(b"\xff\xdb", b"\xff\xfe")
    yield "JPEG without tables", JPEG, tables, BROKEN
    bare = good.replace(b"\xff\xc4", b"\xff\xfe")  # decoders know some by heart
    yield "JPEG without codes", JPEG, bare, BROKEN | {None}
    codes = good.index(b"\xff\xc4")
    mad = good[: codes + 5] + b"\xff" * 16 + good[codes + 21 :]
    yield "JPEG with mad codes", JPEG, mad, BROKEN
    precise = good[: frame + 4] + b"\x10" + good[frame + 5 :]
    yield "JPEG of 16 bits", JPEG, precise, BROKEN
    many = good[: frame + 9] + b"\xff" + good[frame + 10 :]
    yield "JPEG of 255 colours", JPEG, many, BROKEN
    hidden = good + drawn("JPEG", (32, 32))
    yield "JPEG with another behind it", JPEG, hidden, {Code.TRAILING_BYTES}
    film = good + b"\0\0\0\x18ftypmp42\0\0\0\0isommp42\0\0\0\x08mdat"
    yield "JPEG with a film behind it", JPEG, film, {Code.TRAILING_BYTES}
    phone = good + b"\0\0\1\x01hidden" + b"SEFHxxxxSEFT"
    yield "JPEG with a phone's own behind it", JPEG, phone, {Code.TRAILING_BYTES}
    for name, exif in _exifs():
        yield (
            f"JPEG whose EXIF {name}",
            JPEG,
            with_segment(segment(0xE1, b"Exif\0\0" + exif)),
            {Code.ABSURD_METADATA},
        )


# --- EXIF ----------------------------------------------------------------------------------------


def tiff(*fields: tuple[int, int, int, bytes], sub: bytes = b"", after: bytes = b"\0" * 4) -> bytes:
    """A TIFF of one directory; each field has a tag, a type, a count and its value or place."""
    listed = b"".join(
        struct.pack("<HHI", tag, kind, count) + value for tag, kind, count, value in fields
    )
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(fields)) + listed + after + sub


def text(tag: int, value: bytes) -> bytes:
    """A TIFF with one text."""
    return tiff((tag, 2, len(value), struct.pack("<I", 26)), sub=value)


def within(pointer: int, *fields: tuple[int, int, int, bytes], values: bytes = b"") -> bytes:
    """A TIFF whose one field leads to another directory."""
    inner = struct.pack("<H", len(fields))
    inner += b"".join(struct.pack("<HHI", tag, kind, n) + value for tag, kind, n, value in fields)
    return tiff((pointer, 4, 1, struct.pack("<I", 26)), sub=inner + bytes(4) + values)


def place(tag: int, *parts: tuple[int, int], letter: bytes = b"N\0\0\0") -> bytes:
    """A place by its degrees, minutes and seconds, as fractions."""
    values = b"".join(struct.pack("<II", *part) for part in parts)
    at = struct.pack("<I", 26 + 2 + 24 + 4)
    return within(0x8825, (tag, 2, 2, letter), (tag + 1, 5, len(parts), at), values=values)


def taken(value: bytes) -> bytes:
    at = struct.pack("<I", 26 + 2 + 12 + 4)
    return within(0x8769, (0x9003, 2, len(value), at), values=value)


def _exifs() -> Iterator[tuple[str, bytes]]:
    yield "is oriented to 99", tiff((0x0112, 3, 1, struct.pack("<I", 99)))
    yield "is oriented to a text", tiff((0x0112, 2, 4, b"abc\0"))
    yield "has a make that never ends", text(0x010F, b"A" * 60_000)
    yield "has a model that rings", text(0x0110, b"\x07\x1b[2JModel\0")
    yield "has a program that turns the letters", text(0x0131, "ab\u202egpj.exe".encode())
    yield "was taken in month 99", taken(b"2026:99:99 99:99:99\0")
    yield "was taken in the year 0001", taken(b"0001:01:01 00:00:00\0")
    yield "was taken in the year 9999", taken(b"9999:12:31 23:59:59\0")
    yield "was taken yesterday", taken(b"yesterday, I think \0")
    yield "was taken in other digits", taken("٢٠٢٦:01:01 00:00:00".encode())
    degrees = ((10, 1), (0, 1), (0, 1))
    yield "is at 999 degrees", place(1, (999, 1), (0, 1), (0, 1))
    yield "is at 181 degrees east", place(3, (181, 1), (0, 1), (0, 1), letter=b"E\0\0\0")
    yield "is at nothing by nothing", place(1, (0, 0), (0, 0), (0, 0))
    yield "is at infinity", place(1, (2**32 - 1, 1), (2**32 - 1, 1), (1, 1))
    yield "is at one number", place(1, (10, 1))
    yield "is in no direction", place(1, *degrees, letter=b"Q\0\0\0")
    yield "is in a direction that is no letter", place(1, *degrees, letter=b"\xff\xfe\0\0")


# --- PNG -----------------------------------------------------------------------------------------


def chunk(kind: bytes, data: bytes) -> bytes:
    crc = zlib.crc32(kind + data).to_bytes(4, "big")
    return len(data).to_bytes(4, "big") + kind + data + crc


def png(*chunks: bytes, sides: tuple[int, int] = (8, 8), depth: int = 8, colour: int = 2) -> bytes:
    head = struct.pack(">IIBBBBB", *sides, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + b"".join(chunks) + chunk(b"IEND", b"")


def rows(width: int, height: int, size: int = 3) -> bytes:
    return chunk(b"IDAT", zlib.compress(bytes((width * size + 1) * height), 9))


def bomb(size: int) -> bytes:
    """So many zeros, deflated."""
    deflating = zlib.compressobj(9)
    made = [deflating.compress(bytes(2**20)) for _ in range(size // 2**20)]
    return b"".join((*made, deflating.flush()))


BOMB = bomb(64 * 2**20)


def _pngs() -> Iterator[Hostile]:
    good = rows(8, 8)
    for sides in ((2**31 - 1, 2**31 - 1), (100_000, 100_000), (65_535, 65_535), (0, 0), (1, 2**20)):
        yield f"PNG of {sides}", PNG, png(good, sides=sides), {Code.TOO_MANY_PIXELS}
    yield "PNG whose text explodes", PNG, png(chunk(b"zTXt", b"a\0\0" + BOMB), good), {Code.BOMB}
    inner = chunk(b"iTXt", b"a\0\1\0\0\0" + BOMB)
    yield "PNG whose other text explodes", PNG, png(inner, good), {Code.BOMB}
    yield "PNG whose profile explodes", PNG, png(chunk(b"iCCP", b"a\0\0" + BOMB), good), {Code.BOMB}
    packed = chunk(b"IDAT", BOMB)
    yield "PNG whose rows explode", PNG, png(packed, sides=(7000, 9000)), BROKEN | {None}
    yield "PNG of 70000 chunks", PNG, png(chunk(b"teXt", b"") * 70_000, good), {Code.BOMB}
    moving = chunk(b"acTL", struct.pack(">II", 20_000, 0))
    yield "PNG of 20000 frames", PNG, png(moving, good), {Code.BOMB}
    yield (
        "PNG that moves",
        PNG,
        png(chunk(b"acTL", struct.pack(">II", 2, 0)), good),
        {Code.ANIMATED},
    )
    script = chunk(b"tEXt", b"Comment\0<script>alert(1)</script>")
    yield "PNG with markup in it", PNG, png(script, good), {Code.MARKUP}
    hidden = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"<svg onload=alert(1)>"))
    yield "PNG with packed markup in it", PNG, png(hidden, good), {Code.MARKUP}
    yield "PNG without rows", PNG, png(), BROKEN
    yield "PNG with rows that are no deflate", PNG, png(chunk(b"IDAT", b"nothing")), BROKEN
    wrong = png(good).replace(good[-4:], b"\0\0\0\0")
    yield "PNG with a wrong sum", PNG, wrong, BROKEN
    yield "PNG with a chunk that is too long", PNG, png(b"\x7f\xff\xff\xffIDAT"), BROKEN
    yield "PNG with a chunk of no name", PNG, png(b"\0\0\0\0\0\1\2\3" + bytes(4), good), BROKEN
    yield "PNG of 3 bits", PNG, png(good, depth=3), BROKEN
    yield "PNG of colour 99", PNG, png(good, colour=99), BROKEN
    yield "PNG without its palette", PNG, png(rows(8, 8, 1), colour=3), BROKEN | {None}
    absurd = chunk(b"eXIf", tiff((0x0112, 3, 1, struct.pack("<I", 99))))
    yield "PNG with absurd EXIF", PNG, png(absurd, good), {Code.ABSURD_METADATA}


# --- WEBP ----------------------------------------------------------------------------------------


def riff(*chunks: tuple[bytes, bytes], size: int | None = None) -> bytes:
    made = b"WEBP" + b"".join(
        kind + len(data).to_bytes(4, "little") + data + b"\0" * (len(data) % 2)
        for kind, data in chunks
    )
    return b"RIFF" + (len(made) if size is None else size).to_bytes(4, "little") + made


def lossless(width: int, height: int) -> bytes:
    return b"\x2f" + ((width - 1) | (height - 1) << 14).to_bytes(4, "little") + bytes(40)


def extended(width: int, height: int) -> bytes:
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return bytes(4) + sides


def _webps() -> Iterator[Hostile]:
    good = GOOD[WEBP]
    inner = good[20:]
    yield (
        "WEBP of 268 megapixels",
        WEBP,
        riff((b"VP8L", lossless(16384, 16384))),
        {Code.TOO_MANY_PIXELS},
    )
    yield (
        "WEBP on a huge canvas",
        WEBP,
        riff((b"VP8X", extended(2**24, 2**24))),
        {Code.TOO_MANY_PIXELS},
    )
    yield "WEBP of nonsense", WEBP, riff((b"VP8L", lossless(64, 64))), BROKEN
    yield "WEBP without a picture", WEBP, riff((b"VP8X", extended(9, 9))), BROKEN
    longer = good[:4] + (len(good) * 9).to_bytes(4, "little") + good[8:]
    yield "WEBP that says it is longer", WEBP, longer, BROKEN
    shorter = good[:4] + (40).to_bytes(4, "little") + good[8:]
    yield "WEBP that says it is shorter", WEBP, shorter, BROKEN | {Code.TRAILING_BYTES}
    page = (b"XMP ", b"<html><script>alert(1)</script>")
    marked = riff((b"VP8X", b"\4\0\0\0" + extended(96, 64)[4:]), (b"VP8 ", inner), page)
    yield "WEBP with markup in it", WEBP, marked, {Code.MARKUP}
    comment = riff((b"VP8 ", inner), (b"JUNK", b"*/=alert(1)//"), size=0x2A2F)
    yield "WEBP that is JavaScript as well", WEBP, comment, {Code.SCRIPT_INSIDE}
    yield (
        "WEBP of 70000 chunks",
        WEBP,
        riff((b"VP8 ", inner), *[(b"JUNK", b"")] * 70_000),
        {Code.BOMB},
    )
    frames = [(b"ANMF", bytes(16))] * 20_000
    yield "WEBP of 20000 frames", WEBP, riff((b"VP8X", extended(9, 9)), *frames), {Code.BOMB}
    blank = b"\0\0\0\x9d\x01\x2a\x40\0\x40\0" + bytes(9)
    yield "WEBP with an empty frame", WEBP, riff((b"VP8 ", blank)), BROKEN


# --- HEIC ----------------------------------------------------------------------------------------


def box(kind: bytes, *inside: bytes) -> bytes:
    data = b"".join(inside)
    return (len(data) + 8).to_bytes(4, "big") + kind + data


FTYP = box(b"ftyp", b"heic\0\0\0\0mif1heic")


def _heics() -> Iterator[Hostile]:
    good = GOOD[HEIC]
    at = good.index(b"ispe") + 8
    for sides in ((2**31, 2**31), (65_535, 65_535), (16_384, 16_384), (2**32 - 1, 1)):
        grown = good[:at] + struct.pack(">II", *sides) + good[at + 8 :]
        yield f"HEIC of {sides}", HEIC, grown, {Code.TOO_MANY_PIXELS}
    nothing = good[:at] + bytes(8) + good[at + 8 :]
    yield "HEIC of no size", HEIC, nothing, BROKEN | {None}
    yield "HEIC without a picture", HEIC, FTYP + box(b"mdat", bytes(99)), {Code.BROKEN_STRUCTURE}
    deep = b""
    for _ in range(3000):
        deep = box(b"meta", bytes(4), deep)
    yield "HEIC of 3000 boxes in each other", HEIC, FTYP + deep, BROKEN
    many = FTYP + box(b"meta", bytes(4)) + box(b"free") * 70_000
    yield "HEIC of 70000 boxes", HEIC, many, {Code.BOMB}
    endless = FTYP + box(b"meta", bytes(4)) + b"\0\0\0\1mdat" + b"\xff" * 8
    yield "HEIC with a box beyond the end of all", HEIC, endless, BROKEN
    yield "HEIC with a box of four bytes", HEIC, good + b"\0\0\0\4free", {Code.TRAILING_BYTES}
    items = good.index(b"iloc")
    lost = good[: items + 8] + b"\xff" * 40 + good[items + 48 :]
    yield "HEIC whose parts lie nowhere", HEIC, lost, BROKEN
    codec = good.index(b"hvcC")
    mad = good[: codec + 8] + b"\xff" * 24 + good[codec + 32 :]
    yield "HEIC of a mad codec", HEIC, mad, BROKEN | {None}
