"""Timestamps of checkpoints: asking authorities for them (RFC 3161), and keeping what they answer.

Each authority stamps a log's newest checkpoint about once an hour, if the log grew, and its last
one. Before a certificate ends, its timestamps are renewed, each by itself. An answer is checked
before it is kept; what is kept is its DER, with the note that it is over, since the log's row goes
on to the next.

Nothing waits for it. It knows no HTTP: how a request is posted is handed in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from sqlalchemy import DateTime, Text, bindparam, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlmodel import col

from evidence import log, timestamp
from evidence.errors import NotStamped
from evidence.log import State
from evidence.models import VaultTimestamp
from evidence.testimony import AHEAD_MAX, Post

EVERY: Final = timedelta(hours=1)
RENEWED_BEFORE: Final = timedelta(days=60)
"""How long before its certificate ends a timestamp is renewed."""

RENEWED_AT_ONCE: Final = 100
_OK: Final = 200


@dataclass(frozen=True, slots=True)
class Authority:
    """Who stamps: an address, and the roots to which its certificates must lead."""

    url: str
    roots: tuple[x509.Certificate, ...]


@dataclass(frozen=True, slots=True)
class Chain:
    """A checkpoint's timestamp with its renewals, oldest first."""

    origin: str
    size: int
    authority: str
    checkpoint: bytes
    answers: tuple[bytes, ...]
    stamped: datetime
    expires: datetime


_COLUMNS: Final = [
    col(getattr(VaultTimestamp, name))
    for name in ("origin", "size", "authority", "checkpoint", "answer", "stamped", "expires")
]

_NEWEST: Final = text(
    "SELECT size, stamped FROM vault_timestamps WHERE origin = :origin AND authority = :authority"
    " AND number = 0 ORDER BY size DESC LIMIT 1"
).bindparams(bindparam("origin", type_=Text()), bindparam("authority", type_=Text()))

_ENDING: Final = text(
    "SELECT origin, size FROM vault_timestamps WHERE authority = :authority"
    " GROUP BY origin, size HAVING max(expires) < :end ORDER BY max(expires) LIMIT :count"
).bindparams(bindparam("authority", type_=Text()), bindparam("end", type_=DateTime(timezone=True)))

_LAST: Final = text(
    "SELECT DISTINCT ON (authority) authority, size, stamped FROM vault_timestamps"
    " WHERE origin = :origin AND number = 0 ORDER BY authority, size DESC"
).bindparams(bindparam("origin", type_=Text()))


@dataclass(frozen=True, slots=True)
class Word:
    """The newest checkpoint of a log that an authority stamped, and when."""

    authority: str
    size: int
    time: datetime


async def words(conn: AsyncConnection, origin: str) -> list[Word]:
    """Read the last word of each authority on a log."""
    rows = await conn.execute(_LAST, {"origin": origin})
    return [Word(row.authority, row.size, row.stamped) for row in rows]


async def chains(conn: AsyncConnection, origin: str, *, since: int = 0) -> list[Chain]:
    """Read the timestamps of a log's checkpoints of at least `since` entries, smallest first."""
    asked = (
        select(*_COLUMNS)
        .where(col(VaultTimestamp.origin) == origin, col(VaultTimestamp.size) >= since)
        .order_by(
            col(VaultTimestamp.size), col(VaultTimestamp.authority), col(VaultTimestamp.number)
        )
    )
    found: dict[tuple[int, str], Chain] = {}
    for row in await conn.execute(asked):
        before = found.get((row.size, row.authority))
        found[row.size, row.authority] = Chain(
            origin=row.origin,
            size=row.size,
            authority=row.authority,
            checkpoint=row.checkpoint.encode(),
            answers=(*(before.answers if before else ()), row.answer),
            stamped=before.stamped if before else row.stamped,
            expires=row.expires,
        )
    return list(found.values())


