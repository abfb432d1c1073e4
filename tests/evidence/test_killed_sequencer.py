"""A sequencer that is killed again and again under load: no receipt that was given is broken."""

import asyncio
import os
import random
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from evidence import audit, checkpoint, keys, log, proof, receipt, shard
from evidence.entry import from_microseconds
from tests.evidence import sequencing
from tests.evidence.cases import ORIGIN, SIGNER

_AT_WORK_SECONDS = 60
KILLS = [4, pytest.param(50, marks=pytest.mark.long)]


@pytest.mark.parametrize("kills", KILLS)
async def test_no_receipt_is_broken_by_a_killed_sequencer(database, engine, tmp_path, kills):
    local = keys.generate(SIGNER, "log", cosigners=["log"])
    keys.save(local, tmp_path / "keys.json", "", cost=2)
    receipts, seed = tmp_path / "receipts", random.SystemRandom().randrange(2**32)
    receipts.touch()
    chance = random.Random(seed)  # noqa: S311 - no secret
    given, sizes = 0, [0]
    for _ in range(kills):
        await killed(database.url, tmp_path, receipts, chance.uniform(0.02, 0.5))
        assert len(sequencing.read(receipts)) >= given
        given = len(sequencing.read(receipts))
        async with engine.connect() as conn:
            sizes += [one.size for one in await log.states(conn)]
    assert sizes == sorted(sizes), f"a log became shorter, with seed {seed}"

    made = sequencing.vault(tmp_path / "store", local)
    now = datetime.now(UTC)
    while await log.sequence(engine, made, now):
        pass
    origin = shard.name(ORIGIN, now)
    verifiers = [one.key for one in made.log_signers(origin)]
    said, _ = checkpoint.verify(await log.read(made.store, origin, log.CHECKPOINT), verifiers)
    notes = sequencing.read(receipts)
    assert len(notes) > kills, "nothing was deposited between the kills"
    for note in notes:
        promised, signed = receipt.verify(note, [made.receipt_key])
        assert signed
        async with engine.connect() as conn:
            written = await log.prove(conn, made.store, promised.stream, promised.seq)
        found = proof.verify(written.encode(), promised.leaf, verifiers)
        assert found.checkpoint == said
        assert now <= from_microseconds(promised.latest)
    async with engine.connect() as conn:
        waiting = (await conn.execute(text("SELECT count(*) FROM vault_unlogged"))).scalar_one()
        report = await audit.audit(conn, made)
    assert waiting == 0
    assert report.findings == [], f"with seed {seed}"


async def killed(url: str, folder: Path, receipts: Path, seconds: float) -> None:
    """Start the process, and kill it so many seconds after it gave its first receipt."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.evidence.sequencing",
        url,
        str(folder / "store"),
        str(folder / "keys.json"),
        str(receipts),
        stdout=asyncio.subprocess.PIPE,
        env=dict(os.environ),
    )
    assert process.stdout is not None
    async with asyncio.timeout(_AT_WORK_SECONDS):
        assert await process.stdout.readline() == b"at work\n"
    await asyncio.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    assert await process.wait() == -signal.SIGKILL
