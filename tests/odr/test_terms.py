from datetime import date
from itertools import product

import orjson
import pytest
import rfc8785
from hypothesis import assume, given
from hypothesis import strategies as st

from odr import journal, rulebook, terms
from odr.errors import Invalid
from odr.remedies import CARRIED_OUT, SHAPES, Bound, Flow, Use
from odr.terms import Item, Line, OrderFacts, Terms
from odr.words import Party, Reason, Remedy

BOOK = rulebook.load(rulebook.FOLDER / "2026-11.toml")
LINES = (Line(1, 10_000, 1), Line(2, 1_000, 3))
ORDER = OrderFacts("EUR", LINES, freight_minor=500)
R = Remedy

AMOUNTS = st.integers(1, 900) | st.integers(1, 11_500)
REMEDIES = st.sampled_from(Remedy)
MONEY = st.sampled_from([R.PARTIAL_REFUND, R.COMPENSATION, R.COUPON, R.RELEASE_TO_SELLER])
NOTES = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=40)


def item(remedy: Remedy, amount_minor: int | None = None, **fields: object) -> Item:
    return Item(remedy=remedy, amount_minor=amount_minor, **fields)  # type: ignore[arg-type]  # spread fields


def euros(*items: Item) -> Terms:
    return Terms("EUR", items)


def check(given_: Terms, reason: Reason = Reason.DEFECTIVE, order: OrderFacts = ORDER) -> None:
    terms.check(given_, order, BOOK, reason)


def refusal(given_: Terms, reason: Reason = Reason.DEFECTIVE, order: OrderFacts = ORDER):
    with pytest.raises(Invalid) as refused:
        check(given_, reason, order)
    return refused.value.path, refused.value.code


@st.composite
def an_item(draw: st.DrawFn, remedies: st.SearchStrategy[Remedy] = REMEDIES) -> Item:
    remedy = draw(remedies)
    shape = SHAPES[remedy]

    def field(use: Use, values: st.SearchStrategy[object]) -> object:
        return (
            None if use is Use.NONE else draw(values if use is Use.NEEDED else st.none() | values)
        )

    line = draw(st.sampled_from([None, 1, 2]))
    difference_payer = field(shape.difference, st.sampled_from(Party))
    amount = field(shape.amount, AMOUNTS)
    if remedy is R.EXCHANGE:
        amount = draw(AMOUNTS) if difference_payer else None
    return item(
        remedy,
        amount,  # type: ignore[arg-type]  # drawn from AMOUNTS or None
        order_line=line,
        quantity=draw(st.sampled_from([None, 1, 2])) if line == 2 else None,
        freight_payer=field(shape.freight, st.sampled_from(Party)),
        difference_payer=difference_payer,
        until=field(shape.until, st.dates(date(2026, 1, 1), date(2030, 1, 1))),
        note=field(shape.note, NOTES),
    )


SOME_TERMS = st.lists(an_item(), min_size=1, max_size=4).map(lambda items: euros(*items))
MONEY_TERMS = st.lists(
    an_item(MONEY), min_size=1, max_size=3, unique_by=lambda i: (i.remedy, i.order_line)
).map(lambda items: euros(*items))

# JSON


@given(SOME_TERMS)
def test_terms_are_read_back_from_their_json(given_: Terms):
    written = orjson.loads(rfc8785.dumps(terms.to_json(given_)))
    assert terms.from_json(written) == given_
    assert terms.to_json(terms.from_json(written)) == written


def test_the_json_is_the_one_that_is_documented():
    written = terms.to_json(
        euros(
            item(R.PARTIAL_REFUND, 250, order_line=2, quantity=1),
            item(R.REFUND_ON_RETURN, 100, freight_payer=Party.SELLER),
            item(R.EXTENSION, until=date(2027, 1, 31), note="until the end of January"),
        )
    )
    assert written == {
        "currency": "EUR",
        "items": [
            {"remedy": "partial_refund", "amount_minor": 250, "order_line": 2, "quantity": 1},
            {"remedy": "refund_on_return", "amount_minor": 100, "freight_payer": "seller"},
            {"remedy": "extension", "until": "2027-01-31", "note": "until the end of January"},
        ],
    }


