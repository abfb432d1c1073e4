"""What a file is, by its content: the types that the vault takes, each with its telling marks.

An Inspector sees a file's bytes once, in order, in constant memory (JSON, which is parsed
whole, has a limit of its own). It is strict and shallow: it refuses what is plainly not the
declared type. What hides inside a file of the right type (bytes after the end, active content,
bombs) is the inspector's matter (evidence/inspection), and no picture is decoded here. Why no
library: the well-kept ones answer "what might this be" from a few leading bytes; here the question
is "is it this".
"""

import codecs
import json
import re
import struct
from collections.abc import Callable, Mapping
from types import MappingProxyType

from evidence.errors import TypeMismatch

MIB = 1024 * 1024

# The most bytes that a file of each type may have; also the list of types that are taken.
SIZE_MAX: Mapping[str, int] = MappingProxyType(
    {
        "image/jpeg": 50 * MIB,
        "image/png": 50 * MIB,
        "image/webp": 50 * MIB,
        "image/heic": 50 * MIB,
        "application/pdf": 100 * MIB,
        "video/mp4": 2048 * MIB,
        "text/plain": 10 * MIB,
        "message/rfc822": 50 * MIB,
        "application/json": 8 * MIB,
        "text/csv": 50 * MIB,
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": 50 * MIB,
    }
)

_HEAD_SIZE = 64 * 1024
_TAIL_SIZE = 256 * 1024
_EOF_WITHIN = 1024  # PDF 32000-1, Annex H: readers look for %%EOF in the last 1024 bytes
_FTYP_MIN, _FTYP_MAX = 16, 4096
_HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_MP4 = {b"mp41", b"mp42", b"mp71", b"avc1", b"dash", b"M4V ", b"MSNV"} | {
    b"iso%d" % number for number in range(2, 10)
} | {b"isom"}  # fmt: skip
_AVIF = {b"avif", b"avis"}
_CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f]")
_HEADER = re.compile(rb"([!-9;-~]+):")  # RFC 5322 3.6.8: a field's name
_ZIP_END = struct.Struct("<4s4H2LH")
_ZIP_MEMBER = struct.Struct("<4s6H3L5H2L")
_XLSX_PARTS = re.compile(r"\[Content_Types\]\.xml|(_rels|docProps|xl|customXml)/[^\\]*")


class Inspector:
    """Feed it a file's bytes in order, then finish; TypeMismatch as soon as a mark is wrong."""

    def __init__(self, media_type: str) -> None:
        self._media_type = media_type
        self._head_check, self._tail_check = _CHECKS[media_type]
        self._is_text = media_type in _TEXTS
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._head = bytearray()
        self._tail = bytearray()
        self._tail_size = SIZE_MAX[media_type] if media_type == "application/json" else _TAIL_SIZE
        self._head_checked = False

    def feed(self, piece: bytes) -> None:
        """See the next bytes."""
        if len(self._head) < _HEAD_SIZE:
            self._head += piece[: _HEAD_SIZE - len(self._head)]
        if self._tail_check is not None:
            self._tail += piece
            del self._tail[: -self._tail_size]
        if self._is_text:
            self._check_text(piece, last=False)
        if len(self._head) == _HEAD_SIZE:
            self._check_head()

    def finish(self) -> None:
        """Say that the file is over."""
        if self._is_text:
            self._check_text(b"", last=True)
        self._check_head()
        if self._tail_check is not None:
            self._refuse(self._tail_check(bytes(self._tail)))

    def _check_head(self) -> None:
        if not self._head_checked:
            self._head_checked = True
            self._refuse(self._head_check(bytes(self._head)))

    def _check_text(self, piece: bytes, *, last: bool) -> None:
        try:
            text = self._decoder.decode(piece, final=last)
        except UnicodeDecodeError:
            self._refuse("text must be UTF-8")
        else:
            self._refuse("it holds control characters" if _CONTROL.search(text) else None)

    def _refuse(self, reason: str | None) -> None:
        if reason is not None:
            raise TypeMismatch(self._media_type, reason)


# Each check gives the reason why the bytes are not of the type, None if they may be.
_Check = Callable[[bytes], str | None]


def _begins(*marks: bytes) -> _Check:
    def check(head: bytes) -> str | None:
        return None if head.startswith(marks) else "it begins differently"

    return check


