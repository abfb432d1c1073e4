"""Payouts: what was granted goes out through a payment rail, once, whatever crashes.

A payout moves by steps, each committed before the next; what holds after a crash between two:

1. PLANNED, in the act that grants the money, with an outbox row. Crash: the worker finds it.
2. PLANNED → HELD: the ledger sets the money apart; above the limit the payout then waits for a
   second person (AWAITING_APPROVAL). Crash: as before or as after.
3. HELD → SUBMITTING: from here on the rail may have it. Crash: as 4.
4. SUBMITTING: the try is counted and committed; the rail is asked for our reference, and only if
   it has none is it asked to pay, under a key that follows from the payout and not from the try.
   The first try goes the same way as one after a crash. No answer is *unknown* and never a
   failure: the step is taken again. The call is made outside any transaction.
5. What the rail says, in its answer, by a webhook, or when it is asked later, is applied by
   ``_apply`` alone, under the locks of case and then payout, with the event's id in the inbox and
   the ledger's lines: PAID settles the hold and records the payment in the case; REJECTED gives
   the money back to what is payable; RETURNED does so after it was paid. It is due then, the
   administrator is told, and only ``plan_again`` sends it again, as a new payout.

``odr.reconciliation`` asks for what no webhook told. The module knows no bank and speaks no HTTP.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from odr import cases, ids, inbox, journal, ledger, notices, outbox, policy
from odr.cases import Held
from odr.deadlines import Start
from odr.errors import Invalid, NotFound, Unmet
from odr.ledger import Transfer
from odr.models.money import Obligation, Payout
from odr.models.states import ObligationState, PayoutState
from odr.money import Money
from odr.procedure.acts import Act, Role
from odr.procedure.clocks import Clock
from odr.rails import manual
from odr.rails.rail import Event, Instruction, Rail, Report, Standing, Unanswered
from odr.rulebook import Window
from odr.sql import typed
from odr.work import SERVICE, Office, Work

OUTBOX: Final = "payout"
"""The kind of the outbox rows by which the worker finds payouts."""

RAIL_SECONDS_MAX: Final = 30.0
"""From looking a payment up to sending it: whoever was stopped longer has to look again."""

SPLITTING: Final = timedelta(days=1)
"""Payouts to one payee within this time count together towards the limit."""

_HELD: Final = frozenset(
    {
        PayoutState.HELD,
        PayoutState.AWAITING_APPROVAL,
        PayoutState.SUBMITTING,
        PayoutState.SUBMITTED,
    }
)
"""The states in which the ledger holds the money."""

BANK_REFERENCE_MAX: Final = 100
"""Characters of what a bank calls a payment."""

_REPLACED: Final = "the payment in whose place it was is made after all"

At = Callable[[str], None]


def passing(_: str) -> None:
    """Pass a named boundary between two steps; tests hand in one that crashes there."""


async def plan(
    work: Work, held: Held, *, obligation_id: UUID, payee: str, purpose: str, amount: Money
) -> Payout:
    """Plan the payout of an obligation; its id follows from the obligation's, so there is one."""
    made = ids.derive(obligation_id, "payout")
    payout = Payout(
        id=made,
        case_id=held.id,
        obligation_id=obligation_id,
        payee=payee,
        purpose=purpose,
        amount_minor=amount.amount_minor,
        currency=amount.currency,
        rail=work.office.rail,
        reference=_reference(made),
        state=PayoutState.PLANNED,
        created=work.at,
        expected_at=held.window(Window.PAYOUT, work.noticed),
    )
    await _insert(work, payout)
    return payout


def _reference(payout_id: UUID) -> str:
    """34 characters, of the set that every bank takes."""
    return f"CP{payout_id.hex}"


async def _insert(work: Work, payout: Payout) -> None:
    await work.conn.execute(insert(Payout).values(payout.model_dump()))
    await outbox.put(work.conn, OUTBOX, payout.id)


# The steps.


