"""Insurance: an insurer decides and pays the claims on its covers."""

from typing import Annotated
from uuid import UUID

import strawberry

from odr import insurance
from odr.work import Work
from schema.mutations import desk
from schema.mutations.acts import does
from schema.mutations.desk import Info, Input
from schema.payloads import Payload
from schema.reader import declaration as read
from schema.scalars import Int64
from schema.types.insurance import InsuranceClaim

_SCOPE = "insure"


@strawberry.input(description="Approve a claim, whole or in part, or deny it.")
class DecideInsuranceClaimInput(Input):
    """A decision: an amount to approve, or a reason to deny."""

    insurance_claim_id: strawberry.ID
    approve_minor: Int64 | None = strawberry.field(
        default=None, description="What is approved, in the claim's currency."
    )
    denial_reason: str | None = strawberry.field(default=None, description="A reason code.")
    grounds: str
    expected_version: int | None = None


@strawberry.type
class DecideInsuranceClaimPayload(Payload):
    """The claim."""

    insurance_claim: InsuranceClaim | None = read.key()


@strawberry.input(description="Pay what was approved.")
class PayInsuranceClaimInput(Input):
    """An approved claim."""

    insurance_claim_id: strawberry.ID
    expected_version: int | None = None


@strawberry.type
class PayInsuranceClaimPayload(Payload):
    """The claim."""

    insurance_claim: InsuranceClaim | None = read.key()


@strawberry.type
class InsuranceActs:
    """What insurers do."""

    @does("Approve a claim on a cover, whole or in part, or deny it; with grounds.")
    async def decide_insurance_claim(
        self,
        info: Info,
        input_: Annotated[DecideInsuranceClaimInput, strawberry.argument(name="input")],
    ) -> DecideInsuranceClaimPayload:
        """Decide a claim."""

        async def do(work: Work, claim: UUID) -> None:
            await insurance.decide(
                work,
                claim,
                approve_minor=input_.approve_minor,
                denial_reason=input_.denial_reason,
                grounds=input_.grounds,
                version=input_.expected_version,
            )

        row = desk.find(input_.insurance_claim_id, "ic")
        done = await desk.upon(info, "decide_insurance_claim", input_, row, do, scope=_SCOPE)
        return DecideInsuranceClaimPayload(insurance_claim=done.row, user_errors=done.errors)

    @does("Pay what was approved, out of the reserve.")
    async def pay_insurance_claim(
        self,
        info: Info,
        input_: Annotated[PayInsuranceClaimInput, strawberry.argument(name="input")],
    ) -> PayInsuranceClaimPayload:
        """Pay a claim."""

        async def do(work: Work, claim: UUID) -> None:
            await insurance.pay(work, claim, version=input_.expected_version)

        row = desk.find(input_.insurance_claim_id, "ic")
        done = await desk.upon(info, "pay_insurance_claim", input_, row, do, scope=_SCOPE)
        return PayInsuranceClaimPayload(insurance_claim=done.row, user_errors=done.errors)
