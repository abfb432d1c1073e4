"""What the vault's tests stand on, beside the database: keys, stores and a real S3."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import boto3
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from evidence import keys
from evidence.keys import LocalKeys
from evidence.s3 import CONFIG
from evidence.store import DirectoryStore
from evidence.vault import Vault
from infra import database as db
from tests.evidence.cases import ORIGIN, SIGNER, Case, make_case
from tests.servers import ceph
from tests.servers.databases import Database, Databases

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client


@pytest.fixture(scope="session")
def vault_keys() -> LocalKeys:
    return keys.generate(SIGNER)


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "store")


@pytest.fixture
def vault(store: DirectoryStore, vault_keys: LocalKeys) -> Vault:
    return make_vault(store, vault_keys)


def make_vault(store: DirectoryStore, vault_keys: LocalKeys) -> Vault:
    return Vault(
        origin=ORIGIN,
        store=store,
        keyring=vault_keys.keyring(),
        receipt_signer=vault_keys.signer(SIGNER),
        retention=timedelta(days=30),
    )


@pytest.fixture
async def case(engine: AsyncEngine, vault: Vault, tmp_path: Path) -> Case:
    """A record and a room with two files, bundled in case.zip."""
    return await make_case(engine, vault, tmp_path / "case.zip")


@pytest.fixture(scope="session")
def sample(
    databases: Databases, vault_keys: LocalKeys, tmp_path_factory: pytest.TempPathFactory
) -> Case:
    """The same case, made once, for tests that need its bundle only; copy before changing."""
    folder = tmp_path_factory.mktemp("sample")
    taken = databases.take()

    async def make() -> Case:
        engine = db.create_engine(taken.url)
        made = await make_case(
            engine, make_vault(DirectoryStore(folder / "store"), vault_keys), folder / "case.zip"
        )
        await engine.dispose()
        return made

    made = asyncio.run(make())
    databases.give_back(taken)
    return made


@pytest.fixture
async def intruder(database: Database) -> AsyncIterator[AsyncEngine]:
    """A superuser: whoever has the machine can switch the triggers off."""
    engine = db.create_engine(database.admin_url, connections_max=1)
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
