"""A film's poster: one early frame, by FFmpeg's libraries (PyAV), which come with their wheel.

Not the ffmpeg program: it would be another thing to install, to find and to keep on a leash; in
the darkroom the libraries are under that process's limits and can open no file and no address.
"""

import re
from dataclasses import dataclass, field
from typing import Any

import av
import av.subtitles.stream  # which it would import later, when nothing can be opened
from av.container import InputContainer
from PIL import Image

from evidence.errors import Undecodable
from evidence.facts import TEXT_MAX
from evidence.inspection.content import Content

PACKETS_MAX = 600
_POSTER_AT_S = 1
_PLACE = re.compile(r"([+-]\d{1,2}\.\d+)([+-]\d{1,3}\.\d+)([+-]\d+\.?\d*)?.*", re.ASCII)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.*", re.ASCII)
_TOLD = {
    "make": ("com.apple.quicktime.make", "com.android.manufacturer"),
    "model": ("com.apple.quicktime.model", "com.android.model"),
    "software": ("com.apple.quicktime.software", "encoder"),
}


@dataclass(slots=True)
class Shot:
    """What is known of a film, and a frame of it if one could be had."""

    image: Image.Image | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    absurd: list[str] = field(default_factory=list)


def shoot(content: Content, pixels_max: int) -> Shot:
    """Take a frame, about a second into the film; Undecodable if it is no film at all."""
    try:
        container = av.open(content, mode="r", format="mp4")
    except MemoryError:
        raise
    except Exception as error:
        raise Undecodable("unreadable") from error
    with container:
        if not container.streams:
            raise Undecodable("unreadable")
        shot = Shot(facts=_facts(container))
        exif = _told(container, shot.absurd)
        if exif:
            shot.facts["exif"] = exif
        if not container.streams.video:
            return shot
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        width, height = stream.width, stream.height
        if not 0 < width * height <= pixels_max:
            raise Undecodable("memory")
        try:
            shot.image = _frame(container)
        except (av.FFmpegError, ValueError, OSError):
            return shot
        if shot.image is not None:
            sideways = shot.image.width < shot.image.height
            sides = sorted((width, height), reverse=not sideways)
            shot.facts |= {"width": sides[0], "height": sides[1]}
        return shot


def _frame(container: InputContainer) -> Image.Image | None:
    """The first frame after a second, else the first of all; so many packets and no more."""
    first = None
    for number, packet in enumerate(container.demux(video=0)):
        for frame in packet.decode():
            if first is None or (frame.time or 0) >= _POSTER_AT_S:
                first = frame
            if (first.time or 0) >= _POSTER_AT_S:
                break
        if number >= PACKETS_MAX or (first is not None and (first.time or 0) >= _POSTER_AT_S):
            break
    if first is None:
        return None
    image: Image.Image = first.to_image()  # type: ignore[no-untyped-call]  # PyAV's own
    turned = round(getattr(first, "rotation", 0) or 0) % 360
    return image.rotate(turned, expand=True) if turned else image


def _facts(container: InputContainer) -> dict[str, Any]:
    duration = container.duration  # microseconds
    known = duration is not None and 0 <= duration < 10**14  # three years
    return {"duration_ms": duration // 1000} if known and duration is not None else {}


def _told(container: InputContainer, absurd: list[str]) -> dict[str, int | str]:
    """Make, model, software, time and place, as phones write them."""
    said = {str(key).lower(): str(value) for key, value in container.metadata.items()}
    found: dict[str, int | str] = {}
    for name, keys in _TOLD.items():
        text = next((said[key].strip() for key in keys if said.get(key, "").strip()), "")
        if len(text) > TEXT_MAX or not text.isprintable():
            absurd.append(name)
        elif text:
            found[name] = text
    made = said.get("com.apple.quicktime.creationdate") or said.get("creation_time") or ""
    if _TIME.fullmatch(made) and len(made) < TEXT_MAX and made.isprintable():
        found["made_at"] = made
    elif made:
        absurd.append("made_at")
    place = said.get("com.apple.quicktime.location.iso6709") or said.get("location") or ""
    if matched := _PLACE.fullmatch(place):
        latitude, longitude = (round(float(part) * 10**7) for part in matched.groups()[:2])
        if abs(latitude) <= 90 * 10**7 and abs(longitude) <= 180 * 10**7:
            found |= {"latitude_e7": latitude, "longitude_e7": longitude}
        else:
            absurd.append("place")
    elif place:
        absurd.append("place")
    return found
