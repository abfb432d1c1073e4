"""Sealed bids: placed, and seen by nobody."""

from typing import Annotated

import strawberry

from odr import bids
from odr.money import Money
from odr.procedure.acts import Act
from schema.mutations import desk
from schema.mutations.acts import CasePayload, act
from schema.mutations.desk import CaseInput, Info
from schema.scalars import Int64


@strawberry.input(description=Act.PLACE_BID.meaning)
class PlaceBidInput(CaseInput):
    """A bid."""

    amount_minor: Int64 = strawberry.field(
        description="What goes back to the buyer, in the currency's smallest unit: of the buyer the"
        " least that they accept, of the seller the most that they offer."
    )
    currency: str = strawberry.field(description="The order's, by ISO 4217.")


@strawberry.type
class PlaceBidPayload(CasePayload):
    """The case; of the bids nothing, whether or not they meet."""


@strawberry.type
class BidActs:
    """Acts of bids."""

    @act(Act.PLACE_BID)
    async def place_bid(
        self, info: Info, input_: Annotated[PlaceBidInput, strawberry.argument(name="input")]
    ) -> PlaceBidPayload:
        """Place a sealed bid."""
        done = await desk.in_case(
            info,
            Act.PLACE_BID,
            input_,
            lambda work, case: bids.place_bid(
                work,
                case,
                Money(input_.amount_minor, input_.currency),
                version=input_.expected_version,
            ),
        )
        return PlaceBidPayload(case=done.case, user_errors=done.errors)
