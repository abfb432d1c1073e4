"""The demo's pictures: valid files, the same every time, and true to the facts given."""

import functools
import io
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from PIL import ExifTags, Image, ImageOps

from infra.demo.pictures import (
    chat,
    exif,
    gallery,
    listing,
    note,
    paper,
    photo,
    product,
    tracking,
    trade,
    waybill,
)

MIB = 1024 * 1024
FORMATS = {"jpg": "JPEG", "png": "PNG"}
DAMAGED = photo.Photo(label=gallery.LABEL, shot=gallery.SHOT, seed=3)
# ISO/IEC 15417: widths of the eleven modules of each symbol, bar first; written out here so that
# the reader does not lean on the library that wrote the bars.
TABLE = (
    "212222 222122 222221 121223 121322 131222 122213 122312 132212 221213 221312 231212 112232 "
    "122132 122231 113222 123122 123221 223211 221132 221231 213212 223112 312131 311222 321122 "
    "321221 312212 322112 322211 212123 212321 232121 111323 131123 131321 112313 132113 132311 "
    "211313 231113 231311 112133 112331 132131 113123 113321 133121 313121 211331 231131 213113 "
    "213311 213131 311123 311321 331121 312113 312311 332111 314111 221411 431111 111224 111422 "
    "121124 121421 141122 141221 112214 112412 122114 122411 142112 142211 241211 221114 413111 "
    "241112 134111 111242 121142 121241 114212 124112 124211 411212 421112 421211 212141 214121 "
    "412121 111143 111341 131141 114113 114311 411113 411311 113141 114131 311141 411131 211412 "
    "211214 211232 2331112"
)
WIDTHS = TABLE.split()
SYMBOLS = {widths: value for value, widths in enumerate(WIDTHS)}


@functools.cache
def _gallery() -> dict[str, bytes]:
    return dict(gallery.pictures())


def _runs(image: Image.Image, y: int) -> list[int]:
    """Return the widths of black and white along a row, from the first black to the last."""
    row = image.convert("L").crop((0, y, image.width, y + 1))
    dark = [False, *(v < 128 for v in row.tobytes()), False]
    first, last = dark.index(True), len(dark) - dark[::-1].index(True)
    widths = [0]
    for before, now in zip(dark[first - 1 : last], dark[first:last], strict=False):
        if now is not before and widths[-1]:
            widths.append(0)
        widths[-1] += 1
    return widths


def _text(values: list[int]) -> str:
    """Read symbol values as text in the code sets that they switch between."""
    charset = {103: "A", 104: "B", 105: "C"}[values[0]]
    total = values[0] + sum(at * value for at, value in enumerate(values[1:-1], 1))
    assert total % 103 == values[-1]
    text = ""
    for value in values[1:-1]:
        if charset == "C" and value < 100:
            text += f"{value:02d}"
        elif charset != "C" and value < 95:
            text += chr(value + 32)
        else:
            charset = {99: "C", 100: "B", 101: "A"}[value]
    return text


def decoded(image: Image.Image, y: int) -> str:
    """Read Code 128 from one row of pixels."""
    runs = _runs(image, y)
    unit = sum(runs[:6]) / 11
    modules = [round(run / unit) for run in runs]
    symbols = ["".join(map(str, modules[at : at + 6])) for at in range(0, len(modules) - 7, 6)]
    assert "".join(map(str, modules[-7:])) == WIDTHS[-1]
    return _text([SYMBOLS[symbol] for symbol in symbols])


def _exif(data: bytes) -> Image.Exif:
    return Image.open(io.BytesIO(data)).getexif()


def _degrees(parts: tuple[float, float, float], ref: str) -> float:
    angle = float(parts[0]) + float(parts[1]) / 60 + float(parts[2]) / 3600
    return -angle if ref in "SW" else angle


def test_every_picture_is_a_valid_file_of_the_type_that_its_name_says():
    for name, data in _gallery().items():
        if name.endswith(".pdf"):
            assert data.startswith(b"%PDF-")
            assert data.rstrip().endswith(b"%%EOF")
            continue
        with Image.open(io.BytesIO(data)) as image:
            assert image.format == FORMATS[name[-3:]], name
            image.verify()
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            assert image.mode == "RGB"


def test_nothing_follows_the_end_of_a_picture():
    for name, data in _gallery().items():
        if name.endswith(".jpg"):
            assert data.endswith(b"\xff\xd9")
        if name.endswith(".png"):
            assert data.endswith(b"IEND\xaeB`\x82")


def test_every_picture_is_of_a_size_that_a_person_would_send():
    for name, data in _gallery().items():
        if name == "parcel-original.jpg":
            assert 2.5 * MIB < len(data) < 3.6 * MIB
        else:
            assert 60 * 1024 < len(data) < MIB, name


def test_a_photo_is_the_same_for_the_same_seed_and_another_for_another():
    first = photo.damaged(DAMAGED)
    assert photo.damaged(DAMAGED) == first
    assert photo.damaged(replace(DAMAGED, seed=4)) != first


