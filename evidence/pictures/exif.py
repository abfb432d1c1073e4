"""EXIF (CIPA DC-008) of a picture: the fields that matter as evidence, and which are absurd.

What cannot be is left out and named; what is merely empty is left out. Whether a time or a place
is true is asked elsewhere.
"""

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from PIL import Image

from evidence.facts import TEXT_MAX

SIZE_MAX = 4 * 1024 * 1024
_SUB, _GPS = 0x8769, 0x8825
_TIME = re.compile(
    r"(19|20)\d\d:(0[1-9]|1[0-2]):(0[1-9]|[12]\d|3[01]) ([01]\d|2[0-3]):[0-5]\d:[0-5]\d",
    re.ASCII,
)
_OFFSET = re.compile(r"[+-](0\d|1[0-4]):[0-5]\d", re.ASCII)
_DATE = re.compile(r"(19|20)\d\d:(0[1-9]|1[0-2]):(0[1-9]|[12]\d|3[01])", re.ASCII)
_UNKNOWN = re.compile(r"[0 :\-]*")
_WHOLE_DAY = 24 * 3600


class _Absurd(Exception):  # noqa: N818 - it is caught a few lines further
    """A value that cannot be."""


def read(image: Image.Image) -> tuple[dict[str, int | str], list[str]]:
    """Give the fields by their names in evidence.facts, and the names of those that are absurd."""
    try:
        raw = image.info.get("exif", b"")
        if isinstance(raw, bytes) and len(raw) > SIZE_MAX:
            return {}, ["exif"]
        exif = image.getexif()
        main, sub, gps = dict(exif), exif.get_ifd(_SUB), exif.get_ifd(_GPS)
    except Exception:  # noqa: BLE001 - whatever nonsense makes a parser raise, it is nonsense
        return {}, ["exif"]
    found: dict[str, int | str] = {}
    absurd: list[str] = []
    for name, (fields, tag, make) in _FIELDS.items():
        value = {"main": main, "sub": sub}[fields].get(tag)
        if value is not None:
            _note(name, partial(make, value), found, absurd)
    _note("latitude_e7", partial(_degrees, gps, 1, 90), found, absurd)
    _note("longitude_e7", partial(_degrees, gps, 3, 180), found, absurd)
    _note("altitude_cm", partial(_altitude, gps), found, absurd)
    _note("placed_at", partial(_placed, gps), found, absurd)
    return found, absurd


def _note(
    name: str,
    make: Callable[[], int | str | None],
    found: dict[str, int | str],
    absurd: list[str],
) -> None:
    try:
        value = make()
    except Exception:  # noqa: BLE001 - a value of any type may stand in any field
        absurd.append(name)
    else:
        if value is not None:
            found[name] = value


def _text(value: Any) -> str | None:
    text = value.decode("ascii") if isinstance(value, bytes) else value
    if not isinstance(text, str):
        raise _Absurd
    text = text.rstrip("\0 ").lstrip()
    if len(text) > TEXT_MAX or not text.isprintable():
        raise _Absurd
    return text or None


def _matching(pattern: re.Pattern[str]) -> Callable[[Any], str | None]:
    def make(value: Any) -> str | None:
        text = _text(value)
        if text is None or _UNKNOWN.fullmatch(text):
            return None
        if not pattern.fullmatch(text):
            raise _Absurd
        return text

    return make


def _time(value: Any) -> str | None:
    text = _matching(_TIME)(value)
    return None if text is None else f"{text[:10].replace(':', '-')}T{text[11:]}"


def _orientation(value: Any) -> int | None:
    if value == 0:
        return None
    if not isinstance(value, int) or not 1 <= value <= 8:  # noqa: PLR2004 - DC-008, 4.6.5.1.4
        raise _Absurd
    return value


# Name: where it stands, its tag, and how it is read.
_FIELDS: Mapping[str, tuple[str, int, Callable[[Any], int | str | None]]] = {
    "made_at": ("sub", 0x9003, _time),
    "offset": ("sub", 0x9011, _matching(_OFFSET)),
    "make": ("main", 0x010F, _text),
    "model": ("main", 0x0110, _text),
    "software": ("main", 0x0131, _text),
    "orientation": ("main", 0x0112, _orientation),
}


def _degrees(gps: Mapping[int, Any], tag: int, most: int) -> int | None:
    """Degrees, minutes and seconds with their direction, as degrees times 10^7."""
    if tag + 1 not in gps:
        return None
    parts = [float(part) for part in gps[tag + 1]]
    sign = {"N": 1, "S": -1, "E": 1, "W": -1}[_text(gps.get(tag)) or ""]
    degrees: float = sum(part / 60**power for power, part in enumerate(parts))
    if len(parts) != 3 or not all(part >= 0 for part in parts) or not degrees <= most:  # noqa: PLR2004 - degrees, minutes, seconds
        raise _Absurd
    return sign * round(degrees * 10**7)


def _altitude(gps: Mapping[int, Any]) -> int | None:
    if 6 not in gps:  # noqa: PLR2004 - GPSAltitude
        return None
    below = gps.get(5) in {1, b"\x01"}
    centimetres = round(float(gps[6]) * 100) * (-1 if below else 1)
    if not -1_500_000 <= centimetres <= 10_000_000:  # noqa: PLR2004 - the bounds of evidence.facts
        raise _Absurd
    return centimetres


def _placed(gps: Mapping[int, Any]) -> str | None:
    if 29 not in gps or 7 not in gps:  # noqa: PLR2004 - GPSDateStamp, GPSTimeStamp
        return None
    date = _matching(_DATE)(gps[29])
    if date is None:
        return None
    hours, minutes, seconds = (float(part) for part in gps[7])
    whole = hours * 3600 + minutes * 60 + seconds
    if not 0 <= whole < _WHOLE_DAY:
        raise _Absurd
    clock = int(whole)
    of_day = f"{clock // 3600:02}:{clock // 60 % 60:02}:{clock % 60:02}"
    return f"{date.replace(':', '-')}T{of_day}Z"
