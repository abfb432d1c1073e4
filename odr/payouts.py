"""Payouts: what was granted goes out through a payment rail, once, whatever crashes."""

from typing import Final
from uuid import UUID

from sqlalchemy import insert

from odr import ids
from odr.cases import Held
from odr.models.cases import Outbox
from odr.models.money import Payout
from odr.models.states import OutboxState, PayoutState
from odr.money import Money
from odr.rulebook import Window
from odr.work import Work

OUTBOX: Final = "payout"
"""The kind of the outbox rows by which the worker finds payouts."""


async def plan(
    work: Work, held: Held, *, obligation_id: UUID, payee: str, purpose: str, amount: Money
) -> Payout:
    """Plan the payout of an obligation; its id follows from the obligation's, so there is one."""
    made = ids.derive(obligation_id, "payout")
    payout = Payout(
        id=made,
        case_id=held.id,
        obligation_id=obligation_id,
        payee=payee,
        purpose=purpose,
        amount_minor=amount.amount_minor,
        currency=amount.currency,
        rail=work.office.rail,
        reference=f"CP{made.hex}",
        state=PayoutState.PLANNED,
        created=work.at,
        expected_at=held.window(Window.PAYOUT, work.noticed),
    )
    await work.conn.execute(insert(Payout).values(payout.model_dump()))
    await work.conn.execute(
        insert(Outbox).values(
            id=ids.child(made),
            kind=OUTBOX,
            subject_id=made,
            state=OutboxState.DUE,
            due=work.noticed,
        )
    )
    return payout
