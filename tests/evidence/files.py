"""Small files of every type that the vault takes, made here, and files that lie."""

import json
import zipfile
from io import BytesIO

from PIL import Image

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def picture(kind: str) -> bytes:
    file = BytesIO()
    Image.effect_mandelbrot((64, 48), (-2, -1, 1, 1), 20).convert("RGB").save(file, kind)
    return file.getvalue()


def archive(*names: str, remark: bytes = b"") -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for name in names:
            made.writestr(name, "<x/>")
        made.comment = remark
    return file.getvalue()


def movie(major: bytes, *brands: bytes) -> bytes:
    box = b"ftyp" + major + bytes(4) + b"".join(brands)
    return (len(box) + 4).to_bytes(4, "big") + box + b"\0\0\0\x08mdat"


WORKBOOK = ("[Content_Types].xml", "_rels/.rels", "xl/workbook.xml", "xl/worksheets/sheet1.xml")
MAIL = b"Received: by mx\r\n\tfor you\r\nDate: Sun, 22 Nov 2026\r\nFrom: a@b.example\r\n\r\nHi \xe4"
PDF = b"%PDF-1.7\n1 0 obj <<>> endobj\ntrailer <<>>\nstartxref\n0\n%%EOF\n"

GOOD = {
    "image/jpeg": picture("JPEG"),
    "image/png": picture("PNG"),
    "image/webp": picture("WEBP"),
    "image/heic": movie(b"heic", b"mif1", b"heic"),
    "application/pdf": PDF,
    "video/mp4": movie(b"isom", b"isom", b"mp42"),
    "text/plain": "Der Karton war naß. 箱子湿了。\n".encode(),
    "message/rfc822": MAIL,
    "application/json": json.dumps({"event": ["shipped", 1.5]}).encode(),
    "text/csv": b"\xef\xbb\xbfdate;amount\r\n2026-11-22;19,99\r\n",
    XLSX: archive(*WORKBOOK),
}

LIES = {
    "a PNG that says it is a JPEG": ("image/jpeg", GOOD["image/png"]),
    "a JPEG that says it is a PNG": ("image/png", GOOD["image/jpeg"]),
    "a WAV that says it is a WEBP": ("image/webp", b"RIFF\x24\0\0\0WAVEfmt " + bytes(40)),
    "an empty WEBP": ("image/webp", b"RIFF\x24\0\0\0WEBPICCP" + bytes(40)),
    "an MP4 that says it is HEIC": ("image/heic", GOOD["video/mp4"]),
    "HEIC that says it is an MP4": ("video/mp4", GOOD["image/heic"]),
    "AVIF that says it is HEIC": ("image/heic", movie(b"avif", b"mif1")),
    "a box that is cut": ("video/mp4", b"\0\0\0\x20ftypisom\0\0\0\0isom"),
    "HTML that says it is a PDF": ("application/pdf", b"<html></html>"),
    "a PDF without its end": ("application/pdf", PDF[:-8]),
    "HTML that says it is text": ("text/plain", b" \n<!DOCTYPE html><html></html>"),
    "SVG that says it is CSV": ("text/csv", b"\xef\xbb\xbf<svg xmlns='x'/>"),
    "text that is not UTF-8": ("text/plain", b"na\xdf"),
    "text that ends in half a letter": ("text/plain", "ß".encode()[:1]),
    "text with a NUL": ("text/plain", b"a\0b"),
    "JSON that does not parse": ("application/json", b"{'a': 1}"),
    "JSON too deep": ("application/json", b"[" * 100_000),
    "mail without a header": ("message/rfc822", b"Hello,\n\nFrom: me"),
    "mail without a date": ("message/rfc822", b"From: a@b.example\r\n\r\nDate: none"),
    "a ZIP that says it is a workbook": (XLSX, archive("a.txt")),
    "a workbook that carries a program": (XLSX, archive(*WORKBOOK, "setup.exe")),
    "a workbook that climbs out": (XLSX, archive(*WORKBOOK, "xl/../../etc/passwd")),
    "a workbook with macros": (XLSX, archive(*WORKBOOK, "xl/vbaProject.bin")),
    "a workbook with something after it": (XLSX, archive(*WORKBOOK) + b"MZ"),
    "a workbook without its directory": (XLSX, archive(*WORKBOOK)[:-22]),
}
