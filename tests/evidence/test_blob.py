"""Depositing and reading files, against a folder and against a real S3."""

import asyncio
import tracemalloc
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256, sha512
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from evidence import blob as blobs
from evidence import keys
from evidence.deposit import Declared
from evidence.errors import (
    BlobMissing,
    DepositRefused,
    DigestMismatch,
    EmptyFile,
    Erased,
    FileTooLarge,
    NotStored,
    Retained,
    SizeMismatch,
    StoreFailed,
    Tampered,
    TypeMismatch,
    TypeNotAllowed,
)
from evidence.keys import LocalKeys
from evidence.models import BlobState
from evidence.s3 import S3Store
from evidence.store import DirectoryStore, Store, Stored
from evidence.vault import Vault
from tests.evidence.cases import ORIGIN, SIGNER
from tests.evidence.files import GOOD, LIES

NOW = datetime.now(UTC)
PHOTO = GOOD["image/jpeg"] + bytes(range(256)) * 4096 * 3  # bytes after the end: scanned later
MIB = 2**20


@pytest.fixture(params=["directory", "s3"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    if request.param == "directory":
        yield DirectoryStore(tmp_path / "store")
        return
    client, bucket = request.getfixturevalue("bucket")
    one = S3Store(client, bucket)
    yield one
    one.close()


async def sent(data: bytes, step: int = 65_536) -> AsyncIterator[bytes]:
    for start in range(0, len(data), step):
        yield data[start : start + step]


def declared(data: bytes, media_type: str = "image/jpeg") -> Declared:
    return Declared(len(data), media_type, sha256(data).digest())


async def deposited(vault: Vault, data: bytes, media_type: str = "image/jpeg"):
    return await vault.deposit(sent(data), declared(data, media_type), blob=uuid4(), at=NOW)


async def read(vault: Vault, blob, **span: int) -> bytes:
    return b"".join([piece async for piece in vault.open_blob(blob, **span)])


@pytest.mark.parametrize("size", [700, MIB - 1, MIB, MIB + 1, 3 * MIB])
async def test_a_file_comes_back_byte_for_byte(vault: Vault, size: int):
    data = PHOTO[:size]
    blob = await deposited(vault, data)
    assert blob.state is BlobState.STORED
    assert blob.plaintext.sha256 == sha256(data).digest()
    assert blob.plaintext.sha512 == sha512(data).digest()
    assert await read(vault, blob) == data


@pytest.mark.parametrize(
    ("start", "size"), [(0, 10), (MIB - 5, 10), (MIB, MIB), (2 * MIB + 1, 10**9), (10**9, 5)]
)
async def test_a_part_of_a_file_can_be_read(vault: Vault, start: int, size: int):
    blob = await deposited(vault, PHOTO)
    assert await read(vault, blob, start=start, size=size) == PHOTO[start : start + size]


async def test_the_store_holds_nothing_that_can_be_read(vault: Vault, store: Store):
    blob = await deposited(vault, PHOTO)
    stored = b"".join([p async for p in store.get(blob.store_key, blob.store_version)])
    assert len(stored) == blob.ciphertext.size
    assert sha256(stored).digest() == blob.ciphertext.sha256
    assert not any(PHOTO[at : at + 16] in stored for at in range(0, len(PHOTO), 100_000))


@pytest.mark.parametrize("media_type", GOOD)
async def test_every_type_on_the_list_is_taken(vault: Vault, media_type: str):
    blob = await deposited(vault, GOOD[media_type], media_type)
    assert await read(vault, blob) == GOOD[media_type]


async def stalled(data: bytes) -> AsyncIterator[bytes]:
    yield data
    raise ConnectionResetError("the client went away")


SMALL = PHOTO[:1000]
WRONG = {
    "fewer bytes than declared": (sent, Declared(1001, "image/jpeg"), SizeMismatch),
    "more bytes than declared": (sent, Declared(999, "image/jpeg"), SizeMismatch),
    "another digest than declared": (
        sent,
        Declared(1000, "image/jpeg", bytes(32)),
        DigestMismatch,
    ),
    "another type than declared": (sent, Declared(1000, "image/png"), TypeMismatch),
    "a type that is not taken": (sent, Declared(1000, "image/svg+xml"), TypeNotAllowed),
    "a page of HTML": (sent, Declared(1000, "text/html"), TypeNotAllowed),
    "declared empty": (sent, Declared(0, "image/jpeg"), EmptyFile),
    "declared less than empty": (sent, Declared(-1, "image/jpeg"), EmptyFile),
    "declared over the limit": (sent, Declared(2**40, "image/jpeg"), FileTooLarge),
    "a connection that is cut": (stalled, Declared(5000, "image/jpeg"), ConnectionResetError),
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_wrong_deposit_is_refused_and_leaves_nothing(
    vault: Vault, tmp_path: Path, wrong: str
):
    how, said, error = WRONG[wrong]
    blob = uuid4()
    spool = tmp_path / "spool"
    spool.mkdir()
    vault = spooling(vault, spool)
    with pytest.raises(error):
        await vault.deposit(how(SMALL), said, blob=blob, at=NOW)
    assert not list(spool.iterdir())
    with pytest.raises(NotStored):
        await vault.store.stat(blobs.store_key(blob))


def spooling(vault: Vault, folder: Path) -> Vault:
    keys_ = keys.generate(SIGNER)
    return Vault(
        origin=ORIGIN,
        store=vault.store,
        keyring=vault.keyring,
        receipt_signer=keys_.signer(SIGNER),
        spool_folder=folder,
    )


@pytest.mark.parametrize("lie", LIES)
async def test_a_file_that_lies_about_its_type_is_refused(vault: Vault, lie: str):
    media_type, data = LIES[lie]
    with pytest.raises(DepositRefused):
        await deposited(vault, data, media_type)


async def test_more_than_declared_is_refused_before_it_is_all_read(vault: Vault):
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 65_536
            yield PHOTO[:65_536]

    with pytest.raises(SizeMismatch):
        await vault.deposit(endless(), Declared(2 * MIB, "image/jpeg"), blob=uuid4(), at=NOW)
    assert taken <= 2 * MIB + 65_536


async def test_a_long_file_takes_little_memory(tmp_path: Path, vault_keys: LocalKeys):
    vault = Vault(
        origin=ORIGIN,
        store=DirectoryStore(tmp_path),
        keyring=vault_keys.keyring(),
        receipt_signer=vault_keys.signer(SIGNER),
    )
    start = GOOD["video/mp4"]
    size = 96 * MIB

    async def movie() -> AsyncIterator[bytes]:
        yield start
        for _ in range(size // MIB - 1):
            yield bytes(MIB)
        yield bytes(MIB - len(start))

    tracemalloc.start()
    blob = await vault.deposit(movie(), Declared(size, "video/mp4"), blob=uuid4(), at=NOW)
    found = 0
    async for piece in vault.open_blob(blob):
        found += len(piece)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == size
    assert peak < 20 * MIB


async def test_a_deposit_that_is_cancelled_leaves_nothing(vault: Vault, tmp_path: Path):
    spool = tmp_path / "spool"
    spool.mkdir()
    started = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield PHOTO[: 2 * MIB]
        started.set()
        await asyncio.sleep(60)

    task = asyncio.create_task(
        spooling(vault, spool).deposit(
            slow(), Declared(len(PHOTO), "image/jpeg"), blob=uuid4(), at=NOW
        )
    )
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not list(spool.iterdir())


class FailingStore(DirectoryStore):
    """A folder whose puts fail: a part that speaks the real interface."""

    async def put(
        self, key: str, source: BinaryIO, *, size: int, digest: bytes, fresh: bool = False
    ) -> Stored:
        await asyncio.sleep(0)
        raise StoreFailed(f"no room for {size} bytes", key, source, digest, fresh)


class CountingStore(DirectoryStore):
    """A folder that knows how many are reading from it."""

    readers = 0

    async def get(
        self, key: str, version: str, *, start: int = 0, size: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        self.readers += 1
        try:
            async for piece in super().get(key, version, start=start, size=size):
                yield piece
        finally:
            self.readers -= 1


async def test_whoever_stops_reading_leaves_nothing_open(tmp_path: Path, vault_keys: LocalKeys):
    store = CountingStore(tmp_path)
    vault = Vault(
        origin=ORIGIN,
        store=store,
        keyring=vault_keys.keyring(),
        receipt_signer=vault_keys.signer(SIGNER),
    )
    pieces = vault.open_blob(await deposited(vault, PHOTO))
    assert await anext(pieces)
    assert store.readers == 1
    await pieces.aclose()
    assert store.readers == 0


async def test_a_store_that_fails_is_told_and_nothing_is_recorded(
    tmp_path: Path, vault_keys: LocalKeys
):
    store = FailingStore(tmp_path)
    vault = Vault(
        origin=ORIGIN,
        store=store,
        keyring=vault_keys.keyring(),
        receipt_signer=vault_keys.signer(SIGNER),
    )
    with pytest.raises(StoreFailed):
        await deposited(vault, PHOTO)


async def test_a_blob_is_recorded_accepted_retained(engine: AsyncEngine, vault: Vault):
    blob = await deposited(vault, PHOTO)
    async with engine.begin() as conn:
        await vault.record(conn, blob)
        assert await vault.find_blob(conn, blob.id) == blob
        assert [one.id for one in await vault.unfinished_blobs(conn, before=later())] == [blob.id]
        kept = await vault.accept(conn, blob.id, at=NOW, until=NOW + timedelta(minutes=5))
        assert await vault.unretained_blobs(conn) == [kept]
        assert await vault.unfinished_blobs(conn, before=later()) == []
    await vault.retain(kept)
    await vault.retain(kept)
    async with engine.begin() as conn:
        await vault.retained(conn, kept, at=NOW)
        assert await vault.unretained_blobs(conn) == []
    with pytest.raises(Retained):
        await vault.store.delete(blob.store_key, blob.store_version, now=NOW)
    with pytest.raises(BlobMissing):
        await vault.remove(kept, now=NOW)


async def test_retention_is_promised_for_longer_and_never_shorter(
    engine: AsyncEngine, vault: Vault
):
    blob = await deposited(vault, SMALL)
    async with engine.begin() as conn:
        await vault.record(conn, blob)
        first = await vault.accept(conn, blob.id, at=NOW, until=NOW + timedelta(minutes=5))
        await vault.retained(conn, first, at=NOW)
        again = await vault.accept(conn, blob.id, at=NOW, until=NOW + timedelta(minutes=1))
        assert (again.retained_until, again.retained_at) == (first.retained_until, NOW)
        longer = await vault.accept(conn, blob.id, at=NOW, until=NOW + timedelta(minutes=9))
        assert (longer.retained_until, longer.retained_at) == (NOW + timedelta(minutes=9), None)
        await vault.retained(conn, first, at=NOW)
        assert await vault.unretained_blobs(conn) == [longer]


async def test_a_refused_blob_loses_its_key_and_then_its_object(engine: AsyncEngine, vault: Vault):
    blob = await deposited(vault, PHOTO)
    async with engine.begin() as conn:
        await vault.record(conn, blob)
        refused = await vault.refuse(conn, blob.id)
        assert await vault.refuse(conn, blob.id) == refused
        with pytest.raises(BlobMissing):
            await vault.accept(conn, blob.id, at=NOW)
    with pytest.raises(Erased):
        await read(vault, refused)
    async with engine.begin() as conn:
        (found,) = await vault.unfinished_blobs(conn, before=later())
    await vault.remove(found, now=NOW)
    await vault.remove(found, now=NOW)
    async with engine.begin() as conn:
        await vault.forget(conn, blob.id)
        await vault.forget(conn, blob.id)
        with pytest.raises(BlobMissing):
            await vault.find_blob(conn, blob.id)
    with pytest.raises(NotStored):
        await vault.store.stat(blob.store_key)


async def test_an_accepted_blob_is_not_refused(engine: AsyncEngine, vault: Vault):
    blob = await deposited(vault, SMALL)
    async with engine.begin() as conn:
        await vault.record(conn, blob)
        await vault.accept(conn, blob.id, at=NOW)
        with pytest.raises(BlobMissing):
            await vault.refuse(conn, blob.id)
        with pytest.raises(DBAPIError, match="only a refused blob goes"):
            await conn.execute(text("DELETE FROM vault_blobs WHERE id = :id"), {"id": blob.id})


async def test_an_entry_names_only_an_accepted_blob(engine: AsyncEngine, vault: Vault):
    blob = await deposited(vault, SMALL)
    stream = uuid4()
    async with engine.begin() as conn:
        await vault.record(conn, blob)
        with pytest.raises(BlobMissing):
            await vault.begin(conn, stream, act="ADD", body={}, at=NOW, blob=blob)
        kept = await vault.accept(conn, blob.id, at=NOW)
        done = await vault.begin(conn, stream, act="ADD", body={}, at=NOW, blob=kept)
        row = (
            await conn.execute(
                text("SELECT body, blob FROM vault_entries WHERE stream = :s"), {"s": stream}
            )
        ).one()
    assert done.entry.blob == blob.ciphertext
    assert row.blob == blob.id
    assert row.body["blob"] == {
        "id": str(blob.id),
        "media_type": "image/jpeg",
        "sha256": sha256(SMALL).hexdigest(),
        "sha512": sha512(SMALL).hexdigest(),
        "size": 1000,
    }


async def test_an_object_without_a_row_is_lost(engine: AsyncEngine, vault: Vault):
    known, lost = await deposited(vault, SMALL), await deposited(vault, SMALL)
    async with engine.begin() as conn:
        await vault.record(conn, known)
        found = {one.key for one in await vault.lost_objects(conn)}
    assert lost.store_key in found
    assert known.store_key not in found


async def test_a_changed_object_is_found_when_it_is_read(tmp_path: Path, vault_keys: LocalKeys):
    vault = Vault(
        origin=ORIGIN,
        store=DirectoryStore(tmp_path),
        keyring=vault_keys.keyring(),
        receipt_signer=vault_keys.signer(SIGNER),
    )
    blob = await deposited(vault, PHOTO)
    path = tmp_path / "objects" / f"{blob.store_key}@{blob.store_version}"
    whole = path.read_bytes()
    for changed in (
        whole[:-1],
        whole[: 3 * (MIB + 16)],
        whole + b"x",
        whole[:5] + b"!" + whole[6:],
        b"",
    ):
        path.write_bytes(changed)
        if changed == whole + b"x":
            # Nobody asks for more than the row says; the audit reads the whole object.
            assert await read(vault, blob) == PHOTO
            continue
        with pytest.raises(Tampered):
            await read(vault, blob)


async def test_a_row_with_another_digest_or_size_is_found_when_it_is_read(vault: Vault):
    blob = await deposited(vault, PHOTO)
    for plaintext in (
        replace(blob.plaintext, sha256=bytes(32)),
        replace(blob.plaintext, size=MIB),
        replace(blob.plaintext, size=len(PHOTO) + MIB),
    ):
        with pytest.raises(Tampered):
            await read(vault, replace(blob, plaintext=plaintext))


async def test_a_blob_opens_after_the_wrapping_key_was_changed(
    tmp_path: Path, vault_keys: LocalKeys
):
    def vault_with(these: LocalKeys) -> Vault:
        return Vault(
            origin=ORIGIN,
            store=DirectoryStore(tmp_path),
            keyring=these.keyring(),
            receipt_signer=these.signer(SIGNER),
        )

    rotated = vault_keys.with_new_wrapping_key()
    old = await deposited(vault_with(vault_keys), SMALL)
    new = await deposited(vault_with(rotated), SMALL)
    assert old.key_id != new.key_id
    assert await read(vault_with(rotated), old) == SMALL
    assert await read(vault_with(rotated), new) == SMALL


def later() -> datetime:
    return NOW + timedelta(hours=1)
