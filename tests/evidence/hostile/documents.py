"""PDFs, films, texts, mails and workbooks that lie, are broken or want to do harm."""

import base64
import io
import struct
import zipfile
import zlib
from collections.abc import Iterator

import av
from PIL import Image

from evidence.flags import Code
from tests.evidence.files import WORKBOOK, XLSX
from tests.evidence.hostile.pictures import (
    BEHIND,
    BOMB,
    BROKEN,
    ELF,
    PE,
    Hostile,
    bomb,
    box,
    zipped,
)

PDF, MP4 = "application/pdf", "video/mp4"
TEXT, CSV, JSON, MAIL = "text/plain", "text/csv", "application/json", "message/rfc822"
FINE = {None}


def everything() -> Iterator[Hostile]:
    yield from _pdfs()
    yield from _broken_pdfs()
    yield from _greedy_pdfs()
    yield from _films()
    yield from _texts()
    yield from _mails()
    yield from _workbooks()


# --- PDF -----------------------------------------------------------------------------------------


def pdf(*objects: bytes, catalog: bytes = b"", page: bytes = b"", head: bytes = b"") -> bytes:
    """A document of one page; further objects begin at number 4."""
    listed = (
        b"<</Type/Catalog/Pages 2 0 R" + catalog + b">>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 100]" + page + b">>",
        *objects,
    )
    made, places = b"%PDF-1.7\n" + head, []
    for number, one in enumerate(listed, 1):
        places.append(len(made))
        made += b"%d 0 obj" % number + one + b"endobj\n"
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(listed) + 1
    start = len(made)
    made += b"xref\n0 %d\n0000000000 65535 f \n" % size + table
    return made + b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (size, start)


def stream(data: bytes, entries: bytes = b"") -> bytes:
    return b"<</Length %d" % len(data) + entries + b">>stream\n" + data + b"\nendstream "


def objects(data: bytes, entries: bytes = b"/Filter/FlateDecode") -> bytes:
    """An object stream; what is in it is compressed unless `entries` say otherwise."""
    packed = zlib.compress(data) if b"Flate" in entries else data
    return stream(packed, b"/Type/ObjStm/N 1/First 4" + entries)


SCRIPT = b"<</S/JavaScript/JS(app.alert(1))>>"


