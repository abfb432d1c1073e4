"""The perceptual hash: 64 bits that stay nearly the same when a picture is scaled or pressed.

It is the pHash that the `imagehash` library computes (its `phash` of 64 bits), so that lists of
such hashes can be compared; the tests do. Written out because that library brings numpy, scipy
and PyWavelets into a process that opens hostile files, for one cosine transform of 32 by 32.
"""

import math
from statistics import median

from PIL import Image, ImageStat

_SIDE = 32
_LOW = 8
_COSINES = [
    [math.cos(math.pi * wave * (2 * place + 1) / (2 * _SIDE)) for place in range(_SIDE)]
    for wave in range(_LOW)
]
_STEADY = 6  # digits kept, so that the noise of a blank page is no pattern


def perceive(image: Image.Image) -> int:
    """Compute the hash of an upright picture; the first bit is the picture's mean."""
    grey = image.convert("L").resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    pixels = grey.tobytes()
    rows = [pixels[start : start + _SIDE] for start in range(0, len(pixels), _SIDE)]
    # Columns of each row first: the transform is the same both ways round.
    across = [_transform(row) for row in rows]
    down = [_transform([row[wave] for row in across]) for wave in range(_LOW)]
    low = [round(down[x][y], _STEADY) for y in range(_LOW) for x in range(_LOW)]
    middle = median(low)
    return int("".join("1" if value > middle else "0" for value in low), 2)


def measure_contrast(image: Image.Image) -> int:
    """Give the standard deviation of a picture's grey, 0 to 128."""
    return min(round(ImageStat.Stat(image.convert("L")).stddev[0]), 128)


def _transform(values: bytes | list[float]) -> list[float]:
    """The lowest waves of the discrete cosine transform (DCT-II)."""
    return [
        2 * sum(value * cosine for value, cosine in zip(values, wave, strict=True))
        for wave in _COSINES
    ]