async def waiting(engine: AsyncEngine, authority: Authority, now: datetime) -> list[State]:
    """List the logs whose newest checkpoint this authority should stamp now."""
    due = []
    async with engine.connect() as conn:
        for state in await log.states(conn):
            given = {"origin": state.origin, "authority": authority.url}
            last = (await conn.execute(_NEWEST, given)).first()
            grew = state.checkpoint is not None and (last is None or last.size < state.size)
            if grew and (last is None or state.sealed or last.stamped <= now - EVERY):
                due.append(await log.cosigned(conn, state))
    return due


async def stamp(
    engine: AsyncEngine, post: Post, authority: Authority, state: State, now: datetime
) -> None:
    """Have a log's checkpoint stamped, with the cosignatures that it has, and keep the answer.

    NotStamped, Tampered, Malformed as evidence/timestamp.py says of the answer; NotAnswered.
    """
    assert state.checkpoint is not None
    checkpoint = state.checkpoint.encode()
    asked = timestamp.message(checkpoint)
    answer, found = await _ask(post, authority, asked, now)
    if state.published is not None and found.time < state.published - AHEAD_MAX:
        raise NotStamped(f"{authority.url} says {found.time}, before the checkpoint was made")
    chain = Chain(
        state.origin, state.size, authority.url, checkpoint, (answer,), found.time, found.expires
    )
    await _keep(engine, chain)


async def ending(engine: AsyncEngine, authority: Authority, now: datetime) -> list[Chain]:
    """List timestamps whose certificate ends soon, at most so many; the most urgent first."""
    async with engine.connect() as conn:
        given = {"authority": authority.url, "end": now + RENEWED_BEFORE, "count": RENEWED_AT_ONCE}
        rows = (await conn.execute(_ENDING, given)).all()
        found = []
        for row in rows:
            known = await chains(conn, row.origin, since=row.size)
            found += [
                one for one in known if (one.size, one.authority) == (row.size, authority.url)
            ]
    return found


async def renew(
    engine: AsyncEngine, post: Post, authority: Authority, chain: Chain, now: datetime
) -> None:
    """Have a timestamp stamped while its certificate still holds; NotStamped if that is no gain."""
    timestamp.verify_chain(chain.answers, chain.checkpoint, authority.roots, at=now)
    asked = timestamp.message(chain.checkpoint, chain.answers[-1])
    answer, found = await _ask(post, authority, asked, now)
    if found.expires <= chain.expires:
        raise NotStamped(f"{authority.url} has no certificate yet that ends later")
    renewed = Chain(
        chain.origin,
        chain.size,
        chain.authority,
        chain.checkpoint,
        (*chain.answers, answer),
        found.time,
        found.expires,
    )
    await _keep(engine, renewed)


async def _ask(
    post: Post, authority: Authority, data: bytes, now: datetime
) -> tuple[bytes, timestamp.Stamp]:
    query = timestamp.ask(data)
    reply = await post(authority.url, query.der)
    if reply.status != _OK:
        raise NotStamped(f"{authority.url} answered {reply.status}")
    at = now + AHEAD_MAX  # its clock may be before ours
    found = timestamp.verify(reply.body, data, authority.roots, at=at, nonce=query.nonce)
    return reply.body, found


async def _keep(engine: AsyncEngine, chain: Chain) -> None:
    async with engine.begin() as conn:
        await conn.execute(
            insert(VaultTimestamp),
            {
                "origin": chain.origin,
                "size": chain.size,
                "authority": chain.authority,
                "number": len(chain.answers) - 1,
                "checkpoint": chain.checkpoint.decode(),
                "answer": chain.answers[-1],
                "stamped": chain.stamped,
                "expires": chain.expires,
            },
        )


def first_over(known: Sequence[Chain], indexes: Sequence[int], size: int) -> list[Chain]:
    """Choose for each entry the first timestamp of each authority that covers it, up to `size`."""
    chosen: dict[tuple[int, str], Chain] = {}
    for authority in dict.fromkeys(one.authority for one in known):
        its = [one for one in known if one.authority == authority and one.size <= size]
        for index in indexes:
            found = next((one for one in its if one.size > index), None)
            if found is not None:
                chosen[found.size, authority] = found
    return [chosen[key] for key in sorted(chosen)]
