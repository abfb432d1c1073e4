"""The claim: filed, changed, acknowledged, accepted, contested, withdrawn."""

from typing import Annotated
from uuid import UUID

import strawberry

from odr import claims
from odr.claims import Filing
from odr.errors import NotFound
from odr.procedure.acts import Act
from odr.work import Work
from schema.mutations import desk
from schema.mutations.acts import CasePayload, act
from schema.mutations.desk import CaseInput, Info, Input, TermsInput
from schema.mutations.exhibits import ExhibitInput, given
from schema.reader import declaration as read
from schema.types.claim import Claim
from schema.types.words import Reason


@strawberry.input(description=Act.FILE.meaning)
class FileInput(Input):
    """What a claimant files."""

    order_id: strawberry.ID
    reason: Reason
    statement: str = strawberry.field(description="What happened.")
    terms: TermsInput = strawberry.field(description="What is wanted.")
    exhibits: list[ExhibitInput] = strawberry.field(default_factory=list)


@strawberry.type
class FilePayload(CasePayload):
    """The case that was opened."""


@strawberry.input(description=Act.ACKNOWLEDGE.meaning)
class AcknowledgeInput(CaseInput):
    """The claim was seen."""


@strawberry.type
class AcknowledgePayload(CasePayload):
    """The case."""


@strawberry.input(description=Act.ACCEPT_CLAIM.meaning)
class AcceptClaimInput(CaseInput):
    """The claim is accepted."""


@strawberry.type
class AcceptClaimPayload(CasePayload):
    """The case."""


@strawberry.input(description=Act.CONTEST.meaning)
class ContestInput(CaseInput):
    """The respondent's position."""

    statement: str
    exhibits: list[ExhibitInput] = strawberry.field(default_factory=list)


@strawberry.type
class ContestPayload(CasePayload):
    """The case."""


@strawberry.input(description=Act.MODIFY_CLAIM.meaning)
class ModifyClaimInput(CaseInput):
    """The whole claim as it shall be; its reason stays."""

    statement: str = strawberry.field(description="What happened.")
    terms: TermsInput = strawberry.field(
        description="What is wanted; more than before lets the other side's window run anew."
    )


@strawberry.type
class ModifyClaimPayload(CasePayload):
    """The claim as it stands now."""

    claim: Claim | None = read.key()


@strawberry.input(description=Act.WITHDRAW.meaning)
class WithdrawInput(CaseInput):
    """The claim is taken back."""

    reason: str = ""


@strawberry.type
class WithdrawPayload(CasePayload):
    """The case."""


@strawberry.type
class ClaimActs:
    """Acts of the claim."""

    @act(Act.FILE)
    async def file(
        self, info: Info, input_: Annotated[FileInput, strawberry.argument(name="input")]
    ) -> FilePayload:
        """File on the order; the case is the result."""
        order = desk.find(input_.order_id, "or")

        async def do(work: Work) -> UUID:
            if order is None:
                raise NotFound
            filing = Filing(
                order_id=order,
                reason=input_.reason,
                statement=input_.statement,
                terms=desk.terms_of(input_.terms),
                exhibits=given(input_.exhibits),
            )
            return await claims.file(work, filing)

        done = await desk.act(info, Act.FILE, input_, do, below=order)
        return FilePayload(case=done.result, user_errors=done.errors)

    @act(Act.ACKNOWLEDGE)
    async def acknowledge(
        self, info: Info, input_: Annotated[AcknowledgeInput, strawberry.argument(name="input")]
    ) -> AcknowledgePayload:
        """Note that the claim was seen."""
        done = await desk.in_case(
            info,
            Act.ACKNOWLEDGE,
            input_,
            lambda work, case: claims.acknowledge(work, case, version=input_.expected_version),
        )
        return AcknowledgePayload(case=done.case, user_errors=done.errors)

    @act(Act.ACCEPT_CLAIM)
    async def accept_claim(
        self, info: Info, input_: Annotated[AcceptClaimInput, strawberry.argument(name="input")]
    ) -> AcceptClaimPayload:
        """Settle the case on the claim's terms."""
        done = await desk.in_case(
            info,
            Act.ACCEPT_CLAIM,
            input_,
            lambda work, case: claims.accept_claim(work, case, version=input_.expected_version),
        )
        return AcceptClaimPayload(case=done.case, user_errors=done.errors)

    @act(Act.CONTEST)
    async def contest(
        self, info: Info, input_: Annotated[ContestInput, strawberry.argument(name="input")]
    ) -> ContestPayload:
        """Answer the claim."""
        done = await desk.in_case(
            info,
            Act.CONTEST,
            input_,
            lambda work, case: claims.contest(
                work,
                case,
                statement=input_.statement,
                given=given(input_.exhibits),
                version=input_.expected_version,
            ),
        )
        return ContestPayload(case=done.case, user_errors=done.errors)

    @act(Act.MODIFY_CLAIM)
    async def modify_claim(
        self, info: Info, input_: Annotated[ModifyClaimInput, strawberry.argument(name="input")]
    ) -> ModifyClaimPayload:
        """Put another version in the claim's place."""
        done = await desk.in_case(
            info,
            Act.MODIFY_CLAIM,
            input_,
            lambda work, case: claims.modify_claim(
                work,
                case,
                statement=input_.statement,
                wanted=desk.terms_of(input_.terms),
                version=input_.expected_version,
            ),
        )
        return ModifyClaimPayload(case=done.case, claim=done.result, user_errors=done.errors)

    @act(Act.WITHDRAW)
    async def withdraw(
        self, info: Info, input_: Annotated[WithdrawInput, strawberry.argument(name="input")]
    ) -> WithdrawPayload:
        """Close the case."""
        done = await desk.in_case(
            info,
            Act.WITHDRAW,
            input_,
            lambda work, case: claims.withdraw(
                work, case, reason=input_.reason, version=input_.expected_version
            ),
        )
        return WithdrawPayload(case=done.case, user_errors=done.errors)
