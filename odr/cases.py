"""The only door: a case is held under its lock, and moved by nothing but ``advance``.

``hold`` locks the case, lets clocks that are due before the act's instant run first, and asks the
procedure's table and facts; ``advance`` moves the case, sets clocks, appends the entry to the
vault and queues the notices. Between the two an act makes its own checks and books its money. Two
acts on one case wait for each other here; cases never wait for each other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import RowMapping, Select, Uuid, bindparam, select, true, update
from sqlmodel import col

from evidence.blob import Blob
from odr import deadlines, ids, outbox, policy
from odr import facts as measures
from odr.deadlines import Slot, Start
from odr.errors import Late, NotAllowed, NotFound, Stale, Unmet
from odr.models.cases import Case, RunningClock
from odr.models.states import COUNTED, Channel, ClockState
from odr.procedure import clocks as timers
from odr.procedure import table
from odr.procedure.acts import Act, Role, Stage, State
from odr.procedure.clocks import Clock
from odr.procedure.facts import REQUIRES, Fact
from odr.procedure.table import Row
from odr.rulebook import Rulebook, Window
from odr.sql import typed
from odr.words import Outcome, Party, Reason, Side
from odr.work import Work

CLOSED: Final = "retain"
"""The kind of the outbox rows by which the worker finds cases that were closed."""

_STREAMS: Final = {
    Channel.RECORD: "record_stream",
    Channel.MEDIATION: "mediation_stream",
    Channel.CLAIMANT_CAUCUS: "claimant_stream",
    Channel.RESPONDENT_CAUCUS: "respondent_stream",
}
_DECIDED: Final = {Stage.PERFORMANCE, Stage.CLOSED}
_OUTLIVE_A_MOVE: Final = (Clock.OFFER, Clock.PAYOUT)
_OUTLIVE_THE_DECISION: Final = (Clock.PAYOUT,)

_ADVANCE: Final = typed(
    """
WITH moved AS (
    UPDATE cases SET
        state = :after, outcome = :outcome, version = version + CASE WHEN :counts THEN 1 ELSE 0 END,
        acted_at = :at,
        entered_at = CASE WHEN state = :after THEN entered_at ELSE :at END,
        closed_at = CASE WHEN :after = 'closed' THEN coalesce(closed_at, :at) END
    WHERE id = :case RETURNING version
), recorded AS (
    INSERT INTO acts (id, case_id, act, role, side, account_id, at, before, after, channel,
                      stream_id, sequence, leaf, facts)
    VALUES (:id, :case, :act, :role, :side, :account, :at, :before, :after, :channel,
            :stream, :sequence, :leaf, CAST(:shown AS jsonb))
), stopped AS (
    UPDATE clocks SET state = 'stopped', ended_at = :at
    WHERE case_id = :case AND state IN ('running', 'stayed')
      AND (subject_id = ANY(:stop) OR (:moves AND clock <> ALL(:outlive)))
), started AS (
    INSERT INTO clocks (id, case_id, clock, subject_id, side, state, starts, due, amount_minor)
    SELECT child_id(:case), :case, c.clock, c.subject, c.side, 'running', c.starts, c.due, c.amount
    FROM jsonb_to_recordset(CAST(:start AS jsonb)) AS c(
        clock text, subject uuid, side text, starts timestamptz, due timestamptz, amount bigint
    )
), told AS (
    INSERT INTO notices (id, case_id, account_id, kind, facts, created)
    SELECT child_id(:case), :case, who.account_id, :act, CAST(:notice AS jsonb), :noticed
    FROM (
        SELECT s.account_id FROM seats s
        WHERE s.case_id = :case AND s.until IS NULL AND s.role = ANY(:tell)
          AND s.account_id IS NOT NULL
        UNION
        SELECT m.account_id FROM seats s JOIN memberships m USING (organisation_id)
        WHERE s.case_id = :case AND s.until IS NULL AND s.role = ANY(:tell)
    ) AS who WHERE who.account_id IS DISTINCT FROM :account
    RETURNING id
), queued AS (
    INSERT INTO outbox (id, kind, subject_id, state, due, tries)
    SELECT child_id(id), 'notice', id, 'due', :noticed, 0 FROM told
)
SELECT version FROM moved
"""
)

_LEAVE: Final = typed(
    """
