"""A carrier's sheet of scans, brought into the shipments of a marketplace."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from odr import scanning, shipments
from odr.errors import Invalid, NotFound
from odr.models.trade import Shipment, ShipmentEvent
from odr.policy import Viewer
from odr.scansheet import Wrong
from odr.shipments import Parcel
from tests.odr import world

HEAD = "tracking_number,at,code,carrier,place,description\n"


async def sent(text: str) -> AsyncIterator[bytes]:
    yield text.encode()


class Port:
    """A marketplace with an order of two shipments, T1 and T2, and two of one number, T3."""

    def __init__(self, desk, people, order) -> None:
        self.desk, self.people, self.order = desk, people, order
        self.ids: dict[tuple[str, str], object] = {}

    async def ship(self, carrier: str, number: str) -> None:
        async with self.desk.work(self.people.marketplace, self.order) as work:
            self.ids[carrier, number] = await shipments.register_shipment(
                work,
                self.order,
                Parcel(carrier=carrier, service="", tracking_number=number),
            )

    def at(self, hours: int) -> str:
        return (self.people.at - timedelta(hours=hours)).isoformat()

    async def take(self, text: str, actor: Viewer | None = None) -> scanning.Taken:
        return await scanning.take(self.desk, actor or self.people.marketplace, sent(text))

    async def count(self) -> int:
        async with self.desk.engine.connect() as conn:
            return await conn.scalar(select(func.count()).select_from(ShipmentEvent))

    async def row(self, carrier: str, number: str):
        columns = Shipment.__table__.c
        statement = select(*columns).where(columns.id == self.ids[carrier, number])
        async with self.desk.engine.connect() as conn:
            return (await conn.execute(statement)).one()


@pytest.fixture
async def port(engine, tmp_path):
    people = await world.make(engine)
    order = await world.order(engine, people, delivered=False)
    made = Port(world.office(engine, tmp_path), people, order)
    for carrier, number in (("DHL", "T1"), ("DHL", "T2"), ("DHL", "T3"), ("UPS", "T3")):
        await made.ship(carrier, number)
    return made


async def test_a_sheet_is_taken_and_once_more_changes_nothing(port):
    sheet = HEAD + "".join(
        f"T{n},{port.at(hours)},{code},,Berlin,\n"
        for n in (1, 2)
        for hours, code in ((30, "accepted"), (5, "delivered"))
    )
    first = await port.take(sheet)
    assert (first.lines, first.new, first.wrong) == (4, 4, [])
    row = await port.row("DHL", "T2")
    assert row.delivered_at == port.people.at - timedelta(hours=5)
    again = await port.take(sheet)
    assert (again.lines, again.new, again.wrong) == (4, 0, [])
    assert await port.count() == 4


async def test_lines_that_cannot_be_taken_are_told_and_the_others_taken(port):
    ahead = (port.people.at + timedelta(days=2)).isoformat()
    sheet = HEAD + (
        f"T9,{port.at(5)},delivered,,,\n"
        f"T1,{port.at(5)},handed_over,,,\n"
        f"T1,{ahead},delivered,,,\n"
        f"T3,{port.at(5)},delivered,,,\n"
        f"T3,{port.at(5)},delivered,ups,,\n"
        f"T1,yesterday,delivered,,,\n"
        f"T1,{port.at(5)},delivered,UPS,,\n"
        f"T2,{port.at(9)},departed,DHL,,\n"
    )
    taken = await port.take(sheet)
    assert taken.wrong == [
        Wrong(2, "tracking_number", "not_found"),
        Wrong(3, "code", "unknown_value"),
        Wrong(4, "at", "in_the_future"),
        Wrong(5, "carrier", "ambiguous"),
        Wrong(7, "at", "malformed"),
        Wrong(8, "tracking_number", "not_found"),
    ]
    assert (taken.lines, taken.new) == (8, 2)


async def test_a_scan_told_otherwise_is_not_taken_and_those_beside_it_are(port):
    await port.take(HEAD + f"T1,{port.at(5)},departed,,Berlin,\n")
    taken = await port.take(
        HEAD
        + f"T1,{port.at(5)},departed,,Hamburg,\n"
        + f"T1,{port.at(4)},arrived,,Berlin,\n"
        + f"T1,{port.at(4)},arrived,,Bonn,\n"
    )
    assert taken.new == 1
    assert taken.wrong == [Wrong(2, "", "conflict"), Wrong(4, "", "conflict")]


async def test_a_long_sheet_is_taken_in_batches(port):
    lines = scanning.BATCH + 20
    sheet = HEAD + "".join(f"T1,{port.at(n + 1)},departed,,,\n" for n in range(lines))
    taken = await port.take(sheet)
    assert (taken.lines, taken.new) == (lines, lines)


async def test_what_came_before_the_end_of_reading_stays(port):
    lines = "".join(f"T1,{port.at(n + 1)},departed,,,\n" for n in range(scanning.BATCH))
    with pytest.raises(Invalid, match="too_long"):
        await port.take(HEAD + lines + "x" * 9000)
    assert await port.count() == scanning.BATCH


async def test_only_so_many_wrong_lines_are_told_and_all_are_counted(port):
    taken = await port.take(HEAD + "x\n" * (scanning.WRONG_MAX + 7))
    assert (len(taken.wrong), taken.wrong_count) == (scanning.WRONG_MAX, scanning.WRONG_MAX + 7)


async def test_somebody_else_s_shipments_are_not_there(port):
    taken = await port.take(HEAD + f"T1,{port.at(5)},delivered,,,\n", port.people.seller)
    assert taken.wrong == [Wrong(2, "tracking_number", "not_found")]


async def test_a_token_needs_to_be_let_register(port):
    reader = Viewer(
        port.people.marketplace.account_id,
        port.people.marketplace.organisation_ids,
        scopes=frozenset({"read"}),
    )
    with pytest.raises(NotFound):
        await port.take(HEAD, reader)
