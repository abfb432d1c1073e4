"""The inbox: what a rail told, each event once, in the transaction of what follows from it.

An event that was kept and an effect that was not would be lost, since it does not count again; so
the row is written by whoever applies it. Events about payments that we do not know are kept
without a payout. The module does not know what an event leads to.
"""

from typing import Final
from uuid import UUID

from sqlalchemy import Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from odr.rails.rail import Event

_FIRST: Final = text(
    """
INSERT INTO rail_events (rail, event_id, payout_id, reference, kind, at)
VALUES (:rail, :event, :payout, :reference, :kind, service_now())
ON CONFLICT (rail, event_id) DO UPDATE SET payout_id = excluded.payout_id
    WHERE rail_events.payout_id IS NULL AND excluded.payout_id IS NOT NULL
RETURNING event_id
"""
).bindparams(
    bindparam("rail", type_=Text()),
    bindparam("event", type_=Text()),
    bindparam("payout", type_=Uuid()),
    bindparam("reference", type_=Text()),
    bindparam("kind", type_=Text()),
)


async def first_told(conn: AsyncConnection, event: Event, payout_id: UUID | None) -> bool:
    """Whether an event counts: it is new, or the payout that it is about was not known before."""
    values = {
        "rail": event.rail,
        "event": event.id,
        "payout": payout_id,
        "reference": event.report.reference,
        "kind": event.report.standing.value,
    }
    return (await conn.execute(_FIRST, values)).first() is not None
