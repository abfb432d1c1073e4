"""The outbox: what is to be done after a transaction, claimed by state, with a lease.

A row is written in the transaction of the act that it follows from. Whoever works claims rows
that are due, does them and says so. What holds after a crash between two steps:

1. claim, committed by itself. Crash before it: the row is due. After it: the row is leased, and
   due again when the lease is over; while it is worked on, the lease is renewed.
2. the function that the row's kind names. Crash: it may have been done, and is done again.
3. done, later or failed is written. Crash before it: as 2.

So a row is done at least once, and its function must bear a repeat. Rows are found by their
state and never by a high-water mark, which would skip what was committed late. The module knows
no mail and no rail: the functions are handed in.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Boolean, Float, Integer, Interval, Text, TextClause, Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.types import TypeEngine

from odr import ids
from odr.models.states import OutboxState

LEASE: Final = timedelta(seconds=10)
"""How long a claim holds without being renewed: how long a crash delays what it interrupted."""

ERROR_MAX: Final = 500
GIVEN_UP: Final = "given_up"
"""The kind of the notice by which the operator's people are told of a row that was given up."""


class Failed(Exception):  # noqa: N818 - said as one would say it
    """What the row waits for is not to be had now. The text is kept and holds nothing private."""


class Hopeless(Failed):
    """It will never succeed: the row is given up at once."""


@dataclass(frozen=True, slots=True)
class Later:
    """It is not done yet, which is no failure: look again after this long."""

    after: timedelta


Do = Callable[[UUID], Awaitable[Later | None]]
"""What a row's kind names; takes the row's subject, and may be run more than once for it."""

Report = Callable[[BaseException], str]
"""Takes an unexpected error and gives the id under which it can be found."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a row is tried, and how long it waits after the first and at most.

    The waits double. As given, the tries span a day and a half.
    """

    tries_max: int = 48
    first: timedelta = timedelta(seconds=2)
    longest: timedelta = timedelta(hours=1)


PATIENCE: Final = Patience()


@dataclass(frozen=True, slots=True)
class Claimed:
    """A row that is leased to whoever claimed it; ``tries`` counts this one."""

    id: UUID
    kind: str
    subject_id: UUID
    tries: int


@dataclass(slots=True)
class Batch:
    """What one statement claimed. ``leased_until`` marks its rows as ours."""

    rows: list[Claimed]
    leased_until: datetime | None


async def put(conn: AsyncConnection, kind: str, subject_id: UUID) -> UUID:
    """Queue something to be done once the caller's transaction is committed."""
    row = ids.child(subject_id)
    await conn.execute(_PUT, {"id": row, "kind": kind, "subject": subject_id})
    return row


async def claim(
    conn: AsyncConnection, kinds: Collection[str], *, limit: int, lease: timedelta = LEASE
) -> Batch:
    """Claim due rows of ``kinds``, the longest due first; what others have claimed is passed over.

    Counts a try for each. Commit at once: until then the rows are locked.
    """
    found = await conn.execute(_CLAIM, {"kinds": list(kinds), "limit": limit, "lease": lease})
    rows = found.all()
    claimed = [Claimed(row.id, row.kind, row.subject_id, row.tries) for row in rows]
    return Batch(claimed, rows[0].leased_until if rows else None)


async def renew(conn: AsyncConnection, batch: Batch, *, lease: timedelta = LEASE) -> None:
    """Hold what is still to be done of a batch for another lease."""
    values = {"ids": [row.id for row in batch.rows], "held": batch.leased_until, "lease": lease}
    renewed = (await conn.execute(_RENEW, values)).first()
    if renewed is not None:
        batch.leased_until = renewed.leased_until


async def release(conn: AsyncConnection, batch: Batch) -> None:
    """Give back what was claimed and not done, so that nobody waits for the lease to end."""
    values = {"ids": [row.id for row in batch.rows], "held": batch.leased_until}
    await conn.execute(_RELEASE, values)


async def done(conn: AsyncConnection, row: Claimed) -> None:
    """Say that a row was done; true even if its lease was lost meanwhile."""
    await conn.execute(_DONE, {"id": row.id})


