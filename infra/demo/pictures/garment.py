"""A jacket on a hanger, in any colour: cloth, folds, zip, and the light on them."""

import random
from collections.abc import Sequence

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from infra.demo.pictures import noise
from infra.demo.pictures.paper import Colour, Point

SIZE = (1500, 1500)
_BODY: tuple[Point, ...] = (
    (668, 330),
    (560, 372),
    (486, 420),
    (470, 620),
    (478, 900),
    (466, 1230),
    (610, 1262),
    (750, 1266),
    (890, 1262),
    (1034, 1230),
    (1022, 900),
    (1030, 620),
    (1014, 420),
    (940, 372),
    (832, 330),
    (750, 356),
)
_SLEEVE: tuple[Point, ...] = (
    (560, 372),
    (470, 412),
    (412, 500),
    (362, 720),
    (318, 960),
    (300, 1130),
    (410, 1164),
    (440, 1050),
    (478, 850),
    (520, 640),
)


def _smooth(points: Sequence[Point], rounds: int) -> list[Point]:
    """Cut the corners off a polygon (Chaikin)."""
    out = list(points)
    for _ in range(rounds):
        cut: list[Point] = []
        for (x0, y0), (x1, y1) in zip(out, [*out[1:], out[0]], strict=True):
            cut += [
                (x0 * 0.75 + x1 * 0.25, y0 * 0.75 + y1 * 0.25),
                (x0 * 0.25 + x1 * 0.75, y0 * 0.25 + y1 * 0.75),
            ]
        out = cut
    return out


def _mirror(points: Sequence[Point]) -> list[Point]:
    return [(SIZE[0] - x, y) for x, y in points]


def _mask(points: Sequence[Point], rounds: int = 2) -> Image.Image:
    mask = Image.new("L", SIZE)
    ImageDraw.Draw(mask).polygon(_smooth(points, rounds), fill=255)
    return mask.filter(ImageFilter.GaussianBlur(1.0))


