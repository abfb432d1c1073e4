"""What tampering leaves in a bundle, and that the verifier names it."""

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import pytest

from evidence import __main__ as command
from evidence import canonical, entry, keys, merkle, note, verify
from evidence import report as reports
from evidence.report import Kind
from tests.evidence.cases import SIGNER, Case, check, files_of, pack, place


@pytest.fixture
def case(sample: Case, tmp_path: Path) -> Case:
    """A copy of the sample's bundles, to be changed."""
    for path in sample.path.parent.glob("*.zip"):
        shutil.copy(path, tmp_path)
    return replace(sample, path=tmp_path / sample.path.name)


def test_any_byte_changed_in_any_file_is_named(case: Case, tmp_path: Path):
    files = files_of(case.path)
    chance = random.Random(7)  # noqa: S311 -- no secret
    folder = tmp_path / "unpacked"
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    for name, data in files.items():
        for at in {0, len(data) - 1, chance.randrange(len(data))}:
            changed = bytearray(data)
            changed[at] ^= chance.choice([1, 2, 4, 8, 16, 32, 64, 128])
            (folder / name).write_bytes(changed)
            report = check(case, folder)
            assert report.code != reports.SOUND, (name, at)
            if name.startswith("data/"):
                assert report.code == reports.TAMPERED
                assert name in {one.where for one in report.findings}
        (folder / name).write_bytes(data)
    assert check(case, folder).code == reports.SOUND


@pytest.mark.parametrize("one_in", [6, pytest.param(1, marks=pytest.mark.long)])
def test_any_byte_changed_anywhere_in_the_zip_is_found(case: Case, one_in: int):
    path = case.path.with_name("room.zip")
    whole = path.read_bytes()
    assert check(case, path).code == reports.SOUND
    chance = random.Random()  # noqa: S311 -- no secret
    for at in range(chance.randrange(one_in), len(whole), one_in):
        changed = bytearray(whole)
        bit = chance.randrange(8)
        changed[at] ^= 1 << bit
        path.write_bytes(changed)
        assert check(case, path).code != reports.SOUND, (at, bit)


@pytest.mark.parametrize("cut", [1, 22, 100, 5000])
def test_a_zip_that_is_cut_or_goes_on_is_found(case: Case, cut: int):
    whole = case.path.read_bytes()
    for changed in (whole[:-cut], whole[cut:], whole + bytes(cut), bytes(cut) + whole):
        case.path.write_bytes(changed)
        assert check(case).code != reports.SOUND


def test_every_file_that_is_missing_or_added_is_named(case: Case, tmp_path: Path):
    files = files_of(case.path)
    folder = tmp_path / "unpacked"
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    for name, data in files.items():
        (folder / name).unlink()
        report = check(case, folder)
        assert report.code != reports.SOUND
        assert any(name in one.where + one.what for one in report.findings)
        (folder / name).write_bytes(data)
    (folder / "data" / "more.txt").write_bytes(b"x")
    assert check(case, folder).code == reports.TAMPERED


# What a forger does who makes the manifests anew: {what: (change, part of the finding)}.
Forgery = Callable[[Case, dict[str, bytes]], None]


def forge_entry(seq: int, /, **members: object) -> Forgery:
    def change(case: Case, files: dict[str, bytes]) -> None:
        path = place(case.stream, "entries", seq)
        files[path] = canonical.encode(canonical.decode(files[path]) | members)

    return change


def forge_json(name: str, /, **members: object) -> Forgery:
    def change(_case: Case, files: dict[str, bytes]) -> None:
        path = next(one for one in sorted(files) if one.endswith(name))
        files[path] = canonical.encode(canonical.decode(files[path]) | members)

    return change


def forge_body(case: Case, files: dict[str, bytes]) -> None:
    path = place(case.stream, "bodies", 3)
    files[path] = canonical.encode({"act": "ANSWER", "body": {"by": "C"}})


def forge_body_and_entry(case: Case, files: dict[str, bytes]) -> None:
    forge_body(case, files)
    salt = bytes.fromhex(files[place(case.stream, "salts", 3)].decode())
    commitment = entry.commit(salt, files[place(case.stream, "bodies", 3)])
    forge_entry(3, body=commitment.hex())(case, files)


def forge_the_whole_chain(case: Case, files: dict[str, bytes]) -> None:
    forge_body_and_entry(case, files)
    for seq in (4, 5):
        leaf = entry.leaf_hash(files[place(case.stream, "entries", seq - 1)])
        forge_entry(seq, prev=leaf.hex())(case, files)


