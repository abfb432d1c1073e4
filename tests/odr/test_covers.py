from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text

from odr import covers, ids, journal, ledger, registration
from odr.covers import Insured
from odr.errors import Conflict, Invalid, NotFound
from odr.models.trade import OrderCover
from odr.words import Peril
from tests.odr import world


class Market:
    """A marketplace, its insurer, and what falls under which cover."""

    def __init__(self, desk, people) -> None:
        self.desk, self.people = desk, people

    async def cover(self, cover, *, actor=None):
        result = ids.new(self.people.at)
        async with self.desk.work(actor or self.people.marketplace, result) as work:
            return await covers.register_cover(work, cover)

    async def covered(self, cover_id):
        columns = OrderCover.__table__.c
        async with self.desk.engine.connect() as conn:
            found = select(columns.order_id).where(columns.cover_id == cover_id)
            return set((await conn.execute(found)).scalars())

    async def fund(self, currency="EUR"):
        async with self.desk.engine.connect() as conn:
            fund = journal.loss_fund(self.people.insurer_id, currency)
            assert await ledger.findings(conn) == []
            return (await ledger.balance(conn, fund)).available

    async def order(self, **chosen: Any):
        return await world.order(self.desk.engine, self.people, covered=False, **chosen)


@pytest.fixture
async def market(engine, tmp_path):
    return Market(world.office(engine, tmp_path), await world.make(engine))


@pytest.fixture
def cover(market):
    return Insured(
        insurer_id=market.people.insurer_id,
        insured_id=market.people.seller_id,
        reference="POL-1",
        perils=[Peril.LOSS, Peril.DAMAGE],
        currency="EUR",
        claim_limit_minor=50_000,
        aggregate_limit_minor=500_000,
        deductible_minor=500,
        starts=date(2020, 1, 1),
        ends=date(2099, 12, 31),
        deposit_minor=7_000,
    )


async def test_a_cover_is_registered_once_and_its_deposit_booked_once(market, cover):
    before = await market.fund()
    first = await market.cover(cover)
    assert await market.cover(cover) == first
    assert await market.cover(replace(cover, perils=[Peril.DAMAGE, Peril.LOSS])) == first
    assert await market.fund() == before + 7_000


async def test_a_cover_told_otherwise_is_a_conflict(market, cover):
    await market.cover(cover)
    before = await market.fund()
    for other in (
        {"claim_limit_minor": 60_000},
        {"perils": [Peril.LOSS]},
        {"ends": date(2098, 1, 1)},
        {"insured_id": market.people.marketplace_id},
        {"deposit_minor": 8_000},
        {"deposit_minor": 0},
    ):
        with pytest.raises(Conflict):
            await market.cover(replace(cover, **other))
    assert await market.fund() == before


async def test_a_cover_is_matched_to_the_orders_that_were_registered_before(market, cover):
    order = await market.order()
    assert await market.covered(await market.cover(cover)) == {order}
    other = replace(cover, reference="POL-2", currency="USD")
    assert await market.covered(await market.cover(other)) == set()
    whole = replace(cover, reference="POL-3", insured_id=market.people.marketplace_id)
    assert await market.covered(await market.cover(whole)) == {order}


async def test_the_day_an_order_was_placed_must_lie_in_the_period(market, cover):
    order = await market.order(placed_days_ago=10)
    async with market.desk.engine.connect() as conn:
        placed = (
            await conn.execute(
                text("SELECT placed_at FROM orders WHERE id = :id").bindparams(id=order)
            )
        ).scalar_one()
    day, one = placed.date(), timedelta(days=1)
    periods = {
        (day, day): {order},
        (day - one, day): {order},
        (day, day + one): {order},
        (day - one, day - one): set(),
        (day + one, day + one): set(),
    }
    for number, ((starts, ends), covered) in enumerate(periods.items()):
        told = replace(cover, reference=f"P-{number}", starts=starts, ends=ends)
        assert await market.covered(await market.cover(told)) == covered, (starts, ends)


async def test_an_order_in_dispute_does_not_fall_under_a_later_cover(market, cover):
    order = await market.order()
    await world.file(market.desk, market.people, order)
    assert await market.covered(await market.cover(cover)) == set()


async def test_a_cover_that_cannot_be_is_refused(market, cover):
    for wrong, code in (
        ({"reference": ""}, "missing"),
        ({"perils": []}, "missing"),
        ({"perils": [Peril.LOSS, Peril.LOSS]}, "listed_twice"),
        ({"currency": "XXX"}, "unknown_currency"),
        ({"claim_limit_minor": 0}, "too_small"),
        ({"claim_limit_minor": 1.5}, "fractional"),
        ({"aggregate_limit_minor": 49_999}, "too_small"),
        ({"deductible_minor": -1}, "negative"),
        ({"deposit_minor": -1}, "negative"),
        ({"ends": date(2019, 12, 31)}, "before_starts"),
    ):
        with pytest.raises(Invalid) as refused:
            await market.cover(replace(cover, **wrong))
        assert (refused.value.path, refused.value.code) == (tuple(wrong), code)


async def test_an_insurer_tells_of_its_own_covers_and_of_nobody_elses(market, cover, engine):
    insurer = market.people.insurer
    assert await market.cover(cover, actor=insurer)
    other = await world.make(engine)
    with pytest.raises(NotFound):
        await market.cover(replace(cover, insurer_id=other.insurer_id), actor=insurer)
    with pytest.raises(Invalid):
        await market.cover(
            replace(cover, reference="POL-2", insured_id=market.people.operator_id), actor=insurer
        )


async def test_who_is_neither_insurer_nor_marketplace_is_told_nothing(market, cover, engine):
    reading = replace(market.people.marketplace, scopes=frozenset({"read"}))
    other = await world.make(engine)
    for actor in (market.people.seller, market.people.buyer, market.people.operator, reading):
        with pytest.raises(NotFound):
            await market.cover(cover, actor=actor)
    with pytest.raises(NotFound):
        await market.cover(replace(cover, insured_id=other.marketplace_id))
    with pytest.raises(NotFound):
        await market.cover(replace(cover, insurer_id=market.people.seller_id))


async def test_an_insurer_s_cover_of_another_waits_until_the_insured_agrees(market, cover):
    """It would seat itself in strangers' cases otherwise, and read their exhibits."""
    people = market.people
    early = await market.order()
    waiting = await market.cover(cover, actor=people.insurer)
    assert await market.covered(waiting) == set()

    async def confirm(actor):
        async with market.desk.work(actor, ids.new(people.at)) as work:
            await covers.confirm_cover(work, waiting)

    for other in (people.insurer, people.stranger, people.buyer, people.operator):
        with pytest.raises(NotFound):
            await confirm(other)
    # Nor does an order that is registered meanwhile fall under it.
    async with market.desk.work(people.marketplace, ids.new(people.at)) as work:
        await work.conn.execute(registration._MATCH_ORDER, {"order": early})
    assert await market.covered(waiting) == set()
    await confirm(people.seller)
    assert await market.covered(waiting) == {early}
    await confirm(people.seller)
    assert await market.covered(waiting) == {early}


async def test_the_marketplace_agrees_for_a_seller_that_it_admitted(market, cover, admin):
    people = market.people
    order = await market.order()
    waiting = await market.cover(cover, actor=people.insurer)
    own = "UPDATE organisations SET marketplace_id = $1, reference = 'S-1' WHERE id = $2"
    await admin.execute(own, people.marketplace_id, people.seller_id)
    async with market.desk.work(people.marketplace, ids.new(people.at)) as work:
        await covers.confirm_cover(work, waiting)
    assert await market.covered(waiting) == {order}
