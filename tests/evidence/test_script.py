"""verify.sh: what sh and openssl alone say of bundles, good and bad, in two shells."""

import subprocess
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest

from evidence import bundle, keys, layout, log
from evidence import report as reports
from evidence.note import VerifierKey
from evidence.signature import MLDSA44_COSIGNATURE
from evidence.store import DirectoryStore
from evidence.vault import Vault
from tests.evidence.cases import NOW, ORIGIN, SIGNER, Case, files_of, make_streams, pack, place
from tests.evidence.test_verify import FORGERIES, case

__all__ = ["case"]  # the fixture: a bundle of its own for each test

SCRIPT = Path(bundle.__file__).with_name(layout.SCRIPT)
SHELLS = ["dash", "bash"]
LOG_KEYS = keys.generate("log", cosigners=["log"])
# What only the whole verifier sees: it reads bundle.json and the blobs' JSON strictly.
BEYOND = {"bundle.json's origin", "bundle.json's format", "a frozen root", "a frozen root hidden"}


def unpack(path: Path, folder: Path) -> Path:
    with zipfile.ZipFile(path) as found:
        found.extractall(folder)
    return next(folder.iterdir())


def run(shell: str, folder: Path, *given: VerifierKey | str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [shell, SCRIPT, folder, *map(str, given)], capture_output=True, check=False, text=True
    )


@pytest.fixture
async def logged(engine, vault_keys, tmp_path: Path) -> tuple[Path, list[VerifierKey]]:
    """A bundle whose entries are in a log, but for the last; and the keys that it needs."""

    def signers(origin: str) -> list[keys.Signer]:
        return [LOG_KEYS.signer("log").named(origin), LOG_KEYS.cosigner("log").named(origin)]

    vault = Vault(
        origin=ORIGIN,
        store=DirectoryStore(tmp_path / "store"),
        keyring=vault_keys.keyring(),
        receipt_signer=vault_keys.signer(SIGNER),
        log_signers=signers,
        merge_delay=timedelta(hours=1),
    )
    stream, room, _ = await make_streams(engine, vault)
    while await log.sequence(engine, vault, NOW):
        pass
    async with engine.begin() as conn:
        done = await vault.append(conn, room, act="LATE", body={}, at=NOW)
    async with engine.begin() as conn:
        await vault.store_receipts(conn, [await vault.sign(done)])
    async with engine.connect() as conn:
        contents = await bundle.collect(conn, [stream, room])
    path = tmp_path / "logged.zip"
    await bundle.write(vault, contents, path, name="case-8", made=NOW, extra={"a/b": b"c"})
    (used,) = contents.logs
    return path, [vault.receipt_key, signers(used.origin)[0].key]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_good_bundle_is_sound(case: Case, tmp_path: Path, shell: str):
    done = run(shell, unpack(case.path, tmp_path / "bag"), case.key)
    assert (done.returncode, done.stderr) == (reports.SOUND, ""), done
    assert "7 private bodies against their entries, 2 files" in done.stdout
    assert "1 closed records" in done.stdout
    assert done.stdout.endswith("SOUND\n")


@pytest.mark.parametrize("shell", SHELLS)
def test_every_bundle_holds_the_script(case: Case, tmp_path: Path, shell: str):
    folder = unpack(case.path, tmp_path / "bag")
    own = folder / "data" / layout.SCRIPT
    assert own.read_bytes() == SCRIPT.read_bytes()
    done = subprocess.run([shell, own, folder, str(case.key)], capture_output=True, check=False)
    assert done.returncode == reports.SOUND


@pytest.mark.parametrize("what", sorted(FORGERIES.keys() - BEYOND))
def test_a_forger_who_makes_the_manifests_anew_is_found(case: Case, tmp_path: Path, what: str):
    files = files_of(case.path)
    FORGERIES[what][0](case, files)
    folder = unpack(pack(files, tmp_path / "forged.zip"), tmp_path / "bag")
    done = run("dash", folder, case.key)
    assert done.returncode == 1, done
    assert done.stdout.splitlines()[-1].startswith("WRONG: ")