# One of every drawing module; photos of parcels are drawn again above.
@pytest.mark.parametrize(
    "name",
    [
        "waybill.png",
        "delivery-note-photo.jpg",
        "invoice.pdf",
        "customs-declaration.png",
        "chat.png",
        "delivered.jpg",
        "camera-box.jpg",
        "jacket-olive.jpg",
        "listing.png",
    ],
)
def test_drawing_again_gives_the_same_bytes(name: str):
    assert gallery.drawings()[name]() == _gallery()[name]


def test_each_damage_gives_another_picture():
    names = [name for name in _gallery() if name.startswith("parcel-")]
    assert len(names) == 6
    assert len({_gallery()[name] for name in names}) == 6


def test_a_photo_tells_when_where_and_with_what_it_was_taken():
    found = _exif(photo.damaged(DAMAGED))
    inner, place = found.get_ifd(ExifTags.IFD.Exif), found.get_ifd(ExifTags.IFD.GPSInfo)
    assert found[ExifTags.Base.Make] == "Halden"
    assert found[ExifTags.Base.Model] == "Halden P4 Pro"
    assert inner[ExifTags.Base.DateTimeOriginal] == "2026:03:16 18:22:09"
    assert inner[ExifTags.Base.OffsetTimeOriginal] == "+01:00"
    assert place[ExifTags.GPS.GPSDateStamp] == "2026:03:16"
    assert tuple(place[ExifTags.GPS.GPSTimeStamp]) == (17, 22, 9)
    latitude = _degrees(place[ExifTags.GPS.GPSLatitude], place[ExifTags.GPS.GPSLatitudeRef])
    longitude = _degrees(place[ExifTags.GPS.GPSLongitude], place[ExifTags.GPS.GPSLongitudeRef])
    assert latitude == pytest.approx(53.5453, abs=1e-5)
    assert longitude == pytest.approx(9.9512, abs=1e-5)


def test_a_place_south_and_west_keeps_its_signs():
    shot = replace(gallery.SHOT, latitude=-33.86882, longitude=-70.66927)
    small = Image.new("RGB", (64, 48))
    out = io.BytesIO()
    small.save(out, "JPEG", exif=exif.metadata(shot, small.size))
    place = _exif(out.getvalue()).get_ifd(ExifTags.IFD.GPSInfo)
    latitude = _degrees(place[ExifTags.GPS.GPSLatitude], place[ExifTags.GPS.GPSLatitudeRef])
    longitude = _degrees(place[ExifTags.GPS.GPSLongitude], place[ExifTags.GPS.GPSLongitudeRef])
    assert latitude == pytest.approx(-33.86882, abs=1e-5)
    assert longitude == pytest.approx(-70.66927, abs=1e-5)


def test_a_photo_without_a_place_has_no_position():
    shot = replace(gallery.SHOT, latitude=None, longitude=None)
    assert not exif.metadata(shot, (10, 10)).get_ifd(ExifTags.IFD.GPSInfo)


def test_a_zone_west_of_greenwich_on_the_half_hour_is_written_with_its_sign():
    zone = timezone(-timedelta(hours=3, minutes=30))
    shot = replace(gallery.SHOT, taken=datetime(2026, 1, 1, 23, 0, tzinfo=zone))
    found = exif.metadata(shot, (10, 10))
    assert found.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.OffsetTimeOriginal] == "-03:30"
    assert found.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSDateStamp] == "2026:01:02"


def test_a_shot_without_a_zone_is_refused():
    naive = datetime(2026, 1, 1)  # noqa: DTZ001 - the refused case
    with pytest.raises(ValueError, match="zone"):
        exif.metadata(replace(gallery.SHOT, taken=naive), (10, 10))


def test_a_shot_held_sideways_is_stored_turned_and_seen_upright():
    with Image.open(io.BytesIO(_gallery()["delivered.jpg"])) as image:
        assert image.getexif()[ExifTags.Base.Orientation] == exif.HELD_SIDEWAYS
        assert image.size == (2000, 1500)
        upright = ImageOps.exif_transpose(image)
    assert upright.size == (1500, 2000)
    red, _, blue = upright.resize((10, 10)).getpixel((0, 3))
    assert red > blue + 20, "the brick wall stands at the left"
    sky, floor = (
        upright.resize((10, 10)).getpixel((4, 1)),
        upright.resize((10, 10)).getpixel((4, 9)),
    )
    assert sky[2] > sky[0] + 20, "the door is above"
    assert abs(floor[2] - floor[0]) < 25, "the grey flags are below"


@pytest.mark.parametrize("label", [gallery.LABEL, gallery.COURIER, gallery.RETURN])
def test_the_bars_of_a_waybill_read_as_its_tracking_number(label: waybill.Waybill):
    image = Image.open(io.BytesIO(waybill.render(label)))
    for y in (1200, 1350, 1520):
        assert decoded(image, y) == label.tracking


