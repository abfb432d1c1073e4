"""The claim: filed, changed, acknowledged, accepted, contested, withdrawn; what silence does."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import orjson
from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import col

from odr import (
    cases,
    deadlines,
    exhibits,
    ids,
    journal,
    ledger,
    numbers,
    orders,
    performance,
    terms,
)
from odr.cases import Entry, Held
from odr.deadlines import Slot, Start
from odr.errors import Conflict, Invalid, NotFound
from odr.exhibits import Given
from odr.models.cases import Answer, Case, Claim, Seat
from odr.models.states import Channel
from odr.models.trade import Order
from odr.money import Money
from odr.orders import Bought
from odr.procedure import clocks as timers
from odr.procedure import table
from odr.procedure.acts import Act, Role
from odr.procedure.clocks import Clock
from odr.sql import typed
from odr.terms import Terms
from odr.words import Party, Reason, Side
from odr.work import Work


@dataclass(frozen=True, slots=True, kw_only=True)
class Filing:
    """What a claimant files: on which order, for which reason, what happened, what is wanted."""

    order_id: UUID
    reason: Reason
    statement: str
    terms: Terms
    exhibits: Sequence[Given] = field(default_factory=tuple)


async def file(work: Work, filing: Filing) -> UUID:
    """File a claim; the case's id is ``work.result``.

    Buyer or seller of the order becomes the claimant. Refuses a claim out of its window
    (``Early``, ``Late``), beyond the order (``Invalid``) and a second open case (``Conflict``).
    """
    bought = await orders.bought(work.conn, filing.order_id)
    party = _party(work, bought.order)
    rulebook = work.rulebooks.in_force(work.at)
    if filing.reason.filer is not party:
        raise Invalid(("reason",), "not_for_this_party", party=party.value)
    rulebook.check_filing(filing.reason, bought.purchase, work.at)
    text_within(filing.statement, ("statement",), rulebook.limits.statement_characters)
    orders.check(bought, filing.terms, rulebook, reason=filing.reason, claim=True)
    case = await _opened(work, filing, bought, party)
    held = Held(
        case,
        frozenset({Role.CLAIMANT, Role(party.value)}),
        table.START,
        rulebook,
        frozenset(),
        {},
    )
    await cases.advance(work, held, _filed(filing, case))
    if filing.exhibits:
        await exhibits.add(work, held, filing.exhibits, Channel.RECORD)
    await _hold_in_escrow(work, case, bought)
    return case.id


def _filed(filing: Filing, case: Case) -> Entry:
    given = terms.to_json(filing.terms)
    return Entry(
        said={
            "order": str(filing.order_id),
            "reason": filing.reason.value,
            "statement": filing.statement,
            "terms": given,
            "rulebook": case.rulebook,
            "rulebook_digest": case.rulebook_digest.hex(),
        },
        shown={"reason": filing.reason.value, "amount_minor": case.claimed_minor},
        start=(
            Start(Clock.ANSWER, case.id, Side.RESPONDENT, case.claimed_minor),
            Start(Clock.ACKNOWLEDGE, ids.derive(case.id, "acknowledge"), Side.RESPONDENT),
        ),
    )


def text_within(text: str, path: tuple[str | int, ...], longest: int) -> None:
    """Refuse text that is empty or longer than ``longest`` characters (``Invalid``)."""
    if not text.strip():
        raise Invalid(path, "missing")
    if len(text) > longest:
        raise Invalid(path, "too_long", maximum=longest)
    if "\x00" in text:
        raise Invalid(path, "malformed")


def _party(work: Work, order: Order) -> Party:
    if order.buyer_id == work.actor.person:
        return Party.BUYER
    if order.seller_id in work.actor.organisation_ids:
        return Party.SELLER
    raise NotFound


_OPENED: Final = typed(
    """
