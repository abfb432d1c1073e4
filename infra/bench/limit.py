"""The limit: raw Starlette with hand-written SQL through asyncpg, prepared.

It does what the service does for the same requests (who asks, the same transaction, role and row
rules, the same rows, the same answer) in as few statements as a good engineer would take, and
nothing else: no GraphQL, no SQLAlchemy, no procedure. The bench compares its answers and its rows
with the service's before it measures either.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

import asyncpg
import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from infra import keys
from infra.bench import reads, writes
from infra.bench.storage import Received
from infra.bench.writes import Signed
from infra.settings import Settings
from odr import rulebook
from odr.policy import Viewer
from odr.rulebook import Rulebooks

_CONNECTIONS: Final = 10
_CREATED: Final = 201
# One plan for all: the statements are long, and planning them anew costs more than running them.
_SETTINGS: Final = {"jit": "off", "timezone": "UTC", "plan_cache_mode": "force_generic_plan"}
_COOKIE: Final = "concord_session"
_SESSION: Final = """
SELECT a.id, a.language, a.zone, array_remove(array_agg(m.organisation_id), NULL),
    bool_or(o.kind = 'operator')
FROM sessions s JOIN accounts a ON a.id = s.account_id
LEFT JOIN memberships m ON m.account_id = a.id LEFT JOIN organisations o ON o.id = m.organisation_id
WHERE s.digest = $1 AND s.expires > service_now()
GROUP BY a.id
"""


@dataclass
class Pool:
    """Connections, the last one given back first; more wait for one."""

    url: str
    free: list[asyncpg.Connection] = field(default_factory=list)
    permits: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_CONNECTIONS))

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection for as long as it is needed."""
        async with self.permits:
            connection = self.free.pop() if self.free else await self._new()
            try:
                yield connection
            finally:
                self.free.append(connection)

    async def _new(self) -> asyncpg.Connection:
        # asyncpg keeps prepared statements of up to 15 KB only, unless it is told otherwise.
        return await asyncpg.connect(
            self.url, server_settings=_SETTINGS, max_cacheable_statement_size=0
        )

    async def close(self) -> None:
        """Close all connections."""
        for connection in self.free:
            await connection.close()


@dataclass(frozen=True)
class Limit:
    """What the handlers need."""

    app: Pool
    reader: Pool
    books: Rulebooks
    signed: Signed
    received: Received

    async def viewer(self, request: Request) -> Viewer:
        """Who asks, by the session's cookie."""
        digest = sha256(request.cookies[_COOKIE].encode()).digest()
        async with self.app.taken() as connection:
            account, language, zone, organisations, operator = await connection.fetchrow(
                _SESSION, digest
            )
        return Viewer(
            account, tuple(organisations), operator=bool(operator), language=language, zone=zone
        )

    async def read(self, viewer: Viewer, sql: str, arguments: Sequence[Any]) -> asyncpg.Record:
        """One statement as the viewer, under row-level security."""
        settings = viewer.settings().items()
        begin = "BEGIN READ ONLY;SET LOCAL statement_timeout=5000;" + ";".join(
            f"SET LOCAL {name}='{value}'" for name, value in settings
        )
        async with self.reader.taken() as connection:
            await connection.execute(begin)
            row = await connection.fetchrow(sql, *arguments)
            await connection.execute("COMMIT")
        return row

    async def case(self, viewer: Viewer, asked: Any) -> str:
        """The case page's document."""
        arguments = asked["number"], viewer.person, viewer.organisation_ids
        row = await self.read(viewer, reads.CASE, arguments)
        return reads.case(row, viewer, self.books)

    async def settled(self, viewer: Viewer, asked: Any) -> str:
        """The document of settled claims."""
        arguments = viewer.organisation_ids, asked["first"], viewer.person
        row = await self.read(viewer, reads.SETTLED, arguments)
        answer: str = row[0]
        return answer

    async def file(self, viewer: Viewer, asked: Any) -> str:
        """Open a case."""
        async with self.app.taken() as connection:
            return await writes.file(connection, viewer, self.books, self.signed, asked)

    async def offer(self, viewer: Viewer, asked: Any) -> str:
        """Make an offer."""
        async with self.app.taken() as connection:
            return await writes.offer(connection, viewer, self.books, self.signed, asked)

    async def upload(self, request: Request) -> Response:
        """Receive a file, and put it to the store as it is."""
        await self.viewer(request)
        await self.received.put(await request.body(), request.headers["content-type"])
        return PlainTextResponse("", _CREATED)


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[ASGIApp]:
    """The application over the database and the keys of the settings."""
    if settings.database_url is None or settings.database_reader_url is None:
        raise ValueError("the limit needs a database")
    local = await keys.opened(
        settings.keys, settings.key_passphrase.get_secret_value(), settings.origin
    )
    limit = Limit(
        Pool(settings.database_url.get_secret_value()),
        Pool(settings.database_reader_url.get_secret_value()),
        Rulebooks(rulebook.load_all()),
        Signed(settings.origin, local.receipts),
        Received(settings),
    )

    def answers(do: Callable[[Viewer, Any], Awaitable[str]]) -> Any:
        async def handler(request: Request) -> Response:
            body = await request.body()
            viewer = await limit.viewer(request)
            answer = await do(viewer, orjson.loads(body))
            return Response(answer, media_type="application/json")

        return handler

    yield Starlette(
        routes=[
            Route("/health", lambda _: PlainTextResponse("ok")),
            *(
                Route(path, answers(do), methods=["POST"])
                for path, do in (
                    ("/case", limit.case),
                    ("/settled", limit.settled),
                    ("/file", limit.file),
                    ("/offer", limit.offer),
                )
            ),
            Route("/uploads", limit.upload, methods=["PUT"]),
        ]
    )
    for pool in (limit.app, limit.reader):
        await pool.close()
