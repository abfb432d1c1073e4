"""Seats: who is in a case, in which role; and the names under which people appear in it."""

from datetime import datetime
from typing import Any

import strawberry
from sqlalchemy import ColumnElement, case, func, select

from odr.models import cases, people
from odr.procedure.acts import Role as _Role
from odr.words import Side as _Side
from schema import sight
from schema.reader import declaration as read
from schema.types import later
from schema.types.node import Node
from schema.types.organisation import ORGANISATIONS, Organisation
from schema.types.words import NeutralKind, Role, Side

ACCOUNTS = read.columns(people.Account)
CASES = read.columns(cases.Case)
SEATS = read.columns(cases.Seat)
APPOINTMENTS = read.columns(cases.Appointment)

_SIDES = {
    _Role.CLAIMANT: _Side.CLAIMANT,
    _Role.RESPONDENT: _Side.RESPONDENT,
    _Role.MEDIATOR: _Side.NEUTRAL,
    _Role.ARBITRATOR: _Side.NEUTRAL,
}


def account_name(account_id: ColumnElement[Any]) -> ColumnElement[Any]:
    """The name of a person."""
    return select(ACCOUNTS.c.name).where(ACCOUNTS.c.id == account_id).scalar_subquery()


def organisation_name(organisation_id: ColumnElement[Any]) -> ColumnElement[Any]:
    """The name of an organisation."""
    of = ORGANISATIONS.c
    return select(of.name).where(of.id == organisation_id).scalar_subquery()


def name_of_side(
    case_id: ColumnElement[Any], side: ColumnElement[Any], account_id: ColumnElement[Any]
) -> ColumnElement[Any]:
    """Under which name somebody speaks: a seller's staff as the seller, everybody else as such."""
    seat = SEATS.alias()
    holder = (
        select(organisation_name(seat.c.organisation_id))
        .where(
            seat.c.case_id == case_id,
            seat.c.role == side,
            seat.c.organisation_id.is_not(None),
        )
        .limit(1)
        .scalar_subquery()
    )
    return func.coalesce(holder, account_name(account_id))


@read.table(cases.Seat, tag="se", row=read.as_parent(SEATS.c.case_id == CASES.c.id, later.case))
@strawberry.type(description="Somebody's place in a case.")
class Seat(Node):
    """A seat. A name is shown to those who are in the case."""

    role: Role = read.column(SEATS.c.role)
    side: Side | None = read.column(
        case(
            *((SEATS.c.role == role, side.value) for role, side in _SIDES.items()),
            else_=None,
        )
    )
    name: str | None = read.column(
        func.coalesce(organisation_name(SEATS.c.organisation_id), account_name(SEATS.c.account_id)),
        when=sight.knows_parties(SEATS.c.case_id),
        description="Null for those who are not in the case.",
    )
    organisation: Organisation | None = read.one(ORGANISATIONS.c.id == SEATS.c.organisation_id)
    since: datetime = read.column(SEATS.c.since)
    until: datetime | None = read.column(SEATS.c.until)
    acknowledged_at: datetime | None = read.column(SEATS.c.acknowledged_at)
    consented: bool | None = read.column(
        SEATS.c.consented, description="Whether this side agrees to be bound by the ruling."
    )
    rested_at: datetime | None = read.column(
        SEATS.c.rested_at, description="When this side said that it has nothing to add."
    )
    appeal_waived_at: datetime | None = read.column(SEATS.c.appeal_waived_at)


@read.table(cases.Appointment, tag="ap", row=sight.in_record(APPOINTMENTS.c.case_id))
@strawberry.type(description="A neutral, appointed to a case.")
class Appointment(Node):
    """An appointment; replaced neutrals stay on the list."""

    kind: NeutralKind = read.column(APPOINTMENTS.c.kind)
    name: str = read.column(account_name(APPOINTMENTS.c.neutral_id))
    appointed_at: datetime = read.column(APPOINTMENTS.c.appointed_at)
    disclosed_at: datetime | None = read.column(APPOINTMENTS.c.disclosed_at)
    disclosure: str | None = read.column(
        APPOINTMENTS.c.disclosure, description="Interests; an empty text says that there are none."
    )
    ended_at: datetime | None = read.column(APPOINTMENTS.c.ended_at)
    end_reason: str | None = read.column(APPOINTMENTS.c.end_reason)
