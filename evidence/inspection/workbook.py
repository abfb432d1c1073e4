"""XLSX: the ZIP around it, and what in a workbook runs, links or carries something (ISO 29500).

Every part is inflated once, within bounds; none is parsed.
"""

import re
import zipfile
import zlib
from collections.abc import Iterator

from evidence.flags import Code, Flag
from evidence.inspection import marks
from evidence.inspection.content import Content

PARTS_MAX = 4096
INFLATED_MAX = 256 * 1024 * 1024
RATIO_MAX = 200  # for parts above RATIO_FROM
RATIO_FROM = 8 * 1024 * 1024
_PIECE = 1024 * 1024
_LOCAL_HEAD = 30
_DDE = re.compile(rb"<(?:\w+:)?ddeLink[\s>]")
_ENTITIES = re.compile(rb"<!\s*(?:DOCTYPE|ENTITY)", re.IGNORECASE)
_WIDE = re.compile(rb"<\0?!\0?D\0?O\0?C\0?T\0?Y\0?P\0?E")
_MACROS = ("vbaproject", "macrosheets/", "dialogsheets/")
_OBJECTS = ("embeddings/", "activex/", "ctrlprops/")
_LINKS = ("externallinks/", "connections.xml", "querytables/", "webextensions/")


def inspect(content: Content) -> list[Flag]:
    """Look through a workbook."""
    try:
        with zipfile.ZipFile(content) as archive:
            return list(_archive(archive, content))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError) as error:
        return [Flag.of(Code.BROKEN_STRUCTURE, what=type(error).__name__)]
    except RuntimeError:  # what zipfile raises for a member that needs a password
        return [Flag.of(Code.WORKBOOK_LOCKED)]


def _archive(archive: zipfile.ZipFile, content: Content) -> Iterator[Flag]:
    parts = archive.infolist()
    if len(parts) > PARTS_MAX or sum(part.file_size for part in parts) > INFLATED_MAX:
        yield Flag.of(Code.BOMB, what="parts", parts=len(parts))
        return
    if _overlap(parts, content) or len({part.filename for part in parts}) < len(parts):
        yield Flag.of(Code.BOMB, what="overlap")
        return
    for part in parts:
        if part.file_size > RATIO_FROM and part.file_size > RATIO_MAX * part.compress_size:
            yield Flag.of(Code.BOMB, what="ratio", part=part.filename)
            return
        yield from _by_name(part.filename.lower())
        yield from _part(archive, part)


def _overlap(parts: list[zipfile.ZipInfo], content: Content) -> bool:
    """Whether members share bytes, which makes a small file explode."""
    place = 0
    for part in sorted(parts, key=lambda part: part.header_offset):
        if part.header_offset < place:
            return True
        place = part.header_offset + _LOCAL_HEAD + part.compress_size
    return place > content.size


def _by_name(name: str) -> Iterator[Flag]:
    for marked, code in (
        (_MACROS, Code.WORKBOOK_MACROS),
        (_OBJECTS, Code.WORKBOOK_OBJECTS),
        (_LINKS, Code.WORKBOOK_LINKS),
    ):
        if any(mark in name for mark in marked):
            yield Flag.of(code, part=name)


def _part(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> Iterator[Flag]:
    is_xml = part.filename.lower().endswith((".xml", ".rels", ".vml"))
    links = "externallinks/" in part.filename.lower()
    with archive.open(part) as opened:
        piece = opened.read(_PIECE)
        strange = marks.stranger(piece)
        if strange is not None and not (is_xml and strange is Code.MARKUP_INSIDE):
            yield Flag.of(strange, part=part.filename)
        if is_xml and (_ENTITIES.search(piece) or _WIDE.search(piece)):
            yield Flag.of(Code.WORKBOOK_ENTITIES, part=part.filename)
        while piece:
            if links and _DDE.search(piece):
                yield Flag.of(Code.WORKBOOK_DDE, part=part.filename)
                return
            piece = opened.read(_PIECE)