WITH opened AS (
    INSERT INTO cases (id, number, order_id, marketplace_id, claimant_party, state, version,
        rulebook, rulebook_digest, language, country, zone, currency, reason, claimed_minor,
        filed_at, entered_at, acted_at, record_stream)
    VALUES (:case, :number, :order, :marketplace, :party, :state, 0, :book, :digest, :language,
        :country, :zone, :currency, :reason, :amount, :at, :at, :at, :stream)
), seated AS (
    INSERT INTO seats (id, case_id, role, account_id, organisation_id, since)
    VALUES (child_id(:case), :case, :buyer_role, :buyer, NULL, :at),
        (child_id(:case), :case, :seller_role, NULL, :seller, :at)
)
INSERT INTO claims (id, case_id, version, reason, statement, terms, amount_minor, at)
VALUES (child_id(:case), :case, 1, :reason, :statement, CAST(:terms AS jsonb), :amount, :at)
"""
)


async def _opened(work: Work, filing: Filing, bought: Bought, party: Party) -> Case:
    order, claimed = bought.order, terms.to_buyer(filing.terms).amount_minor
    rulebook = work.rulebooks.in_force(work.at)
    case = Case(
        id=work.result,
        number=numbers.case(work.at),
        order_id=order.id,
        marketplace_id=order.marketplace_id,
        claimant_party=party,
        state=table.START.target,
        rulebook=rulebook.version,
        rulebook_digest=bytes.fromhex(rulebook.digest),
        language=order.language,
        country=order.country,
        zone=order.zone,
        currency=order.currency,
        reason=filing.reason,
        claimed_minor=claimed,
        filed_at=work.at,
        entered_at=work.at,
        acted_at=work.at,
        record_stream=ids.child(work.result),
    )
    written = {
        "case": case.id,
        "number": case.number,
        "order": order.id,
        "marketplace": order.marketplace_id,
        "party": party.value,
        "state": case.state.value,
        "book": case.rulebook,
        "digest": case.rulebook_digest,
        "language": case.language,
        "country": case.country,
        "zone": case.zone,
        "currency": case.currency,
        "reason": filing.reason.value,
        "amount": claimed,
        "at": work.at,
        "stream": case.record_stream,
        "buyer": order.buyer_id,
        "buyer_role": (Role.CLAIMANT if party is Party.BUYER else Role.RESPONDENT).value,
        "seller": order.seller_id,
        "seller_role": (Role.RESPONDENT if party is Party.BUYER else Role.CLAIMANT).value,
        "statement": filing.statement,
        "terms": orjson.dumps(terms.to_json(filing.terms)).decode(),
    }
    try:
        await work.conn.execute(_OPENED, written)
    except IntegrityError as error:
        if "one_open_case_for_an_order_and_party" in str(error.orig):
            raise Conflict("open case") from error
        raise
    return case


async def _hold_in_escrow(work: Work, case: Case, bought: Bought) -> None:
    """Keep what is claimed from being released to the seller meanwhile."""
    amount = min(case.claimed_minor, bought.escrow)
    if case.claimant_party is Party.BUYER and amount > 0:
        await ledger.book(
            work.conn,
            journal.claim_held(case.id, bought.trade, case.id, Money(amount, case.currency)),
            opening=[journal.payable(case.id, case.currency)],
        )


async def wanted(work: Work, case_id: UUID) -> Terms:
    """The terms of the claim as it stands."""
    return terms.from_json((await _latest(work, case_id)).terms)


async def _latest(work: Work, case_id: UUID) -> Claim:
    """The claim as it stands."""
    columns = Claim.__table__.c  # type: ignore[attr-defined]  # SQLModel gives every table class its Table
    statement = select(*columns).where(columns.case_id == case_id)
    latest = statement.order_by(columns.version.desc()).limit(1)
    return Claim(**(await work.conn.execute(latest)).mappings().one())


async def modify_claim(
    work: Work, case_id: UUID, *, statement: str, wanted: Terms, version: int | None = None
) -> UUID:
    """Change what is claimed on the same order for the same reason; the version's id.

    Who has to answer more is given the whole window again: that of the answer, or after one that
    of negotiation. A claim that stays as high or falls leaves the window as it is.
    """
    held = await cases.hold(work, case_id, Act.MODIFY_CLAIM, version=version)
    text_within(statement, ("statement",), held.rulebook.limits.statement_characters)
    bought = await orders.bought(work.conn, held.case.order_id)
    orders.check(bought, wanted, held.rulebook, reason=Reason(held.case.reason), claim=True)
    before, given = await _latest(work, case_id), terms.to_json(wanted)
    if (before.statement, before.terms) == (statement, given):
        raise Invalid(("terms",), "unchanged")
    claimed = terms.to_buyer(wanted).amount_minor
    changed = Claim(
        id=work.result,
        case_id=case_id,
        version=before.version + 1,
        reason=Reason(before.reason),
        statement=statement,
        terms=given,
        amount_minor=claimed,
        at=work.at,
    )
    await work.conn.execute(insert(Claim).values(changed.model_dump()))
    await work.conn.execute(
        update(Case).where(col(Case.id) == case_id).values(claimed_minor=claimed)
    )
    entry = Entry(
        said={"version": changed.version, "statement": statement, "terms": given},
        shown={"claim": changed.version, **amount_of(wanted)},
        changes=(await _window(work, held, claimed),),
    )
    await cases.advance(work, held, entry)
    await _hold_again(work, held.case, bought, changed)
    return changed.id


async def _window(work: Work, held: Held, claimed: int) -> Slot:
    """The running window with the new amount at stake; anew where that has grown."""
    clock = timers.STAGE_CLOCKS[held.case.state]
    runs = await deadlines.running(work.conn, held.id, clock)
    more = claimed > held.case.claimed_minor
    starts, due = (work.noticed, None) if more else (runs.starts, runs.due)
    return held.slot(starts, Start(clock, held.id, runs.side, claimed, due))


async def _hold_again(work: Work, case: Case, bought: Bought, changed: Claim) -> None:
    """Keep in escrow what is claimed now, in place of what was claimed before."""
    if case.claimant_party is not Party.BUYER:
        return
    holds = [
        each for each in await ledger.open_holds(work.conn, case.id) if each.code == "claim_held"
    ]
    lines = [line for hold in holds for line in journal.claim_dropped(changed.id, case.id, hold.id)]
    free = bought.escrow + sum(hold.amount.amount_minor for hold in holds)
    if (amount := min(changed.amount_minor, free)) > 0:
        kept = Money(amount, case.currency)
        lines += journal.claim_held(changed.id, bought.trade, case.id, kept)
    if lines:
        await ledger.book(work.conn, lines, opening=[journal.payable(case.id, case.currency)])


async def acknowledge(work: Work, case_id: UUID, *, version: int | None = None) -> None:
    """Say that the claim was seen."""
    held = await cases.hold(work, case_id, Act.ACKNOWLEDGE, version=version)
    await _acknowledged(work, held)
    await cases.advance(work, held, Entry(stop=(ids.derive(case_id, "acknowledge"),)))


async def _acknowledged(work: Work, held: Held) -> None:
    await work.conn.execute(
        update(Seat)
        .where(
            col(Seat.case_id) == held.id,
            col(Seat.role) == Role.RESPONDENT,
            col(Seat.acknowledged_at).is_(None),
        )
        .values(acknowledged_at=work.at)
    )


async def accept_claim(work: Work, case_id: UUID, *, version: int | None = None) -> None:
    """Give the claimant what the claim asks for: the case is settled on its terms."""
    held = await cases.hold(work, case_id, Act.ACCEPT_CLAIM, version=version)
    agreed = await wanted(work, case_id)
    entry = Entry(said={"terms": terms.to_json(agreed)}, shown=amount_of(agreed))
    held = await cases.advance(work, held, entry)
    await performance.begin(work, held, agreed)


def amount_of(agreed: Terms) -> dict[str, object]:
    """What the timeline shows of terms."""
    return {"amount_minor": terms.to_buyer(agreed).amount_minor, "currency": agreed.currency}


async def contest(
    work: Work,
    case_id: UUID,
    *,
    statement: str,
    given: Sequence[Given] = (),
    version: int | None = None,
) -> None:
    """Answer the claim with the respondent's position, and exhibits."""
    held = await cases.hold(work, case_id, Act.CONTEST, version=version)
    text_within(statement, ("statement",), held.rulebook.limits.statement_characters)
    await work.conn.execute(
        insert(Answer).values(
            id=ids.child(case_id), case_id=case_id, statement=statement, at=work.at
        )
    )
    await _acknowledged(work, held)
    moved = await cases.advance(work, held, Entry(said={"statement": statement}))
    if given:
        await exhibits.add(work, moved, given, Channel.RECORD)