PLAIN = {"remedy": "coupon", "amount_minor": 5, "until": "2027-01-31"}


@pytest.mark.parametrize(
    ("change", "path", "code"),
    [
        ({"remedy": "bribe"}, ("items", 0, "remedy"), "unknown_value"),
        ({"remedy": "COUPON"}, ("items", 0, "remedy"), "unknown_value"),
        ({"remedy": 1}, ("items", 0, "remedy"), "unknown_value"),
        ({"amount_minor": "5"}, ("items", 0, "amount_minor"), "type"),
        ({"amount_minor": 5.0}, ("items", 0, "amount_minor"), "type"),
        ({"amount_minor": 5.5}, ("items", 0, "amount_minor"), "type"),
        ({"amount_minor": True}, ("items", 0, "amount_minor"), "type"),
        ({"amount_minor": 2**70}, (), "type"),
        ({"amount_minor": float("nan")}, (), "not_canonical"),
        ({"amount_minor": None}, (), "not_canonical"),
        ({"until": "20270131"}, ("items", 0, "until"), "type"),
        ({"until": "2027-01-31T00:00:00"}, ("items", 0, "until"), "type"),
        ({"until": "2027-02-30"}, ("items", 0, "until"), "type"),
        ({"until": 1}, ("items", 0, "until"), "type"),
        ({"note": 1}, ("items", 0, "note"), "type"),
        ({"note": "\ud800"}, (), "type"),
        ({"freight_payer": "carrier"}, ("items", 0, "freight_payer"), "unknown_value"),
        ({"amount": 5}, ("items", 0, "amount"), "unknown_field"),
    ],
)
def test_any_other_spelling_of_an_item_is_refused(
    change: dict[str, object], path: tuple[str | int, ...], code: str
):
    terms.from_json({"currency": "EUR", "items": [PLAIN]})
    with pytest.raises(Invalid) as refused:
        terms.from_json({"currency": "EUR", "items": [PLAIN | change]})
    assert (refused.value.path, refused.value.code) == (path, code)


@pytest.mark.parametrize(
    ("value", "path", "code"),
    [
        ({"currency": "EUR"}, ("items",), "missing"),
        ({"items": [PLAIN]}, ("currency",), "missing"),
        ({"currency": "EUR", "items": [{}]}, ("items", 0, "remedy"), "missing"),
        ({"currency": "EUR", "items": PLAIN}, ("items",), "type"),
        ({"currency": 978, "items": [PLAIN]}, ("currency",), "type"),
        ({"currency": "EUR", "items": [PLAIN], "total": 5}, ("total",), "unknown_field"),
        ([], (), "type"),
        (None, (), "type"),
        ("{}", (), "type"),
        ({1: 2}, (), "type"),
        (object(), (), "type"),
    ],
)
def test_what_is_no_terms_is_refused(value: object, path: tuple[str | int, ...], code: str):
    with pytest.raises(Invalid) as refused:
        terms.from_json(value, ("claim",))
    assert (refused.value.path, refused.value.code) == (("claim", *path), code)


# the shapes


def test_every_remedy_has_a_shape_and_a_template_of_the_journal():
    assert set(SHAPES) == set(Remedy)
    assert all(callable(getattr(journal, shape.template)) for shape in SHAPES.values())


def test_the_service_carries_out_money_remedies_today():
    assert {
        R.FULL_REFUND,
        R.PARTIAL_REFUND,
        R.REFUND_WITHOUT_RETURN,
        R.COMPENSATION,
        R.RELEASE_TO_SELLER,
    } == CARRIED_OUT
    given_ = euros(item(R.REPAIR), item(R.COUPON, 5), item(R.COMPENSATION, 5))
    assert terms.not_carried_out(given_) == (R.REPAIR, R.COUPON)


# what terms come to