async def postpone(conn: AsyncConnection, batch: Batch, row: Claimed, after: timedelta) -> None:
    """Let a row rest for ``after``; its tries are counted anew."""
    await conn.execute(_POSTPONE, {"id": row.id, "held": batch.leased_until, "after": after})


async def fail(
    conn: AsyncConnection,
    batch: Batch,
    row: Claimed,
    error: str,
    *,
    hopeless: bool = False,
    patience: Patience = PATIENCE,
) -> OutboxState | None:
    """Say that a try failed: the row waits, or is DEAD and the operator's people are told.

    They are told once a day of each kind, until they have read it. None if the lease was lost.
    """
    values = {
        "id": row.id,
        "held": batch.leased_until,
        "error": error[:ERROR_MAX],
        "hopeless": hopeless,
        "tries_max": patience.tries_max,
        "first": patience.first.total_seconds(),
        "longest": patience.longest.total_seconds(),
        "given_up": GIVEN_UP,
    }
    failed = (await conn.execute(_FAIL, values)).first()
    return None if failed is None else OutboxState(failed.state)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbox:
    """Does what the outbox holds, by ``functions`` for each kind; other kinds are left alone.

    ``batch`` is how many rows are worked on at once, ``longest`` how long a function may take.
    """

    engine: AsyncEngine
    functions: Mapping[str, Do]
    report: Report
    patience: Patience = PATIENCE
    lease: timedelta = LEASE
    batch: int = 8
    longest: timedelta = timedelta(seconds=60)

    async def run(self) -> int:
        """Claim one batch, do it, and return how many rows it had; 0 if nothing is due.

        Raises what the database raises while claiming. Cancelled, it gives the rows back.
        """
        async with self.engine.begin() as conn:
            batch = await claim(conn, self.functions.keys(), limit=self.batch, lease=self.lease)
        if not batch.rows:
            return 0
        count = len(batch.rows)
        renewing = asyncio.create_task(self._renew(batch))
        try:
            await asyncio.gather(*(self._do(batch, row) for row in batch.rows))
        except asyncio.CancelledError:
            await self._give_back(batch)
            raise
        finally:
            renewing.cancel()
            await asyncio.wait([renewing])
        return count

    async def _do(self, batch: Batch, row: Claimed) -> None:
        """Do one row; whatever goes wrong with it concerns no other."""
        try:
            outcome = await self._tried(row)
            async with self.engine.begin() as conn:
                if outcome is None:
                    await done(conn, row)
                elif isinstance(outcome, Later):
                    await postpone(conn, batch, row, outcome.after)
                else:
                    said, hopeless = outcome
                    await fail(conn, batch, row, said, hopeless=hopeless, patience=self.patience)
        except Exception as error:  # noqa: BLE001 - the database went: the lease will end
            self.report(error)

    async def _tried(self, row: Claimed) -> Later | tuple[str, bool] | None:
        """What came of a try: done, later, or what went wrong and whether that is for good."""
        if row.tries > self.patience.tries_max:
            return "every worker that tried it was lost", True
        try:
            async with asyncio.timeout(self.longest.total_seconds()):
                return await self.functions[row.kind](row.subject_id)
        except Failed as error:
            return str(error), isinstance(error, Hopeless)
        except Exception as error:  # noqa: BLE001 - a bug in one function stops no other
            return f"{type(error).__name__} {self.report(error)}", False

    async def _renew(self, batch: Batch) -> None:
        while True:
            await asyncio.sleep(self.lease.total_seconds() / 3)
            # Without the database there is nothing to hold; the next turn tries again.
            with suppress(Exception):
                async with self.engine.begin() as conn:
                    await renew(conn, batch, lease=self.lease)

    async def _give_back(self, batch: Batch) -> None:
        with suppress(Exception, asyncio.CancelledError):
            async with asyncio.timeout(1), self.engine.begin() as conn:
                await release(conn, batch)


