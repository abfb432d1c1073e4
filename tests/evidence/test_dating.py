"""A bundle says by when its entries were there, and what a stolen key cannot make old."""

import asyncio
import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from evidence import __main__ as command
from evidence import (
    bundle,
    cosignature,
    dating,
    keys,
    layout,
    log,
    proof,
    shard,
    stamping,
    timestamp,
    verify,
)
from evidence import report as reports
from evidence.checkpoint import Checkpoint
from evidence.dating import Outside
from evidence.errors import Malformed, Unsigned
from evidence.signature import ED25519_COSIGNATURE
from evidence.stamping import Authority
from evidence.store import DirectoryStore
from tests.evidence.attesting import reaching
from tests.evidence.cases import ORIGIN, files_of, pack
from tests.evidence.test_log import append, drain, over, verifiers
from tests.servers import tsa

DAY = timedelta(days=1)
FOLDER = "data/timestamps/0/0"
NOTE, PATH, ANSWER = (f"{FOLDER}/{one}" for one in (layout.NOTE, layout.PATH, "000.tsr"))


@pytest.fixture
def one(tmp_path):
    with tsa.Authority(tmp_path / "one") as running:
        yield running


@pytest.fixture
async def stamped(engine, vault_keys, tmp_path, one):
    """A bundle of three entries under a checkpoint of 11, the first of which is stamped at 4."""
    vault = over(DirectoryStore(tmp_path / "store"), vault_keys)
    now = datetime.now(UTC).replace(microsecond=0)
    ((stream, _), *_) = await append(engine, vault, 3, at=now)
    await drain(engine, vault, now)
    authority = Authority(one.url, (one.root,))
    (state,) = await stamping.waiting(engine, authority, now)
    async with reaching(timestamp.QUERY) as post:
        await stamping.stamp(engine, post, authority, state, now)
    await append(engine, vault, 7, at=now)
    await drain(engine, vault, now)
    async with engine.begin() as conn:
        pending = await vault.pending_receipts(conn, since=now)
        await vault.store_receipts(conn, [await vault.sign(each) for each in pending])
        contents = await bundle.collect(conn, [stream])
    path = tmp_path / "case.zip"
    await bundle.write(vault, contents, path, name="case", made=now)
    return vault, path, now


def soon() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=2)


def check(vault, path, outside: Outside):
    origin = shard.name(ORIGIN, datetime.now(UTC))
    return verify.verify(path, [vault.receipt_key, *verifiers(origin)], outside=outside)


async def test_a_bundle_says_by_when_its_entries_were_there(stamped, one):
    vault, path, now = stamped
    report = check(vault, path, Outside(one.roots, soon()))
    assert report.code == reports.SOUND, report.findings
    told = "\n".join(report.checked)
    assert "11 entries" not in told
    assert f"the first 4 entries of {shard.name(ORIGIN, now)} were there at " in told
    assert dating.LIMIT in report.unchecked
    assert dating.NOT_DATED not in report.unchecked


async def test_the_command_checks_timestamps_by_the_roots_that_are_given(
    stamped, one, tmp_path, capsys
):
    vault, path, now = stamped
    keys_ = [vault.receipt_key, *verifiers(shard.name(ORIGIN, now))]
    given = ["verify", str(path), *(part for key in keys_ for part in ("--key", str(key)))]
    await asyncio.sleep(1)  # the certificates' times are in whole seconds
    assert command.main([*given, "--roots", str(one.roots)]) == reports.SOUND
    assert "the first 4 entries of" in capsys.readouterr().out
    with tsa.Authority(tmp_path / "other") as other:
        assert command.main([*given, "--roots", str(other.roots)]) == reports.TAMPERED
    assert "timestamps/0/0" in capsys.readouterr().out


