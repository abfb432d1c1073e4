"""Organisations: marketplaces, sellers, insurers, the operator."""

import strawberry

from odr.models import people
from schema.reader import declaration as read
from schema.types.node import Node
from schema.types.words import OrganisationKind

ORGANISATIONS = read.columns(people.Organisation)


@read.table(
    people.Organisation,
    tag="og",
    row=read.everyone("the name, kind and country of a business are on every order"),
)
@strawberry.type(description="A marketplace, a seller, an insurer or the operator.")
class Organisation(Node):
    """An organisation."""

    kind: OrganisationKind = read.column(ORGANISATIONS.c.kind)
    name: str = read.column(ORGANISATIONS.c.name)
    country: str = read.column(ORGANISATIONS.c.country, description="ISO 3166.")
