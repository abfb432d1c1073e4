from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from odr import bounds
from odr.errors import Invalid

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def code(function, *given: Any, **named: Any):
    with pytest.raises(Invalid) as refused:
        function(*given, **named)
    assert refused.value.path == ("field",)
    return refused.value.code


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        (1.0, "fractional"),
        (1.5, "fractional"),
        (float("nan"), "fractional"),
        (True, "malformed"),
        ("5", "malformed"),
        (None, "malformed"),
        (-1, "negative"),
        (0, "too_small"),
        (2**53, "too_large"),
    ],
)
def test_an_amount_is_a_whole_number_within_its_bounds(value, wrong):
    assert code(bounds.whole, value, ("field",), least=1) == wrong


def test_the_largest_amount_is_the_largest_that_canonical_json_carries():
    assert bounds.whole(2**53 - 1, ("field",)) == 2**53 - 1


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        ("", "missing"),
        (" \t ", "missing"),
        ("a\nb", "malformed"),
        ("a\x00b", "malformed"),
        ("a\ud800b", "malformed"),
        ("a\u2028b", "malformed"),
        ("a" * 201, "too_long"),
    ],
)
def test_a_line_is_one_line_of_text(value, wrong):
    assert code(bounds.line, value, ("field",)) == wrong


def test_space_around_a_name_goes_and_around_a_reference_is_refused():
    assert bounds.line("  李雷 & Co. 👩‍🔧 ", ("field",)) == "李雷 & Co. 👩‍🔧"
    assert code(bounds.reference, " O-1", ("field",)) == "malformed"


def test_text_of_lines_keeps_them():
    assert bounds.lines("a\r\nb\tc\n", ("field",), 20) == "a\r\nb\tc\n"
    assert code(bounds.lines, "a\x07", ("field",), 20) == "malformed"
    assert code(bounds.lines, "a" * 21, ("field",), 20) == "too_long"


@pytest.mark.parametrize(
    "address",
    [
        "ann",
        "ann@",
        "@example.org",
        "ann@example",
        "ann@@example.org",
        "ann @example.org",
        "ann@example..org",
        "ann@-example.org",
        ".ann@example.org",
        "ann.@example.org",
        '"ann"@example.org',
        "ann@[192.0.2.1]",
        "ann@192.0.2.1",
        "ann@example.org\nbcc: eve@example.org",
        "änn@example.org",
        "Ann <ann@example.org>",
        "ann@example.org,eve@example.org",
    ],
)
def test_what_is_no_address_is_refused(address):
    assert code(bounds.email, address, ("field",)) == "malformed"


def test_an_address_is_lowered_and_bounded():
    assert bounds.email(" Ann.Lee+shop@Example.ORG ", ("field",)) == "ann.lee+shop@example.org"
    assert code(bounds.email, "", ("field",)) == "missing"
    assert code(bounds.email, "a" * 65 + "@example.org", ("field",)) == "too_long"
    assert code(bounds.email, "a@" + "b." * 126 + "org", ("field",)) == "too_long"


@pytest.mark.parametrize("language", ["en", "zh", "zh-CN", "zh-Hant", "pt-BR"])
def test_a_language_is_taken(language):
    assert bounds.language(language, ("field",)) == language


@pytest.mark.parametrize("language", ["", "EN", "en_US", "xx", "english", "en-us", "en-US-x"])
def test_what_is_no_language_is_refused(language):
    assert code(bounds.language, language, ("field",)) == "unknown_language"


def test_currency_country_and_zone_are_known_ones():
    assert bounds.currency("KWD", ("field",)) == "KWD"
    assert bounds.country("CN", ("field",)) == "CN"
    assert bounds.zone("Asia/Shanghai", ("field",)) == "Asia/Shanghai"
    for wrong in ("eur", "XXX", "", "DEM"):
        assert code(bounds.currency, wrong, ("field",)) == "unknown_currency"
    for wrong in ("de", "XX", "", "DEU"):
        assert code(bounds.country, wrong, ("field",)) == "unknown_country"
    for wrong in ("Berlin", "", "../etc/passwd", "europe/berlin "):
        assert code(bounds.zone, wrong, ("field",)) == "unknown_zone"


def test_an_instant_has_a_zone_and_has_come():
    naive = NOON.replace(tzinfo=None)
    assert code(bounds.past, naive, ("field",), NOON) == "no_zone"
    assert bounds.past(NOON + bounds.SKEW, ("field",), NOON)
    ahead = NOON + bounds.SKEW + timedelta(microseconds=1)
    assert code(bounds.past, ahead, ("field",), NOON) == "in_the_future"


def test_an_instant_is_of_an_age_in_which_there_are_orders():
    first, last = bounds.INSTANTS
    moment = timedelta(microseconds=1)
    for taken in (first, last - moment):
        assert bounds.instant(taken, ("field",)) == taken
    year_one = datetime(1, 1, 1, tzinfo=UTC)
    for wrong in (
        first - moment,
        last,
        year_one,
        year_one.replace(tzinfo=timezone(timedelta(hours=23))),
    ):
        assert code(bounds.instant, wrong, ("field",)) == "out_of_bounds"
