"""Neutrals: the roster, for the operator."""

import strawberry
from sqlalchemy import func, or_, select

from odr.models import cases, people
from odr.procedure.acts import State
from schema import sight
from schema.reader import declaration as read
from schema.types.node import Node
from schema.types.seat import account_name
from schema.types.words import NeutralKind

NEUTRALS = read.columns(people.Neutral)
APPOINTMENTS = read.columns(cases.Appointment)
CASES = read.columns(cases.Case)


@read.table(
    people.Neutral,
    tag="ne",
    key=NEUTRALS.c.account_id,
    row=or_(sight.OPERATOR, NEUTRALS.c.account_id == sight.ACCOUNT),
)
@strawberry.type(description="Somebody on the roster of neutrals.")
class Neutral(Node):
    """A neutral: seen by themselves and the operator."""

    name: str = read.column(account_name(NEUTRALS.c.account_id))
    kinds: list[NeutralKind] = read.column(NEUTRALS.c.kinds)
    languages: list[str] = read.column(NEUTRALS.c.languages)
    expertise: list[str] = read.column(NEUTRALS.c.expertise)
    active: bool = read.column(NEUTRALS.c.active)
    cases_max: int = read.column(NEUTRALS.c.cases_max)
    open_cases: int = read.column(
        select(func.count())
        .select_from(APPOINTMENTS.join(CASES, CASES.c.id == APPOINTMENTS.c.case_id))
        .where(
            APPOINTMENTS.c.neutral_id == NEUTRALS.c.account_id,
            APPOINTMENTS.c.ended_at.is_(None),
            CASES.c.state != State.CLOSED,
        )
        .scalar_subquery()
    )
