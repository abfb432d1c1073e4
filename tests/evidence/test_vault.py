import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from evidence import canonical, entry, merkle, receipt
from evidence.chain import Appended
from evidence.errors import Malformed, StreamExists, StreamMissing
from evidence.keys import LocalKeys
from evidence.store import DirectoryStore
from evidence.vault import Vault

NOON = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)


async def entries_of(engine: AsyncEngine, stream: UUID) -> list[entry.Entry]:
    async with engine.connect() as conn:
        rows = await conn.execute(
            text("SELECT entry FROM vault_entries WHERE stream = :s ORDER BY seq"), {"s": stream}
        )
        return [entry.decode(data) for (data,) in rows]


async def test_entries_of_one_transaction_chain(engine: AsyncEngine, vault: Vault):
    stream = uuid4()
    async with engine.begin() as conn:
        await vault.create_stream(conn, stream)
        first = await vault.append(conn, stream, act="FILE", body={"who": "buyer"}, at=NOON)
        second = await vault.append(conn, stream, act="CONTEST", body={}, at=NOON)
    assert (first.entry.seq, second.entry.seq) == (0, 1)
    assert first.entry.prev == bytes(32)
    assert second.entry.prev == first.leaf
    assert await entries_of(engine, stream) == [first.entry, second.entry]


async def test_a_stream_begins_with_its_first_entry_and_goes_on(engine: AsyncEngine, vault: Vault):
    stream = uuid4()
    async with engine.begin() as conn:
        first = await vault.begin(conn, stream, act="FILE", body={}, at=NOON)
        second = await vault.append(conn, stream, act="CONTEST", body={}, at=NOON)
    assert first.entry.seq == 0
    assert second.entry.prev == first.leaf
    assert len(await entries_of(engine, stream)) == 2


async def test_a_stream_is_made_once(engine: AsyncEngine, vault: Vault):
    stream = uuid4()
    async with engine.begin() as conn:
        await vault.create_stream(conn, stream)
        with pytest.raises(StreamExists):
            await vault.create_stream(conn, stream)
        with pytest.raises(StreamExists):
            await vault.begin(conn, stream, act="FILE", body={}, at=NOON)


async def test_a_stream_that_is_not_there_takes_nothing(engine: AsyncEngine, vault: Vault):
    async with engine.begin() as conn:
        with pytest.raises(StreamMissing):
            await vault.append(conn, uuid4(), act="FILE", body={}, at=NOON)
        with pytest.raises(StreamMissing):
            await vault.root(conn, uuid4())
        with pytest.raises(StreamMissing):
            await vault.close(conn, uuid4(), act="CLOSE", body={}, at=NOON)


async def test_an_entry_falls_with_its_act(engine: AsyncEngine, vault: Vault):
    stream = uuid4()
    async with engine.begin() as conn:
        await vault.create_stream(conn, stream)
    async with engine.connect() as conn:
        await vault.append(conn, stream, act="FILE", body={}, at=NOON)
        await conn.rollback()
    async with engine.begin() as conn:
        done = await vault.append(conn, stream, act="FILE", body={}, at=NOON)
    assert done.entry.seq == 0


async def test_concurrent_appends_to_one_stream_are_serialised(engine: AsyncEngine, vault: Vault):
    stream = uuid4()
    async with engine.begin() as conn:
        await vault.create_stream(conn, stream)

    async def add(number: int) -> None:
        async with engine.begin() as conn:
            await vault.append(conn, stream, act="SAY", body={"n": number}, at=NOON)
            await asyncio.sleep(0)
            await vault.append(conn, stream, act="SAY", body={"n": number}, at=NOON)

    for _ in range(8):
        await asyncio.gather(*(add(number) for number in range(12)))
    found = await entries_of(engine, stream)
    assert [one.seq for one in found] == list(range(192))
    prev = bytes(32)
    for one in found:
        assert one.prev == prev
        prev = merkle.leaf_hash(entry.encode(one))


