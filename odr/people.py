"""People: accounts, organisations, who acts for which, and so who a viewer is.

An account is a person, found by their e-mail address; it is never changed by being registered
again, only by the person. Organisations act through their members. Who may see and do what
follows in ``odr.policy``.
"""

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Row, delete, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from odr import bounds, ids, policy
from odr.errors import Invalid, NotFound
from odr.models.people import Account, Membership, Neutral, Organisation
from odr.models.states import OrganisationKind
from odr.policy import Viewer
from odr.work import Work

ORGANISATIONS: Final = (
    select(func.array_agg(col(Membership.organisation_id)))
    .where(col(Membership.account_id) == col(Account.id))
    .scalar_subquery()
)
OPERATOR: Final = exists().where(
    col(Membership.account_id) == col(Account.id),
    col(Organisation.id) == col(Membership.organisation_id),
    col(Organisation.kind) == OrganisationKind.OPERATOR,
)
STANDING: Final[tuple[ColumnElement[Any], ...]] = (
    col(Account.id).label("account_id"),
    ORGANISATIONS.label("organisation_ids"),
    OPERATOR.label("operator"),
    col(Account.language).label("language"),
    col(Account.zone).label("zone"),
)
"""What makes a row of ``accounts`` a viewer, to be selected beside whatever names the account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody to be registered; ``language`` and ``zone`` are how they are shown things."""

    email: str
    name: str
    language: str = "en"
    zone: str = "UTC"


def viewer(row: Row[*tuple[Any, ...]]) -> Viewer:
    """The person of a row of ``STANDING``, with all that they may do in a browser."""
    return Viewer(
        account_id=row.account_id,
        organisation_ids=tuple(sorted(row.organisation_ids or ())),
        operator=row.operator,
        language=row.language,
        zone=row.zone,
    )


async def viewer_of(conn: AsyncConnection, account_id: UUID) -> Viewer:
    """Who an account is, in one statement; ``NotFound``."""
    statement = select(*STANDING).where(col(Account.id) == account_id)
    row = (await conn.execute(statement)).one_or_none()
    if row is None:
        raise NotFound
    return viewer(row)


async def account_by_email(conn: AsyncConnection, email: str) -> UUID | None:
    """The account with this address, in whatever case it is written."""
    statement = select(col(Account.id)).where(col(Account.email) == email.strip().lower())
    found: UUID | None = (await conn.execute(statement)).scalar_one_or_none()
    return found


async def register(work: Work, person: Person, path: bounds.Path = ()) -> UUID:
    """The account of a person's address: the one that is there, unchanged, or a new one.

    Asks for no right: whoever calls has asked. ``Invalid`` under ``path``.
    """
    given = {
        "email": bounds.email(person.email, (*path, "email")),
        "name": bounds.line(person.name, (*path, "name")),
        "language": bounds.language(person.language, (*path, "language")),
        "zone": bounds.zone(person.zone, (*path, "zone")),
    }
    made = (
        insert(Account)
        .values(id=ids.new(work.at), created=work.at, **given)
        .on_conflict_do_nothing(index_elements=["email"])
        .returning(col(Account.id))
    )
    found: UUID | None = (await work.conn.execute(made)).scalar_one_or_none()
    if found is None:
        found = await account_by_email(work.conn, given["email"])
    if found is None:
        raise NotFound
    return found


async def set_preferences(
    work: Work, account_id: UUID, *, language: str | None = None, zone: str | None = None
) -> None:
    """Change how a person is shown things: a language (BCP 47), a time zone (IANA), or both.

    By the person only, never by a token. What is left out stays; ``Invalid`` if all is.
    """
    policy.require_person(work.actor)
    if account_id != work.actor.account_id:
        raise NotFound
    given: dict[str, str] = {}
    if language is not None:
        given["language"] = bounds.language(language, ("language",))
    if zone is not None:
        given["zone"] = bounds.zone(zone, ("zone",))
    if not given:
        raise Invalid((), "missing")
    await work.conn.execute(update(Account).where(col(Account.id) == account_id).values(**given))


async def open_organisation(
    work: Work, kind: OrganisationKind, name: str, country: str, members: tuple[UUID, ...] = ()
) -> UUID:
    """Let an organisation in, with its first members; for the operator, or the service itself."""
    policy.require(work.actor, "administer")
    policy.require_operator(work.actor)
    if kind is OrganisationKind.OPERATOR:
        policy.require_person(work.actor)
    organisation = Organisation(
        id=ids.new(work.at),
        kind=kind,
        name=bounds.line(name, ("name",)),
        country=bounds.country(country, ("country",)),
        created=work.at,
    )
    await work.conn.execute(insert(Organisation).values(organisation.model_dump()))
    await join(work, organisation.id, members)
    work.result = organisation.id
    return organisation.id


async def join(work: Work, organisation_id: UUID, accounts: tuple[UUID, ...]) -> None:
    """Let accounts act for an organisation; those who do already, still do. Asks for no right."""
    if accounts:
        neutral = select(col(Neutral.account_id)).where(col(Neutral.account_id).in_(accounts))
        if (await work.conn.execute(neutral)).first() is not None:
            raise Invalid(("members",), "is_neutral")
        rows = [
            {"account_id": account, "organisation_id": organisation_id, "since": work.at}
            for account in dict.fromkeys(accounts)
        ]
        await work.conn.execute(insert(Membership).values(rows).on_conflict_do_nothing())


async def add_member(work: Work, organisation_id: UUID, person: Person) -> UUID:
    """Let a person act for an organisation, by one of its members or the operator."""
    _require_person_of(work.actor, organisation_id)
    account = await register(work, person)
    await join(work, organisation_id, (account,))
    work.result = account
    return account


async def remove_member(work: Work, organisation_id: UUID, account_id: UUID) -> None:
    """Let a person act for an organisation no more; its last member stays (``Invalid``).

    Tokens that the person made for the organisation open nothing from then on.
    """
    _require_person_of(work.actor, organisation_id)
    members = (
        select(col(Membership.account_id))
        .where(col(Membership.organisation_id) == organisation_id)
        .order_by(col(Membership.account_id))
        .with_for_update()
    )
    found = set((await work.conn.execute(members)).scalars())
    if account_id not in found:
        raise NotFound
    if len(found) == 1:
        raise Invalid(("account_id",), "last_member")
    await work.conn.execute(
        delete(Membership).where(
            col(Membership.organisation_id) == organisation_id,
            col(Membership.account_id) == account_id,
        )
    )


def _require_person_of(actor: Viewer, organisation_id: UUID) -> None:
    """Members change only by people: a token that could make one would outlive itself."""
    policy.require_person(actor)
    if not actor.operator:
        policy.require_member(actor, organisation_id)
