"""Work: what an act has in its hands; and the office, where one act is one transaction.

An act takes its ``Work`` first: who acts, at which instant, over which connection, with which
vault. There is no global session and no current user. The office opens the transaction, keeps the
idempotency key, commits, and only then has the receipts signed.

Order of writes: key and instant → the act → commit → receipts signed and stored → answer. After a
crash before the commit nothing happened; after it, the sweep signs what is missing, and the same
key finds the result.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from evidence.chain import Appended
from evidence.quarantine import Quarantine
from evidence.vault import Vault
from odr.caucus import Caucus
from odr.errors import Conflict, Unavailable
from odr.policy import SERVICE, Viewer
from odr.procedure.acts import Act
from odr.rulebook import Rulebooks

T = TypeVar("T")

_ARRIVED: Final = text("SELECT service_now() AS at")
_FIRST: Final = text(
    "INSERT INTO idempotency (actor_id, key, act, digest, result_id, at)"
    " VALUES (:actor, :key, :act, :digest, :result, service_now())"
    " ON CONFLICT (actor_id, key) DO NOTHING RETURNING at"
)
_LED_TO: Final = text(
    "UPDATE idempotency SET result_id = :result WHERE actor_id = :actor AND key = :key"
)
_BEFORE: Final = text(
    "SELECT act, digest, result_id FROM idempotency WHERE actor_id = :actor AND key = :key"
)


PATIENCE: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0)
"""Seconds between the tries: an embedded server restarts in 0.1 s, a failover takes a few."""


INSPECTED_WITHIN: Final = timedelta(seconds=10)
"""How long a depositor waits for their file to be looked at; usual is a fraction of a second."""


@dataclass(frozen=True, slots=True)
class Key:
    """An idempotency key: what the actor calls the request, and a hash of its input.

    The office keeps the hash under a key of its own (``caucus``): an amount that was sealed, or a
    short answer, could be found again from a plain hash of it.
    """

    key: str
    act: str
    digest: bytes


@dataclass(slots=True)
class Work:
    """What an act has in its hands, for the length of one transaction.

    ``result`` is the id kept for what the act makes; an act whose result was there before (what is
    registered is known by a reference) sets it. ``at`` is the instant (UTC, the database's) at
    which the act arrived, before any lock; for an act of the clock, at which it was due.
    ``noticed`` is when people are told: windows that follow start then, so that an outage never
    closes one that nobody saw. ``clocks_run`` says whether clocks that are due run first.
    """

    office: "Office"
    actor: Viewer
    at: datetime
    noticed: datetime
    conn: AsyncConnection
    result: UUID
    clocks_run: bool = True
    appended: list[Appended] = field(default_factory=list)

    @property
    def vault(self) -> Vault:
        """The vault that keeps the record."""
        return self.office.vault

    @property
    def rulebooks(self) -> Rulebooks:
        """The rulebooks that are installed."""
        return self.office.rulebooks

    def dated(self, at: datetime) -> "Work":
        """The same work by the service, for an act that was due ``at``; clocks do not run again."""
        return replace(self, actor=SERVICE, at=at, clocks_run=False)


Consequence = Callable[..., Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """Where acts are done: the parts that every act needs, built by whoever reads the settings.

    ``consequences`` are the acts of the clock and of the service, by name; ``rail`` is the name of
    the payment rail for new payouts; ``approvals`` is by currency the most (minor units) that is
    paid out without a second person, a currency that is not listed always needs one (None: there
    is no limit); ``wake`` rings the worker's bell after a commit and may be lost: the outbox rows
    are the truth; ``patience`` are the seconds between the tries to reach a database that restarts;
    ``inspected_within`` is how long a depositor waits for their file to be looked at.
    """

    engine: AsyncEngine
    vault: Vault
    quarantine: Quarantine
    rulebooks: Rulebooks
    caucus: Caucus
    consequences: Mapping[Act, Consequence]
    rail: str
    wake: Callable[[], None]
    approvals: Mapping[str, int] | None = None
    patience: Sequence[float] = PATIENCE
    inspected_within: timedelta = INSPECTED_WITHIN
    _singly: AsyncEngine = field(init=False)

    def __post_init__(self) -> None:
        singly = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        object.__setattr__(self, "_singly", singly)

    @asynccontextmanager
    async def work(self, actor: Viewer, result: UUID) -> AsyncIterator[Work]:
        """One act in one transaction, without an idempotency key (clocks, workers, seeds)."""
        async with self._begun(_ARRIVED, {}) as (conn, at):
            work = Work(self, actor, at, at, conn, result)
            yield work
        await self._after(work)

    async def act(
        self, actor: Viewer, key: Key, result: UUID, do: Callable[[Work], Awaitable[Any]]
    ) -> UUID:
        """Do an act once for its key and return the id of its result.

        The same key with the same input returns the first result and does nothing; with another
        input or act it is a ``Conflict``. A refusal leaves the key unused.
        """
        again = {"actor": actor.account_id, "key": key.key}
        digest = self.caucus.apart("inputs").digest(actor.account_id, key.digest.hex())
        first = again | {"act": key.act, "digest": digest, "result": result}
        async with self._begun(_FIRST, first) as (conn, at):
            if at is None:
                known = (await conn.execute(_BEFORE, again)).one()
                if (known.act, bytes(known.digest)) != (key.act, digest):
                    raise Conflict("idempotency key")
                before: UUID = known.result_id
                return before
            work = Work(self, actor, at, at, conn, result)
            await do(work)
            if work.result != result:
                await conn.execute(_LED_TO, again | {"result": work.result})
        await self._after(work)
        return work.result

    @asynccontextmanager
    async def _begun(
        self, first: TextClause, given: Mapping[str, Any]
    ) -> AsyncIterator[tuple[AsyncConnection, Any]]:
        """A transaction, and what its first statement answered.

        Nothing was done before it: a connection that is found lost by it is replaced, for as long
        as ``patience`` says.
        """
        waits = iter(self.patience)
        async with AsyncExitStack() as stack:
            while True:
                try:
                    async with AsyncExitStack() as trying:
                        conn = await trying.enter_async_context(self.connected())
                        await trying.enter_async_context(conn.begin())
                        answer = (await conn.execute(first, given)).scalar_one_or_none()
                        stack.push_async_exit(trying.pop_all())
                        break
                except Unavailable:
                    wait = next(waits, None)
                    if wait is None:
                        raise
                    await asyncio.sleep(wait)
            yield conn, answer

    @asynccontextmanager
    async def connected(self, *, singly: bool = False) -> AsyncIterator[AsyncConnection]:
        """A connection; ``Unavailable`` where there is none, or where it is lost on the way.

        ``singly`` makes each statement a transaction of its own: one round trip in place of three.
        """
        async with AsyncExitStack() as stack:
            try:
                engine = self._singly if singly else self.engine
                conn = await stack.enter_async_context(engine.connect())
            except (OSError, PoolTimeoutError) as error:
                raise Unavailable("database") from error
            except Exception as error:
                if is_lost(error):
                    raise Unavailable("database") from error
                raise
            try:
                yield conn
            except (DBAPIError, ConnectionError, TimeoutError) as error:
                if isinstance(error, DBAPIError) and not (is_lost(error) or _gave_way(error)):
                    raise
                raise Unavailable("database") from error

    async def read(self, do: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Read something outside any act, again over another connection if the first is lost.

        Each statement sees its own moment. ``Unavailable`` when ``patience`` is over.
        """
        waits = iter(self.patience)
        while True:
            try:
                # In no transaction: there is nothing to roll back if the database goes now.
                async with self.connected(singly=True) as conn:
                    return await do(conn)
            except Unavailable:
                wait = next(waits, None)
                if wait is None:
                    raise
                await asyncio.sleep(wait)

    async def _after(self, work: Work) -> None:
        """Sign and store the receipts of what was appended; ring the worker's bell.

        The act stands by now: what the database does not take any more, the sweep signs.
        """
        if work.appended:
            receipts = [await self.vault.sign(entry) for entry in work.appended]
            with suppress(Unavailable):
                async with self.connected(singly=True) as conn:
                    await self.vault.store_receipts(conn, receipts)
        self.wake()

    async def sign_missing(self, since: datetime) -> int:
        """Sign receipts that a crash left unsigned; returns how many."""
        async with self.engine.connect() as conn:
            missing = await self.vault.pending_receipts(conn, since=since)
        if missing:
            receipts = [await self.vault.sign(entry) for entry in missing]
            async with self.engine.begin() as conn:
                await self.vault.store_receipts(conn, receipts)
        return len(missing)


_GOING: Final = ("08", "57P")
"""How the SQLSTATEs begin by which a server goes or is not there yet (PostgreSQL, appendix A)."""

_BUSY: Final = ("40", "55P03", "57014")
"""Deadlock and serialization failure, a lock that was not got, a statement that took too long."""


def is_lost(error: BaseException) -> bool:
    """Whether a connection could not be made, or is gone."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return _sqlstate(error).startswith(_GOING)


def _gave_way(error: BaseException) -> bool:
    """Whether a transaction was ended because of others that ran beside it."""
    return _sqlstate(error).startswith(_BUSY)


def _sqlstate(error: BaseException) -> str:
    state = getattr(getattr(error, "orig", error), "sqlstate", None)
    return state if isinstance(state, str) else ""


__all__ = ["SERVICE", "Key", "Office", "Work", "is_lost"]
