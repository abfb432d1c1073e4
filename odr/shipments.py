"""Shipments: parcels of an order, and what their carriers report of them.

When a parcel was shipped and when it arrived is never told: it follows from the carrier's scans.
A shipment is known by carrier and tracking number, a scan by its instant and code; told again
with other content they are a ``Conflict``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from odr import bounds, ids, policy, registration
from odr.errors import Conflict, Invalid, NotFound, TooMuch
from odr.models.states import Direction
from odr.models.trade import Order, Shipment, ShipmentEvent
from odr.words import Word
from odr.work import Work

EVENTS_MAX: Final = 1000


class Scan(Word):
    """What a carrier reports of a parcel; ``shipment_events.code``."""

    ANNOUNCED = "announced", "The carrier was told of the parcel; it does not have it yet."
    ACCEPTED = "accepted", "The carrier has the parcel."
    DEPARTED = "departed", "It left a place."
    ARRIVED = "arrived", "It came to a place."
    CUSTOMS_HELD = "customs_held", "Customs hold it."
    CUSTOMS_CLEARED = "customs_cleared", "Customs let it go."
    OUT_FOR_DELIVERY = "out_for_delivery", "It is on its way to the door."
    ATTEMPTED = "attempted", "Nobody took it at the door."
    AWAITS_COLLECTION = "awaits_collection", "It waits to be collected."
    DELIVERED = "delivered", "It was handed over."
    REFUSED = "refused", "It was refused at the door."
    DAMAGED = "damaged", "The carrier found it damaged."
    LOST = "lost", "The carrier gave it up."
    SENT_BACK = "sent_back", "It goes back to its sender."
    EXCEPTION = "exception", "Something else happened to it."


_IN_HAND: Final = tuple(code.value for code in Scan if code is not Scan.ANNOUNCED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A shipment as its marketplace tells it."""

    carrier: str
    service: str
    tracking_number: str
    direction: Direction = Direction.OUTBOUND


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """One scan of a parcel by its carrier."""

    at: datetime
    code: Scan
    place: str = ""
    description: str = ""


async def register_shipment(work: Work, order_id: UUID, parcel: Parcel) -> UUID:
    """Tell of a parcel of an order; its id."""
    await registration.require_order(work, order_id)
    given: dict[str, Any] = {
        "order_id": order_id,
        "direction": parcel.direction,
        "carrier": bounds.line(parcel.carrier, ("carrier",), 60),
        "service": bounds.optional_line(parcel.service, ("service",), 60),
        "tracking_number": bounds.reference(parcel.tracking_number, ("tracking_number",), 60),
    }
    natural = {name: given[name] for name in ("order_id", "carrier", "tracking_number")}
    await registration.once(work, Shipment(id=ids.child(order_id), **given), natural, given)
    return work.result


async def register_shipment_events(
    work: Work, shipment_id: UUID, reported: Sequence[Reported]
) -> int:
    """Tell of scans, of which some may be known; how many were new.

    Sets when the parcel was shipped (the first scan after it was announced) and delivered.
    """
    if len(reported) > EVENTS_MAX:
        raise TooMuch(limit="shipment_events", maximum=EVENTS_MAX)
    shipment = await _shipment(work, shipment_id)
    work.result = shipment_id
    rows: dict[tuple[datetime, str], dict[str, Any]] = {}
    for number, event in enumerate(reported):
        row = _row(work, shipment, event, number)
        if rows.setdefault((row["at"], row["code"]), row) is not row:
            raise Invalid(("events", number), "listed_twice")
    if not rows:
        return 0
    made = (
        insert(ShipmentEvent)
        .values(list(rows.values()))
        .on_conflict_do_nothing(index_elements=["shipment_id", "at", "code"])
        .returning(col(ShipmentEvent.id))
    )
    new = set((await work.conn.execute(made)).scalars())
    known = {key: row for key, row in rows.items() if row["id"] not in new}
    await _same(work, shipment_id, known)
    if new:
        await _moved(work, shipment_id)
    return len(new)


def _row(work: Work, shipment: UUID, event: Reported, number: int) -> dict[str, Any]:
    path = ("events", number)
    return {
        "id": ids.child(shipment),
        "shipment_id": shipment,
        "at": bounds.past(event.at, (*path, "at"), work.at),
        "code": Scan(event.code).value,
        "place": bounds.optional_line(event.place, (*path, "place"), 200),
        "description": bounds.optional_line(event.description, (*path, "description"), 500),
    }


async def _same(
    work: Work, shipment: UUID, known: dict[tuple[datetime, str], dict[str, Any]]
) -> None:
    if not known:
        return
    there = select(
        col(ShipmentEvent.at),
        col(ShipmentEvent.code),
        col(ShipmentEvent.place),
        col(ShipmentEvent.description),
    ).where(
        col(ShipmentEvent.shipment_id) == shipment,
        tuple_(col(ShipmentEvent.at), col(ShipmentEvent.code)).in_(list(known)),
    )
    for row in await work.conn.execute(there):
        told = known[row.at, row.code]
        if (row.place, row.description) != (told["place"], told["description"]):
            raise Conflict("shipment event")


async def _moved(work: Work, shipment: UUID) -> None:
    """Set from all scans when the parcel was first in the carrier's hands, and handed over."""
    first = func.min(col(ShipmentEvent.at))
    of_shipment = col(ShipmentEvent.shipment_id) == shipment
    shipped = select(first).where(of_shipment, col(ShipmentEvent.code).in_(_IN_HAND))
    delivered = select(first).where(of_shipment, col(ShipmentEvent.code) == Scan.DELIVERED)
    await work.conn.execute(
        update(Shipment)
        .where(col(Shipment.id) == shipment)
        .values(
            shipped_at=shipped.scalar_subquery(),
            delivered_at=delivered.scalar_subquery(),
        )
    )


async def _shipment(work: Work, shipment_id: UUID) -> UUID:
    """A shipment of an order whose marketplace the actor acts for, locked; ``NotFound``."""
    policy.require(work.actor, "register")
    statement = (
        select(col(Shipment.id))
        .join(Order, col(Order.id) == col(Shipment.order_id))
        .where(
            col(Shipment.id) == shipment_id,
            col(Order.marketplace_id).in_(work.actor.organisation_ids),
        )
        .with_for_update(of=Shipment)
    )
    found: UUID | None = (await work.conn.execute(statement)).scalar_one_or_none()
    if found is None:
        raise NotFound
    return found
