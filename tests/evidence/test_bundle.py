"""Bundles: what is in them, and what a stranger's program says of them."""

import zipfile
from pathlib import Path
from uuid import UUID, uuid4

import bagit
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from evidence import body, bundle
from evidence import report as reports
from evidence.errors import StreamMissing, Tampered
from evidence.store import DirectoryStore
from tests.evidence.cases import NOW, PHOTO, Case, check, files_of, place


async def test_a_bundle_is_sound(case: Case):
    report = check(case)
    assert report.findings == []
    assert report.code == reports.SOUND
    assert len(report.checked) == 11
    assert "7 entries" in report.checked[3]
    assert "7 private bodies" in report.checked[4]
    assert "2 files" in report.checked[5]
    assert "7 receipts" in report.checked[7]
    assert "0 proofs" in report.checked[8]
    assert "1 closed records" in report.checked[9]
    assert any("7 entries are in the log" in one for one in report.unchecked)
    assert any("record.pdf" in one for one in report.unchecked)


async def test_it_holds_the_files_byte_for_byte(case: Case):
    files = files_of(case.path)
    assert files[f"data/blobs/{case.photo}.jpg"] == PHOTO
    assert files["data/extra/graph/case.json"] == b"{}"


async def test_it_is_a_bag_to_the_library_of_congress(case: Case, tmp_path: Path):
    with zipfile.ZipFile(case.path) as found:
        found.extractall(tmp_path / "unpacked")
    folder = tmp_path / "unpacked" / "case-7"
    assert bagit.Bag(str(folder)).validate()
    report = check(case, folder)
    assert report.code == reports.SOUND
    (folder / "data" / "bundle.json").write_bytes(b"{}")
    assert check(case, folder).code == reports.TAMPERED


async def test_the_same_contents_make_the_same_bytes(
    case: Case, engine: AsyncEngine, tmp_path: Path
):
    async with engine.connect() as conn:
        contents = await bundle.collect(conn, [case.stream])
    paths = [tmp_path / "one.zip", tmp_path / "two.zip"]
    for path in paths:
        await bundle.write(case.vault, contents, path, name="x", made=NOW)
    assert paths[0].read_bytes() == paths[1].read_bytes()


async def test_withheld_bodies_leave_the_proofs_standing(
    case: Case, engine: AsyncEngine, tmp_path: Path
):
    def may_see(stream: UUID, seq: int, _body: body.Body) -> bool:
        return stream == case.stream and seq in {0, 2}

    async with engine.connect() as conn:
        contents = await bundle.collect(conn, [case.stream, case.room], may_see)
    path = tmp_path / "redacted.zip"
    await bundle.write(case.vault, contents, path, name="case-7", made=NOW)
    files = files_of(path)
    assert place(case.stream, "bodies", 1) not in files
    assert place(case.room, "salts", 0) not in files
    assert not any(str(case.photo) in name for name in files)
    report = check(case, path)
    assert report.code == reports.SOUND
    assert any("what 5 entries say" in one for one in report.unchecked)
    assert any("froze this root" in one for one in report.unchecked)


async def test_a_stream_that_is_not_there_makes_no_bundle(engine: AsyncEngine):
    async with engine.connect() as conn:
        with pytest.raises(StreamMissing):
            await bundle.collect(conn, [uuid4()])


async def test_a_changed_object_in_the_store_makes_no_bundle(
    case: Case, engine: AsyncEngine, store: DirectoryStore, tmp_path: Path
):
    async with engine.connect() as conn:
        contents = await bundle.collect(conn, [case.stream])
        blob = await case.vault.find_blob(conn, case.photo)
    path = store._objects / f"{blob.store_key}@{blob.store_version}"
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(data)
    path = tmp_path / "no.zip"
    with pytest.raises(Tampered):
        await bundle.write(case.vault, contents, path, name="x", made=NOW)
    assert not path.exists()
    assert not path.with_name("no.zip.part").exists()
