"""Whoever asks: what they may do at all."""

from typing import Any

import strawberry

from odr.policy import SCOPES
from schema import ids
from schema.context import Context


@strawberry.type(description="Whoever asks, and what they may do at all.")
class ViewerInfo:
    """The viewer's standing."""

    account_id: strawberry.ID | None = strawberry.field(
        description="Null for an organisation's token."
    )
    organisation_ids: list[strawberry.ID]
    operator: bool = strawberry.field(description="Acts for the operator of the service.")
    scopes: list[str] = strawberry.field(description="All for a person, a token's own else.")
    language: str
    zone: str


def shown(context: Context, _row: Any) -> ViewerInfo:
    """Show the viewer's standing."""
    actor = context.actor
    return ViewerInfo(
        account_id=strawberry.ID(ids.write("ac", actor.account_id)) if actor.personal else None,
        organisation_ids=[
            strawberry.ID(ids.write("og", organisation)) for organisation in actor.organisation_ids
        ],
        operator=actor.operator,
        scopes=sorted(SCOPES if actor.scopes is None else actor.scopes),
        language=actor.language,
        zone=actor.zone,
    )