def _pdfs() -> Iterator[Hostile]:
    run, act = {Code.PDF_JAVASCRIPT}, {Code.PDF_ACTION}
    yield "PDF with a script", PDF, pdf(SCRIPT, catalog=b"/OpenAction 4 0 R"), run | act
    names = b"/Names<</JavaScript<</Names[(a) 4 0 R]>>>>"
    yield "PDF with a script by name", PDF, pdf(SCRIPT, catalog=names), run
    spelled = SCRIPT.replace(b"/JavaScript", b"/J#61v#61Script").replace(b"/JS", b"/#4a#53")
    yield "PDF with a script in escapes", PDF, pdf(spelled), run
    yield "PDF with a script in an object stream", PDF, pdf(objects(SCRIPT)), run
    plain = objects(SCRIPT.replace(b"v", b"#76"), b"")
    yield "PDF with a script in a plain object stream", PDF, pdf(plain), run
    false = b"(stream\n" + SCRIPT + b"endstream)"
    yield "PDF with a script in a false stream", PDF, pdf(false), run
    later = pdf() + b"5 0 obj" + SCRIPT + b"endobj\n%%EOF\n"
    yield "PDF with a script in an update", PDF, later, run
    hexed = objects(SCRIPT.hex().encode() + b">", b"/Filter[/ASCIIHexDecode]")
    yield "PDF with objects in hex", PDF, pdf(hexed), {Code.PDF_OBSCURED}
    twice = objects(zlib.compress(SCRIPT), b"/Filter[/FlateDecode/FlateDecode]")
    yield "PDF with objects packed twice", PDF, pdf(twice), {Code.PDF_OBSCURED}
    beyond = objects(SCRIPT, b"/Filter 9 0 R").replace(SCRIPT, zlib.compress(SCRIPT))
    yield "PDF with objects packed somehow", PDF, pdf(beyond), {Code.PDF_OBSCURED}
    named = objects(SCRIPT).replace(b"/ObjStm", b"/Obj#53tm")
    yield "PDF with an object stream in escapes", PDF, pdf(named), run
    launch = b"<</S/Launch/F(cmd.exe)>>"
    yield "PDF that launches", PDF, pdf(launch, catalog=b"/OpenAction 4 0 R"), {Code.PDF_LAUNCH}
    yield "PDF that launches from an object stream", PDF, pdf(objects(launch)), {Code.PDF_LAUNCH}
    yield "PDF that acts when opened", PDF, pdf(catalog=b"/OpenAction[3 0 R/Fit]"), act
    yield "PDF that acts on a page", PDF, pdf(page=b"/AA<</O 4 0 R>>"), act
    submits = {Code.PDF_SUBMITS}
    yield "PDF that submits", PDF, pdf(b"<</S/SubmitForm/F(http://x)>>"), submits
    yield "PDF that imports", PDF, pdf(b"<</S/ImportData/F(x)>>"), submits
    note = stream(b"a note", b"/Type/EmbeddedFile")
    yield "PDF with a file", PDF, pdf(note), {Code.PDF_FILES}
    for name, carried in {"an ELF": ELF, "a PE": PE}.items():
        made = stream(zlib.compress(carried), b"/Type/EmbeddedFile/Filter/FlateDecode")
        yield f"PDF with {name} in a file", PDF, pdf(made), {Code.PROGRAM_INSIDE}
    inner = stream(zipped(), b"/Type /EmbeddedFile")
    yield "PDF with a ZIP in a file", PDF, pdf(inner), {Code.ARCHIVE_INSIDE}
    rich = {Code.PDF_RICH_MEDIA}
    yield "PDF with a film", PDF, pdf(b"<</Subtype/RichMedia/RichMediaContent 9 0 R>>"), rich
    yield "PDF with a sound", PDF, pdf(b"<</Type/Annot/Subtype /Sound>>"), rich
    yield "PDF with a model", PDF, pdf(b"<</Type/Annot/Subtype/3D>>"), rich
    form = b"/AcroForm<</Fields[]/XFA[(a) 4 0 R]>>"
    yield "PDF with a form that changes itself", PDF, pdf(catalog=form), {Code.PDF_XFA}
    locked = pdf(LOCK).replace(b"/Root", b"/ID[<00><00>]/Encrypt 4 0 R/Root")
    yield "PDF with a password", PDF, locked, {Code.PDF_LOCKED}
    page = b"<html><script>alert(1)</script></html>\n"
    yield "PDF that is a web page as well", PDF, pdf(head=page), {Code.MARKUP_INSIDE}
    for what in ("a ZIP", "an ELF", "a PE", "a shell script", "a RAR", "words"):
        behind, code = BEHIND[what]
        yield f"PDF with {what} behind", PDF, pdf() + behind + b"%%EO", {code}


LOCK = b"<</Filter/Standard/V 1/R 2/Length 40/P -4/O<" + b"28" * 32 + b">/U<" + b"17" * 32 + b">>>"


def _broken_pdfs() -> Iterator[Hostile]:
    good = pdf()
    yield "PDF of nothing", PDF, b"%PDF-1.4\n%%EOF\n", BROKEN
    yield (
        "PDF without pages",
        PDF,
        good.replace(b"/Kids[3 0 R]/Count 1", b"/Kids[]/Count 0"),
        BROKEN,
    )
    yield (
        "PDF of a thousand million pages",
        PDF,
        good.replace(b"/Count 1", b"/Count 999999999"),
        (BROKEN | FINE),
    )
    yield "PDF whose pages go round", PDF, good.replace(b"[3 0 R]", b"[2 0 R]"), BROKEN | FINE
    yield (
        "PDF whose page is its own parent",
        PDF,
        good.replace(b"/Parent 2 0 R", b"/Parent 3 0 R"),
        BROKEN | FINE,
    )
    round_ = good.replace(b"/Root 1 0 R", b"/Prev %d/Root 1 0 R" % good.index(b"xref"))
    yield "PDF whose tables go round", PDF, round_, BROKEN | FINE
    lost = good.replace(b"startxref\n", b"startxref\n99999")
    yield "PDF whose table is lost", PDF, lost, BROKEN | FINE
    wrong = good.replace(b"0 4\n0000000000", b"0 4\n9999999999")
    yield "PDF whose table is wrong", PDF, wrong, BROKEN | FINE
    yield (
        "PDF with its end in its middle",
        PDF,
        good[:60] + b"%%EOF" + good[60:-6],
        BROKEN | {Code.TRAILING_BYTES},
    )
    for name, sides in {
        "no size": b"0 0 0 0",
        "a negative size": b"0 0 -200 -100",
        "a huge size": b"0 0 99999999 99999999",
        "a long size": b"0 0 1 1000000",
        "a size that is no number": b"/a /b /c /d",
        "a size beyond numbers": b"0 0 " + b"9" * 400 + b" 1",
    }.items():
        yield f"PDF of {name}", PDF, good.replace(b"0 0 200 100", sides), BROKEN | FINE
    yield "PDF full of zeros", PDF, b"%PDF-1.4\n" + bytes(100_000) + b"%%EOF\n", BROKEN
    noise = zlib.compress(bytes(range(256)) * 40)
    yield "PDF full of noise", PDF, b"%PDF-1.4\n" + noise + b"%%EOF\n", BROKEN


