"""Where parcels lie: a wooden floor, a doorstep. Backgrounds, and no story."""

import functools
import random

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from infra.demo.pictures import camera, noise, paper
from infra.demo.pictures.camera import Camera

_OAK: tuple[paper.Colour, ...] = (
    (170, 128, 86),
    (158, 117, 77),
    (180, 139, 97),
    (149, 108, 70),
    (174, 134, 90),
)


def _grain(rng: random.Random, size: tuple[int, int]) -> Image.Image:
    """Return wood grain along the picture's height."""
    long = noise.patches(rng, size, (26, 900))
    fine = noise.patches(rng, size, (3.5, 260))
    pores = noise.patches(rng, size, (1.6, 40))
    return Image.blend(Image.blend(long, fine, 0.45), pores, 0.25)


def planks(rng: random.Random, size: tuple[int, int], width: int = 190) -> Image.Image:
    """Return oak boards along the picture's height, with joints, knots and dark gaps."""
    floor = Image.new("RGB", size)
    stock = _grain(rng, (700, 1600))
    pen = ImageDraw.Draw(floor)
    for left in range(0, size[0], width):
        top = -rng.randrange(900)
        while top < size[1]:
            length = rng.randrange(900, 1500)
            tone = rng.choice(_OAK)
            plank = Image.new("RGB", (width, length), tone)
            x, y = rng.randrange(stock.width - width), rng.randrange(stock.height - length)
            piece = stock.crop((x, y, x + width, y + length))
            plank = noise.shade(plank, noise.faint(piece, 0.34))
            _knots(plank, rng)
            floor.paste(plank, (left, top))
            pen.line([(left, top), (left + width, top)], fill=(74, 58, 44), width=3)
            top += length
        pen.line([(left, 0), (left, size[1])], fill=(70, 54, 40), width=3)
        pen.line([(left + 4, 0), (left + 4, size[1])], fill=(198, 176, 150), width=2)
    return noise.shade(floor, noise.faint(noise.clouds(rng, size, 700, 3), 0.12))


def _knots(plank: Image.Image, rng: random.Random) -> None:
    mask = Image.new("L", plank.size)
    pen = ImageDraw.Draw(mask)
    for _ in range(rng.choice((0, 0, 1, 1, 2))):
        x, y = rng.uniform(20, plank.width - 20), rng.uniform(60, plank.height - 60)
        r = rng.uniform(6, 13)
        for ring in range(4, 0, -1):
            s = ring * r * 0.62
            pen.ellipse((x - s, y - s * 2.1, x + s, y + s * 2.1), fill=150 - 28 * ring)
        pen.ellipse((x - r * 0.5, y - r * 0.8, x + r * 0.5, y + r * 0.8), fill=220)
    plank.paste(noise.dim(plank, mask.filter(ImageFilter.GaussianBlur(2.4)), 0.5))


@functools.lru_cache(maxsize=2)
def _oak(seed: int) -> Image.Image:
    return planks(noise.dice(seed), (1900, 1800), 150)


