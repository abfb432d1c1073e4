"""What the audit finds after somebody who owns the machine changed a row or an object."""

from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from evidence import audit, keys
from evidence.report import Kind, Report
from evidence.store import DirectoryStore
from evidence.tombstone import Erased
from evidence.vault import Vault
from tests.evidence.cases import NOW, SIGNER, Case

SET = "UPDATE vault_entries SET {} WHERE stream = :stream AND seq = 1"

# {what: (statements, the row that is named, the field or words that are named)}
CHANGES = {
    "an entry's bytes": (SET.format("entry = set_byte(entry, 40, 65)"), "entries", "entry"),
    "its last byte": (SET.format("entry = entry || ' '::bytea"), "entries", "entry"),
    "its leaf": (SET.format("leaf = set_byte(leaf, 0, get_byte(leaf, 0) # 1)"), "entries", "leaf"),
    "its prev": (
        SET.format("prev = set_byte(prev, 31, get_byte(prev, 31) # 1)"), "entries", "prev",
    ),
    "its time": (SET.format("time = time + interval '1 microsecond'"), "entries", "time"),
    "its salt": (SET.format("salt = set_byte(salt, 9, get_byte(salt, 9) # 1)"), "entries", "salt"),
    "its body": (
        SET.format("body = jsonb_set(body, '{body,file}', '\"ganz.jpg\"')"), "entries", "body",
    ),
    "its act": (SET.format("body = jsonb_set(body, '{act}', '\"CONTEST\"')"), "entries", "body"),
    "its blob": (
        SET.format("blob = (SELECT id FROM vault_blobs WHERE id <> blob LIMIT 1)"),
        "entries", "blob",
    ),
    "its blob taken away": (SET.format("blob = NULL"), "entries", "blob"),
    "its number": (
        "UPDATE vault_entries SET seq = 99 WHERE stream = :stream AND seq = 1", "entries", "seq",
    ),
    "its stream": (
        "UPDATE vault_entries SET stream = :room, seq = 1 WHERE stream = :stream AND seq = 1",
        "entries", "stream",
    ),
    "an entry removed": (
        "DELETE FROM vault_entries WHERE stream = :stream AND seq = 1", "entries", "missing",
    ),
    "the last entry removed": (
        "DELETE FROM vault_entries WHERE stream = :stream AND seq = 5", "streams", "size",
    ),
    "the last entry removed and the stream shortened": (
        (
            "DELETE FROM vault_entries WHERE stream = :stream AND seq = 5;"
            "UPDATE vault_streams s SET size = 5, head = e.leaf FROM vault_entries e"
            " WHERE id = :stream AND e.stream = s.id AND e.seq = 4"
        ),
        "receipts", "belongs to nothing",
    ),
    "a stream's size": ("UPDATE vault_streams SET size = 7 WHERE id = :stream", "streams", "size"),
    "a stream's head": (
        "UPDATE vault_streams SET head = sha256('x') WHERE id = :stream", "streams", "head",
    ),
    "a stream's id": (
        "UPDATE vault_streams SET id = :other WHERE id = :stream", "entries", "nothing",
    ),
    "a receipt's text": (
        "UPDATE vault_receipts SET note = replace(note, '2026', '2025') WHERE stream = :stream",
        "receipts", "signature",
    ),
    "a receipt for another entry": (
        (
            "UPDATE vault_receipts r SET note = o.note FROM vault_receipts o"
            " WHERE r.stream = :stream AND r.seq = 1 AND o.stream = :stream AND o.seq = 2"
        ),
        "receipts", "another entry",
    ),
    "a receipt that is none": (
        "UPDATE vault_receipts SET note = 'x' WHERE stream = :stream", "receipts", "note",
    ),
    "a receipt's number": (
        "UPDATE vault_receipts SET seq = 9 WHERE stream = :stream AND seq = 5",
        "receipts", "nothing",
    ),
}  # fmt: skip

BLOB = "UPDATE vault_blobs SET {} WHERE id = :photo"
BLOB_CHANGES = {
    "sha256": "sha256 = sha256('x')",
    "sha512": "sha512 = sha512('x')",
    "size": "size = size - 1",
    "media_type": "media_type = 'image/png'",
    "cipher_sha256": "cipher_sha256 = sha256('x')",
    "cipher_size": "cipher_size = cipher_size + 1",
    "wrapped_key": "wrapped_key = set_byte(wrapped_key, 3, get_byte(wrapped_key, 3) # 1)",
    "key_id": "key_id = 'nonsense'",
    "store_key": "store_key = 'blobs/other'",
    "store_version": "store_version = repeat('0', 32)",
    "state": "state = 'stored', retained_at = NULL",
    "retained_until": "retained_until = retained_until + interval '1 year'",
}


async def audited(engine: AsyncEngine, vault: Vault) -> Report:
    async with engine.connect() as conn:
        return await audit.audit(conn, vault)


async def change(conn: AsyncConnection, sql: str, case: Case) -> None:
    """Change rows as whoever owns the machine can: triggers and foreign keys switched off."""
    await conn.execute(text("SET session_replication_role = replica"))
    values = {"stream": case.stream, "room": case.room, "photo": case.photo, "other": uuid4()}
    for statement in sql.split(";"):
        used = {name: value for name, value in values.items() if f":{name}" in statement}
        done = await conn.execute(text(statement), used)
        assert done.rowcount > 0


@pytest.fixture
async def retained(case: Case, engine: AsyncEngine) -> Case:
    async with engine.begin() as conn:
        for blob in await case.vault.unretained_blobs(conn):
            await case.vault.retain(blob)
            await case.vault.retained(conn, blob, at=NOW)
    return case