def _greedy_pdfs() -> Iterator[Hostile]:
    survived = BROKEN | FINE | {Code.BOMB}
    yield "PDF of 100000 arrays in each other", PDF, pdf(b"[" * 100_000 + b"]" * 100_000), survived
    nested = b"<</a" * 50_000 + b" 1" + b">>" * 50_000
    yield "PDF of 50000 dictionaries in each other", PDF, pdf(nested), survived
    chain = [b"<</Type/Pages/Kids[%d 0 R]/Count 1>>" % (n + 1) for n in range(4, 3004)]
    deep = pdf(*chain).replace(b"Kids[3 0 R]", b"Kids[4 0 R]")
    yield "PDF of 3000 trees in each other", PDF, deep, survived
    yield (
        "PDF of objects that explode",
        PDF,
        pdf(
            stream(BOMB, b"/Type/ObjStm/N 1/First 4/Filter/FlateDecode"),
            stream(BOMB, b"/Type/ObjStm/N 1/First 4/Filter/FlateDecode"),
        ),
        {Code.BOMB},
    )
    drawing = b"/Contents 4 0 R"
    yield (
        "PDF whose drawing explodes",
        PDF,
        pdf(stream(bomb(128 * 2**20), b"/Filter/FlateDecode"), page=b"/Contents 4 0 R"),
        survived,
    )
    saved = zlib.compress(b"q " * 2_000_000)
    yield (
        "PDF that saves for ever",
        PDF,
        pdf(stream(saved, b"/Filter/FlateDecode"), page=b"/Contents 4 0 R"),
        survived,
    )
    yield from _drawn_pdfs(drawing, survived)


