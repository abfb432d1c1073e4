"""Insurance: the claim of whoever bore an insured loss; notified by rule, decided, paid.

When a case grants the buyer something for a reason that is a peril, and a cover of the order
insures that peril, the insurer is told at once: it gets a claim, a seat in the case, and a
reserve in the ledger. The insured is whoever bore the loss: the seller, or the marketplace where
it pays without recourse. A cover that a marketplace has taken out insures its sellers as well.
The money stays in the ledger: from the insurer's fund to the seller's proceeds or to the
platform. The buyer's money never waits for any of this.

The amounts of the stages (claimed, reserved, approved, paid) stand side by side and are not
overwritten. No act of the procedure's table decides an insurance claim, so nothing of it is
entered in the case's record; who decided what is in the claim's own row.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, insert, select, update
from sqlalchemy.dialects import postgresql
from sqlmodel import col

from odr import ids, journal, ledger, notices, numbers, policy
from odr.cases import Held
from odr.errors import Invalid, NotAllowed, NotFound, Stale
from odr.ledger import HOUSE, Account, Kind, Transfer
from odr.models.cases import Seat
from odr.models.money import InsuranceClaim
from odr.models.states import InsuranceState
from odr.models.trade import Cover, Order, OrderCover
from odr.money import Money
from odr.orders import Bought
from odr.procedure.acts import Role
from odr.words import Peril, Reason
from odr.work import Work

GROUNDS_MAX: Final = 4000
DENIAL_REASON_MAX: Final = 60
"""Characters of the grounds of a decision, and of a denial's reason code."""

_UNDECIDED: Final = frozenset(
    {
        InsuranceState.NOTIFIED,
        InsuranceState.UNDER_REVIEW,
        InsuranceState.INFORMATION_REQUESTED,
    }
)
_APPROVED: Final = frozenset({InsuranceState.APPROVED, InsuranceState.APPROVED_IN_PART})


@dataclass(frozen=True, slots=True)
class Notified:
    """A claim that was notified, and the lines of its reserve; neither where nothing is insured."""

    claim: InsuranceClaim | None = None
    reserve: Sequence[Transfer] = field(default_factory=tuple)


NOTHING: Final = Notified()


async def notify_of(
    work: Work, held: Held, bought: Bought, granted: Money, *, recourse: bool = True
) -> Notified:
    """Notify the insurer of what a case granted, where a cover of the order insures it.

    Without ``recourse`` the marketplace bore the loss. The reserve is not booked here: it goes
    into the act's one ``book``, or the act goes on without it (``unreserved``). Locks the cover.
    """
    order = bought.order
    bearer = order.seller_id if recourse else order.marketplace_id
    found = await _cover(work, held, bought, bearer) if granted else None
    if found is None:
        return NOTHING
    cover, peril = found
    amount = min(
        granted.amount_minor - cover.deductible_minor,
        cover.claim_limit_minor,
        cover.aggregate_limit_minor - await _claimed(work, cover.id),
    )
    if amount <= 0:
        return NOTHING
    claim = InsuranceClaim(
        id=ids.derive(held.id, f"insurance:{cover.id}:{peril}"),
        number="",
        cover_id=cover.id,
        insurer_id=cover.insurer_id,
        insured_id=bearer,
        case_id=held.id,
        order_id=order.id,
        peril=peril,
        state=InsuranceState.NOTIFIED,
        currency=cover.currency,
        claimed_minor=amount,
        reserved_minor=amount,
        notified_at=work.at,
    )
    if not await _inserted(work, claim):
        return NOTHING
    await _seat(work, claim)
    await _tell(work, claim, "insurance_claim_notified", claim.insurer_id)
    payee = _payee(claim, order.marketplace_id)
    lines = journal.loss_reserved(
        claim.id, claim.id, claim.insurer_id, payee, Money(amount, claim.currency)
    )
    return Notified(claim, lines)


async def unreserved(work: Work, claim: InsuranceClaim) -> None:
    """The insurer's fund did not cover the reserve: the claim stands, and both are told."""
    await _set(work, claim, reserved_minor=0)
    await _tell(work, claim, "insurance_fund_short", claim.insurer_id, operators=True)


