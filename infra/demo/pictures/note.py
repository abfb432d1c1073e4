"""A delivery note: what the driver has signed for at the door."""

from dataclasses import dataclass
from datetime import datetime

from PIL import Image

from infra.demo.pictures import ink, paper
from infra.demo.pictures.address import Address

SIZE = (1240, 1754)
_LEFT = 90
_RIGHT = SIZE[0] - 90


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """The facts of one delivery. `delivered` carries its zone; `received_by` signs."""

    carrier: str
    tracking: str
    order: str
    sender: Address
    recipient: Address
    delivered: datetime
    received_by: str
    latitude: float
    longitude: float
    driver: str
    pieces: int = 1
    weight_grams: int = 1000
    remark: str = "Outer packaging without visible damage"
    accent: paper.Colour = (200, 38, 45)
    seed: int = 1


def _head(on: paper.Sheet, facts: Note) -> None:
    on.pen.rectangle((0, 0, SIZE[0], 26), fill=facts.accent)
    on.write((_LEFT, 70), facts.carrier, 64, face="black", fill=facts.accent)
    on.write((_LEFT, 148), "Proof of delivery", 46, face="semibold")
    paper.bars(on, (700, 66), facts.tracking, (460, 96))
    on.write((930, 186), facts.tracking, 30, face="mono", anchor="mm")
    on.rule((_LEFT, 232), (_RIGHT, 232))


def _parties(on: paper.Sheet, facts: Note) -> None:
    for x, title, who in ((_LEFT, "Sender", facts.sender), (660, "Recipient", facts.recipient)):
        on.write((x, 262), title.upper(), 24, face="bold", fill=paper.GREY)
        on.lines((x, 296), who.lines, 33, width=500)


def _degrees(angle: float, sides: str) -> str:
    return f"{abs(angle):.5f}° {sides[angle < 0]}"


def _table(on: paper.Sheet, facts: Note) -> None:
    rows = [
        ("Order reference", facts.order),
        ("Pieces", f"{facts.pieces} of {facts.pieces}"),
        ("Weight", f"{facts.weight_grams / 1000:.2f} kg"),
        ("Delivered", f"{facts.delivered:%d %B %Y, %H:%M} ({facts.delivered:%Z})"),
        ("Handed to", facts.received_by),
        (
            "Position (GPS)",
            f"{_degrees(facts.latitude, 'NS')}, {_degrees(facts.longitude, 'EW')}  ± 6 m",
        ),
        ("Driver", facts.driver),
        ("Remark", facts.remark),
    ]
    top = 540
    for index, (name, value) in enumerate(rows):
        y = top + index * 72
        if index % 2 == 0:
            on.pen.rectangle((_LEFT, y, _RIGHT, y + 72), fill=(243, 244, 246))
        on.write((_LEFT + 20, y + 36), name, 32, fill=paper.GREY, anchor="lm")
        on.write((420, y + 36), value, 36, face="semibold", anchor="lm", width=_RIGHT - 440)
    on.pen.rectangle((_LEFT, top, _RIGHT, top + 72 * len(rows)), outline=paper.FAINT, width=2)


def draw(facts: Note) -> Image.Image:
    """Return the signed and stamped note as an image of SIZE, about 150 dpi on A4."""
    on = paper.sheet(SIZE, (252, 251, 247))
    _head(on, facts)
    _parties(on, facts)
    _table(on, facts)
    on.frame((_LEFT, 1170, 740, 1500), 2)
    on.write(
        (_LEFT + 16, 1182), "Received in full, signature of the recipient", 27, fill=paper.GREY
    )
    on.write((_LEFT + 30, 1400), "x", 44, fill=paper.GREY, anchor="ls")
    on.rule((_LEFT + 60, 1404), (710, 1404), 2, paper.GREY)
    on.write(
        (_LEFT + 60, 1436),
        f"{facts.received_by.upper()}   {facts.delivered:%d.%m.%Y}",
        30,
        face="semibold",
        width=560,
    )
    on.lines(
        (_LEFT, 1556),
        paper.wrapped(
            "The person named above has received the pieces listed. Visible damage must be noted "
            "here at once, hidden damage reported to the carrier within seven days.",
            28,
            1040,
        ),
        28,
        fill=paper.GREY,
    )
    on.write((_LEFT, 1690), f"{facts.carrier} · document POD-{facts.tracking}", 24, fill=paper.GREY)
    ink.sign(on.image, (_LEFT + 40, 1392), facts.received_by, 120, facts.seed)
    day = f"{facts.delivered:%d %b %Y}".upper()
    stamp = ink.Stamp(
        around=f"{facts.carrier} depot",
        inside=["DELIVERED", day, f"{facts.delivered:%H:%M}"],
        diameter=330,
        seed=facts.seed + 1,
    )
    ink.press(on.image, (948, 1330), stamp)
    return on.image


def render(facts: Note) -> bytes:
    """Return the note as PNG."""
    return paper.png(draw(facts))