def _drawn_pdfs(drawing: bytes, survived: set[Code]) -> Iterator[Hostile]:
    own = stream(b"/F Do /F Do", b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources" + itself(5))
    yield (
        "PDF of a form in itself",
        PDF,
        pdf(stream(b"/F Do"), own, page=drawing + b"/Resources" + itself(5)),
        survived,
    )
    yield "PDF of forms that double 30 times", PDF, _doubling(30), survived
    huge = stream(
        BOMB,
        b"/Type/XObject/Subtype/Image/Width 60000/Height 60000/ColorSpace/DeviceRGB"
        b"/BitsPerComponent 8/Filter/FlateDecode",
    )
    yield (
        "PDF of a huge picture",
        PDF,
        pdf(stream(b"200 0 0 100 0 0 cm /F Do"), huge, page=drawing + b"/Resources" + itself(5)),
        survived,
    )
    tiny = stream(
        b"0 0 1 1 re f",
        b"/PatternType 1/PaintType 1/TilingType 1/BBox[0 0 1 1]/XStep .0001/YStep .0001"
        b"/Resources<<>>",
    )
    paint = b"/Pattern cs /P scn 0 0 200 100 re f"
    yield (
        "PDF of a million tiles",
        PDF,
        pdf(stream(paint), tiny, page=drawing + b"/Resources<</Pattern<</P 5 0 R>>>>"),
        survived,
    )
    lines = zlib.compress(b"0 0 m 200 100 l S\n" * 3_000_000)
    yield (
        "PDF of three million lines",
        PDF,
        pdf(stream(lines, b"/Filter/FlateDecode"), page=drawing),
        survived,
    )
    yield "PDF of 110000 streams", PDF, pdf(stream(b"") * 110_000), {Code.BOMB}
    pages = pdf(page=drawing).replace(b"Kids[3 0 R]", b"Kids[" + b"3 0 R " * 50_000 + b"]")
    yield "PDF of 50000 pages", PDF, pages.replace(b"Count 1", b"Count 50000"), survived


def itself(number: int) -> bytes:
    return b"<</XObject<</F %d 0 R>>>>" % number


def _doubling(times: int) -> bytes:
    forms = [
        stream(
            b"/F Do /F Do",
            b"/Type/XObject/Subtype/Form/BBox[0 0 200 100]/Resources" + itself(number + 1),
        )
        for number in range(5, 5 + times)
    ]
    last = stream(b"0 0 9 9 re f", b"/Type/XObject/Subtype/Form/BBox[0 0 200 100]")
    page = b"/Contents 4 0 R/Resources" + itself(5)
    return pdf(stream(b"/F Do"), *forms, last, page=page)


# --- MP4 -----------------------------------------------------------------------------------------


def filmed(frames: int = 12, size: tuple[int, int] = (64, 48), codec: str = "mpeg4") -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as made:
        video = made.add_stream(codec, rate=8)
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        for number in range(frames):
            image = Image.new("RGB", size, (20 * number % 256, 90, 120))
            made.mux(video.encode(av.VideoFrame.from_image(image)))
        made.mux(video.encode())
    return file.getvalue()


FILM = filmed()
_FTYP = box(b"ftyp", b"isom\0\0\2\0isommp41")


def _films() -> Iterator[Hostile]:
    good = FILM
    for percent in (20, 50, 80, 97):
        cut = good[: len(good) * percent // 100]
        yield f"film cut at {percent} %", MP4, cut, BROKEN | {Code.NO_PREVIEW}
    for what, (behind, code) in BEHIND.items():
        if what in {"a ZIP", "an ELF", "a PE", "a PDF", "a web page", "a shell script", "words"}:
            yield (
                f"film with {what} behind",
                MP4,
                good + b"\xff" * 8 + behind,
                {
                    code,
                    Code.TRAILING_BYTES,
                },
            )
    yield "film without its table", MP4, _FTYP + box(b"mdat", bytes(99)), {Code.BROKEN_STRUCTURE}
    yield "film of an empty table", MP4, _FTYP + box(b"moov"), BROKEN
    yield "film of 70000 boxes", MP4, good + box(b"free") * 70_000, {Code.BOMB}
    deep = b""
    for _ in range(3000):
        deep = box(b"trak", deep)
    yield (
        "film of 3000 boxes in each other",
        MP4,
        _FTYP + box(b"moov", deep),
        BROKEN | {Code.NO_PREVIEW},
    )
    for kind in (b"stts", b"stsc", b"stsz", b"stco", b"stsd", b"mdhd", b"tkhd", b"avcC", b"esds"):
        at = good.find(kind)
        if at > 0:
            mad = good[: at + 8] + b"\xff" * 12 + good[at + 20 :]
            yield f"film with a mad {kind.decode()}", MP4, mad, BROKEN | FINE | {Code.NO_PREVIEW}
    at = good.index(b"mp4v") + 28
    wide = good[:at] + b"\xff\xff\xff\xff" + good[at + 4 :]
    yield "film of 65535 by 65535", MP4, wide, BROKEN | FINE | {Code.NO_PREVIEW}
    told = box(b"moov", box(b"udta", box(b"\xa9xyz", b"\0\x0c\x15\xc7+999.9999+999.9999/")))
    yield "film that lies about its place", MP4, _FTYP + told, BROKEN | {Code.ABSURD_METADATA}
    at = good.index(b"mdat") + 4
    torn = good[:at] + b"\xa5" * (len(good) - at)
    yield "film of noise", MP4, torn, BROKEN | {Code.TRAILING_BYTES}


# --- text ----------------------------------------------------------------------------------------


def _texts() -> Iterator[Hostile]:
    marked = {Code.MARKUP}
    for name, kind, text in (
        ("text with a script", TEXT, b"Hello <script>alert(1)</script>"),
        ("text with a frame", TEXT, b"see\n<iframe src=x>"),
        ("text with a picture that acts", TEXT, b"a <img src=x onerror=alert(1)>"),
        ("text with a script's address", TEXT, b"click javascript:alert(1)"),
        ("text with PHP", TEXT, b"1\n<?php system('x') ?>"),
        ("table with a web page", CSV, b"a,<html><body >"),
        ("JSON with a script", JSON, b'{"a": "<script>alert(1)</script>"}'),
        ("JSON with a drawing", JSON, b'{"a": "<svg onload=alert(1)>"}'),
    ):
        yield name, kind, text, marked
    yield "text that is a script", TEXT, b"#!/bin/sh\nrm -rf /\n", {Code.PROGRAM_INSIDE}
    yield "text that is an RTF", TEXT, b"{\\rtf1 hello}", {Code.DOCUMENT_INSIDE}
    yield "text that is a PDF as well", TEXT, b"a\n%PDF-1.4 a", {Code.DOCUMENT_INSIDE}
    for number, cell in enumerate(
        (
            b"=cmd|' /C calc'!A0",
            b"@SUM(A1)",
            b'+HYPERLINK("http://x")',
            b'-WEBSERVICE("http://x")',
            b'"=HYPERLINK(""http://x"")"',
            b"\t=IMPORTXML(A1)",
        )
    ):
        yield f"table with formula {number}", CSV, b"a;b\n1," + cell + b"\n", {Code.FORMULAS}
    yield "text of one long line", TEXT, b"<" * 9_000_000, FINE
    yield "table of nine million commas", CSV, b"," * 9_000_000, FINE
    yield "text of spaces", TEXT, b" on" * 3_000_000, FINE


def mail(body: bytes, kind: bytes = b"text/plain", more: bytes = b"") -> bytes:
    head = b"From: a@b.example\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n"
    return head + b"Content-Type: " + kind + b"\r\n" + more + b"\r\n" + body


def parts(*inside: tuple[bytes, bytes]) -> bytes:
    body = b"".join(b"--b\r\n" + head + b"\r\n\r\n" + data + b"\r\n" for head, data in inside)
    return mail(body + b"--b--\r\n", b'multipart/mixed; boundary="b"')


def _mails() -> Iterator[Hostile]:
    yield "mail that is a web page", MAIL, mail(b"<p>Hi</p>", b"text/html"), {Code.MARKUP}
    yield "mail with a script", MAIL, mail(b"Hi <script>x</script>"), {Code.MARKUP}
    carried = b'Content-Type: application/pdf\r\nContent-Disposition: attachment; filename="a.pdf"'
    yield "mail with a document", MAIL, parts((carried, b"x")), {Code.ATTACHMENTS}
    quiet = b"Content-Type: image/png"
    yield "mail with a picture", MAIL, parts((quiet, b"x")), {Code.ATTACHMENTS}
    program = {Code.PROGRAM_INSIDE}
    for name in (b"a.exe", b"a.pdf.js", b"a.LNK", b"a.scr ", b"invoice.hta"):
        head = b'Content-Disposition: attachment; filename="' + name + b'"'
        yield f"mail with {name.decode()}", MAIL, parts((head, b"x")), program
    coded = b"Content-Transfer-Encoding: base64\r\nContent-Type: text/plain"
    yield "mail with a program in base64", MAIL, parts((coded, base64.encodebytes(PE))), program
    other = b"Content-Disposition: attachment; filename*=utf-8''a%2Eexe"
    yield "mail with a program in escapes", MAIL, parts((other, b"x")), program
    strange = b"Content-Disposition: attachment; filename*=cp864'x'%ff%00"
    yield "mail in letters that nobody knows", MAIL, parts((strange, b"x")), {Code.ATTACHMENTS}
    yield "mail of 600 parts", MAIL, parts(*[(b"X: y", b"z")] * 600), {Code.BOMB}
    deep = mail(b"end")
    for _ in range(300):
        deep = mail(deep, b"message/rfc822")
    yield "mail of 300 mails in each other", MAIL, deep, {Code.BOMB}
    nested = b"x"
    for number in range(120):
        mark = b"b%d" % number
        inner = b"Content-Type: multipart/mixed; boundary=" + mark
        nested = inner + b"\r\n\r\n--" + mark + b"\r\n" + nested + b"\r\n--" + mark + b"--\r\n"
    yield (
        "mail of 120 parts in each other",
        MAIL,
        parts((b"X: y", b""), (b"", nested)),
        {
            Code.BOMB,
            None,
        },
    )
    yield "mail of a long header", MAIL, mail(b"x", more=b"X: " + b"y" * 2_000_000 + b"\r\n"), FINE
    many = mail(b"x", more=b"X: y\r\n" * 100_000)
    yield "mail of 100000 headers", MAIL, many, FINE
    yield "mail of bad base64", MAIL, parts((coded, b"=" * 100_000)), FINE


# --- workbooks -----------------------------------------------------------------------------------


def workbook(*more: tuple[str, bytes], sheet: bytes = b"<x/>") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as made:
        for name in WORKBOOK:
            made.writestr(name, sheet if "sheet" in name else b"<x/>")
        for name, data in more:
            made.writestr(name, data)
    return file.getvalue()


def _workbooks() -> Iterator[Hostile]:
    entities = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>'
    yield "workbook of laughs", XLSX, workbook(sheet=entities), {Code.WORKBOOK_ENTITIES}
    wide = "<!DOCTYPE x>".encode("utf-16")
    yield "workbook of wide laughs", XLSX, workbook(sheet=wide), {Code.WORKBOOK_ENTITIES}
    yield "workbook that explodes", XLSX, workbook(sheet=bytes(64 * 2**20)), {Code.BOMB}
    lots = [(f"xl/media/{number}.png", b"") for number in range(5000)]
    yield "workbook of 5000 parts", XLSX, workbook(*lots), {Code.BOMB}
    several = [(f"xl/worksheets/s{number}.xml", b"<x>" + bytes(40 * 2**20)) for number in range(7)]
    yield "workbook of seven bombs", XLSX, workbook(*several), {Code.BOMB}
    inner = ("xl/media/image1.png", zipped())
    yield "workbook with a ZIP in a picture", XLSX, workbook(inner), {Code.ARCHIVE_INSIDE}
    program = ("xl/media/image1.png", PE)
    yield "workbook with a PE in a picture", XLSX, workbook(program), {Code.PROGRAM_INSIDE}
    for name in ("xl/macrosheets/sheet1.xml", "xl/dialogsheets/sheet1.xml"):
        yield f"workbook with {name}", XLSX, workbook((name, b"<x/>")), {Code.WORKBOOK_MACROS}
    for name in ("xl/embeddings/oleObject1.bin", "xl/activeX/activeX1.bin"):
        yield f"workbook with {name}", XLSX, workbook((name, b"x")), {Code.WORKBOOK_OBJECTS}
    for name in ("xl/externalLinks/externalLink1.xml", "xl/connections.xml"):
        yield f"workbook with {name}", XLSX, workbook((name, b"<x/>")), {Code.WORKBOOK_LINKS}
    dde = ("xl/externalLinks/externalLink1.xml", b'<x><ddeLink ddeService="cmd"/></x>')
    yield "workbook that starts a program", XLSX, workbook(dde), {Code.WORKBOOK_DDE}
    good = workbook(sheet=b"<x>" + b"cell " * 999 + b"</x>")
    locked = bytearray(good)
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = -1
        while (place := good.find(mark, place + 1)) >= 0:
            locked[place + at] |= 1
    yield "workbook with a password", XLSX, bytes(locked), {Code.WORKBOOK_LOCKED}
    directory = good.index(b"PK\x01\x02")
    for name, at, value in (
        ("a wrong sum", 16, b"\0\0\0\0"),
        ("a part that says it is longer", 24, b"\xff\xff\xff\x0f"),
        ("a part that says it is shorter", 24, b"\x01\0\0\0"),
        ("a part that lies nowhere", 42, b"\xff\xff\xff\x7f"),
        ("a packing that nobody knows", 10, b"\x63\0"),
    ):
        changed = good[: directory + at] + value + good[directory + at + len(value) :]
        yield f"workbook with {name}", XLSX, changed, {Code.BROKEN_STRUCTURE, Code.BOMB}
    yield "workbook of parts that overlap", XLSX, _overlapping(), {Code.BOMB}


def _overlapping() -> bytes:
    """Many entries of the directory for one and the same bytes."""
    good = workbook(("xl/media/a.xml", b"<x>" + bytes(2**20)))
    end = good.rindex(b"PK\x05\x06")
    place = good.rindex(b"PK\x01\x02")
    last = good[place:end]
    copies = b"".join(
        last.replace(b"media/a.xml", b"media/%c.xml" % letter) for letter in range(98, 118)
    )
    directory = good[good.index(b"PK\x01\x02") : end] + copies
    count = directory.count(b"PK\x01\x02")
    closing = struct.pack(
        "<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, len(directory), good.index(b"PK\x01\x02"), 0
    )
    return good[: good.index(b"PK\x01\x02")] + directory + closing
