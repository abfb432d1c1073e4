import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
import rfc8785
from sqlalchemy import func, select, text

from odr import ids, ledger, orders, people, policy, registration
from odr.errors import Conflict, Invalid, NotFound, TooMuch
from odr.journal import Trade
from odr.ledger import Kind
from odr.models.people import Account, Membership
from odr.models.trade import Order, OrderCover, OrderLine, Payment
from odr.people import Person
from odr.registration import Goods, Paid, Registered
from odr.work import Key
from tests.odr import world

ANN = Person(email="ann@example.org", name="Ann Lee", language="en", zone="Europe/Berlin")
BOB = Person(email="bob@example.org", name="Bob", language="zh", zone="Asia/Shanghai")


class Market:
    """A marketplace that registers, with what it registers."""

    def __init__(self, desk, people) -> None:
        self.desk, self.people = desk, people
        self.actor, self.id = people.marketplace, people.marketplace_id

    async def do(self, function, *given: Any, actor=None, **named: Any):
        async with self.desk.work(actor or self.actor, ids.new(self.people.at)) as work:
            return await function(work, *given, **named)

    async def order(self, order, **named: Any):
        return await self.do(registration.register_order, self.id, order, **named)

    async def pay(self, order_id, paid, **named: Any):
        return await self.do(registration.register_payment, order_id, paid, **named)

    async def sell(self, **chosen: Any):
        given = {"reference": "S-1", "name": "Shop", "country": "CN", "members": [BOB]} | chosen
        return await self.do(registration.register_seller, self.id, **given)

    async def count(self, kind):
        async with self.desk.engine.connect() as conn:
            return await conn.scalar(select(func.count()).select_from(kind))

    async def row(self, kind, key):
        columns = kind.__table__.c
        async with self.desk.engine.connect() as conn:
            return (await conn.execute(select(*columns).where(columns.id == key))).one()


@pytest.fixture
async def market(engine, tmp_path):
    return Market(world.office(engine, tmp_path), await world.make(engine))


@pytest.fixture
def order(market):
    """An order of two at 59.90 and one at 8.70 with 3.90 freight: 132.40."""
    return Registered(
        reference="O-1",
        buyer=market.people.buyer.account_id,
        seller_id=market.people.seller_id,
        currency="EUR",
        lines=[
            Goods(title="A pair of speakers", sku="SPK-2", quantity=2, unit_minor=5_990),
            Goods(title="A cable", quantity=1, unit_minor=870),
        ],
        freight_minor=390,
        total_minor=13_240,
        category="electronics",
        language="en",
        country="DE",
        zone="Europe/Berlin",
        placed_at=market.people.at - timedelta(days=3),
        promised_at=market.people.at + timedelta(days=3),
        policy={"returnDays": 30, "warrantyDays": 730, "listing": "Two speakers, new."},
    )


@pytest.fixture
def paid(market):
    return Paid(
        reference="P-1",
        method="card",
        amount_minor=13_240,
        currency="EUR",
        paid_at=market.people.at - timedelta(days=2),
    )


async def refused(doing, path):
    """What an input is refused for, at this path."""
    with pytest.raises(Invalid) as caught:
        await doing
    assert caught.value.path == path
    return caught.value.code


# people and sellers


async def test_a_person_is_registered_once_by_their_address(market):
    first = await market.do(registration.register_person, ANN)
    again = replace(ANN, email="ANN@Example.org", name="Somebody else", language="zh")
    assert await market.do(registration.register_person, again) == first
    account = await market.row(Account, first)
    assert (account.email, account.name, account.language) == ("ann@example.org", "Ann Lee", "en")


async def test_two_who_register_one_person_at_once_get_one_account(market):
    found = await asyncio.gather(*(market.do(registration.register_person, ANN) for _ in range(6)))
    assert len(set(found)) == 1


WRONG_PEOPLE = [
    ({"email": "ann"}, "malformed"),
    ({"name": " "}, "missing"),
    ({"name": "x" * 201}, "too_long"),
    ({"language": "xx"}, "unknown_language"),
    ({"zone": "Mars/Olympus"}, "unknown_zone"),
]


async def test_a_person_who_cannot_be_is_refused(market):
    for wrong, code in WRONG_PEOPLE:
        doing = market.do(registration.register_person, replace(ANN, **wrong))
        assert await refused(doing, tuple(wrong)) == code, wrong


async def test_a_seller_is_let_in_once_with_its_people(market):
    seller = await market.sell()
    assert await market.sell() == seller
    async with market.desk.engine.connect() as conn:
        account = await people.account_by_email(conn, BOB.email)
        viewer = await people.viewer_of(conn, account)
    assert (viewer.organisation_ids, viewer.operator) == ((seller,), False)
    assert (viewer.language, viewer.zone) == ("zh", "Asia/Shanghai")


