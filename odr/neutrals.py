"""Neutrals: appointed from the roster, disclosing their interests, replaced when they are silent.

The simplest fair appointment: of the active neutrals who speak the case's language, have room and
no conflict, the one with the fewest open cases; among equals, the one drawn by the case's id. A
conflict is: a seat in this case before, or membership of a party's or the marketplace's
organisation.
"""

from typing import Final
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlmodel import col

from odr import cases, ids
from odr.cases import Entry, Held
from odr.deadlines import Start
from odr.models.cases import Appointment, Seat
from odr.models.states import NeutralKind
from odr.procedure.acts import Act, Role, State
from odr.procedure.clocks import Clock
from odr.sql import typed
from odr.words import Side
from odr.work import Work

_ELIGIBLE: Final = typed(
    """
SELECT n.account_id, count(a.id) FILTER (WHERE a.ended_at IS NULL AND c.state <> 'closed') AS load
FROM neutrals n
LEFT JOIN appointments a ON a.neutral_id = n.account_id
LEFT JOIN cases c ON c.id = a.case_id
WHERE n.active AND :kind = ANY (n.kinds) AND :language = ANY (n.languages)
  AND NOT EXISTS (SELECT FROM seats s WHERE s.case_id = :case AND s.account_id = n.account_id)
  AND NOT EXISTS (
      SELECT FROM memberships m JOIN cases k ON k.id = :case
      WHERE m.account_id = n.account_id AND (
          m.organisation_id = k.marketplace_id OR m.organisation_id IN (
              SELECT s.organisation_id FROM seats s
              WHERE s.case_id = :case AND s.organisation_id IS NOT NULL)))
GROUP BY n.account_id, n.cases_max
HAVING count(a.id) FILTER (WHERE a.ended_at IS NULL AND c.state <> 'closed') < n.cases_max
ORDER BY load, sha256(convert_to(n.account_id::text || CAST(:case AS text), 'UTF8'))
LIMIT 1
"""
)
_EVIDENCE: Final = "evidence"


async def appoint_mediator(work: Work, case_id: UUID, _: UUID) -> None:
    """Appoint a mediator, and open the window for evidence on entering mediation."""
    await _appoint(work, case_id, Act.APPOINT_MEDIATOR, NeutralKind.MEDIATOR)


async def appoint_arbitrator(work: Work, case_id: UUID, _: UUID) -> None:
    """Appoint an arbitrator: never somebody who had a seat in this case before."""
    await _appoint(work, case_id, Act.APPOINT_ARBITRATOR, NeutralKind.ARBITRATOR)


async def _appoint(work: Work, case_id: UUID, act: Act, kind: NeutralKind) -> None:
    held = await cases.follow(work, case_id, act)
    found = (
        await work.conn.execute(
            _ELIGIBLE, {"kind": kind.value, "language": held.case.language, "case": case_id}
        )
    ).first()
    first = await _first(work, case_id, kind)
    start = _windows(held) if first else []
    if found is None:
        entry = Entry(shown={"vacant": kind.value}, start=start)
        await cases.advance(work, held, entry)
        return
    appointment = await _seat(work, held, kind, found.account_id)
    start.append(Start(Clock.DISCLOSURE, appointment, Side.NEUTRAL))
    said = {"neutral": str(found.account_id), "kind": kind.value, "open_cases": found.load}
    await cases.advance(work, held, Entry(said=said, shown={"kind": kind.value}, start=start))


async def _first(work: Work, case_id: UUID, kind: NeutralKind) -> bool:
    before = select(col(Appointment.id)).where(
        col(Appointment.case_id) == case_id, col(Appointment.kind) == kind
    )
    return (await work.conn.execute(before.limit(1))).first() is None


def _windows(held: Held) -> list[Start]:
    """Mediation begins with a window for evidence."""
    if held.case.state is not State.MEDIATING:
        return []
    return [Start(Clock.EVIDENCE, ids.derive(held.id, _EVIDENCE))]


async def _seat(work: Work, held: Held, kind: NeutralKind, account: UUID) -> UUID:
    seat, appointment = ids.child(held.id), ids.child(held.id)
    await work.conn.execute(
        insert(Seat).values(
            id=seat,
            case_id=held.id,
            role=Role(kind.value),
            account_id=account,
            since=work.at,
        )
    )
    await work.conn.execute(
        insert(Appointment).values(
            id=appointment,
            case_id=held.id,
            seat_id=seat,
            kind=kind,
            neutral_id=account,
            appointed_at=work.at,
        )
    )
    return appointment


async def disclose(
    work: Work, case_id: UUID, *, disclosure: str = "", version: int | None = None
) -> None:
    """Declare interests, or (an empty text) that there are none, and take the seat."""
    held = await cases.hold(work, case_id, Act.DISCLOSE, version=version)
    appointment = await _current(work, case_id)
    await work.conn.execute(
        update(Appointment)
        .where(col(Appointment.id) == appointment)
        .values(disclosed_at=work.at, disclosure=disclosure[:4000])
    )
    entry = Entry(
        said={"disclosure": disclosure[:4000]},
        shown={"interests": bool(disclosure.strip())},
        stop=(appointment,),
    )
    await cases.advance(work, held, entry)


async def _current(work: Work, case_id: UUID) -> UUID:
    statement = select(col(Appointment.id)).where(
        col(Appointment.case_id) == case_id, col(Appointment.ended_at).is_(None)
    )
    found: UUID = (await work.conn.execute(statement)).scalar_one()
    return found


async def replace_neutral(work: Work, case_id: UUID, appointment_id: UUID) -> None:
    """The neutral was silent: the seat is taken back and the next on the roster appointed."""
    held = await cases.hold(work, case_id, Act.REPLACE_NEUTRAL, roles=frozenset({Role.CLOCK}))
    ended = (
        await work.conn.execute(
            update(Appointment)
            .where(col(Appointment.id) == appointment_id)
            .values(ended_at=work.at, end_reason="silent")
            .returning(col(Appointment.seat_id), col(Appointment.kind))
        )
    ).one()
    await work.conn.execute(update(Seat).where(col(Seat.id) == ended.seat_id).values(until=work.at))
    await cases.advance(work, held, Entry(shown={"kind": NeutralKind(ended.kind).value}))
    mediator = ended.kind == NeutralKind.MEDIATOR
    await (appoint_mediator if mediator else appoint_arbitrator)(work, case_id, case_id)


async def close_evidence(work: Work, case_id: UUID, _: UUID) -> None:
    """The window for evidence is over; the one for answers opens."""
    held = await cases.hold(work, case_id, Act.CLOSE_EVIDENCE, roles=frozenset({Role.CLOCK}))
    answers = Start(Clock.EVIDENCE_ANSWER, ids.derive(case_id, "evidence_answer"))
    await cases.advance(work, held, Entry(start=(answers,)))


async def close_answers(work: Work, case_id: UUID, _: UUID) -> None:
    """The window for answers is over; mediation's own window runs from here."""
    held = await cases.hold(work, case_id, Act.CLOSE_ANSWERS, roles=frozenset({Role.CLOCK}))
    await cases.advance(work, held, Entry(restarts_stage_clock=True))
