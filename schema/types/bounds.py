"""What an input may hold: remedies with their highest amounts, evidence asked for, longest texts.

Plain values made of an order's facts and the rulebook, the same for intake and for the acts.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

import strawberry
from sqlalchemy import BigInteger, ColumnElement, func, literal_column, select
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from odr import orders, terms
from odr import remedies as shapes
from odr.models import trade
from odr.rulebook import Rulebook
from odr.words import Side as _Side
from schema.reader import declaration as read
from schema.scalars import Int64, Money
from schema.types.words import ExhibitKind, Need, Reason, Remedy, Side

Use = strawberry.enum(shapes.Use, description="Whether a remedy has a field.")
LINES: Final = read.columns(trade.OrderLine)


@strawberry.type(description="The highest amount for a line of the order, all its pieces.")
class LineBound:
    """A line's bound."""

    order_line: int
    title: str
    quantity: int
    highest: Money


@strawberry.type(description="A remedy that may be asked for, and what bounds it.")
class RemedyBounds:
    """A remedy's fields and bounds."""

    remedy: Remedy
    sentence: str
    highest: Money | None = strawberry.field(
        description="For the whole order; null where the remedy has no amount."
    )
    lines: list[LineBound]
    amount: shapes.Use
    freight_payer: shapes.Use
    until: shapes.Use
    note: shapes.Use


@strawberry.type(description="A line of the evidence that one side is asked for.")
class ChecklistLine:
    """Evidence asked for; of several kinds, one will do."""

    side: Side
    need: Need
    kinds: list[ExhibitKind]
    satisfied: bool = strawberry.field(description="Something of these kinds was given.")
    sentence: str


@strawberry.type(description="The longest text that a field of an input may hold.")
class TextBound:
    """A text's bound."""

    name: str = strawberry.field(description="The input's field.")
    longest: int = strawberry.field(description="In characters.")


def order_facts(order_id: ColumnElement[Any]) -> ColumnElement[Any]:
    """The lines of an order as JSON: number, total, quantity, title."""
    lines = func.jsonb_build_array(
        LINES.c.number, LINES.c.total_minor, LINES.c.quantity, LINES.c.title
    )
    listed = func.coalesce(func.jsonb_agg(lines), literal_column("'[]'::jsonb"), type_=JSONB)
    return select(listed).where(LINES.c.order_id == order_id).scalar_subquery()


def order_left(order_id: ColumnElement[Any]) -> ColumnElement[Any]:
    """What the ledger says is left of an order to be given back, and for losses."""
    return func.order_left(order_id, type_=ARRAY(BigInteger()))


class Goods:
    """What was bought, as bounds are computed of it."""

    def __init__(
        self,
        currency: str,
        lines: Sequence[Sequence[Any]],
        freight_minor: int,
        left: Sequence[int],
    ) -> None:
        """``lines`` and ``left`` as ``order_facts`` and ``order_left`` give them."""
        self._titles = {line[0]: str(line[3]) for line in lines}
        self.facts = orders.facts(currency, lines, freight_minor, left)

    def bounds(self, book: Rulebook, reason: Reason, *, claim: bool) -> list[RemedyBounds]:
        """List the remedies that can be asked for and are carried out."""
        return [
            self._of(book, remedy)
            for remedy in book.remedies(reason, claim=claim)
            if remedy in shapes.CARRIED_OUT
        ]

    def _of(self, book: Rulebook, remedy: Remedy) -> RemedyBounds:
        shape = shapes.SHAPES[remedy]
        return RemedyBounds(
            remedy=remedy,
            sentence=remedy.meaning,
            highest=self._money(terms.highest_minor(self.facts, book, remedy)),
            lines=list(self._lines(book, remedy)),
            amount=shape.amount,
            freight_payer=shape.freight,
            until=shape.until,
            note=shape.note,
        )

    def _lines(self, book: Rulebook, remedy: Remedy) -> Iterator[LineBound]:
        for line in self.facts.lines:
            highest = self._money(terms.highest_minor(self.facts, book, remedy, line.number))
            if highest is not None:
                yield LineBound(
                    order_line=line.number,
                    title=self._titles[line.number],
                    quantity=line.quantity,
                    highest=highest,
                )

    def _money(self, amount_minor: int | None) -> Money | None:
        if amount_minor is None:
            return None
        return Money(amount_minor=Int64(amount_minor), currency=self.facts.currency)


def checklist(
    book: Rulebook, reason: Reason, given: Mapping[_Side, Collection[ExhibitKind]]
) -> list[ChecklistLine]:
    """List what both sides are asked for, and what of it is given."""
    return [
        ChecklistLine(
            side=side,
            need=asked.need,
            kinds=list(asked.kinds),
            satisfied=asked.satisfied,
            sentence=asked.need.meaning,
        )
        for side in (_Side.CLAIMANT, _Side.RESPONDENT)
        for asked in book.checklist(reason, side, given.get(side, ()))
    ]
