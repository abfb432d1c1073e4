"""How long things are kept: what was erased, and legal holds."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import strawberry
from sqlalchemy import and_, func, literal, or_

from evidence.tombstone import Ground
from odr.models import cases, dialogue, keeping
from odr.models.states import ErasureState as _State
from schema import sight
from schema.reader import declaration as read
from schema.types.node import Node
from schema.types.seat import account_name
from schema.types.words import ErasureGround, ErasureState

if TYPE_CHECKING:
    from schema.types.case import Case
    from schema.types.exhibit import Exhibit

CASES = read.columns(cases.Case)
ERASURES = read.columns(keeping.Erasure)
EXHIBITS = read.columns(dialogue.Exhibit)
HOLDS = read.columns(keeping.LegalHold)


def sentence(_context: Any, row: Mapping[str, Any]) -> str:
    """Say what the ground is, and where it stands."""
    return Ground(row["ground"]).meaning


@read.table(
    keeping.Erasure,
    tag="er",
    row=or_(
        sight.OPERATOR,
        and_(
            ERASURES.c.state.in_((_State.GRANTED, _State.DONE)),
            sight.exhibit(ERASURES.c.exhibit_id),
        ),
    ),
)
@strawberry.type(description="An exhibit's erasure: asked for, or done. The record says the same.")
class Erasure(Node):
    """An erasure: what is asked for is the operator's, what was erased is known to who saw it."""

    case: Annotated["Case", strawberry.lazy("schema.types.case")] | None = read.one(
        CASES.c.id == ERASURES.c.case_id
    )
    exhibit: Annotated["Exhibit", strawberry.lazy("schema.types.exhibit")] | None = read.one(
        EXHIBITS.c.id == ERASURES.c.exhibit_id
    )
    asked_by: str | None = read.column(
        account_name(ERASURES.c.asked_by),
        when=sight.OPERATOR,
        description="Nobody, where its time was over.",
    )
    own: bool = read.column(
        func.coalesce(ERASURES.c.asked_by == sight.ACCOUNT, literal(value=False)),
        description="Asked for by the viewer, so that somebody else has to approve it.",
    )
    state: ErasureState = read.column(ERASURES.c.state)
    ground: ErasureGround = read.column(ERASURES.c.ground)
    sentence: str = read.computed(
        sentence, needs={"ground": ERASURES.c.ground}, description="The ground, in English."
    )
    words: bool = read.column(
        ERASURES.c.words, description="Also title, description, file name and typed fields."
    )
    asked_at: datetime = read.column(ERASURES.c.asked_at)
    at: datetime | None = read.column(
        ERASURES.c.decided_at, description="When it was entered in the record, or declined."
    )
    done_at: datetime | None = read.column(
        ERASURES.c.done_at, description="When the keys were destroyed."
    )
    reason: str | None = read.column(ERASURES.c.reason, when=sight.OPERATOR)


@read.table(
    keeping.LegalHold,
    tag="lh",
    row=or_(sight.OPERATOR, sight.in_record(HOLDS.c.case_id)),
)
@strawberry.type(description="Nothing of a case is erased while a hold is placed on it.")
class LegalHold(Node):
    """A legal hold; whoever reads the record knows of it."""

    case: Annotated["Case", strawberry.lazy("schema.types.case")] | None = read.one(
        CASES.c.id == HOLDS.c.case_id
    )
    reason: str = read.column(HOLDS.c.reason)
    placed_at: datetime = read.column(HOLDS.c.placed_at)
    until: datetime | None = read.column(HOLDS.c.until)
    lifted_at: datetime | None = read.column(HOLDS.c.lifted_at)
