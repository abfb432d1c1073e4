from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from odr import ids, orders, shipments
from odr.errors import Conflict, Invalid, NotFound, TooMuch
from odr.models.states import Direction
from odr.models.trade import Shipment, ShipmentEvent
from odr.shipments import Parcel, Reported, Scan
from tests.odr import world

PARCEL = Parcel(carrier="Hermes", service="standard", tracking_number="H-0001")


class Port:
    """A marketplace with an order, whose shipments it tells of."""

    def __init__(self, desk, people, order) -> None:
        self.desk, self.people, self.order = desk, people, order

    async def do(self, function, *given: Any, actor=None):
        async with self.desk.work(actor or self.people.marketplace, self.order) as work:
            return await function(work, *given)

    async def ship(self, parcel=PARCEL, **named: Any):
        return await self.do(shipments.register_shipment, self.order, parcel, **named)

    async def tell(self, shipment, *events: Any, **named: Any):
        return await self.do(shipments.register_shipment_events, shipment, events, **named)

    async def row(self, shipment):
        columns = Shipment.__table__.c
        async with self.desk.engine.connect() as conn:
            return (await conn.execute(select(*columns).where(columns.id == shipment))).one()

    async def count(self, kind):
        async with self.desk.engine.connect() as conn:
            return await conn.scalar(select(func.count()).select_from(kind))

    def scan(self, code, hours, **said: Any):
        """A scan so many hours ago."""
        return Reported(at=self.people.at - timedelta(hours=hours), code=code, **said)


@pytest.fixture
async def port(engine, tmp_path):
    people = await world.make(engine)
    desk = world.office(engine, tmp_path)
    return Port(desk, people, await world.order(engine, people, delivered=False))


async def test_a_shipment_is_known_by_its_carrier_and_number(port):
    first = await port.ship()
    assert await port.ship() == first
    other = await port.ship(replace(PARCEL, carrier="Zeus"))
    assert other != first
    assert ids.month(first) == ids.month(port.order)
    row = await port.row(first)
    assert (row.direction, row.shipped_at, row.delivered_at) == ("outbound", None, None)


async def test_a_shipment_told_otherwise_is_a_conflict(port):
    first = await port.ship()
    for other in ({"service": "express"}, {"direction": Direction.RETURN}):
        with pytest.raises(Conflict) as conflict:
            await port.ship(replace(PARCEL, **other))
        assert conflict.value.existing == first


async def test_a_shipment_that_cannot_be_is_refused(port):
    for wrong, code in (
        ({"carrier": ""}, "missing"),
        ({"carrier": "x" * 61}, "too_long"),
        ({"tracking_number": " H-1"}, "malformed"),
        ({"tracking_number": ""}, "missing"),
    ):
        with pytest.raises(Invalid) as refused:
            await port.ship(replace(PARCEL, **wrong))
        assert (refused.value.path, refused.value.code) == (tuple(wrong), code)


async def test_a_parcel_is_shipped_at_the_first_scan_and_not_when_it_was_announced(port):
    parcel = await port.ship()
    await port.tell(parcel, port.scan(Scan.ANNOUNCED, 90))
    assert (await port.row(parcel)).shipped_at is None
    scans = [port.scan(Scan.ARRIVED, 50), port.scan(Scan.ACCEPTED, 70)]
    assert await port.tell(parcel, *scans) == 2
    row = await port.row(parcel)
    assert (row.shipped_at, row.delivered_at) == (scans[1].at, None)
    delivered = [port.scan(Scan.DELIVERED, 9), port.scan(Scan.DELIVERED, 10)]
    await port.tell(parcel, *delivered)
    assert (await port.row(parcel)).delivered_at == delivered[1].at


async def test_scans_of_a_parcel_reach_the_purchase_on_which_windows_depend(port):
    parcel = await port.ship(replace(PARCEL, tracking_number="H-2"))
    delivered = port.scan(Scan.DELIVERED, 5)
    await port.tell(parcel, delivered)
    async with port.desk.engine.connect() as conn:
        bought = await orders.bought(conn, port.order)
    assert bought.purchase.delivered_at == delivered.at


async def test_scans_told_again_change_nothing_and_new_ones_are_counted(port):
    parcel = await port.ship()
    first = [port.scan(Scan.ACCEPTED, 70, place="Leipzig"), port.scan(Scan.DEPARTED, 60)]
    assert await port.tell(parcel, *first) == 2
    assert await port.tell(parcel, *first) == 0
    assert await port.tell(parcel, *first, port.scan(Scan.ARRIVED, 50)) == 1
    assert await port.count(ShipmentEvent) == 3
    assert await port.tell(parcel) == 0


async def test_a_scan_told_otherwise_is_a_conflict_and_nothing_of_the_batch_is_kept(port):
    parcel = await port.ship()
    await port.tell(parcel, port.scan(Scan.ACCEPTED, 70, place="Leipzig"))
    with pytest.raises(Conflict):
        await port.tell(
            parcel, port.scan(Scan.ARRIVED, 50), port.scan(Scan.ACCEPTED, 70, place="Halle")
        )
    assert await port.count(ShipmentEvent) == 1


async def test_scans_that_cannot_be_are_refused(port):
    parcel = await port.ship()
    good = port.scan(Scan.ACCEPTED, 70)
    for wrong, path, code in (
        (replace(good, at=datetime(2126, 1, 1, tzinfo=UTC)), "at", "in_the_future"),
        (replace(good, place="x" * 201), "place", "too_long"),
        (replace(good, description="a\x00"), "description", "malformed"),
    ):
        with pytest.raises(Invalid) as refused:
            await port.tell(parcel, port.scan(Scan.DEPARTED, 60), wrong)
        assert (refused.value.path, refused.value.code) == (("events", 1, path), code)
    with pytest.raises(Invalid) as refused:
        await port.tell(parcel, good, replace(good, place="Halle"))
    assert refused.value.code == "listed_twice"
    with pytest.raises(TooMuch):
        await port.tell(parcel, *[good] * 1001)
    assert await port.count(ShipmentEvent) == 0


async def test_who_does_not_act_for_the_marketplace_is_told_nothing(port):
    parcel = await port.ship()
    reading = replace(port.people.marketplace, scopes=frozenset({"read"}))
    for actor in (port.people.seller, port.people.buyer, port.people.operator, reading):
        with pytest.raises(NotFound):
            await port.ship(actor=actor)
        with pytest.raises(NotFound):
            await port.tell(parcel, port.scan(Scan.ACCEPTED, 70), actor=actor)
    with pytest.raises(NotFound):
        await port.tell(ids.child(parcel), port.scan(Scan.ACCEPTED, 70))


def test_every_scan_has_a_sentence():
    assert all(code.meaning.endswith(".") for code in Scan)
