"""PDF: what could run, be launched, be sent or be hidden (ISO 32000-1, 7.5, 7.11, 12.6).

Names are looked for in the whole file, with their escapes undone, and in the object streams,
inflated within bounds. Streams of other kinds hold no objects; there only names so long that
chance does not spell them are looked for, since a false `stream` could hide anything.
"""

import re
import zlib
from collections.abc import Iterator

from evidence.flags import Code, Fact, Flag
from evidence.inspection import marks
from evidence.inspection.content import Content

INFLATED_MAX = 64 * 1024 * 1024
STREAMS_MAX = 100_000
_ESCAPE = re.compile(rb"#([0-9A-Fa-f]{2})")
_STREAM = re.compile(rb"stream\r?\n")
_END = b"endstream"
_DICTIONARY_MAX = 4096
_OBJECTS = re.compile(rb"/Type\s*/ObjStm(?![A-Za-z0-9])")
_FILES = re.compile(rb"/Type\s*/EmbeddedFile(?![A-Za-z0-9])")
_FILTER = re.compile(rb"/Filter\s*(\[[^\]]*\]|/[A-Za-z0-9]+)")
_FLATE = {b"/FlateDecode", b"/Fl"}
_NAME_END = rb"(?![A-Za-z0-9_.+-])"


def _named(*names: bytes) -> re.Pattern[bytes]:
    return re.compile(rb"/(?:" + rb"|".join(names) + rb")" + _NAME_END)


# Long enough to be looked for everywhere, also in what claims to be a stream.
_LONG = {
    Code.PDF_JAVASCRIPT: _named(rb"JavaScript"),
    Code.PDF_LAUNCH: _named(rb"Launch"),
    Code.PDF_RICH_MEDIA: _named(rb"RichMedia\w*", rb"Rendition"),
    Code.PDF_FILES: _named(rb"EmbeddedFiles?", rb"GoToE"),
    Code.PDF_SUBMITS: _named(rb"SubmitForm", rb"ImportData"),
    Code.PDF_ACTION: _named(rb"OpenAction"),
    Code.PDF_ENCRYPTED: _named(rb"Encrypt"),
}
# Looked for outside of streams only.
_SHORT = {
    Code.PDF_JAVASCRIPT: re.compile(rb"/JS\s*[(<\d]"),
    Code.PDF_XFA: re.compile(rb"/XFA\s*[\[<\d]"),
    Code.PDF_ACTION: re.compile(rb"/AA\s*[<\d]"),
    Code.PDF_RICH_MEDIA: re.compile(rb"/(?:Subtype|S)\s*/(?:3D|Movie|Sound|Screen)" + _NAME_END),
}


def inspect(content: Content) -> list[Flag]:
    """Look through a PDF."""
    data = content.whole()
    found: list[Flag] = []
    if marks.has_markup(data[: marks.HEAD]):
        found.append(Flag.of(Code.MARKUP_INSIDE, where="head"))
    end = data.rfind(b"%%EOF") + len(b"%%EOF")
    rest = data[end:]
    if rest.strip(b"\0\r\n\t %"):
        strange = marks.anywhere(rest)
        if strange is not None:
            found.append(Flag.of(strange, where="behind"))
        found.append(Flag.of(Code.TRAILING_BYTES, size=len(rest), kinds=["unknown"]))
    found += _names(data, _LONG)
    plain, streams = _divide(data)
    found += _names(plain, _SHORT)
    found += _streams(data, streams)
    return found


def _names(data: bytes, wanted: dict[Code, re.Pattern[bytes]]) -> Iterator[Flag]:
    # An escaped name is looked for in a copy of the neighbourhood of escapes only: rare, short.
    escaped = _unescaped(data)
    for code, pattern in wanted.items():
        seen = pattern.search(data) or pattern.search(escaped)
        if seen is not None:
            facts: dict[str, Fact] = {"name": seen[0][1:40].decode("latin-1").strip()}
            yield Flag.of(code, **facts)


_ESCAPED_NAME = re.compile(
    rb"/[!-.0-;=?-Z\\^-z|~]*#[0-9A-Fa-f]{2}[!-.0-;=?-Z\\^-z|~]*.{0,8}", re.DOTALL
)


def _unescaped(data: bytes) -> bytes:
    """The names that hold escapes, written without them, with what follows each."""
    return b"\n".join(
        _ESCAPE.sub(lambda code: bytes((int(code[1], 16),)), name[0])
        for name in _ESCAPED_NAME.finditer(data)
    )


def _divide(data: bytes) -> tuple[bytes, list[tuple[int, int]]]:
    """Part what stands outside of streams from where the streams begin and end."""
    plain: list[bytes] = []
    streams: list[tuple[int, int]] = []
    place = 0
    while len(streams) < STREAMS_MAX:
        begins = _STREAM.search(data, place)
        if begins is None:
            break
        ends = data.find(_END, begins.end())
        if ends < 0:
            break
        plain.append(data[place : begins.start()])
        streams.append((begins.end(), ends))
        place = ends + len(_END)
    plain.append(data[place:])
    return b"\n".join(plain), streams


def _streams(data: bytes, streams: list[tuple[int, int]]) -> Iterator[Flag]:
    """Inflate the streams that hold objects or files, and look at what they hold."""
    if len(streams) == STREAMS_MAX:
        yield Flag.of(Code.BOMB, what="streams")
        return
    room = INFLATED_MAX
    for start, end in streams:
        dictionary = _dictionary(data, start)
        is_objects = _OBJECTS.search(dictionary) is not None
        if not is_objects and _FILES.search(dictionary) is None:
            continue
        filters = _filters(dictionary)
        if filters and (len(filters) > 1 or filters[0] not in _FLATE):
            if is_objects:
                yield Flag.of(Code.PDF_OBSCURED, what="filters")
            continue
        inflated = _inflate(data[start:end], room) if filters else data[start:end]
        room -= len(inflated)
        if room <= 0:
            yield Flag.of(Code.BOMB, what="streams")
            return
        if is_objects:
            yield from _names(inflated, _LONG)
            yield from _names(inflated, _SHORT)
        else:
            strange = marks.stranger(inflated)
            if strange in {Code.PROGRAM_INSIDE, Code.ARCHIVE_INSIDE}:
                yield Flag.of(strange, where="embedded")


def _dictionary(data: bytes, start: int) -> bytes:
    """The dictionary before a stream, back to its object's beginning, without escapes."""
    before = data[max(start - _DICTIONARY_MAX, 0) : start]
    own = before[before.rfind(b"obj") + 3 :]
    return _ESCAPE.sub(lambda code: bytes((int(code[1], 16),)), own)


def _filters(dictionary: bytes) -> list[bytes]:
    found = _FILTER.search(dictionary)
    if found is None:
        # A filter that is an object of its own could be anything.
        return [b"?"] if b"/Filter" in dictionary else []
    return re.findall(rb"/[A-Za-z0-9]+", found[1])


def _inflate(packed: bytes, room: int) -> bytes:
    """Inflate as far as there is room; what is broken, as far as it goes."""
    inflating = zlib.decompressobj()
    try:
        return inflating.decompress(packed.lstrip(b"\r\n"), room)
    except zlib.error:
        return b""
