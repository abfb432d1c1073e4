"""Appeals: a ruling looked at once more, by another arbitrator, for good.

On new evidence or a defect of the procedure only. Nothing is granted meanwhile. The decision is
made on the record as it stands then, whose root the entry that decides freezes; it affirms the
ruling, or puts another in its place, and what holds then is carried out, once. Not decided in
time, the ruling stands.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlmodel import col

from odr import cases, claims, exhibits, rulings, terms
from odr.cases import Entry, Held
from odr.errors import Invalid
from odr.exhibits import Given
from odr.models.arbitration import Appeal
from odr.models.states import AppealDecision, AppealGround, Channel
from odr.procedure.acts import Act
from odr.rulings import Decision
from odr.work import Work


async def appeal(
    work: Work,
    case_id: UUID,
    *,
    ground: AppealGround,
    statement: str,
    given: Sequence[Given] = (),
    version: int | None = None,
) -> UUID:
    """Have another arbitrator look at the ruling; new evidence comes with it (``given``).

    The appeal's id is ``work.result``.
    """
    held = await cases.hold(work, case_id, Act.APPEAL, version=version)
    claims.text_within(statement, ("statement",), held.rulebook.limits.statement_characters)
    if ground is AppealGround.NEW_EVIDENCE and not given:
        raise Invalid(("exhibits",), "missing")
    ruling = await rulings.latest(work, case_id)
    await work.conn.execute(
        insert(Appeal).values(
            id=work.result,
            case_id=case_id,
            ruling_id=ruling.id,
            side=held.party,
            account_id=work.actor.account_id,
            ground=ground,
            statement=statement,
            at=work.at,
        )
    )
    told = {"appeal": str(work.result), "ruling": str(ruling.id), "ground": ground.value}
    entry = Entry(
        said=told | {"statement": statement}, shown=told, stage_amount=ruling.amount_minor
    )
    moved = await cases.advance(work, held, entry)
    if given:
        await exhibits.add(work, moved, given, Channel.RECORD)
    return work.result


async def affirm_ruling(
    work: Work, case_id: UUID, *, reasons: str, version: int | None = None
) -> UUID:
    """Affirm the ruling, with reasons: it is final and carried out. The appeal's id."""
    held = await cases.hold(work, case_id, Act.AFFIRM_RULING, version=version)
    claims.text_within(reasons, ("reasons",), held.rulebook.limits.ruling_characters)
    decided = await _decide(work, case_id, AppealDecision.AFFIRMED, reasons=reasons)
    told = {"appeal": str(decided)}
    await rulings.carry_out(work, held, told | {"reasons": reasons}, told, closes_record=True)
    return decided


async def vary_ruling(
    work: Work, case_id: UUID, decision: Decision, *, version: int | None = None
) -> UUID:
    """Put other terms in the ruling's place, with findings and reasons; the new ruling's id."""
    held = await cases.hold(work, case_id, Act.VARY_RULING, version=version)
    before = await rulings.latest(work, case_id)
    if before.terms == terms.to_json(decision.terms):
        raise Invalid(("terms",), "unchanged")
    return await _decide_anew(work, held, decision, AppealDecision.VARIED)


async def set_aside_ruling(
    work: Work, case_id: UUID, decision: Decision, *, version: int | None = None
) -> UUID:
    """Set the ruling aside and decide anew, with findings and reasons; the new ruling's id."""
    held = await cases.hold(work, case_id, Act.SET_ASIDE_RULING, version=version)
    return await _decide_anew(work, held, decision, AppealDecision.SET_ASIDE)


async def _decide_anew(work: Work, held: Held, decision: Decision, outcome: AppealDecision) -> UUID:
    # The entry that decides freezes this root: nothing comes between under the case's lock.
    root = await work.vault.root(work.conn, held.case.record_stream)
    said, shown = await rulings.write(work, held, decision, root.hash, None)
    decided = await _decide(work, held.id, outcome, decided_ruling_id=work.result)
    told = {"appeal": str(decided)}
    await rulings.carry_out(work, held, said | told, shown | told, closes_record=True)
    return work.result


async def _decide(work: Work, case_id: UUID, outcome: AppealDecision, **more: Any) -> UUID:
    decided = {"decision": outcome, "decided_by": work.actor.account_id, "decided_at": work.at}
    await work.conn.execute(
        update(Appeal).where(col(Appeal.case_id) == case_id).values(**decided, **more)
    )
    found = select(col(Appeal.id)).where(col(Appeal.case_id) == case_id)
    appealed: UUID = (await work.conn.execute(found)).scalar_one()
    return appealed
