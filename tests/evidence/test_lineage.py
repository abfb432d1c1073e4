"""From one trusted key to all keys of a bundle's logs, by what the logs told of them."""

from datetime import timedelta
from uuid import uuid4

import pytest

from evidence import __main__ as command
from evidence import bundle, keys, lineage, succession, verify
from evidence import report as reports
from evidence.dating import Outside
from evidence.store import DirectoryStore
from infra import rotation
from tests.evidence.cases import files_of, pack, place
from tests.evidence.test_log import LOG, NOON, append, drain, over
from tests.evidence.test_rotation import signing
from tests.servers import tsa

HOUR = timedelta(hours=1)
STATEMENT = "vault-keys/v1\nvault.example/2026\nlog a\nlog b\nreceipts c\n"


@pytest.fixture
def held():
    return keys.generate("vault.example/log", cosigners=["vault.example/log"])


class Vaulted:
    """A vault whose keys of log and receipts are rotated and retired; bundles of its first case."""

    def __init__(self, engine, vault, held, folder) -> None:
        self.engine, self.vault, self.held, self.folder = engine, vault, held, folder
        self.now, self.sets, self.receipts = NOON, [], [vault.receipt_key]

    async def start(self, held=None):
        """Start again with the keys of a file, log an entry and publish it."""
        self.held = held or self.held
        self.sets.append(signing(self.vault, self.held))
        self.now += HOUR
        place, *_ = await append(self.engine, self.vault, 2, at=self.now)
        self.stream = getattr(self, "stream", place[0])
        await drain(self.engine, self.vault, self.now)
        await drain(self.engine, self.vault, self.now)
        await self.sign()

    async def sign(self):
        async with self.engine.begin() as conn:
            pending = await self.vault.pending_receipts(conn, since=NOON)
            await self.vault.store_receipts(conn, [await self.vault.sign(one) for one in pending])

    def renew_receipts(self):
        signer = keys.local_signer("vault.example/receipts", b"another key of receipts, 32 byte")
        self.vault.receipt_key, self.vault._receipt_signer = signer.key, signer
        self.receipts.append(signer.key)

    async def written(self, name="case.zip"):
        async with self.engine.connect() as conn:
            contents = await bundle.collect(conn, [self.stream])
        path = self.folder / name
        await bundle.write(self.vault, contents, path, name="case", made=self.now)
        return path


@pytest.fixture
async def vaulted(engine, tmp_path, vault_keys, held):
    made = Vaulted(engine, over(DirectoryStore(tmp_path / "s"), vault_keys), held, tmp_path)
    await made.start()
    return made


@pytest.fixture
async def rotated(vaulted):
    """Keys of the log rotated and retired, that of receipts replaced."""
    await vaulted.start(rotation.rotated(vaulted.held, "vault.example"))
    vaulted.renew_receipts()
    await vaulted.start(rotation.retired(vaulted.held, "vault.example"))
    return vaulted


async def test_one_key_of_any_time_verifies_a_bundle_whose_keys_were_rotated_and_retired(rotated):
    path = await rotated.written()
    old, both, new = rotated.sets
    assert not set(old) & set(new)
    assert set(old) | set(new) == set(both)
    for trusted in (old[0], new[0]):
        report = verify.verify(path, [trusted])
        assert report.code == reports.SOUND, report.findings
        assert any("3 times that logs told their keys: ok" in one for one in report.checked)
        assert any("2 proofs from entries" in one for one in report.checked)
    stranger = keys.local_signer(LOG, bytes(32)).key
    report = verify.verify(path, [stranger])
    assert report.code != reports.SOUND
    assert any("tells none that was given" in one for one in report.unchecked)