async def _cover(
    work: Work, held: Held, bought: Bought, bearer: UUID
) -> tuple[Cover, Peril] | None:
    """The cover that insures a loss of ``bearer`` by a peril of the case's reason, locked."""
    order = bought.order
    perils = held.rulebook.reasons[Reason(held.case.reason)].perils
    placed = order.placed_at.astimezone(ZoneInfo(order.zone)).date()
    columns = Cover.__table__.c  # type: ignore[attr-defined]  # SQLModel gives every table class its Table
    statement = (
        select(*columns)
        .join(OrderCover, col(OrderCover.cover_id) == columns.id)
        .where(
            col(OrderCover.order_id) == order.id,
            columns.currency == order.currency,
            columns.starts <= placed,
            columns.ends >= placed,
            columns.insured_id.in_((bearer, order.marketplace_id)),
            columns.perils.overlap([peril.value for peril in perils]),
        )
        .order_by(columns.insured_id != bearer, columns.registered_at, columns.id)
        .limit(1)
        .with_for_update(of=Cover, key_share=True)
    )
    row = (await work.conn.execute(statement)).mappings().first()
    if row is None:
        return None
    cover = Cover(**row)
    return cover, next(peril for peril in perils if peril.value in cover.perils)


async def _claimed(work: Work, cover_id: UUID) -> int:
    """What is claimed on a cover or was approved; a denied claim leaves room again."""
    decided = col(InsuranceClaim.decided_at).is_not(None)
    amount = func.sum(col(InsuranceClaim.claimed_minor)).filter(~decided)
    approved = func.sum(col(InsuranceClaim.approved_minor)).filter(decided)
    statement = select(func.coalesce(amount, 0) + func.coalesce(approved, 0)).where(
        col(InsuranceClaim.cover_id) == cover_id
    )
    return int((await work.conn.execute(statement)).scalar_one())


async def _inserted(work: Work, claim: InsuranceClaim) -> bool:
    """Write the claim under a number that nobody has; False if it was notified before."""
    known = select(col(InsuranceClaim.id)).where(col(InsuranceClaim.id) == claim.id)
    while (await work.conn.execute(known)).first() is None:
        claim.number = numbers.insurance_claim(work.at)
        row = postgresql.insert(InsuranceClaim).values(claim.model_dump())
        written = row.on_conflict_do_nothing(index_elements=["number"]).returning(
            col(InsuranceClaim.id)
        )
        if (await work.conn.execute(written)).first() is not None:
            return True
    return False


async def _seat(work: Work, claim: InsuranceClaim) -> None:
    """Let the insurer's people see the case."""
    await work.conn.execute(
        insert(Seat).values(
            id=ids.child(claim.case_id),
            case_id=claim.case_id,
            role=Role.INSURER,
            organisation_id=claim.insurer_id,
            since=work.at,
        )
    )


def _payee(claim: InsuranceClaim, marketplace_id: UUID) -> Account:
    """Where the indemnity goes: to whoever bore the loss."""
    if claim.insured_id == marketplace_id:
        return Account(Kind.PLATFORM, HOUSE, claim.currency)
    return Account(Kind.PROCEEDS, claim.insured_id, claim.currency)


# What the insurer does.


async def decide(
    work: Work,
    claim_id: UUID,
    *,
    approve_minor: int | None = None,
    denial_reason: str | None = None,
    grounds: str,
    version: int | None = None,
) -> None:
    """Approve a claim, whole or in part, or deny it; by one of the insurer's people, with grounds.

    ``NotFound`` for others, ``NotAllowed`` once it is decided, ``Stale``, ``Invalid`` beyond what
    was claimed, ``Unfunded`` if the insurer's fund does not cover what is approved.
    """
    claim = await _held(work, claim_id, "decide_insurance_claim", _UNDECIDED, version)
    _check_text(grounds, ("grounds",), GROUNDS_MAX)
    if (approve_minor is None) == (denial_reason is None):
        raise Invalid(("approve_minor",), "contradictory")
    state = InsuranceState.DENIED
    if denial_reason is not None:
        _check_text(denial_reason, ("denial_reason",), DENIAL_REASON_MAX)
    elif approve_minor is not None:
        if not 0 < approve_minor <= claim.claimed_minor:
            raise Invalid(
                ("approve_minor",), "out_of_bounds", minimum=1, maximum=claim.claimed_minor
            )
        whole = approve_minor == claim.claimed_minor
        state = InsuranceState.APPROVED if whole else InsuranceState.APPROVED_IN_PART
    await _set(
        work,
        claim,
        state=state,
        version=claim.version + 1,
        approved_minor=approve_minor or 0,
        denial_reason=denial_reason,
        grounds=grounds,
        decided_by=work.actor.account_id,
        decided_at=work.at,
        settled_at=work.at if denial_reason is not None else None,
    )
    await _tell(work, claim, "insurance_claim_decided", claim.insured_id)
    await _book_decision(work, claim, approve_minor)


