"""Developing: from a file to its facts and its derived copies, upright and without metadata.

Copies are JPEG: a seventh of WEBP's time for a half more bytes, every program shows them, and a
PDF takes them as they are. Only the darkroom imports this; nothing here has limits of its own but
on sizes, the process has the rest.
"""

import io
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import pillow_heif
from PIL import (
    Image,
    ImageCms,
    ImageFile,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
)

from evidence.errors import Undecodable
from evidence.flags import Code, Flag
from evidence.inspection.content import Content
from evidence.inspection.raster import PIXELS_MAX
from evidence.pictures import exif, film, pages, perceptual
from evidence.wire import COPY_MAX, Asked, Copy

_QUALITY = 82
_QUALITY_LOW = 60
_FORMATS = MappingProxyType(
    {
        "image/jpeg": JpegImagePlugin.JpegImageFile.format,
        "image/png": PngImagePlugin.PngImageFile.format,
        "image/webp": WebPImagePlugin.WebPImageFile.format,
        "image/heic": "HEIF",
    }
)
_MAY_BECOME = MpoImagePlugin.MpoImageFile.format  # what a JPEG with further pictures is opened as
_SRGB = ImageCms.createProfile("sRGB")

Image.MAX_IMAGE_PIXELS = None  # the limits are PIXELS_MAX, by type
pillow_heif.register_heif_opener(thumbnails=False)
Image.preinit()  # now, since the darkroom imports nothing later


class Development:
    """What is made of one file: flags, facts and copies are filled in as it goes."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.flags: list[Flag] = []
        self.facts: dict[str, Any] = {}
        self.copies: list[Copy] = []

    def run(self, content: Content) -> None:
        """Develop a file; Undecodable if nothing can be seen of it, nothing for types of text."""
        develop = _DEVELOP.get(self.asked.media_type)
        if develop is not None:
            develop(self, content)

    def picture(self, content: Content) -> None:
        """A photograph or a screenshot."""
        kind, data = self.asked.media_type, content.whole()
        with self._opened(kind, data) as image:
            width, height = image.size
            if width * height > PIXELS_MAX[kind]:
                raise Undecodable("memory")
            self._read_exif(image)
        screen, cut = self._loaded(kind, data)
        if cut:
            self.flags.append(Flag.of(Code.CUT_SHORT))
        turned = self._orientation() in {5, 6, 7, 8} and kind != "image/heic"
        self.facts |= (
            {"width": height, "height": width}
            if turned
            else {
                "width": width,
                "height": height,
            }
        )
        self._keep("screen", screen)
        self._seen(screen)

    def document(self, content: Content) -> None:
        """A PDF: the images of its first pages."""
        with pages.opened(content.whole()) as document:
            self.flags += document.flags()
            self.facts["pages"] = document.count
            if told := document.told():
                self.facts["document"] = told
            for number in range(min(document.count, self.asked.pages_max)):
                page = document.draw(number, self.asked.screen)
                if number == 0:
                    self.facts |= {"width": page.width, "height": page.height}
                    self._seen(page)
                self._keep(f"page-{number + 1}", page)
        if not document.count:
            raise Undecodable("unreadable")

    def film(self, content: Content) -> None:
        """An MP4: a frame of it, where there is one."""
        shot = film.shoot(content, PIXELS_MAX["video/mp4"])
        self.facts |= shot.facts
        if shot.absurd:
            self.flags.append(Flag.of(Code.ABSURD_METADATA, fields=shot.absurd))
        if shot.image is None:
            self.flags.append(Flag.of(Code.NO_PREVIEW))
            return
        poster = self._fitted(shot.image, self.asked.screen)
        self._keep("poster", poster)
        self._seen(poster)

    def _orientation(self) -> int:
        found: int = self.facts.get("exif", {}).get("orientation", 1)
        return found

    def _read_exif(self, image: Image.Image) -> None:
        found, absurd = exif.read(image)
        turned = image.info.get("original_orientation")  # HEIF: taken out, the pixels are turned
        if isinstance(turned, int) and 1 <= turned <= 8:  # noqa: PLR2004 - DC-008, 4.6.5.1.4
            found["orientation"] = turned
        if found:
            self.facts["exif"] = found
        if absurd:
            self.flags.append(Flag.of(Code.ABSURD_METADATA, fields=absurd))

    def _opened(self, kind: str, data: bytes) -> Image.Image:
        try:
            return Image.open(io.BytesIO(data), formats=[_FORMATS[kind] or ""])
        except MemoryError:
            raise
        except Exception as error:
            raise Undecodable("unreadable") from error

    def _loaded(self, kind: str, data: bytes) -> tuple[Image.Image, bool]:
        """The picture at screen size, and whether it is cut: then as much of it as there is."""
        for cut in (False, True):
            ImageFile.LOAD_TRUNCATED_IMAGES = cut
            try:
                with self._opened(kind, data) as image:
                    return self._upright(image, kind), cut
            except (MemoryError, Undecodable):
                raise
            except Exception as error:
                if cut:
                    raise Undecodable("unreadable") from error
            finally:
                ImageFile.LOAD_TRUNCATED_IMAGES = False
        raise Undecodable("unreadable")

    def _upright(self, image: Image.Image, kind: str) -> Image.Image:
        profile = image.info.get("icc_profile")
        # A JPEG is decoded at a fraction of its size, as far as the copy allows.
        image.thumbnail((self.asked.screen, self.asked.screen), reducing_gap=1.0)
        plain = _opaque(image)
        if isinstance(profile, bytes) and profile:
            plain = _in_srgb(plain, profile)
        turn = None if kind == "image/heic" else _TURNS.get(self._orientation())
        return plain if turn is None else plain.transpose(turn)

    def _fitted(self, image: Image.Image, side: int) -> Image.Image:
        fitted = image.copy()
        fitted.thumbnail((side, side), reducing_gap=2.0)
        return fitted

    def _seen(self, image: Image.Image) -> None:
        self.facts |= {
            "perceptual": perceptual.perceive(image),
            "contrast": perceptual.measure_contrast(image),
        }
        self._keep("thumbnail", self._fitted(image, self.asked.thumbnail))

    def _keep(self, kind: str, image: Image.Image) -> None:
        for quality in (_QUALITY, _QUALITY_LOW):
            file = io.BytesIO()
            # A new picture of the same pixels carries nothing along.
            bare = Image.frombytes("RGB", image.size, image.tobytes())
            bare.save(file, "JPEG", quality=quality)
            if file.tell() <= COPY_MAX:
                self.copies.append(Copy(kind, image.width, image.height, file.getvalue()))
                return
        self.flags.append(Flag.of(Code.NO_PREVIEW))


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_DEVELOP: Mapping[str, Callable[[Development, Content], None]] = MappingProxyType(
    dict.fromkeys(_FORMATS, Development.picture)
    | {"application/pdf": Development.document, "video/mp4": Development.film}
)


def _opaque(image: Image.Image) -> Image.Image:
    """As red, green and blue; what is transparent, on white."""
    if image.mode in {"I;16", "I;16B", "I;16L", "I"}:
        return image.convert("I").point(lambda value: value / 256).convert("L").convert("RGB")
    if image.has_transparency_data:
        over = image.convert("RGBA")
        white = Image.new("RGBA", over.size, "white")
        return Image.alpha_composite(white, over).convert("RGB")
    return image.convert("RGB")


def _in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """In the colours that every screen knows; a profile that is broken is left aside."""
    try:
        made = ImageCms.profileToProfile(
            image, ImageCms.ImageCmsProfile(io.BytesIO(profile)), _SRGB, outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image
    return made or image