async def step(office: Office, rail: Rail, payout_id: UUID, at: At = passing) -> bool:
    """Take a payout one step on; whether there is more to do now.

    ``Unanswered`` if the rail does not answer: then it is to be taken again after a while.
    ``Unfunded`` if what is payable does not cover it, which somebody has to look at.
    """
    async with office.engine.connect() as conn:
        payout = await _found(conn, payout_id)
    if payout.rail != rail.name:
        raise ValueError(f"payout {payout_id} is for the rail {payout.rail}")
    if payout.state is PayoutState.PLANNED:
        return await _hold(office, payout_id, at)
    if payout.state is PayoutState.HELD:
        return await _commit_to_send(office, payout_id, at)
    if payout.state is PayoutState.SUBMITTING:
        await _submit(office, rail, payout, at)
    return False


async def _hold(office: Office, payout_id: UUID, at: At) -> bool:
    """Set the money apart; above the limit, ask for a second person."""
    async with office.work(SERVICE, payout_id) as work:
        payout = await _locked(work.conn, payout_id)
        if payout.state is not PayoutState.PLANNED:
            return True
        awaits = await _needs_second_person(work, payout)
        state = PayoutState.AWAITING_APPROVAL if awaits else PayoutState.HELD
        await _set(work, payout, state=state)
        if awaits:
            await _tell_operator(work, payout, "payout_awaits_approval")
        source, amount = journal.payable(payout.case_id, payout.currency), _amount(payout)
        await _book(work, journal.payout_sent(payout.id, payout.case_id, source, amount))
        at("hold: before commit")
    at("hold: committed")
    return not awaits


async def _needs_second_person(work: Work, payout: Payout) -> bool:
    """Whether what the payee gets within a day is above the limit: splitting does not help."""
    if work.office.approvals is None:
        return False
    recently = select(func.sum(col(Payout.amount_minor))).where(
        col(Payout.payee) == payout.payee,
        col(Payout.currency) == payout.currency,
        col(Payout.state).not_in((PayoutState.REJECTED, PayoutState.RETURNED)),
        col(Payout.created) > payout.created - SPLITTING,
    )
    total = (await work.conn.execute(recently)).scalar_one()
    return bool(total > work.office.approvals.get(payout.currency, 0))


async def _commit_to_send(office: Office, payout_id: UUID, at: At) -> bool:
    """Say that the rail may have it from now on."""
    async with office.work(SERVICE, payout_id) as work:
        payout = await _locked(work.conn, payout_id)
        if payout.state is PayoutState.HELD:
            await _set(work, payout, state=PayoutState.SUBMITTING)
        at("intent: before commit")
    at("intent: committed")
    return True


async def _submit(office: Office, rail: Rail, payout: Payout, at: At) -> None:
    """Look the payment up; if the rail has none, ask for it; apply what it says."""
    async with office.work(SERVICE, payout.id) as work:
        await _set(work, payout, tries=payout.tries + 1, asked_at=work.at)
        at("try: before commit")
    at("try: committed")
    try:
        async with asyncio.timeout(RAIL_SECONDS_MAX):
            report = await rail.find(payout.reference)
            at("rail: looked up")
            if report is None and await _is_replaced(office, rail, payout, at):
                return
            if report is None:
                report = await rail.send(_instruction(payout))
                at("rail: asked to pay")
    except TimeoutError as error:
        raise Unanswered("it took too long") from error
    await _hear(office, rail, report, at)


async def _is_replaced(office: Office, rail: Rail, payout: Payout, at: At) -> bool:
    """Whether the payout in whose place this one is was paid after all: then this one ends."""
    if payout.again_of is None:
        return False
    async with office.engine.connect() as conn:
        first = await _found(conn, payout.again_of)
    if first.rail != rail.name or first.state is PayoutState.RETURNED:
        return False
    report = await rail.find(first.reference)
    if report is None or report.standing is Standing.REJECTED:
        return False
    async with office.work(SERVICE, payout.id) as work:
        this = await _locked_with_case(work.conn, payout.case_id, payout.id)
        if this.state is PayoutState.SUBMITTING:
            lines = journal.payout_rejected(this.id, this.case_id)
            await _not_paid(work, this, PayoutState.REJECTED, _REPLACED, lines)
    await _hear(office, rail, report, at)
    return True


