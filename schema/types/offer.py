"""Offers: terms that one side offers to the other."""

from datetime import datetime

import strawberry

from odr.models import cases, dialogue
from schema import sight
from schema.reader import declaration as read
from schema.scalars import Money
from schema.types.node import Node
from schema.types.terms import Terms, terms
from schema.types.words import Channel, OfferState, Side

CASES = read.columns(cases.Case)
OFFERS = read.columns(dialogue.Offer)


@read.table(dialogue.Offer, tag="of", row=sight.in_channel(OFFERS.c.case_id, OFFERS.c.channel))
@strawberry.type(description="Terms that one side offers to the other.")
class Offer(Node):
    """An offer."""

    side: Side = read.column(OFFERS.c.side, description="Who offers.")
    counter: bool = read.column(
        OFFERS.c.counter, description="The answer to the claim, of which there is one at most."
    )
    channel: Channel = read.column(OFFERS.c.channel, description="Who can read it.")
    terms: Terms = read.json(terms(OFFERS.c.terms))
    amount: Money = read.embed(
        {"amount_minor": OFFERS.c.amount_minor, "currency": OFFERS.c.terms["currency"].astext},
        description="What the buyer would get in money.",
    )
    message: str = read.column(OFFERS.c.message)
    state: OfferState = read.column(OFFERS.c.state)
    at: datetime = read.column(OFFERS.c.at)
    valid_until: datetime = read.column(OFFERS.c.valid_until)
    ended_at: datetime | None = read.column(OFFERS.c.ended_at)
