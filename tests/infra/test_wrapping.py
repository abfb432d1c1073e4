"""The commands about the keys that wrap, run as an operator runs them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from evidence import keys as files
from evidence import rewrapping
from evidence.deposit import Declared
from evidence.errors import KeysFailed, KeysRefused
from infra import keys, parts
from infra.settings import DEMO_PASSPHRASE, Settings
from odr import instalments
from odr.policy import Viewer
from tests.odr import world
from tests.servers.kms import ACCESS_KEY, REGION, KeyManagement

NOW = datetime.now(UTC)
DATA = b"what was deposited"


@pytest.fixture
def given(database, tmp_path) -> dict[str, Any]:
    """Settings over this test's database, with a key file that opens at once."""
    path = tmp_path / "keys.json"
    origin = "demo.invalid"
    held = files.generate(f"{origin}/receipts", f"{origin}/log", cosigners=[f"{origin}/log"])
    files.save(held, path, DEMO_PASSPHRASE, cost=2)
    return {
        "folder": tmp_path,
        "key_file": path,
        "database_url": database.url,
        "database_reader_url": database.reader_url,
    }


@pytest.fixture
def service() -> Iterator[KeyManagement]:
    with KeyManagement() as made:
        made.make("files")
        yield made


@pytest.fixture
def managed(given, service) -> dict[str, Any]:
    return given | {
        "kms_key": "alias/files",
        "kms_endpoint": service.url,
        "kms_region": REGION,
        "kms_access_key": ACCESS_KEY,
        "kms_secret_key": "secret",
    }


