"""The roster: who may be appointed as a neutral, kept by the operator; who is, is ``neutrals``'."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from odr import bounds, people, policy
from odr.errors import Invalid, NotFound
from odr.models.cases import Appointment, Case
from odr.models.people import Account, Neutral
from odr.models.states import NeutralKind
from odr.policy import Viewer
from odr.procedure.acts import State
from odr.work import Work

CASES_MAX: Final = 200
LANGUAGES_MAX: Final = 20
EXPERTISE_MAX: Final = 20


@dataclass(frozen=True, slots=True)
class Workload:
    """A neutral, and how many open cases they have of how many they may."""

    account_id: UUID
    name: str
    kinds: tuple[NeutralKind, ...]
    languages: tuple[str, ...]
    expertise: tuple[str, ...]
    active: bool
    cases: int
    cases_max: int


async def list_neutral(
    work: Work,
    account_id: UUID,
    *,
    kinds: Collection[NeutralKind],
    languages: Collection[str],
    expertise: Collection[str] = (),
    cases_max: int = 20,
) -> UUID:
    """Put an account on the roster, or change what it may be appointed for; active from now on.

    ``languages`` are those of cases, ``expertise`` are categories of orders. Nobody who acts for
    an organisation is neutral: ``Invalid``. ``NotFound`` if there is no such account.
    """
    _require_keeper(work.actor)
    viewer = await people.viewer_of(work.conn, account_id)
    if viewer.organisation_ids:
        raise Invalid(("account_id",), "acts_for_an_organisation")
    row: dict[str, Any] = {
        "kinds": sorted({NeutralKind(kind).value for kind in kinds}),
        "languages": sorted({bounds.language(code, ("languages",)) for code in languages}),
        "expertise": sorted({bounds.line(each, ("expertise",), 60) for each in expertise}),
        "cases_max": bounds.whole(cases_max, ("cases_max",), most=CASES_MAX),
        "active": True,
    }
    for name, most in (("kinds", len(NeutralKind)), ("languages", LANGUAGES_MAX)):
        if not 1 <= len(row[name]) <= most:
            raise Invalid((name,), "number", minimum=1, maximum=most)
    if len(row["expertise"]) > EXPERTISE_MAX:
        raise Invalid(("expertise",), "number", minimum=0, maximum=EXPERTISE_MAX)
    listed = insert(Neutral).values(account_id=account_id, **row)
    await work.conn.execute(listed.on_conflict_do_update(index_elements=["account_id"], set_=row))
    work.result = account_id
    return account_id


async def unlist_neutral(work: Work, account_id: UUID) -> None:
    """Appoint a neutral no more; the cases that they have stay theirs. ``NotFound``."""
    _require_keeper(work.actor)
    unlisted = (
        update(Neutral)
        .where(col(Neutral.account_id) == account_id)
        .values(active=False)
        .returning(col(Neutral.account_id))
    )
    if (await work.conn.execute(unlisted)).first() is None:
        raise NotFound
    work.result = account_id


async def workload(conn: AsyncConnection, viewer: Viewer) -> list[Workload]:
    """The whole roster with its open cases, for the operator; the busiest first."""
    _require_keeper(viewer)
    load = func.count(col(Case.id)).label("load")
    statement = (
        select(
            col(Neutral.account_id),
            col(Account.name),
            col(Neutral.kinds),
            col(Neutral.languages),
            col(Neutral.expertise),
            col(Neutral.active),
            load,
            col(Neutral.cases_max),
        )
        .join(Account, col(Account.id) == col(Neutral.account_id))
        .outerjoin(
            Appointment,
            (col(Appointment.neutral_id) == col(Neutral.account_id))
            & col(Appointment.ended_at).is_(None),
        )
        .outerjoin(
            Case, (col(Case.id) == col(Appointment.case_id)) & (col(Case.state) != State.CLOSED)
        )
        .group_by(col(Neutral.account_id), col(Account.name))
        .order_by(load.desc(), col(Neutral.account_id))
    )
    return [
        Workload(
            row.account_id,
            row.name,
            tuple(NeutralKind(kind) for kind in row.kinds),
            tuple(row.languages),
            tuple(row.expertise),
            row.active,
            row.load,
            row.cases_max,
        )
        for row in await conn.execute(statement)
    ]


def _require_keeper(viewer: Viewer) -> None:
    policy.require(viewer, "administer")
    policy.require_operator(viewer)
