"""Goods on a table: a porcelain vase, whole or cracked; a camera's retail box; a jacket.

Drawn for a listing or as what came out of the parcel; which of the two is not known here.
"""

import functools
import math
import random
from collections.abc import Sequence

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from infra.demo.pictures import camera, exif, noise, paper, parcel
from infra.demo.pictures.camera import Camera
from infra.demo.pictures.paper import Colour, Point

SIZE = (1500, 1500)
NAVY: Colour = (38, 52, 92)
OLIVE: Colour = (104, 106, 62)
_BLUE: Colour = (34, 62, 138)
_FLAT = (1400, 900)
# Half the width of the vase in pixels at each height, from the rim (0) to the foot (1).
_PROFILE: tuple[Point, ...] = (
    (0.0, 150),
    (0.03, 138),
    (0.1, 104),
    (0.18, 100),
    (0.26, 150),
    (0.36, 246),
    (0.46, 292),
    (0.56, 290),
    (0.68, 240),
    (0.8, 176),
    (0.9, 146),
    (0.96, 150),
    (1.0, 164),
)
_TOP, _HEIGHT, _MIDDLE = 230, 1010, 750
_CHIP: tuple[Point, ...] = (
    (372, -40),
    (386, 40),
    (404, 62),
    (428, 50),
    (452, 96),
    (474, 66),
    (500, 74),
    (520, -40),
)


def _radius(t: float) -> float:
    """Return half the width at a height, by Catmull and Rom's spline through the profile."""
    points = _PROFILE
    at = max(i for i, p in enumerate(points[:-1]) if p[0] <= t)
    p0, p1, p2, p3 = (points[max(0, min(len(points) - 1, at + k))][1] for k in (-1, 0, 1, 2))
    u = (t - points[at][0]) / (points[at + 1][0] - points[at][0])
    return 0.5 * (
        2 * p1
        + (p2 - p0) * u
        + (2 * p0 - 5 * p1 + 4 * p2 - p3) * u * u
        + (3 * p1 - p0 - 3 * p2 + p3) * u**3
    )


def _flower(pen: ImageDraw.ImageDraw, x: float, y: float, r: float) -> None:
    for ring, tone in ((1.0, (72, 104, 176)), (0.66, _BLUE)):
        for petal in range(8):
            a = petal * math.pi / 4 + (0.4 if ring < 1 else 0)
            cx, cy = x + r * 0.6 * ring * math.cos(a), y + r * 0.6 * ring * math.sin(a)
            s = r * 0.36 * ring
            pen.ellipse((cx - s, cy - s, cx + s, cy + s), fill=tone, outline=(24, 44, 104), width=3)
    pen.ellipse((x - r * 0.2, y - r * 0.2, x + r * 0.2, y + r * 0.2), fill=(226, 232, 244))


def _glaze(rng: random.Random) -> Image.Image:
    """Return the painted skin unrolled: bands, lotus, tendrils in cobalt on white."""
    on = paper.sheet(_FLAT, (232, 236, 238))
    w, h = _FLAT
    for t in (0.02, 0.085, 0.2, 0.245, 0.72, 0.9, 0.965):
        on.pen.line([(0, t * h), (w, t * h)], fill=_BLUE, width=7)
    for x in range(0, w, 70):
        on.pen.arc((x, 0.1 * h, x + 70, 0.19 * h), 180, 360, fill=_BLUE, width=6)
        on.pen.arc((x + 14, 0.12 * h, x + 56, 0.19 * h), 180, 360, fill=(84, 116, 186), width=5)
        on.pen.polygon(
            [(x + 35, 0.73 * h), (x + 66, 0.89 * h), (x + 35, 0.86 * h), (x + 4, 0.89 * h)],
            fill=(62, 94, 168),
            outline=_BLUE,
        )
        on.pen.rectangle((x + 8, 0.91 * h, x + 40, 0.95 * h), outline=_BLUE, width=4)
    for index, x in enumerate(range(117, w, 233)):
        y = h * (0.42 if index % 2 else 0.53)
        for turn in range(5):
            a = turn * 1.26 + index
            cx, cy = x + 118 * math.cos(a), y + 84 * math.sin(a)
            r = rng.uniform(26, 44)
            on.pen.arc(
                (cx - r, cy - r, cx + r, cy + r),
                turn * 60,
                turn * 60 + 260,
                fill=(58, 90, 164),
                width=6,
            )
            on.pen.ellipse((cx - r * 1.2, cy - 9, cx - r * 0.5, cy + 9), fill=(80, 112, 184))
        _flower(on.pen, x, y, 84)
    wash = noise.shade(on.image, noise.faint(noise.clouds(rng, _FLAT, 90, 4), 0.1))
    return wash.filter(ImageFilter.GaussianBlur(1.0))


