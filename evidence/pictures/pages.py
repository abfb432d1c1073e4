"""The pages of a PDF as images, by PDFium; without scripts, forms' own drawing, files or fonts."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pypdfium2  # type: ignore[import-untyped]  # published without types
import pypdfium2.raw as pdfium  # type: ignore[import-untyped]  # the same
from PIL import Image

from evidence.errors import Undecodable
from evidence.facts import TEXT_MAX
from evidence.flags import Code, Flag

_XFA = {2, 3}  # FORMTYPE_XFA_FULL, FORMTYPE_XFA_FOREGROUND
_PASSWORD = 4  # FPDF_ERR_PASSWORD
_DATE = re.compile(
    r"D:(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(?:(Z)(?:00'?00'?)?|([+-]\d\d)'?(\d\d)'?)?",
    re.ASCII,
)
_TOLD = {
    "producer": "Producer",
    "creator": "Creator",
    "created": "CreationDate",
    "modified": "ModDate",
}


class Pages:
    """An open document."""

    def __init__(self, document: pypdfium2.PdfDocument) -> None:
        self._document = document
        self.count = len(document)

    def flags(self) -> list[Flag]:
        """What PDFium finds that no reading of names may have: a second opinion."""
        found = []
        if pdfium.FPDFDoc_GetJavaScriptActionCount(self._document) > 0:
            found.append(Flag.of(Code.PDF_JAVASCRIPT, name="JavaScript"))
        if pdfium.FPDF_GetFormType(self._document) in _XFA:
            found.append(Flag.of(Code.PDF_XFA, name="XFA"))
        if pdfium.FPDFDoc_GetAttachmentCount(self._document) > 0:
            found.append(Flag.of(Code.PDF_FILES, name="EmbeddedFile"))
        return found

    def told(self) -> dict[str, str]:
        """What the document says of who made it, and when."""
        said = self._document.get_metadata_dict(skip_empty=True)
        found = {}
        for name, key in _TOLD.items():
            text = "".join(char for char in said.get(key, "") if char.isprintable()).strip()
            if text:
                found[name] = (_date(text) if key.endswith("Date") else text)[:TEXT_MAX]
        return found

    def draw(self, number: int, side: int) -> Image.Image:
        """Draw a page so that its longer side has so many pixels; a broken one is white."""
        try:
            page = self._document[number]
            width, height = page.get_size()
            longer = max(width, height)
            if not 0 < longer < float("inf"):
                raise Undecodable("unreadable")
            bitmap = page.render(scale=side / longer, may_draw_forms=False)
            image: Image.Image = bitmap.to_pil().convert("RGB")
            page.close()
        except pypdfium2.PdfiumError:
            return Image.new("RGB", (side, side), "white")
        return image.crop((0, 0, min(image.width, side), min(image.height, side)))


@contextmanager
def opened(data: bytes) -> Iterator[Pages]:
    """Open a document; Undecodable if it is none, or wants a password."""
    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        locked = getattr(error, "err_code", None) == _PASSWORD
        raise Undecodable("password" if locked else "unreadable") from error
    try:
        yield Pages(document)
    finally:
        document.close()


def _date(text: str) -> str:
    """A PDF's date (ISO 32000-1, 7.9.4) in ISO 8601; as it is, where it is none."""
    found = _DATE.fullmatch(text)
    if found is None:
        return text
    year, month, day, hour, minute, second, utc, east, past = found.groups()
    offset = f"{east}:{past}" if east else utc or ""
    date = f"{year}-{month or '01'}-{day or '01'}"
    return f"{date}T{hour or '00'}:{minute or '00'}:{second or '00'}{offset}"
