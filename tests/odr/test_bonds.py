from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, select

from odr import bonds, ids, ledger, registration
from odr.bonds import Secured
from odr.errors import Conflict, Invalid, NotFound
from odr.ledger import Account, Kind
from odr.models.trade import Bond
from odr.people import Person
from tests.odr import world


class Market:
    """A marketplace with a seller that it let in itself."""

    def __init__(self, desk, people) -> None:
        self.desk, self.people = desk, people

    async def do(self, function, *given: Any, actor=None, **named: Any):
        result = ids.new(self.people.at)
        async with self.desk.work(actor or self.people.marketplace, result) as work:
            return await function(work, *given, **named)

    async def secure(self, bond, **named: Any):
        return await self.do(bonds.register_bond, self.people.marketplace_id, bond, **named)

    async def available(self, seller, currency):
        async with self.desk.engine.connect() as conn:
            held = await ledger.balance(conn, Account(Kind.BOND, seller, currency))
            assert await ledger.findings(conn) == []
            return held.available


@pytest.fixture
async def market(engine, tmp_path):
    return Market(world.office(engine, tmp_path), await world.make(engine))


@pytest.fixture
async def bond(market):
    seller = await market.do(
        registration.register_seller,
        market.people.marketplace_id,
        reference="S-1",
        name="Shop",
        country="CN",
        members=[Person(email="bob@example.org", name="Bob")],
    )
    return Secured(seller_id=seller, currency="JPY", floor_minor=50_000, deposit_minor=80_000)


async def test_a_bond_is_registered_once_and_its_deposit_booked_once(market, bond):
    first = await market.secure(bond)
    assert await market.secure(bond) == first
    assert await market.available(bond.seller_id, "JPY") == 80_000


async def test_a_bond_told_otherwise_is_a_conflict(market, bond):
    first = await market.secure(bond)
    with pytest.raises(Conflict) as conflict:
        await market.secure(replace(bond, floor_minor=1))
    assert conflict.value.existing == first
    for deposit in (0, 80_001, 1):
        with pytest.raises(Conflict):
            await market.secure(replace(bond, deposit_minor=deposit))
    assert await market.available(bond.seller_id, "JPY") == 80_000


async def test_a_bond_without_a_deposit_does_not_get_one_by_being_told_again(market, bond):
    empty = replace(bond, deposit_minor=0)
    first = await market.secure(empty)
    assert await market.secure(empty) == first
    with pytest.raises(Conflict):
        await market.secure(bond)


async def test_a_bond_in_each_currency(market, bond):
    assert await market.secure(bond) != await market.secure(replace(bond, currency="EUR"))


async def test_more_is_paid_in_once_for_each_reference(market, bond):
    bond_id = await market.secure(bond)

    async def pay(reference, amount, **named: Any):
        await market.do(
            bonds.deposit_into_bond, bond_id, reference=reference, amount_minor=amount, **named
        )

    await pay("D-1", 500)
    await pay("D-1", 500)
    await pay("D-2", 500)
    assert await market.available(bond.seller_id, "JPY") == 81_000
    with pytest.raises(Conflict):
        await pay("D-1", 501)
    with pytest.raises(Invalid):
        await pay("D-3", 0)
    with pytest.raises(NotFound):
        await pay("D-4", 500, actor=market.people.seller)
    assert await market.available(bond.seller_id, "JPY") == 81_000


async def test_a_bond_that_cannot_be_is_refused(market, bond):
    for wrong, code in (
        ({"currency": "XXX"}, "unknown_currency"),
        ({"floor_minor": -1}, "negative"),
        ({"floor_minor": 1.5}, "fractional"),
        ({"deposit_minor": -1}, "negative"),
        ({"seller_id": market.people.insurer_id}, "unknown"),
    ):
        with pytest.raises(Invalid) as refused:
            await market.secure(replace(bond, **wrong))
        assert (refused.value.path, refused.value.code) == (tuple(wrong), code)


async def test_who_does_not_act_for_the_marketplace_is_told_nothing(market, bond):
    reading = replace(market.people.marketplace, scopes=frozenset({"read"}))
    for actor in (market.people.seller, market.people.operator, reading):
        with pytest.raises(NotFound):
            await market.secure(bond, actor=actor)
    async with market.desk.engine.connect() as conn:
        before = await conn.scalar(select(func.count()).select_from(Bond))
    assert before == 1  # the world's own