@pytest.mark.parametrize("other", [{"name": "Other"}, {"country": "DE"}, {"members": [ANN]}])
async def test_a_sellers_reference_with_other_content_is_a_conflict(market, other):
    seller = await market.sell()
    members = await market.count(Membership)
    with pytest.raises(Conflict) as conflict:
        await market.sell(**other)
    assert conflict.value.existing == seller
    assert await market.count(Membership) == members


async def test_a_seller_without_people_or_with_too_many_is_refused(market):
    assert await refused(market.sell(members=[]), ("members",)) == "number"
    assert await refused(market.sell(members=[BOB] * 51), ("members",)) == "number"
    wrong = [BOB, replace(ANN, email="x")]
    assert (
        await refused(
            market.sell(members=wrong),
            (
                "members",
                1,
                "email",
            ),
        )
        == "malformed"
    )


# who may


async def test_who_does_not_act_for_the_marketplace_is_told_nothing(market, order, paid):
    order_id = await market.order(order)
    for name in ("stranger", "buyer", "seller", "insurer", "operator"):
        actor = getattr(market.people, name)
        with pytest.raises(NotFound):
            await market.do(registration.register_person, ANN, actor=actor)
        with pytest.raises(NotFound):
            await market.order(order, actor=actor)
        with pytest.raises(NotFound):
            await market.pay(order_id, paid, actor=actor)
    with pytest.raises(NotFound):
        await market.pay(ids.child(order_id), paid)


async def test_a_token_without_the_scope_registers_nothing(market, order, paid):
    order_id = await market.order(order)
    reading = replace(market.actor, scopes=frozenset({"read", "act"}))
    for doing in (
        market.do(registration.register_person, ANN, actor=reading),
        market.order(order, actor=reading),
        market.pay(order_id, paid, actor=reading),
    ):
        with pytest.raises(NotFound):
            await doing
    registering = replace(market.actor, scopes=frozenset({"register"}))
    assert await market.order(order, actor=registering) == order_id


async def test_one_who_acts_for_a_seller_does_not_register_as_if_it_were_a_marketplace(
    market, order
):
    with pytest.raises(NotFound):
        await market.do(
            registration.register_order,
            market.people.seller_id,
            order,
            actor=market.people.seller,
        )


async def test_a_seller_of_another_marketplace_is_unknown(market, order, engine):
    other = Market(market.desk, await world.make(engine))
    seller = await other.sell()
    doing = market.order(replace(order, seller_id=seller))
    assert await refused(doing, ("seller_id",)) == "unknown"
    mine = await market.sell(reference="S-2")
    assert await market.order(replace(order, seller_id=mine))


# orders


async def test_an_order_is_kept_with_its_lines_total_and_month(market, order):
    order_id = await market.order(order)
    kept = await market.row(Order, order_id)
    assert (kept.total_minor, kept.freight_minor, kept.currency) == (13_240, 390, "EUR")
    assert kept.marketplace_id == market.id
    assert kept.paid_at is None
    assert ids.month(order_id) == (market.people.at.year, market.people.at.month)
    columns = OrderLine.__table__.c
    async with market.desk.engine.connect() as conn:
        rows = await conn.execute(
            select(columns.number, columns.sku, columns.total_minor, columns.id).order_by(
                columns.number
            )
        )
        lines = rows.all()
        bought = await orders.bought(conn, order_id)
    assert [line[:3] for line in lines] == [(1, "SPK-2", 11_980), (2, "", 870)]
    assert {ids.month(line.id) for line in lines} == {ids.month(order_id)}
    assert bought.facts.value_minor == 13_240
    assert bought.purchase.return_days == 30


async def test_what_was_shown_at_purchase_is_pinned_by_its_hash(market, order):
    order = replace(order, policy={"listing": "Zwei Lautsprecher, neu €", "returnDays": 14})
    kept = await market.row(Order, await market.order(order))
    assert kept.policy == order.policy
    assert bytes(kept.policy_digest) == sha256(rfc8785.dumps(order.policy)).digest()


async def test_the_accounts_of_an_order_are_open_before_it_is_paid(market, order):
    order_id = await market.order(order)
    trade = Trade(order_id, order.seller_id, "EUR")
    async with market.desk.engine.connect() as conn:
        open_ = await ledger.balances(conn, trade.accounts())
    assert set(open_) == set(trade.accounts())


async def test_an_order_told_again_is_the_same_order(market, order):
    first = await market.order(order)
    assert await market.order(order) == first
    assert await market.order(replace(order, total_minor=None)) == first
    assert (await market.count(Order), await market.count(OrderLine)) == (1, 2)


