"""Whose turn it is, for the viewer: one SQL expression, so that cases can be listed by it.

A hint for people, not a right: what may be done stands in ``availableActs``.
"""

from typing import Any, Final

from sqlalchemy import ColumnElement, Text, and_, case, exists, func, literal_column, or_, select
from sqlalchemy import cast as sql_cast

from odr.models import cases, dialogue
from odr.models.states import Channel, ClockState, OfferState, ProposalState
from odr.procedure.acts import Role, State
from odr.procedure.clocks import Clock
from odr.words import Side, Word
from schema import sight
from schema.reader import declaration as read
from schema.types import words

CASES: Final = read.columns(cases.Case)
_SEATS: Final = read.columns(cases.Seat)
_APPOINTMENTS: Final = read.columns(cases.Appointment)
_ACTS: Final = read.columns(cases.Record)
_CLOCKS: Final = read.columns(cases.RunningClock)
_OFFERS: Final = read.columns(dialogue.Offer)
_PROPOSALS: Final = read.columns(dialogue.Proposal)
_PARTIES: Final = (Side.CLAIMANT, Side.RESPONDENT)


class ViewerState(Word):
    """Who has to do something now, as the viewer sees it."""

    YOUR_TURN = "your_turn", "Something waits for you."
    THEIR_TURN = "their_turn", "Somebody else is to act."
    WITH_NEUTRAL = "with_neutral", "A mediator or an arbitrator works on it."
    DONE = "done", "The case is over."


words.show(ViewerState)


def _text(value: str) -> ColumnElement[Any]:
    return literal_column(f"'{value}'", Text())


def _side() -> ColumnElement[Any]:
    seats = _SEATS.alias()
    roles = sql_cast(seats.c.role, Text)
    mine = select(
        case(
            (func.bool_or(roles == Role.CLAIMANT.value), _text(Side.CLAIMANT)),
            (func.bool_or(roles == Role.RESPONDENT.value), _text(Side.RESPONDENT)),
            (
                func.bool_or(roles.in_((Role.MEDIATOR.value, Role.ARBITRATOR.value))),
                _text(Side.NEUTRAL),
            ),
            else_=None,
        )
    ).where(seats.c.case_id == CASES.c.id, sight.holds(seats))
    return mine.scalar_subquery()


VIEWER_SIDE: Final = _side()
"""The side of the viewer in a row of ``cases``, or null."""


def _on(*sides: Side) -> ColumnElement[bool]:
    return VIEWER_SIDE.in_([side.value for side in sides])


def _party_seat(*conditions: Any, own: bool) -> ColumnElement[bool]:
    side = sql_cast(_SEATS.c.role, Text)
    return exists(
        select(_SEATS.c.id).where(
            _SEATS.c.case_id == CASES.c.id,
            _SEATS.c.until.is_(None),
            _SEATS.c.role.in_((Role.CLAIMANT, Role.RESPONDENT)),
            side == VIEWER_SIDE if own else side != VIEWER_SIDE,
            *conditions,
        )
    )


def _offered_to_viewer() -> ColumnElement[bool]:
    return exists(
        select(_OFFERS.c.id).where(
            _OFFERS.c.case_id == CASES.c.id,
            _OFFERS.c.state == OfferState.OPEN,
            sql_cast(_OFFERS.c.side, Text) != VIEWER_SIDE,
        )
    )


def _asked_of_viewer() -> ColumnElement[bool]:
    """An arbitrator's request waits for the viewer's side."""
    return exists(
        select(_CLOCKS.c.id).where(
            _CLOCKS.c.case_id == CASES.c.id,
            _CLOCKS.c.clock == Clock.INFORMATION,
            _CLOCKS.c.state == ClockState.RUNNING,
            sql_cast(_CLOCKS.c.side, Text) == VIEWER_SIDE,
        )
    )


