"""A parcel as a solid: six sides of board, dented where it was hit, lit and drawn on a picture.

Sides are textures seen straight on; what stands on them is the caller's.
"""

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from infra.demo.pictures import camera, noise
from infra.demo.pictures.camera import Camera, Vector
from infra.demo.pictures.paper import Point

_CELLS = 18
TEXELS = 1500
SUN: Vector = camera.unit((-0.5, -0.75, 1.3))

Bend = Callable[[Vector], Vector]


def _straight(p: Vector) -> Vector:
    return p


@dataclass(frozen=True, slots=True, kw_only=True)
class Dent:
    """A corner pushed in: where it is in parts of the parcel (0 or 1), how far, how deep."""

    corner: tuple[int, int, int]
    reach: float
    depth: float
    seed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A box `size` metres wide, deep and high, turned on the floor by `turn` degrees."""

    size: Vector
    turn: float
    place: tuple[float, float] = (0.0, 0.0)
    sides: dict[str, Image.Image] = field(default_factory=dict)
    dents: tuple[Dent, ...] = ()

    def point(self, part: Vector) -> Vector:
        """Return where a point, given in parts of the box from 0 to 1, lies in the room."""
        x, y, z = (s * p for s, p in zip(self.size, part, strict=True))
        x, y = x - self.size[0] / 2, y - self.size[1] / 2
        a = math.radians(self.turn)
        return (
            self.place[0] + x * math.cos(a) - y * math.sin(a),
            self.place[1] + x * math.sin(a) + y * math.cos(a),
            z,
        )


def face_size(size: Vector, side: str) -> tuple[int, int]:
    """Return the pixels of a side's texture: "top", "front", "right" or "left"."""
    across = size[1] if side in {"left", "right"} else size[0]
    tall = size[1] if side == "top" else size[2]
    return round(across * TEXELS), round(tall * TEXELS)


def _part(side: str, u: float, v: float) -> Vector:
    """Return the part of the box on which a texture's point (u right, v down) lies."""
    return {
        "top": (u, 1 - v, 1.0),
        "front": (u, 0.0, 1 - v),
        "right": (1.0, u, 1 - v),
        "left": (0.0, 1 - u, 1 - v),
    }[side]


def _chance(seed: int, p: Vector) -> Iterator[float]:
    """Yield numbers from -1 to 1 that depend on the point alone, so that sides stay joined."""
    key = seed * 7919 + sum(round(c * 997) * 31**at for at, c in enumerate(p))
    rng = noise.dice(key)
    while True:
        yield rng.uniform(-1, 1)


def _fold(dent: Dent, away: list[float]) -> float:
    """Return the height of the folds at a point: sharp waves in three directions of chance."""
    rng = noise.dice(dent.seed)
    height = 0.0
    for wave in (0.17, 0.11, 0.075):
        aim = camera.unit((rng.uniform(-1, 1), rng.uniform(-1, 1), rng.uniform(-1, 1)))
        at = (sum(a * b for a, b in zip(aim, away, strict=True)) / wave + rng.random()) % 1
        height += (abs(at - 0.5) * 4 - 1) * wave / 0.11
    return height


def _dented(box: Parcel, part: Vector) -> Vector:
    """Return the point in the room after the blows; untouched points stay where they are."""
    for dent in box.dents:
        away = [(p - c) * s for p, c, s in zip(part, dent.corner, box.size, strict=True)]
        push = 1 - math.hypot(*away) / dent.reach
        if push <= 0:
            continue
        ease = push * push * (3 - 2 * push)
        chance = _chance(dent.seed, part)
        fold = _fold(dent, away) * math.sqrt(ease) * (1 - ease * 0.5)
        moved = []
        for p, c, s in zip(part, dent.corner, box.size, strict=True):
            inward = (0.5 - c) * 2 * dent.depth * (0.58 * ease + 0.22 * fold)
            crumple = next(chance) * dent.depth * 0.09 * ease
            moved.append(p + (inward + crumple) / s)
        part = (moved[0], moved[1], max(0.0, moved[2]))
    return box.point(part)


def _gain(normal: Vector) -> float:
    return 0.46 + 0.64 * max(0.0, camera.dot(normal, SUN))


@functools.lru_cache(maxsize=256)
def _curve(step: int) -> list[int]:
    return [min(255, round(v * step / 100)) for v in range(256)] * 3


def _lit(picture: Image.Image, gain: float) -> Image.Image:
    return picture.point(_curve(max(22, min(140, round(gain * 100)))))


def _affine(seen: list[Point], flat: list[Point]) -> tuple[float, ...]:
    (x0, y0), (x1, y1), (x2, y2) = seen
    area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
    rows: list[float] = []
    for axis in (0, 1):
        f0, f1, f2 = (p[axis] for p in flat)
        a = ((f1 - f0) * (y2 - y0) - (f2 - f0) * (y1 - y0)) / area
        b = ((f2 - f0) * (x1 - x0) - (f1 - f0) * (x2 - x0)) / area
        rows += [a, b, f0 - a * x0 - b * y0]
    return tuple(rows)


