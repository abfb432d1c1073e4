"""Keys of blobs are brought under another key-encryption key, whatever happens meanwhile."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text, update
from sqlalchemy.exc import DBAPIError
from sqlmodel import SQLModel

from evidence import blob as blobs
from evidence import rewrapping
from evidence.deposit import Declared
from evidence.errors import KeyMissing, KeysFailed, Tampered
from evidence.keys import Wrapped
from evidence.store import DirectoryStore
from evidence.vault import Vault
from tests.evidence.cases import ORIGIN, SIGNER

NOW = datetime.now(UTC)
DATA = b"what was deposited"
_blobs = SQLModel.metadata.tables["vault_blobs"]


@pytest.fixture
def folder(tmp_path):
    return DirectoryStore(tmp_path / "store")


@pytest.fixture
def over(folder, vault_keys):
    """A vault over the same store, with the wrapping keys of another key file."""

    def make(held) -> Vault:
        return Vault(
            origin=ORIGIN,
            store=folder,
            keyring=held.keyring(),
            receipt_signer=vault_keys.signer(SIGNER),
        )

    return make


async def deposit(engine, vault: Vault) -> UUID:
    async def pieces():
        yield DATA

    declared = Declared(len(DATA), "text/plain")
    blob = await vault.deposit(pieces(), declared, blob=uuid4(), at=NOW)
    async with engine.begin() as conn:
        await vault.record(conn, blob)
    return blob.id


async def read(engine, vault: Vault, blob: UUID) -> bytes:
    async with engine.connect() as conn:
        found = await vault.find_blob(conn, blob)
    return b"".join([piece async for piece in vault.open_blob(found)])


async def whole(engine, ring, limit: int = 3) -> int:
    changed, after = 0, None
    while True:
        done = await rewrapping.batch(engine, ring, after, limit=limit)
        assert not done.failed
        changed += done.changed
        if done.last is None:
            return changed
        after = done.last


async def left(engine) -> dict[str, int]:
    async with engine.connect() as conn:
        return await rewrapping.left(conn)


async def retire(engine, key_id: str) -> int:
    async with engine.begin() as conn:
        return await rewrapping.retire(conn, key_id, NOW)


async def test_all_keys_come_under_the_new_key_once_and_every_file_still_opens(
    engine, over, vault_keys
):
    old, new = over(vault_keys), over(vault_keys.with_new_wrapping_key())
    made = [await deposit(engine, old) for _ in range(7)]
    assert await whole(engine, new.keyring) == 7
    assert await left(engine) == {new.keyring.current: 7}
    assert await whole(engine, new.keyring) == 0
    for blob in made:
        assert await read(engine, new, blob) == DATA
    with pytest.raises(KeyMissing):
        await read(engine, old, made[0])


async def test_what_is_stopped_between_two_batches_goes_on_where_it_was(engine, over, vault_keys):
    old, new = over(vault_keys), over(vault_keys.with_new_wrapping_key())
    made = [await deposit(engine, old) for _ in range(7)]
    done = await rewrapping.batch(engine, new.keyring, limit=3)
    assert (done.changed, done.last) == (3, sorted(made)[2])
    for blob in made:  # whatever it is under
        assert await read(engine, new, blob) == DATA
    assert await whole(engine, new.keyring) == 4


async def test_a_service_that_goes_away_in_the_middle_costs_nothing(engine, over, vault_keys):
    old, new = over(vault_keys), over(vault_keys.with_new_wrapping_key())
    made = [await deposit(engine, old) for _ in range(4)]

    class Failing:
        current = new.keyring.current
        calls = 0

        async def unwrap(self, wrapped: Wrapped, of: str) -> bytes:
            return await new.keyring.unwrap(wrapped, of)

        async def wrap(self, key: bytes, of: str) -> Wrapped:
            self.calls += 1
            if self.calls == 3:
                raise KeysFailed("away")
            return await new.keyring.wrap(key, of)

    done = await rewrapping.batch(engine, Failing())
    assert done.changed == 3
    assert [type(error) for _, error in done.failed] == [KeysFailed]
    assert await whole(engine, new.keyring) == 1
    for blob in made:
        assert await read(engine, new, blob) == DATA


async def test_two_that_rewrap_at_once_and_those_who_deposit_meanwhile_lose_nothing(
    engine, over, vault_keys
):
    old, new = over(vault_keys), over(vault_keys.with_new_wrapping_key())
    made = [await deposit(engine, old) for _ in range(10)]
    both = await asyncio.gather(
        whole(engine, new.keyring, 2),
        whole(engine, new.keyring, 3),
        *(deposit(engine, old if each % 2 else new) for each in range(6)),
    )
    await whole(engine, new.keyring)
    assert await left(engine) == {new.keyring.current: 16}
    for blob in (*made, *both[2:]):
        assert await read(engine, new, blob) == DATA


async def test_a_key_that_is_erased_meanwhile_stays_erased(engine, over, vault_keys):
    old, new = over(vault_keys), over(vault_keys.with_new_wrapping_key())
    blob = await deposit(engine, old)

    class Slow:
        current = new.keyring.current

        async def unwrap(self, wrapped: Wrapped, of: str) -> bytes:
            async with engine.begin() as conn:
                await blobs.refuse(conn, blob)
            return await new.keyring.unwrap(wrapped, of)

        async def wrap(self, key: bytes, of: str) -> Wrapped:
            return await new.keyring.wrap(key, of)

    assert (await rewrapping.batch(engine, Slow())).changed == 0
    async with engine.connect() as conn:
        assert (await blobs.find(conn, blob)).wrapped_key is None


async def test_a_key_that_does_not_open_is_told_and_stops_no_other(engine, over, vault_keys):
    old, new = over(vault_keys), over(vault_keys.with_new_wrapping_key())
    made = sorted([await deposit(engine, old) for _ in range(3)])
    async with engine.begin() as conn:
        await conn.execute(
            update(_blobs).where(_blobs.c.id == made[1]).values(wrapped_key=bytes(40))
        )
    done = await rewrapping.batch(engine, new.keyring)
    assert done.changed == 2
    assert [(blob, type(error)) for blob, error in done.failed] == [(made[1], Tampered)]
    assert await left(engine) == {old.keyring.current: 1, new.keyring.current: 2}


async def test_a_key_is_retired_only_when_nothing_is_under_it(engine, over, vault_keys):
    old, new = over(vault_keys), over(vault_keys.with_new_wrapping_key())
    await deposit(engine, old)
    await deposit(engine, old)
    assert await retire(engine, old.keyring.current) == 2
    await whole(engine, new.keyring)
    assert await retire(engine, old.keyring.current) == 0
    assert await retire(engine, old.keyring.current) == 0
    async with engine.connect() as conn:
        assert await rewrapping.retired(conn) == [old.keyring.current]


async def test_nothing_comes_under_a_retired_key_any_more(engine, over, vault_keys):
    old, new = over(vault_keys), over(vault_keys.with_new_wrapping_key())
    blob = await deposit(engine, new)
    assert await retire(engine, old.keyring.current) == 0
    with pytest.raises(DBAPIError, match="was retired"):
        await deposit(engine, old)
    with pytest.raises(DBAPIError, match="was retired"):
        async with engine.begin() as conn:
            await conn.execute(
                update(_blobs).where(_blobs.c.id == blob).values(key_id=old.keyring.current)
            )
    assert await read(engine, new, blob) == DATA


async def test_a_deposit_under_way_is_waited_for_before_its_key_is_retired(
    engine, over, vault_keys
):
    old = over(vault_keys)

    async def pieces():
        yield DATA

    blob = await old.deposit(pieces(), Declared(len(DATA), "text/plain"), blob=uuid4(), at=NOW)
    async with engine.begin() as conn:
        await old.record(conn, blob)
        retiring = asyncio.create_task(retire(engine, old.keyring.current))
        async with engine.connect() as other:
            waits = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
            while not (await other.execute(waits)).scalar_one():
                await asyncio.sleep(0.01)
                await other.rollback()
        assert not retiring.done()
    assert await retiring == 1