async def _book_decision(work: Work, claim: InsuranceClaim, approve_minor: int | None) -> None:
    """Free the reserve of a denied claim; reserve what was approved if nothing is reserved."""
    reserve = await _reserve(work, claim)
    if approve_minor is None:
        if reserve is not None:
            await ledger.book(work.conn, journal.loss_denied(claim.id, claim.id, reserve.id))
        return
    if reserve is None:
        amount = Money(approve_minor, claim.currency)
        payee = _payee(claim, await _marketplace(work, claim))
        fact = ids.derive(claim.id, "decision")
        lines = journal.loss_reserved(fact, claim.id, claim.insurer_id, payee, amount)
        await _set(work, claim, reserved_minor=approve_minor)
        await ledger.book(work.conn, lines, opening=ledger.accounts_of(lines))


async def pay(work: Work, claim_id: UUID, *, version: int | None = None) -> None:
    """Pay what was approved, out of the reserve; what is left of it returns to the fund.

    By one of the insurer's people; refuses as ``decide``.
    """
    claim = await _held(work, claim_id, "pay_insurance_claim", _APPROVED, version)
    reserve = await _reserve(work, claim)
    if reserve is None:
        raise RuntimeError(f"the approved claim {claim.number} has no reserve")
    await _set(
        work,
        claim,
        state=InsuranceState.PAID,
        version=claim.version + 1,
        paid_minor=claim.approved_minor,
        settled_at=work.at,
    )
    await _tell(work, claim, "insurance_claim_paid", claim.insured_id)
    amount = Money(claim.approved_minor, claim.currency)
    await ledger.book(work.conn, journal.indemnity_paid(claim.id, claim.id, reserve.id, amount))


async def _held(
    work: Work,
    claim_id: UUID,
    act: str,
    states: frozenset[InsuranceState],
    version: int | None,
) -> InsuranceClaim:
    """The claim under its lock, if the actor's insurer may do this to it as it stands."""
    policy.require(work.actor, "insure")
    columns = InsuranceClaim.__table__.c  # type: ignore[attr-defined]  # SQLModel gives every table class its Table
    statement = select(*columns).where(columns.id == claim_id).with_for_update()
    row = (await work.conn.execute(statement)).mappings().one_or_none()
    if row is None:
        raise NotFound
    claim = InsuranceClaim(**row)
    policy.require_member(work.actor, claim.insurer_id)
    if version is not None and version != claim.version:
        raise Stale(expected=version, version=claim.version)
    if claim.state not in states:
        raise NotAllowed(act=act, state=claim.state, role=Role.INSURER)
    return claim


def _check_text(text: str, path: tuple[str, ...], longest: int) -> None:
    if not text.strip():
        raise Invalid(path, "missing")
    if len(text) > longest or "\x00" in text:
        raise Invalid(path, "too_long" if len(text) > longest else "malformed", maximum=longest)


async def _reserve(work: Work, claim: InsuranceClaim) -> ledger.Hold | None:
    holds = await ledger.open_holds(work.conn, claim.id)
    return holds[0] if holds else None


async def _marketplace(work: Work, claim: InsuranceClaim) -> UUID:
    statement = select(col(Order.marketplace_id)).where(col(Order.id) == claim.order_id)
    found: UUID = (await work.conn.execute(statement)).scalar_one()
    return found


async def _set(work: Work, claim: InsuranceClaim, **values: Any) -> None:
    await work.conn.execute(
        update(InsuranceClaim).where(col(InsuranceClaim.id) == claim.id).values(**values)
    )


async def _tell(
    work: Work, claim: InsuranceClaim, kind: str, organisation: UUID, *, operators: bool = False
) -> None:
    facts = {"insurance_claim": str(claim.id), "number": claim.number}
    await notices.tell(
        work.conn,
        claim.case_id,
        kind,
        facts,
        at=work.noticed,
        organisations=(organisation,),
        operators=operators,
    )
