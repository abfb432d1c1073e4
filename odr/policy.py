"""Who may see and do what: plain functions, and the same rules as SQL filters.

The functions here are the first wall; ``policy.sql`` holds the second, row-level security for the
role ``concord_reader`` by which everything is read that a viewer is shown. A test compares the two
on every row.
"""

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Boolean, ColumnElement, Text, and_, bindparam, cast, false, func, or_, select
from sqlalchemy.dialects import postgresql
from sqlmodel import col

from odr.errors import NotFound
from odr.models.cases import Case, Notice, Seat
from odr.models.dialogue import Exhibit, Upload
from odr.models.keeping import Erasure, LegalHold
from odr.models.money import InsuranceClaim
from odr.models.people import Token
from odr.models.states import Channel, ErasureState
from odr.procedure.acts import Role
from odr.words import Party, Side

SCOPES: Final = {
    "read": "Read what the token's organisation may see; without it only ids of what was done.",
    "register": "Register people, orders, payments, shipments, bonds and covers.",
    "act": "Act in cases for the token's organisation.",
    "insure": "Decide and pay insurance claims.",
    "administer": "Appoint, stay, dismiss; for the operator only.",
}


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks or acts: an account, the organisations it acts for, and what it may do at all.

    ``scopes`` is None for a person in a browser; a token may do only what its scopes say. One that
    is not ``personal`` is an organisation's token: the account only names who made it, and what
    that person may see and do of their own (a seat, an order, a notice) is not the token's.
    """

    account_id: UUID
    organisation_ids: tuple[UUID, ...] = ()
    operator: bool = False
    scopes: frozenset[str] | None = None
    language: str = "en"
    zone: str = "UTC"
    personal: bool = True

    def may(self, scope: str) -> bool:
        """Whether the viewer may do at all what ``scope`` stands for."""
        return self.scopes is None or scope in self.scopes

    @property
    def person(self) -> UUID:
        """The account whose own things the viewer may see and use: none's for such a token."""
        return self.account_id if self.personal else NOBODY

    def parameters(self) -> dict[str, Any]:
        """What the SQL filters of this module bind."""
        return {
            "viewer_account": self.person,
            "viewer_organisations": list(self.organisation_ids),
            "viewer_operator": self.operator,
        }

    def settings(self) -> dict[str, str]:
        """What row-level security reads (policy.sql), to be set for each transaction."""
        return {
            "concord.account": str(self.person),
            "concord.organisations": "{" + ",".join(map(str, self.organisation_ids)) + "}",
            "concord.operator": "on" if self.operator else "",
        }


NOBODY: Final = UUID(int=0)
"""An id that no account has."""

SERVICE: Final = Viewer(NOBODY, operator=True)
"""The service itself, for clocks and consequences; no account has this id."""

ACCOUNT = bindparam("viewer_account", type_=postgresql.UUID(as_uuid=True))
ORGANISATIONS = bindparam(
    "viewer_organisations", type_=postgresql.ARRAY(postgresql.UUID(as_uuid=True))
)
OPERATOR: ColumnElement[bool] = bindparam("viewer_operator", type_=Boolean())


def holds_seat(seat: type[Seat] = Seat) -> ColumnElement[bool]:
    """The viewer holds this seat now."""
    return and_(
        col(seat.until).is_(None),
        or_(
            col(seat.account_id) == ACCOUNT,
            col(seat.organisation_id) == func.any(ORGANISATIONS),
        ),
    )


def roles_in_case(case_id: Any) -> ColumnElement[Any]:
    """The roles (``text[]``) that the viewer's seats give in a case."""
    return (
        select(func.array_agg(cast(col(Seat.role), Text)))
        .where(col(Seat.case_id) == case_id, holds_seat())
        .scalar_subquery()
    )


def _seated(case_id: Any, *roles: Role) -> ColumnElement[bool]:
    seats = select(col(Seat.id)).where(col(Seat.case_id) == case_id, holds_seat())
    if roles:
        seats = seats.where(col(Seat.role).in_(roles))
    return seats.exists()


def sees_case() -> ColumnElement[bool]:
    """Whoever has a seat sees a case; so do its marketplace and the operator."""
    return or_(
        OPERATOR,
        col(Case.marketplace_id) == func.any(ORGANISATIONS),
        _seated(col(Case.id)),
    )


_INSIDERS: Final = (
    Role.CLAIMANT,
    Role.RESPONDENT,
    Role.MEDIATOR,
    Role.ARBITRATOR,
    Role.INSURER,
)
_TALKERS: Final = tuple(role for role in _INSIDERS if role is not Role.INSURER)
_ROOMS: Final[dict[Channel, tuple[Role, ...]]] = {
    Channel.RECORD: _INSIDERS,
    Channel.MEDIATION: (Role.CLAIMANT, Role.RESPONDENT, Role.MEDIATOR),
    Channel.CLAIMANT_CAUCUS: (Role.CLAIMANT, Role.MEDIATOR),
    Channel.RESPONDENT_CAUCUS: (Role.RESPONDENT, Role.MEDIATOR),
}


