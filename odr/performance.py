"""Performance: obligations from the terms, the money that they grant, and the end of a case.

Granted is separate from executed: ``begin`` books what the buyer is granted and plans the payouts;
``odr.payouts`` sends them; a payment that is executed comes back as the act RECORD_PAYMENT. A case
is complete when every obligation is done and every payout of it is paid.
"""

from uuid import UUID

from sqlalchemy import insert, select, update
from sqlmodel import col

from odr import cases, ids, insurance, journal, ledger, orders, payouts, terms
from odr.cases import Entry, Held
from odr.deadlines import Start
from odr.errors import Unfunded
from odr.insurance import Notified
from odr.ledger import Kind, Transfer
from odr.models.cases import Case
from odr.models.money import Obligation, Payout
from odr.models.states import ObligationState
from odr.models.trade import Order
from odr.money import Money
from odr.orders import Bought
from odr.procedure.acts import Act, Role
from odr.procedure.clocks import Clock
from odr.remedies import Flow
from odr.terms import Item, Terms
from odr.words import Outcome, Party
from odr.work import Work


async def grant(work: Work, case: Case, granted: Terms) -> None:
    """Write down what was agreed or decided; no money moves yet."""
    await work.conn.execute(
        update(Case)
        .where(col(Case.id) == case.id)
        .values(terms=terms.to_json(granted), granted_minor=terms.to_buyer(granted).amount_minor)
    )


async def possible(work: Work, case: Case, decided: Terms) -> tuple[Terms, dict[str, object]]:
    """What can be granted of what was decided, and what the record then says of it.

    For what no person could correct: a clock's consequence and a final ruling. Other cases, a
    chargeback or an insurer may have given the buyer their money back meanwhile; what is not left
    is not granted, down to nothing, and the record tells what was decided and what was left.
    """
    facts = (await orders.bought(work.conn, case.order_id)).facts
    granted = terms.within(decided, facts)
    said: dict[str, object] = {"terms": terms.to_json(granted)}
    if granted != decided:
        said["decided"] = terms.to_json(decided)
        said["left"] = {
            "refund_minor": facts.refundable_minor,
            "compensation_minor": facts.compensable_minor,
        }
    return granted, said


async def begin(work: Work, held: Held, granted: Terms, *, recourse: bool = True) -> None:
    """Carry out what was agreed or decided: obligations, money granted, payouts planned.

    Without ``recourse`` the operator pays and the seller owes nothing.
    """
    case = held.case
    await grant(work, case, granted)
    bought = await orders.bought(work.conn, case.order_id)
    obligations = [
        _obligation(work, case, number, item, bought)
        for number, item in enumerate(granted.items, 1)
    ]
    if obligations:
        await work.conn.execute(
            insert(Obligation).values([each.model_dump() for each in obligations])
        )
    for obligation in obligations:
        if obligation.debtor is Party.SELLER and obligation.amount_minor > 0:
            await _plan(work, held, obligation, bought.order)
    lines = await _dropped(work, case)
    lines += await _granted(work, case, bought, granted, recourse=recourse)
    loss = terms.to_buyer(granted)
    notified = await insurance.notify_of(work, held, bought, loss, recourse=recourse)
    await _book(work, lines, notified)
    await complete(work, held.id)


async def _book(work: Work, lines: list[Transfer], notified: Notified) -> None:
    """Book everything at once, so that locks are taken in one order.

    An insurer's empty fund is no reason to refuse the buyer: then it goes without the reserve.
    """
    everything = [*lines, *notified.reserve]
    if not everything:
        return
    await ledger.open_accounts(work.conn, ledger.accounts_of(everything))
    if notified.claim is None:
        await ledger.book(work.conn, lines)
        return
    try:
        async with work.conn.begin_nested():
            await ledger.book(work.conn, everything)
    except Unfunded:
        await insurance.unreserved(work, notified.claim)
        await ledger.book(work.conn, lines)


def _obligation(work: Work, case: Case, number: int, item: Item, bought: Bought) -> Obligation:
    """The step that carries out one item; what needs no payout is done at once."""
    to_buyer = item.flow is Flow.TO_BUYER
    amount = item.amount_minor or 0
    if not to_buyer and item.amount_minor is None:
        amount = bought.facts.refundable_minor
    done = not to_buyer or amount == 0
    return Obligation(
        id=ids.child(case.id),
        case_id=case.id,
        number=number,
        remedy=item.remedy,
        debtor=Party.SELLER if to_buyer else Party.BUYER,
        amount_minor=amount,
        currency=case.currency,
        state=ObligationState.DONE if done else ObligationState.DUE,
        created=work.at,
        ended_at=work.at if done else None,
    )


async def _dropped(work: Work, case: Case) -> list[Transfer]:
    """The hold of the claim is given back before the grant takes what it needs."""
    holds = await ledger.open_holds(work.conn, case.id)
    return [
        line
        for hold in holds
        if hold.code == "claim_held"
        for line in journal.claim_dropped(case.id, case.id, hold.id)
    ]


