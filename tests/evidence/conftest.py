"""What the vault's tests stand on, beside the database: keys, stores and a case."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from evidence import keys
from evidence.keys import LocalKeys
from evidence.store import DirectoryStore
from evidence.vault import Vault
from infra import database as db
from tests.evidence.cases import ORIGIN, SIGNER, Case, make_case
from tests.servers.databases import Database, Databases


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
