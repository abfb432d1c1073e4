"""Exhibits: items of evidence, what the other side says of them, and who read them."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import strawberry
from sqlalchemy import ColumnElement, and_, case, exists, func, literal_column, select
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import Text, Uuid

from odr.findings.kinds import LIMITS
from odr.findings.kinds import FindingKind as _FindingKind
from odr.models import cases, dialogue, findings
from odr.models.states import ErasureState as _ErasureState
from odr.procedure.acts import Act as _Act
from odr.words import Side as _Side
from schema import sight
from schema.reader import declaration as read
from schema.scalars import Digest, Int64
from schema.types.keeping import ERASURES, Erasure
from schema.types.node import Node
from schema.types.seat import name_of_side
from schema.types.words import (
    Channel,
    ExhibitKind,
    FindingKind,
    GroundName,
    Side,
    Strength,
)

if TYPE_CHECKING:
    from schema.types.case import Case
    from schema.types.record import RecordEntry

CASES = read.columns(cases.Case)
EXHIBITS = read.columns(dialogue.Exhibit)
ANSWERS = read.columns(dialogue.ExhibitAnswer)
FINDINGS = read.columns(findings.ExhibitFinding)
EXAMINATIONS = read.columns(findings.Examination)
ACTS = read.columns(cases.Record)


def label(exhibits: Any) -> ColumnElement[Any]:
    """The label in its case: A-1, B-2, N-1."""
    letter = case(
        *((exhibits.c.side == side, literal_column(f"'{side.letter}-'")) for side in _Side)
    )
    return func.concat(letter, sql_cast(exhibits.c.number, Text), type_=Text)


@read.embedded
@strawberry.type(description="What a document itself says, as its giver typed it.")
class Voucher:
    """A document's own facts; which it may have is a matter of the exhibit's kind."""

    issuer: str | None = read.part(description="Who made it.")
    number: str | None = read.part(description="The document's own number.")
    issued: date | None = read.part(description="Its date.")
    carrier: str | None = read.part()
    service: str | None = read.part()
    tracking_number: str | None = read.part()
    shipped_at: datetime | None = read.part()
    delivered_at: datetime | None = read.part()
    sent_from: str | None = read.part()
    place: str | None = read.part(description="Of delivery, or where it was made.")
    sender: str | None = read.part()
    recipient: str | None = read.part()
    weight_grams: int | None = read.part()
    customs_number: str | None = read.part()
    order_reference: str | None = read.part()
    amount_minor: Int64 | None = read.part(description="Its total.")
    currency: str | None = read.part()
    note: str | None = read.part()


@read.embedded
@strawberry.type(description="A fact on which a finding stands: a text, or an instant.")
class Ground:
    """A ground of a finding."""

    name: GroundName = read.part()
    text: str | None = read.part()
    at: datetime | None = read.part()


@read.embedded
@strawberry.type(description="An event of a tracking document (EPCIS 2.0), in GS1's words.")
class TrackingEvent:
    """A line of a tracking timeline."""

    at: datetime = read.part()
    type: str = read.part()
    action: str = read.part()
    step: str = read.part()
    disposition: str = read.part()
    read_point: str = read.part()
    location: str = read.part()
    epcs: list[str] = read.part(description="What it is about, the first few.")
    more_epcs: int = read.part(description="How many more it is about.")


@read.table(
    dialogue.ExhibitAnswer,
    tag="ea",
    row=sight.in_channel(ANSWERS.c.case_id, ANSWERS.c.channel),
)
@strawberry.type(description="What the other side says of an exhibit.")
class ExhibitAnswer(Node):
    """An answer to an exhibit."""

    side: Side = read.column(ANSWERS.c.side)
    channel: Channel = read.column(ANSWERS.c.channel, description="Who can read it.")
    name: str = read.column(name_of_side(ANSWERS.c.case_id, ANSWERS.c.side, ANSWERS.c.account_id))
    body: str = read.column(ANSWERS.c.body)
    at: datetime = read.column(ANSWERS.c.at)


def sentence(_context: Any, row: Mapping[str, Any]) -> str:
    """Say what was found."""
    return _FindingKind(row["kind"]).meaning


def limits(_context: Any, row: Mapping[str, Any]) -> str:
    """Say what it does not show."""
    return LIMITS[_FindingKind(row["kind"])]


def _unless_erased(told: ColumnElement[Any], exhibit: ColumnElement[Any]) -> ColumnElement[Any]:
    """What was read from a file: nothing, from the approval of its erasure on."""
    approved = exists().where(
        ERASURES.c.exhibit_id == exhibit, ERASURES.c.state == _ErasureState.GRANTED
    )
    return case((approved, literal_column("'[]'::jsonb", JSONB)), else_=told)


@read.table(
    findings.ExhibitFinding,
    tag="xf",
    row=read.as_parent(FINDINGS.c.exhibit_id == EXHIBITS.c.id, lambda: Exhibit),
)
@strawberry.type(
    description="Something that was computed about an exhibit. It decides nothing; both sides"
    " see it and may answer it."
)
class ExhibitFinding(Node):
    """A finding, with its grounds and its limits."""

    kind: FindingKind = read.column(FINDINGS.c.kind)
    strength: Strength = read.column(FINDINGS.c.strength)
    sentence: str = read.computed(
        sentence, needs={"kind": FINDINGS.c.kind}, description="In English."
    )
    limits: str = read.computed(
        limits, needs={"kind": FINDINGS.c.kind}, description="What it does not show, in English."
    )
    grounds: list[Ground] = read.json(_unless_erased(FINDINGS.c.grounds, FINDINGS.c.exhibit_id))
    at: datetime = read.column(FINDINGS.c.at)
    answers: list[ExhibitAnswer] = read.many(
        ANSWERS.c.finding_id == FINDINGS.c.id, order=(ANSWERS.c.at, ANSWERS.c.id), typical=1
    )


def _examined(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return select(column).where(EXAMINATIONS.c.exhibit_id == EXHIBITS.c.id).scalar_subquery()


@read.table(
    dialogue.Exhibit, tag="ex", row=sight.in_channel(EXHIBITS.c.case_id, EXHIBITS.c.channel)
)
@strawberry.type(description="An item of evidence.")
class Exhibit(Node):
    """An exhibit; its file is had at ``path``."""

    case: Annotated["Case", strawberry.lazy("schema.types.case")] | None = read.one(
        CASES.c.id == EXHIBITS.c.case_id
    )
    label: str = read.column(label(EXHIBITS), description="As in A-1, B-2 or N-1.")
    side: Side = read.column(EXHIBITS.c.side, description="Who gave it.")
    number: int = read.column(EXHIBITS.c.number)
    name: str = read.column(
        name_of_side(EXHIBITS.c.case_id, EXHIBITS.c.side, EXHIBITS.c.account_id)
    )
    kind: ExhibitKind = read.column(EXHIBITS.c.kind)
    title: str = read.column(EXHIBITS.c.title)
    description: str = read.column(EXHIBITS.c.description)
    channel: Channel = read.column(EXHIBITS.c.channel, description="Who can read it.")
    filename: str = read.column(EXHIBITS.c.filename)
    media_type: str = read.column(EXHIBITS.c.media_type)
    size: Int64 = read.column(EXHIBITS.c.size, description="In bytes.")
    sha256: Digest = read.column(EXHIBITS.c.sha256)
    path: str = read.column(
        func.concat(
            literal_column("'/exhibits/ex'"),
            func.encode(func.uuid_send(EXHIBITS.c.id), literal_column("'hex'")),
            type_=Text,
        ),
        description="Where the file is, on this server.",
    )
    voucher: Voucher | None = read.json(EXHIBITS.c.voucher)
    at: datetime = read.column(EXHIBITS.c.at)
    released_at: datetime | None = read.column(
        EXHIBITS.c.released_at, description="When it left mediation for the record."
    )
    record: list[Annotated["RecordEntry", strawberry.lazy("schema.types.record")]] = read.many(
        and_(
            ACTS.c.case_id == EXHIBITS.c.case_id,
            ACTS.c.act.in_((_Act.SUBMIT_EXHIBIT, _Act.RELEASE_EXHIBIT)),
            sql_cast(ACTS.c.facts["exhibit"].astext, Uuid) == EXHIBITS.c.id,
        ),
        order=(ACTS.c.at, ACTS.c.id),
        typical=1,
        description="The entries by which it was given and, from mediation, released.",
    )
    answers: list[ExhibitAnswer] = read.many(
        and_(ANSWERS.c.exhibit_id == EXHIBITS.c.id, ANSWERS.c.finding_id.is_(None)),
        order=(ANSWERS.c.at, ANSWERS.c.id),
        typical=1,
    )
    examined_at: datetime | None = read.column(
        _examined(EXAMINATIONS.c.at), description="When the findings were computed."
    )
    findings: list[ExhibitFinding] = read.many(
        FINDINGS.c.exhibit_id == EXHIBITS.c.id, order=(FINDINGS.c.at, FINDINGS.c.id), typical=3
    )
    erasures: list[Erasure] = read.many(
        ERASURES.c.exhibit_id == EXHIBITS.c.id,
        order=(ERASURES.c.asked_at, ERASURES.c.id),
        typical=1,
        description="What was erased of it, when and on what ground.",
    )
    tracking: list[TrackingEvent] | None = read.json(
        _unless_erased(_examined(EXAMINATIONS.c.tracking), EXHIBITS.c.id),
        description="The events of a tracking document, as read; null before it was.",
    )