async def test_after_a_retirement_the_bundle_lists_the_keys_that_signed_its_checkpoint(rotated):
    *_, new = rotated.sets
    listed = verify.layout.read_about(files_of(await rotated.written())["data/bundle.json"]).logs
    assert [one.keys for one in listed] == [tuple(map(str, new))]
    rotated.vault.log_signers = lambda _: []  # as of a year whose keys are gone
    listed = verify.layout.read_about(files_of(await rotated.written())["data/bundle.json"]).logs
    assert [one.keys for one in listed] == [tuple(map(str, new))]


async def test_keys_that_were_replaced_at_once_are_not_trusted_by_the_old(vaulted):
    await vaulted.start(keys.generate("vault.example/log", cosigners=["vault.example/log"]))
    path, (old, new) = await vaulted.written(), vaulted.sets
    report = verify.verify(path, [old[0]])
    assert report.code != reports.SOUND
    assert "none of the keys before vouches for those told at index" in report.findings[0].what
    assert verify.verify(path, [new[0]]).code == reports.SOUND


def _changed(files, name, change):
    data = files[name]
    files[name] = change(data)
    assert files[name] != data


def _another_body(files):
    _changed(files, "data/history/0/000001.body.json", lambda data: data.replace(b"log ", b"log  "))


def _another_salt(files):
    _changed(files, "data/history/0/000000.salt.hex", lambda data: data[::-1][1:] + b"\n")


def _swapped(files):
    for part in ("entry.json", "body.json", "salt.hex", "tlog-proof"):
        one, two = (f"data/history/0/{seq:06d}.{part}" for seq in (1, 2))
        files[one], files[two] = files[two], files[one]


def _first_left_out(files):
    for part in ("entry.json", "body.json", "salt.hex", "tlog-proof"):
        for seq in (0, 1):
            files[f"data/history/0/{seq:06d}.{part}"] = files[
                f"data/history/0/{seq + 1:06d}.{part}"
            ]
        del files[f"data/history/0/000002.{part}"]


def _last_left_out(files):
    for part in ("entry.json", "body.json", "salt.hex", "tlog-proof"):
        del files[f"data/history/0/000002.{part}"]


def _part_left_out(files):
    del files["data/history/0/000001.body.json"]


def _added(files):
    files["data/history/0/000003.body.json"] = b"{}"


def _of_no_log(files):
    files["data/history/7/000000.body.json"] = b"{}"


def _other_proof(files):
    _changed(
        files, "data/history/0/000001.tlog-proof", lambda data: data.replace(b"index ", b"index 9")
    )


FORGERIES = [_another_body, _another_salt, _swapped, _first_left_out, _part_left_out, _added]
FORGERIES += [_of_no_log, _other_proof]


@pytest.mark.parametrize("forge", FORGERIES)
async def test_a_forged_history_is_named(rotated, tmp_path, forge):
    files = files_of(await rotated.written())
    forge(files)
    path = pack(files, tmp_path / "forged.zip")
    for key in (rotated.sets[0][0], rotated.sets[-1][0]):
        report = verify.verify(path, [key])
        assert report.code != reports.SOUND
        assert any("history/" in one.where for one in report.findings)


async def test_a_history_without_its_end_reaches_no_newer_key(rotated, tmp_path):
    files = files_of(await rotated.written())
    _last_left_out(files)
    path = pack(files, tmp_path / "forged.zip")
    # It leads to the keys of the rotation, which sign; the key of receipts was told at the end.
    report = verify.verify(path, [rotated.sets[0][0]])
    assert report.code == reports.SOUND
    for part in ("entry.json", "body.json", "salt.hex", "tlog-proof"):
        del files[f"data/history/0/000001.{part}"]
    report = verify.verify(pack(files, tmp_path / "first.zip"), [rotated.sets[0][0]])
    assert report.code != reports.SOUND


