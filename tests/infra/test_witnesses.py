"""What the worker asks of outsiders: the log grows on, whether they answer or not."""

import asyncio
import logging
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from evidence import log, note, openssl, shard, stamping, testimony
from evidence.errors import NotCosigned
from infra import keys, parts, site
from infra.settings import Settings
from infra.witnesses import Patience
from tests.evidence.attesting import serving
from tests.servers import tsa


@pytest.fixture
def authority(tmp_path):
    with tsa.Authority(tmp_path / "authority") as running:
        yield running


async def test_the_worker_has_checkpoints_cosigned_and_stamped(
    database, tmp_path, authority, caplog
):
    caplog.set_level(logging.CRITICAL, "concord.worker")
    now = datetime.now(UTC).replace(microsecond=0)
    given = {
        "folder": tmp_path,
        "database_url": database.url,
        "database_reader_url": database.reader_url,
    }
    plain = Settings(**given)
    opened = await keys.opened(plain.keys, plain.key_passphrase.get_secret_value(), plain.origin)
    origin = shard.name(plain.origin, now)
    logs = {origin: [one.key for one in opened.logs(origin)]}
    with serving(tmp_path / "witness", logs, at=now) as (known, _):
        settings = Settings(
            **given,
            witnesses=(known, testimony.Known("http://127.0.0.1:1", known.keys)),
            timestamp_urls=(authority.url, "http://127.0.0.1:1/tsa"),
            timestamp_roots=authority.roots,
        )
        async with (
            parts.opened(settings) as made,
            site.opened(made) as built,
            site.working(built),
        ):
            async with made.engine.begin() as conn:
                await made.vault.begin(conn, uuid4(), act="act", body={}, at=now)
            async with asyncio.timeout(60):
                checkpoint, (chain,) = await _attested(made, origin)
    _, signed = note.verify(checkpoint, [*logs[origin], *known.keys])
    assert {key.name for key in signed} == {origin, known.name}
    at = datetime.now(UTC)
    found = openssl.verify_chain(chain.answers, chain.checkpoint, authority.roots, at=at)
    assert found == chain.stamped


async def _attested(made, origin: str):
    """The checkpoint and its timestamps, once there are both."""
    while True:
        async with made.engine.connect() as conn:
            found = await stamping.words(conn, origin)
            if found and await testimony.words(conn, origin):
                state = await log.cosigned(conn, await log.state(conn, origin))
                return state.checkpoint.encode(), await stamping.chains(conn, origin)
        await asyncio.sleep(0.1)


async def test_who_failed_is_asked_later_and_later():
    clock = [0.0]
    patience = Patience(now=lambda: clock[0])
    asked, reported = [], []

    async def ask(*, fails: bool) -> None:
        asked.append(clock[0])
        if fails:
            raise NotCosigned("w", "log", 1, 500, "")

    for second in range(400):
        clock[0] = float(second)
        await patience.attempt("log", ask(fails=second < 300), reported.append)
        if second == 0:
            await patience.attempt("other", ask(fails=False), reported.append)
    assert asked == [0.0, 0.0, 5.0, 15.0, 35.0, 75.0, 155.0, 315.0, *map(float, range(316, 400))]
    assert len(reported) == 6