def _statement(sql: str) -> TextClause:
    instant = TIMESTAMP(timezone=True)
    types: dict[str, TypeEngine[Any]] = {
        "id": Uuid(),
        "ids": ARRAY(Uuid()),
        "subject": Uuid(),
        "kinds": ARRAY(Text()),
        "held": instant,
        "lease": Interval(),
        "after": Interval(),
        "limit": Integer(),
        "tries_max": Integer(),
        "first": Float(),
        "longest": Float(),
        "hopeless": Boolean(),
    }
    statement = text(sql)
    names = list(statement._bindparams)  # noqa: SLF001 - names only; SQLAlchemy has no public list
    return statement.bindparams(*(bindparam(name, type_=types.get(name, Text())) for name in names))


_PUT: Final = _statement(
    "INSERT INTO outbox (id, kind, subject_id, state, due, tries)"
    " VALUES (:id, :kind, :subject, 'due', service_now(), 0)"
)
_CLAIM: Final = _statement(
    """
WITH moment AS MATERIALIZED (
    SELECT service_now() AS at
), picked AS MATERIALIZED (
    SELECT id FROM outbox
    WHERE state = 'due' AND due <= (SELECT at FROM moment)
      AND (leased_until IS NULL OR leased_until <= (SELECT at FROM moment))
      AND kind = ANY(:kinds)
    ORDER BY due LIMIT :limit FOR UPDATE SKIP LOCKED
)
UPDATE outbox SET tries = tries + 1, leased_until = moment.at + :lease
FROM picked, moment WHERE outbox.id = picked.id
RETURNING outbox.id, kind, subject_id, tries, leased_until
"""
)
_RENEW: Final = _statement(
    """
WITH moment AS MATERIALIZED (SELECT service_now() AS at)
UPDATE outbox SET leased_until = moment.at + :lease FROM moment
WHERE id = ANY(:ids) AND state = 'due' AND leased_until = :held
RETURNING leased_until
"""
)
_RELEASE: Final = _statement(
    "UPDATE outbox SET leased_until = NULL, tries = tries - 1"
    " WHERE id = ANY(:ids) AND state = 'due' AND leased_until = :held"
)
_DONE: Final = _statement(
    "UPDATE outbox SET state = 'done', done = service_now(), leased_until = NULL, error = NULL"
    " WHERE id = :id AND state = 'due'"
)
_POSTPONE: Final = _statement(
    "UPDATE outbox SET due = service_now() + :after, leased_until = NULL, tries = 0, error = NULL"
    " WHERE id = :id AND state = 'due' AND leased_until = :held"
)
# The waits double and are spread by a quarter to either side, so that what failed together does
# not come back together.
_FAIL: Final = _statement(
    """
WITH failed AS (
    UPDATE outbox SET
        state = CASE WHEN :hopeless OR tries >= :tries_max THEN 'dead' ELSE 'due' END,
        due = service_now() + make_interval(secs =>
            least(:first * power(2, least(tries, 30) - 1), :longest) * (0.75 + random() / 2)),
        leased_until = NULL, error = :error
    WHERE id = :id AND state = 'due' AND leased_until = :held
    RETURNING id, kind, subject_id, state
), told AS (
    INSERT INTO notices (id, account_id, kind, facts, created)
    SELECT child_id(who.failed), who.account_id, :given_up, who.facts, service_now()
    FROM (
        SELECT DISTINCT failed.id AS failed, m.account_id, jsonb_build_object(
            'kind', failed.kind, 'subject', failed.subject_id, 'row', failed.id) AS facts
        FROM failed, organisations o JOIN memberships m ON m.organisation_id = o.id
        WHERE failed.state = 'dead' AND o.kind = 'operator'
    ) AS who
    WHERE NOT EXISTS (
        SELECT FROM notices n
        WHERE n.account_id = who.account_id AND n.kind = :given_up AND n.read IS NULL
          AND n.facts ->> 'kind' = who.facts ->> 'kind'
          AND n.created > service_now() - interval '1 day'
    )
    RETURNING id, created
), queued AS (
    INSERT INTO outbox (id, kind, subject_id, state, due, tries)
    SELECT child_id(id), 'notice', id, 'due', created, 0 FROM told
)
SELECT state FROM failed
"""
)
