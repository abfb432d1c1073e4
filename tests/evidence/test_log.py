"""The log: every entry once, in one tree, whatever crashes; proved by files that lie on a store."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, BinaryIO
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event, text

from evidence import (
    audit,
    bundle,
    checkpoint,
    cosignature,
    keys,
    log,
    merkle,
    oversight,
    proof,
    shard,
    succession,
    tile,
    tree,
    verify,
)
from evidence import entry as entries
from evidence import report as reports
from evidence.errors import LogMissing, NotLogged, Tampered
from evidence.keys import Signer
from evidence.s3 import S3Store
from evidence.signature import MLDSA44_COSIGNATURE
from evidence.store import DirectoryStore, Store, Stored
from evidence.vault import Vault
from tests.evidence.cases import ORIGIN, SIGNER, files_of, pack, place

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
NEW_YEAR = datetime(2027, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
LOG = shard.name(ORIGIN, NOON)
KEYS = keys.generate("log", cosigners=["log"])


def signers(origin: str) -> list[Signer]:
    return [KEYS.signer("log").named(origin), KEYS.cosigner("log").named(origin)]


def verifiers(origin: str = LOG):
    return [one.key for one in signers(origin)]


@pytest.fixture(params=["directory", "s3"])
async def any_store(request, tmp_path) -> AsyncIterator[Store]:
    if request.param == "directory":
        yield DirectoryStore(tmp_path)
        return
    client, bucket = request.getfixturevalue("bucket")
    one = S3Store(client, bucket)
    await one.check(datetime.now(UTC))
    yield one
    one.close()


@pytest.fixture
def vault(tmp_path, vault_keys) -> Vault:
    return over(DirectoryStore(tmp_path / "store"), vault_keys)


def over(store: Store, vault_keys, origin: str = ORIGIN) -> Vault:
    return Vault(
        origin=origin,
        store=store,
        keyring=vault_keys.keyring(),
        receipt_signer=vault_keys.signer(SIGNER),
        log_signers=signers,
        merge_delay=timedelta(hours=1),
    )


async def append(
    engine, vault: Vault, count: int, *, at: datetime = NOON
) -> list[tuple[UUID, int]]:
    """So many entries in a new stream."""
    stream = uuid4()
    async with engine.begin() as conn:
        await vault.begin(conn, stream, act="act", body={"number": 0}, at=at)
        for number in range(1, count):
            at += timedelta(microseconds=1)
            await vault.append(conn, stream, act="act", body={"number": number}, at=at)
    return [(stream, seq) for seq in range(count)]


async def drain(engine, vault: Vault, now: datetime = NOON) -> None:
    while await log.sequence(engine, vault, now):
        pass


async def leaf_of(engine, stream: UUID, seq: int) -> bytes:
    async with engine.connect() as conn:
        asked = text("SELECT entry FROM vault_entries WHERE stream = :stream AND seq = :seq")
        data = (await conn.execute(asked, {"stream": stream, "seq": seq})).scalar_one()
    return entries.leaf_hash(data)


async def proven(engine, vault: Vault, stream: UUID, seq: int) -> proof.Proven:
    async with engine.connect() as conn:
        written = await log.prove(conn, vault.store, stream, seq)
        origin, _ = await log.place(conn, stream, seq)
    leaf = await leaf_of(engine, stream, seq)
    return proof.verify(written.encode(), leaf, verifiers(origin))


async def released(vault: Vault, origin: str = LOG) -> bytes:
    return await log.read(vault.store, origin, log.CHECKPOINT)


async def test_every_entry_is_proved_in_the_log(engine, any_store, vault_keys):
    vault = over(any_store, vault_keys, origin=f"{uuid4().hex}.example")
    origin = shard.name(vault.origin, NOON)
    known = await append(engine, vault, 3)
    await drain(engine, vault)
    known += await append(engine, vault, 300)
    await drain(engine, vault)

    said, by = checkpoint.verify(await released(vault, origin), verifiers(origin))
    assert (said.origin, said.size, len(by)) == (origin, 304, 2)  # with the one that opened it
    places = set()
    for stream, seq in [*known[:5], known[-1]]:
        found = await proven(engine, vault, stream, seq)
        assert found.checkpoint == said
        places.add(found.index)
    assert len(places) == 6


async def test_the_tree_is_that_of_the_entry_bundles(engine, vault):
    await append(engine, vault, 600)
    await drain(engine, vault)
    said, _ = checkpoint.verify(await released(vault), verifiers())
    found = []
    for one in tile.bundles(0, said.size, said.size):
        data = await log.read(vault.store, LOG, one.path)
        found += tile.decode_bundle(data, one.width)
    assert merkle.root([merkle.leaf_hash(one) for one in found]) == said.root


async def test_an_entry_that_no_checkpoint_covers_has_no_proof(engine, vault):
    ((stream, seq),) = await append(engine, vault, 1)
    async with engine.connect() as conn:
        with pytest.raises(NotLogged):
            await log.prove(conn, vault.store, stream, seq)
        with pytest.raises(LogMissing):
            await log.state(conn, LOG)


async def test_nothing_to_do_makes_nothing(engine, vault):
    assert not await log.sequence(engine, vault, NOON)
    async with engine.connect() as conn:
        assert await log.states(conn) == []


async def test_the_log_s_first_entry_tells_its_keys(engine, vault):
    await append(engine, vault, 1)
    await drain(engine, vault)
    async with engine.connect() as conn:
        body = await conn.scalar(
            text(
                "SELECT body FROM vault_entries JOIN vault_leaves USING (stream, seq)"
                " WHERE index = 0"
            )
        )
    assert body["act"] == log.OPEN_LOG
    assert body["body"]["keys"] == [str(key) for key in verifiers()]
    assert body["body"]["previous"] is None


# --- years ---------------------------------------------------------------------------------------


async def test_a_year_s_log_is_sealed_and_the_next_says_by_which_checkpoint(engine, vault):
    await append(engine, vault, 2, at=NEW_YEAR - timedelta(hours=1))
    await append(engine, vault, 2, at=NEW_YEAR + SECOND)
    await drain(engine, vault, NEW_YEAR + SECOND)
    old, new = LOG, shard.name(ORIGIN, NEW_YEAR)
    async with engine.connect() as conn:
        assert [one.origin for one in await log.states(conn)] == [old]  # it may not be over yet

    await drain(engine, vault, NEW_YEAR + log.SETTLE + SECOND)
    async with engine.connect() as conn:
        first, second = await log.states(conn)
        body = await conn.scalar(
            text(
                "SELECT body FROM vault_entries JOIN vault_leaves USING (stream, seq)"
                " WHERE index = 0 AND origin = :new"
            ),
            {"new": new},
        )
    assert (first.origin, first.size, first.sealed is None) == (old, 3, False)
    assert (second.origin, second.previous, second.size) == (new, old, 3)
    assert body["body"]["previous"] == first.checkpoint
    checkpoint.verify(body["body"]["previous"].encode(), verifiers(old))


async def test_a_clock_s_entry_goes_into_the_year_in_which_it_is_written(engine, vault):
    stream = uuid4()
    async with engine.begin() as conn:
        done = await vault.begin(
            conn, stream, act="act", body={}, at=NOON, recorded=NEW_YEAR + SECOND
        )
    assert (done.entry.time, done.entry.origin) == (NOON, shard.name(ORIGIN, NEW_YEAR))
    await drain(engine, vault, NEW_YEAR + SECOND)
    found = await proven(engine, vault, stream, 0)
    assert found.checkpoint.origin == shard.name(ORIGIN, NEW_YEAR)


# --- crashes -------------------------------------------------------------------------------------


class CrashError(Exception):
    """The process ended here."""


@dataclass
class Ends:
    """A process that ends at its so-manieth step, before or after what it does there."""

    at: int
    after: bool
    count: int = 0
    steps: list[str] = field(default_factory=list)

    def begin(self, step: str) -> int:
        """Tell of a step that comes, and get its number."""
        self.count += 1
        self.steps.append(step)
        self._end(self.count, step, after=False)
        return self.count

    def done(self, number: int) -> None:
        self._end(number, self.steps[number - 1], after=True)

    def _end(self, number: int, step: str, *, after: bool) -> None:
        if number == self.at and after == self.after:
            raise CrashError(step)


@dataclass
class EndingStore:
    """A real store, used by a process that ends."""

    store: Store
    ends: Ends

    async def put(
        self, key: str, source: BinaryIO, *, size: int, digest: bytes, fresh: bool = False
    ) -> Stored:
        number = self.ends.begin(f"put {key}")
        done = await self.store.put(key, source, size=size, digest=digest, fresh=fresh)
        self.ends.done(number)
        return done

    async def replace(self, key: str, data: bytes) -> Stored:
        number = self.ends.begin(f"replace {key}")
        done = await self.store.replace(key, data)
        self.ends.done(number)
        return done

    async def stat(self, key: str) -> Stored:
        return await self.store.stat(key)

    def get(self, key: str, version: str, **span: Any) -> AsyncGenerator[bytes, None]:
        return self.store.get(key, version, **span)


async def crashed(engine, vault: Vault, ends: Ends) -> bool:
    """Sequence until the process ends; whether it did."""

    def before_commit(_: Any) -> None:
        ends.begin("commit")

    def after_commit(_: Any) -> None:  # the next transaction's beginning
        if ends.steps and ends.steps[-1] == "commit":
            ends.done(ends.count)

    event.listen(engine.sync_engine, "commit", before_commit)
    event.listen(engine.sync_engine, "begin", after_commit)
    ending = _with(vault, ends)
    try:
        while await log.sequence(engine, ending, NOON):
            pass
    except CrashError:
        return True
    finally:
        event.remove(engine.sync_engine, "commit", before_commit)
        event.remove(engine.sync_engine, "begin", after_commit)
    return False


def _with(vault: Vault, ends: Ends) -> Vault:
    made = Vault.__new__(Vault)
    made.__dict__ |= vault.__dict__ | {"store": EndingStore(vault.store, ends)}
    return made


@pytest.mark.parametrize("after", [False, True], ids=["before it", "after it"])
async def test_wherever_a_sequencer_ends_the_next_goes_on(engine, vault, after):
    known = await append(engine, vault, 255)
    await drain(engine, vault)
    seen = [await released(vault)]
    step = 1
    while True:
        known += await append(engine, vault, 3)
        ends = Ends(step, after)
        ended = await crashed(engine, vault, ends)
        seen.append(await released(vault))
        known += await append(engine, vault, 2)
        await drain(engine, vault)
        seen.append(await released(vault))
        if not ended:
            break
        step += 1
    assert step >= 10
    assert {step.split()[0] for step in ends.steps} == {"commit", "put", "replace"}
    await whole(engine, vault, known, seen)


async def whole(
    engine, vault: Vault, known: Sequence[tuple[UUID, int]], seen: Sequence[bytes]
) -> None:
    """Every entry stands once in the log, and every checkpoint that was ever seen is part of it."""
    async with engine.connect() as conn:
        (state,) = await log.states(conn)
        rows = await conn.execute(text("SELECT stream, seq FROM vault_leaves ORDER BY index"))
        placed = [tuple(row) for row in rows]
        waiting = await conn.scalar(text("SELECT count(*) FROM vault_unlogged"))
    assert waiting == 0
    assert state.checkpoint.encode() == await released(vault)
    assert state.size == state.assigned == len(placed) == len(known) + 1
    assert sorted(placed[1:]) == sorted(known)
    leaves = [await leaf_of(engine, *one) for one in placed]
    assert merkle.root(leaves) == state.root
    for data in seen:
        said, _ = checkpoint.verify(data, verifiers())
        assert merkle.root(leaves[: said.size]) == said.root
        tiles = await log.read_tiles(
            vault.store, LOG, tree.tiles_of_consistency(said.size, state.size)
        )
        path = tree.consistency_proof(said.size, state.size, tiles)
        assert merkle.extends(said.size, state.size, said.root, state.root, path)
    for stream, seq in (known[0], known[len(known) // 2], known[-1]):
        await proven(engine, vault, stream, seq)


async def test_two_sequencers_at_once_never_fork_the_log(engine, vault):
    known, seen = [], []
    for _ in range(6):
        known += await append(engine, vault, 40)
        done = await asyncio.gather(
            *(log.sequence(engine, vault, NOON) for _ in range(4)), return_exceptions=True
        )
        assert [one for one in done if isinstance(one, BaseException)] == []
        seen.append(await released(vault))
    await drain(engine, vault)
    await whole(engine, vault, known, seen)


async def test_entries_that_are_appended_meanwhile_are_not_lost(engine, vault):
    async def act(number: int) -> list[tuple[UUID, int]]:
        await asyncio.sleep(number / 200)
        return await append(engine, vault, 2)

    async def work() -> None:
        for _ in range(30):
            await log.sequence(engine, vault, NOON)

    *found, _ = await asyncio.gather(*(act(number) for number in range(30)), work())
    await drain(engine, vault)
    await whole(engine, vault, [one for each in found for one in each], [await released(vault)])


# --- tampering -----------------------------------------------------------------------------------


async def _forge(vault: Vault, path: str, change) -> None:
    data = await log.read(vault.store, LOG, path)
    await vault.store.replace(log.object_key(LOG, path), change(data))


@pytest.mark.parametrize("level", [0, 1])
async def test_a_log_whose_tiles_were_changed_is_not_continued(engine, vault, level):
    await append(engine, vault, 700)
    await drain(engine, vault)
    edge = next(one for one in tree.tiles_of_root(701) if one.level == level)
    await _forge(vault, edge.path, lambda data: data[:-1] + bytes([data[-1] ^ 1]))
    await append(engine, vault, 1)
    with pytest.raises(Tampered, match="do not lead to the root"):
        await drain(engine, vault)


async def test_a_log_whose_entries_were_changed_is_not_continued(engine, vault, intruder):
    ((stream, _), *_) = await append(engine, vault, 4)
    await drain(engine, vault)
    async with intruder.begin() as conn:
        await conn.execute(text("ALTER TABLE vault_entries DISABLE TRIGGER ALL"))
        change = text("UPDATE vault_entries SET entry = entry || 'x' WHERE stream = :stream")
        await conn.execute(change, {"stream": stream})
    await append(engine, vault, 1)
    with pytest.raises(Tampered, match="not the one that was logged"):
        await drain(engine, vault)


async def test_a_log_that_lost_a_place_is_not_continued(engine, vault, intruder):
    await append(engine, vault, 4)
    await drain(engine, vault)
    async with intruder.begin() as conn:
        await conn.execute(text("ALTER TABLE vault_leaves DISABLE TRIGGER ALL"))
        await conn.execute(text("DELETE FROM vault_leaves WHERE index = 2"))
    await append(engine, vault, 1)
    with pytest.raises(Tampered, match="are gone"):
        await drain(engine, vault)


async def test_an_old_checkpoint_put_back_is_replaced_by_the_next_round(engine, vault):
    await append(engine, vault, 1)
    await drain(engine, vault)
    old = await released(vault)
    await append(engine, vault, 1)
    await drain(engine, vault)
    new = await released(vault)
    await vault.store.replace(log.object_key(LOG, log.CHECKPOINT), old)
    await drain(engine, vault)
    assert await released(vault) == new


async def test_a_partial_tile_that_was_tidied_away_is_cut_from_the_full_one(engine, vault):
    await append(engine, vault, 100)
    await drain(engine, vault)
    partial = tile.Tile(0, 0, 101)
    before = await log.read_tiles(vault.store, LOG, [partial])
    await append(engine, vault, 300)
    await drain(engine, vault)
    key = log.object_key(LOG, partial.path)
    stored = await vault.store.stat(key)
    await vault.store.delete(key, stored.version, now=NOON)
    assert await log.read_tiles(vault.store, LOG, [partial]) == before


# --- bundles -------------------------------------------------------------------------------------


@pytest.fixture
async def logged(engine, vault, tmp_path):
    """A bundle of a stream of four entries, three of them in the log."""
    (stream, _), *_ = await append(engine, vault, 3)
    await drain(engine, vault)
    async with engine.begin() as conn:
        await vault.append(conn, stream, act="act", body={"number": 3}, at=NOON)
        while pending := await vault.pending_receipts(conn, since=NOON):
            await vault.store_receipts(conn, [await vault.sign(one) for one in pending])
    async with engine.connect() as conn:
        contents = await bundle.collect(conn, [stream])
    path = tmp_path / "case.zip"
    await bundle.write(vault, contents, path, name="case", made=NOON)
    return stream, path


def witness() -> Signer:
    return keys.local_signer("witness.example", bytes(range(32)), MLDSA44_COSIGNATURE)


def checked(path, vault: Vault, asked=proof.NO_WITNESSES):
    report = verify.verify(path, [vault.receipt_key, *verifiers()], asked)
    return report.code, "\n".join([*map(str, report.findings), *report.unchecked])


async def test_a_bundle_proves_its_entries_in_the_log(vault, logged):
    _, path = logged
    code, told = checked(path, vault)
    assert code == reports.SOUND
    assert "that 1 entries are in the log" in told
    alone = verify.verify(path, [vault.receipt_key])
    assert alone.code == reports.SOUND
    assert "the proofs of 3 entries: no key of their log was given" in alone.unchecked


async def test_a_bundle_without_the_witnesses_that_were_asked_for_is_not_sound(vault, logged):
    _, path = logged
    code, told = checked(path, vault, proof.Witnesses((witness().key,), 1))
    assert code != reports.SOUND
    assert "fewer than 1 of the witnesses cosigned" in told


def _swap(files, stream):
    one, other = (place(stream, "proofs", seq) for seq in (0, 1))
    files[one], files[other] = files[other], files[one]


def _other_tree(files, stream):
    path = place(stream, "proofs", 1)
    found = proof.read(files[path])
    said, _ = checkpoint.verify(found.checkpoint, verifiers())
    forged = asyncio.run(
        log.sign([keys.local_signer(LOG, bytes(32))], replace(said, root=bytes(32)), NOON)
    )
    files[path] = proof.write(replace(found, checkpoint=forged.encode())).encode()


def _other_log(files, stream):
    path = place(stream, "proofs", 1)
    files[path] = files[path].replace(b"/2026\n", b"/2025\n")


@pytest.mark.parametrize("forge", [_swap, _other_tree, _other_log])
async def test_a_forged_proof_is_named(vault, logged, tmp_path, forge):
    stream, path = logged
    files = files_of(path)
    await asyncio.to_thread(forge, files, stream)
    code, told = checked(pack(files, tmp_path / "forged.zip"), vault)
    assert code != reports.SOUND
    assert place(stream, "proofs", 1).removeprefix("data/") in told


async def test_a_broken_promise_is_named(engine, vault):
    ((stream, seq),) = await append(engine, vault, 1)
    found = []
    for later, count in ((timedelta(minutes=59), 0), (timedelta(minutes=61), 1)):
        async with engine.connect() as conn:
            await oversight.check_deadline(
                conn,
                lambda where, what: found.append((where, what)),
                now=NOON + later,
                delay=timedelta(hours=1),
            )
        assert len(found) == count
    assert found[0][0] == f"vault_unlogged {stream} {seq}"


def test_a_checkpoint_has_a_line_of_each_kind():
    said = checkpoint.Checkpoint(LOG, 1, bytes(32))
    signed = asyncio.run(log.sign(signers(LOG), said, NOON))
    _, by = checkpoint.verify(signed.encode(), verifiers())
    assert {key.kind for key in by} == {1, MLDSA44_COSIGNATURE}
    assert all(key.name == LOG for key in by)
    other = replace(said, size=2)
    with pytest.raises(Tampered):
        checkpoint.verify(signed.replace("\n1\n", "\n2\n").encode(), verifiers())
    assert checkpoint.write(other) != checkpoint.write(said)


async def test_a_log_that_does_not_grow_is_signed_again(engine, vault):
    await append(engine, vault, 2)
    await drain(engine, vault)
    first = await released(vault)
    await drain(engine, vault, NOON + log.RESIGNED - SECOND)
    assert await released(vault) == first
    later = NOON + log.RESIGNED
    await drain(engine, vault, later)
    second = await released(vault)
    assert second != first
    assert checkpoint.verify(second, verifiers()) == checkpoint.verify(first, verifiers())
    _, cosigned = cosignature.verify(second, verifiers())
    assert [one.time for one in cosigned] == [int(later.timestamp())]
    async with engine.connect() as conn:
        assert (await audit.audit(conn, vault)).findings == []
        (opened,) = await succession.history(conn, LOG)
    assert (opened.index, opened.body["act"]) == (0, log.OPEN_LOG)
