"""Work: what an act has in its hands; and the office, where one act is one transaction.

An act takes its ``Work`` first: who acts, at which instant, over which connection, with which
vault. There is no global session and no current user. The office opens the transaction, keeps the
idempotency key, commits, and only then has the receipts signed.

Order of writes: key and instant → the act → commit → receipts signed and stored → answer. After a
crash before the commit nothing happened; after it, the sweep signs what is missing, and the same
key finds the result.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from evidence.chain import Appended
from evidence.vault import Vault
from odr.caucus import Caucus
from odr.errors import Conflict, Unavailable
from odr.policy import SERVICE, Viewer
from odr.procedure.acts import Act
from odr.rulebook import Rulebooks

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


@dataclass(frozen=True, slots=True)
class Key:
    """An idempotency key: what the actor calls the request, and a hash of its input."""

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
    is no limit); ``wake`` rings the worker's bell after a commit and may be
    lost: the outbox rows are the truth.
    """

    engine: AsyncEngine
    vault: Vault
    rulebooks: Rulebooks
    caucus: Caucus
    consequences: Mapping[Act, Consequence]
    rail: str
    wake: Callable[[], None]
    approvals: Mapping[str, int] | None = None

    @asynccontextmanager
    async def work(self, actor: Viewer, result: UUID) -> AsyncIterator[Work]:
        """One act in one transaction, without an idempotency key (clocks, workers, seeds)."""
        async with self.connected() as conn, conn.begin():
            at = (await conn.execute(_ARRIVED)).scalar_one()
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
        first = again | {"act": key.act, "digest": key.digest, "result": result}
        async with self.connected() as conn, conn.begin():
            at = (await conn.execute(_FIRST, first)).scalar_one_or_none()
            if at is None:
                known = (await conn.execute(_BEFORE, again)).one()
                if (known.act, bytes(known.digest)) != (key.act, key.digest):
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
    async def connected(self) -> AsyncIterator[AsyncConnection]:
        """A connection; ``Unavailable`` where there is none, or where it is lost on the way."""
        async with AsyncExitStack() as stack:
            try:
                conn = await stack.enter_async_context(self.engine.connect())
            except (OSError, PoolTimeoutError) as error:
                raise Unavailable("database") from error
            except Exception as error:
                if _is_lost(error):
                    raise Unavailable("database") from error
                raise
            try:
                yield conn
            except (DBAPIError, ConnectionError, TimeoutError) as error:
                if isinstance(error, DBAPIError) and not _is_lost(error):
                    raise
                raise Unavailable("database") from error

    async def _after(self, work: Work) -> None:
        """Sign and store the receipts of what was appended; ring the worker's bell."""
        if work.appended:
            receipts = [await self.vault.sign(entry) for entry in work.appended]
            async with self.engine.begin() as conn:
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


def _is_lost(error: BaseException) -> bool:
    """Whether a connection could not be made, or is gone."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    state = getattr(getattr(error, "orig", error), "sqlstate", None)
    return isinstance(state, str) and state.startswith(_GOING)


__all__ = ["SERVICE", "Key", "Office", "Work"]
