"""Shipments: parcels on their way, and what the carrier reported."""

from datetime import datetime

import strawberry

from odr.models import trade
from schema.reader import declaration as read
from schema.types import later
from schema.types.node import Node
from schema.types.words import Direction

ORDERS = read.columns(trade.Order)
SHIPMENTS = read.columns(trade.Shipment)
EVENTS = read.columns(trade.ShipmentEvent)


@read.table(
    trade.ShipmentEvent,
    row=read.as_parent(EVENTS.c.shipment_id == SHIPMENTS.c.id, lambda: Shipment),
)
@strawberry.type(description="What a carrier reported.")
class ShipmentEvent:
    """A line of a tracking record."""

    at: datetime = read.column(EVENTS.c.at)
    code: str = read.column(EVENTS.c.code)
    place: str = read.column(EVENTS.c.place)
    description: str = read.column(EVENTS.c.description)


@read.table(
    trade.Shipment,
    tag="sh",
    row=read.as_parent(SHIPMENTS.c.order_id == ORDERS.c.id, later.order),
)
@strawberry.type(description="A parcel on its way, outbound or back.")
class Shipment(Node):
    """A shipment."""

    direction: Direction = read.column(SHIPMENTS.c.direction)
    carrier: str = read.column(SHIPMENTS.c.carrier)
    service: str = read.column(SHIPMENTS.c.service)
    tracking_number: str = read.column(SHIPMENTS.c.tracking_number)
    shipped_at: datetime | None = read.column(SHIPMENTS.c.shipped_at)
    delivered_at: datetime | None = read.column(SHIPMENTS.c.delivered_at)
    events: list[ShipmentEvent] = read.many(
        EVENTS.c.shipment_id == SHIPMENTS.c.id, order=(EVENTS.c.at, EVENTS.c.id)
    )