OTHER_ORDERS = [
    {"category": "toys"},
    {"freight_minor": 391, "total_minor": None},
    {"promised_at": None},
    {"policy": {"returnDays": 31}},
    {"country": "AT"},
    {"lines": [Goods(title="A chair", quantity=1, unit_minor=12_850)]},
    {
        "lines": [
            Goods(title="A pair of speakers", sku="SPK-3", quantity=2, unit_minor=5_990),
            Goods(title="A cable", quantity=1, unit_minor=870),
        ]
    },
]


async def test_an_orders_reference_with_other_content_is_a_conflict(market, order):
    first = await market.order(order)
    for other in OTHER_ORDERS:
        with pytest.raises(Conflict) as conflict:
            await market.order(replace(order, **other))
        assert conflict.value.existing == first, other
    assert await market.count(OrderLine) == 2


async def test_two_who_register_one_order_at_once_make_one(market, order):
    found = await asyncio.gather(*(market.order(order) for _ in range(6)))
    assert len(set(found)) == 1
    assert await market.count(OrderLine) == 2


async def test_two_marketplaces_may_use_one_reference(market, order, engine):
    other = Market(market.desk, await world.make(engine))
    assert await other.order(order) != await market.order(order)


async def test_a_buyer_may_be_named_by_address(market, order):
    account = await market.do(registration.register_person, ANN)
    order_id = await market.order(replace(order, buyer="Ann@Example.org"))
    assert (await market.row(Order, order_id)).buyer_id == account


def one(**wrong: Any):
    return [replace(Goods(title="A cable", quantity=1, unit_minor=870), **wrong)]


AHEAD = datetime(2126, 1, 1, tzinfo=UTC)


WRONG_ORDERS = [
    ({"reference": ""}, ("reference",), "missing"),
    ({"reference": "x" * 101}, ("reference",), "too_long"),
    ({"buyer": "nobody@example.org"}, ("buyer",), "unknown"),
    ({"buyer": "nobody"}, ("buyer",), "malformed"),
    ({"buyer": policy.NOBODY}, ("buyer",), "unknown"),
    ({"seller_id": policy.NOBODY}, ("seller_id",), "unknown"),
    ({"currency": "XXX"}, ("currency",), "unknown_currency"),
    ({"lines": []}, ("lines",), "number"),
    ({"lines": one() * 101}, ("lines",), "number"),
    ({"lines": one(title="")}, ("lines", 0, "title"), "missing"),
    ({"lines": one(sku="a\tb")}, ("lines", 0, "sku"), "malformed"),
    ({"lines": one(quantity=0)}, ("lines", 0, "quantity"), "too_small"),
    ({"lines": one(quantity=1.5)}, ("lines", 0, "quantity"), "fractional"),
    ({"lines": one(unit_minor=-1)}, ("lines", 0, "unit_minor"), "negative"),
    ({"lines": one(unit_minor=8.7)}, ("lines", 0, "unit_minor"), "fractional"),
    ({"lines": one(quantity=2, unit_minor=2**53 - 1)}, ("lines", 0, "unit_minor"), "too_large"),
    ({"lines": one(unit_minor=2**53 - 1)}, ("total_minor",), "too_large"),
    ({"lines": one(unit_minor=0), "freight_minor": 0}, ("total_minor",), "too_small"),
    ({"freight_minor": -1}, ("freight_minor",), "negative"),
    ({"total_minor": 13_241}, ("total_minor",), "disagrees"),
    ({"total_minor": -13_240}, ("total_minor",), "negative"),
    ({"total_minor": 132.4}, ("total_minor",), "fractional"),
    ({"category": "x" * 61}, ("category",), "too_long"),
    ({"language": "xx"}, ("language",), "unknown_language"),
    ({"country": "XX"}, ("country",), "unknown_country"),
    ({"zone": "Mars/Olympus"}, ("zone",), "unknown_zone"),
    ({"placed_at": AHEAD}, ("placed_at",), "in_the_future"),
    ({"placed_at": datetime(2026, 1, 1)}, ("placed_at",), "no_zone"),  # noqa: DTZ001 - the point
    ({"promised_at": datetime(2020, 1, 1, tzinfo=UTC)}, ("promised_at",), "before_placed"),
    ({"policy": {"returnDays": -1}}, ("policy", "returnDays"), "negative"),
    ({"policy": {"returnDays": 14.5}}, ("policy", "returnDays"), "fractional"),
    ({"policy": {"warrantyDays": 40_000}}, ("policy", "warrantyDays"), "too_large"),
    ({"policy": {"listing": 5}}, ("policy", "listing"), "malformed"),
    ({"policy": {"weight": 1.5}}, ("policy",), "malformed"),
    ({"policy": {"note": "a\x00b"}}, ("policy",), "malformed"),
]