async def free_escrow(work: Work, case: Case) -> None:
    """Nothing is claimed any more: what was held in escrow is free again."""
    await ledger.book(work.conn, await _dropped(work, case))


async def _granted(
    work: Work, case: Case, bought: Bought, granted: Terms, *, recourse: bool
) -> list[Transfer]:
    """The lines of what is granted: escrow first, then the bond, then the platform's advance."""
    trade = bought.trade
    refund = terms.refund(granted)
    extra = terms.to_buyer(granted) - refund
    funds = await orders.funds(work.conn, trade)
    held = sum(
        hold.amount.amount_minor
        for hold in await ledger.open_holds(work.conn, case.id)
        if hold.code == "claim_held"
    )
    lines: list[Transfer] = []
    if not recourse:
        if refund:
            lines += journal.without_recourse(case.id, trade, case.id, refund)
        if extra:
            platform = trade.of_house(Kind.PLATFORM)
            lines += journal.compensation(case.id, trade, case.id, extra, platform)
        return lines
    shares = journal.waterfall(refund.amount_minor, funds.escrow + held, funds.bond)
    # What the two sides agree on is paid by them: the platform lends only where a neutral or the
    # clock decides, or buyer and seller could take any amount out of it together.
    agreed = case.outcome is Outcome.SETTLED
    if agreed and shares.advance:
        raise Unfunded(account=Kind.BOND.value)
    if shares.total:
        lines += journal.refund(case.id, trade, case.id, shares)
    if extra:
        covered = funds.bond - shares.bond >= extra.amount_minor
        if agreed and not covered:
            raise Unfunded(account=Kind.BOND.value)
        payer = trade.of_seller(Kind.BOND if covered else Kind.RECEIVABLE)
        lines += journal.compensation(case.id, trade, case.id, extra, payer)
    released = terms.to_seller(granted, bought.facts)
    free = funds.escrow + held - shares.escrow
    if (amount := min(released.amount_minor, free)) > 0:
        lines += journal.release_to_seller(case.id, trade, Money(amount, case.currency))
    return lines


async def _plan(work: Work, held: Held, obligation: Obligation, order: Order) -> None:
    payout = await payouts.plan(
        work,
        held,
        obligation_id=obligation.id,
        payee=f"account:{order.buyer_id}",
        purpose=obligation.remedy.value,
        amount=Money(obligation.amount_minor, obligation.currency),
    )
    clock = Start(Clock.PAYOUT, payout.id, None, payout.amount_minor, payout.expected_at)
    await cases.start_clock(work, held, clock)


async def record_payment(work: Work, case_id: UUID, payout_id: UUID) -> None:
    """A payment of the case was executed: its obligation is done, its clock stops."""
    held = await cases.hold(work, case_id, Act.RECORD_PAYMENT, roles=frozenset({Role.SERVICE}))
    columns = Payout.__table__.c  # type: ignore[attr-defined]  # SQLModel gives every table class its Table
    payout = (await work.conn.execute(select(*columns).where(columns.id == payout_id))).one()
    await work.conn.execute(
        update(Obligation)
        .where(col(Obligation.id) == payout.obligation_id)
        .values(state=ObligationState.DONE, ended_at=work.at)
    )
    facts = {
        "payout": str(payout_id),
        "amount_minor": payout.amount_minor,
        "currency": payout.currency,
    }
    said = facts | {"reference": payout.reference, "rail": payout.rail}
    await cases.advance(work, held, Entry(said=said, shown=facts, stop=(payout_id,)))
    await complete(work, case_id)


async def complete(work: Work, case_id: UUID) -> None:
    """Close a case of which everything is carried out; otherwise do nothing."""
    if not await cases.offers(work, case_id, Act.COMPLETE, Role.SERVICE):
        return
    held = await cases.follow(work, case_id, Act.COMPLETE)
    await cases.advance(work, held, Entry())


async def raise_payout_alarm(work: Work, case_id: UUID, payout_id: UUID) -> None:
    """A payment is overdue: the administrator is told; the payment stays due."""
    held = await cases.hold(work, case_id, Act.RAISE_PAYOUT_ALARM, roles=frozenset({Role.CLOCK}))
    await cases.advance(work, held, Entry(shown={"payout": str(payout_id)}))


async def end_performance(work: Work, case_id: UUID, _: UUID) -> None:
    """What was not done in time turns into its default: only payments are left."""
    held = await cases.hold(work, case_id, Act.END_PERFORMANCE, roles=frozenset({Role.CLOCK}))
    await cases.advance(work, held, Entry())
    await complete(work, case_id)


async def close_overdue(work: Work, case_id: UUID, _: UUID) -> None:
    """The case is closed at last; a payment that is due stays due."""
    held = await cases.hold(work, case_id, Act.CLOSE_OVERDUE, roles=frozenset({Role.CLOCK}))
    await cases.advance(work, held, Entry())
