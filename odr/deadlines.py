"""Deadlines: the clocks of a case as rows, and how an act's entry tells which it set.

How long a clock runs stands in the rulebook, what it does in ``odr.procedure.clocks``; when it
runs is the clockwork's. Here is only how one is set: its instants are computed once and kept, in
the row and in the entry of the act that set it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import DateTime, ScalarSelect, bindparam, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from odr import ids
from odr.calendar import Place, due
from odr.models.cases import Case, RunningClock
from odr.models.states import ClockState
from odr.procedure import clocks as timers
from odr.procedure.clocks import Clock
from odr.rulebook import Rulebook, Window
from odr.words import Side

Slot = Mapping[str, Any]
"""A clock as JSON: clock, subject, side, starts, due (RFC 3339, UTC) and amount (minor units)."""


@dataclass(frozen=True, slots=True)
class Start:
    """A clock to be started; ``due`` overrides the rulebook's window."""

    clock: Clock
    subject: UUID
    side: Side | None = None
    amount_minor: int | None = None
    due: datetime | None = None


def end(case: Case, rulebook: Rulebook, window: Window, start: datetime) -> datetime:
    """When a window that opens at ``start`` is over, by the rulebook and the case's place."""
    return due(start, rulebook.windows[window], Place(case.country, case.zone))


def slot(case: Case, rulebook: Rulebook, starts: datetime, clock: Start) -> Slot:
    """A clock that starts at ``starts``."""
    ends = clock.due or end(case, rulebook, timers.TIMERS[clock.clock].window, starts)
    return {
        "clock": clock.clock.value,
        "subject": str(clock.subject),
        "side": clock.side.value if clock.side else None,
        "starts": starts.isoformat(),
        "due": ends.isoformat(),
        "amount": clock.amount_minor,
    }


def _overdue() -> ScalarSelect[Any]:
    clock = RunningClock.__table__.c.clock  # type: ignore[attr-defined]  # SQLModel gives every table class its Table
    told = func.json_build_object(
        "id", col(RunningClock.id), "clock", clock,
        "subject", col(RunningClock.subject_id), "due", col(RunningClock.due),
    )  # fmt: skip
    return (
        select(func.json_agg(told))
        .where(
            col(RunningClock.case_id) == col(Case.id),
            col(RunningClock.state) == ClockState.RUNNING,
            col(RunningClock.due) <= bindparam("at", type_=DateTime(timezone=True)),
        )
        .scalar_subquery()
    )


OVERDUE: Final = _overdue()
"""The clocks of a row of ``cases`` that are due at the instant ``at``, as one JSON value."""


async def start(conn: AsyncConnection, case_id: UUID, given: Slot) -> None:
    """Start one clock, besides those that an act starts by its entry."""
    await conn.execute(
        insert(RunningClock).values(
            id=ids.child(case_id),
            case_id=case_id,
            clock=Clock(given["clock"]),
            subject_id=UUID(given["subject"]),
            side=None if given["side"] is None else Side(given["side"]),
            state=ClockState.RUNNING,
            starts=datetime.fromisoformat(given["starts"]),
            due=datetime.fromisoformat(given["due"]),
            amount_minor=given["amount"],
        )
    )


async def running(conn: AsyncConnection, case_id: UUID, clock: Clock) -> RunningClock:
    """The running clock of its kind in a case that has exactly one."""
    columns = RunningClock.__table__.c  # type: ignore[attr-defined]  # SQLModel gives every table class its Table
    statement = select(*columns).where(
        columns.case_id == case_id, columns.clock == clock, columns.state == ClockState.RUNNING
    )
    return RunningClock(**(await conn.execute(statement)).mappings().one())


async def restart(conn: AsyncConnection, case_id: UUID, given: Slot) -> None:
    """Let a clock that runs have the instants and the amount of ``given``."""
    await conn.execute(
        update(RunningClock)
        .where(
            col(RunningClock.case_id) == case_id,
            col(RunningClock.clock) == Clock(given["clock"]),
            col(RunningClock.subject_id) == UUID(given["subject"]),
            col(RunningClock.state) == ClockState.RUNNING,
        )
        .values(
            starts=datetime.fromisoformat(given["starts"]),
            due=datetime.fromisoformat(given["due"]),
            amount_minor=given["amount"],
        )
    )
