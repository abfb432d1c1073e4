"""The inspector: what hides in a file whose type was recognised (evidence/media.py).

It reads bytes and decodes no picture, but what it reads is hostile: it runs in the darkroom
(evidence/darkroom.py), under that process's limits of memory and time. Every walk has bounds of
its own; what goes beyond them is a bomb.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from evidence import flags
from evidence.flags import Flag
from evidence.inspection import boxes, marks, pdf, raster, text, workbook
from evidence.inspection.content import Content

_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

_LOOKS: Mapping[str, Callable[[Content], list[Flag]]] = MappingProxyType(
    {
        "image/jpeg": raster.inspect_jpeg,
        "image/png": raster.inspect_png,
        "image/webp": raster.inspect_webp,
        "image/heic": boxes.inspect_heic,
        "application/pdf": pdf.inspect,
        "video/mp4": boxes.inspect_mp4,
        "text/plain": text.inspect_text,
        "message/rfc822": text.inspect_mail,
        "application/json": text.inspect_text,
        "text/csv": text.inspect_table,
        _XLSX: workbook.inspect,
    }
)


def inspect(content: Content, media_type: str) -> list[Flag]:
    """Find what hides in a file of this type; one flag for each code, those that refuse first."""
    found = _LOOKS[media_type](content)
    if media_type != _XLSX:
        found = [*found, *marks.behind_and_before(content)]
    return flags.once(found)