def test_money_is_added_up_by_where_it_goes():
    given_ = euros(
        item(R.PARTIAL_REFUND, 1),
        item(R.REFUND_ON_RETURN, 20),
        item(R.COMPENSATION, 300),
        item(R.COUPON, 4_000),
        item(R.EXCHANGE, 5, difference_payer=Party.SELLER, note="the blue one"),
        item(R.EXCHANGE, 60_000, difference_payer=Party.BUYER, note="the red one"),
        item(R.RELEASE_TO_SELLER, 7),
    )
    assert terms.to_buyer(given_).amount_minor == 326
    assert terms.refund(given_).amount_minor == 26
    assert terms.on_return(given_).amount_minor == 25
    assert terms.to_seller(given_, ORDER).amount_minor == 7
    assert terms.needs_return(given_)
    assert not terms.needs_return(euros(item(R.PARTIAL_REFUND, 1)))


def test_a_release_without_an_amount_is_the_rest():
    given_ = euros(
        item(R.PARTIAL_REFUND, 1_500), item(R.COMPENSATION, 9), item(R.RELEASE_TO_SELLER)
    )
    assert terms.to_seller(given_, ORDER).amount_minor == 10_000
    assert terms.to_seller(euros(item(R.PARTIAL_REFUND, 1)), ORDER).amount_minor == 0


@given(MONEY_TERMS | SOME_TERMS)
def test_what_is_agreed_never_gives_out_more_than_the_order_holds(given_: Terms):
    try:
        check(given_, Reason.DEFECTIVE)
    except Invalid:
        assume(False)
    out = terms.refund(given_).amount_minor + terms.to_seller(given_, ORDER).amount_minor
    assert 0 <= out <= ORDER.refundable_minor
    assert terms.to_buyer(given_).amount_minor <= ORDER.refundable_minor + ORDER.value_minor
    for line in LINES:
        on_line = [
            i
            for i in given_.items
            if i.order_line == line.number
            and i.flow is not Flow.NOWHERE
            and SHAPES[i.remedy].bound is Bound.ORDER
        ]
        assert sum(i.amount_minor or 0 for i in on_line) <= line.amount_minor


# what is allowed


@pytest.mark.parametrize(
    "given_",
    [
        euros(item(R.FULL_REFUND, 11_500)),
        euros(item(R.FULL_REFUND, 10_000, order_line=1)),
        euros(item(R.FULL_REFUND, 10_000, order_line=1), item(R.RELEASE_TO_SELLER)),
        euros(item(R.FULL_REFUND, 10_000, order_line=1), item(R.PARTIAL_REFUND, 500)),
        euros(item(R.FULL_REFUND, 11_500), item(R.COMPENSATION, 2_000)),
        euros(item(R.PARTIAL_REFUND, 334, order_line=2, quantity=1)),
        euros(item(R.PARTIAL_REFUND, 1), item(R.RELEASE_TO_SELLER, 11_499)),
        euros(item(R.REPLACEMENT, order_line=2), item(R.FULL_REFUND, 10_000, order_line=1)),
        euros(
            item(R.REPLACEMENT, order_line=2, quantity=1),
            item(R.REFUND_WITHOUT_RETURN, 600, order_line=2, quantity=2),
        ),
        euros(item(R.REPAIR), item(R.PARTIAL_REFUND, 10), item(R.COUPON, 100)),
        euros(item(R.PARTIAL_REFUND, 10), item(R.PARTIAL_REFUND, 10, order_line=1)),
        euros(item(R.EXCHANGE, note="the blue one")),
        euros(item(R.EXCHANGE, 10, difference_payer=Party.BUYER, note="the blue one")),
        euros(item(R.RELEASE_TO_SELLER)),
        euros(item(R.PARTIAL_REFUND, 1, note="for the scratch\nand the delay")),
    ],
)
def test_terms_that_hold_are_allowed(given_: Terms):
    check(given_)


# what is refused


