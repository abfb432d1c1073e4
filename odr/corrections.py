"""Corrections: a slip in a ruling, asked for by a side or found by the arbitrator, put right.

A slip is what the ruling did not mean: a name, a date, a sum. Where the terms were wrong, nobody
has waived an appeal against the right ones: waivers are void, and the window to appeal runs anew.
"""

from uuid import UUID

from sqlalchemy import insert, update
from sqlmodel import col

from odr import cases, claims, rulings, terms
from odr.cases import Entry
from odr.errors import Invalid
from odr.models.arbitration import Correction, CorrectionRequest
from odr.models.cases import Seat
from odr.models.dialogue import Ruling
from odr.models.states import RulingKind
from odr.procedure.acts import Act, Role
from odr.terms import Terms
from odr.work import Work


async def request_correction(
    work: Work, case_id: UUID, body: str, *, version: int | None = None
) -> UUID:
    """Ask for a slip to be corrected; the request's id is ``work.result``."""
    held = await cases.hold(work, case_id, Act.REQUEST_CORRECTION, version=version)
    claims.text_within(body, ("body",), held.rulebook.limits.message_characters)
    ruling = await rulings.latest(work, case_id)
    await work.conn.execute(
        insert(CorrectionRequest).values(
            id=work.result,
            case_id=case_id,
            ruling_id=ruling.id,
            side=held.party,
            account_id=work.actor.account_id,
            body=body,
            at=work.at,
        )
    )
    told = {"correction_request": str(work.result), "ruling": str(ruling.id)}
    await cases.advance(work, held, Entry(said=told | {"body": body}, shown=told))
    return work.result


async def correct_ruling(
    work: Work,
    case_id: UUID,
    body: str,
    *,
    corrected: Terms | None = None,
    version: int | None = None,
) -> UUID:
    """Say how the ruling reads right, with the right ``corrected`` terms where they were wrong.

    In the time to ask for a correction, or later where one was asked for in time. The correction's
    id is ``work.result``.
    """
    held = await cases.hold(work, case_id, Act.CORRECT_RULING, version=version)
    claims.text_within(body, ("body",), held.rulebook.limits.message_characters)
    ruling = await rulings.latest(work, case_id)
    given = None if corrected is None else terms.to_json(corrected)
    amount = None if corrected is None else terms.to_buyer(corrected).amount_minor
    if corrected is not None:
        await rulings.check_terms(work, held, RulingKind(ruling.kind), corrected)
        if given == ruling.terms:
            raise Invalid(("terms",), "unchanged")
        await _put_right(work, ruling, given, amount)
    await work.conn.execute(
        insert(Correction).values(
            id=work.result,
            case_id=case_id,
            ruling_id=ruling.id,
            account_id=work.actor.account_id,
            body=body,
            terms=given,
            amount_minor=amount,
            at=work.at,
        )
    )
    told: dict[str, object] = {"correction": str(work.result), "ruling": str(ruling.id)}
    entry = Entry(
        said=told | {"body": body} | ({} if given is None else {"terms": given}),
        shown=told | ({} if corrected is None else claims.amount_of(corrected)),
        stage_amount=amount,
        restarts_stage_clock=corrected is not None,
    )
    await cases.advance(work, held, entry)
    return work.result


async def _put_right(
    work: Work, ruling: Ruling, given: dict[str, object] | None, amount: int | None
) -> None:
    await work.conn.execute(
        update(Ruling).where(col(Ruling.id) == ruling.id).values(terms=given, amount_minor=amount)
    )
    await work.conn.execute(
        update(Seat)
        .where(
            col(Seat.case_id) == ruling.case_id,
            col(Seat.role).in_((Role.CLAIMANT, Role.RESPONDENT)),
        )
        .values(appeal_waived_at=None)
    )
