"""Chance that repeats: textures of random bytes, the same for the same seed.

Pillow's own noise cannot be seeded, so the bytes come from `random.Random`.
"""

import random

from PIL import Image, ImageChops, ImageFilter, ImageOps

Size = tuple[int, int]
NEUTRAL = 128


def dice(seed: int) -> random.Random:
    """Return a generator that always gives the same sequence for the same seed."""
    return random.Random(seed)  # noqa: S311 - pictures, not secrets


def white(rng: random.Random, size: Size) -> Image.Image:
    """Return grey noise in which no pixel knows its neighbour."""
    return Image.frombytes("L", size, rng.randbytes(size[0] * size[1]))


def patches(rng: random.Random, size: Size, cell: tuple[float, float]) -> Image.Image:
    """Return smooth grey noise whose hills are about `cell` pixels wide and high."""
    grid = (max(2, round(size[0] / cell[0])), max(2, round(size[1] / cell[1])))
    return white(rng, grid).resize(size, Image.Resampling.BICUBIC)


def clouds(rng: random.Random, size: Size, cell: float, octaves: int = 4) -> Image.Image:
    """Return value noise of several octaves, stretched to the full range of greys."""
    small = (max(2, size[0] // 2), max(2, size[1] // 2))
    sky = patches(rng, small, (cell / 2, cell / 2))
    for octave in range(1, octaves):
        finer = max(1.0, cell / 2 / 2**octave)
        sky = Image.blend(sky, patches(rng, small, (finer, finer)), 0.36)
    return ImageOps.autocontrast(sky, cutoff=0.5).resize(size, Image.Resampling.BICUBIC)


def faint(tone: Image.Image, strength: float) -> Image.Image:
    """Squeeze a grey image around the neutral grey; strength 1 keeps it as it is."""
    return tone.point([round(NEUTRAL + (v - NEUTRAL) * strength) for v in range(256)])


def shade(picture: Image.Image, tone: Image.Image) -> Image.Image:
    """Darken where the tone is below neutral grey and lighten where it is above."""
    return ImageChops.hard_light(picture, Image.merge("RGB", (tone, tone, tone)))


def dim(picture: Image.Image, mask: Image.Image, depth: float) -> Image.Image:
    """Darken towards black where the mask is white; depth 1 makes it black."""
    keep = mask.point([round(255 - v * depth) for v in range(256)])
    return ImageChops.multiply(picture, Image.merge("RGB", (keep, keep, keep)))


def blur(picture: Image.Image, radius: float) -> Image.Image:
    """Blur widely at the price of a narrow blur, by working on a smaller copy."""
    scale = max(1, int(radius / 3))
    small = picture.resize((max(1, picture.width // scale), max(1, picture.height // scale)))
    soft = small.filter(ImageFilter.GaussianBlur(radius / scale))
    return soft.resize(picture.size, Image.Resampling.BICUBIC)


def spread(mask: Image.Image, by: float) -> Image.Image:
    """Grow a black-and-white mask by some pixels, or shrink it where `by` is negative."""
    soft = mask.filter(ImageFilter.GaussianBlur(abs(by)))
    low = 40 if by > 0 else 200
    return soft.point([max(0, min(255, (v - low) * 8)) for v in range(256)])
