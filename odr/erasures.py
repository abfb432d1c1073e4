"""Erasures: an exhibit is destroyed on a ground, after a second person agreed; the record says so.

Order of writes (what holds after a crash between two steps):

1. ask: the operator names exhibit, ground and reason. Nothing is changed.
2. approve: another of the operator's people; in one transaction, under the case's lock, the
   tombstones are appended to the streams in which the exhibit stands, what was said of it is taken
   out of the tables, and an outbox row asks for 3. From its commit on nobody is shown the file.
   Crash before it: as 1.
3. destroy, by the worker: keys, salts, private bodies, hashes, findings (evidence/erasure.py).
   Crash before its commit: the outbox row is due. After it: done once more, it changes nothing.

What is over its retention the service erases by itself (``odr.retention``): the ground is the
rulebook's, to which two people agreed before. A legal hold stops all of it. In an open case, where
evidence is needed to decide (GDPR Art. 17(3)(e)), only grounds that leave no choice are taken.

A tombstone keeps what a replay needs of the entries that it names: who did what when, no words.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from evidence import body as bodies
from evidence.body import Body
from evidence.tombstone import Erased, Ground
from odr import holds, ids, outbox, policy
from odr.errors import Gone, Invalid, NotFound, Unmet
from odr.models.cases import Case, Record
from odr.models.dialogue import Exhibit, Upload
from odr.models.findings import Examination, ExhibitFinding
from odr.models.keeping import Erasure, Tombstone
from odr.models.states import ErasureState, Keeping
from odr.procedure.acts import Act, State
from odr.sentences import Other
from odr.work import SERVICE, Office, Work

OUTBOX: Final = "erase"
"""The kind of the outbox rows by which the worker finds what is to be destroyed."""

IN_OPEN_CASES: Final = frozenset(
    {Ground.COURT_ORDER, Ground.UNLAWFUL_CONTENT, Ground.LEGAL_OBLIGATION}
)
"""The grounds that do not wait until a case is closed."""

_TOLD: Final = (ErasureState.GRANTED, ErasureState.DONE)
_WORDS: Final = ("title", "description", "filename")


async def ask(
    work: Work, exhibit_id: UUID, ground: Ground, reason: str, *, words: bool = True
) -> UUID:
    """Ask for the erasure of an exhibit, as the operator; a second person approves it.

    ``words`` is whether title, description, file name and typed fields go as well. ``Unmet`` while
    the case is held, open (but for grounds that leave no choice), or the exhibit being erased.
    """
    policy.require_operator(work.actor)
    exhibit, case = await _locked(work.conn, exhibit_id)
    if ground is Ground.RETENTION_OVER:
        raise Invalid(("ground",), "not_applicable")
    holds.checked_reason(reason)
    if case.state is not State.CLOSED and ground not in IN_OPEN_CASES:
        raise Unmet(act=Keeping.ERASE_EXHIBIT, fact="case_closed")
    await holds.require_none(work.conn, case.id, Keeping.ERASE_EXHIBIT)
    await _require_left(work.conn, exhibit_id, words=words)
    await _insert(work, exhibit, ground, reason, words=words, state=ErasureState.ASKED)
    return work.result


async def approve(work: Work, erasure_id: UUID) -> None:
    """Agree to an erasure, as a second person: from now on nobody is shown what it names.

    ``Unmet`` for whoever asked, if it was decided before, or while the case is held.
    """
    policy.require_operator(work.actor)
    erasure, exhibit, case = await _asked(work.conn, erasure_id, "approve_erasure")
    if erasure.asked_by == work.actor.account_id:
        raise Unmet(act="approve_erasure", fact="second_person")
    await holds.require_none(work.conn, case.id, "approve_erasure")
    await _decide(work, erasure_id, ErasureState.GRANTED)
    await _bury(work, case, exhibit, erasure)


async def decline(work: Work, erasure_id: UUID) -> None:
    """Do not agree to an erasure; whoever asked may take it back by this."""
    policy.require_operator(work.actor)
    await _asked(work.conn, erasure_id, "decline_erasure")
    await _decide(work, erasure_id, ErasureState.DECLINED)


async def expire(work: Work, exhibit_id: UUID) -> None:
    """Erase an exhibit whose retention is over, by the service.

    What was only asked for is declined by it. ``Unmet`` while the case is held, or where nothing is
    left to erase.
    """
    exhibit, case = await _locked(work.conn, exhibit_id)
    await holds.require_none(work.conn, case.id, Keeping.ERASE_EXHIBIT)
    await work.conn.execute(
        update(Erasure)
        .where(col(Erasure.exhibit_id) == exhibit_id, col(Erasure.state) == ErasureState.ASKED)
        .values(state=ErasureState.DECLINED, decided_at=work.at)
    )
    await _require_left(work.conn, exhibit_id, words=True)
    erasure = await _insert(
        work, exhibit, Ground.RETENTION_OVER, "", words=True, state=ErasureState.GRANTED
    )
    await _bury(work, case, exhibit, erasure)


async def _require_left(conn: AsyncConnection, exhibit_id: UUID, *, words: bool) -> None:
    """Refuse what is being erased already, and what leaves nothing to erase."""
    erasures = Erasure.__table__.c  # type: ignore[attr-defined]  # SQLModel gives every table class its Table
    rows = await conn.execute(
        select(erasures.state, erasures.words).where(
            erasures.exhibit_id == exhibit_id, erasures.state != ErasureState.DECLINED
        )
    )
    for row in rows:
        if row.state is not ErasureState.DONE or row.words or not words:
            raise Unmet(act=Keeping.ERASE_EXHIBIT, fact="not_erased_yet")


async def _insert(
    work: Work, exhibit: Exhibit, ground: Ground, reason: str, *, words: bool, state: ErasureState
) -> Erasure:
    erasure = Erasure(
        id=work.result if work.actor is not SERVICE else ids.child(exhibit.case_id),
        case_id=exhibit.case_id,
        exhibit_id=exhibit.id,
        ground=ground,
        words=words,
        reason=reason,
        state=state,
        asked_by=None if work.actor is SERVICE else work.actor.account_id,
        asked_at=work.at,
        decided_at=None if state is ErasureState.ASKED else work.at,
    )
    await work.conn.execute(insert(Erasure).values(erasure.model_dump()))
    return erasure


async def _decide(work: Work, erasure_id: UUID, state: ErasureState) -> None:
    await work.conn.execute(
        update(Erasure)
        .where(col(Erasure.id) == erasure_id)
        .values(state=state, decided_by=work.actor.account_id, decided_at=work.at)
    )


# The tombstones.


async def _bury(work: Work, case: Case, exhibit: Exhibit, erasure: Erasure) -> None:
    """Append a tombstone to every stream in which the exhibit stands; take its words away."""
    acts = Record.__table__.c  # type: ignore[attr-defined]  # SQLModel gives every table class its Table
    rows = await work.conn.execute(
        select(acts.stream_id, acts.sequence, acts.act)
        .where(
            acts.case_id == case.id,
            acts.act.in_((Act.SUBMIT_EXHIBIT, Act.RELEASE_EXHIBIT)),
            acts.facts["exhibit"].astext == str(exhibit.id),
        )
        .order_by(acts.stream_id, acts.sequence)
    )
    entries: dict[UUID, list[int]] = {}
    blobs: dict[UUID, tuple[UUID, ...]] = {}
    for row in rows:
        entries.setdefault(row.stream_id, []).append(row.sequence)
        if row.act is Act.SUBMIT_EXHIBIT:
            blobs[row.stream_id] = (exhibit.blob_id,)
    for stream, sequences in entries.items():
        named = tuple(sequences) if erasure.words else ()
        if named or stream in blobs:
            erased = _erased(work, erasure, named, blobs.get(stream, ()))
            await _append(work, case, exhibit, erasure, stream, erased)
    if erasure.words:
        await _take_words(work, exhibit)
    await outbox.put(work.conn, OUTBOX, erasure.id)
    told = [role for role in holds.PARTIES if policy.reads_channel(role, exhibit.channel)]
    await holds.tell_parties(work, case, Other.EXHIBIT_ERASED, told)


def _erased(
    work: Work, erasure: Erasure, entries: tuple[int, ...], blobs: tuple[UUID, ...]
) -> Erased:
    by = "service" if work.actor is SERVICE else "administrator"
    return Erased(erasure.ground.value, by, entries, blobs)


async def _append(
    work: Work, case: Case, exhibit: Exhibit, erasure: Erasure, stream: UUID, erased: Erased
) -> None:
    def body(named: Mapping[int, Body]) -> dict[str, Any]:
        return {
            **holds.stamp(work, case),
            "exhibit": str(exhibit.id),
            "erasure": str(erasure.id),
            "reason": erasure.reason,
            "asked_by": None if erasure.asked_by is None else str(erasure.asked_by),
            "kept": [
                {"seq": seq, "value": bodies.value(_without_words(said))}
                for seq, said in named.items()
            ],
        }

    appended = await work.vault.erase(
        work.conn, stream, erased, act=Keeping.ERASE_EXHIBIT.value, body=body, at=work.at
    )
    work.appended.append(appended)
    await work.conn.execute(
        insert(Tombstone).values(
            stream_id=stream, sequence=appended.entry.seq, erasure_id=erasure.id
        )
    )


def _without_words(said: Body) -> Body:
    """What an entry says without what somebody wrote."""
    kept = said.body | {name: "" for name in _WORDS if name in said.body}
    return replace(said, body=kept | ({"voucher": None} if "voucher" in kept else {}))


async def _take_words(work: Work, exhibit: Exhibit) -> None:
    await work.conn.execute(
        update(Exhibit)
        .where(col(Exhibit.id) == exhibit.id)
        .values(title="", description="", filename="", voucher=None)
    )
    await work.conn.execute(
        update(Upload).where(col(Upload.blob_id) == exhibit.blob_id).values(filename="")
    )


# The destruction.


async def destroy(office: Office, erasure_id: UUID) -> None:
    """Destroy what an approved erasure's tombstones name; once more changes nothing.

    ``NotFound`` if there is no such erasure.
    """
    async with office.work(SERVICE, erasure_id) as work:
        erasure = await _found(work.conn, erasure_id, locked=True)
        if erasure.state is not ErasureState.GRANTED:
            return
        tombstones = select(col(Tombstone.stream_id), col(Tombstone.sequence)).where(
            col(Tombstone.erasure_id) == erasure_id
        )
        for stream, sequence in (await work.conn.execute(tombstones)).all():
            await work.vault.destroy(work.conn, stream, sequence)
        # After the key: whoever examines the exhibit meanwhile has written, or finds it gone.
        await work.conn.execute(
            update(Examination)
            .where(col(Examination.exhibit_id) == erasure.exhibit_id)
            .values(tracking=[])
        )
        await work.conn.execute(
            update(ExhibitFinding)
            .where(col(ExhibitFinding.exhibit_id) == erasure.exhibit_id)
            .values(grounds=[])
        )
        await work.conn.execute(
            update(Erasure)
            .where(col(Erasure.id) == erasure_id)
            .values(state=ErasureState.DONE, done_at=work.at)
        )


# Reading.


async def require_kept(conn: AsyncConnection, exhibit_id: UUID) -> None:
    """Refuse an exhibit that was erased, or is being erased: ``Gone``, with when and why."""
    erasures = Erasure.__table__.c  # type: ignore[attr-defined]  # SQLModel gives every table class its Table
    found = (
        await conn.execute(
            select(erasures.ground, erasures.decided_at)
            .where(erasures.exhibit_id == exhibit_id, erasures.state.in_(_TOLD))
            .order_by(erasures.decided_at)
            .limit(1)
        )
    ).one_or_none()
    if found is not None:
        raise Gone(ground=found.ground, at=found.decided_at)


async def _locked(conn: AsyncConnection, exhibit_id: UUID) -> tuple[Exhibit, Case]:
    """The case first: the order in which everybody locks; who may ask is known by then."""
    of_case = select(col(Exhibit.case_id)).where(col(Exhibit.id) == exhibit_id)
    case_id = (await conn.execute(of_case)).scalar_one_or_none()
    if case_id is None:
        raise NotFound
    case = await holds.locked(conn, case_id)
    columns = Exhibit.__table__.c  # type: ignore[attr-defined]  # SQLModel gives every table class its Table
    row = (await conn.execute(select(*columns).where(columns.id == exhibit_id))).mappings().one()
    return Exhibit(**row), case


async def _found(conn: AsyncConnection, erasure_id: UUID, *, locked: bool = False) -> Erasure:
    columns = Erasure.__table__.c  # type: ignore[attr-defined]  # SQLModel gives every table class its Table
    statement = select(*columns).where(columns.id == erasure_id)
    if locked:
        statement = statement.with_for_update()
    row = (await conn.execute(statement)).mappings().one_or_none()
    if row is None:
        raise NotFound
    return Erasure(**row)


async def _asked(
    conn: AsyncConnection, erasure_id: UUID, act: str
) -> tuple[Erasure, Exhibit, Case]:
    exhibit, case = await _locked(conn, (await _found(conn, erasure_id)).exhibit_id)
    erasure = await _found(conn, erasure_id, locked=True)
    if erasure.state is not ErasureState.ASKED:
        raise Unmet(act=act, fact="erasure_asked")
    return erasure, exhibit, case
