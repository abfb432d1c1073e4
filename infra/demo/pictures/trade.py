"""The papers of a sale: commercial invoice, packing list, customs declaration.

Amounts are integers of the currency's minor unit with two decimals; what the goods are worth is
the caller's word, that the totals agree is this module's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from PIL import Image

from infra.demo.pictures import ink, paper
from infra.demo.pictures.address import Address

A4 = (1240, 1754)
DPI = 150
_LEFT, _RIGHT = 90, A4[0] - 90


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of goods; weight of one piece in grams, `tariff` is the HS code."""

    description: str
    quantity: int
    unit_minor: int
    weight_grams: int
    tariff: str
    origin: str = "CN"

    @property
    def total_minor(self) -> int:
        """Return quantity times price."""
        return self.quantity * self.unit_minor


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """The facts of one sale, from which every paper is printed. Incoterms 2020."""

    number: str
    order: str
    tracking: str
    seller: Address
    buyer: Address
    issued: date
    currency: str
    lines: tuple[Line, ...]
    freight_minor: int = 0
    incoterm: str = "DAP"
    signed_by: str = ""
    accent: paper.Colour = (28, 64, 110)
    seed: int = 1

    @property
    def goods_minor(self) -> int:
        """Return the sum of the lines."""
        return sum(line.total_minor for line in self.lines)

    @property
    def total_minor(self) -> int:
        """Return the goods and the freight."""
        return self.goods_minor + self.freight_minor

    @property
    def weight_grams(self) -> int:
        """Return the net weight of all pieces."""
        return sum(line.quantity * line.weight_grams for line in self.lines)


def money(minor: int) -> str:
    """Return an amount of minor units with two decimals and grouped thousands."""
    return f"{minor // 100:,}.{minor % 100:02d}"


def _head(on: paper.Sheet, facts: Trade, title: str) -> None:
    on.pen.rectangle((_LEFT, 86, _LEFT + 84, 170), fill=facts.accent)
    on.write(
        (_LEFT + 42, 128),
        (facts.seller.company or facts.seller.name)[:1],
        64,
        face="black",
        fill=paper.WHITE,
        anchor="mm",
    )
    on.write(
        (_LEFT + 108, 82), facts.seller.company or facts.seller.name, 44, face="bold", width=520
    )
    on.write(
        (_LEFT + 108, 136),
        f"{facts.seller.street}, {facts.seller.town}",
        26,
        fill=paper.GREY,
        width=500,
    )
    on.write((_RIGHT, 86), title, 52, face="semibold", fill=facts.accent, anchor="ra", width=400)
    on.rule((_LEFT, 206), (_RIGHT, 206), 4, facts.accent)
    parties = ((_LEFT, "Seller / exporter", facts.seller), (450, "Buyer / consignee", facts.buyer))
    for x, name, who in parties:
        on.write((x, 236), name.upper(), 22, face="bold", fill=paper.GREY)
        on.lines((x, 268), who.lines, 29, width=330)
    rows = [
        ("Number", facts.number),
        ("Date", facts.issued.isoformat()),
        ("Order", facts.order),
        ("Shipment", facts.tracking),
        ("Terms", f"{facts.incoterm} Incoterms 2020"),
    ]
    for index, (name, value) in enumerate(rows):
        on.write((800, 240 + index * 46), name, 24, fill=paper.GREY)
        on.write((_RIGHT, 236 + index * 46), value, 28, face="semibold", anchor="ra", width=245)


_COLUMNS = (
    (_LEFT + 16, "la"),
    (_LEFT + 70, "la"),
    (700, "ra"),
    (800, "ra"),
    (970, "ra"),
    (_RIGHT - 16, "ra"),
)


def _row(on: paper.Sheet, y: float, cells: tuple[str, ...], face: str, fill: paper.Colour) -> None:
    for (x, anchor), text in zip(_COLUMNS, cells, strict=True):
        on.write(
            (x, y),
            text,
            28,
            face=face,
            fill=fill,
            anchor=anchor,
            width=420 if x == _COLUMNS[1][0] else None,
        )


