"""Scalars read one spelling of each value, and write the same."""

from datetime import UTC, date, datetime

import pytest
import strawberry
from graphql import print_type
from strawberry.schema.config import StrawberryConfig

from schema import scalars

DIGEST = "00ff" * 16


@pytest.mark.parametrize(
    ("written", "instant"),
    [
        ("2026-11-22T18:30:00.000000Z", datetime(2026, 11, 22, 18, 30, tzinfo=UTC)),
        ("2024-02-29T23:59:59.999999Z", datetime(2024, 2, 29, 23, 59, 59, 999999, tzinfo=UTC)),
        ("0001-01-01T00:00:00.000001Z", datetime(1, 1, 1, 0, 0, 0, 1, tzinfo=UTC)),
    ],
)
def test_an_instant_is_written_in_utc_with_six_digits_and_read_back(written, instant):
    assert scalars.write_instant(instant) == written
    assert scalars.parse_instant(written) == instant


def test_an_instant_is_read_with_any_offset_as_utc():
    read = scalars.parse_instant("2026-11-22T20:30:00.5+02:00")
    assert read == datetime(2026, 11, 22, 18, 30, 0, 500000, tzinfo=UTC)
    assert read.utcoffset().total_seconds() == 0


@pytest.mark.parametrize(
    "spelling",
    [
        "2026-11-22", "2026-11-22T18:30:00", "2026-11-22 18:30:00Z", "2026-11-22T18:30Z",
        "2026-11-22T18:30:00.1234567Z", "2026-11-22T18:30:00.Z", "20261122T183000Z",
        "2026-02-30T18:30:00Z", "2026-11-22T24:00:01Z", "2026-11-22T18:30:00+0200",
        "0001-01-01T00:00:00+14:00", "\u0662026-11-22T18:30:00Z", " 2026-11-22T18:30:00Z",
        1_700_000_000, None, "",
    ],
)  # fmt: skip
def test_any_other_spelling_of_an_instant_is_refused(spelling):
    with pytest.raises(ValueError):  # noqa: PT011 - each is refused in its own words
        scalars.parse_instant(spelling)


def test_a_naive_instant_is_not_written():
    with pytest.raises(ValueError, match="zone"):
        scalars.write_instant(datetime(2026, 1, 1))  # noqa: DTZ001 - the naive one is the example


@pytest.mark.parametrize("spelling", ["2026-1-1", "20260101", "2026-02-30", "2026-W01-1", 5, ""])
def test_any_other_spelling_of_a_date_is_refused(spelling):
    assert scalars.parse_date("2026-01-01") == date(2026, 1, 1)
    with pytest.raises(ValueError):  # noqa: PT011 - each is refused in its own words
        scalars.parse_date(spelling)


@pytest.mark.parametrize("number", [0, -1, 2**53 - 1, -(2**53) + 1])
def test_a_whole_number_that_json_carries_exactly_is_an_int64(number):
    assert scalars.parse_int64(number) == number


@pytest.mark.parametrize("other", [2**53, -(2**53), 1.0, "1", True, None, [1]])
def test_anything_else_is_no_int64(other):
    with pytest.raises(ValueError, match="whole number"):
        scalars.parse_int64(other)


def test_a_digest_is_64_lower_hex_digits():
    assert scalars.parse_digest(DIGEST) == DIGEST
    assert scalars.write_digest(bytes.fromhex(DIGEST)) == DIGEST
    for other in (DIGEST.upper(), DIGEST[:-1], DIGEST + "0", " " + DIGEST[1:], DIGEST + "\n", 5):
        with pytest.raises(ValueError, match="hex"):
            scalars.parse_digest(other)


def test_a_url_is_absolute_and_carries_no_password():
    for url in ("https://example.org/a?b=%20#c", "http://[::1]:8000/"):
        assert scalars.parse_url(url) == url
    for other in (
        "example.org", "ftp://example.org", "https://", "https://a:b@example.org", "javascript:a",
        "https://example.org/ a", "https://exämple.org", "HTTPS://example.org",
        "https://example.org/" + "a" * 2048, "https://[::1", 5,
    ):  # fmt: skip
        with pytest.raises(ValueError):  # noqa: PT011 - each is refused in its own words
            scalars.parse_url(other)


def test_money_is_written_for_people_in_their_locale_and_in_english_if_unknown():
    row = {"amount_minor": 123456, "currency": "EUR"}
    assert scalars.format_money(None, row, "de") == "1.234,56\xa0€"
    for locale in ("en", "xx", "", "../etc", "en_" + "x" * 999):
        assert scalars.format_money(None, row, locale) == "€1,234.56"


def test_each_scalar_names_its_specification():
    @strawberry.type
    class Query:
        a: datetime
        b: date
        c: scalars.Int64
        d: scalars.Digest
        e: scalars.URL

    schema = strawberry.Schema(Query, config=StrawberryConfig(scalar_map=scalars.SCALARS))
    for name in ("DateTime", "Date", "Int64", "Digest", "URL"):
        assert '@specifiedBy(url: "https://www.rfc-editor.org/' in print_type(
            schema._schema.type_map[name]
        )
