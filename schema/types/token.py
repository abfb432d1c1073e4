"""Tokens: how programs sign in for an organisation. A token's secret is shown once, when made."""

from datetime import datetime

import strawberry

from odr import policy
from odr.models import people
from schema import sight
from schema.reader import declaration as read
from schema.types.node import Node
from schema.types.organisation import ORGANISATIONS, Organisation
from schema.types.seat import account_name

TOKENS = read.columns(people.Token)


@read.table(
    people.Token,
    tag="to",
    row=sight.seen(policy.sees_token()),
)
@strawberry.type(description="How a program signs in for an organisation.")
class Token(Node):
    """An API token, without its secret."""

    name: str = read.column(TOKENS.c.name)
    organisation: Organisation | None = read.one(ORGANISATIONS.c.id == TOKENS.c.organisation_id)
    made_by: str = read.column(account_name(TOKENS.c.account_id))
    scopes: list[str] = read.column(TOKENS.c.scopes, description="What it may do at all.")
    created: datetime = read.column(TOKENS.c.created)
    expires: datetime = read.column(TOKENS.c.expires)
    revoked: datetime | None = read.column(TOKENS.c.revoked)