@pytest.mark.parametrize(
    ("given_", "code"),
    [
        (Terms("XXX", (item(R.FULL_REFUND, 11_500),)), "unknown_currency"),
        (Terms("USD", (item(R.FULL_REFUND, 11_500),)), "other_currency"),
    ],
)
def test_a_currency_that_is_not_the_orders_is_refused(given_: Terms, code: str):
    assert refusal(given_) == (("currency",), code)


def test_no_items_and_too_many_items_are_refused():
    assert refusal(euros()) == (("items",), "empty")
    many = euros(*[item(R.PARTIAL_REFUND, 1)] * (BOOK.limits.terms_items + 1))
    assert refusal(many) == (("items",), "too_many")


@pytest.mark.parametrize(
    ("wrong", "field", "code"),
    [
        (item(R.FULL_REFUND), "amount_minor", "missing"),
        (item(R.COMPENSATION), "amount_minor", "missing"),
        (item(R.REPAIR, 5), "amount_minor", "not_applicable"),
        (item(R.PARTIAL_REFUND, 0), "amount_minor", "zero"),
        (item(R.PARTIAL_REFUND, -5), "amount_minor", "negative"),
        (item(R.PARTIAL_REFUND, 11_501), "amount_minor", "above_order"),
        (item(R.PARTIAL_REFUND, 1_001, order_line=2), "amount_minor", "above_line"),
        (item(R.PARTIAL_REFUND, 335, order_line=2, quantity=1), "amount_minor", "above_line"),
        (item(R.FULL_REFUND, 11_499), "amount_minor", "not_full"),
        (item(R.FULL_REFUND, 999, order_line=2), "amount_minor", "not_full"),
        (item(R.COMPENSATION, 11_501), "amount_minor", "above_cap"),
        (item(R.COUPON, 11_501), "amount_minor", "above_cap"),
        (item(R.RELEASE_TO_SELLER, 11_501), "amount_minor", "above_order"),
        (item(R.RELEASE_TO_SELLER, 0), "amount_minor", "zero"),
        (item(R.RELEASE_TO_SELLER, order_line=1), "amount_minor", "missing"),
        (item(R.PARTIAL_REFUND, 5, order_line=3), "order_line", "unknown_line"),
        (item(R.PARTIAL_REFUND, 5, order_line=0), "order_line", "unknown_line"),
        (item(R.PARTIAL_REFUND, 5, quantity=1), "order_line", "missing"),
        (item(R.REPLACEMENT, order_line=2, quantity=4), "quantity", "above_quantity"),
        (item(R.REPLACEMENT, order_line=2, quantity=0), "quantity", "zero"),
        (item(R.REPLACEMENT, order_line=2, quantity=-1), "quantity", "negative"),
        (item(R.FULL_REFUND, 334, order_line=2, quantity=1), "quantity", "not_applicable"),
        (item(R.PARTIAL_REFUND, 5, freight_payer=Party.BUYER), "freight_payer", "not_applicable"),
        (item(R.REPLACEMENT, until=date(2027, 1, 1)), "until", "not_applicable"),
        (item(R.EXCHANGE), "note", "missing"),
        (item(R.EXCHANGE, 5, note="x"), "difference_payer", "missing"),
        (
            item(R.EXCHANGE, note="x", difference_payer=Party.BUYER),
            "amount_minor",
            "missing",
        ),
        (item(R.PARTIAL_REFUND, 5, note=""), "note", "malformed"),
        (item(R.PARTIAL_REFUND, 5, note=" x"), "note", "malformed"),
        (item(R.PARTIAL_REFUND, 5, note="a\x00b"), "note", "malformed"),
        (item(R.PARTIAL_REFUND, 5, note="\ud800"), "note", "malformed"),
        (item(R.PARTIAL_REFUND, 5, note="x" * 501), "note", "too_long"),
    ],
)
def test_an_item_out_of_bounds_is_refused_at_its_field(wrong: Item, field: str, code: str):
    assert refusal(euros(wrong)) == (("items", 0, field), code)


def test_an_extension_needs_a_date():
    wrong = euros(item(R.EXTENSION))
    assert refusal(wrong, Reason.SERVICE_NOT_PROVIDED) == (("items", 0, "until"), "missing")


