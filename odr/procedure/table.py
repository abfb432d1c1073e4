"""The life of a case, as one table.

Whatever is not a row of ``TABLE`` cannot happen. The domain, the API, the pages, the worker, the
diagram and the documentation are read from it; nothing is written twice. A row never chooses: one
state and one act give one next state. The module is pure: it knows no database, no clock and no
person.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from odr.errors import NotAllowed
from odr.procedure.acts import Act, Outcome, Role, State


class Row(NamedTuple):
    """In ``source``, each of ``roles`` may ``act``, which leads to ``target``.

    ``outcome`` is how the case ends if it ends by this row, or by what follows from it.
    """

    source: State
    act: Act
    roles: frozenset[Role]
    target: State
    outcome: Outcome | None = None


def _stays(act: Act, roles: set[Role], *sources: State) -> Iterator[Row]:
    """Rows in which the case stays where it is."""
    return (Row(source, act, frozenset(roles), source) for source in sources)


def _moves(
    act: Act, roles: set[Role], target: State, *sources: State, outcome: Outcome | None = None
) -> Iterator[Row]:
    """Rows that move the case to ``target``."""
    return (Row(source, act, frozenset(roles), target, outcome) for source in sources)


_S, _A, _R, _O = State, Act, Role, Outcome
_PARTIES: Final = {_R.CLAIMANT, _R.RESPONDENT}
_NEUTRALS: Final = {_R.MEDIATOR, _R.ARBITRATOR}
_ADMIN, _CLOCK, _SERVICE = {_R.ADMINISTRATOR}, {_R.CLOCK}, {_R.SERVICE}
_CLAIMANT, _RESPONDENT = {_R.CLAIMANT}, {_R.RESPONDENT}
_BUYER, _SELLER = {_R.BUYER}, {_R.SELLER}
_MEDIATOR, _ARBITRATOR = {_R.MEDIATOR}, {_R.ARBITRATOR}

_TALKING = (_S.NEGOTIATING, _S.MEDIATING, _S.HEARING)
_DECIDING = (_S.DELIBERATING, _S.DELIBERATING_AGAIN)
_UNDECIDED = (_S.FILED, *_TALKING, *_DECIDING)
_SETTLEABLE = (*_UNDECIDED, _S.RULED, _S.APPEALED)
_ARBITRATED = (_S.HEARING, *_DECIDING, _S.APPEALED)
_PERFORMED = (_S.PERFORMING, _S.RETURN_CONTESTED, _S.COMPLETING)
_OPEN = tuple(state for state in State if state is not _S.CLOSED)

START: Final = Row(_S.FILED, _A.FILE, frozenset(_CLAIMANT), _S.FILED)
"""Filing makes the case; it is the only act without a source."""

TABLE: Final[tuple[Row, ...]] = (
    # the claim and its answer
    *_stays(_A.ACKNOWLEDGE, _RESPONDENT, _S.FILED),
    *_stays(_A.NOTE_SILENCE, _CLOCK, _S.FILED),
    *_moves(
        _A.ACCEPT_CLAIM,
        _RESPONDENT,
        _S.PERFORMING,
        _S.FILED,
        *_TALKING,
        outcome=_O.SETTLED,
    ),
    *_moves(_A.CONTEST, _RESPONDENT, _S.NEGOTIATING, _S.FILED),
    *_stays(_A.MODIFY_CLAIM, _CLAIMANT, _S.FILED, _S.NEGOTIATING),
    *_stays(_A.FILE_COUNTERCLAIM, _RESPONDENT, _S.NEGOTIATING),
    *_moves(_A.WITHDRAW, _CLAIMANT, _S.CLOSED, _S.FILED, *_TALKING, outcome=_O.WITHDRAWN),
    *_moves(_A.GRANT_BY_DEFAULT, _CLOCK, _S.DEFAULTED, _S.FILED, outcome=_O.DEFAULTED),
    *_moves(_A.DECIDE_ON_PAPERS, _CLOCK, _S.HEARING, _S.FILED),
    *_stays(_A.REQUEST_SET_ASIDE, _RESPONDENT, _S.DEFAULTED),
    *_moves(_A.GRANT_SET_ASIDE, _ADMIN, _S.NEGOTIATING, _S.DEFAULTED),
    *_moves(_A.REFUSE_SET_ASIDE, _ADMIN, _S.PERFORMING, _S.DEFAULTED, outcome=_O.DEFAULTED),
    *_moves(_A.LET_DEFAULT_STAND, _CLOCK, _S.PERFORMING, _S.DEFAULTED, outcome=_O.DEFAULTED),
    # offers
    *_stays(_A.MAKE_OFFER, _CLAIMANT, _S.FILED),
    *_stays(_A.MAKE_OFFER, _PARTIES, *_TALKING, *_DECIDING, _S.RULED, _S.APPEALED),
    *_stays(_A.MAKE_COUNTER_OFFER, _RESPONDENT, _S.NEGOTIATING),
    *_moves(_A.ACCEPT_OFFER, _PARTIES, _S.PERFORMING, *_SETTLEABLE, outcome=_O.SETTLED),
    *_stays(_A.REJECT_OFFER, _PARTIES, *_SETTLEABLE),
    *_moves(_A.REJECT_COUNTER_OFFER, _CLAIMANT, _S.MEDIATING, _S.NEGOTIATING),
    *_stays(_A.REVOKE_OFFER, _PARTIES, *_SETTLEABLE),
    *_stays(_A.LAPSE_OFFER, _CLOCK, *_SETTLEABLE),
    *_stays(_A.PLACE_BID, _PARTIES, _S.NEGOTIATING),
    *_stays(_A.CLOSE_BID_ROUND, _CLOCK, _S.NEGOTIATING),
    *_moves(_A.SETTLE_BY_BIDS, _SERVICE, _S.PERFORMING, _S.NEGOTIATING, outcome=_O.SETTLED),
    *_moves(_A.REQUEST_INTERVENTION, _PARTIES, _S.MEDIATING, _S.NEGOTIATING),
    *_moves(_A.END_NEGOTIATION, _CLOCK, _S.MEDIATING, _S.NEGOTIATING),
    # talking and showing
    *_stays(_A.SEND_MESSAGE, _PARTIES, *_OPEN),
    *_stays(_A.SEND_MESSAGE, _MEDIATOR, _S.MEDIATING),
    *_stays(_A.SEND_MESSAGE, _ARBITRATOR, *_ARBITRATED, _S.RETURN_CONTESTED),
    *_stays(_A.REPORT_MESSAGE, _PARTIES | _NEUTRALS, *_OPEN),
    *_stays(_A.HIDE_MESSAGE, _ADMIN, *_OPEN),
    *_stays(_A.SUBMIT_EXHIBIT, _PARTIES, _S.FILED, *_TALKING, _S.APPEALED, _S.RETURN_CONTESTED),
    *_stays(_A.ANSWER_EXHIBIT, _PARTIES, *_TALKING, _S.APPEALED, _S.RETURN_CONTESTED),
    *_stays(_A.RELEASE_EXHIBIT, _PARTIES, _S.MEDIATING, _S.HEARING),
    *_stays(_A.REQUEST_STATEMENT, _MEDIATOR, _S.MEDIATING),
    *_stays(_A.REQUEST_STATEMENT, _ARBITRATOR, _S.HEARING, _S.APPEALED, _S.RETURN_CONTESTED),
    *_stays(
        _A.GIVE_STATEMENT,
        {_R.THIRD_PARTY},
        _S.MEDIATING,
        _S.HEARING,
        _S.APPEALED,
        _S.RETURN_CONTESTED,
    ),
    *_stays(_A.REMIND, _PARTIES, *_OPEN),
    # neutrals
    *_stays(_A.COMMIT_DRAW, _SERVICE, _S.MEDIATING, *_ARBITRATED, _S.RETURN_CONTESTED),
    *_stays(_A.APPOINT_MEDIATOR, _SERVICE, _S.MEDIATING),
    *_stays(_A.APPOINT_ARBITRATOR, _SERVICE, *_ARBITRATED, _S.RETURN_CONTESTED),
    *_stays(_A.DISCLOSE, _MEDIATOR, _S.MEDIATING),
    *_stays(_A.DISCLOSE, _ARBITRATOR, *_ARBITRATED, _S.RETURN_CONTESTED),
    *_stays(_A.STEP_DOWN, _MEDIATOR, _S.MEDIATING),
    *_stays(_A.STEP_DOWN, _ARBITRATOR, *_ARBITRATED, _S.RETURN_CONTESTED),
    *_stays(_A.OBJECT_TO_NEUTRAL, _PARTIES, _S.MEDIATING, *_ARBITRATED, _S.RETURN_CONTESTED),
    *_stays(_A.SUSTAIN_OBJECTION, _ADMIN, _S.MEDIATING, *_ARBITRATED, _S.RETURN_CONTESTED),
    *_stays(_A.OVERRULE_OBJECTION, _ADMIN, _S.MEDIATING, *_ARBITRATED, _S.RETURN_CONTESTED),
    *_stays(_A.REPLACE_NEUTRAL, _CLOCK, _S.MEDIATING, *_ARBITRATED, _S.RETURN_CONTESTED),
    # mediation
    *_stays(_A.SEND_CAUCUS_MESSAGE, _PARTIES | _MEDIATOR, _S.MEDIATING),
    *_stays(_A.PROPOSE_TERMS, _MEDIATOR, _S.MEDIATING),
    *_stays(_A.ACCEPT_PROPOSAL, _PARTIES, _S.MEDIATING),
    *_stays(_A.REJECT_PROPOSAL, _PARTIES, _S.MEDIATING),
    *_moves(_A.SETTLE_BY_PROPOSAL, _SERVICE, _S.PERFORMING, _S.MEDIATING, outcome=_O.SETTLED),
    *_stays(_A.FAIL_PROPOSAL, _SERVICE, _S.MEDIATING),
    *_stays(_A.CLOSE_EVIDENCE, _CLOCK, _S.MEDIATING),
    *_stays(_A.CLOSE_ANSWERS, _CLOCK, _S.MEDIATING),
    *_moves(_A.DECLARE_IMPASSE, _MEDIATOR, _S.HEARING, _S.MEDIATING),
    *_moves(_A.REQUEST_ARBITRATION, _PARTIES, _S.HEARING, _S.MEDIATING),
    *_moves(_A.END_MEDIATION, _CLOCK, _S.HEARING, _S.MEDIATING),
    # arbitration
    *_stays(_A.CONSENT, _PARTIES, _S.MEDIATING, _S.HEARING),
    *_stays(_A.DECLINE_CONSENT, _PARTIES, _S.MEDIATING, _S.HEARING),
    *_stays(_A.REQUEST_INFORMATION, _ARBITRATOR, _S.HEARING, _S.APPEALED, _S.RETURN_CONTESTED),
    *_stays(_A.ANSWER_REQUEST, _PARTIES, _S.HEARING, _S.APPEALED, _S.RETURN_CONTESTED),
    *_stays(_A.EXPIRE_REQUEST, _CLOCK, _S.HEARING, _S.APPEALED, _S.RETURN_CONTESTED),
    *_stays(_A.REST, _PARTIES, _S.HEARING),
    *_moves(_A.CLOSE_RECORD, _ARBITRATOR | _SERVICE | _CLOCK, _S.DELIBERATING, _S.HEARING),
    *_moves(_A.RULE, _ARBITRATOR, _S.RULED, *_DECIDING),
    *_moves(_A.REPLACE_ARBITRATOR, _CLOCK, _S.DELIBERATING_AGAIN, _S.DELIBERATING),
    *_moves(
        _A.GRANT_WITHOUT_RECOURSE,
        _CLOCK,
        _S.PERFORMING,
        _S.DELIBERATING_AGAIN,
        outcome=_O.LAPSED,
    ),
    *_stays(_A.REQUEST_CORRECTION, _PARTIES, _S.RULED),
    *_stays(_A.CORRECT_RULING, _ARBITRATOR, _S.RULED),
    *_stays(_A.WAIVE_APPEAL, _PARTIES, _S.RULED),
    *_moves(_A.MAKE_FINAL, _SERVICE, _S.PERFORMING, _S.RULED, outcome=_O.RULED),
    *_moves(_A.APPEAL, _PARTIES, _S.APPEALED, _S.RULED),
    *_moves(_A.AFFIRM_RULING, _ARBITRATOR, _S.PERFORMING, _S.APPEALED, outcome=_O.RULED),
    *_moves(_A.VARY_RULING, _ARBITRATOR, _S.PERFORMING, _S.APPEALED, outcome=_O.RULED),
    *_moves(_A.SET_ASIDE_RULING, _ARBITRATOR, _S.PERFORMING, _S.APPEALED, outcome=_O.RULED),
    *_moves(_A.LET_RULING_STAND, _CLOCK, _S.PERFORMING, _S.RULED, _S.APPEALED, outcome=_O.RULED),
    # performance
    *_stays(_A.GIVE_RETURN_ADDRESS, _SELLER, _S.PERFORMING),
    *_stays(_A.USE_PLATFORM_ADDRESS, _CLOCK, _S.PERFORMING),
    *_stays(_A.SHIP_RETURN, _BUYER, _S.PERFORMING),
    *_stays(_A.LAPSE_RETURN, _CLOCK, _S.PERFORMING),
    *_stays(_A.RECORD_DELIVERY, _SERVICE, _S.PERFORMING),
    *_stays(_A.RECORD_LOSS, _CLOCK, _S.PERFORMING),
    *_stays(_A.CONFIRM_RETURN, _SELLER, _S.PERFORMING),
    *_stays(_A.PASS_INSPECTION, _SELLER, _S.PERFORMING),
    *_stays(_A.PASS_BY_SILENCE, _CLOCK, _S.PERFORMING),
    *_moves(_A.CONTEST_RETURN, _SELLER, _S.RETURN_CONTESTED, _S.PERFORMING),
    *_moves(_A.RULE_ON_RETURN, _ARBITRATOR, _S.COMPLETING, _S.RETURN_CONTESTED),
    *_moves(_A.SETTLE_RETURN, _CLOCK, _S.COMPLETING, _S.RETURN_CONTESTED),
    *_stays(_A.SHIP_REPLACEMENT, _SELLER, _S.PERFORMING),
    *_stays(_A.CONFIRM_REPLACEMENT, _BUYER, _S.PERFORMING),
    *_stays(_A.ACCEPT_REPLACEMENT, _CLOCK, _S.PERFORMING),
    *_stays(_A.SEND_FOR_REPAIR, _BUYER, _S.PERFORMING),
    *_stays(_A.REPORT_REPAIR, _SELLER, _S.PERFORMING),
    *_stays(_A.RETURN_REPAIRED, _SELLER, _S.PERFORMING),
    *_stays(_A.ISSUE_COUPON, _SELLER, _S.PERFORMING),
    *_stays(_A.CHANGE_VALIDITY, _SELLER, _S.PERFORMING),
    *_stays(_A.TURN_INTO_REFUND, _CLOCK, _S.PERFORMING),
    *_stays(_A.RECORD_PAYMENT, _SERVICE, *_PERFORMED, _S.CLOSED),
    *_stays(_A.RAISE_PAYOUT_ALARM, _CLOCK, *_PERFORMED, _S.CLOSED),
    *_stays(_A.OBJECT_TO_SETTLEMENT, {_R.INSURER}, _S.PERFORMING),
    *_moves(_A.END_PERFORMANCE, _CLOCK, _S.COMPLETING, _S.PERFORMING),
    *_moves(_A.COMPLETE, _SERVICE, _S.CLOSED, _S.PERFORMING, _S.COMPLETING),
    *_moves(_A.CLOSE_OVERDUE, _CLOCK, _S.CLOSED, _S.COMPLETING),
    # windows, stays, other proceedings, closing
    *_stays(_A.REQUEST_EXTENSION, _PARTIES, *_OPEN),
    *_stays(_A.AGREE_TO_EXTENSION, _PARTIES, *_OPEN),
    *_stays(_A.EXTEND, _MEDIATOR, _S.MEDIATING),
    *_stays(_A.EXTEND, _ARBITRATOR, *_ARBITRATED, _S.RETURN_CONTESTED),
    *_stays(_A.STAY, _ADMIN, *_OPEN),
    *_stays(_A.RESUME, _ADMIN, *_OPEN),
    *_stays(_A.END_STAY, _CLOCK, *_OPEN),
    *_stays(_A.REPORT_PROCEEDINGS, _PARTIES, *_OPEN),
    *_moves(_A.CLOSE_FOR_PROCEEDINGS, _ADMIN, _S.CLOSED, *_UNDECIDED, outcome=_O.DISMISSED),
    *_moves(_A.DISMISS, _ADMIN, _S.INADMISSIBLE, _S.FILED, _S.NEGOTIATING, _S.MEDIATING),
    *_stays(_A.REQUEST_REVIEW, _PARTIES, _S.INADMISSIBLE),
    *_moves(_A.OVERTURN_DISMISSAL, {_R.ARBITRATOR}, _S.HEARING, _S.INADMISSIBLE),
    *_moves(_A.UPHOLD_DISMISSAL, _ARBITRATOR, _S.CLOSED, _S.INADMISSIBLE, outcome=_O.DISMISSED),
    *_moves(_A.LET_DISMISSAL_STAND, _CLOCK, _S.CLOSED, _S.INADMISSIBLE, outcome=_O.DISMISSED),
    *_stays(_A.RATE, _PARTIES, _S.CLOSED),
)

FINAL: Final = State.CLOSED

ON_ENTERING: Final = {
    _S.MEDIATING: _A.APPOINT_MEDIATOR,
    _S.HEARING: _A.APPOINT_ARBITRATOR,
    _S.DELIBERATING_AGAIN: _A.APPOINT_ARBITRATOR,
    _S.APPEALED: _A.APPOINT_ARBITRATOR,
    _S.RETURN_CONTESTED: _A.APPOINT_ARBITRATOR,
}
"""The consequence, by the role SERVICE, of entering a state."""


def _index() -> dict[tuple[State, Act], Row]:
    """Rows by state and act; rows that differ in their roles only are joined."""
    rows: dict[tuple[State, Act], Row] = {}
    for row in TABLE:
        key = (row.source, row.act)
        if (other := rows.get(key)) is not None:
            if (other.target, other.outcome) != (row.target, row.outcome):
                raise ValueError(f"{row.act} leads to two places from {row.source}")
            row = row._replace(roles=row.roles | other.roles)  # noqa: PLW2901 - joined above
        rows[key] = row
    return rows


_ROWS: Final = _index()
_ACTS: Final = {
    (state, role): tuple(
        row.act for row in _ROWS.values() if row.source is state and role in row.roles
    )
    for state in State
    for role in Role
}


def rows() -> tuple[Row, ...]:
    """All rows, one for each state and act, in the order of the table."""
    return tuple(_ROWS.values())


def step(state: State, act: Act, roles: frozenset[Role]) -> Row:
    """The row by which somebody holding ``roles`` may ``act`` in ``state``, or ``NotAllowed``."""
    row = _ROWS.get((state, act))
    if row is None or not row.roles & roles:
        role = min(roles, default=None)
        raise NotAllowed(act=act, state=state, role=role)
    return row


def acts(state: State, roles: frozenset[Role]) -> tuple[Act, ...]:
    """What the table offers to somebody holding ``roles`` in ``state``, in the table's order."""
    mine = {act for role in roles for act in _ACTS[state, role]}
    return tuple(row.act for row in _ROWS.values() if row.source is state and row.act in mine)


def people(act: Act) -> bool:
    """Whether people do this act; clocks and consequences are not offered to anybody."""
    return act is START.act or any(
        row.roles - {Role.CLOCK, Role.SERVICE} for row in TABLE if row.act is act
    )