WITH offered AS (
    UPDATE offers SET state = 'superseded', ended_at = :at
    WHERE case_id = :case AND state = 'open' AND :decided
), unseated AS (
    UPDATE seats SET until = :at
    WHERE case_id = :case AND until IS NULL AND role = ANY(:leaving)
), destroyed AS (
    UPDATE bids SET state = 'destroyed', sealed = NULL, ended_at = :at
    WHERE case_id = :case AND state = 'sealed'
), ended AS (
    UPDATE appointments SET ended_at = :at, end_reason = 'stage_over'
    WHERE case_id = :case AND ended_at IS NULL
)
UPDATE proposals SET state = 'failed' WHERE case_id = :case AND state = 'open'
"""
)


@dataclass(frozen=True, slots=True)
class Held:
    """A case under its lock, as it stands, and who acts on it by which row.

    ``roles`` are the actor's in this case, ``side`` the one for which they speak.
    """

    case: Case
    roles: frozenset[Role]
    row: Row
    rulebook: Rulebook
    facts: frozenset[Fact]
    measures: Mapping[str, Any]

    @property
    def id(self) -> UUID:
        """The case's id."""
        return self.case.id

    @property
    def side(self) -> Side | None:
        """The side for which the actor speaks."""
        return policy.side_of(self.roles)

    @property
    def party(self) -> Side:
        """The actor's side; ``NotAllowed`` for whoever speaks for neither."""
        if self.side not in {Side.CLAIMANT, Side.RESPONDENT}:
            raise NotAllowed(act=self.row.act, state=self.case.state, role=None)
        return self.side

    def window(self, window: Window, start: datetime) -> datetime:
        """When a window that opens at ``start`` is over, by the case's rulebook and place."""
        return deadlines.end(self.case, self.rulebook, window, start)

    def slot(self, starts: datetime, clock: Start) -> Slot:
        """A clock of this case that starts at ``starts``."""
        return deadlines.slot(self.case, self.rulebook, starts, clock)

    @property
    def channel(self) -> Channel:
        """Where joint talk of the present stage belongs: mediation is walled off."""
        return Channel.MEDIATION if self.case.state is State.MEDIATING else Channel.RECORD


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What an act adds to the record, besides who did it and when.

    ``said`` goes into the private body of the vault's entry; ``shown`` is what the timeline needs;
    ``tell`` are the roles that get a notice (None: everybody who can read the channel). ``blob`` is
    the file that belongs to the act; ``closes_record`` freezes the record's root before it;
    ``restarts_stage_clock`` lets the window of the state in which the case stays run anew;
    ``changes`` are running clocks with what they are from now on.
    """

    said: Mapping[str, Any] = field(default_factory=dict)
    shown: Mapping[str, Any] = field(default_factory=dict)
    channel: Channel = Channel.RECORD
    start: Sequence[Start] = ()
    stop: Sequence[UUID] = ()
    tell: Sequence[Role] | None = None
    stage_amount: int | None = None
    blob: Blob | None = None
    closes_record: bool = False
    restarts_stage_clock: bool = False
    changes: Sequence[Slot] = ()


def _row(found: RowMapping) -> Case:
    """A detached case from a row of Core; never attached to an ORM session."""
    return Case(**{name: found[name] for name in Case.__table__.c.keys()})  # type: ignore[attr-defined]  # noqa: SIM118 - a column collection iterates columns; SQLModel gives every table class its Table


# Statements are made once: SQLAlchemy takes longer to put them together than they take to run.
_CASE: Final = bindparam("case", type_=Uuid())


def _lock(*, sees_all: bool, waits: bool) -> Select[Any]:
    seated = policy.roles_in_case(col(Case.id)).label("seated")
    return (
        select(*Case.__table__.c, seated)  # type: ignore[attr-defined]  # SQLModel gives every table class its Table
        .where(col(Case.id) == _CASE, true() if sees_all else policy.sees_case())
        .with_for_update(of=Case, skip_locked=not waits)
    )


_LOCKED: Final = {
    (sees_all, waits): _lock(sees_all=sees_all, waits=waits)
    for sees_all in (True, False)
    for waits in (True, False)
}


_MEASURED: Final = select(measures.MEASURES, deadlines.OVERDUE).where(col(Case.id) == _CASE)


async def _locked(work: Work, case_id: UUID, *, waits: bool = True) -> tuple[Case, frozenset[Role]]:
    """The case under its row lock, with the actor's roles; ``NotFound`` if it is not theirs.

    Nor is it found if somebody else has it locked and this one does not wait.
    """
    statement = _LOCKED[work.actor is policy.SERVICE, waits]
    given = {"case": case_id, **work.actor.parameters()}
    found = (await work.conn.execute(statement, given)).mappings().one_or_none()
    if found is None:
        raise NotFound
    case = _row(found)
    seated = frozenset(Role(role) for role in found["seated"] or ())
    roles = policy.roles_of(seated, Party(case.claimant_party), operator=work.actor.operator)
    return case, roles


async def _measured(work: Work, case: Case) -> tuple[Mapping[str, Any], list[Mapping[str, Any]]]:
    """Measures in a statement of its own, so that its snapshot is younger than the lock.

    With them the clocks that are due at ``work.at``, in the order of their instants.
    """
    given = {"case": case.id, "at": work.at}
    found, late = (await work.conn.execute(_MEASURED, given)).one()
    return found, sorted(late or (), key=lambda clock: (clock["due"], clock["id"]))


async def _current(work: Work, case: Case) -> tuple[Case, measures.Measures, list[datetime]]:
    """A locked case after its clocks due at ``work.at`` ran; its measures; when they were due."""
    fired: list[datetime] = []
    found, overdue = await _measured(work, case)
    while overdue and work.clocks_run:
        fired.append(datetime.fromisoformat(overdue[0]["due"]))
        await fire(work, case, overdue[0])
        case, _ = await _locked(work, case.id)
        found, overdue = await _measured(work, case)
    return case, found, fired


async def catch_up(work: Work, case_id: UUID) -> int:
    """Let every clock of a case that is due at ``work.at`` run, in order; tells how many ran.

    Does not wait for whoever holds the case (0): their act runs what is due before it.
    """
    try:
        case, _ = await _locked(work, case_id, waits=False)
    except NotFound:
        return 0
    _, _, fired = await _current(work, case)
    return len(fired)


async def hold(
    work: Work,
    case_id: UUID,
    act: Act,
    *,
    version: int | None = None,
    roles: frozenset[Role] | None = None,
) -> Held:
    """Lock a case for ``act``; due clocks run first, in the order of their instants.

    ``roles`` are given for clocks and consequences. Raises ``NotFound``, ``NotAllowed``,
    ``Unmet``, ``Late`` (a clock that ran first closed the way) or ``Stale``.
    """
    case, seated = await _locked(work, case_id)
    roles = seated if roles is None else roles
    before = case.state
    case, found, fired = await _current(work, case)
    rulebook = work.rulebooks.version(case.rulebook)
    held_facts = measures.holding(
        found, rulebook, case.state, Reason(case.reason), policy.side_of(roles), work.at
    )
    try:
        row = allowed(case.state, act, roles, held_facts)
    except (NotAllowed, Unmet):
        if fired and act in table.acts(before, roles):
            raise Late(act=act, due=fired[-1]) from None
        raise
    if version is not None and version != case.version:
        raise Stale(expected=version, version=case.version)
    return Held(case, roles, row, rulebook, held_facts, found)


def allowed(state: State, act: Act, roles: frozenset[Role], holding: frozenset[Fact]) -> Row:
    """The row for an act whose facts hold; ``NotAllowed`` or ``Unmet``, by the first missing."""
    row = table.step(state, act, roles)
    for fact in REQUIRES.get(act, ()):
        if fact not in holding:
            raise Unmet(act=act, fact=fact)
    return row


def regarding(held: Held, row: Row) -> Held:
    """The same held case, for a further entry by another row that stays put."""
    return replace(held, row=row)


async def follow(work: Work, case_id: UUID, act: Act, role: Role = Role.SERVICE) -> Held:
    """Hold a case again for a consequence, after what was just done to it."""
    return await hold(work, case_id, act, roles=frozenset({role}))


async def offers(work: Work, case_id: UUID, act: Act, role: Role) -> bool:
    """Whether the table and the facts of a held case allow ``act``; refuses nothing."""
    case, _ = await _locked(work, case_id)
    return await _possible(work, case, act, role)


async def _possible(work: Work, case: Case, act: Act, role: Role) -> bool:
    """Whether a locked case lets somebody who is on neither side ``act``."""
    found, _ = await _measured(work, case)
    rulebook = work.rulebooks.version(case.rulebook)
    holding = measures.holding(found, rulebook, case.state, Reason(case.reason), None, work.at)
    offered = act in table.acts(case.state, frozenset({role}))
    return offered and all(fact in holding for fact in REQUIRES.get(act, ()))


async def start_clock(work: Work, held: Held, clock: Start) -> None:
    """Start a slot clock whose subject was made after the case had moved."""
    await deadlines.start(work.conn, held.id, held.slot(work.noticed, clock))


async def fire(work: Work, case: Case, overdue: Mapping[str, Any]) -> None:
    """Run one clock of a locked case: the first of its acts whose facts hold, dated to its due."""
    clock = Clock(overdue["clock"])
    fired = datetime.fromisoformat(overdue["due"])
    await work.conn.execute(
        update(RunningClock)
        .where(col(RunningClock.id) == UUID(overdue["id"]))
        .values(state=ClockState.FIRED, ended_at=fired)
    )
    dated = work.dated(fired)
    for act in timers.TIMERS[clock].acts:
        if await _possible(dated, case, act, Role.CLOCK):
            consequence = work.office.consequences[act]
            await consequence(dated, case.id, UUID(overdue["subject"]))
            return


async def advance(work: Work, held: Held, entry: Entry) -> Held:
    """Move the case by ``held.row``; append the entry, set clocks, queue notices: the only door."""
    case, row = held.case, held.row
    moves = row.target is not row.source
    role = next(role for role in Role if role in row.roles & held.roles)
    start = [held.slot(work.noticed, clock) for clock in entry.start]
    stage = _stage_clock(work, held, entry) if moves or entry.restarts_stage_clock else None
    start += [stage] if stage and moves else []
    changed = [*entry.changes, *([stage] if stage and not moves else [])]
    clocks = {"clocks": [*start, *changed]}
    appended_at = await _append(work, held, entry, role, clocks)
    outcome = _outcome(held)
    outlive = _OUTLIVE_THE_DECISION if _decides(row) else _OUTLIVE_A_MOVE
    tell = entry.tell
    if tell is None:
        tell = [
            role for role in Role if role in _TOLD and policy.reads_channel(role, entry.channel)
        ]
    version = await work.conn.scalar(
        _ADVANCE,
        {
            "case": case.id,
            "id": ids.child(case.id),
            "act": row.act.value,
            "role": role.value,
            "side": held.side.value if held.side else None,
            "account": None if work.actor is policy.SERVICE else work.actor.account_id,
            "at": work.at,
            "noticed": work.noticed,
            "before": row.source.value,
            "after": row.target.value,
            "outcome": outcome.value if outcome else None,
            "channel": entry.channel.value,
            "shown": orjson.dumps(entry.shown).decode(),
            "notice": orjson.dumps({"number": case.number, "state": row.target.value}).decode(),
            "start": orjson.dumps(start).decode(),
            "stop": list(entry.stop),
            "moves": moves,
            "counts": entry.channel in COUNTED,
            "outlive": [clock.value for clock in outlive],
            "tell": [role.value for role in tell],
            **appended_at,
        },
    )
    for each in changed:
        await deadlines.restart(work.conn, case.id, each)
    if moves:
        await _leave(work, held)
    moved = case.model_copy(update={"state": row.target, "version": version, "outcome": outcome})
    held = replace(held, case=moved)
    if moves and row.target is State.CLOSED:
        await outbox.put(work.conn, CLOSED, case.id)
    if moves and (act := table.ON_ENTERING.get(row.target)) is not None:
        await work.office.consequences[act](work.dated(work.at), case.id, case.id)
    return held


_TOLD: Final = (Role.CLAIMANT, Role.RESPONDENT, Role.MEDIATOR, Role.ARBITRATOR)


def _decides(row: Row) -> bool:
    """Whether the dispute is over by the move, and what is left is to perform it."""
    return row.target.stage in _DECIDED and row.source.stage not in _DECIDED


def _outcome(held: Held) -> Outcome | None:
    """How the case ends, if that is decided: a case that is reopened has no outcome."""
    if held.row.outcome is not None:
        return held.row.outcome
    return held.case.outcome if held.row.target.stage in _DECIDED else None


def _stage_clock(work: Work, held: Held, entry: Entry) -> Slot | None:
    """The clock of the state in which the case is after the act; the last state has none."""
    clock = timers.STAGE_CLOCKS.get(held.row.target)
    if clock is None:
        return None
    amount = held.case.claimed_minor if entry.stage_amount is None else entry.stage_amount
    return held.slot(work.noticed, Start(clock, held.id, amount_minor=amount))


async def _append(
    work: Work, held: Held, entry: Entry, role: Role, clocks: Mapping[str, Any]
) -> dict[str, Any]:
    """Append the act's entry to the stream of its channel, which its first act makes.

    It binds what the timeline shows and the clocks that the act sets and stops, too.
    """
    case, row = held.case, held.row
    body = {
        "case": str(case.id),
        "number": case.number,
        "role": role.value,
        "account": None if work.actor is policy.SERVICE else str(work.actor.account_id),
        "before": row.source.value,
        "after": row.target.value,
        "shown": entry.shown,
        "stops": [str(subject) for subject in entry.stop],
        **clocks,
        **entry.said,
    }
    name = _STREAMS[entry.channel]
    named: UUID | None = getattr(case, name)
    stream = named or ids.child(case.id)
    if named is None:
        setattr(case, name, stream)
        await work.conn.execute(update(Case).where(col(Case.id) == case.id).values({name: stream}))
    if named is None or row is table.START:  # whose case was made with the record's name
        appended = await work.vault.begin(
            work.conn,
            stream,
            act=row.act.value,
            body=body,
            at=work.at,
            recorded=work.noticed,
            blob=entry.blob,
        )
    elif entry.closes_record:
        root, appended = await work.vault.close(
            work.conn, stream, act=row.act.value, body=body, at=work.at, recorded=work.noticed
        )
        await work.conn.execute(
            update(Case)
            .where(col(Case.id) == case.id)
            .values(record_root=root.hash, record_size=root.size)
        )
    else:
        appended = await work.vault.append(
            work.conn,
            stream,
            act=row.act.value,
            body=body,
            at=work.at,
            recorded=work.noticed,
            blob=entry.blob,
        )
    work.appended.append(appended)
    return {"stream": stream, "sequence": appended.entry.seq, "leaf": appended.leaf}


async def _leave(work: Work, held: Held) -> None:
    """What a move ends: sealed bids, what is open when it is decided, the mediator's seat."""
    source, target = held.row.source, held.row.target
    leaving = [Role.MEDIATOR] if source is State.MEDIATING else []
    if target in {State.DELIBERATING_AGAIN, State.APPEALED}:
        leaving.append(Role.ARBITRATOR)
    decided = _decides(held.row)
    if leaving or decided or source is State.NEGOTIATING:
        ends = {"leaving": [role.value for role in leaving], "decided": decided}
        await work.conn.execute(_LEAVE, {"case": held.id, "at": work.at, **ends})
