"""The clockwork: finds the cases whose clocks have run out, and lets them run.

Deadlines live in the database and a clock is an act in the procedure's table; here is only the
walk over the cases that have one due. Each case is brought up to date in a transaction of its
own: its clocks in the order of their instants, each dated to it, and what follows from one starts
when people are told. So a week without workers loses nothing, and two workers do nothing twice:
a clock is fired under its case's lock. Nobody waits here for a case that is locked.

An act that arrived in time may still be waiting for its case's lock when the clock runs out. It
counts, so the walk leaves a clock alone until nobody can be waiting any more (``GRACE``); an act
that arrives in between runs the clock itself, before its own instant.
"""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import BigInteger, Interval, Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from odr import cases, ids
from odr.errors import Unavailable
from odr.outbox import Report
from odr.work import SERVICE, Office

ROUND: Final = 100
"""Cases in one round."""

AT_ONCE: Final = 4
"""Cases that are brought up to date side by side."""

GRACE: Final = timedelta(seconds=6)
"""Longer than the service's role may wait for a lock (``lock_timeout``, 5 s)."""

_OVERDUE: Final = text(
    """
SELECT case_id FROM clocks
WHERE state = 'running' AND due <= (SELECT service_now() - :grace)
  AND case_id <> ALL(:passing_over)
GROUP BY case_id ORDER BY min(due), case_id LIMIT :limit
"""
).bindparams(
    bindparam("passing_over", type_=ARRAY(Uuid())),
    bindparam("limit", type_=BigInteger()),
    bindparam("grace", type_=Interval()),
)


@dataclass(frozen=True, slots=True)
class Round:
    """What came of a round: how many clocks ran, and the cases whose clocks could not run."""

    fired: int
    failed: frozenset[UUID]


async def overdue(
    conn: AsyncConnection,
    *,
    limit: int = ROUND,
    passing_over: Collection[UUID] = (),
    grace: timedelta = GRACE,
) -> Sequence[UUID]:
    """List the cases with a clock that has run out, the longest overdue first; locks nothing."""
    values = {"passing_over": list(passing_over), "limit": limit, "grace": grace}
    return (await conn.execute(_OVERDUE, values)).scalars().all()


async def run(
    office: Office,
    report: Report,
    *,
    passing_over: Collection[UUID] = (),
    grace: timedelta = GRACE,
) -> Round:
    """Bring the longest overdue cases up to date, at most ``ROUND`` of them.

    A case that fails is rolled back, reported and named in the result; the others go on. Whoever
    repeats the rounds lets it rest (``passing_over``), so that it takes nobody's place. Raises
    ``Unavailable`` if the database goes meanwhile. Without ``grace`` it must be known that no act
    is under way.
    """
    async with office.engine.connect() as conn:
        found = await overdue(conn, passing_over=passing_over, grace=grace)
    places = asyncio.Semaphore(AT_ONCE)
    failed: set[UUID] = set()
    lost: list[Unavailable] = []

    async def catch_up(case_id: UUID) -> int:
        async with places:
            try:
                async with office.work(SERVICE, ids.child(case_id)) as work:
                    return await cases.catch_up(replace(work, at=work.at - grace), case_id)
            except Unavailable as error:
                lost.append(error)
            except Exception as error:  # noqa: BLE001 - one case's trouble stops no other
                report(error)
                failed.add(case_id)
            return 0

    fired = await asyncio.gather(*map(catch_up, found))
    if lost:
        raise lost[0]
    return Round(sum(fired), frozenset(failed))
