"""What witnesses say of checkpoints is asked for, checked, kept, and shown with the checkpoint."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from evidence import audit, bundle, checkpoint, keys, log, merkle, note, proof, testimony, verify
from evidence import report as reports
from evidence.checkpoint import Checkpoint
from evidence.errors import Malformed, NotAnswered, NotCosigned
from evidence.signature import ED25519_COSIGNATURE
from evidence.store import DirectoryStore
from evidence.testimony import Known, Reply
from tests.evidence.attesting import NOON, reaching, serving
from tests.evidence.test_log import LOG, append, drain, over, released, signers, verifiers


@pytest.fixture
def vault(tmp_path, vault_keys):
    return over(DirectoryStore(tmp_path / "store"), vault_keys)


@pytest.fixture
def seen(tmp_path):
    with serving(tmp_path / "witness", {LOG: verifiers()}) as (known, witness):
        yield known, witness


async def ask(engine, vault, known: Known, at=NOON) -> int:
    (state,) = await testimony.waiting(engine, known)
    async with reaching() as post:
        return await testimony.ask(engine, vault.store, post, known, state, at)


async def test_a_checkpoint_is_cosigned_kept_and_released(engine, vault, seen):
    known, witness = seen
    streams = await append(engine, vault, 3)
    await drain(engine, vault)
    assert await ask(engine, vault, known) == 2
    assert await testimony.waiting(engine, known) == []
    _, by = checkpoint.verify(await released(vault), [*verifiers(), *known.keys])
    assert [key.name for key in by] == [LOG, LOG, "witness.example", "witness.example"]

    streams += await append(engine, vault, 300)
    await drain(engine, vault)  # from a proof, now
    assert await ask(engine, vault, known) == 2
    assert witness.seen(LOG).size == 304
    async with engine.connect() as conn:
        assert await testimony.words(conn, LOG) == [testimony.Word("witness.example", 304, NOON)]
        written = await log.prove(conn, vault.store, *streams[7])
        assert (await audit.audit(conn, vault)).findings == []
    found = proof.read(written.encode())
    note.verify(found.checkpoint, [*verifiers(), *known.keys])
    assert len(note.parse(found.checkpoint).signatures) == 4


async def test_a_bundle_carries_the_cosignatures(engine, vault, seen, tmp_path):
    known, _ = seen
    ((stream, _),) = await append(engine, vault, 1)
    await drain(engine, vault)
    await ask(engine, vault, known)
    async with engine.begin() as conn:
        pending = await vault.pending_receipts(conn, since=NOON)
        await vault.store_receipts(conn, [await vault.sign(one) for one in pending])
        contents = await bundle.collect(conn, [stream])
    path = tmp_path / "case.zip"
    await bundle.write(vault, contents, path, name="case", made=NOON)
    asked = proof.Witnesses(known.keys, 1)
    report = verify.verify(path, [vault.receipt_key, *verifiers()], asked)
    assert report.code == reports.SOUND, report.findings


async def test_what_we_lost_is_asked_for_again_from_where_the_witness_stands(
    engine, vault, seen, intruder
):
    known, _ = seen
    await append(engine, vault, 3)
    await drain(engine, vault)
    await ask(engine, vault, known)
    async with intruder.begin() as conn:
        await conn.execute(text("SET session_replication_role = replica"))
        await conn.execute(text("DELETE FROM vault_cosignatures"))
    await append(engine, vault, 5)
    await drain(engine, vault)
    assert await ask(engine, vault, known) == 2


async def test_a_witness_that_was_shown_another_history_does_not_cosign(
    engine, vault, seen, tmp_path
):
    known, witness = seen
    leaves = [merkle.leaf_hash(bytes([number])) for number in range(2)]
    other = await log.sign(signers(LOG), Checkpoint(LOG, 2, merkle.root(leaves)), NOON)
    body = f"old 0\n\n{other}".encode()
    assert (await witness.add_checkpoint(body, NOON)).status == 200
    await append(engine, vault, 6)
    await drain(engine, vault)
    with pytest.raises(NotCosigned, match="of 7: 422"):
        await ask(engine, vault, known)
    assert len(list((tmp_path / "witness" / "misbehaviour").iterdir())) == 1
    assert len(await testimony.waiting(engine, known)) == 1
    await append(engine, vault, 1)  # the log grows on, without it
    await drain(engine, vault)


async def test_a_witness_that_knows_a_longer_log_is_heard(engine, vault, seen):
    """Whoever puts the database back to yesterday is found out by the next question."""
    known, witness = seen
    leaves = [merkle.leaf_hash(bytes([number])) for number in range(200)]
    longer = await log.sign(signers(LOG), Checkpoint(LOG, 200, merkle.root(leaves)), NOON)
    assert (await witness.add_checkpoint(f"old 0\n\n{longer}".encode(), NOON)).status == 200
    await append(engine, vault, 6)
    await drain(engine, vault)
    with pytest.raises(NotCosigned, match="409 200"):
        await ask(engine, vault, known)


def _answers(status: int, body: str, media_type: str = "text/plain"):
    async def post(_url: str, _body: bytes) -> Reply:
        return Reply(status, media_type, body.encode())

    return post


async def test_what_is_not_signed_by_the_witness_is_not_kept(engine, vault, seen):
    known, witness = seen
    await append(engine, vault, 2)
    await drain(engine, vault)
    (state,) = await testimony.waiting(engine, known)
    others = [replace(state, size=2), replace(state, origin="other.example/2026")]
    stranger = keys.local_signer("witness.example", bytes(32), ED25519_COSIGNATURE)
    texts = [checkpoint.write(Checkpoint(one.origin, one.size, one.root)) for one in others]
    good = checkpoint.write(Checkpoint(state.origin, state.size, state.root))
    cosign = testimony.cosignature.sign
    lines = [
        *[str(await cosign(witness._signers[0], one, NOON)) for one in texts],
        str(await cosign(stranger, good, NOON)),
        str(await cosign(witness._signers[0], good, NOON + timedelta(hours=1))),
        state.checkpoint.partition("\n\n")[2],
        "",
        "no line",
        "\u2014 witness.example AAAA\n",
    ]
    for line in lines:
        with pytest.raises(NotCosigned):
            await testimony.ask(engine, vault.store, _answers(200, line), known, state, NOON)
    for status, body in ((404, "?"), (500, ""), (301, ""), (409, "7"), (204, "")):
        with pytest.raises(NotCosigned, match=str(status)):
            await testimony.ask(engine, vault.store, _answers(status, body), known, state, NOON)
    for size in ("3", "0", "+1", "999", "x"):
        asked = _answers(409, f"{size}\n", "text/x.tlog.size")
        with pytest.raises(NotCosigned, match="409"):
            await testimony.ask(engine, vault.store, asked, known, state, NOON)
    async with engine.connect() as conn:
        assert await testimony.words(conn, LOG) == []


async def test_nobody_there_is_said(engine, vault, seen):
    known, _ = seen
    await append(engine, vault, 1)
    await drain(engine, vault)
    with pytest.raises(NotAnswered):
        await ask(engine, vault, replace(known, url="http://127.0.0.1:1"))


async def test_a_cosignature_stands(engine, vault, seen, intruder):
    known, _ = seen
    await append(engine, vault, 1)
    await drain(engine, vault)
    await ask(engine, vault, known)
    for sql in ("DELETE FROM vault_cosignatures", "UPDATE vault_cosignatures SET line = 'x'"):
        with pytest.raises(Exception, match=r"append-only|denied"):
            async with intruder.begin() as conn:
                await conn.execute(text(sql))
    async with intruder.connect() as conn:
        await conn.execute(text("SET session_replication_role = replica"))
        await conn.execute(text("UPDATE vault_cosignatures SET line = 'x'"))
        report = await audit.audit(conn, vault)
        assert "vault_cosignatures" in report.findings[0].where
        await conn.rollback()


def test_a_witness_has_one_name_and_keys_for_cosignatures():
    one = keys.local_signer("one", bytes(32), ED25519_COSIGNATURE).key
    for wrong in ((), (one, keys.local_signer("two", bytes(32), ED25519_COSIGNATURE).key)):
        with pytest.raises(Malformed):
            Known("http://x", wrong)
    with pytest.raises(Malformed):
        Known("http://x", (keys.local_signer("one", bytes(32)).key,))