async def test_without_roots_it_says_what_to_run(stamped, one, tmp_path):
    vault, path, _ = stamped
    report = check(vault, path, dating.NOTHING)
    assert report.code == reports.SOUND
    assert dating.NOT_DATED in report.unchecked
    (told,) = [each for each in report.unchecked if "openssl ts -verify" in each]
    files = files_of(path)
    for name in (NOTE, ANSWER):
        place = tmp_path / name.removeprefix("data/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(files[name])
    command = told.partition("by hand: ")[2].replace("ROOTS", str(one.roots)).split()
    done = await asyncio.to_thread(
        subprocess.run, command, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "Verification: OK" in done.stdout


async def _other_note(files, vault):
    origin = shard.name(ORIGIN, datetime.now(UTC))
    said = Checkpoint(origin, 4, bytes(32))
    files[NOTE] = (await log.sign(vault.log_signers(origin), said, datetime.now(UTC))).encode()


async def _unsigned(files, _):
    files[NOTE] = files[NOTE].replace(b"\n4\n", b"\n5\n")


async def _no_path(files, _):
    files[PATH] = b""


async def _no_answer(files, _):
    del files[ANSWER]


async def _no_note(files, _):
    del files[NOTE]


async def _gap(files, _):
    files[ANSWER.replace("000", "002")] = files[ANSWER]


async def _twice(files, _):
    files[ANSWER.replace("000", "001")] = files[ANSWER]


async def _flipped(files, _):
    files[ANSWER] = files[ANSWER][:-3] + bytes([files[ANSWER][-3] ^ 1]) + files[ANSWER][-2:]


async def _behind(files, _):
    files[ANSWER] += b"\0"


async def _spelt(files, _):
    files[PATH] = files[PATH].rstrip(b"\n")


async def _elsewhere(files, _):
    files["data/timestamps/7/0/000.tsr"] = files[ANSWER]


FORGERIES = [_other_note, _unsigned, _no_path, _no_answer, _no_note, _gap, _twice, _flipped]
FORGERIES += [_behind, _spelt, _elsewhere]


@pytest.mark.parametrize("forge", FORGERIES)
async def test_a_forged_timestamp_is_named(stamped, one, tmp_path, forge):
    vault, path, _ = stamped
    files = files_of(path)
    await forge(files, vault)
    report = check(vault, pack(files, tmp_path / "forged.zip"), Outside(one.roots, soon()))
    assert report.code != reports.SOUND
    assert all("timestamps/" in each.where for each in report.findings)


async def test_a_timestamp_by_others_does_not_count(stamped, tmp_path):
    vault, path, _ = stamped
    with tsa.Authority(tmp_path / "other") as other:
        report = check(vault, path, Outside(other.roots, soon()))
    assert report.code == reports.TAMPERED


async def test_a_compromised_key_counts_for_what_others_date_before(stamped, one):
    vault, path, now = stamped
    origin = shard.name(ORIGIN, now)
    for since, sound in ((soon() + DAY, True), (now - DAY, False)):
        both = dict.fromkeys(verifiers(origin), since)
        report = check(vault, path, Outside(one.roots, soon(), both))
        assert (report.code == reports.SOUND) is sound
        assert sound or all("compromised" in each.what for each in report.findings)
        # The other key of the log is not known to be stolen, so that it vouches still.
        report = check(vault, path, Outside(one.roots, soon(), {verifiers(origin)[0]: since}))
        assert report.code == reports.SOUND
        # Nobody dates it at all without the roots.
        report = check(vault, path, Outside(None, soon(), both))
        assert report.code != reports.SOUND


def test_a_witness_dates_a_checkpoint_as_well():
    at = datetime(2026, 11, 22, 12, tzinfo=UTC)
    signer = keys.local_signer("witness.example", bytes(32), ED25519_COSIGNATURE)
    stolen = keys.local_signer("log", bytes(32)).key
    said = Checkpoint("log", 4, bytes(32))
    by = cosignature.Cosignature(signer.key, int(at.timestamp()))
    proven = proof.Proven(2, said, (stolen,), (by,))
    dating.check_keys(proven, (), Outside(compromised={stolen: at + DAY}))
    for since in (at, at - DAY):
        with pytest.raises(Unsigned):
            dating.check_keys(proven, (), Outside(compromised={stolen: since}))


def test_a_consistency_proof_reads_back():
    hashes = [bytes([number]) * 32 for number in range(5)]
    assert dating.read_path(dating.write_path(hashes)) == hashes
    assert dating.read_path(b"") == []
    good = dating.write_path(hashes[:1])
    for wrong in (good[:-1], b"\n", good + b"\n", b"AAAA\n", b"\xff\n", good * 64, good[1:]):
        with pytest.raises(Malformed):
            dating.read_path(wrong)
