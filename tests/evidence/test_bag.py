"""Bags: hostile ZIPs, paths and manifests."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from evidence import bag, verify
from evidence import report as reports
from evidence.errors import Malformed
from evidence.vault import Vault


def hostile(change: Callable[[zipfile.ZipFile], None]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("case-7/bagit.txt", bag.DECLARATION)
        change(made)
    return file.getvalue()


HOSTILE = {
    "no ZIP at all": b"not a ZIP",
    "nothing": b"",
    "an empty ZIP": b"PK\x05\x06" + bytes(18),
    "a bomb": hostile(
        lambda made: made.writestr("case-7/data/x", bytes(2**24), zipfile.ZIP_DEFLATED)
    ),
    "a path that climbs out": hostile(lambda made: made.writestr("case-7/../../etc/passwd", "x")),
    "an absolute path": hostile(lambda made: made.writestr("/etc/passwd", "x")),
    "a backslash": hostile(lambda made: made.writestr("case-7\\..\\x", "x")),
    "two folders": hostile(lambda made: made.writestr("other/x", "x")),
    "a file beside the folder": hostile(lambda made: made.writestr("x", "x")),
    "a folder's own member": hostile(lambda made: made.mkdir("case-7/data")),
    "a remark": hostile(lambda made: setattr(made, "comment", b"hello")),
}


@pytest.mark.parametrize("what", HOSTILE)
async def test_a_hostile_zip_is_malformed(tmp_path: Path, what: str, vault: Vault):
    path = tmp_path / "hostile.zip"
    path.write_bytes(HOSTILE[what])
    report = verify.verify(path, [vault.receipt_key])
    assert report.code == reports.UNUSABLE
    assert report.checked == []


@pytest.mark.filterwarnings("ignore:Duplicate name")
async def test_a_member_twice_is_malformed(tmp_path: Path, vault: Vault):
    path = tmp_path / "hostile.zip"
    path.write_bytes(hostile(lambda made: made.writestr("case-7/bagit.txt", "x")))
    assert verify.verify(path, [vault.receipt_key]).code == reports.UNUSABLE


async def test_a_bundle_that_is_not_there_is_unusable(tmp_path: Path, vault: Vault):
    assert verify.verify(tmp_path / "none.zip", [vault.receipt_key]).code == reports.UNUSABLE
    (tmp_path / "empty").mkdir()
    assert verify.verify(tmp_path / "empty", [vault.receipt_key]).code == reports.UNUSABLE


async def test_a_link_in_a_folder_is_malformed(tmp_path: Path, vault: Vault):
    (tmp_path / "bag").mkdir()
    (tmp_path / "bag" / "bagit.txt").symlink_to("/etc/passwd")
    assert verify.verify(tmp_path / "bag", [vault.receipt_key]).code == reports.UNUSABLE


@pytest.mark.parametrize(
    "path", ["", "/a", "../a", "a/..", "a//b", ".a", "a\\b", "a b", "a\n", "ä"]
)
def test_a_bag_takes_only_plain_paths(tmp_path: Path, path: str):
    with bag.Writer(tmp_path / "x.zip", "x") as writer, pytest.raises(Malformed):
        writer.add(path, b"x")
    assert not list(tmp_path.iterdir())


def test_a_bag_takes_a_path_once_and_its_announced_size(tmp_path: Path):
    with bag.Writer(tmp_path / "x.zip", "x") as writer:
        writer.add("a", b"x")
        with pytest.raises(Malformed):
            writer.add("a", b"x")
    for data in (b"x", b"xyz"):
        with (
            bag.Writer(tmp_path / "x.zip", "x") as writer,
            pytest.raises(Malformed),
            writer.open("a", 2) as file,
        ):
            file.write(data)


GOOD_MANIFEST = b"0" * 64 + b"  data/a\n" + b"1" * 64 + b"  data/b\n"


@pytest.mark.parametrize(
    "data",
    [
        GOOD_MANIFEST[:-1],
        GOOD_MANIFEST.replace(b"  ", b" "),
        GOOD_MANIFEST.replace(b"0", b"A"),
        GOOD_MANIFEST + b"\n",
        GOOD_MANIFEST.replace(b"data/b", b"data/a"),
        GOOD_MANIFEST.replace(b"data/b", b"data/../b"),
        GOOD_MANIFEST[73:] + GOOD_MANIFEST[:73],
        GOOD_MANIFEST.replace(b"data/b", b"data/\xc3\xa4"),
    ],
)
def test_a_manifest_in_another_spelling_is_malformed(data: bytes):
    assert len(bag.read_manifest(GOOD_MANIFEST)) == 2
    with pytest.raises(Malformed):
        bag.read_manifest(data)
