"""What people put on paper by hand: a signature and a rubber stamp.

Both are masks of strokes, pasted in their ink; neither imitates anybody's real hand.
"""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageDraw

from infra.demo.pictures import noise, paper

_FINE = 3
_TALL = frozenset("bdfhklt")
_DEEP = frozenset("gjpqy")
_PEN: paper.Colour = (24, 38, 120)

Curve = tuple[paper.Point, paper.Point, paper.Point, paper.Point]


def _along(curve: Curve, steps: int) -> Iterator[paper.Point]:
    for index in range(steps):
        t = index / steps
        u = 1 - t
        weights = (u * u * u, 3 * u * u * t, 3 * u * t * t, t * t * t)
        yield (
            sum(w * p[0] for w, p in zip(weights, curve, strict=True)),
            sum(w * p[1] for w, p in zip(weights, curve, strict=True)),
        )


def _loop(rng: random.Random, x: float, top: float, width: float) -> list[Curve]:
    """Go up to `top` and back to the line, as a pen does in one letter."""
    j = rng.uniform
    lean = -0.28 * top
    crest = (x + width * j(0.45, 0.7) + lean, top * j(0.9, 1.06))
    return [
        ((x, 0), (x + width * 0.5, top * 0.2), (x + width * 1.1 + lean, top * 0.85), crest),
        (
            crest,
            (x + width * 0.05 + lean, top * 1.04),
            (x + width * 0.25, top * 0.1),
            (x + width * j(0.8, 1), j(-4, 5)),
        ),
    ]


def _capital(rng: random.Random, x: float, height: float) -> list[Curve]:
    j = rng.uniform
    tip = (x + 0.42 * height, -height)
    knot = (x + 0.1 * height, -0.42 * height)
    return [
        ((x - 0.2 * height, -0.5 * height), (x, -1.25 * height), (x + 0.5 * height, -height), tip),
        (
            tip,
            (x + 0.1 * height, -0.7 * height),
            (x + 0.05 * height, -0.1 * height),
            (x - 0.16 * height, j(0, 0.1) * height),
        ),
        (
            (x - 0.16 * height, 0.02 * height),
            (x - 0.42 * height, -0.2 * height),
            (x + 0.3 * height, -0.75 * height),
            knot,
        ),
        (
            knot,
            (x + 0.3 * height, -0.1 * height),
            (x + 0.35 * height, 0.1 * height),
            (x + 0.5 * height, 0),
        ),
    ]


def _path(rng: random.Random, name: str, height: float) -> list[list[Curve]]:
    """Return strokes; the pen is lifted between words and for the flourish below."""
    strokes: list[list[Curve]] = []
    x = 0.3 * height
    for word in name.split():
        stroke = _capital(rng, x, height)
        x += 0.5 * height
        for letter in word[1:].lower():
            width = height * rng.uniform(0.2, 0.3)
            if letter in _TALL:
                stroke += _loop(rng, x, -height * rng.uniform(0.75, 0.95), width)
            elif letter in _DEEP:
                stroke += _loop(rng, x, height * rng.uniform(0.45, 0.6), width)
            else:
                stroke += _loop(rng, x, -height * rng.uniform(0.16, 0.32), width)
            x += width
        strokes.append(stroke)
        x += 0.3 * height
    low = 0.36 * height
    strokes.append(
        [
            ((x, -0.1 * height), (x * 0.5, low * 1.6), (x * 0.2, low * 0.4), (x * 0.16, low)),
            ((x * 0.16, low), (x * 0.4, low * 1.4), (x * 0.8, low * 0.3), (x * 1.12, low * 0.5)),
        ]
    )
    return strokes


def sign(on: Image.Image, at: tuple[int, int], name: str, height: int, seed: int) -> None:
    """Write a signature whose line begins at the point; strokes thin out where the pen hurries."""
    rng = noise.dice(seed)
    scale = _FINE
    strokes = _path(rng, name, height)
    reach = max(p[0] for stroke in strokes for curve in stroke for p in curve)
    size = (round(reach + height), height * 3)
    mask = Image.new("L", (size[0] * scale, size[1] * scale))
    pen = ImageDraw.Draw(mask)
    rise = rng.uniform(-0.07, -0.02)
    for stroke in strokes:
        last: paper.Point | None = None
        dot = height * 0.03
        for curve in stroke:
            for x, y in _along(curve, 60):
                point = ((x + height * 0.6) * scale, (y + rise * x + height * 1.6) * scale)
                speed = math.dist(last, point) / scale if last else 0.0
                want = height * max(0.011, 0.036 - 0.007 * speed)
                dot += (want - dot) * 0.18
                radius = dot * scale
                pen.ellipse(
                    (point[0] - radius, point[1] - radius, point[0] + radius, point[1] + radius),
                    fill=255,
                )
                if last:
                    pen.line([last, point], fill=255, width=max(1, round(2 * radius)))
                last = point
    mask = mask.resize(size, Image.Resampling.LANCZOS)
    mask = ImageChops.multiply(
        mask,
        noise.faint(noise.clouds(rng, size, 40), 0.3).point([min(255, v + 96) for v in range(256)]),
    )
    on.paste(_PEN, (at[0], at[1] - round(height * 1.6)), mask)


def _ring(mask: Image.Image, text: str, radius: float, size: float) -> None:
    """Set the text on a circle around the middle of the mask."""
    middle = mask.width / 2
    face = paper.font("bold", size)
    step = 360 / len(text)
    for index, letter in enumerate(text):
        angle = index * step
        tile = Image.new("L", (round(size * 2), round(size * 2)))
        ImageDraw.Draw(tile).text((size, size), letter, fill=255, font=face, anchor="mm")
        tile = tile.rotate(-angle, Image.Resampling.BICUBIC)
        x = middle + radius * math.sin(math.radians(angle))
        y = middle - radius * math.cos(math.radians(angle))
        mask.paste(255, (round(x - size), round(y - size)), tile)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """A round rubber stamp: a text around, lines inside, its size in pixels and its ink."""

    around: str
    inside: Sequence[str]
    diameter: int
    seed: int
    colour: paper.Colour = (168, 30, 44)


def press(on: Image.Image, centre: tuple[int, int], stamp: Stamp) -> None:
    """Press the stamp on the paper, turned a little, its ink worn and uneven."""
    rng = noise.dice(stamp.seed)
    side = stamp.diameter * 2
    mask = Image.new("L", (side, side))
    pen = ImageDraw.Draw(mask)
    for inset, width in ((6, 12), (side * 0.16, 6)):
        pen.ellipse((inset, inset, side - inset, side - inset), outline=255, width=width)
    around = f"{stamp.around.upper()} · "
    _ring(mask, around * max(1, round(32 / len(around))), side * 0.42 - 2, side * 0.1)
    for index, line in enumerate(stamp.inside):
        y = side / 2 + (index - (len(stamp.inside) - 1) / 2) * side * 0.15
        face = paper.font("black", side * (0.14 if index == 0 else 0.1))
        pen.text((side / 2, y), line, fill=255, font=face, anchor="mm")
    mask = mask.rotate(rng.uniform(-22, 16), Image.Resampling.BICUBIC)
    worn = noise.clouds(rng, (side, side), side / 3, 5).point(
        [max(0, min(235, 40 + (v - 14) * 5)) for v in range(256)]
    )
    mask = ImageChops.multiply(mask, worn).resize(
        (stamp.diameter, stamp.diameter), Image.Resampling.LANCZOS
    )
    on.paste(stamp.colour, (centre[0] - stamp.diameter // 2, centre[1] - stamp.diameter // 2), mask)
