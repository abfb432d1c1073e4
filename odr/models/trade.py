"""Tables: what a marketplace registers: orders, lines, payments, shipments, bonds, covers."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from odr.models import columns
from odr.models.states import Direction


class Order(SQLModel, table=True):
    """A transaction; its id carries the month of its registration."""

    __tablename__ = "orders"
    __table_args__ = (
        UniqueConstraint("marketplace_id", "reference"),
        CheckConstraint("total_minor > 0 AND freight_minor >= 0", name="amounts"),
        CheckConstraint("freight_minor <= total_minor", name="freight_within_total"),
        Index("orders_by_buyer", "buyer_id", "placed_at"),
        Index("orders_by_seller", "seller_id", "placed_at"),
    )

    id: UUID = Field(sa_column=columns.key())
    marketplace_id: UUID = Field(foreign_key="organisations.id")
    reference: str = Field(max_length=100)
    buyer_id: UUID = Field(foreign_key="accounts.id")
    seller_id: UUID = Field(foreign_key="organisations.id")
    currency: str = Field(max_length=3)
    total_minor: int = Field(sa_column=columns.minor())
    freight_minor: int = Field(sa_column=columns.minor())
    category: str = Field(max_length=60)
    language: str = Field(max_length=8)
    country: str = Field(max_length=2)
    zone: str = Field(max_length=64)
    placed_at: datetime = Field(sa_column=columns.instant())
    paid_at: datetime | None = Field(default=None, sa_column=columns.instant(null=True))
    promised_at: datetime | None = Field(default=None, sa_column=columns.instant(null=True))
    policy: dict[str, Any] = Field(sa_column=columns.value())
    policy_digest: bytes = Field(sa_column=columns.digest())
    registered_at: datetime = Field(sa_column=columns.instant())


class OrderLine(SQLModel, table=True):
    """One line of an order; numbered from 1."""

    __tablename__ = "order_lines"
    __table_args__ = (
        UniqueConstraint("order_id", "number"),
        CheckConstraint("quantity > 0 AND unit_minor >= 0", name="amounts"),
        CheckConstraint("total_minor = quantity * unit_minor", name="total"),
    )

    id: UUID = Field(sa_column=columns.key())
    order_id: UUID = Field(foreign_key="orders.id")
    number: int
    title: str = Field(max_length=300)
    sku: str = Field(max_length=100)
    quantity: int
    unit_minor: int = Field(sa_column=columns.minor())
    total_minor: int = Field(sa_column=columns.minor())


class Payment(SQLModel, table=True):
    """The buyer's payment of an order, held in escrow."""

    __tablename__ = "payments"
    __table_args__ = (
        UniqueConstraint("order_id", "reference"),
        CheckConstraint("amount_minor > 0", name="amount"),
    )

    id: UUID = Field(sa_column=columns.key())
    order_id: UUID = Field(foreign_key="orders.id")
    reference: str = Field(max_length=100)
    method: str = Field(max_length=40)
    amount_minor: int = Field(sa_column=columns.minor())
    currency: str = Field(max_length=3)
    paid_at: datetime = Field(sa_column=columns.instant())


class Shipment(SQLModel, table=True):
    """A parcel on its way, outbound or back."""

    __tablename__ = "shipments"
    __table_args__ = (UniqueConstraint("order_id", "carrier", "tracking_number"),)

    id: UUID = Field(sa_column=columns.key())
    order_id: UUID = Field(foreign_key="orders.id", index=True)
    direction: Direction = Field(sa_column=columns.word(Direction, "direction"))
    carrier: str = Field(max_length=60)
    service: str = Field(max_length=60)
    tracking_number: str = Field(max_length=60)
    shipped_at: datetime | None = Field(default=None, sa_column=columns.instant(null=True))
    delivered_at: datetime | None = Field(default=None, sa_column=columns.instant(null=True))


class ShipmentEvent(SQLModel, table=True):
    """What a carrier reported of a shipment."""

    __tablename__ = "shipment_events"
    __table_args__ = (UniqueConstraint("shipment_id", "at", "code"),)

    id: UUID = Field(sa_column=columns.key())
    shipment_id: UUID = Field(foreign_key="shipments.id")
    at: datetime = Field(sa_column=columns.instant())
    code: str = Field(max_length=40)
    place: str = Field(max_length=200)
    description: str = Field(max_length=500)


class Bond(SQLModel, table=True):
    """A seller's security towards a marketplace; its money lies in the ledger."""

    __tablename__ = "bonds"
    __table_args__ = (
        UniqueConstraint("marketplace_id", "seller_id", "currency"),
        CheckConstraint("floor_minor >= 0", name="floor"),
    )

    id: UUID = Field(sa_column=columns.key())
    marketplace_id: UUID = Field(foreign_key="organisations.id")
    seller_id: UUID = Field(foreign_key="organisations.id")
    currency: str = Field(max_length=3)
    floor_minor: int = Field(sa_column=columns.minor())
    registered_at: datetime = Field(sa_column=columns.instant())


class Cover(SQLModel, table=True):
    """An insurer covers an insured's losses by some perils, within limits."""

    __tablename__ = "covers"
    __table_args__ = (
        UniqueConstraint("insurer_id", "reference"),
        CheckConstraint(
            "claim_limit_minor > 0 AND aggregate_limit_minor >= claim_limit_minor"
            " AND deductible_minor >= 0",
            name="limits",
        ),
        CheckConstraint("starts <= ends", name="period"),
    )

    id: UUID = Field(sa_column=columns.key())
    insurer_id: UUID = Field(foreign_key="organisations.id")
    insured_id: UUID = Field(foreign_key="organisations.id", index=True)
    reference: str = Field(max_length=100)
    perils: list[str] = Field(sa_column=columns.words("perils"))
    currency: str = Field(max_length=3)
    claim_limit_minor: int = Field(sa_column=columns.minor())
    aggregate_limit_minor: int = Field(sa_column=columns.minor())
    deductible_minor: int = Field(sa_column=columns.minor())
    starts: date
    ends: date
    registered_at: datetime = Field(sa_column=columns.instant())
    confirmed_at: datetime | None = Field(sa_column=columns.instant(null=True))
    """By the insured or its marketplace; until then nothing falls under it."""


class OrderCover(SQLModel, table=True):
    """An order is matched to a cover when either is registered."""

    __tablename__ = "order_covers"

    order_id: UUID = Field(foreign_key="orders.id", primary_key=True)
    cover_id: UUID = Field(foreign_key="covers.id", primary_key=True, index=True)