def start(given: dict[str, Any], *command: str) -> subprocess.Popen[str]:
    environment = {f"CONCORD_{name.upper()}": str(value) for name, value in given.items()}
    return subprocess.Popen(
        [sys.executable, "-m", "infra", *command],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(given: dict[str, Any], *command: str) -> tuple[int, str]:
    started = start(given, *command)
    said, failed = started.communicate(timeout=60)
    return started.returncode, said + failed


async def deposit(given: dict[str, Any], count: int) -> list[UUID]:
    made: list[UUID] = []
    async with parts.opened(Settings(**given)) as opened:
        for _ in range(count):

            async def pieces():
                yield DATA

            declared = Declared(len(DATA), "text/plain")
            blob = await opened.vault.deposit(pieces(), declared, blob=uuid4(), at=NOW)
            async with opened.engine.begin() as conn:
                await opened.vault.record(conn, blob)
            made.append(blob.id)
    return made


async def begin(given: dict[str, Any], whole: bytes) -> tuple[Viewer, UUID]:
    """A file of which half is there."""
    async with parts.opened(Settings(**given)) as opened:
        viewer = (await world.make(opened.engine)).buyer
        declared = Declared(len(whole), "text/plain")
        standing = await instalments.begin(opened.office, viewer, declared, "half.txt", "")
        half = len(whole) // 2

        async def pieces():
            yield whole[:half]

        await instalments.add(opened.office, viewer, standing.id, 0, pieces())
    return viewer, standing.id


async def check(given: dict[str, Any], made: list[UUID]) -> None:
    """Every file opens, and so does what was said in confidence."""
    async with parts.opened(Settings(**given)) as opened:
        for each in made:
            async with opened.engine.connect() as conn:
                blob = await opened.vault.find_blob(conn, each)
            assert b"".join([piece async for piece in opened.vault.open_blob(blob)]) == DATA
        sealed = opened.keys.caucus.seal(made[0], "in confidence")
    async with parts.opened(Settings(**given)) as opened:
        assert opened.keys.caucus.open(made[0], sealed) == "in confidence"


def wrapping(path: Path) -> list[str]:
    return list(files.load(path, DEMO_PASSPHRASE)._wrapping)


async def test_a_rotation_of_the_key_file_from_its_first_step_to_its_last(given):
    made = await deposit(given, 5)
    (old,) = wrapping(given["key_file"])
    assert run(given, "retire-wrapping-key", old) == (1, f"{old} wraps now\n")
    code, said = run(given, "new-wrapping-key")
    new = wrapping(given["key_file"])[-1]
    assert (code, said.split()[0]) == (0, new)
    code, said = run(given, "retire-wrapping-key", old)
    assert (code, said) == (1, f"1 are left under {old}; run rewrap-keys\n")  # caucus, for one
    code, said = run(given, "rewrap-keys", "--batch", "2")
    assert (code, said) == (0, f"5 keys wrapped anew, 6 under {new}\n")
    assert run(given, "rewrap-keys") == (0, f"0 keys wrapped anew, 6 under {new}\n")
    code, said = run(given, "retire-wrapping-key", old)
    assert (code, said) == (0, f"{old} is retired and gone from the key file.\n")
    assert wrapping(given["key_file"]) == [new]
    await check(given, made)


async def test_a_file_under_way_comes_along_and_goes_on_after_its_old_key_is_gone(given):
    whole = b"what comes in two halves, and a rotation in between"
    viewer, partial = await begin(given, whole)
    (old,) = wrapping(given["key_file"])
    assert run(given, "new-wrapping-key")[0] == 0
    settings = Settings(**given)
    async with parts.opened(settings) as opened:
        await keys.rewrap_caucus(settings.keys, opened.keys.keyring)
    new = wrapping(given["key_file"])[-1]
    assert await under(given, old) == 1
    code, said = run(given, "retire-wrapping-key", old)
    assert (code, said) == (1, f"1 are left under {old}; run rewrap-keys\n")
    assert run(given, "rewrap-keys") == (0, f"1 keys wrapped anew, 2 under {new}\n")
    assert run(given, "retire-wrapping-key", old)[0] == 0
    async with parts.opened(settings) as opened:

        async def rest():
            yield whole[len(whole) // 2 :]

        start = len(whole) // 2
        await instalments.add(opened.office, viewer, partial, start, rest())
        upload = await instalments.finish(opened.office, viewer, partial)
        sql = "SELECT b.id FROM uploads u JOIN vault_blobs b ON b.id = u.blob_id WHERE u.id = :id"
        async with opened.engine.connect() as conn:
            blob_id = (await conn.execute(text(sql), {"id": upload})).scalar_one()
            blob = await opened.vault.find_blob(conn, blob_id)
        assert b"".join([piece async for piece in opened.vault.open_blob(blob)]) == whole


async def test_no_file_begins_under_a_retired_key(given):
    _, partial = await begin(given, b"whole")
    async with parts.opened(Settings(**given)) as opened:
        async with opened.engine.begin() as conn:
            assert await rewrapping.retire(conn, "feed", NOW) == 0
        with pytest.raises(DBAPIError, match="was retired"):
            async with opened.engine.begin() as conn:
                moved = text("UPDATE partial_uploads SET key_id = 'feed' WHERE id = :id")
                await conn.execute(moved, {"id": partial})


async def test_every_table_that_keeps_wrapped_keys_is_brought_along(engine):
    keeping = text(
        "SELECT table_name FROM information_schema.columns WHERE column_name = 'wrapped_key'"
        " AND table_schema = 'public' ORDER BY table_name"
    )
    async with engine.connect() as conn:
        found = list((await conn.execute(keeping)).scalars())
        assert found == await rewrapping.tables(conn) == ["partial_uploads", "vault_blobs"]


@pytest.mark.long
async def test_a_rotation_of_keys_that_is_killed_loses_nothing_and_ends_when_run_again(given):
    made = await deposit(given, 60)
    (old,) = wrapping(given["key_file"])
    assert run(given, "new-wrapping-key")[0] == 0
    settings = Settings(**given)
    for _ in range(2):
        running = start(given, "rewrap-keys", "--batch", "1")
        await until_some(given, old)
        running.send_signal(signal.SIGKILL)
        running.communicate()
        await check(given, made)
    assert run(given, "rewrap-keys")[0] == 0
    assert await under(given, old) == 0
    assert await keys.caucus_under(settings.keys) != old
    await check(given, made)


async def until_some(given: dict[str, Any], key_id: str) -> None:
    """Wait until one more key is not under this one any more."""
    async with parts.opened(Settings(**given)) as opened:
        first: int | None = None
        while True:
            async with opened.engine.connect() as conn:
                count = (await rewrapping.left(conn)).get(key_id, 0)
            first = count if first is None else first
            if count < first:
                return


async def under(given: dict[str, Any], key_id: str) -> int:
    async with parts.opened(Settings(**given)) as opened, opened.engine.connect() as conn:
        return (await rewrapping.left(conn)).get(key_id, 0)


@pytest.mark.long
async def test_keys_move_from_the_file_to_a_key_management_service_and_to_its_next_key(
    given, managed, service
):
    made = await deposit(given, 3)
    (old,) = wrapping(given["key_file"])
    first = next(iter(service.keys))
    made += await deposit(managed, 2)
    await check(managed, made)
    code, said = run(managed, "rewrap-keys")
    assert (code, said) == (0, f"3 keys wrapped anew, 6 under kms:{first}\n")
    code, said = run(managed, "retire-wrapping-key", old)
    assert (code, said) == (0, f"{old} is retired; the key file keeps its newest key, unused.\n")
    second = service.make("files").arn
    code, said = run(managed, "retire-wrapping-key", f"kms:{first}")
    assert (code, said) == (1, f"1 are left under kms:{first}; run rewrap-keys\n")
    assert run(managed, "rewrap-keys")[1] == f"5 keys wrapped anew, 6 under kms:{second}\n"
    code, said = run(managed, "retire-wrapping-key", f"kms:{first}")
    assert (code, said) == (0, f"kms:{first} is retired; its service may destroy it.\n")
    del service.keys[first]
    await check(managed, made)


async def test_a_key_that_cannot_be_used_stops_the_start_and_changes_nothing(
    given, managed, service
):
    made = await deposit(given, 1)
    (key,) = service.keys.values()
    key.state = "Disabled"
    with pytest.raises(KeysRefused, match="Disabled"):
        async with parts.opened(Settings(**managed)):
            pass
    code, said = run(managed, "rewrap-keys")
    assert (code, said) == (1, f"the key {key.arn} is Disabled, for ENCRYPT_DECRYPT\n")
    key.state = "Enabled"
    service.denied.add("Encrypt")
    with pytest.raises(KeysFailed):
        await deposit(managed, 1)
    service.denied.clear()
    await check(managed, made)


def test_a_key_that_nobody_knows_is_not_retired(given):
    code, said = run(given, "retire-wrapping-key", "feed")
    assert (code, said) == (1, "there is no wrapping key feed\n")


@pytest.mark.parametrize(
    "wrong",
    [
        {"kms_region": REGION},
        {"kms_key": "k", "kms_access_key": "a"},
        {"kms_endpoint": "http://127.0.0.1:1"},
    ],
)
def test_a_key_management_service_is_described_whole_or_not_at_all(wrong):
    with pytest.raises(ValueError, match=r"KMS"):
        Settings(**wrong)