def _crack(skin: Image.Image, rng: random.Random, start: Point, aim: float, length: float) -> None:
    """Run a crack over the skin, forking now and then, with a pale chipped edge."""
    pen = ImageDraw.Draw(skin)
    x, y = start
    width = max(2, round(length / 110))
    fork_shortest, fork_chance = 120, 0.2
    while length > 0:
        step = rng.uniform(14, 34)
        turn = aim + rng.uniform(-0.7, 0.7)
        nx, ny = x + step * math.cos(turn), y + step * math.sin(turn)
        pen.line([(x + 3, y + 2), (nx + 3, ny + 2)], fill=(250, 248, 240), width=width + 2)
        pen.line([(x, y), (nx, ny)], fill=(58, 50, 44), width=width)
        if length > fork_shortest and rng.random() < fork_chance:
            _crack(skin, rng, (nx, ny), aim + rng.choice((-0.9, 0.9)), length * 0.4)
        x, y, length = nx, ny, length - step


def _rolled(skin: Image.Image) -> Image.Image:
    """Wrap the unrolled skin around the profile: columns by the arc, rows by the radius."""
    w, h = 700, _HEIGHT
    slices: list[tuple[tuple[int, int, int, int], tuple[float, ...]]] = []
    for x in range(0, w, 10):
        u0, u1 = (math.asin(max(-1, min(1, e / w * 2 - 1))) / math.pi + 0.5 for e in (x, x + 10))
        bow = 20 * math.sqrt(max(0.0, 1 - ((x + 5) / w * 2 - 1) ** 2))
        s0, s1 = (u * skin.width * 0.5 + skin.width * 0.22 for u in (u0, u1))
        top, foot = -bow, skin.height - bow * 0.4
        slices.append(((x, 0, x + 10, h), (s0, top, s0, foot, s1, foot, s1, top)))
    round_skin = skin.transform((w, h), Image.Transform.MESH, slices, Image.Resampling.BILINEAR)
    lit = Image.new("L", (w, 1))
    lit.putdata([_light(x / w * 2 - 1) for x in range(w)])
    round_skin = noise.shade(round_skin, lit.resize((w, h)))
    rows = []
    for y in range(0, h, 4):
        r = _radius((y + 2) / h)
        rows.append(((round(350 - r), y, round(350 + r), y + 4), (0, y, 0, y + 4, w, y + 4, w, y)))
    return round_skin.transform((w, h), Image.Transform.MESH, rows, Image.Resampling.BILINEAR)


def _light(x: float) -> int:
    """Return the tone of a cylinder at x from -1 to 1, lit from the left with a window's gleam."""
    lambert = max(0.0, math.cos(math.asin(max(-1, min(1, x))) + 0.72))
    gleam = 70 * math.exp(-(((x + 0.5) / 0.06) ** 2)) + 26 * math.exp(-(((x - 0.72) / 0.08) ** 2))
    return max(0, min(250, round(30 + 104 * lambert + gleam)))


def _table(rng: random.Random) -> Image.Image:
    """Return an empty studio table: a pale wall that runs over into a linen-grey top."""
    fall = Image.linear_gradient("L").resize(SIZE)
    scene = Image.merge(
        "RGB",
        [fall.point([round(base - 26 * v / 255) for v in range(256)]) for base in (222, 219, 213)],
    )
    low = Image.new("L", SIZE)
    ImageDraw.Draw(low).rectangle((0, 1010, *SIZE), fill=255)
    top = noise.shade(
        Image.new("RGB", SIZE, (176, 166, 152)), noise.faint(noise.patches(rng, SIZE, (60, 3)), 0.1)
    )
    scene.paste(top, (0, 0), low.filter(ImageFilter.GaussianBlur(26)))
    return noise.shade(scene, noise.faint(noise.clouds(rng, SIZE, 800, 3), 0.07))


