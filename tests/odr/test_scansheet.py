"""Scan sheets: lines as they come, and what is wrong with those that cannot be read."""

from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odr import scansheet
from odr.errors import Invalid
from odr.scansheet import Line, Wrong

HEAD = "tracking_number,at,code,carrier,place,description\n"
GOOD = HEAD + (
    "T1,2026-11-14T10:00:00+01:00,delivered,DHL,Berlin,\n"
    '"T2",2026-11-13T08:00:00Z,Out for Delivery,DHL,"Köln, Dom","said ""hello"""\r\n'
)


async def sent(data: bytes, step: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), step):
        yield data[start : start + step]


async def read(text: str | bytes, step: int = 7) -> list[Line | Wrong]:
    data = text.encode(errors="surrogateescape") if isinstance(text, str) else text
    return [line async for line in scansheet.read(sent(data, step))]


async def refusal(text: str | bytes) -> tuple[tuple[str | int, ...], str]:
    with pytest.raises(Invalid) as refused:
        await read(text)
    return refused.value.path, refused.value.code


@pytest.mark.parametrize("step", [1, 7, 100_000])
async def test_lines_are_read_however_they_come(step):
    first, second = await read(GOOD, step)
    assert first == Line(
        number=2,
        tracking_number="T1",
        at=datetime(2026, 11, 14, 9, tzinfo=UTC),
        code="delivered",
        carrier="DHL",
        place="Berlin",
    )
    assert second == Line(
        number=3,
        tracking_number="T2",
        at=datetime(2026, 11, 13, 8, tzinfo=UTC),
        code="out_for_delivery",
        carrier="DHL",
        place="Köln, Dom",
        description='said "hello"',
    )


@pytest.mark.parametrize("separator", [",", ";", "\t"])
async def test_the_heading_says_what_separates_and_in_which_order(separator):
    text = "\ufeffAt;Code;Tracking Number\n2026-11-14T10:00Z;lost;T1".replace(";", separator)
    (line,) = await read(text)
    assert (line.tracking_number, line.code, line.carrier) == ("T1", "lost", "")


async def test_empty_lines_are_passed_over_and_counted():
    lines = await read(HEAD + "\n  \nT1,2026-11-14T10:00Z,lost,,,\n")
    assert [line.number for line in lines] == [4]


@pytest.mark.parametrize(
    ("line", "column", "code"),
    [
        ("T1,2026-11-14T10:00Z,lost", "", "malformed"),
        ("T1,2026-11-14T10:00Z,lost,,,,", "", "malformed"),
        (",2026-11-14T10:00Z,lost,,,", "tracking_number", "missing"),
        ("T1,,lost,,,", "at", "missing"),
        ("T1,14.11.2026,lost,,,", "at", "malformed"),
        ("T1,2026-11-14T10:00,lost,,,", "at", "no_zone"),
        ("T1,2026-11-14T10:00Z,,,,", "code", "missing"),
        ("T1,2026-11-14T10:00Z,lost,,a\x00b,", "place", "malformed"),
        (f"{'1' * 61},2026-11-14T10:00Z,lost,,,", "tracking_number", "too_long"),
        ('T1,2026-11-14T10:00Z,lost,,"open,', "", "malformed"),
        ("T1,2026-11-14T10:00Z,lost,,\udcff,", "", "malformed"),
    ],
)
async def test_a_wrong_line_is_told_and_the_next_one_read(line, column, code):
    wrong, good = await read(f"{HEAD}{line}\nT9,2026-11-14T10:00Z,lost,,,\n")
    assert wrong == Wrong(2, column, code)
    assert (good.number, good.tracking_number) == (3, "T9")


@pytest.mark.parametrize(
    ("text", "path", "code"),
    [
        ("", ("line", 1), "missing"),
        ("at,code\n", ("line", 1, "tracking_number"), "missing"),
        ("tracking_number,at,code,colour\n", ("line", 1, "colour"), "unknown_field"),
        ("tracking_number,at,code,at\n", ("line", 1, "at"), "listed_twice"),
        (b"\xff\xfea\x00t\x00", ("line", 1), "malformed"),
        ('at,code,"', ("line", 1), "malformed"),
        (HEAD + "x" * 9000, ("line", 2), "too_long"),
        (HEAD + "x" * 9000 + "\n", ("line", 2), "too_long"),
    ],
)
async def test_a_sheet_that_is_none_is_refused_where_it_ends(text, path, code):
    assert await refusal(text) == (path, code)


async def test_a_sheet_without_end_takes_no_more_than_a_line():
    async def endless() -> AsyncIterator[bytes]:
        yield HEAD.encode()
        while True:
            yield b"x" * 65_536

    with pytest.raises(Invalid, match="too_long"):
        _ = [line async for line in scansheet.read(endless())]


@given(st.binary(max_size=300), st.integers(1, 50))
async def test_no_bytes_make_the_reader_stumble(data, step):
    with suppress(Invalid):
        await read(HEAD.encode() + data, step)
