"""Bonds: what a seller puts up with its marketplace for claims; the money lies in the ledger."""

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from odr import bounds, ids, journal, ledger, policy, registration
from odr.errors import Conflict, NotFound
from odr.ledger import Transfer
from odr.models.trade import Bond
from odr.money import Money
from odr.sql import typed
from odr.work import Work


@dataclass(frozen=True, slots=True, kw_only=True)
class Secured:
    """A seller's bond in a currency: its floor, and what is paid in when it is registered."""

    seller_id: UUID
    currency: str
    floor_minor: int
    deposit_minor: int


async def register_bond(work: Work, marketplace_id: UUID, bond: Secured) -> UUID:
    """Tell of a seller's bond, of which there is one in each currency; its id."""
    await registration.require_marketplace(work, marketplace_id)
    given: dict[str, Any] = {
        "marketplace_id": marketplace_id,
        "seller_id": await registration.require_seller(work, marketplace_id, bond.seller_id),
        "currency": bounds.currency(bond.currency, ("currency",)),
        "floor_minor": bounds.whole(bond.floor_minor, ("floor_minor",)),
    }
    deposit = Money(bounds.whole(bond.deposit_minor, ("deposit_minor",)), bond.currency)
    natural = {name: given[name] for name in ("marketplace_id", "seller_id", "currency")}
    made = Bond(id=ids.new(work.at), registered_at=work.at, **given)
    new = await registration.once(work, made, natural, given)
    lines = journal.bond_deposited(work.result, bond.seller_id, deposit)
    await deposited(work, lines, again=not new)
    return work.result


async def deposit_into_bond(
    work: Work, bond_id: UUID, *, reference: str, amount_minor: int
) -> None:
    """Tell that a seller paid more into a bond, once for each ``reference``."""
    policy.require(work.actor, "register")
    statement = select(col(Bond.seller_id), col(Bond.currency)).where(
        col(Bond.id) == bond_id, col(Bond.marketplace_id).in_(work.actor.organisation_ids)
    )
    bond = (await work.conn.execute(statement)).one_or_none()
    if bond is None:
        raise NotFound
    named = bounds.reference(reference, ("reference",))
    amount = Money(bounds.whole(amount_minor, ("amount_minor",), least=1), bond.currency)
    work.result = bond_id
    fact = ids.derive(bond_id, f"deposit:{named}")
    await deposited(work, journal.bond_deposited(fact, bond.seller_id, amount), again=False)


async def deposited(work: Work, lines: list[Transfer], *, again: bool) -> None:
    """Book a deposit; told ``again`` it must be what was booked, if anything (``Conflict``)."""
    paid = [line for line in lines if line.amount]
    if again:
        booked = await _booked(work.conn, lines[0].id)
        if booked != (lines[0].amount.amount_minor if lines[0].amount else 0):
            raise Conflict("deposit")
        return
    if paid:
        await ledger.book(work.conn, paid, opening=ledger.accounts_of(paid))


_BOOKED: Final = typed("SELECT t.amount FROM ledger.transfers t WHERE t.id = :id")


async def _booked(conn: AsyncConnection, transfer: UUID) -> int:
    return (await conn.execute(_BOOKED, {"id": transfer})).scalar_one_or_none() or 0
