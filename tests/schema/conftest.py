"""The library in a database of its own, and a reader over it as the service's role."""

import asyncio
from typing import Any

import asyncpg
import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine
from starlette.requests import Request

from schema.http import Endpoint, TurnedAway
from schema.reader.connections import Connections
from schema.reader.document import Documents
from schema.reader.reading import Answer, Reader
from tests.schema.house import House
from tests.schema.reader import library
from tests.schema.reader.wire import Wire

# The second wall, wider than the row predicates: members see no book of a stranger's shelf 6.
POLICY = """
GRANT SELECT ON members, shelves, books, marks TO concord_app;
ALTER TABLE members ENABLE ROW LEVEL SECURITY;
CREATE POLICY told ON members USING (current_setting('concord.account')::uuid IS NOT NULL);
"""


async def _fill(url: str) -> None:
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://"))
    async with engine.begin() as connection:
        await connection.run_sync(library.tables.create_all)
        for table, rows in library.rows().items():
            await connection.execute(sa.insert(table), rows)
        await (await connection.get_raw_connection()).driver_connection.execute(POLICY)
    await engine.dispose()


@pytest.fixture(scope="session")
def filled(databases):
    """A database with the library's rows; tests of the reader only read it."""
    taken = databases.take()
    asyncio.run(_fill(taken.admin_url))
    yield taken
    databases.give_back(taken)


@pytest.fixture
async def connections(filled, request):
    made = Connections(filled.url, size=getattr(request, "param", 2))
    yield made
    await made.close()


@pytest.fixture
async def wire(filled, tmp_path):
    """A wire to the library; its `connections` has one connection, which goes over it."""
    async with Wire(filled.url, tmp_path) as made:
        made.connections = Connections(made.url, size=1)
        yield made
        await made.connections.close()


@pytest.fixture
async def librarian(filled):
    """A superuser's connection to the library."""
    opened = await asyncpg.connect(filled.admin_url)
    yield opened
    await opened.close()


@pytest.fixture
def asked(connections, librarian):
    """Ask the reader as a member: `await asked(document, variables, member=1)`."""
    schema = library.schema()
    reader = Reader(schema, connections)
    documents = Documents(reader.catalogue.core, most=100)

    async def ask(
        text: str, variables: Any = None, *, member: int = 1, name: str | None = None, **seen: Any
    ) -> Answer:
        document = documents.get(text, name)
        values = document.values(variables)
        own = library.Context(library.viewer(member, **seen), admin=librarian)
        return await reader.execute(document, values, own, variables)

    ask.reader = reader
    ask.documents = documents
    return ask


@pytest.fixture
def endpoint(connections, librarian):
    """Make an endpoint over the library; the header `member` says who asks."""

    async def context(request: Request) -> library.Context:
        number = request.headers.get("member", "1")
        if not number.isdecimal():
            raise TurnedAway(401, "UNAUTHENTICATED", "Sign in.")
        return library.Context(library.viewer(int(number)), admin=librarian)

    def make(**parts: Any) -> Endpoint:
        return Endpoint(Reader(library.schema(), connections), context, **parts)

    return make


@pytest.fixture
async def client():
    """Speak HTTP to an endpoint in this process: `await client(endpoint).post(...)`."""
    opened = []

    def open_(served: Endpoint) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app=served, raise_app_exceptions=True)
        opened.append(httpx.AsyncClient(transport=transport, base_url="http://test"))
        return opened[-1]

    yield open_
    for each in opened:
        await each.aclose()


@pytest.fixture
async def house(database, engine, tmp_path):
    """The real schema over a world of its own."""
    made = await House.opened(database, engine, tmp_path)
    yield made
    await made.close()
