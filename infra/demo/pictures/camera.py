"""A phone's camera: how a point in a room falls on the picture, and what the phone saves.

Lengths are metres, x to the right, y away from the viewer, z upwards; pictures are in pixels
with y downwards. It knows nothing of what is photographed.
"""

import io
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from infra.demo.pictures import exif, noise
from infra.demo.pictures.paper import Point

Vector = tuple[float, float, float]
SIZE = (2000, 1500)


def _minus(a: Vector, b: Vector) -> Vector:
    return (a[0] - b[0], a[1] - b[1], a[2] - b[2])


def cross(a: Vector, b: Vector) -> Vector:
    """Return the vector product."""
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


def dot(a: Vector, b: Vector) -> float:
    """Return the scalar product."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def unit(a: Vector) -> Vector:
    """Return the vector of length one in the same direction."""
    length = math.hypot(*a)
    return (a[0] / length, a[1] / length, a[2] / length)


def normal(a: Vector, b: Vector, c: Vector) -> Vector:
    """Return the unit normal of a triangle."""
    return unit(cross(_minus(b, a), _minus(c, a)))


@dataclass(frozen=True, slots=True)
class Camera:
    """A pinhole at `eye` that looks at `target`; `focal` in pixels of a picture of `size`."""

    eye: Vector
    target: Vector
    focal: float
    size: tuple[int, int] = SIZE

    def depth(self, p: Vector) -> float:
        """Return how far the point lies in front of the lens."""
        return dot(_minus(p, self.eye), unit(_minus(self.target, self.eye)))

    def see(self, p: Vector) -> Point:
        """Return the pixel on which a point in front of the lens falls."""
        ahead = unit(_minus(self.target, self.eye))
        right = unit(cross(ahead, (0.0, 0.0, 1.0)))
        up = cross(right, ahead)
        ray = _minus(p, self.eye)
        scale = self.focal / dot(ray, ahead)
        return (
            self.size[0] / 2 + dot(ray, right) * scale,
            self.size[1] / 2 - dot(ray, up) * scale,
        )


def _solved(rows: list[list[float]]) -> list[float]:
    """Solve linear equations by elimination; each row ends with its right-hand side."""
    n = len(rows)
    for col in range(n):
        best = max(range(col, n), key=lambda r: abs(rows[r][col]))
        rows[col], rows[best] = rows[best], rows[col]
        pivot = rows[col][col]
        rows[col] = [v / pivot for v in rows[col]]
        for r in range(n):
            if r != col and rows[r][col]:
                factor = rows[r][col]
                rows[r] = [v - factor * w for v, w in zip(rows[r], rows[col], strict=True)]
    return [row[-1] for row in rows]


def perspective(seen: Sequence[Point], flat: Sequence[Point]) -> tuple[float, ...]:
    """Return Pillow's eight coefficients that lead from four seen pixels to four flat ones."""
    rows: list[list[float]] = []
    for (x, y), (u, v) in zip(seen, flat, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y, u])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y, v])
    return tuple(_solved(rows))


def corners(size: tuple[int, int], inset: float = 0.0) -> list[Point]:
    """Return a picture's corners, clockwise from the top left, moved inwards by `inset`."""
    w, h = size[0] - inset, size[1] - inset
    return [(inset, inset), (w, inset), (w, h), (inset, h)]


def lay(onto: Image.Image, flat: Image.Image, seen: Sequence[Point], soft: float = 0.6) -> None:
    """Paste a flat picture so that its corners, clockwise from the top left, fall on `seen`.

    An RGBA picture keeps its holes. Corners may lie outside the picture.
    """
    sampling = Image.Resampling.BICUBIC if soft else Image.Resampling.BILINEAR
    left = max(0, math.floor(min(p[0] for p in seen)) - 2)
    top = max(0, math.floor(min(p[1] for p in seen)) - 2)
    right = min(onto.width, math.ceil(max(p[0] for p in seen)) + 2)
    bottom = min(onto.height, math.ceil(max(p[1] for p in seen)) + 2)
    if right <= left or bottom <= top:
        return
    size = (right - left, bottom - top)
    moved = [(x - left, y - top) for x, y in seen]
    data = perspective(moved, corners(flat.size, 1.5))
    bent = flat.transform(size, Image.Transform.PERSPECTIVE, data, sampling)
    mask = Image.new("L", size)
    ImageDraw.Draw(mask).polygon(moved, fill=255)
    if soft:
        mask = mask.filter(ImageFilter.GaussianBlur(soft))
    if bent.mode == "RGBA":
        mask = ImageChops.multiply(mask, bent.getchannel("A"))
        bent = bent.convert("RGB")
    onto.paste(bent, (left, top), mask)