def _triangle(
    onto: Image.Image, skin: Image.Image, seen: list[Point], flat: list[Point], gain: float
) -> None:
    """Paint one triangle of the skin; it overlaps its neighbours by half a pixel."""
    left, top = (math.floor(min(p[i] for p in seen)) - 1 for i in (0, 1))
    right, bottom = (math.ceil(max(p[i] for p in seen)) + 2 for i in (0, 1))
    local = [(x - left, y - top) for x, y in seen]
    area = (local[1][0] - local[0][0]) * (local[2][1] - local[0][1]) - (
        local[2][0] - local[0][0]
    ) * (local[1][1] - local[0][1])
    if abs(area) < 1:
        return
    size = (right - left, bottom - top)
    patch = skin.transform(
        size, Image.Transform.AFFINE, _affine(local, flat), Image.Resampling.BILINEAR
    )
    mask = Image.new("L", size)
    ImageDraw.Draw(mask).polygon(local, fill=255, outline=255)
    onto.paste(_lit(patch, gain), (left, top), mask)


@dataclass(frozen=True, slots=True)
class _Facet:
    far: float
    side: str
    seen: list[Point]
    flat: list[Point]
    gain: float


def _facets(box: Parcel, eye: Camera, side: str) -> tuple[list[_Facet], list[list[Point]]]:
    """Return the triangles of a side's dented cells, and the outlines that these cells had."""
    skin = box.sides[side]
    facets: list[_Facet] = []
    gone: list[list[Point]] = []
    for row in range(_CELLS):
        for col in range(_CELLS):
            knots = [(col, row), (col + 1, row), (col + 1, row + 1), (col, row + 1)]
            parts = [_part(side, u / _CELLS, v / _CELLS) for u, v in knots]
            bent = [_dented(box, part) for part in parts]
            plain = [box.point(part) for part in parts]
            if bent == plain:
                continue
            gone.append([eye.see(p) for p in plain])
            flat = [(u / _CELLS * skin.width, v / _CELLS * skin.height) for u, v in knots]
            split = ((0, 1, 2), (0, 2, 3)) if (row + col) % 2 else ((0, 1, 3), (1, 2, 3))
            for a, b, c in split:
                lit = _gain(camera.normal(bent[a], bent[c], bent[b]))
                facets.append(
                    _Facet(
                        max(eye.depth(bent[i]) for i in (a, b, c)),
                        side,
                        [eye.see(bent[i]) for i in (a, b, c)],
                        [flat[i] for i in (a, b, c)],
                        lit,
                    )
                )
    return facets, gone


def draw(onto: Image.Image, box: Parcel, eye: Camera) -> None:
    """Draw the sides that are turned to the camera: whole ones flat, dented cells as facets."""
    facets: list[_Facet] = []
    for side, skin in box.sides.items():
        plain = [box.point(_part(side, u, v)) for u, v in ((0, 0), (1, 0), (1, 1), (0, 1))]
        facing = camera.normal(plain[0], plain[2], plain[1])
        x, y, z = plain[0]
        towards = (eye.eye[0] - x, eye.eye[1] - y, eye.eye[2] - z)
        if camera.dot(facing, towards) <= 0:
            continue
        broken, gone = _facets(box, eye, side)
        facets += broken
        before = onto.copy() if gone else onto
        camera.lay(onto, _lit(skin, _gain(facing)), [eye.see(p) for p in plain])
        if gone:
            mask = Image.new("L", onto.size)
            for outline in gone:
                ImageDraw.Draw(mask).polygon(outline, fill=255)
            onto.paste(before, (0, 0), mask)
    for facet in sorted(facets, key=lambda f: -f.far):
        _triangle(onto, box.sides[facet.side], facet.seen, facet.flat, facet.gain)


def shadow(onto: Image.Image, box: Parcel, eye: Camera, depth: float = 0.62) -> None:
    """Darken the floor where the parcel keeps the light away, hard at its foot, soft far off."""
    foot = [box.point((x, y, 0.0)) for x, y in ((0, 0), (1, 0), (1, 1), (0, 1))]
    scale = box.size[2] / SUN[2]
    cast = [(x - SUN[0] * scale, y - SUN[1] * scale, 0.0) for x, y, _ in foot]
    small = (onto.width // 4, onto.height // 4)
    far = Image.new("L", small)
    pen = ImageDraw.Draw(far)
    for index in range(4):
        after = (index + 1) % 4
        pen.polygon(
            [
                (x / 4, y / 4)
                for x, y in map(eye.see, (foot[index], foot[after], cast[after], cast[index]))
            ],
            fill=255,
        )
    pen.polygon([(x / 4, y / 4) for x, y in map(eye.see, cast)], fill=255)
    close = Image.new("L", small)
    ImageDraw.Draw(close).polygon([(x / 4, y / 4 + 2) for x, y in map(eye.see, foot)], fill=255)
    near = noise.spread(close, 4).filter(ImageFilter.GaussianBlur(6))
    soft = far.filter(ImageFilter.GaussianBlur(13))
    both = ImageChops.lighter(soft, near).resize(onto.size, Image.Resampling.BICUBIC)
    onto.paste(noise.dim(onto, both, depth))