async def test_streams_do_not_wait_for_each_other(engine: AsyncEngine, vault: Vault):
    one, other = uuid4(), uuid4()
    async with engine.begin() as first, engine.begin() as second:
        await first.execute(text("SET LOCAL lock_timeout = '2s'"))
        await second.execute(text("SET LOCAL lock_timeout = '2s'"))
        await vault.begin(first, one, act="FILE", body={}, at=NOON)
        await vault.begin(second, other, act="FILE", body={}, at=NOON)
        await vault.append(first, one, act="SAY", body={}, at=NOON)
        await vault.append(second, other, act="SAY", body={}, at=NOON)


async def test_the_private_body_is_bound_by_the_entry(engine: AsyncEngine, vault: Vault):
    stream = uuid4()
    said = {"text": "Kaputt: 坏了 \U0001f4e6", "z": [1, None, True], "A": {"\u20ac": -5}}
    async with engine.begin() as conn:
        done = await vault.begin(conn, stream, act="FILE", body=said, at=NOON)
        row = (
            await conn.execute(
                text("SELECT salt, body FROM vault_entries WHERE stream = :s"), {"s": stream}
            )
        ).one()
    from_database = entry.commit(row.salt, canonical.encode(row.body))
    assert from_database == done.entry.body
    assert row.body == {"act": "FILE", "body": said}


@pytest.mark.parametrize(
    "body", [{"n": 1.5}, {"n": 2**53}, {"t": "a\0b"}, {"t": "\ud800"}, {1: "n"}, {"t": {1, 2}}]
)
async def test_a_body_without_canonical_json_is_malformed(
    engine: AsyncEngine, vault: Vault, body: dict
):
    async with engine.begin() as conn:
        with pytest.raises(Malformed):
            await vault.begin(conn, uuid4(), act="FILE", body=body, at=NOON)


async def test_a_backslash_before_u0000_is_text_and_kept(engine: AsyncEngine, vault: Vault):
    async with engine.begin() as conn:
        await vault.begin(conn, uuid4(), act="FILE", body={"t": "\\u0000"}, at=NOON)


async def test_a_time_without_zone_is_malformed(engine: AsyncEngine, vault: Vault):
    async with engine.begin() as conn:
        with pytest.raises(Malformed):
            await vault.begin(conn, uuid4(), act="A", body={}, at=NOON.replace(tzinfo=None))


async def test_the_root_is_that_of_the_leaves(engine: AsyncEngine, vault: Vault):
    stream = uuid4()
    async with engine.begin() as conn:
        await vault.create_stream(conn, stream)
        assert (await vault.root(conn, stream)).hash == merkle.EMPTY_ROOT
        leaves = [
            (await vault.append(conn, stream, act="SAY", body={"n": n}, at=NOON)).leaf
            for n in range(5)
        ]
        root = await vault.root(conn, stream)
        assert (root.size, root.hash) == (5, merkle.root(leaves))
        assert (await vault.root(conn, stream, 3)).hash == merkle.root(leaves[:3])
        with pytest.raises(ValueError, match="not as many"):
            await vault.root(conn, stream, 6)


async def test_closing_freezes_the_root_in_the_entry_that_follows(
    engine: AsyncEngine, vault: Vault
):
    stream = uuid4()
    async with engine.begin() as conn:
        first = await vault.begin(conn, stream, act="FILE", body={}, at=NOON)
        root, closing = await vault.close(conn, stream, act="CLOSE_RECORD", body={}, at=NOON)
        await vault.append(conn, stream, act="RULE", body={}, at=NOON)
        assert await vault.root(conn, stream, root.size) == root
        row = await conn.execute(
            text("SELECT body FROM vault_entries WHERE stream = :s AND seq = 1"), {"s": stream}
        )
        body = row.scalar_one()
    assert (root.size, root.hash) == (1, merkle.root([first.leaf]))
    assert closing.entry.seq == 1
    assert body["record"] == {"root": root.hash.hex(), "size": 1}


