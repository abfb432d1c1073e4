"""Who sees which row: the policy's filters, bound as the reader binds whoever reads.

`odr.policy` names its parameters ``viewer_account``, ``viewer_organisations`` and
``viewer_operator``; the reader binds by names of its own. Here is the one place where the two
meet. This module decides nothing.
"""

from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    Column,
    ColumnElement,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    case,
    exists,
    literal_column,
    or_,
    select,
)
from sqlalchemy.sql import visitors

from odr import policy
from odr.models.cases import Case, Seat
from odr.models.dialogue import Exhibit
from odr.models.states import Channel
from odr.words import Party
from schema.reader import declaration as read
from schema.reader.viewer import Viewer

_PREFIX: Final = "viewer_"
CASES: Final = read.columns(Case)
SEATS: Final = read.columns(Seat)
EXHIBITS: Final = read.columns(Exhibit)
_CASE: Final[ColumnElement[Any]] = bindparam("case", type_=Uuid())
_CHANNEL: Final[ColumnElement[Any]] = bindparam("channel", type_=Text())


def seen(expression: ColumnElement[Any], **given: ColumnElement[Any]) -> ColumnElement[Any]:
    """Let a filter or expression of ``odr.policy`` bind the reader's own viewer.

    It reads seats under a name of their own, so that a type over seats, or a subquery of them,
    may stand around it. ``given`` take the places that ``place`` kept.
    """
    seats = SEATS.alias()

    def replace(element: Any, **_words: Any) -> Any:
        if isinstance(element, BindParameter):
            if element.key in given:
                return given[element.key]
            if element.key in _BOUND:
                return read.viewer(element.key.removeprefix(_PREFIX), element.type)
        if isinstance(element, Column) and element.table is SEATS:
            return seats.c[element.key]
        return seats if element is SEATS else None

    replaced: ColumnElement[Any] = visitors.replacement_traverse(expression, {}, replace)
    return replaced


_BOUND: Final = frozenset(policy.SERVICE.parameters())
ACCOUNT: Final = seen(policy.ACCOUNT)
ORGANISATIONS: Final = seen(policy.ORGANISATIONS)
OPERATOR: Final = seen(policy.OPERATOR)


def viewer(actor: policy.Viewer) -> Viewer:
    """Give the reader's viewer for somebody who looks or acts."""
    parameters = {name.removeprefix(_PREFIX): value for name, value in actor.parameters().items()}
    return Viewer(parameters, actor.settings())


def of_organisation(column: ColumnElement[Any]) -> ColumnElement[bool]:
    """The viewer acts for the organisation that the column names."""
    return column == any_(ORGANISATIONS)


def sees_case() -> ColumnElement[bool]:
    """The viewer sees this row of ``cases``."""
    return seen(policy.sees_case())


def in_case(case_id: ColumnElement[Any]) -> ColumnElement[bool]:
    """The viewer sees the case."""
    return exists(select(CASES.c.id).where(CASES.c.id == case_id, sees_case()))


def in_channel(case_id: ColumnElement[Any], channel: Any) -> ColumnElement[bool]:
    """The viewer reads what is said in the channel of a case."""
    filter_ = policy.sees_in_channel(_CASE, _CHANNEL)
    return seen(filter_, case=case_id, channel=channel)


def message(case_id: ColumnElement[Any], channel: Any) -> ColumnElement[bool]:
    """The viewer reads the messages in the channel of a case."""
    return seen(policy.sees_message(_CASE, _CHANNEL), case=case_id, channel=channel)


def exhibit(exhibit_id: ColumnElement[Any]) -> ColumnElement[bool]:
    """The viewer sees an exhibit."""
    exhibits = EXHIBITS.alias()  # what stands around it may read exhibits, too
    sees = in_channel(exhibits.c.case_id, exhibits.c.channel)
    return exists(select(exhibits.c.id).where(exhibits.c.id == exhibit_id, sees))


def caucus_message(case_id: ColumnElement[Any], with_side: Any) -> ColumnElement[bool]:
    """The viewer sits in the caucus of a side."""
    return seen(policy.sees_caucus_message(_CASE, _CHANNEL), case=case_id, channel=with_side)


def proposal(case_id: ColumnElement[Any]) -> ColumnElement[bool]:
    """The viewer sees a mediator's proposals in a case."""
    return seen(policy.sees_proposal(_CASE), case=case_id)


def in_room(case_id: ColumnElement[Any], channel: Channel) -> ColumnElement[bool]:
    """The viewer reads this channel of a case."""
    return in_channel(case_id, literal_column(f"'{channel.value}'", Text()))


def in_record(case_id: ColumnElement[Any]) -> ColumnElement[bool]:
    """The viewer reads the record of a case."""
    return in_room(case_id, Channel.RECORD)


def knows_parties(case_id: ColumnElement[Any]) -> ColumnElement[bool]:
    """The viewer knows who the people of a case are: everybody in it, and its marketplace."""
    marketplace = exists(
        select(CASES.c.id).where(CASES.c.id == case_id, of_organisation(CASES.c.marketplace_id))
    )
    return or_(in_record(case_id), marketplace)


def roles(case_id: ColumnElement[Any]) -> ColumnElement[Any]:
    """The roles that the viewer's seats give in a case, as ``text[]``."""
    return seen(policy.roles_in_case(_CASE), case=case_id)


def holds(seats: Any) -> ColumnElement[bool]:
    """The viewer holds this row of ``seats``, or of an alias of it, now."""
    mine = or_(seats.c.account_id == ACCOUNT, of_organisation(seats.c.organisation_id))
    return and_(seats.c.until.is_(None), mine)


def party(is_buyer: ColumnElement[bool], is_seller: ColumnElement[bool]) -> ColumnElement[Any]:
    """Who the viewer is in the trade: buyer, seller or neither."""
    return case((is_buyer, Party.BUYER.value), (is_seller, Party.SELLER.value), else_=None)
