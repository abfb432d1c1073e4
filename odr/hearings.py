"""How a case comes before an arbitrator, and how the record is closed."""

from uuid import UUID

from sqlalchemy import select, update
from sqlmodel import col

from odr import cases
from odr.cases import Entry, Held
from odr.models.cases import Seat
from odr.procedure.acts import Act, Role
from odr.work import Work


async def request_intervention(
    work: Work, case_id: UUID, *, reason: str = "", version: int | None = None
) -> None:
    """Ask for a mediator: the case goes to mediation."""
    held = await cases.hold(work, case_id, Act.REQUEST_INTERVENTION, version=version)
    await cases.advance(work, held, Entry(said={"reason": reason[:4000]}))


async def end_negotiation(work: Work, case_id: UUID, _: UUID) -> None:
    """Negotiation ran out of time: the case goes to mediation."""
    held = await cases.hold(work, case_id, Act.END_NEGOTIATION, roles=frozenset({Role.CLOCK}))
    await cases.advance(work, held, Entry())


async def declare_impasse(work: Work, case_id: UUID, *, version: int | None = None) -> None:
    """Say, as mediator, that mediation failed: the case goes to arbitration.

    Why it failed is not said: nothing of mediation crosses the wall.
    """
    held = await cases.hold(work, case_id, Act.DECLARE_IMPASSE, version=version)
    await cases.advance(work, held, Entry())


async def request_arbitration(work: Work, case_id: UUID, *, version: int | None = None) -> None:
    """Ask for a decision, after a proposal that failed."""
    held = await cases.hold(work, case_id, Act.REQUEST_ARBITRATION, version=version)
    await cases.advance(work, held, Entry())


async def end_mediation(work: Work, case_id: UUID, _: UUID) -> None:
    """Mediation ran out of time: the case goes to arbitration."""
    held = await cases.hold(work, case_id, Act.END_MEDIATION, roles=frozenset({Role.CLOCK}))
    await cases.advance(work, held, Entry())


async def consent(work: Work, case_id: UUID, *, version: int | None = None) -> None:
    """Agree to be bound by the ruling."""
    held = await cases.hold(work, case_id, Act.CONSENT, version=version)
    await _consented(work, held, agrees=True)


async def decline_consent(work: Work, case_id: UUID, *, version: int | None = None) -> None:
    """Do not agree to be bound: the ruling binds the seller only; the way to court is kept."""
    held = await cases.hold(work, case_id, Act.DECLINE_CONSENT, version=version)
    await _consented(work, held, agrees=False)


async def _consented(work: Work, held: Held, *, agrees: bool) -> None:
    await work.conn.execute(
        update(Seat)
        .where(col(Seat.case_id) == held.id, col(Seat.role) == Role(held.party.value))
        .values(consented=agrees)
    )
    await cases.advance(work, held, Entry(said={"agrees": agrees}, shown={"agrees": agrees}))


async def rest(work: Work, case_id: UUID, *, version: int | None = None) -> None:
    """Say that one has nothing to add; when both sides have, the record is closed."""
    held = await cases.hold(work, case_id, Act.REST, version=version)
    await work.conn.execute(
        update(Seat)
        .where(col(Seat.case_id) == case_id, col(Seat.role) == Role(held.party.value))
        .values(rested_at=work.at)
    )
    await cases.advance(work, held, Entry())
    if await _all(work, case_id, "rested_at"):
        await _close(work.dated(work.at), case_id, frozenset({Role.SERVICE}), None)


async def _all(work: Work, case_id: UUID, column: str) -> bool:
    """Whether both sides' seats have ``column`` set."""
    statement = select(getattr(Seat, column)).where(
        col(Seat.case_id) == case_id,
        col(Seat.role).in_((Role.CLAIMANT, Role.RESPONDENT)),
        col(Seat.until).is_(None),
    )
    return all((await work.conn.execute(statement)).scalars())


async def close_record(work: Work, case_id: UUID, *, version: int | None = None) -> None:
    """Close the record, as arbitrator: its root is frozen and is what the ruling is made on."""
    await _close(work, case_id, None, version)


async def close_record_in_time(work: Work, case_id: UUID, _: UUID) -> None:
    """The record closes by itself when its window is over."""
    await _close(work, case_id, frozenset({Role.CLOCK}), None)


async def _close(
    work: Work, case_id: UUID, roles: frozenset[Role] | None, version: int | None
) -> None:
    held = await cases.hold(work, case_id, Act.CLOSE_RECORD, roles=roles, version=version)
    await cases.advance(work, held, Entry(closes_record=True))