def test_a_refusal_tells_what_would_be_accepted_and_where_the_terms_stand():
    with pytest.raises(Invalid) as refused:
        terms.check(
            euros(item(R.PARTIAL_REFUND, 99_999)),
            ORDER,
            BOOK,
            Reason.DEFECTIVE,
            path=("input", "terms"),
        )
    assert refused.value.path == ("input", "terms", "items", 0, "amount_minor")
    assert refused.value.bounds == {"maximum": 11_500}


@pytest.mark.parametrize(
    ("items", "code"),
    [
        ((item(R.REPAIR), item(R.REPAIR)), "duplicate"),
        ((item(R.COMPENSATION, 1), item(R.COMPENSATION, 2)), "duplicate"),
        ((item(R.REPLACEMENT), item(R.REPLACEMENT, order_line=1)), "duplicate"),
        (
            (
                item(R.PARTIAL_REFUND, 1, order_line=2, quantity=1),
                item(R.PARTIAL_REFUND, 2, order_line=2, quantity=1),
            ),
            "duplicate",
        ),
        (
            (
                item(R.REPLACEMENT, order_line=2, quantity=1),
                item(R.REPLACEMENT, order_line=2, quantity=3),
            ),
            "duplicate",
        ),
        ((item(R.FULL_REFUND, 11_500), item(R.PARTIAL_REFUND, 1)), "contradictory"),
        ((item(R.PARTIAL_REFUND, 1), item(R.FULL_REFUND, 11_500)), "contradictory"),
        ((item(R.PARTIAL_REFUND, 1, order_line=1), item(R.REFUND_ON_RETURN, 9)), "contradictory"),
        ((item(R.PARTIAL_REFUND, 1), item(R.REFUND_ON_RETURN, 9)), "contradictory"),
        ((item(R.FULL_REFUND, 11_500), item(R.REPLACEMENT)), "contradictory"),
        ((item(R.FULL_REFUND, 11_500), item(R.REPLACEMENT, order_line=1)), "contradictory"),
        ((item(R.FULL_REFUND, 11_500), item(R.RELEASE_TO_SELLER)), "contradictory"),
        ((item(R.REFUND_ON_RETURN, 5), item(R.REFUND_WITHOUT_RETURN, 5)), "contradictory"),
        ((item(R.REPLACEMENT), item(R.REPAIR)), "contradictory"),
        ((item(R.REPLACEMENT), item(R.EXCHANGE, note="x")), "contradictory"),
        ((item(R.REPAIR), item(R.RELEASE_TO_SELLER)), "contradictory"),
        ((item(R.RELEASE_TO_SELLER), item(R.REPLACEMENT, order_line=1)), "contradictory"),
        (
            (
                item(R.REFUND_WITHOUT_RETURN, 600, order_line=2, quantity=2),
                item(R.REPLACEMENT, order_line=2, quantity=2),
            ),
            "contradictory",
        ),
    ],
)
def test_items_that_exclude_each_other_are_refused(items: tuple[Item, ...], code: str):
    path, found = refusal(euros(*items))
    assert (path[:2], found) == (("items", 1), code)


@pytest.mark.parametrize(
    ("items", "code"),
    [
        ((item(R.PARTIAL_REFUND, 11_500), item(R.PARTIAL_REFUND, 1, order_line=1)), "above_order"),
        ((item(R.PARTIAL_REFUND, 1), item(R.RELEASE_TO_SELLER, 11_500)), "above_order"),
        (
            (
                item(R.PARTIAL_REFUND, 9_000, order_line=1),
                item(R.RELEASE_TO_SELLER, 1_001, order_line=1),
            ),
            "above_line",
        ),
        ((item(R.COMPENSATION, 11_500), item(R.COMPENSATION, 1, order_line=1)), "above_cap"),
        ((item(R.COUPON, 11_500), item(R.COUPON, 1, order_line=1)), "above_cap"),
    ],
)
def test_items_that_are_too_much_together_are_refused(items: tuple[Item, ...], code: str):
    assert refusal(euros(*items)) == (("items", 1, "amount_minor"), code)