def reads_channel(role: Role, channel: Channel) -> bool:
    """Whether a seat of ``role`` lets one read what was said in ``channel``."""
    return role in _ROOMS[channel]


def sees_in_channel(case_id: Any, channel: Any) -> ColumnElement[bool]:
    """The viewer has a seat in the room in which something of a case was said.

    The operator reads the record only.
    """
    rooms = [
        and_(
            channel == room,
            or_(OPERATOR if room is Channel.RECORD else false(), _seated(case_id, *roles)),
        )
        for room, roles in _ROOMS.items()
    ]
    return or_(*rooms)


def sees_message(case_id: Any, channel: Any) -> ColumnElement[bool]:
    """Who sees what is said in a room reads its messages; but no insurer reads the talk."""
    return and_(sees_in_channel(case_id, channel), or_(OPERATOR, _seated(case_id, *_TALKERS)))


def sees_exhibit(exhibit_id: Any) -> ColumnElement[bool]:
    """The viewer sees the exhibit, and with it what was found about it."""
    sees = sees_in_channel(col(Exhibit.case_id), col(Exhibit.channel))
    return select(col(Exhibit.id)).where(col(Exhibit.id) == exhibit_id, sees).exists()


def sees_erasure() -> ColumnElement[bool]:
    """What is asked for is the operator's; what was erased is known to whoever saw the exhibit."""
    told = col(Erasure.state).in_((ErasureState.GRANTED, ErasureState.DONE))
    return or_(OPERATOR, and_(told, sees_exhibit(col(Erasure.exhibit_id))))


def sees_legal_hold() -> ColumnElement[bool]:
    """Whoever reads the record knows of a hold."""
    return or_(OPERATOR, _seated(col(LegalHold.case_id), *_INSIDERS))


def sees_proposal(case_id: Any) -> ColumnElement[bool]:
    """A mediator's proposals stay in mediation."""
    return _seated(case_id, *_ROOMS[Channel.MEDIATION])


def sees_caucus_message(case_id: Any, with_side: Any) -> ColumnElement[bool]:
    """One side's caucus is read by that side and the mediator."""
    return or_(
        and_(with_side == Side.CLAIMANT, _seated(case_id, *_ROOMS[Channel.CLAIMANT_CAUCUS])),
        and_(with_side == Side.RESPONDENT, _seated(case_id, *_ROOMS[Channel.RESPONDENT_CAUCUS])),
    )


def sees_insurance_claim() -> ColumnElement[bool]:
    """Insurer, insured and operator see a claim on a cover."""
    return or_(
        OPERATOR,
        col(InsuranceClaim.insurer_id) == func.any(ORGANISATIONS),
        col(InsuranceClaim.insured_id) == func.any(ORGANISATIONS),
    )


def sees_notice() -> ColumnElement[bool]:
    """A notice is its account's, and nobody else's."""
    return col(Notice.account_id) == ACCOUNT


def sees_upload() -> ColumnElement[bool]:
    """A file that is no exhibit yet is its depositor's, and nobody else's."""
    return col(Upload.account_id) == ACCOUNT


def sees_token() -> ColumnElement[bool]:
    """An organisation's people see that it has a token, and never the token."""
    return col(Token.organisation_id) == func.any(ORGANISATIONS)


def side_of(roles: frozenset[Role]) -> Side | None:
    """The side for which somebody with ``roles`` speaks."""
    if Role.CLAIMANT in roles:
        return Side.CLAIMANT
    if Role.RESPONDENT in roles:
        return Side.RESPONDENT
    if roles & {Role.MEDIATOR, Role.ARBITRATOR}:
        return Side.NEUTRAL
    return None


def roles_of(seated: frozenset[Role], claimant: Party, *, operator: bool) -> frozenset[Role]:
    """All roles of somebody with these seats: buyer and seller follow from who claims."""
    roles = set(seated)
    if Role.CLAIMANT in seated:
        roles.add(Role(claimant.value))
    if Role.RESPONDENT in seated:
        roles.add(Role(claimant.other.value))
    if operator:
        roles.add(Role.ADMINISTRATOR)
    return frozenset(roles)


def require(viewer: Viewer, scope: str) -> None:
    """Refuse a viewer whose token lacks ``scope``; looks like anything that is not there."""
    if not viewer.may(scope):
        raise NotFound


def require_member(viewer: Viewer, organisation_id: UUID) -> None:
    """Refuse a viewer who does not act for the organisation."""
    if organisation_id not in viewer.organisation_ids:
        raise NotFound


def require_person(viewer: Viewer) -> None:
    """Refuse a token: who may do what is changed by people only."""
    if viewer.scopes is not None:
        raise NotFound


def require_operator(viewer: Viewer) -> None:
    """Refuse a viewer who is not the operator."""
    if not viewer.operator:
        raise NotFound