def swap_entries(case: Case, files: dict[str, bytes]) -> None:
    one, other = (place(case.stream, "entries", seq) for seq in (0, 3))
    files[one], files[other] = files[other], files[one]


def remove(kind: str, seq: int) -> Forgery:
    def change(case: Case, files: dict[str, bytes]) -> None:
        del files[place(case.stream, kind, seq)]

    return change


def cut_the_end(case: Case, files: dict[str, bytes]) -> None:
    for kind in ("entries", "bodies", "salts"):
        del files[place(case.stream, kind, 5)]
    about = json.loads(files["data/bundle.json"])
    about["streams"][0]["size"] = 5
    files["data/bundle.json"] = canonical.encode(about)


def swap_receipts(case: Case, files: dict[str, bytes]) -> None:
    one, other = (place(case.stream, "receipts", seq) for seq in (0, 3))
    files[one], files[other] = files[other], files[one]


def change_receipt(case: Case, files: dict[str, bytes]) -> None:
    path = place(case.stream, "receipts", 5)
    files[path] = files[path].replace(b"vault.example/2026", b"vault.example/2025")


def change_photo(case: Case, files: dict[str, bytes]) -> None:
    path = f"data/blobs/{case.photo}.jpg"
    files[path] = files[path][:-1] + b"!"


def change_photo_and_its_digests(case: Case, files: dict[str, bytes]) -> None:
    change_photo(case, files)
    data = files[f"data/blobs/{case.photo}.jpg"]
    forge_json(f"{case.photo}.json", sha256=sha256(data).hexdigest())(case, files)


def change_root(_case: Case, files: dict[str, bytes]) -> None:
    about = json.loads(files["data/bundle.json"])
    about["streams"][0]["records"][0]["root"] = merkle.EMPTY_ROOT.hex()
    files["data/bundle.json"] = canonical.encode(about)


def hide_root(_case: Case, files: dict[str, bytes]) -> None:
    about = json.loads(files["data/bundle.json"])
    about["streams"][0]["records"] = []
    files["data/bundle.json"] = canonical.encode(about)


def add_file(_case: Case, files: dict[str, bytes]) -> None:
    files["data/streams/more.txt"] = b"x"


def claim_a_million(_case: Case, files: dict[str, bytes]) -> None:
    about = json.loads(files["data/bundle.json"])
    about["streams"][0]["size"] = 2**50
    files["data/bundle.json"] = canonical.encode(about)


def unlist_photo(case: Case, files: dict[str, bytes]) -> None:
    about = json.loads(files["data/bundle.json"])
    about["blobs"] = [one for one in about["blobs"] if one != str(case.photo)]
    files["data/bundle.json"] = canonical.encode(about)
    del files[f"data/blobs/{case.photo}.jpg"]


FORGERIES: dict[str, tuple[Forgery, str, str]] = {
    "an entry's origin": (forge_entry(1, origin="vault.other/2026"), "000001.json", "origin"),
    "an entry's stream": (forge_entry(1, stream=str(UUID(int=1))), "000001.json", "stream"),
    "an entry's seq": (forge_entry(1, seq=2), "000001.json", "seq"),
    "an entry's prev": (forge_entry(1, prev="0" * 64), "000001.json", "prev"),
    "the first entry's prev": (forge_entry(0, prev="1" * 64), "000000.json", "prev"),
    "an entry's time": (forge_entry(1, time=1), "000001.note", "leaf hash"),
    "the last entry's time": (forge_entry(5, time=1), "000005.note", "leaf hash"),
    "an entry's commitment": (forge_entry(1, body="0" * 64), "000001.json", "binds"),
    "an entry's file": (
        forge_entry(1, blob={"sha256": "0" * 64, "size": 99}),
        ".json",
        "disagrees with entry 1",
    ),
    "an entry's type": (forge_entry(1, type="log"), "000001.json", "type"),
    "an entry's format": (forge_entry(1, format="vault-entry/v2"), "000001.json", "format"),
    "an entry's further member": (forge_entry(1, x=1), "000001.json", "other members"),
    "a body": (forge_body, "bodies/000003.json", "binds"),
    "a body and its entry": (forge_body_and_entry, "000004.json", "prev"),
    "a body, its entry and all links": (forge_the_whole_chain, "000005.note", "leaf hash"),
    "two entries swapped": (swap_entries, "000000.json", "seq"),
    "an entry removed": (remove("entries", 2), "000002.json", "missing"),
    "the end cut off": (cut_the_end, "000005.note", "not there"),
    "a salt removed": (remove("salts", 1), "000001.json", "lacks its salt"),
    "two receipts swapped": (swap_receipts, "000000.note", "seq"),
    "a receipt changed": (change_receipt, "000005.note", "signature"),
    "the last receipt removed": (remove("receipts", 5), "stream", "covers the entries after 4"),
    "a photo": (change_photo, ".json", "SHA-256"),
    "a photo and its digests": (change_photo_and_its_digests, ".json", "private body"),
    "a frozen root": (change_root, "entry 4", "another root"),
    "a frozen root hidden": (hide_root, "entry 4", "not listed"),
    "bundle.json's origin": (forge_json("bundle.json", origin="x"), "000000.json", "origin"),
    "bundle.json's format": (forge_json("bundle.json", format="x"), "bundle.json", "format"),
    "a file added": (add_file, "streams/more.txt", "no place"),
    "more entries than files": (claim_a_million, "bundle.json", "more entries"),
    "a photo's text left behind": (unlist_photo, ".json", "no place"),
}


