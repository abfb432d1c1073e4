"""Payouts: what the operator does about money on its way out."""

from typing import Annotated
from uuid import UUID

import strawberry

from odr import payouts
from odr.rails.rail import Standing
from odr.work import Work
from schema.mutations import desk
from schema.mutations.acts import does
from schema.mutations.desk import Info, Input
from schema.payloads import Payload
from schema.reader import declaration as read
from schema.types import words
from schema.types.payout import Payout

_SCOPE = "administer"

words.show(Standing, "PaymentStanding")


@strawberry.input(description="Let a payout above the limit go, as a second person.")
class ApprovePayoutInput(Input):
    """A payout that awaits approval."""

    payout_id: strawberry.ID


@strawberry.type
class ApprovePayoutPayload(Payload):
    """The payout."""

    payout: Payout | None = read.key()


@strawberry.input(description="Say what became of a payment that is made by hand.")
class ConfirmPayoutInput(Input):
    """What the bank says."""

    payout_id: strawberry.ID
    standing: Standing = strawberry.field(description="PAID, REJECTED, or RETURNED later.")
    bank_reference: str = strawberry.field(description="As on the bank's statement.")
    reason: str = ""


@strawberry.type
class ConfirmPayoutPayload(Payload):
    """The payout."""

    payout: Payout | None = read.key()


@strawberry.input(description="Plan a new payout in place of one that did not arrive.")
class PlanPayoutAgainInput(Input):
    """A payout that was rejected or returned."""

    payout_id: strawberry.ID


@strawberry.type
class PlanPayoutAgainPayload(Payload):
    """The new payout."""

    payout: Payout | None = read.key()


@strawberry.type
class PayoutActs:
    """What the operator does about payouts."""

    @does("Let a payout above the limit go, as a second person.")
    async def approve_payout(
        self, info: Info, input_: Annotated[ApprovePayoutInput, strawberry.argument(name="input")]
    ) -> ApprovePayoutPayload:
        """Approve a payout."""

        async def do(work: Work, payout: UUID) -> None:
            await payouts.approve(work, payout)

        row = desk.find(input_.payout_id, "po")
        done = await desk.upon(info, "approve_payout", input_, row, do, scope=_SCOPE)
        return ApprovePayoutPayload(payout=done.row, user_errors=done.errors)

    @does("Say what became of a payment that is made by hand.")
    async def confirm_payout(
        self, info: Info, input_: Annotated[ConfirmPayoutInput, strawberry.argument(name="input")]
    ) -> ConfirmPayoutPayload:
        """Confirm a payment made by hand."""

        async def do(work: Work, payout: UUID) -> None:
            await payouts.confirm(
                work,
                payout,
                input_.standing,
                bank_reference=input_.bank_reference,
                reason=input_.reason,
            )

        row = desk.find(input_.payout_id, "po")
        done = await desk.upon(info, "confirm_payout", input_, row, do, scope=_SCOPE)
        return ConfirmPayoutPayload(payout=done.row, user_errors=done.errors)

    @does("Plan a new payout in place of one that was rejected or returned.")
    async def plan_payout_again(
        self, info: Info, input_: Annotated[PlanPayoutAgainInput, strawberry.argument(name="input")]
    ) -> PlanPayoutAgainPayload:
        """Plan a payout anew."""

        async def do(work: Work, payout: UUID) -> None:
            work.result = await payouts.plan_again(work, payout)

        row = desk.find(input_.payout_id, "po")
        done = await desk.upon(info, "plan_payout_again", input_, row, do, scope=_SCOPE)
        return PlanPayoutAgainPayload(payout=done.result, user_errors=done.errors)
