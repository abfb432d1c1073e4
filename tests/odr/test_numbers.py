import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odr import numbers
from odr.errors import Invalid

NOVEMBER = datetime(2026, 11, 22, 12, tzinfo=UTC)
KINDS = [
    pytest.param(numbers.case, numbers.parse_case, id="case"),
    pytest.param(numbers.insurance_claim, numbers.parse_insurance_claim, id="insurance claim"),
]
INSTANTS = st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001  # Hypothesis wants its bounds naive


def code(parse, typed: str) -> str:
    with pytest.raises(Invalid) as refused:
        parse(typed)
    assert refused.value.path == ("number",)
    return refused.value.code


@pytest.mark.parametrize(("draw", "parse"), KINDS)
@given(opened=INSTANTS)
def test_a_number_that_was_drawn_is_read_back(draw, parse, opened: datetime):
    number = draw(opened)
    assert parse(number) == number


def test_a_number_has_year_and_month_and_check_digits():
    assert re.fullmatch(r"2611-[0-9]{4}-[0-9]{4}-[0-9]{2}", numbers.case(NOVEMBER))
    assert re.fullmatch(r"IC-2611-[0-9]{4}-[0-9]{4}-[0-9]{2}", numbers.insurance_claim(NOVEMBER))


def test_the_check_is_the_one_of_iso_7064():
    assert numbers.parse_case("2611 4839 2017 71") == "2611-4839-2017-71"
    assert code(numbers.parse_case, "2611-4839-2017-42") == "wrong_check_digits"
    # MOD 97-10: the whole number, with letters as 10 to 35, leaves 1 when divided by 97.
    assert int(numbers.case(NOVEMBER).replace("-", "")) % 97 == 1
    claim = numbers.insurance_claim(NOVEMBER).replace("-", "")
    assert int("".join(str(int(c, 36)) for c in claim)) % 97 == 1


def test_the_month_is_the_one_in_utc():
    shanghai = datetime(2026, 12, 1, 7, 59, tzinfo=timezone(timedelta(hours=8)))
    assert numbers.case(shanghai).startswith("2611-")


def test_numbers_are_drawn_and_not_counted():
    drawn = {numbers.case(NOVEMBER) for _ in range(1_000)}
    assert len(drawn) > 990


@pytest.mark.parametrize(("draw", "parse"), KINDS)
def test_every_wrong_digit_is_found(draw, parse):
    number = draw(NOVEMBER)
    for place, right in enumerate(number):
        for wrong in set("0123456789") - {right}:
            if right.isdigit():
                mistyped = number[:place] + wrong + number[place + 1 :]
                assert code(parse, mistyped) in {"wrong_check_digits", "malformed"}


@pytest.mark.parametrize(("draw", "parse"), KINDS)
def test_every_two_neighbours_exchanged_are_found(draw, parse):
    digits = draw(NOVEMBER).replace("-", "")
    for place in range(digits.startswith("IC") * 2, len(digits) - 1):
        one, other = digits[place : place + 2]
        if one != other:
            mistyped = digits[:place] + other + one + digits[place + 2 :]
            assert code(parse, mistyped) in {"wrong_check_digits", "malformed"}


@pytest.mark.parametrize(
    "habit",
    [
        lambda n: n.replace("-", ""),
        lambda n: n.replace("-", " "),
        lambda n: f"  {n}\t",
        lambda n: n.replace("-", "\N{EN DASH}"),
        lambda n: n.replace("-", "\N{MINUS SIGN}"),
        lambda n: n.replace("-", "\N{NO-BREAK SPACE}"),
        lambda n: n.replace("-", "\N{ZERO WIDTH SPACE}"),
        lambda n: " ".join(n.replace("-", "")),
        lambda n: "".join(chr(ord(c) + 0xFEE0) for c in n),
        lambda n: "".join(chr(int(c) + 0x660) if c.isdigit() else c for c in n),
    ],
)
def test_dashes_spaces_and_digits_may_be_typed_in_any_way(habit):
    number = numbers.case(NOVEMBER)
    assert numbers.parse_case(habit(number)) == number
    claim = numbers.insurance_claim(NOVEMBER)
    assert numbers.parse_insurance_claim("ic" + habit(claim[3:])) == claim


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "-",
        "2611",
        "2611-4839-2017",
        "2611-4839-2017-4",
        "2611-4839-2017-421",
        "2600-4839-2017-42",
        "2613-4839-2017-42",
        "2611_4839_2017_42",
        "2611.4839.2017.42",
        "2611-4839-2017-4x",
        "IX-2611-4839-2017-42",
        "case 2611-4839-2017-42",
        "2611-4839-2017-42\n2",
    ],
)
def test_what_is_no_number_is_refused(typed: str):
    assert code(numbers.parse_case, typed) == "malformed"


def test_a_number_of_the_other_kind_is_refused():
    assert code(numbers.parse_case, numbers.insurance_claim(NOVEMBER)) == "other_kind"
    assert code(numbers.parse_insurance_claim, numbers.case(NOVEMBER)) == "other_kind"


def test_a_prefix_that_is_lost_or_added_is_found_by_the_check():
    claim = numbers.insurance_claim(NOVEMBER)
    assert code(numbers.parse_case, claim.removeprefix("IC-")) == "wrong_check_digits"
    added = "IC-" + numbers.case(NOVEMBER)
    assert code(numbers.parse_insurance_claim, added) == "wrong_check_digits"


def test_an_instant_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        numbers.case(datetime(2026, 11, 1))  # noqa: DTZ001  # the naive instant is the point
