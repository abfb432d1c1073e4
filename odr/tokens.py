"""Tokens: what programs sign in with, for an organisation, within scopes.

    concord_<id, 32 hex digits>_<secret, 64 hex digits><check, 8 hex digits>

The check is the CRC-32 of all that stands before it, so that a mistyped or cut token is told from
a wrong one without asking the database, and scanners of source code can find one that leaked. The
database keeps the SHA-256 of the whole; a token is told once, when it is made.
"""

import hmac
import re
import secrets
import zlib
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final
from uuid import UUID

from sqlalchemy import DateTime, Uuid, bindparam, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from odr import bounds, ids, policy
from odr.errors import Invalid, NotFound, TooMuch
from odr.models.people import Account, Membership, Organisation, Token
from odr.models.states import OrganisationKind
from odr.policy import Viewer
from odr.work import Work

TOKENS_MAX: Final = 20
DAYS_MAX: Final = 400
OVERLAP_MAX: Final = timedelta(days=7)

_FORMAT: Final = re.compile(r"concord_([0-9a-f]{32})_[0-9a-f]{64}([0-9a-f]{8})")
_NOTHING: Final = bytes(32)
_EVERYBODY: Final = frozenset({"read", "act"})
_SCOPES: Final = {
    OrganisationKind.MARKETPLACE: _EVERYBODY | {"register"},
    OrganisationKind.SELLER: _EVERYBODY,
    OrganisationKind.INSURER: _EVERYBODY | {"insure", "register"},
    OrganisationKind.OPERATOR: _EVERYBODY | {"administer"},
}
"""What a token of each kind of organisation may at most do."""


@dataclass(frozen=True, slots=True)
class Made:
    """A token that was made; ``token`` is told once and kept nowhere."""

    id: UUID
    token: str = field(repr=False)
    expires: datetime


def write(token_id: UUID, secret: bytes) -> str:
    """Spell a token; ``secret`` has 32 bytes."""
    start = f"concord_{token_id.hex}_{secret.hex()}"
    return f"{start}{zlib.crc32(start.encode()):08x}"


def read(token: str) -> UUID | None:
    """The id in a token that is well written; None for every other spelling."""
    written = _FORMAT.fullmatch(token)
    if written is None or f"{zlib.crc32(token[:-8].encode()):08x}" != written[2]:
        return None
    return UUID(written[1])


async def create(
    work: Work, organisation_id: UUID, *, name: str, scopes: Collection[str], days: int = 365
) -> Made:
    """Make a token for an organisation, by one of its members in person.

    ``days`` are natural days. ``Invalid`` for scopes that its kind cannot have, ``TooMuch`` beyond
    ``TOKENS_MAX`` that are in force.
    """
    policy.require_person(work.actor)
    policy.require_member(work.actor, organisation_id)
    kind = await _kind(work, organisation_id)
    wanted = frozenset(scopes)
    if not wanted:
        raise Invalid(("scopes",), "missing")
    if not wanted <= policy.SCOPES.keys():
        raise Invalid(("scopes",), "unknown", allowed=sorted(_SCOPES[kind]))
    if not wanted <= _SCOPES[kind]:
        raise Invalid(("scopes",), "not_for_this_organisation", allowed=sorted(_SCOPES[kind]))
    life = timedelta(days=bounds.whole(days, ("days",), least=1, most=DAYS_MAX))
    await _require_room(work, organisation_id)
    named = bounds.line(name, ("name",), 100)
    return await _make(work, organisation_id, named, sorted(wanted), work.at + life)


async def rotate(work: Work, token_id: UUID, *, overlap: timedelta = timedelta(days=1)) -> Made:
    """Make the successor of a token, of the same name, scopes and length of life.

    The old one opens for ``overlap`` longer, so that programs can be changed over; at most
    ``OVERLAP_MAX``, and never beyond its own end. While it does, both count: ``TooMuch`` beyond
    ``TOKENS_MAX``, where an overlap of nothing has room.
    """
    old = await _owned(work, token_id)
    if not timedelta(0) <= overlap <= OVERLAP_MAX:
        raise Invalid(("overlap",), "out_of_bounds", maximum=OVERLAP_MAX)
    if old.revoked is not None or old.expires <= work.at or old.organisation_id is None:
        raise NotFound
    until = min(old.expires, work.at + overlap)
    await work.conn.execute(update(Token).where(col(Token.id) == old.id).values(expires=until))
    await _kind(work, old.organisation_id)
    await _require_room(work, old.organisation_id)
    life = old.expires - old.created
    return await _make(work, old.organisation_id, old.name, old.scopes, work.at + life)


