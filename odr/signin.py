"""Signing in: a link by e-mail that works once, and the session that it opens.

Asking for a link does not look for an account, so the answer is alike whether there is one: a
request is written down, and counted against where it came from. No address can be shut out by
whoever asks in its name: beyond a number of mails in an hour it still gets one as soon as the last
one is ``QUIET`` old, and what is asked for sooner is answered by that one, whose link is open for
longer. The worker makes the link's secret when it sends the mail, so that no row, backup or queue
ever holds it. Of links and sessions the database keeps SHA-256 hashes only.

The module knows no HTTP: that a link is opened by a POST only, and how a cookie is set, is the
pages'.
"""

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import (
    DateTime,
    LargeBinary,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from odr import bounds, ids, outbox, people
from odr.errors import NotFound, TooMuch
from odr.models.people import Account, Session, SignInLink, SignInRequest
from odr.policy import Viewer

KIND: Final = "sign_in"
"""The kind of the outbox row of a request; its subject is the request's id."""

LINK: Final = timedelta(minutes=15)
SESSION: Final = timedelta(hours=12)
COUNTED: Final = timedelta(hours=1)
QUIET: Final = timedelta(minutes=5)
"""Less than ``LINK``, so that an address of which much is asked has an open link at any time."""

MAILS_AT_ONCE_MAX: Final = 5
REQUESTS_PER_ORIGIN_MAX: Final = 30
SECRET_BYTES: Final = 32
_LINK_LOCK: Final = 0x1001
_ORIGIN_LOCK: Final = 0x1002


@dataclass(frozen=True, slots=True)
class Mail:
    """What the worker sends to an account: a link with this secret, in this language."""

    email: str
    name: str
    language: str
    secret: str = field(repr=False)
    expires: datetime


@dataclass(frozen=True, slots=True)
class Opened:
    """A session that was opened: its cookie, told once, and until when (UTC) it lasts."""

    account_id: UUID
    cookie: str = field(repr=False)
    csrf: str = field(repr=False)
    expires: datetime


class SignedIn(NamedTuple):
    """Who is signed in, and the token that their forms must carry."""

    viewer: Viewer
    csrf: str


async def request_link(conn: AsyncConnection, email: str, origin: str, at: datetime) -> UUID | None:
    """Ask for a link to ``email``; the same is done whether or not an account has it.

    ``origin`` is where the request came from, such as a network address; only its hash is kept.
    ``Invalid`` for what is no address, ``TooMuch`` beyond so many mails an hour from an origin. The
    request's id, or None where a mail to the address that is on its way answers it. Commit, then
    wake the worker.
    """
    address = bounds.email(email, ("email",))
    source = _hash(origin)
    # Those at once are counted one after the other: always the address first, then the origin.
    await conn.execute(_LOCK, {"kind": _LINK_LOCK, "key": address})
    await conn.execute(_LOCK, {"kind": _ORIGIN_LOCK, "key": source.hex()})
    since = at - COUNTED
    by_email = col(SignInRequest.email) == address
    by_origin = col(SignInRequest.origin) == source
    counted = select(
        func.count().filter(by_email).label("by_email"),
        func.count().filter(by_origin).label("by_origin"),
        func.max(col(SignInRequest.at)).filter(by_email).label("last"),
    ).where(or_(by_email, by_origin), col(SignInRequest.at) > since)
    found = (await conn.execute(counted)).one()
    if found.by_email >= MAILS_AT_ONCE_MAX and found.last > at - QUIET:
        return None
    if found.by_origin >= REQUESTS_PER_ORIGIN_MAX:
        raise TooMuch(limit="sign_in_links_per_hour", maximum=REQUESTS_PER_ORIGIN_MAX)
    request = ids.new(at)
    await conn.execute(
        insert(SignInRequest).values(id=request, email=address, origin=source, at=at)
    )
    await outbox.put(conn, KIND, request)
    return request


_LOCK: Final = text("SELECT pg_advisory_xact_lock(CAST(:kind AS int), hashtext(:key))")


async def issue(conn: AsyncConnection, request: UUID, at: datetime) -> Mail | None:
    """Make the link of a request, in the worker, when the mail is to be sent.

    None if no account has the address, or the request is too old for anybody to wait for it.
    Commit before sending; a mail that fails is tried again with another secret.
    """
    asked = (
        select(
            col(Account.id),
            col(Account.email),
            col(Account.name),
            col(Account.language),
        )
        .join(SignInRequest, col(SignInRequest.email) == col(Account.email))
        .where(col(SignInRequest.id) == request, col(SignInRequest.at) > at - COUNTED)
    )
    account = (await conn.execute(asked)).one_or_none()
    if account is None:
        return None
    secret = await _link(conn, account.id, at)
    return Mail(account.email, account.name, account.language, secret, at + LINK)


async def demo_link(conn: AsyncConnection, account_id: UUID, at: datetime, *, demo: bool) -> str:
    """The secret of a link, without a mail: in a demonstration only (``NotFound``)."""
    if not demo:
        raise NotFound
    await people.viewer_of(conn, account_id)
    return await _link(conn, account_id, at)


async def _link(conn: AsyncConnection, account_id: UUID, at: datetime) -> str:
    secret = secrets.token_urlsafe(SECRET_BYTES)
    await conn.execute(
        insert(SignInLink).values(digest=_hash(secret), account_id=account_id, expires=at + LINK)
    )
    return secret


async def redeem(conn: AsyncConnection, secret: str, at: datetime) -> Opened:
    """Use a link, once, and open a session of ``SESSION``; ``NotFound`` if it opens nothing.

    Of two at once one gets the session.
    """
    used = (
        update(SignInLink)
        .where(
            col(SignInLink.digest) == _hash(secret),
            col(SignInLink.used).is_(None),
            col(SignInLink.expires) > at,
        )
        .values(used=at)
        .returning(col(SignInLink.account_id))
    )
    account_id: UUID | None = (await conn.execute(used)).scalar_one_or_none()
    if account_id is None:
        raise NotFound
    cookie, csrf = (secrets.token_urlsafe(SECRET_BYTES) for _ in range(2))
    opened = Opened(account_id, cookie, csrf, at + SESSION)
    await conn.execute(
        insert(Session).values(
            digest=_hash(cookie),
            account_id=account_id,
            csrf=csrf,
            created=at,
            expires=opened.expires,
        )
    )
    return opened


_SESSION: Final = (
    select(*people.STANDING, col(Session.csrf))
    .join(Session, col(Session.account_id) == col(Account.id))
    .where(
        col(Session.digest) == bindparam("digest", type_=LargeBinary()),
        col(Session.expires)
        > func.coalesce(bindparam("at", type_=DateTime(timezone=True)), func.service_now()),
    )
)


async def session(
    conn: AsyncConnection, cookie: str, at: datetime | None = None
) -> SignedIn | None:
    """Who has this cookie, in one statement; None if it opens nothing (any more).

    Without ``at`` the database's own time counts, which saves asking for it.
    """
    row = (await conn.execute(_SESSION, {"digest": _hash(cookie), "at": at})).one_or_none()
    return None if row is None else SignedIn(people.viewer(row), row.csrf)


async def sign_out(conn: AsyncConnection, cookie: str) -> None:
    """Close the session of a cookie; one that is closed already is no error."""
    await conn.execute(delete(Session).where(col(Session.digest) == _hash(cookie)))


async def sign_out_everywhere(conn: AsyncConnection, account_id: UUID) -> None:
    """Close all sessions of an account, and the links that could open another."""
    await conn.execute(delete(Session).where(col(Session.account_id) == account_id))
    await conn.execute(delete(SignInLink).where(col(SignInLink.account_id) == account_id))


async def sweep(conn: AsyncConnection, at: datetime) -> int:
    """Forget the requests, links and sessions that have had their time; how many."""
    gone = 0
    for table, over in (
        (SignInRequest, col(SignInRequest.at) <= at - 2 * COUNTED),
        (SignInLink, col(SignInLink.expires) <= at),
        (Session, col(Session.expires) <= at),
    ):
        gone += (await conn.execute(delete(table).where(over))).rowcount
    return gone


def _hash(secret: str) -> bytes:
    # What comes from outside may hold halves of surrogate pairs; it opens nothing either way.
    return sha256(secret.encode(errors="surrogatepass")).digest()