def _folds(rng: random.Random, axis: Sequence[tuple[Point, Point]], count: int) -> Image.Image:
    """Return a tone with soft folds along the given lines: a dark groove by a pale ridge."""
    small = (SIZE[0] // 2, SIZE[1] // 2)
    tone = Image.new("L", small, noise.NEUTRAL)
    for blur_radius, strength in ((11, 58), (4, 44)):
        layer = Image.new("L", small, noise.NEUTRAL)
        pen = ImageDraw.Draw(layer)
        for _ in range(count):
            (x0, y0), (x1, y1) = rng.choice(axis)
            t0, t1 = sorted((rng.uniform(0, 1), rng.uniform(0, 1)))
            j = rng.uniform
            line = [
                ((x0 + (x1 - x0) * t + j(-22, 22)) / 2, (y0 + (y1 - y0) * t + j(-16, 16)) / 2)
                for t in (t0, (t0 + t1) / 2, t1)
            ]
            width = rng.randint(4, 11)
            pen.line(line, fill=noise.NEUTRAL - strength, width=width, joint="curve")
            pen.line(
                [(x + width * 0.9, y - width * 0.4) for x, y in line],
                fill=noise.NEUTRAL + strength // 2,
                width=width,
                joint="curve",
            )
        layer = layer.filter(ImageFilter.GaussianBlur(blur_radius))
        tone = ImageChops.add(tone, layer, 1, -noise.NEUTRAL)
    return tone.resize(SIZE, Image.Resampling.BICUBIC)


def _cloth(rng: random.Random, colour: Colour) -> Image.Image:
    cloth = Image.new("RGB", SIZE, colour)
    weave = Image.blend(noise.patches(rng, SIZE, (2, 5)), noise.patches(rng, SIZE, (5, 2)), 0.5)
    cloth = noise.shade(cloth, noise.faint(weave, 0.2))
    return noise.shade(cloth, noise.faint(noise.clouds(rng, SIZE, 320, 4), 0.22))


def _stitch(pen: ImageDraw.ImageDraw, line: Sequence[Point], dark: Colour, pale: Colour) -> None:
    """Draw a seam with its thread."""
    pen.line(list(line), fill=dark, width=5, joint="curve")
    pen.line([(x + 4, y + 2) for x, y in line], fill=pale, width=2, joint="curve")


def _details(picture: Image.Image, colour: Colour) -> None:
    """Sew on the zip, pockets, yoke, hem and cuffs."""
    pen = ImageDraw.Draw(picture)
    r, g, b = colour
    dark: Colour = (r // 2, g // 2, b // 2)
    pale: Colour = (min(255, r + 36), min(255, g + 36), min(255, b + 36))
    for mirrored in (False, True):
        lines: list[list[Point]] = [
            [(566, 384), (540, 470), (520, 640), (486, 860)],
            [(492, 500), (610, 522), (738, 520)],
            [(570, 880), (640, 1010)],
            [(588, 872), (658, 1002)],
            [(570, 880), (588, 872)],
            [(640, 1010), (658, 1002)],
            [(468, 1180), (610, 1206), (738, 1212)],
            [(308, 1080), (364, 1104), (432, 1092)],
        ]
        for line in lines:
            _stitch(pen, _mirror(line) if mirrored else line, dark, pale)
    pen.rectangle((736, 400, 764, 1262), fill=dark)
    for y in range(404, 1260, 9):
        x = 741 if y % 2 else 749
        pen.rectangle((x, y, x + 10, y + 4), fill=(186, 182, 172))
    pen.polygon([(744, 414), (758, 414), (762, 470), (740, 470)], fill=(206, 202, 192))
    pen.rounded_rectangle((836, 580, 944, 622), 5, fill=(226, 222, 210))
    pen.line([(850, 601), (930, 601)], fill=(90, 86, 78), width=5)


def _collar(picture: Image.Image, rng: random.Random, colour: Colour) -> None:
    r, g, b = colour
    lining = Image.new("RGB", SIZE, (r // 3, g // 3, b // 3))
    back = _mask([(656, 342), (690, 276), (810, 276), (844, 342), (790, 410), (710, 410)])
    picture.paste(lining, (0, 0), back)
    pen = ImageDraw.Draw(picture)
    pen.rectangle((722, 316, 778, 346), fill=(230, 228, 220))
    wing: list[Point] = [
        (640, 356),
        (672, 304),
        (698, 290),
        (716, 326),
        (744, 410),
        (664, 500),
        (612, 432),
    ]
    cloth = noise.shade(_cloth(rng, colour), Image.new("L", SIZE, 140))
    for points in (wing, _mirror(wing)):
        mask = _mask(points, 1)
        shadow = ImageChops.offset(mask.filter(ImageFilter.GaussianBlur(9)), 4, 12)
        picture.paste(noise.dim(picture, ImageChops.subtract(shadow, mask), 0.5))
        picture.paste(cloth, (0, 0), mask)


def jacket(colour: Colour, *, seed: int = 1) -> Image.Image:
    """Return a picture of SIZE of a jacket of this colour on a hanger before a plaster wall."""
    rng = noise.dice(seed)
    wall = noise.shade(
        Image.new("RGB", SIZE, (212, 206, 196)), noise.faint(noise.clouds(rng, SIZE, 700, 3), 0.06)
    )
    wall = noise.shade(wall, noise.faint(noise.patches(rng, SIZE, (3, 3)), 0.05))
    body = _mask(_BODY)
    sleeves = ImageChops.lighter(_mask(_SLEEVE), _mask(_mirror(_SLEEVE)))
    outline = ImageChops.lighter(body, sleeves)
    cast = ImageChops.offset(noise.blur(outline, 30), 46, 40)
    wall = noise.dim(wall, cast, 0.5)
    pen = ImageDraw.Draw(wall)
    pen.arc((716, 120, 784, 200), 150, 60, fill=(120, 118, 116), width=9)
    pen.line([(750, 198), (750, 300)], fill=(120, 118, 116), width=9)
    down = [((470, 420), (330, 1120)), ((520, 480), (400, 1120)), ((430, 700), (420, 1140))]
    arms = _folds(rng, [*down, *(((1500 - a[0], a[1]), (1500 - b[0], b[1])) for a, b in down)], 34)
    trunk = _folds(
        rng,
        [
            ((520, 520), (560, 1220)),
            ((640, 560), (600, 1230)),
            ((980, 520), (940, 1220)),
            ((860, 560), (900, 1230)),
            ((560, 900), (720, 1180)),
            ((940, 900), (780, 1180)),
        ],
        40,
    )
    cloth = _cloth(rng, colour)
    wall.paste(noise.shade(cloth, arms), (0, 0), sleeves)
    near = noise.blur(ImageChops.subtract(outline, body), 16)
    trunk_cloth = noise.dim(noise.shade(cloth, trunk), near, 0.42)
    hem = noise.blur(ImageChops.invert(body), 26)
    wall.paste(noise.dim(trunk_cloth, hem, 0.5), (0, 0), body)
    _details(wall, colour)
    _collar(wall, rng, colour)
    return wall