async def test_a_receipt_is_signed_stored_and_no_longer_pending(engine: AsyncEngine, vault: Vault):
    stream = uuid4()
    since = NOON - timedelta(seconds=1)
    async with engine.begin() as conn:
        done = await vault.begin(conn, stream, act="FILE", body={}, at=NOON)
    async with engine.begin() as conn:
        assert done in await vault.pending_receipts(conn, since=since)
        signed = await vault.sign(done)
        await vault.store_receipts(conn, [signed])
        await vault.store_receipts(conn, [signed])
        assert done not in await vault.pending_receipts(conn, since=since)
    said, by = receipt.verify(signed.note.encode(), [vault.receipt_key])
    assert by == (vault.receipt_key,)
    assert (said.stream, said.seq, said.leaf, said.latest) == (stream, 0, done.leaf, 0)


async def test_a_receipt_promises_the_log_where_there_is_one(
    store: DirectoryStore, vault_keys: LocalKeys
):
    vault = Vault(
        origin="vault.example",
        store=store,
        keyring=vault_keys.keyring(),
        receipt_signer=vault_keys.signer("vault.example/receipts"),
        merge_delay=timedelta(hours=1),
    )
    one = entry.Entry("vault.example/2026", uuid4(), 0, bytes(32), NOON, bytes(32))
    signed = await vault.sign(Appended(one, entry.leaf_hash(entry.encode(one)), NOON))
    said, _ = receipt.verify(signed.note.encode(), [vault.receipt_key])
    assert said.latest - said.time == 3_600_000_000


LOGGED = """
WITH log AS (
    INSERT INTO vault_logs VALUES ('v/2026', NULL, 2, 1, sha256(''), 'a note', now())
) INSERT INTO vault_leaves VALUES ('v/2026', 0, :s, 0)
"""

CHANGES = [
    "UPDATE vault_entries SET leaf = sha256('x') WHERE stream = :s",
    "UPDATE vault_entries SET entry = 'x' WHERE stream = :s",
    "UPDATE vault_entries SET prev = sha256('x') WHERE stream = :s",
    "UPDATE vault_entries SET time = now() WHERE stream = :s",
    "UPDATE vault_entries SET recorded = now() WHERE stream = :s",
    "UPDATE vault_entries SET body = '{}' WHERE stream = :s",
    "UPDATE vault_entries SET salt = NULL WHERE stream = :s",
    "DELETE FROM vault_entries WHERE stream = :s",
    "UPDATE vault_streams SET size = 0 WHERE id = :s",
    "DELETE FROM vault_streams WHERE id = :s",
    "UPDATE vault_receipts SET note = 'x' WHERE stream = :s",
    "DELETE FROM vault_receipts WHERE stream = :s",
    "TRUNCATE vault_entries CASCADE",
    "UPDATE vault_logs SET assigned = 0",
    "UPDATE vault_logs SET root = sha256('x')",
    "UPDATE vault_logs SET size = 2, origin = 'x'",
    "DELETE FROM vault_logs",
    "UPDATE vault_leaves SET index = 7",
    "DELETE FROM vault_leaves",
    "TRUNCATE vault_logs CASCADE",
]


@pytest.mark.parametrize("role", ["service", "superuser"])
async def test_what_is_written_stays(
    engine: AsyncEngine, intruder: AsyncEngine, vault: Vault, role: str
):
    stream = uuid4()
    async with engine.begin() as conn:
        done = await vault.begin(conn, stream, act="FILE", body={}, at=NOON)
        await vault.store_receipts(conn, [await vault.sign(done)])
        await conn.execute(text(LOGGED), {"s": stream})
    for change in CHANGES:
        values = {"s": stream} if ":s" in change else {}
        async with (engine if role == "service" else intruder).connect() as conn:
            with pytest.raises(
                DBAPIError, match=r"permission denied|append-only|may only|only grows"
            ):
                await conn.execute(text(change), values)


async def test_an_entry_may_be_erased_but_not_filled_again(engine: AsyncEngine, vault: Vault):
    stream = uuid4()
    async with engine.begin() as conn:
        await vault.begin(conn, stream, act="FILE", body={}, at=NOON)
        await conn.execute(
            text("UPDATE vault_entries SET salt = NULL, body = NULL WHERE stream = :s"),
            {"s": stream},
        )
    async with engine.connect() as conn:
        with pytest.raises(DBAPIError, match="may only be erased"):
            await conn.execute(
                text("UPDATE vault_entries SET salt = sha256('x'), body = '{}' WHERE stream = :s"),
                {"s": stream},
            )