def test_the_bars_of_the_return_label_and_the_box_of_goods_read_as_well():
    on = paper.sheet((900, 80))
    paper.bars(on, (0, 0), "HX2-20418837", (900, 80))
    assert decoded(on.image, 40) == "HX2-20418837"


def test_the_bars_of_note_and_declaration_read_as_the_tracking_number():
    top = note.draw(gallery.NOTE).crop((700, 66, 1160, 162))
    assert decoded(top, 48) == gallery.NOTE.tracking
    form = trade.customs(gallery.SALE).crop((540, 66, 960, 128))
    assert decoded(form, 30) == gallery.SALE.tracking


def test_the_bars_of_a_photographed_waybill_still_read():
    with Image.open(io.BytesIO(_gallery()["waybill-photo.jpg"])) as stored:
        upright = ImageOps.exif_transpose(stored).convert("L")
    found = []
    for y in range(1200, 1500, 6):
        row = upright.crop((215, y, 1245, y + 1)).resize((4120, 1), Image.Resampling.BICUBIC)
        middle = (row.getextrema()[0] + row.getextrema()[1]) // 2
        flat = row.point([255 if v > middle else 0 for v in range(256)])
        try:
            found.append(decoded(flat, 0))
        except (AssertionError, KeyError, ValueError):
            continue
    assert gallery.LABEL.tracking in found


def test_bars_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="do not fit"):
        paper.bars(paper.sheet((100, 50)), (0, 0), gallery.LABEL.tracking, (100, 50))


@pytest.mark.parametrize(
    ("made", "known"),
    [
        (tracking.s10("RB", 47312482, "DE"), "RB473124829DE"),  # the example of UPU S10
        (tracking.s10("RA", 12345678, "GB"), "RA123456785GB"),
        (tracking.one_z("5R8939", 3, 5756712), "1Z5R89390357567127"),
        (tracking.one_z("999AA1", 1, 2345678), "1Z999AA10123456784"),
        (tracking.express_twelve(98657878885), "986578788855"),
        (tracking.express_ten(331881002), "3318810025"),
    ],
)
def test_tracking_numbers_have_the_check_digits_of_numbers_known_from_elsewhere(made, known):
    assert made == known


def test_a_postal_check_digit_of_ten_or_eleven_is_written_as_nought_or_five():
    assert tracking.s10("RR", 8, "CN") == "RR000000080CN"  # 56 = 55 + 1, check 10
    assert tracking.s10("RR", 0, "CN") == "RR000000005CN"  # 0, check 11


@pytest.mark.parametrize("serial", [-1, 100_000_000])
def test_a_serial_that_does_not_fit_is_refused(serial: int):
    with pytest.raises(ValueError, match="does not fit"):
        tracking.s10("RR", serial, "CN")


def test_the_totals_of_an_invoice_are_the_sum_of_its_lines():
    assert [line.total_minor for line in gallery.SALE.lines] == [18900, 1450, 1750]
    assert gallery.SALE.goods_minor == 22100
    assert gallery.SALE.total_minor == 24500
    assert gallery.SALE.weight_grams == 2340
    assert trade.money(123456705) == "1,234,567.05"


def test_a_changed_amount_changes_the_invoice():
    line = replace(gallery.SALE.lines[0], unit_minor=18901)
    other = replace(gallery.SALE, lines=(line, *gallery.SALE.lines[1:]))
    assert trade.invoice(other).tobytes() != trade.invoice(gallery.SALE).tobytes()


def test_a_pdf_holds_all_its_pages_and_nothing_that_acts():
    pages = [trade.invoice(gallery.SALE), trade.packing_list(gallery.SALE)]
    data = trade.file(pages, "Papers")
    assert data.count(b"/Type /Page\n") == 2
    for active in (b"/JavaScript", b"/OpenAction", b"/Launch", b"/EmbeddedFile"):
        assert active not in data


def test_a_line_too_long_for_its_place_shrinks():
    on = paper.sheet((400, 80))
    assert on.write((0, 0), "An address that does not fit at this size", 60, width=400) <= 400


def test_a_conversation_longer_than_the_screen_is_refused():
    line = gallery.TALK.lines[1]
    with pytest.raises(ValueError, match="longer than the screen"):
        chat.draw(replace(gallery.TALK, lines=[line] * 20))


def test_a_listing_shows_the_picture_that_it_was_given():
    green = Image.new("RGB", (300, 300), (0, 160, 0))
    page = listing.draw(gallery.PAGE, green)
    assert page.getpixel((300, 500)) == (0, 160, 0)


def test_the_vase_that_is_cracked_differs_from_the_whole_one_at_its_rim():
    whole, cracked = product.vase(), product.vase(cracked=True)
    assert (
        whole.crop((840, 235, 900, 280)).tobytes() != cracked.crop((840, 235, 900, 280)).tobytes()
    )


def test_the_gallery_writes_every_picture_and_a_contact_sheet(tmp_path, capsys):
    assert gallery.main([]) == 2
    assert "usage" in capsys.readouterr().err
    gallery.write(tmp_path, list(_gallery().items()))
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {*_gallery(), "contact-sheet.png"}
