"""Marks by which other formats are told inside of, or behind, a file that is something else.

One file that two programs read as two formats is the oldest trick: the browser shows a picture,
the archiver unpacks a program. It looks for what such a second reader looks for.
"""

import re
import struct

from evidence.flags import Code, Flag
from evidence.inspection.content import Content

HEAD = 1024  # PDF readers look for their header in the first 1024 bytes
_ZIP_END = struct.Struct("<4s4H2LH")
_ZIP_COMMENT_MAX = 65_535
_PROGRAMS = (
    *(b"\x7fELF", b"\xca\xfe\xba\xbe", b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf"),
    *(b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe", b"dex\n03", b"\0asm\1\0\0\0"),
)
_SCRIPT = re.compile(rb"#! ?/")
_ARCHIVES = (
    *(b"PK\x03\x04", b"PK\x05\x06", b"Rar!\x1a\x07", b"7z\xbc\xaf\x27\x1c", b"\x1f\x8b\x08"),
    *(b"BZh1", b"BZh9", b"\xfd7zXZ\0", b"MSCF\0\0\0\0", b"!<arch>\n", b"\x28\xb5\x2f\xfd"),
)
_DOCUMENTS = (b"%PDF-", b"{\\rtf", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"ITSF\3\0\0\0")
# In lower case, each with letters at its beginning, which are found fast.
_MARKUP = (
    re.compile(rb"<(?:!doctype\s+html|html|script|svg|iframe|object|embed|body|\?php)[\s>/]"),
    re.compile(rb"javascript\s{0,9}:"),
    re.compile(rb"on(?:error|load|click)\s{0,9}="),
)
_TAR_AT = 257
_PE_AT = 0x3C
_PE_MAX = 4096


def stranger(data: bytes) -> Code | None:
    """Tell which kind of other format begins with the first of these bytes."""
    if data.startswith(_PROGRAMS) or _SCRIPT.match(data) or _is_pe(data):
        return Code.PROGRAM_INSIDE
    if data.startswith(_ARCHIVES) or data[_TAR_AT : _TAR_AT + 5] == b"ustar":
        return Code.ARCHIVE_INSIDE
    if data.startswith(_DOCUMENTS):
        return Code.DOCUMENT_INSIDE
    start = data[:HEAD].lstrip(b"\xef\xbb\xbf\0 \t\r\n")
    if start.startswith(b"<") and _MARKUP[0].match(start.lower()):
        return Code.MARKUP_INSIDE
    return None


def has_markup(data: bytes) -> bool:
    """Whether any of these bytes would be a web page's, a drawing's or a script's."""
    lower = data.lower()
    return any(mark.search(lower) for mark in _MARKUP)


def _is_pe(data: bytes) -> bool:
    """Microsoft PE: MZ, and where byte 0x3C points, PE."""
    if data[:2] != b"MZ" or len(data) < _PE_AT + 4:
        return False
    place = int.from_bytes(data[_PE_AT : _PE_AT + 4], "little")
    return place < _PE_MAX and data[place : place + 4] == b"PE\0\0"


def anywhere(data: bytes) -> Code | None:
    """Tell which other format begins at any of these bytes, which belong to no format we know."""
    found = stranger(data.lstrip(b"\0\r\n\t "))
    if found is not None:
        return found
    for place in _places(data):
        found = stranger(data[place : place + _PE_MAX + 4])
        if found is not None:
            return found
    return Code.MARKUP_INSIDE if has_markup(data) else None


_BEGINNINGS = re.compile(
    rb"MZ|" + rb"|".join(re.escape(mark) for mark in (*_PROGRAMS, *_ARCHIVES, *_DOCUMENTS))
)
_PLACES_MAX = 100_000


def _places(data: bytes) -> list[int]:
    places = []
    for found in _BEGINNINGS.finditer(data):
        places.append(found.start())
        if len(places) == _PLACES_MAX:
            break
    return places


def behind_and_before(content: Content) -> list[Flag]:
    """Find what a second reader would: a ZIP by its end, a PDF by its first 1024 bytes."""
    found = []
    head = content.span(0, HEAD)
    if b"%PDF-" in head[1:]:
        found.append(Flag.of(Code.DOCUMENT_INSIDE, kind="pdf"))
    if _ends_as_zip(content):
        found.append(Flag.of(Code.ARCHIVE_INSIDE, kind="zip"))
    return found


def _ends_as_zip(content: Content) -> bool:
    """Whether a ZIP reader finds its directory (PKWARE APPNOTE 4.3.16), wherever the ZIP begins."""
    tail = content.span(content.size - _ZIP_END.size - _ZIP_COMMENT_MAX, 2**17)
    end = tail.rfind(b"PK\x05\x06")
    while end >= 0:
        if len(tail) - end >= _ZIP_END.size:
            _, _, _, _, count, size, _, _ = _ZIP_END.unpack_from(tail, end)
            place = content.size - len(tail) + end - size
            if count and place >= 0 and content.span(place, 4) == b"PK\x01\x02":
                return True
        end = tail.rfind(b"PK\x05\x06", 0, end)
    return False