def _instruction(payout: Payout) -> Instruction:
    return Instruction(
        key=f"payout:{payout.id}",
        reference=payout.reference,
        payee=payout.payee,
        purpose=payout.purpose,
        amount=_amount(payout),
    )


# What a rail says.


async def told(office: Office, event: Event, at: At = passing) -> None:
    """Take in what a rail tells by itself: twice, late or out of order, it counts once.

    What is about no payout of ours is kept, and looked at by ``odr.reconciliation``.
    """
    known = select(col(Payout.id), col(Payout.case_id)).where(
        col(Payout.reference) == event.report.reference, col(Payout.rail) == event.rail
    )
    async with office.engine.connect() as conn:
        found = (await conn.execute(known)).one_or_none()
    async with office.work(SERVICE, ledger.HOUSE if found is None else found.id) as work:
        if found is None:
            await inbox.first_told(work.conn, event, None)
        else:
            payout = await _locked_with_case(work.conn, found.case_id, found.id)
            if await inbox.first_told(work.conn, event, payout.id):
                await _apply(work, payout, event.report)
        at("told: before commit")
    at("told: committed")


async def ask(office: Office, rail: Rail, payout_id: UUID, at: At = passing) -> None:
    """Ask a rail what became of a payout, and apply it; what is being sent, is sent.

    ``Unanswered``; the time of asking is kept in either case.
    """
    async with office.work(SERVICE, payout_id) as work:
        payout = await _found(work.conn, payout_id)
        await _set(work, payout, asked_at=work.at)
    if payout.state is PayoutState.SUBMITTING:
        await step(office, rail, payout_id, at)
        return
    report = await rail.find(payout.reference)
    if report is not None:
        await _hear(office, rail, report, at)


async def _hear(office: Office, rail: Rail, report: Report, at: At) -> None:
    """Take in an answer: as an event whose id follows from what is said."""
    said = f"answer:{report.standing}:{report.reference}"
    await told(office, Event(rail.name, said, report), at)


async def _apply(work: Work, payout: Payout, report: Report) -> None:
    """Apply what a rail says to a payout that is locked, as is its case.

    What does not fit (another amount, a payment that we never asked for, one that was returned
    and is called paid) changes nothing; somebody has to look at it.
    """
    state, said = payout.state, report.standing
    if report.amount != _amount(payout) or state is PayoutState.PLANNED:
        await _alarm(work, payout, "payout_contradicted")
        return
    reason = report.reason or said.value
    if state in _HELD and said is Standing.ACCEPTED:
        await _set(work, payout, state=PayoutState.SUBMITTED, rail_id=report.rail_id)
        if payout.rail == manual.NAME:
            await _tell_operator(work, payout, "payout_to_make")
    elif state in _HELD and said is Standing.PAID:
        await _paid(work, payout, report, journal.payout_settled(payout.id, payout.case_id))
    elif state in _HELD:
        # What was returned before we heard that it was paid was, for the ledger, never paid.
        lines = journal.payout_rejected(payout.id, payout.case_id)
        await _not_paid(work, payout, PayoutState(said), reason, lines)
    elif state is PayoutState.PAID and said in {Standing.RETURNED, Standing.REJECTED}:
        source = journal.payable(payout.case_id, payout.currency)
        lines = journal.payout_returned(payout.id, payout.case_id, source, _amount(payout))
        await _not_paid(work, payout, PayoutState.RETURNED, reason, lines)
    elif state is PayoutState.REJECTED and said is Standing.PAID:
        await _paid_after_all(work, payout, report)


