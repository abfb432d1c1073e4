"""Terms: what one side gives the other, as claims, offers, proposals and rulings hold them."""

from datetime import date
from typing import Any

import strawberry
from sqlalchemy import ColumnElement, case, func, literal_column, select
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by

from schema.reader import declaration as read
from schema.reader import text
from schema.scalars import Money
from schema.types.words import Party, Remedy


@read.embedded
@strawberry.type(description="One remedy, for the whole order, a line of it, or some pieces.")
class TermItem:
    """An item of terms."""

    remedy: Remedy = read.part()
    amount: Money | None = read.part(
        description="None where the remedy has no amount, or a release takes the rest."
    )
    order_line: int | None = read.part(description="The line's number, from 1.")
    quantity: int | None = read.part(description="How many pieces of the line.")
    freight_payer: Party | None = read.part(description="Who pays for sending goods.")
    difference_payer: Party | None = read.part(description="Who pays the amount of an exchange.")
    until: date | None = read.part(description="The end of an extension or a coupon.")
    note: str | None = read.part(description="Parts, item or dates in words.")


@read.embedded
@strawberry.type(description="Remedies in one currency.")
class Terms:
    """Terms."""

    currency: str = read.part(description="ISO 4217.")
    items: list[TermItem] = read.part()


def terms(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Give stored terms as JSON in which each amount has its currency beside it."""
    item = text.items(column["items"])
    value = item.c.value
    amount = func.jsonb_build_object(
        literal_column("'amount_minor'"),
        value["amount_minor"],
        literal_column("'currency'"),
        column["currency"],
    )
    shown = case(
        (
            value.has_key("amount_minor"),
            value.op("||", return_type=JSONB())(
                func.jsonb_build_object(literal_column("'amount'"), amount)
            ),
        ),
        else_=value,
    )
    listed = select(func.jsonb_agg(aggregate_order_by(shown, item.c.n))).select_from(item)
    return case(
        (
            column.is_not(None),
            func.jsonb_build_object(
                literal_column("'currency'"),
                column["currency"],
                literal_column("'items'"),
                func.coalesce(listed.scalar_subquery(), literal_column("'[]'::jsonb")),
                type_=JSONB,
            ),
        )
    )