async def withdraw(
    work: Work, case_id: UUID, *, reason: str = "", version: int | None = None
) -> None:
    """Take the claim back; what was held in escrow is free again."""
    held = await cases.hold(work, case_id, Act.WITHDRAW, version=version)
    await cases.advance(work, held, Entry(said={"reason": reason}))
    await performance.free_escrow(work, held.case)


async def note_silence(work: Work, case_id: UUID, _: UUID) -> None:
    """The respondent did not acknowledge in time; that is noted."""
    held = await cases.hold(work, case_id, Act.NOTE_SILENCE, roles=frozenset({Role.CLOCK}))
    await cases.advance(work, held, Entry())


async def grant_by_default(work: Work, case_id: UUID, _: UUID) -> None:
    """The buyer's request takes effect, capped at the order's value with its freight."""
    held = await cases.hold(work, case_id, Act.GRANT_BY_DEFAULT, roles=frozenset({Role.CLOCK}))
    bought = await orders.bought(work.conn, held.case.order_id)
    percent = held.rulebook.consequences.default_percent
    cap = bought.facts.value_minor * percent // 100
    decided = terms.capped(await wanted(work, case_id), cap)
    granted, said = await performance.possible(work, held.case, decided)
    entry = Entry(
        said=said,
        shown=amount_of(granted),
        stage_amount=terms.to_buyer(granted).amount_minor,
    )
    await cases.advance(work, held, entry)
    await performance.grant(work, held.case, granted)


async def decide_on_papers(work: Work, case_id: UUID, _: UUID) -> None:
    """No answer came, but the request cannot be granted by default: an arbitrator decides."""
    held = await cases.hold(work, case_id, Act.DECIDE_ON_PAPERS, roles=frozenset({Role.CLOCK}))
    await cases.advance(work, held, Entry())


async def let_default_stand(work: Work, case_id: UUID, _: UUID) -> None:
    """Nobody had the default set aside: it is carried out."""
    held = await cases.hold(work, case_id, Act.LET_DEFAULT_STAND, roles=frozenset({Role.CLOCK}))
    decided = (
        await work.conn.execute(select(col(Case.terms)).where(col(Case.id) == case_id))
    ).scalar_one()
    granted, said = await performance.possible(work, held.case, terms.from_json(decided))
    held = await cases.advance(work, held, Entry(said=said, shown=amount_of(granted)))
    await performance.begin(work, held, granted)
