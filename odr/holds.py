"""Legal holds: nothing of a case is erased while one is placed, by anybody, on any ground.

A hold is placed and lifted by the operator and stands in the case's record. Order of writes: row
and entry, in one transaction with an outbox row, under the case's lock, by which erasures wait for
it and it for them → the store is told by the worker, who asks what holds now, so that it may be
told twice, late and out of order. A file that is given meanwhile asks for the same.

The procedure's table knows nothing of this: a hold moves no case, and may be placed on closed ones.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import Boolean, Text, Uuid, bindparam, insert, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from odr import outbox, policy
from odr.errors import Invalid, NotFound, Unmet
from odr.models.cases import Case
from odr.models.keeping import LegalHold
from odr.models.states import Keeping
from odr.procedure.acts import Role
from odr.sentences import Other
from odr.sql import typed
from odr.work import SERVICE, Office, Work

OUTBOX: Final = "hold"
"""The kind of the outbox rows by which the worker tells the store; the subject is the case."""

REASON_MAX: Final = 2000
_SWEPT_AT_ONCE: Final = 100

_FILES: Final = typed(
    """
SELECT b.id, b.store_key, b.store_version FROM exhibits e JOIN vault_blobs b ON b.id = e.blob_id
    OR b.id IN (SELECT d.derivative FROM vault_derivatives d WHERE d.blob = e.blob_id)
WHERE e.case_id = :case ORDER BY b.id
"""
)

PARTIES: Final = (Role.CLAIMANT, Role.RESPONDENT)
_TOLD_AS: Final = {
    Keeping.PLACE_LEGAL_HOLD: Other.LEGAL_HOLD_PLACED,
    Keeping.LIFT_LEGAL_HOLD: Other.LEGAL_HOLD_LIFTED,
}
_TELL: Final = text(
    """