def on_floor(eye: Camera, seed: int = 1, reach: float = 1.9) -> Image.Image:
    """Return the view of a wooden floor on which nothing lies yet."""
    view = Image.new("RGB", eye.size, (70, 52, 36))
    edge = [
        (-reach, reach * 1.5),
        (reach, reach * 1.5),
        (reach, -reach * 0.42),
        (-reach, -reach * 0.42),
    ]
    camera.lay(view, _oak(seed), [eye.see((x, y, 0.0)) for x, y in edge], 0)
    gloss = Image.new("L", (eye.size[0] // 8, eye.size[1] // 8))
    w, h = gloss.size
    ImageDraw.Draw(gloss).polygon(
        [(w * 0.02, -9), (w * 0.3, -9), (w * 0.44, h * 0.52), (w * 0.1, h * 0.6)], fill=84
    )
    gloss = gloss.filter(ImageFilter.GaussianBlur(17)).resize(eye.size, Image.Resampling.BICUBIC)
    view.paste((255, 248, 236), (0, 0), gloss)
    return view


def puddle(
    view: Image.Image, eye: Camera, rng: random.Random, middle: tuple[float, float], reach: float
) -> None:
    """Spill water on the floor: darker wood with a bright rim where it mirrors a window."""
    spot = Image.radial_gradient("L").resize((480, 480))
    field = Image.blend(spot, noise.clouds(rng, (480, 480), 190, 3), 0.24)
    wet = field.point([max(0, min(255, (150 - v) * 20)) for v in range(256)])
    patch = Image.merge(
        "RGBA",
        (
            *Image.new("RGB", (480, 480), (52, 38, 26)).split(),
            wet.point([round(v * 0.58) for v in range(256)]),
        ),
    )
    inner = noise.spread(wet, -7).filter(ImageFilter.GaussianBlur(5))
    rim = Image.merge(
        "RGBA",
        (
            *Image.new("RGB", (480, 480), (250, 250, 248)).split(),
            ImageChops.multiply(
                ImageChops.subtract(wet, inner),
                Image.linear_gradient("L")
                .resize((480, 480))
                .transpose(Image.Transpose.FLIP_TOP_BOTTOM),
            ),
        ),
    )
    x, y = middle
    edge = [
        eye.see((x + dx * reach, y + dy * reach, 0.0))
        for dx, dy in ((-1, 1), (1, 1), (1, -1), (-1, -1))
    ]
    camera.lay(view, patch, edge)
    camera.lay(view, rim, edge)


def _bricks(rng: random.Random, size: tuple[int, int]) -> Image.Image:
    wall = Image.new("RGB", size, (186, 180, 170))
    pen = ImageDraw.Draw(wall)
    high, long = 46, 138
    for row in range(size[1] // high + 1):
        shift = (row % 2) * long // 2
        for col in range(-1, size[0] // long + 1):
            x, y = col * long + shift, row * high
            j = rng.randint(-14, 14)
            red = (150 + j + rng.randint(-8, 8), 82 + j, 66 + j)
            pen.rounded_rectangle((x + 4, y + 4, x + long - 3, y + high - 3), 4, fill=red)
    wall = noise.shade(wall, noise.faint(noise.patches(rng, size, (3, 3)), 0.22))
    return noise.shade(wall, noise.faint(noise.clouds(rng, size, 300, 4), 0.2))


def _panel(door: paper.Sheet, box: tuple[int, int, int, int], colour: paper.Colour) -> None:
    """Sink a panel into a door: dark above and left, bright below and right."""
    x0, y0, x1, y1 = box
    dark = (colour[0] * 5 // 9, colour[1] * 5 // 9, colour[2] * 5 // 9)
    pale = (min(255, colour[0] + 34), min(255, colour[1] + 34), min(255, colour[2] + 34))
    for step in range(9):
        door.pen.line(
            [(x0 + step, y1 - step), (x0 + step, y0 + step), (x1 - step, y0 + step)],
            fill=dark,
            width=1,
        )
        door.pen.line(
            [(x0 + step, y1 - step), (x1 - step, y1 - step), (x1 - step, y0 + step)],
            fill=pale,
            width=1,
        )


def _door(rng: random.Random, number: str, colour: paper.Colour) -> Image.Image:
    size = (500, 1060)
    leaf = paper.sheet(size, colour)
    for box in ((60, 70, 225, 430), (275, 70, 440, 430), (60, 620, 225, 980), (275, 620, 440, 980)):
        _panel(leaf, box, colour)
    leaf.pen.rectangle((140, 512, 360, 560), fill=(148, 138, 116))
    leaf.pen.rectangle((150, 520, 350, 552), fill=(92, 84, 68))
    leaf.write((250, 470), number, 74, face="bold", fill=(226, 206, 150), anchor="mm")
    leaf.pen.rounded_rectangle((442, 508, 476, 640), 12, fill=(160, 150, 128))
    leaf.pen.ellipse((444, 540, 474, 570), fill=(214, 204, 180))
    leaf.pen.ellipse((452, 604, 466, 618), fill=(40, 36, 30))
    image = noise.shade(leaf.image, noise.faint(noise.patches(rng, size, (3, 120)), 0.08))
    framed = Image.new("RGB", (600, 1120), (226, 224, 217))
    framed.paste((150, 148, 142), (44, 50, 556, 1120))
    framed.paste(image, (50, 58))
    return noise.shade(framed, noise.faint(noise.clouds(rng, framed.size, 260, 4), 0.1))


def _mat(rng: random.Random) -> Image.Image:
    size = (800, 460)
    mat = paper.sheet(size, (142, 112, 74))
    mat.pen.rectangle((26, 26, 773, 433), outline=(58, 44, 30), width=14)
    mat.write((400, 230), "HALLO", 220, face="black", fill=(54, 40, 28), anchor="mm")
    rough = noise.shade(mat.image, noise.faint(noise.patches(rng, size, (2, 2)), 0.5))
    return noise.shade(rough, noise.faint(noise.patches(rng, size, (5, 5)), 0.3))


def _flags(rng: random.Random, size: tuple[int, int]) -> Image.Image:
    ground = Image.new("RGB", size, (104, 101, 96))
    pen = ImageDraw.Draw(ground)
    for row in range(0, size[1], 240):
        for col in range(0, size[0], 320):
            j = rng.randint(-12, 12)
            x = col + (row // 240 % 2) * 160
            pen.rectangle((x + 4, row + 4, x + 315, row + 235), fill=(160 + j, 156 + j, 148 + j))
            pen.rectangle((x - 316, row + 4, x - 4, row + 235), fill=(156 - j, 152 - j, 145 - j))
    ground = noise.shade(ground, noise.faint(noise.patches(rng, size, (2, 2)), 0.24))
    return noise.shade(ground, noise.faint(noise.clouds(rng, size, 260, 4), 0.14))


def doorstep(
    rng: random.Random,
    eye: Camera,
    number: str,
    *,
    colour: paper.Colour = (36, 74, 84),
    back: float = 0.75,
) -> Image.Image:
    """Return the view of a house door `back` metres away in a brick wall, with its mat."""
    view = Image.new("RGB", eye.size, (90, 88, 84))
    wall = [(-1.6, back, 2.7), (1.6, back, 2.7), (1.6, back, 0.0), (-1.6, back, 0.0)]
    camera.lay(view, _bricks(rng, (1300, 1100)), [eye.see(p) for p in wall], 0)
    ground = [(-1.6, back), (1.6, back), (1.6, -1.1), (-1.6, -1.1)]
    camera.lay(view, _flags(rng, (1600, 960)), [eye.see((x, y, 0.0)) for x, y in ground], 0)
    door = [(-0.62, back, 2.16), (0.56, back, 2.16), (0.56, back, 0.0), (-0.62, back, 0.0)]
    camera.lay(view, _door(rng, number, colour), [eye.see(p) for p in door])
    foot = Image.new("L", (eye.size[0] // 8, eye.size[1] // 8))
    line = [eye.see((x, back, 0.0)) for x in (-1.6, 1.6)]
    ImageDraw.Draw(foot).line([(x / 8, y / 8) for x, y in line], fill=255, width=9)
    foot = foot.filter(ImageFilter.GaussianBlur(5)).resize(eye.size, Image.Resampling.BICUBIC)
    view.paste(noise.dim(view, foot, 0.6))
    mat = [(-0.42, back - 0.08), (0.36, back - 0.08), (0.36, back - 0.53), (-0.42, back - 0.53)]
    camera.lay(view, _mat(rng), [eye.see((x, y, 0.0)) for x, y in mat])
    return view
