"""Exhibits: items of evidence, what the other side says of them, and who read them."""

from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import strawberry
from sqlalchemy import ColumnElement, case, func, literal_column
from sqlalchemy import cast as sql_cast
from sqlalchemy.types import Text

from odr.models import cases, dialogue
from odr.words import Side as _Side
from schema import sight
from schema.reader import declaration as read
from schema.scalars import Digest, Int64
from schema.types.node import Node
from schema.types.seat import name_of_side
from schema.types.words import Channel, ExhibitKind, Side

if TYPE_CHECKING:
    from schema.types.case import Case

CASES = read.columns(cases.Case)
EXHIBITS = read.columns(dialogue.Exhibit)
ANSWERS = read.columns(dialogue.ExhibitAnswer)


def label(exhibits: Any) -> ColumnElement[Any]:
    """The label in its case: A-1, B-2, N-1."""
    letter = case(
        *((exhibits.c.side == side, literal_column(f"'{side.letter}-'")) for side in _Side)
    )
    return func.concat(letter, sql_cast(exhibits.c.number, Text), type_=Text)


@read.embedded
@strawberry.type(description="What a document itself says, as its giver typed it.")
class Voucher:
    """A document's own facts."""

    issuer: str | None = read.part(description="Who made it, such as the carrier.")
    number: str | None = read.part(description="Its number, such as the tracking number.")
    issued: date | None = read.part(description="Its date.")
    place: str | None = read.part()
    weight_grams: int | None = read.part()
    amount_minor: Int64 | None = read.part()
    currency: str | None = read.part()
    note: str | None = read.part()


@read.table(
    dialogue.ExhibitAnswer,
    tag="ea",
    row=sight.in_channel(ANSWERS.c.case_id, ANSWERS.c.channel),
)
@strawberry.type(description="What the other side says of an exhibit.")
class ExhibitAnswer(Node):
    """An answer to an exhibit."""

    side: Side = read.column(ANSWERS.c.side)
    channel: Channel = read.column(ANSWERS.c.channel, description="Who can read it.")
    name: str = read.column(name_of_side(ANSWERS.c.case_id, ANSWERS.c.side, ANSWERS.c.account_id))
    body: str = read.column(ANSWERS.c.body)
    at: datetime = read.column(ANSWERS.c.at)


@read.table(
    dialogue.Exhibit, tag="ex", row=sight.in_channel(EXHIBITS.c.case_id, EXHIBITS.c.channel)
)
@strawberry.type(description="An item of evidence.")
class Exhibit(Node):
    """An exhibit; its file is had at ``path``."""

    case: Annotated["Case", strawberry.lazy("schema.types.case")] | None = read.one(
        CASES.c.id == EXHIBITS.c.case_id
    )
    label: str = read.column(label(EXHIBITS), description="As in A-1, B-2 or N-1.")
    side: Side = read.column(EXHIBITS.c.side, description="Who gave it.")
    number: int = read.column(EXHIBITS.c.number)
    name: str = read.column(
        name_of_side(EXHIBITS.c.case_id, EXHIBITS.c.side, EXHIBITS.c.account_id)
    )
    kind: ExhibitKind = read.column(EXHIBITS.c.kind)
    title: str = read.column(EXHIBITS.c.title)
    description: str = read.column(EXHIBITS.c.description)
    channel: Channel = read.column(EXHIBITS.c.channel, description="Who can read it.")
    filename: str = read.column(EXHIBITS.c.filename)
    media_type: str = read.column(EXHIBITS.c.media_type)
    size: Int64 = read.column(EXHIBITS.c.size, description="In bytes.")
    sha256: Digest = read.column(EXHIBITS.c.sha256)
    path: str = read.column(
        func.concat(
            literal_column("'/exhibits/ex'"),
            func.encode(func.uuid_send(EXHIBITS.c.id), literal_column("'hex'")),
            type_=Text,
        ),
        description="Where the file is, on this server.",
    )
    voucher: Voucher | None = read.json(EXHIBITS.c.voucher)
    at: datetime = read.column(EXHIBITS.c.at)
    released_at: datetime | None = read.column(
        EXHIBITS.c.released_at, description="When it left mediation for the record."
    )
    answers: list[ExhibitAnswer] = read.many(
        ANSWERS.c.exhibit_id == EXHIBITS.c.id, order=(ANSWERS.c.at, ANSWERS.c.id), typical=1
    )
