"""Notices: what an account is told."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from odr import policy, sentences
from odr.models import cases
from schema import sight
from schema.reader import declaration as read
from schema.types.node import Node
from schema.types.words import CaseState

if TYPE_CHECKING:
    from schema.types.case import Case

CASES = read.columns(cases.Case)
NOTICES = read.columns(cases.Notice)


def sentence(_context: Any, row: Mapping[str, Any]) -> str:
    """Say what the notice tells of."""
    return sentences.sentence(row["kind"])


@read.table(cases.Notice, tag="no", row=sight.seen(policy.sees_notice()))
@strawberry.type(description="Something that the viewer is told.")
class Notice(Node):
    """A notice: one's own only."""

    kind: str = read.column(
        NOTICES.c.kind, description="The act that it tells of, in small letters."
    )
    sentence: str = read.computed(sentence, needs={"kind": NOTICES.c.kind})
    case: Annotated["Case", strawberry.lazy("schema.types.case")] | None = read.one(
        CASES.c.id == NOTICES.c.case_id
    )
    number: str | None = read.column(
        NOTICES.c.facts["number"].astext, description="The case's number."
    )
    state: CaseState | None = read.column(
        NOTICES.c.facts["state"].astext, description="Where the case stood then."
    )
    created: datetime = read.column(NOTICES.c.created)
    sent: datetime | None = read.column(NOTICES.c.sent)
    read_at: datetime | None = read.column(NOTICES.c.read)
