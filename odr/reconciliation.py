"""Reconciliation: asks the rails for what no webhook told, and takes up what nobody works on.

A webhook may be lost, an outbox row given up, and a payment that was made may still be returned.
So every payout under way is asked for after a while, and what was paid or rejected again and
again within the return window: what the ledger says and what the rail says come together without
anybody telling. The rows of the payouts are the truth; running it twice is harmless.
"""

from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Integer, Interval, Text, TextClause, bindparam, text
from sqlalchemy.types import TypeEngine

from odr import payouts
from odr.rails.rail import Rail
from odr.work import Office

RETURN_WINDOW: Final = timedelta(days=60)
"""How long a payment that was made or rejected is still asked for."""


async def run(
    office: Office,
    rail: Rail,
    *,
    after: timedelta = timedelta(minutes=5),
    again: timedelta = timedelta(days=1),
    limit: int = 100,
) -> int:
    """Ask a rail about payouts of which nothing was heard; how many were asked about.

    Those under way are asked for ``after`` a while, those that were paid or rejected ``again``
    and again. Payouts that should be sent and have no row in the outbox get one. ``Unanswered``
    ends the round; the next begins with those that were not asked for longest.
    """
    values = {"rail": rail.name, "after": after, "again": again, "window": RETURN_WINDOW}
    async with office.engine.begin() as conn:
        await conn.execute(_QUEUE_ANEW, {"rail": rail.name, "after": after})
        matched = (await conn.execute(_MATCH, {"rail": rail.name})).scalars().all()
        silent = (await conn.execute(_TO_ASK, values | {"limit": limit})).scalars().all()
    found = dict.fromkeys([*matched, *silent])
    for payout_id in found:
        await payouts.ask(office, rail, payout_id)
    return len(found)


def _statement(sql: str) -> TextClause:
    types: dict[str, TypeEngine[Any]] = {
        "after": Interval(),
        "again": Interval(),
        "window": Interval(),
        "limit": Integer(),
    }
    statement = text(sql)
    names = list(statement._bindparams)  # noqa: SLF001 - names only; SQLAlchemy has no public list
    return statement.bindparams(*(bindparam(name, type_=types.get(name, Text())) for name in names))


_QUEUE_ANEW: Final = _statement(
    """
INSERT INTO outbox (id, kind, subject_id, state, due, tries)
SELECT child_id(p.id), 'payout', p.id, 'due', service_now(), 0 FROM payouts p
WHERE p.rail = :rail AND p.state IN ('planned', 'held')
  AND p.created <= (SELECT service_now()) - :after
  AND NOT EXISTS (
      SELECT FROM outbox o WHERE o.subject_id = p.id AND o.kind = 'payout' AND o.state = 'due'
  )
"""
)
# Events that came before we knew the payout that they are about.
_MATCH: Final = _statement(
    """
UPDATE rail_events e SET payout_id = p.id FROM payouts p
WHERE e.payout_id IS NULL AND e.rail = :rail AND p.rail = e.rail AND p.reference = e.reference
RETURNING p.id
"""
)
_TO_ASK: Final = _statement(
    """
WITH moment AS MATERIALIZED (SELECT service_now() AS at)
SELECT p.id FROM payouts p, moment
WHERE p.rail = :rail AND (
    p.state IN ('submitting', 'submitted')
    AND coalesce(p.asked_at, p.created) <= moment.at - :after
    OR p.state IN ('paid', 'rejected')
    AND coalesce(p.paid_at, p.created) > moment.at - :window
    AND coalesce(p.asked_at, p.created) <= moment.at - :again
)
ORDER BY p.asked_at NULLS FIRST LIMIT :limit
"""
)
