"""Offers: terms that one side offers to the other; accepted, rejected, revoked, lapsed."""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlmodel import col

from odr import cases, claims, orders, performance, terms
from odr.cases import Entry, Held
from odr.deadlines import Start
from odr.errors import Invalid, Late, NotFound, Unmet
from odr.models.dialogue import Offer
from odr.models.states import Channel, OfferState
from odr.procedure.acts import Act, Role
from odr.procedure.clocks import Clock
from odr.procedure.facts import Fact
from odr.rulebook import Window
from odr.terms import Terms
from odr.words import Reason
from odr.work import Work

MESSAGE_MAX: Final = 4000
"""Characters in the message that goes with an offer."""


async def make_offer(
    work: Work,
    case_id: UUID,
    offered: Terms,
    *,
    message: str = "",
    valid_until: datetime | None = None,
    version: int | None = None,
) -> UUID:
    """Offer terms to the other side; its id is ``work.result``."""
    held = await cases.hold(work, case_id, Act.MAKE_OFFER, version=version)
    return await _offer(work, held, offered, message, valid_until, counter=False)


async def make_counter_offer(
    work: Work,
    case_id: UUID,
    offered: Terms,
    *,
    message: str = "",
    valid_until: datetime | None = None,
    version: int | None = None,
) -> UUID:
    """Offer other terms in answer to the claim, once; its rejection leads to mediation."""
    held = await cases.hold(work, case_id, Act.MAKE_COUNTER_OFFER, version=version)
    return await _offer(work, held, offered, message, valid_until, counter=True)


async def _offer(
    work: Work,
    held: Held,
    offered: Terms,
    message: str,
    valid_until: datetime | None,
    *,
    counter: bool,
) -> UUID:
    bought = await orders.bought(work.conn, held.case.order_id)
    reason = Reason(held.case.reason)
    orders.check(bought, offered, held.rulebook, reason=reason, claim=False)
    if len(message) > MESSAGE_MAX:
        raise Invalid(("message",), "too_long", maximum=MESSAGE_MAX)
    until = _valid(work, held, valid_until)
    amount = terms.to_buyer(offered).amount_minor
    offer = Offer(
        id=work.result,
        case_id=held.id,
        side=held.party,
        counter=counter,
        channel=held.channel,
        terms=terms.to_json(offered),
        amount_minor=amount,
        message=message,
        state=OfferState.OPEN,
        at=work.at,
        valid_until=until,
    )
    await work.conn.execute(insert(Offer).values(offer.model_dump()))
    entry = Entry(
        said={"offer": str(offer.id), "terms": offer.terms, "message": message},
        shown={"offer": str(offer.id), **claims.amount_of(offered)},
        channel=held.channel,
        start=(Start(Clock.OFFER, offer.id, held.party.other, amount, until),),
    )
    await cases.advance(work, held, entry)
    return offer.id


def _valid(work: Work, held: Held, until: datetime | None) -> datetime:
    """Until when an offer holds: by the rulebook, or shorter if the offeror says so."""
    longest = held.window(Window.OFFER, work.noticed)
    if until is None:
        return longest
    if not work.at < until <= longest:
        raise Invalid(("valid_until",), "out_of_bounds", after=work.at, until=longest)
    return until


async def _found(work: Work, offer_id: UUID) -> Offer:
    columns = Offer.__table__.c  # type: ignore[attr-defined]  # SQLModel gives every table class its Table
    row = (
        (await work.conn.execute(select(*columns).where(columns.id == offer_id)))
        .mappings()
        .one_or_none()
    )
    if row is None:
        raise NotFound
    return Offer(**row)


async def _open(work: Work, offer_id: UUID, act: Act, version: int | None) -> tuple[Held, Offer]:
    """Hold the case of an offer that is open; what became of it meanwhile is told."""
    found = await _found(work, offer_id)
    try:
        held = await cases.hold(work, found.case_id, act, version=version)
    except Unmet:
        await _still_open(work, offer_id, act)
        raise
    return held, await _still_open(work, offer_id, act)


async def _still_open(work: Work, offer_id: UUID, act: Act) -> Offer:
    offer = await _found(work, offer_id)
    if offer.state == OfferState.LAPSED:
        raise Late(act=act, due=offer.valid_until)
    if offer.state != OfferState.OPEN:
        raise Unmet(act=act, fact=Fact.OPEN_OFFER_FROM_OTHER_SIDE)
    return offer


def _from_other_side(held: Held, offer: Offer) -> None:
    if offer.side == held.party:
        raise NotFound


async def _end(work: Work, offer_id: UUID, state: OfferState) -> None:
    await work.conn.execute(
        update(Offer).where(col(Offer.id) == offer_id).values(state=state, ended_at=work.at)
    )


async def accept_offer(work: Work, offer_id: UUID, *, version: int | None = None) -> UUID:
    """Accept an open offer of the other side: the case is settled on its terms."""
    held, offer = await _open(work, offer_id, Act.ACCEPT_OFFER, version)
    _from_other_side(held, offer)
    await _end(work, offer_id, OfferState.ACCEPTED)
    agreed = terms.from_json(offer.terms)
    entry = Entry(
        said={"offer": str(offer_id), "terms": offer.terms},
        shown={"offer": str(offer_id), **claims.amount_of(agreed)},
    )
    held = await cases.advance(work, held, entry)
    await performance.begin(work, held, agreed)
    return offer_id


async def reject_offer(
    work: Work, offer_id: UUID, *, reason: str = "", version: int | None = None
) -> UUID:
    """Reject an open offer of the other side; the case goes on."""
    held, offer = await _open(work, offer_id, Act.REJECT_OFFER, version)
    _from_other_side(held, offer)
    await _end(work, offer_id, OfferState.REJECTED)
    await cases.advance(work, held, _closed(offer, reason))
    return offer_id


async def reject_counter_offer(
    work: Work, offer_id: UUID, *, reason: str = "", version: int | None = None
) -> UUID:
    """Reject the counter-offer to the claim: the case goes to mediation."""
    held, offer = await _open(work, offer_id, Act.REJECT_COUNTER_OFFER, version)
    _from_other_side(held, offer)
    if not offer.counter:
        raise Unmet(act=Act.REJECT_COUNTER_OFFER, fact=Fact.OPEN_COUNTER_OFFER)
    await _end(work, offer_id, OfferState.REJECTED)
    await cases.advance(work, held, _closed(offer, reason))
    return offer_id


async def revoke_offer(work: Work, offer_id: UUID, *, version: int | None = None) -> UUID:
    """Take one's own open offer back."""
    held, offer = await _open(work, offer_id, Act.REVOKE_OFFER, version)
    if offer.side != held.party:
        raise NotFound
    await _end(work, offer_id, OfferState.REVOKED)
    await cases.advance(work, held, _closed(offer, ""))
    return offer_id


async def lapse_offer(work: Work, case_id: UUID, offer_id: UUID) -> None:
    """The offer was not answered in time."""
    held = await cases.hold(work, case_id, Act.LAPSE_OFFER, roles=frozenset({Role.CLOCK}))
    await _end(work, offer_id, OfferState.LAPSED)
    await cases.advance(work, held, _closed(await _found(work, offer_id), ""))


def _closed(offer: Offer, reason: str) -> Entry:
    """An offer is ended in the room in which it was made, unless the case moves by it."""
    said = {"offer": str(offer.id)} | ({"reason": reason[:MESSAGE_MAX]} if reason else {})
    return Entry(
        said=said,
        shown={"offer": str(offer.id)},
        channel=Channel(offer.channel),
        stop=(offer.id,),
    )
