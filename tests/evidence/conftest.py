"""What the vault's tests stand on: a real PostgreSQL with the vault's tables and roles."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import asyncpg
import boto3
import pytest
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.schema import CreateIndex, CreateTable

from evidence import models
from evidence.s3 import CONFIG
from infra.postgres import Cluster
from tests.servers import ceph

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

TABLES = [
    models.VaultStream.__table__,
    models.VaultBlob.__table__,
    models.VaultEntry.__table__,
    models.VaultReceipt.__table__,
]


def vault_ddl() -> str:
    """All of the vault's tables, indexes, triggers and grants as one script."""
    dialect = postgresql.dialect()
    lines = []
    for table in TABLES:
        lines.append(str(CreateTable(table).compile(dialect=dialect)))
        lines.extend(str(CreateIndex(index).compile(dialect=dialect)) for index in table.indexes)
    triggers = Path(models.__file__).with_suffix(".sql").read_text()
    return ";\n".join(lines) + ";\n" + triggers


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("postgres"), durable=False, tied=True) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def database(cluster: Cluster) -> str:
    """Make the database `vault` once; gives its name."""
    asyncio.run(_make_database(cluster))
    return "vault"


async def _make_database(cluster: Cluster) -> None:
    admin = await asyncpg.connect(cluster.url())
    await admin.execute("CREATE ROLE concord_owner NOLOGIN; CREATE ROLE concord_app LOGIN")
    await admin.execute("CREATE DATABASE vault OWNER concord_owner")
    await admin.close()
    owner = await asyncpg.connect(cluster.url("vault"))
    await owner.execute("SET ROLE concord_owner")
    await owner.execute(vault_ddl())
    await owner.close()


def make_engine(cluster: Cluster, database: str, role: str) -> AsyncEngine:
    return create_async_engine(
        f"postgresql+asyncpg://{role}@/{database}?host={cluster.socket_folder}"
    )


@pytest.fixture
async def engine(cluster: Cluster, database: str) -> AsyncIterator[AsyncEngine]:
    """The service's own role, which owns nothing."""
    engine = make_engine(cluster, database, "concord_app")
    yield engine
    await engine.dispose()


@pytest.fixture
async def intruder(cluster: Cluster, database: str) -> AsyncIterator[AsyncEngine]:
    """A superuser: whoever has the machine can switch the triggers off."""
    engine = make_engine(cluster, database, "postgres")
    yield engine
    await engine.dispose()


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator["S3Client"]:
    """A client of a real S3 server with Object Lock, started here if none is named."""
    address = ceph.given(os.environ)
    if address is not None:
        yield make_client(address)
        return
    with ceph.Ceph(tmp_path_factory.mktemp("ceph")) as server:
        yield make_client(server.address)


@pytest.fixture(scope="session")
def bucket(s3: "S3Client") -> tuple["S3Client", str]:
    """A bucket as the vault needs it."""
    name = f"vault-{uuid4()}"
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    return s3, name


def make_client(address: ceph.Address) -> "S3Client":
    return boto3.client(
        "s3",
        endpoint_url=address.url,
        region_name=address.region,
        aws_access_key_id=address.access_key,
        aws_secret_access_key=address.secret_key,
        config=CONFIG,
    )
