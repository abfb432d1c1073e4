"""A mediator's proposals: a side's answer is hidden from the other until both have answered."""

from typing import Final
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlmodel import col

from odr import cases, claims, orders, performance, terms
from odr.cases import Entry, Held
from odr.errors import NotFound, Unmet
from odr.models.dialogue import Proposal
from odr.models.states import Channel, ProposalState
from odr.procedure.acts import Act
from odr.procedure.facts import Fact
from odr.terms import Terms
from odr.words import Reason, Side
from odr.work import Work

REASONS_MAX: Final = 8000
"""Characters in the reasons that a mediator gives for a proposal."""

_CAUCUS: Final = {
    Side.CLAIMANT: (Channel.CLAIMANT_CAUCUS, "claimant_accepts"),
    Side.RESPONDENT: (Channel.RESPONDENT_CAUCUS, "respondent_accepts"),
}


async def propose_terms(
    work: Work, case_id: UUID, proposed: Terms, *, reasons: str, version: int | None = None
) -> UUID:
    """Propose terms to both sides; its id is ``work.result``."""
    held = await cases.hold(work, case_id, Act.PROPOSE_TERMS, version=version)
    bought = await orders.bought(work.conn, held.case.order_id)
    reason = Reason(held.case.reason)
    orders.check(bought, proposed, held.rulebook, reason=reason, claim=False)
    claims.text_within(reasons, ("reasons",), REASONS_MAX)
    given = terms.to_json(proposed)
    await work.conn.execute(
        insert(Proposal).values(
            id=work.result,
            case_id=case_id,
            account_id=work.actor.account_id,
            terms=given,
            amount_minor=terms.to_buyer(proposed).amount_minor,
            reasons=reasons,
            state=ProposalState.OPEN,
            at=work.at,
        )
    )
    entry = Entry(
        said={"proposal": str(work.result), "terms": given, "reasons": reasons},
        shown={"proposal": str(work.result), **claims.amount_of(proposed)},
        channel=Channel.MEDIATION,
    )
    await cases.advance(work, held, entry)
    return work.result


async def accept_proposal(work: Work, proposal_id: UUID, *, version: int | None = None) -> UUID:
    """Accept; when both sides did, the case is settled on the proposal's terms."""
    return await _answer(work, proposal_id, Act.ACCEPT_PROPOSAL, version, accepts=True)


async def reject_proposal(work: Work, proposal_id: UUID, *, version: int | None = None) -> UUID:
    """Reject; the other side learns it only when it has answered as well."""
    return await _answer(work, proposal_id, Act.REJECT_PROPOSAL, version, accepts=False)


async def _answer(
    work: Work, proposal_id: UUID, act: Act, version: int | None, *, accepts: bool
) -> UUID:
    case_id = (await _found(work, proposal_id)).case_id
    held = await cases.hold(work, case_id, act, version=version)
    proposal = await _found(work, proposal_id)
    channel, column = _CAUCUS[held.party]
    if proposal.state != ProposalState.OPEN:
        raise Unmet(act=act, fact=Fact.PROPOSAL_TO_ANSWER)
    await work.conn.execute(
        update(Proposal).where(col(Proposal.id) == proposal_id).values({column: accepts})
    )
    entry = Entry(
        said={"proposal": str(proposal_id), "accepts": accepts},
        shown={"proposal": str(proposal_id)},
        channel=channel,
        tell=(),
    )
    await cases.advance(work, held, entry)
    proposal = await _found(work, proposal_id)
    if None not in (proposal.claimant_accepts, proposal.respondent_accepts):
        await _reveal(work, proposal)
    return proposal_id


async def _reveal(work: Work, proposal: Proposal) -> None:
    """Both sides have answered: the answers are told, and what follows from them is done."""
    both = bool(proposal.claimant_accepts and proposal.respondent_accepts)
    answers = {
        "proposal": str(proposal.id),
        "claimant": proposal.claimant_accepts,
        "respondent": proposal.respondent_accepts,
    }
    service = work.dated(work.at)
    act = Act.SETTLE_BY_PROPOSAL if both else Act.FAIL_PROPOSAL
    held = await cases.follow(service, proposal.case_id, act)
    await work.conn.execute(
        update(Proposal)
        .where(col(Proposal.id) == proposal.id)
        .values(state=ProposalState.ACCEPTED if both else ProposalState.FAILED)
    )
    if both:
        await _settle(service, held, proposal)
    else:
        await cases.advance(
            service, held, Entry(said=answers, shown=answers, channel=Channel.MEDIATION)
        )


async def _settle(work: Work, held: Held, proposal: Proposal) -> None:
    """The record says on what terms it was settled; whose proposal it was stays behind the wall."""
    agreed = terms.from_json(proposal.terms)
    entry = Entry(said={"terms": proposal.terms}, shown=claims.amount_of(agreed))
    held = await cases.advance(work, held, entry)
    await performance.begin(work, held, agreed)


async def _found(work: Work, proposal_id: UUID) -> Proposal:
    columns = Proposal.__table__.c  # type: ignore[attr-defined]  # SQLModel gives every table class its Table
    statement = select(*columns).where(columns.id == proposal_id)
    row = (await work.conn.execute(statement)).mappings().one_or_none()
    if row is None:
        raise NotFound
    return Proposal(**row)