WITH told AS (
    INSERT INTO notices (id, case_id, account_id, kind, facts, created)
    SELECT child_id(:case), :case, who.account_id, :kind, CAST(:facts AS jsonb), :at
    FROM (
        SELECT coalesce(s.account_id, m.account_id) AS account_id
        FROM seats s LEFT JOIN memberships m USING (organisation_id)
        WHERE s.case_id = :case AND s.until IS NULL AND s.role = ANY(:roles)
        GROUP BY 1
    ) AS who
    WHERE who.account_id IS NOT NULL AND NOT (:once AND EXISTS (
        SELECT FROM notices n WHERE n.case_id = :case AND n.account_id = who.account_id
          AND n.kind = :kind AND n.read IS NULL AND n.created > :at - interval '1 hour'))
    RETURNING id
)
INSERT INTO outbox (id, kind, subject_id, state, due, tries)
SELECT child_id(id), 'notice', id, 'due', :at, 0 FROM told
"""
).bindparams(
    bindparam("case", type_=Uuid()),
    bindparam("kind", type_=Text()),
    bindparam("facts", type_=Text()),
    bindparam("at", type_=TIMESTAMP(timezone=True)),
    bindparam("roles", type_=ARRAY(Text())),
    bindparam("once", type_=Boolean()),
)


async def place(work: Work, case_id: UUID, reason: str, *, until: datetime | None = None) -> UUID:
    """Place a hold on a case, for good or until then; several may be placed at once.

    ``NotFound`` for whoever is not the operator; ``Invalid`` without a reason, or in the past.
    """
    policy.require_operator(work.actor)
    case = await locked(work.conn, case_id)
    checked_reason(reason)
    if until is not None and until <= work.at:
        raise Invalid(("until",), "out_of_bounds", minimum=work.at)
    await work.conn.execute(
        insert(LegalHold).values(
            id=work.result,
            case_id=case_id,
            reason=reason,
            until=until,
            placed_by=work.actor.account_id,
            placed_at=work.at,
        )
    )
    told = {"reason": reason, "until": None if until is None else until.isoformat()}
    await _enter(work, case, Keeping.PLACE_LEGAL_HOLD, work.result, told)
    return work.result


async def lift(work: Work, hold_id: UUID, reason: str) -> None:
    """Lift a hold, with a reason; ``Unmet`` if it was lifted before."""
    policy.require_operator(work.actor)
    hold, case = await _locked_with_case(work.conn, hold_id)
    if hold["lifted_at"] is not None:
        raise Unmet(act=Keeping.LIFT_LEGAL_HOLD, fact="hold_placed")
    checked_reason(reason)
    await _lift(work, case, hold_id, reason)


async def _lift(work: Work, case: Case, hold_id: UUID, reason: str) -> None:
    by = None if work.actor is SERVICE else work.actor.account_id
    await work.conn.execute(
        update(LegalHold)
        .where(col(LegalHold.id) == hold_id)
        .values(lifted_at=work.at, lifted_by=by)
    )
    await _enter(work, case, Keeping.LIFT_LEGAL_HOLD, hold_id, {"reason": reason})


async def _enter(
    work: Work, case: Case, act: Keeping, hold_id: UUID, told: Mapping[str, Any]
) -> None:
    """Say it in the record, and have the store told."""
    body = {**stamp(work, case), "hold": str(hold_id), **told}
    work.appended.append(
        await work.vault.append(work.conn, case.record_stream, act=act.value, body=body, at=work.at)
    )
    await outbox.put(work.conn, OUTBOX, case.id)
    await tell_parties(work, case, _TOLD_AS[act])


async def tell_parties(
    work: Work, case: Case, kind: Other, roles: Iterable[Role] = PARTIES
) -> None:
    """Queue a notice to whoever has a party's seat; of several erasures within an hour, one.

    It says nothing but what its kind says, and whose case it is.
    """
    given = {
        "case": case.id,
        "kind": kind.value,
        "facts": orjson.dumps({"number": case.number}).decode(),
        "at": work.noticed,
        "roles": [role.value for role in roles],
        "once": kind is Other.EXHIBIT_ERASED,
    }
    await work.conn.execute(_TELL, given)


def stamp(work: Work, case: Case) -> dict[str, Any]:
    """What the private body of every entry says about whose case it is and who did it."""
    return {
        "case": str(case.id),
        "number": case.number,
        "role": "service" if work.actor is SERVICE else "administrator",
        "account": None if work.actor is SERVICE else str(work.actor.account_id),
    }


def checked_reason(reason: str) -> None:
    """Refuse a reason that says nothing, or too much."""
    if not reason.strip():
        raise Invalid(("reason",), "missing")
    if len(reason) > REASON_MAX:
        raise Invalid(("reason",), "too_long", maximum=REASON_MAX)


async def require_none(conn: AsyncConnection, case_id: UUID, act: str) -> None:
    """Refuse an act (``Unmet``) on a case, locked by the caller, that is held."""
    if await is_held(conn, case_id):
        raise Unmet(act=act, fact="no_legal_hold")


async def is_held(conn: AsyncConnection, case_id: UUID) -> bool:
    """Whether a hold is placed on a case."""
    placed = select(col(LegalHold.id)).where(
        col(LegalHold.case_id) == case_id, col(LegalHold.lifted_at).is_(None)
    )
    return (await conn.execute(placed.limit(1))).first() is not None


async def locked(conn: AsyncConnection, case_id: UUID) -> Case:
    """A case under its row lock, whoever asks; ``NotFound``."""
    columns = Case.__table__.c  # type: ignore[attr-defined]  # SQLModel gives every table class its Table
    statement = select(*columns).where(columns.id == case_id).with_for_update()
    row = (await conn.execute(statement)).mappings().one_or_none()
    if row is None:
        raise NotFound
    return Case(**row)


async def _locked_with_case(conn: AsyncConnection, hold_id: UUID) -> tuple[Mapping[Any, Any], Case]:
    """The case first, then the hold: the order in which everybody locks."""
    columns = LegalHold.__table__.c  # type: ignore[attr-defined]  # SQLModel gives every table class its Table
    of_case = select(columns.case_id).where(columns.id == hold_id)
    case_id = (await conn.execute(of_case)).scalar_one_or_none()
    if case_id is None:
        raise NotFound
    case = await locked(conn, case_id)
    found = await conn.execute(select(*columns).where(columns.id == hold_id).with_for_update())
    return found.mappings().one(), case


async def given(work: Work, case_id: UUID) -> None:
    """Have the store told of a new file, if its case is held; the case is locked by the caller."""
    if await is_held(work.conn, case_id):
        await outbox.put(work.conn, OUTBOX, case_id)


async def tell(office: Office, case_id: UUID) -> None:
    """Have the store hold the files of a case, or let them go: as it is now.

    Raises what the store raises; told once more, it changes nothing.
    """
    async with office.connected() as conn:
        held = await is_held(conn, case_id)
        files = (await conn.execute(_FILES, {"case": case_id})).all()
    for file in files:
        await office.vault.store.hold(file.store_key, file.store_version, on=held)


async def sweep(office: Office) -> bool:
    """Lift the holds whose time is over; whether there may be more."""
    async with office.work(SERVICE, policy.NOBODY) as work:
        over = (
            select(col(LegalHold.id))
            .where(col(LegalHold.lifted_at).is_(None), col(LegalHold.until) <= work.at)
            .limit(_SWEPT_AT_ONCE)
        )
        due = (await work.conn.execute(over)).scalars().all()
    for hold_id in due:
        async with office.work(SERVICE, hold_id) as work:
            hold, case = await _locked_with_case(work.conn, hold_id)
            if hold["lifted_at"] is None:
                await _lift(work, case, hold_id, "its time is over")
    return len(due) == _SWEPT_AT_ONCE
