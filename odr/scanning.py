"""Scanning: carriers' scan sheets brought into the shipments that they are about.

A sheet is read while it comes and taken in batches, each in a transaction of its own: what a batch
has taken stays, whatever comes after. A line names its shipment by its tracking number, and by its
carrier where one number is known of two. Lines that cannot be taken are told, each with its
number; all others are. The same sheet once more changes nothing.
"""

from collections import defaultdict
from collections.abc import AsyncIterable, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from odr import bounds, policy, scansheet, shipments
from odr.errors import Conflict, Invalid
from odr.models.trade import Order, Shipment
from odr.policy import Viewer
from odr.scansheet import Line, Wrong
from odr.shipments import Reported, Scan
from odr.work import Office, Work

BATCH: Final = 500
WRONG_MAX: Final = 1000
"""How many lines are told of; of more, only how many they are."""

_KNOWN: Final = frozenset(code.value for code in Scan)


@dataclass(slots=True)
class Taken:
    """What came of a sheet: its lines, how many scans were new, and which lines were not taken."""

    lines: int = 0
    new: int = 0
    wrong: list[Wrong] = field(default_factory=list)
    wrong_count: int = 0

    def refuse(self, wrong: Wrong) -> None:
        """Note a line that is not taken."""
        self.wrong_count += 1
        if len(self.wrong) < WRONG_MAX:
            self.wrong.append(wrong)


async def take(office: Office, viewer: Viewer, pieces: AsyncIterable[bytes]) -> Taken:
    """Take a sheet for the marketplaces that the viewer acts for.

    ``NotFound`` without the scope ``register``; ``Invalid`` at a line from which on nothing can
    be read: what came before it was taken.
    """
    policy.require(viewer, "register")
    taken = Taken()
    batch: list[Line] = []
    async for line in scansheet.read(pieces):
        taken.lines += 1
        if isinstance(line, Wrong):
            taken.refuse(line)
            continue
        batch.append(line)
        if len(batch) == BATCH:
            await _batch(office, viewer, batch, taken)
            batch = []
    if batch:
        await _batch(office, viewer, batch, taken)
    taken.wrong.sort(key=lambda wrong: wrong.number)
    return taken


async def _batch(office: Office, viewer: Viewer, lines: Sequence[Line], taken: Taken) -> None:
    async with office.work(viewer, policy.NOBODY) as work:
        known = await _shipments(work, {line.tracking_number for line in lines})
        about: dict[UUID, list[Line]] = defaultdict(list)
        for line in lines:
            found = _found(known.get(line.tracking_number, []), line)
            why = _wrong(work, line, found)
            if why is None:
                about[found[0]].append(line)
            else:
                taken.refuse(why)
        # In one order, as everybody locks them who takes a sheet.
        for shipment in sorted(about):
            taken.new += await _told(work, shipment, about[shipment], taken)


async def _shipments(work: Work, numbers: set[str]) -> dict[str, list[tuple[str, UUID]]]:
    """The carriers and shipments of each number, among the viewer's marketplaces' orders."""
    statement = (
        select(col(Shipment.tracking_number), col(Shipment.carrier), col(Shipment.id))
        .join(Order, col(Order.id) == col(Shipment.order_id))
        .where(
            col(Shipment.tracking_number).in_(numbers),
            col(Order.marketplace_id).in_(work.actor.organisation_ids),
        )
    )
    found: dict[str, list[tuple[str, UUID]]] = defaultdict(list)
    for number, carrier, shipment in await work.conn.execute(statement):
        found[number].append((carrier, shipment))
    return found


def _found(known: Sequence[tuple[str, UUID]], line: Line) -> list[UUID]:
    by = line.carrier.casefold()
    return [shipment for carrier, shipment in known if not by or carrier.casefold() == by]


def _wrong(work: Work, line: Line, found: Sequence[UUID]) -> Wrong | None:
    """Why a line is not taken, as far as it shows before its shipment is asked."""
    if line.code not in _KNOWN:
        return Wrong(line.number, "code", "unknown_value")
    if not found:
        return Wrong(line.number, "tracking_number", "not_found")
    if len(found) > 1:
        return Wrong(line.number, "carrier", "ambiguous")
    try:
        bounds.past(line.at, ("at",), work.at)
    except Invalid as refused:
        return Wrong(line.number, "at", refused.code)
    return None


async def _told(work: Work, shipment: UUID, lines: Sequence[Line], taken: Taken) -> int:
    """Tell a shipment of its scans; those that contradict what is known are not taken."""
    scans: dict[tuple[object, str], Line] = {}
    for line in lines:
        first = scans.setdefault((line.at, line.code), line)
        if first is not line and (first.place, first.description) != (line.place, line.description):
            taken.refuse(Wrong(line.number, "", "conflict"))
    try:
        async with work.conn.begin_nested():
            return await shipments.register_shipment_events(
                work, shipment, [_reported(line) for line in scans.values()]
            )
    except Conflict:
        pass
    new = 0
    for line in scans.values():
        try:
            async with work.conn.begin_nested():
                new += await shipments.register_shipment_events(work, shipment, [_reported(line)])
        except Conflict:
            taken.refuse(Wrong(line.number, "", "conflict"))
    return new


def _reported(line: Line) -> Reported:
    return Reported(
        at=line.at, code=Scan(line.code), place=line.place, description=line.description
    )
