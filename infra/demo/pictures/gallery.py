"""All pictures of one invented order, in a folder, with a contact sheet.

Run as `python -m infra.demo.pictures.gallery FOLDER`. It shows what the drawing modules can do;
the demo's own orders have facts of their own.
"""

import io
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

from PIL import Image, ImageOps

from infra.demo.pictures import (
    chat,
    exif,
    garment,
    listing,
    note,
    paper,
    photo,
    product,
    tracking,
    trade,
    waybill,
)
from infra.demo.pictures.address import Address

CET = timezone(timedelta(hours=1), "CET")
ORDER = "MB-20260302-0117"
SELLER = Address(
    name="Lin Weiming",
    company="Jingyue Ceramics Studio",
    street="88 Taoyang Road, Zhushan",
    town="333000 Jingdezhen, Jiangxi",
    country="China",
    code="CN",
    phone="+86 798 555 0142",
)
BUYER = Address(
    name="Marlene Hößler",
    street="Große Elbstraße 47",
    town="22767 Hamburg",
    country="Germany",
    code="DE",
    phone="+49 40 5550 0183",
)
LABEL = waybill.Waybill(
    carrier="Pacific Post",
    service="ePacket Plus",
    tracking=tracking.s10("LX", 47312482, "CN"),
    sender=SELLER,
    recipient=BUYER,
    shipped=date(2026, 3, 4),
    weight_grams=2870,
    order=ORDER,
    routing="HAM 04",
)
COURIER = replace(
    LABEL,
    carrier="Brown Kite",
    service="Saver",
    tracking=tracking.one_z("5R8939", 3, 5756712),
    routing="EU 9118-20",
    accent=(96, 62, 30),
)
RETURN = replace(
    LABEL,
    carrier="Elbe Kurier",
    service="Retoure",
    tracking=tracking.express_twelve(98657878885),
    sender=BUYER,
    recipient=SELLER,
    shipped=date(2026, 3, 24),
    routing="CAN 01",
    returns=True,
    accent=(20, 104, 92),
)
SHOT = exif.Shot(
    taken=datetime(2026, 3, 16, 18, 22, 9, tzinfo=CET), latitude=53.5453, longitude=9.9512
)
SALE = trade.Trade(
    number="JYC-2026-0388",
    order=ORDER,
    tracking=LABEL.tracking,
    seller=SELLER,
    buyer=BUYER,
    issued=date(2026, 3, 3),
    currency="EUR",
    freight_minor=2400,
    signed_by="Lin Weiming",
    lines=(
        trade.Line(
            description="Porcelain vase, blue and white, 38 cm",
            quantity=1,
            unit_minor=18900,
            weight_grams=1780,
            tariff="6913.10",
        ),
        trade.Line(
            description="Wooden stand for vase",
            quantity=1,
            unit_minor=1450,
            weight_grams=260,
            tariff="4420.19",
        ),
        trade.Line(
            description="Tea cup, blue and white",
            quantity=2,
            unit_minor=875,
            weight_grams=150,
            tariff="6911.10",
        ),
    ),
)
NOTE = note.Note(
    carrier="Elbe Kurier",
    tracking=LABEL.tracking,
    order=ORDER,
    sender=SELLER,
    recipient=BUYER,
    delivered=datetime(2026, 3, 16, 14, 12, tzinfo=CET),
    received_by="Marlene Hößler",
    latitude=53.5453,
    longitude=9.9512,
    driver="J. Petersen, tour 118",
    weight_grams=2870,
    accent=(20, 104, 92),
    seed=5,
)
PAGE = listing.Listing(
    marketplace="Market Bazaar",
    title="Hand-painted blue and white porcelain vase, lotus, 38 cm",
    price="EUR 189.00",
    seller="Jingyue Ceramics Studio",
    item="60418827",
    options=("Lotus", "Peony", "Dragon"),
    promises=(
        "Ships within 2 days, delivered by 18 March",
        "Insured against breakage in transit",
        "Return within 14 days; seller pays if damaged",
        "Each piece photographed",
    ),
    description="Thrown and painted by hand in Jingdezhen, fired at 1,320 degrees. Height 38 cm, "
    "widest 22 cm, weight 1.8 kg. Double-walled carton with shock indicators. Small differences "
    "in the painting show that it was done by hand.",
    captured=datetime(2026, 3, 2, 9, 41, 7, tzinfo=UTC),
)


def _said(
    mine: bool,  # noqa: FBT001 - a column of the table below
    day: int,
    hour: int,
    minute: int,
    text: str,
) -> chat.Line:
    return chat.Line(mine=mine, text=text, sent=datetime(2026, 3, day, hour, minute, tzinfo=CET))


TALK = chat.Chat(
    other="Jingyue Ceramics Studio",
    order=ORDER,
    lines=(
        _said(True, 16, 18, 31, "Hello, the parcel came today. The box is crushed at one corner."),
        _said(
            True,
            16,
            18,
            33,
            "The vase has a long crack and a piece of the rim is missing. I have "
            "taken photos before unpacking and after.",
        ),
        _said(
            False,
            17,
            2,
            5,
            "We are sorry to hear that. It left us well packed, with two layers. "
            "Did you note the damage when you signed?",
        ),
        _said(True, 17, 8, 12, "The driver was gone before I had turned the box around."),
        _said(False, 17, 9, 40, "We can offer 30 % back and you keep the vase."),
        _said(True, 17, 9, 58, "No, it does not hold water. I ask for a full refund."),
        _said(
            False,
            17,
            10,
            20,
            "Then please open a claim, we will answer with the waybill and the packing list.",
        ),
    ),
)


