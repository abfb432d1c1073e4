"""Messages: what is said to everybody in a room, and what is said in caucus."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import strawberry

from odr.models import dialogue
from schema import sight
from schema.context import Context
from schema.reader import declaration as read
from schema.types.node import Node
from schema.types.seat import name_of_side
from schema.types.words import Channel, Side

MESSAGES = read.columns(dialogue.Message)
CAUCUS = read.columns(dialogue.CaucusMessage)


def opened(context: Context, row: Mapping[str, Any]) -> str:
    """Open what was sealed; only rows of rooms in which the viewer sits come here."""
    return context.office.caucus.open(row["id"], row["sealed"])


@read.table(
    dialogue.Message,
    tag="ms",
    row=sight.message(MESSAGES.c.case_id, MESSAGES.c.channel),
)
@strawberry.type(description="Something said to everybody in the room; insurers read none.")
class Message(Node):
    """A message."""

    channel: Channel = read.column(MESSAGES.c.channel, description="Who can read it.")
    side: Side = read.column(MESSAGES.c.side)
    name: str = read.column(
        name_of_side(MESSAGES.c.case_id, MESSAGES.c.side, MESSAGES.c.account_id),
        description="Who wrote it.",
    )
    own: bool = read.column(
        MESSAGES.c.account_id == sight.ACCOUNT, description="The viewer wrote it."
    )
    body: str = read.column(MESSAGES.c.body)
    asks: Side | None = read.column(
        MESSAGES.c.asks, description="Whom it asks for a picture that shows `code`."
    )
    code: str | None = read.column(MESSAGES.c.code, description="Made with the message.")
    at: datetime = read.column(MESSAGES.c.at)


@read.table(
    dialogue.CaucusMessage,
    tag="cm",
    row=sight.caucus_message(CAUCUS.c.case_id, CAUCUS.c.with_side),
)
@strawberry.type(description="Something said in confidence between one side and the mediator.")
class CaucusMessage(Node):
    """A message in caucus, seen by one side and the mediator only."""

    with_side: Side = read.column(CAUCUS.c.with_side, description="Whose caucus it is.")
    side: Side = read.column(CAUCUS.c.side)
    name: str = read.column(name_of_side(CAUCUS.c.case_id, CAUCUS.c.side, CAUCUS.c.account_id))
    own: bool = read.column(
        CAUCUS.c.account_id == sight.ACCOUNT, description="The viewer wrote it."
    )
    body: str = read.computed(opened, needs={"id": CAUCUS.c.id, "sealed": CAUCUS.c.sealed})
    at: datetime = read.column(CAUCUS.c.at)
