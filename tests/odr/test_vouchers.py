"""Vouchers: fields by kind of document, each within bounds, the same after JSON."""

from dataclasses import fields
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from odr import vouchers
from odr.errors import Invalid
from odr.vouchers import Voucher
from odr.words import ExhibitKind

K = ExhibitKind
AT = datetime(2026, 11, 14, 15, 30, tzinfo=timezone(timedelta(hours=1)))
WHOLE = Voucher(
    issuer="Post",
    number="D-7",
    issued=date(2026, 11, 14),
    carrier="DHL",
    service="Paket",
    tracking_number="428001369716",
    shipped_at=AT,
    delivered_at=AT,
    sent_from="Köln",
    place="Berlin",
    sender="Loud Shop",
    recipient="Anna Arendt",
    weight_grams=1200,
    customs_number="26DE123456789012J3",
    order_reference="W-2026/7",
    amount_minor=5_900,
    currency="EUR",
    note="left with a neighbour",
)


def refusal(kind: ExhibitKind, **told: Any) -> tuple[tuple[str | int, ...], str]:
    with pytest.raises(Invalid) as refused:
        vouchers.check(kind, Voucher(**told))
    return refused.value.path, refused.value.code


def test_a_voucher_is_given_in_its_plain_spelling():
    given = Voucher(carrier="  DHL ", tracking_number=" 4280 0136 9716 ", delivered_at=AT)
    assert vouchers.check(K.PROOF_OF_DELIVERY, given) == Voucher(
        carrier="DHL", tracking_number="4280 0136 9716", delivered_at=AT
    )


def test_any_field_may_be_given_of_something_else():
    assert vouchers.check(K.OTHER, WHOLE) == WHOLE


@pytest.mark.parametrize("kind", list(ExhibitKind))
def test_each_kind_has_its_fields_and_refuses_the_others_by_name(kind):
    for each in fields(Voucher):
        told = {each.name: getattr(WHOLE, each.name)}
        if each.name in {"amount_minor", "currency"}:
            told = {"amount_minor": 1, "currency": "EUR"}
        if each.name in vouchers.allowed(kind):
            vouchers.check(kind, Voucher(**told))
        else:
            path, code = refusal(kind, **told)
            assert (path[0], code) == ("voucher", "not_for_kind")


def test_every_kind_has_what_any_paper_may_say():
    assert all(vouchers.allowed(kind) >= vouchers.PAPER for kind in ExhibitKind)


@pytest.mark.parametrize(
    ("told", "path", "code"),
    [
        ({}, ("voucher",), "empty"),
        ({"issuer": " "}, ("voucher", "issuer"), "missing"),
        ({"issuer": "a\nb"}, ("voucher", "issuer"), "malformed"),
        ({"number": "x" * 101}, ("voucher", "number"), "too_long"),
        ({"tracking_number": "1" * 61}, ("voucher", "tracking_number"), "too_long"),
        ({"shipped_at": datetime(2026, 11, 1)}, ("voucher", "shipped_at"), "no_zone"),  # noqa: DTZ001 - what is refused
        ({"issued": AT}, ("voucher", "issued"), "malformed"),
        ({"weight_grams": 0}, ("voucher", "weight_grams"), "too_small"),
        ({"weight_grams": 10**9}, ("voucher", "weight_grams"), "too_large"),
        ({"weight_grams": 1.5}, ("voucher", "weight_grams"), "fractional"),
        ({"amount_minor": 5}, ("voucher", "currency"), "currency_missing"),
        ({"currency": "EUR"}, ("voucher", "amount_minor"), "amount_missing"),
        ({"amount_minor": -1, "currency": "EUR"}, ("voucher", "amount_minor"), "negative"),
        ({"amount_minor": 1, "currency": "eur"}, ("voucher", "currency"), "unknown_currency"),
        ({"note": "x" * 501}, ("voucher", "note"), "too_long"),
    ],
)
def test_what_is_no_value_is_refused_where_it_stands(told, path, code):
    assert refusal(K.OTHER, **told) == (path, code)


def test_what_a_document_says_is_kept_even_if_it_cannot_be_true():
    odd = Voucher(tracking_number="428001369717", shipped_at=AT, delivered_at=AT - timedelta(9))
    assert vouchers.check(K.PROOF_OF_DELIVERY, odd) == odd


@pytest.mark.parametrize("given", [WHOLE, Voucher(), Voucher(issued=date(2026, 1, 1))])
def test_json_holds_what_is_told_and_gives_it_back(given):
    told = vouchers.to_json(given)
    assert None not in told.values()
    assert vouchers.from_json(told) == given


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ({"colour": "red"}, "unknown_field"),
        ({"issued": "14.11.2026"}, "malformed"),
        ({"issued": 7}, "malformed"),
        ({"shipped_at": "yesterday"}, "malformed"),
        ({"shipped_at": "2026-11-14T15:30:00"}, "no_zone"),
    ],
)
def test_another_spelling_in_json_is_refused(told, code):
    with pytest.raises(Invalid) as refused:
        vouchers.from_json(told)
    assert refused.value.code == code


def test_instants_keep_their_zone():
    told = vouchers.to_json(Voucher(delivered_at=AT))
    assert told == {"delivered_at": "2026-11-14T15:30:00+01:00"}
    utc = vouchers.to_json(Voucher(delivered_at=AT.astimezone(UTC)))
    assert utc == {"delivered_at": "2026-11-14T14:30:00+00:00"}