async def test_an_untouched_vault_is_sound(retained: Case, engine: AsyncEngine):
    report = await audited(engine, retained.vault)
    assert report.findings == []
    assert report.unchecked == []
    assert [one.partition(" ")[2].partition(" ")[0] for one in report.checked] == [
        "7",
        "0",
        "2",
        "0",
    ]


async def test_every_changed_entry_stream_and_receipt_is_named(
    retained: Case, engine: AsyncEngine, intruder: AsyncEngine
):
    for what, (sql, table, words) in CHANGES.items():
        async with intruder.connect() as conn:
            await change(conn, sql, retained)
            report = await audit.audit(conn, retained.vault)
            await conn.rollback()
        named = [one for one in report.findings if one.where.startswith(f"vault_{table} ")]
        assert any(words in one.what for one in named), (what, report.findings)
    assert (await audited(engine, retained.vault)).findings == []


async def test_every_changed_blob_row_is_named(
    retained: Case, engine: AsyncEngine, intruder: AsyncEngine
):
    for column, sql in BLOB_CHANGES.items():
        async with intruder.connect() as conn:
            await change(conn, BLOB.format(sql), retained)
            report = await audit.audit(conn, retained.vault)
            await conn.rollback()
        named = [one for one in report.findings if one.where == f"vault_blobs {retained.photo}"]
        assert any(column in one.what for one in named), (column, report.findings)
    assert (await audited(engine, retained.vault)).findings == []


async def test_every_changed_object_in_the_store_is_named(
    retained: Case, engine: AsyncEngine, store: DirectoryStore
):
    where = f"vault_blobs {retained.photo}"
    path = await object_of(retained, engine, store)
    whole = path.read_bytes()
    for at in (0, 500, len(whole) - 1):
        changed = bytearray(whole)
        changed[at] ^= 1
        path.write_bytes(changed)
        assert where in {one.where for one in (await audited(engine, retained.vault)).findings}
    for other in (whole[:-1], whole + b"x", b""):
        path.write_bytes(other)
        assert where in {one.where for one in (await audited(engine, retained.vault)).findings}
    path.unlink()
    assert where in {one.where for one in (await audited(engine, retained.vault)).findings}
    path.write_bytes(whole)
    assert (await audited(engine, retained.vault)).findings == []


async def test_a_retention_that_was_shortened_is_named(
    retained: Case, engine: AsyncEngine, store: DirectoryStore
):
    path = await object_of(retained, engine, store)
    note = store._retention / path.relative_to(store._objects)
    note.write_text((NOW - timedelta(days=1)).isoformat())
    report = await audited(engine, retained.vault)
    assert [one.what for one in report.findings] == [
        "retained_until: the store's retention is shorter"
    ]


async def object_of(case: Case, engine: AsyncEngine, store: DirectoryStore) -> Path:
    async with engine.connect() as conn:
        blob = await case.vault.find_blob(conn, case.photo)
    return store._objects / f"{blob.store_key}@{blob.store_version}"


async def test_a_history_rewritten_without_the_receipt_key_is_found(
    retained: Case, engine: AsyncEngine, intruder: AsyncEngine
):
    forger = Vault(
        origin=retained.vault.origin,
        store=retained.vault.store,
        keyring=retained.vault.keyring,
        receipt_signer=keys.local_signer(SIGNER, bytes(32)),
    )
    async with intruder.begin() as conn:
        await change(conn, "DELETE FROM vault_receipts WHERE stream = :room", retained)
        await change(conn, "DELETE FROM vault_unlogged WHERE stream = :room", retained)
        await change(conn, "DELETE FROM vault_entries WHERE stream = :room", retained)
        await change(conn, "DELETE FROM vault_streams WHERE id = :room", retained)
    async with engine.begin() as conn:
        done = await forger.begin(conn, retained.room, act="WHISPER", body={"secret": 8}, at=NOW)
        await forger.store_receipts(conn, [await forger.sign(done)])
    report = await audited(engine, retained.vault)
    assert [(one.where, one.what) for one in report.findings] == [
        (f"vault_receipts {retained.room} 0", "note: is not signed by the vault's key")
    ]


async def test_erased_entries_and_missing_receipts_are_told_not_accused(
    retained: Case, engine: AsyncEngine, intruder: AsyncEngine
):
    async with engine.begin() as conn:
        await retained.vault.erase(
            conn,
            retained.room,
            Erased("court_order", "administrator", (0,)),
            act="ERASE",
            body=lambda _: {},
            at=NOW,
        )
    async with engine.begin() as conn:
        await retained.vault.destroy(conn, retained.room, 1)
    async with intruder.begin() as conn:
        await change(conn, "DELETE FROM vault_receipts WHERE stream = :room", retained)
    report = await audited(engine, retained.vault)
    assert report.findings == []
    assert len(report.unchecked) == 2


async def test_an_entry_in_another_form_is_malformed_and_named(
    engine: AsyncEngine, intruder: AsyncEngine, vault: Vault
):
    stream: UUID = uuid4()
    async with engine.begin() as conn:
        await vault.begin(conn, stream, act="FILE", body={}, at=NOW)
    async with intruder.begin() as conn:
        await conn.execute(text("SET session_replication_role = replica"))
        await conn.execute(
            text("UPDATE vault_entries SET entry = 'x', leaf = sha256('\\x0078'::bytea)")
        )
        await conn.execute(text("UPDATE vault_streams SET head = sha256('\\x0078'::bytea)"))
    report = await audited(engine, vault)
    assert [(one.kind, one.where) for one in report.findings] == [
        (Kind.MALFORMED, f"vault_entries {stream} 0")
    ]
