"""Corrugated board, tape, prints on it, and what transport does to it: flat textures.

A texture is one side of a parcel seen straight on. What shape the parcel has is not known here.
"""

import math
import random
from collections.abc import Sequence

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from infra.demo.pictures import noise, paper
from infra.demo.pictures.paper import Point

KRAFT: paper.Colour = (186, 143, 97)
_DARK: paper.Colour = (66, 44, 26)
_TORN: paper.Colour = (214, 182, 140)


def board(rng: random.Random, size: tuple[int, int], *, flutes: bool = True) -> Image.Image:
    """Return a clean side: kraft paper with fibres, faint flutes, worn edges."""
    side = Image.new("RGB", size, KRAFT)
    side = noise.shade(side, noise.faint(noise.clouds(rng, size, 420, 4), 0.1))
    side = noise.shade(side, noise.faint(noise.patches(rng, size, (9, 1.6)), 0.09))
    side = noise.shade(side, noise.faint(noise.patches(rng, size, (1.4, 1.4)), 0.07))
    if flutes:
        wave = Image.new("L", (1, size[1]))
        wave.putdata([round(128 + 5 * math.sin(y * 2 * math.pi / 13)) for y in range(size[1])])
        side = noise.shade(side, wave.resize(size))
    edge = Image.new("L", size)
    ImageDraw.Draw(edge).rectangle((0, 0, size[0] - 1, size[1] - 1), outline=255, width=9)
    edge = ImageChops.multiply(
        edge.filter(ImageFilter.GaussianBlur(5)), noise.clouds(rng, size, 60)
    )
    side.paste((222, 190, 150), (0, 0), edge.point([min(255, v * 2) for v in range(256)]))
    scratches = ImageDraw.Draw(side)
    for _ in range(14):
        x, y = rng.uniform(0, size[0]), rng.uniform(0, size[1])
        a, length = rng.uniform(-0.5, 0.5), rng.uniform(15, 90)
        tone = rng.choice([(168, 126, 84), (201, 161, 117)])
        scratches.line([(x, y), (x + length * math.cos(a), y + length * math.sin(a))], fill=tone)
    return side


def tape(side: Image.Image, rng: random.Random, box: tuple[int, int, int, int]) -> None:
    """Stick a strip of brown tape over the box, with wrinkles, bubbles and a sheen along it."""
    size = (box[2] - box[0], box[3] - box[1])
    under = side.crop(box)
    strip = Image.blend(under, Image.new("RGB", size, (164, 112, 62)), 0.55)
    lengthwise = size[0] > size[1]
    cell = (size[0] / 3, 7.0) if lengthwise else (7.0, size[1] / 3)
    strip = noise.shade(strip, noise.faint(noise.patches(rng, size, cell), 0.22))
    wrinkle = noise.patches(rng, size, (26, 90) if lengthwise else (90, 26))
    sheen = wrinkle.point([max(0, v - 168) * 2 for v in range(256)])
    strip.paste((242, 220, 190), (0, 0), sheen)
    rim = ImageDraw.Draw(strip)
    rim.rectangle((0, 0, size[0] - 1, size[1] - 1), outline=(138, 92, 50), width=2)
    side.paste(strip, box[:2])


