"""Scan sheets: carriers' scans as CSV (RFC 4180), read line by line while they come.

The first line names the columns; `tracking_number`, `at` and `code` must be there, `carrier`,
`place` and `description` may be. Comma, semicolon or tab separate; UTF-8, with or without its
mark. A line that cannot be read is told with its number and its reason, and the others are read
on. So a sheet of any length takes constant memory. Which shipment a line is about is asked
elsewhere; the module is pure.
"""

import csv
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from odr import bounds
from odr.errors import Invalid

LINE_MAX: Final = 8192
"""In bytes."""

LINES_MAX: Final = 1_000_000
COLUMNS: Final = ("tracking_number", "at", "code", "carrier", "place", "description")
REQUIRED: Final = COLUMNS[:3]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A scan as the sheet has it; ``number`` is its line's, from 1, the heading's included."""

    number: int
    tracking_number: str
    at: datetime
    code: str
    carrier: str = ""
    place: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Wrong:
    """A line that was not taken: which column, and why, by a code of ``Invalid``."""

    number: int
    column: str
    code: str


async def read(pieces: AsyncIterable[bytes]) -> AsyncIterator[Line | Wrong]:
    """Give each line of a sheet as it can be read, or what is wrong with it.

    ``Invalid`` if the heading cannot be read (``missing``, ``unknown_field``, ``listed_twice``),
    or a line has no end or there is no end of them: ``too_long``, ``too_many``.
    """
    heading: list[str] | None = None
    separator = ","
    async for number, line in _numbered(pieces):
        if heading is None:
            text = _text(line, number)
            separator = _separator(text)
            heading = _heading(_cells(text, separator, number))
        elif line.strip():
            yield _line(number, line, heading, separator)
    if heading is None:
        raise Invalid(("line", 1), "missing")


async def _numbered(pieces: AsyncIterable[bytes]) -> AsyncIterator[tuple[int, bytes]]:
    """Lines with their numbers; a cell in quotes holds no line break here."""
    rest, number = b"", 0
    async for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            number += 1
            yield number, _bounded(line, number)
        _bounded(rest, number + 1)
    if rest:
        yield number + 1, rest


def _bounded(line: bytes, number: int) -> bytes:
    if number > LINES_MAX:
        raise Invalid(("line", number), "too_many", maximum=LINES_MAX)
    if len(line) > LINE_MAX:
        raise Invalid(("line", number), "too_long", maximum=LINE_MAX)
    return line


def _text(line: bytes, number: int) -> str:
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8").removesuffix("\r")
    except UnicodeDecodeError:
        raise Invalid(("line", number), "malformed") from None


def _separator(heading: str) -> str:
    return max(",;\t", key=heading.count)


def _cells(text: str, separator: str, number: int) -> list[str]:
    try:
        (cells,) = csv.reader([text], delimiter=separator, strict=True)
    except (csv.Error, ValueError):
        raise Invalid(("line", number), "malformed") from None
    return cells


def _heading(cells: list[str]) -> list[str]:
    names = [cell.strip().lower().replace(" ", "_") for cell in cells]
    for name in REQUIRED:
        if name not in names:
            raise Invalid(("line", 1, name), "missing")
    for place, name in enumerate(names):
        if name not in COLUMNS:
            raise Invalid(("line", 1, name[:60]), "unknown_field")
        if name in names[:place]:
            raise Invalid(("line", 1, name), "listed_twice")
    return names


def _line(number: int, line: bytes, heading: list[str], separator: str) -> Line | Wrong:
    try:
        cells = _cells(_text(line, number), separator, number)
        if len(cells) != len(heading):
            return Wrong(number, "", "malformed")
        told = dict(zip(heading, cells, strict=True))
        return Line(
            number=number,
            tracking_number=bounds.line(told["tracking_number"], ("tracking_number",), 60),
            at=_instant(told["at"].strip()),
            code=bounds.line(told["code"], ("code",), 40).lower().replace(" ", "_"),
            carrier=bounds.optional_line(told.get("carrier", ""), ("carrier",), 60),
            place=bounds.optional_line(told.get("place", ""), ("place",), 200),
            description=bounds.optional_line(told.get("description", ""), ("description",), 500),
        )
    except Invalid as refused:
        column = refused.path[0] if refused.path and refused.path[0] != "line" else ""
        return Wrong(number, str(column), refused.code)


def _instant(text: str) -> datetime:
    if not text:
        raise Invalid(("at",), "missing")
    try:
        at = datetime.fromisoformat(text.upper())
    except ValueError:
        raise Invalid(("at",), "malformed") from None
    return bounds.instant(at, ("at",))