async def _paid(work: Work, payout: Payout, report: Report, lines: list[Transfer]) -> None:
    """It is paid: the ledger, the obligation and the case's record say so together."""
    await _set(
        work, payout, state=PayoutState.PAID, rail_id=report.rail_id, paid_at=work.at, reason=None
    )
    await _book(work, lines)
    if await cases.offers(work, payout.case_id, Act.RECORD_PAYMENT, Role.SERVICE):
        record = work.office.consequences[Act.RECORD_PAYMENT]
        await record(work.dated(work.at), payout.case_id, payout.id)


async def _not_paid(
    work: Work, payout: Payout, state: PayoutState, reason: str, lines: list[Transfer]
) -> None:
    """The money is back and stays due: in what is payable, and with the obligation."""
    await _set(work, payout, state=state, reason=reason)
    await _book(work, lines)
    await work.conn.execute(
        update(Obligation)
        .where(col(Obligation.id) == payout.obligation_id)
        .values(state=ObligationState.DUE, ended_at=None)
    )
    await _alarm(work, payout, f"payout_{state}")


async def _paid_after_all(work: Work, payout: Payout, report: Report) -> None:
    """The rail paid what it had rejected: a fact, and booked, from suspense if need be."""
    source, amount = journal.payable(payout.case_id, payout.currency), _amount(payout)
    balance = await ledger.balance(work.conn, source)
    covered = (balance.available or 0) >= payout.amount_minor
    lines = journal.payout_paid_after_all(
        payout.id, payout.case_id, source, amount, covered=covered
    )
    if covered:
        await _paid(work, payout, report, lines)
    else:
        await _set(work, payout, state=PayoutState.PAID, rail_id=report.rail_id, paid_at=work.at)
        await _book(work, lines)
        await _tell_operator(work, payout, "payout_paid_twice")


async def _alarm(work: Work, payout: Payout, kind: str) -> None:
    """Tell the operator, and enter it in the record as long as the payment is due."""
    await _tell_operator(work, payout, kind)
    if await cases.offers(work, payout.case_id, Act.RAISE_PAYOUT_ALARM, Role.CLOCK):
        raise_alarm = work.office.consequences[Act.RAISE_PAYOUT_ALARM]
        await raise_alarm(work.dated(work.at), payout.case_id, payout.id)


async def _tell_operator(work: Work, payout: Payout, kind: str) -> None:
    facts = payout.model_dump(include={"amount_minor", "currency", "reference"})
    facts["payout"] = str(payout.id)
    await notices.tell(work.conn, payout.case_id, kind, facts, at=work.noticed, operators=True)


# What the administrator does.


async def approve(work: Work, payout_id: UUID) -> None:
    """Let a payout above the limit go, as a second person; ``Unmet`` for whoever planned it."""
    policy.require_operator(work.actor)
    payout = await _locked(work.conn, payout_id)
    if payout.state is not PayoutState.AWAITING_APPROVAL:
        raise Unmet(act="approve_payout", fact="payout_awaits_approval")
    if payout.planned_by == work.actor.account_id:
        raise Unmet(act="approve_payout", fact="second_person")
    await _set(work, payout, state=PayoutState.HELD, approved_by=work.actor.account_id)
    await outbox.put(work.conn, OUTBOX, payout.id)


async def confirm(
    work: Work, payout_id: UUID, standing: Standing, *, bank_reference: str, reason: str = ""
) -> None:
    """Say what became of a payment that is made by hand: PAID, REJECTED, or RETURNED later.

    Whoever approved it does not confirm it as well (``Unmet``).
    """
    policy.require_operator(work.actor)
    payout = await _locked_for(work, payout_id)
    if payout.rail != manual.NAME:
        raise Invalid(("payout",), "not_by_hand", rail=payout.rail)
    if standing is Standing.ACCEPTED:
        raise Invalid(("standing",), "unknown_value")
    awaited = PayoutState.PAID if standing is Standing.RETURNED else PayoutState.SUBMITTED
    if payout.state is not awaited:
        raise Unmet(act="confirm_payout", fact=f"payout_{awaited}")
    if payout.approved_by == work.actor.account_id:
        raise Unmet(act="confirm_payout", fact="second_person")
    if not 0 < len(bank_reference) <= BANK_REFERENCE_MAX or not bank_reference.isprintable():
        raise Invalid(("bank_reference",), "malformed", maximum=BANK_REFERENCE_MAX)
    report = Report(
        rail_id=bank_reference,
        reference=payout.reference,
        amount=_amount(payout),
        standing=standing,
        reason=reason[:200],
    )
    event = Event(manual.NAME, f"{payout.id}:{standing}", report)
    if await inbox.first_told(work.conn, event, payout.id):
        await _apply(work, payout, report)


