"""Sealed bids: each side says once a round what it would settle for; nobody sees the other's.

The buyer bids the least that they would take back, the seller the most that they would give back.
When both bids are in, the round's clock is due at once and whatever runs clocks next compares
them: not whoever placed the second bid, so that nothing in the answer to it, not even how long it
took, depends on the other's. Bids that meet settle the case in the middle. Others are destroyed,
and what is left is a commitment in the record that nobody can open any more.

A bid stands until its round is over: it is neither changed nor taken back, since whoever could
change it could feel their way to the other's.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import RowMapping, insert, select, update
from sqlmodel import col

from odr import cases, claims, envelope, journal, orders, performance
from odr.cases import Entry, Held
from odr.caucus import Unsealable
from odr.deadlines import Start
from odr.errors import Invalid, Unfunded
from odr.models.cases import RunningClock
from odr.models.dialogue import Bid
from odr.models.states import BidState, ClockState
from odr.money import Money
from odr.procedure.acts import Act, Role
from odr.procedure.clocks import Clock
from odr.rulebook import Window
from odr.terms import Item, Terms
from odr.words import Party, Reason, Remedy, Side
from odr.work import Work

REMEDY: Final = Remedy.PARTIAL_REFUND
"""What is bid for: money back, and the goods stay where they are."""


async def place_bid(
    work: Work, case_id: UUID, amount: Money, *, version: int | None = None
) -> UUID:
    """Bid once in the present round, which the first bid begins; its id is ``work.result``.

    The amount is what goes back to the buyer: of the buyer the least, of the seller the most.
    ``Invalid`` at ``amount_minor`` or ``currency``, by what bounds an offer of a partial refund.
    """
    held = await cases.hold(work, case_id, Act.PLACE_BID, version=version)
    await _check(work, held, amount)
    side = held.party
    placed = await _sealed(work, case_id)
    rounds = held.measures["bids"]["rounds"]
    number = rounds if placed else rounds + 1
    ends = placed[0]["round_ends"] if placed else await _ends(work, held)
    text = envelope.write(case_id, side, amount)
    await work.conn.execute(
        insert(Bid).values(
            id=work.result,
            case_id=case_id,
            round=number,
            side=side,
            sealed=envelope.seal(work.office.caucus, work.result, text),
            state=BidState.SEALED,
            at=work.at,
            round_ends=ends,
        )
    )
    # With both bids in, nobody is awaited any more.
    awaits = None if placed else side.other
    due = max([work.noticed, *(bid["at"] for bid in placed)]) if placed else ends
    shown = {"bid": str(work.result), "round": number}
    entry = Entry(
        said=shown
        | {"commitment": envelope.commitment(text).hex(), "round_ends": ends.isoformat()},
        shown=shown,
        start=(Start(Clock.BID_ROUND, work.result, awaits, due=due),),
        stop=tuple(bid["id"] for bid in placed),
    )
    await cases.advance(work, held, entry)
    return work.result


async def close_bid_round(work: Work, case_id: UUID, _: UUID) -> None:
    """The round is over: bids that meet settle the case, any others are destroyed unseen.

    So are bids that meet in what the seller has no money for, since nobody lends it to the two of
    them; and one that cannot be opened counts as not placed. The record says of either.
    """
    held = await cases.hold(work, case_id, Act.CLOSE_BID_ROUND, roles=frozenset({Role.CLOCK}))
    amounts, unreadable = _open(work, held, await _sealed(work, case_id))
    middle = _middle(amounts)
    said: dict[str, object] = {"unreadable": unreadable} if unreadable else {}
    if middle is not None:
        before = len(work.appended)
        try:
            async with work.conn.begin_nested():
                await _end(work, held, BidState.MET, {})
                await _settle(work, held, middle)
        except Unfunded:
            del work.appended[before:]
            said["unfunded"] = True
        else:
            return
    await _end(work, held, BidState.DESTROYED, said)


async def _end(work: Work, held: Held, state: BidState, said: Mapping[str, object]) -> None:
    """Destroy the envelopes and tell that the round is over, unless something else is told."""
    await work.conn.execute(
        update(Bid)
        .where(col(Bid.case_id) == held.id, col(Bid.state) == BidState.SEALED)
        .values(state=state, sealed=None, ended_at=work.at)
    )
    shown = _round(held)
    tell = () if state is BidState.MET else None
    await cases.advance(work, held, Entry(said={**shown, **said}, shown=shown, tell=tell))


async def _settle(work: Work, closed: Held, middle: Money) -> None:
    """Carry the middle out; it cannot be more than is left of the order by now."""
    service = work.dated(work.at)
    held = await cases.follow(service, closed.id, Act.SETTLE_BY_BIDS)
    granted, said = await performance.possible(service, held.case, terms_of(middle))
    shown = _round(closed)
    entry = Entry(said=shown | said, shown=shown | claims.amount_of(granted))
    held = await cases.advance(service, held, entry)
    await performance.begin(service, held, granted)


def _round(held: Held) -> dict[str, object]:
    return {"round": held.measures["bids"]["rounds"]}


def terms_of(amount: Money) -> Terms:
    """The terms for which a bid of ``amount`` would settle."""
    return Terms(amount.currency, (Item(remedy=REMEDY, amount_minor=amount.amount_minor),))


async def _check(work: Work, held: Held, amount: Money) -> None:
    bought = await orders.bought(work.conn, held.case.order_id)
    reason = Reason(held.case.reason)
    try:
        orders.check(bought, terms_of(amount), held.rulebook, reason=reason, claim=False)
    except Invalid as refused:
        raise Invalid(refused.path[-1:], refused.code, **refused.bounds) from None


async def _ends(work: Work, held: Held) -> datetime:
    """When a round that begins now is over: after its window, but never after the negotiation."""
    ends = held.window(Window.BLIND_BID, work.noticed)
    last = await work.conn.scalar(
        select(col(RunningClock.due)).where(
            col(RunningClock.case_id) == held.id,
            col(RunningClock.clock) == Clock.NEGOTIATION,
            col(RunningClock.state) == ClockState.RUNNING,
        )
    )
    return ends if last is None else max(min(ends, last), work.noticed)


async def _sealed(work: Work, case_id: UUID) -> Sequence[RowMapping]:
    columns = Bid.__table__.c  # type: ignore[attr-defined]  # SQLModel gives every table class its Table
    statement = select(*columns).where(columns.case_id == case_id, columns.state == BidState.SEALED)
    return (await work.conn.execute(statement)).mappings().all()


def _open(
    work: Work, held: Held, placed: Sequence[RowMapping]
) -> tuple[dict[Party, Money], list[str]]:
    """The bids by buyer and seller, and the ids of those that cannot be opened."""
    amounts: dict[Party, Money] = {}
    unreadable: list[str] = []
    claimant = Party(held.case.claimant_party)
    for bid in placed:
        party = claimant if bid["side"] is Side.CLAIMANT else claimant.other
        try:
            text = envelope.unseal(work.office.caucus, bid["id"], bytes(bid["sealed"]))
            amounts[party] = envelope.read(text, held.id, bid["side"])
        except Unsealable:
            unreadable.append(str(bid["id"]))
    return amounts, unreadable


def _middle(amounts: Mapping[Party, Money]) -> Money | None:
    """Where bids meet: the middle, by the ledger's way to split; the buyer has the odd unit."""
    if amounts.keys() != set(Party):
        return None
    least, most = amounts[Party.BUYER], amounts[Party.SELLER]
    if most < least:
        return None
    half, _ = journal.split((least + most).amount_minor, (1, 1))
    return Money(half, least.currency)
