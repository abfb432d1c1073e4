"""A screenshot of a chat between buyer and seller on a phone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from PIL import Image

from infra.demo.pictures import paper

WIDTH = 1080
_HEIGHT = 2100
_SIZE = 38


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One message: `mine` is of whoever took the screenshot."""

    mine: bool
    text: str
    sent: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """A conversation with `other`, oldest line first, about an order."""

    other: str
    order: str
    lines: Sequence[Line]
    accent: paper.Colour = (32, 116, 92)


def _head(on: paper.Sheet, facts: Chat) -> None:
    clock = facts.lines[-1].sent
    on.pen.rectangle((0, 0, WIDTH, 222), fill=facts.accent)
    on.write((48, 22), f"{clock:%H:%M}", 34, face="semibold", fill=paper.WHITE)
    for index in range(4):
        on.pen.rectangle((860 + index * 14, 54 - index * 8, 869 + index * 14, 60), fill=paper.WHITE)
    on.pen.rounded_rectangle((940, 30, 1010, 60), 6, outline=paper.WHITE, width=3)
    on.pen.rectangle((946, 36, 988, 54), fill=paper.WHITE)
    on.pen.line([(70, 124), (46, 148), (70, 172)], fill=paper.WHITE, width=6, joint="curve")
    on.pen.ellipse((104, 100, 200, 196), fill=(230, 204, 160))
    on.write((152, 147), facts.other[:1], 52, face="bold", fill=facts.accent, anchor="mm")
    on.write((228, 100), facts.other, 44, face="bold", fill=paper.WHITE, width=780)
    on.write((228, 152), f"Order {facts.order}", 30, fill=(214, 234, 226))


def _bubble(on: paper.Sheet, line: Line, y: float) -> float:
    rows = paper.wrapped(line.text, _SIZE, 700)
    face = paper.font("regular", _SIZE)
    wide = max(190.0, *(face.getlength(row) for row in rows)) + 64
    high = len(rows) * _SIZE * 1.28 + 84
    x = WIDTH - 40 - wide if line.mine else 40
    fill = (214, 242, 214) if line.mine else paper.WHITE
    on.pen.rounded_rectangle((x, y + 3, x + wide, y + high + 4), 28, fill=(208, 204, 196))
    on.pen.rounded_rectangle((x, y, x + wide, y + high), 28, fill=fill)
    on.lines((x + 32, y + 20), rows, _SIZE)
    on.write(
        (x + wide - (76 if line.mine else 28), y + high - 14),
        f"{line.sent:%H:%M}",
        26,
        fill=paper.GREY,
        anchor="rs",
    )
    if line.mine:
        for shift in (0, 14):
            left = x + wide - 62 + shift
            on.pen.line(
                [(left, y + high - 22), (left + 7, y + high - 15), (left + 22, y + high - 33)],
                fill=(64, 150, 214),
                width=4,
            )
    return y + high + 26


def draw(facts: Chat) -> Image.Image:
    """Return the screen; days are told apart by their date. ValueError if it does not fit."""
    on = paper.sheet((WIDTH, _HEIGHT), (236, 230, 219))
    y = 256.0
    day = None
    for line in facts.lines:
        if line.sent.date() != day:
            day = line.sent.date()
            on.pen.rounded_rectangle(
                (WIDTH / 2 - 150, y, WIDTH / 2 + 150, y + 54), 16, fill=(220, 230, 234)
            )
            on.write((WIDTH / 2, y + 27), f"{line.sent:%d %B %Y}", 28, fill=paper.GREY, anchor="mm")
            y += 82
        y = _bubble(on, line, y)
    if y > _HEIGHT - 130:
        raise ValueError("the conversation is longer than the screen")
    _head(on, facts)
    on.pen.rectangle((0, _HEIGHT - 120, WIDTH, _HEIGHT), fill=(226, 220, 208))
    on.pen.rounded_rectangle((36, _HEIGHT - 98, WIDTH - 140, _HEIGHT - 24), 37, fill=paper.WHITE)
    on.write((72, _HEIGHT - 61), "Message", 34, fill=paper.GREY, anchor="lm")
    on.pen.ellipse((WIDTH - 118, _HEIGHT - 100, WIDTH - 40, _HEIGHT - 22), fill=facts.accent)
    on.pen.polygon(
        [(WIDTH - 92, _HEIGHT - 80), (WIDTH - 58, _HEIGHT - 61), (WIDTH - 92, _HEIGHT - 42)],
        fill=paper.WHITE,
    )
    return on.image


def render(facts: Chat) -> bytes:
    """Return the screenshot as PNG."""
    return paper.png(draw(facts))
