"""The test bench: real servers, started when a test first asks for them, stopped at the end."""

import os
import shutil
import subprocess
from uuid import uuid4

import asyncpg
import boto3
import pytest
from hypothesis import settings

from evidence.s3 import CONFIG
from infra import database as db
from infra.postgres import Cluster
from tests.servers import ceph, memory, smtp
from tests.servers import redis as redis_server
from tests.servers.databases import Databases

# Hypothesis' deadline for an example is a timing that a busy machine breaks.
settings.register_profile("concord", deadline=None)
settings.load_profile("concord")


@pytest.fixture(scope="session")
def in_memory():
    """A folder that is fast to write and gone at the end."""
    with memory.folder() as made:
        yield made


@pytest.fixture(scope="session")
def cluster(in_memory):
    """One PostgreSQL for all tests; what a crash would cost is given up for speed."""
    with Cluster(in_memory / "postgres", durable=False, tied=True) as running:
        yield running


@pytest.fixture(scope="session")
def databases(cluster, in_memory):
    made = Databases(cluster, in_memory)
    try:
        made.open()
        yield made
    finally:
        made.close()


@pytest.fixture(scope="session")
def seed(databases, in_memory):
    """The folder of a stopped server with the migrated database `concord`, to be copied."""
    cluster = Cluster(in_memory / "seed", durable=False, tied=True)
    with cluster:
        databases.make_schema(cluster, "concord")
    return cluster.folder


@pytest.fixture
def own_cluster(seed, in_memory):
    """A running PostgreSQL of this test's own, to be stopped and killed; database `concord`."""
    folder = in_memory / "own"
    subprocess.run(["cp", "-a", seed, folder], check=True)  # keeps whose the files are
    with Cluster(folder, durable=False, tied=True) as running:
        yield running
        running.stop()
    shutil.rmtree(folder)


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
def s3_address(tmp_path_factory):
    """The address and keys of a real S3 with Object Lock."""
    if address := ceph.given(os.environ):
        yield address
        return
    with ceph.Ceph(tmp_path_factory.mktemp("ceph")) as running:
        yield running.address


@pytest.fixture(scope="session")
def s3(s3_address):
    """A client of the real S3."""
    return boto3.client(
        "s3",
        endpoint_url=s3_address.url,
        region_name=s3_address.region,
        aws_access_key_id=s3_address.access_key,
        aws_secret_access_key=s3_address.secret_key,
        config=CONFIG,
    )


@pytest.fixture(scope="session")
def bucket(s3):
    """The client, and the name of a bucket as the vault needs it."""
    name = f"vault-{uuid4()}"
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    return s3, name


@pytest.fixture(scope="session")
def mail_server():
    with smtp.MailServer() as running:
        yield running


@pytest.fixture
def mailbox(mail_server):
    """A real SMTP server: `.url` to send to, `.received`, `.behaviours` to make it difficult."""
    mail_server.empty()
    return mail_server