def _table(
    on: paper.Sheet, facts: Trade, headings: tuple[str, ...], rows: Sequence[tuple[str, ...]]
) -> float:
    y = 560.0
    on.pen.rectangle((_LEFT, y, _RIGHT, y + 56), fill=facts.accent)
    _row(on, y + 10, headings, "bold", paper.WHITE)
    y += 56
    for index, cells in enumerate(rows):
        if index % 2:
            on.pen.rectangle((_LEFT, y, _RIGHT, y + 62), fill=(243, 245, 248))
        _row(on, y + 14, cells, "regular", paper.INK)
        y += 62
    on.rule((_LEFT, y), (_RIGHT, y), 2, paper.GREY)
    return y


def _signed(on: paper.Sheet, facts: Trade, y: int) -> None:
    on.rule((_LEFT, y), (_LEFT + 460, y), 2, paper.GREY)
    on.write(
        (_LEFT, y + 10),
        f"{facts.signed_by or facts.seller.name}, {facts.issued:%d %b %Y}",
        26,
        fill=paper.GREY,
    )
    ink.sign(on.image, (_LEFT + 10, y - 14), facts.signed_by or facts.seller.name, 86, facts.seed)
    name = facts.seller.company or facts.seller.name
    stamp = ink.Stamp(
        around=name,
        inside=[facts.seller.code, "EXPORT"],
        diameter=250,
        seed=facts.seed + 1,
        colour=(36, 62, 140),
    )
    ink.press(on.image, (820, y - 40), stamp)


def invoice(facts: Trade) -> Image.Image:
    """Return the invoice's page; each line is quantity times price, the total their sum."""
    on = paper.sheet(A4)
    _head(on, facts, "Commercial invoice")
    rows = [
        (
            str(at),
            line.description,
            line.tariff,
            str(line.quantity),
            money(line.unit_minor),
            money(line.total_minor),
        )
        for at, line in enumerate(facts.lines, 1)
    ]
    y = _table(
        on,
        facts,
        (
            "#",
            "Description of goods",
            "HS code",
            "Qty",
            f"Unit {facts.currency}",
            f"Total {facts.currency}",
        ),
        rows,
    )
    sums = [("Goods", facts.goods_minor), ("Freight and insurance", facts.freight_minor)]
    for index, (name, minor) in enumerate(sums):
        on.write((970, y + 24 + index * 46), name, 28, fill=paper.GREY, anchor="ra")
        on.write((_RIGHT - 16, y + 24 + index * 46), money(minor), 28, anchor="ra")
    on.pen.rectangle((640, y + 124, _RIGHT, y + 194), fill=(232, 237, 244))
    on.write((662, y + 136), "Invoice total", 34, face="bold")
    on.write(
        (_RIGHT - 16, y + 134),
        f"{facts.currency} {money(facts.total_minor)}",
        38,
        face="bold",
        anchor="ra",
    )
    on.lines(
        (_LEFT, y + 250),
        paper.wrapped(
            "We declare that the particulars of this invoice are true and correct, and that the "
            "goods are of the origin stated. Paid in full through the marketplace's escrow; "
            "amounts payable on import are borne as the terms of delivery say.",
            27,
            900,
        ),
        27,
        fill=paper.GREY,
    )
    _signed(on, facts, 1480)
    on.write((_LEFT, 1670), f"Invoice {facts.number} · page 1 of 1", 22, fill=paper.GREY)
    return on.image


def packing_list(facts: Trade) -> Image.Image:
    """Return the packing list's page: the invoice's pieces, with weights in place of prices."""
    on = paper.sheet(A4)
    _head(on, facts, "Packing list")
    rows = [
        (
            str(at),
            line.description,
            line.tariff,
            str(line.quantity),
            f"{line.weight_grams / 1000:.2f}",
            f"{line.quantity * line.weight_grams / 1000:.2f}",
        )
        for at, line in enumerate(facts.lines, 1)
    ]
    y = _table(on, facts, ("#", "Contents", "HS code", "Qty", "kg each", "Net kg"), rows)
    pieces = sum(line.quantity for line in facts.lines)
    on.write(
        (_RIGHT - 16, y + 24),
        f"{pieces} pieces, net {facts.weight_grams / 1000:.2f} kg",
        34,
        face="bold",
        anchor="ra",
    )
    checks = [
        "Inner wrapping: tissue and bubble wrap, two layers",
        "Outer packaging: double-wall board 46 x 34 x 28 cm",
        "Photographed before sealing",
        "Fragile marks on two sides",
    ]
    for index, text in enumerate(checks):
        top = y + 120 + index * 58
        on.frame((_LEFT, top, _LEFT + 32, top + 32))
        on.pen.line(
            [(_LEFT + 5, top + 16), (_LEFT + 14, top + 27), (_LEFT + 36, top - 8)],
            fill=(28, 44, 128),
            width=5,
            joint="curve",
        )
        on.write((_LEFT + 54, top - 4), text, 30)
    on.write((_LEFT, y + 380), "Packed by", 26, fill=paper.GREY)
    _signed(on, facts, 1480)
    return on.image


