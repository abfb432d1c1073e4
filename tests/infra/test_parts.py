"""The service's parts over a real S3: what is taken, and what stops the start."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from evidence.errors import StoreFailed
from evidence.keys import local_signer
from evidence.s3 import S3Store
from evidence.scanner import Address
from evidence.signature import ED25519_COSIGNATURE
from evidence.store import Protection
from evidence.testimony import Known
from infra import parts
from infra.settings import Mode, Settings


@pytest.fixture
def given(database, s3_address, tmp_path):
    """Settings over this test's database and the S3, all but the bucket."""
    return {
        "folder": tmp_path,
        "database_url": database.url,
        "database_reader_url": database.reader_url,
        "s3_endpoint": s3_address.url,
        "s3_region": s3_address.region,
        "s3_access_key": s3_address.access_key,
        "s3_secret_key": s3_address.secret_key,
    }


async def test_a_bucket_with_object_lock_is_taken(given, bucket):
    _, name = bucket
    async with parts.opened(Settings(**given, store=f"s3://{name}")) as made:
        assert isinstance(made.store, S3Store)
        assert made.vault.store is made.store


async def test_a_bucket_without_versions_stops_the_start(given, s3):
    name = f"plain-{uuid4()}"
    s3.create_bucket(Bucket=name)
    with pytest.raises(StoreFailed, match="keeps no versions"):
        async with parts.opened(Settings(**given, store=f"s3://{name}")):
            pass


async def test_what_a_bucket_does_not_protect_is_said_and_stops_production(given, s3, caplog):
    name = f"unlocked-{uuid4()}"
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    settings = Settings(**given, store=f"s3://{name}")
    async with parts.opened(settings) as made:
        missing = await made.store.check(datetime.now(UTC))
    assert "lacks object-lock: no lock keeps files" in caplog.text
    strict = settings.model_copy(update={"mode": Mode.PRODUCTION})
    with pytest.raises(StoreFailed, match=r"lacks object-lock \(no lock keeps files.*WITHOUT=obj"):
        parts.require(strict, missing)
    parts.require(strict.model_copy(update={"store_without": missing}), missing)
    with pytest.raises(StoreFailed, match="lacks object-lock"):
        parts.require(
            strict.model_copy(update={"store_without": (Protection.WRITE_ONCE,)}), missing
        )


def test_production_without_witnesses_or_timestamps_is_warned_of(caplog):
    parts.warn(Settings())
    assert caplog.text == ""
    strict = Settings().model_copy(update={"mode": Mode.PRODUCTION})
    parts.warn(strict)
    assert "no witness is configured: whoever owns the service with its keys can" in caplog.text
    assert "no timestamp authority is configured" in caplog.text
    caplog.clear()
    key = local_signer("witness.example", bytes(32), ED25519_COSIGNATURE).key
    known = (Known("https://witness.example", (key,)),)
    parts.warn(strict.model_copy(update={"witnesses": known, "timestamp_urls": ("https://x",)}))
    assert caplog.text == ""


@pytest.mark.parametrize("said", ["nothing", "object-lock,", "object-lock;write-once"])
def test_only_known_protections_may_be_missing(said):
    assert Settings(store_without="write-once, object-lock").store_without == (
        Protection.WRITE_ONCE,
        Protection.OBJECT_LOCK,
    )
    with pytest.raises(ValueError, match="is not a valid Protection"):
        Settings(store_without=said)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("unix:///run/clamav/clamd.ctl", Address(path=Path("/run/clamav/clamd.ctl"))),
        ("tcp://scanner.example:3311", Address(host="scanner.example", port=3311)),
        ("tcp://[::1]", Address(host="::1", port=3310)),
    ],
)
def test_the_scanner_is_where_the_settings_say(url, address):
    found = parts.scanner(Settings(clamd_url=url, clamd_bytes_max=7))
    assert (found.address, found.bytes_max) == (address, 7)
    assert parts.scanner(Settings()) is None


@pytest.mark.parametrize(
    "url", ["/run/clamd.ctl", "http://x", "unix:relative", "tcp://", "unix:///"]
)
def test_an_address_that_is_none_is_no_setting(url):
    with pytest.raises(ValueError, match=r"URL|path|host"):
        Settings(clamd_url=url)


def test_a_part_that_fails_is_told_in_one_line(given):
    told = given | {"store": f"s3://nothing-{uuid4()}"}
    environment = {f"CONCORD_{field.upper()}": str(value) for field, value in told.items()}
    done = subprocess.run(
        [sys.executable, "-m", "infra", "serve"],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert told["s3_secret_key"] not in done.stderr