async def revoke(work: Work, token_id: UUID) -> None:
    """End a token at once; one that is ended already is no error."""
    old = await _owned(work, token_id)
    await work.conn.execute(
        update(Token)
        .where(col(Token.id) == old.id, col(Token.revoked).is_(None))
        .values(revoked=work.at)
    )


async def viewer(conn: AsyncConnection, token: str, at: datetime | None = None) -> Viewer | None:
    """Who comes with this token, in one statement; None if it opens nothing (any more).

    Its organisation and its scopes only; nothing that is its maker's own. It opens for as long as
    its maker acts for the organisation. Without ``at`` the database's own time counts.
    """
    token_id = read(token)
    if token_id is None:
        return None
    row = (await conn.execute(_VIEWER, {"token": token_id, "at": at})).one_or_none()
    known = _NOTHING if row is None else bytes(row.digest)
    if not hmac.compare_digest(known, _hash(token)) or row is None:
        return None
    scopes = frozenset(row.scopes)
    return Viewer(
        account_id=row.account_id,
        organisation_ids=(row.organisation_id,),
        operator=row.kind == OrganisationKind.OPERATOR and "administer" in scopes,
        scopes=scopes,
        language=row.language,
        zone=row.zone,
        personal=False,
    )


_VIEWER: Final = (
    select(
        col(Token.digest),
        col(Token.account_id),
        col(Token.organisation_id),
        col(Token.scopes),
        col(Organisation.kind),
        col(Account.language),
        col(Account.zone),
    )
    .join(Account, col(Account.id) == col(Token.account_id))
    .join(Organisation, col(Organisation.id) == col(Token.organisation_id))
    .join(
        Membership,
        (col(Membership.account_id) == col(Token.account_id))
        & (col(Membership.organisation_id) == col(Token.organisation_id)),
    )
    .where(
        col(Token.id) == bindparam("token", type_=Uuid()),
        col(Token.revoked).is_(None),
        col(Token.expires)
        > func.coalesce(bindparam("at", type_=DateTime(timezone=True)), func.service_now()),
    )
)


async def _require_room(work: Work, organisation_id: UUID) -> None:
    """Refuse one more token (``TooMuch``); the organisation is locked, by ``_kind``."""
    in_force = select(func.count()).where(
        col(Token.organisation_id) == organisation_id,
        col(Token.revoked).is_(None),
        col(Token.expires) > work.at,
    )
    if (await work.conn.execute(in_force)).scalar_one() >= TOKENS_MAX:
        raise TooMuch(limit="tokens", maximum=TOKENS_MAX)


async def _make(
    work: Work, organisation_id: UUID, name: str, scopes: list[str], expires: datetime
) -> Made:
    token_id = ids.new(work.at)
    token = write(token_id, secrets.token_bytes(32))
    await work.conn.execute(
        insert(Token).values(
            id=token_id,
            digest=_hash(token),
            account_id=work.actor.account_id,
            organisation_id=organisation_id,
            name=name,
            scopes=scopes,
            created=work.at,
            expires=expires,
        )
    )
    work.result = token_id
    return Made(token_id, token, expires)


async def _owned(work: Work, token_id: UUID) -> Token:
    """A token of an organisation for which the actor acts, in person, locked; ``NotFound``."""
    policy.require_person(work.actor)
    columns = Token.__table__.c  # type: ignore[attr-defined]  # SQLModel gives every table class its Table
    statement = select(*columns).where(columns.id == token_id).with_for_update()
    found = (await work.conn.execute(statement)).mappings().one_or_none()
    if found is None or found["organisation_id"] not in work.actor.organisation_ids:
        raise NotFound
    return Token(**found)


async def _kind(work: Work, organisation_id: UUID) -> OrganisationKind:
    """The organisation's kind; its row is locked, so that its tokens are counted one by one."""
    statement = (
        select(col(Organisation.kind))
        .where(col(Organisation.id) == organisation_id)
        .with_for_update()
    )
    return OrganisationKind((await work.conn.execute(statement)).scalar_one())


def _hash(token: str) -> bytes:
    return sha256(token.encode()).digest()