@pytest.mark.parametrize("what", FORGERIES)
def test_a_forger_who_makes_the_manifests_anew_is_found(case: Case, tmp_path: Path, what: str):
    change, where, reason = FORGERIES[what]
    files = files_of(case.path)
    change(case, files)
    report = check(case, pack(files, tmp_path / "forged.zip"))
    assert report.code != reports.SOUND
    assert any(
        one.where.endswith(where) or where in one.where
        for one in report.findings
        if reason in one.what
    ), report.findings


def test_another_blob_key_is_found(case: Case, tmp_path: Path):
    files = files_of(case.path)
    path = f"data/blobs/{case.photo}.json"
    files[path] = canonical.encode(canonical.decode(files[path]) | {"key": "0" * 64})
    report = check(case, pack(files, tmp_path / "forged.zip"))
    assert any("encrypted SHA-256" in one.what for one in report.findings)
    assert report.code == reports.TAMPERED


async def test_a_forger_with_a_key_of_his_own_is_found(case: Case, tmp_path: Path):
    files = files_of(case.path)
    forge_the_whole_chain(case, files)
    forger = keys.local_signer(SIGNER, bytes(32))
    for seq in range(6):
        path = place(case.stream, "receipts", seq)
        leaf = entry.leaf_hash(files[place(case.stream, "entries", seq)])
        lines = files[path].decode().partition("\n\n")[0].split("\n")
        lines[4] = leaf.hex()
        said = "\n".join(lines) + "\n"
        files[path] = note.assemble(said, forger.key, await forger.sign(said.encode())).encode()
    report = check(case, pack(files, tmp_path / "forged.zip"))
    assert report.code == reports.TAMPERED  # the record that was closed betrays him
    assert any("none of the keys" in one.what for one in report.findings)
    assert any("covers the entries after -1" in one.what for one in report.findings)


def test_without_the_right_key_nothing_is_sound(case: Case):
    report = verify.verify(case.path, [keys.local_signer(SIGNER, bytes(32)).key])
    assert report.code == reports.UNUSABLE
    assert {one.kind for one in report.findings} == {Kind.MALFORMED}


def test_the_command_tells_and_exits(case: Case, capsys: pytest.CaptureFixture[str]):
    assert command.main(["verify", str(case.path), "--key", str(case.key)]) == 0
    told = capsys.readouterr().out
    assert told.endswith("SOUND\n")
    assert "10. 1 closed records and their roots: ok" in told
    case.path.write_bytes(case.path.read_bytes()[:-1])
    assert command.main(["verify", str(case.path), "--key", str(case.key)]) == 2
    assert "NOT SOUND" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="2"):
        command.main(["verify", str(case.path), "--key", "nonsense"])


def test_the_verifier_runs_alone_and_imports_little(case: Case):
    done = subprocess.run(
        [sys.executable, "-m", "evidence", "verify", str(case.path), "--key", str(case.key)],
        capture_output=True,
        check=False,
        cwd=Path(verify.__file__).parents[1],
    )
    assert (done.returncode, done.stderr) == (0, b"")
    program = (
        "import sys; before = set(sys.modules); sys.path[:0] = ['.']\n"
        "import evidence.verify, evidence.__main__, evidence.proof, evidence.tree\n"
        "tops = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(*sorted(tops - set(sys.stdlib_module_names)))"
    )
    found = subprocess.run(
        [sys.executable, "-I", "-c", program],
        capture_output=True,
        check=True,
        cwd=Path(verify.__file__).parents[1],
        text=True,
    )
    # The last two are parts of cryptography.
    assert set(found.stdout.split()) <= {"evidence", "cryptography", "_cffi_backend", "_openssl"}
