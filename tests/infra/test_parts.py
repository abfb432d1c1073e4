"""The service's parts over a real S3: what is taken, and what stops the start."""

import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from evidence.errors import StoreFailed
from evidence.s3 import S3Store
from evidence.scanner import Address
from infra import parts
from infra.settings import Settings


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


@pytest.mark.parametrize(
    ("versions", "missing"), [(False, "keeps no versions"), (True, "no Object Lock")]
)
async def test_a_bucket_that_protects_nothing_stops_the_start(given, s3, versions, missing):
    name = f"plain-{uuid4()}"
    s3.create_bucket(Bucket=name)
    if versions:
        asked = {"Status": "Enabled"}
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration=asked)
    with pytest.raises(StoreFailed, match=missing):
        async with parts.opened(Settings(**given, store=f"s3://{name}")):
            pass


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