async def test_an_order_that_cannot_be_is_refused(market, order):
    for wrong, path, code in WRONG_ORDERS:
        told = replace(order, **({"total_minor": None} | wrong))
        assert await refused(market.order(told), path) == code, wrong
    assert await market.count(Order) == 0


async def test_a_policy_has_a_longest_length_and_may_speak_of_code_points(market, order):
    with pytest.raises(TooMuch):
        await market.order(replace(order, policy={"listing": "x" * 65_536}))
    spoken = {"listing": r"the escape \u0000, in words"}
    assert await market.order(replace(order, policy=spoken))


async def test_an_order_falls_under_the_covers_of_its_seller_and_its_marketplace(market, order):
    order_id = await market.order(order)
    columns = OrderCover.__table__.c
    async with market.desk.engine.connect() as conn:
        covered = await conn.execute(select(columns.order_id, columns.cover_id))
        assert covered.all() == [(order_id, market.people.cover_id)]
    await market.order(replace(order, reference="O-2", currency="JPY"))
    assert await market.count(OrderCover) == 1


# payments


async def test_a_payment_fills_escrow_entitlement_and_the_cap_on_compensation(market, order, paid):
    order_id = await market.order(order)
    await market.pay(order_id, paid)
    trade = Trade(order_id, order.seller_id, "EUR")
    async with market.desk.engine.connect() as conn:
        funds = await orders.funds(conn, trade)
        cap = await ledger.balance(conn, trade.of_order(Kind.COMPENSATION_CAP))
        assert await ledger.findings(conn) == []
    percent = market.desk.rulebooks.in_force(market.people.at).consequences.compensation_percent
    assert (funds.escrow, funds.entitlement) == (13_240, 13_240)
    assert cap.available == 13_240 * percent // 100
    assert (await market.row(Order, order_id)).paid_at == paid.paid_at


async def test_a_payment_told_again_is_booked_once(market, order, paid):
    order_id = await market.order(order)
    first = await market.pay(order_id, paid)
    found = await asyncio.gather(*(market.pay(order_id, paid) for _ in range(4)))
    assert set(found) == {first}
    async with market.desk.engine.connect() as conn:
        funds = await orders.funds(conn, Trade(order_id, order.seller_id, "EUR"))
    assert (funds.escrow, await market.count(Payment)) == (13_240, 1)


@pytest.mark.parametrize("other", [{"reference": "P-2"}, {"method": "wallet"}])
async def test_an_order_is_not_paid_twice_or_otherwise(market, order, paid, other):
    order_id = await market.order(order)
    await market.pay(order_id, paid)
    with pytest.raises(Conflict):
        await market.pay(order_id, replace(paid, **other))
    async with market.desk.engine.connect() as conn:
        funds = await orders.funds(conn, Trade(order_id, order.seller_id, "EUR"))
    assert (funds.escrow, await market.count(Payment)) == (13_240, 1)


WRONG_PAYMENTS = [
    ({"amount_minor": 13_239}, ("amount_minor",), "disagrees"),
    ({"amount_minor": 132.4}, ("amount_minor",), "fractional"),
    ({"amount_minor": -13_240}, ("amount_minor",), "negative"),
    ({"currency": "USD"}, ("currency",), "not_the_orders"),
    ({"currency": "XXX"}, ("currency",), "unknown_currency"),
    ({"reference": " "}, ("reference",), "malformed"),
    ({"method": "x" * 41}, ("method",), "too_long"),
    ({"paid_at": AHEAD}, ("paid_at",), "in_the_future"),
    ({"paid_at": datetime(2020, 1, 1, tzinfo=UTC)}, ("paid_at",), "before_placed"),
]


async def test_a_payment_that_cannot_be_is_refused(market, order, paid):
    order_id = await market.order(order)
    for wrong, path, code in WRONG_PAYMENTS:
        assert await refused(market.pay(order_id, replace(paid, **wrong)), path) == code, wrong
    assert await market.count(Payment) == 0


# with keys


async def test_another_key_for_the_same_order_leads_to_the_same_order(market, order):
    async def act(name):
        key = Key(name, "register_order", sha256(repr(order).encode()).digest())
        meant = ids.new(market.people.at)
        return await market.desk.act(
            market.actor,
            key,
            meant,
            lambda work: registration.register_order(work, market.id, order),
        )

    first = await act("a")
    assert await act("b") == first
    assert await act("a") == first
    assert await act("b") == first


async def test_what_is_refused_is_rolled_back_whole(market, order):
    wrong = replace(order, currency="EUR", lines=one(), total_minor=1)
    with pytest.raises(Invalid):
        await market.order(wrong)
    async with market.desk.engine.connect() as conn:
        opened = await conn.scalar(
            text("SELECT count(*) FROM ledger.accounts WHERE kind = 'escrow'")
        )
    assert opened == 0
