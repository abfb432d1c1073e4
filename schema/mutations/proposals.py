"""A mediator's proposals, and the sides' answers."""

from typing import Annotated

import strawberry

from odr import proposals
from odr.models import dialogue
from odr.procedure.acts import Act
from schema.mutations import desk
from schema.mutations.acts import CasePayload, act
from schema.mutations.desk import CaseInput, Info, Input, TermsInput
from schema.reader import declaration as read
from schema.types.proposal import Proposal

_PROPOSALS = read.columns(dialogue.Proposal)


@strawberry.interface(description="What an act upon a proposal answers.")
class ProposalPayload(CasePayload):
    """The proposal as it is now."""

    proposal: Proposal | None = read.key()


@strawberry.input(description=Act.PROPOSE_TERMS.meaning)
class ProposeTermsInput(CaseInput):
    """Terms for both sides."""

    terms: TermsInput
    reasons: str


@strawberry.type
class ProposeTermsPayload(ProposalPayload):
    """The proposal."""


@strawberry.input(description="A proposal that is named.")
class ProposalInput(Input):
    """A proposal of the case."""

    proposal_id: strawberry.ID
    expected_version: int | None = strawberry.field(
        default=None, description="Refused as stale if the case has another `version`."
    )


@strawberry.input(description=Act.ACCEPT_PROPOSAL.meaning)
class AcceptProposalInput(ProposalInput):
    """The open proposal."""


@strawberry.type
class AcceptProposalPayload(ProposalPayload):
    """The proposal."""


@strawberry.input(description=Act.REJECT_PROPOSAL.meaning)
class RejectProposalInput(ProposalInput):
    """The open proposal."""


@strawberry.type
class RejectProposalPayload(ProposalPayload):
    """The proposal."""


@strawberry.type
class ProposalActs:
    """Acts of proposals."""

    @act(Act.PROPOSE_TERMS)
    async def propose_terms(
        self, info: Info, input_: Annotated[ProposeTermsInput, strawberry.argument(name="input")]
    ) -> ProposeTermsPayload:
        """Propose to both sides."""
        done = await desk.in_case(
            info,
            Act.PROPOSE_TERMS,
            input_,
            lambda work, case: proposals.propose_terms(
                work,
                case,
                desk.terms_of(input_.terms),
                reasons=input_.reasons,
                version=input_.expected_version,
            ),
        )
        return ProposeTermsPayload(case=done.case, proposal=done.result, user_errors=done.errors)

    @act(Act.ACCEPT_PROPOSAL)
    async def accept_proposal(
        self, info: Info, input_: Annotated[AcceptProposalInput, strawberry.argument(name="input")]
    ) -> AcceptProposalPayload:
        """Accept; it settles the case if both sides do."""
        done = await desk.on_row(
            info,
            Act.ACCEPT_PROPOSAL,
            input_,
            desk.find(input_.proposal_id, "pr"),
            _PROPOSALS,
            lambda work, proposal: proposals.accept_proposal(
                work, proposal, version=input_.expected_version
            ),
        )
        return AcceptProposalPayload(case=done.case, proposal=done.row, user_errors=done.errors)

    @act(Act.REJECT_PROPOSAL)
    async def reject_proposal(
        self, info: Info, input_: Annotated[RejectProposalInput, strawberry.argument(name="input")]
    ) -> RejectProposalPayload:
        """Reject."""
        done = await desk.on_row(
            info,
            Act.REJECT_PROPOSAL,
            input_,
            desk.find(input_.proposal_id, "pr"),
            _PROPOSALS,
            lambda work, proposal: proposals.reject_proposal(
                work, proposal, version=input_.expected_version
            ),
        )
        return RejectProposalPayload(case=done.case, proposal=done.row, user_errors=done.errors)
