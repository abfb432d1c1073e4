"""What is erased is gone for good, says so, and everything else still verifies."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from evidence import attestation, audit, bundle, likeness, tombstone, verify
from evidence import body as bodies
from evidence.body import Body
from evidence.errors import Erased as ErasedError
from evidence.errors import Malformed, Retained, Tampered
from evidence.report import Kind
from evidence.tombstone import SOURCES, Erased, Ground
from tests.evidence.cases import NOW, PHOTO, check, files_of, pack, place

LATER = NOW + timedelta(days=90)
SAID = (
    "erased on 2027-02-20 on the ground court_order"
    " (a court or an authority ordered it) by the administrator, as entry 6 of stream {}"
)
ONE, TWO = sorted([uuid4(), uuid4()])


@pytest.mark.parametrize(
    "erased",
    [
        Erased("court_order", "administrator", (0,), ()),
        Erased("retention_over", "service", (), (ONE, TWO)),
        *(Erased(ground, "service", (1, 5), (ONE,)) for ground in Ground),
        Erased("a_ground_of_next_year", "service", (1,)),
    ],
)
def test_a_tombstone_comes_back_as_it_was_written(erased):
    assert bodies.decode(bodies.encode(Body("ERASE", {}, erased=erased))).erased == erased
    assert tombstone.sentence(erased, LATER).startswith("erased on 2027-02-20 on the ground ")


GOOD_MEMBERS = {"blobs": [str(ONE)], "by": "service", "entries": [1, 2], "ground": "court_order"}


@pytest.mark.parametrize(
    "change",
    [
        {"blobs": [str(TWO), str(ONE)]}, {"blobs": [str(ONE)] * 2}, {"blobs": [str(ONE).upper()]},
        {"blobs": None}, {"blobs": {}}, {"entries": [2, 1]}, {"entries": [1, 1]},
        {"entries": [-1]}, {"entries": ["1"]}, {"entries": [True]}, {"entries": "1"},
        {"by": ""}, {"by": "Service"}, {"by": None}, {"by": "a" * 41}, {"ground": "no ground"},
        {"ground": 1}, {"ground": ""}, {"more": 1}, {"entries": [], "blobs": []},
        {"entries": list(range(1001))},
    ],
)  # fmt: skip
def test_a_tombstone_in_another_form_is_malformed(change):
    with pytest.raises(Malformed):
        tombstone.read(GOOD_MEMBERS | change)


@pytest.mark.parametrize("name", GOOD_MEMBERS)
def test_a_tombstone_lacks_nothing(name):
    members = dict(GOOD_MEMBERS)
    del members[name]
    with pytest.raises(Malformed):
        tombstone.read(members)


def test_every_ground_has_its_source():
    assert set(SOURCES) == set(Ground)
    assert all(ground.meaning for ground in Ground)


async def bury(engine, case, erased: Erased, stream: UUID | None = None) -> int:
    async with engine.begin() as conn:
        done = await case.vault.erase(
            conn, stream or case.stream, erased, act="ERASE", body=lambda _: {}, at=LATER
        )
    return done.entry.seq


async def destroy(engine, case, seq: int, stream: UUID | None = None) -> None:
    async with engine.begin() as conn:
        await case.vault.destroy(conn, stream or case.stream, seq)


def photo(case) -> Erased:
    """The second entry and its file."""
    return Erased("court_order", "administrator", (1,), (case.photo,))


async def audited(engine, vault):
    async with engine.connect() as conn:
        return await audit.audit(conn, vault)


async def export(engine, case, path):
    async with engine.connect() as conn:
        contents = await bundle.collect(conn, [case.stream, case.room])
    await bundle.write(case.vault, contents, path, name="case-7", made=LATER)
    return path


async def row_of(engine, blob: UUID):
    async with engine.connect() as conn:
        found = text("SELECT wrapped_key FROM vault_blobs WHERE id = :id")
        return (await conn.execute(found, {"id": blob})).scalar_one()


async def test_an_erased_file_and_body_are_gone_and_all_else_still_verifies(case, engine, tmp_path):
    before = files_of(case.path)
    assert PHOTO in before.values()
    seq = await bury(engine, case, photo(case))
    assert seq == 6
    await destroy(engine, case, seq)
    report = await audited(engine, case.vault)
    assert report.findings == []
    said = SAID.format(case.stream) + " says"
    assert f"the private body of entry 1 of stream {case.stream}: {said}" in report.unchecked
    assert f"the content of vault_blobs {case.photo}: {said}" in report.unchecked
    path = await export(engine, case, tmp_path / "after.zip")
    after = files_of(path)
    assert PHOTO not in after.values()
    assert place(case.stream, "bodies", 1) in before
    for kind in ("bodies", "salts"):
        assert place(case.stream, kind, 1) not in after
    for kind in ("entries", "receipts"):
        assert after[place(case.stream, kind, 1)] == before[place(case.stream, kind, 1)]
    found = verify.verify(path, [case.key])
    assert [one for one in found.findings if one.kind is Kind.TAMPERED] == []
    assert f"what entry 1 of stream {case.stream} says: {said}" in found.unchecked
    assert not any("withheld or erased" in each for each in found.unchecked)


async def test_what_a_tombstone_names_is_shown_to_nobody_before_it_is_destroyed_either(
    case, engine, tmp_path
):
    places = [(case.stream, 1), (case.stream, 2)]

    async def attested():
        async with engine.connect() as conn:
            return await attestation.read(conn, case.vault, places)

    (before, other) = await attested()
    assert b"kaputt.jpg" in before.body
    await bury(engine, case, photo(case))
    (after, same) = await attested()
    assert (after.body, after.salt) == (None, None)
    assert (after.entry, after.receipt, same) == (before.entry, before.receipt, other)
    path = await export(engine, case, tmp_path / "between.zip")
    files = files_of(path)
    assert place(case.stream, "bodies", 1) not in files
    assert place(case.stream, "salts", 1) not in files
    assert PHOTO not in files.values()
    found = verify.verify(path, [case.key])
    assert [one for one in found.findings if one.kind is Kind.TAMPERED] == []
    said = SAID.format(case.stream) + " says"
    assert f"what entry 1 of stream {case.stream} says: {said}" in found.unchecked


async def test_a_bundle_from_before_still_verifies(case, engine):
    await destroy(engine, case, await bury(engine, case, photo(case)))
    assert check(case).findings == []


async def test_a_file_alone_can_be_erased_and_what_was_said_of_it_stays(case, engine, tmp_path):
    erased = Erased("unlawful_content", "administrator", (), (case.photo,))
    await destroy(engine, case, await bury(engine, case, erased))
    path = await export(engine, case, tmp_path / "after.zip")
    after = files_of(path)
    assert b"kaputt.jpg" in after[place(case.stream, "bodies", 1)]
    found = verify.verify(path, [case.key])
    assert [one for one in found.findings if one.kind is Kind.TAMPERED] == []
    told = f"the file of stream {case.stream} entry 1: erased on 2027-02-20 on the ground"
    assert any(each.startswith(f"{told} unlawful_content") for each in found.unchecked)
    assert (await audited(engine, case.vault)).findings == []


async def test_an_erased_file_cannot_be_read_though_its_ciphertext_lies_under_retention(
    case, engine
):
    async with engine.connect() as conn:
        blob = await case.vault.find_blob(conn, case.photo)
    until = LATER + timedelta(days=3650)
    await case.vault.store.retain(blob.store_key, blob.store_version, until)
    await destroy(engine, case, await bury(engine, case, photo(case)))
    with pytest.raises(Retained):
        await case.vault.store.delete(blob.store_key, blob.store_version, now=LATER)
    async with engine.connect() as conn:
        blob = await case.vault.find_blob(conn, case.photo)
    with pytest.raises(ErasedError):
        await anext(case.vault.open_blob(blob))
    stored = b"".join(
        [each async for each in case.vault.store.get(blob.store_key, blob.store_version)]
    )
    assert len(stored) == blob.ciphertext.size
    assert not any(PHOTO[at : at + 16] in stored for at in range(0, len(PHOTO), 5000))


async def test_nothing_is_destroyed_before_its_tombstone_is_committed(case, engine):
    with pytest.raises(ZeroDivisionError):
        async with engine.begin() as conn:
            await case.vault.erase(
                conn, case.stream, photo(case), act="ERASE", body=lambda _: {}, at=LATER
            )
            1 / 0  # noqa: B018 -- what goes wrong
    assert await row_of(engine, case.photo) is not None
    with pytest.raises(Malformed, match="is no tombstone"):
        await destroy(engine, case, 6)
    assert (await audited(engine, case.vault)).unchecked == []


async def test_a_crash_between_tombstone_and_destruction_is_told_and_made_good(case, engine):
    seq = await bury(engine, case, photo(case))
    report = await audited(engine, case.vault)
    assert report.findings == []
    assert f"entry 1 of stream {case.stream} is to be erased, and still there" in report.unchecked
    assert f"vault_blobs {case.photo} is to be erased, and still there" in report.unchecked
    with pytest.raises(ZeroDivisionError):
        async with engine.begin() as conn:
            await case.vault.destroy(conn, case.stream, seq)
            1 / 0  # noqa: B018 -- what goes wrong
    assert await row_of(engine, case.photo) is not None
    for _ in range(2):  # once more changes nothing
        await destroy(engine, case, seq)
        assert await row_of(engine, case.photo) is None
        assert (await audited(engine, case.vault)).findings == []


async def test_what_is_erased_twice_has_two_tombstones(case, engine):
    for _ in range(2):
        await destroy(engine, case, await bury(engine, case, photo(case)))
    assert (await audited(engine, case.vault)).findings == []


async def test_what_is_gone_without_a_tombstone_is_found(case, engine, intruder):
    async with intruder.begin() as conn:
        await conn.execute(text("UPDATE vault_blobs SET wrapped_key = NULL"))
        await conn.execute(
            text("UPDATE vault_entries SET salt = NULL, body = NULL WHERE stream = :s AND seq = 1"),
            {"s": case.stream},
        )
    found = [(one.where, one.what) for one in (await audited(engine, case.vault)).findings]
    assert (
        f"vault_entries {case.stream} 1", "salt, and body: gone, and no tombstone says why"
    ) in found  # fmt: skip
    assert (
        f"vault_blobs {case.photo}", "wrapped_key: gone, and no tombstone says why"
    ) in found  # fmt: skip


async def test_a_tombstone_of_one_does_not_excuse_another(case, engine, intruder):
    await destroy(engine, case, await bury(engine, case, photo(case)))
    async with intruder.begin() as conn:
        await conn.execute(
            text("UPDATE vault_entries SET salt = NULL, body = NULL WHERE stream = :s AND seq = 3"),
            {"s": case.stream},
        )
        await conn.execute(text("UPDATE vault_blobs SET wrapped_key = NULL"))
    found = [one.where for one in (await audited(engine, case.vault)).findings]
    assert f"vault_entries {case.stream} 3" in found
    assert f"vault_entries {case.stream} 1" not in found
    assert len(found) == 2


@pytest.mark.parametrize(
    ("entries", "why"),
    [((4,), "closed a record"), ((7,), "not there"), ((0, 9), "not there"), ((6,), "not there")],
)
async def test_what_has_to_stay_cannot_be_erased(case, engine, entries, why):
    with pytest.raises(Malformed, match=why):
        await bury(engine, case, Erased("court_order", "administrator", entries))


async def test_a_tombstone_cannot_be_erased(case, engine):
    seq = await bury(engine, case, photo(case))
    with pytest.raises(Malformed, match="neither a tombstone"):
        await bury(engine, case, Erased("court_order", "administrator", (seq,)))


async def test_only_a_tombstone_that_its_entry_binds_destroys(case, engine, intruder):
    seq = await bury(engine, case, photo(case))
    async with intruder.begin() as conn:
        await conn.execute(text("SET session_replication_role = replica"))
        await conn.execute(
            text(
                "UPDATE vault_entries SET body = jsonb_set(body, '{erased,entries}', '[1, 3]')"
                " WHERE stream = :s AND seq = :seq"
            ),
            {"s": case.stream, "seq": seq},
        )
    with pytest.raises(Tampered):
        await destroy(engine, case, seq)
    with pytest.raises(Malformed):
        await destroy(engine, case, 0)


async def test_a_bundle_whose_tombstone_names_what_comes_after_it_is_tampered_with(
    case, engine, tmp_path
):
    await destroy(engine, case, await bury(engine, case, photo(case)))
    files = files_of(await export(engine, case, tmp_path / "after.zip"))
    path = place(case.stream, "bodies", 6)
    assert b'"entries":[1]' in files[path]
    files[path] = files[path].replace(b'"entries":[1]', b'"entries":[9]')
    found = verify.verify(pack(files, tmp_path / "forged.zip"), [case.key])
    assert any(one.kind is Kind.TAMPERED and one.where in path for one in found.findings)
    with pytest.raises(Tampered):
        tombstone.Tombstones().put(case.stream, 6, Erased("court_order", "x", (6,)), LATER)


async def test_with_a_file_go_its_copies_hashes_and_findings(case, engine):
    copy = uuid4()
    async with engine.begin() as conn:
        await conn.execute(
            text(
                "INSERT INTO vault_blobs SELECT :copy, sha256, sha512, size, media_type,"
                " cipher_sha256, cipher_size, wrapped_key, key_id, 'blobs/copy', store_version,"
                " state, retained_until, retained_at, created FROM vault_blobs WHERE id = :blob"
            ),
            {"copy": copy, "blob": case.photo},
        )
        await conn.execute(
            text("INSERT INTO vault_derivatives VALUES (:blob, 'thumbnail', :copy, 10, 10)"),
            {"copy": copy, "blob": case.photo},
        )
        await conn.execute(
            text(
                "INSERT INTO vault_inspections (blob, state, flags, facts, tries, begun, ended)"
                ' VALUES (:blob, \'flagged\', \'[{"code": "x"}]\', \'{"place": "here"}\', 1,'
                " :at, :at)"
            ),
            {"blob": case.photo, "at": NOW},
        )
        await likeness.add(conn, case.photo, 0x0F0F0F0F0F0F0F0F)
    await destroy(engine, case, await bury(engine, case, photo(case)))
    assert await row_of(engine, copy) is None
    async with engine.connect() as conn:
        assert await likeness.near(conn, 0x0F0F0F0F0F0F0F0F) == []
        rows = (await conn.execute(text("SELECT flags, facts FROM vault_inspections"))).all()
    assert rows == [([], {})]


async def test_what_was_found_in_a_file_that_is_there_cannot_be_blanked(case, engine):
    async with engine.begin() as conn:
        await conn.execute(
            text(
                "INSERT INTO vault_inspections (blob, state, flags, facts, tries, begun, ended)"
                " VALUES (:blob, 'passed', '[]', '{\"place\": \"here\"}', 1, :at, :at)"
            ),
            {"blob": case.photo, "at": NOW},
        )
    with pytest.raises(Exception, match="an inspection that ended does not change"):
        async with engine.begin() as conn:
            await conn.execute(text("UPDATE vault_inspections SET facts = '{}'"))
