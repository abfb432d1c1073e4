"""Rulings: findings that cite exhibits, exhibits not relied on and why, reasons, terms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlmodel import col

from odr import cases, claims, ids, orders, performance, terms
from odr.cases import Entry, Held
from odr.errors import Invalid
from odr.exhibits import label
from odr.models.cases import Seat
from odr.models.dialogue import Citation, Exhibit, Finding, Ruling, Unrelied
from odr.models.states import Channel, RulingKind
from odr.procedure.acts import Act, Role
from odr.rulebook import Window
from odr.terms import Terms
from odr.words import Reason
from odr.work import Work

ISSUE_MAX: Final = 300
FINDING_MAX: Final = 8000
WHY_MAX: Final = 2000
"""Characters in a finding's issue and text, and in why an exhibit is not relied on."""


@dataclass(frozen=True, slots=True)
class Found:
    """One finding: the issue, what is found, and the exhibits that it cites (at least one)."""

    issue: str
    body: str
    exhibits: Sequence[UUID]


@dataclass(frozen=True, slots=True)
class NotReliedOn:
    """An exhibit on which the ruling does not rely, and why."""

    exhibit_id: UUID
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What an arbitrator decides. A claim that is dismissed has no terms."""

    kind: RulingKind
    findings: Sequence[Found]
    not_relied_on: Sequence[NotReliedOn]
    reasons: str
    terms: Terms


async def rule(
    work: Work, case_id: UUID, decision: Decision, *, version: int | None = None
) -> UUID:
    """Issue the ruling on the frozen record; its id is ``work.result``.

    Every exhibit of the record is either cited by a finding or named as not relied on.
    """
    held = await cases.hold(work, case_id, Act.RULE, version=version)
    until = held.window(Window.CORRECTION, work.noticed)
    said, shown = await write(work, held, decision, _root(held), until)
    amount = terms.to_buyer(decision.terms).amount_minor
    await cases.advance(work, held, Entry(said=said, shown=shown, stage_amount=amount))
    return work.result


async def write(
    work: Work, held: Held, decision: Decision, root: bytes, correctable_until: datetime | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Check a decision on the record with this root and write it down.

    Gives what the record says of it and what the timeline shows; the ruling's id is
    ``work.result``.
    """
    await check_terms(work, held, decision.kind, decision.terms)
    exhibits = await _exhibits(work, held.id)
    _check_findings(decision, exhibits)
    longest = held.rulebook.limits.ruling_characters
    claims.text_within(decision.reasons, ("reasons",), longest)
    await _insert(work, held, decision, root, correctable_until)
    said = {
        "ruling": str(work.result),
        "kind": decision.kind.value,
        "findings": [_finding(found, exhibits) for found in decision.findings],
        "not_relied_on": [
            _cited(exhibits[each.exhibit_id]) | {"why": each.why} for each in decision.not_relied_on
        ],
        "reasons": decision.reasons,
        "terms": terms.to_json(decision.terms),
        "record_root": root.hex(),
        "correctable_until": correctable_until and correctable_until.isoformat(),
    }
    shown = {
        "ruling": str(work.result),
        "kind": decision.kind.value,
        **claims.amount_of(decision.terms),
    }
    return said, shown


def _root(held: Held) -> bytes:
    root = held.case.record_root
    if root is None:
        raise RuntimeError("a ruling is made on a closed record")
    return bytes(root)


async def latest(work: Work, case_id: UUID) -> Ruling:
    """The ruling that holds in a case that has one."""
    columns = Ruling.__table__.c  # type: ignore[attr-defined]  # SQLModel gives every table class its Table
    statement = select(*columns).where(columns.case_id == case_id)
    found = await work.conn.execute(statement.order_by(columns.at.desc()).limit(1))
    return Ruling(**found.mappings().one())


async def check_terms(work: Work, held: Held, kind: RulingKind, decided: Terms) -> None:
    """Refuse terms that no ruling of this kind can have (``Invalid``)."""
    if kind is RulingKind.DISMISSED:
        if decided.items:
            raise Invalid(("terms",), "dismissed_without_terms")
        return
    bought = await orders.bought(work.conn, held.case.order_id)
    reason = Reason(held.case.reason)
    orders.check(bought, decided, held.rulebook, reason=reason, claim=False)


async def _exhibits(work: Work, case_id: UUID) -> dict[UUID, Exhibit]:
    """The exhibits of the record; what was given in mediation and not released is not in it."""
    columns = Exhibit.__table__.c  # type: ignore[attr-defined]  # SQLModel gives every table class its Table
    rows = await work.conn.execute(
        select(*columns).where(columns.case_id == case_id, columns.channel == Channel.RECORD)
    )
    return {row["id"]: Exhibit(**row) for row in rows.mappings()}


def _check_findings(decision: Decision, exhibits: dict[UUID, Exhibit]) -> None:
    if not decision.findings:
        raise Invalid(("findings",), "missing")
    cited: set[UUID] = set()
    for n, found in enumerate(decision.findings):
        claims.text_within(found.issue, ("findings", n, "issue"), ISSUE_MAX)
        claims.text_within(found.body, ("findings", n, "body"), FINDING_MAX)
        if not found.exhibits and exhibits:
            raise Invalid(("findings", n, "exhibits"), "missing")
        cited.update(found.exhibits)
    unrelied = {each.exhibit_id for each in decision.not_relied_on}
    for n, each in enumerate(decision.not_relied_on):
        claims.text_within(each.why, ("not_relied_on", n, "why"), WHY_MAX)
    if unknown := (cited | unrelied) - exhibits.keys():
        raise Invalid(("findings",), "unknown_exhibit", count=len(unknown))
    if both := cited & unrelied:
        raise Invalid(("not_relied_on",), "contradictory", labels=_labels(both, exhibits))
    if left := exhibits.keys() - cited - unrelied:
        raise Invalid(("not_relied_on",), "exhibit_left_out", labels=_labels(left, exhibits))