def _open_proposal(*conditions: Any) -> ColumnElement[bool]:
    return exists(
        select(_PROPOSALS.c.id).where(
            _PROPOSALS.c.case_id == CASES.c.id,
            _PROPOSALS.c.state == ProposalState.OPEN,
            *conditions,
        )
    )


def _unanswered_by_viewer() -> ColumnElement[bool]:
    return _open_proposal(
        or_(
            and_(_on(Side.CLAIMANT), _PROPOSALS.c.claimant_accepts.is_(None)),
            and_(_on(Side.RESPONDENT), _PROPOSALS.c.respondent_accepts.is_(None)),
        )
    )


def _last_party() -> ColumnElement[Any]:
    """The side that spoke last on the record."""
    return (
        select(sql_cast(_ACTS.c.side, Text))
        .where(
            _ACTS.c.case_id == CASES.c.id,
            _ACTS.c.channel == Channel.RECORD,
            _ACTS.c.side.in_(_PARTIES),
        )
        .order_by(_ACTS.c.at.desc(), _ACTS.c.sequence.desc())
        .limit(1)
        .scalar_subquery()
    )


_YOURS, _THEIRS = _text(ViewerState.YOUR_TURN), _text(ViewerState.THEIR_TURN)
_NEUTRAL, _DONE = _text(ViewerState.WITH_NEUTRAL), _text(ViewerState.DONE)
_DECIDING: Final = (
    State.DELIBERATING,
    State.DELIBERATING_AGAIN,
    State.APPEALED,
    State.RETURN_CONTESTED,
)


def _for_parties() -> ColumnElement[Any]:
    state = CASES.c.state
    return case(
        (or_(_offered_to_viewer(), _asked_of_viewer()), _YOURS),
        (
            state.in_((State.FILED, State.DEFAULTED)),
            case((_on(Side.RESPONDENT), _YOURS), else_=_THEIRS),
        ),
        (state == State.NEGOTIATING, case((_last_party() != VIEWER_SIDE, _YOURS), else_=_THEIRS)),
        (state == State.MEDIATING, case((_unanswered_by_viewer(), _YOURS), else_=_NEUTRAL)),
        (
            state == State.HEARING,
            case(
                (_party_seat(_SEATS.c.rested_at.is_(None), own=True), _YOURS),
                (_party_seat(_SEATS.c.rested_at.is_(None), own=False), _THEIRS),
                else_=_NEUTRAL,
            ),
        ),
        (state.in_(_DECIDING), _NEUTRAL),
        (
            state == State.RULED,
            case(
                (_party_seat(_SEATS.c.appeal_waived_at.is_(None), own=True), _YOURS), else_=_THEIRS
            ),
        ),
        else_=_THEIRS,
    )


def _for_neutrals() -> ColumnElement[Any]:
    state = CASES.c.state
    disclosure_due = exists(
        select(_APPOINTMENTS.c.id).where(
            _APPOINTMENTS.c.case_id == CASES.c.id,
            _APPOINTMENTS.c.neutral_id == sight.ACCOUNT,
            _APPOINTMENTS.c.ended_at.is_(None),
            _APPOINTMENTS.c.disclosed_at.is_(None),
        )
    )
    return case(
        (disclosure_due, _YOURS),
        (state == State.MEDIATING, case((_open_proposal(), _THEIRS), else_=_YOURS)),
        (state.in_(_DECIDING), _YOURS),
        else_=_THEIRS,
    )


def _turn() -> ColumnElement[Any]:
    with_neutral = CASES.c.state.in_((State.MEDIATING, State.HEARING, *_DECIDING))
    return case(
        (CASES.c.state == State.CLOSED, _DONE),
        (_on(*_PARTIES), _for_parties()),
        (_on(Side.NEUTRAL), _for_neutrals()),
        (with_neutral, _NEUTRAL),
        else_=_THEIRS,
    )


TURN: Final = _turn()
"""The viewer's state (a value of ``ViewerState``) in a row of ``cases``."""
