"""The record: a case's complete, ordered, hash-chained list of acts."""

from datetime import datetime

import strawberry
from sqlalchemy import BigInteger, Boolean, ColumnElement, Text, Uuid, case, select
from sqlalchemy import cast as sql_cast

from odr.models import cases
from odr.models.states import Channel as _Channel
from odr.procedure.acts import Act as _Act
from schema import sight
from schema.reader import declaration as read
from schema.scalars import Digest, Money
from schema.types.appeal import APPEALS, Appeal
from schema.types.attestation import Attestation, attestations
from schema.types.exhibit import EXHIBITS, Exhibit
from schema.types.information import REQUESTS, InformationRequest
from schema.types.message import MESSAGES, Message
from schema.types.node import Node
from schema.types.offer import OFFERS, Offer
from schema.types.payout import PAYOUTS, Payout
from schema.types.proposal import PROPOSALS, Proposal
from schema.types.ruling import RULINGS, Ruling
from schema.types.seat import account_name, name_of_side
from schema.types.words import (
    Act,
    CaseState,
    Channel,
    NeutralKind,
    Reason,
    Role,
    RulingKind,
    Side,
)

ACTS = read.columns(cases.Record)
CASES = read.columns(cases.Case)
_FACTS = ACTS.c.facts

IN_ORDER = (
    ACTS.c.at,
    # Of one instant, what was said in caucus leads to what is said in the room around it.
    case(
        (ACTS.c.channel == _Channel.RECORD, 2), (ACTS.c.channel == _Channel.MEDIATION, 1), else_=0
    ),
    ACTS.c.sequence,
    ACTS.c.id,
)


def _word(fact: str, *acts: _Act) -> ColumnElement[str]:
    """A fact that is a word of a list, in the acts whose list it is of."""
    return case((ACTS.c.act.in_(acts), sql_cast(_FACTS[fact].astext, Text)))


def _named(fact: str) -> ColumnElement[object]:
    return sql_cast(_FACTS[fact].astext, Uuid)


@read.table(cases.Record, tag="re", row=sight.in_channel(ACTS.c.case_id, ACTS.c.channel))
@strawberry.type(description="One act of a case's record.")
class RecordEntry(Node):
    """An entry: who did what and when, and the leaf by which the vault binds it."""

    act: Act = read.column(ACTS.c.act)
    role: Role = read.column(ACTS.c.role, description="In which role.")
    side: Side | None = read.column(ACTS.c.side)
    name: str | None = read.column(
        case(
            (ACTS.c.side.is_(None), account_name(ACTS.c.account_id)),
            else_=name_of_side(ACTS.c.case_id, ACTS.c.side, ACTS.c.account_id),
        ),
        description="Who did it; nobody, where a window ran out or it followed from another act.",
    )
    at: datetime = read.column(ACTS.c.at)
    channel: Channel = read.column(ACTS.c.channel, description="Who can read it.")
    before: CaseState | None = read.column(ACTS.c.before)
    after: CaseState = read.column(ACTS.c.after)
    sequence: int = read.column(ACTS.c.sequence, description="Its place in its stream, from 0.")
    leaf: Digest = read.column(ACTS.c.leaf, description="Its leaf in the stream's Merkle tree.")
    attestation: Attestation | None = read.computed(
        attestations,
        needs={
            "stream": ACTS.c.stream_id,
            "sequence": ACTS.c.sequence,
            "act": ACTS.c.act,
            "roles": sight.roles(ACTS.c.case_id),
        },
        batch=True,
        description="What anybody needs to check this entry alone, with public programs.",
    )

    amount: Money | None = read.embed(
        {
            "amount_minor": sql_cast(_FACTS["amount_minor"].astext, BigInteger),
            "currency": select(CASES.c.currency)
            .where(CASES.c.id == ACTS.c.case_id)
            .scalar_subquery(),
        },
        present=_FACTS["amount_minor"].astext.is_not(None),
    )
    reason: Reason | None = read.column(_word("reason", _Act.FILE))
    neutral_kind: NeutralKind | None = read.column(
        _word("kind", _Act.APPOINT_MEDIATOR, _Act.APPOINT_ARBITRATOR, _Act.REPLACE_NEUTRAL)
    )
    ruling_kind: RulingKind | None = read.column(
        _word("kind", _Act.RULE, _Act.VARY_RULING, _Act.SET_ASIDE_RULING)
    )
    interests: bool | None = read.column(
        sql_cast(_FACTS["interests"].astext, Boolean),
        description="Whether a neutral declared interests.",
    )
    agrees: bool | None = read.column(
        sql_cast(_FACTS["agrees"].astext, Boolean),
        description="Whether a side agreed to be bound.",
    )
    exhibit_label: str | None = read.column(_FACTS["label"].astext)
    exhibit: Exhibit | None = read.one(_named("exhibit") == EXHIBITS.c.id)
    offer: Offer | None = read.one(_named("offer") == OFFERS.c.id)
    message: Message | None = read.one(_named("message") == MESSAGES.c.id)
    proposal: Proposal | None = read.one(_named("proposal") == PROPOSALS.c.id)
    information_request: InformationRequest | None = read.one(_named("request") == REQUESTS.c.id)
    ruling: Ruling | None = read.one(_named("ruling") == RULINGS.c.id)
    appeal: Appeal | None = read.one(_named("appeal") == APPEALS.c.id)
    payout: Payout | None = read.one(_named("payout") == PAYOUTS.c.id)