def test_nothing_can_be_released_where_nothing_is_left():
    given_ = euros(item(R.PARTIAL_REFUND, 11_500), item(R.RELEASE_TO_SELLER))
    assert refusal(given_) == (("items", 1, "amount_minor"), "zero")


def test_what_was_refunded_before_cannot_be_refunded_again():
    order = OrderFacts("EUR", LINES, freight_minor=500, refunded_minor=11_000)
    check(euros(item(R.FULL_REFUND, 500)), order=order)
    too_much = euros(item(R.PARTIAL_REFUND, 501))
    assert refusal(too_much, order=order) == (("items", 0, "amount_minor"), "above_order")
    of_line = euros(item(R.PARTIAL_REFUND, 501, order_line=1))
    assert refusal(of_line, order=order) == (("items", 0, "amount_minor"), "above_line")


# the reason's remedies


@pytest.mark.parametrize(("reason", "remedy"), list(product(Reason, Remedy)))
def test_a_remedy_is_allowed_if_the_rulebook_allows_it(reason: Reason, remedy: Remedy):
    fields = {R.EXTENSION: {"until": date(2027, 1, 1)}}.get(remedy, {})
    fields |= {"note": "the blue one"} if SHAPES[remedy].note is Use.NEEDED else {}
    amount = terms.highest_minor(ORDER, BOOK, remedy) if remedy is not R.EXCHANGE else None
    given_ = euros(item(remedy, amount, **fields))
    for claim in (True, False):
        allowed = remedy in BOOK.remedies(reason, claim=claim)
        if allowed:
            terms.check(given_, ORDER, BOOK, reason, claim=claim)
        else:
            with pytest.raises(Invalid, match="remedy_not_allowed"):
                terms.check(given_, ORDER, BOOK, reason, claim=claim)


# capping


@given(SOME_TERMS, st.integers(0, 30_000))
def test_capped_terms_give_the_buyer_what_is_asked_or_the_limit(given_: Terms, limit: int):
    asked = terms.to_buyer(given_).amount_minor
    granted = terms.capped(given_, limit)
    assert terms.to_buyer(granted).amount_minor == min(asked, limit)
    if asked <= limit:
        assert granted == given_
    assert all(i.amount_minor != 0 for i in granted.items)


def test_compensation_gives_way_before_a_refund():
    given_ = euros(item(R.COMPENSATION, 300), item(R.FULL_REFUND, 11_500), item(R.COUPON, 10))
    assert terms.capped(given_, 11_600) == euros(
        item(R.COMPENSATION, 100), item(R.FULL_REFUND, 11_500), item(R.COUPON, 10)
    )
    assert terms.capped(given_, 11_500) == euros(item(R.FULL_REFUND, 11_500), item(R.COUPON, 10))
    assert terms.capped(given_, 5) == euros(item(R.PARTIAL_REFUND, 5), item(R.COUPON, 10))


# side by side


def test_offers_stand_side_by_side():
    left = euros(item(R.PARTIAL_REFUND, 500), item(R.COUPON, 100))
    right = euros(item(R.REPLACEMENT, order_line=2), item(R.PARTIAL_REFUND, 300))
    rows = terms.difference(left, right)
    assert [(row.left, row.right, row.more_minor) for row in rows] == [
        (left.items[0], right.items[1], -200),
        (left.items[1], None, -100),
        (None, right.items[0], 0),
    ]


@given(SOME_TERMS, SOME_TERMS)
def test_no_item_is_lost_side_by_side(left: Terms, right: Terms):
    rows = terms.difference(left, right)
    assert tuple(row.left for row in rows if row.left) == left.items
    rights = [row.right for row in rows if row.right]
    assert sorted(map(repr, rights)) == sorted(map(repr, right.items))
    assert all(row.more_minor == 0 for row in terms.difference(left, left))


def test_offers_in_two_currencies_do_not_compare():
    with pytest.raises(ValueError, match="do not compare"):
        terms.difference(euros(), Terms("USD", ()))
