"""The reader's own connections to PostgreSQL: few, prepared, and each reading in three messages.

    BEGIN READ ONLY; SET LOCAL ...   one simple message, which binds the viewer for row security
    the prepared statement           one row, one column: the finished JSON
    COMMIT                           after the answer is on its way

asyncpg's own pool would send a reset as a fourth. Nothing is set beyond the transaction, so
that PgBouncer may stand between in transaction mode (with prepared statements on). The last of
the connections to be given back is the first to be used, so that its plans are warm.

Reading is repeatable: a connection found dead at BEGIN is replaced once. Whatever else goes wrong
with server or network is ``Unavailable``, which the edge answers as retryable.
"""

import asyncio
import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import asyncpg
from asyncpg.prepared_stmt import PreparedStatement

from odr.errors import Unavailable
from schema.reader.document import Recent

_SETTING: Final = re.compile(r"[a-z_]+(\.[a-z_]+)?")
_SERVER_SETTINGS: Final = {
    "jit": "off",
    "timezone": "UTC",
    "standard_conforming_strings": "on",
    # A statement is long and its sizes are constants of it: planning it anew for each viewer costs
    # as much as running it, and the server's own rule of thumb does not see that.
    "plan_cache_mode": "force_generic_plan",
}
_LOST: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.InternalClientError,  # of a connection that the server has just given up
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    ConnectionError,
    OSError,
)
_SLOW: Final = (asyncpg.QueryCanceledError, asyncpg.LockNotAvailableError, TimeoutError)


@dataclass(eq=False)
class _Open:
    connection: asyncpg.Connection
    statements_max: int
    made: int = 0
    prepared: Recent[str, PreparedStatement] = field(init=False)

    def __post_init__(self) -> None:
        self.prepared = Recent(self.statements_max)

    async def prepare(self, sql: str) -> PreparedStatement:
        found = self.prepared.get(sql)
        if found is None:
            # Without a name, and with asyncpg's own cache off, it would be parsed and planned at
            # each execution. asyncpg deallocates it when nothing refers to it any more.
            self.made += 1
            found = await self.connection.prepare(sql, name=f"reading_{self.made}")
            self.prepared.put(sql, found)
        return found


class Connections:
    """At most ``size`` connections; more readings wait for one. Close it in the end.

    ``timeout_ms`` is the longest that the server works on one reading, ``wait_seconds`` the
    longest wait for a connection.
    """

    def __init__(
        self,
        url: str,
        *,
        size: int = 8,
        statements_max: int = 256,
        timeout_ms: int = 5_000,
        wait_seconds: float = 5.0,
        **connect: Any,
    ) -> None:
        self._url = url
        self._connect = connect
        self._statements_max = statements_max
        self._timeout_ms = timeout_ms
        self._wait_seconds = wait_seconds
        self._free: list[_Open] = []
        self._permits = asyncio.Semaphore(size)
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False

    async def read(self, sql: str, parameters: Sequence[Any], settings: Mapping[str, str]) -> Any:
        """Run one statement as the viewer whom ``settings`` tell; give its one value.

        Raises ``Unavailable`` if the server cannot be reached, is too slow or too busy.
        """
        begin = self.begin(settings)
        try:
            await asyncio.wait_for(self._permits.acquire(), self._wait_seconds)
        except TimeoutError as error:
            raise Unavailable("database") from error
        held: _Open | None = None
        try:
            held = await self._begun(begin)
            statement = await held.prepare(sql)
            value = await statement.fetchval(*parameters)
        except BaseException as error:
            refused = isinstance(error, asyncpg.PostgresError) and not _is_lost(error, held)
            if held is not None and not refused:
                held.connection.terminate()
            self._finish(held, "ROLLBACK")
            if isinstance(error, _SLOW) or _is_lost(error, held):
                raise Unavailable("database") from error
            raise
        self._finish(held, "COMMIT")
        return value

    async def open(self, count: int = 1) -> None:
        """Connect ``count`` times before the first reading asks; ``Unavailable`` if it fails."""
        try:
            for _ in range(count):
                self._free.append(await self._new())
        except (*_LOST, *_SLOW, asyncpg.InterfaceError) as error:
            raise Unavailable("database") from error

    async def close(self) -> None:
        """Close all connections, after the readings that are under way."""
        self._closed = True
        if self._ending:
            await asyncio.wait(self._ending)
        while self._free:
            with contextlib.suppress(*_LOST, asyncpg.InterfaceError):
                await self._free.pop().connection.close()

    def begin(self, settings: Mapping[str, str]) -> str:
        """Give the message that begins a reading and binds the viewer for row security.

        ``ValueError`` for a setting's name that is none, or a value with U+0000.
        """
        parts = ["BEGIN READ ONLY", f"SET LOCAL statement_timeout={int(self._timeout_ms)}"]
        for name, value in settings.items():
            if not _SETTING.fullmatch(name) or "\0" in value:
                raise ValueError(f"{name!r} cannot be set")
            parts.append(f"SET LOCAL {name}='{value.replace(chr(39), chr(39) * 2)}'")
        return ";".join(parts)

    async def _begun(self, begin: str) -> _Open:
        while self._free:
            held = self._free.pop()
            try:
                await held.connection.execute(begin)
            except Exception as error:
                if not _is_lost(error, held):
                    self._free.append(held)
                    raise
                held.connection.terminate()
                continue
            return held
        held = await self._new()
        try:
            await held.connection.execute(begin)
        except BaseException:
            held.connection.terminate()
            raise
        return held

    async def _new(self) -> _Open:
        made = await asyncpg.connect(
            self._url, server_settings=_SERVER_SETTINGS, statement_cache_size=0, **self._connect
        )
        return _Open(made, self._statements_max)

    def _finish(self, held: _Open | None, command: str) -> None:
        """End the transaction and give the connection back, while the answer goes its way."""
        if held is None:
            self._permits.release()
            return
        ending = asyncio.create_task(self._end(held, command))
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)

    async def _end(self, held: _Open, command: str) -> None:
        try:
            await held.connection.execute(command)
        except (*_LOST, *_SLOW, asyncpg.InterfaceError, asyncpg.PostgresError):
            held.connection.terminate()
        else:
            if not self._closed:
                self._free.append(held)
        self._permits.release()
        if self._closed and not held.connection.is_closed():
            await held.connection.close()


def _is_lost(error: BaseException, held: _Open | None) -> bool:
    if isinstance(error, asyncpg.InterfaceError):
        return held is not None and held.connection.is_closed()
    return isinstance(error, _LOST)