async def test_a_declared_compromise_is_read_from_the_bundle_and_marked(rotated):
    old, _, new = rotated.sets
    for key in (*old, *rotated.receipts[:1]):
        async with rotated.engine.begin() as conn:
            await succession.declare(conn, rotated.vault, key, NOON - HOUR, rotated.now)
    await rotated.start()
    path = await rotated.written()
    report = verify.verify(path, [new[0]])
    assert report.code == reports.SOUND, report.findings
    assert sum("is declared compromised since" in one for one in report.checked) == 3
    assert any("2 receipts were signed: their key was declared" in one for one in report.unchecked)
    # Whoever trusts only a key that was somebody else's is led nowhere by it.
    report = verify.verify(path, [old[0]])
    assert report.code != reports.SOUND
    assert any("only compromised keys signed" in one.what for one in report.findings)


async def test_a_receipt_of_a_compromised_key_needs_its_proof(rotated, tmp_path):
    path, new = await rotated.written(), rotated.sets[-1][0]
    outside = Outside(compromised=dict.fromkeys(rotated.receipts, NOON))
    assert verify.verify(path, [new], outside=outside).code == reports.SOUND
    files = files_of(path)
    (name,) = [one for one in files if one.endswith("proofs/000001.tlog-proof")]
    del files[name]
    report = verify.verify(pack(files, tmp_path / "late.zip"), [new], outside=outside)
    (found,) = report.findings
    assert found.where.endswith("receipts/000001.note")


async def test_a_stream_that_is_not_the_logs_own_tells_no_keys(rotated, tmp_path):
    evil = keys.local_signer(LOG, bytes(32)).key
    said = {"keys": [str(evil), str(rotated.sets[-1][0])], "receipts": []}
    rotated.stream = uuid4()
    async with rotated.engine.begin() as conn:
        await rotated.vault.begin(conn, rotated.stream, act="say", body=said, at=rotated.now)
    await rotated.start()
    files = files_of(await rotated.written())
    for name in [one for one in files if one.startswith("data/history/")]:
        del files[name]
    for kind, part in (
        ("entries", "entry.json"),
        ("bodies", "body.json"),
        ("salts", "salt.hex"),
        ("proofs", "tlog-proof"),
    ):
        files[f"data/history/0/000000.{part}"] = files[place(rotated.stream, kind, 0)]
    report = verify.verify(pack(files, tmp_path / "posing.zip"), [rotated.sets[-1][0]])
    assert any("another place in the log" in one.what for one in report.findings)


def test_a_statement_is_written_in_one_way():
    assert lineage.write("vault.example/2026", ["a", "b"], ["c"]) == STATEMENT


async def test_the_command_takes_compromised_keys(rotated, capsys):
    path, new = str(await rotated.written()), rotated.sets[-1]
    calm = ["--key", str(new[0]), "--compromised", f"{rotated.sets[0][0]}@2026-11-22T12:00:00Z"]
    assert command.main(["verify", path, *calm]) == 0
    capsys.readouterr()
    stolen = [part for key in new for part in ("--compromised", f"{key}@2026-11-22T12:00:00+01:00")]
    assert command.main(["verify", path, "--key", str(new[0]), *stolen]) == 2
    told = capsys.readouterr().out
    assert "only compromised keys signed, and nobody else dates it before 2026-11-22 12:00" in told
    for wrong in (f"{new[0]}@2026-11-22T12:00:00", f"{new[0]}@yesterday", str(new[0]), "x@y", ""):
        with pytest.raises(SystemExit):
            command.main(["verify", path, "--key", str(new[0]), "--compromised", wrong])
    assert "--compromised" in capsys.readouterr().err


async def test_the_command_takes_roots(rotated, tmp_path, capsys):
    path, given = str(await rotated.written()), ["--key", str(rotated.sets[-1][0])]
    with tsa.Authority(tmp_path / "authority") as authority:
        assert command.main(["verify", path, *given, "--roots", str(authority.roots)]) == 0
        assert "no timestamp was checked" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        command.main(["verify", path, *given, "--roots", str(tmp_path / "nothing.pem")])
    assert "--roots: no file" in capsys.readouterr().err