def _cast(
    scene: Image.Image,
    outline: Sequence[tuple[float, float, float, float]],
    soft: float,
    depth: float,
) -> None:
    """Darken the scene under ellipses."""
    small = Image.new("L", (SIZE[0] // 4, SIZE[1] // 4))
    for box in outline:
        ImageDraw.Draw(small).ellipse([v / 4 for v in box], fill=255)
    small = small.filter(ImageFilter.GaussianBlur(soft / 4))
    scene.paste(noise.dim(scene, small.resize(SIZE, Image.Resampling.BICUBIC), depth))


def _silhouette() -> Image.Image:
    """Return the vase's mask, smooth at its edges, the size of the rolled skin."""
    heights = range(0, _HEIGHT - 20, 4)
    left = [(350 - _radius(y / _HEIGHT), y) for y in heights]
    right = [(350 + _radius(y / _HEIGHT), y) for y in reversed(heights)]
    foot = [
        (350 - 162 * math.cos(a / 24 * math.pi), _HEIGHT - 26 + 24 * math.sin(a / 24 * math.pi))
        for a in range(25)
    ]
    big = Image.new("L", (1400, _HEIGHT * 2))
    ImageDraw.Draw(big).polygon([(x * 2, y * 2) for x, y in (*left, *foot, *right)], fill=255)
    return big.resize((700, _HEIGHT), Image.Resampling.LANCZOS)


def _shards(scene: Image.Image, rng: random.Random, skin: Image.Image) -> None:
    """Lay broken pieces before the vase: painted face, raw edge, a shadow each."""
    for x, y, r in ((1010, 1290, 78), (1135, 1222, 50), (905, 1352, 40), (1210, 1320, 28)):
        angles = sorted(rng.uniform(0, 2 * math.pi) for _ in range(6))
        shape = [
            (
                x + r * rng.uniform(0.75, 1.2) * math.cos(a),
                y + r * 0.55 * rng.uniform(0.75, 1.2) * math.sin(a),
            )
            for a in angles
        ]
        _cast(scene, [(x - r, y - r * 0.2, x + r * 1.2, y + r * 0.8)], 14, 0.5)
        pen = ImageDraw.Draw(scene)
        pen.polygon([(px + 3, py + 9) for px, py in shape], fill=(206, 194, 176))
        mask = Image.new("L", SIZE)
        ImageDraw.Draw(mask).polygon(shape, fill=255)
        piece = Image.new("RGB", SIZE)
        piece.paste(skin.resize((900, 580)), (round(x - 300), round(y - 260)))
        scene.paste(piece, (0, 0), mask.filter(ImageFilter.GaussianBlur(0.8)))


def _break(scene: Image.Image, chip: Sequence[Point]) -> None:
    """Show the far wall's inside where the rim lacks a piece."""
    hollow = Image.new("L", SIZE)
    ImageDraw.Draw(hollow).polygon([(_MIDDLE - 350 + x, _TOP + y) for x, y in chip], fill=255)
    inside = Image.new("L", SIZE)
    inside.paste(_silhouette(), (_MIDDLE - 350, _TOP))
    gap = ImageChops.multiply(hollow.filter(ImageFilter.GaussianBlur(3)), inside)
    scene.paste((98, 97, 95), (0, 0), gap)


def vase(*, cracked: bool = False, seed: int = 1) -> Image.Image:
    """Return a picture of SIZE of a blue-and-white vase; cracked, its rim lacks a piece."""
    rng = noise.dice(seed)
    scene = _table(rng)
    skin = _glaze(rng)
    clean = skin.copy()
    if cracked:
        _crack(skin, rng, (690, 40), 1.25, 820)
        _crack(skin, rng, (610, 420), 2.6, 320)
    foot = _TOP + _HEIGHT
    _cast(scene, [(_MIDDLE - 120, foot - 70, _MIDDLE + 560, foot + 60)], 60, 0.4)
    _cast(scene, [(_MIDDLE - 180, foot - 34, _MIDDLE + 210, foot + 26)], 18, 0.62)
    body, mask = _rolled(skin), _silhouette()
    under = Image.linear_gradient("L").resize(mask.size)
    body = noise.shade(body, under.point([round(140 - 34 * (v / 255) ** 2) for v in range(256)]))
    if cracked:
        ImageDraw.Draw(body).line(_CHIP, fill=(222, 208, 186), width=15, joint="curve")
        ImageDraw.Draw(mask).polygon(_CHIP, fill=0)
    rim = Image.new("RGB", SIZE, (118, 118, 116))
    mouth = (_MIDDLE - 150, _TOP - 26, _MIDDLE + 150, _TOP + 26)
    opening = Image.new("L", SIZE)
    ImageDraw.Draw(opening).ellipse(mouth, fill=255)
    deep = Image.linear_gradient("L").rotate(90).resize(SIZE)
    rim = noise.shade(rim, noise.faint(deep, 0.6))
    scene.paste(rim, (0, 0), opening.filter(ImageFilter.GaussianBlur(1)))
    if cracked:
        _break(scene, _CHIP)
    front = Image.new("L", SIZE)
    front.paste(mask, (_MIDDLE - 350, _TOP))
    ImageDraw.Draw(front).ellipse((mouth[0] + 13, mouth[1], mouth[2] - 13, mouth[3] - 4), fill=0)
    layer = Image.new("RGB", SIZE)
    layer.paste(body, (_MIDDLE - 350, _TOP))
    scene.paste(layer, (0, 0), front.filter(ImageFilter.GaussianBlur(0.8)))
    pen = ImageDraw.Draw(scene)
    pen.arc(mouth, 8, 352, fill=(236, 238, 238), width=9)
    if cracked:
        pen.arc(mouth, 12, 82, fill=(104, 103, 101), width=10)
        _shards(scene, rng, clean)
    return scene


@functools.lru_cache(maxsize=4)
def _print(name: str, maker: str, size: tuple[int, int]) -> Image.Image:
    on = paper.sheet(size, (32, 34, 40))
    on.pen.rectangle((0, size[1] * 0.82, size[0], size[1]), fill=(222, 112, 40))
    on.write(
        (size[0] * 0.06, size[1] * 0.09),
        maker,
        size[1] * 0.11,
        face="black",
        fill=paper.WHITE,
        width=size[0] * 0.5,
    )
    on.write(
        (size[0] * 0.06, size[1] * 0.91),
        name,
        size[1] * 0.1,
        face="bold",
        fill=(26, 22, 18),
        anchor="lm",
        width=size[0] * 0.88,
    )
    return on.image


def _lens(on: Image.Image, x: float, y: float, r: float) -> None:
    """Print a camera's picture: body, grip, lens with coated glass."""
    pen = ImageDraw.Draw(on)
    pen.rounded_rectangle(
        (x - r * 1.9, y - r * 1.1, x + r * 1.7, y + r * 1.1),
        r * 0.2,
        fill=(58, 60, 66),
        outline=(92, 94, 100),
        width=4,
    )
    pen.polygon(
        [
            (x - r * 0.6, y - r * 1.08),
            (x - r * 0.4, y - r * 1.5),
            (x + r * 0.5, y - r * 1.5),
            (x + r * 0.7, y - r * 1.08),
        ],
        fill=(50, 52, 58),
    )
    pen.rounded_rectangle(
        (x - r * 1.9, y - r, x - r * 1.25, y + r * 1.1), r * 0.16, fill=(34, 35, 39)
    )
    for ring, tone in (
        (1.0, (22, 22, 25)),
        (0.9, (70, 72, 78)),
        (0.86, (16, 16, 19)),
        (0.66, (44, 46, 52)),
        (0.62, (10, 12, 22)),
        (0.46, (26, 36, 82)),
        (0.3, (52, 40, 96)),
        (0.17, (10, 10, 16)),
    ):
        s = r * ring
        pen.ellipse((x - s, y - s, x + s, y + s), fill=tone)
    pen.ellipse((x - r * 0.36, y - r * 0.4, x - r * 0.12, y - r * 0.2), fill=(206, 214, 236))
    pen.ellipse((x + r * 0.16, y + r * 0.18, x + r * 0.26, y + r * 0.28), fill=(150, 120, 190))


def retail_box(name: str, maker: str, serial: str, *, seed: int = 1) -> Image.Image:
    """Return a picture of SIZE of a camera's sealed box, its serial number under bars."""
    rng = noise.dice(seed)
    size = (0.24, 0.17, 0.19)
    sides: dict[str, Image.Image] = {}
    for side in ("top", "front", "right"):
        across, tall = parcel.face_size(size, side)
        big = _print(name, maker, (across * 3, tall * 3)).copy()
        if side == "front":
            _lens(big, big.width * 0.62, big.height * 0.5, big.height * 0.22)
        if side == "right":
            on = paper.Sheet(big, ImageDraw.Draw(big))
            plate = (60, round(big.height * 0.36), big.width - 60, round(big.height * 0.72))
            on.pen.rectangle(plate, fill=paper.WHITE)
            paper.bars(on, (plate[0], plate[1] + 26), serial, (plate[2] - plate[0], 120))
            on.write(
                (big.width / 2, plate[1] + 186),
                f"S/N {serial}",
                46,
                face="mono",
                anchor="mm",
                width=big.width - 150,
            )
        sides[side] = noise.shade(big, noise.faint(noise.patches(rng, big.size, (2, 2)), 0.04))
    scene = _table(rng)
    eye = Camera((0.12, -0.72, 0.42), (0.01, 0.0, 0.09), 1900, SIZE)
    box = parcel.Parcel(size=size, turn=-32, sides=sides)
    parcel.shadow(scene, box, eye)
    parcel.draw(scene, box, eye)
    return scene


def photographed(scene: Image.Image, shot: exif.Shot, seed: int = 1) -> bytes:
    """Return the scene as a phone's JPEG."""
    return camera.save(camera.develop(scene, seed, (0.5, 0.45)), shot)
