"""Proposals: a mediator's terms; a side's answer is hidden until both have answered."""

from datetime import datetime

import strawberry
from sqlalchemy import ColumnElement, and_, or_

from odr.models import dialogue
from odr.models.states import Channel
from odr.words import Side
from schema import sight
from schema.reader import declaration as read
from schema.scalars import Money
from schema.types.node import Node
from schema.types.seat import account_name
from schema.types.terms import Terms, terms
from schema.types.words import ProposalState

PROPOSALS = read.columns(dialogue.Proposal)
_OF = PROPOSALS.c

_BOTH = and_(_OF.claimant_accepts.is_not(None), _OF.respondent_accepts.is_not(None))


def _shown_to(side: Side) -> ColumnElement[bool]:
    """A side's answer: to whoever sits in that side's caucus, and to all when both answered."""
    caucus = Channel(f"{side.value}_caucus")
    return or_(_BOTH, sight.in_room(_OF.case_id, caucus))


@read.table(dialogue.Proposal, tag="pr", row=sight.proposal(_OF.case_id))
@strawberry.type(description="Terms that a mediator proposes to both sides.")
class Proposal(Node):
    """A proposal, behind the wall of mediation."""

    name: str = read.column(account_name(_OF.account_id), description="The mediator.")
    terms: Terms = read.json(terms(_OF.terms))
    amount: Money = read.embed(
        {"amount_minor": _OF.amount_minor, "currency": _OF.terms["currency"].astext},
        description="What the buyer would get in money.",
    )
    reasons: str = read.column(_OF.reasons)
    state: ProposalState = read.column(_OF.state)
    at: datetime = read.column(_OF.at)
    claimant_accepts: bool | None = read.column(
        _OF.claimant_accepts,
        when=_shown_to(Side.CLAIMANT),
        description="The other side reads it when both have answered.",
    )
    respondent_accepts: bool | None = read.column(
        _OF.respondent_accepts,
        when=_shown_to(Side.RESPONDENT),
        description="The other side reads it when both have answered.",
    )