def _declared(on: paper.Sheet, facts: Trade, top: int) -> int:
    right = 1180
    heads = (
        (80, "Quantity and description"),
        (640, "Weight kg"),
        (800, "Value"),
        (960, "HS tariff"),
        (1100, "Origin"),
    )
    for x, name in heads:
        on.write((x, top + 8), name, 22, face="bold", fill=paper.GREY)
    y = top + 48
    for line in facts.lines:
        on.rule((60, y), (right, y), 2)
        cells = (
            f"{line.quantity} x {line.description}",
            f"{line.quantity * line.weight_grams / 1000:.3f}",
            money(line.total_minor),
            line.tariff,
            line.origin,
        )
        for (x, _), text in zip(heads, cells, strict=True):
            on.write((x, y + 14), text, 31, width=540 if x == heads[0][0] else 150)
        y += 66
    on.rule((60, y), (right, y), 4)
    on.write((80, y + 12), "Total", 32, face="bold")
    on.write((640, y + 12), f"{facts.weight_grams / 1000:.3f}", 32, face="bold")
    on.write(
        (800, y + 12), f"{money(facts.goods_minor)} {facts.currency}", 32, face="bold", width=290
    )
    return y + 66


def customs(facts: Trade) -> Image.Image:
    """Return a customs declaration in the manner of the postal form CN 23, landscape halves."""
    on = paper.sheet((1240, 1100), (234, 244, 236))
    on.frame((60, 50, 1180, 1050), 5)
    on.write((80, 62), "CUSTOMS DECLARATION", 46, face="black", width=440)
    on.write((80, 116), "May be opened officially", 28, fill=paper.GREY)
    on.write((1160, 62), "CN 23", 56, face="black", anchor="ra")
    paper.bars(on, (540, 66), facts.tracking, (420, 62))
    on.write((750, 148), facts.tracking, 26, face="mono", anchor="mm")
    on.rule((60, 172), (1180, 172), 4)
    on.rule((620, 172), (620, 432), 3)
    for x, name, who in ((80, "From", facts.seller), (640, "To", facts.buyer)):
        on.write((x, 182), name, 24, face="bold", fill=paper.GREY)
        on.lines((x, 214), who.lines, 33, width=520)
    on.rule((60, 432), (1180, 432), 4)
    y = _declared(on, facts, 432)
    on.rule((60, y), (1180, y), 4)
    left = 80.0
    for name, ticked in (
        ("Gift", False),
        ("Documents", False),
        ("Sale of goods", True),
        ("Returned goods", False),
        ("Other", False),
    ):
        on.frame((left, y + 22, left + 30, y + 52))
        if ticked:
            on.pen.line([(left + 4, y + 26), (left + 26, y + 48)], fill=paper.INK, width=5)
            on.pen.line([(left + 26, y + 26), (left + 4, y + 48)], fill=paper.INK, width=5)
        left += 46 + on.write((left + 42, y + 18), name, 30) + 40
    on.lines(
        (80, y + 84),
        paper.wrapped(
            f"I certify that the particulars given are correct and that this item contains no "
            f"dangerous article or one prohibited by law. Invoice {facts.number}.",
            27,
            620,
        ),
        27,
        fill=paper.GREY,
    )
    hand = facts.signed_by or facts.seller.name
    ink.sign(on.image, (300, 990), hand, 54, facts.seed + 3)
    on.rule((80, 996), (640, 996), 2, paper.GREY)
    on.write(
        (80, 1004), f"{facts.issued:%d.%m.%Y}  Date and sender's signature", 24, fill=paper.GREY
    )
    stamp = ink.Stamp(
        around=f"customs {facts.seller.code} post",
        inside=["CLEARED", f"{facts.issued:%d %m %Y}"],
        diameter=230,
        seed=facts.seed + 4,
        colour=(40, 60, 130),
    )
    ink.press(on.image, (980, 900), stamp)
    return on.image


def file(pages: list[Image.Image], title: str) -> bytes:
    """Return printed pages as a PDF at 150 dpi."""
    return paper.pdf(pages, title, DPI)