def vignette(size: tuple[int, int], centre: Point = (0.5, 0.5)) -> Image.Image:
    """Return a mask, white towards the corners, around a centre given in parts of the size."""
    x, y = (128 * (1 - part) for part in centre)
    return Image.radial_gradient("L").resize(size, box=(x, y, x + 128, y + 128))


def grain(picture: Image.Image, rng: random.Random, strength: float = 0.05) -> Image.Image:
    """Add a small sensor's noise: fine in brightness, blotchy in colour."""
    size = picture.size
    fine = noise.faint(noise.white(rng, size), strength * 1.25)
    half = (size[0] // 3, size[1] // 3)
    blotch = [noise.faint(noise.white(rng, half).resize(size), strength * 0.5) for _ in range(2)]
    bands = Image.merge(
        "RGB",
        (ImageChops.blend(fine, blotch[0], 0.3), fine, ImageChops.blend(fine, blotch[1], 0.3)),
    )
    return ImageChops.add(picture, bands, 1, -noise.NEUTRAL)


def develop(
    picture: Image.Image, seed: int, light: Point = (0.45, 0.4), strength: float = 0.05
) -> Image.Image:
    """Give the picture the lens and the sensor: fall-off of light, softness, a tone, noise."""
    rng = noise.dice(seed)
    soft = picture.filter(ImageFilter.BoxBlur(0.5))
    lit = noise.dim(soft, vignette(soft.size, light), 0.42)
    curve = [round(255 * (v / 255) ** 0.9 * (1.08 - 0.08 * v / 255)) for v in range(256)]
    warm = [min(255, round(v * 1.005)) for v in curve]
    cool = [round(v * 0.985) for v in curve]
    return grain(lit.point([*warm, *curve, *cool]), rng, strength)


def save(picture: Image.Image, shot: exif.Shot, quality: int = 88) -> bytes:
    """Return the JPEG that the phone keeps, with the shot's EXIF.

    A shot held sideways is stored turned, so that a viewer who obeys the tag sees it upright.
    """
    if shot.orientation == exif.HELD_SIDEWAYS:
        picture = picture.transpose(Image.Transpose.ROTATE_90)
    elif shot.orientation != exif.UPRIGHT:
        raise ValueError("only upright and sideways shots are taken here")
    out = io.BytesIO()
    metadata = exif.metadata(shot, picture.size)
    picture.save(out, "JPEG", quality=quality, exif=metadata, subsampling="4:2:0")
    return out.getvalue()


def rest(onto: Image.Image, page: Image.Image, seen: Sequence[Point]) -> None:
    """Lay a page flat on the picture, curling a little, with the shadow of its edges."""
    quarter = (onto.width // 4, onto.height // 4)
    mask = Image.new("L", quarter)
    for shift, dark in ((9, 120), (4, 190), (1, 255)):
        ImageDraw.Draw(mask).polygon([(x / 4 + shift, y / 4 + shift) for x, y in seen], fill=dark)
    mask = mask.filter(ImageFilter.GaussianBlur(4)).resize(onto.size, Image.Resampling.BICUBIC)
    onto.paste(noise.dim(onto, mask, 0.66))
    worn = ImageChops.multiply(page, Image.new("RGB", page.size, (243, 241, 235)))
    curl = Image.linear_gradient("L").rotate(90).resize(page.size)
    curl = curl.point([round(128 + 16 * math.sin(v / 255 * 5.1 + 0.6)) for v in range(256)])
    lay(onto, noise.shade(worn, curl), seen, 0.8)


def overcast(onto: Image.Image, rng: random.Random) -> None:
    """Let the photographer's own shadow fall over a corner of the picture."""
    small = (onto.width // 10, onto.height // 10)
    w, h = small
    mask = Image.new("L", small)
    edge = rng.uniform(0.5, 0.72)
    ImageDraw.Draw(mask).polygon(
        [(w, h * edge), (w * 0.76, h * (edge + 0.16)), (w * 0.6, h * 1.02), (w, h * 1.02)], fill=255
    )
    mask = mask.filter(ImageFilter.GaussianBlur(9)).resize(onto.size, Image.Resampling.BICUBIC)
    onto.paste(noise.dim(onto, mask, 0.36))
