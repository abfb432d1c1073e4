from decimal import Decimal

import pytest
from babel import Locale, UnknownLocaleError, localedata
from babel.numbers import get_decimal_symbol, list_currencies
from hypothesis import given
from hypothesis import strategies as st

from odr import money
from odr.errors import Invalid
from odr.money import Money

CURRENCIES = st.sampled_from(sorted(money.EXPONENTS))
AMOUNTS = st.integers(-money.AMOUNT_MINOR_MAX, money.AMOUNT_MINOR_MAX)
GOOD = st.integers(0, money.AMOUNT_MINOR_MAX)


def refusal(text: str, currency: str, locale: str = "en") -> str:
    with pytest.raises(Invalid) as refused:
        money.parse(text, currency, locale)
    assert refused.value.path == ("amount",)
    return refused.value.code


@given(GOOD, CURRENCIES, st.sampled_from(["en", "zh-CN", "de", "fr_CH"]))
def test_what_is_written_out_is_read_back(amount: int, currency: str, locale: str):
    given_ = Money(amount, currency)
    typed = str(given_.decimal).replace(".", get_decimal_symbol(locale.replace("-", "_")))
    assert money.parse(typed, currency, locale) == given_


@given(AMOUNTS, CURRENCIES)
def test_the_decimal_is_exact(amount: int, currency: str):
    given_ = Money(amount, currency)
    assert given_.decimal * 10 ** money.EXPONENTS[currency] == amount


@given(st.integers(-(2**40), 2**40), st.integers(-(2**40), 2**40), CURRENCIES)
def test_adding_and_taking_away_are_exact(one: int, other: int, currency: str):
    a, b = Money(one, currency), Money(other, currency)
    assert (a + b) - b == a
    assert a - b == -(b - a)
    assert money.total([a, b, a], currency).amount_minor == 2 * one + other


def test_the_total_of_nothing_is_nothing_in_its_currency():
    assert money.total([], "JPY") == money.zero("JPY")
    assert not money.zero("JPY")
    assert Money(-1, "JPY")


@pytest.mark.parametrize(
    ("currency", "decimals"),
    [("JPY", 0), ("ISK", 0), ("EUR", 2), ("CNY", 2), ("RSD", 2), ("KWD", 3), ("IQD", 3)],
)
def test_decimals_are_those_of_iso_4217(currency: str, decimals: int):
    assert money.exponent(currency) == decimals


def test_every_currency_is_listed_once_and_known_to_babel():
    listed = " ".join(money._DECIMALS.values()).split()
    assert len(listed) == len(set(listed)) == len(money.EXPONENTS)
    assert set(listed) <= list_currencies()


@pytest.mark.parametrize("currency", ["XXX", "eur", "EURO", "", "E", "DEM", " EUR"])
def test_an_unknown_currency_is_refused(currency: str):
    with pytest.raises(Invalid) as refused:
        Money(1, currency)
    assert (refused.value.path, refused.value.code) == (("currency",), "unknown_currency")


@pytest.mark.parametrize("amount", [1.0, "1", Decimal(1), True, None])
def test_money_is_made_of_whole_numbers_only(amount: object):
    with pytest.raises(TypeError):
        Money(amount, "EUR")  # type: ignore[arg-type]  # the wrong type is the point


def test_an_amount_that_canonical_json_cannot_carry_is_refused():
    for amount in (2**53, -(2**53)):
        with pytest.raises(Invalid, match="too_large"):
            Money(amount, "EUR")


def test_currencies_do_not_mix():
    euro, yen = Money(1, "EUR"), Money(1, "JPY")
    for mix in (
        lambda: euro + yen,
        lambda: euro - yen,
        lambda: euro < yen,
        lambda: euro >= yen,
        lambda: money.total([euro], "JPY"),
    ):
        with pytest.raises(ValueError, match="do not mix"):
            mix()
    assert euro != yen


def test_money_does_not_mix_with_bare_numbers():
    with pytest.raises(TypeError):
        Money(1, "EUR") + 1  # type: ignore[operator]  # the wrong type is the point


def test_amounts_of_one_currency_are_ordered():
    assert Money(1, "EUR") < Money(2, "EUR") <= Money(2, "EUR")
    assert max(Money(3, "EUR"), Money(2, "EUR")) == Money(3, "EUR")


