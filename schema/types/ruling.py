"""Rulings: findings that cite exhibits, what is not relied on, reasons, terms; corrections."""

from datetime import datetime

import strawberry
from sqlalchemy import exists, select

from odr.models import arbitration, dialogue
from schema import sight
from schema.reader import declaration as read
from schema.scalars import Digest, Money
from schema.types.exhibit import EXHIBITS, Exhibit
from schema.types.node import Node
from schema.types.seat import account_name
from schema.types.terms import Terms, terms
from schema.types.words import RulingKind, Side

RULINGS = read.columns(dialogue.Ruling)
FINDINGS = read.columns(dialogue.Finding)
CITATIONS = read.columns(dialogue.Citation)
UNRELIED = read.columns(dialogue.Unrelied)
CORRECTIONS = read.columns(arbitration.Correction)
CORRECTION_REQUESTS = read.columns(arbitration.CorrectionRequest)


@read.table(
    dialogue.Finding,
    row=read.as_parent(FINDINGS.c.ruling_id == RULINGS.c.id, lambda: Ruling),
)
@strawberry.type(description="What a ruling finds about one issue.")
class Finding:
    """A finding; it cites exhibits."""

    number: int = read.column(FINDINGS.c.number)
    issue: str = read.column(FINDINGS.c.issue)
    body: str = read.column(FINDINGS.c.body)
    exhibits: list[Exhibit] = read.many(
        exists(
            select(CITATIONS.c.finding_id).where(
                CITATIONS.c.finding_id == FINDINGS.c.id, CITATIONS.c.exhibit_id == EXHIBITS.c.id
            )
        ),
        order=(EXHIBITS.c.side, EXHIBITS.c.number, EXHIBITS.c.id),
        typical=3,
    )


@read.table(
    dialogue.Unrelied,
    key=UNRELIED.c.exhibit_id,
    row=read.as_parent(UNRELIED.c.ruling_id == RULINGS.c.id, lambda: Ruling),
)
@strawberry.type(description="An exhibit on which a ruling does not rely, and why.")
class NotReliedOn:
    """An exhibit not relied on."""

    exhibit: Exhibit | None = read.one(EXHIBITS.c.id == UNRELIED.c.exhibit_id)
    why: str = read.column(UNRELIED.c.why)


@read.table(
    arbitration.CorrectionRequest,
    tag="cq",
    row=sight.in_record(CORRECTION_REQUESTS.c.case_id),
)
@strawberry.type(description="A side asks for a slip in a ruling to be corrected.")
class CorrectionRequest(Node):
    """A request for a correction; the next correction answers it."""

    side: Side = read.column(CORRECTION_REQUESTS.c.side)
    body: str = read.column(CORRECTION_REQUESTS.c.body)
    at: datetime = read.column(CORRECTION_REQUESTS.c.at)


@read.table(arbitration.Correction, tag="cx", row=sight.in_record(CORRECTIONS.c.case_id))
@strawberry.type(description="A slip in a ruling, as it reads right.")
class Correction(Node):
    """A correction."""

    name: str = read.column(account_name(CORRECTIONS.c.account_id), description="The arbitrator.")
    body: str = read.column(CORRECTIONS.c.body)
    terms: Terms | None = read.json(
        terms(CORRECTIONS.c.terms), description="The right terms, where they were wrong."
    )
    at: datetime = read.column(CORRECTIONS.c.at)


@read.table(dialogue.Ruling, tag="ru", row=sight.in_record(RULINGS.c.case_id))
@strawberry.type(description="An arbitrator's decision on a frozen record.")
class Ruling(Node):
    """A ruling."""

    kind: RulingKind = read.column(RULINGS.c.kind)
    name: str = read.column(account_name(RULINGS.c.account_id), description="The arbitrator.")
    findings: list[Finding] = read.many(
        FINDINGS.c.ruling_id == RULINGS.c.id, order=(FINDINGS.c.number,), typical=5
    )
    not_relied_on: list[NotReliedOn] = read.many(
        UNRELIED.c.ruling_id == RULINGS.c.id, order=(UNRELIED.c.exhibit_id,), typical=3
    )
    reasons: str = read.column(RULINGS.c.reasons)
    terms: Terms = read.json(
        terms(RULINGS.c.terms), description="Without items where the claim is dismissed."
    )
    amount: Money = read.embed(
        {"amount_minor": RULINGS.c.amount_minor, "currency": RULINGS.c.terms["currency"].astext},
        description="What the buyer gets in money.",
    )
    record_root: Digest = read.column(
        RULINGS.c.record_root, description="The root of the record on which it is made."
    )
    at: datetime = read.column(RULINGS.c.at)
    final_at: datetime | None = read.column(RULINGS.c.final_at)
    correctable_until: datetime | None = read.column(
        RULINGS.c.correctable_until,
        description="A correction can be asked for before then; null for a decision on appeal.",
    )
    correction_requests: list[CorrectionRequest] = read.many(
        CORRECTION_REQUESTS.c.ruling_id == RULINGS.c.id,
        order=(CORRECTION_REQUESTS.c.at, CORRECTION_REQUESTS.c.id),
        typical=1,
    )
    corrections: list[Correction] = read.many(
        CORRECTIONS.c.ruling_id == RULINGS.c.id,
        order=(CORRECTIONS.c.at, CORRECTIONS.c.id),
        typical=1,
        description="Slips that were put right; `terms` of the ruling are the right ones.",
    )
