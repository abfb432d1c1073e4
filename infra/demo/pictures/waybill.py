"""The label on a parcel: an A6 waybill at 300 dpi, and the return label in the same form."""

from dataclasses import dataclass
from datetime import date

from PIL import Image

from infra.demo.pictures import paper
from infra.demo.pictures.address import Address

SIZE = (1240, 1748)
_EDGE = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Waybill:
    """The facts of one label. `returns` makes it a return label; the rest is the same."""

    carrier: str
    service: str
    tracking: str
    sender: Address
    recipient: Address
    shipped: date
    weight_grams: int
    order: str
    routing: str
    pieces: str = "1 / 1"
    contents: str = ""
    accent: paper.Colour = (200, 38, 45)
    returns: bool = False


def _header(on: paper.Sheet, facts: Waybill) -> None:
    on.pen.rectangle((0, 0, SIZE[0], 190), fill=facts.accent)
    for step in range(3):
        x = 62 + step * 42
        on.pen.polygon([(x, 136), (x + 34, 136), (x + 68, 54), (x + 34, 54)], fill=paper.WHITE)
    on.write(
        (262, 95), facts.carrier.upper(), 84, face="black", fill=paper.WHITE, anchor="lm", width=610
    )
    on.write(
        (SIZE[0] - _EDGE, 70),
        facts.service,
        48,
        face="bold",
        fill=paper.WHITE,
        anchor="rm",
        width=320,
    )
    on.write(
        (SIZE[0] - _EDGE, 128),
        "RETURN" if facts.returns else "TRACKED · SIGNED",
        34,
        fill=paper.WHITE,
        anchor="rm",
    )


def _parties(on: paper.Sheet, facts: Waybill) -> None:
    on.frame((_EDGE, 226, 590, 500))
    on.write((_EDGE + 18, 236), "FROM", 28, face="bold", fill=paper.GREY)
    on.lines((_EDGE + 18, 274), facts.sender.lines, 34, width=505, lead=1.2)
    on.frame((_EDGE, 520, SIZE[0] - _EDGE, 912), 6)
    on.pen.rectangle((_EDGE, 520, 130, 912), fill=paper.INK)
    on.write((85, 716), "TO", 56, face="black", fill=paper.WHITE, anchor="mm")
    below = on.lines((160, 536), facts.recipient.lines, 57, face="semibold", width=1020, lead=1.14)
    if facts.recipient.phone:
        on.write((160, below + 6), f"Tel. {facts.recipient.phone}", 34, fill=paper.GREY)


def _particulars(on: paper.Sheet, facts: Waybill) -> None:
    rows = [
        ("SHIP DATE", f"{facts.shipped:%d %b %Y}".upper()),
        ("WEIGHT", f"{facts.weight_grams / 1000:.2f} kg"),
        ("PIECE", facts.pieces),
        ("REF", facts.order),
    ]
    on.frame((610, 226, SIZE[0] - _EDGE, 500))
    for index, (name, value) in enumerate(rows):
        y = 240 + index * 64
        on.write((630, y + 12), name, 28, face="bold", fill=paper.GREY)
        on.write((SIZE[0] - _EDGE - 18, y), value, 44, face="semibold", anchor="ra", width=380)


def _route(on: paper.Sheet, facts: Waybill) -> None:
    on.frame((_EDGE, 932, SIZE[0] - _EDGE, 1130))
    on.write((_EDGE + 22, 1034), facts.routing, 150, face="black", anchor="lm", width=780)
    on.pen.rectangle((880, 932, SIZE[0] - _EDGE, 1130), fill=paper.INK)
    on.write((1040, 1031), facts.recipient.code, 160, face="black", fill=paper.WHITE, anchor="mm")


def _spaced(number: str) -> str:
    if number[:2].isalpha() and number[-2:].isalpha():
        return f"{number[:2]} {number[2:5]} {number[5:8]} {number[8:11]} {number[11:]}"
    return " ".join(number[at : at + 4] for at in range(0, len(number), 4))


def draw(facts: Waybill) -> Image.Image:
    """Return the label as an image of SIZE; its bars read as the tracking number alone."""
    on = paper.sheet(SIZE)
    _header(on, facts)
    _parties(on, facts)
    _particulars(on, facts)
    _route(on, facts)
    on.write((SIZE[0] / 2, 1166), "TRACKING NUMBER", 28, face="bold", fill=paper.GREY, anchor="mm")
    paper.bars(on, (_EDGE, 1194), facts.tracking, (SIZE[0] - 2 * _EDGE, 330))
    on.write((SIZE[0] / 2, 1566), _spaced(facts.tracking), 56, face="mono", anchor="mm", width=1100)
    on.rule((_EDGE, 1618), (SIZE[0] - _EDGE, 1618))
    small = "Carried under the carrier's general conditions. Liability is limited unless insured."
    on.write((_EDGE, 1634), facts.contents or small, 32, fill=paper.GREY, width=900)
    on.write(
        (_EDGE, 1680),
        f"Printed {facts.shipped:%Y-%m-%d} · label A6 · do not cover the bars",
        28,
        fill=paper.GREY,
    )
    on.write(
        (SIZE[0] - _EDGE, 1690), "4/6" if facts.returns else "1/6", 32, anchor="rm", fill=paper.GREY
    )
    return on.image


def render(facts: Waybill) -> bytes:
    """Return the label as PNG."""
    return paper.png(draw(facts))
