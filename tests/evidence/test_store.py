"""The contract of evidence/store.py, against a folder and against a real S3 with Object Lock."""

import asyncio
import contextlib
import os
import sys
import traceback
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest
from botocore.config import Config

from evidence.errors import AlreadyStored, Malformed, NotStored, Retained, StoreFailed
from evidence.s3 import CONFIG, S3Store
from evidence.store import PIECE_SIZE, DirectoryStore, Protection, Store, Stored

NOW = datetime.now(UTC)
BYTES = bytes(range(256)) * 20_000  # 5 MB: several pieces, and in one S3 test several parts


@pytest.fixture(params=["directory", "s3", "s3 in parts"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    if request.param == "directory":
        yield DirectoryStore(tmp_path)
        return
    client, bucket = request.getfixturevalue("bucket")
    one = S3Store(client, bucket, part_size=5 * 2**20 if "parts" in request.param else 2**30)
    await one.check(datetime.now(UTC))
    yield one
    one.close()


def new_key() -> str:
    return f"blobs/{uuid4()}"


async def put(store: Store, key: str, data: bytes) -> Stored:
    return await store.put(key, BytesIO(data), size=len(data), digest=sha256(data).digest())


async def read(store: Store, one: Stored, **span: int) -> bytes:
    return b"".join([piece async for piece in store.get(one.key, one.version, **span)])


@pytest.mark.parametrize("data", [b"x", BYTES, BYTES * 3], ids=["1", "5M", "15M"])
async def test_what_is_put_comes_back(store: Store, data: bytes):
    one = await put(store, new_key(), data)
    assert one.size == len(data)
    assert await read(store, one) == data
    assert await store.stat(one.key) == one


async def test_a_part_of_it_can_be_read(store: Store):
    one = await put(store, new_key(), BYTES)
    assert await read(store, one, start=1_000_000, size=2_000_000) == BYTES[1_000_000:3_000_000]
    assert await read(store, one, start=len(BYTES) - 3) == BYTES[-3:]
    assert await read(store, one, size=0) == b""


async def test_other_bytes_do_not_replace_it(store: Store):
    one = await put(store, new_key(), BYTES)
    for other in (b"other", BYTES[::-1]):
        with pytest.raises(AlreadyStored):
            await put(store, one.key, other)
    assert await read(store, one) == BYTES
    assert (await store.stat(one.key)).version == one.version


async def test_the_same_bytes_again_answer_with_what_is_there(store: Store):
    one = await put(store, new_key(), BYTES)
    assert await put(store, one.key, BYTES) == one


async def test_of_racing_writers_one_wins(store: Store):
    key = new_key()
    contents = [bytes([number]) * 1000 for number in range(8)]
    done = await asyncio.gather(
        *(put(store, key, data) for data in contents), return_exceptions=True
    )
    won = [data for data, one in zip(contents, done, strict=True) if isinstance(one, Stored)]
    lost = [one for one in done if isinstance(one, AlreadyStored)]
    assert (len(won), len(lost)) == (1, 7)
    assert await read(store, await store.stat(key)) == won[0]


async def test_what_is_not_there_is_not_stored(store: Store):
    with pytest.raises(NotStored):
        await store.stat(new_key())
    with pytest.raises(NotStored):
        await read(store, Stored(new_key(), "0" * 32, 1))
    with pytest.raises(NotStored):
        await store.retain(new_key(), "0" * 32, NOW)


async def test_an_object_that_is_not_retained_goes_and_may_go_twice(store: Store):
    one = await put(store, new_key(), BYTES)
    await store.delete(one.key, one.version, now=NOW)
    await store.delete(one.key, one.version, now=NOW)
    with pytest.raises(NotStored):
        await read(store, one)
    with pytest.raises(NotStored):
        await store.stat(one.key)
    again = await put(store, one.key, b"other")
    assert await read(store, again) == b"other"
    with pytest.raises(NotStored):
        await read(store, one)


async def test_a_retained_object_does_not_go(store: Store):
    one = await put(store, new_key(), BYTES)
    until = NOW.replace(microsecond=0) + timedelta(hours=1)
    await store.retain(one.key, one.version, until)
    assert (await store.stat(one.key)).retained_until == until
    with pytest.raises(Retained):
        await store.delete(one.key, one.version, now=NOW)
    assert await read(store, one) == BYTES


async def test_an_object_under_a_legal_hold_does_not_go_before_the_hold_is_lifted(store: Store):
    one = await put(store, new_key(), BYTES)
    for _ in range(2):
        await store.hold(one.key, one.version, on=True)
        with pytest.raises(Retained):
            await store.delete(one.key, one.version, now=NOW + timedelta(days=9999))
    assert await read(store, one) == BYTES
    for _ in range(2):
        await store.hold(one.key, one.version, on=False)
    await store.delete(one.key, one.version, now=NOW)
    with pytest.raises(NotStored):
        await store.hold(one.key, one.version, on=True)


async def test_a_hold_and_a_retention_stand_for_themselves(store: Store):
    one = await put(store, new_key(), BYTES)
    await store.retain(one.key, one.version, NOW.replace(microsecond=0) + timedelta(hours=1))
    await store.hold(one.key, one.version, on=True)
    await store.hold(one.key, one.version, on=False)
    with pytest.raises(Retained):
        await store.delete(one.key, one.version, now=NOW)


async def test_retention_grows_and_never_shrinks(store: Store):
    one = await put(store, new_key(), BYTES)
    until = NOW.replace(microsecond=0) + timedelta(hours=1)
    await store.retain(one.key, one.version, until)
    await store.retain(one.key, one.version, until)
    with pytest.raises(Retained):
        await store.retain(one.key, one.version, until - timedelta(minutes=30))
    await store.retain(one.key, one.version, until + timedelta(hours=1))
    assert (await store.stat(one.key)).retained_until == until + timedelta(hours=1)


async def test_retention_ends(store: Store):
    one = await put(store, new_key(), b"short")
    until = datetime.now(UTC) + timedelta(seconds=1)
    await store.retain(one.key, one.version, until)
    await asyncio.sleep(2.5)
    await store.delete(one.key, one.version, now=datetime.now(UTC))
    with pytest.raises(NotStored):
        await store.stat(one.key)


async def test_objects_are_listed_by_prefix(store: Store):
    folder = f"blobs/{uuid4()}"
    found = [await put(store, f"{folder}/{name}", name.encode()) for name in ("a", "b", "c")]
    await put(store, f"{folder}x/a", b"other")
    assert [one async for one in store.keys(folder + "/")] == found


@pytest.mark.parametrize(
    "key", ["", "/a", "a/", "a//b", "../a", "a/../b", "A", "a@b", "ä", "a" * 256]
)
async def test_a_key_outside_the_alphabet_is_malformed(store: Store, key: str):
    with pytest.raises(Malformed):
        await put(store, key, b"x")
    with pytest.raises(Malformed):
        await store.stat(key)


@pytest.mark.parametrize("size", [1, len(BYTES) + 1])
async def test_a_folder_refuses_other_bytes_than_announced(tmp_path: Path, size: int):
    store = DirectoryStore(tmp_path)
    with pytest.raises(Malformed):
        await store.put("blobs/x", BytesIO(BYTES), size=size, digest=sha256(BYTES).digest())
    with pytest.raises(NotStored):
        await store.stat("blobs/x")
    assert not list((tmp_path / "incoming").iterdir())


async def test_a_folder_forgets_what_a_crashed_writer_left(tmp_path: Path):
    store = DirectoryStore(tmp_path)
    (tmp_path / "incoming" / "half").write_bytes(b"half")
    store.clear_incoming()
    assert not list((tmp_path / "incoming").iterdir())


async def test_a_folder_that_fails_is_store_failed(tmp_path: Path):
    store = DirectoryStore(tmp_path)
    (tmp_path / "objects" / "blobs").write_bytes(b"a file where a folder should be")
    with pytest.raises(StoreFailed):
        await put(store, "blobs/a", b"x")


async def test_a_folder_that_is_away_is_store_failed_and_is_not_made_anew(tmp_path: Path):
    store = DirectoryStore(tmp_path / "drive")
    one = await put(store, "blobs/a", b"x")
    (tmp_path / "drive").rename(tmp_path / "elsewhere")
    for asked in (
        put(store, "blobs/b", b"x"),
        read(store, one),
        store.stat("blobs/a"),
        anext(store.keys("")),
        store.retain("blobs/a", one.version, NOW),
        store.delete("blobs/a", one.version, now=NOW),
    ):
        with pytest.raises(StoreFailed, match="there is no folder"):
            await asked
    assert not (tmp_path / "drive").exists()
    (tmp_path / "elsewhere").rename(tmp_path / "drive")
    assert await read(store, one) == b"x"


async def test_a_reader_who_goes_away_while_a_file_is_opened_leaves_none_open(tmp_path: Path):
    store = DirectoryStore(tmp_path)
    one = await put(store, "blobs/a", b"x")
    place = tmp_path / "objects" / "blobs" / f"a@{one.version}"
    place.unlink()
    os.mkfifo(place)  # to be opened, it waits for a writer
    task = asyncio.create_task(read(store, one))
    await until(lambda: _waits_in(Path.open))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (await asyncio.to_thread(place.open, "wb")).close()
    await until(lambda: not _waits_in(Path.open))
    await until(lambda: str(place) not in _open_files())


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 - threads tell no event
            await asyncio.sleep(0.01)


def _waits_in(function: Any) -> bool:
    """Whether a thread is inside of a function now."""
    stacks = map(traceback.walk_stack, sys._current_frames().values())
    return any(frame.f_code is function.__code__ for stack in stacks for frame, _ in stack)


def _open_files() -> list[str]:
    found = []
    for one in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            found.append(str(one.readlink()))
    return found


def client_for(url: str):
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
        config=CONFIG.merge(Config(read_timeout=1)),
    )


async def test_a_server_that_hangs_is_given_up():
    async def hang(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await stop.wait()
        writer.close()

    stop = asyncio.Event()
    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    store = S3Store(client_for(f"http://127.0.0.1:{port}"), "vault", call_seconds_max=0.3)
    with pytest.raises(StoreFailed, match="did not answer"):
        await put(store, "blobs/x", b"x")
    stop.set()
    server.close()
    await server.wait_closed()
    store.close()


@pytest.mark.parametrize("opened", [False, True], ids=["before it answers", "while it sends"])
async def test_a_reader_who_goes_away_leaves_no_connection_open(opened: bool):  # noqa: FBT001 - a parameter of the test
    asked, gone, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        if not opened:
            await gone.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n" + bytes(2_000_000))
        with contextlib.suppress(ConnectionError):  # the other end closed with bytes under way
            assert await reader.read() == b""
        ended.set()
        writer.close()

    async with await asyncio.start_server(send, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        store = S3Store(client_for(f"http://127.0.0.1:{port}"), "vault")
        pieces = store.get("blobs/x", "1")
        if opened:
            assert len(await anext(pieces)) == PIECE_SIZE
            await pieces.aclose()
        else:
            task = asyncio.ensure_future(anext(pieces))
            await asked.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            gone.set()
        async with asyncio.timeout(10):
            await ended.wait()
        store.close()


async def test_a_server_that_is_not_there_is_store_failed():
    store = S3Store(client_for("http://127.0.0.1:1"), "vault")
    with pytest.raises(StoreFailed, match="failed"):
        await put(store, "blobs/x", b"x")
    store.close()


async def test_a_server_that_fails_is_store_failed():
    async def fail(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(fail, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        store = S3Store(client_for(f"http://127.0.0.1:{port}"), "vault")
        with pytest.raises(StoreFailed, match="failed"):
            await store.stat("blobs/x")
        store.close()


async def test_a_canary_proves_what_a_bucket_protects(s3):
    name = f"locked-{uuid4()}"
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    store = S3Store(s3, name)
    for _ in range(2):  # the second tidies what the first left, but the one that is locked yet
        missing = await store.check(datetime.now(UTC))
        assert Protection.OBJECT_LOCK not in missing
        assert (Protection.WRITE_ONCE in missing) is not store._writes_once
    canaries = s3.list_object_versions(Bucket=name, Prefix="canary/")["Versions"]
    assert len(canaries) == 1 + 2
    store.close()


async def test_a_bucket_without_a_lock_is_told_and_keeps_no_canary_back(s3):
    name = f"unlocked-{uuid4()}"
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    store = S3Store(s3, name)
    assert Protection.OBJECT_LOCK in await store.check(datetime.now(UTC))
    store.close()


async def test_a_bucket_without_versions_or_locks_is_told(s3):
    client = s3
    name = f"plain-{uuid4()}"
    client.create_bucket(Bucket=name)
    store = S3Store(client, name)
    with pytest.raises(StoreFailed, match="keeps no versions"):
        await store.check(datetime.now(UTC))
    with pytest.raises(StoreFailed, match="keeps no versions"):
        await put(store, "blobs/x", b"x")
    store.close()
