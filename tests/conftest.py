"""The test bench: real servers, started when a test first asks for them, stopped at the end."""

import os

import asyncpg
import pytest

from infra import database as db
from infra.postgres import Cluster
from tests.servers import redis as redis_server
from tests.servers import smtp
from tests.servers.databases import Databases


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """One PostgreSQL for all tests; what a crash would cost is given up for speed."""
    with Cluster(tmp_path_factory.mktemp("postgres"), durable=False, tied=True) as running:
        yield running


@pytest.fixture(scope="session")
def databases(cluster, tmp_path_factory):
    made = Databases(cluster, tmp_path_factory.mktemp("migrations"))
    try:
        made.open()
        yield made
    finally:
        made.close()


@pytest.fixture
def database(databases):
    """A migrated database of this test's own: `.url`, `.reader_url` and `.admin_url`."""
    taken = databases.take()
    yield taken
    databases.give_back(taken)


@pytest.fixture
async def engine(database):
    """The service's engine on the test's database."""
    made = db.create_engine(database.url, connections_max=8)
    yield made
    await made.dispose()


@pytest.fixture
async def connection(engine):
    """The service's connection in an open transaction, rolled back at the end."""
    async with engine.connect() as opened:
        await opened.begin()
        yield opened
        await opened.rollback()


@pytest.fixture
async def reader(database):
    """An engine that signs in as concord_reader, under row-level security."""
    made = db.create_engine(database.reader_url, connections_max=8)
    yield made
    await made.dispose()


@pytest.fixture
async def admin(database):
    """A superuser's asyncpg connection to the test's database."""
    opened = await asyncpg.connect(database.admin_url)
    yield opened
    await opened.close()


@pytest.fixture(scope="session")
def redis_address(tmp_path_factory):
    """The address of a real Redis."""
    if address := redis_server.given(os.environ):
        yield address
    else:
        with redis_server.Redis(tmp_path_factory.mktemp("redis")) as running:
            yield running.url


@pytest.fixture
def redis_url(redis_address):
    """The address of a real Redis with nothing in it."""
    redis_server.empty(redis_address)
    return redis_address


@pytest.fixture(scope="session")
def mail_server():
    with smtp.MailServer() as running:
        yield running


@pytest.fixture
def mailbox(mail_server):
    """A real SMTP server: `.url` to send to, `.received`, `.behaviours` to make it difficult."""
    mail_server.empty()
    return mail_server