def _check_webp(head: bytes) -> str | None:
    if head[:4] != b"RIFF" or head[8:12] != b"WEBP":
        return "it begins differently"
    return None if head[12:16] in {b"VP8 ", b"VP8L", b"VP8X"} else "it holds no picture"


def _check_brands(wanted: set[bytes], unwanted: set[bytes]) -> _Check:
    """Look at the brands of an ISO base media file (ISO/IEC 14496-12, 4.3)."""

    def check(head: bytes) -> str | None:
        size = int.from_bytes(head[:4], "big")
        if head[4:8] != b"ftyp" or not _FTYP_MIN <= size <= min(_FTYP_MAX, len(head)) or size % 4:
            return "it begins differently"
        major = head[8:12]
        brands = {major} | {head[at : at + 4] for at in range(16, size, 4)}
        if major in unwanted or not brands & wanted:
            return "its brands are of another format"
        return None

    return check


def _check_pdf_end(tail: bytes) -> str | None:
    return None if b"%%EOF" in tail[-_EOF_WITHIN:] else "it does not end like one"


def _check_plain(head: bytes) -> str | None:
    if head.removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"<":
        return "it begins like markup"
    return None


def _check_mail(head: bytes) -> str | None:
    fields, _, _ = head.replace(b"\r\n", b"\n").partition(b"\n\n")
    lines = fields.split(b"\n")
    if lines[0].startswith(b"From "):  # the envelope line of a mailbox file
        lines = lines[1:]
    names = set()
    for line in lines[:-1] if len(head) == _HEAD_SIZE else lines:
        found = _HEADER.match(line)
        if found:
            names.add(found[1].lower())
        elif not line.startswith((b" ", b"\t")) and line:
            return "it has no mail header"
    return None if {b"from", b"date"} <= names else "its header has no From or no Date"


def _check_json(whole: bytes) -> str | None:
    try:
        json.loads(whole.removeprefix(codecs.BOM_UTF8))
    except (ValueError, RecursionError):
        return "it does not parse"
    return None


def _check_xlsx_end(tail: bytes) -> str | None:
    names = _zip_names(tail)
    if names is None:
        return "its directory is missing or broken"
    if not {"[Content_Types].xml", "xl/workbook.xml"} <= names:
        return "it holds no workbook"
    if any(".." in name or not _XLSX_PARTS.fullmatch(name) for name in names):
        return "it holds what no workbook holds"
    if any(name.lower().endswith("vbaproject.bin") for name in names):
        return "it holds macros"
    return None


def _zip_names(tail: bytes) -> set[str] | None:
    """Read a ZIP's directory (PKWARE APPNOTE 4.3.12, 4.3.16) at the very end of the file."""
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or len(tail) - end < _ZIP_END.size:
        return None
    _, _, _, _, count, size, _, comment = _ZIP_END.unpack_from(tail, end)
    if end + _ZIP_END.size + comment != len(tail) or size > end:
        return None
    names, place = set(), end - size
    for _ in range(count):
        if place + _ZIP_MEMBER.size > end:
            return None
        name_size, extra, remark = _ZIP_MEMBER.unpack_from(tail, place)[10:13]
        place += _ZIP_MEMBER.size
        names.add(tail[place : place + name_size].decode("utf-8", "replace"))
        place += name_size + extra + remark
    return names if place == end else None


def _nothing(_: bytes) -> str | None:
    return None


_TEXTS = {"text/plain", "text/csv", "application/json"}
_CHECKS: dict[str, tuple[_Check, _Check | None]] = {
    "image/jpeg": (_begins(b"\xff\xd8\xff"), None),
    "image/png": (_begins(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"), None),
    "image/webp": (_check_webp, None),
    "image/heic": (_check_brands(_HEIC, _MP4 | _AVIF), None),
    "application/pdf": (_begins(b"%PDF-1.", b"%PDF-2."), _check_pdf_end),
    "video/mp4": (_check_brands(_MP4, _HEIC | _AVIF), None),
    "text/plain": (_check_plain, None),
    "message/rfc822": (_check_mail, None),
    "application/json": (_nothing, _check_json),
    "text/csv": (_check_plain, None),
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": (
        _begins(b"PK\x03\x04"),
        _check_xlsx_end,
    ),
}
