"""A screenshot of what was offered: the marketplace's page for one product."""

import math
from dataclasses import dataclass
from datetime import datetime

from PIL import Image

from infra.demo.pictures import paper

SIZE = (1280, 1600)
_BLUE: paper.Colour = (20, 92, 190)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The facts on the page. `price` is set as it stands; `captured` carries its zone."""

    marketplace: str
    title: str
    price: str
    seller: str
    item: str
    promises: tuple[str, ...]
    description: str
    captured: datetime
    options: tuple[str, ...] = ()
    chosen: int = 0
    rating: float = 4.7
    sales: int = 1280
    accent: paper.Colour = (224, 96, 34)


def _bar(on: paper.Sheet, facts: Listing) -> None:
    on.pen.rectangle((0, 0, SIZE[0], 64), fill=(222, 225, 230))
    for index, tone in enumerate(((236, 106, 94), (244, 190, 79), (97, 197, 84))):
        on.pen.ellipse((26 + index * 30, 24, 44 + index * 30, 42), fill=tone)
    on.pen.rounded_rectangle((150, 13, SIZE[0] - 40, 51), 19, fill=paper.WHITE)
    host = "".join(c for c in facts.marketplace.lower() if c.isalnum())
    on.write(
        (178, 32), f"https://www.{host}.example/item/{facts.item}", 22, fill=paper.GREY, anchor="lm"
    )
    on.pen.rectangle((0, 64, SIZE[0], 150), fill=facts.accent)
    name = on.write(
        (44, 107), facts.marketplace, 44, face="black", fill=paper.WHITE, anchor="lm", width=420
    )
    on.pen.rounded_rectangle((name + 84, 82, 960, 132), 8, fill=paper.WHITE)
    on.write((name + 106, 107), "Search all shops", 24, fill=paper.GREY, anchor="lm")
    on.write(
        (SIZE[0] - 44, 107),
        "Sign in   Basket (1)",
        26,
        face="semibold",
        fill=paper.WHITE,
        anchor="rm",
    )


def _stars(on: paper.Sheet, at: tuple[float, float], rating: float) -> None:
    for index in range(5):
        x, y = at[0] + index * 30, at[1]
        tone = (242, 164, 42) if index + 0.5 <= rating else paper.FAINT
        on.pen.polygon(
            [
                (x + r * math.sin(tip * math.pi / 5), y - r * math.cos(tip * math.pi / 5))
                for tip, r in enumerate((14, 6) * 5)
            ],
            fill=tone,
        )


def _gallery(on: paper.Sheet, picture: Image.Image) -> None:
    square = picture.resize((580, 580), Image.Resampling.LANCZOS, reducing_gap=3.0)
    on.image.paste(square, (44, 230))
    on.pen.rectangle((43, 229, 624, 810), outline=paper.FAINT, width=2)
    views = ((0, 0, 580, 580), (120, 60, 420, 360), (160, 200, 460, 500), (60, 280, 360, 580))
    for index, box in enumerate(views):
        x = 44 + index * 146
        on.image.paste(square.crop(box).resize((132, 132)), (x, 826))
        on.pen.rectangle(
            (x - 1, 825, x + 132, 958), outline=_BLUE if index == 0 else paper.FAINT, width=3
        )


def _offer(on: paper.Sheet, facts: Listing) -> None:
    x, right = 670, SIZE[0] - 44
    y = on.lines(
        (x, 226),
        paper.wrapped(facts.title, 40, right - x, "semibold"),
        40,
        face="semibold",
        lead=1.18,
    )
    _stars(on, (x + 14, y + 32), facts.rating)
    on.write(
        (x + 164, y + 32),
        f"{facts.rating:.1f}   {facts.sales:,} sold",
        26,
        fill=paper.GREY,
        anchor="lm",
    )
    on.write((x, y + 66), facts.price, 62, face="bold", fill=facts.accent)
    on.write((x, y + 146), f"Sold by {facts.seller}", 28, fill=_BLUE)
    y += 206
    left = float(x)
    for index, option in enumerate(facts.options):
        wide = paper.font("regular", 26).getlength(option) + 44
        chosen = index == facts.chosen
        on.pen.rounded_rectangle(
            (left, y, left + wide, y + 52),
            8,
            outline=facts.accent if chosen else paper.FAINT,
            width=4 if chosen else 2,
        )
        on.write(
            (left + wide / 2, y + 25),
            option,
            26,
            anchor="mm",
            face="semibold" if chosen else "regular",
        )
        left += wide + 16
    y += 84 if facts.options else 0
    for text, fill, ink in (
        ("Buy now", facts.accent, paper.WHITE),
        ("Add to basket", (253, 236, 226), facts.accent),
    ):
        on.pen.rounded_rectangle((x, y, right, y + 72), 36, fill=fill)
        on.write(((x + right) / 2, y + 35), text, 32, face="bold", fill=ink, anchor="mm")
        y += 90
    y += 10
    for promise in facts.promises:
        on.pen.line(
            [(x + 2, y + 18), (x + 10, y + 27), (x + 26, y + 6)],
            fill=(40, 148, 84),
            width=5,
            joint="curve",
        )
        y = on.lines((x + 44, y), paper.wrapped(promise, 27, right - x - 50), 27) + 10


def draw(facts: Listing, picture: Image.Image) -> Image.Image:
    """Return the page as it looked, with the square product picture, as an image of SIZE."""
    on = paper.sheet(SIZE)
    _bar(on, facts)
    on.write(
        (44, 180),
        f"Home  /  {facts.marketplace}  /  Item {facts.item}",
        22,
        fill=paper.GREY,
    )
    _gallery(on, picture)
    _offer(on, facts)
    on.rule((44, 1040), (SIZE[0] - 44, 1040), 2, paper.FAINT)
    on.write((44, 1066), "Description", 36, face="bold")
    y = on.lines((44, 1124), paper.wrapped(facts.description, 29, SIZE[0] - 100), 29, lead=1.45)
    on.write((44, y + 22), "Buyer protection", 36, face="bold")
    on.lines(
        (44, y + 80),
        paper.wrapped(
            "Your payment is held in escrow until you confirm receipt. If something is wrong, open "
            "a claim from your order page: the seller has five days to answer.",
            29,
            SIZE[0] - 100,
        ),
        29,
        lead=1.45,
    )
    on.pen.rectangle((0, SIZE[1] - 46, SIZE[0], SIZE[1]), fill=(243, 244, 246))
    on.write(
        (44, SIZE[1] - 23),
        f"Captured {facts.captured:%Y-%m-%d %H:%M:%S %Z}",
        22,
        face="mono",
        fill=paper.GREY,
        anchor="lm",
    )
    return on.image


def render(facts: Listing, picture: Image.Image) -> bytes:
    """Return the screenshot as PNG."""
    return paper.png(draw(facts, picture))