@pytest.mark.parametrize(
    ("text", "currency", "locale", "amount_minor"),
    [
        ("12.50", "EUR", "en", 1250),
        ("12,50", "EUR", "de", 1250),
        ("12,50", "EUR", "en", 1250),
        ("12.5", "EUR", "de", 1250),
        ("12", "EUR", "en", 1200),
        (" 12 ", "EUR", "en", 1200),
        ("0.01", "USD", "en", 1),
        ("0", "USD", "en", 0),
        ("1500", "JPY", "ja", 1500),
        ("1.234", "KWD", "en", 1234),
        ("1,234", "KWD", "de", 1234),
        ("\uff11\uff12\uff0e\uff15", "CNY", "zh-CN", 1250),
    ],
)
def test_what_people_type_is_read(text: str, currency: str, locale: str, amount_minor: int):
    assert money.parse(text, currency, locale) == Money(amount_minor, currency)


@pytest.mark.parametrize(
    ("text", "currency", "locale", "code"),
    [
        ("-1", "EUR", "en", "negative"),
        ("\N{MINUS SIGN}1.50", "EUR", "en", "negative"),
        ("12.345", "EUR", "en", "too_many_decimals"),
        ("1.5", "JPY", "en", "too_many_decimals"),
        ("1.0", "JPY", "en", "too_many_decimals"),
        ("1,234", "EUR", "en", "ambiguous"),
        ("1.234", "EUR", "de", "ambiguous"),
        ("1,234", "KWD", "en", "ambiguous"),
        ("1.234", "KWD", "de", "ambiguous"),
        ("1,234", "JPY", "en", "ambiguous"),
        ("1,234.50", "EUR", "en", "malformed"),
        ("1 234", "EUR", "fr", "malformed"),
        ("1_000", "EUR", "en", "malformed"),
        ("1e3", "EUR", "en", "malformed"),
        ("+1", "EUR", "en", "malformed"),
        (".5", "EUR", "en", "malformed"),
        ("5.", "EUR", "en", "malformed"),
        ("", "EUR", "en", "malformed"),
        ("--1", "EUR", "en", "malformed"),
        ("-", "EUR", "en", "malformed"),
        ("€5", "EUR", "en", "malformed"),
        ("0x10", "EUR", "en", "malformed"),
        ("NaN", "EUR", "en", "malformed"),
        ("Infinity", "EUR", "en", "malformed"),
        ("\u0661\u0662", "EUR", "ar", "malformed"),
        ("9" * 18, "EUR", "en", "too_large"),
        ("9" * 400, "EUR", "en", "malformed"),
    ],
)
def test_what_could_be_misread_is_refused(text: str, currency: str, locale: str, code: str):
    assert refusal(text, currency, locale) == code


def test_a_refusal_names_the_field_that_was_asked_about():
    with pytest.raises(Invalid) as refused:
        money.parse("x", "EUR", path=("terms", "items", 0, "amount"))
    assert refused.value.path == ("terms", "items", 0, "amount")


@pytest.mark.parametrize(
    ("given_", "locale", "text"),
    [
        (Money(123456, "EUR"), "en", "€1,234.56"),
        (Money(123456, "EUR"), "de", "1.234,56\xa0€"),
        (Money(123456, "CNY"), "zh-CN", "¥1,234.56"),
        (Money(1234, "JPY"), "en", "¥1,234"),
        (Money(1234567, "KWD"), "en", "KWD\xa01,234.567"),
        (Money(1234, "RSD"), "en", "RSD\xa012.34"),
        (Money(1234567, "IQD"), "en", "IQD\xa01,234.567"),
        (Money(-5, "EUR"), "en", "-€0.05"),
    ],
)
def test_money_is_written_for_people(given_: Money, locale: str, text: str):
    assert given_.format(locale) == text


@given(GOOD, CURRENCIES)
def test_no_digit_is_lost_in_any_locale(amount: int, currency: str):
    for locale in ("en", "zh-CN", "de", "en-IN", "fr", "sw"):
        written = Money(amount, currency).format(locale)
        digits = "".join(c for c in written if c.isdigit())
        assert int(digits) == amount


def test_every_locale_can_write_money():
    for locale in localedata.locale_identifiers():
        if "standard" in Locale.parse(locale).currency_formats:
            assert Money(1, "EUR").format(locale)


def test_a_locale_that_does_not_exist_is_refused():
    with pytest.raises(UnknownLocaleError):
        Money(1, "EUR").format("xq")
