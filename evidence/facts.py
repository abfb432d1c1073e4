"""Facts of a picture, a document or a film, as its file tells them; who reads them may doubt them.

All values are whole numbers and short printable strings, within bounds. They come out of the
darkroom, where hostile files are opened, and are read strictly.

| name | of | is |
|---|---|---|
| width, height | all | in pixels, upright; of a document, of its first page's image |
| frames | animated pictures | how many |
| pages | documents | how many |
| duration_ms | films | milliseconds |
| perceptual | all that can be seen | a 64-bit perceptual hash; near pictures differ in few bits |
| contrast | the same | standard deviation of its grey, 0 to 128; near 0 the hash says nothing |
| exif | pictures, films | made_at (local, no zone), offset (+HH:MM), make, model, software, |
| | | orientation (1 to 8), latitude_e7, longitude_e7 (degrees times 10^7), altitude_cm, |
| | | placed_at (the satellites' time, UTC) |
| document | documents | producer, creator, created, modified |
"""

import re
from collections.abc import Mapping
from typing import Any

from evidence.errors import Malformed

TEXT_MAX = 200

_NUMBERS = {
    "width": (1, 65_535),
    "height": (1, 65_535),
    "frames": (1, 2**31),
    "pages": (0, 2**31),
    "duration_ms": (0, 2**40),
    "contrast": (0, 128),
}
_EXIF_NUMBERS = {
    "orientation": (1, 8),
    "latitude_e7": (-900_000_000, 900_000_000),
    "longitude_e7": (-1_800_000_000, 1_800_000_000),
    "altitude_cm": (-1_500_000, 10_000_000),
}
_EXIF_TEXTS = frozenset({"made_at", "offset", "make", "model", "software", "placed_at"})
_DOCUMENT_TEXTS = frozenset({"producer", "creator", "created", "modified"})
_HASH = re.compile(r"[0-9a-f]{16}")


def write(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Give facts as canonical JSON can hold them: the perceptual hash in hex."""
    if "perceptual" not in facts:
        return dict(facts)
    return dict(facts) | {"perceptual": f"{facts['perceptual']:016x}"}


def read(value: Any) -> dict[str, Any]:
    """Read what `write` gave; Malformed for a name that is not in the table, or beyond bounds."""
    if not isinstance(value, dict):
        raise Malformed("facts have names")
    facts: dict[str, Any] = {}
    for name, fact in value.items():
        if name == "perceptual":
            if not isinstance(fact, str) or not _HASH.fullmatch(fact):
                raise Malformed("a perceptual hash is 16 digits of hex")
            facts[name] = int(fact, 16)
        elif name == "exif":
            facts[name] = _group(fact, _EXIF_NUMBERS, _EXIF_TEXTS)
        elif name == "document":
            facts[name] = _group(fact, {}, _DOCUMENT_TEXTS)
        else:
            facts[name] = _number(name, fact, _NUMBERS)
    return facts


def _group(
    value: Any, numbers: Mapping[str, tuple[int, int]], texts: frozenset[str]
) -> dict[str, int | str]:
    if not isinstance(value, dict):
        raise Malformed("these facts have names")
    group: dict[str, int | str] = {}
    for name, fact in value.items():
        if name not in texts:
            group[name] = _number(name, fact, numbers)
        elif isinstance(fact, str) and 0 < len(fact) <= TEXT_MAX and fact.isprintable():
            group[name] = fact
        else:
            raise Malformed(f"{name} is a short printable text")
    return group


def _number(name: str, fact: Any, numbers: Mapping[str, tuple[int, int]]) -> int:
    least, most = numbers.get(name, (1, 0))
    if isinstance(fact, bool) or not isinstance(fact, int) or not least <= fact <= most:
        raise Malformed("a fact without a name that is known, or beyond its bounds")
    return fact
