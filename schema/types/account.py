"""Accounts: people. One sees one's own only; names in a case are on its seats."""

from datetime import datetime

import strawberry
from sqlalchemy import exists, or_, select

from odr.models import people, trade
from schema import sight
from schema.reader import declaration as read
from schema.types.node import Node
from schema.types.organisation import ORGANISATIONS, Organisation

ACCOUNTS = read.columns(people.Account)
MEMBERSHIPS = read.columns(people.Membership)
ORDERS = read.columns(trade.Order)

_IS_CUSTOMER = exists(
    select(ORDERS.c.id).where(
        ORDERS.c.buyer_id == ACCOUNTS.c.id, sight.of_organisation(ORDERS.c.marketplace_id)
    )
)


@read.table(
    people.Account,
    tag="ac",
    row=or_(ACCOUNTS.c.id == sight.ACCOUNT, sight.OPERATOR, _IS_CUSTOMER),
)
@strawberry.type(description="A person.")
class Account(Node):
    """A person: seen by themselves, by marketplaces where they bought, and by the operator."""

    email: str = read.column(ACCOUNTS.c.email)
    name: str = read.column(ACCOUNTS.c.name)
    language: str = read.column(ACCOUNTS.c.language, description="BCP 47.")
    zone: str = read.column(ACCOUNTS.c.zone, description="A zone of the IANA database.")
    created: datetime = read.column(ACCOUNTS.c.created)
    organisations: list[Organisation] = read.many(
        exists(
            select(MEMBERSHIPS.c.account_id).where(
                MEMBERSHIPS.c.account_id == ACCOUNTS.c.id,
                MEMBERSHIPS.c.organisation_id == ORGANISATIONS.c.id,
            )
        ),
        order=(ORGANISATIONS.c.name, ORGANISATIONS.c.id),
        typical=2,
        description="For whom the person acts.",
    )