async def plan_again(work: Work, payout_id: UUID) -> UUID:
    """Plan a new payout in place of one that was rejected or returned; its id.

    There is one at most (``Unmet`` for a second). Its clock runs from now on.
    """
    policy.require_operator(work.actor)
    before = await _locked_for(work, payout_id)
    if before.state not in {PayoutState.REJECTED, PayoutState.RETURNED}:
        raise Unmet(act="plan_payout_again", fact="payout_rejected_or_returned")
    made = ids.derive(before.id, "payout")
    again = select(col(Payout.id)).where(col(Payout.id) == made)
    if (await work.conn.execute(again)).first() is not None:
        raise Unmet(act="plan_payout_again", fact="not_planned_again_yet")
    # Held as for the alarm, which is what its clock leads to; nothing is entered yet.
    held = await cases.follow(work, before.case_id, Act.RAISE_PAYOUT_ALARM, Role.CLOCK)
    payout = Payout(
        **before.model_dump(include=_KEPT),
        id=made,
        rail=work.office.rail,
        reference=_reference(made),
        state=PayoutState.PLANNED,
        again_of=before.id,
        planned_by=work.actor.account_id,
        created=work.at,
        expected_at=held.window(Window.PAYOUT, work.noticed),
    )
    await _insert(work, payout)
    clock = Start(Clock.PAYOUT, made, None, payout.amount_minor, payout.expected_at)
    await cases.start_clock(work, held, clock)
    return made


_KEPT: Final = {
    "case_id",
    "obligation_id",
    "insurance_claim_id",
    "payee",
    "purpose",
    "amount_minor",
    "currency",
}
"""What a payout has in common with the one in whose place it is."""


_LOCK_CASE: Final = typed("SELECT id FROM cases WHERE id = :case FOR UPDATE")


async def _found(conn: AsyncConnection, payout_id: UUID, *, locked: bool = False) -> Payout:
    columns = Payout.__table__.c  # type: ignore[attr-defined]  # SQLModel gives every table class its Table
    statement = select(*columns).where(columns.id == payout_id)
    if locked:
        statement = statement.with_for_update()
    row = (await conn.execute(statement)).mappings().one_or_none()
    if row is None:
        raise NotFound
    return Payout(**row)


async def _locked(conn: AsyncConnection, payout_id: UUID) -> Payout:
    return await _found(conn, payout_id, locked=True)


async def _locked_with_case(conn: AsyncConnection, case_id: UUID, payout_id: UUID) -> Payout:
    """The case first, then the payout: the order in which everybody locks."""
    await conn.execute(_LOCK_CASE, {"case": case_id})
    return await _locked(conn, payout_id)


async def _locked_for(work: Work, payout_id: UUID) -> Payout:
    case_id = (await _found(work.conn, payout_id)).case_id
    return await _locked_with_case(work.conn, case_id, payout_id)


async def _set(work: Work, payout: Payout, **values: Any) -> None:
    await work.conn.execute(update(Payout).where(col(Payout.id) == payout.id).values(**values))


async def _book(work: Work, lines: Sequence[Transfer]) -> None:
    await ledger.book(work.conn, lines, opening=ledger.accounts_of(lines))


def _amount(payout: Payout) -> Money:
    return Money(payout.amount_minor, payout.currency)