def _labels(ids_: set[UUID], exhibits: dict[UUID, Exhibit]) -> list[str]:
    return sorted(label(exhibits[each]) for each in ids_)


def _cited(exhibit: Exhibit) -> dict[str, Any]:
    """An exhibit is cited by its digest: whatever happens to the label, the file is meant."""
    return {
        "exhibit": str(exhibit.id),
        "label": label(exhibit),
        "sha256": bytes(exhibit.sha256).hex(),
    }


def _finding(found: Found, exhibits: dict[UUID, Exhibit]) -> dict[str, Any]:
    cited = [_cited(exhibits[each]) for each in found.exhibits]
    return {"issue": found.issue, "body": found.body, "exhibits": cited}


async def _insert(
    work: Work, held: Held, decision: Decision, root: bytes, correctable_until: datetime | None
) -> None:
    ruling = work.result
    await work.conn.execute(
        insert(Ruling).values(
            id=ruling,
            case_id=held.id,
            account_id=work.actor.account_id,
            kind=decision.kind,
            reasons=decision.reasons,
            terms=terms.to_json(decision.terms),
            amount_minor=terms.to_buyer(decision.terms).amount_minor,
            record_root=root,
            correctable_until=correctable_until,
            at=work.at,
        )
    )
    findings = [(ids.child(held.id), found) for found in decision.findings]
    await work.conn.execute(
        insert(Finding).values(
            [
                {
                    "id": finding,
                    "case_id": held.id,
                    "ruling_id": ruling,
                    "number": number,
                    "issue": found.issue,
                    "body": found.body,
                }
                for number, (finding, found) in enumerate(findings, 1)
            ]
        )
    )
    citations = [
        {"finding_id": finding, "exhibit_id": exhibit, "case_id": held.id}
        for finding, found in findings
        for exhibit in dict.fromkeys(found.exhibits)
    ]
    if citations:
        await work.conn.execute(insert(Citation).values(citations))
    unrelied = [
        {"ruling_id": ruling, "exhibit_id": e.exhibit_id, "case_id": held.id, "why": e.why}
        for e in decision.not_relied_on
    ]
    if unrelied:
        await work.conn.execute(insert(Unrelied).values(unrelied))


async def waive_appeal(work: Work, case_id: UUID, *, version: int | None = None) -> None:
    """Say that one will not appeal; when both sides have, the ruling is final at once."""
    held = await cases.hold(work, case_id, Act.WAIVE_APPEAL, version=version)
    await work.conn.execute(
        update(Seat)
        .where(col(Seat.case_id) == case_id, col(Seat.role) == Role(held.party.value))
        .values(appeal_waived_at=work.at)
    )
    await cases.advance(work, held, Entry())
    service = work.dated(work.at)
    if await cases.offers(service, case_id, Act.MAKE_FINAL, Role.SERVICE):
        final = await cases.follow(service, case_id, Act.MAKE_FINAL)
        await carry_out(service, final)


async def let_ruling_stand(work: Work, case_id: UUID, _: UUID) -> None:
    """Nobody appealed in time: the ruling is final and is carried out."""
    held = await cases.hold(work, case_id, Act.LET_RULING_STAND, roles=frozenset({Role.CLOCK}))
    await carry_out(work, held)


async def carry_out(
    work: Work,
    held: Held,
    said: Mapping[str, Any] | None = None,
    shown: Mapping[str, Any] | None = None,
    *,
    closes_record: bool = False,
) -> None:
    """Make the latest ruling final and grant what it gives, by the row in hand: once in a case.

    ``said`` and ``shown`` are what the entry tells besides.
    """
    ruling = await latest(work, held.id)
    await work.conn.execute(
        update(Ruling).where(col(Ruling.id) == ruling.id).values(final_at=work.at)
    )
    granted, told = await performance.possible(work, held.case, _decided(ruling.terms))
    entry = Entry(
        said={**(said or {}), **told},
        shown={"ruling": str(ruling.id), **(shown or {}), **claims.amount_of(granted)},
        closes_record=closes_record,
    )
    held = await cases.advance(work, held, entry)
    await performance.begin(work, held, granted)


def _decided(given: dict[str, Any]) -> Terms:
    """The terms of a ruling; those of a dismissal are empty, which an offer's never are."""
    return terms.from_json(given) if given["items"] else Terms(given["currency"], ())


async def replace_arbitrator(work: Work, case_id: UUID, _: UUID) -> None:
    """No ruling came in time: another arbitrator decides on the same record."""
    held = await cases.hold(work, case_id, Act.REPLACE_ARBITRATOR, roles=frozenset({Role.CLOCK}))
    await cases.advance(work, held, Entry())


async def grant_without_recourse(work: Work, case_id: UUID, _: UUID) -> None:
    """No ruling came in time again: the operator pays the buyer what was asked, and bears it."""
    held = await cases.hold(
        work, case_id, Act.GRANT_WITHOUT_RECOURSE, roles=frozenset({Role.CLOCK})
    )
    bought = await orders.bought(work.conn, held.case.order_id)
    percent = held.rulebook.consequences.no_ruling_percent
    cap = bought.facts.value_minor * percent // 100
    decided = terms.capped(await claims.wanted(work, case_id), cap)
    granted, said = await performance.possible(work, held.case, decided)
    entry = Entry(said=said, shown=claims.amount_of(granted))
    held = await cases.advance(work, held, entry)
    await performance.begin(work, held, granted, recourse=False)
