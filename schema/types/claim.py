"""Claims: what the claimant says happened and wants; and the respondent's answer."""

from datetime import datetime

import strawberry

from odr.models import cases
from schema import sight
from schema.reader import declaration as read
from schema.scalars import Money
from schema.types.node import Node
from schema.types.terms import Terms, terms
from schema.types.words import Reason

CLAIMS = read.columns(cases.Claim)
ANSWERS = read.columns(cases.Answer)


@read.table(cases.Claim, tag="cl", row=sight.in_record(CLAIMS.c.case_id))
@strawberry.type(description="What the claimant says happened and wants.")
class Claim(Node):
    """A version of the claim; the latest one holds."""

    version: int = read.column(CLAIMS.c.version)
    reason: Reason = read.column(CLAIMS.c.reason)
    statement: str = read.column(CLAIMS.c.statement)
    terms: Terms = read.json(terms(CLAIMS.c.terms))
    amount: Money = read.embed(
        {"amount_minor": CLAIMS.c.amount_minor, "currency": CLAIMS.c.terms["currency"].astext},
        description="What the buyer would get in money.",
    )
    at: datetime = read.column(CLAIMS.c.at)


@read.table(cases.Answer, tag="an", row=sight.in_record(ANSWERS.c.case_id))
@strawberry.type(description="The respondent's position.")
class Answer(Node):
    """The answer to a claim that is contested."""

    statement: str = read.column(ANSWERS.c.statement)
    at: datetime = read.column(ANSWERS.c.at)
