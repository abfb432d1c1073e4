"""A sheet to print on: fonts, lines of text, boxes, bars, and the files that sheets become.

It knows how things are set, not what a document says.
"""

import functools
import io
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from barcode.codex import Code128
from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]
Point = tuple[float, float]

INK: Colour = (22, 22, 26)
GREY: Colour = (110, 114, 122)
FAINT: Colour = (205, 208, 214)
WHITE: Colour = (255, 255, 255)
EPOCH = time.gmtime(1_767_225_600)

_FACES = {
    "regular": ("font_source_sans_pro", "files", "SourceSansPro-Regular.ttf"),
    "semibold": ("font_source_sans_pro", "files", "SourceSansPro-Semibold.ttf"),
    "bold": ("font_source_sans_pro", "files", "SourceSansPro-Bold.ttf"),
    "black": ("font_source_sans_pro", "files", "SourceSansPro-Black.ttf"),
    "italic": ("font_source_sans_pro", "files", "SourceSansPro-It.ttf"),
    "mono": ("barcode", "fonts", "DejaVuSansMono.ttf"),
}


@functools.cache
def _font_bytes(face: str) -> bytes:
    package, *path = _FACES[face]
    return resources.files(package).joinpath(*path).read_bytes()


@functools.lru_cache(maxsize=128)
def font(face: str, size: float) -> ImageFont.FreeTypeFont:
    """Return a face of this size in pixels; without Raqm, so that all machines set alike."""
    return ImageFont.truetype(
        io.BytesIO(_font_bytes(face)), size, layout_engine=ImageFont.Layout.BASIC
    )


@dataclass(frozen=True, slots=True)
class Sheet:
    """An RGB image with a pen."""

    image: Image.Image
    pen: ImageDraw.ImageDraw

    def write(
        self,
        at: Point,
        text: str,
        size: float,
        *,
        face: str = "regular",
        fill: Colour = INK,
        anchor: str = "la",
        width: float | None = None,
    ) -> float:
        """Set one line and return its length; it shrinks where `width` pixels do not hold it."""
        used = font(face, size)
        length = used.getlength(text)
        while width is not None and length > width:
            size -= 1
            used = font(face, size)
            length = used.getlength(text)
        self.pen.text(at, text, fill=fill, font=used, anchor=anchor)
        return length

    def lines(
        self,
        at: Point,
        texts: Sequence[str],
        size: float,
        *,
        face: str = "regular",
        fill: Colour = INK,
        lead: float = 1.28,
        width: float | None = None,
    ) -> float:
        """Set lines below one another and return the y below the last."""
        x, y = at
        for text in texts:
            self.write((x, y), text, size, face=face, fill=fill, width=width)
            y += size * lead
        return y

    def rule(self, start: Point, end: Point, width: int = 3, fill: Colour = INK) -> None:
        """Draw a straight line."""
        self.pen.line([start, end], fill=fill, width=width)

    def frame(self, box: tuple[float, float, float, float], width: int = 3) -> None:
        """Draw an empty rectangle."""
        self.pen.rectangle(box, outline=INK, width=width)


def sheet(size: tuple[int, int], colour: Colour = WHITE) -> Sheet:
    """Return an empty sheet of this size in pixels."""
    image = Image.new("RGB", size, colour)
    return Sheet(image, ImageDraw.Draw(image))


def wrapped(text: str, size: float, width: float, face: str = "regular") -> list[str]:
    """Break the text at spaces into lines of at most `width` pixels."""
    used = font(face, size)
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and used.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def modules(number: str) -> str:
    """Return the Code 128 bars of the number (ISO/IEC 15417): 1 is black, 0 is white."""
    return str(Code128(number).build()[0])


def bars(on: Sheet, at: tuple[int, int], number: str, size: tuple[int, int]) -> None:
    """Draw the number's Code 128 centred in the size, whole pixels to a bar, quiet zones kept."""
    pattern = modules(number)
    unit = size[0] // (len(pattern) + 20)
    if unit < 1:
        raise ValueError("the bars do not fit")
    left = at[0] + (size[0] - unit * len(pattern)) // 2
    for index, bit in enumerate(pattern):
        if bit == "1":
            x = left + index * unit
            on.pen.rectangle((x, at[1], x + unit - 1, at[1] + size[1] - 1), fill=INK)


def png(image: Image.Image) -> bytes:
    """Return the image as PNG without metadata."""
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=6)
    return out.getvalue()


def pdf(pages: Sequence[Image.Image], title: str, dpi: int) -> bytes:
    """Return the pages as a PDF of pictures; its dates are fixed, so equal input, equal bytes."""
    out = io.BytesIO()
    pages[0].save(
        out,
        "PDF",
        save_all=True,
        append_images=list(pages[1:]),
        resolution=dpi,
        quality=88,
        title=title,
        producer="Concord demo",
        creationDate=EPOCH,
        modDate=EPOCH,
    )
    return out.getvalue()
