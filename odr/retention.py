"""Retention: what a closed case holds is kept for as long as its rulebook says, and then erased.

The class of a case follows from how it ended; its years count from its closing. Order of writes
(what holds after a crash between two steps):

1. the act that closes the case puts an outbox row. Crash before its commit: the case is open.
2. settle, by the worker: the case's date is written down, and the promised retention of its files
   extended to it, in one transaction; the store is told as for any promise. A store's COMPLIANCE
   retention is never shorter than the class. Done once more, it changes nothing.
3. expire, when the date has come: some exhibits at a time are erased as ``odr.erasures`` does, each
   with its tombstone; when none is left the case is done. What is held waits until it is not.

What people wrote to each other, claims and rulings are not files and stay.
"""

from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import exists, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from odr import erasures, holds, policy
from odr.models.cases import Case
from odr.models.dialogue import Exhibit
from odr.models.keeping import Erasure, LegalHold, Retention
from odr.models.money import InsuranceClaim, Payout
from odr.models.states import ErasureState, RetentionClass
from odr.procedure.acts import State
from odr.sql import typed
from odr.work import SERVICE, Office, Work

CASES_AT_ONCE: Final = 20
EXHIBITS_AT_ONCE: Final = 20

_KEPT: Final = typed(
    """
SELECT b.id FROM vault_blobs b WHERE b.state = 'accepted' AND b.wrapped_key IS NOT NULL
    AND (b.id IN (SELECT e.blob_id FROM exhibits e WHERE e.case_id = :case)
    OR b.id IN (SELECT d.derivative FROM vault_derivatives d JOIN exhibits e ON e.blob_id = d.blob
                WHERE e.case_id = :case))
ORDER BY b.id
"""
)


async def settle(office: Office, case_id: UUID) -> None:
    """Write down until when a closed case is kept, and promise its files' retention until then."""
    async with office.work(SERVICE, case_id) as work:
        case = await holds.locked(work.conn, case_id)
        if case.state is not State.CLOSED or case.closed_at is None:
            return
        kind = await _kind(work.conn, case_id)
        due = until(case.closed_at, _years(work, case, kind))
        values = {"case_id": case_id, "kind": kind, "due": due}
        await work.conn.execute(insert(Retention).values(values).on_conflict_do_nothing())
        for blob in (await work.conn.execute(_KEPT, {"case": case_id})).scalars().all():
            await work.vault.accept(work.conn, blob, at=work.at, until=due)


def until(closed: datetime, years: int) -> datetime:
    """The same day so many years later, or the day after where there is none."""
    closed = closed.astimezone(UTC)
    try:
        return closed.replace(year=closed.year + years)
    except ValueError:  # 29 February
        return closed.replace(year=closed.year + years, month=3, day=1)


def _years(work: Work, case: Case, kind: RetentionClass) -> int:
    years: int = getattr(work.rulebooks.version(case.rulebook).retention, kind.value)
    return years


async def _kind(conn: AsyncConnection, case_id: UUID) -> RetentionClass:
    insured = exists().where(col(InsuranceClaim.case_id) == case_id)
    paid = exists().where(col(Payout.case_id) == case_id)
    row = (await conn.execute(select(insured.label("insured"), paid.label("paid")))).one()
    if row.insured:
        return RetentionClass.INSURED
    return RetentionClass.PAID if row.paid else RetentionClass.UNPAID


async def expire(office: Office) -> bool:
    """Erase some of what is over its retention; whether there may be more.

    Never of an open case, nor of one that is held.
    """
    async with office.work(SERVICE, policy.NOBODY) as work:
        held = exists().where(
            col(LegalHold.case_id) == col(Retention.case_id), col(LegalHold.lifted_at).is_(None)
        )
        over = (
            select(col(Retention.case_id))
            .where(col(Retention.done_at).is_(None), col(Retention.due) <= work.at, ~held)
            .order_by(col(Retention.due))
            .limit(CASES_AT_ONCE)
        )
        cases = (await work.conn.execute(over)).scalars().all()
    return any([await _expire(office, case_id) for case_id in cases])


async def _expire(office: Office, case_id: UUID) -> bool:
    """Erase some exhibits of a case, which is done when none is left; whether anything was done."""
    async with office.work(SERVICE, case_id) as work:
        case = await holds.locked(work.conn, case_id)
        if case.state is not State.CLOSED or await holds.is_held(work.conn, case_id):
            return False
        gone = exists().where(
            col(Erasure.exhibit_id) == col(Exhibit.id),
            col(Erasure.words),
            col(Erasure.state) == ErasureState.DONE,
        )
        under_way = exists().where(
            col(Erasure.exhibit_id) == col(Exhibit.id),
            col(Erasure.state) == ErasureState.GRANTED,
        )
        left = (
            select(col(Exhibit.id), under_way.label("under_way"))
            .where(col(Exhibit.case_id) == case_id, ~gone)
            .order_by(under_way, col(Exhibit.id))
            .limit(EXHIBITS_AT_ONCE)
        )
        rows = (await work.conn.execute(left)).all()
        erased = [row.id for row in rows if not row.under_way]
        for exhibit_id in erased:
            await erasures.expire(work, exhibit_id)
        if not rows:
            await work.conn.execute(
                update(Retention).where(col(Retention.case_id) == case_id).values(done_at=work.at)
            )
        return bool(erased) or not rows