def print_marks(side: Image.Image, at: tuple[int, int], height: int) -> None:
    """Print the marks of ISO 780 for fragile, this way up and keep dry, in worn black."""
    pen_size = (height * 3, height)
    mask = Image.new("L", pen_size)
    pen = ImageDraw.Draw(mask)
    h = height
    w = max(3, h // 26)
    pen.polygon(
        [
            (0.3 * h, 0.14 * h),
            (0.7 * h, 0.14 * h),
            (0.62 * h, 0.44 * h),
            (0.53 * h, 0.5 * h),
            (0.53 * h, 0.78 * h),
            (0.66 * h, 0.84 * h),
            (0.34 * h, 0.84 * h),
            (0.47 * h, 0.78 * h),
            (0.47 * h, 0.5 * h),
            (0.38 * h, 0.44 * h),
        ],
        fill=255,
    )
    pen.line(
        [(0.48 * h, 0.14 * h), (0.54 * h, 0.25 * h), (0.49 * h, 0.3 * h), (0.53 * h, 0.38 * h)],
        fill=0,
        width=w,
    )
    for x in (1.3 * h, 1.62 * h):
        pen.polygon(
            [
                (x, 0.16 * h),
                (x + 0.14 * h, 0.4 * h),
                (x + 0.05 * h, 0.4 * h),
                (x + 0.05 * h, 0.74 * h),
                (x - 0.05 * h, 0.74 * h),
                (x - 0.05 * h, 0.4 * h),
                (x - 0.14 * h, 0.4 * h),
            ],
            fill=255,
        )
    pen.rectangle((1.12 * h, 0.79 * h, 1.8 * h, 0.84 * h), fill=255)
    pen.pieslice((2.2 * h, 0.3 * h, 2.8 * h, 0.9 * h), 180, 360, fill=255)
    pen.arc((2.38 * h, 0.68 * h, 2.52 * h, 0.86 * h), 0, 180, fill=255, width=w)
    pen.line([(2.5 * h, 0.5 * h), (2.5 * h, 0.78 * h)], fill=255, width=w)
    for x in (2.3, 2.5, 2.7):
        pen.line([(x * h, 0.12 * h), ((x - 0.05) * h, 0.24 * h)], fill=255, width=w)
    for x in (0.08, 1.08, 2.08):
        pen.rectangle((x * h, 0.04 * h, (x + 0.84) * h, 0.96 * h), outline=255, width=w)
    side.paste((52, 38, 30), at, mask.point([round(v * 0.84) for v in range(256)]))


def label(side: Image.Image, printed: Image.Image, at: tuple[int, int], width: int) -> None:
    """Stick a printed label on the side in a thin sleeve, with a small shadow."""
    size = (width, round(width * printed.height / printed.width))
    small = printed.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    small = ImageChops.multiply(small, Image.new("RGB", size, (240, 238, 232)))
    shadow = Image.new("L", side.size)
    ImageDraw.Draw(shadow).rectangle(
        (at[0] - 2, at[1] + 2, at[0] + size[0] + 4, at[1] + size[1] + 6), fill=255
    )
    shaded = noise.dim(side, shadow.filter(ImageFilter.GaussianBlur(4)), 0.45)
    side.paste(shaded)
    side.paste(small, at)


def _ragged(rng: random.Random, points: Sequence[Point], rough: float) -> list[Point]:
    """Break each edge of a polygon into short torn steps."""
    out: list[Point] = []
    for (x0, y0), (x1, y1) in zip(points, [*points[1:], points[0]], strict=True):
        steps = max(2, round(math.dist((x0, y0), (x1, y1)) / 9))
        for index in range(steps):
            t = index / steps
            out.append(
                (
                    x0 + (x1 - x0) * t + rng.uniform(-rough, rough),
                    y0 + (y1 - y0) * t + rng.uniform(-rough, rough),
                )
            )
    return out


def _grown(points: Sequence[Point], by: float) -> list[Point]:
    x = sum(p[0] for p in points) / len(points)
    y = sum(p[1] for p in points) / len(points)
    return [(x + (px - x) * by, y + (py - y) * by) for px, py in points]


def hole(side: Image.Image, rng: random.Random, points: Sequence[Point]) -> None:
    """Tear a hole: outer paper peeled off around it, flutes at its rim, darkness inside."""
    size = side.size
    rim = _ragged(rng, points, 7)
    peeled = _ragged(rng, _grown(points, 1.28), 11)
    halo = Image.new("L", size)
    ImageDraw.Draw(halo).polygon(_grown(rim, 1.45), fill=255)
    side.paste(noise.dim(side, halo.filter(ImageFilter.GaussianBlur(26)), 0.3))
    mask = Image.new("L", size)
    ImageDraw.Draw(mask).polygon(peeled, fill=255)
    flutes = Image.new("RGB", size, _TORN)
    pen = ImageDraw.Draw(flutes)
    for y in range(0, size[1], 13):
        pen.line([(0, y), (size[0], y + 3)], fill=(150, 114, 76), width=5)
    flutes = noise.shade(flutes, noise.faint(noise.clouds(rng, size, 40), 0.45))
    lip = ImageChops.offset(mask, -3, -4)
    side.paste((232, 206, 168), (0, 0), lip)
    side.paste(flutes, (0, 0), mask)
    inside = Image.new("L", size)
    ImageDraw.Draw(inside).polygon(rim, fill=255)
    dark = Image.new("RGB", size, (30, 21, 14))
    stuffing = noise.clouds(rng, size, 70, 4)
    dark = noise.shade(dark, noise.faint(stuffing, 0.9))
    _bubbles(dark, rng, points)
    near = ImageChops.offset(inside.filter(ImageFilter.GaussianBlur(16)), 10, 22)
    dark = noise.dim(dark, ImageChops.invert(near), 0.92)
    side.paste(dark, (0, 0), inside.filter(ImageFilter.GaussianBlur(0.8)))
    pen = ImageDraw.Draw(side)
    pen.line([*rim, rim[0]], fill=(120, 84, 50), width=2)
    _strands(pen, rng, rim)


def _bubbles(dark: Image.Image, rng: random.Random, points: Sequence[Point]) -> None:
    """Show a little bubble wrap in the depth."""
    pen = ImageDraw.Draw(dark)
    left, right = min(p[0] for p in points), max(p[0] for p in points)
    top, bottom = min(p[1] for p in points), max(p[1] for p in points)
    y = top
    row = 0
    while y < bottom + 30:
        x = left + (row % 2) * 12
        while x < right + 30:
            r = 9 + rng.uniform(-1.5, 1.5)
            pen.ellipse((x - r, y - r, x + r, y + r), fill=(64, 57, 49), outline=(50, 44, 38))
            pen.arc(
                (x - r + 3, y - r + 3, x + r - 3, y + r - 3),
                190,
                280,
                fill=(168, 162, 150),
                width=3,
            )
            x += 24
        y += 20
        row += 1


def _strands(pen: ImageDraw.ImageDraw, rng: random.Random, rim: Sequence[Point]) -> None:
    x = sum(p[0] for p in rim) / len(rim)
    y = sum(p[1] for p in rim) / len(rim)
    for px, py in rim[:: max(1, len(rim) // 26)]:
        t = rng.uniform(0.06, 0.2)
        end = (px + (x - px) * t + rng.uniform(-9, 9), py + (y - py) * t + rng.uniform(-9, 9))
        pen.polygon(
            [(px - 5, py - 4), (px + 6, py + 4), end],
            fill=rng.choice([_TORN, (196, 160, 116), (168, 130, 90)]),
        )


def stain(side: Image.Image, rng: random.Random, centre: Point, reach: float) -> None:
    """Soak the board: a dark patch with an uneven outline, a darker tide mark, faint runs."""
    size = side.size
    spot = Image.radial_gradient("L").resize((round(reach * 2), round(reach * 2)))
    field = Image.new("L", size, 255)
    field.paste(spot, (round(centre[0] - reach), round(centre[1] - reach)))
    rough = noise.clouds(rng, size, reach * 0.9, 3)
    field = Image.blend(field, rough, 0.27)
    wet = field.point([max(0, min(255, (138 - v) * 14)) for v in range(256)])
    deep = field.point([max(0, min(255, (112 - v) * 5)) for v in range(256)])
    tide = ImageChops.subtract(
        wet.filter(ImageFilter.GaussianBlur(2)),
        wet.filter(ImageFilter.MinFilter(9)).filter(ImageFilter.GaussianBlur(3)),
    )
    brown = ImageChops.multiply(side, Image.new("RGB", size, (160, 138, 116)))
    side.paste(brown, (0, 0), wet.filter(ImageFilter.GaussianBlur(2)))
    side.paste(ImageChops.multiply(side, Image.new("RGB", size, (196, 182, 166))), (0, 0), deep)
    side.paste(noise.dim(side, tide, 0.5))


def creases(side: Image.Image, rng: random.Random, corner: Point, reach: float) -> None:
    """Draw the folds that run around a crushed corner: a dark valley beside a pale ridge."""
    size = side.size
    dark = Image.new("L", size)
    pale = Image.new("L", size)
    valley, ridge = ImageDraw.Draw(dark), ImageDraw.Draw(pale)
    away = math.atan2(size[1] / 2 - corner[1], size[0] / 2 - corner[0])
    for _ in range(11):
        r = reach * rng.uniform(0.25, 1.0)
        a = away + rng.uniform(-0.75, 0.75)
        x, y = corner[0] + r * math.cos(a), corner[1] + r * math.sin(a)
        turn = a + math.pi / 2 + rng.uniform(-0.7, 0.7)
        half = reach * rng.uniform(0.12, 0.34)
        line = _ragged(
            rng,
            [
                (x - half * math.cos(turn), y - half * math.sin(turn)),
                (x + half * math.cos(turn), y + half * math.sin(turn)),
            ],
            2.5,
        )
        line = line[: len(line) // 2 + 1]
        valley.line(line, fill=230, width=rng.choice([3, 5, 7]), joint="curve")
        ridge.line([(px - 4, py - 5) for px, py in line], fill=190, width=3)
    side.paste(noise.dim(side, dark.filter(ImageFilter.GaussianBlur(2.2)), 0.62))
    side.paste((231, 203, 166), (0, 0), pale.filter(ImageFilter.GaussianBlur(1.6)))


def split(side: Image.Image, rng: random.Random, start: Point, end: Point, width: float) -> None:
    """Split the board along a line: a dark gap, wide in the middle, with pale torn lips."""
    steps = max(12, round(math.dist(start, end) / 16))
    nx, ny = end[1] - start[1], start[0] - end[0]
    length = math.hypot(nx, ny)
    upper: list[Point] = []
    lower: list[Point] = []
    drift = 0.0
    for index in range(steps + 1):
        t = index / steps
        drift = drift * 0.8 + rng.uniform(-6, 6)
        x = start[0] + (end[0] - start[0]) * t + nx / length * drift
        y = start[1] + (end[1] - start[1]) * t + ny / length * drift
        gap = width * math.sin(math.pi * t) ** 0.7 * rng.uniform(0.7, 1.1) / 2
        upper.append((x + nx / length * gap, y + ny / length * gap))
        lower.append((x - nx / length * gap, y - ny / length * gap))
    outline = [*upper, *reversed(lower)]
    mask = Image.new("L", side.size)
    ImageDraw.Draw(mask).polygon(outline, fill=255)
    lips = noise.spread(mask, 6)
    side.paste(noise.dim(side, lips.filter(ImageFilter.GaussianBlur(12)), 0.4))
    rough = noise.shade(
        Image.new("RGB", side.size, _TORN), noise.faint(noise.clouds(rng, side.size, 24), 0.5)
    )
    side.paste(
        rough,
        (0, 0),
        ImageChops.multiply(
            lips.filter(ImageFilter.GaussianBlur(1)),
            noise.clouds(rng, side.size, 30).point([min(255, v * 3) for v in range(256)]),
        ),
    )
    side.paste(
        noise.shade(
            Image.new("RGB", side.size, (26, 18, 12)),
            noise.faint(noise.clouds(rng, side.size, 50), 0.6),
        ),
        (0, 0),
        mask,
    )
    _strands(ImageDraw.Draw(side), rng, outline)


def seam(side: Image.Image, y: int) -> None:
    """Draw where two flaps meet: a dark line with a pale edge under it."""
    pen = ImageDraw.Draw(side)
    pen.line([(0, y), (side.width, y)], fill=(96, 68, 42), width=4)
    pen.line([(0, y + 3), (side.width, y + 3)], fill=(206, 168, 124), width=2)