def _paper() -> dict[str, Callable[[], bytes]]:
    return {
        "waybill.png": lambda: waybill.render(LABEL),
        "waybill-courier.png": lambda: waybill.render(COURIER),
        "return-label.png": lambda: waybill.render(RETURN),
        "waybill-photo.jpg": lambda: photo.photographed(
            waybill.draw(LABEL), replace(SHOT, orientation=exif.HELD_SIDEWAYS)
        ),
        "delivery-note.png": lambda: note.render(NOTE),
        "delivery-note-photo.jpg": lambda: photo.photographed(
            note.draw(NOTE), replace(SHOT, orientation=exif.HELD_SIDEWAYS), 4
        ),
        "invoice.pdf": lambda: trade.file([trade.invoice(SALE)], f"Invoice {SALE.number}"),
        "invoice.png": lambda: paper.png(trade.invoice(SALE)),
        "packing-list.png": lambda: paper.png(trade.packing_list(SALE)),
        "customs-declaration.png": lambda: paper.png(trade.customs(SALE)),
        "chat.png": lambda: chat.render(TALK),
    }


def _photos() -> dict[str, Callable[[], bytes]]:
    def parcel(damage: photo.Damage, seed: int) -> photo.Photo:
        return photo.Photo(label=LABEL, shot=SHOT, damage=damage, seed=seed)

    upright = replace(SHOT, orientation=exif.HELD_SIDEWAYS)
    return {
        "parcel-intact.jpg": lambda: photo.damaged(parcel(photo.Damage.NONE, 1)),
        "parcel-crushed.jpg": lambda: photo.damaged(parcel(photo.Damage.CRUSHED, 1)),
        "parcel-soaked.jpg": lambda: photo.damaged(parcel(photo.Damage.SOAKED, 1)),
        "parcel-holed.jpg": lambda: photo.damaged(parcel(photo.Damage.HOLED, 1)),
        "parcel-split.jpg": lambda: photo.damaged(parcel(photo.Damage.SPLIT, 1)),
        "parcel-original.jpg": lambda: photo.original(parcel(photo.Damage.CRUSHED, 2)),
        "delivered.jpg": lambda: photo.delivered(
            photo.Photo(label=LABEL, shot=upright, damage=photo.Damage.NONE, seed=2), "47"
        ),
        "vase.jpg": lambda: product.photographed(product.vase(), SHOT),
        "vase-cracked.jpg": lambda: product.photographed(product.vase(cracked=True), SHOT, 2),
        "camera-box.jpg": lambda: product.photographed(
            product.retail_box("LUMEN X2 Mirrorless Kit", "Halden", "HX2-20418837"), SHOT, 3
        ),
        "jacket-navy.jpg": lambda: product.photographed(garment.jacket(product.NAVY), SHOT, 4),
        "jacket-olive.jpg": lambda: product.photographed(garment.jacket(product.OLIVE), SHOT, 5),
        "listing.png": lambda: listing.render(PAGE, product.vase()),
    }


def drawings() -> dict[str, Callable[[], bytes]]:
    """Return what draws each picture, by file name; nothing is drawn yet."""
    return _paper() | _photos()


def pictures() -> Iterator[tuple[str, bytes]]:
    """Yield every picture's file name and bytes."""
    for name, draw in drawings().items():
        yield name, draw()


def contact(files: list[tuple[str, bytes]]) -> bytes:
    """Return a PNG that shows all pictures small, as a viewer turns them, under their names."""
    shown = [(name, data) for name, data in files if not name.endswith(".pdf")]
    across, cell = 6, (360, 390)
    on = paper.sheet((across * cell[0], -(-len(shown) // across) * cell[1]), (244, 244, 242))
    for index, (name, data) in enumerate(shown):
        x, y = index % across * cell[0], index // across * cell[1]
        with Image.open(io.BytesIO(data)) as stored:
            small = ImageOps.exif_transpose(stored).convert("RGB")
        small.thumbnail((cell[0] - 24, cell[1] - 56), Image.Resampling.LANCZOS, reducing_gap=3.0)
        on.image.paste(small, (x + (cell[0] - small.width) // 2, y + 12))
        on.write(
            (x + cell[0] / 2, y + cell[1] - 22),
            f"{name}  ({len(data) // 1024} KiB)",
            22,
            anchor="mm",
        )
    return paper.png(on.image)


def write(folder: Path, files: list[tuple[str, bytes]]) -> None:
    """Write the files and their contact sheet to the folder, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in [*files, ("contact-sheet.png", contact(files))]:
        (folder / name).write_bytes(data)
        sys.stdout.write(f"{name}  {len(data)} bytes\n")


def main(arguments: list[str]) -> int:
    """Write all pictures and the contact sheet to the folder named; 2 if none is named."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m infra.demo.pictures.gallery FOLDER\n")
        return 2
    write(Path(arguments[0]), list(pictures()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