@pytest.mark.parametrize("shell", SHELLS)
def test_a_byte_changed_in_any_kind_of_file_is_found(case: Case, tmp_path: Path, shell: str):
    folder = unpack(case.path, tmp_path / "bag")
    for path in (
        f"data/blobs/{case.photo}.jpg",
        f"data/{layout.SCRIPT}",
        "data/extra/record.pdf",
        place(case.stream, "salts", 1),
        "bag-info.txt",
        "tagmanifest-sha256.txt",
    ):
        data = (folder / path).read_bytes()
        (folder / path).write_bytes(bytes([data[0] ^ 1]) + data[1:])
        assert run(shell, folder, case.key).returncode == 1, path
        (folder / path).write_bytes(data)
    (folder / "data" / "more").write_bytes(b"")
    assert run(shell, folder, case.key).returncode == 1
    (folder / "data" / "more").unlink()
    (folder / "data" / "link").symlink_to("bundle.json")
    assert run(shell, folder, case.key).returncode == 1


@pytest.mark.parametrize("shell", SHELLS)
def test_wrong_calls_are_told_apart(case: Case, tmp_path: Path, shell: str):
    folder = unpack(case.path, tmp_path / "bag")
    stranger = keys.local_signer(SIGNER, bytes(32)).key
    assert run(shell, folder, stranger).returncode == 1
    later = keys.local_signer(ORIGIN, bytes(32), MLDSA44_COSIGNATURE).key
    changed = str(case.key).replace("+", "+0", 1)
    for wrong in ([], ["nonsense"], [str(later)], [changed]):
        assert run(shell, folder, *wrong).returncode == 2, wrong
    assert run(shell, tmp_path / "none", case.key).returncode == 2


@pytest.mark.parametrize("shell", SHELLS)
async def test_proofs_lead_to_a_signed_checkpoint(logged, tmp_path: Path, shell: str):
    path, known = logged
    folder = unpack(path, tmp_path / "bag")
    done = run(shell, folder, *known)
    assert (done.returncode, done.stderr) == (reports.SOUND, ""), done
    assert "7 proofs from entries to signed checkpoints" in done.stdout
    assert "not checked: 1 entries that came after" in done.stdout
    done = run(shell, folder, known[0])
    assert done.returncode == reports.SOUND
    assert "7 proofs for which no key was given" in done.stdout


def swap_hashes(lines: list[str]) -> None:
    lines[2], lines[3] = lines[3], lines[2]


def move(lines: list[str]) -> None:
    lines[1] = f"index {int(lines[1].split()[1]) ^ 1}"


def grow(lines: list[str]) -> None:
    """The checkpoint's number of entries."""
    at = lines.index("") + 2
    lines[at] = str(int(lines[at]) + 1)


def cut(lines: list[str]) -> None:
    lines.pop(2)


def unsign(lines: list[str]) -> None:
    """Leave the log's other signature, of a kind that the script does not know."""
    first = next(number for number, line in enumerate(lines) if line.startswith("\u2014"))
    lines.pop(first)


@pytest.mark.parametrize("change", [swap_hashes, move, grow, cut, unsign])
async def test_a_bad_proof_is_found(logged, tmp_path: Path, change):
    path, known = logged
    files = files_of(path)
    name = sorted(one for one in files if one.endswith(".tlog-proof"))[2]
    lines = files[name].decode().split("\n")
    change(lines)
    files[name] = "\n".join(lines).encode()
    folder = unpack(pack(files, tmp_path / "forged.zip"), tmp_path / "bag")
    done = run("dash", folder, *known)
    assert done.returncode == 1
    assert ".tlog-proof" in done.stdout or "checkpoint" in done.stdout
